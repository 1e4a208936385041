//! `reconcile`.

use std::time::Duration;

use clap::Args;

use super::headings::{GROUP, TIMING};
use super::shared::{Labels, Members, PodArgs, Run, Secrets, Sentinels};
use super::values::{Limit, duration, duration_or_off};
use crate::core::identity::{Group, PodName};

/// `reconcile`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  as a container beside each Sentinel:
    ordain reconcile --watch --sentinel-service sentinel
  by hand, what would be repaired:
    ordain reconcile --dry-run --namespace prod --group redis --sentinel-service sentinel
  by hand, when no rule decides, and a person must:
    ordain reconcile --namespace prod --group redis --sentinel-service sentinel --assume-master redis-1")]
pub struct Reconcile {
    /// Keep running, and repair at each change, until SIGTERM
    #[arg(long, conflicts_with = "assume_master")]
    pub watch: bool,
    /// Force POD to be the master. Writes that only other pods hold are lost
    ///
    /// What would be lost is shown before, and the pod's name asked for; with --dry-run it is only shown.
    #[arg(long, value_name = "POD")]
    pub assume_master: Option<PodName>,
    /// Do not ask first
    #[arg(long, requires = "assume_master")]
    pub yes: bool,
    /// Group to repair (repeat, or separate by commas) [default: every group with a record in the namespace]
    #[arg(long = "group", env = "ORDAIN_GROUP", value_name = "GROUP", help_heading = GROUP, value_delimiter = ',')]
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
    /// Time without its master after which a replica loses its role label until it is in sync again; off: never
    ///
    /// So that clients do not read old data from it.
    #[arg(long, env = "ORDAIN_STALE_AFTER", value_name = "TIME", help_heading = TIMING, default_value = "30s", value_parser = duration_or_off)]
    pub stale_after: Limit,
    /// Time after which one pass ends with exit code 1
    #[arg(long, env = "ORDAIN_DEADLINE", value_name = "TIME", default_value = "45s", value_parser = duration, help_heading = TIMING)]
    pub deadline: Duration,
}
