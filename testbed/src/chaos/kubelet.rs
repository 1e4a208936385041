//! The kubelet's part: it starts containers, and starts again what has ended, after a back-off.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use fastrand::Rng;

use super::ledger::Happened;
use super::witness::Timeline;
use crate::faults::DATA;
use crate::group::{Bed, REDIS, SENTINELS};
use crate::manifests::shared_sentinel;
use crate::process::Process;

/// A container: its pod and whether it is the reconcile beside a Sentinel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Slot {
    pub pod: &'static str,
    pub is_reconcile: bool,
}

#[derive(Default)]
struct State {
    process: Option<Process>,
    start_at: Option<Instant>,
}

/// Runs the containers of a bed's pods.
pub struct Kubelet {
    // Before the bed, which holds the logs.
    states: BTreeMap<Slot, State>,
    pub bed: Bed,
    commands: BTreeMap<Slot, Vec<String>>,
    backoffs: Rng,
    timeline: Timeline,
}

impl Kubelet {
    /// Makes all pods, and is about to start them.
    pub fn new(mut bed: Bed, seed: u64, timeline: Timeline) -> Self {
        for pod in REDIS.iter().chain(&SENTINELS) {
            bed.make(pod);
            if pod.starts_with("redis") {
                // What is acknowledged is on the disk: the rules of what may be lost rest on it.
                bed.sandbox(pod).append(crate::sandbox::EXTRA_CONFIG, "appendfsync always\n");
            }
        }
        let commands: BTreeMap<_, _> = REDIS.iter().chain(&SENTINELS).flat_map(|pod| commands(pod)).collect();
        let now = Instant::now();
        let states = commands.keys().map(|slot| (*slot, State { process: None, start_at: Some(now) })).collect();
        Self { states, bed, commands, backoffs: Rng::with_seed(seed), timeline }
    }

    /// Notes what has ended, and starts what is due.
    pub fn tick(&mut self, happened: &mut Happened) {
        for slot in self.commands.keys().copied().collect::<Vec<_>>() {
            let state = self.states.get_mut(&slot).expect("a container");
            if let Some(process) = &mut state.process
                && let Some(status) = process.ended()
            {
                self.timeline.note(format!("{slot} has ended: {status}"));
                self.has_ended(slot, happened);
            }
            let state = self.states.get_mut(&slot).expect("a container");
            if state.process.is_none() && state.start_at.is_some_and(|at| at <= Instant::now()) {
                let sandbox = self.bed.sandbox(slot.pod);
                let container = sandbox.containers().iter().find(|one| (one.name == "reconcile") == slot.is_reconcile);
                if !slot.is_reconcile {
                    self.bed.tell_container(slot.pod, true);
                }
                let words: Vec<_> = self.commands[&slot].iter().map(String::as_str).collect();
                state.process = Some(sandbox.start(container.expect("the container"), &words));
                state.start_at = None;
                self.timeline.note(format!("{slot} is started"));
            }
        }
    }

    fn has_ended(&mut self, slot: Slot, happened: &mut Happened) {
        let wait = Duration::from_millis(self.backoffs.u64(0..2000));
        let state = self.states.get_mut(&slot).expect("a container");
        state.process = None;
        state.start_at = Some(Instant::now() + wait);
        if !slot.is_reconcile {
            self.bed.tell_container(slot.pod, false);
        }
        if slot.pod.starts_with("redis") {
            let is_behind = self.bed.sandbox(slot.pod).path(DATA).join("appendonlydir/temp-appendonly.aof.incr").exists();
            if is_behind {
                self.timeline.note(format!("{} has ended before its file had what it got from its master", slot.pod));
            }
            happened.died(slot.pod, is_behind);
        }
    }

    /// Kills the containers of these pods, one right after the other.
    pub fn kill(&mut self, pods: &[&'static str], happened: &mut Happened) {
        let slots: Vec<_> = self.states.keys().filter(|slot| pods.contains(&slot.pod)).copied().collect();
        for slot in &slots {
            if let Some(process) = &mut self.states.get_mut(slot).expect("a container").process {
                process.kill();
            }
        }
        for slot in slots {
            if self.states[&slot].process.is_some() {
                self.has_ended(slot, happened);
            }
        }
    }

    /// Has a pod's containers not be started again before they are told to.
    pub fn hold(&mut self, pod: &str) {
        self.states.iter_mut().filter(|(slot, _)| slot.pod == pod).for_each(|(_, state)| state.start_at = None);
    }

    /// Has a pod's containers be started now.
    pub fn release(&mut self, pod: &str) {
        let now = Instant::now();
        self.states.iter_mut().filter(|(slot, _)| slot.pod == pod).for_each(|(_, state)| state.start_at = Some(now));
    }

    /// Sends a signal; returns to whom, where there is somebody.
    pub fn signal(&mut self, slot: Slot, signal: &str) -> Option<u32> {
        let process = self.states.get_mut(&slot)?.process.as_mut()?;
        if process.ended().is_some() {
            return None;
        }
        process.signal(signal);
        Some(process.id())
    }

    /// The process of a container.
    pub fn id(&self, slot: Slot) -> Option<u32> {
        Some(self.states.get(&slot)?.process.as_ref()?.id())
    }
}

/// The program that a process runs.
pub fn program(id: u32) -> String {
    let path = std::fs::read_link(format!("/proc/{id}/exe")).unwrap_or_default();
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

fn commands(pod: &'static str) -> Vec<(Slot, Vec<String>)> {
    let set = pod.rsplit_once('-').expect("a pod's name").0;
    let set = shared_sentinel().iter().find(|object| object["kind"] == "StatefulSet" && object["metadata"]["name"] == set);
    let containers = set.expect("its StatefulSet")["spec"]["template"]["spec"]["containers"].as_array().expect("containers");
    let of = |container: &serde_json::Value| {
        let words = container["command"].as_array().expect("a command").iter();
        let words = words.map(|word| word.as_str().expect("a word").to_owned()).collect();
        (Slot { pod, is_reconcile: container["name"] == "reconcile" }, words)
    };
    containers.iter().map(of).collect()
}

impl std::fmt::Display for Slot {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.is_reconcile { write!(f, "the reconcile of {}", self.pod) } else { f.write_str(self.pod) }
    }
}
