//! Which pods are the group's: those of its StatefulSets. Labels alone make no member: whoever may label a pod could
//! else have it asked with the group's password, counted, and named as the master.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use super::evidence::RecordSeen;
use super::pod::{Controller, Pod};
use super::record::Record;
use super::selector::Selector;
use super::sets::Sets;

/// A pod that was asked for by a selector.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found {
    /// Its name ends in an ordinal.
    Pod(Box<Pod>),
    /// Its name does not, as no StatefulSet's pod has it.
    Unnumbered(NonMember),
}

impl Found {
    /// Its name.
    pub fn name(&self) -> String {
        match self {
            Self::Pod(pod) => pod.name.to_string(),
            Self::Unnumbered(other) => other.name.clone(),
        }
    }

    /// Its uid.
    pub fn uid(&self) -> &str {
        match self {
            Self::Pod(pod) => &pod.uid,
            Self::Unnumbered(other) => &other.uid,
        }
    }
}

/// A pod that carries the group's labels, and is no member.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NonMember {
    /// Its name.
    pub name: String,
    /// Its uid.
    pub uid: String,
    /// What it carries under the role label's key: by that a Service may send it clients.
    pub role: Option<String>,
    /// Why it is none.
    pub why: NotMember,
}

/// Why a pod is no member.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NotMember {
    /// The selector does not match its labels.
    Unselected(BTreeMap<String, String>),
    /// Its name does not end in an ordinal.
    Unnumbered,
    /// Something else than a StatefulSet controls it.
    Controller(String),
    /// A StatefulSet controls it whose pods have other names.
    Misnamed(String),
    /// It is of another StatefulSet than these.
    OtherSet(BTreeSet<String>),
    /// Nothing controls it, and the record has not labelled it before.
    Uncontrolled,
    /// There is no record, and nothing else says whether its StatefulSet is one of the group's.
    Unproven,
}

impl NotMember {
    /// Whether no record could make it a member: its own object says so.
    pub fn is_by_itself(&self) -> bool {
        match self {
            Self::Unselected(_) | Self::Unnumbered | Self::Controller(_) | Self::Misnamed(_) => true,
            Self::OtherSet(_) | Self::Uncontrolled | Self::Unproven => false,
        }
    }
}

impl fmt::Display for NotMember {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unselected(labels) => {
                let words: Vec<_> = labels.iter().map(|(key, value)| format!("{key}={value}")).collect();
                write!(f, "its labels are {}", if words.is_empty() { "none".to_owned() } else { words.join(",") })
            }
            Self::Unnumbered => f.write_str("its name is not that of a StatefulSet's pod"),
            Self::Controller(what) => write!(f, "its controller is the {what}, and no StatefulSet"),
            Self::Misnamed(set) => write!(f, "its controller is the StatefulSet {set}, whose pods have other names"),
            Self::OtherSet(sets) => {
                let sets: Vec<_> = sets.iter().map(String::as_str).collect();
                write!(f, "the StatefulSets of the group are {}", sets.join(", "))
            }
            Self::Uncontrolled => f.write_str("no StatefulSet controls it, and the group's record has never labelled it"),
            Self::Unproven => f.write_str(
                "the group has no record, and neither a disk report nor a Sentinel says that its StatefulSet is the group's",
            ),
        }
    }
}

/// How the group's StatefulSets are known before its record is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Named {
    /// By `--set`.
    ByFlags,
    /// By this pod's own name.
    ByOwnName,
    /// By the group's name: a guess, of which the record knows better.
    ByGroup,
}

/// By what members are recognized.
#[derive(Debug)]
pub struct Membership<'a> {
    selector: &'a Selector,
    /// The names of the group's sets; none where every StatefulSet is one of them.
    sets: Option<BTreeSet<String>>,
    /// The uid of the Lease.
    lease: Option<&'a str>,
    /// There is no record: the sets are those that [`sets_by_reports`] finds.
    is_by_reports: bool,
}

