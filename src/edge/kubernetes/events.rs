//! Events: what `kubectl get events` shows of a group.

use std::time::SystemTime;

use k8s_openapi::api::core::v1::ObjectReference;
use k8s_openapi::api::events::v1::Event;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;
use k8s_openapi::jiff::Timestamp;
use kube::Api;
use kube::api::{ObjectMeta, PostParams};

use super::{Cluster, Refusal, refusal};
use crate::core::identity::{Group, PodName};
use crate::core::record::Record;

/// What the API server takes for a note.
const LONGEST_NOTE: usize = 1000;

/// What happened, once. Of several that tell it, one is heard: the Event's name is made of what it tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// A pod has become the master.
    Promoted,
    /// A pod's label was put right.
    Relabelled,
    /// A dead node was taken out of service.
    OutOfService,
    /// A node that is back was given back to service.
    BackInService,
    /// A dead node was deleted.
    NodeDeleted,
    /// A pod of a node that was deleted was deleted, too.
    PodFreed,
    /// A pod's data cannot be loaded.
    DataDamaged,
    /// A pod carries a group's labels and is none of its members.
    NonMember,
}

impl Reason {
    /// Whether a person should look.
    fn is_warning(self) -> bool {
        matches!(self, Self::DataDamaged | Self::NonMember)
    }
}

/// What an Event is about.
#[derive(Debug, Clone, Copy)]
pub enum About<'a> {
    /// A pod, and its uid.
    Pod(&'a PodName, &'a str),
    /// A pod whose name may end in no ordinal, and its uid.
    Stranger(&'a str, &'a str),
    /// A group's record.
    Record(&'a Group, &'a Record),
    /// A node, and its uid where it is known.
    Node(&'a str, &'a str),
}

impl About<'_> {
    fn reference(&self, namespace: &str) -> ObjectReference {
        let (kind, api, name, uid) = match self {
            Self::Pod(name, uid) => ("Pod", "v1", name.to_string(), *uid),
            Self::Stranger(name, uid) => ("Pod", "v1", (*name).to_owned(), *uid),
            Self::Record(group, record) => ("Lease", "coordination.k8s.io/v1", group.to_string(), record.uid.as_str()),
            // It is in no namespace.
            Self::Node(name, uid) => {
                return ObjectReference {
                    kind: Some("Node".to_owned()),
                    api_version: Some("v1".to_owned()),
                    name: Some((*name).to_owned()),
                    uid: Some((*uid).to_owned()),
                    ..ObjectReference::default()
                };
            }
        };
        ObjectReference {
            kind: Some(kind.to_owned()),
            api_version: Some(api.to_owned()),
            name: Some(name),
            namespace: Some(namespace.to_owned()),
            uid: Some(uid.to_owned()),
            ..ObjectReference::default()
        }
    }
}

impl Cluster {
    /// Tells of something. `id` tells it from everything else of its kind that happens to the same object,
    /// and is the same for all who tell of it: whoever is late finds the Event there.
    ///
    /// # Errors
    /// The API server's refusal.
    pub async fn publish_event(&self, about: About<'_>, reason: Reason, id: &str, note: String, by: &str) -> Result<(), Refusal> {
        let regarding = about.reference(&self.namespace);
        let name = regarding.name.as_deref().unwrap_or_default();
        // What is in no namespace has its Events in this one.
        let namespace = regarding.namespace.clone().unwrap_or_else(|| "default".to_owned());
        let events: Api<Event> = Api::namespaced(self.client.clone(), &namespace);
        let word = format!("{reason:?}");
        let event = Event {
            metadata: ObjectMeta {
                name: Some(format!("{name}.{}.{id}", word.to_lowercase())),
                namespace: Some(namespace),
                ..ObjectMeta::default()
            },
            event_time: Timestamp::try_from(SystemTime::now()).ok().map(MicroTime),
            action: Some(word.clone()),
            reason: Some(word),
            note: Some(note.chars().take(LONGEST_NOTE).collect()),
            type_: Some(if reason.is_warning() { "Warning" } else { "Normal" }.to_owned()),
            regarding: Some(regarding),
            reporting_controller: Some("ordain.dev/ordain".to_owned()),
            reporting_instance: Some(by.to_owned()),
            ..Event::default()
        };
        match events.create(&PostParams::default(), &event).await.map_err(|error| refusal(&error, "create events")) {
            Ok(_) | Err(Refusal::Conflict) => Ok(()),
            Err(refusal) => Err(refusal),
        }
    }
}
