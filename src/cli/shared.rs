//! The flags that several subcommands share.

use std::ffi::OsString;
use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::builder::BoolishValueParser;
use clap::{Args, ValueEnum};

use super::values::{duration, label_key, label_value, selector};
use crate::core::conf::TlsFiles;
use crate::core::identity::PodName;
use crate::core::selector::Selector;
use crate::core::sets::Set;

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
