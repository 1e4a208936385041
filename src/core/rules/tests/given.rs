//! Evidence, put together in the words of a story.

use super::*;
use crate::core::disk::{Disk, DiskReport, Instance, Moment};
use crate::core::evidence::{Container, Failure, Kept, Link, Object, Own, Replica, Sentinel, SentinelAnswer, Watch};
use crate::core::record::{Record, StartMarker};
use crate::core::sets::Set;

pub const NOW: Moment = Moment(100_000_000);
pub const LONG_AGO: Moment = Moment(NOW.0 - 300_000);
pub const LATELY: Moment = Moment(NOW.0 - 299_999);
pub const DOWN_AFTER: Duration = Duration::from_secs(5);
pub const GRACE: Duration = Duration::from_secs(300);

pub const EMPTY: Disk = Disk::Empty;
pub const OLD: Disk = Disk::Written(Moment(1_000_000));
/// As new as [`OLD`], by what clocks and a crash leave uncertain.
pub const BARELY_NEWER: Disk = Disk::Written(Moment(1_005_000));
pub const NEW: Disk = Disk::Written(Moment(1_005_001));

pub const UNAWARE: Reply<SentinelAnswer> = Reply::Answer(SentinelAnswer::Unaware);
pub const UNKNOWN: RecordSeen = RecordSeen::Unknown(Failure::TimedOut);
pub const MASTER: Reply<Role> = Reply::Answer(Role::Master);

pub fn pod(ordinal: u32) -> PodName {
    format!("redis-{ordinal}").parse().unwrap()
}

pub fn at(report: &str) -> Endpoint {
    Endpoint::parse(report, 6379).unwrap()
}

pub fn address(ordinal: u32) -> Endpoint {
    at(&format!("redis-{ordinal}.redis-headless"))
}

pub fn claim(master: u32, epoch: u64) -> Claim {
    Claim { master: pod(master), epoch }
}

/// The run of a pod that this story is about.
pub fn instance(ordinal: u32) -> Instance {
    run_of(ordinal, "now")
}

/// A run of a pod that has ended.
pub fn ended_instance(ordinal: u32) -> Instance {
    run_of(ordinal, "earlier")
}

fn run_of(ordinal: u32, run: &str) -> Instance {
    Instance { pod: pod(ordinal), uid: format!("uid-{ordinal}"), run: run.into() }
}

/// A second ago.
pub fn start_marker(by: Instance) -> StartMarker {
    StartMarker { by, at: Moment(NOW.0 - 1_000) }
}

/// As long ago as the grace.
pub fn old_mark(by: Instance) -> StartMarker {
    StartMarker { by, at: Moment(NOW.0 - 300_000) }
}

pub fn silent<T>() -> Reply<T> {
    Reply::Failed(Failure::TimedOut)
}

pub fn refused<T>() -> Reply<T> {
    Reply::Failed(Failure::Refused)
}

pub fn missing<T>() -> Reply<T> {
    Reply::Failed(Failure::NoSuchHost)
}

pub fn replica(of: u32, link: Link, priority: u32) -> Reply<Role> {
    Reply::Answer(Role::Replica(Replica {
        of: address(of),
        link,
        priority,
        offset: 1,
        run: Some("now".into()),
        down_for: None,
        is_empty: false,
    }))
}

/// In sync, and electable.
pub fn replica_of(master: u32) -> Reply<Role> {
    replica(master, Link::Up, 100)
}

/// Has never had a link since it started, and is not electable.
pub fn waits_for(master: u32) -> Reply<Role> {
    replica(master, Link::Never, 0)
}

/// The same, and is seen to hold no data.
pub fn waits_empty_for(master: u32) -> Reply<Role> {
    with_data(waits_for(master), false)
}

/// A replica that is seen to hold no data, or not.
pub fn with_data(mut heard: Reply<Role>, holds_data: bool) -> Reply<Role> {
    if let Reply::Answer(Role::Replica(replica)) = &mut heard {
        replica.is_empty = !holds_data;
    }
    heard
}

/// A Sentinel that sees nothing wrong with `master`, changed by `but`.
pub fn watching(master: &str, config_epoch: u64, but: impl FnOnce(&mut Watch)) -> Reply<SentinelAnswer> {
    let mut watch = Watch {
        master: at(master),
        config_epoch,
        finds_master_down: false,
        failover_in_progress: false,
        has_promoted: false,
        last_ok_ping: Duration::from_millis(100),
        other_sentinels: 2,
        known_replicas: 2,
        is_half_told: false,
    };
    but(&mut watch);
    Reply::Answer(SentinelAnswer::Watching(watch))
}

