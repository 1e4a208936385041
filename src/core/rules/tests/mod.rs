//! One example for each rule and each guard, then everything that a group of three can show.

mod alone;
mod disks;
mod epochs;
mod everything;
mod forced;
pub mod given;
mod invariants;
mod messages;
mod refusals;
mod repair;
mod two_sets;
mod without;

use std::net::IpAddr;
use std::time::Duration;

use rstest::rstest;

use super::catalogue::{self, Rule};
use super::*;
use crate::core::decision::StartAs::{Follow, Lead, Undecided};
use crate::core::decision::{Decision, FAILOVER, StartAs};
use crate::core::evidence::{Evidence, Peer, RecordSeen, Reply, Role};
use crate::core::evidence::{Failure, Link};
use crate::core::identity::{Endpoint, PodName};
use crate::core::record::Claim;
use given::*;

// The newest claim.

#[test]
fn the_newest_claim_is_followed_though_its_master_is_silent() {
    let evidence = redis(0).record(present(1, 5)).sentinels([calm(2, 4), calm(2, 4), calm(2, 4)]);
    for heard in [silent(), refused(), missing(), replica_of(2), MASTER] {
        assert_eq!(evidence.clone().beside(1, heard).decide(), (Follow(claim(1, 5)), None));
    }
    assert_eq!(
        evidence.beside(1, silent()).beside(2, MASTER).decide(),
        (Follow(claim(1, 5)), None),
        "one alone that is heard is not one alone"
    );
}

#[test]
fn a_majority_that_names_the_only_living_master_outvotes_the_record_whatever_its_epoch() {
    for told in [4, 5] {
        let evidence = redis(0).record(present(1, 5)).beside(1, refused()).beside(2, MASTER);
        let evidence = evidence.sentinels([calm(2, told), calm(2, told), silent()]);
        assert_eq!(evidence.decide(), (Follow(claim(2, 6)), Some(claim(2, 6))));
        assert_eq!(Evidence { me: None, ..evidence.clone() }.decide(), (Follow(claim(2, 6)), Some(claim(2, 6))));
        assert_eq!(evidence.clone().sentinels([calm(2, 4), UNAWARE, silent()]).decide().0, Follow(claim(1, 5)), "a minority");
        assert_eq!(
            evidence.clone().beside(1, silent()).sentinels([calm(2, 4), calm(2, 4)]).decide().0,
            Follow(claim(1, 5)),
            "two may live"
        );
        let newest_elsewhere = evidence.clone().sentinels([calm(2, 4), calm(2, 4), calm(0, 6)]);
        assert_eq!(newest_elsewhere.decide().0, Follow(claim(2, 7)), "past the newest claim, which names this pod");
        let newer = evidence.sentinels([calm(2, 6), calm(2, 6), calm(2, 6)]);
        assert_eq!(newer.decide(), (Follow(claim(2, 6)), Some(claim(2, 6))), "their own epoch where it is higher");
    }
}

#[test]
fn one_newer_sentinel_outweighs_a_majority_and_the_record() {
    let told = |me| redis(me).record(present(2, 4)).sentinels([calm(2, 4), calm(2, 4), calm(1, 5)]);
    assert_eq!(told(0).beside(2, MASTER).decide(), (Follow(claim(1, 5)), None));
    assert_eq!(told(2).past_any_failover().decide(), (Follow(claim(1, 5)), None));
}

#[test]
fn the_record_moves_only_to_a_newer_claim_whose_master_lives() {
    let newer = redis(0).record(present(2, 4)).sentinels([calm(1, 5), calm(1, 5), calm(1, 5)]);
    assert_eq!(newer.clone().beside(1, MASTER).decide(), (Follow(claim(1, 5)), Some(claim(1, 5))));
    for heard in [silent(), refused(), replica_of(2)] {
        assert_eq!(newer.clone().beside(1, heard).beside(2, MASTER).decide(), (Follow(claim(1, 5)), None));
    }
    assert_eq!(newer.record(present(1, 5)).beside(1, MASTER).decide(), (Follow(claim(1, 5)), None));
}

