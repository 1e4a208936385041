//! How each repair is done.

use std::path::Path;

use anyhow::{Result, anyhow};
use tracing::info;

use crate::commands::HOOK;
use crate::core::disk::DiskReport;
use crate::core::evidence::{Evidence, Peer, Role};
use crate::core::identity::{Endpoint, Host, PodName};
use crate::core::record::{Claim, Record};
use crate::core::rules::repair::Repair;
use crate::core::sentinel_conf::Watched;
use crate::edge::wire::Target;
use crate::edge::{files, redis, sentinel};
use crate::exit::OrWrong;
use crate::steps::context::in_time;
use crate::steps::observe::{Observer, from_api};
use crate::steps::retry::{blame, refused};

/// Where the manifests have `ordain install` put the hook in the Sentinel's container.
const INSTALLED: &str = "/opt/ordain";

/// Does one repair. Returns whether the server was still as it was seen.
pub async fn mend(observer: &Observer<'_>, evidence: &Evidence, record: Option<&Record>, repair: &Repair) -> Result<bool> {
    let Observer { clients, group_config, credentials, .. } = observer;
    let target = |pod: &PodName| group_config.target(pod, evidence.ips_of(pod).to_owned());
    let done = match repair {
        Repair::MakePromotable(pod) | Repair::PromoteInstead(pod) | Repair::KeepUnpromotable(pod) => {
            let own = evidence.peer(pod).and_then(|peer| evidence.own_priority(peer)).unwrap_or(0);
            in_time(redis::set_priority(&target(pod), &credentials.redis, own, is_as_seen(evidence, pod))).await
        }
        Repair::Follow(pod, master) => {
            let at = group_config.announced(master, evidence.ips_of(master));
            let at = at.ok_or_else(|| anyhow!("the address of {master} is not known"))?;
            in_time(redis::follow_instead(&target(pod), &credentials.redis, &at, is_as_seen(evidence, pod))).await
        }
        Repair::Restart(pod) => in_time(redis::shut_down(&target(pod), &credentials.redis, is_as_seen(evidence, pod))).await,
        Repair::AddGroup(at, master) | Repair::AddSettings(at, master) => {
            return add_group(observer, evidence, at, master).await.map(|()| true);
        }
        Repair::ForgetGroup(at) => {
            clients.ask(at, async |target| sentinel::forget_group(target, &credentials.sentinel, &group_config.group).await).await
        }
        Repair::ForgetReplicas(at) => {
            let forget =
                async |target: &Target| sentinel::forget_replicas(target, &credentials.sentinel, &group_config.group).await;
            clients.ask(at, forget).await.map(|()| true)
        }
        Repair::Abandon(claim) => {
            let watching = || evidence.watches().find(|(_, watch)| evidence.member_at(&watch.master.host) == Some(&claim.master));
            let announced = group_config.announced(&claim.master, evidence.ips_of(&claim.master));
            let address = announced.or_else(|| watching().map(|(_, watch)| watch.master.clone()));
            let named = match (record, address) {
                (Some(record), _) if record.claim == *claim => Some(record.clone()),
                (Some(record), Some(address)) => Some(record.moved_to(claim, &address)),
                _ => None,
            };
            return update(observer, named.map(|record| record.with_abandoned_holder(true))).await.map(|()| true);
        }
        Repair::NameInstead(claim) => return name_instead(observer, evidence, record, claim).await,
        Repair::TakeHolderBack => {
            return update(observer, record.map(|record| record.with_abandoned_holder(false))).await.map(|()| true);
        }
        Repair::ExpireReport(pod) => {
            let Some(cluster) = clients.cluster() else { return Ok(false) };
            let seen = observer.seen().into_iter().find(|seen| seen.name == *pod);
            let Some((report, version)) = seen.and_then(|seen| Some((seen.report?, seen.version))) else { return Ok(false) };
            let ended = DiskReport { started: true, at: evidence.now, ..report };
            let done = from_api(cluster.publish(pod, &ended, Some(&version))).await;
            return done.map(|_| true).map_err(|refusal| refused(&format!("the disk report of {pod}"), refusal));
        }
    };
    done.map_err(|failure| blame(&format!("{}: {repair}", group_config.group), failure))
}

