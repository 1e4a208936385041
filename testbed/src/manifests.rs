//! The manifests, as kustomize builds them.

use std::path::Path;
use std::process::Command;
use std::sync::OnceLock;

use serde_json::Value;

use crate::{NO_ASSETS, assets, repository};

/// What kustomize builds of a folder. No server is asked.
pub fn kustomize(folder: &Path) -> Vec<Value> {
    let mut kubectl = Command::new(assets().expect(NO_ASSETS).join("kubectl"));
    let built = kubectl.arg("kustomize").arg(folder).output().expect("kubectl");
    let said = String::from_utf8_lossy(&built.stderr);
    assert!(built.status.success(), "kustomize of {}: {said}", folder.display());
    serde_saphyr::from_multiple(&String::from_utf8_lossy(&built.stdout)).expect("YAML")
}

/// The objects of `manifests/shared-sentinel`.
pub fn shared_sentinel() -> &'static [Value] {
    static BUILT: OnceLock<Vec<Value>> = OnceLock::new();
    BUILT.get_or_init(|| kustomize(&repository().join("manifests/shared-sentinel")))
}
