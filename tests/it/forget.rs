//! A group that is removed is forgotten, and only then.

use std::io::Write;
use std::process::Stdio;

use testbed::group::{Bed, REDIS, Run, SENTINELS};

use crate::{UP, ordain, started};

/// Whoever runs `forget` may delete Leases; the pods' own accounts may not.
pub fn allow_deleting(bed: &Bed) {
    let namespace = bed.namespace.as_ref().unwrap();
    let name = namespace.name.as_str();
    let plane = namespace.plane;
    plane.kubectl(&["create", "role", "forget", "--verb=delete", "--resource=leases", "-n", name], "").unwrap();
    let account = format!("--serviceaccount={name}:sentinel");
    plane.kubectl(&["create", "rolebinding", "forget", "--role=forget", &account, "-n", name], "").unwrap();
}

/// A group whose pods are gone, and which all remember.
fn gone() -> Bed {
    let mut bed = started(Bed::on_kubernetes(ordain()));
    for pod in REDIS {
        bed.delete(pod);
    }
    bed
}

fn is_remembered(bed: &Bed) -> (bool, usize) {
    let watching = SENTINELS.iter().filter(|sentinel| bed.sentinel_field(sentinel, "name").is_some()).count();
    (bed.namespace.as_ref().unwrap().record("redis").is_some(), watching)
}

#[test]
fn a_group_that_is_gone_is_forgotten_by_every_sentinel_and_by_the_record() {
    let mut bed = gone();
    allow_deleting(&bed);
    let dry = bed.ordain("sentinel-0", &["forget", "redis", "--dry-run"]);
    assert!(dry.code == Some(0) && dry.stdout.contains("3 Sentinels that watch the group"), "{dry:?}");
    assert_eq!(is_remembered(&bed), (true, 3));

    let run = bed.ordain("sentinel-0", &["forget", "redis", "--yes"]);
    assert_eq!((run.code, run.stdout.as_str()), (Some(0), "forgot redis\n"), "{run:?}");
    assert_eq!(is_remembered(&bed), (false, 0));
    let again = bed.ordain("sentinel-0", &["forget", "redis", "--yes"]);
    assert!(
        again.code == Some(0) && again.stderr.contains("`redis` has no record, and no Sentinel watches `redis`"),
        "{again:?}"
    );
    for words in [&["forget", "redis", "--dry-run"][..], &["forget", "redis", "--yes"]] {
        let fewer = bed.ordain("sentinel-0", &[words, &["--sentinel-count", "4"]].concat());
        assert!(fewer.code == Some(1) && fewer.stderr.contains("only 3 of 4 Sentinels were found"), "{fewer:?}");
        assert!(!fewer.stderr.contains("has no record"), "{fewer:?}");
    }
    // Nor does a Sentinel remember that starts again.
    bed.kill("sentinel-1");
    assert!(!bed.sandbox("sentinel-1").read("etc/redis/sentinel.conf").contains("sentinel monitor redis"));
}

#[test]
fn a_group_that_still_runs_is_not_forgotten() {
    let mut bed = started(Bed::on_kubernetes(ordain()));
    allow_deleting(&bed);
    bed.delete("redis-1");
    let run = bed.ordain("sentinel-0", &["forget", "redis", "--yes"]);
    let told = "error: `redis` is not gone: redis-0, redis-2 may still run. Delete the StatefulSet first, or add --force\n";
    assert_eq!((run.code, run.stderr.as_str()), (Some(1), told));
    assert_eq!(is_remembered(&bed), (true, 3));
}

#[test]
fn while_a_sentinel_does_not_answer_the_record_stays() {
    let mut bed = gone();
    allow_deleting(&bed);
    bed.kill("sentinel-2");
    let run = bed.ordain("sentinel-0", &["forget", "redis", "--yes"]);
    assert_eq!(run.code, Some(1), "{run:?}");
    let told = format!("the Sentinel {}:26379: connection refused", bed.host_name("sentinel-2"));
    assert!(run.stderr.contains("the record of `redis` is kept") && run.stderr.contains(&told), "{run:?}");
    assert_eq!(is_remembered(&bed), (true, 0));
    let before = bed.log("sentinel-2");
    bed.start("sentinel-2");
    bed.wait_for_log("sentinel-2", "+monitor master redis", &before, UP);
    let again = bed.ordain("sentinel-0", &["forget", "redis", "--yes"]);
    assert_eq!(again.code, Some(0), "{again:?}");
    assert_eq!(is_remembered(&bed), (false, 0));
}

#[test]
fn who_may_not_delete_the_record_is_told_what_is_left() {
    let bed = gone();
    let run = bed.ordain("sentinel-0", &["forget", "redis", "--yes"]);
    assert_eq!(run.code, Some(2), "{run:?}");
    let told = "the Sentinels have forgotten `redis`, but the record is left: delete the Lease, or run forget with an account that may delete Leases";
    assert!(run.stderr.contains(told) && run.stderr.contains("the Role must allow `delete leases`"), "{run:?}");
    assert_eq!(is_remembered(&bed), (true, 0));
}

#[test]
fn on_a_terminal_it_asks_and_takes_nothing_but_the_groups_name_for_a_yes() {
    let bed = gone();
    allow_deleting(&bed);
    let answer = |text: &str| {
        let sandbox = bed.sandbox("sentinel-0");
        // A terminal of its own.
        let words = ["/usr/bin/script", "-qec", "/opt/ordain/ordain forget redis", "/dev/null"];
        let mut command = sandbox.command_of(&words);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        child.stdin.as_mut().unwrap().write_all(text.as_bytes()).unwrap();
        Run::of(&child.wait_with_output().unwrap())
    };
    let no = answer("yes\n");
    assert!(no.code == Some(1) && no.stdout.contains("`redis` is not forgotten: nothing was changed"), "{no:?}");
    assert!(no.stdout.contains("Type the group's name to forget the group: "), "{no:?}");
    assert_eq!(is_remembered(&bed), (true, 3));
    let yes = answer("redis\n");
    assert!(yes.code == Some(0) && yes.stdout.contains("forgot redis"), "{yes:?}");
    assert_eq!(is_remembered(&bed), (false, 0));
}

#[test]
fn without_a_terminal_and_without_a_yes_nothing_is_asked_or_done() {
    let bed = gone();
    let run = bed.ordain("sentinel-0", &["forget", "redis"]);
    let told = "error: no terminal to ask for confirmation: add --yes to forget the group\n";
    assert_eq!((run.code, run.stderr.as_str()), (Some(2), told));
    assert_eq!(is_remembered(&bed), (true, 3));
}
