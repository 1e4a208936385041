//! What disks, words, marks and people have to say: one example for each rule and each guard.

use rstest::rstest;

use super::given::*;
use super::*;
use crate::core::decision::StartAs::{Follow, Lead, Undecided};
use crate::core::disk::{DiskReport, Moment};
use crate::core::evidence::{Container, Failure, Link, Object};
use crate::core::record::{Forced, StartMarker};

// The own disk.

#[test]
fn who_is_named_leads_with_its_data_where_all_have_told_the_same() {
    assert_eq!(power_cut().decide(), (Lead(claim(1, 5)), None));
    assert!(power_cut().decision().promotable, "a master is marked and checked again");
}

#[test]
fn an_empty_disk_leads_a_group_that_has_just_booted_for_the_first_time() {
    let evidence = redis(0).record(new(0));
    assert_eq!(evidence.decide(), (Lead(claim(0, 0)), None));
    assert_eq!(evidence.tells(1, EMPTY).beside(2, waits_for(0)).decide(), (Lead(claim(0, 0)), None));
}

#[test]
fn an_empty_disk_without_a_stamp_does_not_lead_where_anybody_has_led() {
    for by in [None, Some(instance(1)), Some(ended_instance(1)), Some(ended_instance(0))] {
        let evidence = redis(0).record(made_again(0, 5)).tells(1, EMPTY).tells(2, EMPTY);
        let evidence = evidence.record_but(|record| record.start_marker = by.map(start_marker));
        assert_eq!(evidence.past_any_failover().past_the_grace().decide(), (Undecided, None));
    }
}

#[test]
fn a_new_group_is_led_after_the_mark_by_the_stamp_alone() {
    let marked = redis(0).record(new(0)).tells(1, EMPTY).record_but(|record| *record = record.marked(&instance(0), NOW));
    assert_eq!(marked.clone().stamped(Some("g")).role(), Lead(claim(0, 0)), "it checks again, or starts again without a write");
    assert_eq!(marked.past_any_failover().decide(), (Undecided, None), "its volume is another");
}

#[rstest]
#[case::with_the_groups_stamp(Some("g"), Lead(claim(1, 5)))]
#[case::with_no_stamp(None, Undecided)]
#[case::with_another_groups_stamp(Some("other"), Undecided)]
fn of_a_group_that_has_had_a_master_an_empty_disk(#[case] stamp: Option<&str>, #[case] role: StartAs) {
    for by in [ended_instance(1), ended_instance(0), instance(1)] {
        let evidence =
            redis(1).stamped(stamp).record(present(1, 5)).record_but(|record| record.start_marker = Some(start_marker(by)));
        assert_eq!(evidence.tells(0, EMPTY).past_any_failover().role(), role);
    }
}

#[test]
fn an_empty_disk_with_the_groups_stamp_does_not_lead_beside_data() {
    let evidence = redis(1).stamped(Some("g")).record(present(1, 5)).past_any_failover();
    assert_eq!(evidence.clone().tells(0, EMPTY).tells(2, OLD).role(), Undecided);
    assert_eq!(evidence.clone().tells(0, EMPTY).beside(2, replica_of(1)).role(), Undecided);
    assert_eq!(evidence.tells(0, EMPTY).unreported(2, refused()).role(), Undecided);
}

#[test]
fn an_empty_disk_does_not_lead_a_group_that_has_failed_over_though_its_record_was_made_again() {
    let evidence = redis(0).record(made_again(0, 5)).sentinels([calm(0, 5), calm(0, 5), calm(0, 5)]);
    assert_eq!(evidence.decide(), (Undecided, None), "under OrderedReady nobody can say yet that there is data");
}

#[rstest]
#[case::another_has_told_of_data(redis(0).record(new(0)).tells(1, OLD))]
#[case::another_runs_with_data(redis(0).record(new(0)).started(1, OLD, waits_for(0)))]
#[case::another_has_copied_a_master(redis(0).record(new(0)).beside(1, replica_of(0)))]
#[case::another_has_not_told(redis(0).record(new(0)).unreported(1, refused()))]
fn an_empty_disk_does_not_lead_where(#[case] evidence: Evidence) {
    assert_eq!(evidence.past_any_failover().decide(), (Undecided, None));
}

