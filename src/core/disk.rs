//! What pods say of their own disks before they start: each publishes its disk report in an annotation of
//! its own pod, and every decision weighs all of them.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

use super::identity::PodName;

/// The annotation of a pod that holds its [`DiskReport`].
pub const WORD: &str = "ordain.dev/disk";
/// The annotation of a pod that holds since when it has been trying to start: set when it first has to
/// wait, kept over its container's restarts, and taken away when its server starts.
pub const TRYING: &str = "ordain.dev/trying-since";
/// The annotation of a pod that holds when it has last [`LastHeard`] of the others while it waited, kept and taken
/// away with [`TRYING`].
pub const HEARD: &str = "ordain.dev/heard";

/// The annotation of a pod in which a server has been started: it outlives the containers and not the pod.
pub const HAS_RUN: &str = "ordain.dev/has-run";

/// A point in time, in milliseconds since 1970 by the clock of the node that states it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Moment(pub u64);

impl Moment {
    /// How long before `self` the `earlier` moment was; nothing where it was not.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(self.0.saturating_sub(earlier.0))
    }

    /// The moment that was so long before.
    pub fn before(self, span: Duration) -> Self {
        Self(self.0.saturating_sub(u64::try_from(span.as_millis()).unwrap_or(u64::MAX)))
    }

    /// Whether a moment of another clock can be: a moment that is more than a minute ahead cannot.
    pub fn can_have_seen(self, other: Self) -> bool {
        other.since(self) <= AHEAD
    }

    /// Whether another moment was less than `span` ago. One that cannot be was not.
    pub fn is_within(self, span: Duration, other: Self) -> bool {
        self.can_have_seen(other) && self.since(other) < span
    }
}

/// How far the clocks of two nodes may be apart.
const AHEAD: Duration = Duration::from_secs(60);

impl From<SystemTime> for Moment {
    fn from(time: SystemTime) -> Self {
        let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
        Self(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
    }
}

impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Nobody's clock is past the year 9999, after which the format ends.
        let time = UNIX_EPOCH + Duration::from_millis(self.0.min(253_402_300_799_999));
        humantime::format_rfc3339_millis(time).fmt(f)
    }
}

impl FromStr for Moment {
    type Err = humantime::TimestampError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        humantime::parse_rfc3339(text).map(Self::from)
    }
}

impl Serialize for Moment {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Moment {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

/// What a data directory holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Disk {
    /// Nothing: files of a server that never held a key are nothing.
    Empty,
    /// Data, last written then.
    Written(Moment),
}

impl Disk {
    /// Whether it is newer than another by more than `margin`. Any data is newer than none.
    pub fn is_newer_than(self, other: Self, margin: Duration) -> bool {
        match (self, other) {
            (Self::Empty, _) => false,
            (Self::Written(_), Self::Empty) => true,
            (Self::Written(own), Self::Written(other)) => own.since(other) > margin,
        }
    }

    /// The same, where data that was written in the future was written now.
    pub fn as_of(self, now: Moment) -> Self {
        match self {
            Self::Written(moment) => Self::Written(moment.min(now)),
            Self::Empty => Self::Empty,
        }
    }

    /// Whether it holds data.
    pub fn holds_data(self) -> bool {
        self != Self::Empty
    }
}

impl fmt::Display for Disk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("empty"),
            Self::Written(moment) => write!(f, "last written {moment}"),
        }
    }
}

/// One run of one pod: its container's next start, or a pod of the same name, is another.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Instance {
    /// The pod.
    pub pod: PodName,
    /// The pod's uid: one that was made again has another.
    pub uid: String,
    /// The random name of this run.
    pub run: String,
}

impl fmt::Display for Instance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/{}", self.pod, self.uid, self.run)
    }
}

impl Serialize for Instance {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl FromStr for Instance {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let mut parts = text.splitn(3, '/');
        let (Some(pod), Some(uid), Some(run)) = (parts.next(), parts.next(), parts.next()) else { return Err(()) };
        Ok(Self { pod: pod.parse().map_err(|_| ())?, uid: uid.to_owned(), run: run.to_owned() })
    }
}

