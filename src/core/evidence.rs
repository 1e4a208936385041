//! Everything that was observed before a decision: each source with its answer or its failure.

use std::fmt;
use std::net::IpAddr;
use std::time::Duration;

use serde::{Serialize, Serializer};

use super::disk::{Disk, Instance, LastHeard, Moment, Word, published_group_id};
use super::epoch::{self, Shown};
use super::identity::{Endpoint, Host, PodName};
use super::record::{Claim, Mark, Record, Step};
use super::redis_conf::{USUAL_PRIORITY, priority_of};
use super::rules::{Rule, Rules};
use super::sets::Sets;

/// Why a source gave no answer. Kept as what it was, for they prove different things.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Failure {
    /// The name has no address: nothing of that name runs.
    NoSuchHost,
    /// The host answered that nothing listens there.
    Refused,
    /// Silence.
    TimedOut,
    /// It answered that we may not ask: a password, an ACL rule, RBAC.
    NotAllowed(String),
    /// It answered, and not what such a server answers.
    Nonsense(String),
    /// Its certificate, or ours, is not trusted by the other.
    Untrusted(String),
    /// Any other fault between us and it.
    Unreachable(String),
}

impl Failure {
    /// Whether nothing runs there, as far as one can know without the API server. A firewall refuses for others,
    /// and DNS is late: of a pod it is believed by [`Evidence::is_known_not_to_run`] alone.
    pub fn proves_nothing_runs(&self) -> bool {
        matches!(self, Self::NoSuchHost | Self::Refused)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoSuchHost => f.write_str("no such host"),
            Self::Refused => f.write_str("connection refused"),
            Self::TimedOut => f.write_str("timed out"),
            Self::NotAllowed(reason) => write!(f, "not allowed: {reason}"),
            Self::Nonsense(reason) => write!(f, "nonsense: {reason}"),
            Self::Untrusted(reason) => write!(f, "unreachable: TLS: {reason}"),
            Self::Unreachable(reason) => write!(f, "unreachable: {reason}"),
        }
    }
}

impl std::error::Error for Failure {}

/// What has come back from a source so far.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Heard<T> {
    /// Nothing yet.
    Pending,
    /// Its answer.
    Answer(T),
    /// It failed.
    Failed(Failure),
}

impl<T> Heard<T> {
    /// The answer, if there is one.
    pub fn answer(&self) -> Option<&T> {
        match self {
            Self::Answer(answer) => Some(answer),
            Self::Pending | Self::Failed(_) => None,
        }
    }
}

impl<T> From<Result<T, Failure>> for Heard<T> {
    fn from(result: Result<T, Failure>) -> Self {
        match result {
            Ok(answer) => Self::Answer(answer),
            Err(failure) => Self::Failed(failure),
        }
    }
}

/// What a Sentinel says of the group (`SENTINEL MASTER`).
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum SentinelAnswer {
    /// It does not know the group.
    Unaware,
    /// It watches the group.
    Watching(Watch),
}

/// A Sentinel's view of a group that it watches.
#[allow(clippy::struct_excessive_bools, reason = "each is something else that it says")]
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize)]
pub struct Watch {
    /// The master's address (`ip`, `port`).
    pub master: Endpoint,
    /// The epoch of the failover that made it so (`config-epoch`).
    pub config_epoch: u64,
    /// `s_down` or `o_down` among the flags: it finds the master down.
    pub finds_master_down: bool,
    /// `failover_in_progress` among the flags: it is replacing the master.
    pub failover_in_progress: bool,
    /// It has promoted this master itself, and still tells the other replicas: its failover is not over.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub has_promoted: bool,
    /// Since the master last answered its ping (`last-ok-ping-reply`).
    #[serde(serialize_with = "seconds")]
    pub last_ok_ping: Duration,
    /// How many other Sentinels it knows for the group (`num-other-sentinels`).
    pub other_sentinels: usize,
    /// How many replicas it knows, dead ones too.
    pub known_replicas: usize,
    /// It was told to watch the group and nothing else: its times are Sentinel's own defaults, which ordain never
    /// sets, and it has no hook.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub is_half_told: bool,
}

