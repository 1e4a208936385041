//! etcd and kube-apiserver with RBAC, one for all tests of a run.

use std::net::{IpAddr, Ipv4Addr, SocketAddrV4, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use anyhow::{Context, Result};
use k8s_openapi::api::authentication::v1::{TokenRequest, TokenRequestSpec};
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::{Namespace as ApiNamespace, Pod, ServiceAccount};
use k8s_openapi::api::events::v1::Event;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::api::{DeleteParams, ListParams, Patch, PatchParams, PostParams};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Api, Client, Config};
use rcgen::KeyPair;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::authority::Authority;
use crate::http1::Http1;
use crate::layout::{Layout, SHARED_SENTINEL};
use crate::process::Process;
use crate::subnet::Subnet;
use crate::{NO_ASSETS, assets, runtime, wait_for};

/// A running control plane.
pub struct ControlPlane {
    servers: Vec<Process>,
    /// The administrator's client: for the testbed's own work, never for ordain's.
    pub admin: Client,
    /// Where the API server listens.
    pub address: Ipv4Addr,
    assets: PathBuf,
    files: TempDir,
    _subnet: Subnet,
}

/// The API server's port.
pub const PORT: u16 = 6443;

impl ControlPlane {
    /// The one of this run; started by whoever asks first.
    pub fn shared() -> &'static Self {
        static SHARED: OnceLock<ControlPlane> = OnceLock::new();
        SHARED.get_or_init(|| {
            let assets = assets().expect(NO_ASSETS);
            Self::start(assets).expect("the control plane starts")
        })
    }

    fn start(assets: PathBuf) -> Result<Self> {
        let subnet = Subnet::take();
        let address = subnet.host(1);
        let files = tempfile::Builder::new().prefix("ordain-control-plane-").tempdir()?;
        let at = |name: &str| files.path().join(name);
        write_certificates(files.path(), address)?;
        // What service accounts ask for, and neither what they sent nor what they got.
        let policy = json!({"apiVersion": "audit.k8s.io/v1", "kind": "Policy", "omitStages": ["RequestReceived"], "rules": [
            {"level": "Metadata", "userGroups": ["system:serviceaccounts"]}, {"level": "None"},
        ]});
        std::fs::write(at("audit-policy.json"), policy.to_string())?;

        let mut etcd = Command::new(assets.join("etcd"));
        etcd.arg("--data-dir").arg(at("etcd")).args([
            "--unsafe-no-fsync",
            "--log-level=warn",
            &format!("--listen-client-urls=http://{address}:2379"),
            &format!("--advertise-client-urls=http://{address}:2379"),
            &format!("--listen-peer-urls=http://{address}:2380"),
            &format!("--initial-advertise-peer-urls=http://{address}:2380"),
            &format!("--initial-cluster=default=http://{address}:2380"),
        ]);
        let etcd = Process::start("etcd", &at("etcd.log"), &etcd);

        let mut server = Command::new(assets.join("kube-apiserver"));
        for (flag, file) in [
            ("--tls-cert-file", "server.crt"),
            ("--tls-private-key-file", "server.key"),
            ("--client-ca-file", "ca.crt"),
            ("--service-account-key-file", "accounts.pub"),
            ("--service-account-signing-key-file", "accounts.key"),
        ] {
            server.arg(format!("{flag}={}", at(file).display()));
        }
        server.args([
            &format!("--etcd-servers=http://{address}:2379"),
            &format!("--bind-address={address}"),
            &format!("--advertise-address={address}"),
            &format!("--secure-port={PORT}"),
            "--authorization-mode=RBAC",
            "--service-account-issuer=https://kubernetes.default.svc",
            "--service-cluster-ip-range=198.18.0.0/16",
            "--endpoint-reconciler-type=none",
            &format!("--audit-policy-file={}", at("audit-policy.json").display()),
            &format!("--audit-log-path={}", at("audit.log").display()),
        ]);
        let server = Process::start("kube-apiserver", &at("kube-apiserver.log"), &server);

        let kubeconfig = json!({
            "apiVersion": "v1", "kind": "Config", "current-context": "it",
            "clusters": [{"name": "it", "cluster": {"server": format!("https://{address}:{PORT}"), "certificate-authority": at("ca.crt")}}],
            "users": [{"name": "it", "user": {"client-certificate": at("admin.crt"), "client-key": at("admin.key")}}],
            "contexts": [{"name": "it", "context": {"cluster": "it", "user": "it"}}],
        });
        std::fs::write(at("admin.kubeconfig"), kubeconfig.to_string())?;
        let admin = client(&at("admin.kubeconfig"))?;
        let mut plane = Self { admin, address, assets, files, _subnet: subnet, servers: vec![server, etcd] };
        plane.wait_until_ready();
        Ok(plane)
    }

    fn wait_until_ready(&mut self) {
        wait_for("the API server", Duration::from_secs(60), || {
            assert!(self.servers.iter_mut().all(|server| server.ended().is_none()), "a server of the control plane has ended");
            let ready = http::Request::get("/readyz").body(Vec::new()).expect("a request");
            runtime().block_on(self.admin.request_text(ready)).ok()
        });
    }

    /// Runs kubectl as the administrator, and returns what it printed.
    ///
    /// # Errors
    /// What kubectl says on stderr.
    pub fn kubectl(&self, arguments: &[&str], input: &str) -> Result<String> {
        use std::io::Write;
        let mut kubectl = self.kubectl_command();
        kubectl.args(arguments);
        let mut child = kubectl.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
        child.stdin.take().context("kubectl's input")?.write_all(input.as_bytes())?;
        let output = child.wait_with_output()?;
        anyhow::ensure!(output.status.success(), "kubectl {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    /// kubectl as the administrator.
    pub fn kubectl_command(&self) -> Command {
        let mut kubectl = Command::new(self.assets.join("kubectl"));
        kubectl.arg("--kubeconfig").arg(self.files.path().join("admin.kubeconfig"));
        kubectl
    }

    /// A proxy before the API server that speaks HTTP/1.1 alone.
    pub fn behind_http1(&self) -> Http1 {
        Http1::before(SocketAddrV4::new(self.address, PORT), self.files.path())
    }

    /// Makes a namespace with the service accounts, Role and RoleBinding that the manifests ship.
    pub fn namespace(&'static self) -> Namespace {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!("test-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let made = runtime().block_on(async {
            let body = serde_json::from_value(json!({"metadata": {"name": name}}))?;
            Api::<ApiNamespace>::all(self.admin.clone()).create(&PostParams::default(), &body).await?;
            // There is no controller-manager here that would make it.
            let account = serde_json::from_value(json!({"metadata": {"name": "default"}}))?;
            Api::<ServiceAccount>::namespaced(self.admin.clone(), &name).create(&PostParams::default(), &account).await?;
            anyhow::Ok(())
        });
        made.expect("a namespace");
        let namespace = Namespace { plane: self, name };
        namespace.allow(&SHARED_SENTINEL);
        namespace
    }
}

