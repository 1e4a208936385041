//! What changes: records and pods, seen by watches that begin again by themselves.

use std::fmt::Debug;
use std::time::Duration;

use futures::stream::{self, BoxStream};
use futures::{Stream, StreamExt};
use kube::api::{WatchEvent, WatchParams};
use kube::runtime::watcher::{self, Config, DefaultBackoff, Event, watcher};
use kube::{Api, Resource, ResourceExt};
use serde::de::DeserializeOwned;
use tracing::warn;

use super::budget::TooLarge;
use super::lease::{ours, read_record};
use super::view::PodView;
use super::{Cluster, Refusal, read_found, refusal};
use crate::core::evidence::{Failure, RecordSeen};
use crate::core::identity::Group;
use crate::core::labels::Scheme;
use crate::core::members::Found;
use crate::core::outside::shown;
use crate::core::record::Record;
use crate::core::selector::Selector;

/// A change among things of one kind.
#[derive(Debug)]
pub enum Change<T> {
    /// From here on all is sent again: what is not sent before [`Change::All`] is gone.
    Anew,
    /// This is there, as it is now.
    Is(T),
    /// This is gone.
    Gone(T),
    /// All has been sent.
    All,
    /// The watch has ended with this, and begins again when it is polled again.
    Broken {
        /// In the API server's words.
        why: String,
        /// Whether it is not allowed.
        is_refused: bool,
    },
}

impl<T> Change<T> {
    /// The same change of something else.
    pub fn map<U>(self, make: impl FnOnce(T) -> U) -> Change<U> {
        match self {
            Self::Anew => Change::Anew,
            Self::Is(thing) => Change::Is(make(thing)),
            Self::Gone(thing) => Change::Gone(make(thing)),
            Self::All => Change::All,
            Self::Broken { why, is_refused } => Change::Broken { why, is_refused },
        }
    }

    pub(super) fn read<K>(event: Result<Event<K>, watcher::Error>, read: impl Fn(&K) -> Option<T>) -> Option<Self> {
        match event {
            Ok(Event::Init) => Some(Self::Anew),
            Ok(Event::InitApply(object) | Event::Apply(object)) => read(&object).map(Self::Is),
            Ok(Event::InitDone) => Some(Self::All),
            Ok(Event::Delete(object)) => read(&object).map(Self::Gone),
            Err(error) => {
                let is_refused = match &error {
                    watcher::Error::InitialListFailed(error) | watcher::Error::WatchStartFailed(error) => {
                        matches!(refusal(error, "watch"), Refusal::Failed(Failure::NotAllowed(_)))
                    }
                    _ => false,
                };
                Some(Self::Broken { why: shown(&error.to_string()), is_refused })
            }
        }
    }
}

/// What the two watches of one group send.
#[derive(Debug)]
pub enum FollowEvent {
    /// From here on changes are sent, what there is first. What is gone by then is not.
    Opened(Kind),
    /// Nothing is sent until this opens again.
    Closed(Kind),
    /// The record, as it is now.
    Record(Box<RecordSeen>),
    /// A pod, as it is now.
    Pod(Found),
    /// The pod of this name is gone.
    Gone(String),
}

/// Of what a watch is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Record,
    Pods,
}

impl Kind {
    /// How many there are.
    pub const COUNT: usize = 2;
}

/// How long a watch may take to open: what the API server has no time for is begun again after a pause.
const OPENING: Duration = Duration::from_secs(5);

impl Cluster {
    /// One group's record and pods, for as long as it is polled: one watch of each, which begins again by itself
    /// after pauses that grow. What the Role forbids is said, and not tried again.
    pub fn follow_group(&self, group: &Group, selector: &Selector, scheme: Scheme) -> impl Stream<Item = FollowEvent> + use<> {
        let record = WatchParams::default().fields(&format!("metadata.name={group}"));
        let record = watch(self.leases.clone(), record).map(|told| match told {
            Watched::Opened => FollowEvent::Opened(Kind::Record),
            Watched::Closed => FollowEvent::Closed(Kind::Record),
            Watched::Is(lease) => {
                FollowEvent::Record(Box::new(read_record(&lease).map_or_else(RecordSeen::Unknown, RecordSeen::Present)))
            }
            Watched::Gone(_) => FollowEvent::Record(Box::new(RecordSeen::Absent)),
        });
        let pods = watch(self.pods.clone(), WatchParams::default().labels(selector.as_str())).filter_map(move |told| {
            let told = match told {
                Watched::Opened => Some(FollowEvent::Opened(Kind::Pods)),
                Watched::Closed => Some(FollowEvent::Closed(Kind::Pods)),
                Watched::Is(pod) => read_found(&pod, &scheme).map(FollowEvent::Pod),
                Watched::Gone(pod) => Some(FollowEvent::Gone(pod.name_any())),
            };
            std::future::ready(told)
        });
        stream::select(record, pods)
    }

