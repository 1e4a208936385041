//! The main job: three pods and three Sentinels come up as the manifests say, a master dies, and
//! record and labels follow.

use kube::api::{DeleteParams, Patch, PatchParams};
use testbed::client::{missing, text};
use testbed::group::{Bed, REDIS, SENTINELS};
use testbed::label_watch::LabelWatch;
use testbed::wait_for;

use crate::updated::wait_until_on_disk;
use crate::{FAILED_OVER, UP, ordain, started};

/// Kills the master, and returns who took over once record and labels say so.
fn fail_over(bed: &mut Bed) -> &'static str {
    bed.kill("redis-0");
    let promoted = bed.wait_for_failover("redis-0", FAILED_OVER);
    if let Some(namespace) = &bed.namespace {
        bed.wait_for_labels(promoted, FAILED_OVER);
        assert_eq!(namespace.holder("redis").as_deref(), Some(promoted));
    }
    promoted
}

#[test]
fn at_a_first_boot_ordinal_0_leads_and_the_others_follow_it() {
    let bed = started(Bed::on_kubernetes(ordain()));
    let namespace = bed.namespace.as_ref().unwrap();
    let record = namespace.record("redis").unwrap();
    let spec = record.spec.unwrap();
    assert_eq!((spec.holder_identity.as_deref(), spec.lease_transitions), (Some("redis-0"), Some(0)));
    assert_eq!(record.metadata.labels.unwrap()["app.kubernetes.io/managed-by"], "ordain");
    for pod in REDIS {
        for (parameter, value) in [("appendonly", "yes"), ("dir", "/data"), ("replica-announce-ip", &bed.announced(pod))] {
            assert_eq!(bed.text(pod, &["CONFIG", "GET", parameter]), format!("{parameter}\n{value}"), "{pod}");
        }
    }
}

#[test]
fn when_the_master_is_killed_sentinels_own_hook_moves_the_record_and_the_labels() {
    let mut bed = started(Bed::on_kubernetes(ordain()).with_quick_failover());
    let watch = LabelWatch::start(bed.namespace.as_ref().unwrap());
    let promoted = fail_over(&mut bed);
    let spec = bed.namespace.as_ref().unwrap().record("redis").unwrap().spec.unwrap();
    assert_eq!(spec.lease_transitions, Some(1));

    // The old master comes back on its old disk, and follows.
    bed.start("redis-0");
    bed.wait_for_master(promoted, UP);
    assert_eq!(watch.history_up_to(promoted), ["redis-0", promoted], "the old master's label off, then the new one's on");
    assert!(SENTINELS.iter().all(|sentinel| bed.named_by(sentinel) == Some(promoted)));
}

#[test]
fn a_failover_whose_epoch_the_record_has_passed_moves_it_all_the_same() {
    let mut bed = started(Bed::on_kubernetes(ordain()).with_quick_failover());
    // As a pod that yielded leaves it: ahead of what the Sentinels count.
    let ahead = serde_json::json!({"metadata": {"annotations": {"ordain.dev/config-epoch": "7"}}});
    let leases = bed.namespace.as_ref().unwrap().leases();
    testbed::runtime().block_on(leases.patch("redis", &PatchParams::default(), &Patch::Merge(ahead))).unwrap();
    fail_over(&mut bed);
    let record = bed.namespace.as_ref().unwrap().record("redis").unwrap();
    assert_eq!(record.metadata.annotations.unwrap()["ordain.dev/config-epoch"], "8");
}

#[test]
fn no_write_that_a_replica_has_is_lost_by_a_failover() {
    let mut bed = started(Bed::on_kubernetes(ordain()).with_quick_failover());
    let writer = bed.writer();
    wait_for("something to lose", UP, || (writer.acknowledged() > 100).then_some(()));
    let promoted = fail_over(&mut bed);
    let before = writer.acknowledged();
    wait_for("writes to the new master", UP, || (writer.acknowledged() > before + 100).then_some(()));
    bed.start("redis-0");
    bed.wait_for_master(promoted, UP);
    let report = writer.stop();
    for pod in [promoted, "redis-0"] {
        wait_for("the last writes to be everywhere", UP, || {
            missing(&mut bed.connect(pod).ok()?, &report).ok().filter(Vec::is_empty)
        });
    }
}

