//! One look: everyone is asked at once, and what comes is put into the evidence as it comes.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::time::{Duration, SystemTime};

use futures::FutureExt;
use futures::future::LocalBoxFuture;
use futures::stream::{FuturesUnordered, StreamExt};
use tokio::time::{Instant, timeout_at};

use super::{Known, Observer, Outside, Until, failure_of, from_api, record_seen};
use crate::core::disk::Moment;
use crate::core::evidence::{Evidence, Failure, Object, Peer, RecordSeen, Reply, Role, Sentinel, SentinelAnswer};
use crate::core::identity::{Endpoint, PodName};
use crate::core::invalid;
use crate::core::members::{Found, Named, NonMember, NotMember};
use crate::core::pod::Pod;
use crate::edge::kubernetes::{Cluster, Refusal};
use crate::edge::wire::Target;
use crate::edge::{redis, sentinel};
use crate::steps::context::{GroupConfig, KubernetesMode, in_time};

/// What comes back from a source.
enum News {
    /// The Sentinels behind their Service's name.
    SentinelSet(Result<Vec<Endpoint>, Failure>),
    Sentinel(Endpoint, Result<SentinelAnswer, Failure>),
    Record(Box<RecordSeen>),
    /// The group's pods as the API server's cache has them: which there are, beside the numbered ones.
    Listed(Result<Vec<Found>, Failure>),
    /// A pod as the API server has it; none where it does not exist.
    Pod(PodName, Result<Option<Box<Pod>>, Failure>),
    /// The addresses under which a peer was asked, and its answer.
    Peer(PodName, Vec<IpAddr>, Result<Role, Failure>),
}

/// The pods of a look.
#[derive(Default)]
struct Pods {
    /// The members.
    seen: Vec<Pod>,
    /// The non-members.
    others: Vec<NonMember>,
    /// The pods that may be members or not: the record, or else the disk reports and the claims, have not come yet.
    held: Vec<(Found, FoundBy)>,
    /// The group's sets by the disk reports and the claims.
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

/// What has come so far, and what is still to come.
pub(super) struct Look<'o, 'a> {
    observer: &'o Observer<'a>,
    evidence: Evidence,
    asked: FuturesUnordered<LocalBoxFuture<'o, News>>,
    pods: Pods,
    /// How many answers of the API server about pods are still to come.
    pods_to_come: usize,
    /// Whether it is known which Sentinels there are.
    are_sentinels_known: bool,
    /// When each Sentinel answered.
    answered_at: Vec<(Endpoint, Instant)>,
}

impl<'o, 'a> Look<'o, 'a> {
    /// Of whom nothing has been asked yet. `waited` is how long this run has been looking.
    pub(super) fn new(observer: &'o Observer<'a>, waited: Duration) -> Self {
        let Observer { group_config, sentinel_set, .. } = observer;
        let evidence = Evidence {
            me: group_config.me.clone(),
            own: observer.own.clone(),
            my_ips: group_config.my_ip.into_iter().collect(),
            first: group_config.first.clone(),
            sets: group_config.sets.clone(),
            domain: group_config.domain.clone(),
            sentinel_count: sentinel_set.count,
            down_after: group_config.down_after,
            grace: group_config.grace,
            waited,
            now: Moment::from(SystemTime::now()),
            sentinels: Vec::new(),
            discovery: None,
            listing: None,
            record: RecordSeen::Pending,
            peers: Vec::new(),
            unproven: Vec::new(),
            handing_over: None,
            kept: group_config.kept.clone(),
            invalid: Vec::new(),
        };
        Self {
            observer,
            evidence,
            asked: FuturesUnordered::new(),
            pods: Pods::default(),
            pods_to_come: 0,
            are_sentinels_known: true,
            answered_at: Vec::new(),
        }
    }

    /// Asks everyone, or all but the API server where the record and the pods are `known`, and hears them until enough
    /// has come, or the deadline.
    pub(super) async fn until(mut self, known: Option<Known>, until: Until, deadline: Instant) -> Evidence {
        self.observer.outside.borrow_mut().clear();
        match (&self.observer.clients.ground, known) {
            (KubernetesMode::Cluster(_), Some(known)) => self.take(known),
            (KubernetesMode::Cluster(cluster), None) => self.ask_api(cluster),
            (KubernetesMode::NoKubernetes, _) => {
                self.evidence.record = RecordSeen::NotKept;
                for pod in self.observer.numbered_peers() {
                    self.ask_peer(pod, None);
                }
            }
            (KubernetesMode::Nowhere, _) => {
                // By the time the others start, the first pod would have created the record.
                let leads = self.evidence.me.as_ref() == Some(&self.evidence.first);
                self.evidence.record = if leads { RecordSeen::Absent } else { RecordSeen::NotKept };
                self.evidence.peers = self.observer.numbered_peers().map(absent).collect();
                return self.evidence;
            }
        }
        self.ask_sentinels();
        loop {
            let have_answered = self.are_sentinels_known && self.evidence.sentinels.iter().all(|one| one.heard != Reply::Pending);
            if self.pods_to_come == 0 && have_answered {
                self.sort_by_reports();
            }
            let Ok(Some(news)) = timeout_at(deadline, self.asked.next()).await else { break };
            self.hear(news);
            if self.pods_to_come == 0 && self.are_sentinels_known && self.observer.is_enough(until, &self.evidence) {
                break;
            }
        }
        self.end()
    }

