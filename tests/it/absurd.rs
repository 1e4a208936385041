//! Numbers and clocks that cannot be, and what others write: said, and no obstacle.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime};

use kube::api::{Patch, PatchParams};
use serde_json::{Value, json};
use testbed::group::{Bed, REDIS, SENTINELS};
use testbed::requests::set_back;
use testbed::{runtime, wait_for};

use crate::{FAILED_OVER, UP, fail_over_unheard, ordain, started, started_without_hooks};

/// What Sentinel passes to its hook; they are hints only.
const HOOK: [&str; 8] = ["on-failover", "redis", "leader", "start", "redis-0", "6379", "redis-1", "6379"];

/// Has the Sentinels hear, as from sentinel-1, that redis-0 leads since an epoch; they tell each other.
fn forge(bed: &Bed, epoch: &str, shown: &str) {
    let (id, host) = (bed.text("sentinel-1", &["SENTINEL", "MYID"]), bed.announced("sentinel-1"));
    let hello = format!("{host},26379,{id},{epoch},redis,{},6379,{epoch}", bed.announced("redis-0"));
    bed.ask("redis-0", &["PUBLISH", "__sentinel__:hello", &hello]).unwrap();
    for sentinel in SENTINELS {
        wait_for(&format!("{sentinel} at epoch {shown}"), UP, || {
            (bed.sentinel_field(sentinel, "config-epoch").as_deref() == Some(shown)).then_some(())
        });
    }
}

fn edit_pod(bed: &Bed, pod: &str, metadata: &Value) {
    let change = Patch::Merge(json!({ "metadata": metadata }));
    runtime().block_on(bed.namespace.as_ref().unwrap().pods().patch(pod, &PatchParams::default(), &change)).unwrap();
}

fn transitions(bed: &Bed) -> i32 {
    bed.namespace.as_ref().unwrap().record("redis").unwrap().spec.unwrap().lease_transitions.unwrap()
}

/// What the reconciles beside the Sentinels have said.
fn told_by_reconcile(bed: &Bed) -> String {
    SENTINELS.map(|sentinel| bed.sandbox(sentinel).log_of("reconcile")).concat()
}

