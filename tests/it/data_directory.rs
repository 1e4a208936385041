//! What ordain counts as data is what the server then serves: a table of data directories, each read by ordain, which
//! becomes the real server; and what a start does to the files makes no data newer.

use std::collections::BTreeMap;
use std::fs::OpenOptions;
use std::net::IpAddr;
use std::ops::RangeInclusive;
use std::path::Path;
use std::process::{Command, Output};
use std::time::SystemTime;

use redis::Value;
use tempfile::TempDir;
use testbed::client::{ask, connect};
use testbed::group::{Bed, REDIS};
use testbed::process::Process;
use testbed::subnet::Subnet;
use testbed::{server_binary, wait_for};

use crate::{FAILED_OVER, GIVEN_UP, UP, ordain, started};

/// Where one server after the other runs, and the files that it has written before.
struct Place {
    _subnet: Subnet,
    ip: IpAddr,
    folder: TempDir,
    /// With `appendonly no`: ten keys in `dump.rdb`, written after the others.
    snapshot: TempDir,
    /// With `appendonly yes`: twenty keys.
    appended: TempDir,
}

impl Place {
    fn new() -> Self {
        let subnet = Subnet::take();
        let ip: IpAddr = subnet.host(10).into();
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("resolv.conf"), "nameserver 127.0.0.1\n").unwrap();
        std::fs::write(folder.path().join("extra.conf"), format!("bind {ip}\nsave \"\"\n")).unwrap();
        let appended = written(ip, "yes", 20);
        let snapshot = written(ip, "no", 10);
        Self { _subnet: subnet, ip, folder, snapshot, appended }
    }

    /// Whether the server keeps its append-only files in a folder.
    fn keeps_manifest(&self) -> bool {
        self.appended.path().join("appendonlydir").exists()
    }

    /// ordain without Kubernetes, for a pod that is alone; it becomes `command`.
    fn command(&self, data: &Path, load: Option<&str>, command: &Path) -> Command {
        let path = |name: &str| self.folder.path().join(name);
        let mut run = Command::new(ordain());
        run.args(["genconf-redis", "--no-kubernetes", "--group", "redis", "--pod-name", "redis-0", "--replicas", "1"]);
        run.args(["--sentinel-count", "0", "--service", "redis.test", "--explain", "--deadline", "20s"]);
        run.arg("--resolv-conf").arg(path("resolv.conf")).arg("--extra-config").arg(path("extra.conf"));
        run.arg("--output").arg(path("redis.conf")).arg("--data-dir").arg(data);
        run.args(load.iter().flat_map(|load| ["--load", load])).arg("--").arg(command).arg(path("redis.conf"));
        run
    }

    fn run(&self, data: &Path, load: Option<&str>) -> Output {
        // What is not refused becomes a server, which ends by itself no more.
        let command = self.command(data, load, &server_binary());
        Command::new("timeout").arg("30").arg(command.get_program()).args(command.get_args()).output().unwrap()
    }

    /// What ordain says of the data, and how many keys the server then serves.
    fn start(&self, data: &Path, load: Option<&str>) -> (String, u64) {
        let (server, keys) = self.serve(&self.command(data, load, &server_binary()));
        (server.log(), keys)
    }

    /// A server that serves, until it is dropped, and its keys.
    fn serve(&self, command: &Command) -> (Process, u64) {
        let log = self.folder.path().join("log");
        let _ = std::fs::remove_file(&log);
        let mut server = Process::start("redis-0", &log, command);
        let keys = keys(self.ip, &mut server);
        (server, keys)
    }

    /// A server as ordain starts it.
    fn ours(&self, data: &Path) -> Process {
        self.serve(&self.command(data, None, &server_binary())).0
    }

    /// A server that writes no time stamps, as release 0.1 starts it.
    fn of_0_1(&self, data: &Path) -> Process {
        let mut command = Command::new(server_binary());
        command.args(["--bind", &self.ip.to_string(), "--save", "", "--appendonly", "yes", "--dir"]).arg(data);
        self.serve(&command).0
    }

    /// Writes a key; returns when that was, in milliseconds since 1970.
    fn write(&self, key: &str, value: &str) -> RangeInclusive<u64> {
        let before = now();
        ask(&mut connect(self.ip, 6379, None).unwrap(), &["SET", key, value]).unwrap();
        before..=now()
    }

    /// When the data was written last, as it is counted at a start.
    fn age(&self, data: &Path) -> u64 {
        drop(self.ours(data));
        let kept: serde_json::Value = serde_json::from_slice(&std::fs::read(data.join(".ordain")).unwrap()).unwrap();
        let written = humantime::parse_rfc3339(kept["written"].as_str().unwrap()).unwrap();
        u64::try_from(written.duration_since(SystemTime::UNIX_EPOCH).unwrap().as_millis()).unwrap()
    }
}

