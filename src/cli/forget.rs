//! `forget`.

use std::time::Duration;

use clap::Args;

use super::shared::{Labels, Members, PodArgs, Run, Secrets, Sentinels};
use super::values::duration;
use crate::core::identity::Group;

/// `forget`.
#[derive(Debug, Args)]
pub struct Forget {
    /// The group
    pub group: Group,
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
    /// Do not ask
    #[arg(long)]
    pub yes: bool,
    /// Also where its pods may still run, or a Sentinel does not answer
    #[arg(long)]
    pub force: bool,
    /// How long to try, your answer included, before giving up with exit code 1
    #[arg(long, env = "ORDAIN_DEADLINE", default_value = "60s", value_parser = duration)]
    pub deadline: Duration,
}