/// What a Redis says it is (`ROLE` and `INFO replication`).
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// A master.
    Master,
    /// A replica of another.
    Replica(Replica),
}

/// A Redis that runs as a replica.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize)]
pub struct Replica {
    /// The master that it follows.
    pub of: Endpoint,
    /// Its link to that master.
    pub link: Link,
    /// `slave_priority`: Sentinel never promotes a replica with 0.
    pub priority: u32,
    /// `slave_repl_offset`: how far it has read.
    pub offset: u64,
    /// Which run of ordain wrote the file that it was started with.
    pub run: Option<String>,
    /// For how long its link has been down; none where it is up, or there never was one.
    pub down_for: Option<Duration>,
    /// Whether it was seen to hold no data, with all of its disk loaded. Only one that has never had a link is asked.
    pub is_empty: bool,
}

/// A replica's link to its master.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Link {
    /// There was none since this server started (`master_link_down_since_seconds:-1`): what it holds
    /// is what its disk held.
    Never,
    /// There was one, and it is down.
    Lost,
    /// It is up, and the replica in sync.
    Up,
}

/// One of the Sentinels that were named, and what it answered.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize)]
pub struct Sentinel {
    /// Where it was asked.
    pub at: Endpoint,
    /// Its answer.
    pub heard: Heard<SentinelAnswer>,
}

/// Another pod of the group.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize)]
pub struct Peer {
    /// Its name.
    pub pod: PodName,
    /// The addresses that the API server or DNS gives for it; none where it does not exist.
    pub ips: Vec<IpAddr>,
    /// The pod as the API server has it.
    pub object: Object,
    /// What its Redis answered.
    pub heard: Heard<Role>,
}

impl Peer {
    /// What the pod has published, and which instance that was.
    pub fn word(&self) -> Option<(Instance, &Word)> {
        match &self.object {
            Object::Present { uid, word: Some(word), .. } => {
                Some((Instance { pod: self.pod.clone(), uid: uid.clone(), run: word.run.clone() }, word))
            }
            _ => None,
        }
    }

    /// Whether this run of it is the one that published last.
    pub fn is(&self, instance: &Instance) -> bool {
        self.word().is_some_and(|(own, _)| own == *instance)
    }

    /// What is damaged of its data, by its report: that its disk is empty does not say then that nothing is there.
    pub fn damage(&self) -> Option<&str> {
        self.word().and_then(|(_, word)| word.damage.as_deref())
    }

    /// Its Redis, where that answers as a replica.
    pub fn replica(&self) -> Option<&Replica> {
        match self.heard.answer() {
            Some(Role::Replica(replica)) => Some(replica),
            _ => None,
        }
    }
}

/// A pod as the API server has it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Object {
    /// Nobody could say.
    Unknown,
    /// It does not exist.
    Absent,
    /// It exists.
    Present {
        /// Its uid.
        uid: String,
        /// What it has published of its disk.
        word: Option<Word>,
        /// Its Redis' container.
        #[serde(skip_serializing_if = "Container::is_unknown")]
        container: Container,
    },
}

/// The container of a pod's Redis, by what its kubelet has told the API server: late where the node is dead.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Container {
    /// Nothing was told of it.
    #[default]
    Unknown,
    /// It waits to run, or has ended, or its whole pod has.
    Stopped,
    /// It runs, since then, to the second.
    Running(Moment),
}

impl Container {
    fn is_unknown(&self) -> bool {
        *self == Self::Unknown
    }
}

/// What the other pods can know of a pod's disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Known {
    /// Nothing: it has not told, or its word does not hold any more.
    Nothing,
    /// Its Redis has copied a master since it started.
    Copied,
    /// What it has told, and still holds.
    Told(Disk),
}