fn keys(ip: IpAddr, server: &mut Process) -> u64 {
    wait_for("its keys", UP, || {
        assert!(server.ended().is_none(), "it ended: {}", server.log());
        match ask(&mut connect(ip, 6379, None).ok()?, &["DBSIZE"]) {
            Ok(Value::Int(keys)) => u64::try_from(keys).ok(),
            _ => None,
        }
    })
}

fn now() -> u64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
    u64::try_from(since.as_millis()).unwrap()
}

/// Waits until what is written or done to files is later than a write was, beyond what is taken for the same one.
fn wait_until_later_than(written: &RangeInclusive<u64>) {
    wait_for("a later second", UP, || (now() > written.end() + 4_000).then_some(()));
}

/// Whether an age is that of such a write: the clock of stamps goes by the second.
fn is_of(age: u64, written: &RangeInclusive<u64>) -> bool {
    age <= *written.end() && age + 1_500 > *written.start()
}

/// The files of a server that was killed when it had so many keys.
fn written(ip: IpAddr, appendonly: &str, count: u64) -> TempDir {
    let data = tempfile::tempdir().unwrap();
    let mut command = Command::new(server_binary());
    command.args(["--bind", &ip.to_string(), "--save", "", "--appendonly", appendonly, "--dir"]).arg(data.path());
    let mut server = Process::start("another tool's", &data.path().join("log"), &command);
    keys(ip, &mut server);
    let mut connection = connect(ip, 6379, None).unwrap();
    for number in 0..count {
        ask(&mut connection, &["SET", &format!("{appendonly}-{number}"), "x"]).unwrap();
    }
    if appendonly == "no" {
        ask(&mut connection, &["SAVE"]).unwrap();
    }
    drop(server);
    std::fs::remove_file(data.path().join("log")).unwrap();
    data
}

/// Every file below a folder with its content.
fn content(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut files = BTreeMap::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if let Ok(target) = path.read_link() {
            files.insert(name, target.into_os_string().into_encoded_bytes());
        } else if path.is_dir() {
            files.extend(content(&path).into_iter().map(|(inner, bytes)| (format!("{name}/{inner}"), bytes)));
        } else {
            files.insert(name, std::fs::read(path).unwrap());
        }
    }
    files
}

/// The append-only files, the newest last.
fn appended(folder: &Path) -> Vec<String> {
    let is_appended = |name: &String| Path::new(name).extension().is_some_and(|extension| extension == "aof");
    content(folder).into_keys().filter(is_appended).collect()
}

/// A data directory of a row, made anew.
struct Directory(TempDir);

impl Directory {
    fn of(parts: &[&TempDir]) -> Self {
        let data = tempfile::tempdir().unwrap();
        for part in parts {
            let copied = Command::new("cp").arg("-a").arg(part.path().join(".")).arg(data.path()).status();
            assert!(copied.unwrap().success());
        }
        Self(data)
    }

