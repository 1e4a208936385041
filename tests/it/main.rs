//! ordain on real parts: real servers in sandboxes, a real API server, real DNS.

mod absurd;
mod acl_users;
mod addresses;
mod api_faults;
mod budgets;
mod chaos;
mod container;
mod cut_short;
mod data_directory;
mod disputes;
mod first_boot;
mod forget;
mod forgetful;
mod given_up;
mod handover;
mod image;
mod labels;
mod large_objects;
mod late_hook;
mod lossless;
mod main_job;
mod manifests;
mod members;
mod metrics;
mod passes;
mod persons_word;
mod power_cut;
mod priorities;
mod probe;
mod promotion;
mod readme;
mod reconciling;
mod register;
mod rights;
mod seen;
mod sentinels;
mod signals;
mod stalls;
mod static_replication;
mod storm;
mod takeover;
mod taking_over;
mod tls;
mod two_sets;
mod updated;
mod yielding;

use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::time::Duration;

use testbed::client::{Report, missing};
use testbed::group::Bed;
use testbed::wait_for;

/// The program under test: what `ORDAIN` names, such as the release build, else what cargo built.
fn ordain() -> &'static Path {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    PROGRAM.get_or_init(|| {
        let named = std::env::var_os("ORDAIN").unwrap_or_else(|| env!("CARGO_BIN_EXE_ordain").into());
        std::path::absolute(named).expect("an absolute path")
    })
}

/// How long a group may take to come up, on a busy machine with two cores.
const UP: Duration = Duration::from_secs(30);
/// How long a failover may take there: down-after is 2 s.
const FAILED_OVER: Duration = Duration::from_secs(30);
/// How long it may take where somebody must be given up first: the grace is 6 s there.
const GIVEN_UP: Duration = Duration::from_secs(60);

/// A group that is up, labelled, and known to every Sentinel, each replica fit to be promoted.
fn started(mut bed: Bed) -> Bed {
    bed.start_all();
    bed.wait_for_master("redis-0", UP);
    bed.wait_for_sentinels(UP);
    bed.wait_for_promotable(UP);
    if bed.namespace.is_some() {
        bed.wait_for_labels("redis-0", UP);
    }
    bed
}

/// A group whose record will lag: no hook does anything, and nothing reconciles.
fn started_without_hooks(bed: Bed) -> Bed {
    let mut bed = bed.without_reconcile();
    bed.start_all();
    bed.wait_for_master("redis-0", UP);
    bed.wait_for_sentinels(UP);
    bed.wait_for_labels("redis-0", UP);
    bed.lose_hooks();
    bed.allow_election();
    bed
}

/// Kills the master, and returns who took over; redis-0 is still what the record says.
fn fail_over_unheard(bed: &mut Bed) -> &'static str {
    bed.kill("redis-0");
    let promoted = bed.wait_for_failover("redis-0", FAILED_OVER);
    assert_eq!(bed.namespace.as_ref().unwrap().holder("redis").as_deref(), Some("redis-0"));
    promoted
}

/// Lets a client write until the others have stopped listening and the master alone has a hundred more
/// keys; then the power goes.
fn cut_power_while_writing(bed: &mut Bed, master: &str) -> Report {
    let writer = bed.plain_writer();
    wait_for("some writes", UP, || (writer.acknowledged() > 100).then_some(()));
    let pods = bed.pods();
    for replica in pods.iter().filter(|pod| pod.starts_with("redis") && **pod != master) {
        bed.server(replica).signal("STOP");
    }
    let before = writer.acknowledged();
    wait_for(&format!("writes that {master} alone has"), UP, || (writer.acknowledged() > before + 100).then_some(()));
    bed.cut_power(&pods);
    writer.stop()
}

/// Waits until no pod lacks a write that a client counts on.
fn assert_nothing_is_lost(bed: &Bed, report: &Report) {
    assert!(!report.acknowledged.is_empty(), "there was nothing to lose");
    for pod in bed.layout.redis.iter().filter(|pod| bed.is_started(pod)) {
        let mut lost = Vec::new();
        let found = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            wait_for(&format!("every write in {pod}"), UP, || {
                lost = missing(&mut bed.connect(pod).ok()?, report).ok()?;
                lost.is_empty().then_some(())
            });
        }));
        assert!(found.is_ok(), "{pod} lacks {} of {} writes, {lost:?}", lost.len(), report.acknowledged.len());
    }
}
