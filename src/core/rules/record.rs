//! When the record is moved, and to which claim.

use super::catalogue::MAJORITY_OUTVOTES;
use super::claims::highest_epoch;
use super::facts::Facts;
use super::table::{Row, Rules, Table};
use crate::core::decision::Decision;
use crate::core::epoch;
use crate::core::evidence::{Evidence, RecordSeen};
use crate::core::identity::PodName;
use crate::core::record::Claim;

/// While one has to be asked for.
pub(super) const RECORD_NOT_READ_YET: &str = "waits: the record has not been read yet";

/// A claim for a pod that is newer than all that were heard of.
pub fn claim_above_all(evidence: &Evidence, pod: &PodName) -> Claim {
    Claim { master: pod.clone(), epoch: epoch::next(highest_epoch(evidence)) }
}

/// What the record must be moved to where a majority of all Sentinels agrees on the only living
/// master, though their epoch is not higher than the record's: they lost their count, or a pod that
/// yielded went ahead of it. One above the record's epoch, so that no epoch has two masters.
pub fn outvoted(rules: Rules, evidence: &Evidence) -> Option<Claim> {
    Facts { evidence, rules }.first::<Outvoted>()
}

pub(in crate::core) struct Outvoted;

impl Table for Outvoted {
    type Facts<'a> = Facts<'a>;
    type Outcome = Claim;
    const QUESTION: &'static str = "Does the record move against its own epoch? Where no row applies: no.";
    const ROWS: &'static [Row<Self>] = &[Row { rule: &MAJORITY_OUTVOTES, check: names_the_only_living }];
}

fn names_the_only_living(facts: &Facts<'_>) -> Option<Claim> {
    let holder = &facts.record()?.claim.master;
    let living = facts.evidence.living_masters();
    let [master] = living[..] else { return None };
    let naming = facts.watches().filter(|(_, watch)| facts.member_at(&watch.master.host) == Some(master)).count();
    let recorded = facts.recorded_epoch()?;
    let is_newest = highest_epoch(facts.evidence) == recorded;
    // A holder that is only silent may live as well.
    let lives_alone = master != holder && facts.is_no_master(holder);
    (lives_alone && is_newest && naming >= facts.majority())
        .then(|| Claim { master: master.clone(), epoch: epoch::next(recorded) })
}

/// Behind the master that a majority names against the record.
pub(super) fn behind_the_majority(facts: &Facts<'_>) -> Option<Decision> {
    let claim = facts.first::<Outvoted>()?;
    let why = format!("{} {}, the only living master, which a majority of the Sentinels names", facts.verb(), claim.master);
    Some(Decision::follow(claim.clone(), Some(claim), why))
}

/// A Sentinel's own file moves the record where it is newer, though nobody confirms it: it was
/// written by the failover itself.
pub(super) fn from_own_file(facts: &Facts<'_>, claim: &Claim) -> Option<Claim> {
    let kept = facts.kept_claim()?;
    let says_so = kept.config_epoch == claim.epoch && facts.member_at(&kept.master.host) == Some(&claim.master);
    (says_so && facts.moves_the_record(claim)).then(|| claim.clone())
}

/// Behind a living master that the newest claim does not name: the record moves to it first, with
/// an epoch above all that were heard.
pub(super) fn yield_to(facts: &Facts<'_>, master: &PodName, why: String) -> Decision {
    let claim = claim_above_all(facts.evidence, master);
    match &facts.record {
        RecordSeen::NotKept => Decision::follow(claim, None, why),
        RecordSeen::Present(_) | RecordSeen::Absent => Decision::follow(claim.clone(), Some(claim), why),
        RecordSeen::Unknown(failure) => Decision::undecided(format!(
            "waits: {master} lives as master, and the record, which must say so, cannot be read ({failure})"
        )),
        RecordSeen::Pending => Decision::undecided(RECORD_NOT_READ_YET),
    }
}

/// What the record must be made to say for a claim that is followed: created where it is missing,
/// moved where the claim is newer and its master answers as master.
pub(super) fn forward(facts: &Facts<'_>, claim: &Claim) -> Option<Claim> {
    let moves = match &facts.record {
        RecordSeen::Absent => true,
        RecordSeen::Present(_) => facts.moves_the_record(claim) && facts.evidence.living_masters().contains(&&claim.master),
        RecordSeen::Unknown(_) | RecordSeen::Pending | RecordSeen::NotKept => false,
    };
    moves.then(|| claim.clone())
}
