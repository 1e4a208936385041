//! Measures whole runs of `bin/ordain` against real parts and prints a table: medians, and ratios
//! of one run. It judges nothing.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use testbed::black_hole::BlackHole;
use testbed::group::{Bed, REDIS, SENTINELS};
use testbed::label_watch::LabelWatch;
use testbed::requests::{Requests, set_back};
use testbed::{repository, server_binary, wait_for};
use wait4::Wait4;

const UP: Duration = Duration::from_secs(60);
/// Long, so that nothing fails over while the measuring keeps both cores busy.
const PATIENCE: &str = "60s";

fn main() {
    let ordain = repository().join("bin/ordain");
    print_head(&ordain);
    measure_dry_run(&ordain);

    let folder = tempfile::tempdir().expect("a temporary folder");
    let mut bed = healthy_group(&ordain);
    let decisions = measure_decisions(&mut bed, folder.path());
    measure_restarts(&mut bed, folder.path());
    let promoted = fail_over(&mut bed);
    let hooks = measure_hooks(&bed, folder.path(), promoted);
    drop(bed);
    whole_groups(&ordain);

    println!();
    println!("{:<58} {:>5.2}", "decision: one black-holed / all up", decisions.one_gone.wall / decisions.all_up.wall);
    println!("{:<58} {:>5.2}", "on-failover / bare client, wall", hooks.ordain.wall / hooks.bare.wall);
    println!("{:<58} {:>5.2}", "kubectl for each request / on-failover, wall", hooks.steps.wall / hooks.ordain.wall);
    println!("{:<58} {:>5.2}", "two kubectl label / on-failover, wall", hooks.kubectl.wall / hooks.ordain.wall);
    println!("{:<58} {:>5.2}", "two kubectl label / on-failover, cpu", hooks.kubectl.cpu / hooks.ordain.cpu);
}

/// What is measured, and on what.
fn print_head(ordain: &Path) {
    println!("machine    {} cores, {}", std::thread::available_parallelism().map_or(0, usize::from), cpu());
    println!("server     {}", server_binary().display());
    println!("ordain     {:.1} MB", std::fs::metadata(ordain).expect("bin/ordain: run `make build`").len() as f64 / 1e6);
    println!();
    println!(
        "{:<58} {:>5} {:>9} {:>9} {:>9} {:>9}",
        "medians of whole processes", "runs", "wall ms", "max ms", "cpu ms", "peak MiB"
    );
}

fn measure_dry_run(ordain: &Path) {
    let dry = measure(
        200,
        || (),
        || {
            let mut command = Command::new(ordain);
            command.env_clear().args(["genconf-redis", "--dry-run", "--pod-name", "redis-1"]);
            vec![command]
        },
    );
    dry.print("genconf-redis --dry-run, no network");
}

/// A group that is up, labelled and in sync, with redis-0 as its master.
fn healthy_group(ordain: &Path) -> Bed {
    let mut bed = Bed::on_kubernetes(ordain).with_env("ORDAIN_DOWN_AFTER", PATIENCE);
    bed.start_all();
    bed.wait_for_master("redis-0", UP);
    bed.wait_for_sentinels(UP);
    bed.wait_for_promotable(UP);
    bed.wait_for_labels("redis-0", UP);
    bed.ask("redis-0", &["SET", "key", "value"]).expect("a write");
    bed.put_account_here("redis");
    bed
}

/// A replica's decision.
struct Decisions {
    all_up: Figures,
    one_gone: Figures,
}

fn measure_decisions(bed: &mut Bed, folder: &Path) -> Decisions {
    let decide = |bed: &Bed| vec![bed.bare("redis-2", folder, &["genconf-redis", "--dry-run", "--sentinel-service", "sentinel"])];
    let all_up = measure(40, || (), || decide(bed));
    all_up.print("a replica's decision, three Sentinels up");
    let probe = measure(100, || (), || vec![bed.bare("redis-1", folder, &["probe", "redis", "--readiness"])]);
    probe.print("probe redis --readiness");
    bed.kill("sentinel-2");
    let hole = BlackHole::at(bed.ip("sentinel-2"), 26379);
    let one_gone = measure(40, || (), || decide(bed));
    one_gone.print("a replica's decision, one Sentinel black-holed");
    drop(hole);
    bed.start("sentinel-2");
    bed.wait_for_sentinels(UP);
    Decisions { all_up, one_gone }
}

