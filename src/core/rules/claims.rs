//! Which claim is the newest, and who makes it.

use super::catalogue::{EQUAL_EPOCHS, FOREIGN_CLAIM, NEWEST_CLAIM, Rule};
use super::facts::Facts;
use super::table::{Row, Table};
use crate::core::evidence::Evidence;
use crate::core::identity::{Endpoint, PodName};
use crate::core::record::Claim;

/// How a Sentinel's own earlier file is called.
pub(super) const OWN_FILE: &str = "the earlier sentinel.conf";

/// The newest claim, if there is one that can be acted upon.
pub(super) enum Newest {
    /// Nobody claims anything.
    None,
    /// The claim, who makes it, and the rule by which it counts.
    Claim(Claim, String, &'static Rule),
    /// There are claims, and none that can be acted upon: why, and by which rule.
    Undecided(&'static Rule, String),
}

/// The claim with the highest epoch: no majority is needed to follow it.
pub(super) fn newest(facts: &Facts<'_>) -> Newest {
    let evidence = facts.evidence;
    let recorded = evidence.recorded_claim();
    let told = evidence.claims().map(|(at, watch)| (format!("Sentinel {at}"), &watch.master, watch.config_epoch));
    let kept = evidence.kept_claim().into_iter().map(|kept| (OWN_FILE.to_owned(), &kept.master, kept.config_epoch));
    let told: Vec<_> = told.chain(kept).collect();
    let Some(epoch) = told.iter().map(|(_, _, epoch)| *epoch).chain(recorded.iter().map(|claim| claim.epoch)).max() else {
        return Newest::None;
    };
    let mut claims = Claims { evidence, epoch, masters: Vec::new(), foreign: None };
    claims.masters.extend(recorded.into_iter().filter(|claim| claim.epoch == epoch).map(|claim| claim.master));
    for (who, at, _) in told.into_iter().filter(|(_, _, said)| *said == epoch) {
        match evidence.claimed(at, epoch) {
            Some(pod) => claims.masters.push(pod.clone()),
            None => claims.foreign = claims.foreign.or(Some((who, at))),
        }
    }
    claims.masters.sort();
    claims.masters.dedup();
    match facts.rules.first::<NewestClaim>(&claims) {
        Some((rule, Ok((claim, by)))) => Newest::Claim(claim, by, rule),
        Some((rule, Err(why))) => Newest::Undecided(rule, why),
        None => Newest::None,
    }
}

/// The claims with the highest epoch.
pub(in crate::core) struct Claims<'a> {
    evidence: &'a Evidence,
    epoch: u64,
    /// The members that they name.
    masters: Vec<PodName>,
    /// Who names an address of no member: one that outlived its pod, or a foreign master's at one that was used again.
    foreign: Option<(String, &'a Endpoint)>,
}

pub(in crate::core) struct NewestClaim;

impl Table for NewestClaim {
    type Facts<'a> = Claims<'a>;
    /// The claim and who makes it, else why none can be acted upon.
    type Outcome = Result<(Claim, String), String>;
    const QUESTION: &'static str = "Of the claims with the highest epoch: which one counts?";
    const ROWS: &'static [Row<Self>] = &[
        Row { rule: &FOREIGN_CLAIM, check: names_no_member },
        Row { rule: &NEWEST_CLAIM, check: names_one_member },
        Row { rule: &EQUAL_EPOCHS, check: names_several_members },
    ];
}

fn names_no_member(claims: &Claims<'_>) -> Option<Result<(Claim, String), String>> {
    let (who, at) = claims.foreign.as_ref()?;
    Some(Err(format!(
        "waits: {who} names {at} at epoch {}, which is no member's address: if no member will ever have that address again, `SENTINEL REMOVE` the group there",
        claims.epoch
    )))
}

fn names_one_member(claims: &Claims<'_>) -> Option<Result<(Claim, String), String>> {
    let [master] = &claims.masters[..] else { return None };
    let claim = Claim { master: master.clone(), epoch: claims.epoch };
    Some(Ok((claim, sayers(claims.evidence, master, claims.epoch))))
}

/// The one that a majority of Sentinels names and that lives, else the only one that lives.
fn names_several_members(claims: &Claims<'_>) -> Option<Result<(Claim, String), String>> {
    let Claims { evidence, epoch, ref masters, .. } = *claims;
    let living = evidence.living_masters();
    let names = |at: &Endpoint, master: &PodName| evidence.claimed(at, epoch) == Some(master);
    let has_majority = |master: &&&PodName| {
        let agreeing = evidence.claims().filter(|(_, w)| w.config_epoch == epoch && names(&w.master, master)).count();
        agreeing >= evidence.majority()
    };
    let names_of: Vec<_> = masters.iter().map(ToString::to_string).collect();
    let several = names_of.join(" and ");
    let counts = |master: &PodName, why: &str| {
        Ok((Claim { master: master.clone(), epoch }, format!("{several} are claimed as master at epoch {epoch}, and {why}")))
    };
    let verified = living.iter().find(has_majority);
    Some(match (verified, &living[..]) {
        (Some(master), _) => counts(master, &format!("a majority of the Sentinels names {master}, which lives")),
        (None, [master]) => counts(master, &format!("{master} alone lives")),
        (None, _) => Err(format!(
            "waits: {several} are claimed as master at epoch {epoch}, and {} of them live: stop the wrong one, what only that pod holds is lost",
            living.len(),
        )),
    })
}

/// That somebody claims `master` at `epoch`, in words.
fn sayers(evidence: &Evidence, master: &PodName, epoch: u64) -> String {
    let recorded = evidence.recorded_claim().is_some_and(|claim| claim.master == *master && claim.epoch == epoch);
    let sentinels = evidence
        .claims()
        .filter(|(_, watch)| watch.config_epoch == epoch && evidence.claimed(&watch.master, epoch) == Some(master))
        .count();
    let told = format!("{sentinels} of {} Sentinels", evidence.sentinels.len());
    let (who, verb) = match (recorded, sentinels) {
        (true, 0) => ("the record".to_owned(), "names"),
        (true, _) => (format!("the record and {told}"), "name"),
        (false, 0) => (OWN_FILE.to_owned(), "names"),
        (false, 1) => (told, "names"),
        (false, _) => (told, "name"),
    };
    format!("{who} {verb} {master} at epoch {epoch}")
}

/// The claim that is followed, where there is one.
pub fn newest_claim(evidence: &Evidence) -> Option<Claim> {
    match newest(&Facts::of(evidence)) {
        Newest::Claim(claim, ..) => Some(claim),
        Newest::None | Newest::Undecided(..) => None,
    }
}

/// The highest epoch that was heard of, of those that can be.
pub(super) fn highest_epoch(evidence: &Evidence) -> u64 {
    let told = evidence.claims().map(|(_, watch)| watch.config_epoch);
    let kept = evidence.kept_claim().map(|kept| kept.config_epoch);
    told.chain(kept).chain(evidence.recorded_epoch()).max().unwrap_or(0)
}
