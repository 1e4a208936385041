//! What the program's own functions say, in the model's words. Each answer is remembered, for the
//! same evidence comes again and again.

use std::cell::RefCell;
use std::collections::HashMap;
use std::time::Duration;

use ordain::core::decision::{Decision, StartAs};
use ordain::core::evidence::DiskData;
use ordain::core::record::{Record, Step};
use ordain::core::rules::repair::{Repair, due_by};
use ordain::core::rules::{self, Rules, a_failover_could_come, for_redis_by, for_sentinel_by, outvoted};

use crate::evidence::{self, Asker, GRACE, address, claim, evidence, instance, lease, pod, real_claim, real_record, told_at};
use crate::look::Look;
use crate::setting::{Protocol, Setting};
use crate::state::{Claim, Lease, Pod, Reconcile};

/// What to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Be {
    /// The master.
    Master(Claim),
    /// A replica of the claimed master, or a Sentinel that watches it.
    Behind(Claim),
    /// Not decidable.
    Undecided,
}

/// A decision.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Verdict {
    /// What to be.
    pub be: Be,
    /// What the record must say first.
    pub record: Option<Claim>,
    /// Whether that is for a group that boots for the first time.
    pub is_first_boot: bool,
    /// Whether Sentinel may promote this pod at once.
    pub is_promotable: bool,
    /// As whose replica an empty pod runs when the deadline comes.
    pub last_resort_master: Option<Pod>,
    /// Whether a failover that replaces this pod could come.
    pub could_come: bool,
}

impl Verdict {
    fn new(decision: &Decision, could_come: bool) -> Self {
        let be = match &decision.role {
            StartAs::Lead(real) => Be::Master(claim(real)),
            StartAs::Follow(real) => Be::Behind(claim(real)),
            StartAs::Undecided => Be::Undecided,
        };
        let record = decision.record.as_ref().map(claim);
        let is_first_boot = decision.is_first_boot;
        let last_resort_master = decision.last_resort_master.as_ref().map(pod);
        Self { be, record, is_first_boot, is_promotable: decision.promotable, last_resort_master, could_come }
    }
}

/// What reconcile puts right first, by whether it has seen no master for the grace, and by which clock.
type Repaired = HashMap<Key<(bool, bool)>, Option<Repair>>;
type Key<Who> = (Who, Look, u64, [bool; 4], Rules);

/// Whatever a look comes to depends on nothing else.
fn key<Who>(who: Who, setting: &Setting, look: &Look) -> Key<Who> {
    let look = Look { is_current: true, is_overtaken: false, ..*look };
    let Protocol { doubts_the_future, leads_by_the_record, checks_members, .. } = setting.protocol;
    let switches = [setting.has_sentinels, doubts_the_future, leads_by_the_record, checks_members];
    (who, look, setting.write_step, switches, setting.rules)
}

thread_local! {
    static DECIDED: RefCell<HashMap<Key<Asker>, Verdict>> = RefCell::default();
    static REPAIRED: RefCell<Repaired> = RefCell::default();
}

/// What a pod or a Sentinel decides.
pub fn decide(setting: &Setting, asker: Asker, look: &Look) -> Verdict {
    let key = key(asker, setting, look);
    DECIDED.with_borrow_mut(|decided| {
        *decided.entry(key).or_insert_with(|| {
            let evidence = evidence(&asker, look, setting);
            let decide = if evidence.me.is_some() { for_redis_by } else { for_sentinel_by };
            Verdict::new(&decide(setting.rules, &evidence), a_failover_could_come(&evidence))
        })
    })
}

/// The decision with its reason, for a report.
pub fn why(setting: &Setting, asker: Asker, look: &Look) -> String {
    let evidence = evidence(&asker, look, setting);
    let decide = if evidence.me.is_some() { for_redis_by } else { for_sentinel_by };
    decide(setting.rules, &evidence).reason.to_string()
}

/// What reconcile puts right first, beyond what the pods' own probes do.
pub fn repair(setting: &Setting, look: &Look, by: Reconcile) -> Option<Repair> {
    let key = key((by.is_masterless, by.is_ahead), setting, look);
    REPAIRED.with_borrow_mut(|repaired| {
        let repair = repaired.entry(key).or_insert_with(|| {
            let evidence = evidence(&Asker::Reconcile, look, setting);
            let evidence = if by.is_ahead { evidence::an_hour_later(evidence) } else { evidence };
            let masterless = if by.is_masterless { GRACE } else { Duration::ZERO };
            // A probe has a step of its own, and the model's pods end their own words.
            let is_a_pods = |repair: &Repair| matches!(repair, Repair::MakePromotable(_) | Repair::ExpireReport(_));
            due_by(setting.rules, &evidence, masterless).into_iter().map(|due| due.repair).find(|repair| !is_a_pods(repair))
        });
        repair.clone()
    })
}

/// Whether what a pod has told of its disk holds no more.
pub fn report_has_expired(setting: &Setting, look: &Look, of: Pod) -> bool {
    let evidence = evidence(&Asker::Reconcile, look, setting);
    rules::report_has_expired(&evidence, evidence.peer(evidence::name(of)).expect("a pod of the group"))
}

/// What a majority says against the record.
pub fn outvoting(setting: &Setting, look: &Look) -> Option<Claim> {
    let evidence = evidence(&Asker::Reconcile, look, setting);
    outvoted(setting.rules, &evidence).as_ref().map(claim)
}

/// Whether anybody can know what a pod's disk holds.
pub fn is_known(setting: &Setting, look: &Look, of: Pod) -> bool {
    let evidence = evidence(&Asker::Reconcile, look, setting);
    let peer = evidence.peer(evidence::name(of)).expect("a pod of the group");
    evidence.disk_of(peer) != DiskData::Unknown
}

/// Whether a claim is newer than the record's.
pub fn is_newer(claim: Claim, than: Lease) -> bool {
    real_record(than).against(&real_claim(claim)) == Step::Move
}

/// The record with another claim.
pub fn moved(from: Lease, to: Claim) -> Lease {
    lease(&real_record(from).moved_to(&real_claim(to), address(to.master)))
}

/// The record with a mark.
pub fn marked(from: Lease, by: Pod, run: u8, is_ahead: bool) -> Lease {
    lease(&real_record(from).marked(&instance(by, run), told_at(false, is_ahead)))
}

/// Whether its last mark is that of this run.
pub fn has_start_marker_of(lease: Lease, pod: Pod, run: u8) -> bool {
    real_record(lease).has_start_marker_of(&instance(pod, run))
}

/// The record with its holder given up, or taken back.
pub fn abandoned(from: Lease, is_abandoned: bool) -> Lease {
    lease(&real_record(from).with_abandoned_holder(is_abandoned))
}

/// A record that is made anew.
pub fn created(claim: Claim, is_new: bool) -> Lease {
    lease(&Record::first(real_claim(claim), address(claim.master).clone(), evidence::GROUP.into(), is_new))
}
