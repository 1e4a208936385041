//! Objects that others make large cost little memory, and keep nothing from being done.

use std::time::Duration;

use serde_json::{Value, json};
use testbed::group::Bed;
use testbed::wait_for;

use crate::signals::signal;
use crate::{UP, fail_over_unheard, ordain, started_without_hooks};

/// What Sentinel passes to its hook; they are hints only.
const HOOK: [&str; 8] = ["on-failover", "redis", "leader", "start", "redis-0", "6379", "redis-1", "6379"];
/// How many there are of each kind, and how many bytes each has, of which kubectl notes all twice: more than fits
/// into one answer.
const COUNT: usize = 20;
const LARGE: usize = 125_000;
/// How much memory a run may ask for, in bytes, by `prlimit`: the kernel refuses more, and the run is aborted.
const MEMORY: &str = "--data=33554432";

fn annotations() -> Value {
    json!({"example.com/large": "x".repeat(LARGE)})
}

#[test]
fn large_leases_and_large_pods_of_others_cost_little_memory_and_nothing_is_left_undone() {
    let mut bed = started_without_hooks(Bed::on_kubernetes(ordain()).with_quick_failover());
    let namespace = bed.namespace.as_ref().unwrap();
    let managed = json!({"app.kubernetes.io/managed-by": "ordain"});
    let labels =
        json!({"app.kubernetes.io/name": "redis", "app.kubernetes.io/instance": "redis", "app.kubernetes.io/component": "redis"});
    for number in 0..COUNT {
        let metadata =
            |labels: &Value| json!({"name": format!("large-{number}"), "labels": labels, "annotations": annotations()});
        let containers = json!([{"name": "redis", "image": "redis"}]);
        namespace.apply(&[
            json!({"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": metadata(&managed), "spec": {}}),
            json!({"apiVersion": "v1", "kind": "Pod", "metadata": metadata(&labels), "spec": {"containers": containers}}),
        ]);
    }
    let promoted = fail_over_unheard(&mut bed);
    let run = |words: &[&str]| {
        let program = ["prlimit", MEMORY, "--", "/opt/ordain/ordain"];
        let run = bed.sandbox("sentinel-0").run(&[&program[..], words].concat());
        (run.status.code(), String::from_utf8_lossy(&run.stderr).into_owned())
    };
    let (code, told) = run(&HOOK);
    assert_eq!(code, Some(0), "{told}");
    bed.wait_for_labels(promoted, Duration::ZERO);

    let namespace = bed.namespace.as_ref().unwrap();
    namespace.forget(promoted);
    let (code, told) = run(&["reconcile"]);
    assert!(code == Some(0) && told.contains("Leases with ordain's label that are not records are ignored: large-0"), "{told}");
    bed.wait_for_labels(promoted, Duration::ZERO);

    let words = ["prlimit", MEMORY, "--", "/opt/ordain/ordain", "reconcile", "--watch"];
    let mut watching = bed.sandbox("sentinel-0").command_of(&words).spawn().unwrap();
    bed.namespace.as_ref().unwrap().forget(promoted);
    bed.wait_for_labels(promoted, UP);
    signal(watching.id(), "TERM");
    let ended = wait_for("its end", UP, || watching.try_wait().unwrap());
    assert_eq!(ended.code(), Some(0));

    let (code, told) = run(&["genconf-redis", "--dry-run", "--pod-name", "redis-0"]);
    assert!(code == Some(0), "{told}");
}
