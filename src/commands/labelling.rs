//! Label: the labels are a function of the record.

use std::fmt;
use std::time::SystemTime;

use anyhow::Result;
use futures::future::try_join_all;
use tokio::time::Instant;

use super::observe::from_api;
use super::patience::{persist, refused};
use super::setting::Subject;
use crate::core::identity::PodName;
use crate::core::labels::{Patch, Plan, Pod, Scheme, Stamp, is_whole, plan};
use crate::core::record::Record;
use crate::edge::kubernetes::{Cluster, Refusal};

/// What a run of labelling did.
pub enum Labelled {
    /// These patches were made.
    Wrote(Box<Wrote>),
    /// A later run has labelled the pods already.
    Superseded,
}

/// Labels that were written.
pub struct Wrote {
    /// As this record says.
    pub record: Record,
    /// Who carried the master label before, if it was another.
    pub from: Option<PodName>,
    /// In this order.
    pub patches: Vec<Patch>,
}

/// The record as it is now.
pub struct Moved {
    pub record: Record,
    /// Whether this run has moved it.
    pub is_news: bool,
    /// Whom it named before this run moved it.
    pub from: Option<PodName>,
}

impl Labelled {
    /// The patches that were made, in this order.
    pub fn patches(&self) -> &[Patch] {
        match self {
            Self::Wrote(wrote) => &wrote.patches,
            Self::Superseded => &[],
        }
    }
}

impl fmt::Display for Labelled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Superseded => f.write_str("a later run has set them"),
            Self::Wrote(wrote) if wrote.patches.is_empty() => f.write_str("were right"),
            Self::Wrote(wrote) => {
                let words: Vec<_> = wrote.patches.iter().map(Patch::to_string).collect();
                f.write_str(&words.join(" "))
            }
        }
    }
}

/// Whether a pod is not labelled as the record says, as far as was seen.
pub fn is_due(record: &Record, pods: &[Pod], scheme: &Scheme) -> bool {
    matches!(plan(record, pods, scheme, SystemTime::now().into()), Plan::Write { others, master } if !others.is_empty() || master.is_some())
}

/// Labels the pods by a list that may be older than the record, where that is good enough, which spares
/// waiting for a new one. Right after a write to the record the API server takes up to 100 ms to list the pods
/// as they are now, for its cache of pods waits to hear from etcd that no pod has changed. `seen` is what is
/// known of a pod beyond what was listed.
///
/// # Errors
/// [`crate::exit::Wrong`] where RBAC does not allow it; else it was not done by the deadline.
pub async fn label_listed(
    cluster: &Cluster,
    subject: &Subject,
    moved: &Moved,
    pods: Vec<Pod>,
    seen: impl Fn(Pod) -> Pod,
    deadline: Instant,
) -> Result<Labelled> {
    let Subject { group, scheme, sets, .. } = subject;
    let named = moved.from.iter().chain([&moved.record.claim.master]);
    if is_whole(&pods, sets.pods().count(), named) {
        // What this run wrote is newer than the list; what it only read may be older.
        let record = if moved.is_news { Ok(moved.record.clone()) } else { from_api(cluster.record(group)).await };
        if let Ok(record) = record
            && let Ok(labelled) = label_by(cluster, record, pods.into_iter().map(&seen).collect(), scheme).await
        {
            return Ok(labelled);
        }
    }
    label(cluster, subject, seen, deadline).await
}

/// Labels the group's pods as the record says, and starts over where one has changed in between. `seen` is
/// what is known of a pod beyond what was listed.
///
/// # Errors
/// [`crate::exit::Wrong`] where RBAC does not allow it; else it was not done by the deadline.
pub async fn label(cluster: &Cluster, subject: &Subject, seen: impl Fn(Pod) -> Pod, deadline: Instant) -> Result<Labelled> {
    let Subject { group, selector, scheme, .. } = subject;
    let mut known = None;
    let what = || format!("the pods of `{group}` are not all labelled");
    persist(deadline, what, async || {
        let run = async {
            let (record, pods) = loop {
                // The pods first, then the record: what is patched is older than what it is patched by.
                let pods = cluster.pods(selector, scheme).await?;
                let record = cluster.record(group).await?;
                // And nobody is missing in the list whom an earlier run may yet label as the master.
                let stamp = Stamp::of(&record);
                let is_since = known.replace(stamp.clone()) == Some(stamp);
                if is_since || is_whole(&pods, subject.sets.pods().count(), [&record.claim.master]) {
                    break (record, pods);
                }
            };
            label_by(cluster, record, pods.into_iter().map(&seen).collect(), scheme).await
        };
        run.await.map_err(|refusal| refused("labelling", refusal))
    })
    .await
}

/// Labels pods that were listed before `record` was read, none missing: all but the master, and then the
/// master.
///
/// # Errors
/// [`Refusal::Conflict`] or [`Refusal::Missing`] where one has changed since: list them anew.
async fn label_by(cluster: &Cluster, record: Record, pods: Vec<Pod>, scheme: &Scheme) -> Result<Labelled, Refusal> {
    let Plan::Write { others, master } = plan(&record, &pods, scheme, SystemTime::now().into()) else {
        return Ok(Labelled::Superseded);
    };
    try_join_all(others.iter().map(|patch| cluster.patch(patch, scheme))).await?;
    if let Some(patch) = &master {
        cluster.patch(patch, scheme).await?;
    }
    let had_it = |pod: &&Pod| pod.label.as_ref() == Some(&scheme.master) && pod.name != record.claim.master;
    let from = pods.iter().find(had_it).map(|pod| pod.name.clone());
    Ok(Labelled::Wrote(Box::new(Wrote { record, from, patches: others.into_iter().chain(master).collect() })))
}