#[rstest]
#[case::in_the_record(power_cut().record_but(|record| record.group_id = "other".into()))]
#[case::on_its_disk(power_cut().stamped(Some("other")))]
#[case::though_the_record_names_another(power_cut().record(present(0, 6)).record_but(|record| record.group_id = "other".into()))]
#[case::though_a_majority_names_the_living_master(
    power_cut().sentinels([calm(0, 5), calm(0, 5), calm(0, 5)]).beside(0, MASTER).stamped(Some("other"))
)]
fn data_of_another_group_has_no_part_in_this_one(#[case] evidence: Evidence) {
    assert_eq!(evidence.past_any_failover().past_the_grace().decide(), (Undecided, None));
}

#[test]
fn an_empty_directory_of_another_group_and_data_of_none_follow() {
    let evidence = power_cut().record(present(0, 6)).stamped(Some("other"));
    assert_eq!(evidence.clone().but(|evidence| evidence.own.disk = EMPTY).role(), Follow(claim(0, 6)));
    assert_eq!(evidence.stamped(None).role(), Follow(claim(0, 6)));
}

#[test]
fn what_another_group_left_with_a_peer_is_none_of_this_groups_data() {
    assert_eq!(power_cut().tells_of_another_group(2, NEW).role(), Lead(claim(1, 5)));
    assert_eq!(redis(0).record(new(0)).tells_of_another_group(1, OLD).role(), Lead(claim(0, 0)));
    assert!(newest_of_all().holding(OLD).tells_of_another_group(0, NEW).tells(2, OLD).decision().promotable);
    let adopted = adoption(0).tells_of_another_group(1, NEW);
    assert_eq!(adopted.role(), Follow(claim(1, 0)), "without a record nobody knows whose it is");
}

// The disks of others.

#[test]
fn who_is_named_does_not_lead_while_a_peers_disk_is_newer() {
    for evidence in [power_cut().tells(2, NEW), power_cut().started(2, NEW, waits_for(1))] {
        assert_eq!(evidence.clone().past_any_failover().past_the_grace().decide(), (Undecided, None));
        assert_eq!(evidence.tells(2, BARELY_NEWER).role(), Lead(claim(1, 5)), "by no more than down-after");
    }
    assert_eq!(power_cut().holding(NEW).role(), Lead(claim(1, 5)), "the others' are older");
}

#[test]
fn a_replica_that_has_had_a_link_holds_what_its_master_had() {
    for link in [Link::Up, Link::Lost] {
        assert_eq!(power_cut().started(2, NEW, replica(1, link, 0)).role(), Lead(claim(1, 5)));
    }
}

#[test]
fn who_is_named_waits_for_every_pod_that_exists_until_the_grace_is_over() {
    let unknown = |evidence: Evidence| evidence.peer_is(2, Object::Unknown, silent());
    for evidence in [power_cut().unreported(2, refused()), power_cut().unreported(2, silent()), unknown(power_cut())] {
        assert_eq!(evidence.clone().past_any_failover().decide(), (Undecided, None));
        assert_eq!(evidence.past_any_failover().past_the_grace().role(), Lead(claim(1, 5)));
    }
}

#[test]
fn who_runs_and_has_not_told_is_waited_for_for_ever() {
    let evidence = power_cut().unreported(2, waits_for(1)).past_any_failover().past_the_grace();
    assert_eq!(evidence.decide(), (Undecided, None));
}

/// redis-2 has started and is silent; this pod has waited past the grace.
fn silent_after_its_start(told: Moment) -> Evidence {
    let report = DiskReport { started: true, at: told, ..report(NEW) };
    power_cut().peer_is(2, object(2, Some(report)), refused()).past_any_failover().past_the_grace()
}

#[test]
fn who_has_told_within_the_grace_is_waited_for_however_long_this_pod_has_waited() {
    for lately in [LATELY, NOW, Moment(NOW.0 + 1_000)] {
        assert_eq!(silent_after_its_start(lately).decide(), (Undecided, None));
    }
    for long_ago in [LONG_AGO, Moment(0)] {
        assert_eq!(silent_after_its_start(long_ago).role(), Lead(claim(1, 5)));
    }
}

