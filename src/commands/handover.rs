//! `handover`: the preStop of a Redis pod. If this pod is the master, another is before it stops, and no
//! write that was acknowledged is lost.
//!
//! Wait until a replica is fit and a Sentinel knows it; pause the writes; wait until whoever could be
//! promoted has them all; ask one Sentinel for one failover; once that names another, become its
//! replica; wait until it is labelled. Where it fails, the writes go on here.
//!
//! Its own label goes right before the pause begins: kube-proxy follows a Service once a second at most, and
//! else follows the new label a second after it has followed the loss of the old one. The clients that are held
//! back are sent away when it has: where a Service has no endpoint, the kernel refuses some connections and lets
//! the others wait.
//!
//! A Sentinel of Valkey 9 is asked for a coordinated failover: then the servers do the middle part.
//!
//! Without Sentinels nobody else becomes the master: the writes are paused, and every replica has them all
//! before this one stops.

use std::net::{IpAddr, Ipv4Addr};
use std::time::{Duration, SystemTime};

use anyhow::{Result, anyhow, bail};
use futures::future::{join_all, try_join_all};
use tokio::time::{Instant, sleep, sleep_until, timeout};
use tracing::{info, warn};

use super::Then;
use super::announcing::announce_promotion;
use super::labelling::label;
use super::observe::Observer;
use super::patience::{Backoff, blame, persist, refused};
use super::setting::{Council, Ground, Logins, Subject, World, in_time, own_group, own_pod};
use super::settle::{Settled, act, wait_for_news};
use crate::cli::Handover;
use crate::core::decision;
use crate::core::evidence::{Evidence, Failure, Heard, Link, Replica, Role};
use crate::core::handover::{Outcome, Step, heirs, outcome, rivals, silent, step, timing, unheard, with_a_link};
use crate::core::identity::{Endpoint, PodName};
use crate::core::labels::Scheme;
use crate::edge::kubernetes::within;
use crate::edge::redis::Master;
use crate::edge::sentinel::Asked;
use crate::edge::wire::Target;
use crate::edge::{redis, sentinel};

/// For how long writes are paused if nothing more is said: said again at each look, so that the pause
/// outlasts a moment without a processor, and ends by itself where this program does.
const PAUSE: Duration = Duration::from_secs(5);
/// How long a replica may take to catch up, first without a pause, then with one.
const CATCH_UP: Duration = Duration::from_secs(1);
/// Less than that before the deadline, nothing is begun.
const ENOUGH: Duration = Duration::from_secs(3);
/// How long the moment is waited for in which a failover takes the least time, and the Sentinel has a way to all
/// replicas: until it has asked twice, for a replica that has just started is known to it after the first time.
const TIMELY: Duration = Duration::from_secs(20);
/// Between two questions to who has not come so far: none of them tells of itself. (`WAIT` would, but
/// newer servers count only what its own connection has written.)
const PACE: Duration = Duration::from_millis(10);
/// For how long a replica that gives no answer may have a link all the same.
const SILENT: Duration = Duration::from_secs(5);
/// How long taking the own label away may hold up what else is to be done.
const UNLABELLED: Duration = Duration::from_millis(300);
/// How long before the pause that is done, so that the second is over when the other is labelled.
const AHEAD: Duration = Duration::from_millis(200);
/// How long after its own start that is done at the earliest: the deletion, which is why it was started, has
/// changed the endpoints as well.
const SETTLED: Duration = Duration::from_millis(1200);
/// How long after the label's loss kube-proxy has followed the new label, if that has come in the meantime: its second
/// (`minSyncPeriod`), and what the two syncs take.
const FOLLOWED: Duration = Duration::from_millis(1250);
/// How long Sentinel's hook is waited for, before its work is done here.
const HOOK: Duration = Duration::from_secs(2);

