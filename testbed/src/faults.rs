//! What goes wrong in a group: outages, lost volumes, lost memories, lost hooks, and strangers.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, SystemTime};

use tempfile::TempDir;

use crate::client::Writer;
use crate::dns::Answer;
use crate::gate::Gate;
use crate::group::{Bed, PATIENT, QUICK, SENTINELS};
use crate::process::Process;
use crate::sandbox::EXTRA_CONFIG;
use crate::{server_binary, wait_for};

/// Where a Redis keeps its data.
pub const DATA: &str = "/data";
/// Where a server keeps its file.
const FILES: &str = "/etc/redis";

/// A volume's files as they were, with their times.
pub struct Copied(TempDir);

impl Bed {
    /// Ends all these pods at once, as a power cut does. Their volumes stay; by addresses, none of them comes back where
    /// it was.
    pub fn cut_power(&mut self, pods: &[&str]) {
        self.kill_at_once(pods);
        if self.is_by_address() {
            for pod in pods {
                self.move_running(pod);
            }
        }
    }

    /// Ends the containers of all these pods at once. The pods stay, and start again where they were.
    pub fn kill_at_once(&mut self, pods: &[&str]) {
        self.let_sentinels_be_quick();
        for pod in pods {
            self.server(pod).signal("KILL");
        }
        for pod in pods {
            self.kill(pod);
        }
    }

    /// Has a pod be at another address: a node that starts anew makes the pods' networks anew.
    fn move_running(&mut self, pod: &str) {
        self.move_away(pod);
        let ip = self.ip(pod);
        self.sandbox_mut(pod).move_to(ip);
        if let Some(namespace) = &self.namespace {
            namespace.move_pod(pod, &[ip]);
        }
        self.dns.zone.address(&self.host_name(pod), ip);
        self.publish_services();
    }

    /// Gives a pod that is made and does not run yet an address of the other family, too, as a network of both gives it.
    pub fn add_address(&self, pod: &str) {
        let ips = [self.ip(pod), self.second_ip(pod)];
        self.sandbox(pod).append(EXTRA_CONFIG, &format!("bind {} {}\n", ips[0], ips[1]));
        if let Some(namespace) = &self.namespace {
            namespace.move_pod(pod, &ips);
        }
        self.dns.zone.set(&self.host_name(pod), Answer { ips: ips.to_vec(), ..Answer::default() });
    }

    /// Ends all these pods at once and deletes them, their objects and their names. Their volumes stay.
    pub fn delete_at_once(&mut self, pods: &[&str]) {
        self.let_sentinels_be_quick();
        for pod in pods {
            if self.is_started(pod) {
                self.server(pod).signal("KILL");
            }
        }
        for pod in pods {
            self.delete(pod);
        }
    }

    /// Starts these pods at once, as a StatefulSet with `Parallel` does.
    pub fn start_each(&mut self, pods: &[&str]) {
        for pod in pods {
            self.start(pod);
        }
    }

    /// Makes a deleted pod again: another object, its old volume, and nothing of what its containers
    /// had written elsewhere.
    pub fn make_again(&mut self, pod: &str) {
        let ip = self.ip(pod);
        self.sandbox_mut(pod).move_to(ip);
        self.make_object(pod);
        self.publish_services();
        if pod.starts_with("redis") {
            self.sandbox(pod).empty(FILES);
        }
    }

    /// Takes a Sentinel's file away.
    pub fn lose_memory(&self, sentinel: &str) {
        self.sandbox(sentinel).empty(FILES);
    }

    /// Takes every Sentinel's file away.
    pub fn lose_all_memory(&self) {
        for sentinel in SENTINELS {
            self.lose_memory(sentinel);
        }
    }

    /// Has the Sentinels that are started from now on wait for so long before they find a master down, until
    /// they are told otherwise.
    pub fn make_sentinels_patient(&mut self, down_after: Duration) {
        self.has_quick_failover = false;
        self.write_patience(down_after);
    }

    /// Has the Sentinels that are started next be patient; returns each one's configuration without that.
    pub(crate) fn make_sentinels_patient_once(&self) -> Vec<(&'static str, String)> {
        let configs =
            self.layout.sentinels.iter().map(|sentinel| (*sentinel, self.sandbox(sentinel).read(EXTRA_CONFIG))).collect();
        self.write_patience(PATIENT);
        configs
    }

