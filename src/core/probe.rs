//! What a probe says: whether a server serves, by what it reports of itself.
//!
//! A StatefulSet with `OrderedReady` makes or makes again no pod before every pod of a lower ordinal is
//! ready. So no pod may count on one of a higher ordinal: it would wait for ever.

use super::evidence::Failure;
use super::identity::{Endpoint, Group, Host, PodName};
use super::sets::Sets;

/// What a Redis reports of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Serving {
    /// It answers a `PING` with an error, as while it loads its data, runs a script or cannot write to
    /// its disk.
    Not(String),
    /// It is a master.
    Master {
        /// How many replicas it wants before it takes a write (`min-replicas-to-write`).
        wanted: u32,
        /// How many it has (`min_slaves_good_slaves`).
        has: u32,
    },
    /// It is a replica.
    Replica {
        /// Its master.
        of: Endpoint,
        /// Whether its link is up (`master_link_status`).
        link_is_up: bool,
        /// Whether it is copying all that its master has (`master_sync_in_progress`).
        copies: bool,
    },
}

/// What a Sentinel reports of a group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Watching {
    /// It does not know it.
    Unaware,
    /// It counts so many Sentinels that answer, itself among them (`SENTINEL CKQUORUM`).
    Counts {
        /// How many.
        usable: u32,
        /// Whether these are enough to find a master down and to replace it.
        is_enough: bool,
    },
}

/// Whether a Redis serves: what it does, or what is in the way. `me` is none where the pod has no ordinal, `sets`
/// are empty where the group has one alone.
///
/// # Errors
/// Why it does not serve, in one line.
pub fn redis(told: &Serving, me: Option<&PodName>, sets: &Sets) -> Result<String, String> {
    match told {
        Serving::Not(error) => Err(format!("does not serve: {error}")),
        Serving::Master { wanted, has } if has >= wanted => Ok("serves as master".to_owned()),
        Serving::Master { wanted, has } => match me.map(PodName::ordinal) {
            Some(lower) if *has >= lower => Ok(format!(
                "is master and takes no writes yet: {has} of {wanted} replicas are in sync, as many as can be before this pod is ready"
            )),
            _ => Err(format!("is master and takes no writes: {has} of {wanted} replicas are in sync")),
        },
        Serving::Replica { of, link_is_up: true, .. } => Ok(format!("serves as replica of {of}")),
        Serving::Replica { of, copies: true, .. } => Err(format!("copies all data of {of} (full sync)")),
        Serving::Replica { of, .. } => match (of.host.pod(), me) {
            (Some(master), Some(me)) if waits_for(&master, me, sets) => {
                Ok(format!("waits for {of}, which may start only when this pod is ready"))
            }
            // Whose an address is only the API server knows, which no probe asks.
            (None, Some(_)) if matches!(of.host, Host::Ip(_)) => {
                Ok(format!("waits for {of}: the pod that was there may start only when this pod is ready"))
            }
            _ => Err(format!("has no link to {of}")),
        },
    }
}

/// What is said of a server that a secret alone, a password, a right or a certificate, keeps from telling whether it
/// serves; none for any other failure.
pub fn kept_by_a_secret(failure: &Failure) -> Option<String> {
    let is_secret = matches!(failure, Failure::NotAllowed(_) | Failure::Untrusted(_));
    is_secret.then(|| format!("answers, and is not asked whether it serves: {failure}"))
}

/// What is said of a server that answers, and not by TLS, by which all others speak to it.
pub const SPEAKS_NO_TLS: &str = "answers, and speaks no TLS: check that its file has tls-port, or remove --tls-ca, --tls-cert and --tls-key (ORDAIN_TLS_CA, ORDAIN_TLS_CERT, ORDAIN_TLS_KEY)";

/// Whether a master waits for this pod: it is of the same set and of a higher ordinal, or of a later set.
fn waits_for(master: &PodName, me: &PodName, sets: &Sets) -> bool {
    let are_in_order = master.base() == me.base() || sets.have(master) && sets.have(me);
    are_in_order && sets.place(me) < sets.place(master)
}

