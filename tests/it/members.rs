//! Who is a member, and what a refused connection proves: on a real API server, beside real servers.

use rstest::rstest;
use serde_json::json;
use testbed::client::{ask, connect, text};
use testbed::control_plane::controller;
use testbed::group::{Bed, REDIS, Run, SENTINELS};
use testbed::process::Process;
use testbed::wait_for;

use crate::{FAILED_OVER, UP, ordain, started};

/// A Redis that answers as a master, and whose pods carry the labels of the group: one of each kind that is no member.
struct Strangers {
    server: Process,
    _folder: tempfile::TempDir,
}

const STRANGERS: [&str; 5] = ["redis-3", "redis-4", "cache-0", "redis-cache-5d8f-0", "redis-cache-5d8f-x2x9k"];

impl Strangers {
    fn join(bed: &Bed) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let server = bed.stranger(folder.path(), &[]);
        let replica_set = || Some(controller("apps/v1", "ReplicaSet", "redis-cache-5d8f"));
        let owners = [
            None,
            Some(controller("apps/v1", "StatefulSet", "cache")),
            Some(controller("apps/v1", "StatefulSet", "cache")),
            replica_set(),
            replica_set(),
        ];
        for (name, owner) in STRANGERS.into_iter().zip(owners) {
            bed.make_stranger(name, owner);
        }
        // By this a Service sends it clients.
        bed.namespace.as_ref().unwrap().edit_pod("redis-cache-5d8f-x2x9k", &json!({"metadata": {"labels": {"role": "slave"}}}));
        Self { server, _folder: folder }
    }

    /// How many connections it has got, without those that are made to ask it.
    fn was_asked(&self, bed: &Bed, times: &mut u64) -> u64 {
        let mut connection = wait_for("the stranger's server", UP, || connect(bed.strange_ip(), 6379, None).ok());
        *times += 1;
        let stats = text(&ask(&mut connection, &["INFO", "stats"]).unwrap());
        let received = stats.lines().find_map(|line| line.strip_prefix("total_connections_received:")).unwrap();
        assert!(self.server.id() > 0);
        received.trim().parse::<u64>().unwrap() - *times
    }
}

/// Nothing of ordain's is on any of them.
fn assert_left_alone(bed: &Bed) {
    for pod in STRANGERS {
        let namespace = bed.namespace.as_ref().unwrap();
        let wanted = (pod == "redis-cache-5d8f-x2x9k").then(|| "slave".to_owned());
        assert_eq!(namespace.label(pod, "role"), wanted, "{pod}");
        assert_eq!(namespace.told(pod, "transition"), None, "{pod}");
    }
}

/// Nothing is put right but by what a story runs.
fn unreconciled() -> Bed {
    Bed::on_kubernetes(ordain()).without_reconcile().with_env("ORDAIN_PROMOTABLE", "at-start")
}

fn sets_of(bed: &Bed) -> Option<String> {
    bed.namespace.as_ref().unwrap().noted("redis", "sets")
}

#[test]
fn who_carries_the_labels_and_is_no_member_is_never_asked_labelled_or_recorded_and_told_of() {
    let mut bed = started(Bed::on_kubernetes(ordain()).with_patient_sentinels());
    let strangers = Strangers::join(&bed);
    let mut times = 0;
    let asked = strangers.was_asked(&bed, &mut times);
    // The only one that answers as a master now.
    bed.server("redis-0").signal("STOP");
    let pass = bed.ordain("sentinel-0", &["reconcile", "--deadline", "20s"]);
    for stranger in STRANGERS {
        let named = pass.stderr.lines().filter(|line| line.contains(&format!("{stranger} carries the labels of redis")));
        assert_eq!(named.count(), 1, "{stranger}: {pass:?}");
    }
    let namespace = bed.namespace.as_ref().unwrap();
    assert_eq!(namespace.holder("redis").as_deref(), Some("redis-0"), "{pass:?}");
    wait_for("a warning of the one that gets clients", UP, || {
        let told = namespace.events().into_iter().filter(|[_, reason, _]| reason == "NonMember").collect::<Vec<_>>();
        let [about, _, note] = told.first()?;
        assert_eq!(about, "Pod/redis-cache-5d8f-x2x9k", "{told:#?}");
        assert!(note.contains("role=slave") && note.contains("is not a member of redis and carries the labels"), "{note}");
        Some(())
    });
    bed.server("redis-0").signal("CONT");
    bed.wait_for_master("redis-0", UP);
    // A pod that starts among them neither waits for them nor asks them.
    bed.kill("redis-1");
    bed.start("redis-1");
    bed.wait_for_master("redis-0", UP);
    bed.wait_for_labels("redis-0", UP);
    // Nor is one a member by a member's very name.
    bed.delete("redis-2");
    bed.make_stranger("redis-2", None);
    let pass = bed.ordain("sentinel-0", &["reconcile", "--deadline", "20s"]);
    assert!(pass.stderr.contains("redis-2 carries the labels of redis and is not a member"), "{pass:?}");
    let namespace = bed.namespace.as_ref().unwrap();
    assert_eq!((namespace.label("redis-2", "role"), namespace.told("redis-2", "transition")), (None, None), "{pass:?}");
    assert_eq!(strangers.was_asked(&bed, &mut times), asked);
    assert_left_alone(&bed);
}

