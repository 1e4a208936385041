//! A signal ends every run, and so does its deadline, also one whose thread is blocked: by a file system that does not answer, a pipe that
//! nobody reads or writes to, or a program that gives credentials.
//!
//! Each subcommand hears signals and keeps its deadline by itself, and undoes what it has begun. This is for the step
//! that keeps it from doing so.

use std::sync::mpsc::channel;
use std::time::Duration;

use anyhow::Result;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, sleep, sleep_until, timeout};

use crate::exit::Exit;
use crate::logging;
use crate::signals::Signals;

/// How soon a runtime that is not blocked runs a task, and a run that is over ends.
const AWAKE: Duration = Duration::from_millis(600);
/// How long the last line may take: what has blocked the run may be that nobody reads its lines.
const LAST_LINE: Duration = Duration::from_millis(100);

/// Watches from a thread of its own whether the runtime still turns when a signal comes, and from `limit` on, and ends
/// the process where it does not. A run without a limit ends by a signal alone.
///
/// # Errors
/// Signals cannot be listened for.
pub fn against_a_blocked_step(runtime: &Runtime, ends_by_signal: bool, limit: Option<Duration>) -> Result<()> {
    let (ask, mut asked) = mpsc::unbounded_channel::<oneshot::Sender<()>>();
    runtime.spawn(async move {
        while let Some(answer) = asked.recv().await {
            let _ = answer.send(());
        }
    });
    let aside = Builder::new_current_thread().enable_all().build()?;
    let mut signals = Signals::heard_by(&aside)?;
    let mut limit = limit.map(|limit| Instant::now() + limit);
    let over = async |limit: Option<Instant>| match limit {
        Some(limit) => sleep_until(limit).await,
        None => std::future::pending().await,
    };
    let watch = async move {
        loop {
            let why = tokio::select! {
                by = signals.next() => format!("stopped by {by}"),
                () = over(limit) => {
                    limit = Some(Instant::now() + AWAKE);
                    "not done by its deadline".to_owned()
                }
            };
            let (answer, answered) = oneshot::channel();
            let _ = ask.send(answer);
            match timeout(AWAKE, answered).await {
                Ok(Ok(())) => continue,
                // The runtime is gone, and the run ends by itself, if it can say its last words.
                Ok(Err(_)) => sleep(AWAKE).await,
                Err(_) => {}
            }
            if ends_by_signal {
                std::process::exit(Exit::Done as i32);
            }
            say(logging::last_line(&format!("{why}: something that was read or written did not answer")));
            std::process::exit(Exit::TryAgain as i32);
        }
    };
    std::thread::Builder::new().name("guard".to_owned()).spawn(move || aside.block_on(watch))?;
    Ok(())
}

/// Says a line, where anybody reads it.
fn say(line: String) {
    let (alive, said) = channel::<()>();
    let _ = std::thread::Builder::new().spawn(move || {
        let _alive = alive;
        eprint!("{line}");
    });
    // It sends nothing: that it is gone is heard at once.
    let _ = said.recv_timeout(LAST_LINE);
}
