//! What reconcile puts right: which replicas may be promoted, and what happens to a holder that does
//! not come back.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use super::catalogue::{
    ABANDON, DIVERGED_SENTINEL, END_REPORT, FOLLOW_MASTER, FORCED_CLAIM, FORGET_REPLICAS, HEARD_LATELY, HOLDER_RETURNS,
    KEEP_UNPROMOTABLE, MAKE_PROMOTABLE, NEWEST_NOT_ABANDONED, NEWEST_PROMOTED, ONLY_HOLDER_WRITES, RESTART_HOLDER, Rule,
    SENTINEL_LOOKS_ELSEWHERE, TELL_SENTINEL, WITHHOLD_STALE,
};
use super::claims::newest_claim;
use super::facts::Facts;
use super::record::claim_above_all;
use super::report::{have_all_reported, report_has_expired};
use super::table::{Row, Rules, Table};
use crate::core::disk::Disk;
use crate::core::evidence::{DiskData, Evidence, Link, Peer, Role, Sentinel, SentinelAnswer, Watch};
use crate::core::identity::{Endpoint, Host, PodName};
use crate::core::record::{Claim, Forced, Record};

/// What is to be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Repair {
    /// This replica is in sync: Sentinel may promote it.
    MakePromotable(PodName),
    /// This replica's own priority is 0, and its server has another: Sentinel may not promote it.
    KeepUnpromotable(PodName),
    /// The claimed master has been away for too long: the record says that it may not lead any more.
    Abandon(Claim),
    /// The holder that was abandoned lives as master, or is back with the newest disk: the record says so no
    /// more.
    TakeHolderBack,
    /// The holder was abandoned: this replica holds the most of what is left, and Sentinel may
    /// promote it.
    PromoteInstead(PodName),
    /// The same, where no Sentinel looks for the group at any member's address, so that none can promote it: the
    /// record names it, and it starts again to lead.
    NameInstead(Claim),
    /// This replica follows an address where the master is not, and that no Sentinel mends: it knows only the replicas
    /// that the master lists. It is made to follow that master.
    Follow(PodName, PodName),
    /// This Redis runs as a replica that never had a master, and nobody knows what it holds; or though it
    /// is claimed as master, and its disk is the newest or a person wants it so: it must start again, so
    /// that it reports its disk and decides again.
    Restart(PodName),
    /// This pod's Redis runs, though its disk report says that it has not started: the report expires.
    ExpireReport(PodName),
    /// This Sentinel does not watch the group: the group is added there with this master.
    AddGroup(Endpoint, PodName),
    /// A run that was cut short has added the group to this Sentinel, and none of the settings: they are set.
    AddSettings(Endpoint, PodName),
    /// This Sentinel knows more replicas than the group has pods: it forgets the replicas, and finds those
    /// that live.
    ForgetReplicas(Endpoint),
    /// This Sentinel names another than all the others do, or an address where the master is not any more, and
    /// nothing will change its mind: it forgets the group, and is given the group again.
    ForgetGroup(Endpoint),
}

impl fmt::Display for Repair {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::MakePromotable(pod) => write!(f, "{pod} is in sync: Sentinel may promote {pod}"),
            Self::KeepUnpromotable(pod) => write!(f, "{pod} has the priority 0: Sentinel may not promote {pod}"),
            Self::Abandon(Claim { master, .. }) => {
                write!(f, "{master} stayed away, or its data is surpassed: abandoned as master")
            }
            Self::TakeHolderBack => f.write_str("the abandoned master is back: it may lead again"),
            Self::PromoteInstead(pod) => write!(f, "{pod} holds the newest data that is left: Sentinel may promote {pod}"),
            Self::NameInstead(Claim { master, .. }) => write!(
                f,
                "{master} holds the newest data that is left, at an address that no Sentinel knows: the record names {master}"
            ),
            Self::Follow(pod, master) => write!(f, "{pod} follows an address where {master} is not: {pod} follows {master} now"),
            Self::Restart(pod) => write!(f, "restarting {pod}: no master lives, and {pod} runs as a replica"),
            Self::ExpireReport(pod) => write!(f, "{pod} runs: its disk report has expired"),
            Self::AddGroup(at, master) => {
                write!(f, "Sentinel {at} does not know the group: the group is added there with the master {master}")
            }
            Self::AddSettings(at, _) => {
                write!(f, "Sentinel {at} watches the group with its own default times and without a hook: both are set")
            }
            Self::ForgetGroup(at) => {
                write!(
                    f,
                    "Sentinel {at} goes on naming an address where no master is: this Sentinel forgets the group, and is given the group again"
                )
            }
            Self::ForgetReplicas(at) => {
                write!(
                    f,
                    "Sentinel {at} knows replicas that are gone: this Sentinel forgets all replicas, and finds those that run"
                )
            }
        }
    }
}

