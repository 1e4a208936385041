//! A Sentinel: what it says of a group.

use std::collections::HashMap;
use std::time::Duration;

use redis::{Cmd, Value, from_redis_value};

use super::wire::{Login, Target, answered, ask};
use crate::core::evidence::{Failure, SentinelAnswer, Watch};
use crate::core::identity::{Endpoint, Group};

/// Asks a Sentinel for its view of the group.
///
/// # Errors
/// Why it gave none.
pub async fn view(target: &Target, login: &Login, group: &Group) -> Result<SentinelAnswer, Failure> {
    let name = group.to_string();
    let command = |subcommand: &str| {
        let mut command = Cmd::new();
        command.arg("SENTINEL").arg(subcommand).arg(&name);
        command
    };
    // While a failover is announced, the leader's MASTER still shows the old address beside the
    // new epoch; GET-MASTER-ADDR-BY-NAME shows the new one (`sentinelGetCurrentMasterAddress`).
    let mut replies = ask(target, login, &[command("GET-MASTER-ADDR-BY-NAME"), command("MASTER")]).await?;
    let (master, address) = (replies.pop().unwrap_or(Value::Nil), replies.pop().unwrap_or(Value::Nil));
    read(address, master)
}

fn read(address: Value, master: Value) -> Result<SentinelAnswer, Failure> {
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
    }))
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
        ]);
        let failing_over = master.clone();
        let Ok(SentinelAnswer::Watching(watch)) = read(list(&["redis-1.redis", "6379"]), master) else { panic!("a view") };
        assert_eq!(watch.master.to_string(), "redis-1.redis:6379", "the address that clients are told");
        assert_eq!((watch.config_epoch, watch.last_ok_ping.as_millis(), watch.other_sentinels), (7, 1500, 2));
        assert!(watch.finds_master_down && !watch.failover_in_progress, "it has promoted redis-1 already");
        let Ok(SentinelAnswer::Watching(watch)) = read(list(&["old", "1"]), failing_over) else { panic!("a view") };
        assert!(watch.failover_in_progress);
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
