//! An API server that refuses, is silent, or goes away in the middle.

use std::time::Duration;

use testbed::group::{Bed, REDIS, SENTINELS};
use testbed::wait_for;

use crate::first_boot::{assert_led_by, two_pods};
use crate::{FAILED_OVER, UP, ordain, started};

/// How long what is asked for takes at most; after such a pause nothing more is asked.
const QUIET: Duration = Duration::from_millis(300);

#[test]
fn a_replica_starts_while_the_api_server_is_away_and_nobody_leads() {
    // Long enough that Sentinel elects nobody while all are down.
    let bed = Bed::on_kubernetes(ordain()).with_gates().with_patient_sentinels();
    let mut bed = started(bed);
    bed.put_keys("redis-0", "key", 10);
    bed.wait_for_keys_everywhere(10, UP);
    for pod in REDIS.iter().chain(&SENTINELS) {
        bed.gate(pod).shut();
    }
    bed.kill("redis-2");
    bed.start("redis-2");
    bed.wait_for_master("redis-0", UP);

    // Where they were, by whatever they are known: whose another address is only the API server knows.
    bed.kill_at_once(&REDIS);
    let before = bed.log("redis-0");
    bed.start_each(&REDIS);
    let behind = format!("replica of {}", bed.announced("redis-0"));
    for pod in ["redis-1", "redis-2"] {
        wait_for(&format!("{pod} running"), UP, || (bed.role(pod) == behind).then_some(()));
    }
    bed.wait_for_log("redis-0", "redis-0 waits: the record cannot be read", &before, UP);
    assert_eq!(bed.role("redis-0"), "");
    for pod in REDIS.iter().chain(&SENTINELS) {
        bed.gate(pod).open();
    }
    // What they hold nobody knows: reconcile has them start anew, and the kubelet does so.
    for pod in ["redis-1", "redis-2"] {
        wait_for(&format!("{pod} ending itself"), UP, || bed.server(pod).ended());
        bed.start(pod);
    }
    bed.wait_for_master("redis-0", UP);
    bed.wait_for_keys_everywhere(10, UP);
}

/// A first boot whose API server falls silent after so many requests: right, or undecided.
fn first_boot_with(after: impl Fn(&Bed), restore: impl Fn(&Bed), codes: &[i32]) {
    let mut bed = two_pods(Bed::on_kubernetes(ordain()).with_gates());
    let mut seen = Vec::new();
    for requests in (1..).step_by(2) {
        let (namespace, gate) = (bed.namespace.as_ref().unwrap(), bed.gate("redis-0"));
        namespace.delete_pod("redis-1");
        gate.hold_after(requests);
        let sandbox = bed.sandbox("redis-0");
        let mut run = sandbox.start(&sandbox.containers()[0], &["/opt/ordain/ordain", "genconf-redis", "--deadline", "2s"]);
        let is_whole =
            wait_for("the end, or the gate", UP, || run.ended().map(|_| true).or_else(|| gate.is_held().then_some(false)));
        after(&bed);
        let code = wait_for("the end", UP, || run.ended()).code().unwrap();
        assert!(code == 0 || codes.contains(&code), "exit code {code} after {requests}: {}", run.log());
        // Whoever is done leads with a file that says so; whoever is not has started nothing.
        restore(&bed);
        seen.push(code);
        bed.make_again("redis-1");
        assert_led_by(&mut bed, "redis-0");
        if is_whole {
            break;
        }
    }
    assert!(codes.iter().all(|code| seen.contains(code)), "{seen:?}");
}

#[test]
fn a_first_boot_whose_api_server_falls_silent_in_the_middle_is_undecided_and_the_next_is_right() {
    first_boot_with(|_| {}, |bed| bed.gate("redis-0").open(), &[1]);
}

#[test]
fn a_first_boot_whose_api_server_goes_away_in_the_middle_is_undecided_and_the_next_is_right() {
    first_boot_with(|bed| bed.gate("redis-0").shut(), |bed| bed.gate("redis-0").open(), &[1]);
}

#[test]
fn a_first_boot_that_is_forbidden_in_the_middle_says_so_and_the_next_is_right() {
    let forbid = |bed: &Bed| {
        bed.namespace.as_ref().unwrap().forbid();
        bed.gate("redis-0").open();
    };
    let allow = |bed: &Bed| {
        bed.namespace.as_ref().unwrap().allow(bed.layout);
        bed.gate("redis-0").open();
    };
    first_boot_with(forbid, allow, &[2]);
}

