//! Everything that a group of three pods and three Sentinels can show, by classes of what is the same
//! for every rule. The whole product is too large; each test says which part of it is its own.

use rstest::rstest;

use super::given::*;
use super::invariants::{OF_REDIS, OF_SENTINEL, all_hold, told};
use super::*;
use crate::core::decision::StartAs::{Follow, Lead, Undecided};
use crate::core::disk::{Disk, DiskReport};
use crate::core::evidence::{Link, Object, Sentinel, SentinelAnswer};
use crate::core::record::{Forced, Record};

type Answer = Reply<SentinelAnswer>;

/// The epoch of the Sentinels; the records are before it, at it and past it.
const EPOCH: u64 = 2;

/// What a peer can be seen to be.
pub type Seen = (Object, Reply<Role>);

/// Every class of peer. The disks are those of the pod that looks, too.
pub fn each_peer(ordinal: u32) -> Vec<Seen> {
    let told = |disk, heard| (object(ordinal, Some(report(disk))), heard);
    let started = |disk, heard| (object(ordinal, Some(DiskReport { started: true, ..report(disk) })), heard);
    let of = (ordinal + 1) % 3;
    let mut seen = vec![
        (Object::Absent, missing()),
        (Object::Unknown, silent()),
        (object(ordinal, None), refused()),
        (object(ordinal, Some(DiskReport { started: true, at: LATELY, ..report(NEW) })), refused()),
        started(OLD, refused()),
        started(NEW, silent()),
        started(OLD, MASTER),
        started(OLD, replica(of, Link::Up, 0)),
        started(NEW, replica(of, Link::Lost, 100)),
    ];
    seen.extend([EMPTY, OLD, BARELY_NEWER, NEW].map(|disk| told(disk, refused())));
    seen.push((object(ordinal, Some(foreign(NEW))), refused()));
    for disk in [EMPTY, OLD, NEW] {
        let loaded = |priority| with_data(replica(of, Link::Never, priority), disk.holds_data());
        seen.extend([0, 100].map(|priority| started(disk, loaded(priority))));
    }
    seen
}

/// The pod's own disk, and what is stamped into it.
pub fn each_own_disk() -> [(Disk, Option<String>); 6] {
    let [ours, other] = ["g", "other"].map(|id| Some(id.to_owned()));
    [(EMPTY, None), (EMPTY, ours.clone()), (OLD, None), (OLD, ours.clone()), (OLD, other), (NEW, ours)]
}

/// Marked by a run that has ended, and what a first boot has just created.
fn each_age(record: &Record) -> [Record; 2] {
    [record.clone(), Record { is_new: true, start_marker: None, ..record.clone() }]
}

/// The same; marked by the current run of each pod, lately and long ago; with a holder that was given up;
/// and with one that a person has named, before and after its mark.
fn each_marking(record: &Record) -> Vec<Record> {
    let marks = [start_marker(instance(0)), start_marker(instance(1)), start_marker(instance(2)), old_mark(instance(2))];
    let forced = Record { forced: Some(Forced::Open), ..record.clone() };
    let mut markings = each_age(record).to_vec();
    markings.extend(marks.map(|start_marker| Record { start_marker: Some(start_marker), ..record.clone() }));
    markings.push(Record { is_abandoned: true, ..record.clone() });
    markings.push(forced.marked(&instance(ordinal_of(&record.claim.master)), NOW));
    markings.push(forced);
    markings
}

fn ordinal_of(master: &PodName) -> u32 {
    (0..3).find(|ordinal| pod(*ordinal) == *master).unwrap()
}

/// Absent, unknown, not kept, and each holder: at and past the Sentinels' epoch with each marking, before
/// it with each age.
pub fn each_record() -> Vec<RecordSeen> {
    let mut seen = vec![RecordSeen::Absent, UNKNOWN, RecordSeen::NotKept];
    for master in 0..3 {
        seen.extend(each_age(&recorded(master, EPOCH - 1)).map(RecordSeen::Present));
        let marked = [EPOCH, EPOCH + 1].map(|epoch| each_marking(&recorded(master, epoch)));
        seen.extend(marked.into_iter().flatten().map(RecordSeen::Present));
    }
    seen
}

