//! What reconcile puts right: which replicas may be promoted, and what happens to a holder that does
//! not come back.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use super::decision::{claim_above_all, newest_claim};
use super::disk::Disk;
use super::evidence::{Evidence, Known, Link, Object, Peer, RecordSeen, Role, Sentinel, SentinelAnswer, Watch};
use super::identity::{Endpoint, Host, PodName};
use super::record::{Assumed, Claim, Record};
use super::rules::{Case, Rule, Rules};

/// What is to be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Repair {
    /// This replica is in sync: Sentinel may promote it.
    MakeElectable(PodName),
    /// This replica's own priority is 0, and its server has another: Sentinel may not promote it.
    KeepUnpromotable(PodName),
    /// The claimed master has been away for too long: the record says that it may not lead any more.
    GiveUp(Claim),
    /// The holder that was given up lives as master, or is back with the newest disk: the word is
    /// taken back.
    TakeHolderBack,
    /// The holder was given up: this replica holds the most of what is left, and Sentinel shall
    /// promote it.
    ElectInstead(PodName),
    /// The same, where no Sentinel looks for the group at any member's address, so that none can promote it: the
    /// record names it, and it starts anew to lead.
    NameInstead(Claim),
    /// This replica follows an address where the master is not, and that no Sentinel mends: it knows only the replicas
    /// of which the master tells. It is told to follow that master.
    Follow(PodName, PodName),
    /// This Redis runs as a replica that never had a master, and nobody knows what it holds; or though it
    /// is claimed as master, and its disk is the newest or a person wants it so: it must start anew, so
    /// that it tells and decides anew.
    Restart(PodName),
    /// This pod's Redis runs, though its word of its disk says that it has not started: the word ends.
    EndWord(PodName),
    /// This Sentinel does not watch the group: it is told to watch this master.
    Tell(Endpoint, PodName),
    /// This Sentinel was told to watch the group, and by a run that was cut short nothing else: it is told the rest.
    TellRest(Endpoint, PodName),
    /// This Sentinel knows more replicas than the group has pods: it forgets the replicas, and finds those
    /// that live.
    Reset(Endpoint),
    /// This Sentinel names another than all the others do, or an address where the master is not any more, and
    /// nothing will change its mind: it forgets the group, and is told of it again.
    Unwatch(Endpoint),
}

impl fmt::Display for Repair {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::MakeElectable(pod) => write!(f, "{pod} is in sync: Sentinel may promote it"),
            Self::KeepUnpromotable(pod) => write!(f, "{pod} has the priority 0: Sentinel may not promote it"),
            Self::GiveUp(claim) => write!(f, "{} has been away for too long: it is given up as master", claim.master),
            Self::TakeHolderBack => f.write_str("the master that was given up is back: it may lead again"),
            Self::ElectInstead(pod) => write!(f, "{pod} holds the most of what is left: Sentinel may promote it"),
            Self::NameInstead(claim) => {
                write!(
                    f,
                    "{} holds the most of what is left, at an address that no Sentinel knows: the record names it",
                    claim.master
                )
            }
            Self::Follow(pod, master) => {
                write!(f, "{pod} follows an address where {master} is not: it is told to follow {master}")
            }
            Self::Restart(pod) => {
                write!(f, "{pod} runs as a replica of none that lives: it starts anew, to tell what it holds and to decide")
            }
            Self::EndWord(pod) => write!(f, "{pod} runs: what it told of its disk before holds no more"),
            Self::Tell(at, master) => write!(f, "Sentinel {at} does not know the group: it is told that {master} leads"),
            Self::TellRest(at, _) => {
                write!(f, "Sentinel {at} watches the group with its own default times and without a hook: it is told the rest")
            }
            Self::Unwatch(at) => {
                write!(f, "Sentinel {at} goes on naming where no master is: it forgets the group, to be told again")
            }
            Self::Reset(at) => write!(f, "Sentinel {at} knows replicas that are gone: it forgets all, and finds those that live"),
        }
    }
}

