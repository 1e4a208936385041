//! A Sentinel: what it says of a group, and what is sent to it.

use std::collections::HashMap;
use std::time::Duration;

use redis::{Cmd, Value, from_redis_value};

use super::wire::{self, Code, Conversation, Login, Target, answered};
use crate::core::epoch;
use crate::core::evidence::{Failure, SentinelAnswer, Watch};
use crate::core::handover::KnownReplica;
use crate::core::identity::{Endpoint, Group};
use crate::core::probe::Watching;
use crate::core::sentinel_conf::Watched;

/// Asks a Sentinel for its view of the group.
///
/// # Errors
/// Why it gave none.
pub async fn view(target: &Target, login: &Login, group: &Group) -> Result<SentinelAnswer, Failure> {
    // While a failover is announced, the leader's MASTER still shows the old address beside the
    // new epoch; GET-MASTER-ADDR-BY-NAME shows the new one (`sentinelGetCurrentMasterAddress`).
    let [address, master] = ask(target, login, [address_of(group), command(&["MASTER", &group.to_string()])]).await?;
    read(address, master)
}

/// Asks a Sentinel, in one round trip.
///
/// # Errors
/// Why there are no answers: [`Failure::NotASentinel`] where the first is that of a Redis.
async fn ask<const N: usize>(target: &Target, login: &Login, commands: [Cmd; N]) -> Result<[Value; N], Failure> {
    Ok(begin(target, login, commands).await?.1)
}

/// The same, for who goes on to ask.
async fn begin<const N: usize>(
    target: &Target,
    login: &Login,
    commands: [Cmd; N],
) -> Result<(Conversation, [Value; N]), Failure> {
    let (mut conversation, replies) = Conversation::begin(target, login, &commands).await?;
    if replies.first().and_then(Code::of) == Some(Code::Plain) && is_a_redis(&mut conversation).await {
        return Err(Failure::NotASentinel);
    }
    // There are as many as were asked for.
    let replies = <[Value; N]>::try_from(replies).map_err(|_| nonsense("command"))?;
    Ok((conversation, replies))
}

/// Whether a server which refuses a command of Sentinel's says that it is none: `HELLO` tells a server's mode, and no ACL
/// rule forbids that (`helloCommand` in Redis `src/networking.c`, which is `CMD_NO_AUTH`).
async fn is_a_redis(conversation: &mut Conversation) -> bool {
    let mut hello = Cmd::new();
    hello.arg("HELLO");
    matches!(conversation.go_on(&hello).await.ok().as_ref().and_then(mode), Some(b"standalone" | b"cluster"))
}

/// The mode in an answer to `HELLO`, a list of names and values.
fn mode(hello: &Value) -> Option<&[u8]> {
    let Value::Array(fields) = hello else { return None };
    fields.chunks_exact(2).find_map(|pair| match pair {
        [Value::BulkString(name), Value::BulkString(mode)] if name == b"mode" => Some(mode.as_slice()),
        _ => None,
    })
}

/// Asks for the address of a group's master.
fn address_of(group: &Group) -> Cmd {
    command(&["GET-MASTER-ADDR-BY-NAME", &group.to_string()])
}

/// Whether a Sentinel knows a group: else it has no address of its master (`sentinelCommand` in Redis `src/sentinel.c`).
fn is_known(address: &Value) -> bool {
    matches!(address, Value::Array(_))
}

/// Whether a Sentinel has refused something because it does not know the group: an error without a code of its own.
fn is_unaware(address: &Value, reply: &Value) -> bool {
    *address == Value::Nil && Code::of(reply) == Some(Code::Plain)
}

