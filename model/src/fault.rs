//! What goes wrong.

use crate::look::Look;
use crate::setting::Setting;
use crate::state::{Damage, Phase, Pod, Reconcile, State, Volume, Watching, pods, sentinels};

/// A pod's container dies.
pub fn crash(state: &mut State, pod: Pod) {
    state.become_(pod, Phase::Down);
}

/// A pod is deleted.
pub fn delete(state: &mut State, pod: Pod) {
    state.pod_mut(pod).report = None;
    state.become_(pod, Phase::Gone);
}

/// A pod is deleted with its volume: what it alone held is lost by that.
pub fn wipe(state: &mut State, pod: Pod) {
    delete(state, pod);
    lose_volume(state, pod);
}

/// A pod's node is gone for good, and its volume with it.
pub fn lose(state: &mut State, pod: Pod) {
    state.become_(pod, Phase::Lost);
    lose_volume(state, pod);
}

fn lose_volume(state: &mut State, pod: Pod) {
    state.pod_mut(pod).volume = Volume::default();
    state.protected &= on_any_disk(state);
}

/// What a pod's volume holds cannot be loaded any more: what it alone held is lost by that.
pub fn damage(state: &mut State, pod: Pod) {
    state.pod_mut(pod).volume.damage = Damage::Hidden;
    state.protected &= on_any_disk(state);
}

/// A pod's clock steps an hour ahead, or back. Where the time that it has waited is told by that clock, that is over.
pub fn step_clock(setting: &Setting, state: &mut State, pod: Pod) {
    let this = state.pod_mut(pod);
    this.is_ahead = !this.is_ahead;
    let waits = matches!(this.phase, Phase::Looking { .. });
    if let Some(report) = this.report.as_mut().filter(|_| waits) {
        report.is_late |= this.is_ahead && !setting.protocol.waits_by_no_clock;
    }
}

/// The writes that any disk holds.
pub fn on_any_disk(state: &State) -> u8 {
    state.pods.iter().fold(0, |held, pod| held | pod.volume.writes())
}

/// A Sentinel dies, with or without its file.
pub fn crash_sentinel(state: &mut State, one: usize, keeps_file: bool) {
    let sentinel = &mut state.sentinels[one];
    sentinel.watching = Watching::Starting(Look::default());
    if !keeps_file {
        sentinel.config = None;
        sentinel.current = 0;
    }
}

/// Everything dies at once.
pub fn cut_power(state: &mut State, keeps_files: bool) {
    for pod in pods() {
        if !matches!(state.pod(pod).phase, Phase::Gone | Phase::Lost | Phase::Stranger) {
            crash(state, pod);
        }
    }
    for one in sentinels() {
        crash_sentinel(state, one, keeps_files);
    }
    state.reconcile = Reconcile { is_ahead: state.reconcile.is_ahead, ..Reconcile::default() };
}