    fn write_patience(&self, down_after: Duration) {
        let patience = format!("sentinel down-after-milliseconds redis {}\n", down_after.as_millis());
        for sentinel in self.layout.sentinels {
            self.sandbox(sentinel).append(EXTRA_CONFIG, &patience);
        }
    }

    /// Has the running Sentinels wait for so long.
    pub fn tell_sentinels_to_wait(&self, down_after: Duration) {
        let patience = down_after.as_millis().to_string();
        for sentinel in self.layout.sentinels.iter().filter(|sentinel| self.is_started(sentinel)) {
            // One that does not answer keeps what it has.
            let _ = self.ask(sentinel, &["SENTINEL", "SET", "redis", "down-after-milliseconds", &patience]);
        }
    }

    /// From here on a server is found down soon, where the bed is one with a quick failover.
    ///
    /// At all other times its Sentinels are patient: pinging once a second, they would now and then find a
    /// healthy server of a busy machine down, and fail over where the story has no failover.
    pub fn let_sentinels_be_quick(&self) {
        if self.has_quick_failover {
            self.tell_sentinels_to_wait(QUICK);
        }
    }

    /// A story's failover is over; see [`Bed::let_sentinels_be_quick`].
    pub(crate) fn have_sentinels_wait(&self) {
        if self.has_quick_failover {
            self.tell_sentinels_to_wait(PATIENT);
        }
    }

    /// Takes a Redis's data away, the group's stamp included.
    pub fn lose_volume(&self, redis: &str) {
        self.sandbox(redis).empty(DATA);
    }

    /// Copies what a volume holds.
    pub fn copy_volume(&self, pod: &str) -> Copied {
        let kept = tempfile::tempdir().expect("a temporary folder");
        copy_files(&self.sandbox(pod).path(volume(pod)), kept.path());
        Copied(kept)
    }

    /// Puts what was copied in the place of what a volume holds.
    pub fn put_back(&self, pod: &str, copied: &Copied) {
        self.sandbox(pod).empty(volume(pod));
        copy_files(copied.0.path(), &self.sandbox(pod).path(volume(pod)));
    }

    /// Has every hook do nothing from now on.
    pub fn lose_hooks(&self) {
        for sentinel in SENTINELS {
            self.sandbox(sentinel).write("opt/ordain/on-failover", "#!/bin/sh\n");
        }
    }

    /// Plays reconcile's part: Sentinel may promote whoever follows.
    pub fn allow_election(&self) {
        for pod in self.layout.redis.iter().filter(|pod| self.is_started(pod)) {
            self.ask(pod, &["CONFIG", "SET", "replica-priority", "100"]).expect("a running Redis");
        }
    }

    /// Has Sentinel hand over to one pod, and waits until all follow it.
    pub fn hand_over_to(&mut self, pod: &str, deadline: Duration) {
        let redis = self.layout.redis;
        let master = *redis.iter().find(|pod| self.role(pod) == "master").expect("a master");
        let third = *redis.iter().find(|other| **other != master && **other != pod).expect("a third pod");
        // Then there is but one to promote, and it has what the third alone may have confirmed: a master
        // streams to a replica that has just loaded its data only once that replica reports again.
        self.kill(third);
        let confirmed = self.offset(master).expect("a running master");
        wait_for(&format!("{pod} at {confirmed}"), deadline, || (self.offset(pod)? >= confirmed).then_some(()));
        self.fail_over(self.layout.sentinels[0], deadline);
        assert_eq!(self.wait_for_failover(master, deadline), pod);
        // Until it follows, the old master takes writes that a third pod beside it would confirm.
        self.wait_for_master(pod, deadline);
        self.start(third);
        self.wait_for_master(pod, deadline);
        self.wait_for_promotable(deadline);
        if self.namespace.is_some() {
            self.wait_for_labels(pod, deadline);
        }
        self.wait_for_sentinels(deadline);
    }

    /// Writes keys of a name, numbered from 1, to whatever role a pod has been given.
    pub fn put_keys(&self, pod: &str, name: &str, count: u64) {
        let mut connection = self.connect(pod).expect("a running Redis");
        for number in 1..=count {
            crate::client::ask(&mut connection, &["SET", &format!("{name}-{number}"), "x"]).expect("a write");
        }
    }

