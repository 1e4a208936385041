//! What comes from outside has a budget: whoever answers without end costs no memory and no time.

use std::net::IpAddr;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use rstest::rstest;
use tempfile::TempDir;
use testbed::dns::{Answer, NameServer};
use testbed::hostile::{ENDLESS, Hostile, Shape};
use testbed::subnet::Subnet;
use testbed::wait_for;

use crate::ordain;

/// How much memory a run may ever ask for, in bytes; the kernel refuses more, and the run is aborted.
const MEMORY: u64 = 32 << 20;
/// The deadline that each run is given, and how long after it the run must be over on a busy machine.
const DEADLINE: Duration = Duration::from_secs(3);
const BUSY: Duration = Duration::from_secs(15);

/// Which of a pod's two servers, in their order.
#[derive(Debug, Clone, Copy)]
enum Kind {
    Redis,
    Sentinel,
}

const REDIS: &[Kind] = &[Kind::Redis];
const SENTINEL: &[Kind] = &[Kind::Sentinel];
const BOTH: &[Kind] = &[Kind::Redis, Kind::Sentinel];

/// Servers of a shape, where a group's are expected.
struct Strangers {
    /// Each pod's Redis and Sentinel, one after the other.
    servers: Vec<Hostile>,
    dns: NameServer,
    subnet: Subnet,
    folder: TempDir,
}

impl Strangers {
    fn with(shape: Shape) -> Self {
        let subnet = Subnet::take();
        let dns = NameServer::start(&subnet);
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("resolv.conf"), dns.resolv_conf("demo")).unwrap();
        let mut servers = Vec::new();
        for ordinal in 0..3_u8 {
            let ip: IpAddr = subnet.host(10 + ordinal).into();
            dns.zone.address(&format!("redis-{ordinal}.redis.test"), ip);
            servers.extend([6379, 26379].map(|port| Hostile::at(ip, port, shape)));
        }
        Self { servers, dns, subnet, folder }
    }

    /// Whether a server of each of these kinds has been asked something.
    fn are_asked(&self, whom: &[Kind]) -> bool {
        whom.iter().all(|kind| self.servers.iter().skip(*kind as usize).step_by(2).any(|server| server.questions() > 0))
    }

    fn command(&self, words: &str) -> Command {
        let path = |name: &str| self.folder.path().join(name);
        let mut command = Command::new("prlimit");
        command.arg(format!("--data={MEMORY}")).arg("--").arg(ordain());
        command.args(words.split_whitespace()).env_clear();
        let sentinels: Vec<_> = (0..3).map(|ordinal| self.subnet.host(10 + ordinal).to_string()).collect();
        command.envs([
            ("ORDAIN_NO_KUBERNETES", "true"),
            ("ORDAIN_SERVICE", "redis.test"),
            ("ORDAIN_SENTINELS", &sentinels.join(",")),
            ("POD_NAME", "redis-0"),
            ("POD_IP", &self.subnet.host(10).to_string()),
            ("ORDAIN_DEADLINE", "3s"),
            ("ORDAIN_HANDOVER_DEADLINE", "4s"),
        ]);
        command.env("ORDAIN_RESOLV_CONF", path("resolv.conf")).env("ORDAIN_DATA_DIR", self.folder.path());
        command.env("ORDAIN_OUTPUT", path("redis.conf"));
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(std::fs::File::create(path("log")).unwrap());
        command
    }
}

