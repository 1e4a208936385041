//! What a pod starts as, of which master, and by which rule: a pure function of the evidence, made by the tables in
//! [`rules`](super::rules).
//!
//! To lead takes proof; to follow takes the newest claim. Silence is never proof.

use std::fmt;
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
    pub role: StartAs,
    /// What the record must say before that is acted upon: created where it is absent, else moved.
    pub record: Option<Claim>,
    /// Whether this is the group's first boot: the record that is created says so until a master starts.
    pub is_first_boot: bool,
    /// Whether Sentinel may promote this pod as soon as it runs. A replica that may be promoted writes a start marker
    /// and is checked again, as a master is.
    pub promotable: bool,
    /// Undecided, with an empty disk, and other pods are created only once this one runs: when the
    /// deadline comes it runs as a replica of that pod, which does not exist yet.
    pub last_resort_master: Option<PodName>,
    /// Why.
    pub reason: Reason,
}

/// Why something was decided, or is waited for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reason {
    /// In one line.
    pub why: String,
    /// The rule that decided; none where no table was asked.
    pub rule: Option<&'static Rule>,
    /// For how much longer that rule lets it wait; none where it does until something changes.
    pub wait: Option<Wait>,
}

/// What is waited for ends by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wait {
    /// Within this time.
    pub up_to: Duration,
    /// The flag that says so.
    pub flag: &'static str,
}

impl Reason {
    /// The same, by this rule, where no other has decided.
    pub(super) fn by(self, rule: &'static Rule) -> Self {
        Self { rule: self.rule.or(Some(rule)), ..self }
    }

    /// The same, which ends by itself within that time.
    pub(super) fn up_to(self, up_to: Duration, flag: &'static str) -> Self {
        Self { wait: Some(Wait { up_to, flag }), ..self }
    }
}

impl From<String> for Reason {
    fn from(why: String) -> Self {
        Self { why, rule: None, wait: None }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.why)?;
        let Some(rule) = self.rule else { return Ok(()) };
        let seconds = |Wait { up_to, .. }: &Wait| Duration::from_secs(up_to.as_secs() + u64::from(up_to.subsec_nanos() > 0));
        match &self.wait {
            Some(wait) => {
                write!(f, " (rule {}, up to {} more by {})", rule.id, humantime::format_duration(seconds(wait)), wait.flag)
            }
            None => write!(f, " (rule {})", rule.id),
        }
    }
}

/// What a pod starts as.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StartAs {
    /// The master.
    Lead(Claim),
    /// Behind the claimed master: its replica, or a Sentinel that watches it.
    Follow(Claim),
    /// Not decidable from this evidence: look again.
    Undecided,
}

impl Decision {
    fn new(role: StartAs, record: Option<Claim>, reason: Reason) -> Self {
        let promotable = matches!(role, StartAs::Lead(_));
        Self { role, record, is_first_boot: false, promotable, last_resort_master: None, reason }
    }

    pub(super) fn lead(claim: Claim, record: Option<Claim>, why: impl Into<String>) -> Self {
        Self::new(StartAs::Lead(claim), record, why.into().into())
    }

    pub(super) fn follow(claim: Claim, record: Option<Claim>, why: impl Into<String>) -> Self {
        Self::new(StartAs::Follow(claim), record, why.into().into())
    }

    pub(super) fn undecided(why: impl Into<String>) -> Self {
        Self::waits(why.into().into())
    }

    pub(super) fn waits(reason: Reason) -> Self {
        Self::new(StartAs::Undecided, None, reason)
    }

    /// The same, by this rule, where no other has made it.
    pub(super) fn by(self, rule: &'static Rule) -> Self {
        Self { reason: self.reason.by(rule), ..self }
    }
}
