//! How a look reads the state, source by source.

use crate::look::{Look, Order, SeenObject, SeenRedis, SeenSentinel, Source};
use crate::state::{Link, Phase, Pod, Server, State, Watching};

/// All at once.
const AT_ONCE: Order = &[&[Source::Sentinels, Source::Kubernetes, Source::Redis]];

impl Look {
    /// Reads the next of the sources; whether that was the last.
    pub fn read(&mut self, order: Order, state: &State) -> bool {
        for source in order[usize::from(self.heard)] {
            match source {
                Source::Sentinels => self.sentinels = std::array::from_fn(|one| see_sentinel(state, one)),
                Source::Kubernetes => {
                    self.is_api_away = state.is_api_away;
                    self.record = state.record.filter(|_| !state.is_api_away);
                    self.is_current = !state.is_api_away;
                    self.objects = std::array::from_fn(|pod| see_object(state, pod as Pod));
                    self.heard_lately = std::array::from_fn(|pod| state.pods[pod].was_heard);
                }
                Source::Redis => self.redis = std::array::from_fn(|pod| see_redis(state, pod as Pod)),
            }
        }
        self.heard += 1;
        self.is_complete(order)
    }

    /// All of the world at one moment.
    pub fn at_once(state: &State) -> Self {
        let mut look = Self::default();
        look.read(AT_ONCE, state);
        look
    }
}

fn see_sentinel(state: &State, one: usize) -> SeenSentinel {
    let sentinel = &state.sentinels[one];
    match (sentinel.watching, sentinel.config) {
        (Watching::Running { finds_down, failover, .. }, Some(claim)) => {
            SeenSentinel::Watching { claim, finds_down, is_failing_over: failover.is_some() }
        }
        _ => SeenSentinel::Silent,
    }
}

fn see_object(state: &State, pod: Pod) -> SeenObject {
    if state.is_api_away {
        return SeenObject::Unknown;
    }
    let pod = state.pod(pod);
    if pod.phase == Phase::Gone { SeenObject::Absent } else { SeenObject::Present(pod.report) }
}

fn see_redis(state: &State, pod: Pod) -> SeenRedis {
    let pod = state.pod(pod);
    match pod.phase {
        Phase::Gone => SeenRedis::Missing,
        Phase::Lost => SeenRedis::Silent,
        Phase::Stranger => SeenRedis::Stranger,
        Phase::Running(server) => {
            // A replica that has never had a link has read nothing.
            let has_copied = !matches!(server, Server::Replica { link: Link::Never, .. });
            let offset = if has_copied { pod.volume.time().unwrap_or(0) } else { 0 };
            SeenRedis::Running(server, offset, pod.has_told)
        }
        _ => SeenRedis::Refused,
    }
}
