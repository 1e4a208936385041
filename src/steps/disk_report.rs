//! The disk report: what a pod publishes about its disk before it looks at anything else, with a new run id.

use std::time::SystemTime;

use anyhow::Result;

use super::observe::from_api;
use super::retry::refused;
use crate::core::disk::{DiskReport, Instance};
use crate::core::evidence::{Failure, Own};
use crate::core::identity::PodName;
use crate::core::redis_conf::{USUAL_PRIORITY, run_of};
use crate::edge::kubernetes::{Cluster, Published, Refusal};
use crate::exit::Wrong;

/// A new run id of this pod.
pub fn own_run(own: &Own) -> String {
    run_of(&random_id(), own.priority.unwrap_or(USUAL_PRIORITY))
}

/// Publishes what this pod's disk holds, under a new instance; returns what is known of itself since. A refusal
/// may pass: whoever needs the instance finds out that there is none.
///
/// # Errors
/// [`Wrong`] where RBAC does not allow it, or the pod does not exist.
pub async fn publish(cluster: &Cluster, me: &PodName, own: &Own) -> Result<Result<Own, Refusal>> {
    let run = own_run(own);
    let at = SystemTime::now().into();
    let report = DiskReport {
        run: run.clone(),
        disk: own.disk,
        at,
        group: own.group_id.clone(),
        started: false,
        damage: own.damage.clone(),
        priority: own.priority,
    };
    match from_api(cluster.publish(me, &report, None)).await {
        Err(refusal @ Refusal::Failed(Failure::NotAllowed(_))) => Err(refused("this pod's annotations", refusal)),
        Err(Refusal::Missing) => Err(does_not_exist(me, cluster.namespace()).into()),
        published => Ok(published.map(|Published { uid, has_run }| Own {
            instance: Some(Instance { pod: me.clone(), uid, run }),
            has_run,
            ..own.clone()
        })),
    }
}

/// The error that this pod does not exist.
pub fn does_not_exist(me: &PodName, namespace: &str) -> Wrong {
    Wrong(format!("{me} does not exist in namespace {namespace}: check POD_NAMESPACE and POD_NAME"))
}

/// An id that nobody else has.
pub fn random_id() -> String {
    format!("{:016x}", fastrand::u64(..))
}
