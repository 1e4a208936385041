//! SIGTERM ends every subcommand, whatever it waits for.

use std::fs::File;
use std::io::Read;
use std::net::UdpSocket;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use rstest::rstest;
use tempfile::TempDir;
use testbed::dns::NameServer;
use testbed::hostile::{Hostile, Shape};
use testbed::subnet::Subnet;
use testbed::wait_for;

use crate::{UP, ordain};

/// All deadlines are a minute or more: whatever ends sooner by far has heard the signal.
const ENDED: Duration = Duration::from_secs(10);
/// Opens without waiting (`O_NONBLOCK` of Linux).
const AT_ONCE: i32 = 0o4000;

/// Sends a signal by its name.
pub fn signal(process: u32, name: &str) {
    assert!(Command::new("kill").args([&format!("-{name}"), &process.to_string()]).status().unwrap().success());
}

/// What a run waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Source {
    Redis,
    Sentinel,
    Dns,
    ApiServer,
    NameOfTheApiServer,
    Kubeconfig,
    Credentials,
}

/// Something that does not answer, and tells when it was asked.
struct Silence {
    source: Source,
    servers: Vec<Hostile>,
    /// A name server that answers; else nobody reads what comes to its address.
    _dns: Option<NameServer>,
    port_53: UdpSocket,
    subnet: Subnet,
    folder: TempDir,
    pipe: Option<File>,
}

