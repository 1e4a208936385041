//! Chaos: rounds of faults drawn by a seed. After each the group must heal within [`BOUND`], and
//! nothing may have happened that never may: two master labels at once, a record that went back, or
//! the loss of a key that [`ledger`] does not permit.

mod draw;
mod kubelet;
mod ledger;
mod witness;

use std::ops::RangeInclusive;
use std::path::Path;
use std::time::{Duration, Instant};

use draw::{Blow, Fault, Strike, Whom, draw};
use kubelet::{Kubelet, Slot, program};
use ledger::{Happened, Judged, Ledger};
use witness::{Fence, Timeline, Witness};

use crate::group::{Bed, REDIS, SENTINELS};
use crate::label_watch::LabelWatch;

/// How long the group may take to be healthy after the last fault of a round, on a busy machine with
/// two cores. down-after is 2 s, the holder's grace [`GRACE`].
pub const BOUND: Duration = Duration::from_secs(90);
/// After so long without a master the holder is given up.
pub const GRACE: Duration = Duration::from_secs(15);

/// A round that takes longer to heal shows its timeline, and so does one that loses what it may.
const SLOW: Duration = Duration::from_secs(20);
/// So long the group must have been healthy: what was under way by then has shown itself.
const CALM: Duration = Duration::from_secs(1);

