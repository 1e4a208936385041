//! A first boot that ends in the middle: after any of its requests, the record half made or just
//! made, and all volumes empty.

use testbed::group::{Bed, REDIS, SENTINELS};
use testbed::wait_for;

use crate::first_boot::{assert_led_by, two_pods};
use crate::{UP, ordain};

#[test]
fn whichever_request_was_the_last_of_a_killed_first_boot_the_next_one_comes_up() {
    let mut bed = two_pods(Bed::on_kubernetes(ordain()).with_gates());
    for requests in 1.. {
        let (namespace, gate) = (bed.namespace.as_ref().unwrap(), bed.gate("redis-0"));
        // As under OrderedReady: redis-1 does not exist yet.
        namespace.delete_pod("redis-1");
        gate.hold_after(requests);
        let sandbox = bed.sandbox("redis-0");
        let mut first = sandbox.start(&sandbox.containers()[0], &["/opt/ordain/ordain", "genconf-redis"]);
        let is_over = wait_for("the end, or the gate", UP, || {
            let ended = first.ended().map(|status| assert_eq!(status.code(), Some(0), "{}", first.log()));
            ended.map(|()| true).or_else(|| gate.is_held().then_some(false))
        });
        // The last request is done by the server, though its reply is held.
        gate.wait_until_quiet(std::time::Duration::from_millis(50), UP);
        first.kill();
        gate.open();
        bed.make_again("redis-1");
        assert_led_by(&mut bed, "redis-0");
        if is_over {
            assert!(requests > 10, "it was never cut short: {requests}");
            return;
        }
    }
}

/// Kills the first pod of an empty group as soon as the record says something, then all come up.
fn kill_redis_0_once(record_says: &str) {
    let mut bed = Bed::on_kubernetes(ordain());
    for pod in [REDIS, SENTINELS].concat() {
        bed.make(pod);
    }
    bed.start_each(&REDIS);
    wait_for("the record", UP, || bed.namespace.as_ref().unwrap().noted("redis", record_says));
    bed.cut_power(&REDIS);
    bed.start_each(&[REDIS, SENTINELS].concat());
    bed.wait_for_master("redis-0", UP);
    bed.wait_for_sentinels(UP);
    bed.wait_for_promotable(UP);
    bed.wait_for_labels("redis-0", UP);
}

#[test]
fn an_empty_group_that_is_killed_as_its_record_is_created_comes_up_all_the_same() {
    kill_redis_0_once("group-id");
}

#[test]
fn an_empty_group_that_is_killed_as_its_record_is_marked_comes_up_all_the_same() {
    kill_redis_0_once("mark");
}