/// The same without the finer markings.
fn each_plain_record() -> Vec<RecordSeen> {
    let mut seen = vec![RecordSeen::Absent, UNKNOWN, RecordSeen::NotKept];
    let claims = [EPOCH - 1, EPOCH, EPOCH + 1].into_iter().flat_map(|epoch| (0..3).map(move |master| (epoch, master)));
    seen.extend(claims.map(|(epoch, master)| present(master, epoch)));
    seen
}

/// All that one Sentinel can say.
fn each_answer() -> Vec<Answer> {
    let claims = [(0, 1), (1, 1), (2, 1), (0, EPOCH), (1, EPOCH), (2, EPOCH)];
    let mut answers = vec![UNAWARE, refused(), silent()];
    answers.extend(claims.map(|(master, epoch)| calm(master, epoch)));
    answers.extend(claims[..2].iter().chain(&claims[3..]).map(|(master, epoch)| down(*master, *epoch)));
    answers.extend([failing_over(0, 1), failing_over(1, EPOCH)]);
    answers
}

/// Every multiset of three answers.
fn each_council() -> Vec<[Answer; 3]> {
    let answers = each_answer();
    let choose = |count: usize| (0..count).flat_map(move |a| (a..count).flat_map(move |b| (b..count).map(move |c| [a, b, c])));
    choose(answers.len()).map(|chosen| chosen.map(|one| answers[one].clone())).collect()
}

/// Nobody knows anything, all are silent, all are calm about one pod, one of them is not.
pub fn few_councils() -> Vec<[Answer; 3]> {
    vec![
        [UNAWARE, UNAWARE, UNAWARE],
        [silent(), silent(), silent()],
        [calm(0, EPOCH), calm(0, EPOCH), calm(0, EPOCH)],
        [calm(1, EPOCH), calm(1, EPOCH), down(0, EPOCH - 1)],
    ]
}

pub fn sit(sentinels: &mut [Sentinel], council: &[Answer; 3]) {
    for (sentinel, answer) in sentinels.iter_mut().zip(council) {
        sentinel.heard.clone_from(answer);
    }
}

pub fn show(evidence: &mut Evidence, place: usize, (object, heard): &Seen) {
    evidence.peers[place].object.clone_from(object);
    evidence.peers[place].heard.clone_from(heard);
}

/// How often each part was decided.
#[derive(Debug, Default)]
struct Parts {
    led: u32,
    followed: u32,
    promotable: u32,
    undecided: u32,
}

impl Parts {
    fn count(&mut self, decision: &Decision) {
        match (&decision.role, decision.promotable) {
            (Lead(_), _) => self.led += 1,
            (Follow(_), false) => self.followed += 1,
            (Follow(_), true) => self.promotable += 1,
            (Undecided, _) => self.undecided += 1,
        }
    }

    fn all(&self) -> u32 {
        self.led + self.followed + self.promotable + self.undecided
    }
}

fn check(evidence: &Evidence, parts: &mut Parts) {
    let decision = evidence.decision();
    parts.count(&decision);
    let invariants = if evidence.me.is_some() { &OF_REDIS[..] } else { &OF_SENTINEL[..] };
    if let Err(broken) = all_hold(invariants, evidence, &decision) {
        panic!("{broken}");
    }
}

/// The order in which sources are listed means nothing.
fn check_the_order(evidence: &Evidence) {
    let mut turned = evidence.clone();
    turned.sentinels.reverse();
    turned.peers.reverse();
    let (decision, other) = (evidence.decision(), turned.decision());
    let same = |one: &Decision| (one.role.clone(), one.record.clone(), one.promotable, one.last_resort_master.clone());
    assert!(same(&decision) == same(&other), "{}", told(evidence, &decision, "the order decides"));
}