/// What is to be done, where this reconcile itself has seen no master for that long.
pub fn repairs(evidence: &Evidence, masterless: Duration) -> Vec<Repair> {
    repairs_by(Rules::ALL, evidence, masterless)
}

/// The same by fewer rules, to show what they are for.
pub fn repairs_by(rules: Rules, evidence: &Evidence, masterless: Duration) -> Vec<Repair> {
    let case = Case::new(evidence, rules);
    let has_started = |peer: &&Peer| peer.heard.answer().is_some() && peer.word().is_some_and(|(_, word)| !word.started);
    let mut repairs: Vec<_> = evidence.peers.iter().filter(has_started).map(|peer| Repair::EndWord(peer.pod.clone())).collect();
    let is_kept_back =
        |peer: &&Peer| evidence.own_priority(peer) == Some(0) && peer.replica().is_some_and(|replica| replica.priority > 0);
    let kept_back = evidence.peers.iter().filter(is_kept_back);
    repairs.extend(kept_back.map(|peer| Repair::KeepUnpromotable(peer.pod.clone())));
    match (&evidence.living_masters()[..], evidence.recorded()) {
        ([master], record) => {
            let is_in_sync = |peer: &&Peer| {
                // One whose own priority is not known may have 0.
                let may_be_promoted = evidence.own_priority(peer).is_some_and(|own| own > 0);
                may_be_promoted && evidence.is_in_sync_at_0(peer, master) && has_ended_its_word(evidence, peer)
            };
            if is_calm(evidence, master) {
                let in_sync = evidence.peers.iter().filter(is_in_sync);
                repairs.extend(in_sync.map(|peer| Repair::MakeElectable(peer.pod.clone())));
                repairs.extend(knows_too_many(evidence, master));
            }
            if is_undoubted(evidence, record, master) {
                repairs.extend(unaware(evidence).map(|at| Repair::Tell(at.clone(), (*master).clone())));
                let half_told = evidence.watches().filter(|(_, watch)| watch.is_half_told);
                repairs.extend(half_told.map(|(at, _)| Repair::TellRest(at.clone(), (*master).clone())));
            }
            repairs.extend(look_elsewhere(evidence, record, master).map(|at| Repair::Unwatch(at.clone())));
            let is_back = record.is_some_and(|record| record.is_given_up && record.claim.master == **master);
            repairs.extend(is_back.then_some(Repair::TakeHolderBack));
            if is_calm(evidence, master) {
                repairs.extend(who_follow_elsewhere(evidence, record, master));
            }
        }
        ([], Some(record)) => repairs.extend(without_master(case, record, masterless)),
        _ => {}
    }
    repairs
}

/// Whether the claimed master has told that its disk is the newest, so that it can be expected to lead:
/// only what comes after that counts as time without a master.
pub fn may_yet_lead(evidence: &Evidence) -> bool {
    let case = Case::new(evidence, Rules::ALL);
    newest_claim(evidence).is_some_and(|claim| has_the_newest_disk(case, &claim.master))
}

fn has_the_newest_disk(case: Case<'_>, pod: &PodName) -> bool {
    match case.peer(pod).map(|peer| case.disk_of(peer)) {
        Some(Known::Told(disk)) => disk.holds_data() && !is_surpassed(case, disk, case.down_after),
        _ => false,
    }
}

/// Whether a majority of the Sentinels finds nothing wrong with the master: one that has just started
/// is not replaced by a failover that they were about to begin. Nor does it hand over: then it has set replicas
/// aside on purpose, and a Sentinel is about to be asked for a failover.
fn is_calm(evidence: &Evidence, master: &PodName) -> bool {
    let is_agreed = evidence.has_no_sentinels() || who_find_nothing_wrong(evidence, master) >= evidence.majority();
    is_agreed && evidence.handing_over.as_ref() != Some(master)
}

