//! Many seeded rounds of chaos: CHAOS_ROUNDS of them, drawn by CHAOS_SEED; from CHAOS_FIRST on, to draw
//! one of them again.

use std::process::ExitCode;

use testbed::chaos::{BOUND, run};
use testbed::repository;

fn main() -> ExitCode {
    let given = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    let number = |name: &str| given(name).map(|value| value.parse().unwrap_or_else(|_| panic!("{name} is a number")));
    let rounds = number("CHAOS_ROUNDS").unwrap_or(50);
    let seed = number("CHAOS_SEED").unwrap_or_else(|| fastrand::u64(0..1_000_000));
    let first = number("CHAOS_FIRST").unwrap_or(1);
    let ordain = given("ORDAIN").map_or_else(|| repository().join("bin/ordain"), Into::into);
    println!("{rounds} rounds; to draw the same again: CHAOS_SEED={seed}");
    match run(&ordain, seed, first..=first + rounds - 1) {
        Ok(slowest) => {
            println!("{rounds} rounds of seed {seed}: all healed, the slowest in {slowest:.1?} of {BOUND:?}");
            ExitCode::SUCCESS
        }
        Err(report) => {
            println!("{report}");
            ExitCode::FAILURE
        }
    }
}
