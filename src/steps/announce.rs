//! Announce: Events about what was done.

use std::time::{Duration, SystemTime};

use futures::future::join_all;
use tracing::warn;

use super::context::GroupConfig;
use super::label::Labelled;
use super::observe::{Observer, from_api};
use crate::core::disk::{Instance, Moment};
use crate::core::identity::{Group, PodName};
use crate::core::labels::Patch;
use crate::core::members::NonMember;
use crate::core::outside::shown;
use crate::core::rules::catalogue::NO_DATA;
use crate::edge::data_directory::memory::Damage;
use crate::edge::kubernetes::Cluster;
use crate::edge::kubernetes::events::{About, Reason};

/// Publishes the Event `Promoted`, on the pod of the new master and on the record, if this run gave the new master its
/// label. `from` is the master before, for callers that know better than the labels. An Event that cannot be created is
/// no reason to fail.
pub async fn announce_promotion(cluster: &Cluster, group: &Group, labelled: &Labelled, from: Option<&PodName>, by: &str) {
    let Some(record) = &labelled.record else { return };
    let master = &record.claim.master;
    let Some(patch) = labelled.patches.iter().find(|patch| patch.pod == *master && !patch.is_repair) else { return };
    let before = labelled.from.as_ref().or(from).filter(|before| *before != master);
    let before = before.map_or_else(|| "the master before is not known".to_owned(), |pod| format!("the master before was {pod}"));
    let (epoch, rule) = (record.claim.epoch, patch.rule.id);
    let note = format!("{master} is the master of {group} since epoch {epoch}; {before}; reported by {by} (rule {rule})");
    let id = patch.stamp.to_string().replace('/', ".");
    let about = [About::Pod(master, &patch.uid), About::Record(group, record)];
    let published =
        join_all(about.map(|about| from_api(cluster.publish_event(about, Reason::Promoted, &id, note.clone(), by)))).await;
    for refusal in published.into_iter().filter_map(Result::err) {
        warn!("cannot create the Event that {master} is the master: {refusal}");
    }
}

/// How often the Event about a non-member is published again: the API server keeps Events for an hour.
const AGAIN: Duration = Duration::from_secs(600);

/// Publishes a warning Event on each non-member that carries the role label, by which a Service may send it clients. The
/// name of the Event changes once in each [`AGAIN`], so that only one of many passes and reconciles creates the Event.
pub async fn announce_non_members(observer: &Observer<'_>, by: &str) {
    let Some(cluster) = observer.clients.cluster() else { return };
    let GroupConfig { group, scheme, .. } = observer.group_config;
    let time = Moment::from(SystemTime::now()).since(Moment(0)).as_secs() / AGAIN.as_secs();
    let published = observer.others_to_announce(time).into_iter().map(async |NonMember { name, uid, role, why }| {
        let role = role.unwrap_or_default();
        let why = shown(&why.to_string());
        let role = format!("{}={}", scheme.key, shown(&role));
        let note = format!(
            "{name} is not a member of {group} and carries the labels of {group} and {role}: {why}. A Service may send clients to {name}: remove these labels; reported by {by}"
        );
        from_api(cluster.publish_event(About::Stranger(&name, &uid), Reason::NonMember, &format!("{uid}.{time}"), note, by)).await
    });
    for refusal in join_all(published).await.into_iter().filter_map(Result::err) {
        warn!("cannot create the Event of a non-member: {refusal}");
    }
}

/// Publishes an Event for each label that was put right, on the pod that carries the label.
pub async fn announce_repairs(cluster: &Cluster, scheme_key: &str, labelled: &Labelled, by: &str) {
    let published = labelled.patches.iter().filter(|patch| patch.is_repair).map(async |patch| {
        let Patch { pod, uid, version, label, rule, is_withheld, .. } = patch;
        let note = match label {
            Some(label) => format!("{scheme_key}={label}, as the record says"),
            None if *is_withheld => format!("{scheme_key} is withheld while the link of {pod} to the master is down"),
            None => format!("{scheme_key} is withheld while {pod} hands over"),
        };
        let note = format!("{note}; reported by {by} (rule {})", rule.id);
        from_api(cluster.publish_event(About::Pod(pod, uid), Reason::Relabelled, version, note, by)).await
    });
    for refusal in join_all(published).await.into_iter().filter_map(Result::err) {
        warn!("cannot create the Event of a label that was put right: {refusal}");
    }
}

/// Publishes an Event on the pod whose data cannot be loaded.
pub async fn announce_damage(cluster: &Cluster, instance: &Instance, damage: &Damage) {
    let Instance { pod, uid, .. } = instance;
    let note = format!(
        "{pod} cannot load its data ({}): {pod} does not lead with this data, and sets the files aside in the data directory once {pod} follows a master. If no other pod has the data, repair the files with redis-check-aof --fix (rule {})",
        damage.found, NO_DATA.id
    );
    let (id, by) = (damage.at.0.to_string(), format!("genconf-redis at {pod}"));
    let published = cluster.publish_event(About::Pod(pod, uid), Reason::DataDamaged, &id, note, &by);
    if let Err(refusal) = from_api(published).await {
        warn!("cannot create the Event that the data of {pod} is damaged: {refusal}");
    }
}
