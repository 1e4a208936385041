//! What a pod shall be, of whom, and why: a pure function of the evidence.
//!
//! To lead takes proof; to follow takes the newest claim. Silence is never proof.
//!
//! - [`claims`]: which claim is the newest.
//! - [`lead`]: whether the pod that it names may lead.
//! - [`boot`]: what happens where nobody claims anything.
//! - [`forced_claim`]: what is lost where a person says who leads.

use std::time::Duration;

use serde::Serialize;

use super::epoch;
use super::evidence::{Evidence, Heard, Known, Object, Peer, RecordSeen, Role};
use super::identity::{Endpoint, PodName};
use super::record::Claim;
use super::rules::{Case, Rule, Rules};

mod boot;
mod claims;
pub mod forced_claim;
mod lead;

use claims::{Newest, highest_epoch, newest};
pub use lead::a_failover_could_come;

/// How long Sentinel may take for a failover once it finds the master down: election, promotion
/// and the announcement to the other Sentinels.
pub const FAILOVER: Duration = Duration::from_secs(10);

/// A decision with its reason.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Decision {
    /// What to be.
    pub part: Part,
    /// What the record must say before that is acted upon: created where it is absent, else moved.
    pub record: Option<Claim>,
    /// Whether this is the group's first boot: the record that is created says so until a master starts.
    pub is_first_boot: bool,
    /// Whether Sentinel may promote this pod as soon as it runs. A replica that may be is marked in
    /// the record and checked again, as a master is.
    pub electable: bool,
    /// Undecided, with an empty disk, and other pods are created only once this one runs: when the
    /// deadline comes it runs as a replica of that pod, which does not exist yet.
    pub at_last: Option<PodName>,
    /// The reason, in one line.
    pub why: String,
}

/// What a pod shall be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Part {
    /// The master.
    Lead(Claim),
    /// Behind the claimed master: its replica, or a Sentinel that watches it.
    Follow(Claim),
    /// Not decidable from this evidence: look again.
    Undecided,
}

impl Decision {
    fn lead(claim: Claim, record: Option<Claim>, why: impl Into<String>) -> Self {
        Self { part: Part::Lead(claim), record, is_first_boot: false, electable: true, at_last: None, why: why.into() }
    }

    fn follow(claim: Claim, record: Option<Claim>, why: impl Into<String>) -> Self {
        Self { part: Part::Follow(claim), record, is_first_boot: false, electable: false, at_last: None, why: why.into() }
    }

    fn undecided(why: impl Into<String>) -> Self {
        Self { part: Part::Undecided, record: None, is_first_boot: false, electable: false, at_last: None, why: why.into() }
    }
}

/// Whether asking may end although some sources are silent: a majority of the Sentinels, the
/// record, and every peer that has answered agree on a master that lives.
pub fn is_settled(evidence: &Evidence) -> bool {
    let living = evidence.living_masters();
    let [master] = living[..] else { return false };
    let record_agrees = match &evidence.record {
        RecordSeen::Present(record) => record.claim.master == *master,
        RecordSeen::NotKept => true,
        RecordSeen::Pending | RecordSeen::Absent | RecordSeen::Unknown(_) => false,
    };
    let names = |at: &Endpoint| evidence.member_at(&at.host) == Some(master);
    let agreeing = evidence.watches().filter(|(_, watch)| names(&watch.master)).count();
    let dissent = evidence.watches().any(|(_, watch)| !names(&watch.master))
        || evidence.kept_claim().is_some_and(|kept| !names(&kept.master));
    let follows = |peer: &Peer| match peer.heard.answer() {
        Some(Role::Replica(replica)) => names(&replica.of),
        Some(Role::Master) | None => true,
    };
    record_agrees && !dissent && evidence.peers.iter().all(follows) && agreeing >= evidence.majority()
}

