//! What each rule is for: without it something goes wrong that does not with it.

use model::explore::{Found, GETS_WELL, NOTHING_LOST, ONE_MASTER, UNIQUE_EPOCHS, check_recovery, check_safety};
use model::setting::{Protocol, Setting};
use model::settings::{holder_lost_without_sentinels, named};
use ordain::core::rules::Rules;
use ordain::core::rules::catalogue::*;

const LIMIT: usize = 3_000_000;

fn check(setting: &Setting, property: &str) -> Found {
    if property == GETS_WELL { check_recovery(setting, LIMIT) } else { check_safety(setting, LIMIT) }
}

/// In this setting the property holds, and does not once `ablated` is left out.
fn shows(setting: &str, property: &str, ablated: impl FnOnce(&mut Setting)) {
    shows_of(named(setting), property, ablated);
}

/// The same where another rule would be enough: with that one left out it takes this one.
fn shows_beside(enough: &Rule, setting: &str, property: &str, rule: &'static Rule) {
    shows_of(named_without(enough, setting), property, without(rule));
}

fn named_without(enough: &Rule, setting: &str) -> Setting {
    Setting { rules: Rules::ALL.without(enough), ..named(setting) }
}

fn shows_of(whole: Setting, property: &str, ablated: impl FnOnce(&mut Setting)) {
    let setting = whole.name;
    let found = check(&whole, property);
    for story in &found.wrong {
        println!("{story}");
    }
    assert!(found.wrong.is_empty() && found.is_complete, "`{setting}` goes wrong with the rule in force");
    let mut lame = whole;
    ablated(&mut lame);
    let found = check(&lame, property);
    assert!(found.violates(property), "`{setting}` is as well without: {} states", found.states);
    let steps = found.wrong[0].states.len() - 1;
    println!("`{setting}` without: not `{property}` after {steps} steps, {} states", found.states);
}

fn without(rule: &'static Rule) -> impl FnOnce(&mut Setting) {
    move |setting| setting.rules = setting.rules.without(rule)
}

fn protocol(change: impl FnOnce(&mut Protocol)) -> impl FnOnce(&mut Setting) {
    |setting| change(&mut setting.protocol)
}

#[test]
fn a_replica_that_starts_promotable_is_promoted_over_the_newest_disk() {
    shows("after a power cut, files lost", NOTHING_LOST, without(&START_UNPROMOTABLE));
}

#[test]
fn a_stale_record_makes_an_old_disk_the_master() {
    shows("a stale record, files lost", NOTHING_LOST, without(&NEWER_DATA));
}

#[test]
fn a_holder_whose_volume_was_lost_wipes_all_others() {
    shows("pods remade in order, the holder is empty", NOTHING_LOST, without(&NO_DATA));
}

#[test]
fn a_deleted_record_and_an_empty_first_pod_look_like_a_first_boot() {
    // Each of the three is enough.
    let none = Rules::ALL.without(&FIRST_BOOT_IS_EMPTY).without(&NO_DATA).without(&NEWER_DATA);
    shows("no record, files lost, redis-0 is empty", NOTHING_LOST, |setting| setting.rules = none);
}

#[test]
fn a_majority_on_old_files_makes_an_old_disk_the_master() {
    shows("a stale record, an old majority", NOTHING_LOST, without(&NEWER_DATA));
}

#[test]
fn a_stale_holder_that_waits_for_nobody_leads_before_the_newest_disk_is_told() {
    shows("a stale record, an old majority", NOTHING_LOST, without(&ALL_REPORTED));
}

#[test]
fn a_stale_holder_that_has_waited_leads_while_the_newest_disk_is_silent_for_a_moment() {
    shows("the newest disk follows an older one, a crash", NOTHING_LOST, without(&HEARD_LATELY));
}

#[test]
fn a_word_that_outlives_the_start_of_its_redis_tells_of_an_older_disk() {
    shows("a stale record, files lost", NOTHING_LOST, without(&REPORT_EXPIRES));
}

#[test]
fn a_pod_that_does_not_look_again_starts_beside_whom_sentinel_promoted() {
    shows("a crash, anybody's looks torn", ONE_MASTER, protocol(|protocol| (protocol.marks, protocol.checks) = (false, false)));
}

#[test]
fn a_pod_that_does_not_mind_a_failover_starts_in_the_middle_of_it() {
    shows("a crash, and a Sentinel's", ONE_MASTER, without(&FAILOVER_POSSIBLE));
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
    // Nobody is elected either while it has only just been heard of.
    let whole = named_without(&HEARD_LATELY, "the newest disk runs as a replica");
    shows_of(whole, NOTHING_LOST, protocol(|protocol| protocol.counts_from_last_sight = false));
}

#[test]
fn a_look_from_before_two_failovers_gives_the_record_an_epoch_that_was_used() {
    shows("two crashes, torn looks", UNIQUE_EPOCHS, protocol(|protocol| protocol.discards_old_looks = false));
}

