//! One round of a scenario: clients write and read while something goes wrong.

use std::time::Duration;

use anyhow::Result;

use crate::cluster::text;
use crate::group::Group;
use crate::labels::Labels;
use crate::masters::Masters;
use crate::outcome::Outcome;
use crate::reader::Reader;
use crate::scenario::Scenario;
use crate::writer::{Writer, now};

/// Plays one round, and waits until the group is whole again.
pub fn play(group: &Group, scenario: &Scenario, round: usize) -> Result<Outcome> {
    group.wait_until_whole()?;
    scenario.set_the_stage(group)?;
    let master = group.master()?;
    let tool = group.tool_beside(&master)?;
    let (masters, mut told) = Masters::watch(group, &tool)?;
    let labels = Labels::watch(&group.namespace, &group.redis(), move |pod| told.pod(pod))?;
    let prefix = format!("{}-{round}", scenario.name);
    let writer = Writer::start(group, &tool, &prefix)?;
    let reader = Reader::start(group, &tool)?;
    let event = now();
    (scenario.happen)(group, &master, &writer)?;
    writer.wait_for_writes(50, Duration::from_secs(90))?;
    group.wait_until_whole()?;
    let whole = Duration::from_millis(now() - event);
    writer.wait_for_writes(50, Duration::from_secs(30))?;
    let (report, missing) = writer.stop()?;
    Ok(Outcome {
        writes: report.longest_gap(event),
        reads: reader.stop(event)?,
        label: labels.gap(event),
        whole,
        were_two_labels: labels.were_two(),
        two_masters: masters.stop(),
        acknowledged: report.acknowledged.len(),
        lost: missing.len(),
        lost_delivered: missing.intersection(&report.delivered).count(),
        from: text(&master["metadata"]["name"]),
        to: text(&group.master()?["metadata"]["name"]),
        errors: report.errors,
    })
}