/// Reads the answers to `SENTINEL GET-MASTER-ADDR-BY-NAME` and `SENTINEL MASTER`, whatever they are.
///
/// # Errors
/// They are not what a Sentinel says, or it does not let us in.
pub fn read(address: Value, master: Value) -> Result<SentinelAnswer, Failure> {
    if is_unaware(&address, &master) {
        return Ok(SentinelAnswer::Unaware);
    }
    let nonsense = |what: &str| Failure::InvalidReply(format!("SENTINEL MASTER was answered without a readable `{what}`"));
    let address: Vec<String> = from_redis_value(answered(address)?).map_err(|_| nonsense("address"))?;
    let [host, port] = &address[..] else { return Err(nonsense("address")) };
    let fields: HashMap<String, String> = from_redis_value(answered(master)?).map_err(|_| nonsense("field"))?;
    // A failover that has promoted this very master, and still redirects the replicas, replaces it no more:
    // then `ip` and `port` are the old master's. It ends only when the new one answers.
    let is_old = |field: &str, now: &String| fields.get(field) != Some(now);
    let is_announced = is_old("ip", host) || is_old("port", port);
    let number = |field: &str| fields.get(field).and_then(|text| text.parse::<u64>().ok()).ok_or_else(|| nonsense(field));
    let count = |field: &str| number(field).and_then(|many| u16::try_from(many).map(usize::from).map_err(|_| nonsense(field)));
    let flags: Vec<&str> = fields.get("flags").ok_or_else(|| nonsense("flags"))?.split(',').collect();
    let is_failing_over = flags.contains(&"failover_in_progress");
    Ok(SentinelAnswer::Watching(Watch {
        master: Endpoint { host: host.parse().map_err(|_| nonsense("ip"))?, port: port.parse().map_err(|_| nonsense("port"))? },
        config_epoch: fields.get("config-epoch").and_then(|text| epoch::read(text)).ok_or_else(|| nonsense("config-epoch"))?,
        finds_master_down: flags.contains(&"s_down") || flags.contains(&"o_down"),
        failover_in_progress: is_failing_over && !is_announced,
        has_promoted: is_failing_over && is_announced,
        last_ok_ping: Duration::from_millis(number("last-ok-ping-reply")?),
        other_sentinels: count("num-other-sentinels")?,
        known_replicas: count("num-slaves")?,
        is_half_told: DEFAULTS.iter().all(|(field, value)| fields.get(*field).is_some_and(|own| own == value))
            && !fields.contains_key("client-reconfig-script"),
    }))
}

/// Asks a Sentinel for how many it counts in each group (`SENTINEL CKQUORUM`); of all that it watches
/// where none is named.
///
/// # Errors
/// Why it gave no answer.
pub async fn quorums(target: &Target, login: &Login, groups: &[Group]) -> Result<Vec<(Group, Watching)>, Failure> {
    let (mut conversation, [watched]) = begin(target, login, [command(&["MASTERS"])]).await?;
    let watched = masters(answered(watched)?)?;
    let mut told = Vec::new();
    for group in if groups.is_empty() { &watched } else { groups } {
        let watching = if watched.contains(group) {
            read_quorum(conversation.go_on(&command(&["CKQUORUM", &group.to_string()])).await?)?
        } else {
            Watching::Unaware
        };
        told.push((group.clone(), watching));
    }
    Ok(told)
}

/// The names of the groups; what is no group's name is none of ours.
fn masters(reply: Value) -> Result<Vec<Group>, Failure> {
    let masters: Vec<HashMap<String, String>> = from_redis_value(reply).map_err(|_| nonsense("MASTERS"))?;
    Ok(masters.iter().filter_map(|master| master.get("name")?.parse().ok()).collect())
}

/// `OK 3 usable Sentinels. …`, or the error `NOQUORUM 1 usable Sentinels. …`.
fn read_quorum(reply: Value) -> Result<Watching, Failure> {
    let code = Code::of(&reply);
    let (text, is_enough) = match reply {
        Value::ServerError(error) if code == Some(Code::NoQuorum) => (error.details().unwrap_or_default().to_owned(), false),
        reply => {
            let text: String = from_redis_value(answered(reply)?).unwrap_or_default();
            (text.strip_prefix("OK ").unwrap_or_default().to_owned(), true)
        }
    };
    let usable = text.split(' ').next().and_then(|number| number.parse().ok());
    Ok(Watching::Counts { usable: usable.ok_or_else(|| nonsense("CKQUORUM"))?, is_enough })
}

/// Asks a Sentinel for the replicas that it knows.
///
/// # Errors
/// Why it gave no answer.
pub async fn replicas(target: &Target, login: &Login, group: &Group) -> Result<Vec<KnownReplica>, Failure> {
    let [replicas] = ask(target, login, [command(&["REPLICAS", &group.to_string()])]).await?;
    read_replicas(answered(replicas)?)
}

fn read_replicas(reply: Value) -> Result<Vec<KnownReplica>, Failure> {
    let replicas: Vec<HashMap<String, String>> = from_redis_value(reply).map_err(|_| nonsense("REPLICAS"))?;
    let read = |fields: &HashMap<String, String>| {
        let is_away = |flag: &str| ["s_down", "o_down", "disconnected"].contains(&flag);
        Some(KnownReplica {
            at: Endpoint { host: fields.get("ip")?.parse().ok()?, port: fields.get("port")?.parse().ok()? },
            is_away: fields.get("flags")?.split(',').any(is_away),
            priority: fields.get("slave-priority")?.parse().ok()?,
            asked_ago: Duration::from_millis(fields.get("info-refresh")?.parse().ok()?),
            heard_ago: Duration::from_millis(fields.get("last-ok-ping-reply")?.parse().ok()?),
        })
    };
    replicas.iter().map(|fields| read(fields).ok_or_else(|| nonsense("REPLICAS"))).collect()
}

