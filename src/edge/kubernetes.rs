//! Kubernetes: the record (a Lease) and the pods.

use std::fmt::Debug;
use std::net::IpAddr;
use std::path::Path;
use std::pin::pin;
use std::sync::Once;
use std::time::Duration;

use anyhow::{Context, Result};
use futures::StreamExt;
use kube::api::{
    DeleteParams, ListParams, ObjectMeta, Patch as Body, PatchParams, PostParams, Preconditions, WatchEvent, WatchParams,
};
use kube::config::Kubeconfig;
use kube::core::Request;
use kube::{Api, Client, Config, Error, Resource};
use serde::de::DeserializeOwned;
use serde_json::json;
use tracing::warn;

use super::files::read_regular;
use crate::core::disk::{DiskReport, HAS_RUN, HEARD, LastHeard, Moment, TRYING, WORD};
use crate::core::evidence::{Container, Failure};
use crate::core::identity::{Group, Host, PodName};
use crate::core::labels::{Patch, Scheme};
use crate::core::members::{Found, NonMember, NotMember};
use crate::core::outside::shown;
use crate::core::pod::{Controller, HANDS_OVER, Pod, PodContainer};
use crate::core::record::Record;
use crate::core::selector::Selector;
use crate::core::stamp::STAMP;

mod budget;
pub mod election;
pub mod ends;
pub mod events;
pub mod follow;
mod http;
mod lease;
pub mod nodes;
mod view;

use budget::TooLarge;
use election::Election;
use lease::{ours, read_record, write_record};
use nodes::Nodes;
use view::{ContainerSpec, LeaseView, PodView, Status};

/// The reason why the label of a pod is withheld.
const WITHHELD: &str = "ordain.dev/withheld";

/// How many objects are listed at once; fewer where so many are too large.
const PAGES: [u32; 3] = [500, 10, 1];
/// Why the API server did not do what it was asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// 404: there is no such object.
    Missing,
    /// 409: the object has changed since it was read, or exists already.
    Conflict,
    /// Anything else.
    Failed(Failure),
}

impl std::fmt::Display for Refusal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Missing => f.write_str("it does not exist"),
            Self::Conflict => f.write_str("it has changed in the meantime"),
            Self::Failed(failure) => std::fmt::Display::fmt(failure, f),
        }
    }
}

impl std::error::Error for Refusal {}

/// What the API server answers to who publishes something of a pod.
#[derive(Debug)]
pub struct Published {
    /// The pod's uid.
    pub uid: String,
    /// Whether a server has been started in this pod.
    pub has_run: bool,
}

/// How the API server is reached.
pub struct Access {
    config: Config,
    is_in_cluster: bool,
}

impl Access {
    /// The pod's service account, else what `KUBECONFIG` names, else none.
    ///
    /// # Errors
    /// One of them is there and cannot be used.
    pub async fn find() -> Result<Option<Self>> {
        let is_set = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
        let is_in_cluster = is_set("KUBERNETES_SERVICE_HOST");
        let config = if is_in_cluster {
            Config::incluster().context("cannot use the pod's service account: is its token mounted?")?
        } else if is_set("KUBECONFIG") {
            let current = kube::config::KubeConfigOptions::default();
            // A file system that does not answer must keep no deadline and no signal from being heard.
            let read = tokio::task::spawn_blocking(kubeconfig).await?;
            let config = async { anyhow::Ok(Config::from_custom_kubeconfig(read?, &current).await?) };
            config.await.context("cannot use the file that KUBECONFIG names")?
        } else {
            return Ok(None);
        };
        Ok(Some(Self { config, is_in_cluster }))
    }

    /// The host name that must be looked up before the API server can be reached.
    pub fn unresolved(&self) -> Option<Host> {
        match self.config.cluster_url.host()?.trim_matches(['[', ']']).parse() {
            Ok(host @ Host::Name(_)) => Some(host),
            _ => None,
        }
    }

    /// Uses this address for the host name, whose certificate is expected all the same: the
    /// client would look the name up by getaddrinfo, which a static binary does not have.
    ///
    /// # Errors
    /// The address does not fit into the URL.
    pub fn resolved_to(mut self, ip: IpAddr) -> Result<Self> {
        let url = self.config.cluster_url;
        self.config.tls_server_name.get_or_insert_with(|| url.host().unwrap_or_default().to_owned());
        let port = url.port_u16().unwrap_or(if url.scheme_str() == Some("http") { 80 } else { 443 });
        let mut parts = url.into_parts();
        parts.authority = Some(std::net::SocketAddr::new(ip, port).to_string().parse()?);
        self.config.cluster_url = parts.try_into()?;
        Ok(self)
    }

