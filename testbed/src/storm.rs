//! A storm: many groups under one set of Sentinels, whose masters all die at the same moment.
//!
//! Sentinels, hooks and reconciles run as `manifests/shared-sentinel` says, without a group named. To spare
//! the machine a group is one master and one replica that keep nothing on a disk, and all of them share a root.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt;
use kube::api::{ListParams, PostParams};
use serde_json::{Value as Json, json};

use crate::client::{ask, connect, text};
use crate::control_plane::{ControlPlane, Namespace, PORT};
use crate::dns::{Answer, NameServer};
use crate::group::{ACCOUNT, SENTINELS, words};
use crate::label_watch::LabelWatch;
use crate::layout::SHARED_SENTINEL;
use crate::process::{Process, Usage};
use crate::sandbox::{Container, EXTRA_CONFIG, Sandbox, list};
use crate::subnet::Subnet;
use crate::{assets, runtime, wait_for};

/// How many groups' addresses a subnet has: two from 54 on for each, above the name server's.
const PER_SUBNET: usize = 100;
const FIRST: u8 = 54;

/// Who labels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Labeller {
    /// The hook and a reconcile beside each Sentinel.
    Ordain,
    /// The same, and the hooks of three groups in ten never run, as where Sentinel has dropped them.
    OrdainWithLostHooks,
    /// Two `kubectl label` in a script, as people have it, and nothing beside.
    Kubectl,
}

/// The groups and their Sentinels.
pub struct Storm {
    // Before the sandboxes, which hold the logs.
    servers: BTreeMap<String, Process>,
    /// The namespace.
    pub namespace: Namespace,
    labeller: Labeller,
    ordain: PathBuf,
    groups: usize,
    redis: Sandbox,
    sentinels: BTreeMap<&'static str, Sandbox>,
    dns: NameServer,
    subnets: Vec<Subnet>,
}

/// How it went.
pub struct Outcome {
    /// Group by group.
    pub fates: Vec<Fate>,
    /// How many hooks ended well, of three for each group.
    pub hooks: usize,
    /// The groups in which two pods carried the master label at some moment.
    pub twofold: Vec<String>,
}

/// How it went with a group.
#[derive(Debug)]
pub struct Fate {
    /// The group.
    pub group: String,
    /// Whether its hooks ran, as far as we let them.
    pub has_hook: bool,
    /// From the masters' death until Sentinel promoted its replica.
    pub promoted: Duration,
    /// From there until that was labelled as the master; none where it never was.
    pub labelled: Option<Duration>,
    /// Whether labels and record are right when all hooks have ended.
    pub is_right: bool,
}

impl Storm {
    /// On the shared control plane, in a namespace of its own.
    pub fn new(ordain: &Path, groups: usize, labeller: Labeller) -> Self {
        let namespace = ControlPlane::shared().namespace();
        let subnets: Vec<_> = (0..groups.div_ceil(PER_SUBNET)).map(|_| Subnet::take()).collect();
        let dns = NameServer::start(&subnets[0]);
        let resolv_conf = dns.resolv_conf(&namespace.name);
        let redis = Sandbox::new("redis", Ipv4Addr::LOCALHOST.into(), &resolv_conf);
        Self {
            servers: BTreeMap::new(),
            labeller,
            ordain: ordain.to_owned(),
            groups,
            redis,
            sentinels: BTreeMap::new(),
            dns,
            subnets,
            namespace,
        }
    }

    /// The groups' names.
    pub fn groups(&self) -> impl Iterator<Item = String> + use<> {
        (0..self.groups).map(name_of)
    }

    fn ip(&self, number: usize, ordinal: u8) -> IpAddr {
        let last = FIRST + 2 * (number % PER_SUBNET) as u8 + ordinal;
        self.subnets[number / PER_SUBNET].host(last).into()
    }

    fn host_name(&self, group: &str, ordinal: u8) -> String {
        format!("{group}-{ordinal}.{group}-headless.{}.svc.cluster.local", self.namespace.name)
    }