    fn with(self, name: &str, bytes: &[u8]) -> Self {
        let path = self.0.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, bytes).unwrap();
        self
    }

    fn moved(self, from: &str, to: &str) -> Self {
        let path = self.0.path().join(to);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::rename(self.0.path().join(from), path).unwrap();
        self
    }

    fn linked(self, name: &str, target: &str) -> Self {
        std::os::unix::fs::symlink(target, self.0.path().join(name)).unwrap();
        self
    }

    fn without(self, name: &str) -> Self {
        std::fs::remove_file(self.0.path().join(name)).unwrap();
        self
    }

    /// The end of the newest append-only file, without its last bytes or with some more.
    fn torn(self) -> Self {
        let newest = appended(self.0.path()).pop().unwrap();
        let bytes = std::fs::read(self.0.path().join(&newest)).unwrap();
        self.with(&newest, &[&bytes[..], b"*3\r\n$3\r\nSET\r\n$1"].concat())
    }
}

/// It serves so many keys, or is refused with these words, and nothing is changed.
type Outcome = Result<u64, &'static str>;

#[test]
fn what_is_counted_is_what_the_server_then_serves_and_the_rest_is_refused_untouched() {
    let place = Place::new();
    let (dump, aof) = (&place.snapshot, &place.appended);
    let both = || Directory::of(&[aof, dump]);
    let snapshot = std::fs::read(dump.path().join("dump.rdb")).unwrap();
    let older_dump = || {
        let both = both();
        let aged = Command::new("touch")
            .args(["-d", "1 hour"])
            .args(appended(both.0.path()).iter().map(|name| both.0.path().join(name)))
            .status();
        assert!(aged.unwrap().success());
        both
    };
    let mut table: Vec<(&str, Directory, Option<&str>, Outcome)> = vec![
        ("nothing", Directory::of(&[]), None, Ok(0)),
        ("a snapshot", Directory::of(&[dump]), None, Ok(10)),
        ("a snapshot beside a backup", Directory::of(&[dump]).with("backup/last-week.rdb", &snapshot), None, Ok(10)),
        (
            "that is a link into a folder",
            Directory::of(&[dump]).moved("dump.rdb", "backup/dump.rdb").linked("dump.rdb", "backup/dump.rdb"),
            None,
            Ok(10),
        ),
        (
            "that is a link to a volume that is not mounted",
            Directory::of(&[]).linked("dump.rdb", "/nowhere/dump.rdb"),
            None,
            Err("dump.rdb`, a link to `/nowhere"),
        ),
        (
            "an append-only folder that is not mounted",
            Directory::of(&[]).linked("appendonlydir", "/nowhere/aof"),
            None,
            Err("appendonlydir`, a link to `/nowhere"),
        ),
        (
            "what was set aside for a choice that was cut short",
            Directory::of(&[dump]).moved("dump.rdb", "set-aside-5/dump.rdb"),
            Some("dump"),
            Err("set-aside-5/dump.rdb`, set aside"),
        ),
        ("append-only files", Directory::of(&[aof]), None, Ok(20)),
        ("with a torn tail", Directory::of(&[aof]).torn(), None, Ok(20)),
        ("beside an older snapshot", older_dump(), None, Ok(20)),
        ("beside a newer snapshot", both(), None, Err("dump.rdb`, which is newer")),
        ("of which the snapshot is chosen", both(), Some("dump"), Ok(10)),
        ("of which the append-only files are chosen", both(), Some("aof"), Ok(20)),
        ("beside a newer snapshot where a server was started", both().with(".ordain", b"{}"), Some("dump"), Ok(20)),
        ("a snapshot by another name", Directory::of(&[dump]).moved("dump.rdb", "redis.rdb"), None, Err("redis.rdb`")),
        ("that is chosen", Directory::of(&[dump]).moved("dump.rdb", "redis.rdb"), Some("redis.rdb"), Ok(10)),
        ("an empty append-only file", Directory::of(&[dump]).with("appendonly.aof", b""), None, Err("start empty")),
        ("what a crash left", Directory::of(&[]).with("temp-12.rdb", &snapshot).with("lost+found/a.rdb", &snapshot), None, Ok(0)),
    ];
    let manifest = "appendonlydir/appendonly.aof.manifest";
    if place.keeps_manifest() {
        let base = content(aof.path()).into_keys().find(|name| name.contains(".base.")).unwrap();
        let plain = b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$1\r\nv\r\n";
        table.extend([
            ("an append-only file of before 7", Directory::of(&[]).with("appendonly.aof", plain), None, Ok(1)),
            ("that is chosen", Directory::of(&[aof]).with("appendonly.aof", plain), Some("appendonly.aof"), Ok(1)),
            (
                "words for letters in a manifest",
                {
                    let letters = String::from_utf8(content(aof.path())[manifest].clone()).unwrap();
                    let words = letters.replace("type b", "type base").replace("type i", "type incr");
                    Directory::of(&[aof]).with(manifest, words.as_bytes())
                },
                None,
                Ok(20),
            ),
            (
                "a manifest by another name",
                Directory::of(&[aof]).moved(manifest, "appendonlydir/redis.aof.manifest"),
                None,
                Err("rename `"),
            ),
            ("an empty manifest", Directory::of(&[aof]).with(manifest, b""), None, Err("is damaged")),
            ("a file that is missing", Directory::of(&[aof]).without(&base), None, Err("is missing")),
            ("a manifest that is missing", Directory::of(&[aof]).without(manifest), None, Err("start empty")),
            (
                "and was lost where a server was started",
                Directory::of(&[aof]).without(manifest).with(".ordain", b"{}"),
                None,
                Err("put its manifest back"),
            ),
        ]);
    } else {
        let newer = "file appendonly.aof.1.incr.aof seq 1 type i\n";
        let folder =
            Directory::of(&[]).with(manifest, newer.as_bytes()).with("appendonlydir/appendonly.aof.1.incr.aof", b"*1\r\n");
        table.push(("files of a newer server", folder, None, Err("written by a newer server")));
    }
    let future = Directory::of(&[]).with("dump.rdb", &[&b"VALKEY999"[..], &snapshot[9..]].concat());
    if !server_binary().to_string_lossy().contains("valkey") {
        table.push(("another server's", future, None, Err("written by a newer server or another")));
    }
    for (what, Directory(data), load, outcome) in table {
        match outcome {
            Ok(keys) => {
                let (log, served) = place.start(data.path(), load);
                assert_eq!(served, keys, "{what}: {log}");
                assert_eq!(log.contains("own disk: empty"), keys == 0, "{what}: {log}");
                assert_eq!(place.start(data.path(), load).1, keys, "{what}: at the next start");
            }
            Err(words) => {
                let before = content(data.path());
                let run = place.run(data.path(), load);
                let said = String::from_utf8_lossy(&run.stderr);
                assert!(run.status.code() == Some(2) && said.contains(words), "{what}: {said}");
                assert_eq!(content(data.path()), before, "{what}");
            }
        }
    }
}

