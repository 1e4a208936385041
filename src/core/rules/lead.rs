//! Whether the pod that the newest claim names may lead, or must yield.

use std::ops::Deref;
use std::time::Duration;

use super::catalogue::{
    ABANDONED, ALL_REPORTED, FAILOVER_POSSIBLE, FORCED_CLAIM, LAST_RESORT, LIVING_MASTER, NEWER_DATA, NEWEST_CLAIM, NO_DATA,
    ONLY_HOLDER_WRITES, RECORD_UNREADABLE, RECREATED_POD, Rule,
};
use super::facts::Facts;
use super::record::{RECORD_NOT_READ_YET, yield_to};
use super::report::{damaged, missing_report};
use super::table::{Row, Table};
use crate::core::decision::{Decision, FAILOVER, Reason};
use crate::core::disk::Disk;
use crate::core::evidence::{DiskData, Evidence, Link, Object, Peer, RecordSeen, Reply, Role, Watch};
use crate::core::identity::{Endpoint, PodName};
use crate::core::record::{Claim, Forced, Record};

/// How another comes to lead where no Sentinel elects one.
const BY_A_PERSON: &str = "; without Sentinel a person decides: `ordain reconcile --assume-master POD`";

/// The facts about a pod that is claimed as master.
#[derive(Clone, Copy)]
pub(in crate::core) struct Claimed<'a> {
    pub facts: Facts<'a>,
    pub claim: &'a Claim,
    /// Who claims so, in words.
    pub by: &'a str,
    /// The rule by which that claim counts.
    pub rule: &'static Rule,
}

impl<'a> Deref for Claimed<'a> {
    type Target = Facts<'a>;

    fn deref(&self) -> &Facts<'a> {
        &self.facts
    }
}

/// The newest claim names this pod: it leads if it can prove that it may. The tables are asked in this order: who else
/// leads, whose data, and whether a failover may be under way.
pub(super) fn lead_or_yield(claimed: &Claimed<'_>) -> Decision {
    let rules = claimed.rules;
    if let Some(decision) = rules.decide::<OtherMaster>(claimed) {
        return decision;
    }
    if let Some((rule, Data::Waits(reason))) = rules.first::<OwnData>(&claimed.facts) {
        return does_not_lead(claimed, reason.by(rule));
    }
    rules.decide::<MayLead>(claimed).unwrap_or_else(|| Decision::undecided("waits: no rule lets it lead"))
}

pub(in crate::core) struct OtherMaster;

impl Table for OtherMaster {
    type Facts<'a> = Claimed<'a>;
    type Outcome = Decision;
    const QUESTION: &'static str = "The newest claim names this pod: is another the master?";
    const ROWS: &'static [Row<Self>] =
        &[Row { rule: &LIVING_MASTER, check: another_lives }, Row { rule: &RECORD_UNREADABLE, check: record_may_name_another }];
}

fn another_lives(claimed: &Claimed<'_>) -> Option<Decision> {
    let living = claimed.evidence.living_masters();
    match &living[..] {
        [] => None,
        [other] => {
            let why = format!("follows {other}, which lives as master, though {}", claimed.by);
            Some(yield_to(claimed, other, why))
        }
        several => Some(several_masters(several)),
    }
}

/// Two that live as masters: nobody but a person knows which one is wrong.
pub(super) fn several_masters(masters: &[&PodName]) -> Decision {
    let names: Vec<_> = masters.iter().map(ToString::to_string).collect();
    Decision::undecided(format!(
        "waits: {} live as masters: stop the wrong one, what only that pod holds is lost",
        names.join(" and ")
    ))
}

fn record_may_name_another(claimed: &Claimed<'_>) -> Option<Decision> {
    match &claimed.record {
        RecordSeen::Pending => Some(Decision::undecided(RECORD_NOT_READ_YET)),
        RecordSeen::Unknown(failure) => Some(Decision::undecided(format!(
            "waits: the record cannot be read ({failure}), and may name another than {}",
            claimed.claim.master
        ))),
        RecordSeen::Absent | RecordSeen::Present(_) | RecordSeen::NotKept => None,
    }
}

