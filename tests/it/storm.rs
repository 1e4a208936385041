//! A storm: all masters of many groups die at the same moment, under one set of Sentinels.

use std::time::Duration;

use testbed::storm::{Labeller, Outcome, Storm};

use crate::ordain;

const GROUPS: usize = 100;
/// How long a hundred groups may take to come up, and Sentinel to replace all their masters.
const STORM: Duration = Duration::from_secs(120);

#[test]
fn in_a_storm_every_groups_labels_are_right_at_the_end_whether_its_hook_ran_or_not() {
    let mut storm = Storm::new(ordain(), GROUPS, Labeller::OrdainWithLostHooks);
    storm.start(STORM);
    println!("reconcile before the storm: {:?}", storm.usage("sentinel-0"));
    let Outcome { fates, hooks, twofold } = storm.break_out(STORM);
    assert!(twofold.is_empty(), "at some moment two pods carried the master label: {twofold:?}");
    let wrong: Vec<_> = fates.iter().filter(|fate| !fate.is_right || fate.labelled.is_none()).collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
    println!("{GROUPS} masters killed: the last replica promoted after {:?}", fates.iter().map(|fate| fate.promoted).max());
    println!("{hooks} of {} hooks ended well", 3 * GROUPS);
    for (has_hook, by) in [(true, "the hook"), (false, "reconcile, the hook being lost")] {
        let mut times: Vec<_> = fates.iter().filter(|fate| fate.has_hook == has_hook).filter_map(|fate| fate.labelled).collect();
        times.sort();
        let [median, last] = [times[times.len() / 2], times[times.len() - 1]];
        println!("from the promotion to the label by {by}: median {median:?}, last {last:?}");
    }
    println!("reconcile after the storm: {:?}", storm.usage("sentinel-0"));
    assert!((GROUPS..3 * GROUPS).contains(&hooks), "some hooks ran, and some never did: {hooks}");
}
