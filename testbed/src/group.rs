//! Three Redis pods and three Sentinels, run as `manifests/shared-sentinel` says or another topology, each in a
//! sandbox.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::Duration;

use redis::{Connection, RedisError, Value};
use serde_json::Value as Json;

use crate::authority::{Authority, Issued};
use crate::client::{Master, Writer, ask, connect, connect_by_tls, master_by_sentinel, text};
use crate::control_plane::{ControlPlane, Namespace, PORT};
use crate::dns::{Answer, NameServer};
use crate::gate::Gate;
use crate::http1::Http1;
use crate::layout::{Layout, SHARED_SENTINEL};
use crate::process::Process;
use crate::sandbox::{Container, EXTRA_CONFIG, Sandbox, list};
use crate::subnet::{Family, Subnet};
use crate::wait_for;

/// Pods, a name server, and a namespace where there is a cluster.
pub struct Bed {
    // Before the sandboxes, which hold the logs.
    servers: BTreeMap<String, Process>,
    /// The namespace; none without Kubernetes.
    pub namespace: Option<Namespace>,
    /// The name server, for faults.
    pub dns: NameServer,
    ordain: PathBuf,
    /// Which pods there are.
    pub layout: &'static Layout,
    env: BTreeMap<String, String>,
    password: Option<String>,
    authority: Option<Authority>,
    reconciles: bool,
    has_gates: bool,
    pub(crate) has_quick_failover: bool,
    /// Between each pod and the API server.
    pub(crate) gates: BTreeMap<String, Gate>,
    /// Between all pods and the API server.
    proxy: Option<Http1>,
    sandboxes: BTreeMap<String, Sandbox>,
    subnet: Subnet,
    family: Family,
    /// Where the pods are that have been given another address than their first.
    moved: BTreeMap<String, u8>,
}

/// By what the servers call themselves where a story does not say it: `ORDAIN_TEST_ANNOUNCE` is `hostname`, `ip` or
/// `ip6`. By address a pod that is made again has another one, as on Kubernetes.
fn announced_by_default() -> (&'static str, Family) {
    match std::env::var("ORDAIN_TEST_ANNOUNCE").as_deref() {
        Err(_) | Ok("hostname") => ("hostname", Family::V4),
        Ok("ip") => ("ip", Family::V4),
        Ok("ip6") => ("ip", Family::V6),
        Ok(other) => panic!("ORDAIN_TEST_ANNOUNCE is `{other}`: it is `hostname`, `ip` or `ip6`"),
    }
}

/// The pods of the group.
pub const REDIS: [&str; 3] = ["redis-0", "redis-1", "redis-2"];
/// The Sentinels' pods.
pub const SENTINELS: [&str; 3] = ["sentinel-0", "sentinel-1", "sentinel-2"];

/// Where a kubelet mounts a pod's service account.
pub const ACCOUNT: &str = "/var/run/secrets/kubernetes.io/serviceaccount";
const PASSWORD_FILE: &str = "/run/secret/password";
/// What the testbed adds to the file of a Sentinel beside a Redis.
const SENTINEL_CONFIG: &str = "/etc/ordain-extra-sentinel.conf";
/// The `down-after` where a failover is to come soon.
pub(crate) const QUICK: Duration = Duration::from_secs(2);
/// And where none is to come.
pub(crate) const PATIENT: Duration = Duration::from_secs(60);
/// After a split vote Sentinel waits for twice this before it tries again.
const SOON_AGAIN: &str = "sentinel failover-timeout redis 5000\n";

impl Bed {
    /// On the shared control plane, in a namespace of its own.
    pub fn on_kubernetes(ordain: &Path) -> Self {
        Self::new(ordain, Some(ControlPlane::shared().namespace()))
    }