#[test]
fn who_was_heard_of_within_the_grace_is_waited_for_though_it_has_told_long_ago_or_is_gone() {
    let heard = |ordinal, at| move |evidence: &mut Evidence| evidence.own.heard.note(&pod(ordinal), at);
    let silent = silent_after_its_start(LONG_AGO);
    assert_eq!(silent.clone().but(heard(2, LATELY)).decide(), (Undecided, None));
    assert_eq!(silent.but(heard(2, LONG_AGO)).role(), Lead(claim(1, 5)));
    let gone = power_cut().absent(0).past_the_grace();
    assert_eq!(gone.clone().but(heard(0, LATELY)).decide(), (Undecided, None));
    assert_eq!(gone.clone().but(heard(0, LONG_AGO)).role(), Lead(claim(1, 5)));
    assert_eq!(gone.but(heard(2, LATELY)).role(), Lead(claim(1, 5)), "that one has told");
}

#[test]
fn who_answers_or_whose_word_holds_is_heard_of() {
    let heard = |evidence: &Evidence| evidence.heard_of().cloned().collect::<Vec<_>>();
    assert_eq!(heard(&power_cut()), [pod(0), pod(2)]);
    assert_eq!(heard(&power_cut().started(0, OLD, refused()).unreported(2, MASTER)), [pod(2)]);
    assert_eq!(heard(&power_cut().absent(0).unreported(2, silent())), []);
}

#[test]
fn of_pods_that_do_not_exist_only_those_of_a_lower_ordinal_are_waited_for() {
    assert_eq!(power_cut().absent(2).role(), Lead(claim(1, 5)));
    assert_eq!(power_cut().absent(0).decide(), (Undecided, None));
    assert_eq!(power_cut().absent(0).past_the_grace().role(), Lead(claim(1, 5)));
}

// When a word ends.

#[test]
fn a_word_ends_when_its_instance_marks_the_record() {
    let marked_by = |by| power_cut().record_but(|record| record.start_marker = Some(start_marker(by))).past_any_failover();
    assert_eq!(marked_by(instance(2)).decide(), (Undecided, None), "it may be starting as a master");
    assert_eq!(marked_by(ended_instance(2)).role(), Lead(claim(1, 5)), "another run has told since");
    assert_eq!(marked_by(instance(1)).role(), Lead(claim(1, 5)), "this one checks again");
}

#[test]
fn who_has_just_marked_the_record_is_waited_for_though_this_pod_has_waited_past_the_grace() {
    let evidence = power_cut().tells(2, NEW).past_any_failover().past_the_grace();
    assert_eq!(evidence.decide(), (Undecided, None), "its disk is newer");
    let marked = |start_marker| evidence.clone().record_but(|record| record.start_marker = Some(start_marker));
    assert_eq!(marked(start_marker(instance(2))).decide(), (Undecided, None), "and now it starts with it");
    let just_under = StartMarker { by: instance(2), at: Moment(NOW.0 - 299_999) };
    assert_eq!(marked(just_under).decide(), (Undecided, None));
    assert_eq!(marked(old_mark(instance(2))).role(), Lead(claim(1, 5)), "it has not come");
    assert_eq!(
        marked(start_marker(ended_instance(2))).decide(),
        (Undecided, None),
        "another run has told of the newer disk since"
    );
}

#[test]
fn a_word_holds_for_the_server_that_its_own_run_started_and_for_no_other() {
    let restarted = |run: Option<&str>| {
        power_cut().started(2, OLD, waits_for(1)).but(|evidence| {
            let peer = evidence.peers.iter_mut().find(|peer| peer.pod == pod(2)).unwrap();
            let Reply::Answer(Role::Replica(replica)) = &mut peer.heard else { panic!("a replica") };
            replica.run = run.map(str::to_owned);
        })
    };
    assert_eq!(restarted(Some("now")).role(), Lead(claim(1, 5)));
    for run in [None, Some("later")] {
        assert_eq!(restarted(run).past_any_failover().past_the_grace().role(), Undecided);
    }
}

#[test]
fn while_the_record_cannot_be_read_a_pod_with_data_asks_for_it_again_before_it_believes_the_sentinels() {
    let evidence = redis(0).record(UNKNOWN).sentinels([calm(1, 5), calm(1, 5), calm(1, 5)]);
    assert_eq!(evidence.clone().role(), Follow(claim(1, 5)), "it has nothing to lose");
    assert_eq!(evidence.clone().holding(OLD).role(), Undecided);
    assert_eq!(evidence.holding(OLD).past_any_failover().role(), Follow(claim(1, 5)));
}

