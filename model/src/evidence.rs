//! Evidence for the program's own functions, from what a process of the model has read.

use std::collections::BTreeSet;
use std::sync::LazyLock;
use std::time::Duration;

use ordain::core::decision::FAILOVER;
use ordain::core::disk::{Disk, DiskReport, Instance, LastHeard, Moment};
use ordain::core::evidence::{
    Container, Evidence, Failure, Kept, Link as RealLink, Object, Own, Peer, RecordSeen, Replica, Reply, Role, Sentinel,
    SentinelAnswer, Watch,
};
use ordain::core::identity::{Endpoint, PodName};
use ordain::core::members::{Membership, Named};
use ordain::core::pod::{self as real_pod, Controller};
use ordain::core::record::{self, Record};
use ordain::core::redis_conf::{USUAL_PRIORITY, run_of};
use ordain::core::selector::Selector;
use ordain::core::sets::{Set, Sets};

use crate::look::{Look, SeenObject, SeenRedis, SeenSentinel};
use crate::setting::Setting;
use crate::state::{Claim, Lease, Link, Patience, Pod, SENTINELS, Server, StartMarker, Told, pods};

/// After how long Sentinel finds a silent master down.
pub const DOWN_AFTER: Duration = Duration::from_secs(5);

/// After how long a pod that is away is not waited for.
pub const GRACE: Duration = Duration::from_secs(300);

/// Every look happens then; what is old happened a grace before.
const NOW: Moment = Moment(1_000_000_000);

/// The first write happened then.
const FIRST_WRITE: u64 = 1_000_000;

/// The group's id.
pub const GROUP: &str = "g";

/// Every pod's uid: a run is random, and tells a pod that was made again apart without it.
const UID: &str = "u";

struct Names {
    pods: Vec<PodName>,
    sets: Sets,
    redis: Vec<Endpoint>,
    sentinels: Vec<Endpoint>,
}

static NAMES: LazyLock<Names> = LazyLock::new(|| {
    let endpoint = |report: String| Endpoint::parse(&report, 6379).expect("an endpoint");
    Names {
        pods: pods().map(|pod| format!("redis-{pod}").parse().expect("a pod's name")).collect(),
        sets: format!("redis={}", pods().count()).parse::<Set>().expect("a set").into(),
        redis: pods().map(|pod| endpoint(format!("redis-{pod}.redis"))).collect(),
        sentinels: (0..SENTINELS).map(|one| endpoint(format!("sentinel-{one}:26379"))).collect(),
    }
});

/// A pod's name.
pub fn name(pod: Pod) -> &'static PodName {
    &NAMES.pods[usize::from(pod)]
}

/// Where its Redis listens.
pub fn address(pod: Pod) -> &'static Endpoint {
    &NAMES.redis[usize::from(pod)]
}

/// The pod of that name.
pub fn pod(name: &PodName) -> Pod {
    pods().find(|pod| self::name(*pod) == name).expect("a pod of the group")
}

/// A claim, as the program has it.
pub fn real_claim(claim: Claim) -> record::Claim {
    record::Claim { master: name(claim.master).clone(), epoch: claim.epoch.into() }
}

/// A claim of the program.
pub fn claim(real: &record::Claim) -> Claim {
    Claim { master: pod(&real.master), epoch: real.epoch as u8 }
}

/// A run of a pod.
pub fn instance(pod: Pod, run: u8) -> Instance {
    Instance { pod: name(pod).clone(), uid: UID.into(), run: run.to_string() }
}

/// How far ahead a clock is that has stepped.
const HOUR: u64 = 3_600_000;

/// When something was said, by the clock of whoever said it.
pub fn told_at(is_old: bool, is_ahead: bool) -> Moment {
    let ago = if is_old { GRACE.as_millis() as u64 } else { 0 };
    Moment(NOW.0 - ago + if is_ahead { HOUR } else { 0 })
}

/// The same where what is said to be in the future is waited for.
fn waited_for(at: Moment, setting: &Setting) -> Moment {
    if setting.protocol.doubts_the_future { at } else { at.min(NOW) }
}

/// The same evidence by a clock that is an hour ahead: all that was heard was so long ago.
pub fn an_hour_later(evidence: Evidence) -> Evidence {
    Evidence { now: Moment(NOW.0 + HOUR), ..evidence }
}

/// The record, as the program has it.
pub fn real_record(lease: Lease) -> Record {
    let start_marker = lease.start_marker.map(|start_marker| record::StartMarker {
        by: instance(start_marker.pod, start_marker.run),
        at: told_at(start_marker.is_old, start_marker.is_ahead),
    });
    let first = Record::first(real_claim(lease.claim), address(lease.claim.master).clone(), GROUP.into(), lease.is_new);
    Record { uid: UID.into(), version: "1".into(), start_marker, is_abandoned: lease.is_abandoned, ..first }
}

