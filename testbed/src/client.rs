//! Clients: one question, and one that writes numbered keys and remembers what was acknowledged.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use redis::{
    Client, ClientTlsConfig, Cmd, Connection, ConnectionAddr, ErrorKind, IntoConnectionInfo, RedisError, TlsCertificates, Value,
    from_redis_value,
};

use crate::authority::Issued;

/// How long a server may take for an answer.
const ANSWER: Duration = Duration::from_secs(1);

/// Connects, and logs in where there is a password.
///
/// # Errors
/// The server does not answer, or refuses the login.
pub fn connect(ip: IpAddr, port: u16, password: Option<&[u8]>) -> Result<Connection, RedisError> {
    let info = ConnectionAddr::Tcp(ip.to_string(), port).into_connection_info()?;
    logged_in(&Client::open(info)?, password)
}

/// The same over TLS, with a certificate of one's own; whatever the server shows is believed, for it
/// is asked by its address and certified by its name.
///
/// # Errors
/// As for [`connect`].
pub fn connect_by_tls(ip: IpAddr, port: u16, own: &Issued) -> Result<Connection, RedisError> {
    let address = ConnectionAddr::TcpTls { host: ip.to_string(), port, insecure: true, tls_params: None };
    let client_tls = ClientTlsConfig { client_cert: own.cert.clone().into(), client_key: own.key.clone().into() };
    let certificates = TlsCertificates { client_tls: Some(client_tls), root_cert: None };
    logged_in(&Client::build_with_tls(address.into_connection_info()?, certificates)?, None)
}

fn logged_in(client: &Client, password: Option<&[u8]>) -> Result<Connection, RedisError> {
    let mut connection = client.get_connection_with_timeout(ANSWER)?;
    connection.set_read_timeout(Some(ANSWER))?;
    connection.set_write_timeout(Some(ANSWER))?;
    if let Some(password) = password {
        Cmd::new().arg("AUTH").arg(password).exec(&mut connection)?;
    }
    Ok(connection)
}

/// Sends one command.
///
/// # Errors
/// The server's, or the way to it.
pub fn ask(connection: &mut Connection, words: &[&str]) -> Result<Value, RedisError> {
    let mut command = Cmd::new();
    command.arg(words);
    command.query(connection)
}

/// An answer as text; a list's items one on a line.
pub fn text(value: &Value) -> String {
    match value {
        Value::Array(items) => items.iter().map(text).collect::<Vec<_>>().join("\n"),
        other => from_redis_value(other.clone()).unwrap_or_default(),
    }
}

/// How many keys a server is asked for at once: `KEYS` tells all in one answer, and hundreds of thousands are more than
/// a busy machine sends within [`ANSWER`].
const PIECE: &str = "5000";

/// Writes on and on until the server ends the connection or takes no writes any more, and returns for how long it held
/// the slowest write up: by its own clock, before and after, so that nobody's slowness but its own counts.
pub fn slowest_write(mut connection: Connection, patience: Duration) -> JoinHandle<Duration> {
    connection.set_read_timeout(Some(patience)).expect("a time to wait");
    let mut write = redis::pipe();
    write.cmd("TIME").cmd("SET").arg("held-up").arg("x").ignore().cmd("TIME");
    std::thread::spawn(move || {
        let since = |(seconds, micros): (u64, u64)| Duration::new(seconds, 0) + Duration::from_micros(micros);
        let mut slowest = Duration::ZERO;
        while let Ok((before, after)) = write.query(&mut connection) {
            slowest = slowest.max(since(after).saturating_sub(since(before)));
            std::thread::sleep(Duration::from_millis(5));
        }
        slowest
    })
}

