//! Pods with an address of each family: they call themselves by their first, and are known by either.

use rstest::rstest;
use testbed::group::{Bed, REDIS, SENTINELS};
use testbed::subnet::Family;
use testbed::wait_for;

use crate::{UP, ordain};

/// A group on a network of both families, the first of which is this.
fn of_both_families(bed: Bed, first: Family) -> Bed {
    let mut bed = bed.by_address(first).with_patient_sentinels();
    bed.make_all();
    for pod in REDIS {
        bed.add_address(pod);
    }
    bed.start_each(&REDIS);
    // Behind its first address, and by no other do the Sentinels know the others.
    bed.wait_for_master("redis-0", UP);
    bed.start_each(&SENTINELS);
    bed.wait_for_sentinels(UP);
    bed
}

#[rstest]
#[case::ipv4_first(Family::V4)]
#[case::ipv6_first(Family::V6)]
fn a_master_that_the_sentinels_name_by_its_second_address_knows_itself_and_is_followed(#[case] first: Family) {
    let mut bed = of_both_families(Bed::on_kubernetes(ordain()).without_reconcile(), first);
    bed.put_keys("redis-0", "key", 10);
    bed.wait_for_keys_everywhere(10, UP);
    let second = bed.second_ip("redis-0").to_string();
    for sentinel in SENTINELS {
        bed.ask(sentinel, &["SENTINEL", "REMOVE", "redis"]).unwrap();
        bed.ask(sentinel, &["SENTINEL", "MONITOR", "redis", &second, "6379", "2"]).unwrap();
    }
    for pod in ["redis-2", "redis-0"] {
        bed.kill(pod);
        bed.start(pod);
        let role = wait_for(&format!("{pod} running"), UP, || Some(bed.role(pod)).filter(|role| !role.is_empty()));
        let expected = if pod == "redis-0" { "master".to_owned() } else { format!("replica of {}", bed.announced("redis-0")) };
        assert_eq!(role, expected, "{pod}");
    }
}

#[rstest]
#[case::ipv4_first(Family::V4)]
#[case::ipv6_first(Family::V6)]
fn without_kubernetes_where_no_address_is_the_first_all_take_that_of_their_own_family(#[case] first: Family) {
    of_both_families(Bed::without_kubernetes(ordain()), first);
}
