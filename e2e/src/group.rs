//! A group of Redis pods and its Sentinels, as a topology's manifests make them.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use crate::cluster::{Namespace, repository, text, wait_for};

/// How long a group may take until it is whole again.
const WHOLE: Duration = Duration::from_secs(150);

/// A group in a namespace with a tool on each node.
pub struct Group {
    pub namespace: Namespace,
    /// Its own name: its StatefulSet's, and what its Services' names begin with.
    pub name: String,
    /// What its clients log in by.
    pub login: Option<String>,
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
        Ok(Self { namespace, name: "redis".to_owned(), login: None })
    }

    /// Another group beside this one, for the same Sentinels.
    pub fn beside(&self, name: &str) -> Self {
        Self { namespace: self.namespace.clone(), name: name.to_owned(), login: None }
    }

    /// Selects its pods; also their StatefulSets.
    pub fn redis(&self) -> String {
        format!("app.kubernetes.io/instance={},app.kubernetes.io/component=redis", self.name)
    }

    /// Selects these and their Sentinels, which may be the same pods.
    pub fn all(&self) -> String {
        format!("app.kubernetes.io/name=redis,app.kubernetes.io/instance in ({},sentinel)", self.name)
    }

    /// Applies a topology, and waits until all pods are ready and labelled.
    pub fn apply(&mut self, topology: &str) -> Result<()> {
        self.namespace.run(&["apply", "--kustomize", &overlay(topology)])?;
        self.login = self.namespace.password()?.map(|password| format!("REDISCLI_AUTH={password}"));
        self.wait_until_ready()
    }

    /// Pods, in the order of their names.
    pub fn pods(&self, selector: &str) -> Result<Vec<Value>> {
        self.namespace.list(&["pods", "--selector", selector])
    }

    /// Words that are run in a pod with what is needed to log in.
    pub fn with_login<'a>(&'a self, words: &[&'a str]) -> Vec<&'a str> {
        let login = self.login.iter().flat_map(|login| ["env", login.as_str()]);
        login.chain(words.iter().copied()).collect()
    }

    /// The pods in which a Sentinel runs; none where nobody elects.
    pub fn sentinels(&self) -> Result<Vec<Value>> {
        let mut pods = self.pods(&self.all())?;
        pods.retain(has_sentinel);
        Ok(pods)
    }

    /// The Redis pod of the highest ordinal, in the last of its sets.
    pub fn last_pod(&self) -> Result<String> {
        Ok(text(&self.pods(&self.redis())?.last().context("a pod")?["metadata"]["name"]))
    }

    /// The pod that carries the master label.
    pub fn master(&self) -> Result<Value> {
        let mut masters = self.pods(&format!("{},role=master", self.redis()))?;
        ensure!(masters.len() == 1, "{} pods carry the master label", masters.len());
        masters.pop().context("a master")
    }

    /// Where clients find the `master`, or a `replica`.
    pub fn service(&self, part: &str) -> Result<String> {
        let name = format!("{}-{part}", self.name);
        let ip = self.namespace.run(&["get", "service", &name, "--output", "jsonpath={.spec.clusterIP}"])?;
        Ok(format!("{ip}:6379"))
    }

    /// A tool on another node than the master's, whatever may happen there.
    pub fn tool_beside(&self, master: &Value) -> Result<String> {
        let tools = self.pods("app=tool")?;
        let other = tools.iter().find(|tool| tool["spec"]["nodeName"] != master["spec"]["nodeName"]).unwrap_or(&tools[0]);
        Ok(text(&other["metadata"]["name"]))
    }

    /// Waits until all pods are ready and labelled.
    pub fn wait_until_ready(&self) -> Result<()> {
        wait_for("all pods ready and labelled", WHOLE, || self.check_pods().map(|_| ()))
    }

    /// Waits until the group is as after its first start: every pod ready, one master that all
    /// Sentinels name, every other pod its replica that may be promoted.
    pub fn wait_until_whole(&self) -> Result<()> {
        wait_for("the group is whole", WHOLE, || self.check_whole())
    }

    /// One question, for the API server and this machine have other work. Gives the Redis pods, the
    /// master first, and the Sentinels' names.
    fn check_pods(&self) -> Result<(Vec<String>, Vec<String>)> {
        let all = self.namespace.list(&["pods,statefulsets", "--selector", &self.all()])?;
        let (pods, sets): (Vec<_>, Vec<_>) = all.into_iter().partition(|object| object["kind"] == "Pod");
        let wanted: u64 = sets.iter().filter_map(|set| set["spec"]["replicas"].as_u64()).sum();
        ensure!(wanted == pods.len() as u64, "{} of {wanted} pods", pods.len());
        for pod in &pods {
            ensure!(pod["metadata"]["deletionTimestamp"].is_null() && is_ready(pod), "{} is not ready", pod["metadata"]["name"]);
        }
        let label = |pod: &Value, key: &str| text(&pod["metadata"]["labels"][key]);
        let names = |is_chosen: &dyn Fn(&Value) -> bool| -> Vec<String> {
            pods.iter().filter(|pod| is_chosen(pod)).map(|pod| text(&pod["metadata"]["name"])).collect()
        };
        let is_redis = |pod: &Value| label(pod, "app.kubernetes.io/component") == "redis";
        let [masters, replicas] = ["master", "slave"].map(|role| names(&|pod| is_redis(pod) && label(pod, "role") == role));
        let all = names(&is_redis).len();
        ensure!(masters.len() == 1 && replicas.len() + 1 == all, "labelled master: {masters:?}, replica: {replicas:?}");
        Ok(([masters, replicas].concat(), names(&has_sentinel)))
    }

    fn check_whole(&self) -> Result<()> {
        let (redis, sentinels) = self.check_pods()?;
        let (master, replicas) = redis.split_first().context("a master")?;
        let info = |pod: &str| self.namespace.exec(pod, &self.with_login(&["redis-cli", "info", "replication"]));
        let has = |info: &str, line: &str| info.lines().any(|is| is.trim_end() == line);
        let told = info(master)?;
        let connected = format!("connected_slaves:{}", replicas.len());
        ensure!(has(&told, "role:master") && has(&told, &connected), "{master} is labelled master: {told}");
        for replica in replicas {
            let told = info(replica)?;
            let may_be_promoted = sentinels.is_empty() || !has(&told, "slave_priority:0");
            ensure!(has(&told, "master_link_status:up") && may_be_promoted, "{replica} may not be promoted: {told}");
        }
        for sentinel in sentinels {
            let state = self.sentinel(&sentinel, "master")?;
            let address = value(&state, "ip").unwrap_or_default();
            ensure!(address.starts_with(&format!("{master}.")), "{sentinel} names {address}, and {master} is the master");
            ensure!(value(&state, "flags") == Some("master"), "{sentinel}: flags {:?}", value(&state, "flags"));
            let seen = self.sentinel(&sentinel, "replicas")?;
            for replica in replicas {
                let reached = flags(&seen, &format!("{replica}."));
                ensure!(reached == Some("slave"), "{sentinel}: flags {reached:?} of {replica}");
            }
        }
        Ok(())
    }

    /// The end of what its pods have logged.
    pub fn logs(&self) -> String {
        let words = ["logs", "--selector", &self.all(), "--all-containers", "--prefix", "--tail=30", "--ignore-errors"];
        self.namespace.run(&words).unwrap_or_else(|error| format!("no logs: {error:#}"))
    }

    /// Asks a Sentinel something about this group.
    pub fn sentinel(&self, pod: &str, word: &str) -> Result<String> {
        self.namespace.exec(pod, &["redis-cli", "-p", "26379", "sentinel", word, &self.name])
    }
}

