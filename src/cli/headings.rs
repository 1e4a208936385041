//! The headings of the flags in every `--help`, in one order.

use clap::builder::Resettable;
use clap::{Arg, ArgAction, Command};

/// Which pods the group has.
pub const GROUP: &str = "Group";
/// Which Sentinels watch it.
pub const SENTINEL: &str = "Sentinel";
/// Which pod this is, and how pods are found and labelled.
pub const KUBERNETES: &str = "Kubernetes";
/// Passwords, users and TLS.
pub const SECURITY: &str = "Security";
/// The server's data and its configuration file.
pub const SERVER: &str = "Server and data";
/// What is waited for, and for how long.
pub const TIMING: &str = "Timing";
/// What is printed, and where.
pub const OUTPUT: &str = "Output";

/// In the order of `--help`. A flag without a heading is its subcommand's own, and comes first.
pub const HEADINGS: [&str; 7] = [GROUP, SENTINEL, KUBERNETES, SECURITY, SERVER, TIMING, OUTPUT];

/// The width of a terminal is not known: a line for each flag, and the terminal wraps it.
pub fn unwrapped(command: Command) -> Command {
    command.term_width(usize::MAX)
}

/// Every subcommand's flags in the order of the headings, which clap shows as it first meets them.
pub fn arranged(command: Command) -> Command {
    let mut order = 0..;
    command.mut_subcommands(|subcommand| {
        let mut arguments: Vec<_> = subcommand.get_arguments().cloned().map(|argument| argument.hide_env_values(true)).collect();
        arguments.push(help());
        arguments.sort_by_key(|argument| HEADINGS.iter().position(|heading| Some(*heading) == argument.get_help_heading()));
        let groups = subcommand.get_groups().cloned().collect::<Vec<_>>();
        let plain = Command::new(subcommand.get_name().to_owned())
            .disable_help_flag(true)
            .args(arguments)
            .groups(groups)
            .display_order(order.next().unwrap_or_default());
        plain
            .about(Resettable::from(subcommand.get_about().cloned()))
            .long_about(Resettable::from(subcommand.get_long_about().cloned()))
            .after_help(Resettable::from(subcommand.get_after_help().cloned()))
    })
}

fn help() -> Arg {
    let help = Arg::new("help").short('h').long("help").action(ArgAction::Help).help_heading(OUTPUT).display_order(usize::MAX);
    help.help("Print this help (-h: in short)")
}
