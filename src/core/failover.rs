//! The hook's arguments and what may be concluded from them.

use super::identity::{Endpoint, Group};
use super::outside::shown;

/// What Sentinel passes to its client-reconfig-script
/// (`sentinelCallClientReconfScript` in Redis `src/sentinel.c`). Only a hint: the hook may be run
/// late, twice or with the same address twice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hint {
    /// The group.
    pub group: Group,
    /// Where the master was.
    pub from: Endpoint,
    /// Where it is said to be now.
    pub to: Endpoint,
}

impl Hint {
    /// Reads the seven arguments `<master-name> <leader|observer> start <from-ip> <from-port>
    /// <to-ip> <to-port>`.
    ///
    /// # Errors
    /// Names the argument that Sentinel would never send, in one line whatever that holds.
    pub fn parse(args: &[String]) -> Result<Self, String> {
        let [group, role, state, from_host, from_port, to_host, to_port] = args else {
            return Err(format!(
                "on-failover got {} arguments; Sentinel sends seven: <group> <leader|observer> start <from-ip> <from-port> <to-ip> <to-port>",
                args.len()
            ));
        };
        if !["leader", "observer"].contains(&role.as_str()) {
            return Err(format!("on-failover's second argument is `{}`; Sentinel sends `leader` or `observer`", shown(role)));
        }
        if state != "start" {
            return Err(format!("on-failover's third argument is `{}`; Sentinel sends `start`", shown(state)));
        }
        let endpoint = |host: &str, port: &str| {
            let host = host.parse().map_err(|error| format!("on-failover: {error}"))?;
            let number = port.parse().ok().filter(|number| *number > 0);
            let port = number.ok_or_else(|| format!("on-failover: `{}` is no port between 1 and 65535", shown(port)))?;
            Ok::<_, String>(Endpoint { host, port })
        };
        Ok(Self {
            group: group.parse().map_err(|error| format!("on-failover: {error}"))?,
            from: endpoint(from_host, from_port)?,
            to: endpoint(to_host, to_port)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn parse(line: &str) -> Result<Hint, String> {
        Hint::parse(&line.split(' ').map(str::to_owned).collect::<Vec<_>>())
    }

    #[test]
    fn sentinels_seven_arguments_name_the_group_and_both_addresses() {
        let hint = parse("redis leader start redis-0.redis 6379 2001:db8::1 6380").unwrap();
        assert_eq!(hint.group.to_string(), "redis");
        assert_eq!((hint.from.to_string(), hint.to.to_string()), ("redis-0.redis:6379".into(), "[2001:db8::1]:6380".into()));
    }

    #[test]
    fn what_sentinel_would_never_send_is_refused_by_name() {
        for (line, named) in [
            ("redis leader start a 1 b", "6 arguments"),
            ("redis follower start a 1 b 2", "`follower`"),
            ("redis leader begin a 1 b 2", "`begin`"),
            ("redis leader start a 0 b 2", "port"),
            ("redis leader start a 1 b!c 2", "`b!c`"),
            ("Re/dis leader start a 1 b 2", "`Re/dis`"),
            ("re\ndis leader start a 1 b 2", "`re\\ndis`"),
        ] {
            let refusal = parse(line).unwrap_err();
            assert!(refusal.contains(named), "{line}: {refusal}");
        }
    }

    proptest! {
        #[test]
        fn no_arguments_make_the_parser_panic_or_refuse_in_two_lines(args: Vec<String>) {
            let refusal = Hint::parse(&args).err().unwrap_or_default();
            prop_assert!(!refusal.contains(char::is_control), "{refusal:?}");
        }

        #[test]
        fn no_argument_is_shown_in_full_length(at in 0..7_usize, length in 250..9_000_usize) {
            let mut args: Vec<_> = "redis leader start a 1 b 2".split(' ').map(str::to_owned).collect();
            args[at] = "!".repeat(length);
            let refusal = Hint::parse(&args).unwrap_err();
            prop_assert!(refusal.chars().count() < 400 && refusal.contains('…'), "{refusal:?}");
        }
    }
}