#[test]
fn a_holder_that_runs_as_a_replica_stays_one_for_ever() {
    shows("the newest disk runs as a replica", GETS_WELL, protocol(|protocol| protocol.restarts = false));
}

#[test]
fn a_named_pod_leads_beside_the_master_that_was_promoted_and_not_announced() {
    // A master tells nothing of its disk, so that nobody leads before it has told.
    shows_beside(&ALL_REPORTED, "promoted and not announced", ONE_MASTER, &LIVING_MASTER);
}

#[test]
fn a_stale_holder_leads_before_a_pod_of_a_lower_ordinal_is_made_again() {
    shows("a stale record, all pods deleted", NOTHING_LOST, without(&LOWER_ORDINALS));
}

#[test]
fn a_holder_that_was_given_up_leads_while_another_is_elected() {
    // Who waits anew for whom reconcile has just made electable does not lead either, and nobody is made
    // electable while the holder has only just been heard of.
    let mut whole = named_without(&HEARD_LATELY, "given up and back, torn looks");
    whole.protocol.waits_anew = false;
    shows_of(whole, ONE_MASTER, without(&ABANDONED));
}

#[test]
fn the_first_disk_that_is_told_is_adopted_though_another_is_newer() {
    // Whoever is adopted wrongly does not lead beside a newer disk.
    shows_beside(&NEWER_DATA, "no record, files lost", NOTHING_LOST, &ADOPT_AFTER_ALL);
}

#[test]
fn sentinels_without_memory_watch_a_stale_holder_and_promote_a_third() {
    shows("files lost while a master lives", ONE_MASTER, without(&SENTINEL_WATCHES_THE_LIVING));
}

#[test]
fn a_record_refuses_for_ever_the_failovers_of_sentinels_that_lost_their_count() {
    // Reconcile watches the living master by the same rule as a Sentinel.
    let setting = "Sentinels that lost their count";
    shows_beside(&SENTINEL_WATCHES_THE_LIVING, setting, GETS_WELL, &MAJORITY_OUTVOTES);
}

#[test]
fn a_holder_with_the_newest_disk_is_given_up_and_an_older_one_elected() {
    // Nobody is elected either while it has only just been heard of.
    let enough = &HEARD_LATELY;
    shows_beside(enough, "a stale record, files lost", NOTHING_LOST, &NEWEST_NOT_ABANDONED);
}

#[test]
fn a_replica_is_elected_though_one_that_is_starting_holds_more() {
    shows("a stale record, files lost", NOTHING_LOST, without(&NEWEST_PROMOTED));
}

// That a check needs the mark before it is not shown: it sees whatever the mark would fence off, for it
// takes less than down-after here, and the start follows it at once.
#[test]
fn a_mark_alone_does_not_see_the_master_that_was_made_before_it() {
    shows("the record deleted, and a crash", ONE_MASTER, protocol(|protocol| protocol.checks = false));
}

#[test]
fn a_pod_that_has_waited_before_a_sentinel_came_starts_in_the_middle_of_its_failover() {
    let setting = "a crash while Sentinels start, torn looks";
    shows(setting, ONE_MASTER, protocol(|protocol| protocol.waits_anew = false));
}

#[test]
fn two_sentinels_that_are_told_to_fail_over_promote_two_at_one_epoch() {
    shows("two handovers", UNIQUE_EPOCHS, protocol(|protocol| protocol.forces_one = false));
}

#[test]
fn sentinels_that_are_told_of_no_replica_never_replace_a_master_whose_node_is_dead() {
    shows("the master's node lost, files lost", GETS_WELL, protocol(|protocol| protocol.tells_members = false));
}

#[test]
fn an_empty_first_pod_whose_link_must_be_up_keeps_all_others_from_being_created() {
    let setting = "pods remade in order, the holder is empty";
    shows(setting, GETS_WELL, protocol(|protocol| protocol.is_ready_when_running = false));
}

#[test]
fn without_reconcile_nobody_makes_a_missing_record_where_all_pods_run() {
    shows("no record, all pods run", GETS_WELL, protocol(|protocol| protocol.reconciles = false));
}

#[test]
fn a_master_that_was_copied_later_waits_for_ever_where_nobody_elects() {
    shows("copied later, without Sentinels", GETS_WELL, without(&ONLY_HOLDER_WRITES));
}

#[test]
fn a_holder_whose_volume_was_lost_wipes_all_copies_where_nobody_elects() {
    // Their disks are newer than an empty one, too.
    let enough = Rules::ALL.without(&NEWER_DATA);
    let setting = Setting { rules: enough, ..holder_lost_without_sentinels() };
    shows_of(setting, NOTHING_LOST, without(&NO_DATA));
}

#[test]
fn a_start_that_cuts_a_torn_tail_off_makes_old_data_the_newest() {
    let setting = "after a power cut, a torn tail and a crash";
    shows(setting, NOTHING_LOST, protocol(|protocol| protocol.dates_by_writes = false));
}