/// Takes one right from a Role. Whether it has any for the resource.
pub fn take_right(role: &mut Value, verb: &str, resource: &str) -> bool {
    let rules = role["rules"].as_array_mut().into_iter().flatten().filter(|rule| rule["resources"][0] == resource);
    let mut verbs = rules.filter_map(|rule| rule["verbs"].as_array_mut()).flatten().peekable();
    let has_any = verbs.peek().is_some();
    if has_any {
        // A rule must allow something.
        *verbs.find(|one| **one == verb).expect("a right of its") = "none".into();
    }
    has_any
}

/// A namespace of a test's own.
pub struct Namespace {
    /// The control plane that it is in.
    pub plane: &'static ControlPlane,
    /// Its name.
    pub name: String,
}

impl Namespace {
    /// Applies objects, with strict validation.
    pub fn apply(&self, objects: &[Value]) {
        let list = json!({"apiVersion": "v1", "kind": "List", "items": objects});
        let applied = self.plane.kubectl(&["apply", "-n", &self.name, "--validate=strict", "-f", "-"], &list.to_string());
        applied.expect("the API server takes the manifests");
    }

    /// A token of a service account.
    pub fn token(&self, account: &str) -> String {
        let accounts = Api::<ServiceAccount>::namespaced(self.plane.admin.clone(), &self.name);
        let request = TokenRequest {
            spec: TokenRequestSpec { audiences: vec!["https://kubernetes.default.svc".into()], ..Default::default() },
            ..Default::default()
        };
        let issued = runtime().block_on(accounts.create_token_request(account, &PostParams::default(), &request));
        issued.expect("a token").status.expect("a token").token
    }