#[test]
fn servers_that_call_themselves_by_address_fail_over_as_well() {
    let mut bed = started(Bed::on_kubernetes(ordain()).with_quick_failover().with_env("ORDAIN_ANNOUNCE", "ip"));
    let promoted = fail_over(&mut bed);
    bed.start("redis-0");
    bed.wait_for_master(promoted, UP);
}

#[test]
fn a_group_with_passwords_fails_over_and_takes_its_old_master_back() {
    let mut bed = started(Bed::on_kubernetes(ordain()).with_quick_failover().with_password("p%/\\&#s:{{x}}$w"));
    let promoted = fail_over(&mut bed);
    bed.start("redis-0");
    bed.wait_for_master(promoted, UP);
}

#[test]
fn without_kubernetes_a_group_comes_up_and_fails_over_as_well() {
    let mut bed = started(Bed::without_kubernetes(ordain()).with_quick_failover());
    bed.kill("redis-0");
    let promoted = bed.wait_for_failover("redis-0", FAILED_OVER);
    bed.start("redis-0");
    bed.wait_for_master(promoted, UP);
    let epoch = bed.sentinel_field("sentinel-0", "config-epoch").unwrap();
    // Only Kubernetes knows whose an address is.
    let named = if bed.is_by_address() { bed.announced_endpoint(promoted) } else { promoted.to_owned() };
    let told = format!("{named} is the master of `redis` since epoch {epoch}; with Kubernetes it would be labelled role=master");
    let hook = bed.ordain("sentinel-0", &["on-failover", "redis", "leader", "start", "a", "1", "b", "2"]);
    assert!(hook.code == Some(0) && hook.stderr.contains(&told), "{hook:?}");
}

#[test]
fn without_kubernetes_the_first_pod_leads_though_all_others_were_up_before_it() {
    let mut bed = Bed::without_kubernetes(ordain()).with_patient_sentinels();
    bed.make_all();
    for pod in bed.pods().into_iter().rev() {
        bed.start(pod);
        let what = format!("{pod} up");
        wait_for(&what, UP, || bed.ask(pod, &["PING"]).ok());
    }
    bed.wait_for_master("redis-0", UP);
    bed.wait_for_sentinels(UP);
}

#[test]
fn without_kubernetes_a_first_pod_that_lost_its_disk_does_not_lead_those_that_kept_theirs() {
    let mut bed = started(Bed::without_kubernetes(ordain()).with_patient_sentinels());
    bed.put_keys("redis-0", "key", 10);
    bed.wait_for_keys_everywhere(10, UP);
    wait_until_on_disk(&bed);
    bed.kill_at_once(&REDIS);
    bed.sandbox("redis-0").empty("data");
    for pod in ["redis-1", "redis-2"] {
        bed.start(pod);
        wait_for(&format!("{pod} up"), UP, || (bed.text(pod, &["DBSIZE"]) == "10").then_some(()));
    }
    let before = bed.log("redis-0");
    bed.start("redis-0");
    bed.wait_for_log("redis-0", "its data directory is empty, and redis-1 may hold the data", &before, UP);
    assert_eq!(bed.text("redis-1", &["DBSIZE"]), "10");
}

#[test]
fn the_recorded_master_leads_again_when_every_redis_was_down() {
    // Long enough that Sentinel elects nobody while all are down.
    let mut bed = started(Bed::on_kubernetes(ordain()).with_patient_sentinels());
    bed.fail_over("sentinel-0", UP);
    let promoted = bed.wait_for_failover("redis-0", FAILED_OVER);
    bed.wait_for_master(promoted, UP);
    bed.wait_for_labels(promoted, FAILED_OVER);
    bed.ask(promoted, &["SET", "key", "value"]).unwrap();
    for pod in REDIS {
        bed.kill(pod);
    }
    for pod in REDIS {
        bed.start(pod);
    }
    bed.wait_for_master(promoted, UP);
    bed.wait_for_labels(promoted, UP);
}

#[test]
fn a_master_that_restarts_at_once_is_the_master_again_without_a_failover() {
    // Long enough that Sentinel has not yet noticed when the pod asks.
    let mut bed = started(Bed::on_kubernetes(ordain()).with_patient_sentinels());
    bed.ask("redis-0", &["SET", "key", "value"]).unwrap();
    bed.kill("redis-0");
    bed.start("redis-0");
    bed.wait_for_master("redis-0", UP);
    assert_eq!(bed.text("redis-0", &["GET", "key"]), "value");
    assert_eq!(bed.sentinel_field("sentinel-0", "config-epoch").as_deref(), Some("0"));
}

