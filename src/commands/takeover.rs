//! `takeover`: follow the nodes and the pods of groups; while a node is silent, probe that node and some nodes that are
//! Ready; decide; act, if this process holds the Lease; and report each act in one line and in an Event.
//!
//! Nothing is asked while all nodes are Ready: the watches report what changes, and the Lease is renewed.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::path::Path;
use std::pin::pin;
use std::time::{Duration, SystemTime};

use anyhow::{Result, anyhow};
use futures::future::join_all;
use futures::stream::{Stream, StreamExt};
use tokio::sync::{Notify, watch};
use tokio::time::{Instant, sleep, sleep_until, timeout};
use tracing::{info, warn};

use super::Next;
use crate::cli::{self, Takeover};
use crate::core::disk::Moment;
use crate::core::selector::Selector;
use crate::core::takeover::{
    Act, Action, Answer, Clock, Facts, Hold, HostedPod, Method, Node, NodeAsked, Settings, State, TakeoverPlan, decide,
};
use crate::edge::dns::Dns;
use crate::edge::kubernetes::election::Election;
use crate::edge::kubernetes::events::{About, Reason};
use crate::edge::kubernetes::follow::Change;
use crate::edge::kubernetes::nodes::Nodes;
use crate::edge::kubernetes::{Access, Cluster, Refusal};
use crate::edge::tcp_probe::tcp_probe;
use crate::exit::{OrWrong, Wrong};
use crate::signals::Signals;
use crate::steps::context::reachable;
use crate::steps::retry::{Backoff, refused};
use crate::steps::watch_cache::CacheOf;

/// How many nodes that are Ready are probed beside a node that is not.
const WITNESSES: usize = 10;
/// How long the API server is left alone after it refused something.
const AFTER_A_REFUSAL: Duration = Duration::from_secs(1);
/// How long a watch must have lasted to start again without a pause.
const LASTING: Duration = Duration::from_secs(10);
/// How long giving the Lease back may take when the container is being stopped, a renewal that is under way included.
const GIVING_BACK: Duration = Duration::from_secs(5);

pub async fn run(args: Takeover, signals: &mut Signals) -> Result<Next> {
    let Takeover {
        grace,
        method,
        at_most,
        selector,
        node_selector,
        lease,
        pod_name,
        namespace,
        dry_run,
        resolv_conf,
        log_format: _,
    } = args;
    let method = match method {
        cli::Method::OutOfService => Method::OutOfService,
        cli::Method::DeleteNode => Method::DeleteNode,
    };
    let followed = (node_selector.as_ref().map(Selector::as_str), selector.as_str());
    let opened = open(&resolv_conf, namespace, &lease, &pod_name, dry_run, followed);
    let (cluster, nodes, election) = tokio::select! {
        opened = opened => opened?,
        // Nothing is held yet that must be given back.
        _ = signals.next() => return Ok(Next::Exit),
    };
    let settings = Settings { grace, method, at_most: usize::try_from(at_most).unwrap_or(usize::MAX) };
    let controller = NodeController {
        cluster: &cluster,
        nodes: &nodes,
        election: &election,
        settings,
        me: &pod_name,
        is_dry: dry_run,
        started: Instant::now(),
        cache: RefCell::default(),
        news: Notify::new(),
        done: RefCell::default(),
    };
    let mut standing = pin!(election.stand());
    tokio::select! {
        // Without end.
        _ = async { tokio::join!(controller.follow(followed.0, followed.1), controller.go_on()) } => {}
        () = &mut standing, if !dry_run => {}
        // The container is being stopped.
        _ = signals.next() => {}
    }
    if !dry_run {
        election.resign();
        if timeout(GIVING_BACK, standing).await.is_err() {
            warn!("the Lease `{lease}` is not given back, and expires by itself: the API server does not answer");
        }
    }
    Ok(Next::Exit)
}

