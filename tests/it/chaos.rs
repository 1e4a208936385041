//! A few seeded rounds of chaos, of faults that a seed draws; `make chaos` runs many.

use rstest::rstest;

use crate::ordain;

#[rstest]
#[case(1)]
#[case(2)]
fn a_group_heals_from_whatever_a_seed_draws_and_loses_nothing_that_it_must_keep(#[case] seed: u64) {
    if let Err(report) = testbed::chaos::run(ordain(), seed, 1..=6) {
        panic!("{report}");
    }
}
