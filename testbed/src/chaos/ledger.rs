//! The ledger: which writes were acknowledged, by how many, and which of them may be lost.
//!
//! A client sets numbered keys, one after the other, and has each few followed by `WAIT 2`. All Redis
//! run with `appendfsync always`, so whatever a Redis has acknowledged, as a master or as a replica, is
//! on its disk, but for one gap: from a replica's full resynchronisation until its first rewrite is
//! done it goes on in memory and in a file that a restart does not load. Whoever dies in that gap has
//! ended *behind*. Every round begins when all three have the same keys, on their disks. A round may
//! take one disk; no stop is as long as the grace after which a silent master is given up. Then, as
//! Redis replicates asynchronously, a key must be there at the end of the round if
//!
//! - it is **settled**: it was on all three disks when the first fault struck, because an earlier round
//!   found it there, or because `WAIT 2` counted two before that fault. Two disks at least still have
//!   it, and no disk, master or replica that lacks it may win against them: in every round;
//! - it was **written everywhere**: `WAIT` counted two at any time, and nobody ended behind. All three
//!   had it, on disk or for good in memory, so whoever leads later has it, but for a pod that lost its
//!   disk, and that one may not lead;
//! - **nobody took over**: the record has neither another epoch nor another transition than when the
//!   round began, and the master did not lose its disk. Then every acknowledged write counts, for it is
//!   on the disk of the only master;
//! - **the master alone died**: no Redis was stopped, none died but the master that the round began with,
//!   once, and the record has one transition more. Then a key that `WAIT` counted at one replica counts:
//!   both replicas have been streaming since before the round, so the master sends it to both before
//!   either answers, and both have it before they see the master's end; and a master that was killed, not
//!   stopped, does not go on beside its successor.
//!
//! All else may be lost: a key that only the master had, or the master and a replica that was not
//! promoted.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use kube::ResourceExt;
use kube::api::ListParams;
use redis::{Connection, Value};

use super::witness::Fence;
use crate::client::{ask, connect, master_by_sentinel, numbered_keys};
use crate::group::{Bed, REDIS, SENTINELS};
use crate::runtime;

/// How many keys are set before the client waits for the replicas.
const BATCH: u64 = 5;

/// What became of a write.
#[derive(Debug, Clone)]
struct Write {
    /// By whom it was acknowledged.
    by: &'static str,
    /// How many replicas `WAIT` counted, and when.
    replicas: i64,
    counted: Instant,
}

/// What happened to the Redis in a round, as far as the rules ask.
#[derive(Debug, Default)]
pub struct Happened {
    first_fault: Option<Instant>,
    died: Vec<&'static str>,
    stopped: BTreeSet<&'static str>,
    has_ended_behind: bool,
    lost_disk: Option<&'static str>,
}

impl Happened {
    pub fn strikes_now(&mut self) {
        self.first_fault.get_or_insert_with(Instant::now);
    }

    pub fn died(&mut self, redis: &'static str, is_behind: bool) {
        self.died.push(redis);
        self.has_ended_behind |= is_behind;
    }

    pub fn was_stopped(&mut self, redis: &'static str) {
        self.stopped.insert(redis);
    }

    pub fn lost_disk(&mut self, redis: &'static str) {
        self.lost_disk = Some(redis);
    }
}

/// How many keys must be there, and by which rules.
#[derive(Debug)]
pub struct Judged {
    pub written: usize,
    pub held: usize,
    pub permitted: usize,
    pub rules: Vec<&'static str>,
}

