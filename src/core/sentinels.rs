//! What keeps the Sentinels that were named from a failover, whatever the group's state is.

use super::evidence::{Evidence, Failure, Peer, RecordSeen, Reply};
use super::identity::PodName;

/// The servers among the named Sentinels that are none, for people. `setting` is how the user named them.
pub fn no_sentinels<'a>(evidence: &'a Evidence, setting: &'a str) -> impl Iterator<Item = String> {
    let not_one = evidence.sentinels.iter().filter(|sentinel| sentinel.heard == Reply::Failed(Failure::NotASentinel));
    not_one.map(move |sentinel| format!("{} is a Redis, not a Sentinel: check the port in {setting}", sentinel.at))
}

/// Which Sentinels are missing, for people: all behind their Service, or more than a majority can do without.
/// `service` is the domain by which they are found, where they are; `setting` is how the user named them.
pub fn missing_sentinels(evidence: &Evidence, service: Option<&str>, setting: &str) -> Option<String> {
    let Evidence { sentinels, discovery, sentinel_count: count, .. } = evidence;
    let (found, majority) = (sentinels.len(), count / 2 + 1);
    match (service, discovery) {
        (Some(service), Some(Failure::NoSuchHost)) => {
            Some(format!("no Sentinel behind {service} (no such host): no failover will happen. Check {setting}"))
        }
        // Who is not found cannot be asked for its vote.
        (_, None) if (1..majority).contains(&found) => Some(format!(
            "{found} of {count} Sentinels are found, and a majority is {majority}: no failover will happen. Check {setting} and --sentinel-count (ORDAIN_SENTINEL_COUNT)"
        )),
        _ => None,
    }
}

/// That Sentinel may promote nobody while this master leads, for people: the own priority of every other pod is 0. Not
/// told where one is not known.
pub fn nobody_promotable(evidence: &Evidence) -> Option<String> {
    let [master] = &evidence.living_masters()[..] else { return None };
    let replicas: Vec<_> = evidence.peers.iter().filter(|peer| peer.pod != **master).collect();
    let is_never_promoted = |peer: &&Peer| evidence.own_priority(peer) == Some(0);
    if evidence.sentinel_count == 0 || replicas.is_empty() || !replicas.iter().all(is_never_promoted) {
        return None;
    }
    let shown: Vec<_> = replicas.iter().take(MOST_SHOWN).map(|peer| peer.pod.to_string()).collect();
    let more = if replicas.len() > MOST_SHOWN { ", …" } else { "" };
    Some(format!(
        "no failover will happen while {master} leads: every other pod ({}{more}) has the priority 0. Give one of them another --priority (ORDAIN_PRIORITY)",
        shown.join(", ")
    ))
}

/// The replicas in sync that nobody makes promotable, for nothing states their own priority, which may be 0: their
/// servers were started without it, and no report is of the run that started them (by 0.1, while the API server was
/// away).
pub fn of_unknown_priority(evidence: &Evidence) -> Vec<&PodName> {
    let [master] = &evidence.living_masters()[..] else { return Vec::new() };
    let is_left = |peer: &&Peer| evidence.is_in_sync_at_0(peer, master) && evidence.own_priority(peer).is_none();
    let left = evidence.peers.iter().filter(|_| evidence.sentinel_count > 0).filter(is_left);
    left.map(|peer| &peer.pod).collect()
}

/// How many pods are named in a line.
const MOST_SHOWN: usize = 8;

