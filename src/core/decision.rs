//! What a pod shall be, of whom, and by which rule: a pure function of the evidence, made by the tables in
//! [`rules`](super::rules).
//!
//! To lead takes proof; to follow takes the newest claim. Silence is never proof.

use std::time::Duration;

use super::identity::PodName;
use super::record::Claim;
use super::rules::catalogue::Rule;

/// How long Sentinel may take for a failover once it finds the master down: election, promotion
/// and the announcement to the other Sentinels.
pub const FAILOVER: Duration = Duration::from_secs(10);

/// A decision with its reason.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision {
    /// What to be.
    pub part: Part,
    /// What the record must say before that is acted upon: created where it is absent, else moved.
    pub record: Option<Claim>,
    /// Whether this is the group's first boot: the record that is created says so until a master starts.
    pub is_first_boot: bool,
    /// Whether Sentinel may promote this pod as soon as it runs. A replica that may be is marked in
    /// the record and checked again, as a master is.
    pub electable: bool,
    /// Undecided, with an empty disk, and other pods are created only once this one runs: when the
    /// deadline comes it runs as a replica of that pod, which does not exist yet.
    pub at_last: Option<PodName>,
    /// The reason, in one line.
    pub why: String,
    /// The rule that made it; none where no table was asked.
    pub rule: Option<&'static Rule>,
}

/// What a pod shall be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Part {
    /// The master.
    Lead(Claim),
    /// Behind the claimed master: its replica, or a Sentinel that watches it.
    Follow(Claim),
    /// Not decidable from this evidence: look again.
    Undecided,
}

impl Decision {
    fn new(part: Part, record: Option<Claim>, why: String) -> Self {
        let electable = matches!(part, Part::Lead(_));
        Self { part, record, is_first_boot: false, electable, at_last: None, why, rule: None }
    }

    pub(super) fn lead(claim: Claim, record: Option<Claim>, why: impl Into<String>) -> Self {
        Self::new(Part::Lead(claim), record, why.into())
    }

    pub(super) fn follow(claim: Claim, record: Option<Claim>, why: impl Into<String>) -> Self {
        Self::new(Part::Follow(claim), record, why.into())
    }

    pub(super) fn undecided(why: impl Into<String>) -> Self {
        Self::new(Part::Undecided, None, why.into())
    }

    /// The same, by this rule, where no other has made it.
    pub(super) fn by(self, rule: &'static Rule) -> Self {
        Self { rule: self.rule.or(Some(rule)), ..self }
    }
}
