//! How it goes wrong.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use crate::cluster::{Namespace, node, repository, status, text, wait_for};
use crate::group::{Group, overlay, value};
use crate::play::play;
use crate::scenario::Scenario;
use crate::writer::Writer;

/// Where takeover runs.
const SYSTEM: &str = "kube-system";
/// From the node's Ready going Unknown to all pods ready again, elsewhere: takeover's grace, and what Kubernetes
/// takes to free the pods and to start them.
const ELSEWHERE: Duration = Duration::from_secs(20 + 25);

pub fn each_process(group: &Group, pod: &Value, container: &str, then: &str) -> Result<()> {
    group.namespace.for_processes(pod, container, then).map(drop)
}

pub fn delete(group: &Group, pod: &Value, how: &[&str]) -> Result<()> {
    let name = text(&pod["metadata"]["name"]);
    group.namespace.run(&[&["delete", "pod", &name, "--wait=false"], how].concat())?;
    wait_for("another pod in its place", Duration::from_secs(60), || {
        let pods = group.pods(&group.redis())?;
        let is_back =
            |other: &Value| other["metadata"]["name"] == name.as_str() && other["metadata"]["uid"] != pod["metadata"]["uid"];
        ensure!(pods.iter().any(is_back), "{name} is not back");
        Ok(())
    })
}

pub fn power_cut(group: &Group) -> Result<()> {
    let redis = group.pods(&group.redis())?;
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
    group.namespace.run(&["delete", "pods", "--selector", &group.all(), "--wait=false"])?;
    wait_for("other pods in their place", Duration::from_secs(90), || {
        let now = group.pods(&group.redis())?;
        let is_new = |pod: &Value| redis.iter().all(|old| old["metadata"]["uid"] != pod["metadata"]["uid"]);
        ensure!(now.len() == redis.len() && now.iter().all(is_new), "not all are back");
        Ok(())
    })
}

pub fn rolling_update(group: &Group) -> Result<()> {
    group.namespace.run(&["rollout", "restart", "statefulset", "--selector", &group.redis()])?;
    group.namespace.run(&["rollout", "status", "statefulset", "--selector", &group.redis(), "--timeout=180s"]).map(|_| ())
}

/// Scales the last of the group's sets until there are so many pods in all.
pub fn scale(group: &Group, replicas: usize) -> Result<()> {
    let sets = group.namespace.list(&["statefulsets", "--selector", &group.redis()])?;
    let (last, others) = sets.split_last().context("a StatefulSet")?;
    let others: u64 = others.iter().filter_map(|set| set["spec"]["replicas"].as_u64()).sum();
    let rest = replicas - usize::try_from(others)?;
    group.namespace.run(&["scale", "statefulset", &text(&last["metadata"]["name"]), &format!("--replicas={rest}")])?;
    wait_for("as many pods", Duration::from_secs(60), || {
        let pods = group.pods(&group.redis())?.len();
        ensure!(pods == replicas, "{pods} pods");
        Ok(())
    })?;
    group.wait_until_whole()
}