/// What a pod knows of itself.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize)]
pub struct Own {
    /// Its disk.
    pub disk: Disk,
    /// The group's id that is stamped into its data directory. A volume that was lost has none.
    pub group_id: Option<String>,
    /// What is damaged, where its data cannot be loaded: then its disk counts as an empty one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub damage: Option<String>,
    /// This run, once its word is published; none where nothing is published.
    pub instance: Option<Instance>,
    /// Its own `replica-priority`, where that is not the usual one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub priority: Option<u32>,
    /// A server has run in this very pod before: it is where the others asked it before. A pod that was made
    /// anew has another address.
    pub has_run: bool,
    /// How long this pod has been trying to start, over all its runs.
    #[serde(serialize_with = "seconds")]
    pub trying: Duration,
    /// When whoever looks has last heard of the others, over all its runs.
    #[serde(skip_serializing_if = "LastHeard::is_empty")]
    pub heard: LastHeard,
}

/// Of whoever starts nothing, and whose disk is not asked about: a Sentinel, reconcile.
impl Default for Own {
    fn default() -> Self {
        let (disk, trying, heard) = (Disk::Empty, Duration::ZERO, LastHeard::default());
        Self { disk, group_id: None, damage: None, priority: None, instance: None, has_run: false, trying, heard }
    }
}

/// What is known of the record.
#[allow(clippy::large_enum_variant, reason = "there is one of them in a run")]
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum RecordSeen {
    /// It exists.
    Present(Record),
    /// The API server said that it does not exist.
    Absent,
    /// Nobody could say.
    Unknown(Failure),
    /// Not asked for yet.
    Pending,
    /// None is kept: there is no Kubernetes here.
    NotKept,
}

/// What a Sentinel's own earlier file says of the group.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize)]
pub struct Kept {
    /// The master's address.
    pub master: Endpoint,
    /// The epoch of the failover that made it so.
    pub config_epoch: u64,
}

/// All that a decision rests on.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize)]
pub struct Evidence {
    /// The pod that is to be decided; none for a Sentinel, which is no member of the group.
    pub me: Option<PodName>,
    /// What that pod knows of itself.
    pub own: Own,
    /// The addresses under which this pod is reached, where claims may name it by IP: on a network of both families
    /// it has two.
    pub my_ips: Vec<IpAddr>,
    /// The pod that leads a first boot.
    pub first: PodName,
    /// The StatefulSets of the group's pods.
    pub sets: Sets,
    /// The domain under which the group's pods have their names: `redis-headless.demo.svc.cluster.local`.
    pub domain: String,
    /// Of how many Sentinels the majority is taken, at least.
    pub sentinel_count: usize,
    /// After how long Sentinel finds a silent master down.
    #[serde(serialize_with = "seconds")]
    pub down_after: Duration,
    /// After how long a pod that is away is not waited for any more.
    #[serde(serialize_with = "seconds")]
    pub grace: Duration,
    /// How long this run has been looking; where a failover could come, for how long it could.
    #[serde(serialize_with = "seconds")]
    pub waited: Duration,
    /// When this look began.
    pub now: Moment,
    /// Every Sentinel that was named or found.
    pub sentinels: Vec<Sentinel>,
    /// Why the Sentinels could not be found by their Service's name, where that failed.
    pub discovery: Option<Failure>,
    /// The record.
    pub record: RecordSeen,
    /// Why the API server did not list the pods, where that failed.
    pub listing: Option<Failure>,
    /// Every other pod of the group.
    pub peers: Vec<Peer>,
    /// The pods that may be members, though nothing says so: there is no record that names their StatefulSets.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub unproven: Vec<PodName>,
    /// The pod that says that it is handing its part over.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub handing_over: Option<PodName>,
    /// The Sentinel's own earlier file.
    pub kept: Option<Kept>,
    /// What was heard and cannot be, in words: it counts for nothing.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub invalid: Vec<String>,
}

impl Evidence {
    /// The views of the Sentinels that watch the group.
    pub fn watches(&self) -> impl Iterator<Item = (&Endpoint, &Watch)> {
        self.sentinels.iter().filter_map(|sentinel| match sentinel.heard.answer() {
            Some(SentinelAnswer::Watching(watch)) => Some((&sentinel.at, watch)),
            _ => None,
        })
    }

