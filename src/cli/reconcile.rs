//! `reconcile`.

use std::time::Duration;

use clap::Args;

use super::shared::{Labels, Members, PodArgs, Run, Secrets, Sentinels};
use super::values::{Limit, duration, duration_or_off};
use crate::core::identity::{Group, PodName};

/// `reconcile`.
#[derive(Debug, Args)]
pub struct Reconcile {
    /// A group; repeat or separate by commas [default: every group with a record in the namespace]
    #[arg(long = "group", env = "ORDAIN_GROUP", value_delimiter = ',')]
    pub groups: Vec<Group>,
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
    /// Go on until SIGTERM
    #[arg(long, conflicts_with = "assume_master")]
    pub watch: bool,
    /// Force POD to be the master. Writes that only other pods hold are lost: how much that is is shown and asked about first, with --dry-run only shown
    #[arg(long, value_name = "POD")]
    pub assume_master: Option<PodName>,
    /// Do not ask
    #[arg(long, requires = "assume_master")]
    pub yes: bool,
    /// After how long without its master a replica loses its label until it is in sync again, so that nobody reads old data from it; `off` for reads at any price
    #[arg(long, env = "ORDAIN_STALE_AFTER", default_value = "30s", value_parser = duration_or_off)]
    pub stale_after: Limit,
    /// How long one pass may take before it gives up with exit code 1
    #[arg(long, env = "ORDAIN_DEADLINE", default_value = "45s", value_parser = duration)]
    pub deadline: Duration,
}
