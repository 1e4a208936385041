//! What a handover has begun, and how to undo it if the container is stopped in between.

use std::time::Duration;

use tokio::time::{Instant, timeout};

use super::{PAUSE, Pod, soon};
use crate::core::evidence::{Replica, SentinelAnswer};
use crate::core::identity::Endpoint;
use crate::edge::redis::{self, Master};
use crate::edge::wire::Target;

/// How long undoing may take: whoever stops a container does not wait for long.
const UNDOING: Duration = Duration::from_secs(3);

/// What has been begun and not been ended, noted before each is begun.
#[derive(Default)]
pub(super) struct Begun {
    /// Since when its writes are held back.
    pub paused: Option<Instant>,
    /// Whether its label may have gone.
    pub is_label_touched: bool,
    /// Since when it carries no label.
    pub unlabelled: Option<Instant>,
    /// Whose priority may have been taken, and what each was before.
    pub aside: Vec<(Target, Replica)>,
    /// The failover that was asked for, while it may go on.
    pub asked: Option<Request>,
    /// Who is the master now.
    pub promoted: Option<Endpoint>,
    /// Sentinels whose failover was called off: others are asked first.
    pub stalled: Vec<Endpoint>,
}

/// A failover that a Sentinel was asked for.
pub(super) struct Request {
    pub sentinel: Target,
    /// How that Sentinel calls this master.
    pub master: Endpoint,
    /// The replicas that it may promote, and under which name each follows this master.
    pub links: Vec<(Target, Endpoint)>,
    pub is_coordinated: bool,
    /// When it was asked: from then on something is to come of it.
    pub since: Instant,
}

impl Begun {
    /// Undoes the handover; if another pod is the master already, follows that pod. Returns the outcome, in words.
    pub async fn undo(&self, pod: Pod<'_>) -> String {
        let me = pod.me;
        if !self.is_label_touched && self.paused.is_none() {
            return "nothing was begun".to_owned();
        }
        match timeout(UNDOING, self.undo_all(pod)).await {
            Ok(how) => how,
            Err(_) => format!(
                "the handover is not undone within {UNDOING:?}: the writes of {me} go on after {PAUSE:?} at most, and reconcile gives labels and priorities back"
            ),
        }
    }

    async fn undo_all(&self, pod: Pod<'_>) -> String {
        let (me, login) = (pod.me, &pod.observer.credentials.redis);
        let ended = self.ended(pod).await;
        // By the hook where another leads: the record may name this one still.
        let is_label_to_be_put_back = self.is_label_touched && matches!(ended, Ended::Nothing { .. });
        let how = match ended {
            Ended::Promoted(new) => match soon(redis::follow(pod.own, login, &new)).await {
                Ok(()) => format!("{new} is the master, and {me} follows it"),
                Err(failure) => format!("{new} is the master, and {me} does not follow it yet: {failure}"),
            },
            Ended::Nothing { is_sure } => {
                let may = if is_sure {
                    String::new()
                } else {
                    format!("; the Sentinel that was asked does not answer, and may yet replace {me}")
                };
                match self.write_again(pod).await {
                    Ok(()) => format!("{me} is still the master, and writes go on here{may}"),
                    Err(why) => format!("{me} is still the master, and its writes go on after {PAUSE:?} at most: {why}{may}"),
                }
            }
        };
        let label = async {
            if is_label_to_be_put_back {
                pod.be_labelled(Instant::now() + UNDOING).await;
            }
        };
        tokio::join!(pod.prioritise(&self.aside, |before| before.priority), label);
        how
    }

    /// How the failover ended that was asked for; one that has promoted nobody ends here.
    async fn ended(&self, pod: Pod<'_>) -> Ended {
        if let Some(new) = &self.promoted {
            return Ended::Promoted(new.clone());
        }
        let Some(request) = &self.asked else { return Ended::Nothing { is_sure: true } };
        let (view, promoted) = tokio::join!(pod.view(&request.sentinel), pod.promoted_of(&request.links));
        match (view, promoted) {
            (_, Some(new)) => Ended::Promoted(new),
            (Ok(SentinelAnswer::Watching(watch)), None) if watch.master != request.master => Ended::Promoted(watch.master),
            _ => Ended::Nothing { is_sure: pod.call_off(request).await },
        }
    }

    async fn write_again(&self, pod: Pod<'_>) -> Result<(), String> {
        if self.paused.is_none() {
            return Ok(());
        }
        let unpaused = async {
            let (mut master, _) = Master::connect(pod.own, &pod.observer.credentials.redis).await?;
            master.unpause().await
        };
        soon(unpaused).await.map_err(|failure| failure.to_string())
    }
}

/// How a failover ended.
enum Ended {
    /// This server is the master now.
    Promoted(Endpoint),
    /// This pod is still the master; sure where the Sentinel has said so.
    Nothing { is_sure: bool },
}
