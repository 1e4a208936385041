//! What the kubelet is told of a server, by that server alone.

use std::net::{IpAddr, TcpStream};
use std::process::Command;

use rstest::rstest;
use tempfile::TempDir;
use testbed::authority::{Authority, Issued};
use testbed::group::{Bed, REDIS, Run, SENTINELS};
use testbed::process::Process;
use testbed::subnet::Subnet;
use testbed::{client, server_binary, wait_for};

use crate::{FAILED_OVER, UP, ordain, started};

fn probe(bed: &Bed, pod: &str, question: &str) -> Run {
    bed.ordain(pod, &["probe", if pod.starts_with("redis") { "redis" } else { "sentinel" }, question])
}

/// Asserts that it is so, and says so in one line.
fn assert_is(bed: &Bed, pod: &str, question: &str, told: &str) {
    let run = probe(bed, pod, question);
    assert_eq!((run.code, run.stdout.trim_end(), run.stderr.as_str()), (Some(0), told, ""), "{pod} {question}");
}

/// Asserts that it is not so, and says why in one line.
fn assert_is_not(bed: &Bed, pod: &str, question: &str, why: &str) {
    let run = probe(bed, pod, question);
    assert_eq!((run.code, run.stdout.as_str()), (Some(1), ""), "{pod} {question}: {run:?}");
    assert!(run.stderr.lines().count() == 1 && run.stderr.contains(why), "{pod} {question}: {run:?}");
}

#[test]
fn servers_that_serve_say_so_whatever_becomes_of_kubernetes_and_dns() {
    let bed = started(Bed::on_kubernetes(ordain()).with_password("a%secret/word"));
    let master = bed.announced_endpoint("redis-0");
    bed.namespace.as_ref().unwrap().forbid();
    for pod in REDIS.iter().chain(&SENTINELS) {
        bed.dns.zone.remove(&bed.host_name(pod));
        for question in ["--liveness", "--startup"] {
            assert_is(&bed, pod, question, if pod.starts_with("redis") { "Redis lives" } else { "Sentinel lives" });
        }
    }
    assert_is(&bed, "redis-0", "--readiness", "Redis serves as master");
    assert_is(&bed, "redis-1", "--readiness", &format!("Redis serves as replica of {master}"));
    assert_is(&bed, "sentinel-2", "--readiness", "Sentinel watches `redis`");
    let elsewhere = bed.ordain("sentinel-0", &["probe", "sentinel", "--readiness", "--group", "redis,cache"]);
    assert!(elsewhere.code == Some(1) && elsewhere.stderr == "error: Sentinel does not know `cache`\n", "{elsewhere:?}");
}

#[test]
fn a_server_that_is_loading_or_busy_lives_and_does_not_serve() {
    let mut bed = started(Bed::on_kubernetes(ordain()).with_patient_sentinels());
    bed.put_keys("redis-0", "key", 2000);
    bed.wait_for_keys("redis-1", 2000, UP);
    bed.ask("redis-1", &["BGREWRITEAOF"]).unwrap();
    wait_for("the append-only file", UP, || {
        let info = bed.text("redis-1", &["INFO", "persistence"]);
        (info.contains("aof_rewrite_in_progress:0") && info.contains("aof_rewrite_scheduled:0")).then_some(())
    });
    bed.kill("redis-1");
    assert_is_not(&bed, "redis-1", "--startup", "connection refused");
    // Ten seconds, in which it answers now and then.
    bed.sandbox("redis-1").append("/etc/ordain-extra.conf", "key-load-delay 5000\nloading-process-events-interval-bytes 1024\n");
    bed.start("redis-1");
    wait_for("redis-1 loading", UP, || {
        let error = client::ask(&mut bed.connect("redis-1").ok()?, &["PING"]).err()?;
        (error.code() == Some("LOADING")).then_some(())
    });
    assert_is(&bed, "redis-1", "--startup", "Redis lives");
    assert_is(&bed, "redis-1", "--liveness", "Redis lives");
    assert_is_not(&bed, "redis-1", "--readiness", "Redis does not serve: LOADING ");

    bed.ask("redis-2", &["CONFIG", "SET", "lua-time-limit", "10"]).unwrap();
    let mut script = bed.connect("redis-2").unwrap();
    std::thread::spawn(move || client::ask(&mut script, &["EVAL", "while true do end", "0"]));
    wait_for("redis-2 being busy", UP, || {
        let error = client::ask(&mut bed.connect("redis-2").ok()?, &["PING"]).err()?;
        (error.code() == Some("BUSY")).then_some(())
    });
    assert_is(&bed, "redis-2", "--liveness", "Redis lives");
    assert_is_not(&bed, "redis-2", "--readiness", "Redis does not serve: BUSY ");
    bed.ask("redis-2", &["SCRIPT", "KILL"]).unwrap();
    assert_is(&bed, "redis-2", "--readiness", &format!("Redis serves as replica of {}", bed.announced_endpoint("redis-0")));

    bed.server("redis-2").signal("STOP");
    assert_is_not(&bed, "redis-2", "--liveness", "timed out");
    bed.server("redis-2").signal("CONT");
}

