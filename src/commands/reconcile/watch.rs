//! `reconcile --watch`: the records and the pods are followed by watch, and the Sentinels by what they publish.
//! Whatever changes in a group has it looked at; while something is amiss it is looked at again and again.
//! The API server is asked for nothing that a watch reports.

use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::rc::Rc;
use std::time::Duration;

use futures::FutureExt;
use futures::future::{LocalBoxFuture, join_all};
use futures::stream::{FuturesUnordered, Stream, StreamExt};
use tokio::sync::{Notify, Semaphore, mpsc};
use tokio::task::coop::unconstrained;
use tokio::time::{Instant, sleep, timeout};
use tracing::{info, warn};

use super::pass::{Memory, finds_nobody, is_amiss, may_be_allowed, put_right};
use crate::cli::{Labels, Members, PodArgs};
use crate::core::epoch;
use crate::core::evidence::{Evidence, Failure, RecordSeen, Sentinel, SentinelAnswer};
use crate::core::identity::{Endpoint, Group, PodName};
use crate::core::invalid;
use crate::core::labels::Scheme;
use crate::core::rules::repair::{self, is_quiet, may_yet_lead};
use crate::core::selector::Selector;
use crate::core::sentinels::{nobody_promotable, of_unknown_priority};
use crate::edge::kubernetes::Cluster;
use crate::edge::kubernetes::follow::Change;
use crate::edge::sentinel::{self, Event};
use crate::steps::announce::announce_non_members;
use crate::steps::context::{Clients, Credentials, GroupConfig, KubernetesMode, SentinelSet, in_time, own_pod};
use crate::steps::label::nobody;
use crate::steps::observe::{Known, Observer};
use crate::steps::retry::{Backoff, Outcome, Retries, jittered};
use crate::steps::watch_cache::WatchCache;

/// How long a look may take, and how far apart two looks may be to count as one watch.
const PASS: Duration = Duration::from_secs(20);
/// How long each reconcile waits for its turn after news of a group: Sentinel's hook, and a pod that starts, label by
/// themselves first. Then come the reconciles, one after the other.
const TURN: Duration = Duration::from_millis(600);
/// How often a group without news is looked at: a Redis reports no change of its configuration.
const REST: Duration = Duration::from_secs(30);
/// For how long a Sentinel may name another master than all the others before it is taken for stuck: longer
/// than it takes to hear of a failover.
const PATIENCE: Duration = Duration::from_secs(30);
/// How many groups are looked at side by side.
const AT_ONCE: usize = 16;
/// How many groups without pods are looked at side by side.
const EMPTY_AT_ONCE: usize = 2;
/// How often the Sentinels are looked up again.
const LOOKUP: Duration = Duration::from_secs(60);
/// The part of the retries that is a look at what seems amiss by the watches.
const LOOK: &str = "look";
/// The label by which a pod says of which group it is, where no selector was given, and the one that all have.
const INSTANCE: &str = "app.kubernetes.io/instance";
const COMPONENT: &str = "app.kubernetes.io/component=redis";

/// What everyone who looks after a group shares.
pub struct Watch<'a> {
    pub clients: &'a Clients,
    pub sentinel_set: &'a SentinelSet,
    pub credentials: &'a Credentials,
    pub pod: &'a PodArgs,
    pub members: &'a Members,
    pub labels: &'a Labels,
    /// The groups that were named; none for all that have a record.
    pub named: &'a [Group],
    /// After how long without its master a replica's label is withheld; none for never.
    pub stale_after: Option<Duration>,
}

