//! The settings that are explored.

use ordain::core::rules::Rules;

use crate::faults::Faults;
use crate::look::{Look, Order, Source};
use crate::setting::{Protocol, Setting, Torn};
use crate::state::{
    Claim, Data, Lease, Link, Phase, Pod, PodState, Reconcile, SentinelState, Server, StartMarker, State, Told, Volume, Watching,
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
        pods: [PodState {
            phase: Phase::Gone,
            report: None,
            volume: Volume::default(),
            was_heard: false,
            is_ahead: false,
            has_told: true,
        }; 3],
        sentinels: [SentinelState { watching: Watching::Starting(Look::default()), config: None, current: 0 }; 3],
        record: None,
        is_api_away: false,
        reconcile: Reconcile::default(),
        faults: Faults::NONE,
        clock: 0,
        protected: 0,
        elected: 0,
        is_split: false,
        harm: None,
    }
}

/// A Sentinel that runs.
const fn watching(finds_down: bool) -> Watching {
    Watching::Running { finds_down, failover: None, is_misled: false, knows_all: true }
}

/// A healthy group with this master at epoch 1, and one write.
fn healthy(master: Pod) -> State {
    let mut state = nothing();
    let claim = Claim { master, epoch: 1 };
    for pod in crate::state::pods() {
        let server =
            if pod == master { Server::Master } else { Server::Replica { of: master, link: Link::Up, is_promotable: true } };
        let report = Some(Told { run: 0, disk: None, has_started: true, is_late: false, is_ahead: false });
        *state.pod_mut(pod) = PodState {
            phase: Phase::Running(server),
            report,
            volume: Volume { data: data(1), is_stamped: true, ..Volume::default() },
            was_heard: false,
            is_ahead: false,
            has_told: true,
        };
    }
    let watching = watching(false);
    state.sentinels = [SentinelState { watching, config: Some(claim), current: 1 }; 3];
    state.record = Some(Lease {
        claim,
        is_new: false,
        start_marker: Some(StartMarker { pod: master, run: 0, is_old: true, is_ahead: false }),
        is_abandoned: false,
    });
    (state.clock, state.protected, state.elected) = (1, 1, 1);
    state
}

/// After a power cut: disks with so many writes, and what the record and the Sentinels' files say.
fn outage(writes: [u8; 3], record: Claim, files: [Option<Claim>; 3]) -> State {
    let mut state = nothing();
    for (pod, writes) in (0..).zip(writes) {
        let report = Some(Told { run: 0, disk: None, has_started: true, is_late: false, is_ahead: false });
        *state.pod_mut(pod) = PodState {
            phase: Phase::Down,
            report,
            volume: Volume { data: data(writes), is_stamped: true, ..Volume::default() },
            was_heard: false,
            is_ahead: false,
            has_told: true,
        };
    }
    for (one, config) in state.sentinels.iter_mut().zip(files) {
        one.config = config;
        one.current = config.map_or(0, |claim| claim.epoch);
    }
    state.record = Some(Lease {
        claim: record,
        is_new: false,
        start_marker: Some(StartMarker { pod: record.master, run: 0, is_old: true, is_ahead: false }),
        is_abandoned: false,
    });
    state.clock = writes.into_iter().max().unwrap_or(0);
    state.protected = crate::fault::on_any_disk(&state);
    state.elected = files.into_iter().flatten().map(|claim| claim.epoch).fold(record.epoch, u8::max);
    state
}

/// The pods do not exist any more.
fn with_pods_gone(mut state: State) -> State {
    for pod in &mut state.pods {
        (pod.phase, pod.report) = (Phase::Gone, None);
    }
    state
}

fn setting(name: &'static str, mut start: State, faults: Faults) -> Setting {
    start.faults = faults;
    for pod in &mut start.pods {
        pod.was_heard = pod.server().is_some();
    }
    Setting {
        name,
        start,
        order: FORWARD,
        others: IN_TWO,
        torn: Torn::NONE,
        has_grace: false,
        has_sentinels: true,
        is_ordered: false,
        write_step: APART,
        rules: Rules::ALL,
        protocol: Protocol::WHOLE,
    }
}

const fn claim(master: Pod, epoch: u8) -> Claim {
    Claim { master, epoch }
}

/// What the Sentinels' files say after an outage.
const LOST: [Option<Claim>; 3] = [None; 3];
const KEPT: [Option<Claim>; 3] = [Some(claim(2, 1)); 3];
/// Only the Sentinel that led the last failover knows of it.
const OLD_MAJORITY: [Option<Claim>; 3] = [Some(claim(0, 2)), Some(claim(2, 1)), Some(claim(2, 1))];