#[test]
fn a_word_ends_when_its_redis_was_started_and_is_gone() {
    assert_eq!(power_cut().started(2, OLD, waits_for(1)).past_any_failover().role(), Lead(claim(1, 5)), "it still runs");
    for gone in [refused(), silent(), missing()] {
        assert_eq!(
            power_cut().started(2, OLD, gone).past_any_failover().decide(),
            (Undecided, None),
            "it may have copied a master"
        );
    }
}

// Given up.

#[test]
fn a_holder_that_was_given_up_does_not_lead_and_follows_who_was_elected() {
    let evidence = power_cut().record_but(|record| record.is_abandoned = true).past_any_failover();
    assert_eq!(evidence.decide(), (Undecided, None));
    assert_eq!(evidence.clone().beside(0, MASTER).role(), Follow(claim(0, 6)));
    assert_eq!(evidence.sentinels([calm(0, 6), silent(), silent()]).role(), Follow(claim(0, 6)));
}

#[test]
fn who_follows_a_holder_that_was_given_up_follows_all_the_same() {
    let evidence = power_cut().record(present(0, 6)).record_but(|record| record.is_abandoned = true);
    assert_eq!(evidence.role(), Follow(claim(0, 6)));
}

// A person's word.

#[rstest]
#[case::on_which_nobody_has_started(Some(Forced::Open), Lead(claim(1, 5)))]
#[case::on_which_this_run_starts(Some(Forced::By(instance(1))), Lead(claim(1, 5)))]
#[case::on_which_an_earlier_run_has_started(Some(Forced::By(ended_instance(1))), Undecided)]
#[case::on_which_another_pod_has_started(Some(Forced::By(instance(2))), Undecided)]
#[case::that_nobody_has_given(None, Undecided)]
fn a_persons_word(#[case] forced: Option<Forced>, #[case] role: StartAs) {
    let obstacles =
        [power_cut().tells(2, NEW), power_cut().holding(EMPTY), power_cut().unreported(2, refused()), power_cut().absent(0)];
    for evidence in obstacles {
        let evidence = evidence.record_but(|record| record.forced.clone_from(&forced)).past_any_failover();
        assert_eq!(evidence.role(), role);
        assert_eq!(evidence.clone().beside(0, MASTER).role(), Follow(claim(0, 6)), "a living master is none of its business");
        assert_eq!(evidence.record_but(|record| record.is_abandoned = true).role(), Undecided);
    }
}

#[test]
fn a_persons_word_is_for_the_pod_that_it_names() {
    let evidence = power_cut().tells(2, NEW).record(present(2, 4)).record_but(|record| record.forced = Some(Forced::Open));
    assert_eq!(evidence.past_any_failover().role(), Undecided);
}

#[rstest]
#[case::on_which_nobody_has_started(Forced::Open)]
#[case::on_which_it_starts(Forced::By(instance(0)))]
#[case::on_which_it_has_started(Forced::By(ended_instance(0)))]
fn under_a_persons_word_for_another_nobody_starts_promotable(#[case] forced: Forced) {
    assert!(newest_of_all().decision().promotable);
    let evidence = newest_of_all().record_but(|record| record.forced = Some(forced));
    assert_eq!(evidence.role(), Follow(claim(0, 5)));
    assert!(!evidence.decision().promotable, "its mark would undo the word");
}

// At last.

/// A peer that has told that its data cannot be loaded: it counts as an empty one.
fn tells_of_damage(evidence: Evidence, ordinal: u32) -> Evidence {
    let report = DiskReport { damage: Some("the check fails".into()), ..report(EMPTY) };
    evidence.peer_is(ordinal, object(ordinal, Some(report)), refused())
}

#[test]
fn an_empty_pod_founds_no_group_while_the_data_of_another_is_damaged_and_not_absent() {
    let empty = || redis(0).tells(1, EMPTY).tells(2, EMPTY);
    assert_eq!(empty().role(), Lead(claim(0, 0)));
    for damaged in [1, 2] {
        let decision = tells_of_damage(empty(), damaged).decision();
        let why = format!("the data of redis-{damaged} cannot be loaded (the check fails): repair that data");
        assert!(
            decision.role == Undecided && decision.reason.why.contains(&why) && decision.last_resort_master.is_none(),
            "{decision:?}"
        );
        assert_eq!(tells_of_damage(empty(), damaged).past_the_grace().role(), Undecided, "no time makes it empty");
    }
    assert_eq!(tells_of_damage(sentinel().tells(0, EMPTY).tells(2, EMPTY), 1).role(), Undecided);
    // A record that has never had a master, and an own volume that was stamped for it.
    for record in [new(0), made_again(0, 5)] {
        let own = |evidence: Evidence| evidence.record(record.clone()).stamped(Some("g"));
        assert_eq!(own(empty()).past_any_failover().role(), Lead(claim(0, recorded_epoch(&record))));
        let decision = tells_of_damage(own(empty()), 2).past_any_failover().decision();
        assert!(
            decision.reason.why.contains("its data directory is empty, and the data of redis-2 cannot be loaded"),
            "{decision:?}"
        );
        assert_eq!(decision.role, Undecided);
    }
    // Where there is other data, that leads.
    assert_eq!(tells_of_damage(redis(0).holding(OLD).tells(1, EMPTY), 2).role(), Lead(claim(0, 0)));
}

