//! Nodes: who they are, the taint that takes one out of service, and the pods that are freed by it.

use std::net::SocketAddr;
use std::time::{Duration, SystemTime};

use futures::{Stream, StreamExt};
use kube::api::{DeleteParams, ListParams, Patch as Body, PatchParams, Preconditions};
use kube::runtime::watcher::Config;
use kube::{Api, Client};
use serde_json::{Map, json};

use super::follow::{Change, follow};
use super::view::{NodeView, PodView, Taint};
use super::{Refusal, has_ended, read_controller, refusal, within};
use crate::core::disk::Moment;
use crate::core::pod::Controller;
use crate::core::takeover::{HostedPod, Node, Service, State};

/// The taint by which Kubernetes takes a node for shut down (1.28 and later): its volumes are detached and
/// its pods deleted.
const OUT_OF_SERVICE: &str = "node.kubernetes.io/out-of-service";
/// When we set it, as the taint says, too: one that says otherwise is another's.
const TAKEN: &str = "ordain.dev/out-of-service";
/// The kubelet's port, where a node does not name it.
const KUBELET: i32 = 10250;
/// How long the API server may take for what is done.
const ANSWER: Duration = Duration::from_secs(4);

/// The nodes, and the pods of all namespaces.
#[derive(Clone)]
pub struct Nodes {
    all: Api<NodeView>,
    pods: Api<PodView>,
    client: Client,
}

impl Nodes {
    pub(super) fn new(client: Client) -> Self {
        Self { all: Api::all(client.clone()), pods: Api::all(client.clone()), client }
    }

    /// Whether what is followed may be followed, and the selectors be read.
    ///
    /// # Errors
    /// The API server's refusal.
    pub async fn check(&self, nodes: Option<&str>, hosted_pods: &str) -> Result<(), Refusal> {
        let one = ListParams::default().limit(1);
        let which = nodes.map_or_else(|| one.clone(), |nodes| one.clone().labels(nodes));
        within(ANSWER, async { self.all.list(&which).await.map_err(|error| refusal(&error, "list nodes")) }).await?;
        let which = one.labels(hosted_pods);
        within(ANSWER, async { self.pods.list(&which).await.map_err(|error| refusal(&error, "list pods")) }).await.map(drop)
    }

    /// The nodes that `selector` matches, by their names.
    pub fn follow(&self, selector: Option<&str>) -> impl Stream<Item = Change<(String, Node)>> + use<> {
        let config = selector.map_or_else(Config::default, |selector| Config::default().labels(selector));
        follow(self.all.clone(), config).filter_map(async |event| {
            Change::read(event, |node| {
                let node = read_node(node)?;
                Some((node.name.clone(), node))
            })
        })
    }

    /// The pods that `selector` matches in all namespaces and that are bound to a node and have not ended, by
    /// their uids.
    pub fn follow_guests(&self, selector: &str) -> impl Stream<Item = Change<(String, Option<HostedPod>)>> + use<> {
        follow(self.pods.clone(), Config::default().labels(selector))
            .filter_map(async |event| Change::read(event, |pod| Some((pod.metadata.uid.clone()?, read_guest(pod)))))
    }

    /// Taints a node out of service, if it is still as it was seen.
    ///
    /// # Errors
    /// [`Refusal::Conflict`] where it has changed, [`Refusal::Missing`] where it is gone.
    pub async fn take_out(&self, name: &str, version: &str) -> Result<(), Refusal> {
        self.change_taints(name, version, |taints| {
            let now = whole_seconds(Moment::from(SystemTime::now())).to_string();
            taints.push(Taint {
                key: OUT_OF_SERVICE.to_owned(),
                effect: "NoExecute".to_owned(),
                time_added: Some(now.clone()),
                others: Map::from_iter([("value".to_owned(), "nodeshutdown".into())]),
            });
            Some(now)
        })
        .await
    }

    /// Takes our taint from a node, if it is still as it was seen.
    ///
    /// # Errors
    /// [`Refusal::Conflict`] where it has changed, [`Refusal::Missing`] where it is gone.
    pub async fn give_back(&self, name: &str, version: &str) -> Result<(), Refusal> {
        self.change_taints(name, version, |taints| {
            taints.retain(|taint| taint.key != OUT_OF_SERVICE);
            None
        })
        .await
    }

    async fn change_taints(
        &self,
        name: &str,
        version: &str,
        change: impl FnOnce(&mut Vec<Taint>) -> Option<String>,
    ) -> Result<(), Refusal> {
        let done = async {
            let node = self.all.get(name).await.map_err(|error| refusal(&error, "get nodes"))?;
            if node.metadata.resource_version.as_deref() != Some(version) {
                return Err(Refusal::Conflict);
            }
            let mut taints = node.spec.taints;
            let start_marker = change(&mut taints);
            let body = json!({
                "metadata": { "resourceVersion": version, "annotations": { TAKEN: start_marker } },
                "spec": { "taints": taints },
            });
            let patched = self.all.patch(name, &PatchParams::default(), &Body::Merge(body)).await;
            patched.map(drop).map_err(|error| refusal(&error, "patch nodes"))
        };
        within(ANSWER, done).await
    }

