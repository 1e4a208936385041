//! A record that is missing: it was deleted, or there never was one, for another tool made the group.

use std::time::Duration;

use testbed::group::{Bed, REDIS, SENTINELS};
use testbed::wait_for;

use crate::{FAILED_OVER, UP, ordain, started};

const MINUTE: Duration = Duration::from_secs(60);

fn group_id(bed: &Bed) -> Option<String> {
    bed.namespace.as_ref().unwrap().noted("redis", "group-id")
}

#[test]
fn of_another_tools_snapshots_the_newest_leads_with_its_data_and_the_others_follow() {
    let mut bed = Bed::on_kubernetes(ordain());
    for pod in [REDIS, SENTINELS].concat() {
        bed.make(pod);
    }
    for (pod, keys, age) in [("redis-0", 10, 60 * MINUTE), ("redis-1", 30, 10 * MINUTE), ("redis-2", 20, 30 * MINUTE)] {
        bed.put_snapshot(pod, keys, age);
    }
    bed.start_each(&[REDIS, SENTINELS].concat());
    bed.wait_for_master("redis-1", UP);
    bed.wait_for_keys_everywhere(30, UP);
    bed.wait_for_sentinels(UP);
    bed.wait_for_labels("redis-1", UP);
    assert_eq!(bed.namespace.as_ref().unwrap().holder("redis").as_deref(), Some("redis-1"));
    let log = bed.log("redis-1");
    assert!(log.contains("made the snapshot in `/data` into the append-only file"), "{log}");
}

#[test]
fn another_tools_group_is_not_led_by_anyone_before_all_its_pods_have_told_what_they_hold() {
    let mut bed = Bed::on_kubernetes(ordain());
    for pod in REDIS {
        bed.make(pod);
    }
    bed.put_snapshot("redis-0", 10, 60 * MINUTE);
    bed.put_snapshot("redis-2", 30, MINUTE);
    bed.start_each(&["redis-0", "redis-1"]);
    bed.wait_for_log("redis-0", "redis-2 has not told what its disk holds", "", UP);
    bed.wait_for_log("redis-1", "redis-2 has not told what its disk holds", "", UP);
    bed.start("redis-2");
    bed.wait_for_master("redis-2", UP);
    bed.wait_for_keys_everywhere(30, UP);
}

#[test]
fn a_deleted_record_is_made_again_with_the_groups_id_while_all_run() {
    let bed = started(Bed::on_kubernetes(ordain()));
    let id = group_id(&bed).unwrap();
    bed.namespace.as_ref().unwrap().delete_record("redis");
    wait_for("the record", UP, || group_id(&bed).filter(|found| *found == id));
    assert_eq!(bed.namespace.as_ref().unwrap().holder("redis").as_deref(), Some("redis-0"));
    bed.wait_for_labels("redis-0", UP);
}

#[test]
fn with_the_record_and_all_memory_gone_the_most_advanced_disk_leads() {
    let mut bed = started(Bed::on_kubernetes(ordain()).with_quick_failover());
    bed.hand_over_to("redis-2", FAILED_OVER);
    bed.put_keys("redis-2", "early", 10);
    bed.wait_for_keys_everywhere(10, UP);
    bed.server("redis-0").signal("STOP");
    bed.server("redis-1").signal("STOP");
    bed.put_keys("redis-2", "late", 40);
    bed.cut_power(&[REDIS, SENTINELS].concat());
    bed.lose_all_memory();
    let id = group_id(&bed).unwrap();
    bed.namespace.as_ref().unwrap().delete_record("redis");

    bed.start_each(&[REDIS, SENTINELS].concat());
    bed.wait_for_master("redis-2", UP);
    bed.wait_for_keys_everywhere(50, UP);
    bed.wait_for_sentinels(UP);
    bed.wait_for_labels("redis-2", UP);
    assert_eq!(group_id(&bed), Some(id), "the data directories' own");
}
