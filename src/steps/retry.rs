//! Trying again: what may pass is tried again until the deadline, what will not help ends at once.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Result, anyhow};
use tokio::time::{Instant, sleep, timeout_at};

use crate::core::disk::Moment;
use crate::core::evidence::Failure;
use crate::edge::kubernetes::Refusal;
use crate::exit::Wrong;

/// How long one attempt may take: an attempt that hangs is better started again.
pub const ATTEMPT: Duration = Duration::from_secs(10);

/// How long a pod has been trying to start: what its earlier runs have noted, and from then on by a clock that never
/// steps. A node's own may by an hour, when it learns the time after a power cut.
#[derive(Default)]
pub struct Trying(Cell<Option<(Duration, Instant)>>);

impl Trying {
    /// How long so far, where it is noted since when; `now` is by the node's clock.
    pub fn so_far(&self, since: Option<Moment>, now: Moment) -> Duration {
        let begin = || (since.map_or(Duration::ZERO, |since| now.since(since)), Instant::now());
        let (before, seen) = self.0.get().unwrap_or_else(begin);
        self.0.set(Some((before, seen)));
        before + seen.elapsed()
    }
}

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

    /// For somebody who looks after what does not exist: its master is to be known to be away all the same.
    pub fn empty() -> Self {
        Self { next: Duration::from_secs(1), longest: Duration::from_secs(15) }
    }

    /// For somebody who waits to start, while the API server has no answer.
    pub fn of_no_answers() -> Self {
        Self { next: Duration::from_secs(1), longest: Duration::from_secs(8) }
    }

    /// For what has failed, and may fail for as long as nobody mends it.
    pub fn of_failures() -> Self {
        Self { next: Duration::from_secs(1), longest: Duration::from_secs(60) }
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

/// How a part of some work went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    Done,
    /// It may pass.
    Failed,
    /// Whoever was to be asked did not answer, and may be back at any moment.
    Unanswered,
    /// It is not allowed, and will not be until a person changes something.
    Refused,
}

impl<T> From<&Result<T>> for Outcome {
    fn from(done: &Result<T>) -> Self {
        match done {
            Ok(_) => Self::Done,
            Err(error) if error.is::<Wrong>() => Self::Refused,
            Err(_) => Self::Failed,
        }
    }
}

/// What has failed, each part by itself, and when it may be tried again.
#[derive(Default)]
pub struct Retries(BTreeMap<String, Retry>);

struct Retry {
    backoff: Backoff,
    again: Instant,
    is_refused: bool,
}

/// How long what was refused is left alone, at least: what it costs to ask whether it still is, and no more, is spent
/// so often.
const REFUSED: Duration = Duration::from_secs(60);
/// How long what nobody answered is left alone, at most: nothing says when an answer would come.
const UNANSWERED: Duration = Duration::from_secs(10);

impl Retries {
    /// Whether a part may be tried: it has not failed, or its pause is over; what was refused, only once it
    /// was among the [`Retries::doubtful`] and found to be allowed.
    pub fn allow(&self, part: &str, now: Instant) -> bool {
        self.0.get(part).is_none_or(|retry| !retry.is_refused && retry.again <= now)
    }

    /// Notes how a part went.
    pub fn note(&mut self, part: &str, outcome: Outcome, now: Instant) {
        if outcome == Outcome::Done {
            self.0.remove(part);
            return;
        }
        let first = || Retry { backoff: Backoff::of_failures(), again: now, is_refused: false };
        let retry = self.0.entry(part.to_owned()).or_insert_with(first);
        retry.is_refused = outcome == Outcome::Refused;
        // Never sooner: so many requests a minute are the most that it may cost.
        let pause = match outcome {
            Outcome::Refused => REFUSED + jittered(REFUSED) / 4,
            Outcome::Unanswered => retry.backoff.next().min(UNANSWERED),
            Outcome::Failed | Outcome::Done => retry.backoff.next(),
        };
        retry.again = now + pause;
    }