    fn sentinel_ip(&self, sentinel: &str) -> IpAddr {
        let ordinal: u8 = sentinel.rsplit_once('-').and_then(|(_, number)| number.parse().ok()).expect("an ordinal");
        self.subnets[0].host(20 + ordinal).into()
    }

    /// Makes and starts everything, and waits until every group is in sync, labelled and fit for a failover.
    pub fn start(&mut self, deadline: Duration) {
        self.make_redis_pods();
        for number in 0..self.groups {
            for ordinal in 0..2 {
                self.start_redis(number, ordinal);
            }
        }
        for number in 0..self.groups {
            let replica = self.ip(number, 1);
            wait_for(&format!("the replica of {}", name_of(number)), deadline, || {
                says(replica, 6379, &["INFO", "replication"], "master_link_status:up").then_some(())
            });
        }
        self.publish_sentinels();
        for sentinel in SENTINELS {
            self.make_sentinel(sentinel);
        }
        for sentinel in SENTINELS {
            self.start_sentinel(sentinel);
        }
        for sentinel in SENTINELS {
            wait_for(&format!("{sentinel} being ready for a failover of every group"), deadline, || {
                std::thread::sleep(Duration::from_millis(200));
                self.is_ready(sentinel).then_some(())
            });
        }
        wait_for("every label", deadline, || {
            std::thread::sleep(Duration::from_millis(200));
            self.wrong(0).is_empty().then_some(())
        });
    }

    fn make_redis_pods(&mut self) {
        let mut template = SHARED_SENTINEL.template("redis-0");
        if self.labeller == Labeller::Kubectl {
            template["metadata"]["labels"]["role"] = "slave".into();
        }
        self.redis.set_containers(vec![self.container(&template, "redis", "redis-0", Ipv4Addr::LOCALHOST.into())]);
        for number in 0..self.groups {
            let group = name_of(number);
            template["metadata"]["labels"]["app.kubernetes.io/instance"] = group.as_str().into();
            for ordinal in 0..2 {
                let mut template = template.clone();
                if self.labeller == Labeller::Kubectl && ordinal == 0 {
                    template["metadata"]["labels"]["role"] = "master".into();
                }
                self.namespace.make_pod(&format!("{group}-{ordinal}"), &template, self.ip(number, ordinal));
                self.dns.zone.address(&self.host_name(&group, ordinal), self.ip(number, ordinal));
            }
            let record = json!({
                "metadata": {"name": group, "labels": {"app.kubernetes.io/managed-by": "ordain"}, "annotations": {
                    "ordain.dev/config-epoch": "0",
                    "ordain.dev/address": format!("{}:6379", self.host_name(&group, 0)),
                    "ordain.dev/group-id": "storm",
                }},
                "spec": {"holderIdentity": format!("{group}-0"), "leaseTransitions": 0},
            });
            let record = serde_json::from_value(record).expect("a Lease");
            runtime().block_on(self.namespace.leases().create(&PostParams::default(), &record)).expect("a record");
        }
    }

    /// A container of the manifests, as it is in a pod.
    fn container(&self, template: &Json, name: &str, pod: &str, ip: IpAddr) -> Container {
        let fields = BTreeMap::from([
            ("metadata.name", pod.to_owned()),
            ("metadata.namespace", self.namespace.name.clone()),
            ("status.podIP", ip.to_string()),
        ]);
        let specs = [list(&template["spec"]["initContainers"]), list(&template["spec"]["containers"])].concat();
        let spec = specs.iter().find(|spec| spec["name"] == name).expect("the container in the manifest");
        Container::read(spec, &template["spec"], &fields)
    }