/// How many Sentinels find nothing wrong with the master.
fn who_find_nothing_wrong(evidence: &Evidence, master: &PodName) -> usize {
    let finds_nothing_wrong = |watch: &Watch| {
        let names = evidence.member_at(&watch.master.host) == Some(master) && evidence.is_still_at(master, &watch.master);
        names && !watch.finds_master_down && !watch.failover_in_progress
    };
    evidence.watches().filter(|(_, watch)| finds_nothing_wrong(watch)).count()
}

/// Whether what a replica has told of its disk holds no more for anybody. Else it counts again once this server is gone,
/// though what that was promoted for, and took since, is newer: it may have started while the API server was away, and
/// while that is so nobody knows.
pub fn has_ended_its_word(evidence: &Evidence, peer: &Peer) -> bool {
    match &peer.object {
        Object::Present { word, .. } => word.as_ref().is_none_or(|word| word.started),
        Object::Absent | Object::Unknown => evidence.record == RecordSeen::NotKept,
    }
}

/// Whether nobody doubts who leads, so that a Sentinel may be told. A group without a record is told to nobody: it is
/// new, or was forgotten. Nor is it where another Sentinel looks for the master where that is not any more: it
/// would tell the one that was told.
fn is_undoubted(evidence: &Evidence, record: Option<&Record>, master: &PodName) -> bool {
    is_named_by_all(evidence, record, master) && evidence.watches().all(|(_, watch)| evidence.is_still_at(master, &watch.master))
}

/// The Sentinels that do not watch the group.
fn unaware(evidence: &Evidence) -> impl Iterator<Item = &Endpoint> {
    let is_unaware = |sentinel: &&Sentinel| sentinel.heard.answer() == Some(&SentinelAnswer::Unaware);
    evidence.sentinels.iter().filter(is_unaware).map(|sentinel| &sentinel.at)
}

/// Whether nobody doubts who leads: the record and each Sentinel that watches the group name this pod.
fn is_named_by_all(evidence: &Evidence, record: Option<&Record>, master: &PodName) -> bool {
    record.is_some_and(|record| record.claim.master == *master)
        && evidence.watches().all(|(_, watch)| evidence.claimed(&watch.master, watch.config_epoch) == Some(master))
}

/// Whether the record names this pod by a newer epoch than every Sentinel, and none of them looks for it where it is:
/// so nobody tells the others.
fn is_named_by_record_alone(evidence: &Evidence, record: Option<&Record>, master: &PodName) -> bool {
    record.is_some_and(|record| {
        let is_behind = |watch: &Watch| watch.config_epoch < record.claim.epoch && !evidence.is_still_at(master, &watch.master);
        record.claim.master == *master && evidence.watches().all(|(_, watch)| is_behind(watch))
    })
}

/// The Sentinels that look for the master where it is not any more, for it was made anew at another address, or leads in
/// the place of one that is gone for good: they find nobody there, and nobody tells them. As soon as one of them finds
/// the master down, all of them, for one that was told would hear the old address again from the next, and soon they
/// would elect another in the place of a master that lives; and while nobody doubts who leads.
fn look_elsewhere<'a>(evidence: &'a Evidence, record: Option<&Record>, master: &PodName) -> impl Iterator<Item = &'a Endpoint> {
    let is_lost = |watch: &Watch| !evidence.is_still_at(master, &watch.master);
    let is_found_out = evidence.watches().any(|(_, watch)| is_lost(watch) && watch.finds_master_down)
        && evidence.watches().all(|(_, watch)| !watch.failover_in_progress)
        && (is_named_by_all(evidence, record, master) || is_named_by_record_alone(evidence, record, master));
    evidence.watches().filter(move |(_, watch)| is_found_out && is_lost(watch)).map(|(at, _)| at)
}

