//! News of one group, for a run that looks at the group again and again: one watch for each kind reports changes, and
//! the API server is asked for everything only if the answer may differ.

use std::collections::BTreeSet;
use std::time::Duration;

use futures::StreamExt;
use futures::stream::LocalBoxStream;
use tokio::time::{Instant, sleep_until, timeout_at};

use super::context::GroupConfig;
use super::observe::{Known, Observer};
use super::retry::Backoff;
use crate::core::evidence::{Evidence, RecordSeen};
use crate::core::members::Found;
use crate::edge::kubernetes::follow::{FollowEvent, Kind};

/// How many looks may ask the API server one after the other, and how often there is one more: a look is a request
/// for the record, one for the list, and one for each pod.
const LOOKS: u32 = 60;
const ONE_MORE: Duration = Duration::from_secs(10);
/// How long an API server without an answer is asked as often as one that answers.
const OUTAGE: Duration = Duration::from_secs(15);
/// The greatest age of what is known: a watch that reports nothing may have lost its connection.
const OLDEST: Duration = Duration::from_secs(30);

/// What the last look has seen, and what the watches have reported since.
#[derive(Default)]
pub struct News<'a> {
    known: Known,
    /// None before the first wait: a run that decides at once needs no watch.
    events: Option<LocalBoxStream<'a, FollowEvent>>,
    open: Vec<Kind>,
}

impl<'a> News<'a> {
    /// Waits for news since a look that saw this; without any for the pause, and never beyond the deadline. Sentinels
    /// and Redis report nothing by themselves: they must be asked again. Returns whether there were any.
    pub async fn wait(&mut self, observer: &Observer<'a>, evidence: &Evidence, pause: Duration, deadline: Instant) -> bool {
        self.take(observer, evidence);
        self.wait_until(observer, deadline.min(Instant::now() + pause)).await
    }

    fn take(&mut self, observer: &Observer<'_>, evidence: &Evidence) {
        // A non-member is news once only.
        let others: BTreeSet<_> = observer.others().into_iter().map(|other| other.uid).collect();
        let others = std::mem::take(&mut self.known.pods).into_iter().filter(|found| others.contains(found.uid()));
        let members = observer.seen().into_iter().map(|pod| Found::Pod(Box::new(pod)));
        let pods = members.chain(others).collect();
        self.known = Known { record: evidence.record.clone(), pods, unlisted: evidence.listing.clone() };
    }

    async fn wait_until(&mut self, observer: &Observer<'a>, until: Instant) -> bool {
        let Some(cluster) = observer.clients.cluster() else {
            sleep_until(until).await;
            return false;
        };
        let GroupConfig { group, selector, scheme, .. } = observer.group_config;
        let events = self.events.get_or_insert_with(|| cluster.follow_group(group, selector, scheme.clone()).boxed_local());
        loop {
            match timeout_at(until, events.next()).await {
                Ok(Some(FollowEvent::Opened(kind))) => {
                    self.open.push(kind);
                    // The watches may not have reported what changed before.
                    if self.open.len() == Kind::COUNT {
                        return true;
                    }
                }
                Ok(Some(FollowEvent::Closed(kind))) => self.open.retain(|open| *open != kind),
                Ok(Some(event)) => {
                    if self.known.note(event) {
                        return true;
                    }
                }
                Ok(None) => {
                    sleep_until(until).await;
                    return false;
                }
                Err(_) => return false,
            }
        }
    }

    fn are_all_open(&self) -> bool {
        self.open.len() == Kind::COUNT
    }
}

impl Known {
    /// Takes an event of a watch; returns whether a run that waits must look.
    fn note(&mut self, event: FollowEvent) -> bool {
        match event {
            FollowEvent::Record(record) => {
                let is_news = self.record != *record;
                self.record = *record;
                is_news
            }
            FollowEvent::Pod(pod) => {
                let name = pod.name();
                let is_news = self.pods.iter().find(|one| one.name() == name).is_none_or(|one| is_other(one, &pod));
                self.pods.retain(|one| one.name() != name);
                self.pods.push(pod);
                is_news
            }
            FollowEvent::Gone(pod) => {
                let before = self.pods.len();
                self.pods.retain(|one| one.name() != pod);
                self.pods.len() != before
            }
            FollowEvent::Opened(_) | FollowEvent::Closed(_) => false,
        }
    }
}

/// Whether a pod is not as it was seen: another, at another address, or with another disk report.
fn is_other(seen: &Found, now: &Found) -> bool {
    match (seen, now) {
        (Found::Pod(seen), Found::Pod(now)) => (&seen.uid, &seen.ips, &seen.report) != (&now.uid, &now.ips, &now.report),
        _ => seen.uid() != now.uid(),
    }
}

/// The looks of somebody who waits to be decided. Sentinels and Redis are asked in each. Of the API server a whole
/// look asks everything, and only a whole one is acted upon: the first; one after news, or where a lesser one says
/// that there is something to do; and from time to time without any news.
pub struct Looks<'a> {
    news: News<'a>,
    budget: Budget,
    is_due: bool,
    /// When the last whole one was; none before the first.
    whole: Option<Instant>,
    /// How long after it the API server, which had no answer for it, is left alone.
    rest: Rest,
    /// Whether the last one was whole.
    pub is_whole: bool,
}