    /// How many keys a pod holds; none while it does not answer.
    pub fn keys(&self, pod: &str) -> Option<u64> {
        self.text(pod, &["DBSIZE"]).parse().ok()
    }

    /// Waits until a pod holds so many keys.
    pub fn wait_for_keys(&self, pod: &str, count: u64, deadline: Duration) {
        wait_for(&format!("{count} keys in {pod}"), deadline, || (self.keys(pod) == Some(count)).then_some(()));
    }

    /// The same for every pod that runs.
    pub fn wait_for_keys_everywhere(&self, count: u64, deadline: Duration) {
        for pod in self.layout.redis.iter().filter(|pod| self.is_started(pod)) {
            self.wait_for_keys(pod, count, deadline);
        }
    }

    /// What a pod has logged, over all its runs.
    pub fn log(&self, pod: &str) -> String {
        self.sandbox(pod).log()
    }

    /// What another container of a pod has printed.
    pub fn log_of(&self, pod: &str, container: &str) -> String {
        self.sandbox(pod).log_of(container)
    }

    /// Waits until a pod has logged some words once more than `before`, which is an earlier log of it.
    pub fn wait_for_log(&self, pod: &str, words: &str, before: &str, deadline: Duration) -> String {
        let seen = before.len();
        wait_for(&format!("`{words}` in the log of {pod}"), deadline, || {
            let log = self.log(pod);
            log.get(seen..).filter(|news| news.contains(words)).map(str::to_owned)
        })
    }

    /// Whether Sentinel has ever promoted a pod: by what its Redis has logged.
    pub fn was_promoted(&self, pod: &str) -> bool {
        self.log(pod).contains("MASTER MODE enabled")
    }

    /// Puts a snapshot with so many keys, made by a real server, into a pod's volume, as if it had
    /// been written so long ago.
    pub fn put_snapshot(&self, pod: &str, count: u64, ago: Duration) {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let mut stranger = self.stranger(folder.path(), &["--appendonly", "no", "--save", ""]);
        let mut connection = wait_for("the other tool's server", Duration::from_secs(10), || {
            assert!(stranger.ended().is_none(), "it ended: {}", stranger.log());
            crate::client::connect(self.strange_ip(), 6379, None).ok()
        });
        for number in 1..=count {
            crate::client::ask(&mut connection, &["SET", &format!("taken-{number}"), "x"]).expect("a write");
        }
        crate::client::ask(&mut connection, &["SAVE"]).expect("a snapshot");
        stranger.kill();
        let file = self.sandbox(pod).path(&format!("{DATA}/dump.rdb"));
        std::fs::copy(folder.path().join("dump.rdb"), &file).expect("a snapshot");
        age(&file, ago);
    }

    /// Puts an append-only file, as servers before 7 write it, with one key into a pod's volume.
    pub fn put_append_only_file(&self, pod: &str, ago: Duration) {
        let file = self.sandbox(pod).path(&format!("{DATA}/appendonly.aof"));
        std::fs::write(&file, "*3\r\n$3\r\nSET\r\n$3\r\nkey\r\n$1\r\nx\r\n").expect("a file");
        age(&file, ago);
    }

    /// Ends the newest append-only file of a pod that is away with half a command, as a power cut in the midst
    /// of a write does. Does nothing where there is no such file yet.
    pub fn tear_tail(&self, pod: &str) {
        if let Ok(mut file) = File::options().append(true).open(self.newest_appended(pod)) {
            file.write_all(b"*3\r\n$3\r\nSET\r\n$5\r\nunf").expect("a file that takes it");
        }
    }

    fn newest_appended(&self, pod: &str) -> PathBuf {
        let data = self.sandbox(pod).path(DATA);
        let increments = std::fs::read_dir(data.join("appendonlydir")).into_iter().flatten().flatten();
        let mut increments: Vec<_> =
            increments.map(|entry| entry.path()).filter(|path| path.to_string_lossy().ends_with(".incr.aof")).collect();
        let written = |path: &PathBuf| path.metadata().and_then(|file| file.modified()).ok();
        increments.sort_by_key(written);
        increments.pop().unwrap_or_else(|| data.join("appendonly.aof"))
    }