    /// The namespace that the service account or the kubeconfig names.
    pub fn namespace(&self) -> &str {
        &self.config.default_namespace
    }

    /// Makes the client; nothing is sent yet.
    ///
    /// # Errors
    /// The credentials cannot be used.
    pub async fn connect(self, namespace: &str) -> Result<Cluster> {
        let Self { config, is_in_cluster } = self;
        let made = if is_in_cluster {
            http::client(&config)
        } else {
            // A program may have to say who we are, and takes its time.
            tokio::task::spawn_blocking(move || http::client(&config)).await?
        };
        let client = made.context("cannot use the Kubernetes credentials")?;
        Ok(Cluster {
            namespace: namespace.to_owned(),
            leases: Api::namespaced(client.clone(), namespace),
            pods: Api::namespaced(client.clone(), namespace),
            client,
        })
    }
}

/// How much a kubeconfig may have, and each file that it names, in bytes.
const LONGEST_KUBECONFIG: u64 = 1024 * 1024;

/// Reads the files that `KUBECONFIG` names. The crate reads them, and the files that they name, whatever they are.
fn kubeconfig() -> Result<Kubeconfig> {
    let has_an_end = |path: &Path| -> Result<()> {
        read_regular(path, LONGEST_KUBECONFIG).map(drop).with_context(|| format!("cannot read `{}`", path.display()))
    };
    let paths = std::env::var_os("KUBECONFIG").unwrap_or_default();
    for path in std::env::split_paths(&paths).filter(|path| !path.as_os_str().is_empty()) {
        has_an_end(&path)?;
    }
    let config = Kubeconfig::read()?;
    let clusters = config.clusters.iter().filter_map(|named| named.cluster.as_ref()?.certificate_authority.as_ref());
    let users = config.auth_infos.iter().filter_map(|named| named.auth_info.as_ref());
    let named = users.flat_map(|user| [&user.client_certificate, &user.client_key, &user.token_file]).flatten();
    for path in clusters.chain(named) {
        // One that is not used may be missing.
        let path = Path::new(path);
        if path.exists() {
            has_an_end(path)?;
        }
    }
    Ok(config)
}

/// The API server, as seen from one namespace.
#[derive(Clone)]
pub struct Cluster {
    namespace: String,
    leases: Api<LeaseView>,
    pods: Api<PodView>,
    client: Client,
}

impl Cluster {
    /// The namespace.
    pub fn namespace(&self) -> &str {
        &self.namespace
    }

    /// The nodes, and the pods of all namespaces.
    pub fn nodes(&self) -> Nodes {
        Nodes::new(self.client.clone())
    }

    /// A candidate for a Lease of the namespace.
    pub fn election(&self, lease: &str, pod: &str) -> Election {
        Election::new(self.client.clone(), &self.namespace, lease, pod)
    }

    /// Reads a group's record.
    ///
    /// # Errors
    /// [`Refusal::Missing`] where it is proven absent.
    pub async fn record(&self, group: &Group) -> Result<Record, Refusal> {
        let lease = self.leases.get(&group.to_string()).await.map_err(|error| refusal(&error, "get leases"))?;
        read_record(&lease).map_err(Refusal::Failed)
    }

    /// The groups of the namespace that have a record, and whether it can be read.
    ///
    /// # Errors
    /// The API server's refusal.
    pub async fn groups(&self) -> Result<Vec<(Group, bool)>, Refusal> {
        let ours = ListParams::default().labels(&ours());
        let group = |lease: &LeaseView| Some((lease.metadata.name.as_ref()?.parse().ok()?, read_record(lease).is_ok()));
        list(&self.leases, ours, group).await.map_err(|error| refusal(&error, "list leases"))
    }

    /// Returns when a group has a record. Never returns where they cannot be watched.
    pub async fn record_made(&self) {
        let ours = WatchParams::default().labels(&ours());
        until(&self.leases, &ours, "0", |change| matches!(change, WatchEvent::Added(lease) if read_record(lease).is_ok())).await;
    }