#[test]
fn a_failover_while_the_api_server_is_away_reaches_record_and_labels_when_it_is_back() {
    let bed = Bed::on_kubernetes(ordain()).with_gates().with_quick_failover();
    let mut bed = started(bed);
    for pod in testbed::group::SENTINELS {
        bed.gate(pod).hold();
    }
    bed.kill("redis-0");
    let promoted = bed.wait_for_failover("redis-0", FAILED_OVER);
    assert_eq!(bed.namespace.as_ref().unwrap().holder("redis").as_deref(), Some("redis-0"));
    for pod in testbed::group::SENTINELS {
        bed.gate(pod).open();
    }
    bed.wait_for_labels(promoted, UP);
    assert_eq!(bed.namespace.as_ref().unwrap().holder("redis").as_deref(), Some(promoted));
}

#[test]
fn behind_a_proxy_that_speaks_no_http2_a_failover_reaches_record_and_labels() {
    let mut bed = started(Bed::on_kubernetes(ordain()).behind_http1().with_quick_failover());
    bed.kill("redis-0");
    let promoted = bed.wait_for_failover("redis-0", FAILED_OVER);
    bed.wait_for_labels(promoted, UP);
    assert_eq!(bed.namespace.as_ref().unwrap().holder("redis").as_deref(), Some(promoted));
    assert!(bed.proxied() > 0);
}

#[test]
fn a_pod_that_was_stopped_before_it_marked_the_record_does_not_mark_it_across_a_failover() {
    let mut bed = started(Bed::on_kubernetes(ordain()).with_gates());
    bed.put_keys("redis-0", "key", 10);
    bed.wait_for_keys_everywhere(10, UP);
    // A silent Sentinel is waited for: a second in which nothing is asked of the API server any more.
    bed.server("sentinel-2").signal("STOP");
    let told = bed.namespace.as_ref().unwrap().told("redis-0", "disk");
    let before = bed.log("redis-0");
    bed.kill("redis-0");
    bed.start("redis-0");
    wait_for("redis-0 telling what its disk holds", UP, || {
        (bed.namespace.as_ref().unwrap().told("redis-0", "disk") != told).then_some(())
    });
    bed.gate("redis-0").wait_until_quiet(QUIET, UP);
    bed.gate("redis-0").hold();
    // Decided; it cannot go on to the labels, nor to the mark.
    bed.wait_for_log("redis-0", "wrote `/etc/redis/redis.conf`", &before, UP);
    bed.server("redis-0").signal("STOP");
    bed.gate("redis-0").open();
    let promoted =
        wait_for("another master", FAILED_OVER, || ["redis-1", "redis-2"].into_iter().find(|pod| bed.role(pod) == "master"));
    bed.wait_for_labels(promoted, FAILED_OVER);

    bed.server("redis-0").signal("CONT");
    bed.wait_for_master(promoted, UP);
    let log = &bed.log("redis-0")[before.len()..];
    assert!(log.contains("redis-0 looks again: the start marker was not written"), "{log}");
    assert!(log.contains(&format!("redis-0 follows {promoted}")), "{log}");
    bed.wait_for_keys_everywhere(10, UP);
}

#[test]
fn what_a_pod_told_before_it_started_anew_without_the_api_server_counts_for_nothing() {
    // Long enough that Sentinel elects nobody while all are down.
    let bed = Bed::on_kubernetes(ordain()).with_gates().with_patient_sentinels();
    let mut bed = started(bed);
    bed.put_keys("redis-0", "early", 10);
    bed.wait_for_keys_everywhere(10, UP);
    let older = bed.copy_volume("redis-0");
    bed.put_keys("redis-0", "late", 40);
    bed.wait_for_keys_everywhere(50, UP);
    // Where they were, by whatever they are known: whose another address is only the API server knows.
    bed.kill_at_once(&REDIS);
    bed.put_back("redis-0", &older);
    bed.age_volume("redis-0", Duration::from_secs(3600));

    // These two follow whom the Sentinels name, and cannot say what their disks hold: on their pods is
    // what they told at the first boot, that these were empty.
    let behind = format!("replica of {}", bed.announced("redis-0"));
    for pod in ["redis-1", "redis-2"] {
        bed.gate(pod).shut();
        bed.start(pod);
    }
    for pod in SENTINELS {
        // Reconcile would have them start anew.
        bed.gate(pod).shut();
    }
    for pod in ["redis-1", "redis-2"] {
        wait_for(&format!("{pod} running"), UP, || (bed.role(pod) == behind).then_some(()));
    }
    let before = bed.log("redis-0");
    bed.start("redis-0");
    let log = bed.wait_for_log("redis-0", "redis-0 ", &before, UP);
    assert!(log.contains("redis-0 waits: "), "{log}");
    assert_eq!((bed.keys("redis-1"), bed.keys("redis-2")), (Some(50), Some(50)));
}
