//! How often each fault may happen.

/// How often each fault may happen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Faults {
    /// A pod is deleted, and may be made again.
    pub deletions: u8,
    /// The record is deleted.
    pub record_deletions: u8,
    /// A person sets or removes a pod's label.
    pub edits: u8,
}
