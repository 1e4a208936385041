//! Observe: all sources are asked at once, each with its own timeout.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::time::{Duration, SystemTime};

use futures::FutureExt;
use futures::future::{LocalBoxFuture, try_join_all};
use futures::stream::{FuturesUnordered, StreamExt};
use tokio::time::{Instant, timeout_at};
use tracing::warn;

use super::context::{ANSWER, Council, Ground, Logins, Subject, World, in_time};
use super::retry::Trying;
use crate::core::decision::is_settled;
use crate::core::disk::Moment;
use crate::core::evidence::{Evidence, Failure, Heard, Object, Own, Peer, RecordSeen, Role, Sentinel, SentinelAnswer};
use crate::core::identity::{Endpoint, PodName};
use crate::core::invalid;
use crate::core::members::{Found, Named, NonMember, Why};
use crate::core::pod::Pod;
use crate::core::record::Record;
use crate::edge::kubernetes::{Cluster, Refusal, within};
use crate::edge::wire::Target;
use crate::edge::{redis, sentinel};

/// What comes back from a source.
enum News {
    /// The Sentinels behind their Service's name.
    Council(Result<Vec<Endpoint>, Failure>),
    Sentinel(Endpoint, Result<SentinelAnswer, Failure>),
    Record(Box<RecordSeen>),
    /// The group's pods as the API server's cache has them: which there are, beside the numbered ones.
    Listed(Result<Vec<Found>, Failure>),
    /// A pod as the API server has it; none where it does not exist.
    Pod(PodName, Result<Option<Box<Pod>>, Failure>),
    /// The addresses under which a peer was asked, and its answer.
    Peer(PodName, Vec<IpAddr>, Result<Role, Failure>),
}

/// Of how many things that cannot be it is remembered that they were said.
const SAID: usize = 64;

/// A list, a name, and an answer, one after the other, and some time to compute.
const LONGEST_LOOK: Duration = ANSWER.saturating_mul(4);

/// The pods of a look.
#[derive(Default)]
struct Pods {
    /// The members.
    seen: Vec<Pod>,
    /// Who is none.
    others: Vec<NonMember>,
    /// Of whom it cannot be told yet, for the record, or else the disk reports and the claims, have not come.
    held: Vec<(Found, FoundBy)>,
    /// The group's sets by those.
    reported: Option<BTreeSet<String>>,
}

/// How a pod was found.
#[derive(Clone, Copy, PartialEq, Eq)]
enum FoundBy {
    /// In a list, which may be older than now.
    List,
    /// By its name.
    ItsName,
    /// By a watch, which is all that is known of the pods.
    Watch,
}

type Asked<'a> = FuturesUnordered<LocalBoxFuture<'a, News>>;

/// Asks everyone about one group.
pub struct Observer<'a> {
    pub world: &'a World,
    pub subject: &'a Subject,
    pub council: &'a Council,
    pub logins: &'a Logins,
    /// What this pod knows of itself, but for how long it has been trying and whom its earlier runs have heard.
    pub own: Own,
    /// How long this pod has been trying to start.
    pub trying: Trying,
    /// The members as they were seen last.
    seen: RefCell<Vec<Pod>>,
    /// What could not be, and was said.
    invalid: RefCell<Vec<String>>,
    /// The pods that carried the labels, and were none.
    others: RefCell<Vec<NonMember>>,
    /// When it was last told of each of them, by uid.
    told: RefCell<BTreeMap<String, u64>>,
    /// The sets that the record of this uid has named so far: a pod of 0.1 that writes it leaves them away.
    sets: RefCell<(String, BTreeSet<String>)>,
    /// Whether the record lacks a set that was named.
    lacks_sets: Cell<bool>,
    /// The names under which there was no member, though one was asked for.
    outside: RefCell<Vec<(PodName, Outside)>>,
    /// Whose Redis was silent when all were waited for.
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

