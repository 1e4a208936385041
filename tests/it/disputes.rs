//! Evidence that contradicts itself, strangers, and servers in the wrong part: each run ends inside
//! its deadline, with one line that says why, and with all the evidence where it is asked for.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use serde_json::{Value as Json, json};
use testbed::group::{Bed, REDIS, SENTINELS};
use testbed::wait_for;

use crate::{GIVEN_UP, UP, ordain, started};

/// What a run may take: its deadline, and what a busy machine adds.
const ENDED: Duration = Duration::from_secs(10);

/// Has a pod decide, for people and for programs; both must say the same.
fn explained(bed: &Bed, pod: &str, code: i32) -> (String, Json) {
    let started = Instant::now();
    let for_people = bed.ordain(pod, &["genconf-redis", "--deadline", "3s", "--dry-run", "--explain"]);
    assert!(started.elapsed() < ENDED, "{:?}", started.elapsed());
    let for_programs = bed.ordain(pod, &["genconf-redis", "--deadline", "3s", "--dry-run", "--explain", "-o", "json"]);
    assert_eq!((for_people.code, for_programs.code), (Some(code), Some(code)), "{for_people:?} {for_programs:?}");
    let told: Json = serde_json::from_str(for_programs.stdout.trim()).unwrap();
    let why = told["why"].as_str().unwrap();
    assert!(why.lines().count() == 1 && for_people.stderr.contains(why), "{why}: {}", for_people.stderr);
    (for_people.stderr, told)
}

#[test]
fn a_data_directory_of_another_group_has_no_part_in_this_one() {
    let mut bed = started(Bed::on_kubernetes(ordain()));
    bed.put_keys("redis-0", "key", 10);
    bed.wait_for_keys("redis-2", 10, UP);
    bed.kill("redis-2");
    bed.sandbox("redis-2").write("data/ordain-group-id", "f00d\n");
    let id = bed.namespace.as_ref().unwrap().noted("redis", "group-id").unwrap();
    let (log, told) = explained(&bed, "redis-2", 1);
    let why = format!(
        "redis-2 waits: its data directory is of the group f00d, and the record of the group {id}: give this pod its own volume back, or empty this one"
    );
    assert_eq!((told["decision"].as_str(), told["why"].as_str()), (Some("undecided"), Some(&*why)));
    assert!(told["rule"] == "own-group" && log.contains(&format!("{why} (rule own-group)")), "{told} {log}");
    assert_eq!(told["evidence"]["own"]["group_id"], "f00d");
    let record = format!("record: redis-0 at {}", bed.announced_endpoint("redis-0"));
    for line in [&*record, "own disk: last written ", ", of group f00d", "redis-0: master"] {
        assert!(log.contains(line), "{line} in {log}");
    }
    // The container itself ends the same way, and touches nothing.
    let run = bed.ordain("redis-2", &["genconf-redis", "--deadline", "3s"]);
    assert!(run.code == Some(1) && run.stderr.contains(&why), "{run:?}");
    assert_eq!(bed.sandbox("redis-2").read("data/ordain-group-id"), "f00d\n");
}

#[test]
fn a_foreign_master_at_an_address_that_the_sentinels_still_name_is_not_followed() {
    let mut bed = started(Bed::on_kubernetes(ordain()).with_env("ORDAIN_ANNOUNCE", "ip"));
    let folder = tempfile::tempdir().unwrap();
    let _stranger = bed.stranger(folder.path(), &[]);
    bed.put_keys("redis-0", "key", 10);
    bed.wait_for_keys("redis-2", 10, UP);
    bed.kill("redis-2");
    let there = bed.strange_ip().to_string();
    wait_for("the stranger", UP, || testbed::client::connect(bed.strange_ip(), 6379, None).ok());
    for sentinel in SENTINELS {
        bed.ask(sentinel, &["SENTINEL", "REMOVE", "redis"]).unwrap();
        bed.ask(sentinel, &["SENTINEL", "MONITOR", "redis", &there, "6379", "2"]).unwrap();
    }
    let (log, told) = explained(&bed, "redis-2", 1);
    let why = told["why"].as_str().unwrap();
    let there = SocketAddr::new(bed.strange_ip(), 6379);
    let names = format!(
        "names {there} at epoch 0, which is no member's address: if no member will ever have that address again, `SENTINEL REMOVE` the group there"
    );
    assert!(why.starts_with("redis-2 waits: Sentinel ") && why.ends_with(&names), "{why}");
    assert_eq!(told["rule"], "foreign-claim");
    assert_eq!(log.matches(&format!(":26379: {there} at epoch 0, ")).count(), 3, "{log}");
    assert_eq!(told["evidence"]["sentinels"].as_array().unwrap().len(), 3);
    let mut stranger = testbed::client::connect(bed.strange_ip(), 6379, None).unwrap();
    let replication = testbed::client::ask(&mut stranger, &["INFO", "replication"]).unwrap();
    assert!(testbed::client::text(&replication).contains("connected_slaves:0"));
}

