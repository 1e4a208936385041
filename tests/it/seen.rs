//! What the user sees: exit code, stdout and stderr of whole runs, without a cluster or a network.
//! A folder with a file `args` is a test, with the variables that its file `env` names and no
//! others; one under `fails` must exit with 2, say why in one line, and write nothing.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use rstest::rstest;
use testbed::without_times;

use crate::ordain;

/// What a report says of the time of its run.
const NOW: &str = "\"now\":\"";
/// What a line in JSON says of it.
const TIME: &str = "\"timestamp\":\"";

#[rstest]
fn a_run_is_seen_as_it_was(#[files("tests/it/seen/*/args")] args: PathBuf) {
    let (seen, _) = run(&args);
    compare(&args, &seen);
}

#[rstest]
fn a_refusal_is_one_clear_line(#[files("tests/it/seen/fails/*/args")] args: PathBuf) {
    let folder = args.parent().unwrap();
    let before = entries(folder);
    let (seen, stderr) = run(&args);
    assert!(seen.starts_with("exit code: 2\n--- stdout\n--- stderr\nerror: "), "{seen}");
    assert_eq!(stderr.lines().count(), 1, "{stderr}");
    assert_eq!(entries(folder), before, "nothing is written");
    compare(&args, &seen);
}

/// Runs in the fixture's folder.
fn run(args: &Path) -> (String, String) {
    let words = std::fs::read_to_string(args).unwrap();
    let variables = std::fs::read_to_string(args.with_file_name("env")).unwrap_or_default();
    let variables = variables.lines().map(|line| line.split_once('=').unwrap());
    let output = Command::new(ordain())
        .args(words.split_whitespace())
        .current_dir(args.parent().unwrap())
        .env_clear()
        .envs(variables)
        .output()
        .unwrap();
    let hook = ordain().with_file_name("on-failover");
    let text = |bytes: &[u8]| {
        let text = String::from_utf8_lossy(bytes).replace(&*hook.to_string_lossy(), "/opt/ordain/on-failover");
        match text.split_once(NOW) {
            Some((before, after)) => format!("{before}{NOW}{}", &after[after.find('"').unwrap()..]),
            None => text,
        }
    };
    let (stdout, stderr) = (text(&output.stdout), without_times(&text(&output.stderr)));
    (format!("exit code: {}\n--- stdout\n{stdout}--- stderr\n{stderr}", output.status.code().unwrap()), stderr)
}

/// Each kind of wrong use, for a reader's eye.
const WRONG_USES: &[&str] = &[
    "",
    "reconcil",
    "genconf-redis --passwrd x",
    "takeover --frobnicate",
    "install /tmp /tmp",
    "install",
    "genconf-redis --replicas",
    "genconf-redis --replicas three",
    "genconf-redis --replicas 1001",
    "genconf-redis --replicas 99999999999999999999",
    "genconf-sentinel --quorum 0",
    "genconf-redis --deadline 5",
    "genconf-redis --deadline 1000y",
    "takeover --grace 10ms",
    "genconf-redis --selector app=redis,,",
    "genconf-redis --selector=",
    "genconf-redis --pod-ip 300.1.1.1",
    "genconf-redis --promotable whenever",
    "genconf-redis --label-key a/b/c",
    "genconf-redis --set redis=1 --replicas 3",
    "genconf-redis --dry-run --dry-run",
    "genconf-redis --tls-ca ca.pem",
    "reconcile --yes",
    "reconcile --watch --assume-master redis-0",
    "probe redis",
    "probe mysql --liveness",
    "help nonsense",
    "ORDAIN_REPLICAS=3_ genconf-redis",
    "ORDAIN_REPLICAS=1001 genconf-redis",
    "ORDAIN_SELECTOR=app=redis,, genconf-redis",
    "ORDAIN_SENTINEL_SERVICE= genconf-redis",
    "ORDAIN_SENTINEL_SERVICE=_ genconf-redis",
    "ORDAIN_SENTINEL_SERVICE=_sentinel genconf-redis",
    "ORDAIN_SETS=redis=1, genconf-redis",
    "ORDAIN_DEADLINE=soon genconf-redis",
    "ORDAIN_NO_KUBERNETES=perhaps genconf-redis",
    "ORDAIN_ANNOUNCE=name genconf-redis",
    "ORDAIN_PORT=tcp://10.0.0.1:6379 genconf-redis",
    "ORDAIN_SENTINELS=a ORDAIN_SENTINEL_SERVICE=b genconf-redis",
    "ORDAIN_TLS_CA=ca.pem genconf-redis",
    "ORDAIN_LOG_FORMAT=json ORDAIN_REPLICAS=3_ genconf-redis",
    "ORDAIN_LOG_FORMAT=json genconf-redis --passwrd x",
];

