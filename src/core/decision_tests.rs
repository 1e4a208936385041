//! One example for each rule and each guard, then everything that a group of three can show.

use std::net::IpAddr;

use rstest::rstest;

use super::Part::{Follow, Lead, Undecided};
use super::*;
use crate::core::evidence::{Failure, Kept, Sentinel, SentinelAnswer, Watch};
use crate::core::record::Record;

fn pod(ordinal: u32) -> PodName {
    format!("redis-{ordinal}").parse().unwrap()
}

fn at(word: &str) -> Endpoint {
    Endpoint::parse(word, 6379).unwrap()
}

fn claim(master: u32, epoch: u64) -> Claim {
    Claim { master: pod(master), epoch }
}

fn silent<T>() -> Heard<T> {
    Heard::Failed(Failure::TimedOut)
}

fn refused<T>() -> Heard<T> {
    Heard::Failed(Failure::Refused)
}

fn missing<T>() -> Heard<T> {
    Heard::Failed(Failure::NoSuchHost)
}

const UNAWARE: Heard<SentinelAnswer> = Heard::Answer(SentinelAnswer::Unaware);
const UNKNOWN: RecordSeen = RecordSeen::Unknown(Failure::TimedOut);
const MASTER: Heard<Role> = Heard::Answer(Role::Master);

fn replica_of(master: u32) -> Heard<Role> {
    Heard::Answer(Role::Replica { of: at(&format!("redis-{master}.redis-headless")) })
}

/// A Sentinel that sees nothing wrong with `master`, changed by `but`.
fn watching(master: &str, config_epoch: u64, but: impl FnOnce(&mut Watch)) -> Heard<SentinelAnswer> {
    let mut watch = Watch {
        master: at(master),
        config_epoch,
        finds_master_down: false,
        failover_in_progress: false,
        last_ok_ping: Duration::from_millis(100),
        other_sentinels: 2,
    };
    but(&mut watch);
    Heard::Answer(SentinelAnswer::Watching(watch))
}

fn calm(master: u32, epoch: u64) -> Heard<SentinelAnswer> {
    watching(&format!("redis-{master}.redis-headless"), epoch, |_| {})
}

fn down(master: u32, epoch: u64) -> Heard<SentinelAnswer> {
    watching(&format!("redis-{master}.redis-headless"), epoch, |watch| watch.finds_master_down = true)
}

fn present(master: u32, epoch: u64) -> RecordSeen {
    let address = at(&format!("redis-{master}.redis-headless"));
    RecordSeen::Present(Record { uid: "u".into(), version: "1".into(), transitions: epoch, claim: claim(master, epoch), address })
}

/// A group of three where nothing has ever run: no record, Sentinels that know nothing, no other pod.
fn nothing_yet(me: Option<u32>) -> Evidence {
    let peers = (0..3).filter(|ordinal| Some(*ordinal) != me);
    Evidence {
        me: me.map(pod),
        my_ip: None,
        first: pod(0),
        domain: "redis-headless".into(),
        sentinel_count: 3,
        down_after: Duration::from_secs(5),
        waited: Duration::ZERO,
        sentinels: Vec::new(),
        discovery: None,
        listing: None,
        record: RecordSeen::Absent,
        peers: peers.map(|ordinal| Peer { pod: pod(ordinal), ips: Vec::new(), heard: missing() }).collect(),
        kept: None,
    }
    .sentinels([UNAWARE, UNAWARE, UNAWARE])
}

fn redis(me: u32) -> Evidence {
    nothing_yet(Some(me))
}

fn sentinel() -> Evidence {
    nothing_yet(None)
}

/// redis-0 restarts beside a replica, and two of three Sentinels say nothing against it.
fn restart(third: Heard<SentinelAnswer>) -> Evidence {
    redis(0).record(present(0, 5)).sentinels([calm(0, 5), calm(0, 5), third]).peer(1, replica_of(0))
}

