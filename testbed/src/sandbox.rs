//! A pod without a node: a root of its own, its volumes, and its containers as processes that see
//! what their spec says and nothing else.

use std::collections::BTreeMap;
use std::fs::Permissions;
use std::net::IpAddr;
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value as Json;
use tempfile::TempDir;

use crate::process::Process;
use crate::{copy_program, server_binary};

/// What the testbed adds to every server's file.
pub const EXTRA_CONFIG: &str = "/etc/ordain-extra.conf";

/// The log of the main container.
const LOG: &str = "log";
/// Where the server under test lies in a sandbox: under the name that the manifests use.
const SERVERS: &str = "opt/servers";

/// A pod's root, volumes and containers.
#[derive(Debug)]
pub struct Sandbox {
    name: String,
    folder: TempDir,
    /// The main one first.
    containers: Vec<Container>,
}

/// A container as its spec says.
#[derive(Debug, Clone, Default)]
pub struct Container {
    /// Its name.
    pub name: String,
    /// Its variables.
    pub env: BTreeMap<String, String>,
    /// Volumes and where they are mounted.
    mounts: Vec<(String, String)>,
    /// The user and group that it runs as.
    user: u64,
    is_read_only: bool,
}

/// The items of a list in a spec; none where there is no list.
pub(crate) fn list(value: &Json) -> Vec<Json> {
    value.as_array().cloned().unwrap_or_default()
}

impl Container {
    /// Reads a container's spec; variables that come from fields of the pod are resolved.
    pub fn read(spec: &Json, pod_spec: &Json, fields: &BTreeMap<&str, String>) -> Self {
        let text = |value: &Json| value.as_str().map(str::to_owned);
        let mut env = BTreeMap::new();
        for variable in list(&spec["env"]) {
            let field = || fields.get(variable["valueFrom"]["fieldRef"]["fieldPath"].as_str()?).cloned();
            let value = text(&variable["value"]).or_else(field).expect("a variable's value");
            env.insert(text(&variable["name"]).expect("a variable's name"), value);
        }
        let mount = |mount: &Json| (text(&mount["name"]).expect("a volume"), text(&mount["mountPath"]).expect("a path"));
        Self {
            name: text(&spec["name"]).expect("a container's name"),
            env,
            mounts: list(&spec["volumeMounts"]).iter().map(mount).collect(),
            user: pod_spec["securityContext"]["runAsUser"].as_u64().expect("runAsUser"),
            is_read_only: spec["securityContext"]["readOnlyRootFilesystem"] == true,
        }
    }
}

impl Sandbox {
    /// Makes a root with the system's programs and the server under test.
    pub fn new(name: &str, ip: IpAddr, resolv_conf: &str) -> Self {
        // In memory where that is possible: a disk that several groups write to at once stalls
        // servers for longer than Sentinel's patience.
        let memory = Path::new("/dev/shm");
        let parent = if memory.is_dir() { memory.to_owned() } else { std::env::temp_dir() };
        let folder = tempfile::Builder::new().prefix("ordain-pod-").tempdir_in(parent).expect("a temporary folder");
        let sandbox = Self { name: name.to_owned(), folder, containers: Vec::new() };
        for folder in ["etc", "proc", "dev", "usr", "run", SERVERS] {
            std::fs::create_dir_all(sandbox.root().join(folder)).expect("a folder");
        }
        for link in ["bin", "sbin", "lib", "lib64"] {
            std::os::unix::fs::symlink(format!("usr/{link}"), sandbox.root().join(link)).expect("a link");
        }
        // A container's user must get in, whoever made the folder.
        std::fs::set_permissions(sandbox.folder.path(), Permissions::from_mode(0o755)).expect("permissions");
        copy_program(&server_binary(), &sandbox.root().join(SERVERS).join("redis-server"));
        sandbox.write("etc/resolv.conf", resolv_conf);
        // All pods share one network here: each server is told to listen on its pod's address only.
        sandbox.write(EXTRA_CONFIG, &format!("bind {ip}\n"));
        sandbox
    }

    /// Sets the containers, and makes their volumes.
    pub fn set_containers(&mut self, containers: Vec<Container>) {
        for container in &containers {
            for (volume, path) in &container.mounts {
                let folder = self.volume(volume);
                std::fs::create_dir_all(&folder).expect("a volume");
                // As a kubelet does for fsGroup; without root there is but one user.
                if !is_alone() {
                    let user = u32::try_from(container.user).ok();
                    chown(&folder, user, user).expect("the volume's owner");
                }
                std::fs::create_dir_all(self.root().join(path.trim_start_matches('/'))).expect("a mount point");
            }
        }
        self.containers = containers;
    }

    /// Has the containers that are started from now on be at another address.
    pub(crate) fn move_to(&mut self, ip: IpAddr) {
        let root = self.root();
        for container in &mut self.containers {
            let Some(own) = container.env.get_mut("POD_IP") else { continue };
            let old = std::mem::replace(own, ip.to_string());
            let file = root.join(container.env["ORDAIN_EXTRA_CONFIG"].trim_start_matches('/'));
            let text = std::fs::read_to_string(&file).expect("the testbed's own file");
            std::fs::write(&file, text.replace(&format!("bind {old}\n"), &format!("bind {ip}\n"))).expect("a file");
        }
    }

