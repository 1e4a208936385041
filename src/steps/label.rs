//! Label: the labels of the pods follow from the record alone.

use std::cell::RefCell;
use std::fmt;
use std::time::SystemTime;

use anyhow::{Result, anyhow};
use futures::future::join_all;
use tokio::time::{Instant, timeout_at};
use tracing::warn;

use super::context::GroupConfig;
use super::observe::from_api;
use super::retry::{ATTEMPT, persist, refused};
use crate::core::evidence::Failure;
use crate::core::identity::PodName;
use crate::core::labels::{LabelPlan, Patch, Scheme, is_whole, plan};
use crate::core::members::NotMember;
use crate::core::outside::shown;
use crate::core::pod::Pod;
use crate::core::record::Record;
use crate::core::stamp::{STAMP, Stamp};
use crate::edge::kubernetes::{Cluster, Refusal};
use crate::exit::Wrong;

/// What a run of labelling did, over all its attempts.
#[derive(Default)]
pub struct Labelled {
    /// The record by which the pods were labelled last, if it came so far.
    pub record: Option<Record>,
    /// Who carried the master label before, if it was another.
    pub from: Option<PodName>,
    /// The patches that were made, in this order.
    pub patches: Vec<Patch>,
    /// What could not be done.
    pub failure: Option<anyhow::Error>,
}

/// The record as it is now.
pub struct Moved {
    pub record: Record,
    /// Whether this run has moved it.
    pub is_news: bool,
    /// Whom it named before this run moved it.
    pub from: Option<PodName>,
}

impl fmt::Display for Labelled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.patches.is_empty() {
            return f.write_str(if self.failure.is_some() { "none was set" } else { "unchanged" });
        }
        let patches: Vec<_> = self.patches.iter().map(Patch::to_string).collect();
        f.write_str(&patches.join(" "))
    }
}

/// Whether a pod is not labelled as the record says, as far as was seen. Where the record is older than the pods, a
/// stamp that is newer than it is no more than a reason to look.
pub fn is_due(record: &Record, pods: &[Pod], scheme: &Scheme) -> bool {
    plan(record, pods, scheme, SystemTime::now().into()).is_due()
}

/// The patches that are due, as far as was seen.
pub fn due(record: &Record, pods: &[Pod], scheme: &Scheme) -> Vec<Patch> {
    let LabelPlan { others, master, .. } = plan(record, pods, scheme, SystemTime::now().into());
    others.into_iter().chain(master).collect()
}

/// Labels the pods by a list that may be older than the record, where that is good enough, which spares
/// waiting for a new one; else by a new list. Right after a write to the record the API server takes up to 100 ms to
/// list the pods as they are now, for its cache of pods waits to hear from etcd that no pod has changed. `seen` is
/// what is known of a pod beyond what was listed.
///
/// Where a pod has changed in between, it starts over; what was done before that is reported as well.
pub async fn label_listed(
    cluster: &Cluster,
    group_config: &GroupConfig,
    moved: &Moved,
    members: Vec<Pod>,
    seen: impl Fn(Pod) -> Pod,
    deadline: Instant,
) -> Labelled {
    let GroupConfig { group, scheme, sets, .. } = group_config;
    let named = moved.from.iter().chain([&moved.record.claim.master]);
    let run = LabelRun { cluster, scheme, done: RefCell::default() };
    // What it has done counts, though it does not come to its end.
    let by_the_list = async {
        // What this run wrote is newer than the list; what it only read may be older.
        let record = if moved.is_news { Ok(moved.record.clone()) } else { from_api(cluster.record(group)).await };
        let Ok(record) = record else { return Err(Unlabelled::default()) };
        run.label_by(record, members.iter().cloned().map(&seen).collect()).await
    };
    let is_good_enough = is_whole(&members, sets.pods().count(), named);
    let early = timeout_at(deadline.min(Instant::now() + ATTEMPT), by_the_list);
    let early = if is_good_enough { early.await.ok() } else { None };
    let outcome = match early {
        Some(Ok(())) => Ok(()),
        Some(Err(unlabelled)) if unlabelled.is_final() => Err(unlabelled.into_error()),
        Some(Err(_)) | None => run.label_all(group_config, &seen, deadline).await,
    };
    run.ended(outcome)
}

/// Labels the group's pods as the record says, by a list as of now. `seen` is what is known of a pod beyond what was
/// listed.
pub async fn label(cluster: &Cluster, group_config: &GroupConfig, seen: impl Fn(Pod) -> Pod, deadline: Instant) -> Labelled {
    let run = LabelRun { cluster, scheme: &group_config.scheme, done: RefCell::default() };
    let outcome = run.label_all(group_config, &seen, deadline).await;
    run.ended(outcome)
}

/// A run of labelling, and what it has done so far.
struct LabelRun<'a> {
    cluster: &'a Cluster,
    scheme: &'a Scheme,
    done: RefCell<Labelled>,
}

