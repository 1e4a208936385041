//! Without Sentinels: every replica with a link has all writes before this master stops.

use std::time::Duration;

use anyhow::{Result, bail};
use tokio::time::{Instant, sleep};
use tracing::{info, warn};

use super::{ENOUGH, Leaving, PACE, Pod};
use crate::commands::Next;
use crate::core::evidence::Evidence;
use crate::core::handover::{silent, with_a_link};
use crate::core::identity::PodName;
use crate::edge::wire::Target;
use crate::steps::context::in_time;

/// For how long a replica that gives no answer may have a link all the same.
const SILENT: Duration = Duration::from_secs(5);
/// The last pause outlasts this program, until the server gets the signal to stop.
const LAST_PAUSE: Duration = Duration::from_secs(5);

impl Leaving<'_> {
    /// Waits until the replicas have all writes, and holds more back.
    pub(super) async fn deliver(mut self, mut evidence: Evidence, is_dry_run: bool, deadline: Instant) -> Result<Next> {
        let Pod { me, observer, .. } = self.pod;
        let started = Instant::now();
        let mut logged = String::new();
        loop {
            let has_waited = started.elapsed() >= SILENT;
            let pods = with_a_link(&evidence, me).chain(silent(&evidence, me).filter(|_| !has_waited));
            let target = |pod: &PodName| observer.group_config.target(pod, evidence.ips_of(pod).to_owned());
            let candidates: Vec<_> = pods.map(|pod| (pod.clone(), target(pod))).collect();
            let count = candidates.len();
            if is_dry_run {
                info!("{me} would pause its writes until its replicas have all its writes, {count} of them");
                return Ok(Next::Exit);
            }
            let Err(obstacle) = self.deliver_to(&candidates).await else {
                info!(
                    "{me} cannot hand over without Sentinels, and none is named: its replicas have all its writes, {count} of them, and new writes are held back for at most {LAST_PAUSE:?}"
                );
                return Ok(Next::Exit);
            };
            self.write_again().await;
            if Instant::now() + ENOUGH >= deadline {
                bail!("{me} stops before its replicas have all its writes: {obstacle}");
            }
            if logged != obstacle {
                info!("{me} waits before it stops: {obstacle}");
                logged = obstacle;
            }
            sleep(PACE).await;
            // Who has lost its link meanwhile is not waited for.
            evidence = self.pod.look(deadline).await.0;
        }
    }

    /// Once without a pause, so that the pause is short.
    async fn deliver_to(&mut self, candidates: &[(PodName, Target)]) -> Result<(), String> {
        self.catch_up(candidates).await?;
        self.hold_until_caught_up(candidates).await?;
        if let Err(failure) = in_time(self.master.pause(LAST_PAUSE)).await {
            warn!("the writes of {} are paused for a moment only: {failure}", self.pod.me);
        }
        // It is the stop that ends this pause.
        self.begun.paused = None;
        Ok(())
    }
}
