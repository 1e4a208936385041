//! Each repair and each of its conditions, then everything that three pods can show.

use std::collections::BTreeMap;
use std::time::Duration;

use rstest::rstest;

use super::super::repair::Repair::{
    Abandon, AddGroup, AddSettings, ExpireReport, Follow, ForgetGroup, ForgetReplicas, KeepUnpromotable, MakePromotable,
    NameInstead, PromoteInstead, Restart, TakeHolderBack,
};
use super::super::repair::*;
use super::super::*;
use super::{Rule, catalogue, given};
use crate::core::disk::{Disk, DiskReport, Instance, Moment};
use crate::core::evidence::{
    Container, Evidence, Failure, Link, Object, Peer, RecordSeen, Replica, Reply, Role, Sentinel, SentinelAnswer, Watch,
};
use crate::core::identity::{Endpoint, Host, PodName};
use crate::core::record::{Claim, Forced, Record, StartMarker};

const NOW: Moment = Moment(100_000_000);
const GRACE: Duration = Duration::from_secs(300);
const LONG_AGO: Moment = Moment(NOW.0 - 300_000);
const LATELY: Moment = Moment(NOW.0 - 299_999);
const JUST_UNDER: Duration = Duration::from_millis(299_999);

const EMPTY: Disk = Disk::Empty;
const OLD: Disk = Disk::Written(Moment(1_000_000));
/// By just more than down-after.
const NEW: Disk = Disk::Written(Moment(1_005_001));

fn repairs(evidence: &Evidence, masterless: Duration) -> Vec<Repair> {
    repairs_by(Rules::ALL, evidence, masterless)
}

fn repairs_by(rules: Rules, evidence: &Evidence, masterless: Duration) -> Vec<Repair> {
    due_by(rules, evidence, masterless).into_iter().map(|due| due.repair).collect()
}

/// What a pod is seen to be.
type Seen = (Object, Reply<Role>);

fn pod(ordinal: u32) -> PodName {
    format!("redis-{ordinal}").parse().unwrap()
}

fn address(ordinal: u32) -> Endpoint {
    Endpoint::parse(&format!("redis-{ordinal}.redis-headless"), 6379).unwrap()
}

fn published(disk: Disk, started: bool) -> Object {
    Object::Present {
        uid: "uid".into(),
        report: Some(DiskReport { run: "now".into(), disk, at: Moment(0), group: None, started, damage: None, priority: None }),
        container: Container::Stopped,
    }
}

/// Told by a pod whose volume is another group's.
fn of_another_group(disk: Disk) -> Seen {
    let report = DiskReport {
        run: "now".into(),
        disk,
        at: Moment(0),
        group: Some("other".into()),
        started: false,
        damage: None,
        priority: None,
    };
    (Object::Present { uid: "uid".into(), report: Some(report), container: Container::Stopped }, Reply::Failed(Failure::Refused))
}

/// It runs, and the word that it has not started still stands.
fn with_its_word((_, heard): Seen) -> Seen {
    (published(OLD, false), heard)
}

fn absent() -> Seen {
    (Object::Absent, Reply::Failed(Failure::NoSuchHost))
}

fn unreported() -> Seen {
    (Object::Present { uid: "uid".into(), report: None, container: Container::Stopped }, Reply::Failed(Failure::Refused))
}

/// It has told, and waits to start.
fn waits(disk: Disk) -> Seen {
    (published(disk, false), Reply::Failed(Failure::Refused))
}

/// It has told and started, and does not answer.
fn gone(disk: Disk) -> Seen {
    (published(disk, true), Reply::Failed(Failure::TimedOut))
}

/// Its Redis was started then with a newer disk, and is gone.
fn gone_since(at: Moment) -> Seen {
    let report = DiskReport { run: "now".into(), disk: NEW, at, group: None, started: true, damage: None, priority: None };
    (Object::Present { uid: "uid".into(), report: Some(report), container: Container::Stopped }, gone(NEW).1)
}

fn runs(disk: Disk, link: Link, priority: u32) -> Seen {
    follows(0, disk, link, priority)
}

fn follows(master: u32, disk: Disk, link: Link, priority: u32) -> Seen {
    let replica =
        Replica { of: address(master), link, priority, offset: 1, run: Some("now".into()), down_for: None, is_empty: false };
    (published(disk, true), Reply::Answer(Role::Replica(replica)))
}

fn has_read(offset: u64) -> Seen {
    let replica = Replica {
        of: address(0),
        link: Link::Lost,
        priority: 0,
        offset,
        run: Some("now".into()),
        down_for: None,
        is_empty: false,
    };
    (published(OLD, true), Reply::Answer(Role::Replica(replica)))
}

fn master() -> Seen {
    (published(OLD, true), Reply::Answer(Role::Master))
}

/// The record names redis-0; its mark is old.
fn record() -> Record {
    let start_marker = Some(StartMarker { by: instance("earlier"), at: LONG_AGO });
    Record { transitions: 5, start_marker, ..given::recorded(0, 5) }
}

fn abandoned() -> Record {
    Record { is_abandoned: true, ..record() }
}

fn forced(forced: Forced) -> Record {
    Record { forced: Some(forced), ..record() }
}

fn gives_up() -> Repair {
    Abandon(record().claim)
}

fn instance(run: &str) -> Instance {
    run_of(0, run)
}

fn run_of(ordinal: u32, run: &str) -> Instance {
    Instance { pod: pod(ordinal), uid: "uid".into(), run: run.into() }
}

/// What reconcile sees of the three pods, and one Sentinel that finds nothing wrong with the living master, or the first.
fn group(record: Record, pods: [Seen; 3]) -> Evidence {
    let living = (0..).zip(&pods).find(|(_, (_, heard))| *heard == Reply::Answer(Role::Master)).map_or(0, |(living, _)| living);
    let peer = |(ordinal, (object, heard))| Peer { pod: pod(ordinal), ips: Vec::new(), object, heard };
    Evidence {
        sentinel_count: 1,
        sentinels: vec![calm(living)],
        record: RecordSeen::Present(record),
        peers: (0..).zip(pods).map(peer).collect(),
        ..given::sentinel()
    }
}

/// The same, where a Sentinel names a master at an epoch past the record's.
fn while_a_newer_claim_names(master: u32, evidence: Evidence) -> Evidence {
    Evidence { sentinels: vec![names(master, 6)], ..evidence }
}

fn names(master: u32, config_epoch: u64) -> Sentinel {
    let watch = Watch {
        master: address(master),
        config_epoch,
        finds_master_down: true,
        failover_in_progress: false,
        has_promoted: false,
        last_ok_ping: GRACE,
        other_sentinels: 2,
        known_replicas: 2,
        is_half_told: false,
    };
    let at = Endpoint::parse("sentinel-0", 26379).unwrap();
    Sentinel { at, heard: Reply::Answer(SentinelAnswer::Watching(watch)) }
}

/// What a Sentinel says of redis-0 as master while all is well, but for what differs.
fn says(number: u32, differs: impl FnOnce(&mut Watch)) -> Sentinel {
    let Sentinel { heard: Reply::Answer(SentinelAnswer::Watching(mut watch)), .. } = names(0, 5) else { unreachable!() };
    (watch.finds_master_down, watch.last_ok_ping) = (false, Duration::ZERO);
    differs(&mut watch);
    Sentinel { at: sentinel(number), heard: Reply::Answer(SentinelAnswer::Watching(watch)) }
}

/// The only Sentinel, which finds nothing wrong with this master.
fn calm(master: u32) -> Sentinel {
    says(0, |watch| (watch.master, watch.other_sentinels) = (address(master), 0))
}

fn sentinel(number: u32) -> Endpoint {
    Endpoint::parse(&format!("sentinel-{number}"), 26379).unwrap()
}

fn knows_nothing(number: u32) -> Sentinel {
    Sentinel { at: sentinel(number), heard: Reply::Answer(SentinelAnswer::Unaware) }
}

/// A group in which all is well, as three Sentinels say.
fn well(sentinels: [Sentinel; 3]) -> Evidence {
    let in_sync = || runs(OLD, Link::Up, 100);
    Evidence { sentinel_count: 3, sentinels: sentinels.into(), ..group(record(), [master(), in_sync(), in_sync()]) }
}

