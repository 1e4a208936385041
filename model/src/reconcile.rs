//! `reconcile` and the hook: they move the record, and put right what Sentinel cannot.

use ordain::core::repair::Repair;

use crate::evidence::{Asker, pod as ordinal};
use crate::look::Look;
use crate::pod::put_record;
use crate::setting::Setting;
use crate::state::{Claim, Link, Phase, Pod, Reconcile, Server, State};
use crate::verdict;

/// Whether it would find something to do now; what it finds while nothing is wrong changes nothing.
pub fn is_needed(setting: &Setting, state: &State) -> bool {
    let look = state.reconcile.look;
    look.heard > 0 || state.masters().next().is_none() || has_work(setting, state, &Look::at_once(state))
}

fn has_work(setting: &Setting, state: &State, look: &Look) -> bool {
    verdict::decide(setting, Asker::Reconcile, look).record.is_some()
        || verdict::repairs(setting, look, state.reconcile.is_masterless).iter().any(|repair| !is_a_probes(repair))
}

/// What the pod's own probe does as well, in a step of its own.
fn is_a_probes(repair: &Repair) -> bool {
    matches!(repair, Repair::MakeElectable(_))
}

/// It reads its next source.
pub fn read(setting: &Setting, state: &mut State) {
    let mut look = state.reconcile.look;
    let is_complete = look.read(setting.others, state);
    state.reconcile.look = look;
    if is_complete {
        state.reconcile.is_masterless &= !look.has_seen_a_master();
        if !has_work(setting, state, &look) {
            state.reconcile.look = Look::default();
        }
    }
}

/// It acts upon what it has read: it moves the record, or else repairs.
pub fn act(setting: &Setting, state: &mut State) {
    let Reconcile { look, is_masterless } = state.reconcile;
    state.reconcile.look = Look::default();
    let decided = verdict::decide(setting, Asker::Reconcile, &look);
    if decided.record.is_some() {
        put_record(state, decided.record, look.is_current);
        return;
    }
    for repair in verdict::repairs(setting, &look, is_masterless) {
        put_right(setting, state, &look, &repair);
    }
}

fn put_right(setting: &Setting, state: &mut State, look: &Look, repair: &Repair) {
    match repair {
        Repair::MakeElectable(_) => {}
        Repair::GiveUpHolder => give_up(state, look, true),
        Repair::TakeHolderBack => give_up(state, look, false),
        Repair::ElectInstead(name) => {
            let pod = ordinal(name);
            if is_same_run(state, look, pod) {
                make_electable(state, pod);
            }
        }
        Repair::Restart(name) => {
            let pod = ordinal(name);
            if setting.protocol.restarts && is_same_run(state, look, pod) {
                state.become_(pod, Phase::Down);
            }
        }
    }
}

fn give_up(state: &mut State, look: &Look, is_given_up: bool) {
    if let Some(lease) = state.record.filter(|_| look.is_current) {
        state.write_record(Some(verdict::given_up(lease, is_given_up)));
    }
}

/// It acts on the connection on which it has read: a server that was started since is another.
fn is_same_run(state: &State, look: &Look, pod: Pod) -> bool {
    let now = state.pod(pod).word.map(|word| word.run);
    let is_replica = matches!(state.pod(pod).server(), Some(Server::Replica { .. }));
    is_replica && look.word(pod).map(|word| word.run) == now
}

/// Sentinel may promote this replica.
pub fn make_electable(state: &mut State, pod: Pod) {
    if let Phase::Running(Server::Replica { is_electable, .. }) = &mut state.pod_mut(pod).phase {
        *is_electable = true;
    }
}

/// Whether a pod's probe finds that its Redis is in sync and may be promoted from now on.
pub fn is_ready(state: &State, pod: Pod) -> bool {
    match state.pod(pod).server() {
        Some(Server::Replica { of, link: Link::Up, is_electable: false }) => state.pod(of).is_master(),
        _ => false,
    }
}

/// What a Sentinel's hook would move the record to, on time, late, or for the second time.
pub fn hook(setting: &Setting, state: &State, one: usize) -> Option<Claim> {
    let lease = state.record?;
    let claim = state.sentinels[one].names()?;
    if verdict::is_newer(claim, lease) && state.pod(claim.master).is_master() {
        return Some(claim);
    }
    verdict::outvoting(setting, &Look::at_once(state))
}
