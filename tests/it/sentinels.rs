//! The three ways to name the Sentinels, Sentinels that do not answer, and what a server means that refuses.

use std::net::SocketAddr;
use std::process::Command;

use ::ordain::core::evidence::{Failure, SentinelAnswer};
use ::ordain::core::identity::{Endpoint, Group, Host};
use ::ordain::core::probe::{Serving, Watching};
use ::ordain::core::sentinel_conf::Watched;
use ::ordain::edge::sentinel::FailoverReply;
use ::ordain::edge::wire::{Login, Target};
use ::ordain::edge::{redis, sentinel};
use tempfile::TempDir;
use testbed::black_hole::BlackHole;
use testbed::dns::Answer;
use testbed::group::{Bed, REDIS, Run, SENTINELS};
use testbed::process::Process;
use testbed::subnet::Subnet;
use testbed::{server_binary, wait_for};

use crate::{UP, ordain};

fn started() -> Bed {
    let mut bed = Bed::on_kubernetes(ordain());
    bed.start_all();
    bed.wait_for_master("redis-0", UP);
    bed.wait_for_sentinels(UP);
    bed.wait_for_labels("redis-0", UP);
    bed
}

/// What redis-2 would decide now, with all the evidence; `names` say where the Sentinels are.
fn decide(bed: &Bed, names: &[&str]) -> Run {
    let mut command = vec!["/usr/bin/env", "-u", "ORDAIN_SENTINEL_SERVICE", "/opt/ordain/ordain"];
    command.extend(["genconf-redis", "--dry-run", "--explain"]);
    command.extend(names);
    Run::of(&bed.sandbox("redis-2").run(&command))
}

fn assert_follows_with_two_sentinels(run: &Run) {
    assert_eq!(run.code, Some(0), "{run:?}");
    let why = run.stderr.lines().find(|line| line.contains("redis-2 follows redis-0: the record and")).unwrap_or_default();
    assert!(why.contains("2 of 3 Sentinels") || why.contains("3 of 3 Sentinels"), "{}", run.stderr);
}

#[test]
fn a_list_srv_records_and_addresses_name_the_same_sentinels() {
    let bed = started();
    let list = SENTINELS.map(|pod| bed.host_name(pod)).join(",");
    assert_follows_with_two_sentinels(&decide(&bed, &["--sentinel", &list]));

    let by_srv = decide(&bed, &["--sentinel-service", "sentinel"]);
    assert_follows_with_two_sentinels(&by_srv);
    assert!(by_srv.stderr.contains(&format!("Sentinel {}:26379: ", bed.host_name("sentinel-0"))), "{}", by_srv.stderr);

    let ips = SENTINELS.map(|pod| bed.ip(pod)).to_vec();
    bed.dns.zone.set(&bed.service("sentinel-0"), Answer { ips, ..Answer::default() });
    let by_address = decide(&bed, &["--sentinel-service", "sentinel"]);
    assert_follows_with_two_sentinels(&by_address);
    assert!(
        by_address.stderr.contains(&format!("Sentinel {}: ", SocketAddr::new(bed.ip("sentinel-0"), 26379))),
        "{}",
        by_address.stderr
    );
}

#[test]
fn a_black_holed_minority_is_not_waited_for() {
    let mut bed = started();
    bed.kill("sentinel-1");
    let _hole = BlackHole::at(bed.ip("sentinel-1"), 26379);
    let run = decide(&bed, &["--sentinel-service", "sentinel"]);
    assert_follows_with_two_sentinels(&run);
    assert!(run.stderr.contains(&format!("Sentinel {}:26379: not waited for", bed.host_name("sentinel-1"))), "{}", run.stderr);
}

