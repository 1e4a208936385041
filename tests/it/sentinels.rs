//! The three ways to name the Sentinels, and Sentinels that do not answer.

use std::net::SocketAddr;

use testbed::black_hole::BlackHole;
use testbed::dns::Answer;
use testbed::group::{Bed, REDIS, Run, SENTINELS};

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
