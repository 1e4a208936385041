//! `handover`: the preStop of a Redis pod. If this pod is the master, another pod becomes the master before this pod
//! stops, and no acknowledged write is lost.
//!
//! Wait until a replica is fit and a Sentinel knows it; pause the writes; wait until whoever could be
//! promoted has them all; ask one Sentinel for one failover ([`failover`]); once that names another, become its
//! replica; wait until it is labelled ([`leaving`]). Where it fails, the writes go on here.
//!
//! Its own label goes right before the pause begins: kube-proxy follows a Service once a second at most, and
//! else follows the new label a second after it has followed the loss of the old one. The clients that are held
//! back are sent away when it has: where a Service has no endpoint, the kernel refuses some connections and lets
//! the others wait.
//!
//! A Sentinel of Valkey 9 is asked for a coordinated failover: then the servers do the middle part.
//!
//! Without Sentinels nobody else becomes the master: the writes are paused, and every replica has them all
//! before this one stops ([`deliver`]).
//!
//! At SIGTERM what was begun is undone ([`begun`]).

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use anyhow::{Result, bail};
use futures::future::{join_all, try_join_all};
use tokio::time::{Instant, sleep, sleep_until, timeout};
use tracing::{info, warn};

use self::begun::Begun;
use self::failover::{Attempt, FailoverPlan};
use super::{BACKSTOP, Next};
use crate::cli::Handover;
use crate::core::evidence::{Evidence, Failure, Link, Reply, Role};
use crate::core::handover::{Step, candidates, other_replicas, step, timing, unheard};
use crate::core::identity::{Endpoint, PodName};
use crate::edge::redis::Master;
use crate::edge::wire::Target;
use crate::edge::{redis, sentinel};
use crate::signals::Signals;
use crate::steps::context::{Clients, Credentials, GroupConfig, KubernetesMode, SentinelSet, in_time, own_group, own_pod};
use crate::steps::decide::give_up_if_no_member;
use crate::steps::news::News;
use crate::steps::observe::Observer;
use crate::steps::retry::{Backoff, blame};

mod begun;
mod deliver;
mod failover;
mod leaving;

/// For how long the server holds writes back if nothing more is said: said again at each look, so that the pause
/// outlasts a moment without a processor, and ends by itself where this program does.
const PAUSE: Duration = Duration::from_secs(2);
/// For how long writes are held back at most while nothing comes nearer to its end.
const HELD: Duration = Duration::from_secs(2);
/// How long a replica may take to catch up, first without a pause, then with one.
const CATCH_UP: Duration = Duration::from_secs(1);
/// Less than that before the deadline, nothing is begun.
const ENOUGH: Duration = Duration::from_secs(3);
/// How long the moment is waited for in which a failover takes the least time, and the Sentinel has a way to all
/// replicas: until it has asked twice, for a replica that has just started is known to it after the first time.
const TIMELY: Duration = Duration::from_secs(20);
/// Between two questions to a replica that lacks writes: no replica reports by itself. (`WAIT` would, but
/// newer servers count only what its own connection has written.)
const PACE: Duration = Duration::from_millis(10);
/// How long one answer is waited for while writes are held back: who is silent is asked again.
const SOON: Duration = Duration::from_millis(300);
/// How long after its own start the label is taken away at the earliest: the deletion, which is why it was started,
/// has changed the endpoints as well.
const SETTLED: Duration = Duration::from_millis(1200);

/// An answer, a failure, or silence, while writes are held back.
async fn soon<T>(ask: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    timeout(SOON, ask).await.unwrap_or(Err(Failure::TimedOut))
}

/// What a run needs.
struct Ready {
    me: PodName,
    clients: Clients,
    sentinel_set: SentinelSet,
    group_config: GroupConfig,
    credentials: Credentials,
    own: Target,
    is_dry_run: bool,
}

