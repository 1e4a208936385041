//! What ordain says of the user as whom it logs in is what the server then does with that user.

use std::process::Command;

use redis::{Connection, ErrorKind, Value};
use testbed::client::{ask, connect};
use testbed::process::Process;
use testbed::subnet::Subnet;
use testbed::{server_binary, wait_for};

use crate::{UP, ordain};

#[derive(Debug, PartialEq, Eq)]
enum Verdict {
    /// Exit code 2: nothing would work.
    Refused,
    /// Something would not.
    Warned,
    Silent,
}
use Verdict::{Refused, Silent, Warned};

/// `printf %s given | sha256sum`, and that of another password.
const HASHES: [&str; 2] = [
    "#5b729e0f619797fd61108a4bb177273222ad9ac5538299c8386f061e29046e60",
    "#ae448ac86c4e8e4dec645729708ef41873ae79c6dff84eff73360989487f08e5",
];

/// The rules of a user whose password is said to be `given`.
fn cases() -> Vec<(String, Verdict)> {
    let [given, other] = HASHES;
    let all = "~* &* +@all";
    let mut cases = vec![
        (format!("on >given {all}"), Silent),
        (format!("on {given} {all}"), Silent),
        (format!("on >another >given {all}"), Silent),
        (format!("on nopass {all}"), Warned),
        (format!("on >given {all} -flushall -@scripting +script"), Silent),
        (format!("on >given {all} -@dangerous +@admin +info +role"), Silent),
        (format!("on >given {all} -psync"), Warned),
        (format!("on >given {all} -@transaction"), Warned),
        ("on >given ~* &* +ping +role +info".to_owned(), Warned),
    ];
    for rules in
        [">another", other, "nopass resetpass", ">given <given", ">given reset on", ">given resetpass", "nopass >another"]
    {
        cases.push((format!("on {rules} {all}"), Refused));
    }
    for rules in ["off", "reset", "-@all", "nocommands", "-@fast -@slow"] {
        cases.push((format!("on >given {all} {rules}"), Refused));
    }
    cases.push(("on >given ~* &*".to_owned(), Refused));
    cases
}

fn said(user: &str, rules: &str) -> Verdict {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("extra.conf"), format!("user {user} {rules}\n")).unwrap();
    let mut run = Command::new(ordain());
    run.args(["genconf-redis", "--dry-run", "--no-kubernetes", "--group", "redis", "--pod-name", "redis-0", "--replicas", "1"]);
    run.args(["--sentinel-count", "0", "--user", user, "--extra-config", "extra.conf", "--deadline", "5s"]);
    run.current_dir(folder.path()).env_clear().env("ORDAIN_PASSWORD", "given");
    let output = run.output().unwrap();
    let told = String::from_utf8_lossy(&output.stderr);
    let names_it = told.contains(&format!("`user {user} …`"));
    assert!(!told.contains(rules), "a password may be among the rules: {told}");
    match output.status.code() {
        Some(2) if names_it => Refused,
        Some(0) if names_it => Warned,
        Some(0) => Silent,
        code => panic!("{code:?}: {told}"),
    }
}

/// Some of what ordain, Sentinel and a replica ask, each of which needs another permission.
const QUESTIONS: [&[&str]; 7] = [
    &["PING"],
    &["ROLE"],
    &["INFO", "replication"],
    &["CONFIG", "GET", "syslog-ident"],
    &["REPLCONF", "ack", "0"],
    &["PUBLISH", "__sentinel__:hello", "?"],
    &["PSYNC", "?", "-1"],
];

/// Whether a server forbids what it was asked; what it may say besides, such as that it has no replicas, does not matter.
fn is_forbidden(connection: &mut Connection, question: &[&str]) -> bool {
    let forbids = |error: &redis::RedisError| error.code() == Some("NOPERM") || error.to_string().contains("NOPERM");
    ask(connection, question).as_ref().is_err_and(forbids)
}

#[test]
fn a_user_that_is_refused_can_do_nothing_and_one_that_passes_can_do_all() {
    let subnet = Subnet::take();
    let (ip, folder) = (subnet.host(10).into(), tempfile::tempdir().unwrap());
    let cases = cases();
    let lines: String = cases.iter().enumerate().map(|(number, (rules, _))| format!("user u{number} {rules}\n")).collect();
    std::fs::write(folder.path().join("redis.conf"), format!("bind {ip}\nprotected-mode no\nsave \"\"\n{lines}")).unwrap();
    let mut command = Command::new(server_binary());
    command.arg(folder.path().join("redis.conf")).current_dir(folder.path());
    let _server = Process::start("redis-0", &folder.path().join("log"), &command);
    wait_for("a server", UP, || ask(&mut connect(ip, 6379, None).ok()?, &["PING"]).ok());
    for (number, (rules, expected)) in cases.iter().enumerate() {
        let user = format!("u{number}");
        assert_eq!(said(&user, rules), *expected, "{rules}");
        let logged_in = || {
            let mut connection = connect(ip, 6379, None).unwrap();
            let login = ask(&mut connection, &["AUTH", &user, "given"]);
            login.map(|_| connection)
        };
        let may = |question: &&[&str]| logged_in().is_ok_and(|mut connection| !is_forbidden(&mut connection, question));
        let allowed = QUESTIONS.iter().filter(|question| may(question)).count();
        match expected {
            Refused => assert_eq!(allowed, 0, "{rules}"),
            Warned => assert!(allowed > 0, "{rules}"),
            Silent => assert_eq!(allowed, QUESTIONS.len(), "{rules}"),
        }
    }
}

#[test]
fn a_default_user_without_a_password_refuses_a_replica_that_logs_in_with_one() {
    let subnet = Subnet::take();
    let (ip, folder) = (subnet.host(10).into(), tempfile::tempdir().unwrap());
    let mut command = Command::new(server_binary());
    let user = ["--user", "default", "on", "nopass", "~*", "&*", "+@all"];
    command.args(["--bind", &subnet.host(10).to_string(), "--save", ""]).args(user);
    command.current_dir(folder.path());
    let _server = Process::start("redis-0", &folder.path().join("log"), &command);
    let answer = wait_for("a server", UP, || ask(&mut connect(ip, 6379, None).ok()?, &["PING"]).ok());
    assert_eq!(answer, Value::SimpleString("PONG".to_owned()));
    // What a replica sends without `masteruser` (`replication.c`), and gives up for.
    let refused = ask(&mut connect(ip, 6379, None).unwrap(), &["AUTH", "given"]).unwrap_err();
    assert!(!matches!(refused.kind(), ErrorKind::Io), "{refused}");
    assert!(refused.to_string().contains("without any password configured"), "{refused}");
}
