//! SIGTERM ends every subcommand, whatever it waits for.

use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, UdpSocket};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use rstest::rstest;
use tempfile::TempDir;
use testbed::black_hole::BlackHole;
use testbed::dns::NameServer;
use testbed::group::Bed;
use testbed::hostile::{Hostile, Shape};
use testbed::subnet::Subnet;
use testbed::{wait_for, without_times};

use crate::{UP, ordain, started};

/// All deadlines are a minute or more: whatever ends sooner by far has heard the signal.
const ENDED: Duration = Duration::from_secs(10);
/// What a pipe holds that nobody reads, in bytes.
const PIPE: usize = 64 * 1024;

/// Sends a signal by its name.
pub fn signal(process: u32, name: &str) {
    assert!(Command::new("kill").args([&format!("-{name}"), &process.to_string()]).status().unwrap().success());
}

/// What a run waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Source {
    Redis(Way),
    Sentinel(Way),
    Dns,
    ApiServer(Way),
    NameOfTheApiServer,
    Credentials,
}

/// How a server gives no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    Takes(Shape),
    TakesNoConnection,
}

const SILENT: Way = Way::Takes(Shape::Silence);
const SLOW: Way = Way::Takes(Shape::Drops);
const DROPPED: Way = Way::TakesNoConnection;

