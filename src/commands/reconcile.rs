//! `reconcile`: what differs is put right. One pass looks at everything, moves the record where it
//! lags, labels the pods, and lets Sentinel promote those who are fit; `--watch` goes on doing so, and
//! gives a master up that does not come back.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use anyhow::{Result, anyhow, bail};
use tokio::time::Instant;
use tracing::{debug, info, warn};

use super::announcing::{announce_non_members, announce_promotion, announce_repairs};
use super::confirming::{can_ask, is_confirmed};
use super::groups::{check_names_one, groups_to_watch};
use super::labelling::{Moved, due, is_due, label_listed, nobody};
use super::observe::{Observer, from_api};
use super::patience::{Failures, Outcome, Retries, blame, refused, share};
use super::report::millis;
use super::setting::{Council, Logins, Subject, World, in_time, own_group};
use super::settle::{Settled, act, first_record, would_write};
use super::watching::Watch;
use super::{HOOK, Then};
use crate::cli::Reconcile;
use crate::core::decision;
use crate::core::decision::forced_claim::losses;
use crate::core::disk::Word;
use crate::core::evidence::{Evidence, Failure, Peer, RecordSeen, Role};
use crate::core::identity::{Endpoint, Host, PodName};
use crate::core::labels::Pod;
use crate::core::record::{Claim, Record};
use crate::core::repair::{Repair, is_kept_from_readers, repairs, stubborn};
use crate::core::sentinel_conf::Watched;
use crate::core::sentinels::nobody_promotable;
use crate::edge::kubernetes::{Cluster, Refusal};
use crate::edge::wire::Target;
use crate::edge::{files, redis, sentinel};
use crate::exit::{OrWrong, Wrong};