pub fn calm(master: u32, epoch: u64) -> Reply<SentinelAnswer> {
    watching(&format!("redis-{master}.redis-headless"), epoch, |_| {})
}

pub fn down(master: u32, epoch: u64) -> Reply<SentinelAnswer> {
    watching(&format!("redis-{master}.redis-headless"), epoch, |watch| watch.finds_master_down = true)
}

pub fn failing_over(master: u32, epoch: u64) -> Reply<SentinelAnswer> {
    watching(&format!("redis-{master}.redis-headless"), epoch, |watch| watch.failover_in_progress = true)
}

/// A record that an earlier run of its master has marked long ago.
pub fn recorded(master: u32, epoch: u64) -> Record {
    Record {
        uid: "u".into(),
        version: "1".into(),
        transitions: epoch,
        claim: claim(master, epoch),
        address: address(master),
        group_id: "g".into(),
        is_new: false,
        start_marker: Some(StartMarker { by: ended_instance(master), at: Moment(0) }),
        is_abandoned: false,
        forced: None,
        as_read: std::sync::Arc::default(),
        sets: std::collections::BTreeSet::new(),
    }
}

pub fn present(master: u32, epoch: u64) -> RecordSeen {
    RecordSeen::Present(recorded(master, epoch))
}

/// A record that a first boot has created, and of which no master has started yet.
pub fn new(master: u32) -> RecordSeen {
    RecordSeen::Present(Record { is_new: true, start_marker: None, ..recorded(master, 0) })
}

/// A record that was made again, or by adoption: nobody has marked it, and the group has had a master.
pub fn made_again(master: u32, epoch: u64) -> RecordSeen {
    RecordSeen::Present(Record { start_marker: None, ..recorded(master, epoch) })
}

pub fn report(disk: Disk) -> DiskReport {
    DiskReport { run: "now".into(), disk, at: Moment(0), group: None, started: false, damage: None, priority: None }
}

/// What the volume of another group held.
pub fn foreign(disk: Disk) -> DiskReport {
    DiskReport { group: Some("other".into()), ..report(disk) }
}

/// A pod that exists and has published this word, or nothing. Where its Redis refuses, its container does not run.
pub fn object(ordinal: u32, report: Option<DiskReport>) -> Object {
    Object::Present { uid: instance(ordinal).uid, report, container: Container::Stopped }
}

/// The same, whatever its kubelet has told of its container.
pub fn object_with(ordinal: u32, report: Option<DiskReport>, container: Container) -> Object {
    Object::Present { uid: instance(ordinal).uid, report, container }
}

/// A group of three where nothing has ever run: no record, Sentinels that know nothing, no other pod.
pub fn nothing_yet(me: Option<u32>) -> Evidence {
    let peers = (0..3).filter(|ordinal| Some(*ordinal) != me);
    let absent = |ordinal| Peer { pod: pod(ordinal), ips: Vec::new(), object: Object::Absent, heard: missing() };
    Evidence {
        me: me.map(pod),
        own: Own { instance: me.map(instance), has_run: true, ..Own::default() },
        my_ips: Vec::new(),
        first: pod(0),
        sets: Set::of(&pod(0), 3).into(),
        domain: "redis-headless".into(),
        sentinel_count: 3,
        down_after: DOWN_AFTER,
        grace: GRACE,
        waited: Duration::ZERO,
        now: NOW,
        sentinels: Vec::new(),
        discovery: None,
        listing: None,
        record: RecordSeen::Absent,
        peers: peers.map(absent).collect(),
        unproven: Vec::new(),
        handing_over: None,
        kept: None,
        invalid: Vec::new(),
    }
    .sentinels([UNAWARE, UNAWARE, UNAWARE])
}

pub fn redis(me: u32) -> Evidence {
    nothing_yet(Some(me))
}

pub fn sentinel() -> Evidence {
    nothing_yet(None)
}

/// redis-0 restarts with its data beside a replica, and two of three Sentinels say nothing against it.
pub fn restart(third: Reply<SentinelAnswer>) -> Evidence {
    redis(0).holding(OLD).record(present(0, 5)).sentinels([calm(0, 5), calm(0, 5), third]).beside(1, replica_of(0))
}

