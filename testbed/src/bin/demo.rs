//! A failover on a terminal: a group comes up, a client writes, the master is killed, a replica is promoted, and record
//! and labels follow. Each line is a quarter of a second.

use std::io::{IsTerminal, stdout};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use testbed::client::{self, Writer, missing};
use testbed::group::{Bed, REDIS, SENTINELS};
use testbed::{assets, server_binary};

/// How long each step may take.
const STEP: Duration = Duration::from_secs(60);
/// How much of the time a line shows.
const LINE: Duration = Duration::from_millis(250);
/// So many lines show how it is before the kill, and after the failover.
const CALM: usize = 6;
/// So many writes within a line are one `#` of its bar.
const PER_MARK: usize = 2;
const WIDTH: usize = 24;

fn main() -> ExitCode {
    let Some(ordain) = program() else {
        eprintln!("error: no program ordain beside the demo: run `make demo`, or set ORDAIN");
        return ExitCode::FAILURE;
    };
    let on_kubernetes = assets().is_some();
    println!("server   {}", server_binary().display());
    println!("ordain   {}", ordain.display());
    println!(
        "labels   {}",
        if on_kubernetes { "in a real kube-apiserver, started for this demo" } else { "not set: no kube-apiserver here" }
    );
    println!();
    let (master, report, bed) = play(&ordain, on_kubernetes);
    if !judge(&bed, master, &report) {
        return ExitCode::FAILURE;
    }
    what_next(on_kubernetes);
    ExitCode::SUCCESS
}

/// A group comes up, a client writes, the master is killed and comes back as a replica. Who is the master then, and what
/// was acknowledged.
fn play(ordain: &Path, on_kubernetes: bool) -> (&'static str, client::Report, Bed) {
    let mut screen = Screen::new();
    let bed = if on_kubernetes { Bed::on_kubernetes(ordain) } else { Bed::without_kubernetes(ordain) };
    let mut bed = bed.with_quick_failover();
    screen.say("three Redis pods and three Sentinels start, each with a file that ordain wrote");
    bed.start_all();
    bed.wait_for_master("redis-0", STEP);
    bed.wait_for_sentinels(STEP);
    bed.wait_for_promotable(STEP);
    screen.say("redis-0 is the master; every Sentinel knows both replicas, and may promote them");
    if on_kubernetes {
        bed.wait_for_labels("redis-0", STEP);
        screen.show_labels(&bed);
    }

    screen.say("a client writes to the master that the Sentinels name");
    screen.header();
    let writer = bed.writer();
    let mut lines = 0;
    // Something to lose.
    screen.until("the first writes", &bed, &writer, || {
        lines += 1;
        lines > CALM && writer.acknowledged() > 100
    });

    let killed = Instant::now();
    bed.kill("redis-0");
    screen.say("redis-0 is killed (kill -9). The Sentinels wait for down-after, 2 s here, and elect a replica");
    screen.until("a failover", &bed, &writer, || promoted(&bed).is_some());
    let master = bed.wait_for_failover("redis-0", STEP);
    screen.say(&format!(
        "{master} is the master, and every Sentinel names {master}: {} ms after the kill",
        killed.elapsed().as_millis()
    ));
    if on_kubernetes {
        bed.wait_for_labels(master, STEP);
        screen.show_labels(&bed);
    }
    let (before, mut lines) = (writer.acknowledged(), 0);
    screen.until("writes to the new master", &bed, &writer, || {
        lines += 1;
        lines > CALM && writer.acknowledged() > before + 100
    });

    bed.start("redis-0");
    screen.say(&format!("redis-0 starts again: ordain finds that {master} is the master"));
    screen.until("redis-0 as a replica", &bed, &writer, || bed.role("redis-0").starts_with("replica"));
    bed.wait_for_master(master, STEP);
    screen.say(&format!("redis-0 is a replica of {master}, and in sync"));
    let report = writer.stop();
    (master, report, bed)
}

/// Whether the master has all that was acknowledged.
fn judge(bed: &Bed, master: &str, report: &client::Report) -> bool {
    let lost = bed.connect(master).and_then(|mut connection| missing(&mut connection, report));
    let Ok(lost) = lost else {
        eprintln!("error: {master} does not answer at the end");
        return false;
    };
    println!();
    println!("writes acknowledged          {}", report.acknowledged.len());
    println!("of these lost                {}", lost.len());
    println!("longest gap between writes   {} ms", report.longest_gap.as_millis());
    println!(
        "A write counts as acknowledged when a replica has the write, too (WAIT 1). No failover can save what only a dead master had."
    );
    if !lost.is_empty() {
        eprintln!("error: {master} lacks {} acknowledged writes", lost.len());
    }
    lost.is_empty()
}