fn recorded_epoch(record: &RecordSeen) -> u64 {
    let RecordSeen::Present(record) = record else { unreachable!() };
    record.claim.epoch
}

#[test]
fn data_that_cannot_be_loaded_is_not_set_aside_by_the_last_resort_before_the_grace() {
    let damaged = || {
        let mut evidence = redis(0).record(present(0, 5)).sentinels([UNAWARE, UNAWARE, UNAWARE]);
        evidence.own.damage = Some("the check fails".into());
        evidence
    };
    let last_resort_master = |evidence: Evidence| evidence.past_any_failover().decision().last_resort_master;
    assert_eq!(last_resort_master(damaged()), None);
    assert_eq!(last_resort_master(damaged().past_the_grace()), Some(pod(1)));
}

#[test]
fn an_empty_pod_that_may_not_lead_runs_at_last_behind_the_first_pod_that_does_not_exist() {
    let last_resort_master = |evidence: Evidence| evidence.past_any_failover().decision().last_resort_master;
    let lost = || redis(0).record(present(0, 5)).sentinels([calm(0, 5), calm(0, 5), calm(0, 5)]);
    assert_eq!(last_resort_master(lost()), Some(pod(1)));
    assert_eq!(last_resort_master(lost().past_the_grace()), Some(pod(1)));
    assert_eq!(last_resort_master(lost().record_but(|record| record.is_abandoned = true)), Some(pod(1)));
    assert_eq!(last_resort_master(lost().tells(1, OLD)), Some(pod(2)));
    assert_eq!(last_resort_master(lost().started(1, OLD, replica(0, Link::Lost, 0))), Some(pod(2)));
    for not_known in
        [lost().unreported(1, refused()), lost().peer_is(1, Object::Unknown, silent()), lost().started(1, OLD, refused())]
    {
        assert_eq!(last_resort_master(not_known.clone()), None, "it may hold the data");
        assert_eq!(last_resort_master(not_known.clone().record_but(|record| record.is_abandoned = true)), None);
        assert_eq!(last_resort_master(not_known.past_the_grace()), Some(pod(2)), "nobody waits for ever for a pod that is away");
    }
    assert_eq!(last_resort_master(lost().tells(1, OLD).tells(2, OLD)), None, "all exist: one of them will be elected");
    assert_eq!(last_resort_master(lost().holding(OLD).tells(1, NEW)), None, "its data must not be erased");
}

#[test]
fn an_empty_holder_of_a_new_group_that_was_given_up_runs_at_last_as_well() {
    let evidence = redis(0).record(new(0)).record_but(|record| record.is_abandoned = true).past_any_failover();
    assert_eq!(evidence.decide(), (Undecided, None));
    assert_eq!(evidence.decision().last_resort_master, Some(pod(1)), "no other pod is created before it runs");
    assert_eq!(evidence.tells(1, EMPTY).decision().last_resort_master, Some(pod(2)));
}

// Electable as it starts.

/// redis-1 follows redis-0, whose disk is older than its own, and nobody's is newer.
fn newest_of_all() -> Evidence {
    redis(1).holding(NEW).record(present(0, 5)).tells(0, OLD).tells(2, NEW)
}

#[test]
fn who_holds_more_than_the_holder_and_no_less_than_anybody_starts_promotable() {
    for evidence in [newest_of_all(), newest_of_all().tells(0, EMPTY), newest_of_all().tells(2, EMPTY)] {
        assert_eq!(evidence.role(), Follow(claim(0, 5)));
        assert!(evidence.decision().promotable);
    }
}

