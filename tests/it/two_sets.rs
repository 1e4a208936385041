//! `manifests/master-replica-sentinel`: one group in two StatefulSets, a Sentinel beside each Redis.

use testbed::group::Bed;
use testbed::layout::MASTER_REPLICA_SENTINEL;
use testbed::wait_for;

use crate::{FAILED_OVER, UP, assert_nothing_is_lost, cut_power_while_writing, ordain, started};

fn bed() -> Bed {
    Bed::on_kubernetes(ordain()).of(&MASTER_REPLICA_SENTINEL)
}

fn holder(bed: &Bed) -> Option<String> {
    bed.namespace.as_ref().unwrap().holder("redis")
}

/// A group that is up, and has moved to another master.
fn led_by(master: &str) -> Bed {
    let mut bed = started(bed());
    bed.hand_over_to(master, FAILED_OVER);
    bed
}

#[test]
fn a_master_moves_into_the_replicas_set_and_back() {
    let mut bed = started(bed());
    assert_eq!(holder(&bed).as_deref(), Some("redis-0"));
    let writer = bed.writer();
    for master in ["redis-replicas-1", "redis-0", "redis-replicas-0"] {
        bed.hand_over_to(master, FAILED_OVER);
        assert_eq!(holder(&bed).as_deref(), Some(master));
    }
    assert_nothing_is_lost(&bed, &writer.stop());
}

#[test]
fn when_all_come_back_at_once_the_master_of_the_replicas_set_leads_with_all_that_it_had() {
    let mut bed = led_by("redis-replicas-1");
    let report = cut_power_while_writing(&mut bed, "redis-replicas-1");
    bed.start_each(&bed.pods());
    bed.wait_for_master("redis-replicas-1", UP);
    assert_nothing_is_lost(&bed, &report);
    bed.wait_for_sentinels(UP);
    bed.wait_for_labels("redis-replicas-1", UP);
    assert!(!bed.was_promoted("redis-replicas-0"));
}

#[test]
fn while_the_api_server_is_away_the_first_pod_finds_its_master_in_the_replicas_set() {
    let mut bed = started(bed().with_gates());
    bed.hand_over_to("redis-replicas-1", FAILED_OVER);
    for pod in bed.pods() {
        bed.gate(pod).shut();
    }
    bed.kill("redis-0");
    bed.start("redis-0");
    bed.wait_for_master("redis-replicas-1", UP);
    bed.wait_for_sentinels(UP);
}

#[test]
fn a_pod_more_takes_its_part_without_a_restart_of_the_others_and_hands_it_over_when_it_is_one_less() {
    let mut bed = started(bed());
    let knows = |bed: &Bed, sentinel: &str, field: &str, count: &str| {
        wait_for(&format!("{sentinel} saying {field} {count}"), FAILED_OVER, || {
            (bed.sentinel_field(sentinel, field).as_deref() == Some(count)).then_some(())
        });
    };
    bed.make("redis-replicas-2");
    bed.start("redis-replicas-2");
    for sentinel in ["redis-0/sentinel", "redis-replicas-0/sentinel", "redis-replicas-1/sentinel", "redis-replicas-2/sentinel"] {
        knows(&bed, sentinel, "num-slaves", "3");
        knows(&bed, sentinel, "num-other-sentinels", "3");
    }
    let label = |bed: &Bed| bed.namespace.as_ref().unwrap().label("redis-replicas-2", "role");
    wait_for("its label", UP, || (label(&bed).as_deref() == Some("slave")).then_some(()));
    wait_for("redis-replicas-2 being electable", UP, || {
        bed.text("redis-replicas-2", &["INFO", "replication"]).contains("slave_priority:100").then_some(())
    });

    // Only the new one can be promoted.
    for pod in ["redis-replicas-0", "redis-replicas-1"] {
        bed.server(pod).signal("STOP");
    }
    let knows_down = || bed.text("redis-0/sentinel", &["SENTINEL", "REPLICAS", "redis"]).matches("s_down").count();
    wait_for("the others being found down", UP, || (knows_down() >= 2).then_some(()));
    bed.fail_over("redis-0/sentinel", FAILED_OVER);
    wait_for("its label", FAILED_OVER, || (label(&bed).as_deref() == Some("master")).then_some(()));
    for pod in ["redis-replicas-0", "redis-replicas-1"] {
        bed.server(pod).signal("CONT");
    }
    wait_for("all behind it", UP, || {
        let behind = format!("replica of {}", bed.announced("redis-replicas-2"));
        bed.layout.redis.iter().all(|pod| bed.role(pod) == behind).then_some(())
    });
    bed.wait_for_promotable(UP);

    bed.put_keys("redis-replicas-2", "key", 100);
    let run = bed.exec("redis-replicas-2", "/lifecycle/preStop");
    assert!(run.code == Some(0) && run.stderr.contains("has handed over"), "{run:?}");
    bed.remove("redis-replicas-2");
    let master = wait_for("another master", UP, || bed.layout.redis.iter().find(|pod| bed.role(pod) == "master"));
    bed.wait_for_master(master, UP);
    bed.wait_for_labels(master, UP);
    bed.wait_for_keys_everywhere(100, UP);
}
