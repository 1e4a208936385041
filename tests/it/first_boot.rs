//! Two pods that start at the same moment on a group without a record, a hundred times.

use std::time::Duration;

use testbed::group::Bed;
use testbed::wait_for;

use crate::{UP, ordain};

const TRIES: usize = 100;
/// A group of two.
pub const PODS: [&str; 2] = ["redis-0", "redis-1"];

pub fn two_pods(bed: Bed) -> Bed {
    let mut bed = bed.with_env("ORDAIN_REPLICAS", "2");
    for pod in PODS {
        bed.make(pod);
    }
    bed
}

/// Both start at the same moment: one leads, the other follows it, and the record was created once
/// and says so. Then everything is as if the group had never been.
pub fn assert_led_by(bed: &mut Bed, leader: &str) {
    bed.start_each(&PODS);
    for pod in PODS {
        let wanted = if pod == leader { "master".to_owned() } else { format!("replica of {}", bed.announced(leader)) };
        wait_for(&format!("{pod} as {wanted}"), UP, || {
            let role = bed.role(pod);
            assert!(role.is_empty() || role == wanted, "{pod} is {role}, not {wanted}:\n{}", bed.log(pod));
            (role == wanted).then_some(())
        });
    }
    let namespace = bed.namespace.as_ref().unwrap();
    let spec = namespace.record("redis").unwrap().spec.unwrap();
    assert_eq!((spec.holder_identity.as_deref(), spec.lease_transitions), (Some(leader), Some(0)));
    bed.cut_power(&PODS);
    let namespace = bed.namespace.as_ref().unwrap();
    namespace.delete_record("redis");
    for pod in PODS {
        namespace.forget(pod);
        bed.lose_volume(pod);
        bed.sandbox(pod).empty("etc/redis");
    }
}

#[test]
fn of_two_empty_pods_one_creates_the_record_and_the_other_follows_it_every_time() {
    let mut bed = two_pods(Bed::on_kubernetes(ordain()));
    for _ in 0..TRIES {
        assert_led_by(&mut bed, "redis-0");
    }
}

#[test]
fn of_two_pods_with_data_the_newer_leads_whoever_creates_the_record() {
    let mut bed = two_pods(Bed::on_kubernetes(ordain()));
    for number in 0..TRIES {
        let newer = number % 2;
        for (ordinal, pod) in PODS.iter().enumerate() {
            bed.put_append_only_file(pod, Duration::from_secs(if ordinal == newer { 60 } else { 600 }));
        }
        assert_led_by(&mut bed, PODS[newer]);
    }
    // Both see all that there is, and either may be the faster.
    let losers = PODS.map(|pod| bed.log(pod).matches("the record was not written").count());
    assert!(losers.iter().sum::<usize>() > 0, "in {TRIES} tries both never tried to create the record: it was no race");
}