/// Disks x peers x records x own disks in full, with a few councils: past any failover, so that
/// nothing but what the disks and the record say keeps a pod from leading.
#[rstest]
#[case::as_the_first_pod(0)]
#[case::as_a_pod_between_others(1)]
fn no_disks_and_records_break_a_rule(
    #[case] me: u32,
    #[values(false, true)] tried_for_long: bool,
    #[values(false, true)] has_sentinels: bool,
) {
    let mut evidence = redis(me).past_any_failover();
    if !has_sentinels {
        evidence = evidence.without_sentinels();
    }
    if tried_for_long {
        evidence = evidence.past_the_grace();
    }
    let mut parts = Parts::default();
    let others: Vec<u32> = (0..3).filter(|ordinal| *ordinal != me).collect();
    let records = each_record();
    let councils = if has_sentinels { few_councils() } else { vec![[UNAWARE, UNAWARE, UNAWARE]] };
    let [first_peers, second_peers] = [others[0], others[1]].map(each_peer);
    for record in &records {
        evidence.record.clone_from(record);
        // A record that was read says the same with Sentinels that know nothing and with silent ones.
        let known = usize::from(has_sentinels && matches!(record, RecordSeen::Present(_)));
        for council in &councils[known..] {
            sit(&mut evidence.sentinels, council);
            for (disk, stamp) in each_own_disk() {
                (evidence.own.disk, evidence.own.group_id) = (disk, stamp);
                for first in &first_peers {
                    show(&mut evidence, 0, first);
                    for second in &second_peers {
                        show(&mut evidence, 1, second);
                        check(&evidence, &mut parts);
                    }
                }
            }
        }
    }
    println!("{} cases as redis-{me}: {parts:?}", parts.all());
    assert!(parts.led > 0 && parts.followed > 0 && parts.undecided > 0 && (parts.promotable > 0) == has_sentinels);
}

/// What keeps nobody from leading by its disk, and what does, in few scenes: each is what two peers are.
fn few_scenes(me: u32) -> Vec<Evidence> {
    let others: Vec<u32> = (0..3).filter(|ordinal| *ordinal != me).collect();
    let [one, other] = [others[0], others[1]];
    let old = || redis(me).holding(OLD);
    vec![
        redis(me),
        old(),
        old().tells(one, OLD).tells(other, OLD),
        old().tells(one, NEW).tells(other, OLD),
        redis(me).holding(NEW).tells(one, OLD).tells(other, OLD),
        old().beside(one, replica_of(other)).beside(other, replica_of(me)),
        old().beside(one, MASTER).beside(other, replica_of(one)),
        old().tells(one, OLD).beside(other, MASTER),
        old().beside(one, MASTER).beside(other, MASTER),
        old().peer_is(one, Object::Unknown, silent()).started(other, OLD, replica(one, Link::Never, 100)),
    ]
}

/// Every council x every plain record x waiting in full, with few scenes of peers and disks; and the
/// order of sources means nothing in all of them.
#[rstest]
#[case::as_the_first_pod(0)]
#[case::as_a_pod_between_others(1)]
fn no_council_breaks_a_rule(#[case] me: u32, #[values(false, true)] is_past_any_failover: bool) {
    let mut parts = Parts::default();
    let (records, councils) = (each_plain_record(), each_council());
    for mut evidence in few_scenes(me) {
        if is_past_any_failover {
            evidence = evidence.past_any_failover();
        }
        for record in &records {
            evidence.record.clone_from(record);
            for council in &councils {
                sit(&mut evidence.sentinels, council);
                check(&evidence, &mut parts);
                check_the_order(&evidence);
            }
        }
    }
    println!("{} cases as redis-{me}: {parts:?}", parts.all());
    assert!(parts.led > 0 && parts.followed > 0 && parts.undecided > 0);
}