#[rstest]
fn a_server_that_answers_without_end_costs_little_memory_and_no_more_than_the_deadline(
    #[values(
        ("genconf-redis", 1, BOTH),
        ("genconf-sentinel --dry-run --group redis --pod-name sentinel-0", 1, BOTH),
        ("handover", 1, REDIS),
        ("forget redis --yes", 1, BOTH),
        ("on-failover redis leader start redis-0.redis.test 6379 redis-1.redis.test 6379", 1, SENTINEL),
        ("reconcile --group redis", 1, BOTH),
        ("reconcile --group redis --watch", 0, BOTH),
        ("probe redis --liveness", 0, REDIS),
        ("probe redis --readiness", 1, REDIS),
        ("probe sentinel --readiness", 1, SENTINEL)
    )]
    case: (&str, i32, &[Kind]),
) {
    let (words, code, whom) = case;
    let strangers = ENDLESS.map(Strangers::with);
    let mut runs: Vec<_> = strangers.iter().map(|all| all.command(words).spawn().unwrap()).collect();
    if words.contains("--watch") {
        // What goes on until it is told to end has shown by then what it holds.
        std::thread::sleep(DEADLINE);
        // And nobody keeps it from its work.
        wait_for("every server asked", BUSY, || strangers.iter().all(|all| all.are_asked(whom)).then_some(()));
        for run in &runs {
            crate::signals::signal(run.id(), "TERM");
        }
    }
    wait_for(&format!("the end of every {words}"), DEADLINE + BUSY, || {
        runs.iter_mut().all(|run| run.try_wait().unwrap().is_some()).then_some(())
    });
    for ((run, shape), all) in runs.iter_mut().zip(ENDLESS).zip(&strangers) {
        let log = std::fs::read_to_string(all.folder.path().join("log")).unwrap();
        assert!(log.lines().all(|line| line.chars().count() < 1000), "{words}, {shape:?}: {log}");
        let ended = run.wait().unwrap();
        assert!(all.are_asked(whom), "{words}, {shape:?}: one of {whom:?} was not asked: {log}");
        assert_eq!(ended.code(), Some(code), "{words}, {shape:?}: {ended} {log}");
    }
}

/// A kubeconfig of one cluster and one user, each as YAML has it between braces.
fn kubeconfig_of(cluster: &str, user: &str) -> String {
    format!(
        "apiVersion: v1\nkind: Config\ncurrent-context: c\ncontexts: [{{name: c, context: {{cluster: c, user: u}}}}]\nclusters: [{{name: c, cluster: {{{cluster}}}}}]\nusers: [{{name: u, user: {{{user}}}}}]\n"
    )
}

#[rstest]
#[case("genconf-redis", 1)]
#[case("genconf-sentinel --dry-run --group redis --pod-name sentinel-0", 1)]
#[case("on-failover redis leader start redis-0.redis.test 6379 redis-1.redis.test 6379", 1)]
#[case("reconcile", 1)]
#[case("reconcile --watch", 0)]
#[case("reconcile --group redis --watch", 0)]
#[case("takeover --pod-name takeover-0", 1)]
fn an_api_server_that_answers_without_end_costs_little_memory_and_no_more_than_the_deadline(
    #[case] words: &str,
    #[case] code: i32,
    #[values(Shape::HttpLine, Shape::HttpLines)] shape: Shape,
) {
    let strangers = Strangers::with(Shape::Silence);
    let ip = strangers.subnet.host(20);
    let api = Hostile::at(ip.into(), 8080, shape);
    let kubeconfig = strangers.folder.path().join("kubeconfig");
    let text = kubeconfig_of(&format!("server: 'http://{ip}:8080'"), "token: x");
    std::fs::write(&kubeconfig, text).unwrap();
    let mut run = strangers.command(words);
    run.env_remove("ORDAIN_NO_KUBERNETES").env("KUBECONFIG", kubeconfig);
    if !words.contains("--group") && words.starts_with("reconcile") {
        run.env_remove("ORDAIN_SERVICE");
    }
    let mut run = run.spawn().unwrap();
    if words.contains("--watch") {
        // What goes on until it is told to end has shown by then what it holds.
        std::thread::sleep(DEADLINE);
        crate::signals::signal(run.id(), "TERM");
    }
    let ended = wait_for(&format!("the end of {words}"), DEADLINE + BUSY, || run.try_wait().unwrap());
    let log = std::fs::read_to_string(strangers.folder.path().join("log")).unwrap();
    assert!(api.connections() > 0, "it is asked: {log}");
    assert_eq!(ended.code(), Some(code), "{log}");
    assert!(log.lines().all(|line| line.chars().count() < 1000), "{log}");
}

