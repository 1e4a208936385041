//! A pass does all that it can, whatever of it fails; and what fails for good, or is waited for, costs little.

use std::time::Duration;

use testbed::control_plane::Namespace;
use testbed::group::{Bed, REDIS, SENTINELS};
use testbed::wait_for;

use crate::forget::allow_deleting;
use crate::reconciling::SOON;
use crate::{UP, ordain, started};

#[test]
fn what_a_pass_may_not_do_keeps_nothing_else_from_being_done() {
    let mut bed = Bed::on_kubernetes(ordain()).without_reconcile();
    bed.start_all();
    bed.wait_for_master("redis-0", UP);
    bed.wait_for_labels("redis-0", UP);
    bed.wait_for_sentinels(UP);
    let namespace = bed.namespace.as_ref().unwrap();
    namespace.make_junk("a-junk");
    namespace.forget("redis-1");
    namespace.refuse_label("redis-1", "role", true);
    bed.ask("redis-1", &["ACL", "SETUSER", "default", "-config", "+config|get"]).unwrap();

    let pass = bed.ordain("sentinel-0", &["reconcile", "--group", "a-junk", "--group", "redis"]);
    assert_eq!(pass.code, Some(2), "what is not allowed weighs most: {pass:?}");
    assert!(pass.stderr.contains("the Lease `a-junk` has no readable"), "{pass:?}");
    assert!(pass.stderr.contains("redis-1 has no role"), "in the policy's words: {pass:?}");
    assert!(pass.stderr.contains("redis-1 is in sync: Sentinel may promote redis-1: "), "{pass:?}");
    assert_eq!(pass.stdout, "redis: redis-2 is in sync: Sentinel may promote redis-2 (rule make-promotable)\n", "{pass:?}");
    let replication = bed.text("redis-2", &["INFO", "replication"]);
    assert!(replication.contains("slave_priority:100"), "{replication}");

    bed.namespace.as_ref().unwrap().refuse_label("redis-1", "role", false);
    let pass = bed.ordain("sentinel-0", &["reconcile"]);
    assert!(pass.stdout.contains("label redis-1: role=slave\n"), "{pass:?}");
    assert_eq!(bed.namespace.as_ref().unwrap().label("redis-1", "role").as_deref(), Some("slave"));
}

/// What was asked of the API server since then, without the streams of watches, which it tells of twice.
fn asked_since(namespace: &Namespace, before: usize) -> (Vec<String>, usize) {
    let (watches, asked): (Vec<_>, Vec<_>) =
        namespace.requests().split_off(before).into_iter().partition(|request| request.starts_with("watch "));
    (asked, watches.len())
}

#[test]
fn a_pod_that_waits_asks_once_a_second_at_most_and_opens_one_watch_of_each_kind() {
    let mut bed = Bed::on_kubernetes(ordain()).without_reconcile();
    for pod in REDIS {
        bed.make(pod);
    }
    let namespace = bed.namespace.as_ref().unwrap();
    let before = namespace.requests().len();
    // redis-0, whose turn it is, says nothing.
    let run = bed.ordain("redis-1", &["genconf-redis", "--deadline", "25s"]);
    assert_eq!(run.code, Some(1), "{run:?}");
    let (asked, watches) = asked_since(namespace, before);
    assert!(asked.len() <= 25, "{} requests: {asked:#?}", asked.len());
    // One of each, which is told of when it begins and when it ends.
    assert!(watches <= 4, "{watches} watches");
}

