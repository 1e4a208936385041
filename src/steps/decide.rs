//! Decide: look until the evidence suffices for a decision, then write the decision to the record before anyone acts.

use std::time::{Duration, SystemTime};

use anyhow::Result;
use tokio::time::{Instant, timeout_at};
use tracing::info;

use super::context::GroupConfig;
use super::disk_report::{does_not_exist, publish, random_id};
use super::news::Looks;
use super::observe::{Observer, Outside, from_api};
use super::retry::{Backoff, blame, refused};
use crate::core::decision::{Decision, Reason, StartAs};
use crate::core::disk::{LastHeard, Moment};
use crate::core::evidence::{Evidence, Failure, RecordSeen};
use crate::core::identity::{Endpoint, PodName};
use crate::core::members::NotMember;
use crate::core::record::{Claim, Record};
use crate::core::rules;
use crate::core::rules::catalogue::LAST_RESORT;
use crate::edge::kubernetes::{Cluster, Refusal};
use crate::exit::Wrong;

/// How often within the grace a waiting pod annotates which pods it has heard from.
const NOTES: u32 = 10;

/// A decision, and the evidence for it.
#[allow(clippy::struct_excessive_bools, reason = "each says something of its own")]
pub struct Settled {
    pub claim: Claim,
    pub leads: bool,
    /// Whether Sentinel may promote this pod as soon as it runs.
    pub promotable: bool,
    pub is_first_boot: bool,
    /// This pod itself is claimed and may not lead: it follows a pod that does not exist yet.
    pub is_last_resort: bool,
    pub reason: Reason,
    pub evidence: Evidence,
    /// What was written to the record, or would be in a dry run.
    pub recorded: Option<Claim>,
    /// The record as it is now, where one is kept and known.
    pub record: Option<Record>,
}

impl Settled {
    /// A decision that can be acted upon; none where there is none.
    #[allow(clippy::result_large_err, reason = "it is made once for each look")]
    pub fn from(decision: Decision, evidence: Evidence) -> Result<Self, (Reason, Evidence)> {
        let Decision { role, record: recorded, is_first_boot, promotable, reason, .. } = decision;
        let (claim, leads) = match role {
            StartAs::Lead(claim) => (claim, true),
            StartAs::Follow(claim) => (claim, false),
            StartAs::Undecided => return Err((reason, evidence)),
        };
        let record = evidence.recorded().cloned();
        Ok(Self { claim, leads, promotable, is_first_boot, is_last_resort: false, reason, evidence, recorded, record })
    }

    /// Whether role and claim are the same as before.
    pub fn is_same_as(&self, other: &Self) -> bool {
        (self.leads, self.promotable, &self.claim) == (other.leads, other.promotable, &other.claim)
    }

    /// Where a Redis finds the one that it follows. One whose address nobody knows now is looked for by its name: by
    /// the address that it had it might find a pod of another group there. So is any where no Sentinel tells a replica that its
    /// master is elsewhere now: Redis looks a name up whenever it connects (`connectWithMaster` of `replication.c`).
    pub fn followed(&self, group_config: &GroupConfig, pod: &PodName) -> Endpoint {
        let announced = group_config.announced(pod, self.evidence.ips_of(pod)).filter(|_| !self.evidence.has_no_sentinels());
        announced.unwrap_or_else(|| Endpoint { host: group_config.host_name(pod), port: group_config.port })
    }

    /// How the Redis of a pod calls itself; where that is an address that nobody knows now, as the
    /// record remembers it, if no other pod is there.
    pub fn endpoint(&self, group_config: &GroupConfig, pod: &PodName) -> Option<Endpoint> {
        group_config.announced(pod, self.evidence.ips_of(pod)).or_else(|| {
            let is_its = |at: &Endpoint| self.evidence.member_at(&at.host) == Some(pod);
            let record = self.evidence.recorded().filter(|record| record.claim.master == *pod && is_its(&record.address));
            record.map(|record| record.address.clone())
        })
    }
}