/// Something that does not answer, and tells when it was asked.
struct Silence {
    source: Source,
    servers: Vec<Hostile>,
    _holes: Vec<BlackHole>,
    /// A name server that answers; else nobody reads what comes to its address.
    _dns: Option<NameServer>,
    port_53: UdpSocket,
    subnet: Subnet,
    folder: TempDir,
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
        let (way, addresses) = Self::addresses(source, &subnet);
        let (mut servers, mut holes) = (Vec::new(), Vec::new());
        for (ip, port) in addresses {
            match way {
                Way::Takes(shape) => servers.push(Hostile::at(ip.into(), port, shape)),
                Way::TakesNoConnection => holes.push(BlackHole::at(ip.into(), port)),
            }
        }
        for ordinal in 0..3_u8 {
            if let (Some(dns), Source::Redis(_)) = (&dns, source) {
                dns.zone.address(&format!("redis-{ordinal}.redis.test"), IpAddr::from(subnet.host(10 + ordinal)));
            }
        }
        Self { source, servers, _holes: holes, _dns: dns, port_53, subnet, folder }
    }

    /// Where it is that does not answer, and how.
    fn addresses(source: Source, subnet: &Subnet) -> (Way, Vec<(Ipv4Addr, u16)>) {
        match source {
            Source::Redis(way) => (way, (10..13).map(|last| (subnet.host(last), 6379)).collect()),
            Source::Sentinel(way) => (way, vec![(subnet.host(20), 26379)]),
            Source::ApiServer(way) => (way, vec![(subnet.host(30), 6443)]),
            _ => (SILENT, Vec::new()),
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn command(&self, words: &str) -> Command {
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
        command
    }

    /// The file that says how the API server is reached, where one is asked.
    fn kubeconfig(&self) -> Option<PathBuf> {
        let path = self.path("kubeconfig");
        let (server, user) = match self.source {
            Source::ApiServer(_) => (format!("http://{}:6443", self.subnet.host(30)), String::new()),
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
            Source::Redis(_) | Source::Sentinel(_) | Source::Dns => return None,
        };
        let text = format!(
            "apiVersion: v1\nkind: Config\ncurrent-context: c\ncontexts: [{{name: c, context: {{cluster: c, user: u}}}}]\nclusters: [{{name: c, cluster: {{server: '{server}'}}}}]\nusers: [{{name: u, user: {{{user}}}}}]\n"
        );
        std::fs::write(&path, text).unwrap();
        Some(path)
    }

    /// Whether that run has asked it.
    fn is_asked_by(&mut self, run: u32) -> bool {
        let (way, addresses) = Self::addresses(self.source, &self.subnet);
        match self.source {
            Source::Redis(_) | Source::Sentinel(_) | Source::ApiServer(_) => match way {
                Way::Takes(_) => self.servers.iter().any(|server| server.connections() > 0),
                Way::TakesNoConnection => addresses.into_iter().any(|(ip, port)| is_asking(run, ip.into(), port)),
            },
            Source::Dns | Source::NameOfTheApiServer => {
                self.port_53.set_nonblocking(true).unwrap();
                self.port_53.peek_from(&mut [0; 512]).is_ok()
            }
            Source::Credentials => self.path("asked").exists(),
        }
    }
}

/// Whether a process has a connection there, or waits for an answer to its SYN (`/proc/net/tcp`: states 01 and 02).
fn is_asking(process: u32, ip: IpAddr, port: u16) -> bool {
    let IpAddr::V4(ip) = ip else { panic!("the table is that of IPv4") };
    let remote = format!("{:08X}:{port:04X}", u32::from_ne_bytes(ip.octets()));
    let table = std::fs::read_to_string("/proc/net/tcp").unwrap();
    let sockets = table.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
    let sockets = sockets.filter(|fields| fields[2] == remote && ["01", "02"].contains(&fields[3]));
    let sockets: Vec<_> = sockets.map(|fields| format!("socket:[{}]", fields[9])).collect();
    let opened = std::fs::read_dir(format!("/proc/{process}/fd")).into_iter().flatten().flatten();
    let mut opened = opened.filter_map(|file| std::fs::read_link(file.path()).ok());
    opened.any(|opened| sockets.iter().any(|socket| opened.to_str() == Some(socket)))
}

const GENCONF: &str = "genconf-redis";
const SENTINEL: &str = "genconf-sentinel --dry-run --group redis --pod-name sentinel-0";
const HOOK: &str = "on-failover redis leader start redis-0.redis.test 6379 redis-1.redis.test 6379";
const RECONCILE: &str = "reconcile --group redis";
const WATCH: &str = "reconcile --group redis --watch";
const HANDOVER: &str = "handover";
const FORGET: &str = "forget redis --yes";
const TAKEOVER: &str = "takeover";
const LIVENESS: &str = "probe redis --liveness";
const READINESS: &str = "probe redis --readiness";
const OF_SENTINEL: &str = "probe sentinel --readiness --pod-ip 127.0.0.1";

#[rstest]
#[case(Source::Redis(SILENT), &[GENCONF, SENTINEL, RECONCILE, WATCH, HANDOVER, FORGET, LIVENESS, READINESS])]
#[case(Source::Redis(SLOW), &[GENCONF, SENTINEL, RECONCILE, WATCH, HANDOVER, FORGET, READINESS])]
#[case(Source::Redis(DROPPED), &[GENCONF, SENTINEL, RECONCILE, WATCH, HANDOVER, FORGET, LIVENESS, READINESS])]
#[case(Source::Sentinel(SILENT), &[GENCONF, SENTINEL, RECONCILE, WATCH, FORGET, OF_SENTINEL])]
#[case(Source::Sentinel(SLOW), &[GENCONF, SENTINEL, RECONCILE, WATCH, FORGET, OF_SENTINEL])]
#[case(Source::Sentinel(DROPPED), &[GENCONF, SENTINEL, RECONCILE, WATCH, FORGET, OF_SENTINEL])]
#[case(Source::Dns, &[GENCONF, SENTINEL, RECONCILE, WATCH, FORGET])]
#[case(Source::ApiServer(SILENT), &[GENCONF, SENTINEL, HOOK, RECONCILE, WATCH, FORGET, TAKEOVER])]
#[case(Source::ApiServer(Way::Takes(Shape::HttpDrops)), &[GENCONF, SENTINEL, HOOK, RECONCILE, WATCH, FORGET, TAKEOVER])]
#[case(Source::ApiServer(DROPPED), &[GENCONF, SENTINEL, HOOK, RECONCILE, WATCH, FORGET, TAKEOVER])]
#[case(Source::NameOfTheApiServer, &[GENCONF, SENTINEL, HOOK, RECONCILE, WATCH, HANDOVER, FORGET, TAKEOVER])]
#[case(Source::Credentials, &[GENCONF, SENTINEL, HOOK, RECONCILE, WATCH, HANDOVER, FORGET, TAKEOVER])]
fn sigterm_ends_a_run_that_waits(#[case] source: Source, #[case] runs: &[&str]) {
    for words in runs {
        let mut silence = Silence::of(source);
        let words = words.replace("127.0.0.1", &silence.subnet.host(20).to_string());
        let mut run = silence.command(&words).spawn().unwrap();
        // One look of these is over when each server has had its second.
        let has_an_end = [RECONCILE, FORGET].contains(&&*words);
        wait_for(&format!("{words} asking {source:?}"), UP, || {
            let ended = run.try_wait().unwrap();
            assert!(ended.is_none() || has_an_end, "{words} at {source:?} did not wait: {ended:?} {}", said(&mut run));
            (ended.is_some() || silence.is_asked_by(run.id())).then_some(())
        });
        let ends_itself = run.try_wait().unwrap().is_some();
        if !ends_itself {
            signal(run.id(), "TERM");
        }
        let ended = wait_for(&format!("{words} at {source:?} ending"), ENDED, || run.try_wait().unwrap());
        let said = said(&mut run);
        let goes_on = [WATCH, TAKEOVER].contains(&&*words);
        assert_eq!(ended.code(), Some(i32::from(!goes_on)), "{words} at {source:?}: {said}");
        let last = said.lines().last().unwrap_or_default();
        assert!(goes_on || ends_itself || last.starts_with("error: stopped by SIGTERM"), "{words} at {source:?}: {said}");
    }
}

#[test]
fn sigterm_ends_a_run_at_every_moment_of_its_beginning() {
    let silence = Silence::of(Source::Redis(SILENT));
    for words in [GENCONF, WATCH, HANDOVER] {
        for moment in 0..40 {
            let mut run = silence.command(words).spawn().unwrap();
            std::thread::sleep(Duration::from_micros(500 * moment));
            signal(run.id(), "TERM");
            let ended =
                wait_for(&format!("{words} ending that was stopped at moment {moment}"), ENDED, || run.try_wait().unwrap());
            // Before it listens, the kernel ends it.
            let by_code = ended.code() == Some(i32::from(words != WATCH));
            assert!(by_code || ended.code().is_none(), "{words} at moment {moment}: {ended:?} {}", said(&mut run));
        }
    }
}

#[rstest]
// It says why it has failed, when all is over; and in the midst, what it warns of.
#[case("probe redis --liveness", 1)]
#[case("reconcile --group redis --watch", 0)]
fn sigterm_ends_a_run_whose_lines_nobody_reads(#[case] words: &str, #[case] code: i32) {
    let silence = Silence::of(Source::Dns);
    let (_unread, mut full) = std::io::pipe().unwrap();
    full.write_all(&vec![b'x'; PIPE]).unwrap();
    let mut run = silence.command(words).env("ORDAIN_UNKNOWN", "1").stderr(full).spawn().unwrap();
    wait_for("a run that is blocked", UP, || {
        assert!(run.try_wait().unwrap().is_none(), "it did not wait");
        // The number of the call, and its first argument.
        let call = std::fs::read_to_string(format!("/proc/{}/syscall", run.id())).unwrap();
        (call.split(' ').nth(1) == Some("0x2")).then_some(())
    });
    signal(run.id(), "TERM");
    let ended = wait_for("its end", ENDED, || run.try_wait().unwrap());
    assert_eq!(ended.code(), Some(code));
}

#[rstest]
// It says why it has failed, when all is over; what it warns of, in the midst; and what it has made.
#[case("probe redis --liveness --deadline 1s", 2)]
#[case("genconf-redis --deadline 1s", 2)]
#[case("reconcile --group redis --deadline 1s", 2)]
#[case("genconf-redis --dry-run --deadline 1s", 1)]
fn a_deadline_ends_a_run_whose_lines_nobody_reads(#[case] words: &str, #[case] stream: u8) {
    let silence = Silence::of(Source::Dns);
    let (_unread, mut full) = std::io::pipe().unwrap();
    full.write_all(&vec![b'x'; PIPE]).unwrap();
    let mut run = silence.command(words);
    match stream {
        1 => run.env_remove("ORDAIN_NO_KUBERNETES").stdout(full),
        _ => run.env("ORDAIN_UNKNOWN", "1").stderr(full),
    };
    let mut run = run.spawn().unwrap();
    let ended = wait_for(&format!("{words} ending"), ENDED, || run.try_wait().unwrap());
    assert_eq!(ended.code(), Some(1));
}

#[test]
fn sigterm_ends_a_run_whose_api_server_answers_and_whose_servers_do_not() {
    let mut bed = started(Bed::on_kubernetes(ordain()).with_patient_sentinels());
    let hook = format!("on-failover redis leader start {} 6379 {} 6379", bed.announced("redis-0"), bed.announced("redis-1"));
    // First it is the Sentinels that are missing, and then every server.
    let (sentinels, redis) = (["sentinel-0", "sentinel-1", "sentinel-2"], ["redis-0", "redis-1", "redis-2"]);
    let is_asked_by = |bed: &Bed, run: u32| {
        let silent = [(sentinels, 26379), (redis, 6379)];
        silent.iter().any(|(pods, port)| pods.iter().any(|pod| is_asking(run, bed.ip(pod), *port)))
    };
    for (stopped, runs) in [
        (sentinels, &["handover --deadline 60s"][..]),
        (redis, &["handover --deadline 60s", &hook, "reconcile --group redis --watch"]),
    ] {
        for pod in stopped {
            bed.server(pod).signal("STOP");
        }
        for words in runs {
            let sandbox = bed.sandbox(if words.starts_with("handover") { "redis-0" } else { "sentinel-0" });
            let command: Vec<_> = std::iter::once("/opt/ordain/ordain").chain(words.split(' ')).collect();
            let mut run = sandbox.start(&sandbox.containers()[0], &command);
            wait_for(&format!("{words} waiting"), UP, || {
                assert!(run.ended().is_none(), "it did not wait: {}", run.log());
                is_asked_by(&bed, run.id()).then_some(())
            });
            run.signal("TERM");
            let ended = wait_for(&format!("{words} ending"), ENDED, || run.ended());
            assert_eq!(ended.code(), Some(i32::from(!words.contains("--watch"))), "{words}: {}", run.log());
        }
    }
}

#[test]
fn sigterm_ends_the_question_of_forget() {
    let silence = Silence::of(Source::Sentinel(SILENT));
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
    without_times(&said)
}
