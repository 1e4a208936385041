//! Label: the labels are a function of the record.

use std::fmt;

use anyhow::Result;
use futures::future::{join_all, try_join_all};
use tokio::time::Instant;

use super::patience::{persist, refused};
use crate::core::identity::Group;
use crate::core::labels::{Patch, Plan, Pod, Scheme, Stamp, plan};
use crate::core::record::Record;
use crate::edge::kubernetes::{Cluster, Refusal};

/// What a run of labelling did.
pub enum Labelled {
    /// These patches were made, in this order.
    Wrote(Vec<Patch>),
    /// A later run has labelled the pods already.
    Superseded,
}

impl Labelled {
    /// The same with what was written before.
    pub fn after(self, earlier: Vec<Patch>) -> Self {
        match self {
            Self::Wrote(patches) => Self::Wrote(earlier.into_iter().chain(patches).collect()),
            Self::Superseded => Self::Superseded,
        }
    }
}

impl fmt::Display for Labelled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Superseded => f.write_str("labels: a later run has set them"),
            Self::Wrote(patches) if patches.is_empty() => f.write_str("labels: were right"),
            Self::Wrote(patches) => {
                f.write_str("labels:")?;
                patches.iter().try_for_each(|patch| write!(f, " {}={}", patch.pod, patch.label))
            }
        }
    }
}

/// Whether a pod is not labelled as the record says, as far as was seen.
pub fn is_due(record: &Record, pods: &[Pod], scheme: &Scheme) -> bool {
    matches!(plan(record, pods, scheme), Plan::Write { others, master } if !others.is_empty() || master.is_some())
}

/// Labels the group's pods as the record says, and starts over where one has changed in between.
/// `known` is the record as it was read last.
///
/// # Errors
/// [`crate::exit::Wrong`] where RBAC does not allow it; else it was not done by the deadline.
pub async fn label(
    cluster: &Cluster,
    group: &Group,
    selector: &str,
    scheme: &Scheme,
    known: Option<&Record>,
    deadline: Instant,
) -> Result<Labelled> {
    let mut known = known.map(Stamp::of);
    let what = || format!("the pods of `{group}` are not all labelled");
    persist(deadline, what, async || {
        one_run(cluster, group, selector, scheme, &mut known).await.map_err(|refusal| refused("labelling", refusal))
    })
    .await
}

async fn one_run(
    cluster: &Cluster,
    group: &Group,
    selector: &str,
    scheme: &Scheme,
    known: &mut Option<Stamp>,
) -> Result<Labelled, Refusal> {
    let (pods, record) = loop {
        // The pods first, then the record: what is patched is older than what it is patched by.
        let pods = cluster.pods(selector, scheme).await?;
        let record = cluster.record(group).await?;
        let stamp = Stamp::of(&record);
        // And the list is newer than the record's last change: a pod that was made before that, and that
        // an earlier run may yet label as the master, is not missing in it.
        if known.replace(stamp.clone()) == Some(stamp) {
            break (pods, record);
        }
    };
    match plan(&record, &pods, scheme) {
        Plan::Superseded => Ok(Labelled::Superseded),
        Plan::Write { others, master } => {
            try_join_all(others.iter().map(|patch| cluster.patch(patch, scheme))).await?;
            if let Some(patch) = &master {
                cluster.patch(patch, scheme).await?;
            }
            Ok(Labelled::Wrote(others.into_iter().chain(master).collect()))
        }
    }
}

/// A head start on [`label`] with pods that may have been listed before the record moved to where
/// it is now: all but the master. A pod that has changed since, or is missing in that list, is left
/// to [`label`]; no pod becomes the master by this. It also spares that run most of its wait, for
/// the API server's cache of pods is fresh once it has seen these writes.
pub async fn label_others(cluster: &Cluster, record: &Record, pods: &[Pod], scheme: &Scheme) -> Vec<Patch> {
    let Plan::Write { others, .. } = plan(record, pods, scheme) else { return Vec::new() };
    let done = join_all(others.iter().map(|patch| cluster.patch(patch, scheme))).await;
    others.into_iter().zip(done).filter_map(|(patch, done)| done.ok().map(|()| patch)).collect()
}