pub async fn run(args: Handover, signals: &mut Signals) -> Result<Next> {
    let deadline = Instant::now() + args.deadline;
    let ready = tokio::select! {
        ready = prepare(args) => ready?,
        by = signals.next() => bail!("stopped by {by}: nothing was begun"),
    };
    let Ready { me, clients, sentinel_set, group_config, credentials, own, is_dry_run } = &ready;
    if *is_dry_run && matches!(clients.ground, KubernetesMode::Nowhere) {
        info!("{me} would hand over to a replica, if it is the master");
        return Ok(Next::Exit);
    }
    let observer = Observer::new(clients, group_config, sentinel_set, credentials);
    let pod = Pod { me, observer: &observer, own };
    let mut begun = Begun::default();
    let why = tokio::select! {
        ended = hand_over(pod, &mut begun, *is_dry_run, deadline) => return ended,
        // A step did not notice that its time was over.
        () = sleep_until(deadline + BACKSTOP) => "not done by its deadline".to_owned(),
        by = signals.next() => format!("stopped by {by}"),
    };
    // The work was dropped where it was, and `begun` says what it had begun.
    bail!("{why}: {}", begun.undo(pod).await)
}

async fn prepare(args: Handover) -> Result<Ready> {
    let Handover { group, pod, members, sentinels, labels, secrets, run, deadline: _ } = args;
    let me = own_pod(&pod)?;
    let group = own_group(group, &members, &me)?;
    let credentials = Credentials::read(&secrets).await?;
    let clients = Clients::open(&run, &pod).await?;
    let sentinel_set = SentinelSet::new(&clients, &sentinels)?;
    // The others' view of the group, in which this pod is one of them.
    let mut group_config = GroupConfig::new(&clients, group, Some(me.clone()), &pod, &members, &labels)?;
    let ip = pod.pod_ip.unwrap_or(IpAddr::V4(Ipv4Addr::LOCALHOST));
    let own = group_config.target(&me, vec![ip]);
    group_config.me = None;
    Ok(Ready { me, clients, sentinel_set, group_config, credentials, own, is_dry_run: run.dry_run })
}

/// Looks, waits and hands over, until the deadline.
async fn hand_over(pod: Pod<'_>, begun: &mut Begun, is_dry_run: bool, deadline: Instant) -> Result<Next> {
    let Pod { me, observer, .. } = pod;
    let mut backoff = Backoff::new();
    let mut news = News::default();
    let mut logged = String::new();
    let started = Instant::now();
    loop {
        let is_late = is_dry_run || Instant::now() + ENOUGH >= deadline;
        let (master, role) = match in_time(Master::connect(pod.own, &observer.credentials.redis)).await {
            Err(Failure::Refused) => return Ok(nothing(me, "no Redis runs here")),
            // It may stand still for a moment only.
            Err(failure @ (Failure::TimedOut | Failure::Unreachable(_))) if !is_late => {
                log_obstacle(me, &mut logged, format!("its own Redis: {failure}"));
                sleep(backoff.next()).await;
                continue;
            }
            answer => answer.map_err(|failure| blame(&format!("the Redis of {me}"), failure))?,
        };
        if let Role::Replica(replica) = role {
            return Ok(nothing(me, &format!("it is a replica of {}", replica.of)));
        }
        let mut leaving = Leaving { pod, master, begun };
        let (evidence, in_tilt) = pod.look(deadline).await;
        give_up_if_no_member(observer, me, &evidence, is_dry_run)?;
        if observer.sentinel_set.is_unnamed() {
            return leaving.deliver(evidence, is_dry_run, deadline).await;
        }
        let obstacle = match step(&evidence, me, &in_tilt, &leaving.begun.stalled) {
            Step::Nothing(why) => return Ok(nothing(me, &why)),
            Step::Wait(why) => why,
            Step::Ask(at) => match leaving.try_by(&evidence, at, started, is_dry_run, deadline).await? {
                Tried::Done => return Ok(Next::Exit),
                Tried::Again => continue,
                Tried::Not(why) => why,
            },
        };
        if is_dry_run || Instant::now() + ENOUGH >= deadline {
            bail!("{me} is still the master, and writes go on here: {obstacle}");
        }
        log_obstacle(me, &mut logged, obstacle);
        news.wait(observer, &evidence, backoff.next(), deadline).await;
    }
}

fn nothing(me: &PodName, why: &str) -> Next {
    info!("{me} has nothing to hand over: {why}");
    Next::Exit
}

/// Logs an obstacle once.
fn log_obstacle(me: &PodName, logged: &mut String, obstacle: String) {
    if *logged != obstacle {
        info!("{me} waits to hand over: {obstacle}");
        *logged = obstacle;
    }
}

