//! A Redis: what it says it is, and the two things that reconcile has it do.

use std::time::Duration;

use redis::{Cmd, Value, from_redis_value};

use super::wire::{Code, Conversation, Login, Target, answered, ask};
use crate::core::evidence::{Failure, Link, Replica, Role};
use crate::core::identity::Endpoint;
use crate::core::outside::shown;
use crate::core::probe::Serving;
use crate::core::redis_conf::IDENT;

/// Asks a Redis what it is: `ROLE`, `INFO replication`, and by which run of ordain it was started
/// (`syslog-ident`, a name that servers keep and do not use), in one round trip.
///
/// # Errors
/// Why it gave no answer.
pub async fn role(target: &Target, login: &Login) -> Result<Role, Failure> {
    Ok(begin(target, login).await?.1)
}

/// Lets Sentinel promote a replica: `CONFIG SET replica-priority`. The file keeps what it said, so
/// that a restart is unelectable again. Done only while that very process `is_fit`: between a look and
/// this the Redis may have started again. Returns whether it was.
///
/// # Errors
/// It did not answer, or did not do so.
pub async fn set_priority(
    target: &Target,
    login: &Login,
    priority: u32,
    is_fit: impl Fn(&Role) -> bool,
) -> Result<bool, Failure> {
    let Some(mut conversation) = begin_if(target, login, is_fit).await? else { return Ok(false) };
    let mut command = Cmd::new();
    command.arg("CONFIG").arg("SET").arg("replica-priority").arg(priority);
    answered(conversation.go_on(&command).await?).map(|_| true)
}

/// Has a Redis end itself, so that its container starts again; only while that very process `is_fit`.
/// Returns whether it was.
///
/// # Errors
/// It did not answer, or did not do so.
pub async fn shut_down(target: &Target, login: &Login, is_fit: impl Fn(&Role) -> bool) -> Result<bool, Failure> {
    let Some(mut conversation) = begin_if(target, login, is_fit).await? else { return Ok(false) };
    let mut command = Cmd::new();
    command.arg("SHUTDOWN");
    match conversation.go_on(&command).await {
        // Its only answer is that it goes.
        Err(Failure::Unreachable(_)) => Ok(true),
        Err(failure) => Err(failure),
        Ok(reply) => answered(reply).map(|_| true),
    }
}

/// Makes a Redis a replica, as Sentinel would some ten seconds later, and has its file say so. All is said at once, so
/// that a server which stands still does it when it goes on, though nobody waits for its answer any more.
///
/// # Errors
/// It did not answer, or is no replica.
pub async fn follow(target: &Target, login: &Login, master: &Endpoint) -> Result<(), Failure> {
    // A file that cannot be written is what Sentinel passes over, too: genconf-redis writes it again.
    let replied = ask(target, login, &following(master)).await?.into_iter().next();
    answered(replied.unwrap_or(Value::Nil)).map(drop)
}

/// The same for a replica of another server, and only while that very process `is_fit`: it may have been promoted
/// meanwhile. Returns whether it was.
///
/// # Errors
/// It did not answer, or did not do so.
pub async fn follow_instead(
    target: &Target,
    login: &Login,
    master: &Endpoint,
    is_fit: impl Fn(&Role) -> bool,
) -> Result<bool, Failure> {
    let Some(mut conversation) = begin_if(target, login, is_fit).await? else { return Ok(false) };
    let [follow, rewrite] = following(master);
    answered(conversation.go_on(&follow).await?)?;
    // As in [`follow`].
    conversation.go_on(&rewrite).await.map(|_| true)
}

/// What makes a Redis a replica, and then has its file say so.
fn following(master: &Endpoint) -> [Cmd; 2] {
    let (host, port) = (master.host.to_string(), master.port.to_string());
    [command(&["REPLICAOF", &host, &port]), command(&["CONFIG", "REWRITE"])]
}

/// Ends a coordinated failover that this master has begun (`FAILOVER ABORT`): its writes go on.
///
/// # Errors
/// It did not answer, or none goes on.
pub async fn abort_failover(target: &Target, login: &Login) -> Result<(), Failure> {
    let replied = ask(target, login, &[command(&["FAILOVER", "ABORT"])]).await?.into_iter().next();
    answered(replied.unwrap_or(Value::Nil)).map(drop)
}

/// A conversation with the very process that `is_fit`; none where another is there.
async fn begin_if(target: &Target, login: &Login, is_fit: impl Fn(&Role) -> bool) -> Result<Option<Conversation>, Failure> {
    let (conversation, role) = begin(target, login).await?;
    Ok(is_fit(&role).then_some(conversation))
}

