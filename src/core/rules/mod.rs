//! The rules of the protocol, as tables: which pod leads, whom the others follow, what a Sentinel watches, and what
//! reconcile puts right.
//!
//! A row of a table is a rule of the [`catalogue`] and its check, one function of the facts. A table is read from top to
//! bottom, and its first row that applies ends it; one that says so does what every row says that applies. A test leaves
//! out the rows of a rule, and shows what they are for.
//!
//! - [`redis`]: what a pod's Redis starts as.
//! - [`sentinel`]: which master a Sentinel watches.
//! - [`claims`]: which claim is the newest.
//! - [`lead`]: whether the pod that it names may lead.
//! - [`first_boot`]: what happens where nobody claims anything.
//! - [`disk`]: what is known of a member's disk.
//! - [`report`]: whose disk report is waited for.
//! - [`record`]: when the record is moved.
//! - [`failed_over`]: what the hook makes of a failover.
//! - [`repair`]: what reconcile puts right.
//! - [`forced_claim`]: what is lost where a person says who leads.
//! - [`settled`]: whether asking may end early.

#![allow(clippy::unnecessary_wraps, reason = "the last row of a table may always apply")]

pub mod catalogue;
mod claims;
mod disk;
mod facts;
mod failed_over;
mod first_boot;
pub mod forced_claim;
mod lead;
mod record;
mod redis;
pub mod repair;
mod report;
mod sentinel;
mod settled;
mod table;

pub use claims::newest_claim;
pub use disk::disk_of;
pub use failed_over::failed_over;
pub use lead::a_failover_could_come;
pub use record::outvoted;
pub use redis::{for_redis, for_redis_by};
pub use report::report_has_expired;
pub use sentinel::{for_sentinel, for_sentinel_by};
pub use settled::is_settled;
pub use table::{Row, Rules, Table};

#[cfg(test)]
mod tests;
#[cfg(test)]
pub(crate) use tests::given;