#[test]
fn a_missing_record_is_created_from_the_newest_claim() {
    let evidence = redis(0).sentinels([calm(1, 5), calm(2, 4), silent()]).beside(1, silent());
    assert_eq!(evidence.decide(), (Follow(claim(1, 5)), Some(claim(1, 5))));
    assert_eq!(evidence.record(RecordSeen::NotKept).decide(), (Follow(claim(1, 5)), None));
}

#[test]
fn a_decision_says_who_made_the_claim() {
    let evidence = redis(0).record(present(1, 5)).sentinels([calm(1, 5), calm(1, 4), calm(1, 5)]);
    assert_eq!(for_redis(&evidence).reason.why, "follows redis-1: the record and 2 of 3 Sentinels name redis-1 at epoch 5");
    assert_eq!(
        for_sentinel(&sentinel().kept("redis-2", 6)).reason.why,
        "watches redis-2: the earlier sentinel.conf names redis-2 at epoch 6"
    );
    let adopted = for_sentinel(&sentinel().beside(1, MASTER)).reason.why;
    assert_eq!(adopted, "watches redis-1: nobody claims a master, and redis-1 alone lives as one");
}

#[test]
fn an_address_of_nobody_in_a_sentinels_own_file_counts_only_where_the_record_is_older() {
    for (epoch, expected) in [(4, Follow(claim(1, 5))), (5, Follow(claim(1, 5))), (6, Undecided)] {
        let evidence = sentinel().record(present(1, 5)).sentinels([silent(), silent(), silent()]).kept("192.0.2.77", epoch);
        assert_eq!(evidence.role(), expected, "{epoch}");
        assert_eq!(evidence.record(RecordSeen::Absent).role(), Undecided, "{epoch}: without a record");
    }
}

// Equal epochs.

#[test]
fn of_equal_epochs_the_majority_wins_if_its_master_lives() {
    let evidence = redis(0).record(present(1, 5)).sentinels([calm(2, 5), calm(2, 5), calm(1, 5)]);
    assert_eq!(evidence.clone().beside(1, MASTER).beside(2, MASTER).decide(), (Follow(claim(2, 5)), None));
    assert_eq!(evidence.beside(1, MASTER).decide(), (Follow(claim(1, 5)), None));
}

#[test]
fn of_equal_epochs_the_only_living_master_wins() {
    let evidence = redis(0).record(present(1, 5)).beside(2, MASTER);
    assert_eq!(evidence.clone().sentinels([calm(2, 5), silent(), UNAWARE]).decide(), (Follow(claim(2, 5)), None));
}

#[test]
fn equal_epochs_of_masters_that_are_all_silent_or_all_alive_are_undecided() {
    let split = redis(0).record(present(1, 5)).sentinels([calm(1, 5), calm(2, 5), silent()]);
    assert_eq!(split.clone().past_any_failover().decide(), (Undecided, None));
    assert_eq!(split.beside(1, MASTER).beside(2, MASTER).decide(), (Undecided, None));
    let unverified = redis(0).record(present(1, 5)).sentinels([calm(2, 5), calm(2, 5), calm(2, 5)]);
    assert_eq!(unverified.beside(2, silent()).decide(), (Undecided, None));
    let older_vote = redis(0).record(present(1, 5)).sentinels([calm(2, 5), calm(2, 4), silent()]);
    assert_eq!(older_vote.beside(1, MASTER).beside(2, MASTER).decide(), (Undecided, None));
    let named = redis(0).record(present(0, 5)).sentinels([calm(1, 5), calm(0, 5), calm(0, 5)]);
    assert_eq!(named.past_any_failover().decide(), (Undecided, None));
}

// Addresses.

#[test]
fn a_claim_that_names_a_stranger_is_undecided_and_no_first_boot() {
    for stranger in ["192.0.2.9", "other-0.redis-headless", "redis-7.redis-headless"] {
        let told = [watching(stranger, 4, |_| {}), UNAWARE, UNAWARE];
        assert_eq!(redis(0).sentinels(told.clone()).decide(), (Undecided, None));
        assert_eq!(redis(0).sentinels(told.clone()).record(present(1, 4)).decide(), (Undecided, None));
        assert_eq!(redis(0).sentinels(told).record(present(1, 5)).decide(), (Follow(claim(1, 5)), None));
        assert_eq!(sentinel().record(RecordSeen::NotKept).kept(stranger, 4).decide(), (Undecided, None));
    }
}