#[test]
fn a_sentinel_that_names_a_stranger_makes_nobody_record_it() {
    let mut bed = started(unreconciled().with_patient_sentinels());
    let _strangers = Strangers::join(&bed);
    bed.ask("sentinel-1", &["SENTINEL", "REMOVE", "redis"]).unwrap();
    let at = bed.strange_ip().to_string();
    bed.ask("sentinel-1", &["SENTINEL", "MONITOR", "redis", &at, "6379", "1"]).unwrap();
    bed.server("redis-0").signal("STOP");
    let pass = bed.ordain("sentinel-0", &["reconcile", "--deadline", "20s"]);
    // As where it is the one whose failover names it.
    let hook = ["on-failover", "--deadline", "3s", "redis", "leader", "start", "redis-0", "6379", &at, "6379"];
    let hook = bed.ordain("sentinel-1", &hook);
    assert_eq!(hook.code, Some(1), "{hook:?}");
    assert_eq!(bed.namespace.as_ref().unwrap().holder("redis").as_deref(), Some("redis-0"), "{pass:?}");
    bed.server("redis-0").signal("CONT");
    assert_left_alone(&bed);
}

/// A disk report as release 0.1 writes it, of a server that has started with the data of this group.
fn disk_report(group: &str) -> serde_json::Value {
    let report = json!({"run": "a1", "disk": {"written": "2026-11-29T10:00:00.000Z"}, "at": "2026-11-29T10:00:01.000Z", "group": group, "started": true});
    json!({"metadata": {"annotations": {"ordain.dev/disk": report.to_string()}}})
}

fn reconcile(bed: &mut Bed) {
    // On a busy machine a pass may not hear all in time, and is followed by another.
    wait_for("a pass that has a record and does all that is to be done", UP, || {
        let is_done = pass(bed, "sentinel-0").code == Some(0);
        (is_done && bed.namespace.as_ref()?.holder("redis").as_deref() == Some("redis-0")).then_some(())
    });
}

fn pass(bed: &Bed, sentinel: &str) -> Run {
    bed.ordain(sentinel, &["reconcile", "--group", "redis", "--deadline", "20s"])
}

fn start_a_sentinel(bed: &mut Bed) {
    bed.kill("sentinel-0");
    bed.start("sentinel-0");
}

fn tell_of_a_failover(bed: &mut Bed) {
    let at = bed.announced("redis-0");
    let hook = bed.ordain("sentinel-1", &["on-failover", "redis", "leader", "start", "redis-1", "6379", &at, "6379"]);
    assert_eq!(hook.code, Some(0), "{hook:?}");
}