    /// Deletes a Node, if it is still as it was seen.
    ///
    /// # Errors
    /// [`Refusal::Conflict`] where it has changed, [`Refusal::Missing`] where it is gone.
    pub async fn delete(&self, name: &str, uid: &str, version: &str) -> Result<(), Refusal> {
        let as_told = Preconditions { uid: Some(uid.to_owned()), resource_version: Some(version.to_owned()) };
        let only = DeleteParams { preconditions: Some(as_told), ..DeleteParams::default() };
        let deleted = async { self.all.delete(name, &only).await.map_err(|error| refusal(&error, "delete nodes")) };
        within(ANSWER, deleted).await.map(drop)
    }

    /// Deletes a pod without waiting for its kubelet.
    ///
    /// # Errors
    /// The API server's refusal; that it is gone already is none.
    pub async fn free(&self, hosted_pod: &HostedPod) -> Result<(), Refusal> {
        let same = Preconditions { uid: Some(hosted_pod.uid.clone()), resource_version: None };
        let now = DeleteParams { grace_period_seconds: Some(0), preconditions: Some(same), ..DeleteParams::default() };
        let pods: Api<PodView> = Api::namespaced(self.client.clone(), &hosted_pod.namespace);
        let deleted = async { pods.delete(&hosted_pod.name, &now).await.map_err(|error| refusal(&error, "delete pods")) };
        match within(ANSWER, deleted).await {
            Ok(_) | Err(Refusal::Missing | Refusal::Conflict) => Ok(()),
            Err(refusal) => Err(refusal),
        }
    }
}

/// As it reads back: Kubernetes keeps whole seconds.
fn whole_seconds(at: Moment) -> Moment {
    Moment(at.0 / 1000 * 1000)
}

/// What happened within a second, of which Kubernetes keeps the begin, has happened by then.
fn end_of_second(at: Moment) -> Moment {
    Moment(at.0 + 999)
}

/// A time of the API; none where it is not one.
fn moment(text: &str) -> Option<Moment> {
    text.parse().ok()
}

fn read_node(node: &NodeView) -> Option<Node> {
    let NodeView { metadata: meta, spec, status } = node;
    let ready = status.conditions.iter().find(|condition| condition.kind == "Ready");
    let state = match ready.map(|condition| (condition.status.as_str(), &condition.last_transition_time)) {
        Some(("True", _)) => State::Ready,
        Some(("Unknown", since)) => State::Silent(since.as_deref().and_then(moment).map(end_of_second)),
        _ => State::Unready,
    };
    let taint = spec.taints.iter().find(|taint| taint.key == OUT_OF_SERVICE);
    let taken = meta.annotations.as_ref().and_then(|notes| moment(notes.get(TAKEN)?));
    let service = match taint {
        None => Service::In,
        Some(taint) if taken.is_some() && taint.time_added.as_deref().and_then(moment) == taken => Service::OutByUs,
        Some(_) => Service::OutByAnother,
    };
    let port = status.daemon_endpoints.kubelet_endpoint.as_ref().map_or(KUBELET, |kubelet| kubelet.port);
    let port = u16::try_from(if port == 0 { KUBELET } else { port }).ok()?;
    let internal = status.addresses.iter().filter(|address| address.kind == "InternalIP");
    Some(Node {
        name: meta.name.clone()?,
        uid: meta.uid.clone()?,
        version: meta.resource_version.clone()?,
        state,
        service,
        is_leaving: meta.deletion_timestamp.is_some(),
        kubelet: internal.filter_map(|address| Some(SocketAddr::new(address.address.parse().ok()?, port))).collect(),
    })
}

/// A pod that runs nowhere yet, or has ended, counts for no node. Nor is one that no StatefulSet controls, whatever
/// its labels: nobody but a StatefulSet makes it again.
fn read_guest(pod: &PodView) -> Option<HostedPod> {
    let PodView { metadata: meta, spec, status } = pod;
    let is_a_sets = matches!(read_controller(meta), Controller::StatefulSet(_));
    if has_ended(status.phase.as_deref()) || !is_a_sets {
        return None;
    }
    let ports = spec.init_containers.iter().chain(&spec.containers).flat_map(|container| &container.ports);
    let ports = ports.filter(|port| port.protocol.as_deref().is_none_or(|protocol| protocol == "TCP"));
    let ports: Vec<_> = ports.map(|port| port.container_port).collect();
    let ips: Vec<_> = status.pod_ips.iter().filter_map(|entry| entry.ip.as_ref()?.parse().ok()).collect();
    Some(HostedPod {
        namespace: meta.namespace.clone()?,
        name: meta.name.clone()?,
        uid: meta.uid.clone()?,
        node: spec.node_name.clone()?,
        probe_addresses: ips.iter().flat_map(|ip| ports.iter().map(|port| SocketAddr::new(*ip, *port))).collect(),
    })
}