#[test]
fn an_address_stands_for_the_pod_that_has_it() {
    let ip = |last: u8| IpAddr::from([192, 0, 2, last]);
    let mut evidence = redis(0).holding(OLD).sentinels([watching("192.0.2.1", 5, |_| {}), UNAWARE, UNAWARE]);
    evidence.peers[0].ips = vec![ip(7), ip(1)];
    assert_eq!(evidence.decide(), (Follow(claim(1, 5)), Some(claim(1, 5))));
    evidence.peers[0].ips.clear();
    // Its own, be it the only one or the second of a network of both families.
    for mine in [vec![ip(1)], vec![ip(8), ip(1)]] {
        evidence.my_ips = mine;
        assert_eq!(evidence.decide(), (Lead(claim(0, 5)), Some(claim(0, 5))));
    }
}

#[test]
fn an_address_that_no_pod_has_now_is_the_one_that_the_record_remembers() {
    let mut evidence = redis(0).record(present(1, 5)).sentinels([watching("192.0.2.1", 5, |_| {}), UNAWARE, UNAWARE]);
    assert_eq!(evidence.decide(), (Undecided, None), "a stranger");
    if let RecordSeen::Present(record) = &mut evidence.record {
        record.address = at("192.0.2.1");
    }
    assert_eq!(evidence.decide(), (Follow(claim(1, 5)), None));
}

#[test]
fn a_claim_by_the_address_that_the_record_remembers_names_its_holder_whoever_is_there_now() {
    let ip = |last: u8| IpAddr::from([192, 0, 2, last]);
    let named = |master: &str, epoch| [watching(master, epoch, |_| {}), watching(master, epoch, |_| {}), UNAWARE];
    // All pods have new addresses, and redis-2 has the one that redis-1 had.
    let after_an_outage = |claims: [Reply<crate::core::evidence::SentinelAnswer>; 3]| {
        redis(0).record(present(1, 5)).record_but(|record| record.address = at("192.0.2.1")).sentinels(claims).but(|evidence| {
            evidence.my_ips = vec![ip(7)];
            evidence.peer_mut(1).ips = vec![ip(2)];
            evidence.peer_mut(2).ips = vec![ip(1)];
        })
    };
    assert_eq!(after_an_outage(named("192.0.2.1", 5)).decide(), (Follow(claim(1, 5)), None));
    // A newer claim is of whoever was there later.
    assert_eq!(after_an_outage(named("192.0.2.1", 6)).beside(2, Reply::Answer(Role::Master)).decide().0, Follow(claim(2, 6)));
    // A pod that hands over or a Sentinel's is no member in its own view, and is one all the same.
    let own = after_an_outage(named("192.0.2.7", 6)).but(|evidence| {
        evidence.me = None;
        evidence.peers[0].ips = vec![ip(7)];
    });
    assert_eq!(own.member_at(&at("192.0.2.7").host), Some(&own.peers[0].pod));
}

#[test]
fn a_pod_that_came_back_at_another_address_waits_for_the_failover_of_who_still_looks_for_it_where_it_was() {
    let there = || watching("192.0.2.1", 5, |_| {});
    let is_at = |mine: &[u8]| {
        redis(0)
            .holding(OLD)
            .record(present(0, 5))
            .record_but(|record| record.address = at("192.0.2.1"))
            .sentinels([there(), there(), there()])
            .beside(1, replica_of(0))
            .but(|evidence| evidence.my_ips = mine.iter().map(|last| IpAddr::from([192, 0, 2, *last])).collect())
    };
    assert_eq!(is_at(&[1]).decide(), (Lead(claim(0, 5)), None));
    assert_eq!(is_at(&[8, 1]).decide(), (Lead(claim(0, 5)), None), "of both families");
    assert_eq!(is_at(&[7]).decide(), (Undecided, None));
    assert_eq!(is_at(&[8, 7]).decide(), (Undecided, None));
    assert_eq!(is_at(&[7]).past_any_failover().decide(), (Lead(claim(0, 5)), None));
}

