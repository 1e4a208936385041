//! What the manifests promise beyond what the main job's tests run of them: every folder, and every
//! folder with every option.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;
use std::sync::OnceLock;

use serde_json::{Value, json};
use testbed::control_plane::ControlPlane;
use testbed::group::Bed;
use testbed::manifests::kustomize;
use testbed::repository;

use crate::ordain;

/// Components that may be added to any topology.
const OPTIONS: [&str; 6] = ["emptydir", "load-balancer", "metrics", "min-replicas", "network-policy", "ordered-ready"];

/// A folder as kustomize builds it.
struct Topology {
    name: String,
    objects: Vec<Value>,
}

impl Topology {
    fn of_kind<'a>(&'a self, kind: &'a str) -> impl Iterator<Item = &'a Value> {
        self.objects.iter().filter(move |object| object["kind"] == kind)
    }

    fn named<'a>(&'a self, kind: &'a str, name: &str) -> Option<&'a Value> {
        self.of_kind(kind).find(|object| name_of(object) == name)
    }

    fn sets(&self) -> impl Iterator<Item = Set<'_>> {
        self.of_kind("StatefulSet").map(|object| Set {
            what: format!("{}: {}", self.name, name_of(object)),
            object,
            template: &object["spec"]["template"],
        })
    }
}

/// A StatefulSet of a topology.
struct Set<'a> {
    what: String,
    object: &'a Value,
    template: &'a Value,
}

impl<'a> Set<'a> {
    fn spec(&self) -> &'a Value {
        &self.template["spec"]
    }

    fn containers(&self) -> impl Iterator<Item = &'a Value> + use<'a> {
        let spec = &self.template["spec"];
        ["initContainers", "containers"].into_iter().flat_map(|list| spec[list].as_array().unwrap())
    }

    fn is_redis(&self) -> bool {
        self.template["metadata"]["labels"]["app.kubernetes.io/component"] == "redis"
    }
}

fn name_of(object: &Value) -> &str {
    object["metadata"]["name"].as_str().unwrap()
}

fn name_in(container: &Value) -> &str {
    container["name"].as_str().unwrap()
}

/// What is no topology: it looks after the nodes of all.
const TAKEOVER: [&str; 2] = ["manifests/node-takeover", "manifests/overlays/node-takeover-delete-node"];

/// Every topology below `manifests`, as it is and with every option that it has not.
fn topologies() -> &'static [Topology] {
    static BUILT: OnceLock<Vec<Topology>> = OnceLock::new();
    BUILT.get_or_init(|| {
        let mut built = Vec::new();
        for folder in ["manifests", "manifests/overlays"] {
            for entry in std::fs::read_dir(repository().join(folder)).unwrap() {
                let path = entry.unwrap().path();
                let name = path.file_name().unwrap().to_string_lossy().into_owned();
                if name != "base"
                    && !TAKEOVER.iter().any(|folder| path.ends_with(folder))
                    && path.join("kustomization.yaml").is_file()
                {
                    built.push(Topology { objects: kustomize(&path), name: name.clone() });
                    built.push(Topology { objects: with_every_option(&path), name: format!("{name} with every option") });
                }
            }
        }
        assert!(built.len() >= 10, "only {} topologies were found", built.len());
        built
    })
}

fn with_every_option(topology: &Path) -> Vec<Value> {
    let own = std::fs::read_to_string(topology.join("kustomization.yaml")).unwrap();
    let has_not = |option: &&str| !own.contains(&format!("components/{option}"));
    with_options(topology, &OPTIONS.into_iter().filter(|option| has_not(option)).collect::<Vec<_>>())
}

/// A topology as kustomize builds it with these components.
pub(crate) fn with_options(topology: &Path, options: &[&str]) -> Vec<Value> {
    let folder = tempfile::tempdir().unwrap();
    // kustomize takes no absolute paths.
    let depth = folder.path().canonicalize().unwrap().components().count() - 1;
    let from_here = |path: &Path| format!("{}{}", "../".repeat(depth), path.strip_prefix("/").unwrap().display());
    let components: Vec<_> =
        options.iter().map(|option| from_here(&repository().join("manifests/components").join(option))).collect();
    let kustomization = json!({
        "apiVersion": "kustomize.config.k8s.io/v1beta1", "kind": "Kustomization",
        "resources": [from_here(topology)], "components": components,
    });
    std::fs::write(folder.path().join("kustomization.yaml"), kustomization.to_string()).unwrap();
    kustomize(folder.path())
}