// A Sentinel that lost its group, or remembers too much.

#[test]
fn a_sentinel_that_does_not_know_the_group_is_told_while_nobody_doubts_who_leads() {
    let told = |evidence: &Evidence| repairs(evidence, Duration::ZERO);
    let seen = well([says(0, |_| {}), knows_nothing(1), knows_nothing(2)]);
    assert_eq!(told(&seen), [AddGroup(sentinel(1), pod(0)), AddGroup(sentinel(2), pod(0))]);
    assert_eq!(told(&well([0, 1, 2].map(knows_nothing))).len(), 3, "all have lost it");
    let another = well([says(0, |watch| watch.master = address(1)), knows_nothing(1), says(2, |_| {})]);
    assert_eq!(told(&another), [], "one names another");
    assert_eq!(told(&Evidence { record: RecordSeen::Absent, ..seen.clone() }), [], "the group was forgotten");
    let elsewhere = Record { claim: Claim { master: pod(1), epoch: 5 }, ..record() };
    assert_eq!(told(&Evidence { record: RecordSeen::Present(elsewhere), ..seen }), [], "the record names another");
}

#[test]
fn a_sentinel_that_was_told_by_halves_is_told_the_rest_while_nobody_doubts_who_leads() {
    let half = |number| says(number, |watch| watch.is_half_told = true);
    let told = |sentinels| repairs(&well(sentinels), Duration::ZERO);
    assert_eq!(
        told([half(0), says(1, |_| {}), knows_nothing(2)]),
        [AddGroup(sentinel(2), pod(0)), AddSettings(sentinel(0), pod(0))]
    );
    // Without the password it finds a master down that lives.
    let blind = says(0, |watch| (watch.is_half_told, watch.finds_master_down) = (true, true));
    assert_eq!(told([blind, says(1, |_| {}), says(2, |_| {})]), [AddSettings(sentinel(0), pod(0))]);
    let another = says(1, |watch| watch.master = address(1));
    assert_eq!(told([half(0), another, says(2, |_| {})]), [], "one names another");
}

#[test]
fn one_sentinel_at_a_time_forgets_the_replicas_of_which_there_are_too_many() {
    let too_many = |number| says(number, |watch| watch.known_replicas = 4);
    let told = |sentinels| repairs(&well(sentinels), Duration::ZERO);
    assert_eq!(told([says(0, |_| {}), too_many(1), too_many(2)]), [ForgetReplicas(sentinel(1))]);
    assert_eq!(told([says(0, |watch| watch.known_replicas = 1), too_many(1), too_many(2)]), [], "one is finding them");
    assert_eq!(told([says(0, |watch| watch.other_sentinels = 1), too_many(1), too_many(2)]), []);
    let promotes = |number| says(number, |watch| (watch.known_replicas, watch.has_promoted) = (4, true));
    assert_eq!(told([promotes(0), says(1, |_| {}), says(2, |_| {})]), [], "it still tells the replicas whom it has promoted");
    assert_eq!(told([promotes(0), too_many(1), says(2, |_| {})]), [], "another does");
    let away = Evidence {
        peers: group(record(), [master(), runs(OLD, Link::Up, 100), waits(OLD)]).peers,
        ..well([0, 1, 2].map(too_many))
    };
    assert_eq!(repairs(&away, Duration::ZERO), [], "a pod is away");
}

#[test]
fn a_sentinel_that_names_another_by_no_newer_epoch_is_stubborn() {
    let names_another = |epoch: u64| says(1, |watch| (watch.master, watch.config_epoch) = (address(1), epoch));
    let found = |sentinels: [Sentinel; 3]| diverged(&well(sentinels));
    let [one, another] = [|| says(0, |_| {}), || says(2, |_| {})];
    assert_eq!(found([one(), names_another(5), another()]), [sentinel(1)]);
    assert_eq!(found([one(), names_another(4), another()]), [sentinel(1)]);
    assert_eq!(found([one(), names_another(6), another()]), [], "it knows something newer");
    assert_eq!(found([one(), names_another(5), knows_nothing(2)]), [], "the others are no majority");
    let knows_the_gone = |number| says(number, |watch| watch.other_sentinels = 4);
    assert_eq!(found([knows_the_gone(0), names_another(5), knows_the_gone(2)]), [sentinel(1)]);
    let leaving = Evidence { handing_over: Some(pod(0)), ..well([one(), names_another(5), another()]) };
    assert_eq!(diverged(&leaving), Vec::<Endpoint>::new());
    let promotes = says(1, |watch| (watch.master, watch.failover_in_progress) = (address(1), true));
    assert_eq!(found([one(), promotes, another()]), [], "it is failing over");
    let two = group(record(), [master(), master(), runs(OLD, Link::Up, 100)]).peers;
    assert_eq!(diverged(&Evidence { peers: two, ..well([one(), names_another(5), another()]) }), Vec::<Endpoint>::new());
}

#[test]
fn a_sentinel_that_looks_for_the_master_where_it_was_forgets_the_group_and_is_told_where_it_is() {
    let ip = |last: u8| std::net::IpAddr::from([192, 0, 2, last]);
    let named = |number, last: u8, is_down: bool| {
        says(number, |watch| {
            watch.master.host = Host::Ip(ip(last));
            watch.finds_master_down = is_down;
        })
    };
    // The master was at 192.0.2.1, as the record remembers, and is at 192.0.2.7 now.
    let found = |sentinels: [Sentinel; 3]| {
        let mut evidence = well(sentinels);
        evidence.peers[0].ips = vec![ip(7)];
        if let RecordSeen::Present(record) = &mut evidence.record {
            record.address.host = Host::Ip(ip(1));
        }
        repairs(&evidence, Duration::ZERO)
    };
    assert_eq!(found([named(0, 7, false), named(1, 7, false), named(2, 7, false)]), []);
    assert_eq!(
        found([named(0, 1, true), named(1, 1, true), named(2, 1, true)]),
        [0, 1, 2].map(|number| ForgetGroup(sentinel(number)))
    );
    assert_eq!(found([named(0, 7, false), named(1, 7, false), named(2, 1, true)]), [ForgetGroup(sentinel(2))]);
    assert_eq!(found([named(0, 7, false), named(1, 1, false), named(2, 7, false)]), [], "it has not found out yet");
    let one_has_found_out = found([named(0, 7, false), named(1, 1, true), named(2, 1, false)]);
    assert_eq!(one_has_found_out, [1, 2].map(|number| ForgetGroup(sentinel(number))), "it would hear it again from the other");
    let promotes = |mut sentinel: Sentinel| {
        if let Reply::Answer(SentinelAnswer::Watching(watch)) = &mut sentinel.heard {
            watch.failover_in_progress = true;
        }
        sentinel
    };
    assert_eq!(found([promotes(named(0, 1, true)), named(1, 1, true), named(2, 1, true)]), [], "one is failing over");
    let told = |others: [Sentinel; 2]| {
        let [one, two] = others;
        found([knows_nothing(0), one, two]).contains(&AddGroup(sentinel(0), pod(0)))
    };
    assert!(!told([named(1, 1, true), named(2, 1, true)]), "it would be told the old address by the others");
    assert!(told([named(1, 7, false), named(2, 7, false)]) && told([knows_nothing(1), knows_nothing(2)]));
    assert_eq!(found([named(0, 1, true), named(1, 9, true), named(2, 1, true)]), [], "one names a stranger");
    // Nor has it led there ever: the record names it in the place of one that is gone.
    let in_place = |sentinels: [Sentinel; 3]| {
        let mut evidence = well(sentinels);
        evidence.peers[0].ips = vec![ip(7)];
        if let RecordSeen::Present(record) = &mut evidence.record {
            (record.claim.epoch, record.address.host) = (6, Host::Ip(ip(7)));
        }
        repairs(&evidence, Duration::ZERO)
    };
    assert_eq!(in_place([0, 1, 2].map(|number| named(number, 1, true))), [0, 1, 2].map(|number| ForgetGroup(sentinel(number))));
    let one_has_found_out = in_place([named(0, 7, false), named(1, 1, true), named(2, 1, true)]);
    assert_eq!(one_has_found_out, [], "the others hear of it from that one");
}