pub async fn run(args: Handover, deadline: Instant) -> Result<Then> {
    let Handover { group, pod, members, sentinels, labels, secrets, run, deadline: _ } = args;
    let me = own_pod(&pod)?;
    let group = own_group(group, &members, &me)?;
    let logins = Logins::read(&secrets)?;
    let world = World::open(&run, &pod).await?;
    let council = Council::new(&world, &sentinels)?;
    // The others' view of the group, in which this pod is one of them.
    let mut subject = Subject::new(&world, group, Some(me.clone()), &pod, &members, &labels)?;
    let ip = pod.pod_ip.unwrap_or(IpAddr::V4(Ipv4Addr::LOCALHOST));
    let own = subject.target(&me, vec![ip]);
    subject.me = None;
    if run.dry_run && matches!(world.ground, Ground::Nowhere) {
        info!("{me} would hand over to a replica, if it is the master");
        return Ok(Then::Exit);
    }

    let observer = Observer::new(&world, &subject, &council, &logins);
    let mut backoff = Backoff::new();
    let mut told = String::new();
    // Two thirds of what is left, at most.
    let started = Instant::now();
    let timely = started + TIMELY.min((deadline - started) * 2 / 3);
    loop {
        let (master, role) = match in_time(Master::connect(&own, &logins.redis)).await {
            Err(Failure::Refused) => return Ok(nothing(&me, "no Redis runs here")),
            answer => answer.map_err(|failure| blame(&format!("the Redis of {me}"), failure))?,
        };
        if let Role::Replica(replica) = role {
            return Ok(nothing(&me, &format!("it is a replica of {}", replica.of)));
        }
        let mut leaving = Leaving { me: &me, observer: &observer, own: &own, master, paused: None, unlabelled: None };
        let evidence = leaving.look(deadline).await;
        if council.is_unnamed() {
            return leaving.deliver(evidence, run.dry_run, deadline).await;
        }
        let obstacle = match step(&evidence, &me) {
            Step::Nothing(why) => return Ok(nothing(&me, &why)),
            Step::Wait(why) => why,
            Step::Ask(at) => match leaving.prepare(&evidence, at, SETTLED.saturating_sub(started.elapsed())).await {
                Ok(plan) if run.dry_run => {
                    info!("{me} would have the Sentinel {} replace it", plan.at);
                    return Ok(Then::Exit);
                }
                // Whatever begins must have the time to end.
                Ok(_) if Instant::now() + ENOUGH >= deadline => "the deadline is too near to begin".to_owned(),
                // For a while: what never is the right moment is not waited for.
                Ok(Plan { at, unheard: Some(pod), .. }) if Instant::now() < timely => {
                    format!("the Sentinel {at} has no way to {pod} yet, and could not have it follow another")
                }
                Ok(plan) if plan.wait > Duration::ZERO && Instant::now() + plan.wait < timely => {
                    sleep(plan.wait).await;
                    continue;
                }
                Ok(plan) => match leaving.attempt(&evidence, &plan, deadline).await? {
                    Attempt::Promoted(new) => return leaving.leave(&evidence, &new, deadline).await,
                    Attempt::Failed(why) => why,
                },
                Err(obstacle) => obstacle,
            },
        };
        if run.dry_run || Instant::now() + ENOUGH >= deadline {
            bail!("{me} is still the master, and writes go on here: {obstacle}");
        }
        if told != obstacle {
            info!("{me} waits to hand over: {obstacle}");
            told = obstacle;
        }
        wait_for_news(&observer, &evidence, backoff.next(), deadline).await;
    }
}

fn nothing(me: &PodName, why: &str) -> Then {
    info!("{me} has nothing to hand over: {why}");
    Then::Exit
}

/// A master that is about to stop.
struct Leaving<'a> {
    me: &'a PodName,
    observer: &'a Observer<'a>,
    own: &'a Target,
    master: Master,
    /// Since when its writes are paused.
    paused: Option<Instant>,
    /// Since when it carries no label.
    unlabelled: Option<Instant>,
}