#[test]
fn the_api_server_takes_every_topology_with_strict_validation() {
    for topology in topologies() {
        let namespace = ControlPlane::shared().namespace();
        namespace.apply(&topology.objects);
    }
}

#[test]
fn names_are_the_same_everywhere() {
    for topology in topologies() {
        let what = &topology.name;
        for (kind, must, may) in [
            ("StatefulSet", &["redis"][..], &["redis-replicas", "sentinel"][..]),
            ("Service", &["redis-headless", "redis-master", "redis-replica"], &["sentinel", "redis-metrics"]),
        ] {
            let names: Vec<_> = topology.of_kind(kind).map(name_of).collect();
            assert!(must.iter().all(|name| names.contains(name)), "{what}: {names:?}");
            assert!(names.iter().all(|name| must.contains(name) || may.contains(name)), "{what}: {names:?}");
        }
        for set in topology.sets() {
            let main = if set.is_redis() { "redis" } else { "sentinel" };
            assert_eq!(name_in(&set.spec()["containers"][0]), main, "{}", set.what);
            let claims = set.object["spec"]["volumeClaimTemplates"].as_array();
            assert!(claims.into_iter().flatten().all(|claim| name_of(claim) == "data"), "{}", set.what);
            let volumes = set.spec()["volumes"].as_array().unwrap().iter();
            let on_node = volumes.filter(|volume| volume["name"] == "data").count();
            assert_eq!(claims.map_or(0, Vec::len) + on_node, usize::from(set.is_redis()), "{}: data", set.what);
            for container in set.containers() {
                let image = match name_in(container) {
                    "redis" | "sentinel" => "redis:8.2",
                    "metrics" => "oliver006/redis_exporter:v1.87.0",
                    _ => "ordain:0.1.0",
                };
                assert_eq!(container["image"], image, "{}: {}", set.what, container["name"]);
            }
        }
        for object in
            topology.objects.iter().filter(|object| ["StatefulSet", "Service"].iter().any(|kind| object["kind"] == *kind))
        {
            for label in ["app.kubernetes.io/name", "app.kubernetes.io/instance"] {
                assert!(object["metadata"]["labels"][label].is_string(), "{what}: {object}");
            }
        }
    }
}

#[test]
fn valkey_takes_the_place_of_redis_by_one_component() {
    for folder in ["shared-sentinel", "sidecar-sentinel", "static-replication"] {
        let objects = with_options(&repository().join("manifests").join(folder), &["valkey"]);
        let topology = Topology { name: format!("{folder} with Valkey"), objects };
        for set in topology.sets() {
            let servers = set.containers().filter(|container| ["redis", "sentinel"].contains(&name_in(container)));
            for server in servers {
                assert_eq!(server["image"], "valkey/valkey:9.1", "{}: {}", set.what, server["name"]);
            }
        }
    }
}

#[test]
fn pods_are_found_before_they_are_ready_and_the_master_by_its_label_alone() {
    for topology in topologies() {
        for set in topology.sets() {
            let by = set.object["spec"]["serviceName"].as_str().unwrap();
            let headless = &topology.named("Service", by).unwrap_or_else(|| panic!("{}: no {by}", set.what))["spec"];
            assert_eq!((&headless["clusterIP"], &headless["publishNotReadyAddresses"]), (&json!("None"), &json!(true)), "{by}");
            assert!(selects(&headless["selector"], set.template), "{}: {by}", set.what);
        }
        let service = |name: &str| &topology.named("Service", name).unwrap()["spec"];
        let (master, replica) = (service("redis-master"), service("redis-replica"));
        assert_eq!((&master["selector"]["role"], &replica["selector"]["role"]), (&json!("master"), &json!("slave")));
        assert_eq!(master["publishNotReadyAddresses"], true, "{}", topology.name);
        assert!(replica["publishNotReadyAddresses"].is_null(), "{}: readers want a replica that is ready", topology.name);
    }
}

fn selects(selector: &Value, template: &Value) -> bool {
    selector.as_object().unwrap().iter().all(|(key, value)| template["metadata"]["labels"][key] == *value)
}

/// What the account of the Redis pods may do with the Lease of its group, and with pods.
const OF_REDIS: [(&str, &[&str]); 2] =
    [("leases/redis", &["get", "watch", "update"]), ("pods", &["get", "list", "watch", "patch"])];