#[test]
fn a_replica_that_follows_where_the_master_is_not_is_told_to_follow_it_for_no_sentinel_knows_it() {
    let ip = |last: u8| std::net::IpAddr::from([192, 0, 2, last]);
    let at = |last: u8| Endpoint { host: Host::Ip(ip(last)), port: 6379 };
    let named = |number, last: u8| says(number, |watch| watch.master = at(last));
    // The master is at 192.0.2.7, its replicas at .8 and .9.
    let found = |follows: [u8; 2], sentinels: Vec<Sentinel>| {
        let mut evidence =
            Evidence { sentinels, ..group(record(), [master(), runs(OLD, Link::Up, 100), runs(OLD, Link::Up, 100)]) };
        for (peer, last) in evidence.peers.iter_mut().zip([7, 8, 9]) {
            peer.ips = vec![ip(last)];
        }
        for (peer, of) in evidence.peers[1..].iter_mut().zip(follows) {
            let Reply::Answer(Role::Replica(replica)) = &mut peer.heard else { unreachable!() };
            replica.of = at(of);
        }
        if let RecordSeen::Present(record) = &mut evidence.record {
            record.address = at(7);
        }
        repairs(&evidence, Duration::ZERO)
    };
    let all_name = |last| [0, 1, 2].map(|number| named(number, last)).to_vec();
    assert_eq!(found([7, 7], all_name(7)), []);
    let told = |ordinal| Follow(pod(ordinal), pod(0));
    assert_eq!(found([9, 7], all_name(7)), [told(1)], "behind another replica");
    assert_eq!(found([1, 1], all_name(7)), [told(1), told(2)], "where the master was");
    assert_eq!(found([1, 1], vec![named(0, 7), named(1, 7), named(2, 1)]), [], "one Sentinel looks elsewhere, too");
    let by_name = [0, 1, 2].map(|number| says(number, |_| {})).to_vec();
    assert_eq!(found([1, 1], by_name), [], "they know it by its name");
    let promotes = says(2, |watch| (watch.master, watch.has_promoted) = (at(7), true));
    assert_eq!(found([1, 1], vec![named(0, 7), named(1, 7), promotes]), [], "it is about to tell them");
}

#[test]
fn a_group_is_quiet_when_everyone_has_answered_and_nothing_is_about_to_change() {
    let all_well = || [0, 1, 2].map(|number| says(number, |_| {}));
    assert!(is_quiet(&well(all_well())));
    let [one, two, _] = all_well();
    assert!(!is_quiet(&well([one, two, knows_nothing(2)])));
    let [one, two, _] = all_well();
    assert!(!is_quiet(&well([one, two, says(2, |watch| watch.finds_master_down = true)])));
    let unpromotable = group(record(), [master(), runs(OLD, Link::Up, 100), runs(OLD, Link::Up, 0)]).peers;
    assert!(!is_quiet(&Evidence { peers: unpromotable, ..well(all_well()) }));
    let elsewhere = Record { claim: Claim { master: pod(1), epoch: 5 }, ..record() };
    assert!(!is_quiet(&Evidence { record: RecordSeen::Present(elsewhere), ..well(all_well()) }));
}

// A replica that readers should not see.

#[test]
fn a_replica_whose_link_has_been_down_for_too_long_is_withheld_until_it_is_up() {
    let down = |ago: u64| {
        let lost = Replica {
            of: address(0),
            link: Link::Lost,
            priority: 100,
            offset: 1,
            run: None,
            down_for: Some(Duration::from_secs(ago)),
            is_empty: false,
        };
        (published(OLD, true), Reply::Answer(Role::Replica(lost)))
    };
    let seen = |of_one, of_two| group(record(), [master(), of_one, of_two]);
    let of = |is_withheld: bool, evidence: &Evidence, stale_after: Option<u64>, seen_down: u64| {
        let seen_down = BTreeMap::from([(pod(1), Duration::from_secs(seen_down))]);
        is_kept_from_readers(evidence, &pod(1), is_withheld, stale_after.map(Duration::from_secs), &seen_down)
    };
    let stale = seen(down(31), runs(OLD, Link::Up, 100));
    assert!(of(false, &stale, Some(30), 0));
    assert!(!of(false, &stale, None, 0), "reads at any price");
    assert!(!of(true, &stale, None, 0));
    assert!(!of(false, &seen(down(29), master()), Some(30), 29), "not yet");
    assert!(of(true, &seen(down(29), master()), Some(30), 29), "nor is it given back before the link is up");
    assert!(of(false, &seen(runs(OLD, Link::Never, 0), master()), Some(30), 30), "it never had a link");
    assert!(!of(true, &seen(runs(OLD, Link::Up, 100), master()), Some(30), 0), "it is up");
    for is_withheld in [false, true] {
        assert_eq!(of(is_withheld, &seen(waits(OLD), master()), Some(30), 99), is_withheld, "it does not answer");
    }
}

// A replica that is in sync.

#[test]
fn a_replica_in_sync_with_the_living_master_becomes_promotable() {
    let evidence = group(record(), [master(), runs(OLD, Link::Up, 0), runs(EMPTY, Link::Up, 0)]);
    assert_eq!(repairs(&evidence, Duration::ZERO), [MakePromotable(pod(1)), MakePromotable(pod(2))]);
    assert_eq!(repairs(&Evidence { record: RecordSeen::Absent, ..evidence }, GRACE).len(), 2, "whatever the record says");
}

/// Its pod has published a priority of its own.
fn with_priority(priority: u32, (object, heard): Seen) -> Seen {
    let Object::Present { uid, report: Some(report), container } = object else { panic!("it has published nothing") };
    (Object::Present { uid, report: Some(DiskReport { priority: Some(priority), ..report }), container }, heard)
}

#[test]
fn a_replica_with_the_priority_0_is_never_made_promotable_and_one_that_is_so_no_more_and_the_group_is_at_rest() {
    let others = |one: u32| [with_priority(0, runs(OLD, Link::Up, one)), with_priority(50, runs(EMPTY, Link::Up, 0))];
    let of = |one: u32| {
        let [one, two] = others(one);
        repairs(&group(record(), [master(), one, two]), Duration::ZERO)
    };
    assert_eq!(of(0), [MakePromotable(pod(2))]);
    assert_eq!(of(100), [KeepUnpromotable(pod(1)), MakePromotable(pod(2))]);
    let is_at_rest = |one: u32| {
        let fit = with_priority(50, runs(EMPTY, Link::Up, 50));
        is_quiet(&group(record(), [master(), with_priority(0, runs(OLD, Link::Up, one)), fit]))
    };
    assert!(is_at_rest(0) && !is_at_rest(100));
}

#[test]
fn a_replica_whose_own_priority_is_not_known_is_not_made_promotable_until_the_api_server_shows_its_pod() {
    let unknown = |(_, heard): Seen| (Object::Unknown, heard);
    let of = |one, two| repairs(&group(record(), [master(), one, two]), Duration::ZERO);
    let fit = || runs(OLD, Link::Up, 0);
    assert_eq!(of(unknown(fit()), fit()), [MakePromotable(pod(2))]);
    assert_eq!(of((Object::Absent, fit().1), fit()), [MakePromotable(pod(2))]);
    assert_eq!(of(unknown(runs(OLD, Link::Up, 100)), runs(OLD, Link::Up, 100)), [], "nor is it set back");
    let without_kubernetes = group(record(), [master(), unknown(fit()), unknown(fit())]);
    let without_kubernetes = Evidence { record: RecordSeen::NotKept, ..without_kubernetes };
    assert_eq!(repairs(&without_kubernetes, Duration::ZERO), [MakePromotable(pod(1)), MakePromotable(pod(2))]);
    // Where the report is gone or of another run, the server may tell.
    let by = |run: Option<&str>, (object, heard): Seen| {
        let Reply::Answer(Role::Replica(replica)) = heard else { unreachable!() };
        (object, Reply::Answer(Role::Replica(Replica { run: run.map(str::to_owned), ..replica })))
    };
    let unreported = |(object, heard): Seen| {
        let Object::Present { uid, container, .. } = object else { unreachable!() };
        (Object::Present { uid, report: None, container }, heard)
    };
    for run in [None, Some("earlier"), Some("earlier.P0"), Some("earlier.P")] {
        assert_eq!(of(by(run, fit()), by(run, unreported(fit()))), [], "{run:?}");
    }
    assert_eq!(of(unreported(fit()), by(Some("a.P50"), unreported(fit()))), [MakePromotable(pod(2))]);
    assert_eq!(of(by(Some("a.P0"), unreported(runs(OLD, Link::Up, 100))), fit())[0], KeepUnpromotable(pod(1)));
    // Nor in the place of a master that was abandoned, where it has read the furthest.
    let instead = |one, two| repairs(&group(abandoned(), [absent(), one, two]), Duration::ZERO);
    assert_eq!(instead(has_read(9), has_read(7)), [PromoteInstead(pod(1))]);
    assert_eq!(instead(unknown(has_read(9)), has_read(7)), []);
    assert_eq!(instead(has_read(9), unknown(has_read(7))), [PromoteInstead(pod(1))]);
}

