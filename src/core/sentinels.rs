//! What keeps the Sentinels that were named from a failover, whatever the group's state is.

use super::evidence::{Evidence, Failure, Heard, Sentinel};

/// What is wrong with the Sentinels, for people: nobody behind their Service, fewer than a majority, servers that
/// are none. `service` is the domain by which they are found, where they are; `setting` is how the user named them.
pub fn what_keeps_from_failover(evidence: &Evidence, service: Option<&str>, setting: &str) -> Vec<String> {
    let Evidence { sentinels, discovery, sentinel_count: count, .. } = evidence;
    of_the_sentinels(sentinels, discovery.as_ref(), *count, service, setting)
}

fn of_the_sentinels(
    sentinels: &[Sentinel],
    discovery: Option<&Failure>,
    count: usize,
    service: Option<&str>,
    setting: &str,
) -> Vec<String> {
    let not_one = sentinels.iter().filter(|sentinel| is_a_redis(sentinel));
    let mut warnings: Vec<_> =
        not_one.map(|sentinel| format!("{} is a Redis, not a Sentinel: check the port in {setting}", sentinel.at)).collect();
    let (found, majority) = (sentinels.len(), count / 2 + 1);
    match (service, discovery) {
        (Some(service), Some(Failure::NoSuchHost)) => {
            warnings.push(format!("no Sentinel behind {service} (no such host): no failover will happen. Check {setting}"));
        }
        // Who is not found cannot be asked for its vote.
        (_, None) if (1..majority).contains(&found) => warnings.push(format!(
            "{found} of {count} Sentinels are found, and a majority is {majority}: no failover will happen. Check {setting} and --sentinel-count (ORDAIN_SENTINEL_COUNT)"
        )),
        _ => {}
    }
    warnings
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
    use crate::core::evidence::SentinelAnswer;
    use crate::core::identity::Endpoint;

    fn sentinel(heard: Heard<SentinelAnswer>) -> Sentinel {
        Sentinel { at: Endpoint::parse("10.0.0.5:6379", 26379).unwrap(), heard }
    }

    fn told(sentinels: &[Sentinel], discovery: Option<&Failure>) -> Vec<String> {
        of_the_sentinels(sentinels, discovery, 3, Some("sentinel.prod.svc"), "--sentinel-service")
    }

    #[test]
    fn a_service_that_does_not_exist_is_told_and_one_that_cannot_be_asked_for_is_not() {
        let expected = "no Sentinel behind sentinel.prod.svc (no such host): no failover will happen. Check --sentinel-service";
        assert_eq!(told(&[], Some(&Failure::NoSuchHost)), [expected]);
        assert_eq!(told(&[], Some(&Failure::TimedOut)), Vec::<String>::new());
    }

    #[test]
    fn fewer_than_a_majority_are_told_and_a_majority_that_is_silent_is_not() {
        let silent = || sentinel(Heard::Failed(Failure::TimedOut));
        assert!(told(&[silent()], None)[0].starts_with("1 of 3 Sentinels are found, and a majority is 2: no failover"));
        assert_eq!(told(&[silent(), silent()], None), Vec::<String>::new());
        assert_eq!(told(&[], None), Vec::<String>::new(), "not looked up yet");
    }

    #[test]
    fn a_redis_is_no_sentinel() {
        for text in ["ERR unknown command 'SENTINEL', with args beginning with", "ERR unknown command `sentinel`"] {
            let redis = sentinel(Heard::Failed(Failure::Nonsense(text.into())));
            let told = told(&[redis.clone(), redis], None);
            assert_eq!(told[0], "10.0.0.5:6379 is a Redis, not a Sentinel: check the port in --sentinel-service");
        }
    }
}
