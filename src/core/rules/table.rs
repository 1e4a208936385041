//! What a table is: rows in order, each a rule and its check.

use super::catalogue::{RULES, Rule};
use crate::core::decision::Decision;

/// A table of rules. Its rows are read from top to bottom.
pub trait Table: 'static {
    /// What its checks look at.
    type Facts<'a>;
    /// What a row that applies decides.
    type Outcome;
    /// The question that it answers.
    const QUESTION: &'static str;
    /// Its rows, in order.
    const ROWS: &'static [Row<Self>];
}

/// A rule, and when it applies and what it decides then.
pub struct Row<T: Table + ?Sized> {
    /// The rule.
    pub rule: &'static Rule,
    /// What it decides; none where it does not apply.
    pub check: for<'a> fn(&T::Facts<'a>) -> Option<T::Outcome>,
}

/// The rules in force: all of them, but for a test that shows what one is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Rules {
    /// A bit for each that is left out, by its place in [`RULES`].
    left_out: u64,
}

impl Rules {
    /// All of them.
    pub const ALL: Self = Self { left_out: 0 };

    /// The same without the rows of one rule, in every table.
    pub fn without(self, rule: &Rule) -> Self {
        Self { left_out: self.left_out | bit(rule) }
    }

    /// The rows of a table that are left.
    fn rows<T: Table>(self) -> impl Iterator<Item = &'static Row<T>> {
        T::ROWS.iter().filter(move |row| self.left_out == 0 || self.left_out & bit(row.rule) == 0)
    }

    /// The first row that applies ends the table: its rule, and what it decides.
    pub fn first<T: Table>(self, facts: &T::Facts<'_>) -> Option<(&'static Rule, T::Outcome)> {
        self.rows::<T>().find_map(|row| Some((row.rule, (row.check)(facts)?)))
    }

    /// What a table decides, which names the rule.
    pub(super) fn decide<T: Table<Outcome = Decision>>(self, facts: &T::Facts<'_>) -> Option<Decision> {
        self.first::<T>(facts).map(|(rule, decision)| decision.by(rule))
    }

    /// What every row that applies decides, in order.
    pub fn every<T: Table>(self, facts: &T::Facts<'_>) -> Vec<(&'static Rule, T::Outcome)> {
        self.rows::<T>().filter_map(|row| Some((row.rule, (row.check)(facts)?))).collect()
    }
}

fn bit(rule: &Rule) -> u64 {
    let place = RULES.iter().position(|one| one.id == rule.id).expect("a rule of the catalogue");
    1 << place
}

const _: () = assert!(RULES.len() <= u64::BITS as usize);