/// Whether a Sentinel is in TILT: for thirty seconds after its clock has jumped or it stood still, it answers, and acts
/// on nothing (`sentinelCheckTiltCondition` in Redis `src/sentinel.c`).
///
/// # Errors
/// Why it gave no answer.
pub async fn is_in_tilt(target: &Target, login: &Login) -> Result<bool, Failure> {
    let mut info = Cmd::new();
    info.arg("INFO").arg("sentinel");
    let [info] = ask(target, login, [info]).await?;
    let info: String = from_redis_value(answered(info)?).unwrap_or_default();
    Ok(info.lines().any(|line| line.trim() == "sentinel_tilt:1"))
}

/// What a Sentinel said to a failover.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FailoverReply {
    /// It has begun.
    Begun,
    /// It does not know the argument `COORDINATED`, and has begun nothing.
    NotKnown,
    /// It has begun nothing, and says why.
    Refused(String),
}

/// Asks a Sentinel for a failover. A coordinated one (Valkey 9) has the master itself pause its writes,
/// wait for the replica and become its replica.
///
/// # Errors
/// Why it gave no answer: it may have begun all the same, unless nothing listens there.
pub async fn fail_over(target: &Target, login: &Login, group: &Group, is_coordinated: bool) -> Result<FailoverReply, Failure> {
    let name = group.to_string();
    let mut words = vec!["FAILOVER", name.as_str()];
    words.extend(is_coordinated.then_some("COORDINATED"));
    let [address, reply] = ask(target, login, [address_of(group), command(&words)]).await?;
    // Of a group that it knows, every reason has a code (`INPROG`, `NOGOODSLAVE`, Valkey's `NOGOODPRIMARY`:
    // `sentinelCommand` in `src/sentinel.c`), except that the command takes no such argument.
    let is_word_unknown = is_coordinated && is_known(&address) && Code::of(&reply) == Some(Code::Plain);
    match answered(reply) {
        Ok(_) => Ok(FailoverReply::Begun),
        Err(_) if is_word_unknown => Ok(FailoverReply::NotKnown),
        Err(Failure::InvalidReply(text)) => Ok(FailoverReply::Refused(text)),
        Err(failure) => Err(failure),
    }
}

/// Has a Sentinel watch a group from now on, as its file would say it after `genconf-sentinel`; one that
/// watches it already is sent the settings again. Returns whether the hook could be set: Sentinel takes a
/// script at run time only with `deny-scripts-reconfig no`, and only one that lies there. Its own epoch of the group begins at 0.
///
/// # Errors
/// It did not answer, or did not do so.
pub async fn watch_group(target: &Target, login: &Login, watched: &Watched<'_>) -> Result<bool, Failure> {
    let name = watched.group.to_string();
    let Watched { master, quorum, down_after_ms, script, user, password, .. } = watched;
    let (host, port, quorum) = (master.host.to_string(), master.port.to_string(), quorum.to_string());
    let monitor = command(&["MONITOR", &name, &host, &port, &quorum]);
    let mut set = command(&["SET", &name, "down-after-milliseconds", &down_after_ms.to_string()]);
    set.arg(&["failover-timeout", FAILOVER_TIMEOUT, "parallel-syncs", "1"]);
    for (option, value) in [("auth-user", user), ("auth-pass", password)] {
        if let Some(value) = value {
            set.arg(option).arg(*value);
        }
    }
    let mut hook = command(&["SET", &name, "client-reconfig-script"]);
    hook.arg(*script);
    // All at once: a Sentinel that is slow does the rest also when nobody waits for it any more. With its own defaults it
    // would find a dead master after half a minute, and without the password any.
    let commands = [address_of(watched.group), monitor, set, hook, command(&["FLUSHCONFIG"])];
    let (mut conversation, [before, monitored, set, hook, flushed]) = begin(target, login, commands).await?;
    match answered(monitored) {
        // It has watched the group before.
        Err(Failure::InvalidReply(_)) if is_known(&before) => drop(answered(set)?),
        Err(failure) => return Err(failure),
        Ok(_) => {
            if let Err(failure) = answered(set) {
                answered(conversation.go_on(&command(&["REMOVE", &name])).await?)?;
                return Err(failure);
            }
        }
    }
    // It has just taken the rest: what it does not take is the script (`sentinelSetCommand` in Redis `src/sentinel.c`).
    let has_hook = Code::of(&hook) != Some(Code::Plain) && answered(hook).map(|_| true)?;
    answered(flushed)?;
    Ok(has_hook)
}