impl Watch<'_> {
    /// Goes on without end.
    pub async fn go_on(&self) {
        let cache = WatchCache::default();
        let (new, found) = mpsc::unbounded_channel();
        for group in self.named {
            let _ = new.send(group.clone());
        }
        let follow = async {
            match &self.clients.ground {
                KubernetesMode::Cluster(cluster) => self.follow(cluster, &cache, &new).await,
                KubernetesMode::NoKubernetes | KubernetesMode::Nowhere => std::future::pending().await,
            }
        };
        tokio::join!(follow, self.listen(&cache), self.look_after_all(&cache, found));
    }

    /// Follows the records and the pods, and keeps what is known of them in the cache.
    async fn follow(&self, cluster: &Cluster, cache: &WatchCache, new: &mpsc::UnboundedSender<Group>) {
        let mut unreadable = Unreadable::default();
        let records = async {
            let only = match self.named {
                [group] => Some(group),
                _ => None,
            };
            each(cluster.follow_records(only), "records", |change| {
                let change = change.map(|(group, record)| (group, record.map_or_else(RecordSeen::Unknown, RecordSeen::Present)));
                for group in cache.take_record(change) {
                    match cache.record(&group) {
                        RecordSeen::Present(_) if self.named.is_empty() => drop(new.send(group)),
                        RecordSeen::Unknown(failure) => unreadable.log_failure(&failure),
                        _ => {}
                    }
                }
            })
            .await;
        };
        let selector = self.labels.selector.as_ref().map(Selector::as_str);
        let group_of = |label: &dyn Fn(&str) -> Option<String>| match (selector, self.named) {
            (Some(_), [group]) => Some(group.clone()),
            _ => label(INSTANCE)?.parse().ok(),
        };
        let scheme = Scheme::from(self.labels);
        let pods = each(cluster.follow_pods(selector.unwrap_or(COMPONENT), scheme, group_of), "pods", |change| {
            cache.take_pod(change.map(|(group, found)| ((group, found.name()), found)));
        });
        tokio::join!(records, pods);
    }

    /// Listens to what the Sentinels publish; without Sentinels there is nothing to listen to, and the rest goes on.
    async fn listen(&self, cache: &WatchCache) {
        if self.sentinel_set.is_unnamed() {
            return;
        }
        let mut backoff = Backoff::slow();
        loop {
            let Ok(sentinels) = in_time(self.sentinels()).await else {
                sleep(backoff.next()).await;
                continue;
            };
            backoff = Backoff::slow();
            // Where the Service has none yet, whoever comes is heard once it has been looked up again.
            let ears = async {
                join_all(sentinels.iter().map(|at| self.listen_to(at, cache))).await;
                std::future::pending::<()>().await;
            };
            let moved = async {
                loop {
                    sleep(LOOKUP).await;
                    if in_time(self.sentinels()).await.is_ok_and(|now| now != sentinels) {
                        break;
                    }
                }
            };
            tokio::select! { () = ears => {}, () = moved => {} }
        }
    }

    async fn sentinels(&self) -> Result<Vec<Endpoint>, Failure> {
        let mut all = self.sentinel_set.endpoints(self.clients).await?;
        all.sort();
        Ok(all)
    }

    async fn listen_to(&self, at: &Endpoint, cache: &WatchCache) {
        let mut backoff = Backoff::slow();
        loop {
            let begun = Instant::now();
            if let Ok(target) = in_time(self.clients.target(at)).await {
                let is_said = Cell::new(false);
                let hear = |event: Event| match event {
                    Event::Of(group) => cache.notify(&group),
                    Event::CurrentEpoch(epoch) if !epoch::can_be(epoch, []) => {
                        // A Sentinel that publishes impossible epochs may publish many.
                        if !is_said.replace(true) {
                            warn!("{}", invalid::current_epoch(at, epoch));
                        }
                    }
                    Event::CurrentEpoch(_) | Event::Other => cache.wake_all(),
                };
                // One that sends without end would else take the task's whole budget at each turn, and nobody else
                // of this task would ever be given anything.
                let _ = unconstrained(sentinel::listen(&target, &self.credentials.sentinel, hear)).await;
            }
            if begun.elapsed() > PASS {
                backoff = Backoff::slow();
            }
            sleep(backoff.next()).await;
        }
    }

    /// Looks after every group that is found.
    async fn look_after_all(&self, cache: &WatchCache, mut found: mpsc::UnboundedReceiver<Group>) {
        let permits = Permits { running: Semaphore::new(AT_ONCE), empty: Semaphore::new(EMPTY_AT_ONCE) };
        let mut tasks: FuturesUnordered<LocalBoxFuture<'_, ()>> = FuturesUnordered::new();
        loop {
            tokio::select! {
                Some(group) = found.recv() => {
                    let (news, is_new) = cache.subscribe(&group);
                    if is_new {
                        tasks.push(self.look_after(group, cache, news, &permits).boxed_local());
                    }
                }
                Some(()) = tasks.next() => {}
            }
        }
    }

    async fn look_after(&self, group: Group, cache: &WatchCache, news: Rc<Notify>, permits: &Permits) {
        let group_config = match GroupConfig::new(self.clients, group, None, self.pod, self.members, self.labels) {
            Ok(group_config) => group_config,
            Err(error) => return warn!("{error:#}"),
        };
        let group = &group_config.group;
        let mut observer = Observer::new(self.clients, &group_config, self.sentinel_set, self.credentials);
        let turn = TURN * (1 + self.place_in_line(group));
        let mut remembered = GroupMemory::default();
        loop {
            let known = match &self.clients.ground {
                KubernetesMode::Cluster(_) => cache.known(group),
                KubernetesMode::NoKubernetes | KubernetesMode::Nowhere => {
                    Some(Known { record: RecordSeen::NotKept, ..Known::default() })
                }
            };
            let Some(known) = known else {
                news.notified().await;
                continue;
            };
            let is_empty = known.pods.is_empty() && self.clients.cluster().is_some();
            let permit = if is_empty { &permits.empty } else { &permits.running }.acquire().await;
            let now = Instant::now();
            let memory = remembered.memory(now, self.stale_after);
            let evidence = self.look(&observer, known, &memory, &mut remembered).await;
            announce_non_members(&observer, "reconcile").await;
            warn_of_no_member(&observer, &evidence, &mut remembered).await;
            warn_of_nobody_promotable(group, &evidence, &mut remembered);
            warn_of_unknown_priority(group, &mut remembered);
            drop(permit);
            let is_left = is_gone(&evidence) && !is_amiss(&observer, &evidence, &memory, &Retries::default());
            if self.named.is_empty() && is_left && cache.record(group) == RecordSeen::Absent {
                cache.forget(group);
                return info!(
                    "{group}: the record is gone, and no Sentinel watches the group: reconcile stops looking after {group}"
                );
            }
            observer.remember(&evidence);
            remembered.note(now, &evidence);
            if timeout(remembered.pause(&evidence, is_empty), news.notified()).await.is_ok() {
                remembered.retries.note(LOOK, Outcome::Done, now);
                sleep(jittered(turn)).await;
            }
        }
    }

    /// Looks at a group by what the watches reported, and puts right what differs.
    async fn look(&self, observer: &Observer<'_>, known: Known, memory: &Memory, remembered: &mut GroupMemory) -> Evidence {
        let now = Instant::now();
        let evidence = observer.glance(known, now + PASS).await;
        for part in remembered.retries.doubtful(now) {
            let is_allowed = may_be_allowed(observer, &evidence, memory, &part).await;
            remembered.retries.note(&part, if is_allowed { Outcome::Done } else { Outcome::Refused }, now);
        }
        if !remembered.retries.allow(LOOK, now) || !is_amiss(observer, &evidence, memory, &remembered.retries) {
            return evidence;
        }
        // What the watches reported may be old by now: repairs rest on a whole look.
        let evidence = observer.observe_all(now + PASS).await;
        let pass = put_right(observer, &evidence, memory, &mut remembered.retries, false, now + PASS).await;
        for error in pass.failures.iter() {
            warn!("{}: {error:#}", observer.group_config.group);
        }
        let is_vain = pass.changed.is_empty() && pass.failures.iter().next().is_none();
        let outcome = match evidence.record {
            RecordSeen::Unknown(Failure::TimedOut | Failure::Refused | Failure::Unreachable(_)) => Outcome::Unanswered,
            // What the watches reported is not so: the group is not looked at for that again and again.
            _ if is_vain => Outcome::Failed,
            _ => Outcome::Done,
        };
        remembered.retries.note(LOOK, outcome, now);
        if !pass.changed.is_empty() {
            remembered.backoff = Backoff::slow();
        }
        evidence
    }
}