#[rstest]
#[case::its_own_disk_is_empty(newest_of_all().holding(EMPTY).tells(0, EMPTY).tells(2, EMPTY))]
#[case::the_holders_disk_is_as_new(newest_of_all().tells(0, NEW))]
#[case::the_holders_disk_is_hardly_older(newest_of_all().holding(BARELY_NEWER).tells(0, OLD).tells(2, OLD))]
#[case::anothers_disk_is_newer(newest_of_all().holding(BARELY_NEWER).tells(0, EMPTY).tells(2, NEW))]
#[case::the_holder_has_not_told(newest_of_all().unreported(0, refused()))]
#[case::the_holder_has_marked(newest_of_all().record_but(|record| record.start_marker = Some(start_marker(instance(0)))))]
#[case::the_holder_does_not_exist(newest_of_all().absent(0))]
#[case::another_has_not_told(newest_of_all().unreported(2, refused()))]
#[case::another_does_not_exist(newest_of_all().absent(2))]
#[case::another_is_silent(newest_of_all().peer_is(2, Object::Unknown, silent()).past_the_grace())]
#[case::another_has_copied_a_master(newest_of_all().started(2, OLD, replica_of(0)))]
#[case::another_has_run_and_is_gone(newest_of_all().started(2, OLD, refused()))]
#[case::the_record_does_not_say_so_yet(newest_of_all().record(present(2, 4)).sentinels([calm(0, 5), UNAWARE, UNAWARE]))]
#[case::there_is_no_record(newest_of_all().record(RecordSeen::Absent).sentinels([calm(0, 5), UNAWARE, UNAWARE]))]
#[case::the_record_is_not_kept(newest_of_all().record(RecordSeen::NotKept).sentinels([calm(0, 5), UNAWARE, UNAWARE]))]
#[case::a_master_lives(newest_of_all().beside(0, MASTER))]
fn whoever_follows_starts_unpromotable_where(#[case] evidence: Evidence) {
    assert_eq!(evidence.role(), Follow(claim(0, 5)));
    assert!(!evidence.decision().promotable);
}

// A first boot.

#[rstest]
#[case::that_its_disk_is_empty(redis(0).tells(1, EMPTY), Lead(claim(0, 0)))]
#[case::that_it_has_nothing_and_has_begun_to_wait(redis(0).tells(1, EMPTY).tells(2, EMPTY), Lead(claim(0, 0)))]
#[case::nothing(redis(0).unreported(1, refused()), Undecided)]
#[case::nothing_and_is_silent(redis(0).unreported(1, silent()), Undecided)]
#[case::nothing_and_is_not_known_to_exist(redis(0).peer_is(1, Object::Unknown, missing()), Undecided)]
#[case::that_its_disk_holds_data(redis(0).tells(1, OLD), Undecided)]
#[case::nothing_past_the_grace(redis(0).unreported(1, silent()).past_the_grace(), Lead(claim(0, 0)))]
#[case::nothing_and_runs_past_the_grace(redis(0).unreported(1, MASTER).past_the_grace(), Follow(claim(1, 0)))]
fn at_a_first_boot_another_pod_has_told(#[case] evidence: Evidence, #[case] role: StartAs) {
    assert_eq!(evidence.clone().past_any_failover().role(), role);
    assert_eq!(evidence.decision().is_first_boot, matches!(role, Lead(_)));
}

#[test]
fn only_the_first_pod_waits_at_a_first_boot_for_what_others_have_to_tell() {
    let first = redis(0).tells(1, EMPTY).unreported(2, refused());
    assert_eq!(first.decision().reason.why, "waits: redis-2 has not reported its disk");
    for evidence in
        [redis(1), redis(1).tells(0, EMPTY).tells(2, EMPTY), redis(1).unreported(0, refused()).unreported(2, silent())]
    {
        assert_eq!(evidence.decision().reason.why, "waits: redis-0, the first pod, has not created the record");
    }
}

#[test]
fn only_a_first_boot_makes_a_new_record_and_neither_adoption_nor_a_claim_does() {
    assert!(redis(0).decision().is_first_boot);
    let missing_record = restart(calm(0, 5)).record(RecordSeen::Absent);
    let without_record = redis(0).record(RecordSeen::NotKept);
    for evidence in [adoption(1), missing_record, without_record, redis(0).record(new(0)), power_cut()] {
        assert!(matches!(evidence.role(), Lead(_)));
        assert!(!evidence.decision().is_first_boot);
    }
}

// Adoption.

