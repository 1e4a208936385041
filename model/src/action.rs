//! What may happen next.

use crate::fault;
use crate::faults::Faults;
use crate::pod;
use crate::reconcile;
use crate::sentinel;
use crate::setting::Setting;
use crate::state::{Data, Link, Phase, Pod, Server, State, Volume, Watching, pods, sentinels};
use crate::time;
use crate::verdict;

/// A step of somebody.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Action {
    /// A pod's container starts and publishes.
    Publish(Pod),
    /// A pod reads all its sources at once, and acts.
    Look(Pod),
    /// A pod reads its next source, and acts after the last.
    Read(Pod),
    /// A pod marks the record.
    StartMarker(Pod),
    /// The deadline of an empty pod comes, without which no others are created.
    Deadline(Pod),
    /// A pod is created.
    Create(Pod),
    /// A starting Sentinel reads all its sources at once, and acts.
    SentinelLooks(usize),
    /// A starting Sentinel reads its next source, and acts after the last.
    SentinelReads(usize),
    /// A Sentinel is elected, and selects a replica.
    Elect(usize, Pod),
    /// A Sentinel is told to fail over, and selects a replica.
    Force(usize, Pod),
    /// It promotes the replica.
    Promote(usize),
    /// One Sentinel tells another.
    Hello(usize, usize),
    /// A Sentinel makes a Redis a replica of its master.
    PutRight(usize, Pod),
    /// A Sentinel's hook runs.
    Hook(usize),
    /// A replica copies its master.
    Sync(Pod),
    /// A pod's probe finds it in sync.
    Ready(Pod),
    /// Reconcile reads all its sources at once, and acts.
    ReconcilePasses,
    /// Reconcile reads its next source.
    ReconcileReads,
    /// Reconcile acts.
    ReconcileActs,
    /// Down-after passes.
    DownAfter,
    /// A pod has waited for longer than any failover takes.
    Wait(Pod),
    /// The grace passes.
    Grace,
    /// A client writes.
    Write(Pod),
    /// A pod's container dies.
    Crash(Pod),
    /// A pod is deleted.
    Delete(Pod),
    /// A pod is deleted, and its volume is lost.
    Wipe(Pod),
    /// A pod's node is lost for good.
    Lose(Pod),
    /// A Sentinel dies and comes back, with or without its file.
    CrashSentinel(usize, bool),
    /// Everything dies; the Sentinels' files are kept or not.
    PowerCut(bool),
    /// The record is deleted.
    DeleteRecord,
    /// A pod's server has cut a torn tail off as it started.
    CutTail(Pod),
    /// A pod's data cannot be loaded any more.
    Damage(Pod),
    /// A pod's clock steps.
    Step(Pod),
    /// Reconcile's clock steps.
    StepReconcile,
    /// A pod has asked long enough for a record that cannot be read.
    Ask(Pod),
    /// Reconcile ends the word of a pod that runs.
    ExpireReport(Pod),
    /// The API server goes away.
    ApiGoes,
    /// It is back.
    ApiReturns,
}

impl Action {
    /// Whether it is needed for nothing: a fault, a write, a hook, which may be lost.
    pub fn is_optional(self) -> bool {
        matches!(
            self,
            Self::Hook(_)
                | Self::Write(_)
                | Self::Crash(_)
                | Self::Delete(_)
                | Self::Wipe(_)
                | Self::Lose(_)
                | Self::CrashSentinel(..)
                | Self::PowerCut(_)
                | Self::DeleteRecord
                | Self::CutTail(_)
                | Self::Damage(_)
                | Self::Step(_)
                | Self::StepReconcile
                | Self::ApiGoes
                | Self::Force(..)
        )
    }

