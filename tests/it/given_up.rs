//! A master that stays away: after the grace reconcile gives it up, and the most advanced of what is
//! left is elected; what happens when it is back all the same.

use std::time::{Duration, Instant};

use testbed::group::{Bed, REDIS, SENTINELS};
use testbed::wait_for;

use crate::{GIVEN_UP, UP, ordain, started};

const GRACE: Duration = Duration::from_secs(6);

fn with_short_grace() -> Bed {
    started(Bed::on_kubernetes(ordain()).with_quick_failover().with_env("ORDAIN_HOLDER_GRACE", "6s"))
}

fn holder(bed: &Bed) -> Option<String> {
    bed.namespace.as_ref().unwrap().holder("redis")
}

fn wait_until_given_up(bed: &Bed) {
    wait_for("the master being given up", GIVEN_UP, || bed.namespace.as_ref().unwrap().noted("redis", "given-up"));
}

/// No Sentinel knows the address of a pod that was made anew while no master lives: so the record names it, and its
/// container starts again. By its name Sentinel finds it.
fn restart_where_no_sentinel_knows_it(bed: &mut Bed, pod: &str) {
    if bed.is_by_address() {
        wait_for(&format!("the end of {pod}'s server"), GIVEN_UP, || bed.server(pod).ended());
        bed.start(pod);
    }
}

#[test]
fn of_two_restarted_replicas_nobody_is_promoted_before_the_grace_and_then_the_one_with_more() {
    let mut bed = with_short_grace();
    bed.put_keys("redis-0", "first", 1);
    bed.wait_for_keys("redis-1", 1, UP);
    bed.kill("redis-1");
    bed.put_keys("redis-0", "more", 49);
    bed.wait_for_keys("redis-2", 50, UP);
    // For good: its object, its name and its volume.
    let died = Instant::now();
    bed.cut_power(&["redis-2"]);
    bed.delete("redis-0");
    bed.lose_volume("redis-0");

    bed.start_each(&["redis-1", "redis-2"]);
    wait_until_given_up(&bed);
    assert!(died.elapsed() >= GRACE, "given up after {:?}", died.elapsed());
    restart_where_no_sentinel_knows_it(&mut bed, "redis-2");
    assert_eq!(bed.wait_for_failover("redis-0", GIVEN_UP), "redis-2");
    bed.wait_for_master("redis-2", UP);
    bed.wait_for_keys("redis-1", 50, UP);
    bed.wait_for_keys("redis-2", 50, UP);
    wait_for("the record to follow", UP, || (holder(&bed)? == "redis-2").then_some(()));
    assert!(!bed.was_promoted("redis-1"));
}

/// All Redis pods are away, longer than the grace; redis-0 alone has the newest writes.
fn outage_beyond_the_grace() -> Bed {
    let mut bed = with_short_grace();
    bed.put_keys("redis-0", "early", 10);
    bed.wait_for_keys_everywhere(10, UP);
    bed.server("redis-1").signal("STOP");
    bed.server("redis-2").signal("STOP");
    bed.put_keys("redis-0", "late", 40);
    bed.delete_at_once(&REDIS);
    wait_until_given_up(&bed);
    bed
}

#[test]
fn a_holder_that_was_given_up_and_is_back_with_the_newest_disk_leads_again() {
    let mut bed = outage_beyond_the_grace();
    bed.make_again("redis-0");
    let before = bed.log("redis-0");
    bed.start("redis-0");
    wait_for("redis-0 leading", GIVEN_UP, || (bed.role("redis-0") == "master").then_some(()));
    for pod in ["redis-1", "redis-2"] {
        bed.make_again(pod);
        bed.start(pod);
    }
    bed.wait_for_master("redis-0", UP);
    bed.wait_for_keys_everywhere(50, UP);
    bed.wait_for_labels("redis-0", UP);
    let log = &bed.log("redis-0")[before.len()..];
    assert!(log.contains("it was abandoned while it was away"), "{log}");
    let is_taken_back = |sentinel: &&str| bed.log_of(sentinel, "reconcile").contains("the abandoned master is back");
    assert!(SENTINELS.iter().any(is_taken_back), "no reconcile has taken it back");
}

#[test]
fn a_holder_that_was_given_up_and_is_back_with_an_older_disk_follows() {
    let mut bed = with_short_grace();
    bed.put_keys("redis-0", "early", 10);
    bed.wait_for_keys_everywhere(10, UP);
    let older = bed.copy_volume("redis-0");
    bed.server("redis-1").signal("STOP");
    let writer = bed.writer();
    // At five milliseconds each these take longer than the time by which a disk must be newer.
    wait_for("writes after that", UP, || (writer.acknowledged() > 500).then_some(()));
    bed.delete_at_once(&REDIS);
    let report = writer.stop();
    bed.put_back("redis-0", &older);
    wait_until_given_up(&bed);
    for pod in ["redis-1", "redis-2", "redis-0"] {
        bed.make_again(pod);
    }
    bed.start_each(&["redis-1", "redis-2", "redis-0"]);
    restart_where_no_sentinel_knows_it(&mut bed, "redis-2");
    assert_eq!(bed.wait_for_failover("redis-0", GIVEN_UP), "redis-2");
    bed.wait_for_master("redis-2", UP);
    crate::assert_nothing_is_lost(&bed, &report);
    bed.wait_for_labels("redis-2", UP);
    assert!(!bed.was_promoted("redis-1"));
}
