//! What must hold whatever was seen, each told without the rules that bring it about.

use std::cmp::Reverse;

use super::*;
use crate::core::decision::StartAs::{Follow, Lead, Undecided};
use crate::core::disk::{Disk, DiskReport};
use crate::core::evidence::{Container, Link, Object};
use crate::core::record::Record;

pub type Held = Result<(), String>;
pub type Invariant = fn(&Evidence, &Decision) -> Held;

/// What holds of every decision for a Redis.
pub const OF_REDIS: [Invariant; 24] = [
    who_leads_is_named_by_the_newest_claim_or_nobody_is,
    nobody_leads_beside_a_living_master,
    nobody_leads_while_another_is_known_to_hold_more,
    an_empty_disk_leads_only_where_nothing_can_have_been_lost,
    without_kubernetes_an_empty_disk_leads_only_alone,
    nobody_leads_before_all_that_exist_have_told,
    nobody_leads_before_the_lower_ordinals_have_told,
    nobody_leads_while_another_that_marked_the_record_may_be_starting,
    nobody_leads_while_another_may_have_copied_a_master_unseen,
    nobody_leads_while_a_failover_may_be_under_way,
    nobody_leads_after_being_given_up,
    data_of_another_group_has_no_part,
    without_claims_and_data_only_the_first_pod_leads,
    only_a_first_boot_makes_a_new_record,
    what_is_adopted_is_the_most_advanced_of_all,
    only_the_most_advanced_starts_promotable,
    who_is_followed_is_known_as_master,
    a_majority_that_names_the_only_living_master_is_believed,
    nothing_is_written_without_a_decision,
    the_record_never_goes_back,
    what_is_settled_is_followed,
    only_an_empty_pod_runs_at_last,
    without_sentinels_the_holder_leads_with_its_data,
    without_sentinels_nobody_starts_promotable,
];

/// What holds of every decision for a Sentinel.
pub const OF_SENTINEL: [Invariant; 7] = [
    a_sentinel_watches_the_only_living_master,
    a_sentinel_waits_for_who_is_starting,
    what_is_adopted_is_the_most_advanced_of_all,
    who_is_followed_is_known_as_master,
    a_majority_that_names_the_only_living_master_is_believed,
    nothing_is_written_without_a_decision,
    the_record_never_goes_back,
];

pub fn all_hold(invariants: &[Invariant], evidence: &Evidence, decision: &Decision) -> Held {
    invariants.iter().try_for_each(|invariant| invariant(evidence, decision))
}

/// With the evidence and the decision.
pub fn told(evidence: &Evidence, decision: &Decision, what: &str) -> String {
    let Evidence { waited, own, .. } = evidence;
    format!("{what}\n{evidence}tried for {:?}, waited for {waited:?}\n{decision:?}", own.trying)
}

fn holds(condition: bool, evidence: &Evidence, decision: &Decision, what: &str) -> Held {
    if condition { Ok(()) } else { Err(told(evidence, decision, what)) }
}

/// All claims: who is named, at which epoch. One that cannot be, beside all others, is none; but the record's is the
/// oldest then.
fn claims(evidence: &Evidence) -> Vec<(Option<&PodName>, u64)> {
    const LARGEST: u64 = 9_007_199_254_740_992;
    let told = evidence.watches().map(|(_, watch)| (evidence.member_at(&watch.master.host), watch.config_epoch));
    let kept = evidence.kept.iter().map(|kept| (evidence.member_at(&kept.master.host), kept.config_epoch));
    let told: Vec<_> = told.collect();
    let recorded = evidence.recorded().map(|record| (Some(&record.claim.master), record.claim.epoch));
    let is_below = |epoch: u64, others: &mut dyn Iterator<Item = u64>| {
        others.filter(|other| *other <= LARGEST).max().is_none_or(|highest| epoch < highest + 1_000_000)
    };
    let is_valid = |place: usize, epoch: u64| {
        let others = told.iter().enumerate().filter(|(other, _)| *other != place).map(|(_, (_, epoch))| *epoch);
        epoch <= LARGEST && is_below(epoch, &mut others.chain(recorded.map(|(_, epoch)| epoch)))
    };
    let valid = told.iter().enumerate().filter(|(place, (_, epoch))| is_valid(*place, *epoch)).map(|(_, claim)| *claim);
    let valid: Vec<_> = valid.chain(kept.filter(|(_, epoch)| is_valid(usize::MAX, *epoch))).collect();
    let of_the_record = recorded.map(|(master, epoch)| {
        let named = valid.iter().filter(|(named, _)| *named == master).map(|(_, epoch)| *epoch);
        (master, if epoch <= LARGEST { epoch } else { named.max().unwrap_or(0) })
    });
    valid.iter().copied().chain(of_the_record).collect()
}

