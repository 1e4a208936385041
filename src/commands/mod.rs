//! One file for each subcommand, telling its story in the order in which it happens; and the
//! steps that several of them share.

use std::ffi::OsString;
use std::os::unix::process::CommandExt;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::Instant;

use crate::cli::Command;
use crate::exit::Wrong;

mod announcing;
mod begin;
mod books;
mod confirming;
mod forget;
mod genconf_redis;
mod genconf_sentinel;
mod groups;
mod handover;
mod install;
mod labelling;
mod news;
mod observe;
mod off_thread;
mod on_failover;
mod patience;
mod probe;
mod reconcile;
mod report;
mod setting;
mod settle;
mod source;
mod takeover;
mod watching;

/// The name under which Sentinel calls this program.
pub const HOOK: &str = "on-failover";

/// The steps of a run end themselves at the deadline, with what they know. This is for the one
/// that does not.
const BACKSTOP: Duration = Duration::from_secs(1);
/// A year or so: longer than any pod lives.
const FOR_EVER: Duration = Duration::from_secs(400 * 24 * 60 * 60);

/// What is left to do when a subcommand has told its story.
#[derive(Debug)]
pub enum Then {
    /// Nothing.
    Exit,
    /// Become this command: the same process id, so that signals reach it.
    Become(Vec<OsString>),
}

impl Then {
    fn from_words(words: Vec<OsString>) -> Self {
        if words.is_empty() { Self::Exit } else { Self::Become(words) }
    }

    /// Does it. Comes back only where there is nothing to become, or at an error.
    ///
    /// # Errors
    /// The command cannot be run.
    pub fn become_it(self) -> Result<()> {
        let Self::Become(words) = self else { return Ok(()) };
        let [program, arguments @ ..] = &words[..] else { return Ok(()) };
        let error = std::process::Command::new(program).args(arguments).exec();
        Err(Wrong(format!("cannot become `{}`: {error}", program.display())).into())
    }
}

/// Runs a subcommand against its deadline and the signals that end a container.
///
/// # Errors
/// What went wrong, and [`Wrong`] where trying again will not help.
pub async fn within_deadline(command: Command) -> Result<Then> {
    let limit = match &command {
        // These end by themselves at SIGTERM, once they have given back what they hold and undone what they have begun.
        Command::Takeover(_) => return Box::pin(tell(command, Instant::now())).await,
        Command::Handover(args) => {
            let deadline = Instant::now() + args.deadline;
            return Box::pin(tell(command, deadline)).await;
        }
        Command::GenconfRedis(args) => args.deadline,
        Command::GenconfSentinel(args) => args.deadline,
        Command::OnFailover(args) => args.deadline.min(on_failover::LIMIT),
        // Each pass has a deadline of its own, and its end is SIGTERM.
        Command::Reconcile(args) if args.watch => FOR_EVER,
        Command::Reconcile(args) => args.deadline,
        Command::Probe(args) => args.deadline,
        Command::Forget(args) => args.deadline,
        Command::Install(_) => Duration::from_secs(60),
    };
    let ends_by_signal = limit == FOR_EVER;
    let deadline = Instant::now() + limit;
    let mut terminate = signal(SignalKind::terminate()).context("cannot listen for SIGTERM")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("cannot listen for SIGINT")?;
    tokio::select! {
        // The work is done, or has ended itself.
        ended = tell(command, deadline) => ended,
        // A step did not notice that its time was over.
        () = tokio::time::sleep_until(deadline + BACKSTOP) => bail!("not done within {limit:?}: something that was asked neither answered nor failed"),
        // The container is being stopped.
        _ = terminate.recv() => stopped("SIGTERM", ends_by_signal),
        _ = interrupt.recv() => stopped("SIGINT", ends_by_signal),
    }
}

fn stopped(by: &str, is_its_end: bool) -> Result<Then> {
    if is_its_end {
        return Ok(Then::Exit);
    }
    bail!("stopped by {by}: every file is whole, or as it was")
}

async fn tell(command: Command, deadline: Instant) -> Result<Then> {
    match command {
        Command::GenconfRedis(args) => Box::pin(genconf_redis::run(args, deadline)).await,
        Command::GenconfSentinel(args) => genconf_sentinel::run(args, deadline).await,
        Command::OnFailover(args) => Box::pin(on_failover::run(args, deadline)).await,
        Command::Reconcile(args) => Box::pin(reconcile::run(args, deadline)).await,
        Command::Probe(args) => probe::run(args, deadline).await,
        Command::Handover(args) => Box::pin(handover::run(args, deadline)).await,
        Command::Forget(args) => Box::pin(forget::run(args, deadline)).await,
        Command::Takeover(args) => Box::pin(takeover::run(args)).await,
        Command::Install(args) => install::run(&args),
    }
}