#[test]
fn an_empty_replica_is_not_promoted_while_the_data_of_another_cannot_be_loaded() {
    let empty = || runs(EMPTY, Link::Never, 0);
    let damaged = |(object, heard): Seen| {
        let Object::Present { uid, report: Some(report), container } = object else { unreachable!() };
        (Object::Present { uid, report: Some(DiskReport { damage: Some("damaged".into()), ..report }), container }, heard)
    };
    let of = |zero, one| repairs(&group(abandoned(), [zero, one, empty()]), Duration::ZERO);
    assert_eq!(of(waits(EMPTY), empty()), [PromoteInstead(pod(1))]);
    assert_eq!(of(damaged(waits(EMPTY)), empty()), [], "a person decides");
    assert_eq!(of(damaged(waits(EMPTY)), runs(OLD, Link::Never, 0)), [PromoteInstead(pod(1))], "there is data");
}

#[test]
fn a_replica_with_the_priority_0_is_not_promoted_in_the_place_of_an_abandoned_master() {
    let of = |one: Seen, two: Seen| repairs(&group(abandoned(), [absent(), one, two]), GRACE);
    let (ahead, behind) = (has_read(9), has_read(7));
    assert_eq!(of(ahead.clone(), behind.clone()), [PromoteInstead(pod(1))]);
    assert_eq!(of(with_priority(0, ahead.clone()), behind), [PromoteInstead(pod(2))]);
    assert_eq!(of(with_priority(0, ahead.clone()), with_priority(0, has_read(7))), [], "a person decides");
    assert_eq!(of(with_priority(0, ahead), runs(OLD, Link::Never, 0)), [], "what was copied would be lost");
}

#[test]
fn nobody_becomes_promotable_before_a_majority_of_the_sentinels_finds_nothing_wrong_with_the_master() {
    let told = |down: [bool; 3]| {
        let sentinels = down.map(|is_down| {
            let mut sentinel = names(0, 5);
            if let Reply::Answer(SentinelAnswer::Watching(watch)) = &mut sentinel.heard {
                watch.finds_master_down = is_down;
            }
            sentinel
        });
        let evidence = group(record(), [master(), runs(OLD, Link::Up, 0), absent()]);
        repairs(&Evidence { sentinel_count: 3, sentinels: sentinels.into(), ..evidence }, Duration::ZERO)
    };
    assert_eq!(told([false, false, true]), [MakePromotable(pod(1))]);
    assert_eq!(told([false, true, true]), []);
    let unheard = Evidence { sentinel_count: 3, ..group(record(), [master(), runs(OLD, Link::Up, 0), absent()]) };
    assert_eq!(repairs(&unheard, Duration::ZERO), []);
}

#[test]
fn nobody_becomes_promotable_while_the_master_hands_over() {
    let of = |handing_over| {
        let evidence = group(record(), [master(), runs(OLD, Link::Up, 0), absent()]);
        repairs(&Evidence { handing_over, ..evidence }, Duration::ZERO)
    };
    assert_eq!(of(Some(pod(0))), []);
    assert_eq!(of(Some(pod(1))), [MakePromotable(pod(1))], "another has handed over to this master");
}

#[rstest]
#[case::is_promotable_already(runs(OLD, Link::Up, 100))]
#[case::has_lost_its_link(runs(NEW, Link::Lost, 0))]
#[case::never_had_a_link(runs(NEW, Link::Never, 0))]
#[case::follows_another(follows(2, NEW, Link::Up, 0))]
#[case::follows_a_stranger(follows(7, NEW, Link::Up, 0))]
#[case::has_not_started(waits(NEW))]
#[case::is_gone(gone(NEW))]
fn a_replica_stays_as_it_is_where_it(#[case] replica: Seen) {
    assert_eq!(repairs(&group(record(), [master(), replica.clone(), absent()]), GRACE), []);
    assert_eq!(repairs(&group(abandoned(), [master(), replica, absent()]), GRACE), [TakeHolderBack]);
}

#[test]
fn beside_two_living_masters_nothing_is_repaired() {
    assert_eq!(repairs(&group(abandoned(), [master(), master(), runs(NEW, Link::Up, 0)]), GRACE), []);
}

// A holder that does not come back.

#[test]
fn a_holder_that_is_away_for_the_grace_is_given_up() {
    for holder in [absent(), unreported(), gone(NEW), runs(NEW, Link::Lost, 0)] {
        let evidence = group(record(), [holder, waits(NEW), runs(OLD, Link::Never, 0)]);
        assert_eq!(repairs(&evidence, JUST_UNDER), []);
        assert_eq!(repairs(&evidence, GRACE), [gives_up()]);
    }
}

#[test]
fn a_holder_that_may_not_lead_for_its_disk_is_given_up_at_once_when_all_have_told() {
    for holder in [waits(EMPTY), waits(OLD), runs(OLD, Link::Never, 0)] {
        let evidence = group(record(), [holder.clone(), waits(NEW), runs(OLD, Link::Never, 0)]);
        assert_eq!(repairs(&evidence, Duration::ZERO), [gives_up()]);
        for another in [unreported(), gone(NEW), runs(NEW, Link::Lost, 0)] {
            assert_eq!(repairs(&group(record(), [holder.clone(), waits(NEW), another]), Duration::ZERO), []);
        }
    }
    let little_newer = Disk::Written(Moment(1_005_000));
    assert_eq!(repairs(&group(record(), [waits(OLD), waits(little_newer), absent()]), Duration::ZERO), [], "it leads");
}

#[test]
fn an_empty_replica_is_not_elected_before_all_have_told_who_does_not_exist_yet_too() {
    let alone = group(abandoned(), [absent(), runs(EMPTY, Link::Never, 0), absent()]);
    assert_eq!(repairs(&alone, GRACE), []);
    let told = group(abandoned(), [waits(EMPTY), runs(EMPTY, Link::Never, 0), waits(EMPTY)]);
    assert_eq!(repairs(&told, GRACE), [PromoteInstead(pod(1))]);
}

#[test]
fn a_mark_begins_the_grace_anew() {
    let marked = |at| Record { start_marker: Some(StartMarker { by: instance("earlier"), at }), ..record() };
    let others = || [absent(), waits(NEW), waits(OLD)];
    assert_eq!(repairs(&group(marked(LATELY), others()), GRACE), []);
    assert_eq!(repairs(&group(marked(LONG_AGO), others()), GRACE), [gives_up()]);
    assert_eq!(
        repairs(&group(marked(Moment(NOW.0 + 3_600_000)), others()), GRACE),
        [gives_up()],
        "a clock that is an hour ahead"
    );
    assert_eq!(repairs(&group(Record { start_marker: None, ..record() }, others()), GRACE), [gives_up()]);
}

#[rstest]
#[case::newer_than_all(waits(NEW), [waits(OLD), unreported()])]
#[case::as_new_as_any(waits(NEW), [waits(NEW), absent()])]
#[case::all_that_is_known(waits(OLD), [gone(NEW), runs(OLD, Link::Never, 0)])]
fn a_holder_is_not_given_up_whose_disk_is(#[case] holder: Seen, #[case] others: [Seen; 2]) {
    let [one, other] = others;
    assert_eq!(repairs(&group(record(), [holder, one, other]), 2 * GRACE), []);
}

