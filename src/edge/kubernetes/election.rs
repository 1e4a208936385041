//! One of several acts: whoever holds a Lease.
//!
//! The election is our own: of the crates, kube-lease-manager alone takes this kube, and it frees a Lease that
//! has run out by a patch without a version, after which two may hold it, and believes other machines' clocks.
//! Here each change is made under the version that was seen, and a Lease has run out when our own clock has
//! seen it unchanged for its whole term (as client-go has it).

use std::collections::BTreeMap;
use std::pin::pin;
use std::time::{Duration, SystemTime};

use futures::StreamExt;
use k8s_openapi::jiff::Timestamp;
use kube::api::PostParams;
use kube::runtime::WatchStreamExt;
use kube::runtime::watcher::{Config, Event, watcher};
use kube::{Api, Client};
use tokio::sync::{Mutex, Notify, watch};
use tokio::time::{Instant, sleep_until};
use tracing::{info, warn};

use super::view::LeaseView;
use super::{Refusal, refusal, within};

/// After how long without a renewal another may take the Lease.
const TERM: Duration = Duration::from_secs(15);
/// The longest term that is waited for: ours is [`TERM`], and a number that somebody else wrote may be any.
const LONGEST: Duration = TERM.saturating_mul(4);
/// How long after a renewal its holder may act: what it then does is done before another may.
const LEADERSHIP: Duration = Duration::from_secs(10);
/// How often it is renewed.
const RENEWAL: Duration = Duration::from_secs(5);
/// How long after a failure it is tried again.
const RETRY: Duration = Duration::from_secs(1);
/// How long the API server may take.
const ANSWER: Duration = Duration::from_secs(3);
/// What each holder leaves to the next.
const MEMORY: &str = "ordain.dev/deleted-nodes";

/// A candidate.
pub struct Election {
    leases: Api<LeaseView>,
    name: String,
    me: String,
    /// As it was seen last, and when something is to be done about it.
    known: Mutex<Option<Known>>,
    leadership: watch::Sender<Option<Instant>>,
    memory: watch::Sender<String>,
    /// Notified when this candidate is to end.
    end: Notify,
}

struct Known {
    lease: LeaseView,
    due: Instant,
}

impl Election {
    pub(super) fn new(client: Client, namespace: &str, name: &str, pod: &str) -> Self {
        Self {
            leases: Api::namespaced(client, namespace),
            name: name.to_owned(),
            // A container that starts again is another candidate.
            me: format!("{pod}_{:08x}", fastrand::u32(..)),
            known: Mutex::new(None),
            leadership: watch::Sender::new(None),
            memory: watch::Sender::new(String::new()),
            end: Notify::new(),
        }
    }

    /// Until when this one may act; none while another holds the Lease.
    pub fn leadership(&self) -> watch::Receiver<Option<Instant>> {
        self.leadership.subscribe()
    }

    /// What the holder before has left, or this one has remembered.
    pub fn memory(&self) -> String {
        self.memory.borrow().clone()
    }

    /// Whether the Lease is there and may be read.
    ///
    /// # Errors
    /// The API server's refusal.
    pub async fn check(&self) -> Result<(), Refusal> {
        self.get().await.map(drop)
    }

    /// Leaves something to the next holder when the Lease is renewed.
    pub fn leave(&self, memory: String) {
        self.memory.send_replace(memory);
    }

    /// Leaves something to the next holder, before this returns.
    ///
    /// # Errors
    /// The Lease is not ours any more, or the API server's refusal.
    pub async fn remember(&self, memory: String) -> Result<(), Refusal> {
        let mut known = self.known.lock().await;
        let held = known.as_ref().filter(|known| self.is_mine(&known.lease)).ok_or(Refusal::Conflict)?;
        self.leave(memory);
        *known = Some(self.hold(&held.lease).await?);
        Ok(())
    }

