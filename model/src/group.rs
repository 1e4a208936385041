//! The parts of a group, of which its state and every look at it are made: numbers for pods, Sentinels, runs and times.

/// A pod, by its ordinal.
pub type Pod = u8;

/// How many pods the group has.
pub const PODS: usize = 3;

/// How many Sentinels watch it.
pub const SENTINELS: usize = 3;

/// All pods.
pub fn pods() -> impl Iterator<Item = Pod> {
    0..PODS as Pod
}

/// All Sentinels.
pub fn sentinels() -> impl Iterator<Item = usize> {
    0..SENTINELS
}

/// Data: which writes it holds, one bit for each, and when it was last written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Data {
    /// When, counted in writes of the whole group.
    pub time: u8,
    /// Which writes.
    pub writes: u8,
}

/// Whether a volume's data can be loaded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, PartialOrd, Ord)]
pub enum Damage {
    /// It can.
    #[default]
    None,
    /// It cannot, and nobody has found out: a server that starts with it ends at once.
    Hidden,
    /// It cannot, and that is known.
    Found,
}

/// A pod's volume.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Volume {
    /// What it holds, if anything.
    pub data: Option<Data>,
    /// Whether the group's id is stamped into it.
    pub is_stamped: bool,
    /// When a start last changed its file without a write, as an age; 0 where none has.
    pub cut_at: u8,
    /// Whether its data can be loaded.
    pub damage: Damage,
}

impl Volume {
    /// The writes that a server could serve from it.
    pub fn writes(self) -> u8 {
        self.data.filter(|_| self.damage == Damage::None).map_or(0, |data| data.writes)
    }

    /// When it was last written.
    pub fn time(self) -> Option<u8> {
        self.data.map(|data| data.time)
    }

    /// How old its data counts: by its last write, or by its file's time. Two for each write of the whole group, so that
    /// there is room between them.
    pub fn age(self, by_writes: bool) -> Option<u8> {
        let data = self.data.filter(|_| self.damage != Damage::Found)?;
        Some((2 * data.time).max(if by_writes { 0 } else { self.cut_at }))
    }
}

/// What a pod has published of its disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Told {
    /// The run that told it.
    pub run: u8,
    /// How old its data is; none where it was empty.
    pub disk: Option<u8>,
    /// Whether its Redis has been started since.
    pub has_started: bool,
    /// Whether the pod has been trying to start for longer than the grace.
    pub is_late: bool,
    /// Whether that was said an hour ahead of the time.
    pub is_ahead: bool,
}

/// Who is master, since which epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Claim {
    /// The master.
    pub master: Pod,
    /// The epoch.
    pub epoch: u8,
}

/// Who marked the record last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct StartMarker {
    /// The pod.
    pub pod: Pod,
    /// Its run.
    pub run: u8,
    /// Whether that is longer ago than the grace.
    pub is_old: bool,
    /// Whether the clock by which it is dated was an hour ahead.
    pub is_ahead: bool,
}

/// The record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Lease {
    /// What it says.
    pub claim: Claim,
    /// Whether it was created for a group that boots for the first time, and nobody has marked it.
    pub is_new: bool,
    /// Its last mark.
    pub start_marker: Option<StartMarker>,
    /// Whether the holder was given up.
    pub is_abandoned: bool,
}

/// A replica's link to its master.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Link {
    /// None since it became a replica.
    Never,
    /// There was one.
    Lost,
    /// It is up.
    Up,
}

/// A running Redis.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Server {
    /// A master.
    Master,
    /// A replica.
    Replica {
        /// Of this pod.
        of: Pod,
        /// Its link.
        link: Link,
        /// Whether its priority is above zero.
        is_promotable: bool,
    },
}