/// A repair, and the rule by which it is due.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Due {
    /// The rule.
    pub rule: &'static Rule,
    /// What is to be done.
    pub repair: Repair,
}

impl Due {
    /// That a Sentinel which has diverged for too long forgets the group.
    pub fn unwatch(at: Endpoint) -> Self {
        Self { rule: &DIVERGED_SENTINEL, repair: Repair::ForgetGroup(at) }
    }
}

impl fmt::Display for Due {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (rule {})", self.repair, self.rule.id)
    }
}

/// What is to be done, where this reconcile itself has seen no master for that long.
pub fn due(evidence: &Evidence, masterless: Duration) -> Vec<Due> {
    due_by(Rules::ALL, evidence, masterless)
}

/// The same by fewer rules, to show what they are for.
pub fn due_by(rules: Rules, evidence: &Evidence, masterless: Duration) -> Vec<Due> {
    let facts = Facts { evidence, rules };
    let mut due = rules.every::<Members>(&facts);
    match (&evidence.living_masters()[..], evidence.recorded()) {
        ([master], record) => due.extend(rules.every::<BesideMaster>(&Led { evidence, record, master })),
        ([], Some(record)) => {
            if let Some((rule, Measure::Take(repair))) = rules.first::<WithoutMaster>(&Masterless::new(facts, record, masterless))
            {
                due.push((rule, vec![repair]));
            }
        }
        _ => {}
    }
    due.into_iter().flat_map(|(rule, repairs)| repairs.into_iter().map(|repair| Due { rule, repair })).collect()
}

pub(in crate::core) struct Members;

impl Table for Members {
    type Facts<'a> = Facts<'a>;
    type Outcome = Vec<Repair>;
    const QUESTION: &'static str = "reconcile looks at a group: what is to be done whoever leads? Every row that applies.";
    const ROWS: &'static [Row<Self>] =
        &[Row { rule: &END_REPORT, check: whose_servers_run }, Row { rule: &KEEP_UNPROMOTABLE, check: who_are_never_promoted }];
}

fn whose_servers_run(facts: &Facts<'_>) -> Option<Vec<Repair>> {
    let has_started = |peer: &&Peer| peer.heard.answer().is_some() && peer.report().is_some_and(|(_, report)| !report.started);
    each_of(facts.evidence, has_started, Repair::ExpireReport)
}

fn who_are_never_promoted(facts: &Facts<'_>) -> Option<Vec<Repair>> {
    let is_promotable = |peer: &Peer| peer.replica().is_some_and(|replica| replica.priority > 0);
    each_of(facts.evidence, |peer| facts.own_priority(peer) == Some(0) && is_promotable(peer), Repair::KeepUnpromotable)
}

fn each_of(evidence: &Evidence, is_due: impl Fn(&&Peer) -> bool, repair: fn(PodName) -> Repair) -> Option<Vec<Repair>> {
    Some(evidence.peers.iter().filter(is_due).map(|peer| repair(peer.pod.clone())).collect())
}

/// A group with one living master.
pub(in crate::core) struct Led<'a> {
    evidence: &'a Evidence,
    record: Option<&'a Record>,
    master: &'a PodName,
}

pub(in crate::core) struct BesideMaster;

