//! Observe: all sources are asked at once, each with its own timeout.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use futures::future::try_join_all;
use tokio::time::{Instant, timeout_at};
use tracing::warn;

use super::context::{ANSWER, Clients, Credentials, GroupConfig, KubernetesMode, SentinelSet, in_time};
use super::retry::Trying;
use crate::core::evidence::{Evidence, Failure, Own, Peer, RecordSeen, Reply};
use crate::core::identity::{Endpoint, PodName};
use crate::core::members::{Found, NonMember, NotMember};
use crate::core::pod::Pod;
use crate::core::record::Record;
use crate::core::rules::is_settled;
use crate::edge::kubernetes::{Cluster, Refusal, within};
use crate::edge::wire::Target;

mod look;

use look::Look;

/// How many warnings of impossible values are remembered, so that each is logged once.
const LOGGED: usize = 64;

/// A list, a name, and an answer, one after the other, and some time to compute.
const LONGEST_LOOK: Duration = ANSWER.saturating_mul(4);

/// Asks everyone about one group.
pub struct Observer<'a> {
    pub clients: &'a Clients,
    pub group_config: &'a GroupConfig,
    pub sentinel_set: &'a SentinelSet,
    pub credentials: &'a Credentials,
    /// What this pod knows of itself, but for how long it has been trying and whom its earlier runs have heard.
    pub own: Own,
    /// How long this pod has been trying to start.
    pub trying: Trying,
    /// The members as they were seen last.
    seen: RefCell<Vec<Pod>>,
    /// The warnings of impossible values that were logged.
    invalid: RefCell<Vec<String>>,
    /// The non-members of the last look.
    others: RefCell<Vec<NonMember>>,
    /// When each non-member was last announced, by uid.
    announced: RefCell<BTreeMap<String, u64>>,
    /// The sets that the record of this uid has named so far: a pod of 0.1 that writes it leaves them away.
    sets: RefCell<(String, BTreeSet<String>)>,
    /// Whether the record lacks a set that was named.
    lacks_sets: Cell<bool>,
    /// The names that were asked for and belong to no member.
    outside: RefCell<Vec<(PodName, Outside)>>,
    /// The pods whose Redis was silent when all were waited for.
    silent: RefCell<BTreeSet<PodName>>,
    /// Where every Sentinel is, and when that was looked up.
    found: RefCell<Option<(Instant, Vec<Located>)>>,
}

/// What is known of a group without asking the API server.
#[derive(Debug, Clone)]
pub struct Known {
    pub record: RecordSeen,
    pub pods: Vec<Found>,
    /// Why the pods are not all known.
    pub unlisted: Option<Failure>,
}

impl Default for Known {
    fn default() -> Self {
        Self { record: RecordSeen::Pending, pods: Vec::new(), unlisted: None }
    }
}

/// Why a name belongs to no member.
#[derive(Debug, Clone)]
pub enum Outside {
    /// No pod has this name.
    Missing,
    /// The pod with this name is a non-member.
    NonMember(NotMember),
}

/// How long a look goes on.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Until {
    /// Until what was heard settles who leads: whoever is silent is not waited for.
    Settled,
    /// And until every Redis has answered or failed, but those that were silent in the last look of this kind.
    PeersAreHeard,
    /// Until each source has answered or failed.
    AllAreHeard,
}

/// A Sentinel, and where its name leads.
type Located = (Endpoint, Target);

impl<'a> Observer<'a> {
    /// For a pod whose disk is not asked about: a Sentinel, or one that does not start anything.
    pub fn new(
        clients: &'a Clients,
        group_config: &'a GroupConfig,
        sentinel_set: &'a SentinelSet,
        credentials: &'a Credentials,
    ) -> Self {
        Self {
            clients,
            group_config,
            sentinel_set,
            credentials,
            own: Own::default(),
            trying: Trying::default(),
            seen: RefCell::default(),
            others: RefCell::default(),
            announced: RefCell::default(),
            sets: RefCell::default(),
            lacks_sets: Cell::default(),
            outside: RefCell::default(),
            invalid: RefCell::default(),
            silent: RefCell::default(),
            found: RefCell::default(),
        }
    }

