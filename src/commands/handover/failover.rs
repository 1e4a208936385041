//! One failover by one Sentinel, of which nothing is left where it fails.
//!
//! While it goes on, writes are held back: what is written here after another was promoted is lost. They are held
//! back as long as it comes nearer to its end, which is whenever the Sentinel says that it has begun, or a replica
//! answers as master. Where nothing comes for two seconds:
//! - A replica is the master: it has all writes, so this one follows it, whether or not Sentinel has said so.
//! - None is: the failover is called off, and the writes go on. The Sentinel forgets it (`SENTINEL RESET`, after
//!   which it finds the replicas anew within ten seconds); a replica that it has made a master, or that is silent,
//!   gets the command to follow this master again. Both are sent to who is silent, too: a process that stands still reads
//!   them, when it goes on, right after what was said to it before, and before it does the next thing.
//!
//! What remains: a Sentinel that no packet reaches, and that comes back within its failover-timeout, or that speaks
//! TLS, which nobody can who stands still, may promote a replica after that. So the replicas are watched until the
//! Sentinel is heard again, and whichever is promoted is followed at once: what was written in the hundredths of a
//! second in between is lost. Another Sentinel is asked only after the first has said that nothing goes on there.

use std::time::Duration;

use anyhow::{Result, bail};
use futures::future::join_all;
use tokio::time::{Instant, sleep, sleep_until};
use tracing::{info, warn};

use super::begun::Request;
use super::{Leaving, PACE, PAUSE, Pod, soon};
use crate::core::evidence::{Evidence, Failure, Replica, Role, SentinelAnswer};
use crate::core::handover::{Outcome, Stage, Standing, Verdict, judge, outcome};
use crate::core::identity::{Endpoint, PodName};
use crate::edge::sentinel::FailoverReply;
use crate::edge::wire::Target;
use crate::edge::{redis, sentinel};
use crate::steps::context::in_time;
use crate::steps::observe::Observer;
use crate::steps::retry::blame;

/// How long before the pause the label is taken away, so that the second is over when the other is labelled.
const AHEAD: Duration = Duration::from_millis(200);
/// Between two tries to call a failover off.
const AGAIN: Duration = Duration::from_millis(200);

/// What a failover needs.
pub(super) struct FailoverPlan {
    /// The Sentinel that is asked.
    pub at: Endpoint,
    pub sentinel: Target,
    /// The replicas that must have every write.
    pub candidates: Vec<(PodName, Target)>,
    /// The same, and under which name each follows this master.
    pub links: Vec<(Target, Endpoint)>,
    /// The replica that is to be promoted.
    pub candidate: Endpoint,
    /// The replicas that are not to be promoted, and the state of each before.
    pub other_replicas: Vec<(Target, Replica)>,
    /// After how long a failover would take less time.
    pub wait: Duration,
    /// A replica of this master that the Sentinel could not have follow the new master.
    pub unheard: Option<PodName>,
}

/// How a failover ended.
enum End {
    /// This server is the master now.
    Promoted(Endpoint),
    /// It has ended with this master in its place, by itself or because it was called off.
    Over { was_called_off: bool },
    /// The Sentinel that was asked is gone before it has promoted anyone.
    Lost,
    /// Not yet: what is written here now could be lost.
    Open,
}

/// How an attempt ended.
pub(super) enum Attempt {
    /// This server is the master now.
    Promoted(Endpoint),
    /// Nothing has begun, or it has ended with this master in its place; writes go on.
    Failed(String),
}

