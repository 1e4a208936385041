//! Steps that wait for a disk, off the runtime's thread: a signal and the deadline end them all the same.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use anyhow::{Context, Result};

/// How long a step that nobody waits for any more may take to clean up after itself.
const CLEANING_UP: Duration = Duration::from_millis(500);

/// Runs a step on a thread of its own. If the caller stops waiting, the step is asked to stop.
///
/// # Errors
/// The step's.
pub async fn off_thread<T: Send + 'static>(work: impl FnOnce(&AtomicBool) -> Result<T> + Send + 'static) -> Result<T> {
    let stop = Arc::new(AtomicBool::new(false));
    let (alive, ended) = channel::<()>();
    let _guard = Guard { stop: stop.clone(), ended };
    let done = tokio::task::spawn_blocking(move || {
        let _alive = alive;
        work(&stop)
    });
    done.await.context("a step on the disk ended before it was done")?
}

/// Asks the step to stop when nobody waits for it any more.
struct Guard {
    stop: Arc<AtomicBool>,
    ended: Receiver<()>,
}

impl Drop for Guard {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        // It sends nothing: that it is gone is heard at once.
        let _ = self.ended.recv_timeout(CLEANING_UP);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Instant;

    #[tokio::test]
    async fn a_step_that_is_not_waited_for_is_told_to_stop_and_may_clean_up() {
        let (said, heard) = channel();
        let step = off_thread(move |stop: &AtomicBool| {
            let began = Instant::now();
            while !stop.load(Ordering::Relaxed) && began.elapsed() < Duration::from_secs(30) {
                std::thread::yield_now();
            }
            said.send(()).context("nobody listens")
        });
        assert!(tokio::time::timeout(Duration::from_millis(50), step).await.is_err());
        assert_eq!(heard.try_recv(), Ok(()), "it has ended before anybody goes on");
    }

    #[tokio::test]
    async fn what_a_step_returns_is_returned() {
        assert_eq!(off_thread(|_| Ok(7)).await.unwrap(), 7);
        assert!(off_thread(|_| anyhow::bail!("it fails") as Result<()>).await.is_err());
    }
}