    /// Finds out where the other pods and the Sentinels are, so that the looks of the next second can
    /// ask them at once.
    pub async fn prepare(&self) {
        let pods = async {
            if let KubernetesMode::Cluster(cluster) = &self.clients.ground
                && let Ok(pods) = in_time(self.list_pods(cluster)).await
            {
                // Before the record is known, whoever is no member without it is left out.
                *self.seen.borrow_mut() = self.group_config.membership(&RecordSeen::Pending, &BTreeSet::new()).sort(pods).0;
            }
        };
        let sentinels = async {
            if let Ok(found) = in_time(self.locate_sentinels()).await {
                *self.found.borrow_mut() = Some((Instant::now(), found));
            }
        };
        tokio::join!(pods, sentinels);
    }

    async fn locate_sentinels(&self) -> Result<Vec<Located>, Failure> {
        let Self { clients, sentinel_set, .. } = self;
        let all = sentinel_set.endpoints(clients).await?;
        try_join_all(all.into_iter().map(async |at| clients.target(&at).await.map(|target| (at, target)))).await
    }

    /// Where the Sentinels are, if that was looked up so lately that another look would say the same.
    fn located(&self) -> Option<Vec<Located>> {
        self.found.borrow().as_ref().filter(|(when, _)| when.elapsed() < ANSWER).map(|(_, found)| found.clone())
    }

    /// Remembers who was heard of.
    pub fn remember(&mut self, evidence: &Evidence) {
        for pod in evidence.heard_of() {
            self.own.heard.note(pod, evidence.now);
        }
    }

    /// The members as the last look saw them.
    pub fn seen(&self) -> Vec<Pod> {
        self.seen.borrow().clone()
    }

    /// The non-members of the last look.
    pub fn others(&self) -> Vec<NonMember> {
        self.others.borrow().clone()
    }

    /// The non-members that carry the role label and were not announced at this time yet.
    pub fn others_to_announce(&self, time: u64) -> Vec<NonMember> {
        let others: Vec<_> = self.others().into_iter().filter(|other| other.role.is_some()).collect();
        let mut announced = self.announced.borrow_mut();
        let new = others.iter().filter(|other| announced.get(&other.uid) != Some(&time)).cloned().collect();
        *announced = others.into_iter().map(|other| (other.uid, time)).collect();
        new
    }

    /// Whether the record must be written again for the sets of the group.
    pub fn lacks_sets(&self) -> bool {
        self.lacks_sets.get()
    }

    /// The record with the sets that it has named before.
    fn with_sets(&self, record: RecordSeen) -> RecordSeen {
        let RecordSeen::Present(record) = record else { return record };
        let mut sets = self.sets.borrow_mut();
        if sets.0 != record.uid {
            *sets = (record.uid.clone(), BTreeSet::new());
        }
        let known = sets.1.iter().map(String::as_str);
        self.lacks_sets.set(record.lacks(known.clone().chain(self.group_config.sure_sets())));
        let whole = record.with_sets(known);
        sets.1.clone_from(&whole.sets);
        RecordSeen::Present(whole)
    }

    /// Why the pod of this name was no member in the last look; none where it was, or nobody could say.
    pub fn outside(&self, pod: &PodName) -> Option<Outside> {
        self.outside.borrow().iter().find(|(name, _)| name == pod).map(|(_, why)| why.clone())
    }

    /// Asks all sources and returns when each has answered or failed, when what was heard settles it
    /// already, or at the deadline. `waited` is how long this run has been looking.
    pub async fn observe(&self, waited: Duration, deadline: Instant) -> Evidence {
        self.look(None, Until::Settled, waited, deadline).await
    }

    /// The same by what is known of the record and the pods, without asking the API server.
    pub async fn observe_by(&self, known: Known, waited: Duration, deadline: Instant) -> Evidence {
        self.look(Some(known), Until::Settled, waited, deadline).await
    }

