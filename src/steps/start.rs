//! Begin: the last steps before a pod becomes its server. It publishes what its disk holds before it
//! looks; whoever may write, now or as soon as Sentinel wills, marks the record and looks once more;
//! and its word says that it has started, so that from then on only its Redis can answer for its disk.

use std::ffi::OsString;
use std::time::{Duration, SystemTime};

use anyhow::{Result, bail};
use tokio::time::{Instant, timeout_at};
use tracing::{info, warn};

use super::context::World;
use super::decide::{Settled, does_not_exist, random_id};
use super::observe::{Observer, from_api};
use super::off_thread::off_thread;
use super::retry::{persist, refused};
use crate::core::decision;
use crate::core::disk::{Instance, Word};
use crate::core::evidence::{Failure, Own};
use crate::core::identity::PodName;
use crate::core::outside::shown;
use crate::core::redis_conf::{USUAL_PRIORITY, run_of};
use crate::edge::data_directory::memory::Damage;
use crate::edge::data_directory::{self, DataDirectory, Found, SOON, Suspect, damage, listed};
use crate::edge::kubernetes::{Cluster, Published, Refusal};
use crate::exit::{OrWrong, Wrong};

/// A Redis that only follows starts also where the API server is away.
const SAYING_SO: Duration = Duration::from_secs(10);
/// How long it may take until the record names its StatefulSet.
const NAMING: Duration = Duration::from_secs(2);

/// The data directory of this pod, and what is known of its server's last runs.
pub struct OwnData {
    pub directory: DataDirectory,
    /// How many of them ended soon, one after the other.
    ended_soon: u32,
    /// What is damaged, where the data cannot be loaded.
    pub damage: Option<Damage>,
}

impl OwnData {
    /// Reads what the disk holds, and takes away what a run that was killed has left there. Data that the server
    /// cannot load, by its own check, counts as none. A dry run does without a disk.
    pub async fn read(
        directory: DataDirectory,
        world: &World,
        me: &PodName,
        program: Option<&OsString>,
        dry_run: bool,
        deadline: Instant,
    ) -> Result<(Self, Own)> {
        if dry_run && !directory.folder.exists() {
            return Ok((Self { directory, ended_soon: 0, damage: None }, Own { has_run: true, ..Own::default() }));
        }
        let now = SystemTime::now().into();
        let data = directory.clone();
        let found = off_thread(move |_| data.read(now));
        let Found { disk, group_id, ended_soon, suspect, damage, appended_to } = found.await.or_wrong()?;
        // Where this run becomes the server, that has its rights.
        if let (Some(path), Some(_), false) = (appended_to, program, dry_run) {
            off_thread(move |_| data_directory::refuse_unwritable(&path)).await.or_wrong()?;
        }
        let mut own = Self { directory, ended_soon, damage };
        if let (Some(suspect), Some(program), false) = (suspect, program, dry_run) {
            own.check(world, me, program, &suspect, deadline).await?;
        }
        let known = match &own.damage {
            Some(damage) => Own { damage: Some(damage.found.clone()), has_run: true, ..Own::default() },
            None => Own { disk: disk.as_of(now), group_id, has_run: true, ..Own::default() },
        };
        Ok((own, known))
    }

    /// Has the server check its data, where its last runs ended so soon that it may not be able to load it.
    async fn check(
        &mut self,
        world: &World,
        me: &PodName,
        program: &OsString,
        suspect: &Suspect,
        deadline: Instant,
    ) -> Result<()> {
        let ended_otherwise = match world.cluster() {
            Some(cluster) => match from_api(cluster.last_ends(me)).await {
                // By the second.
                Ok(ends) => ends.iter().filter(|end| end.at.0 + 1_000 > suspect.started.0).any(|end| {
                    let soon = if end.is_by_itself { suspect.loading } else { SOON };
                    end.is_for_memory || end.at.since(suspect.started) > soon
                }),
                // Nothing is concluded from what is not known.
                Err(_) => return Ok(()),
            },
            None => false,
        };
        let damage = if ended_otherwise {
            None
        } else {
            warn!("the server of {me} ended soon after its last starts: it is asked to check {}", listed(&suspect.files));
            let until = Instant::now() + (deadline - Instant::now()) / 2;
            match timeout_at(until, damage::check(program, &suspect.files)).await {
                Ok(Ok(found)) => found,
                Ok(Err(error)) => {
                    warn!("the data of {me} is not checked: {error:#}");
                    return Ok(());
                }
                Err(_) => {
                    warn!("the data of {me} is not checked within half of the deadline: give it more time by --deadline");
                    return Ok(());
                }
            }
        };
        self.damage = damage.map(|found| Damage { found: shown(&found), at: SystemTime::now().into() });
        if let Some(damage) = &self.damage {
            warn!("{me} cannot load its data: {}", damage.found);
        }
        self.ended_soon = 0;
        let (data, damage) = (self.directory.clone(), self.damage.clone());
        off_thread(move |_| data.keep_check(damage)).await.or_wrong()
    }

