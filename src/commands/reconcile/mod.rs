//! `reconcile`: what differs is put right. One pass looks at everything, moves the record where it
//! lags, labels the pods, and lets Sentinel promote those who are fit; `--watch` goes on doing so, and
//! gives a master up that does not come back.

mod assume;
mod mend;
mod pass;
mod watch;

use std::time::Duration;

use anyhow::{Result, anyhow};
use tokio::time::Instant;
use tracing::warn;

use super::Then;
use crate::cli::Reconcile;
use crate::core::evidence::RecordSeen;
use crate::core::sentinels::nobody_promotable;
use crate::exit::Wrong;
use crate::steps::announce::announce_non_members;
use crate::steps::context::{Council, Logins, Subject, World, own_group};
use crate::steps::groups::{check_names_one, groups_to_watch};
use crate::steps::label::nobody;
use crate::steps::observe::Observer;
use crate::steps::retry::{Failures, Retries, blame, share};
use assume::assume;
use pass::{Memory, finds_nobody, put_right};
use watch::Watch;

/// Goes on putting right what differs until it is dropped.
pub async fn watch(args: Reconcile) -> Result<Then> {
    let Reconcile {
        groups,
        pod,
        members,
        sentinels,
        labels,
        secrets,
        run,
        stale_after,
        watch: _,
        assume_master: _,
        yes: _,
        deadline: _,
    } = args;
    let logins = Logins::read(&secrets).await?;
    let world = World::open(&run, &pod).await?;
    let council = Council::new(&world, &sentinels)?;
    council.tell_short_grace(&members);
    check_names_one(&groups, &members, &labels)?;
    let watch = Watch {
        world: &world,
        council: &council,
        logins: &logins,
        pod: &pod,
        members: &members,
        labels: &labels,
        named: &groups,
        stale_after: stale_after.0,
    };
    watch.go_on().await;
    Ok(Then::Exit)
}

/// Puts right once what differs.
pub async fn run(args: Reconcile, deadline: Instant) -> Result<Then> {
    let Reconcile {
        groups,
        pod,
        members,
        sentinels,
        labels,
        secrets,
        run,
        assume_master,
        yes,
        stale_after,
        watch: _,
        deadline: _,
    } = args;
    let logins = Logins::read(&secrets).await?;
    let world = World::open(&run, &pod).await?;
    let council = Council::new(&world, &sentinels)?;
    council.tell_short_grace(&members);
    // A person's choice tells of which group it is.
    let chosen = assume_master.as_ref().filter(|_| groups.is_empty());
    let groups = match chosen.map(|pod| own_group(None, &members, pod)).transpose()? {
        Some(group) => vec![group],
        None => groups,
    };
    let groups = groups_to_watch(groups, &[], &world, &members, &labels, deadline).await?;
    let subject = |group| Subject::new(&world, group, None, &pod, &members, &labels);
    if let Some(pod) = assume_master {
        let [group] = &groups[..] else {
            return Err(Wrong("--assume-master is of one group: name it by --group".to_owned()).into());
        };
        let mut subject = subject(group.clone())?;
        subject.chosen = Some(pod.clone());
        assume(&Observer::new(&world, &subject, &council, &logins), &pod, yes, run.dry_run, deadline).await?;
        return Ok(Then::Exit);
    }
    // What one group's pass cannot do keeps nobody from the next one's.
    let mut failures = Failures::default();
    let count = groups.len();
    for (number, group) in groups.into_iter().enumerate() {
        let Some(subject) = failures.note(subject(group)) else { continue };
        let observer = Observer::new(&world, &subject, &council, &logins);
        failures.extend(one_pass(&observer, stale_after.0, run.dry_run, share(deadline, count - number)).await);
    }
    failures.into_result().map(|()| Then::Exit)
}

/// Looks at a group once, and puts right what differs; returns what could not be done.
async fn one_pass(observer: &Observer<'_>, stale_after: Option<Duration>, dry_run: bool, deadline: Instant) -> Failures {
    let evidence = observer.observe_all(deadline).await;
    let memory = Memory { stale_after, ..Memory::default() };
    if let Some(warning) = nobody_promotable(&evidence) {
        warn!("{}: {warning}", observer.subject.group);
    }
    let mut failures = put_right(observer, &evidence, &memory, &mut Retries::default(), dry_run, deadline).await.failures;
    if let RecordSeen::Unknown(failure) = &evidence.record {
        failures.note::<()>(Err(blame(&format!("the record of `{}` cannot be read", observer.subject.group), failure.clone())));
    }
    if let Some(failure) = &evidence.listing {
        let what =
            format!("the pods of `{}` cannot be listed, and only those of known names were looked at", observer.subject.group);
        failures.note::<()>(Err(blame(&what, failure.clone())));
    }
    let answers = evidence.peers.iter().any(|peer| peer.heard.answer().is_some());
    if !answers && evidence.sentinels.iter().all(|sentinel| sentinel.heard.answer().is_none()) {
        failures.note::<()>(Err(anyhow!("no Redis and no Sentinel of `{}` answers", observer.subject.group)));
    }
    if !dry_run {
        announce_non_members(observer, "reconcile").await;
    }
    if let (Some(holder), Some(cluster)) = (finds_nobody(observer, &evidence), observer.world.cluster()) {
        failures.note::<()>(Err(nobody(cluster, observer.subject, holder).await.into()));
    }
    failures
}
