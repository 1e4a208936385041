//! Failovers that go wrong halfway: promoted and not announced, or begun twice.

use testbed::group::{Bed, REDIS, SENTINELS};
use testbed::label_watch::LabelWatch;
use testbed::wait_for;

use crate::{FAILED_OVER, GIVEN_UP, UP, ordain, started};

#[test]
fn an_old_master_follows_a_promoted_one_that_its_sentinel_died_before_announcing() {
    let mut bed = started(Bed::on_kubernetes(ordain()).with_quick_failover());
    bed.put_keys("redis-0", "key", 10);
    bed.wait_for_keys_everywhere(10, UP);
    for sentinel in SENTINELS {
        bed.ask(sentinel, &["SENTINEL", "SIMULATE-FAILURE", "crash-after-promotion"]).unwrap();
    }
    bed.kill("redis-0");
    let dead = wait_for("a Sentinel that dies of its promotion", FAILED_OVER, || {
        SENTINELS.into_iter().find(|sentinel| bed.server(sentinel).ended().is_some())
    });
    let promoted = wait_for("the promoted one", UP, || ["redis-1", "redis-2"].into_iter().find(|pod| bed.role(pod) == "master"));
    bed.start("redis-0");
    wait_for("redis-0 running", UP, || Some(bed.role("redis-0")).filter(|role| !role.is_empty()));
    assert_eq!(bed.role("redis-0"), format!("replica of {}", bed.announced(promoted)));
    bed.start(dead);
    bed.wait_for_master(promoted, GIVEN_UP);
    for sentinel in SENTINELS {
        wait_for(&format!("{sentinel} naming {promoted}"), GIVEN_UP, || (bed.named_by(sentinel) == Some(promoted)).then_some(()));
    }
    bed.wait_for_keys_everywhere(10, UP);
    bed.wait_for_labels(promoted, UP);
}

#[test]
fn a_promoted_pod_that_dies_before_its_failover_is_over_leads_when_it_is_back() {
    let bed = Bed::on_kubernetes(ordain()).with_quick_failover().with_env("ORDAIN_HOLDER_GRACE", "15s");
    let mut bed = started(bed);
    bed.put_keys("redis-0", "key", 10);
    bed.wait_for_keys_everywhere(10, UP);
    bed.kill("redis-0");
    let promoted = wait_for("a promotion", FAILED_OVER, || {
        SENTINELS.iter().find_map(|sentinel| bed.named_by(sentinel).filter(|pod| *pod != "redis-0"))
    });
    let third = REDIS.into_iter().find(|pod| *pod != promoted && *pod != "redis-0").unwrap();
    let where_it_was = format!(" {} ", bed.announced(promoted));
    // Before Sentinel has seen that the third follows: it goes on waiting for that, and for the promoted one.
    let before = SENTINELS.map(|sentinel| bed.log(sentinel));
    bed.cut_power(&[promoted, third]);
    bed.start_each(&[third, "redis-0"]);
    let finds_it_down = |(sentinel, before): (&&str, &String)| {
        bed.log(sentinel)[before.len()..].lines().any(|line| line.contains("+sdown") && line.contains(&where_it_was))
    };
    wait_for("a Sentinel finding the promoted one down", FAILED_OVER, || {
        SENTINELS.iter().zip(&before).any(finds_it_down).then_some(())
    });
    bed.start(promoted);
    bed.wait_for_master(promoted, GIVEN_UP);
    bed.wait_for_keys_everywhere(10, UP);
}

#[test]
fn of_two_handovers_at_once_one_master_remains_and_record_and_labels_agree() {
    let bed = started(Bed::on_kubernetes(ordain()).with_quick_failover());
    let watch = LabelWatch::start(bed.namespace.as_ref().unwrap());
    let writer = bed.plain_writer();
    wait_for("Sentinels that know whom they may promote", UP, || {
        let knows =
            |sentinel: &&str| bed.text(sentinel, &["SENTINEL", "REPLICAS", "redis"]).matches("slave-priority\n100").count() == 2;
        SENTINELS.iter().all(knows).then_some(())
    });
    // Where each promotes another, and has the other's follow its own, those two copy each other. That a master says it
    // is a replica counts as down only after down-after and 20 s (`sentinelCheckSubjectivelyDown` of `sentinel.c`).
    bed.let_sentinels_be_quick();
    let mut both = ["sentinel-0", "sentinel-1"].map(|sentinel| bed.connect(sentinel).unwrap());
    for sentinel in &mut both {
        testbed::client::ask(sentinel, &["SENTINEL", "FAILOVER", "redis"]).unwrap();
    }
    let master = wait_for("one master that all name", GIVEN_UP, || {
        let masters: Vec<_> = REDIS.into_iter().filter(|pod| bed.role(pod) == "master").collect();
        let [master] = masters[..] else { return None };
        let is_old = master == "redis-0";
        (!is_old && SENTINELS.iter().all(|sentinel| bed.named_by(sentinel) == Some(master))).then_some(master)
    });
    bed.wait_for_master(master, GIVEN_UP);
    bed.wait_for_labels(master, UP);
    assert_eq!(bed.namespace.as_ref().unwrap().holder("redis").as_deref(), Some(master));
    watch.history_up_to(master);
    let before = writer.acknowledged();
    wait_for("writes that go on", UP, || (writer.acknowledged() > before + 20).then_some(()));
    writer.stop();
}