/// The replicas that follow an address where the master is not, though nobody doubts who leads and no failover is
/// about to tell them.
fn who_follow_elsewhere(evidence: &Evidence, record: Option<&Record>, master: &PodName) -> Vec<Repair> {
    // By its name a Sentinel knows every member, wherever it is.
    let is_over = |watch: &Watch| {
        let is_there = matches!(watch.master.host, Host::Ip(_)) && evidence.is_still_at(master, &watch.master);
        is_there && !watch.failover_in_progress && !watch.has_promoted
    };
    let is_agreed = !evidence.has_no_sentinels()
        && !evidence.ips_of(master).is_empty()
        && evidence.watches().all(|(_, watch)| is_over(watch))
        && is_named_by_all(evidence, record, master);
    let is_there = |at: &Endpoint| evidence.member_at(&at.host) == Some(master) && evidence.is_still_at(master, at);
    let follows_elsewhere = |peer: &&Peer| peer.replica().is_some_and(|replica| !is_there(&replica.of));
    let astray = evidence.peers.iter().filter(|_| is_agreed).filter(follows_elsewhere);
    astray.map(|peer| Repair::Follow(peer.pod.clone(), master.clone())).collect()
}

/// The Sentinels that name another master than the only one that lives, though a majority and the record name
/// that, and not by a newer epoch. One that has not heard of a failover yet does so for a moment; one that
/// lost its own failover to another at the same epoch, for ever, or that was told to forget all in its midst.
/// Sentinels that are gone keep the others from nothing here: to forget them takes that all agree.
pub fn stubborn(evidence: &Evidence) -> Vec<&Endpoint> {
    let ([master], Some(record)) = (&evidence.living_masters()[..], evidence.recorded()) else { return Vec::new() };
    let agreed = who_find_nothing_wrong(evidence, master) >= evidence.majority_without_the_gone();
    if record.claim.master != **master || !agreed || evidence.handing_over.as_ref() == Some(*master) {
        return Vec::new();
    }
    let names_it = |watch: &Watch| evidence.member_at(&watch.master.host) == Some(*master);
    let newest = evidence.claims().filter(|(_, watch)| names_it(watch)).map(|(_, watch)| watch.config_epoch).max();
    // An epoch that cannot be is no newer one.
    let newest = newest.or(evidence.recorded_epoch());
    let is_newer = |at: &Endpoint| evidence.claims().any(|(one, watch)| one == at && Some(watch.config_epoch) > newest);
    let is_stubborn = |at: &Endpoint, watch: &Watch| !names_it(watch) && !watch.failover_in_progress && !is_newer(at);
    evidence.watches().filter(|(at, watch)| is_stubborn(at, watch)).map(|(at, _)| at).collect()
}

/// A Sentinel that knows more replicas than can be, one at a time: until it has found everyone again it can
/// promote nobody, and a failover of its own ends undone. So nothing else may be wrong: every pod answers, every
/// Sentinel knows all the others, and none is failing over.
fn knows_too_many(evidence: &Evidence, master: &PodName) -> Option<Repair> {
    let is_whole = |peer: &Peer| peer.pod == *master || peer.replica().is_some_and(|replica| replica.link == Link::Up);
    let knows_all =
        |watch: &Watch| watch.other_sentinels + 1 >= evidence.sentinel_count && watch.known_replicas + 1 >= evidence.peers.len();
    let is_done = |watch: &Watch| !watch.failover_in_progress && !watch.has_promoted;
    let are_all_well = evidence.peers.iter().all(is_whole)
        && evidence.watches().count() == evidence.sentinels.len()
        && evidence.watches().all(|(_, watch)| knows_all(watch) && is_done(watch));
    let knows_more = |watch: &Watch| watch.known_replicas + 1 > evidence.peers.len();
    let first = evidence.watches().find(|(_, watch)| knows_more(watch)).filter(|_| are_all_well)?;
    Some(Repair::Reset(first.0.clone()))
}

