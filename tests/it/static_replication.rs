//! `manifests/static-replication`: a master and its replicas in two StatefulSets, with a password and without
//! Sentinel.

use std::process::Command;
use std::time::{Duration, Instant};

use testbed::client::ask;
use testbed::group::Bed;
use testbed::layout::STATIC_REPLICATION;
use testbed::process::Process;
use testbed::wait_for;

use crate::{UP, ordain};

/// So much later was a replica written.
const LATER: Duration = Duration::from_secs(48 * 60 * 60);

/// A group that is up, with ten keys.
fn led_by_redis_0() -> Bed {
    let mut bed = Bed::on_kubernetes(ordain()).of(&STATIC_REPLICATION).with_secret("p%w &'");
    bed.start_all();
    bed.wait_for_master("redis-0", UP);
    bed.wait_for_labels("redis-0", UP);
    bed.put_keys("redis-0", "key", 10);
    bed.wait_for_keys_everywhere(10, UP);
    bed
}

/// All pods are away, and whatever the master holds was last written long before its copies.
fn copied_later() -> Bed {
    let mut bed = led_by_redis_0();
    bed.cut_power(&bed.pods());
    bed.age_volume("redis-0", LATER);
    bed
}

#[test]
fn a_master_leads_with_its_data_though_its_replicas_have_copied_it_later() {
    let mut bed = copied_later();
    bed.start_each(&bed.pods());
    bed.wait_for_master("redis-0", UP);
    bed.wait_for_labels("redis-0", UP);
    bed.wait_for_keys_everywhere(10, UP);
    assert_eq!(bed.text("redis-0", &["SET", "key", "value"]), "OK");
}

#[test]
fn a_master_that_starts_alone_waits_for_none_of_its_replicas() {
    let mut bed = copied_later();
    bed.delete("redis-replicas-1");
    bed.start("redis-0");
    let began = Instant::now();
    // It tells its role while it loads, and its keys only then.
    let keys = wait_for("redis-0 answering", UP, || bed.keys("redis-0"));
    eprintln!("a master that starts alone leads after {:.2?}", began.elapsed());
    assert_eq!((bed.role("redis-0").as_str(), keys), ("master", 10));
}

#[test]
fn a_master_whose_volume_was_lost_does_not_lead_and_a_person_says_who_does() {
    let mut bed = copied_later();
    bed.lose_volume("redis-0");
    bed.start_each(&bed.pods());
    let how = "its volume was lost; without Sentinel a person decides: `ordain reconcile --assume-master POD`";
    bed.wait_for_log("redis-0", how, "", UP);
    for pod in ["redis-replicas-0", "redis-replicas-1"] {
        bed.wait_for_keys(pod, 10, UP);
    }
    assert_eq!(bed.role("redis-0"), "");

    // As the README has it.
    let said = bed.ordain("redis-replicas-0", &["reconcile", "--assume-master", "redis-replicas-0", "--yes"]);
    assert_eq!(said.code, Some(0), "{said:?}");
    for pod in ["redis-replicas-0", "redis-0", "redis-replicas-1"] {
        bed.kill(pod);
        bed.start(pod);
    }
    bed.wait_for_master("redis-replicas-0", UP);
    bed.wait_for_labels("redis-replicas-0", UP);
    bed.wait_for_keys_everywhere(10, UP);
}

#[test]
fn before_a_master_stops_its_replicas_have_every_write_and_it_takes_no_more() {
    let mut bed = led_by_redis_0();
    let replica = "redis-replicas-0";
    bed.server(replica).signal("STOP");
    bed.put_keys("redis-0", "late", 2_000);
    let sandbox = bed.sandbox("redis-0");
    let mut handover = sandbox.start(&sandbox.containers()[0], &["/opt/ordain/ordain", "handover"]);
    bed.wait_for_log("redis-0", "redis-0 waits before it stops: redis-replicas-0: ", "", UP);
    assert_eq!(handover.ended(), None);
    bed.server(replica).signal("CONT");
    let ended = wait_for("the handover's end", UP, || handover.ended());
    let log = handover.log();
    assert!(ended.success() && log.contains("its replicas have all its writes, 2 of them"), "{log}");
    assert_eq!(bed.keys(replica), Some(2_010), "at once");
    let mut client = bed.connect("redis-0").unwrap();
    let refused = ask(&mut client, &["SET", "too", "late"]).unwrap_err();
    assert!(refused.is_timeout(), "a write waits for an answer until the server is gone: {refused}");
    bed.cut_power(&["redis-0"]);
    assert_eq!(bed.keys(replica), Some(2_010));
    bed.start("redis-0");
    bed.wait_for_master("redis-0", UP);
    bed.wait_for_keys_everywhere(2_010, UP);
}

