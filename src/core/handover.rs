//! Whether a master can hand over, and which replicas must have all its writes before.
//!
//! `SENTINEL FAILOVER` promotes whichever replica that Sentinel finds best by what it heard up to ten
//! seconds ago. So it is not enough that one replica has everything: all have it that could be promoted,
//! by what the Sentinel knows or by what it may hear in the meantime.

use std::ops::RangeInclusive;
use std::time::Duration;

use super::evidence::{Evidence, Failure, Link, Peer, Replica, Reply, SentinelAnswer, Watch};
use super::identity::{Endpoint, Host, PodName};

/// A replica as a Sentinel knows it (`SENTINEL REPLICAS`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnownReplica {
    /// Where it listens.
    pub at: Endpoint,
    /// `s_down`, `o_down` or `disconnected` among its flags: this Sentinel does not promote it.
    pub is_away: bool,
    /// Its priority when it was last asked: never promoted with 0.
    pub priority: u32,
    /// How long ago it was asked (`info-refresh`).
    pub asked_ago: Duration,
    /// How long ago it answered a `PING` (`last-ok-ping-reply`): one a second.
    pub heard_ago: Duration,
}

impl KnownReplica {
    fn may_be_promoted(&self) -> bool {
        self.priority > 0 && !self.is_away
    }
}

/// A Sentinel asks each server for its `INFO` so often; while it is failing over, once a second.
const ASKS: Duration = Duration::from_secs(10);
/// A Sentinel that has not heard of a replica for longer has no way to it: the replica has started again at another
/// address, as it does in a rolling update, and what the Sentinel sends to it goes nowhere.
const HEARD: Duration = Duration::from_secs(2);
/// Where a handover begins so long after that, the Sentinel has promoted the replica when it asks it next: it is
/// asked for the failover some 250 ms later, and takes three ticks of its timer, of 50 to 100 ms each, to have
/// a replica lead (`sentinelTimer` in Redis `src/sentinel.c`).
const GOOD: RangeInclusive<Duration> = Duration::from_millis(150)..=Duration::from_millis(420);
/// In the middle of that, with some time to begin.
const BEST: Duration = Duration::from_millis(320);

/// Which of the candidates is to be promoted, of those with the lowest priority number, and how long to wait before that, so
/// that the Sentinel finds out about the promotion right after it and not up to a second later, in all of which nobody
/// could write: until it has lately asked that candidate. At least for `not_before`. Nobody where none may be promoted.
pub fn timing<'k>(
    evidence: &Evidence,
    me: &PodName,
    known: &'k [KnownReplica],
    not_before: Duration,
) -> Option<(&'k KnownReplica, Duration)> {
    let candidates = known.iter().filter(|replica| replica.may_be_promoted()).filter_map(|replica| {
        let pod = evidence.member_at(&replica.at.host)?;
        let (_, now) = followers(evidence, me).find(|(name, _)| *name == pod)?;
        may_be_promoted(evidence, pod, now).then_some((replica, now.priority))
    });
    let timed = candidates.map(|(replica, priority)| {
        // How long ago it will have been asked then: one that is due by that time is asked again.
        let is_due = replica.asked_ago <= ASKS && replica.asked_ago + not_before > ASKS;
        let ago = (replica.asked_ago + not_before).saturating_sub(if is_due { ASKS } else { Duration::ZERO });
        let more = match ago {
            ago if GOOD.contains(&ago) => Duration::ZERO,
            ago if ago < BEST => BEST.saturating_sub(ago),
            ago => (ASKS + BEST).saturating_sub(ago),
        };
        (priority, not_before + more, replica)
    });
    // As Sentinel chooses (`compareSlavesForPromotion`): the lower number comes first, whatever it costs in time.
    timed.min_by_key(|(priority, wait, _)| (*priority, *wait)).map(|(_, wait, replica)| (replica, wait))
}

/// What there is to be done before this pod stops.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Nothing: another is the master, or nobody has a part to hand over.
    Nothing(String),
    /// Nothing yet: look again.
    Wait(String),
    /// This Sentinel may be asked for a failover.
    Ask(Endpoint),
}