/// After a power cut; the master was redis-2, and only it has the last write.
fn cut(files: [Option<Claim>; 3]) -> State {
    outage([1, 1, 2], claim(2, 1), files)
}

/// After a power cut; redis-0 had been promoted, and the record was not told.
fn stale(files: [Option<Claim>; 3]) -> State {
    outage([2, 1, 1], claim(2, 1), files)
}

/// The record was deleted.
fn without_record(mut state: State) -> State {
    state.record = None;
    state
}

/// The Sentinels are back before any pod, and watch whom the record names.
fn with_sentinels_back(mut state: State) -> State {
    let config = state.record.map(|lease| lease.claim);
    let watching = watching(true);
    state.sentinels = [SentinelState { watching, config, current: config.map_or(0, |claim| claim.epoch) }; 3];
    state
}

/// A pod's volume was lost in the outage.
fn with_volume_lost(mut state: State, pod: Pod) -> State {
    state.pod_mut(pod).volume = Volume::default();
    state.protected = crate::fault::on_any_disk(&state);
    state
}

/// The newest disk is that of redis-0, which followed an older claim before it was named.
fn newest_follows() -> State {
    let mut state = with_sentinels_back(outage([2, 1, 1], claim(0, 2), LOST));
    run_behind(&mut state, 0, 2);
    state
}

/// The holder is about to come back; the others follow it, and redis-0 holds more.
fn newest_follows_an_older() -> State {
    let mut state = with_sentinels_back(stale(LOST));
    for pod in 0..2 {
        run_behind(&mut state, pod, 2);
    }
    state
}

/// It has told what its disk holds, and runs with that as a replica.
fn run_behind(state: &mut State, pod: Pod, of: Pod) {
    let server = Server::Replica { of, link: Link::Never, is_promotable: false };
    let this = state.pod_mut(pod);
    let disk = this.volume.age(true);
    (this.phase, this.report) =
        (Phase::Running(server), Some(Told { run: 1, disk, has_started: true, is_late: false, is_ahead: false }));
}

/// redis-0 was promoted and lives; the record was not told, and the Sentinels forgot it.
fn forgotten() -> State {
    let mut state = healthy(0);
    state.sentinels = nothing().sentinels;
    state.record = stale(LOST).record;
    state.pod_mut(2).phase = Phase::Down;
    state.elected = 2;
    state
}

/// Its Sentinels are starting, with their files.
fn with_sentinels_starting(mut state: State) -> State {
    for one in &mut state.sentinels {
        one.watching = Watching::Starting(Look::default());
    }
    state
}

/// redis-0 was promoted and lives; of the Sentinels only the one that died right then knows of it. Who
/// could be promoted beside it is down.
fn unannounced() -> State {
    let mut state = healthy(0);
    state.record = cut(LOST).record;
    state.sentinels = with_sentinels_back(cut(LOST)).sentinels;
    state.sentinels[0] = SentinelState { watching: Watching::Starting(Look::default()), config: Some(claim(0, 2)), current: 2 };
    for pod in 1..3 {
        state.pod_mut(pod).phase = Phase::Down;
    }
    state.elected = 2;
    state
}

/// The master's node is lost for good, and the Sentinels lost their files.
fn lost_node() -> State {
    let mut state = healthy(2);
    crate::fault::lose(&mut state, 2);
    state.sentinels = nothing().sentinels;
    state
}

/// All pods run as replicas of one that does not live, and nobody claims anything.
fn all_run() -> State {
    let mut state = cut(LOST);
    for pod in crate::state::pods() {
        run_behind(&mut state, pod, (pod + 1) % 3);
    }
    state
}

/// redis-0 was promoted by Sentinels that had been told of the group anew; the record has a higher epoch.
fn lost_count() -> State {
    let mut state = healthy(0);
    state.record = state.record.map(|lease| Lease { claim: claim(2, 5), ..lease });
    state
}

/// The holder was away for longer than the grace, and was given up; it is back with the newest disk.
fn abandoned() -> State {
    let mut state = with_sentinels_back(cut(LOST));
    for pod in 0..2 {
        run_behind(&mut state, pod, 2);
    }
    state.record = state.record.map(|lease| Lease { is_abandoned: true, ..lease });
    // Nobody could know of the last write.
    state.protected = 1;
    state
}

/// After a power cut; the holder's data cannot be loaded, and the others run and follow it.
fn damaged() -> State {
    let mut state = with_sentinels_back(cut(LOST));
    for pod in 0..2 {
        run_behind(&mut state, pod, 2);
    }
    crate::fault::damage(&mut state, 2);
    state
}

