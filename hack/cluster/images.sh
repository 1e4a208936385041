#!/usr/bin/env bash
# Builds the images that stand for the stock ones, once, into archives:
#   hack/cluster/images.sh DIR SERVERS
# `redis` from Debian's Redis, `valkey` from SERVERS/valkey-9, `exporter`, which only says that it is well,
# and `pause`. Each is what its programs
# need and a busybox. As in the official images, /data belongs to user 999, the entrypoint gives root
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

# finish NAME TAG CONFIGURATION…
finish() {
  local name=$1 tag=$2 container
  shift 2
  container=$(buildah from scratch)
  buildah copy -q "$container" "$stage/root" / >/dev/null
  buildah config --env PATH=/usr/local/bin:/bin "$@" "$container"
  buildah commit -q --rm "$container" "$name:$tag" >/dev/null
  rm -f "$dir/$name.tar"
  buildah push -q "$name:$tag" "docker-archive:$dir/$name.tar:docker.io/library/$name:$tag"
  echo "cluster: image $name:$tag, $(du -h "$dir/$name.tar" | cut -f1)"
}

# server NAME TAG SERVER CLI
server() {
  begin
  program "$3" "$1-server"
  program "$4" "$1-cli"
  for alias in "$1-sentinel" redis-server redis-sentinel; do
    [ -e "$stage/root/usr/local/bin/$alias" ] || ln -s "$1-server" "$stage/root/usr/local/bin/$alias"
  done
  [ -e "$stage/root/usr/local/bin/redis-cli" ] || ln -s "$1-cli" "$stage/root/usr/local/bin/redis-cli"
  install -d -o 999 -g 999 "$stage/root/data"
  install entrypoint.sh "$stage/root/usr/local/bin/docker-entrypoint.sh"
  finish "$1" "$2" --workingdir /data --volume /data --port 6379 \
    --entrypoint '["docker-entrypoint.sh"]' --cmd "$1-server"
}

stamp=$({ cat images.sh entrypoint.sh; redis-server --version; cat "$servers/valkey-9"; } | sha256sum)
[ "$(cat "$dir/.built" 2>/dev/null)" != "$stamp" ] || exit 0
begin
finish pause local --entrypoint '["/bin/sleep", "2147483647"]'
begin
mkdir "$stage/root/www"
echo ok >"$stage/root/www/health"
finish exporter local --entrypoint '["sh", "-c", "trap exit TERM; httpd -f -p 9121 -h /www & wait"]'
server redis 7.0 "$(command -v redis-server)" "$(command -v redis-cli)"
server valkey 9.1 "$servers/valkey-9" "$(command -v redis-cli)"
echo "$stamp" >"$dir/.built"