/// What the pod `evidence.me` shall start as.
pub fn for_redis(evidence: &Evidence) -> Decision {
    for_redis_by(Rules::ALL, evidence)
}

/// The same by fewer rules, to show what they are for.
pub fn for_redis_by(rules: Rules, evidence: &Evidence) -> Decision {
    let case = Case::new(evidence, rules);
    let Some(me) = &evidence.me else { return Decision::undecided("no pod was named") };
    if let Some(why) = of_another_group(case) {
        return Decision::undecided(why);
    }
    if let Some(claim) = outvoted_by(rules, evidence) {
        return behind_the_majority(case, claim);
    }
    match newest(evidence) {
        Newest::Claim(claim, by) if claim.master == *me => lead::lead_or_yield(case, &claim, &by),
        Newest::Claim(claim, by) if is_worth_another_look(case) => Decision::undecided(format!(
            "asks for the record again: {by} names {}, and the record, which may name another, could not be read",
            claim.master
        )),
        Newest::Claim(claim, by) => {
            let electable = is_most_advanced(case, &claim) || !case.obeys(Rule::StartsUnelectable);
            let fit = if electable { ", whose disk is older than this pod's" } else { "" };
            let why = format!("follows {}{fit}: {by} at epoch {}", claim.master, claim.epoch);
            Decision { electable, ..Decision::follow(claim.clone(), forward(case, &claim), why) }
        }
        Newest::Undecided(why) => Decision::undecided(why),
        Newest::None => boot::without_claim(case),
    }
}

/// Whoever follows an older master erases what it had: where there is something to lose, a record that
/// could not be read is asked for again for a while, before the Sentinels alone are believed.
fn is_worth_another_look(case: Case<'_>) -> bool {
    matches!(case.record, RecordSeen::Unknown(_)) && case.own.disk.holds_data() && case.waited < FAILOVER
}

/// Which master a Sentinel shall watch.
pub fn for_sentinel(evidence: &Evidence) -> Decision {
    for_sentinel_by(Rules::ALL, evidence)
}

/// The same by fewer rules, to show what they are for.
pub fn for_sentinel_by(rules: Rules, evidence: &Evidence) -> Decision {
    let case = Case::new(evidence, rules);
    if let Some(claim) = outvoted_by(rules, evidence) {
        return behind_the_majority(case, claim);
    }
    let living = case.evidence().living_masters();
    if let (Some(pod), []) = (about_to_start(case), &living[..]) {
        return Decision::undecided(format!("waits for {pod}, which has marked the record and is starting"));
    }
    match (newest(evidence), &living[..]) {
        // Named and known to be no master, while exactly one other lives: the record moves to the
        // living one first. One that is only silent may be a master all the same.
        (Newest::Claim(claim, by), [alive])
            if claim.master != **alive && is_no_master(case, &claim.master) && case.obeys(Rule::SentinelWatchesTheLiving) =>
        {
            yield_to(case, alive, format!("watches {alive}, the only living master, though {by} says {}", claim.master))
        }
        (Newest::Claim(claim, by), _) => {
            let why = format!("watches {}: {by} at epoch {}", claim.master, claim.epoch);
            let record = forward(case, &claim).or_else(|| from_own_file(case, &claim));
            Decision::follow(claim, record, why)
        }
        (Newest::Undecided(why), _) => Decision::undecided(why),
        (Newest::None, _) => boot::without_claim(case),
    }
}

/// The claim that is followed, where there is one.
pub fn newest_claim(evidence: &Evidence) -> Option<Claim> {
    match newest(evidence) {
        Newest::Claim(claim, _) => Some(claim),
        Newest::None | Newest::Undecided(_) => None,
    }
}

