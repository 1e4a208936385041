//! The labels: true after every failover, never on two pods, and told of.

use std::time::Duration;

use serde_json::{Value, json};
use testbed::group::{Bed, REDIS, SENTINELS};
use testbed::label_watch::LabelWatch;
use testbed::wait_for;

use crate::{FAILED_OVER, GIVEN_UP, UP, fail_over_unheard, ordain, started, started_without_hooks};

/// What Sentinel passes to its hook; they are hints only.
const ARGUMENTS: [&str; 8] = ["on-failover", "redis", "leader", "start", "redis-0", "6379", "redis-1", "6379"];

#[test]
fn twenty_failovers_in_a_row_never_show_two_masters() {
    let mut bed = started(Bed::on_kubernetes(ordain()).with_quick_failover());
    let watch = LabelWatch::start(bed.namespace.as_ref().unwrap());
    let mut master = "redis-0";
    for _ in 0..20 {
        bed.kill(master);
        let promoted = wait_for("another master label", FAILED_OVER, || {
            let history = watch.history();
            REDIS.into_iter().find(|pod| *pod != master && history.last().is_some_and(|last| last == pod))
        });
        bed.start(master);
        bed.wait_for_master(promoted, UP);
        bed.wait_for_promotable(UP);
        bed.wait_for_labels(promoted, UP);
        // A failover whose promoted pod dies before it has ended goes on until that pod is back.
        for sentinel in SENTINELS {
            let flags = || bed.sentinel_field(sentinel, "flags");
            wait_for("the end of the failover", UP, || (flags().as_deref() == Some("master")).then_some(()));
        }
        master = promoted;
    }
    let history = watch.history_up_to(master);
    assert!(history.len() > 20, "{history:?}");
    let mut gaps = watch.gaps();
    gaps.sort();
    println!("without a master label: median {:?}, longest {:?}", gaps[gaps.len() / 2], gaps[gaps.len() - 1]);
    let events = bed.namespace.as_ref().unwrap().events();
    let promoted = |kind: &str| events.iter().filter(|event| event[0].starts_with(kind) && event[1] == "Promoted").count();
    assert_eq!((promoted("Lease"), promoted("Pod")), (history.len() - 1, history.len() - 1), "{events:#?}");
}

/// By which labels the group's pods are asked for, as a request has it.
const SELECTED: &str = "app.kubernetes.io%2Finstance%3Dredis%2Capp.kubernetes.io%2Fcomponent%3Dredis";

#[test]
fn a_hook_asks_the_api_server_for_no_more_than_it_must() {
    let mut bed = started_without_hooks(Bed::on_kubernetes(ordain()).with_quick_failover());
    let promoted = fail_over_unheard(&mut bed);
    let namespace = bed.namespace.as_ref().unwrap();
    let before = namespace.requests().len();
    let hook = bed.ordain("sentinel-0", &ARGUMENTS);
    assert_eq!(hook.code, Some(0), "{hook:?}");
    let settled = |count| {
        wait_for("the audit log", UP, || Some(namespace.requests().split_off(before)).filter(|asked| asked.len() >= count))
    };
    let afresh = usize::from(bed.is_by_address());
    let mut asked = settled(8 + afresh);
    if bed.is_by_address() {
        // Whose an address is now is asked anew: when the pods were listed it may have been another's.
        assert_eq!(asked.remove(2), format!("list pods?&labelSelector={SELECTED}&limit=500"));
    }
    let others: Vec<_> = REDIS.into_iter().filter(|pod| *pod != promoted).collect();
    asked[..2].sort();
    asked[3..5].sort();
    assert_eq!(
        asked[..6],
        [
            "get leases/redis".to_owned(),
            format!("list pods?&labelSelector={SELECTED}&resourceVersion=0&resourceVersionMatch=NotOlderThan"),
            "update leases/redis?".to_owned(),
            format!("patch pods/{}?", others[0]),
            format!("patch pods/{}?", others[1]),
            format!("patch pods/{promoted}?"),
        ]
    );
    assert_eq!(asked[6..], ["create events?", "create events?"]);

    let before = namespace.requests().len();
    let again = bed.ordain("sentinel-1", &ARGUMENTS);
    assert_eq!(again.code, Some(0), "{again:?}");
    let mut asked =
        wait_for("the audit log", UP, || Some(namespace.requests().split_off(before)).filter(|asked| asked.len() >= 3 + afresh));
    asked.sort();
    let asked: Vec<_> = asked.iter().map(|line| line.split('?').next().unwrap()).collect();
    let due = ["get leases/redis", "get leases/redis", "list pods", "list pods"];
    assert_eq!(asked, due[..3 + afresh]);
}

