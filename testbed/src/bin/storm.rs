//! Lets the masters of many groups die at the same moment under one set of Sentinels, once with ordain and
//! once with the two `kubectl label` calls of a hook in shell, and prints how long the labels took; before
//! that, what `reconcile --watch` uses while nothing happens. It judges nothing.
//!
//! ```text
//! storm [GROUPS]
//! ```

use std::time::Duration;

use testbed::repository;
use testbed::storm::{Labeller, Outcome, Storm};

/// For how many groups reconcile is measured while nothing happens, and for how long.
const CALM_GROUPS: usize = 100;
const CALM: Duration = Duration::from_secs(60);
/// How long Sentinel and two slow calls for each group may take on a small machine.
const PATIENCE: Duration = Duration::from_secs(1200);

fn main() {
    let groups = std::env::args().nth(1).map_or(300, |groups| groups.parse().expect("a number of groups"));
    println!("machine    {} cores", std::thread::available_parallelism().map_or(0, usize::from));
    calm();
    println!();
    println!("{groups} groups of a master and a replica, all masters killed at once; seconds");
    println!(
        "{:<34} {:>9} {:>8} {:>8} {:>8} {:>8} {:>7} {:>7}",
        "who labels", "promoted", "median", "90 %", "last", "hooks", "wrong", "twofold"
    );
    storm(groups, Labeller::Ordain, "ordain: hook and reconcile");
    storm(groups, Labeller::Kubectl, "two `kubectl label` in the hook");
    println!("promoted: from the kill to the last promotion; median, 90 % and last: from a group's promotion to its label;");
    println!("hooks: runs that ended well, of {}; wrong: groups without right labels when all hooks have ended;", 3 * groups);
    println!("twofold: groups in which two pods carried the master label at some moment");
}

fn calm() {
    let mut storm = Storm::new(&repository().join("bin/ordain"), CALM_GROUPS, Labeller::Ordain);
    storm.start(PATIENCE);
    // What it did to get here is over then.
    std::thread::sleep(CALM / 2);
    let before = storm.usage("sentinel-0");
    std::thread::sleep(CALM);
    let after = storm.usage("sentinel-0");
    let share = (after.cpu.as_secs_f64() - before.cpu.as_secs_f64()) / CALM.as_secs_f64() * 100.0;
    println!(
        "reconcile --watch, {CALM_GROUPS} groups in which nothing happens: {:.1} MiB resident ({:.1} MiB without its own file), {share:.2} % of a core",
        after.resident, after.anonymous
    );
}

fn storm(groups: usize, labeller: Labeller, name: &str) {
    let mut storm = Storm::new(&repository().join("bin/ordain"), groups, labeller);
    storm.start(PATIENCE);
    let Outcome { fates, hooks, twofold } = storm.break_out(PATIENCE);
    let mut times: Vec<f64> = fates.iter().filter_map(|fate| fate.labelled).map(|time| time.as_secs_f64()).collect();
    times.sort_by(f64::total_cmp);
    let at = |tenths: usize| times.get((times.len() * tenths / 10).min(times.len().saturating_sub(1))).copied();
    let promoted = fates.iter().map(|fate| fate.promoted.as_secs_f64()).fold(0.0, f64::max);
    let wrong = fates.iter().filter(|fate| !fate.is_right).count();
    let [median, most, last] = [5, 9, 10].map(|tenths| at(tenths).unwrap_or(f64::NAN));
    println!("{name:<34} {promoted:>9.1} {median:>8.2} {most:>8.2} {last:>8.2} {hooks:>8} {wrong:>7} {:>7}", twofold.len());
}
