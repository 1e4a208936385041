//! What a pod shall be, of whom, and why: a pure function of the evidence.
//!
//! To lead takes proof; to follow takes the newest claim. Silence is never proof.

use std::time::Duration;

use super::evidence::{Evidence, Heard, Peer, RecordSeen, Role};
use super::identity::{Endpoint, PodName};
use super::record::{Claim, Step};

/// How long Sentinel may take for a failover once it finds the master down: election, promotion
/// and the announcement to the other Sentinels.
pub const FAILOVER: Duration = Duration::from_secs(10);

/// A decision with its reason.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision {
    /// What to be.
    pub part: Part,
    /// What the record must say before that is acted upon: created where it is absent, else moved.
    pub record: Option<Claim>,
    /// The reason, in one line.
    pub why: String,
}

/// What a pod shall be.
#[derive(Debug, Clone, PartialEq, Eq)]
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
        Self { part: Part::Lead(claim), record, why: why.into() }
    }

    fn follow(claim: Claim, record: Option<Claim>, why: impl Into<String>) -> Self {
        Self { part: Part::Follow(claim), record, why: why.into() }
    }

    fn undecided(why: impl Into<String>) -> Self {
        Self { part: Part::Undecided, record: None, why: why.into() }
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
        || evidence.kept.as_ref().is_some_and(|kept| !names(&kept.master));
    let follows = |peer: &Peer| match peer.heard.answer() {
        Some(Role::Replica { of }) => names(of),
        Some(Role::Master) | None => true,
    };
    record_agrees && !dissent && evidence.peers.iter().all(follows) && agreeing >= evidence.majority()
}

/// What the pod `evidence.me` shall start as.
pub fn for_redis(evidence: &Evidence) -> Decision {
    let Some(me) = &evidence.me else { return Decision::undecided("no pod was named") };
    if let Some(claim) = outvoted(evidence) {
        return behind_the_majority(evidence, claim);
    }
    match newest(evidence) {
        Newest::Claim(claim, by) if claim.master == *me => lead_or_yield(evidence, &claim, &by),
        Newest::Claim(claim, by) => {
            let why = format!("follows {}: {by} at epoch {}", claim.master, claim.epoch);
            Decision::follow(claim.clone(), forward(evidence, &claim), why)
        }
        Newest::Undecided(why) => Decision::undecided(why),
        Newest::None => without_claim(evidence),
    }
}

/// Which master a Sentinel shall watch.
pub fn for_sentinel(evidence: &Evidence) -> Decision {
    if let Some(claim) = outvoted(evidence) {
        return behind_the_majority(evidence, claim);
    }
    match (newest(evidence), &evidence.living_masters()[..]) {
        // Named and known to be no master, while exactly one other lives: the record moves to the
        // living one first. One that is only silent may be a master all the same.
        (Newest::Claim(claim, by), [alive]) if claim.master != **alive && is_no_master(evidence, &claim.master) => {
            yield_to(evidence, alive, format!("watches {alive}, the only living master, though {by} says {}", claim.master))
        }
        (Newest::Claim(claim, by), _) => {
            let why = format!("watches {}: {by} at epoch {}", claim.master, claim.epoch);
            let record = forward(evidence, &claim).or_else(|| from_own_file(evidence, &claim));
            Decision::follow(claim, record, why)
        }
        (Newest::Undecided(why), _) => Decision::undecided(why),
        (Newest::None, _) => without_claim(evidence),
    }
}

/// What the record must be moved to where a majority of all Sentinels agrees on the only living
/// master, though their epoch is not higher than the record's: they lost their count, or a pod that
/// yielded went ahead of it. One above the record's epoch, so that no epoch has two masters.
pub fn outvoted(evidence: &Evidence) -> Option<Claim> {
    let RecordSeen::Present(record) = &evidence.record else { return None };
    let living = evidence.living_masters();
    let [master] = living[..] else { return None };
    let told = evidence.watches().filter(|(_, watch)| evidence.member_at(&watch.master.host) == Some(master)).count();
    let holder = &record.claim.master;
    let is_newest = highest_epoch(evidence) == record.claim.epoch;
    let claim = Claim { master: master.clone(), epoch: record.claim.epoch.saturating_add(1) };
    // A holder that is only silent may live as well.
    let lives_alone = master != holder && is_no_master(evidence, holder);
    (lives_alone && is_newest && told >= evidence.majority()).then_some(claim)
}

