//! One file or folder for each subcommand, in the order in which things happen.

use std::ffi::OsString;
use std::os::unix::process::CommandExt;
use std::time::Duration;

use anyhow::{Result, bail};
use tokio::time::Instant;

use crate::cli::Command;
use crate::exit::Wrong;
use crate::signals::Signals;

mod forget;
mod genconf_redis;
mod genconf_sentinel;
mod handover;
mod install;
mod on_failover;
mod probe;
mod reconcile;
mod takeover;

/// The name under which Sentinel calls this program.
pub const HOOK: &str = "on-failover";

/// The steps of a run end themselves at the deadline, with what they know. This is for the one
/// that does not.
const BACKSTOP: Duration = Duration::from_secs(1);
/// How long a copy of this program may take.
const INSTALLED_BY: Duration = Duration::from_secs(60);

/// What is left to do when a subcommand is done.
#[derive(Debug)]
pub enum Next {
    /// Nothing.
    Exit,
    /// Become this command: the same process id, so that signals reach it.
    Exec(Vec<OsString>),
}

impl Next {
    fn from_command(command: Vec<OsString>) -> Self {
        if command.is_empty() { Self::Exit } else { Self::Exec(command) }
    }

    /// Becomes the command, unless a signal has come meanwhile, which the command would not get. Returns only if there is
    /// no command, or at an error.
    ///
    /// # Errors
    /// The command cannot be run, or shall not.
    pub fn become_it(self, signals: &mut Signals) -> Result<()> {
        let Self::Exec(command) = self else { return Ok(()) };
        let [program, arguments @ ..] = &command[..] else { return Ok(()) };
        if let Some(by) = signals.came() {
            bail!("stopped by {by}: `{}` is not started", program.display());
        }
        let error = std::process::Command::new(program).args(arguments).exec();
        Err(Wrong(format!("cannot start `{}`: {error}", program.display())).into())
    }
}

/// How long a subcommand may run; none where only a signal ends it.
fn limit(command: &Command) -> Option<Duration> {
    match command {
        Command::GenconfRedis(args) => Some(args.deadline),
        Command::GenconfSentinel(args) => Some(args.deadline),
        Command::OnFailover(args) => Some(on_failover::limit(args)),
        // Each pass has a deadline of its own.
        Command::Reconcile(args) if args.watch => None,
        Command::Reconcile(args) => Some(args.deadline),
        Command::Handover(args) => Some(args.deadline),
        Command::Probe(args) => Some(args.deadline),
        Command::Forget(args) => Some(args.deadline),
        Command::Takeover(_) => None,
        Command::Install(_) => Some(INSTALLED_BY),
    }
}

/// The longest time that a subcommand with a deadline runs, the backstop included.
pub fn longest(command: &Command) -> Option<Duration> {
    limit(command).map(|limit| limit + BACKSTOP)
}

/// Runs a subcommand against its deadline and the signals that end a container.
///
/// # Errors
/// What went wrong, and [`Wrong`] where trying again will not help.
pub async fn within_deadline(command: Command, signals: &mut Signals) -> Result<Next> {
    match command {
        // These end by themselves at SIGTERM, once they have given back what they hold and undone what they have begun.
        Command::Takeover(args) => Box::pin(takeover::run(args, signals)).await,
        Command::Handover(args) => Box::pin(handover::run(args, signals)).await,
        // A signal is how it is done.
        Command::Reconcile(args) if args.watch => tokio::select! {
            ended = Box::pin(reconcile::watch(args)) => ended,
            _ = signals.next() => Ok(Next::Exit),
        },
        Command::Reconcile(args) => within(args.deadline, signals, |deadline| reconcile::run(args, deadline)).await,
        Command::GenconfRedis(args) => within(args.deadline, signals, |deadline| genconf_redis::run(args, deadline)).await,
        Command::GenconfSentinel(args) => within(args.deadline, signals, |deadline| genconf_sentinel::run(args, deadline)).await,
        Command::OnFailover(args) => {
            within(on_failover::limit(&args), signals, |deadline| on_failover::run(args, deadline)).await
        }
        Command::Probe(args) => within(args.deadline, signals, |deadline| probe::run(args, deadline)).await,
        Command::Forget(args) => within(args.deadline, signals, |deadline| forget::run(args, deadline)).await,
        Command::Install(args) => within(INSTALLED_BY, signals, async |_| install::run(&args)).await,
    }
}

async fn within<F: Future<Output = Result<Next>>>(
    limit: Duration,
    signals: &mut Signals,
    work: impl FnOnce(Instant) -> F,
) -> Result<Next> {
    let deadline = Instant::now() + limit;
    tokio::select! {
        // The work is done, or has ended itself.
        ended = Box::pin(work(deadline)) => ended,
        // A step did not notice that its time was over.
        () = tokio::time::sleep_until(deadline + BACKSTOP) => bail!("not done within {limit:?}: a server that was asked has neither answered nor failed"),
        // The container is being stopped.
        by = signals.next() => bail!("stopped by {by}: every file is either complete or unchanged"),
    }
}