    /// The refused parts of which it is time to find out whether they still are.
    pub fn doubtful(&self, now: Instant) -> Vec<String> {
        let is_due = |retry: &Retry| retry.is_refused && retry.again <= now;
        self.0.iter().filter(|(_, retry)| is_due(retry)).map(|(part, _)| part.clone()).collect()
    }

    /// Forgets what has not been tried for long: somebody else has put it right.
    pub fn forget_old(&mut self, now: Instant) {
        self.0.retain(|_, retry| now < retry.again + 2 * retry.backoff.longest);
    }
}

/// The errors of work whose parts are each done, whatever becomes of the others.
#[derive(Default)]
pub struct Failures(Vec<anyhow::Error>);

impl Failures {
    /// Takes what a part came to; none where it failed.
    pub fn note<T>(&mut self, done: Result<T>) -> Option<T> {
        done.map_err(|error| self.0.push(error)).ok()
    }

    /// The errors, in the order in which they came.
    pub fn iter(&self) -> impl Iterator<Item = &anyhow::Error> {
        self.0.iter()
    }

    /// Takes the failures of other work, too.
    pub fn extend(&mut self, others: Self) {
        self.0.extend(others.0);
    }

    /// All of them in one: [`Wrong`] where one of them is.
    ///
    /// # Errors
    /// There are some.
    pub fn into_result(mut self) -> Result<()> {
        if self.0.len() < 2 {
            return self.0.pop().map_or(Ok(()), Err);
        }
        let is_wrong = self.0.iter().any(anyhow::Error::is::<Wrong>);
        let texts: Vec<_> = self.0.iter().map(|error| format!("{error:#}")).collect();
        let all = texts.join("; ");
        Err(if is_wrong { Wrong(all).into() } else { anyhow!(all) })
    }
}

/// An equal share of what is left until the deadline, for one of so many parts that are done one after the other.
pub fn share(deadline: Instant, parts: usize) -> Instant {
    let now = Instant::now();
    now + deadline.saturating_duration_since(now) / u32::try_from(parts.max(1)).unwrap_or(u32::MAX)
}