/// Whether the group starts for the first time, as far as one pod can see: then nobody expects all Sentinels to be
/// there. It has no data and no memory here, no Sentinel watches the group, and its record is none or has had one
/// master only, which started within the grace.
pub fn is_first_boot(evidence: &Evidence) -> bool {
    let Evidence { own, kept, now, grace, .. } = evidence;
    let is_young = match &evidence.record {
        RecordSeen::Present(record) => {
            let has_just_started = record.start_marker.as_ref().is_none_or(|start_marker| now.is_within(*grace, start_marker.at));
            record.transitions == 0 && record.claim.epoch == 0 && has_just_started
        }
        RecordSeen::Absent | RecordSeen::NotKept => true,
        RecordSeen::Unknown(_) | RecordSeen::Pending => false,
    };
    let is_empty = !own.disk.holds_data() && own.group_id.is_none() && own.damage.is_none() && kept.is_none();
    is_young && is_empty && evidence.watches().next().is_none()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::disk::DiskReport;
    use crate::core::evidence::{Link, Replica, Role};
    use crate::core::record::{Record, StartMarker};
    use crate::core::redis_conf::run_of;
    use crate::core::rules::given::*;

    const SERVICE: Option<&str> = Some("sentinel.prod.svc");

    fn told(evidence: &Evidence) -> Option<String> {
        missing_sentinels(evidence, SERVICE, "--sentinel-service")
    }

    #[test]
    fn a_service_that_does_not_exist_is_told_and_one_that_cannot_be_asked_for_is_not() {
        let not_found = |failure| Evidence { discovery: Some(failure), ..redis(0).sentinels([]) };
        let expected = "no Sentinel behind sentinel.prod.svc (no such host): no failover will happen. Check --sentinel-service";
        assert_eq!(told(&not_found(Failure::NoSuchHost)).as_deref(), Some(expected));
        assert_eq!(told(&not_found(Failure::TimedOut)), None);
    }

    #[test]
    fn fewer_than_a_majority_are_told_and_a_majority_that_is_silent_is_not() {
        let one = told(&redis(0).sentinels([silent()])).unwrap();
        assert!(one.starts_with("1 of 3 Sentinels are found, and a majority is 2: no failover"), "{one}");
        assert_eq!(told(&redis(0).sentinels([silent(), silent()])), None);
        assert_eq!(told(&redis(0).sentinels([])), None, "not looked up yet");
    }

    #[test]
    fn a_redis_is_no_sentinel() {
        let nonsense = Reply::Failed(Failure::InvalidReply("ERR unknown command 'SENTINEL'".into()));
        let redis = redis(0).sentinels([Reply::Failed(Failure::NotASentinel), silent(), nonsense]);
        let told: Vec<_> = no_sentinels(&redis, "--sentinel-service").collect();
        assert_eq!(told, ["sentinel-0:26379 is a Redis, not a Sentinel: check the port in --sentinel-service"]);
    }

    #[test]
    fn a_master_in_whose_place_nobody_may_be_promoted_is_told_and_a_priority_that_is_not_known_is_not() {
        let follows = |own: u32| {
            let Reply::Answer(Role::Replica(replica)) = replica(0, Link::Up, own) else { panic!() };
            Reply::Answer(Role::Replica(Replica { run: Some(run_of("r", own)), ..replica }))
        };
        let group = |one: u32, two: u32| {
            let led = sentinel().sentinels([calm(0, 5), calm(0, 5), calm(0, 5)]).record(present(0, 5));
            let led = led.started(0, OLD, Reply::Answer(Role::Master));
            led.started(1, OLD, follows(one)).started(2, OLD, follows(two))
        };
        let told = nobody_promotable(&group(0, 0)).unwrap();
        assert!(
            told.starts_with("no failover will happen while redis-0 leads: every other pod (redis-1, redis-2) has"),
            "{told}"
        );
        let waits = DiskReport { priority: Some(0), ..report(OLD) };
        let reported = group(0, 0).peer_is(2, object(2, Some(waits)), refused());
        assert!(nobody_promotable(&reported).is_some(), "by its report");
        for other in [
            group(0, 50),
            group(100, 100),
            group(0, 0).without_sentinels(),
            group(0, 0).absent(2),
            group(0, 0).unreported(2, silent()),
            group(0, 0).unreported(2, replica(0, Link::Up, 0)),
            group(0, 0).started(0, OLD, silent()),
            group(0, 0).but(|evidence| evidence.peers.truncate(1)),
        ] {
            assert_eq!(nobody_promotable(&other), None, "{other}");
        }
    }

    #[test]
    fn a_replica_in_sync_whose_own_priority_nothing_tells_is_told_of() {
        let led = || {
            let calm = || calm(0, 5);
            sentinel().sentinels([calm(), calm(), calm()]).record(present(0, 5)).started(0, OLD, Reply::Answer(Role::Master))
        };
        let unreported = |seen| led().unreported(1, seen).started(2, OLD, replica_of(0));
        let replica = |link, priority| replica(0, link, priority);
        assert_eq!(of_unknown_priority(&unreported(replica(Link::Up, 0))), [&pod(1)]);
        for other in [
            unreported(replica(Link::Up, 100)),
            unreported(replica(Link::Lost, 0)),
            unreported(replica(Link::Up, 0)).without_sentinels(),
            unreported(silent()),
            led().started(1, OLD, replica(Link::Up, 0)).started(2, OLD, replica_of(0)),
        ] {
            assert!(of_unknown_priority(&other).is_empty(), "{other}");
        }
    }

    #[test]
    fn a_group_that_has_been_one_does_not_boot_for_the_first_time() {
        let is_first = is_first_boot;
        let just = |change: fn(&mut Record)| redis(1).record(new(0)).record_but(change);
        let marked = |evidence: Evidence, at| {
            evidence.record_but(|record| record.start_marker = Some(StartMarker { by: instance(0), at }))
        };
        for first in [redis(0), redis(1).record(new(0)), sentinel(), marked(redis(1).record(new(0)), LATELY)] {
            assert!(is_first(&first), "{first}");
        }
        assert!(is_first(&redis(0).record(RecordSeen::NotKept)));
        for later in [
            redis(0).holding(OLD),
            redis(0).stamped(Some("g")),
            redis(0).but(|evidence| evidence.own.damage = Some("damaged".into())),
            redis(0).sentinels([calm(0, 0), silent(), silent()]),
            redis(0).record(UNKNOWN),
            just(|record| record.transitions = 1),
            just(|record| record.claim.epoch = 1),
            marked(redis(1).record(new(0)), LONG_AGO),
            sentinel().kept("redis-0.redis-headless", 0),
        ] {
            assert!(!is_first(&later), "{later}");
        }
    }
}
