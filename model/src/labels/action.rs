//! What may happen next.

use super::property::is_right;
use super::run;
use super::setting::{Protocol, Setting};
use super::state::{Label, Labelled, State};
use crate::state::{Pod, pods};

/// A step of somebody.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Action {
    /// A run reads or lists what is next, or moves the record.
    GoOn(usize),
    /// A hook lists the pods early.
    ListEarly(usize),
    /// A run patches a pod.
    Patch(usize, Pod),
    /// A pod is deleted.
    Delete(Pod),
    /// A pod is made again, without labels.
    Create(Pod),
    /// The record is deleted.
    DeleteRecord,
    /// A person sets a pod's label.
    Edit(Pod, Label),
}

/// All that may happen next.
pub fn enabled(setting: &Setting, state: &State, actions: &mut Vec<Action>) {
    for (number, one) in state.runs.iter().enumerate() {
        if run::may_list_early(one) {
            actions.push(Action::ListEarly(number));
        }
        if run::may_go_on(one) {
            actions.push(Action::GoOn(number));
        }
        actions.extend(run::patchable(setting.protocol, one).map(|pod| Action::Patch(number, pod)));
    }
    for pod in pods() {
        let Some(now) = state.pod(pod) else {
            actions.push(Action::Create(pod));
            continue;
        };
        if state.faults.deletions > 0 {
            actions.push(Action::Delete(pod));
        }
        if state.faults.edits > 0 {
            let others = [Label::None, Label::Master, Label::Replica].into_iter().filter(|label| *label != now.label);
            actions.extend(others.map(|label| Action::Edit(pod, label)));
        }
    }
    if state.faults.record_deletions > 0 && state.record.is_some() {
        actions.push(Action::DeleteRecord);
    }
}

/// Does it.
pub fn perform(protocol: Protocol, state: &mut State, action: Action) {
    let (record, was_right) = (state.record, is_right(state));
    match action {
        Action::GoOn(number) => run::go_on(protocol, state, number),
        Action::ListEarly(number) => run::list_early(state, number),
        Action::Patch(number, pod) => {
            run::patch(protocol, state, number, pod);
            state.is_spoilt |= was_right && state.record == record && !is_right(state);
        }
        Action::Delete(pod) => {
            state.faults.deletions -= 1;
            state.write_pod(pod, None);
        }
        Action::Create(pod) => {
            state.write_pod(pod, Some(Labelled { label: Label::None, stamp: None, is_by_hand: false }));
        }
        Action::DeleteRecord => {
            state.faults.record_deletions -= 1;
            state.write_record(None);
        }
        Action::Edit(pod, label) => {
            state.faults.edits -= 1;
            let edited = state.pod(pod).map(|now| Labelled { label, is_by_hand: true, ..now });
            state.write_pod(pod, edited);
        }
    }
}
