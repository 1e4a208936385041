//! What is read of the API's objects. A whole one is mostly its spec and who has managed which field, and takes
//! longer to parse than all else that a hook does takes it. And it has times that anybody may have made up: the API
//! server takes and gives out years that are no years (10000 by way of a time zone), and of one such time a whole
//! list could not be read.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{OwnerReference, Time};
use k8s_openapi::jiff::Timestamp;
use kube::api::ObjectMeta;
use serde::{Deserialize, Deserializer};

mod lease;
mod node;
mod pod;

pub use lease::LeaseView;
pub use node::{NodeView, Taint};
pub use pod::{ContainerSpec, PodView, Status};

/// What the annotations that are ours begin with.
const OURS: &str = "ordain.dev/";

/// Says of a view which kind of object it shows.
macro_rules! shows {
    ($view:ty: $kind:literal of $group:literal $version:literal, $plural:literal in $scope:ty) => {
        impl kube::Resource for $view {
            type DynamicType = ();
            type Scope = $scope;

            fn kind((): &()) -> std::borrow::Cow<'_, str> {
                $kind.into()
            }

            fn group((): &()) -> std::borrow::Cow<'_, str> {
                $group.into()
            }

            fn version((): &()) -> std::borrow::Cow<'_, str> {
                $version.into()
            }

            fn plural((): &()) -> std::borrow::Cow<'_, str> {
                $plural.into()
            }

            fn meta(&self) -> &kube::api::ObjectMeta {
                &self.metadata
            }

            fn meta_mut(&mut self) -> &mut kube::api::ObjectMeta {
                &mut self.metadata
            }
        }
    };
}
use shows;

/// Metadata as far as it is read, or must be written again.
fn metadata<'de, D: Deserializer<'de>>(deserializer: D) -> Result<ObjectMeta, D::Error> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Read {
        name: Option<String>,
        namespace: Option<String>,
        uid: Option<String>,
        resource_version: Option<String>,
        labels: Option<BTreeMap<String, String>>,
        annotations: Option<BTreeMap<String, String>>,
        owner_references: Option<Vec<OwnerReference>>,
        finalizers: Option<Vec<String>>,
        deletion_timestamp: Option<String>,
    }
    let read = Read::deserialize(deserializer)?;
    Ok(ObjectMeta {
        name: read.name,
        namespace: read.namespace,
        uid: read.uid,
        resource_version: read.resource_version,
        labels: read.labels,
        annotations: read.annotations,
        owner_references: read.owner_references,
        finalizers: read.finalizers,
        // That there is one counts.
        deletion_timestamp: read.deletion_timestamp.map(|at| Time(at.parse().unwrap_or_default())),
        ..ObjectMeta::default()
    })
}

/// The same of an object that is only patched: of the annotations, which may be 256 KiB, ours.
fn own_metadata<'de, D: Deserializer<'de>>(deserializer: D) -> Result<ObjectMeta, D::Error> {
    let mut read = metadata(deserializer)?;
    if let Some(annotations) = &mut read.annotations {
        annotations.retain(|key, _| key.starts_with(OURS));
    }
    Ok(read)
}

/// A time's text, where it is one.
fn time<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    let text = Option::<String>::deserialize(deserializer)?;
    Ok(text.filter(|text| text.parse::<Timestamp>().is_ok()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As the API server gives out what it took as `9999-12-31T23:59:59-01:00`, and others of the kind.
    const NO_TIMES: [&str; 4] = ["10000-01-01T00:59:59.000000Z", "-0001-12-31T23:37:00Z", "9999-12-31T23:59:59Z", "soon"];

    #[test]
    fn an_object_whose_times_are_made_up_is_read_all_the_same() {
        for at in NO_TIMES {
            let metadata = format!(
                r#"{{"name":"redis-0","uid":"u","resourceVersion":"7","creationTimestamp":"{at}","deletionTimestamp":"{at}",
                "managedFields":[{{"time":"{at}"}}]}}"#
            );
            let pod: PodView = serde_json::from_str(&format!(r#"{{"metadata":{metadata}}}"#)).unwrap();
            assert!(pod.metadata.name.as_deref() == Some("redis-0") && pod.metadata.deletion_timestamp.is_some(), "{at}");
            let node = format!(
                r#"{{"metadata":{metadata},"spec":{{"taints":[{{"key":"k","effect":"NoExecute","timeAdded":"{at}"}}]}},
                "status":{{"conditions":[{{"type":"Ready","status":"Unknown","lastTransitionTime":"{at}"}}]}}}}"#
            );
            let node: NodeView = serde_json::from_str(&node).unwrap();
            assert_eq!(node.spec.taints[0].key, "k", "{at}");
            let lease =
                format!(r#"{{"metadata":{metadata},"spec":{{"holderIdentity":"redis-0","renewTime":"{at}","strategy":"x"}}}}"#);
            let lease: LeaseView = serde_json::from_str(&lease).unwrap();
            assert_eq!(lease.spec.holder_identity.as_deref(), Some("redis-0"), "{at}");
            let again = serde_json::to_value(&lease).unwrap();
            assert!(again["spec"]["strategy"] == "x" && again["kind"] == "Lease", "what others wrote is written again: {again}");
            assert!(again["spec"].get("renewTime").is_none(), "what the API server would not take back is left out: {again}");
        }
    }

    #[test]
    fn of_a_pod_no_annotations_are_kept_that_are_not_ours() {
        let pod =
            r#"{"metadata":{"name":"redis-0","annotations":{"ordain.dev/disk":"x","kubectl.kubernetes.io/restartedAt":"y"}}}"#;
        let pod: PodView = serde_json::from_str(pod).unwrap();
        assert_eq!(pod.metadata.annotations.unwrap().into_keys().collect::<Vec<_>>(), ["ordain.dev/disk"]);
    }
}
