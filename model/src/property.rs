//! What must hold in every state, and which states are healthy.

use crate::fault::on_any_disk;
use crate::setting::Setting;
use crate::state::{Claim, Phase, State, pods};

/// No pod was started as a master beside another.
pub fn one_master(state: &State) -> bool {
    state.harm.is_none()
}

/// Every write that must not be lost is on some disk.
pub fn nothing_lost(state: &State) -> bool {
    state.protected & !on_any_disk(state) == 0
}

/// No two claims of one epoch name different masters, unless Sentinels themselves made two.
pub fn epochs_are_unique(state: &State) -> bool {
    if state.is_split {
        return true;
    }
    let told = state.sentinels.iter().filter_map(|one| one.config);
    let claims: Vec<Claim> = told.chain(state.record.map(|lease| lease.claim)).collect();
    claims.iter().all(|one| claims.iter().all(|other| one.epoch != other.epoch || one.master == other.master))
}

/// Whether nothing is wrong in this state.
pub fn holds(state: &State) -> bool {
    one_master(state) && nothing_lost(state) && epochs_are_unique(state)
}

/// One living master, which the record and a majority of the Sentinels name, and which all other
/// pods follow, ready to be promoted where there are Sentinels.
pub fn is_healthy(setting: &Setting, state: &State) -> bool {
    let mut masters = state.masters();
    let (Some(master), None) = (masters.next(), masters.next()) else { return false };
    let is_recorded = state.record.is_some_and(|lease| lease.claim.master == master);
    let named = state.sentinels.iter().filter(|one| one.names().is_some_and(|claim| claim.master == master)).count();
    let follows = |pod| {
        pod == master
            || matches!(state.pod(pod).phase, Phase::Lost | Phase::Stranger)
            || state.pod(pod).follows(master) && (state.pod(pod).is_promotable() || !setting.has_sentinels)
    };
    is_recorded && (named >= 2 || !setting.has_sentinels) && pods().all(follows)
}