    /// The API server's certificate authority.
    pub fn ca(&self) -> String {
        std::fs::read_to_string(self.plane.files.path().join("ca.crt")).expect("the CA")
    }

    /// The files of a service account's volume, as a kubelet mounts it.
    pub fn account(&self, account: &str) -> [(&'static str, String); 3] {
        [("token", self.token(account)), ("ca.crt", self.ca()), ("namespace", self.name.clone())]
    }

    /// Every request of this namespace's service accounts so far, in the order in which they ended: the verb,
    /// and the path without the namespace's, with what was asked of a list.
    pub fn requests(&self) -> Vec<String> {
        let log = std::fs::read_to_string(self.plane.files.path().join("audit.log")).expect("the audit log");
        let before = format!("/namespaces/{}/", self.name);
        let mut told = Vec::new();
        for entry in log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok()) {
            let path = entry["requestURI"].as_str().and_then(|uri| Some(uri.split_once(&before)?.1));
            if let (Some(verb), Some(path)) = (entry["verb"].as_str(), path) {
                told.push(format!("{verb} {path}"));
            }
        }
        told
    }

    /// Every request of one of its service accounts so far, whatever it was about: the verb, and the path with
    /// what was asked of a list.
    pub fn requests_of(&self, account: &str) -> Vec<String> {
        let log = std::fs::read_to_string(self.plane.files.path().join("audit.log")).expect("the audit log");
        let user = format!("system:serviceaccount:{}:{account}", self.name);
        let entries = log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let ours = entries.filter(|entry| entry["user"]["username"] == user.as_str());
        ours.map(|entry| format!("{} {}", text(&entry["verb"]), text(&entry["requestURI"]))).collect()
    }

    /// A kubeconfig of a service account.
    pub fn kubeconfig(&self, account: &str) -> String {
        let server = format!("https://{}:{PORT}", self.plane.address);
        let config = json!({
            "apiVersion": "v1", "kind": "Config", "current-context": "it",
            "clusters": [{"name": "it", "cluster": {"server": server, "certificate-authority": self.plane.files.path().join("ca.crt")}}],
            "users": [{"name": "it", "user": {"token": self.token(account)}}],
            "contexts": [{"name": "it", "context": {"cluster": "it", "user": "it", "namespace": self.name}}],
        });
        config.to_string()
    }

    /// The namespace's Events: what each is about, its reason and its note.
    pub fn events(&self) -> Vec<[String; 3]> {
        let events: Api<Event> = Api::namespaced(self.plane.admin.clone(), &self.name);
        let listed = runtime().block_on(events.list(&ListParams::default())).expect("the Events");
        let told = listed.items.into_iter().map(|event| {
            let about = event.regarding.unwrap_or_default();
            let about = format!("{}/{}", about.kind.unwrap_or_default(), about.name.unwrap_or_default());
            [about, event.reason.unwrap_or_default(), event.note.unwrap_or_default()]
        });
        told.collect()
    }

    /// The Events since then: one of before may say the same.
    pub fn events_since(&self, before: &[[String; 3]]) -> Vec<[String; 3]> {
        let mut events = self.events();
        for event in before {
            events.swap_remove(events.iter().position(|one| one == event).expect("an Event stays"));
        }
        events
    }

    /// The pods.
    pub fn pods(&self) -> Api<Pod> {
        Api::namespaced(self.plane.admin.clone(), &self.name)
    }