pub async fn run(args: Reconcile, deadline: Instant) -> Result<Then> {
    let Reconcile { groups, pod, members, sentinels, labels, secrets, run, watch, assume_master, yes, stale_after, deadline: _ } =
        args;
    let logins = Logins::read(&secrets).await?;
    let world = World::open(&run, &pod).await?;
    let council = Council::new(&world, &sentinels)?;
    council.tell_short_grace(&members);
    if watch {
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
        Box::pin(watch.go_on()).await;
        return Ok(Then::Exit);
    }
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

/// Where the manifests have `ordain install` put the hook in the Sentinel's container.
const INSTALLED: &str = "/opt/ordain";

/// What no single look can tell.
#[derive(Debug, Default)]
pub struct Memory {
    /// Whom the record named in the last look.
    pub holder: Option<PodName>,
    /// For how long no master has been seen since it names that one.
    pub masterless: Duration,
    /// For how long the link of each replica has been seen down.
    pub links_down: BTreeMap<PodName, Duration>,
    /// The Sentinels that have gone on naming another master than all the others for too long.
    pub stubborn: Vec<Endpoint>,
    /// After how long of that its label is withheld.
    pub stale_after: Option<Duration>,
}

impl Memory {
    /// What is to be put right but for labels and the record: the grace is the holder's.
    fn repairs(&self, evidence: &Evidence) -> Vec<Repair> {
        let is_of_holder = evidence.recorded().map(|record| &record.claim.master) == self.holder.as_ref();
        repairs(evidence, if is_of_holder { self.masterless } else { Duration::ZERO })
    }

    /// A pod with its label as it is to be: withheld, or not.
    fn judge(&self, evidence: &Evidence, pod: Pod) -> Pod {
        let is_withheld = is_kept_from_readers(evidence, &pod.name, pod.is_withheld, self.stale_after, &self.links_down);
        Pod { is_withheld, ..pod }
    }
}

/// The parts of a pass that are no repairs.
const RECORD: &str = "record";
const SETS: &str = "sets";
const LABELS: &str = "labels of";

/// The labels of a record: what was refused under an earlier one is no reason to wait under this.
fn labels_of(record: &Record) -> String {
    format!("{LABELS} {} at epoch {}, change {}", record.claim.master, record.claim.epoch, record.transitions)
}

/// Whether something is to be put right, as far as was seen, that may be tried now.
pub fn is_amiss(observer: &Observer<'_>, evidence: &Evidence, memory: &Memory, retries: &Retries) -> bool {
    let may = |part: &str| retries.allow(part, Instant::now());
    let moves = || decision::for_sentinel(evidence).record.is_some();
    (may(RECORD) && moves())
        || (may(SETS) && observer.lacks_sets())
        || evidence.recorded().is_some_and(|record| may(&labels_of(record)) && is_unlabelled(observer, evidence, record, memory))
        || all_repairs(evidence, memory).iter().any(|repair| may(&repair.to_string()))
}

/// The master that the record names, where there is no member that could be labelled.
pub fn finds_nobody<'a>(observer: &Observer<'_>, evidence: &'a Evidence) -> Option<&'a PodName> {
    let record = evidence.recorded().filter(|_| evidence.listing.is_none() && observer.world.cluster().is_some())?;
    observer.seen().is_empty().then_some(&record.claim.master)
}

/// What no label and no record puts right.
fn all_repairs(evidence: &Evidence, memory: &Memory) -> Vec<Repair> {
    let goes_on = |at: &&Endpoint| memory.stubborn.contains(at);
    // One at a time: the others must be a majority without it.
    let unwatch = stubborn(evidence).into_iter().find(goes_on).map(|at| Repair::Unwatch(at.clone()));
    memory.repairs(evidence).into_iter().chain(unwatch).collect()
}

fn is_unlabelled(observer: &Observer<'_>, evidence: &Evidence, record: &Record, memory: &Memory) -> bool {
    let pods: Vec<_> = observer.seen().into_iter().map(|pod| memory.judge(evidence, pod)).collect();
    is_due(record, &pods, &observer.subject.scheme)
}

/// A whole look and an attempt are some seven requests: within so much more than a minute, two a minute.
const DEAR: Duration = Duration::from_secs(180);

/// What came of a pass over a group.
#[derive(Default)]
pub struct Pass {
    /// What was put right, or would be.
    pub changed: Vec<String>,
    /// What could not be.
    pub failures: Failures,
}

impl Pass {
    fn tell(&mut self, line: String) {
        println!("{line}");
        self.changed.push(line);
    }
}

/// Puts right what was seen to differ in a group: the record, the labels, and each repair, whatever becomes of the
/// others. What has failed is left alone until it may be tried again.
pub async fn put_right(
    observer: &Observer<'_>,
    evidence: &Evidence,
    memory: &Memory,
    retries: &mut Retries,
    dry_run: bool,
    deadline: Instant,
) -> Pass {
    let group = &observer.subject.group;
    let started = Instant::now();
    let mut pass = Pass::default();
    let mut moved = Moving { record: evidence.recorded().cloned(), is_news: false };
    let from = moved.record.as_ref().map(|record| record.claim.master.clone());
    if retries.allow(RECORD, started) {
        let done = move_record(observer, evidence, &mut moved, &mut pass, dry_run, share(deadline, 4)).await;
        retries.note(RECORD, Outcome::from(&done), Instant::now());
        pass.failures.note(done);
    }
    if observer.lacks_sets() && !moved.is_news && retries.allow(SETS, started) {
        let done = name_sets(observer, &mut moved, &mut pass, dry_run).await;
        retries.note(SETS, Outcome::from(&done), Instant::now());
        pass.failures.note(done);
    }
    // What was refused for one pod does not keep a new master from its label.
    if let (Some(cluster), Some(record), false) = (observer.world.cluster(), &moved.record, dry_run)
        && (moved.is_news || retries.allow(&labels_of(record), started))
        && is_unlabelled(observer, evidence, record, memory)
    {
        let part = labels_of(record);
        let moved = Moved { record: record.clone(), is_news: moved.is_news, from: from.clone() };
        let done = label_as(cluster, observer, evidence, memory, &moved, &mut pass, share(deadline, 3)).await;
        retries.note(&part, Outcome::from(&done), Instant::now());
        pass.failures.note(done);
    }
    let due = all_repairs(evidence, memory).into_iter().filter(|repair| retries.allow(&repair.to_string(), started));
    for repair in due.collect::<Vec<_>>() {
        if matches!(repair, Repair::Restart(_)) && !is_seen_again(observer, &repair, memory, deadline).await {
            continue;
        }
        let done = if dry_run { Ok(true) } else { mend(observer, evidence, moved.record.as_ref(), &repair).await };
        // What only another attempt can tell to be allowed is attempted so much later.
        let dear = if matches!(repair, Repair::MakeElectable(_) | Repair::ElectInstead(_)) { Duration::ZERO } else { DEAR };
        let from = if Outcome::from(&done) == Outcome::Refused { Instant::now() + dear } else { Instant::now() };
        retries.note(&repair.to_string(), Outcome::from(&done), from);
        match pass.failures.note(done) {
            Some(true) => pass.tell(format!("{group}: {repair}")),
            Some(false) if matches!(repair, Repair::NameInstead(_)) => debug!("{group}: a Sentinel may promote it: {repair}"),
            Some(false) => info!("{group}: it has changed since, and is left alone: {repair}"),
            None => {}
        }
    }
    retries.forget_old(Instant::now());
    if let (false, Some(Record { claim, .. })) = (pass.changed.is_empty(), &moved.record) {
        info!(
            group = %group,
            epoch = claim.epoch,
            from = %from.as_ref().unwrap_or(&claim.master),
            to = %claim.master,
            changed = pass.changed.join("; "),
            done_ms = millis(started.elapsed()),
            "reconciled"
        );
    }
    pass
}

/// The record as it is now, and whether this pass has moved it.
struct Moving {
    record: Option<Record>,
    is_news: bool,
}

/// Moves the record where it lags.
async fn move_record(
    observer: &Observer<'_>,
    evidence: &Evidence,
    moved: &mut Moving,
    pass: &mut Pass,
    dry_run: bool,
    deadline: Instant,
) -> Result<()> {
    let Ok(mut settled) = Settled::from(decision::for_sentinel(evidence), evidence.clone()) else { return Ok(()) };
    let Some(claim) = settled.recorded.clone() else { return Ok(()) };
    let group = &observer.subject.group;
    if let Some(obstacle) = act(observer, &mut settled, deadline, dry_run).await? {
        bail!("record {group}: {obstacle}");
    }
    pass.tell(format!("record {group}: {} at epoch {}", claim.master, claim.epoch));
    *moved = Moving { record: settled.record, is_news: true };
    Ok(())
}

/// Has the record name the group's StatefulSets, where a pod of 0.1 has made it, or written it since.
async fn name_sets(observer: &Observer<'_>, moved: &mut Moving, pass: &mut Pass, dry_run: bool) -> Result<()> {
    let (Some(cluster), Some(record)) = (observer.world.cluster(), &moved.record) else { return Ok(()) };
    let group = &observer.subject.group;
    let named = record.with_sets(observer.subject.sure_sets());
    let sets = named.sets.iter().cloned().collect::<Vec<_>>().join(", ");
    if !dry_run {
        let written = from_api(cluster.update_record(group, &named)).await;
        moved.record = Some(written.map_err(|refusal| refused("the record", refusal))?);
    }
    pass.tell(format!("record {group}: its StatefulSets are {sets}"));
    Ok(())
}

/// Labels the pods as the record says, and tells of it.
async fn label_as(
    cluster: &Cluster,
    observer: &Observer<'_>,
    evidence: &Evidence,
    memory: &Memory,
    moved: &Moved,
    pass: &mut Pass,
    deadline: Instant,
) -> Result<()> {
    let Subject { group, scheme, .. } = observer.subject;
    let judge = |pod| memory.judge(evidence, pod);
    let labelled = label_listed(cluster, observer.subject, moved, observer.seen(), judge, deadline).await;
    for patch in &labelled.patches {
        pass.tell(format!("label {}: {}={}", patch.pod, scheme.key, patch.label.as_deref().unwrap_or_default()));
    }
    announce_promotion(cluster, group, &labelled, None, "reconcile").await;
    announce_repairs(cluster, &scheme.key, &labelled, "reconcile").await;
    labelled.failure.map_or(Ok(()), Err)
}

/// Whether a part that was refused may be tried again, as far as can be found out without doing anything. `evidence`
/// is a glance's: what is done afterwards rests on a whole look.
pub async fn may_be_allowed(observer: &Observer<'_>, evidence: &Evidence, memory: &Memory, part: &str) -> bool {
    let Observer { subject, logins, .. } = observer;
    let is_refused = |refusal: &Refusal| matches!(refusal, Refusal::Failed(Failure::NotAllowed(_)));
    match (observer.world.cluster(), part) {
        (Some(cluster), RECORD) => {
            let Ok(settled) = Settled::from(decision::for_sentinel(evidence), evidence.clone()) else { return true };
            !from_api(would_write(cluster, observer, &settled)).await.is_err_and(|refusal| is_refused(&refusal))
        }
        (Some(cluster), SETS) => {
            let Some(named) = evidence.recorded().map(|record| record.with_sets(subject.sure_sets())) else { return true };
            !from_api(cluster.would_write_record(&subject.group, &named, false)).await.is_err_and(|refusal| is_refused(&refusal))
        }
        (Some(cluster), part) if part.starts_with(LABELS) => {
            let Some(record) = evidence.recorded() else { return true };
            let pods: Vec<_> = observer.seen().into_iter().map(|pod| memory.judge(evidence, pod)).collect();
            let patches = due(record, &pods, &subject.scheme);
            for patch in &patches {
                if !from_api(cluster.would_patch(patch, &subject.scheme)).await.is_err_and(|refusal| is_refused(&refusal)) {
                    return true;
                }
            }
            patches.is_empty()
        }
        _ => {
            let repair = all_repairs(evidence, memory).into_iter().find(|repair| repair.to_string() == part);
            let Some(Repair::MakeElectable(pod) | Repair::ElectInstead(pod)) = repair else { return true };
            let Some(replica) = evidence.peer(&pod).and_then(Peer::replica) else { return true };
            // It is given the priority that it has.
            let target = subject.target(&pod, evidence.ips_of(&pod).to_owned());
            let is_as_now = |role: &Role| matches!(role, Role::Replica(now) if now.priority == replica.priority);
            let set = in_time(redis::set_priority(&target, &logins.redis, replica.priority, is_as_now)).await;
            !matches!(set, Err(Failure::NotAllowed(_)))
        }
    }
}

/// Nothing is ended for one look alone: between the question for its word and the one to its Redis a pod may
/// have started anew.
async fn is_seen_again(observer: &Observer<'_>, repair: &Repair, memory: &Memory, deadline: Instant) -> bool {
    let again = observer.observe_all(deadline).await;
    memory.repairs(&again).contains(repair)
}

/// Does one repair. Returns whether what it is of was still as it was seen.
async fn mend(observer: &Observer<'_>, evidence: &Evidence, record: Option<&Record>, repair: &Repair) -> Result<bool> {
    let Observer { world, subject, logins, .. } = observer;
    let target = |pod: &PodName| subject.target(pod, evidence.ips_of(pod).to_owned());
    let done = match repair {
        Repair::MakeElectable(pod) | Repair::ElectInstead(pod) | Repair::KeepUnpromotable(pod) => {
            let own = evidence.peer(pod).and_then(|peer| evidence.own_priority(peer)).unwrap_or(0);
            in_time(redis::set_priority(&target(pod), &logins.redis, own, is_as_seen(evidence, pod))).await
        }
        Repair::Follow(pod, master) => {
            let at = subject.announced(master, evidence.ips_of(master));
            let at = at.ok_or_else(|| anyhow!("the address of {master} is not known"))?;
            in_time(redis::follow_instead(&target(pod), &logins.redis, &at, is_as_seen(evidence, pod))).await
        }
        Repair::Restart(pod) => in_time(redis::shut_down(&target(pod), &logins.redis, is_as_seen(evidence, pod))).await,
        Repair::Tell(at, master) | Repair::TellRest(at, master) => {
            return tell(observer, evidence, at, master).await.map(|()| true);
        }
        Repair::Unwatch(at) => {
            world.ask(at, async |target| sentinel::forget_group(target, &logins.sentinel, &subject.group).await).await
        }
        Repair::Reset(at) => {
            let forget = async |target: &Target| sentinel::forget_replicas(target, &logins.sentinel, &subject.group).await;
            world.ask(at, forget).await.map(|()| true)
        }
        Repair::GiveUp(claim) => {
            let told = || evidence.watches().find(|(_, watch)| evidence.member_at(&watch.master.host) == Some(&claim.master));
            let announced = subject.announced(&claim.master, evidence.ips_of(&claim.master));
            let address = announced.or_else(|| told().map(|(_, watch)| watch.master.clone()));
            let named = match (record, address) {
                (Some(record), _) if record.claim == *claim => Some(record.clone()),
                (Some(record), Some(address)) => Some(record.moved_to(claim, &address)),
                _ => None,
            };
            return update(observer, named.map(|record| record.with_holder_given_up(true))).await.map(|()| true);
        }
        Repair::NameInstead(claim) => return name_instead(observer, evidence, record, claim).await,
        Repair::TakeHolderBack => {
            return update(observer, record.map(|record| record.with_holder_given_up(false))).await.map(|()| true);
        }
        Repair::EndWord(pod) => {
            let Some(cluster) = world.cluster() else { return Ok(false) };
            let seen = observer.seen().into_iter().find(|seen| seen.name == *pod);
            let Some((word, version)) = seen.and_then(|seen| Some((seen.word?, seen.version))) else { return Ok(false) };
            let ended = Word { started: true, at: evidence.now, ..word };
            let done = from_api(cluster.publish(pod, &ended, Some(&version))).await;
            return done.map(|_| true).map_err(|refusal| refused(&format!("the word of {pod}"), refusal));
        }
    };
    done.map_err(|failure| blame(&format!("{}: {repair}", subject.group), failure))
}

/// The same server, with the same link, as was seen.
fn is_as_seen(evidence: &Evidence, pod: &PodName) -> impl Fn(&Role) -> bool + use<> {
    let seen = evidence.peer(pod).and_then(Peer::replica).map(|replica| (replica.run.clone(), replica.link));
    move |role| matches!(role, Role::Replica(now) if seen.as_ref().is_some_and(|seen| *seen == (now.run.clone(), now.link)))
}

/// Has the record name a replica that no Sentinel could promote, and its server start anew, to lead. Returns whether
/// no Sentinel knows it: one that does promotes it.
async fn name_instead(observer: &Observer<'_>, evidence: &Evidence, record: Option<&Record>, claim: &Claim) -> Result<bool> {
    let Observer { world, subject, logins, .. } = observer;
    let ips = evidence.ips_of(&claim.master);
    for (at, _) in evidence.watches() {
        let ask = async |target: &Target| sentinel::replicas(target, &logins.sentinel, &subject.group).await;
        let known =
            world.ask(at, ask).await.map_err(|failure| blame(&format!("the replicas that Sentinel {at} knows"), failure))?;
        if known
            .iter()
            .any(|replica| matches!(&replica.at.host, Host::Name(_)) || ips.iter().any(|ip| replica.at.host == Host::Ip(*ip)))
        {
            return Ok(false);
        }
    }
    let address = subject.announced(&claim.master, ips).ok_or_else(|| anyhow!("the address of {} is not known", claim.master))?;
    update(observer, record.map(|record| record.moved_to(claim, &address))).await?;
    let target = subject.target(&claim.master, ips.to_owned());
    let ended = in_time(redis::shut_down(&target, &logins.redis, is_as_seen(evidence, &claim.master))).await;
    ended.map_err(|failure| blame(&format!("{}, which the record names now, was not started anew", claim.master), failure))
}

/// Has a Sentinel watch the group, as its file would say it.
async fn tell(observer: &Observer<'_>, evidence: &Evidence, at: &Endpoint, master: &PodName) -> Result<()> {
    let Observer { world, subject, council, logins, .. } = observer;
    let address = subject.announced(master, evidence.ips_of(master));
    let hook = Path::new(INSTALLED).join(HOOK);
    let watched = Watched {
        group: &subject.group,
        master: address.ok_or_else(|| anyhow!("the address of {master} is not known"))?,
        quorum: council.majority(),
        down_after_ms: subject.down_after.as_millis(),
        script: files::bytes(&hook),
        user: logins.redis.user.as_deref(),
        password: logins.redis.password.as_deref(),
        config_epoch: 0,
        leader_epoch: 0,
        replicas: Vec::new(),
        sentinels: Vec::new(),
    };
    watched.check().or_wrong()?;
    let told = world.ask(at, async |target| sentinel::watch_group(target, &logins.sentinel, &watched).await);
    let has_hook = told.await.map_err(|failure| blame(&format!("Sentinel {at} was not told to watch the group"), failure))?;
    if !has_hook {
        info!("{}: Sentinel {at} takes no hook at run time: its failovers are found out by reconcile", subject.group);
    }
    Ok(())
}

async fn update(observer: &Observer<'_>, record: Option<Record>) -> Result<()> {
    let (Some(cluster), Some(record)) = (observer.world.cluster(), record) else { return Ok(()) };
    let updated = from_api(cluster.update_record(&observer.subject.group, &record)).await;
    updated.map(drop).map_err(|refusal| refused("the record", refusal))
}

/// A person's word moves the record, once, after that person was shown what it costs.
async fn assume(observer: &Observer<'_>, pod: &PodName, yes: bool, dry_run: bool, deadline: Instant) -> Result<()> {
    let Subject { group, .. } = observer.subject;
    let Some(cluster) = observer.world.cluster() else {
        return Err(Wrong("--assume-master moves the record, and without Kubernetes there is none".to_owned()).into());
    };
    let mut evidence = observer.observe_all(deadline).await;
    let mut claim = decision::by_a_persons_word(&evidence, pod).map_err(Wrong)?;
    let losses = losses(&evidence, pod);
    for loss in &losses {
        warn!("{loss}");
    }
    if !yes && !dry_run {
        if !can_ask() {
            return Err(
                Wrong(format!("there is no terminal on which to ask whether {pod} shall be the master: say --yes")).into()
            );
        }
        let question = format!("Type the pod's name to make it the master of {group}");
        if !is_confirmed(question, pod.to_string()).await? {
            bail!("{pod} is not made the master: nothing was changed");
        }
        // What was shown may not be so any more.
        evidence = observer.observe_all(deadline).await;
        claim = decision::by_a_persons_word(&evidence, pod).map_err(Wrong)?;
        if self::losses(&evidence, pod) != losses {
            bail!("what would be lost has changed since it was shown: nothing was changed, look again");
        }
    }
    let address = observer.subject.announced(pod, evidence.ips_of(pod));
    let address = address.ok_or_else(|| anyhow!("the address of {pod} is not known yet"))?;
    println!("record {group}: {pod} at epoch {}, by a person's word", claim.epoch);
    if dry_run {
        return Ok(());
    }
    let written = match &evidence.record {
        RecordSeen::Present(record) => cluster.update_record(group, &record.assumed_for(&claim, &address)).await,
        RecordSeen::Absent => {
            let first = first_record(observer.subject, &evidence, &claim, &address, false);
            cluster.create_record(group, &first.assumed_for(&claim, &address)).await
        }
        RecordSeen::Unknown(failure) => return Err(anyhow!("the record of `{group}` cannot be read: {failure}")),
        RecordSeen::Pending | RecordSeen::NotKept => bail!("the record of `{group}` was not heard in time"),
    };
    written.map_err(|refusal| refused("the record", refusal))?;
    info!("{pod} leads when it starts or looks next, whatever the disks hold; the others follow it");
    Ok(())
}