#[test]
fn a_replica_without_a_link_is_ready_only_where_its_master_cannot_start_before() {
    let mut bed = started(Bed::on_kubernetes(ordain()).with_patient_sentinels());
    bed.hand_over_to("redis-1", FAILED_OVER);
    bed.kill("redis-1");
    let master = bed.announced_endpoint("redis-1");
    for pod in ["redis-0", "redis-2"] {
        wait_for(&format!("{pod} losing its link"), UP, || {
            bed.text(pod, &["INFO", "replication"]).contains("master_link_status:down").then_some(())
        });
        assert_is(&bed, pod, "--liveness", "Redis lives");
    }
    // With `no` it refuses reads until its master is there, which waits for it all the same.
    for serves_stale_data in ["yes", "no"] {
        for pod in ["redis-0", "redis-2"] {
            bed.ask(pod, &["CONFIG", "SET", "replica-serve-stale-data", serves_stale_data]).unwrap();
        }
        if bed.is_by_address() {
            // Whose an address is nobody knows who is asked here.
            for pod in ["redis-0", "redis-2"] {
                let told = format!("Redis waits for {master}: the pod that was there may start only when this pod is ready");
                assert_is(&bed, pod, "--readiness", &told);
            }
            continue;
        }
        let told = format!("Redis waits for {master}, which may start only when this pod is ready");
        assert_is(&bed, "redis-0", "--readiness", &told);
        assert_is_not(&bed, "redis-2", "--readiness", &format!("Redis has no link to {master}"));
    }
    let read = bed.ask("redis-0", &["GET", "key"]).unwrap_err();
    assert_eq!(read.code(), Some("MASTERDOWN"));
}

#[test]
fn a_master_that_takes_no_writes_is_not_ready() {
    let mut bed = started(Bed::on_kubernetes(ordain()).with_patient_sentinels());
    bed.hand_over_to("redis-2", FAILED_OVER);
    bed.ask("redis-2", &["CONFIG", "SET", "min-replicas-to-write", "2"]).unwrap();
    wait_for("both replicas counted", UP, || (probe(&bed, "redis-2", "--readiness").code == Some(0)).then_some(()));
    bed.kill("redis-1");
    wait_for("one replica missed", UP, || (probe(&bed, "redis-2", "--readiness").code == Some(1)).then_some(()));
    assert_is_not(&bed, "redis-2", "--readiness", "Redis is master and takes no writes: 1 of 2 replicas are in sync");
    assert_eq!(bed.ask("redis-2", &["SET", "key", "value"]).unwrap_err().code(), Some("NOREPLICAS"));
    bed.ask("redis-2", &["CONFIG", "SET", "min-replicas-to-write", "0"]).unwrap();
    assert_is(&bed, "redis-2", "--readiness", "Redis serves as master");

    // A snapshot that cannot be written.
    let snapshot = bed.sandbox("redis-2").path("/data/dump.rdb");
    let _ = std::fs::remove_file(&snapshot);
    std::fs::create_dir(&snapshot).unwrap();
    bed.ask("redis-2", &["CONFIG", "SET", "save", "3600 1"]).unwrap();
    assert!(bed.ask("redis-2", &["SAVE"]).is_err());
    bed.ask("redis-2", &["BGSAVE"]).unwrap();
    wait_for("the snapshot failing", UP, || {
        bed.text("redis-2", &["INFO", "persistence"]).contains("rdb_last_bgsave_status:err").then_some(())
    });
    assert_eq!(bed.ask("redis-2", &["SET", "key", "value"]).unwrap_err().code(), Some("MISCONF"));
    assert_is(&bed, "redis-2", "--liveness", "Redis lives");
    assert_is_not(&bed, "redis-2", "--readiness", "Redis does not serve: MISCONF ");
}