/// The numbers of all keys `key-NUMBER` that are there from the first piece to the last (`SCAN`).
///
/// # Errors
/// The server's, the way to it, or that this has taken longer than `most`.
pub fn numbered_keys(connection: &mut Connection, most: Duration) -> Result<BTreeSet<u64>, RedisError> {
    let started = Instant::now();
    let mut numbers = BTreeSet::new();
    let mut cursor = "0".to_owned();
    loop {
        let piece = ask(connection, &["SCAN", &cursor, "MATCH", "key-*", "COUNT", PIECE])?;
        let (next, keys): (String, Vec<String>) = from_redis_value(piece)?;
        numbers.extend(keys.iter().filter_map(|key| key.strip_prefix("key-")?.parse::<u64>().ok()));
        if next == "0" {
            return Ok(numbers);
        }
        if started.elapsed() > most {
            let told = format!("{} within {most:?}", numbers.len());
            return Err((ErrorKind::Io, "not all keys were told in time", told).into());
        }
        cursor = next;
    }
}

/// The host that a Sentinel names as the group's master.
pub fn master_by_sentinel(sentinel: IpAddr, group: &str) -> Option<String> {
    let mut connection = connect(sentinel, 26379, None).ok()?;
    let address = ask(&mut connection, &["SENTINEL", "GET-MASTER-ADDR-BY-NAME", group]).ok()?;
    text(&address).lines().next().map(str::to_owned)
}

/// What a writer saw.
#[derive(Debug)]
pub struct Report {
    /// The numbers whose write was acknowledged.
    pub acknowledged: Vec<u64>,
    /// The longest time between two acknowledged writes.
    pub longest_gap: Duration,
}

/// Where the master is; none while nobody knows.
pub type Master = Box<dyn Fn() -> Option<IpAddr> + Send>;

/// Writes numbered keys, one after the other, until it is stopped.
pub struct Writer {
    stop: Arc<AtomicBool>,
    count: Arc<AtomicUsize>,
    thread: JoinHandle<Report>,
}

impl Writer {
    /// Starts writing to whatever address `master` gives, asked anew after each error. A write counts
    /// when a replica has it, too: what a master alone had when it died is lost by asynchronous
    /// replication, not by whoever is promoted.
    pub fn start(master: Master) -> Self {
        Self::start_by(master, |connection, number| {
            let has_replica = |reply| matches!(reply, Ok(Value::Int(replicas)) if replicas > 0);
            set(connection, number) && has_replica(ask(connection, &["WAIT", "1", "500"]))
        })
    }

    /// The same, and every acknowledged write counts: where the masters' own disks outlive them.
    pub fn start_plainly(master: Master) -> Self {
        Self::start_by(master, set)
    }

    fn start_by(master: Master, write: fn(&mut Connection, u64) -> bool) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = stop.clone();
        let count = Arc::new(AtomicUsize::new(0));
        let counted = count.clone();
        let thread = std::thread::spawn(move || {
            let mut report = Report { acknowledged: Vec::new(), longest_gap: Duration::ZERO };
            let mut connection = None;
            let mut last = Instant::now();
            let mut number = 0;
            while !stopped.load(Ordering::Relaxed) {
                number += 1;
                connection = connection.take().or_else(|| connect(master()?, 6379, None).ok());
                let written = connection.as_mut().is_some_and(|connection| write(connection, number));
                if written {
                    report.longest_gap = report.longest_gap.max(last.elapsed());
                    last = Instant::now();
                    report.acknowledged.push(number);
                    counted.fetch_add(1, Ordering::Relaxed);
                } else {
                    connection = None;
                }
                // A client's pace; nothing waits for it.
                std::thread::sleep(Duration::from_millis(5));
            }
            report
        });
        Self { stop, count, thread }
    }

    /// How many writes have been acknowledged so far.
    pub fn acknowledged(&self) -> usize {
        self.count.load(Ordering::Relaxed)
    }

    /// Stops and tells.
    pub fn stop(self) -> Report {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().expect("the writer")
    }
}

fn set(connection: &mut Connection, number: u64) -> bool {
    ask(connection, &["SET", &format!("key-{number}"), "x"]).is_ok()
}

/// The acknowledged numbers that a server does not have.
///
/// # Errors
/// It could not be asked for all of them.
pub fn missing(connection: &mut Connection, report: &Report) -> Result<Vec<u64>, RedisError> {
    let mut missing = Vec::new();
    for number in &report.acknowledged {
        if ask(connection, &["EXISTS", &format!("key-{number}")])? == Value::Int(0) {
            missing.push(*number);
        }
    }
    Ok(missing)
}
