//! `reconcile --watch`: whatever differs is put right within seconds, and nothing is asked while nothing does.

use std::time::Duration;

use testbed::group::{Bed, REDIS, SENTINELS};
use testbed::wait_for;

use crate::{UP, ordain, started};

/// How soon what differs is right again: two seconds, and what a busy machine adds.
pub const SOON: Duration = Duration::from_secs(10);

#[test]
fn a_pod_that_was_made_again_without_labels_gets_them() {
    let bed = started(Bed::on_kubernetes(ordain()));
    bed.namespace.as_ref().unwrap().forget("redis-2");
    bed.wait_for_labels("redis-0", SOON);
    bed.namespace.as_ref().unwrap().forget("redis-0");
    bed.wait_for_labels("redis-0", SOON);
}

fn knows_all(bed: &Bed, sentinel: &str) {
    wait_for(&format!("{sentinel} knowing the group"), UP, || {
        let is = |field: &str, value: &str| bed.sentinel_field(sentinel, field).as_deref() == Some(value);
        (bed.named_by(sentinel) == Some("redis-0") && is("num-slaves", "2") && is("num-other-sentinels", "2")).then_some(())
    });
}

#[test]
fn a_sentinel_that_lost_its_group_is_told_to_watch_it_again() {
    let bed = started(Bed::on_kubernetes(ordain()).with_password("secret"));
    for lost in [&SENTINELS[1..2], &SENTINELS[..]] {
        for sentinel in lost {
            bed.ask(sentinel, &["SENTINEL", "REMOVE", "redis"]).unwrap();
        }
        for sentinel in SENTINELS {
            knows_all(&bed, sentinel);
        }
    }
    assert_eq!(bed.sentinel_field("sentinel-1", "down-after-milliseconds").as_deref(), Some("5000"));
    assert_eq!(bed.sentinel_field("sentinel-1", "quorum").as_deref(), Some("2"));
}

#[test]
fn a_sentinel_that_was_told_by_halves_is_told_the_rest() {
    let bed = started_without_reconcile();
    // What a run leaves that was ended in its midst.
    let master = bed.announced("redis-0");
    bed.ask("sentinel-1", &["SENTINEL", "REMOVE", "redis"]).unwrap();
    bed.ask("sentinel-1", &["SENTINEL", "MONITOR", "redis", &master, "6379", "2"]).unwrap();
    let fields = ["down-after-milliseconds", "failover-timeout", "parallel-syncs"];
    let told = |sentinel| fields.map(|field| bed.sentinel_field(sentinel, field).unwrap());
    assert_eq!(told("sentinel-1"), ["30000", "180000", "1"]);
    let pass = bed.ordain("sentinel-0", &["reconcile"]);
    assert!(pass.code == Some(0) && pass.stdout.contains("without a hook: both are set"), "{pass:?}");
    assert_eq!(told("sentinel-1"), ["5000", "10000", "1"]);
    knows_all(&bed, "sentinel-1");
    let again = bed.ordain("sentinel-0", &["reconcile"]);
    assert_eq!((again.code, again.stdout.as_str()), (Some(0), ""), "{again:?}");
    // A person's own times stay.
    bed.ask("sentinel-1", &["SENTINEL", "SET", "redis", "down-after-milliseconds", "60000"]).unwrap();
    let again = bed.ordain("sentinel-0", &["reconcile"]);
    assert_eq!((again.code, again.stdout.as_str()), (Some(0), ""), "{again:?}");
}

fn started_without_reconcile() -> Bed {
    let mut bed =
        Bed::on_kubernetes(ordain()).without_reconcile().with_password("secret").with_env("ORDAIN_PROMOTABLE", "at-start");
    bed.start_all();
    bed.wait_for_master("redis-0", UP);
    bed.wait_for_labels("redis-0", UP);
    bed.wait_for_sentinels(UP);
    bed
}

#[test]
fn a_sentinel_that_goes_on_naming_another_than_all_others_is_told_again() {
    let bed = started(Bed::on_kubernetes(ordain()));
    // Nothing that the others say at the same epoch changes its mind.
    bed.ask("sentinel-1", &["SENTINEL", "REMOVE", "redis"]).unwrap();
    let elsewhere = bed.ask("sentinel-1", &["SENTINEL", "MONITOR", "redis", &bed.announced("redis-1"), "6379", "2"]);
    // Reconcile may have told it first.
    if elsewhere.is_ok() {
        assert_eq!(bed.named_by("sentinel-1"), Some("redis-1"));
    }
    wait_for("sentinel-1 naming redis-0", UP * 3, || (bed.named_by("sentinel-1") == Some("redis-0")).then_some(()));
    knows_all(&bed, "sentinel-1");
}

