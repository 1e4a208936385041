//! The record as the Lease in which it is kept (`coordination.k8s.io/v1`).

use std::collections::BTreeSet;
use std::sync::Arc;

use kube::api::ObjectMeta;

use super::view::LeaseView;
use crate::core::disk::{Instance, Moment};
use crate::core::epoch;
use crate::core::evidence::Failure;
use crate::core::identity::{Endpoint, Group, PodName};
use crate::core::record::{Claim, Forced, Record, StartMarker};

const MANAGED_BY: (&str, &str) = ("app.kubernetes.io/managed-by", "ordain");
const EPOCH: &str = "ordain.dev/config-epoch";
const ADDRESS: &str = "ordain.dev/address";
const GROUP_ID: &str = "ordain.dev/group-id";
/// The instance that has written the last start marker.
const MARK: &str = "ordain.dev/mark";
const MARKED_AT: &str = "ordain.dev/marked-at";
/// Set while no master has started since the first boot.
const NEW: &str = "ordain.dev/new";
/// The holder that was abandoned.
const GIVEN_UP: &str = "ordain.dev/given-up";
/// The StatefulSets whose pods are the group's, separated by commas.
const SETS: &str = "ordain.dev/sets";
/// A forced claim: `open`, or the instance that started on it.
const ASSUMED: &str = "ordain.dev/assumed";
const OPEN: &str = "open";

/// How much of what others wrote into a Lease is kept beside its record, in bytes: every record of a namespace is
/// held at once, and whoever may make a Lease may fill it with 256 KiB.
const LONGEST: usize = 64 * 1024;

/// Selects the Leases that are records.
pub(super) fn ours() -> String {
    format!("{}={}", MANAGED_BY.0, MANAGED_BY.1)
}

/// The Lease that says what `record` says, and else what it said when it was read: others write into it, too.
pub(super) fn write_record(group: &Group, record: &Record, transitions: i32, over: Option<&Record>) -> LeaseView {
    let Record { claim, address, group_id, is_new, start_marker, is_abandoned, forced, sets, as_read, .. } = record;
    let mut lease: LeaseView = serde_json::from_str(as_read).unwrap_or_default();
    let mut notes = lease.metadata.annotations.take().unwrap_or_default();
    for passing in [MARK, MARKED_AT, NEW, GIVEN_UP, ASSUMED] {
        notes.remove(passing);
    }
    notes.extend([
        (EPOCH.to_owned(), claim.epoch.to_string()),
        (ADDRESS.to_owned(), address.to_string()),
        (GROUP_ID.to_owned(), group_id.clone()),
    ]);
    if let Some(StartMarker { by, at }) = start_marker {
        notes.extend([(MARK.to_owned(), by.to_string()), (MARKED_AT.to_owned(), at.to_string())]);
    }
    if *is_new {
        notes.insert(NEW.to_owned(), "true".to_owned());
    }
    if *is_abandoned {
        notes.insert(GIVEN_UP.to_owned(), claim.master.to_string());
    }
    if !sets.is_empty() {
        notes.insert(SETS.to_owned(), sets.iter().map(String::as_str).collect::<Vec<_>>().join(","));
    }
    let forced = match forced {
        Some(Forced::Open) => Some(OPEN.to_owned()),
        Some(Forced::By(instance)) => Some(instance.to_string()),
        None => None,
    };
    notes.extend(forced.map(|word| (ASSUMED.to_owned(), word)));
    let mut labels = lease.metadata.labels.take().unwrap_or_default();
    labels.insert(MANAGED_BY.0.to_owned(), MANAGED_BY.1.to_owned());
    lease.metadata = ObjectMeta {
        name: Some(group.to_string()),
        labels: Some(labels),
        annotations: Some(notes),
        resource_version: over.map(|record| record.version.clone()),
        uid: over.map(|record| record.uid.clone()),
        ..lease.metadata
    };
    lease.spec.holder_identity = Some(claim.master.to_string());
    lease.spec.lease_transitions = Some(transitions);
    lease
}

/// A time that cannot be read is one that cannot be: it is said, and not waited for.
const UNREADABLE: Moment = Moment(u64::MAX);

/// What a Lease says, where it is a record.
pub(super) fn read_record(lease: &LeaseView) -> Result<Record, Failure> {
    let meta = &lease.metadata;
    let name = meta.name.as_deref().unwrap_or_default();
    let ours = meta.labels.as_ref().and_then(|labels| labels.get(MANAGED_BY.0)).is_some_and(|value| value == MANAGED_BY.1);
    if !ours {
        return Err(Failure::InvalidReply(format!(
            "the Lease `{name}` belongs to something else: rename the group or the Lease"
        )));
    }
    let nonsense = |what: &str| {
        Failure::InvalidReply(format!(
            "the Lease `{name}` has no readable {what}: put it back as it was, or delete the Lease while a master lives, and the Lease is made again"
        ))
    };
    let noted = |key: &str| meta.annotations.as_ref().and_then(|notes| notes.get(key));
    let note = |key: &str| noted(key).ok_or_else(|| nonsense(key));
    let instance = |key: &str, text: &String| text.parse::<Instance>().map_err(|()| nonsense(key));
    let spec = &lease.spec;
    let master: PodName =
        spec.holder_identity.as_ref().and_then(|pod| pod.parse().ok()).ok_or_else(|| nonsense("holderIdentity"))?;
    let start_marker = match noted(MARK) {
        Some(by) => Some(StartMarker {
            by: instance(MARK, by)?,
            at: noted(MARKED_AT).map_or(UNREADABLE, |at| at.parse().unwrap_or(UNREADABLE)),
        }),
        None => None,
    };
    let forced = match noted(ASSUMED) {
        Some(word) if word == OPEN => Some(Forced::Open),
        Some(word) => Some(Forced::By(instance(ASSUMED, word)?)),
        None => None,
    };
    let as_read: Arc<str> = serde_json::to_string(lease).unwrap_or_default().into();
    if as_read.len() > LONGEST {
        return Err(Failure::InvalidReply(format!(
            "the Lease `{name}` has more than {LONGEST} bytes: take away labels and annotations of others"
        )));
    }
    Ok(Record {
        uid: meta.uid.clone().ok_or_else(|| nonsense("uid"))?,
        version: meta.resource_version.clone().ok_or_else(|| nonsense("resourceVersion"))?,
        transitions: spec.lease_transitions.and_then(|n| u64::try_from(n).ok()).ok_or_else(|| nonsense("leaseTransitions"))?,
        address: Endpoint::parse(note(ADDRESS)?, 6379).map_err(|_| nonsense(ADDRESS))?,
        group_id: note(GROUP_ID)?.clone(),
        is_new: noted(NEW).is_some(),
        is_abandoned: noted(GIVEN_UP).is_some_and(|holder| *holder == master.to_string()),
        claim: Claim { master, epoch: epoch::read(note(EPOCH)?).ok_or_else(|| nonsense(EPOCH))? },
        start_marker,
        forced,
        as_read,
        sets: noted(SETS).map_or_else(BTreeSet::new, |names| read_sets(names)),
    })
}

/// What is no StatefulSet's name names none.
fn read_sets(names: &str) -> BTreeSet<String> {
    let sets = names.split(',').filter_map(|name| format!("{name}-0").parse::<PodName>().ok());
    sets.map(|first| first.base().to_owned()).collect()
}
