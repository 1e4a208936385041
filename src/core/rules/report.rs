//! For whose disk report one waits, and what reports say.

use super::catalogue::{ALL_REPORTED, HEARD_LATELY, LOWER_ORDINALS};
use super::facts::Facts;
use super::table::{Row, Table};
use crate::core::decision::Reason;
use crate::core::evidence::{DiskData, Evidence, Object, Peer, RecordSeen};
use crate::core::outside::shown;

/// A peer, and the facts.
pub(in crate::core) struct OfPeer<'a> {
    facts: Facts<'a>,
    peer: &'a Peer,
}

/// Why one waits for a peer's report, where its disk is not known.
pub(super) fn missing_report(facts: &Facts<'_>, peer: &Peer) -> Option<Reason> {
    if facts.disk_of(peer) != DiskData::Unknown {
        return None;
    }
    let (rule, reason) = facts.rules.first::<Awaited>(&OfPeer { facts: *facts, peer })?;
    Some(reason.by(rule))
}

pub(in crate::core) struct Awaited;

impl Table for Awaited {
    type Facts<'a> = OfPeer<'a>;
    type Outcome = Reason;
    const QUESTION: &'static str = "Is a member waited for whose disk is not known? Where no row applies: no.";
    const ROWS: &'static [Row<Self>] = &[
        Row { rule: &ALL_REPORTED, check: exists_and_may_report },
        Row { rule: &LOWER_ORDINALS, check: comes_before_this_pod },
        Row { rule: &HEARD_LATELY, check: was_heard_lately },
    ];
}

fn exists_and_may_report(of: &OfPeer<'_>) -> Option<Reason> {
    let exists = of.peer.object != Object::Absent;
    if exists && has_just_marked(of) && of.peer.heard.answer().is_none() {
        return Some(format!("{} has written a start marker and does not answer yet", of.peer.pod).into());
    }
    (exists && may_report(of)).then(|| awaits(of, format!("{} has not reported its disk", of.peer.pod)))
}

/// A StatefulSet makes its pods in order, or all at once: one of a lower ordinal is coming. So are those of the sets
/// before, which wait for nobody of this one.
fn comes_before_this_pod(of: &OfPeer<'_>) -> Option<Reason> {
    let why = || format!("{} does not exist, and has not reported its disk", of.peer.pod);
    (is_coming(of) && may_report(of)).then(|| awaits(of, why()))
}

fn was_heard_lately(of: &OfPeer<'_>) -> Option<Reason> {
    let is_needed = of.peer.object != Object::Absent || is_coming(of);
    let why = || format!("{} was heard of lately, and has not reported its disk", of.peer.pod);
    (is_needed && of.facts.was_heard_lately(of.peer)).then(|| why().into())
}

/// Until this pod has been trying for the grace, where nothing else has it wait for longer.
fn awaits(of: &OfPeer<'_>, why: String) -> Reason {
    let OfPeer { facts, peer } = of;
    let is_by_time_alone = peer.heard.answer().is_none() && !facts.was_heard_lately(peer);
    let reason = Reason::from(why);
    if is_by_time_alone { reason.up_to(facts.grace.saturating_sub(facts.own.trying), "--holder-grace") } else { reason }
}

fn is_coming(of: &OfPeer<'_>) -> bool {
    let OfPeer { facts, peer } = of;
    let is_before = |me| facts.sets.place(&peer.pod) < facts.sets.place(me);
    peer.object == Object::Absent && facts.me.as_ref().is_some_and(is_before)
}

/// Whether it answers, has just written a start marker, so that its report has ended and it is about to answer, or this
/// pod has not been trying for the grace yet.
fn may_report(of: &OfPeer<'_>) -> bool {
    let OfPeer { facts, peer } = of;
    peer.heard.answer().is_some() || has_just_marked(of) || facts.own.trying < facts.grace
}

fn has_just_marked(of: &OfPeer<'_>) -> bool {
    of.facts.young_start_marker().is_some_and(|start_marker| of.peer.is(&start_marker.by))
}

/// That a peer's data cannot be loaded: its disk is reported as an empty one, and is none.
pub(super) fn damaged(peer: &Peer) -> Option<String> {
    peer.damage().map(|damage| format!("the data of {} cannot be loaded ({})", peer.pod, shown(damage)))
}

/// Whether the disk of every member that exists is known.
pub(super) fn have_all_reported(facts: &Facts<'_>) -> bool {
    facts.peers().iter().all(|peer| peer.object == Object::Absent || matches!(facts.disk_of(peer), DiskData::Reported(_)))
}

/// Whether the disk report of a replica has expired for everybody. Else it counts again once this server is gone,
/// though what that was promoted for, and took since, is newer: it may have started while the API server was away, and
/// while that is so nobody knows.
pub fn report_has_expired(evidence: &Evidence, peer: &Peer) -> bool {
    match &peer.object {
        Object::Present { report, .. } => report.as_ref().is_none_or(|report| report.started),
        Object::Absent | Object::Unknown => evidence.record == RecordSeen::NotKept,
    }
}
