//! The StatefulSets that a group's pods are in, and the order of its pods.

use std::fmt;
use std::str::FromStr;

use serde::{Serialize, Serializer};

use super::identity::{NotAName, PodName};

/// One of a group's StatefulSets, and how many pods it has: `redis-replicas=2`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Set {
    first: PodName,
    count: u32,
}

impl Set {
    /// The StatefulSet of a pod, with so many pods.
    pub fn of(pod: &PodName, count: u32) -> Self {
        Self { first: pod.sibling(0), count }
    }

    /// Its ordinal 0.
    pub fn first(&self) -> &PodName {
        &self.first
    }

    /// The StatefulSet's name.
    pub fn name(&self) -> &str {
        self.first.base()
    }

    fn pods(&self) -> impl Iterator<Item = PodName> {
        (0..self.count).map(|ordinal| self.first.sibling(ordinal))
    }
}

impl FromStr for Set {
    type Err = NotAName;

    fn from_str(word: &str) -> Result<Self, NotAName> {
        let parsed = word.split_once('=').and_then(|(name, count)| {
            let count = count.parse().ok().filter(|count| (1..=1000).contains(count))?;
            let last: PodName = format!("{name}-{}", count - 1).parse().ok()?;
            (!name.ends_with('-')).then(|| Self::of(&last, count))
        });
        parsed
            .ok_or_else(|| NotAName::because(format!("`{word}` is no StatefulSet with its pods: write it as `redis-replicas=2`")))
    }
}

impl fmt::Display for Set {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}={}", self.name(), self.count)
    }
}

impl Serialize for Set {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// All of a group's StatefulSets, that of the first master first. Pods beyond their count, or of none of them,
/// may be there as well: they come after.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default, Serialize)]
pub struct Sets(Vec<Set>);

impl From<Set> for Sets {
    fn from(only: Set) -> Self {
        Self(vec![only])
    }
}

impl fmt::Display for Sets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.in_words())
    }
}

impl Sets {
    /// The sets as they were named.
    ///
    /// # Errors
    /// One was named twice.
    pub fn new(sets: Vec<Set>) -> Result<Self, NotAName> {
        let is_again = |(place, set): &(usize, &Set)| sets[..*place].iter().any(|earlier| earlier.first == set.first);
        match sets.iter().enumerate().find(is_again) {
            Some((_, set)) => Err(NotAName::because(format!("the set `{}` is named twice", set.name()))),
            None => Ok(Self(sets)),
        }
    }

    /// The pods that there are by these counts, in order.
    pub fn pods(&self) -> impl Iterator<Item = PodName> {
        self.0.iter().flat_map(Set::pods)
    }

    /// Their names, in order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(Set::name)
    }

    /// Whether the group has more than one.
    pub fn are_several(&self) -> bool {
        self.0.len() > 1
    }

    /// Whether a pod is of one of them, whatever its ordinal.
    pub fn have(&self, pod: &PodName) -> bool {
        self.0.iter().any(|set| set.name() == pod.base())
    }

    /// The pods in words: `redis-0 to redis-2 and redis-replicas-0`.
    fn in_words(&self) -> String {
        let of_set = |set: &Set| match set.count {
            0 | 1 => set.first.to_string(),
            count => format!("{} to {}", set.first, set.first.sibling(count - 1)),
        };
        self.0.iter().map(of_set).collect::<Vec<_>>().join(" and ")
    }

    /// Where a pod stands: by its set, then by its ordinal.
    pub fn place<'a>(&self, pod: &'a PodName) -> (usize, &'a PodName) {
        let known = self.0.iter().position(|set| set.name() == pod.base());
        (known.unwrap_or(self.0.len()), pod)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn sets(words: &[&str]) -> Sets {
        Sets::new(words.iter().map(|word| word.parse().unwrap()).collect()).unwrap()
    }

    fn pod(name: &str) -> PodName {
        name.parse().unwrap()
    }

    #[test]
    fn pods_are_counted_through_from_the_first_set_on_whatever_the_sets_are_called() {
        let sets = sets(&["master=1", "cache=2"]);
        let pods: Vec<_> = sets.pods().map(|pod| pod.to_string()).collect();
        assert_eq!(pods, ["master-0", "cache-0", "cache-1"]);
        let mut known = ["other-0", "cache-10", "cache-2", "cache-0", "master-1", "master-0"].map(pod);
        known.sort_by(|one, other| sets.place(one).cmp(&sets.place(other)));
        assert_eq!(known, ["master-0", "master-1", "cache-0", "cache-2", "cache-10", "other-0"].map(pod));
        assert!(sets.are_several() && sets.have(&pod("cache-9")) && !sets.have(&pod("other-0")));
    }

    #[test]
    fn what_is_no_set_is_refused_with_an_example() {
        for word in
            ["", "redis", "redis=", "redis=0", "redis=1001", "redis=-1", "=2", "Redis=2", "redis-=2", "a b=2", "redis=2=3"]
        {
            let refusal = word.parse::<Set>().unwrap_err().to_string();
            assert!(refusal.ends_with("write it as `redis-replicas=2`"), "{word}: {refusal}");
        }
    }

    #[test]
    fn a_set_is_named_once() {
        let twice = ["redis=1", "redis-replicas=2", "redis=3"].map(|word| word.parse().unwrap()).to_vec();
        assert_eq!(Sets::new(twice).unwrap_err().to_string(), "the set `redis` is named twice");
    }

    proptest! {
        #[test]
        fn what_prints_reads_back(name in "[a-z]([a-z0-9-]{0,20}[a-z0-9])?", count in 1u32..=1000) {
            let set: Set = format!("{name}={count}").parse().unwrap();
            prop_assert_eq!(set.to_string().parse(), Ok(set));
        }

        #[test]
        fn no_word_makes_the_parser_panic(word in "\\PC*") {
            let _ = word.parse::<Set>();
        }
    }
}