#[test]
fn a_sentinel_without_a_quorum_is_ready_only_where_the_others_cannot_start_before() {
    let mut bed = started(Bed::on_kubernetes(ordain()).with_quick_failover());
    bed.let_sentinels_be_quick();
    for gone in ["sentinel-0", "sentinel-1"] {
        bed.kill(gone);
    }
    wait_for("sentinel-2 missing the others", FAILED_OVER, || {
        bed.text("sentinel-2", &["SENTINEL", "SENTINELS", "redis"]).matches("s_down").count().ge(&2).then_some(())
    });
    assert_is(&bed, "sentinel-2", "--liveness", "Sentinel lives");
    assert_is_not(&bed, "sentinel-2", "--readiness", "Sentinel has no quorum for `redis`: it counts 1 Sentinels that answer");
    let as_the_first = ["/usr/bin/env", "POD_NAME=sentinel-0", "/opt/ordain/ordain", "probe", "sentinel", "--readiness"];
    let first = Run::of(&bed.sandbox("sentinel-2").run(&as_the_first));
    assert_eq!((first.code, first.stdout.as_str()), (Some(0), "Sentinel watches `redis`\n"), "{first:?}");
}

/// Asserts that readiness passes, and says that it was not told.
fn assert_is_excused(run: &Run, why: &str) {
    assert_eq!((run.code, run.stderr.as_str()), (Some(0), ""), "{run:?}");
    assert!(run.stdout.contains("is not asked whether it serves") && run.stdout.contains(why), "{run:?}");
    assert_eq!(run.stdout.lines().count(), 1, "{run:?}");
}

#[test]
fn no_server_is_killed_or_taken_out_of_service_for_a_password() {
    let mut bed = started(Bed::on_kubernetes(ordain()).with_password("secret"));
    let other = |bed: &Bed, pod: &str, question: &str, settings: &[&str]| {
        let server = if pod.starts_with("redis") { "redis" } else { "sentinel" };
        let mut command = vec!["/usr/bin/env", "-u", "ORDAIN_PASSWORD_FILE", "-u", "ORDAIN_SENTINEL_PASSWORD_FILE"];
        command.extend(settings);
        command.extend(["/opt/ordain/ordain", "probe", server, question]);
        Run::of(&bed.sandbox(pod).run(&command))
    };
    let wrong = ["ORDAIN_PASSWORD=other", "ORDAIN_SENTINEL_PASSWORD=other"];
    let missing = ["ORDAIN_PASSWORD_FILE=/nowhere", "ORDAIN_SENTINEL_PASSWORD_FILE=/nowhere"];
    for pod in ["redis-0", "sentinel-0"] {
        for settings in [&wrong[..], &missing, &[]] {
            assert_eq!(other(&bed, pod, "--liveness", settings).code, Some(0), "{pod}");
        }
        assert_is_excused(&other(&bed, pod, "--readiness", &wrong), "not allowed: WRONGPASS");
        assert_is_excused(&other(&bed, pod, "--readiness", &[]), "not allowed: NOAUTH");
        assert_is_excused(&other(&bed, pod, "--readiness", &missing), "`/nowhere`");
    }
    // A user without the right to PING is judged by what else the server tells.
    bed.ask("redis-1", &["ACL", "SETUSER", "prober", "on", ">word", "+role", "+info"]).unwrap();
    let user = ["ORDAIN_USER=prober", "ORDAIN_PASSWORD=word"];
    let told = other(&bed, "redis-1", "--readiness", &user);
    assert!(told.code == Some(0) && told.stdout.starts_with("Redis serves as replica of "), "{told:?}");
    bed.ask("redis-1", &["ACL", "SETUSER", "prober", "-@all"]).unwrap();
    assert_is_excused(&other(&bed, "redis-1", "--readiness", &user), "not allowed: NOPERM");
    assert_eq!(other(&bed, "redis-1", "--liveness", &user).code, Some(0));
    // A server that is gone is not excused.
    bed.server("redis-1").signal("STOP");
    assert_eq!(other(&bed, "redis-1", "--readiness", &missing).code, Some(1));
    bed.server("redis-1").signal("CONT");
}