#[test]
fn a_stopped_sentinel_and_one_whose_name_is_gone_are_told_apart() {
    let mut bed = started();
    bed.server("sentinel-0").signal("STOP");
    bed.delete("sentinel-1");
    bed.kill("sentinel-2");
    let list = SENTINELS.map(|pod| bed.host_name(pod)).join(",");
    let run = decide(&bed, &["--sentinel", &list]);
    // The record alone is enough to follow.
    assert_eq!(run.code, Some(0), "{run:?}");
    for (pod, answer) in [("sentinel-0", "timed out"), ("sentinel-1", "no such host"), ("sentinel-2", "connection refused")] {
        assert!(run.stderr.contains(&format!("Sentinel {}:26379: {answer}", bed.host_name(pod))), "{pod}: {}", run.stderr);
    }
    assert!(run.stderr.contains("redis-2 follows redis-0: the record names redis-0 at epoch 0"), "{}", run.stderr);
}

#[test]
fn a_sentinel_that_wants_a_password_says_so() {
    let mut bed = Bed::on_kubernetes(ordain()).with_password("secret");
    bed.start_all();
    bed.wait_for_sentinels(UP);
    let mut command = vec!["/usr/bin/env", "-u", "ORDAIN_SENTINEL_PASSWORD_FILE", "/opt/ordain/ordain"];
    command.extend(["genconf-redis", "--dry-run", "--explain"]);
    let run = Run::of(&bed.sandbox("redis-2").run(&command));
    assert!(run.stderr.contains(":26379: not allowed: NOAUTH"), "{}", run.stderr);
    assert!(!run.stderr.contains("secret"), "no secret in the log: {}", run.stderr);
}

#[test]
fn without_a_record_silence_is_no_first_boot() {
    let mut bed = Bed::without_kubernetes(ordain());
    for pod in REDIS {
        bed.make(pod);
    }
    let _hole = BlackHole::at(bed.ip("redis-2"), 6379);
    let run = bed.ordain("redis-0", &["genconf-redis", "--deadline", "3s"]);
    assert_eq!(run.code, Some(1), "{run:?}");
    assert!(
        run.stderr.contains("redis-2 gave no answer (timed out), and without a record silence proves nothing"),
        "{}",
        run.stderr
    );
}

/// Servers without a group, each with its own folder.
struct Lone {
    subnet: Subnet,
    folder: TempDir,
    servers: Vec<Process>,
}

impl Lone {
    fn new() -> Self {
        Self { subnet: Subnet::take(), folder: tempfile::tempdir().unwrap(), servers: Vec::new() }
    }

    fn start(&mut self, kind: &[&str], settings: &str) -> Target {
        let number = self.servers.len();
        let (ip, folder) =
            (self.subnet.host(10 + u8::try_from(number).unwrap()).into(), self.folder.path().join(number.to_string()));
        std::fs::create_dir(&folder).unwrap();
        std::fs::write(folder.join("conf"), format!("port 6379\nbind {ip}\nprotected-mode no\n{settings}")).unwrap();
        let mut command = Command::new(server_binary());
        command.arg("conf").args(kind).current_dir(&folder);
        let server = Process::start("a lone server", &folder.join("log"), &command);
        let target = Target { name: Host::Ip(ip), ips: vec![ip], port: 6379 };
        wait_for("the server", UP, || std::net::TcpStream::connect((ip, 6379)).ok());
        self.servers.push(server);
        target
    }
}

fn watched<'a>(group: &'a Group, quorum: usize, script: &'a [u8]) -> Watched<'a> {
    Watched {
        group,
        master: Endpoint::parse("127.0.0.1", 1).unwrap(),
        quorum,
        down_after_ms: 2000,
        script,
        user: None,
        password: None,
        config_epoch: 0,
        leader_epoch: 0,
        replicas: Vec::new(),
        sentinels: Vec::new(),
    }
}