/// What the account of the Sentinels may do.
const OF_SENTINELS: [(&str, &[&str]); 2] =
    [("leases", &["get", "list", "watch", "create", "update"]), ("pods", &["get", "list", "watch", "patch"])];

#[test]
fn the_roles_allow_what_ordain_does_and_nothing_else() {
    let bed = Bed::on_kubernetes(ordain());
    let namespace = bed.namespace.as_ref().unwrap();
    let can = |account: &str, verb: &str, resource: &str| {
        let user = format!("system:serviceaccount:{}:{account}", namespace.name);
        // kubectl exits with 1 for a no.
        namespace.plane.kubectl(&["auth", "can-i", verb, resource, "-n", &namespace.name, "--as", &user], "").is_ok()
    };
    let resources =
        ["leases", "leases/redis", "leases/another", "pods", "secrets", "configmaps", "services", "statefulsets.apps"];
    for (account, allowed) in [("redis", OF_REDIS), ("sentinel", OF_SENTINELS)] {
        for resource in resources {
            for verb in ["get", "list", "watch", "create", "update", "patch", "delete"] {
                // Who may do it with all may do it with one; a name cannot limit what does not exist yet.
                let is_it =
                    |name: &str| resource == name || resource.strip_prefix(name).is_some_and(|rest| rest.starts_with('/'));
                let is_allowed = allowed.iter().any(|(name, verbs)| is_it(name) && verbs.contains(&verb));
                let creates = verb == "create" && resource.starts_with("leases");
                assert_eq!(can(account, verb, resource), is_allowed || creates, "{account}: {verb} {resource}");
            }
        }
    }
}

#[test]
fn another_group_is_like_the_first_by_another_name() {
    let namespace = ControlPlane::shared().namespace();
    let first = kustomize(&repository().join("manifests/shared-sentinel"));
    let another = kustomize(&repository().join("manifests/shared-sentinel/another-group"));
    namespace.apply(&[first.clone(), another.clone()].concat());
    let renamed = |object: &Value| {
        let text = object.to_string().replace("cache-redis", "redis").replace("cache-ordain", "ordain");
        serde_json::from_str::<Value>(&text).unwrap()
    };
    for object in &another {
        let mut object = renamed(object);
        let like = first.iter().find(|one| one["kind"] == object["kind"] && name_of(one) == name_of(&object));
        let mut like = like.unwrap_or_else(|| panic!("there is no {object} in the first")).clone();
        for one in [&mut object, &mut like] {
            one["metadata"].as_object_mut().unwrap().remove("labels");
            // As labels of a claim they do no harm, and cannot be left out.
            if let Some(claim) = one.pointer_mut("/spec/volumeClaimTemplates/0/metadata") {
                claim.as_object_mut().unwrap().remove("labels");
            }
        }
        assert_eq!(object, like);
    }
}

#[test]
fn every_container_is_confined_and_says_what_it_needs() {
    for set in topologies().iter().flat_map(Topology::sets) {
        let what = &set.what;
        assert_eq!(set.spec()["securityContext"]["runAsNonRoot"], true, "{what}");
        assert_eq!(set.spec()["securityContext"]["seccompProfile"]["type"], "RuntimeDefault", "{what}");
        assert_eq!(set.spec()["enableServiceLinks"], false, "{what}");
        for container in set.containers() {
            let security = &container["securityContext"];
            let is_confined = security["allowPrivilegeEscalation"] == false
                && security["readOnlyRootFilesystem"] == true
                && security["capabilities"] == json!({"drop": ["ALL"]});
            assert!(is_confined, "{what}: {container}");
            let needs = &container["resources"];
            let says = needs["requests"]["cpu"].is_string() && needs["requests"]["memory"].is_string();
            assert!(says && needs["limits"]["memory"].is_string(), "{what}: {container}");
        }
    }
}