#[test]
fn a_server_that_turns_everyone_away_lives_and_its_reason_is_read() {
    let bed = started(Bed::on_kubernetes(ordain()).with_patient_sentinels());
    bed.ask("redis-2", &["CONFIG", "SET", "maxclients", "1"]).unwrap();
    // The link to the master is one, and whoever is there already stays.
    let held = bed.connect("redis-2");
    assert_is(&bed, "redis-2", "--liveness", "Redis lives");
    assert_is_not(&bed, "redis-2", "--readiness", "max number of clients reached");
    drop(held);
}

#[test]
fn by_tls_a_probe_finds_life_whatever_the_certificates_and_no_server_is_taken_out_of_service_for_them() {
    let mut bed = started(Bed::on_kubernetes(ordain()).with_tls());
    assert_is(&bed, "redis-0", "--readiness", "Redis serves as master");
    assert_is(&bed, "sentinel-0", "--readiness", "Sentinel watches `redis`");
    let stranger = Authority::new();
    let strange = stranger.issue(vec![bed.host_name("redis-0")], "redis-0", None);
    for (file, text) in [("ca.crt", &stranger.pem), ("tls.crt", &strange.cert), ("tls.key", &strange.key)] {
        bed.sandbox("redis-0").write(&format!("run/strange/{file}"), text);
    }
    let probe = |bed: &Bed, question: &str, ca: &str, pair: &str| {
        let [cert, key] = ["crt", "key"].map(|end| format!("{pair}/tls.{end}"));
        let tls = ["--tls-ca", ca, "--tls-cert", &cert, "--tls-key", &key];
        bed.ordain("redis-0", &[&["probe", "redis", question][..], &tls].concat())
    };
    let (own, strange) = ("/run/tls/ca.crt", "/run/strange/ca.crt");
    for (ca, pair, why) in [
        (strange, "/run/tls", "TLS: invalid peer certificate"),
        (own, "/run/strange", "TLS: received fatal alert"),
        (own, "/nowhere", "`/nowhere/tls.crt`"),
        ("/nowhere", "/run/tls", "`/nowhere`"),
    ] {
        let lives = probe(&bed, "--liveness", ca, pair);
        assert_eq!((lives.code, lives.stdout.as_str()), (Some(0), "Redis lives\n"), "{lives:?}");
        assert_is_excused(&probe(&bed, "--readiness", ca, pair), why);
    }
    bed.server("redis-0").signal("STOP");
    assert_eq!(probe(&bed, "--liveness", own, "/run/tls").code, Some(1), "a server that does nothing has accepted no handshake");
    assert_eq!(probe(&bed, "--readiness", own, "/nowhere").code, Some(1));
    bed.server("redis-0").signal("CONT");
}

/// A real server of no group, and what it takes to speak to it by TLS.
struct Lone {
    server: Process,
    ip: IpAddr,
    folder: TempDir,
    _subnet: Subnet,
}

const PLAIN: &str = "--protected-mode no";
const PROTECTED: &str = "--protected-mode yes";
const BY_TLS: &str = "--port 0 --tls-port 6379 --tls-ca-cert-file ca.crt --tls-key-file own.key --tls-cert-file own.crt";
const EXPIRED: &str = "--port 0 --tls-port 6379 --tls-ca-cert-file ca.crt --tls-key-file expired.key --tls-cert-file expired.crt";
const FULL: &str =
    "--port 0 --tls-port 6379 --maxclients 1 --tls-ca-cert-file ca.crt --tls-key-file own.key --tls-cert-file own.crt";

/// What comes from 127.0.0.0/8 is never refused: a network of its own, with another address.
const APART: &str = r#"ip link set lo up; ip address add "$0" dev lo; exec "$@""#;