#[test]
fn a_named_master_waits_while_sentinel_is_failing_over_and_then_follows() {
    let mut bed = started(Bed::on_kubernetes(ordain()).with_quick_failover());
    bed.kill("redis-0");
    wait_for("a Sentinel finding the master down", FAILED_OVER, || {
        bed.sentinel_field("sentinel-0", "flags").filter(|flags| flags.contains("s_down"))
    });
    bed.start("redis-0");
    let promoted = bed.wait_for_failover("redis-0", FAILED_OVER);
    bed.wait_for_master(promoted, UP);
    bed.wait_for_labels(promoted, UP);
}

#[test]
fn a_pod_that_was_stopped_between_its_decision_and_its_start_looks_again() {
    let mut bed = started(Bed::on_kubernetes(ordain()));
    bed.ask("redis-0", &["SET", "key", "value"]).unwrap();
    // A silent Sentinel is waited for: a second in which to stop the pod, when it looks a last time.
    bed.server("sentinel-2").signal("STOP");
    let mark = |bed: &Bed| bed.namespace.as_ref().unwrap().noted("redis", "mark");
    let (earlier, before) = (mark(&bed), bed.log("redis-0"));
    bed.kill("redis-0");
    bed.start("redis-0");
    wait_for("the mark of one that is about to lead", UP, || (mark(&bed) != earlier).then_some(()));
    bed.server("redis-0").signal("STOP");
    let program = std::fs::read_link(format!("/proc/{}/exe", bed.server("redis-0").id())).unwrap();
    assert!(program.ends_with("ordain"), "stopped too late, as {}", program.display());

    let others = ["redis-1", "redis-2"];
    let promoted = wait_for("another master", FAILED_OVER, || others.into_iter().find(|pod| bed.role(pod) == "master"));
    bed.server("redis-0").signal("CONT");
    let follows = format!("replica of {}", bed.announced(promoted));
    wait_for("redis-0 behind it", UP, || (bed.role("redis-0") == follows).then_some(()));
    let log = &bed.log("redis-0")[before.len()..];
    assert!(log.contains("redis-0 looks again: ") && log.contains(&format!("redis-0 follows {promoted}")), "{log}");
}