#[test]
fn a_replica_and_a_pod_without_a_server_have_nothing_to_hand_over() {
    let mut bed = led_by_redis_0();
    let run = bed.exec("redis-replicas-1", "/lifecycle/preStop");
    assert!(run.code == Some(0) && run.stderr.contains("has nothing to hand over: it is a replica of"), "{run:?}");
    bed.kill("redis-replicas-1");
    let run = bed.exec("redis-replicas-1", "/lifecycle/preStop");
    assert!(run.code == Some(0) && run.stderr.contains("no Redis runs here"), "{run:?}");
    let run = bed.exec("redis-0", "/lifecycle/preStop");
    assert!(run.code == Some(0) && run.stderr.contains("its replicas have all its writes, 1 of them"), "{run:?}");
}

#[test]
fn replicas_are_scaled_up_and_down_and_the_master_starts_again_without_them() {
    let mut bed = led_by_redis_0();
    bed.make("redis-replicas-2");
    bed.start("redis-replicas-2");
    bed.wait_for_keys("redis-replicas-2", 10, UP);
    let label = |pod: &str| bed.namespace.as_ref().unwrap().label(pod, "role");
    wait_for("its label", UP, || (label("redis-replicas-2").as_deref() == Some("slave")).then_some(()));
    for pod in ["redis-replicas-2", "redis-replicas-1", "redis-replicas-0"] {
        bed.remove(pod);
    }
    bed.put_keys("redis-0", "alone", 10);
    bed.cut_power(&["redis-0"]);
    bed.start("redis-0");
    wait_for("redis-0 leading", UP, || (bed.role("redis-0") == "master").then_some(()));
    for pod in ["redis-replicas-0", "redis-replicas-1"] {
        bed.make(pod);
        bed.start(pod);
    }
    bed.wait_for_master("redis-0", UP);
    bed.wait_for_labels("redis-0", UP);
    bed.wait_for_keys_everywhere(20, UP);
}

#[test]
fn reconcile_without_sentinels_goes_on_until_it_is_told_to_end() {
    let folder = tempfile::tempdir().unwrap();
    let mut command = Command::new(ordain());
    command.args(["reconcile", "--watch", "--no-kubernetes", "--group", "redis", "--sentinel-count", "0"]);
    let mut reconcile = Process::start("reconcile", &folder.path().join("log"), &command);
    // Handlers that the kernel knows of stand in a mask of its own.
    let status = format!("/proc/{}/status", reconcile.id());
    wait_for("a handler for SIGTERM", UP, || {
        let mask = std::fs::read_to_string(&status).ok()?;
        let caught = mask.lines().find_map(|line| line.strip_prefix("SigCgt:"))?.trim();
        (u64::from_str_radix(caught, 16).ok()? & 1 << 14 != 0).then_some(())
    });
    reconcile.signal("TERM");
    let ended = wait_for("its end", UP, || reconcile.ended());
    assert_eq!(ended.code(), Some(0), "{}", reconcile.log());
}

/// How much processor time a process has taken so far, in ticks of a hundredth of a second (`proc_pid_stat(5)`).
fn ticks(id: u32) -> u64 {
    let stat = std::fs::read_to_string(format!("/proc/{id}/stat")).unwrap();
    let fields: Vec<_> = stat.rsplit_once(')').unwrap().1.split_whitespace().collect();
    fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap()
}

#[test]
fn reconcile_without_sentinels_keeps_the_labels_and_rests() {
    let bed = led_by_redis_0();
    let namespace = bed.namespace.as_ref().unwrap();
    // As the Sentinels' accounts may.
    let name = namespace.name.as_str();
    namespace.plane.kubectl(&["create", "role", "follow", "--verb=list,watch", "--resource=leases", "-n", name], "").unwrap();
    let everybody = format!("--group=system:serviceaccounts:{name}");
    namespace.plane.kubectl(&["create", "rolebinding", "follow", "--role=follow", &everybody, "-n", name], "").unwrap();
    let sandbox = bed.sandbox("redis-0");
    let mut reconcile = sandbox.start(&sandbox.containers()[0], &["/opt/ordain/ordain", "reconcile", "--watch"]);
    for pod in ["redis-replicas-0", "redis-0"] {
        namespace.forget(pod);
        bed.wait_for_labels("redis-0", UP);
    }
    let role_calls = || {
        let stats = bed.text("redis-replicas-1", &["INFO", "commandstats"]);
        let calls = stats.lines().find_map(|line| line.strip_prefix("cmdstat_role:calls=")?.split(',').next());
        calls.map_or(0, |calls| calls.parse::<u32>().unwrap())
    };
    let window = Duration::from_secs(10);
    let rests = wait_for("a time of rest", UP * 2, || {
        let (asked, roles, used) = (namespace.requests().len(), role_calls(), ticks(reconcile.id()));
        std::thread::sleep(window);
        let looks = role_calls() - roles;
        // One in its turn, every half minute.
        (namespace.requests().len() == asked && looks <= 1).then(|| ticks(reconcile.id()) - used)
    });
    // A hundredth of a core, and as much again four times for a machine that is busy.
    assert!(rests <= 50, "{rests} ticks within {window:?}");
    reconcile.signal("TERM");
    let ended = wait_for("its end", UP, || reconcile.ended());
    assert_eq!(ended.code(), Some(0), "{}", reconcile.log());
}
