//! `genconf-redis`: publish, look, decide, mark, check, start.

use crate::evidence::{Asker, first_report};
use crate::look::Look;
use crate::setting::Setting;
use crate::state::{Damage, Harm, Intent, Link, Patience, Phase, Pod, Server, State, Told, Volume, Watching};
use crate::verdict::{self, Be, Verdict};

/// Its container starts: it publishes what its disk holds.
pub fn publish(setting: &Setting, state: &mut State, pod: Pod) {
    tell(setting, state, pod);
    state.pod_mut(pod).phase = look_again(Patience::default());
}

/// It publishes what its disk holds, if the API server is there.
fn tell(setting: &Setting, state: &mut State, pod: Pod) {
    let run = state.fresh_run(pod);
    let is_api_away = state.is_api_away;
    let this = state.pod_mut(pod);
    this.has_told = !is_api_away;
    if is_api_away {
        return;
    }
    let age = this.volume.age(setting.protocol.dates_by_writes);
    this.report = Some(Told { is_ahead: this.is_ahead, ..first_report(this.report, run, age) });
    this.was_heard = true;
}

fn look_again(patience: Patience) -> Phase {
    Phase::Looking { look: Look::default(), patience, last_resort_master: None }
}

/// It reads its next source; after the last it decides and acts. What it could not tell of before, it tells of first.
pub fn read(setting: &Setting, state: &mut State, pod: Pod) {
    let is_first = matches!(state.pod(pod).phase, Phase::Looking { look: Look { heard: 0, .. }, .. });
    if is_first && !state.pod(pod).has_told {
        tell(setting, state, pod);
    }
    match state.pod(pod).phase {
        Phase::Looking { mut look, patience, .. } => {
            if look.read(setting.order, state) {
                let (verdict, patience) = decide(setting, state, pod, &look, patience);
                act(setting, state, pod, verdict, look.may_write(), patience);
            } else {
                state.pod_mut(pod).phase = Phase::Looking { look, patience, last_resort_master: None };
            }
        }
        Phase::Checking { mut look, patience, intent } => {
            if look.read(setting.order, state) {
                let (verdict, _) = decide(setting, state, pod, &look, patience);
                conclude(setting, state, pod, intent, verdict, &look);
            } else {
                state.pod_mut(pod).phase = Phase::Checking { look, patience, intent };
            }
        }
        _ => unreachable!("only who looks reads"),
    }
}

/// What a pod knows of itself.
pub fn asker(setting: &Setting, state: &State, pod: Pod, patience: Patience) -> Asker {
    let this = state.pod(pod);
    // It has read its disk before it told of it.
    let age = this.volume.age(setting.protocol.dates_by_writes);
    let report = this.report.filter(|_| this.has_told);
    Asker::Pod {
        me: pod,
        is_stamped: this.volume.is_stamped,
        is_damaged: this.volume.damage == Damage::Found,
        report: report.unwrap_or_else(|| first_report(this.report, u8::MAX, age)),
        has_told: this.has_told,
        is_ahead: this.is_ahead,
        // Whether a failover could come is seen in each look.
        patience: Patience { could_come: false, ..patience },
    }
}

/// A failover that has just become possible is waited for anew.
fn decide(setting: &Setting, state: &State, pod: Pod, look: &Look, patience: Patience) -> (Verdict, Patience) {
    let by = |patience| verdict::decide(setting, asker(setting, state, pod, patience), look);
    let patience = if setting.protocol.waits_anew { patience.after(by(patience).could_come) } else { patience };
    (by(patience), patience)
}

/// Acts upon a first look.
fn act(setting: &Setting, state: &mut State, pod: Pod, verdict: Verdict, may_write: bool, patience: Patience) {
    let Some(intent) = intent(verdict) else {
        match verdict.be {
            Be::Behind(claim) if put_record(state, &verdict, may_write) => start_behind(setting, state, pod, claim.master, false),
            Be::Behind(_) => state.pod_mut(pod).phase = look_again(patience),
            Be::Undecided | Be::Master(_) => {
                let last_resort_master = verdict.last_resort_master.filter(|_| setting.protocol.starts_at_last);
                state.pod_mut(pod).phase = Phase::Looking { look: Look::default(), patience, last_resort_master };
            }
        }
        return;
    };
    if verdict.record.is_none() {
        start_marker(setting, state, pod, intent, may_write, patience);
    } else if put_record(state, &verdict, may_write) {
        state.pod_mut(pod).phase = Phase::Recorded { intent, patience, is_current: true };
    } else {
        state.pod_mut(pod).phase = look_again(patience);
    }
}

