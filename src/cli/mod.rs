//! The command line: clap types only. Every flag has a variable, so that a manifest needs no shell.

use std::ffi::OsString;
use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::builder::BoolishValueParser;
use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::core::conf::TlsFiles;
use crate::core::identity::{Group, PodName};
use crate::core::redis_conf::{HIGHEST_PRIORITY, USUAL_PRIORITY};
use crate::core::selector::{Selector, is_value};
use crate::core::server::ServerVersion;
use crate::core::sets::Set;
use crate::edge::data_directory::Load;

pub mod usage;

/// The variables that hold a password itself. A password is never an argument.
pub const PASSWORDS: [&str; 2] = ["ORDAIN_PASSWORD", "ORDAIN_SENTINEL_PASSWORD"];

/// Decides which Redis pod of a StatefulSet is the master, writes the redis.conf and sentinel.conf
/// that make it so, and keeps the pods' role labels true through every failover.
///
/// Exit codes: 0 done; 1 undecided or a passing fault, try again; 2 wrong use, wrong configuration
/// or not allowed, trying again will not help.
#[derive(Debug, Parser)]
#[command(name = "ordain", version, disable_help_subcommand = true, subcommand_required = true, arg_required_else_help = false)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// The subcommands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Find out what this pod's Redis shall be, and write its redis.conf
    GenconfRedis(GenconfRedis),
    /// Find out which masters to watch, and write the sentinel.conf
    GenconfSentinel(GenconfSentinel),
    /// Sentinel's client-reconfig-script: move the record and the labels after a failover
    OnFailover(OnFailover),
    /// Put right what differs: the record, the labels, which replicas may be promoted
    Reconcile(Reconcile),
    /// Say whether this pod's server lives or serves: asks it alone, without Kubernetes and without DNS
    Probe(Probe),
    /// Before this pod stops: have a replica promoted in its place, without losing a write
    Handover(Handover),
    /// Have every Sentinel and the record forget a group that is removed
    Forget(Forget),
    /// Free the pods of a dead node, so that their StatefulSets start them elsewhere
    Takeover(Takeover),
    /// Copy this program into a folder, as `ordain` and `on-failover`
    Install(Install),
}

impl Command {
    /// Whether this goes on until a signal ends it, and is done then.
    pub fn ends_by_signal(&self) -> bool {
        match self {
            Self::Takeover(_) => true,
            Self::Reconcile(args) => args.watch,
            _ => false,
        }
    }

    /// How to write the log.
    pub fn log_format(&self) -> Form {
        let run = match self {
            Self::GenconfRedis(args) => &args.run,
            Self::GenconfSentinel(args) => &args.run,
            Self::OnFailover(args) => &args.run,
            Self::Reconcile(args) => &args.run,
            Self::Handover(args) => &args.run,
            Self::Forget(args) => &args.run,
            Self::Takeover(args) => return args.log_format,
            Self::Probe(_) | Self::Install(_) => return Form::Text,
        };
        run.log_format
    }
}