    /// How often it may still happen, where that is counted.
    fn budget(self, left: &mut Faults) -> Option<&mut u8> {
        match self {
            Self::Force(..) => Some(&mut left.forced_failovers),
            Self::Write(_) => Some(&mut left.writes),
            Self::Crash(_) => Some(&mut left.crashes),
            Self::Delete(_) => Some(&mut left.deletions),
            Self::Wipe(_) => Some(&mut left.wipes),
            Self::Lose(_) => Some(&mut left.losses),
            Self::CrashSentinel(_, true) => Some(&mut left.sentinel_crashes),
            Self::CrashSentinel(_, false) => Some(&mut left.sentinel_wipes),
            Self::PowerCut(true) => Some(&mut left.power_cuts),
            Self::PowerCut(false) => Some(&mut left.blackouts),
            Self::DeleteRecord => Some(&mut left.record_deletions),
            Self::CutTail(_) => Some(&mut left.torn_tails),
            Self::Damage(_) => Some(&mut left.damages),
            Self::Step(_) | Self::StepReconcile => Some(&mut left.clock_steps),
            Self::ApiGoes => Some(&mut left.api_outages),
            _ => None,
        }
    }
}

/// All that may happen next.
pub fn enabled(setting: &Setting, state: &State, actions: &mut Vec<Action>) {
    for pod in pods() {
        of_pod(setting, state, pod, actions);
    }
    for one in sentinels().filter(|_| setting.has_sentinels) {
        of_sentinel(setting, state, one, actions);
    }
    if setting.protocol.reconciles {
        let look = state.reconcile.look;
        if look.is_complete(setting.others) {
            actions.push(Action::ReconcileActs);
        } else if reconcile::is_needed(setting, state) {
            reads(setting, state, setting.torn.reconcile, look.heard, [Action::ReconcilePasses, Action::ReconcileReads], actions);
        }
    }
    if time::some_master_is_down(state) {
        actions.push(Action::DownAfter);
    }
    if setting.has_grace && time::can_pass_grace(state) {
        actions.push(Action::Grace);
    }
    faults(state, actions);
}

/// To go on with a look, or to begin one: at once, or torn where this process may and not too many are.
fn reads(setting: &Setting, state: &State, may_tear: bool, heard: u8, [at_once, next]: [Action; 2], actions: &mut Vec<Action>) {
    if heard == 0 {
        actions.push(at_once);
    }
    if heard > 0 || may_tear && state.torn_looks() < setting.torn.at_once {
        actions.push(next);
    }
}

fn of_pod(setting: &Setting, state: &State, pod: Pod, actions: &mut Vec<Action>) {
    match state.pod(pod).phase {
        Phase::Gone => {
            if !state.is_api_away && (!setting.is_ordered || pod == 0 || is_ready(setting, state, pod - 1)) {
                actions.push(Action::Create(pod));
            }
        }
        Phase::Lost | Phase::Stranger => {}
        Phase::Down => actions.push(Action::Publish(pod)),
        Phase::Looking { look, last_resort_master, .. } => {
            reads(setting, state, setting.torn.pods, look.heard, [Action::Look(pod), Action::Read(pod)], actions);
            if last_resort_master.is_some() && !sentinel::may_fail_over(state) {
                actions.push(Action::Deadline(pod));
            }
            if time::can_wait(state, pod) {
                actions.push(Action::Wait(pod));
            }
            if time::can_ask(state, pod) {
                actions.push(Action::Ask(pod));
            }
        }
        Phase::Recorded { .. } => actions.push(Action::StartMarker(pod)),
        Phase::Checking { look, .. } => {
            reads(setting, state, setting.torn.pods, look.heard, [Action::Look(pod), Action::Read(pod)], actions);
        }
        Phase::Running(server) => {
            if copied(state, pod, server).is_some() {
                actions.push(Action::Sync(pod));
            }
            if reconcile::is_ready(setting, state, pod) {
                actions.push(Action::Ready(pod));
            }
            if setting.protocol.reconciles && reconcile::runs_unsaid(state, pod) {
                actions.push(Action::ExpireReport(pod));
            }
        }
    }
}

/// Whether a pod is ready, so that the next one is created.
fn is_ready(setting: &Setting, state: &State, pod: Pod) -> bool {
    match state.pod(pod).server() {
        None => false,
        Some(Server::Replica { link, .. }) => link == Link::Up || setting.protocol.is_ready_when_running,
        Some(Server::Master) => true,
    }
}

