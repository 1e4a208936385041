//! A process that ends with its owner, and whose log is shown where a test fails.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::OnceLock;
use std::sync::mpsc::{Sender, channel};
use std::time::Duration;

/// A running server.
#[derive(Debug)]
pub struct Process {
    name: String,
    log: PathBuf,
    child: Child,
}

/// What a process has used.
#[derive(Debug, Clone, Copy)]
pub struct Usage {
    /// Memory that it holds now, in MiB.
    pub resident: f64,
    /// Of that, what is not a file's.
    pub anonymous: f64,
    /// Time on a core since it started.
    pub cpu: Duration,
}

impl Process {
    /// Starts `command`, its output going to `log`.
    pub fn start(name: &str, log: &Path, command: &Command) -> Self {
        let mut command = with_our_death(command);
        let file = File::options().create(true).append(true).open(log).expect("the log");
        command.stdin(Stdio::null()).stdout(file.try_clone().expect("the log")).stderr(file);
        let child = spawn(command).unwrap_or_else(|error| panic!("{name} does not start: {error}"));
        Self { name: name.to_owned(), log: log.to_owned(), child }
    }

    /// Its process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// What it has printed.
    pub fn log(&self) -> String {
        String::from_utf8_lossy(&std::fs::read(&self.log).unwrap_or_default()).into_owned()
    }

    /// What it has used so far.
    pub fn usage(&self) -> Usage {
        let read = |file: &str| std::fs::read_to_string(format!("/proc/{}/{file}", self.id())).expect("a running process");
        let status = read("status");
        let mib = |field: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(field)).expect("a field of its status");
            line.split_whitespace().nth(1).and_then(|kib| kib.parse::<f64>().ok()).expect("a number") / 1024.0
        };
        // After the name in brackets, the 12th and 13th field: in hundredths of a second.
        let stat = read("stat");
        let fields = stat.rsplit_once(") ").expect("a name in brackets").1.split(' ');
        let ticks: u64 = fields.skip(11).take(2).filter_map(|ticks| ticks.parse::<u64>().ok()).sum();
        Usage { resident: mib("VmRSS"), anonymous: mib("RssAnon"), cpu: Duration::from_millis(10 * ticks) }
    }

    /// Its exit status, where it has ended.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().expect("the status")
    }

    /// Sends a signal by its name, such as `STOP`.
    pub fn signal(&self, name: &str) {
        let sent = Command::new("sh").args(["-c", &format!("kill -{name} {}", self.id())]).status();
        assert!(sent.is_ok_and(|status| status.success()), "cannot send {name} to {}", self.name);
    }

    /// Ends it as a power cut would, and waits until it is gone.
    pub fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
        if std::thread::panicking() {
            let log = self.log();
            let lines: Vec<_> = log.lines().collect();
            let from = lines.len().saturating_sub(40);
            eprintln!("--- the end of the log of {}\n{}\n---", self.name, lines[from..].join("\n"));
        }
    }
}

/// Has the kernel end the command when we die, however we do.
fn with_our_death(command: &Command) -> Command {
    let mut bound = Command::new("setpriv");
    bound.args(["--pdeathsig", "KILL", "--"]).arg(command.get_program()).args(command.get_args());
    if let Some(folder) = command.get_current_dir() {
        bound.current_dir(folder);
    }
    // A sandbox sets the environment itself: what is set here is set for the program, too.
    for (key, value) in command.get_envs() {
        match value {
            Some(value) => bound.env(key, value),
            None => bound.env_remove(key),
        };
    }
    bound
}

type Order = (Command, Sender<std::io::Result<Child>>);

/// Starts a process from a thread that lives as long as this program: the kernel counts the death
/// of the thread that started it as ours.
fn spawn(command: Command) -> std::io::Result<Child> {
    static SPAWNER: OnceLock<Sender<Order>> = OnceLock::new();
    let spawner = SPAWNER.get_or_init(|| {
        let (orders, incoming) = channel::<Order>();
        std::thread::spawn(move || {
            for (mut command, reply) in incoming {
                let _ = reply.send(command.spawn());
            }
        });
        orders
    });
    let (reply, outcome) = channel();
    spawner.send((command, reply)).expect("the spawner lives");
    outcome.recv().expect("the spawner answers")
}
