//! Whether the pod that the newest claim names may lead, or must yield.

use std::time::Duration;

use super::{Decision, FAILOVER, several_masters, yield_to};
use crate::core::disk::Disk;
use crate::core::evidence::{Evidence, Heard, Known, Link, Object, Peer, RecordSeen, Role};
use crate::core::identity::PodName;
use crate::core::outside::shown;
use crate::core::record::{Assumed, Claim, Record};
use crate::core::rules::{Case, Rule};

/// How another comes to lead where no Sentinel elects one.
const BY_A_PERSON: &str = "; without Sentinel a person says who shall lead, by `ordain reconcile --assume-master POD`";

/// The newest claim names this pod: it leads if it can prove that it may. `by` says who claims so.
pub(super) fn lead_or_yield(case: Case<'_>, claim: &Claim, by: &str) -> Decision {
    let living = case.evidence().living_masters();
    match &living[..] {
        [other] if case.obeys(Rule::NoOtherMaster) => {
            let why = format!("follows {other}, which lives as master, though {by} names {}", claim.master);
            return yield_to(case, other, why);
        }
        [_, _, ..] if case.obeys(Rule::NoOtherMaster) => return Decision::undecided(several_masters(&living)),
        _ => {}
    }
    let record = match &case.record {
        RecordSeen::Absent => Some(claim.clone()),
        RecordSeen::Present(_) => case.moves_the_record(claim).then(|| claim.clone()),
        RecordSeen::NotKept => None,
        RecordSeen::Pending => return Decision::undecided("is undecided: the record has not been heard"),
        RecordSeen::Unknown(failure) => {
            return Decision::undecided(format!(
                "is undecided: {by} names it, and the record, which may name another, cannot be read ({failure})"
            ));
        }
    };
    let is_given_up = case.recorded().is_some_and(|record| record.is_given_up && record.claim.master == claim.master);
    let obstacle = disk_obstacle(case).or_else(|| {
        let waits =
            "it was given up while it was away, and waits until Sentinel elects, or until its disk is seen to be the newest";
        (is_given_up && case.obeys(Rule::NotGivenUp)).then(|| waits.to_owned())
    });
    if let Some(why) = obstacle {
        // Whoever follows, and be it nobody, has what it cannot load set aside: like a holder that stays away, not
        // before the grace.
        let is_kept = case.own.damage.is_some() && case.own.trying < case.grace;
        let at_last = if case.own.disk.holds_data() || is_kept { None } else { first_absent(case) };
        let how = if case.has_no_sentinels() { BY_A_PERSON } else { "" };
        return Decision { at_last, ..Decision::undecided(format!("does not lead, though {by} names it: {why}{how}")) };
    }
    match failover_risk(case) {
        None => Decision::lead(
            claim.clone(),
            record,
            format!("leads: {by} at epoch {}, and no failover can be under way", claim.epoch),
        ),
        Some(risk) if !risk.is_under_way && case.waited >= case.down_after + FAILOVER => Decision::lead(
            claim.clone(),
            record,
            format!("leads: {by} at epoch {}, and no failover came in {:?}", claim.epoch, case.down_after + FAILOVER),
        ),
        Some(risk) => Decision::undecided(format!("waits for Sentinel: {by} names it, but {}", risk.why)),
    }
}

/// Why what the disks hold, or may hold, keeps this pod from leading.
fn disk_obstacle(case: Case<'_>) -> Option<String> {
    let own = case.own.disk;
    if let (Some(damage), false, true) = (&case.own.damage, is_assumed(case), case.obeys(Rule::HoldsData)) {
        return Some(format!("its data cannot be loaded ({damage})"));
    }
    if case.record == RecordSeen::NotKept {
        // Nobody publishes anything: what another runs with may be the data, unless it is seen to be none. At a first
        // boot the others and the Sentinels may be up before the first pod, and name it.
        let is_seen_empty = |peer: &Peer| peer.replica().is_some_and(|replica| replica.link == Link::Never && replica.is_empty);
        let other = case.peers.iter().find(|peer| !case.is_known_not_to_run(peer) && !is_seen_empty(peer))?;
        let fears = !own.holds_data() && case.obeys(Rule::HoldsData);
        return fears.then(|| format!("its disk is empty, and {} may hold the data", other.pod));
    }
    if is_assumed(case) || case.is_the_only_writer() && case.obeys(Rule::OnlyTheHolderWrites) {
        return None;
    }
    if !own.holds_data() && case.obeys(Rule::HoldsData) {
        if !is_no_loss(case) {
            return Some("its disk is empty, and the group has had a master: its volume was lost".to_owned());
        }
        return case.peers.iter().find_map(|peer| match case.disk_of(peer) {
            Known::Told(Disk::Empty) => damaged(peer).map(|why| format!("its disk is empty, and {why}")),
            Known::Told(disk) => Some(format!("its disk is empty, and that of {} was {disk}", peer.pod)),
            Known::Copied => Some(format!("its disk is empty, and {} has copied a master", peer.pod)),
            Known::Nothing => untold(case, peer),
        });
    }
    case.peers.iter().find_map(|peer| match case.disk_of(peer) {
        Known::Told(disk) if disk.is_newer_than(own, case.down_after) && case.obeys(Rule::NoNewerDisk) => {
            Some(format!("its disk is older ({own}) than that of {} ({disk})", peer.pod))
        }
        Known::Told(_) | Known::Copied => None,
        Known::Nothing => untold(case, peer),
    })
}

/// That a peer's data cannot be loaded: its disk is told as an empty one, and is none.
pub(super) fn damaged(peer: &Peer) -> Option<String> {
    peer.damage().map(|damage| format!("the data of {} cannot be loaded ({})", peer.pod, shown(damage)))
}

