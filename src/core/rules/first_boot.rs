//! What happens where nobody claims anything: a first boot, or a group that is taken over.

use std::cmp::Reverse;

use super::catalogue::{ADOPT, ADOPT_AFTER_ALL, FIRST_BOOT, FIRST_BOOT_IS_EMPTY, LIVING_MASTER, NO_DATA, RECORD_UNREADABLE};
use super::claims::OWN_FILE;
use super::facts::Facts;
use super::lead::{Claimed, lead_or_yield, several_masters};
use super::record::RECORD_NOT_READ_YET;
use super::report::{damaged, missing_report};
use super::table::{Row, Table};
use crate::core::decision::{Decision, Reason};
use crate::core::epoch::Shown;
use crate::core::evidence::{DiskData, Link, Peer, RecordSeen, Reply};
use crate::core::record::Claim;

/// Nobody claims anything: a master that lives is taken as it is, else the most advanced disk, else
/// it is a first boot.
pub(super) fn without_claim(facts: &Facts<'_>) -> Decision {
    facts.rules.decide::<WithoutClaim>(facts).unwrap_or_else(|| Decision::undecided("waits: nobody claims a master"))
}

pub(in crate::core) struct WithoutClaim;

impl Table for WithoutClaim {
    type Facts<'a> = Facts<'a>;
    type Outcome = Decision;
    const QUESTION: &'static str = "Nobody claims anything: who leads?";
    const ROWS: &'static [Row<Self>] = &[
        Row { rule: &RECORD_UNREADABLE, check: record_was_not_read },
        Row { rule: &ADOPT, check: one_master_lives },
        Row { rule: &LIVING_MASTER, check: several_live },
        Row { rule: &NO_DATA, check: own_data_is_damaged },
        Row { rule: &FIRST_BOOT_IS_EMPTY, check: is_no_first_boot },
        Row { rule: &FIRST_BOOT, check: is_a_first_boot },
    ];
}

fn record_was_not_read(facts: &Facts<'_>) -> Option<Decision> {
    match &facts.record {
        RecordSeen::Unknown(failure) => {
            Some(Decision::undecided(format!("waits: no Sentinel knows a master, and the record cannot be read ({failure})")))
        }
        RecordSeen::Present(_) | RecordSeen::Pending => Some(Decision::undecided(RECORD_NOT_READ_YET)),
        RecordSeen::Absent | RecordSeen::NotKept => None,
    }
}

fn one_master_lives(facts: &Facts<'_>) -> Option<Decision> {
    let living = facts.evidence.living_masters();
    let [master] = living[..] else { return None };
    let claim = Claim { master: master.clone(), epoch: 0 };
    let why = format!("{} {master}: nobody claims a master, and {master} alone lives as one", facts.verb());
    Some(Decision::follow(claim.clone(), is_kept(facts).then_some(claim), why))
}

fn several_live(facts: &Facts<'_>) -> Option<Decision> {
    let living = facts.evidence.living_masters();
    (living.len() > 1).then(|| several_masters(&living))
}

fn own_data_is_damaged(facts: &Facts<'_>) -> Option<Decision> {
    let damage = facts.own.damage.as_ref()?;
    let why = format!("waits: nobody claims a master, and its data cannot be loaded ({damage})");
    Some(Decision::undecided(why))
}

/// Data anywhere is adopted. Else there may be some that nobody has reported, or a claim that nobody has heard.
fn is_no_first_boot(facts: &Facts<'_>) -> Option<Decision> {
    if !is_kept(facts) {
        let obstacle = unfounded_claim(facts).or_else(|| obstacle_without_record(facts))?;
        return Some(Decision::undecided(format!("waits: {obstacle}")));
    }
    if holds_data_anywhere(facts) {
        return Some(adopt(facts));
    }
    let obstacle = running_replica(facts).or_else(|| damage_elsewhere(facts)).map(Reason::from).or_else(|| {
        let is_first = facts.me.as_ref() == Some(&facts.first);
        let missing = facts.peers().iter().filter(|_| is_first).find_map(|peer| missing_report(facts, peer));
        missing.map(|missing| Reason { rule: None, ..missing })
    })?;
    Some(Decision::waits(Reason { why: format!("waits: {}", obstacle.why), ..obstacle }))
}

fn is_a_first_boot(facts: &Facts<'_>) -> Option<Decision> {
    let claim = Claim { master: facts.first.clone(), epoch: 0 };
    let is_kept = is_kept(facts);
    if facts.me.as_ref() == Some(&facts.first) {
        let why = if is_kept {
            "leads: a first boot, for there is no record, no claim, no master and no data, and it is the first pod"
        } else {
            "leads: a first boot, for nobody claims a master or lives as one, and it is the first pod"
        };
        return Some(Decision { is_first_boot: is_kept, ..Decision::lead(claim.clone(), is_kept.then_some(claim), why) });
    }
    if is_kept {
        return Some(Decision::undecided(format!("waits: {}, the first pod, has not created the record", facts.first)));
    }
    let why = format!("{} {first}: a first boot, and {first} is the first pod", facts.verb(), first = facts.first);
    Some(Decision::follow(claim, None, why))
}

/// Whether a record is kept here, and there is none yet.
fn is_kept(facts: &Facts<'_>) -> bool {
    facts.record == RecordSeen::Absent
}