#[test]
fn no_value_that_a_client_writes_decides_how_old_the_data_is() {
    let place = Place::new();
    for line in ["#TS:1", "#TS:4102444800"] {
        let data = tempfile::tempdir().unwrap();
        let server = place.ours(data.path());
        let written = place.write("key", &format!("x\r\n{line}\r\n*1\r\n$1\r\nx"));
        drop(server);
        wait_until_later_than(&written);
        for start in 1..=2 {
            let age = place.age(data.path());
            assert!(is_of(age, &written), "{line}, start {start}: written at {written:?}, counted as {age}");
        }
    }
}

#[test]
fn what_0_1_appends_to_a_file_of_ours_counts_and_what_its_start_does_to_a_torn_tail_does_not() {
    let place = Place::new();
    let data = tempfile::tempdir().unwrap();
    let server = place.ours(data.path());
    let written = place.write("ours", "x");
    drop(server);
    tear_in(data.path());
    wait_until_later_than(&written);
    drop(place.of_0_1(data.path()));
    if place.keeps_manifest() {
        // What is kept of servers that write no stamps is the time of their file.
        let age = place.age(data.path());
        assert!(is_of(age, &written), "a torn tail: written at {written:?}, counted as {age}");
    }

    let server = place.ours(data.path());
    let written = place.write("ours", "y");
    drop(server);
    wait_until_later_than(&written);
    let server = place.of_0_1(data.path());
    place.write("of-0-1", "x");
    let written = place.write("of-0-1", "y");
    drop(server);
    wait_until_later_than(&written);
    for start in 1..=2 {
        let age = place.age(data.path());
        assert!(is_of(age, &written), "start {start}: written at {written:?}, counted as {age}");
    }
    let server = place.ours(data.path());
    let written = place.write("ours", "z");
    drop(server);
    let age = place.age(data.path());
    assert!(is_of(age, &written), "and ours again: written at {written:?}, counted as {age}");
}

