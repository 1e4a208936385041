//! A Sentinel that does not know a group, as one that was added after it started, is told of it.

use testbed::group::{Bed, SENTINELS};
use testbed::wait_for;

use crate::{FAILED_OVER, UP, ordain, started};

/// Has a Sentinel forget the group as if it had started before there was one.
fn unknow(bed: &Bed, sentinel: &str) {
    bed.ask(sentinel, &["SENTINEL", "REMOVE", "redis"]).unwrap();
}

#[test]
fn sentinels_that_do_not_know_a_group_are_told_of_it_and_fail_it_over() {
    let mut bed = started(Bed::on_kubernetes(ordain()).with_quick_failover().with_password("a%secret/word"));
    for sentinel in SENTINELS {
        unknow(&bed, sentinel);
    }
    bed.wait_for_sentinels(UP);
    for sentinel in SENTINELS {
        let field = |name: &str| bed.sentinel_field(sentinel, name);
        assert_eq!(field("quorum").as_deref(), Some("2"));
        assert_eq!(field("down-after-milliseconds").as_deref(), Some("2000"));
        assert_eq!(field("failover-timeout").as_deref(), Some("10000"));
        assert_eq!(field("parallel-syncs").as_deref(), Some("1"));
        assert_eq!(field("client-reconfig-script"), None, "Sentinel takes no script at run time by default");
        assert!(bed.sandbox(sentinel).read("etc/redis/sentinel.conf").contains("sentinel monitor redis"));
    }
    bed.kill("redis-0");
    let promoted = bed.wait_for_failover("redis-0", FAILED_OVER);
    // No hook: reconcile sees to it.
    bed.wait_for_labels(promoted, FAILED_OVER);
    assert_eq!(bed.namespace.as_ref().unwrap().holder("redis").as_deref(), Some(promoted));
}

#[test]
fn a_sentinel_that_takes_scripts_at_run_time_is_told_of_the_hook_too() {
    let mut bed = Bed::on_kubernetes(ordain()).with_quick_failover();
    bed.make_all();
    bed.sandbox("sentinel-1").append("/etc/ordain-extra.conf", "sentinel deny-scripts-reconfig no\n");
    bed.start_made();
    bed.wait_for_master("redis-0", UP);
    bed.wait_for_sentinels(UP);
    bed.wait_for_labels("redis-0", UP);
    unknow(&bed, "sentinel-1");
    bed.wait_for_sentinels(UP);
    wait_for("the hook", UP, || {
        (bed.sentinel_field("sentinel-1", "client-reconfig-script").as_deref() == Some("/opt/ordain/on-failover")).then_some(())
    });
}