#[test]
fn a_hook_that_runs_late_or_twice_changes_nothing() {
    let mut bed = started(Bed::on_kubernetes(ordain()).with_quick_failover());
    bed.kill("redis-0");
    let promoted = bed.wait_for_failover("redis-0", FAILED_OVER);
    bed.start("redis-0");
    bed.wait_for_master(promoted, UP);
    bed.wait_for_labels(promoted, UP);
    let before = bed.namespace.as_ref().unwrap().record("redis").unwrap().metadata.resource_version;
    let (old, new) = (bed.announced(promoted), bed.announced("redis-0"));
    let late = bed.ordain("sentinel-1", &["on-failover", "redis", "observer", "start", &old, "6379", &new, "6379"]);
    assert_eq!(late.code, Some(0), "{late:?}");
    assert!(late.stderr.contains(r#"record="unchanged" labels=unchanged"#), "{late:?}");
    bed.wait_for_labels(promoted, UP);
    assert_eq!(bed.namespace.as_ref().unwrap().record("redis").unwrap().metadata.resource_version, before);
}

#[test]
fn a_lost_hook_is_made_good_by_the_next_pod_that_starts() {
    let bed = Bed::on_kubernetes(ordain()).with_quick_failover().without_reconcile();
    let mut bed = started(bed.with_env("ORDAIN_PROMOTABLE", "at-start"));
    for sentinel in SENTINELS {
        // A program that does nothing in the hook's place: a hook that was lost.
        bed.sandbox(sentinel).write("opt/ordain/on-failover", "#!/bin/sh\n");
    }
    bed.kill("redis-0");
    let promoted = bed.wait_for_failover("redis-0", FAILED_OVER);
    assert_eq!(bed.namespace.as_ref().unwrap().holder("redis").as_deref(), Some("redis-0"));
    bed.start("redis-0");
    bed.wait_for_master(promoted, UP);
    bed.wait_for_labels(promoted, UP);
    assert_eq!(bed.namespace.as_ref().unwrap().holder("redis").as_deref(), Some(promoted));
}

#[test]
fn a_record_that_was_deleted_is_made_again_from_what_the_sentinels_say() {
    let mut bed = started(Bed::on_kubernetes(ordain()));
    let namespace = bed.namespace.as_ref().unwrap();
    testbed::runtime().block_on(namespace.leases().delete("redis", &DeleteParams::default())).unwrap();
    bed.kill("redis-2");
    bed.start("redis-2");
    bed.wait_for_master("redis-0", UP);
    assert_eq!(bed.namespace.as_ref().unwrap().holder("redis").as_deref(), Some("redis-0"));
    bed.wait_for_labels("redis-0", UP);
}

#[test]
fn a_sentinel_without_its_disk_comes_back_as_itself() {
    let mut bed = started(Bed::on_kubernetes(ordain()));
    let id = bed.text("sentinel-0", &["SENTINEL", "MYID"]);
    bed.kill("sentinel-0");
    bed.sandbox("sentinel-0").empty("etc/redis");
    bed.start("sentinel-0");
    bed.wait_for_sentinels(UP);
    assert_eq!(bed.text("sentinel-0", &["SENTINEL", "MYID"]), id);
}

#[test]
fn a_sentinels_file_keeps_its_epochs_and_replicas_when_it_is_written_again() {
    let mut bed = started(Bed::on_kubernetes(ordain()).with_quick_failover());
    let promoted = fail_over(&mut bed);
    let epoch = bed.sentinel_field("sentinel-0", "config-epoch").unwrap();
    bed.kill("sentinel-0");
    let file = bed.sandbox("sentinel-0").read("etc/redis/sentinel.conf");
    bed.sandbox("sentinel-0")
        .write("etc/redis/sentinel.conf", &format!("{file}\nsentinel known-replica redis 192.0.2.77 6380\n"));
    let written = bed.ordain("sentinel-0", &["genconf-sentinel"]);
    assert_eq!(written.code, Some(0), "{written:?}");
    let file = bed.sandbox("sentinel-0").read("etc/redis/sentinel.conf");
    let others = REDIS
        .iter()
        .filter(|pod| **pod != promoted)
        .map(|pod| format!("sentinel known-replica redis {} 6379", bed.announced(pod)));
    let master = format!("sentinel monitor redis {} 6379 2", bed.announced(promoted));
    let epochs = [format!("sentinel config-epoch redis {epoch}"), format!("sentinel current-epoch {epoch}")];
    let written = |line: &str| file.lines().filter(|written| *written == line).count();
    for line in others.chain([master]).chain(epochs) {
        assert_eq!(written(&line), 1, "{line} in\n{file}");
    }
    // An address that is no pod's now may be a stranger's next.
    let kept = usize::from(!bed.is_by_address());
    assert_eq!(written("sentinel known-replica redis 192.0.2.77 6380"), kept, "{file}");
}

/// A Sentinel starts again, says so, and watches the group.
fn start_again(bed: &mut Bed, saying: &str) {
    bed.kill("sentinel-0");
    come_back(bed, saying);
}

fn come_back(bed: &mut Bed, saying: &str) {
    let before = bed.log("sentinel-0");
    bed.start("sentinel-0");
    bed.wait_for_log("sentinel-0", saying, &before, UP);
    bed.wait_for_sentinels(UP);
}

#[test]
fn a_sentinel_that_starts_again_while_the_api_server_is_away_watches_the_groups_of_its_file() {
    let mut bed = started(Bed::on_kubernetes(ordain()).with_gates());
    bed.gate("sentinel-0").shut();
    start_again(&mut bed, "so the groups are those of the earlier file");
}

#[test]
fn a_sentinel_that_starts_again_watches_its_groups_though_nobody_can_decide_another() {
    let mut bed = started(Bed::on_kubernetes(ordain()).with_env("ORDAIN_DEADLINE", "6s"));
    // A group of its file without pods, whose record was edited by hand, and one that it never knew.
    let lease = r#"{"apiVersion":"coordination.k8s.io/v1","kind":"Lease","metadata":{"name":"broken","labels":{"app.kubernetes.io/managed-by":"ordain"}}}"#;
    let leases = [lease.to_owned(), lease.replace("broken", "unknown")];
    bed.namespace.as_ref().unwrap().apply(&leases.map(|lease| serde_json::from_str(&lease).unwrap()));
    bed.kill("sentinel-0");
    bed.sandbox("sentinel-0").append("/etc/redis/sentinel.conf", "\nsentinel monitor broken 127.0.0.9 6379 2\n");
    come_back(&mut bed, "broken: undecided, and left to reconcile");
    assert!(bed.log("sentinel-0").contains("Leases with ordain's label that are not records are ignored: unknown"));
}

#[test]
fn a_group_of_which_nothing_is_heard_is_undecided_with_all_the_evidence() {
    let mut bed = Bed::on_kubernetes(ordain());
    bed.make("redis-1");
    let run = bed.ordain("redis-1", &["genconf-redis", "--deadline", "5s"]);
    assert_eq!(run.code, Some(1), "{run:?}");
    for line in [
        "redis-1 waits: redis-0, the first pod, has not created the record (rule first-boot)",
        "record: does not exist",
        "redis-0: no such host",
    ] {
        assert!(run.stderr.contains(line), "{line} in {}", run.stderr);
    }
    assert!(!bed.sandbox("redis-1").path("etc/redis/redis.conf").exists());
}

#[test]
fn a_pod_that_is_stopped_while_it_waits_leaves_nothing_half_done() {
    let mut bed = Bed::on_kubernetes(ordain());
    bed.make("redis-1");
    bed.start("redis-1");
    wait_for("the pod to wait", UP, || bed.server("redis-1").log().contains("waits: redis-0").then_some(()));
    bed.server("redis-1").signal("TERM");
    let status = wait_for("the end", UP, || bed.server("redis-1").ended());
    assert_eq!(status.code(), Some(1));
    assert!(bed.server("redis-1").log().contains("stopped by SIGTERM: every file is either complete or unchanged"));
    assert_eq!(std::fs::read_dir(bed.sandbox("redis-1").path("etc/redis")).unwrap().count(), 0);
}

#[test]
fn a_pod_that_may_do_nothing_says_which_verb_the_role_lacks() {
    let mut bed = Bed::on_kubernetes(ordain());
    bed.make("redis-0");
    bed.namespace.as_ref().unwrap().forbid();
    let run = bed.ordain("redis-0", &["genconf-redis"]);
    assert_eq!(run.code, Some(2), "{run:?}");
    assert!(run.stderr.contains("the Role must allow `patch pods`"), "{}", run.stderr);
}

#[test]
fn a_lease_of_somebody_else_is_never_taken_for_the_record() {
    let mut bed = Bed::on_kubernetes(ordain());
    bed.make("redis-0");
    let lease = r#"{"apiVersion":"coordination.k8s.io/v1","kind":"Lease","metadata":{"name":"redis"},"spec":{"holderIdentity":"redis-1"}}"#;
    bed.namespace.as_ref().unwrap().apply(&[serde_json::from_str(lease).unwrap()]);
    let run = bed.ordain("redis-0", &["genconf-redis", "--deadline", "5s"]);
    assert_eq!(run.code, Some(1), "{run:?}");
    assert!(run.stderr.contains("the Lease `redis` belongs to something else"), "{}", run.stderr);
}

#[test]
fn the_program_is_installed_under_both_its_names_and_is_the_hook_under_one() {
    let mut bed = Bed::without_kubernetes(ordain());
    bed.make("sentinel-0");
    for name in ["ordain", "on-failover"] {
        use std::os::unix::fs::PermissionsExt;
        let mode = std::fs::metadata(bed.sandbox("sentinel-0").path(&format!("opt/ordain/{name}"))).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o755, "{name}");
    }
    let hook = bed.sandbox("sentinel-0").run(&["/opt/ordain/on-failover", "redis", "leader"]);
    assert_eq!(hook.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&hook.stderr).contains("on-failover got 2 arguments"));
}

#[test]
fn a_replica_reads_what_the_master_was_told() {
    let bed = started(Bed::on_kubernetes(ordain()));
    let mut master = bed.connect("redis-0").unwrap();
    testbed::client::ask(&mut master, &["SET", "key", "value"]).unwrap();
    let replicas = testbed::client::ask(&mut master, &["WAIT", "2", "5000"]).unwrap();
    assert_eq!(text(&replicas), "2");
    assert_eq!(bed.text("redis-2", &["GET", "key"]), "value");
}
