//! Whether asking may end early.

use crate::core::evidence::{Evidence, Peer, RecordSeen, Role};
use crate::core::identity::Endpoint;

/// Whether asking may end although some sources are silent: a majority of the Sentinels, the
/// record, and every peer that has answered agree on a master that lives.
pub fn is_settled(evidence: &Evidence) -> bool {
    let living = evidence.living_masters();
    let [master] = living[..] else { return false };
    let record_agrees = match &evidence.record {
        RecordSeen::Present(record) => record.claim.master == *master,
        RecordSeen::NotKept => true,
        RecordSeen::Pending | RecordSeen::Absent | RecordSeen::Unknown(_) => false,
    };
    let names = |at: &Endpoint| evidence.member_at(&at.host) == Some(master);
    let agreeing = evidence.watches().filter(|(_, watch)| names(&watch.master)).count();
    let dissent = evidence.watches().any(|(_, watch)| !names(&watch.master))
        || evidence.kept_claim().is_some_and(|kept| !names(&kept.master));
    let follows = |peer: &Peer| match peer.heard.answer() {
        Some(Role::Replica(replica)) => names(&replica.of),
        Some(Role::Master) | None => true,
    };
    record_agrees && !dissent && evidence.peers.iter().all(follows) && agreeing >= evidence.majority()
}
