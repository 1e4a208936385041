//! Begin: the last steps before a pod becomes its server. It publishes what its disk holds before it
//! looks; whoever may write, now or as soon as Sentinel wills, marks the record and looks once more;
//! and its word says that it has started, so that from then on only its Redis can answer for its disk.

use std::path::Path;
use std::time::{Duration, SystemTime};

use anyhow::Result;
use tokio::time::Instant;
use tracing::{info, warn};

use super::observe::{Observer, from_api};
use super::patience::{persist, refused};
use super::settle::{Settled, random_id};
use crate::core::decision;
use crate::core::disk::{Instance, Word};
use crate::core::evidence::{Failure, Own};
use crate::core::identity::PodName;
use crate::edge::disk;
use crate::edge::kubernetes::{Cluster, Published, Refusal};
use crate::exit::{OrWrong, Wrong};

/// A Redis that only follows starts also where the API server is away.
const SAYING_SO: Duration = Duration::from_secs(10);

/// Reads what the disk holds. A dry run does without one.
pub fn own_disk(data_dir: &Path, dry_run: bool) -> Result<Own> {
    let found = match disk::read(data_dir) {
        Ok(found) => found,
        Err(_) if dry_run && !data_dir.exists() => disk::Found::NOTHING,
        Err(error) => return Err(error).or_wrong(),
    };
    Ok(Own { disk: found.disk.as_of(SystemTime::now().into()), group_id: found.group_id, has_run: true, ..Own::default() })
}

/// Publishes what this pod's disk holds, under a new instance; returns what is known of itself since. A refusal
/// may pass: whoever needs the instance finds out that there is none.
///
/// # Errors
/// [`Wrong`] where RBAC does not allow it.
pub async fn publish(cluster: &Cluster, me: &PodName, own: &Own) -> Result<Result<Own, Refusal>> {
    let run = random_id();
    let at = SystemTime::now().into();
    let word = Word { run: run.clone(), disk: own.disk, at, group: own.group_id.clone(), started: false, priority: own.priority };
    match from_api(cluster.publish(me, &word, None)).await {
        Err(refusal @ Refusal::Failed(Failure::NotAllowed(_))) => Err(refused("this pod's annotations", refusal)),
        published => Ok(published.map(|Published { uid, has_run }| Own {
            instance: Some(Instance { pod: me.clone(), uid, run }),
            has_run,
            ..own.clone()
        })),
    }
}

/// What came of the last steps.
pub enum Begun {
    /// The server may start.
    Go,
    /// Something has changed: decide anew.
    LookAgain(String),
}

/// Takes the last steps for what was decided.
pub async fn begin(observer: &Observer<'_>, settled: &Settled, deadline: Instant) -> Result<Begun> {
    let (Some(cluster), Some(instance)) = (observer.world.cluster(), &observer.own.instance) else {
        return check(observer, settled, deadline).await;
    };
    let has_started = Word {
        run: instance.run.clone(),
        disk: observer.own.disk,
        at: SystemTime::now().into(),
        group: settled.record.as_ref().map(|record| record.group_id.clone()).or_else(|| observer.own.group_id.clone()),
        started: true,
        priority: observer.own.priority,
    };
    if !settled.electable {
        let say =
            async || cluster.publish(&instance.pod, &has_started, None).await.map_err(|refusal| refused("its word", refusal));
        let until = deadline.min(Instant::now() + SAYING_SO);
        match persist(until, || "it is not published that this pod has started".to_owned(), say).await {
            Err(error) if error.is::<Wrong>() => return Err(error),
            Err(error) => warn!("{error:#}"),
            Ok(_) => {}
        }
        return Ok(Begun::Go);
    }
    let Some(record) = &settled.record else {
        return Ok(Begun::LookAgain("the record cannot be marked, for it is not known".to_owned()));
    };
    let marked = record.marked(instance, SystemTime::now().into());
    match from_api(cluster.update_record(&observer.subject.group, &marked)).await {
        Ok(_) => {}
        Err(refusal @ Refusal::Failed(Failure::NotAllowed(_))) => return Err(refused("the record", refusal)),
        Err(refusal) => return Ok(Begun::LookAgain(format!("the record was not marked, {refusal}"))),
    }
    // Side by side: if the check fails, the pod has not started, and publishes a new word.
    let say = from_api(cluster.publish(&instance.pod, &has_started, None));
    let (checked, said) = tokio::join!(check(observer, settled, deadline), say);
    match said {
        Ok(_) => checked,
        Err(refusal) => Ok(Begun::LookAgain(format!("it was not published that this pod starts, {refusal}"))),
    }
}

/// Looks once more, right before the start.
async fn check(observer: &Observer<'_>, settled: &Settled, deadline: Instant) -> Result<Begun> {
    if !settled.electable {
        return Ok(Begun::Go);
    }
    let mut evidence = observer.observe(settled.evidence.waited, deadline).await;
    if decision::a_failover_could_come(&evidence) && !decision::a_failover_could_come(&settled.evidence) {
        evidence.waited = Duration::ZERO;
    }
    let is_marked = match (&observer.own.instance, evidence.recorded()) {
        (Some(instance), Some(record)) => record.is_marked_by(instance),
        // Where no record is kept, none is marked.
        (None, None) => true,
        _ => false,
    };
    Ok(match Settled::from(decision::for_redis(&evidence), evidence) {
        _ if !is_marked => Begun::LookAgain("another has marked the record since".to_owned()),
        Ok(now) if now.is_same_as(settled) => Begun::Go,
        Ok(now) => Begun::LookAgain(now.why),
        Err((why, _)) => Begun::LookAgain(why),
    })
}

/// Makes the data directory this group's: its stamp, and the data in the form that the server loads.
pub fn prepare_disk(data_dir: &Path, own: &mut Own, settled: &Settled) -> Result<()> {
    // Where nothing is there and it may have been lost, no stamp says that it was not.
    if let (Some(record), true) = (&settled.record, !settled.is_last_resort)
        && own.group_id.as_ref() != Some(&record.group_id)
    {
        disk::stamp(data_dir, &record.group_id).or_wrong()?;
        own.group_id = Some(record.group_id.clone());
    }
    if disk::take_snapshot_over(data_dir).or_wrong()? {
        info!("made the snapshot in `{}` into the append-only file that the server loads", data_dir.display());
    }
    Ok(())
}
