//! `genconf-sentinel`.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use super::shared::{Labels, Members, PodArgs, Report, Run, Secrets, Sentinels, Text};
use super::values::duration;
use crate::core::identity::Group;

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