/// Whether nothing is wrong with a group, and nothing is about to change by itself: everyone has answered, one
/// master lives that the record and all Sentinels name, and every replica is in sync and may be promoted, where there
/// is a Sentinel that could.
pub fn is_quiet(evidence: &Evidence) -> bool {
    let ([master], Some(record)) = (&evidence.living_masters()[..], evidence.recorded()) else { return false };
    let names = |at: &Endpoint| evidence.member_at(&at.host) == Some(master);
    let is_fit = |peer: &Peer| match peer.heard.answer() {
        Some(Role::Master) => true,
        Some(Role::Replica(replica)) => {
            let may_be_promoted = replica.priority > 0;
            let is_as_it_shall =
                may_be_promoted == evidence.own_priority(peer).is_none_or(|own| own > 0) || evidence.sentinel_count == 0;
            replica.link == Link::Up && is_as_it_shall && names(&replica.of)
        }
        None => false,
    };
    let is_well = |sentinel: &Sentinel| match sentinel.heard.answer() {
        Some(SentinelAnswer::Watching(watch)) => names(&watch.master) && !watch.finds_master_down && !watch.failover_in_progress,
        _ => false,
    };
    record.claim.master == **master && evidence.peers.iter().all(is_fit) && evidence.sentinels.iter().all(is_well)
}

/// Whether the label of a pod is to be withheld from readers: it answers as a replica, and its link to the
/// master has been down for `stale_after`, by its own word or as was seen (`seen_down`). It is given back when
/// the link is up, and nothing is withheld where that is none. Who does not answer keeps what it has.
pub fn is_kept_from_readers(
    evidence: &Evidence,
    pod: &PodName,
    is_withheld: bool,
    stale_after: Option<Duration>,
    seen_down: &BTreeMap<PodName, Duration>,
) -> bool {
    let Some(stale_after) = stale_after else { return false };
    match evidence.peer(pod).and_then(|peer| peer.heard.answer()) {
        None => is_withheld,
        Some(Role::Master) => false,
        Some(Role::Replica(replica)) if replica.link == Link::Up => false,
        Some(Role::Replica(replica)) => {
            let seen = seen_down.get(pod).copied();
            is_withheld || replica.down_for.max(seen).is_some_and(|down| down >= stale_after)
        }
    }
}

/// The replicas whose links are down now.
pub fn links_down(evidence: &Evidence) -> impl Iterator<Item = &PodName> {
    let is_down = |peer: &&Peer| peer.replica().is_some_and(|replica| replica.link != Link::Up);
    evidence.peers.iter().filter(is_down).map(|peer| &peer.pod)
}

fn without_master(case: Case<'_>, record: &Record, masterless: Duration) -> Option<Repair> {
    // What it holds can be known only if it tells so before it starts again.
    if let Some(peer) = case.peers.iter().find(|peer| runs_without_a_word(peer)) {
        return Some(Repair::Restart(peer.pod.clone()));
    }
    let claim = newest_claim(case.evidence())?;
    let named = &claim.master;
    let disk = case.peer(named).map(|peer| case.disk_of(peer));
    let is_newest = has_the_newest_disk(case, named);
    let runs_as_replica = case.peer(named).is_some_and(|peer| peer.replica().is_some());
    let is_wanted = record.assumed == Some(Assumed::Open) && record.claim.master == *named;
    if runs_as_replica && (is_wanted || is_newest && everyone_has_told(case)) {
        return Some(Repair::Restart(named.clone()));
    }
    let nobody_elects = case.has_no_sentinels() && case.obeys(Rule::OnlyTheHolderWrites);
    if record.is_given_up && record.claim.master == *named {
        let comes_back = is_newest && !runs_as_replica && case.obeys(Rule::NewestIsNotGivenUp);
        return if comes_back {
            Some(Repair::TakeHolderBack)
        } else if nobody_elects {
            None
        } else {
            elect_instead(case, named)
        };
    }
    if nobody_elects {
        return None;
    }
    let is_over = masterless >= case.grace && case.young_mark().is_none();
    // All have told, and it may not lead for its disk: nothing is gained by waiting for it.
    let cannot_lead = matches!(disk, Some(Known::Told(disk)) if is_surpassed(case, disk, case.down_after));
    let is_hopeless = cannot_lead && everyone_has_told(case);
    let gives_up = (is_over || is_hopeless) && !(is_newest && case.obeys(Rule::NewestIsNotGivenUp));
    (gives_up && record.assumed != Some(Assumed::Open)).then_some(Repair::GiveUp(claim))
}