#[test]
fn a_holder_that_has_marked_does_not_answer_for_its_disk_any_more() {
    let marked = Record { start_marker: Some(StartMarker { by: instance("now"), at: LONG_AGO }), ..record() };
    assert_eq!(repairs(&group(marked, [waits(NEW), waits(OLD), absent()]), GRACE), [gives_up()]);
}

#[test]
fn a_holder_that_was_given_up_is_taken_back_when_its_disk_is_the_newest() {
    assert_eq!(repairs(&group(abandoned(), [waits(NEW), waits(OLD), waits(NEW)]), Duration::ZERO), [TakeHolderBack]);
    assert_eq!(repairs(&group(abandoned(), [waits(OLD), waits(NEW), absent()]), GRACE), []);
    assert_eq!(repairs(&group(abandoned(), [waits(EMPTY), waits(EMPTY), absent()]), GRACE), []);
    assert_eq!(repairs(&group(abandoned(), [gone(NEW), waits(OLD), absent()]), GRACE), []);
}

#[test]
fn a_holder_that_was_given_up_and_lives_as_the_one_master_is_taken_back() {
    let evidence = group(abandoned(), [master(), waits(NEW), absent()]);
    assert_eq!(repairs(&evidence, Duration::ZERO), [TakeHolderBack], "whatever another disk holds");
    let in_sync = group(abandoned(), [master(), runs(OLD, Link::Up, 0), absent()]);
    assert_eq!(repairs(&in_sync, GRACE), [MakePromotable(pod(1)), TakeHolderBack]);
    assert_eq!(repairs(&group(record(), [master(), waits(NEW), absent()]), GRACE), [], "it was not given up");
    assert_eq!(repairs(&group(abandoned(), [waits(NEW), master(), absent()]), GRACE), [], "another lives");
    assert_eq!(repairs(&group(abandoned(), [master(), waits(NEW), master()]), GRACE), [], "another lives as well");
}

#[test]
fn while_a_persons_word_is_open_the_holder_is_not_given_up() {
    let pods = || [absent(), waits(NEW), runs(OLD, Link::Never, 0)];
    assert_eq!(repairs(&group(forced(Forced::Open), pods()), 2 * GRACE), []);
    let started = forced(Forced::By(instance("earlier")));
    assert_eq!(repairs(&group(started, pods()), GRACE), [gives_up()]);
}

#[test]
fn whom_a_person_wants_starts_anew_whatever_the_disks_hold() {
    let open = || forced(Forced::Open);
    for link in [Link::Never, Link::Lost] {
        let evidence = group(open(), [runs(OLD, link, 0), waits(NEW), absent()]);
        assert_eq!(repairs(&evidence, Duration::ZERO), [Restart(pod(0))]);
    }
    let started = forced(Forced::By(instance("earlier")));
    let once = repairs(&group(started, [runs(OLD, Link::Never, 0), waits(NEW), absent()]), Duration::ZERO);
    assert!(!once.contains(&Restart(pod(0))), "a person's word holds for one start");
}

#[test]
fn a_replica_that_runs_without_having_told_starts_anew_while_no_master_lives() {
    let started_blindly =
        |heard: Seen| (Object::Present { uid: "uid".into(), report: None, container: Container::Stopped }, heard.1);
    let blind = || started_blindly(runs(OLD, Link::Never, 0));
    assert_eq!(repairs(&group(record(), [waits(NEW), blind(), absent()]), Duration::ZERO), [Restart(pod(1))]);
    assert_eq!(repairs(&group(record(), [master(), blind(), absent()]), Duration::ZERO), []);
    let has_copied = started_blindly(runs(OLD, Link::Lost, 0));
    assert_eq!(repairs(&group(record(), [waits(NEW), has_copied, absent()]), Duration::ZERO), []);
    let (_, mut heard) = blind();
    if let Reply::Answer(Role::Replica(replica)) = &mut heard {
        replica.run = Some("earlier".into());
    }
    let by_another_run = (published(OLD, true), heard);
    assert_eq!(repairs(&group(record(), [waits(NEW), by_another_run, absent()]), Duration::ZERO), [Restart(pod(1))]);
}

// A claim that is newer than the record.

#[test]
fn whom_the_newest_claim_names_is_given_up_though_the_record_names_another() {
    let newest = Abandon(Claim { master: pod(1), epoch: 6 });
    for record in [record(), abandoned()] {
        let evidence = while_a_newer_claim_names(1, group(record.clone(), [waits(NEW), absent(), runs(OLD, Link::Never, 0)]));
        assert_eq!(repairs(&evidence, JUST_UNDER), []);
        assert_eq!(repairs(&evidence, GRACE), std::slice::from_ref(&newest));
        let is_newest = while_a_newer_claim_names(1, group(record, [waits(OLD), waits(NEW), runs(OLD, Link::Never, 0)]));
        assert_eq!(repairs(&is_newest, GRACE), [], "it may lead");
    }
}

#[test]
fn whom_the_newest_claim_names_starts_anew_though_the_record_names_another() {
    let pods = [waits(OLD), runs(NEW, Link::Never, 0), runs(OLD, Link::Never, 0)];
    let evidence = while_a_newer_claim_names(1, group(abandoned(), pods));
    assert_eq!(repairs(&evidence, Duration::ZERO), [Restart(pod(1))]);
}

#[test]
fn where_no_claim_is_the_newest_nobody_is_given_up_elected_taken_back_or_restarted() {
    let groups = [
        (record(), [absent(), waits(NEW), runs(OLD, Link::Never, 0)], gives_up()),
        (abandoned(), [waits(NEW), runs(OLD, Link::Never, 0), absent()], TakeHolderBack),
        (abandoned(), [absent(), runs(NEW, Link::Never, 0), waits(OLD)], PromoteInstead(pod(1))),
        (record(), [runs(NEW, Link::Never, 0), waits(OLD), absent()], Restart(pod(0))),
    ];
    for (record, pods, repair) in groups {
        let evidence = group(record, pods);
        assert_eq!(repairs(&evidence, GRACE), [repair]);
        for disputed in [names(1, 5), names(7, 6)] {
            assert_eq!(repairs(&Evidence { sentinels: vec![disputed], ..evidence.clone() }, GRACE), []);
        }
    }
}

/// While the API server is away a replica may have started without a word of it; once it is gone, what it told before
/// would count, though it was promoted meanwhile and written to.
#[test]
fn nobody_may_be_promoted_whose_word_may_still_stand() {
    let (_, mut answers) = runs(OLD, Link::Up, 0);
    if let Reply::Answer(Role::Replica(replica)) = &mut answers {
        replica.run = Some("now.P100".into());
    }
    let is_made_promotable = |object: &Object, record_seen: RecordSeen| {
        let others = [master(), (object.clone(), answers.clone()), runs(OLD, Link::Up, 100)];
        let evidence = Evidence { record: record_seen, ..group(record(), others) };
        repairs(&evidence, Duration::ZERO).contains(&MakePromotable(pod(1)))
    };
    for object in [Object::Unknown, published(OLD, false)] {
        for seen in [RecordSeen::Present(record()), RecordSeen::Unknown(Failure::TimedOut)] {
            assert!(!is_made_promotable(&object, seen), "{object:?}");
        }
    }
    assert!(is_made_promotable(&Object::Unknown, RecordSeen::NotKept), "without Kubernetes nobody tells anything");
    let mute = Object::Present { uid: "uid".into(), report: None, container: Container::Unknown };
    assert!(is_made_promotable(&mute, RecordSeen::Present(record())), "it has no word that could count");
}

// A word that has ended.

#[rstest]
#[case::a_master(with_its_word(master()))]
#[case::a_replica_that_had_no_link(with_its_word(runs(OLD, Link::Never, 0)))]
#[case::a_replica_that_has_copied(with_its_word(runs(OLD, Link::Lost, 100)))]
fn the_word_that_it_has_not_started_ends_for(#[case] running: Seen) {
    for first in [absent(), master(), waits(OLD)] {
        for record in [RecordSeen::Present(record()), RecordSeen::Absent, RecordSeen::NotKept] {
            let evidence = Evidence { record, ..group(abandoned(), [first.clone(), running.clone(), absent()]) };
            assert_eq!(repairs(&evidence, Duration::ZERO).first(), Some(&ExpireReport(pod(1))));
        }
    }
}

