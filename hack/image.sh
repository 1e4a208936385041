#!/usr/bin/env bash
# Builds the image into an archive:
#   hack/image.sh BINARY ARCHIVE
# The Dockerfile's stage `build` is replaced by the binary that is here already, so that no registry
# is needed; `docker build .` builds that stage as well.
set -euo pipefail
binary=$(realpath "$1") archive=$2
cd "$(dirname "$0")/.."
if ! command -v buildah >/dev/null; then
  if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
    echo "image: please install buildah (on Debian: sudo apt-get install buildah)" >&2
    exit 1
  fi
  echo "image: installing buildah from Debian"
  apt-get update -qq
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends buildah >/dev/null
fi
stage=$(mktemp -d)
trap 'rm -rf "$stage"' EXIT
install -D "$binary" "$stage/src/bin/ordain"
mkdir -p "$(dirname "$archive")"
rm -f "$archive"
export STORAGE_DRIVER=vfs
buildah bud -q --isolation chroot --build-context "build=$stage" -t ordain:0.1.0 . >/dev/null
buildah push -q ordain:0.1.0 "docker-archive:$archive:ordain:0.1.0"
echo "image: $archive, $(du -h "$archive" | cut -f1)"
