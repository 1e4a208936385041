//! A master that stops hands its part over before, and no write that was acknowledged is lost.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use redis::Value;
use testbed::client::{Writer, ask, connect};
use testbed::control_plane::Namespace;
use testbed::dns::{Answer, Fault};
use testbed::group::{Bed, REDIS, Run};
use testbed::label_watch::LabelWatch;
use testbed::wait_for;

use crate::{FAILED_OVER, UP, assert_nothing_is_lost, ordain, started, started_without_hooks};

/// A client of the master Service: it writes to whichever pod carries the label.
fn writer_by_label(bed: &Bed) -> Writer {
    let namespace = bed.namespace.as_ref().unwrap();
    let namespace = Namespace { plane: namespace.plane, name: namespace.name.clone() };
    let pods = REDIS.map(|pod| (pod, bed.ip(pod)));
    Writer::start_plainly(Box::new(move || {
        let master = |pod: &&(&str, IpAddr)| namespace.label(pod.0, "role").as_deref() == Some("master");
        pods.iter().find(master).map(|(_, ip)| *ip)
    }))
}

/// A write that was acknowledged: when, by whom, and its key.
type Acknowledged = (Instant, &'static str, String);

/// Clients that know of no label and no Sentinel: each writes to one pod whenever that lets it.
struct Stubborn {
    stop: Arc<AtomicBool>,
    threads: Vec<JoinHandle<Vec<Acknowledged>>>,
}

impl Stubborn {
    fn start(bed: &Bed) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let start = |pod: &&'static str| {
            let (pod, ip, stop) = (*pod, bed.ip(pod), stop.clone());
            std::thread::spawn(move || {
                let mut acknowledged = Vec::new();
                let mut connection = None;
                for number in 0.. {
                    if stop.load(Ordering::Relaxed) {
                        break;
                    }
                    let key = format!("{pod}-{number}");
                    connection = connection.or_else(|| connect(ip, 6379, None).ok());
                    match connection.as_mut().map(|connection| ask(connection, &["SET", &key, "x"])) {
                        Some(Ok(_)) => acknowledged.push((Instant::now(), pod, key)),
                        // A replica refuses it: the connection is as good as before.
                        Some(Err(error)) if error.code() == Some("READONLY") => {}
                        _ => connection = None,
                    }
                    // A client's pace; nothing waits for it.
                    std::thread::sleep(Duration::from_millis(5));
                }
                acknowledged
            })
        };
        let threads = REDIS.iter().map(start).collect();
        Self { stop, threads }
    }

    /// Every write that was acknowledged, in that order.
    fn stop(self) -> Vec<Acknowledged> {
        self.stop.store(true, Ordering::Relaxed);
        let mut all: Vec<_> = self.threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect();
        all.sort();
        all
    }
}

/// Waits until every pod has all that was acknowledged. It may have more: a client that Sentinel ends (`CLIENT KILL
/// TYPE normal`) does not hear of the write that it has just had.
fn wait_for_all_everywhere(bed: &Bed, written: &[Acknowledged]) {
    for pod in REDIS {
        wait_for(&format!("every acknowledged write in {pod}"), UP, || {
            let mut connection = bed.connect(pod).ok()?;
            let missing = written.iter().find(|(_, _, key)| ask(&mut connection, &["EXISTS", key]) != Ok(Value::Int(1)));
            missing.is_none().then_some(())
        });
    }
}

/// What the kubelet does to a pod that stops: its preStop, then SIGTERM.
fn stop(bed: &mut Bed, pod: &str) -> Run {
    let run = bed.exec(pod, "/lifecycle/preStop");
    bed.server(pod).signal("TERM");
    wait_for(&format!("{pod} ending"), UP, || bed.server(pod).ended());
    bed.kill(pod);
    run
}

/// What a StatefulSet does before it goes on to the next pod.
fn wait_until_ready(bed: &Bed, pod: &str) {
    wait_for(&format!("{pod} being ready"), UP, || (bed.exec(pod, "/readinessProbe").code == Some(0)).then_some(()));
}