    /// Takes what is known of the record and the pods.
    fn take(&mut self, known: Known) {
        self.evidence.record = self.observer.with_sets(known.record);
        self.evidence.peers = self.observer.numbered_peers().map(absent).collect();
        for found in known.pods {
            self.meet(found, FoundBy::Watch);
        }
        if known.unlisted.is_some() {
            // As where the API server does not answer: they are found by their names.
            let Pods { seen, held, .. } = &self.pods;
            let is_seen = |name: &PodName| {
                seen.iter().any(|pod| pod.name == *name) || held.iter().any(|(found, _)| found.name() == name.to_string())
            };
            let unseen: Vec<_> = self.observer.numbered_peers().filter(|name| !is_seen(name)).collect();
            for pod in unseen {
                self.ask_peer(pod, None);
            }
            self.evidence.listing = known.unlisted;
        }
    }

    /// Asks the API server for the record, the list and each pod.
    fn ask_api(&mut self, cluster: &'a Cluster) {
        let observer = self.observer;
        let record = async { News::Record(Box::new(record_seen(from_api(cluster.record(&observer.group_config.group)).await))) };
        self.asked.push(record.boxed_local());
        self.asked.push(async { News::Listed(in_time(observer.list_pods(cluster)).await) }.boxed_local());
        self.pods_to_come += 1;
        self.ask_for_pods(cluster);
    }

    /// Asks the Sentinels, and which there are, where that is not known.
    fn ask_sentinels(&mut self) {
        let Observer { clients, sentinel_set, .. } = *self.observer;
        if let Some(located) = self.observer.located() {
            for (at, target) in located {
                self.ask_sentinel(at, Some(target));
            }
            return;
        }
        for at in &sentinel_set.named {
            self.ask_sentinel(at.clone(), None);
        }
        if let Some(service) = &sentinel_set.service {
            self.are_sentinels_known = false;
            self.asked
                .push(async { News::SentinelSet(in_time(clients.servers(service, sentinel_set.port)).await) }.boxed_local());
        }
    }

    fn hear(&mut self, news: News) {
        match news {
            News::SentinelSet(found) => {
                self.are_sentinels_known = true;
                match found {
                    Ok(found) => found.into_iter().for_each(|at| self.ask_sentinel(at, None)),
                    Err(failure) => self.evidence.discovery = Some(failure),
                }
            }
            News::Sentinel(at, answer) => {
                if let Some(sentinel) = self.evidence.sentinels.iter_mut().find(|sentinel| sentinel.at == at) {
                    sentinel.heard = answer.into();
                    self.answered_at.push((at, Instant::now()));
                }
            }
            News::Record(record) => {
                self.evidence.record = self.observer.with_sets(*record);
                for (found, by) in std::mem::take(&mut self.pods.held) {
                    self.meet(found, by);
                }
            }
            News::Listed(listed) => {
                self.pods_to_come -= 1;
                match listed {
                    Ok(listed) => listed.into_iter().for_each(|found| self.meet(found, FoundBy::List)),
                    Err(failure) => self.evidence.listing = Some(failure),
                }
            }
            News::Pod(name, answer) => {
                self.pods_to_come -= 1;
                self.hear_pod(name, answer);
            }
            News::Peer(pod, ips, answer) => {
                // An answer from where the pod was before is none of its.
                let asked_there = |peer: &&mut Peer| peer.pod == pod && (peer.ips == ips || peer.ips.is_empty());
                if let Some(peer) = self.evidence.peers.iter_mut().find(asked_there)
                    && peer.object != Object::Absent
                {
                    peer.ips = ips;
                    peer.heard = answer.into();
                }
            }
        }
    }

    fn hear_pod(&mut self, name: PodName, answer: Result<Option<Box<Pod>>, Failure>) {
        match answer {
            Ok(Some(pod)) => self.meet(Found::Pod(pod), FoundBy::ItsName),
            Ok(None) => self.turn_away(name, Outside::Missing),
            Err(failure) => {
                self.evidence.listing = Some(failure);
                // Without the API server the peers are found by their names.
                if Some(&name) != self.evidence.me.as_ref() {
                    self.ask_peer(name, None);
                }
            }
        }
    }