#[test]
fn a_server_that_was_never_written_to_leaves_no_data() {
    let place = Place::new();
    let extra = place.folder.path().join("extra.conf");
    let settings = std::fs::read_to_string(&extra).unwrap();
    std::fs::write(&extra, format!("{settings}aof-use-rdb-preamble no\n")).unwrap();
    let data = tempfile::tempdir().unwrap();
    for start in 1..=3 {
        let (log, _) = place.start(data.path(), None);
        assert!(log.contains("own disk: empty"), "start {start}: {log}");
    }
}

/// Where the newest append-only file of a pod ends in the middle of a write.
fn tear(bed: &Bed, pod: &str) {
    tear_in(&bed.sandbox(pod).path("data"));
}

fn tear_in(data: &Path) {
    let newest = appended(data).pop().unwrap();
    let torn = OpenOptions::new().append(true).open(data.join(newest)).unwrap();
    std::io::Write::write_all(&mut &torn, b"*3\r\n$3\r\nSET\r\n$1").unwrap();
}

/// After a power cut a stale replica starts once without its master, and something is done to its files before that
/// and then: it is not made the newest by that.
fn a_lone_start_makes_no_stale_replica_the_newest(before: fn(&Bed, &str), then: fn(&Bed, &str)) {
    let bed = Bed::on_kubernetes(ordain()).with_gates().without_reconcile().with_quick_failover();
    let mut bed = bed.with_env("ORDAIN_DEADLINE", "60s");
    bed.start_all();
    bed.wait_for_master("redis-0", UP);
    bed.wait_for_sentinels(UP);
    bed.put_keys("redis-0", "early", 10);
    bed.wait_for_keys_everywhere(10, UP);
    bed.kill("redis-1");
    bed.put_keys("redis-0", "late", 40);
    bed.wait_for_keys("redis-2", 50, UP);
    bed.kill_at_once(&["redis-0", "redis-2"]);
    before(&bed, "redis-1");

    // Whoever believes the Sentinels alone follows redis-0, which does not run.
    bed.gate("redis-1").shut();
    bed.start("redis-1");
    wait_for("redis-1 without its master", UP, || bed.role("redis-1").starts_with("replica of ").then_some(()));
    wait_for("the end of its loading", UP, || bed.keys("redis-1"));
    then(&bed, "redis-1");
    bed.kill("redis-1");
    bed.gate("redis-1").open();
    bed.start_each(&REDIS);
    let master = wait_for("a master", FAILED_OVER, || REDIS.into_iter().find(|pod| bed.role(pod) == "master"));
    assert_ne!(master, "redis-1");
    bed.wait_for_keys_everywhere(50, UP);
    assert!(!bed.was_promoted("redis-1"));
}

#[test]
fn a_start_that_cuts_a_torn_tail_off_makes_no_stale_replica_the_newest() {
    a_lone_start_makes_no_stale_replica_the_newest(tear, |_, _| {});
}