/// The kustomization of this name.
pub fn overlay(name: &str) -> String {
    repository().join("e2e/overlays").join(name).to_string_lossy().into_owned()
}

/// The value after a name, in a Sentinel's answer of one word a line.
pub fn value<'a>(answer: &'a str, name: &str) -> Option<&'a str> {
    let position = answer.lines().step_by(2).position(|line| line == name)?;
    answer.lines().nth(2 * position + 1)
}

/// The flags of the replica whose address begins so, in a Sentinel's answer about all of them.
fn flags<'a>(answer: &'a str, address: &str) -> Option<&'a str> {
    let lines: Vec<_> = answer.lines().collect();
    let mut pairs = lines.chunks_exact(2).skip_while(|pair| pair[0] != "ip" || !pair[1].starts_with(address));
    pairs.find(|pair| pair[0] == "flags").map(|pair| pair[1])
}

fn has_sentinel(pod: &Value) -> bool {
    let kinds = ["containers", "initContainers"].into_iter();
    kinds.filter_map(|kind| pod["spec"][kind].as_array()).flatten().any(|container| container["name"] == "sentinel")
}

fn is_ready(pod: &Value) -> bool {
    let conditions = pod["status"]["conditions"].as_array().cloned().unwrap_or_default();
    conditions.iter().any(|condition| condition["type"] == "Ready" && condition["status"] == "True")
}
