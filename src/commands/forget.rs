//! `forget`: every Sentinel forgets a group that was removed, and the record of the group is deleted.
//!
//! Look whether the group is gone; ask for confirmation; have every Sentinel forget the group; delete the record; look
//! again. The Sentinels come first: a Sentinel that still watches the group would cause a new record.

use std::time::Duration;

use anyhow::{Result, anyhow, bail};
use futures::future::join_all;
use tokio::time::Instant;
use tracing::info;

use super::Next;
use crate::cli::Forget;
use crate::core::evidence::{Evidence, Failure, RecordSeen};
use crate::core::identity::Endpoint;
use crate::core::registry::{still_there, watchers};
use crate::edge::kubernetes::Refusal;
use crate::edge::sentinel;
use crate::edge::wire::Target;
use crate::exit::Wrong;
use crate::steps::confirm::{can_ask, is_confirmed};
use crate::steps::context::{Clients, Credentials, GroupConfig, KubernetesMode, SentinelSet};
use crate::steps::news::News;
use crate::steps::observe::{Observer, from_api};
use crate::steps::retry::{Backoff, blame, refused};

pub async fn run(args: Forget, deadline: Instant) -> Result<Next> {
    let Forget { group, pod, members, sentinels, labels, secrets, run, yes, force, deadline: _ } = args;
    if !yes && !run.dry_run && !can_ask() {
        return Err(Wrong("no terminal to ask for confirmation: add --yes to forget the group".to_owned()).into());
    }
    let credentials = Credentials::read(&secrets).await?;
    let clients = Clients::open(&run, &pod).await?;
    if matches!(clients.ground, KubernetesMode::Nowhere) {
        return Err(Wrong(
            "no Kubernetes here, so the record and the Sentinels of the group cannot be looked up: set KUBECONFIG, or use --no-kubernetes"
                .to_owned(),
        )
        .into());
    }
    let sentinel_set = SentinelSet::new(&clients, &sentinels)?;
    if sentinel_set.is_unnamed() {
        return Err(Wrong("no Sentinels are named: set --sentinel or --sentinel-service".to_owned()).into());
    }
    let group_config = GroupConfig::new(&clients, group, None, &pod, &members, &labels)?;
    let observer = Observer::new(&clients, &group_config, &sentinel_set, &credentials);

    let evidence = observer.observe(Duration::ZERO, deadline).await;
    if !force {
        check_is_gone(&group_config, &evidence)?;
    }
    if is_forgotten(&observer, &evidence)? {
        return nothing_to_forget(&observer, &evidence, force);
    }
    let remembered = remembered(&evidence);
    if run.dry_run {
        println!("forget {}: {remembered}", group_config.group);
        return Ok(Next::Exit);
    }
    let question = format!("{remembered}\nType the group's name to forget the group");
    if !yes && !is_confirmed(question, group_config.group.to_string()).await? {
        bail!("`{}` is not forgotten: nothing was changed", group_config.group);
    }
    have_it_forgotten(&observer, evidence, force, deadline).await?;
    println!("forgot {}", group_config.group);
    Ok(Next::Exit)
}

/// A group of which a pod may still run is not forgotten: that pod would create the record again.
fn check_is_gone(group_config: &GroupConfig, evidence: &Evidence) -> Result<()> {
    let there: Vec<_> = still_there(evidence).into_iter().map(ToString::to_string).collect();
    if !there.is_empty() {
        bail!(
            "`{}` is not gone: {} may still run. Delete the StatefulSet first, or add --force",
            group_config.group,
            there.join(", ")
        );
    }
    Ok(())
}

/// The end of the run if the group has no record and no Sentinel is known to watch it.
fn nothing_to_forget(observer: &Observer<'_>, evidence: &Evidence, force: bool) -> Result<Next> {
    let group = &observer.group_config.group;
    match not_found(observer, evidence) {
        Some(missing) if !force => Err(anyhow!("cannot tell whether `{group}` is forgotten: {missing}")),
        missing => {
            let as_far = missing.map_or(String::new(), |missing| format!(", as far as is known: {missing}"));
            info!("`{group}` has no record, and no Sentinel watches `{group}`{as_far}");
            Ok(Next::Exit)
        }
    }
}