/// What a failover needs.
struct Plan<'a> {
    /// The Sentinel that is asked.
    at: Endpoint,
    sentinel: Target,
    /// Who must have every write.
    heirs: Vec<(&'a PodName, Target)>,
    /// Who shall be promoted.
    heir: Endpoint,
    /// Who shall not be promoted, and what each was before.
    rivals: Vec<(Target, &'a Replica)>,
    /// After how long it would be sooner done.
    wait: Duration,
    /// Who follows this master, and would not be told of the other.
    unheard: Option<&'a PodName>,
}

/// How a failover ended.
enum End {
    /// This one is the master now.
    Promoted(Endpoint),
    /// It has ended with this master in its place.
    Over,
    /// The Sentinel that was asked is gone before it has promoted anyone.
    Lost,
    /// Not yet: what is written here now could be lost.
    Open,
}

/// How an attempt ended.
enum Attempt {
    /// This one is the master now.
    Promoted(Endpoint),
    /// Nothing has begun, or it has ended with this master in its place; writes go on.
    Failed(String),
}

impl Leaving<'_> {
    /// Looks, and waits for every Sentinel's answer: one that is failing over already must be heard.
    async fn look(&self, deadline: Instant) -> Evidence {
        let Observer { world, subject, logins, .. } = self.observer;
        let mut evidence = self.observer.observe(Duration::ZERO, deadline).await;
        join_all(evidence.sentinels.iter_mut().filter(|sentinel| sentinel.heard == Heard::Pending).map(async |sentinel| {
            let view = async |target: &Target| sentinel::view(target, &logins.sentinel, &subject.group).await;
            sentinel.heard = world.ask(&sentinel.at, view).await.into();
        }))
        .await;
        evidence
    }

    /// Whether this Sentinel can be asked for a failover now, and who must have all writes before. Whoever
    /// would have to catch up for long is waited for without a pause.
    async fn prepare<'e>(&mut self, evidence: &'e Evidence, at: Endpoint, not_before: Duration) -> Result<Plan<'e>, String> {
        let Observer { world, subject, logins, .. } = self.observer;
        let says = |failure: Failure| format!("the Sentinel {at}: {failure}");
        let sentinel = in_time(world.target(&at)).await.map_err(says)?;
        let known = in_time(sentinel::replicas(&sentinel, &logins.sentinel, &subject.group)).await.map_err(says)?;
        let target = |pod| subject.target(pod, evidence.ips_of(pod).to_owned());
        let heirs = heirs(evidence, self.me, &known)?.into_iter().map(|pod| (pod, target(pod))).collect();
        let (heir, wait) =
            timing(evidence, self.me, &known, not_before).ok_or("the Sentinel knows no replica that it may promote")?;
        let unheard = unheard(evidence, self.me, &known).next();
        let rivals = rivals(evidence, self.me, &heir.at);
        let rivals = rivals.map(|(pod, replica)| (target(pod), replica)).collect();
        let plan = Plan { at, sentinel, heirs, heir: heir.at.clone(), rivals, wait, unheard };
        self.catch_up(&plan.heirs).await?;
        Ok(plan)
    }

    /// Waits until every heir has read as far as this master has written by now.
    async fn catch_up(&mut self, heirs: &[(&PodName, Target)]) -> Result<(), String> {
        let offset = in_time(self.master.offset()).await.map_err(|failure| format!("this Redis: {failure}"))?;
        let until = Instant::now() + CATCH_UP;
        let login = &self.observer.logins.redis;
        let wait = async |(pod, target): &(&PodName, Target)| loop {
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
        try_join_all(heirs.iter().map(wait)).await.map(drop)
    }

    /// One failover, of which nothing is left where it fails.
    async fn attempt(&mut self, evidence: &Evidence, plan: &Plan<'_>, deadline: Instant) -> Result<Attempt> {
        info!("{} has the Sentinel {} replace it, by {} if it can", self.me, plan.at, plan.heir);
        self.unlabelled = self.take_label_off().await;
        self.set_rivals_aside(plan).await;
        if let Some(since) = self.unlabelled {
            sleep_until(since + AHEAD).await;
        }
        let attempt = self.fail_over(evidence, plan, deadline).await;
        self.take_rivals_back(plan).await;
        if !matches!(attempt, Ok(Attempt::Promoted(_))) {
            self.be_labelled(deadline).await;
        }
        attempt
    }

    /// By the servers' own means where the Sentinel has them, else with the writes paused here.
    async fn fail_over(&mut self, evidence: &Evidence, plan: &Plan<'_>, deadline: Instant) -> Result<Attempt> {
        let asked = match self.ask(plan, true).await {
            Ok(Asked::NotKnown) => match self.pause_and_ask(plan).await {
                Ok(asked) => asked,
                Err(obstacle) => return self.fail(obstacle).await,
            },
            Ok(asked) => asked,
            Err(failure @ Failure::NotAllowed(_)) => return Err(blame(&format!("the Sentinel {}", plan.at), failure)),
            Err(failure) => may_have_begun(&failure),
        };
        if let Asked::Refused(why) = asked {
            return self.fail(format!("the Sentinel {} refuses a failover: {why}", plan.at)).await;
        }
        let Plan { at, .. } = plan;
        match self.await_end(evidence, plan, deadline).await {
            End::Promoted(new) => Ok(Attempt::Promoted(new)),
            End::Over => self.fail(format!("the failover that the Sentinel {at} began came to nothing")).await,
            End::Lost => {
                self.write_again().await?;
                bail!(
                    "{} is still the master, and writes go on here: the Sentinel {at} that was asked for a failover is gone, and no other is asked",
                    self.me
                )
            }
            End::Open => {
                let paused =
                    self.paused.map_or_else(String::new, |_| format!(": its writes are paused for at most {PAUSE:?} more"));
                bail!("the failover of the Sentinel {at} is not over, and may yet replace {}{paused}", self.me)
            }
        }
    }

    /// Asks for the failover. Unless nothing listens there, silence may mean that it has begun.
    async fn ask(&self, plan: &Plan<'_>, is_coordinated: bool) -> Result<Asked, Failure> {
        let Observer { subject, logins, .. } = self.observer;
        in_time(sentinel::fail_over(&plan.sentinel, &logins.sentinel, &subject.group, is_coordinated)).await
    }

    async fn pause_and_ask(&mut self, plan: &Plan<'_>) -> Result<Asked, String> {
        self.paused = Some(Instant::now());
        in_time(self.master.pause(PAUSE)).await.map_err(|failure| format!("writes could not be paused: {failure}"))?;
        self.catch_up(&plan.heirs).await?;
        Ok(self.ask(plan, false).await.unwrap_or_else(|failure| may_have_begun(&failure)))
    }

    /// Waits for the end of the failover, the writes paused.
    async fn await_end(&mut self, evidence: &Evidence, plan: &Plan<'_>, deadline: Instant) -> End {
        let Observer { world, subject, logins, .. } = self.observer;
        let is_me = |at: &Endpoint| evidence.member_at(&at.host) == Some(self.me);
        // The other Sentinels, whose pings wait behind the pause, find this master down after that.
        let patience = subject.down_after.mul_f64(0.9);
        let asked = Instant::now();
        let mut last_pause = asked;
        loop {
            let answer = in_time(sentinel::view(&plan.sentinel, &logins.sentinel, &subject.group)).await.ok();
            match outcome(answer.as_ref(), is_me) {
                Outcome::Promoted(new) => {
                    // It is believed when that one says so, too.
                    if world.ask(&new, async |target| redis::role(target, &logins.redis).await).await == Ok(Role::Master) {
                        return End::Promoted(new);
                    }
                }
                Outcome::Ended => return End::Over,
                Outcome::Pending if answer.is_none() => {
                    // The others tell of what it has announced.
                    let seen = self.look(deadline).await;
                    if let Some(new) = announced(&seen, self.me) {
                        return End::Promoted(new);
                    }
                    if self.paused.unwrap_or(asked).elapsed() >= patience {
                        // Unless it has promoted one before it was gone, which it may still announce.
                        let has_promoted = seen.living_masters().iter().any(|pod| *pod != self.me);
                        return if has_promoted { End::Open } else { End::Lost };
                    }
                }
                Outcome::Pending => {}
            }
            if Instant::now() >= deadline {
                return End::Open;
            }
            if self.paused.is_some() && last_pause.elapsed() > PAUSE / 4 {
                last_pause = Instant::now();
                if let Err(failure) = in_time(self.master.pause(PAUSE)).await {
                    warn!("the writes of {} could not be paused for longer: {failure}", self.me);
                }
            }
            sleep(PACE).await;
        }
    }

    /// Where nobody elects another: every replica with a link has all that was written before this master stops. The
    /// pause outlasts this program, for as long as the server takes to be told to stop.
    async fn deliver(mut self, mut evidence: Evidence, is_dry_run: bool, deadline: Instant) -> Result<Then> {
        let (me, subject) = (self.me, self.observer.subject);
        let started = Instant::now();
        let mut told = String::new();
        loop {
            let has_waited = started.elapsed() >= SILENT;
            let pods = with_a_link(&evidence, me).chain(silent(&evidence, me).filter(|_| !has_waited));
            let heirs: Vec<_> = pods.map(|pod| (pod, subject.target(pod, evidence.ips_of(pod).to_owned()))).collect();
            let count = heirs.len();
            if is_dry_run {
                info!("{me} would pause its writes until its replicas have them all, {count} of them");
                return Ok(Then::Exit);
            }
            let Err(obstacle) = self.deliver_to(&heirs).await else {
                info!(
                    "{me} has nobody to hand over to, for no Sentinel is named: its replicas have all its writes, {count} of them, and more are held back for at most {PAUSE:?}"
                );
                return Ok(Then::Exit);
            };
            if Instant::now() + ENOUGH >= deadline {
                self.write_again().await?;
                bail!("{me} stops before its replicas have all its writes: {obstacle}");
            }
            if told != obstacle {
                info!("{me} waits before it stops: {obstacle}");
                told = obstacle;
            }
            sleep(PACE).await;
            // Who has lost its link meanwhile is not waited for.
            evidence = self.look(deadline).await;
        }
    }

    /// Once without a pause, so that the pause is short.
    async fn deliver_to(&mut self, heirs: &[(&PodName, Target)]) -> Result<(), String> {
        if self.paused.is_none() {
            self.catch_up(heirs).await?;
            self.paused = Some(Instant::now());
        }
        in_time(self.master.pause(PAUSE)).await.map_err(|failure| format!("writes could not be paused: {failure}"))?;
        self.catch_up(heirs).await
    }

    /// Has Sentinel find no rival of the heir. Where that cannot be, it takes a second more.
    async fn set_rivals_aside(&self, plan: &Plan<'_>) {
        self.prioritise(plan, |_| 0).await;
    }

    /// What this leaves undone reconcile does.
    async fn take_rivals_back(&self, plan: &Plan<'_>) {
        self.prioritise(plan, |before| before.priority).await;
    }

    /// Gives each rival another priority, where it is the same server still.
    async fn prioritise(&self, plan: &Plan<'_>, priority: fn(&Replica) -> u32) {
        let login = &self.observer.logins.redis;
        let given = plan.rivals.iter().map(async |(target, before)| {
            let is_same = |role: &Role| matches!(role, Role::Replica(now) if now.run == before.run);
            in_time(redis::set_priority(target, login, priority(before), is_same)).await
        });
        for failure in join_all(given).await.into_iter().filter_map(Result::err) {
            warn!("a replica keeps its priority: {failure}");
        }
    }

    /// Has this pod carry no label while it hands over. Where that cannot be, clients find the new master later.
    async fn take_label_off(&self) -> Option<Instant> {
        let Observer { world, subject, .. } = self.observer;
        let off = world.cluster()?.begin_handover(self.me, SystemTime::now().into(), &subject.scheme);
        match within(UNLABELLED, off).await {
            Ok(()) => Some(Instant::now()),
            Err(refusal) => {
                warn!("{} keeps its label while it hands over: {refusal}", self.me);
                None
            }
        }
    }

    /// Labels this pod by its part again, whichever that is now. What this leaves undone reconcile does.
    async fn be_labelled(&self, deadline: Instant) {
        let Observer { world, subject, .. } = self.observer;
        let Some(cluster) = world.cluster() else { return };
        let done = async {
            within(HOOK, cluster.end_handover(self.me)).await.map_err(|refusal| refused("the end of the handover", refusal))?;
            label(cluster, subject, |pod| pod, deadline.min(Instant::now() + HOOK)).await
        };
        if let Err(error) = done.await {
            warn!("{} is not labelled: {error:#}", self.me);
        }
    }

    async fn fail(&mut self, why: String) -> Result<Attempt> {
        self.write_again().await?;
        Ok(Attempt::Failed(why))
    }

    /// Ends the pause, where there is one.
    async fn write_again(&mut self) -> Result<()> {
        let Some(since) = self.paused.take() else { return Ok(()) };
        if let Err(failure) = in_time(self.master.unpause()).await {
            return Err(anyhow!("the writes of {} are paused for at most {PAUSE:?} more: {failure}", self.me));
        }
        info!("the writes of {} go on after {:.1?}", self.me, since.elapsed());
        Ok(())
    }

    /// Another is the master: follows it, and waits until it is labelled.
    async fn leave(mut self, evidence: &Evidence, new: &Endpoint, deadline: Instant) -> Result<Then> {
        let Observer { subject, logins, .. } = self.observer;
        let name = evidence.member_at(&new.host).map_or_else(|| new.to_string(), ToString::to_string);
        if let Some(since) = self.paused {
            // Until Sentinel demotes it, it would take writes again after the pause.
            if let Err(failure) = in_time(self.master.follow(new)).await {
                warn!("{} is no replica of {name} yet, {failure}: its writes are paused for at most {PAUSE:?} more", self.me);
            } else {
                info!("{} follows {name} after a pause of {:.1?}", self.me, since.elapsed());
            }
        }
        let labelled = self.labelled(evidence, new, deadline).await;
        if self.paused.is_some() {
            if let Some(since) = self.unlabelled {
                sleep_until((since + FOLLOWED).min(deadline)).await;
            }
            // Whoever waits for an answer gets none here any more.
            let ended = async {
                let (mut own, role) = Master::connect(self.own, &logins.redis).await?;
                if role != Role::Master {
                    own.unpause().await?;
                    own.send_clients_away().await?;
                }
                Ok(())
            };
            if let Err(failure) = in_time(ended).await {
                warn!("the clients of {} are not sent away: {failure}", self.me);
            }
        }
        self.be_labelled(deadline).await;
        labelled.map_err(|error| error.context(format!("{name} is the master now, and not labelled")))?;
        let Scheme { key, master: value, .. } = &subject.scheme;
        let labelled = self.observer.world.cluster().map_or_else(String::new, |_| format!(", and labelled {key}={value}"));
        info!("{} has handed over: {name} is the master{labelled}", self.me);
        Ok(Then::Exit)
    }

    /// Waits for the label. Where Sentinel's hook does not set it, the record and the labels are moved here.
    async fn labelled(&self, evidence: &Evidence, new: &Endpoint, deadline: Instant) -> Result<()> {
        let Observer { world, subject, .. } = self.observer;
        let Some(cluster) = world.cluster() else { return Ok(()) };
        let Subject { group, scheme, .. } = subject;
        let Some(pod) = evidence.member_at(&new.host) else { bail!("it is no pod of this group") };
        if timeout(HOOK, cluster.carries(pod, scheme, &scheme.master)).await.is_ok() {
            return Ok(());
        }
        persist(
            deadline,
            || format!("the record of `{group}` and the labels have not moved"),
            async || {
                let evidence = self.observer.observe(Duration::ZERO, deadline).await;
                if let Ok(mut settled) = Settled::from(decision::for_sentinel(&evidence), evidence)
                    && let Some(obstacle) = act(self.observer, &mut settled, deadline, false).await?
                {
                    bail!("{obstacle}");
                }
                let labelled = label(cluster, subject, |pod| pod, deadline).await?;
                announce_promotion(cluster, group, &labelled, subject.me.as_ref(), "handover").await;
                match timeout(HOOK, cluster.carries(pod, scheme, &scheme.master)).await {
                    Ok(()) => Ok(()),
                    Err(_) => bail!("{labelled}, and {pod} does not carry {}={}", scheme.key, scheme.master),
                }
            },
        )
        .await
    }
}

/// Another master that lives, by what any Sentinel says. Until this one is demoted, two answer as master.
fn announced(seen: &Evidence, me: &PodName) -> Option<Endpoint> {
    let living = seen.living_masters();
    let is_other = |at: &Endpoint| seen.member_at(&at.host).is_some_and(|pod| pod != me && living.contains(&pod));
    seen.watches().map(|(_, watch)| &watch.master).find(|at| is_other(at)).cloned()
}

/// What was not answered may have begun, unless nothing listens there.
fn may_have_begun(failure: &Failure) -> Asked {
    match failure {
        Failure::Refused | Failure::NoSuchHost | Failure::NotAllowed(_) => Asked::Refused(failure.to_string()),
        _ => Asked::Begun,
    }
}