async fn begin(target: &Target, login: &Login) -> Result<(Conversation, Role), Failure> {
    let mut role = Cmd::new();
    role.arg("ROLE");
    let mut info = Cmd::new();
    info.arg("INFO").arg("replication");
    let mut ident = Cmd::new();
    ident.arg("CONFIG").arg("GET").arg("syslog-ident");
    let (mut conversation, replies) = Conversation::begin(target, login, &[role, info, ident]).await?;
    let mut replies = replies.into_iter();
    let mut next = || replies.next().unwrap_or(Value::Nil);
    let (role, info, ident) = (next(), next(), next());
    let mut role = read(answered(role)?, info, &ident)?;
    if let Role::Replica(replica) = &mut role
        && replica.link == Link::Never
    {
        replica.is_empty = conversation.go_on(&command(&["INFO"])).await.is_ok_and(is_empty);
    }
    Ok((conversation, role))
}

/// Whether a Redis has loaded all of its disk, and there is nothing: no key in any database, no library of functions
/// (`genRedisInfoString` in `src/server.c`). Not where it does not say so.
fn is_empty(info: Value) -> bool {
    let info = answered(info).ok().and_then(|info| from_redis_value::<String>(info).ok()).unwrap_or_default();
    let is_key_count =
        |line: &str| line.strip_prefix("db").is_some_and(|rest| rest.starts_with(|first: char| first.is_ascii_digit()));
    let has_libraries = |line: &str| line.strip_prefix("number_of_libraries:").is_some_and(|count| count.trim() != "0");
    let says = |what: &str| info.lines().any(|line| line.trim() == what);
    // While it loads, what it has read so far is not all. And a copy that it has begun may have emptied its memory, and
    // not its disk: then it has ended its append-only file, and does not begin it again where the copy fails
    // (`replicationAttachToNewMaster` and `readSyncBulkPayload` in `src/replication.c`).
    says("loading:0")
        && says("aof_enabled:1")
        && says("# Keyspace")
        && !info.lines().any(|line| is_key_count(line) || has_libraries(line))
}

/// Reads the answers to `ROLE` (`roleCommand` in Redis `src/replication.c`) and `INFO replication`
/// (`genRedisInfoString` in `src/server.c`).
fn read(role: Value, info: Value, ident: &Value) -> Result<Role, Failure> {
    let Value::Array(fields) = role else { return Err(nonsense("ROLE")) };
    let text = |index: usize| {
        fields.get(index).and_then(|field: &Value| from_redis_value::<String>(field.clone()).ok()).ok_or_else(|| nonsense("ROLE"))
    };
    match text(0)?.as_str() {
        "master" => Ok(Role::Master),
        "slave" => {
            let host = text(1)?.parse().map_err(|_| nonsense("ROLE"))?;
            let port = text(2)?.parse().map_err(|_| nonsense("ROLE"))?;
            let info: String = from_redis_value(answered(info)?).map_err(|_| nonsense("INFO"))?;
            let field = |name: &str| info.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':')).map(str::trim);
            let number = |name: &str| field(name).and_then(|text| text.parse().ok()).ok_or_else(|| nonsense("INFO"));
            let link = match (field("master_link_status"), field("master_link_down_since_seconds")) {
                (Some("up"), _) => Link::Up,
                (Some("down"), Some("-1")) => Link::Never,
                (Some("down"), _) => Link::Lost,
                _ => return Err(nonsense("INFO")),
            };
            let seconds = field("master_link_down_since_seconds").and_then(|text| text.parse().ok());
            let down_for = seconds.map(Duration::from_secs);
            let priority = u32::try_from(number("slave_priority")?).unwrap_or(u32::MAX);
            let run = run_of(ident);
            Ok(Role::Replica(Replica {
                of: Endpoint { host, port },
                link,
                priority,
                offset: number("slave_repl_offset")?,
                run,
                down_for,
                is_empty: false,
            }))
        }
        other => Err(Failure::InvalidReply(format!("the server is a `{}`, and no Redis", shown(other)))),
    }
}

/// The run that the file of a server names; none where it names none, or may not be asked.
fn run_of(ident: &Value) -> Option<String> {
    let [_, ident]: [String; 2] = from_redis_value::<Vec<String>>(ident.clone()).ok()?.try_into().ok()?;
    ident.strip_prefix(IDENT).map(str::to_owned)
}