fn is_unclaimed(evidence: &Evidence) -> bool {
    claims(evidence).is_empty()
}

/// Whether all of the claims with the highest epoch name `pod`.
fn is_named(evidence: &Evidence, pod: &PodName) -> bool {
    let claims = claims(evidence);
    let newest = claims.iter().map(|(_, epoch)| *epoch).max();
    let mut named = claims.iter().filter(|(_, epoch)| Some(*epoch) == newest).map(|(master, _)| *master);
    newest.is_some() && named.all(|master| master == Some(pod))
}

fn is_kept(evidence: &Evidence) -> bool {
    evidence.record != RecordSeen::NotKept
}

fn is_foreign(evidence: &Evidence) -> bool {
    let stamp = evidence.own.group_id.as_ref().filter(|_| evidence.own.disk.holds_data());
    stamp.zip(evidence.recorded()).is_some_and(|(stamp, record)| *stamp != record.group_id)
}

/// The record as this pod's, where it names it.
fn own_record(evidence: &Evidence) -> Option<&Record> {
    evidence.recorded().filter(|record| evidence.me.as_ref() == Some(&record.claim.master))
}

fn is_assumed(evidence: &Evidence) -> bool {
    use crate::core::record::Forced::{By, Open};
    match own_record(evidence).and_then(|record| record.forced.as_ref()) {
        Some(Open) => true,
        Some(By(instance)) => evidence.own.instance.as_ref() == Some(instance),
        None => false,
    }
}

fn has_copied(peer: &Peer) -> bool {
    peer.replica().is_some_and(|replica| replica.link != Link::Never)
}

fn has_marked(evidence: &Evidence, peer: &Peer) -> bool {
    let start_marker = evidence.recorded().and_then(|record| record.start_marker.as_ref());
    peer.report().is_some_and(|(instance, _)| start_marker.is_some_and(|start_marker| start_marker.by == instance))
}

fn may_have_copied_unseen(peer: &Peer) -> bool {
    let has_started = peer.report().is_some_and(|(_, report)| report.started);
    peer.heard.answer() == Some(&Role::Master) || has_started && peer.replica().is_none()
}

/// What of this group's data a peer's disk is sure to hold.
fn sure(evidence: &Evidence, peer: &Peer) -> Option<Disk> {
    let is_sure = !has_copied(peer) && !has_marked(evidence, peer) && !may_have_copied_unseen(peer);
    let (_, report) = peer.report().filter(|_| is_sure)?;
    let is_ours = match (&report.group, evidence.recorded()) {
        (Some(stamp), Some(record)) => *stamp == record.group_id,
        _ => true,
    };
    Some(if is_ours { report.disk } else { Disk::Empty })
}

/// Whether it is known that this peer holds data.
fn holds_data(evidence: &Evidence, peer: &Peer) -> bool {
    has_copied(peer) || sure(evidence, peer).is_some_and(Disk::holds_data)
}

/// Nobody listens there, and the API server confirms it, or there is none.
fn is_down(evidence: &Evidence, peer: &Peer) -> bool {
    let waits_to_start = |report: &Option<DiskReport>| report.as_ref().is_some_and(|report| !report.started);
    let is_confirmed = match &peer.object {
        Object::Absent | Object::Present { container: Container::Stopped, .. } => true,
        Object::Unknown => !is_kept(evidence),
        Object::Present { report, container: Container::Unknown, .. } => waits_to_start(report),
        Object::Present { report, container: Container::Running(since), .. } => {
            waits_to_start(report) && report.as_ref().is_some_and(|report| report.at >= *since)
        }
    };
    is_confirmed && nothing_listens(&peer.heard)
}

fn nothing_listens<T>(heard: &Reply<T>) -> bool {
    matches!(heard, Reply::Failed(failure) if failure.nothing_listens())
}