/// For a Sentinel: all three pods x records at the Sentinels' epoch with every marking, with two councils;
/// then every council x every plain record, with and without a kept file, with few scenes.
#[test]
fn no_evidence_makes_a_sentinel_break_a_rule() {
    let mut parts = Parts::default();
    let mut evidence = sentinel();
    let pods = [each_peer(0), each_peer(1), each_peer(2)];
    let mut records = vec![RecordSeen::Absent, RecordSeen::NotKept];
    records.extend((0..3).flat_map(|master| each_marking(&recorded(master, EPOCH))).map(RecordSeen::Present));
    for council in &few_councils()[1..3] {
        sit(&mut evidence.sentinels, council);
        for record in &records {
            evidence.record.clone_from(record);
            for first in &pods[0] {
                show(&mut evidence, 0, first);
                for second in &pods[1] {
                    show(&mut evidence, 1, second);
                    for third in &pods[2] {
                        show(&mut evidence, 2, third);
                        check(&evidence, &mut parts);
                    }
                }
            }
        }
    }
    for me in 0..3 {
        for scene in few_scenes(me) {
            let own = (object(me, Some(report(scene.own.disk))), refused());
            let mut peers = scene.peers;
            peers.push(Peer { pod: pod(me), ips: Vec::new(), object: own.0, heard: own.1 });
            for kept in [None, Some(("redis-1", EPOCH + 1))] {
                let mut evidence = Evidence { peers: peers.clone(), ..sentinel() };
                if let Some((master, epoch)) = kept {
                    evidence = evidence.kept(master, epoch);
                }
                for (record, council) in
                    each_plain_record().iter().flat_map(|record| each_council().into_iter().map(move |one| (record, one)))
                {
                    evidence.record.clone_from(record);
                    sit(&mut evidence.sentinels, &council);
                    check(&evidence, &mut parts);
                }
            }
        }
    }
    println!("{} cases: {parts:?}", parts.all());
    assert!(parts.led == 0 && parts.promotable == 0 && parts.followed > 0 && parts.undecided > 0);
}

/// Whether the silence of one Sentinel more may be borne: it named nobody else, and without it no
/// majority is calm.
fn is_needed(evidence: &Evidence, place: usize) -> bool {
    let me = evidence.me.as_ref();
    let is_calm = |one: &Sentinel| match one.heard.answer() {
        Some(SentinelAnswer::Watching(watch)) => evidence.member_at(&watch.master.host) == me && !watch.finds_master_down,
        _ => false,
    };
    let names_another = |one: &Sentinel| match one.heard.answer() {
        Some(SentinelAnswer::Watching(watch)) => evidence.member_at(&watch.master.host) != me,
        _ => false,
    };
    let others = evidence.sentinels.iter().enumerate().filter(|(index, _)| *index != place);
    !names_another(&evidence.sentinels[place]) && others.filter(|(_, one)| is_calm(one)).count() < evidence.majority()
}

/// The evidence with one source less, in each way.
fn each_silence(evidence: &Evidence) -> Vec<Evidence> {
    let without = |change: &dyn Fn(&mut Evidence)| evidence.clone().but(change);
    let mut fewer = vec![without(&|evidence| evidence.record = UNKNOWN)];
    for place in 0..evidence.peers.len() {
        fewer.push(without(&|evidence| evidence.peers[place].heard = silent()));
        fewer.push(without(&|evidence| evidence.peers[place].object = Object::Unknown));
        fewer.push(without(&|evidence| show(evidence, place, &(Object::Unknown, silent()))));
    }
    for place in (0..evidence.sentinels.len()).filter(|place| is_needed(evidence, *place)) {
        fewer.push(without(&|evidence| evidence.sentinels[place].heard = silent()));
    }
    fewer
}