/// `genconf-redis`.
#[derive(Debug, Args)]
pub struct GenconfRedis {
    /// The group: Sentinel's master name and the Lease's name [default: the first --set, else the pod's name without its ordinal]
    #[arg(long, env = "ORDAIN_GROUP")]
    pub group: Option<Group>,
    #[command(flatten)]
    pub pod: PodArgs,
    #[command(flatten)]
    pub members: Members,
    #[command(flatten)]
    pub sentinels: Sentinels,
    #[command(flatten)]
    pub labels: Labels,
    #[command(flatten)]
    pub secrets: Secrets,
    /// The data directory
    #[arg(long, env = "ORDAIN_DATA_DIR", default_value = "/data")]
    pub data_dir: PathBuf,
    /// What to load where other files lie beside it in a data directory in which this program has never started a server: aof, dump, or the name of a file in it
    #[arg(long, env = "ORDAIN_LOAD", value_name = "aof|dump|FILE")]
    pub load: Option<Load>,
    /// The server that loads the data, such as 7.2 or valkey-9.0 [default: as the command after `--` says]
    #[arg(long, env = "ORDAIN_SERVER_VERSION", value_name = "VERSION")]
    pub server_version: Option<ServerVersion>,
    /// When Sentinel may promote this Redis
    #[arg(long, env = "ORDAIN_ELECTABLE", default_value = "in-sync")]
    pub electable: Electable,
    /// This Redis' replica-priority once it may be promoted: of those that have read as far, Sentinel promotes the one
    /// with the lowest; never one with 0
    #[arg(long, env = "ORDAIN_PRIORITY", default_value_t = USUAL_PRIORITY, value_parser = clap::value_parser!(u32).range(..=HIGHEST_PRIORITY))]
    pub priority: u32,
    /// The file to write
    #[arg(long, env = "ORDAIN_OUTPUT", default_value = "/etc/redis/redis.conf")]
    pub output: PathBuf,
    #[command(flatten)]
    pub text: Text,
    #[command(flatten)]
    pub run: Run,
    #[command(flatten)]
    pub report: Report,
    /// How long to look before giving up with exit code 1
    #[arg(long, env = "ORDAIN_DEADLINE", default_value = "60s", value_parser = duration)]
    pub deadline: Duration,
    /// Become this command when the file is written
    #[arg(last = true, value_name = "COMMAND")]
    pub command: Vec<OsString>,
}

/// `genconf-sentinel`.
#[derive(Debug, Args)]
pub struct GenconfSentinel {
    /// A group to watch; repeat or separate by commas [default: every group with a record in the namespace]
    #[arg(long = "group", env = "ORDAIN_GROUP", value_delimiter = ',')]
    pub groups: Vec<Group>,
    #[command(flatten)]
    pub pod: PodArgs,
    #[command(flatten)]
    pub members: Members,
    #[command(flatten)]
    pub sentinels: Sentinels,
    /// How many Sentinels must find the master down [default: a majority of the Sentinels]
    #[arg(long, env = "ORDAIN_QUORUM", value_parser = clap::value_parser!(u32).range(1..))]
    pub quorum: Option<u32>,
    #[command(flatten)]
    pub labels: Labels,
    #[command(flatten)]
    pub secrets: Secrets,
    /// The file to write; what it says of epochs and replicas is kept
    #[arg(long, env = "ORDAIN_OUTPUT", default_value = "/etc/redis/sentinel.conf")]
    pub output: PathBuf,
    #[command(flatten)]
    pub text: Text,
    #[command(flatten)]
    pub run: Run,
    #[command(flatten)]
    pub report: Report,
    /// How long to look before giving up with exit code 1
    #[arg(long, env = "ORDAIN_DEADLINE", default_value = "60s", value_parser = duration)]
    pub deadline: Duration,
    /// Become this command when the file is written
    #[arg(last = true, value_name = "COMMAND")]
    pub command: Vec<OsString>,
}

/// `on-failover`.
#[derive(Debug, Args)]
pub struct OnFailover {
    #[command(flatten)]
    pub pod: PodArgs,
    #[command(flatten)]
    pub members: Members,
    #[command(flatten)]
    pub sentinels: Sentinels,
    #[command(flatten)]
    pub labels: Labels,
    #[command(flatten)]
    pub secrets: Secrets,
    #[command(flatten)]
    pub run: Run,
    /// How long to try before giving up with exit code 1; never more than 45 s, for Sentinel kills the hook after 60 s
    #[arg(long, env = "ORDAIN_DEADLINE", default_value = "45s", value_parser = duration)]
    pub deadline: Duration,
    /// What Sentinel passes: <group> <leader|observer> start <from-ip> <from-port> <to-ip> <to-port>
    #[arg(value_name = "ARGUMENT")]
    pub arguments: Vec<String>,
}