/// This pod leads, the disks are published and nothing says that they do not count.
fn leads_by_its_disk(evidence: &Evidence, decision: &Decision) -> bool {
    matches!(decision.role, Lead(_)) && is_kept(evidence) && !is_assumed(evidence) && !holds_all_writes(evidence)
}

/// It is recorded as master with the data of its group, and nobody can have made another one since.
fn holds_all_writes(evidence: &Evidence) -> bool {
    let has_its_stamp = |record: &Record| evidence.own.group_id.as_ref() == Some(&record.group_id);
    evidence.sentinels.is_empty() && evidence.own.disk.holds_data() && own_record(evidence).is_some_and(has_its_stamp)
}

/// It runs, or is about to, or has not been waited for long enough.
fn is_awaited(evidence: &Evidence, peer: &Peer) -> bool {
    let start_marker = evidence.recorded().and_then(|record| record.start_marker.as_ref());
    let is_lately = start_marker.is_some_and(|start_marker| evidence.now.since(start_marker.at) < evidence.grace);
    evidence.own.trying < evidence.grace
        || peer.heard.answer().is_some()
        || is_lately && has_marked(evidence, peer)
        || has_told_lately(evidence, peer)
}

fn has_told_lately(evidence: &Evidence, peer: &Peer) -> bool {
    peer.report().is_some_and(|(_, report)| evidence.now.0 < report.at.0 + 300_000)
}

pub fn who_leads_is_named_by_the_newest_claim_or_nobody_is(evidence: &Evidence, decision: &Decision) -> Held {
    let Lead(claim) = &decision.role else { return Ok(()) };
    let me = evidence.me.as_ref().unwrap();
    let is_proven = match &evidence.record {
        RecordSeen::Absent => true,
        RecordSeen::NotKept => {
            let peers = evidence.peers.iter().all(|peer| peer.heard.answer().is_some() || is_down(evidence, peer));
            let sentinels = || evidence.sentinels.iter().map(|one| &one.heard);
            peers && sentinels().all(|heard| heard.answer().is_some() || nothing_listens(heard))
        }
        _ => false,
    };
    let is_right = claim.master == *me && (is_named(evidence, me) || is_unclaimed(evidence) && is_proven);
    holds(is_right, evidence, decision, "leads without proof")
}

pub fn nobody_leads_beside_a_living_master(evidence: &Evidence, decision: &Decision) -> Held {
    let leads = matches!(decision.role, Lead(_));
    holds(!leads || evidence.living_masters().is_empty(), evidence, decision, "leads beside a living master")
}

pub fn nobody_leads_while_another_is_known_to_hold_more(evidence: &Evidence, decision: &Decision) -> Held {
    let holds_more = |peer| sure(evidence, peer).is_some_and(|disk| disk.is_newer_than(evidence.own.disk, evidence.down_after));
    let loses = leads_by_its_disk(evidence, decision) && evidence.peers.iter().any(holds_more);
    holds(!loses, evidence, decision, "leads though another holds more")
}

pub fn an_empty_disk_leads_only_where_nothing_can_have_been_lost(evidence: &Evidence, decision: &Decision) -> Held {
    if !leads_by_its_disk(evidence, decision) || evidence.own.disk.holds_data() {
        return Ok(());
    }
    let is_no_loss = match &evidence.record {
        RecordSeen::Absent => is_unclaimed(evidence),
        RecordSeen::Present(record) => record.is_new || evidence.own.group_id.as_ref() == Some(&record.group_id),
        _ => false,
    };
    let is_right = is_no_loss && !evidence.peers.iter().any(|peer| holds_data(evidence, peer));
    holds(is_right, evidence, decision, "leads a group that has had a master with an empty disk")
}

/// Nobody publishes anything there: beside any other that may run and is not seen to be empty only a first boot is led,
/// by the pod for which the others wait.
pub fn without_kubernetes_an_empty_disk_leads_only_alone(evidence: &Evidence, decision: &Decision) -> Held {
    if !matches!(decision.role, Lead(_)) || is_kept(evidence) || evidence.own.disk.holds_data() {
        return Ok(());
    }
    let waits = |peer: &Peer| peer.replica().is_some() && !has_copied(peer) && is_unclaimed(evidence);
    let is_seen_empty = |peer: &Peer| peer.replica().is_some_and(|replica| replica.is_empty && !has_copied(peer));
    let is_harmless = |peer: &Peer| is_down(evidence, peer) || waits(peer) || is_seen_empty(peer);
    holds(evidence.peers.iter().all(is_harmless), evidence, decision, "leads with an empty disk beside what may hold the data")
}

