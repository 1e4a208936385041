#!/usr/bin/env bash
# Builds what the cluster has beyond the control plane from the Go module proxy, once:
#   hack/cluster/build.sh DIR
set -euo pipefail
dir=$(mkdir -p "$1" && cd "$1" && pwd)
"$(dirname "$0")/../control-plane/build.sh" "$dir" kube-controller-manager kube-scheduler kube-proxy kubelet

coredns=v1.14.7
[ "$(cat "$dir/.coredns" 2>/dev/null)" != "$coredns" ] || exit 0
echo "cluster: building CoreDNS $coredns"
start=$SECONDS
# Outside of any module: its own go.mod and go.sum say what it is made of.
(cd / && CGO_ENABLED=0 GOBIN=$dir GOFLAGS= go install -trimpath -ldflags "-s -w" "github.com/coredns/coredns@$coredns")
echo "$coredns" >"$dir/.coredns"
echo "cluster: coredns $((SECONDS - start)) s, $(du -m "$dir/coredns" | cut -f1) MB"