#[test]
fn a_word_ends_before_anything_else_is_repaired_and_keeps_only_its_own_replica_from_being_promoted() {
    let beside_a_master = [master(), runs(OLD, Link::Up, 0), with_its_word(runs(OLD, Link::Up, 0))];
    let expected = [ExpireReport(pod(2)), MakePromotable(pod(1)), TakeHolderBack];
    assert_eq!(repairs(&group(abandoned(), beside_a_master), GRACE), expected);
    let without_one = || [absent(), with_its_word(runs(OLD, Link::Never, 0)), with_its_word(runs(OLD, Link::Never, 0))];
    let ended = [ExpireReport(pod(1)), ExpireReport(pod(2))];
    assert_eq!(repairs(&group(record(), without_one()), GRACE), [&ended[..], &[gives_up()]].concat());
    assert_eq!(repairs(&group(abandoned(), without_one()), GRACE), ended);
    let several = [with_its_word(master()), master(), absent()];
    assert_eq!(repairs(&group(record(), several), GRACE), [ExpireReport(pod(0))]);
}

#[rstest]
#[case::has_said_that_it_started(runs(OLD, Link::Never, 0))]
#[case::waits_to_start(waits(OLD))]
#[case::is_silent((published(OLD, false), Reply::Failed(Failure::TimedOut)))]
#[case::has_told_nothing((unreported().0, runs(OLD, Link::Never, 0).1))]
fn a_word_stays_where_a_pod(#[case] seen: Seen) {
    let ended = |repair: &Repair| matches!(repair, ExpireReport(_));
    assert!(!repairs(&group(record(), [absent(), seen.clone(), seen]), GRACE).iter().any(ended));
}

#[test]
fn without_a_record_nothing_is_repaired_while_no_master_lives() {
    let evidence = group(abandoned(), [absent(), runs(NEW, Link::Never, 0), waits(OLD)]);
    for seen in [RecordSeen::Absent, RecordSeen::Unknown(Failure::TimedOut), RecordSeen::Pending, RecordSeen::NotKept] {
        assert_eq!(repairs(&Evidence { record: seen, ..evidence.clone() }, GRACE), []);
    }
}

// Who is elected instead.

#[rstest]
#[case::the_newest_disk([absent(), runs(OLD, Link::Never, 0), runs(NEW, Link::Never, 0)], 2)]
#[case::the_lowest_ordinal_of_equal_ones([absent(), runs(NEW, Link::Never, 0), runs(NEW, Link::Never, 0)], 1)]
#[case::the_one_that_runs_of_equal_ones([absent(), waits(NEW), runs(NEW, Link::Never, 0)], 2)]
#[case::what_was_copied_before_what_a_disk_held([absent(), runs(NEW, Link::Never, 0), runs(EMPTY, Link::Lost, 0)], 2)]
#[case::who_has_read_the_most([absent(), has_read(8), has_read(9)], 2)]
#[case::the_only_one([gone(NEW), unreported(), runs(OLD, Link::Never, 0)], 2)]
#[case::the_newest_beside_an_promotable_older_one([absent(), runs(OLD, Link::Never, 100), runs(NEW, Link::Never, 0)], 2)]
fn instead_of_a_holder_that_was_given_up(#[case] pods: [Seen; 3], #[case] elected: u32) {
    assert_eq!(repairs(&group(abandoned(), pods), Duration::ZERO), [PromoteInstead(pod(elected))]);
}

#[rstest]
#[case::a_newer_disk_does_not_run([absent(), runs(OLD, Link::Never, 0), waits(NEW)])]
#[case::it_is_promotable_already([absent(), runs(OLD, Link::Never, 0), runs(NEW, Link::Never, 100)])]
#[case::nobody_runs([absent(), waits(NEW), gone(OLD)])]
#[case::the_holder_alone_runs([runs(OLD, Link::Lost, 0), absent(), waits(OLD)])]
#[case::the_holder_runs_with_a_newer_disk([runs(NEW, Link::Never, 0), runs(OLD, Link::Never, 0), unreported()])]
#[case::nobody_knows_what_it_holds([absent(), (unreported().0, runs(OLD, Link::Never, 0).1), absent()])]
fn nobody_is_elected_where(#[case] pods: [Seen; 3]) {
    let repairs = repairs(&group(abandoned(), pods), GRACE);
    assert!(!repairs.iter().any(|repair| matches!(repair, PromoteInstead(_))), "{repairs:?}");
}

#[test]
fn nobody_is_elected_while_one_is_silent_that_was_heard_of_within_the_grace() {
    let seen = |at| group(abandoned(), [absent(), runs(OLD, Link::Never, 0), gone_since(at)]);
    assert_eq!(repairs(&seen(LATELY), GRACE), []);
    assert_eq!(repairs(&seen(LONG_AGO), GRACE), [PromoteInstead(pod(1))]);
    let heard = |at| {
        let mut evidence = seen(LONG_AGO);
        evidence.own.heard.note(&pod(2), at);
        repairs(&evidence, GRACE)
    };
    assert_eq!(heard(LATELY), []);
    assert_eq!(heard(LONG_AGO), [PromoteInstead(pod(1))]);
}

#[test]
fn who_the_newest_claim_names_is_not_elected_for_sentinel_never_promotes_it() {
    let pods = || [unreported(), runs(NEW, Link::Never, 0), runs(NEW, Link::Never, 0)];
    assert_eq!(repairs(&group(abandoned(), pods()), GRACE), [PromoteInstead(pod(1))]);
    let named = while_a_newer_claim_names(1, group(abandoned(), pods()));
    assert_eq!(repairs(&named, GRACE), [], "it is not given up itself, and shall lead");
    let lost = [unreported(), runs(NEW, Link::Lost, 0), runs(NEW, Link::Never, 0)];
    let abandoned = |master| Record { claim: Claim { master: pod(master), epoch: 6 }, ..abandoned() };
    assert_eq!(repairs(&while_a_newer_claim_names(1, group(abandoned(1), lost)), GRACE), [PromoteInstead(pod(2))]);
}

#[test]
fn a_replica_at_an_address_that_no_sentinel_knows_is_named_by_the_record_in_the_place_of_an_abandoned_master() {
    let ip = |last: u8| std::net::IpAddr::from([192, 0, 2, last]);
    let looks_at = |number, last: u8| {
        says(number, |watch| {
            watch.master.host = Host::Ip(ip(last));
            watch.finds_master_down = true;
        })
    };
    // The master is nowhere now.
    let found_at = |was: u8, priority, sentinels: Vec<Sentinel>| {
        let pods = [absent(), runs(NEW, Link::Never, priority), runs(OLD, Link::Never, 0)];
        let mut evidence = Evidence { sentinels, ..group(abandoned(), pods) };
        for (peer, last) in evidence.peers[1..].iter_mut().zip([8, 9]) {
            peer.ips = vec![ip(last)];
        }
        if let RecordSeen::Present(record) = &mut evidence.record {
            record.address.host = Host::Ip(ip(was));
        }
        repairs(&evidence, GRACE)
    };
    let found = |priority, sentinels| found_at(1, priority, sentinels);
    let all_look_at = |last| [0, 1, 2].map(|number| looks_at(number, last)).to_vec();
    let named = [NameInstead(Claim { master: pod(1), epoch: 6 })];
    assert_eq!(found(0, all_look_at(1)), [PromoteInstead(pod(1))], "where one knows it after all");
    assert_eq!(found(100, all_look_at(1)), named);
    assert_eq!(found_at(9, 100, all_look_at(9)), named, "another member has the address now");
    let by_name = || [0, 1, 2].map(|number| says(number, |watch| watch.finds_master_down = true)).to_vec();
    assert_eq!(found(100, by_name()), [], "a name leads to a pod wherever it is");
    assert_eq!(found(100, vec![looks_at(0, 1), by_name().remove(1), looks_at(2, 1)]), [], "one may promote it");
    assert_eq!(found(100, vec![looks_at(0, 1), knows_nothing(1), knows_nothing(2)]), [], "one is no majority");
    let mut promotes = all_look_at(1);
    if let Reply::Answer(SentinelAnswer::Watching(watch)) = &mut promotes[2].heard {
        watch.failover_in_progress = true;
    }
    assert_eq!(found(100, promotes), [], "one is failing over");
}