impl Evidence {
    fn record(self, record: RecordSeen) -> Self {
        Self { record, ..self }
    }

    fn sentinels(self, heard: impl IntoIterator<Item = Heard<SentinelAnswer>>) -> Self {
        let sentinels = heard.into_iter().enumerate();
        let sentinels = sentinels.map(|(ordinal, heard)| Sentinel { at: at(&format!("sentinel-{ordinal}:26379")), heard });
        Self { sentinels: sentinels.collect(), ..self }
    }

    fn peer(mut self, ordinal: u32, heard: Heard<Role>) -> Self {
        self.peers.iter_mut().find(|peer| peer.pod == pod(ordinal)).unwrap().heard = heard;
        self
    }

    fn kept(self, master: &str, config_epoch: u64) -> Self {
        Self { kept: Some(Kept { master: at(master), config_epoch }), ..self }
    }

    fn past_any_failover(self) -> Self {
        Self { waited: self.down_after + FAILOVER, ..self }
    }

    /// The part, and what the record must say first.
    fn decide(&self) -> (Part, Option<Claim>) {
        let decision = if self.me.is_some() { for_redis(self) } else { for_sentinel(self) };
        (decision.part, decision.record)
    }
}

// The newest claim.

#[test]
fn the_newest_claim_is_followed_though_its_master_is_silent() {
    let evidence = redis(0).record(present(1, 5)).sentinels([calm(2, 4), calm(2, 4), calm(2, 4)]);
    for heard in [silent(), refused(), missing(), replica_of(2), MASTER] {
        assert_eq!(evidence.clone().peer(1, heard).decide(), (Follow(claim(1, 5)), None));
    }
    assert_eq!(
        evidence.peer(1, silent()).peer(2, MASTER).decide(),
        (Follow(claim(1, 5)), None),
        "one alone that is heard is not one alone"
    );
}

