#!/usr/bin/env bash
# Builds the images that stand for the stock ones, once, into archives:
#   hack/cluster/images.sh DIR SERVERS
# `redis` from SERVERS/redis-8.2, `valkey` from SERVERS/valkey-9, `exporter` from Debian's exporter, and
# `pause`. Each is what its programs need and a busybox. As in the official images, /data belongs to user 999, the entrypoint gives root
# up, and a server that is started without a file of its own has no protected mode.
set -euo pipefail
dir=$(mkdir -p "$1" && cd "$1" && pwd)
servers=$(cd "$2" && pwd)
cd "$(dirname "$0")"
export STORAGE_DRIVER=vfs
stage=$(mktemp -d)
trap 'rm -rf "$stage"' EXIT

# begin: a root with a busybox
begin() {
  rm -rf "$stage/root"
  mkdir -p "$stage/root"/{bin,etc,usr/local/bin}
  mkdir -m 1777 "$stage/root/tmp"
  cp "$(command -v busybox)" "$stage/root/bin/busybox"
  "$stage/root/bin/busybox" --list | while read -r applet; do
    [ "$applet" = busybox ] || ln -s busybox "$stage/root/bin/$applet"
  done
  printf 'root:x:0:0::/:/bin/sh\nredis:x:999:999::/data:/bin/sh\n' >"$stage/root/etc/passwd"
  printf 'root:x:0:\nredis:x:999:\n' >"$stage/root/etc/group"
}

# program FILE NAME: with the libraries that it is linked to
program() {
  install "$(realpath "$1")" "$stage/root/usr/local/bin/$2"
  ldd "$1" | grep -o '/[^ ]*' | while read -r library; do
    install -D "$(realpath "$library")" "$stage/root/$library"
  done
}

# finish NAME REPOSITORY TAG CONFIGURATION…
finish() {
  local name=$1 image=$2:$3 container
  shift 3
  container=$(buildah from scratch)
  buildah copy -q "$container" "$stage/root" / >/dev/null
  buildah config --env PATH=/usr/local/bin:/bin "$@" "$container"
  buildah commit -q --rm "$container" "$name:local" >/dev/null
  rm -f "$dir/$name.tar"
  buildah push -q "$name:local" "docker-archive:$dir/$name.tar:docker.io/$image"
  echo "cluster: image $image, $(du -h "$dir/$name.tar" | cut -f1)"
}

# server NAME REPOSITORY TAG SERVER CLI
server() {
  begin
  program "$4" "$1-server"
  program "$5" "$1-cli"
  for alias in "$1-sentinel" redis-server redis-sentinel; do
    [ -e "$stage/root/usr/local/bin/$alias" ] || ln -s "$1-server" "$stage/root/usr/local/bin/$alias"
  done
  [ -e "$stage/root/usr/local/bin/redis-cli" ] || ln -s "$1-cli" "$stage/root/usr/local/bin/redis-cli"
  install -d -o 999 -g 999 "$stage/root/data"
  install entrypoint.sh "$stage/root/usr/local/bin/docker-entrypoint.sh"
  finish "$1" "$2" "$3" --workingdir /data --volume /data --port 6379 \
    --entrypoint '["docker-entrypoint.sh"]' --cmd "$1-server"
}

stamp=$({ cat images.sh entrypoint.sh; prometheus-redis-exporter --version; cat "$servers"/{redis-8.2,valkey-9}; } 2>&1 | sha256sum)
[ "$(cat "$dir/.built" 2>/dev/null)" != "$stamp" ] || exit 0
begin
finish pause library/pause local --entrypoint '["/bin/sleep", "2147483647"]'
begin
program "$(command -v prometheus-redis-exporter)" redis_exporter
finish exporter oliver006/redis_exporter v1.87.0 --port 9121 --entrypoint '["redis_exporter"]'
server redis library/redis 8.2 "$servers/redis-8.2" "$(command -v redis-cli)"
server valkey valkey/valkey 9.1 "$servers/valkey-9" "$(command -v redis-cli)"
echo "$stamp" >"$dir/.built"
