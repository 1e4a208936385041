//! `takeover` on a real API server, with exactly what `manifests/node-takeover` allows it. The nodes are objects
//! without kubelets: on loopback a port where nobody listens is refused, as by a node that lives, and a black hole
//! is silent, as a dead one.

use std::net::{IpAddr, SocketAddr, TcpListener};
use std::process::Command;
use std::time::{Duration, Instant};

use k8s_openapi::api::core::v1::{Node, Pod, Taint};
use k8s_openapi::api::events::v1::Event;
use k8s_openapi::jiff::{SignedDuration, Timestamp};
use kube::Api;
use kube::api::{ListParams, Patch, PatchParams, PostParams};
use serde_json::{Value, json};
use tempfile::TempDir;
use testbed::black_hole::BlackHole;
use testbed::control_plane::{ControlPlane, Namespace, PORT, take_right};
use testbed::gate::Gate;
use testbed::manifests::kustomize;
use testbed::process::Process;
use testbed::subnet::Subnet;
use testbed::{repository, runtime, wait_for};

use crate::ordain;

/// How long what is done may take on a busy machine: the grace is 2 s here, and a knock at a dead node takes 2 s.
const SOON: Duration = Duration::from_secs(20);
/// The same where a Lease must run out first.
const AFTER_A_TERM: Duration = Duration::from_secs(45);
/// Long enough for several rounds.
const ROUNDS: Duration = Duration::from_secs(5);
const OUT_OF_SERVICE: &str = "node.kubernetes.io/out-of-service";
const KUBELET: u16 = 10250;
const REDIS: u16 = 6379;

/// Nodes of a story's own, and what takeover may do there.
struct Stage {
    namespace: Namespace,
    subnet: Subnet,
    files: TempDir,
    /// What is dead: every port of a node's.
    holes: Vec<(String, BlackHole)>,
    /// The nodes in the order in which they were made, each with its address.
    nodes: Vec<String>,
    pods: Vec<(String, IpAddr)>,
}

impl Stage {
    /// Nodes that are Ready, with a Redis on each.
    fn new(nodes: &[&str]) -> Self {
        Self::allowed_by("manifests/node-takeover", nodes, |_| {})
    }

    /// What it may do is what a folder says, but for an edit.
    fn allowed_by(folder: &str, nodes: &[&str], edit: impl Fn(&mut Value)) -> Self {
        let namespace = ControlPlane::shared().namespace();
        let mut objects = kustomize(&repository().join(folder));
        for object in &mut objects {
            move_to(object, &namespace.name);
            edit(object);
        }
        namespace.apply(&objects);
        let files = tempfile::tempdir().unwrap();
        std::fs::write(files.path().join("kubeconfig"), namespace.kubeconfig("node-takeover")).unwrap();
        let mut stage = Self { namespace, subnet: Subnet::take(), files, holes: Vec::new(), nodes: Vec::new(), pods: Vec::new() };
        for node in nodes {
            stage.add(node);
        }
        stage
    }

    fn add(&mut self, node: &str) {
        self.nodes.push(node.to_owned());
        let name = self.name(node);
        let body = json!({"metadata": {"name": name, "labels": {"stage": self.namespace.name}}});
        let body = serde_json::from_value(body).unwrap();
        runtime().block_on(self.api().create(&PostParams::default(), &body)).expect("a node");
        self.patch_status(
            node,
            &json!({
                "addresses": [{"type": "InternalIP", "address": self.ip(node)}, {"type": "ExternalIP", "address": "192.0.2.1"}],
                "daemonEndpoints": {"kubeletEndpoint": {"Port": KUBELET}},
            }),
        );
        self.set_ready(node, "True", Duration::ZERO);
        let ip = IpAddr::from(self.subnet.host(100 + self.number(node)));
        let pod = format!("redis-{}", self.number(node));
        let labels = json!({"app.kubernetes.io/name": "redis", "app.kubernetes.io/instance": "redis", "app.kubernetes.io/component": "redis"});
        let container = json!({"name": "redis", "image": "redis", "ports": [{"containerPort": REDIS}]});
        let template = json!({"metadata": {"labels": labels}, "spec": {"nodeName": name, "containers": [container]}});
        self.namespace.make_pod(&pod, &template, ip);
        self.pods.push((pod, ip));
    }