/// What is remembered of a group from look to look.
struct GroupMemory {
    backoff: Backoff,
    /// The pauses while there is no pod.
    empty: Backoff,
    retries: Retries,
    /// Whom the record named last.
    holder: Option<PodName>,
    masterless: Lasting,
    links_down: BTreeMap<PodName, Lasting>,
    diverged: BTreeMap<Endpoint, Lasting>,
    /// Whether it was logged that there is no member.
    has_nobody: bool,
    /// The last warning that no replica is promotable.
    unpromotable: Option<String>,
    /// The replicas whose own priority is not known, and for which of them this was logged.
    unknown: BTreeMap<PodName, Lasting>,
    unknown_logged: BTreeSet<PodName>,
}

impl Default for GroupMemory {
    fn default() -> Self {
        Self {
            backoff: Backoff::slow(),
            empty: Backoff::empty(),
            retries: Retries::default(),
            holder: None,
            masterless: Lasting::default(),
            links_down: BTreeMap::new(),
            diverged: BTreeMap::new(),
            has_nobody: false,
            unpromotable: None,
            unknown: BTreeMap::new(),
            unknown_logged: BTreeSet::new(),
        }
    }
}

impl GroupMemory {
    fn memory(&self, now: Instant, stale_after: Option<Duration>) -> Memory {
        let diverged = self.diverged.iter().filter(|(_, since)| since.so_far(now) >= PATIENCE);
        Memory {
            holder: self.holder.clone(),
            masterless: self.masterless.so_far(now),
            links_down: self.links_down.iter().map(|(pod, down)| (pod.clone(), down.so_far(now))).collect(),
            diverged: diverged.map(|(at, _)| at.clone()).collect(),
            stale_after,
        }
    }