/// Why a name is no member's.
#[derive(Debug, Clone)]
pub enum Outside {
    /// No pod has it.
    Missing,
    /// The pod that has it is none.
    NonMember(Why),
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
    pub fn new(world: &'a World, subject: &'a Subject, council: &'a Council, logins: &'a Logins) -> Self {
        Self {
            world,
            subject,
            council,
            logins,
            own: Own::default(),
            trying: Trying::default(),
            seen: RefCell::default(),
            others: RefCell::default(),
            told: RefCell::default(),
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
            if let Ground::Cluster(cluster) = &self.world.ground
                && let Ok(pods) = in_time(self.list_pods(cluster)).await
            {
                // Before the record is known, whoever is no member without it is left out.
                *self.seen.borrow_mut() = self.subject.membership(&RecordSeen::Pending, &BTreeSet::new()).sort(pods).0;
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
        let Self { world, council, .. } = self;
        let all = council.endpoints(world).await?;
        try_join_all(all.into_iter().map(async |at| world.target(&at).await.map(|target| (at, target)))).await
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

    /// Who carried the labels in the last look, and was no member.
    pub fn others(&self) -> Vec<NonMember> {
        self.others.borrow().clone()
    }

    /// Those of them that carry the role label, and of whom it was not told at this time yet.
    pub fn others_to_tell(&self, time: u64) -> Vec<NonMember> {
        let others: Vec<_> = self.others().into_iter().filter(|other| other.role.is_some()).collect();
        let mut told = self.told.borrow_mut();
        let new = others.iter().filter(|other| told.get(&other.uid) != Some(&time)).cloned().collect();
        *told = others.into_iter().map(|other| (other.uid, time)).collect();
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
        self.lacks_sets.set(record.lacks(known.clone().chain(self.subject.sure_sets())));
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
        let silent = evidence.peers.iter().filter(|peer| matches!(peer.heard, Heard::Pending | Heard::Failed(Failure::TimedOut)));
        *self.silent.borrow_mut() = silent.map(|peer| peer.pod.clone()).collect();
        evidence
    }

    /// The same, until each source has answered or failed: what is to be repaired only its own answer tells.
    pub async fn observe_all(&self, deadline: Instant) -> Evidence {
        self.look(None, Until::AllAreHeard, Duration::ZERO, deadline).await
    }

    async fn look(&self, known: Option<Known>, until: Until, waited: Duration, deadline: Instant) -> Evidence {
        loop {
            // Where none is free until the deadline, nobody is asked any more.
            let _seat = timeout_at(deadline, self.world.seats.acquire()).await;
            let asked = Instant::now();
            let evidence = self.ask_all(known.clone(), until, waited, deadline).await;
            // A look that took longer than its sources may was overtaken by a stop of this process.
            if asked.elapsed() < LONGEST_LOOK || Instant::now() >= deadline {
                return evidence;
            }
        }
    }

    /// Asks every Sentinel and every Redis, and takes what is known of the record and the pods: for somebody
    /// who is told of their changes. What is done about it rests on a look of [`Observer::observe`].
    pub async fn glance(&self, known: Known, deadline: Instant) -> Evidence {
        self.ask_all(Some(known), Until::AllAreHeard, Duration::ZERO, deadline).await
    }

    async fn ask_all(&self, known: Option<Known>, until: Until, waited: Duration, deadline: Instant) -> Evidence {
        let Self { subject, council, .. } = self;
        let mut evidence = Evidence {
            me: subject.me.clone(),
            own: self.own.clone(),
            my_ips: subject.my_ip.into_iter().collect(),
            first: subject.first.clone(),
            sets: subject.sets.clone(),
            domain: subject.domain.clone(),
            sentinel_count: council.count,
            down_after: subject.down_after,
            grace: subject.grace,
            waited,
            now: Moment::from(SystemTime::now()),
            sentinels: Vec::new(),
            discovery: None,
            listing: None,
            record: RecordSeen::Pending,
            peers: Vec::new(),
            unproven: Vec::new(),
            handing_over: None,
            kept: subject.kept.clone(),
            invalid: Vec::new(),
        };
        let mut asked: Asked<'_> = FuturesUnordered::new();
        let mut pods = Pods::default();
        let mut pods_to_come = 0;
        self.outside.borrow_mut().clear();
        match (&self.world.ground, known) {
            (Ground::Cluster(_), Some(known)) => {
                evidence.record = self.with_sets(known.record);
                evidence.peers = self.numbered_peers().map(absent).collect();
                for found in known.pods {
                    self.meet(found, FoundBy::Watch, &mut pods, &mut evidence, &asked);
                }
                if known.unlisted.is_some() {
                    // As where the API server does not answer: they are found by their names.
                    let is_seen = |name: &PodName| {
                        pods.seen.iter().any(|pod| pod.name == *name)
                            || pods.held.iter().any(|(found, _)| found.name() == name.to_string())
                    };
                    let unseen: Vec<_> = self.numbered_peers().filter(|name| !is_seen(name)).collect();
                    for pod in unseen {
                        self.ask_peer(pod, None, &mut evidence, &asked);
                    }
                    evidence.listing = known.unlisted;
                }
            }
            (Ground::Cluster(cluster), None) => {
                asked.push(self.ask_record(cluster).boxed_local());
                asked.push(async { News::Listed(in_time(self.list_pods(cluster)).await) }.boxed_local());
                pods_to_come = 1 + self.ask_for_pods(cluster, &mut evidence, &asked);
            }
            (Ground::NoKubernetes, _) => {
                evidence.record = RecordSeen::NotKept;
                for pod in self.numbered_peers() {
                    self.ask_peer(pod, None, &mut evidence, &asked);
                }
            }
            (Ground::Nowhere, _) => {
                // By the time the others start, the first pod would have created the record.
                let leads = subject.me.as_ref() == Some(&subject.first);
                evidence.record = if leads { RecordSeen::Absent } else { RecordSeen::NotKept };
                evidence.peers = self.numbered_peers().map(absent).collect();
                return evidence;
            }
        }
        let located = self.located();
        let mut is_council_known = council.service.is_none() || located.is_some();
        if let Some(located) = located {
            for (at, target) in located {
                self.ask_sentinel(at, Some(target), &mut evidence, &asked);
            }
        } else {
            for at in &council.named {
                self.ask_sentinel(at.clone(), None, &mut evidence, &asked);
            }
            if let Some(service) = &council.service {
                asked.push(async { News::Council(in_time(self.world.servers(service, council.port)).await) }.boxed_local());
            }
        }
        let mut told_at = Vec::new();
        loop {
            let is_told = is_council_known && evidence.sentinels.iter().all(|one| one.heard != Heard::Pending);
            if pods_to_come == 0 && is_told {
                self.sort_by_reports(&mut pods, &mut evidence, &asked);
            }
            let Ok(Some(news)) = timeout_at(deadline, asked.next()).await else { break };
            match news {
                News::Council(found) => {
                    is_council_known = true;
                    match found {
                        Ok(found) => found.into_iter().for_each(|at| self.ask_sentinel(at, None, &mut evidence, &asked)),
                        Err(failure) => evidence.discovery = Some(failure),
                    }
                }
                News::Sentinel(at, answer) => {
                    if let Some(sentinel) = evidence.sentinels.iter_mut().find(|sentinel| sentinel.at == at) {
                        sentinel.heard = answer.into();
                        told_at.push((at, Instant::now()));
                    }
                }
                News::Record(record) => {
                    evidence.record = self.with_sets(*record);
                    for (found, by) in std::mem::take(&mut pods.held) {
                        self.meet(found, by, &mut pods, &mut evidence, &asked);
                    }
                }
                News::Listed(listed) => {
                    pods_to_come -= 1;
                    match listed {
                        Ok(listed) => {
                            for found in listed {
                                self.meet(found, FoundBy::List, &mut pods, &mut evidence, &asked);
                            }
                        }
                        Err(failure) => evidence.listing = Some(failure),
                    }
                }
                News::Pod(name, answer) => {
                    pods_to_come -= 1;
                    match answer {
                        Ok(Some(pod)) => {
                            self.meet(Found::Pod(pod), FoundBy::ItsName, &mut pods, &mut evidence, &asked);
                        }
                        Ok(None) => self.turn_away(name, Outside::Missing, &mut evidence),
                        Err(failure) => {
                            evidence.listing = Some(failure);
                            // Without the API server the peers are found by their names.
                            if Some(&name) != evidence.me.as_ref() {
                                self.ask_peer(name, None, &mut evidence, &asked);
                            }
                        }
                    }
                }
                News::Peer(pod, ips, answer) => {
                    // An answer from where the pod was before is none of its.
                    let asked_there = |peer: &&mut Peer| peer.pod == pod && (peer.ips == ips || peer.ips.is_empty());
                    if let Some(peer) = evidence.peers.iter_mut().find(asked_there)
                        && peer.object != Object::Absent
                    {
                        peer.ips = ips;
                        peer.heard = answer.into();
                    }
                }
            }
            if pods_to_come == 0 && is_council_known && self.is_enough(until, &evidence) {
                break;
            }
        }
        if self.subject.knows_no_sets(&evidence.record) {
            // The time was up before anything could say whose they are.
            let held = std::mem::take(&mut pods.held).into_iter();
            held.filter_map(|(found, _)| found.name().parse().ok()).for_each(|name| leave_open(name, &mut evidence));
        }
        evidence.invalid = invalid::findings(&evidence, &pods.seen);
        self.tell_invalid(&evidence.invalid);
        self.subject.name_non_members(&pods.others);
        (*self.seen.borrow_mut(), *self.others.borrow_mut()) = (pods.seen, pods.others);
        // What a Sentinel told while others were still waited for has aged since.
        for (at, when) in told_at {
            let sentinel = evidence.sentinels.iter_mut().find(|sentinel| sentinel.at == at);
            if let Some(Heard::Answer(SentinelAnswer::Watching(watch))) = sentinel.map(|sentinel| &mut sentinel.heard) {
                watch.last_ok_ping += when.elapsed();
            }
        }
        evidence
    }

    /// Whether nobody else is waited for.
    fn is_enough(&self, until: Until, evidence: &Evidence) -> bool {
        let silent = self.silent.borrow();
        let is_waited_for = |peer: &Peer| peer.heard == Heard::Pending && !silent.contains(&peer.pod);
        match until {
            Until::Settled => is_settled(evidence),
            Until::PeersAreHeard => is_settled(evidence) && !evidence.peers.iter().any(is_waited_for),
            Until::AllAreHeard => false,
        }
    }

    /// Warns of what cannot be, once.
    fn tell_invalid(&self, now: &[String]) {
        let mut said = self.invalid.borrow_mut();
        // A look may end before it has heard all: what it does not show is not forgotten for that.
        if now.is_empty() || said.len() > SAID {
            said.clear();
        }
        for invalid in now {
            if !said.contains(invalid) {
                warn!("{}: {invalid}", self.subject.group);
                said.push(invalid.clone());
            }
        }
    }

    fn ask_sentinel(&self, at: Endpoint, target: Option<Target>, evidence: &mut Evidence, asked: &Asked<'a>) {
        evidence.sentinels.push(Sentinel { at: at.clone(), heard: Heard::Pending });
        let Self { world, subject, logins, .. } = *self;
        let ask = async move {
            let view = async {
                let target = match target {
                    Some(target) => target,
                    None => world.target(&at).await?,
                };
                sentinel::view(&target, &logins.sentinel, &subject.group).await
            };
            let answer = in_time(view).await;
            News::Sentinel(at, answer)
        };
        asked.push(ask.boxed_local());
    }

    async fn ask_record(&self, cluster: &Cluster) -> News {
        News::Record(Box::new(record_seen(from_api(cluster.record(&self.subject.group)).await)))
    }

    async fn list_pods(&self, cluster: &Cluster) -> Result<Vec<Found>, Failure> {
        cluster.pods_lately(&self.subject.selector, &self.subject.scheme).await.map_err(failure_of)
    }

    /// Reads every pod of the group that is known by its number or was seen before, each by itself: a
    /// list as of now would wait for the API server's cache after each write to the record. Where it
    /// was seen, its Redis is asked at the same time. Returns how many were asked for.
    fn ask_for_pods(&self, cluster: &'a Cluster, evidence: &mut Evidence, asked: &Asked<'a>) -> usize {
        let seen = self.seen();
        let mut names: Vec<_> =
            self.numbered_peers().chain(self.subject.me.clone()).chain(seen.iter().map(|pod| pod.name.clone())).collect();
        names.sort();
        names.dedup();
        for name in names.clone() {
            if Some(&name) != self.subject.me.as_ref() {
                match seen.iter().find(|pod| pod.name == name).filter(|pod| !pod.ips.is_empty()) {
                    Some(pod) => self.ask_peer(name.clone(), Some(pod.ips.clone()), evidence, asked),
                    None => set(evidence, Peer { heard: Heard::Pending, object: Object::Unknown, ..absent(name.clone()) }),
                }
            }
            let scheme = &self.subject.scheme;
            let ask = async move {
                let answer = match from_api(cluster.pod(&name, scheme)).await {
                    Ok(pod) => Ok(Some(Box::new(pod))),
                    Err(Refusal::Missing) => Ok(None),
                    Err(refusal) => Err(failure_of(refusal)),
                };
                News::Pod(name, answer)
            };
            asked.push(ask.boxed_local());
        }
        names.len()
    }

    /// Takes a pod that was found: a member is seen, any other is turned away, and one of which that cannot be told yet
    /// is held.
    fn meet(&self, found: Found, by: FoundBy, pods: &mut Pods, evidence: &mut Evidence, asked: &Asked<'a>) {
        let pod = match found {
            Found::Unnumbered(other) => return pods.others.push(other),
            Found::Pod(pod) => pod,
        };
        let Subject { named, .. } = self.subject;
        let is_known = Some(&pod.name) == evidence.me.as_ref() || evidence.peer(&pod.name).is_some();
        let checked = self.subject.membership(&evidence.record, pods.reported.as_ref().unwrap_or(&BTreeSet::new())).check(&pod);
        let is_early = evidence.record == RecordSeen::Pending && by != FoundBy::Watch;
        let is_untold = self.subject.knows_no_sets(&evidence.record) && pods.reported.is_none();
        if is_untold || is_early && (checked.is_err() || *named == Named::ByGroup) {
            return pods.held.push((Found::Pod(pod), by));
        }
        match (checked, by) {
            // Whoever is asked for by its name is not seen as the list has it, which may be older.
            (Ok(()), FoundBy::List) if is_known => {}
            (Ok(()), _) => self.see(*pod, &mut pods.seen, evidence, asked),
            (Err(why), FoundBy::ItsName) => self.turn_away(pod.name, Outside::NonMember(why), evidence),
            (Err(Why::Unproven), _) => leave_open(pod.name, evidence),
            (Err(why), _) => pods.others.push(NonMember::new(&pod, why)),
        }
    }

    /// Where nothing but the disk reports and the claims tells which pods are members, and all of them are in: sorts
    /// the pods by them.
    fn sort_by_reports(&self, pods: &mut Pods, evidence: &mut Evidence, asked: &Asked<'a>) {
        if !self.subject.knows_no_sets(&evidence.record) || pods.reported.is_some() {
            return;
        }
        let told = evidence.watches().map(|(_, watch)| &watch.master.host);
        let claimed = told.chain(evidence.kept.iter().map(|kept| &kept.master.host));
        pods.reported = Some(self.subject.sets_by_reports(pods.held.iter().map(|(found, _)| found), claimed));
        for (found, by) in std::mem::take(&mut pods.held) {
            self.meet(found, by, pods, evidence, asked);
        }
    }

    /// There is no member of this name; of one that may be one by a record that cannot be read, nothing is known.
    fn turn_away(&self, name: PodName, why: Outside, evidence: &mut Evidence) {
        let is_known = match (&evidence.record, &why) {
            (RecordSeen::Unknown(_) | RecordSeen::Pending, Outside::NonMember(why)) => why.is_by_itself(),
            _ => true,
        };
        let is_unproven = matches!(why, Outside::NonMember(Why::Unproven));
        self.outside.borrow_mut().push((name.clone(), why));
        if Some(&name) == evidence.me.as_ref() {
            return;
        }
        if is_unproven {
            return leave_open(name, evidence);
        }
        let nobody = absent(name);
        set(evidence, if is_known { nobody } else { Peer { heard: Heard::Pending, object: Object::Unknown, ..nobody } });
    }

    /// Takes a pod as the API server has it. Its Redis is asked where that says that it is, whatever
    /// DNS or an earlier look remembers.
    fn see(&self, pod: Pod, seen: &mut Vec<Pod>, evidence: &mut Evidence, asked: &Asked<'a>) {
        seen.push(pod.clone());
        if pod.hands_over(evidence.now) {
            evidence.handing_over = Some(pod.name.clone());
        }
        if Some(&pod.name) == evidence.me.as_ref() {
            // Where it was before, the API server may say for a while that it still is.
            if self.subject.my_ip.is_none_or(|own| pod.ips.contains(&own)) {
                evidence.my_ips = pod.ips;
            }
            evidence.own.trying = pod.trying_since.map_or(Duration::ZERO, |since| self.trying.so_far(Some(since), evidence.now));
            evidence.own.heard.take_over(&pod.heard, evidence.now);
            return;
        }
        let container = pod.container(self.subject.port);
        let object = Object::Present { uid: pod.uid, word: pod.word, container };
        let is_asked_there = |peer: &Peer| peer.pod == pod.name && peer.ips == pod.ips && !pod.ips.is_empty();
        if !evidence.peers.iter().any(is_asked_there) {
            self.ask_peer(pod.name.clone(), Some(pod.ips), evidence, asked);
        }
        if let Some(peer) = evidence.peers.iter_mut().find(|peer| peer.pod == pod.name) {
            peer.object = object;
        }
    }

    fn numbered_peers(&self) -> impl Iterator<Item = PodName> {
        let Subject { sets, me, .. } = self.subject;
        sets.pods().filter(move |pod| Some(pod) != me.as_ref())
    }

    fn ask_peer(&self, pod: PodName, ips: Option<Vec<IpAddr>>, evidence: &mut Evidence, asked: &Asked<'a>) {
        set(
            evidence,
            Peer { pod: pod.clone(), ips: ips.clone().unwrap_or_default(), object: Object::Unknown, heard: Heard::Pending },
        );
        let Self { world, subject, logins, .. } = *self;
        let ask = async move {
            let found = match ips {
                Some(ips) => Ok(ips),
                None => in_time(world.addresses(&subject.host_name(&pod))).await.map(|ips| subject.own_family_first(ips)),
            };
            let (ips, answer) = match found {
                Ok(ips) => {
                    let target = subject.target(&pod, ips);
                    let answer = in_time(redis::role(&target, &logins.redis)).await;
                    (target.ips, answer)
                }
                Err(failure) => (Vec::new(), Err(failure)),
            };
            News::Peer(pod, ips, answer)
        };
        asked.push(ask.boxed_local());
    }
}

/// Puts a peer in its place, or adds it.
fn set(evidence: &mut Evidence, peer: Peer) {
    match evidence.peers.iter_mut().find(|one| one.pod == peer.pod) {
        Some(one) => *one = peer,
        None => evidence.peers.push(peer),
    }
}

/// Nothing says whether the pod of this name is a member: it is not asked, and nobody takes it for gone.
fn leave_open(name: PodName, evidence: &mut Evidence) {
    if evidence.peer(&name).is_some() {
        set(evidence, Peer { heard: Heard::Pending, object: Object::Unknown, ..absent(name.clone()) });
    }
    if !evidence.unproven.contains(&name) {
        evidence.unproven.push(name);
    }
}

fn absent(pod: PodName) -> Peer {
    Peer { pod, ips: Vec::new(), object: Object::Absent, heard: Heard::Failed(Failure::NoSuchHost) }
}

/// The record as it was read.
pub fn record_seen(read: Result<Record, Refusal>) -> RecordSeen {
    match read {
        Ok(record) => RecordSeen::Present(record),
        Err(Refusal::Missing) => RecordSeen::Absent,
        Err(Refusal::Conflict) => RecordSeen::Unknown(Failure::Nonsense("a conflict where nothing was written".to_owned())),
        Err(Refusal::Failed(failure)) => RecordSeen::Unknown(failure),
    }
}

fn failure_of(refusal: Refusal) -> Failure {
    match refusal {
        Refusal::Failed(failure) => failure,
        refusal => Failure::Nonsense(refusal.to_string()),
    }
}

/// What the API server answers in time; its silence is a refusal like others.
pub fn from_api<T>(ask: impl Future<Output = Result<T, Refusal>>) -> impl Future<Output = Result<T, Refusal>> {
    within(ANSWER, ask)
}