    fn number(&self, node: &str) -> u8 {
        u8::try_from(self.nodes.iter().position(|known| known == node).expect("a node of the stage")).unwrap()
    }

    fn name(&self, node: &str) -> String {
        format!("{}-{node}", self.namespace.name)
    }

    fn ip(&self, node: &str) -> IpAddr {
        self.subnet.host(1 + self.number(node)).into()
    }

    fn pod(&self, node: &str) -> &(String, IpAddr) {
        &self.pods[usize::from(self.number(node))]
    }

    fn api(&self) -> Api<Node> {
        Api::all(self.namespace.plane.admin.clone())
    }

    fn patch_status(&self, node: &str, status: &Value) {
        let body = Patch::Strategic(json!({"status": status}));
        runtime().block_on(self.api().patch_status(&self.name(node), &PatchParams::default(), &body)).expect("a status");
    }

    /// What the node controller or the kubelet writes.
    fn set_ready(&self, node: &str, status: &str, ago: Duration) {
        let at = Timestamp::now().checked_sub(SignedDuration::try_from(ago).unwrap()).unwrap().to_string();
        let condition = json!({"type": "Ready", "status": status, "reason": "Story", "lastTransitionTime": at});
        self.patch_status(node, &json!({"conditions": [condition]}));
    }

    /// Nothing there answers any more.
    fn silence(&mut self, node: &str, doors: &[(IpAddr, u16)]) {
        self.holes.extend(doors.iter().map(|(ip, port)| (node.to_owned(), BlackHole::at(*ip, *port))));
    }

    fn doors(&self, node: &str) -> [(IpAddr, u16); 2] {
        [(self.ip(node), KUBELET), (self.pod(node).1, REDIS)]
    }

    /// A power cut: silence, and after a while the node controller says so.
    fn die(&mut self, node: &str) {
        self.silence(node, &self.doors(node));
        self.set_ready(node, "Unknown", Duration::ZERO);
    }

    fn come_back(&mut self, node: &str) {
        self.holes.retain(|(dead, _)| dead != node);
        self.set_ready(node, "True", Duration::ZERO);
    }

    fn set_taints(&self, node: &str, taints: &Value) {
        let body = Patch::Merge(json!({"spec": {"taints": taints}}));
        runtime().block_on(self.api().patch(&self.name(node), &PatchParams::default(), &body)).expect("taints");
    }

    fn exists(&self, node: &str) -> bool {
        runtime().block_on(self.api().get_opt(&self.name(node))).expect("the API server answers").is_some()
    }

    fn taints(&self, node: &str) -> Vec<Taint> {
        let node = runtime().block_on(self.api().get(&self.name(node))).expect("the node");
        node.spec.and_then(|spec| spec.taints).unwrap_or_default()
    }

    fn is_out(&self, node: &str) -> bool {
        self.taints(node).iter().any(|taint| taint.key == OUT_OF_SERVICE)
    }

    fn wait_until_out(&self, node: &str, deadline: Duration) {
        wait_for(&format!("{node} out of service"), deadline, || self.is_out(node).then_some(()));
    }

    fn wait_until_in(&self, node: &str, deadline: Duration) {
        wait_for(&format!("{node} back in service"), deadline, || (!self.is_out(node)).then_some(()));
    }

    /// The reasons and notes of the Events about a node.
    fn events(&self, node: &str) -> Vec<(String, String)> {
        let events: Api<Event> = Api::namespaced(self.namespace.plane.admin.clone(), "default");
        let listed = runtime().block_on(events.list(&ListParams::default())).expect("the Events");
        let about = |event: &Event| {
            let about = event.regarding.clone().unwrap_or_default();
            (about.kind.as_deref(), about.name.as_deref()) == (Some("Node"), Some(&self.name(node)))
        };
        let ours = listed.items.into_iter().filter(about);
        ours.map(|event| (event.reason.unwrap_or_default(), event.note.unwrap_or_default())).collect()
    }

