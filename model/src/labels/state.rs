//! The labels, the record, and the runs.

use super::faults::Faults;
use crate::state::{Claim, PODS, Pod};

/// What a pod carries under the label's key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Label {
    /// Nothing.
    None,
    /// The master's value.
    Master,
    /// A replica's.
    Replica,
}

/// By which state of which Lease a pod was labelled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Stamp {
    /// The Lease.
    pub uid: u8,
    /// Its transitions.
    pub transitions: u8,
}

/// The record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Lease {
    /// What fences the labels.
    pub stamp: Stamp,
    /// Who is master.
    pub claim: Claim,
}

/// A pod that exists.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Labelled {
    /// Its label.
    pub label: Label,
    /// Its stamp.
    pub stamp: Option<Stamp>,
    /// A person has set its label.
    pub is_by_hand: bool,
}

/// A pod as it was listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Listed {
    /// Its label then.
    pub label: Label,
    /// Its stamp then.
    pub stamp: Option<Stamp>,
    /// It is the same pod, and has not changed since.
    pub is_current: bool,
}

/// All pods as they were listed.
pub type List = [Option<Listed>; PODS];

/// The record as it was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Read {
    /// What it said, if it existed.
    pub lease: Option<Lease>,
    /// It has not changed since.
    pub is_current: bool,
}

/// A patch that is still to be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Due {
    /// The label.
    pub label: Label,
    /// The pod is as it was listed.
    pub is_current: bool,
}

/// The patches that are still to be made, by pod.
pub type Patches = [Option<Due>; PODS];

/// How far a run has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Step {
    /// It reads the record, and a hook lists the pods beside that.
    Looking {
        /// The record.
        record: Option<Read>,
        /// The pods.
        early: Option<List>,
    },
    /// It has not moved the record, and reads it again: its early list is older than that.
    Checking {
        /// The pods.
        list: List,
    },
    /// It lists the pods.
    Listing {
        /// The record as it was read after the list before.
        known: Option<Lease>,
    },
    /// It reads the record.
    Rereading {
        /// The record as it was read after the list before.
        known: Option<Lease>,
        /// The pods.
        list: List,
    },
    /// It patches the others, and the master last.
    Patching {
        /// By this record.
        lease: Lease,
        /// These are left.
        left: Patches,
    },
    /// It has ended.
    Done,
}

/// A run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Run {
    /// Whom its Sentinel names; a reconcile that found no Sentinel has none.
    pub claim: Option<Claim>,
    /// A hook lists early.
    pub is_hook: bool,
    /// How far it has come.
    pub step: Step,
}

/// All of it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct State {
    /// The pods that exist.
    pub pods: [Option<Labelled>; PODS],
    /// The record.
    pub record: Option<Lease>,
    /// How many Leases there have been.
    pub leases: u8,
    /// The runs, in no order.
    pub runs: Vec<Run>,
    /// The faults that may still happen.
    pub faults: Faults,
    /// A run has made wrong what was right.
    pub is_spoilt: bool,
}

impl State {
    /// A pod, if it exists.
    pub fn pod(&self, pod: Pod) -> Option<Labelled> {
        self.pods[usize::from(pod)]
    }

    /// Writes a pod, or makes or ends it: whoever has listed it has listed an old version.
    pub fn write_pod(&mut self, pod: Pod, labelled: Option<Labelled>) {
        let place = usize::from(pod);
        self.pods[place] = labelled;
        for run in &mut self.runs {
            match &mut run.step {
                Step::Looking { early: Some(list), .. } | Step::Checking { list } | Step::Rereading { list, .. } => {
                    list[place] = list[place].map(|listed| Listed { is_current: false, ..listed });
                }
                Step::Patching { left, .. } => {
                    left[place] = left[place].map(|due| Due { is_current: false, ..due });
                }
                Step::Looking { early: None, .. } | Step::Listing { .. } | Step::Done => {}
            }
        }
    }

    /// Writes the record, or deletes it: whoever has read it has read an old version.
    pub fn write_record(&mut self, lease: Option<Lease>) {
        self.record = lease;
        for run in &mut self.runs {
            if let Step::Looking { record: Some(read), .. } = &mut run.step {
                read.is_current = false;
            }
        }
    }

    /// The pods as they are.
    pub fn list(&self) -> List {
        let listed = |Labelled { label, stamp, .. }| Listed { label, stamp, is_current: true };
        self.pods.map(|pod| pod.map(listed))
    }
}
