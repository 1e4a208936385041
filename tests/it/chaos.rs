//! A few seeded rounds of chaos, of faults that a seed draws; `make chaos` runs many.

use std::time::Duration;

use rstest::rstest;
use testbed::client::{ask, connect, numbered_keys};
use testbed::group::Bed;
use testbed::wait_for;

use crate::{UP, ordain};

#[rstest]
#[case(1)]
#[case(2)]
fn a_group_heals_from_whatever_a_seed_draws_and_loses_nothing_that_it_must_keep(#[case] seed: u64) {
    if let Err(report) = testbed::chaos::run(ordain(), seed, 1..=6) {
        panic!("{report}");
    }
}

#[test]
fn a_pod_of_many_keys_tells_the_ledger_all_of_them_or_that_time_is_up() {
    let bed = Bed::without_kubernetes(ordain());
    let folder = tempfile::tempdir().unwrap();
    let _server = bed.stranger(folder.path(), &[]);
    let mut connection = wait_for("the server", UP, || connect(bed.strange_ip(), 6379, None).ok());
    let set = "for number = 1, 20000 do redis.call('SET', 'key-' .. number, number) end";
    ask(&mut connection, &["EVAL", set, "0"]).unwrap();
    assert_eq!(numbered_keys(&mut connection, UP).unwrap(), (1..=20_000).collect());
    let error = numbered_keys(&mut connection, Duration::ZERO).unwrap_err();
    assert!(error.to_string().contains("not all keys were told in time"), "{error}");
}