/// What Sentinel sets for a group of which nothing more is said, in milliseconds (`sentinel_default_down_after` and
/// `sentinel_default_failover_timeout` in Redis `src/sentinel.c`).
const DEFAULTS: [(&str, &str); 2] = [("down-after-milliseconds", "30000"), ("failover-timeout", "180000")];

/// In milliseconds, as `templates/sentinel.conf.tera` has it.
const FAILOVER_TIMEOUT: &str = "10000";

/// Has a Sentinel forget the replicas and the Sentinels of a group; it finds those that live within seconds.
///
/// # Errors
/// It did not answer, or did not do so.
pub async fn forget_replicas(target: &Target, login: &Login, group: &Group) -> Result<(), Failure> {
    let [reply] = ask(target, login, [command(&["RESET", &group.to_string()])]).await?;
    answered(reply).map(drop)
}

/// What a Sentinel publishes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// Something of this group.
    Of(Group),
    /// Its current epoch, at which it would next vote, has risen to this: by an election, or by what others told it
    /// (`sentinelProcessHelloMessage` in Redis `src/sentinel.c`). Nothing else shows that epoch.
    CurrentEpoch(u64),
    /// Something that is not of one group; or the connection has just been made, so that what was told before was not
    /// heard.
    Other,
}

/// Hears all that a Sentinel publishes. Ends only with the connection.
///
/// # Errors
/// Why it ended.
pub async fn listen(target: &Target, login: &Login, hear: impl Fn(Event)) -> Result<(), Failure> {
    wire::listen(target, login, || hear(Event::Other), |channel, text| hear(event(channel, text))).await
}

