//! The settings that are explored.

use ordain::core::rules::Rules;

use crate::look::{Look, Order, Source};
use crate::setting::{Faults, Protocol, Setting};
use crate::state::{
    Claim, Data, Lease, Link, Mark, Phase, Pod, PodState, Reconcile, SentinelState, Server, State, Told, Volume, Watching,
};

/// Sentinels, then Kubernetes, then Redis.
pub const FORWARD: Order = &[&[Source::Sentinels], &[Source::Kubernetes], &[Source::Redis]];
/// The other way round.
pub const BACKWARD: Order = &[&[Source::Redis], &[Source::Kubernetes], &[Source::Sentinels]];
/// In two steps.
pub const IN_TWO: Order = &[&[Source::Sentinels, Source::Kubernetes], &[Source::Redis]];
/// In two steps, Redis first.
pub const REDIS_FIRST: Order = &[&[Source::Redis], &[Source::Sentinels, Source::Kubernetes]];

/// Newer by more than down-after.
const APART: u64 = 60_000;
/// Newer by less than down-after.
const WITHIN: u64 = 1_000;

/// Data with the first so many writes.
fn data(writes: u8) -> Option<Data> {
    (writes > 0).then(|| Data { time: writes, writes: (1 << writes) - 1 })
}

/// Nothing has ever run.
fn nothing() -> State {
    State {
        pods: [PodState { phase: Phase::Gone, word: None, volume: Volume::default() }; 3],
        sentinels: [SentinelState { watching: Watching::Starting(Look::default()), config: None, current: 0 }; 3],
        record: None,
        reconcile: Reconcile::default(),
        faults: Faults::NONE,
        clock: 0,
        protected: 0,
        elected: 0,
        harm: None,
    }
}

/// A healthy group with this master at epoch 1, and one write.
fn healthy(master: Pod) -> State {
    let mut state = nothing();
    let claim = Claim { master, epoch: 1 };
    for pod in crate::state::pods() {
        let server = if pod == master { Server::Master } else { Server::Replica { of: master, link: Link::Up, is_electable: true } };
        let word = Some(Told { run: 0, disk: None, has_started: true, is_late: false });
        *state.pod_mut(pod) = PodState { phase: Phase::Running(server), word, volume: Volume { data: data(1), is_stamped: true } };
    }
    let watching = Watching::Running { finds_down: false, failover: None };
    state.sentinels = [SentinelState { watching, config: Some(claim), current: 1 }; 3];
    state.record = Some(Lease { claim, mark: Some(Mark { pod: master, run: 0, is_old: true }), is_given_up: false });
    (state.clock, state.protected, state.elected) = (1, 1, 1);
    state
}

/// After a power cut: disks with so many writes, and what the record and the Sentinels' files say.
fn outage(writes: [u8; 3], record: Claim, files: [Option<Claim>; 3]) -> State {
    let mut state = nothing();
    for (pod, writes) in (0..).zip(writes) {
        let word = Some(Told { run: 0, disk: None, has_started: true, is_late: false });
        *state.pod_mut(pod) = PodState { phase: Phase::Down, word, volume: Volume { data: data(writes), is_stamped: true } };
    }
    for (one, config) in state.sentinels.iter_mut().zip(files) {
        one.config = config;
        one.current = config.map_or(0, |claim| claim.epoch);
    }
    state.record = Some(Lease { claim: record, mark: Some(Mark { pod: record.master, run: 0, is_old: true }), is_given_up: false });
    state.clock = writes.into_iter().max().unwrap_or(0);
    state.protected = crate::fault::on_any_disk(&state);
    state.elected = files.into_iter().flatten().map(|claim| claim.epoch).fold(record.epoch, u8::max);
    state
}

/// The pods do not exist any more.
fn with_pods_gone(mut state: State) -> State {
    for pod in &mut state.pods {
        (pod.phase, pod.word) = (Phase::Gone, None);
    }
    state
}

fn setting(name: &'static str, start: State, faults: Faults) -> Setting {
    Setting {
        name,
        start: State { faults, ..start },
        order: FORWARD,
        others: IN_TWO,
        is_ordered: false,
        write_step: APART,
        rules: Rules::ALL,
        protocol: Protocol::WHOLE,
    }
}

const fn claim(master: Pod, epoch: u8) -> Claim {
    Claim { master, epoch }
}

/// A first boot.
pub fn first_boot(faults: Faults) -> Setting {
    setting("first boot", nothing(), faults)
}

/// A first boot with pods made one after the other.
pub fn first_boot_in_order(faults: Faults) -> Setting {
    Setting { is_ordered: true, ..setting("first boot in order", nothing(), faults) }
}

/// A healthy group.
pub fn running(master: Pod, faults: Faults) -> Setting {
    setting("a healthy group", healthy(master), faults)
}

/// After a power cut; the master was redis-2, and only it has the last write.
pub fn power_cut(files: [Option<Claim>; 3], faults: Faults) -> Setting {
    setting("after a power cut", outage([1, 1, 2], claim(2, 1), files), faults)
}

/// After a power cut; the record was not told of the last failover.
pub fn stale_record(files: [Option<Claim>; 3], faults: Faults) -> Setting {
    setting("a stale record", outage([2, 1, 1], claim(2, 1), files), faults)
}

/// With its pods gone, and made one after the other.
pub fn in_order(setting: Setting) -> Setting {
    Setting { is_ordered: true, start: with_pods_gone(setting.start), ..setting }
}

/// The same, with writes that are too close to each other to be told apart.
pub fn close_writes(setting: Setting) -> Setting {
    Setting { write_step: WITHIN, ..setting }
}
