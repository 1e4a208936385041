//! `probe`.

use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};

use super::headings::{GROUP, KUBERNETES, SENTINEL, SERVER, TIMING};
use super::shared::Secrets;
use super::values::duration;
use crate::core::identity::{Group, PodName};
use crate::core::sets::Set;

/// `probe`.
#[derive(Debug, Args)]
#[command(after_help = "\
Example, as a readinessProbe's command or by hand in the container:
  ordain probe redis --readiness")]
pub struct Probe {
    /// Server to ask
    #[arg(value_enum)]
    pub server: Server,
    #[command(flatten)]
    pub question: Question,
    /// Group that a ready Sentinel must know (repeat, or separate by commas) [default: whichever it knows]
    #[arg(long = "group", env = "ORDAIN_GROUP", value_name = "GROUP", help_heading = GROUP, value_delimiter = ',')]
    pub groups: Vec<Group>,
    /// Name of this pod [default: $HOSTNAME]
    ///
    /// Where pods are created in order, a master of a higher ordinal is not waited for.
    #[arg(long, env = "POD_NAME", value_name = "POD", help_heading = KUBERNETES)]
    pub pod_name: Option<PodName>,
    /// StatefulSet of a group that has several, with its number of pods (repeat, or separate by commas)
    ///
    /// Name the StatefulSet of the first master first, and give all containers of the group the same list.
    #[arg(long = "set", help_heading = GROUP, env = "ORDAIN_SETS", value_name = "NAME=COUNT", value_delimiter = ',')]
    pub sets: Vec<Set>,
    /// Address of this pod [default: 127.0.0.1]
    #[arg(long, env = "POD_IP", value_name = "ADDRESS", help_heading = KUBERNETES)]
    pub pod_ip: Option<IpAddr>,
    /// Port of Redis
    #[arg(long, help_heading = GROUP, env = "ORDAIN_PORT", default_value_t = 6379, value_parser = clap::value_parser!(u16).range(1..))]
    pub port: u16,
    /// Port of Sentinel
    #[arg(long, value_name = "PORT", help_heading = SENTINEL, env = "ORDAIN_SENTINEL_PORT", default_value_t = 26379, value_parser = clap::value_parser!(u16).range(1..))]
    pub sentinel_port: u16,
    /// Data directory of Redis: while ordain copies a dump there for the server to load, the pod is alive
    #[arg(long, env = "ORDAIN_DATA_DIR", value_name = "FOLDER", default_value = "/data", help_heading = SERVER)]
    pub data_dir: PathBuf,
    #[command(flatten)]
    pub secrets: Secrets,
    /// Time within which the server must reply
    #[arg(long, env = "ORDAIN_PROBE_DEADLINE", value_name = "TIME", default_value = "1s", value_parser = duration, help_heading = TIMING)]
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
    /// Liveness: pass if the server answers at all, even LOADING
    #[arg(long)]
    pub liveness: bool,
    /// Readiness: pass if a replica is in sync, a master takes writes, a Sentinel has a quorum
    #[arg(long)]
    pub readiness: bool,
    /// Startup: pass as --liveness does; until then ordain may still be deciding
    #[arg(long)]
    pub startup: bool,
}