#[test]
fn every_server_is_probed_by_ordain_and_a_redis_hands_over_before_it_stops() {
    for topology in topologies() {
        for set in topology.sets() {
            for server in set.containers().filter(|container| ["redis", "sentinel"].contains(&name_in(container))) {
                let what = format!("{}: {}", set.what, name_in(server));
                let number = |probe: &str, field: &str| server[probe][field].as_u64().unwrap();
                let is_sidecar = server["restartPolicy"] == "Always";
                let startup = (!is_sidecar).then_some(("startupProbe", "--startup"));
                for (probe, question) in
                    [("livenessProbe", "--liveness"), ("readinessProbe", "--readiness")].into_iter().chain(startup)
                {
                    let wanted = json!(["/opt/ordain/ordain", "probe", name_in(server), question]);
                    assert_eq!(server[probe]["exec"]["command"], wanted, "{what}: {probe}");
                }
                // Ordain itself gives up after 60 s, and says why. What is started before Redis must not wait for it.
                let patience = if is_sidecar {
                    assert!(server["startupProbe"].is_null(), "{what}");
                    number("livenessProbe", "initialDelaySeconds") + number("livenessProbe", "periodSeconds")
                } else {
                    number("startupProbe", "periodSeconds") * number("startupProbe", "failureThreshold")
                };
                assert!(patience > 60, "{what}: {patience} s");
                assert!(
                    is_sidecar || name_in(server) != "sentinel" || !set.is_redis(),
                    "{what}: it ends before Redis has handed over"
                );
            }
            if set.is_redis() {
                let stop = &set.spec()["containers"][0]["lifecycle"]["preStop"]["exec"]["command"];
                assert_eq!(*stop, json!(["/opt/ordain/ordain", "handover"]), "{}", set.what);
                // The handover's deadline, and what the server takes for its own end.
                assert!(set.spec()["terminationGracePeriodSeconds"].as_u64().unwrap() >= 30 + 10, "{}", set.what);
            }
        }
    }
}

#[test]
fn pods_are_kept_apart_and_one_at_a_time_is_taken_away() {
    for topology in topologies() {
        for set in topology.sets() {
            let what = &set.what;
            let preferred = &set.spec()["affinity"]["podAntiAffinity"]["preferredDuringSchedulingIgnoredDuringExecution"];
            let apart = &preferred[0]["podAffinityTerm"];
            assert_eq!(apart["topologyKey"], "kubernetes.io/hostname", "{what}");
            assert!(selects(&set.object["spec"]["selector"]["matchLabels"], set.template), "{what}");
            // One budget for all of a group: two sets of it do not lose a pod each.
            let budgets = topology.of_kind("PodDisruptionBudget").map(|budget| &budget["spec"]);
            let own: Vec<_> = budgets.filter(|budget| selects(&budget["selector"]["matchLabels"], set.template)).collect();
            let [budget] = own[..] else { panic!("{what}: {} budgets", own.len()) };
            assert_eq!((&budget["maxUnavailable"], &budget["selector"]), (&json!(1), &apart["labelSelector"]), "{what}");
        }
        let selectors: Vec<_> = topology.sets().map(|set| &set.object["spec"]["selector"]["matchLabels"]).collect();
        let is_claimed_once = |set: &Set<'_>| selectors.iter().filter(|selector| selects(selector, set.template)).count() == 1;
        assert!(topology.sets().all(|set| is_claimed_once(&set)), "{}: a pod of two sets", topology.name);
    }
}

/// The variables of a container of a pod, as the kubelet makes them.
fn environment(topology: &Topology, container: &Value, pod: &str) -> BTreeMap<String, String> {
    let mut made = BTreeMap::new();
    for source in container["envFrom"].as_array().into_iter().flatten() {
        let map = source["configMapRef"]["name"].as_str().unwrap();
        let data = topology.named("ConfigMap", map).unwrap_or_else(|| panic!("{}: no {map}", topology.name))["data"]
            .as_object()
            .unwrap();
        made.extend(data.iter().map(|(key, value)| (key.clone(), value.as_str().unwrap().to_owned())));
    }
    for variable in container["env"].as_array().into_iter().flatten() {
        let value = match variable["valueFrom"]["fieldRef"]["fieldPath"].as_str() {
            Some("metadata.name") => pod,
            Some("metadata.namespace") => "demo",
            Some("status.podIP") => "192.0.2.1",
            _ => variable["value"].as_str().unwrap(),
        };
        made.insert(variable["name"].as_str().unwrap().to_owned(), value.to_owned());
    }
    made
}

