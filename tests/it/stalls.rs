//! A handover that meets servers which stand still, and one that is itself stopped in its midst.

use std::thread::JoinHandle;
use std::time::Duration;

use testbed::client::slowest_write;
use testbed::group::Bed;
use testbed::process::Process;
use testbed::{server_binary, wait_for};

use crate::{FAILED_OVER, UP, ordain, started};

/// For how long a failover that makes no progress holds writes up at most: for two seconds, of which 1.4 are enough
/// where nothing is late, and three more where this machine is.
const HELD_UP: Duration = Duration::from_secs(5);
/// And at least: before that it is not called off.
const AWAITED: Duration = Duration::from_secs(1);

/// Longer than Sentinel lets its timer be late before it is in TILT (2 s), and than nobody answers.
const STANDSTILL: Duration = Duration::from_secs(4);

/// A group whose Sentinels know whom they may promote.
fn ready() -> Bed {
    let bed = started(Bed::on_kubernetes(ordain()));
    wait_for("the Sentinels knowing whom they may promote", FAILED_OVER, || {
        let known = bed.text("sentinel-0", &["SENTINEL", "REPLICAS", "redis"]);
        (known.matches("slave-priority\n100").count() == 2).then_some(())
    });
    bed
}

fn start_handover(bed: &Bed) -> Process {
    let sandbox = bed.sandbox("redis-0");
    sandbox.start(&sandbox.containers()[0], &["/opt/ordain/ordain", "handover"])
}

fn wait_for_line(handover: &Process, words: &str) {
    wait_for(&format!("`{words}`"), UP, || handover.log().contains(words).then_some(()));
}

fn wait_for_end(handover: &mut Process) -> Option<i32> {
    wait_for("the handover's end", FAILED_OVER, || handover.ended()).code()
}

/// Has Sentinels stand still for a while: for half a minute after that they answer, and act on nothing.
fn tilt(bed: &mut Bed, sentinels: &[&str]) {
    for sentinel in sentinels {
        bed.server(sentinel).signal("STOP");
    }
    std::thread::sleep(STANDSTILL);
    for sentinel in sentinels {
        bed.server(sentinel).signal("CONT");
    }
    for sentinel in sentinels {
        wait_for(&format!("{sentinel} in TILT"), UP, || {
            bed.text(sentinel, &["INFO", "sentinel"]).contains("sentinel_tilt:1").then_some(())
        });
    }
}

/// The Sentinel that is asked first is in TILT, and does not say so: it takes the request, and does not do it.
fn asked_in_vain() -> Bed {
    let mut bed = ready();
    tilt(&mut bed, &["sentinel-0"]);
    bed.ask("sentinel-0", &["ACL", "SETUSER", "default", "-info"]).unwrap();
    bed
}

/// For how long the master holds the slowest write up.
fn watch_writes(bed: &Bed) -> JoinHandle<Duration> {
    slowest_write(bed.connect("redis-0").unwrap(), FAILED_OVER)
}

/// The master has held writes up while nothing came of the failover, and no longer than that.
fn assert_held_up_shortly(writes: JoinHandle<Duration>, at_least: Duration, handover: &Process) {
    let held = writes.join().unwrap();
    assert!((at_least..=HELD_UP).contains(&held), "writes were held up for {held:?}: {}", handover.log());
}

/// Whether the servers pause the writes by themselves (`SENTINEL FAILOVER … COORDINATED`), for as long as they say: then
/// ordain holds nothing up.
fn is_coordinated() -> bool {
    server_binary().to_string_lossy().contains("valkey")
}

fn is_failing_over(bed: &Bed) -> bool {
    bed.sentinel_field("sentinel-0", "flags").is_some_and(|flags| flags.contains("failover_in_progress"))
}

#[test]
fn a_sentinel_in_tilt_is_not_asked_while_another_is_not() {
    let mut bed = ready();
    tilt(&mut bed, &["sentinel-0"]);
    let run = bed.ordain("redis-0", &["handover"]);
    assert_eq!(run.code, Some(0), "{run:?}");
    assert!(
        run.stderr.contains(&format!("asks the Sentinel {}:26379 to replace redis-0", bed.host_name("sentinel-1"))),
        "{run:?}"
    );
    bed.wait_for_failover("redis-0", FAILED_OVER);
}

#[test]
fn while_every_sentinel_is_in_tilt_writes_go_on_and_the_handover_says_so() {
    let mut bed = ready();
    tilt(&mut bed, &["sentinel-0", "sentinel-1", "sentinel-2"]);
    let run = bed.ordain("redis-0", &["handover", "--deadline", "6s"]);
    assert_eq!(run.code, Some(1), "{run:?}");
    assert!(run.stderr.contains("every Sentinel that answers is in TILT"), "{run:?}");
    assert!(!run.stderr.contains("go on after"), "writes were held back: {run:?}");
}

