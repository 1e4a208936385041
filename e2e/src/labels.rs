//! Watches which pods carry the master label.

use std::collections::{BTreeMap, BTreeSet};
use std::process::{Child, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::{Context, Result};
use serde_json::{Deserializer, Value};

use crate::cluster::{Namespace, text};
use crate::writer::now;

/// Each set of pods that carried the label, and since when.
type History = Vec<(u64, BTreeSet<String>)>;

/// A running watch; it ends when it is dropped.
pub struct Labels {
    history: Arc<Mutex<History>>,
    child: Child,
}

impl Labels {
    /// Begins with the labels as they are; every pod that is seen is told on.
    pub fn watch(namespace: &Namespace, selector: &str, mut told_on: impl FnMut(&Value) + Send + 'static) -> Result<Self> {
        let words = ["get", "pods", "--selector", selector, "--watch", "--output-watch-events", "--output", "json"];
        let mut child = namespace.kubectl(&words).stdout(Stdio::piped()).spawn()?;
        let output = child.stdout.take().context("the watch's output")?;
        let history = Arc::new(Mutex::new(History::new()));
        let told = history.clone();
        std::thread::spawn(move || {
            let mut roles = BTreeMap::new();
            for event in Deserializer::from_reader(output).into_iter::<Value>().map_while(Result::ok) {
                let pod = &event["object"];
                told_on(pod);
                let name = text(&pod["metadata"]["name"]);
                if event["type"] == "DELETED" {
                    roles.remove(&name);
                } else {
                    roles.insert(name, pod["metadata"]["labels"]["role"] == "master");
                }
                let masters = roles.iter().filter(|(_, is_master)| **is_master).map(|(name, _)| name.clone()).collect();
                let mut history = told.lock().expect("the history");
                if history.last().is_none_or(|(_, last)| *last != masters) {
                    history.push((now(), masters));
                }
            }
        });
        Ok(Self { history, child })
    }

    /// How long after `event` the label was where it is now; none if it never moved.
    pub fn gap(&self, event: u64) -> Option<Duration> {
        let history = self.history.lock().expect("the history");
        let (last, _) = history.last().filter(|(at, _)| *at > event)?;
        Some(Duration::from_millis(last - event))
    }

    /// Whether two pods carried it at once.
    pub fn were_two(&self) -> bool {
        self.history.lock().expect("the history").iter().any(|(_, masters)| masters.len() > 1)
    }
}

impl Drop for Labels {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
