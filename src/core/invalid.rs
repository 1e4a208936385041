//! What cannot be in what was heard, in words: it is said, counts for nothing, and is never waited for.

use super::disk::{Disk, Moment};
use super::epoch::{self, Shown};
use super::evidence::{Evidence, RecordSeen};
use super::identity::Endpoint;
use super::pod::Pod;

/// What comes of most of the times that cannot be.
const NEVER: &str = "is not waited for";

/// What cannot be in the evidence, and in the pods that it was read from: one line each, with what is to be done.
pub fn findings(evidence: &Evidence, pods: &[Pod]) -> Vec<String> {
    let mut found = epochs(evidence);
    found.extend(transitions(evidence));
    found.extend(times(evidence, pods));
    found
}

fn epochs(evidence: &Evidence) -> Vec<String> {
    let mut found = Vec::new();
    let is_claim = |at| evidence.claims().any(|(one, _)| one == at);
    for (at, watch) in evidence.watches().filter(|(at, _)| !is_claim(*at)) {
        found.push(format!(
            "Sentinel {at} names {} at epoch {}, which cannot be and is no claim: Sentinels spread such an epoch, so stop every Sentinel that names the epoch and start them together, for `genconf-sentinel` writes a true epoch; where only this Sentinel names the epoch, `SENTINEL REMOVE` the group there",
            watch.master,
            Shown(watch.config_epoch)
        ));
    }
    if let (Some(kept), None) = (&evidence.kept, evidence.kept_claim()) {
        let epoch = Shown(kept.config_epoch);
        found
            .push(format!("this Sentinel's own earlier file has epoch {epoch}, which cannot be: the epoch is not written again"));
    }
    if let Some(record) = evidence.recorded().filter(|record| !epoch::can_be(record.claim.epoch, [])) {
        found.push(format!(
            "the record names {} at epoch {}, which cannot be: its claim counts as the oldest, and reconcile or the next pod that starts writes a true epoch",
            record.claim.master,
            Shown(record.claim.epoch)
        ));
    }
    found
}

/// A Sentinel's current epoch that cannot be, beside config-epochs that may be true.
pub fn current_epoch(at: &Endpoint, epoch: u64) -> String {
    format!(
        "Sentinel {at} has the current epoch {}, which cannot be: at such an epoch Sentinels may elect nobody, and then a master that dies has no successor. Sentinels spread such an epoch, so stop all Sentinels and start them together, for `genconf-sentinel` writes a true epoch",
        Shown(epoch)
    )
}

fn transitions(evidence: &Evidence) -> Option<String> {
    let RecordSeen::Present(record) = &evidence.record else { return None };
    record.is_at_its_end().then(|| {
        format!(
            "the record's leaseTransitions are at {}, the most that a Lease can count: no other master can be recorded. Delete the Lease while {} lives as master, and the Lease is made again",
            record.transitions, record.claim.master
        )
    })
}

fn times(evidence: &Evidence, pods: &[Pod]) -> Vec<String> {
    let mut found = Vec::new();
    let mut check = |what: String, at: Moment, counts: &str| {
        if !evidence.now.can_have_seen(at) {
            found.push(format!(
                "{what} is of {at}, more than a minute ahead of this clock, and {counts}: check the nodes' clocks"
            ));
        }
    };
    if let Some(start_marker) = evidence.recorded().and_then(|record| record.start_marker.as_ref()) {
        check(format!("the start marker of {} in the record", start_marker.by.pod), start_marker.at, NEVER);
    }
    for pod in pods {
        let name = &pod.name;
        if let Some(report) = &pod.report {
            check(format!("the disk report of {name}"), report.at, NEVER);
            if let Disk::Written(at) = report.disk {
                check(format!("the data of {name}"), at, "counts as written now");
            }
        }
        if let Some(since) = pod.trying_since {
            check(format!("`ordain.dev/trying-since` of {name}"), since, NEVER);
        }
        if let Some(since) = pod.hands_over_since {
            check(format!("`ordain.dev/hands-over` of {name}"), since, NEVER);
        }
        for (other, at) in pod.heard.each() {
            check(format!("when {name} heard of {other}"), at, NEVER);
        }
    }
    found
}