    fn reasons(&self, node: &str) -> Vec<String> {
        self.events(node).into_iter().map(|(reason, _)| reason).collect()
    }

    fn pod_exists(&self, pod: &str) -> bool {
        let pods: Api<Pod> = self.namespace.pods();
        runtime().block_on(pods.get_opt(pod)).expect("the API server answers").is_some()
    }

    fn holder(&self) -> Option<String> {
        self.namespace.holder("node-takeover").filter(|holder| !holder.is_empty())
    }

    /// Whatever it has written but its Lease.
    fn writes(&self) -> Vec<String> {
        let mut asked = self.namespace.requests_of("node-takeover");
        let is_read = |asked: &str| ["get ", "list ", "watch "].iter().any(|verb| asked.starts_with(verb));
        asked.retain(|asked| !is_read(asked) && !asked.contains("/leases/node-takeover"));
        asked
    }

    fn command(&self, pod: &str, arguments: &[&str]) -> Command {
        let mut command = Command::new(ordain());
        command.args(["takeover", "--node-selector", &format!("stage={}", self.namespace.name)]).args(arguments);
        command.env("ORDAIN_GRACE", "2s").env("KUBECONFIG", self.files.path().join("kubeconfig")).env("POD_NAME", pod);
        command
    }

    fn start(&self, pod: &str, arguments: &[&str]) -> Process {
        Process::start(pod, &self.files.path().join(pod), &self.command(pod, arguments))
    }

    /// One that holds the Lease.
    fn started(&self, pod: &str, arguments: &[&str]) -> Process {
        let started = self.start(pod, arguments);
        wait_for_line(&started, "this candidate holds the Lease and acts", SOON);
        started
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        for node in &self.nodes {
            let _ = runtime().block_on(self.api().delete(&self.name(node), &kube::api::DeleteParams::default()));
        }
    }
}

/// Moves an object of the manifests into a story's namespace; what is in none gets a name of its own.
fn move_to(object: &mut Value, namespace: &str) {
    let in_cluster = |kind: &Value| kind == "ClusterRole" || kind == "ClusterRoleBinding";
    if in_cluster(&object["kind"]) {
        object["metadata"]["name"] = format!("node-takeover-{namespace}").into();
    } else {
        object["metadata"]["namespace"] = namespace.into();
    }
    if in_cluster(&object["roleRef"]["kind"]) {
        object["roleRef"]["name"] = format!("node-takeover-{namespace}").into();
    }
    for subject in object["subjects"].as_array_mut().into_iter().flatten() {
        assert_eq!(subject["namespace"], "kube-system", "the account is named with its namespace");
        subject["namespace"] = namespace.into();
    }
}

fn lines(process: &Process, words: &str) -> usize {
    process.log().lines().filter(|line| line.contains(words)).count()
}

fn wait_for_line(process: &Process, words: &str, deadline: Duration) {
    wait_for(&format!("`{words}`"), deadline, || (lines(process, words) > 0).then_some(()));
}

/// For what must not happen there is nothing to wait for.
fn let_rounds_pass() {
    std::thread::sleep(ROUNDS);
}

