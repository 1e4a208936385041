//! What each rule is for: without it something goes wrong that does not with it.

use model::explore::{Found, GETS_WELL, NOTHING_LOST, ONE_MASTER, UNIQUE_EPOCHS, check_recovery, check_safety};
use model::setting::{Protocol, Setting};
use model::settings::named;
use ordain::core::rules::{Rule, Rules};

const LIMIT: usize = 3_000_000;

fn check(setting: &Setting, property: &str) -> Found {
    if property == GETS_WELL { check_recovery(setting, LIMIT) } else { check_safety(setting, LIMIT) }
}

/// In this setting the property holds, and does not once `ablated` is left out.
fn shows(setting: &str, property: &str, ablated: impl FnOnce(&mut Setting)) {
    let whole = named(setting);
    let found = check(&whole, property);
    for story in &found.wrong {
        println!("{story}");
    }
    assert!(found.wrong.is_empty() && found.is_complete, "`{setting}` goes wrong with all rules in force");
    let mut lame = whole;
    ablated(&mut lame);
    let found = check(&lame, property);
    assert!(found.violates(property), "`{setting}` is as well without: {} states", found.states);
    let steps = found.wrong[0].states.len() - 1;
    println!("`{setting}` without: not `{property}` after {steps} steps, {} states", found.states);
}

fn without(rule: Rule) -> impl FnOnce(&mut Setting) {
    move |setting| setting.rules = setting.rules.without(rule)
}

fn protocol(change: impl FnOnce(&mut Protocol)) -> impl FnOnce(&mut Setting) {
    |setting| change(&mut setting.protocol)
}

#[test]
fn a_replica_that_starts_electable_is_promoted_over_the_newest_disk() {
    shows("after a power cut, files lost", NOTHING_LOST, without(Rule::StartsUnelectable));
}

#[test]
fn a_stale_record_makes_an_old_disk_the_master() {
    shows("a stale record, files lost", NOTHING_LOST, without(Rule::NoNewerDisk));
}

#[test]
fn a_holder_whose_volume_was_lost_wipes_all_others() {
    shows("pods remade in order, the holder is empty", NOTHING_LOST, without(Rule::HoldsData));
}

#[test]
fn a_deleted_record_and_an_empty_first_pod_look_like_a_first_boot() {
    // Each of the three is enough.
    let none = Rules::ALL.without(Rule::FirstBootIsEmpty).without(Rule::HoldsData).without(Rule::NoNewerDisk);
    shows("no record, files lost, redis-0 is empty", NOTHING_LOST, |setting| setting.rules = none);
}

#[test]
fn a_majority_on_old_files_makes_an_old_disk_the_master() {
    shows("a stale record, an old majority", NOTHING_LOST, without(Rule::NoNewerDisk));
}

#[test]
fn a_stale_holder_that_waits_for_nobody_leads_before_the_newest_disk_is_told() {
    shows("a stale record, an old majority", NOTHING_LOST, without(Rule::EveryoneHasTold));
}

#[test]
fn a_word_that_outlives_the_start_of_its_redis_tells_of_an_older_disk() {
    shows("a stale record, files lost", NOTHING_LOST, without(Rule::WordEndsWithLink));
}

#[test]
fn a_pod_that_does_not_look_again_starts_beside_whom_sentinel_promoted() {
    shows("a crash, anybody's looks torn", ONE_MASTER, protocol(|protocol| (protocol.marks, protocol.checks) = (false, false)));
}

#[test]
fn a_pod_that_does_not_mind_a_failover_starts_in_the_middle_of_it() {
    shows("a crash, and a Sentinel's", ONE_MASTER, without(Rule::NoFailover));
}

#[test]
fn an_empty_first_pod_waits_for_ever_for_pods_that_come_after_it() {
    shows("pods remade in order, the holder is empty", GETS_WELL, protocol(|protocol| protocol.starts_at_last = false));
}

#[test]
fn without_reconcile_a_promotion_that_nobody_announced_leaves_the_record_behind() {
    shows("a crash, and a Sentinel's", GETS_WELL, protocol(|protocol| protocol.reconciles = false));
}

#[test]
fn a_holder_that_was_just_restarted_is_given_up() {
    shows("the newest disk runs as a replica", NOTHING_LOST, protocol(|protocol| protocol.counts_from_last_sight = false));
}

#[test]
fn a_look_from_before_two_failovers_gives_the_record_an_epoch_that_was_used() {
    shows("two crashes, torn looks", UNIQUE_EPOCHS, protocol(|protocol| protocol.discards_old_looks = false));
}

#[test]
fn a_holder_that_runs_as_a_replica_stays_one_for_ever() {
    shows("the newest disk runs as a replica", GETS_WELL, protocol(|protocol| protocol.restarts = false));
}
