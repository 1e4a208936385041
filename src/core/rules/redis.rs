//! What a pod's Redis starts as.

use std::time::Duration;

use super::catalogue::{MAJORITY_OUTVOTES, NEWEST_CLAIM, ONLY_HOLDER_WRITES, OWN_GROUP, RECORD_UNREADABLE, START_UNPROMOTABLE};
use super::claims::{Newest, newest};
use super::facts::Facts;
use super::first_boot;
use super::lead::{Claimed, lead_or_yield};
use super::record::{behind_the_majority, forward};
use super::table::{Row, Rules, Table};
use crate::core::decision::{Decision, FAILOVER};
use crate::core::evidence::{DiskData, Evidence, Peer, RecordSeen};

/// What the pod `evidence.me` starts as.
pub fn for_redis(evidence: &Evidence) -> Decision {
    for_redis_by(Rules::ALL, evidence)
}

/// The same by fewer rules, to show what they are for.
pub fn for_redis_by(rules: Rules, evidence: &Evidence) -> Decision {
    let facts = Facts { evidence, rules };
    let Some(me) = &evidence.me else { return Decision::undecided("no pod was named") };
    if let Some(decision) = rules.decide::<BeforeAnyClaim>(&facts) {
        return decision;
    }
    match newest(&facts) {
        Newest::None => first_boot::without_claim(&facts),
        Newest::Undecided(rule, why) => Decision::undecided(why).by(rule),
        Newest::Claim(claim, by, rule) => {
            let claimed = Claimed { facts, claim: &claim, by: &by, rule };
            if claim.master == *me { lead_or_yield(&claimed) } else { follow(&claimed) }
        }
    }
}

pub(in crate::core) struct BeforeAnyClaim;

impl Table for BeforeAnyClaim {
    type Facts<'a> = Facts<'a>;
    type Outcome = Decision;
    const QUESTION: &'static str = "A Redis starts: is its part clear before any claim is weighed?";
    const ROWS: &'static [Row<Self>] =
        &[Row { rule: &OWN_GROUP, check: is_of_another_group }, Row { rule: &MAJORITY_OUTVOTES, check: behind_the_majority }];
}

/// Its data directory was stamped by another group.
fn is_of_another_group(facts: &Facts<'_>) -> Option<Decision> {
    let stamped = facts.own.group_id.as_ref().filter(|_| facts.own.disk.holds_data())?;
    let record = facts.record().filter(|record| record.group_id != *stamped)?;
    Some(Decision::undecided(format!(
        "waits: its data directory is of the group {stamped}, and the record of the group {}: give this pod its own volume back, or empty this one",
        record.group_id
    )))
}

fn follow(claimed: &Claimed<'_>) -> Decision {
    claimed.rules.decide::<Follow>(claimed).unwrap_or_else(|| Decision::undecided("waits: no rule lets it follow"))
}

pub(in crate::core) struct Follow;

impl Table for Follow {
    type Facts<'a> = Claimed<'a>;
    type Outcome = Decision;
    const QUESTION: &'static str = "The newest claim names another pod: does this one follow it now?";
    const ROWS: &'static [Row<Self>] =
        &[Row { rule: &RECORD_UNREADABLE, check: asks_for_the_record_again }, Row { rule: &NEWEST_CLAIM, check: follows }];
}

/// Whoever follows an older master erases what it had: where there is something to lose, a record that
/// could not be read is asked for again for a while, before the Sentinels alone are believed.
fn asks_for_the_record_again(claimed: &Claimed<'_>) -> Option<Decision> {
    let is_unread = matches!(claimed.record, RecordSeen::Unknown(_));
    let asks = is_unread && claimed.own.disk.holds_data() && claimed.waited < FAILOVER;
    asks.then(|| Decision::undecided(format!("waits: {}, and the record, which may name another, could not be read", claimed.by)))
}

fn follows(claimed: &Claimed<'_>) -> Option<Decision> {
    let Claimed { claim, by, .. } = claimed;
    let promotable = claimed.rules.first::<StartsPromotable>(claimed).is_none();
    let fit = if promotable { ", whose data is older, and may be promoted at once" } else { "" };
    let why = format!("follows {}{fit}: {by}", claim.master);
    let follow = Decision::follow((*claim).clone(), forward(claimed, claim), why).by(claimed.rule);
    Some(Decision { promotable, ..follow })
}

pub(in crate::core) struct StartsPromotable;

impl Table for StartsPromotable {
    type Facts<'a> = Claimed<'a>;
    type Outcome = ();
    const QUESTION: &'static str = "Does this replica start with priority 0? Where no row applies: with its own.";
    const ROWS: &'static [Row<Self>] = &[
        Row { rule: &ONLY_HOLDER_WRITES, check: nobody_promotes },
        Row { rule: &START_UNPROMOTABLE, check: is_not_known_to_be_the_newest },
    ];
}

/// Who is no master by the record never is one where nobody elects.
fn nobody_promotes(claimed: &Claimed<'_>) -> Option<()> {
    claimed.has_no_sentinels().then_some(())
}

/// Unless it holds what nobody else holds any more: its disk is newer than the holder's, nobody's is newer, and all are
/// known.
fn is_not_known_to_be_the_newest(claimed: &Claimed<'_>) -> Option<()> {
    let (own, claim) = (claimed.own.disk, claimed.claim);
    // While a forced claim is open, whom it names starts whatever the disks hold.
    let is_recorded = claimed.record().is_some_and(|record| record.forced.is_none());
    let is_recorded = is_recorded && claimed.recorded_claim().as_ref() == Some(claim);
    let is_behind = |peer: &Peer| match claimed.disk_of(peer) {
        DiskData::Reported(disk) if peer.pod == claim.master => own.is_newer_than(disk, claimed.down_after),
        DiskData::Reported(disk) => !disk.is_newer_than(own, Duration::ZERO),
        DiskData::Copied | DiskData::Unknown => false,
    };
    let is_the_newest =
        own.holds_data() && is_recorded && claimed.peer(&claim.master).is_some() && claimed.peers().iter().all(is_behind);
    (!is_the_newest).then_some(())
}