#[rstest]
#[case::reconcile(reconcile)]
#[case::a_sentinel_that_starts(start_a_sentinel)]
#[case::the_hook(tell_of_a_failover)]
fn a_record_that_is_made_anew_names_the_groups_sets_and_strangers_are_left_alone(#[case] make: fn(&mut Bed)) {
    // Else a Sentinel looks for its groups by their records.
    let mut bed = started(unreconciled().with_patient_sentinels().with_env("ORDAIN_GROUP", "redis"));
    let strangers = Strangers::join(&bed);
    bed.make_stranger("cart-0", Some(controller("apps/v1", "StatefulSet", "cart")));
    // It is of another group of ordain's.
    bed.namespace.as_ref().unwrap().edit_pod("cart-0", &disk_report("another"));
    let mut times = 0;
    let asked = strangers.was_asked(&bed, &mut times);
    bed.namespace.as_ref().unwrap().delete_record("redis");
    make(&mut bed);
    let namespace = bed.namespace.as_ref().unwrap();
    wait_for("the record", UP, || (namespace.holder("redis").as_deref() == Some("redis-0")).then_some(()));
    assert_eq!(sets_of(&bed).as_deref(), Some("redis"));
    // The only ones that could answer as a master now are strangers.
    bed.server("redis-0").signal("STOP");
    let namespace = bed.namespace.as_ref().unwrap();
    namespace.delete_record("redis");
    wait_for("the record by a pass", UP, || {
        let pass = pass(&bed, "sentinel-2");
        namespace.holder("redis").map(|holder| assert_eq!(holder, "redis-0", "{pass:?}"))
    });
    assert_eq!(sets_of(&bed).as_deref(), Some("redis"));
    bed.server("redis-0").signal("CONT");
    bed.wait_for_master("redis-0", UP);
    bed.wait_for_sentinels(UP);
    reconcile(&mut bed);
    bed.wait_for_labels("redis-0", UP);
    assert_eq!(strangers.was_asked(&bed, &mut times), asked);
    assert_left_alone(&bed);
    assert_eq!(bed.namespace.as_ref().unwrap().label("cart-0", "role"), None);
}

#[test]
fn a_record_that_is_made_anew_names_every_set_whose_pods_hold_the_groups_data() {
    let mut bed = started(unreconciled().with_patient_sentinels());
    let namespace = bed.namespace.as_ref().unwrap();
    let id = namespace.noted("redis", "group-id").unwrap();
    let folder = tempfile::tempdir().unwrap();
    let _server = bed.stranger(folder.path(), &["--replicaof", &bed.ip("redis-0").to_string(), "6379"]);
    bed.make_stranger("redis-replicas-0", Some(controller("apps/v1", "StatefulSet", "redis-replicas")));
    namespace.edit_pod("redis-replicas-0", &disk_report(&id));
    // As a pod of 0.1 leaves it.
    namespace.edit_record("redis", &json!({"metadata": {"annotations": {"ordain.dev/sets": null}}}));
    namespace.delete_record("redis");
    reconcile(&mut bed);
    let namespace = bed.namespace.as_ref().unwrap();
    assert_eq!(namespace.holder("redis").as_deref(), Some("redis-0"));
    assert_eq!(sets_of(&bed).as_deref(), Some("redis,redis-replicas"));
    assert_eq!(namespace.noted("redis", "group-id"), Some(id));
    assert_eq!(namespace.label("redis-replicas-0", "role").as_deref(), Some("slave"));
}

#[test]
fn pods_whose_stateful_set_was_deleted_and_that_were_kept_stay_members() {
    let mut bed = started(Bed::on_kubernetes(ordain()).with_quick_failover());
    for pod in REDIS {
        bed.namespace.as_ref().unwrap().edit_pod(pod, &json!({"metadata": {"ownerReferences": null}}));
    }
    bed.kill("redis-0");
    let promoted = bed.wait_for_failover("redis-0", FAILED_OVER);
    bed.start("redis-0");
    bed.wait_for_master(promoted, UP);
    bed.wait_for_labels(promoted, UP);
    assert_eq!(sets_of(&bed).as_deref(), Some("redis"), "a failover keeps what the record knows");
}

#[test]
fn a_record_without_sets_has_any_stateful_sets_pods_and_gets_its_sets_from_who_starts() {
    let without = json!({"metadata": {"annotations": {"ordain.dev/sets": null}}});
    let mut bed = started(unreconciled());
    assert_eq!(sets_of(&bed).as_deref(), Some("redis"));
    bed.namespace.as_ref().unwrap().edit_record("redis", &without);
    bed.make_stranger("cache-0", Some(controller("apps.example.com/v1", "StatefulSet", "cache")));
    let pass = bed.ordain("sentinel-0", &["reconcile"]);
    assert_eq!(pass.stdout, "label cache-0: role=slave\n", "any kind of StatefulSet's: {pass:?}");
    bed.kill("redis-2");
    bed.start("redis-2");
    wait_for("the record naming its set", UP, || (sets_of(&bed).as_deref() == Some("redis")).then_some(()));
    bed.wait_for_master("redis-0", UP);
    // Who watches remembers what a pod of 0.1 has left away.
    bed.reconcile_from_now_on();
    bed.kill("sentinel-0");
    bed.start("sentinel-0");
    bed.namespace.as_ref().unwrap().forget("redis-1");
    bed.wait_for_labels("redis-0", UP);
    bed.namespace.as_ref().unwrap().edit_record("redis", &without);
    wait_for("the sets to be put back", UP, || (sets_of(&bed).as_deref() == Some("redis")).then_some(()));
}