#[test]
fn sentinels_forget_a_replica_that_is_gone() {
    let bed = started(Bed::on_kubernetes(ordain()));
    let folder = tempfile::tempdir().unwrap();
    let (master, ip) = (bed.ip("redis-0").to_string(), bed.strange_ip().to_string());
    let mut stranger = bed.stranger(folder.path(), &["--replicaof", &master, "6379", "--replica-announce-ip", &ip]);
    for sentinel in SENTINELS {
        let replicas = || bed.sentinel_field(sentinel, "num-slaves");
        wait_for("a replica too many", UP, || (replicas().as_deref() == Some("3")).then_some(()));
    }
    stranger.kill();
    for sentinel in SENTINELS {
        knows_all(&bed, sentinel);
    }
}

#[test]
fn a_replica_that_has_lost_its_master_is_withheld_from_readers_until_it_is_in_sync_again() {
    // Sentinel tells nobody for so long: it is found out when the group is looked at in its turn.
    let bed = Bed::on_kubernetes(ordain()).with_env("ORDAIN_DOWN_AFTER", "120s").with_env("ORDAIN_STALE_AFTER", "2s");
    let mut bed = started(bed);
    bed.put_keys("redis-0", "key", 10);
    bed.wait_for_keys_everywhere(10, UP);
    let before = bed.namespace.as_ref().unwrap().events();
    bed.kill("redis-0");
    let label = |bed: &Bed, pod| bed.namespace.as_ref().unwrap().label(pod, "role");
    for pod in ["redis-1", "redis-2"] {
        wait_for(&format!("{pod} without its label"), UP * 2, || label(&bed, pod).is_none().then_some(()));
    }
    assert_eq!(label(&bed, "redis-0").as_deref(), Some("master"));
    bed.start("redis-0");
    bed.wait_for_labels("redis-0", UP);
    let (withheld, given_back) = wait_for("an Event of each", UP, || {
        let events = bed.namespace.as_ref().unwrap().events_since(&before);
        let told = |words: &str| events.iter().filter(|event| event[1] == "Relabelled" && event[2].starts_with(words)).count();
        let told = (told("role is withheld"), told("role=slave"));
        (told.0 + told.1 >= 4).then_some(told)
    });
    assert_eq!((withheld, given_back), (2, 2));
}

#[test]
fn nothing_is_asked_of_the_api_server_while_nothing_happens() {
    let bed = started(Bed::on_kubernetes(ordain()));
    let namespace = bed.namespace.as_ref().unwrap();
    let quiet = Duration::from_secs(10);
    let calm = wait_for("a time without a request", UP * 2, || {
        let before = namespace.requests().len();
        std::thread::sleep(quiet);
        let asked = namespace.requests().split_off(before);
        asked.is_empty().then_some(true)
    });
    assert!(calm);
}

#[test]
fn it_goes_on_when_the_api_server_and_the_sentinels_are_back() {
    let mut bed = started(Bed::on_kubernetes(ordain()).with_gates());
    for sentinel in SENTINELS {
        bed.gate(sentinel).shut();
    }
    bed.namespace.as_ref().unwrap().forget("redis-1");
    for sentinel in SENTINELS {
        bed.gate(sentinel).open();
    }
    bed.wait_for_labels("redis-0", UP);
    bed.kill("sentinel-1");
    bed.start("sentinel-1");
    knows_all(&bed, "sentinel-1");
    bed.ask("sentinel-1", &["SENTINEL", "REMOVE", "redis"]).unwrap();
    knows_all(&bed, "sentinel-1");
}

#[test]
fn one_pass_says_what_it_put_right_and_the_log_is_json_where_that_is_asked_for() {
    let bed = started(Bed::on_kubernetes(ordain()).without_reconcile().with_env("ORDAIN_PROMOTABLE", "at-start"));
    bed.namespace.as_ref().unwrap().forget("redis-2");
    let pass = bed.ordain("sentinel-0", &["reconcile", "--log-format", "json"]);
    assert_eq!((pass.code, pass.stdout.as_str()), (Some(0), "label redis-2: role=slave\n"), "{pass:?}");
    let again = bed.ordain("sentinel-0", &["reconcile"]);
    assert_eq!((again.code, again.stdout.as_str()), (Some(0), ""), "{again:?}");
    assert!(REDIS.iter().all(|pod| bed.is_started(pod)));
    let words = ["on-failover", "--log-format", "json", "redis", "leader", "start", "a", "1", "b", "2"];
    let hook = bed.ordain("sentinel-0", &words);
    let line: serde_json::Value = serde_json::from_str(hook.stderr.lines().last().unwrap()).unwrap();
    let told = |field: &str| line[field].as_str().map(str::to_owned);
    assert_eq!((told("group").as_deref(), told("to").as_deref()), (Some("redis"), Some("redis-0")), "{hook:?}");
    assert!(line["labelled_ms"].is_number() && line["epoch"] == 0, "{line}");
}
