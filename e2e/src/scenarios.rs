//! What goes wrong.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use crate::cluster::{Namespace, node, repository, status, text, wait_for};
use crate::group::{self, Group, REDIS, value};
use crate::writer::Writer;

/// One thing that goes wrong while a client writes.
pub struct Scenario {
    pub name: &'static str,
    /// What is done before the clock runs.
    prepare: fn(&Group) -> Result<()>,
    /// What goes wrong; it returns when the group can be asked whether it is whole again.
    pub happen: fn(&Group, &Value, &Writer) -> Result<()>,
    /// The longest that the next acknowledged write may take.
    pub bar: Duration,
    /// What may be lost.
    pub tolerance: Tolerance,
    /// Seconds and lost writes of today's charts, from FACTS.
    pub today: &'static str,
    /// Whether it needs nodes of our own.
    pub needs_nodes: bool,
    /// Whether its bar needs another master, elected by Sentinel.
    pub needs_election: bool,
}

/// Which acknowledged writes may be lost.
#[derive(PartialEq, Eq)]
pub enum Tolerance {
    None,
    /// Those that no replica had.
    Undelivered,
}

impl Scenario {
    /// Brings the group to where the scenario begins.
    pub fn prepare(&self, group: &Group) -> Result<()> {
        (self.prepare)(group)?;
        group.wait_until_whole()
    }
}

/// `--down-after` of the manifests and what a failover takes.
const FAILOVER: Duration = Duration::from_secs(8);

/// All of them, in the order in which they run.
pub const ALL: [Scenario; 9] = [
    Scenario {
        name: "graceful-delete",
        prepare: nothing,
        happen: |group, master, _| delete(group, master, &[]),
        bar: Duration::from_millis(1500),
        tolerance: Tolerance::None,
        today: "2.5 s, 0 · 11.6 s, 0",
        needs_nodes: false,
        needs_election: true,
    },
    Scenario {
        name: "forced-delete",
        prepare: nothing,
        happen: |group, master, _| delete(group, master, &["--grace-period=0", "--force"]),
        bar: FAILOVER,
        tolerance: Tolerance::Undelivered,
        today: "1.7 s, 1400 · 33.3 s, 0",
        needs_nodes: false,
        needs_election: true,
    },
    Scenario {
        name: "killed-process",
        prepare: a_master_that_never_restarted,
        happen: |group, master, _| each_process(group, master, "redis", "kill -9 $process"),
        bar: Duration::from_secs(2),
        tolerance: Tolerance::None,
        today: "0.8 s, 1478 · 5.8 s, 1392",
        needs_nodes: false,
        needs_election: false,
    },
    Scenario {
        name: "power-cut-of-all",
        prepare: |group| make_master(group, &group.last_pod()?),
        happen: |group, _, _| power_cut(group),
        bar: Duration::from_secs(10),
        tolerance: Tolerance::None,
        today: "2.1 s, 1423 · 68.3 s, 1397",
        needs_nodes: false,
        needs_election: false,
    },
    Scenario {
        name: "lost-volume",
        prepare: a_master_that_never_restarted,
        happen: |group, master, _| each_process(group, master, "redis", "rm -rf /proc/$process/root/data/*; kill -9 $process"),
        bar: FAILOVER,
        tolerance: Tolerance::Undelivered,
        today: "0.6 s, all · 6.0 s, all",
        needs_nodes: false,
        needs_election: true,
    },
    Scenario {
        name: "rolling-update",
        prepare: nothing,
        happen: |group, _, _| rolling_update(group),
        bar: Duration::from_millis(1500),
        tolerance: Tolerance::None,
        today: "-",
        needs_nodes: false,
        needs_election: true,
    },
    Scenario {
        name: "scale-down",
        prepare: |group| {
            scale(group, 5)?;
            make_master(group, &group.last_pod()?)
        },
        happen: |group, _, _| scale(group, 3),
        bar: FAILOVER,
        tolerance: Tolerance::None,
        today: "-",
        needs_nodes: false,
        needs_election: false,
    },
    Scenario {
        name: "lost-node",
        prepare: nothing,
        happen: |_, master, writer| lost_node(master, writer, ["node-kill", "node-start"]),
        bar: FAILOVER,
        tolerance: Tolerance::Undelivered,
        today: "-",
        needs_nodes: true,
        needs_election: true,
    },
    Scenario {
        name: "cut-node",
        prepare: nothing,
        happen: |_, master, writer| lost_node(master, writer, ["node-cut", "node-mend"]),
        bar: FAILOVER,
        tolerance: Tolerance::Undelivered,
        today: "-",
        needs_nodes: true,
        needs_election: true,
    },
];