/// `reconcile`.
#[derive(Debug, Args)]
pub struct Reconcile {
    /// A group; repeat or separate by commas [default: every group with a record in the namespace]
    #[arg(long = "group", env = "ORDAIN_GROUP", value_delimiter = ',')]
    pub groups: Vec<Group>,
    #[command(flatten)]
    pub pod: PodArgs,
    #[command(flatten)]
    pub members: Members,
    #[command(flatten)]
    pub sentinels: Sentinels,
    #[command(flatten)]
    pub labels: Labels,
    #[command(flatten)]
    pub secrets: Secrets,
    #[command(flatten)]
    pub run: Run,
    /// Go on until SIGTERM
    #[arg(long, conflicts_with = "assume_master")]
    pub watch: bool,
    /// Force POD to be the master. Writes that only other pods hold are lost: how much that is is shown and asked about first, with --dry-run only shown
    #[arg(long, value_name = "POD")]
    pub assume_master: Option<PodName>,
    /// Do not ask
    #[arg(long, requires = "assume_master")]
    pub yes: bool,
    /// After how long without its master a replica loses its label until it is in sync again, so that nobody reads old data from it; `off` for reads at any price
    #[arg(long, env = "ORDAIN_STALE_AFTER", default_value = "30s", value_parser = duration_or_off)]
    pub stale_after: Limit,
    /// How long one pass may take before it gives up with exit code 1
    #[arg(long, env = "ORDAIN_DEADLINE", default_value = "45s", value_parser = duration)]
    pub deadline: Duration,
}

/// A time, or none. (For clap an `Option` is a flag that may be missing.)
#[derive(Debug, Clone, Copy)]
pub struct Limit(pub Option<Duration>);

/// `probe`.
#[derive(Debug, Args)]
pub struct Probe {
    /// The server that is asked
    #[arg(value_enum)]
    pub server: Server,
    #[command(flatten)]
    pub question: Question,
    /// A group that a ready Sentinel must know; repeat or separate by commas [default: whichever it knows]
    #[arg(long = "group", env = "ORDAIN_GROUP", value_delimiter = ',')]
    pub groups: Vec<Group>,
    /// This pod's name, whose ordinal tells for whom it cannot wait [default: $HOSTNAME]
    #[arg(long, env = "POD_NAME")]
    pub pod_name: Option<PodName>,
    /// A StatefulSet of the group, where there are several: as for the other subcommands
    #[arg(long = "set", env = "ORDAIN_SETS", value_name = "NAME=COUNT", value_delimiter = ',')]
    pub sets: Vec<Set>,
    /// This pod's address [default: 127.0.0.1]
    #[arg(long, env = "POD_IP")]
    pub pod_ip: Option<IpAddr>,
    /// The port of Redis
    #[arg(long, env = "ORDAIN_PORT", default_value_t = 6379, value_parser = clap::value_parser!(u16).range(1..))]
    pub port: u16,
    /// The port of Sentinel
    #[arg(long, env = "ORDAIN_SENTINEL_PORT", default_value_t = 26379, value_parser = clap::value_parser!(u16).range(1..))]
    pub sentinel_port: u16,
    /// The data directory: while ordain copies its snapshot there, so that the server can load it, the pod lives
    #[arg(long, env = "ORDAIN_DATA_DIR", default_value = "/data")]
    pub data_dir: PathBuf,
    #[command(flatten)]
    pub secrets: Secrets,
    /// How long the server may take for its answer
    #[arg(long, env = "ORDAIN_PROBE_DEADLINE", default_value = "1s", value_parser = duration)]
    pub deadline: Duration,
}

/// A server that is probed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Server {
    /// Redis or Valkey
    Redis,
    /// Sentinel
    Sentinel,
}

/// What a probe wants to know.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
pub struct Question {
    /// Does it live? Whatever it answers, it does: also that it is loading
    #[arg(long)]
    pub liveness: bool,
    /// Does it serve? A replica that is in sync, a master that takes writes, a Sentinel with a quorum
    #[arg(long)]
    pub readiness: bool,
    /// Has it started? As --liveness; until then ordain may still be deciding
    #[arg(long)]
    pub startup: bool,
}

