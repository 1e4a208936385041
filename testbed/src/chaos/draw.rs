//! The draw: what goes wrong in a round. The same seed and round give the same faults.

use std::fmt;
use std::time::Duration;

use fastrand::Rng;

use crate::group::{REDIS, SENTINELS};

/// Whom a fault strikes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Whom {
    /// The pod of this name.
    Pod(&'static str),
    /// The reconcile beside this Sentinel.
    Reconcile(&'static str),
    /// The Redis that is the master when the round begins.
    Master,
}

/// What becomes of a process that is struck.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Blow {
    /// `kill -9`.
    Kill,
    /// SIGSTOP, and SIGCONT after this time.
    Stop(Duration),
}

/// A blow, and how long after ordain has begun.
pub type Strike = (Duration, Blow);

/// Something that goes wrong. Whatever has ended is started again after the kubelet's back-off.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// A blow to a running process; to a Sentinel's reconcile, too, where it is killed.
    Strike(Whom, Blow),
    /// SIGTERM, as a kubelet ends a container.
    Terminate(Whom),
    /// Several pods are killed at once.
    PowerCut(Vec<&'static str>),
    /// The replicas are stopped, and after this time these pods are killed at once: only the master has
    /// the newest writes.
    LeaveBehind(Duration, Vec<&'static str>),
    /// A Redis is killed and its disk is gone: at most one in a round, for the others must have it all.
    LoseDisk(Whom),
    /// A Redis is killed, and its newest append-only file is damaged in the middle, so that no server loads it: one that
    /// has lost its disk, like [`Fault::LoseDisk`].
    Damage(Whom),
    /// A Redis is killed in the midst of a write: its newest append-only file ends with half a command.
    TearTail(Whom),
    /// A Redis is killed, and its files are dated as by a clock that was set back or ahead by this many seconds.
    StepClock(Whom, i64),
    /// Sentinels are killed at once and their files are gone.
    LoseMemory(Vec<&'static str>),
    /// A pod is deleted and made again after this time; a Sentinel's file is gone with it.
    Delete(Whom, Duration),
    /// Pods are killed, and so long after the new process of each has become ordain, where it still is
    /// ordain, it is struck; and so again with the process after that, while there are strikes.
    Interrupt(Vec<(Whom, Vec<Strike>)>),
}

/// How far a clock is set back or ahead, in seconds.
const STEP: i64 = 2 * 60 * 60;

/// The faults of a round, each with its time after the round's beginning.
pub fn draw(seed: u64, round: u64) -> Vec<(Duration, Fault)> {
    let mut rng = Rng::with_seed(seed.wrapping_mul(1_000_003).wrapping_add(round));
    let count = rng.u8(1..=3);
    let mut at = millis(&mut rng, 500..1500);
    let mut faults = Vec::new();
    let mut may_lose_disk = true;
    for _ in 0..count {
        let fault = fault(&mut rng, may_lose_disk);
        may_lose_disk &= !matches!(fault, Fault::LoseDisk(_) | Fault::Damage(_));
        faults.push((at, fault));
        at += millis(&mut rng, 0..4000);
    }
    faults
}

fn fault(rng: &mut Rng, may_lose_disk: bool) -> Fault {
    loop {
        return match rng.u8(0..18) {
            0 => Fault::Strike(Whom::Pod(one(rng, REDIS)), Blow::Kill),
            1 => Fault::Strike(Whom::Master, Blow::Kill),
            2 => Fault::Strike(Whom::Pod(one(rng, SENTINELS)), Blow::Kill),
            3 | 4 => Fault::PowerCut(outage(rng)),
            5 => Fault::Strike(redis(rng), stop(rng)),
            6 => Fault::Strike(Whom::Pod(one(rng, SENTINELS)), stop(rng)),
            7 => Fault::Strike(Whom::Reconcile(one(rng, SENTINELS)), stop(rng)),
            8 => Fault::Terminate(redis(rng)),
            9 if may_lose_disk => Fault::LoseDisk(redis(rng)),
            10 => Fault::LoseMemory(if rng.bool() { vec![one(rng, SENTINELS)] } else { SENTINELS.to_vec() }),
            11 => {
                let whom = if rng.u8(0..3) == 0 { Whom::Pod(one(rng, SENTINELS)) } else { redis(rng) };
                Fault::Delete(whom, millis(rng, 0..2000))
            }
            12 => {
                let whom = if rng.u8(0..4) == 0 { Whom::Pod(one(rng, SENTINELS)) } else { redis(rng) };
                Fault::Interrupt(vec![(whom, strikes(rng))])
            }
            13 => Fault::Interrupt(outage(rng).into_iter().map(|pod| (Whom::Pod(pod), strikes(rng))).collect()),
            14 => {
                let mut pods = REDIS.to_vec();
                if rng.bool() {
                    pods.extend(SENTINELS);
                }
                rng.shuffle(&mut pods);
                Fault::LeaveBehind(millis(rng, 300..6000), pods)
            }
            15 => Fault::TearTail(redis(rng)),
            16 => Fault::StepClock(redis(rng), rng.i64(-STEP..STEP)),
            17 if may_lose_disk => Fault::Damage(redis(rng)),
            _ => continue,
        };
    }
}

/// Two Redis or all, with or without the Sentinels, in any order.
fn outage(rng: &mut Rng) -> Vec<&'static str> {
    let mut pods = REDIS.to_vec();
    rng.shuffle(&mut pods);
    pods.truncate(rng.usize(2..=3));
    if rng.bool() {
        pods.extend(SENTINELS);
        rng.shuffle(&mut pods);
    }
    pods
}

/// A process that was killed is followed by another, one that was stopped goes on.
fn strikes(rng: &mut Rng) -> Vec<Strike> {
    let mut strikes: Vec<_> = (0..rng.u8(0..3)).map(|_| (millis(rng, 0..300), Blow::Kill)).collect();
    let last = if rng.bool() { Blow::Kill } else { stop(rng) };
    strikes.push((millis(rng, 0..300), last));
    strikes
}

/// Any Redis, the master as often as the two others together.
fn redis(rng: &mut Rng) -> Whom {
    if rng.bool() { Whom::Master } else { Whom::Pod(one(rng, REDIS)) }
}

/// Shorter than the grace after which a silent master is given up.
fn stop(rng: &mut Rng) -> Blow {
    Blow::Stop(millis(rng, 300..8000))
}

fn one(rng: &mut Rng, pods: [&'static str; 3]) -> &'static str {
    pods[rng.usize(0..3)]
}

fn millis(rng: &mut Rng, range: std::ops::Range<u64>) -> Duration {
    Duration::from_millis(rng.u64(range))
}

impl fmt::Display for Whom {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Pod(pod) => f.write_str(pod),
            Self::Reconcile(pod) => write!(f, "the reconcile of {pod}"),
            Self::Master => f.write_str("the master"),
        }
    }
}

impl fmt::Display for Blow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Kill => f.write_str("kill -9"),
            Self::Stop(time) => write!(f, "SIGSTOP for {time:?}"),
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Strike(whom, blow) => write!(f, "{blow} of {whom}"),
            Self::Terminate(whom) => write!(f, "SIGTERM to {whom}"),
            Self::PowerCut(pods) => write!(f, "a power cut of {}", pods.join(" ")),
            Self::LeaveBehind(time, pods) => write!(f, "a power cut of {}, {time:?} after the replicas stop", pods.join(" ")),
            Self::LoseDisk(whom) => write!(f, "the disk of {whom} is lost"),
            Self::Damage(whom) => write!(f, "the data of {whom} is damaged"),
            Self::TearTail(whom) => write!(f, "{whom} is killed in the midst of a write"),
            Self::StepClock(whom, seconds) => write!(f, "{whom} is killed, and its files are dated by a clock {seconds} s ahead"),
            Self::LoseMemory(sentinels) => write!(f, "the files of {} are lost", sentinels.join(" ")),
            Self::Delete(whom, time) => write!(f, "{whom} is deleted for {time:?}"),
            Self::Interrupt(struck) => {
                f.write_str("restarts with blows to ordain in ")?;
                for (whom, strikes) in struck {
                    let strikes = strikes.iter().map(|(after, blow)| format!("{after:?} {blow}")).collect::<Vec<_>>();
                    write!(f, "{whom} ({}) ", strikes.join(", "))?;
                }
                Ok(())
            }
        }
    }
}