#[test]
fn two_living_masters_with_equal_claims_are_refused_by_name() {
    let mut bed = started(Bed::on_kubernetes(ordain()));
    bed.kill("redis-2");
    // Of two masters reconcile tells no Sentinel anything.
    bed.ask("redis-1", &["REPLICAOF", "NO", "ONE"]).unwrap();
    // One Sentinel alone is left with an opinion, and it is not the record's.
    for sentinel in SENTINELS {
        bed.ask(sentinel, &["SENTINEL", "REMOVE", "redis"]).unwrap();
    }
    bed.ask("sentinel-0", &["SENTINEL", "MONITOR", "redis", &bed.announced("redis-1"), "6379", "2"]).unwrap();
    let (log, told) = explained(&bed, "redis-2", 1);
    assert_eq!(
        told["why"],
        "redis-2 waits: redis-0 and redis-1 are claimed as master at epoch 0, and 2 of them live: stop the wrong one, what only that pod holds is lost"
    );
    assert_eq!(told["rule"], "equal-epochs");
    let record = format!("record: redis-0 at {}", bed.announced_endpoint("redis-0"));
    for line in ["redis-0: master", "redis-1: master", &record, "does not know the group"] {
        assert!(log.contains(line), "{line} in {log}");
    }
    // When the wrong one has stopped, the same pod starts.
    bed.kill("redis-1");
    bed.start("redis-2");
    wait_for("redis-2 behind redis-0", UP, || {
        (bed.role("redis-2") == format!("replica of {}", bed.announced("redis-0"))).then_some(())
    });
}

#[test]
fn behind_a_named_master_that_runs_as_a_replica_the_others_wait_until_sentinel_has_parted_the_circle() {
    let mut bed = started(Bed::on_kubernetes(ordain()).with_quick_failover());
    bed.put_keys("redis-0", "key", 10);
    bed.wait_for_keys_everywhere(10, UP);
    bed.kill("redis-2");
    bed.ask("redis-0", &["REPLICAOF", &bed.announced("redis-1"), "6379"]).unwrap();
    let (log, told) = explained(&bed, "redis-2", 0);
    assert_eq!(told["decision"], "follow", "{told}");
    assert!(log.contains(&format!("redis-0: replica of {}", bed.announced_endpoint("redis-1"))), "{log}");
    assert!(log.contains(&format!("redis-1: replica of {}", bed.announced_endpoint("redis-0"))), "{log}");
    bed.start("redis-2");
    let master = wait_for("one master", GIVEN_UP, || REDIS.into_iter().find(|pod| bed.role(pod) == "master"));
    bed.wait_for_master(master, GIVEN_UP);
    bed.wait_for_labels(master, UP);
    bed.wait_for_keys_everywhere(10, UP);
}

/// Edits the record as nobody should.
fn have_the_record_name(bed: &Bed, pod: &str, epoch: u64) {
    let notes = json!({"ordain.dev/config-epoch": epoch.to_string(), "ordain.dev/address": bed.announced_endpoint(pod)});
    let change = json!({"metadata": {"annotations": notes}, "spec": {"holderIdentity": pod}});
    bed.namespace.as_ref().unwrap().edit_record("redis", &change);
}

#[test]
fn a_holder_that_runs_as_a_replica_in_a_circle_is_restarted_and_leads() {
    let mut bed = started(Bed::on_kubernetes(ordain()).with_quick_failover());
    bed.put_keys("redis-0", "early", 5);
    bed.wait_for_keys_everywhere(5, UP);
    bed.server("redis-1").signal("STOP");
    bed.server("redis-2").signal("STOP");
    // Its disk is the newest.
    bed.put_keys("redis-0", "late", 5);
    bed.cut_power(&[REDIS, SENTINELS].concat());
    // While nothing ran the record named redis-1, behind which the others started.
    have_the_record_name(&bed, "redis-1", 1);
    bed.lose_all_memory();
    let of = |master: &str, bed: &Bed| format!("replica of {}", bed.announced(master));
    bed.start_each(&["redis-0", "redis-2"]);
    for pod in ["redis-0", "redis-2"] {
        wait_for(&format!("{pod} running"), UP, || (bed.role(pod) == of("redis-1", &bed)).then_some(()));
    }
    have_the_record_name(&bed, "redis-0", 2);
    bed.start("redis-1");
    wait_for("a circle", UP, || (bed.role("redis-1") == of("redis-0", &bed)).then_some(()));
    bed.start_each(&SENTINELS);
    // The kubelet's part: the container has ended, and starts again.
    wait_for("reconcile ending redis-0", GIVEN_UP, || bed.server("redis-0").ended());
    bed.start("redis-0");
    bed.wait_for_master("redis-0", UP);
    bed.wait_for_keys_everywhere(10, UP);
    bed.wait_for_labels("redis-0", UP);
}
