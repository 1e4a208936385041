//! The labels as a function of the record: which pods are patched, and in which order.

use std::fmt;

use super::disk::Moment;
use super::identity::PodName;
use super::pod::Pod;
use super::record::Record;
use super::rules::catalogue::{HANDING_OVER_UNLABELLED, RECORD_NAMES_MASTER, Rule, WITHHOLD_STALE};
use super::rules::{Row, Rules, Table};
use super::stamp::Stamp;

/// The label's key and its two values.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scheme {
    /// The label's key.
    pub key: String,
    /// What the master carries.
    pub master: String,
    /// What a replica carries.
    pub replica: String,
}

/// One write: this label and this stamp on this pod, if it is still as it was listed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Patch {
    /// The pod.
    pub pod: PodName,
    /// Its uid.
    pub uid: String,
    /// The resourceVersion under which it was listed.
    pub version: String,
    /// The label's value; none where it is withheld, or the pod hands over.
    pub label: Option<String>,
    /// The rule that says so.
    pub rule: &'static Rule,
    /// Its replica's label is withheld.
    pub is_withheld: bool,
    /// The stamp.
    pub stamp: Stamp,
    /// It was labelled by this state of the record before, or by none: what is written now is no
    /// part of a change of master.
    pub is_repair: bool,
    /// The pod carried the master label when it was listed.
    pub was_master: bool,
}

impl fmt::Display for Patch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}={}", self.pod, self.label.as_deref().unwrap_or_default())
    }
}

/// What a run of labelling has to write: first all the others, at once; when they are done, the master. So there may
/// be a moment without a master label, and never one with two.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LabelPlan {
    /// Every pod but the master.
    pub others: Vec<Patch>,
    /// The pod that the record names, if it exists and differs.
    pub master: Option<Patch>,
    /// The pods whose stamps no run has written, and what these say. They are written over.
    pub forged: Vec<(PodName, Stamp)>,
}

impl LabelPlan {
    /// Whether there is anything to write.
    pub fn is_due(&self) -> bool {
        !self.others.is_empty() || self.master.is_some()
    }
}

/// A member, as a run of labelling finds it.
pub(in crate::core) struct Labelled<'a> {
    record: &'a Record,
    pod: &'a Pod,
    now: Moment,
}

impl Labelled<'_> {
    fn is_master(&self) -> bool {
        self.pod.name == self.record.claim.master
    }
}

/// What a pod is labelled as.
#[derive(Clone, Copy, PartialEq)]
pub(in crate::core) enum Label {
    Master,
    Replica,
    None,
}

impl Table for Label {
    type Facts<'a> = Labelled<'a>;
    type Outcome = Self;
    const QUESTION: &'static str = "Which label does a member carry?";
    const ROWS: &'static [Row<Self>] = &[
        Row { rule: &HANDING_OVER_UNLABELLED, check: hands_over },
        Row { rule: &WITHHOLD_STALE, check: is_withheld },
        Row { rule: &RECORD_NAMES_MASTER, check: by_the_record },
    ];
}

fn hands_over(member: &Labelled<'_>) -> Option<Label> {
    member.pod.hands_over(member.now).then_some(Label::None)
}

fn is_withheld(member: &Labelled<'_>) -> Option<Label> {
    (member.pod.is_withheld && !member.is_master()).then_some(Label::None)
}

#[allow(clippy::unnecessary_wraps, reason = "the last row of a table, which always applies")]
fn by_the_record(member: &Labelled<'_>) -> Option<Label> {
    Some(if member.is_master() { Label::Master } else { Label::Replica })
}

/// Plans the labels of `pods`, listed before `record` was read from the API server itself: what they are patched by
/// is no older than they are, and a stamp that is newer than it is a forgery. `now` is by the clock of who asks.
pub fn plan(record: &Record, pods: &[Pod], scheme: &Scheme, now: Moment) -> LabelPlan {
    let stamp = Stamp::of(record);
    let is_forged = |pod: &&Pod| pod.stamp.as_ref().is_some_and(|seen| seen.is_forged(&stamp));
    let is_master = |pod: &Pod| pod.name == record.claim.master;
    let patch = |pod: &Pod| {
        let member = Labelled { record, pod, now };
        let (rule, label) = Rules::ALL.first::<Label>(&member).unwrap_or((&RECORD_NAMES_MASTER, Label::None));
        let label = match label {
            Label::Master => Some(&scheme.master),
            Label::Replica => Some(&scheme.replica),
            Label::None => None,
        };
        let is_withheld = is_withheld(&member).is_some();
        let is_stamped = pod.stamp.as_ref() == Some(&stamp);
        let is_right = is_stamped && pod.label.as_ref() == label && pod.is_withheld == is_withheld;
        (!is_right).then(|| Patch {
            pod: pod.name.clone(),
            uid: pod.uid.clone(),
            version: pod.version.clone(),
            label: label.cloned(),
            rule,
            is_withheld,
            stamp: stamp.clone(),
            is_repair: is_stamped || pod.stamp.is_none() || is_forged(&pod),
            was_master: pod.label.as_ref() == Some(&scheme.master),
        })
    };
    let forged = pods.iter().filter(is_forged).filter_map(|pod| Some((pod.name.clone(), pod.stamp.clone()?))).collect();
    let (master, others): (Vec<_>, Vec<_>) = pods.iter().partition(|pod| is_master(pod));
    LabelPlan { others: others.into_iter().filter_map(patch).collect(), master: master.into_iter().find_map(patch), forged }
}

