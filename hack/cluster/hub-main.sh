#!/usr/bin/env bash
# The hub's first process: the control plane and the cluster's DNS.
. "$(dirname "$0")/lib.sh"
hostname hub
mount -t tmpfs tmpfs /run
logs=$state/hub pki=$state/pki

run() {
  local name=$1
  shift
  "$@" >"$logs/$name.log" 2>&1 &
}

run etcd etcd --data-dir "$state/hub/etcd" --unsafe-no-fsync --log-level=warn
run kube-apiserver kube-apiserver \
  --etcd-servers=http://127.0.0.1:2379 \
  --bind-address="$hub_address" --advertise-address="$hub_address" --secure-port=6443 \
  --tls-cert-file="$pki/server.crt" --tls-private-key-file="$pki/server.key" \
  --client-ca-file="$pki/ca.crt" \
  --kubelet-client-certificate="$pki/kubelet-client.crt" --kubelet-client-key="$pki/kubelet-client.key" \
  --kubelet-preferred-address-types=InternalIP \
  --service-account-issuer=https://kubernetes.default.svc \
  --service-account-key-file="$pki/accounts.pub" --service-account-signing-key-file="$pki/accounts.key" \
  --service-cluster-ip-range="$service_range" \
  --allow-privileged --authorization-mode=Node,RBAC --enable-admission-plugins=NodeRestriction \
  --audit-policy-file="$state/hub/audit.yaml" --audit-log-path="$logs/audit.log"
# A lost node is seen after 20 s instead of 50.
run kube-controller-manager kube-controller-manager \
  --kubeconfig="$state/kube-controller-manager.kubeconfig" --bind-address=127.0.0.1 --leader-elect=false \
  --use-service-account-credentials --service-account-private-key-file="$pki/accounts.key" \
  --root-ca-file="$pki/ca.crt" --node-monitor-grace-period=20s --node-monitor-period=2s
run kube-scheduler kube-scheduler \
  --kubeconfig="$state/kube-scheduler.kubeconfig" --bind-address=127.0.0.1 --leader-elect=false
run coredns coredns -conf "$state/hub/Corefile"

# One that ends makes the machine end, so that nobody tests with half a control plane.
wait -n || true
echo "hub: one of its programs has ended; their logs are beside this one"