/// The group's StatefulSets where there is no record, for whoever has no flags that name them: those of the pods whose disk
/// reports are of the same group's id as that of the master that a Sentinel claims; where none is claimed, as those
/// of the set that is `guessed` by the group's name; else as all reports. None where these are of several groups:
/// then one is a non-member's. Where ordain has never run yet, and no pod has a report, the set of the claimed master.
pub fn sets_by_reports<'a>(
    selector: &Selector,
    guessed: &Sets,
    pods: impl IntoIterator<Item = &'a Pod>,
    is_claimed: impl Fn(&Pod) -> bool,
) -> BTreeSet<String> {
    let is_of_a_set = |pod: &&Pod| {
        selector.matches(&pod.labels) && matches!(&pod.controller, Controller::StatefulSet(set) if set == pod.name.base())
    };
    let pods: Vec<_> = pods.into_iter().filter(is_of_a_set).collect();
    let set_of = |pod: &Pod| pod.name.base().to_owned();
    let reported: Vec<_> = pods.iter().copied().filter(|pod| pod.report.is_some()).collect();
    if reported.is_empty() {
        let claimed: BTreeSet<_> = pods.into_iter().filter(|pod| is_claimed(pod)).map(set_of).collect();
        return if claimed.len() == 1 { claimed } else { BTreeSet::new() };
    }
    let which = |is_it: &dyn Fn(&Pod) -> bool| reported.iter().copied().filter(|pod| is_it(pod)).collect::<Vec<_>>();
    let anchors = [which(&is_claimed), which(&|pod| guessed.have(&pod.name)), reported.clone()];
    let anchors = anchors.into_iter().find(|pods| !pods.is_empty()).unwrap_or_default();
    let id_of = |pod: &'a Pod| pod.report.as_ref().and_then(|report| report.group.as_deref());
    let ids: BTreeSet<_> = anchors.iter().filter_map(|pod| id_of(pod)).collect();
    match ids.len() {
        0 => anchors.into_iter().map(set_of).collect(),
        1 => reported.into_iter().filter(|pod| id_of(pod).is_some_and(|id| ids.contains(id))).map(set_of).collect(),
        _ => BTreeSet::new(),
    }
}

impl<'a> Membership<'a> {
    /// By the sets as they are named, and the record as it was seen. A record that names none is one of 0.1, which
    /// had every StatefulSet's pods that the selector finds. `reported` are the sets by [`sets_by_reports`]: they
    /// count where there is no record, for whoever has no flags that name them.
    pub fn new(selector: &'a Selector, sets: &Sets, named: Named, record: &'a RecordSeen, reported: &BTreeSet<String>) -> Self {
        match record {
            RecordSeen::Present(record) => Self::by_record(selector, sets, named, record),
            RecordSeen::Absent if named == Named::ByGroup => {
                Self { selector, sets: Some(reported.clone()), lease: None, is_by_reports: true }
            }
            _ => Self { selector, sets: Some(names_of(sets)), lease: None, is_by_reports: false },
        }
    }

    /// The same where the record is known.
    pub fn by_record(selector: &'a Selector, sets: &Sets, named: Named, record: &'a Record) -> Self {
        let lease = Some(&*record.uid);
        if record.sets.is_empty() && named != Named::ByFlags {
            return Self { selector, sets: None, lease, is_by_reports: false };
        }
        // Whom the record names is a member, also before the record lists its StatefulSet.
        let mut all: BTreeSet<_> = record.sets.iter().cloned().chain([record.claim.master.base().to_owned()]).collect();
        if named != Named::ByGroup {
            all.extend(names_of(sets));
        }
        Self { selector, sets: Some(all), lease, is_by_reports: false }
    }

    /// Whether a pod is a member.
    ///
    /// # Errors
    /// Why it is none.
    pub fn check(&self, pod: &Pod) -> Result<(), NotMember> {
        if !self.selector.matches(&pod.labels) {
            return Err(NotMember::Unselected(pod.labels.clone()));
        }
        match &pod.controller {
            Controller::Other(what) => return Err(NotMember::Controller(what.clone())),
            Controller::StatefulSet(set) if set != pod.name.base() => return Err(NotMember::Misnamed(set.clone())),
            // Its StatefulSet was deleted and is going to be made again: what this record has labelled is the group's.
            Controller::None if !self.lease.is_some_and(|lease| pod.stamp.as_ref().is_some_and(|stamp| stamp.is_of(lease))) => {
                return Err(NotMember::Uncontrolled);
            }
            Controller::None | Controller::StatefulSet(_) => {}
        }
        // A report of another group's id says that it is a non-member.
        let is_anothers = || pod.report.as_ref().is_some_and(|report| report.group.is_some());
        match &self.sets {
            Some(sets) if sets.contains(pod.name.base()) => Ok(()),
            Some(sets) if self.is_by_reports && (sets.is_empty() || !is_anothers()) => Err(NotMember::Unproven),
            Some(sets) => Err(NotMember::OtherSet(sets.clone())),
            None => Ok(()),
        }
    }

