//! A group in two StatefulSets, the second of which has a name that sorts before the first's.

use super::given::*;
use super::*;
use crate::core::decision::StartAs::{Follow, Lead, Undecided};
use crate::core::disk::{Disk, Instance};
use crate::core::evidence::{Container, Object, Own};
use crate::core::record::Record;
use crate::core::sets::Sets;

fn cache(ordinal: u32) -> PodName {
    format!("cache-{ordinal}").parse().unwrap()
}

/// A group of redis-0, cache-0 and cache-1, where nothing has ever run, as one of them sees it.
fn split(me: &PodName) -> Evidence {
    let evidence = redis(0);
    let sets = Sets::new(["redis=1", "cache=2"].map(|set| set.parse().unwrap()).to_vec()).unwrap();
    let absent = |pod| Peer { pod, ips: Vec::new(), object: Object::Absent, heard: missing() };
    let peers = sets.pods().filter(|pod| pod != me).map(absent).collect();
    let instance = Some(Instance { pod: me.clone(), uid: "uid".into(), run: "now".into() });
    Evidence { me: Some(me.clone()), own: Own { instance, ..evidence.own }, sets, peers, ..evidence }
}

/// The same once the record names a pod, with the same old data in all that are not absent.
fn split_and_recorded(me: &PodName, master: &PodName) -> Evidence {
    let record = Record {
        claim: Claim { master: master.clone(), epoch: 5 },
        address: at(&format!("{master}.redis-headless")),
        ..recorded(0, 5)
    };
    split(me).holding(OLD).record(RecordSeen::Present(record)).past_any_failover()
}

fn told_by(mut evidence: Evidence, pod: &PodName, disk: Disk) -> Evidence {
    let peer = evidence.peers.iter_mut().find(|peer| peer.pod == *pod).unwrap();
    (peer.object, peer.heard) =
        (Object::Present { uid: "uid".into(), report: Some(report(disk)), container: Container::Stopped }, refused());
    evidence
}

#[test]
fn in_two_sets_the_first_pod_of_the_first_set_leads_a_first_boot() {
    let first = claim(0, 0);
    assert_eq!(split(&pod(0)).decide(), (Lead(first.clone()), Some(first)), "nobody of a later set is waited for");
    for me in [cache(0), cache(1)] {
        assert_eq!(
            split(&me).past_any_failover().decision().reason.why,
            "waits: redis-0, the first pod, has not created the record"
        );
    }
}

#[test]
fn of_pods_that_do_not_exist_those_of_an_earlier_set_are_waited_for_whatever_they_are_called() {
    let waits_for = |me: &PodName, told: &[PodName]| {
        let evidence = told.iter().fold(split_and_recorded(me, me), |evidence, pod| told_by(evidence, pod, OLD));
        match evidence.role() {
            Lead(_) => None,
            _ => Some(evidence.decision().reason.why.rsplit(": ").next().unwrap().to_owned()),
        }
    };
    let unreported = |pod: &str| Some(format!("{pod} does not exist, and has not reported its disk"));
    assert_eq!(waits_for(&pod(0), &[]), None);
    assert_eq!(waits_for(&cache(0), &[]), unreported("redis-0"));
    assert_eq!(waits_for(&cache(0), &[pod(0)]), None, "and for nobody after it");
    assert_eq!(waits_for(&cache(1), &[pod(0)]), unreported("cache-0"));
    assert_eq!(waits_for(&cache(1), &[cache(0)]), unreported("redis-0"));
    assert_eq!(waits_for(&cache(1), &[pod(0), cache(0)]), None);
    assert_eq!(waits_for(&cache(1), &[]), unreported("redis-0"));
    let long = split_and_recorded(&cache(1), &cache(1)).past_the_grace();
    assert!(matches!(long.role(), Lead(_)), "not for ever");
}

#[test]
fn a_pod_of_the_first_set_does_not_lead_over_a_newer_disk_of_another() {
    let evidence = told_by(split_and_recorded(&pod(0), &pod(0)), &cache(1), NEW);
    assert_eq!(evidence.role(), Undecided);
    assert_eq!(told_by(evidence.holding(NEW), &cache(0), OLD).role(), Lead(claim(0, 5)));
}

#[test]
fn of_two_sets_the_newest_disk_is_adopted_and_of_equal_ones_that_of_the_first() {
    let seen = |mine: Disk, cached: Disk| {
        let evidence = told_by(split(&pod(0)).holding(mine), &cache(0), cached);
        let (Follow(claim) | Lead(claim)) = told_by(evidence, &cache(1), OLD).role() else { panic!("it is adopted") };
        claim.master
    };
    assert_eq!(seen(OLD, NEW), cache(0));
    assert_eq!(seen(NEW, NEW), pod(0), "though cache-0 sorts before it");
    assert_eq!(told_by(split(&pod(0)).holding(NEW), &cache(0), OLD).role(), Undecided, "cache-1 may hold more");
}

#[test]
fn an_empty_pod_runs_at_last_behind_the_first_pod_of_its_own_or_another_set_that_does_not_exist() {
    let last_resort_master = |evidence: Evidence| evidence.holding(EMPTY).decision().last_resort_master;
    let lost = split_and_recorded(&cache(0), &cache(0));
    assert_eq!(last_resort_master(lost.clone()), Some(pod(0)));
    assert_eq!(last_resort_master(told_by(lost.clone(), &pod(0), OLD)), Some(cache(1)));
    assert_eq!(last_resort_master(told_by(told_by(lost, &pod(0), OLD), &cache(1), OLD)), None, "all exist");
}

#[test]
fn a_claim_that_names_a_pod_of_another_set_by_its_host_name_is_followed() {
    let evidence = split(&pod(0)).holding(OLD).sentinels([watching("cache-1.redis-headless", 5, |_| {}), UNAWARE, UNAWARE]);
    assert_eq!(evidence.role(), Follow(Claim { master: cache(1), epoch: 5 }));
}