    /// Without Kubernetes.
    pub fn without_kubernetes(ordain: &Path) -> Self {
        let bed = Self::new(ordain, None);
        bed.with_env("ORDAIN_NO_KUBERNETES", "true")
            .with_env("ORDAIN_GROUP", "redis")
            .with_env("ORDAIN_SERVICE", "redis-headless.demo.svc.cluster.local")
            .with_env("ORDAIN_SENTINEL_SERVICE", "sentinel.demo.svc.cluster.local")
    }

    fn new(ordain: &Path, namespace: Option<Namespace>) -> Self {
        let subnet = Subnet::take();
        let (announce, family) = announced_by_default();
        Self {
            namespace,
            dns: NameServer::start(&subnet),
            ordain: ordain.to_owned(),
            layout: &SHARED_SENTINEL,
            env: BTreeMap::from([("ORDAIN_ANNOUNCE".to_owned(), announce.to_owned())]),
            password: None,
            authority: None,
            reconciles: true,
            has_gates: false,
            has_quick_failover: false,
            gates: BTreeMap::new(),
            proxy: None,
            sandboxes: BTreeMap::new(),
            servers: BTreeMap::new(),
            subnet,
            family,
            moved: BTreeMap::new(),
        }
    }

    /// Has the pods of another topology.
    pub fn of(self, layout: &'static Layout) -> Self {
        if let Some(namespace) = &self.namespace {
            namespace.allow(layout);
        }
        Self { layout, ..self }
    }

    /// Sets a variable in every pod that is made later, over what the manifests say.
    pub fn with_env(mut self, key: &str, value: &str) -> Self {
        self.env.insert(key.into(), value.into());
        self
    }

    /// Has the servers call themselves by addresses of this family.
    pub fn by_address(self, family: Family) -> Self {
        Self { family, ..self.with_env("ORDAIN_ANNOUNCE", "ip") }
    }

    /// Has Sentinel notice a dead master soon: for tests that kill one. See [`Bed::let_sentinels_be_quick`].
    pub fn with_quick_failover(self) -> Self {
        Self { has_quick_failover: true, ..self.with_down_after(QUICK) }
    }

    /// Has Sentinel find nobody down for a minute: for tests in which it shall not elect.
    pub fn with_patient_sentinels(self) -> Self {
        self.with_down_after(PATIENT)
    }

    fn with_down_after(self, patience: Duration) -> Self {
        self.with_env("ORDAIN_DOWN_AFTER", &format!("{}s", patience.as_secs()))
    }

    /// Starts no reconcile beside the Sentinels: for tests that play its part.
    pub fn without_reconcile(mut self) -> Self {
        self.reconciles = false;
        self
    }

    /// Starts a reconcile beside each Sentinel that is started from now on.
    pub fn reconcile_from_now_on(&mut self) {
        self.reconciles = true;
    }

    /// Ends the reconcile beside each Sentinel.
    pub fn stop_reconciling(&mut self) {
        self.reconciles = false;
        self.servers.retain(|name, _| !name.ends_with("/reconcile"));
    }

    /// Puts a gate between each pod and the API server.
    pub fn with_gates(mut self) -> Self {
        self.has_gates = true;
        self
    }

    /// Puts a proxy between all pods and the API server that speaks no HTTP/2.
    pub fn behind_http1(mut self) -> Self {
        let plane = self.namespace.as_ref().expect("an API server").plane;
        self.proxy = Some(plane.behind_http1());
        self
    }

    /// How many connections that proxy has had.
    pub fn proxied(&self) -> usize {
        self.proxy.as_ref().map_or(0, Http1::connections)
    }

    /// Gives Redis and Sentinel a password, in a file as a Secret's volume has it.
    pub fn with_password(mut self, password: &str) -> Self {
        self.password = Some(password.to_owned());
        self.with_env("ORDAIN_PASSWORD_FILE", PASSWORD_FILE).with_env("ORDAIN_SENTINEL_PASSWORD_FILE", PASSWORD_FILE)
    }

    /// Gives Redis a password where the manifests have their Secret.
    pub fn with_secret(mut self, password: &str) -> Self {
        self.password = Some(password.to_owned());
        self
    }