    /// The Leases.
    pub fn leases(&self) -> Api<Lease> {
        Api::namespaced(self.plane.admin.clone(), &self.name)
    }

    /// Makes a pod as a StatefulSet's controller makes it, with an address as a kubelet gives it.
    pub fn make_pod(&self, name: &str, template: &Value, ip: IpAddr) {
        let set = name.rsplit_once('-').expect("a pod's name").0;
        self.make_pod_of(Some(controller("apps/v1", "StatefulSet", set)), name, template, ip);
    }

    /// Makes a pod that something else controls, or nothing.
    pub fn make_pod_of(&self, owner: Option<Value>, name: &str, template: &Value, ip: IpAddr) {
        let mut pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": template["metadata"].clone(), "spec": template["spec"].clone()});
        pod["metadata"]["name"] = name.into();
        pod["metadata"]["labels"]["statefulset.kubernetes.io/pod-name"] = name.into();
        pod["metadata"]["ownerReferences"] = owner.into_iter().collect();
        let claims = template["spec"]["volumes"].as_array().cloned().unwrap_or_default();
        let mut volumes = claims;
        volumes.push(json!({"name": "data", "emptyDir": {}}));
        pod["spec"]["volumes"] = volumes.into();
        let made = runtime().block_on(async {
            let pods = self.pods();
            pods.create(&PostParams::default(), &serde_json::from_value(pod)?).await?;
            pods.patch_status(name, &PatchParams::default(), &Patch::Merge(running_at(&[ip]))).await?;
            anyhow::Ok(())
        });
        made.expect("a pod");
    }

    /// Has a pod be at another address, or at several.
    pub fn move_pod(&self, name: &str, ips: &[IpAddr]) {
        let moved = self.pods();
        let moved = runtime().block_on(moved.patch_status(name, &PatchParams::default(), &Patch::Merge(running_at(ips))));
        moved.expect("the pod is moved");
    }

    /// Changes a pod by hand.
    pub fn edit_pod(&self, pod: &str, change: &Value) {
        let edited = runtime().block_on(self.pods().patch(pod, &PatchParams::default(), &Patch::Merge(change)));
        edited.expect("the pod is edited");
    }

    /// Tells of a pod's container what its kubelet would: that it runs since now, or has ended. Where the pod does
    /// not exist nobody is told.
    pub fn tell_container(&self, pod: &str, container: &str, runs: bool) {
        let now = k8s_openapi::jiff::Timestamp::now().to_string();
        let (running, ended) =
            if runs { (json!({"startedAt": now}), Value::Null) } else { (Value::Null, json!({"exitCode": 137})) };
        // How it ended last stays: a kubelet tells of both at once, and the list is replaced as a whole.
        let pod_now = runtime().block_on(self.pods().get_opt(pod)).expect("the API server answers");
        let statuses = pod_now.and_then(|pod| pod.status?.container_statuses).unwrap_or_default();
        let last = statuses.into_iter().find(|status| status.name == container).and_then(|status| status.last_state);
        let told = json!({"name": container, "image": "", "imageID": "", "ready": runs, "restartCount": 0,
            "state": {"running": running, "terminated": ended}, "lastState": last.unwrap_or_default()});
        let status = json!({"status": {"containerStatuses": [told]}});
        let told = runtime().block_on(self.pods().patch_status(pod, &PatchParams::default(), &Patch::Merge(status)));
        assert!(told.is_ok() || matches!(&told, Err(kube::Error::Api(status)) if status.code == 404), "{told:?}");
    }

    /// Has a pod say, as its kubelet does when it starts a container again, that this one has just ended, and why.
    pub fn say_ended(&self, pod: &str, container: &str, reason: &str, code: i32) {
        let ended = json!({"exitCode": code, "reason": reason, "finishedAt": Time(k8s_openapi::jiff::Timestamp::now())});
        let said = json!({"name": container, "image": "", "imageID": "", "ready": false, "restartCount": 1,
            "lastState": {"terminated": ended}});
        let status = json!({"status": {"containerStatuses": [said]}});
        let said = runtime().block_on(self.pods().patch_status(pod, &PatchParams::default(), &Patch::Merge(status)));
        said.expect("the pod says so");
    }

