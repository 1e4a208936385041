//! The labels: never two masters, whoever is late; and what each step of the protocol is for.

use model::labels::explore::{LATE_IS_HARMLESS, ONE_MASTER_LABEL, check_labels, search};
use model::labels::setting::{Protocol, named, small};

/// More than any small setting needs.
const LIMIT: usize = 2_000_000;

#[test]
fn never_do_two_pods_carry_the_masters_label_and_one_run_puts_them_right() {
    for setting in small() {
        let found = check_labels(&setting, LIMIT);
        println!("{:50} {:>8} states, depth {:>3}, {:.1?}", setting.name, found.states, found.depth, found.took);
        for story in &found.wrong {
            println!("{story}");
        }
        assert!(found.wrong.is_empty(), "{}: the way to it is printed above", setting.name);
        assert!(found.is_complete, "{}: more than {LIMIT} states", setting.name);
    }
}

/// In this setting the property does not hold once a step of the protocol is left out.
fn shows(name: &str, property: &'static str, ablate: impl FnOnce(&mut Protocol)) {
    let mut lame = named(name);
    ablate(&mut lame.protocol);
    let found = search(&lame, property, LIMIT);
    assert!(found.violates(property), "`{name}` is as well without: {} states", found.states);
    println!("`{name}` without: not `{property}` after {} steps", found.wrong[0].states.len() - 1);
}

#[test]
fn without_stamps_a_hook_that_slept_labels_the_master_before_last() {
    shows("hooks of two failovers, one late", ONE_MASTER_LABEL, |protocol| protocol.stamps = false);
}

#[test]
fn a_hook_that_lists_while_a_pod_is_missing_misses_the_one_that_is_made_again_and_labelled() {
    shows("two hooks, and a pod made again", ONE_MASTER_LABEL, |protocol| protocol.minds_gaps = false);
}

#[test]
fn a_run_whose_record_moves_on_while_it_lists_misses_the_pod_that_is_made_again_and_labelled() {
    shows("a hook, two reconciles, and a pod made again", ONE_MASTER_LABEL, |protocol| protocol.minds_moves = false);
}

#[test]
fn patches_that_do_not_mind_what_has_changed_since_the_list_make_two_masters() {
    shows("hooks of two failovers, one late", ONE_MASTER_LABEL, |protocol| protocol.compares_versions = false);
}

#[test]
fn a_master_that_is_labelled_before_the_others_are_is_the_second_one() {
    shows("three hooks of one failover", ONE_MASTER_LABEL, |protocol| protocol.master_last = false);
}

#[test]
fn a_record_that_was_read_before_the_list_and_deleted_since_spoils_what_was_right() {
    shows("two hooks, and the record deleted", LATE_IS_HARMLESS, |protocol| protocol.rereads = false);
}