/// `handover`.
#[derive(Debug, Args)]
pub struct Handover {
    /// The group [default: the first --set, else the pod's name without its ordinal]
    #[arg(long, env = "ORDAIN_GROUP")]
    pub group: Option<Group>,
    #[command(flatten)]
    pub pod: PodArgs,
    #[command(flatten)]
    pub members: Members,
    #[command(flatten)]
    pub sentinels: Sentinels,
    #[command(flatten)]
    pub labels: Labels,
    #[command(flatten)]
    pub secrets: Secrets,
    #[command(flatten)]
    pub run: Run,
    /// How long to try before giving up with exit code 1; less than the pod's terminationGracePeriodSeconds
    #[arg(long, env = "ORDAIN_HANDOVER_DEADLINE", default_value = "30s", value_parser = duration)]
    pub deadline: Duration,
}

/// `forget`.
#[derive(Debug, Args)]
pub struct Forget {
    /// The group
    pub group: Group,
    #[command(flatten)]
    pub pod: PodArgs,
    #[command(flatten)]
    pub members: Members,
    #[command(flatten)]
    pub sentinels: Sentinels,
    #[command(flatten)]
    pub labels: Labels,
    #[command(flatten)]
    pub secrets: Secrets,
    #[command(flatten)]
    pub run: Run,
    /// Do not ask
    #[arg(long)]
    pub yes: bool,
    /// Also where its pods may still run, or a Sentinel does not answer
    #[arg(long)]
    pub force: bool,
    /// How long to try, your answer included, before giving up with exit code 1
    #[arg(long, env = "ORDAIN_DEADLINE", default_value = "60s", value_parser = duration)]
    pub deadline: Duration,
}

/// `takeover`.
#[derive(Debug, Args)]
pub struct Takeover {
    /// For how long a node's Ready must be Unknown before anything is done; for a quarter of it, at least, it must have been silent when this program knocked
    #[arg(long, env = "ORDAIN_GRACE", default_value = "20s", value_parser = grace)]
    pub grace: Duration,
    /// How the pods of a dead node are freed
    #[arg(long, env = "ORDAIN_METHOD", default_value = "out-of-service")]
    pub method: Method,
    /// How many nodes may be out of service by this program at once
    #[arg(long, env = "ORDAIN_AT_MOST", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    pub at_most: u32,
    /// The pods, in all namespaces, for whose sake something is done
    #[arg(
        long,
        env = "ORDAIN_SELECTOR",
        value_parser = selector,
        default_value = "app.kubernetes.io/name=redis,app.kubernetes.io/component in (redis,sentinel)"
    )]
    pub selector: Selector,
    /// The nodes to look after, of which a majority must be Ready [default: all]
    #[arg(long, env = "ORDAIN_NODE_SELECTOR", value_parser = selector)]
    pub node_selector: Option<Selector>,
    /// The Lease whose holder acts; it must exist
    #[arg(long, env = "ORDAIN_LEASE", default_value = "node-takeover")]
    pub lease: String,
    /// This pod's name, as which it holds the Lease
    #[arg(long, env = "POD_NAME", default_value = "takeover")]
    pub pod_name: String,
    /// The namespace of the Lease [default: the service account's or the kubeconfig's]
    #[arg(long, env = "POD_NAMESPACE")]
    pub namespace: Option<String>,
    /// Tell what would be done, and touch nothing, the Lease included
    #[arg(long)]
    pub dry_run: bool,
    /// Which name servers to ask, and under which domains
    #[arg(long, env = "ORDAIN_RESOLV_CONF", default_value = "/etc/resolv.conf")]
    pub resolv_conf: PathBuf,
    /// How to write the log on stderr
    #[arg(long, env = "ORDAIN_LOG_FORMAT", default_value = "text")]
    pub log_format: Form,
}