    /// What was so in a look that began then.
    fn note(&mut self, look: Instant, evidence: &Evidence) {
        // Whom the record has just named has the whole grace.
        if let Some(record) = evidence.recorded().filter(|record| self.holder.as_ref() != Some(&record.claim.master)) {
            (self.holder, self.masterless) = (Some(record.claim.master.clone()), Lasting::default());
        }
        self.masterless.note(look, evidence.living_masters().is_empty() && !may_yet_lead(evidence));
        note_all(&mut self.links_down, look, repair::links_down(evidence).cloned().collect());
        note_all(&mut self.diverged, look, repair::diverged(evidence));
        note_all(&mut self.unknown, look, of_unknown_priority(evidence).into_iter().cloned().collect());
    }

    /// How long until the next look, if there is no news.
    fn pause(&mut self, evidence: &Evidence, is_empty: bool) -> Duration {
        if !is_empty {
            self.empty = Backoff::empty();
        }
        match is_empty {
            _ if is_quiet(evidence) => REST.mul_f64(0.75 + fastrand::f64() / 2.0),
            true => self.empty.next(),
            false => self.backoff.next(),
        }
    }
}

impl Watch<'_> {
    /// How many of the other reconciles look after a group before this one: beside each Sentinel there is one, and
    /// for each group another is the first.
    fn place_in_line(&self, group: &Group) -> u32 {
        let Ok(me) = own_pod(self.pod) else { return 0 };
        let mut hasher = DefaultHasher::new();
        group.hash(&mut hasher);
        let all = self.sentinel_set.count.max(1) as u64;
        ((hasher.finish() + u64::from(me.ordinal())) % all) as u32
    }
}

/// How many Leases that are not records are logged one by one.
const LOGGED: u32 = 8;

/// Leases with ordain's label that are not records: nobody looks after them. Others decide how many there are, so after
/// some only their number is logged, each time that it has doubled.
#[derive(Default)]
struct Unreadable(u32);

impl Unreadable {
    fn log_failure(&mut self, failure: &Failure) {
        self.0 = self.0.saturating_add(1);
        if self.0 <= LOGGED {
            warn!("{failure}");
        } else if self.0.is_power_of_two() {
            warn!("{} Leases with ordain's label could not be read, the last one: {failure}", self.0);
        }
    }
}

/// Who may look, how many at once. Those of whom no pod exists wait for each other only.
struct Permits {
    running: Semaphore,
    empty: Semaphore,
}

/// Since when something has been seen, look after look.
#[derive(Debug, Default, Clone, Copy)]
struct Lasting(Option<(Instant, Instant)>);