fn measure_restarts(bed: &mut Bed, folder: &Path) {
    let scratch = |name: &str| folder.join(name).display().to_string();
    let start = |bed: &Bed, pod: &str, data: &str| {
        let (output, data) = (scratch("redis.conf"), scratch(data));
        std::fs::create_dir_all(&data).expect("a data directory");
        let mut command =
            bed.bare(pod, folder, &["genconf-redis", "--sentinel-service", "sentinel", "--data-dir", &data, "--output", &output]);
        command.env("ORDAIN_DOWN_AFTER", PATIENCE);
        vec![command]
    };
    let replica = measure(40, || (), || start(bed, "redis-2", "replica"));
    replica.print("a replica's restart: told, looked, decided, written");
    bed.kill("redis-0");
    std::fs::create_dir_all(scratch("master")).expect("a data directory");
    std::fs::write(folder.join("master/appendonly.aof"), "*1").expect("some data");
    let master = measure(40, || (), || start(bed, "redis-0", "master"));
    master.print("a master's restart: the same, marked, looked again");
    bed.start("redis-0");
    bed.wait_for_master("redis-0", UP);
    bed.wait_for_promotable(UP);
}

/// Has another be promoted; returns which one.
fn fail_over(bed: &mut Bed) -> &'static str {
    bed.fail_over("sentinel-0", UP);
    bed.kill("sentinel-1");
    let promoted = bed.wait_for_failover("redis-0", UP);
    bed.wait_for_labels(promoted, UP);
    // What is set back between the runs is nobody's to put right but the hook's.
    bed.stop_reconciling();
    promoted
}

/// What follows a failover: ordain's hook, and what others do in its place.
struct Hooks {
    ordain: Figures,
    kubectl: Figures,
    bare: Figures,
    steps: Figures,
}

fn measure_hooks(bed: &Bed, folder: &Path, promoted: &str) -> Hooks {
    let on_failover = || {
        let arguments = ["on-failover", "redis", "leader", "start", "redis-0", "6379", promoted, "6379"];
        bed.bare("sentinel-0", folder, &arguments)
    };
    let ordain = measure(40, || set_back(bed, promoted), || vec![on_failover()]);
    bed.wait_for_labels(promoted, UP);
    ordain.print("on-failover: record moved, three pods labelled");
    until_labelled(bed, promoted, on_failover);
    let label = |words: &[&str]| {
        let mut command = bed.namespace.as_ref().expect("a cluster").plane.kubectl_command();
        command.args(["label", "--overwrite", "-n", bed.namespace_name(), "pod"]).args(words);
        command
    };
    let kubectl =
        measure(20, || set_back(bed, promoted), || vec![label(&["--all", "role=slave"]), label(&[promoted, "role=master"])]);
    kubectl.print("the two `kubectl label` calls of a hook in shell");
    let requests = Requests::new(bed, promoted);
    let bare = measure(40, || requests.prepare(bed, promoted), || vec![requests.by_bare_client(bed)]);
    bare.print("a bare client: the hook's requests on one connection");
    let steps = measure(5, || requests.prepare(bed, promoted), || requests.by_kubectl(bed));
    steps.print("`kubectl` for each of the hook's requests");
    Hooks { ordain, kubectl, bare, steps }
}

/// Times from the start of a hook until a watcher of the pods has seen the last label.
fn until_labelled(bed: &Bed, promoted: &str, hook: impl Fn() -> Command) {
    const RUNS: usize = 40;
    let watch = LabelWatch::start(bed.namespace.as_ref().expect("a cluster"));
    let mut times = Vec::new();
    for _ in 0..RUNS {
        set_back(bed, promoted);
        let started = Instant::now();
        let status = hook().stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status();
        assert!(status.is_ok_and(|status| status.success()), "the hook failed");
        let seen = wait_for("the label", UP, || watch.last_of("redis").filter(|(pod, when)| pod == promoted && *when > started));
        times.push((seen.1 - started).as_secs_f64() * 1e3);
    }
    let longest = times.iter().copied().fold(0.0, f64::max);
    println!("{:<58} {RUNS:>5} {:>9.1} {longest:>9.1}", "  until a watcher has seen its last label", median(times));
}

