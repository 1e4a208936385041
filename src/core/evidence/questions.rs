//! What one can ask of the evidence.

use std::net::IpAddr;

use super::{
    Container, DiskData, Evidence, Kept, Link, Object, Peer, RecordSeen, Reply, Role, SentinelAnswer, Watch, is_name_of,
};
use crate::core::disk::{Moment, published_group_id};
use crate::core::epoch;
use crate::core::identity::{Endpoint, Host, PodName};
use crate::core::record::{Claim, Record, StartMarker, Step};
use crate::core::redis_conf::{USUAL_PRIORITY, priority_of};
use crate::core::rules::{self, Rules};

impl Evidence {
    /// The views of the Sentinels that watch the group.
    pub fn watches(&self) -> impl Iterator<Item = (&Endpoint, &Watch)> {
        self.sentinels.iter().filter_map(|sentinel| match sentinel.heard.answer() {
            Some(SentinelAnswer::Watching(watch)) => Some((&sentinel.at, watch)),
            _ => None,
        })
    }

    /// The views of the Sentinels that claim something: those with an epoch that can be, beside the record's and
    /// those of all the other Sentinels. Whom the others name counts all the same.
    pub fn claims(&self) -> impl Iterator<Item = (&Endpoint, &Watch)> {
        self.watches().filter(|(at, watch)| {
            let others = self.watches().filter(|(other, _)| other != at).map(|(_, other)| other.config_epoch);
            epoch::can_be(watch.config_epoch, others.chain(self.recorded().map(|record| record.claim.epoch)))
        })
    }

    /// What the own earlier file claims, where its epoch can be. An address that is nobody's any more says nothing at an
    /// epoch that the record has: the record knows which pod was there.
    pub fn kept_claim(&self) -> Option<&Kept> {
        let recorded = self.recorded().map(|record| record.claim.epoch);
        let others = self.watches().map(|(_, watch)| watch.config_epoch).chain(recorded);
        let is_outlived = |kept: &Kept| {
            let is_known = self.recorded_epoch().is_some_and(|epoch| kept.config_epoch <= epoch);
            is_known && matches!(kept.master.host, Host::Ip(_)) && self.member_at(&kept.master.host).is_none()
        };
        self.kept.as_ref().filter(|kept| epoch::can_be(kept.config_epoch, others)).filter(|kept| !is_outlived(kept))
    }

    /// The epoch of the record's claim. Where what it says cannot be, its claim is as old as the Sentinels say that
    /// its holder's is: newer ones move it.
    pub fn recorded_epoch(&self) -> Option<u64> {
        let claim = &self.recorded()?.claim;
        if epoch::can_be(claim.epoch, []) {
            return Some(claim.epoch);
        }
        let names_it = |watch: &Watch| self.member_at(&watch.master.host) == Some(&claim.master);
        let told = self.claims().filter(|(_, watch)| names_it(watch)).map(|(_, watch)| watch.config_epoch);
        Some(told.max().unwrap_or(0))
    }

    /// The record's claim, with an epoch that can be.
    pub fn recorded_claim(&self) -> Option<Claim> {
        Some(Claim { master: self.recorded()?.claim.master.clone(), epoch: self.recorded_epoch()? })
    }

    /// Whether a claim must be written into the record before it is acted upon: it is newer, or the record says the
    /// same with an epoch that cannot be.
    pub fn moves_the_record(&self, claim: &Claim) -> bool {
        let (Some(record), Some(recorded)) = (self.recorded(), self.recorded_claim()) else { return false };
        match recorded.against(claim) {
            Step::Move => true,
            Step::Holds => recorded.epoch != record.claim.epoch,
            Step::Disputed | Step::Older => false,
        }
    }

