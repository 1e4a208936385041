//! Which master a Sentinel watches.

use super::catalogue::{MAJORITY_OUTVOTES, NEWEST_CLAIM, SENTINEL_WAITS, SENTINEL_WATCHES_THE_LIVING};
use super::claims::{Newest, newest};
use super::facts::Facts;
use super::first_boot;
use super::lead::Claimed;
use super::record::{behind_the_majority, forward, from_own_file, yield_to};
use super::table::{Row, Rules, Table};
use crate::core::decision::Decision;
use crate::core::evidence::Evidence;

/// Which master a Sentinel watches.
pub fn for_sentinel(evidence: &Evidence) -> Decision {
    for_sentinel_by(Rules::ALL, evidence)
}

/// The same by fewer rules, to show what they are for.
pub fn for_sentinel_by(rules: Rules, evidence: &Evidence) -> Decision {
    let facts = Facts { evidence, rules };
    if let Some(decision) = rules.decide::<BeforeAnyClaim>(&facts) {
        return decision;
    }
    match newest(&facts) {
        Newest::None => first_boot::without_claim(&facts),
        Newest::Undecided(rule, why) => Decision::undecided(why).by(rule),
        Newest::Claim(claim, by, rule) => {
            let watches = rules.decide::<Watches>(&Claimed { facts, claim: &claim, by: &by, rule });
            watches.unwrap_or_else(|| Decision::undecided("waits: no rule lets a Sentinel watch it"))
        }
    }
}

pub(in crate::core) struct BeforeAnyClaim;

impl Table for BeforeAnyClaim {
    type Facts<'a> = Facts<'a>;
    type Outcome = Decision;
    const QUESTION: &'static str = "A Sentinel starts: is its master clear before any claim is weighed?";
    const ROWS: &'static [Row<Self>] = &[
        Row { rule: &MAJORITY_OUTVOTES, check: behind_the_majority },
        Row { rule: &SENTINEL_WAITS, check: waits_for_who_starts },
    ];
}

/// The pod that has written a start marker and may be about to start: it has not answered yet, the same instance is
/// still there, the start marker is young, and no master lives.
fn waits_for_who_starts(facts: &Facts<'_>) -> Option<Decision> {
    let start_marker = facts.young_start_marker()?;
    let peer = facts.peer(&start_marker.by.pod)?;
    let is_starting = peer.is(&start_marker.by) && peer.heard.answer().is_none() && facts.living_masters().is_empty();
    let why = || format!("waits for {}, which has written a start marker and is starting", peer.pod);
    is_starting.then(|| Decision::undecided(why()))
}

pub(in crate::core) struct Watches;

impl Table for Watches {
    type Facts<'a> = Claimed<'a>;
    type Outcome = Decision;
    const QUESTION: &'static str = "There is a newest claim: which master does a Sentinel watch?";
    const ROWS: &'static [Row<Self>] = &[
        Row { rule: &SENTINEL_WATCHES_THE_LIVING, check: watches_the_only_living },
        Row { rule: &NEWEST_CLAIM, check: watches_the_claimed },
    ];
}

/// Named and known to be no master, while exactly one other lives: the record moves to the living one first. One that
/// is only silent may be a master all the same.
fn watches_the_only_living(claimed: &Claimed<'_>) -> Option<Decision> {
    let named = &claimed.claim.master;
    let living = claimed.evidence.living_masters();
    let [alive] = living[..] else { return None };
    let why = || format!("watches {alive}, the only living master, though {}", claimed.by);
    (named != alive && claimed.is_no_master(named)).then(|| yield_to(claimed, alive, why()))
}

fn watches_the_claimed(claimed: &Claimed<'_>) -> Option<Decision> {
    let Claimed { claim, by, .. } = claimed;
    let why = format!("watches {}: {by}", claim.master);
    let record = forward(claimed, claim).or_else(|| from_own_file(claimed, claim));
    Some(Decision::follow((*claim).clone(), record, why).by(claimed.rule))
}