/// After a power cut; redis-0 was promoted, and the Sentinels' files are older than that.
fn old_memories() -> State {
    let mut state = outage([2, 1, 1], claim(0, 2), KEPT);
    for one in &mut state.sentinels {
        one.watching = watching(true);
    }
    state
}

/// A replica had told what its disk holds, and runs; the API server went away before it could say that it has started.
/// The node of the other one, which had told of an empty disk, is lost for good.
fn started_unsaid() -> State {
    let mut state = healthy(2);
    let this = state.pod_mut(1);
    this.report = Some(Told { run: 1, disk: Some(2), has_started: false, is_late: false, is_ahead: false });
    this.phase = Phase::Running(Server::Replica { of: 2, link: Link::Up, is_promotable: false });
    crate::fault::lose(&mut state, 0);
    state.pod_mut(0).report = Some(Told { run: 0, disk: None, has_started: false, is_late: false, is_ahead: false });
    state
}

/// The holder has marked the record by a clock that was ahead, and its node is lost for good; nobody can be promoted.
fn marked_ahead() -> State {
    let mut state = with_sentinels_back(cut(LOST));
    let ahead = StartMarker { pod: 2, run: 0, is_old: false, is_ahead: true };
    state.record = state.record.map(|lease| Lease { start_marker: Some(ahead), ..lease });
    crate::fault::lose(&mut state, 2);
    state
}

/// Another workload's pod has the labels of the group, and the name of its last pod; it answers as an empty master.
fn beside_a_stranger(mut state: State) -> State {
    let stranger = state.pod_mut(2);
    (stranger.phase, stranger.report, stranger.volume) = (Phase::Stranger, None, Volume::default());
    state.protected = crate::fault::on_any_disk(&state);
    state
}

const NONE: Faults = Faults::NONE;

const CRASH: Faults = Faults { crashes: 1, ..NONE };
const STEP: Faults = Faults { clock_steps: 1, ..NONE };
const WIPE: Faults = Faults { wipes: 1, ..NONE };
const TWO_CRASHES: Faults = Faults { crashes: 2, ..NONE };
const CRASH_AND_SENTINEL: Faults = Faults { crashes: 1, sentinel_crashes: 1, ..NONE };

fn in_order(setting: Setting) -> Setting {
    let start = if setting.start.record.is_some() { with_pods_gone(setting.start) } else { setting.start };
    Setting { is_ordered: true, start, ..setting }
}

fn with_grace(setting: Setting) -> Setting {
    Setting { has_grace: true, ..setting }
}

/// Without Sentinels and without reconcile.
fn alone(setting: Setting) -> Setting {
    let protocol = Protocol { reconciles: false, ..setting.protocol };
    Setting { has_sentinels: false, protocol, ..setting }
}

/// The same with the volume of redis-0 lost, by which no write is: a person must say who leads.
pub fn holder_lost_without_sentinels() -> Setting {
    let start = with_volume_lost(copied_later(), 0);
    alone(torn(Torn::PODS, setting("the holder is empty, without Sentinels, a crash, torn looks", start, CRASH)))
}

/// After a power cut: redis-0 is recorded and was written first, and the others have copied it since.
fn copied_later() -> State {
    let mut state = outage([1, 1, 1], claim(0, 1), LOST);
    for (pod, time) in [(1, 2), (2, 3)] {
        state.pod_mut(pod).volume.data = Some(Data { time, writes: 1 });
    }
    state.clock = 3;
    state
}

fn torn(torn: Torn, setting: Setting) -> Setting {
    Setting { torn, ..setting }
}

/// The API server is away, and comes back.
fn away(mut setting: Setting) -> Setting {
    setting.start.is_api_away = true;
    setting
}

fn backward(setting: Setting) -> Setting {
    Setting { order: BACKWARD, others: REDIS_FIRST, ..setting }
}

/// Those that are small enough for every test run.
pub fn small() -> Vec<Setting> {
    [
        first_boots(),
        without_sentinels(),
        faults_of_a_healthy_group(),
        after_power_cuts(),
        without_a_record(),
        misinformed(),
        while_the_api_server_is_away(),
        others(),
    ]
    .concat()
}

