//! The flags that several subcommands share.

use std::ffi::OsString;
use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::builder::BoolishValueParser;
use clap::{Args, ValueEnum};

use super::headings::{GROUP, KUBERNETES, OUTPUT, SECURITY, SENTINEL, SERVER, TIMING};
use super::values::{duration, label_key, label_value, selector};
use crate::core::conf::TlsFiles;
use crate::core::identity::PodName;
use crate::core::selector::Selector;
use crate::core::sets::Set;

/// Which pod this is.
#[derive(Debug, Args)]
#[command(next_help_heading = KUBERNETES)]
pub struct PodArgs {
    /// Name of this pod [default: $HOSTNAME]
    #[arg(long, env = "POD_NAME", value_name = "POD")]
    pub pod_name: Option<PodName>,
    /// Address of this pod
    #[arg(long, env = "POD_IP", value_name = "ADDRESS")]
    pub pod_ip: Option<IpAddr>,
    /// Namespace of the pods and of the record [default: that of the service account, else of the kubeconfig]
    #[arg(long, env = "POD_NAMESPACE")]
    pub namespace: Option<String>,
}

/// The group's Redis pods.
#[derive(Debug, Args)]
#[command(next_help_heading = GROUP)]
pub struct Members {
    /// Headless Service of the Redis pods [default: <statefulset>-headless, of the first --set]
    ///
    /// A name with a dot in it is taken as it is.
    #[arg(long, env = "ORDAIN_SERVICE")]
    pub service: Option<String>,
    /// StatefulSet of a group that has several, with its number of pods (repeat, or separate by commas)
    ///
    /// Name the StatefulSet of the first master first, and give all containers of the group the same list.
    #[arg(long = "set", env = "ORDAIN_SETS", value_name = "NAME=COUNT", value_delimiter = ',', conflicts_with = "replicas")]
    pub sets: Vec<Set>,
    /// Number of Redis pods of a group that has one StatefulSet, at most 1000
    #[arg(long, env = "ORDAIN_REPLICAS", value_name = "COUNT", default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub replicas: u32,
    /// Pod that is the master of a new group [default: ordinal 0, of the first --set]
    #[arg(long, env = "ORDAIN_FIRST_POD", value_name = "POD")]
    pub first_pod: Option<PodName>,
    /// Port of Redis
    #[arg(long, env = "ORDAIN_PORT", default_value_t = 6379, value_parser = clap::value_parser!(u16).range(1..))]
    pub port: u16,
    /// Address under which Redis and Sentinel announce themselves
    #[arg(long, env = "ORDAIN_ANNOUNCE", value_name = "KIND", default_value = "hostname")]
    pub announce: Announce,
    /// Time without a reply after which Sentinel finds a server down
    ///
    /// Data also counts as newer only if it is newer by more than this.
    #[arg(long, env = "ORDAIN_DOWN_AFTER", value_name = "TIME", default_value = "5s", value_parser = duration, help_heading = TIMING)]
    pub down_after: Duration,
    /// Time after which a pod that stays away is not waited for, and a master that stays away is abandoned
    #[arg(long, env = "ORDAIN_HOLDER_GRACE", value_name = "TIME", default_value = "5m", value_parser = duration, help_heading = TIMING)]
    pub holder_grace: Duration,
}

/// What servers call themselves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Announce {
    /// Host name of the pod, which outlives its address
    Hostname,
    /// Address of the pod
    Ip,
}

/// Where the Sentinels are.
#[derive(Debug, Args)]
#[command(next_help_heading = SENTINEL)]
pub struct Sentinels {
    /// Address of a Sentinel (repeat, or separate by commas)
    #[arg(
        long = "sentinel",
        env = "ORDAIN_SENTINELS",
        value_name = "HOST[:PORT]",
        value_delimiter = ',',
        conflicts_with = "sentinel_service"
    )]
    pub named: Vec<String>,
    /// Headless Service of the Sentinels, instead of their addresses
    ///
    /// Its SRV records are the Sentinels, else its A and AAAA records.
    #[arg(long, env = "ORDAIN_SENTINEL_SERVICE", value_name = "SERVICE")]
    pub sentinel_service: Option<String>,
    /// Total number of Sentinels, of which a majority must agree [default: as many as are named, 3 with --sentinel-service]
    #[arg(long, env = "ORDAIN_SENTINEL_COUNT", value_name = "COUNT")]
    pub sentinel_count: Option<u32>,
    /// Port of Sentinel
    #[arg(long, env = "ORDAIN_SENTINEL_PORT", value_name = "PORT", default_value_t = 26379, value_parser = clap::value_parser!(u16).range(1..))]
    pub sentinel_port: u16,
}