/// This pod, and how the others are asked.
#[derive(Clone, Copy)]
struct Pod<'a> {
    me: &'a PodName,
    observer: &'a Observer<'a>,
    own: &'a Target,
}

/// A master that is about to stop.
struct Leaving<'a> {
    pod: Pod<'a>,
    master: Master,
    begun: &'a mut Begun,
}

/// How one try ended.
enum Tried {
    /// Another pod is the master.
    Done,
    /// The moment has come that the handover waited for.
    Again,
    /// This is in the way.
    Not(String),
}

impl Pod<'_> {
    /// Looks, and waits for the answers of every Redis and every Sentinel: a Sentinel that is failing over already must be
    /// heard. Also returns which Sentinels are in TILT.
    async fn look(self, deadline: Instant) -> (Evidence, Vec<Endpoint>) {
        let Observer { clients, group_config, credentials, .. } = self.observer;
        let mut evidence = self.observer.observe_peers(deadline).await;
        // Sentinels that name this pod by its address mean it, whether or not the API server or DNS still has it.
        if let (Some(own), Some(ip)) = (evidence.peers.iter_mut().find(|peer| peer.pod == *self.me), group_config.my_ip) {
            own.ips.push(ip);
        }
        join_all(evidence.sentinels.iter_mut().filter(|sentinel| sentinel.heard == Reply::Pending).map(async |sentinel| {
            let view = async |target: &Target| sentinel::view(target, &credentials.sentinel, &group_config.group).await;
            sentinel.heard = clients.ask(&sentinel.at, view).await.into();
        }))
        .await;
        let tilts = evidence.watches().map(async |(at, _)| {
            let is_in_tilt = clients.ask(at, async |target| sentinel::is_in_tilt(target, &credentials.sentinel).await).await;
            (is_in_tilt == Ok(true)).then(|| at.clone())
        });
        let in_tilt = join_all(tilts).await.into_iter().flatten().collect();
        (evidence, in_tilt)
    }
}