impl Leaving<'_> {
    /// One failover, of which nothing is left where it fails.
    pub(super) async fn attempt(&mut self, evidence: &Evidence, plan: &FailoverPlan, deadline: Instant) -> Result<Attempt> {
        let (pod, me) = (self.pod, self.pod.me);
        info!("{me} asks the Sentinel {} to replace {me}, by {} if possible", plan.at, plan.candidate);
        self.begun.is_label_touched = true;
        self.begun.unlabelled = pod.take_label_off().await;
        self.begun.aside.clone_from(&plan.other_replicas);
        // Where that cannot be, it takes a second more.
        pod.prioritise(&plan.other_replicas, |_| 0).await;
        if let Some(since) = self.begun.unlabelled {
            sleep_until(since + AHEAD).await;
        }
        let attempt = self.fail_over(evidence, plan, deadline).await;
        // What this leaves undone reconcile does.
        pod.prioritise(&plan.other_replicas, |before| before.priority).await;
        self.begun.aside.clear();
        if !matches!(attempt, Ok(Attempt::Promoted(_))) {
            pod.be_labelled(deadline).await;
            self.begun.is_label_touched = false;
        }
        attempt
    }

    /// By the servers' own means where the Sentinel has them, else with the writes paused here.
    async fn fail_over(&mut self, evidence: &Evidence, plan: &FailoverPlan, deadline: Instant) -> Result<Attempt> {
        let asked = match self.ask(evidence, plan, true).await {
            Ok(FailoverReply::NotKnown) => match self.pause_and_ask(evidence, plan).await {
                Ok(asked) => asked,
                Err(obstacle) => return self.fail(obstacle).await,
            },
            Ok(asked) => asked,
            Err(failure @ Failure::NotAllowed(_)) => return Err(blame(&format!("the Sentinel {}", plan.at), failure)),
            Err(failure) => may_have_begun(&failure),
        };
        if let FailoverReply::Refused(why) = asked {
            return self.fail(format!("the Sentinel {} refuses a failover: {why}", plan.at)).await;
        }
        let (me, FailoverPlan { at, .. }) = (self.pod.me, plan);
        match self.await_end(evidence, plan, deadline).await {
            End::Promoted(new) => {
                self.begun.promoted = Some(new.clone());
                Ok(Attempt::Promoted(new))
            }
            End::Over { was_called_off: false } => {
                self.fail(format!("the failover that the Sentinel {at} began has promoted no replica")).await
            }
            End::Over { was_called_off: true } => {
                self.begun.stalled.push(at.clone());
                self.fail(format!("the failover of the Sentinel {at} made no progress, and was called off")).await
            }
            End::Lost => {
                self.begun.asked = None;
                self.write_again().await;
                bail!(
                    "{me} is still the master, and writes go on here: the Sentinel {at} that was asked for a failover is gone, and no other is asked"
                )
            }
            End::Open => {
                self.begun.asked = None;
                self.write_again().await;
                bail!(
                    "{me} is still the master, and writes go on here: the failover of the Sentinel {at} is not over, and may yet replace {me}"
                )
            }
        }
    }

    /// Asks for the failover. Unless nothing listens there, silence may mean that it has begun.
    async fn ask(&mut self, evidence: &Evidence, plan: &FailoverPlan, is_coordinated: bool) -> Result<FailoverReply, Failure> {
        let Observer { group_config, credentials, .. } = self.pod.observer;
        let watch = evidence.watches().find(|(at, _)| **at == plan.at);
        self.begun.asked = watch.map(|(_, watch)| Request {
            sentinel: plan.sentinel.clone(),
            master: watch.master.clone(),
            links: plan.links.clone(),
            is_coordinated,
            since: Instant::now(),
        });
        in_time(sentinel::fail_over(&plan.sentinel, &credentials.sentinel, &group_config.group, is_coordinated)).await
    }

    async fn pause_and_ask(&mut self, evidence: &Evidence, plan: &FailoverPlan) -> Result<FailoverReply, String> {
        self.begun.asked = None;
        self.hold_until_caught_up(&plan.candidates).await?;
        Ok(self.ask(evidence, plan, false).await.unwrap_or_else(|failure| may_have_begun(&failure)))
    }

    /// Waits for the end of the failover, the writes held back while it makes progress.
    async fn await_end(&mut self, evidence: &Evidence, plan: &FailoverPlan, deadline: Instant) -> End {
        let (pod, limit) = (self.pod, self.pod.limit());
        let is_me = |at: &Endpoint| evidence.member_at(&at.host) == Some(pod.me);
        let asked = self.begun.asked.as_ref().map_or_else(Instant::now, |request| request.since);
        let (mut stage, mut progress) = (Stage::Asked, asked);
        let (mut is_held, mut was_called_off, mut renewed) = (true, false, Instant::now());
        // Who was last seen or said to lead instead.
        let mut successor = None;
        loop {
            let (answer, promoted) = tokio::join!(pod.view(&plan.sentinel), pod.promoted_of(&plan.links));
            let standing = Standing::of(&answer);
            match outcome(answer.as_ref().ok(), is_me) {
                // It is believed when that one says so, too.
                Outcome::Promoted(new) if pod.leads(&new).await => return End::Promoted(new),
                Outcome::Ended => {
                    if promoted.is_some() {
                        pod.take_back(&plan.links).await;
                    }
                    return End::Over { was_called_off };
                }
                Outcome::Pending if standing != Standing::Answers => {
                    // The other Sentinels know what this Sentinel has announced.
                    if let Some(new) = pod.announced(evidence, &plan.at).await {
                        return End::Promoted(new);
                    }
                }
                // A Sentinel that has announced it does not go back: nothing is called off.
                Outcome::Promoted(new) => successor = Some(new),
                Outcome::Pending => {}
            }
            successor = promoted.clone().or(successor);
            let seen = Stage::seen(successor.is_some(), standing);
            if seen > stage {
                (stage, progress) = (seen, Instant::now());
            }
            match judge(stage, standing, is_held, progress.elapsed(), limit) {
                Verdict::Wait => {}
                Verdict::Follow => return self.follow_unsaid(successor.unwrap_or_else(|| plan.candidate.clone()), is_held),
                Verdict::Abandon => return End::Lost,
                Verdict::CallOff => {
                    was_called_off = true;
                    self.call_off().await;
                    if std::mem::take(&mut is_held) {
                        self.write_again().await;
                        info!("the Sentinel {} makes no progress with the failover of {}: it is called off", plan.at, pod.me);
                    } else {
                        sleep(AGAIN).await;
                    }
                }
            }
            if Instant::now() >= deadline {
                return End::Open;
            }
            if is_held && self.begun.paused.is_some() && renewed.elapsed() > PAUSE / 8 {
                renewed = Instant::now();
                if let Err(failure) = soon(self.master.pause(PAUSE)).await {
                    warn!("the writes of {} could not be paused for longer: {failure}", pod.me);
                    if let Some(new) = promoted {
                        // What it hears first when it goes on is whom it follows.
                        return End::Promoted(new);
                    }
                }
            }
            sleep(PACE).await;
        }
    }

    /// A replica was promoted, and no Sentinel says so yet.
    fn follow_unsaid(&mut self, new: Endpoint, is_held: bool) -> End {
        let me = self.pod.me;
        if !is_held {
            warn!("{new} was promoted after the writes of {me} had gone on: the writes since then may be lost");
            self.begun.paused = Some(Instant::now());
        }
        End::Promoted(new)
    }

    async fn call_off(&mut self) {
        if let Some(request) = &self.begun.asked {
            self.pod.call_off(request).await;
        }
    }

    async fn fail(&mut self, why: String) -> Result<Attempt> {
        self.begun.asked = None;
        self.write_again().await;
        Ok(Attempt::Failed(why))
    }
}

