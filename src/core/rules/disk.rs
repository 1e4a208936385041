//! What is known of a member's disk.

use super::catalogue::{OWN_GROUP, REPORT_EXPIRES, START_MARKER_ENDS_REPORT};
use super::table::{Row, Rules, Table};
use crate::core::disk::{Disk, DiskReport, Instance};
use crate::core::evidence::{DiskData, Evidence, Link, Peer, Role};

/// What is known of a peer's disk.
pub fn disk_of(rules: Rules, evidence: &Evidence, peer: &Peer) -> DiskData {
    let report = peer.report();
    let known = rules.first::<Report>(&Reported { evidence, peer, report: report.as_ref().map(|(run, report)| (run, *report)) });
    match (known, report) {
        (Some((_, known)), _) => known,
        (None, Some((_, report))) => DiskData::Reported(report.disk.as_of(evidence.now)),
        (None, None) => DiskData::Unknown,
    }
}

/// A peer and its disk report.
pub(in crate::core) struct Reported<'a> {
    evidence: &'a Evidence,
    peer: &'a Peer,
    /// The run that has published it, and what it says.
    report: Option<(&'a Instance, &'a DiskReport)>,
}

pub(in crate::core) struct Report;

impl Table for Report {
    type Facts<'a> = Reported<'a>;
    type Outcome = DiskData;
    const QUESTION: &'static str = "What is known of a member's disk? Where no row applies: what its report says.";
    const ROWS: &'static [Row<Self>] = &[
        Row { rule: &REPORT_EXPIRES, check: has_run_since },
        Row { rule: &START_MARKER_ENDS_REPORT, check: has_written_a_start_marker },
        Row { rule: &OWN_GROUP, check: is_of_another_group },
    ];
}

/// Its server has had a link to a master, answers as one, or was started and is gone. Before its server starts the pod
/// itself answers for its disk, afterwards only that server does, and not another that was started since.
fn has_run_since(facts: &Reported<'_>) -> Option<DiskData> {
    if facts.peer.replica().is_some_and(|replica| replica.link != Link::Never) {
        return Some(DiskData::Copied);
    }
    let (_, report) = facts.report?;
    let has_run = match facts.peer.heard.answer() {
        Some(Role::Master) => true,
        Some(Role::Replica(replica)) => replica.run.as_ref() != Some(&report.run),
        None => report.started,
    };
    has_run.then_some(DiskData::Unknown)
}

fn has_written_a_start_marker(facts: &Reported<'_>) -> Option<DiskData> {
    let (run, _) = facts.report?;
    facts.evidence.recorded()?.has_start_marker_of(run).then_some(DiskData::Unknown)
}

/// What another group left there is none of this group's data.
fn is_of_another_group(facts: &Reported<'_>) -> Option<DiskData> {
    let (_, report) = facts.report?;
    let record = facts.evidence.recorded()?;
    report.group.as_ref().filter(|id| **id != record.group_id).map(|_| DiskData::Reported(Disk::Empty))
}
