//! That nobody listens where a pod was asked proves nothing alone: a firewall refuses for others.

use rstest::rstest;

use super::given::*;
use super::*;
use crate::core::decision::StartAs::{Follow, Lead, Undecided};
use crate::core::disk::{DiskReport, Moment};
use crate::core::evidence::{Container, Failure, Object};

const EARLIER: Container = Container::Running(Moment(NOW.0 - 60_000));

/// This run of the pod has told, or an earlier one; and its server has been started since, or not.
fn told(seconds_ago: u64, started: bool) -> DiskReport {
    DiskReport { at: Moment(NOW.0 - 1_000 * seconds_ago), started, ..report(OLD) }
}

#[rstest]
#[case::gone(Object::Absent, true)]
#[case::the_api_server_is_away(Object::Unknown, false)]
#[case::its_container_has_ended(object_with(1, Some(told(90, true)), Container::Stopped), true)]
#[case::it_never_told_and_its_container_has_ended(object_with(1, None, Container::Stopped), true)]
#[case::its_container_runs(object_with(1, Some(told(30, true)), EARLIER), false)]
#[case::it_runs_and_has_not_told(object_with(1, None, EARLIER), false)]
#[case::this_run_has_told_and_waits(object_with(1, Some(told(30, false)), EARLIER), true)]
#[case::it_has_told_in_the_second_of_its_start(object_with(1, Some(told(60, false)), EARLIER), true)]
#[case::an_earlier_run_has_told(object_with(1, Some(told(90, false)), EARLIER), false)]
#[case::nothing_is_told_of_its_container(object_with(1, Some(told(30, true)), Container::Unknown), false)]
#[case::no_kubelet_and_it_waits(object_with(1, Some(told(30, false)), Container::Unknown), true)]
fn a_refusal_counts_with_the_pods_own_state(#[case] object: Object, #[case] is_proof: bool) {
    for nobody_listens in [refused(), missing()] {
        let evidence = redis(0).peer_is(1, object.clone(), nobody_listens);
        assert_eq!(evidence.is_known_not_to_run(evidence.peer(&pod(1)).unwrap()), is_proof);
        let alone = Evidence { record: RecordSeen::NotKept, ..evidence };
        let is_enough = is_proof || object == Object::Unknown;
        assert_eq!(alone.is_known_not_to_run(alone.peer(&pod(1)).unwrap()), is_enough, "without an API server");
    }
    for may_run in [silent(), Reply::Pending, Reply::Failed(Failure::NotAllowed("NOAUTH".into())), replica_of(0)] {
        let evidence = redis(0).peer_is(1, object.clone(), may_run);
        assert!(!evidence.is_known_not_to_run(evidence.peer(&pod(1)).unwrap()));
    }
}

/// A network policy keeps the Sentinel's pod from redis-0, which lives, and redis-1 took itself for a master once.
#[test]
fn a_master_behind_a_firewall_is_watched_and_no_record_moves_away_from_it() {
    let behind = |container| {
        let living = object_with(0, Some(told(30, true)), container);
        sentinel().record(present(0, 5)).sentinels([calm(1, 5), calm(1, 5), calm(1, 5)]).peer_is(0, living, refused())
    };
    let beside = |evidence: Evidence| evidence.beside(1, Reply::Answer(Role::Master)).decide();
    assert_eq!(beside(behind(EARLIER)).1, None);
    assert_eq!(beside(behind(Container::Stopped)), (Follow(claim(1, 6)), Some(claim(1, 6))), "it is known to be none");
}

#[test]
fn whoever_refuses_and_may_run_may_be_elected_meanwhile() {
    let waiting = |container| {
        restart(silent()).but(|evidence| {
            evidence.sentinels[1].heard = silent();
            *evidence = evidence.clone().absent(2).peer_is(1, object_with(1, Some(told(400, true)), container), refused());
        })
    };
    assert_eq!(waiting(EARLIER).past_the_grace().role(), Undecided);
    assert_eq!(waiting(Container::Stopped).past_the_grace().role(), Lead(claim(0, 5)));
}
