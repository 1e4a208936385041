//! `handover`.

use std::time::Duration;

use clap::Args;

use super::shared::{Labels, Members, PodArgs, Run, Secrets, Sentinels};
use super::values::duration;
use crate::core::identity::Group;

/// `handover`.
#[derive(Debug, Args)]
pub struct Handover {
    /// The group [default: the first --set, else the pod's name without its ordinal]
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
    #[command(flatten)]
    pub run: Run,
    /// How long to try before giving up with exit code 1; less than the pod's terminationGracePeriodSeconds
    #[arg(long, env = "ORDAIN_HANDOVER_DEADLINE", default_value = "30s", value_parser = duration)]
    pub deadline: Duration,
}