    /// The records of the namespace, or only one group's, which a Role can allow by its name; one that cannot be
    /// read is told of with what is wrong with it. Where the watch breaks it begins again without a pause.
    pub fn follow_records(&self, only: Option<&Group>) -> impl Stream<Item = Change<(Group, Result<Record, Failure>)>> + use<> {
        let which = match only {
            Some(group) => Config::default().fields(&format!("metadata.name={group}")),
            None => Config::default().labels(&ours()),
        };
        follow(self.leases.clone(), which)
            .filter_map(async |event| Change::read(event, |lease| Some((lease.name_any().parse().ok()?, read_record(lease)))))
    }

    /// The pods that `selector` matches, with the group of each by `group_of` of its labels.
    pub fn follow_pods(
        &self,
        selector: &str,
        scheme: Scheme,
        group_of: impl Fn(&dyn Fn(&str) -> Option<String>) -> Option<Group>,
    ) -> impl Stream<Item = Change<(Group, Found)>> {
        follow(self.pods.clone(), Config::default().labels(selector)).filter_map(move |event| {
            let change = Change::read(event, |pod: &PodView| {
                let label = |key: &str| pod.labels().get(key).cloned();
                Some((group_of(&label)?, read_found(pod, &scheme)?))
            });
            std::future::ready(change)
        })
    }
}

/// How many objects a watch lists at once where it begins: a whole list of many groups would take more memory than
/// all else here. Fewer where so many are too large.
const PAGES: [u32; 3] = [50, 10, 1];

/// Follows all objects of a kind; begins again with smaller pages where the listed ones are too large.
pub(super) fn follow<K>(api: Api<K>, config: Config) -> impl Stream<Item = Result<Event<K>, watcher::Error>>
where
    K: Clone + DeserializeOwned + Debug + Send + Resource<DynamicType = ()> + 'static,
{
    let with_pages = move |size| watcher(api.clone(), config.clone().page_size(size)).boxed();
    let mut sizes = PAGES.into_iter();
    let first = sizes.next().map(&with_pages);
    stream::unfold((first, sizes), move |(mut open, mut sizes)| {
        let with_pages = with_pages.clone();
        async move {
            loop {
                match open.as_mut()?.next().await? {
                    Err(error) if TooLarge::is_in(&error) && sizes.len() > 0 => open = sizes.next().map(&with_pages),
                    event => return Some((event, (open, sizes))),
                }
            }
        }
    })
}

/// What a watch of one kind sends.
enum Watched<K> {
    Opened,
    Closed,
    Is(K),
    Gone(K),
}

struct Watching<K> {
    api: Api<K>,
    which: WatchParams,
    backoff: DefaultBackoff,
    is_begun: bool,
    open: Option<BoxStream<'static, kube::Result<WatchEvent<K>>>>,
}

fn watch<K>(api: Api<K>, which: WatchParams) -> impl Stream<Item = Watched<K>>
where
    K: Clone + DeserializeOwned + Debug + Send + Resource<DynamicType = ()> + 'static,
{
    let watching = Watching { api, which, backoff: DefaultBackoff::default(), is_begun: false, open: None };
    stream::unfold(watching, Watching::next).boxed_local()
}

impl<K> Watching<K>
where
    K: Clone + DeserializeOwned + Debug + Send + Resource<DynamicType = ()> + 'static,
{
    async fn next(mut self) -> Option<(Watched<K>, Self)> {
        loop {
            let Some(events) = &mut self.open else {
                self.open().await?;
                if self.open.is_some() {
                    return Some((Watched::Opened, self));
                }
                continue;
            };
            let told = match events.next().await {
                Some(Ok(WatchEvent::Added(object) | WatchEvent::Modified(object))) => Watched::Is(object),
                Some(Ok(WatchEvent::Deleted(object))) => Watched::Gone(object),
                Some(Ok(WatchEvent::Bookmark(_))) => continue,
                Some(Ok(WatchEvent::Error(_)) | Err(_)) | None => {
                    self.open = None;
                    Watched::Closed
                }
            };
            return Some((told, self));
        }
    }

    /// Tries to open; none where that is not allowed.
    async fn open(&mut self) -> Option<()> {
        if self.is_begun {
            tokio::time::sleep(self.backoff.next().unwrap_or(OPENING)).await;
        }
        self.is_begun = true;
        // Version "0" begins with what there is.
        match tokio::time::timeout(OPENING, self.api.watch(&self.which, "0")).await {
            Ok(Ok(events)) => self.open = Some(events.boxed()),
            Ok(Err(error)) => {
                if let Refusal::Failed(failure @ Failure::NotAllowed(_)) = refusal(&error, &format!("watch {}", K::plural(&()))) {
                    warn!("changes are seen late: {failure}");
                    return None;
                }
            }
            Err(_) => {}
        }
        Some(())
    }
}