pub fn lost_node(master: &Value, writer: &Writer, [lose, regain]: [&str; 2]) -> Result<()> {
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

pub fn with_takeover(group: &Group) -> Result<()> {
    let nodes = group.namespace.list(&["nodes"])?.len();
    ensure!(nodes >= 4, "{nodes} nodes: the pods of one are to start beside three others (NODES=4 make cluster)");
    let claims = group.namespace.list(&["persistentvolumeclaims"])?;
    let is_reached = |claim: &Value| claim["spec"]["storageClassName"] == "network";
    ensure!(claims.iter().all(is_reached), "volumes that stay with their node (E2E_TOPOLOGY=network-storage)");
    takeover("apply")?;
    Namespace(SYSTEM.to_owned()).run(&["rollout", "status", "deployment/node-takeover", "--timeout=60s"]).map(|_| ())
}

/// The master's node is lost for good; its pods start elsewhere; then it comes back all the same.
pub fn taken_over(group: &Group, master: &Value, writer: &Writer) -> Result<()> {
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
        wait_for("the node is out of service", ELSEWHERE, || {
            let taints = field(taints)?;
            ensure!(taints.contains("out-of-service"), "taints {taints}");
            Ok(())
        })?;
        let out = lost.elapsed();
        group.wait_until_ready()?;
        println!(
            "after the node's Ready went Unknown: out of service after {:.1} s, all pods ready elsewhere after {:.1} s, bar {} s",
            out.as_secs_f64(),
            lost.elapsed().as_secs_f64(),
            ELSEWHERE.as_secs()
        );
        ensure!(lost.elapsed() <= ELSEWHERE, "ready elsewhere only after {:?}", lost.elapsed());
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
pub fn a_master_that_never_restarted(group: &Group) -> Result<()> {
    let is_fresh = |pod: &&Value| status(pod, "redis").is_ok_and(|redis| redis["restartCount"] == 0);
    let master = group.master()?;
    if is_fresh(&&master) {
        return Ok(());
    }
    let pods = group.pods(&group.redis())?;
    let replicas = || pods.iter().filter(|pod| pod["metadata"]["name"] != master["metadata"]["name"]);
    let chosen = replicas().find(is_fresh).or_else(|| replicas().next()).context("a replica")?;
    if !is_fresh(&chosen) {
        delete(group, chosen, &[])?;
        group.wait_until_whole()?;
    }
    make_master(group, &text(&chosen["metadata"]["name"]))
}

/// Has the Sentinels promote one pod: the other replica is stopped until they find it down.
pub fn make_master(group: &Group, name: &str) -> Result<()> {
    let master = group.master()?;
    // Where nobody elects, nobody else ever leads.
    if master["metadata"]["name"] == name || group.sentinels()?.is_empty() {
        return Ok(());
    }
    let pods = group.pods(&group.redis())?;
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
        let state = group.sentinel(&sentinel, "replicas")?;
        let down = state.lines().filter(|line| line.contains("s_down")).count();
        ensure!(down == stopped, "{down} of {stopped}");
        Ok(())
    })?;
    group.sentinel(&sentinel, "failover")?;
    wait_for("the failover", Duration::from_secs(20), || {
        let state = group.sentinel(&sentinel, "master")?;
        let address = value(&state, "ip").unwrap_or_default().to_owned();
        ensure!(address.starts_with(&format!("{name}.")), "it names {address}");
        Ok(())
    })
}

/// A group that the Sentinels learn of at run time, to which something happens, and which they forget.
pub fn another_group(group: &Group, scenario: &Scenario) -> Result<()> {
    let mut other = group.beside("cache-redis");
    other.apply("another-group")?;
    let outcome = play(&other, scenario, 1)?;
    println!("the other group, {}: {outcome}", scenario.name);
    ensure!(scenario.is_safe(&outcome), "the other group lost what it may not lose");

    group.namespace.run(&["delete", "--kustomize", &overlay("another-group")])?;
    wait_for("its pods are gone", Duration::from_secs(90), || {
        let left = other.pods(&other.redis())?.len();
        ensure!(left == 0, "{left} are left");
        Ok(())
    })?;
    let sentinels = group.sentinels()?;
    let sentinel = text(&sentinels.first().context("a Sentinel")?["metadata"]["name"]);
    let forgotten = other.namespace.exec(&sentinel, &["/opt/ordain/ordain", "forget", &other.name, "--yes"]);
    // Its account may not delete the Lease.
    let said = forgotten.err().map(|error| error.to_string()).unwrap_or_default();
    ensure!(said.contains("but the record is left"), "it was not forgotten: {said}");
    group.namespace.run(&["delete", "lease", &other.name])?;
    for pod in &sentinels {
        let name = text(&pod["metadata"]["name"]);
        let known = other.sentinel(&name, "master")?;
        ensure!(known.contains("No such master"), "{name} still watches it: {known}");
    }
    Ok(())
}