    /// Damages the middle of the newest append-only file of a pod that is away, as a bad block does: no server loads it.
    /// Returns whether it has commands enough for that.
    pub fn damage_data(&self, pod: &str) -> bool {
        const DAMAGE: usize = 40;
        let newest = self.newest_appended(pod);
        let mut bytes = std::fs::read(&newest).unwrap_or_default();
        let middle = bytes.len() / 2;
        let has_enough = bytes.len() > DAMAGE * 10;
        if has_enough {
            bytes[middle..middle + DAMAGE].fill(b'X');
            std::fs::write(newest, bytes).expect("a file that takes it");
        }
        has_enough
    }

    /// Makes a pod's data look as if it had been written so long ago.
    pub fn age_volume(&self, pod: &str, ago: Duration) {
        let data = self.sandbox(pod).path(DATA);
        let _ = std::fs::remove_file(data.join(".ordain"));
        for file in
            [data.clone(), data.join("appendonlydir")].iter().filter_map(|folder| std::fs::read_dir(folder).ok()).flatten()
        {
            date_back(&file.expect("an entry").path(), ago);
        }
        self.date_volume(pod, -i64::try_from(ago.as_secs()).expect("some days"));
    }

    /// Dates a pod's files as a clock would that is so many seconds ahead. A stand-in for a node's clock: the
    /// programs under test are static, so that no library can give them one of their own.
    pub fn date_volume(&self, pod: &str, ahead: i64) {
        let data = self.sandbox(pod).path(DATA);
        let seconds = format!("{ahead} seconds");
        let dated = Command::new("find").arg(data).args(["-type", "f", "-exec", "touch", "-d", &seconds, "{}", "+"]).status();
        assert!(dated.is_ok_and(|status| status.success()), "cannot date the files of {pod}");
    }

    /// A Redis that is no pod of this group, at [`Bed::strange_ip`].
    pub fn stranger(&self, folder: &Path, arguments: &[&str]) -> Process {
        let mut server = Command::new(server_binary());
        server.args(["--bind", &self.strange_ip().to_string(), "--protected-mode", "no", "--dir"]).arg(folder).args(arguments);
        Process::start("a stranger", &folder.join("log"), &server)
    }

    /// A client that counts every write that is acknowledged, whether a replica has it or not.
    pub fn plain_writer(&self) -> Writer {
        self.writer_that(Writer::start_plainly)
    }

    /// The gate between a pod and the API server, where there are gates.
    pub fn gate(&self, pod: &str) -> &Gate {
        self.gates.get(pod).expect("a bed with gates, and the pod made")
    }
}

/// Makes what a server has written say that it was written so long ago: a snapshot's `ctime`, whose checksum is
/// then none, and the stamps of an append-only file.
fn date_back(file: &Path, ago: Duration) {
    const CREATED: &[u8] = b"\xfa\x05ctime\xc2";
    const STAMP: &[u8] = b"#TS:";
    if !file.is_file() {
        return;
    }
    let then = SystemTime::now() - ago;
    let second = then.duration_since(SystemTime::UNIX_EPOCH).expect("a time").as_secs();
    let mut bytes = std::fs::read(file).expect("the file");
    let at =
        |bytes: &[u8], word: &[u8], from: usize| bytes[from..].windows(word.len()).position(|w| w == word).map(|at| from + at);
    // Commands may follow in a file of another name.
    let is_snapshot = file.extension().is_some_and(|extension| extension == "rdb");
    if let (true, Some(found)) = (is_snapshot, at(&bytes, CREATED, 0)) {
        let value = found + CREATED.len();
        bytes[value..value + 4].copy_from_slice(&u32::try_from(second).expect("32 bits").to_le_bytes());
        let end = bytes.len() - 8;
        bytes[end..].fill(0);
    }
    let mut from = 0;
    while let Some(found) = at(&bytes, STAMP, from) {
        from = found + STAMP.len();
        bytes[from..from + 10].copy_from_slice(second.to_string().as_bytes());
    }
    std::fs::write(file, bytes).expect("the file");
}

fn age(file: &Path, ago: Duration) {
    date_back(file, ago);
    let opened = File::options().append(true).open(file).expect("the file");
    opened.set_modified(SystemTime::now() - ago).expect("its time");
}

fn volume(pod: &str) -> &'static str {
    if pod.starts_with("redis") { DATA } else { FILES }
}

fn copy_files(from: &Path, to: &Path) {
    let copied = Command::new("cp").arg("-a").arg(from.join(".")).arg(to).status();
    assert!(copied.is_ok_and(|status| status.success()), "cannot copy {} to {}", from.display(), to.display());
}
