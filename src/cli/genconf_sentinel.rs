//! `genconf-sentinel`.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use super::headings::{GROUP, OUTPUT, SENTINEL, TIMING};
use super::shared::{Labels, Members, PodArgs, Report, Run, Secrets, Sentinels, Text};
use super::values::duration;
use crate::core::identity::Group;

/// `genconf-sentinel`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  as a container's command:
    ordain genconf-sentinel --sentinel-service sentinel -- redis-server /etc/redis/sentinel.conf --sentinel
  on a laptop, without a cluster:
    ordain genconf-sentinel --dry-run --pod-name sentinel-0 --group redis --sentinel-service sentinel")]
pub struct GenconfSentinel {
    /// Command that replaces ordain once the file is written
    #[arg(last = true, value_name = "COMMAND")]
    pub command: Vec<OsString>,
    /// Group to watch (repeat, or separate by commas) [default: every group with a record in the namespace, once there is one]
    #[arg(long = "group", env = "ORDAIN_GROUP", value_name = "GROUP", help_heading = GROUP, value_delimiter = ',')]
    pub groups: Vec<Group>,
    #[command(flatten)]
    pub pod: PodArgs,
    #[command(flatten)]
    pub members: Members,
    #[command(flatten)]
    pub sentinels: Sentinels,
    /// Number of Sentinels that must find the master down [default: a majority of all]
    #[arg(long, env = "ORDAIN_QUORUM", value_name = "COUNT", help_heading = SENTINEL, value_parser = clap::value_parser!(u32).range(1..))]
    pub quorum: Option<u32>,
    #[command(flatten)]
    pub labels: Labels,
    #[command(flatten)]
    pub secrets: Secrets,
    /// File to write; the epochs and replicas in an earlier one are kept
    #[arg(long, env = "ORDAIN_OUTPUT", value_name = "FILE", help_heading = OUTPUT, default_value = "/etc/redis/sentinel.conf")]
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