/// What the disks say of a pod that is claimed as master.
pub(in crate::core) enum Data {
    /// It may lead with what it holds.
    Leads,
    /// It may not, and why.
    Waits(Reason),
}

pub(in crate::core) struct OwnData;

impl Table for OwnData {
    type Facts<'a> = Facts<'a>;
    type Outcome = Data;
    const QUESTION: &'static str = "May this pod lead with the data that it holds? Where no row applies: yes.";
    const ROWS: &'static [Row<Self>] = &[
        Row { rule: &FORCED_CLAIM, check: a_person_says_so },
        Row { rule: &ONLY_HOLDER_WRITES, check: nobody_else_can_have_led },
        Row { rule: &NO_DATA, check: holds_no_data },
        Row { rule: &NEWER_DATA, check: another_holds_newer_data },
        Row { rule: &ALL_REPORTED, check: another_has_not_reported },
    ];
}

/// Whatever the disks hold, but not with data that cannot be loaded.
fn a_person_says_so(facts: &Facts<'_>) -> Option<Data> {
    (is_forced(facts) && facts.own.damage.is_none()).then_some(Data::Leads)
}

fn nobody_else_can_have_led(facts: &Facts<'_>) -> Option<Data> {
    facts.is_the_only_writer().then_some(Data::Leads)
}

fn holds_no_data(facts: &Facts<'_>) -> Option<Data> {
    if facts.own.disk.holds_data() {
        return None;
    }
    if facts.record == RecordSeen::NotKept {
        // Nobody publishes anything: what another runs with may be the data, unless it is seen to be none. At a first
        // boot the others and the Sentinels may be up before the first pod, and name it.
        let is_seen_empty = |peer: &Peer| peer.replica().is_some_and(|replica| replica.link == Link::Never && replica.is_empty);
        let other = facts.peers().iter().find(|peer| !facts.is_known_not_to_run(peer) && !is_seen_empty(peer))?;
        return Some(waits(format!("its data directory is empty, and {} may hold the data", other.pod)));
    }
    if let (Some(damage), true) = (&facts.own.damage, is_forced(facts)) {
        return Some(waits(format!("its data cannot be loaded ({damage})")));
    }
    if !is_no_loss(facts) {
        return Some(waits("its data directory is empty, and the group has had a master: its volume was lost".to_owned()));
    }
    let held_by = |peer: &Peer| match facts.disk_of(peer) {
        DiskData::Reported(Disk::Empty) => damaged(peer),
        DiskData::Reported(disk) => Some(format!("that of {} was {disk}", peer.pod)),
        DiskData::Copied => Some(format!("{} has copied a master", peer.pod)),
        DiskData::Unknown => None,
    };
    facts.peers().iter().find_map(held_by).map(|held| waits(format!("its data directory is empty, and {held}")))
}

fn another_holds_newer_data(facts: &Facts<'_>) -> Option<Data> {
    let own = facts.own.disk;
    reporting(facts).find_map(|peer| match facts.disk_of(peer) {
        DiskData::Reported(disk) if disk.is_newer_than(own, facts.down_after) => {
            Some(waits(format!("its data ({own}) is older than that of {} ({disk})", peer.pod)))
        }
        DiskData::Reported(_) | DiskData::Copied | DiskData::Unknown => None,
    })
}

fn another_has_not_reported(facts: &Facts<'_>) -> Option<Data> {
    reporting(facts).find_map(|peer| missing_report(facts, peer)).map(Data::Waits)
}

/// The peers, where they report what they hold: nobody does where no record is kept.
fn reporting<'a>(facts: &Facts<'a>) -> impl Iterator<Item = &'a Peer> {
    let is_kept = facts.record != RecordSeen::NotKept;
    facts.peers().iter().filter(move |_| is_kept)
}

fn waits(why: String) -> Data {
    Data::Waits(why.into())
}

