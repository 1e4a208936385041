//! One pass over a group: the record, the labels, and each repair, even if others fail.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Result, bail};
use tokio::time::Instant;
use tracing::{debug, info};

use super::mend::mend;
use crate::core::evidence::{Evidence, Failure, Peer, Role};
use crate::core::identity::{Endpoint, PodName};
use crate::core::pod::Pod;
use crate::core::record::Record;
use crate::core::rules;
use crate::core::rules::repair::{self, Due, Repair, diverged, is_kept_from_readers};
use crate::edge::kubernetes::{Cluster, Refusal};
use crate::edge::redis;
use crate::steps::announce::{announce_promotion, announce_repairs};
use crate::steps::context::{GroupConfig, in_time};
use crate::steps::decide::{Settled, act, would_write};
use crate::steps::label::{Moved, due, is_due, label_listed};
use crate::steps::observe::{Observer, from_api};
use crate::steps::report::millis;
use crate::steps::retry::{Failures, Outcome, Retries, refused, share};

/// What is known from several looks only.
#[derive(Debug, Default)]
pub struct Memory {
    /// The pod that the record named in the last look.
    pub holder: Option<PodName>,
    /// For how long no master has been seen since it names that one.
    pub masterless: Duration,
    /// For how long the link of each replica has been seen down.
    pub links_down: BTreeMap<PodName, Duration>,
    /// The Sentinels that have gone on naming another master than all the others for too long.
    pub diverged: Vec<Endpoint>,
    /// After how long of that its label is withheld.
    pub stale_after: Option<Duration>,
}

impl Memory {
    /// What is to be put right but for labels and the record: the grace is the holder's.
    fn repairs(&self, evidence: &Evidence) -> Vec<Due> {
        let is_of_holder = evidence.recorded().map(|record| &record.claim.master) == self.holder.as_ref();
        repair::due(evidence, if is_of_holder { self.masterless } else { Duration::ZERO })
    }

    /// A pod with its label as it is to be: withheld, or not.
    fn judge(&self, evidence: &Evidence, pod: Pod) -> Pod {
        let is_withheld = is_kept_from_readers(evidence, &pod.name, pod.is_withheld, self.stale_after, &self.links_down);
        Pod { is_withheld, ..pod }
    }
}

/// The parts of a pass that are no repairs.
const RECORD: &str = "record";
const SETS: &str = "sets";
const LABELS: &str = "labels of";

/// The labels of a record: what was refused under an earlier one is no reason to wait under this.
fn labels_of(record: &Record) -> String {
    format!("{LABELS} {} at epoch {}, change {}", record.claim.master, record.claim.epoch, record.transitions)
}

/// Whether something is to be put right, as far as was seen, that may be tried now.
pub fn is_amiss(observer: &Observer<'_>, evidence: &Evidence, memory: &Memory, retries: &Retries) -> bool {
    let may = |part: &str| retries.allow(part, Instant::now());
    let moves = || rules::for_sentinel(evidence).record.is_some();
    (may(RECORD) && moves())
        || (may(SETS) && observer.lacks_sets())
        || evidence.recorded().is_some_and(|record| may(&labels_of(record)) && is_unlabelled(observer, evidence, record, memory))
        || all_repairs(evidence, memory).iter().any(|due| may(&due.to_string()))
}

/// The master that the record names, where there is no member that could be labelled.
pub fn finds_nobody<'a>(observer: &Observer<'_>, evidence: &'a Evidence) -> Option<&'a PodName> {
    let record = evidence.recorded().filter(|_| evidence.listing.is_none() && observer.clients.cluster().is_some())?;
    observer.seen().is_empty().then_some(&record.claim.master)
}

/// What no label and no record puts right.
fn all_repairs(evidence: &Evidence, memory: &Memory) -> Vec<Due> {
    let goes_on = |at: &Endpoint| memory.diverged.contains(at);
    // One at a time: the others must be a majority without it.
    let unwatch = diverged(evidence).into_iter().find(goes_on).map(Due::unwatch);
    memory.repairs(evidence).into_iter().chain(unwatch).collect()
}

fn is_unlabelled(observer: &Observer<'_>, evidence: &Evidence, record: &Record, memory: &Memory) -> bool {
    let pods: Vec<_> = observer.seen().into_iter().map(|pod| memory.judge(evidence, pod)).collect();
    is_due(record, &pods, &observer.group_config.scheme)
}

/// How much longer a refused repair waits that only another attempt can show to be allowed. A whole look and an attempt
/// are some seven requests: with this pause two a minute.
const REFUSED_REPAIR: Duration = Duration::from_secs(180);