/// Opens the way to the cluster, and looks whether what is needed is there and allowed. `followed` are the selectors
/// of nodes and pods.
async fn open(
    resolv_conf: &Path,
    namespace: Option<String>,
    lease: &str,
    pod_name: &str,
    dry_run: bool,
    followed: (Option<&str>, &str),
) -> Result<(Cluster, Nodes, Election)> {
    let access = Access::find().await.or_wrong()?;
    let access = access.ok_or_else(|| {
        Wrong("there is no Kubernetes here, neither a service account nor KUBECONFIG: run in a pod, or set KUBECONFIG".to_owned())
    })?;
    let access = reachable(access, &Dns::from_resolv_conf(resolv_conf).or_wrong()?).await?;
    let namespace = namespace.unwrap_or_else(|| access.namespace().to_owned());
    let cluster = access.connect(&namespace).await.or_wrong()?;
    let nodes = cluster.nodes();
    let checked = nodes.check(followed.0, followed.1).await;
    checked.map_err(|refusal| refused("the nodes and pods cannot be followed", refusal))?;
    let election = cluster.election(lease, pod_name);
    if !dry_run {
        election.check().await.map_err(|refusal| match refusal {
            Refusal::Missing => anyhow!(
                "there is no Lease `{lease}` in namespace {namespace}: create this Lease, by which one takeover at a time acts"
            ),
            refusal => refused(&format!("the Lease `{lease}`"), refusal),
        })?;
    }
    Ok((cluster, nodes, election))
}

/// What the watches have reported.
#[derive(Default)]
struct NodeCache {
    nodes: CacheOf<String, Node>,
    hosted_pods: CacheOf<String, Option<HostedPod>>,
    /// Since when each node has been silent, by our own clock.
    silent: BTreeMap<String, Duration>,
}

struct NodeController<'a> {
    cluster: &'a Cluster,
    nodes: &'a Nodes,
    election: &'a Election,
    settings: Settings,
    me: &'a str,
    is_dry: bool,
    started: Instant,
    cache: RefCell<NodeCache>,
    news: Notify,
    done: RefCell<Done>,
}

/// What was done, until the watches report it.
#[derive(Default)]
struct Done {
    /// Nodes, under the version that is no more.
    nodes: BTreeMap<String, String>,
    /// Pods, by their uids: one that somebody holds on to stays for a while.
    hosted_pods: BTreeSet<String>,
}

