//! What changes: records and pods, told by watches that begin anew by themselves.

use futures::{Stream, StreamExt};
use kube::ResourceExt;
use kube::runtime::WatchStreamExt;
use kube::runtime::watcher::{self, Config, Event, watcher};

use super::view::PodView;
use super::{Cluster, ours, read_pod, read_record};
use crate::core::evidence::Failure;
use crate::core::identity::Group;
use crate::core::labels::{Pod, Scheme};
use crate::core::outside::shown;
use crate::core::record::Record;

/// A change among things of one kind.
#[derive(Debug)]
pub enum Change<T> {
    /// From here on all is told anew: what is not told before [`Change::All`] is gone.
    Anew,
    /// This is there, as it is now.
    Is(T),
    /// This is gone.
    Gone(T),
    /// All has been told.
    All,
    /// The watch has ended with this, and begins again.
    Broken(String),
}

impl<T> Change<T> {
    /// The same change of something else.
    pub fn map<U>(self, make: impl FnOnce(T) -> U) -> Change<U> {
        match self {
            Self::Anew => Change::Anew,
            Self::Is(thing) => Change::Is(make(thing)),
            Self::Gone(thing) => Change::Gone(make(thing)),
            Self::All => Change::All,
            Self::Broken(why) => Change::Broken(why),
        }
    }

    pub(super) fn read<K>(event: Result<Event<K>, watcher::Error>, read: impl Fn(&K) -> Option<T>) -> Option<Self> {
        match event {
            Ok(Event::Init) => Some(Self::Anew),
            Ok(Event::InitApply(object) | Event::Apply(object)) => read(&object).map(Self::Is),
            Ok(Event::InitDone) => Some(Self::All),
            Ok(Event::Delete(object)) => read(&object).map(Self::Gone),
            Err(error) => Some(Self::Broken(shown(&error.to_string()))),
        }
    }
}

impl Cluster {
    /// The records of the namespace, or only one group's, which a Role can allow by its name; one that cannot be
    /// read is told of with what is wrong with it.
    pub fn follow_records(&self, only: Option<&Group>) -> impl Stream<Item = Change<(Group, Result<Record, Failure>)>> + use<> {
        let which = match only {
            Some(group) => Config::default().fields(&format!("metadata.name={group}")),
            None => Config::default().labels(&ours()),
        };
        watcher(self.leases.clone(), which)
            .default_backoff()
            .filter_map(async |event| Change::read(event, |lease| Some((lease.name_any().parse().ok()?, read_record(lease)))))
    }

    /// The pods that `selector` matches, with the group of each by `group_of` of its labels.
    pub fn follow_pods(
        &self,
        selector: &str,
        scheme: Scheme,
        group_of: impl Fn(&dyn Fn(&str) -> Option<String>) -> Option<Group>,
    ) -> impl Stream<Item = Change<(Group, Pod)>> {
        // A page at a time: a whole list of many groups would take more memory than all else here.
        let config = Config::default().labels(selector).page_size(50);
        watcher(self.pods.clone(), config).default_backoff().filter_map(move |event| {
            let change = Change::read(event, |pod: &PodView| {
                let label = |key: &str| pod.labels().get(key).cloned();
                Some((group_of(&label)?, read_pod(pod, &scheme)?))
            });
            std::future::ready(change)
        })
    }
}
