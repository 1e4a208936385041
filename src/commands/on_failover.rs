//! `on-failover`: Sentinel's client-reconfig-script.
//!
//! The arguments are a hint. The local Sentinel says who is master and since which epoch, the new
//! master confirms it, the record moves, and the labels follow the record.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use anyhow::{Result, anyhow, bail};
use tokio::time::Instant;
use tracing::info;

use super::Then;
use super::labelling::label;
use super::observe::in_time;
use super::patience::{blame, persist, refused};
use super::setting::{Ground, Logins, World, scheme, selector};
use crate::cli::OnFailover;
use crate::core::evidence::{Role, SentinelAnswer, Watch};
use crate::core::failover::Hint;
use crate::core::identity::{Group, Host, PodName};
use crate::core::labels::{Scheme, pod_at};
use crate::core::record::{Claim, Step};
use crate::edge::kubernetes::{Cluster, Refusal};
use crate::edge::{redis, sentinel};
use crate::exit::Wrong;

/// Sentinel kills its script after 60 s; whatever did not work by then is better tried anew.
pub const LIMIT: Duration = Duration::from_secs(45);

pub async fn run(args: OnFailover, deadline: Instant) -> Result<Then> {
    let OnFailover { pod, sentinel_port, labels, secrets, run, deadline: _, arguments } = args;
    let hint = Hint::parse(&arguments).map_err(Wrong)?;
    let logins = Logins::read(&secrets)?;
    let world = World::open(&run, &pod, false).await?;
    let hook = Hook {
        selector: selector(&hint.group, &labels),
        scheme: scheme(&labels),
        sentinel: (pod.pod_ip.unwrap_or(IpAddr::V4(Ipv4Addr::LOCALHOST)), sentinel_port),
        group: hint.group,
        world,
        logins,
    };
    if matches!(hook.world.ground, Ground::Nowhere) {
        let master = hint.to.host.pod().map_or_else(|| format!("the pod at {}", hint.to.host), |pod| pod.to_string());
        println!("record {}: {master}", hook.group);
        println!("label every other pod of {}: {}={}", hook.selector, hook.scheme.key, hook.scheme.replica);
        println!("label {master}: {}={}", hook.scheme.key, hook.scheme.master);
        return Ok(Then::Exit);
    }

    let started = Instant::now();
    let unknown = || format!("the new master of `{}` is not known", hook.group);
    let (claim, watch) = persist(deadline, unknown, async || hook.verified_claim().await).await?;
    let verified = started.elapsed();
    let Some(cluster) = hook.world.cluster() else {
        info!(
            "{} is the master of `{}` since epoch {}; with Kubernetes it would be labelled {}={}",
            claim.master, hook.group, claim.epoch, hook.scheme.key, hook.scheme.master
        );
        return Ok(Then::Exit);
    };
    if run.dry_run {
        println!("record {}: {} at epoch {}", hook.group, claim.master, claim.epoch);
        println!("label {}: {}={}", claim.master, hook.scheme.key, hook.scheme.master);
        return Ok(Then::Exit);
    }

    let unmoved = || format!("the record of `{}` was not moved", hook.group);
    let step = persist(deadline, unmoved, async || {
        hook.move_record(cluster, &claim, &watch).await.map_err(|refusal| refused("the record", refusal))
    })
    .await?;
    let recorded = started.elapsed();
    let labelled = label(cluster, &hook.group, &hook.selector, &hook.scheme, deadline).await?;
    info!(
        "group {} epoch {} from {} to {}; record: {}; {labelled}; verified {verified:.1?}, recorded {recorded:.1?}, labelled {:.1?}",
        hook.group,
        claim.epoch,
        hint.from,
        watch.master,
        match step {
            Step::Move => "moved",
            Step::Holds => "said so already",
            Step::Older => "knows a newer one",
            Step::Disputed => "names another at the same epoch, and is left as it is",
        },
        started.elapsed(),
    );
    Ok(Then::Exit)
}

struct Hook {
    world: World,
    logins: Logins,
    group: Group,
    selector: String,
    scheme: Scheme,
    /// Where the Sentinel that runs this hook listens.
    sentinel: (IpAddr, u16),
}

impl Hook {
    /// Who is master by the local Sentinel, confirmed by that Redis itself.
    async fn verified_claim(&self) -> Result<(Claim, Watch)> {
        let (ip, port) = self.sentinel;
        let answer = in_time(sentinel::view(&[ip], port, &self.logins.sentinel, &self.group)).await;
        let watch = match answer.map_err(|failure| blame("the local Sentinel", failure))? {
            SentinelAnswer::Watching(watch) => watch,
            SentinelAnswer::Unaware => return Err(Wrong(format!("the local Sentinel does not watch `{}`", self.group)).into()),
        };
        let ask = async {
            let ips = self.world.addresses(&watch.master.host).await?;
            redis::role(&ips, watch.master.port, &self.logins.redis).await
        };
        let (role, master) = tokio::join!(in_time(ask), self.pod_of(&watch.master.host));
        match role.map_err(|failure| blame(&format!("{}", watch.master), failure))? {
            Role::Master => Ok((Claim { master: master?, epoch: watch.config_epoch }, watch)),
            Role::Replica { of } => bail!("{} is still a replica of {of}", watch.master),
        }
    }

    /// The pod behind a host: its name says it, or the API server's list of pods.
    async fn pod_of(&self, host: &Host) -> Result<PodName> {
        if let Some(pod) = host.pod() {
            return Ok(pod);
        }
        let Some(cluster) = self.world.cluster() else { bail!("{host} names no pod") };
        let pods = cluster.pods(&self.selector, &self.scheme).await.map_err(|refusal| refused("the pods", refusal))?;
        let pod = pod_at(&pods, host).ok_or_else(|| anyhow!("no pod of {} has the address {host}", self.selector))?;
        Ok(pod.name.clone())
    }

    /// Moves the record by compare-and-swap, or finds that there is nothing to move.
    async fn move_record(&self, cluster: &Cluster, claim: &Claim, watch: &Watch) -> Result<Step, Refusal> {
        let record = match cluster.record(&self.group).await {
            Err(Refusal::Missing) => return cluster.create_record(&self.group, claim, &watch.master).await.map(|_| Step::Move),
            record => record?,
        };
        let step = record.against(claim);
        if step == Step::Move {
            cluster.move_record(&self.group, &record, claim, &watch.master).await?;
        }
        Ok(step)
    }
}
