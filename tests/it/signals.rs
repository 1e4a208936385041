//! SIGTERM ends a run, whatever it waits for.

use std::process::{Command, Stdio};
use std::time::Duration;

use testbed::dns::NameServer;
use testbed::hostile::{Hostile, Shape};
use testbed::subnet::Subnet;
use testbed::wait_for;

use crate::{UP, ordain};

/// All deadlines are a minute or more: whatever ends sooner by far has heard the signal.
const ENDED: Duration = Duration::from_secs(10);

/// Sends a signal by its name.
pub fn signal(process: u32, name: &str) {
    assert!(Command::new("kill").args([&format!("-{name}"), &process.to_string()]).status().unwrap().success());
}

#[test]
fn sigterm_ends_the_question_of_forget() {
    let subnet = Subnet::take();
    let dns = NameServer::start(&subnet);
    let folder = tempfile::tempdir().unwrap();
    let (pid, resolv_conf, log) = (folder.path().join("pid"), folder.path().join("resolv.conf"), folder.path().join("log"));
    std::fs::write(&resolv_conf, dns.resolv_conf("demo")).unwrap();
    let sentinel = subnet.host(20);
    let _silent = Hostile::at(sentinel.into(), 26379, Shape::Silence);
    let forget = format!(
        "echo $$ > {}; exec {} forget redis --no-kubernetes --sentinel {sentinel} --service redis.test --resolv-conf {} --force",
        pid.display(),
        ordain().display(),
        resolv_conf.display()
    );
    // A terminal, on which nobody types.
    let mut terminal = Command::new("script");
    terminal.args(["--quiet", "--return", "--flush", "--command", &forget]).arg(&log);
    let mut terminal = terminal.stdin(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
    wait_for("the question", UP, || {
        String::from_utf8_lossy(&std::fs::read(&log).unwrap_or_default()).contains("Type the group's name").then_some(())
    });
    signal(std::fs::read_to_string(&pid).unwrap().trim().parse().unwrap(), "TERM");
    let ended = wait_for("the end", ENDED, || terminal.try_wait().unwrap());
    assert_eq!(ended.code(), Some(1));
}