/// The claim by which a person makes a pod the master: newer than all that were heard of.
///
/// # Errors
/// Why the record cannot say so.
pub fn by_a_persons_word(evidence: &Evidence, pod: &PodName) -> Result<Claim, String> {
    let Some(peer) = evidence.peer(pod) else {
        return Err(format!("`{pod}` is no pod of this group: name one of its pods"));
    };
    if peer.object == Object::Absent && evidence.record == RecordSeen::Absent {
        return Err(format!("neither a pod `{pod}` nor a record of its group exists: check the name and the namespace"));
    }
    if let Some(alive) = evidence.living_masters().into_iter().find(|alive| *alive != pod) {
        return Err(format!("{alive} lives as master: have Sentinel fail over, or stop it first"));
    }
    Ok(claim_above_all(evidence, pod))
}

/// A claim for a pod that is newer than all that were heard of.
pub fn claim_above_all(evidence: &Evidence, pod: &PodName) -> Claim {
    Claim { master: pod.clone(), epoch: epoch::next(highest_epoch(evidence)) }
}

/// What the record must be moved to where a majority of all Sentinels agrees on the only living
/// master, though their epoch is not higher than the record's: they lost their count, or a pod that
/// yielded went ahead of it. One above the record's epoch, so that no epoch has two masters.
pub fn outvoted(evidence: &Evidence) -> Option<Claim> {
    outvoted_by(Rules::ALL, evidence)
}

/// What the record must be moved to for a failover of which one Sentinel has told, where that one's word alone is
/// not enough: the newest claim of all whose master lives, else what a majority of the Sentinels says.
pub fn failed_over(evidence: &Evidence) -> Option<Claim> {
    let case = Case::new(evidence, Rules::ALL);
    let claimed = match newest(evidence) {
        Newest::Claim(claim, _) => forward(case, &claim),
        Newest::None => boot::without_claim(case).record,
        Newest::Undecided(_) => None,
    };
    claimed.or_else(|| outvoted(evidence))
}

fn outvoted_by(rules: Rules, evidence: &Evidence) -> Option<Claim> {
    let case = Case::new(evidence, rules);
    let record = evidence.recorded()?;
    let living = evidence.living_masters();
    let [master] = living[..] else { return None };
    let told = evidence.watches().filter(|(_, watch)| evidence.member_at(&watch.master.host) == Some(master)).count();
    let holder = &record.claim.master;
    let recorded = evidence.recorded_epoch()?;
    let is_newest = highest_epoch(case.evidence()) == recorded;
    let claim = Claim { master: master.clone(), epoch: epoch::next(recorded) };
    // A holder that is only silent may live as well.
    let lives_alone = master != holder && is_no_master(case, holder);
    let is_outvoted = lives_alone && is_newest && told >= evidence.majority();
    (is_outvoted && rules.has(Rule::MajorityOutvotesTheRecord)).then_some(claim)
}

fn behind_the_majority(case: Case<'_>, claim: Claim) -> Decision {
    let why = format!("{} {}, the only living master, which a majority of the Sentinels names", verb(case), claim.master);
    Decision::follow(claim.clone(), Some(claim), why)
}

/// Why this pod has no part in the group: its data directory was stamped by another.
fn of_another_group(case: Case<'_>) -> Option<String> {
    let stamped = case.own.group_id.as_ref().filter(|_| case.own.disk.holds_data())?;
    let record = case.evidence().recorded()?;
    (*stamped != record.group_id && case.obeys(Rule::OwnGroup)).then(|| {
        format!(
            "is undecided: its data directory is of the group {stamped}, and the record of the group {}: give this pod its own volume back, or empty this one",
            record.group_id
        )
    })
}