/// A group that has never run.
fn first_boots() -> Vec<Setting> {
    vec![
        setting("a first boot", nothing(), NONE),
        with_grace(setting("a first boot, and the grace", nothing(), NONE)),
        with_grace(in_order(setting("a first boot in order, and the grace", nothing(), NONE))),
        in_order(setting("a first boot in order, a crash", nothing(), CRASH)),
        in_order(setting("a first boot in order, a lost volume", nothing(), WIPE)),
        torn(Torn::ANY, in_order(setting("a first boot in order, torn looks", nothing(), NONE))),
    ]
}

/// A group that nobody fails over.
fn without_sentinels() -> Vec<Setting> {
    vec![
        with_grace(alone(setting("a first boot without Sentinels", nothing(), NONE))),
        with_grace(alone(setting("copied later, without Sentinels", copied_later(), NONE))),
        with_grace(alone(setting("copied later, without Sentinels, a crash", copied_later(), CRASH))),
        alone(torn(Torn::PODS, setting("copied later, without Sentinels, torn looks", copied_later(), NONE))),
        with_grace(alone(in_order(setting("copied later, without Sentinels, in order", copied_later(), NONE)))),
    ]
}

/// A healthy group, in which something goes wrong.
fn faults_of_a_healthy_group() -> Vec<Setting> {
    vec![
        setting("two crashes and a write", healthy(0), Faults { writes: 1, ..TWO_CRASHES }),
        torn(Torn::PODS, setting("two crashes, torn looks", healthy(0), TWO_CRASHES)),
        backward(torn(Torn::PODS, setting("two crashes, torn looks backward", healthy(2), TWO_CRASHES))),
        torn(Torn::ANY, setting("a crash, anybody's looks torn", healthy(2), CRASH)),
        setting("a crash and a lost volume", healthy(2), Faults { wipes: 1, writes: 1, ..CRASH }),
        setting("a crash, and a Sentinel's", healthy(2), CRASH_AND_SENTINEL),
        setting("two crashes, and a Sentinel's", healthy(2), Faults { crashes: 2, ..CRASH_AND_SENTINEL }),
        setting("a crash, and an amnesic Sentinel", healthy(2), Faults { sentinel_wipes: 1, ..CRASH }),
        with_grace(setting("a node lost for good", healthy(2), Faults { losses: 1, writes: 1, ..NONE })),
        setting("a power cut", healthy(2), Faults { power_cuts: 1, ..NONE }),
        setting("a power cut, files lost", healthy(2), Faults { blackouts: 1, ..NONE }),
    ]
}

/// All pods and Sentinels start again, with the record.
fn after_power_cuts() -> Vec<Setting> {
    vec![
        setting("after a power cut, files lost", cut(LOST), NONE),
        setting("after a power cut, files kept", cut(KEPT), NONE),
        Setting { write_step: WITHIN, ..setting("after a power cut, close writes", cut(LOST), NONE) },
        torn(Torn::PODS, setting("after a power cut, torn looks", cut(KEPT), NONE)),
        with_grace(setting("after a power cut, Sentinels first, and the grace", with_sentinels_back(cut(KEPT)), NONE)),
        setting("a stale record, an old majority", stale(OLD_MAJORITY), NONE),
        setting("a stale record, files lost", stale(LOST), NONE),
        with_grace(setting("a stale record, Sentinels first, and the grace", with_sentinels_back(stale(LOST)), NONE)),
        with_grace(setting("the newest disk runs as a replica", newest_follows(), NONE)),
        with_grace(setting("the newest disk follows an older one, a crash", newest_follows_an_older(), CRASH)),
        with_grace(in_order(setting("pods remade in order, and the grace", cut(LOST), NONE))),
        in_order(setting("pods remade in order, a lost volume", cut(LOST), WIPE)),
        in_order(setting(
            "pods remade in order, the holder is empty",
            with_volume_lost(outage([2, 1, 1], claim(0, 1), LOST), 0),
            NONE,
        )),
    ]
}

/// The record is missing, or goes missing.
fn without_a_record() -> Vec<Setting> {
    vec![
        setting("no record, files lost", without_record(cut(LOST)), NONE),
        setting("no record, files kept", without_record(cut(KEPT)), NONE),
        setting("no record, files lost, redis-0 is empty", without_record(with_volume_lost(cut(LOST), 0)), NONE),
        setting("the record deleted, and a crash", healthy(2), Faults { record_deletions: 1, ..CRASH }),
    ]
}