fn behind_the_majority(evidence: &Evidence, claim: Claim) -> Decision {
    let why = format!("{} {}, the only living master, which a majority of the Sentinels names", verb(evidence), claim.master);
    Decision::follow(claim.clone(), Some(claim), why)
}

/// Whether a pod has said that it is a replica, or nothing runs there: as in this pod, which asks.
fn is_no_master(evidence: &Evidence, pod: &PodName) -> bool {
    let has_said_so = |peer: &Peer| match &peer.heard {
        Heard::Answer(role) => *role != Role::Master,
        Heard::Failed(failure) => failure.proves_nothing_runs(),
        Heard::Pending => false,
    };
    evidence.me.as_ref() == Some(pod) || evidence.peers.iter().any(|peer| peer.pod == *pod && has_said_so(peer))
}

/// A Sentinel's own file moves the record where it is newer, though nobody confirms it: it was
/// written by the failover itself.
fn from_own_file(evidence: &Evidence, claim: &Claim) -> Option<Claim> {
    let RecordSeen::Present(record) = &evidence.record else { return None };
    let kept = evidence.kept.as_ref()?;
    let says_so = kept.config_epoch == claim.epoch && evidence.member_at(&kept.master.host) == Some(&claim.master);
    (says_so && record.against(claim) == Step::Move).then(|| claim.clone())
}

/// Behind a living master that the newest claim does not name: the record moves to it first, with
/// an epoch above all that were heard.
fn yield_to(evidence: &Evidence, master: &PodName, why: String) -> Decision {
    let claim = Claim { master: master.clone(), epoch: highest_epoch(evidence).saturating_add(1) };
    match &evidence.record {
        RecordSeen::NotKept => Decision::follow(claim, None, why),
        RecordSeen::Present(_) | RecordSeen::Absent => Decision::follow(claim.clone(), Some(claim), why),
        RecordSeen::Unknown(failure) => Decision::undecided(format!(
            "is undecided: {master} lives as master, and the record, which must say so, cannot be read ({failure})"
        )),
        RecordSeen::Pending => Decision::undecided("is undecided: the record has not been heard"),
    }
}

/// The newest claim, if there is one that can be acted upon.
enum Newest {
    /// Nobody claims anything.
    None,
    /// The claim, and who makes it.
    Claim(Claim, String),
    /// There are claims, and none that can be acted upon.
    Undecided(String),
}

fn newest(evidence: &Evidence) -> Newest {
    let recorded = match &evidence.record {
        RecordSeen::Present(record) => Some(&record.claim),
        _ => None,
    };
    let told = evidence.watches().map(|(at, watch)| (format!("Sentinel {at}"), &watch.master, watch.config_epoch));
    let kept = evidence.kept.iter().map(|kept| ("the own earlier file".to_owned(), &kept.master, kept.config_epoch));
    let told: Vec<_> = told.chain(kept).collect();
    let Some(epoch) = told.iter().map(|(_, _, epoch)| *epoch).chain(recorded.map(|claim| claim.epoch)).max() else {
        return Newest::None;
    };

    let mut masters: Vec<PodName> =
        recorded.filter(|claim| claim.epoch == epoch).map(|claim| claim.master.clone()).into_iter().collect();
    for (who, at, _) in told.iter().filter(|(_, _, said)| *said == epoch) {
        match evidence.member_at(&at.host) {
            Some(pod) => masters.push(pod.clone()),
            // An address that outlived its pod, or a foreign master at an address that was used again.
            None => {
                return Newest::Undecided(format!(
                    "is undecided: {who} names {at} at epoch {epoch}, which is no pod of this group: if it never will be again, `SENTINEL REMOVE` the group there"
                ));
            }
        }
    }
    masters.sort();
    masters.dedup();
    match &masters[..] {
        [master] => {
            let by = sayers(evidence, master, epoch);
            Newest::Claim(Claim { master: master.clone(), epoch }, by)
        }
        _ => equal_epochs(evidence, &masters, epoch),
    }
}