impl Lone {
    fn start(settings: &str) -> Self {
        let (subnet, folder) = (Subnet::take(), tempfile::tempdir().unwrap());
        let ip = if settings == PROTECTED { IpAddr::from([198, 51, 100, 1]) } else { subnet.host(10).into() };
        let authority = Authority::new();
        std::fs::write(folder.path().join("ca.crt"), &authority.pem).unwrap();
        let pairs =
            [("own", authority.issue(Vec::new(), "redis-0", None)), ("expired", authority.issue_expired(Vec::new(), "redis-0"))];
        for (name, Issued { cert, key }) in pairs {
            std::fs::write(folder.path().join(format!("{name}.crt")), cert).unwrap();
            std::fs::write(folder.path().join(format!("{name}.key")), key).unwrap();
        }
        let mut command = Command::new("unshare");
        if settings == PROTECTED {
            command.args(["--net", "sh", "-ec", APART, &ip.to_string()]);
        }
        command.arg(server_binary()).current_dir(folder.path());
        command.args(["--save", "", "--bind", &ip.to_string()]).args(settings.split(' '));
        let mut server = Process::start("a lone Redis", &folder.path().join("log"), &command);
        wait_for("the server", UP, || {
            assert!(server.ended().is_none(), "it has ended");
            server.log().contains("Ready to accept connections").then_some(())
        });
        Self { server, ip, folder, _subnet: subnet }
    }

    /// `pair` is the certificate that ordain shows, where it speaks TLS.
    fn probe(&self, question: &str, pair: Option<&str>) -> Run {
        let mut command = Command::new("nsenter");
        command.arg(format!("--net=/proc/{}/ns/net", self.server.id())).arg("--").arg(ordain());
        command.current_dir(&self.folder).env_clear().args(["probe", "redis", question, "--deadline", "4s"]);
        command.args(["--pod-name", "redis-0", "--pod-ip", &self.ip.to_string()]);
        if let Some(pair) = pair {
            command.args(["--tls-ca", "ca.crt", "--tls-cert", &format!("{pair}.crt"), "--tls-key", &format!("{pair}.key")]);
        }
        Run::of(&command.output().unwrap())
    }
}

/// How a server that lives answers whether it serves.
#[derive(Debug, Clone, Copy)]
enum Readiness {
    Serves,
    /// It is taken out of service.
    Not(&'static str),
    /// A secret alone is in the way.
    Excused(&'static str),
}
use Readiness::{Excused, Not, Serves};

#[rstest]
#[case::plain(PLAIN, None, Serves)]
#[case::plain_where_tls_is_set(PLAIN, Some("own"), Not(""))]
#[case::plain_where_the_files_of_tls_are_missing(PLAIN, Some("missing"), Not("speaks no TLS"))]
#[case::protected(PROTECTED, None, Not("DENIED"))]
#[case::tls(BY_TLS, Some("own"), Serves)]
#[case::tls_where_none_is_set(BY_TLS, None, Not(""))]
#[case::tls_with_an_expired_certificate(EXPIRED, Some("own"), Excused("xpired"))]
#[case::tls_that_is_shown_an_expired_certificate(BY_TLS, Some("expired"), Excused("fatal alert"))]
#[case::tls_without_room_for_a_client(FULL, Some("own"), Not(""))]
fn a_server_that_answers_in_whatever_way_lives_and_serves_where_no_more_than_a_secret_is_in_the_way(
    #[case] settings: &str,
    #[case] pair: Option<&str>,
    #[case] readiness: Readiness,
) {
    let server = Lone::start(settings);
    let held = (settings == FULL).then(|| TcpStream::connect((server.ip, 6379)).unwrap());
    for question in ["--liveness", "--startup"] {
        let lives = server.probe(question, pair);
        assert_eq!((lives.code, &*lives.stdout, &*lives.stderr), (Some(0), "Redis lives\n", ""), "{question}");
    }
    let told = server.probe("--readiness", pair);
    match readiness {
        Serves => assert_eq!((told.code, &*told.stdout), (Some(0), "Redis serves as master\n"), "{told:?}"),
        Not(why) => assert!(told.code == Some(1) && told.stderr.contains(why), "{told:?}"),
        Excused(why) => assert_is_excused(&told, why),
    }
    drop(held);
    // One that stands still does not live, in whatever way it is asked.
    server.server.signal("STOP");
    assert_eq!(server.probe("--liveness", pair).code, Some(1));
}