    fn start_redis(&mut self, number: usize, ordinal: u8) {
        let (group, ip) = (name_of(number), self.ip(number, ordinal).to_string());
        let (master, own) = (self.host_name(&group, 0), self.host_name(&group, ordinal));
        let (name, file) = (format!("{group}-{ordinal}"), format!("{group}-{ordinal}.rdb"));
        // Where reconcile runs, it is what makes a replica fit to be promoted.
        let priority = if self.labeller == Labeller::Kubectl { "100" } else { "0" };
        let mut command = vec!["redis-server", "--port", "6379", "--bind", &ip, "--protected-mode", "no"];
        command.extend(["--dir", "/data", "--dbfilename", &file, "--save", "", "--appendonly", "no"]);
        // So many servers would wake up ten times a second each, only to find nothing to do.
        command.extend(["--hz", "1", "--repl-diskless-sync-delay", "0", "--replica-priority", priority]);
        command.extend(["--replica-announce-ip", &own, "--replica-announce-port", "6379"]);
        // As in a file of ordain's: no report tells of its own priority here, and without one nobody promotes it.
        command.extend(["--syslog-ident", "ordain-5707.P100"]);
        if ordinal > 0 {
            command.extend(["--replicaof", &master, "6379"]);
        }
        let mut container = self.redis.containers()[0].clone();
        container.name.clone_from(&name);
        self.servers.insert(name, self.redis.start(&container, &command));
    }

    fn publish_sentinels(&self) {
        let domain = format!("sentinel.{}.svc.cluster.local", self.namespace.name);
        let hosts = SENTINELS.map(|sentinel| (format!("{sentinel}.{domain}"), self.sentinel_ip(sentinel)));
        let ips = hosts.iter().map(|(_, ip)| *ip).collect();
        for (host, ip) in &hosts {
            self.dns.zone.address(host, *ip);
        }
        let services = hosts.into_iter().map(|(host, _)| (host, 26379)).collect();
        self.dns.zone.set(&domain, Answer { ips, services, ..Answer::default() });
    }

    fn make_sentinel(&mut self, sentinel: &'static str) {
        let (template, ip) = (SHARED_SENTINEL.template(sentinel), self.sentinel_ip(sentinel));
        let mut sandbox = Sandbox::new(sentinel, ip, &self.dns.resolv_conf(&self.namespace.name));
        sandbox.put_program(&self.ordain, "ordain");
        for (file, text) in self.namespace.account("sentinel") {
            sandbox.write(&format!("{ACCOUNT}/{file}"), &text);
        }
        // After a split vote Sentinel waits for twice this before it tries again, and votes split in a storm.
        let patience: String = self.groups().map(|group| format!("sentinel failover-timeout {group} 5000\n")).collect();
        sandbox.append(EXTRA_CONFIG, &patience);
        let given = [
            ("ORDAIN_EXTRA_CONFIG", EXTRA_CONFIG.to_owned()),
            ("ORDAIN_REPLICAS", "2".to_owned()),
            ("KUBERNETES_SERVICE_HOST", self.namespace.plane.address.to_string()),
            ("KUBERNETES_SERVICE_PORT", PORT.to_string()),
        ];
        let mut containers = ["sentinel", "reconcile"].map(|name| self.container(&template, name, sentinel, ip));
        for container in &mut containers {
            container.env.extend(given.iter().map(|(key, value)| ((*key).to_owned(), value.clone())));
        }
        sandbox.set_containers(containers.into());
        let output = sandbox.run_in(&self.container(&template, "ordain", sentinel, ip), &["/ordain", "install", "/opt/ordain"]);
        assert!(output.status.success(), "{sentinel}: {}", String::from_utf8_lossy(&output.stderr));
        match self.labeller {
            Labeller::Ordain => {}
            Labeller::OrdainWithLostHooks => sandbox.write("opt/ordain/on-failover", LOSES_SOME),
            Labeller::Kubectl => {
                sandbox.put_program(&assets().expect("a control plane").join("kubectl"), "kubectl");
                sandbox.write("opt/ordain/on-failover", TWO_CALLS);
            }
        }
        self.sentinels.insert(sentinel, sandbox);
    }

