//! Watches the pods' labels as the API server tells every state in between, group by group.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use futures::{StreamExt, pin_mut};
use kube::ResourceExt;
use kube::api::{WatchEvent, WatchParams};
use tokio::task::JoinHandle;

use crate::control_plane::Namespace;
use crate::{runtime, wait_for};

/// What was seen of a group so far.
#[derive(Debug, Default, Clone)]
struct Seen {
    masters: BTreeSet<String>,
    /// Each state in which more than one pod carried the master label.
    too_many: Vec<BTreeSet<String>>,
    /// Each pod that got the master label, in order, and when.
    history: Vec<(String, Instant)>,
    /// Since when no pod carries the master label, after one did.
    without_since: Option<Instant>,
    /// How long each time without one took.
    gaps: Vec<Duration>,
}

impl Seen {
    fn take(&mut self, pod: String, is_master: bool) {
        if is_master {
            if self.masters.insert(pod.clone()) {
                self.history.push((pod, Instant::now()));
            }
        } else {
            self.masters.remove(&pod);
        }
        match self.masters.len() {
            0 if !self.history.is_empty() => _ = self.without_since.get_or_insert_with(Instant::now),
            0 => {}
            1 => self.gaps.extend(self.without_since.take().map(|since| since.elapsed())),
            _ => self.too_many.push(self.masters.clone()),
        }
    }
}

/// A running watch; it ends when it is dropped.
pub struct LabelWatch {
    seen: Arc<Mutex<BTreeMap<String, Seen>>>,
    task: JoinHandle<()>,
}

impl LabelWatch {
    /// Begins with the labels as they are.
    pub fn start(namespace: &Namespace) -> Self {
        let pods = namespace.pods();
        let seen = Arc::new(Mutex::new(BTreeMap::<String, Seen>::new()));
        let told = seen.clone();
        let task = runtime().spawn(async move {
            let changes = pods.watch(&WatchParams::default(), "0").await.expect("a watch");
            pin_mut!(changes);
            while let Some(change) = changes.next().await {
                let (pod, is_there) = match change.expect("a change") {
                    WatchEvent::Added(pod) | WatchEvent::Modified(pod) => (pod, true),
                    WatchEvent::Deleted(pod) => (pod, false),
                    WatchEvent::Bookmark(_) | WatchEvent::Error(_) => continue,
                };
                let label = |key: &str| pod.labels().get(key).cloned();
                let group = label("app.kubernetes.io/instance").unwrap_or_default();
                let is_master = is_there && label("role").is_some_and(|role| role == "master");
                told.lock().expect("what was seen").entry(group).or_default().take(pod.name_any(), is_master);
            }
        });
        Self { seen, task }
    }

    /// Every pod of the group `redis` that got the master label, in order.
    ///
    /// # Panics
    /// Two pods carried it at once.
    pub fn history(&self) -> Vec<String> {
        let Seen { too_many, history, .. } = self.seen_of("redis");
        assert!(too_many.is_empty(), "at some moment more than one pod carried the master label: {too_many:?}");
        history.into_iter().map(|(pod, _)| pod).collect()
    }

    /// The same once this pod is the last of them: it is told a moment after the API server has taken the label.
    ///
    /// # Panics
    /// Two pods carried it at once, or this one was not the last within half a minute.
    pub fn history_up_to(&self, last: &str) -> Vec<String> {
        wait_for(&format!("the watch telling that {last} got the master label"), Duration::from_secs(30), || {
            Some(self.history()).filter(|history| history.last().is_some_and(|pod| pod == last))
        })
    }

    /// The pod of a group that got the master label last, and when.
    pub fn last_of(&self, group: &str) -> Option<(String, Instant)> {
        self.seen_of(group).history.pop()
    }

    /// The groups of which, at some moment, more than one pod carried the master label.
    pub fn groups_with_two_masters(&self) -> Vec<String> {
        let seen = self.seen.lock().expect("what was seen");
        seen.iter().filter(|(_, seen)| !seen.too_many.is_empty()).map(|(group, _)| group.clone()).collect()
    }

    /// How long each time took in which no pod of the group `redis` carried the master label.
    pub fn gaps(&self) -> Vec<Duration> {
        self.seen_of("redis").gaps
    }

    fn seen_of(&self, group: &str) -> Seen {
        self.seen.lock().expect("what was seen").get(group).cloned().unwrap_or_default()
    }
}

impl Drop for LabelWatch {
    fn drop(&mut self) {
        self.task.abort();
    }
}
