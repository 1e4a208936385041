//! What the hook makes of a failover of which one Sentinel has told.

use super::claims::{Newest, newest};
use super::facts::Facts;
use super::first_boot;
use super::record::{forward, outvoted};
use super::table::Rules;
use crate::core::evidence::Evidence;
use crate::core::record::Claim;

/// What the record must be moved to for a failover of which one Sentinel has told, where that one's word alone is
/// not enough: the newest claim of all whose master lives, else what a majority of the Sentinels says.
pub fn failed_over(evidence: &Evidence) -> Option<Claim> {
    let facts = Facts::of(evidence);
    let claimed = match newest(&facts) {
        Newest::Claim(claim, ..) => forward(&facts, &claim),
        Newest::None => first_boot::without_claim(&facts).record,
        Newest::Undecided(..) => None,
    };
    claimed.or_else(|| outvoted(Rules::ALL, evidence))
}
