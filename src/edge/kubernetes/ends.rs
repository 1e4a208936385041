//! How a pod's containers ended last.

use kube::Resource;
use kube::api::GetParams;
use kube::core::Request;
use serde::Deserialize;

use super::view::PodView;
use super::{Cluster, Refusal, refusal};
use crate::core::disk::Moment;
use crate::core::identity::PodName;

/// How a container ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct End {
    /// When, by the second.
    pub at: Moment,
    /// It was killed for the memory that it took.
    pub is_for_memory: bool,
}

/// A pod, as far as it tells that (`ContainerStatus.lastState` in the Kubernetes API).
#[derive(Debug, Clone, Deserialize)]
struct View {
    #[serde(default)]
    status: Status,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Status {
    container_statuses: Vec<Container>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Container {
    last_state: State,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
struct State {
    terminated: Option<Terminated>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Terminated {
    reason: Option<String>,
    finished_at: Option<String>,
}

impl Cluster {
    /// How each of a pod's containers ended last, where it has been started again.
    ///
    /// # Errors
    /// [`Refusal::Missing`] where the pod does not exist.
    pub async fn last_ends(&self, pod: &PodName) -> Result<Vec<End>, Refusal> {
        let pods = Request::new(PodView::url_path(&(), Some(&self.namespace)));
        let read = async {
            let request = pods.get(&pod.to_string(), &GetParams::default());
            self.client.request::<View>(request.map_err(kube::Error::BuildRequest)?).await
        };
        let view = read.await.map_err(|error| refusal(&error, "get pods"))?;
        Ok(view.status.container_statuses.into_iter().filter_map(|container| ended(container.last_state.terminated?)).collect())
    }
}

fn ended(terminated: Terminated) -> Option<End> {
    let at = terminated.finished_at?.parse().ok()?;
    Some(End { at, is_for_memory: terminated.reason.as_deref() == Some("OOMKilled") })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_end_reads_as_the_kubelet_reports_it() {
        let pod = r#"{"status":{"containerStatuses":[
            {"name":"redis","lastState":{"terminated":{"exitCode":137,"reason":"OOMKilled","finishedAt":"1970-01-01T00:00:07Z"}}},
            {"name":"metrics","lastState":{}}]}}"#;
        let view: View = serde_json::from_str(pod).unwrap();
        let ends: Vec<_> =
            view.status.container_statuses.into_iter().map(|one| one.last_state.terminated.and_then(ended)).collect();
        assert_eq!(ends, [Some(End { at: Moment(7_000), is_for_memory: true }), None]);
        assert!(serde_json::from_str::<View>("{}").unwrap().status.container_statuses.is_empty());
    }
}
