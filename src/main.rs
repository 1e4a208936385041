//! ordain decides which Redis pod of a Kubernetes StatefulSet is the master, writes the
//! `redis.conf` and `sentinel.conf` that make it so, and keeps the pods' `role` labels true.
//!
//! The house:
//! - [`cli`]: the command line.
//! - [`commands`]: one file for each subcommand, telling its story: observe, decide, render,
//!   install, label.
//! - [`core`]: what is decided, as pure functions.
//! - [`edge`]: what touches the world, one outside thing a file. Both are a library, so that the model and the
//!   fuzzers can call them.
//! - [`exit`]: the exit codes.
//! - [`guard`]: ends a run whose thread is blocked.

#![forbid(unsafe_code)]

use std::path::Path;
use std::process::ExitCode;

use clap::Parser;
use clap::error::ErrorKind;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::prelude::*;

mod cli;
mod commands;
mod exit;
mod guard;

use cli::Form;
use exit::Exit;
use ordain::{core, edge};

fn main() -> ExitCode {
    let cli = match cli::Cli::try_parse_from(arguments()) {
        Ok(cli) => cli,
        Err(help) if matches!(help.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion) => {
            // A reader that has gone away is no fault of ours.
            let _ = help.print();
            return Exit::Done.into();
        }
        Err(error) => {
            eprintln!("error: {}", one_line(&error));
            return Exit::WillNotHelp.into();
        }
    };
    let format = cli.command.log_format();
    log_to_stderr(format);
    match run(cli) {
        Ok(()) => Exit::Done.into(),
        Err(error) => {
            match format {
                Form::Text => eprintln!("error: {error:#}"),
                Form::Json => tracing::error!("{error:#}"),
            }
            Exit::of(&error).into()
        }
    }
}

fn run(cli: cli::Cli) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let ends_by_signal = cli.command.ends_by_signal();
    guard::against_a_blocked_step(&runtime, ends_by_signal)?;
    let then = runtime.block_on(commands::within_deadline(cli.command));
    // Whatever still waits for an answer that nobody needs is not waited for, also where this has failed.
    runtime.shutdown_background();
    then?.become_it()
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

/// clap explains itself in several paragraphs, the last of which are the usage and where help is.
fn one_line(error: &clap::Error) -> String {
    let text = error.to_string();
    let said = text.split("\n\n").take_while(|part| !part.starts_with("Usage:") && !part.starts_with("For more"));
    let said: Vec<_> = said.map(|part| part.split_whitespace().collect::<Vec<_>>().join(" ")).collect();
    let said = said.join("; ");
    format!("{} (see `ordain --help`)", said.strip_prefix("error: ").unwrap_or(&said))
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