/// Whether this pod's Redis, which says that it is master, is the group's master and may be replaced now.
/// Of the Sentinels that agree always the same one is chosen, so that two who hand over ask the same: none that is
/// `in_tilt`, which would begin only when that is over, and one that has `stalled` before only where there is no other.
pub fn step(evidence: &Evidence, me: &PodName, in_tilt: &[Endpoint], stalled: &[Endpoint]) -> Step {
    let names = |watch: &Watch| evidence.member_at(&watch.master.host);
    let elsewhere = evidence.watches().filter(|(_, watch)| names(watch) != Some(me)).count();
    if elsewhere >= evidence.majority() {
        return Step::Nothing("a majority of the Sentinels names another master".to_owned());
    }
    if elsewhere > 0 {
        return Step::Wait("some Sentinels name another master".to_owned());
    }
    if evidence.watches().any(|(_, watch)| watch.failover_in_progress || watch.finds_master_down) {
        return Step::Wait("a Sentinel is replacing the master already, or finds it down".to_owned());
    }
    let agreeing = evidence.watches().count();
    if agreeing < evidence.majority() {
        return Step::Wait(format!("only {agreeing} Sentinels answer, and a majority is {}", evidence.majority()));
    }
    let awake = evidence.watches().map(|(at, _)| at).filter(|at| !in_tilt.contains(at));
    match awake.min_by_key(|at| (stalled.contains(at), *at)) {
        Some(at) => Step::Ask(at.clone()),
        None if agreeing > 0 => Step::Wait("every Sentinel that answers is in TILT, and acts on nothing for 30 s".to_owned()),
        None => Step::Nothing("there are no Sentinels".to_owned()),
    }
}

/// The replicas that must have every write before a failover: all that could be promoted by a Sentinel
/// that knows `known`, and all that may become so while it decides.
///
/// # Errors
/// Why there can be no failover now, in words.
pub fn candidates<'a>(evidence: &'a Evidence, me: &PodName, known: &[KnownReplica]) -> Result<Vec<&'a PodName>, String> {
    let follows = |pod: &PodName| evidence.peer(pod).and_then(|peer| linked(evidence, me, peer));
    let mut is_anybody_fit = false;
    for replica in known.iter().filter(|replica| replica.may_be_promoted()) {
        let Some(pod) = evidence.member_at(&replica.at.host) else {
            return Err(match without_an_address(evidence) {
                Some((pod, why)) if matches!(replica.at.host, Host::Ip(_)) => {
                    format!("{} may be promoted, and may be {pod}, whose address is not known: {why}", replica.at)
                }
                _ => format!("{} may be promoted, which is no pod of this group", replica.at),
            });
        };
        let Some(now) = follows(pod) else {
            return Err(format!("{pod} may be promoted, and has no link to this master"));
        };
        if replica.heard_ago > HEARD {
            return Err(format!("{pod} may be promoted, and the Sentinel has not heard of it for {:.1?}", replica.heard_ago));
        }
        is_anybody_fit |= may_be_promoted(evidence, pod, now);
    }
    if !is_anybody_fit {
        return Err("the Sentinel knows no replica that it may promote".to_owned());
    }
    Ok(with_a_link(evidence, me).collect())
}

/// A pod of which nobody could say where it is, and why.
fn without_an_address(evidence: &Evidence) -> Option<(&PodName, String)> {
    let may_run = |peer: &&Peer| peer.ips.is_empty() && !evidence.is_known_not_to_run(peer);
    evidence.peers.iter().filter(may_run).find_map(|peer| match &peer.heard {
        Reply::Failed(failure) => Some((&peer.pod, failure.to_string())),
        Reply::Pending => Some((&peer.pod, "no answer".to_owned())),
        Reply::Answer(_) => None,
    })
}

/// Whether a replica may be promoted, by what its server has now and by its pod's own priority.
fn may_be_promoted(evidence: &Evidence, pod: &PodName, now: &Replica) -> bool {
    let is_never_promoted = || evidence.peer(pod).is_some_and(|peer| evidence.own_priority(peer) == Some(0));
    now.priority > 0 && !is_never_promoted()
}