/// What is done at some moment of a round.
enum Act {
    Begin(Fault),
    /// SIGCONT to a process that was stopped, if it is still that one.
    Continue(Slot, u32),
    MakeAgain(&'static str),
    /// Waits until a process that was told to end has ended.
    Await(Slot, u32),
    /// Waits until the pod's new process is ordain, then strikes it.
    Watch(&'static str, Vec<Strike>),
    StrikeOrdain(&'static str, u32, Vec<Strike>),
}

struct Run {
    // The order in which they are dropped: the bed's pods last.
    ledger: Ledger,
    witness: Witness,
    labels: LabelWatch,
    kubelet: Kubelet,
    timeline: Timeline,
    seed: u64,
    acts: Vec<(Instant, Act)>,
    happened: Happened,
    master: String,
}

/// Runs these rounds, and returns the time in which the slowest healed.
///
/// # Errors
/// What went wrong: the seed, the round, the timeline and the ends of all logs.
pub fn run(ordain: &Path, seed: u64, rounds: RangeInclusive<u64>) -> Result<Duration, String> {
    let timeline = Timeline::start();
    let bed = Bed::on_kubernetes(ordain).with_quick_failover().with_env("ORDAIN_HOLDER_GRACE", &format!("{}s", GRACE.as_secs()));
    let mut kubelet = Kubelet::new(bed, seed, timeline.clone());
    let mut happened = Happened::default();
    let (mut fence, _) = wait_until_healthy(&mut kubelet, &mut happened)
        .map_err(|missing| failure(&kubelet.bed, seed, 0, &format!("the group does not come up: {missing}"), &timeline, 0))?;
    let mut run = Run {
        ledger: Ledger::start(&kubelet.bed),
        witness: Witness::start(&kubelet.bed, &timeline),
        labels: LabelWatch::start(kubelet.bed.namespace.as_ref().expect("a cluster")),
        kubelet,
        timeline,
        seed,
        acts: Vec::new(),
        happened,
        master: fence.holder.clone(),
    };
    let mut slowest = Duration::ZERO;
    let mut last_entry = 0;
    for round in rounds {
        let entry = run.timeline.len();
        let outcome = run.round(round, &fence);
        let (after, took) = outcome.map_err(|why| failure(&run.kubelet.bed, run.seed, round, &why, &run.timeline, last_entry))?;
        fence = after;
        slowest = slowest.max(took);
        last_entry = entry;
    }
    Ok(slowest)
}

impl Run {
    /// One round: the faults, healing, and judgement.
    fn round(&mut self, round: u64, before: &Fence) -> Result<(Fence, Duration), String> {
        let drawn = draw(self.seed, round);
        let told = drawn.iter().map(|(at, fault)| format!("{:.1} s {fault}", at.as_secs_f64())).collect::<Vec<_>>().join("; ");
        let entry = self.timeline.len();
        self.timeline.note(format!("ROUND {round} of seed {}: {told}", self.seed));
        // A watch lasts for five minutes only: each round has its own, begun before the last one ends.
        self.labels = LabelWatch::start(self.kubelet.bed.namespace.as_ref().expect("a cluster"));
        self.happened = Happened::default();
        self.master.clone_from(&before.holder);
        let began = Instant::now();
        self.acts = drawn.into_iter().map(|(at, fault)| (began + at, Act::Begin(fault))).collect();
        while !self.acts.is_empty() {
            self.act();
            self.kubelet.tick(&mut self.happened);
            std::thread::sleep(Duration::from_millis(2));
        }
        self.timeline.note("the last fault is over");
        let (after, took) = wait_until_healthy(&mut self.kubelet, &mut self.happened)
            .map_err(|missing| format!("not healthy {BOUND:?} after the last fault: {missing}"))?;
        self.timeline.note(format!("healthy after {took:.1?}: {after:?}"));
        let judged = self.judge(before, &after)?;
        println!(
            "seed {} round {round}: {told}; healthy after {:.1} s; {} -> {}, epoch {} -> {}; {} writes, {} keys held, {} lost as permitted ({})",
            self.seed,
            took.as_secs_f64(),
            before.holder,
            after.holder,
            before.epoch,
            after.epoch,
            judged.written,
            judged.held,
            judged.permitted,
            judged.rules.join(", "),
        );
        if took > SLOW || judged.permitted > 0 {
            println!("what happened in it:\n{}", self.timeline.since(entry));
        }
        Ok((after, took))
    }

    fn judge(&mut self, before: &Fence, after: &Fence) -> Result<Judged, String> {
        let Self { ledger, kubelet, happened, .. } = self;
        let judged = ledger.judge(&kubelet.bed, &after.holder, before, after, happened)?;
        for pod in REDIS {
            let asked = Instant::now();
            loop {
                // A look at all keys takes a while: the one that counts began after the time was over.
                let is_over = asked.elapsed() > Duration::from_secs(10);
                match ledger.missing(&kubelet.bed, pod) {
                    Ok(0) => break,
                    lacking if is_over => {
                        let master = &after.holder;
                        return Err(format!("{pod} does not get what {master} has, it lacks so many keys: {lacking:?}"));
                    }
                    _ => std::thread::sleep(Duration::from_millis(50)),
                }
            }
        }
        ledger.let_go(&kubelet.bed, &after.holder);
        if let [wrong, ..] = &self.witness.wrong()[..] {
            return Err(wrong.clone());
        }
        let labels = std::panic::AssertUnwindSafe(&self.labels);
        std::panic::catch_unwind(|| labels.history())
            .map_err(|_| "at some moment more than one pod carried the master label".to_owned())?;
        Ok(judged)
    }

    /// Does what is due.
    fn act(&mut self) {
        let now = Instant::now();
        let (due, later) = std::mem::take(&mut self.acts).into_iter().partition(|(at, _)| *at <= now);
        self.acts = later;
        for (_, act) in due {
            match act {
                Act::Begin(fault) => {
                    self.happened.strikes_now();
                    self.timeline.note(format!("FAULT {fault} (the master was {})", self.master));
                    self.begin(fault);
                }
                Act::Continue(slot, id) => {
                    if self.kubelet.id(slot) == Some(id) && self.kubelet.signal(slot, "CONT").is_some() {
                        self.timeline.note(format!("{slot} goes on, as {}", program(id)));
                    }
                }
                Act::MakeAgain(pod) => {
                    self.kubelet.bed.make_again(pod);
                    self.kubelet.release(pod);
                    self.timeline.note(format!("{pod} is made again"));
                }
                Act::Await(slot, id) => {
                    if self.kubelet.id(slot) == Some(id) {
                        self.later(Duration::from_millis(10), Act::Await(slot, id));
                    }
                }
                Act::Watch(pod, strikes) => match self.kubelet.id(main_of(pod)) {
                    Some(id) if program(id) == "ordain" => {
                        let after = strikes.first().map_or(Duration::ZERO, |(after, _)| *after);
                        self.later(after, Act::StrikeOrdain(pod, id, strikes));
                    }
                    Some(id) if program(id) == "redis-server" => {
                        self.timeline.note(format!("{pod} was never seen as ordain, and not struck"));
                    }
                    _ => self.later(Duration::ZERO, Act::Watch(pod, strikes)),
                },
                Act::StrikeOrdain(pod, id, strikes) => {
                    if let Some(((_, blow), rest)) = strikes.split_first()
                        && self.kubelet.id(main_of(pod)) == Some(id)
                        && program(id) == "ordain"
                    {
                        self.strike(main_of(pod), *blow);
                        if !rest.is_empty() {
                            self.later(Duration::ZERO, Act::Watch(pod, rest.to_vec()));
                        }
                    } else {
                        self.timeline.note(format!("{pod} is not ordain any more, and not struck"));
                    }
                }
            }
        }
    }

    fn later(&mut self, after: Duration, act: Act) {
        self.acts.push((Instant::now() + after, act));
    }

    fn begin(&mut self, fault: Fault) {
        match fault {
            Fault::Strike(whom, blow) => {
                let slot = self.slot(whom);
                self.strike(slot, blow);
            }
            Fault::Terminate(whom) => {
                let slot = self.slot(whom);
                if let Some(id) = self.kubelet.signal(slot, "TERM") {
                    self.later(Duration::ZERO, Act::Await(slot, id));
                }
            }
            Fault::PowerCut(pods) => self.kubelet.kill(&pods, &mut self.happened),
            Fault::LeaveBehind(time, pods) => {
                let replicas: Vec<_> = REDIS.into_iter().filter(|pod| *pod != self.master).collect();
                for pod in replicas {
                    // They end before they would go on.
                    self.strike(main_of(pod), Blow::Stop(time + Duration::from_secs(1)));
                }
                self.later(time, Act::Begin(Fault::PowerCut(pods)));
            }
            Fault::LoseDisk(whom) => {
                let pod = self.kill(whom);
                self.happened.lost_disk(pod);
                self.kubelet.bed.lose_volume(pod);
            }
            Fault::Damage(whom) => {
                let pod = self.kill(whom);
                if self.kubelet.bed.damage_data(pod) {
                    self.happened.lost_disk(pod);
                } else {
                    self.timeline.note(format!("{pod} has no data that could be damaged"));
                }
            }
            Fault::TearTail(whom) => {
                let pod = self.kill(whom);
                self.kubelet.bed.tear_tail(pod);
            }
            Fault::StepClock(whom, seconds) => {
                let pod = self.kill(whom);
                self.kubelet.bed.date_volume(pod, seconds);
            }
            Fault::LoseMemory(sentinels) => {
                self.kubelet.kill(&sentinels, &mut self.happened);
                for sentinel in sentinels {
                    self.kubelet.bed.lose_memory(sentinel);
                }
            }
            Fault::Delete(whom, time) => {
                let pod = self.kill(whom);
                self.delete(pod, time);
            }
            Fault::Interrupt(struck) => {
                let struck: Vec<_> = struck.into_iter().map(|(whom, strikes)| (self.slot(whom).pod, strikes)).collect();
                let pods: Vec<_> = struck.iter().map(|(pod, _)| *pod).collect();
                self.kubelet.kill(&pods, &mut self.happened);
                for (pod, strikes) in struck {
                    self.later(Duration::ZERO, Act::Watch(pod, strikes));
                }
            }
        }
    }

    /// Kills a pod, and returns which one it was.
    fn kill(&mut self, whom: Whom) -> &'static str {
        let pod = self.slot(whom).pod;
        self.kubelet.kill(&[pod], &mut self.happened);
        pod
    }

    /// Deletes a pod that has been killed, and has it made again after a time.
    fn delete(&mut self, pod: &'static str, time: Duration) {
        self.kubelet.hold(pod);
        // Twice in a round it may be away already.
        self.acts.retain(|(_, act)| !matches!(act, Act::MakeAgain(again) if *again == pod));
        if exists(&self.kubelet.bed, pod) {
            self.kubelet.bed.delete(pod);
        }
        if pod.starts_with("sentinel") {
            self.kubelet.bed.lose_memory(pod);
        }
        self.later(time, Act::MakeAgain(pod));
    }

    fn slot(&self, whom: Whom) -> Slot {
        match whom {
            Whom::Pod(pod) => main_of(pod),
            Whom::Reconcile(pod) => Slot { pod, is_reconcile: true },
            Whom::Master => main_of(REDIS.into_iter().find(|pod| *pod == self.master).expect("a Redis")),
        }
    }

    fn strike(&mut self, slot: Slot, blow: Blow) {
        match blow {
            Blow::Kill => {
                self.timeline.note(format!("kill -9 of {slot}"));
                self.kubelet.kill(&[slot.pod], &mut self.happened);
            }
            Blow::Stop(time) => {
                if let Some(id) = self.kubelet.signal(slot, "STOP") {
                    let program = program(id);
                    self.timeline.note(format!("{slot} is stopped, as {program}"));
                    if slot.pod.starts_with("redis") && program != "ordain" {
                        self.happened.was_stopped(slot.pod);
                    }
                    self.later(time, Act::Continue(slot, id));
                }
            }
        }
    }
}

/// Plays the kubelet until all is as it should be, and still is [`CALM`] later; returns the record, and
/// how long it took.
fn wait_until_healthy(kubelet: &mut Kubelet, happened: &mut Happened) -> Result<(Fence, Duration), String> {
    let began = Instant::now();
    let mut looked: Option<Instant> = None;
    let mut healthy: Option<(Instant, Fence)> = None;
    let mut missing = String::new();
    while began.elapsed() < BOUND + CALM {
        kubelet.tick(happened);
        if looked.is_none_or(|looked| looked.elapsed() > Duration::from_millis(250)) {
            match (health(&kubelet.bed), healthy.take()) {
                (Ok(fence), Some((since, same))) if same == fence => {
                    if since.elapsed() >= CALM {
                        return Ok((fence, since - began));
                    }
                    healthy = Some((since, fence));
                }
                (Ok(fence), _) => healthy = Some((Instant::now(), fence)),
                (Err(obstacle), _) => missing = obstacle,
            }
            looked = Some(Instant::now());
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    Err(missing)
}

/// What the record says if the group is healthy, else the first thing that is not as it should be.
fn health(bed: &Bed) -> Result<Fence, String> {
    let ensure = |is_right: bool, what: String| if is_right { Ok(()) } else { Err(what) };
    let namespace = bed.namespace.as_ref().expect("a cluster");
    let mut masters = Vec::new();
    for pod in REDIS {
        match &bed.role(pod)[..] {
            "" => return Err(format!("{pod} does not answer")),
            "master" => masters.push(pod),
            _ => {}
        }
    }
    let [master] = masters[..] else { return Err(format!("{} masters: {}", masters.len(), masters.join(" "))) };
    for pod in REDIS {
        let info = bed.text(pod, &["INFO"]);
        let says = |words: &str| info.lines().any(|line| line == words);
        // On the disk, too, not in memory alone.
        for words in ["loading:0", "aof_enabled:1", "aof_rewrite_in_progress:0", "aof_rewrite_scheduled:0"] {
            ensure(says(words), format!("{pod} does not say {words}"))?;
        }
        if pod != master {
            let role = bed.role(pod);
            ensure(role == format!("replica of {}", bed.announced(master)), format!("{pod} is {role}, {master} the master"))?;
            ensure(says("master_link_status:up"), format!("the link of {pod} is down"))?;
            ensure(says("slave_priority:100"), format!("{pod} is not electable"))?;
        }
    }
    for sentinel in SENTINELS {
        let named = bed.named_by(sentinel);
        ensure(named == Some(master), format!("{sentinel} names {named:?}, {master} is the master"))?;
        for (field, value) in [("flags", "master"), ("num-slaves", "2"), ("num-other-sentinels", "2")] {
            let said = bed.sentinel_field(sentinel, field);
            ensure(said.as_deref() == Some(value), format!("{sentinel} says {field} {said:?}"))?;
        }
    }
    let fence = Fence::read(namespace).ok_or("the record is missing")?;
    ensure(fence.holder == master, format!("the record names {}, {master} is the master", fence.holder))?;
    let labels = bed.labels();
    let wanted = REDIS.map(|pod| Some(if pod == master { "master" } else { "slave" }.to_owned()));
    ensure(labels == wanted, format!("the labels are {labels:?}, {master} is the master"))?;
    Ok(fence)
}

/// All that helps to find out why.
fn failure(bed: &Bed, seed: u64, round: u64, why: &str, timeline: &Timeline, from: usize) -> String {
    let mut report = format!(
        "CHAOS FAILED: seed {seed}, round {round}: {why}\n\n--- the timeline since the round before\n{}\n",
        timeline.since(from)
    );
    let namespace = bed.namespace.as_ref().expect("a cluster");
    report += &format!("\n--- the record\n{:?}\n", namespace.record("redis"));
    for pod in REDIS {
        report += &format!("{pod} has published {:?}\n", exists(bed, pod).then(|| namespace.told(pod, "disk")));
    }
    for pod in REDIS.iter().chain(&SENTINELS) {
        report += &format!("\n--- the end of the log of {pod}\n{}\n", end(&bed.log(pod)));
    }
    for pod in SENTINELS {
        report += &format!("\n--- the end of the log of the reconcile of {pod}\n{}\n", end(&bed.log_of(pod, "reconcile")));
    }
    report
}

fn main_of(pod: &'static str) -> Slot {
    Slot { pod, is_reconcile: false }
}

fn end(log: &str) -> String {
    let lines: Vec<_> = log.lines().collect();
    lines[lines.len().saturating_sub(200)..].join("\n")
}

fn exists(bed: &Bed, pod: &str) -> bool {
    let namespace = bed.namespace.as_ref().expect("a cluster");
    crate::runtime().block_on(namespace.pods().get_opt(pod)).expect("the API server answers").is_some()
}
