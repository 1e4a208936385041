//! A look: what a process has read of the world so far, source by source.

use crate::group::{Claim, Lease, PODS, Pod, SENTINELS, Server, Told};

/// What is read in one step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Source {
    /// Every Sentinel.
    Sentinels,
    /// The record and the pods' objects.
    Kubernetes,
    /// Every pod's Redis.
    Redis,
}

/// In which order sources are read: those of one step at once.
pub type Order = &'static [&'static [Source]];

/// What a Sentinel answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub enum SeenSentinel {
    /// Nothing.
    #[default]
    Silent,
    /// Its view.
    Watching {
        /// The master that it names.
        claim: Claim,
        /// It finds that one down.
        finds_down: bool,
        /// It is replacing it.
        is_failing_over: bool,
    },
}

/// A pod's object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub enum SeenObject {
    /// It does not exist.
    #[default]
    Absent,
    /// It exists, and this is its word.
    Present(Option<Told>),
    /// The API server was away.
    Unknown,
}

/// What a Redis answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub enum SeenRedis {
    /// There is no such host.
    #[default]
    Missing,
    /// Nothing listens there.
    Refused,
    /// Silence.
    Silent,
    /// A pod that is none of the group's answers as a master.
    Stranger,
    /// A running Redis, how far it has read, and whether its run has told of its disk.
    Running(Server, u8, bool),
}

/// What has been read so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct Look {
    /// How many sources.
    pub heard: u8,
    /// The Sentinels.
    pub sentinels: [SeenSentinel; SENTINELS],
    /// The record.
    pub record: Option<Lease>,
    /// The API server was away.
    pub is_api_away: bool,
    /// The record has not been changed since it was read.
    pub is_current: bool,
    /// It takes longer than an honest look can: the process was stopped in the middle of it.
    pub is_overtaken: bool,
    /// The pods' objects.
    pub objects: [SeenObject; PODS],
    /// The pods' Redis.
    pub redis: [SeenRedis; PODS],
    /// Who was heard of within the grace.
    pub heard_lately: [bool; PODS],
}

impl Look {
    /// Whether the record may be written by it.
    pub fn may_write(&self) -> bool {
        self.is_current && !self.is_overtaken
    }

    /// Whether all sources have been read.
    pub fn is_complete(&self, order: Order) -> bool {
        usize::from(self.heard) == order.len()
    }

    /// A pod's word.
    pub fn report(&self, pod: Pod) -> Option<Told> {
        match self.objects[usize::from(pod)] {
            SeenObject::Present(report) => report,
            SeenObject::Absent | SeenObject::Unknown => None,
        }
    }

    /// Whether another Redis than that of `pod` was seen as the only master, and that one as none.
    pub fn has_seen_another_live(&self, pod: Pod) -> bool {
        let lives = |seen: &SeenRedis| matches!(seen, SeenRedis::Running(Server::Master, ..));
        let named = self.redis[usize::from(pod)];
        self.redis.iter().filter(|seen| lives(seen)).count() == 1 && !lives(&named) && named != SeenRedis::Silent
    }

    /// Whether a Redis was seen as master.
    pub fn has_seen_a_master(&self) -> bool {
        self.redis.iter().any(|seen| matches!(seen, SeenRedis::Running(Server::Master, ..)))
    }
}