#[test]
fn a_rolling_update_under_writing_clients_loses_no_acknowledged_write() {
    let mut bed = started(Bed::on_kubernetes(ordain()));
    let labels = LabelWatch::start(bed.namespace.as_ref().unwrap());
    let (writer, stubborn) = (writer_by_label(&bed), Stubborn::start(&bed));
    let mut told = BTreeMap::new();
    for round in 1..=2 {
        for pod in ["redis-2", "redis-1", "redis-0"] {
            let was_master = bed.role(pod) == "master";
            let began = Instant::now();
            let run = stop(&mut bed, pod);
            assert_eq!(run.code, Some(0), "{run:?}");
            let end = if was_master { "has handed over: " } else { "has nothing to hand over: it is a replica of " };
            assert!(run.stderr.contains(end), "{run:?}");
            if was_master {
                told.insert((round, pod), (began.elapsed(), run.stderr));
            }
            bed.start(pod);
            wait_until_ready(&bed, pod);
        }
    }
    let before = writer.acknowledged();
    wait_for("writes to the last master", UP, || (writer.acknowledged() > before + 100).then_some(()));
    let (report, direct) = (writer.stop(), stubborn.stop());
    assert!(told.len() >= 2, "a master was replaced twice: {told:#?}");

    // One after the other: who was written to once is written to again only after another was master.
    let mut masters: Vec<_> = direct.iter().map(|(_, pod, _)| *pod).collect();
    masters.dedup();
    let mut labelled = labels.history_up_to(masters.last().expect("a master"));
    // A handover that comes to nothing puts the label on again.
    labelled.dedup();
    assert_eq!(masters, labelled, "no two masters take writes in turn");
    wait_for_all_everywhere(&bed, &direct);
    assert_nothing_is_lost(&bed, &report);
    eprintln!(
        "handover: the longest gap {:.2?} of {} writes, {} stubborn ones, {told:#?}",
        report.longest_gap,
        report.acknowledged.len(),
        direct.len()
    );
}

#[test]
fn a_master_that_has_handed_over_and_goes_on_running_follows_at_once_and_takes_no_write() {
    let bed = started(Bed::on_kubernetes(ordain()));
    wait_for_sentinels_to_know_promotable(&bed);
    let stubborn = Stubborn::start(&bed);
    wait_for("something to lose", UP, || (bed.keys("redis-0")? > 100).then_some(()));
    let run = bed.ordain("redis-0", &["handover"]);
    assert_eq!(run.code, Some(0), "{run:?}");
    assert_eq!(bed.labels()[0].as_deref(), Some("slave"), "it carries no label only while it hands over");
    let promoted = bed.wait_for_failover("redis-0", UP);
    assert_eq!(bed.role("redis-0"), format!("replica of {}", bed.announced(promoted)), "long before Sentinel demotes it");
    assert!(bed.sandbox("redis-0").read("etc/redis/redis.conf").contains(&format!("\nreplicaof {} ", bed.announced(promoted))));
    let keys = bed.keys(promoted).unwrap();
    wait_for("writes to the new master", UP, || (bed.keys(promoted)? > keys + 100).then_some(()));
    let written = stubborn.stop();
    let mut masters: Vec<_> = written.iter().map(|(_, pod, _)| *pod).collect();
    masters.dedup();
    assert_eq!(masters, ["redis-0", promoted]);
    bed.wait_for_master(promoted, UP);
    wait_for_all_everywhere(&bed, &written);
}

#[test]
fn whoever_is_no_master_has_nothing_to_hand_over() {
    let mut bed = started(Bed::on_kubernetes(ordain()));
    let replica = bed.ordain("redis-1", &["handover"]);
    assert_eq!(replica.code, Some(0), "{replica:?}");
    let master = bed.announced_endpoint("redis-0");
    assert!(replica.stderr.contains(&format!("redis-1 has nothing to hand over: it is a replica of {master}")), "{replica:?}");
    bed.kill("redis-2");
    let gone = bed.ordain("redis-2", &["handover"]);
    assert!(gone.code == Some(0) && gone.stderr.contains("redis-2 has nothing to hand over: no Redis runs here"), "{gone:?}");
    assert_eq!(bed.role("redis-0"), "master");
}