impl Table for BesideMaster {
    type Facts<'a> = Led<'a>;
    type Outcome = Vec<Repair>;
    const QUESTION: &'static str = "One master lives: what else is to be done? Every row that applies.";
    const ROWS: &'static [Row<Self>] = &[
        Row { rule: &MAKE_PROMOTABLE, check: who_are_in_sync },
        Row { rule: &FORGET_REPLICAS, check: knows_too_many },
        Row { rule: &TELL_SENTINEL, check: who_do_not_know_the_group },
        Row { rule: &SENTINEL_LOOKS_ELSEWHERE, check: who_look_elsewhere },
        Row { rule: &HOLDER_RETURNS, check: is_back },
        Row { rule: &FOLLOW_MASTER, check: who_follow_elsewhere },
    ];
}

/// One whose own priority is not known may have 0.
fn who_are_in_sync(led: &Led<'_>) -> Option<Vec<Repair>> {
    let Led { evidence, master, .. } = *led;
    let may_be_promoted = |peer: &Peer| evidence.own_priority(peer).is_some_and(|own| own > 0);
    let is_due =
        |peer: &&Peer| may_be_promoted(peer) && evidence.is_in_sync_at_0(peer, master) && report_has_expired(evidence, peer);
    is_calm(evidence, master).then(|| each_of(evidence, is_due, Repair::MakePromotable))?
}

/// While nobody doubts who leads. A group without a record is added nowhere: it is new, or was forgotten. Nor is it added
/// where another Sentinel looks for the master at an address where the master is not any more: its address would spread.
fn who_do_not_know_the_group(led: &Led<'_>) -> Option<Vec<Repair>> {
    let Led { evidence, record, master } = *led;
    let is_there = evidence.watches().all(|(_, watch)| evidence.is_still_at(master, &watch.master));
    if !is_named_by_all(evidence, record, master) || !is_there {
        return None;
    }
    let is_unaware = |sentinel: &&Sentinel| sentinel.heard.answer() == Some(&SentinelAnswer::Unaware);
    let unaware =
        evidence.sentinels.iter().filter(is_unaware).map(|sentinel| Repair::AddGroup(sentinel.at.clone(), master.clone()));
    let half_told = evidence.watches().filter(|(_, watch)| watch.is_half_told);
    Some(unaware.chain(half_told.map(|(at, _)| Repair::AddSettings(at.clone(), master.clone()))).collect())
}

fn is_back(led: &Led<'_>) -> Option<Vec<Repair>> {
    let record = led.record.filter(|record| record.is_abandoned && record.claim.master == *led.master);
    record.map(|_| vec![Repair::TakeHolderBack])
}

/// Whether the claimed master has reported the newest disk, so that it can be expected to lead:
/// only what comes after that counts as time without a master.
pub fn may_yet_lead(evidence: &Evidence) -> bool {
    newest_claim(evidence).is_some_and(|claim| has_the_newest_disk(&Facts::of(evidence), &claim.master))
}

fn has_the_newest_disk(facts: &Facts<'_>, pod: &PodName) -> bool {
    match facts.peer(pod).map(|peer| facts.disk_of(peer)) {
        Some(DiskData::Reported(disk)) => disk.holds_data() && !is_surpassed(facts, disk, facts.down_after),
        _ => false,
    }
}

/// Whether a majority of the Sentinels finds nothing wrong with the master: one that has just started
/// is not replaced by a failover that they were about to begin. Nor does it hand over: then it has set replicas
/// aside on purpose, and a Sentinel is about to be asked for a failover.
fn is_calm(evidence: &Evidence, master: &PodName) -> bool {
    let is_agreed = evidence.has_no_sentinels() || who_find_nothing_wrong(evidence, master) >= evidence.majority();
    is_agreed && evidence.handing_over.as_ref() != Some(master)
}