#[test]
fn what_a_sentinel_refuses_is_told_apart_by_codes_and_by_what_it_knows() {
    let mut lone = Lone::new();
    let (strict, open) = (lone.start(&["--sentinel"], ""), lone.start(&["--sentinel"], "sentinel deny-scripts-reconfig no\n"));
    let (login, group): (_, Group) = (Login::default(), "redis".parse().unwrap());
    let is_valkey = {
        let version = Command::new(server_binary()).arg("--version").output().unwrap();
        version.stdout.starts_with(b"Valkey")
    };
    testbed::runtime().block_on(async {
        let fail_over = async |is_coordinated| sentinel::fail_over(&strict, &login, &group, is_coordinated).await.unwrap();
        assert_eq!(sentinel::view(&strict, &login, &group).await, Ok(SentinelAnswer::Unaware));
        let told = sentinel::quorums(&strict, &login, std::slice::from_ref(&group)).await;
        assert_eq!(told, Ok(vec![(group.clone(), Watching::Unaware)]));
        assert_eq!(sentinel::forget_group(&strict, &login, &group).await, Ok(false));
        for is_coordinated in [false, true] {
            assert!(matches!(fail_over(is_coordinated).await, FailoverReply::Refused(_)), "a group that it does not know");
        }

        let watch = async |at: &Target, quorum, script: &str| {
            sentinel::watch_group(at, &login, &watched(&group, quorum, script.as_bytes())).await
        };
        let refused = watch(&strict, 0, "/bin/true").await;
        assert!(matches!(refused, Err(Failure::InvalidReply(_))), "no quorum, and no group that it watches already: {refused:?}");
        for time in ["the first time", "one that it watches already"] {
            assert_eq!(watch(&strict, 1, "/bin/true").await, Ok(false), "it takes no script, {time}");
            assert_eq!(watch(&open, 1, "/no/such/script").await, Ok(false), "there is no such script, {time}");
            assert_eq!(watch(&open, 1, "/bin/true").await, Ok(true), "{time}");
        }
        let view = sentinel::view(&strict, &login, &group).await;
        assert!(matches!(&view, Ok(SentinelAnswer::Watching(watch)) if !watch.is_half_told), "{view:?}");
        let told = sentinel::quorums(&strict, &login, &[]).await;
        assert!(matches!(&told.as_deref(), Ok([(_, Watching::Counts { usable: 1, .. })])), "{told:?}");

        assert!(
            matches!(fail_over(false).await, FailoverReply::Refused(why) if why.starts_with("NOGOODSLAVE")),
            "there is no replica"
        );
        match fail_over(true).await {
            FailoverReply::Refused(why) if is_valkey => assert!(why.starts_with("NOGOOD"), "{why}"),
            FailoverReply::NotKnown if !is_valkey => {}
            other => panic!("{other:?}"),
        }
        assert_eq!(sentinel::forget_group(&strict, &login, &group).await, Ok(true));
    });
}

#[test]
fn a_redis_that_is_asked_as_a_sentinel_says_itself_what_it_is_whatever_its_user_may_do() {
    let mut lone = Lone::new();
    let redis = lone.start(&[], "save \"\"\nuser narrow on >secret -@all +ping\n");
    let stale = lone.start(&[], "save \"\"\nreplicaof 127.0.0.1 1\nreplica-serve-stale-data no\n");
    let group: Group = "redis".parse().unwrap();
    let narrow = Login { user: Some(b"narrow".to_vec()), password: Some(b"secret".to_vec()), tls: None };
    testbed::runtime().block_on(async {
        for login in [Login::default(), narrow] {
            assert_eq!(sentinel::view(&redis, &login, &group).await, Err(Failure::NotASentinel));
            assert_eq!(sentinel::quorums(&redis, &login, &[]).await, Err(Failure::NotASentinel));
            assert_eq!(sentinel::replicas(&redis, &login, &group).await, Err(Failure::NotASentinel));
            assert_eq!(sentinel::forget_group(&redis, &login, &group).await, Err(Failure::NotASentinel));
            assert_eq!(sentinel::fail_over(&redis, &login, &group, true).await, Err(Failure::NotASentinel));
        }
        // It serves nobody (`MASTERDOWN`), and says all the same whose replica it is.
        let serving = redis::serving(&stale, &Login::default()).await;
        assert!(matches!(serving, Ok(Serving::Replica { link_is_up: false, .. })), "{serving:?}");
    });
}
