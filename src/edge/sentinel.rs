//! A Sentinel: what it says of a group.

use std::collections::HashMap;
use std::time::Duration;

use redis::{Cmd, Value, from_redis_value};

use super::wire::{self, Conversation, Login, Target, answered, ask};
use crate::core::evidence::{Failure, SentinelAnswer, Watch};
use crate::core::identity::{Endpoint, Group};
use crate::core::sentinel_conf::Watched;

/// Asks a Sentinel for its view of the group.
///
/// # Errors
/// Why it gave none.
pub async fn view(target: &Target, login: &Login, group: &Group) -> Result<SentinelAnswer, Failure> {
    let name = group.to_string();
    // While a failover is announced, the leader's MASTER still shows the old address beside the
    // new epoch; GET-MASTER-ADDR-BY-NAME shows the new one (`sentinelGetCurrentMasterAddress`).
    let mut replies = ask(target, login, &[command(&["GET-MASTER-ADDR-BY-NAME", &name]), command(&["MASTER", &name])]).await?;
    let (master, address) = (replies.pop().unwrap_or(Value::Nil), replies.pop().unwrap_or(Value::Nil));
    read(address, master)
}

/// Reads the answers to `SENTINEL GET-MASTER-ADDR-BY-NAME` and `SENTINEL MASTER`, whatever they are.
///
/// # Errors
/// They are not what a Sentinel says, or it does not let us in.
pub fn read(address: Value, master: Value) -> Result<SentinelAnswer, Failure> {
    if let Value::ServerError(error) = &master
        && error.details().is_some_and(|details| details.contains("No such master"))
    {
        return Ok(SentinelAnswer::Unaware);
    }
    let nonsense = |what: &str| Failure::Nonsense(format!("SENTINEL MASTER was answered without a readable `{what}`"));
    let address: Vec<String> = from_redis_value(answered(address)?).map_err(|_| nonsense("address"))?;
    let [host, port] = &address[..] else { return Err(nonsense("address")) };
    let fields: HashMap<String, String> = from_redis_value(answered(master)?).map_err(|_| nonsense("field"))?;
    // A failover that has promoted this very master, and still tells the replicas, replaces it no more:
    // then `ip` and `port` are the old master's. It ends only when the new one answers.
    let is_old = |field: &str, now: &String| fields.get(field) != Some(now);
    let has_promoted = is_old("ip", host) || is_old("port", port);
    let number = |field: &str| fields.get(field).and_then(|text| text.parse::<u64>().ok()).ok_or_else(|| nonsense(field));
    let flags: Vec<&str> = fields.get("flags").ok_or_else(|| nonsense("flags"))?.split(',').collect();
    Ok(SentinelAnswer::Watching(Watch {
        master: Endpoint { host: host.parse().map_err(|_| nonsense("ip"))?, port: port.parse().map_err(|_| nonsense("port"))? },
        config_epoch: number("config-epoch")?,
        finds_master_down: flags.contains(&"s_down") || flags.contains(&"o_down"),
        failover_in_progress: flags.contains(&"failover_in_progress") && !has_promoted,
        last_ok_ping: Duration::from_millis(number("last-ok-ping-reply")?),
        other_sentinels: usize::try_from(number("num-other-sentinels")?).map_err(|_| nonsense("num-other-sentinels"))?,
        known_replicas: usize::try_from(number("num-slaves")?).map_err(|_| nonsense("num-slaves"))?,
    }))
}

/// Has a Sentinel watch a group from now on, as its file would say it after `genconf-sentinel`; one that
/// watches it already is told the rest again. Returns whether the hook could be set: Sentinel takes a
/// script at run time only with `deny-scripts-reconfig no`. Its own epoch of the group begins at 0.
///
/// # Errors
/// It did not answer, or did not do so.
pub async fn watch_group(target: &Target, login: &Login, watched: &Watched<'_>) -> Result<bool, Failure> {
    let name = watched.group.to_string();
    let Watched { master, quorum, down_after_ms, script, user, password, .. } = watched;
    let (host, port, quorum) = (master.host.to_string(), master.port.to_string(), quorum.to_string());
    let (mut conversation, mut replies) =
        Conversation::begin(target, login, &[command(&["MONITOR", &name, &host, &port, &quorum])]).await?;
    match answered(replies.pop().unwrap_or(Value::Nil)) {
        Err(Failure::Nonsense(text)) if text.contains("Duplicate") => {}
        reply => drop(reply?),
    }
    let mut set = command(&["SET", &name, "down-after-milliseconds", &down_after_ms.to_string()]);
    set.arg(&["failover-timeout", FAILOVER_TIMEOUT, "parallel-syncs", "1"]);
    for (option, value) in [("auth-user", user), ("auth-pass", password)] {
        if let Some(value) = value {
            set.arg(option).arg(*value);
        }
    }
    answered(conversation.go_on(&set).await?)?;
    let mut hook = command(&["SET", &name, "client-reconfig-script"]);
    hook.arg(*script);
    let has_hook = match answered(conversation.go_on(&hook).await?) {
        // Denied, or it is not there in its container.
        Err(Failure::Nonsense(_)) => false,
        reply => reply.map(|_| true)?,
    };
    answered(conversation.go_on(&command(&["FLUSHCONFIG"])).await?)?;
    Ok(has_hook)
}