    /// The views of the Sentinels that claim something: those with an epoch that can be, beside the record's and
    /// those of all the other Sentinels. Whom the others name counts all the same.
    pub fn claims(&self) -> impl Iterator<Item = (&Endpoint, &Watch)> {
        self.watches().filter(|(at, watch)| {
            let others = self.watches().filter(|(other, _)| other != at).map(|(_, other)| other.config_epoch);
            epoch::can_be(watch.config_epoch, others.chain(self.recorded().map(|record| record.claim.epoch)))
        })
    }

    /// What the own earlier file claims, where its epoch can be. An address that is nobody's any more says nothing at an
    /// epoch that the record has: the record knows which pod was there.
    pub fn kept_claim(&self) -> Option<&Kept> {
        let recorded = self.recorded().map(|record| record.claim.epoch);
        let others = self.watches().map(|(_, watch)| watch.config_epoch).chain(recorded);
        let is_outlived = |kept: &Kept| {
            let is_known = self.recorded_epoch().is_some_and(|epoch| kept.config_epoch <= epoch);
            is_known && matches!(kept.master.host, Host::Ip(_)) && self.member_at(&kept.master.host).is_none()
        };
        self.kept.as_ref().filter(|kept| epoch::can_be(kept.config_epoch, others)).filter(|kept| !is_outlived(kept))
    }

    /// The epoch of the record's claim. Where what it says cannot be, its claim is as old as the Sentinels say that
    /// its holder's is: newer ones move it.
    pub fn recorded_epoch(&self) -> Option<u64> {
        let claim = &self.recorded()?.claim;
        if epoch::can_be(claim.epoch, []) {
            return Some(claim.epoch);
        }
        let names_it = |watch: &Watch| self.member_at(&watch.master.host) == Some(&claim.master);
        let told = self.claims().filter(|(_, watch)| names_it(watch)).map(|(_, watch)| watch.config_epoch);
        Some(told.max().unwrap_or(0))
    }

    /// The record's claim, with an epoch that can be.
    pub fn recorded_claim(&self) -> Option<Claim> {
        Some(Claim { master: self.recorded()?.claim.master.clone(), epoch: self.recorded_epoch()? })
    }

    /// Whether a claim must be written into the record before it is acted upon: it is newer, or the record says the
    /// same with an epoch that cannot be.
    pub fn moves_the_record(&self, claim: &Claim) -> bool {
        let (Some(record), Some(recorded)) = (self.recorded(), self.recorded_claim()) else { return false };
        match recorded.against(claim) {
            Step::Move => true,
            Step::Holds => recorded.epoch != record.claim.epoch,
            Step::Disputed | Step::Older => false,
        }
    }

    /// Whether no Redis runs in a pod: nobody listens there, and the pod's own state says so, too. It is gone, its
    /// container does not run, or this run of it has told that its server has not started yet. Nobody knows of that
    /// while the API server is away; where there is none, that nobody listens must be enough.
    pub fn is_known_not_to_run(&self, peer: &Peer) -> bool {
        let is_confirmed = || match &peer.object {
            Object::Absent | Object::Present { container: Container::Stopped, .. } => true,
            Object::Unknown => self.record == RecordSeen::NotKept,
            Object::Present { word, container, .. } => {
                let since = if let Container::Running(since) = container { *since } else { Moment(0) };
                word.as_ref().is_some_and(|word| !word.started && word.at >= since)
            }
        };
        matches!(&peer.heard, Heard::Failed(failure) if failure.proves_nothing_runs()) && is_confirmed()
    }

    /// The record, where it is present.
    pub fn recorded(&self) -> Option<&Record> {
        match &self.record {
            RecordSeen::Present(record) => Some(record),
            _ => None,
        }
    }