    /// Creates a group's record; of several that do, one succeeds. Its uid and version are not read.
    ///
    /// # Errors
    /// [`Refusal::Conflict`] where it exists.
    pub async fn create_record(&self, group: &Group, record: &Record) -> Result<Record, Refusal> {
        let made = self.leases.create(&PostParams::default(), &write_record(group, record, 0, None)).await;
        read_record(&made.map_err(|error| refusal(&error, "create leases"))?).map_err(Refusal::Failed)
    }

    /// Writes over a record that is still as it was read.
    ///
    /// # Errors
    /// [`Refusal::Conflict`] where another was faster, [`Refusal::Missing`] where it was deleted.
    pub async fn update_record(&self, group: &Group, record: &Record) -> Result<Record, Refusal> {
        let Ok(transitions) = i32::try_from(record.transitions) else {
            let end = format!("the Lease `{group}` counts no further than {}: delete the Lease, and it is made again", i32::MAX);
            return Err(Refusal::Failed(Failure::InvalidReply(end)));
        };
        let lease = write_record(group, record, transitions, Some(record));
        let moved = self.leases.replace(&group.to_string(), &PostParams::default(), &lease).await;
        read_record(&moved.map_err(|error| refusal(&error, "update leases"))?).map_err(Refusal::Failed)
    }

    /// Whether a record could be created, or written over: the API server decides and does nothing.
    ///
    /// # Errors
    /// Why it would not be.
    pub async fn would_write_record(&self, group: &Group, record: &Record, is_new: bool) -> Result<(), Refusal> {
        let transitions = i32::try_from(record.transitions).unwrap_or(i32::MAX);
        let lease = write_record(group, record, transitions, (!is_new).then_some(record));
        let dry = PostParams { dry_run: true, ..PostParams::default() };
        let (written, verb) = if is_new {
            (self.leases.create(&dry, &lease).await, "create leases")
        } else {
            (self.leases.replace(&group.to_string(), &dry, &lease).await, "update leases")
        };
        written.map(drop).map_err(|error| refusal(&error, verb))
    }

    /// Lists the group's pods as they are now, with what `scheme` says of each. Right after a write
    /// to something else this takes the API server up to 100 ms: its cache waits for etcd to tell
    /// that no pod has changed since (`progressRequestPeriod` in apiserver `pkg/storage/cacher`).
    ///
    /// # Errors
    /// The API server's refusal.
    pub async fn pods(&self, selector: &Selector, scheme: &Scheme) -> Result<Vec<Found>, Refusal> {
        let listed = list(&self.pods, ListParams::default().labels(selector.as_str()), |pod| read_found(pod, scheme)).await;
        listed.map_err(|error| refusal(&error, "list pods"))
    }

    /// Lists the group's pods as the API server's cache has them, which may be a little old: good
    /// for what is written under the listed version, and for nothing that a missing pod could spoil.
    ///
    /// # Errors
    /// The API server's refusal.
    pub async fn pods_lately(&self, selector: &Selector, scheme: &Scheme) -> Result<Vec<Found>, Refusal> {
        // The cache gives no pages: a limit would have etcd asked.
        let which = ListParams::default().labels(selector.as_str()).match_any();
        let listed = match self.pods.list(&which).await {
            Err(error) if TooLarge::is_in(&error) => return self.pods(selector, scheme).await,
            listed => listed.map_err(|error| refusal(&error, "list pods"))?,
        };
        Ok(listed.items.iter().filter_map(|pod| read_found(pod, scheme)).collect())
    }

    /// Reads one pod as it is now: from etcd itself, so that what was written before is seen.
    ///
    /// # Errors
    /// [`Refusal::Missing`] where it does not exist.
    pub async fn pod(&self, name: &PodName, scheme: &Scheme) -> Result<Pod, Refusal> {
        let pod = self.pods.get(&name.to_string()).await.map_err(|error| refusal(&error, "get pods"))?;
        let nameless = || Refusal::Failed(Failure::InvalidReply(format!("the pod {name} has no name, uid or version")));
        read_pod(&pod, scheme).ok_or_else(nameless)
    }

    /// Publishes what a pod has to say of its disk; if `version` is given, only while the pod is still as it
    /// was read then.
    ///
    /// # Errors
    /// [`Refusal::Missing`] where the pod is gone, [`Refusal::Conflict`] where it has changed.
    pub async fn publish(&self, pod: &PodName, report: &DiskReport, version: Option<&str>) -> Result<Published, Refusal> {
        let mut notes = json!({ WORD: report.to_string() });
        if report.started {
            notes[TRYING] = serde_json::Value::Null;
            notes[HAS_RUN] = "true".into();
            notes[HEARD] = serde_json::Value::Null;
            notes[HANDS_OVER] = serde_json::Value::Null;
        }
        self.annotate(pod, notes, version).await
    }