/// redis-1 starts again with data after a power cut: the record names it, the Sentinels are calm, and
/// the others have published the same disk and wait.
pub fn power_cut() -> Evidence {
    let calm = [calm(1, 5), calm(1, 5), calm(1, 5)];
    redis(1).holding(OLD).record(present(1, 5)).sentinels(calm).tells(0, OLD).tells(2, OLD)
}

impl Evidence {
    pub fn but(mut self, change: impl FnOnce(&mut Self)) -> Self {
        change(&mut self);
        self
    }

    pub fn record(self, record: RecordSeen) -> Self {
        Self { record, ..self }
    }

    pub fn record_but(self, change: impl FnOnce(&mut Record)) -> Self {
        self.but(|evidence| match &mut evidence.record {
            RecordSeen::Present(record) => change(record),
            _ => panic!("there is no record"),
        })
    }

    pub fn sentinels(self, heard: impl IntoIterator<Item = Reply<SentinelAnswer>>) -> Self {
        let sentinels = heard.into_iter().enumerate();
        let sentinels = sentinels.map(|(ordinal, heard)| Sentinel { at: at(&format!("sentinel-{ordinal}:26379")), heard });
        Self { sentinels: sentinels.collect(), ..self }
    }

    pub fn without_sentinels(self) -> Self {
        Self { sentinel_count: 0, ..self.sentinels([]) }
    }

    /// This pod's disk, stamped with the group's id where it holds data.
    pub fn holding(mut self, disk: Disk) -> Self {
        self.own.disk = disk;
        self.own.group_id = disk.holds_data().then(|| "g".into());
        self
    }

    /// The group's id in this pod's data directory.
    pub fn stamped(mut self, group_id: Option<&str>) -> Self {
        self.own.group_id = group_id.map(Into::into);
        self
    }

    pub fn peer_mut(&mut self, ordinal: u32) -> &mut Peer {
        self.peers.iter_mut().find(|peer| peer.pod == pod(ordinal)).unwrap()
    }

    /// A peer of which this was heard, and which has told that its disk held what this pod's holds; one
    /// whose name is not known does not exist.
    pub fn beside(self, ordinal: u32, heard: Reply<Role>) -> Self {
        let report = DiskReport { started: heard.answer().is_some(), ..report(self.own.disk) };
        let exists = heard != missing();
        self.peer_is(ordinal, if exists { object(ordinal, Some(report)) } else { Object::Absent }, heard)
    }

    /// A peer that has published its disk, and whose Redis has not been started.
    pub fn tells(self, ordinal: u32, disk: Disk) -> Self {
        self.peer_is(ordinal, object(ordinal, Some(report(disk))), refused())
    }

    /// The same with a volume of another group.
    pub fn tells_of_another_group(self, ordinal: u32, disk: Disk) -> Self {
        self.peer_is(ordinal, object(ordinal, Some(foreign(disk))), refused())
    }

    /// A peer that exists, and has published nothing.
    pub fn unreported(self, ordinal: u32, heard: Reply<Role>) -> Self {
        self.peer_is(ordinal, object(ordinal, None), heard)
    }

    /// A peer that has published its disk and then started its Redis.
    pub fn started(self, ordinal: u32, disk: Disk, heard: Reply<Role>) -> Self {
        self.peer_is(ordinal, object(ordinal, Some(DiskReport { started: true, ..report(disk) })), heard)
    }

    pub fn absent(self, ordinal: u32) -> Self {
        self.peer_is(ordinal, Object::Absent, missing())
    }

    pub fn peer_is(mut self, ordinal: u32, object: Object, heard: Reply<Role>) -> Self {
        let peer = self.peer_mut(ordinal);
        (peer.object, peer.heard) = (object, heard);
        self
    }

    pub fn kept(self, master: &str, config_epoch: u64) -> Self {
        Self { kept: Some(Kept { master: at(master), config_epoch }), ..self }
    }

    pub fn past_any_failover(self) -> Self {
        Self { waited: self.down_after + FAILOVER, ..self }
    }

    pub fn past_the_grace(mut self) -> Self {
        self.own.trying = self.grace;
        self
    }

    pub fn decision(&self) -> Decision {
        if self.me.is_some() { for_redis(self) } else { for_sentinel(self) }
    }

    /// The part, and what the record must say first.
    pub fn decide(&self) -> (StartAs, Option<Claim>) {
        let decision = self.decision();
        (decision.role, decision.record)
    }

    pub fn role(&self) -> StartAs {
        self.decision().role
    }
}
