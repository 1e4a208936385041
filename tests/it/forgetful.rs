//! Sentinels that have forgotten: their files are gone, or older than the last failover.

use serde_json::json;
use testbed::group::{Bed, SENTINELS};
use testbed::wait_for;

use crate::{FAILED_OVER, GIVEN_UP, UP, fail_over_unheard, ordain, started, started_without_hooks};

fn assert_all_name(bed: &Bed, master: &str, epoch: &str) {
    for sentinel in SENTINELS {
        wait_for(&format!("{sentinel} naming {master} at epoch {epoch}"), UP, || {
            let is_right =
                bed.named_by(sentinel) == Some(master) && bed.sentinel_field(sentinel, "config-epoch").as_deref() == Some(epoch);
            is_right.then_some(())
        });
    }
}

#[test]
fn sentinels_that_lost_all_files_at_once_know_the_group_and_each_other_and_elect() {
    let mut bed = started(Bed::on_kubernetes(ordain()).with_quick_failover());
    bed.hand_over_to("redis-1", FAILED_OVER);
    bed.cut_power(&SENTINELS);
    bed.lose_all_memory();
    bed.start_each(&SENTINELS);
    bed.wait_for_sentinels(UP);
    let epoch = bed.namespace.as_ref().unwrap().noted("redis", "config-epoch").unwrap();
    assert_ne!(epoch, "0");
    assert_all_name(&bed, "redis-1", &epoch);
    bed.kill("redis-1");
    let promoted = bed.wait_for_failover("redis-1", FAILED_OVER);
    bed.wait_for_labels(promoted, UP);
}

#[test]
fn sentinels_that_lost_all_files_while_the_master_died_for_good_elect_another() {
    let mut bed = started(Bed::on_kubernetes(ordain()).with_quick_failover());
    bed.hand_over_to("redis-1", FAILED_OVER);
    bed.put_keys("redis-1", "key", 10);
    bed.wait_for_keys_everywhere(10, UP);
    bed.cut_power(&[&["redis-1"][..], &SENTINELS].concat());
    bed.delete_at_once(&["redis-1"]);
    bed.lose_all_memory();
    bed.start_each(&SENTINELS);
    let promoted = bed.wait_for_failover("redis-1", GIVEN_UP);
    assert_eq!(bed.keys(promoted), Some(10));
    wait_for("the record to follow", UP, || (bed.namespace.as_ref().unwrap().holder("redis")? == promoted).then_some(()));
}

#[test]
fn sentinels_without_files_wait_for_a_marked_master_no_longer_than_the_grace() {
    let bed = Bed::on_kubernetes(ordain()).with_quick_failover().with_env("ORDAIN_HOLDER_GRACE", "15s");
    let mut bed = started(bed);
    bed.cut_power(&[&["redis-0"][..], &SENTINELS].concat());
    bed.lose_all_memory();
    bed.start_each(&SENTINELS);
    let promoted = bed.wait_for_failover("redis-0", GIVEN_UP);
    bed.wait_for_labels(promoted, UP);
}

#[test]
fn two_sentinels_on_files_older_than_the_failover_believe_the_record_and_so_does_the_late_third() {
    let mut bed = started(Bed::on_kubernetes(ordain()).with_quick_failover());
    let older = ["sentinel-0", "sentinel-1"].map(|sentinel| (sentinel, bed.copy_volume(sentinel)));
    bed.hand_over_to("redis-1", FAILED_OVER);
    let epoch = bed.namespace.as_ref().unwrap().noted("redis", "config-epoch").unwrap();
    bed.cut_power(&SENTINELS);
    for (sentinel, files) in &older {
        bed.put_back(sentinel, files);
        bed.start(sentinel);
    }
    for (sentinel, _) in &older {
        wait_for(&format!("{sentinel} naming redis-1"), UP, || (bed.named_by(sentinel) == Some("redis-1")).then_some(()));
    }
    bed.start("sentinel-2");
    assert_all_name(&bed, "redis-1", &epoch);
    bed.wait_for_master("redis-1", UP);
    assert!(!bed.was_promoted("redis-0") && !bed.was_promoted("redis-2"));
}

#[test]
fn two_sentinels_on_old_files_beside_an_old_record_believe_the_master_that_lives() {
    let mut bed = started_without_hooks(Bed::on_kubernetes(ordain()).with_quick_failover());
    let older = ["sentinel-0", "sentinel-1"].map(|sentinel| (sentinel, bed.copy_volume(sentinel)));
    let promoted = fail_over_unheard(&mut bed);
    bed.put_keys(promoted, "key", 10);
    bed.cut_power(&SENTINELS);
    for (sentinel, files) in &older {
        bed.put_back(sentinel, files);
        bed.start(sentinel);
    }
    for (sentinel, _) in &older {
        wait_for(&format!("{sentinel} naming {promoted}"), UP, || (bed.named_by(sentinel) == Some(promoted)).then_some(()));
    }
    assert_eq!(bed.namespace.as_ref().unwrap().holder("redis").as_deref(), Some(promoted));
    bed.start("redis-0");
    bed.wait_for_master(promoted, UP);
    bed.start("sentinel-2");
    assert_all_name(&bed, promoted, "1");
    bed.wait_for_keys_everywhere(10, UP);
}

#[test]
fn a_failover_that_counts_from_1_again_moves_a_record_that_is_far_ahead() {
    let mut bed = started(Bed::on_kubernetes(ordain()).with_quick_failover());
    let ahead = json!({"metadata": {"annotations": {"ordain.dev/config-epoch": "5"}}});
    // Told at run time, as by hand: no epoch, and no hook, which cannot be set so.
    bed.namespace.as_ref().unwrap().edit_record("redis", &ahead);
    let master = bed.announced("redis-0");
    for sentinel in SENTINELS {
        for words in [
            &["SENTINEL", "REMOVE", "redis"][..],
            &["SENTINEL", "MONITOR", "redis", &master, "6379", "2"],
            &["SENTINEL", "SET", "redis", "down-after-milliseconds", "2000", "failover-timeout", "5000"],
        ] {
            bed.ask(sentinel, words).unwrap();
        }
    }
    bed.wait_for_sentinels(UP);
    bed.kill("redis-0");
    let promoted = bed.wait_for_failover("redis-0", FAILED_OVER);
    bed.wait_for_labels(promoted, UP);
    let namespace = bed.namespace.as_ref().unwrap();
    assert_eq!(namespace.holder("redis").as_deref(), Some(promoted));
    assert_eq!(namespace.noted("redis", "config-epoch").as_deref(), Some("6"));
    bed.start("redis-0");
    bed.wait_for_master(promoted, UP);
}
