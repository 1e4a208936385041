//! What came out, beside the bars.

use std::time::Duration;

use anyhow::Result;

use crate::outcome::{Outcome, label, seconds};
use crate::scenario::{Scenario, Tolerance};

/// All rounds of a scenario.
pub struct Row<'a> {
    scenario: &'a Scenario,
    bar: Duration,
    outcomes: Vec<Outcome>,
    failed: usize,
}

impl<'a> Row<'a> {
    pub fn new(scenario: &'a Scenario, bar: Duration) -> Self {
        Self { scenario, bar, outcomes: Vec::new(), failed: 0 }
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

    /// Whether each round came to its end, and did no harm.
    pub fn is_safe(&self) -> bool {
        self.failed == 0 && self.outcomes.iter().all(|outcome| self.scenario.is_safe(outcome))
    }

    /// Whether the median is within the bar as well.
    pub fn is_kept(&self) -> bool {
        let writes = self.writes();
        self.is_safe() && writes.get(writes.len() / 2).is_some_and(|median| *median <= self.bar)
    }
}

/// The table.
pub fn render(rows: &[Row]) -> String {
    let mut text = String::from(
        "\n| scenario | next acknowledged write, min/median/max | bar | next read, longest | label, longest | whole again, longest | acknowledged writes lost (delivered) | bar | two masters, longest | kept | today's charts: CP · DD |\n|---|---|---|---|---|---|---|---|---|---|---|\n",
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
            "| {} | {}/{}/{} s | {} | {} | {} | {} | {} of {} ({}) | {bar} | {} | {} | {} |\n",
            row.scenario.name,
            at(0),
            at(writes.len() / 2),
            at(writes.len().saturating_sub(1)),
            seconds(row.bar),
            seconds(longest(row, |outcome| outcome.reads)),
            label(row.outcomes.iter().filter_map(|outcome| outcome.label).max()),
            seconds(longest(row, |outcome| outcome.whole)),
            sum(|outcome| outcome.lost),
            sum(|outcome| outcome.acknowledged),
            sum(|outcome| outcome.lost_delivered),
            seconds(longest(row, |outcome| outcome.two_masters)),
            if row.is_kept() { "yes" } else { "no" },
            row.scenario.today,
        );
    }
    text
}

fn longest(row: &Row, time: fn(&Outcome) -> Duration) -> Duration {
    row.outcomes.iter().map(time).max().unwrap_or_default()
}