#[test]
fn a_rewrite_without_a_master_makes_no_stale_replica_the_newest() {
    let is_valkey = server_binary().to_string_lossy().contains("valkey");
    if is_valkey || !Place::new().keeps_manifest() {
        // There, files that are written anew do not tell whether a master was copied before.
        return;
    }
    let rewrite = |bed: &Bed, pod: &str| {
        let base = |bed: &Bed| {
            let names = content(&bed.sandbox(pod).path("data")).into_keys();
            names.filter(|name| name.contains(".base.") && name.starts_with("appendonlydir/appendonly.aof.")).max()
        };
        let old = base(bed).unwrap();
        bed.ask(pod, &["BGREWRITEAOF"]).unwrap();
        wait_for("a new base", UP, || {
            let info = bed.text(pod, &["INFO", "persistence"]);
            (base(bed)? != old && info.contains("aof_rewrite_in_progress:0")).then_some(())
        });
    };
    a_lone_start_makes_no_stale_replica_the_newest(|_, _| {}, rewrite);
}

/// Damages the middle of a pod's newest append-only file; returns its name, and what it holds now.
fn damage(bed: &Bed, pod: &str) -> (String, Vec<u8>) {
    let data = bed.sandbox(pod).path("data");
    let newest = appended(&data).pop().unwrap();
    let mut bytes = std::fs::read(data.join(&newest)).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle..middle + 40].fill(b'X');
    std::fs::write(data.join(&newest), &bytes).unwrap();
    (newest, bytes)
}

/// A group of one pod, without Sentinels.
fn one_pod() -> Bed {
    let mut bed = Bed::on_kubernetes(ordain()).with_env("ORDAIN_REPLICAS", "1");
    bed.make("redis-0");
    bed
}

/// What is said of data that is about to be checked.
const CHECKED: &str = "now checking";

#[test]
fn a_server_that_is_killed_for_its_memory_is_not_taken_for_one_whose_data_is_damaged() {
    let mut bed = one_pod();
    bed.start("redis-0");
    wait_for("redis-0 leading", UP, || (bed.role("redis-0") == "master").then_some(()));
    bed.put_keys("redis-0", "key", 50);
    bed.kill("redis-0");
    damage(&bed, "redis-0");
    // As the kubelet tells it, which starts the container again.
    let run_once = |bed: &mut Bed, reason: &str, code: i32| {
        bed.start("redis-0");
        wait_for("its end", UP, || bed.server("redis-0").ended());
        bed.kill("redis-0");
        bed.namespace.as_ref().unwrap().say_ended("redis-0", "redis", reason, code);
    };
    for _ in 0..5 {
        run_once(&mut bed, "OOMKilled", 137);
    }
    assert!(!bed.log("redis-0").contains(CHECKED), "{}", bed.log("redis-0"));
    let mut runs = 0;
    while !bed.log("redis-0").contains(CHECKED) {
        assert!(runs < 5, "it never had its data checked");
        bed.start("redis-0");
        wait_for("its end, or the check", UP, || {
            let is_over = bed.server("redis-0").ended().is_some() || bed.log("redis-0").contains(CHECKED);
            is_over.then_some(())
        });
        bed.kill("redis-0");
        bed.namespace.as_ref().unwrap().say_ended("redis-0", "redis", "Error", 1);
        runs += 1;
    }
}

#[test]
fn what_belongs_to_another_user_is_named_and_is_no_empty_disk() {
    use std::os::unix::fs::PermissionsExt;
    let bed = one_pod();
    bed.put_append_only_file("redis-0", std::time::Duration::ZERO);
    let data = bed.sandbox("redis-0").path("data");
    for (path, mode, named) in [("appendonly.aof", 0o600, "`/data/appendonly.aof`"), (".", 0o700, "`/data`")] {
        let path = data.join(path);
        std::os::unix::fs::chown(&path, Some(0), Some(0)).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
        if bed.sandbox("redis-0").run(&["ls", "/data"]).status.success() && mode == 0o700 {
            // Without root there is but one user.
            return;
        }
        let before = content(&data);
        let run = bed.ordain("redis-0", &["genconf-redis"]);
        assert_eq!(run.code, Some(2), "{run:?}");
        let error = run.stderr.lines().last().unwrap();
        assert!(error.starts_with("error: ") && error.contains(named), "{run:?}");
        assert_eq!(content(&data), before, "nothing is changed");
        assert!(bed.namespace.as_ref().unwrap().record("redis").is_none(), "it is no first boot");
    }
}