impl Silence {
    fn of(source: Source) -> Self {
        let subnet = Subnet::take();
        let folder = tempfile::tempdir().unwrap();
        let (ip, port_53) = subnet.name_server();
        let is_dns = matches!(source, Source::Dns | Source::NameOfTheApiServer);
        let dns = (!is_dns).then(|| NameServer::start(&subnet));
        let conf = format!("nameserver {ip}\noptions ndots:1\n");
        std::fs::write(folder.path().join("resolv.conf"), conf).unwrap();
        let ports: &[(u8, u16)] = match source {
            Source::Redis => &[(10, 6379), (11, 6379), (12, 6379)],
            Source::Sentinel => &[(20, 26379)],
            Source::ApiServer => &[(30, 6443)],
            _ => &[],
        };
        let servers = ports.iter().map(|(last, port)| Hostile::at(subnet.host(*last).into(), *port, Shape::Silence)).collect();
        for ordinal in 0..3_u8 {
            if let (Some(dns), Source::Redis) = (&dns, source) {
                dns.zone.address(&format!("redis-{ordinal}.redis.test"), std::net::IpAddr::from(subnet.host(10 + ordinal)));
            }
        }
        Self { source, servers, _dns: dns, port_53, subnet, folder, pipe: None }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn start(&self, words: &str) -> Child {
        let mut command = Command::new(ordain());
        command.args(words.split_whitespace()).env_clear().env("PATH", "/usr/bin:/bin");
        let sentinel = self.subnet.host(20).to_string();
        let pod_ip = self.subnet.host(10).to_string();
        if !words.starts_with("takeover") {
            command.env("ORDAIN_SERVICE", "redis.test").env("POD_IP", pod_ip);
            command.env("ORDAIN_SENTINELS", if self.source == Source::Dns { "sentinel.test" } else { &sentinel });
        }
        command.env("POD_NAME", "redis-0").env("ORDAIN_RESOLV_CONF", self.path("resolv.conf"));
        command.env("ORDAIN_DATA_DIR", self.folder.path()).env("ORDAIN_OUTPUT", self.path("written.conf"));
        match self.kubeconfig() {
            Some(path) => command.env("KUBECONFIG", path),
            None => command.env("ORDAIN_NO_KUBERNETES", "true"),
        };
        command.env("ORDAIN_PROBE_DEADLINE", "60s").env("ORDAIN_HANDOVER_DEADLINE", "60s");
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        command.spawn().unwrap()
    }

    /// The file that says how the API server is reached, where one is asked.
    fn kubeconfig(&self) -> Option<PathBuf> {
        let path = self.path("kubeconfig");
        let (server, user) = match self.source {
            Source::ApiServer => (format!("http://{}:6443", self.subnet.host(30)), String::new()),
            Source::NameOfTheApiServer => ("https://api.test:6443".to_owned(), String::new()),
            Source::Credentials => {
                let program = self.path("credentials");
                let asked = self.path("asked");
                std::fs::write(
                    &program,
                    format!("#!/bin/sh\ntouch {}\nexec sleep 60 < /dev/null > /dev/null 2>&1\n", asked.display()),
                )
                .unwrap();
                std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
                let exec = format!(
                    "exec: {{apiVersion: client.authentication.k8s.io/v1, command: {}, interactiveMode: Never}}",
                    program.display()
                );
                (format!("http://{}:6443", self.subnet.host(30)), exec)
            }
            Source::Kubeconfig => {
                assert!(Command::new("mkfifo").arg(&path).status().unwrap().success());
                return Some(path);
            }
            Source::Redis | Source::Sentinel | Source::Dns => return None,
        };
        let text = format!(
            "apiVersion: v1\nkind: Config\ncurrent-context: c\ncontexts: [{{name: c, context: {{cluster: c, user: u}}}}]\nclusters: [{{name: c, cluster: {{server: '{server}'}}}}]\nusers: [{{name: u, user: {{{user}}}}}]\n"
        );
        std::fs::write(&path, text).unwrap();
        Some(path)
    }

    /// Whether it was asked.
    fn is_asked(&mut self) -> bool {
        match self.source {
            Source::Redis | Source::Sentinel | Source::ApiServer => self.servers.iter().any(|server| server.connections() > 0),
            Source::Dns | Source::NameOfTheApiServer => {
                self.port_53.set_nonblocking(true).unwrap();
                self.port_53.peek_from(&mut [0; 512]).is_ok()
            }
            Source::Kubeconfig => {
                // It opens for who writes once somebody reads, and stays open, so that there is no end to read.
                let pipe = File::options().write(true).custom_flags(AT_ONCE).open(self.path("kubeconfig"));
                self.pipe = pipe.ok().or_else(|| self.pipe.take());
                self.pipe.is_some()
            }
            Source::Credentials => self.path("asked").exists(),
        }
    }
}

const GENCONF: &str = "genconf-redis";
const SENTINEL: &str = "genconf-sentinel --dry-run --group redis --pod-name sentinel-0";
const HOOK: &str = "on-failover redis leader start redis-0.redis.test 6379 redis-1.redis.test 6379";
const RECONCILE: &str = "reconcile --group redis";
const WATCH: &str = "reconcile --group redis --watch";
const HANDOVER: &str = "handover";
const FORGET: &str = "forget redis --yes";
const TAKEOVER: &str = "takeover";

#[rstest]
#[case(Source::Redis, &[GENCONF, SENTINEL, RECONCILE, WATCH, HANDOVER, FORGET, "probe redis --liveness", "probe redis --readiness"])]
#[case(Source::Sentinel, &[GENCONF, SENTINEL, RECONCILE, WATCH, FORGET])]
#[case(Source::Dns, &[GENCONF, SENTINEL, RECONCILE, WATCH, FORGET])]
#[case(Source::ApiServer, &[GENCONF, SENTINEL, HOOK, RECONCILE, WATCH, FORGET, TAKEOVER])]
#[case(Source::NameOfTheApiServer, &[GENCONF, SENTINEL, HOOK, RECONCILE, WATCH, HANDOVER, FORGET, TAKEOVER])]
#[case(Source::Kubeconfig, &[GENCONF, SENTINEL, HOOK, RECONCILE, WATCH, HANDOVER, FORGET, TAKEOVER])]
#[case(Source::Credentials, &[GENCONF, SENTINEL, HOOK, RECONCILE, WATCH, HANDOVER, FORGET, TAKEOVER])]
fn sigterm_ends_a_run_that_waits(#[case] source: Source, #[case] runs: &[&str]) {
    for words in runs {
        let mut silence = Silence::of(source);
        let mut run = silence.start(words);
        wait_for(&format!("{words} asking {source:?}"), UP, || {
            let ended = run.try_wait().unwrap();
            assert!(ended.is_none(), "{words} at {source:?} did not wait: {ended:?} {}", said(&mut run));
            silence.is_asked().then_some(())
        });
        signal(run.id(), "TERM");
        let ended = wait_for(&format!("{words} ending"), ENDED, || run.try_wait().unwrap());
        let said = said(&mut run);
        let goes_on = [WATCH, TAKEOVER].contains(words);
        assert_eq!(ended.code(), Some(i32::from(!goes_on)), "{words} at {source:?}: {said}");
        let last = said.lines().last().unwrap_or_default();
        assert!(goes_on || last.starts_with("error: stopped by SIGTERM"), "{words} at {source:?}: {said}");
    }
}

#[test]
fn sigterm_ends_the_question_of_forget() {
    let silence = Silence::of(Source::Sentinel);
    let pid = silence.path("pid");
    let sentinel = silence.subnet.host(20);
    let forget = format!(
        "echo $$ > {}; exec {} forget redis --no-kubernetes --sentinel {sentinel} --service redis.test --resolv-conf {} --force",
        pid.display(),
        ordain().display(),
        silence.path("resolv.conf").display()
    );
    // A terminal, on which nobody types.
    let log = silence.path("log");
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

fn said(run: &mut Child) -> String {
    let mut said = String::new();
    run.stderr.take().unwrap().read_to_string(&mut said).unwrap();
    said
}