/// How many Sentinels find nothing wrong with the master.
fn who_find_nothing_wrong(evidence: &Evidence, master: &PodName) -> usize {
    let finds_nothing_wrong = |watch: &Watch| {
        let names = evidence.member_at(&watch.master.host) == Some(master) && evidence.is_still_at(master, &watch.master);
        names && !watch.finds_master_down && !watch.failover_in_progress
    };
    evidence.watches().filter(|(_, watch)| finds_nothing_wrong(watch)).count()
}

/// Whether nobody doubts who leads: the record and each Sentinel that watches the group name this pod.
fn is_named_by_all(evidence: &Evidence, record: Option<&Record>, master: &PodName) -> bool {
    record.is_some_and(|record| record.claim.master == *master)
        && evidence.watches().all(|(_, watch)| evidence.claimed(&watch.master, watch.config_epoch) == Some(master))
}

/// Whether the record names this pod by a newer epoch than every Sentinel, and none of them looks for it where it is:
/// so no Sentinel announces that to the others.
fn is_named_by_record_alone(evidence: &Evidence, record: Option<&Record>, master: &PodName) -> bool {
    record.is_some_and(|record| {
        let is_behind = |watch: &Watch| watch.config_epoch < record.claim.epoch && !evidence.is_still_at(master, &watch.master);
        record.claim.master == *master && evidence.watches().all(|(_, watch)| is_behind(watch))
    })
}

/// The Sentinels that look for the master where it is not any more, for it was made again at another address, or leads in
/// the place of one that is gone for good: they find nobody there, and nobody corrects them. As soon as one of them finds
/// the master down, all of them, for one that was corrected would hear the old address again from the next, and soon they
/// would elect another in the place of a master that lives; and while nobody doubts who leads.
fn who_look_elsewhere(led: &Led<'_>) -> Option<Vec<Repair>> {
    let Led { evidence, record, master } = *led;
    let is_lost = |watch: &Watch| !evidence.is_still_at(master, &watch.master);
    let is_found_out = evidence.watches().any(|(_, watch)| is_lost(watch) && watch.finds_master_down)
        && evidence.watches().all(|(_, watch)| !watch.failover_in_progress)
        && (is_named_by_all(evidence, record, master) || is_named_by_record_alone(evidence, record, master));
    let lost = evidence.watches().filter(|(_, watch)| is_lost(watch));
    is_found_out.then(|| lost.map(|(at, _)| Repair::ForgetGroup(at.clone())).collect())
}

/// The replicas that follow an address where the master is not, though nobody doubts who leads and no failover is
/// about to correct them.
fn who_follow_elsewhere(led: &Led<'_>) -> Option<Vec<Repair>> {
    let Led { evidence, record, master } = *led;
    // By its name a Sentinel knows every member, wherever it is.
    let is_over = |watch: &Watch| {
        let is_there = matches!(watch.master.host, Host::Ip(_)) && evidence.is_still_at(master, &watch.master);
        is_there && !watch.failover_in_progress && !watch.has_promoted
    };
    let is_agreed = is_calm(evidence, master)
        && !evidence.has_no_sentinels()
        && !evidence.ips_of(master).is_empty()
        && evidence.watches().all(|(_, watch)| is_over(watch))
        && is_named_by_all(evidence, record, master);
    let is_there = |at: &Endpoint| evidence.member_at(&at.host) == Some(master) && evidence.is_still_at(master, at);
    let follows_elsewhere = |peer: &&Peer| peer.replica().is_some_and(|replica| !is_there(&replica.of));
    let astray = evidence.peers.iter().filter(follows_elsewhere);
    is_agreed.then(|| astray.map(|peer| Repair::Follow(peer.pod.clone(), master.clone())).collect())
}

/// The Sentinels that name another master than the only one that lives, though a majority and the record name
/// that, and not by a newer epoch. One that has not heard of a failover yet does so for a moment; one that
/// lost its own failover to another at the same epoch, for ever, or that had to forget all in its midst.
/// Sentinels that are gone keep the others from nothing here: to forget them takes that all agree.
pub fn diverged(evidence: &Evidence) -> Vec<Endpoint> {
    let ([master], record) = (&evidence.living_masters()[..], evidence.recorded()) else { return Vec::new() };
    let found = Rules::ALL.first::<Diverged>(&Led { evidence, record, master });
    found.map(|(_, diverged)| diverged).unwrap_or_default()
}