    /// Stands for election until [`Election::resign`]; gives the Lease back then.
    pub async fn stand(&self) {
        let only = Config::default().fields(&format!("metadata.name={}", self.name));
        let mut changes = pin!(watcher(self.leases.clone(), only).default_backoff());
        loop {
            let due = self.known.lock().await.as_ref().map(|known| known.due);
            let is_due = async {
                match due {
                    Some(due) => sleep_until(due).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                biased;
                // Between two requests: one that is under way would else be done after the Lease was given back.
                () = self.end.notified() => return self.give_back().await,
                Some(change) = changes.next() => match change {
                    Ok(Event::InitApply(lease) | Event::Apply(lease)) => self.see(lease).await,
                    Ok(Event::Delete(_)) => {
                        warn!("the Lease `{}` is gone: nobody acts until it is made again", self.name);
                        *self.known.lock().await = None;
                        self.leadership.send_replace(None);
                    }
                    Ok(Event::Init | Event::InitDone) => {}
                    Err(error) => warn!("the watch of the Lease `{}` begins again: {error}", self.name),
                },
                () = is_due => self.attempt().await,
            }
        }
    }

    /// Ends [`Election::stand`] as soon as what it has begun is done.
    pub fn resign(&self) {
        self.leadership.send_replace(None);
        self.end.notify_one();
    }

    /// Lets another have the Lease at once.
    async fn give_back(&self) {
        self.leadership.send_replace(None);
        let Some(Known { lease, .. }) = self.known.lock().await.take() else { return };
        let given_back = match self.free(lease).await {
            // A renewal whose answer never came was made all the same: the Lease is ours in a later version.
            Err(Refusal::Conflict) => match self.get().await {
                Ok(lease) => self.free(lease).await,
                Err(refusal) => Err(refusal),
            },
            given_back => given_back,
        };
        if let Err(refusal) = given_back {
            warn!("the Lease `{}` is not given back, and runs out within {TERM:?}: {refusal}", self.name);
        }
    }

    /// Names no holder, where this one is it. Made under the version that was seen: a renewal that comes later
    /// still is refused.
    async fn free(&self, mut lease: LeaseView) -> Result<(), Refusal> {
        if !self.is_mine(&lease) {
            return Ok(());
        }
        lease.spec.holder_identity = None;
        self.replace(&lease).await.map(drop)
    }

    /// Takes what the watch has sent.
    async fn see(&self, lease: LeaseView) {
        let mut known = self.known.lock().await;
        if known.as_ref().is_some_and(|known| known.lease.metadata.resource_version == lease.metadata.resource_version) {
            return;
        }
        if !self.is_mine(&lease) {
            self.leadership.send_replace(None);
        }
        *known = Some(Known { due: self.due(&lease), lease });
    }

    /// When something is to be done about a Lease that is first seen now.
    fn due(&self, lease: &LeaseView) -> Instant {
        let holder = lease.spec.holder_identity.as_deref().filter(|holder| !holder.is_empty());
        // Of several candidates one is first.
        let jitter = Duration::from_millis(fastrand::u64(..300));
        Instant::now()
            + match holder {
                Some(holder) if holder == self.me => RENEWAL,
                Some(_) => term(lease) + jitter,
                None => jitter,
            }
    }

    fn is_mine(&self, lease: &LeaseView) -> bool {
        lease.spec.holder_identity.as_ref() == Some(&self.me)
    }

    /// Renews the Lease, or takes one that has run out.
    async fn attempt(&self) {
        let mut known = self.known.lock().await;
        let Some(lease) = known.as_ref().map(|known| known.lease.clone()) else { return };
        let was_mine = self.is_mine(&lease);
        match self.hold(&lease).await {
            Ok(held) => {
                if !was_mine {
                    info!(lease = self.name, me = self.me, "this candidate holds the Lease and acts");
                }
                *known = Some(held);
            }
            Err(refusal) => {
                if refusal != Refusal::Conflict {
                    warn!("the Lease `{}`: {refusal}", self.name);
                }
                // Whoever was faster is seen by asking, should the watch be broken.
                let now = self.get().await.unwrap_or(lease);
                let is_mine = self.is_mine(&now);
                let due = if is_mine || refusal != Refusal::Conflict { Instant::now() + RETRY } else { self.due(&now) };
                if !is_mine {
                    self.leadership.send_replace(None);
                }
                *known = Some(Known { lease: now, due });
            }
        }
    }

    async fn hold(&self, lease: &LeaseView) -> Result<Known, Refusal> {
        let began = Instant::now();
        // As the API server writes a `MicroTime`.
        let now = Timestamp::try_from(SystemTime::now()).ok().map(|now| format!("{now:.6}"));
        let mut next = lease.clone();
        let spec = &mut next.spec;
        let notes = next.metadata.annotations.get_or_insert_with(BTreeMap::new);
        if self.is_mine(lease) {
            notes.insert(MEMORY.to_owned(), self.memory());
        } else {
            spec.holder_identity = Some(self.me.clone());
            spec.acquire_time.clone_from(&now);
            spec.lease_transitions = Some(spec.lease_transitions.unwrap_or_default().saturating_add(1));
        }
        spec.renew_time = now;
        spec.lease_duration_seconds = i32::try_from(TERM.as_secs()).ok();
        let held = self.replace(&next).await?;
        if !self.is_mine(lease) {
            let left = held.metadata.annotations.as_ref().and_then(|notes| notes.get(MEMORY)).cloned();
            self.memory.send_replace(left.unwrap_or_default());
        }
        self.leadership.send_replace(Some(began + LEADERSHIP));
        Ok(Known { lease: held, due: began + RENEWAL })
    }

    async fn get(&self) -> Result<LeaseView, Refusal> {
        within(ANSWER, async { self.leases.get(&self.name).await.map_err(|error| refusal(&error, "get leases")) }).await
    }

    async fn replace(&self, lease: &LeaseView) -> Result<LeaseView, Refusal> {
        let replaced = async { self.leases.replace(&self.name, &PostParams::default(), lease).await };
        within(ANSWER, async { replaced.await.map_err(|error| refusal(&error, "update leases")) }).await
    }
}

/// After how long without a renewal a Lease has run out, by what its holder has written.
fn term(lease: &LeaseView) -> Duration {
    let told = lease.spec.lease_duration_seconds.and_then(|seconds| u64::try_from(seconds).ok());
    told.map_or(TERM, Duration::from_secs).min(LONGEST)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lease_runs_out_after_its_term_and_after_no_number_that_somebody_has_made_up() {
        let of = |seconds| {
            let mut lease = LeaseView::default();
            lease.spec.lease_duration_seconds = seconds;
            term(&lease)
        };
        assert_eq!([of(Some(15)), of(None), of(Some(-1)), of(Some(20))], [15, 15, 15, 20].map(Duration::from_secs));
        assert_eq!([of(Some(i32::MAX)), of(Some(61))], [Duration::from_secs(60); 2]);
    }
}