/// Whether a list of the pods that may be older than the record's last change is good enough to label by.
///
/// A run that is late can give the master label only to a pod that the record named once. If each of
/// those is in the list, then each of them is stamped by this run before the new master is labelled, or
/// its patch fails; and one that is made after it was listed is labelled by who reads the record after
/// that. A pod that is not in the list could be labelled by both: then the pods must be listed once more,
/// now that the record has changed. `size` is how many pods the group has, `named` who is known to have been.
pub fn is_whole<'a>(pods: &[Pod], size: usize, named: impl IntoIterator<Item = &'a PodName>) -> bool {
    pods.len() >= size && named.into_iter().all(|name| pods.iter().any(|pod| pod.name == *name))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::identity::Endpoint;
    use crate::core::record::Claim;

    fn record(master: &str, transitions: u64) -> Record {
        let claim = Claim { master: master.parse().unwrap(), epoch: transitions };
        let first = Record::first(claim, Endpoint::parse(master, 6379).unwrap(), "g".into(), false);
        Record { uid: "lease".into(), version: "1".into(), transitions, ..first }
    }

    fn pod(name: &str, label: Option<&str>, stamp: Option<&str>) -> Pod {
        Pod {
            uid: format!("u-{name}"),
            version: format!("v-{name}"),
            ips: vec![format!("192.0.2.{}", name.len() + usize::from(*name.as_bytes().last().unwrap() - b'0')).parse().unwrap()],
            label: label.map(str::to_owned),
            stamp: stamp.map(Into::into),
            ..Pod::named(name.parse().unwrap())
        }
    }

    const NOW: Moment = Moment(1_000_000);

    fn scheme() -> Scheme {
        Scheme { key: "role".into(), master: "master".into(), replica: "slave".into() }
    }

    /// What is written, in order: `pod=label`, a bar before the master.
    fn writes(record: &Record, pods: &[Pod]) -> String {
        let LabelPlan { others, master, .. } = plan(record, pods, &scheme(), NOW);
        let say = Patch::to_string;
        let others: Vec<_> = others.iter().map(say).collect();
        format!("{} | {}", others.join(" "), master.as_ref().map(say).unwrap_or_default())
    }

    #[test]
    fn the_old_masters_label_goes_before_the_new_one_comes() {
        let pods = [
            pod("redis-0", Some("master"), Some("lease/1")),
            pod("redis-1", Some("slave"), Some("lease/1")),
            pod("redis-2", None, None),
        ];
        assert_eq!(writes(&record("redis-1", 2), &pods), "redis-0=slave redis-2=slave | redis-1=master");
    }

    #[test]
    fn every_pod_is_stamped_also_where_its_label_was_right() {
        let pods = [pod("redis-0", Some("slave"), Some("lease/1")), pod("redis-1", Some("slave"), Some("lease/2"))];
        assert_eq!(writes(&record("redis-9", 2), &pods), "redis-0=slave | ");
    }

    #[test]
    fn a_strangers_edit_is_put_right_though_the_stamp_is_current() {
        assert_eq!(writes(&record("redis-0", 2), &[pod("redis-1", Some("master"), Some("lease/2"))]), "redis-1=slave | ");
    }

    #[test]
    fn a_stamp_that_no_run_has_written_is_written_over_and_named() {
        let largest = format!("lease/{}", u64::MAX);
        for forged in
            ["lease/3", &largest, "lease/99999999999999999999999", "lease/-1", "lease/+2", "lease/", "lease", "", "\u{7}"]
        {
            let pods = [pod("redis-0", Some("master"), Some("lease/2")), pod("redis-1", Some("slave"), Some(forged))];
            assert_eq!(writes(&record("redis-0", 2), &pods), "redis-1=slave | ", "{forged:?}");
            let planned = plan(&record("redis-0", 2), &pods, &scheme(), NOW);
            assert_eq!(planned.forged, [("redis-1".parse().unwrap(), Stamp::from(forged))]);
            assert!(planned.others[0].is_repair, "it is no part of a change of master");
        }
        for true_one in ["lease/2", "lease/1", "gone/9"] {
            let planned = plan(&record("redis-0", 2), &[pod("redis-1", Some("slave"), Some(true_one))], &scheme(), NOW);
            assert_eq!(planned.forged, [], "{true_one}");
        }
    }

    #[test]
    fn the_stamp_of_a_deleted_lease_is_older_whatever_its_number() {
        assert_eq!(writes(&record("redis-0", 0), &[pod("redis-0", Some("master"), Some("gone/9"))]), " | redis-0=master");
    }

    #[test]
    fn nothing_is_written_where_all_is_right() {
        let pods = [pod("redis-0", Some("master"), Some("lease/2")), pod("redis-1", Some("slave"), Some("lease/2"))];
        assert_eq!(writes(&record("redis-0", 2), &pods), " | ");
    }

    #[test]
    fn a_patch_carries_the_version_that_was_listed() {
        let patch = plan(&record("redis-0", 2), &[pod("redis-0", None, None)], &scheme(), NOW).master.unwrap();
        assert_eq!((patch.version.as_str(), patch.stamp.to_string().as_str()), ("v-redis-0", "lease/2"));
    }

    #[test]
    fn a_replica_that_is_withheld_is_stamped_without_its_label_and_a_master_is_not_withheld() {
        let withheld = |stamp| Pod { is_withheld: true, ..pod("redis-1", None, Some(stamp)) };
        assert_eq!(writes(&record("redis-0", 2), &[withheld("lease/2")]), " | ");
        assert_eq!(writes(&record("redis-0", 3), &[withheld("lease/2")]), "redis-1= | ");
        assert_eq!(writes(&record("redis-1", 3), &[withheld("lease/2")]), " | redis-1=master");
        let labelled = Pod { label: Some("slave".into()), ..withheld("lease/2") };
        assert_eq!(writes(&record("redis-0", 2), &[labelled]), "redis-1= | ");
    }

    #[test]
    fn who_hands_over_is_stamped_and_carries_no_label_until_the_handover_has_had_its_time() {
        let leaving = |since, label, stamp| Pod { hands_over_since: Some(Moment(since)), ..pod("redis-0", label, Some(stamp)) };
        let before = NOW.0 - 4_999;
        assert_eq!(writes(&record("redis-0", 2), &[leaving(before, None, "lease/2")]), " | ");
        assert_eq!(writes(&record("redis-0", 2), &[leaving(before, Some("master"), "lease/2")]), " | redis-0=");
        assert_eq!(writes(&record("redis-1", 3), &[leaving(before, None, "lease/2")]), "redis-0= | ");
        assert_eq!(writes(&record("redis-1", 3), &[leaving(before, Some("master"), "lease/2")]), "redis-0= | ");
        for over in [NOW.0 - 5_000, NOW.0 + 5_000] {
            assert_eq!(writes(&record("redis-0", 2), &[leaving(over, None, "lease/2")]), " | redis-0=master");
            assert_eq!(writes(&record("redis-1", 3), &[leaving(over, None, "lease/2")]), "redis-0=slave | ");
        }
    }

    #[test]
    fn a_repair_is_what_no_change_of_master_asked_for() {
        let repairs =
            |label, stamp| plan(&record("redis-0", 2), &[pod("redis-1", label, stamp)], &scheme(), NOW).others[0].is_repair;
        assert!(repairs(Some("master"), Some("lease/2")), "a stranger's edit");
        assert!(repairs(None, None), "a pod that was made again");
        assert!(!repairs(Some("master"), Some("lease/1")), "the old master");
    }

    #[test]
    fn an_old_list_is_good_enough_only_with_everyone_in_it_who_could_have_been_named() {
        let pods = ["redis-0", "redis-1", "redis-2"].map(|name| pod(name, None, None));
        let is_whole = |pods: &[Pod], holder: &str, master: &str| {
            super::is_whole(pods, 3, &[holder, master].map(|name| name.parse().unwrap()))
        };
        assert!(is_whole(&pods, "redis-0", "redis-1"));
        assert!(!is_whole(&pods[..2], "redis-0", "redis-1"), "one that is being made again is missing");
        assert!(!is_whole(&pods, "redis-3", "redis-1"), "a larger group than was said");
        assert!(!is_whole(&pods, "redis-0", "redis-4"));
    }
}