/// Has the Sentinels forget the group and deletes the record, until neither comes back.
async fn have_it_forgotten(observer: &Observer<'_>, mut evidence: Evidence, force: bool, deadline: Instant) -> Result<()> {
    let group = &observer.group_config.group;
    let mut backoff = Backoff::new();
    let mut news = News::default();
    loop {
        let silent = have_sentinels_forget(observer, &evidence).await?;
        if !silent.is_empty() && (!force || Instant::now() >= deadline) {
            bail!("the record of `{group}` is kept, because not every Sentinel has forgotten the group: {}", silent.join("; "));
        }
        delete_record(observer, &evidence).await?;
        // A pod that was about to write the record has done so by now, or is undone in the next round.
        evidence = observer.observe(Duration::ZERO, deadline).await;
        if is_forgotten(observer, &evidence)? || (force && !silent.is_empty()) {
            return Ok(());
        }
        if Instant::now() >= deadline {
            bail!("`{group}` was recorded or watched again: {}. Check that no pod of the group runs", remembered(&evidence));
        }
        news.wait(observer, &evidence, backoff.next(), deadline).await;
    }
}

/// Whether the group has no record and no Sentinel watches it, by the answers of all.
fn is_forgotten(observer: &Observer<'_>, evidence: &Evidence) -> Result<bool> {
    let group = &observer.group_config.group;
    if let Some(failure) = &evidence.discovery {
        return Err(blame("the Sentinels", failure.clone()));
    }
    let (watching, silent) = watchers(evidence);
    let has_record = match &evidence.record {
        RecordSeen::Present(_) => true,
        RecordSeen::Absent | RecordSeen::NotKept => false,
        RecordSeen::Pending => return Err(anyhow!("the record of `{group}`: {}", Failure::TimedOut)),
        RecordSeen::Unknown(failure) => return Err(blame(&format!("the record of `{group}`"), failure.clone())),
    };
    Ok(watching.is_empty() && silent.is_empty() && !has_record)
}

/// The message that fewer Sentinels were found than there are, if so.
fn not_found(observer: &Observer<'_>, evidence: &Evidence) -> Option<String> {
    let (found, sentinel_set) = (evidence.sentinels.len(), observer.sentinel_set);
    (found < sentinel_set.count).then(|| {
        format!(
            "only {found} of {} Sentinels were found: start the others, or check {} and --sentinel-count (ORDAIN_SENTINEL_COUNT)",
            sentinel_set.count,
            sentinel_set.settings()
        )
    })
}

fn remembered(evidence: &Evidence) -> String {
    let (watching, silent) = watchers(evidence);
    let record = evidence.recorded().map_or("no record".to_owned(), |record| format!("the record ({record})"));
    let silent = if silent.is_empty() { String::new() } else { format!(", {} Sentinels that do not answer", silent.len()) };
    format!("{record}, {} Sentinels that watch the group{silent}", watching.len())
}

/// Has every Sentinel that watches the group, or did not answer, forget the group; returns what did not work.
async fn have_sentinels_forget(observer: &Observer<'_>, evidence: &Evidence) -> Result<Vec<String>> {
    let Observer { clients, group_config, credentials, .. } = observer;
    let mut failed: Vec<_> = not_found(observer, evidence).into_iter().collect();
    let (watching, silent) = watchers(evidence);
    let asked: Vec<&Endpoint> = watching.into_iter().chain(silent.into_iter().map(|(at, _)| at)).collect();
    let forget = async |target: &Target| sentinel::forget_group(target, &credentials.sentinel, &group_config.group).await;
    let done = join_all(asked.iter().map(|at| clients.ask(at, forget))).await;
    for (at, done) in asked.into_iter().zip(done) {
        match done {
            Ok(true) => info!("the Sentinel {at} has forgotten `{}`", group_config.group),
            Ok(false) => {}
            Err(failure @ Failure::NotAllowed(_)) => return Err(blame(&format!("the Sentinel {at}"), failure)),
            Err(failure) => failed.push(format!("the Sentinel {at}: {failure}")),
        }
    }
    Ok(failed)
}

async fn delete_record(observer: &Observer<'_>, evidence: &Evidence) -> Result<()> {
    let (Some(cluster), Some(record)) = (observer.clients.cluster(), evidence.recorded()) else { return Ok(()) };
    let group = &observer.group_config.group;
    match from_api(cluster.delete_record(group, record)).await {
        Ok(()) => {
            info!("deleted the record of `{group}`");
            Ok(())
        }
        // The record has changed or is gone: the next look shows which.
        Err(Refusal::Missing | Refusal::Conflict) => Ok(()),
        Err(refusal) => {
            let left = format!(
                "the Sentinels have forgotten `{group}`, but the record is left: delete the Lease, or run forget with an account that may delete Leases"
            );
            Err(refused(&left, refusal))
        }
    }
}