    /// Notes since when a pod has been trying to start, and when it has last heard of the others.
    ///
    /// # Errors
    /// [`Refusal::Missing`] where the pod is gone.
    pub async fn note_trying(&self, pod: &PodName, since: Moment, heard: &LastHeard) -> Result<(), Refusal> {
        self.annotate(pod, json!({ TRYING: since.to_string(), HEARD: heard.to_string() }), None).await.map(drop)
    }

    /// Takes a pod's label away, because it hands over since then.
    ///
    /// # Errors
    /// [`Refusal::Missing`] where the pod is gone.
    pub async fn begin_handover(&self, pod: &PodName, since: Moment, scheme: &Scheme) -> Result<(), Refusal> {
        let labels = json!({ &scheme.key: serde_json::Value::Null });
        let body = json!({ "metadata": { "labels": labels, "annotations": { HANDS_OVER: since.to_string() } } });
        self.patch_pod(pod, body).await.map(drop)
    }

    /// A pod hands over no more, however that ended: it may be labelled again.
    ///
    /// # Errors
    /// [`Refusal::Missing`] where the pod is gone.
    pub async fn end_handover(&self, pod: &PodName) -> Result<(), Refusal> {
        self.annotate(pod, json!({ HANDS_OVER: serde_json::Value::Null }), None).await.map(drop)
    }

    async fn annotate(&self, pod: &PodName, notes: serde_json::Value, version: Option<&str>) -> Result<Published, Refusal> {
        let mut body = json!({ "metadata": { "annotations": notes } });
        if let Some(version) = version {
            body["metadata"]["resourceVersion"] = version.into();
        }
        let patched = self.patch_pod(pod, body).await?;
        let has_run = patched.metadata.annotations.is_some_and(|notes| notes.contains_key(HAS_RUN));
        let uid = patched.metadata.uid;
        let uid = uid.ok_or_else(|| Refusal::Failed(Failure::InvalidReply(format!("the pod {pod} has no uid"))))?;
        Ok(Published { uid, has_run })
    }

    /// Labels and stamps a pod that is still as it was listed.
    ///
    /// # Errors
    /// [`Refusal::Conflict`] where it has changed, [`Refusal::Missing`] where it is gone.
    pub async fn patch(&self, patch: &Patch, scheme: &Scheme) -> Result<(), Refusal> {
        self.patch_pod(&patch.pod, label(patch, scheme)).await.map(drop)
    }

    /// Whether a pod could be labelled: the API server decides and does nothing.
    ///
    /// # Errors
    /// Why it could not be.
    pub async fn would_patch(&self, patch: &Patch, scheme: &Scheme) -> Result<(), Refusal> {
        let dry = PatchParams { dry_run: true, ..PatchParams::default() };
        self.patch_pod_by(&patch.pod, label(patch, scheme), &dry).await.map(drop)
    }

    async fn patch_pod(&self, pod: &PodName, body: serde_json::Value) -> Result<PodView, Refusal> {
        self.patch_pod_by(pod, body, &PatchParams::default()).await
    }

    async fn patch_pod_by(&self, pod: &PodName, body: serde_json::Value, how: &PatchParams) -> Result<PodView, Refusal> {
        let pods = Request::new(PodView::url_path(&(), Some(&self.namespace)));
        let patched = async {
            let request = pods.patch_metadata(&pod.to_string(), how, &Body::Merge(body));
            self.client.request(request.map_err(Error::BuildRequest)?).await
        };
        patched.await.map_err(|error| refusal(&error, "patch pods"))
    }
}

impl Cluster {
    /// Returns when a pod carries a label's value. Never returns where it cannot be watched.
    pub async fn carries(&self, pod: &PodName, scheme: &Scheme, value: &str) {
        let only = WatchParams::default().fields(&format!("metadata.name={pod}"));
        // Version "0" begins with what there is.
        let carries_it = |change: &WatchEvent<PodView>| match change {
            WatchEvent::Added(pod) | WatchEvent::Modified(pod) => {
                read_pod(pod, scheme).is_some_and(|pod| pod.label.as_deref() == Some(value))
            }
            WatchEvent::Deleted(_) | WatchEvent::Bookmark(_) | WatchEvent::Error(_) => false,
        };
        until(&self.pods, &only, "0", carries_it).await;
    }