    /// Has every server speak TLS and nothing else, each with a certificate for its pod.
    pub fn with_tls(mut self) -> Self {
        self.authority = Some(Authority::new());
        self.with_env("ORDAIN_TLS_CA", "/run/tls/ca.crt")
            .with_env("ORDAIN_TLS_CERT", "/run/tls/tls.crt")
            .with_env("ORDAIN_TLS_KEY", "/run/tls/tls.key")
    }

    fn certificate(&self, authority: &Authority, pod: &str) -> Issued {
        let address = self.is_by_address().then(|| self.ip(pod).to_string());
        authority.issue(address.into_iter().chain([self.host_name(pod)]).collect(), pod, None)
    }

    /// The namespace's name.
    pub fn namespace_name(&self) -> &str {
        self.namespace.as_ref().map_or("demo", |namespace| &namespace.name)
    }

    /// A pod's address.
    pub fn ip(&self, pod: &str) -> IpAddr {
        self.ip_of(pod, self.family)
    }

    /// The second address that a pod has once it has two: see [`Bed::add_address`].
    pub fn second_ip(&self, pod: &str) -> IpAddr {
        self.ip_of(pod, self.family.other())
    }

    fn ip_of(&self, pod: &str, family: Family) -> IpAddr {
        let (base, ordinal) = pod_of(pod).rsplit_once('-').expect("a pod's name");
        let ordinal: u8 = ordinal.parse().expect("an ordinal");
        if let Some(last) = self.moved.get(pod_of(pod)) {
            return self.subnet.address(*last, family);
        }
        let from = match base {
            "redis" => 10,
            "redis-replicas" => 40,
            _ => 20,
        };
        self.subnet.address(from + ordinal, family)
    }

    /// Whether servers call themselves by their addresses.
    pub fn is_by_address(&self) -> bool {
        self.env.get("ORDAIN_ANNOUNCE").is_some_and(|value| value == "ip")
    }

    /// Has a pod that does not run be at another address from now on, as one that is made again is.
    pub(crate) fn move_away(&mut self, pod: &str) {
        let last = (60..=250).find(|last| self.moved.values().all(|taken| taken != last)).expect("a free address");
        self.moved.insert(pod.to_owned(), last);
    }

    /// An address of this bed's that is no pod's.
    pub fn strange_ip(&self) -> IpAddr {
        self.subnet.address(30, self.family)
    }

    /// A pod's host name.
    pub fn host_name(&self, pod: &str) -> String {
        let pod = pod_of(pod);
        format!("{pod}.{}", self.service(pod))
    }

    /// What a pod's server calls itself.
    pub fn announced(&self, pod: &str) -> String {
        if self.is_by_address() { self.ip(pod).to_string() } else { self.host_name(pod) }
    }

    /// Where a pod's Redis says that it is, as messages and the record write it.
    pub fn announced_endpoint(&self, pod: &str) -> String {
        if self.is_by_address() {
            SocketAddr::new(self.ip(pod), 6379).to_string()
        } else {
            format!("{}:6379", self.host_name(pod))
        }
    }

    /// Where the others follow a pod: by its name where there is no Sentinel that would tell them of another address.
    fn followed(&self, pod: &str) -> String {
        if self.layout.sentinels.is_empty() { self.host_name(pod) } else { self.announced(pod) }
    }

    /// The domain of a pod's headless Service.
    pub fn service(&self, pod: &str) -> String {
        let service = if pod.starts_with("redis") { "redis-headless" } else { "sentinel" };
        format!("{service}.{}.svc.cluster.local", self.namespace_name())
    }

    /// Makes all pods, and runs them.
    pub fn start_all(&mut self) {
        self.make_all();
        self.start_made();
    }

    /// Makes all pods.
    pub fn make_all(&mut self) {
        for pod in self.pods() {
            self.make(pod);
        }
    }