impl Pod<'_> {
    /// A Sentinel's view of the group.
    pub(super) async fn view(self, sentinel: &Target) -> Result<SentinelAnswer, Failure> {
        let Observer { group_config, credentials, .. } = self.observer;
        soon(sentinel::view(sentinel, &credentials.sentinel, &group_config.group)).await
    }

    async fn leads(self, at: &Endpoint) -> bool {
        let Observer { clients, credentials, .. } = self.observer;
        let role = clients.ask(at, async |target| redis::role(target, &credentials.redis).await);
        soon(role).await == Ok(Role::Master)
    }

    /// Which of the replicas answers as master.
    pub(super) async fn promoted_of(self, links: &[(Target, Endpoint)]) -> Option<Endpoint> {
        let login = &self.observer.credentials.redis;
        let roles = links.iter().map(async |(target, _)| (target, soon(redis::role(target, login)).await));
        let is_master = |(target, role): (&Target, _)| {
            (role == Ok(Role::Master)).then(|| Endpoint { host: target.name.clone(), port: target.port })
        };
        join_all(roles).await.into_iter().find_map(is_master)
    }

    /// Another master that lives, by what another Sentinel says. Until this one is demoted, two answer as master.
    async fn announced(self, evidence: &Evidence, asked: &Endpoint) -> Option<Endpoint> {
        let Observer { clients, .. } = self.observer;
        let others = evidence.sentinels.iter().map(|sentinel| &sentinel.at).filter(|at| *at != asked);
        let views = others.map(async |at| self.view(&soon(clients.target(at)).await?).await);
        for view in join_all(views).await {
            let Ok(SentinelAnswer::Watching(watch)) = view else { continue };
            let is_other = evidence.member_at(&watch.master.host).is_some_and(|pod| pod != self.me);
            if is_other && self.leads(&watch.master).await {
                return Some(watch.master);
            }
        }
        None
    }

    /// Ends a failover that has promoted nobody whom this pod has heard of. Returns whether the Sentinel said so.
    pub(super) async fn call_off(self, request: &Request) -> bool {
        let Observer { group_config, credentials, .. } = self.observer;
        let Request { sentinel, links, is_coordinated, .. } = request;
        let is_forgotten = soon(sentinel::forget_replicas(sentinel, &credentials.sentinel, &group_config.group)).await.is_ok();
        if *is_coordinated {
            // Where none goes on, it says so.
            let _ = soon(redis::abort_failover(self.own, &credentials.redis)).await;
        }
        self.take_back(links).await;
        is_forgotten
    }

    /// Has each replica that answers as master, or does not answer, follow this master again.
    async fn take_back(self, links: &[(Target, Endpoint)]) {
        let login = &self.observer.credentials.redis;
        join_all(links.iter().map(async |(target, me)| {
            if !matches!(soon(redis::role(target, login)).await, Ok(Role::Replica(_)))
                && soon(redis::follow(target, login, me)).await.is_ok()
            {
                let replica = &target.name;
                warn!("{replica} was to lead by a failover that has ended without a new master: {replica} follows {me} again");
            }
        }))
        .await;
    }

    /// Sets the priority of each other replica, if it is still the same server: Sentinel promotes no replica with 0.
    pub(super) async fn prioritise(self, other_replicas: &[(Target, Replica)], priority: fn(&Replica) -> u32) {
        let login = &self.observer.credentials.redis;
        let given = other_replicas.iter().map(async |(target, before)| {
            let is_same = |role: &Role| matches!(role, Role::Replica(now) if now.run == before.run);
            in_time(redis::set_priority(target, login, priority(before), is_same)).await
        });
        for failure in join_all(given).await.into_iter().filter_map(Result::err) {
            warn!("the priority of a replica is not changed: {failure}");
        }
    }
}

/// What was not answered may have begun, unless nothing listens there.
fn may_have_begun(failure: &Failure) -> FailoverReply {
    match failure {
        Failure::Refused | Failure::NoSuchHost | Failure::NotAllowed(_) | Failure::NotASentinel => {
            FailoverReply::Refused(failure.to_string())
        }
        _ => FailoverReply::Begun,
    }
}