/// The same server, with the same link, as was seen.
fn is_as_seen(evidence: &Evidence, pod: &PodName) -> impl Fn(&Role) -> bool + use<> {
    let seen = evidence.peer(pod).and_then(Peer::replica).map(|replica| (replica.run.clone(), replica.link));
    move |role| matches!(role, Role::Replica(now) if seen.as_ref().is_some_and(|seen| *seen == (now.run.clone(), now.link)))
}

/// Has the record name a replica that no Sentinel could promote, and restarts its server, to lead. Returns whether no
/// Sentinel knows this replica: a Sentinel that does will promote it.
async fn name_instead(observer: &Observer<'_>, evidence: &Evidence, record: Option<&Record>, claim: &Claim) -> Result<bool> {
    let Observer { clients, group_config, credentials, .. } = observer;
    let ips = evidence.ips_of(&claim.master);
    for (at, _) in evidence.watches() {
        let ask = async |target: &Target| sentinel::replicas(target, &credentials.sentinel, &group_config.group).await;
        let known =
            clients.ask(at, ask).await.map_err(|failure| blame(&format!("the replicas that Sentinel {at} knows"), failure))?;
        if known
            .iter()
            .any(|replica| matches!(&replica.at.host, Host::Name(_)) || ips.iter().any(|ip| replica.at.host == Host::Ip(*ip)))
        {
            return Ok(false);
        }
    }
    let address =
        group_config.announced(&claim.master, ips).ok_or_else(|| anyhow!("the address of {} is not known", claim.master))?;
    update(observer, record.map(|record| record.moved_to(claim, &address))).await?;
    let target = group_config.target(&claim.master, ips.to_owned());
    let ended = in_time(redis::shut_down(&target, &credentials.redis, is_as_seen(evidence, &claim.master))).await;
    ended.map_err(|failure| blame(&format!("{}, which the record names now, was not restarted", claim.master), failure))
}

/// Has a Sentinel watch the group, as its file would say it.
async fn add_group(observer: &Observer<'_>, evidence: &Evidence, at: &Endpoint, master: &PodName) -> Result<()> {
    let Observer { clients, group_config, sentinel_set, credentials, .. } = observer;
    let address = group_config.announced(master, evidence.ips_of(master));
    let hook = Path::new(INSTALLED).join(HOOK);
    let watched = Watched {
        group: &group_config.group,
        master: address.ok_or_else(|| anyhow!("the address of {master} is not known"))?,
        quorum: sentinel_set.majority(),
        down_after_ms: group_config.down_after.as_millis(),
        script: files::bytes(&hook),
        user: credentials.redis.user.as_deref(),
        password: credentials.redis.password.as_deref(),
        config_epoch: 0,
        leader_epoch: 0,
        replicas: Vec::new(),
        sentinels: Vec::new(),
    };
    watched.check().or_wrong()?;
    let added = clients.ask(at, async |target| sentinel::watch_group(target, &credentials.sentinel, &watched).await);
    let has_hook = added.await.map_err(|failure| blame(&format!("the group was not set up at Sentinel {at}"), failure))?;
    if !has_hook {
        info!("{}: Sentinel {at} takes no hook at run time: reconcile finds the failovers of this Sentinel", group_config.group);
    }
    Ok(())
}

async fn update(observer: &Observer<'_>, record: Option<Record>) -> Result<()> {
    let (Some(cluster), Some(record)) = (observer.clients.cluster(), record) else { return Ok(()) };
    let updated = from_api(cluster.update_record(&observer.group_config.group, &record)).await;
    updated.map(drop).map_err(|refusal| refused("the record", refusal))
}