#[test]
fn of_three_hooks_at_once_one_tells_of_the_change_of_master() {
    let mut bed =
        started(Bed::on_kubernetes(ordain()).with_quick_failover().without_reconcile().with_env("ORDAIN_PROMOTABLE", "at-start"));
    bed.kill("redis-0");
    let promoted = bed.wait_for_failover("redis-0", FAILED_OVER);
    bed.wait_for_labels(promoted, UP);
    for sentinel in SENTINELS {
        let told = bed.log(sentinel);
        bed.wait_for_log(sentinel, " failover group=redis", "", UP);
        assert!(!told.contains("error:"), "{told}");
    }
    let told = wait_for("both Events", UP, || Some(bed.namespace.as_ref().unwrap().events()).filter(|told| told.len() >= 2));
    let [of_pod, of_record] =
        ["Pod", "Lease"].map(|kind| told.iter().filter(|event| event[0].starts_with(kind)).collect::<Vec<_>>());
    let ([of_pod], [of_record]) = (&of_pod[..], &of_record[..]) else { panic!("{told:#?}") };
    assert_eq!(of_pod[..2], [format!("Pod/{promoted}"), "Promoted".to_owned()]);
    assert_eq!(of_record[..2], ["Lease/redis".to_owned(), "Promoted".to_owned()]);
    let words = format!(
        "{promoted} is the master of redis since epoch 1; the master before was redis-0; reported by on-failover at sentinel-"
    );
    assert!(of_pod[2].starts_with(&words) && of_pod[2] == of_record[2], "{told:#?}");
    assert!(of_pod[2].ends_with(" (rule record-names-master)"), "{told:#?}");
    let shown = bed.namespace.as_ref().unwrap();
    let shown = shown.plane.kubectl(&["get", "events", "-n", &shown.name], "").unwrap();
    assert!(shown.contains("Promoted") && shown.contains(&format!("pod/{promoted}")), "{shown}");
}

#[test]
fn a_strangers_edit_is_put_right_and_told_of_once() {
    let bed = started(Bed::on_kubernetes(ordain()));
    let namespace = bed.namespace.as_ref().unwrap();
    let before = namespace.events();
    namespace.plane.kubectl(&["label", "--overwrite", "pod/redis-1", "role=nobody", "-n", &namespace.name], "").unwrap();
    bed.wait_for_labels("redis-0", UP);
    // Three reconcile: one of them has done it.
    let told = wait_for("an Event", UP, || {
        let told = namespace.events_since(&before);
        (!told.is_empty()).then_some(told)
    });
    let [told] = &told[..] else { panic!("{told:#?}") };
    assert_eq!(told[..2], ["Pod/redis-1".to_owned(), "Relabelled".to_owned()]);
    assert!(told[2].starts_with("role=slave, as the record says"), "{told:?}");
}

/// Runs the hook after a failover that no other tells of, while something is wrong.
fn hook_while(wrong: impl Fn(&Bed, &str), until: impl Fn(&Bed), deadline: &str, code: i32) -> (Bed, &'static str, String) {
    let mut bed = started_without_hooks(Bed::on_kubernetes(ordain()).with_quick_failover().with_gates());
    let promoted = fail_over_unheard(&mut bed);
    wrong(&bed, promoted);
    let sandbox = bed.sandbox("sentinel-0");
    let words = [&["/opt/ordain/ordain", "on-failover", "--deadline", deadline], &ARGUMENTS[1..]].concat();
    let mut hook = sandbox.start(&sandbox.containers()[0], &words);
    until(&bed);
    let ended = wait_for("the hook's end", GIVEN_UP, || hook.ended());
    assert_eq!(ended.code(), Some(code), "{}", hook.log());
    let log = hook.log();
    (bed, promoted, log)
}

