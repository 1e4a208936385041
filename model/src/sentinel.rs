//! Sentinel: its start by `genconf-sentinel`, and its failover as Redis does it.

use crate::evidence::Asker;
use crate::look::Look;
use crate::pod::put_record;
use crate::setting::Setting;
use crate::state::{Claim, Failover, Harm, Link, Phase, Pod, SentinelState, Server, State, Watching, sentinels};
use crate::verdict::{self, Be};

/// It reads its next source; after the last it decides and starts.
pub fn read(setting: &Setting, state: &mut State, one: usize) {
    let Watching::Starting(mut look) = state.sentinels[one].watching else { unreachable!("only who starts reads") };
    if !look.read(setting.others, state) {
        state.sentinels[one].watching = Watching::Starting(look);
        return;
    }
    state.sentinels[one].watching = Watching::Starting(Look::default());
    let verdict = verdict::decide(setting, Asker::Sentinel(state.sentinels[one].config), &look);
    if let Be::Behind(claim) = verdict.be
        && put_record(state, &verdict, look.may_write())
    {
        let knows_all = setting.protocol.tells_members || state.pod(claim.master).is_master();
        let sentinel = &mut state.sentinels[one];
        sentinel.current = sentinel.current.max(claim.epoch);
        sentinel.config = Some(claim);
        let is_misled = look.has_seen_another_live(claim.master);
        sentinel.watching = Watching::Running { finds_down: false, failover: None, is_misled, knows_all };
    }
}

/// It watches this master from now on.
fn adopt(state: &mut State, one: usize, claim: Claim) {
    let sentinel = &mut state.sentinels[one];
    sentinel.config = Some(claim);
    sentinel.watching = Watching::Running { finds_down: false, failover: None, is_misled: false, knows_all: true };
}

/// The replicas that this Sentinel could be elected to promote now.
pub fn candidates(state: &State, one: usize) -> Vec<Pod> {
    let this = &state.sentinels[one];
    let Some(claim) = this.names().filter(|_| this.finds_down()) else { return Vec::new() };
    let agrees = |other: &&SentinelState| {
        other.finds_down() && other.knows_all() && other.names().is_some_and(|its| its.master == claim.master)
    };
    let is_free = state.sentinels.iter().all(|other| other.failover().is_none());
    // Who has just voted begins none of its own for twice the failover timeout: until then it has heard.
    let has_heard = !sentinels().any(|other| is_behind(state, other));
    if !is_free || !has_heard || !this.knows_all() || state.sentinels.iter().filter(agrees).count() < 2 {
        return Vec::new();
    }
    spromotable(state, claim.master)
}

/// Those that Sentinel selects among: who has read from a master goes before who has not, and of
/// those the one that has read most. It cannot tell the others apart.
pub fn spromotable(state: &State, master: Pod) -> Vec<Pod> {
    let promotable = |pod: &Pod| *pod != master && state.pod(*pod).is_promotable();
    let has_copied = |pod: &Pod| match state.pod(*pod).server() {
        Some(Server::Replica { link, .. }) => link != Link::Never,
        _ => false,
    };
    let all: Vec<Pod> = crate::state::pods().filter(promotable).collect();
    let best = all.iter().filter(|pod| has_copied(pod)).max_by_key(|pod| state.pod(**pod).volume.time());
    best.map_or_else(|| all.clone(), |pod| vec![*pod])
}

/// It is elected: all that run have voted.
pub fn elect(state: &mut State, one: usize, candidate: Pod) {
    let voted = state.sentinels.iter().filter(|other| other.names().is_some()).map(|other| other.current);
    let epoch = voted.max().unwrap_or(0).max(state.elected) + 1;
    state.elected = epoch;
    for other in &mut state.sentinels {
        if other.names().is_some() {
            other.current = epoch;
        }
    }
    if let Watching::Running { failover, .. } = &mut state.sentinels[one].watching {
        *failover = Some(Failover { epoch, candidate, is_crossed: false, is_forced: false });
    }
}

/// The replicas that this Sentinel promotes when a person tells it to fail over.
pub fn forced_candidates(setting: &Setting, state: &State, one: usize) -> Vec<Pod> {
    let this = &state.sentinels[one];
    let Some(Claim { master, .. }) = this.names().filter(|_| this.failover().is_none()) else { return Vec::new() };
    // One after the other: the one before has ended when all have heard of it.
    let is_known_to_have_ended = sentinels().all(|other| {
        let other_one = &state.sentinels[other];
        other_one.failover().is_none() && other_one.names().is_some() && !is_behind(state, other)
    });
    if !is_known_to_have_ended && setting.protocol.forces_one {
        return Vec::new();
    }
    spromotable(state, master)
}

