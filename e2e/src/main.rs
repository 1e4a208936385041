//! The manifests on a real cluster, the one that KUBECONFIG names: `make e2e`.
//!
//! `e2e [SCENARIO…]` applies a topology, and for each scenario lets a client in the cluster write
//! through the master Service while something goes wrong. It prints how long the next acknowledged
//! write took, how long the master label took, and which acknowledged writes were lost, beside the
//! bars. `E2E_TOPOLOGY` names one of `e2e/overlays`; `E2E_ROUNDS` says how often; `E2E_CLUSTER=existing`
//! leaves out what needs nodes of our own; with `E2E_TIMES=shown` times are shown and not judged.

mod audit;
mod client;
mod cluster;
mod faults;
mod group;
mod labels;
mod masters;
mod outcome;
mod play;
mod processes;
mod reader;
mod scenario;
mod scenarios;
mod table;
mod writer;

use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use serde_json::Value;

use crate::group::Group;
use crate::play::play;
use crate::scenario::{Need, Scenario};
use crate::scenarios::{ALL, BY_NAME};
use crate::table::Row;

/// Where all of it happens.
const NAMESPACE: &str = "ordain-e2e";
/// From `kubectl apply -k` to all pods ready and labelled.
const FIRST_BOOT: Duration = Duration::from_secs(10);
/// How long the group is left alone to see what it asks of the API server.
const IDLE: Duration = Duration::from_secs(30);

fn main() -> ExitCode {
    match run() {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("e2e: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// How it is run.
struct Setting {
    /// The scenarios that were named; none for all.
    names: Vec<String>,
    topology: String,
    rounds: usize,
    /// Whether the cluster is ours, and its nodes with it.
    has_nodes: bool,
    /// Whether times count, or what is safe alone.
    judges_times: bool,
}

impl Setting {
    fn read() -> Result<Self> {
        let names: Vec<String> = std::env::args().skip(1).collect();
        let all: Vec<_> = ALL.iter().chain(&BY_NAME).map(|scenario| scenario.name).collect();
        let unknown = names.iter().find(|name| !all.contains(&name.as_str()));
        ensure!(unknown.is_none(), "no scenario {unknown:?}: there are {}", all.join(", "));
        let set = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
        let (cluster, times) = (set("E2E_CLUSTER"), set("E2E_TIMES"));
        ensure!(cluster.as_deref().is_none_or(|cluster| cluster == "existing"), "E2E_CLUSTER: `existing`, or nothing");
        ensure!(times.as_deref().is_none_or(|times| times == "shown"), "E2E_TIMES: `shown`, or nothing");
        Ok(Self {
            names,
            topology: set("E2E_TOPOLOGY").unwrap_or_else(|| "shared-sentinel".to_owned()),
            rounds: set("E2E_ROUNDS").map_or(Ok(1), |rounds| rounds.parse())?,
            has_nodes: cluster.is_none(),
            judges_times: times.is_none(),
        })
    }

    fn chosen(&self) -> impl Iterator<Item = &'static Scenario> {
        let is_named = |scenario: &&Scenario| self.names.iter().any(|name| name == scenario.name);
        let of_all = ALL.iter().filter(move |scenario| self.names.is_empty() || is_named(scenario));
        of_all.chain(BY_NAME.iter().filter(is_named))
    }

    /// A scenario's bar here, or why it cannot be played.
    fn bar(&self, scenario: &Scenario, sentinels: &[Value]) -> Result<Duration, &'static str> {
        let is_there = |need: &Need| match need {
            Need::Nodes => self.has_nodes,
            Need::SharedSentinels => {
                sentinels.iter().all(|pod| pod["metadata"]["labels"]["app.kubernetes.io/component"] == "sentinel")
            }
        };
        if let Some(need) = scenario.needs.iter().find(|need| !is_there(need)) {
            return Err(need.lack());
        }
        let bar = if sentinels.is_empty() { scenario.alone } else { Some(scenario.bar) };
        bar.ok_or("nobody elects another master here")
    }
}

/// Whether every bar was kept.
fn run() -> Result<bool> {
    let setting = Setting::read()?;
    let mut group = Group::prepare(NAMESPACE)?;
    let started = Instant::now();
    group.apply(&setting.topology)?;
    let first_boot = started.elapsed();
    println!(
        "{}, first boot: all pods ready and labelled after {:.1} s, bar {} s",
        setting.topology,
        first_boot.as_secs_f64(),
        FIRST_BOOT.as_secs()
    );
    group.wait_until_whole()?;

    let sentinels = group.sentinels()?;
    let mut rows = Vec::new();
    for scenario in setting.chosen() {
        let bar = match setting.bar(scenario, &sentinels) {
            Ok(bar) => bar,
            Err(why) => {
                println!("{}: left out, for {why}", scenario.name);
                continue;
            }
        };
        let mut row = Row::new(scenario, bar);
        for round in 1..=setting.rounds {
            let outcome = play(&group, scenario, round);
            match &outcome {
                Ok(outcome) => {
                    println!("{} {round}: {outcome}", scenario.name);
                    if outcome.writes > bar || !scenario.is_safe(outcome) {
                        println!("{}", group.logs());
                    }
                }
                Err(error) => println!("{} {round}: {error:#}\n{}", scenario.name, group.logs()),
            }
            row.add(outcome);
        }
        rows.push(row);
    }
    print!("{}", table::render(&rows));
    let is_quiet = !setting.has_nodes || is_quiet(&group)?;
    let are_safe = is_quiet && rows.iter().all(Row::is_safe);
    let are_in_time = first_boot <= FIRST_BOOT && rows.iter().all(Row::is_kept);
    Ok(are_safe && (are_in_time || !setting.judges_times))
}

/// Whether in a group to which nothing happens nobody asks the API server for anything but watches, and
/// `reconcile` starts no process.
fn is_quiet(group: &Group) -> Result<bool> {
    group.wait_until_whole()?;
    let processes = processes::last(group)?;
    let before = audit::end()?;
    // There is no event to wait for: what counts is that there is none.
    std::thread::sleep(IDLE);
    let mut requests = audit::requests(NAMESPACE, before)?;
    requests.retain(|request, _| !request.contains(": watch "));
    let started = processes::started(&processes, &processes::last(group)?);
    println!(
        "idle for {} s: {} requests to the API server beside watches {requests:?}, processes that reconcile started {started:?}",
        IDLE.as_secs(),
        requests.values().sum::<usize>()
    );
    println!("in all: {:?}", audit::requests(NAMESPACE, 0)?);
    Ok(requests.is_empty() && started.values().all(|count| *count == 0))
}