/// What a pod has published of its disk.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct DiskReport {
    /// The random name of this run: with the pod's uid the [`Instance`].
    pub run: String,
    /// What the disk held before the start.
    pub disk: Disk,
    /// When the report was made; long ago where the report does not say so.
    #[serde(default)]
    pub at: Moment,
    /// The group's id that is stamped into the data directory, if one is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
    /// Whether its Redis has been started since: then only that Redis knows whether the report has
    /// expired.
    #[serde(default)]
    pub started: bool,
    /// What is damaged, where the data cannot be loaded: then the disk is reported as an empty one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub damage: Option<String>,
    /// The pod's own `replica-priority` (`--priority`), which it has where Sentinel may promote it; the usual one
    /// where it does not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub priority: Option<u32>,
}

impl fmt::Display for DiskReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = serde_json::to_string(self).map_err(|_| fmt::Error)?;
        f.write_str(&text)
    }
}

impl FromStr for DiskReport {
    type Err = serde_json::Error;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        serde_json::from_str(text)
    }
}

/// When pods were last heard of: they answered, or their disk report had not expired.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct LastHeard(BTreeMap<PodName, Moment>);

impl LastHeard {
    /// Whether there is nobody of whom that is known.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// When a pod was last heard of.
    pub fn of(&self, pod: &PodName) -> Option<Moment> {
        self.0.get(pod).copied()
    }

    /// Each of whom that is known, and when.
    pub fn each(&self) -> impl Iterator<Item = (&PodName, Moment)> {
        self.0.iter().map(|(pod, at)| (pod, *at))
    }

    /// A pod was heard of then, too.
    pub fn note(&mut self, pod: &PodName, at: Moment) {
        let last = self.0.entry(pod.clone()).or_insert(at);
        *last = at.max(*last);
    }

    /// Who was heard of by another was heard of, at a time that can be.
    pub fn take_over(&mut self, other: &Self, now: Moment) {
        for (pod, at) in other.0.iter().filter(|(_, at)| now.can_have_seen(**at)) {
            self.note(pod, *at);
        }
    }
}

impl Serialize for LastHeard {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

impl fmt::Display for LastHeard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = serde_json::to_string(self).map_err(|_| fmt::Error)?;
        f.write_str(&text)
    }
}

impl FromStr for LastHeard {
    type Err = serde_json::Error;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let named: BTreeMap<String, Moment> = serde_json::from_str(text)?;
        Ok(Self(named.into_iter().filter_map(|(name, at)| Some((name.parse().ok()?, at))).collect()))
    }
}

