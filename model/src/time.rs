//! Time: it is no number here. A step stands for each span that somebody waits for.

use crate::look::Look;
use crate::reconcile;
use crate::sentinel::may_fail_over;
use crate::setting::Setting;
use crate::state::{Patience, Phase, Pod, State, Watching, pods};
use crate::verdict;

/// Whether a Sentinel's master has been silent for down-after.
pub fn some_master_is_down(state: &State) -> bool {
    state.sentinels.iter().any(|one| !one.finds_down() && one.names().is_some_and(|claim| !state.pod(claim.master).is_master()))
}

/// Down-after passes: who watches a silent master finds it down.
pub fn pass_down_after(setting: &Setting, state: &mut State) {
    let is_down = pods().map(|pod| !state.pod(pod).is_master()).collect::<Vec<_>>();
    for one in &mut state.sentinels {
        let master = one.config.map(|claim| usize::from(claim.master));
        if let Watching::Running { finds_down, .. } = &mut one.watching {
            *finds_down |= master.is_some_and(|master| is_down[master]);
        }
    }
    state.overtake(setting.protocol.discards_old_looks);
}

/// Whether a pod can have waited for longer than any failover takes: none is possible now, or it
/// would have come.
pub fn can_wait(state: &State, pod: Pod) -> bool {
    let waits = match state.pod(pod).phase {
        Phase::Looking { patience, .. } => !patience.has_waited,
        _ => false,
    };
    waits && !may_fail_over(state)
}

/// It has waited for longer than any failover takes.
pub fn wait(setting: &Setting, state: &mut State, pod: Pod) {
    if let Phase::Looking { patience, .. } = &mut state.pod_mut(pod).phase {
        patience.has_waited = true;
    }
    state.overtake(setting.protocol.discards_old_looks);
}

/// Whether a pod can have asked long enough for a record that cannot be read.
pub fn can_ask(state: &State, pod: Pod) -> bool {
    state.is_api_away && matches!(state.pod(pod).phase, Phase::Looking { patience: Patience { has_asked: false, .. }, .. })
}

/// It has asked long enough for a record that cannot be read.
pub fn ask(setting: &Setting, state: &mut State, pod: Pod) {
    if let Phase::Looking { patience, .. } = &mut state.pod_mut(pod).phase {
        patience.has_asked = true;
    }
    state.overtake(setting.protocol.discards_old_looks);
}

/// Whether the grace can pass: no master lives, no failover could have come, and the API server answers.
pub fn can_pass_grace(state: &State) -> bool {
    state.masters().next().is_none() && !may_fail_over(state) && !state.is_api_away
}

/// The grace passes: marks are old, pods are late, and what nobody could know in all that time may
/// be lost.
pub fn pass_grace(setting: &Setting, state: &mut State) {
    let seen = Look::at_once(state);
    for pod in pods() {
        state.pod_mut(pod).was_heard = verdict::is_known(setting, &seen, pod);
    }
    state.protected &= state.pods.iter().filter(|pod| pod.was_heard).fold(0, |known, pod| known | pod.volume.writes());
    if let Some(start_marker) = state.record.as_mut().and_then(|lease| lease.start_marker.as_mut()) {
        start_marker.is_old = true;
    }
    for pod in &mut state.pods {
        let is_starting = matches!(pod.phase, Phase::Looking { .. } | Phase::Recorded { .. } | Phase::Checking { .. });
        if let Some(report) = pod.report.as_mut().filter(|_| is_starting) {
            report.is_late = true;
        }
    }
    state.reconcile.is_masterless = reconcile::sees_nobody(setting, &Look::at_once(state));
    state.overtake(setting.protocol.discards_old_looks);
}