    fn start_sentinel(&mut self, sentinel: &'static str) {
        let template = SHARED_SENTINEL.template(sentinel);
        for container in self.sentinels[sentinel].containers() {
            if container.name == "reconcile" && self.labeller == Labeller::Kubectl {
                continue;
            }
            let specs = list(&template["spec"]["containers"]);
            let spec = specs.iter().find(|spec| spec["name"] == container.name.as_str()).expect("its spec");
            let process = self.sentinels[sentinel].start(container, &words(&spec["command"]));
            self.servers.insert(format!("{sentinel}/{}", container.name), process);
        }
    }

    /// Whether a Sentinel knows of every group its other two Sentinels and a replica that it may promote.
    fn is_ready(&self, sentinel: &str) -> bool {
        let Ok(mut connection) = connect(self.sentinel_ip(sentinel), 26379, None) else { return false };
        self.groups().all(|group| {
            let mut has = |question: &str, wanted: &[(&str, &str)]| {
                let answer = ask(&mut connection, &["SENTINEL", question, &group]).map(|value| text(&value)).unwrap_or_default();
                let lines: Vec<_> = answer.lines().collect();
                wanted.iter().all(|(field, value)| lines.chunks(2).any(|pair| pair == [*field, *value]))
            };
            has("MASTER", &[("flags", "master"), ("num-slaves", "1"), ("num-other-sentinels", "2")])
                && has("REPLICAS", &[("flags", "slave"), ("slave-priority", "100"), ("master-link-status", "ok")])
        })
    }

    /// The groups whose labels or, where ordain keeps it, whose record do not name the pod of this ordinal.
    fn wrong(&self, master: u8) -> Vec<String> {
        let (pods, leases) = (self.namespace.pods(), self.namespace.leases());
        let all = ListParams::default();
        let (pods, leases) = runtime().block_on(futures::future::join(pods.list(&all), leases.list(&all)));
        let role = |pod: &Pod| Some((pod.name_any(), pod.labels().get("role")?.clone()));
        let roles: BTreeMap<_, _> = pods.expect("the pods").iter().filter_map(role).collect();
        let holder = |lease: &Lease| Some((lease.name_any(), lease.spec.as_ref()?.holder_identity.clone()?));
        let holders: BTreeMap<_, _> = leases.expect("the records").iter().filter_map(holder).collect();
        let is_right = |group: &String| {
            let role_of = |ordinal: u8| roles.get(&format!("{group}-{ordinal}")).map(String::as_str);
            let is_recorded = self.labeller == Labeller::Kubectl || holders[group] == format!("{group}-{master}");
            role_of(master) == Some("master") && role_of(1 - master) == Some("slave") && is_recorded
        };
        self.groups().filter(|group| !is_right(group)).collect()
    }

    /// What the reconcile beside a Sentinel has used.
    pub fn usage(&self, sentinel: &str) -> Usage {
        self.servers[&format!("{sentinel}/reconcile")].usage()
    }