impl NodeController<'_> {
    /// Follows the nodes and the pods, and keeps what is known of them in the cache.
    async fn follow(&self, node_selector: Option<&str>, selector: &str) {
        let nodes = self.each(
            "nodes",
            || self.nodes.follow(node_selector),
            |change| {
                let mut cache = self.cache.borrow_mut();
                let has_news = !cache.nodes.take(change).is_empty();
                let now = self.started.elapsed();
                let NodeCache { nodes, silent, .. } = &mut *cache;
                let is_silent = |node: &Node| matches!(node.state, State::Silent(_));
                let names = || nodes.known().filter(|(_, node)| is_silent(node)).map(|(name, _)| name);
                silent.retain(|name, _| names().any(|silent| silent == name));
                for name in names() {
                    silent.entry(name.clone()).or_insert(now);
                }
                has_news
            },
        );
        let hosted_pods = self.each(
            "pods",
            || self.nodes.follow_guests(selector),
            |change| !self.cache.borrow_mut().hosted_pods.take(change).is_empty(),
        );
        tokio::join!(nodes, hosted_pods);
    }

    /// Takes each change. A watch that breaks starts again, and nothing counts as known until its list is complete.
    async fn each<T, S: Stream<Item = Change<T>>>(&self, what: &str, follow: impl Fn() -> S, take: impl Fn(Change<T>) -> bool) {
        let mut backoff = Backoff::slow();
        loop {
            let begun = Instant::now();
            let mut changes = pin!(follow());
            while let Some(change) = changes.next().await {
                if let Change::Broken { why, .. } = change {
                    warn!("the watch of the {what} begins again: {why}");
                    break;
                }
                let is_whole = matches!(change, Change::All);
                if take(change) || is_whole {
                    self.news.notify_one();
                }
            }
            take(Change::Anew);
            if begun.elapsed() > LASTING {
                backoff = Backoff::slow();
            }
            sleep(backoff.next()).await;
        }
    }

    fn facts(&self, asked: &BTreeMap<String, NodeAsked>) -> Facts {
        let cache = self.cache.borrow();
        Facts {
            clock: Clock { own: self.started.elapsed(), wall: SystemTime::now().into() },
            is_complete: cache.nodes.is_whole() && cache.hosted_pods.is_whole(),
            nodes: cache.nodes.known().map(|(_, node)| node.clone()).collect(),
            hosted_pods: cache.hosted_pods.known().filter_map(|(_, hosted_pod)| hosted_pod.clone()).collect(),
            silent: cache.silent.clone(),
            asked: asked.clone(),
            deleted: read_deleted(&self.election.memory()),
        }
    }

    /// Whether the watches have not reported yet what was done: nothing is decided on the state before.
    fn is_behind(&self) -> bool {
        let cache = self.cache.borrow();
        let is_as_before =
            |name: &String, version: &String| cache.nodes.known().any(|(_, node)| node.name == *name && node.version == *version);
        let mut done = self.done.borrow_mut();
        done.nodes.retain(|name, version| is_as_before(name, version));
        done.hosted_pods.retain(|uid| cache.hosted_pods.known().any(|(known, _)| known == uid));
        !done.nodes.is_empty()
    }

    /// Looks, probes, decides and acts, without end.
    async fn go_on(&self) {
        let mut leadership = self.election.leadership();
        let mut asked = BTreeMap::new();
        let mut round = Instant::now();
        let mut logged = BTreeMap::new();
        loop {
            if !self.is_dry && !leads(&leadership) {
                (asked, logged) = (BTreeMap::new(), BTreeMap::new());
                tokio::select! { _ = leadership.changed() => {}, () = self.news.notified() => {} }
                continue;
            }
            if self.is_behind() {
                self.news.notified().await;
                continue;
            }
            let facts = self.facts(&asked);
            let still_deleted = facts.still_deleted();
            if still_deleted != facts.deleted {
                self.election.leave(write_deleted(&still_deleted));
            }
            let is_in_question = !facts.in_question().is_empty();
            if is_in_question && Instant::now() >= round {
                round = Instant::now() + self.settings.round();
                asked = self.ask(&facts).await;
            } else if !is_in_question {
                asked = BTreeMap::new();
            }
            let facts = self.facts(&asked);
            let plan = decide(&facts, &self.settings);
            log_holds(&plan, &mut logged);
            let is_done = self.act(&facts, &plan, &leadership, &mut logged).await;
            let again = match (is_done, is_in_question) {
                (false, _) => Some(Instant::now() + AFTER_A_REFUSAL),
                (true, true) => Some(round),
                (true, false) => None,
            };
            let is_due = async {
                match again {
                    Some(again) => sleep_until(again).await,
                    None => std::future::pending().await,
                }
            };
            // Renewals of the leadership are no news.
            tokio::select! { () = is_due => {}, () = self.news.notified() => {} }
        }
    }

    /// Probes every node in question, and some that are Ready, all at once.
    async fn ask(&self, facts: &Facts) -> BTreeMap<String, NodeAsked> {
        let began = self.started.elapsed();
        let mut ready: Vec<_> = facts.nodes.iter().filter(|node| node.state == State::Ready).collect();
        fastrand::shuffle(&mut ready);
        let witnesses = ready.into_iter().take(WITNESSES).map(|node| (node, Vec::new()));
        let rounds = facts.in_question().into_iter().chain(witnesses).map(async |(node, probe_addresses)| {
            let (kubelet, hosted_pods) = tokio::join!(probe_all(&node.kubelet), probe_all(&probe_addresses));
            let answers = NodeAsked { since: began, at: self.started.elapsed(), kubelet, hosted_pods };
            (node.name.clone(), NodeAsked::after(facts.asked.get(&node.name), began, answers, &self.settings))
        });
        join_all(rounds).await.into_iter().collect()
    }

    /// Does what was decided; returns whether all of it was done.
    async fn act(
        &self,
        facts: &Facts,
        plan: &TakeoverPlan,
        leadership: &watch::Receiver<Option<Instant>>,
        logged: &mut BTreeMap<String, Notice>,
    ) -> bool {
        let mut is_done = true;
        for act in &plan.acts {
            let (name, reason) = name_and_reason(&act.action);
            if self.is_dry {
                if logged.insert(act.node.clone(), Notice::Act(act.action.clone())) != Some(Notice::Act(act.action.clone())) {
                    info!(node = act.node, act = name, why = act.why, "would act");
                }
                continue;
            }
            if matches!(&act.action, Action::Free(hosted_pod) if self.done.borrow().hosted_pods.contains(&hosted_pod.uid)) {
                continue;
            }
            if !leads(leadership) {
                return false;
            }
            match self.carry_out(facts, act).await {
                Ok(()) => {
                    self.note(act);
                    logged.remove(&act.node);
                    info!(node = act.node, act = name, why = act.why, "acted");
                    self.announce(act, reason).await;
                }
                Err(Refusal::Conflict | Refusal::Missing) => is_done = false,
                Err(refusal) => {
                    is_done = false;
                    warn!(node = act.node, act = name, "not done: {refusal}");
                }
            }
        }
        is_done
    }

    fn note(&self, act: &Act) {
        let mut done = self.done.borrow_mut();
        match (&act.action, &act.seen) {
            (Action::Free(hosted_pod), _) => {
                done.hosted_pods.insert(hosted_pod.uid.clone());
            }
            (_, Some((_, version))) => drop(done.nodes.insert(act.node.clone(), version.clone())),
            (_, None) => {}
        }
    }

    async fn carry_out(&self, facts: &Facts, act: &Act) -> Result<(), Refusal> {
        let Act { node, seen, action, .. } = act;
        let (uid, version) = seen.as_ref().map_or(("", ""), |(uid, version)| (uid, version));
        match action {
            Action::TakeOut => self.nodes.take_out(node, version).await,
            Action::GiveBack => self.nodes.give_back(node, version).await,
            Action::Delete => {
                // First, so that whoever comes after us knows of it.
                let mut deleted = facts.still_deleted();
                deleted.insert(node.clone(), facts.clock.wall);
                self.election.remember(write_deleted(&deleted)).await?;
                self.nodes.delete(node, uid, version).await
            }
            Action::Free(hosted_pod) => self.nodes.free(hosted_pod).await,
        }
    }

    async fn announce(&self, act: &Act, reason: Reason) {
        let Act { node, seen, action, why } = act;
        let (uid, version) = seen.as_ref().map_or(("", ""), |(uid, version)| (uid.as_str(), version.as_str()));
        let (id, note) = match action {
            Action::Free(hosted_pod) => (hosted_pod.uid.as_str(), format!("{hosted_pod}: {why}")),
            Action::TakeOut | Action::GiveBack | Action::Delete => (version, why.clone()),
        };
        if let Err(refusal) = self.cluster.publish_event(About::Node(node, uid), reason, id, note, self.me).await {
            warn!(node, "cannot create the Event of what was done: {refusal}");
        }
    }
}

