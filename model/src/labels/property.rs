//! What must hold in every state.

use super::run::{self, BEGINNING};
use super::setting::Protocol;
use super::state::{Label, Run, State, Step};
use crate::state::{Claim, pods};

/// More steps than any run takes that nobody disturbs.
const ENOUGH: usize = 20;

/// No two pods carry the master's label, but by a person's hand.
pub fn one_master_label(state: &State) -> bool {
    let is_master = |pod: &super::state::Labelled| pod.label == Label::Master && !pod.is_by_hand;
    state.pods.iter().flatten().filter(|pod| is_master(pod)).count() <= 1
}

/// Whether every pod is labelled and stamped as the record says.
pub fn is_right(state: &State) -> bool {
    let Some(lease) = state.record else { return false };
    pods().all(|pod| {
        let label = if pod == lease.claim.master { Label::Master } else { Label::Replica };
        state.pod(pod).is_none_or(|now| now.label == label && now.stamp == Some(lease.stamp))
    })
}

/// Whether one run that knows the newest claim, and is alone, makes the labels right.
pub fn heals(protocol: Protocol, state: &State) -> bool {
    let heard = state.runs.iter().filter_map(|run| run.claim).chain(state.record.map(|lease| lease.claim));
    let newest: Option<Claim> = heard.max_by_key(|claim| claim.epoch);
    let mut state = State { runs: vec![Run { claim: newest, is_hook: true, step: BEGINNING }], ..state.clone() };
    for _ in 0..ENOUGH {
        let next = run::patchable(protocol, &state.runs[0]).next();
        match next {
            Some(pod) => run::patch(protocol, &mut state, 0, pod),
            None if run::may_list_early(&state.runs[0]) => run::list_early(&mut state, 0),
            None => run::go_on(protocol, &mut state, 0),
        }
    }
    let is_told = state.record.map(|lease| lease.claim) == newest;
    state.runs[0].step == Step::Done && is_told && labels_are_right(&state)
}

fn labels_are_right(state: &State) -> bool {
    state.record.is_some_and(|lease| {
        pods().all(|pod| {
            let label = if pod == lease.claim.master { Label::Master } else { Label::Replica };
            state.pod(pod).is_none_or(|now| now.label == label)
        })
    })
}
