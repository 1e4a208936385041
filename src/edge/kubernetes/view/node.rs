use k8s_openapi::ClusterResourceScope;
use kube::api::ObjectMeta;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::own_metadata;

/// A node of the API, as far as it is read.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct NodeView {
    #[serde(deserialize_with = "own_metadata")]
    pub metadata: ObjectMeta,
    pub spec: Spec,
    pub status: Status,
}

/// A node's spec (`NodeSpec`).
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct Spec {
    pub taints: Vec<Taint>,
}

/// One of a node's taints: all are written again where one is added.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Taint {
    pub key: String,
    pub effect: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub time_added: Option<String>,
    #[serde(flatten)]
    pub others: Map<String, Value>,
}

/// A node's status (`NodeStatus`).
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Status {
    pub conditions: Vec<Condition>,
    pub addresses: Vec<Address>,
    pub daemon_endpoints: DaemonEndpoints,
}

/// How a node is, in one respect.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Condition {
    #[serde(rename = "type")]
    pub kind: String,
    pub status: String,
    pub last_transition_time: Option<String>,
}

/// One of a node's addresses.
#[derive(Debug, Clone, Deserialize)]
pub struct Address {
    #[serde(rename = "type")]
    pub kind: String,
    pub address: String,
}

/// Where a node's own programs listen.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct DaemonEndpoints {
    pub kubelet_endpoint: Option<DaemonEndpoint>,
}

/// Where one of them listens.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct DaemonEndpoint {
    pub port: i32,
}

super::shows!(NodeView: "Node" of "" "v1", "nodes" in ClusterResourceScope);