/// Equal epochs that name different masters: the verified majority, else the only living master.
fn equal_epochs(evidence: &Evidence, masters: &[PodName], epoch: u64) -> Newest {
    let living = evidence.living_masters();
    let names = |at: &Endpoint, master: &PodName| evidence.member_at(&at.host) == Some(master);
    let has_majority = |master: &&&PodName| {
        let agreeing = evidence.watches().filter(|(_, w)| w.config_epoch == epoch && names(&w.master, master)).count();
        agreeing >= evidence.majority()
    };
    let verified = living.iter().find(has_majority);
    match (verified, &living[..]) {
        (Some(master), _) => Newest::Claim(
            Claim { master: (**master).clone(), epoch },
            "of several masters that are claimed a majority of the Sentinels names it and it lives".to_owned(),
        ),
        (None, [master]) => Newest::Claim(
            Claim { master: (**master).clone(), epoch },
            "of several masters that are claimed it alone lives".to_owned(),
        ),
        (None, _) => {
            let names: Vec<_> = masters.iter().map(ToString::to_string).collect();
            Newest::Undecided(format!(
                "is undecided: {} are claimed as master at the same epoch {epoch} and {} of them live: stop the wrong one",
                names.join(" and "),
                living.len(),
            ))
        }
    }
}

/// Who claims `master` at `epoch`, in words.
fn sayers(evidence: &Evidence, master: &PodName, epoch: u64) -> String {
    let recorded = matches!(&evidence.record, RecordSeen::Present(r) if r.claim.master == *master && r.claim.epoch == epoch);
    let sentinels = evidence
        .watches()
        .filter(|(_, watch)| watch.config_epoch == epoch && evidence.member_at(&watch.master.host) == Some(master))
        .count();
    let mut sayers = Vec::new();
    if recorded {
        sayers.push("the record".to_owned());
    }
    if sentinels > 0 {
        sayers.push(format!("{sentinels} of {} Sentinels", evidence.sentinels.len()));
    }
    if sayers.is_empty() {
        sayers.push("the own earlier file".to_owned());
    }
    sayers.join(" and ")
}

fn highest_epoch(evidence: &Evidence) -> u64 {
    let recorded = match &evidence.record {
        RecordSeen::Present(record) => record.claim.epoch,
        _ => 0,
    };
    let told = evidence.watches().map(|(_, watch)| watch.config_epoch);
    told.chain(evidence.kept.iter().map(|kept| kept.config_epoch)).fold(recorded, u64::max)
}

/// What the record must be made to say for a claim that is followed: created where it is missing,
/// moved where the claim is newer and its master answers as master.
fn forward(evidence: &Evidence, claim: &Claim) -> Option<Claim> {
    let moves = match &evidence.record {
        RecordSeen::Absent => true,
        RecordSeen::Present(record) => record.against(claim) == Step::Move && evidence.living_masters().contains(&&claim.master),
        RecordSeen::Unknown(_) | RecordSeen::Pending | RecordSeen::NotKept => false,
    };
    moves.then(|| claim.clone())
}

/// The newest claim names this pod: it leads if it can prove that it may.
fn lead_or_yield(evidence: &Evidence, claim: &Claim, by: &str) -> Decision {
    match &evidence.living_masters()[..] {
        [] => {}
        [other] => {
            return yield_to(
                evidence,
                other,
                format!("follows {other}, which lives as master, though {by} names {}", claim.master),
            );
        }
        several => return Decision::undecided(several_masters(several)),
    }
    let record = match &evidence.record {
        RecordSeen::Absent => Some(claim.clone()),
        RecordSeen::Present(record) => (record.against(claim) == Step::Move).then(|| claim.clone()),
        RecordSeen::NotKept => None,
        RecordSeen::Pending => return Decision::undecided("is undecided: the record has not been heard"),
        RecordSeen::Unknown(failure) => {
            return Decision::undecided(format!(
                "is undecided: {by} names it, and the record, which may name another, cannot be read ({failure})"
            ));
        }
    };
    match failover_risk(evidence) {
        None => Decision::lead(
            claim.clone(),
            record,
            format!("leads: {by} at epoch {}, and no failover can be under way", claim.epoch),
        ),
        Some(risk) if !risk.is_under_way && evidence.waited >= evidence.down_after + FAILOVER => Decision::lead(
            claim.clone(),
            record,
            format!("leads: {by} at epoch {}, and no failover came in {:?}", claim.epoch, evidence.down_after + FAILOVER),
        ),
        Some(risk) => Decision::undecided(format!("waits for Sentinel: {by} names it, but {}", risk.why)),
    }
}

/// A failover that may replace this pod while it starts.
struct Risk {
    why: String,
    /// A Sentinel says that it is failing over: only its outcome ends this, no time does.
    is_under_way: bool,
}