// To lead, or to yield.

#[test]
fn who_is_named_leads_where_a_calm_majority_says_so() {
    assert_eq!(restart(silent()).decide(), (Lead(claim(0, 5)), None));
    assert_eq!(restart(UNAWARE).decide(), (Lead(claim(0, 5)), None));
}

#[test]
fn a_pod_that_was_made_anew_waits_for_a_failover_unless_nobody_could_be_elected() {
    let anew = |evidence: Evidence| evidence.but(|evidence| evidence.own.has_run = false);
    let made_anew = anew(restart(calm(0, 5)));
    assert_eq!(made_anew.decide(), (Undecided, None));
    assert_eq!(made_anew.past_any_failover().decide(), (Lead(claim(0, 5)), None));
    assert_eq!(anew(power_cut()).decide(), (Lead(claim(1, 5)), None), "after a power cut");
}

#[test]
fn who_leads_makes_the_record_say_so_first() {
    assert_eq!(restart(calm(0, 5)).record(RecordSeen::Absent).decide(), (Lead(claim(0, 5)), Some(claim(0, 5))));
    assert_eq!(restart(calm(0, 5)).record(present(1, 4)).decide(), (Lead(claim(0, 5)), Some(claim(0, 5))));
    assert_eq!(restart(calm(0, 5)).record(RecordSeen::NotKept).decide(), (Lead(claim(0, 5)), None));
}

#[test]
fn who_is_named_while_another_master_lives_follows_it_and_moves_the_record_past_every_epoch() {
    let evidence = restart(calm(0, 7)).beside(1, MASTER).past_any_failover();
    assert_eq!(evidence.decide(), (Follow(claim(1, 8)), Some(claim(1, 8))));
    assert_eq!(evidence.clone().record(present(0, 9)).decide(), (Follow(claim(1, 10)), Some(claim(1, 10))));
    assert_eq!(evidence.record(RecordSeen::NotKept).decide(), (Follow(claim(1, 8)), None));
}

#[test]
fn who_is_named_while_two_masters_live_is_undecided() {
    let evidence = restart(calm(0, 5)).beside(1, MASTER).beside(2, MASTER).past_any_failover();
    assert_eq!(evidence.decide(), (Undecided, None));
}

#[test]
fn who_is_named_does_not_lead_while_the_record_cannot_be_read() {
    for seen in [UNKNOWN, RecordSeen::Pending] {
        let evidence = redis(0).record(seen).sentinels([calm(0, 5), calm(0, 5), calm(0, 5)]).past_any_failover();
        assert_eq!(evidence.clone().decide(), (Undecided, None));
        assert_eq!(
            evidence.beside(1, MASTER).decide(),
            (Undecided, None),
            "nor does it yield to one that the record may not name"
        );
    }
}

#[test]
fn while_a_sentinel_says_that_it_is_failing_over_no_time_is_long_enough() {
    let evidence = restart(failing_over(0, 5));
    let chosen_is_down = evidence.clone().beside(1, refused()).absent(2);
    for evidence in [evidence.clone(), evidence.clone().sentinels([failing_over(2, 4), silent(), silent()]), chosen_is_down] {
        assert_eq!(evidence.clone().decide(), (Undecided, None));
        assert_eq!(evidence.past_any_failover().past_the_grace().decide(), (Undecided, None));
    }
}

#[test]
fn a_pod_of_the_same_name_in_another_place_is_a_stranger() {
    let elsewhere = watching("redis-0.redis-headless.other.svc.cluster.local", 6, |_| {});
    assert_eq!(redis(0).record(present(0, 5)).sentinels([elsewhere, silent(), silent()]).decide(), (Undecided, None));
    let cut_short = watching("redis-0", 6, |_| {});
    assert_eq!(redis(1).record(present(0, 5)).sentinels([cut_short, silent(), silent()]).decide().0, Follow(claim(0, 6)));
}