/// Peers x records that name this pod, another or nobody x disks x few councils x waiting, all before the
/// grace is over, and without a person's word, which is given for what is silent.
#[test]
fn silence_makes_nobody_lead_who_would_not_have_led() {
    let mut evidence = redis(1);
    let [first_peers, second_peers] = [0, 2].map(each_peer);
    let mut records = vec![RecordSeen::Absent, present(0, EPOCH)];
    let own = each_marking(&recorded(1, EPOCH)).into_iter().filter(|record| record.forced.is_none());
    records.extend(own.map(RecordSeen::Present));
    let waits = [Duration::ZERO, DOWN_AFTER + FAILOVER];
    let mut looks = 0;
    for (waited, council) in waits.into_iter().flat_map(|waited| few_councils().into_iter().map(move |council| (waited, council)))
    {
        evidence.waited = waited;
        sit(&mut evidence.sentinels, &council);
        for record in &records {
            evidence.record.clone_from(record);
            for disk in [EMPTY, OLD, NEW] {
                evidence = evidence.holding(disk);
                for (first, second) in first_peers.iter().flat_map(|first| second_peers.iter().map(move |second| (first, second)))
                {
                    show(&mut evidence, 0, first);
                    show(&mut evidence, 1, second);
                    let decision = evidence.decision();
                    if matches!(decision.role, Lead(_)) {
                        continue;
                    }
                    for fewer in each_silence(&evidence) {
                        looks += 1;
                        let by_silence = fewer.decision();
                        let leads = matches!(by_silence.role, Lead(_));
                        assert!(
                            !leads,
                            "{}{}",
                            told(&evidence, &decision, "not with all"),
                            told(&fewer, &by_silence, "\nand with less")
                        );
                    }
                }
            }
        }
    }
    println!("{looks} silences");
    assert!(looks > 100_000);
}

/// One state of the world, as each of some pods sees it.
struct World {
    views: Vec<Evidence>,
}

impl World {
    /// The pods that are about to start have all published their disks; `third` is what a pod is that
    /// does not look.
    fn new(starting: &[(u32, Disk)], third: Option<(u32, &Seen)>, stamp: Option<&str>) -> Self {
        let view = |(me, disk): &(u32, Disk)| {
            let others = starting.iter().filter(|(ordinal, _)| ordinal != me);
            let mut view = others.fold(redis(*me).holding(*disk), |view, (ordinal, disk)| view.tells(*ordinal, *disk));
            if let Some((ordinal, (object, heard))) = third {
                view = view.peer_is(ordinal, object.clone(), heard.clone());
            }
            view.stamped(stamp).past_any_failover()
        };
        Self { views: starting.iter().map(view).collect() }
    }

    fn record(&mut self, record: &RecordSeen) {
        self.views.iter_mut().for_each(|view| view.record.clone_from(record));
    }

    fn council(&mut self, council: &[Answer; 3]) {
        self.views.iter_mut().for_each(|view| sit(&mut view.sentinels, council));
    }

    fn without_sentinels(self) -> Self {
        Self { views: self.views.into_iter().map(Evidence::without_sentinels).collect() }
    }

    /// Who would start as a master, and who as a replica that Sentinel may elect.
    fn decisions(&self) -> Vec<Decision> {
        self.views.iter().map(Evidence::decision).collect()
    }

    /// The record once the pod in this place has acted upon its decision up to its start.
    fn record_marked_by(&self, place: usize, decision: &Decision) -> Record {
        let view = &self.views[place];
        let record = match (view.recorded(), &decision.record) {
            (Some(record), Some(claim)) => record.moved_to(claim, &record.address),
            (Some(record), None) => record.clone(),
            (None, Some(claim)) => {
                Record { claim: claim.clone(), is_new: decision.is_first_boot, start_marker: None, ..recorded(0, 0) }
            }
            (None, None) => panic!("{}", told(view, decision, "starts without a record")),
        };
        record.marked(view.own.instance.as_ref().unwrap(), NOW)
    }

