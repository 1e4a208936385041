//! `genconf-redis`.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};

use super::shared::{Labels, Members, PodArgs, Report, Run, Secrets, Sentinels, Text};
use super::values::duration;
use crate::core::identity::Group;
use crate::core::redis_conf::{HIGHEST_PRIORITY, USUAL_PRIORITY};
use crate::core::server::ServerVersion;
use crate::edge::data_directory::Load;

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

/// When Sentinel may promote a replica.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Electable {
    /// Once it is in sync with its master: reconcile makes it so
    InSync,
    /// As soon as it runs, with whatever its disk holds: where nothing runs reconcile
    AtStart,
}
