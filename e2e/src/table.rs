//! What came out, beside the bars.

use std::fmt::{Display, Formatter, Result as Written};
use std::time::Duration;

use anyhow::Result;

use crate::scenarios::{Scenario, Tolerance};

/// One round of a scenario.
pub struct Outcome {
    pub writes: Duration,
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
            "next write after {}, label after {}, whole after {}",
            seconds(self.writes),
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

/// All rounds of a scenario.
pub struct Row<'a> {
    scenario: &'a Scenario,
    outcomes: Vec<Outcome>,
    failed: usize,
}

impl<'a> Row<'a> {
    pub fn new(scenario: &'a Scenario) -> Self {
        Self { scenario, outcomes: Vec::new(), failed: 0 }
    }

    pub fn add(&mut self, outcome: Result<Outcome>) {
        match outcome {
            Ok(outcome) => self.outcomes.push(outcome),
            Err(_) => self.failed += 1,
        }
    }

    fn writes(&self) -> Vec<Duration> {
        let mut writes: Vec<_> = self.outcomes.iter().map(|outcome| outcome.writes).collect();
        writes.sort();
        writes
    }

    /// Whether the median is within the bar, nothing was lost that may not be, and no two pods were
    /// ever labelled master or took writes at once.
    pub fn is_kept(&self) -> bool {
        let writes = self.writes();
        let median = writes.get(writes.len() / 2);
        let is_lost = |outcome: &Outcome| match self.scenario.tolerance {
            Tolerance::None => outcome.lost > 0,
            Tolerance::Undelivered => outcome.lost_delivered > 0,
        };
        self.failed == 0
            && median.is_some_and(|median| *median <= self.scenario.bar)
            && !self.outcomes.iter().any(|outcome| is_lost(outcome) || outcome.were_two_labels || !outcome.two_masters.is_zero())
    }
}

/// The table.
pub fn render(rows: &[Row]) -> String {
    let mut text = String::from(
        "\n| scenario | next acknowledged write, min/median/max | bar | label, longest | whole again, longest | acknowledged writes lost (delivered) | bar | two masters, longest | kept | today's charts: CP · DD |\n|---|---|---|---|---|---|---|---|---|---|\n",
    );
    for row in rows {
        let writes = row.writes();
        let at = |index: usize| writes.get(index).map_or_else(|| "-".to_owned(), |writes| format!("{:.1}", writes.as_secs_f64()));
        let sum = |count: fn(&Outcome) -> usize| row.outcomes.iter().map(count).sum::<usize>();
        let bar = match row.scenario.tolerance {
            Tolerance::None => "0",
            Tolerance::Undelivered => "0 of those delivered",
        };
        text += &format!(
            "| {} | {}/{}/{} s | {} | {} | {} | {} of {} ({}) | {bar} | {} | {} | {} |\n",
            row.scenario.name,
            at(0),
            at(writes.len() / 2),
            at(writes.len().saturating_sub(1)),
            seconds(row.scenario.bar),
            label(row.outcomes.iter().filter_map(|outcome| outcome.label).max()),
            seconds(row.outcomes.iter().map(|outcome| outcome.whole).max().unwrap_or_default()),
            sum(|outcome| outcome.lost),
            sum(|outcome| outcome.acknowledged),
            sum(|outcome| outcome.lost_delivered),
            seconds(row.outcomes.iter().map(|outcome| outcome.two_masters).max().unwrap_or_default()),
            if row.is_kept() { "yes" } else { "no" },
            row.scenario.today,
        );
    }
    text
}

fn seconds(time: Duration) -> String {
    format!("{:.1} s", time.as_secs_f64())
}

fn label(gap: Option<Duration>) -> String {
    gap.map_or_else(|| "stays".to_owned(), seconds)
}
