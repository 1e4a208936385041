//! The main job: three pods and three Sentinels come up, a master dies, labels and record follow.

use testbed::group::{Bed, SENTINELS};
use testbed::wait_for;

use crate::{FAILED_OVER, UP, ordain};

#[test]
fn a_first_boot_makes_ordinal_0_the_master_and_the_labels_say_so() {
    let mut bed = Bed::on_kubernetes(ordain());
    bed.start_all();
    bed.wait_for_master("redis-0", UP);
    bed.wait_for_sentinels(UP);
    bed.wait_for_labels("redis-0", UP);
    assert_eq!(bed.namespace.as_ref().unwrap().holder("redis").as_deref(), Some("redis-0"));
}

#[test]
fn when_the_master_is_killed_sentinels_own_hook_moves_record_and_labels() {
    let mut bed = Bed::on_kubernetes(ordain());
    bed.start_all();
    bed.wait_for_master("redis-0", UP);
    bed.wait_for_sentinels(UP);
    bed.wait_for_labels("redis-0", UP);

    bed.kill("redis-0");
    let promoted = wait_for("another master", FAILED_OVER, || {
        ["redis-1", "redis-2"].into_iter().find(|pod| bed.role(pod) == "master")
    });
    bed.wait_for_labels(promoted, FAILED_OVER);
    let namespace = bed.namespace.as_ref().unwrap();
    assert_eq!(namespace.holder("redis").as_deref(), Some(promoted));

    // The old master comes back on its old disk, and follows.
    bed.start("redis-0");
    bed.wait_for_master(promoted, UP);
    bed.wait_for_labels(promoted, UP);
    for sentinel in SENTINELS {
        assert_eq!(bed.named_by(sentinel), promoted);
    }
}
