//! kubectl, and the tools on each node.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;

/// The repository's root.
pub fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the crate lies in the repository")
}

/// A namespace of the cluster that KUBECONFIG names.
#[derive(Clone)]
pub struct Namespace(pub String);

impl Namespace {
    /// kubectl in this namespace.
    pub fn kubectl(&self, arguments: &[&str]) -> Command {
        let mut kubectl = Command::new("kubectl");
        kubectl.args(["--namespace", &self.0]).args(arguments);
        kubectl
    }

    /// Runs kubectl, and returns what it printed.
    pub fn run(&self, arguments: &[&str]) -> Result<String> {
        self.run_with(arguments, "")
    }

    /// The same with an input.
    pub fn run_with(&self, arguments: &[&str], input: &str) -> Result<String> {
        let mut kubectl = self.kubectl(arguments);
        let mut child = kubectl.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().context("kubectl")?;
        // Its output is drained while it reads, so that neither waits for the other.
        let mut stdin = child.stdin.take().context("kubectl's input")?;
        let input = input.to_owned();
        let writer = std::thread::spawn(move || stdin.write_all(input.as_bytes()));
        let output = child.wait_with_output()?;
        let _ = writer.join();
        printed(arguments, &output)
    }

    /// The items of a list, as JSON.
    pub fn list(&self, arguments: &[&str]) -> Result<Vec<Value>> {
        let text = self.run(&[&["get", "--output", "json"], arguments].concat())?;
        let list: Value = serde_json::from_str(&text)?;
        Ok(list["items"].as_array().cloned().unwrap_or_default())
    }

    /// The password of the Secret `redis`, where there is one.
    pub fn password(&self) -> Result<Option<String>> {
        let words = ["get", "secret", "redis", "--ignore-not-found", "--output", "go-template={{.data.password | base64decode}}"];
        Ok(Some(self.run(&words)?).filter(|password| !password.is_empty()))
    }

    /// Runs a command in a pod.
    pub fn exec(&self, pod: &str, words: &[&str]) -> Result<String> {
        self.run(&[&["exec", "--request-timeout=5s", pod, "--"], words].concat())
    }

    /// The tool on a node.
    pub fn tool_on(&self, node: &str) -> Result<String> {
        let tools = self.list(&["pods", "--selector", "app=tool"])?;
        let tool = tools.iter().find(|tool| tool["spec"]["nodeName"] == node);
        Ok(text(&tool.with_context(|| format!("no tool on {node}"))?["metadata"]["name"]))
    }

    /// Runs shell words on a pod's node for each process of a pod's container, `$process`, and returns what
    /// they print. They may fail for one that ends in the meantime, such as a probe.
    pub fn for_processes(&self, pod: &Value, container: &str, then: &str) -> Result<String> {
        let id = text(&status(pod, container)?["containerID"]);
        let id = id.rsplit('/').next().unwrap_or_default();
        ensure!(!id.is_empty(), "{} has no container {container}", pod["metadata"]["name"]);
        let script = format!(
            "for group in $(grep -l {id} /proc/[0-9]*/cgroup); do process=${{group%/cgroup}}; process=${{process#/proc/}}; {{ {then}; }} || [ ! -d /proc/$process ] || exit; done"
        );
        let tool = self.tool_on(&text(&pod["spec"]["nodeName"]))?;
        self.exec(&tool, &["sh", "-c", &script])
    }
}

fn printed(arguments: &[&str], output: &Output) -> Result<String> {
    if !output.status.success() {
        bail!("kubectl {}: {}", arguments.join(" "), String::from_utf8_lossy(&output.stderr).trim_end());
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// What became of a pod's container, which may be a sidecar.
pub fn status<'a>(pod: &'a Value, container: &str) -> Result<&'a Value> {
    let kinds = ["containerStatuses", "initContainerStatuses"].into_iter();
    let mut statuses = kinds.filter_map(|kind| pod["status"][kind].as_array()).flatten();
    let status = statuses.find(|status| status["name"] == container);
    status.with_context(|| format!("{} has no container {container}", pod["metadata"]["name"]))
}

/// A value of JSON as text; empty where it is none.
pub fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

/// Runs one of the cluster's own scripts.
pub fn node(script: &str, node: &str) -> Result<()> {
    let path = repository().join("hack/cluster").join(script);
    let status = Command::new(&path).arg(node).status().with_context(|| path.display().to_string())?;
    ensure!(status.success(), "{script} {node}: {status}");
    Ok(())
}

/// Waits until `condition` holds, and says what it last saw where it does not come. The pause only
/// paces the questions.
pub fn wait_for(what: &str, deadline: Duration, mut condition: impl FnMut() -> Result<()>) -> Result<()> {
    let started = Instant::now();
    loop {
        match condition() {
            Ok(()) => return Ok(()),
            Err(error) if started.elapsed() > deadline => return Err(error.context(format!("{what} within {deadline:?}"))),
            Err(_) => std::thread::sleep(Duration::from_millis(200)),
        }
    }
}