#[test]
fn without_kubernetes_and_by_addresses_it_knows_whose_each_is_before_it_begins() {
    let mut bed = Bed::without_kubernetes(ordain()).with_env("ORDAIN_ANNOUNCE", "ip");
    bed.start_all();
    bed.wait_for_master("redis-0", UP);
    bed.wait_for_sentinels(UP);
    bed.wait_for_promotable(UP);
    wait_for_sentinels_to_know_promotable(&bed);
    // The replicas answer at once, and their names are found a moment later than all that settles who leads.
    for pod in ["redis-1", "redis-2"] {
        bed.dns.zone.delay(&bed.host_name(pod), Duration::from_millis(100));
    }
    let would = bed.ordain("redis-0", &["handover", "--dry-run"]);
    assert!(would.code == Some(0) && would.stderr.contains("would have the Sentinel"), "{would:?}");
    // Of one that is not found it is said so.
    bed.dns.zone.set(&bed.host_name("redis-2"), Answer { fault: Some(Fault::ServFail), ..Answer::default() });
    let would = bed.ordain("redis-0", &["handover", "--dry-run"]);
    let why = "may be redis-2, whose address is not known: unreachable: DNS answered Server Failure";
    assert!(would.code == Some(1) && would.stderr.contains(why), "{would:?}");
    bed.dns.zone.address(&bed.host_name("redis-2"), bed.ip("redis-2"));
    let run = bed.ordain("redis-0", &["handover"]);
    assert_eq!(run.code, Some(0), "{run:?}");
    bed.wait_for_failover("redis-0", UP);
}

#[test]
fn while_no_replica_may_be_promoted_a_master_keeps_its_part_and_its_writes() {
    let mut bed = Bed::on_kubernetes(ordain()).without_reconcile();
    bed.start_all();
    bed.wait_for_master("redis-0", UP);
    bed.wait_for_sentinels(UP);
    bed.wait_for_labels("redis-0", UP);
    let run = bed.ordain("redis-0", &["handover", "--deadline", "6s"]);
    assert_eq!(run.code, Some(1), "{run:?}");
    let told = "redis-0 is still the master, and writes go on here: the Sentinel knows no replica that it may promote";
    assert!(run.stderr.contains(told), "{run:?}");
    assert_eq!(bed.text("redis-0", &["SET", "key", "value"]), "OK");
    assert!(!run.stderr.contains("go on after"), "writes were held back: {run:?}");
}

#[test]
fn a_replica_that_may_be_promoted_and_does_not_catch_up_is_waited_for_while_writes_go_on() {
    let mut bed = started(Bed::on_kubernetes(ordain()).with_env("ORDAIN_DOWN_AFTER", "20s"));
    wait_for_sentinels_to_know_promotable(&bed);
    bed.server("redis-1").signal("STOP");
    let run = bed.ordain("redis-0", &["handover", "--deadline", "7s"]);
    bed.server("redis-1").signal("CONT");
    assert_eq!(run.code, Some(1), "{run:?}");
    assert!(run.stderr.contains("redis-1 may be promoted, and has no link to this master"), "{run:?}");
    assert!(!run.stderr.contains("go on after"), "writes were held back: {run:?}");
    assert_eq!(bed.role("redis-0"), "master");
}

/// Sentinel has no way to redis-1, as for a while to a pod that has just started anew: it answers everyone but
/// Sentinel's question whether it lives.
fn unheard_of_by_sentinel() -> Bed {
    let bed = started(Bed::on_kubernetes(ordain()));
    wait_for_sentinels_to_know_promotable(&bed);
    bed.ask("redis-1", &["ACL", "SETUSER", "default", "-ping"]).unwrap();
    wait_for("sentinel-0 finding redis-1 down", FAILED_OVER, || {
        bed.text("sentinel-0", &["SENTINEL", "REPLICAS", "redis"]).contains("s_down").then_some(())
    });
    bed
}

#[test]
fn a_replica_that_sentinel_could_not_tell_of_the_new_master_is_waited_for() {
    let bed = unheard_of_by_sentinel();
    let sandbox = bed.sandbox("redis-0");
    let mut handover = sandbox.start(&sandbox.containers()[0], &["/opt/ordain/ordain", "handover"]);
    bed.wait_for_log("redis-0", "has no way to redis-1 yet", "", UP);
    assert_eq!((handover.ended(), bed.text("redis-0", &["SET", "key", "value"]).as_str()), (None, "OK"));
    bed.ask("redis-1", &["ACL", "SETUSER", "default", "+ping"]).unwrap();
    let ended = wait_for("the handover's end", UP, || handover.ended());
    assert_eq!(ended.code(), Some(0), "{}", handover.log());
    let promoted = bed.wait_for_failover("redis-0", FAILED_OVER);
    bed.wait_for_master(promoted, UP);
}