/// Times from the start of the pods' processes until a group serves.
fn whole_groups(ordain: &Path) {
    const RUNS: usize = 5;
    let (mut writable, mut in_sync, mut back) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..RUNS {
        let mut bed = Bed::on_kubernetes(ordain).with_env("ORDAIN_DOWN_AFTER", "20s");
        for pod in REDIS.iter().chain(&SENTINELS) {
            bed.make(pod);
        }
        let started = Instant::now();
        for pod in REDIS.iter().chain(&SENTINELS) {
            bed.start(pod);
        }
        wait_for("the first write", UP, || bed.ask("redis-0", &["SET", "key", "value"]).ok());
        writable.push(started.elapsed().as_secs_f64() * 1e3);
        bed.wait_for_master("redis-0", UP);
        in_sync.push(started.elapsed().as_secs_f64() * 1e3);

        bed.wait_for_sentinels(UP);
        bed.wait_for_promotable(UP);
        bed.hand_over_to("redis-2", UP);
        bed.wait_for_master("redis-2", UP);
        bed.wait_for_labels("redis-2", UP);
        bed.ask("redis-2", &["SET", "key", "another"]).expect("a write");
        for pod in REDIS {
            bed.kill(pod);
        }
        let started = Instant::now();
        for pod in REDIS {
            bed.start(pod);
        }
        wait_for("a write after the power cut", UP, || bed.ask("redis-2", &["SET", "key", "a third"]).ok());
        back.push(started.elapsed().as_secs_f64() * 1e3);
    }
    println!();
    println!("{:<58} {:>5} {:>9} {:>9}", "a whole group, from the start of its processes", "runs", "median ms", "max ms");
    for (what, figures) in [
        ("first boot, three pods at once: the first write", writable),
        ("first boot, three pods at once: all in sync", in_sync),
        ("power cut, master on ordinal 2: the next write", back),
    ] {
        let longest = figures.iter().copied().fold(0.0, f64::max);
        println!("{what:<58} {RUNS:>5} {:>9.1} {longest:>9.1}", median(figures));
    }
}

/// Medians, in milliseconds and MiB.
struct Figures {
    runs: usize,
    wall: f64,
    longest: f64,
    cpu: f64,
    peak: f64,
}

impl Figures {
    fn print(&self, what: &str) {
        let Self { runs, wall, longest, cpu, peak } = self;
        println!("{what:<58} {runs:>5} {wall:>9.1} {longest:>9.1} {cpu:>9.1} {peak:>9.1}");
    }
}

/// Runs the commands one after the other, several times, after one run that is not counted.
fn measure(runs: usize, before: impl Fn(), commands: impl Fn() -> Vec<Command>) -> Figures {
    let (mut wall, mut cpu, mut peak) = (Vec::new(), Vec::new(), Vec::new());
    for run in 0..=runs {
        before();
        let commands = commands();
        let (mut used, mut most) = (Duration::ZERO, 0);
        let started = Instant::now();
        for mut command in commands {
            command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
            let ended = command.spawn().expect("a process").wait4().expect("its end");
            assert!(ended.status.success(), "{command:?} ended with {}", ended.status);
            used += ended.rusage.utime + ended.rusage.stime;
            most = most.max(ended.rusage.maxrss);
        }
        if run > 0 {
            wall.push(started.elapsed().as_secs_f64() * 1e3);
            cpu.push(used.as_secs_f64() * 1e3);
            peak.push(most as f64 / 1024.0 / 1024.0);
        }
    }
    let longest = wall.iter().copied().fold(0.0, f64::max);
    Figures { runs, wall: median(wall), longest, cpu: median(cpu), peak: median(peak) }
}

fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_by(f64::total_cmp);
    figures[figures.len() / 2]
}

fn cpu() -> String {
    let info = std::fs::read_to_string(Path::new("/proc/cpuinfo")).unwrap_or_default();
    let name = info.lines().find_map(|line| line.strip_prefix("model name")?.split_once(':'));
    name.map_or_else(|| "unknown processor".to_owned(), |(_, name)| name.trim().to_owned())
}