/// How the pods of a dead node are freed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Method {
    /// By the taint node.kubernetes.io/out-of-service (Kubernetes 1.28): its volumes are detached, and its pods deleted
    OutOfService,
    /// By deleting the Node and its pods
    DeleteNode,
}

/// `install`.
#[derive(Debug, Args)]
pub struct Install {
    /// The folder, such as a volume that the Sentinel container mounts
    pub dir: PathBuf,
}

/// Which pod this is.
#[derive(Debug, Args)]
pub struct PodArgs {
    /// This pod's name [default: $HOSTNAME]
    #[arg(long, env = "POD_NAME")]
    pub pod_name: Option<PodName>,
    /// This pod's address
    #[arg(long, env = "POD_IP")]
    pub pod_ip: Option<IpAddr>,
    /// The namespace [default: the service account's or the kubeconfig's]
    #[arg(long, env = "POD_NAMESPACE")]
    pub namespace: Option<String>,
}

/// The group's Redis pods.
#[derive(Debug, Args)]
pub struct Members {
    /// The headless Service that names the Redis pods [default: <statefulset>-headless, of the first --set]
    #[arg(long, env = "ORDAIN_SERVICE")]
    pub service: Option<String>,
    /// A StatefulSet of the group with its pods, where there are several; repeat or separate by commas, that of the first master first
    #[arg(long = "set", env = "ORDAIN_SETS", value_name = "NAME=COUNT", value_delimiter = ',', conflicts_with = "replicas")]
    pub sets: Vec<Set>,
    /// How many pods the group has, where its StatefulSet is the only one
    #[arg(long, env = "ORDAIN_REPLICAS", default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub replicas: u32,
    /// The pod that leads a first boot [default: <group>-0, or that of the first --set]
    #[arg(long, env = "ORDAIN_FIRST_POD")]
    pub first_pod: Option<PodName>,
    /// The port of Redis
    #[arg(long, env = "ORDAIN_PORT", default_value_t = 6379, value_parser = clap::value_parser!(u16).range(1..))]
    pub port: u16,
    /// What Redis and Sentinel call themselves
    #[arg(long, env = "ORDAIN_ANNOUNCE", default_value = "hostname")]
    pub announce: Announce,
    /// After how long Sentinel finds a silent master down
    #[arg(long, env = "ORDAIN_DOWN_AFTER", default_value = "5s", value_parser = duration)]
    pub down_after: Duration,
    /// After how long a pod that is away is not waited for, and a master that is away is given up
    #[arg(long, env = "ORDAIN_HOLDER_GRACE", default_value = "5m", value_parser = duration)]
    pub holder_grace: Duration,
}

/// When Sentinel may promote a replica.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Electable {
    /// Once it is in sync with its master: reconcile makes it so
    InSync,
    /// As soon as it runs, with whatever its disk holds: where nothing runs reconcile
    AtStart,
}

/// What servers call themselves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Announce {
    /// Their pod's host name, which outlives its address
    Hostname,
    /// Their pod's address
    Ip,
}

/// Where the Sentinels are.
#[derive(Debug, Args)]
pub struct Sentinels {
    /// A Sentinel as host[:port]; repeat or separate by commas
    #[arg(long = "sentinel", env = "ORDAIN_SENTINELS", value_delimiter = ',', conflicts_with = "sentinel_service")]
    pub named: Vec<String>,
    /// A headless Service whose SRV or A/AAAA records are the Sentinels
    #[arg(long, env = "ORDAIN_SENTINEL_SERVICE")]
    pub sentinel_service: Option<String>,
    /// Of how many Sentinels the majority is taken [default: as many as were named, 3 with --sentinel-service]
    #[arg(long, env = "ORDAIN_SENTINEL_COUNT")]
    pub sentinel_count: Option<u32>,
    /// The port of Sentinel
    #[arg(long, env = "ORDAIN_SENTINEL_PORT", default_value_t = 26379, value_parser = clap::value_parser!(u16).range(1..))]
    pub sentinel_port: u16,
}