/// Looks and decides until there is a decision. The record is created or moved first where the
/// decision says so; whoever loses that race looks again.
pub async fn decide(
    observer: &mut Observer<'_>,
    decide: fn(&Evidence) -> Decision,
    deadline: Instant,
    dry_run: bool,
) -> Result<Settled> {
    let started = Instant::now();
    // What is done at last takes a little time, too.
    let last_resort = deadline - (deadline - started) / 10;
    let mut backoff = Backoff::new();
    let mut looks = Looks::new();
    let mut last: Option<(Reason, Evidence)> = None;
    let mut window = FailoverWindow { since: started, could_come: false };
    let mut notes = Notes { last: None };
    loop {
        if looks.will_be_whole(observer) && last.is_some() {
            publish_again(observer).await?;
        }
        let mut evidence = looks.look(observer, window.since.elapsed(), deadline).await;
        window.note(&mut evidence);
        observer.remember(&evidence);
        give_up_if_not_allowed(observer, &evidence)?;
        if let Some(me) = &observer.group_config.me {
            give_up_if_no_member(observer, me, &evidence, dry_run)?;
        }
        // Nothing is concluded from asking that was cut short.
        let is_over = Instant::now() >= deadline;
        let decision = decide(&evidence);
        let is_last_resort = decision.last_resort_master.is_some() && !is_over && Instant::now() >= last_resort;
        // What is done rests on a whole look.
        if !looks.is_whole && !is_over {
            if is_last_resort {
                looks.insist();
                continue;
            }
            if !matches!(decision.role, StartAs::Undecided) && looks.demand() {
                continue;
            }
        }
        if let (Some(master), true, true) = (&decision.last_resort_master, is_last_resort, looks.is_whole) {
            return Ok(behind_nobody(master.clone(), &decision.reason, evidence));
        }
        let has_last_resort = decision.last_resort_master.is_some();
        let (obstacle, evidence) = match Settled::from(decision, evidence) {
            Ok(mut settled) if !is_over && looks.is_whole => match act(observer, &mut settled, deadline, dry_run).await? {
                None => return Ok(settled),
                Some(obstacle) => {
                    looks.demand();
                    (obstacle.into(), settled.evidence)
                }
            },
            Ok(settled) => (settled.reason, settled.evidence),
            Err(undecided) => undecided,
        };
        if is_over || dry_run {
            // The last look that was not cut short says more.
            let (obstacle, evidence) = last.unwrap_or((obstacle, evidence));
            let who = name(observer);
            return Err(Undecided { waited: started.elapsed(), who, reason: obstacle, evidence }.into());
        }
        if last.as_ref().is_none_or(|(logged, _)| logged.why != obstacle.why) {
            info!("{}{obstacle}", name(observer));
        }
        notes.keep(observer, evidence.grace).await;
        let until = if has_last_resort && Instant::now() < last_resort { last_resort } else { deadline };
        looks.wait(observer, backoff.next(), until).await;
        last = Some((obstacle, evidence));
    }
}

/// Publishes what this pod's disk holds, where that did not work before.
async fn publish_again(observer: &mut Observer<'_>) -> Result<()> {
    if let (None, Some(cluster), Some(me)) = (&observer.own.instance, observer.clients.cluster(), &observer.group_config.me) {
        observer.own = publish(cluster, me, &observer.own).await?.unwrap_or_else(|_| observer.own.clone());
    }
    Ok(())
}

/// Since when a failover would have come. One that has just become possible, for a Sentinel or a
/// replica is back, is waited for from then on.
struct FailoverWindow {
    since: Instant,
    could_come: bool,
}

impl FailoverWindow {
    fn note(&mut self, evidence: &mut Evidence) {
        let could_come = rules::a_failover_could_come(evidence);
        if could_come && !self.could_come {
            self.since = Instant::now();
            evidence.waited = Duration::ZERO;
        }
        self.could_come = could_come;
    }
}

