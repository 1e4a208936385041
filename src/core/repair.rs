//! What reconcile puts right: which replicas may be promoted, and what happens to a holder that does
//! not come back.

use std::fmt;
use std::time::Duration;

use super::disk::Disk;
use super::evidence::{Evidence, Known, Link, Object, Peer};
use super::identity::PodName;
use super::record::Record;
use super::rules::{Case, Rule, Rules};

/// What is to be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Repair {
    /// This replica is in sync: Sentinel may promote it.
    MakeElectable(PodName),
    /// The holder has been away for too long: the record says that it may not lead any more.
    GiveUpHolder,
    /// The holder that was given up is back with the newest disk: the word is taken back.
    TakeHolderBack,
    /// The holder was given up: this replica holds the most of what is left, and Sentinel shall
    /// promote it.
    ElectInstead(PodName),
    /// This Redis runs as a replica though the record names it and its disk is the newest: it must
    /// start anew, so that it decides anew.
    Restart(PodName),
}

impl fmt::Display for Repair {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::MakeElectable(pod) => write!(f, "{pod} is in sync: Sentinel may promote it"),
            Self::GiveUpHolder => f.write_str("the master has been away for too long: it is given up"),
            Self::TakeHolderBack => f.write_str("the master that was given up is back with the newest disk: it may lead again"),
            Self::ElectInstead(pod) => write!(f, "{pod} holds the most of what is left: Sentinel may promote it"),
            Self::Restart(pod) => write!(f, "{pod} runs as a replica, though it shall lead: it starts anew"),
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
    let living = evidence.living_masters();
    if let [master] = living[..] {
        let is_in_sync = |peer: &&Peer| {
            let replica = peer.replica();
            replica.is_some_and(|one| one.link == Link::Up && one.priority == 0 && evidence.member_at(&one.of.host) == Some(master))
        };
        return evidence.peers.iter().filter(is_in_sync).map(|peer| Repair::MakeElectable(peer.pod.clone())).collect();
    }
    let (Some(record), []) = (evidence.recorded(), &living[..]) else { return Vec::new() };
    without_master(case, record, masterless).into_iter().collect()
}

fn without_master(case: Case<'_>, record: &Record, masterless: Duration) -> Option<Repair> {
    let holder = &record.claim.master;
    let disk = case.peer(holder).map(|peer| case.disk_of(peer));
    let is_newest = match disk {
        Some(Known::Told(disk)) => disk.holds_data() && !is_surpassed(case, disk),
        _ => false,
    };
    let runs_as_replica = case.peer(holder).is_some_and(|peer| peer.replica().is_some());
    if runs_as_replica && is_newest && everyone_has_told(case) {
        return Some(Repair::Restart(holder.clone()));
    }
    if record.is_given_up {
        let comes_back = is_newest && !runs_as_replica && case.obeys(Rule::NewestIsNotGivenUp);
        return if comes_back { Some(Repair::TakeHolderBack) } else { elect_instead(case, holder) };
    }
    let is_marked_lately = record.mark.as_ref().is_some_and(|mark| case.now.since(mark.at) < case.grace);
    let is_over = masterless >= case.grace && !is_marked_lately;
    let gives_up = is_over && !(is_newest && case.obeys(Rule::NewestIsNotGivenUp));
    gives_up.then_some(Repair::GiveUpHolder)
}

/// The replica that holds the most of what is left, unless somebody holds more and does not run, or
/// it is electable already.
fn elect_instead(case: Case<'_>, holder: &PodName) -> Option<Repair> {
    let replicas = case.evidence().peers.iter().filter(|peer| peer.pod != *holder);
    let worth = |peer: &Peer| {
        let replica = peer.replica()?;
        match case.disk_of(peer) {
            // What was copied from a master since the start is newer than what any disk held then.
            Known::Copied => Some((true, Disk::Empty, replica.offset)),
            Known::Told(disk) => Some((false, disk, 0)),
            Known::Nothing => None,
        }
    };
    let best = replicas.filter_map(|peer| Some((worth(peer)?, peer))).max_by(|(a, one), (b, other)| a.cmp(b).then(other.pod.cmp(&one.pod)));
    let ((has_copied, disk, _), best) = best?;
    let is_surpassed = !has_copied && is_surpassed(case, disk) && case.obeys(Rule::NewestIsElected);
    let is_electable = best.replica().is_some_and(|replica| replica.priority > 0);
    (!is_surpassed && !is_electable).then(|| Repair::ElectInstead(best.pod.clone()))
}

/// Whether somebody has told of a newer disk.
fn is_surpassed(case: Case<'_>, than: Disk) -> bool {
    let is_newer = |peer: &Peer| matches!(case.disk_of(peer), Known::Told(disk) if disk.is_newer_than(than, Duration::ZERO));
    case.peers.iter().any(is_newer)
}

/// Whether the disk of every pod that exists is known.
fn everyone_has_told(case: Case<'_>) -> bool {
    case.peers.iter().all(|peer| peer.object == Object::Absent || matches!(case.disk_of(peer), Known::Told(_)))
}

#[cfg(test)]
#[path = "repair_tests.rs"]
mod tests;