/// How the pods are found and labelled.
#[derive(Debug, Args)]
#[command(next_help_heading = KUBERNETES)]
pub struct Labels {
    /// Label selector of the group's Redis pods [default: app.kubernetes.io/instance=<group>,app.kubernetes.io/component=redis]
    #[arg(long, env = "ORDAIN_SELECTOR", value_parser = selector)]
    pub selector: Option<Selector>,
    /// Key of the role label
    #[arg(long, env = "ORDAIN_LABEL_KEY", value_name = "KEY", default_value = "role", value_parser = label_key)]
    pub label_key: String,
    /// Value of the role label on the master
    #[arg(long, env = "ORDAIN_MASTER_VALUE", value_name = "VALUE", default_value = "master", value_parser = label_value)]
    pub master_value: String,
    /// Value of the role label on a replica
    #[arg(long, env = "ORDAIN_REPLICA_VALUE", value_name = "VALUE", default_value = "slave", value_parser = label_value)]
    pub replica_value: String,
}

/// How to log in. A password is never an argument: it comes from a file, or from ORDAIN_PASSWORD
/// and ORDAIN_SENTINEL_PASSWORD.
#[derive(Debug, Args)]
#[command(next_help_heading = SECURITY)]
pub struct Secrets {
    /// File with the password of Redis, instead of the password itself in ORDAIN_PASSWORD
    ///
    /// A line break at its end is not part of the password.
    #[arg(long, env = "ORDAIN_PASSWORD_FILE", value_name = "FILE")]
    pub password_file: Option<PathBuf>,
    /// ACL user as which ordain logs in to Redis [default: default]
    ///
    /// Define that user by --extra-config.
    #[arg(long, env = "ORDAIN_USER")]
    pub user: Option<OsString>,
    /// File with the password of Sentinel, instead of the password itself in ORDAIN_SENTINEL_PASSWORD
    #[arg(long, env = "ORDAIN_SENTINEL_PASSWORD_FILE", value_name = "FILE")]
    pub sentinel_password_file: Option<PathBuf>,
    /// ACL user as which ordain logs in to Sentinel [default: default]
    ///
    /// Define that user by --extra-config.
    #[arg(long, env = "ORDAIN_SENTINEL_USER", value_name = "USER")]
    pub sentinel_user: Option<OsString>,
    #[command(flatten)]
    pub tls: Certificates,
}

/// TLS, by all three files or none.
#[allow(clippy::struct_field_names, reason = "the flags are called so")]
#[derive(Debug, Args)]
#[command(next_help_heading = SECURITY)]
pub struct Certificates {
    /// CA certificates to trust, in PEM; TLS needs all three files
    #[arg(long, env = "ORDAIN_TLS_CA", value_name = "FILE", requires_all = ["tls_cert", "tls_key"])]
    pub tls_ca: Option<PathBuf>,
    /// Certificate of this pod's servers, and of ordain as their client, in PEM
    #[arg(long, env = "ORDAIN_TLS_CERT", value_name = "FILE", requires_all = ["tls_ca", "tls_key"])]
    pub tls_cert: Option<PathBuf>,
    /// Private key of that certificate, in PEM
    #[arg(long, env = "ORDAIN_TLS_KEY", value_name = "FILE", requires_all = ["tls_ca", "tls_cert"])]
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
#[command(next_help_heading = SERVER)]
pub struct Text {
    /// Tera template of the file, instead of the built-in one
    #[arg(long, env = "ORDAIN_TEMPLATE", value_name = "FILE")]
    pub template: Option<PathBuf>,
    /// File to append, or folder of such files (repeat, or separate by commas)
    ///
    /// The files of a folder are appended in the order of their names. They may not set what ordain decides.
    #[arg(long, env = "ORDAIN_EXTRA_CONFIG", value_name = "PATH", value_delimiter = ',')]
    pub extra_config: Vec<PathBuf>,
}

/// How a decision explains itself.
#[derive(Debug, Args)]
#[command(next_help_heading = OUTPUT)]
pub struct Report {
    /// Print the decision and all its evidence
    #[arg(long)]
    pub explain: bool,
    /// Form of that: text on stderr, or JSON on stdout, which in a dry run holds the file, too
    #[arg(short = 'o', long = "explain-as", value_name = "FORM", default_value = "text", requires = "explain")]
    pub form: Form,
}

/// How a report or the log is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Form {
    /// Lines for people
    Text,
    /// JSON for programs
    Json,
}

/// How to run.
#[derive(Debug, Args)]
#[command(next_help_heading = OUTPUT)]
#[allow(clippy::struct_field_names, reason = "a dry run is called so")]
pub struct Run {
    /// Print what would be written, recorded and labelled, and change nothing
    #[arg(long)]
    pub dry_run: bool,
    /// Run without Kubernetes: no record, no labels
    #[arg(long, env = "ORDAIN_NO_KUBERNETES", value_parser = BoolishValueParser::new(), help_heading = KUBERNETES)]
    pub no_kubernetes: bool,
    /// File that names the DNS servers and the search domains
    #[arg(long, env = "ORDAIN_RESOLV_CONF", value_name = "FILE", default_value = "/etc/resolv.conf", help_heading = KUBERNETES)]
    pub resolv_conf: PathBuf,
    /// Form of the log on stderr
    #[arg(long, env = "ORDAIN_LOG_FORMAT", value_name = "FORM", default_value = "text")]
    pub log_format: Form,
}
