//! How a pod's Redis container ended last.

use kube::Resource;
use kube::api::GetParams;
use kube::core::Request;
use serde::Deserialize;

use super::view::PodView;
use super::{Cluster, Refusal, refusal};
use crate::core::disk::Moment;
use crate::core::identity::PodName;

/// The word in a container's command by which Redis is started.
const SUBCOMMAND: &str = "genconf-redis";

/// How a container ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct End {
    /// When, by the second.
    pub at: Moment,
    /// It was killed for the memory that it took.
    pub is_for_memory: bool,
    /// No signal ended it.
    pub is_by_itself: bool,
}

/// A pod, as far as it tells that (`ContainerStatus.lastState` in the Kubernetes API).
#[derive(Debug, Clone, Deserialize)]
struct View {
    #[serde(default)]
    spec: Spec,
    #[serde(default)]
    status: Status,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
struct Spec {
    containers: Vec<Started>,
}

/// What a container is started with.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
struct Started {
    name: String,
    command: Vec<String>,
    args: Vec<String>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Status {
    container_statuses: Vec<Container>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Container {
    name: String,
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
    exit_code: i32,
    finished_at: Option<String>,
}

impl Cluster {
    /// How a pod's container that starts Redis by this program ended last, where it has been started again; where the
    /// pod does not show which one that is, how each of them did.
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
        Ok(view.ends())
    }
}

impl View {
    fn ends(self) -> Vec<End> {
        let starts = |one: &&Started| one.command.iter().chain(&one.args).any(|word| word.contains(SUBCOMMAND));
        let own: Vec<_> = self.spec.containers.iter().filter(starts).map(|one| &one.name).collect();
        let ended = |one: Container| ended(one.last_state.terminated?).filter(|_| own.is_empty() || own.contains(&&one.name));
        self.status.container_statuses.into_iter().filter_map(ended).collect()
    }
}

fn ended(terminated: Terminated) -> Option<End> {
    let at = terminated.finished_at?.parse().ok()?;
    // Of a signal it is 128 and the signal's number.
    let is_by_itself = (1..128).contains(&terminated.exit_code);
    Some(End { at, is_for_memory: terminated.reason.as_deref() == Some("OOMKilled"), is_by_itself })
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
        assert_eq!(view.ends(), [End { at: Moment(7_000), is_for_memory: true, is_by_itself: false }]);
        let terminated =
            Terminated { reason: Some("Error".into()), exit_code: 1, finished_at: Some("1970-01-01T00:00:07Z".into()) };
        assert!(ended(terminated).unwrap().is_by_itself);
        assert!(serde_json::from_str::<View>("{}").unwrap().status.container_statuses.is_empty());
    }

    #[test]
    fn only_the_container_that_starts_redis_counts() {
        let pod = r#"{"spec":{"containers":[
            {"name":"reconcile","command":["/opt/ordain/ordain","reconcile"]},
            {"name":"redis","command":["/bin/sh","-c"],"args":["exec /opt/ordain/ordain genconf-redis -- redis-server"]}]},
            "status":{"containerStatuses":[
            {"name":"redis","lastState":{"terminated":{"exitCode":1,"finishedAt":"1970-01-01T00:00:07Z"}}},
            {"name":"reconcile","lastState":{"terminated":{"exitCode":1,"finishedAt":"1970-01-01T00:01:00Z"}}}]}}"#;
        let ends = serde_json::from_str::<View>(pod).unwrap().ends();
        assert_eq!(ends.into_iter().map(|end| end.at).collect::<Vec<_>>(), [Moment(7_000)]);
    }
}
