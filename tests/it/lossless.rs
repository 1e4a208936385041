//! The configuration writer is lossless: any byte in a password, a user or a path reads back from
//! the running server as it went in, also after the server has rewritten its file and restarted,
//! or is refused before anything is written.

use std::collections::HashMap;
use std::ffi::OsString;
use std::net::IpAddr;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use proptest::prelude::*;
use proptest::test_runner::TestCaseError;
use redis::{Cmd, Connection, Value};
use tempfile::TempDir;
use testbed::client::connect;
use testbed::dns::NameServer;
use testbed::process::Process;
use testbed::subnet::Subnet;
use testbed::{copy_program, server_binary, wait_for};

use crate::{UP, ordain};

/// The file system's own rule is 255; this leaves room.
const NAME_MAX: usize = 200;

fn any_bytes(length: std::ops::Range<usize>) -> impl Strategy<Value = Vec<u8>> {
    // Half of the bytes are the ones that parsers trip over.
    let tricky = prop::sample::select(b" \t\r\n\x0b\"'\\#%{}$/&;\x00\x7f\x80\xffxn".to_vec());
    prop::collection::vec(prop_oneof![tricky, any::<u8>()], length)
}

fn path_part() -> impl Strategy<Value = Vec<u8>> {
    any_bytes(1..NAME_MAX).prop_map(|bytes| {
        let part: Vec<u8> = bytes.into_iter().map(|byte| if matches!(byte, 0 | b'/') { b'_' } else { byte }).collect();
        if matches!(&part[..], b"." | b"..") { b"_".to_vec() } else { part }
    })
}

/// Bytes that Sentinel keeps when it rewrites its file.
fn kept_by_sentinel(length: std::ops::Range<usize>) -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(
        prop_oneof![b'!'..=b'~', 0x80u8..].prop_filter("no quote, no slash", |byte| !b"\"'/".contains(byte)),
        length,
    )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, max_shrink_iters: 20, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn redis_reads_back_what_was_written(password in any_bytes(1..200), user in any_bytes(1..40), folder in path_part()) {
        redis_round_trip(&password, &user, &folder)?;
    }

    #[test]
    fn sentinel_uses_the_password_that_was_written(password in any_bytes(1..60)) {
        sentinel_round_trip(&password, b"bin")?;
    }

    #[test]
    fn sentinel_keeps_every_password_and_path_that_is_not_refused(password in kept_by_sentinel(1..60), folder in kept_by_sentinel(3..60)) {
        sentinel_round_trip(&password, &folder)?;
    }

    #[test]
    fn sentinel_reads_back_the_path_of_its_hook(folder in path_part()) {
        sentinel_round_trip(b"secret", &folder)?;
    }
}

/// Files and addresses of one case.
struct Case {
    folder: TempDir,
    /// Where ordain and its hook lie.
    programs: PathBuf,
    subnet: Subnet,
    _dns: NameServer,
}

impl Case {
    fn new(password: &[u8], programs: &[u8]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let subnet = Subnet::take();
        std::fs::write(folder.path().join("password"), password).unwrap();
        std::fs::write(folder.path().join("extra"), format!("bind {}\n", subnet.host(10))).unwrap();
        let dns = NameServer::start(&subnet);
        dns.zone.address("redis-0.redis-headless", subnet.host(10));
        std::fs::write(folder.path().join("resolv.conf"), dns.resolv_conf("demo")).unwrap();
        let programs = folder.path().join(OsString::from_vec(programs.to_vec()));
        std::fs::create_dir_all(&programs).unwrap();
        copy_program(ordain(), &programs.join("ordain"));
        copy_program(ordain(), &programs.join("on-failover"));
        Self { folder, programs, subnet, _dns: dns }
    }

    fn ip(&self) -> IpAddr {
        self.subnet.host(10).into()
    }

    fn genconf(&self, arguments: &[&str], output: &str) -> Command {
        let at = |name: &str| self.folder.path().join(name);
        let mut command = Command::new(self.programs.join("ordain"));
        command.env_clear().args(arguments).args(["--no-kubernetes", "--announce", "ip", "--pod-ip"]).arg(self.ip().to_string());
        command.arg("--password-file").arg(at("password")).arg("--resolv-conf").arg(at("resolv.conf"));
        command.arg("--extra-config").arg(at("extra")).arg("--output").arg(at(output));
        command
    }

    fn start(&self, name: &str, arguments: &[&str]) -> Process {
        let mut server = Command::new(server_binary());
        server.arg(self.folder.path().join(format!("{name}.conf"))).args(arguments);
        Process::start(name, &self.folder.path().join(format!("{name}.log")), &server)
    }
}

/// A refusal says why and writes nothing; else the file must be there.
fn is_refused(output: &Output, file: &Path) -> Result<bool, TestCaseError> {
    let stderr = String::from_utf8_lossy(&output.stderr);
    match output.status.code() {
        Some(0) => Ok(false),
        Some(2) => {
            prop_assert!(
                stderr.contains("the hook's path holds")
                    || stderr.contains("has white space around")
                    || stderr.contains("password holds")
                    || stderr.contains("is empty"),
                "{stderr}"
            );
            prop_assert!(!file.exists(), "nothing is written");
            Ok(true)
        }
        code => Err(TestCaseError::fail(format!("exit code {code:?}: {stderr}"))),
    }
}

