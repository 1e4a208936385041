//! What is read of a pod. A whole one is mostly its spec and who has managed which field, and takes longer to
//! parse than all else that a hook does takes it.

use std::borrow::Cow;
use std::collections::BTreeMap;

use k8s_openapi::NamespaceResourceScope;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use kube::Resource;
use kube::api::ObjectMeta;
use serde::{Deserialize, Deserializer};

/// A pod of the API, as far as it is read.
#[derive(Debug, Clone, Deserialize)]
pub struct PodView {
    #[serde(deserialize_with = "without_managers")]
    pub metadata: ObjectMeta,
    #[serde(default)]
    pub spec: Spec,
    #[serde(default)]
    pub status: Status,
}

/// A pod's spec (`PodSpec`).
#[derive(Debug, Clone, Default, Deserialize)]
pub struct Spec {
    #[serde(default)]
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

impl Resource for PodView {
    type DynamicType = ();
    type Scope = NamespaceResourceScope;

    fn kind((): &()) -> Cow<'_, str> {
        "Pod".into()
    }

    fn group((): &()) -> Cow<'_, str> {
        "".into()
    }

    fn version((): &()) -> Cow<'_, str> {
        "v1".into()
    }

    fn plural((): &()) -> Cow<'_, str> {
        "pods".into()
    }

    fn meta(&self) -> &ObjectMeta {
        &self.metadata
    }

    fn meta_mut(&mut self) -> &mut ObjectMeta {
        &mut self.metadata
    }
}

fn without_managers<'de, D: Deserializer<'de>>(deserializer: D) -> Result<ObjectMeta, D::Error> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Read {
        name: Option<String>,
        uid: Option<String>,
        resource_version: Option<String>,
        labels: Option<BTreeMap<String, String>>,
        annotations: Option<BTreeMap<String, String>>,
        owner_references: Option<Vec<OwnerReference>>,
    }
    let Read { name, uid, resource_version, labels, annotations, owner_references } = Read::deserialize(deserializer)?;
    Ok(ObjectMeta { name, uid, resource_version, labels, annotations, owner_references, ..ObjectMeta::default() })
}