fn leads(leadership: &watch::Receiver<Option<Instant>>) -> bool {
    leadership.borrow().is_some_and(|until| Instant::now() < until)
}

async fn probe_all(probe_addresses: &[SocketAddr]) -> Vec<(SocketAddr, Answer)> {
    join_all(probe_addresses.iter().map(async |at| (*at, tcp_probe(*at).await))).await
}

fn name_and_reason(action: &Action) -> (&'static str, Reason) {
    match action {
        Action::TakeOut => ("out of service", Reason::OutOfService),
        Action::GiveBack => ("back in service", Reason::BackInService),
        Action::Delete => ("delete node", Reason::NodeDeleted),
        Action::Free(_) => ("free pod", Reason::PodFreed),
    }
}

/// What was logged of a node last, so that it is logged once.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Notice {
    Hold(Hold),
    Act(Action),
}

fn log_holds(plan: &TakeoverPlan, logged: &mut BTreeMap<String, Notice>) {
    logged.retain(|node, _| plan.holds.contains_key(node) || plan.acts.iter().any(|act| act.node == *node));
    for (node, why) in &plan.holds {
        let hold = Notice::Hold(why.clone());
        if logged.get(node) != Some(&hold) {
            info!(node, why = %why, "does not act");
            logged.insert(node.clone(), hold);
        }
    }
}

/// The Nodes that were deleted, and when, as holders of the Lease leave them to each other.
fn write_deleted(deleted: &BTreeMap<String, Moment>) -> String {
    let entries: Vec<_> = deleted.iter().map(|(name, at)| format!("{name}={at}")).collect();
    entries.join(",")
}

fn read_deleted(text: &str) -> BTreeMap<String, Moment> {
    text.split(',')
        .filter_map(|entry| entry.split_once('='))
        .filter_map(|(name, at)| Some((name.to_owned(), at.parse().ok()?)))
        .collect()
}