fn next_is_right(bed: &Bed, promoted: &str) {
    let next = bed.ordain("sentinel-1", &ARGUMENTS);
    assert_eq!(next.code, Some(0), "{next:?}");
    bed.wait_for_labels(promoted, UP);
    assert_eq!(bed.namespace.as_ref().unwrap().holder("redis").as_deref(), Some(promoted));
}

#[test]
fn a_hook_whose_api_server_is_away_for_twenty_seconds_goes_on_when_it_is_back() {
    let back = |bed: &Bed| {
        std::thread::sleep(Duration::from_secs(20));
        bed.gate("sentinel-0").open();
    };
    let (bed, promoted, _) = hook_while(|bed, _| bed.gate("sentinel-0").shut(), back, "45s", 0);
    bed.wait_for_labels(promoted, Duration::ZERO);
}

#[test]
fn a_hook_that_is_told_to_come_back_later_does_so_and_the_next_is_right() {
    let mut bed = started_without_hooks(Bed::on_kubernetes(ordain()).with_quick_failover());
    let promoted = fail_over_unheard(&mut bed);
    let busy = bed.namespace.as_ref().unwrap().make_busy();
    let before = bed.namespace.as_ref().unwrap().requests().len();
    let hook = bed.ordain("sentinel-0", &[&["on-failover", "--deadline", "5s"], &ARGUMENTS[1..]].concat());
    assert_eq!(hook.code, Some(1), "{hook:?}");
    // Every second, as it was told, and not as fast as it can.
    let asked = bed.namespace.as_ref().unwrap().requests().split_off(before);
    assert!((2..=20).contains(&asked.len()), "{asked:#?}");
    drop(busy);
    next_is_right(&bed, promoted);
}

#[test]
fn a_hook_whose_writes_fail_with_an_internal_error_says_so_and_the_next_is_right() {
    // A webhook that nobody answers: the API server says 500.
    let broken = |bed: &Bed, _: &str| bed.namespace.as_ref().unwrap().break_writes(true);
    let (bed, promoted, log) = hook_while(broken, |_| {}, "8s", 1);
    assert!(log.contains("the API server answered 500"), "{log}");
    bed.namespace.as_ref().unwrap().break_writes(false);
    next_is_right(&bed, promoted);
}

#[test]
fn the_old_masters_pod_may_be_gone_or_terminating() {
    let (bed, promoted, _) = hook_while(|bed, _| bed.namespace.as_ref().unwrap().delete_pod("redis-0"), |_| {}, "45s", 0);
    let role = |pod| bed.namespace.as_ref().unwrap().label(pod, "role");
    assert_eq!(role(promoted).as_deref(), Some("master"));

    // As on a node that is gone: the kubelet never says that it has ended.
    let terminating = |bed: &Bed, _: &str| {
        let namespace = bed.namespace.as_ref().unwrap();
        let finalizers: Value = json!({"metadata": {"finalizers": ["example.com/stays"]}});
        namespace
            .plane
            .kubectl(&["patch", "pod/redis-0", "-n", &namespace.name, "--type=merge", "-p", &finalizers.to_string()], "")
            .unwrap();
        namespace.delete_pod("redis-0");
    };
    let (bed, promoted, _) = hook_while(terminating, |_| {}, "45s", 0);
    bed.wait_for_labels(promoted, Duration::ZERO);
}

#[test]
fn a_new_master_whose_pod_was_deleted_in_between_is_labelled_when_it_is_back() {
    let gone = |bed: &Bed, promoted: &str| bed.namespace.as_ref().unwrap().delete_pod(promoted);
    let (mut bed, promoted, log) = hook_while(gone, |_| {}, "8s", 1);
    assert!(log.contains("no pod of "), "{log}");
    bed.make_again(promoted);
    next_is_right(&bed, promoted);
}
