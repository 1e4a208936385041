//! A signal ends every run, also one whose thread is blocked: by a file system that does not answer, a pipe that
//! nobody writes to, or a program that gives credentials.
//!
//! Each subcommand hears signals by itself, and undoes what it has begun. This is for the step that keeps it from
//! hearing them.

use std::time::Duration;

use anyhow::{Context, Result};
use tokio::runtime::{Builder, Runtime};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;

use crate::exit::Exit;

/// How soon a runtime that is not blocked runs a task.
const AWAKE: Duration = Duration::from_millis(600);

/// Watches from a thread of its own whether the runtime still turns when a signal comes, and ends the process
/// where it does not.
///
/// # Errors
/// Signals cannot be listened for.
pub fn against_a_blocked_step(runtime: &Runtime, ends_by_signal: bool) -> Result<()> {
    let (ask, mut asked) = mpsc::unbounded_channel::<oneshot::Sender<()>>();
    runtime.spawn(async move {
        while let Some(answer) = asked.recv().await {
            let _ = answer.send(());
        }
    });
    let aside = Builder::new_current_thread().enable_all().build()?;
    let (mut terminate, mut interrupt) = {
        let _inside = aside.enter();
        let terminate = signal(SignalKind::terminate()).context("cannot listen for SIGTERM")?;
        (terminate, signal(SignalKind::interrupt()).context("cannot listen for SIGINT")?)
    };
    let watch = async move {
        loop {
            let by = tokio::select! {
                _ = terminate.recv() => "SIGTERM",
                _ = interrupt.recv() => "SIGINT",
            };
            let (answer, answered) = oneshot::channel();
            let _ = ask.send(answer);
            match timeout(AWAKE, answered).await {
                Ok(Ok(())) => continue,
                // The run has heard it, and ends by itself.
                Ok(Err(_)) => return,
                Err(_) => {}
            }
            if ends_by_signal {
                std::process::exit(Exit::Done as i32);
            }
            eprintln!("error: stopped by {by} while something that was read did not answer");
            std::process::exit(Exit::TryAgain as i32);
        }
    };
    std::thread::Builder::new().name("guard".to_owned()).spawn(move || aside.block_on(watch))?;
    Ok(())
}
