//! The record: what is remembered outside the pods about who is master of a group.

use std::cmp::Ordering;
use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use serde::Serialize;

use super::disk::{Instance, Moment};
use super::epoch::Shown;
use super::identity::{Endpoint, PodName};

/// The most that a Lease can count (`leaseTransitions` is an int32).
pub const LAST_TRANSITION: u64 = i32::MAX as u64;

/// "This pod is the master, since this config-epoch."
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize)]
pub struct Claim {
    /// The master.
    pub master: PodName,
    /// The epoch of the failover that made it so; 0 before the first.
    pub epoch: u64,
}

impl Claim {
    /// What a record that says this must do where `other` is known.
    pub fn against(&self, other: &Self) -> Step {
        match other.epoch.cmp(&self.epoch) {
            Ordering::Greater => Step::Move,
            Ordering::Equal if other.master == self.master => Step::Holds,
            // Neither is newer: the labels stay as the record says, until one is.
            Ordering::Equal => Step::Disputed,
            Ordering::Less => Step::Older,
        }
    }
}

/// The record as it was read, or as it is to be written over what was read.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize)]
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
    /// A random id of the group, which is stamped into every data directory, too.
    pub group_id: String,
    /// No master has started yet since a first boot made this record: nothing can have been lost.
    pub is_new: bool,
    /// Who was last to start as a master, or as a replica that Sentinel may promote.
    pub start_marker: Option<StartMarker>,
    /// The holder was away for too long: it may not lead any more.
    pub is_abandoned: bool,
    /// A person has forced the holder to lead, whatever the disks hold.
    pub forced: Option<Forced>,
    /// The Lease as it was read, as JSON, opaque here; empty where there was none. What others wrote into it is
    /// written back.
    #[serde(skip)]
    pub as_read: Arc<str>,
    /// The names of the StatefulSets whose pods are the group's; none where it was made, or was last written, by a
    /// pod of 0.1.
    pub sets: BTreeSet<String>,
}

/// The start marker of an instance that is about to start: it fences all that were about to start before.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize)]
pub struct StartMarker {
    /// Who.
    pub by: Instance,
    /// When, by its node's clock.
    pub at: Moment,
}

/// How far a forced claim has come. It holds for one start.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Forced {
    /// Nobody has started on it.
    Open,
    /// This instance has.
    By(Instance),
}

impl Record {
    /// A record that is to be created: for a group that boots for the first time, or for one that has
    /// had a master.
    pub fn first(claim: Claim, address: Endpoint, group_id: String, is_new: bool) -> Self {
        Self {
            uid: String::new(),
            version: String::new(),
            transitions: 0,
            claim,
            address,
            group_id,
            is_new,
            start_marker: None,
            is_abandoned: false,
            forced: None,
            as_read: Arc::default(),
            sets: BTreeSet::new(),
        }
    }

    /// Whether it can name no other master: its transitions fence the labels, and a Lease counts no further.
    pub fn is_at_its_end(&self) -> bool {
        self.transitions >= LAST_TRANSITION
    }

