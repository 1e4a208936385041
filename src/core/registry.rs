//! A group that is removed: whether it is still there, and who watches it.

use super::evidence::{Evidence, Failure, Heard, Object};
use super::identity::{Endpoint, PodName};

/// The pods of a group that exist, or of which nobody can say that they do not: while there are any, it is
/// not forgotten.
pub fn still_there(evidence: &Evidence) -> Vec<&PodName> {
    let is_there = evidence.peers.iter().filter(|peer| match (&peer.object, &peer.heard) {
        (Object::Present { .. }, _) | (_, Heard::Answer(_)) => true,
        (Object::Absent, _) => false,
        (Object::Unknown, _) => !evidence.is_known_not_to_run(peer),
    });
    is_there.map(|peer| &peer.pod).collect()
}

/// The Sentinels that watch a group, and those that did not say whether they do.
pub fn watchers(evidence: &Evidence) -> (Vec<&Endpoint>, Vec<(&Endpoint, Option<&Failure>)>) {
    let watching = evidence.watches().map(|(at, _)| at).collect();
    let silent = evidence.sentinels.iter().filter_map(|sentinel| match &sentinel.heard {
        Heard::Answer(_) => None,
        Heard::Pending => Some((&sentinel.at, None)),
        Heard::Failed(failure) => Some((&sentinel.at, Some(failure))),
    });
    (watching, silent.collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::disk::Moment;
    use crate::core::evidence::{Container, Link, Own, Peer, RecordSeen, Replica, Role, Sentinel, SentinelAnswer, Watch};
    use crate::core::record::{Claim, Record};
    use crate::core::sets::Set;
    use std::time::Duration;

    fn pod(ordinal: u32) -> PodName {
        format!("redis-{ordinal}").parse().unwrap()
    }

    fn address(ordinal: u32) -> Endpoint {
        Endpoint::parse(&format!("redis-{ordinal}.redis-headless"), 6379).unwrap()
    }

    fn names(master: u32) -> Heard<SentinelAnswer> {
        Heard::Answer(SentinelAnswer::Watching(Watch {
            master: address(master),
            config_epoch: 0,
            finds_master_down: false,
            failover_in_progress: false,
            has_promoted: false,
            last_ok_ping: Duration::ZERO,
            other_sentinels: 2,
            known_replicas: 2,
            is_half_told: false,
        }))
    }

    const UNAWARE: Heard<SentinelAnswer> = Heard::Answer(SentinelAnswer::Unaware);
    const MASTER: Heard<Role> = Heard::Answer(Role::Master);

    fn replica() -> Heard<Role> {
        Heard::Answer(Role::Replica(Replica {
            of: address(0),
            link: Link::Up,
            priority: 100,
            offset: 1,
            run: None,
            down_for: None,
            is_empty: false,
        }))
    }

    fn record(master: u32) -> RecordSeen {
        let claim = Claim { master: pod(master), epoch: 5 };
        RecordSeen::Present(Record::first(claim, address(master), "id".into(), false))
    }

    fn group(record: RecordSeen, sentinels: [Heard<SentinelAnswer>; 3], pods: [Heard<Role>; 2]) -> Evidence {
        let sentinels = sentinels.into_iter().enumerate().map(|(number, heard)| Sentinel {
            at: Endpoint::parse(&format!("sentinel-{number}.sentinel"), 26379).unwrap(),
            heard,
        });
        let peers = pods.into_iter().zip(0..).map(|(heard, ordinal)| Peer {
            pod: pod(ordinal),
            ips: Vec::new(),
            object: Object::Unknown,
            heard,
        });
        Evidence {
            me: None,
            own: Own::default(),
            my_ips: Vec::new(),
            first: pod(0),
            sets: Set::of(&pod(0), 3).into(),
            domain: "redis-headless.demo.svc.cluster.local".into(),
            sentinel_count: 3,
            down_after: Duration::from_secs(5),
            grace: Duration::from_secs(300),
            waited: Duration::ZERO,
            now: Moment(0),
            sentinels: sentinels.collect(),
            discovery: None,
            listing: None,
            record,
            peers: peers.collect(),
            unproven: Vec::new(),
            handing_over: None,
            kept: None,
            invalid: Vec::new(),
        }
    }

    #[test]
    fn a_pod_is_there_unless_it_is_known_not_to_be() {
        let objects =
            [Object::Unknown, Object::Absent, Object::Present { uid: "uid".into(), word: None, container: Container::Stopped }];
        let heard = [
            MASTER,
            replica(),
            Heard::Pending,
            Heard::Failed(Failure::NoSuchHost),
            Heard::Failed(Failure::Refused),
            Heard::Failed(Failure::TimedOut),
            Heard::Failed(Failure::NotAllowed("NOAUTH".into())),
        ];
        for object in &objects {
            for heard in &heard {
                let mut evidence = group(record(0), [UNAWARE, UNAWARE, UNAWARE], [heard.clone(), heard.clone()]);
                evidence.peers[0].object = object.clone();
                evidence.peers.truncate(1);
                let answers = heard.answer().is_some();
                let is_proven_gone = match object {
                    Object::Absent => !answers,
                    Object::Present { .. } | Object::Unknown => false,
                };
                assert_eq!(still_there(&evidence).is_empty(), is_proven_gone, "{object:?} {heard:?}");
                // Where there is no API server that could say more, nobody there is nobody.
                evidence.record = RecordSeen::NotKept;
                let is_nobody_there = matches!(heard, Heard::Failed(Failure::NoSuchHost | Failure::Refused));
                let is_proven_gone = is_proven_gone || *object == Object::Unknown && is_nobody_there;
                assert_eq!(still_there(&evidence).is_empty(), is_proven_gone, "{object:?} {heard:?}");
            }
        }
    }

    #[test]
    fn of_the_sentinels_those_that_watch_and_those_that_are_silent_are_told_apart() {
        let evidence = group(record(0), [names(0), UNAWARE, Heard::Failed(Failure::Refused)], [MASTER, replica()]);
        let [one, _, three] = &evidence.sentinels[..] else { panic!("three") };
        assert_eq!(watchers(&evidence), (vec![&one.at], vec![(&three.at, Some(&Failure::Refused))]));
    }
}