#[test]
fn of_more_sentinels_than_are_configured_two_are_no_majority() {
    let alone = |master: u32| watching(&format!("redis-{master}"), 5, |watch| watch.other_sentinels = 0);
    let evidence = redis(0).sentinels([alone(1), alone(1), alone(2), alone(2), UNAWARE]).beside(1, MASTER).beside(2, MASTER);
    assert_eq!(evidence.decide(), (Undecided, None));
}

#[test]
fn nobody_starts_as_no_pod() {
    assert_eq!(for_redis(&sentinel().record(present(0, 5))).role, Undecided);
}

#[rstest]
#[case::a_sentinel_names_another(restart(calm(1, 4)))]
#[case::a_sentinel_names_a_stranger(restart(watching("192.0.2.9", 4, |_| {})))]
#[case::a_sentinel_finds_it_down(restart(down(0, 5)))]
#[case::a_sentinel_is_about_to_find_it_down(restart(watching("redis-0", 5, |watch| watch.last_ok_ping = Duration::from_millis(4001))))]
#[case::too_few_sentinels_answer(restart(silent()).sentinels([calm(0, 5), UNAWARE, silent()]))]
#[case::the_sentinels_know_more_than_are_configured(
    restart(silent()).sentinels([calm(0, 5), watching("redis-0", 5, |watch| watch.other_sentinels = 3), silent()])
)]
#[case::the_sentinels_forgot_each_other(
    restart(silent()).sentinels([watching("redis-0", 5, |watch| watch.other_sentinels = 0), silent(), silent()])
)]
#[case::no_sentinel_was_found(restart(silent()).sentinels([]))]
fn who_is_named_waits_while_a_failover_may_be_under_way_and_leads_when_none_came(#[case] evidence: Evidence) {
    let waited = (evidence.down_after + FAILOVER).saturating_sub(Duration::from_millis(1));
    assert_eq!(evidence.decide(), (Undecided, None));
    assert_eq!(Evidence { waited, ..evidence.clone() }.decide(), (Undecided, None));
    assert_eq!(evidence.past_any_failover().decide(), (Lead(claim(0, 5)), None));
}

#[rstest]
#[case::a_fifth_of_a_short_down_after(1000, 800)]
#[case::a_second_of_a_long_down_after(30_000, 29_000)]
fn the_last_ping_must_leave_time_to_start(#[case] down_after: u64, #[case] oldest_ping: u64) {
    let evidence = |ping| {
        let third = watching("redis-0", 5, |watch| watch.last_ok_ping = Duration::from_millis(ping));
        Evidence { down_after: Duration::from_millis(down_after), ..restart(third) }
    };
    assert_eq!(evidence(oldest_ping).decide().0, Lead(claim(0, 5)));
    assert_eq!(evidence(oldest_ping + 1).decide().0, Undecided);
}

#[test]
fn who_is_named_leads_at_once_where_no_peer_can_be_elected() {
    let evidence = redis(0).holding(OLD).record(present(0, 5)).sentinels([silent(), down(0, 5), calm(1, 4)]);
    assert_eq!(evidence.clone().beside(1, refused()).beside(2, missing()).decide(), (Lead(claim(0, 5)), None));
    let not_known_to_be_down = [
        Failure::TimedOut,
        Failure::NotAllowed("NOAUTH".into()),
        Failure::InvalidReply("LOADING".into()),
        Failure::Unreachable("no route".into()),
    ];
    for heard in not_known_to_be_down.map(Reply::Failed).into_iter().chain([Reply::Pending, replica_of(0)]) {
        assert_eq!(evidence.clone().beside(2, heard).decide(), (Undecided, None));
    }
}

#[test]
fn where_there_are_no_sentinels_nobody_can_fail_over() {
    let evidence = Evidence { sentinel_count: 0, ..restart(silent()).sentinels([]) };
    assert_eq!(evidence.decide(), (Lead(claim(0, 5)), None));
    assert_eq!(evidence.sentinels([silent()]).decide(), (Undecided, None));
}

// No claim: a first boot, or a master that is adopted.

