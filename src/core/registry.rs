//! A group that is removed: whether it is still there, and who watches it.

use super::evidence::{Evidence, Failure, Object, Reply};
use super::identity::{Endpoint, PodName};

/// The pods of a group that exist, or of which nobody can say that they do not: while there are any, it is
/// not forgotten.
pub fn still_there(evidence: &Evidence) -> Vec<&PodName> {
    let is_there = evidence.peers.iter().filter(|peer| match (&peer.object, &peer.heard) {
        (Object::Present { .. }, _) | (_, Reply::Answer(_)) => true,
        (Object::Absent, _) => false,
        (Object::Unknown, _) => !evidence.is_known_not_to_run(peer),
    });
    is_there.map(|peer| &peer.pod).collect()
}

/// The Sentinels that watch a group, and those that did not say whether they do.
pub fn watchers(evidence: &Evidence) -> (Vec<&Endpoint>, Vec<(&Endpoint, Option<&Failure>)>) {
    let watching = evidence.watches().map(|(at, _)| at).collect();
    let silent = evidence.sentinels.iter().filter_map(|sentinel| match &sentinel.heard {
        Reply::Answer(_) => None,
        Reply::Pending => Some((&sentinel.at, None)),
        Reply::Failed(failure) => Some((&sentinel.at, Some(failure))),
    });
    (watching, silent.collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::evidence::{Container, Peer, RecordSeen, Role, SentinelAnswer};
    use crate::core::rules::given::{self, MASTER, UNAWARE, calm, pod, present, replica_of};

    fn group(sentinels: [Reply<SentinelAnswer>; 3], pods: [Reply<Role>; 2]) -> Evidence {
        let peers = (0..).zip(pods);
        let peers =
            peers.map(|(ordinal, heard)| Peer { pod: pod(ordinal), ips: Vec::new(), object: Object::Unknown, heard }).collect();
        Evidence { peers, ..given::sentinel() }.record(present(0, 5)).sentinels(sentinels)
    }

    #[test]
    fn a_pod_is_there_unless_it_is_known_not_to_be() {
        let objects =
            [Object::Unknown, Object::Absent, Object::Present { uid: "uid".into(), report: None, container: Container::Stopped }];
        let heard = [
            MASTER,
            replica_of(0),
            Reply::Pending,
            Reply::Failed(Failure::NoSuchHost),
            Reply::Failed(Failure::Refused),
            Reply::Failed(Failure::TimedOut),
            Reply::Failed(Failure::NotAllowed("NOAUTH".into())),
        ];
        for object in &objects {
            for heard in &heard {
                let mut evidence = group([UNAWARE, UNAWARE, UNAWARE], [heard.clone(), heard.clone()]);
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
                let is_nobody_there = matches!(heard, Reply::Failed(Failure::NoSuchHost | Failure::Refused));
                let is_proven_gone = is_proven_gone || *object == Object::Unknown && is_nobody_there;
                assert_eq!(still_there(&evidence).is_empty(), is_proven_gone, "{object:?} {heard:?}");
            }
        }
    }

    #[test]
    fn of_the_sentinels_those_that_watch_and_those_that_are_silent_are_told_apart() {
        let evidence = group([calm(0, 0), UNAWARE, Reply::Failed(Failure::Refused)], [MASTER, replica_of(0)]);
        let [one, _, three] = &evidence.sentinels[..] else { panic!("three") };
        assert_eq!(watchers(&evidence), (vec![&one.at], vec![(&three.at, Some(&Failure::Refused))]));
    }
}
