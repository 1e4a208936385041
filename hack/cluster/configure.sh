#!/usr/bin/env bash
# Writes the configuration of the hub's and the nodes' programs:
#   hack/cluster/configure.sh NODE…
. "$(dirname "$0")/lib.sh"

mkdir -p "$state/hub"
# kubeadm's, less what forwards: there is nobody to ask.
cat >"$state/hub/Corefile" <<END
.:53 {
    bind $hub_address
    errors
    ready $hub_address:8181
    kubernetes cluster.local in-addr.arpa ip6.arpa {
        kubeconfig $state/admin.kubeconfig
        pods insecure
        fallthrough in-addr.arpa ip6.arpa
        ttl 30
    }
    cache 30 {
        disable success cluster.local
        disable denial cluster.local
    }
}
END

# What pods ask of the API server.
cat >"$state/hub/audit.yaml" <<END
apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived]
rules:
  - {level: None, userGroups: ["system:serviceaccounts:kube-system"]}
  - {level: Metadata, userGroups: ["system:serviceaccounts"]}
  - {level: None}
END

for node in "$@"; do
  mkdir -p "$state/$node"
  # The settings of conntrack are the whole machine's: at 0 they stay as they are.
  cat >"$state/$node/kube-proxy.yaml" <<END
apiVersion: kubeproxy.config.k8s.io/v1alpha1
kind: KubeProxyConfiguration
hostnameOverride: $node
mode: iptables
clusterCIDR: $pod_range
clientConnection: {kubeconfig: $state/kube-proxy.kubeconfig}
conntrack: {maxPerCore: 0, min: 0, tcpEstablishedTimeout: 0s, tcpCloseWaitTimeout: 0s}
iptables: {localhostNodePorts: false}
END
  # The plugin `opt` would make a folder in /opt.
  cat >"$state/$node/containerd.toml" <<END
version = 2
root = "/var/lib/containerd"
state = "/run/containerd"
disabled_plugins = ["io.containerd.internal.v1.opt"]
[grpc]
address = "/run/containerd/containerd.sock"
[plugins."io.containerd.grpc.v1.cri"]
sandbox_image = "docker.io/library/pause:local"
restrict_oom_score_adj = true
[plugins."io.containerd.grpc.v1.cri".cni]
bin_dir = "/usr/lib/cni"
conf_dir = "/run/cni"
END
  # A lost node is seen early (see the controller-manager), and none is ever found full.
  cat >"$state/$node/kubelet.yaml" <<END
apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
authentication: {anonymous: {enabled: false}, webhook: {enabled: true}, x509: {clientCAFile: $state/pki/ca.crt}}
authorization: {mode: Webhook}
containerRuntimeEndpoint: unix:///run/containerd/containerd.sock
cgroupDriver: cgroupfs
cgroupRoot: /$cgroup/$node
failCgroupV1: false
failSwapOn: false
makeIPTablesUtilChains: false
clusterDomain: cluster.local
clusterDNS: [$hub_address]
resolvConf: /dev/null
nodeLeaseDurationSeconds: 16
nodeStatusUpdateFrequency: 4s
imageGCHighThresholdPercent: 100
evictionHard: {memory.available: 50Mi, nodefs.available: 1%, nodefs.inodesFree: 1%, imagefs.available: 1%}
volumePluginDir: /var/lib/kubelet/volume-plugins
END
done
