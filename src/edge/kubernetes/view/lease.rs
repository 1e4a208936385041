use k8s_openapi::NamespaceResourceScope;
use kube::api::ObjectMeta;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{metadata, time};

/// A Lease (`coordination.k8s.io/v1`), whole enough to be written again.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct LeaseView {
    api_version: String,
    kind: String,
    #[serde(deserialize_with = "metadata")]
    pub metadata: ObjectMeta,
    pub spec: LeaseSpec,
}

impl Default for LeaseView {
    fn default() -> Self {
        Self {
            api_version: "coordination.k8s.io/v1".to_owned(),
            kind: "Lease".to_owned(),
            metadata: ObjectMeta::default(),
            spec: LeaseSpec::default(),
        }
    }
}

/// A Lease's spec (`LeaseSpec`).
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct LeaseSpec {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub holder_identity: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lease_transitions: Option<i32>,
    /// In seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lease_duration_seconds: Option<i32>,
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "time")]
    pub acquire_time: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "time")]
    pub renew_time: Option<String>,
    /// What else others wrote.
    #[serde(flatten)]
    others: Map<String, Value>,
}

super::shows!(LeaseView: "Lease" of "coordination.k8s.io" "v1", "leases" in NamespaceResourceScope);