#[test]
fn a_dead_node_is_tainted_once_after_the_grace_and_told_of() {
    let mut stage = Stage::new(&["a", "b", "c"]);
    let takeover = stage.started("one", &["--grace", "6s"]);
    let before = stage.taints("c");
    let died = Instant::now();
    stage.die("c");
    stage.wait_until_out("c", SOON);
    assert!(died.elapsed() >= Duration::from_secs(6), "after the grace");
    assert_eq!(lines(&takeover, "the node has been silent for less than 6s"), 1, "{}", takeover.log());
    let taints = stage.taints("c");
    assert!(!before.is_empty() && before.iter().all(|taint| taints.contains(taint)), "the others stay: {taints:?}");
    let taint = taints.iter().find(|taint| taint.key == OUT_OF_SERVICE).unwrap();
    assert_eq!((taint.value.as_deref(), taint.effect.as_str()), (Some("nodeshutdown"), "NoExecute"));
    let_rounds_pass();
    let events = stage.events("c");
    let [(reason, note)] = &events[..] else { panic!("one Event: {events:?}") };
    assert_eq!(reason, "OutOfService");
    assert!(note.contains(&format!("it hosts {}/redis-2", stage.namespace.name)), "{note}");
    assert_eq!(lines(&takeover, "acted"), 1, "{}", takeover.log());
    let writes = stage.writes();
    assert_eq!(writes.len(), 2, "the taint and the Event: {writes:?}");
    assert!(!stage.is_out("a") && !stage.is_out("b"));
}

#[test]
fn a_time_that_no_calendar_has_keeps_no_dead_node_in_service() {
    let mut stage = Stage::new(&["a", "b", "c"]);
    let at = "9999-12-31T23:59:59Z";
    let managed = json!([{"op": "replace", "path": "/metadata/managedFields/0/time", "value": at}]);
    for object in [&format!("pod/{}", stage.pod("a").0), &format!("node/{}", stage.name("a"))] {
        stage.namespace.patch_as_it_is(object, &managed);
    }
    let times = json!({"spec": {"acquireTime": "9999-12-31T23:59:59.000000-01:00"}});
    stage.namespace.patch_as_it_is("lease/node-takeover", &times);
    let _takeover = stage.started("one", &[]);
    stage.die("c");
    stage.wait_until_out("c", SOON);
}

#[test]
fn a_node_on_which_anything_answers_is_left_alone_until_nothing_does() {
    let mut stage = Stage::new(&["a", "b", "c"]);
    let takeover = stage.started("one", &[]);
    let [kubelet, redis] = stage.doors("c");
    let listener = TcpListener::bind(kubelet).unwrap();
    stage.silence("c", &[redis]);
    stage.set_ready("c", "Unknown", Duration::ZERO);
    wait_for_line(&takeover, &format!("{}:{} accepts a connection", kubelet.0, kubelet.1), SOON);
    drop(listener);
    wait_for_line(&takeover, &format!("{}:{} refuses a connection", kubelet.0, kubelet.1), SOON);
    // The kubelet is silent, and the Redis answers.
    stage.holes.clear();
    stage.silence("c", &[kubelet]);
    wait_for_line(&takeover, &format!("{}:{} refuses a connection", redis.0, redis.1), SOON);
    let_rounds_pass();
    assert_eq!(stage.writes(), [""; 0]);
    stage.silence("c", &[redis]);
    stage.wait_until_out("c", SOON);
}

#[test]
fn where_nodes_that_live_do_not_answer_either_silence_proves_nothing() {
    let mut stage = Stage::new(&["a", "b", "c"]);
    for node in ["a", "b"] {
        stage.silence(node, &stage.doors(node));
    }
    let takeover = stage.started("one", &[]);
    stage.die("c");
    wait_for_line(&takeover, "only 0 of 2 nodes that are Ready answer", SOON);
    let_rounds_pass();
    assert_eq!(stage.writes(), [""; 0]);
    stage.holes.retain(|(node, _)| node == "c");
    stage.wait_until_out("c", SOON);
}

#[test]
fn while_a_majority_is_lost_nothing_is_done() {
    let mut stage = Stage::new(&["a", "b", "c"]);
    let takeover = stage.started("one", &[]);
    stage.die("b");
    stage.die("c");
    wait_for_line(&takeover, "only 1 of 3 nodes are Ready", SOON);
    let_rounds_pass();
    assert_eq!(stage.writes(), [""; 0]);
    stage.come_back("b");
    stage.wait_until_out("c", SOON);
    assert!(!stage.is_out("b"));
}