    /// Of all the pods at most one leads, and then no other starts electable; and once one has marked
    /// the record, it checks again and starts, and no other does.
    fn check(&mut self) -> u32 {
        let decisions = self.decisions();
        let led = decisions.iter().filter(|one| matches!(one.role, Lead(_))).count();
        let promotable = decisions.iter().filter(|one| matches!(one.role, Follow(_)) && one.promotable).count();
        let report = |what| self.views.iter().zip(&decisions).map(|(view, one)| told(view, one, what)).collect::<String>();
        assert!(led <= 1, "{}", report("\ntwo lead"));
        assert!(led == 0 || promotable == 0, "{}", report("\none leads, and another may be elected"));
        let record = self.views[0].record.clone();
        let starting = decisions.iter().enumerate().filter(|(_, one)| one.promotable);
        let marked: Vec<_> =
            starting.map(|(place, one)| (place, RecordSeen::Present(self.record_marked_by(place, one)))).collect();
        for (place, marked) in &marked {
            self.record(marked);
            let stamp = self.views[*place].own.group_id.replace("g".into());
            for (other, again) in self.decisions().iter().enumerate() {
                let starts = again.promotable;
                let what = if other == *place { "does not start after its mark" } else { "starts after another's mark" };
                assert!(starts == (other == *place), "{}", told(&self.views[other], again, what));
            }
            self.views[*place].own.group_id = stamp;
        }
        self.record(&record);
        u32::try_from(marked.len()).unwrap()
    }
}

/// Records x few councils for what a world holds.
fn check_worlds(worlds: impl IntoIterator<Item = World>, forced: bool, tried_for_long: bool) {
    // A run that has marked the record has started, or is another run, long before the grace is over.
    let is_over = |record: &Record| record.start_marker == Some(old_mark(instance(2)));
    let is_so = |record: &RecordSeen| match record {
        RecordSeen::Present(record) => record.forced.is_some() == forced && !is_over(record),
        RecordSeen::Absent => !forced,
        _ => false,
    };
    let records: Vec<_> = each_record().into_iter().filter(is_so).collect();
    let [mut looks, mut starts] = [0, 0];
    for mut world in worlds {
        if tried_for_long {
            world.views.iter_mut().for_each(|view| view.own.trying = GRACE);
        }
        for council in few_councils() {
            world.council(&council);
            for record in &records {
                world.record(record);
                looks += 1;
                starts += world.check();
            }
        }
    }
    println!("{looks} worlds, {starts} starts");
    assert!(starts > 0);
}

const DISKS: [Disk; 4] = [EMPTY, OLD, BARELY_NEWER, NEW];

/// All three wait to start: every three disks x stamps x records x few councils.
#[rstest]
fn of_three_pods_that_wait_to_start_only_one_does(
    #[values(false, true)] forced: bool,
    #[values(false, true)] tried_for_long: bool,
    #[values(false, true)] has_sentinels: bool,
) {
    let disks = DISKS.into_iter().flat_map(|a| DISKS.into_iter().flat_map(move |b| DISKS.map(|c| [a, b, c])));
    let worlds = disks.flat_map(|[a, b, c]| [None, Some("g")].map(|stamp| World::new(&[(0, a), (1, b), (2, c)], None, stamp)));
    let worlds = worlds.map(|world| if has_sentinels { world } else { world.without_sentinels() });
    check_worlds(worlds, forced, tried_for_long);
}

/// Two wait to start, and the third is anything: its classes x both disks x records x few councils.
#[rstest]
fn of_two_pods_that_wait_to_start_only_one_does_whatever_the_third_is(
    #[values(0, 2)] third: u32,
    #[values(false, true)] forced: bool,
    #[values(false, true)] tried_for_long: bool,
) {
    let waiting: Vec<u32> = (0..3).filter(|ordinal| *ordinal != third).collect();
    let disks: Vec<_> = DISKS.into_iter().flat_map(|a| DISKS.map(|b| [(waiting[0], a), (waiting[1], b)])).collect();
    let thirds = each_peer(third);
    let worlds = thirds.iter().flat_map(|seen| disks.iter().map(move |disks| World::new(disks, Some((third, seen)), Some("g"))));
    check_worlds(worlds, forced, tried_for_long);
}