/// Whether an empty disk here is no loss: the group has never had a master, or this is the volume that
/// was stamped for it, so that what was written since would be there.
fn is_no_loss(facts: &Facts<'_>) -> bool {
    let is_no_loss = |record: &Record| record.is_new || facts.own.group_id.as_ref() == Some(&record.group_id);
    facts.record().is_some_and(is_no_loss)
}

/// Whether a person has forced this pod to lead.
fn is_forced(facts: &Facts<'_>) -> bool {
    let Some(record) = facts.record() else { return false };
    facts.me.as_ref() == Some(&record.claim.master)
        && match &record.forced {
            Some(Forced::Open) => true,
            Some(Forced::By(instance)) => facts.own.instance.as_ref() == Some(instance),
            None => false,
        }
}

/// A pod that is claimed and may not lead.
fn does_not_lead(claimed: &Claimed<'_>, mut reason: Reason) -> Decision {
    let how = if claimed.has_no_sentinels() { BY_A_PERSON } else { "" };
    reason.why = format!("waits: {}{how}", reason.why);
    Decision { last_resort_master: claimed.facts.first::<LastResort>(), ..Decision::waits(reason) }
}

pub(in crate::core) struct LastResort;

impl Table for LastResort {
    type Facts<'a> = Facts<'a>;
    /// Whose replica it is.
    type Outcome = PodName;
    const QUESTION: &'static str = "This pod may not lead: does it run at its deadline all the same? Where no row applies: no.";
    const ROWS: &'static [Row<Self>] = &[Row { rule: &LAST_RESORT, check: others_are_made_after_it }];
}

/// The first pod that does not exist yet, once all that exist have reported. Whoever follows, and be it nobody, has
/// what it cannot load set aside: like a holder that stays away, not before the grace.
fn others_are_made_after_it(facts: &Facts<'_>) -> Option<PodName> {
    let is_kept = facts.own.damage.is_some() && facts.own.trying < facts.grace;
    let is_awaited = |peer: &Peer| peer.object != Object::Absent && missing_report(facts, peer).is_some();
    if facts.own.disk.holds_data() || is_kept || facts.peers().iter().any(is_awaited) {
        return None;
    }
    let absent = facts.peers().iter().filter(|peer| peer.object == Object::Absent).map(|peer| &peer.pod);
    absent.min_by_key(|pod| facts.sets.place(pod)).cloned()
}

pub(in crate::core) struct MayLead;

impl Table for MayLead {
    type Facts<'a> = Claimed<'a>;
    type Outcome = Decision;
    const QUESTION: &'static str = "Nobody else is the master, and the data is the newest: does this pod lead now?";
    const ROWS: &'static [Row<Self>] = &[
        Row { rule: &ABANDONED, check: was_abandoned },
        Row { rule: &FAILOVER_POSSIBLE, check: failover_may_be_under_way },
        Row { rule: &RECREATED_POD, check: may_not_be_found_in_time },
        Row { rule: &NEWEST_CLAIM, check: leads },
    ];
}

fn was_abandoned(claimed: &Claimed<'_>) -> Option<Decision> {
    let record = claimed.record().filter(|record| record.is_abandoned && record.claim.master == claimed.claim.master);
    let why =
        "it was abandoned while it was away, and leads only if its data is seen to be the newest; else Sentinel promotes another";
    record.map(|_| does_not_lead(claimed, why.to_owned().into()))
}

fn failover_may_be_under_way(claimed: &Claimed<'_>) -> Option<Decision> {
    // A replica that it has chosen may be down for a moment, and is promoted when it is back.
    if let Some((at, _)) = claimed.watches().find(|(_, watch)| watch.failover_in_progress) {
        return Some(Decision::undecided(format!("waits: Sentinel {at} is failing over")));
    }
    let risk = possible_failover(claimed)?;
    (!has_waited(claimed)).then(|| waits_for_sentinel(claimed, &format!("a failover may be under way, for {risk}")))
}

/// A pod that was made again has another address, and Sentinel looks a name up only when it connects again: it may find
/// the pod down though the pod runs.
fn may_not_be_found_in_time(claimed: &Claimed<'_>) -> Option<Decision> {
    (is_in_danger_as_a_new_pod(claimed) && !has_waited(claimed))
        .then(|| waits_for_sentinel(claimed, "the pod was made anew, and Sentinel may not find it in time"))
}