#[test]
fn a_failover_that_makes_no_progress_is_called_off_and_another_sentinel_is_asked() {
    let bed = asked_in_vain();
    let writes = watch_writes(&bed);
    let mut handover = start_handover(&bed);
    wait_for_line(&handover, "makes no progress with the failover of redis-0: it is called off");
    let ended = wait_for_end(&mut handover);
    let log = handover.log();
    assert!(ended == Some(0), "{log}");
    if !is_coordinated() {
        assert!(log.contains("the writes of redis-0 go on after"), "{log}");
        assert_held_up_shortly(writes, AWAITED, &handover);
    }
    let [first, second] =
        ["sentinel-0", "sentinel-1"].map(|sentinel| log.find(&format!("the Sentinel {}", bed.host_name(sentinel))));
    assert!(first < second, "{log}");
    let promoted = bed.wait_for_failover("redis-0", FAILED_OVER);
    bed.wait_for_master(promoted, UP);
}

#[test]
fn a_sentinel_that_stands_still_when_it_is_asked_holds_up_no_writes() {
    let mut bed = ready();
    let writes = watch_writes(&bed);
    let mut handover = start_handover(&bed);
    wait_for_line(&handover, "asks the Sentinel");
    bed.server("sentinel-0").signal("STOP");
    wait_for_line(&handover, "makes no progress with the failover of redis-0: it is called off");
    wait_for("a write while it stands still", UP, || (bed.text("redis-0", &["SET", "key", "value"]) == "OK").then_some(()));
    bed.server("sentinel-0").signal("CONT");
    let ended = wait_for_end(&mut handover);
    assert_eq!(ended, Some(0), "{}", handover.log());
    // It may stand still before it has told whether it does the middle part itself: then nothing was held up yet.
    assert_held_up_shortly(writes, Duration::ZERO, &handover);
    let promoted = bed.wait_for_failover("redis-0", FAILED_OVER);
    assert_eq!(bed.text(promoted, &["GET", "key"]), "value");
}

#[test]
fn a_redis_that_stands_still_for_a_moment_is_asked_again() {
    let mut bed = ready();
    bed.server("redis-0").signal("STOP");
    let mut handover = start_handover(&bed);
    wait_for_line(&handover, "redis-0 waits to hand over: its own Redis: timed out");
    bed.server("redis-0").signal("CONT");
    assert_eq!(wait_for_end(&mut handover), Some(0), "{}", handover.log());
    bed.wait_for_failover("redis-0", FAILED_OVER);
}

#[test]
fn a_replica_that_does_not_take_over_holds_up_no_writes_and_is_tried_again() {
    if is_coordinated() {
        return eprintln!("the replica is not asked by Sentinel, but by its master");
    }
    let bed = ready();
    for replica in ["redis-1", "redis-2"] {
        bed.ask(replica, &["ACL", "SETUSER", "default", "-replicaof", "-slaveof"]).unwrap();
    }
    let writes = watch_writes(&bed);
    let mut handover = start_handover(&bed);
    wait_for_line(&handover, "makes no progress with the failover of redis-0: it is called off");
    wait_for("a write", UP, || (bed.text("redis-0", &["SET", "key", "value"]) == "OK").then_some(()));
    for replica in ["redis-1", "redis-2"] {
        bed.ask(replica, &["ACL", "SETUSER", "default", "+replicaof", "+slaveof"]).unwrap();
    }
    assert_eq!(wait_for_end(&mut handover), Some(0), "{}", handover.log());
    assert_held_up_shortly(writes, AWAITED, &handover);
    let promoted = bed.wait_for_failover("redis-0", FAILED_OVER);
    assert_eq!(bed.text(promoted, &["GET", "key"]), "value");
}

#[test]
fn sigterm_in_the_midst_of_a_handover_undoes_what_was_begun() {
    let bed = asked_in_vain();
    let mut handover = start_handover(&bed);
    wait_for("sentinel-0 taking the request", UP, || is_failing_over(&bed).then_some(()));
    handover.signal("TERM");
    let ended = wait_for("the handover's end", Duration::from_secs(5), || handover.ended()).code();
    let log = handover.log();
    assert_eq!(ended, Some(1), "{log}");
    assert!(log.contains("stopped by SIGTERM: redis-0 is still the master, and writes go on here\n"), "{log}");
    assert_eq!(bed.text("redis-0", &["SET", "key", "value"]), "OK");
    assert_eq!(bed.labels()[0].as_deref(), Some("master"));
    for replica in ["redis-1", "redis-2"] {
        assert!(bed.text(replica, &["INFO", "replication"]).contains("slave_priority:100"), "{replica} keeps its priority");
    }
    assert!(!is_failing_over(&bed), "nothing of it is left");
}

#[test]
fn where_a_handover_is_killed_writes_go_on_by_themselves_and_reconcile_gives_back_what_it_took() {
    let bed = asked_in_vain();
    let mut handover = start_handover(&bed);
    wait_for("sentinel-0 taking the request", UP, || is_failing_over(&bed).then_some(()));
    handover.kill();
    wait_for("a write", UP, || (bed.text("redis-0", &["SET", "key", "value"]) == "OK").then_some(()));
    bed.wait_for_promotable(UP);
    bed.wait_for_labels("redis-0", UP);
}
