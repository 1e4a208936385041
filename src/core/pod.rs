//! A pod, as the API server shows it.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use super::disk::{DiskReport, LastHeard, Moment};
use super::evidence::Container;
use super::identity::PodName;
use super::stamp::Stamp;

/// The annotation of a master that hands over: since when it carries no label.
pub const HANDS_OVER: &str = "ordain.dev/hands-over";
/// After this a handover that has not taken that back has died.
const HANDOVER: Duration = Duration::from_secs(5);

/// What made a pod, and keeps it: its owner reference with `controller: true`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Controller {
    /// Nothing: it was made by hand, or what made it was deleted, and left it there.
    None,
    /// A StatefulSet of this name, of any API group.
    StatefulSet(String),
    /// Another kind of thing, such as `ReplicaSet cache-5d8f`.
    Other(String),
}

/// A pod of the group as it was listed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pod {
    /// Its name.
    pub name: PodName,
    /// Its uid: a pod of the same name that was made again has another.
    pub uid: String,
    /// Its resourceVersion, opaque: a patch under it fails where the pod has changed since.
    pub version: String,
    /// Its addresses.
    pub ips: Vec<IpAddr>,
    /// What it carries under the label's key.
    pub label: Option<String>,
    /// What it carries as stamp, whatever that is; none where it has none.
    pub stamp: Option<Stamp>,
    /// What it has published of its disk; none where that is missing or nobody's.
    pub report: Option<DiskReport>,
    /// Since when it has been trying to start.
    pub trying_since: Option<Moment>,
    /// When it has last heard of the others.
    pub heard: LastHeard,
    /// Its replica's label is withheld: it has lost its master, and readers must not see it.
    pub is_withheld: bool,
    /// Since when it hands its part over, if it does.
    pub hands_over_since: Option<Moment>,
    /// Its containers.
    pub containers: Vec<PodContainer>,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// What made it.
    pub controller: Controller,
}

/// One of a pod's containers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PodContainer {
    /// The ports that it says it listens at.
    pub ports: Vec<u16>,
    /// Whether it runs.
    pub state: Container,
}

impl Pod {
    /// A pod of which no more is known than its name.
    pub fn named(name: PodName) -> Self {
        Self {
            name,
            uid: String::new(),
            version: String::new(),
            ips: Vec::new(),
            label: None,
            stamp: None,
            report: None,
            trying_since: None,
            heard: LastHeard::default(),
            is_withheld: false,
            hands_over_since: None,
            containers: Vec::new(),
            labels: BTreeMap::new(),
            controller: Controller::None,
        }
    }

    /// The container that listens at `port`; where none says so, all of them together.
    pub fn container(&self, port: u16) -> Container {
        let is_it = |one: &&PodContainer| one.ports.contains(&port);
        let says_so = self.containers.iter().any(|one| is_it(&one));
        let mut states = self.containers.iter().filter(|one| !says_so || is_it(one)).map(|one| one.state);
        let first = states.next().unwrap_or_default();
        // Of several any may be the one.
        states.fold(first, |seen, state| match (seen, state) {
            (Container::Stopped, other) | (other, Container::Stopped) => other,
            (Container::Running(one), Container::Running(other)) => Container::Running(one.max(other)),
            (Container::Unknown, _) | (_, Container::Unknown) => Container::Unknown,
        })
    }

    /// Whether it is handing over, and must not be labelled: who follows a Service hears of the new label at once
    /// only where no label has changed right before it (kube-proxy follows at most once a second).
    pub fn hands_over(&self, now: Moment) -> bool {
        self.hands_over_since.is_some_and(|since| now.since(since).max(since.since(now)) < HANDOVER)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_container_is_the_one_with_the_port_else_any() {
        let one = |ports: &[u16], state| PodContainer { ports: ports.to_vec(), state };
        let of = |containers: &[PodContainer]| {
            Pod { containers: containers.to_vec(), ..Pod::named("redis-0".parse().unwrap()) }.container(6379)
        };
        let runs = |since| Container::Running(Moment(since));
        assert_eq!(of(&[]), Container::Unknown);
        assert_eq!(of(&[one(&[9121], runs(1)), one(&[6379], Container::Stopped)]), Container::Stopped);
        assert_eq!(of(&[one(&[9121], Container::Stopped), one(&[6379], runs(2))]), runs(2));
        assert_eq!(of(&[one(&[], Container::Stopped), one(&[], Container::Stopped)]), Container::Stopped);
        assert_eq!(of(&[one(&[], Container::Stopped), one(&[], runs(2)), one(&[], runs(1))]), runs(2), "either may be it");
        assert_eq!(of(&[one(&[], Container::Unknown), one(&[], runs(2))]), Container::Unknown);
    }
}