/// The record as it counts for whoever reads it.
fn seen_record(lease: Lease, setting: &Setting) -> Record {
    let record = real_record(lease);
    let start_marker =
        record.start_marker.map(|start_marker| record::StartMarker { at: waited_for(start_marker.at, setting), ..start_marker });
    Record { start_marker, ..record }
}

/// What is known of the record.
fn record(look: &Look, setting: &Setting) -> RecordSeen {
    match look.record {
        Some(lease) => RecordSeen::Present(seen_record(lease, setting)),
        None if !look.is_api_away => RecordSeen::Absent,
        None if setting.protocol.leads_by_the_record => RecordSeen::Unknown(Failure::TimedOut),
        None => RecordSeen::NotKept,
    }
}

/// A record of the program.
pub fn lease(real: &Record) -> Lease {
    let start_marker = real.start_marker.as_ref().map(|start_marker| StartMarker {
        pod: pod(&start_marker.by.pod),
        run: start_marker.by.run.parse().expect("a run of the model"),
        is_old: [told_at(true, false), told_at(true, true)].contains(&start_marker.at),
        is_ahead: start_marker.at > NOW,
    });
    Lease { claim: claim(&real.claim), is_new: real.is_new, start_marker, is_abandoned: real.is_abandoned }
}

/// A disk whose data is so old.
pub fn disk(age: Option<u8>, write_step: u64) -> Disk {
    age.map_or(Disk::Empty, |age| Disk::Written(Moment(FIRST_WRITE + u64::from(age) * write_step / 2)))
}

/// A word, as the program has it.
pub fn real_word(told: Told, is_lately: bool, setting: &Setting) -> DiskReport {
    let at = waited_for(told_at(!is_lately, told.is_ahead), setting);
    DiskReport {
        run: told.run.to_string(),
        disk: disk(told.disk, setting.write_step),
        at,
        group: None,
        started: told.has_started,
        damage: None,
        priority: None,
    }
}

/// The word of a run that begins, over the one that it finds: a run that never started its Redis was
/// part of the same attempt.
pub fn first_report(earlier: Option<Told>, run: u8, disk: Option<u8>) -> Told {
    let is_late = earlier.is_some_and(|told| !told.has_started && told.is_late);
    Told { run, disk, has_started: false, is_late, is_ahead: false }
}

/// Who asks, and what it knows of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Asker {
    /// A pod.
    Pod {
        /// Which.
        me: Pod,
        /// The group's id is stamped into its volume.
        is_stamped: bool,
        /// Its data cannot be loaded.
        is_damaged: bool,
        /// Its word.
        report: Told,
        /// That is published.
        has_told: bool,
        /// Its clock is an hour ahead.
        is_ahead: bool,
        /// How long it has been looking.
        patience: Patience,
    },
    /// A Sentinel that starts, with what its file says.
    Sentinel(Option<Claim>),
    /// Reconcile, or the hook.
    Reconcile,
}

/// All that was observed.
pub fn evidence(asker: &Asker, look: &Look, setting: &Setting) -> Evidence {
    let (write_step, has_sentinels) = (setting.write_step, setting.has_sentinels);
    let mut heard = LastHeard::default();
    for pod in pods().filter(|pod| look.heard_lately[usize::from(*pod)]) {
        heard.note(name(pod), NOW);
    }
    let (me, own, waited) = match asker {
        Asker::Pod { me, is_stamped, is_damaged, report, has_told, patience, .. } => {
            let own = Own {
                // Addresses are not modelled: Sentinel finds a pod that was made anew as it finds any other. Whether it
                // has run before only the API server tells.
                has_run: *has_told,
                // It has read its disk before it told of it.
                disk: disk(report.disk, write_step),
                group_id: (*is_stamped && !is_damaged).then(|| GROUP.into()),
                damage: is_damaged.then(|| "appendonly.aof".into()),
                instance: has_told.then(|| instance(*me, report.run)),
                priority: None,
                trying: if report.is_late && !look.is_api_away { GRACE } else { Duration::ZERO },
                heard,
            };
            (Some(*me), own, waited(*patience))
        }
        Asker::Sentinel(_) | Asker::Reconcile => (None, Own { heard, ..Own::default() }, Duration::ZERO),
    };
    let kept = match asker {
        Asker::Sentinel(kept) => *kept,
        _ => None,
    };
    let is_ahead = matches!(asker, Asker::Pod { is_ahead: true, .. });
    let evidence = Evidence {
        me: me.map(|me| name(me).clone()),
        own,
        my_ips: Vec::new(),
        first: name(0).clone(),
        sets: NAMES.sets.clone(),
        domain: "redis".into(),
        sentinel_count: if has_sentinels { SENTINELS } else { 0 },
        down_after: DOWN_AFTER,
        grace: GRACE,
        waited,
        now: NOW,
        sentinels: NAMES
            .sentinels
            .iter()
            .zip(look.sentinels)
            .filter(|_| has_sentinels)
            .map(|(at, seen)| sentinel(at, seen))
            .collect(),
        discovery: None,
        record: record(look, setting),
        listing: look.is_api_away.then_some(Failure::TimedOut),
        peers: pods().filter(|pod| Some(*pod) != me).map(|pod| peer(pod, look, setting)).collect(),
        unproven: Vec::new(),
        handing_over: None,
        kept: kept.map(|claim| Kept { master: address(claim.master).clone(), config_epoch: claim.epoch.into() }),
        invalid: Vec::new(),
    };
    if is_ahead { an_hour_later(evidence) } else { evidence }
}