/// The id that a record which is made again takes: the one that the pods have published, that of the
/// master first.
pub fn published_group_id<'a>(master: &PodName, words: impl Iterator<Item = (&'a PodName, &'a DiskReport)>) -> Option<String> {
    let stamped = words.filter_map(|(pod, report)| Some((pod != master, pod, report.group.as_ref()?)));
    stamped.min().map(|(_, _, id)| id.clone())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn report() -> DiskReport {
        DiskReport {
            run: "a1".into(),
            disk: Disk::Written(Moment(1_000)),
            at: Moment(2_000),
            group: Some("g".into()),
            started: false,
            damage: None,
            priority: None,
        }
    }

    #[test]
    fn any_data_is_newer_than_none_and_a_little_newer_is_not_newer() {
        let (old, new) = (Disk::Written(Moment(1_000)), Disk::Written(Moment(6_001)));
        let margin = Duration::from_secs(5);
        assert!(old.is_newer_than(Disk::Empty, margin));
        assert!(new.is_newer_than(old, margin));
        assert!(!Disk::Written(Moment(6_000)).is_newer_than(old, margin));
        assert!(!old.is_newer_than(new, Duration::ZERO));
        assert!(!Disk::Empty.is_newer_than(Disk::Empty, Duration::ZERO));
        assert!(!old.is_newer_than(old, Duration::ZERO));
    }

    #[test]
    fn a_word_reads_as_a_person_would_write_it() {
        let text = r#"{"run":"a1","disk":{"written":"1970-01-01T00:00:01.000Z"},"at":"1970-01-01T00:00:02.000Z","group":"g","started":false}"#;
        assert_eq!(report().to_string(), text);
        assert_eq!(text.parse::<DiskReport>().unwrap(), report());
        let empty = r#"{"run":"a1","disk":"empty"}"#;
        let long_ago = DiskReport { disk: Disk::Empty, at: Moment(0), group: None, ..report() };
        assert_eq!(empty.parse::<DiskReport>().unwrap(), long_ago);
    }

    #[test]
    fn a_moment_more_than_a_minute_ahead_cannot_be_and_data_of_the_future_was_written_now() {
        let (now, minute) = (Moment(100_000), Duration::from_secs(60));
        assert!(now.is_within(minute, Moment(40_001)) && !now.is_within(minute, Moment(40_000)));
        assert!(now.is_within(minute, Moment(160_000)) && !now.is_within(minute, Moment(160_001)));
        assert_eq!((now.before(minute), now.before(Duration::MAX)), (Moment(40_000), Moment(0)));
        assert!(!Moment(0).is_within(minute, Moment(u64::MAX)) && Moment(u64::MAX).can_have_seen(Moment(0)));
        assert_eq!(Disk::Written(Moment(u64::MAX)).as_of(now), Disk::Written(now));
        assert_eq!((Disk::Written(Moment(1)).as_of(now), Disk::Empty.as_of(now)), (Disk::Written(Moment(1)), Disk::Empty));
    }

    #[test]
    fn what_was_heard_last_counts_and_reads_back() {
        let [zero, one] = ["redis-0", "redis-1"].map(|name| name.parse::<PodName>().unwrap());
        let mut heard = LastHeard::default();
        assert!(heard.is_empty() && heard.of(&zero).is_none());
        heard.note(&zero, Moment(2_000));
        heard.note(&zero, Moment(1_000));
        let text = r#"{"redis-0":"1970-01-01T00:00:02.000Z"}"#;
        assert_eq!((heard.to_string().as_str(), text.parse::<LastHeard>().unwrap()), (text, heard.clone()));
        let mut other = LastHeard::default();
        other.note(&zero, Moment(3_000));
        other.note(&one, Moment(1_000));
        heard.take_over(&other, Moment(3_000));
        assert_eq!(heard, other);
        other.note(&one, Moment(3_600_000));
        heard.take_over(&other, Moment(3_000));
        assert_eq!(heard.of(&one), Some(Moment(1_000)), "nobody was heard of an hour from now");
        assert_eq!(r#"{"nobody":"1970-01-01T00:00:02.000Z"}"#.parse::<LastHeard>().unwrap(), LastHeard::default());
    }

    #[test]
    fn a_record_that_is_made_again_takes_the_id_of_the_masters_disk_else_of_the_first_pods() {
        let pods: Vec<PodName> = (0..3).map(|ordinal| format!("redis-{ordinal}").parse().unwrap()).collect();
        let stamped = |id: Option<&str>| DiskReport { group: id.map(str::to_owned), ..report() };
        let words = [stamped(None), stamped(Some("b")), stamped(Some("c"))];
        let id = |master: usize| published_group_id(&pods[master], pods.iter().zip(&words));
        assert_eq!((id(0), id(2)), (Some("b".into()), Some("c".into())));
        assert_eq!(published_group_id(&pods[0], std::iter::empty()), None);
    }

    #[test]
    fn an_instance_reads_back() {
        let instance = Instance { pod: "redis-2".parse().unwrap(), uid: "u-1".into(), run: "a1".into() };
        assert_eq!(instance.to_string(), "redis-2/u-1/a1");
        assert_eq!(instance.to_string().parse(), Ok(instance));
        assert!(["", "redis-2", "redis-2/u", "redis/u/r"].iter().all(|text| text.parse::<Instance>().is_err()));
    }

    proptest! {
        #[test]
        fn no_annotation_makes_the_reader_panic(text in "\\PC*") {
            let _ = (text.parse::<DiskReport>(), text.parse::<LastHeard>(), text.parse::<Instance>(), text.parse::<Moment>());
        }

        #[test]
        fn a_moment_reads_back(ms in 0u64..253_402_300_799_999) {
            prop_assert_eq!(Moment(ms).to_string().parse::<Moment>(), Ok(Moment(ms)));
        }
    }
}