/// Nobody claims anything, and all have told: redis-1 holds the most.
fn adoption(me: u32) -> Evidence {
    let [lower, newest, higher] = [OLD, NEW, EMPTY];
    let disks = [lower, newest, higher];
    (0..3)
        .filter(|ordinal| *ordinal != me)
        .fold(redis(me).holding(disks[me as usize]), |evidence, ordinal| evidence.tells(ordinal, disks[ordinal as usize]))
}

#[test]
fn without_any_claim_the_most_advanced_disk_is_adopted_by_whoever_sees_them_all() {
    assert_eq!(adoption(1).decide(), (Lead(claim(1, 0)), Some(claim(1, 0))));
    assert_eq!(adoption(0).decide(), (Follow(claim(1, 0)), Some(claim(1, 0))));
    assert_eq!(adoption(2).decide(), (Follow(claim(1, 0)), Some(claim(1, 0))));
    assert!(!adoption(0).decision().promotable);
    let told = sentinel().tells(0, OLD).tells(1, NEW).tells(2, EMPTY);
    assert_eq!(told.decide(), (Follow(claim(1, 0)), Some(claim(1, 0))));
}

#[test]
fn of_equal_disks_that_of_the_lowest_ordinal_is_adopted() {
    assert_eq!(adoption(1).tells(0, NEW).decide(), (Follow(claim(0, 0)), Some(claim(0, 0))));
    assert_eq!(adoption(1).tells(2, NEW).decide(), (Lead(claim(1, 0)), Some(claim(1, 0))));
    let all_new = adoption(0).holding(NEW).tells(1, NEW).tells(2, NEW);
    assert_eq!(all_new.decide(), (Lead(claim(0, 0)), Some(claim(0, 0))));
}

#[rstest]
#[case::another_has_not_told(adoption(1).unreported(2, refused()))]
#[case::another_does_not_exist(adoption(1).absent(2))]
#[case::another_is_silent(adoption(1).peer_is(2, Object::Unknown, silent()))]
#[case::another_has_copied_a_master(adoption(1).started(2, EMPTY, replica_of(0)))]
#[case::another_has_run_and_is_gone(adoption(1).started(2, EMPTY, refused()))]
fn nothing_is_adopted_while(#[case] evidence: Evidence) {
    for evidence in [evidence.clone(), evidence.past_the_grace()] {
        assert_eq!(evidence.past_any_failover().decide(), (Undecided, None));
    }
}

#[test]
fn nothing_is_adopted_while_a_pod_may_be_a_member_of_whose_disk_nobody_knows() {
    let told = sentinel().tells(0, OLD).tells(1, NEW).tells(2, EMPTY);
    let open = Evidence { unproven: vec!["redis-replicas-0".parse().unwrap()], ..told };
    assert_eq!(open.decide(), (Undecided, None));
    assert!(open.decision().reason.why.contains("redis-replicas-0"), "{}", open.decision().reason.why);
}

#[test]
fn a_running_replica_that_never_had_a_link_is_adopted_where_its_disk_is_the_most_advanced() {
    let evidence = adoption(0).started(1, NEW, waits_for(2));
    assert_eq!(evidence.decide(), (Follow(claim(1, 0)), Some(claim(1, 0))));
}

#[test]
fn who_is_adopted_does_not_lead_while_a_replica_could_be_elected() {
    let evidence = adoption(1).started(0, OLD, replica(2, Link::Never, 100));
    assert_eq!(evidence.decide(), (Undecided, None));
    assert_eq!(evidence.past_any_failover().role(), Lead(claim(1, 0)));
}

// A Sentinel that waits.

/// A Sentinel starts while redis-1 has marked the record and does not answer yet.
fn pod_is_starting() -> Evidence {
    sentinel().record(present(1, 5)).record_but(|record| record.start_marker = Some(start_marker(instance(1)))).tells(1, OLD)
}

#[test]
fn a_sentinel_waits_for_a_pod_that_has_marked_the_record() {
    for heard in [refused(), silent(), missing(), Reply::Pending] {
        assert_eq!(pod_is_starting().started(1, OLD, heard).decide(), (Undecided, None));
    }
}