/// Attempts something until it succeeds, is [`Wrong`], or the deadline comes.
///
/// # Errors
/// The last attempt's, with `what` was not done.
pub async fn persist<T>(deadline: Instant, what: impl Fn() -> String, mut attempt: impl AsyncFnMut() -> Result<T>) -> Result<T> {
    let mut backoff = Backoff::new();
    let mut last = None;
    loop {
        let error = match timeout_at(deadline.min(Instant::now() + ATTEMPT), attempt()).await {
            Ok(Ok(done)) => return Ok(done),
            Ok(Err(error)) if error.is::<Wrong>() => return Err(error),
            Ok(Err(error)) => error,
            // The time was over in the midst of it: what went wrong before says more.
            Err(_) => last.filter(|_| Instant::now() >= deadline).unwrap_or_else(|| anyhow!("no answer in time")),
        };
        let pause = backoff.next();
        if Instant::now() + pause >= deadline {
            return Err(error.context(what()));
        }
        last = Some(error);
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

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_attempt_that_is_cut_short_hides_nothing_of_what_went_wrong_before() {
        let attempts = Cell::new(0);
        let attempt = async || {
            attempts.set(attempts.get() + 1);
            if attempts.get() > 2 { std::future::pending().await } else { Err::<(), _>(anyhow!("no pod of that name")) }
        };
        let deadline = || Instant::now() + Duration::from_millis(500);
        let error = persist(deadline(), || "it was not done".to_owned(), attempt).await.unwrap_err();
        assert_eq!((format!("{error:#}").as_str(), attempts.get()), ("it was not done: no pod of that name", 3));
        let error =
            persist(deadline(), || "it was not done".to_owned(), async || std::future::pending::<Result<()>>().await).await;
        assert_eq!(format!("{:#}", error.unwrap_err()), "it was not done: no answer in time");
    }

    #[test]
    fn a_clock_that_steps_makes_no_pod_wait_for_longer_or_shorter() {
        let (minute, hour) = (60_000, 3_600_000);
        let trying = Trying::default();
        let is_about_a_minute = |so_far: Duration| (60..1_800).contains(&so_far.as_secs());
        for now in [hour + minute, 2 * hour, 0, hour + minute] {
            assert!(is_about_a_minute(trying.so_far(Some(Moment(hour)), Moment(now))), "at {now}");
        }
        for since in [None, Some(Moment(hour))] {
            let trying = Trying::default();
            assert!(trying.so_far(since, Moment(0)) < Duration::from_secs(1_800), "it begins anew");
            assert!(trying.so_far(since, Moment(2 * hour)) < Duration::from_secs(1_800), "{since:?}");
        }
    }

    #[test]
    fn what_fails_is_tried_again_after_pauses_that_grow_up_to_a_minute_and_the_rest_at_once() {
        let mut retries = Retries::default();
        let mut now = Instant::now();
        let mut pauses = Vec::new();
        for _ in 0..10 {
            retries.note("labels", Outcome::Failed, now);
            assert!(retries.allow("record", now) && !retries.allow("labels", now));
            let failed = now;
            while !retries.allow("labels", now) {
                now += Duration::from_millis(100);
            }
            pauses.push(now - failed);
        }
        assert!(pauses[0] <= Duration::from_millis(1100), "{pauses:?}");
        assert!(pauses[9] >= Duration::from_secs(30) && pauses[9] <= Duration::from_millis(60_100), "{pauses:?}");
        retries.note("labels", Outcome::Done, now);
        assert!(retries.allow("labels", now));
        retries.note("labels", Outcome::Failed, now);
        assert!(retries.allow("labels", now + Duration::from_secs(1)), "a part that was done begins anew");
        retries.forget_old(now + Duration::from_secs(200));
        assert!(retries.0.is_empty());
    }

    #[test]
    fn what_nobody_answered_is_tried_again_within_seconds_however_long_it_lasts() {
        let mut retries = Retries::default();
        let now = Instant::now();
        for _ in 0..10 {
            retries.note("look", Outcome::Unanswered, now);
        }
        assert!(!retries.allow("look", now) && retries.allow("look", now + UNANSWERED));
    }

    #[test]
    fn what_is_refused_is_not_tried_before_a_minute_is_over_and_it_is_known_to_be_allowed() {
        let mut retries = Retries::default();
        let start = Instant::now();
        retries.note("labels", Outcome::Refused, start);
        assert!(!retries.allow("labels", start + Duration::from_secs(600)));
        assert_eq!(retries.doubtful(start + REFUSED), [""; 0]);
        let later = start + REFUSED * 5 / 4;
        assert_eq!(retries.doubtful(later), ["labels"]);
        retries.note("labels", Outcome::Refused, later);
        assert_eq!(retries.doubtful(later), [""; 0]);
        retries.note("labels", Outcome::Done, later);
        assert!(retries.allow("labels", later));
    }

    #[test]
    fn several_failures_are_one_that_is_wrong_where_one_of_them_is() {
        let all = |wrong: &[bool]| {
            let mut failures = Failures::default();
            for (number, is_wrong) in wrong.iter().enumerate() {
                let text = format!("part {number}");
                let error = if *is_wrong { Wrong(text).into() } else { anyhow!(text) };
                assert_eq!(failures.note::<()>(Err(error)), None);
            }
            assert_eq!(failures.note(Ok(1)), Some(1));
            failures.into_result().map_err(|error| (error.is::<Wrong>(), error.to_string()))
        };
        assert_eq!(all(&[]), Ok(()));
        assert_eq!(all(&[true]), Err((true, "part 0".to_owned())));
        assert_eq!(all(&[false, false]), Err((false, "part 0; part 1".to_owned())));
        assert_eq!(all(&[false, true]), Err((true, "part 0; part 1".to_owned())));
    }
}