    /// The same, until every Redis has answered or failed, too: who leads is settled before all are known that follow,
    /// and by addresses nobody knows whose one is before its name was looked up. Whoever was silent is not waited for
    /// again.
    pub async fn observe_peers(&self, deadline: Instant) -> Evidence {
        let evidence = self.look(None, Until::PeersAreHeard, Duration::ZERO, deadline).await;
        let silent = evidence.peers.iter().filter(|peer| matches!(peer.heard, Reply::Pending | Reply::Failed(Failure::TimedOut)));
        *self.silent.borrow_mut() = silent.map(|peer| peer.pod.clone()).collect();
        evidence
    }

    /// The same, until each source has answered or failed: only the own answer of a server says what to repair there.
    pub async fn observe_all(&self, deadline: Instant) -> Evidence {
        self.look(None, Until::AllAreHeard, Duration::ZERO, deadline).await
    }

    async fn look(&self, known: Option<Known>, until: Until, waited: Duration, deadline: Instant) -> Evidence {
        loop {
            // If no permit is free until the deadline, nobody is asked any more.
            let _permit = timeout_at(deadline, self.clients.permits.acquire()).await;
            let asked = Instant::now();
            let evidence = Look::new(self, waited).until(known.clone(), until, deadline).await;
            // A look that took longer than its sources may was overtaken by a stop of this process.
            if asked.elapsed() < LONGEST_LOOK || Instant::now() >= deadline {
                return evidence;
            }
        }
    }

    /// Asks every Sentinel and every Redis, and takes what is known of the record and the pods: for a run
    /// that watches them. What is done about it rests on a look of [`Observer::observe`].
    pub async fn glance(&self, known: Known, deadline: Instant) -> Evidence {
        Look::new(self, Duration::ZERO).until(Some(known), Until::AllAreHeard, deadline).await
    }

    /// Whether nobody else is waited for.
    fn is_enough(&self, until: Until, evidence: &Evidence) -> bool {
        let silent = self.silent.borrow();
        let is_waited_for = |peer: &Peer| peer.heard == Reply::Pending && !silent.contains(&peer.pod);
        match until {
            Until::Settled => is_settled(evidence),
            Until::PeersAreHeard => is_settled(evidence) && !evidence.peers.iter().any(is_waited_for),
            Until::AllAreHeard => false,
        }
    }

    /// Warns of each impossible value once.
    fn warn_of_invalid(&self, now: &[String]) {
        let mut logged = self.invalid.borrow_mut();
        // A look may end before it has heard all: what it does not show is not forgotten for that.
        if now.is_empty() || logged.len() > LOGGED {
            logged.clear();
        }
        for invalid in now {
            if !logged.contains(invalid) {
                warn!("{}: {invalid}", self.group_config.group);
                logged.push(invalid.clone());
            }
        }
    }

    async fn list_pods(&self, cluster: &Cluster) -> Result<Vec<Found>, Failure> {
        cluster.pods_lately(&self.group_config.selector, &self.group_config.scheme).await.map_err(failure_of)
    }

    fn numbered_peers(&self) -> impl Iterator<Item = PodName> {
        let GroupConfig { sets, me, .. } = self.group_config;
        sets.pods().filter(move |pod| Some(pod) != me.as_ref())
    }
}

/// The record as it was read.
pub fn record_seen(read: Result<Record, Refusal>) -> RecordSeen {
    match read {
        Ok(record) => RecordSeen::Present(record),
        Err(Refusal::Missing) => RecordSeen::Absent,
        Err(Refusal::Conflict) => RecordSeen::Unknown(Failure::InvalidReply("a conflict where nothing was written".to_owned())),
        Err(Refusal::Failed(failure)) => RecordSeen::Unknown(failure),
    }
}

fn failure_of(refusal: Refusal) -> Failure {
    match refusal {
        Refusal::Failed(failure) => failure,
        refusal => Failure::InvalidReply(refusal.to_string()),
    }
}

/// What the API server answers in time; its silence is a refusal like others.
pub fn from_api<T>(ask: impl Future<Output = Result<T, Refusal>>) -> impl Future<Output = Result<T, Refusal>> {
    within(ANSWER, ask)
}