#[test]
fn an_api_server_that_has_no_room_for_a_pod_that_waits_is_asked_ever_less_often() {
    let mut bed = Bed::on_kubernetes(ordain()).without_reconcile();
    for pod in REDIS {
        bed.make(pod);
    }
    let namespace = bed.namespace.as_ref().unwrap();
    let busy = namespace.make_busy();
    let sandbox = bed.sandbox("redis-1");
    let words = ["/opt/ordain/ordain", "genconf-redis", "--deadline", "45s"];
    let mut run = sandbox.start(&sandbox.containers()[0], &words);
    // For a while it may be back at any moment.
    std::thread::sleep(Duration::from_secs(20));
    let before = namespace.requests().len();
    assert_eq!(wait_for("the end", UP, || run.ended()).code(), Some(1), "{}", run.log());
    // Each that is tried again within its second counts, and so does each attempt to watch.
    let asked = namespace.requests().split_off(before);
    assert!(asked.len() <= 40, "{} requests in 25 s: {asked:#?} {}", asked.len(), run.log());
    drop(busy);
    bed.start("redis-0");
    bed.start("redis-1");
    bed.start("redis-2");
    bed.wait_for_master("redis-0", UP);
}

#[test]
fn a_pod_that_waits_hears_at_once_of_what_it_waits_for() {
    let mut bed = Bed::on_kubernetes(ordain()).without_reconcile();
    bed.make("redis-0");
    bed.make("redis-1");
    bed.make("redis-2");
    bed.start("redis-1");
    bed.wait_for_log("redis-1", "redis-1 waits: redis-0", "", UP);
    bed.start("redis-0");
    bed.start("redis-2");
    bed.wait_for_master("redis-0", UP);
    bed.wait_for_labels("redis-0", UP);
}

#[test]
fn what_is_refused_for_good_costs_two_requests_a_minute_at_most() {
    let bed = started(Bed::on_kubernetes(ordain()));
    let namespace = bed.namespace.as_ref().unwrap();
    namespace.refuse_label("redis-1", "role", true);
    bed.ask("redis-2", &["ACL", "SETUSER", "default", "-config", "+config|get"]).unwrap();
    namespace.forget("redis-1");
    let told = || SENTINELS.iter().all(|sentinel| bed.log_of(sentinel, "reconcile").contains("redis-1 has no role"));
    wait_for("each reconcile's word", UP, || told().then_some(()));
    // Whatever began before has ended.
    std::thread::sleep(Duration::from_secs(3));
    let before = namespace.requests().len();
    std::thread::sleep(Duration::from_secs(30));
    let (asked, _) = asked_since(namespace, before);
    assert!(asked.len() <= 3, "each of three may ask once within half a minute: {asked:#?}");
    namespace.refuse_label("redis-1", "role", false);
    bed.wait_for_labels("redis-0", Duration::from_secs(120));
}

#[test]
fn a_group_that_is_gone_is_not_looked_after_any_more_and_one_that_comes_back_is() {
    let mut bed = started(Bed::on_kubernetes(ordain()));
    for pod in REDIS {
        bed.delete(pod);
    }
    allow_deleting(&bed);
    let run = bed.ordain("sentinel-0", &["forget", "redis", "--yes"]);
    assert_eq!(run.code, Some(0), "{run:?}");
    for sentinel in SENTINELS {
        let is_left =
            || bed.log_of(sentinel, "reconcile").contains("redis: the record is gone, and no Sentinel watches the group");
        wait_for(&format!("{sentinel} leaving it alone"), UP, || is_left().then_some(()));
    }
    for pod in REDIS {
        bed.lose_volume(pod);
        bed.make_again(pod);
        bed.start(pod);
    }
    bed.wait_for_master("redis-0", UP);
    bed.wait_for_promotable(UP);
    bed.namespace.as_ref().unwrap().forget("redis-1");
    bed.wait_for_labels("redis-0", UP);
}

#[test]
fn thousands_of_leases_that_are_no_records_do_not_slow_a_group() {
    let bed = Bed::on_kubernetes(ordain());
    bed.namespace.as_ref().unwrap().make_much_junk(2_000);
    let bed = started(bed);
    let namespace = bed.namespace.as_ref().unwrap();
    for pod in REDIS {
        namespace.forget(pod);
        bed.wait_for_labels("redis-0", SOON);
    }
    for sentinel in SENTINELS {
        let log = bed.log_of(sentinel, "reconcile");
        let told = log.lines().filter(|line| line.contains("junk-")).count();
        assert!((1..=20).contains(&told), "{told} lines: {log}");
    }
}