/// The replica that holds the most of what is left, unless somebody holds more and does not run, or
/// it is electable already.
fn elect_instead(case: Case<'_>, named: &PodName) -> Option<Repair> {
    let replicas = case.evidence().peers.iter().filter(|peer| peer.pod != *named);
    let worth = |peer: &Peer| {
        let replica = peer.replica()?;
        match case.disk_of(peer) {
            // What was copied from a master since the start is newer than what any disk held then.
            Known::Copied => Some((true, Disk::Empty, replica.offset)),
            Known::Told(disk) => Some((false, disk, 0)),
            Known::Nothing => None,
        }
    };
    let ranked = replicas.filter_map(|peer| Some((worth(peer)?, Reverse(case.sets.place(&peer.pod)), peer)));
    let (never, ranked): (Vec<_>, Vec<_>) = ranked.partition(|(_, _, peer)| case.own_priority(peer) == Some(0));
    let best = ranked.into_iter().max_by(|one, other| (&one.0, &one.1).cmp(&(&other.0, &other.1)))?;
    let ((has_copied, disk, _), _, best) = best;
    // Whether it may be promoted at all is not known.
    case.own_priority(best)?;
    // What one that is never promoted has copied would be lost.
    if !has_copied && never.iter().any(|((has_copied, ..), ..)| *has_copied) {
        return None;
    }
    // Nothing is more than what others have not told of only once all have told, who does not exist yet, too; and it
    // is no more than what cannot be loaded.
    let is_known = |peer: &Peer| matches!(case.disk_of(peer), Known::Told(_)) && peer.damage().is_none();
    if !has_copied && !disk.holds_data() && !case.peers.iter().all(is_known) {
        return None;
    }
    // Who was silent only for a moment may hold more.
    let is_awaited = |peer: &Peer| case.disk_of(peer) == Known::Nothing && case.was_heard_lately(peer);
    if case.peers.iter().any(is_awaited) && case.obeys(Rule::HeardLatelyIsAwaited) {
        return None;
    }
    let is_surpassed = !has_copied && is_surpassed(case, disk, Duration::ZERO) && case.obeys(Rule::NewestIsElected);
    let is_electable = best.replica().is_some_and(|replica| replica.priority > 0);
    if is_surpassed {
        None
    } else if !is_electable {
        has_ended_its_word(case.evidence(), best).then(|| Repair::ElectInstead(best.pod.clone()))
    } else {
        nobody_can_promote(case.evidence(), named).then(|| Repair::NameInstead(claim_above_all(case.evidence(), &best.pod)))
    }
}

/// Whether a majority of the Sentinels looks for the holder where it is not, and no other does elsewhere: a replica that
/// was made anew since has another address than they know, and only a master would tell it.
fn nobody_can_promote(evidence: &Evidence, holder: &PodName) -> bool {
    let is_lost =
        |watch: &Watch| !evidence.is_still_at(holder, &watch.master) && watch.finds_master_down && !watch.failover_in_progress;
    evidence.watches().all(|(_, watch)| is_lost(watch)) && evidence.watches().count() >= evidence.majority()
}

/// Whether it runs with what its disk held, and its run has not told what that is: the API server was
/// away when it started.
fn runs_without_a_word(peer: &Peer) -> bool {
    let run = peer.word().map(|(instance, _)| instance.run);
    peer.replica().is_some_and(|replica| replica.link == Link::Never && (replica.run.is_none() || replica.run != run))
}

/// Whether somebody has told of a disk that is newer by more than `margin`.
fn is_surpassed(case: Case<'_>, than: Disk, margin: Duration) -> bool {
    let is_newer = |peer: &Peer| matches!(case.disk_of(peer), Known::Told(disk) if disk.is_newer_than(than, margin));
    case.peers.iter().any(is_newer)
}

/// Whether the disk of every pod that exists is known.
fn everyone_has_told(case: Case<'_>) -> bool {
    case.peers.iter().all(|peer| peer.object == Object::Absent || matches!(case.disk_of(peer), Known::Told(_)))
}

#[cfg(test)]
#[path = "repair_tests.rs"]
mod tests;