#[test]
fn a_majority_that_names_the_only_living_master_outvotes_the_record_whatever_its_epoch() {
    for told in [4, 5] {
        let evidence = redis(0).record(present(1, 5)).peer(1, refused()).peer(2, MASTER);
        let evidence = evidence.sentinels([calm(2, told), calm(2, told), silent()]);
        assert_eq!(evidence.decide(), (Follow(claim(2, 6)), Some(claim(2, 6))));
        assert_eq!(Evidence { me: None, ..evidence.clone() }.decide(), (Follow(claim(2, 6)), Some(claim(2, 6))));
        assert_eq!(evidence.clone().sentinels([calm(2, 4), UNAWARE, silent()]).decide().0, Follow(claim(1, 5)), "a minority");
        assert_eq!(
            evidence.clone().peer(1, silent()).sentinels([calm(2, 4), calm(2, 4)]).decide().0,
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
    assert_eq!(told(0).peer(2, MASTER).decide(), (Follow(claim(1, 5)), None));
    assert_eq!(told(2).past_any_failover().decide(), (Follow(claim(1, 5)), None));
}

#[test]
fn the_record_moves_only_to_a_newer_claim_whose_master_lives() {
    let newer = redis(0).record(present(2, 4)).sentinels([calm(1, 5), calm(1, 5), calm(1, 5)]);
    assert_eq!(newer.clone().peer(1, MASTER).decide(), (Follow(claim(1, 5)), Some(claim(1, 5))));
    for heard in [silent(), refused(), replica_of(2)] {
        assert_eq!(newer.clone().peer(1, heard).peer(2, MASTER).decide(), (Follow(claim(1, 5)), None));
    }
    assert_eq!(newer.record(present(1, 5)).peer(1, MASTER).decide(), (Follow(claim(1, 5)), None));
}

#[test]
fn a_missing_record_is_created_from_the_newest_claim() {
    let evidence = redis(0).sentinels([calm(1, 5), calm(2, 4), silent()]).peer(1, silent());
    assert_eq!(evidence.decide(), (Follow(claim(1, 5)), Some(claim(1, 5))));
    assert_eq!(evidence.record(RecordSeen::NotKept).decide(), (Follow(claim(1, 5)), None));
}

#[test]
fn a_decision_says_who_made_the_claim() {
    let evidence = redis(0).record(present(1, 5)).sentinels([calm(1, 5), calm(1, 4), calm(1, 5)]);
    assert_eq!(for_redis(&evidence).why, "follows redis-1: the record and 2 of 3 Sentinels at epoch 5");
    assert_eq!(for_sentinel(&sentinel().kept("redis-2", 6)).why, "watches redis-2: the own earlier file at epoch 6");
    let adopted = for_sentinel(&sentinel().peer(1, MASTER)).why;
    assert_eq!(adopted, "watches redis-1: nobody claims a master, and it alone lives as one");
}

// Equal epochs.

#[test]
fn of_equal_epochs_the_majority_wins_if_its_master_lives() {
    let evidence = redis(0).record(present(1, 5)).sentinels([calm(2, 5), calm(2, 5), calm(1, 5)]);
    assert_eq!(evidence.clone().peer(1, MASTER).peer(2, MASTER).decide(), (Follow(claim(2, 5)), None));
    assert_eq!(evidence.peer(1, MASTER).decide(), (Follow(claim(1, 5)), None));
}

#[test]
fn of_equal_epochs_the_only_living_master_wins() {
    let evidence = redis(0).record(present(1, 5)).peer(2, MASTER);
    assert_eq!(evidence.clone().sentinels([calm(2, 5), silent(), UNAWARE]).decide(), (Follow(claim(2, 5)), None));
}

#[test]
fn equal_epochs_of_masters_that_are_all_silent_or_all_alive_are_undecided() {
    let split = redis(0).record(present(1, 5)).sentinels([calm(1, 5), calm(2, 5), silent()]);
    assert_eq!(split.clone().past_any_failover().decide(), (Undecided, None));
    assert_eq!(split.peer(1, MASTER).peer(2, MASTER).decide(), (Undecided, None));
    let unverified = redis(0).record(present(1, 5)).sentinels([calm(2, 5), calm(2, 5), calm(2, 5)]);
    assert_eq!(unverified.peer(2, silent()).decide(), (Undecided, None));
    let older_vote = redis(0).record(present(1, 5)).sentinels([calm(2, 5), calm(2, 4), silent()]);
    assert_eq!(older_vote.peer(1, MASTER).peer(2, MASTER).decide(), (Undecided, None));
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
    let mut evidence = redis(0).sentinels([watching("192.0.2.1", 5, |_| {}), UNAWARE, UNAWARE]);
    evidence.peers[0].ips = vec![ip(7), ip(1)];
    assert_eq!(evidence.decide(), (Follow(claim(1, 5)), Some(claim(1, 5))));
    evidence.peers[0].ips.clear();
    evidence.my_ip = Some(ip(1));
    assert_eq!(evidence.decide(), (Lead(claim(0, 5)), Some(claim(0, 5))));
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

// To lead, or to yield.

#[test]
fn who_is_named_leads_where_a_calm_majority_says_so() {
    assert_eq!(restart(silent()).decide(), (Lead(claim(0, 5)), None));
    assert_eq!(restart(UNAWARE).decide(), (Lead(claim(0, 5)), None));
}

#[test]
fn who_leads_makes_the_record_say_so_first() {
    assert_eq!(restart(calm(0, 5)).record(RecordSeen::Absent).decide(), (Lead(claim(0, 5)), Some(claim(0, 5))));
    assert_eq!(restart(calm(0, 5)).record(present(1, 4)).decide(), (Lead(claim(0, 5)), Some(claim(0, 5))));
    assert_eq!(restart(calm(0, 5)).record(RecordSeen::NotKept).decide(), (Lead(claim(0, 5)), None));
}

#[test]
fn who_is_named_while_another_master_lives_follows_it_and_moves_the_record_past_every_epoch() {
    let evidence = restart(calm(0, 7)).peer(1, MASTER).past_any_failover();
    assert_eq!(evidence.decide(), (Follow(claim(1, 8)), Some(claim(1, 8))));
    assert_eq!(evidence.clone().record(present(0, 9)).decide(), (Follow(claim(1, 10)), Some(claim(1, 10))));
    assert_eq!(evidence.record(RecordSeen::NotKept).decide(), (Follow(claim(1, 8)), None));
}

#[test]
fn who_is_named_while_two_masters_live_is_undecided() {
    let evidence = restart(calm(0, 5)).peer(1, MASTER).peer(2, MASTER).past_any_failover();
    assert_eq!(evidence.decide(), (Undecided, None));
}

#[test]
fn who_is_named_does_not_lead_while_the_record_cannot_be_read() {
    for seen in [UNKNOWN, RecordSeen::Pending] {
        let evidence = redis(0).record(seen).sentinels([calm(0, 5), calm(0, 5), calm(0, 5)]).past_any_failover();
        assert_eq!(evidence.clone().decide(), (Undecided, None));
        assert_eq!(evidence.peer(1, MASTER).decide(), (Undecided, None), "nor does it yield to one that the record may not name");
    }
}

#[test]
fn while_a_sentinel_says_that_it_is_failing_over_no_time_is_long_enough() {
    let evidence = restart(watching("redis-0", 5, |watch| watch.failover_in_progress = true));
    assert_eq!(evidence.clone().decide(), (Undecided, None));
    assert_eq!(evidence.past_any_failover().decide(), (Undecided, None));
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
    let evidence = redis(0).sentinels([alone(1), alone(1), alone(2), alone(2), UNAWARE]).peer(1, MASTER).peer(2, MASTER);
    assert_eq!(evidence.decide(), (Undecided, None));
}

#[test]
fn nobody_starts_as_no_pod() {
    assert_eq!(for_redis(&sentinel().record(present(0, 5))).part, Undecided);
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
    let evidence = redis(0).record(present(0, 5)).sentinels([silent(), down(0, 5), calm(1, 4)]);
    assert_eq!(evidence.clone().peer(1, refused()).peer(2, missing()).decide(), (Lead(claim(0, 5)), None));
    let not_known_to_be_down = [
        Failure::TimedOut,
        Failure::NotAllowed("NOAUTH".into()),
        Failure::Nonsense("LOADING".into()),
        Failure::Unreachable("no route".into()),
    ];
    for heard in not_known_to_be_down.map(Heard::Failed).into_iter().chain([Heard::Pending, replica_of(0)]) {
        assert_eq!(evidence.clone().peer(2, heard).decide(), (Undecided, None));
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
    let second = Evidence { first: pod(1), ..redis(1) };
    assert_eq!(second.decide(), (Lead(claim(1, 0)), Some(claim(1, 0))));
}

#[test]
fn a_record_that_was_not_heard_is_no_first_boot() {
    for seen in [UNKNOWN, RecordSeen::Pending] {
        let evidence = redis(0).record(seen).past_any_failover();
        assert_eq!(evidence.decide(), (Undecided, None));
        assert_eq!(evidence.peer(1, MASTER).decide(), (Undecided, None));
    }
}

#[test]
fn without_a_record_a_first_boot_needs_everyone_to_have_answered_or_not_to_run() {
    let boot = redis(0).record(RecordSeen::NotKept).sentinels([UNAWARE, refused(), missing()]).peer(1, refused());
    assert_eq!(boot.decide(), (Lead(claim(0, 0)), None));
    assert_eq!(boot.clone().sentinels([UNAWARE, UNAWARE, silent()]).past_any_failover().decide(), (Undecided, None));
    assert_eq!(boot.clone().peer(2, silent()).past_any_failover().decide(), (Undecided, None));
    let lookup = |failure| Evidence { discovery: Some(failure), ..boot.clone().sentinels([]) }.decide();
    assert_eq!(lookup(Failure::NoSuchHost), (Lead(claim(0, 0)), None));
    assert_eq!(lookup(Failure::TimedOut), (Undecided, None));
}

#[test]
fn without_a_record_what_was_not_heard_yet_is_silence() {
    let evidence = redis(0).record(RecordSeen::NotKept);
    assert_eq!(evidence.clone().peer(1, Heard::Pending).decide(), (Undecided, None));
    assert_eq!(evidence.sentinels([Heard::Pending]).decide(), (Undecided, None));
}

#[test]
fn without_a_record_the_others_follow_the_first_pod_and_do_not_keep_it_from_leading() {
    let second = redis(1).record(RecordSeen::NotKept).peer(0, refused());
    assert_eq!(second.decide(), (Follow(claim(0, 0)), None));
    assert_eq!(second.peer(2, replica_of(0)).decide(), (Follow(claim(0, 0)), None));
    let first = redis(0).record(RecordSeen::NotKept);
    assert_eq!(first.clone().peer(1, replica_of(0)).decide(), (Lead(claim(0, 0)), None));
    assert_eq!(first.peer(1, replica_of(2)).decide(), (Undecided, None));
    assert_eq!(sentinel().record(RecordSeen::NotKept).decide(), (Follow(claim(0, 0)), None));
}

#[test]
fn one_living_master_that_nobody_claims_is_adopted_and_recorded() {
    let evidence = redis(0).peer(1, replica_of(2)).peer(2, MASTER);
    assert_eq!(evidence.decide(), (Follow(claim(2, 0)), Some(claim(2, 0))));
    assert_eq!(evidence.clone().record(RecordSeen::NotKept).decide(), (Follow(claim(2, 0)), None));
    assert_eq!(evidence.peer(1, MASTER).decide(), (Undecided, None));
    assert_eq!(sentinel().peer(2, MASTER).decide(), (Follow(claim(2, 0)), Some(claim(2, 0))));
}

#[test]
fn replicas_that_run_though_nobody_claims_a_master_are_no_first_boot() {
    for master in [0, 1, 2] {
        assert_eq!(redis(0).peer(1, replica_of(master)).past_any_failover().decide(), (Undecided, None));
    }
}

// A Sentinel.

#[test]
fn a_sentinel_watches_the_newest_claim() {
    let evidence = sentinel().record(present(1, 5)).sentinels([calm(2, 4), UNAWARE]);
    assert_eq!(evidence.decide(), (Follow(claim(1, 5)), None));
    assert_eq!(evidence.clone().kept("redis-2", 4).decide(), (Follow(claim(1, 5)), None));
    assert_eq!(evidence.peer(0, MASTER).peer(2, MASTER).decide(), (Follow(claim(1, 5)), None));
}

#[test]
fn what_another_sentinel_claims_moves_the_record_only_when_its_master_confirms_it() {
    let evidence = sentinel().record(present(0, 5)).sentinels([calm(1, 6), UNAWARE]);
    assert_eq!(evidence.decide(), (Follow(claim(1, 6)), None));
    assert_eq!(evidence.peer(1, MASTER).decide(), (Follow(claim(1, 6)), Some(claim(1, 6))));
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
    let evidence = sentinel().record(present(1, 5)).sentinels([calm(1, 4), silent()]).peer(1, replica_of(2)).peer(2, MASTER);
    assert_eq!(evidence.decide(), (Follow(claim(2, 6)), Some(claim(2, 6))));
    assert_eq!(evidence.clone().kept("redis-1", 8).decide(), (Follow(claim(2, 9)), Some(claim(2, 9))));
    assert_eq!(evidence.clone().record(present(2, 5)).decide(), (Follow(claim(2, 5)), None));
    let silent_holder = evidence.sentinels([calm(1, 5), calm(1, 5), silent()]).peer(1, silent());
    assert_eq!(silent_holder.decide(), (Follow(claim(1, 5)), None), "one lost answer does not overturn a group");
}

// When asking may end.

/// A majority, the record and the living master agree; a Sentinel and a peer have not answered yet.
fn settled() -> Evidence {
    redis(0).record(present(1, 5)).sentinels([calm(1, 5), calm(1, 5), Heard::Pending]).peer(1, MASTER).peer(2, Heard::Pending)
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
#[case::with_too_few_sentinels(settled().sentinels([calm(1, 5), Heard::Pending, Heard::Pending]))]
#[case::before_the_record_is_heard(settled().record(RecordSeen::Pending))]
#[case::without_the_record(settled().record(RecordSeen::Absent))]
#[case::while_the_record_is_unknown(settled().record(UNKNOWN))]
#[case::while_the_record_names_another(settled().record(present(2, 5)))]
#[case::with_two_living_masters(settled().peer(2, MASTER))]
#[case::without_a_living_master(settled().peer(1, Heard::Pending))]
#[case::with_a_kept_file_that_disagrees(settled().kept("redis-2", 4))]
fn asking_goes_on(#[case] evidence: Evidence) {
    assert!(!is_settled(&evidence));
}

// Everything that a group of three can show.

/// Each holder at each of two epochs.
fn each_claim<T>(make: impl Fn(u32, u64) -> T) -> Vec<T> {
    [(0, 1), (1, 1), (2, 1), (0, 2), (1, 2), (2, 2)].map(|(master, epoch)| make(master, epoch)).into()
}

/// Every record, every multiset of three Sentinels, both ages; the peers are as `me` was given them.
fn for_each_council(me: &Evidence, mut check: impl FnMut(&Evidence)) {
    let records = [vec![RecordSeen::Absent, UNKNOWN, RecordSeen::NotKept], each_claim(present)].concat();
    let answers = [vec![UNAWARE, refused(), silent()], each_claim(calm), each_claim(down)].concat();
    let ages = [Duration::ZERO, me.down_after + FAILOVER];
    let mut evidence = me.clone();
    for (a, b, c) in (0..answers.len()).flat_map(|a| (a..15).flat_map(move |b| (b..15).map(move |c| (a, b, c)))) {
        for (sentinel, answer) in evidence.sentinels.iter_mut().zip([a, b, c]) {
            sentinel.heard = answers[answer].clone();
        }
        for record in &records {
            evidence.record = record.clone();
            for waited in ages {
                evidence.waited = waited;
                check(&evidence);
            }
        }
    }
}

fn each_peer() -> [Heard<Role>; 4] {
    [missing(), silent(), MASTER, replica_of(0)]
}

fn recorded(evidence: &Evidence) -> Option<&Claim> {
    match &evidence.record {
        RecordSeen::Present(record) => Some(&record.claim),
        _ => None,
    }
}

/// All claims: who is named, at which epoch.
fn claims(evidence: &Evidence) -> Vec<(PodName, u64)> {
    let told = evidence.watches().map(|(_, watch)| (watch.master.host.pod().unwrap(), watch.config_epoch));
    told.chain(recorded(evidence).map(|claim| (claim.master.clone(), claim.epoch))).collect()
}

/// Checks what must hold whatever was seen, and returns what was decided.
fn decide_by_the_rules(evidence: &Evidence) -> Part {
    let decision = for_redis(evidence);
    let told = || format!("\n{evidence}waited: {:?}\n{decision:?}", evidence.waited);
    let me = evidence.me.as_ref().unwrap();
    let living = evidence.living_masters();
    let claims = claims(evidence);
    let newest = claims.iter().map(|(_, epoch)| *epoch).max();
    let newest_names = |pod: &PodName| {
        let mut named = claims.iter().filter(|(_, epoch)| Some(*epoch) == newest).map(|(master, _)| master);
        newest.is_some() && named.all(|master| master == pod)
    };
    let is_kept = evidence.record != RecordSeen::NotKept;
    match &decision.part {
        Lead(claim) => {
            let silent = evidence.sentinels.iter().any(|sentinel| sentinel.heard == silent())
                || evidence.peers.iter().any(|peer| peer.heard == silent());
            let proven = evidence.record == RecordSeen::Absent || (!is_kept && !silent);
            let is_first_boot = claims.is_empty() && *me == evidence.first && proven;
            assert!(claim.master == *me, "who leads is another: {}", told());
            assert!(living.is_empty(), "leads beside a living master: {}", told());
            assert!(newest_names(me) || is_first_boot, "leads without proof: {}", told());
            let newer = claims.iter().any(|(master, epoch)| master != me && *epoch > claim.epoch);
            assert!(!newer, "leads against a newer claim: {}", told());
        }
        Follow(claim) => {
            let is_first_boot = claims.is_empty() && !is_kept && claim.master == evidence.first;
            let known = newest_names(&claim.master) || living.contains(&&claim.master) || is_first_boot;
            assert!(known, "follows whom nobody knows as master: {}", told());
            assert!(claim.master != *me, "follows itself: {}", told());
        }
        Undecided => assert!(decision.record.is_none(), "writes without a decision: {}", told()),
    }
    let goes_back = decision.record.as_ref().zip(recorded(evidence)).is_some_and(|(next, now)| next.epoch < now.epoch);
    assert!(!goes_back, "the record goes back: {}", told());
    if is_settled(evidence) {
        let follows = matches!((&decision.part, &living[..]), (Follow(claim), [master]) if claim.master == **master);
        assert!(follows, "settled, yet does not follow the living master: {}", told());
    }
    let mut turned = evidence.clone();
    turned.sentinels.reverse();
    turned.peers.reverse();
    let same = for_redis(&turned);
    assert!(same.part == decision.part && same.record == decision.record, "depends on the order, {same:?}: {}", told());
    decision.part
}

#[rstest]
#[case::as_the_first_pod(0, [1, 2])]
#[case::as_another_pod(1, [0, 2])]
fn no_evidence_breaks_a_rule(#[case] me: u32, #[case] others: [u32; 2]) {
    let [mut led, mut followed, mut undecided, mut settled] = [0; 4];
    for (first, second) in each_peer().into_iter().flat_map(|first| each_peer().map(|second| (first.clone(), second))) {
        for_each_council(&redis(me).peer(others[0], first).peer(others[1], second), |evidence| {
            match decide_by_the_rules(evidence) {
                Lead(_) => led += 1,
                Follow(_) => followed += 1,
                Undecided => undecided += 1,
            }
            settled += u32::from(is_settled(evidence));
        });
    }
    println!("as redis-{me}: {led} led, {followed} followed, {undecided} undecided; {settled} were settled");
    assert_eq!(led + followed + undecided, 680 * 9 * 2 * 16);
    assert!([led, followed, undecided, settled].iter().all(|times| *times > 0), "some kind of decision is never reached");
}

#[test]
fn two_pods_that_have_not_started_never_both_lead_from_the_same_facts() {
    let mut led = [0, 0];
    for third in each_peer() {
        let mut second = redis(1).peer(0, refused()).peer(2, third.clone());
        for_each_council(&redis(0).peer(1, refused()).peer(2, third), |first| {
            second.record.clone_from(&first.record);
            second.sentinels.clone_from(&first.sentinels);
            second.waited = first.waited;
            let leads = [first, &second].map(|evidence| matches!(for_redis(evidence).part, Lead(_)));
            assert!(leads != [true, true], "both lead, waited {:?}:\n{first}", first.waited);
            led[0] += u32::from(leads[0]);
            led[1] += u32::from(leads[1]);
        });
    }
    println!("of {} facts redis-0 led from {}, redis-1 from {}", 680 * 9 * 2 * 4, led[0], led[1]);
    assert!(led[0] > 0 && led[1] > 0, "one of them never leads");
}
