//! What a hook asks of the API server, for others to ask the same: `bench` compares them.

use std::path::{Path, PathBuf};
use std::process::Command;

use kube::api::{Patch, PatchParams};
use serde_json::{Value, json};

use crate::control_plane::{Namespace, PORT};
use crate::group::{ACCOUNT, Bed, REDIS};
use crate::{repository, runtime};

/// Makes record and labels name redis-0 again, so that there is something to move.
pub fn set_back(bed: &Bed, promoted: &str) {
    assert_ne!(promoted, "redis-0");
    let namespace = cluster(bed);
    let record = namespace.record("redis").expect("a record");
    let transitions = record.spec.and_then(|spec| spec.lease_transitions).unwrap_or_default();
    let older = json!({
        "metadata": {"annotations": {"ordain.dev/config-epoch": "0"}},
        "spec": {"holderIdentity": "redis-0", "leaseTransitions": transitions + 1},
    });
    let merge = PatchParams::default();
    runtime().block_on(namespace.leases().patch("redis", &merge, &Patch::Merge(older))).expect("the record set back");
    for pod in REDIS {
        let role = if pod == "redis-0" { "master" } else { "slave" };
        let label = json!({"metadata": {"labels": {"role": role}}});
        runtime().block_on(namespace.pods().patch(pod, &merge, &Patch::Merge(label))).expect("a label set back");
    }
}

/// The requests of a hook that moves the record and labels three pods, and where they are kept.
pub struct Requests {
    folder: tempfile::TempDir,
    promoted: String,
}

/// A request: its method, its path and the type of its body; and what kubectl does for it.
type Request = (&'static str, String, &'static str, Value, Vec<String>);

impl Requests {
    /// None yet: see [`Requests::prepare`].
    pub fn new(bed: &Bed, promoted: &str) -> Self {
        set_back(bed, promoted);
        Self { folder: tempfile::tempdir().expect("a temporary folder"), promoted: promoted.to_owned() }
    }

    /// Sets all back, and writes the requests for what is there now.
    pub fn prepare(&self, bed: &Bed, promoted: &str) {
        set_back(bed, promoted);
        let requests = self.requests(cluster(bed));
        let lines: Vec<_> =
            requests.iter().map(|(method, path, kind, body, _)| format!("{method} {path} {kind} {}", text(body))).collect();
        std::fs::write(self.file("requests"), lines.join("\n")).expect("the requests");
        for (number, (.., body, _)) in requests.iter().enumerate() {
            std::fs::write(self.file(&number.to_string()), text(body)).expect("a body");
        }
    }

    /// The command of a client that sends them one after the other on one connection.
    pub fn by_bare_client(&self, bed: &Bed) -> Command {
        let mut command = Command::new(repository().join("target/release/bare"));
        command.arg(ACCOUNT).arg(cluster(bed).plane.address.to_string()).arg(PORT.to_string()).arg(self.file("requests"));
        command
    }

    /// The commands of kubectl that send them.
    pub fn by_kubectl(&self, bed: &Bed) -> Vec<Command> {
        let namespace = cluster(bed);
        let command = |(.., words): Request| {
            let mut command = namespace.plane.kubectl_command();
            command.args(["-n", &namespace.name]).args(words);
            command
        };
        self.requests(namespace).into_iter().map(command).collect()
    }

    fn file(&self, name: &str) -> PathBuf {
        Path::new(self.folder.path()).join(name)
    }

    fn requests(&self, namespace: &Namespace) -> Vec<Request> {
        let words = |line: &str, body: usize| -> Vec<String> {
            let file = self.file(&body.to_string()).display().to_string();
            line.split(' ').map(|word| word.replace("FILE", &file)).collect()
        };
        let leases = format!("/apis/coordination.k8s.io/v1/namespaces/{}/leases/redis", namespace.name);
        let pods = format!("/api/v1/namespaces/{}/pods", namespace.name);
        let events = format!("/apis/events.k8s.io/v1/namespaces/{}/events", namespace.name);
        let mut lease = serde_json::to_value(namespace.record("redis").expect("a record")).expect("JSON");
        (lease["apiVersion"], lease["kind"]) = ("coordination.k8s.io/v1".into(), "Lease".into());
        let transitions = lease["spec"]["leaseTransitions"].as_u64().unwrap_or_default() + 1;
        lease["spec"]["holderIdentity"] = self.promoted.as_str().into();
        lease["spec"]["leaseTransitions"] = transitions.into();
        let stamp = format!("{}/{transitions}", lease["metadata"]["uid"].as_str().unwrap_or_default());
        // kubectl is slow enough that a reconcile may have moved the record meanwhile: not under its version.
        let moved = json!({"spec": {"holderIdentity": self.promoted, "leaseTransitions": transitions}});
        let mut requests = vec![
            ("GET", leases.clone(), "application/json", Value::Null, words("get lease redis", 0)),
            ("GET", format!("{pods}?resourceVersion=0"), "application/json", Value::Null, words("get pods", 1)),
            ("PUT", leases, "application/json", lease, words(&format!("patch lease redis --type=merge -p {moved}"), 2)),
        ];
        let others = REDIS.into_iter().filter(|pod| *pod != self.promoted);
        for pod in others.chain([self.promoted.as_str()]) {
            let role = if pod == self.promoted { "master" } else { "slave" };
            let body = json!({"metadata": {"labels": {"role": role}, "annotations": {"ordain.dev/transition": stamp}}});
            let line = format!("patch pod {pod} --type=merge --patch-file FILE");
            let number = requests.len();
            requests.push(("PATCH", format!("{pods}/{pod}"), "application/merge-patch+json", body, words(&line, number)));
        }
        for about in ["Pod", "Lease"] {
            let body = json!({
                "apiVersion": "events.k8s.io/v1", "kind": "Event",
                "metadata": {"name": format!("bench.{}.{transitions}", about.to_lowercase()), "namespace": namespace.name},
                "eventTime": "2026-01-01T00:00:00.000000Z", "action": "Promoted", "reason": "Promoted", "type": "Normal",
                "regarding": {"kind": about, "name": self.promoted, "namespace": namespace.name},
                "reportingController": "example.com/bench", "reportingInstance": "bench", "note": "promoted",
            });
            let number = requests.len();
            requests.push(("POST", events.clone(), "application/json", body, words("create -f FILE", number)));
        }
        requests
    }
}

fn cluster(bed: &Bed) -> &Namespace {
    bed.namespace.as_ref().expect("a cluster")
}

fn text(body: &Value) -> String {
    if body.is_null() { String::new() } else { body.to_string() }
}
