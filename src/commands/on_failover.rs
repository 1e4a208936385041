//! `on-failover`: Sentinel's client-reconfig-script.
//!
//! The arguments are a hint.
//! 1. Observe (nothing): the local Sentinel says who is master and since which epoch, and the new master confirms it.
//! 2. The record moves (the record).
//! 3. The labels follow the record (the pods' labels, an Event).

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use anyhow::{Result, anyhow, bail};
use tokio::time::Instant;
use tracing::info;

use super::Next;
use crate::cli::{OnFailover, PodArgs};
use crate::core::disk::published_group_id;
use crate::core::epoch::{self, Shown};
use crate::core::evidence::{RecordSeen, Role, SentinelAnswer, Watch};
use crate::core::failover::Hint;
use crate::core::identity::{Host, PodName};
use crate::core::labels::Scheme;
use crate::core::members::Found;
use crate::core::pod::Pod;
use crate::core::record::{Claim, Record, Step};
use crate::core::rules;
use crate::edge::kubernetes::{Cluster, Refusal};
use crate::edge::wire::Target;
use crate::edge::{redis, sentinel};
use crate::exit::Wrong;
use crate::steps::announce::announce_promotion;
use crate::steps::context::{ANSWER, Clients, Credentials, GroupConfig, KubernetesMode, SentinelSet, in_time, own_pod};
use crate::steps::disk_report::random_id;
use crate::steps::label::{Moved, label_listed};
use crate::steps::observe::{Observer, from_api, record_seen};
use crate::steps::report::millis;
use crate::steps::retry::{blame, persist, refused};

/// Sentinel kills its script after 60 s; what did not work by then is better tried again.
const LIMIT: Duration = Duration::from_secs(45);

/// How long the hook may take.
pub fn limit(args: &OnFailover) -> Duration {
    args.deadline.min(LIMIT)
}

pub async fn run(args: OnFailover, deadline: Instant) -> Result<Next> {
    let OnFailover { pod, members, sentinels, labels, secrets, run, deadline: _, arguments } = args;
    let hint = Hint::parse(&arguments).map_err(Wrong)?;
    let credentials = Credentials::read(&secrets).await?;
    let clients = Clients::open(&run, &pod).await?;
    let sentinel_set = SentinelSet::new(&clients, &sentinels)?;
    let group_config = GroupConfig::new(&clients, hint.group, None, &pod, &members, &labels)?;
    let hook = Hook { sentinel: local_sentinel(&pod, &sentinel_set), clients, credentials, sentinel_set, group_config };
    let group = &hook.group_config.group;
    if matches!(hook.clients.ground, KubernetesMode::Nowhere) {
        let master = hint.to.host.pod().map_or_else(|| format!("the pod at {}", hint.to.host), |pod| pod.to_string());
        hook.print_plan(&master, "");
        return Ok(Next::Exit);
    }

    let started = Instant::now();
    let unknown = || format!("the new master of `{group}` is not known");
    let verify = persist(deadline, unknown, async || hook.verified_view().await);
    let Some(cluster) = hook.clients.cluster() else {
        hook.print_without_kubernetes(&verify.await?);
        return Ok(Next::Exit);
    };
    // While Sentinel and the new master are asked, the API server is, too.
    let early = async {
        tokio::join!(
            from_api(cluster.record(group)),
            from_api(cluster.pods_lately(&hook.group_config.selector, &hook.group_config.scheme))
        )
    };
    let (watch, (record, pods)) = tokio::join!(verify, early);
    let watch = watch?;
    let found = pods.unwrap_or_default();
    let verified = started.elapsed();
    if run.dry_run {
        let record = record_seen(record);
        let listed = hook.members(found, &record, &watch);
        let master = hook.pod_at(cluster, &watch, &listed, &record).await?;
        hook.print_plan(&master.to_string(), &format!(" at epoch {}", Shown(watch.config_epoch)));
        return Ok(Next::Exit);
    }

    let (moved, watch) = hook.have_record_moved(cluster, (watch, record), &found, deadline).await?;
    let recorded = started.elapsed();
    let members = hook.group_config.members(found, &hook.group_config.membership_by(&moved.record));
    let labelled = label_listed(cluster, &hook.group_config, &moved, members, |pod| pod, deadline).await;
    let all = started.elapsed();
    let by = own_pod(&pod).map_or_else(|_| "on-failover".to_owned(), |me| format!("on-failover at {me}"));
    let hinted = hint.from.host.pod();
    announce_promotion(cluster, group, &labelled, moved.from.as_ref().or(hinted.as_ref()), &by).await;
    info!(
        group = %group,
        epoch = moved.record.claim.epoch,
        from = %moved.from.map_or_else(|| hint.from.to_string(), |pod| pod.to_string()),
        to = %moved.record.claim.master,
        at = %watch.master,
        record = if moved.is_news { "moved" } else { "unchanged" },
        labels = %labelled,
        verified_ms = millis(verified),
        recorded_ms = millis(recorded),
        labelled_ms = millis(all),
        "failover"
    );
    labelled.failure.map_or(Ok(Next::Exit), Err)
}