/// A person tells it to fail over: it asks nobody for a vote.
pub fn force(state: &mut State, one: usize, candidate: Pod) {
    let epoch = state.sentinels[one].current + 1;
    state.elected = state.elected.max(epoch);
    state.sentinels[one].current = epoch;
    if let Watching::Running { failover, .. } = &mut state.sentinels[one].watching {
        *failover = Some(Failover { epoch, candidate, is_crossed: false, is_forced: true });
    }
}

/// It promotes its candidate.
pub fn promote(state: &mut State, one: usize) {
    let Some(Failover { epoch, candidate, is_crossed, is_forced }) = state.sentinels[one].failover() else { return };
    if state.masters().next().is_some() && !is_forced {
        if is_crossed || state.sentinels.iter().any(SentinelState::is_misled) {
            state.harm = Some(Harm::PromotedBeside(candidate));
        }
        state.is_split = true;
    }
    // Another that does not run keeps the secret of a later promotion.
    let epoch_of = |other: &SentinelState| other.config.map(|claim| claim.epoch);
    let keeps_a_secret = |other: &SentinelState| other.names().is_none() && epoch_of(other) > epoch_of(&state.sentinels[one]);
    state.is_split |= state.sentinels.iter().any(keeps_a_secret);
    // Whoever has copied a master and is elected has what the master could deliver.
    if !matches!(state.pod(candidate).server(), Some(Server::Replica { link: Link::Never, .. })) {
        state.protected &= state.pod(candidate).volume.writes();
    }
    state.become_(candidate, Phase::Running(Server::Master));
    adopt(state, one, Claim { master: candidate, epoch });
}

/// Whether a hello of `from` tells `to` something new: it travels through any Redis that runs.
pub fn has_news(state: &State, from: usize, to: usize) -> bool {
    let [Some(newer), Some(older)] = [from, to].map(|one| state.sentinels[one].names()) else { return false };
    newer.epoch > older.epoch && state.running().next().is_some()
}

/// Whether any Sentinel has not heard of the newest configuration.
pub fn is_behind(state: &State, one: usize) -> bool {
    sentinels().any(|other| has_news(state, other, one))
}

/// A hello arrives.
pub fn hello(state: &mut State, from: usize, to: usize) {
    let Some(claim) = state.sentinels[from].names() else { return };
    state.sentinels[to].current = state.sentinels[to].current.max(state.sentinels[from].current);
    adopt(state, to, claim);
}

/// Whether a Sentinel makes this Redis a replica of its master: once its own view is the newest.
pub fn puts_right(state: &State, one: usize, pod: Pod) -> bool {
    let Some(Claim { master, .. }) = state.sentinels[one].names() else { return false };
    let is_wrong = match state.pod(pod).server() {
        Some(Server::Master) => pod != master,
        Some(Server::Replica { of, .. }) => pod != master && of != master,
        None => false,
    };
    is_wrong && state.pod(master).is_master() && state.sentinels[one].failover().is_none() && !is_behind(state, one)
}

/// A Sentinel makes this Redis a replica of its master.
pub fn put_right(state: &mut State, one: usize, pod: Pod) {
    let Some(Claim { master, .. }) = state.sentinels[one].names() else { return };
    let server = match state.pod(pod).server() {
        Some(Server::Replica { link, is_promotable, .. }) => {
            let link = if link == Link::Never { link } else { Link::Lost };
            Server::Replica { of: master, link, is_promotable }
        }
        // Its own writes are known to Sentinel by their offset only; its priority was never lowered.
        _ => Server::Replica { of: master, link: Link::Never, is_promotable: true },
    };
    state.become_(pod, Phase::Running(server));
}

/// Whether a failover is under way, or could come.
pub fn may_fail_over(state: &State) -> bool {
    let is_under_way = state.sentinels.iter().any(|one| one.failover().is_some());
    let could_come = sentinels().any(|one| {
        let Some(Claim { master, .. }) = state.sentinels[one].names() else { return false };
        let agrees = |other: &&SentinelState| other.knows_all() && other.names().is_some_and(|its| its.master == master);
        let agreeing = state.sentinels.iter().filter(agrees).count();
        agreeing >= 2 && !state.pod(master).is_master() && !spromotable(state, master).is_empty()
    });
    let is_settling = sentinels().any(|one| is_behind(state, one));
    is_under_way || could_come || is_settling
}
