//! `genconf-redis`.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};

use super::headings::{GROUP, OUTPUT, SERVER, TIMING};
use super::shared::{Labels, Members, PodArgs, Report, Run, Secrets, Sentinels, Text};
use super::values::duration;
use crate::core::identity::Group;
use crate::core::redis_conf::{HIGHEST_PRIORITY, USUAL_PRIORITY};
use crate::core::server::ServerVersion;
use crate::edge::data_directory::Load;

/// `genconf-redis`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  as a container's command:
    ordain genconf-redis --sentinel-service sentinel -- redis-server /etc/redis/redis.conf
  on a laptop, without a cluster:
    ordain genconf-redis --dry-run --explain --pod-name redis-1")]
pub struct GenconfRedis {
    /// Command that replaces ordain once the file is written
    #[arg(last = true, value_name = "COMMAND")]
    pub command: Vec<OsString>,
    /// Name of the group: Sentinel's master name and the name of the Lease [default: the first --set, else the pod's name without its ordinal]
    #[arg(long, env = "ORDAIN_GROUP", help_heading = GROUP)]
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
    /// Data directory of Redis
    #[arg(long, env = "ORDAIN_DATA_DIR", value_name = "FOLDER", default_value = "/data", help_heading = SERVER)]
    pub data_dir: PathBuf,
    /// Data to load from a directory that another tool has left with several data files; the rest is set aside
    ///
    /// aof, dump, or the name of a file in it. Not needed where ordain has started a server in that directory before.
    #[arg(long, env = "ORDAIN_LOAD", value_name = "aof|dump|FILE", help_heading = SERVER)]
    pub load: Option<Load>,
    /// Version of the server that loads the data, such as 7.2 or valkey-9.0 [default: as the command after `--` prints it]
    #[arg(long, env = "ORDAIN_SERVER_VERSION", value_name = "VERSION", help_heading = SERVER)]
    pub server_version: Option<ServerVersion>,
    /// When Sentinel may promote this Redis
    #[arg(long, alias = "electable", env = "ORDAIN_PROMOTABLE", value_name = "WHEN", default_value = "in-sync", help_heading = SERVER)]
    pub promotable: Promotable,
    /// Replica-priority of this Redis once it is promotable: Sentinel prefers the lowest, and never promotes 0
    ///
    /// Published with the disk report. With 0 this pod is not promoted in the place of a lost master either; of a new
    /// group the first pod is master all the same. Where every other pod has 0, `reconcile` warns that no failover will
    /// happen.
    #[arg(long, env = "ORDAIN_PRIORITY", value_name = "NUMBER", help_heading = SERVER, default_value_t = USUAL_PRIORITY, value_parser = clap::value_parser!(u32).range(..=HIGHEST_PRIORITY))]
    pub priority: u32,
    /// File to write
    #[arg(long, env = "ORDAIN_OUTPUT", value_name = "FILE", help_heading = OUTPUT, default_value = "/etc/redis/redis.conf")]
    pub output: PathBuf,
    #[command(flatten)]
    pub text: Text,
    #[command(flatten)]
    pub run: Run,
    #[command(flatten)]
    pub report: Report,
    /// Time without a decision after which to end with exit code 1
    #[arg(long, env = "ORDAIN_DEADLINE", value_name = "TIME", default_value = "60s", value_parser = duration, help_heading = TIMING)]
    pub deadline: Duration,
}

/// When Sentinel may promote a replica.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Promotable {
    /// Once `reconcile` has seen it in sync with its master
    InSync,
    /// As soon as it runs, whatever its disk holds: where nothing runs `reconcile`
    AtStart,
}