pub(in crate::core) struct Diverged;

impl Table for Diverged {
    type Facts<'a> = Led<'a>;
    type Outcome = Vec<Endpoint>;
    const QUESTION: &'static str = "One master lives: which Sentinels, if they go on so for half a minute, forget the group?";
    const ROWS: &'static [Row<Self>] = &[Row { rule: &DIVERGED_SENTINEL, check: who_name_another }];
}

fn who_name_another(led: &Led<'_>) -> Option<Vec<Endpoint>> {
    let Led { evidence, record, master } = *led;
    let is_agreed = who_find_nothing_wrong(evidence, master) >= evidence.majority_without_the_gone();
    if record?.claim.master != *master || !is_agreed || evidence.handing_over.as_ref() == Some(master) {
        return None;
    }
    let names_it = |watch: &Watch| evidence.member_at(&watch.master.host) == Some(master);
    let newest = evidence.claims().filter(|(_, watch)| names_it(watch)).map(|(_, watch)| watch.config_epoch).max();
    // An epoch that cannot be is no newer one.
    let newest = newest.or(evidence.recorded_epoch());
    let is_newer = |at: &Endpoint| evidence.claims().any(|(one, watch)| one == at && Some(watch.config_epoch) > newest);
    let has_diverged = |at: &Endpoint, watch: &Watch| !names_it(watch) && !watch.failover_in_progress && !is_newer(at);
    Some(evidence.watches().filter(|(at, watch)| has_diverged(at, watch)).map(|(at, _)| at.clone()).collect())
}

/// A Sentinel that knows more replicas than can be, one at a time: until it has found everyone again it can
/// promote nobody, and a failover of its own ends undone. So nothing else may be wrong: every pod answers, every
/// Sentinel knows all the others, and none is failing over.
fn knows_too_many(led: &Led<'_>) -> Option<Vec<Repair>> {
    let Led { evidence, master, .. } = *led;
    let is_whole = |peer: &Peer| peer.pod == *master || peer.replica().is_some_and(|replica| replica.link == Link::Up);
    let knows_all =
        |watch: &Watch| watch.other_sentinels + 1 >= evidence.sentinel_count && watch.known_replicas + 1 >= evidence.peers.len();
    let is_done = |watch: &Watch| !watch.failover_in_progress && !watch.has_promoted;
    let are_all_well = is_calm(evidence, master)
        && evidence.peers.iter().all(is_whole)
        && evidence.watches().count() == evidence.sentinels.len()
        && evidence.watches().all(|(_, watch)| knows_all(watch) && is_done(watch));
    let knows_more = |watch: &Watch| watch.known_replicas + 1 > evidence.peers.len();
    let first = evidence.watches().find(|(_, watch)| knows_more(watch)).filter(|_| are_all_well)?;
    Some(vec![Repair::ForgetReplicas(first.0.clone())])
}

/// Whether nothing is wrong with a group, and nothing is about to change by itself: everyone has answered, one
/// master lives that the record and all Sentinels name, and every replica is in sync and may be promoted, where there
/// is a Sentinel that could.
pub fn is_quiet(evidence: &Evidence) -> bool {
    let ([master], Some(record)) = (&evidence.living_masters()[..], evidence.recorded()) else { return false };
    let names = |at: &Endpoint| evidence.member_at(&at.host) == Some(master);
    let is_fit = |peer: &Peer| match peer.heard.answer() {
        Some(Role::Master) => true,
        Some(Role::Replica(replica)) => {
            let may_be_promoted = replica.priority > 0;
            let is_as_it_shall =
                may_be_promoted == evidence.own_priority(peer).is_none_or(|own| own > 0) || evidence.sentinel_count == 0;
            replica.link == Link::Up && is_as_it_shall && names(&replica.of)
        }
        None => false,
    };
    let is_well = |sentinel: &Sentinel| match sentinel.heard.answer() {
        Some(SentinelAnswer::Watching(watch)) => names(&watch.master) && !watch.finds_master_down && !watch.failover_in_progress,
        _ => false,
    };
    record.claim.master == **master && evidence.peers.iter().all(is_fit) && evidence.sentinels.iter().all(is_well)
}