/// Asks a Redis whether it serves. It is `PING` that an error of the disk refuses a master (`MISCONF`),
/// and everything else that is in the way of ordinary commands (`processCommand` in Redis `src/server.c`).
///
/// # Errors
/// Why it gave no answer.
pub async fn serving(target: &Target, login: &Login) -> Result<Serving, Failure> {
    let wanted = command(&["CONFIG", "GET", "min-replicas-to-write"]);
    let questions = [command(&["PING"]), command(&["ROLE"]), command(&["INFO", "replication"]), wanted];
    let replies = ask(target, login, &questions).await?;
    let [ping, role, info, wanted] = <[Value; 4]>::try_from(replies).map_err(|_| nonsense("PING"))?;
    read_serving(ping, role, info, wanted)
}

fn read_serving(ping: Value, role: Value, info: Value, wanted: Value) -> Result<Serving, Failure> {
    let code = Code::of(&ping);
    match answered(ping) {
        // It answers all that follows, and nobody's reads, where `replica-serve-stale-data` is no: whether its master
        // waits for it is told by that.
        Err(_) if code == Some(Code::MasterDown) => {}
        Err(Failure::InvalidReply(error)) => return Ok(Serving::Not(error)),
        // Who may not say `PING` may ask for the rest all the same.
        Ok(_) | Err(Failure::NotAllowed(_)) => {}
        Err(failure) => return Err(failure),
    }
    let text = |value: Value| answered(value).and_then(|value| from_redis_value::<String>(value).map_err(|_| nonsense("INFO")));
    let is_master = matches!(read(answered(role)?, info.clone(), &Value::Nil)?, Role::Master);
    let info = text(info)?;
    let field = |name: &str| info.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':')).map(str::trim);
    if is_master {
        let [_, wanted]: [String; 2] = from_redis_value::<Vec<String>>(answered(wanted)?)
            .ok()
            .and_then(|pair| pair.try_into().ok())
            .ok_or_else(|| nonsense("CONFIG GET"))?;
        let number = |text: &str| text.parse().map_err(|_| nonsense("min-replicas-to-write"));
        // Counted only where replicas are wanted.
        return match field("min_slaves_good_slaves") {
            Some(has) => Ok(Serving::Master { wanted: number(&wanted)?, has: number(has)? }),
            None => Ok(Serving::Master { wanted: 0, has: 0 }),
        };
    }
    let of = field("master_host")
        .zip(field("master_port"))
        .and_then(|(host, port)| Some(Endpoint { host: host.parse().ok()?, port: port.parse().ok()? }));
    Ok(Serving::Replica {
        of: of.ok_or_else(|| nonsense("INFO"))?,
        link_is_up: field("master_link_status") == Some("up"),
        copies: field("master_sync_in_progress") == Some("1"),
    })
}

/// A connection to this pod's own Redis, over which its writes are paused and go on again.
pub struct Master(Conversation);

impl Master {
    /// Connects, and asks what it is.
    ///
    /// # Errors
    /// Why it gave no answer.
    pub async fn connect(target: &Target, login: &Login) -> Result<(Self, Role), Failure> {
        let (conversation, role) = begin(target, login).await?;
        Ok((Self(conversation), role))
    }

    /// How far its writes have come (`master_repl_offset`, in bytes).
    ///
    /// # Errors
    /// Why it gave no answer.
    pub async fn offset(&mut self) -> Result<u64, Failure> {
        let info = answered(self.0.go_on(&command(&["INFO", "replication"])).await?)?;
        let info: String = from_redis_value(info).map_err(|_| nonsense("INFO"))?;
        let offset = info.lines().find_map(|line| line.strip_prefix("master_repl_offset:"));
        offset.and_then(|number| number.trim().parse().ok()).ok_or_else(|| nonsense("INFO"))
    }

    /// Holds every write back for so long, or longer where that was said before: whoever writes waits for
    /// an answer. `PUBLISH` waits as well, and behind Sentinel's own its pings do: a pause that outlasts
    /// down-after looks like a dead master (seen with 6.2, 7.0 and Valkey 9). A replica is never paused.
    ///
    /// # Errors
    /// It did not answer, or did not do so.
    pub async fn pause(&mut self, time: Duration) -> Result<(), Failure> {
        let milliseconds = time.as_millis().to_string();
        answered(self.0.go_on(&command(&["CLIENT", "PAUSE", &milliseconds, "WRITE"])).await?).map(drop)
    }

    /// Ends the pause.
    ///
    /// # Errors
    /// It did not answer, or did not do so.
    pub async fn unpause(&mut self) -> Result<(), Failure> {
        answered(self.0.go_on(&command(&["CLIENT", "UNPAUSE"])).await?).map(drop)
    }

