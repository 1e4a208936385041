//! What happens where nobody claims anything: a first boot, or a group that is taken over.

use std::cmp::Reverse;

use super::lead::{damaged, lead_or_yield, untold};
use super::{Decision, several_masters, verb};
use crate::core::epoch::Shown;
use crate::core::evidence::{Heard, Known, Link, Peer, RecordSeen};
use crate::core::record::Claim;
use crate::core::rules::{Case, Rule};

/// Nobody claims anything: a master that lives is taken as it is, else the most advanced disk, else
/// it is a first boot.
pub(super) fn without_claim(case: Case<'_>) -> Decision {
    let is_kept = match &case.record {
        RecordSeen::Unknown(failure) => {
            return Decision::undecided(format!(
                "is undecided: no Sentinel knows a master and the record cannot be read ({failure})"
            ));
        }
        RecordSeen::Present(_) | RecordSeen::Pending => {
            return Decision::undecided("is undecided: the record has not been heard");
        }
        RecordSeen::Absent => true,
        RecordSeen::NotKept => false,
    };
    match &case.evidence().living_masters()[..] {
        [] => {}
        [master] => {
            let claim = Claim { master: (*master).clone(), epoch: 0 };
            let record = is_kept.then(|| claim.clone());
            let why = format!("{} {master}: nobody claims a master, and it alone lives as one", verb(case));
            return Decision::follow(claim, record, why);
        }
        several => return Decision::undecided(several_masters(several)),
    }
    if let (false, Some(why)) = (is_kept, unfounded_claim(case)) {
        return Decision::undecided(format!("is undecided: {why}"));
    }
    if let (Some(damage), true) = (&case.own.damage, case.obeys(Rule::HoldsData)) {
        return Decision::undecided(format!("is undecided: nobody claims a master, and its data cannot be loaded ({damage})"));
    }
    if is_kept && holds_data_anywhere(case) && case.obeys(Rule::FirstBootIsEmpty) {
        return adopt(case);
    }
    let obstacle =
        if is_kept { running_replica(case).or_else(|| damage_elsewhere(case)) } else { first_boot_obstacle_without_record(case) };
    if let Some(obstacle) = obstacle {
        return Decision::undecided(format!("is undecided: {obstacle}"));
    }
    let claim = Claim { master: case.first.clone(), epoch: 0 };
    if case.me.as_ref() == Some(&case.first) {
        if let (Some(obstacle), true) = (still_to_tell(case), is_kept && case.obeys(Rule::FirstBootIsEmpty)) {
            return Decision::undecided(format!("is undecided: {obstacle}"));
        }
        let why = if is_kept {
            "leads: a first boot, for there is no record, no claim, no master and no data, and it is the first pod"
        } else {
            "leads: a first boot, for nobody claims a master or lives as one, and it is the first pod"
        };
        return Decision { is_first_boot: is_kept, ..Decision::lead(claim.clone(), is_kept.then_some(claim), why) };
    }
    if is_kept {
        return Decision::undecided(format!("waits for {}, the first pod, to create the record", case.first));
    }
    let why = format!("{} {}: a first boot, and that is the first pod", verb(case), case.first);
    Decision::follow(claim, None, why)
}

/// A claim with an epoch that cannot be is none, and where no record is kept there may be nothing else that says who
/// was the master: that is no first boot.
fn unfounded_claim(case: Case<'_>) -> Option<String> {
    let told = case.evidence().watches().map(|(at, watch)| (format!("Sentinel {at}"), &watch.master, watch.config_epoch));
    let kept = case.kept.iter().map(|kept| ("the own earlier file".to_owned(), &kept.master, kept.config_epoch));
    let (who, master, epoch) = told.chain(kept).next()?;
    let epoch = Shown(epoch);
    Some(format!("{who} names {master} at epoch {epoch}, which cannot be, and without a record nobody else says who leads"))
}

fn holds_data_anywhere(case: Case<'_>) -> bool {
    let holds_data = |peer: &Peer| match case.disk_of(peer) {
        Known::Told(disk) => disk.holds_data(),
        Known::Copied => true,
        Known::Nothing => false,
    };
    case.own.disk.holds_data() || case.peers.iter().any(holds_data)
}