    /// What is known of a peer's disk. Its word holds until that instance has marked the record, or
    /// its Redis has had a link to a master.
    pub fn disk_of(&self, peer: &Peer, rules: Rules) -> Known {
        let copies = peer.replica().is_some_and(|replica| replica.link != Link::Never);
        if copies && rules.has(Rule::WordEndsWithLink) {
            return Known::Copied;
        }
        let Some((instance, word)) = peer.word() else { return Known::Nothing };
        let has_marked = self.recorded().is_some_and(|record| record.is_marked_by(&instance));
        // Before its server starts the pod itself answers for its disk, afterwards only that server does,
        // and not another that was started since.
        let is_over = match peer.heard.answer() {
            Some(Role::Master) => true,
            Some(Role::Replica(replica)) => replica.run.as_ref() != Some(&word.run),
            None => word.started,
        };
        if has_marked && rules.has(Rule::WordEndsWithMark) || is_over && rules.has(Rule::WordEndsWithLink) {
            return Known::Nothing;
        }
        // What another group left there is none of this group's data.
        let is_foreign = self.recorded().is_some_and(|record| word.group.as_ref().is_some_and(|id| *id != record.group_id));
        Known::Told(if is_foreign && rules.has(Rule::OwnGroup) { Disk::Empty } else { word.disk.as_of(self.now) })
    }

    /// A peer's own `replica-priority`: with 0 it is never promoted. Its server tells of it, else what was published by
    /// the run that has started this server. Not known otherwise; without Kubernetes nobody has another than the
    /// usual one.
    pub fn own_priority(&self, peer: &Peer) -> Option<u32> {
        let run = peer.replica().and_then(|replica| replica.run.as_deref());
        if let Some(own) = run.and_then(priority_of) {
            return Some(own);
        }
        match &peer.object {
            Object::Present { word: Some(word), .. } if peer.replica().is_none() || run == Some(word.run.as_str()) => {
                Some(word.priority.unwrap_or(USUAL_PRIORITY))
            }
            Object::Unknown if self.record == RecordSeen::NotKept => Some(USUAL_PRIORITY),
            Object::Present { .. } | Object::Unknown | Object::Absent => None,
        }
    }

    /// The id that a record which is made for `master` takes, where the disks have one.
    pub fn published_group_id(&self, master: &PodName) -> Option<String> {
        let words = self.peers.iter().filter_map(|peer| Some((&peer.pod, peer.word()?.1)));
        let own = || self.own.group_id.clone();
        if self.me.as_ref() == Some(master) {
            return own().or_else(|| published_group_id(master, words));
        }
        published_group_id(master, words).or_else(own)
    }

    /// The StatefulSets of the members that exist.
    pub fn sets_there(&self) -> impl Iterator<Item = &str> {
        let is_there = |peer: &&Peer| matches!(peer.object, Object::Present { .. });
        self.peers.iter().filter(is_there).map(|peer| peer.pod.base())
    }

    /// The peers that are heard of now: they answer, or what they have told of their disks holds.
    pub fn heard_of(&self) -> impl Iterator<Item = &PodName> {
        let is_heard = |peer: &&Peer| peer.heard.answer().is_some() || self.disk_of(peer, Rules::ALL) != Known::Nothing;
        self.peers.iter().filter(is_heard).map(|peer| &peer.pod)
    }

    /// Whether a peer has said anything within the grace, whether or not it still holds.
    pub fn was_heard_lately(&self, peer: &Peer) -> bool {
        let told = peer.word().map(|(_, word)| word.at);
        [told, self.own.heard.of(&peer.pod)].into_iter().flatten().any(|at| self.now.is_within(self.grace, at))
    }

    /// The mark in the record, while it is younger than the grace.
    pub fn young_mark(&self) -> Option<&Mark> {
        self.recorded()?.mark.as_ref().filter(|mark| self.now.is_within(self.grace, mark.at))
    }

    /// Whether there are no Sentinels, by the flags and by what was found.
    pub fn has_no_sentinels(&self) -> bool {
        self.sentinel_count == 0 && self.sentinels.is_empty() && self.discovery.is_none()
    }

