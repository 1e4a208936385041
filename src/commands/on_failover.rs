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
use super::labelling::{label, label_others};
use super::observe::in_time;
use super::patience::{blame, persist, refused};
use super::setting::{Council, Ground, Logins, World, own_pod, scheme, selector};
use crate::cli::{OnFailover, PodArgs};
use crate::core::evidence::{Role, SentinelAnswer, Watch};
use crate::core::failover::Hint;
use crate::core::identity::{Group, Host, PodName};
use crate::core::labels::{Pod, Scheme, pod_at};
use crate::core::record::{Claim, Record, Step};
use crate::edge::kubernetes::{Cluster, Refusal};
use crate::edge::wire::Target;
use crate::edge::{redis, sentinel};
use crate::exit::Wrong;

/// Sentinel kills its script after 60 s; whatever did not work by then is better tried anew.
pub const LIMIT: Duration = Duration::from_secs(45);

pub async fn run(args: OnFailover, deadline: Instant) -> Result<Then> {
    let OnFailover { pod, sentinels, labels, secrets, run, deadline: _, arguments } = args;
    let hint = Hint::parse(&arguments).map_err(Wrong)?;
    let logins = Logins::read(&secrets)?;
    let world = World::open(&run, &pod, false).await?;
    let hook = Hook {
        selector: selector(&hint.group, &labels),
        scheme: scheme(&labels),
        sentinel: local_sentinel(&pod, &Council::new(&world, &sentinels)?),
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
    let verify = persist(deadline, unknown, async || hook.verified_view().await);
    let Some(cluster) = hook.world.cluster() else {
        let watch = verify.await?;
        let master = watch.master.host.pod().map_or_else(|| watch.master.to_string(), |pod| pod.to_string());
        let Scheme { key, master: value, .. } = &hook.scheme;
        info!(
            "{master} is the master of `{}` since epoch {}; with Kubernetes it would be labelled {key}={value}",
            hook.group, watch.config_epoch
        );
        return Ok(Then::Exit);
    };
    // While Sentinel and the new master are asked, the API server is, too: the pods as its cache
    // has them, for whatever is done with them is done under the version that was listed.
    let record = in_time(async { Ok(cluster.record(&hook.group).await) });
    let pods = in_time(async { Ok(cluster.pods_lately(&hook.selector, &hook.scheme).await) });
    let (watch, record, pods) = tokio::join!(verify, record, pods);
    let watch = watch?;
    let record = record.unwrap_or_else(|failure| Err(Refusal::Failed(failure)));
    let pods = pods.ok().and_then(Result::ok).unwrap_or_default();
    let verified = started.elapsed();
    let nobody = || format!("the pod at {} is not known", watch.master.host);
    let master = persist(deadline, nobody, async || hook.pod_at(cluster, &watch.master.host, &pods).await).await?;
    let claim = Claim { master, epoch: watch.config_epoch };
    if run.dry_run {
        println!("record {}: {} at epoch {}", hook.group, claim.master, claim.epoch);
        println!("label {}: {}={}", claim.master, hook.scheme.key, hook.scheme.master);
        return Ok(Then::Exit);
    }

    let unmoved = || format!("the record of `{}` was not moved", hook.group);
    let mut known = Some(record);
    let (step, record) = persist(deadline, unmoved, async || {
        let record = match known.take() {
            Some(record) => record,
            None => cluster.record(&hook.group).await,
        };
        hook.move_record(cluster, record, &claim, &watch).await.map_err(|refusal| refused("the record", refusal))
    })
    .await?;
    let recorded = started.elapsed();
    let earlier = label_others(cluster, &record, &pods, &hook.scheme).await;
    let labelled = label(cluster, &hook.group, &hook.selector, &hook.scheme, deadline).await?.after(earlier);
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

/// The Sentinel that runs this hook: it listens at the pod's address, or at all of them, and its
/// certificate names it as the other Sentinels do.
fn local_sentinel(pod: &PodArgs, council: &Council) -> Target {
    let ip = pod.pod_ip.unwrap_or(IpAddr::V4(Ipv4Addr::LOCALHOST));
    let name = own_pod(pod).ok().and_then(|me| council.host_of(&me));
    Target { name: name.unwrap_or(Host::Ip(ip)), ips: vec![ip], port: council.port }
}

struct Hook {
    world: World,
    logins: Logins,
    group: Group,
    selector: String,
    scheme: Scheme,
    /// Where the Sentinel that runs this hook listens.
    sentinel: Target,
}

impl Hook {
    /// Who is master by the local Sentinel, confirmed by that Redis itself.
    async fn verified_view(&self) -> Result<Watch> {
        let answer = in_time(sentinel::view(&self.sentinel, &self.logins.sentinel, &self.group)).await;
        let watch = match answer.map_err(|failure| blame("the local Sentinel", failure))? {
            SentinelAnswer::Watching(watch) => watch,
            SentinelAnswer::Unaware => return Err(Wrong(format!("the local Sentinel does not watch `{}`", self.group)).into()),
        };
        let ask = async {
            let target = self.world.target(&watch.master).await?;
            redis::role(&target, &self.logins.redis).await
        };
        match in_time(ask).await.map_err(|failure| blame(&watch.master.to_string(), failure))? {
            Role::Master => Ok(watch),
            Role::Replica { of } => bail!("{} is still a replica of {of}", watch.master),
        }
    }

    /// The pod behind a host: its name says it, or the API server's list of pods.
    async fn pod_at(&self, cluster: &Cluster, host: &Host, listed: &[Pod]) -> Result<PodName> {
        if let Some(pod) = host.pod() {
            return Ok(pod);
        }
        if let Some(pod) = pod_at(listed, host) {
            return Ok(pod.name.clone());
        }
        let pods = cluster.pods(&self.selector, &self.scheme).await.map_err(|refusal| refused("the pods", refusal))?;
        let pod = pod_at(&pods, host).ok_or_else(|| anyhow!("no pod of {} has the address {host}", self.selector))?;
        Ok(pod.name.clone())
    }

    /// Moves the record by compare-and-swap, or finds that there is nothing to move.
    async fn move_record(
        &self,
        cluster: &Cluster,
        record: Result<Record, Refusal>,
        claim: &Claim,
        watch: &Watch,
    ) -> Result<(Step, Record), Refusal> {
        let record = match record {
            Err(Refusal::Missing) => {
                let made = cluster.create_record(&self.group, claim, &watch.master).await?;
                return Ok((Step::Move, made));
            }
            record => record?,
        };
        match record.against(claim) {
            Step::Move => Ok((Step::Move, cluster.move_record(&self.group, &record, claim, &watch.master).await?)),
            step => Ok((step, record)),
        }
    }
}