/// Whether the label of a pod is to be withheld from readers. Nothing is where `stale_after` is none. Who does not answer
/// keeps what it has.
pub fn is_kept_from_readers(
    evidence: &Evidence,
    pod: &PodName,
    is_withheld: bool,
    stale_after: Option<Duration>,
    seen_down: &BTreeMap<PodName, Duration>,
) -> bool {
    let Some(stale_after) = stale_after else { return false };
    let Some(role) = evidence.peer(pod).and_then(|peer| peer.heard.answer()) else { return is_withheld };
    let reader = Read { role, is_withheld, stale_after, seen_down: seen_down.get(pod).copied() };
    Rules::ALL.first::<Withheld>(&reader).is_some()
}

/// A pod that answers, as its readers find it.
pub(in crate::core) struct Read<'a> {
    role: &'a Role,
    is_withheld: bool,
    stale_after: Duration,
    /// For how long its link was seen down.
    seen_down: Option<Duration>,
}

pub(in crate::core) struct Withheld;

impl Table for Withheld {
    type Facts<'a> = Read<'a>;
    type Outcome = ();
    const QUESTION: &'static str = "Is a pod's label withheld from readers? Where no row applies: no.";
    const ROWS: &'static [Row<Self>] = &[Row { rule: &WITHHOLD_STALE, check: link_has_been_down }];
}

/// By its own report or as was seen, until it is in sync again.
fn link_has_been_down(read: &Read<'_>) -> Option<()> {
    let Role::Replica(replica) = read.role else { return None };
    let is_stale = || replica.down_for.max(read.seen_down).is_some_and(|down| down >= read.stale_after);
    (replica.link != Link::Up && (read.is_withheld || is_stale())).then_some(())
}

/// The replicas whose links are down now.
pub fn links_down(evidence: &Evidence) -> impl Iterator<Item = &PodName> {
    let is_down = |peer: &&Peer| peer.replica().is_some_and(|replica| replica.link != Link::Up);
    evidence.peers.iter().filter(is_down).map(|peer| &peer.pod)
}

/// A group with a record in which no master lives.
pub(in crate::core) struct Masterless<'a> {
    facts: Facts<'a>,
    record: &'a Record,
    /// For how long this reconcile itself has seen no master.
    time: Duration,
    /// The newest claim; none where there is none that can be acted upon.
    claim: Option<Claim>,
}

impl<'a> Masterless<'a> {
    fn new(facts: Facts<'a>, record: &'a Record, time: Duration) -> Self {
        Self { facts, record, time, claim: newest_claim(facts.evidence) }
    }

    /// The claimed master, where the record says that it was abandoned.
    fn abandoned(&self) -> Option<&PodName> {
        let named = &self.claim.as_ref()?.master;
        (self.record.is_abandoned && self.record.claim.master == *named).then_some(named)
    }

    fn runs_as_replica(&self, pod: &PodName) -> bool {
        self.facts.peer(pod).is_some_and(|peer| peer.replica().is_some())
    }
}

/// What a row decides for a group without a master.
pub(in crate::core) enum Measure {
    /// This is to be done.
    Take(Repair),
    /// Nothing, and no later row is asked.
    Nothing,
}

pub(in crate::core) struct WithoutMaster;

impl Table for WithoutMaster {
    type Facts<'a> = Masterless<'a>;
    type Outcome = Measure;
    const QUESTION: &'static str = "No master lives, and there is a record: what happens to its holder?";
    const ROWS: &'static [Row<Self>] = &[
        Row { rule: &RESTART_HOLDER, check: must_start_anew },
        Row { rule: &NEWEST_NOT_ABANDONED, check: holder_has_the_newest_data },
        Row { rule: &ONLY_HOLDER_WRITES, check: nobody_elects },
        Row { rule: &ABANDON, check: another_in_its_place },
        Row { rule: &FORCED_CLAIM, check: a_person_waits_for_it },
        Row { rule: &ABANDON, check: holder_stays_away },
    ];
}