/// No decision within the deadline, with all that was seen.
#[derive(Debug)]
pub struct Undecided {
    pub waited: Duration,
    /// Who has not decided: a pod, or a group of Sentinels.
    pub who: String,
    pub reason: Reason,
    pub evidence: Evidence,
}

impl std::fmt::Display for Undecided {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "undecided after {:.1?}: {}{}\n{}", self.waited, self.who, self.reason, self.evidence)
    }
}

impl std::error::Error for Undecided {}

/// A named pod with an empty disk, before which no other pod is created: it runs, so that they are.
fn behind_nobody(master: PodName, reason: &Reason, evidence: Evidence) -> Settled {
    let epoch = evidence.recorded_epoch().unwrap_or(0);
    let why =
        format!("starts as a replica of {master}, which does not exist yet, so that {master} can be created: {}", reason.why);
    let reason = Reason { why, rule: Some(&LAST_RESORT), wait: None };
    let record = evidence.recorded().cloned();
    let claim = Claim { master, epoch };
    Settled {
        claim,
        leads: false,
        promotable: false,
        is_first_boot: false,
        is_last_resort: true,
        reason,
        evidence,
        recorded: None,
        record,
    }
}

/// Makes the record say what the decision needs it to say; returns what is in the way.
pub async fn act(observer: &Observer<'_>, settled: &mut Settled, deadline: Instant, dry_run: bool) -> Result<Option<String>> {
    let (Some(cluster), Some(claim), false) = (observer.clients.cluster(), &settled.recorded, dry_run) else { return Ok(None) };
    let Some(address) = settled.endpoint(observer.group_config, &claim.master) else {
        return Ok(Some(format!("waits: the address of {} is not known yet", claim.master)));
    };
    let written = timeout_at(deadline, write(cluster, observer.group_config, settled, claim, &address)).await;
    match written.unwrap_or(Err(Refusal::Failed(Failure::TimedOut))) {
        Ok(record) => {
            settled.record = Some(record);
            Ok(None)
        }
        Err(refusal @ Refusal::Failed(Failure::NotAllowed(_))) => {
            Err(refused(&format!("the record of `{}`", observer.group_config.group), refusal))
        }
        // Another was faster, or the API server is away for a moment.
        Err(refusal) => Ok(Some(format!("looks again: the record was not written, {refusal}"))),
    }
}

/// What RBAC forbids now it forbids later.
fn give_up_if_not_allowed(observer: &Observer<'_>, evidence: &Evidence) -> Result<()> {
    let group = &observer.group_config.group;
    if let RecordSeen::Unknown(failure @ Failure::NotAllowed(_)) = &evidence.record {
        return Err(blame(&format!("the record of `{group}`"), failure.clone()));
    }
    match &evidence.listing {
        Some(failure @ Failure::NotAllowed(_)) => Err(blame(&format!("the pods of `{group}`"), failure.clone())),
        _ => Ok(()),
    }
}

/// A pod that is no member by its own labels, name or namespace is none later either. Before it exists a dry run
/// shows what would be.
///
/// # Errors
/// [`Wrong`], with what is wrong with which.
pub fn give_up_if_no_member(observer: &Observer<'_>, me: &PodName, evidence: &Evidence, dry_run: bool) -> Result<()> {
    let GroupConfig { selector, group, .. } = observer.group_config;
    let namespace = observer.clients.namespace.as_deref().unwrap_or("default");
    let why = match observer.outside(me) {
        None => return Ok(()),
        Some(Outside::Missing) if dry_run => return Ok(()),
        Some(Outside::Missing) => return Err(does_not_exist(me, namespace).into()),
        Some(Outside::NonMember(why @ NotMember::Unselected(_))) => {
            format!("{me} in namespace {namespace} is not matched by {selector}: {why}. Fix the labels or ORDAIN_SELECTOR")
        }
        // Without the record nobody knows whom it has labelled, or which other sets there are.
        Some(Outside::NonMember(why))
            if !why.is_by_itself() && matches!(evidence.record, RecordSeen::Unknown(_) | RecordSeen::Pending) =>
        {
            return Ok(());
        }
        Some(Outside::NonMember(why)) => format!("{me} in namespace {namespace} is not a member of {group}: {why}"),
    };
    Err(Wrong(why).into())
}

