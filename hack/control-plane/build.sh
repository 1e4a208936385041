#!/usr/bin/env bash
# Builds programs of Kubernetes, and etcd, from the Go module proxy into a folder, once:
#   hack/control-plane/build.sh DIR [NAME…]
# Without names: kube-apiserver, etcd and kubectl, which makes the folder what envtest calls
# KUBEBUILDER_ASSETS. Needs Go, no checkout, no container engine.
set -euo pipefail
dir=$(mkdir -p "$1" && cd "$1" && pwd)
shift
cd "$(dirname "$0")"

version=$(go list -m -f '{{.Version}}' k8s.io/kubernetes)
names=("$@")
[ $# -gt 0 ] || names=(etcd kubectl kube-apiserver)
stamp="$version $(sha256sum go.mod go.sum | sha256sum | cut -c1-16)"
if [ "$(cat "$dir/.built" 2>/dev/null)" = "$stamp" ]; then
  exit 0
fi
echo "control-plane: building ${names[*]} $version into $dir: minutes on two cores, once"

package() {
  case $1 in
    etcd) echo go.etcd.io/etcd/server/v3 ;;
    *) echo "k8s.io/kubernetes/cmd/$1" ;;
  esac
}
flags="-s -w
  -X k8s.io/component-base/version.gitVersion=$version
  -X k8s.io/component-base/version.gitMajor=$(cut -d. -f1 <<<"${version#v}")
  -X k8s.io/component-base/version.gitMinor=$(cut -d. -f2 <<<"$version")"
for name in "${names[@]}"; do
  start=$SECONDS
  # A unique name first, so that an interrupted build leaves nothing that looks finished.
  CGO_ENABLED=0 go build -trimpath -ldflags "$flags" -o "$dir/.$name.new" "$(package "$name")"
  mv "$dir/.$name.new" "$dir/$name"
  echo "control-plane: $name $((SECONDS - start)) s, $(du -m "$dir/$name" | cut -f1) MB"
done
echo "$stamp" >"$dir/.built"
