//! All pods are killed at once, Redis and Sentinels; the volumes stay. The master was on the last
//! ordinal, and nobody else has its newest writes.

use std::time::Duration;

use testbed::client::Report;
use testbed::group::{Bed, REDIS, SENTINELS};
use testbed::wait_for;

use crate::{
    FAILED_OVER, GIVEN_UP, UP, assert_nothing_is_lost, cut_power_while_writing, fail_over_unheard, ordain, started,
    started_without_hooks,
};

/// What becomes of the Sentinels' files.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Memory {
    Kept,
    Lost,
}

/// A group that redis-2 leads, and goes on leading on a busy machine.
fn led_by_redis_2(bed: Bed) -> Bed {
    let mut bed = started(bed);
    bed.hand_over_to("redis-2", FAILED_OVER);
    bed
}

fn assert_is_as_before(bed: &Bed, report: &Report) {
    bed.wait_for_master("redis-2", UP);
    assert_nothing_is_lost(bed, report);
    bed.wait_for_sentinels(UP);
    assert!(SENTINELS.iter().all(|sentinel| bed.named_by(sentinel) == Some("redis-2")));
    bed.wait_for_labels("redis-2", UP);
    assert!(!bed.was_promoted("redis-0") && !bed.was_promoted("redis-1"));
}

fn all_come_back_at_once(memory: Memory) {
    let mut bed = led_by_redis_2(Bed::on_kubernetes(ordain()));
    let report = cut_power_while_writing(&mut bed, "redis-2");
    if memory == Memory::Lost {
        bed.lose_all_memory();
    }
    bed.start_each(&[REDIS, SENTINELS].concat());
    assert_is_as_before(&bed, &report);
}

#[test]
fn when_all_come_back_at_once_the_last_ordinal_leads_with_all_that_it_had() {
    all_come_back_at_once(Memory::Kept);
}

#[test]
fn when_all_come_back_at_once_the_sentinels_having_forgotten_the_last_ordinal_leads_with_all_that_it_had() {
    all_come_back_at_once(Memory::Lost);
}

/// As `OrderedReady` does: no pod exists before the one of the ordinal below answers.
fn all_are_made_again_in_order(memory: Memory) {
    let mut bed = led_by_redis_2(Bed::on_kubernetes(ordain()));
    let report = cut_power_while_writing(&mut bed, "redis-2");
    bed.delete_at_once(&[REDIS, SENTINELS].concat());
    for sentinel in SENTINELS {
        if memory == Memory::Lost {
            bed.lose_memory(sentinel);
        }
        bed.make_again(sentinel);
        bed.start(sentinel);
    }
    for pod in REDIS {
        bed.make_again(pod);
        bed.start(pod);
        wait_for(&format!("{pod} answering"), UP, || bed.connect(pod).ok());
    }
    assert_is_as_before(&bed, &report);
}

#[test]
fn when_the_pods_are_made_again_in_order_the_last_one_leads_with_all_that_it_had() {
    all_are_made_again_in_order(Memory::Kept);
}

#[test]
fn when_the_pods_are_made_again_in_order_the_sentinels_having_forgotten_the_last_one_leads_with_all_that_it_had() {
    all_are_made_again_in_order(Memory::Lost);
}

/// A group without power whose record names redis-0, while only the one that was promoted since has the newest
/// keys: which that is, and the third.
fn cut_off_with_a_stale_record() -> (Bed, &'static str, &'static str) {
    let mut bed = started_without_hooks(Bed::on_kubernetes(ordain()).with_quick_failover().with_env("ORDAIN_HOLDER_GRACE", "6s"));
    bed.put_keys("redis-0", "early", 10);
    bed.wait_for_keys_everywhere(10, UP);
    let promoted = fail_over_unheard(&mut bed);
    let third = REDIS.into_iter().find(|pod| *pod != "redis-0" && *pod != promoted).unwrap();
    bed.kill(third);
    bed.put_keys(promoted, "late", 40);
    bed.cut_power(&[&[promoted][..], &SENTINELS].concat());
    bed.lose_all_memory();
    (bed, promoted, third)
}