#[test]
fn what_the_server_may_not_append_to_is_named_before_it_starts() {
    use std::os::unix::fs::{MetadataExt, PermissionsExt};
    let mut bed = one_pod();
    let data = bed.sandbox("redis-0").path("data");
    let subnet = Subnet::take();
    let made = written(subnet.host(10).into(), "yes", 3);
    if data.metadata().unwrap().uid() == made.path().metadata().unwrap().uid() {
        // Without root there is but one user.
        return;
    }
    for name in content(made.path()).into_keys() {
        let (from, to) = (made.path().join(&name), data.join(&name));
        std::fs::create_dir_all(to.parent().unwrap()).unwrap();
        std::fs::copy(from, &to).unwrap();
        std::fs::set_permissions(&to, std::fs::Permissions::from_mode(0o644)).unwrap();
    }
    let before = content(&data);
    bed.start("redis-0");
    let ended = wait_for("its end", UP, || bed.server("redis-0").ended());
    let log = bed.log("redis-0");
    assert!(ended.code() == Some(2) && log.contains("cannot write to `/data/"), "{ended:?}: {log}");
    assert_eq!(content(&data), before, "nothing is changed");
    assert!(bed.namespace.as_ref().unwrap().record("redis").is_none(), "it is no first boot");
}

#[test]
fn damage_is_found_by_the_servers_own_check_wherever_it_is() {
    let place = Place::new();
    let newest = appended(place.appended.path()).pop().unwrap();
    let whole = std::fs::read(place.appended.path().join(&newest)).unwrap();
    let with_end = |end: &[u8]| Directory::of(&[&place.appended]).with(&newest, &[&whole[..], end].concat());
    let mut kinds = vec![
        ("letters at the end", with_end(b"XXXX")),
        ("what a power cut leaves at the end", with_end(&[0; 40])),
        ("a command that goes on otherwise", with_end(b"*3\r\n$3\r\nSET\r\nXX")),
    ];
    if let Some(base) = content(place.appended.path()).into_keys().find(|name| name.ends_with(".base.rdb")) {
        let half = std::fs::read(place.appended.path().join(&base)).unwrap()[..30].to_vec();
        kinds.push(("half a base", Directory::of(&[&place.appended]).with(&base, &half)));
    }
    for (what, Directory(data)) in kinds {
        let path = place.folder.path().join("log");
        let is_found = (1..=4).any(|_| {
            let _ = std::fs::remove_file(&path);
            let mut server = Process::start("redis-0", &path, &place.command(data.path(), None, &server_binary()));
            wait_for("its end, or the damage being seen", UP, || {
                let is_seen = server.log().contains("cannot load its data: redis-check-");
                is_seen.then_some(true).or_else(|| server.ended().map(|_| false))
            })
        });
        assert!(is_found, "{what}: {}", std::fs::read_to_string(&path).unwrap());
    }
}

