#!/usr/bin/env bash
# A node's first process: its mounts, containerd, kubelet and kube-proxy.
#   hack/cluster/node-main.sh NODE
. "$(dirname "$0")/lib.sh"
node=$1
folder=$state/$node
hostname "$node"

# /var/lib lives as long as the node's disk, /run as long as its power.
mkdir -p "$folder/lib" "$folder/logs" "$state/network"
mount --make-rshared /
mount --bind "$folder/lib" /var/lib
mount --bind "$folder/logs" /var/log
mount -t tmpfs tmpfs /run
mkdir -p /run/tmp /run/cni /run/as /var/lib/node-volumes /var/lib/network-volumes
export TMPDIR=/run/tmp
# A volume that any node can reach, as network storage is.
mount --bind "$state/network" /var/lib/network-volumes

# as FILE VALUE: lets a file of /proc read as the kubelet wants it, so that it changes nothing for the
# whole machine
as() {
  local copy
  copy=/run/as/$(basename "$1")
  echo "$2" >"$copy"
  mount --bind "$copy" "$1"
}
as /proc/sys/vm/overcommit_memory 1
as /proc/sys/vm/panic_on_oom 0
as /proc/sys/kernel/panic 10
as /proc/sys/kernel/panic_on_oops 1
as /proc/sys/kernel/keys/root_maxkeys 1000000
as /proc/sys/kernel/keys/root_maxbytes 25000000
as /proc/sys/kernel/random/boot_id "$(cat "$folder/boot-id")"

# Kubelets would clean up each other's control groups.
while read -r hierarchy version; do
  path=$hierarchy
  for part in "$cgroup" "$node"; do
    mkdir -p "$path/$part"
    if [ "$version" = cgroup2 ]; then
      for controller in $(grep -oE '\b(cpuset|cpu|io|memory|pids)\b' "$path/cgroup.controllers"); do
        echo "+$controller" >"$path/cgroup.subtree_control"
      done
    elif [ -e "$path/cpuset.cpus" ]; then
      # A cpuset begins empty, and takes no process until it is filled.
      cat "$path/cpuset.cpus" >"$path/$part/cpuset.cpus"
      cat "$path/cpuset.mems" >"$path/$part/cpuset.mems"
    elif [ -e "$path/cpu.shares" ]; then
      # All pods together would weigh as much as one process of whatever else this machine does.
      echo 16384 >"$path/$part/cpu.shares"
    fi
    path=$path/$part
  done
done < <(hierarchies)

# Addresses are handed out anew at each start: no pod of before has kept one.
cat >/run/cni/pods.conflist <<END
{"cniVersion": "0.4.0", "name": "pods", "plugins": [{"type": "ptp", "ipam": {
  "type": "host-local", "dataDir": "/run/cni/addresses",
  "ranges": [[{"subnet": "$(node_pods "$node")"}]], "routes": [{"dst": "0.0.0.0/0"}]}}]}
END

touch "$folder/containerd.log"
before=$(wc -l <"$folder/containerd.log")
containerd --config "$folder/containerd.toml" >>"$folder/containerd.log" 2>&1 &
"$here/node-images.sh" "$node"
# The kubelet gives up on a containerd that still finds out what became of its containers; this is the
# last that it says before it serves.
timeout 60 grep -qm1 'Start streaming server' < <(tail -n "+$((before + 1))" -f "$folder/containerd.log") ||
  fail "containerd is not ready"
kubelet --config "$folder/kubelet.yaml" --kubeconfig "$folder/kubeconfig" \
  --hostname-override "$node" --node-ip "$(node_address "$node")" >>"$folder/kubelet.log" 2>&1 &
kube-proxy --config "$folder/kube-proxy.yaml" >>"$folder/kube-proxy.log" 2>&1 &

# One that ends takes the node with it, so that nobody tests with half a node.
wait -n || true
echo "$node: one of its programs has ended; their logs are beside this one"
