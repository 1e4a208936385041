//! Decide: look until the evidence is enough, then make the record say so before anyone acts.

use std::time::Duration;

use anyhow::{Result, anyhow, bail};
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
    let mut last_why = String::new();
    let mut last_evidence = None;
    loop {
        let Ok(evidence) = timeout_at(deadline, observer.observe(started.elapsed())).await else { break };
        if let RecordSeen::Unknown(failure @ Failure::NotAllowed(_)) = &evidence.record {
            return Err(blame(&format!("the record of `{}`", observer.subject.group), failure.clone()));
        }
        let Decision { part, record, why } = decide(&evidence);
        let (leads, claim) = match part {
            Part::Lead(claim) => (true, claim),
            Part::Follow(claim) => (false, claim),
            Part::Undecided if dry_run => bail!("{}{why}\n{evidence}", name(observer)),
            Part::Undecided => {
                if why != last_why {
                    info!("{}{why}", name(observer));
                }
                last_why = why;
                wait_for_news(observer, &evidence, backoff.next(), deadline).await;
                last_evidence = Some(evidence);
                continue;
            }
        };
        let settled = Settled { claim, leads, why, evidence, recorded: record };
        match (observer.world.cluster(), &settled.recorded) {
            (Some(cluster), Some(claim)) if !dry_run => {
                let address = settled.endpoint(observer.subject, &claim.master);
                let address = address.ok_or_else(|| anyhow!("the address of {} is not known yet", claim.master))?;
                let written = timeout_at(deadline, write(cluster, observer, &settled.evidence.record, claim, &address)).await;
                match written.unwrap_or(Err(Refusal::Failed(Failure::TimedOut))) {
                    Ok(_) => return Ok(settled),
                    Err(refusal @ Refusal::Failed(Failure::NotAllowed(_))) => {
                        return Err(refused(&format!("the record of `{}`", observer.subject.group), refusal));
                    }
                    // Another was faster, or the API server is away for a moment.
                    Err(refusal) => {
                        info!("{}looks again: the record was not written, {refusal}", name(observer));
                        wait_for_news(observer, &settled.evidence, backoff.next(), deadline).await;
                        last_evidence = Some(settled.evidence);
                    }
                }
            }
            _ => return Ok(settled),
        }
    }
    let evidence = last_evidence.map(|evidence| format!("\n{evidence}")).unwrap_or_default();
    let why = if last_why.is_empty() { "nobody answered in time".to_owned() } else { last_why };
    Err(anyhow!("undecided at the deadline after {:?}: {}{why}{evidence}", started.elapsed(), name(observer)))
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