    /// What is to be remembered of it, and said.
    fn end(mut self) -> Evidence {
        let observer = self.observer;
        if observer.group_config.knows_no_sets(&self.evidence.record) {
            // The time was up before anything could say whose they are.
            let held = std::mem::take(&mut self.pods.held).into_iter();
            held.filter_map(|(found, _)| found.name().parse().ok()).for_each(|name| self.leave_open(name));
        }
        let Self { mut evidence, pods: Pods { seen, others, .. }, answered_at, .. } = self;
        evidence.invalid = invalid::findings(&evidence, &seen);
        observer.warn_of_invalid(&evidence.invalid);
        observer.group_config.name_non_members(&others);
        (*observer.seen.borrow_mut(), *observer.others.borrow_mut()) = (seen, others);
        // The answer of a Sentinel has aged while others were still waited for.
        for (at, when) in answered_at {
            let sentinel = evidence.sentinels.iter_mut().find(|sentinel| sentinel.at == at);
            if let Some(Reply::Answer(SentinelAnswer::Watching(watch))) = sentinel.map(|sentinel| &mut sentinel.heard) {
                watch.last_ok_ping += when.elapsed();
            }
        }
        evidence
    }

    fn ask_sentinel(&mut self, at: Endpoint, target: Option<Target>) {
        self.evidence.sentinels.push(Sentinel { at: at.clone(), heard: Reply::Pending });
        let Observer { clients, group_config, credentials, .. } = *self.observer;
        let ask = async move {
            let view = async {
                let target = match target {
                    Some(target) => target,
                    None => clients.target(&at).await?,
                };
                sentinel::view(&target, &credentials.sentinel, &group_config.group).await
            };
            let answer = in_time(view).await;
            News::Sentinel(at, answer)
        };
        self.asked.push(ask.boxed_local());
    }

    /// Reads every pod of the group that is known by its number or was seen before, each by itself: a
    /// list as of now would wait for the API server's cache after each write to the record. Where it
    /// was seen, its Redis is asked at the same time.
    fn ask_for_pods(&mut self, cluster: &'a Cluster) {
        let seen = self.observer.seen();
        let mut names: Vec<_> = self
            .observer
            .numbered_peers()
            .chain(self.observer.group_config.me.clone())
            .chain(seen.iter().map(|pod| pod.name.clone()))
            .collect();
        names.sort();
        names.dedup();
        for name in names.clone() {
            if Some(&name) != self.observer.group_config.me.as_ref() {
                match seen.iter().find(|pod| pod.name == name).filter(|pod| !pod.ips.is_empty()) {
                    Some(pod) => self.ask_peer(name.clone(), Some(pod.ips.clone())),
                    None => self.set(Peer { heard: Reply::Pending, object: Object::Unknown, ..absent(name.clone()) }),
                }
            }
            let scheme = &self.observer.group_config.scheme;
            let ask = async move {
                let answer = match from_api(cluster.pod(&name, scheme)).await {
                    Ok(pod) => Ok(Some(Box::new(pod))),
                    Err(Refusal::Missing) => Ok(None),
                    Err(refusal) => Err(failure_of(refusal)),
                };
                News::Pod(name, answer)
            };
            self.asked.push(ask.boxed_local());
        }
        self.pods_to_come += names.len();
    }

    /// Takes a pod that was found: a member is seen, a non-member is turned away, and a pod that may yet be either is
    /// held.
    fn meet(&mut self, found: Found, by: FoundBy) {
        let pod = match found {
            Found::Unnumbered(other) => return self.pods.others.push(other),
            Found::Pod(pod) => pod,
        };
        let GroupConfig { named, .. } = self.observer.group_config;
        let is_known = Some(&pod.name) == self.evidence.me.as_ref() || self.evidence.peer(&pod.name).is_some();
        let checked = self
            .observer
            .group_config
            .membership(&self.evidence.record, self.pods.reported.as_ref().unwrap_or(&BTreeSet::new()))
            .check(&pod);
        let is_early = self.evidence.record == RecordSeen::Pending && by != FoundBy::Watch;
        let is_unknown = self.observer.group_config.knows_no_sets(&self.evidence.record) && self.pods.reported.is_none();
        if is_unknown || is_early && (checked.is_err() || *named == Named::ByGroup) {
            return self.pods.held.push((Found::Pod(pod), by));
        }
        match (checked, by) {
            // Whoever is asked for by its name is not seen as the list has it, which may be older.
            (Ok(()), FoundBy::List) if is_known => {}
            (Ok(()), _) => self.see(*pod),
            (Err(why), FoundBy::ItsName) => self.turn_away(pod.name, Outside::NonMember(why)),
            (Err(NotMember::Unproven), _) => self.leave_open(pod.name),
            (Err(why), _) => self.pods.others.push(NonMember::new(&pod, why)),
        }
    }