/// The client, and what it remembers.
pub struct Ledger {
    /// Keys that all three had at the end of a round.
    settled: BTreeSet<u64>,
    /// Writes since then.
    written: Arc<Mutex<BTreeMap<u64, Write>>>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Ledger {
    /// Starts to write to whomever the Sentinels name, or the label.
    pub fn start(bed: &Bed) -> Self {
        let written: Arc<Mutex<BTreeMap<u64, Write>>> = Arc::default();
        let stop: Arc<AtomicBool> = Arc::default();
        let pods = REDIS.map(|pod| (pod, bed.announced(pod), bed.ip(pod)));
        let sentinels = SENTINELS.map(|pod| bed.ip(pod));
        let objects = bed.namespace.as_ref().expect("a cluster").pods();
        let (remembered, stopped) = (written.clone(), stop.clone());
        // As clients of Sentinel do, and as clients of the Service do, by turns.
        let mut by_label = false;
        let mut master = move || {
            by_label = !by_label;
            let (pod, _, ip) = if by_label {
                let labelled = ListParams::default().labels("role=master");
                let named = runtime().block_on(objects.list(&labelled)).ok()?.items.first()?.name_any();
                pods.iter().find(|(pod, _, _)| *pod == named)?
            } else {
                let named = sentinels.iter().find_map(|ip| master_by_sentinel(*ip, "redis"))?;
                pods.iter().find(|(_, host, _)| *host == named)?
            };
            Some((*pod, connect(*ip, 6379, None).ok()?))
        };
        let thread = std::thread::spawn(move || {
            let mut connected: Option<(&'static str, Connection)> = None;
            let mut number = 0;
            while !stopped.load(Ordering::Relaxed) {
                connected = connected.take().or_else(&mut master);
                if let Some((by, connection)) = &mut connected {
                    let batch = number + 1..=number + BATCH;
                    number += BATCH;
                    let acknowledged: Vec<_> =
                        batch.take_while(|number| ask(connection, &["SET", &key(*number), "x"]).is_ok()).collect();
                    let is_refused = acknowledged.len() < BATCH as usize;
                    let waited = ask(connection, &["WAIT", "2", "100"]);
                    let replicas = if let Ok(Value::Int(replicas)) = waited { replicas } else { 0 };
                    let write = Write { by, replicas, counted: Instant::now() };
                    let mut remembered = remembered.lock().expect("the writes");
                    remembered.extend(acknowledged.into_iter().map(|number| (number, write.clone())));
                    // Or it is a replica now, which takes no writes.
                    if waited.is_err() || is_refused {
                        connected = None;
                    }
                }
                // A client's pace; nothing waits for it.
                std::thread::sleep(Duration::from_millis(10));
            }
        });
        Self { settled: BTreeSet::new(), written, stop, thread: Some(thread) }
    }

    /// Judges what the master has at the end of a round, and settles it.
    pub fn judge(
        &mut self,
        bed: &Bed,
        master: &str,
        before: &Fence,
        after: &Fence,
        happened: &Happened,
    ) -> Result<Judged, String> {
        let fresh = std::mem::take(&mut *self.written.lock().expect("the writes"));
        let has = keys(bed, master)?;
        let nobody_took_over = (before.epoch, before.transitions) == (after.epoch, after.transitions)
            && happened.lost_disk != Some(before.holder.as_str());
        let master_alone = happened.stopped.is_empty()
            && happened.died == [before.holder.as_str()]
            && after.transitions == before.transitions + 1;
        let everywhere = !happened.has_ended_behind;
        let is_settled = |write: &Write| write.replicas >= 2 && happened.first_fault.is_none_or(|struck| write.counted < struck);
        let must = |write: &Write| {
            if is_settled(write) {
                Some("settled")
            } else if nobody_took_over {
                Some("acknowledged, and nobody took over")
            } else if everywhere && write.replicas >= 2 {
                Some("written everywhere")
            } else if master_alone && write.replicas >= 1 {
                Some("written to a replica, and the master alone died")
            } else {
                None
            }
        };
        let mut lost: BTreeMap<&str, Vec<String>> = BTreeMap::new();
        for number in self.settled.iter().filter(|number| !has.contains(number)) {
            lost.entry("settled in an earlier round").or_default().push(number.to_string());
        }
        let mut held = self.settled.len();
        let mut permitted = 0;
        for (number, write) in &fresh {
            let rule = must(write);
            held += usize::from(rule.is_some());
            match rule {
                _ if has.contains(number) => {}
                Some(rule) => lost.entry(rule).or_default().push(format!("{number} (by {} and {})", write.by, write.replicas)),
                None => permitted += 1,
            }
        }
        if !lost.is_empty() {
            let lost = lost.iter().map(|(rule, keys)| format!("{} keys: {rule}: {}", keys.len(), keys.join(" ")));
            return Err(format!(
                "{master} lacks keys that it must have:\n{}\n{happened:?}, {before:?} -> {after:?}",
                lost.collect::<Vec<_>>().join("\n")
            ));
        }
        self.settled.extend(fresh.keys().filter(|number| has.contains(number)));
        let rules = [(nobody_took_over, "nobody took over"), (everywhere, "everywhere"), (master_alone, "master alone")];
        Ok(Judged {
            written: fresh.len(),
            held,
            permitted,
            rules: rules.into_iter().filter(|(holds, _)| *holds).map(|(_, rule)| rule).collect(),
        })
    }

    /// Lets the oldest of many settled keys go, and has the master delete them: all are told by each pod in each round.
    pub fn let_go(&mut self, bed: &Bed, master: &str) {
        let surplus = self.settled.len().saturating_sub(MOST_SETTLED);
        let Some(first) = self.settled.iter().nth(surplus).copied() else { return };
        let kept = self.settled.split_off(&first);
        let old = std::mem::replace(&mut self.settled, kept);
        let old: Vec<_> = old.into_iter().map(key).collect();
        // What is not deleted now is one key more that nobody asks for.
        let Ok(mut connection) = bed.connect(master) else { return };
        for batch in old.chunks(1000) {
            let mut words = vec!["UNLINK"];
            words.extend(batch.iter().map(String::as_str));
            let _ = ask(&mut connection, &words);
        }
    }

    /// How many of the settled keys a pod lacks.
    ///
    /// # Errors
    /// It does not tell its keys.
    pub fn missing(&self, bed: &Bed, pod: &str) -> Result<usize, String> {
        let has = keys(bed, pod)?;
        Ok(self.settled.iter().filter(|number| !has.contains(number)).count())
    }
}

impl Drop for Ledger {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn key(number: u64) -> String {
    format!("key-{number}")
}

/// How many keys a settled group is held to.
const MOST_SETTLED: usize = 40_000;

/// How long a pod may take to tell all its keys.
const ALL_KEYS: Duration = Duration::from_secs(30);

/// The numbers of a pod's keys.
fn keys(bed: &Bed, pod: &str) -> Result<BTreeSet<u64>, String> {
    let told = bed.connect(pod).and_then(|mut connection| numbered_keys(&mut connection, ALL_KEYS));
    told.map_err(|error| format!("{pod} does not tell its keys: {error}"))
}
