//! `reconcile --assume-master POD`: where disks are in conflict, a person decides.

use std::io::Write;
use std::process::Stdio;
use std::time::Duration;

use testbed::group::{Bed, REDIS, Run, SENTINELS};
use testbed::wait_for;

use crate::{UP, ordain, started};

/// A group that was up, and is away: redis-0, the holder, has 10 keys, redis-1 newer ones and 50.
fn in_conflict() -> Bed {
    let mut bed = Bed::on_kubernetes(ordain()).with_quick_failover().without_reconcile();
    bed.start_all();
    bed.wait_for_master("redis-0", UP);
    bed.wait_for_labels("redis-0", UP);
    bed.put_keys("redis-0", "early", 10);
    bed.wait_for_keys_everywhere(10, UP);
    bed.cut_power(&[REDIS, SENTINELS].concat());
    bed.lose_all_memory();
    bed.age_volume("redis-0", Duration::from_secs(3600));
    bed.age_volume("redis-2", Duration::from_secs(3600));
    bed.lose_volume("redis-1");
    bed.put_snapshot("redis-1", 50, Duration::ZERO);
    bed
}

fn assume(bed: &Bed, pod: &str) -> testbed::group::Run {
    bed.ordain("sentinel-0", &["reconcile", "--assume-master", pod, "--yes"])
}

#[test]
fn a_persons_choice_leads_though_another_disk_is_newer_and_the_others_copy_it() {
    let mut bed = in_conflict();
    bed.start_each(&REDIS);
    bed.wait_for_log("redis-0", "redis-0 waits: its data (last written ", "", UP);
    let chosen = assume(&bed, "redis-0");
    assert_eq!((chosen.code, chosen.stdout.as_str()), (Some(0), "record redis: redis-0 at epoch 1, by a person's word\n"));
    bed.wait_for_master("redis-0", UP);
    bed.wait_for_keys_everywhere(10, UP);
    bed.wait_for_labels("redis-0", UP);
}

#[test]
fn the_word_holds_for_one_start_only() {
    let mut bed = in_conflict();
    bed.start_each(&["redis-0", "redis-2"]);
    bed.wait_for_log("redis-0", "redis-1 has not reported", "", UP);
    assert_eq!(assume(&bed, "redis-0").code, Some(0));
    wait_for("redis-0 leading", UP, || (bed.role("redis-0") == "master").then_some(()));
    bed.cut_power(&["redis-0", "redis-2"]);
    let before = bed.log("redis-0");
    bed.start_each(&REDIS);
    bed.wait_for_log("redis-0", "redis-0 waits: its data (last written ", &before, UP);
}

#[test]
fn without_a_record_a_persons_choice_leads_though_a_pod_never_tells_what_it_holds() {
    let mut bed = in_conflict();
    bed.namespace.as_ref().unwrap().delete_record("redis");
    let id = bed.sandbox("redis-0").read("data/ordain-group-id");
    bed.start_each(&["redis-0", "redis-1"]);
    bed.wait_for_log("redis-0", "a person decides: `ordain reconcile --assume-master POD`", "", UP);
    let chosen = assume(&bed, "redis-1");
    assert_eq!(chosen.code, Some(0), "{chosen:?}");
    bed.wait_for_master("redis-1", UP);
    bed.wait_for_keys("redis-0", 50, UP);
    assert_eq!(bed.namespace.as_ref().unwrap().noted("redis", "group-id").as_deref(), Some(id.trim()), "the pods' own");
}

#[test]
fn a_person_is_refused_while_another_lives_as_the_only_master() {
    let bed = started(Bed::on_kubernetes(ordain()));
    let refused = assume(&bed, "redis-1");
    assert_eq!(refused.code, Some(2), "{refused:?}");
    assert!(refused.stderr.contains("redis-0 lives as master: have Sentinel fail over, or stop it first"), "{refused:?}");
    let stranger = assume(&bed, "redis-9");
    assert!(stranger.code == Some(2) && stranger.stderr.contains("`redis-9` is no pod of this group"), "{stranger:?}");
    assert_eq!(bed.namespace.as_ref().unwrap().holder("redis").as_deref(), Some("redis-0"));
}

#[test]
fn what_would_be_lost_is_shown_and_asked_about_and_nothing_but_the_pods_name_is_a_yes() {
    let mut bed = in_conflict();
    bed.start_each(&["redis-0", "redis-1"]);
    bed.wait_for_log("redis-0", "redis-0 waits: its data (last written ", "", UP);
    // Until it answers, nobody knows whether its report still holds.
    wait_for("redis-1 behind redis-0", UP, || bed.role("redis-1").starts_with("replica of ").then_some(()));
    let is_shown = |text: &str| {
        assert!(text.contains("redis-0 is to be the master: its data was last written"), "{text}");
        let newer = text.lines().find(|line| line.contains("redis-1: its data was last written")).unwrap();
        assert!(newer.contains("later than that of redis-0: what was written in between is lost"), "{text}");
        assert!(newer.contains(", 1h ") || newer.contains(", 59m "), "{text}");
        assert!(text.contains("redis-2: what it holds is not known"), "{text}");
    };
    let epoch = |bed: &Bed| bed.namespace.as_ref().unwrap().noted("redis", "config-epoch");
    let before = epoch(&bed);
    let dry = bed.ordain("sentinel-0", &["reconcile", "--assume-master", "redis-0", "--dry-run"]);
    assert_eq!((dry.code, dry.stdout.as_str()), (Some(0), "record redis: redis-0 at epoch 1, by a person's word\n"), "{dry:?}");
    is_shown(&dry.stderr);
    let silent = bed.ordain("sentinel-0", &["reconcile", "--assume-master", "redis-0"]);
    is_shown(&silent.stderr);
    let told = "error: no terminal to ask for confirmation: add --yes to make redis-0 the master\n";
    assert!(silent.code == Some(2) && silent.stderr.ends_with(told) && silent.stdout.is_empty(), "{silent:?}");
    let no = on_a_terminal(&bed, "yes\n");
    is_shown(&no.stdout);
    assert!(no.code == Some(1) && no.stdout.contains("redis-0 is not made the master: nothing was changed"), "{no:?}");
    assert_eq!(epoch(&bed), before, "nobody has said yes");

    let yes = on_a_terminal(&bed, "redis-0\n");
    assert!(yes.code == Some(0) && yes.stdout.contains("record redis: redis-0 at epoch 1, by a person's word"), "{yes:?}");
    wait_for("redis-0 leading", UP, || (bed.role("redis-0") == "master").then_some(()));
}

/// Makes redis-0 the master on a terminal of its own, on which this is typed.
fn on_a_terminal(bed: &Bed, typed: &str) -> Run {
    let words = ["/usr/bin/script", "-qec", "/opt/ordain/ordain reconcile --assume-master redis-0", "/dev/null"];
    let mut command = bed.sandbox("sentinel-0").command_of(&words);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    child.stdin.as_mut().unwrap().write_all(typed.as_bytes()).unwrap();
    Run::of(&child.wait_with_output().unwrap())
}