    /// The members among the pods that were found, and the others.
    pub fn sort(&self, found: impl IntoIterator<Item = Found>) -> (Vec<Pod>, Vec<NonMember>) {
        let (mut members, mut others) = (Vec::new(), Vec::new());
        for one in found {
            match one {
                Found::Pod(pod) => match self.check(&pod) {
                    Ok(()) => members.push(*pod),
                    Err(why) => others.push(NonMember::new(&pod, why)),
                },
                Found::Unnumbered(other) => others.push(other),
            }
        }
        (members, others)
    }
}

impl NonMember {
    /// A pod that is none for this reason.
    pub fn new(pod: &Pod, why: NotMember) -> Self {
        Self { name: pod.name.to_string(), uid: pod.uid.clone(), role: pod.label.clone(), why }
    }
}

fn names_of(sets: &Sets) -> BTreeSet<String> {
    sets.names().map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::disk::{Disk, DiskReport, Moment};
    use crate::core::evidence::Failure;
    use crate::core::identity::{Endpoint, PodName};
    use crate::core::record::Claim;
    use rstest::rstest;

    fn selector() -> Selector {
        "app=redis".parse().unwrap()
    }

    fn sets(words: &[&str]) -> Sets {
        Sets::new(words.iter().map(|report| report.parse().unwrap()).collect()).unwrap()
    }

    /// A record of the Lease `lease` that names redis-0, and these sets.
    fn record(sets: &[&str]) -> RecordSeen {
        let claim = Claim { master: "redis-0".parse().unwrap(), epoch: 1 };
        let record = Record::first(claim, Endpoint::parse("redis-0", 6379).unwrap(), "g".into(), false);
        RecordSeen::Present(Record { uid: "lease".into(), ..record.with_sets(sets.iter().copied()) })
    }

    fn of(set: &str) -> Controller {
        Controller::StatefulSet(set.into())
    }

    fn pod(name: &str, controller: Controller) -> Pod {
        let labels = BTreeMap::from([("app".to_owned(), "redis".to_owned())]);
        Pod { uid: "u".into(), labels, controller, ..Pod::named(name.parse().unwrap()) }
    }

    fn stamped(stamp: &str, pod: Pod) -> Pod {
        Pod { stamp: Some(stamp.into()), ..pod }
    }

    fn why(pod: &Pod, named: Named, flags: &[&str], record: &RecordSeen) -> Option<NotMember> {
        // Without a record the report of redis-0 tells.
        let reported = BTreeSet::from(["redis".to_owned()]);
        Membership::new(&selector(), &sets(flags), named, record, &reported).check(pod).err()
    }

    /// A pod of a StatefulSet, with a disk report of this group's id.
    fn reporting(name: &str, id: Option<&str>) -> Pod {
        let name: PodName = name.parse().unwrap();
        let group = id.map(str::to_owned);
        let report =
            DiskReport { run: "a1".into(), disk: Disk::Empty, at: Moment(0), group, started: true, damage: None, priority: None };
        Pod { report: Some(report), ..pod(&name.to_string(), of(name.base())) }
    }

    fn silent(name: &str) -> Pod {
        Pod { report: None, ..reporting(name, None) }
    }

    fn unknown() -> RecordSeen {
        RecordSeen::Unknown(Failure::TimedOut)
    }

    const ALL: [Named; 3] = [Named::ByFlags, Named::ByOwnName, Named::ByGroup];

    #[test]
    fn a_pod_of_the_groups_set_is_a_member_by_whatever_the_sets_are_known() {
        for named in ALL {
            for record in [record(&[]), record(&["redis"]), RecordSeen::Absent, unknown()] {
                assert_eq!(why(&pod("redis-1", of("redis")), named, &["redis=3"], &record), None, "{named:?} {record:?}");
            }
        }
    }

    #[rstest]
    #[case::a_deployments(pod("redis-1", Controller::Other("ReplicaSet redis".into())), NotMember::Controller("ReplicaSet redis".into()))]
    #[case::misnamed(pod("redis-1", of("redi")), NotMember::Misnamed("redi".into()))]
    #[case::made_by_hand(pod("redis-1", Controller::None), NotMember::Uncontrolled)]
    #[case::of_another_lease(stamped("other/7", pod("redis-1", Controller::None)), NotMember::Uncontrolled)]
    fn whom_no_set_of_the_group_made_is_none_though_labels_and_name_fit(#[case] pod: Pod, #[case] expected: NotMember) {
        for named in ALL {
            for record in [record(&[]), record(&["redis"]), RecordSeen::Absent, unknown()] {
                assert_eq!(why(&pod, named, &["redis=3"], &record), Some(expected.clone()), "{named:?} {record:?}");
            }
        }
    }

    #[test]
    fn whom_the_record_has_labelled_stays_while_its_set_is_made_anew() {
        let orphan = |name| stamped("lease/7", pod(name, Controller::None));
        for named in ALL {
            for record in [record(&[]), record(&["redis"])] {
                assert_eq!(why(&orphan("redis-1"), named, &["redis=3"], &record), None, "{named:?} {record:?}");
            }
        }
        let other = why(&orphan("cache-1"), Named::ByOwnName, &["redis=3"], &record(&["redis"]));
        assert_eq!(other, Some(NotMember::OtherSet(BTreeSet::from(["redis".to_owned()]))));
    }

    #[rstest]
    #[case::the_flags_name_theirs(Named::ByFlags, &["redis=3"], record(&[]), false)]
    #[case::the_record_names_more_than_the_flags(Named::ByFlags, &["redis=3"], record(&["cache"]), true)]
    #[case::the_flags_name_more_than_the_record(Named::ByFlags, &["redis=3", "cache=1"], record(&["redis"]), true)]
    #[case::a_record_of_0_1(Named::ByOwnName, &["redis=3"], record(&[]), true)]
    #[case::the_record_names_this_set(Named::ByOwnName, &["redis=3"], record(&["redis"]), false)]
    #[case::the_record_names_both(Named::ByOwnName, &["redis=3"], record(&["redis", "cache"]), true)]
    #[case::no_record_yet(Named::ByOwnName, &["redis=3"], RecordSeen::Absent, false)]
    #[case::an_unreadable_record(Named::ByOwnName, &["redis=3"], unknown(), false)]
    #[case::by_a_record_of_0_1_alone(Named::ByGroup, &["redis=3"], record(&[]), true)]
    #[case::by_the_record_alone(Named::ByGroup, &["redis=3"], record(&["redis"]), false)]
    #[case::by_the_record_alone_which_names_it(Named::ByGroup, &["redis=3"], record(&["cache"]), true)]
    #[case::by_the_reports_alone(Named::ByGroup, &["redis=3"], RecordSeen::Absent, false)]
    fn of_another_set_only_who_is_named_or_may_be(
        #[case] named: Named,
        #[case] flags: &[&str],
        #[case] record: RecordSeen,
        #[case] is_member: bool,
    ) {
        assert_eq!(why(&pod("cache-0", of("cache")), named, flags, &record).is_none(), is_member);
    }

    #[test]
    fn the_guess_by_the_groups_name_makes_no_members_where_the_record_knows_better() {
        let guessed = pod("group-0", of("group"));
        assert!(why(&guessed, Named::ByGroup, &["group=3"], &record(&["cache"])).is_some());
        assert_eq!(why(&pod("redis-0", of("redis")), Named::ByGroup, &["group=3"], &record(&["cache"])), None, "the holder");
    }

    #[test]
    fn without_the_labels_nobody_is_one() {
        let unlabelled = Pod { labels: BTreeMap::new(), ..pod("redis-1", of("redis")) };
        let refusal = why(&unlabelled, Named::ByOwnName, &["redis=3"], &record(&["redis"])).unwrap();
        assert_eq!(refusal.to_string(), "its labels are none");
    }

    #[test]
    fn whose_name_ends_in_no_ordinal_is_sorted_out() {
        let other =
            NonMember { name: "redis-7d4b".into(), uid: "u".into(), role: Some("master".into()), why: NotMember::Unnumbered };
        let found = [Found::Unnumbered(other.clone()), Found::Pod(Box::new(pod("redis-1", of("redis"))))];
        let record = record(&["redis"]);
        let selector = selector();
        let (members, others) =
            Membership::new(&selector, &sets(&["redis=3"]), Named::ByFlags, &record, &BTreeSet::new()).sort(found);
        assert_eq!((members.len(), others), (1, vec![other]));
    }
    #[rstest]
    #[case::whose_report_is_of_the_masters_id(
        &[reporting("redis-0", Some("a")), silent("redis-1"), silent("cache-0")], "redis-0", &["redis"]
    )]
    #[case::of_both_its_sets(&[reporting("redis-0", Some("a")), reporting("more-0", Some("a"))], "redis-0", &["redis", "more"])]
    #[case::not_of_another_group(&[reporting("redis-0", Some("a")), reporting("cache-0", Some("b"))], "redis-0", &["redis"])]
    #[case::a_claim_for_who_has_no_report(&[reporting("redis-0", Some("a")), silent("cache-0")], "cache-0", &["redis"])]
    #[case::no_claim(&[reporting("redis-0", Some("a")), reporting("cache-0", Some("b"))], "", &["redis"])]
    #[case::no_claim_and_another_name(&[reporting("db-0", Some("a")), reporting("db-1", None)], "", &["db"])]
    #[case::no_claim_and_nobody_knows_whose(&[reporting("db-0", Some("a")), reporting("cache-0", Some("b"))], "", &[])]
    #[case::whom_a_claim_of_two_groups_names(
        &[reporting("redis-0", Some("a")), reporting("cache-0", Some("b"))], "redis-0 cache-0", &[]
    )]
    #[case::a_first_boot(&[reporting("redis-0", None), silent("redis-1"), silent("cache-0")], "", &["redis"])]
    #[case::who_has_no_id_beside_who_has(&[reporting("redis-0", Some("a")), reporting("cache-0", None)], "redis-0", &["redis"])]
    #[case::the_claimed_one_has_none_yet(&[reporting("db-0", None), reporting("cache-0", Some("b"))], "db-0", &["db"])]
    #[case::another_tools_group(&[silent("db-0"), silent("cache-0")], "db-0", &["db"])]
    #[case::another_tools_group_that_is_disputed(&[silent("db-0"), silent("cache-0")], "db-0 cache-0", &[])]
    #[case::nothing_is_known_yet(&[silent("redis-0"), silent("cache-0")], "", &[])]
    #[case::made_by_hand(&[Pod { controller: Controller::None, ..reporting("redis-0", Some("a")) }], "redis-0", &[])]
    #[case::without_the_labels(&[Pod { labels: BTreeMap::new(), ..reporting("redis-0", Some("a")) }], "redis-0", &[])]
    fn without_a_record_the_sets_are_of_whose_disk_reports_are_the_groups(
        #[case] pods: &[Pod],
        #[case] claimed: &str,
        #[case] expected: &[&str],
    ) {
        let is_claimed = |pod: &Pod| claimed.split(' ').any(|name| name == pod.name.to_string());
        let found = sets_by_reports(&selector(), &sets(&["redis=3"]), pods, is_claimed);
        assert_eq!(found, expected.iter().map(|set| (*set).to_owned()).collect());
    }

    #[test]
    fn of_whom_nothing_says_whose_it_is_that_is_said() {
        let check = |pod: &Pod, reported: &[&str]| {
            let reported = reported.iter().map(|set| (*set).to_owned()).collect();
            let record = RecordSeen::Absent;
            Membership::new(&selector(), &sets(&["redis=3"]), Named::ByGroup, &record, &reported).check(pod)
        };
        assert_eq!(check(&silent("cache-0"), &["redis"]), Err(NotMember::Unproven));
        assert_eq!(check(&reporting("cache-0", None), &["redis"]), Err(NotMember::Unproven));
        assert_eq!(check(&reporting("cache-0", Some("b")), &[]), Err(NotMember::Unproven));
        assert_eq!(check(&reporting("cache-0", Some("b")), &["redis"]), Err(NotMember::OtherSet(["redis".to_owned()].into())));
        assert_eq!(check(&silent("redis-1"), &["redis"]), Ok(()));
    }
}
