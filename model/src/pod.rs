//! `genconf-redis`: publish, look, decide, mark, check, start.

use crate::evidence::{Asker, first_word};
use crate::look::Look;
use crate::setting::Setting;
use crate::state::{Damage, Harm, Intent, Link, Patience, Phase, Pod, Server, State, Told, Volume, Watching};
use crate::verdict::{self, Be, Verdict};

/// Its container starts: it publishes what its disk holds.
pub fn publish(setting: &Setting, state: &mut State, pod: Pod) {
    let run = state.fresh_run(pod);
    let this = state.pod_mut(pod);
    let age = this.volume.age(setting.protocol.dates_by_writes);
    this.word = Some(Told { is_ahead: this.is_ahead, ..first_word(this.word, run, age) });
    this.was_heard = true;
    this.phase = look_again(Patience::default());
}

fn look_again(patience: Patience) -> Phase {
    Phase::Looking { look: Look::default(), patience, at_last: None }
}

/// It reads its next source; after the last it decides and acts.
pub fn read(setting: &Setting, state: &mut State, pod: Pod) {
    match state.pod(pod).phase {
        Phase::Looking { mut look, patience, .. } => {
            if look.read(setting.order, state) {
                let (verdict, patience) = decide(setting, state, pod, &look, patience);
                act(setting, state, pod, verdict, look.may_write(), patience);
            } else {
                state.pod_mut(pod).phase = Phase::Looking { look, patience, at_last: None };
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
pub fn asker(state: &State, pod: Pod, patience: Patience) -> Asker {
    let this = state.pod(pod);
    Asker::Pod {
        me: pod,
        is_stamped: this.volume.is_stamped,
        is_damaged: this.volume.damage == Damage::Found,
        word: this.word.expect("it has published"),
        is_ahead: this.is_ahead,
        has_waited: patience.has_waited,
    }
}

/// A failover that has just become possible is waited for anew.
fn decide(setting: &Setting, state: &State, pod: Pod, look: &Look, patience: Patience) -> (Verdict, Patience) {
    let by = |patience| verdict::decide(setting, asker(state, pod, patience), look);
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
                let at_last = verdict.at_last.filter(|_| setting.protocol.starts_at_last);
                state.pod_mut(pod).phase = Phase::Looking { look: Look::default(), patience, at_last };
            }
        }
        return;
    };
    if verdict.record.is_none() {
        mark(setting, state, pod, intent, may_write, patience);
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
        Be::Behind(claim) if verdict.is_electable => Some(Intent { claim, leads: false }),
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

/// It marks the record, if nobody else has changed it since it was read.
pub fn mark(setting: &Setting, state: &mut State, pod: Pod, intent: Intent, may_write: bool, patience: Patience) {
    let run = state.pod(pod).word.expect("it has published").run;
    state.pod_mut(pod).volume.is_stamped = true;
    if setting.protocol.marks {
        let Some(lease) = state.record.filter(|_| may_write) else {
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
    let run = state.pod(pod).word.expect("it has published").run;
    let is_fenced = setting.protocol.marks && !look.record.is_some_and(|lease| verdict::is_marked_by(lease, pod, run));
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
pub fn start_behind(setting: &Setting, state: &mut State, pod: Pod, of: Pod, is_electable: bool) {
    let volume = &mut state.pod_mut(pod).volume;
    if volume.damage == Damage::Found {
        // What cannot be loaded is set aside, and the stamp with it.
        *volume = Volume::default();
    }
    run(setting, state, pod, Server::Replica { of, link: Link::Never, is_electable });
}

fn run(setting: &Setting, state: &mut State, pod: Pod, server: Server) {
    let this = state.pod_mut(pod);
    let is_damaged = this.volume.damage == Damage::Hidden;
    this.volume.is_stamped = true;
    if let Some(word) = &mut this.word {
        word.has_started = true;
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
