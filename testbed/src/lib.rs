//! Real parts on loopback: Redis and Sentinel servers in pods of their own, a kube-apiserver with
//! RBAC, and a DNS server, for ordain's tests, its demo and its bench.
//!
//! - [`subnet`]: addresses that nobody else uses.
//! - [`dns`]: a name server with real answers and real faults.
//! - [`process`]: a process that ends with its owner and shows its log where a test fails.
//! - [`sandbox`]: a pod without a node: its own root, name and address.
//! - [`control_plane`]: etcd and kube-apiserver, one for all tests of a run.
//! - [`gate`]: a gate before the API server, a pod's own, that can be shut.
//! - [`manifests`]: the manifests as kustomize builds them. [`layout`]: which pods they have.
//! - [`group`]: three Redis pods and three Sentinels, as the manifests say.
//! - [`faults`]: what goes wrong in a group.
//! - [`chaos`]: rounds of it, drawn by a seed.
//! - [`authority`]: whoever issues the certificates of a test.
//! - [`black_hole`]: an address that neither answers nor refuses.
//! - [`hostile`]: a server that answers without end.
//! - [`http1`]: a proxy before the API server that speaks HTTP/1.1 alone.
//! - [`client`]: a client that writes numbered keys and remembers what was acknowledged.
//! - [`docs`]: the pages that are made from the code.
//! - [`label_watch`]: every state of the labels in between.
//! - [`storm`]: many groups under one set of Sentinels, whose masters all die at once.

pub mod authority;
pub mod black_hole;
pub mod chaos;
pub mod client;
pub mod control_plane;
pub mod dns;
pub mod docs;
pub mod faults;
pub mod gate;
pub mod group;
pub mod hostile;
pub mod http1;
pub mod label_watch;
pub mod layout;
pub mod manifests;
pub mod process;
pub mod requests;
pub mod sandbox;
pub mod storm;
pub mod subnet;

use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

/// The repository's root.
pub fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the testbed lies in the repository")
}

/// The runtime on which the testbed's own servers and clients live.
pub fn runtime() -> &'static tokio::runtime::Runtime {
    static RUNTIME: OnceLock<tokio::runtime::Runtime> = OnceLock::new();
    RUNTIME.get_or_init(|| tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime"))
}

/// The server under test: what `REDIS_SERVER` names, else `redis-server` on the path.
pub fn server_binary() -> PathBuf {
    let named = std::env::var_os("REDIS_SERVER").unwrap_or_else(|| "redis-server".into());
    if named.to_string_lossy().contains('/') {
        return std::path::absolute(named).expect("an absolute path");
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&path).map(|folder| folder.join(&named)).find(|file| file.is_file());
    found.unwrap_or_else(|| panic!("{} is not on the path: run `make servers`, or set REDIS_SERVER", named.display()))
}

/// The folder with kube-apiserver, etcd and kubectl, where there is one.
pub fn assets() -> Option<PathBuf> {
    let folder = match std::env::var_os("KUBEBUILDER_ASSETS") {
        Some(folder) => folder.into(),
        None => repository().join(".cache/control-plane"),
    };
    folder.join("kube-apiserver").is_file().then_some(folder)
}

/// What to do where there is none.
const NO_ASSETS: &str =
    "no control plane: run `make control-plane`, or set KUBEBUILDER_ASSETS to a folder with kube-apiserver, etcd and kubectl";

/// Copies a program, by a process of its own: were the copy written by this one, a child that another
/// thread forks meanwhile would hold it open for writing, and it could not be run (`ETXTBSY`).
pub fn copy_program(from: &Path, to: &Path) {
    let copied = std::process::Command::new("cp").arg("--").arg(from).arg(to).status();
    assert!(copied.is_ok_and(|status| status.success()), "cannot copy {} to {}", from.display(), to.display());
}

/// What ordain has logged without the times with which its lines begin, for what a story asserts is what was said.
pub fn without_times(log: &str) -> String {
    let said = |line| {
        let (time, said) = str::split_at_checked(line, "2026-11-30T00:00:00.000Z ".len())?;
        let shape = time.replace(|letter: char| letter.is_ascii_digit(), "0");
        (shape == "0000-00-00T00:00:00.000Z ").then_some(said)
    };
    log.split_inclusive('\n').map(|line| said(line).unwrap_or(line)).collect()
}

/// Waits until `condition` gives something, and says what it waited for where it does not come.
/// The pause only paces the questions: every caller states its deadline.
pub fn wait_for<T>(what: &str, deadline: Duration, mut condition: impl FnMut() -> Option<T>) -> T {
    let started = Instant::now();
    loop {
        if let Some(found) = condition() {
            return found;
        }
        assert!(started.elapsed() < deadline, "{what} did not come within {deadline:?}");
        std::thread::sleep(Duration::from_millis(10));
    }
}