    /// Runs all pods, for the first time.
    pub fn start_made(&mut self) {
        let once = self.has_quick_failover.then(|| self.make_sentinels_patient_once());
        for pod in self.pods() {
            self.start(pod);
        }
        for (sentinel, config) in once.into_iter().flatten() {
            wait_for(&format!("{sentinel} watching"), Duration::from_secs(30), || self.sentinel_field(sentinel, "flags"));
            self.sandbox(sentinel).write(EXTRA_CONFIG, &config);
        }
    }

    /// Every pod, those of Redis first.
    pub fn pods(&self) -> Vec<&'static str> {
        let alone = self.layout.sentinels.iter().filter(|sentinel| !sentinel.contains('/'));
        self.layout.redis.iter().chain(alone).copied().collect()
    }

    /// Makes a pod: its object, its names, its volumes, and what its initContainers do.
    pub fn make(&mut self, pod: &str) {
        let template = self.layout.template(pod);
        let ip = self.ip(pod);
        self.make_object(pod);
        let mut sandbox = Sandbox::new(pod, ip, &self.dns.resolv_conf(self.namespace_name()));
        sandbox.put_program(&self.ordain, "ordain");
        if pod.starts_with("sentinel") {
            sandbox.append(EXTRA_CONFIG, SOON_AGAIN);
        }
        if self.layout.has_sentinels_beside() {
            sandbox.write(SENTINEL_CONFIG, &format!("bind {ip}\n{SOON_AGAIN}"));
        }
        if let Some(authority) = &self.authority {
            let issued = self.certificate(authority, pod);
            sandbox.write("run/tls/ca.crt", &authority.pem);
            sandbox.write("run/tls/tls.crt", &issued.cert);
            sandbox.write("run/tls/tls.key", &issued.key);
        }

        let spec = &template["spec"];
        let fields = BTreeMap::from([
            ("metadata.name", pod.to_owned()),
            ("metadata.namespace", self.namespace_name().to_owned()),
            ("status.podIP", ip.to_string()),
        ]);
        let read = |container: &Json| {
            let mut read = Container::read(container, spec, &fields);
            let own = std::mem::replace(&mut read.env, self.layout.settings(container));
            read.env.extend(own);
            read
        };
        let mut containers: Vec<_> = containers_of(&template).iter().map(read).collect();
        let mut given = self.env.clone();
        given.insert("ORDAIN_EXTRA_CONFIG".into(), EXTRA_CONFIG.into());
        if let Some(namespace) = &self.namespace {
            let account = spec["serviceAccountName"].as_str().expect("a service account");
            for (file, text) in namespace.account(account) {
                sandbox.write(&format!("{ACCOUNT}/{file}"), &text);
            }
            let server = SocketAddr::new(namespace.plane.address.into(), PORT);
            let (host, port) = if self.has_gates {
                self.gates.entry(pod.to_owned()).or_insert_with(|| Gate::before(server)).told()
            } else {
                let near = self.proxy.as_ref().map_or(server, |proxy| proxy.address);
                (near.ip(), near.port())
            };
            given.insert("KUBERNETES_SERVICE_HOST".into(), host.to_string());
            given.insert("KUBERNETES_SERVICE_PORT".into(), port.to_string());
        }
        for container in &mut containers {
            container.env.extend(given.clone());
            if container.name == "sentinel" && self.layout.has_sentinels_beside() {
                container.env.insert("ORDAIN_EXTRA_CONFIG".into(), SENTINEL_CONFIG.into());
            }
        }
        sandbox.set_containers(containers);
        if let Some(password) = &self.password {
            let file = sandbox.containers()[0].env["ORDAIN_PASSWORD_FILE"].clone();
            sandbox.write(&file, &format!("{password}\n"));
        }
        for container in list(&spec["initContainers"]).into_iter().filter(|container| !is_sidecar(container)) {
            // The image of ordain has the program at its root, and starts it.
            let mut command = vec!["/ordain"];
            command.extend(words(&container["args"]));
            let output = sandbox.run_in(&Container::read(&container, spec, &fields), &command);
            assert!(output.status.success(), "{pod}: {}", String::from_utf8_lossy(&output.stderr));
        }
        self.sandboxes.insert(pod.to_owned(), sandbox);
        self.publish_services();
    }

    /// Makes a pod's object and its name.
    pub(crate) fn make_object(&self, pod: &str) {
        let ip = self.ip(pod);
        if let Some(namespace) = &self.namespace {
            namespace.make_pod(pod, &self.layout.template(pod), ip);
        }
        self.dns.zone.address(&self.host_name(pod), ip);
    }

    /// Makes the object of a pod that carries the group's labels and that something else than its StatefulSet
    /// controls, or nothing. It is at [`Bed::strange_ip`].
    pub fn make_stranger(&self, name: &str, owner: Option<Json>) {
        let namespace = self.namespace.as_ref().expect("a cluster");
        namespace.make_pod_of(owner, name, &self.layout.template("redis-0"), self.strange_ip());
    }

    /// What a headless Service's names answer: the pods that exist.
    pub(crate) fn publish_services(&self) {
        let of_redis = if self.layout.has_sentinels_beside() { &[6379, 26379][..] } else { &[6379] };
        for (base, ports) in [("redis", of_redis), ("sentinel", &[26379])] {
            let pods: Vec<_> = self.sandboxes.keys().filter(|pod| pod.starts_with(base)).collect();
            if let Some(first) = pods.first() {
                let answer = Answer {
                    ips: pods.iter().map(|pod| self.ip(pod)).collect(),
                    services: pods.iter().flat_map(|pod| ports.iter().map(|port| (self.host_name(pod), *port))).collect(),
                    ..Answer::default()
                };
                self.dns.zone.set(&self.service(first), answer);
            }
        }
    }

    /// Starts a pod's containers, or starts them again.
    pub fn start(&mut self, pod: &str) {
        let template = self.layout.template(pod);
        let containers = self.sandboxes[pod].containers();
        self.tell_container(pod, true);
        for container in containers {
            if container.name == "reconcile" && !self.reconciles {
                continue;
            }
            let spec = containers_of(&template).into_iter().find(|spec| spec["name"] == container.name.as_str());
            let command = words(&spec.expect("its spec")["command"]).into_iter().map(str::to_owned).collect::<Vec<_>>();
            let process = self.sandboxes[pod].start(container, &command.iter().map(String::as_str).collect::<Vec<_>>());
            let is_main = container.name == containers[0].name;
            let name = if is_main { pod.to_owned() } else { format!("{pod}/{}", container.name) };
            self.servers.insert(name, process);
        }
    }

    /// Runs ordain in a pod, with the container's environment.
    pub fn ordain(&self, pod: &str, arguments: &[&str]) -> Run {
        let mut command = vec!["/opt/ordain/ordain"];
        command.extend(arguments);
        Run::of(&self.sandboxes[pod].run(&command))
    }

    /// Runs the command that a pod's main container has at this place of its spec, as a kubelet does:
    /// `/lifecycle/preStop` or `/readinessProbe`.
    pub fn exec(&self, pod: &str, place: &str) -> Run {
        let template = self.layout.template(pod);
        let containers = list(&template["spec"]["containers"]);
        let command = containers[0].pointer(&format!("{place}/exec/command")).expect("a command in the manifest");
        Run::of(&self.sandboxes[pod].run(&words(command)))
    }

    /// Runs ordain as a pod does, and without a sandbox around it: to be measured. `folder` is for its
    /// resolv.conf; see [`Bed::put_account_here`] for its service account.
    pub fn bare(&self, pod: &str, folder: &Path, arguments: &[&str]) -> Command {
        let namespace = self.namespace.as_ref().expect("a cluster");
        let resolv_conf = folder.join("resolv.conf");
        std::fs::write(&resolv_conf, self.dns.resolv_conf(self.namespace_name())).expect("a resolv.conf");
        let mut command = Command::new(&self.ordain);
        command.env_clear().args(arguments).env("ORDAIN_RESOLV_CONF", resolv_conf);
        command
            .env("KUBERNETES_SERVICE_HOST", namespace.plane.address.to_string())
            .env("KUBERNETES_SERVICE_PORT", PORT.to_string());
        command.env("POD_NAME", pod).env("POD_IP", self.ip(pod).to_string()).env("POD_NAMESPACE", self.namespace_name());
        command
    }

    /// Puts a service account where pods have theirs, over what this program's own mount namespace has
    /// there (hack/isolated makes one).
    pub fn put_account_here(&self, account: &str) {
        let namespace = self.namespace.as_ref().expect("a cluster");
        let mounted = Command::new("mount").args(["-t", "tmpfs", "tmpfs", "/var/run"]).status();
        assert!(mounted.is_ok_and(|status| status.success()), "no mount namespace: start this by hack/isolated");
        let folder = Path::new(ACCOUNT);
        std::fs::create_dir_all(folder).expect("a folder");
        for (file, text) in namespace.account(account) {
            std::fs::write(folder.join(file), text).expect("a file");
        }
    }

    /// Ends a pod's containers as a power cut would.
    pub fn kill(&mut self, pod: &str) {
        if pod.starts_with("redis") {
            self.let_sentinels_be_quick();
        }
        if let Some(mut main) = self.servers.remove(pod) {
            main.kill();
        }
        self.tell_container(pod, false);
        let beside = format!("{pod}/");
        self.servers.retain(|name, process| {
            let is_beside = name.starts_with(&beside);
            if is_beside {
                process.kill();
            }
            !is_beside
        });
    }

    /// Has the API server know how a Redis' container is, as its kubelet tells it.
    pub(crate) fn tell_container(&self, pod: &str, runs: bool) {
        if let (Some(namespace), true) = (&self.namespace, pod.starts_with("redis")) {
            namespace.tell_container(pod, &self.sandboxes[pod].containers()[0].name, runs);
        }
    }

    /// Deletes a pod: its container, its object and its name. Its volume stays.
    pub fn delete(&mut self, pod: &str) {
        self.kill(pod);
        self.dns.zone.remove(&self.host_name(pod));
        if let Some(namespace) = &self.namespace {
            namespace.delete_pod(pod);
        }
        if self.is_by_address() {
            self.move_away(pod);
        }
    }

    /// Deletes a pod for good, as when its StatefulSet is scaled down.
    pub fn remove(&mut self, pod: &str) {
        self.delete(pod);
        self.sandboxes.remove(pod);
        self.publish_services();
    }

    /// Whether a pod's main container runs, or has not been waited for since it ended.
    pub fn is_started(&self, pod: &str) -> bool {
        self.servers.contains_key(pod)
    }

    /// The process of a pod's main container.
    pub fn server(&mut self, pod: &str) -> &mut Process {
        self.servers.get_mut(pod).expect("a running pod")
    }

    /// A pod's root.
    pub fn sandbox(&self, pod: &str) -> &Sandbox {
        &self.sandboxes[pod]
    }

    pub(crate) fn sandbox_mut(&mut self, pod: &str) -> &mut Sandbox {
        self.sandboxes.get_mut(pod).expect("a pod that was made")
    }

    /// Connects to a pod's server.
    ///
    /// # Errors
    /// It does not answer, or refuses the login.
    pub fn connect(&self, pod: &str) -> Result<Connection, RedisError> {
        match &self.authority {
            Some(authority) => connect_by_tls(self.ip(pod), port(pod), &self.certificate(authority, "client-0")),
            None => connect(self.ip(pod), port(pod), self.password.as_deref().map(str::as_bytes)),
        }
    }

    /// Asks a pod's server.
    ///
    /// # Errors
    /// It does not answer, or answers with an error.
    pub fn ask(&self, pod: &str, command: &[&str]) -> Result<Value, RedisError> {
        ask(&mut self.connect(pod)?, command)
    }

    /// Asks a pod's server; its answer as text.
    pub fn text(&self, pod: &str, command: &[&str]) -> String {
        self.ask(pod, command).map(|value| text(&value)).unwrap_or_default()
    }

    /// What a Redis says that it is: `master`, or `replica of HOST`; empty while it does not answer.
    pub fn role(&self, pod: &str) -> String {
        let role = self.text(pod, &["ROLE"]);
        let lines: Vec<_> = role.lines().collect();
        match lines[..] {
            ["slave", host, ..] => format!("replica of {host}"),
            [role, ..] => role.to_owned(),
            [] => String::new(),
        }
    }

    /// How many bytes of the stream a Redis has sent or applied; none while it does not answer.
    pub(crate) fn offset(&self, pod: &str) -> Option<u64> {
        let role = self.text(pod, &["ROLE"]);
        let at = if role.starts_with("master") { 1 } else { 4 };
        role.lines().nth(at)?.parse().ok()
    }

    /// A client that writes to whomever the Sentinels name, and counts what a replica has, too.
    pub fn writer(&self) -> Writer {
        self.writer_that(Writer::start)
    }

    pub(crate) fn writer_that(&self, start: fn(Master) -> Writer) -> Writer {
        let pods: Vec<_> = self.layout.redis.iter().map(|pod| (self.announced(pod), self.ip(pod))).collect();
        let sentinels: Vec<_> = self.layout.sentinels.iter().map(|pod| self.ip(pod)).collect();
        start(Box::new(move || {
            let named = sentinels.iter().find_map(|ip| master_by_sentinel(*ip, "redis"))?;
            // A pod that was made again is elsewhere than before.
            named.parse().ok().or_else(|| pods.iter().find(|(host, _)| *host == named).map(|(_, ip)| *ip))
        }))
    }

    /// Waits until one pod is the master and the others are its replicas with their links up.
    pub fn wait_for_master(&self, master: &str, deadline: Duration) {
        wait_for(&format!("{master} as the one master"), deadline, || {
            let running: Vec<_> = self.layout.redis.iter().filter(|pod| self.servers.contains_key(**pod)).collect();
            let is_right = running.iter().all(|pod| {
                if **pod == master {
                    self.role(pod) == "master"
                } else {
                    let replication = self.text(pod, &["INFO", "replication"]);
                    self.role(pod) == format!("replica of {}", self.followed(master))
                        && replication.contains("master_link_status:up")
                }
            });
            is_right.then_some(())
        });
    }

    /// Waits until Sentinel may promote every replica.
    pub fn wait_for_promotable(&self, deadline: Duration) {
        for pod in self.layout.redis.iter().filter(|pod| self.is_started(pod)) {
            wait_for(&format!("{pod} being electable"), deadline, || {
                let replication = self.text(pod, &["INFO", "replication"]);
                (replication.contains("role:master") || replication.contains("slave_priority:100")).then_some(())
            });
        }
    }

    /// Waits until every Sentinel knows all of them: two replicas and two other Sentinels.
    pub fn wait_for_sentinels(&self, deadline: Duration) {
        for sentinel in self.layout.sentinels {
            wait_for(&format!("{sentinel} knowing the others"), deadline, || {
                let knows = |field: &str| self.sentinel_field(sentinel, field).as_deref() == Some("2");
                (knows("num-slaves")
                    && knows("num-other-sentinels")
                    && self.sentinel_field(sentinel, "flags").as_deref() == Some("master"))
                .then_some(())
            });
        }
    }

    /// A field of `SENTINEL MASTER redis`.
    pub fn sentinel_field(&self, sentinel: &str, field: &str) -> Option<String> {
        let answer = self.text(sentinel, &["SENTINEL", "MASTER", "redis"]);
        let lines: Vec<_> = answer.lines().collect();
        lines.chunks(2).find(|pair| pair[0] == field).map(|pair| pair[1].to_owned())
    }

    /// The pod that a Sentinel names as the master.
    pub fn named_by(&self, sentinel: &str) -> Option<&'static str> {
        let address = self.text(sentinel, &["SENTINEL", "GET-MASTER-ADDR-BY-NAME", "redis"]);
        self.layout.redis.iter().copied().find(|pod| Some(self.announced(pod).as_str()) == address.lines().next())
    }

    /// Has a Sentinel replace the master, as soon as it knows enough of the replicas to agree.
    pub fn fail_over(&self, sentinel: &str, deadline: Duration) {
        wait_for("Sentinel agreeing to a failover", deadline, || self.ask(sentinel, &["SENTINEL", "FAILOVER", "redis"]).ok());
    }

    /// Waits until a running pod other than `old` is the master, and every Sentinel says so.
    pub fn wait_for_failover(&self, old: &str, deadline: Duration) -> &'static str {
        let others: Vec<_> =
            self.layout.redis.iter().copied().filter(|pod| *pod != old && self.servers.contains_key(*pod)).collect();
        let promoted = wait_for(&format!("another master than {old}"), deadline, || {
            others.iter().copied().find(|pod| self.role(pod) == "master")
        });
        for sentinel in self.layout.sentinels.iter().filter(|sentinel| self.servers.contains_key(**sentinel)) {
            wait_for(&format!("{sentinel} naming {promoted}"), deadline, || {
                (self.named_by(sentinel) == Some(promoted)).then_some(())
            });
        }
        self.have_sentinels_wait();
        promoted
    }

    /// The label of every Redis pod, in order.
    pub fn labels(&self) -> Vec<Option<String>> {
        let namespace = self.namespace.as_ref().expect("a cluster");
        self.layout.redis.iter().map(|pod| namespace.label(pod, "role")).collect()
    }

    /// Waits until the labels name one pod as the master.
    pub fn wait_for_labels(&self, master: &str, deadline: Duration) {
        let wanted: Vec<_> =
            self.layout.redis.iter().map(|pod| Some(if *pod == master { "master" } else { "slave" }.to_owned())).collect();
        wait_for(&format!("the label role=master on {master}"), deadline, || (self.labels() == wanted).then_some(()));
    }
}

