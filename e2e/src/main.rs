//! The manifests on a real cluster, the one that KUBECONFIG names: `make e2e`.
//!
//! `e2e [SCENARIO…]` applies a topology, and for each scenario lets a client in the cluster write
//! through the master Service while something goes wrong. It prints how long the next acknowledged
//! write took, how long the master label took, and which acknowledged writes were lost, beside the
//! bars. `E2E_TOPOLOGY` names one of `e2e/overlays`; `E2E_ROUNDS` says how often; `E2E_CLUSTER=existing`
//! leaves out what needs nodes of our own.

mod audit;
mod cluster;
mod group;
mod labels;
mod masters;
mod processes;
mod scenarios;
mod table;
mod writer;

use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};

use crate::cluster::text;
use crate::group::{Group, REDIS};
use crate::labels::Labels;
use crate::masters::Masters;
use crate::scenarios::{ALL, BY_NAME, Scenario};
use crate::table::{Outcome, Row};
use crate::writer::{Writer, now};

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

/// Whether every bar was kept.
fn run() -> Result<bool> {
    let names: Vec<String> = std::env::args().skip(1).collect();
    let all: Vec<_> = ALL.iter().chain(&BY_NAME).map(|scenario| scenario.name).collect();
    let unknown = names.iter().find(|name| !all.contains(&name.as_str()));
    ensure!(unknown.is_none(), "no scenario {unknown:?}: there are {}", all.join(", "));
    let has_nodes = std::env::var("E2E_CLUSTER").is_err();
    let rounds = std::env::var("E2E_ROUNDS").ok().map_or(Ok(1), |rounds| rounds.parse::<usize>())?;

    let topology = std::env::var("E2E_TOPOLOGY").unwrap_or_else(|_| "shared-sentinel".to_owned());

    let mut group = Group::prepare(NAMESPACE)?;
    let started = Instant::now();
    group.apply(&topology)?;
    let first_boot = started.elapsed();
    println!(
        "{topology}, first boot: all pods ready and labelled after {:.1} s, bar {} s",
        first_boot.as_secs_f64(),
        FIRST_BOOT.as_secs()
    );
    group.wait_until_whole()?;

    let elects = !group.sentinels()?.is_empty();
    let is_named = |scenario: &&Scenario| names.iter().any(|name| name == scenario.name);
    let chosen = ALL.iter().filter(|scenario| names.is_empty() || is_named(scenario)).chain(BY_NAME.iter().filter(is_named));
    let mut rows = Vec::new();
    for scenario in chosen {
        if scenario.needs_nodes && !has_nodes {
            println!("{}: left out, for these nodes are not ours to kill", scenario.name);
            continue;
        }
        if scenario.needs_election && !elects {
            println!("{}: left out, for nobody elects another master here", scenario.name);
            continue;
        }
        let mut row = Row::new(scenario);
        for round in 1..=rounds {
            let outcome = play(&group, scenario, round);
            match &outcome {
                Ok(outcome) => println!("{} {round}: {outcome}", scenario.name),
                Err(error) => println!("{} {round}: {error:#}", scenario.name),
            }
            row.add(outcome);
        }
        rows.push(row);
    }
    print!("{}", table::render(&rows));
    let is_quiet = !has_nodes || is_quiet(&group)?;
    Ok(first_boot <= FIRST_BOOT && is_quiet && rows.iter().all(Row::is_kept))
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

fn play(group: &Group, scenario: &Scenario, round: usize) -> Result<Outcome> {
    group.wait_until_whole()?;
    scenario.prepare(group)?;
    let master = group.master()?;
    let tool = group.tool_beside(&master)?;
    let (masters, mut told) = Masters::watch(group, &tool)?;
    let labels = Labels::watch(&group.namespace, REDIS, move |pod| told.pod(pod))?;
    let prefix = format!("{}-{round}", scenario.name);
    let writer = Writer::start(group, &tool, &group.master_service()?, &prefix)?;
    let event = now();
    (scenario.happen)(group, &master, &writer)?;
    writer.wait_for_writes(50, Duration::from_secs(90))?;
    group.wait_until_whole()?;
    let whole = Duration::from_millis(now() - event);
    writer.wait_for_writes(50, Duration::from_secs(30))?;
    let (report, missing) = writer.stop()?;
    Ok(Outcome {
        writes: report.longest_gap(event),
        label: labels.gap(event),
        whole,
        were_two_labels: labels.were_two(),
        two_masters: masters.stop(),
        acknowledged: report.acknowledged.len(),
        lost: missing.len(),
        lost_delivered: missing.intersection(&report.delivered).count(),
        from: text(&master["metadata"]["name"]),
        to: text(&group.master()?["metadata"]["name"]),
        errors: report.errors,
    })
}