impl LabelRun<'_> {
    fn ended(&self, outcome: Result<()>) -> Labelled {
        Labelled { failure: outcome.err(), ..self.done.take() }
    }

    /// Labels the group's pods as the record says, and starts over where one has changed in between.
    ///
    /// # Errors
    /// [`crate::exit::Wrong`] where the API server does not allow it; else it was not done by the deadline.
    async fn label_all(&self, group_config: &GroupConfig, seen: &impl Fn(Pod) -> Pod, deadline: Instant) -> Result<()> {
        let GroupConfig { group, selector, scheme, .. } = group_config;
        let mut known = None;
        let what = || format!("the pods of `{group}` are not all labelled");
        persist(deadline, what, async || {
            let (record, pods) = loop {
                // The pods first, then the record: what is patched is older than what it is patched by.
                let found = self.cluster.pods(selector, scheme).await.map_err(|refusal| refused("labelling", refusal))?;
                let record = self.cluster.record(group).await.map_err(|refusal| refused("labelling", refusal))?;
                let pods = group_config.members(found, &group_config.membership_by(&record));
                if pods.is_empty() {
                    return Err(nobody(self.cluster, group_config, &record.claim.master).await.into());
                }
                // And nobody is missing in the list whom an earlier run may yet label as the master.
                let stamp = Stamp::of(&record);
                let is_since = known.replace(stamp.clone()) == Some(stamp);
                if is_since || is_whole(&pods, group_config.sets.pods().count(), [&record.claim.master]) {
                    break (record, pods);
                }
            };
            self.label_by(record, pods.into_iter().map(seen).collect()).await.map_err(Unlabelled::into_error)
        })
        .await
    }

    /// Labels pods that were listed before `record` was read, none missing: all but the master, and then the
    /// master. What fails for one pod keeps no other from being labelled, but for the master: see
    /// [`leaves_one_master`].
    ///
    /// # Errors
    /// The pods that are not labelled. If one has changed since, the pods must be listed again.
    async fn label_by(&self, record: Record, pods: Vec<Pod>) -> Result<(), Unlabelled> {
        let LabelPlan { others, master, forged } = plan(&record, &pods, self.scheme, SystemTime::now().into());
        for (pod, stamp) in forged {
            warn!(
                "{pod} carries the stamp {STAMP}={}, which no state of the record has had (the record is at {}): ordain did not write this stamp, and replaces the stamp",
                shown(&stamp.to_string()),
                record.transitions
            );
        }
        let had_it = |pod: &&Pod| pod.label.as_ref() == Some(&self.scheme.master) && pod.name != record.claim.master;
        {
            let mut done = self.done.borrow_mut();
            done.from = done.from.take().or_else(|| pods.iter().find(had_it).map(|pod| pod.name.clone()));
            done.record = Some(record);
        }
        let outcomes = join_all(others.iter().map(|patch| self.patch(patch))).await;
        let mut refusals: Vec<_> = others.iter().zip(outcomes).filter_map(|(patch, done)| Some((patch, done.err()?))).collect();
        match &master {
            Some(patch) if refusals.iter().all(|(other, refusal)| leaves_one_master(other, refusal)) => {
                refusals.extend(self.patch(patch).await.err().map(|refusal| (patch, refusal)));
            }
            _ => {}
        }
        if refusals.is_empty() {
            return Ok(());
        }
        Err(Unlabelled(refusals.into_iter().map(|(patch, refusal)| (patch.pod.clone(), refusal)).collect()))
    }

    async fn patch(&self, patch: &Patch) -> Result<(), Refusal> {
        self.cluster.patch(patch, self.scheme).await?;
        self.done.borrow_mut().patches.push(patch.clone());
        Ok(())
    }
}

/// Whether the new master may be labelled though another pod could not be: the API server refuses that one's change,
/// as it will to any other run, and the pod does not carry the master label. Whatever may pass is waited for.
fn leaves_one_master(other: &Patch, refusal: &Refusal) -> bool {
    matches!(refusal, Refusal::Failed(Failure::NotAllowed(_))) && !other.was_master
}

/// The pods that were not labelled, and why; none where it did not come so far.
#[derive(Default)]
struct Unlabelled(Vec<(PodName, Refusal)>);

impl Unlabelled {
    /// Whether the API server refuses all of it, as it will again.
    fn is_final(&self) -> bool {
        let is_refused = |refusal: &Refusal| matches!(refusal, Refusal::Failed(Failure::NotAllowed(_)));
        !self.0.is_empty() && self.0.iter().all(|(_, refusal)| is_refused(refusal))
    }

    /// [`crate::exit::Wrong`] where none of it will pass.
    fn into_error(self) -> anyhow::Error {
        let lines: Vec<_> = self.0.iter().map(|(pod, refusal)| format!("{pod} is not labelled: {refusal}")).collect();
        let all = lines.join("; ");
        if self.is_final() { Wrong(all).into() } else { anyhow!(all) }
    }
}

/// The error that there is no member to label: the labels of the pods are wrong, unless the group has no pods.
pub async fn nobody(cluster: &Cluster, group_config: &GroupConfig, master: &PodName) -> Wrong {
    let GroupConfig { selector, scheme, group, .. } = group_config;
    let about = match from_api(cluster.pod(master, scheme)).await {
        Ok(pod) => format!("not even {master} ({})", NotMember::Unselected(pod.labels)),
        Err(Refusal::Missing) => format!("and {master}, which the record of {group} names, does not exist"),
        Err(refusal) => format!("and {master} cannot be read ({refusal})"),
    };
    let remedy = "Fix the labels or ORDAIN_SELECTOR, unless the group is scaled to 0";
    Wrong(format!("no pod in {} that matches {selector} is a member, {about}. Nobody is labelled. {remedy}", cluster.namespace()))
}
