//! What is lost where a person forces a pod to be the master (`forced-claim`): said before it is done.

use std::time::Duration;

use super::record::claim_above_all;
use crate::core::disk::Disk;
use crate::core::evidence::{DiskData, Evidence, Object, Peer, RecordSeen, Reply, Role};
use crate::core::identity::PodName;
use crate::core::outside::shown;
use crate::core::record::Claim;

/// The claim by which a person makes a pod the master: newer than all that were heard of.
///
/// # Errors
/// Why the record cannot say so.
pub fn forced_claim(evidence: &Evidence, pod: &PodName) -> Result<Claim, String> {
    let Some(peer) = evidence.peer(pod) else {
        return Err(format!("`{pod}` is no pod of this group: name one of its pods"));
    };
    if peer.object == Object::Absent && evidence.record == RecordSeen::Absent {
        return Err(format!("neither a pod `{pod}` nor a record of its group exists: check the name and the namespace"));
    }
    if let Some(alive) = evidence.living_masters().into_iter().find(|alive| *alive != pod) {
        return Err(format!("{alive} lives as master: have Sentinel fail over, or stop it first"));
    }
    Ok(claim_above_all(evidence, pod))
}

/// What the others can know of what a member holds.
enum Holds<'a> {
    /// It answers as the master.
    AllWrites,
    /// Its server has copied a master, and has read so far.
    Copied { of: String, offset: u64 },
    /// By its disk report.
    Reported(Disk),
    /// Its data cannot be loaded, by its disk report.
    Damaged(&'a str),
    /// Its disk report has expired: a server has run since.
    Expired(Disk),
    /// Nothing.
    Unknown,
}

/// A line for each member, the chosen one first: what it holds as well as that is known, and what is lost of it where
/// all others copy the chosen one.
pub fn losses(evidence: &Evidence, chosen: &PodName) -> Vec<String> {
    let Some(master) = evidence.peer(chosen) else { return Vec::new() };
    let others = evidence.peers.iter().filter(|peer| peer.pod != *chosen);
    let first = format!("{chosen} is to be the master: {}", of_the_chosen(evidence, master));
    std::iter::once(first).chain(others.map(|peer| format!("{}: {}", peer.pod, loss(evidence, peer, master)))).collect()
}

fn held<'a>(evidence: &Evidence, peer: &'a Peer) -> Holds<'a> {
    if peer.heard.answer() == Some(&Role::Master) {
        return Holds::AllWrites;
    }
    match (evidence.disk_of(peer), peer.report(), peer.replica()) {
        (DiskData::Copied, _, Some(replica)) => Holds::Copied { of: replica.of.to_string(), offset: replica.offset },
        (DiskData::Reported(disk), Some((_, report)), _) if !disk.holds_data() => {
            report.damage.as_deref().map_or(Holds::Reported(disk), Holds::Damaged)
        }
        (DiskData::Reported(disk), ..) => Holds::Reported(disk),
        (_, Some((_, report)), _) => Holds::Expired(report.disk.as_of(evidence.now)),
        _ => Holds::Unknown,
    }
}

fn of_the_chosen(evidence: &Evidence, peer: &Peer) -> String {
    match held(evidence, peer) {
        Holds::AllWrites => "it runs as the master".to_owned(),
        Holds::Copied { of, offset } => format!("it has copied {of}, up to offset {offset}"),
        Holds::Reported(Disk::Empty) => "its data directory is empty: ALL DATA of the group is lost".to_owned(),
        Holds::Reported(disk) => format!("its data was {disk}"),
        Holds::Damaged(what) => format!("its data cannot be loaded ({})", shown(what)),
        Holds::Expired(disk) => format!("what it holds is not known: before its server ran, its data directory was {disk}"),
        Holds::Unknown => format!("what it holds is not known ({})", why_unknown(evidence, peer)),
    }
}

/// What a member holds, and what of that is lost.
fn loss(evidence: &Evidence, peer: &Peer, master: &Peer) -> String {
    let chosen = &master.pod;
    match (held(evidence, peer), held(evidence, master)) {
        (Holds::AllWrites, _) => format!("runs as a master: what {chosen} does not hold of its data is lost"),
        (Holds::Copied { .. } | Holds::Reported(_), Holds::AllWrites) => format!("holds nothing that {chosen} does not hold"),
        (Holds::Copied { of, offset }, Holds::Copied { offset: chosens, .. }) if offset > chosens => {
            format!("has copied {of}, and read {} bytes further than {chosen}: they are lost", offset - chosens)
        }
        (Holds::Copied { of, .. }, Holds::Copied { .. }) => format!("has copied {of}, and read no further than {chosen}"),
        (Holds::Copied { of, .. }, _) => format!("has copied {of}, which {chosen} has not: what {chosen} does not hold is lost"),
        (Holds::Reported(Disk::Empty), _) => "its data directory is empty: nothing is lost".to_owned(),
        (Holds::Reported(disk), Holds::Reported(Disk::Empty) | Holds::Damaged(_)) => {
            format!("its data was {disk}: all of it is lost")
        }
        (Holds::Reported(Disk::Written(its)), Holds::Reported(Disk::Written(chosens))) => match its.since(chosens) {
            Duration::ZERO => format!("its data was last written {its}, not later than that of {chosen}"),
            by => format!(
                "its data was last written {its}, {} later than that of {chosen}: what was written in between is lost",
                // To the second: the clocks of two nodes agree no better.
                humantime::format_duration(Duration::from_secs(by.as_secs().max(1)))
            ),
        },
        (Holds::Reported(disk), _) => format!("its data was {disk}: what {chosen} does not hold of it is lost"),
        (Holds::Damaged(what), _) => format!("its data cannot be loaded ({})", shown(what)),
        (Holds::Expired(disk), _) => format!(
            "what it holds is not known: before its server ran, its data directory was {disk}. What {chosen} does not hold is lost"
        ),
        (Holds::Unknown, _) => {
            format!("what it holds is not known ({}): what {chosen} does not hold is lost", why_unknown(evidence, peer))
        }
    }
}

fn why_unknown(evidence: &Evidence, peer: &Peer) -> String {
    match (&peer.object, &peer.heard) {
        (Object::Absent, _) => "the pod does not exist, its volume may".to_owned(),
        (_, Reply::Failed(failure)) if evidence.is_known_not_to_run(peer) => {
            format!("it has not reported its disk, and runs no server: {failure}")
        }
        (_, Reply::Failed(failure)) => format!("it has not reported its disk: {failure}"),
        (_, Reply::Pending | Reply::Answer(_)) => "it has not reported its disk".to_owned(),
    }
}
