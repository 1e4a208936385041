//! What the manifests promise beyond what the main job's tests run of them.

use serde_json::{Value, json};
use testbed::control_plane::{ControlPlane, manifests};
use testbed::group::Bed;

use crate::ordain;

#[test]
fn the_api_server_takes_the_whole_topology_with_strict_validation() {
    let namespace = ControlPlane::shared().namespace();
    namespace.apply(manifests());
    let listed = namespace.plane.kubectl(&["get", "statefulsets,services", "-n", &namespace.name, "-o", "name"], "").unwrap();
    let mut listed: Vec<_> = listed.lines().collect();
    listed.sort_unstable();
    assert_eq!(
        listed,
        [
            "service/redis-headless",
            "service/redis-master",
            "service/redis-replica",
            "service/sentinel",
            "statefulset.apps/redis",
            "statefulset.apps/sentinel",
        ]
    );
}

#[test]
fn the_images_are_set_by_kustomize() {
    let images: Vec<String> = manifests()
        .iter()
        .filter(|object| object["kind"] == "StatefulSet")
        .flat_map(|set| {
            let spec = &set["spec"]["template"]["spec"];
            let containers = ["initContainers", "containers"].map(|list| spec[list].as_array().unwrap());
            containers.into_iter().flatten().map(|container| container["image"].as_str().unwrap().to_owned())
        })
        .collect();
    assert_eq!(images, ["ordain:0.1.0", "redis:7.4", "ordain:0.1.0", "redis:7.4", "ordain:0.1.0"]);
}

#[test]
fn the_role_allows_what_ordain_does_and_nothing_else() {
    let mut bed = Bed::on_kubernetes(ordain());
    bed.make("redis-0");
    let namespace = bed.namespace.as_ref().unwrap();
    let can = |account: &str, verb: &str, resource: &str| {
        let user = format!("system:serviceaccount:{}:{account}", namespace.name);
        // kubectl exits with 1 for a no.
        namespace.plane.kubectl(&["auth", "can-i", verb, resource, "-n", &namespace.name, "--as", &user], "").is_ok()
    };
    let allowed = [("leases", &["get", "list", "watch", "create", "update"][..]), ("pods", &["get", "list", "watch", "patch"])];
    for resource in ["leases", "pods", "secrets", "configmaps", "services", "statefulsets.apps"] {
        for verb in ["get", "list", "watch", "create", "update", "patch", "delete"] {
            let wanted = allowed.iter().any(|(name, verbs)| *name == resource && verbs.contains(&verb));
            assert_eq!(can("redis", verb, resource), wanted, "{verb} {resource}");
        }
    }
    for (resource, verbs) in allowed {
        assert!(verbs.iter().all(|verb| can("sentinel", verb, resource)), "the Sentinels' account: {resource}");
    }
}

/// What a StatefulSet's pods are made from.
fn templates() -> Vec<(&'static str, &'static Value)> {
    let sets = manifests().iter().filter(|object| object["kind"] == "StatefulSet");
    sets.map(|set| (set["metadata"]["name"].as_str().unwrap(), &set["spec"]["template"]["spec"])).collect()
}

fn containers(spec: &Value) -> impl Iterator<Item = &Value> {
    ["initContainers", "containers"].into_iter().flat_map(|list| spec[list].as_array().unwrap())
}

#[test]
fn every_container_is_confined_and_says_what_it_needs() {
    for (set, spec) in templates() {
        assert_eq!(spec["securityContext"]["runAsNonRoot"], true, "{set}");
        assert_eq!(spec["securityContext"]["seccompProfile"]["type"], "RuntimeDefault", "{set}");
        for container in containers(spec) {
            let security = &container["securityContext"];
            let is_confined = security["allowPrivilegeEscalation"] == false
                && security["readOnlyRootFilesystem"] == true
                && security["capabilities"] == json!({"drop": ["ALL"]});
            assert!(is_confined, "{set}: {container}");
            let needs = &container["resources"];
            let says = needs["requests"]["cpu"].is_string() && needs["requests"]["memory"].is_string();
            assert!(says && needs["limits"]["memory"].is_string(), "{set}: {container}");
        }
    }
}

#[test]
fn every_server_is_probed_by_ordain_and_a_redis_hands_over_before_it_stops() {
    for (set, spec) in templates() {
        let server = &spec["containers"][0];
        for (probe, question) in
            [("startupProbe", "--startup"), ("livenessProbe", "--liveness"), ("readinessProbe", "--readiness")]
        {
            let wanted = json!(["/opt/ordain/ordain", "probe", set, question]);
            assert_eq!(server[probe]["exec"]["command"], wanted, "{set} {probe}");
        }
        // Ordain itself gives up after 60 s, and says why.
        let patience = ["periodSeconds", "failureThreshold"].map(|field| server["startupProbe"][field].as_u64().unwrap());
        assert!(patience[0] * patience[1] > 60, "{set}: {patience:?}");
    }
    let redis = &templates().into_iter().find(|(set, _)| *set == "redis").unwrap().1;
    let stop = &redis["containers"][0]["lifecycle"]["preStop"]["exec"]["command"];
    assert_eq!(*stop, json!(["/opt/ordain/ordain", "handover"]));
    // The handover's deadline, and what the server takes for its own end.
    assert!(redis["terminationGracePeriodSeconds"].as_u64().unwrap() >= 30 + 10);
}

#[test]
fn pods_are_kept_apart_and_one_at_a_time_is_taken_away() {
    for (set, spec) in templates() {
        let apart = &spec["affinity"]["podAntiAffinity"]["preferredDuringSchedulingIgnoredDuringExecution"][0]["podAffinityTerm"];
        assert_eq!(apart["topologyKey"], "kubernetes.io/hostname", "{set}");
        let object = |kind: &str| manifests().iter().find(|object| object["kind"] == kind && object["metadata"]["name"] == set);
        let selector = &object("StatefulSet").unwrap()["spec"]["selector"];
        assert_eq!(apart["labelSelector"], *selector, "{set}");
        let budget = &object("PodDisruptionBudget").unwrap()["spec"];
        assert_eq!((&budget["maxUnavailable"], &budget["selector"]), (&json!(1), selector), "{set}");
    }
}