    /// Deletes a pod at once.
    pub fn delete_pod(&self, name: &str) {
        let now = DeleteParams { grace_period_seconds: Some(0), ..DeleteParams::default() };
        runtime().block_on(self.pods().delete(name, &now)).expect("the pod is deleted");
    }

    /// The value of a pod's label.
    pub fn label(&self, pod: &str, key: &str) -> Option<String> {
        let pod = runtime().block_on(self.pods().get(pod)).expect("the pod");
        pod.metadata.labels.unwrap_or_default().get(key).cloned()
    }

    /// The record of a group.
    pub fn record(&self, group: &str) -> Option<Lease> {
        runtime().block_on(self.leases().get_opt(group)).expect("the API server answers")
    }

    /// What a group's record says under one of ordain's annotations, such as `group-id`.
    pub fn noted(&self, group: &str, key: &str) -> Option<String> {
        self.record(group)?.metadata.annotations?.remove(&format!("ordain.dev/{key}"))
    }

    /// Changes a group's record by hand.
    pub fn edit_record(&self, group: &str, change: &Value) {
        let edited = runtime().block_on(self.leases().patch(group, &PatchParams::default(), &Patch::Merge(change)));
        edited.expect("the record is edited");
    }

    /// Deletes a group's record.
    pub fn delete_record(&self, group: &str) {
        runtime().block_on(self.leases().delete(group, &DeleteParams::default())).expect("the record is deleted");
    }

    /// What a pod has noted under one of ordain's annotations, such as `disk`.
    pub fn told(&self, pod: &str, key: &str) -> Option<String> {
        let pod = runtime().block_on(self.pods().get_opt(pod)).expect("the API server answers")?;
        pod.metadata.annotations?.remove(&format!("ordain.dev/{key}"))
    }

    /// Takes everything from a pod that ordain has noted on it.
    pub fn forget(&self, pod: &str) {
        let nothing = json!({"metadata": {
            "labels": {"role": null},
            "annotations": {"ordain.dev/disk": null, "ordain.dev/trying-since": null, "ordain.dev/heard": null, "ordain.dev/transition": null},
        }});
        let forgotten = runtime().block_on(self.pods().patch(pod, &PatchParams::default(), &Patch::Merge(nothing)));
        forgotten.expect("the pod is changed");
    }

    /// Takes all that ordain may do from its service accounts.
    pub fn forbid(&self) {
        self.plane.kubectl(&["delete", "rolebindings", "--all", "-n", &self.name], "").expect("the bindings are deleted");
    }

    /// Takes one right from a Role of a topology.
    pub fn forbid_one(&self, layout: &Layout, role: &str, verb: &str, resource: &str) {
        let mut access = layout.access();
        let role = access.iter_mut().find(|object| object["kind"] == "Role" && object["metadata"]["name"] == role);
        assert!(take_right(role.expect("a Role"), verb, resource), "no rule for {resource}");
        self.apply(&access);
    }

    /// Gives back what a topology's manifests allow.
    pub fn allow(&self, layout: &Layout) {
        self.apply(&layout.access());
    }