fn name(observer: &Observer<'_>) -> String {
    match &observer.group_config.me {
        Some(me) => format!("{me} "),
        None => format!("{}: ", observer.group_config.group),
    }
}

async fn write(
    cluster: &Cluster,
    group_config: &GroupConfig,
    settled: &Settled,
    claim: &Claim,
    address: &Endpoint,
) -> Result<Record, Refusal> {
    let record = next_record(group_config, settled, claim, address);
    match settled.evidence.recorded() {
        Some(_) => cluster.update_record(&group_config.group, &record).await,
        None => cluster.create_record(&group_config.group, &record).await,
    }
}

/// The record as the decision needs it.
fn next_record(group_config: &GroupConfig, settled: &Settled, claim: &Claim, address: &Endpoint) -> Record {
    let seen = &settled.evidence;
    match seen.recorded() {
        Some(record) => record.moved_to(claim, address).with_sets(group_config.sure_sets()),
        None => first_record(group_config, seen, claim, address, settled.is_first_boot),
    }
}

/// The record that is made where there is none. It names the sets of the master and of all members that there are: by
/// it alone others know them.
pub fn first_record(group_config: &GroupConfig, seen: &Evidence, claim: &Claim, address: &Endpoint, is_new: bool) -> Record {
    let group_id = seen.published_group_id(&claim.master).unwrap_or_else(random_id);
    let first = Record::first(claim.clone(), address.clone(), group_id, is_new);
    first.with_sets(seen.sets_there().chain([claim.master.base()]).chain(group_config.sure_sets()))
}

/// Whether the API server would let the record be written as the decision needs it. Nothing is.
///
/// # Errors
/// What it would refuse.
pub async fn would_write(cluster: &Cluster, observer: &Observer<'_>, settled: &Settled) -> Result<(), Refusal> {
    let Some(claim) = &settled.recorded else { return Ok(()) };
    let Some(address) = settled.endpoint(observer.group_config, &claim.master) else { return Ok(()) };
    let is_new = settled.evidence.recorded().is_none();
    let record = next_record(observer.group_config, settled, claim, &address);
    cluster.would_write_record(&observer.group_config.group, &record, is_new).await
}

/// When it was noted last that this pod is trying.
struct Notes {
    last: Option<Instant>,
}

impl Notes {
    async fn keep(&mut self, observer: &Observer<'_>, grace: Duration) {
        if self.last.is_none_or(|when| when.elapsed() >= grace / NOTES) {
            self.last = Some(Instant::now());
            note_trying(observer).await;
        }
    }
}

/// Notes since when this pod has been trying, once it has to wait, and of whom it has heard: over its
/// container's restarts it is one attempt. If the annotation cannot be written, the count starts again.
async fn note_trying(observer: &Observer<'_>) {
    let Some(cluster) = observer.clients.cluster() else { return };
    let Some(instance) = &observer.own.instance else { return };
    let own = observer.seen().into_iter().find(|pod| pod.name == instance.pod);
    let now: Moment = SystemTime::now().into();
    // Computed again by the clock as it is now, which may have stepped since.
    let since = now.before(observer.trying.so_far(own.as_ref().and_then(|own| own.trying_since), now));
    let mut heard = LastHeard::default();
    for known in [&observer.own.heard].into_iter().chain(own.as_ref().map(|own| &own.heard)) {
        heard.take_over(known, now);
    }
    if let Err(refusal) = from_api(cluster.note_trying(&instance.pod, since, &heard)).await {
        info!("{}: cannot write since when this pod has been waiting: {refusal}", instance.pod);
    }
}
