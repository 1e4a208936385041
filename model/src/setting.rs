//! A setting: where a group begins, what may go wrong, and which rules are in force.

use ordain::core::rules::Rules;

use crate::look::Order;
use crate::state::State;

/// Whose looks read one source after the other, while others go on; all others read everything at one
/// moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Torn {
    /// How many at the same time.
    pub at_once: usize,
    /// Those of pods.
    pub pods: bool,
    /// Those of Sentinels that start.
    pub sentinels: bool,
    /// Those of reconcile.
    pub reconcile: bool,
}

impl Torn {
    /// None.
    pub const NONE: Self = Self { at_once: 0, pods: false, sentinels: false, reconcile: false };
    /// One at a time, of a pod.
    pub const PODS: Self = Self { at_once: 1, pods: true, ..Self::NONE };
    /// One at a time, of anybody.
    pub const ANY: Self = Self { at_once: 1, pods: true, sentinels: true, reconcile: true };
    /// Two at a time, of anybody.
    pub const TWO: Self = Self { at_once: 2, ..Self::ANY };
}

/// What the program does beyond its rules, each step a switch; switched off only to show what it is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[allow(clippy::struct_excessive_bools)]
pub struct Protocol {
    /// Who starts as a master, or as an electable replica, marks the record first.
    pub marks: bool,
    /// And then looks again.
    pub checks: bool,
    /// An empty pod runs as a replica of one that does not exist yet when the deadline comes.
    pub starts_at_last: bool,
    /// Reconcile runs.
    pub reconciles: bool,
    /// Reconcile restarts a holder that runs as a replica.
    pub restarts: bool,
    /// Its grace begins anew whenever it sees a holder that could lead.
    pub counts_from_last_sight: bool,
    /// A Sentinel is told of every replica and of every other Sentinel when it starts.
    pub tells_members: bool,
    /// Sentinels are told to fail over one after the other.
    pub forces_one: bool,
    /// A pod is ready, and the next one created, as soon as its Redis runs.
    pub is_ready_when_running: bool,
    /// A pod waits anew for a failover that has just become possible.
    pub waits_anew: bool,
    /// Whoever was stopped in the middle of a look looks again before it writes the record.
    pub discards_old_looks: bool,
    /// Data is as old as its last write, whatever has changed its file since.
    pub dates_by_writes: bool,
    /// Data that a server could not load is found out to be damaged.
    pub finds_damage: bool,
    /// A time of the future is one that cannot be; else it is waited for.
    pub doubts_the_future: bool,
    /// How long a pod has been trying does not change with its clock.
    pub waits_by_no_clock: bool,
    /// Nobody leads while the record cannot be read.
    pub leads_by_the_record: bool,
    /// Nobody may be promoted whose word of its disk has not ended.
    pub ends_words_first: bool,
    /// Only pods of the group's StatefulSet are its members.
    pub checks_members: bool,
}

impl Protocol {
    /// As the program does it.
    pub const WHOLE: Self = Self {
        marks: true,
        checks: true,
        starts_at_last: true,
        reconciles: true,
        restarts: true,
        counts_from_last_sight: true,
        tells_members: true,
        forces_one: true,
        is_ready_when_running: true,
        waits_anew: true,
        discards_old_looks: true,
        dates_by_writes: true,
        finds_damage: true,
        doubts_the_future: true,
        waits_by_no_clock: true,
        leads_by_the_record: true,
        ends_words_first: true,
        checks_members: true,
    };
}

/// A setting.
#[derive(Debug, Clone)]
pub struct Setting {
    /// Its name, for tables.
    pub name: &'static str,
    /// Where the group begins.
    pub start: State,
    /// In which order a pod reads its sources.
    pub order: Order,
    /// In which order a Sentinel and reconcile do.
    pub others: Order,
    /// Whose looks may be torn.
    pub torn: Torn,
    /// Whether the grace may pass.
    pub has_grace: bool,
    /// Whether there are Sentinels.
    pub has_sentinels: bool,
    /// Pods are made one after the other, each once the one before runs.
    pub is_ordered: bool,
    /// How much newer a write makes a disk, in milliseconds.
    pub write_step: u64,
    /// The rules in force.
    pub rules: Rules,
    /// The protocol in force.
    pub protocol: Protocol,
}
