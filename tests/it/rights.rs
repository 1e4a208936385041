//! Each right of each Role is needed: without it somebody says which one is missing.

use rstest::rstest;
use testbed::group::Bed;
use testbed::layout::{MASTER_REPLICA_SENTINEL, SHARED_SENTINEL, STATIC_REPLICATION};
use testbed::wait_for;

use crate::{FAILED_OVER, UP, fail_over_unheard, ordain, started, started_without_hooks};

/// Waits until somebody in these pods says that it may not do this.
fn wait_for_complaint(bed: &Bed, verb: &str, resource: &str) {
    let says_so = |pod: &&str| {
        let logs = [bed.log(pod), bed.log_of(pod, "sentinel"), bed.log_of(pod, "reconcile")];
        logs.iter().any(|log| complains(log, verb, resource))
    };
    wait_for(&format!("who may not {verb} {resource}"), UP, || bed.pods().iter().any(says_so).then_some(()));
}

fn complains(log: &str, verb: &str, resource: &str) -> bool {
    log.replace(['\\', '"'], "").contains(&format!("cannot {verb} resource {resource}"))
}

#[rstest]
#[case("get", "leases")]
#[case("create", "leases")]
#[case("update", "leases")]
#[case("get", "pods")]
#[case("list", "pods")]
#[case("patch", "pods")]
fn redis_pods_that_start_for_the_first_time_name_the_right_that_they_lack(#[case] verb: &str, #[case] resource: &str) {
    let mut bed = Bed::on_kubernetes(ordain()).of(&STATIC_REPLICATION).with_secret("secret");
    bed.namespace.as_ref().unwrap().forbid_one(bed.layout, "ordain", verb, resource);
    bed.start_all();
    wait_for_complaint(&bed, verb, resource);
}

#[rstest]
#[case("leases")]
#[case("pods")]
fn a_redis_pod_that_waits_names_the_right_that_it_lacks_to_watch(#[case] resource: &str) {
    let mut bed = Bed::on_kubernetes(ordain());
    bed.make("redis-1");
    bed.namespace.as_ref().unwrap().forbid_one(bed.layout, "ordain", "watch", resource);
    let run = bed.ordain("redis-1", &["genconf-redis", "--deadline", "3s"]);
    assert!(complains(&run.stderr, "watch", resource), "{run:?}");
}

#[test]
fn a_redis_pod_that_moves_the_record_names_the_right_that_it_lacks_to_tell_of_it() {
    let mut bed = started_without_hooks(Bed::on_kubernetes(ordain()).with_quick_failover());
    bed.namespace.as_ref().unwrap().forbid_one(bed.layout, "ordain", "create", "events");
    let promoted = fail_over_unheard(&mut bed);
    bed.start("redis-0");
    bed.wait_for_labels(promoted, UP);
    wait_for_complaint(&bed, "create", "events");
}

#[rstest]
#[case("get", "leases")]
#[case("list", "leases")]
#[case("watch", "leases")]
#[case("get", "pods")]
#[case("list", "pods")]
#[case("watch", "pods")]
fn sentinels_that_start_for_the_first_time_name_the_right_that_they_lack(#[case] verb: &str, #[case] resource: &str) {
    let mut bed = Bed::on_kubernetes(ordain());
    bed.namespace.as_ref().unwrap().forbid_one(&SHARED_SENTINEL, "sentinel", verb, resource);
    bed.start_all();
    wait_for_complaint(&bed, verb, resource);
}

#[rstest]
#[case("update", "leases")]
#[case("patch", "pods")]
#[case("create", "events")]
fn sentinels_that_fail_over_name_the_right_that_they_lack(#[case] verb: &str, #[case] resource: &str) {
    let mut bed = started(Bed::on_kubernetes(ordain()).with_quick_failover());
    bed.namespace.as_ref().unwrap().forbid_one(&SHARED_SENTINEL, "sentinel", verb, resource);
    bed.kill("redis-0");
    bed.wait_for_failover("redis-0", FAILED_OVER);
    wait_for_complaint(&bed, verb, resource);
}

#[test]
fn sentinels_that_fail_over_after_the_record_was_deleted_name_the_right_that_they_lack_to_create_one() {
    let mut bed = started(Bed::on_kubernetes(ordain()).with_quick_failover());
    let namespace = bed.namespace.as_ref().unwrap();
    namespace.forbid_one(&SHARED_SENTINEL, "sentinel", "create", "leases");
    namespace.delete_record("redis");
    bed.kill("redis-0");
    bed.wait_for_failover("redis-0", FAILED_OVER);
    wait_for_complaint(&bed, "create", "leases");
}

#[test]
fn a_reconcile_beside_a_redis_names_the_right_that_it_lacks_to_list_its_record() {
    let mut bed = Bed::on_kubernetes(ordain()).of(&MASTER_REPLICA_SENTINEL);
    bed.namespace.as_ref().unwrap().forbid_one(&MASTER_REPLICA_SENTINEL, "ordain", "list", "leases");
    bed.start_all();
    wait_for_complaint(&bed, "list", "leases");
}