/// A final line break is the file's, not the password's.
fn without_line_end(password: &[u8]) -> &[u8] {
    match password {
        [rest @ .., b'\r', b'\n'] | [rest @ .., b'\n'] => rest,
        all => all,
    }
}

fn redis_round_trip(password: &[u8], user: &[u8], folder: &[u8]) -> Result<(), TestCaseError> {
    let case = Case::new(password, b"bin");
    let data = case.folder.path().join(OsString::from_vec(folder.to_vec()));
    std::fs::create_dir_all(&data).unwrap();
    let user_argument: Vec<u8> = user.iter().copied().filter(|byte| *byte != 0).collect();
    let mut genconf = case.genconf(&["genconf-redis", "--pod-name", "redis-0", "--replicas", "1"], "redis.conf");
    genconf.arg("--data-dir").arg(&data);
    let mut joined = OsString::from("--user=");
    joined.push(OsString::from_vec(user_argument.clone()));
    if !user_argument.is_empty() {
        genconf.arg(joined);
    }
    if is_refused(&genconf.output().unwrap(), &case.folder.path().join("redis.conf"))? {
        let is_padded = |bytes: &[u8]| {
            let text = String::from_utf8_lossy(bytes);
            text.trim() != text
        };
        // No user of Redis has white space in its name (`ACLStringHasSpaces` in `src/acl.c`).
        let is_padded = is_padded(&user_argument) || is_padded(data.as_os_str().as_bytes());
        let says_so = password.contains(&0) || without_line_end(password).is_empty() || is_padded;
        prop_assert!(says_so, "only what Redis cannot keep is refused");
        return Ok(());
    }
    let password = without_line_end(password);
    for round in ["as written", "as rewritten"] {
        let mut server = case.start("redis", &[]);
        let mut connection = ready(&case, &mut server, 6379, Some(password));
        let mut read = |name: &str| config(&mut connection, name);
        prop_assert_eq!(read("requirepass"), password, "{}", round);
        prop_assert_eq!(read("masterauth"), password, "{}", round);
        prop_assert_eq!(read("masteruser"), &user_argument[..], "{}", round);
        prop_assert_eq!(read("dir"), data.as_os_str().as_bytes(), "{}", round);
        Cmd::new().arg("CONFIG").arg("REWRITE").exec(&mut connection).unwrap();
        server.kill();
    }
    Ok(())
}

/// Sentinel has no command that shows its password: it is the right one if Sentinel gets through to
/// a Redis that wants it, and is let in by it itself.
fn sentinel_round_trip(password: &[u8], programs: &[u8]) -> Result<(), TestCaseError> {
    let case = Case::new(password, programs);
    let redis = case
        .genconf(&["genconf-redis", "--pod-name", "redis-0", "--replicas", "1"], "redis.conf")
        .arg("--data-dir")
        .arg(case.folder.path())
        .output()
        .unwrap();
    if is_refused(&redis, &case.folder.path().join("redis.conf"))? {
        return Ok(());
    }
    let secret = without_line_end(password);
    let mut redis = case.start("redis", &[]);
    ready(&case, &mut redis, 6379, Some(secret));

    let mut genconf = case.genconf(&["genconf-sentinel", "--pod-name", "sentinel-0", "--group", "redis"], "sentinel.conf");
    genconf.args(["--sentinel-count", "1", "--replicas", "1", "--service", "redis-headless"]);
    genconf.arg("--sentinel-password-file").arg(case.folder.path().join("password"));
    let hook = case.programs.join("on-failover");
    let bare = !secret
        .iter()
        .chain(hook.as_os_str().as_bytes())
        .any(|byte| byte.is_ascii_whitespace() || matches!(byte, 0x0b | b'"' | b'\''));
    if is_refused(&genconf.output().unwrap(), &case.folder.path().join("sentinel.conf"))? {
        prop_assert!(!bare, "only what Sentinel cannot keep is refused");
        return Ok(());
    }
    for round in ["as written", "as rewritten"] {
        let mut sentinel = case.start("sentinel", &["--sentinel"]);
        let mut connection = ready(&case, &mut sentinel, 26379, Some(secret));
        // Its first INFO tells the run id of the Redis: it has got through.
        let master = wait_for(&format!("Sentinel to get through {round}"), UP, || {
            let master: HashMap<String, Vec<u8>> =
                Cmd::new().arg("SENTINEL").arg("MASTER").arg("redis").query(&mut connection).unwrap();
            (!master["runid"].is_empty()).then_some(master)
        });
        prop_assert_eq!(&master["client-reconfig-script"][..], hook.as_os_str().as_bytes(), "{}", round);
        Cmd::new().arg("SENTINEL").arg("FLUSHCONFIG").exec(&mut connection).unwrap();
        sentinel.kill();
    }
    Ok(())
}

fn ready(case: &Case, server: &mut Process, port: u16, password: Option<&[u8]>) -> Connection {
    wait_for("the server", UP, || {
        assert!(server.ended().is_none(), "the server ended:\n{}", server.log());
        connect(case.ip(), port, password).ok()
    })
}

fn config(connection: &mut Connection, name: &str) -> Vec<u8> {
    let answer: Value = Cmd::new().arg("CONFIG").arg("GET").arg(name).query(connection).unwrap();
    match answer {
        Value::Array(mut fields) => match fields.pop() {
            Some(Value::BulkString(value)) => value,
            other => panic!("CONFIG GET {name}: {other:?}"),
        },
        other => panic!("CONFIG GET {name}: {other:?}"),
    }
}