#[test]
fn a_kubelet_that_says_itself_that_it_is_not_ready_lives() {
    let mut stage = Stage::new(&["a", "b", "c"]);
    let takeover = stage.started("one", &[]);
    stage.silence("c", &stage.doors("c"));
    stage.set_ready("c", "False", Duration::from_secs(60));
    wait_for_line(&takeover, "its own kubelet says that it is not Ready", SOON);
    let_rounds_pass();
    assert_eq!(stage.writes(), [""; 0]);
}

#[test]
fn no_more_nodes_are_taken_than_may_be_at_once_and_one_that_is_back_makes_room() {
    let mut stage = Stage::new(&["a", "b", "c", "d", "e"]);
    let takeover = stage.started("one", &[]);
    stage.die("d");
    stage.wait_until_out("d", SOON);
    stage.die("e");
    wait_for_line(&takeover, &format!("out of service already: {}", stage.name("d")), SOON);
    assert!(!stage.is_out("e"));
    stage.come_back("d");
    stage.wait_until_out("e", SOON);
    assert!(!stage.is_out("d"));
}

#[test]
fn a_node_that_is_back_loses_our_taint_and_keeps_a_strangers() {
    let mut stage = Stage::new(&["a", "b", "c"]);
    let strange = json!([{"key": OUT_OF_SERVICE, "value": "nodeshutdown", "effect": "NoExecute"}]);
    stage.set_taints("b", &strange);
    let takeover = stage.started("one", &[]);
    stage.die("c");
    stage.wait_until_out("c", SOON);
    stage.come_back("c");
    stage.wait_until_in("c", SOON);
    wait_for("the Event", SOON, || (stage.reasons("c") == ["BackInService", "OutOfService"]).then_some(()));
    assert!(!stage.taints("c").is_empty(), "the others stay");
    // Nor does it take what a person has set where it was.
    stage.set_taints("c", &strange);
    let_rounds_pass();
    assert!(stage.is_out("b") && stage.is_out("c"), "{}", takeover.log());
}

#[test]
fn of_two_one_acts_and_when_it_is_killed_the_other_does() {
    let mut stage = Stage::new(&["a", "b", "c"]);
    let mut one = stage.started("one", &[]);
    let two = stage.start("two", &[]);
    stage.die("c");
    stage.wait_until_out("c", SOON);
    // The line comes after the taint.
    wait_for_line(&one, "acted", SOON);
    assert_eq!((lines(&one, "acted"), lines(&two, "acts"), lines(&two, "acted")), (1, 0, 0), "{}", two.log());
    one.kill();
    stage.come_back("c");
    stage.wait_until_in("c", AFTER_A_TERM);
    wait_for_line(&two, "acted", SOON);
    assert!(stage.holder().is_some_and(|holder| holder.starts_with("two_")));
}

#[test]
fn of_several_that_find_the_lease_run_out_one_acts() {
    let mut stage = Stage::new(&["a", "b", "c"]);
    let (plane, name) = (stage.namespace.plane, stage.namespace.name.clone());
    let spec = r#"{"spec": {"holderIdentity": "gone", "leaseDurationSeconds": 1, "leaseTransitions": 6}}"#;
    plane.kubectl(&["patch", "lease", "node-takeover", "-n", &name, "--type=merge", "-p", spec], "").unwrap();
    let candidates = ["one", "two", "three", "four"].map(|pod| stage.start(pod, &[]));
    let acting = || candidates.iter().map(|candidate| lines(candidate, "this candidate holds the Lease and acts")).sum::<usize>();
    wait_for("one that acts", SOON, || (acting() > 0).then_some(()));
    stage.die("c");
    stage.wait_until_out("c", SOON);
    let_rounds_pass();
    assert_eq!(acting(), 1);
    let transitions = ["get", "lease", "node-takeover", "-n", &name, "-o", "jsonpath={.spec.leaseTransitions}"];
    assert_eq!(plane.kubectl(&transitions, "").unwrap(), "7");
    let patches = stage.writes().into_iter().filter(|written| written.starts_with("patch ")).count();
    assert_eq!(patches, 1, "{:?}", stage.writes());
}