#[test]
fn a_copy_of_a_snapshot_that_is_ended_leaves_nothing_behind_after_the_next_start() {
    let drafts = |folder: &Path| {
        let names = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
        names.filter(|name| name.starts_with(".ordain-")).collect::<Vec<_>>()
    };
    // With one key, as Redis 6.2 writes it.
    let snapshot = b"REDIS0009\xfa\x05ctime\xc2\x01\x00\x00\x00\xfe\x00\xfb\x01\x00\x00\x03key\x01x\xff\0\0\0\0\0\0\0\0";
    for signal in ["TERM", "KILL"] {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().join("data");
        std::fs::create_dir(&data).unwrap();
        std::fs::write(folder.path().join("resolv.conf"), "nameserver 127.0.0.1\n").unwrap();
        let dump = data.join("dump.rdb");
        std::fs::write(&dump, snapshot).unwrap();
        let length = |bytes| std::fs::File::options().write(true).open(&dump).unwrap().set_len(bytes).unwrap();
        // A server that would append to a link: its data is copied, which never ends here before the signal.
        let mut run = Command::new(ordain());
        run.args(["genconf-redis", "--no-kubernetes", "--group", "redis", "--pod-name", "redis-0", "--replicas", "1"]);
        run.args(["--sentinel-count", "0", "--service", "redis.test", "--deadline", "60s", "--server-version", "6.2.0"]);
        run.arg("--resolv-conf").arg(folder.path().join("resolv.conf"));
        run.arg("--output").arg(folder.path().join("redis.conf")).arg("--data-dir").arg(&data);
        length(64 << 30);
        let mut copying = Process::start("redis-0", &folder.path().join("log"), &run);
        wait_for("a copy", UP, || {
            assert!(copying.ended().is_none(), "it ended: {}", copying.log());
            (!drafts(&data).is_empty()).then_some(())
        });
        let probe = |question: &str| {
            let mut probe = Command::new(ordain());
            probe.args(["probe", "redis", question, "--port", "1"]).arg("--data-dir").arg(&data);
            probe.output().unwrap().status.code()
        };
        let asked = ["--startup", "--liveness", "--readiness"].map(probe);
        assert_eq!(asked, [Some(0), Some(0), Some(1)], "the kubelet has no reason to end it");
        copying.signal(signal);
        let ended = wait_for("its end", UP, || copying.ended());
        if signal == "TERM" {
            assert_eq!((ended.code(), drafts(&data)), (Some(1), vec![]), "{}", copying.log());
        }
        length(snapshot.len() as u64);
        let next = run.output().unwrap();
        assert_eq!(next.status.code(), Some(0), "{}", String::from_utf8_lossy(&next.stderr));
        assert_eq!(drafts(&data), Vec::<String>::new());
        assert_eq!(probe("--liveness"), Some(1), "nothing is copied any more");
        assert_eq!(std::fs::read(data.join("appendonly.aof")).unwrap(), snapshot, "it was copied whole");
        assert_eq!(std::fs::read(&dump).unwrap(), snapshot);
    }
}

#[test]
fn a_holder_whose_data_is_damaged_is_told_of_and_given_up_and_its_files_are_set_aside() {
    let mut bed = started(Bed::on_kubernetes(ordain()).with_quick_failover().with_env("ORDAIN_HOLDER_GRACE", "6s"));
    bed.put_keys("redis-0", "key", 50);
    bed.wait_for_keys_everywhere(50, UP);
    bed.cut_power(&REDIS);
    let (newest, bytes) = damage(&bed, "redis-0");

    bed.start_each(&REDIS);
    // The kubelet would say how long the earlier runs took: without one, that of before the power cut may count, too.
    for run in 1..=4 {
        let is_seen = wait_for("its end, or the damage being seen", UP, || {
            let is_seen = bed.log("redis-0").contains("cannot load its data: ");
            is_seen.then_some(true).or_else(|| bed.server("redis-0").ended().map(|_| false))
        });
        assert!(is_seen || run < 4, "it never had its data checked");
        if is_seen {
            break;
        }
        bed.start("redis-0");
    }
    let master =
        wait_for("another master", GIVEN_UP, || ["redis-1", "redis-2"].into_iter().find(|pod| bed.role(pod) == "master"));
    bed.wait_for_master(master, UP);
    bed.wait_for_keys_everywhere(50, UP);
    let events = bed.namespace.as_ref().unwrap().events();
    let is_told =
        |event: &[String; 3]| event.iter().any(|word| word.contains("cannot load its data (") && word.contains("is not valid"));
    assert!(events.iter().any(is_told), "{events:?}");
    let aside = content(&bed.sandbox("redis-0").path("data"))
        .into_iter()
        .find(|(name, _)| name.starts_with("set-aside-") && name.ends_with(&newest));
    assert_eq!(aside.map(|(_, kept)| kept), Some(bytes));
}