/// The Sentinel that runs this hook: it listens at the pod's address, or at all of them, and its
/// certificate names it as the other Sentinels do.
fn local_sentinel(pod: &PodArgs, sentinel_set: &SentinelSet) -> Target {
    let ip = pod.pod_ip.unwrap_or(IpAddr::V4(Ipv4Addr::LOCALHOST));
    let name = own_pod(pod).ok().and_then(|me| sentinel_set.host_of(&me));
    Target { name: name.unwrap_or(Host::Ip(ip)), ips: vec![ip], port: sentinel_set.port }
}

/// Whether both epochs are possible beside each other: else all Sentinels must be asked.
fn are_plain(record: &Record, claim: &Claim) -> bool {
    epoch::can_be(record.claim.epoch, []) && epoch::can_be(claim.epoch, [record.claim.epoch])
}

struct Hook {
    clients: Clients,
    credentials: Credentials,
    group_config: GroupConfig,
    sentinel_set: SentinelSet,
    /// The Sentinel that runs this hook.
    sentinel: Target,
}

impl Hook {
    /// What a hook would do, line by line. `since` is what is known of the master's epoch.
    fn print_plan(&self, master: &str, since: &str) {
        let GroupConfig { group, selector, scheme: Scheme { key, master: master_value, replica }, .. } = &self.group_config;
        println!("record {group}: {master}{since}");
        println!("label every other pod of {selector}: {key}={replica}");
        println!("label {master}: {key}={master_value}");
    }

    /// Who is master, where there is nothing to record or to label.
    fn print_without_kubernetes(&self, watch: &Watch) {
        let GroupConfig { group, scheme: Scheme { key, master: value, .. }, .. } = &self.group_config;
        let master = watch.master.host.pod().map_or_else(|| watch.master.to_string(), |pod| pod.to_string());
        let epoch = Shown(watch.config_epoch);
        info!("{master} is the master of `{group}` since epoch {epoch}; with Kubernetes it would be labelled {key}={value}");
    }

    /// Who is master by the local Sentinel, confirmed by that Redis itself.
    async fn verified_view(&self) -> Result<Watch> {
        let group = &self.group_config.group;
        let answer = in_time(sentinel::view(&self.sentinel, &self.credentials.sentinel, group)).await;
        let watch = match answer.map_err(|failure| blame("the local Sentinel", failure))? {
            SentinelAnswer::Watching(watch) => watch,
            SentinelAnswer::Unaware => return Err(Wrong(format!("the local Sentinel does not watch `{group}`")).into()),
        };
        let role = self.clients.ask(&watch.master, async |target| redis::role(target, &self.credentials.redis).await);
        match role.await.map_err(|failure| blame(&watch.master.to_string(), failure))? {
            Role::Master => Ok(watch),
            Role::Replica(replica) => bail!("{} is still a replica of {}", watch.master, replica.of),
        }
    }

    /// The members among the pods that were found, where the record was seen like this.
    fn members(&self, found: impl IntoIterator<Item = Found>, record: &RecordSeen, watch: &Watch) -> Vec<Pod> {
        let found: Vec<_> = found.into_iter().collect();
        let reported = self.group_config.sets_by_reports(&found, [&watch.master.host]);
        self.group_config.members(found, &self.group_config.membership(record, &reported))
    }