    /// Kills every master at the same moment, and waits until every replica was promoted, every hook has
    /// ended and, where ordain labels, every label and record is right; each as long as `deadline`.
    pub fn break_out(&mut self, deadline: Duration) -> Outcome {
        let watch = LabelWatch::start(&self.namespace);
        let promotions = self.hear_promotions();
        let masters: Vec<_> = self.groups().map(|group| self.servers[&format!("{group}-0")].id().to_string()).collect();
        let killed = Command::new("sh").args(["-c", &format!("kill -KILL {}", masters.join(" "))]).status();
        assert!(killed.is_ok_and(|status| status.success()), "the masters cannot be killed");
        let began = Instant::now();

        wait_for("the promotion of every replica", deadline, || {
            (promotions.lock().expect("the promotions").len() == self.groups).then_some(())
        });
        wait_for("the end of every hook", deadline, || {
            std::thread::sleep(Duration::from_millis(200));
            SENTINELS.iter().all(|sentinel| self.has_no_scripts(sentinel)).then_some(())
        });
        if self.labeller != Labeller::Kubectl {
            wait_for("every label and record", deadline, || {
                std::thread::sleep(Duration::from_millis(200));
                self.wrong(1).is_empty().then_some(())
            });
        }
        let promotions = promotions.lock().expect("the promotions").clone();
        let wrong = self.wrong(1);
        let fate = |group: String| {
            let labelled = watch.last_of(&group).filter(|(pod, _)| *pod == format!("{group}-1")).map(|(_, when)| when);
            let promoted = promotions[&group];
            Fate {
                has_hook: self.labeller != Labeller::OrdainWithLostHooks || !group.ends_with(LOST),
                promoted: promoted - began,
                labelled: labelled.map(|when| when.saturating_duration_since(promoted)),
                is_right: !wrong.contains(&group),
                group,
            }
        };
        Outcome {
            fates: self.groups().map(fate).collect(),
            hooks: SENTINELS.iter().map(|sentinel| self.sentinels[sentinel].log().matches(HOOK_ENDED).count()).sum(),
            twofold: watch.groups_with_two_masters(),
        }
    }

    /// When each group's replica was promoted, as the Sentinel that did it tells.
    fn hear_promotions(&self) -> Arc<Mutex<BTreeMap<String, Instant>>> {
        let heard = Arc::new(Mutex::new(BTreeMap::new()));
        for sentinel in SENTINELS {
            let mut connection = connect(self.sentinel_ip(sentinel), 26379, None).expect("a Sentinel that answers");
            connection.set_read_timeout(None).expect("no timeout");
            let heard = heard.clone();
            let (listening, listens) = std::sync::mpsc::channel();
            std::thread::spawn(move || {
                let mut events = connection.as_pubsub();
                events.subscribe("+promoted-slave").expect("a subscription");
                let _ = listening.send(());
                while let Ok(event) = events.get_message() {
                    let told: String = event.get_payload().unwrap_or_default();
                    if let Some((_, of)) = told.split_once(" @ ") {
                        let group = of.split(' ').next().unwrap_or_default().to_owned();
                        heard.lock().expect("what was heard").entry(group).or_insert_with(Instant::now);
                    }
                }
            });
            listens.recv().expect("a subscription");
        }
        heard
    }

    fn has_no_scripts(&self, sentinel: &str) -> bool {
        let at = self.sentinel_ip(sentinel);
        let info = connect(at, 26379, None).and_then(|mut connection| ask(&mut connection, &["INFO", "sentinel"]));
        let info = info.map(|value| text(&value)).unwrap_or_default();
        info.contains("sentinel_running_scripts:0\r") && info.contains("sentinel_scripts_queue_length:0\r")
    }
}

/// What a hook prints that ended well.
const HOOK_ENDED: &str = " failover group=";

/// On what the names of the groups end whose hooks never run.
const LOST: [char; 3] = ['0', '4', '8'];
/// A hook that loses these.
const LOSES_SOME: &str = r#"#!/bin/sh
case "$1" in *[048]) exit 0 ;; esac
exec /opt/ordain/ordain on-failover "$@"
"#;

/// The hook that people have, with a cache for what kubectl asks of the API server each time.
const TWO_CALLS: &str = r#"#!/bin/sh
export HOME=/etc/redis
/kubectl label --overwrite pod -l "app.kubernetes.io/instance=$1,app.kubernetes.io/component=redis" role=slave &&
/kubectl label --overwrite pod "${6%%.*}" role=master && echo " failover group=$1"
"#;

fn name_of(number: usize) -> String {
    format!("group{number}")
}

fn says(ip: IpAddr, port: u16, question: &[&str], wanted: &str) -> bool {
    let answer = connect(ip, port, None).and_then(|mut connection| ask(&mut connection, question));
    answer.is_ok_and(|value| text(&value).contains(wanted))
}
