#!/usr/bin/env bash
# Makes the cluster's certificates, and a kubeconfig for each who uses the API server:
#   hack/cluster/certificates.sh NODE…
. "$(dirname "$0")/lib.sh"
mkdir -p "$state/pki"
cd "$state/pki"
curve=(-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes)

openssl req -x509 "${curve[@]}" -days 30 -subj /CN=ordain-cluster -keyout ca.key -out ca.crt 2>/dev/null
openssl genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:2048 -out accounts.key 2>/dev/null
openssl pkey -in accounts.key -pubout -out accounts.pub

# certificate NAME SUBJECT [ALTERNATIVE-NAMES]
certificate() {
  local extension=()
  [ $# -lt 3 ] || extension=(-addext "subjectAltName=$3")
  openssl req -x509 "${curve[@]}" -days 30 -CA ca.crt -CAkey ca.key -subj "$2" "${extension[@]}" \
    -addext basicConstraints=critical,CA:FALSE -keyout "$1.key" -out "$1.crt" 2>/dev/null
}

# user NAME SUBJECT KUBECONFIG
user() {
  certificate "$1" "$2"
  cat >"$3" <<END
{"apiVersion": "v1", "kind": "Config", "current-context": "cluster",
 "clusters": [{"name": "cluster", "cluster": {"server": "https://$hub_address:6443", "certificate-authority": "$PWD/ca.crt"}}],
 "users": [{"name": "user", "user": {"client-certificate": "$PWD/$1.crt", "client-key": "$PWD/$1.key"}}],
 "contexts": [{"name": "cluster", "context": {"cluster": "cluster", "user": "user"}}]}
END
}

certificate server /CN=kube-apiserver \
  "IP:$hub_address,IP:${service_range%0/*}1,DNS:kubernetes,DNS:kubernetes.default,DNS:kubernetes.default.svc"
certificate kubelet-client /O=system:masters/CN=kube-apiserver
user admin /O=system:masters/CN=admin "$state/admin.kubeconfig"
user kube-controller-manager /CN=system:kube-controller-manager "$state/kube-controller-manager.kubeconfig"
user kube-scheduler /CN=system:kube-scheduler "$state/kube-scheduler.kubeconfig"
user kube-proxy /CN=system:kube-proxy "$state/kube-proxy.kubeconfig"
for node in "$@"; do
  mkdir -p "$state/$node"
  user "$node" "/O=system:nodes/CN=system:node:$node" "$state/$node/kubeconfig"
done
