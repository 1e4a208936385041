//! How often each fault may happen.

/// How often each fault may happen, and how many writes there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Faults {
    /// A pod's container dies.
    pub crashes: u8,
    /// A pod is deleted, and made again with its volume.
    pub deletions: u8,
    /// A pod is deleted, and made again with an empty volume.
    pub wipes: u8,
    /// A pod's node is gone for good.
    pub losses: u8,
    /// A Sentinel dies, and comes back with its file.
    pub sentinel_crashes: u8,
    /// A Sentinel dies, and comes back without its file.
    pub sentinel_wipes: u8,
    /// Everything dies; the Sentinels keep their files.
    pub power_cuts: u8,
    /// Everything dies, and the Sentinels' files are lost.
    pub blackouts: u8,
    /// The record is deleted.
    pub record_deletions: u8,
    /// Clients write.
    pub writes: u8,
    /// A person tells a Sentinel to fail over.
    pub forced_failovers: u8,
    /// A server that starts cuts a torn tail off its file, and so changes it without a write.
    pub torn_tails: u8,
    /// The data of a pod that does not run is damaged.
    pub damages: u8,
    /// A clock steps an hour ahead, or back.
    pub clock_steps: u8,
    /// The API server goes away, and comes back within the grace.
    pub api_outages: u8,
}

impl Faults {
    /// None.
    pub const NONE: Self = Self {
        crashes: 0,
        deletions: 0,
        wipes: 0,
        losses: 0,
        sentinel_crashes: 0,
        sentinel_wipes: 0,
        power_cuts: 0,
        blackouts: 0,
        record_deletions: 0,
        writes: 0,
        forced_failovers: 0,
        torn_tails: 0,
        damages: 0,
        clock_steps: 0,
        api_outages: 0,
    };
}
