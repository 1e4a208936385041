//! Another pod is the master: this pod follows that master, and waits until that pod is labelled.

use std::time::{Duration, SystemTime};

use anyhow::{Result, anyhow, bail};
use tokio::time::{Instant, sleep, sleep_until, timeout};
use tracing::{info, warn};

use super::{ENOUGH, Leaving, PACE, PAUSE, Pod};
use crate::core::evidence::{Evidence, Failure, Role};
use crate::core::identity::Endpoint;
use crate::core::labels::Scheme;
use crate::core::rules;
use crate::edge::kubernetes::within;
use crate::edge::redis::{self, Master};
use crate::steps::announce::announce_promotion;
use crate::steps::context::{GroupConfig, in_time};
use crate::steps::decide::{Settled, act};
use crate::steps::label::label;
use crate::steps::observe::Observer;
use crate::steps::retry::{persist, refused};

/// How long taking the own label away may hold up what else is to be done.
const UNLABELLED: Duration = Duration::from_millis(300);
/// How long after the label's loss kube-proxy has followed the new label, if that has come in the meantime: its second
/// (`minSyncPeriod`), and what the two syncs take.
const FOLLOWED: Duration = Duration::from_millis(1250);
/// How long Sentinel's hook is waited for, before its work is done here.
const HOOK: Duration = Duration::from_secs(2);

impl Leaving<'_> {
    /// Follows the new master, and waits until it is labelled.
    pub(super) async fn leave(&mut self, evidence: &Evidence, new: &Endpoint, deadline: Instant) -> Result<()> {
        let Pod { me, observer: Observer { group_config, clients, .. }, .. } = self.pod;
        let name = evidence.member_at(&new.host).map_or_else(|| new.to_string(), ToString::to_string);
        if let Some(since) = self.begun.paused {
            // Until Sentinel demotes it, it would take writes again after the pause.
            if let Err(failure) = self.pod.follow(new, deadline).await {
                warn!(
                    "{me} is not a replica of {name} yet ({failure}): the writes of {me} are paused for at most {PAUSE:?} more"
                );
            } else {
                info!("{me} follows {name} after a pause of {:.1?}", since.elapsed());
            }
        }
        let labelled = self.pod.labelled(evidence, new, deadline).await;
        if self.begun.paused.is_some() {
            if let Some(since) = self.begun.unlabelled {
                sleep_until((since + FOLLOWED).min(deadline)).await;
            }
            self.pod.send_clients_away().await;
        }
        self.pod.be_labelled(deadline).await;
        labelled.map_err(|error| error.context(format!("{name} is the master now, but is not labelled")))?;
        let Scheme { key, master: value, .. } = &group_config.scheme;
        let labelled = clients.cluster().map_or_else(String::new, |_| format!(", and labelled {key}={value}"));
        info!("{me} has handed over: {name} is the master{labelled}");
        Ok(())
    }
}

impl Pod<'_> {
    /// Makes this pod's Redis a replica. One that stands still does it first of all when it goes on.
    pub(super) async fn follow(self, new: &Endpoint, deadline: Instant) -> Result<(), Failure> {
        loop {
            match in_time(redis::follow(self.own, &self.observer.credentials.redis, new)).await {
                Err(Failure::TimedOut | Failure::Unreachable(_)) if Instant::now() + ENOUGH < deadline => sleep(PACE).await,
                followed => return followed,
            }
        }
    }

    /// Disconnects the clients of this pod, whose writes wait behind the pause.
    async fn send_clients_away(self) {
        let ended = async {
            let (mut own, role) = Master::connect(self.own, &self.observer.credentials.redis).await?;
            if role != Role::Master {
                own.unpause().await?;
                own.send_clients_away().await?;
            }
            Ok(())
        };
        if let Err(failure) = in_time(ended).await {
            warn!("the clients of {} are not disconnected: {failure}", self.me);
        }
    }

    /// Has this pod carry no label while it hands over. Where that cannot be, clients find the new master later.
    pub(super) async fn take_label_off(self) -> Option<Instant> {
        let Observer { clients, group_config, .. } = self.observer;
        let off = clients.cluster()?.begin_handover(self.me, SystemTime::now().into(), &group_config.scheme);
        match within(UNLABELLED, off).await {
            Ok(()) => Some(Instant::now()),
            Err(refusal) => {
                warn!("{} keeps its label while it hands over: {refusal}", self.me);
                None
            }
        }
    }

    /// Labels this pod by its role again, whichever that is now. What this leaves undone reconcile does.
    pub(super) async fn be_labelled(self, deadline: Instant) {
        let Observer { clients, group_config, .. } = self.observer;
        let Some(cluster) = clients.cluster() else { return };
        let done = async {
            within(HOOK, cluster.end_handover(self.me)).await.map_err(|refusal| refused("the end of the handover", refusal))?;
            label(cluster, group_config, |pod| pod, deadline.min(Instant::now() + HOOK)).await.failure.map_or(Ok(()), Err)
        };
        if let Err(error) = done.await {
            warn!("{} is not labelled: {error:#}", self.me);
        }
    }

    /// Waits for the label. Where Sentinel's hook does not set it, the record and the labels are moved here.
    async fn labelled(self, evidence: &Evidence, new: &Endpoint, deadline: Instant) -> Result<()> {
        let Observer { clients, group_config, .. } = self.observer;
        let Some(cluster) = clients.cluster() else { return Ok(()) };
        let GroupConfig { group, scheme, .. } = group_config;
        let Some(pod) = evidence.member_at(&new.host) else { bail!("{new} is no pod of this group") };
        if timeout(HOOK, cluster.carries(pod, scheme, &scheme.master)).await.is_ok() {
            return Ok(());
        }
        persist(
            deadline,
            || format!("the record of `{group}` and the labels have not moved"),
            async || {
                let evidence = self.observer.observe(Duration::ZERO, deadline).await;
                if let Ok(mut settled) = Settled::from(rules::for_sentinel(&evidence), evidence)
                    && let Some(obstacle) = act(self.observer, &mut settled, deadline, false).await?
                {
                    bail!("{obstacle}");
                }
                let labelled = label(cluster, group_config, |pod| pod, deadline).await;
                announce_promotion(cluster, group, &labelled, group_config.me.as_ref(), "handover").await;
                if timeout(HOOK, cluster.carries(pod, scheme, &scheme.master)).await.is_ok() {
                    return Ok(());
                }
                let missing = anyhow!("{labelled}, and {pod} does not carry {}={}", scheme.key, scheme.master);
                Err(labelled.failure.unwrap_or(missing))
            },
        )
        .await
    }
}