#[test]
fn a_failover_at_an_epoch_beyond_all_that_can_be_reaches_record_and_labels_at_a_true_one() {
    let mut bed = started(Bed::on_kubernetes(ordain()).with_quick_failover());
    let forged = (1_u64 << 60).to_string();
    forge(&bed, &forged, &forged);
    bed.kill("redis-0");
    let promoted = bed.wait_for_failover("redis-0", FAILED_OVER);
    bed.wait_for_labels(promoted, UP);
    let namespace = bed.namespace.as_ref().unwrap();
    assert_eq!(namespace.noted("redis", "config-epoch").as_deref(), Some("1"));
    bed.start("redis-0");
    bed.wait_for_master(promoted, UP);
    wait_for("a warning", UP, || {
        let told = told_by_reconcile(&bed);
        (told.contains(":26379 names ") && told.contains(&format!("{}, which cannot be", (1_u64 << 60) + 1))).then_some(())
    });
    // The next hook has nothing to say against the record.
    let hook = bed.ordain("sentinel-0", &HOOK);
    assert!(hook.code == Some(0) && hook.stderr.contains(r#"record="unchanged""#), "{hook:?}");
}

#[test]
fn a_current_epoch_that_cannot_be_is_warned_of_stops_no_label_and_is_gone_once_all_sentinels_have_started_together() {
    let mut bed = started(Bed::on_kubernetes(ordain()).with_quick_failover());
    let (id, host) = (bed.text("sentinel-1", &["SENTINEL", "MYID"]), bed.announced("sentinel-1"));
    let hello = format!("{host},26379,{id},{},redis,{},6379,0", u64::MAX, bed.announced("redis-0"));
    bed.ask("redis-0", &["PUBLISH", "__sentinel__:hello", &hello]).unwrap();
    wait_for("a warning of each Sentinel", UP, || {
        let told = told_by_reconcile(&bed);
        let is_told_of = |sentinel: &str| {
            let at = bed.announced(sentinel);
            told.lines().any(|line| line.contains(&at) && line.contains("has the current epoch -1, which cannot be"))
        };
        SENTINELS.iter().all(|sentinel| is_told_of(sentinel)).then_some(())
    });
    assert!(SENTINELS.iter().all(|sentinel| bed.sentinel_field(sentinel, "config-epoch").as_deref() == Some("0")));
    edit_pod(&bed, "redis-1", &json!({"labels": {"role": "nobody"}}));
    bed.wait_for_labels("redis-0", UP);
    bed.kill("redis-2");
    bed.start("redis-2");
    bed.wait_for_master("redis-0", UP);

    // As is said there.
    for sentinel in SENTINELS {
        bed.kill(sentinel);
    }
    for sentinel in SENTINELS {
        bed.start(sentinel);
    }
    bed.wait_for_sentinels(UP);
    bed.wait_for_promotable(UP);
    bed.let_sentinels_be_quick();
    bed.kill("redis-0");
    let promoted = bed.wait_for_failover("redis-0", FAILED_OVER);
    bed.wait_for_labels(promoted, UP);
}

#[test]
fn a_sentinel_that_prints_a_negative_epoch_is_named_with_what_to_do_and_its_file_is_not_written_on() {
    // A Sentinel that finds a slow server down begins an epoch of its own.
    let mut bed = started(Bed::on_kubernetes(ordain()).with_patient_sentinels());
    forge(&bed, &u64::MAX.to_string(), "-1");
    bed.kill("redis-2");
    let run = bed.ordain("redis-2", &["genconf-redis", "--dry-run", "--explain"]);
    assert_eq!(run.code, Some(0), "{run:?}");
    // A majority that agrees is enough: the third may not have been waited for.
    let says_so = |sentinel: &str| {
        let (at, names) = (bed.host_name(sentinel), bed.announced_endpoint("redis-0"));
        run.stderr.contains(&format!("invalid: Sentinel {at}:26379 names {names} at epoch -1, which cannot be"))
    };
    assert!(
        SENTINELS.iter().filter(|sentinel| says_so(sentinel)).count() >= 2 && run.stderr.contains("`SENTINEL REMOVE`"),
        "{}",
        run.stderr
    );
    bed.start("redis-2");
    bed.wait_for_master("redis-0", UP);
    bed.namespace.as_ref().unwrap().forget("redis-1");
    bed.wait_for_labels("redis-0", UP);

    // As is said there: all together, for they tell each other.
    for sentinel in SENTINELS {
        bed.ask(sentinel, &["SENTINEL", "FLUSHCONFIG"]).unwrap();
        bed.kill(sentinel);
    }
    assert!(bed.sandbox("sentinel-0").read("etc/redis/sentinel.conf").contains(&format!("epoch redis {}", u64::MAX)));
    for sentinel in SENTINELS {
        bed.start(sentinel);
    }
    bed.wait_for_sentinels(UP);
    for sentinel in SENTINELS {
        assert!(bed.log(sentinel).contains("the current-epoch -1 of the earlier file is impossible: 0 is written instead"));
        assert_eq!(bed.sentinel_field(sentinel, "config-epoch").as_deref(), Some("0"), "{sentinel}");
        let current = bed.sandbox(sentinel).read("etc/redis/sentinel.conf");
        assert!(current.contains("sentinel current-epoch 0\n"), "{current}");
    }
}

#[test]
fn a_record_with_an_epoch_that_cannot_be_is_mended_and_a_failover_moves_it() {
    let mut bed = started(Bed::on_kubernetes(ordain()).with_quick_failover());
    for forged in ["18446744073709551615", "-1", "99999999999999999999999999"] {
        let notes = json!({"metadata": {"annotations": {"ordain.dev/config-epoch": forged}}});
        bed.namespace.as_ref().unwrap().edit_record("redis", &notes);
        let epoch = || bed.namespace.as_ref().unwrap().noted("redis", "config-epoch");
        wait_for(&format!("a true epoch instead of {forged}"), UP, || (epoch().as_deref() == Some("0")).then_some(()));
    }
    assert!(told_by_reconcile(&bed).contains("the record names redis-0 at epoch -1, which cannot be"));
    let notes = json!({"metadata": {"annotations": {"ordain.dev/config-epoch": "18446744073709551615"}}});
    bed.stop_reconciling();
    bed.namespace.as_ref().unwrap().edit_record("redis", &notes);
    bed.kill("redis-0");
    let promoted = bed.wait_for_failover("redis-0", FAILED_OVER);
    bed.wait_for_labels(promoted, UP);
    assert_eq!(bed.namespace.as_ref().unwrap().noted("redis", "config-epoch").as_deref(), Some("1"));
}

#[test]
fn a_lease_that_counts_no_further_is_said_so_and_made_anew_once_it_is_deleted() {
    let mut bed = started_without_hooks(Bed::on_kubernetes(ordain()).with_quick_failover());
    let end = json!({"spec": {"leaseTransitions": i32::MAX}});
    bed.namespace.as_ref().unwrap().edit_record("redis", &end);
    let promoted = fail_over_unheard(&mut bed);
    let labels = bed.labels();
    let hook = bed.ordain("sentinel-0", &[&["on-failover", "--deadline", "5s"], &HOOK[1..]].concat());
    assert!(hook.code == Some(1) && hook.stderr.contains("counts no further than 2147483647: delete the Lease"), "{hook:?}");
    assert_eq!((transitions(&bed), bed.labels()), (i32::MAX, labels), "nothing wraps, and no label changes");
    bed.namespace.as_ref().unwrap().delete_record("redis");
    let hook = bed.ordain("sentinel-0", &HOOK);
    assert_eq!(hook.code, Some(0), "{hook:?}");
    bed.wait_for_labels(promoted, Duration::ZERO);
    assert_eq!(transitions(&bed), 0);
}

#[test]
fn stamps_that_no_run_has_written_are_written_over_with_a_warning() {
    let bed = started(Bed::on_kubernetes(ordain()));
    let uid = bed.namespace.as_ref().unwrap().record("redis").unwrap().metadata.uid.unwrap();
    let right = format!("{uid}/{}", transitions(&bed));
    for forged in [format!("{uid}/9223372036854775807"), format!("{uid}/18446744073709551616"), "\u{1b}[31mgarbage".to_owned()] {
        for pod in REDIS {
            edit_pod(&bed, pod, &json!({"labels": {"role": "nobody"}, "annotations": {"ordain.dev/transition": forged}}));
        }
        bed.wait_for_labels("redis-0", UP);
        for pod in REDIS {
            let stamp = || bed.namespace.as_ref().unwrap().told(pod, "transition");
            wait_for(&format!("the stamp of {pod}"), UP, || (stamp().as_deref() == Some(&right)).then_some(()));
        }
    }
    let told = told_by_reconcile(&bed);
    assert!(
        told.contains(&format!(
            "ordain.dev/transition={uid}/9223372036854775807, which no state of the record has had (the record is at 0)"
        )),
        "{told}"
    );
    assert!(told.contains("ordain.dev/transition=\\u{1b}[31mgarbage") && !told.contains("\u{1b}[31mgarbage"), "{told}");
}

#[test]
fn times_of_the_future_are_said_and_not_waited_for() {
    let mut bed = started(Bed::on_kubernetes(ordain()));
    let future = humantime::format_rfc3339_millis(SystemTime::now() + Duration::from_secs(3600)).to_string();
    bed.stop_reconciling();
    bed.namespace.as_ref().unwrap().edit_record("redis", &json!({"metadata": {"annotations": {"ordain.dev/marked-at": future}}}));
    let word = format!(r#"{{"run":"x","disk":{{"written":"{future}"}},"at":"{future}","started":true}}"#);
    let notes = json!({"ordain.dev/disk": word, "ordain.dev/trying-since": future, "ordain.dev/hands-over": future,
        "ordain.dev/heard": format!(r#"{{"redis-0":"{future}"}}"#)});
    edit_pod(&bed, "redis-1", &json!({ "annotations": notes }));
    bed.kill("redis-2");
    let run = bed.ordain("redis-2", &["genconf-redis", "--dry-run", "--explain"]);
    assert_eq!(run.code, Some(0), "{run:?}");
    for what in [
        "the start marker of redis-0 in the record",
        "the disk report of redis-1",
        "the data of redis-1",
        "`ordain.dev/trying-since` of redis-1",
        "`ordain.dev/hands-over` of redis-1",
        "when redis-1 heard of redis-0",
    ] {
        let line = format!("invalid: {what} is of {future}, more than a minute ahead of this clock");
        assert!(run.stderr.contains(&line), "{line} in {}", run.stderr);
    }
    // A mark that is no young one: a Sentinel that starts waits for nobody.
    bed.kill("sentinel-0");
    bed.start("sentinel-0");
    bed.wait_for_sentinels(UP);
}

#[test]
fn a_lease_keeps_what_others_have_written_into_it() {
    let mut bed = started(Bed::on_kubernetes(ordain()).with_quick_failover());
    let owner =
        json!([{"apiVersion": "v1", "kind": "ConfigMap", "name": "owner", "uid": "5a1c5ce3-0000-4000-8000-000000000000"}]);
    let theirs = json!({
        "metadata": {
            "annotations": {"example.com/note": "kept", "ordain.dev/of-a-newer-version": "kept"},
            "labels": {"example.com/team": "data"},
            "finalizers": ["example.com/stays"],
            "ownerReferences": owner,
        },
        "spec": {"leaseDurationSeconds": 77, "renewTime": "2026-01-01T00:00:00.000000Z"},
    });
    bed.namespace.as_ref().unwrap().edit_record("redis", &theirs);
    bed.kill("redis-0");
    let promoted = bed.wait_for_failover("redis-0", FAILED_OVER);
    bed.wait_for_labels(promoted, UP);
    bed.start("redis-0");
    bed.wait_for_master(promoted, UP);
    let lease = serde_json::to_value(bed.namespace.as_ref().unwrap().record("redis").unwrap()).unwrap();
    assert_eq!((&lease["spec"]["holderIdentity"], &lease["spec"]["leaseTransitions"]), (&json!(promoted), &json!(1)));
    let is_kept = |path: &str| assert_eq!(lease.pointer(path), theirs.pointer(path), "{path} in {lease}");
    for path in ["finalizers", "ownerReferences", "labels/example.com~1team", "annotations/example.com~1note"] {
        is_kept(&format!("/metadata/{path}"));
    }
    is_kept("/metadata/annotations/ordain.dev~1of-a-newer-version");
    is_kept("/spec/leaseDurationSeconds");
    is_kept("/spec/renewTime");
    assert_eq!(lease["metadata"]["labels"]["app.kubernetes.io/managed-by"], "ordain");
    // A finalizer of nobody would outlive this story.
    bed.namespace.as_ref().unwrap().edit_record("redis", &json!({"metadata": {"finalizers": null}}));
}

/// Has the API server refuse to change the stamp of a pod, or not any more.
fn refuse(bed: &Bed, pod: &str, refuses: bool) {
    let namespace = bed.namespace.as_ref().unwrap();
    let name = format!("no-stamp-{}-{pod}", namespace.name);
    let stamp = |of: &str| format!("{of}.metadata.?annotations[?'ordain.dev/transition'].orValue('')");
    let policy = json!({"apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingAdmissionPolicy", "metadata": {"name": name}, "spec": {
        "matchConstraints": {"resourceRules": [{"apiGroups": [""], "apiVersions": ["v1"], "operations": ["UPDATE"], "resources": ["pods"]}]},
        "matchConditions": [{"name": "it", "expression": format!("object.metadata.namespace == '{}' && object.metadata.name == '{pod}'", namespace.name)}],
        "validations": [{"expression": format!("{} == {}", stamp("object"), stamp("oldObject")), "message": "this label stays as it is"}],
    }});
    let binding = json!({"apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingAdmissionPolicyBinding", "metadata": {"name": name},
        "spec": {"policyName": name, "validationActions": ["Deny"]}});
    let list = json!({"apiVersion": "v1", "kind": "List", "items": [policy, binding]}).to_string();
    let verb: &[&str] = if refuses { &["apply", "-f", "-"] } else { &["delete", "-f", "-"] };
    namespace.plane.kubectl(verb, &list).unwrap();
    let probe = format!("ordain.dev/transition=probe-{}", if refuses { "refused" } else { "taken" });
    let words = ["annotate", "pod", pod, &probe, "--overwrite", "--dry-run=server", "-n", &namespace.name];
    wait_for("the policy", UP, || (namespace.plane.kubectl(&words, "").is_err() == refuses).then_some(()));
}

#[test]
fn a_label_that_is_refused_for_one_pod_keeps_no_other_from_being_set_but_for_a_second_master() {
    let mut bed = started_without_hooks(Bed::on_kubernetes(ordain()).with_quick_failover());
    let promoted = fail_over_unheard(&mut bed);
    let third = *REDIS.iter().find(|pod| **pod != promoted && **pod != "redis-0").unwrap();

    // While the old master keeps its label no other gets it.
    refuse(&bed, "redis-0", true);
    let hook = bed.ordain("sentinel-0", &HOOK);
    assert_eq!(hook.code, Some(2), "{hook:?}");
    let masters = bed.labels().iter().filter(|label| label.as_deref() == Some("master")).count();
    assert_eq!((masters, bed.namespace.as_ref().unwrap().label("redis-0", "role").as_deref()), (1, Some("master")));
    assert!(hook.stderr.contains("redis-0 is not labelled: ") && hook.stderr.contains("this label stays as it is"), "{hook:?}");
    assert!(
        hook.stderr.contains(&format!(r#"labels="{third}=slave""#)) || hook.stderr.contains(&format!("labels={third}=slave")),
        "{hook:?}"
    );
    refuse(&bed, "redis-0", false);

    set_back(&bed, promoted);
    refuse(&bed, third, true);
    let hook = bed.ordain("sentinel-0", &HOOK);
    assert_eq!(hook.code, Some(2), "{hook:?}");
    bed.wait_for_labels(promoted, Duration::ZERO);
    assert!(hook.stderr.contains(&format!("{third} is not labelled: ")) && !hook.stderr.contains("redis-0 is not"), "{hook:?}");
    refuse(&bed, third, false);
    let hook = bed.ordain("sentinel-0", &HOOK);
    assert_eq!(hook.code, Some(0), "{hook:?}");
    bed.wait_for_labels(promoted, Duration::ZERO);
}

#[test]
fn a_time_that_no_calendar_has_stops_no_group() {
    let mut bed = started(Bed::on_kubernetes(ordain()).with_quick_failover());
    let namespace = bed.namespace.as_ref().unwrap();
    namespace.make_junk("junk");
    // The API server gives these out as of the years 10000 and -1, which nobody can read.
    for (lease, at) in [("junk", "9999-12-31T23:59:59.000000-01:00"), ("redis", "0000-01-01T00:00:00.000000+23:59")] {
        namespace.patch_as_it_is(&format!("lease/{lease}"), &json!({"spec": {"renewTime": at, "acquireTime": at}}));
    }
    bed.kill("redis-0");
    let promoted = bed.wait_for_failover("redis-0", FAILED_OVER);
    bed.wait_for_labels(promoted, UP);
    let namespace = bed.namespace.as_ref().unwrap();
    assert_eq!(namespace.holder("redis").as_deref(), Some(promoted), "and what could not be read is not there any more");
    bed.start("redis-0");
    bed.wait_for_master(promoted, UP);
    bed.namespace.as_ref().unwrap().forget(promoted);
    bed.wait_for_labels(promoted, UP);
    let pass = bed.ordain("sentinel-0", &["reconcile"]);
    assert!(
        pass.code == Some(0) && pass.stderr.contains("Leases with ordain's label that are not records are ignored: junk"),
        "{pass:?}"
    );
}

#[test]
fn a_mark_of_no_time_is_said_and_not_waited_for() {
    let mut bed = started(Bed::on_kubernetes(ordain()));
    let namespace = bed.namespace.as_ref().unwrap();
    for at in [json!("1969-12-31T23:59:59.000Z"), json!("10000-01-01T00:00:00Z"), json!("+01:00"), Value::Null] {
        namespace.edit_record("redis", &json!({"metadata": {"annotations": {"ordain.dev/marked-at": at}}}));
        let would = bed.ordain("redis-1", &["genconf-redis", "--dry-run"]);
        assert!(would.code == Some(0) && would.stderr.contains("more than a minute ahead of this clock"), "{at}: {would:?}");
    }
    bed.kill("redis-1");
    bed.start("redis-1");
    bed.wait_for_master("redis-0", UP);
}

#[test]
fn a_run_that_starts_over_after_a_conflict_tells_of_all_that_it_did() {
    let mut bed = started_without_hooks(Bed::on_kubernetes(ordain()).with_quick_failover());
    let promoted = fail_over_unheard(&mut bed);
    let third = *REDIS.iter().find(|pod| **pod != promoted && **pod != "redis-0").unwrap();
    for round in 0..4 {
        set_back(&bed, promoted);
        let is_over = AtomicBool::new(false);
        // Somebody changes the third pod again and again, until the old master has been labelled.
        let hook = std::thread::scope(|scope| {
            scope.spawn(|| {
                for edit in 0.. {
                    edit_pod(&bed, third, &json!({"annotations": {"example.com/edit": format!("{round}/{edit}")}}));
                    let label = bed.namespace.as_ref().unwrap().label("redis-0", "role");
                    if is_over.load(Ordering::Relaxed) || label.as_deref() == Some("slave") {
                        break;
                    }
                }
            });
            let hook = bed.ordain("sentinel-0", &HOOK);
            is_over.store(true, Ordering::Relaxed);
            hook
        });
        assert_eq!(hook.code, Some(0), "{hook:?}");
        let labels = hook.stderr.split(" labels=").nth(1).and_then(|rest| rest.split(" verified_ms").next()).unwrap_or_default();
        for label in ["redis-0=slave".to_owned(), format!("{third}=slave"), format!("{promoted}=master")] {
            assert_eq!(labels.matches(&label).count(), 1, "{label} in {labels}: {hook:?}");
        }
        bed.wait_for_labels(promoted, Duration::ZERO);
    }
}