    /// Leaves no seat in the API server for requests of this namespace's service accounts, as where it is
    /// overloaded: 429, and `Retry-After` one second. There is one seat for them, and a request that waits for
    /// a webhook sits on it, until what this returns is dropped.
    pub fn make_busy(&self) -> impl Drop {
        let name = format!("busy-{}", self.name);
        let subject = json!({"kind": "ServiceAccount", "serviceAccount": {"name": "*", "namespace": self.name}});
        let all = json!({"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"], "namespaces": ["*"]});
        let limited = json!({"nominalConcurrencyShares": 0, "lendablePercent": 0, "borrowingLimitPercent": 0, "limitResponse": {"type": "Reject"}});
        let silent = TcpListener::bind((self.plane.address, 0)).expect("a port");
        let at = silent.local_addr().expect("its address");
        let objects = [
            json!({"apiVersion": "flowcontrol.apiserver.k8s.io/v1", "kind": "PriorityLevelConfiguration", "metadata": {"name": name},
                "spec": {"type": "Limited", "limited": limited}}),
            json!({"apiVersion": "flowcontrol.apiserver.k8s.io/v1", "kind": "FlowSchema", "metadata": {"name": name},
                "spec": {"matchingPrecedence": 50, "priorityLevelConfiguration": {"name": name}, "rules": [{"subjects": [subject], "resourceRules": [all]}]}}),
            self.webhook(&name, &at.to_string(), 30),
        ];
        self.set_or_delete(true, &objects);
        let account = format!("system:serviceaccount:{}:sentinel", self.name);
        let mut sitting = None;
        wait_for("a request that sits on the one seat", Duration::from_secs(30), || {
            let mut patch = self.plane.kubectl_command();
            patch.args([
                "annotate",
                "pod",
                "redis-0",
                "example.com/sits=true",
                "--overwrite",
                "--as",
                &account,
                "-n",
                &self.name,
            ]);
            sitting = Some(Process::start("kubectl", &self.plane.files.path().join("sitting.log"), &patch));
            wait_for("the webhook's call, or an answer without it", Duration::from_secs(10), || {
                if sitting.as_mut().is_some_and(|sitting| sitting.ended().is_some()) {
                    return Some(None);
                }
                silent.set_nonblocking(true).ok()?;
                silent.accept().ok().map(|(call, _)| Some(call))
            })
        });
        Busy { namespace: self, objects, _sitting: sitting, _silent: silent }
    }

    /// Has every write to a record or a pod of this namespace ask a webhook that nobody answers: 500. Or not.
    pub fn break_writes(&self, breaks: bool) {
        let name = format!("broken-{}", self.name);
        self.set_or_delete(breaks, &[self.webhook(&name, &format!("{}:1", self.plane.address), 5)]);
        let deadline = Duration::from_secs(30);
        let words = ["annotate", "lease", "redis", "example.com/probe=true", "--overwrite", "-n", &self.name];
        wait_for("the webhook", deadline, || (self.plane.kubectl(&words, "").is_err() == breaks).then_some(()));
    }

    /// Has an admission policy refuse a label of this key on one pod of this namespace. Or not.
    pub fn refuse_label(&self, pod: &str, key: &str, is_refused: bool) {
        let name = format!("refused-{}", self.name);
        let rule = json!({"apiGroups": [""], "apiVersions": ["v1"], "operations": ["UPDATE"], "resources": ["pods"]});
        let labels_it = format!("object.metadata.name == '{pod}' && '{key}' in object.metadata.labels");
        let objects = [
            json!({"apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingAdmissionPolicy", "metadata": {"name": name},
                "spec": {"matchConstraints": {"resourceRules": [rule]},
                    "validations": [{"expression": format!("!({labels_it})"), "message": format!("{pod} has no {key}")}]}}),
            json!({"apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingAdmissionPolicyBinding", "metadata": {"name": name},
                "spec": {"policyName": name, "validationActions": ["Deny"],
                    "matchResources": {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": self.name}}}}}),
        ];
        self.set_or_delete(is_refused, &objects);
        let label = format!("{key}=probe");
        let words = ["label", "pod", pod, &label, "--overwrite", "--dry-run=server", "-n", &self.name];
        wait_for("the policy", Duration::from_secs(30), || (self.plane.kubectl(&words, "").is_err() == is_refused).then_some(()));
    }

    /// Makes a Lease that carries ordain's label and is no record.
    pub fn make_junk(&self, name: &str) {
        self.apply(&[junk(name)]);
    }

    /// Makes so many of them, side by side.
    pub fn make_much_junk(&self, count: usize) {
        let leases = self.leases();
        let make = |number: usize| {
            let leases = leases.clone();
            let lease = serde_json::from_value(junk(&format!("junk-{number}"))).expect("a Lease");
            async move { leases.create(&PostParams::default(), &lease).await }
        };
        runtime().block_on(async {
            for batch in (0..count).collect::<Vec<_>>().chunks(100) {
                futures::future::try_join_all(batch.iter().copied().map(make)).await.expect("the Leases are made");
            }
        });
    }

    /// Changes an object as `kubectl patch` does, which reads no times: a merge, or a list of operations.
    pub fn patch_as_it_is(&self, object: &str, change: &Value) {
        let kind = if change.is_array() { "json" } else { "merge" };
        let words = ["patch", object, "-n", &self.name, "--type", kind, "--patch", &change.to_string()];
        self.plane.kubectl(&words, "").expect("the object is changed");
    }

    fn webhook(&self, name: &str, at: &str, seconds: u32) -> Value {
        let rule = |group: &str, resource: &str| json!({"operations": ["UPDATE"], "apiGroups": [group], "apiVersions": ["v1"], "resources": [resource]});
        json!({
            "apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingWebhookConfiguration", "metadata": {"name": name},
            "webhooks": [{
                "name": "webhook.example.com", "sideEffects": "None", "admissionReviewVersions": ["v1"], "failurePolicy": "Fail",
                "timeoutSeconds": seconds,
                "clientConfig": {"url": format!("https://{at}/")},
                "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": self.name}},
                "rules": [rule("coordination.k8s.io", "leases"), rule("", "pods")],
            }],
        })
    }

    fn set_or_delete(&self, is_set: bool, objects: &[Value]) {
        let list = json!({"apiVersion": "v1", "kind": "List", "items": objects}).to_string();
        let verb: &[&str] = if is_set { &["apply", "-f", "-"] } else { &["delete", "-f", "-"] };
        self.plane.kubectl(verb, &list).expect("the API server takes it");
    }

    /// The pod that a group's record names.
    pub fn holder(&self, group: &str) -> Option<String> {
        self.record(group)?.spec?.holder_identity
    }
}

fn running_at(ips: &[IpAddr]) -> Value {
    let all: Vec<_> = ips.iter().map(|ip| json!({"ip": ip.to_string()})).collect();
    json!({"status": {"phase": "Running", "podIP": ips[0].to_string(), "podIPs": all}})
}

fn junk(name: &str) -> Value {
    json!({"apiVersion": "coordination.k8s.io/v1", "kind": "Lease",
        "metadata": {"name": name, "labels": {"app.kubernetes.io/managed-by": "ordain"}}, "spec": {"holderIdentity": "nobody"}})
}

/// An API server without a seat for a namespace's service accounts.
struct Busy<'a> {
    namespace: &'a Namespace,
    objects: [Value; 3],
    _sitting: Option<Process>,
    _silent: TcpListener,
}

