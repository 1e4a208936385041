use k8s_openapi::NamespaceResourceScope;
use kube::api::ObjectMeta;
use serde::Deserialize;

use super::own_metadata;

/// A pod of the API, as far as it is read.
#[derive(Debug, Clone, Deserialize)]
pub struct PodView {
    #[serde(deserialize_with = "own_metadata")]
    pub metadata: ObjectMeta,
    #[serde(default)]
    pub spec: Spec,
    #[serde(default)]
    pub status: Status,
}

/// A pod's spec (`PodSpec`).
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Spec {
    pub node_name: Option<String>,
    pub init_containers: Vec<ContainerSpec>,
    pub containers: Vec<ContainerSpec>,
}

/// What is to run in a pod.
#[derive(Debug, Clone, Deserialize)]
pub struct ContainerSpec {
    pub name: String,
    #[serde(default)]
    pub ports: Vec<ContainerPort>,
}

/// A port that a container listens at.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ContainerPort {
    pub container_port: u16,
    pub protocol: Option<String>,
}

/// A pod's status (`PodStatus` in the Kubernetes API).
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Status {
    pub phase: Option<String>,
    #[serde(default, rename = "podIPs")]
    pub pod_ips: Vec<PodIp>,
    #[serde(default)]
    pub container_statuses: Vec<ContainerStatus>,
}

/// How a container is, by its kubelet.
#[derive(Debug, Clone, Deserialize)]
pub struct ContainerStatus {
    pub name: String,
    #[serde(default)]
    pub state: ContainerState,
}

/// One of its members is there; where none is, the container waits.
#[derive(Debug, Clone, Default, Deserialize)]
pub struct ContainerState {
    pub running: Option<Running>,
}

/// Since when a container runs.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Running {
    pub started_at: Option<String>,
}

/// One of a pod's addresses.
#[derive(Debug, Clone, Deserialize)]
pub struct PodIp {
    pub ip: Option<String>,
}

super::shows!(PodView: "Pod" of "" "v1", "pods" in NamespaceResourceScope);