    /// Ends the connections of its clients, so that they look for the master again.
    ///
    /// # Errors
    /// It did not answer, or did not do so.
    pub async fn send_clients_away(&mut self) -> Result<(), Failure> {
        answered(self.0.go_on(&command(&["CLIENT", "KILL", "TYPE", "normal"])).await?).map(drop)
    }
}

fn command(words: &[&str]) -> Cmd {
    let mut command = Cmd::new();
    command.arg(words);
    command
}

fn nonsense(what: &str) -> Failure {
    Failure::InvalidReply(format!("{what} was not answered as a Redis answers it"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const INFO: &str = "# Replication\r\nrole:slave\r\nmaster_link_status:up\r\nslave_repl_offset:42\r\nslave_priority:100\r\n";

    fn bulk(text: &str) -> Value {
        Value::BulkString(text.into())
    }

    fn ident(word: &str) -> Value {
        Value::Array(vec![bulk("syslog-ident"), bulk(word)])
    }

    fn slave() -> Value {
        Value::Array(vec![bulk("slave"), bulk("redis-0.redis"), Value::Int(6379), bulk("connect"), Value::Int(-1)])
    }

    #[test]
    fn a_role_reads_as_the_servers_write_it() {
        let master = Value::Array(vec![bulk("master"), Value::Int(9), Value::Array(vec![])]);
        assert_eq!(read(master, bulk("role:master"), &Value::Nil), Ok(Role::Master));
        let Ok(Role::Replica(replica)) = read(slave(), bulk(INFO), &ident("ordain-a1")) else { panic!("a replica") };
        assert_eq!(replica.run.as_deref(), Some("a1"));
        assert_eq!(replica.of.to_string(), "redis-0.redis:6379");
        assert_eq!((replica.link, replica.priority, replica.offset), (Link::Up, 100, 42));
    }

    #[test]
    fn a_link_that_is_down_tells_whether_there_ever_was_one() {
        for (since, link) in [("-1", Link::Never), ("7", Link::Lost)] {
            let info = INFO.replace(":up", &format!(":down\r\nmaster_link_down_since_seconds:{since}"));
            let Ok(Role::Replica(replica)) = read(slave(), bulk(&info), &ident("redis")) else { panic!("a replica") };
            assert_eq!((replica.link, replica.run), (link, None));
            assert_eq!(replica.down_for, since.parse().ok().map(Duration::from_secs));
        }
    }

    #[test]
    fn a_redis_is_empty_only_where_it_says_so_of_all_that_it_has() {
        let empty = "# Memory\r\nnumber_of_libraries:0\r\n# Persistence\r\nloading:0\r\nasync_loading:0\r\naof_enabled:1\r\n# Keyspace\r\n";
        assert!(is_empty(bulk(empty)));
        assert!(is_empty(bulk(&empty.replace("number_of_libraries:0\r\n", ""))), "before 7.0 there are none");
        for (what, with) in [
            ("# Keyspace\r\n", "# Keyspace\r\ndb0:keys=1,expires=0,avg_ttl=0\r\n"),
            ("# Keyspace\r\n", "# Keyspace\r\ndb15:keys=1,expires=1,avg_ttl=0\r\n"),
            ("# Keyspace\r\n", ""),
            ("libraries:0", "libraries:1"),
            ("\r\nloading:0", "\r\nloading:1"),
            ("\r\nloading:0", ""),
            ("aof_enabled:1", "aof_enabled:0"),
            ("aof_enabled:1\r\n", ""),
        ] {
            assert!(!is_empty(bulk(&empty.replace(what, with))), "{what} -> {with}");
        }
        for reply in [Value::Nil, Value::Int(1), bulk("")] {
            assert!(!is_empty(reply));
        }
    }

    #[test]
    fn anything_else_is_nonsense_and_no_panic() {
        for reply in [
            Value::Nil,
            Value::Int(1),
            Value::Array(vec![]),
            Value::Array(vec![bulk("sentinel"), Value::Array(vec![])]),
            Value::Array(vec![bulk("slave")]),
            Value::Array(vec![bulk("slave"), bulk("a b"), bulk("x")]),
        ] {
            assert!(matches!(read(reply, bulk(INFO), &Value::Nil), Err(Failure::InvalidReply(_))));
        }
        for info in [Value::Nil, bulk(""), bulk("master_link_status:up\r\nslave_priority:x\r\nslave_repl_offset:1")] {
            assert!(matches!(read(slave(), info, &Value::Nil), Err(Failure::InvalidReply(_))));
        }
    }
}