    /// Sorts the pods by the disk reports and the claims, if nothing else says which pods are members and all reports
    /// and claims have come.
    fn sort_by_reports(&mut self) {
        if !self.observer.group_config.knows_no_sets(&self.evidence.record) || self.pods.reported.is_some() {
            return;
        }
        let watched = self.evidence.watches().map(|(_, watch)| &watch.master.host);
        let claimed = watched.chain(self.evidence.kept.iter().map(|kept| &kept.master.host));
        self.pods.reported =
            Some(self.observer.group_config.sets_by_reports(self.pods.held.iter().map(|(found, _)| found), claimed));
        for (found, by) in std::mem::take(&mut self.pods.held) {
            self.meet(found, by);
        }
    }

    /// There is no member of this name; of one that may be one by a record that cannot be read, nothing is known.
    fn turn_away(&mut self, name: PodName, why: Outside) {
        let is_known = match (&self.evidence.record, &why) {
            (RecordSeen::Unknown(_) | RecordSeen::Pending, Outside::NonMember(why)) => why.is_by_itself(),
            _ => true,
        };
        let is_unproven = matches!(why, Outside::NonMember(NotMember::Unproven));
        self.observer.outside.borrow_mut().push((name.clone(), why));
        if Some(&name) == self.evidence.me.as_ref() {
            return;
        }
        if is_unproven {
            return self.leave_open(name);
        }
        let nobody = absent(name);
        self.set(if is_known { nobody } else { Peer { heard: Reply::Pending, object: Object::Unknown, ..nobody } });
    }

    /// Takes a pod as the API server has it. Its Redis is asked where that says that it is, whatever
    /// DNS or an earlier look remembers.
    fn see(&mut self, pod: Pod) {
        self.pods.seen.push(pod.clone());
        if pod.hands_over(self.evidence.now) {
            self.evidence.handing_over = Some(pod.name.clone());
        }
        if Some(&pod.name) == self.evidence.me.as_ref() {
            // Where it was before, the API server may say for a while that it still is.
            if self.observer.group_config.my_ip.is_none_or(|own| pod.ips.contains(&own)) {
                self.evidence.my_ips = pod.ips;
            }
            self.evidence.own.trying =
                pod.trying_since.map_or(Duration::ZERO, |since| self.observer.trying.so_far(Some(since), self.evidence.now));
            self.evidence.own.heard.take_over(&pod.heard, self.evidence.now);
            return;
        }
        let container = pod.container(self.observer.group_config.port);
        let object = Object::Present { uid: pod.uid, report: pod.report, container };
        let is_asked_there = |peer: &Peer| peer.pod == pod.name && peer.ips == pod.ips && !pod.ips.is_empty();
        if !self.evidence.peers.iter().any(is_asked_there) {
            self.ask_peer(pod.name.clone(), Some(pod.ips));
        }
        if let Some(peer) = self.evidence.peers.iter_mut().find(|peer| peer.pod == pod.name) {
            peer.object = object;
        }
    }

    fn ask_peer(&mut self, pod: PodName, ips: Option<Vec<IpAddr>>) {
        self.set(Peer { pod: pod.clone(), ips: ips.clone().unwrap_or_default(), object: Object::Unknown, heard: Reply::Pending });
        let Observer { clients, group_config, credentials, .. } = *self.observer;
        let ask = async move {
            let found = match ips {
                Some(ips) => Ok(ips),
                None => {
                    in_time(clients.addresses(&group_config.host_name(&pod))).await.map(|ips| group_config.own_family_first(ips))
                }
            };
            let (ips, answer) = match found {
                Ok(ips) => {
                    let target = group_config.target(&pod, ips);
                    let answer = in_time(redis::role(&target, &credentials.redis)).await;
                    (target.ips, answer)
                }
                Err(failure) => (Vec::new(), Err(failure)),
            };
            News::Peer(pod, ips, answer)
        };
        self.asked.push(ask.boxed_local());
    }

    /// Puts a peer in its place, or adds it.
    fn set(&mut self, peer: Peer) {
        match self.evidence.peers.iter_mut().find(|one| one.pod == peer.pod) {
            Some(one) => *one = peer,
            None => self.evidence.peers.push(peer),
        }
    }

    /// Nothing says whether the pod of this name is a member: it is not asked, and nobody takes it for gone.
    fn leave_open(&mut self, name: PodName) {
        if self.evidence.peer(&name).is_some() {
            self.set(Peer { heard: Reply::Pending, object: Object::Unknown, ..absent(name.clone()) });
        }
        if !self.evidence.unproven.contains(&name) {
            self.evidence.unproven.push(name);
        }
    }
}

fn absent(pod: PodName) -> Peer {
    Peer { pod, ips: Vec::new(), object: Object::Absent, heard: Reply::Failed(Failure::NoSuchHost) }
}