#[test]
fn a_holder_that_cannot_load_its_data_ends_for_ever_where_nobody_finds_out() {
    let setting = "the holder cannot load its data";
    shows(setting, GETS_WELL, protocol(|protocol| protocol.finds_damage = false));
}

#[test]
fn a_mark_from_the_future_that_is_waited_for_keeps_a_lost_holder_for_ever() {
    let setting = "a holder that marked ahead of time is lost";
    shows(setting, GETS_WELL, protocol(|protocol| protocol.doubts_the_future = false));
}

#[test]
fn a_stale_holder_whose_clock_steps_while_it_waits_leads_before_the_newest_disk_is_told() {
    let setting = "a stale record, files lost, a clock that steps";
    shows(setting, NOTHING_LOST, protocol(|protocol| protocol.waits_by_no_clock = false));
}

#[test]
fn a_pod_that_leads_without_the_record_leads_on_an_older_disk() {
    let setting = "the record is newer than the Sentinels, the API server is away";
    shows(setting, NOTHING_LOST, protocol(|protocol| protocol.leads_by_the_record = false));
}

#[test]
fn a_replica_that_is_promoted_though_its_word_stands_is_taken_for_what_its_disk_held_before() {
    let setting = "a replica has started while the API server is away";
    shows(setting, NOTHING_LOST, protocol(|protocol| protocol.ends_words_first = false));
}

#[test]
fn a_stranger_that_counts_as_a_member_is_followed_and_wipes_all_data() {
    let setting = "a stranger with the group's labels";
    shows(setting, NOTHING_LOST, protocol(|protocol| protocol.checks_members = false));
}

/// By which test a rule is shown to be needed, or why by none.
enum Shown {
    By(fn()),
    Not(&'static str),
}

/// Each rule without which a pod, a Sentinel or reconcile decides something else.
fn shown() -> [(&'static Rule, Shown); 20] {
    use Shown::{By, Not};
    [
        (&LIVING_MASTER, By(a_named_pod_leads_beside_the_master_that_was_promoted_and_not_announced)),
        (&NO_DATA, By(a_holder_whose_volume_was_lost_wipes_all_others)),
        (&NEWER_DATA, By(a_stale_record_makes_an_old_disk_the_master)),
        (&ALL_REPORTED, By(a_stale_holder_that_waits_for_nobody_leads_before_the_newest_disk_is_told)),
        (&HEARD_LATELY, By(a_stale_holder_that_has_waited_leads_while_the_newest_disk_is_silent_for_a_moment)),
        (&LOWER_ORDINALS, By(a_stale_holder_leads_before_a_pod_of_a_lower_ordinal_is_made_again)),
        (&FAILOVER_POSSIBLE, By(a_pod_that_does_not_mind_a_failover_starts_in_the_middle_of_it)),
        (&ABANDONED, By(a_holder_that_was_given_up_leads_while_another_is_elected)),
        (&OWN_GROUP, Not("the model has one group")),
        (&FIRST_BOOT_IS_EMPTY, By(a_deleted_record_and_an_empty_first_pod_look_like_a_first_boot)),
        (&ADOPT_AFTER_ALL, By(the_first_disk_that_is_told_is_adopted_though_another_is_newer)),
        (&START_MARKER_ENDS_REPORT, Not("whoever starts says so in its word in the same step, which ends it as well")),
        (&REPORT_EXPIRES, By(a_word_that_outlives_the_start_of_its_redis_tells_of_an_older_disk)),
        (&START_UNPROMOTABLE, By(a_replica_that_starts_promotable_is_promoted_over_the_newest_disk)),
        (&SENTINEL_WATCHES_THE_LIVING, By(sentinels_without_memory_watch_a_stale_holder_and_promote_a_third)),
        (
            &SENTINEL_WAITS,
            Not(
                "a check that takes as long as a Sentinel needs to find the pod down is made anew, and the start follows it at once",
            ),
        ),
        (&MAJORITY_OUTVOTES, By(a_record_refuses_for_ever_the_failovers_of_sentinels_that_lost_their_count)),
        (&NEWEST_NOT_ABANDONED, By(a_holder_with_the_newest_disk_is_given_up_and_an_older_one_elected)),
        (&ONLY_HOLDER_WRITES, By(a_master_that_was_copied_later_waits_for_ever_where_nobody_elects)),
        (&NEWEST_PROMOTED, By(a_replica_is_elected_though_one_that_is_starting_holds_more)),
    ]
}

#[test]
fn each_rule_is_shown_to_be_needed_or_it_is_said_why_not() {
    let shown = shown();
    let tests: Vec<fn()> =
        shown.iter().filter_map(|(_, shown)| if let Shown::By(test) = shown { Some(*test) } else { None }).collect();
    for (index, test) in tests.iter().enumerate() {
        assert!(tests[..index].iter().all(|earlier| !std::ptr::fn_addr_eq(*earlier, *test)), "one test for two rules");
    }
    for (rule, shown) in &shown {
        if let Shown::Not(why) = shown {
            println!("{} is not shown: {why}", rule.id);
        }
    }
}