/// A claim with an epoch that cannot be is none, and where no record is kept there may be nothing else that says who
/// was the master: that is no first boot.
fn unfounded_claim(facts: &Facts<'_>) -> Option<String> {
    let told = facts.watches().map(|(at, watch)| (format!("Sentinel {at}"), &watch.master, watch.config_epoch));
    let kept = facts.kept.iter().map(|kept| (OWN_FILE.to_owned(), &kept.master, kept.config_epoch));
    let (who, master, epoch) = told.chain(kept).next()?;
    let epoch = Shown(epoch);
    Some(format!("{who} names {master} at epoch {epoch}, which cannot be, and without a record nobody else says who leads"))
}

fn holds_data_anywhere(facts: &Facts<'_>) -> bool {
    let holds_data = |peer: &Peer| match facts.disk_of(peer) {
        DiskData::Reported(disk) => disk.holds_data(),
        DiskData::Copied => true,
        DiskData::Unknown => false,
    };
    facts.own.disk.holds_data() || facts.peers().iter().any(holds_data)
}

/// Why this cannot be taken for a first boot, though the record is proven absent.
fn running_replica(facts: &Facts<'_>) -> Option<String> {
    facts.peers().iter().find_map(|peer| {
        let replica = peer.replica()?;
        Some(format!("{} runs as a replica of {}, though nobody claims a master", peer.pod, replica.of))
    })
}

/// Why this cannot be a first boot: the group has had data, which cannot be loaded.
fn damage_elsewhere(facts: &Facts<'_>) -> Option<String> {
    let why = facts.peers().iter().find_map(damaged)?;
    Some(format!(
        "nobody claims a master, and {why}: repair that data, or name the pod that leads without that data by `ordain reconcile --assume-master POD`"
    ))
}

/// The same where no record is kept: only an answer, a refusal or an unknown name proves anything.
fn obstacle_without_record(facts: &Facts<'_>) -> Option<String> {
    for peer in facts.peers() {
        // The others start before the first pod, and wait for it as its replicas.
        let waits = |of| facts.member_at(of) == Some(&facts.first);
        if let Some(replica) = peer.replica().filter(|replica| !waits(&replica.of.host) || replica.link != Link::Never) {
            return Some(format!("{} runs as a replica of {}, though nobody claims a master", peer.pod, replica.of));
        }
    }
    let silent_peer = facts.peers().iter().find_map(|peer| Some((peer.pod.to_string(), silence(&peer.heard)?)));
    let silent_sentinel = || facts.sentinels.iter().find_map(|one| Some((format!("Sentinel {}", one.at), silence(&one.heard)?)));
    if let Some((who, why)) = silent_peer.or_else(silent_sentinel) {
        return Some(format!("{who} gave no answer ({why}), and without a record silence proves nothing"));
    }
    let unfound = facts.discovery.as_ref().filter(|failure| !failure.nothing_listens())?;
    Some(format!("the Sentinels could not be looked up ({unfound})"))
}

/// Why nothing was heard from a source that may be there all the same.
fn silence<T>(heard: &Reply<T>) -> Option<String> {
    match heard {
        Reply::Answer(_) => None,
        Reply::Failed(failure) => (!failure.nothing_listens()).then(|| failure.to_string()),
        Reply::Pending => Some("not heard yet".to_owned()),
    }
}

fn adopt(facts: &Facts<'_>) -> Decision {
    facts.rules.decide::<Adopts>(facts).unwrap_or_else(|| Decision::undecided("waits: nobody has reported a disk"))
}

pub(in crate::core) struct Adopts;

impl Table for Adopts {
    type Facts<'a> = Facts<'a>;
    type Outcome = Decision;
    const QUESTION: &'static str = "Nobody claims anything, no master lives, and there is data: whose leads?";
    const ROWS: &'static [Row<Self>] =
        &[Row { rule: &ADOPT_AFTER_ALL, check: some_disk_is_not_known }, Row { rule: &ADOPT, check: the_newest_data_leads }];
}

fn some_disk_is_not_known(facts: &Facts<'_>) -> Option<Decision> {
    let is_unknown = |peer: &&Peer| !matches!(facts.disk_of(peer), DiskData::Reported(_));
    if let Some(peer) = facts.peers().iter().find(is_unknown) {
        return Some(Decision::undecided(format!(
            "waits: {} has not reported its disk, there is data, and nobody knows who was the master. If that pod never comes back, a person decides: `ordain reconcile --assume-master POD`",
            peer.pod
        )));
    }
    facts.unproven.first().map(|pod| {
        Decision::undecided(format!(
            "waits: nothing says whether {pod}, which carries the labels, is a member, there is data, and nobody knows who was the master. A pod of the group that starts decides, or a person: `ordain reconcile --assume-master POD`"
        ))
    })
}

/// Of equal ones that of the lowest ordinal in the first set.
fn the_newest_data_leads(facts: &Facts<'_>) -> Option<Decision> {
    let own = facts.evidence.me.iter().map(|me| (facts.own.disk, me));
    let others = facts.peers().iter().filter_map(|peer| match facts.disk_of(peer) {
        DiskData::Reported(disk) => Some((disk, &peer.pod)),
        DiskData::Copied | DiskData::Unknown => None,
    });
    let (_, best) = own.chain(others).max_by_key(|(disk, pod)| (*disk, Reverse(facts.sets.place(pod))))?;
    let claim = Claim { master: best.clone(), epoch: 0 };
    if facts.me.as_ref() == Some(best) {
        let by = format!("nobody claims a master, and the data of {best} is the newest");
        return Some(lead_or_yield(&Claimed { facts: *facts, claim: &claim, by: &by, rule: &ADOPT }));
    }
    let why = format!("{} {best}: nobody claims a master, and the data of {best} is the newest", facts.verb());
    Some(Decision::follow(claim.clone(), Some(claim), why))
}