fn of_sentinel(setting: &Setting, state: &State, one: usize, actions: &mut Vec<Action>) {
    let this = &state.sentinels[one];
    if let Watching::Starting(look) = this.watching {
        reads(
            setting,
            state,
            setting.torn.sentinels,
            look.heard,
            [Action::SentinelLooks(one), Action::SentinelReads(one)],
            actions,
        );
        return;
    }
    actions.extend(sentinel::candidates(state, one).into_iter().map(|pod| Action::Elect(one, pod)));
    if state.faults.forced_failovers > 0 {
        actions.extend(sentinel::forced_candidates(setting, state, one).into_iter().map(|pod| Action::Force(one, pod)));
    }
    if this.failover().is_some() {
        actions.push(Action::Promote(one));
    }
    actions.extend(sentinels().filter(|to| sentinel::has_news(state, one, *to)).map(|to| Action::Hello(one, to)));
    actions.extend(pods().filter(|pod| sentinel::puts_right(state, one, *pod)).map(|pod| Action::PutRight(one, pod)));
    if reconcile::hook(setting, state, one).is_some() {
        actions.push(Action::Hook(one));
    }
}

fn faults(state: &State, actions: &mut Vec<Action>) {
    let Faults {
        crashes,
        deletions,
        wipes,
        losses,
        sentinel_crashes,
        sentinel_wipes,
        power_cuts,
        blackouts,
        record_deletions,
        writes,
        forced_failovers: _,
        torn_tails,
        damages,
        clock_steps,
        api_outages,
    } = state.faults;
    for pod in pods() {
        let phase = state.pod(pod).phase;
        let is_there = !matches!(phase, Phase::Gone | Phase::Lost | Phase::Stranger);
        let mut may = |left: u8, action| {
            if left > 0 && is_there {
                actions.push(action);
            }
        };
        may(crashes.min(u8::from(phase != Phase::Down)), Action::Crash(pod));
        may(deletions, Action::Delete(pod));
        may(wipes, Action::Wipe(pod));
        may(losses, Action::Lose(pod));
        let has_just_started = matches!(phase, Phase::Running(Server::Replica { link: Link::Never, .. }));
        let volume = state.pod(pod).volume;
        let may_be_damaged = phase == Phase::Down && volume.writes() > 0;
        may(damages.min(u8::from(may_be_damaged)), Action::Damage(pod));
        may(clock_steps, Action::Step(pod));
        may(torn_tails.min(u8::from(has_just_started)), Action::CutTail(pod));
        let is_the_only_master = state.pod(pod).is_master() && state.masters().count() == 1;
        may(writes.min(u8::from(is_the_only_master)), Action::Write(pod));
    }
    for one in sentinels() {
        let runs = state.sentinels[one].names().is_some();
        for (left, keeps_file) in [(sentinel_crashes, true), (sentinel_wipes, false)] {
            if left > 0 && runs {
                actions.push(Action::CrashSentinel(one, keeps_file));
            }
        }
    }
    if power_cuts > 0 {
        actions.push(Action::PowerCut(true));
    }
    if blackouts > 0 {
        actions.push(Action::PowerCut(false));
    }
    if clock_steps > 0 {
        actions.push(Action::StepReconcile);
    }
    if state.is_api_away {
        actions.push(Action::ApiReturns);
    } else if api_outages > 0 {
        actions.push(Action::ApiGoes);
    }
    if record_deletions > 0 && state.record.is_some() && !state.is_api_away {
        actions.push(Action::DeleteRecord);
    }
}

/// The volume of a replica after its next copy, where that changes anything.
fn copied(state: &State, pod: Pod, server: Server) -> Option<Volume> {
    let Server::Replica { of, link, .. } = server else { return None };
    let data = state.pod(of).volume.data;
    let is_news = link != Link::Up || data != state.pod(pod).volume.data;
    let answers_as_master = state.pod(of).is_master() || state.pod(of).phase == Phase::Stranger;
    (answers_as_master && is_news).then_some(Volume { data, cut_at: 0, ..state.pod(pod).volume })
}

