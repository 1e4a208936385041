//! Everything that was observed before a decision: each source with its answer or its failure.

use std::fmt;
use std::net::IpAddr;
use std::time::Duration;

use serde::{Serialize, Serializer};

use super::disk::{Disk, DiskReport, Instance, LastHeard, Moment};
use super::identity::{Endpoint, PodName};
use super::record::Record;
use super::sets::Sets;

mod questions;
mod shown;

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
    InvalidReply(String),
    /// It was asked as a Sentinel, and says that it is a Redis.
    NotASentinel,
    /// Its certificate, or ours, is not trusted by the other.
    Untrusted(String),
    /// Any other fault between us and it.
    Unreachable(String),
}

impl Failure {
    /// Whether nothing runs there, as far as one can know without the API server. A firewall refuses for others,
    /// and DNS is late: of a pod it is believed by [`Evidence::is_known_not_to_run`] alone.
    pub fn nothing_listens(&self) -> bool {
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
            Self::InvalidReply(reason) => write!(f, "invalid reply: {reason}"),
            Self::NotASentinel => f.write_str("a Redis, not a Sentinel"),
            Self::Untrusted(reason) => write!(f, "unreachable: TLS: {reason}"),
            Self::Unreachable(reason) => write!(f, "unreachable: {reason}"),
        }
    }
}

impl std::error::Error for Failure {}

/// What has come back from a source so far.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Reply<T> {
    /// Nothing yet.
    Pending,
    /// Its answer.
    Answer(T),
    /// It failed.
    Failed(Failure),
}

impl<T> Reply<T> {
    /// The answer, if there is one.
    pub fn answer(&self) -> Option<&T> {
        match self {
            Self::Answer(answer) => Some(answer),
            Self::Pending | Self::Failed(_) => None,
        }
    }
}

impl<T> From<Result<T, Failure>> for Reply<T> {
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
    /// It has promoted this master itself, and still redirects the other replicas: its failover is not over.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub has_promoted: bool,
    /// Since the master last answered its ping (`last-ok-ping-reply`).
    #[serde(serialize_with = "seconds")]
    pub last_ok_ping: Duration,
    /// How many other Sentinels it knows for the group (`num-other-sentinels`).
    pub other_sentinels: usize,
    /// How many replicas it knows, dead ones too.
    pub known_replicas: usize,
    /// The group was added there, and its settings were not: its times are Sentinel's own defaults, which ordain never
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
    pub heard: Reply<SentinelAnswer>,
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
    pub heard: Reply<Role>,
}

impl Peer {
    /// What the pod has published, and which instance that was.
    pub fn report(&self) -> Option<(Instance, &DiskReport)> {
        match &self.object {
            Object::Present { uid, report: Some(report), .. } => {
                Some((Instance { pod: self.pod.clone(), uid: uid.clone(), run: report.run.clone() }, report))
            }
            _ => None,
        }
    }

    /// Whether this run of it is the one that published last.
    pub fn is(&self, instance: &Instance) -> bool {
        self.report().is_some_and(|(own, _)| own == *instance)
    }

    /// What is damaged of its data, by its report: that its disk is empty does not say then that nothing is there.
    pub fn damage(&self) -> Option<&str> {
        self.report().and_then(|(_, report)| report.damage.as_deref())
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
        report: Option<DiskReport>,
        /// Its Redis' container.
        #[serde(skip_serializing_if = "Container::is_unknown")]
        container: Container,
    },
}

/// The container of a pod's Redis, by what its kubelet has reported to the API server: late where the node is dead.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Container {
    /// Nothing was reported of it.
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
pub enum DiskData {
    /// Nothing: it has not reported, or its report has expired.
    Unknown,
    /// Its Redis has copied a master since it started.
    Copied,
    /// What its disk report says, which has not expired.
    Reported(Disk),
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
    /// This run, once its disk report is published; none where nothing is published.
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

/// Whether a host name, whole or cut short, is that of a group's pod. A pod of that name under
/// another domain is a non-member.
pub fn is_name_of(name: &str, pod: &PodName, domain: &str) -> bool {
    let full = format!("{pod}.{domain}");
    full.strip_prefix(name).is_some_and(|rest| rest.is_empty() || rest.starts_with('.')) && name.len() >= pod.to_string().len()
}

/// A span of time in a report: seconds, with three decimals.
fn seconds<S: Serializer>(span: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_f64(Duration::from_millis(u64::try_from(span.as_millis()).unwrap_or(u64::MAX)).as_secs_f64())
}