pub fn nobody_leads_before_all_that_exist_have_told(evidence: &Evidence, decision: &Decision) -> Held {
    let is_unknown = |peer: &Peer| {
        let exists = peer.object != Object::Absent;
        exists && peer.report().is_none() && !has_copied(peer) && is_awaited(evidence, peer)
    };
    let leads = leads_by_its_disk(evidence, decision);
    holds(!leads || !evidence.peers.iter().any(is_unknown), evidence, decision, "leads before another has told")
}

pub fn nobody_leads_before_the_lower_ordinals_have_told(evidence: &Evidence, decision: &Decision) -> Held {
    let is_coming =
        |peer: &Peer| peer.object == Object::Absent && Some(&peer.pod) < evidence.me.as_ref() && is_awaited(evidence, peer);
    let leads = leads_by_its_disk(evidence, decision);
    holds(!leads || !evidence.peers.iter().any(is_coming), evidence, decision, "leads before a lower ordinal has told")
}

pub fn nobody_leads_while_another_that_marked_the_record_may_be_starting(evidence: &Evidence, decision: &Decision) -> Held {
    let is_starting = |peer: &Peer| has_marked(evidence, peer) && !has_copied(peer) && is_awaited(evidence, peer);
    let leads = leads_by_its_disk(evidence, decision);
    holds(
        !leads || !evidence.peers.iter().any(is_starting),
        evidence,
        decision,
        "leads while one that has marked may be starting",
    )
}

pub fn nobody_leads_while_another_may_have_copied_a_master_unseen(evidence: &Evidence, decision: &Decision) -> Held {
    let may_hold_more = |peer: &Peer| may_have_copied_unseen(peer) && is_awaited(evidence, peer);
    let leads = leads_by_its_disk(evidence, decision);
    holds(!leads || !evidence.peers.iter().any(may_hold_more), evidence, decision, "leads while another may have copied a master")
}

pub fn nobody_leads_while_a_failover_may_be_under_way(evidence: &Evidence, decision: &Decision) -> Held {
    let Lead(claim) = &decision.role else { return Ok(()) };
    let may_be_elected = |peer: &Peer| match &peer.heard {
        Reply::Answer(Role::Replica(replica)) => replica.priority > 0,
        Reply::Answer(Role::Master) => false,
        Reply::Pending | Reply::Failed(_) => !is_down(evidence, peer),
    };
    let is_under_way = evidence.watches().any(|(_, watch)| watch.failover_in_progress);
    let is_calm = |watch: &crate::core::evidence::Watch| {
        evidence.member_at(&watch.master.host) == Some(&claim.master) && !watch.finds_master_down
    };
    let has_waited = evidence.waited >= evidence.down_after + FAILOVER;
    let is_calm = evidence.watches().all(|(_, watch)| is_calm(watch)) && evidence.watches().count() >= evidence.majority();
    // At a first boot no Sentinel knows whom to replace.
    let is_possible = !is_unclaimed(evidence) && evidence.peers.iter().any(may_be_elected);
    holds(!is_under_way && (!is_possible || has_waited || is_calm), evidence, decision, "leads while a failover may be under way")
}

pub fn nobody_leads_after_being_given_up(evidence: &Evidence, decision: &Decision) -> Held {
    let is_abandoned = own_record(evidence).is_some_and(|record| record.is_abandoned);
    holds(!is_abandoned || !matches!(decision.role, Lead(_)), evidence, decision, "leads after being given up")
}

pub fn data_of_another_group_has_no_part(evidence: &Evidence, decision: &Decision) -> Held {
    holds(!is_foreign(evidence) || decision.role == Undecided, evidence, decision, "data of another group takes part")
}

pub fn without_claims_and_data_only_the_first_pod_leads(evidence: &Evidence, decision: &Decision) -> Held {
    let is_boot = is_unclaimed(evidence) && !evidence.own.disk.holds_data();
    let is_right = !is_boot || !matches!(decision.role, Lead(_)) || evidence.me.as_ref() == Some(&evidence.first);
    holds(is_right, evidence, decision, "leads a first boot and is not the first pod")
}

