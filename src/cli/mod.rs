//! The command line: clap types only. Every flag has a variable, so that a manifest needs no shell.

use clap::{CommandFactory, Parser, Subcommand};

#[cfg(test)]
mod docs;
mod forget;
mod genconf_redis;
mod genconf_sentinel;
mod handover;
mod headings;
mod install;
mod on_failover;
mod probe;
mod reconcile;
mod shared;
mod takeover;
pub mod usage;
mod values;

pub use forget::Forget;
pub use genconf_redis::{GenconfRedis, Promotable};
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

/// Decides which Redis pod of a StatefulSet is the master, writes redis.conf and sentinel.conf, and keeps the pods' role labels true
#[derive(Debug, Parser)]
#[command(name = "ordain", version, subcommand_required = true, arg_required_else_help = false)]
#[command(after_help = "\
Every flag that a manifest may need has a variable; a flag wins over its variable.

Exit codes:
  0  done
  1  undecided, or a fault that may pass: try again
  2  wrong use, wrong configuration, or not allowed: trying again will not help

Examples:
  ordain help genconf-redis
  ordain genconf-redis --dry-run --pod-name redis-1")]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// The subcommands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Decide whether this pod's Redis is master or replica, and write its redis.conf
    GenconfRedis(GenconfRedis),
    /// Find the masters that this Sentinel watches, and write its sentinel.conf
    GenconfSentinel(GenconfSentinel),
    /// Move the record and the labels after a failover, as Sentinel's client-reconfig-script
    OnFailover(OnFailover),
    /// Repair the record, the labels, the Sentinels, and which replicas are promotable
    Reconcile(Reconcile),
    /// Answer a probe: ask this pod's own server, without Kubernetes and without DNS
    Probe(Probe),
    /// Have a replica promoted before this pod stops, without losing a write
    Handover(Handover),
    /// Remove a group from every Sentinel, and its record
    Forget(Forget),
    /// Free the pods of a dead node, so that their StatefulSets start them on other nodes
    Takeover(Takeover),
    /// Copy this program into a folder, as `ordain` and `on-failover`
    Install(Install),
}

/// The command line, as a run needs it.
pub fn command() -> clap::Command {
    headings::unwrapped(Cli::command())
}

/// The same with its flags in the order of their headings, as help shows it: a third of a short run's time.
pub fn command_for_help() -> clap::Command {
    headings::arranged(command())
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
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        command().debug_assert();
        command_for_help().debug_assert();
    }

    #[test]
    fn each_help_has_its_flags_by_heading_in_one_order_and_an_example() {
        for subcommand in command_for_help().get_subcommands() {
            let help = subcommand.clone().render_help().to_string();
            let heading = |line: &str| headings::HEADINGS.iter().position(|heading| line == format!("{heading}:"));
            let order: Vec<_> = help.lines().filter_map(heading).collect();
            assert!(order.is_sorted() && !order.is_empty(), "{help}");
            assert!(help.contains(&format!("ordain {}", subcommand.get_name())) && help.contains("\nExample"), "{help}");
            let mut flags = help.lines().map(str::trim).filter(|line| line.starts_with("--"));
            assert!(flags.all(|line| line.contains("  ")), "one line for each: {help}");
        }
    }

    #[test]
    fn each_help_is_in_the_fields_words() {
        let command = command_for_help();
        let all = std::iter::once(&command).chain(command.get_subcommands());
        let long = all.map(|command| command.clone().render_long_help().to_string()).collect::<String>();
        for word in ["told", "tell", "electable", "council", "settle", "giving up", "given up", "gives up", "knock"] {
            assert!(!long.contains(word), "`{word}` in {long}");
        }
    }
}