fn is_in_danger_as_a_new_pod(facts: &Facts<'_>) -> bool {
    !facts.own.has_run && !facts.has_no_sentinels() && candidate(facts.evidence).is_some()
}

fn leads(claimed: &Claimed<'_>) -> Option<Decision> {
    let Claimed { claim, by, .. } = claimed;
    let record = match &claimed.record {
        RecordSeen::Absent => Some((*claim).clone()),
        _ => claimed.moves_the_record(claim).then(|| (*claim).clone()),
    };
    let failover = if possible_failover(claimed).is_some() || is_in_danger_as_a_new_pod(claimed) {
        format!("no failover came in {:?}", claimed.down_after + FAILOVER)
    } else {
        "no failover can be under way".to_owned()
    };
    Some(Decision::lead((*claim).clone(), record, format!("leads: {by}, and {failover}")).by(claimed.rule))
}

fn waits_for_sentinel(claimed: &Claimed<'_>, why: &str) -> Decision {
    let rest = (claimed.down_after + FAILOVER).saturating_sub(claimed.waited);
    Decision::waits(Reason::from(format!("waits: {why}")).up_to(rest, "--down-after"))
}

/// Whether a failover that could come has had its time.
fn has_waited(facts: &Facts<'_>) -> bool {
    facts.waited >= facts.down_after + FAILOVER
}

/// Whom Sentinel could elect: whatever is not known to be down may be a replica that it can.
fn candidate(evidence: &Evidence) -> Option<&Peer> {
    let promotable = |peer: &&Peer| match &peer.heard {
        Reply::Answer(Role::Replica(replica)) => replica.priority > 0,
        Reply::Answer(Role::Master) => false,
        Reply::Pending | Reply::Failed(_) => !evidence.is_known_not_to_run(peer),
    };
    evidence.peers.iter().find(promotable)
}

/// Whether a failover could come: a majority of the Sentinels watches this pod, and there is whom they
/// could elect. From then on it takes its time, however long this pod has been waiting before.
pub fn a_failover_could_come(evidence: &Evidence) -> bool {
    let watch_me = evidence.watches().filter(|(_, watch)| evidence.member_at(&watch.master.host) == evidence.me.as_ref());
    candidate(evidence).is_some() && !evidence.has_no_sentinels() && watch_me.count() >= evidence.majority()
}

/// Why a failover may replace this pod while it starts; none where a majority of the Sentinels finds nothing wrong with
/// it, or there is nobody to promote.
fn possible_failover(facts: &Facts<'_>) -> Option<String> {
    let candidate = candidate(facts.evidence)?;
    if facts.has_no_sentinels() {
        return None;
    }
    if let Some(risk) = facts.watches().find_map(|(at, watch)| doubt(facts, at, watch)) {
        return Some(risk);
    }
    let (calm, majority) = (facts.watches().count(), facts.majority());
    (calm < majority).then(|| {
        format!(
            "only {calm} Sentinels of a majority of {majority} find nothing wrong with this pod, and {} may be promoted",
            candidate.pod
        )
    })
}

/// What a Sentinel finds wrong with this pod, or is about to.
fn doubt(facts: &Facts<'_>, at: &Endpoint, watch: &Watch) -> Option<String> {
    let room = (facts.down_after / 5).min(Duration::from_secs(1));
    if facts.member_at(&watch.master.host) != facts.me.as_ref() {
        return Some(format!("Sentinel {at} names {}", watch.master));
    }
    if facts.me.as_ref().is_some_and(|me| !facts.is_still_at(me, &watch.master)) {
        return Some(format!("Sentinel {at} names {}, where this pod is not any more", watch.master));
    }
    if watch.finds_master_down {
        return Some(format!("Sentinel {at} finds this pod down"));
    }
    (watch.last_ok_ping + room > facts.down_after).then(|| format!("Sentinel {at} is about to find this pod down"))
}