    /// Makes the data directory this group's: the data in the form that the server loads, what is known of it, and
    /// the group's stamp. Whoever follows sets aside what cannot be loaded, and remembers its snapshot where its server
    /// `keeps_copies`.
    pub async fn prepare(&mut self, own: &mut Own, settled: &Settled, keeps_copies: bool, deadline: Instant) -> Result<()> {
        // Where nothing is there and it may have been lost, no stamp says that it was not.
        let id = settled.record.as_ref().filter(|_| !settled.is_last_resort).map(|record| record.group_id.clone());
        // Where it was just emptied, only what is copied next makes it this group's.
        let id = id.filter(|id| own.group_id.as_ref() != Some(id) && own.damage.is_none());
        let keeps_copies = keeps_copies && !settled.leads;
        let sets_aside = own.damage.is_some() && !settled.leads;
        let (data, disk, stamp, ended_soon) = (self.directory.clone(), own.disk, id.clone(), self.ended_soon);
        let prepared = off_thread(move |stop| {
            let aside = if sets_aside { data.set_damaged_aside()? } else { None };
            if let Some(aside) = aside {
                warn!("what cannot be loaded is kept in `{}`", aside.display());
            }
            // First, for a directory that is stamped is one that a server was started in.
            if let Some(taken_over) = data.prepare(disk, keeps_copies, ended_soon, SystemTime::now().into(), stop)? {
                info!("made `{}` into the append-only file that the server loads", taken_over.display());
            }
            stamp.map_or(Ok(()), |id| data.stamp(&id))
        });
        match timeout_at(deadline, prepared).await {
            Ok(prepared) => prepared.or_wrong()?,
            Err(_) => bail!("the data directory was not prepared before the deadline: give it more time by --deadline"),
        }
        if sets_aside {
            (own.damage, self.damage) = (None, None);
        }
        own.group_id = id.or_else(|| own.group_id.take());
        Ok(())
    }
}

/// A new run of this pod.
pub fn own_run(own: &Own) -> String {
    run_of(&random_id(), own.priority.unwrap_or(USUAL_PRIORITY))
}

/// Publishes what this pod's disk holds, under a new instance; returns what is known of itself since. A refusal
/// may pass: whoever needs the instance finds out that there is none.
///
/// # Errors
/// [`Wrong`] where RBAC does not allow it, or the pod does not exist.
pub async fn publish(cluster: &Cluster, me: &PodName, own: &Own) -> Result<Result<Own, Refusal>> {
    let run = own_run(own);
    let at = SystemTime::now().into();
    let word = Word {
        run: run.clone(),
        disk: own.disk,
        at,
        group: own.group_id.clone(),
        started: false,
        damage: own.damage.clone(),
        priority: own.priority,
    };
    match from_api(cluster.publish(me, &word, None)).await {
        Err(refusal @ Refusal::Failed(Failure::NotAllowed(_))) => Err(refused("this pod's annotations", refusal)),
        Err(Refusal::Missing) => Err(does_not_exist(me, cluster.namespace()).into()),
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
        damage: observer.own.damage.clone(),
        priority: observer.own.priority,
    };
    if !settled.electable {
        add_sets(cluster, observer, settled).await?;
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
    let marked = record.marked(instance, SystemTime::now().into()).with_sets(observer.subject.sure_sets());
    let marked = match from_api(cluster.update_record(&observer.subject.group, &marked)).await {
        Ok(marked) => marked,
        Err(refusal @ Refusal::Failed(Failure::NotAllowed(_))) => return Err(refused("the record", refusal)),
        Err(refusal) => return Ok(Begun::LookAgain(format!("the record was not marked, {refusal}"))),
    };
    // Side by side: if the check fails, the pod has not started, and publishes a new word.
    let say = from_api(cluster.publish(&instance.pod, &has_started, None));
    let (checked, said) = tokio::join!(check(observer, settled, deadline), say);
    let begun = match said {
        Ok(_) => checked?,
        Err(refusal) => Begun::LookAgain(format!("it was not published that this pod starts, {refusal}")),
    };
    // It holds for one start, and this was none.
    if let (Begun::LookAgain(_), Some(open)) = (&begun, marked.not_started_by(instance))
        && let Err(refusal) = from_api(cluster.update_record(&observer.subject.group, &open)).await
    {
        warn!("a person's word that {} shall lead has ended without a start, say it again: {refusal}", instance.pod);
    }
    Ok(begun)
}

/// Has the record name this pod's StatefulSets, where it does not: it is of 0.1, or a pod of 0.1 has written it since.
/// Whoever only follows starts also where that cannot be written now; the next pod that starts writes it.
async fn add_sets(cluster: &Cluster, observer: &Observer<'_>, settled: &Settled) -> Result<()> {
    let subject = observer.subject;
    // As it was read: what is known of it may be more.
    let Some(record) = settled.record.as_ref().filter(|_| observer.lacks_sets()) else { return Ok(()) };
    let mut known = Some(record.clone());
    let add = async || {
        let named = if let Some(record) = known.take() {
            record.with_sets(subject.sure_sets())
        } else {
            let record = cluster.record(&subject.group).await.map_err(|refusal| refused("the record", refusal))?;
            if !record.lacks(subject.sure_sets()) {
                return Ok(());
            }
            record.with_sets(subject.sure_sets())
        };
        cluster.update_record(&subject.group, &named).await.map_err(|refusal| refused("the record", refusal))?;
        Ok(())
    };
    let what = || format!("the record of `{}` does not name this pod's StatefulSet", subject.group);
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
