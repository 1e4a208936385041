//! A group of release 0.1 whose pods are updated one by one, and back.
//!
//! What release 0.1 leaves is made by hand: a data directory with the group's id and without `.ordain`, append-only
//! files without time stamps, and a snapshot that is newer than they are.

use std::time::Duration;

use testbed::group::{Bed, REDIS, SENTINELS};
use testbed::{server_binary, wait_for};

use crate::{UP, ordain, started};

/// Writes 25 keys of a name to the master.
fn write(bed: &Bed, name: &str) {
    let master = REDIS.into_iter().find(|pod| bed.role(pod) == "master").unwrap();
    bed.put_keys(master, name, 25);
}

/// Waits until what each pod has is on its disk: a replica writes its files anew after it has copied all of a master.
pub fn wait_until_on_disk(bed: &Bed) {
    for pod in REDIS {
        wait_for(&format!("all of {pod} on its disk"), UP, || {
            let info = bed.text(pod, &["INFO", "persistence"]);
            let says = |words: &&str| info.lines().any(|line| line == *words);
            ["loading:0", "aof_enabled:1", "aof_rewrite_in_progress:0", "aof_rewrite_scheduled:0"].iter().all(says).then_some(())
        });
    }
}

/// What a pod's volume holds when release 0.1 has run there.
fn leave_as_0_1_does(bed: &Bed, pod: &str) {
    let data = bed.sandbox(pod).path("data");
    std::fs::remove_file(data.join(".ordain")).unwrap();
    assert!(data.join("ordain-group-id").exists());
    let files = std::process::Command::new("grep").args(["-rl", "--text", "^#TS:"]).arg(&data).output().unwrap();
    assert!(files.stdout.is_empty(), "time stamps in {}", String::from_utf8_lossy(&files.stdout));
    let newest = |name: &str| {
        let found = std::process::Command::new("find").arg(&data).args(["-name", name, "-printf", "%T@\n"]).output().unwrap();
        let found = String::from_utf8(found.stdout).unwrap();
        found.lines().map(|line| line.parse::<f64>().unwrap()).fold(0.0, f64::max)
    };
    assert!(newest("dump.rdb") >= newest("*.aof"), "the snapshot is the newest file");
}

#[test]
fn a_group_of_0_1_loads_all_that_it_had_while_its_pods_are_updated_one_by_one_and_back() {
    let mut bed = started(Bed::on_kubernetes(ordain()));
    for pod in REDIS {
        // Servers before 7.0 know no such stamps.
        let _ = bed.ask(pod, &["CONFIG", "SET", "aof-timestamp-enabled", "no"]);
    }
    write(&bed, "early");
    bed.wait_for_keys_everywhere(25, UP);
    for pod in REDIS {
        bed.ask(pod, &["SAVE"]).unwrap();
    }
    // One after the other, and the master last.
    for (pod, count) in [("redis-2", 50), ("redis-1", 75), ("redis-0", 100)] {
        if pod == "redis-0" {
            bed.wait_for_promotable(UP);
            let run = bed.exec(pod, "/lifecycle/preStop");
            assert!(run.stderr.contains("has handed over: "), "{run:?}");
        }
        bed.kill(pod);
        if count == 50 {
            leave_as_0_1_does(&bed, pod);
        } else {
            let _ = std::fs::remove_file(bed.sandbox(pod).path("data/.ordain"));
        }
        write(&bed, pod);
        let before = bed.log(pod);
        bed.start(pod);
        bed.wait_for_log(pod, "DB loaded from ", &before, UP);
        bed.wait_for_keys(pod, count, UP);
        bed.wait_for_keys_everywhere(count, UP);
    }
    // All at once, with nothing but what is on the disks.
    wait_until_on_disk(&bed);
    bed.cut_power(&[REDIS, SENTINELS].concat());
    for pod in REDIS {
        let _ = std::fs::remove_file(bed.sandbox(pod).path("data/.ordain"));
    }
    bed.lose_all_memory();
    bed.start_each(&[REDIS, SENTINELS].concat());
    bed.wait_for_keys_everywhere(100, Duration::from_secs(60));

    // And back: release 0.1 starts a server with `appendonly yes` and without stamps.
    wait_until_on_disk(&bed);
    bed.cut_power(&[REDIS, SENTINELS].concat());
    for pod in REDIS {
        let data = bed.sandbox(pod).path("data");
        let _server = bed.stranger(&data, &["--appendonly", "yes", "--save", ""]);
        let keys = || testbed::client::ask(&mut testbed::client::connect(bed.strange_ip(), 6379, None).ok()?, &["DBSIZE"]).ok();
        wait_for(&format!("all keys from the files of {pod} in {}", server_binary().display()), UP, || {
            (keys()? == redis::Value::Int(100)).then_some(())
        });
    }
}