    /// The containers, the main one first.
    pub fn containers(&self) -> &[Container] {
        &self.containers
    }

    fn root(&self) -> PathBuf {
        self.folder.path().join("root")
    }

    fn volume(&self, name: &str) -> PathBuf {
        self.folder.path().join("volumes").join(name)
    }

    /// A path inside the main container, as seen from outside.
    pub fn path(&self, inside: &str) -> PathBuf {
        let inside = inside.trim_start_matches('/');
        for (volume, path) in self.containers.first().map_or(&[][..], |main| &main.mounts) {
            if let Some(rest) = inside.strip_prefix(path.trim_start_matches('/')) {
                return self.volume(volume).join(rest.trim_start_matches('/'));
            }
        }
        self.root().join(inside)
    }

    /// Writes a file.
    pub fn write(&self, inside: &str, text: &str) {
        let path = self.path(inside);
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        std::fs::write(&path, text).expect("a file");
    }

    /// Appends to a file.
    pub fn append(&self, inside: &str, text: &str) {
        self.write(inside, &(self.read(inside) + text));
    }

    /// Reads a file.
    pub fn read(&self, inside: &str) -> String {
        std::fs::read_to_string(self.path(inside)).unwrap_or_else(|error| panic!("{inside} of {}: {error}", self.name))
    }

    /// What the main container has printed, over all its runs.
    pub fn log(&self) -> String {
        String::from_utf8_lossy(&std::fs::read(self.folder.path().join(LOG)).unwrap_or_default()).into_owned()
    }

    /// The same of another container.
    pub fn log_of(&self, container: &str) -> String {
        String::from_utf8_lossy(&std::fs::read(self.folder.path().join(format!("{LOG}-{container}"))).unwrap_or_default())
            .into_owned()
    }

    /// Empties a volume, as if it were lost.
    pub fn empty(&self, inside: &str) {
        for entry in std::fs::read_dir(self.path(inside)).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() { std::fs::remove_dir_all(path) } else { std::fs::remove_file(path) }.expect("it goes");
        }
    }

    /// Puts a program into the root.
    pub fn put_program(&self, from: &Path, inside: &str) {
        copy_program(from, &self.root().join(inside));
    }

    /// Runs a command to its end, as in the main container.
    pub fn run(&self, words: &[&str]) -> Output {
        self.run_in(&self.containers[0], words)
    }

    /// Runs a command to its end, as in another container of the pod.
    pub fn run_in(&self, container: &Container, words: &[&str]) -> Output {
        self.command(container, words).output().expect("a sandbox: it needs root, or hack/isolated")
    }

    /// A command that is yet to be started, as in the main container.
    pub fn command_of(&self, words: &[&str]) -> Command {
        self.command(&self.containers[0], words)
    }

    /// Starts a container. The log of the main one is the pod's.
    pub fn start(&self, container: &Container, words: &[&str]) -> Process {
        let is_main = self.containers.first().is_some_and(|main| main.name == container.name);
        let (name, log) = if is_main {
            (self.name.clone(), LOG.to_owned())
        } else {
            (format!("{} ({})", self.name, container.name), format!("{LOG}-{}", container.name))
        };
        Process::start(&name, &self.folder.path().join(log), &self.command(container, words))
    }

    fn command(&self, container: &Container, words: &[&str]) -> Command {
        // The mounts are the container's own, and gone with its last process.
        const ENTER: &str = r#"
            set -e
            root=$1 as=$2 read_only=$3 volumes=$4; shift 4
            mount --bind "$root" "$root"
            mount --rbind /usr "$root/usr"; mount --rbind /proc "$root/proc"; mount --rbind /dev "$root/dev"
            while [ "$1" != -- ]; do mount --bind "$volumes/$1" "$root$2"; shift 2; done; shift
            [ "$read_only" = no ] || mount -o remount,bind,ro "$root"
            exec chroot $as "$root" "$@"
        "#;
        let mut command = Command::new("unshare");
        command.args(["--mount", "--propagation", "private", "--", "sh", "-c", ENTER, "sandbox"]).arg(self.root());
        let user = container.user;
        command.arg(if is_alone() { String::new() } else { format!("--userspec={user}:{user} --groups={user}") });
        command.arg(if container.is_read_only { "yes" } else { "no" }).arg(self.folder.path().join("volumes"));
        command.args(container.mounts.iter().flat_map(|(volume, path)| [volume, path])).arg("--");
        command.args(["/usr/bin/env", "-i", &format!("PATH=/{SERVERS}:/usr/bin:/bin"), &format!("HOSTNAME={}", self.name)]);
        command.args(container.env.iter().map(|(key, value)| format!("{key}={value}")));
        command.args(words);
        command
    }
}

/// Whether this is a user namespace with one user only, as hack/isolated makes it without root:
/// then everything runs as that one.
fn is_alone() -> bool {
    let map = std::fs::read_to_string("/proc/self/uid_map").unwrap_or_default();
    map.split_whitespace().nth(2) == Some("1")
}