/// In milliseconds, as `templates/sentinel.conf.tera` has it.
const FAILOVER_TIMEOUT: &str = "10000";

/// Has a Sentinel forget the replicas and the Sentinels of a group; it finds those that live within seconds.
///
/// # Errors
/// It did not answer, or did not do so.
pub async fn forget_replicas(target: &Target, login: &Login, group: &Group) -> Result<(), Failure> {
    let mut replies = ask(target, login, &[command(&["RESET", &group.to_string()])]).await?;
    answered(replies.pop().unwrap_or(Value::Nil)).map(drop)
}

/// Hears all that a Sentinel tells of: `hear` gets the group, and none where something is not of one group
/// or the connection has just been made, so that what was told before was not heard. Ends only with the connection.
///
/// # Errors
/// Why it ended.
pub async fn listen(target: &Target, login: &Login, hear: impl Fn(Option<Group>)) -> Result<(), Failure> {
    wire::listen(target, login, || hear(None), |_, text| hear(group_of(text))).await
}

/// The group that an event is of (`sentinelEvent` in Redis `src/sentinel.c`): `master <group> …`, or
/// `<kind> <name> <ip> <port> @ <group> …`; `+switch-master` and some others begin with the group.
fn group_of(event: &str) -> Option<Group> {
    let words: Vec<_> = event.split(' ').collect();
    let name = match words.iter().position(|word| *word == "@") {
        Some(at) => words.get(at + 1)?,
        None if words[0] == "master" => words.get(1)?,
        None if words.len() == 5 => words[0],
        None => return None,
    };
    name.parse().ok()
}

fn command(words: &[&str]) -> Cmd {
    let mut command = Cmd::new();
    command.arg("SENTINEL").arg(words);
    command
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(words: &[&str]) -> Value {
        Value::Array(words.iter().map(|word| Value::BulkString(word.as_bytes().to_vec())).collect())
    }

    #[test]
    fn a_view_reads_as_sentinel_writes_it() {
        let master = list(&[
            "name",
            "redis",
            "ip",
            "old",
            "port",
            "1",
            "flags",
            "master,s_down,failover_in_progress",
            "last-ok-ping-reply",
            "1500",
            "config-epoch",
            "7",
            "num-other-sentinels",
            "2",
            "num-slaves",
            "3",
        ]);
        let failing_over = master.clone();
        let Ok(SentinelAnswer::Watching(watch)) = read(list(&["redis-1.redis", "6379"]), master) else { panic!("a view") };
        assert_eq!(watch.master.to_string(), "redis-1.redis:6379", "the address that clients are told");
        assert_eq!((watch.config_epoch, watch.last_ok_ping.as_millis()), (7, 1500));
        assert_eq!((watch.other_sentinels, watch.known_replicas), (2, 3));
        assert!(watch.finds_master_down && !watch.failover_in_progress, "it has promoted redis-1 already");
        let Ok(SentinelAnswer::Watching(watch)) = read(list(&["old", "1"]), failing_over) else { panic!("a view") };
        assert!(watch.failover_in_progress);
    }

    #[test]
    fn an_event_tells_of_which_group_it_is() {
        for (event, group) in [
            ("master redis redis-0.redis 6379", Some("redis")),
            ("slave redis-1.redis:6379 redis-1.redis 6379 @ redis redis-0.redis 6379", Some("redis")),
            ("sentinel 5b1d 10.0.0.1 26379 @ other redis-0.redis 6379 #duplicate", Some("other")),
            ("redis redis-0.redis 6379 redis-1.redis 6379", Some("redis")),
            ("5", None),
            ("", None),
        ] {
            assert_eq!(group_of(event).map(|group| group.to_string()).as_deref(), group, "{event}");
        }
    }

    #[test]
    fn a_view_without_its_fields_is_nonsense_and_no_panic() {
        for (address, master) in [
            (Value::Nil, Value::Nil),
            (list(&["a", "1"]), list(&["flags", "master"])),
            (list(&["a"]), list(&[])),
            (list(&["a", "x"]), list(&["flags", "master", "config-epoch", "-1"])),
            (list(&["a", "1"]), Value::Int(3)),
        ] {
            assert!(matches!(read(address, master), Err(Failure::Nonsense(_))));
        }
    }
}
