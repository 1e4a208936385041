//! The witness: what the servers and the record say all the while, and a timeline of all that happens.

use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::client::{ask, connect, master_by_sentinel, text};
use crate::control_plane::Namespace;
use crate::group::{Bed, REDIS, SENTINELS};
use crate::runtime;

/// What happened when, told by whoever sees it.
#[derive(Clone)]
pub struct Timeline {
    started: Instant,
    entries: Arc<Mutex<Vec<String>>>,
}

impl Timeline {
    /// Begins now.
    pub fn start() -> Self {
        Self { started: Instant::now(), entries: Arc::default() }
    }

    /// Adds to it.
    pub fn note(&self, what: impl Into<String>) {
        // The wall clock, too, as the logs have it.
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
        let of_day = now.as_secs() % 86400;
        let clock = format!("{:02}:{:02}:{:02}.{:03}", of_day / 3600, of_day / 60 % 60, of_day % 60, now.subsec_millis());
        let entry = format!("{:9.3} s  {clock}  {}", self.started.elapsed().as_secs_f64(), what.into());
        self.entries.lock().expect("the timeline").push(entry);
    }

    /// How long it is.
    pub fn len(&self) -> usize {
        self.entries.lock().expect("the timeline").len()
    }

    /// All from an entry on.
    pub fn since(&self, entry: usize) -> String {
        self.entries.lock().expect("the timeline")[entry..].join("\n")
    }
}

/// What the record says of its holder.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Fence {
    pub transitions: i32,
    pub epoch: u64,
    pub holder: String,
}

impl Fence {
    /// Reads the record; none where it is missing or broken.
    pub fn read(namespace: &Namespace) -> Option<Self> {
        let record = namespace.record("redis")?;
        let spec = record.spec?;
        let epoch = record.metadata.annotations?.get("ordain.dev/config-epoch")?.parse().ok()?;
        Some(Self { transitions: spec.lease_transitions?, epoch, holder: spec.holder_identity? })
    }
}

/// Threads that ask everyone again and again, until this is dropped.
pub struct Witness {
    stop: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
    wrong: Arc<Mutex<Vec<String>>>,
}

const PAUSE: Duration = Duration::from_millis(100);

impl Witness {
    /// Begins to ask.
    pub fn start(bed: &Bed, timeline: &Timeline) -> Self {
        let mut witness = Self { stop: Arc::default(), threads: Vec::new(), wrong: Arc::default() };
        for pod in REDIS {
            let ip = bed.ip(pod);
            witness.follow(timeline, format!("{pod} says"), move || role(ip));
        }
        for pod in SENTINELS {
            let ip = bed.ip(pod);
            witness.follow(timeline, format!("{pod} names"), move || short(&master_by_sentinel(ip, "redis").unwrap_or_default()));
        }
        let namespace = bed.namespace.as_ref().expect("a cluster");
        let leases = namespace.leases();
        let wrong = witness.wrong.clone();
        let mut highest: Option<(i32, u64)> = None;
        witness.follow(timeline, "the record names".to_owned(), move || {
            let Ok(Some(record)) = runtime().block_on(leases.get_opt("redis")) else { return String::new() };
            let spec = record.spec.unwrap_or_default();
            let noted = record.metadata.annotations.unwrap_or_default();
            let note = |key: &str| noted.get(&format!("ordain.dev/{key}")).cloned().unwrap_or_default();
            let now = (spec.lease_transitions.unwrap_or_default(), note("config-epoch").parse().unwrap_or_default());
            if let Some((transitions, epoch)) = highest.replace(now)
                && (now.0 < transitions || now.1 < epoch)
            {
                let said =
                    format!("the record went back from {transitions} transitions, epoch {epoch}, to {} and {}", now.0, now.1);
                wrong.lock().expect("what went wrong").push(said);
            }
            let given_up =
                if noted.iter().any(|(key, value)| key.contains("given-up") && value != "false") { ", given up" } else { "" };
            format!("{} at epoch {}, {} transitions{given_up}", spec.holder_identity.unwrap_or_default(), now.1, now.0)
        });
        witness
    }

    /// Notes each change of an answer.
    fn follow(&mut self, timeline: &Timeline, of: String, mut answer: impl FnMut() -> String + Send + 'static) {
        let (stop, timeline) = (self.stop.clone(), timeline.clone());
        self.threads.push(std::thread::spawn(move || {
            let mut last = String::new();
            while !stop.load(Ordering::Relaxed) {
                let now = answer();
                if now != last {
                    timeline.note(format!("{of} {}", if now.is_empty() { "nothing" } else { &now }));
                    last = now;
                }
                std::thread::sleep(PAUSE);
            }
        }));
    }

    /// What was seen that may never be.
    pub fn wrong(&self) -> Vec<String> {
        self.wrong.lock().expect("what went wrong").clone()
    }
}

impl Drop for Witness {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}

fn role(ip: IpAddr) -> String {
    let Ok(mut connection) = connect(ip, 6379, None) else { return String::new() };
    let answer = ask(&mut connection, &["ROLE"]).map(|role| text(&role)).unwrap_or_default();
    let lines: Vec<_> = answer.lines().collect();
    match lines[..] {
        ["slave", host, _, state, ..] => format!("replica of {}, {state}", short(host)),
        [role, ..] => role.to_owned(),
        [] => String::new(),
    }
}

/// A pod's name out of its host's.
fn short(host: &str) -> String {
    host.split('.').next().unwrap_or_default().to_owned()
}
