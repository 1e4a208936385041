//! Which runs there are, what may go wrong, and which steps of the protocol are kept.

use super::faults::Faults;
use super::state::{Label, Labelled, Lease, Run, Stamp, State, Step};
use crate::state::{Claim, PODS, Pod};

/// What a run does, each step a switch; switched off only to show what it is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[allow(clippy::struct_excessive_bools)]
pub struct Protocol {
    /// A hook that listed early and did not move the record reads it again.
    pub rereads: bool,
    /// Every pod is stamped with the state of the record by which it was labelled.
    pub stamps: bool,
    /// A hook labels by its early list only where no pod is missing in it.
    pub minds_gaps: bool,
    /// Where one is, the pods are listed until the record has not moved meanwhile.
    pub minds_moves: bool,
    /// A patch fails where its pod has changed since it was listed.
    pub compares_versions: bool,
    /// The master is patched when all others have been.
    pub master_last: bool,
}

impl Protocol {
    /// As the program does it.
    pub const WHOLE: Self =
        Self { rereads: true, stamps: true, minds_gaps: true, minds_moves: true, compares_versions: true, master_last: true };
}

/// A setting.
#[derive(Debug, Clone)]
pub struct Setting {
    /// Its name, for tables.
    pub name: &'static str,
    /// Where the group begins.
    pub start: State,
    /// The protocol in force.
    pub protocol: Protocol,
}

/// A pod that failed over to that one, at that epoch.
const fn claim(master: Pod, epoch: u8) -> Claim {
    Claim { master, epoch }
}

const fn run(claim: Option<Claim>, is_hook: bool) -> Run {
    Run { claim, is_hook, step: Step::Looking { record: None, early: None } }
}

/// The hook of the failover to that pod.
const fn hook(master: Pod, epoch: u8) -> Run {
    run(Some(claim(master, epoch)), true)
}

/// A reconcile that has heard of it.
const fn reconcile(master: Pod, epoch: u8) -> Run {
    run(Some(claim(master, epoch)), false)
}

/// A reconcile that knows the record alone.
const RECONCILE: Run = run(None, false);

/// Labelled as the record says: redis-0 is master, by epoch 1.
fn labelled(runs: &[Run], faults: Faults) -> State {
    let stamp = Stamp { uid: 0, transitions: 0 };
    let lease = Lease { stamp, claim: claim(0, 1) };
    let pod = |place: usize| {
        let label = if place == 0 { Label::Master } else { Label::Replica };
        Some(Labelled { label, stamp: Some(stamp), is_by_hand: false })
    };
    let pods: [_; PODS] = std::array::from_fn(pod);
    State { pods, record: Some(lease), leases: 1, runs: runs.to_vec(), faults, is_spoilt: false }
}

/// The record exists, and no pod was ever labelled.
fn unlabelled(runs: &[Run], faults: Faults) -> State {
    let state = labelled(runs, faults);
    let bare = Labelled { label: Label::None, stamp: None, is_by_hand: false };
    State { pods: [Some(bare); PODS], ..state }
}

fn setting(name: &'static str, start: State) -> Setting {
    Setting { name, start, protocol: Protocol::WHOLE }
}

const NONE: Faults = Faults { deletions: 0, record_deletions: 0, edits: 0 };
const DELETION: Faults = Faults { deletions: 1, ..NONE };
const RECORD_DELETION: Faults = Faults { record_deletions: 1, ..NONE };
const EDIT: Faults = Faults { edits: 1, ..NONE };

/// Those that are small enough for every test run.
pub fn small() -> Vec<Setting> {
    vec![
        setting("three hooks of one failover", labelled(&[hook(1, 2); 3], NONE)),
        setting("hooks of two failovers, one twice", labelled(&[hook(1, 2), hook(2, 3), hook(2, 3)], NONE)),
        setting("hooks of two failovers, one late", labelled(&[hook(1, 2), hook(1, 2), hook(2, 3)], NONE)),
        setting("there and back", labelled(&[hook(1, 2), hook(0, 3), reconcile(0, 3)], NONE)),
        setting("two hooks, and a pod made again", labelled(&[hook(1, 2), hook(2, 3)], DELETION)),
        setting("a hook, two reconciles, and a pod made again", labelled(&[hook(1, 2), RECONCILE, RECONCILE], DELETION)),
        setting("never labelled, a hook and a reconcile", unlabelled(&[hook(1, 2), RECONCILE], DELETION)),
        setting("two hooks, and the record deleted", labelled(&[hook(1, 2), hook(2, 3)], RECORD_DELETION)),
        setting("a hook, a reconcile, and a person's edit", labelled(&[hook(1, 2), RECONCILE], EDIT)),
    ]
}

/// Those that take longer.
pub fn large() -> Vec<Setting> {
    vec![
        setting("hooks of two failovers, and a pod made again", labelled(&[hook(1, 2), hook(2, 3), hook(2, 3)], DELETION)),
        setting("two hooks, a reconcile, and a person's edit", labelled(&[hook(1, 2), hook(2, 3), RECONCILE], EDIT)),
        setting(
            "hooks of two failovers, and the record deleted",
            labelled(&[hook(1, 2), hook(2, 3), hook(2, 3)], RECORD_DELETION),
        ),
        setting("two hooks, two pods made again", labelled(&[hook(1, 2), hook(2, 3)], Faults { deletions: 2, ..NONE })),
    ]
}

/// One of all of them.
pub fn named(name: &str) -> Setting {
    small().into_iter().chain(large()).find(|setting| setting.name == name).unwrap_or_else(|| panic!("no setting `{name}`"))
}