#[rstest]
#[case::when_it_answers_as_a_replica(pod_is_starting().started(1, OLD, waits_for(0)))]
#[case::when_it_answers_as_a_master(pod_is_starting().started(1, OLD, MASTER))]
#[case::when_its_instance_has_ended(pod_is_starting().record_but(|record| record.start_marker = Some(start_marker(ended_instance(1)))))]
#[case::when_its_pod_was_made_again(
    pod_is_starting().peer_is(1, Object::Present { uid: "another".into(), report: Some(report(OLD)), container: Container::Stopped }, refused())
)]
#[case::when_its_pod_is_gone(pod_is_starting().absent(1))]
#[case::when_the_mark_is_older_than_the_grace(
    pod_is_starting().record_but(|record| record.start_marker = Some(old_mark(instance(1))))
)]
fn a_sentinel_waits_no_longer(#[case] evidence: Evidence) {
    assert_eq!(evidence.decide(), (Follow(claim(1, 5)), None));
}

#[test]
fn a_sentinel_does_not_wait_where_a_master_lives() {
    assert_eq!(pod_is_starting().beside(0, MASTER).decide(), (Follow(claim(0, 6)), Some(claim(0, 6))));
    assert_eq!(
        pod_is_starting().started(1, OLD, silent()).beside(0, MASTER).decide(),
        (Follow(claim(1, 5)), None),
        "one that is only silent may live as well"
    );
}

// Without Kubernetes.

/// Nothing is recorded or published, and all Sentinels name redis-0.
fn without_kubernetes() -> Evidence {
    let unpublished = |evidence: &mut Evidence| {
        evidence.own.instance = None;
        evidence.peers.iter_mut().for_each(|peer| peer.object = Object::Unknown);
    };
    redis(0).record(RecordSeen::NotKept).sentinels([calm(0, 5), calm(0, 5), calm(0, 5)]).but(unpublished)
}

#[test]
fn without_kubernetes_an_empty_disk_does_not_lead_beside_a_replica_that_may_hold_the_data() {
    for heard in [waits_for(0), replica_of(0), replica(0, Link::Lost, 0)] {
        let evidence = without_kubernetes().peer_is(1, Object::Unknown, heard).past_any_failover();
        assert_eq!(evidence.decide(), (Undecided, None));
        assert_eq!(evidence.holding(OLD).role(), Lead(claim(0, 5)));
    }
}

#[test]
fn without_kubernetes_an_empty_disk_leads_where_nobody_else_runs() {
    assert_eq!(without_kubernetes().peer_is(1, Object::Unknown, refused()).role(), Lead(claim(0, 5)));
}

#[test]
fn without_kubernetes_an_empty_disk_leads_where_all_that_run_are_seen_to_be_empty_as_at_a_first_boot() {
    let beside = |one, other| without_kubernetes().peer_is(1, Object::Unknown, one).peer_is(2, Object::Unknown, other);
    for other in [refused(), missing(), waits_empty_for(0)] {
        assert_eq!(beside(waits_empty_for(0), other).role(), Lead(claim(0, 5)));
    }
    for other in [waits_for(0), silent(), replica_of(0), with_data(replica_of(0), false)] {
        let evidence = beside(waits_empty_for(0), other).past_any_failover();
        assert_eq!(evidence.decide(), (Undecided, None), "it may hold the data all the same");
    }
    assert_eq!(beside(waits_empty_for(0), MASTER).role(), Follow(claim(2, 6)), "who lives as master leads");
}

#[test]
fn without_kubernetes_an_empty_disk_does_not_lead_beside_a_peer_that_is_only_silent() {
    let silences = [Failure::TimedOut, Failure::Unreachable("no route".into()), Failure::NotAllowed("NOAUTH".into())];
    for heard in silences.map(Reply::Failed).into_iter().chain([Reply::Pending]) {
        let evidence = without_kubernetes().peer_is(1, Object::Unknown, heard);
        assert_eq!(evidence.past_any_failover().decide(), (Undecided, None), "it may hold the data all the same");
    }
}

// What is said.

#[test]
fn who_does_not_lead_says_what_keeps_it() {
    let cases = [
        (
            power_cut().tells(2, NEW),
            "its data (last written 1970-01-01T00:16:40.000Z) is older than that of redis-2 (last written 1970-01-01T00:16:45.001Z)",
        ),
        (power_cut().holding(EMPTY), "its data directory is empty, and the group has had a master: its volume was lost"),
        (power_cut().unreported(2, refused()), "redis-2 has not reported its disk"),
    ];
    for (evidence, what) in cases {
        assert_eq!(evidence.decision().reason.why, format!("waits: {what}"));
    }
}
