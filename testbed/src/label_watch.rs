//! Watches the pods' labels as the API server tells every state in between.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use futures::{StreamExt, pin_mut};
use kube::ResourceExt;
use kube::api::{WatchEvent, WatchParams};
use tokio::task::JoinHandle;

use crate::control_plane::Namespace;
use crate::runtime;

/// What was seen so far.
#[derive(Debug, Default, Clone)]
struct Seen {
    masters: BTreeSet<String>,
    /// Each state in which more than one pod carried the master label.
    too_many: Vec<BTreeSet<String>>,
    /// Each pod that got the master label, in order.
    history: Vec<String>,
    /// Since when no pod carries the master label, after one did.
    without_since: Option<Instant>,
    /// How long each time without one took.
    gaps: Vec<Duration>,
}

/// A running watch; it ends when it is dropped.
pub struct LabelWatch {
    seen: Arc<Mutex<Seen>>,
    task: JoinHandle<()>,
}

impl LabelWatch {
    /// Begins with the labels as they are.
    pub fn start(namespace: &Namespace) -> Self {
        let pods = namespace.pods();
        let seen = Arc::new(Mutex::new(Seen::default()));
        let told = seen.clone();
        let task = runtime().spawn(async move {
            let changes = pods.watch(&WatchParams::default(), "0").await.expect("a watch");
            pin_mut!(changes);
            while let Some(change) = changes.next().await {
                let mut seen = told.lock().expect("what was seen");
                match change.expect("a change") {
                    WatchEvent::Added(pod) | WatchEvent::Modified(pod) => {
                        let name = pod.name_any();
                        if pod.labels().get("role").is_some_and(|role| role == "master") {
                            if seen.masters.insert(name.clone()) {
                                seen.history.push(name);
                            }
                        } else {
                            seen.masters.remove(&name);
                        }
                    }
                    WatchEvent::Deleted(pod) => {
                        seen.masters.remove(&pod.name_any());
                    }
                    WatchEvent::Bookmark(_) | WatchEvent::Error(_) => {}
                }
                match seen.masters.len() {
                    0 if !seen.history.is_empty() => _ = seen.without_since.get_or_insert_with(Instant::now),
                    0 => {}
                    1 => {
                        let gap = seen.without_since.take().map(|since| since.elapsed());
                        seen.gaps.extend(gap);
                    }
                    _ => {
                        let masters = seen.masters.clone();
                        seen.too_many.push(masters);
                    }
                }
            }
        });
        Self { seen, task }
    }

    /// Every pod that got the master label, in order.
    ///
    /// # Panics
    /// Two pods carried it at once.
    pub fn history(&self) -> Vec<String> {
        let seen = self.seen.lock().expect("what was seen");
        assert!(seen.too_many.is_empty(), "at some moment more than one pod carried the master label: {:?}", seen.too_many);
        seen.history.clone()
    }

    /// How long each time took in which no pod carried the master label.
    pub fn gaps(&self) -> Vec<Duration> {
        self.seen.lock().expect("what was seen").gaps.clone()
    }
}

impl Drop for LabelWatch {
    fn drop(&mut self) {
        self.task.abort();
    }
}
