//! The record: what is remembered outside the pods about who is master of a group.

use std::cmp::Ordering;
use std::fmt;

use super::identity::{Endpoint, PodName};

/// "This pod is the master, since this config-epoch."
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    /// The master.
    pub master: PodName,
    /// The epoch of the failover that made it so; 0 before the first.
    pub epoch: u64,
}

/// The record as it was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// The Lease's uid: a record that was deleted and made again has another.
    pub uid: String,
    /// The Lease's resourceVersion, opaque: what compare-and-swap compares.
    pub version: String,
    /// Grows by one with each change of master; fences the labels.
    pub transitions: u64,
    /// The claim that it keeps.
    pub claim: Claim,
    /// Where the master said it listens.
    pub address: Endpoint,
}

impl Record {
    /// What a run that knows `claim` must do with this record.
    pub fn against(&self, claim: &Claim) -> Step {
        match claim.epoch.cmp(&self.claim.epoch) {
            Ordering::Greater => Step::Move,
            Ordering::Equal if claim.master == self.claim.master => Step::Holds,
            // Neither is newer: the labels stay as the record says, until one is.
            Ordering::Equal => Step::Disputed,
            Ordering::Less => Step::Older,
        }
    }

    /// The number that the next write carries: a new epoch of the same master is no change of master.
    pub fn transitions_for(&self, claim: &Claim) -> u64 {
        self.transitions + u64::from(claim.master != self.claim.master)
    }
}

/// How a claim stands to the record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// The claim is newer: the record moves to it.
    Move,
    /// The record says the same.
    Holds,
    /// The same epoch with another master.
    Disputed,
    /// The record knows something newer: nothing to do.
    Older,
}

impl fmt::Display for Record {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { claim, address, transitions, .. } = self;
        write!(f, "{} at {address}, epoch {}, transition {transitions}", claim.master, claim.epoch)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn claim(master: &str, epoch: u64) -> Claim {
        Claim { master: master.parse().unwrap(), epoch }
    }

    fn record(master: &str, epoch: u64) -> Record {
        Record {
            uid: "u".into(),
            version: "1".into(),
            transitions: 4,
            claim: claim(master, epoch),
            address: Endpoint::parse(master, 6379).unwrap(),
        }
    }

    #[test]
    fn a_newer_claim_moves_the_record_and_an_older_one_is_harmless() {
        assert_eq!(record("redis-0", 2).against(&claim("redis-1", 3)), Step::Move);
        assert_eq!(record("redis-0", 2).against(&claim("redis-1", 1)), Step::Older);
        assert_eq!(record("redis-0", 2).against(&claim("redis-0", 2)), Step::Holds);
        assert_eq!(record("redis-0", 2).against(&claim("redis-1", 2)), Step::Disputed);
    }

    #[test]
    fn only_a_change_of_master_is_a_transition() {
        assert_eq!(record("redis-0", 2).transitions_for(&claim("redis-1", 3)), 5);
        assert_eq!(record("redis-0", 2).transitions_for(&claim("redis-0", 3)), 4);
    }
}