    /// The pod behind the master's host. A host name says which pod, if the group has that pod. For an address the pods are
    /// listed again: another pod may have had the address in the earlier list.
    async fn pod_at(&self, cluster: &Cluster, watch: &Watch, listed: &[Pod], record: &RecordSeen) -> Result<PodName> {
        let host = &watch.master.host;
        let named = |pods: &[Pod]| pods.iter().find(|pod| self.group_config.is_at(pod, host)).map(|pod| pod.name.clone());
        if let (Host::Name(_), Some(pod)) = (host, named(listed)) {
            return Ok(pod);
        }
        let found = cluster.pods(&self.group_config.selector, &self.group_config.scheme).await;
        let found = found.map_err(|refusal| refused("the pods", refusal))?;
        let GroupConfig { selector, group, .. } = &self.group_config;
        let members = self.members(found, record, watch);
        named(&members).ok_or_else(|| anyhow!("no pod of {group} ({selector}) is at {host}"))
    }

    /// Moves the record, by what is known already, and asks again as long as that fails.
    async fn have_record_moved(
        &self,
        cluster: &Cluster,
        known: (Watch, Result<Record, Refusal>),
        found: &[Found],
        deadline: Instant,
    ) -> Result<(Moved, Watch)> {
        let group = &self.group_config.group;
        let unmoved = || format!("the record of `{group}` was not moved");
        let mut known = Some(known);
        persist(deadline, unmoved, async || {
            let (watch, record) = match known.take() {
                Some(known) => known,
                None => (self.verified_view().await?, cluster.record(group).await),
            };
            Ok((self.move_record(cluster, &watch, record, found).await?, watch))
        })
        .await
    }

    /// Moves the record by compare-and-swap, or finds that there is nothing to move.
    async fn move_record(
        &self,
        cluster: &Cluster,
        watch: &Watch,
        record: Result<Record, Refusal>,
        found: &[Found],
    ) -> Result<Moved> {
        let group = &self.group_config.group;
        let seen = record_seen(record.clone());
        let pods = self.members(found.iter().cloned(), &seen, watch);
        let claim = Claim { master: self.pod_at(cluster, watch, &pods, &seen).await?, epoch: watch.config_epoch };
        let from = record.as_ref().ok().map(|record| record.claim.master.clone());
        let moved = match record {
            Err(Refusal::Missing) => {
                let claim = self
                    .settled(&claim)
                    .await
                    .ok_or_else(|| anyhow!("only the local Sentinel names {} as the master", claim.master))?;
                let reports = pods.iter().filter_map(|pod| Some((&pod.name, pod.report.as_ref()?)));
                let id = published_group_id(&claim.master, reports).unwrap_or_else(random_id);
                let sets: Vec<_> = pods.iter().map(|pod| pod.name.base()).chain([claim.master.base()]).collect();
                let first = Record::first(claim.clone(), watch.master.clone(), id, false).with_sets(sets);
                cluster.create_record(group, &first.with_sets(self.group_config.sure_sets())).await
            }
            Err(refusal) => Err(refusal),
            Ok(record) if record.against(&claim) == Step::Move && are_plain(&record, &claim) => {
                cluster.update_record(group, &record.moved_to(&claim, &watch.master)).await
            }
            // Whatever its epoch, the labels are as it says.
            Ok(record) if record.claim.master == claim.master => return Ok(Moved { record, is_news: false, from: None }),
            Ok(record) => {
                let settled = self.settled_against(&record, &claim).await?;
                cluster.update_record(group, &record.moved_to(&settled, &watch.master)).await
            }
        };
        moved.map(|record| Moved { record, is_news: true, from }).map_err(|refusal| refused("the record", refusal))
    }

    /// What all that can be heard says of the master that the local Sentinel names; none where it is not enough.
    async fn settled(&self, claim: &Claim) -> Option<Claim> {
        let Self { clients, group_config, sentinel_set, credentials, .. } = self;
        let observer = Observer::new(clients, group_config, sentinel_set, credentials);
        let evidence = observer.observe(Duration::ZERO, Instant::now() + 2 * ANSWER).await;
        rules::failed_over(&evidence).filter(|settled| settled.master == claim.master)
    }

    /// The record is not older than what the local Sentinel says: one of the two is late, unless a majority of all
    /// Sentinels has lost its count, or one of the epochs cannot be.
    async fn settled_against(&self, record: &Record, claim: &Claim) -> Result<Claim> {
        let why = || {
            anyhow!(
                "the record names {} at epoch {}, the local Sentinel {} at epoch {}, and no majority of the Sentinels confirms either",
                record.claim.master,
                Shown(record.claim.epoch),
                claim.master,
                Shown(claim.epoch)
            )
        };
        self.settled(claim).await.ok_or_else(why)
    }
}
