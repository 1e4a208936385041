//! `handover`.

use std::time::Duration;

use clap::Args;

use super::headings::{GROUP, TIMING};
use super::shared::{Labels, Members, PodArgs, Run, Secrets, Sentinels};
use super::values::duration;
use crate::core::identity::Group;

/// `handover`.
#[derive(Debug, Args)]
#[command(after_help = "\
Example, as the Redis container's preStop or by hand in it:
  ordain handover --sentinel-service sentinel --deadline 20s")]
pub struct Handover {
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
    #[command(flatten)]
    pub run: Run,
    /// Time after which to end with exit code 1; less than the pod's terminationGracePeriodSeconds
    #[arg(long, env = "ORDAIN_HANDOVER_DEADLINE", value_name = "TIME", default_value = "30s", value_parser = duration, help_heading = TIMING)]
    pub deadline: Duration,
}
