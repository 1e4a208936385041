//! `--priority`: whom Sentinel and a master that hands over may promote, and whom they prefer.

use testbed::group::{Bed, REDIS, SENTINELS};
use testbed::wait_for;

use crate::{FAILED_OVER, UP, ordain};

/// Each pod's own priority: the first pod leads a first boot all the same.
const PRIORITIES: [(&str, &str); 3] = [("redis-0", "0"), ("redis-1", "50"), ("redis-2", "20")];

fn priority(bed: &Bed, pod: &str) -> Option<String> {
    let replication = bed.text(pod, &["INFO", "replication"]);
    replication.lines().find_map(|line| line.strip_prefix("slave_priority:")).map(|own| own.trim().to_owned())
}

/// Waits until each replica has its own priority, and every Sentinel knows it.
fn wait_for_priorities(bed: &Bed, replicas: &[&str]) {
    for (pod, own) in PRIORITIES.into_iter().filter(|(pod, _)| replicas.contains(pod)) {
        wait_for(&format!("{pod} with the priority {own}"), UP, || (priority(bed, pod)? == own).then_some(()));
        for sentinel in SENTINELS {
            wait_for(&format!("{sentinel} knowing the priority of {pod}"), UP, || {
                let known = bed.ask(sentinel, &["SENTINEL", "REPLICAS", "redis"]).ok()?;
                let its = replica_of(&known, &bed.announced(pod))?;
                (its.get("slave-priority")? == own && its.get("flags")? == "slave").then_some(())
            });
        }
    }
}

/// The group is up, and each pod has the own priority that is said beside it.
fn started_with(mut bed: Bed, priorities: [(&'static str, &str); 3]) -> Bed {
    for (pod, own) in priorities {
        bed = bed.with_env("ORDAIN_PRIORITY", own);
        bed.make(pod);
    }
    for sentinel in SENTINELS {
        bed.make(sentinel);
    }
    bed.start_made();
    bed.wait_for_master("redis-0", UP);
    bed.wait_for_sentinels(UP);
    bed
}

/// What a Sentinel says of the replica at this address.
fn replica_of(known: &redis::Value, address: &str) -> Option<std::collections::BTreeMap<String, String>> {
    let known: Vec<std::collections::BTreeMap<String, String>> = redis::from_redis_value(known.clone()).ok()?;
    known.into_iter().find(|replica| replica.get("ip").is_some_and(|ip| ip == address))
}

#[test]
fn a_server_whose_report_is_missing_has_its_own_priority_all_the_same() {
    let bed = Bed::on_kubernetes(ordain()).with_gates().without_reconcile();
    let mut bed = started_with(bed, [("redis-0", "100"), ("redis-1", "50"), ("redis-2", "0")]);
    // Pods that are made anew while they cannot reach the API server follow what the Sentinels say.
    for pod in ["redis-1", "redis-2"] {
        bed.delete(pod);
        bed.make_again(pod);
        bed.gate(pod).shut();
        bed.start(pod);
    }
    for pod in ["redis-1", "redis-2"] {
        wait_for(&format!("{pod} in sync"), UP, || {
            bed.text(pod, &["INFO", "replication"]).contains("master_link_status:up").then_some(())
        });
        assert_eq!(priority(&bed, pod).as_deref(), Some("0"), "{pod}");
        assert_eq!(bed.namespace.as_ref().unwrap().told(pod, "ordain.dev/disk"), None);
    }
    let reconcile = |bed: &Bed| {
        let pass = bed.ordain("sentinel-0", &["reconcile"]);
        assert_eq!(pass.code, Some(0), "{pass:?}");
        [priority(bed, "redis-1"), priority(bed, "redis-2")].map(Option::unwrap)
    };
    assert_eq!(reconcile(&bed), ["50", "0"]);
    // Nor does it count what stands in their place.
    for report in ["?", r#"{"run":"another","disk":"empty","started":true}"#] {
        for pod in ["redis-1", "redis-2"] {
            let change = serde_json::json!({"metadata": {"annotations": {"ordain.dev/disk": report}}});
            bed.namespace.as_ref().unwrap().edit_pod(pod, &change);
            bed.ask(pod, &["CONFIG", "SET", "replica-priority", "0"]).unwrap();
        }
        assert_eq!(reconcile(&bed), ["50", "0"], "{report}");
    }
}

#[test]
fn the_replica_with_the_lowest_number_is_promoted_and_one_with_0_never_is() {
    let mut bed = started_with(Bed::on_kubernetes(ordain()).with_quick_failover(), PRIORITIES);
    bed.put_keys("redis-0", "key", 10);
    bed.wait_for_keys_everywhere(10, UP);
    wait_for_priorities(&bed, &["redis-1", "redis-2"]);

    // A handover, however long the better one's moment is away.
    let run = bed.exec("redis-0", "/lifecycle/preStop");
    assert!(run.code == Some(0) && run.stderr.contains("has handed over: "), "{run:?}");
    assert_eq!(bed.role("redis-2"), "master", "{run:?}");
    bed.wait_for_master("redis-2", UP);
    bed.wait_for_labels("redis-2", UP);
    bed.wait_for_sentinels(UP);
    wait_for_priorities(&bed, &["redis-0", "redis-1"]);

    // A failover: redis-0 is in sync, and is not asked.
    bed.cut_power(&["redis-2"]);
    assert_eq!(bed.wait_for_failover("redis-2", FAILED_OVER), "redis-1");
    bed.wait_for_labels("redis-1", UP);

    // Nobody is left that may be promoted.
    let before = SENTINELS.map(|sentinel| bed.log(sentinel));
    bed.cut_power(&["redis-1"]);
    wait_for("a Sentinel that finds nobody to promote", FAILED_OVER, || {
        let finds_nobody = |(sentinel, before): (&&str, &String)| {
            bed.log(sentinel).get(before.len()..).is_some_and(|news| news.contains("-failover-abort-no-good-slave"))
        };
        SENTINELS.iter().zip(&before).any(finds_nobody).then_some(())
    });
    assert!(bed.role("redis-0").starts_with("replica of "), "{}", bed.role("redis-0"));
    assert_eq!(priority(&bed, "redis-0").as_deref(), Some("0"));
    bed.start_each(&["redis-1", "redis-2"]);
    let master = wait_for("a master", FAILED_OVER, || REDIS.into_iter().find(|pod| bed.role(pod) == "master"));
    assert_ne!(master, "redis-0");
    bed.wait_for_keys_everywhere(10, UP);
}

#[test]
fn a_master_in_whose_place_nobody_may_be_promoted_is_told_once() {
    let bed = started_with(Bed::on_kubernetes(ordain()), [("redis-0", "0"), ("redis-1", "0"), ("redis-2", "0")]);
    let warning = "redis: no failover will happen while redis-0 leads: every other pod (redis-1, redis-2) has the priority 0. \
                   Give one of them another --priority (ORDAIN_PRIORITY)";
    let told = || SENTINELS.map(|sentinel| bed.log_of(sentinel, "reconcile").matches(warning).count());
    wait_for("the warning of each reconcile", UP, || told().iter().all(|times| *times > 0).then_some(()));
    // Whatever is put right makes another look.
    bed.namespace.as_ref().unwrap().edit_pod("redis-1", &serde_json::json!({"metadata": {"labels": {"role": "master"}}}));
    bed.wait_for_labels("redis-0", UP);
    let pass = bed.ordain("sentinel-0", &["reconcile"]);
    assert!(pass.code == Some(0) && pass.stderr.matches(warning).count() == 1, "{pass:?}");
    assert_eq!(told(), [1; 3]);
}