    /// Whether this pod, which the record names, has what it led with, and nobody else can have led since: without
    /// Sentinels only the record makes a master. A disk that was written later holds a later copy of this one.
    pub fn is_the_only_writer(&self) -> bool {
        let names_me = |record: &Record| Some(&record.claim.master) == self.me.as_ref();
        let is_its_own = |record: &Record| self.own.group_id.as_ref() == Some(&record.group_id) && self.own.disk.holds_data();
        self.has_no_sentinels() && self.recorded().is_some_and(|record| names_me(record) && is_its_own(record))
    }

    /// The addresses of a peer; none where it is not known.
    pub fn ips_of(&self, pod: &PodName) -> &[IpAddr] {
        self.peer(pod).map_or(&[], |peer| &peer.ips)
    }

    /// A peer, by its name.
    pub fn peer(&self, pod: &PodName) -> Option<&Peer> {
        self.peers.iter().find(|peer| peer.pod == *pod)
    }

    /// The peers that answer as master.
    pub fn living_masters(&self) -> Vec<&PodName> {
        let lives = |peer: &&Peer| peer.heard.answer() == Some(&Role::Master);
        self.peers.iter().filter(lives).map(|peer| &peer.pod).collect()
    }

    /// The member that listens at `host`: by its name, whole or cut short, else by its address. The
    /// pod that the record names is a member, though it may not exist now.
    pub fn member_at(&self, host: &Host) -> Option<&PodName> {
        let recorded = self.recorded();
        let peers = self.peers.iter().map(|peer| &peer.pod);
        let mut members = self.me.iter().chain(peers).chain(recorded.map(|record| &record.claim.master));
        let ip = match host {
            Host::Name(name) => return members.find(|pod| is_name_of(name, pod, &self.domain)),
            Host::Ip(ip) => ip,
        };
        // Of a pod that is no member in its own view, a Sentinel's or one that hands over, the peers tell.
        if let Some(me) = self.me.as_ref().filter(|_| self.my_ips.contains(ip)) {
            return Some(me);
        }
        let peer = self.peers.iter().find(|peer| peer.ips.contains(ip)).map(|peer| &peer.pod);
        // The address of a pod that has none now.
        peer.or(recorded.filter(|record| record.address.host == *host).map(|record| &record.claim.master))
    }

    /// Whom a claim names. By address it names whoever was there when it was made: where the record makes the same
    /// claim, that is its holder, though another pod may have been given the address since.
    pub fn claimed(&self, at: &Endpoint, epoch: u64) -> Option<&PodName> {
        let is_the_same =
            |record: &&Record| matches!(at.host, Host::Ip(_)) && record.address.host == at.host && record.claim.epoch == epoch;
        self.recorded().filter(is_the_same).map(|record| &record.claim.master).or_else(|| self.member_at(&at.host))
    }

    /// Whether a member is still where a claim names it: it may have been made anew at another address.
    pub fn is_still_at(&self, pod: &PodName, at: &Endpoint) -> bool {
        match &at.host {
            Host::Name(_) => true,
            Host::Ip(ip) if self.me.as_ref() == Some(pod) => self.my_ips.is_empty() || self.my_ips.contains(ip),
            Host::Ip(ip) => self.ips_of(pod).contains(ip),
        }
    }

    /// How many Sentinels are a majority: of the configured count, of those that were found, or of
    /// what they know, whichever is most.
    pub fn majority(&self) -> usize {
        let known = self.watches().map(|(_, watch)| watch.other_sentinels + 1).max().unwrap_or(0);
        self.majority_without_the_gone().max(known / 2 + 1)
    }

    /// The same where those do not count that are known and not found any more.
    pub fn majority_without_the_gone(&self) -> usize {
        self.sentinel_count.max(self.sentinels.len()) / 2 + 1
    }
}

/// Whether a host name, whole or cut short, is that of a group's pod. A pod of that name under
/// another domain is a stranger.
pub fn is_name_of(name: &str, pod: &PodName, domain: &str) -> bool {
    let full = format!("{pod}.{domain}");
    full.strip_prefix(name).is_some_and(|rest| rest.is_empty() || rest.starts_with('.')) && name.len() >= pod.to_string().len()
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self::Replica(Replica { of, link, priority, offset, is_empty, .. }) = self else { return f.write_str("master") };
        let link = match link {
            Link::Never => "no link since it started",
            Link::Lost => "link lost",
            Link::Up => "link up",
        };
        let holds = if *is_empty { ", holds no data" } else { "" };
        write!(f, "replica of {of}, {link}{holds}, offset {offset}, priority {priority}")
    }
}