/// What `ORDAIN` names, else what was built beside this program.
fn program() -> Option<PathBuf> {
    let named = std::env::var_os("ORDAIN").map(PathBuf::from);
    let program = named.or_else(|| Some(std::env::current_exe().ok()?.with_file_name("ordain")))?;
    std::path::absolute(program).ok().filter(|program| program.is_file())
}

/// The pod other than redis-0 that is the master and that every Sentinel names.
fn promoted(bed: &Bed) -> Option<&'static str> {
    let master = REDIS[1..].iter().copied().find(|pod| bed.role(pod) == "master")?;
    SENTINELS.iter().all(|sentinel| bed.named_by(sentinel) == Some(master)).then_some(master)
}

fn what_next(on_kubernetes: bool) {
    println!();
    println!("What to try next:");
    if !on_kubernetes {
        next("make control-plane demo", "the same, with record and labels in a real kube-apiserver (5 minutes to build, once)");
    }
    next("REDIS_SERVER=.cache/servers/valkey-9 make demo", "the same on Valkey 9");
    next("target/debug/ordain genconf-redis --dry-run --pod-name redis-1", "the redis.conf that ordain writes, and why");
    next("make e2e SCENARIOS=lost-node", "a Kubernetes of three nodes on this machine loses a node");
    next("kubectl apply -k manifests/shared-sentinel", "this group on your cluster: README.md, Quick start");
}

fn next(command: &str, shows: &str) {
    println!("  {command:<64}{shows}");
}

/// Lines with the time since the start. Colours are for a terminal only.
struct Screen {
    started: Instant,
    has_colours: bool,
    /// When the last line of the picture was shown, and how many writes there were.
    last: (Instant, usize),
}

impl Screen {
    fn new() -> Self {
        let now = Instant::now();
        Self { started: now, has_colours: stdout().is_terminal(), last: (now, 0) }
    }

    fn say(&self, what: &str) {
        println!("{:6.2} s  {}", self.started.elapsed().as_secs_f64(), self.painted("1", what));
    }

    fn show_labels(&self, bed: &Bed) {
        let labels = bed.labels();
        let shown: Vec<_> =
            REDIS.iter().zip(&labels).map(|(pod, label)| format!("{pod} role={}", label.as_deref().unwrap_or("-"))).collect();
        let holder = bed.namespace.as_ref().and_then(|namespace| namespace.record("redis")?.spec?.holder_identity);
        self.say(&format!("the labels: {}. The record names {}", shown.join(", "), holder.as_deref().unwrap_or("nobody")));
    }

    fn header(&mut self) {
        println!("    time  writes/s {:WIDTH$}  {}   (M master, R replica, x no answer)", "", REDIS.join(" "));
        self.last = (Instant::now(), 0);
    }

    /// Shows the group, a line each [`LINE`], until `condition` holds after one.
    fn until(&mut self, what: &str, bed: &Bed, writer: &Writer, mut condition: impl FnMut() -> bool) {
        let deadline = Instant::now() + STEP;
        loop {
            std::thread::sleep((self.last.0 + LINE).saturating_duration_since(Instant::now()));
            self.show(bed, writer);
            if condition() {
                return;
            }
            assert!(Instant::now() < deadline, "{what} did not come within {STEP:?}");
        }
    }

    fn show(&mut self, bed: &Bed, writer: &Writer) {
        let (now, count) = (Instant::now(), writer.acknowledged());
        let written = count - self.last.1;
        let rate = written as f64 / (now - self.last.0).as_secs_f64();
        self.last = (now, count);
        let bar = "#".repeat((written / PER_MARK).min(WIDTH));
        let pods: Vec<_> = REDIS.iter().map(|pod| self.mark(&bed.role(pod))).collect();
        let time = (now - self.started).as_secs_f64();
        println!("{time:6.2} s  {rate:8.0} {bar:WIDTH$}  {}", pods.join(" ").trim_end());
    }

    /// One letter under a pod's name.
    fn mark(&self, role: &str) -> String {
        let (colour, letter) = match role {
            "master" => ("1;32", "M"),
            "" => ("1;31", "x"),
            _ => ("0", "R"),
        };
        format!("   {}   ", self.painted(colour, letter))
    }

    fn painted(&self, colour: &str, text: &str) -> String {
        if self.has_colours { format!("\x1b[{colour}m{text}\x1b[0m") } else { text.to_owned() }
    }
}
