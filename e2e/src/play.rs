//! One round of a scenario: clients write and read while something goes wrong.

use std::fmt::{Display, Formatter, Result as Written};
use std::time::Duration;

use anyhow::Result;

use crate::cluster::text;
use crate::group::Group;
use crate::labels::Labels;
use crate::masters::Masters;
use crate::reader::Reader;
use crate::scenarios::Scenario;
use crate::table::{label, seconds};
use crate::writer::{Writer, now};

/// What came out.
pub struct Outcome {
    /// Until the next acknowledged write.
    pub writes: Duration,
    /// Until the next read that a replica answered.
    pub reads: Duration,
    pub label: Option<Duration>,
    /// Until every pod was ready, and every replica fit to be promoted.
    pub whole: Duration,
    pub were_two_labels: bool,
    pub two_masters: Duration,
    pub acknowledged: usize,
    pub lost: usize,
    pub lost_delivered: usize,
    pub from: String,
    pub to: String,
    pub errors: Vec<String>,
}

impl Display for Outcome {
    fn fmt(&self, f: &mut Formatter) -> Written {
        write!(
            f,
            "next write after {}, next read after {}, label after {}, whole after {}",
            seconds(self.writes),
            seconds(self.reads),
            label(self.label),
            seconds(self.whole)
        )?;
        write!(f, ", {} of {} lost ({} delivered)", self.lost, self.acknowledged, self.lost_delivered)?;
        write!(f, ", {} to {}", self.from, self.to)?;
        if self.were_two_labels {
            write!(f, ", two pods were labelled master")?;
        }
        if !self.two_masters.is_zero() {
            write!(f, ", two pods took writes at once for {}", seconds(self.two_masters))?;
        }
        for error in self.errors.iter().take(8) {
            write!(f, "\n    {error}")?;
        }
        Ok(())
    }
}

/// Plays one round, and waits until the group is whole again.
pub fn play(group: &Group, scenario: &Scenario, round: usize) -> Result<Outcome> {
    group.wait_until_whole()?;
    scenario.prepare(group)?;
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