/// Whether a Sentinel serves: it knows its groups, and counts a quorum for each.
///
/// # Errors
/// Why it does not serve, in one line.
pub fn sentinel(told: &[(Group, Watching)], me: Option<&PodName>) -> Result<String, String> {
    if told.is_empty() {
        return Err("knows no group".to_owned());
    }
    for (group, watching) in told {
        match watching {
            Watching::Unaware => return Err(format!("does not know `{group}`")),
            Watching::Counts { is_enough: true, .. } => {}
            // Itself and all of a lower ordinal.
            Watching::Counts { usable, .. } if me.is_some_and(|me| *usable > me.ordinal()) => {}
            Watching::Counts { usable, .. } => {
                return Err(format!("has no quorum for `{group}`: it counts {usable} Sentinels that answer"));
            }
        }
    }
    let names: Vec<_> = told.iter().map(|(group, _)| format!("`{group}`")).collect();
    Ok(format!("watches {}", names.join(", ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pod(name: &str) -> PodName {
        name.parse().unwrap()
    }

    /// In a group of one set.
    fn alone(told: &Serving, me: Option<&PodName>) -> Result<String, String> {
        redis(told, me, &Sets::default())
    }

    fn replica(of: &str, link_is_up: bool, copies: bool) -> Serving {
        Serving::Replica { of: Endpoint::parse(of, 6379).unwrap(), link_is_up, copies }
    }

    #[test]
    fn who_answers_a_ping_with_an_error_does_not_serve() {
        let refusal = alone(&Serving::Not("LOADING Redis is loading".to_owned()), None).unwrap_err();
        assert_eq!(refusal, "does not serve: LOADING Redis is loading");
    }

    #[test]
    fn only_a_secret_excuses_a_server_that_does_not_tell() {
        let why = String::new;
        for (failure, is_excused) in [
            (Failure::NotAllowed(why()), true),
            (Failure::Untrusted(why()), true),
            (Failure::NoSuchHost, false),
            (Failure::Refused, false),
            (Failure::TimedOut, false),
            (Failure::InvalidReply(why()), false),
            (Failure::NotASentinel, false),
            (Failure::Unreachable(why()), false),
        ] {
            assert_eq!(kept_by_a_secret(&failure).is_some(), is_excused, "{failure}");
        }
    }

    #[test]
    fn a_master_serves_when_it_has_the_replicas_that_it_wants_or_all_that_may_exist_before_it_is_ready() {
        for wanted in 0..4 {
            for has in 0..4 {
                for ordinal in 0..4 {
                    let me = pod("redis-0").sibling(ordinal);
                    let serves = alone(&Serving::Master { wanted, has }, Some(&me)).is_ok();
                    assert_eq!(serves, has >= wanted || has >= ordinal, "{has} of {wanted} at ordinal {ordinal}");
                }
                assert_eq!(alone(&Serving::Master { wanted, has }, None).is_ok(), has >= wanted);
            }
        }
    }

    #[test]
    fn a_replica_serves_while_its_link_is_up_and_never_while_it_copies_all_data() {
        for me in [None, Some(&pod("redis-1"))] {
            assert!(alone(&replica("redis-0.redis", true, false), me).is_ok());
            assert!(alone(&replica("redis-0.redis", false, false), me).is_err());
        }
        for master in ["redis-0.redis", "redis-2.redis"] {
            assert!(alone(&replica(master, false, true), Some(&pod("redis-1"))).unwrap_err().starts_with("copies all"));
        }
    }

    #[test]
    fn a_replica_of_a_later_pod_of_its_own_set_is_ready_without_a_link_and_of_no_other() {
        let without_link = |of: &str, me: &str| alone(&replica(of, false, false), Some(&pod(me))).is_ok();
        for mine in 0..4 {
            for other in (0..4).filter(|other| *other != mine) {
                let is_ready = without_link(&format!("redis-{other}.redis"), &format!("redis-{mine}"));
                assert_eq!(is_ready, other > mine, "redis-{mine} behind redis-{other}");
            }
        }
        assert!(!without_link("redis-master-2.redis", "redis-1"), "another set's pods wait for nobody here");
        assert!(alone(&replica("redis-2.redis", false, false), None).is_err(), "who has no ordinal waits");
    }

    #[test]
    fn a_replica_of_an_address_is_ready_without_a_link_for_a_later_pod_may_have_been_there() {
        for of in ["192.0.2.7", "2001:db8::7"] {
            assert!(alone(&replica(of, false, false), Some(&pod("redis-1"))).is_ok());
            assert!(alone(&replica(of, false, true), Some(&pod("redis-1"))).is_err(), "it copies all");
            assert!(alone(&replica(of, false, false), None).is_err(), "nothing is ordered");
        }
    }

    #[test]
    fn a_replica_of_a_pod_of_a_later_set_is_ready_without_a_link_and_of_an_earlier_one_is_not() {
        let sets = Sets::new(["redis=2", "cache=2"].map(|set| set.parse().unwrap()).to_vec()).unwrap();
        let pods = ["redis-0", "redis-1", "redis-7", "cache-0", "cache-1", "cache-7"];
        for (mine, me) in pods.iter().enumerate() {
            for (other, master) in pods.iter().enumerate().filter(|(other, _)| *other != mine) {
                let told = replica(&format!("{master}.redis"), false, false);
                assert_eq!(redis(&told, Some(&pod(me)), &sets).is_ok(), other > mine, "{me} behind {master}");
            }
        }
        assert!(redis(&replica("other-0.redis", false, false), Some(&pod("redis-0")), &sets).is_err(), "of no set");
    }

    #[test]
    fn a_sentinel_serves_when_it_counts_a_quorum_for_each_group_or_all_that_may_exist_before_it_is_ready() {
        let group = |name: &str| name.parse::<Group>().unwrap();
        for usable in 1..4 {
            for is_enough in [false, true] {
                for ordinal in 0..4 {
                    let told = [
                        (group("cache"), Watching::Counts { usable: 3, is_enough: true }),
                        (group("redis"), Watching::Counts { usable, is_enough }),
                    ];
                    let me = pod("sentinel-0").sibling(ordinal);
                    assert_eq!(sentinel(&told, Some(&me)).is_ok(), is_enough || usable > ordinal);
                    assert_eq!(sentinel(&told, None).is_ok(), is_enough);
                }
            }
        }
        let unaware = [(group("redis"), Watching::Unaware)];
        assert_eq!(sentinel(&unaware, Some(&pod("sentinel-0"))), Err("does not know `redis`".to_owned()));
        assert_eq!(sentinel(&[], Some(&pod("sentinel-0"))), Err("knows no group".to_owned()));
    }
}