    /// Deletes a group's record, while it is still as it was read.
    ///
    /// # Errors
    /// [`Refusal::Conflict`] where it has changed, [`Refusal::Missing`] where it is gone.
    pub async fn delete_record(&self, group: &Group, record: &Record) -> Result<(), Refusal> {
        let as_read = Preconditions { uid: Some(record.uid.clone()), resource_version: Some(record.version.clone()) };
        let only = DeleteParams { preconditions: Some(as_read), ..DeleteParams::default() };
        let deleted = self.leases.delete(&group.to_string(), &only).await;
        deleted.map(drop).map_err(|error| refusal(&error, "delete leases"))
    }
}

/// What the API server does within a time; its silence is a refusal like others.
///
/// # Errors
/// Its refusal, or [`Failure::TimedOut`].
pub async fn within<T>(limit: Duration, done: impl Future<Output = Result<T, Refusal>>) -> Result<T, Refusal> {
    tokio::time::timeout(limit, done).await.unwrap_or(Err(Refusal::Failed(Failure::TimedOut)))
}

/// Returns when a change is the one that is waited for. Never returns where nothing can be watched; that the Role
/// forbids it is said once.
async fn until<K>(api: &Api<K>, which: &WatchParams, since: &str, is_it: impl Fn(&WatchEvent<K>) -> bool)
where
    K: Clone + DeserializeOwned + Debug + Resource<DynamicType = ()>,
{
    static SAID: Once = Once::new();
    match api.watch(which, since).await {
        Ok(changes) => {
            let mut changes = pin!(changes);
            while let Some(Ok(change)) = changes.next().await {
                if is_it(&change) {
                    return;
                }
            }
        }
        Err(error) => {
            if let Refusal::Failed(failure @ Failure::NotAllowed(_)) = refusal(&error, &format!("watch {}", K::plural(&()))) {
                SAID.call_once(|| warn!("changes are seen late: {failure}"));
            }
        }
    }
    std::future::pending::<()>().await;
}

/// What a pod that is labelled gets.
fn label(patch: &Patch, scheme: &Scheme) -> serde_json::Value {
    let withheld = patch.is_withheld.then_some("its link to the master is down");
    json!({
        "metadata": {
            "resourceVersion": patch.version,
            "labels": { &scheme.key: patch.label },
            "annotations": { STAMP: patch.stamp.to_string(), WITHHELD: withheld },
        }
    })
}

/// Lists everything, a page at a time, and keeps of each what is read of it.
async fn list<K, T>(api: &Api<K>, mut page: ListParams, read: impl Fn(&K) -> Option<T>) -> Result<Vec<T>, Error>
where
    K: Clone + DeserializeOwned + Debug,
{
    let mut all = Vec::new();
    let mut sizes = PAGES.into_iter();
    page.limit = sizes.next();
    loop {
        let listed = match api.list(&page).await {
            Err(error) if TooLarge::is_in(&error) && sizes.len() > 0 => {
                page.limit = sizes.next();
                continue;
            }
            listed => listed?,
        };
        all.extend(listed.items.iter().filter_map(&read));
        page.continue_token = listed.metadata.continue_.filter(|token| !token.is_empty());
        if page.continue_token.is_none() {
            return Ok(all);
        }
    }
}

fn read_found(pod: &PodView, scheme: &Scheme) -> Option<Found> {
    let meta = &pod.metadata;
    let role = || meta.labels.as_ref()?.get(&scheme.key).cloned();
    let other = || {
        let (name, uid) = (meta.name.clone()?, meta.uid.clone()?);
        Some(Found::Unnumbered(NonMember { name, uid, role: role(), why: NotMember::Unnumbered }))
    };
    read_pod(pod, scheme).map(|pod| Found::Pod(Box::new(pod))).or_else(other)
}

fn read_controller(meta: &ObjectMeta) -> Controller {
    let owner = meta.owner_references.iter().flatten().find(|owner| owner.controller == Some(true));
    match owner {
        None => Controller::None,
        Some(owner) if owner.kind == "StatefulSet" => Controller::StatefulSet(owner.name.clone()),
        Some(owner) => Controller::Other(format!("{} {}", owner.kind, owner.name)),
    }
}