#[test]
fn what_another_group_left_with_a_pod_keeps_nobody_from_being_elected_and_is_not_taken_back() {
    let pods = [absent(), runs(OLD, Link::Never, 0), of_another_group(NEW)];
    assert_eq!(repairs(&group(abandoned(), pods), GRACE), [PromoteInstead(pod(1))]);
    assert_eq!(repairs(&group(abandoned(), [of_another_group(NEW), waits(OLD), absent()]), GRACE), []);
}

// A holder that runs as a replica.

#[test]
fn a_holder_that_runs_as_a_replica_with_the_newest_disk_starts_anew() {
    for record in [record(), abandoned()] {
        for others in [[waits(OLD), absent()], [waits(NEW), runs(OLD, Link::Never, 0)]] {
            let [one, other] = others;
            let evidence = group(record.clone(), [follows(1, NEW, Link::Never, 0), one, other]);
            assert_eq!(repairs(&evidence, Duration::ZERO), [Restart(pod(0))]);
        }
    }
}

#[rstest]
#[case::holds_less_than_another([follows(1, OLD, Link::Never, 0), waits(NEW), absent()])]
#[case::holds_nothing([follows(1, EMPTY, Link::Never, 0), waits(EMPTY), absent()])]
#[case::has_copied_a_master([follows(1, NEW, Link::Lost, 0), waits(OLD), absent()])]
#[case::is_not_known_to_hold_the_most([follows(1, NEW, Link::Never, 0), unreported(), absent()])]
#[case::follows_a_living_master([follows(1, NEW, Link::Never, 0), master(), absent()])]
fn a_holder_is_not_restarted_where_it(#[case] pods: [Seen; 3]) {
    assert!(!repairs(&group(record(), pods), Duration::ZERO).contains(&Restart(pod(0))));
}

#[test]
fn a_holder_that_a_newer_claim_does_not_name_is_not_restarted() {
    let pods = [follows(1, NEW, Link::Never, 0), runs(OLD, Link::Never, 0), waits(OLD)];
    let evidence = while_a_newer_claim_names(1, group(record(), pods));
    let restarts = repairs(&evidence, Duration::ZERO).contains(&Restart(pod(0)));
    assert!(!restarts, "it would follow redis-1 again, and be restarted again");
}

// Everything that three pods can show.

fn each_pod(ordinal: u32) -> Vec<Seen> {
    let of = u32::from(ordinal == 0);
    let mut seen = vec![
        absent(),
        unreported(),
        (Object::Unknown, Reply::Failed(Failure::TimedOut)),
        master(),
        gone(OLD),
        gone_since(LATELY),
    ];
    seen.extend([EMPTY, OLD, NEW].map(waits));
    seen.extend([of_another_group(NEW), with_its_word(master()), with_its_word(follows(of, OLD, Link::Never, 0))]);
    for priority in [0, 100] {
        seen.extend([EMPTY, OLD, NEW].map(|disk| follows(of, disk, Link::Never, priority)));
        seen.extend([Link::Lost, Link::Up].map(|link| follows(of, OLD, link, priority)));
    }
    seen
}

fn each_record() -> Vec<RecordSeen> {
    let marks = [(instance("earlier"), LATELY), (instance("now"), LONG_AGO), (run_of(1, "now"), LATELY)];
    let marks = marks.into_iter().map(|(by, at)| Some(StartMarker { by, at }));
    let marks = [None, record().start_marker].into_iter().chain(marks);
    let records = marks
        .flat_map(|start_marker| [record(), abandoned()].map(|record| Record { start_marker: start_marker.clone(), ..record }));
    let forced = [Forced::Open, Forced::By(instance("now"))].map(forced);
    let records = records.chain([Record { is_new: true, start_marker: None, ..record() }]).chain(forced);
    [RecordSeen::Absent, RecordSeen::NotKept].into_iter().chain(records.map(RecordSeen::Present)).collect()
}

/// What a Sentinel says: what the record does, that another is the master, or that at the same epoch; and none.
fn each_council() -> [Vec<Sentinel>; 4] {
    [vec![calm(0)], vec![names(1, 6)], vec![names(1, 5)], vec![]]
}

/// Every three pods x records x councils x how long no master was seen.
fn for_everything(mut visit: impl FnMut(&Evidence, Duration)) {
    let [holders, ones, others] = [0, 1, 2].map(each_pod);
    let mut evidence = group(record(), [absent(), absent(), absent()]);
    let show = |peer: &mut Peer, (object, heard): &Seen| {
        peer.object.clone_from(object);
        peer.heard.clone_from(heard);
    };
    for (record, council) in each_record().into_iter().flat_map(|record| each_council().map(|council| (record.clone(), council)))
    {
        (evidence.record, evidence.sentinel_count, evidence.sentinels) = (record, council.len(), council);
        for holder in &holders {
            show(&mut evidence.peers[0], holder);
            for (one, other) in ones.iter().flat_map(|one| others.iter().map(move |other| (one, other))) {
                show(&mut evidence.peers[1], one);
                show(&mut evidence.peers[2], other);
                for masterless in [JUST_UNDER, GRACE] {
                    visit(&evidence, masterless);
                }
            }
        }
    }
}

/// Whom the newest claim names; nobody where two are named at one epoch.
fn named(evidence: &Evidence) -> Option<Claim> {
    let recorded = evidence.recorded().map(|record| record.claim.clone());
    let told = evidence.watches().filter_map(|(_, watch)| {
        let (master, epoch) = (evidence.member_at(&watch.master.host)?.clone(), watch.config_epoch);
        Some(Claim { master, epoch })
    });
    let claims: Vec<_> = recorded.into_iter().chain(told).collect();
    let newest = claims.iter().max_by_key(|claim| claim.epoch)?;
    let is_disputed = claims.iter().any(|claim| claim.epoch == newest.epoch && claim.master != newest.master);
    (!is_disputed).then(|| newest.clone())
}

/// What of this group's data a pod's disk is sure to hold.
fn sure(evidence: &Evidence, pod: &PodName) -> Option<Disk> {
    let peer = evidence.peer(pod)?;
    let (instance, report) = peer.report()?;
    let has_marked = evidence
        .recorded()
        .is_some_and(|record| record.start_marker.as_ref().is_some_and(|start_marker| start_marker.by == instance));
    let may_have_copied = match &peer.heard {
        Reply::Answer(Role::Replica(replica)) => replica.link != Link::Never,
        Reply::Answer(Role::Master) => true,
        _ => report.started,
    };
    let is_foreign =
        report.group.as_ref().is_some_and(|stamp| evidence.recorded().is_some_and(|record| *stamp != record.group_id));
    (!has_marked && !may_have_copied).then_some(if is_foreign { EMPTY } else { report.disk })
}

fn newest(evidence: &Evidence) -> Option<Disk> {
    evidence.peers.iter().filter_map(|peer| sure(evidence, &peer.pod)).max()
}

type Invariant = fn(&Evidence, Duration, &[Repair]) -> Result<(), String>;

fn holds(condition: bool, evidence: &Evidence, repairs: &[Repair], what: &str) -> Result<(), String> {
    if condition { Ok(()) } else { Err(format!("{what}\n{evidence}{repairs:?}")) }
}

/// In sync with the one living master, or the most advanced after the holder was given up.
fn only_who_holds_the_most_becomes_promotable(evidence: &Evidence, _: Duration, repairs: &[Repair]) -> Result<(), String> {
    let living = evidence.living_masters();
    let is_fit = |repair: &Repair| match repair {
        MakePromotable(pod) => {
            let replica = evidence.peer(pod).and_then(Peer::replica).expect("it is a replica");
            matches!(living[..], [master] if evidence.member_at(&replica.of.host) == Some(master)) && replica.link == Link::Up
        }
        PromoteInstead(pod) => {
            let record = evidence.recorded().expect("there is a record");
            let replica = evidence.peer(pod).and_then(Peer::replica).expect("it is a replica");
            let is_most_advanced = replica.link != Link::Never || sure(evidence, pod) == newest(evidence);
            let is_the_named = named(evidence).is_some_and(|claim| claim.master == record.claim.master);
            let may_hold_more = |peer: &Peer| {
                let told_lately = peer.report().is_some_and(|(_, report)| evidence.now.0 < report.at.0 + 300_000);
                told_lately && sure(evidence, &peer.pod).is_none() && peer.heard.answer().is_none()
            };
            let is_certain = is_most_advanced && !evidence.peers.iter().any(may_hold_more);
            living.is_empty() && record.is_abandoned && is_the_named && record.claim.master != *pod && is_certain
        }
        _ => true,
    };
    holds(repairs.iter().all(is_fit), evidence, repairs, "makes electable who may hold less than another")
}