/// Those that run only where they are named, for they need a cluster of their own: `NODES=4 make cluster`, and
/// storage that any node reaches (`E2E_TOPOLOGY=network-storage`).
pub const BY_NAME: [Scenario; 1] = [Scenario {
    name: "lost-node-takeover",
    prepare: with_takeover,
    happen: taken_over,
    bar: FAILOVER,
    tolerance: Tolerance::Undelivered,
    today: "-",
    needs_nodes: true,
    needs_election: true,
}];

/// Where takeover runs.
const SYSTEM: &str = "kube-system";
/// From the node's Ready going Unknown to all pods ready again, elsewhere: takeover's grace, and what Kubernetes
/// takes to free the pods and to start them.
const ELSEWHERE: Duration = Duration::from_secs(20 + 25);

#[expect(clippy::unnecessary_wraps, reason = "as the other preparations")]
fn nothing(_: &Group) -> Result<()> {
    Ok(())
}

fn each_process(group: &Group, pod: &Value, container: &str, then: &str) -> Result<()> {
    group.namespace.for_processes(pod, container, then).map(drop)
}

fn delete(group: &Group, pod: &Value, how: &[&str]) -> Result<()> {
    let name = text(&pod["metadata"]["name"]);
    group.namespace.run(&[&["delete", "pod", &name, "--wait=false"], how].concat())?;
    wait_for("another pod in its place", Duration::from_secs(60), || {
        let pods = group.pods(REDIS)?;
        let is_back =
            |other: &Value| other["metadata"]["name"] == name.as_str() && other["metadata"]["uid"] != pod["metadata"]["uid"];
        ensure!(pods.iter().any(is_back), "{name} is not back");
        Ok(())
    })
}

fn power_cut(group: &Group) -> Result<()> {
    let redis = group.pods(REDIS)?;
    let sentinels = group.sentinels()?;
    let kill = |pods: &[Value], container: &str| -> Result<()> {
        std::thread::scope(|scope| {
            let kill = |pod| each_process(group, pod, container, "kill -9 $process");
            let killing: Vec<_> = pods.iter().map(|pod| scope.spawn(move || kill(pod))).collect();
            killing.into_iter().try_for_each(|killing| killing.join().expect("a thread"))
        })
    };
    kill(&redis, "redis")?;
    kill(&sentinels, "sentinel")?;
    group.namespace.run(&["delete", "pods", "--selector", group::ALL, "--wait=false"])?;
    wait_for("other pods in their place", Duration::from_secs(90), || {
        let now = group.pods(REDIS)?;
        let is_new = |pod: &Value| redis.iter().all(|old| old["metadata"]["uid"] != pod["metadata"]["uid"]);
        ensure!(now.len() == redis.len() && now.iter().all(is_new), "not all are back");
        Ok(())
    })
}

fn rolling_update(group: &Group) -> Result<()> {
    group.namespace.run(&["rollout", "restart", "statefulset", "--selector", REDIS])?;
    group.namespace.run(&["rollout", "status", "statefulset", "--selector", REDIS, "--timeout=180s"]).map(|_| ())
}

/// Scales the last of the group's sets until there are so many pods in all.
fn scale(group: &Group, replicas: usize) -> Result<()> {
    let sets = group.namespace.list(&["statefulsets", "--selector", REDIS])?;
    let (last, others) = sets.split_last().context("a StatefulSet")?;
    let others: u64 = others.iter().filter_map(|set| set["spec"]["replicas"].as_u64()).sum();
    let rest = replicas - usize::try_from(others)?;
    group.namespace.run(&["scale", "statefulset", &text(&last["metadata"]["name"]), &format!("--replicas={rest}")])?;
    wait_for("as many pods", Duration::from_secs(60), || {
        let pods = group.pods(REDIS)?.len();
        ensure!(pods == replicas, "{pods} pods");
        Ok(())
    })?;
    group.wait_until_whole()
}

fn lost_node(master: &Value, writer: &Writer, [lose, regain]: [&str; 2]) -> Result<()> {
    let name = text(&master["spec"]["nodeName"]);
    node(lose, &name)?;
    let written = writer.wait_for_writes(50, Duration::from_secs(60));
    node(regain, &name)?;
    written
}

fn takeover(verb: &str) -> Result<String> {
    let folder = repository().join("manifests/node-takeover");
    Namespace(SYSTEM.to_owned()).run(&[verb, "--kustomize", &folder.to_string_lossy()])
}

