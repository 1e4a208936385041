//! `--assume-master`: a forced claim, made after the losses were shown.

use anyhow::{Result, anyhow, bail};
use tokio::time::Instant;
use tracing::{info, warn};

use crate::core::evidence::RecordSeen;
use crate::core::identity::PodName;
use crate::core::rules;
use crate::core::rules::forced_claim::losses;
use crate::exit::Wrong;
use crate::steps::confirm::{can_ask, is_confirmed};
use crate::steps::context::GroupConfig;
use crate::steps::decide::first_record;
use crate::steps::observe::Observer;
use crate::steps::retry::refused;

/// Writes the forced claim to the record, after the losses were shown and confirmed.
pub async fn force(observer: &Observer<'_>, pod: &PodName, yes: bool, dry_run: bool, deadline: Instant) -> Result<()> {
    let GroupConfig { group, .. } = observer.group_config;
    let Some(cluster) = observer.clients.cluster() else {
        return Err(Wrong("--assume-master moves the record, and without Kubernetes there is none".to_owned()).into());
    };
    let mut evidence = observer.observe_all(deadline).await;
    let mut claim = rules::forced_claim::forced_claim(&evidence, pod).map_err(Wrong)?;
    let losses = losses(&evidence, pod);
    for loss in &losses {
        warn!("{loss}");
    }
    if !yes && !dry_run {
        if !can_ask() {
            return Err(Wrong(format!("no terminal to ask for confirmation: add --yes to make {pod} the master")).into());
        }
        let question = format!("Type the pod's name to make it the master of {group}");
        if !is_confirmed(question, pod.to_string()).await? {
            bail!("{pod} is not made the master: nothing was changed");
        }
        // What was shown may not be so any more.
        evidence = observer.observe_all(deadline).await;
        claim = rules::forced_claim::forced_claim(&evidence, pod).map_err(Wrong)?;
        if self::losses(&evidence, pod) != losses {
            bail!("the losses have changed since they were shown, so nothing was changed: run this again");
        }
    }
    let address = observer.group_config.announced(pod, evidence.ips_of(pod));
    let address = address.ok_or_else(|| anyhow!("the address of {pod} is not known yet"))?;
    println!("record {group}: {pod} at epoch {}, by a person's word", claim.epoch);
    if dry_run {
        return Ok(());
    }
    let written = match &evidence.record {
        RecordSeen::Present(record) => cluster.update_record(group, &record.assumed_for(&claim, &address)).await,
        RecordSeen::Absent => {
            let first = first_record(observer.group_config, &evidence, &claim, &address, false);
            cluster.create_record(group, &first.assumed_for(&claim, &address)).await
        }
        RecordSeen::Unknown(failure) => return Err(anyhow!("the record of `{group}` cannot be read: {failure}")),
        RecordSeen::Pending | RecordSeen::NotKept => bail!("the record of `{group}` was not heard in time"),
    };
    written.map_err(|refusal| refused("the record", refusal))?;
    info!("{pod} leads from its next start or look on, whatever the disks hold; the other pods follow {pod}");
    Ok(())
}
