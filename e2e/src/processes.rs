//! Which processes were started in a container, whoever saw them.

use std::collections::BTreeMap;

use anyhow::{Context, Result};

use crate::cluster::text;
use crate::group::Group;

/// Has no probes.
const CONTAINER: &str = "reconcile";
/// A process id is used up by each process that starts in the container, and by this question.
const LAST: &str = "nsenter -t $process -p cat /proc/sys/kernel/ns_last_pid";

/// The last process id that was given in each `reconcile`.
pub fn last(group: &Group) -> Result<BTreeMap<String, u64>> {
    let ask = |pod| {
        let told = group.namespace.for_processes(&pod, CONTAINER, LAST)?;
        let last = told.trim().parse().with_context(|| format!("the last process id: {told}"))?;
        Ok((text(&pod["metadata"]["name"]), last))
    };
    group.sentinels()?.into_iter().map(ask).collect()
}

/// How many processes were started in each between the two questions.
pub fn started(before: &BTreeMap<String, u64>, after: &BTreeMap<String, u64>) -> BTreeMap<String, u64> {
    let between = |(pod, last): (&String, &u64)| Some((pod.clone(), last.checked_sub(before.get(pod)? + 1)?));
    after.iter().filter_map(between).collect()
}