/// `_` stands for a blank in a variable.
#[test]
fn the_usage_errors_read_well() {
    let mut page = String::new();
    for wrong in WRONG_USES {
        let (set, words): (Vec<_>, Vec<_>) = wrong.split_whitespace().partition(|word| word.starts_with("ORDAIN_"));
        let set = set.iter().map(|word| word.split_once('=').unwrap()).map(|(name, value)| match name {
            "ORDAIN_REPLICAS" | "ORDAIN_SENTINEL_SERVICE" => (name, value.replace('_', " ")),
            _ => (name, value.to_owned()),
        });
        let output = Command::new(ordain()).args(words).env_clear().envs(set).output().unwrap();
        let stderr = without_times(&String::from_utf8_lossy(&output.stderr));
        assert_eq!((output.status.code(), stderr.lines().count()), (Some(2), 1), "{wrong}: {output:?}");
        let said = match stderr.split_once(TIME) {
            Some((before, after)) => format!("{before}{TIME}{}", &after[after.find('"').unwrap()..]),
            None => stderr,
        };
        page += &format!("$ {wrong}\n{said}\n");
    }
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path("seen");
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.bind(|| insta::assert_snapshot!("usage-errors", page));
}

/// A run of one warning and some lines, whose log goes into a file.
fn logged(words: &str, variables: &[(&str, &str)]) -> String {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("log");
    let file = std::fs::File::create(&path).unwrap();
    let here = std::fs::metadata(&path).unwrap();
    let stream = format!("{}:{}", here.dev(), here.ino());
    let variables = variables.iter().map(|(name, value)| (name, value.replace("HERE", &stream)));
    let _ = Command::new(ordain())
        .args(words.split(' '))
        .env_clear()
        .envs(variables)
        .stdout(Stdio::null())
        .stderr(file)
        .status()
        .unwrap();
    std::fs::read_to_string(path).unwrap()
}

#[rstest]
#[case::of_a_run("genconf-redis --dry-run --pod-name redis-1", &[], true)]
#[case::of_a_hook("on-failover redis leader", &[], true)]
#[case::of_a_refusal("genconf-redis --frobnicate", &[], true)]
#[case::of_another_journal("genconf-redis --dry-run --pod-name redis-1", &[("JOURNAL_STREAM", "1:2")], true)]
#[case::a_journal_has_its_own("genconf-redis --dry-run --pod-name redis-1", &[("JOURNAL_STREAM", "HERE")], false)]
#[case::an_event_counts_what_is_alike("probe redis --liveness --port 1", &[], false)]
#[case::nor_a_probes_refusal("probe mysql --liveness", &[], false)]
fn each_line_of_a_log_has_its_time(#[case] words: &str, #[case] variables: &[(&str, &str)], #[case] has_times: bool) {
    let log = logged(words, variables);
    let times = log.lines().filter(|line| without_times(line) != **line).count();
    assert!(!log.is_empty());
    assert_eq!(times, if has_times { log.lines().count() } else { 0 }, "{log}");
}

#[test]
fn people_at_a_terminal_see_no_times() {
    let words = format!("{} genconf-redis --dry-run --pod-name redis-1", ordain().display());
    let output =
        Command::new("/usr/bin/script").args(["-qec", &words, "/dev/null"]).env_clear().stdin(Stdio::null()).output().unwrap();
    let seen = String::from_utf8_lossy(&output.stdout);
    assert!(seen.lines().any(|line| line.starts_with(" INFO redis-1 follows redis-0")), "{seen}");
}

#[rstest]
#[case::default(&[], &["INFO"])]
#[case::fewer(&[("RUST_LOG", "warn")], &[])]
#[case::the_last_error_alone(&[("RUST_LOG", "off"), ("ORDAIN_PORT", "x")], &["error:"])]
#[case::in_json_too(&[("RUST_LOG", "off"), ("ORDAIN_PORT", "x"), ("ORDAIN_LOG_FORMAT", "json")], &["ERROR"])]
#[case::a_wrong_one(&[("RUST_LOG", "ordain=loud")], &["WARN", "INFO"])]
#[case::empty(&[("RUST_LOG", "")], &["INFO"])]
fn rust_log_filters(#[case] variables: &[(&str, &str)], #[case] levels: &[&str]) {
    let log = logged("genconf-redis --dry-run --pod-name redis-1", variables);
    for level in ["INFO", "WARN", "ERROR", "error:"] {
        assert_eq!(log.contains(level), levels.contains(&level), "{level} in {log}");
    }
    assert_eq!(log.matches("RUST_LOG=\"ordain=loud\" is not a filter").count(), usize::from(levels.contains(&"WARN")), "{log}");
}

fn compare(args: &Path, seen: &str) {
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path(args.parent().unwrap());
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.bind(|| insta::assert_snapshot!("seen", seen));
}

fn entries(folder: &Path) -> Vec<PathBuf> {
    let mut entries: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    entries.retain(|path| path.extension().is_none_or(|extension| extension != "new"));
    entries.sort();
    entries
}
