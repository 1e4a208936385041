//! `reconcile` and the hook: they move the record, and put right what Sentinel cannot.

use ordain::core::rules::repair::Repair;

use crate::evidence::{Asker, claim, pod as ordinal};
use crate::look::Look;
use crate::pod::put_record;
use crate::setting::Setting;
use crate::state::{Claim, Lease, Link, Phase, Pod, Reconcile, Server, StartMarker, State};
use crate::verdict;

/// Whether it would find something to do now; what it finds while nothing is wrong changes nothing.
pub fn is_needed(setting: &Setting, state: &State) -> bool {
    let look = state.reconcile.look;
    look.heard > 0 || state.masters().next().is_none() || has_work(setting, state, &Look::at_once(state))
}

fn has_work(setting: &Setting, state: &State, look: &Look) -> bool {
    verdict::decide(setting, Asker::Reconcile, look).record.is_some() || verdict::repair(setting, look, state.reconcile).is_some()
}

/// Whether this look lets it go on counting how long there has been no master: not where it sees a
/// holder that could lead.
pub fn sees_nobody(setting: &Setting, look: &Look) -> bool {
    let patient = Reconcile { is_masterless: true, ..Reconcile::default() };
    let could_lead = || {
        look.record.is_some_and(|lease| {
            let would_be_old = Look {
                record: Some(Lease {
                    start_marker: lease.start_marker.map(|start_marker| StartMarker { is_old: true, ..start_marker }),
                    ..lease
                }),
                ..*look
            };
            !lease.is_abandoned && !matches!(verdict::repair(setting, &would_be_old, patient), Some(Repair::Abandon(_)))
        })
    };
    !(look.has_seen_a_master() || setting.protocol.counts_from_last_sight && could_lead())
}

/// It reads its next source.
pub fn read(setting: &Setting, state: &mut State) {
    let mut look = state.reconcile.look;
    let is_complete = look.read(setting.others, state);
    state.reconcile.look = look;
    if is_complete {
        state.reconcile.is_masterless &= sees_nobody(setting, &look);
        if !has_work(setting, state, &look) {
            state.reconcile.look = Look::default();
        }
    }
}

/// It acts upon what it has read: it moves the record, or else repairs.
pub fn act(setting: &Setting, state: &mut State) {
    let this = state.reconcile;
    let look = this.look;
    state.reconcile.look = Look::default();
    let decided = verdict::decide(setting, Asker::Reconcile, &look);
    if decided.record.is_some() {
        put_record(state, &decided, look.may_write());
        return;
    }
    if let Some(repair) = verdict::repair(setting, &look, this) {
        put_right(setting, state, &look, &repair);
    }
}

fn put_right(setting: &Setting, state: &mut State, look: &Look, repair: &Repair) {
    match repair {
        // A Sentinel knows its group by its file, and each pod once and by its name; every pod has the usual priority.
        Repair::MakePromotable(_)
        | Repair::KeepUnpromotable(_)
        | Repair::ExpireReport(_)
        | Repair::AddGroup(..)
        | Repair::AddSettings(..)
        | Repair::ForgetReplicas(_)
        | Repair::ForgetGroup(_)
        | Repair::NameInstead(_)
        | Repair::Follow(..) => {}
        Repair::Abandon(real) => {
            let claim = claim(real);
            let moved = |lease: Lease| if lease.claim == claim { lease } else { verdict::moved(lease, claim) };
            update(state, look, |lease| verdict::abandoned(moved(lease), true));
        }
        Repair::TakeHolderBack => update(state, look, |lease| verdict::abandoned(lease, false)),
        Repair::PromoteInstead(name) => {
            let pod = ordinal(name);
            if is_same_run(state, look, pod) {
                make_promotable(state, pod);
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

fn update(state: &mut State, look: &Look, change: impl Fn(Lease) -> Lease) {
    if let Some(lease) = state.record.filter(|_| look.may_write()) {
        state.write_record(Some(change(lease)));
    }
}

/// It acts on the connection on which it has read: a server that was started since is another.
fn is_same_run(state: &State, look: &Look, pod: Pod) -> bool {
    let now = state.pod(pod).report.map(|report| report.run);
    let is_replica = matches!(state.pod(pod).server(), Some(Server::Replica { .. }));
    is_replica && look.report(pod).map(|report| report.run) == now
}

/// Sentinel may promote this replica.
pub fn make_promotable(state: &mut State, pod: Pod) {
    if let Phase::Running(Server::Replica { is_promotable, .. }) = &mut state.pod_mut(pod).phase {
        *is_promotable = true;
    }
}

/// Whether it finds that a pod's Redis is in sync and may be promoted from now on.
pub fn is_ready(setting: &Setting, state: &State, pod: Pod) -> bool {
    let report_has_expired =
        || !setting.protocol.ends_words_first || verdict::report_has_expired(setting, &Look::at_once(state), pod);
    match state.pod(pod).server() {
        Some(Server::Replica { of, link: Link::Up, is_promotable: false }) => state.pod(of).is_master() && report_has_expired(),
        _ => false,
    }
}

/// Whether a pod's Redis runs, though its word says that it has not started.
pub fn runs_unsaid(state: &State, pod: Pod) -> bool {
    let this = state.pod(pod);
    let is_unsaid = this.report.is_some_and(|report| !report.has_started);
    is_unsaid && this.server().is_some() && !state.is_api_away
}

/// What a Sentinel's hook would move the record to, on time, late, or for the second time.
pub fn hook(setting: &Setting, state: &State, one: usize) -> Option<Claim> {
    let lease = state.record.filter(|_| !state.is_api_away)?;
    let claim = state.sentinels[one].names()?;
    if verdict::is_newer(claim, lease) && state.pod(claim.master).is_master() {
        return Some(claim);
    }
    let is_named = state.pod(lease.claim.master).is_master();
    if is_named || state.masters().count() != 1 {
        return None;
    }
    verdict::outvoting(setting, &Look::at_once(state))
}