#[test]
fn at_a_first_boot_the_first_pod_creates_the_record_and_leads_and_the_others_wait_for_it() {
    assert_eq!(redis(0).decide(), (Lead(claim(0, 0)), Some(claim(0, 0))));
    assert_eq!(redis(0).sentinels([UNAWARE, silent(), silent()]).decide(), (Lead(claim(0, 0)), Some(claim(0, 0))));
    assert_eq!(redis(1).past_any_failover().decide(), (Undecided, None));
    assert_eq!(sentinel().past_any_failover().decide(), (Undecided, None));
    let second = Evidence { first: pod(1), ..redis(1).tells(0, EMPTY) };
    assert_eq!(second.decide(), (Lead(claim(1, 0)), Some(claim(1, 0))));
}

#[test]
fn a_record_that_was_not_heard_is_no_first_boot() {
    for seen in [UNKNOWN, RecordSeen::Pending] {
        let evidence = redis(0).record(seen).past_any_failover();
        assert_eq!(evidence.decide(), (Undecided, None));
        assert_eq!(evidence.beside(1, MASTER).decide(), (Undecided, None));
    }
}

#[test]
fn without_a_record_a_first_boot_needs_everyone_to_have_answered_or_not_to_run() {
    let boot = redis(0).record(RecordSeen::NotKept).sentinels([UNAWARE, refused(), missing()]).beside(1, refused());
    assert_eq!(boot.decide(), (Lead(claim(0, 0)), None));
    assert_eq!(boot.clone().sentinels([UNAWARE, UNAWARE, silent()]).past_any_failover().decide(), (Undecided, None));
    assert_eq!(boot.clone().beside(2, silent()).past_any_failover().decide(), (Undecided, None));
    let lookup = |failure| Evidence { discovery: Some(failure), ..boot.clone().sentinels([]) }.decide();
    assert_eq!(lookup(Failure::NoSuchHost), (Lead(claim(0, 0)), None));
    assert_eq!(lookup(Failure::TimedOut), (Undecided, None));
}

#[test]
fn without_a_record_what_was_not_heard_yet_is_silence() {
    let evidence = redis(0).record(RecordSeen::NotKept);
    assert_eq!(evidence.clone().beside(1, Reply::Pending).decide(), (Undecided, None));
    assert_eq!(evidence.sentinels([Reply::Pending]).decide(), (Undecided, None));
}

#[test]
fn without_a_record_the_others_follow_the_first_pod_and_do_not_keep_it_from_leading() {
    let second = redis(1).record(RecordSeen::NotKept).beside(0, refused());
    assert_eq!(second.decide(), (Follow(claim(0, 0)), None));
    assert_eq!(second.beside(2, waits_for(0)).decide(), (Follow(claim(0, 0)), None));
    let first = redis(0).record(RecordSeen::NotKept);
    assert_eq!(first.clone().beside(1, waits_for(0)).decide(), (Lead(claim(0, 0)), None));
    for other in [waits_for(2), replica_of(2), replica_of(0), replica(0, Link::Lost, 0)] {
        assert_eq!(first.clone().beside(1, other).decide(), (Undecided, None), "it has copied, or waits for another");
    }
    assert_eq!(sentinel().record(RecordSeen::NotKept).decide(), (Follow(claim(0, 0)), None));
}

#[test]
fn one_living_master_that_nobody_claims_is_adopted_and_recorded() {
    let evidence = redis(0).beside(1, replica_of(2)).beside(2, MASTER);
    assert_eq!(evidence.decide(), (Follow(claim(2, 0)), Some(claim(2, 0))));
    assert_eq!(evidence.clone().record(RecordSeen::NotKept).decide(), (Follow(claim(2, 0)), None));
    assert_eq!(evidence.beside(1, MASTER).decide(), (Undecided, None));
    assert_eq!(sentinel().beside(2, MASTER).decide(), (Follow(claim(2, 0)), Some(claim(2, 0))));
}

#[test]
fn replicas_that_run_though_nobody_claims_a_master_are_no_first_boot() {
    for master in [0, 1, 2] {
        assert_eq!(redis(0).beside(1, replica_of(master)).past_any_failover().decide(), (Undecided, None));
    }
}