impl Leaving<'_> {
    /// Has this Sentinel replace this master, where it can be done now.
    async fn try_by(
        &mut self,
        evidence: &Evidence,
        at: Endpoint,
        started: Instant,
        is_dry_run: bool,
        deadline: Instant,
    ) -> Result<Tried> {
        // Two thirds of what is left, at most.
        let timely = started + TIMELY.min((deadline - started) * 2 / 3);
        let plan = match self.plan(evidence, at, SETTLED.saturating_sub(started.elapsed())).await {
            Ok(plan) => plan,
            Err(obstacle) => return Ok(Tried::Not(obstacle)),
        };
        if is_dry_run {
            info!("{} would have the Sentinel {} replace it", self.pod.me, plan.at);
            return Ok(Tried::Done);
        }
        // Whatever begins must have the time to end.
        if Instant::now() + ENOUGH >= deadline {
            return Ok(Tried::Not("the deadline is too near to begin".to_owned()));
        }
        let FailoverPlan { at, unheard, wait, .. } = &plan;
        // For a while: what never is the right moment is not waited for.
        if let Some(pod) = unheard
            && Instant::now() < timely
        {
            return Ok(Tried::Not(format!(
                "the Sentinel {at} has no way to {pod} yet, and could not have {pod} follow the new master"
            )));
        }
        if *wait > Duration::ZERO && Instant::now() + *wait < timely {
            sleep(*wait).await;
            return Ok(Tried::Again);
        }
        match self.attempt(evidence, &plan, deadline).await? {
            Attempt::Promoted(new) => self.leave(evidence, &new, deadline).await.map(|()| Tried::Done),
            Attempt::Failed(why) => Ok(Tried::Not(why)),
        }
    }

    /// Whether this Sentinel can be asked for a failover now, and who must have all writes before. Whoever
    /// would have to catch up for long is waited for without a pause.
    async fn plan(&mut self, evidence: &Evidence, at: Endpoint, not_before: Duration) -> Result<FailoverPlan, String> {
        let Pod { me, observer: Observer { clients, group_config, credentials, .. }, .. } = self.pod;
        let says = |failure: Failure| format!("the Sentinel {at}: {failure}");
        let sentinel = in_time(clients.target(&at)).await.map_err(says)?;
        let known = in_time(sentinel::replicas(&sentinel, &credentials.sentinel, &group_config.group)).await.map_err(says)?;
        let target = |pod| group_config.target(pod, evidence.ips_of(pod).to_owned());
        let candidates: Vec<_> = candidates(evidence, me, &known)?.into_iter().map(|pod| (pod.clone(), target(pod))).collect();
        let follows = |pod| Some(evidence.peer(pod)?.replica()?.of.clone());
        let links = candidates.iter().filter_map(|(pod, target)| Some((target.clone(), follows(pod)?))).collect();
        let (candidate, wait) =
            timing(evidence, me, &known, not_before).ok_or("the Sentinel knows no replica that it may promote")?;
        let unheard = unheard(evidence, me, &known).next().cloned();
        let other_replicas = other_replicas(evidence, me, &candidate.at);
        let other_replicas = other_replicas.map(|(pod, replica)| (target(pod), replica.clone())).collect();
        let plan =
            FailoverPlan { at, sentinel, candidates, links, candidate: candidate.at.clone(), other_replicas, wait, unheard };
        self.catch_up(&plan.candidates).await?;
        Ok(plan)
    }

    /// Waits until every candidate has read as far as this master has written by now.
    async fn catch_up(&mut self, candidates: &[(PodName, Target)]) -> Result<(), String> {
        let offset = in_time(self.master.offset()).await.map_err(|failure| format!("this Redis: {failure}"))?;
        let until = Instant::now() + CATCH_UP;
        let login = &self.pod.observer.credentials.redis;
        let wait = async |(pod, target): &(PodName, Target)| loop {
            let lacks = match in_time(redis::role(target, login)).await {
                Ok(Role::Replica(replica)) if replica.link != Link::Up => return Err(format!("{pod} has lost its link")),
                Ok(Role::Replica(replica)) if replica.offset >= offset => return Ok(()),
                Ok(Role::Replica(replica)) => offset - replica.offset,
                Ok(Role::Master) => return Err(format!("{pod} is a master")),
                Err(failure) => return Err(format!("{pod}: {failure}")),
            };
            if Instant::now() >= until {
                return Err(format!("{pod} still lacks {lacks} bytes of this master's writes after {CATCH_UP:?}"));
            }
            sleep(PACE).await;
        };
        try_join_all(candidates.iter().map(wait)).await.map(drop)
    }

    /// Pauses the writes, and waits until every candidate has all writes: both within the time that writes may be paused.
    async fn hold_until_caught_up(&mut self, candidates: &[(PodName, Target)]) -> Result<(), String> {
        let began = Instant::now();
        self.begun.paused.get_or_insert(began);
        in_time(self.master.pause(PAUSE)).await.map_err(|failure| format!("writes could not be paused: {failure}"))?;
        let caught_up = timeout(self.pod.time().saturating_sub(began.elapsed()), self.catch_up(candidates)).await;
        caught_up.unwrap_or_else(|_| Err("the replicas do not answer while writes are held back".to_owned()))?;
        // For whatever comes now, from now on.
        in_time(self.master.pause(PAUSE)).await.map_err(|failure| format!("writes could not be paused: {failure}"))?;
        if began.elapsed() >= PAUSE {
            return Err("this machine stands still for too long: writes have gone on meanwhile".to_owned());
        }
        Ok(())
    }

    /// Ends the pause, where there is one.
    async fn write_again(&mut self) {
        let Some(since) = self.begun.paused.take() else { return };
        let me = self.pod.me;
        match in_time(self.master.unpause()).await {
            Ok(()) => info!("the writes of {me} go on after {:.1?}", since.elapsed()),
            Err(failure) => warn!("the writes of {me} are paused for at most {PAUSE:?} more: {failure}"),
        }
    }
}

impl Pod<'_> {
    /// For how long writes are held back before something is done about it, so that it is done in time.
    fn time(self) -> Duration {
        self.limit() * 2 / 3
    }

    /// For how long writes are held back without progress. The other Sentinels, whose pings wait behind the pause,
    /// find this master down after theirs.
    fn limit(self) -> Duration {
        HELD.min(self.observer.group_config.down_after.mul_f64(0.9))
    }
}
