//! `reconcile`: what differs is put right. One pass looks at everything, moves the record where it
//! lags, labels the pods, and makes replicas promotable that are in sync; `--watch` goes on doing so, and
//! abandons a holder that does not come back.

mod force;
mod mend;
mod pass;
mod watch;

use std::time::Duration;

use anyhow::{Result, anyhow};
use tokio::time::Instant;
use tracing::warn;

use super::Next;
use crate::cli::Reconcile;
use crate::core::evidence::RecordSeen;
use crate::core::sentinels::nobody_promotable;
use crate::exit::Wrong;
use crate::steps::announce::announce_non_members;
use crate::steps::context::{Clients, Credentials, GroupConfig, SentinelSet, own_group};
use crate::steps::groups::{check_names_one, groups_to_watch};
use crate::steps::label::nobody;
use crate::steps::observe::Observer;
use crate::steps::retry::{Failures, Retries, blame, share};
use force::force;
use pass::{Memory, finds_nobody, put_right};
use watch::Watch;

/// Goes on putting right what differs until it is dropped.
pub async fn watch(args: Reconcile) -> Result<Next> {
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
    let credentials = Credentials::read(&secrets).await?;
    let clients = Clients::open(&run, &pod).await?;
    let sentinel_set = SentinelSet::new(&clients, &sentinels)?;
    sentinel_set.warn_of_short_grace(&members);
    check_names_one(&groups, &members, &labels)?;
    let watch = Watch {
        clients: &clients,
        sentinel_set: &sentinel_set,
        credentials: &credentials,
        pod: &pod,
        members: &members,
        labels: &labels,
        named: &groups,
        stale_after: stale_after.0,
    };
    watch.go_on().await;
    Ok(Next::Exit)
}

/// Puts right once what differs.
pub async fn run(args: Reconcile, deadline: Instant) -> Result<Next> {
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
    let credentials = Credentials::read(&secrets).await?;
    let clients = Clients::open(&run, &pod).await?;
    let sentinel_set = SentinelSet::new(&clients, &sentinels)?;
    sentinel_set.warn_of_short_grace(&members);
    // The pod of `--assume-master` names its group.
    let chosen = assume_master.as_ref().filter(|_| groups.is_empty());
    let groups = match chosen.map(|pod| own_group(None, &members, pod)).transpose()? {
        Some(group) => vec![group],
        None => groups,
    };
    let groups = groups_to_watch(groups, &[], &clients, &members, &labels, deadline).await?;
    let group_config = |group| GroupConfig::new(&clients, group, None, &pod, &members, &labels);
    if let Some(pod) = assume_master {
        let [group] = &groups[..] else {
            return Err(Wrong("--assume-master applies to one group: name the group with --group".to_owned()).into());
        };
        let mut group_config = group_config(group.clone())?;
        group_config.chosen = Some(pod.clone());
        force(&Observer::new(&clients, &group_config, &sentinel_set, &credentials), &pod, yes, run.dry_run, deadline).await?;
        return Ok(Next::Exit);
    }
    // A failure in one group does not end the pass over the next group.
    let mut failures = Failures::default();
    let count = groups.len();
    for (number, group) in groups.into_iter().enumerate() {
        let Some(group_config) = failures.note(group_config(group)) else { continue };
        let observer = Observer::new(&clients, &group_config, &sentinel_set, &credentials);
        failures.extend(one_pass(&observer, stale_after.0, run.dry_run, share(deadline, count - number)).await);
    }
    failures.into_result().map(|()| Next::Exit)
}

/// Looks at a group once, and puts right what differs; returns what could not be done.
async fn one_pass(observer: &Observer<'_>, stale_after: Option<Duration>, dry_run: bool, deadline: Instant) -> Failures {
    let evidence = observer.observe_all(deadline).await;
    let memory = Memory { stale_after, ..Memory::default() };
    if let Some(warning) = nobody_promotable(&evidence) {
        warn!("{}: {warning}", observer.group_config.group);
    }
    let mut failures = put_right(observer, &evidence, &memory, &mut Retries::default(), dry_run, deadline).await.failures;
    if let RecordSeen::Unknown(failure) = &evidence.record {
        failures
            .note::<()>(Err(blame(&format!("the record of `{}` cannot be read", observer.group_config.group), failure.clone())));
    }
    if let Some(failure) = &evidence.listing {
        let what = format!(
            "the pods of `{}` cannot be listed, and only pods of known names were looked at",
            observer.group_config.group
        );
        failures.note::<()>(Err(blame(&what, failure.clone())));
    }
    let answers = evidence.peers.iter().any(|peer| peer.heard.answer().is_some());
    if !answers && evidence.sentinels.iter().all(|sentinel| sentinel.heard.answer().is_none()) {
        failures.note::<()>(Err(anyhow!("no Redis and no Sentinel of `{}` answers", observer.group_config.group)));
    }
    if !dry_run {
        announce_non_members(observer, "reconcile").await;
    }
    if let (Some(holder), Some(cluster)) = (finds_nobody(observer, &evidence), observer.clients.cluster()) {
        failures.note::<()>(Err(nobody(cluster, observer.group_config, holder).await.into()));
    }
    failures
}
