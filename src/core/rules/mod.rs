//! The rules by which evidence is weighed, each with a name: so that a test can leave one out and
//! show what it is for. The program itself never leaves one out.

use std::ops::Deref;

pub mod catalogue;

use super::evidence::{Evidence, Known, Peer};

/// A sentence of the protocol that could be left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Rule {
    /// Nobody leads while another pod answers as master.
    NoOtherMaster,
    /// Nobody leads with an empty disk, unless the group has never had a master.
    HoldsData,
    /// Nobody leads while another pod's disk is newer.
    NoNewerDisk,
    /// Nobody leads before every pod that exists has told what its disk holds.
    EveryoneHasTold,
    /// Nor before one has told again that was heard of within the grace, however long this pod has waited.
    HeardLatelyIsAwaited,
    /// Nor before every pod of a lower ordinal has, though it does not exist now.
    LowerOrdinalsHaveTold,
    /// Nobody leads while a failover can be under way.
    NoFailover,
    /// A holder that was given up does not lead.
    NotGivenUp,
    /// A pod with data of another group has no part in this one.
    OwnGroup,
    /// A first boot needs every pod that exists to have told that its disk is empty.
    FirstBootIsEmpty,
    /// Without any claim the most advanced disk is known only when all pods have told.
    AllToldBeforeAdoption,
    /// What a pod told of its disk holds no more when it has marked the record.
    WordEndsWithMark,
    /// What a pod told of its disk holds no more when its Redis has had a link to a master, and
    /// nobody knows whether it has once that Redis is gone.
    WordEndsWithLink,
    /// A replica starts unelectable, unless it is known to be the most advanced.
    StartsUnelectable,
    /// A Sentinel watches the only living master where the claimed one is known to be none.
    SentinelWatchesTheLiving,
    /// A Sentinel waits for a pod that has marked the record and is starting.
    SentinelWaitsForTheMarked,
    /// A majority that names the only living master moves the record whatever its epoch.
    MajorityOutvotesTheRecord,
    /// A holder whose disk is the newest is not given up.
    NewestIsNotGivenUp,
    /// After a holder was given up, nobody is made electable while a newer disk is known.
    NewestIsElected,
    /// Without Sentinels nobody but the recorded holder takes writes: with its data it leads, however late others have
    /// copied it, it is not given up, and nobody is made electable in its place.
    OnlyTheHolderWrites,
}

impl Rule {
    /// Each of them.
    pub const EACH: [Self; 20] = [
        Self::NoOtherMaster,
        Self::HoldsData,
        Self::NoNewerDisk,
        Self::EveryoneHasTold,
        Self::HeardLatelyIsAwaited,
        Self::LowerOrdinalsHaveTold,
        Self::NoFailover,
        Self::NotGivenUp,
        Self::OwnGroup,
        Self::FirstBootIsEmpty,
        Self::AllToldBeforeAdoption,
        Self::WordEndsWithMark,
        Self::WordEndsWithLink,
        Self::StartsUnelectable,
        Self::SentinelWatchesTheLiving,
        Self::SentinelWaitsForTheMarked,
        Self::MajorityOutvotesTheRecord,
        Self::NewestIsNotGivenUp,
        Self::NewestIsElected,
        Self::OnlyTheHolderWrites,
    ];
}

/// Which rules are in force.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Rules {
    left_out: u32,
}

impl Rules {
    /// All of them.
    pub const ALL: Self = Self { left_out: 0 };

    /// All but one, to show what that one is for.
    pub const fn without(self, rule: Rule) -> Self {
        Self { left_out: self.left_out | 1 << rule as u32 }
    }

    /// Whether a rule is in force.
    pub const fn has(self, rule: Rule) -> bool {
        self.left_out & (1 << rule as u32) == 0
    }
}

/// Evidence, and the rules by which it is weighed.
#[derive(Debug, Clone, Copy)]
pub struct Case<'a> {
    evidence: &'a Evidence,
    rules: Rules,
}

impl<'a> Case<'a> {
    /// Evidence, weighed by all rules or by fewer.
    pub fn new(evidence: &'a Evidence, rules: Rules) -> Self {
        Self { evidence, rules }
    }

    /// The evidence, for as long as it lives.
    pub fn evidence(self) -> &'a Evidence {
        self.evidence
    }

    /// What is known of a peer's disk, by these rules.
    pub fn disk_of(self, peer: &Peer) -> Known {
        self.evidence.disk_of(peer, self.rules)
    }

    /// Whether a rule is in force.
    pub fn obeys(self, rule: Rule) -> bool {
        self.rules.has(rule)
    }
}

impl Deref for Case<'_> {
    type Target = Evidence;

    fn deref(&self) -> &Evidence {
        self.evidence
    }
}
