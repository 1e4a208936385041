//! Start: the last steps before this process becomes the server. A pod that may take writes, now or after a promotion by
//! Sentinel, writes its start marker to the record and looks once more. The disk report then says that the pod has
//! started: from then on only its Redis can answer for the disk.

use std::time::{Duration, SystemTime};

use anyhow::Result;
use tokio::time::Instant;
use tracing::warn;

use super::decide::Settled;
use super::observe::{Observer, from_api};
use super::retry::{persist, refused};
use crate::core::decision::Reason;
use crate::core::disk::DiskReport;
use crate::core::evidence::Failure;
use crate::core::rules;
use crate::core::rules::catalogue::START_MARKER;
use crate::edge::kubernetes::{Cluster, Refusal};
use crate::exit::Wrong;

/// A Redis that only follows starts also where the API server is away.
const PUBLISHING: Duration = Duration::from_secs(10);
/// How long it may take until the record names its StatefulSet.
const NAMING: Duration = Duration::from_secs(2);

/// What came of the last steps.
pub enum Begun {
    /// The server may start.
    Go,
    /// Something has changed: decide again.
    LookAgain(Reason),
}

fn look_again(why: String) -> Begun {
    Begun::LookAgain(Reason { why, rule: Some(&START_MARKER), wait: None })
}

/// Takes the last steps for what was decided.
pub async fn start(observer: &Observer<'_>, settled: &Settled, deadline: Instant) -> Result<Begun> {
    let (Some(cluster), Some(instance)) = (observer.clients.cluster(), &observer.own.instance) else {
        return check(observer, settled, deadline).await;
    };
    let has_started = DiskReport {
        run: instance.run.clone(),
        disk: observer.own.disk,
        at: SystemTime::now().into(),
        group: settled.record.as_ref().map(|record| record.group_id.clone()).or_else(|| observer.own.group_id.clone()),
        started: true,
        damage: observer.own.damage.clone(),
        priority: observer.own.priority,
    };
    if !settled.promotable {
        add_sets(cluster, observer, settled).await?;
        let publish = async || {
            cluster.publish(&instance.pod, &has_started, None).await.map_err(|refusal| refused("the disk report", refusal))
        };
        let until = deadline.min(Instant::now() + PUBLISHING);
        match persist(until, || format!("the disk report of {} does not say that this pod has started", instance.pod), publish)
            .await
        {
            Err(error) if error.is::<Wrong>() => return Err(error),
            Err(error) => warn!("{error:#}"),
            Ok(_) => {}
        }
        return Ok(Begun::Go);
    }
    let Some(record) = &settled.record else {
        return Ok(look_again("the start marker was not written: the record is not known".to_owned()));
    };
    let marked = record.marked(instance, SystemTime::now().into()).with_sets(observer.group_config.sure_sets());
    let marked = match from_api(cluster.update_record(&observer.group_config.group, &marked)).await {
        Ok(marked) => marked,
        Err(refusal @ Refusal::Failed(Failure::NotAllowed(_))) => return Err(refused("the record", refusal)),
        Err(refusal) => return Ok(look_again(format!("the start marker was not written: {refusal}"))),
    };
    // Side by side: if the check fails, the pod has not started, and publishes a new disk report.
    let publish = from_api(cluster.publish(&instance.pod, &has_started, None));
    let (checked, published) = tokio::join!(check(observer, settled, deadline), publish);
    let begun = match published {
        Ok(_) => checked?,
        Err(refusal) => look_again(format!("the disk report was not published: {refusal}")),
    };
    // A forced claim holds for one start, and this was none.
    if let (Begun::LookAgain(_), Some(open)) = (&begun, marked.not_started_by(instance))
        && let Err(refusal) = from_api(cluster.update_record(&observer.group_config.group, &open)).await
    {
        warn!("the forced claim of {} has ended without a start, use --assume-master again: {refusal}", instance.pod);
    }
    Ok(begun)
}

/// Adds the StatefulSets of this pod to the record, if they are missing: a pod of 0.1 has created the record, or written
/// it since. A pod that only follows starts even if this cannot be written now; the next pod that starts writes it.
async fn add_sets(cluster: &Cluster, observer: &Observer<'_>, settled: &Settled) -> Result<()> {
    let group_config = observer.group_config;
    // As it was read: what is known of it may be more.
    let Some(record) = settled.record.as_ref().filter(|_| observer.lacks_sets()) else { return Ok(()) };
    let mut known = Some(record.clone());
    let add = async || {
        let named = if let Some(record) = known.take() {
            record.with_sets(group_config.sure_sets())
        } else {
            let record = cluster.record(&group_config.group).await.map_err(|refusal| refused("the record", refusal))?;
            if !record.lacks(group_config.sure_sets()) {
                return Ok(());
            }
            record.with_sets(group_config.sure_sets())
        };
        cluster.update_record(&group_config.group, &named).await.map_err(|refusal| refused("the record", refusal))?;
        Ok(())
    };
    let what = || format!("the record of `{}` does not name this pod's StatefulSet", group_config.group);
    match persist(Instant::now() + NAMING, what, add).await {
        Err(error) if error.is::<Wrong>() => Err(error),
        Err(error) => {
            warn!("{error:#}");
            Ok(())
        }
        Ok(()) => Ok(()),
    }
}

/// Looks once more, right before the start.
async fn check(observer: &Observer<'_>, settled: &Settled, deadline: Instant) -> Result<Begun> {
    if !settled.promotable {
        return Ok(Begun::Go);
    }
    let mut evidence = observer.observe(settled.evidence.waited, deadline).await;
    if rules::a_failover_could_come(&evidence) && !rules::a_failover_could_come(&settled.evidence) {
        evidence.waited = Duration::ZERO;
    }
    let is_marked = match (&observer.own.instance, evidence.recorded()) {
        (Some(instance), Some(record)) => record.has_start_marker_of(instance),
        // Without a record there is no start marker.
        (None, None) => true,
        _ => false,
    };
    Ok(match Settled::from(rules::for_redis(&evidence), evidence) {
        _ if !is_marked => look_again("another pod has written a start marker since".to_owned()),
        Ok(now) if now.is_same_as(settled) => Begun::Go,
        Ok(now) => Begun::LookAgain(now.reason),
        Err((reason, _)) => Begun::LookAgain(reason),
    })
}