    /// Whether no Redis runs in a pod: nobody listens there, and the pod's own state says so, too. It is gone, its
    /// container does not run, or this run of it has reported that its server has not started yet. Nobody knows of that
    /// while the API server is away; where there is none, that nobody listens must be enough.
    pub fn is_known_not_to_run(&self, peer: &Peer) -> bool {
        let is_confirmed = || match &peer.object {
            Object::Absent | Object::Present { container: Container::Stopped, .. } => true,
            Object::Unknown => self.record == RecordSeen::NotKept,
            Object::Present { report, container, .. } => {
                let since = if let Container::Running(since) = container { *since } else { Moment(0) };
                report.as_ref().is_some_and(|report| !report.started && report.at >= since)
            }
        };
        matches!(&peer.heard, Reply::Failed(failure) if failure.nothing_listens()) && is_confirmed()
    }

    /// The record, where it is present.
    pub fn recorded(&self) -> Option<&Record> {
        match &self.record {
            RecordSeen::Present(record) => Some(record),
            _ => None,
        }
    }

    /// What is known of a peer's disk.
    pub fn disk_of(&self, peer: &Peer) -> DiskData {
        rules::disk_of(Rules::ALL, self, peer)
    }

    /// A peer's own `replica-priority`: with 0 it is never promoted. Its server states it, else what was published by
    /// the run that has started this server. Not known otherwise; without Kubernetes nobody has another than the
    /// usual one.
    pub fn own_priority(&self, peer: &Peer) -> Option<u32> {
        let run = peer.replica().and_then(|replica| replica.run.as_deref());
        if let Some(own) = run.and_then(priority_of) {
            return Some(own);
        }
        match &peer.object {
            Object::Present { report: Some(report), .. } if peer.replica().is_none() || run == Some(report.run.as_str()) => {
                Some(report.priority.unwrap_or(USUAL_PRIORITY))
            }
            Object::Unknown if self.record == RecordSeen::NotKept => Some(USUAL_PRIORITY),
            Object::Present { .. } | Object::Unknown | Object::Absent => None,
        }
    }

    /// Whether a peer is a replica in sync with this master that Sentinel may not promote yet.
    pub fn is_in_sync_at_0(&self, peer: &Peer, master: &PodName) -> bool {
        peer.replica().is_some_and(|replica| {
            replica.link == Link::Up && replica.priority == 0 && self.member_at(&replica.of.host) == Some(master)
        })
    }

    /// The id that a record which is made for `master` takes, where the disks have one.
    pub fn published_group_id(&self, master: &PodName) -> Option<String> {
        let words = self.peers.iter().filter_map(|peer| Some((&peer.pod, peer.report()?.1)));
        let own = || self.own.group_id.clone();
        if self.me.as_ref() == Some(master) {
            return own().or_else(|| published_group_id(master, words));
        }
        published_group_id(master, words).or_else(own)
    }

    /// The StatefulSets of the members that exist.
    pub fn sets_there(&self) -> impl Iterator<Item = &str> {
        let is_there = |peer: &&Peer| matches!(peer.object, Object::Present { .. });
        self.peers.iter().filter(is_there).map(|peer| peer.pod.base())
    }

    /// The peers that are heard of now: they answer, or their disk reports have not expired.
    pub fn heard_of(&self) -> impl Iterator<Item = &PodName> {
        let is_heard = |peer: &&Peer| peer.heard.answer().is_some() || self.disk_of(peer) != DiskData::Unknown;
        self.peers.iter().filter(is_heard).map(|peer| &peer.pod)
    }

    /// Whether a peer has said anything within the grace, whether or not it still holds.
    pub fn was_heard_lately(&self, peer: &Peer) -> bool {
        let told = peer.report().map(|(_, report)| report.at);
        [told, self.own.heard.of(&peer.pod)].into_iter().flatten().any(|at| self.now.is_within(self.grace, at))
    }

    /// The start marker in the record, while it is younger than the grace.
    pub fn young_start_marker(&self) -> Option<&StartMarker> {
        self.recorded()?.start_marker.as_ref().filter(|start_marker| self.now.is_within(self.grace, start_marker.at))
    }