/// Nobody claims anything, but there is data: once all pods have told, the most advanced disk leads;
/// of equal ones that of the lowest ordinal in the first set.
fn adopt(case: Case<'_>) -> Decision {
    let mut disks = Vec::new();
    disks.extend(case.evidence().me.iter().map(|me| (case.own.disk, me)));
    for peer in &case.evidence().peers {
        match case.disk_of(peer) {
            Known::Told(disk) => disks.push((disk, &peer.pod)),
            Known::Copied | Known::Nothing if case.obeys(Rule::AllToldBeforeAdoption) => {
                return Decision::undecided(format!(
                    "is undecided: there is data, and nobody knows who was the master; {} has not told what its disk holds. If it never will, `ordain reconcile --assume-master POD` decides",
                    peer.pod
                ));
            }
            Known::Copied | Known::Nothing => {}
        }
    }
    if let (Some(pod), true) = (case.evidence().unproven.first(), case.obeys(Rule::AllToldBeforeAdoption)) {
        return Decision::undecided(format!(
            "is undecided: there is data, nobody knows who was the master, and nothing says whether {pod}, which carries the labels, is a member. A pod of the group that starts decides, or `ordain reconcile --assume-master POD`"
        ));
    }
    let best = disks.into_iter().max_by_key(|(disk, pod)| (*disk, Reverse(case.sets.place(pod)))).map(|(_, pod)| pod);
    let Some(best) = best else { return Decision::undecided("is undecided: nobody has told what its disk holds") };
    let claim = Claim { master: best.clone(), epoch: 0 };
    if case.me.as_ref() == Some(best) {
        return lead_or_yield(case, &claim, "of all disks its own is the most advanced, which");
    }
    let why = format!("{} {best}: nobody claims a master, and of all disks its is the most advanced", verb(case));
    Decision::follow(claim.clone(), Some(claim), why)
}

/// Why this cannot be taken for a first boot, though the record is proven absent.
fn running_replica(case: Case<'_>) -> Option<String> {
    case.peers.iter().find_map(|peer| {
        let replica = peer.replica()?;
        Some(format!("{} runs as a replica of {}, though nobody claims a master", peer.pod, replica.of))
    })
}

/// Why this cannot be a first boot: the group has had data, which cannot be loaded.
fn damage_elsewhere(case: Case<'_>) -> Option<String> {
    let why = case.peers.iter().find_map(damaged).filter(|_| case.obeys(Rule::FirstBootIsEmpty))?;
    Some(format!(
        "nobody claims a master, and {why}: repair it, or say by `ordain reconcile --assume-master POD` who leads without it"
    ))
}

/// Who has not told yet that its disk is empty.
fn still_to_tell(case: Case<'_>) -> Option<String> {
    case.peers.iter().find_map(|peer| untold(case, peer))
}

/// The same where no record is kept: only an answer, a refusal or an unknown name proves anything.
fn first_boot_obstacle_without_record(case: Case<'_>) -> Option<String> {
    for peer in &case.peers {
        // The others start before the first pod, and wait for it as its replicas.
        let waits = |of| case.member_at(of) == Some(&case.first);
        if let Some(replica) = peer.replica().filter(|replica| !waits(&replica.of.host) || replica.link != Link::Never) {
            return Some(format!("{} runs as a replica of {}, though nobody claims a master", peer.pod, replica.of));
        }
    }
    let silent_peer = case.peers.iter().find_map(|peer| Some((peer.pod.to_string(), silence(&peer.heard)?)));
    let silent_sentinel = || case.sentinels.iter().find_map(|one| Some((format!("Sentinel {}", one.at), silence(&one.heard)?)));
    if let Some((who, why)) = silent_peer.or_else(silent_sentinel) {
        return Some(format!("{who} gave no answer ({why}), and without a record silence proves nothing"));
    }
    let unfound = case.discovery.as_ref().filter(|failure| !failure.proves_nothing_runs())?;
    Some(format!("the Sentinels could not be looked up ({unfound})"))
}

/// Why nothing was heard from a source that may be there all the same.
fn silence<T>(heard: &Heard<T>) -> Option<String> {
    match heard {
        Heard::Answer(_) => None,
        Heard::Failed(failure) => (!failure.proves_nothing_runs()).then(|| failure.to_string()),
        Heard::Pending => Some("not heard yet".to_owned()),
    }
}