/// What a server holds that runs without a report can be known only if its pod reports before it starts again.
fn must_start_anew(of: &Masterless<'_>) -> Option<Measure> {
    let facts = &of.facts;
    if let Some(peer) = facts.peers().iter().find(|peer| runs_without_report(peer)) {
        return Some(Measure::Take(Repair::Restart(peer.pod.clone())));
    }
    let named = &of.claim.as_ref()?.master;
    let is_wanted = of.record.forced == Some(Forced::Open) && of.record.claim.master == *named;
    let is_needed = is_wanted || has_the_newest_disk(facts, named) && have_all_reported(facts);
    (of.runs_as_replica(named) && is_needed).then(|| Measure::Take(Repair::Restart(named.clone())))
}

fn holder_has_the_newest_data(of: &Masterless<'_>) -> Option<Measure> {
    let named = &of.claim.as_ref()?.master;
    let is_abandoned = of.abandoned().is_some();
    let counts = has_the_newest_disk(&of.facts, named) && !(is_abandoned && of.runs_as_replica(named));
    counts.then_some(if is_abandoned { Measure::Take(Repair::TakeHolderBack) } else { Measure::Nothing })
}

fn nobody_elects(of: &Masterless<'_>) -> Option<Measure> {
    of.facts.has_no_sentinels().then_some(Measure::Nothing)
}

fn another_in_its_place(of: &Masterless<'_>) -> Option<Measure> {
    of.abandoned().map(|named| elect_instead(&of.facts, named).map_or(Measure::Nothing, Measure::Take))
}

fn a_person_waits_for_it(of: &Masterless<'_>) -> Option<Measure> {
    (of.record.forced == Some(Forced::Open)).then_some(Measure::Nothing)
}

/// For the grace, or where all have reported and it may not lead for its disk: then nothing is gained by waiting for it.
fn holder_stays_away(of: &Masterless<'_>) -> Option<Measure> {
    let (facts, claim) = (&of.facts, of.claim.as_ref()?);
    let is_over = of.time >= facts.grace && facts.young_start_marker().is_none();
    let disk = facts.peer(&claim.master).map(|peer| facts.disk_of(peer));
    let cannot_lead = matches!(disk, Some(DiskData::Reported(disk)) if is_surpassed(facts, disk, facts.down_after));
    let is_hopeless = cannot_lead && have_all_reported(facts);
    (is_over || is_hopeless).then(|| Measure::Take(Repair::Abandon(claim.clone())))
}

/// The replica that holds the most of what is left, once its holder was abandoned.
pub(in crate::core) struct Best<'a> {
    facts: Facts<'a>,
    holder: &'a PodName,
    peer: &'a Peer,
    /// It has copied a master since it started, which is newer than what any disk held then.
    has_copied: bool,
    /// What its disk held, where it has not.
    disk: Disk,
    /// Who is never promoted has copied a master, and what that read would be lost.
    loses_a_copy: bool,
}

fn elect_instead(facts: &Facts<'_>, holder: &PodName) -> Option<Repair> {
    let worth = |peer: &Peer| {
        let replica = peer.replica()?;
        match facts.disk_of(peer) {
            DiskData::Copied => Some((true, Disk::Empty, replica.offset)),
            DiskData::Reported(disk) => Some((false, disk, 0)),
            DiskData::Unknown => None,
        }
    };
    let replicas = facts.peers().iter().filter(|peer| peer.pod != *holder);
    let ranked = replicas.filter_map(|peer| Some((worth(peer)?, Reverse(facts.sets.place(&peer.pod)), peer)));
    let (never, ranked): (Vec<_>, Vec<_>) = ranked.partition(|(_, _, peer)| facts.own_priority(peer) == Some(0));
    let best = ranked.into_iter().max_by(|one, other| (&one.0, &one.1).cmp(&(&other.0, &other.1)))?;
    let ((has_copied, disk, _), _, peer) = best;
    let loses_a_copy = !has_copied && never.iter().any(|((has_copied, ..), ..)| *has_copied);
    let best = Best { facts: *facts, holder, peer, has_copied, disk, loses_a_copy };
    match facts.rules.first::<Instead>(&best)?.1 {
        Measure::Take(repair) => Some(repair),
        Measure::Nothing => None,
    }
}

