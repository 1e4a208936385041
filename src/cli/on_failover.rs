//! `on-failover`.

use std::time::Duration;

use clap::Args;

use super::shared::{Labels, Members, PodArgs, Run, Secrets, Sentinels};
use super::values::duration;

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