pub fn only_a_first_boot_makes_a_new_record(evidence: &Evidence, decision: &Decision) -> Held {
    let is_untouched = evidence.record == RecordSeen::Absent && is_unclaimed(evidence) && evidence.living_masters().is_empty();
    let is_empty = !evidence.own.disk.holds_data() && !evidence.peers.iter().any(|peer| holds_data(evidence, peer));
    let creates = matches!(decision.role, Lead(_)) && decision.record.is_some();
    let is_right = decision.is_first_boot == (creates && is_untouched && is_empty);
    holds(is_right, evidence, decision, "takes for a first boot what is none, or the other way round")
}

pub fn what_is_adopted_is_the_most_advanced_of_all(evidence: &Evidence, decision: &Decision) -> Held {
    let (Lead(claim) | Follow(claim)) = &decision.role else { return Ok(()) };
    let is_adoption = evidence.record == RecordSeen::Absent
        && is_unclaimed(evidence)
        && evidence.living_masters().is_empty()
        && (evidence.own.disk.holds_data() || evidence.peers.iter().any(|peer| holds_data(evidence, peer)));
    if !is_adoption {
        return Ok(());
    }
    let own = evidence.me.iter().map(|me| (Some(evidence.own.disk), me));
    let disks: Vec<_> = own.chain(evidence.peers.iter().map(|peer| (sure(evidence, peer), &peer.pod))).collect();
    let best = disks.iter().map(|(disk, pod)| (*disk, Reverse(*pod))).max();
    let is_known = disks.iter().all(|(disk, _)| disk.is_some());
    let is_best = best.is_some_and(|(_, Reverse(pod))| *pod == claim.master);
    holds(is_known && is_best, evidence, decision, "adopts another than the most advanced of all")
}

pub fn only_the_most_advanced_starts_promotable(evidence: &Evidence, decision: &Decision) -> Held {
    let (Follow(claim), true) = (&decision.role, decision.promotable) else { return Ok(()) };
    let own = evidence.own.disk;
    let is_behind = |peer: &Peer| {
        let margin = if peer.pod == claim.master { Some(evidence.down_after) } else { None };
        sure(evidence, peer).is_some_and(|disk| match margin {
            Some(margin) => own.is_newer_than(disk, margin),
            None => !disk.is_newer_than(own, Duration::ZERO),
        })
    };
    let is_fit = own.holds_data() && evidence.peers.iter().all(is_behind);
    let is_recorded = evidence.recorded().is_some_and(|record| record.claim == *claim && record.forced.is_none());
    holds(is_fit && is_recorded, evidence, decision, "starts electable though another may hold more")
}

pub fn who_is_followed_is_known_as_master(evidence: &Evidence, decision: &Decision) -> Held {
    let Follow(claim) = &decision.role else { return Ok(()) };
    let is_first_boot = is_unclaimed(evidence) && !is_kept(evidence) && claim.master == evidence.first;
    let is_adoption = is_unclaimed(evidence) && evidence.record == RecordSeen::Absent;
    let lives = evidence.living_masters().contains(&&claim.master);
    let is_known = lives || is_first_boot || is_adoption || is_named(evidence, &claim.master);
    holds(is_known && evidence.me.as_ref() != Some(&claim.master), evidence, decision, "follows whom nobody knows as master")
}

pub fn a_majority_that_names_the_only_living_master_is_believed(evidence: &Evidence, decision: &Decision) -> Held {
    let (Follow(claim), Some(record), [master]) = (&decision.role, evidence.recorded(), &evidence.living_masters()[..]) else {
        return Ok(());
    };
    let holder = &record.claim.master;
    let is_no_master = |peer: &Peer| match &peer.heard {
        Reply::Answer(Role::Master) => false,
        Reply::Answer(Role::Replica(_)) => true,
        Reply::Pending | Reply::Failed(_) => is_down(evidence, peer),
    };
    let is_dead = evidence.me.as_ref() == Some(holder) || evidence.peer(holder).is_some_and(is_no_master);
    let naming = evidence.watches().filter(|(_, watch)| evidence.member_at(&watch.master.host) == Some(master));
    let is_told = is_dead && naming.count() >= evidence.majority();
    holds(!is_told || *claim != record.claim, evidence, decision, "follows the dead, though a majority names the living")
}