/// Whether this pod, which follows `claim`, holds what nobody else holds any more: its disk is newer
/// than the holder's, nobody's is newer, and all are known.
fn is_most_advanced(case: Case<'_>, claim: &Claim) -> bool {
    let own = case.own.disk;
    // While a person's word is open, whom it names starts whatever the disks hold.
    let is_recorded = case.recorded().is_some_and(|record| record.assumed.is_none());
    let is_recorded = is_recorded && case.evidence().recorded_claim().as_ref() == Some(claim);
    let is_behind = |peer: &Peer| match case.disk_of(peer) {
        Known::Told(disk) if peer.pod == claim.master => own.is_newer_than(disk, case.down_after),
        Known::Told(disk) => !disk.is_newer_than(own, Duration::ZERO),
        Known::Copied | Known::Nothing => false,
    };
    // Who is no master by the record never is one where nobody elects.
    let can_be_elected = !(case.has_no_sentinels() && case.obeys(Rule::OnlyTheHolderWrites));
    can_be_elected && own.holds_data() && is_recorded && case.peer(&claim.master).is_some() && case.peers.iter().all(is_behind)
}

/// The pod that has marked the record and may be about to start: it has not answered yet, the same
/// instance is still there, and the mark is young.
fn about_to_start(case: Case<'_>) -> Option<&PodName> {
    let mark = case.evidence().young_mark()?;
    let peer = case.evidence().peer(&mark.by.pod)?;
    let is_starting = peer.is(&mark.by) && peer.heard.answer().is_none();
    (is_starting && case.obeys(Rule::SentinelWaitsForTheMarked)).then_some(&peer.pod)
}

/// Whether a pod has said that it is a replica, or nothing runs there: as in this pod, which asks.
fn is_no_master(case: Case<'_>, pod: &PodName) -> bool {
    let has_said_so = |peer: &Peer| match &peer.heard {
        Heard::Answer(role) => *role != Role::Master,
        Heard::Pending | Heard::Failed(_) => case.is_known_not_to_run(peer),
    };
    case.me.as_ref() == Some(pod) || case.peer(pod).is_some_and(has_said_so)
}

/// A Sentinel's own file moves the record where it is newer, though nobody confirms it: it was
/// written by the failover itself.
fn from_own_file(case: Case<'_>, claim: &Claim) -> Option<Claim> {
    let kept = case.kept_claim()?;
    let says_so = kept.config_epoch == claim.epoch && case.member_at(&kept.master.host) == Some(&claim.master);
    (says_so && case.moves_the_record(claim)).then(|| claim.clone())
}

/// Behind a living master that the newest claim does not name: the record moves to it first, with
/// an epoch above all that were heard.
fn yield_to(case: Case<'_>, master: &PodName, why: String) -> Decision {
    let claim = claim_above_all(case.evidence(), master);
    match &case.record {
        RecordSeen::NotKept => Decision::follow(claim, None, why),
        RecordSeen::Present(_) | RecordSeen::Absent => Decision::follow(claim.clone(), Some(claim), why),
        RecordSeen::Unknown(failure) => Decision::undecided(format!(
            "is undecided: {master} lives as master, and the record, which must say so, cannot be read ({failure})"
        )),
        RecordSeen::Pending => Decision::undecided("is undecided: the record has not been heard"),
    }
}

/// What the record must be made to say for a claim that is followed: created where it is missing,
/// moved where the claim is newer and its master answers as master.
fn forward(case: Case<'_>, claim: &Claim) -> Option<Claim> {
    let moves = match &case.record {
        RecordSeen::Absent => true,
        RecordSeen::Present(_) => case.moves_the_record(claim) && case.evidence().living_masters().contains(&&claim.master),
        RecordSeen::Unknown(_) | RecordSeen::Pending | RecordSeen::NotKept => false,
    };
    moves.then(|| claim.clone())
}

fn verb(case: Case<'_>) -> &'static str {
    if case.me.is_some() { "follows" } else { "watches" }
}

fn several_masters(masters: &[&PodName]) -> String {
    let names: Vec<_> = masters.iter().map(ToString::to_string).collect();
    format!(
        "is undecided: {} live as masters: stop the wrong one, its data is lost to whoever follows the other",
        names.join(" and ")
    )
}

#[cfg(test)]
mod tests;
#[cfg(test)]
pub(crate) use tests::given;