/// Does it.
pub fn perform(setting: &Setting, state: &mut State, action: Action) {
    if let Some(left) = action.budget(&mut state.faults) {
        *left -= 1;
    }
    match action {
        Action::Publish(pod) => pod::publish(setting, state, pod),
        Action::Look(pod) => setting.order.iter().for_each(|_| pod::read(setting, state, pod)),
        Action::Read(pod) => pod::read(setting, state, pod),
        Action::StartMarker(pod) => {
            if let Phase::Recorded { intent, patience, is_current } = state.pod(pod).phase {
                pod::start_marker(setting, state, pod, intent, is_current, patience);
            }
        }
        Action::Deadline(pod) => {
            if let Phase::Looking { last_resort_master: Some(of), .. } = state.pod(pod).phase {
                pod::start_behind(setting, state, pod, of, false);
            }
        }
        Action::Create(pod) => state.become_(pod, Phase::Down),
        Action::SentinelLooks(one) => setting.others.iter().for_each(|_| sentinel::read(setting, state, one)),
        Action::SentinelReads(one) => sentinel::read(setting, state, one),
        Action::Elect(one, pod) => sentinel::elect(state, one, pod),
        Action::Force(one, pod) => sentinel::force(state, one, pod),
        Action::Promote(one) => sentinel::promote(state, one),
        Action::Hello(from, to) => sentinel::hello(state, from, to),
        Action::PutRight(one, pod) => sentinel::put_right(state, one, pod),
        Action::Hook(one) => {
            if let (Some(claim), Some(lease)) = (reconcile::hook(setting, state, one), state.record) {
                state.write_record(Some(verdict::moved(lease, claim)));
            }
        }
        Action::Sync(pod) => sync(state, pod),
        Action::Ready(pod) => reconcile::make_promotable(state, pod),
        Action::ReconcilePasses => {
            setting.others.iter().for_each(|_| reconcile::read(setting, state));
            if state.reconcile.look.is_complete(setting.others) {
                reconcile::act(setting, state);
            }
        }
        Action::ReconcileReads => reconcile::read(setting, state),
        Action::ReconcileActs => reconcile::act(setting, state),
        Action::DownAfter => time::pass_down_after(setting, state),
        Action::Wait(pod) => time::wait(setting, state, pod),
        Action::Ask(pod) => time::ask(setting, state, pod),
        Action::Grace => time::pass_grace(setting, state),
        Action::Write(pod) => write(state, pod),
        Action::Crash(pod) => fault::crash(state, pod),
        Action::Delete(pod) => fault::delete(state, pod),
        Action::Wipe(pod) => fault::wipe(state, pod),
        Action::Lose(pod) => fault::lose(state, pod),
        Action::CrashSentinel(one, keeps_file) => fault::crash_sentinel(state, one, keeps_file),
        Action::PowerCut(keeps_files) => fault::cut_power(state, keeps_files),
        Action::DeleteRecord => state.write_record(None),
        Action::ExpireReport(pod) => {
            if let Some(report) = &mut state.pod_mut(pod).report {
                report.has_started = true;
            }
        }
        Action::ApiGoes => {
            state.is_api_away = true;
            // What is written now is refused, as after a change.
            state.write_record(state.record);
        }
        Action::ApiReturns => state.is_api_away = false,
        Action::Damage(pod) => fault::damage(state, pod),
        Action::Step(pod) => fault::step_clock(setting, state, pod),
        Action::StepReconcile => state.reconcile.is_ahead = !state.reconcile.is_ahead,
        Action::CutTail(pod) => state.pod_mut(pod).volume.cut_at = 2 * state.clock + 1,
    }
}

fn sync(state: &mut State, pod: Pod) {
    let Some(volume) = state.pod(pod).server().and_then(|server| copied(state, pod, server)) else { return };
    let this = state.pod_mut(pod);
    this.volume = volume;
    if let Phase::Running(Server::Replica { link, .. }) = &mut this.phase {
        *link = Link::Up;
    }
}

fn write(state: &mut State, pod: Pod) {
    let bit = 1 << state.clock;
    state.clock += 1;
    state.protected |= bit;
    let writes = state.pod(pod).volume.writes() | bit;
    let time = state.clock;
    state.pod_mut(pod).volume.data = Some(Data { time, writes });
}