/// What came of a pass over a group.
#[derive(Default)]
pub struct Pass {
    /// What was put right, or would be.
    pub changed: Vec<String>,
    /// What could not be.
    pub failures: Failures,
}

impl Pass {
    fn note_change(&mut self, line: String) {
        println!("{line}");
        self.changed.push(line);
    }
}

/// Puts right what was seen to differ in a group: the record, the labels, and each repair, whatever becomes of the
/// others. What has failed is left alone until it may be tried again.
pub async fn put_right(
    observer: &Observer<'_>,
    evidence: &Evidence,
    memory: &Memory,
    retries: &mut Retries,
    dry_run: bool,
    deadline: Instant,
) -> Pass {
    let group = &observer.group_config.group;
    let started = Instant::now();
    let mut pass = Pass::default();
    let mut moved = Moving { record: evidence.recorded().cloned(), is_news: false };
    let from = moved.record.as_ref().map(|record| record.claim.master.clone());
    if retries.allow(RECORD, started) {
        let done = move_record(observer, evidence, &mut moved, &mut pass, dry_run, share(deadline, 4)).await;
        retries.note(RECORD, Outcome::from(&done), Instant::now());
        pass.failures.note(done);
    }
    if observer.lacks_sets() && !moved.is_news && retries.allow(SETS, started) {
        let done = name_sets(observer, &mut moved, &mut pass, dry_run).await;
        retries.note(SETS, Outcome::from(&done), Instant::now());
        pass.failures.note(done);
    }
    // What was refused for one pod does not keep a new master from its label.
    if let (Some(cluster), Some(record), false) = (observer.clients.cluster(), &moved.record, dry_run)
        && (moved.is_news || retries.allow(&labels_of(record), started))
        && is_unlabelled(observer, evidence, record, memory)
    {
        let part = labels_of(record);
        let moved = Moved { record: record.clone(), is_news: moved.is_news, from: from.clone() };
        let done = label_as(cluster, observer, evidence, memory, &moved, &mut pass, share(deadline, 3)).await;
        retries.note(&part, Outcome::from(&done), Instant::now());
        pass.failures.note(done);
    }
    let repairs = all_repairs(evidence, memory).into_iter().filter(|due| retries.allow(&due.to_string(), started));
    for due in repairs.collect::<Vec<_>>() {
        let repair = &due.repair;
        if matches!(repair, Repair::Restart(_)) && !is_seen_again(observer, &due, memory, deadline).await {
            continue;
        }
        let done = if dry_run { Ok(true) } else { mend(observer, evidence, moved.record.as_ref(), repair).await };
        // A repair that only another attempt can show to be allowed is attempted so much later.
        let longer =
            if matches!(repair, Repair::MakePromotable(_) | Repair::PromoteInstead(_)) { Duration::ZERO } else { REFUSED_REPAIR };
        let from = if Outcome::from(&done) == Outcome::Refused { Instant::now() + longer } else { Instant::now() };
        retries.note(&due.to_string(), Outcome::from(&done), from);
        match pass.failures.note(done) {
            Some(true) => pass.note_change(format!("{group}: {due}")),
            Some(false) if matches!(repair, Repair::NameInstead(_)) => {
                debug!("{group}: skipped, because a Sentinel may promote this replica: {due}");
            }
            Some(false) => info!("{group}: skipped, because the server has changed since the look: {due}"),
            None => {}
        }
    }
    retries.forget_old(Instant::now());
    if let (false, Some(Record { claim, .. })) = (pass.changed.is_empty(), &moved.record) {
        info!(
            group = %group,
            epoch = claim.epoch,
            from = %from.as_ref().unwrap_or(&claim.master),
            to = %claim.master,
            changed = pass.changed.join("; "),
            done_ms = millis(started.elapsed()),
            "reconciled"
        );
    }
    pass
}

/// The record as it is now, and whether this pass has moved it.
struct Moving {
    record: Option<Record>,
    is_news: bool,
}

/// Moves the record where it lags.
async fn move_record(
    observer: &Observer<'_>,
    evidence: &Evidence,
    moved: &mut Moving,
    pass: &mut Pass,
    dry_run: bool,
    deadline: Instant,
) -> Result<()> {
    let Ok(mut settled) = Settled::from(rules::for_sentinel(evidence), evidence.clone()) else { return Ok(()) };
    let Some(claim) = settled.recorded.clone() else { return Ok(()) };
    let group = &observer.group_config.group;
    if let Some(obstacle) = act(observer, &mut settled, deadline, dry_run).await? {
        bail!("record {group}: {obstacle}");
    }
    let rule = settled.reason.rule.map(|rule| format!(" (rule {})", rule.id)).unwrap_or_default();
    pass.note_change(format!("record {group}: {} at epoch {}{rule}", claim.master, claim.epoch));
    *moved = Moving { record: settled.record, is_news: true };
    Ok(())
}