/// What `ordain` would write in a pod's container, were this the first boot.
fn written(topology: &Topology, container: &Value, pod: &str) -> String {
    let mut environment = environment(topology, container, pod);
    // The Secret and what an option adds are not here.
    environment.retain(|key, _| key != "ORDAIN_PASSWORD_FILE" && key != "ORDAIN_EXTRA_CONFIG");
    // Sentinels of their own read from the records which groups there are.
    environment.entry("ORDAIN_GROUP".to_owned()).or_insert("redis".to_owned());
    let subcommand = container["command"][1].as_str().unwrap();
    let mut run = Command::new(ordain());
    let output = run.args([subcommand, "--dry-run"]).env_clear().envs(environment).output().unwrap();
    assert!(output.status.success(), "{}: {pod}: {}", topology.name, String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn what_is_written_at_a_first_boot_names_the_pods_that_there_are() {
    for topology in topologies() {
        let pods = |set: &Set<'_>| {
            let name = name_of(set.object).to_owned();
            (0..set.object["spec"]["replicas"].as_u64().unwrap()).map(move |ordinal| format!("{name}-{ordinal}"))
        };
        let hosts = |set: &Set<'_>| {
            let by = set.object["spec"]["serviceName"].as_str().unwrap().to_owned();
            pods(set).map(move |pod| format!("{pod}.{by}")).collect::<Vec<_>>()
        };
        let is_there = |host: &str| {
            topology.sets().flat_map(|set| hosts(&set)).any(|one| host == one || host.starts_with(&format!("{one}.")))
        };
        let mut masters = 0;
        for set in topology.sets() {
            for container in set.containers().filter(|container| ["redis", "sentinel"].contains(&name_in(container))) {
                for pod in pods(&set) {
                    let file = written(topology, container, &pod);
                    let words = |line: &str| line.split(' ').map(str::to_owned).collect::<Vec<_>>();
                    let lines: Vec<_> = file.lines().map(words).collect();
                    for line in &lines {
                        let line: Vec<_> = line.iter().map(String::as_str).collect();
                        let (["replicaof" | "replica-announce-ip", host, ..]
                        | ["sentinel", "announce-ip", host]
                        | ["sentinel", "known-replica" | "known-sentinel" | "monitor", _, host, ..]) = line[..]
                        else {
                            continue;
                        };
                        assert!(is_there(host), "{} in {}: {line:?}", pod, set.what);
                    }
                    let follows = file.contains("replicaof redis-0.redis-headless.");
                    if name_in(container) == "redis" {
                        masters += usize::from(!follows);
                        assert_eq!(follows, pod != "redis-0", "{pod} in {}: {file}", set.what);
                    } else {
                        assert!(file.contains("sentinel monitor redis redis-0.redis-headless."), "{pod} in {}: {file}", set.what);
                        let others = lines.iter().filter(|line| line.get(1).is_some_and(|word| word == "known-sentinel")).count();
                        assert_eq!(others, 2, "{pod} in {}: {file}", set.what);
                    }
                }
            }
        }
        assert_eq!(masters, 1, "{}", topology.name);
    }
}

#[test]
fn takeover_is_confined_kept_apart_and_on_the_api_server_with_strict_validation() {
    for folder in TAKEOVER {
        let takeover = Topology { name: folder.to_owned(), objects: kustomize(&repository().join(folder)) };
        let plane = ControlPlane::shared();
        let list = json!({"apiVersion": "v1", "kind": "List", "items": takeover.objects}).to_string();
        plane.kubectl(&["apply", "--validate=strict", "--dry-run=server", "-f", "-"], &list).expect("the API server takes it");
        let deployment = &takeover.named("Deployment", "node-takeover").unwrap()["spec"];
        let (template, spec) = (&deployment["template"], &deployment["template"]["spec"]);
        assert_eq!(deployment["replicas"], 2);
        assert!(selects(&deployment["selector"]["matchLabels"], template));
        let budget = &takeover.named("PodDisruptionBudget", "node-takeover").unwrap()["spec"];
        assert!(selects(&budget["selector"]["matchLabels"], template) && budget["maxUnavailable"] == 1);
        let apart = &spec["affinity"]["podAntiAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"][0];
        assert!(selects(&apart["labelSelector"]["matchLabels"], template) && apart["topologyKey"] == "kubernetes.io/hostname");
        assert_eq!((&spec["securityContext"]["runAsNonRoot"], &spec["enableServiceLinks"]), (&json!(true), &json!(false)));
        assert_eq!(spec["securityContext"]["seccompProfile"]["type"], "RuntimeDefault");
        let [container] = &spec["containers"].as_array().unwrap()[..] else { panic!("one container") };
        assert_eq!(container["image"], "ordain:0.1.0");
        let security =
            json!({"allowPrivilegeEscalation": false, "readOnlyRootFilesystem": true, "capabilities": {"drop": ["ALL"]}});
        assert_eq!(container["securityContext"], security);
        let needs = &container["resources"];
        assert!(
            needs["requests"]["cpu"].is_string()
                && needs["requests"]["memory"].is_string()
                && needs["limits"]["memory"].is_string()
        );

        let deletes = folder.ends_with("delete-node");
        let words: Vec<_> = container["command"].as_array().unwrap().iter().map(|word| word.as_str().unwrap()).collect();
        let wanted = if deletes { &["/ordain", "takeover", "--method=delete-node"][..] } else { &["/ordain", "takeover"] };
        assert_eq!(words, wanted);
        let rules = |kind: &str| {
            let role = takeover.named(kind, "node-takeover").unwrap();
            let told = |rule: &Value| (rule["resources"].clone(), rule["resourceNames"].clone(), rule["verbs"].clone());
            role["rules"].as_array().unwrap().iter().map(told).collect::<Vec<_>>()
        };
        let delete: &[&str] = if deletes { &["delete"] } else { &[] };
        let wanted = [
            (json!(["nodes"]), Value::Null, json!([&["get", "list", "watch", "patch"], delete].concat())),
            (json!(["pods"]), Value::Null, json!([&["list", "watch"], delete].concat())),
            (json!(["events"]), Value::Null, json!(["create"])),
        ];
        assert_eq!(rules("ClusterRole"), wanted);
        let wanted = [(json!(["leases"]), json!(["node-takeover"]), json!(["get", "list", "watch", "update"]))];
        assert_eq!(rules("Role"), wanted);
        assert!(takeover.named("Lease", "node-takeover").unwrap()["spec"].is_null(), "applied again it leaves who holds it");
    }
}