/// The replicas that follow this master and that the Sentinel has no way to: it would have them follow the new
/// master only later, which until then would have one replica less, and where it must have some take no writes.
pub fn unheard<'a>(evidence: &'a Evidence, me: &PodName, known: &[KnownReplica]) -> impl Iterator<Item = &'a PodName> {
    let is_heard = |pod: &PodName| {
        let its = known.iter().find(|replica| evidence.member_at(&replica.at.host) == Some(pod));
        its.is_some_and(|replica| !replica.is_away && replica.heard_ago <= HEARD)
    };
    with_a_link(evidence, me).filter(move |pod| !is_heard(pod))
}

/// The replicas that Sentinel must not promote instead of the candidate. When a failover begins it asks all that it
/// has not asked for a second, takes the one that has read the furthest (`sentinelSelectSlave`), and that is one
/// which it has just asked, and asks again only a second later. Unless that one says that it has no priority.
pub fn other_replicas<'a>(
    evidence: &'a Evidence,
    me: &PodName,
    candidate: &Endpoint,
) -> impl Iterator<Item = (&'a PodName, &'a Replica)> {
    let candidate = evidence.member_at(&candidate.host);
    followers(evidence, me).filter(move |(pod, replica)| Some(*pod) != candidate && replica.priority > 0)
}

/// The replicas that have a link to this master.
pub fn with_a_link<'a>(evidence: &'a Evidence, me: &PodName) -> impl Iterator<Item = &'a PodName> {
    followers(evidence, me).map(|(pod, _)| pod)
}

fn followers<'a>(evidence: &'a Evidence, me: &PodName) -> impl Iterator<Item = (&'a PodName, &'a Replica)> {
    evidence.peers.iter().filter_map(move |peer| Some((&peer.pod, linked(evidence, me, peer)?)))
}

/// The pods that give no answer, though they may run.
pub fn silent<'a>(evidence: &'a Evidence, me: &PodName) -> impl Iterator<Item = &'a PodName> {
    let gives_none = |peer: &&Peer| peer.heard.answer().is_none() && !evidence.is_known_not_to_run(peer);
    evidence.peers.iter().filter(gives_none).map(|peer| &peer.pod).filter(move |pod| *pod != me)
}

/// A peer's Redis, where that is a replica of this master, and its link is up.
fn linked<'a>(evidence: &Evidence, me: &PodName, peer: &'a Peer) -> Option<&'a Replica> {
    let follows_me = |replica: &&Replica| evidence.member_at(&replica.of.host) == Some(me);
    peer.replica().filter(|replica| replica.link == Link::Up).filter(follows_me)
}

/// How a failover stands, by the Sentinel that was asked for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// Under way, or that Sentinel is silent.
    Pending,
    /// It has promoted this one.
    Promoted(Endpoint),
    /// It has ended, and this pod is still the master.
    Ended,
}

/// How the failover stands, where `is_me` says whether an address is this pod's.
pub fn outcome(answer: Option<&SentinelAnswer>, is_me: impl Fn(&Endpoint) -> bool) -> Outcome {
    match answer {
        Some(SentinelAnswer::Watching(watch)) if !is_me(&watch.master) => Outcome::Promoted(watch.master.clone()),
        Some(SentinelAnswer::Watching(watch)) if watch.failover_in_progress => Outcome::Pending,
        // It forgot the group: then nothing of it goes on there.
        Some(SentinelAnswer::Watching(_) | SentinelAnswer::Unaware) => Outcome::Ended,
        None => Outcome::Pending,
    }
}

/// How far a failover has come, as this pod sees it; each is progress over the one before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stage {
    /// It was asked for.
    Asked,
    /// The Sentinel says that it goes on.
    Begun,
    /// A replica answers as master.
    Promoted,
}

impl Stage {
    /// What can be seen of a failover of which the Sentinel has not said that it is over.
    pub fn seen(is_promoted: bool, standing: Standing) -> Self {
        match standing {
            _ if is_promoted => Self::Promoted,
            Standing::Answers => Self::Begun,
            Standing::Silent | Standing::Gone => Self::Asked,
        }
    }
}

/// Whether the Sentinel that was asked can be heard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// It answers.
    Answers,
    /// It does not, and may go on with what it was asked for.
    Silent,
    /// Nothing listens there.
    Gone,
}