/// Has the record name the group's StatefulSets, where a pod of 0.1 has made it, or written it since.
async fn name_sets(observer: &Observer<'_>, moved: &mut Moving, pass: &mut Pass, dry_run: bool) -> Result<()> {
    let (Some(cluster), Some(record)) = (observer.clients.cluster(), &moved.record) else { return Ok(()) };
    let group = &observer.group_config.group;
    let named = record.with_sets(observer.group_config.sure_sets());
    let sets = named.sets.iter().cloned().collect::<Vec<_>>().join(", ");
    if !dry_run {
        let written = from_api(cluster.update_record(group, &named)).await;
        moved.record = Some(written.map_err(|refusal| refused("the record", refusal))?);
    }
    pass.note_change(format!("record {group}: its StatefulSets are {sets}"));
    Ok(())
}

/// Labels the pods as the record says, and publishes Events about it.
async fn label_as(
    cluster: &Cluster,
    observer: &Observer<'_>,
    evidence: &Evidence,
    memory: &Memory,
    moved: &Moved,
    pass: &mut Pass,
    deadline: Instant,
) -> Result<()> {
    let GroupConfig { group, scheme, .. } = observer.group_config;
    let judge = |pod| memory.judge(evidence, pod);
    let labelled = label_listed(cluster, observer.group_config, moved, observer.seen(), judge, deadline).await;
    for patch in &labelled.patches {
        pass.note_change(format!("label {}: {}={}", patch.pod, scheme.key, patch.label.as_deref().unwrap_or_default()));
    }
    announce_promotion(cluster, group, &labelled, None, "reconcile").await;
    announce_repairs(cluster, &scheme.key, &labelled, "reconcile").await;
    labelled.failure.map_or(Ok(()), Err)
}

/// Whether a part that was refused may be tried again, as far as can be found out without doing anything. `evidence`
/// is a glance's: what is done afterwards rests on a whole look.
pub async fn may_be_allowed(observer: &Observer<'_>, evidence: &Evidence, memory: &Memory, part: &str) -> bool {
    let Observer { group_config, credentials, .. } = observer;
    let is_refused = |refusal: &Refusal| matches!(refusal, Refusal::Failed(Failure::NotAllowed(_)));
    match (observer.clients.cluster(), part) {
        (Some(cluster), RECORD) => {
            let Ok(settled) = Settled::from(rules::for_sentinel(evidence), evidence.clone()) else { return true };
            !from_api(would_write(cluster, observer, &settled)).await.is_err_and(|refusal| is_refused(&refusal))
        }
        (Some(cluster), SETS) => {
            let Some(named) = evidence.recorded().map(|record| record.with_sets(group_config.sure_sets())) else { return true };
            !from_api(cluster.would_write_record(&group_config.group, &named, false))
                .await
                .is_err_and(|refusal| is_refused(&refusal))
        }
        (Some(cluster), part) if part.starts_with(LABELS) => {
            let Some(record) = evidence.recorded() else { return true };
            let pods: Vec<_> = observer.seen().into_iter().map(|pod| memory.judge(evidence, pod)).collect();
            let patches = due(record, &pods, &group_config.scheme);
            for patch in &patches {
                if !from_api(cluster.would_patch(patch, &group_config.scheme)).await.is_err_and(|refusal| is_refused(&refusal)) {
                    return true;
                }
            }
            patches.is_empty()
        }
        _ => {
            let repair = all_repairs(evidence, memory).into_iter().find(|due| due.to_string() == part).map(|due| due.repair);
            let Some(Repair::MakePromotable(pod) | Repair::PromoteInstead(pod)) = repair else { return true };
            let Some(replica) = evidence.peer(&pod).and_then(Peer::replica) else { return true };
            // It is given the priority that it has.
            let target = group_config.target(&pod, evidence.ips_of(&pod).to_owned());
            let is_as_now = |role: &Role| matches!(role, Role::Replica(now) if now.priority == replica.priority);
            let set = in_time(redis::set_priority(&target, &credentials.redis, replica.priority, is_as_now)).await;
            !matches!(set, Err(Failure::NotAllowed(_)))
        }
    }
}

/// No server is restarted for one look alone: between the read of its disk report and the question to its Redis a pod
/// may have started again.
async fn is_seen_again(observer: &Observer<'_>, due: &Due, memory: &Memory, deadline: Instant) -> bool {
    let again = observer.observe_all(deadline).await;
    memory.repairs(&again).contains(due)
}
