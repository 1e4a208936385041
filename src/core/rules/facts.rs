//! What the checks of the tables look at.

use std::ops::Deref;

use super::disk;
use super::table::{Rules, Table};
use crate::core::evidence::{DiskData, Evidence, Peer, Reply, Role};
use crate::core::identity::PodName;
use crate::core::record::Record;

/// The evidence, and the rules in force.
#[derive(Debug, Clone, Copy)]
pub struct Facts<'a> {
    /// The evidence.
    pub evidence: &'a Evidence,
    /// The rules in force.
    pub rules: Rules,
}

impl<'a> Facts<'a> {
    /// By all rules.
    pub fn of(evidence: &'a Evidence) -> Self {
        Self { evidence, rules: Rules::ALL }
    }

    /// What a table says of these facts.
    pub(super) fn first<T: for<'f> Table<Facts<'f> = Facts<'f>>>(&self) -> Option<T::Outcome> {
        self.rules.first::<T>(self).map(|(_, outcome)| outcome)
    }

    /// What is known of a peer's disk.
    pub fn disk_of(&self, peer: &Peer) -> DiskData {
        disk::disk_of(self.rules, self.evidence, peer)
    }

    /// The record, where it is present.
    pub(super) fn record(&self) -> Option<&'a Record> {
        self.evidence.recorded()
    }

    /// The peers, for as long as the evidence is borrowed.
    pub(super) fn peers(&self) -> &'a [Peer] {
        &self.evidence.peers
    }

    /// Whether a pod has said that it is a replica, or nothing runs there: as in this pod, which asks.
    pub(super) fn is_no_master(&self, pod: &PodName) -> bool {
        let has_said_so = |peer: &Peer| match &peer.heard {
            Reply::Answer(role) => *role != Role::Master,
            Reply::Pending | Reply::Failed(_) => self.is_known_not_to_run(peer),
        };
        self.me.as_ref() == Some(pod) || self.peer(pod).is_some_and(has_said_so)
    }

    /// What this pod does with the master: follow, or watch where a Sentinel asks.
    pub(super) fn verb(&self) -> &'static str {
        if self.me.is_some() { "follows" } else { "watches" }
    }
}

impl Deref for Facts<'_> {
    type Target = Evidence;

    fn deref(&self) -> &Evidence {
        self.evidence
    }
}