// A Sentinel.

#[test]
fn a_sentinel_watches_the_newest_claim() {
    let evidence = sentinel().record(present(1, 5)).sentinels([calm(2, 4), UNAWARE]);
    assert_eq!(evidence.decide(), (Follow(claim(1, 5)), None));
    assert_eq!(evidence.clone().kept("redis-2", 4).decide(), (Follow(claim(1, 5)), None));
    assert_eq!(evidence.beside(0, MASTER).beside(2, MASTER).decide(), (Follow(claim(1, 5)), None));
}

#[test]
fn what_another_sentinel_claims_moves_the_record_only_when_its_master_confirms_it() {
    let evidence = sentinel().record(present(0, 5)).sentinels([calm(1, 6), UNAWARE]);
    assert_eq!(evidence.decide(), (Follow(claim(1, 6)), None));
    assert_eq!(evidence.beside(1, MASTER).decide(), (Follow(claim(1, 6)), Some(claim(1, 6))));
}

#[test]
fn a_sentinels_own_newer_file_counts_and_moves_the_record() {
    let evidence = sentinel().sentinels([calm(1, 5), UNAWARE]).kept("redis-2", 6);
    assert_eq!(evidence.clone().record(present(1, 5)).decide(), (Follow(claim(2, 6)), Some(claim(2, 6))));
    assert_eq!(evidence.clone().decide(), (Follow(claim(2, 6)), Some(claim(2, 6))));
    assert_eq!(evidence.record(UNKNOWN).decide(), (Follow(claim(2, 6)), None));
}

#[test]
fn a_sentinel_watches_the_only_living_master_and_moves_the_record_past_every_epoch() {
    let evidence = sentinel().record(present(1, 5)).sentinels([calm(1, 4), silent()]).beside(1, replica_of(2)).beside(2, MASTER);
    assert_eq!(evidence.decide(), (Follow(claim(2, 6)), Some(claim(2, 6))));
    assert_eq!(evidence.clone().kept("redis-1", 8).decide(), (Follow(claim(2, 9)), Some(claim(2, 9))));
    assert_eq!(evidence.clone().record(present(2, 5)).decide(), (Follow(claim(2, 5)), None));
    let silent_holder = evidence.sentinels([calm(1, 5), calm(1, 5), silent()]).beside(1, silent());
    assert_eq!(silent_holder.decide(), (Follow(claim(1, 5)), None), "one lost answer does not overturn a group");
}

// When asking may end.

/// A majority, the record and the living master agree; a Sentinel and a peer have not answered yet.
fn settled() -> Evidence {
    redis(0).record(present(1, 5)).sentinels([calm(1, 5), calm(1, 5), Reply::Pending]).beside(1, MASTER).beside(2, Reply::Pending)
}

#[rstest]
#[case::though_some_are_silent(settled())]
#[case::without_kubernetes(settled().record(RecordSeen::NotKept))]
#[case::with_a_kept_file_that_agrees(settled().kept("redis-1", 5))]
fn asking_may_end(#[case] evidence: Evidence) {
    assert!(is_settled(&evidence));
    assert_eq!(evidence.decide().0, Follow(claim(1, 5)));
}

#[rstest]
#[case::after_dissent(settled().sentinels([calm(1, 5), calm(1, 5), calm(2, 4)]))]
#[case::with_too_few_sentinels(settled().sentinels([calm(1, 5), Reply::Pending, Reply::Pending]))]
#[case::before_the_record_is_heard(settled().record(RecordSeen::Pending))]
#[case::without_the_record(settled().record(RecordSeen::Absent))]
#[case::while_the_record_is_unknown(settled().record(UNKNOWN))]
#[case::while_the_record_names_another(settled().record(present(2, 5)))]
#[case::with_two_living_masters(settled().beside(2, MASTER))]
#[case::without_a_living_master(settled().beside(1, Reply::Pending))]
#[case::with_a_kept_file_that_disagrees(settled().kept("redis-2", 4))]
fn asking_goes_on(#[case] evidence: Evidence) {
    assert!(!is_settled(&evidence));
}