impl Lasting {
    /// For how long; not at all where it has not been looked at for too long.
    fn so_far(self, now: Instant) -> Duration {
        self.0.filter(|(_, last)| now - *last < PASS).map_or(Duration::ZERO, |(since, _)| now - since)
    }

    /// It was so or not in a look that began at `look` and ends now. When it began to be so within its first look
    /// nobody knows: it counts from that look's end.
    fn note(&mut self, look: Instant, is_so: bool) {
        let now = Instant::now();
        let since = self.0.filter(|(_, last)| look - *last < PASS).map_or(now, |(since, _)| since);
        self.0 = is_so.then_some((since, now));
    }
}

/// Warns once that a group has no member to label: the group may be scaled to 0.
async fn warn_of_no_member(observer: &Observer<'_>, evidence: &Evidence, remembered: &mut GroupMemory) {
    let holder = finds_nobody(observer, evidence);
    if let (Some(holder), Some(cluster), false) = (holder, observer.clients.cluster(), remembered.has_nobody) {
        warn!("{}: {}", observer.group_config.group, nobody(cluster, observer.group_config, holder).await);
    }
    remembered.has_nobody = holder.is_some();
}

/// Warns once for each master that no replica is promotable. A look that does not know logs nothing.
fn warn_of_nobody_promotable(group: &Group, evidence: &Evidence, remembered: &mut GroupMemory) {
    if let Some(warning) = nobody_promotable(evidence).filter(|warning| remembered.unpromotable.as_ref() != Some(warning)) {
        warn!("{group}: {warning}");
        remembered.unpromotable = Some(warning);
    }
}

/// Warns once for each replica that stays unpromotable because its own priority is not known.
fn warn_of_unknown_priority(group: &Group, remembered: &mut GroupMemory) {
    let now = Instant::now();
    let lasting = remembered.unknown.iter().filter(|(_, since)| since.so_far(now) >= PATIENCE).map(|(pod, _)| pod.clone());
    let lasting: BTreeSet<_> = lasting.collect();
    for pod in lasting.difference(&remembered.unknown_logged) {
        warn!(
            "{group}: {pod} is in sync and stays at the priority 0, so Sentinel never promotes {pod}: the own priority of {pod} is not known. Delete {pod}, and the next server of {pod} reports the priority"
        );
    }
    remembered.unknown_logged = lasting;
}

/// Whether nothing is left of a group: by the API server it has no record, and each Sentinel says that it does not
/// watch it.
fn is_gone(evidence: &Evidence) -> bool {
    let is_unaware = |sentinel: &Sentinel| sentinel.heard.answer() == Some(&SentinelAnswer::Unaware);
    evidence.record == RecordSeen::Absent
        && evidence.discovery.is_none()
        && evidence.sentinels.len() >= evidence.sentinel_count
        && evidence.sentinels.iter().all(is_unaware)
}

/// What was so in a look, of things of one kind.
fn note_all<K: Ord>(lasting: &mut BTreeMap<K, Lasting>, look: Instant, so: Vec<K>) {
    lasting.retain(|thing, _| so.contains(thing));
    for thing in so {
        lasting.entry(thing).or_default().note(look, true);
    }
}

/// Takes each change, and warns when a watch breaks. A watch that breaks starts again after a pause that grows until the
/// watch reports something: the watcher's own pause starts from the shortest with each attempt.
async fn each<T>(changes: impl Stream<Item = Change<T>>, what: &str, mut take: impl FnMut(Change<T>)) {
    let mut changes = std::pin::pin!(changes);
    let (mut broken, mut refused) = (Backoff::empty(), Backoff::of_failures());
    while let Some(change) = changes.next().await {
        let pause = match &change {
            Change::Broken { why, is_refused } => {
                warn!("the watch of the {what} begins again: {why}");
                Some(if *is_refused { refused.next() } else { broken.next() })
            }
            Change::All | Change::Is(_) | Change::Gone(_) => {
                (broken, refused) = (Backoff::empty(), Backoff::of_failures());
                None
            }
            Change::Anew => None,
        };
        take(change);
        if let Some(pause) = pause {
            sleep(pause).await;
        }
    }
}
