//! A scenario, and what counts in it.

use std::time::Duration;

use anyhow::Result;
use serde_json::Value;

use crate::group::Group;
use crate::outcome::Outcome;
use crate::writer::Writer;

/// One thing that goes wrong while a client writes.
pub struct Scenario {
    pub name: &'static str,
    /// What is done before the clock runs.
    pub prepare: fn(&Group) -> Result<()>,
    /// What goes wrong; it returns when the group can be asked whether it is whole again.
    pub happen: fn(&Group, &Value, &Writer) -> Result<()>,
    /// The longest that the next acknowledged write may take.
    pub bar: Duration,
    /// The same where nobody elects another master; none where there would be no writes then.
    pub alone: Option<Duration>,
    /// What may be lost.
    pub tolerance: Tolerance,
    /// Whether a master that is cut off may take writes beside its successor, from whoever reaches it: nothing but
    /// `min-replicas-to-write` keeps it from that, until Sentinel reaches it and demotes it.
    pub may_be_two: bool,
    /// Seconds and lost writes of today's charts: CloudPirates' redis and DandyDeveloper's redis-ha.
    pub today: &'static str,
    /// What it takes.
    pub needs: &'static [Need],
}

/// What not every cluster or topology has.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Need {
    /// Nodes of our own.
    Nodes,
    /// Sentinels in pods of their own.
    SharedSentinels,
}

impl Need {
    /// Why it cannot be, in words.
    pub fn lack(self) -> &'static str {
        match self {
            Self::Nodes => "these nodes are not ours to kill",
            Self::SharedSentinels => "its Sentinels watch no other group",
        }
    }
}

/// Which acknowledged writes may be lost.
#[derive(PartialEq, Eq)]
pub enum Tolerance {
    None,
    /// Those that no replica had.
    Undelivered,
}

impl Scenario {
    /// Whether no write was lost that may not be, and no two pods were ever labelled master, or took writes at once
    /// where that may not be.
    pub fn is_safe(&self, outcome: &Outcome) -> bool {
        let is_lost = match self.tolerance {
            Tolerance::None => outcome.lost > 0,
            Tolerance::Undelivered => outcome.lost_delivered > 0,
        };
        !is_lost && !outcome.were_two_labels && (outcome.two_masters.is_zero() || self.may_be_two)
    }

    /// Brings the group to where the scenario begins.
    pub fn set_the_stage(&self, group: &Group) -> Result<()> {
        (self.prepare)(group)?;
        group.wait_until_whole()
    }
}