/// Why it must be waited for what a peer has to tell of its disk, where that is not known.
pub(super) fn untold(case: Case<'_>, peer: &Peer) -> Option<String> {
    if case.disk_of(peer) != Known::Nothing {
        return None;
    }
    let answers = peer.heard.answer().is_some();
    let is_needed = match &peer.object {
        // A StatefulSet makes its pods in order, or all at once: one of a lower ordinal is coming. So are those of
        // the sets before, which wait for nobody of this one.
        Object::Absent => {
            let is_before = |me| case.sets.place(&peer.pod) < case.sets.place(me);
            case.me.as_ref().is_some_and(is_before) && case.obeys(Rule::LowerOrdinalsHaveTold)
        }
        Object::Present { .. } | Object::Unknown => true,
    };
    // Who has marked the record has ended its word, and is about to answer.
    let has_just_marked = case.young_mark().is_some_and(|mark| peer.is(&mark.by));
    let was_heard_lately = case.was_heard_lately(peer) && case.obeys(Rule::HeardLatelyIsAwaited);
    let is_awaited = answers || has_just_marked || was_heard_lately || case.own.trying < case.grace;
    (is_needed && is_awaited && case.obeys(Rule::EveryoneHasTold))
        .then(|| format!("{} has not told what its disk holds", peer.pod))
}

/// Whether an empty disk here is no loss: the group has never had a master, or this is the volume that
/// was stamped for it, so that what was written since would be there.
fn is_no_loss(case: Case<'_>) -> bool {
    let is_no_loss = |record: &Record| record.is_new || case.own.group_id.as_ref() == Some(&record.group_id);
    case.recorded().is_some_and(is_no_loss)
}

/// Whether a person has said that this pod shall lead.
fn is_assumed(case: Case<'_>) -> bool {
    let Some(record) = case.recorded() else { return false };
    case.me.as_ref() == Some(&record.claim.master)
        && match &record.assumed {
            Some(Assumed::Open) => true,
            Some(Assumed::By(instance)) => case.own.instance.as_ref() == Some(instance),
            None => false,
        }
}

/// The first pod that does not exist yet, once all that exist have told.
fn first_absent(case: Case<'_>) -> Option<PodName> {
    let is_awaited = |peer: &Peer| peer.object != Object::Absent && untold(case, peer).is_some();
    if case.peers.iter().any(is_awaited) {
        return None;
    }
    let absent = case.peers.iter().filter(|peer| peer.object == Object::Absent).map(|peer| &peer.pod);
    absent.min_by_key(|pod| case.sets.place(pod)).cloned()
}

/// A failover that may replace this pod while it starts.
struct Risk {
    why: String,
    /// A Sentinel says that it is failing over: only its outcome ends this, no time does.
    is_under_way: bool,
}

/// Whom Sentinel could elect: whatever is not known to be down may be a replica that it can.
fn candidate(evidence: &Evidence) -> Option<&Peer> {
    let electable = |peer: &&Peer| match &peer.heard {
        Heard::Answer(Role::Replica(replica)) => replica.priority > 0,
        Heard::Answer(Role::Master) => false,
        Heard::Pending | Heard::Failed(_) => !evidence.is_known_not_to_run(peer),
    };
    evidence.peers.iter().find(electable)
}

/// Whether a failover could come: a majority of the Sentinels watches this pod, and there is whom they
/// could elect. From then on it takes its time, however long this pod has been waiting before.
pub fn a_failover_could_come(evidence: &Evidence) -> bool {
    let watch_me = evidence.watches().filter(|(_, watch)| evidence.member_at(&watch.master.host) == evidence.me.as_ref());
    candidate(evidence).is_some() && !evidence.has_no_sentinels() && watch_me.count() >= evidence.majority()
}

/// Why a failover may be under way; `None` where that is ruled out.
fn failover_risk(case: Case<'_>) -> Option<Risk> {
    if !case.obeys(Rule::NoFailover) {
        return None;
    }
    // A replica that it has chosen may be down for a moment, and is promoted when it is back.
    if let Some((at, _)) = case.evidence().watches().find(|(_, watch)| watch.failover_in_progress) {
        return Some(Risk { why: format!("Sentinel {at} is failing over"), is_under_way: true });
    }
    let candidate = candidate(case.evidence())?;
    if case.has_no_sentinels() {
        return None;
    }
    let may_pass = |why| Some(Risk { why, is_under_way: false });
    if !case.own.has_run {
        // It has another address, and Sentinel looks a name up only when it connects anew: it may find the pod down
        // though it lives.
        return may_pass("this pod was made anew, and Sentinel may not find it in time".to_owned());
    }
    let room = (case.down_after / 5).min(Duration::from_secs(1));
    let mut calm = 0;
    for (at, watch) in case.evidence().watches() {
        if case.member_at(&watch.master.host) != case.me.as_ref() {
            return may_pass(format!("Sentinel {at} names {}", watch.master));
        }
        if case.me.as_ref().is_some_and(|me| !case.evidence().is_still_at(me, &watch.master)) {
            return may_pass(format!("Sentinel {at} names {}, where this pod is not any more", watch.master));
        }
        if watch.finds_master_down {
            return may_pass(format!("Sentinel {at} finds it down"));
        }
        if watch.last_ok_ping + room > case.down_after {
            return may_pass(format!("Sentinel {at} is about to find it down"));
        }
        calm += 1;
    }
    let majority = case.majority();
    if calm >= majority {
        return None;
    }
    may_pass(format!("only {calm} Sentinels of the majority of {majority} say so, and {} could be elected", candidate.pod))
}
