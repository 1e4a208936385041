//! What came out of a round.

use std::fmt::{Display, Formatter, Result as Written};
use std::time::Duration;

/// What clients and labels went through.
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

/// A time as people read it.
pub fn seconds(time: Duration) -> String {
    format!("{:.1} s", time.as_secs_f64())
}

/// When the label came, if it moved.
pub fn label(gap: Option<Duration>) -> String {
    gap.map_or_else(|| "stays".to_owned(), seconds)
}