fn only_a_holder_that_is_away_and_not_the_newest_is_given_up(
    evidence: &Evidence,
    masterless: Duration,
    repairs: &[Repair],
) -> Result<(), String> {
    let abandoned = repairs.iter().find_map(|repair| if let Abandon(claim) = repair { Some(claim) } else { None });
    let Some(claim) = abandoned else { return Ok(()) };
    let record = evidence.recorded().expect("there is a record");
    let disk = sure(evidence, &claim.master).filter(|disk| disk.holds_data());
    let is_newest = disk.is_some() && disk == newest(evidence);
    let is_marked_lately = record.start_marker.as_ref().is_some_and(|start_marker| start_marker.at > LONG_AGO);
    let is_again = record.is_abandoned && record.claim.master == claim.master;
    let have_all_told = evidence.peers.iter().all(|peer| peer.object == Object::Absent || sure(evidence, &peer.pod).is_some());
    let is_hopeless = have_all_told && sure(evidence, &claim.master).is_some();
    let is_due = masterless >= GRACE && !is_marked_lately || is_hopeless;
    let is_right =
        is_due && record.forced != Some(Forced::Open) && !is_newest && !is_again && named(evidence).as_ref() == Some(claim);
    holds(is_right, evidence, repairs, "gives up a holder that may come back")
}

fn only_a_holder_with_the_newest_disk_is_taken_back_or_restarted(
    evidence: &Evidence,
    _: Duration,
    repairs: &[Repair],
) -> Result<(), String> {
    let is_right = |repair: &Repair| {
        let record = evidence.recorded();
        let is_newest = |pod: &PodName| {
            let disk = sure(evidence, pod).filter(|disk| disk.holds_data());
            disk.is_some() && disk == newest(evidence) && named(evidence).is_some_and(|claim| claim.master == *pod)
        };
        match repair {
            TakeHolderBack => record.is_some_and(|record| {
                let holder = &record.claim.master;
                let lives_alone = evidence.living_masters() == [holder];
                record.is_abandoned && (lives_alone || evidence.living_masters().is_empty() && is_newest(holder))
            }),
            Restart(pod) => {
                let is_wanted = |record: &Record| record.forced == Some(Forced::Open) && record.claim.master == *pod;
                let has_told = evidence.peer(pod).is_some_and(|peer| peer.report().is_some());
                !has_told || is_newest(pod) || record.is_some_and(is_wanted)
            }
            _ => true,
        }
    };
    holds(repairs.iter().all(is_right), evidence, repairs, "helps a holder that may hold less than another")
}

fn without_a_master_at_most_one_thing_is_done_and_with_one_its_holder_is_at_most_taken_back(
    evidence: &Evidence,
    _: Duration,
    repairs: &[Repair],
) -> Result<(), String> {
    let (_, others): (Vec<_>, Vec<_>) = repairs.iter().partition(|repair| matches!(repair, ExpireReport(_)));
    let is_right = match evidence.living_masters().len() {
        0 => others.len() <= 1 && !others.iter().any(|repair| matches!(repair, MakePromotable(_))),
        1 => others.iter().all(|repair| matches!(repair, MakePromotable(_) | TakeHolderBack)),
        _ => others.is_empty(),
    };
    holds(is_right, evidence, repairs, "does too much")
}

/// Each, once, before all else; and no other's.
fn the_words_of_all_that_run_end_first(evidence: &Evidence, _: Duration, repairs: &[Repair]) -> Result<(), String> {
    let stands = |peer: &&Peer| {
        peer.heard.answer().is_some() && matches!(&peer.object, Object::Present { report: Some(report), .. } if !report.started)
    };
    let ended: Vec<_> = evidence.peers.iter().filter(stands).map(|peer| ExpireReport(peer.pod.clone())).collect();
    let others = repairs.strip_prefix(&ended[..]);
    let is_right = others.is_some_and(|others| !others.iter().any(|repair| matches!(repair, ExpireReport(_))));
    holds(is_right, evidence, repairs, "ends another word, or too late")
}

/// Nobody would promote another, and the holder would wait for ever.
fn without_sentinels_nobody_is_given_up_or_elected(evidence: &Evidence, _: Duration, repairs: &[Repair]) -> Result<(), String> {
    let replaces = repairs.iter().any(|repair| matches!(repair, Abandon(_) | PromoteInstead(_)));
    holds(!replaces || !evidence.sentinels.is_empty(), evidence, repairs, "replaces a holder where nobody elects")
}

const INVARIANTS: [Invariant; 6] = [
    without_sentinels_nobody_is_given_up_or_elected,
    only_who_holds_the_most_becomes_promotable,
    only_a_holder_that_is_away_and_not_the_newest_is_given_up,
    only_a_holder_with_the_newest_disk_is_taken_back_or_restarted,
    without_a_master_at_most_one_thing_is_done_and_with_one_its_holder_is_at_most_taken_back,
    the_words_of_all_that_run_end_first,
];

#[test]
fn no_three_pods_make_a_repair_do_harm() {
    let (mut cases, mut done) = (0, [0; 6]);
    for_everything(|evidence, masterless| {
        let repairs = repairs(evidence, masterless);
        for invariant in INVARIANTS {
            if let Err(broken) = invariant(evidence, masterless, &repairs) {
                panic!("{broken}");
            }
        }
        cases += 1;
        for repair in repairs {
            let kind = match repair {
                MakePromotable(_) => 0,
                Abandon(_) => 1,
                TakeHolderBack => 2,
                PromoteInstead(_) => 3,
                Restart(_) => 4,
                ExpireReport(_) => 5,
                KeepUnpromotable(_) => panic!("nobody has another priority than the usual one"),
                AddGroup(..) | AddSettings(..) | ForgetReplicas(_) | ForgetGroup(_) => panic!("there are no Sentinels here"),
                NameInstead(_) | Follow(..) => panic!("every address is a name here"),
            };
            done[kind] += 1;
        }
    });
    println!("{cases} cases: made electable, given up, taken back, elected instead, restarted, words ended: {done:?}");
    assert!(done.iter().all(|times| *times > 0));
}

#[rstest]
#[case::newest_is_not_given_up(&catalogue::NEWEST_NOT_ABANDONED, only_a_holder_that_is_away_and_not_the_newest_is_given_up)]
#[case::newest_is_elected(&catalogue::NEWEST_PROMOTED, only_who_holds_the_most_becomes_promotable)]
#[case::heard_lately_is_awaited(&catalogue::HEARD_LATELY, only_who_holds_the_most_becomes_promotable)]
#[case::own_group(&catalogue::OWN_GROUP, only_a_holder_with_the_newest_disk_is_taken_back_or_restarted)]
#[case::own_group_of_who_is_given_up(&catalogue::OWN_GROUP, only_a_holder_that_is_away_and_not_the_newest_is_given_up)]
#[case::only_the_holder_writes(&catalogue::ONLY_HOLDER_WRITES, without_sentinels_nobody_is_given_up_or_elected)]
#[case::word_ends_with_link(&catalogue::REPORT_EXPIRES, only_a_holder_with_the_newest_disk_is_taken_back_or_restarted)]
#[case::word_ends_with_mark(&catalogue::START_MARKER_ENDS_REPORT, only_a_holder_with_the_newest_disk_is_taken_back_or_restarted)]
fn repairs_need(#[case] rule: &'static Rule, #[case] invariant: Invariant) {
    let mut found = None;
    for_everything(|evidence, masterless| {
        if found.is_none() {
            let by_fewer = repairs_by(Rules::ALL.without(rule), evidence, masterless);
            found = invariant(evidence, masterless, &by_fewer).err();
        }
    });
    println!("without {}: {}", rule.id, found.expect("nothing breaks without it"));
}
