//! What is told to a person who forces a pod to be the master, before it is done.

use super::given::*;
use crate::core::disk::{Disk, DiskReport, Moment};
use crate::core::evidence::{Evidence, Link, Replica, Reply, Role};
use crate::core::rules::forced_claim::forced_claim;
use crate::core::rules::forced_claim::losses;

fn shown(evidence: &Evidence, chosen: u32) -> Vec<String> {
    losses(evidence, &pod(chosen))
}

/// A replica in sync with redis-0 that has read so far.
fn has_read(offset: u64) -> Reply<Role> {
    let replica = Replica {
        of: address(0),
        link: Link::Lost,
        priority: 100,
        offset,
        run: Some("now".into()),
        down_for: None,
        is_empty: false,
    };
    Reply::Answer(Role::Replica(replica))
}

#[test]
fn each_member_tells_by_how_much_its_data_is_newer_and_what_is_not_known() {
    let group = sentinel().record(present(0, 5)).tells(0, OLD).tells(1, Disk::Written(Moment(1_000_000 + 3_550_400)));
    let told = shown(&group.clone().unreported(2, silent()), 0);
    assert_eq!(
        told,
        [
            "redis-0 is to be the master: its data was last written 1970-01-01T00:16:40.000Z",
            "redis-1: its data was last written 1970-01-01T01:15:50.400Z, 59m 10s later than that of redis-0: what was written in between is lost",
            "redis-2: what it holds is not known (it has not reported its disk: timed out): what redis-0 does not hold is lost",
        ]
    );
    let other = shown(&group.clone().absent(2), 1);
    assert!(other[1].ends_with("not later than that of redis-1") && other[2].contains("does not exist"), "{other:?}");
    let expired = shown(&group.clone().started(2, NEW, refused()), 0);
    assert!(expired[2].contains("what it holds is not known: before its server ran"), "{expired:?}");
    let nothing = shown(&group.tells(2, EMPTY), 2);
    assert_eq!(nothing[0], "redis-2 is to be the master: its data directory is empty: ALL DATA of the group is lost");
    assert!(nothing[1].ends_with(": all of it is lost") && nothing[2].ends_with(": all of it is lost"), "{nothing:?}");
}

#[test]
fn replicas_that_have_copied_a_master_are_compared_by_how_far_they_have_read() {
    let group = sentinel().record(present(0, 5)).absent(0).started(1, OLD, has_read(1_000)).started(2, OLD, has_read(1_120));
    let told = shown(&group, 1);
    assert!(told[2].ends_with("read 120 bytes further than redis-1: they are lost"), "{told:?}");
    let told = shown(&group, 2);
    assert!(told[2].ends_with("read no further than redis-2"), "{told:?}");
    let told = shown(&group.tells(1, NEW), 1);
    assert!(told[2].ends_with("what redis-1 does not hold is lost"), "{told:?}");
}

#[test]
fn data_that_cannot_be_loaded_and_words_of_strangers_are_told_as_such() {
    let damaged = DiskReport { damage: Some("a\nb".into()), ..report(EMPTY) };
    let group = sentinel().record(present(0, 5)).tells(0, OLD).peer_is(1, object(1, Some(damaged)), refused());
    assert_eq!(shown(&group, 0)[1], "redis-1: its data cannot be loaded (a\\nb)");
    assert!(shown(&group, 1)[1].ends_with("all of it is lost"));
}

#[test]
fn a_pod_that_does_not_exist_is_forced_only_in_a_group_that_has_a_record() {
    assert!(forced_claim(&sentinel().absent(0).tells(1, OLD), &pod(0)).unwrap_err().contains("neither a pod `redis-0`"));
    assert!(forced_claim(&sentinel().record(present(0, 5)).absent(0), &pod(0)).is_ok());
    assert!(forced_claim(&sentinel().tells(0, OLD), &pod(0)).is_ok());
}

#[test]
fn nobody_is_forced_while_any_other_lives_as_a_master() {
    let group = sentinel().record(present(0, 5)).started(0, OLD, MASTER).started(1, OLD, MASTER);
    assert!([0, 1, 2].iter().all(|chosen| forced_claim(&group, &pod(*chosen)).is_err()));
    let alone = sentinel().record(present(0, 5)).started(0, OLD, MASTER);
    assert!(forced_claim(&alone, &pod(0)).is_ok() && forced_claim(&alone, &pod(1)).is_err());
    assert_eq!(shown(&alone.started(1, OLD, replica_of(0)), 0)[1], "redis-1: holds nothing that redis-0 does not hold");
}