impl Drop for Busy<'_> {
    fn drop(&mut self) {
        self.namespace.set_or_delete(false, &self.objects);
    }
}

/// An owner reference of who controls a pod. Nobody here collects what has no owner.
pub fn controller(api: &str, kind: &str, name: &str) -> Value {
    json!({"apiVersion": api, "kind": kind, "name": name, "uid": format!("uid-of-{name}"), "controller": true})
}

fn client(kubeconfig: &Path) -> Result<Client> {
    runtime().block_on(async {
        let kubeconfig = Kubeconfig::read_from(kubeconfig)?;
        let config = Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await?;
        Ok(Client::try_from(config)?)
    })
}

fn write_certificates(folder: &Path, address: Ipv4Addr) -> Result<()> {
    let authority = Authority::new();
    let server = authority.issue(vec![address.to_string()], "kube-apiserver", None);
    let admin = authority.issue(Vec::new(), "admin", Some("system:masters"));
    let accounts = KeyPair::generate()?;
    for (name, text) in [
        ("ca.crt", authority.pem),
        ("server.crt", server.cert),
        ("server.key", server.key),
        ("admin.crt", admin.cert),
        ("admin.key", admin.key),
        ("accounts.key", accounts.serialize_pem()),
        ("accounts.pub", accounts.public_key_pem()),
    ] {
        std::fs::write(folder.join(name), text)?;
    }
    Ok(())
}