#[test]
fn one_that_starts_when_a_node_is_long_dead_does_not_wait_for_the_grace_anew() {
    let mut stage = Stage::new(&["a", "b", "c"]);
    stage.die("c");
    stage.set_ready("c", "Unknown", Duration::from_secs(3600));
    let _takeover = stage.started("one", &["--grace", "40s"]);
    // It asks for a quarter of it all the same.
    let_rounds_pass();
    assert!(!stage.is_out("c"));
    stage.wait_until_out("c", Duration::from_secs(30));
}

#[test]
fn a_dry_run_tells_what_it_would_do_and_writes_nothing() {
    let mut stage = Stage::new(&["a", "b", "c"]);
    let takeover = stage.start("one", &["--dry-run"]);
    stage.die("c");
    wait_for_line(&takeover, "would act", SOON);
    let_rounds_pass();
    assert_eq!(lines(&takeover, "would act"), 1, "{}", takeover.log());
    assert!(!stage.is_out("c") && stage.holder().is_none());
    assert!(stage.namespace.requests_of("node-takeover").iter().all(|asked| !asked.contains("/leases/")));
    assert_eq!(stage.writes(), [""; 0]);
}

#[test]
fn by_delete_node_the_node_and_its_pods_go_and_the_next_waits_for_its_return() {
    let mut stage = Stage::allowed_by("manifests/overlays/node-takeover-delete-node", &["a", "b", "c", "d", "e"], |_| {});
    let mut one = stage.started("one", &["--method", "delete-node"]);
    stage.die("d");
    let (pod, _) = stage.pod("d").clone();
    wait_for("the node's deletion", SOON, || (!stage.exists("d")).then_some(()));
    wait_for("the pod's deletion", SOON, || (!stage.pod_exists(&pod)).then_some(()));
    wait_for("the Events", SOON, || (stage.reasons("d") == ["NodeDeleted", "PodFreed"]).then_some(()));
    assert!((0..4).filter(|number| stage.pod_exists(&format!("redis-{number}"))).eq([0, 1, 2]), "no other pod is deleted");
    // Whoever comes next knows of it.
    one.kill();
    let two = stage.start("two", &["--method", "delete-node"]);
    wait_for_line(&two, "this candidate holds the Lease and acts", AFTER_A_TERM);
    stage.die("e");
    wait_for_line(&two, &format!("out of service already: {}", stage.name("d")), SOON);
    assert!(stage.exists("e"));
}

#[test]
fn sigterm_ends_it_and_gives_the_lease_to_the_other_at_once() {
    let stage = Stage::new(&["a", "b", "c"]);
    let mut one = stage.started("one", &[]);
    let two = stage.start("two", &[]);
    std::thread::sleep(Duration::from_secs(1));
    one.signal("TERM");
    let status = wait_for("its end", Duration::from_secs(5), || one.ended());
    assert!(status.success(), "{status}: {}", one.log());
    wait_for_line(&two, "this candidate holds the Lease and acts", Duration::from_secs(5));
}

#[test]
fn sigterm_in_the_midst_of_a_renewal_gives_the_lease_to_the_other_at_once() {
    let stage = Stage::new(&["a", "b", "c"]);
    let server = SocketAddr::new(stage.namespace.plane.address.into(), PORT);
    let gate = Gate::before(server);
    let kubeconfig = stage.files.path().join("behind-the-gate");
    let direct = stage.namespace.kubeconfig("node-takeover");
    std::fs::write(&kubeconfig, direct.replace(&server.to_string(), &gate.address.to_string())).unwrap();
    let mut command = stage.command("one", &[]);
    command.env("KUBECONFIG", kubeconfig);
    let mut one = Process::start("one", &stage.files.path().join("one"), &command);
    wait_for_line(&one, "this candidate holds the Lease and acts", SOON);
    let two = stage.start("two", &[]);
    gate.hold();
    // Whether that was done it now asks, and hears nothing either.
    wait_for_line(&one, "the Lease `node-takeover`: timed out", SOON);
    one.signal("TERM");
    std::thread::sleep(Duration::from_millis(500));
    gate.open();
    let status = wait_for("its end", Duration::from_secs(8), || one.ended());
    assert!(status.success(), "{status}: {}", one.log());
    wait_for_line(&two, "this candidate holds the Lease and acts", Duration::from_secs(5));
}