    /// Whether there are no Sentinels, by the flags and by what was found.
    pub fn has_no_sentinels(&self) -> bool {
        self.sentinel_count == 0 && self.sentinels.is_empty() && self.discovery.is_none()
    }

    /// Whether this pod, which the record names, has what it led with, and nobody else can have led since: without
    /// Sentinels only the record makes a master. A disk that was written later holds a later copy of this one.
    pub fn is_the_only_writer(&self) -> bool {
        let names_me = |record: &Record| Some(&record.claim.master) == self.me.as_ref();
        let is_its_own = |record: &Record| self.own.group_id.as_ref() == Some(&record.group_id) && self.own.disk.holds_data();
        self.has_no_sentinels() && self.recorded().is_some_and(|record| names_me(record) && is_its_own(record))
    }

    /// The addresses of a peer; none where it is not known.
    pub fn ips_of(&self, pod: &PodName) -> &[IpAddr] {
        self.peer(pod).map_or(&[], |peer| &peer.ips)
    }

    /// A peer, by its name.
    pub fn peer(&self, pod: &PodName) -> Option<&Peer> {
        self.peers.iter().find(|peer| peer.pod == *pod)
    }

    /// The peers that answer as master.
    pub fn living_masters(&self) -> Vec<&PodName> {
        let lives = |peer: &&Peer| peer.heard.answer() == Some(&Role::Master);
        self.peers.iter().filter(lives).map(|peer| &peer.pod).collect()
    }

    /// The member that listens at `host`: by its name, whole or cut short, else by its address. The
    /// pod that the record names is a member, though it may not exist now.
    pub fn member_at(&self, host: &Host) -> Option<&PodName> {
        let recorded = self.recorded();
        let peers = self.peers.iter().map(|peer| &peer.pod);
        let mut members = self.me.iter().chain(peers).chain(recorded.map(|record| &record.claim.master));
        let ip = match host {
            Host::Name(name) => return members.find(|pod| is_name_of(name, pod, &self.domain)),
            Host::Ip(ip) => ip,
        };
        // Of a pod that is no member in its own view, a Sentinel's or one that hands over, the peers say where it is.
        if let Some(me) = self.me.as_ref().filter(|_| self.my_ips.contains(ip)) {
            return Some(me);
        }
        let peer = self.peers.iter().find(|peer| peer.ips.contains(ip)).map(|peer| &peer.pod);
        // The address of a pod that has none now.
        peer.or(recorded.filter(|record| record.address.host == *host).map(|record| &record.claim.master))
    }

    /// Whom a claim names. By address it names whoever was there when it was made: where the record makes the same
    /// claim, that is its holder, though another pod may have been given the address since.
    pub fn claimed(&self, at: &Endpoint, epoch: u64) -> Option<&PodName> {
        let is_the_same =
            |record: &&Record| matches!(at.host, Host::Ip(_)) && record.address.host == at.host && record.claim.epoch == epoch;
        self.recorded().filter(is_the_same).map(|record| &record.claim.master).or_else(|| self.member_at(&at.host))
    }

    /// Whether a member is still where a claim names it: it may have been made again at another address.
    pub fn is_still_at(&self, pod: &PodName, at: &Endpoint) -> bool {
        match &at.host {
            Host::Name(_) => true,
            Host::Ip(ip) if self.me.as_ref() == Some(pod) => self.my_ips.is_empty() || self.my_ips.contains(ip),
            Host::Ip(ip) => self.ips_of(pod).contains(ip),
        }
    }

    /// How many Sentinels are a majority: of the configured count, of those that were found, or of
    /// what they know, whichever is most.
    pub fn majority(&self) -> usize {
        let known = self.watches().map(|(_, watch)| watch.other_sentinels + 1).max().unwrap_or(0);
        self.majority_without_the_gone().max(known / 2 + 1)
    }

    /// The same where those do not count that are known and not found any more.
    pub fn majority_without_the_gone(&self) -> usize {
        self.sentinel_count.max(self.sentinels.len()) / 2 + 1
    }
}
