//! A group of Redis pods and its Sentinels, as a topology's manifests make them.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use crate::cluster::{Namespace, repository, text, wait_for};

/// The pods of the group.
pub const REDIS: &str = "app.kubernetes.io/component=redis";
/// Its Sentinels' pods.
pub const SENTINEL: &str = "app.kubernetes.io/component=sentinel";
/// How long a group may take until it is whole again.
const WHOLE: Duration = Duration::from_secs(150);

/// A group in a namespace of its own, with a tool on each node.
pub struct Group {
    pub namespace: Namespace,
}

impl Group {
    /// An empty namespace with the tools.
    pub fn prepare(name: &str) -> Result<Self> {
        let namespace = Namespace(name.to_owned());
        namespace.run(&["delete", "namespace", name, "--ignore-not-found", "--timeout=120s"])?;
        namespace.run(&["create", "namespace", name])?;
        let tool = repository().join("e2e/tool.yaml");
        namespace.run(&["apply", "--filename", &tool.to_string_lossy()])?;
        namespace.run(&["rollout", "status", "daemonset/tool", "--timeout=60s"])?;
        Ok(Self { namespace })
    }

    /// Applies a topology, and waits until all pods are ready and labelled.
    pub fn apply(&self, topology: &str) -> Result<()> {
        let overlay = repository().join("e2e/overlays").join(topology);
        self.namespace.run(&["apply", "--kustomize", &overlay.to_string_lossy()])?;
        wait_for("all pods ready and labelled", Duration::from_secs(60), || self.check_pods().map(|_| ()))
    }

    /// The group's pods and the Sentinels'.
    pub fn pods(&self, selector: &str) -> Result<Vec<Value>> {
        self.namespace.list(&["pods", "--selector", selector])
    }

    /// The pod that carries the master label.
    pub fn master(&self) -> Result<Value> {
        let mut masters = self.pods(&format!("{REDIS},role=master"))?;
        ensure!(masters.len() == 1, "{} pods carry the master label", masters.len());
        masters.pop().context("a master")
    }

    /// Where clients write.
    pub fn master_service(&self) -> Result<String> {
        let ip = self.namespace.run(&["get", "service", "redis-master", "--output", "jsonpath={.spec.clusterIP}"])?;
        Ok(format!("{ip}:6379"))
    }

    /// A tool on another node than the master's, whatever may happen there.
    pub fn tool_beside(&self, master: &Value) -> Result<String> {
        let tools = self.pods("app=tool")?;
        let other = tools.iter().find(|tool| tool["spec"]["nodeName"] != master["spec"]["nodeName"]).unwrap_or(&tools[0]);
        Ok(text(&other["metadata"]["name"]))
    }

    /// Waits until the group is as after its first start: every pod ready, one master that all
    /// Sentinels name, every other pod its replica that may be promoted.
    pub fn wait_until_whole(&self) -> Result<()> {
        wait_for("the group is whole", WHOLE, || self.check_whole())
    }

    fn check_pods(&self) -> Result<Value> {
        let redis = self.pods(REDIS)?;
        let sentinels = self.pods(SENTINEL)?;
        ensure!(redis.len() == 3 && sentinels.len() == 3, "{} Redis pods, {} Sentinels", redis.len(), sentinels.len());
        for pod in redis.iter().chain(&sentinels) {
            ensure!(pod["metadata"]["deletionTimestamp"].is_null() && is_ready(pod), "{} is not ready", pod["metadata"]["name"]);
        }
        let replicas = redis.iter().filter(|pod| pod["metadata"]["labels"]["role"] == "slave").count();
        ensure!(replicas == 2, "{replicas} pods carry the replica label");
        self.master()
    }

    fn check_whole(&self) -> Result<()> {
        let master = text(&self.check_pods()?["metadata"]["name"]);
        for pod in self.pods(REDIS)? {
            let name = text(&pod["metadata"]["name"]);
            let info = self.namespace.exec(&name, &["redis-cli", "info", "replication"])?;
            let has = |line: &str| info.lines().any(|is| is.trim_end() == line);
            if name == master {
                ensure!(has("role:master") && has("connected_slaves:2"), "{name} is labelled master: {info}");
            } else {
                ensure!(has("master_link_status:up") && !has("slave_priority:0"), "{name} is not fit to be promoted: {info}");
            }
        }
        for pod in self.pods(SENTINEL)? {
            let name = text(&pod["metadata"]["name"]);
            let state = self.sentinel(&name, &["master", "redis"])?;
            let address = value(&state, "ip").unwrap_or_default();
            ensure!(address.starts_with(&format!("{master}.")), "{name} names {address}, and {master} is the master");
            ensure!(value(&state, "flags") == Some("master"), "{name}: flags {:?}", value(&state, "flags"));
        }
        Ok(())
    }

    /// Asks a Sentinel.
    pub fn sentinel(&self, pod: &str, words: &[&str]) -> Result<String> {
        self.namespace.exec(pod, &[&["redis-cli", "-p", "26379", "sentinel"], words].concat())
    }
}

/// The value after a name, in a Sentinel's answer of one word a line.
pub fn value<'a>(answer: &'a str, name: &str) -> Option<&'a str> {
    let position = answer.lines().step_by(2).position(|line| line == name)?;
    answer.lines().nth(2 * position + 1)
}

fn is_ready(pod: &Value) -> bool {
    let conditions = pod["status"]["conditions"].as_array().cloned().unwrap_or_default();
    conditions.iter().any(|condition| condition["type"] == "Ready" && condition["status"] == "True")
}
