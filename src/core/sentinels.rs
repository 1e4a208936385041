//! What keeps the Sentinels that were named from a failover, whatever the group's state is.

use super::evidence::{Evidence, Failure, Heard, RecordSeen, Sentinel};

/// The servers among the named Sentinels that are none, for people. `setting` is how the user named them.
pub fn no_sentinels<'a>(evidence: &'a Evidence, setting: &'a str) -> impl Iterator<Item = String> {
    let not_one = evidence.sentinels.iter().filter(|sentinel| is_a_redis(sentinel));
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

/// Whether the group starts for the first time, as far as one pod can see: then nobody expects all Sentinels to be
/// there. It has no data and no memory here, no Sentinel watches the group, and its record is none or has had one
/// master only, which started within the grace.
pub fn is_first_boot(evidence: &Evidence) -> bool {
    let Evidence { own, kept, now, grace, .. } = evidence;
    let is_young = match &evidence.record {
        RecordSeen::Present(record) => {
            let has_just_started = record.mark.as_ref().is_none_or(|mark| now.is_within(*grace, mark.at));
            record.transitions == 0 && record.claim.epoch == 0 && has_just_started
        }
        RecordSeen::Absent | RecordSeen::NotKept => true,
        RecordSeen::Unknown(_) | RecordSeen::Pending => false,
    };
    let is_empty = !own.disk.holds_data() && own.group_id.is_none() && own.damage.is_none() && kept.is_none();
    is_young && is_empty && evidence.watches().next().is_none()
}

/// It does not know the command that every Sentinel knows.
fn is_a_redis(sentinel: &Sentinel) -> bool {
    let Heard::Failed(Failure::Nonsense(text)) = &sentinel.heard else { return false };
    let text = text.to_lowercase();
    text.contains("unknown command") && text.contains("sentinel")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::decision::given::*;
    use crate::core::record::{Mark, Record};

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
        for text in ["ERR unknown command 'SENTINEL', with args beginning with", "ERR unknown command `sentinel`"] {
            let redis = redis(0).sentinels([Heard::Failed(Failure::Nonsense(text.into())), silent()]);
            let told: Vec<_> = no_sentinels(&redis, "--sentinel-service").collect();
            assert_eq!(told, ["sentinel-0:26379 is a Redis, not a Sentinel: check the port in --sentinel-service"]);
        }
    }

    #[test]
    fn a_group_that_has_been_one_does_not_boot_for_the_first_time() {
        let is_first = is_first_boot;
        let just = |change: fn(&mut Record)| redis(1).record(new(0)).record_but(change);
        let marked = |evidence: Evidence, at| evidence.record_but(|record| record.mark = Some(Mark { by: instance(0), at }));
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
