//! A pass does all that it can, whatever of it fails; and what fails for good, or is waited for, costs little.

use testbed::group::Bed;

use crate::{UP, ordain};

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
    assert!(pass.stderr.contains("redis-1 is in sync: Sentinel may promote it: "), "{pass:?}");
    assert_eq!(pass.stdout, "redis: redis-2 is in sync: Sentinel may promote it\n", "{pass:?}");
    let replication = bed.text("redis-2", &["INFO", "replication"]);
    assert!(replication.contains("slave_priority:100"), "{replication}");

    bed.namespace.as_ref().unwrap().refuse_label("redis-1", "role", false);
    let pass = bed.ordain("sentinel-0", &["reconcile"]);
    assert!(pass.stdout.contains("label redis-1: role=slave\n"), "{pass:?}");
    assert_eq!(bed.namespace.as_ref().unwrap().label("redis-1", "role").as_deref(), Some("slave"));
}
