//! The command line: clap types only. Every flag has a variable, so that a manifest needs no shell.

use clap::{Parser, Subcommand};

mod forget;
mod genconf_redis;
mod genconf_sentinel;
mod handover;
mod install;
mod on_failover;
mod probe;
mod reconcile;
mod shared;
mod takeover;
pub mod usage;
mod values;

pub use forget::Forget;
pub use genconf_redis::{Electable, GenconfRedis};
pub use genconf_sentinel::GenconfSentinel;
pub use handover::Handover;
pub use install::Install;
pub use on_failover::OnFailover;
pub use probe::{Probe, Question, Server};
pub use reconcile::Reconcile;
pub use shared::{Announce, Certificates, Form, Labels, Members, PodArgs, Report, Run, Secrets, Sentinels, Text};
pub use takeover::{Method, Takeover};

/// The variables that hold a password itself. A password is never an argument.
pub const PASSWORDS: [&str; 2] = ["ORDAIN_PASSWORD", "ORDAIN_SENTINEL_PASSWORD"];

/// Decides which Redis pod of a StatefulSet is the master, writes the redis.conf and sentinel.conf
/// that make it so, and keeps the pods' role labels true through every failover.
///
/// Exit codes: 0 done; 1 undecided or a passing fault, try again; 2 wrong use, wrong configuration
/// or not allowed, trying again will not help.
#[derive(Debug, Parser)]
#[command(name = "ordain", version, disable_help_subcommand = true, subcommand_required = true, arg_required_else_help = false)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// The subcommands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Find out what this pod's Redis shall be, and write its redis.conf
    GenconfRedis(GenconfRedis),
    /// Find out which masters to watch, and write the sentinel.conf
    GenconfSentinel(GenconfSentinel),
    /// Sentinel's client-reconfig-script: move the record and the labels after a failover
    OnFailover(OnFailover),
    /// Put right what differs: the record, the labels, which replicas may be promoted
    Reconcile(Reconcile),
    /// Say whether this pod's server lives or serves: asks it alone, without Kubernetes and without DNS
    Probe(Probe),
    /// Before this pod stops: have a replica promoted in its place, without losing a write
    Handover(Handover),
    /// Have every Sentinel and the record forget a group that is removed
    Forget(Forget),
    /// Free the pods of a dead node, so that their StatefulSets start them elsewhere
    Takeover(Takeover),
    /// Copy this program into a folder, as `ordain` and `on-failover`
    Install(Install),
}

impl Command {
    /// Whether this goes on until a signal ends it, and is done then.
    pub fn ends_by_signal(&self) -> bool {
        match self {
            Self::Takeover(_) => true,
            Self::Reconcile(args) => args.watch,
            _ => false,
        }
    }

    /// How to write the log.
    pub fn log_format(&self) -> Form {
        let run = match self {
            Self::GenconfRedis(args) => &args.run,
            Self::GenconfSentinel(args) => &args.run,
            Self::OnFailover(args) => &args.run,
            Self::Reconcile(args) => &args.run,
            Self::Handover(args) => &args.run,
            Self::Forget(args) => &args.run,
            Self::Takeover(args) => return args.log_format,
            Self::Probe(_) | Self::Install(_) => return Form::Text,
        };
        run.log_format
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }
}
