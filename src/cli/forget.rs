//! `forget`.

use std::time::Duration;

use clap::Args;

use super::headings::TIMING;
use super::shared::{Labels, Members, PodArgs, Run, Secrets, Sentinels};
use super::values::duration;
use crate::core::identity::Group;

/// `forget`.
#[derive(Debug, Args)]
#[command(after_help = "\
Example, once the group's pods are gone:
  ordain forget cache --namespace prod --sentinel-service sentinel")]
pub struct Forget {
    /// Group to forget
    pub group: Group,
    /// Do not ask first
    #[arg(long)]
    pub yes: bool,
    /// Forget the group even where its pods may still run, or a Sentinel does not reply
    #[arg(long)]
    pub force: bool,
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
    /// Time, your answer included, after which to end with exit code 1
    #[arg(long, env = "ORDAIN_DEADLINE", value_name = "TIME", default_value = "60s", value_parser = duration, help_heading = TIMING)]
    pub deadline: Duration,
}
