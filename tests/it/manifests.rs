//! What the manifests promise beyond what the main job's tests run of them.

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