#[test]
fn while_all_nodes_are_ready_it_asks_for_nothing_but_its_lease() {
    let stage = Stage::new(&["a", "b", "c"]);
    let _one = stage.started("one", &[]);
    let _two = stage.start("two", &[]);
    let (calm, passed) = wait_for("a time with nothing but renewals", SOON * 3, || {
        let started = Instant::now();
        let before = stage.namespace.requests_of("node-takeover").len();
        std::thread::sleep(Duration::from_secs(11));
        let asked = stage.namespace.requests_of("node-takeover").split_off(before);
        asked
            .iter()
            .all(|asked| asked.starts_with("update ") && asked.contains("/leases/node-takeover"))
            .then(|| (asked, started.elapsed()))
    });
    let most = passed.as_secs() / 5 + 1;
    assert!((2..=most).contains(&(calm.len() as u64)), "within {passed:?}: {calm:?}");
}

#[test]
fn what_it_lacks_is_said_in_one_line() {
    let stage = Stage::new(&[]);
    let run = |arguments: &[&str]| {
        let output = stage.command("one", arguments).output().unwrap();
        (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    let (code, said) = run(&["--selector", "role in master"]);
    assert!(code == Some(2) && said.lines().count() == 1 && said.contains("not a valid selector"), "{code:?} {said}");
    let (code, said) = run(&["--lease", "another"]);
    assert!(code == Some(2) && said.contains("the Role must allow `get leases`"), "{code:?} {said}");
    stage.namespace.plane.kubectl(&["delete", "lease", "node-takeover", "-n", &stage.namespace.name], "").unwrap();
    let (code, said) = run(&[]);
    assert!(code == Some(1) && said.contains("there is no Lease `node-takeover`"), "{code:?} {said}");
    let binding = format!("node-takeover-{}", stage.namespace.name);
    stage.namespace.plane.kubectl(&["delete", "clusterrolebinding", &binding], "").unwrap();
    let (code, said) = run(&[]);
    assert!(code == Some(2) && said.contains("the Role must allow `list nodes`"), "{code:?} {said}");
}

#[test]
fn without_any_of_its_rights_it_names_the_one_that_it_lacks() {
    let taint = ("manifests/node-takeover", &[][..]);
    let delete = ("manifests/overlays/node-takeover-delete-node", &["--method", "delete-node"][..]);
    let rights = [
        (taint, "nodes", &["get", "list", "watch", "patch"][..]),
        (taint, "pods", &["list", "watch"]),
        (taint, "events", &["create"]),
        (taint, "leases", &["get", "list", "watch", "update"]),
        (delete, "nodes", &["delete"]),
        (delete, "pods", &["delete"]),
    ];
    let each = rights.iter().flat_map(|(how, resource, verbs)| verbs.iter().map(move |verb| (*how, *resource, *verb)));
    let stages = each.map(|((folder, arguments), resource, verb)| {
        let without = |object: &mut Value| {
            take_right(object, verb, resource);
        };
        let mut stage = Stage::allowed_by(folder, &["a", "b", "c"], without);
        let takeover = stage.start("one", arguments);
        stage.die("c");
        (stage, takeover, format!("cannot {verb} resource {resource}"))
    });
    for (stage, takeover, words) in stages.collect::<Vec<_>>() {
        wait_for(&words, AFTER_A_TERM, || takeover.log().replace(['\\', '"'], "").contains(&words).then_some(()));
        // What it cannot watch it lists again and again; and an act is not undone for want of its Event.
        let may_act = ["watch", "events", "delete"].iter().any(|right| words.contains(right));
        assert!(may_act || !stage.is_out("c"), "{words}: {}", takeover.log());
    }
}