/// How a run of ordain ended.
#[derive(Debug)]
pub struct Run {
    /// Its exit code.
    pub code: Option<i32>,
    /// Its product.
    pub stdout: String,
    /// Its log, without times.
    pub stderr: String,
}

impl Run {
    /// Reads a finished process.
    pub fn of(output: &Output) -> Self {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Self { code: output.status.code(), stdout: text(&output.stdout), stderr: crate::without_times(&text(&output.stderr)) }
    }
}

/// The containers that a bed runs: the main one first, then the others and the sidecars. It has no exporter.
fn containers_of(template: &Json) -> Vec<Json> {
    let sidecars = list(&template["spec"]["initContainers"]).into_iter().filter(is_sidecar);
    let all = list(&template["spec"]["containers"]).into_iter().chain(sidecars);
    all.filter(|container| container["name"] != "metrics").collect()
}

fn is_sidecar(container: &Json) -> bool {
    container["restartPolicy"] == "Always"
}

/// The pod of a server, which may be a Sentinel beside a Redis.
fn pod_of(server: &str) -> &str {
    server.split('/').next().unwrap_or(server)
}

fn port(pod: &str) -> u16 {
    if pod.ends_with("/sentinel") || pod.starts_with("sentinel") { 26379 } else { 6379 }
}

pub(crate) fn words(list: &Json) -> Vec<&str> {
    list.as_array().into_iter().flatten().map(|word| word.as_str().expect("a word")).collect()
}