    /// The record with these StatefulSets among the group's.
    pub fn with_sets<'a>(&self, sets: impl IntoIterator<Item = &'a str>) -> Self {
        let mut more = self.clone();
        more.sets.extend(sets.into_iter().map(str::to_owned));
        more
    }

    /// Whether one of these StatefulSets is not among the group's.
    pub fn lacks<'a>(&self, sets: impl IntoIterator<Item = &'a str>) -> bool {
        sets.into_iter().any(|set| !self.sets.contains(set))
    }

    /// What a run that knows `claim` must do with this record.
    pub fn against(&self, claim: &Claim) -> Step {
        self.claim.against(claim)
    }

    /// The record with another claim. A new epoch of the same master is no change of master: what was
    /// said of the holder holds.
    pub fn moved_to(&self, claim: &Claim, address: &Endpoint) -> Self {
        let is_other = claim.master != self.claim.master;
        Self {
            transitions: self.transitions.saturating_add(u64::from(is_other)),
            claim: claim.clone(),
            address: address.clone(),
            is_new: false,
            is_abandoned: self.is_abandoned && !is_other,
            forced: self.forced.clone().filter(|_| !is_other),
            ..self.clone()
        }
    }

    /// The record with the start marker of an instance that is about to start.
    pub fn marked(&self, by: &Instance, at: Moment) -> Self {
        let forced = match &self.forced {
            Some(Forced::Open) if by.pod == self.claim.master => Some(Forced::By(by.clone())),
            Some(Forced::By(earlier)) if earlier == by => self.forced.clone(),
            _ => None,
        };
        Self { start_marker: Some(StartMarker { by: by.clone(), at }), is_new: false, forced, ..self.clone() }
    }

    /// The record where an instance that has written a start marker does not start: the forced claim that it was about
    /// to start on is open again. None where there is no such claim.
    pub fn not_started_by(&self, instance: &Instance) -> Option<Self> {
        let was_used = self.has_start_marker_of(instance) && self.forced == Some(Forced::By(instance.clone()));
        was_used.then(|| Self { forced: Some(Forced::Open), ..self.clone() })
    }

    /// The record with its holder abandoned, or taken back.
    pub fn with_abandoned_holder(&self, is_abandoned: bool) -> Self {
        Self { is_abandoned, ..self.clone() }
    }

    /// The record with a forced claim.
    pub fn assumed_for(&self, claim: &Claim, address: &Endpoint) -> Self {
        Self { forced: Some(Forced::Open), is_abandoned: false, ..self.moved_to(claim, address) }
    }

    /// Whether the last start marker is this instance's.
    pub fn has_start_marker_of(&self, instance: &Instance) -> bool {
        self.start_marker.as_ref().is_some_and(|start_marker| start_marker.by == *instance)
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
        let Self { claim, address, transitions, group_id, is_new, start_marker, is_abandoned, forced, .. } = self;
        let epoch = Shown(claim.epoch);
        write!(f, "{} at {address}, epoch {epoch}, transition {transitions}, group {group_id}", claim.master)?;
        match start_marker {
            Some(StartMarker { by, at }) => write!(f, ", start marker of {by} at {at}")?,
            None => f.write_str(", no start marker")?,
        }
        if *is_new {
            f.write_str(", new")?;
        }
        if *is_abandoned {
            f.write_str(", abandoned")?;
        }
        match forced {
            Some(Forced::Open) => f.write_str(", forced by a person"),
            Some(Forced::By(by)) => write!(f, ", forced by a person, and {by} has started"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn claim(master: &str, epoch: u64) -> Claim {
        Claim { master: master.parse().unwrap(), epoch }
    }

    fn record(master: &str, epoch: u64) -> Record {
        let address = Endpoint::parse(master, 6379).unwrap();
        let first = Record::first(claim(master, epoch), address, "g".into(), false);
        Record { uid: "u".into(), version: "1".into(), transitions: 4, ..first }
    }

    fn instance(text: &str) -> Instance {
        text.parse().unwrap()
    }

    #[test]
    fn a_newer_claim_moves_the_record_and_an_older_one_is_harmless() {
        assert_eq!(record("redis-0", 2).against(&claim("redis-1", 3)), Step::Move);
        assert_eq!(record("redis-0", 2).against(&claim("redis-1", 1)), Step::Older);
        assert_eq!(record("redis-0", 2).against(&claim("redis-0", 2)), Step::Holds);
        assert_eq!(record("redis-0", 2).against(&claim("redis-1", 2)), Step::Disputed);
    }

    #[test]
    fn sets_are_only_added_and_outlive_every_change() {
        let address = Endpoint::parse("redis-1", 6379).unwrap();
        let known = record("redis-0", 2).with_sets(["redis"]).with_sets(["redis-replicas", "redis"]);
        let sets = BTreeSet::from(["redis", "redis-replicas"].map(str::to_owned));
        assert_eq!(known.sets, sets);
        assert!(!known.lacks(["redis"]) && known.lacks(["redis", "cache"]) && record("redis-0", 2).lacks(["redis"]));
        let moved = known.moved_to(&claim("redis-1", 3), &address).marked(&instance("redis-1/u/1"), Moment(1));
        assert_eq!(moved.with_abandoned_holder(true).assumed_for(&claim("redis-0", 4), &address).sets, sets);
    }

    #[test]
    fn only_a_change_of_master_is_a_transition() {
        let address = Endpoint::parse("redis-1", 6379).unwrap();
        assert_eq!(record("redis-0", 2).moved_to(&claim("redis-1", 3), &address).transitions, 5);
        assert_eq!(record("redis-0", 2).moved_to(&claim("redis-0", 3), &address).transitions, 4);
    }

    #[test]
    fn a_move_ends_what_was_said_of_the_holder_and_keeps_the_mark() {
        let by = instance("redis-0/u/1");
        let address = Endpoint::parse("redis-1", 6379).unwrap();
        let forced =
            record("redis-0", 2).marked(&by, Moment(1)).with_abandoned_holder(true).assumed_for(&claim("redis-1", 3), &address);
        assert!(!forced.is_abandoned && forced.has_start_marker_of(&by) && forced.forced == Some(Forced::Open));
        assert_eq!(forced.moved_to(&claim("redis-2", 4), &address).forced, None);
    }

    #[test]
    fn a_persons_word_is_used_up_by_the_first_mark() {
        let address = Endpoint::parse("redis-1", 6379).unwrap();
        let forced = record("redis-0", 2).assumed_for(&claim("redis-1", 3), &address);
        let mine = instance("redis-1/u/1");
        assert_eq!(forced.marked(&mine, Moment(1)).forced, Some(Forced::By(mine.clone())));
        assert_eq!(forced.marked(&instance("redis-2/u/1"), Moment(1)).forced, None, "another started in between");
        let open_again = forced.marked(&mine, Moment(1)).not_started_by(&mine).unwrap();
        assert_eq!(open_again, Record { forced: Some(Forced::Open), ..forced.marked(&mine, Moment(1)) });
        assert_eq!(forced.marked(&mine, Moment(1)).not_started_by(&instance("redis-1/u/other")), None);
        assert_eq!(forced.not_started_by(&mine), None);
        let later = instance("redis-1/u/2");
        assert_eq!(forced.marked(&mine, Moment(1)).marked(&later, Moment(2)).forced, None);
    }
}
