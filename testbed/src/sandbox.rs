//! A pod without a node: a root of its own, where volumes are folders and `/etc/resolv.conf` names
//! the testbed's name server. Containers of one pod share it.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use tempfile::TempDir;

use crate::process::Process;
use crate::server_binary;

/// A pod's root and environment.
#[derive(Debug)]
pub struct Sandbox {
    name: String,
    root: TempDir,
    env: BTreeMap<String, String>,
}

/// What the testbed adds to every server's file.
pub const EXTRA_CONFIG: &str = "/etc/ordain-extra.conf";

/// Where the server under test lies in a sandbox: under the names that the manifests use.
const SERVERS: &str = "opt/servers";

impl Sandbox {
    /// Makes a root with the system's programs, the server under test, and empty folders for data
    /// and configuration.
    pub fn new(name: &str, ip: IpAddr, resolv_conf: &str) -> Self {
        // In memory where that is possible: a disk that several groups write to at once stalls
        // servers for longer than Sentinel's patience.
        let memory = Path::new("/dev/shm");
        let parent = if memory.is_dir() { memory.to_owned() } else { std::env::temp_dir() };
        let root = tempfile::Builder::new().prefix("ordain-pod-").tempdir_in(parent).expect("a temporary folder");
        for folder in ["data", "etc/redis", "opt/ordain", "tmp", "proc", "dev", "usr", "run", SERVERS] {
            std::fs::create_dir_all(root.path().join(folder)).expect("a folder");
        }
        for link in ["bin", "sbin", "lib", "lib64"] {
            std::os::unix::fs::symlink(format!("usr/{link}"), root.path().join(link)).expect("a link");
        }
        let server = server_binary();
        std::fs::copy(&server, root.path().join(SERVERS).join("redis-server")).expect("the server under test");
        let sandbox = Self {
            name: name.to_owned(),
            root,
            env: BTreeMap::from([
                ("PATH".into(), format!("/{SERVERS}:/usr/bin:/bin")),
                ("HOSTNAME".into(), name.into()),
                ("POD_NAME".into(), name.into()),
                ("POD_IP".into(), ip.to_string()),
            ]),
        };
        sandbox.write("etc/resolv.conf", resolv_conf);
        // All pods share one network here: each server is told to listen on its pod's address only.
        sandbox.write(EXTRA_CONFIG, &format!("bind {ip}\n"));
        sandbox.with_env("ORDAIN_EXTRA_CONFIG", EXTRA_CONFIG)
    }

    /// Sets a variable for everything that runs in it.
    pub fn with_env(mut self, key: &str, value: &str) -> Self {
        self.env.insert(key.into(), value.into());
        self
    }

    /// A path inside, as seen from outside.
    pub fn path(&self, inside: &str) -> PathBuf {
        self.root.path().join(inside.trim_start_matches('/'))
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

    /// Empties a folder, as a lost volume.
    pub fn empty(&self, inside: &str) {
        let path = self.path(inside);
        std::fs::remove_dir_all(&path).expect("a folder");
        std::fs::create_dir(&path).expect("a folder");
    }

    /// Puts a program into it.
    pub fn put_program(&self, from: &Path, inside: &str) {
        std::fs::copy(from, self.path(inside)).expect("a program");
    }

    /// Runs a command to its end.
    pub fn run(&self, words: &[&str]) -> Output {
        self.command(words).output().expect("a sandbox: it needs root, or hack/isolated")
    }

    /// Starts a server; its log lies in the sandbox.
    pub fn start(&self, words: &[&str]) -> Process {
        Process::start(&self.name, &self.path("tmp/log"), &self.command(words))
    }

    fn command(&self, words: &[&str]) -> Command {
        // The mounts are the sandbox's own, and gone with its last process.
        const ENTER: &str = r#"
            root=$1; shift
            mount --rbind /usr "$root/usr" && mount --rbind /proc "$root/proc" && mount --rbind /dev "$root/dev" &&
            exec chroot "$root" "$@"
        "#;
        let mut command = Command::new("unshare");
        command.args(["--mount", "--propagation", "private", "--", "sh", "-c", ENTER, "sandbox"]);
        command.arg(self.root.path()).args(["/usr/bin/env", "-i"]);
        command.args(self.env.iter().map(|(key, value)| format!("{key}={value}")));
        command.args(words);
        command
    }
}