#[test]
fn takeover_may_speak_to_every_port_that_it_asks_whether_a_policy_stands_before_it_or_before_the_pods() {
    let built = with_options(&repository().join("manifests/node-takeover"), &["node-takeover-network-policy"]);
    let takeover = Topology { name: "node-takeover".to_owned(), objects: built };
    let list = json!({"apiVersion": "v1", "kind": "List", "items": takeover.objects}).to_string();
    let applied = ControlPlane::shared().kubectl(&["apply", "--validate=strict", "--dry-run=server", "-f", "-"], &list);
    applied.expect("the API server takes it");
    let template = &takeover.named("Deployment", "node-takeover").unwrap()["spec"]["template"];
    let of_its_own = takeover.named("NetworkPolicy", "node-takeover").unwrap();
    assert_eq!(of_its_own["metadata"]["namespace"], "kube-system");
    assert!(selects(&of_its_own["spec"]["podSelector"]["matchLabels"], template));
    let ports_of = |rule: &Value| -> Vec<u64> {
        rule["ports"].as_array().unwrap().iter().map(|port| port["port"].as_u64().unwrap()).collect()
    };
    let out = ports_of(&of_its_own["spec"]["egress"][0]);
    assert!(out.contains(&10250) && out.contains(&443), "{out:?}");
    let lets_it_in = |rule: &&Value| {
        let peer = &rule["from"][0];
        let is_of_its_namespace = peer["namespaceSelector"]["matchLabels"].as_object().is_none_or(|labels| {
            labels.iter().all(|(key, value)| key == "kubernetes.io/metadata.name" && value == "kube-system")
        });
        let is_it =
            peer["podSelector"]["matchLabels"].as_object().is_none_or(|_| selects(&peer["podSelector"]["matchLabels"], template));
        peer["namespaceSelector"].is_object() && is_of_its_namespace && is_it
    };
    for topology in topologies().iter().filter(|topology| topology.named("NetworkPolicy", "redis").is_some()) {
        let before_the_pods = topology.named("NetworkPolicy", "redis").unwrap()["spec"]["ingress"].as_array().unwrap();
        let within: Vec<_> = before_the_pods.iter().filter(lets_it_in).flat_map(ports_of).collect();
        for port in topology
            .sets()
            .flat_map(|set| set.containers().collect::<Vec<_>>())
            .flat_map(|container| container["ports"].as_array().into_iter().flatten())
        {
            let port = port["containerPort"].as_u64().unwrap();
            assert!(within.contains(&port) && out.contains(&port), "{}: {port}", topology.name);
        }
    }
}

#[test]
fn takeover_looks_for_the_labels_that_every_pod_of_a_server_has() {
    for set in topologies().iter().flat_map(Topology::sets) {
        let label = |key: &str| set.template["metadata"]["labels"][format!("app.kubernetes.io/{key}")].as_str();
        assert_eq!(label("name"), Some("redis"), "{}", set.what);
        assert!(["redis", "sentinel"].map(Some).contains(&label("component")), "{}", set.what);
    }
}
