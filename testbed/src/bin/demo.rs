//! The main job before one's eyes: a group comes up, a client writes, the master is killed, and
//! mastership, record and labels move.

use std::process::ExitCode;
use std::time::{Duration, Instant};

use testbed::client::missing;
use testbed::control_plane::assets;
use testbed::group::{Bed, REDIS};
use testbed::{repository, server_binary, wait_for};

const UP: Duration = Duration::from_secs(60);

fn main() -> ExitCode {
    let ordain = repository().join("bin/ordain");
    let on_kubernetes = assets().is_some();
    println!("server    {}", server_binary().display());
    if on_kubernetes {
        println!("labels    in a real kube-apiserver, started for this demo");
    } else {
        println!(
            "labels    would be set as printed below; for a real kube-apiserver run `make control-plane` (about 5 minutes) and this again"
        );
    }

    let started = Instant::now();
    let bed = if on_kubernetes { Bed::on_kubernetes(&ordain) } else { Bed::without_kubernetes(&ordain) };
    let mut bed = bed.with_quick_failover();
    println!("{}  three Redis and three Sentinels start, each from a file that ordain wrote", since(started));
    bed.start_all();
    bed.wait_for_master("redis-0", UP);
    println!("{}  redis-0 is the master, redis-1 and redis-2 follow it", since(started));
    bed.wait_for_sentinels(UP);
    bed.wait_for_electable(UP);
    println!("{}  every Sentinel knows both replicas and both other Sentinels", since(started));
    if on_kubernetes {
        bed.wait_for_labels("redis-0", UP);
        show_labels(&bed, started);
    }

    let writer = bed.writer();
    // Something to lose.
    wait_for("the first writes", UP, || (writer.acknowledged() > 100).then_some(()));
    println!("{}  a client has written {} keys", since(started), writer.acknowledged());

    let killed = Instant::now();
    bed.kill("redis-0");
    println!("{}  redis-0 is killed (kill -9); down-after is 2 s", since(started));
    let promoted = bed.wait_for_failover("redis-0", UP);
    println!("{}  {promoted} is the master, and every Sentinel says so: {} after the kill", since(started), ms(killed.elapsed()));
    if on_kubernetes {
        bed.wait_for_labels(promoted, UP);
        println!("{}  record and labels have followed: {} after the kill", since(started), ms(killed.elapsed()));
        show_labels(&bed, started);
    } else {
        for pod in REDIS {
            println!("{}    would be labelled: {pod} role={}", since(started), if pod == promoted { "master" } else { "slave" });
        }
    }
    let before = writer.acknowledged();
    wait_for("writes to the new master", UP, || (writer.acknowledged() > before + 100).then_some(()));

    bed.start("redis-0");
    bed.wait_for_master(promoted, UP);
    println!("{}  redis-0 is back, and follows {promoted}", since(started));
    let report = writer.stop();
    let lost = bed.connect(promoted).and_then(|mut connection| missing(&mut connection, &report));
    let Ok(lost) = lost else {
        eprintln!("error: {promoted} does not answer at the end");
        return ExitCode::FAILURE;
    };
    println!();
    println!("writes acknowledged          {}", report.acknowledged.len());
    println!("of these lost                {}", lost.len());
    println!("longest gap between writes   {}", ms(report.longest_gap));
    println!(
        "A write counts as acknowledged here when a replica has it, too (WAIT 1): what only a dead master had, no failover can save."
    );
    if lost.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn since(start: Instant) -> String {
    format!("{:6.2} s", start.elapsed().as_secs_f64())
}

fn ms(duration: Duration) -> String {
    format!("{} ms", duration.as_millis())
}

fn show_labels(bed: &Bed, started: Instant) {
    let labels = bed.labels();
    let shown: Vec<_> =
        REDIS.iter().zip(&labels).map(|(pod, label)| format!("{pod} role={}", label.as_deref().unwrap_or("-"))).collect();
    println!("{}    {}", since(started), shown.join("   "));
}