pub fn nothing_is_written_without_a_decision(evidence: &Evidence, decision: &Decision) -> Held {
    let writes = decision.record.is_some();
    let is_right = !writes || decision.role != Undecided && is_kept(evidence);
    holds(is_right, evidence, decision, "writes what it has not decided")
}

pub fn the_record_never_goes_back(evidence: &Evidence, decision: &Decision) -> Held {
    let now = claims(evidence).pop().filter(|_| evidence.recorded().is_some());
    let mends = |next: &Claim| {
        evidence.recorded().is_some_and(|record| record.claim.epoch > 1 << 53 && record.claim.master == next.master)
    };
    let goes_back = decision.record.as_ref().zip(now).is_some_and(|(next, (_, now))| next.epoch <= now && !mends(next));
    holds(!goes_back, evidence, decision, "the record does not grow")
}

pub fn what_is_settled_is_followed(evidence: &Evidence, decision: &Decision) -> Held {
    if !is_settled(evidence) || is_foreign(evidence) {
        return Ok(());
    }
    let is_followed =
        matches!((&decision.role, &evidence.living_masters()[..]), (Follow(claim), [master]) if claim.master == **master);
    holds(is_followed, evidence, decision, "settled, and another is followed")
}

pub fn only_an_empty_pod_runs_at_last(evidence: &Evidence, decision: &Decision) -> Held {
    let Some(of) = &decision.last_resort_master else { return Ok(()) };
    let (absent, existing): (Vec<_>, Vec<_>) = evidence.peers.iter().partition(|peer| peer.object == Object::Absent);
    let is_first = absent.iter().map(|peer| &peer.pod).min() == Some(of);
    let is_given_up_on = |peer: &Peer| peer.heard.answer().is_none() && evidence.own.trying >= evidence.grace;
    let is_told = existing.iter().all(|peer| has_copied(peer) || sure(evidence, peer).is_some() || is_given_up_on(peer));
    let is_right = decision.role == Undecided && !evidence.own.disk.holds_data() && is_first && is_told;
    holds(is_right, evidence, decision, "would run at last, though another may still tell that it holds the data")
}

pub fn without_sentinels_the_holder_leads_with_its_data(evidence: &Evidence, decision: &Decision) -> Held {
    let is_abandoned = own_record(evidence).is_some_and(|record| record.is_abandoned);
    let may_lead = holds_all_writes(evidence) && !is_abandoned && evidence.living_masters().is_empty();
    holds(!may_lead || matches!(decision.role, Lead(_)), evidence, decision, "does not lead, and nobody else ever will")
}

pub fn without_sentinels_nobody_starts_promotable(evidence: &Evidence, decision: &Decision) -> Held {
    let is_elected = matches!(decision.role, Follow(_)) && decision.promotable;
    holds(!is_elected || !evidence.sentinels.is_empty(), evidence, decision, "starts electable where nobody elects")
}

pub fn a_sentinel_watches_the_only_living_master(evidence: &Evidence, decision: &Decision) -> Held {
    let (Follow(claim), [alive]) = (&decision.role, &evidence.living_masters()[..]) else { return Ok(()) };
    let is_dead = evidence.peer(&claim.master).is_some_and(|peer| match &peer.heard {
        Reply::Answer(role) => *role != Role::Master,
        Reply::Pending | Reply::Failed(_) => is_down(evidence, peer),
    });
    holds(claim.master == **alive || !is_dead, evidence, decision, "watches the dead beside the living")
}

pub fn a_sentinel_waits_for_who_is_starting(evidence: &Evidence, decision: &Decision) -> Held {
    let Some(start_marker) = evidence.recorded().and_then(|record| record.start_marker.as_ref()) else { return Ok(()) };
    let is_young = evidence.now.since(start_marker.at) < evidence.grace && evidence.living_masters().is_empty();
    let is_starting = |peer: &Peer| has_marked(evidence, peer) && peer.heard.answer().is_none();
    let waits = decision.role == Undecided || !is_young || !evidence.peers.iter().any(is_starting);
    holds(waits, evidence, decision, "does not wait for one that is starting")
}
