//! The steps of a hook, and of a reconcile: move the record, list, read the record again, patch.

use super::plan;
use super::setting::Protocol;
use super::state::{Due, Labelled, Lease, List, Patches, Read, Run, State, Step};
use crate::state::{Pod, pods};

/// A run that has not done anything yet.
pub const BEGINNING: Step = Step::Looking { record: None, early: None };

/// Whether its next step is one of its own, and no patch.
pub fn may_go_on(run: &Run) -> bool {
    !matches!(run.step, Step::Done) && patchable(Protocol::WHOLE, run).next().is_none()
}

/// Whether it may list the pods early now.
pub fn may_list_early(run: &Run) -> bool {
    matches!(run.step, Step::Looking { early: None, .. } if run.is_hook)
}

/// The pods that it may patch next: the master when all others have been.
pub fn patchable(protocol: Protocol, run: &Run) -> impl Iterator<Item = Pod> {
    let (left, master, master_last) = match run.step {
        Step::Patching { left, lease } => (left, lease.claim.master, protocol.master_last),
        _ => ([None; 3], 0, true),
    };
    let is_due = move |pod: &Pod| left[usize::from(*pod)].is_some();
    let others_are_due = pods().any(|pod| pod != master && is_due(&pod));
    pods().filter(is_due).filter(move |pod| *pod != master || !(master_last && others_are_due))
}

/// It lists the pods before it knows what the record will say.
pub fn list_early(state: &mut State, number: usize) {
    let list = state.list();
    if let Step::Looking { early, .. } = &mut state.runs[number].step {
        *early = Some(list);
    }
}

/// It takes its next step that is no patch.
pub fn go_on(protocol: Protocol, state: &mut State, number: usize) {
    let run = state.runs[number];
    state.runs[number].step = match run.step {
        Step::Looking { record: None, early } => {
            Step::Looking { record: Some(Read { lease: state.record, is_current: true }), early }
        }
        Step::Looking { record: Some(read), early } => move_record(protocol, state, &run, read, early),
        Step::Checking { list } => match state.record {
            Some(now) => patching(protocol, now, &list),
            None => BEGINNING,
        },
        Step::Listing { known } => Step::Rereading { known, list: state.list() },
        Step::Rereading { known, list } => match state.record {
            Some(now) if !protocol.minds_moves || plan::is_whole(&list, &[now]) || known == Some(now) => {
                patching(protocol, now, &list)
            }
            Some(now) => Step::Listing { known: Some(now) },
            None => BEGINNING,
        },
        Step::Patching { .. } | Step::Done => Step::Done,
    };
}

/// It makes the record say what its claim says, if that is newer.
fn move_record(protocol: Protocol, state: &mut State, run: &Run, read: Read, early: Option<List>) -> Step {
    let wanted = match (read.lease, run.claim) {
        (Some(lease), Some(claim)) => plan::moved(lease, claim),
        (None, Some(claim)) => Some(plan::created(state.leases, claim)),
        (_, None) => None,
    };
    if let Some(lease) = wanted {
        // Another was faster.
        if !read.is_current {
            return Step::Looking { record: None, early };
        }
        state.leases += u8::from(read.lease.is_none());
        state.write_record(Some(lease));
    }
    let (Some(lease), list) = (wanted.or(read.lease), early) else {
        // There is no record, and this run knows no master.
        return Step::Done;
    };
    let named: Vec<_> = read.lease.into_iter().chain([lease]).collect();
    match list.filter(|list| !protocol.minds_gaps || plan::is_whole(list, &named)) {
        // What it wrote is newer than the list; what it only read may be older.
        Some(list) if wanted.is_some() || !protocol.rereads => patching(protocol, lease, &list),
        Some(list) => Step::Checking { list },
        None => Step::Listing { known: None },
    }
}

fn patching(protocol: Protocol, lease: Lease, list: &List) -> Step {
    match plan::plan(protocol, lease, list) {
        Some(left) if !has_none(left) => Step::Patching { lease, left },
        _ => Step::Done,
    }
}

fn has_none(left: Patches) -> bool {
    left.iter().all(Option::is_none)
}

/// It patches a pod. Where one has changed since, it starts over with a new list.
pub fn patch(protocol: Protocol, state: &mut State, number: usize, pod: Pod) {
    let place = usize::from(pod);
    let Step::Patching { lease, mut left } = state.runs[number].step else { return };
    let Some(Due { label, is_current }) = left[place] else { return };
    let is_done = (is_current || !protocol.compares_versions) && state.pod(pod).is_some();
    if is_done {
        state.write_pod(pod, Some(Labelled { label, stamp: Some(lease.stamp), is_by_hand: false }));
    }
    left[place] = None;
    state.runs[number].step = match has_none(left) {
        _ if !is_done => Step::Listing { known: None },
        true => Step::Done,
        false => Step::Patching { lease, left },
    };
}
