//! Trying again: what may pass is tried again until the deadline, what will not help ends at once.

use std::time::Duration;

use anyhow::{Result, anyhow};
use tokio::time::{Instant, sleep, timeout_at};

use crate::core::evidence::Failure;
use crate::edge::kubernetes::Refusal;
use crate::exit::Wrong;

/// How long one attempt may take: what hangs is better begun anew.
const ATTEMPT: Duration = Duration::from_secs(10);

/// Between two attempts: doubling, so that nothing is asked faster than it must be.
pub struct Backoff {
    next: Duration,
    longest: Duration,
}

impl Backoff {
    const FIRST: Duration = Duration::from_millis(50);

    /// For somebody who waits to start.
    pub fn new() -> Self {
        Self { next: Self::FIRST, longest: Duration::from_secs(1) }
    }

    /// For somebody who looks after what runs.
    pub fn slow() -> Self {
        Self { next: Self::FIRST, longest: Duration::from_secs(2) }
    }

    /// The next pause.
    pub fn next(&mut self) -> Duration {
        let pause = jittered(self.next);
        self.next = (self.next * 2).min(self.longest);
        pause
    }
}

/// Somewhere between half and all of a pause, so that pods that started together do not ask together.
pub fn jittered(pause: Duration) -> Duration {
    pause.mul_f64(0.5 + fastrand::f64() / 2.0)
}

/// Attempts something until it succeeds, is [`Wrong`], or the deadline comes.
///
/// # Errors
/// The last attempt's, with `what` was not done.
pub async fn persist<T>(deadline: Instant, what: impl Fn() -> String, mut attempt: impl AsyncFnMut() -> Result<T>) -> Result<T> {
    let mut backoff = Backoff::new();
    loop {
        let error = match timeout_at(deadline.min(Instant::now() + ATTEMPT), attempt()).await {
            Ok(Ok(done)) => return Ok(done),
            Ok(Err(error)) if error.is::<Wrong>() => return Err(error),
            Ok(Err(error)) => error,
            Err(_) => anyhow!("no answer in time"),
        };
        let pause = backoff.next();
        if Instant::now() + pause >= deadline {
            return Err(error.context(what()));
        }
        sleep(pause).await;
    }
}

/// Blames a failure on whoever failed. What is not allowed now will not be allowed later.
pub fn blame(who: &str, failure: Failure) -> anyhow::Error {
    match failure {
        Failure::NotAllowed(_) => Wrong(format!("{who}: {failure}")).into(),
        failure => anyhow!("{who}: {failure}"),
    }
}

/// The same for what the API server refused.
pub fn refused(what: &str, refusal: Refusal) -> anyhow::Error {
    match refusal {
        Refusal::Failed(failure) => blame(what, failure),
        refusal => anyhow!("{what}: {refusal}"),
    }
}