/// How the pods are found and labelled.
#[derive(Debug, Args)]
pub struct Labels {
    /// Which pods are the group's [default: app.kubernetes.io/instance=<group>,app.kubernetes.io/component=redis]
    #[arg(long, env = "ORDAIN_SELECTOR", value_parser = selector)]
    pub selector: Option<Selector>,
    /// The label's key
    #[arg(long, env = "ORDAIN_LABEL_KEY", default_value = "role", value_parser = label_key)]
    pub label_key: String,
    /// The label's value on the master
    #[arg(long, env = "ORDAIN_MASTER_VALUE", default_value = "master", value_parser = label_value)]
    pub master_value: String,
    /// The label's value on a replica
    #[arg(long, env = "ORDAIN_REPLICA_VALUE", default_value = "slave", value_parser = label_value)]
    pub replica_value: String,
}

/// How to log in. A password is never an argument: it comes from a file, or from ORDAIN_PASSWORD
/// and ORDAIN_SENTINEL_PASSWORD.
#[derive(Debug, Args)]
pub struct Secrets {
    /// A file with the password of Redis; a final line break is not part of it
    #[arg(long, env = "ORDAIN_PASSWORD_FILE")]
    pub password_file: Option<PathBuf>,
    /// The ACL user under which Redis is spoken to; define it by --extra-config
    #[arg(long, env = "ORDAIN_USER")]
    pub user: Option<OsString>,
    /// A file with the password of Sentinel
    #[arg(long, env = "ORDAIN_SENTINEL_PASSWORD_FILE")]
    pub sentinel_password_file: Option<PathBuf>,
    /// The ACL user under which Sentinel is spoken to; define it by --extra-config
    #[arg(long, env = "ORDAIN_SENTINEL_USER")]
    pub sentinel_user: Option<OsString>,
    #[command(flatten)]
    pub tls: Certificates,
}

/// TLS, by all three files or none.
#[allow(clippy::struct_field_names, reason = "the flags are called so")]
#[derive(Debug, Args)]
pub struct Certificates {
    /// The certificates of the authorities to trust, in PEM
    #[arg(long, env = "ORDAIN_TLS_CA", requires_all = ["tls_cert", "tls_key"])]
    pub tls_ca: Option<PathBuf>,
    /// The certificate of this pod's servers, and what ordain itself shows to others, in PEM
    #[arg(long, env = "ORDAIN_TLS_CERT", requires_all = ["tls_ca", "tls_key"])]
    pub tls_cert: Option<PathBuf>,
    /// Its key, in PEM
    #[arg(long, env = "ORDAIN_TLS_KEY", requires_all = ["tls_ca", "tls_cert"])]
    pub tls_key: Option<PathBuf>,
}

impl Certificates {
    /// The three files, where TLS is spoken.
    pub fn files(&self) -> Option<TlsFiles<'_>> {
        let Self { tls_ca, tls_cert, tls_key } = self;
        Some(TlsFiles { ca: tls_ca.as_deref()?, cert: tls_cert.as_deref()?, key: tls_key.as_deref()? })
    }
}

/// Where the file's text comes from.
#[derive(Debug, Args)]
pub struct Text {
    /// A Tera template to use for the built-in one
    #[arg(long, env = "ORDAIN_TEMPLATE")]
    pub template: Option<PathBuf>,
    /// A file to append, or a folder of such files in the order of their names; repeat or separate by commas. None may
    /// say what ordain decides
    #[arg(long, env = "ORDAIN_EXTRA_CONFIG", value_delimiter = ',')]
    pub extra_config: Vec<PathBuf>,
}

