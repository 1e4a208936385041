//! Which groups: those that were named, else those that have a record.

use anyhow::{Result, anyhow};
use tokio::time::Instant;
use tracing::warn;

use super::context::Clients;
use super::observe::from_api;
use super::retry::{persist, refused};
use crate::cli::{Labels, Members};
use crate::core::identity::Group;
use crate::edge::kubernetes::{Cluster, Refusal};
use crate::exit::Wrong;

/// How many Leases that are not records are named in a line.
const NAMED: usize = 10;

/// The groups to look after. If none was named and there is no record yet, waits for the first record. While the API
/// server does not answer, these are the groups that were looked after before, if any.
///
/// # Errors
/// There is no group, or flags that apply to one group were given for several.
pub async fn groups_to_watch(
    named: Vec<Group>,
    before: &[Group],
    clients: &Clients,
    members: &Members,
    labels: &Labels,
    deadline: Instant,
) -> Result<Vec<Group>> {
    let mut groups = if named.is_empty() { recorded(before, clients, deadline).await? } else { named };
    groups.sort();
    groups.dedup();
    check_names_one(&groups, members, labels)?;
    Ok(groups)
}

/// Flags that apply to one group must not be given for several.
pub fn check_names_one(groups: &[Group], members: &Members, labels: &Labels) -> Result<()> {
    let Members { sets, first_pod, service, .. } = members;
    let names_one = !sets.is_empty() || first_pod.is_some() || service.is_some() || labels.selector.is_some();
    if names_one && groups.len() != 1 {
        return Err(Wrong(
            "--set, --first-pod, --service and --selector apply to one group: name one --group, or leave these flags out"
                .to_owned(),
        )
        .into());
    }
    Ok(())
}

/// The groups whose records can be read. A Lease that is not a record is ignored, unless its group was looked after
/// before.
async fn readable(cluster: &Cluster, before: &[Group]) -> Result<Vec<Group>, Refusal> {
    let groups = from_api(cluster.groups()).await?;
    let is_group = |(group, is_readable): &(Group, bool)| *is_readable || before.contains(group);
    let unreadable: Vec<_> = groups.iter().filter(|one| !is_group(one)).map(|(group, _)| group.to_string()).collect();
    if !unreadable.is_empty() {
        let (named, more) = unreadable.split_at(unreadable.len().min(NAMED));
        let more = if more.is_empty() { String::new() } else { format!(" and {} more", more.len()) };
        warn!("Leases with ordain's label that are not records are ignored: {}{more}", named.join(", "));
    }
    Ok(groups.into_iter().filter(is_group).map(|(group, _)| group).collect())
}

async fn recorded(before: &[Group], clients: &Clients, deadline: Instant) -> Result<Vec<Group>> {
    let Some(cluster) = clients.cluster() else {
        return Err(Wrong(
            "no group is named, and without Kubernetes there are no records to read the groups from: set --group or ORDAIN_GROUP"
                .to_owned(),
        )
        .into());
    };
    let none = || "no group has a record in this namespace yet, and none was named by --group or ORDAIN_GROUP".to_owned();
    persist(deadline, none, async || {
        let mut groups = readable(cluster, before).await;
        if groups.as_ref().is_ok_and(Vec::is_empty) {
            cluster.record_made().await;
            groups = readable(cluster, before).await;
        }
        match groups {
            Ok(groups) if groups.is_empty() => Err(anyhow!("no Lease has ordain's label")),
            Err(refusal) if !before.is_empty() => {
                warn!("the records cannot be listed, so the groups are those of the earlier file: {refusal}");
                Ok(before.to_vec())
            }
            groups => groups.map_err(|refusal| refused("the records", refusal)),
        }
    })
    .await
}