pub(in crate::core) struct Instead;

impl Table for Instead {
    type Facts<'a> = Best<'a>;
    type Outcome = Measure;
    const QUESTION: &'static str =
        "A holder was abandoned: does the replica with the newest data that reported lead in its place?";
    const ROWS: &'static [Row<Self>] = &[
        Row { rule: &HEARD_LATELY, check: one_that_is_silent_may_hold_more },
        Row { rule: &NEWEST_PROMOTED, check: one_that_does_not_run_holds_more },
        Row { rule: &ABANDON, check: is_promoted },
    ];
}

fn one_that_is_silent_may_hold_more(best: &Best<'_>) -> Option<Measure> {
    let facts = &best.facts;
    let is_awaited = |peer: &Peer| facts.disk_of(peer) == DiskData::Unknown && facts.was_heard_lately(peer);
    facts.peers().iter().any(is_awaited).then_some(Measure::Nothing)
}

fn one_that_does_not_run_holds_more(best: &Best<'_>) -> Option<Measure> {
    (!best.has_copied && is_surpassed(&best.facts, best.disk, Duration::ZERO)).then_some(Measure::Nothing)
}

fn is_promoted(best: &Best<'_>) -> Option<Measure> {
    let Best { facts, peer, .. } = best;
    // Whether it may be promoted at all may not be known.
    facts.own_priority(peer)?;
    // Nothing is more than what others have not reported only once all have, who does not exist yet, too; and it is no
    // more than what cannot be loaded.
    let is_known = |peer: &Peer| matches!(facts.disk_of(peer), DiskData::Reported(_)) && peer.damage().is_none();
    let may_be_surpassed = !best.has_copied && !best.disk.holds_data() && !facts.peers().iter().all(is_known);
    if best.loses_a_copy || may_be_surpassed {
        return None;
    }
    let is_promotable = peer.replica().is_some_and(|replica| replica.priority > 0);
    let repair = if is_promotable {
        let names = || Repair::NameInstead(claim_above_all(facts.evidence, &peer.pod));
        nobody_can_promote(facts.evidence, best.holder).then(names)
    } else {
        report_has_expired(facts.evidence, peer).then(|| Repair::PromoteInstead(peer.pod.clone()))
    };
    repair.map(Measure::Take)
}

/// Whether a majority of the Sentinels looks for the holder where it is not, and no other does elsewhere: a replica that
/// was made again since has another address than they know, and only a master would list it.
fn nobody_can_promote(evidence: &Evidence, holder: &PodName) -> bool {
    let is_lost =
        |watch: &Watch| !evidence.is_still_at(holder, &watch.master) && watch.finds_master_down && !watch.failover_in_progress;
    evidence.watches().all(|(_, watch)| is_lost(watch)) && evidence.watches().count() >= evidence.majority()
}

/// Whether it runs with what its disk held, and its run has not reported that: the API server was
/// away when it started.
fn runs_without_report(peer: &Peer) -> bool {
    let run = peer.report().map(|(instance, _)| instance.run);
    peer.replica().is_some_and(|replica| replica.link == Link::Never && (replica.run.is_none() || replica.run != run))
}

/// Whether somebody has reported a disk that is newer by more than `margin`.
fn is_surpassed(facts: &Facts<'_>, than: Disk, margin: Duration) -> bool {
    let is_newer = |peer: &Peer| matches!(facts.disk_of(peer), DiskData::Reported(disk) if disk.is_newer_than(than, margin));
    facts.peers().iter().any(is_newer)
}
