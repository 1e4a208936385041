#!/usr/bin/env bash
# Installs from Debian what the cluster takes from there.
set -euo pipefail
missing=()
need() { command -v "$1" >/dev/null || missing+=("$2"); }
need containerd containerd
need runc runc
need iptables iptables
need ip iproute2
need openssl openssl
need busybox busybox-static
need buildah buildah
need redis-server redis-server
need redis-cli redis-tools
need pgrep procps
[ -x /usr/lib/cni/ptp ] || missing+=(containernetworking-plugins)
[ ${#missing[@]} -gt 0 ] || exit 0
if ! command -v apt-get >/dev/null; then
  echo "cluster: please install ${missing[*]}" >&2
  exit 1
fi
echo "cluster: installing ${missing[*]} from Debian"
apt-get update -qq
# At this run level Debian's packages do not start their own servers.
RUNLEVEL=1 DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