#[test]
fn a_pod_that_is_not_found_stops_with_what_is_wrong() {
    let bed = started(unreconciled());
    let namespace = bed.namespace.as_ref().unwrap();
    let wrong = |pod: &str, arguments: &[&str], words: &[&str]| {
        let run = bed.ordain(pod, arguments);
        assert_eq!(run.code, Some(2), "{run:?}");
        let last = run.stderr.lines().last().unwrap();
        assert!(words.iter().all(|word| last.contains(word)), "{words:?}: {run:?}");
    };
    let nowhere = format!("redis-7 does not exist in namespace {}: check POD_NAMESPACE", namespace.name);
    let begin = |name| ["genconf-redis", "--deadline", "20s", "--pod-name", name];
    wrong("redis-2", &begin("redis-7"), &[&nowhere]);
    namespace.edit_pod("redis-2", &json!({"metadata": {"labels": {"app.kubernetes.io/component": "cache"}}}));
    let unlabelled = ["redis-2 in namespace", "app.kubernetes.io/component=cache", "ORDAIN_SELECTOR"];
    wrong("redis-2", &begin("redis-2"), &unlabelled);
    namespace.edit_pod("redis-0", &json!({"metadata": {"labels": {"app.kubernetes.io/component": "cache"}}}));
    wrong("redis-0", &["handover", "--deadline", "10s"], &["redis-0 in namespace", "ORDAIN_SELECTOR"]);
    namespace.edit_pod("redis-1", &json!({"metadata": {"ownerReferences": [controller("apps/v1", "ReplicaSet", "redis")]}}));
    wrong("redis-1", &begin("redis-1"), &["redis-1 in namespace", "is not a member of redis", "ReplicaSet redis"]);
}

#[test]
fn a_run_that_finds_nobody_to_label_fails_and_says_which_labels_are_wrong() {
    let bed = started(unreconciled());
    for pod in REDIS {
        let labels = json!({"app.kubernetes.io/component": "cache", "role": null});
        bed.namespace.as_ref().unwrap().edit_pod(pod, &json!({"metadata": {"labels": labels}}));
    }
    let words = ["Nobody is labelled", "not even redis-0", "app.kubernetes.io/component=cache", "ORDAIN_SELECTOR"];
    let pass = bed.ordain("sentinel-0", &["reconcile"]);
    assert_eq!(pass.code, Some(2), "{pass:?}");
    assert!(words.iter().all(|word| pass.stderr.contains(word)), "{pass:?}");
}

/// The API server tells an address of redis-0 at which nobody listens. What asks there is refused, as by a firewall's
/// `REJECT`: rules of a packet filter would need a kernel that has them.
fn behind_a_firewall(bed: &Bed) {
    bed.namespace.as_ref().unwrap().move_pod("redis-0", &[bed.strange_ip()]);
}

#[test]
fn a_living_master_that_a_firewall_refuses_for_is_not_taken_for_dead() {
    let mut bed = started(unreconciled());
    // No Sentinel makes it a replica again, or has a failover of its own.
    for sentinel in SENTINELS {
        bed.server(sentinel).signal("STOP");
    }
    behind_a_firewall(&bed);
    // There are two masters, of which one can be seen.
    bed.ask("redis-1", &["REPLICAOF", "NO", "ONE"]).unwrap();
    let pass = bed.ordain("sentinel-0", &["reconcile", "--deadline", "20s"]);
    assert_eq!(bed.namespace.as_ref().unwrap().holder("redis").as_deref(), Some("redis-0"), "{pass:?}");
    // Once the API server says that its container has ended, too, it is known to be none.
    bed.namespace.as_ref().unwrap().tell_container("redis-0", "redis", false);
    let pass = bed.ordain("sentinel-0", &["reconcile", "--deadline", "20s"]);
    assert_eq!(bed.namespace.as_ref().unwrap().holder("redis").as_deref(), Some("redis-1"), "{pass:?}");
}