impl Standing {
    /// By its answer, or why there is none.
    pub fn of<T>(answer: &Result<T, Failure>) -> Self {
        match answer {
            Ok(_) => Self::Answers,
            Err(Failure::Refused | Failure::NoSuchHost) => Self::Gone,
            Err(_) => Self::Silent,
        }
    }
}

/// What is to be done about a failover that goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Nothing yet.
    Wait,
    /// Follow the replica that was promoted, though no Sentinel says so: it has every write.
    Follow,
    /// Call it off, and let the writes go on.
    CallOff,
    /// Nobody goes on with it.
    Abandon,
}

/// What is to be done about a failover that has made no progress for so long, where writes are held back for no longer
/// than `limit` without any. Calling it off takes some time itself, and so begins before that. Once the writes have gone
/// on (`is_held` is false), nothing is waited for but a Sentinel that is silent.
pub fn judge(stage: Stage, standing: Standing, is_held: bool, stalled_for: Duration, limit: Duration) -> Verdict {
    let is_stalled = !is_held || stalled_for >= limit * 2 / 3;
    match (stage, standing) {
        (Stage::Promoted, _) if !is_held || stalled_for >= limit => Verdict::Follow,
        (Stage::Promoted, _) => Verdict::Wait,
        _ if !is_stalled => Verdict::Wait,
        (_, Standing::Gone) => Verdict::Abandon,
        (_, Standing::Silent) if !is_held => Verdict::Wait,
        (_, Standing::Answers | Standing::Silent) => Verdict::CallOff,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::evidence::{Container, Object, RecordSeen, Reply, Role};
    use crate::core::rules::given::{self, MASTER, address, pod};

    fn watch(master: u32) -> Watch {
        Watch {
            master: address(master),
            config_epoch: 1,
            finds_master_down: false,
            failover_in_progress: false,
            has_promoted: false,
            last_ok_ping: Duration::ZERO,
            other_sentinels: 2,
            known_replicas: 2,
            is_half_told: false,
        }
    }

    fn says(watch: Watch) -> Reply<SentinelAnswer> {
        Reply::Answer(SentinelAnswer::Watching(watch))
    }

    fn replica(of: u32, link: Link, priority: u32) -> Reply<Role> {
        Reply::Answer(Role::Replica(Replica {
            of: address(of),
            link,
            priority,
            offset: 1,
            run: Some("a".into()),
            down_for: None,
            is_empty: false,
        }))
    }

    /// redis-0 is the master, by these three Sentinels; redis-1 and redis-2 are what they are.
    fn group(sentinels: [Reply<SentinelAnswer>; 3], [one, two]: [Reply<Role>; 2]) -> Evidence {
        let peer = |(ordinal, heard)| Peer { pod: pod(ordinal), ips: Vec::new(), object: Object::Unknown, heard };
        let peers = [(0, MASTER), (1, one), (2, two)].into_iter().map(peer).collect();
        Evidence { record: RecordSeen::NotKept, peers, ..given::sentinel() }.sentinels(sentinels)
    }

    fn in_sync() -> [Reply<Role>; 2] {
        [replica(0, Link::Up, 100), replica(0, Link::Up, 100)]
    }

    fn known(ordinal: u32, priority: u32, is_away: bool) -> KnownReplica {
        KnownReplica { at: address(ordinal), is_away, priority, asked_ago: Duration::ZERO, heard_ago: Duration::ZERO }
    }

    fn asked(ordinal: u32, ago: u64, but: impl FnOnce(&mut KnownReplica)) -> KnownReplica {
        let mut replica = KnownReplica { asked_ago: Duration::from_millis(ago), ..known(ordinal, 100, false) };
        but(&mut replica);
        replica
    }

    #[test]
    fn a_failover_waits_until_the_sentinel_has_just_asked_whom_it_is_going_to_promote() {
        let evidence = |two| group([(); 3].map(|()| says(watch(0))), [replica(0, Link::Up, 100), two]);
        let wait = |known: &[KnownReplica], two| {
            let found = timing(&evidence(two), &pod(0), known, Duration::ZERO);
            found.map(|(replica, wait)| (replica.at.clone(), wait.as_millis()))
        };
        let both = || replica(0, Link::Up, 100);
        for (ago, wanted) in
            [(0, 320), (149, 171), (150, 0), (420, 0), (421, 9899), (4000, 6320), (10_000, 320), (10_320, 0), (12_000, 0)]
        {
            assert_eq!(wait(&[asked(1, ago, |_| {})], both()), Some((address(1), wanted)), "{ago} ms ago");
        }
        // Of two the one that is soonest asked.
        let second = |but: fn(&mut KnownReplica), two| wait(&[asked(1, 2300, |_| {}), asked(2, 4300, but)], two);
        assert_eq!(second(|_| {}, both()), Some((address(2), 6020)));
        assert_eq!(second(|two| two.asked_ago = Duration::from_millis(900), both()), Some((address(1), 8020)));
        assert_eq!(second(|two| two.is_away = true, both()), Some((address(1), 8020)));
        assert_eq!(second(|two| two.priority = 0, both()), Some((address(1), 8020)));
        assert_eq!(second(|_| {}, replica(0, Link::Up, 0)), Some((address(1), 8020)), "it has started anew since");
        assert_eq!(second(|_| {}, replica(0, Link::Lost, 100)), Some((address(1), 8020)));
        assert_eq!(wait(&[], both()), None);
    }

    #[test]
    fn the_heir_is_the_replica_with_the_lowest_priority_number_however_long_its_moment_is_away_and_never_one_with_0() {
        let timed = |evidence: &Evidence, known: &[KnownReplica]| {
            timing(evidence, &pod(0), known, Duration::ZERO).map(|(candidate, wait)| (candidate.at.clone(), wait.as_millis()))
        };
        let of = |one, two| group([(); 3].map(|()| says(watch(0))), [replica(0, Link::Up, one), replica(0, Link::Up, two)]);
        // What Sentinel remembers of a priority may be ten seconds old.
        let known = [asked(1, 150, |_| {}), asked(2, 2300, |_| {})];
        assert_eq!(timed(&of(100, 100), &known), Some((address(1), 0)));
        assert_eq!(timed(&of(100, 50), &known), Some((address(2), 8020)));
        assert_eq!(timed(&of(50, 100), &known), Some((address(1), 0)));
        assert_eq!(timed(&of(0, 100), &known), Some((address(2), 8020)));
        // A priority of 0 that reconcile has not put right yet.
        let never = |mut evidence: Evidence, ordinal: usize| {
            let report = r#"{"run":"a","disk":"empty","priority":0}"#.parse().unwrap();
            evidence.peers[ordinal].object =
                Object::Present { uid: "u".into(), report: Some(report), container: Container::default() };
            evidence
        };
        assert_eq!(timed(&never(of(100, 100), 1), &known), Some((address(2), 8020)));
        let nobody = never(never(of(100, 100), 1), 2);
        assert_eq!(timed(&nobody, &known), None);
        assert!(candidates(&nobody, &pod(0), &known).is_err() && candidates(&never(of(100, 100), 1), &pod(0), &known).is_ok());
    }

    #[test]
    fn a_failover_that_may_not_begin_yet_waits_for_the_first_good_moment_after_that() {
        let evidence = group([(); 3].map(|()| says(watch(0))), in_sync());
        for (ago, wanted) in
            [(0, 10_320), (150, 10_170), (4000, 6320), (8000, 2320), (9100, 1220), (9270, 1000), (9600, 10_720), (10_000, 10_320)]
        {
            let known = [asked(1, ago, |_| {})];
            let (_, wait) = timing(&evidence, &pod(0), &known, Duration::from_secs(1)).unwrap();
            assert_eq!(wait.as_millis(), wanted, "{ago} ms ago");
        }
        // Of two the one whose moment comes first after that.
        let known = [asked(1, 150, |_| {}), asked(2, 8000, |_| {})];
        let (candidate, _) = timing(&evidence, &pod(0), &known, Duration::from_secs(1)).unwrap();
        assert_eq!(candidate.at, address(2));
    }

    #[test]
    fn whoever_may_be_promoted_and_is_not_heard_of_is_waited_for() {
        let both = group([(); 3].map(|()| says(watch(0))), [replica(0, Link::Up, 100), replica(0, Link::Up, 100)]);
        let of = |but: fn(&mut KnownReplica)| candidates(&both, &pod(0), &[asked(1, 0, |_| {}), asked(2, 0, but)]);
        assert!(of(|two| two.heard_ago = HEARD).is_ok());
        let silent = of(|two| two.heard_ago = Duration::from_millis(2300));
        assert_eq!(silent, Err("redis-2 may be promoted, and the Sentinel has not heard of it for 2.3s".to_owned()));
        assert!(of(|two| (two.heard_ago, two.is_away) = (Duration::from_secs(9), true)).is_ok());
        assert!(of(|two| (two.heard_ago, two.priority) = (Duration::from_secs(9), 0)).is_ok());
    }

    #[test]
    fn a_replica_that_the_sentinel_could_not_tell_of_the_new_master_is_named() {
        let of = |known: &[KnownReplica], two| {
            let evidence = group([(); 3].map(|()| says(watch(0))), [replica(0, Link::Up, 100), two]);
            unheard(&evidence, &pod(0), known).cloned().collect::<Vec<_>>()
        };
        let both = || replica(0, Link::Up, 100);
        let long_ago = |two: &mut KnownReplica| two.heard_ago = Duration::from_millis(2300);
        assert_eq!(of(&[known(1, 100, false), known(2, 0, false)], both()), []);
        assert_eq!(of(&[known(1, 100, false), known(2, 100, true)], both()), [pod(2)]);
        assert_eq!(of(&[known(1, 100, false), asked(2, 0, long_ago)], both()), [pod(2)]);
        assert_eq!(of(&[known(1, 100, false)], both()), [pod(2)], "it has not found it yet");
        assert_eq!(of(&[known(1, 100, false)], replica(0, Link::Lost, 100)), []);
        assert_eq!(of(&[known(1, 100, false)], Reply::Failed(Failure::TimedOut)), []);
    }

    #[test]
    fn all_but_the_heir_are_set_aside() {
        let of = |two, candidate| {
            let evidence = group([(); 3].map(|()| says(watch(0))), [replica(0, Link::Up, 100), two]);
            other_replicas(&evidence, &pod(0), &address(candidate)).map(|(pod, _)| pod.clone()).collect::<Vec<_>>()
        };
        assert_eq!(of(replica(0, Link::Up, 100), 1), [pod(2)]);
        assert_eq!(of(replica(0, Link::Up, 100), 2), [pod(1)]);
        assert_eq!(of(replica(0, Link::Up, 0), 1), []);
        assert_eq!(of(replica(0, Link::Lost, 100), 1), []);
    }

    #[test]
    fn the_first_of_the_sentinels_that_answer_is_asked() {
        let silent = || Reply::Failed(Failure::TimedOut);
        let asked = |sentinels| match step(&group(sentinels, in_sync()), &pod(0), &[], &[]) {
            Step::Ask(at) => at.host.pod().unwrap().ordinal(),
            other => panic!("{other:?}"),
        };
        assert_eq!(asked([says(watch(0)), says(watch(0)), says(watch(0))]), 0);
        assert_eq!(asked([silent(), says(watch(0)), says(watch(0))]), 1);
        assert_eq!(asked([says(watch(0)), silent(), says(watch(0))]), 0);
    }

    #[test]
    fn a_sentinel_in_tilt_is_not_asked_and_one_that_has_stalled_only_where_there_is_no_other() {
        let calm = || group([(); 3].map(|()| says(watch(0))), in_sync());
        let at = |places: &[usize]| places.iter().map(|place| calm().sentinels[*place].at.clone()).collect::<Vec<_>>();
        for (in_tilt, stalled, wanted) in [
            (&[][..], &[][..], Some(0)),
            (&[0], &[], Some(1)),
            (&[0, 1], &[], Some(2)),
            (&[], &[0], Some(1)),
            (&[1], &[0], Some(2)),
            (&[1, 2], &[0], Some(0)),
            (&[], &[0, 1, 2], Some(0)),
            (&[0, 1, 2], &[], None),
        ] {
            let found = step(&calm(), &pod(0), &at(in_tilt), &at(stalled));
            match wanted {
                Some(place) => assert_eq!(found, Step::Ask(calm().sentinels[place].at.clone()), "{in_tilt:?} {stalled:?}"),
                None => assert!(matches!(&found, Step::Wait(why) if why.contains("TILT")), "{found:?}"),
            }
        }
    }

    #[test]
    fn a_failover_without_progress_is_called_off_in_time_unless_a_replica_was_promoted() {
        let limit = Duration::from_secs(2);
        let judged =
            |stage, standing, is_held, stalled: u64| judge(stage, standing, is_held, Duration::from_millis(stalled), limit);
        for stage in [Stage::Asked, Stage::Begun] {
            for standing in [Standing::Answers, Standing::Silent, Standing::Gone] {
                assert_eq!(judged(stage, standing, true, 1300), Verdict::Wait);
                let wanted = if standing == Standing::Gone { Verdict::Abandon } else { Verdict::CallOff };
                assert_eq!(judged(stage, standing, true, 1400), wanted, "{stage:?} {standing:?}");
            }
            // When the writes have gone on, who is silent may still be heard, and who is heard is called off.
            assert_eq!(judged(stage, Standing::Answers, false, 0), Verdict::CallOff);
            assert_eq!(judged(stage, Standing::Silent, false, 60_000), Verdict::Wait);
            assert_eq!(judged(stage, Standing::Gone, false, 0), Verdict::Abandon);
        }
        for standing in [Standing::Answers, Standing::Silent, Standing::Gone] {
            assert_eq!(judged(Stage::Promoted, standing, true, 1999), Verdict::Wait);
            assert_eq!(judged(Stage::Promoted, standing, true, 2000), Verdict::Follow);
            assert_eq!(judged(Stage::Promoted, standing, false, 0), Verdict::Follow, "two take writes until then");
        }
    }

    #[test]
    fn what_is_seen_of_a_failover_is_progress_in_that_order() {
        let seen =
            [Stage::seen(false, Standing::Silent), Stage::seen(false, Standing::Answers), Stage::seen(true, Standing::Gone)];
        assert_eq!(seen, [Stage::Asked, Stage::Begun, Stage::Promoted]);
        assert!(seen.is_sorted());
        for (answer, standing) in [
            (Ok(()), Standing::Answers),
            (Err(Failure::TimedOut), Standing::Silent),
            (Err(Failure::InvalidReply(String::new())), Standing::Silent),
            (Err(Failure::Refused), Standing::Gone),
            (Err(Failure::NoSuchHost), Standing::Gone),
        ] {
            assert_eq!(Standing::of(&answer), standing);
        }
    }

    #[test]
    fn nobody_is_asked_while_one_sentinel_sees_it_otherwise() {
        let otherwise =
            [watch(1), Watch { failover_in_progress: true, ..watch(0) }, Watch { finds_master_down: true, ..watch(0) }];
        for one in otherwise {
            for place in 0..3 {
                let mut sentinels = [says(watch(0)), says(watch(0)), says(watch(0))];
                sentinels[place] = says(one.clone());
                assert!(matches!(step(&group(sentinels, in_sync()), &pod(0), &[], &[]), Step::Wait(_)), "{one:?} at {place}");
            }
        }
        let silent = || Reply::Failed(Failure::TimedOut);
        assert!(matches!(step(&group([says(watch(0)), silent(), silent()], in_sync()), &pod(0), &[], &[]), Step::Wait(_)));
    }

    #[test]
    fn a_master_whom_a_majority_does_not_name_has_nothing_to_hand_over() {
        for third in [watch(0), watch(1)] {
            let sentinels = [says(watch(1)), says(watch(1)), says(third)];
            assert!(matches!(step(&group(sentinels, in_sync()), &pod(0), &[], &[]), Step::Nothing(_)));
        }
    }

    #[test]
    fn every_replica_with_a_link_must_have_all_writes_and_one_must_be_fit_to_be_promoted() {
        let calm = || [says(watch(0)), says(watch(0)), says(watch(0))];
        let heard = [
            Reply::Failed(Failure::Refused),
            replica(0, Link::Up, 100),
            replica(0, Link::Up, 0),
            replica(0, Link::Lost, 100),
            replica(0, Link::Never, 0),
            replica(3, Link::Up, 100),
        ];
        let has_link = |heard: &Reply<Role>| *heard == replica(0, Link::Up, 100) || *heard == replica(0, Link::Up, 0);
        for one in &heard {
            for two in &heard {
                for (first, second) in [(0, 0), (0, 100), (100, 0), (100, 100)] {
                    for (is_one_away, is_two_away) in [(false, false), (false, true), (true, false), (true, true)] {
                        let evidence = group(calm(), [one.clone(), two.clone()]);
                        let known = [known(1, first, is_one_away), known(2, second, is_two_away)];
                        let found = candidates(&evidence, &pod(0), &known);
                        let may_be_promoted = [(first > 0 && !is_one_away, one), (second > 0 && !is_two_away, two)];
                        let is_safe = may_be_promoted.iter().all(|(may, heard)| !may || has_link(heard));
                        let is_anybody_fit =
                            may_be_promoted.iter().any(|(may, heard)| *may && **heard == replica(0, Link::Up, 100));
                        assert_eq!(found.is_ok(), is_safe && is_anybody_fit, "{evidence} {known:?}: {found:?}");
                        if let Ok(found) = found {
                            let wanted: Vec<_> =
                                [(1, one), (2, two)].iter().filter(|(_, heard)| has_link(heard)).map(|(n, _)| pod(*n)).collect();
                            assert_eq!(found, wanted.iter().collect::<Vec<_>>());
                        }
                    }
                }
            }
        }
    }

    #[test]
    fn where_nobody_elects_whoever_has_a_link_must_have_all_writes() {
        let heard = [
            (Reply::Failed(Failure::Refused), false),
            (replica(0, Link::Up, 0), true),
            (replica(0, Link::Lost, 0), false),
            (replica(0, Link::Never, 0), false),
            (replica(3, Link::Up, 0), false),
        ];
        for (one, other) in heard.iter().flat_map(|one| heard.iter().map(move |other| (one, other))) {
            let evidence = group([(); 3].map(|()| Reply::Pending), [one.0.clone(), other.0.clone()]);
            let wanted: Vec<_> = [(1, one.1), (2, other.1)].into_iter().filter(|(_, is_linked)| *is_linked).collect();
            let found: Vec<_> = with_a_link(&evidence, &pod(0)).cloned().collect();
            assert_eq!(found, wanted.iter().map(|(ordinal, _)| pod(*ordinal)).collect::<Vec<_>>());
        }
        for (heard, may_have_one) in [
            (Reply::Pending, true),
            (Reply::Failed(Failure::TimedOut), true),
            (Reply::Failed(Failure::Refused), false),
            (Reply::Failed(Failure::NoSuchHost), false),
            (replica(0, Link::Up, 0), false),
        ] {
            let evidence = group([(); 3].map(|()| Reply::Pending), [heard, replica(0, Link::Up, 0)]);
            assert_eq!(silent(&evidence, &pod(0)).count(), usize::from(may_have_one), "{evidence}");
        }
    }

    #[test]
    fn a_replica_that_is_no_pod_of_the_group_is_not_handed_over_to() {
        let evidence = group([says(watch(0)), says(watch(0)), says(watch(0))], in_sync());
        let stranger = KnownReplica { at: Endpoint::parse("192.0.2.7", 6379).unwrap(), ..known(3, 100, false) };
        let refusal = candidates(&evidence, &pod(0), &[known(1, 100, false), stranger.clone()]).unwrap_err();
        assert_eq!(refusal, "192.0.2.7:6379 may be promoted, which is no pod of this group");
        let away = KnownReplica { is_away: true, ..stranger };
        assert!(candidates(&evidence, &pod(0), &[known(1, 100, false), away]).is_ok());
    }

    #[test]
    fn a_failover_is_over_only_when_the_sentinel_that_was_asked_says_so() {
        let is_me = |at: &Endpoint| *at == address(0);
        let told = |watch| Some(SentinelAnswer::Watching(watch));
        let running = Watch { failover_in_progress: true, ..watch(0) };
        for (answer, wanted) in [
            (None, Outcome::Pending),
            (told(running), Outcome::Pending),
            (told(watch(0)), Outcome::Ended),
            (Some(SentinelAnswer::Unaware), Outcome::Ended),
            (told(watch(2)), Outcome::Promoted(address(2))),
        ] {
            assert_eq!(outcome(answer.as_ref(), is_me), wanted);
        }
    }
}
