//! Hooks that stop in the middle and go on two failovers later: no pod becomes the master by them.

use testbed::group::{Bed, REDIS};
use testbed::label_watch::LabelWatch;
use testbed::process::Process;
use testbed::wait_for;

use crate::{FAILED_OVER, GIVEN_UP, UP, ordain, started_without_hooks};

/// Runs the hook of sentinel-0 by hand; its arguments are hints only.
fn hook(bed: &Bed) -> Process {
    let sandbox = bed.sandbox("sentinel-0");
    let words = ["/opt/ordain/ordain", "on-failover", "redis", "leader", "start", "a", "1", "b", "2"];
    sandbox.start(&sandbox.containers()[0], &words)
}

/// Has Sentinel promote another than `old`, while no hook says so to anyone.
fn fail_over_from(bed: &Bed, old: &str) -> &'static str {
    bed.fail_over("sentinel-0", FAILED_OVER);
    let promoted = bed.wait_for_failover(old, FAILED_OVER);
    bed.wait_for_master(promoted, UP);
    promoted
}

#[test]
fn hooks_that_slept_through_two_failovers_never_make_two_masters() {
    let bed = started_without_hooks(Bed::on_kubernetes(ordain()).with_quick_failover().with_gates());
    let watch = LabelWatch::start(bed.namespace.as_ref().unwrap());
    let first = fail_over_from(&bed, "redis-0");

    // Each is stopped one request later than the one before, until one gets through.
    let mut sleepers = Vec::new();
    for requests in 3.. {
        let gate = bed.gate("sentinel-0");
        gate.hold_after(requests);
        let mut sleeper = hook(&bed);
        let is_over = wait_for("the hook at the gate, or its end", UP, || {
            sleeper.ended().map(|_| true).or_else(|| gate.is_held().then_some(false))
        });
        if is_over {
            gate.open();
            break;
        }
        sleeper.signal("STOP");
        // What it was sending is still on its way, and so is what it was told.
        gate.freeze();
        sleepers.push(sleeper);
    }
    assert!(sleepers.len() > 5, "only {} hooks were stopped in the middle", sleepers.len());

    let second = fail_over_from(&bed, first);
    let mut fresh = hook(&bed);
    wait_for("the second failover's hook", UP, || fresh.ended());
    bed.wait_for_labels(second, UP);
    let third = fail_over_from(&bed, second);
    let mut fresh = hook(&bed);
    bed.gate("sentinel-0").thaw();
    // Half of them wake while the labels move, half when all is done.
    for sleeper in sleepers.iter().step_by(2) {
        sleeper.signal("CONT");
    }
    wait_for("the third failover's hook", UP, || fresh.ended());
    bed.wait_for_labels(third, UP);
    for sleeper in sleepers.iter().skip(1).step_by(2) {
        sleeper.signal("CONT");
    }
    for sleeper in &mut sleepers {
        wait_for("every hook's end", GIVEN_UP, || sleeper.ended());
    }
    bed.wait_for_labels(third, UP);
    assert_eq!(bed.namespace.as_ref().unwrap().holder("redis").as_deref(), Some(third));
    watch.history_up_to(third);
    assert!(REDIS.contains(&third));
}