/// A span of time in a report: seconds, with three decimals.
fn seconds<S: Serializer>(span: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_f64(Duration::from_millis(u64::try_from(span.as_millis()).unwrap_or(u64::MAX)).as_secs_f64())
}

impl fmt::Display for Evidence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fn line<T>(
            f: &mut fmt::Formatter<'_>,
            what: impl fmt::Display,
            heard: &Heard<T>,
            say: impl Fn(&T) -> String,
        ) -> fmt::Result {
            match heard {
                Heard::Pending => writeln!(f, "{what}: not waited for"),
                Heard::Failed(failure) => writeln!(f, "{what}: {failure}"),
                Heard::Answer(answer) => writeln!(f, "{what}: {}", say(answer)),
            }
        }
        match &self.record {
            RecordSeen::Present(record) => writeln!(f, "record: {record}")?,
            RecordSeen::Absent => writeln!(f, "record: does not exist")?,
            RecordSeen::Unknown(failure) => writeln!(f, "record: {failure}")?,
            RecordSeen::Pending => writeln!(f, "record: not waited for")?,
            RecordSeen::NotKept => writeln!(f, "record: none is kept")?,
        }
        if let Some(failure) = &self.listing {
            writeln!(f, "list of pods: {failure}")?;
        }
        if let Some(failure) = &self.discovery {
            writeln!(f, "Sentinels: {failure}")?;
        }
        for Sentinel { at, heard } in &self.sentinels {
            line(f, format_args!("Sentinel {at}"), heard, |answer| match answer {
                SentinelAnswer::Unaware => "does not know the group".to_owned(),
                SentinelAnswer::Watching(watch) => format!(
                    "{} at epoch {}, {}{}last ping {:?} ago, {} other Sentinels",
                    watch.master,
                    Shown(watch.config_epoch),
                    if watch.finds_master_down { "down, " } else { "" },
                    if watch.failover_in_progress { "failover under way, " } else { "" },
                    watch.last_ok_ping,
                    watch.other_sentinels,
                ),
            })?;
        }
        for peer @ Peer { pod, heard, .. } in &self.peers {
            line(f, pod, heard, ToString::to_string)?;
            match &peer.object {
                Object::Present { word: Some(word), .. } => {
                    let holds = if self.disk_of(peer, Rules::ALL) == Known::Told(word.disk.as_of(self.now)) {
                        ""
                    } else {
                        ", which holds no more"
                    };
                    let state = if word.started { "started" } else { "starting" };
                    let damage = word.damage.as_ref().map(|damage| format!(" (damaged: {damage})")).unwrap_or_default();
                    writeln!(f, "disk of {pod}: {}{damage}, told by run {} ({state}){holds}", word.disk, word.run)?;
                }
                Object::Present { word: None, .. } => writeln!(f, "disk of {pod}: not told")?,
                Object::Absent | Object::Unknown => {}
            }
        }
        if self.me.is_some() {
            write!(f, "own disk: {}", self.own.disk)?;
            if let Some(damage) = &self.own.damage {
                write!(f, " (damaged: {damage})")?;
            }
            match &self.own.group_id {
                Some(id) => writeln!(f, ", of group {id}")?,
                None => writeln!(f, ", of no group yet")?,
            }
        }
        if let Some(kept) = &self.kept {
            writeln!(f, "own earlier file: {} at epoch {}", kept.master, Shown(kept.config_epoch))?;
        }
        for pod in &self.unproven {
            writeln!(f, "{pod}: nothing says whether it is a member")?;
        }
        for invalid in &self.invalid {
            writeln!(f, "invalid: {invalid}")?;
        }
        Ok(())
    }
}
