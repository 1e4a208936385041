//! `probe`.

use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};

use super::shared::Secrets;
use super::values::duration;
use crate::core::identity::{Group, PodName};
use crate::core::sets::Set;

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