/// How a decision explains itself.
#[derive(Debug, Args)]
pub struct Report {
    /// Print the decision with all its evidence
    #[arg(long)]
    pub explain: bool,
    /// How to print that: as text to stderr, or as JSON to stdout, in a dry run with the file in it
    #[arg(short = 'o', long = "explain-as", default_value = "text", requires = "explain")]
    pub form: Form,
}

/// How a report or the log is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Form {
    /// For people
    Text,
    /// For programs
    Json,
}

/// How to run.
#[derive(Debug, Args)]
#[allow(clippy::struct_field_names, reason = "a dry run is called so")]
pub struct Run {
    /// Print what would be written, recorded and labelled, and touch nothing
    #[arg(long)]
    pub dry_run: bool,
    /// Keep no record and set no labels: there is no Kubernetes here
    #[arg(long, env = "ORDAIN_NO_KUBERNETES", value_parser = BoolishValueParser::new())]
    pub no_kubernetes: bool,
    /// Which name servers to ask, and under which domains
    #[arg(long, env = "ORDAIN_RESOLV_CONF", default_value = "/etc/resolv.conf")]
    pub resolv_conf: PathBuf,
    /// How to write the log on stderr
    #[arg(long, env = "ORDAIN_LOG_FORMAT", default_value = "text")]
    pub log_format: Form,
}

/// Longer than anybody waits, and short enough for every clock.
const LONGEST: Duration = Duration::from_secs(24 * 60 * 60);

fn duration(word: &str) -> Result<Duration, String> {
    match humantime::parse_duration(word) {
        Ok(duration) if duration < Duration::from_millis(1) => Err("it must be at least `1ms`".to_owned()),
        Ok(duration) if duration > LONGEST => Err("it must be at most `24h`".to_owned()),
        Ok(duration) => Ok(duration),
        Err(_) => Err("write it as `5s`, `500ms` or `5m`".to_owned()),
    }
}

/// So that nobody knocks without a pause.
fn grace(word: &str) -> Result<Duration, String> {
    let grace = duration(word)?;
    if grace < Duration::from_secs(1) { Err("it must be at least `1s`".to_owned()) } else { Ok(grace) }
}

fn duration_or_off(word: &str) -> Result<Limit, String> {
    if word == "off" { Ok(Limit(None)) } else { duration(word).map(Some).map(Limit) }
}

/// A label's key (Kubernetes `IsQualifiedName`).
fn label_key(word: &str) -> Result<String, String> {
    let (prefix, name) = word.split_once('/').map_or((None, word), |(prefix, name)| (Some(prefix), name));
    let is_prefix = |prefix: &str| prefix.parse::<Group>().is_ok();
    if prefix.is_none_or(is_prefix) && !name.is_empty() && label_value(name).is_ok() {
        return Ok(word.to_owned());
    }
    Err("a label's key is a word as `role`, or `example.com/role`".to_owned())
}

/// A label's value (Kubernetes `IsValidLabelValue`).
fn label_value(word: &str) -> Result<String, String> {
    if is_value(word) {
        return Ok(word.to_owned());
    }
    Err("a label's value has at most 63 letters, digits, `-`, `_` and `.`, as `master`".to_owned())
}

fn selector(word: &str) -> Result<Selector, String> {
    word.parse().map_err(|()| "not a valid selector".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn a_selector_is_read_as_kubernetes_reads_it() {
        for valid in [
            "app=redis",
            "app.kubernetes.io/name=redis,app.kubernetes.io/component in (redis,sentinel)",
            " app == redis , tier != x , !gone, there , a notin (b,c),n>1, m < -2, e=, s in(a,)",
        ] {
            assert_eq!(selector(valid).unwrap().as_str(), valid);
        }
        for invalid in [
            "",
            ",",
            "app=redis,,",
            "app=redis,",
            "app=re dis",
            "=x",
            "a/b/c",
            "app in redis",
            "app in (a",
            "n>x",
            "a=b=c",
            "!",
            "a b",
        ] {
            assert!(selector(invalid).is_err(), "{invalid}");
        }
    }

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }
}