#[test]
fn so_it_is_for_a_while_only() {
    let bed = unheard_of_by_sentinel();
    let run = bed.ordain("redis-0", &["handover", "--deadline", "12s"]);
    assert_eq!(run.code, Some(0), "{run:?}");
    assert!(run.stderr.contains("has no way to redis-1 yet"), "{run:?}");
    assert_eq!(bed.wait_for_failover("redis-0", FAILED_OVER), "redis-2");
}

#[test]
fn where_the_hook_is_lost_the_handover_moves_the_record_and_the_labels() {
    let bed = started_without_hooks(Bed::on_kubernetes(ordain()));
    let run = bed.ordain("redis-0", &["handover"]);
    assert_eq!(run.code, Some(0), "{run:?}");
    let promoted = REDIS.into_iter().find(|pod| bed.role(pod) == "master").unwrap();
    assert_ne!(promoted, "redis-0");
    bed.wait_for_labels(promoted, UP);
    assert_eq!(bed.namespace.as_ref().unwrap().holder("redis").as_deref(), Some(promoted));
}

#[test]
fn when_the_sentinel_that_was_asked_dies_before_it_promotes_anyone_writes_go_on_and_no_other_is_asked() {
    let mut bed = started(Bed::on_kubernetes(ordain()));
    wait_for_sentinels_to_know_promotable(&bed);
    bed.ask("sentinel-0", &["SENTINEL", "SIMULATE-FAILURE", "crash-after-election"]).unwrap();
    let labels = LabelWatch::start(bed.namespace.as_ref().unwrap());
    let writer = bed.plain_writer();
    let run = bed.ordain("redis-0", &["handover"]);
    assert_eq!(run.code, Some(1), "{run:?}");
    assert_eq!(bed.labels()[0].as_deref(), Some("master"), "it takes its label off, and puts it on again");
    wait_for("its label going and coming", UP, || (labels.history() == ["redis-0", "redis-0"]).then_some(()));
    let asked = bed.host_name("sentinel-0");
    let told = format!("the Sentinel {asked}:26379 that was asked for a failover is gone, and no other is asked");
    assert!(run.stderr.contains(&told) && run.stderr.contains("and writes go on here"), "{run:?}");
    assert_eq!(bed.text("redis-0", &["SET", "key", "value"]), "OK");
    bed.start("sentinel-0");
    bed.wait_for_sentinels(UP);
    bed.wait_for_master("redis-0", UP);
    assert!(REDIS.iter().all(|pod| !bed.was_promoted(pod)), "nobody was promoted");
    assert_nothing_is_lost(&bed, &writer.stop());
}

#[test]
fn when_the_sentinel_that_was_asked_dies_before_it_can_tell_whom_it_promoted_its_return_is_waited_for() {
    let mut bed = started(Bed::on_kubernetes(ordain()));
    wait_for_sentinels_to_know_promotable(&bed);
    bed.ask("sentinel-0", &["SENTINEL", "SIMULATE-FAILURE", "crash-after-promotion"]).unwrap();
    let writer = writer_by_label(&bed);
    let sandbox = bed.sandbox("redis-0");
    let mut handover = sandbox.start(&sandbox.containers()[0], &["/opt/ordain/ordain", "handover"]);
    wait_for("sentinel-0 ending", UP, || bed.server("sentinel-0").ended());
    bed.start("sentinel-0");
    let ended = wait_for("the handover's end", UP, || handover.ended());
    assert_eq!(ended.code(), Some(0), "{}", handover.log());
    let promoted = bed.wait_for_failover("redis-0", UP);
    bed.wait_for_labels(promoted, UP);
    bed.wait_for_master(promoted, UP);
    assert_nothing_is_lost(&bed, &writer.stop());
}

/// A Sentinel hears of a priority within ten seconds.
fn wait_for_sentinels_to_know_promotable(bed: &Bed) {
    wait_for("the Sentinels knowing whom they may promote", FAILED_OVER, || {
        let known = bed.text("sentinel-0", &["SENTINEL", "REPLICAS", "redis"]);
        (known.matches("slave-priority\n100").count() == 2).then_some(())
    });
}
