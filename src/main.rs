//! ordain decides which Redis pod of a Kubernetes StatefulSet is the master, writes the
//! `redis.conf` and `sentinel.conf` that make it so, and keeps the pods' `role` labels true.
//!
//! The house:
//! - [`cli`]: the command line.
//! - [`commands`]: one file or folder for each subcommand, telling its story: observe, decide, render, install, label.
//! - [`steps`]: what several of them do.
//! - [`core`]: what is decided, as pure functions.
//! - [`edge`]: what touches the world, one outside thing a file. Both are a library, so that the model and the
//!   fuzzers can call them.
//! - [`exit`]: the exit codes.
//! - [`guard`]: ends a run whose thread is blocked.
//! - [`logging`]: the log on stderr, its filter and its times.
//! - [`signals`]: hears of the signals that end a container, from the first moment on.

#![forbid(unsafe_code)]

use std::ffi::OsStr;
use std::path::Path;
use std::process::ExitCode;

use clap::FromArgMatches;
use clap::error::ErrorKind;

mod cli;
mod commands;
mod exit;
mod guard;
mod logging;
mod signals;
mod steps;

use cli::usage::Given;
use exit::Exit;
use logging::Lines;
use ordain::{core, edge};
use signals::Signals;

fn main() -> ExitCode {
    let (words, variables) = (arguments(), std::env::vars_os().collect::<Vec<_>>());
    let given = Given { words: &words, variables: &variables };
    let command = if asks_for_help(&words) { cli::command_for_help() } else { cli::command() };
    let mut known = given.by_old_names(command);
    let filter = given.variable(OsStr::new(logging::FILTER));
    let lines = if words.get(1).is_some_and(|word| word == "probe") { Lines::Probe } else { Lines::Log };
    let cli = match parse(&given, &mut known) {
        Ok(cli) => cli,
        Err(Usage::Help(help)) => {
            // A reader that has gone away is no fault of ours.
            let _ = help.print();
            return Exit::Done.into();
        }
        Err(Usage::Wrong(error)) => {
            // The error counts, whatever the filter is.
            let _ = logging::open(given.log_format(), lines, filter);
            eprint!("{}", logging::last_line(&error));
            return Exit::WillNotHelp.into();
        }
    };
    let opened = logging::open(cli.command.log_format(), lines, filter);
    // What a probe says is shown to people only where it fails, and then that counts.
    let warnings = match lines {
        Lines::Probe => Vec::new(),
        Lines::Log => opened.err().into_iter().chain(given.warnings(&known)).collect(),
    };
    match run(cli, &warnings) {
        Ok(()) => Exit::Done.into(),
        Err(error) => {
            eprint!("{}", logging::last_line(&format!("{error:#}")));
            Exit::of(&error).into()
        }
    }
}

/// Whether a word before the command after `--` asks for help.
fn asks_for_help(words: &[std::ffi::OsString]) -> bool {
    let own = || words.iter().take_while(|word| *word != "--");
    words.get(1).is_none_or(|word| word == "help") || own().any(|word| word == "-h" || word == "--help")
}

/// Why nothing is run.
enum Usage {
    /// Help was asked for.
    Help(clap::Error),
    /// In one line, what is wrong with what was given.
    Wrong(String),
}

fn parse(given: &Given<'_>, known: &mut clap::Command) -> Result<cli::Cli, Usage> {
    let cli = match known.try_get_matches_from_mut(given.words) {
        Ok(matches) => match given.blank(known, &matches) {
            Some(blank) => return Err(Usage::Wrong(blank)),
            None => cli::Cli::from_arg_matches(&matches),
        },
        Err(error) => Err(error),
    };
    cli.map_err(|error| match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => Usage::Help(error),
        _ => {
            // clap names arguments as it has built them, and for a run it builds what that needs.
            known.build();
            Usage::Wrong(given.explain(known, &error))
        }
    })
}

fn run(cli: cli::Cli, warnings: &[String]) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let (ends_by_signal, limit) = (cli.command.ends_by_signal(), commands::longest(&cli.command));
    // Before anything can block, and before the guard, which leaves to the run what the run can hear.
    let mut signals = Signals::heard_by(&runtime)?;
    guard::against_a_blocked_step(&runtime, ends_by_signal, limit)?;
    for warning in warnings {
        tracing::warn!("{warning}");
    }
    let ended = runtime.block_on(commands::within_deadline(cli.command, &mut signals));
    // Whatever still waits for an answer that nobody needs, or for a disk, is not waited for.
    runtime.shutdown_background();
    ended?.become_it(&mut signals)
}

/// Called under the name `on-failover`, by a link or a copy, this is that subcommand: Sentinel
/// lets its script have no arguments of our own.
fn arguments() -> Vec<std::ffi::OsString> {
    let mut arguments: Vec<_> = std::env::args_os().collect();
    let called = arguments.first().and_then(|name| Path::new(name).file_name());
    if called.is_some_and(|name| name == commands::HOOK) {
        arguments.insert(1, commands::HOOK.into());
    }
    arguments
}