fn event(channel: &str, text: &str) -> Event {
    match channel {
        "+new-epoch" => epoch::read(text).map_or(Event::Other, Event::CurrentEpoch),
        _ => group_of(text).map_or(Event::Other, Event::Of),
    }
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

/// Has a Sentinel forget a group, in its file, too. Returns whether it knew it.
///
/// # Errors
/// It did not answer, or did not do so.
pub async fn forget_group(target: &Target, login: &Login, group: &Group) -> Result<bool, Failure> {
    let [address, reply] = ask(target, login, [address_of(group), command(&["REMOVE", &group.to_string()])]).await?;
    if is_unaware(&address, &reply) {
        return Ok(false);
    }
    answered(reply).map(|_| true)
}

fn nonsense(command: &str) -> Failure {
    Failure::InvalidReply(format!("SENTINEL {command} was not answered as a Sentinel answers it"))
}

fn command(words: &[&str]) -> Cmd {
    let mut command = Cmd::new();
    command.arg("SENTINEL").arg(words);
    command
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::identity::Host;

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
        assert!(watch.finds_master_down && !watch.failover_in_progress && watch.has_promoted, "it has promoted redis-1 already");
        let Ok(SentinelAnswer::Watching(watch)) = read(list(&["old", "1"]), failing_over) else { panic!("a view") };
        assert!(watch.failover_in_progress && !watch.has_promoted);
    }

    #[test]
    fn one_that_was_told_to_watch_and_no_more_has_sentinels_own_times_and_no_hook() {
        let is_half_told = |times: [&str; 2], more: &[&str]| {
            let view = ["flags", "master", "last-ok-ping-reply", "1", "config-epoch", "0", "num-other-sentinels", "2"];
            let times = ["num-slaves", "3", "down-after-milliseconds", times[0], "failover-timeout", times[1]];
            match read(list(&["redis-1", "6379"]), list(&[&view[..], &times, more].concat())) {
                Ok(SentinelAnswer::Watching(watch)) => watch.is_half_told,
                other => panic!("a view: {other:?}"),
            }
        };
        assert!(is_half_told(["30000", "180000"], &[]));
        // By whoever has set something, it was told more.
        assert!(!is_half_told(["30000", "10000"], &[]) && !is_half_told(["2000", "180000"], &[]));
        assert!(!is_half_told(["30000", "180000"], &["client-reconfig-script", "/opt/ordain/on-failover"]));
    }

    #[tokio::test]
    async fn all_that_a_sentinel_is_told_is_on_its_way_before_it_answers_anything() {
        use tokio::io::AsyncReadExt;
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let at = listener.local_addr().unwrap();
        let target = Target { name: Host::Ip(at.ip()), ips: vec![at.ip()], port: at.port() };
        let group: Group = "redis".parse().unwrap();
        let watched = Watched {
            group: &group,
            master: Endpoint::parse("redis-0", 6379).unwrap(),
            quorum: 2,
            down_after_ms: 2000,
            script: b"/opt/ordain/on-failover",
            user: None,
            password: Some(b"secret"),
            config_epoch: 0,
            leader_epoch: 0,
            replicas: Vec::new(),
            sentinels: Vec::new(),
        };
        let slow = async {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut heard = Vec::new();
            while !String::from_utf8_lossy(&heard).contains("FLUSHCONFIG") {
                assert!(stream.read_buf(&mut heard).await.unwrap() > 0);
            }
            String::from_utf8(heard).unwrap()
        };
        let both = async {
            tokio::select! {
                told = watch_group(&target, &Login { user: None, password: None, tls: None }, &watched) => panic!("{told:?}"),
                heard = slow => heard,
            }
        };
        let heard = tokio::time::timeout(Duration::from_secs(10), both).await.unwrap();
        let place = |word: &str| heard.find(word).unwrap();
        assert!(place("MONITOR") < place("auth-pass") && place("auth-pass") < place("client-reconfig-script"), "{heard}");
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
    fn a_current_epoch_is_told_by_an_event_of_its_own() {
        for (text, told) in [
            ("5", Event::CurrentEpoch(5)),
            ("18446744073709551615", Event::CurrentEpoch(u64::MAX)),
            ("99999999999999999999999", Event::CurrentEpoch(u64::MAX)),
            ("many", Event::Other),
        ] {
            assert_eq!(event("+new-epoch", text), told);
        }
        assert_eq!(event("+config-update-from", "5"), Event::Other);
    }

    #[test]
    fn a_view_without_its_fields_is_nonsense_and_no_panic() {
        for (address, master) in [
            (Value::Nil, Value::Nil),
            (list(&["a", "1"]), list(&["flags", "master"])),
            (list(&["a"]), list(&[])),
            (list(&["a", "x"]), list(&["flags", "master", "config-epoch", "1"])),
            (list(&["a", "1"]), list(&["flags", "master", "config-epoch", "many"])),
            (list(&["a", "1"]), Value::Int(3)),
            (
                list(&["a", "1"]),
                list(&[
                    "flags",
                    "master",
                    "config-epoch",
                    "1",
                    "last-ok-ping-reply",
                    "1",
                    "num-slaves",
                    "2",
                    "num-other-sentinels",
                    "18446744073709551615",
                ]),
            ),
        ] {
            assert!(matches!(read(address, master), Err(Failure::InvalidReply(_))));
        }
    }

    #[test]
    fn a_quorum_reads_as_sentinel_writes_it() {
        let counts = |usable, is_enough| Ok(Watching::Counts { usable, is_enough });
        let error = |text: &str| redis::parse_redis_value(format!("-{text}\r\n").as_bytes()).unwrap();
        let reached = "OK 3 usable Sentinels. Quorum and failover authorization can be reached";
        assert_eq!(read_quorum(Value::SimpleString(reached.into())), counts(3, true));
        let missed = "NOQUORUM 1 usable Sentinels. Not enough available Sentinels to reach the majority";
        assert_eq!(read_quorum(error(missed)), counts(1, false));
        for reply in [Value::Nil, Value::Okay, error("ERR unknown command"), Value::SimpleString("OK x".into())] {
            assert!(matches!(read_quorum(reply), Err(Failure::InvalidReply(_))));
        }
    }

    #[test]
    fn a_replica_reads_as_sentinel_writes_it() {
        let replica = |flags: &str| {
            let address = ["name", "x", "ip", "redis-1.redis", "port", "6379", "flags", flags];
            list(&[&address[..], &["slave-priority", "100", "info-refresh", "1500", "last-ok-ping-reply", "700"]].concat())
        };
        let read = |flags: &str| read_replicas(Value::Array(vec![replica(flags)])).map(|mut all| all.remove(0));
        let known = |is_away| KnownReplica {
            at: Endpoint::parse("redis-1.redis", 6379).unwrap(),
            is_away,
            priority: 100,
            asked_ago: Duration::from_millis(1500),
            heard_ago: Duration::from_millis(700),
        };
        assert_eq!(read("slave"), Ok(known(false)));
        for away in ["s_down,slave", "slave,disconnected", "s_down,slave,disconnected"] {
            assert_eq!(read(away), Ok(known(true)), "{away}");
        }
        assert_eq!(read_replicas(Value::Array(vec![])), Ok(vec![]));
        for reply in [Value::Int(1), Value::Array(vec![list(&["ip", "x", "port", "y"])])] {
            assert!(matches!(read_replicas(reply), Err(Failure::InvalidReply(_))));
        }
    }
}
