//! States in a few short lines, for whoever reads the way to a violation.

use std::fmt;

use super::state::{Label, Labelled, Lease, List, Listed, Patches, Run, Stamp, State, Step};
use crate::state::{PODS, Pod, pods};

fn stamp(stamp: Option<Stamp>) -> String {
    stamp.map_or("no stamp".into(), |Stamp { uid, transitions }| format!("{uid}/{transitions}"))
}

fn lease(lease: Option<Lease>) -> String {
    lease.map_or("none".into(), |Lease { stamp: by, claim }| {
        format!("redis-{} epoch {} {}", claim.master, claim.epoch, stamp(Some(by)))
    })
}

fn label(label: Label) -> &'static str {
    match label {
        Label::None => "no label",
        Label::Master => "master",
        Label::Replica => "replica",
    }
}

fn each<T>(of: [Option<T>; PODS], tell: impl Fn(Pod, T) -> String) -> String {
    let told: Vec<_> = pods().zip(of).filter_map(|(pod, one)| Some(tell(pod, one?))).collect();
    told.join(", ")
}

fn list(list: List) -> String {
    let changed = |is_current| if is_current { "" } else { ", changed since" };
    each(list, |pod, Listed { label: carried, stamp: by, is_current }| {
        format!("redis-{pod} {} {}{}", label(carried), stamp(by), changed(is_current))
    })
}

fn patches(left: Patches) -> String {
    each(left, |pod, due| format!("redis-{pod}{}", if due.is_current { "" } else { " changed since" }))
}

fn step(step: Step) -> String {
    match step {
        Step::Looking { record, early } => {
            let record = record.map_or("not read".into(), |read| {
                format!("{}{}", lease(read.lease), if read.is_current { "" } else { ", changed since" })
            });
            format!("looks: record {record}; early list: {}", early.map_or("none".into(), list))
        }
        Step::Checking { list: listed } => format!("reads the record again; {}", list(listed)),
        Step::Listing { known } => format!("lists; knew {}", lease(known)),
        Step::Rereading { known, list: listed } => format!("rereads; knew {}; {}", lease(known), list(listed)),
        Step::Patching { lease: by, left } => format!("patches by {}: {}", lease(Some(by)), patches(left)),
        Step::Done => "done".into(),
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (pod, now) in pods().zip(self.pods) {
            let tell = |Labelled { label: carried, stamp: by, is_by_hand }| {
                format!("{} {}{}", label(carried), stamp(by), if is_by_hand { " by hand" } else { "" })
            };
            writeln!(f, "   redis-{pod} {}", now.map_or("gone".into(), tell))?;
        }
        writeln!(f, "   record {}", lease(self.record))?;
        self.runs.iter().enumerate().try_for_each(|(number, Run { claim, is_hook, step: at })| {
            let kind = if *is_hook { "hook" } else { "reconcile" };
            let told = claim.map_or("nobody".into(), |claim| format!("redis-{} epoch {}", claim.master, claim.epoch));
            writeln!(f, "   run {number}, {kind} of {told}: {}", step(*at))
        })
    }
}
