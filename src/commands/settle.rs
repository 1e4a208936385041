//! Decide: look until the evidence is enough, then make the record say so before anyone acts.

use std::time::Duration;

use anyhow::{Result, bail};
use tokio::time::{Instant, sleep, sleep_until, timeout_at};
use tracing::info;

use super::observe::Observer;
use super::patience::{Backoff, blame, refused};
use super::setting::Subject;
use crate::core::decision::{Decision, Part};
use crate::core::evidence::{Evidence, Failure, RecordSeen};
use crate::core::identity::{Endpoint, PodName};
use crate::core::record::{Claim, Record};
use crate::edge::kubernetes::{Cluster, Refusal};

/// A decision, and what it rests on.
pub struct Settled {
    pub claim: Claim,
    pub leads: bool,
    pub why: String,
    pub evidence: Evidence,
    /// What was written to the record, or would be in a dry run.
    pub recorded: Option<Claim>,
}

impl Settled {
    /// How the Redis of a pod calls itself; where that is an address that nobody knows now, as the
    /// record remembers it.
    pub fn endpoint(&self, subject: &Subject, pod: &PodName) -> Option<Endpoint> {
        let ips = self.evidence.peers.iter().find(|peer| peer.pod == *pod).map_or(&[][..], |peer| &peer.ips);
        subject.announced(pod, ips).or_else(|| match &self.evidence.record {
            RecordSeen::Present(record) if record.claim.master == *pod => Some(record.address.clone()),
            _ => None,
        })
    }
}

/// Looks and decides until there is a decision. The record is created or moved first where the
/// decision says so; whoever loses that race looks again.
pub async fn settle(
    observer: &Observer<'_>,
    decide: fn(&Evidence) -> Decision,
    deadline: Instant,
    dry_run: bool,
) -> Result<Settled> {
    let started = Instant::now();
    let mut backoff = Backoff::new();
    let mut last: Option<(String, Evidence)> = None;
    loop {
        let evidence = observer.observe(started.elapsed(), deadline).await;
        give_up_if_not_allowed(observer, &evidence)?;
        // Nothing is concluded from asking that was cut short.
        let is_over = Instant::now() >= deadline;
        let Decision { part, record, why } = decide(&evidence);
        let decided = match part {
            Part::Lead(claim) => Some((claim, true)),
            Part::Follow(claim) => Some((claim, false)),
            Part::Undecided => None,
        };
        let obstacle = match decided {
            Some((claim, leads)) if !is_over => {
                let settled = Settled { claim, leads, why, evidence: evidence.clone(), recorded: record };
                match act(observer, &settled, deadline, dry_run).await? {
                    None => return Ok(settled),
                    Some(obstacle) => obstacle,
                }
            }
            _ => why,
        };
        if is_over || dry_run {
            // The last look that was not cut short tells more.
            let (obstacle, evidence) = last.unwrap_or((obstacle, evidence));
            bail!("undecided after {:.1?}: {}{obstacle}\n{evidence}", started.elapsed(), name(observer));
        }
        if last.as_ref().is_none_or(|(told, _)| *told != obstacle) {
            info!("{}{obstacle}", name(observer));
        }
        wait_for_news(observer, &evidence, backoff.next(), deadline).await;
        last = Some((obstacle, evidence));
    }
}

/// Makes the record say what the decision needs it to say; returns what is in the way.
async fn act(observer: &Observer<'_>, settled: &Settled, deadline: Instant, dry_run: bool) -> Result<Option<String>> {
    let (Some(cluster), Some(claim), false) = (observer.world.cluster(), &settled.recorded, dry_run) else { return Ok(None) };
    let Some(address) = settled.endpoint(observer.subject, &claim.master) else {
        return Ok(Some(format!("waits: the address of {} is not known yet", claim.master)));
    };
    let written = timeout_at(deadline, write(cluster, observer, &settled.evidence.record, claim, &address)).await;
    match written.unwrap_or(Err(Refusal::Failed(Failure::TimedOut))) {
        Ok(_) => Ok(None),
        Err(refusal @ Refusal::Failed(Failure::NotAllowed(_))) => {
            Err(refused(&format!("the record of `{}`", observer.subject.group), refusal))
        }
        // Another was faster, or the API server is away for a moment.
        Err(refusal) => Ok(Some(format!("looks again: the record was not written, {refusal}"))),
    }
}

/// What RBAC forbids now it forbids later.
fn give_up_if_not_allowed(observer: &Observer<'_>, evidence: &Evidence) -> Result<()> {
    let group = &observer.subject.group;
    if let RecordSeen::Unknown(failure @ Failure::NotAllowed(_)) = &evidence.record {
        return Err(blame(&format!("the record of `{group}`"), failure.clone()));
    }
    match &evidence.listing {
        Some(failure @ Failure::NotAllowed(_)) => Err(blame(&format!("the pods of `{group}`"), failure.clone())),
        _ => Ok(()),
    }
}

fn name(observer: &Observer<'_>) -> String {
    match &observer.subject.me {
        Some(me) => format!("{me} "),
        None => format!("{}: ", observer.subject.group),
    }
}

async fn write(
    cluster: &Cluster,
    observer: &Observer<'_>,
    seen: &RecordSeen,
    claim: &Claim,
    address: &Endpoint,
) -> Result<Record, Refusal> {
    let group = &observer.subject.group;
    match seen {
        RecordSeen::Present(record) => cluster.move_record(group, record, claim, address).await,
        _ => cluster.create_record(group, claim, address).await,
    }
}

/// The record tells of its changes; Sentinels and peers must be asked again after a pause.
async fn wait_for_news(observer: &Observer<'_>, evidence: &Evidence, pause: Duration, deadline: Instant) {
    let record_changes = async {
        let group = &observer.subject.group;
        match (observer.world.cluster(), &evidence.record) {
            (Some(cluster), RecordSeen::Present(record)) => cluster.record_change(group, Some(record)).await,
            (Some(cluster), RecordSeen::Absent) => cluster.record_change(group, None).await,
            _ => std::future::pending().await,
        }
    };
    tokio::select! {
        () = record_changes => {}
        () = sleep(pause) => {}
        () = sleep_until(deadline) => {}
    }
}
