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
    assert!(log.contains("converted `/data/dump.rdb` into the append-only file"), "{log}");
}

#[test]
fn a_snapshot_is_loaded_though_a_backup_lies_in_a_folder_beside_it() {
    let mut bed = Bed::on_kubernetes(ordain());
    for pod in [REDIS, SENTINELS].concat() {
        bed.make(pod);
    }
    bed.put_snapshot("redis-0", 10, 60 * MINUTE);
    let backup = bed.sandbox("redis-0").path("data/backup");
    std::fs::create_dir(&backup).unwrap();
    std::fs::copy(backup.with_file_name("dump.rdb"), backup.join("last-week.rdb")).unwrap();
    bed.start_each(&[REDIS, SENTINELS].concat());
    bed.wait_for_master("redis-0", UP);
    bed.wait_for_keys_everywhere(10, UP);
}

#[test]
fn data_under_a_name_that_no_server_loads_is_refused_and_left_as_it_is() {
    let mut bed = Bed::on_kubernetes(ordain());
    bed.make("redis-0");
    bed.put_snapshot("redis-0", 10, 60 * MINUTE);
    let sandbox = bed.sandbox("redis-0");
    let (dump, other) = (sandbox.path("data/dump.rdb"), sandbox.path("data/redis.rdb"));
    std::fs::rename(dump, &other).unwrap();
    let before = std::fs::read(&other).unwrap();
    let refused = sandbox.run_in(&sandbox.containers()[0], &["/opt/ordain/ordain", "genconf-redis"]);
    let said = String::from_utf8_lossy(&refused.stderr);
    assert!(refused.status.code() == Some(2) && said.contains("would start empty beside `/data/redis.rdb`"), "{said}");
    assert_eq!(std::fs::read(&other).unwrap(), before);
    assert_eq!(group_id(&bed), None, "nothing is recorded");
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
    bed.wait_for_log("redis-0", "redis-2 has not reported its disk", "", UP);
    bed.wait_for_log("redis-1", "redis-2 has not reported its disk", "", UP);
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