#[test]
fn a_name_with_more_addresses_than_a_host_has_is_an_invalid_reply() {
    let strangers = Strangers::with(Shape::Silence);
    let ips = (1..=9).map(|last| [192, 0, 2, last].into()).collect();
    strangers.dns.zone.set("redis-1.redis.test", Answer { ips, ..Answer::default() });
    let run = strangers.command("genconf-redis --dry-run --explain").stderr(Stdio::piped()).output().unwrap();
    let told = String::from_utf8_lossy(&run.stderr).into_owned();
    assert!(told.contains("DNS returns 9 addresses behind redis-1.redis.test, more than the limit of 8"), "{told}");
}

#[rstest]
#[case("--password-file")]
#[case("--template")]
#[case("--extra-config")]
fn a_file_that_is_none_or_too_large_is_refused_at_once(#[case] flag: &str) {
    let folder = tempfile::tempdir().unwrap();
    let (pipe, large) = (folder.path().join("pipe"), folder.path().join("large"));
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    std::fs::write(&large, "#".repeat(64 * 1024 + 1)).unwrap();
    for (path, why) in [(&*pipe, "no regular file"), (Path::new("/dev/zero"), "no regular file"), (&large, "more than 64 KiB")] {
        let words = ["genconf-redis", "--dry-run", "--no-kubernetes", "--pod-name", "redis-0", flag];
        let run = Command::new(ordain()).args(words).arg(path).env_clear().output().unwrap();
        let told = String::from_utf8_lossy(&run.stderr).into_owned();
        assert_eq!((run.status.code(), told.lines().count()), (Some(2), 1), "{told}");
        assert!(told.contains(why) && told.contains(&*path.to_string_lossy()), "{told}");
    }
}

#[test]
fn a_kubeconfig_and_what_it_names_are_regular_files_of_a_mebibyte_at_most() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    assert!(Command::new("mkfifo").arg(path("pipe")).status().unwrap().success());
    std::fs::write(path("large"), "#".repeat(1024 * 1024 + 1)).unwrap();
    let (cluster, user) = ("server: 'http://127.0.0.1:1'", "token: x");
    for (name, cluster, user) in [
        ("authority", &*format!("{cluster}, certificate-authority: pipe"), user),
        ("token", cluster, "tokenFile: pipe"),
        ("certificate", cluster, "client-certificate: large"),
    ] {
        std::fs::write(path(name), kubeconfig_of(cluster, user)).unwrap();
    }
    for (name, blamed, why) in [
        ("pipe", "pipe", "no regular file"),
        ("large", "large", "more than 1024 KiB"),
        ("authority", "pipe", "no regular file"),
        ("token", "pipe", "no regular file"),
        ("certificate", "large", "more than 1024 KiB"),
    ] {
        for words in ["reconcile --group redis --service redis --sentinel-count 0", "takeover --pod-name redis-0"] {
            let mut run = Command::new(ordain());
            let run = run.args(words.split(' ')).env_clear().env("KUBECONFIG", path(name)).output().unwrap();
            let told = String::from_utf8_lossy(&run.stderr).into_owned();
            assert_eq!((run.status.code(), told.lines().count()), (Some(2), 1), "{words} by {name}: {told}");
            let is_told = told.contains("KUBECONFIG") && told.contains(&*path(blamed).to_string_lossy()) && told.contains(why);
            assert!(is_told, "{words} by {name}: {told}");
        }
    }
}

