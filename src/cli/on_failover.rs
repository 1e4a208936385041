//! `on-failover`.

use std::time::Duration;

use clap::Args;

use super::headings::TIMING;
use super::shared::{Labels, Members, PodArgs, Run, Secrets, Sentinels};
use super::values::duration;

/// `on-failover`.
#[derive(Debug, Args)]
#[command(after_help = "\
Example of what Sentinel runs, on a laptop:
  ordain on-failover --dry-run redis leader start redis-0.redis-headless 6379 redis-1.redis-headless 6379")]
pub struct OnFailover {
    /// Arguments that Sentinel passes: <group> <leader|observer> start <from-ip> <from-port> <to-ip> <to-port>
    #[arg(value_name = "ARGUMENT")]
    pub arguments: Vec<String>,
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
    /// Time after which to end with exit code 1, at most 45s: Sentinel kills its script after 60s
    #[arg(long, env = "ORDAIN_DEADLINE", value_name = "TIME", default_value = "45s", value_parser = duration, help_heading = TIMING)]
    pub deadline: Duration,
}