/// Why a failover may be under way; `None` where that is ruled out.
fn failover_risk(evidence: &Evidence) -> Option<Risk> {
    // Whatever is not known to be down may be a replica that Sentinel can elect.
    let electable = |peer: &&Peer| match &peer.heard {
        Heard::Answer(Role::Replica { .. }) | Heard::Pending => true,
        Heard::Answer(Role::Master) => false,
        Heard::Failed(failure) => !failure.proves_nothing_runs(),
    };
    let candidate = evidence.peers.iter().find(electable)?;
    if evidence.sentinel_count == 0 && evidence.sentinels.is_empty() {
        return None;
    }
    if let Some((at, _)) = evidence.watches().find(|(_, watch)| watch.failover_in_progress) {
        return Some(Risk { why: format!("Sentinel {at} is failing over"), is_under_way: true });
    }
    let may_pass = |why| Some(Risk { why, is_under_way: false });
    let room = (evidence.down_after / 5).min(Duration::from_secs(1));
    let mut calm = 0;
    for (at, watch) in evidence.watches() {
        if evidence.member_at(&watch.master.host) != evidence.me.as_ref() {
            return may_pass(format!("Sentinel {at} names {}", watch.master));
        }
        if watch.finds_master_down {
            return may_pass(format!("Sentinel {at} finds it down"));
        }
        if watch.last_ok_ping + room > evidence.down_after {
            return may_pass(format!("Sentinel {at} is about to find it down"));
        }
        calm += 1;
    }
    let majority = evidence.majority();
    if calm >= majority {
        return None;
    }
    may_pass(format!("only {calm} Sentinels of the majority of {majority} say so, and {} could be elected", candidate.pod))
}

/// Nobody claims anything: a master that lives is taken as it is, else it may be a first boot.
fn without_claim(evidence: &Evidence) -> Decision {
    let kept_anywhere = match &evidence.record {
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
    match &evidence.living_masters()[..] {
        [] => {}
        [master] => {
            let claim = Claim { master: (*master).clone(), epoch: 0 };
            let record = kept_anywhere.then(|| claim.clone());
            return Decision::follow(
                claim,
                record,
                format!("{} {master}: nobody claims a master, and it alone lives as one", verb(evidence)),
            );
        }
        several => return Decision::undecided(several_masters(several)),
    }
    if let Some(obstacle) = first_boot_obstacle(evidence, kept_anywhere) {
        return Decision::undecided(format!("is undecided: {obstacle}"));
    }
    let claim = Claim { master: evidence.first.clone(), epoch: 0 };
    if evidence.me.as_ref() == Some(&evidence.first) {
        let why = if kept_anywhere {
            "leads: a first boot, for there is no record, no claim and no master, and it is the first pod"
        } else {
            "leads: a first boot, for nobody claims a master or lives as one, and it is the first pod"
        };
        return Decision::lead(claim.clone(), kept_anywhere.then_some(claim), why);
    }
    if kept_anywhere {
        return Decision::undecided(format!("waits for {}, the first pod, to create the record", evidence.first));
    }
    let why = format!("{} {}: a first boot, and that is the first pod", verb(evidence), evidence.first);
    Decision::follow(claim, None, why)
}

/// Why this cannot be taken for a first boot.
fn first_boot_obstacle(evidence: &Evidence, record_proves_it: bool) -> Option<String> {
    for Peer { pod, heard, .. } in &evidence.peers {
        if let Heard::Answer(Role::Replica { of }) = heard
            // Without a record the others start before the first pod, and wait for it as its replicas.
            && (record_proves_it || evidence.member_at(&of.host) != Some(&evidence.first))
        {
            return Some(format!("{pod} runs as a replica of {of}, though nobody claims a master"));
        }
    }
    if record_proves_it {
        return None;
    }
    let silent_peer = evidence.peers.iter().find_map(|peer| Some((peer.pod.to_string(), silence(&peer.heard)?)));
    let silent_sentinel =
        || evidence.sentinels.iter().find_map(|one| Some((format!("Sentinel {}", one.at), silence(&one.heard)?)));
    if let Some((who, why)) = silent_peer.or_else(silent_sentinel) {
        return Some(format!("{who} gave no answer ({why}), and without a record silence proves nothing"));
    }
    let unfound = evidence.discovery.as_ref().filter(|failure| !failure.proves_nothing_runs())?;
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

fn verb(evidence: &Evidence) -> &'static str {
    if evidence.me.is_some() { "follows" } else { "watches" }
}

fn several_masters(masters: &[&PodName]) -> String {
    let names: Vec<_> = masters.iter().map(ToString::to_string).collect();
    format!(
        "is undecided: {} live as masters: stop the wrong one, its data is lost to whoever follows the other",
        names.join(" and ")
    )
}

#[cfg(test)]
#[path = "decision_tests.rs"]
mod tests;