/// None where its name does not end in an ordinal.
fn read_pod(pod: &PodView, scheme: &Scheme) -> Option<Pod> {
    let PodView { metadata: meta, spec, status } = pod;
    let Status { phase, pod_ips, .. } = status;
    // A pod that has ended keeps its address in its status, where it may be another's by now.
    let ips = pod_ips.iter().filter(|_| !has_ended(phase.as_deref()));
    let note = |key: &str| meta.annotations.as_ref().and_then(|notes| notes.get(key));
    Some(Pod {
        name: meta.name.as_ref()?.parse().ok()?,
        uid: meta.uid.clone()?,
        version: meta.resource_version.clone()?,
        ips: ips.filter_map(|entry| entry.ip.as_ref()?.parse().ok()).collect(),
        label: meta.labels.as_ref().and_then(|labels| labels.get(&scheme.key)).cloned(),
        stamp: note(STAMP).map(|text| text.as_str().into()),
        report: note(WORD).and_then(|text| text.parse().ok()),
        trying_since: note(TRYING).and_then(|text| text.parse().ok()),
        heard: note(HEARD).and_then(|text| text.parse().ok()).unwrap_or_default(),
        is_withheld: note(WITHHELD).is_some(),
        hands_over_since: note(HANDS_OVER).and_then(|text| text.parse().ok()),
        labels: meta.labels.clone().unwrap_or_default(),
        controller: read_controller(meta),
        containers: spec.containers.iter().map(|container| read_container(container, status)).collect(),
    })
}

fn read_container(container: &ContainerSpec, status: &Status) -> PodContainer {
    let phase = status.phase.as_deref();
    // Before its kubelet has reported any container, a pod waits for a node, or for what its first ones need.
    let is_waiting = phase == Some("Pending") && status.container_statuses.is_empty();
    let told = status.container_statuses.iter().find(|told| told.name == container.name);
    let state = match told.map(|told| &told.state.running) {
        _ if has_ended(phase) || is_waiting => Container::Stopped,
        None => Container::Unknown,
        Some(None) => Container::Stopped,
        Some(Some(running)) => {
            let since = running.started_at.as_ref().and_then(|text| text.parse().ok());
            since.map_or(Container::Unknown, Container::Running)
        }
    };
    PodContainer { ports: container.ports.iter().map(|port| port.container_port).collect(), state }
}

/// Whether a pod of this phase runs no more.
fn has_ended(phase: Option<&str>) -> bool {
    matches!(phase, Some("Failed" | "Succeeded"))
}

/// `verb` is what the Role must allow.
fn refusal(error: &Error, verb: &str) -> Refusal {
    match error {
        Error::Api(status) => match status.code {
            404 => Refusal::Missing,
            409 => Refusal::Conflict,
            401 => Refusal::Failed(Failure::NotAllowed("the API server does not accept the service account's token".to_owned())),
            403 => Refusal::Failed(Failure::NotAllowed(format!("the Role must allow `{verb}`: {}", shown(&status.message)))),
            // What may pass: a time-out, a list that is too old, too many requests.
            code @ 400..=499 if ![408, 410, 429].contains(&code) => {
                Refusal::Failed(Failure::NotAllowed(format!("the API server refuses this request: {}", shown(&status.message))))
            }
            _ => Refusal::Failed(Failure::Unreachable(format!(
                "the API server answered {}: {}",
                status.code,
                shown(&status.message)
            ))),
        },
        other => Refusal::Failed(Failure::Unreachable(format!("the API server: {}", shown(&chain(other))))),
    }
}

fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(next) = cause {
        let next_text = next.to_string();
        if !text.contains(&next_text) {
            text = format!("{text}: {next_text}");
        }
        cause = next.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_api_server_will_refuse_again_is_told_from_what_may_pass() {
        let is_refused = |code| {
            let status = kube::core::response::Status::failure("no", "Refused").with_code(code);
            matches!(refusal(&Error::Api(status.boxed()), "patch pods"), Refusal::Failed(Failure::NotAllowed(_)))
        };
        for code in [400, 401, 403, 405, 406, 413, 415, 418, 422, 451, 499] {
            assert!(is_refused(code), "{code}");
        }
        for code in [404, 408, 409, 410, 429, 500, 502, 503, 504] {
            assert!(!is_refused(code), "{code}");
        }
    }
}