#[rstest]
#[case("genconf-redis --pod-name redis-0")]
#[case("genconf-sentinel --pod-name sentinel-0 --group redis")]
fn an_output_that_is_no_regular_file_is_refused_before_anybody_is_asked(#[case] words: &str) {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    assert!(Command::new("mkfifo").arg(path("pipe")).status().unwrap().success());
    std::os::unix::fs::symlink("pipe", path("link")).unwrap();
    let mut names = vec!["pipe", "link"];
    // A device of our own, that is like /dev/null; who is not root can make none.
    if Command::new("mknod").arg(path("device")).args(["c", "1", "3"]).status().unwrap().success() {
        names.push("device");
    }
    for name in names {
        let before = std::fs::symlink_metadata(path(name)).unwrap();
        let mut run = Command::new(ordain());
        run.args(words.split(' ')).args(["--no-kubernetes", "--service", "redis.test", "--sentinel-service", "sentinel.test"]);
        let run = run.arg("--output").arg(path(name)).env_clear().env("ORDAIN_DATA_DIR", folder.path()).output().unwrap();
        let told = String::from_utf8_lossy(&run.stderr).into_owned();
        assert_eq!((run.status.code(), told.lines().count()), (Some(2), 1), "{name}: {told}");
        assert!(told.contains(&format!("{name}` is no regular file")), "{told}");
        let after = std::fs::symlink_metadata(path(name)).unwrap();
        assert_eq!((before.ino(), before.file_type()), (after.ino(), after.file_type()), "{name} is as it was");
    }
}

#[rstest]
#[case("replica in group.replicas", "known-replica")]
#[case("sentinel in group.sentinels", "known-sentinel")]
fn a_template_for_sentinel_that_leaves_out_whom_it_knows_is_refused_before_anybody_is_asked(
    #[case] list: &str,
    #[case] named: &str,
) {
    let folder = tempfile::tempdir().unwrap();
    let built_in = include_str!("../../templates/sentinel.conf.tera");
    let from = built_in.find(&format!("{{% for {list}")).unwrap();
    let end = from + built_in[from..].find("{% endfor -%}").unwrap() + "{% endfor -%}".len();
    let path = folder.path().join("my.tera");
    std::fs::write(&path, format!("{}{}", &built_in[..from], &built_in[end..])).unwrap();
    let words = "genconf-sentinel --dry-run --no-kubernetes --group redis --pod-name sentinel-0 --service redis.test";
    let mut run = Command::new(ordain());
    // Nobody is there: it would wait for a minute.
    run.args(words.split(' ')).args(["--sentinel-service", "sentinel.test", "--template"]).arg(&path).env_clear();
    let run = run.output().unwrap();
    let told = String::from_utf8_lossy(&run.stderr).into_owned();
    assert_eq!((run.status.code(), told.lines().count()), (Some(2), 1), "{told}");
    assert!(told.contains(named) && told.contains("my.tera"), "{told}");
}

#[test]
fn all_extra_configuration_together_has_1_mib_and_no_more() {
    let folder = tempfile::tempdir().unwrap();
    let extra = folder.path().join("extra");
    std::fs::create_dir(&extra).unwrap();
    let comment = |length: usize| format!("#{}\n", "x".repeat(length - 2));
    let check = || {
        let words = ["genconf-redis", "--dry-run", "--no-kubernetes", "--pod-name", "redis-0", "--replicas", "1"];
        let more = ["--sentinel-count", "0", "--deadline", "5s", "--extra-config"];
        let run = Command::new(ordain()).args(words).args(more).arg(&extra).env_clear().output().unwrap();
        (run.status.code(), run.stdout.len(), String::from_utf8_lossy(&run.stderr).into_owned())
    };
    for number in 10..26 {
        std::fs::write(extra.join(format!("{number}.conf")), comment(64 * 1024)).unwrap();
    }
    let (code, printed, told) = check();
    assert_eq!(code, Some(0), "{told}");
    assert!(printed > 1024 * 1024, "all of it is in the file: {printed} bytes");
    std::fs::write(extra.join("99.conf"), "#\n").unwrap();
    let (code, printed, told) = check();
    assert_eq!((code, printed, told.lines().count()), (Some(2), 0, 1), "{told}");
    assert!(told.contains("--extra-config: the extra configuration has more than 1024 KiB in all"), "{told}");
}
