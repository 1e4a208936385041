//! Which claim is the newest, and who makes it.

use crate::core::evidence::Evidence;
use crate::core::identity::{Endpoint, PodName};
use crate::core::record::Claim;

/// The newest claim, if there is one that can be acted upon.
pub(super) enum Newest {
    /// Nobody claims anything.
    None,
    /// The claim, and who makes it.
    Claim(Claim, String),
    /// There are claims, and none that can be acted upon.
    Undecided(String),
}

/// The claim with the highest epoch: no majority is needed to follow it.
pub(super) fn newest(evidence: &Evidence) -> Newest {
    let recorded = evidence.recorded_claim();
    let told = evidence.claims().map(|(at, watch)| (format!("Sentinel {at}"), &watch.master, watch.config_epoch));
    let kept = evidence.kept_claim().into_iter().map(|kept| ("the own earlier file".to_owned(), &kept.master, kept.config_epoch));
    let told: Vec<_> = told.chain(kept).collect();
    let Some(epoch) = told.iter().map(|(_, _, epoch)| *epoch).chain(recorded.iter().map(|claim| claim.epoch)).max() else {
        return Newest::None;
    };

    let mut masters: Vec<PodName> = recorded.into_iter().filter(|claim| claim.epoch == epoch).map(|claim| claim.master).collect();
    for (who, at, _) in told.iter().filter(|(_, _, said)| *said == epoch) {
        match evidence.claimed(at, epoch) {
            Some(pod) => masters.push(pod.clone()),
            // An address that outlived its pod, or a foreign master at an address that was used again.
            None => {
                return Newest::Undecided(format!(
                    "is undecided: {who} names {at} at epoch {epoch}, which is no pod of this group: if it never will be again, `SENTINEL REMOVE` the group there"
                ));
            }
        }
    }
    masters.sort();
    masters.dedup();
    match &masters[..] {
        [master] => {
            let by = sayers(evidence, master, epoch);
            Newest::Claim(Claim { master: master.clone(), epoch }, by)
        }
        _ => equal_epochs(evidence, &masters, epoch),
    }
}

/// Equal epochs that name different masters: the verified majority, else the only living master.
fn equal_epochs(evidence: &Evidence, masters: &[PodName], epoch: u64) -> Newest {
    let living = evidence.living_masters();
    let names = |at: &Endpoint, master: &PodName| evidence.claimed(at, epoch) == Some(master);
    let has_majority = |master: &&&PodName| {
        let agreeing = evidence.claims().filter(|(_, w)| w.config_epoch == epoch && names(&w.master, master)).count();
        agreeing >= evidence.majority()
    };
    let verified = living.iter().find(has_majority);
    match (verified, &living[..]) {
        (Some(master), _) => Newest::Claim(
            Claim { master: (**master).clone(), epoch },
            "of several masters that are claimed a majority of the Sentinels names it and it lives".to_owned(),
        ),
        (None, [master]) => Newest::Claim(
            Claim { master: (**master).clone(), epoch },
            "of several masters that are claimed it alone lives".to_owned(),
        ),
        (None, _) => {
            let names: Vec<_> = masters.iter().map(ToString::to_string).collect();
            Newest::Undecided(format!(
                "is undecided: {} are claimed as master at the same epoch {epoch} and {} of them live: stop the wrong one",
                names.join(" and "),
                living.len(),
            ))
        }
    }
}

/// Who claims `master` at `epoch`, in words.
fn sayers(evidence: &Evidence, master: &PodName, epoch: u64) -> String {
    let recorded = evidence.recorded_claim().is_some_and(|claim| claim.master == *master && claim.epoch == epoch);
    let sentinels = evidence
        .claims()
        .filter(|(_, watch)| watch.config_epoch == epoch && evidence.claimed(&watch.master, epoch) == Some(master))
        .count();
    let mut sayers = Vec::new();
    if recorded {
        sayers.push("the record".to_owned());
    }
    if sentinels > 0 {
        sayers.push(format!("{sentinels} of {} Sentinels", evidence.sentinels.len()));
    }
    if sayers.is_empty() {
        sayers.push("the own earlier file".to_owned());
    }
    sayers.join(" and ")
}

/// The highest epoch that was heard of, of those that can be.
pub(super) fn highest_epoch(evidence: &Evidence) -> u64 {
    let told = evidence.claims().map(|(_, watch)| watch.config_epoch);
    let kept = evidence.kept_claim().map(|kept| kept.config_epoch);
    told.chain(kept).chain(evidence.recorded_epoch()).max().unwrap_or(0)
}