fn with_takeover(group: &Group) -> Result<()> {
    let nodes = group.namespace.list(&["nodes"])?.len();
    ensure!(nodes >= 4, "{nodes} nodes: the pods of one are to start beside three others (NODES=4 make cluster)");
    let claims = group.namespace.list(&["persistentvolumeclaims"])?;
    let is_reached = |claim: &Value| claim["spec"]["storageClassName"] == "network";
    ensure!(claims.iter().all(is_reached), "volumes that stay with their node (E2E_TOPOLOGY=network-storage)");
    takeover("apply")?;
    Namespace(SYSTEM.to_owned()).run(&["rollout", "status", "deployment/node-takeover", "--timeout=60s"]).map(|_| ())
}

/// The master's node is lost for good; its pods start elsewhere; then it comes back all the same.
fn taken_over(group: &Group, master: &Value, writer: &Writer) -> Result<()> {
    let name = text(&master["spec"]["nodeName"]);
    let field = |path: &str| group.namespace.run(&["get", "node", &name, "--output", &format!("jsonpath={path}")]);
    let ready = r#"{.status.conditions[?(@.type=="Ready")].status}"#;
    let taints = "{.spec.taints[*].key}";
    node("node-kill", &name)?;
    let freed = (|| {
        writer.wait_for_writes(50, Duration::from_secs(60))?;
        wait_for("the node's Ready is Unknown", Duration::from_secs(90), || {
            let ready = field(ready)?;
            ensure!(ready == "Unknown", "{ready}");
            Ok(())
        })?;
        let lost = Instant::now();
        group.wait_until_whole()?;
        let after = lost.elapsed();
        println!(
            "whole again elsewhere {:.1} s after the node's Ready went Unknown, bar {} s",
            after.as_secs_f64(),
            ELSEWHERE.as_secs()
        );
        ensure!(after <= ELSEWHERE, "whole again only after {after:?}");
        ensure!(field(taints)?.contains("out-of-service"), "{name} was not taken out of service");
        Ok(())
    })();
    node("node-start", &name)?;
    freed?;
    wait_for("the node is Ready without the taint", Duration::from_secs(90), || {
        let (ready, taints) = (field(ready)?, field(taints)?);
        ensure!(ready == "True" && !taints.contains("out-of-service"), "Ready {ready}, taints {taints}");
        Ok(())
    })?;
    takeover("delete").map(|_| ())
}

/// A container's second restart waits for the kubelet's patience, which is not measured here.
fn a_master_that_never_restarted(group: &Group) -> Result<()> {
    let is_fresh = |pod: &&Value| status(pod, "redis").is_ok_and(|redis| redis["restartCount"] == 0);
    let master = group.master()?;
    if is_fresh(&&master) {
        return Ok(());
    }
    let pods = group.pods(REDIS)?;
    let replicas = || pods.iter().filter(|pod| pod["metadata"]["name"] != master["metadata"]["name"]);
    let chosen = replicas().find(is_fresh).or_else(|| replicas().next()).context("a replica")?;
    if !is_fresh(&chosen) {
        delete(group, chosen, &[])?;
        group.wait_until_whole()?;
    }
    make_master(group, &text(&chosen["metadata"]["name"]))
}

/// Has the Sentinels promote one pod: the other replica is stopped until they find it down.
fn make_master(group: &Group, name: &str) -> Result<()> {
    let master = group.master()?;
    // Where nobody elects, nobody else ever leads.
    if master["metadata"]["name"] == name || group.sentinels()?.is_empty() {
        return Ok(());
    }
    let pods = group.pods(REDIS)?;
    let is_other = |pod: &&Value| pod["metadata"]["name"] != name && pod["metadata"]["name"] != master["metadata"]["name"];
    let others: Vec<_> = pods.iter().filter(is_other).collect();
    others.iter().try_for_each(|pod| each_process(group, pod, "redis", "kill -STOP $process"))?;
    let promoted = promote(group, name, others.len());
    others.iter().try_for_each(|pod| each_process(group, pod, "redis", "kill -CONT $process"))?;
    promoted
}

fn promote(group: &Group, name: &str, stopped: usize) -> Result<()> {
    let sentinel = text(&group.sentinels()?.first().context("a Sentinel")?["metadata"]["name"]);
    wait_for("a Sentinel finds the other replica down", Duration::from_secs(20), || {
        let state = group.sentinel(&sentinel, &["replicas", "redis"])?;
        let down = state.lines().filter(|line| line.contains("s_down")).count();
        ensure!(down == stopped, "{down} of {stopped}");
        Ok(())
    })?;
    group.sentinel(&sentinel, &["failover", "redis"])?;
    wait_for("the failover", Duration::from_secs(20), || {
        let state = group.sentinel(&sentinel, &["master", "redis"])?;
        let address = value(&state, "ip").unwrap_or_default().to_owned();
        ensure!(address.starts_with(&format!("{name}.")), "it names {address}");
        Ok(())
    })
}