/// The record, the Sentinels or a disk say what is not so.
fn misinformed() -> Vec<Setting> {
    vec![
        setting("promoted and not announced", unannounced(), NONE),
        with_grace(setting("the master's node lost, files lost", lost_node(), NONE)),
        with_grace(setting("files lost while a master lives", forgotten(), NONE)),
        with_grace(setting("Sentinels that lost their count", lost_count(), NONE)),
        with_grace(setting("no record, all pods run", without_record(all_run()), NONE)),
        setting("a stale record, all pods deleted", with_pods_gone(stale(LOST)), NONE),
        with_grace(setting("given up and back", abandoned(), NONE)),
        setting("after a power cut, a torn tail and a crash", cut(KEPT), Faults { torn_tails: 1, ..CRASH }),
        with_grace(setting("the holder cannot load its data", damaged(), NONE)),
        with_grace(setting("a stranger with the group's labels", beside_a_stranger(outage([2, 1, 1], claim(0, 1), LOST)), NONE)),
    ]
}

/// The API server does not answer for a while.
fn while_the_api_server_is_away() -> Vec<Setting> {
    vec![
        away(setting("after a power cut, the API server is away", cut(KEPT), NONE)),
        away(setting("the record is newer than the Sentinels, the API server is away", old_memories(), NONE)),
        setting("a crash, the API server goes away", healthy(2), Faults { api_outages: 1, writes: 1, ..CRASH }),
        away(setting(
            "a replica has started while the API server is away",
            started_unsaid(),
            Faults { crashes: 1, writes: 1, blackouts: 1, ..NONE },
        )),
    ]
}

/// Damage, clocks, torn looks of Sentinels, and handovers.
fn others() -> Vec<Setting> {
    vec![
        setting("a crash, a write and damaged data", healthy(2), Faults { damages: 1, writes: 1, ..CRASH }),
        setting("a stale record, files lost, a clock that steps", stale(LOST), STEP),
        with_grace(setting("a holder that marked ahead of time is lost", marked_ahead(), STEP)),
        torn(Torn::PODS, setting("given up and back, torn looks", abandoned(), NONE)),
        torn(Torn::PODS, setting("a crash while Sentinels start, torn looks", with_sentinels_starting(healthy(2)), CRASH)),
        setting("two handovers", healthy(2), Faults { forced_failovers: 2, ..NONE }),
    ]
}

/// Those that take longer.
pub fn large() -> Vec<Setting> {
    vec![
        with_grace(in_order(setting("a first boot in order, a crash and the grace", nothing(), CRASH))),
        with_grace(in_order(setting("a first boot in order, a lost volume and the grace", nothing(), WIPE))),
        torn(Torn::PODS, setting("a first boot, torn looks", nothing(), NONE)),
        torn(Torn::TWO, setting("a crash, two looks torn", healthy(2), CRASH)),
        torn(
            Torn::ANY,
            setting("two crashes and a write, anybody's looks torn", healthy(0), Faults { writes: 1, ..TWO_CRASHES }),
        ),
        torn(Torn::PODS, setting("a crash, and a Sentinel's, torn looks", healthy(2), CRASH_AND_SENTINEL)),
        setting("two crashes, two Sentinels'", healthy(2), Faults { crashes: 2, sentinel_crashes: 2, ..NONE }),
        setting("a power cut, a crash and a write", healthy(2), Faults { power_cuts: 1, writes: 1, ..CRASH }),
        with_grace(setting("after a power cut, files lost, and the grace", cut(LOST), NONE)),
        with_grace(setting("a stale record, files lost, and the grace", stale(LOST), NONE)),
        torn(Torn::TWO, setting("given up and back, two looks torn", abandoned(), NONE)),
        with_grace(setting("after a power cut, damaged data, and the grace", cut(LOST), Faults { damages: 1, ..NONE })),
        setting("two crashes, a clock that steps", healthy(2), Faults { clock_steps: 1, ..TWO_CRASHES }),
        with_grace(setting("a stale record, a clock that steps, and the grace", stale(LOST), STEP)),
        torn(
            Torn::ANY,
            setting("a crash while Sentinels start, anybody's looks torn", with_sentinels_starting(healthy(2)), CRASH),
        ),
        torn(Torn::ANY, setting("a stale record, an old majority, torn looks", stale(OLD_MAJORITY), NONE)),
        with_grace(in_order(setting("pods remade in order, a lost volume, and the grace", cut(LOST), WIPE))),
        with_grace(setting("after a power cut, Sentinels first, a crash and the grace", with_sentinels_back(cut(KEPT)), CRASH)),
        with_grace(setting("a stale record, Sentinels first, a crash and the grace", with_sentinels_back(stale(LOST)), CRASH)),
    ]
}

/// One of all of them.
pub fn named(name: &str) -> Setting {
    small().into_iter().chain(large()).find(|setting| setting.name == name).unwrap_or_else(|| panic!("no setting `{name}`"))
}
