//! Each rule is needed: without it something that must hold does not, for some evidence for which it
//! holds with all of them.

use std::ops::ControlFlow;

use rstest::rstest;

use super::everything::{each_own_disk, each_peer, each_record, few_councils, show, sit};
use super::given::*;
use super::invariants::*;
use super::*;

type Decide = fn(Rules, &Evidence) -> Decision;

/// Peers x records x own disks x few councils, before and past the grace, as each kind of pod, until `visit` has seen enough.
fn search(mut evidence: Evidence, mut visit: impl FnMut(&Evidence) -> ControlFlow<()>) -> ControlFlow<()> {
    let me = (0..3).find(|ordinal| evidence.me == Some(pod(*ordinal)));
    let others: Vec<u32> = (0..3).filter(|ordinal| Some(*ordinal) != me).collect();
    let [first_peers, second_peers] = [others[0], others[1]].map(each_peer);
    for record in each_record() {
        evidence.record = record;
        for council in few_councils() {
            sit(&mut evidence.sentinels, &council);
            for (disk, stamp) in each_own_disk() {
                (evidence.own.disk, evidence.own.group_id) = (disk, stamp);
                for (first, second) in first_peers.iter().flat_map(|first| second_peers.iter().map(move |second| (first, second)))
                {
                    show(&mut evidence, 0, first);
                    show(&mut evidence, 1, second);
                    for trying in [Duration::ZERO, GRACE] {
                        evidence.own.trying = trying;
                        visit(&evidence)?;
                    }
                }
            }
        }
    }
    ControlFlow::Continue(())
}

/// Finds evidence for which the invariant breaks where the rule is left out.
fn breaks(rule: &'static Rule, invariant: Invariant, decide: Decide, beginnings: Vec<Evidence>) -> Option<Evidence> {
    let mut found = None;
    let _ = beginnings.into_iter().try_for_each(|beginning| {
        search(beginning, |evidence| {
            if invariant(evidence, &decide(Rules::ALL.without(rule), evidence)).is_ok() {
                return ControlFlow::Continue(());
            }
            if let Err(broken) = invariant(evidence, &decide(Rules::ALL, evidence)) {
                panic!("by all rules {broken}");
            }
            found = Some(evidence.clone());
            ControlFlow::Break(())
        })
    });
    found
}

/// Says what breaks an invariant without a rule.
fn show_need(rule: &'static Rule, invariant: Invariant, decide: Decide, beginnings: Vec<Evidence>) {
    let found = breaks(rule, invariant, decide, beginnings).unwrap_or_else(|| panic!("nothing breaks without {}", rule.id));
    println!("without {}: {}", rule.id, invariant(&found, &decide(Rules::ALL.without(rule), &found)).unwrap_err());
}

#[rstest]
#[case::no_other_master(&catalogue::LIVING_MASTER, nobody_leads_beside_a_living_master)]
#[case::holds_data(&catalogue::NO_DATA, an_empty_disk_leads_only_where_nothing_can_have_been_lost)]
#[case::holds_data_without_kubernetes(&catalogue::NO_DATA, without_kubernetes_an_empty_disk_leads_only_alone)]
#[case::no_newer_disk(&catalogue::NEWER_DATA, nobody_leads_while_another_is_known_to_hold_more)]
#[case::everyone_has_told(&catalogue::ALL_REPORTED, nobody_leads_before_all_that_exist_have_told)]
#[case::heard_lately_is_awaited(&catalogue::HEARD_LATELY, nobody_leads_while_another_may_have_copied_a_master_unseen)]
#[case::lower_ordinals_have_told(&catalogue::LOWER_ORDINALS, nobody_leads_before_the_lower_ordinals_have_told)]
#[case::no_failover(&catalogue::FAILOVER_POSSIBLE, nobody_leads_while_a_failover_may_be_under_way)]
#[case::not_given_up(&catalogue::ABANDONED, nobody_leads_after_being_given_up)]
#[case::own_group(&catalogue::OWN_GROUP, data_of_another_group_has_no_part)]
#[case::first_boot_is_empty(&catalogue::FIRST_BOOT_IS_EMPTY, nobody_leads_while_another_is_known_to_hold_more)]
#[case::first_boot_is_empty_for_its_record(&catalogue::FIRST_BOOT_IS_EMPTY, only_a_first_boot_makes_a_new_record)]
#[case::all_told_before_adoption(&catalogue::ADOPT_AFTER_ALL, what_is_adopted_is_the_most_advanced_of_all)]
#[case::word_ends_with_mark(&catalogue::START_MARKER_ENDS_REPORT, nobody_leads_while_another_that_marked_the_record_may_be_starting)]
#[case::word_ends_with_mark_when_promotable(&catalogue::START_MARKER_ENDS_REPORT, only_the_most_advanced_starts_promotable)]
#[case::word_ends_with_link(&catalogue::REPORT_EXPIRES, nobody_leads_while_another_may_have_copied_a_master_unseen)]
#[case::word_ends_with_link_when_promotable(&catalogue::REPORT_EXPIRES, only_the_most_advanced_starts_promotable)]
#[case::starts_unpromotable(&catalogue::START_UNPROMOTABLE, only_the_most_advanced_starts_promotable)]
#[case::majority_outvotes_the_record(&catalogue::MAJORITY_OUTVOTES, a_majority_that_names_the_only_living_master_is_believed)]
fn a_redis_needs(#[case] rule: &'static Rule, #[case] invariant: Invariant) {
    show_need(rule, invariant, for_redis_by, vec![redis(1), redis(0)]);
}

#[rstest]
#[case::only_the_holder_writes(&catalogue::ONLY_HOLDER_WRITES, without_sentinels_the_holder_leads_with_its_data)]
#[case::only_the_holder_writes_and_nobody_is_elected(&catalogue::ONLY_HOLDER_WRITES, without_sentinels_nobody_starts_promotable)]
#[case::holds_data(&catalogue::NO_DATA, an_empty_disk_leads_only_where_nothing_can_have_been_lost)]
#[case::not_given_up(&catalogue::ABANDONED, nobody_leads_after_being_given_up)]
#[case::no_other_master(&catalogue::LIVING_MASTER, nobody_leads_beside_a_living_master)]
fn a_redis_without_sentinels_needs(#[case] rule: &'static Rule, #[case] invariant: Invariant) {
    show_need(rule, invariant, for_redis_by, vec![redis(1).without_sentinels(), redis(0).without_sentinels()]);
}

#[rstest]
#[case::sentinel_watches_the_living(&catalogue::SENTINEL_WATCHES_THE_LIVING, a_sentinel_watches_the_only_living_master)]
#[case::sentinel_waits_for_the_marked(&catalogue::SENTINEL_WAITS, a_sentinel_waits_for_who_is_starting)]
#[case::all_told_before_adoption(&catalogue::ADOPT_AFTER_ALL, what_is_adopted_is_the_most_advanced_of_all)]
fn a_sentinel_needs(#[case] rule: &'static Rule, #[case] invariant: Invariant) {
    show_need(rule, invariant, for_sentinel_by, vec![sentinel()]);
}