/// What must be marked and checked before it is done.
fn intent(verdict: Verdict) -> Option<Intent> {
    match verdict.be {
        Be::Master(claim) => Some(Intent { claim, leads: true }),
        Be::Behind(claim) if verdict.is_promotable => Some(Intent { claim, leads: false }),
        Be::Behind(_) | Be::Undecided => None,
    }
}

/// Creates the record, or moves it; whether nobody else has changed it since it was read.
pub fn put_record(state: &mut State, verdict: &Verdict, may_write: bool) -> bool {
    let Some(claim) = verdict.record else { return true };
    if may_write {
        let lease =
            state.record.map_or_else(|| verdict::created(claim, verdict.is_first_boot), |lease| verdict::moved(lease, claim));
        state.write_record(Some(lease));
    }
    may_write
}

fn is_fenced_by_marks(setting: &Setting, state: &State) -> bool {
    setting.protocol.marks && (setting.protocol.leads_by_the_record || !state.is_api_away)
}

/// It marks the record, if nobody else has changed it since it was read.
pub fn start_marker(setting: &Setting, state: &mut State, pod: Pod, intent: Intent, may_write: bool, patience: Patience) {
    state.pod_mut(pod).volume.is_stamped = true;
    if is_fenced_by_marks(setting, state) {
        let told = state.pod(pod).report.filter(|_| state.pod(pod).has_told);
        let (Some(lease), Some(Told { run, .. })) = (state.record.filter(|_| may_write), told) else {
            state.pod_mut(pod).phase = look_again(patience);
            return;
        };
        state.write_record(Some(verdict::marked(lease, pod, run, state.pod(pod).is_ahead)));
    }
    if setting.protocol.checks {
        let look = Look::default();
        state.pod_mut(pod).phase = Phase::Checking { look, patience, intent };
    } else {
        start(setting, state, pod, intent);
    }
}

/// Acts upon the look after the mark: whoever does not start then begins anew.
fn conclude(setting: &Setting, state: &mut State, pod: Pod, wanted: Intent, verdict: Verdict, look: &Look) {
    let is_marked = |lease| state.pod(pod).report.is_some_and(|told| verdict::has_start_marker_of(lease, pod, told.run));
    let is_fenced = is_fenced_by_marks(setting, state) && !look.record.is_some_and(is_marked);
    let is_as_wanted = intent(verdict) == Some(wanted) && verdict.record.is_none();
    if is_as_wanted && !is_fenced && !look.is_overtaken {
        start(setting, state, pod, wanted);
    } else {
        publish(setting, state, pod);
    }
}

fn start(setting: &Setting, state: &mut State, pod: Pod, intent: Intent) {
    if intent.leads {
        start_master(setting, state, pod);
    } else {
        start_behind(setting, state, pod, intent.claim.master, true);
    }
}

fn start_master(setting: &Setting, state: &mut State, pod: Pod) {
    if state.masters().next().is_some() {
        state.harm = Some(Harm::StartedBeside(pod));
    }
    for sentinel in &mut state.sentinels {
        if let Watching::Running { failover: Some(failover), .. } = &mut sentinel.watching {
            failover.is_crossed = true;
        }
    }
    run(setting, state, pod, Server::Master);
}

/// Its Redis starts as a replica.
pub fn start_behind(setting: &Setting, state: &mut State, pod: Pod, of: Pod, is_promotable: bool) {
    let volume = &mut state.pod_mut(pod).volume;
    if volume.damage == Damage::Found {
        // What cannot be loaded is set aside, and the stamp with it.
        *volume = Volume::default();
    }
    run(setting, state, pod, Server::Replica { of, link: Link::Never, is_promotable });
}

fn run(setting: &Setting, state: &mut State, pod: Pod, server: Server) {
    let is_api_away = state.is_api_away;
    let this = state.pod_mut(pod);
    let can_say_so = this.has_told && !is_api_away;
    let is_damaged = this.volume.damage == Damage::Hidden;
    this.volume.is_stamped = true;
    if let Some(report) = this.report.as_mut().filter(|_| can_say_so) {
        report.has_started = true;
    }
    this.was_heard = true;
    if is_damaged {
        // Three runs are one here; after them the server's own check tells.
        this.volume.damage = if setting.protocol.finds_damage { Damage::Found } else { Damage::Hidden };
        state.become_(pod, Phase::Down);
    } else {
        state.become_(pod, Phase::Running(server));
    }
}
