//! Which pods a bed has, and which manifests say what they are.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use serde_json::Value as Json;

use crate::manifests::{kustomize, shared_sentinel};
use crate::repository;
use crate::sandbox::list;

/// A topology of the manifests with its pods.
#[derive(Debug)]
pub struct Layout {
    folder: &'static str,
    /// The pods of the group, the first one first.
    pub redis: &'static [&'static str],
    /// The Sentinels: pods of their own, or as `redis-0/sentinel` beside a Redis.
    pub sentinels: &'static [&'static str],
    /// What kustomize builds of the folder; none where plain files are enough.
    built: Option<&'static OnceLock<Vec<Json>>>,
}

/// Sentinels in pods of their own.
pub static SHARED_SENTINEL: Layout = Layout {
    folder: "shared-sentinel",
    redis: &["redis-0", "redis-1", "redis-2"],
    sentinels: &["sentinel-0", "sentinel-1", "sentinel-2"],
    built: None,
};

/// A group in two StatefulSets, a Sentinel beside each Redis.
pub static MASTER_REPLICA_SENTINEL: Layout = Layout {
    folder: "master-replica-sentinel",
    redis: &["redis-0", "redis-replicas-0", "redis-replicas-1"],
    sentinels: &["redis-0/sentinel", "redis-replicas-0/sentinel", "redis-replicas-1/sentinel"],
    built: Some({
        static BUILT: OnceLock<Vec<Json>> = OnceLock::new();
        &BUILT
    }),
};

/// A group in two StatefulSets, without Sentinel.
pub static STATIC_REPLICATION: Layout = Layout {
    folder: "static-replication",
    redis: &["redis-0", "redis-replicas-0", "redis-replicas-1"],
    sentinels: &[],
    built: Some({
        static BUILT: OnceLock<Vec<Json>> = OnceLock::new();
        &BUILT
    }),
};

impl Layout {
    /// The pod template of a StatefulSet, as the manifests have it.
    pub(crate) fn template(&self, pod: &str) -> Json {
        let set = pod.rsplit_once('-').expect("a pod's name").0;
        if self.built.is_some() {
            return self.object("StatefulSet", set)["spec"]["template"].clone();
        }
        let folder = if set == "redis" { "base/redis" } else { self.folder };
        let file = repository().join(format!("manifests/{folder}/{set}.yaml"));
        let object: Json = serde_saphyr::from_str(&std::fs::read_to_string(&file).expect("the manifest")).expect("YAML");
        object["spec"]["template"].clone()
    }

    /// The variables that a container has from ConfigMaps.
    pub(crate) fn settings(&self, container: &Json) -> BTreeMap<String, String> {
        let maps = list(&container["envFrom"]).into_iter().map(|from| {
            let name = from["configMapRef"]["name"].as_str().expect("a ConfigMap").to_owned();
            self.object("ConfigMap", &name)["data"].as_object().expect("its data").clone()
        });
        maps.flatten().map(|(key, value)| (key, value.as_str().expect("a setting").to_owned())).collect()
    }

    /// Whether there is a Sentinel beside each Redis.
    pub(crate) fn has_sentinels_beside(&self) -> bool {
        self.sentinels.iter().any(|sentinel| sentinel.contains('/'))
    }

    /// The service accounts, and what they may do.
    pub fn access(&self) -> Vec<Json> {
        let objects = if self.built.is_some() { self.objects() } else { shared_sentinel() };
        let is_access = |object: &&Json| ["ServiceAccount", "Role", "RoleBinding"].iter().any(|kind| object["kind"] == *kind);
        objects.iter().filter(is_access).cloned().collect()
    }

    fn objects(&self) -> &[Json] {
        let built = self.built.expect("a folder that kustomize builds");
        built.get_or_init(|| kustomize(&repository().join("manifests").join(self.folder)))
    }

    fn object(&self, kind: &str, name: &str) -> &Json {
        let is_it = |object: &&Json| object["kind"] == kind && object["metadata"]["name"] == name;
        self.objects().iter().find(is_it).unwrap_or_else(|| panic!("{}: no {kind} {name}", self.folder))
    }
}