impl<'a> Looks<'a> {
    /// None yet.
    pub fn new() -> Self {
        Self {
            news: News::default(),
            budget: Budget::new(Instant::now()),
            is_due: true,
            whole: None,
            rest: Rest::default(),
            is_whole: true,
        }
    }

    /// Whether the next look will ask the API server.
    pub fn will_be_whole(&mut self, observer: &Observer<'a>) -> bool {
        self.is_whole = observer.clients.cluster().is_none() || (self.is_due && self.budget.take(Instant::now()));
        self.is_whole
    }

    /// Looks. `waited` is how long this run has been looking.
    pub async fn look(&mut self, observer: &Observer<'a>, waited: Duration, deadline: Instant) -> Evidence {
        if !self.is_whole {
            return observer.observe_by(self.news.known.clone(), waited, deadline).await;
        }
        self.is_due = false;
        self.whole = Some(Instant::now());
        let evidence = observer.observe(waited, deadline).await;
        let is_unanswered = matches!(evidence.record, RecordSeen::Unknown(_)) || evidence.listing.is_some();
        self.rest.note(is_unanswered, Instant::now());
        self.news.take(observer, &evidence);
        evidence
    }

    /// The next look shall be a whole one. Returns whether that may be now; else it is as soon as it may.
    pub fn demand(&mut self) -> bool {
        self.is_due = true;
        self.budget.has_some(Instant::now())
    }

    /// The next look is a whole one, whatever is left for them.
    pub fn insist(&mut self) {
        self.is_due = true;
        self.budget.left = self.budget.left.max(1);
    }

    /// Waits for news, without any for the pause, and never beyond the deadline.
    pub async fn wait(&mut self, observer: &Observer<'a>, pause: Duration, deadline: Instant) {
        let is_news = self.news.wait_until(observer, deadline.min(Instant::now() + pause)).await;
        // What could not be published is published with the next one.
        let is_unpublished = observer.group_config.me.is_some() && observer.own.instance.is_none();
        let is_older_than = |age| self.whole.is_none_or(|when| when.elapsed() >= age);
        let may_have_missed = is_unpublished || !self.news.are_all_open();
        self.is_due |= is_news || is_older_than(OLDEST) || (may_have_missed && is_older_than(self.rest.pause));
    }
}

/// Pauses that grow while the API server has no answer for longer than it takes to come back after a power cut: then no
/// watch reports anything either, and a look is tried several times.
struct Rest {
    since: Option<Instant>,
    pauses: Backoff,
    pause: Duration,
}

impl Default for Rest {
    fn default() -> Self {
        Self { since: None, pauses: Backoff::of_no_answers(), pause: Duration::ZERO }
    }
}

impl Rest {
    fn note(&mut self, is_unanswered: bool, now: Instant) {
        if !is_unanswered {
            *self = Self::default();
        } else if now - *self.since.get_or_insert(now) >= OUTAGE {
            self.pause = self.pauses.next();
        }
    }
}

/// How many whole looks there may still be.
struct Budget {
    left: u32,
    counted: Instant,
}

impl Budget {
    fn new(now: Instant) -> Self {
        Self { left: LOOKS, counted: now }
    }

    fn has_some(&mut self, now: Instant) -> bool {
        while self.counted + ONE_MORE <= now {
            self.counted += ONE_MORE;
            self.left = (self.left + 1).min(LOOKS);
        }
        self.left > 0
    }

    fn take(&mut self, now: Instant) -> bool {
        let has_some = self.has_some(now);
        self.left = self.left.saturating_sub(1);
        has_some
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn within_an_hour_there_are_so_few_whole_looks_that_a_group_of_five_asks_less_than_once_a_second() {
        let start = Instant::now();
        let mut budget = Budget::new(start);
        let asked = (0..36_000).filter(|tick| budget.take(start + Duration::from_millis(100) * *tick)).count();
        assert!(asked * 7 < 3600, "{asked} looks of seven requests");
        assert!(asked > 400, "{asked}");
    }

    #[test]
    fn an_api_server_that_has_no_answer_is_asked_ever_less_often_and_one_that_has_at_once() {
        let (mut rest, start) = (Rest::default(), Instant::now());
        let mut pause = |at: u64| {
            rest.note(true, start + Duration::from_secs(at));
            rest.pause.as_millis()
        };
        assert_eq!([0, 1, 2, 14].map(&mut pause), [0; 4], "it may be back at any moment");
        let (pauses, longest) = ([15, 16, 18, 22, 30].map(&mut pause), [1_000, 2_000, 4_000, 8_000, 8_000]);
        assert!(pauses.iter().zip(longest).all(|(pause, most)| (most / 2..=most).contains(pause)), "{pauses:?}");
        rest.note(false, start + Duration::from_secs(31));
        rest.note(true, start + Duration::from_secs(32));
        assert_eq!(rest.pause, Duration::ZERO);
    }

    #[test]
    fn what_is_as_it_was_seen_is_no_news() {
        let mut known = Known::default();
        assert!(known.note(FollowEvent::Record(Box::new(RecordSeen::Absent))), "nothing was known before");
        assert!(!known.note(FollowEvent::Record(Box::new(RecordSeen::Absent))));
        assert!(!known.note(FollowEvent::Gone("redis-0".to_owned())), "a pod that nobody knew of");
    }
}