fn waited(patience: Patience) -> Duration {
    match patience {
        Patience { has_waited: true, .. } => DOWN_AFTER + FAILOVER,
        Patience { has_asked: true, .. } => FAILOVER,
        Patience { .. } => Duration::ZERO,
    }
}

fn sentinel(at: &Endpoint, seen: SeenSentinel) -> Sentinel {
    let heard = match seen {
        SeenSentinel::Silent => Reply::Failed(Failure::Refused),
        SeenSentinel::Watching { claim, finds_down, is_failing_over } => Reply::Answer(SentinelAnswer::Watching(Watch {
            master: address(claim.master).clone(),
            config_epoch: claim.epoch.into(),
            finds_master_down: finds_down,
            failover_in_progress: is_failing_over,
            has_promoted: false,
            last_ok_ping: if finds_down { 2 * DOWN_AFTER } else { Duration::from_millis(100) },
            other_sentinels: SENTINELS - 1,
            known_replicas: pods().count() - 1,
            is_half_told: false,
        })),
    };
    Sentinel { at: at.clone(), heard }
}

/// Whether a pod that a ReplicaSet controls is a member, by the program's own rule.
fn is_member(stranger: Pod, look: &Look, setting: &Setting) -> bool {
    static SELECTOR: LazyLock<Selector> = LazyLock::new(|| "app=redis".parse().expect("a selector"));
    let pod = real_pod::Pod {
        labels: [("app".to_owned(), "redis".to_owned())].into(),
        controller: Controller::Other("ReplicaSet other".into()),
        ..real_pod::Pod::named(name(stranger).clone())
    };
    Membership::new(&SELECTOR, &NAMES.sets, Named::ByOwnName, &record(look, setting), &BTreeSet::new()).check(&pod).is_ok()
}

fn peer(pod: Pod, look: &Look, setting: &Setting) -> Peer {
    if look.redis[usize::from(pod)] == SeenRedis::Stranger && setting.protocol.checks_members && !is_member(pod, look, setting) {
        // Names are unique in a namespace: the member of this name does not exist.
        let (object, heard) = (Object::Absent, Reply::Failed(Failure::NoSuchHost));
        return Peer { pod: name(pod).clone(), ips: Vec::new(), object, heard };
    }
    let is_lately = look.heard_lately[usize::from(pod)];
    let object = match look.objects[usize::from(pod)] {
        SeenObject::Absent => Object::Absent,
        SeenObject::Unknown => Object::Unknown,
        SeenObject::Present(report) => {
            // The kubelet tells of a server that has ended; that it is late, or cannot, is not modelled.
            let has_ended = matches!(look.redis[usize::from(pod)], SeenRedis::Refused);
            let container = if has_ended { Container::Stopped } else { Container::Unknown };
            Object::Present { uid: UID.into(), report: report.map(|told| real_word(told, is_lately, setting)), container }
        }
    };
    let heard = match look.redis[usize::from(pod)] {
        SeenRedis::Missing => Reply::Failed(Failure::NoSuchHost),
        SeenRedis::Refused => Reply::Failed(Failure::Refused),
        SeenRedis::Silent => Reply::Failed(Failure::TimedOut),
        SeenRedis::Stranger | SeenRedis::Running(Server::Master, ..) => Reply::Answer(Role::Master),
        SeenRedis::Running(Server::Replica { of, link, is_promotable }, offset, has_told) => {
            Reply::Answer(Role::Replica(Replica {
                of: address(of).clone(),
                link: match link {
                    Link::Never => RealLink::Never,
                    Link::Lost => RealLink::Lost,
                    Link::Up => RealLink::Up,
                },
                priority: if is_promotable { 100 } else { 0 },
                offset: offset.into(),
                // A server carries its own priority, whether or not what its disk holds was published.
                run: look
                    .report(pod)
                    .filter(|_| has_told)
                    .map_or_else(|| Some(run_of("unpublished", USUAL_PRIORITY)), |told| Some(told.run.to_string())),
                down_for: None,
                is_empty: false,
            }))
        }
    };
    Peer { pod: name(pod).clone(), ips: Vec::new(), object, heard }
}