#[test]
fn a_record_that_missed_the_last_failover_does_not_make_an_older_disk_the_master() {
    let (mut bed, promoted, third) = cut_off_with_a_stale_record();
    bed.reconcile_from_now_on();
    bed.start_each(&[REDIS, SENTINELS].concat());
    bed.wait_for_master(promoted, GIVEN_UP);
    bed.wait_for_keys_everywhere(50, UP);
    bed.wait_for_labels(promoted, GIVEN_UP);
    assert!(!bed.was_promoted("redis-0") && !bed.was_promoted(third));
}

#[test]
fn a_stale_holder_that_has_waited_past_the_grace_waits_for_the_newest_disk_that_is_silent_for_a_moment() {
    let (mut bed, promoted, third) = cut_off_with_a_stale_record();
    // Sentinel must not elect the newest disk's pod before it falls silent.
    bed.make_sentinels_patient(Duration::from_secs(120));
    bed.start_each(&[&["redis-0", promoted, third][..], &SENTINELS].concat());
    let noted = |bed: &Bed, key| bed.namespace.as_ref().unwrap().told("redis-0", key);
    wait_for("redis-0 noting of whom it hears", UP, || noted(&bed, "heard")?.contains(promoted).then_some(()));
    assert!(noted(&bed, "trying-since").is_some());
    // Both what the newest disk has told and since when the holder waits are older than the grace.
    std::thread::sleep(Duration::from_secs(8));
    assert_eq!(bed.role("redis-0"), "", "it waits, be it for an older disk or for who has marked the record since it told");
    bed.kill(promoted);
    // A third of the grace, in which redis-0 looks several times.
    std::thread::sleep(Duration::from_secs(2));
    bed.start(promoted);

    bed.tell_sentinels_to_wait(Duration::from_secs(2));
    bed.wait_for_master(promoted, FAILED_OVER);
    bed.wait_for_keys_everywhere(50, UP);
    assert!(!bed.was_promoted("redis-0") && !bed.was_promoted(third));
}

#[test]
fn a_group_in_which_nothing_was_written_since_its_replicas_copied_it_comes_back_as_soon() {
    let bed = Bed::on_kubernetes(ordain()).with_quick_failover();
    let mut bed = started(bed);
    bed.put_keys("redis-0", "key", 10);
    bed.wait_for_keys_everywhere(10, UP);
    bed.age_volume("redis-0", Duration::from_secs(60));
    // It copies the whole, and so its files are newer than those that it copied.
    for pod in ["redis-1", "redis-2"] {
        bed.kill(pod);
        bed.start(pod);
        bed.wait_for_master("redis-0", UP);
    }
    bed.wait_for_promotable(UP);
    for _ in 0..3 {
        bed.cut_power(&[REDIS, SENTINELS].concat());
        bed.start_each(&[REDIS, SENTINELS].concat());
        let master = wait_for("a master", UP, || REDIS.into_iter().find(|pod| bed.role(pod) == "master"));
        bed.wait_for_master(master, UP);
        bed.wait_for_promotable(UP);
        bed.wait_for_keys_everywhere(10, UP);
    }
}

#[test]
fn pods_that_are_killed_again_while_they_come_back_still_come_back() {
    let mut bed = led_by_redis_2(Bed::on_kubernetes(ordain()));
    let report = cut_power_while_writing(&mut bed, "redis-2");
    for moment in [20, 100, 400, 1000].map(Duration::from_millis) {
        bed.start_each(&[REDIS, SENTINELS].concat());
        // A moment of no meaning, which is the point.
        std::thread::sleep(moment);
        bed.cut_power(&[REDIS, SENTINELS].concat());
    }
    bed.start_each(&[REDIS, SENTINELS].concat());
    assert_is_as_before(&bed, &report);
}
