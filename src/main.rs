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
//! - [`signals`]: hears of the signals that end a container, from the first moment on.

#![forbid(unsafe_code)]

use std::path::Path;
use std::process::ExitCode;

use clap::FromArgMatches;
use clap::error::ErrorKind;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::prelude::*;

mod cli;
mod commands;
mod exit;
mod guard;
mod signals;
mod steps;

use cli::Form;
use cli::usage::Given;
use exit::Exit;
use ordain::{core, edge};
use signals::Signals;

fn main() -> ExitCode {
    let (words, variables) = (arguments(), std::env::vars_os().collect::<Vec<_>>());
    let given = Given { words: &words, variables: &variables };
    let mut known = cli::command();
    let cli = match parse(&given, &mut known) {
        Ok(cli) => cli,
        Err(Usage::Help(help)) => {
            // A reader that has gone away is no fault of ours.
            let _ = help.print();
            return Exit::Done.into();
        }
        Err(Usage::Wrong(error)) => {
            let format = given.log_format();
            log_to_stderr(format);
            tell(format, &error);
            return Exit::WillNotHelp.into();
        }
    };
    let format = cli.command.log_format();
    log_to_stderr(format);
    // What a probe says is shown to people only where it fails, and then that counts.
    let is_probe = matches!(cli.command, cli::Command::Probe(_));
    let warnings = if is_probe { Vec::new() } else { given.unknown(&known) };
    match run(cli, &warnings) {
        Ok(()) => Exit::Done.into(),
        Err(error) => {
            tell(format, &format!("{error:#}"));
            Exit::of(&error).into()
        }
    }
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

fn tell(format: Form, error: &str) {
    match format {
        Form::Text => eprintln!("error: {error}"),
        Form::Json => tracing::error!("{error}"),
    }
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

/// stdout carries only the product. For programs each line is an object, with its time.
fn log_to_stderr(format: Form) {
    let ours = Targets::new().with_target(env!("CARGO_CRATE_NAME"), LevelFilter::INFO);
    let lines = tracing_subscriber::fmt::layer().with_writer(std::io::stderr).with_ansi(false).with_target(false);
    let registry = tracing_subscriber::registry().with(ours);
    match format {
        Form::Text => registry.with(lines.without_time()).init(),
        Form::Json => registry.with(lines.json().flatten_event(true)).init(),
    }
}
