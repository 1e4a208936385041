//! A pod that is named and may not lead: its volume was lost, its disk is old, or another leads.

use testbed::group::{Bed, REDIS, SENTINELS};
use testbed::wait_for;

use crate::{FAILED_OVER, GIVEN_UP, UP, assert_nothing_is_lost, fail_over_unheard, ordain, started, started_without_hooks};

/// The master loses its volume and restarts at once, before any Sentinel has found it down.
fn lose_the_masters_volume(bed: Bed) {
    let mut bed = started(bed);
    let writer = bed.writer();
    wait_for("something to lose", UP, || (writer.acknowledged() > 100).then_some(()));
    let before = bed.log("redis-0");
    bed.kill("redis-0");
    bed.lose_volume("redis-0");
    bed.start("redis-0");
    bed.wait_for_log("redis-0", "redis-0 waits: ", &before, UP);
    let promoted = bed.wait_for_failover("redis-0", FAILED_OVER);
    bed.wait_for_master(promoted, UP);
    let written = writer.acknowledged();
    wait_for("writes to the new master", UP, || (writer.acknowledged() > written + 20).then_some(()));
    let report = writer.stop();
    assert_nothing_is_lost(&bed, &report);
    bed.wait_for_labels(promoted, UP);
    let log = &bed.log("redis-0")[before.len()..];
    assert!(log.contains("its data directory is empty, and the group has had a master: its volume was lost"), "{log}");
}

#[test]
fn a_master_that_lost_its_volume_waits_until_a_replica_with_the_data_leads_and_follows_it() {
    lose_the_masters_volume(Bed::on_kubernetes(ordain()));
}

#[test]
fn so_it_does_where_sentinel_has_little_patience() {
    lose_the_masters_volume(Bed::on_kubernetes(ordain()).with_quick_failover());
}

#[test]
fn a_holder_on_an_older_disk_waits_until_a_newer_one_leads_and_follows_it() {
    let bed = Bed::on_kubernetes(ordain()).with_quick_failover().with_env("ORDAIN_HOLDER_GRACE", "6s");
    let mut bed = started(bed);
    let writer = bed.writer();
    wait_for("something to copy", UP, || (writer.acknowledged() > 100).then_some(()));
    let older = bed.copy_volume("redis-0");
    let copied = writer.acknowledged();
    // At five milliseconds each these take longer than the time by which a disk must be newer.
    wait_for("writes after that", UP, || (writer.acknowledged() > copied + 500).then_some(()));
    bed.cut_power(&[REDIS, SENTINELS].concat());
    let report = writer.stop();
    bed.put_back("redis-0", &older);
    bed.start_each(&[REDIS, SENTINELS].concat());
    let promoted = bed.wait_for_failover("redis-0", GIVEN_UP);
    bed.wait_for_master(promoted, UP);
    assert_nothing_is_lost(&bed, &report);
    bed.wait_for_labels(promoted, UP);
}

#[test]
fn an_old_master_that_no_sentinel_has_told_of_the_new_one_finds_it_and_follows() {
    let mut bed = started_without_hooks(Bed::on_kubernetes(ordain()).with_quick_failover());
    bed.put_keys("redis-0", "early", 10);
    bed.wait_for_keys_everywhere(10, UP);
    let promoted = fail_over_unheard(&mut bed);
    bed.put_keys(promoted, "late", 10);
    bed.cut_power(&SENTINELS);
    let before = bed.log("redis-0");
    bed.start("redis-0");
    bed.wait_for_master(promoted, UP);
    bed.wait_for_keys("redis-0", 20, UP);
    let log = bed.wait_for_log("redis-0", "which lives as master, though the record names redis-0", &before, UP);
    assert!(log.contains(&format!("redis-0 follows {promoted}")), "{log}");
    let namespace = bed.namespace.as_ref().unwrap();
    assert_eq!(namespace.holder("redis").as_deref(), Some(promoted));
    assert_eq!(namespace.noted("redis", "config-epoch").as_deref(), Some("1"));
    bed.wait_for_labels(promoted, UP);
}

#[test]
fn an_empty_replica_that_is_alone_is_not_promoted_and_the_master_comes_back_with_its_data() {
    let mut bed = started(Bed::on_kubernetes(ordain()).with_quick_failover());
    bed.put_keys("redis-0", "key", 50);
    bed.delete("redis-2");
    bed.cut_power(&["redis-0", "redis-1"]);
    bed.lose_volume("redis-1");
    bed.start("redis-1");
    wait_for("redis-1 running", UP, || (bed.role("redis-1") == format!("replica of {}", bed.announced("redis-0"))).then_some(()));
    // Sentinel wants to, and finds nobody whom it may promote.
    wait_for("a Sentinel that has tried", FAILED_OVER, || {
        SENTINELS.iter().find(|sentinel| bed.log(sentinel).contains("-failover-abort-no-good-slave"))
    });
    bed.start("redis-0");
    bed.wait_for_master("redis-0", UP);
    bed.wait_for_keys("redis-0", 50, UP);
    bed.wait_for_keys("redis-1", 50, UP);
    assert!(!bed.was_promoted("redis-1"));
}
