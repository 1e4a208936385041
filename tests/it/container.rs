//! How a container runs ordain: before the server in the same process, or in one of its own.

use testbed::group::{Bed, REDIS, Run};
use testbed::process::Process;
use testbed::wait_for;

use crate::{FAILED_OVER, UP, ordain, started};

fn program(process: &Process) -> String {
    let link = std::fs::read_link(format!("/proc/{}/exe", process.id())).unwrap();
    link.file_name().unwrap().to_string_lossy().into_owned()
}

#[test]
fn a_container_that_restarts_decides_anew_becomes_its_server_and_gets_its_signals() {
    let mut bed = started(Bed::on_kubernetes(ordain()).with_quick_failover());
    assert_eq!(program(bed.server("redis-0")), "redis-server");
    assert!(!bed.sandbox("redis-0").read("etc/redis/redis.conf").contains("\nreplicaof "));
    bed.kill("redis-0");
    let promoted = bed.wait_for_failover("redis-0", FAILED_OVER);

    // The container alone starts again: its redis.conf still says that it leads.
    bed.start("redis-0");
    let id = bed.server("redis-0").id();
    bed.wait_for_master(promoted, UP);
    assert_eq!((bed.server("redis-0").id(), program(bed.server("redis-0")).as_str()), (id, "redis-server"));
    assert!(bed.sandbox("redis-0").read("etc/redis/redis.conf").contains(&format!("\nreplicaof {} ", bed.announced(promoted))));

    // It does not end in the middle of that.
    wait_for("its append-only file", UP, || {
        bed.text("redis-0", &["INFO", "persistence"]).contains("aof_rewrite_in_progress:0").then_some(())
    });
    bed.server("redis-0").signal("TERM");
    let status = wait_for("the end", UP, || bed.server("redis-0").ended());
    assert_eq!(status.code(), Some(0));
    assert!(bed.log("redis-0").contains("Received SIGTERM scheduling shutdown"));
}

#[test]
fn as_an_init_container_of_its_own_it_writes_what_the_server_then_starts_from() {
    let mut bed = Bed::on_kubernetes(ordain());
    for pod in REDIS {
        bed.make(pod);
    }
    // Each waits for what the others have to tell, and its server starts as soon as it has written.
    let start = |pod| {
        let sandbox = bed.sandbox(pod);
        let run = Run::of(&sandbox.run(&["/opt/ordain/ordain", "genconf-redis"]));
        assert_eq!(run.code, Some(0), "{run:?}");
        sandbox.start(&sandbox.containers()[0], &["redis-server", "/etc/redis/redis.conf"])
    };
    let servers = std::thread::scope(|scope| REDIS.map(|pod| scope.spawn(move || start(pod))).map(|run| run.join().unwrap()));
    for pod in REDIS {
        let wanted = if pod == "redis-0" { "master".to_owned() } else { format!("replica of {}", bed.announced("redis-0")) };
        wait_for(&format!("{pod} as {wanted}"), UP, || (bed.role(pod) == wanted).then_some(()));
    }
    bed.put_keys("redis-0", "key", 10);
    for pod in REDIS {
        bed.wait_for_keys(pod, 10, UP);
    }
    drop(servers);
}
