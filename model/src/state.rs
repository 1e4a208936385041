//! The state of the whole group, as small as it can be.

use crate::faults::Faults;
use crate::look::Look;

pub use crate::group::{
    Claim, Damage, Data, Lease, Link, PODS, Pod, SENTINELS, Server, StartMarker, Told, Volume, pods, sentinels,
};

/// A decision that is to be marked and checked again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Intent {
    /// To lead by this claim, or to follow it.
    pub claim: Claim,
    /// To lead.
    pub leads: bool,
}

/// How long a pod has been looking.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Patience {
    /// Longer than any failover takes.
    pub has_waited: bool,
    /// When it looked last a failover could come.
    pub could_come: bool,
    /// It has asked again and again for a record that cannot be read, for as long as it does before it believes others.
    pub has_asked: bool,
}

impl Patience {
    /// After another look: a failover that has just become possible is waited for anew.
    pub fn after(self, could_come: bool) -> Self {
        let goes_on = self.could_come || !could_come;
        Self { has_waited: self.has_waited && goes_on, could_come, has_asked: self.has_asked && goes_on }
    }
}

/// How far a pod has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Phase {
    /// It does not exist.
    Gone,
    /// It exists, and its node is gone for good.
    Lost,
    /// It is none of the group's: another workload's pod with the group's labels and the name of one of its pods, whose
    /// server answers as an empty master.
    Stranger,
    /// Its container is about to start.
    Down,
    /// It looks.
    Looking {
        /// What it has seen so far.
        look: Look,
        /// How long it has been looking.
        patience: Patience,
        /// The pod that does not exist yet as whose replica it runs when the deadline comes.
        last_resort_master: Option<Pod>,
    },
    /// It has decided, and the record says so: it marks the record next.
    Recorded {
        /// What it will be.
        intent: Intent,
        /// How long it has been looking.
        patience: Patience,
        /// Nobody has changed the record since.
        is_current: bool,
    },
    /// It has marked the record, and looks again.
    Checking {
        /// What it has seen so far.
        look: Look,
        /// How long it has been looking.
        patience: Patience,
        /// What it will be.
        intent: Intent,
    },
    /// Its Redis runs.
    Running(Server),
}

/// A pod.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct PodState {
    /// How far it has come.
    pub phase: Phase,
    /// What its object says of its disk.
    pub report: Option<Told>,
    /// Its volume.
    pub volume: Volume,
    /// Within the grace it has told what its disk holds, or others have known it.
    pub was_heard: bool,
    /// Its clock is an hour ahead.
    pub is_ahead: bool,
    /// Its word is that of this run: the API server was there when it published.
    pub has_told: bool,
}

impl PodState {
    /// Its Redis, where it runs.
    pub fn server(&self) -> Option<Server> {
        match self.phase {
            Phase::Running(server) => Some(server),
            _ => None,
        }
    }

    /// Whether its Redis runs as a master.
    pub fn is_master(&self) -> bool {
        self.phase == Phase::Running(Server::Master)
    }

    /// Whether its Redis runs as a replica that Sentinel may promote.
    pub fn is_promotable(&self) -> bool {
        matches!(self.phase, Phase::Running(Server::Replica { is_promotable: true, .. }))
    }

    /// Whether its Redis runs as a replica of `master`, with its link up.
    pub fn follows(&self, master: Pod) -> bool {
        matches!(self.phase, Phase::Running(Server::Replica { of, link: Link::Up, .. }) if of == master)
    }
}

/// A failover that this Sentinel leads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Failover {
    /// Its epoch.
    pub epoch: u8,
    /// The replica that was selected.
    pub candidate: Pod,
    /// A pod was started as a master since the election.
    pub is_crossed: bool,
    /// A person wants it: the master that lives is replaced.
    pub is_forced: bool,
}

/// How far a Sentinel has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Watching {
    /// It starts: what it has seen so far.
    Starting(Look),
    /// It runs.
    Running {
        /// It finds its master down.
        finds_down: bool,
        /// It replaces its master.
        failover: Option<Failover>,
        /// It was started on a pod that was no master, while another was seen to be one.
        is_misled: bool,
        /// It knows of the replicas and of the other Sentinels.
        knows_all: bool,
    },
}

/// A Sentinel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SentinelState {
    /// How far it has come.
    pub watching: Watching,
    /// What its file says; none where that was lost.
    pub config: Option<Claim>,
    /// The highest epoch in which it voted, or of which it heard.
    pub current: u8,
}

impl SentinelState {
    /// Whether it runs, and which master it names.
    pub fn names(&self) -> Option<Claim> {
        matches!(self.watching, Watching::Running { .. }).then_some(self.config).flatten()
    }

    /// Whether it runs and finds its master down.
    pub fn finds_down(&self) -> bool {
        matches!(self.watching, Watching::Running { finds_down: true, .. })
    }

    /// Whether it was started on a pod that was no master beside one that was.
    pub fn is_misled(&self) -> bool {
        matches!(self.watching, Watching::Running { is_misled: true, .. })
    }

    /// Whether it runs and knows of the replicas and of the other Sentinels.
    pub fn knows_all(&self) -> bool {
        matches!(self.watching, Watching::Running { knows_all: true, .. })
    }

    /// The failover that it leads.
    pub fn failover(&self) -> Option<Failover> {
        match self.watching {
            Watching::Running { failover, .. } => failover,
            Watching::Starting(_) => None,
        }
    }
}

/// The one reconcile.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Reconcile {
    /// What it has seen so far.
    pub look: Look,
    /// It has seen no master for longer than the grace.
    pub is_masterless: bool,
    /// Its clock is an hour ahead.
    pub is_ahead: bool,
}

/// What must never happen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Harm {
    /// A pod was started as a master though another master lived.
    StartedBeside(Pod),
    /// A pod was started as a master in the middle of a failover, which then promoted another; or
    /// Sentinels were started on another than the master that lived, and promoted a third.
    PromotedBeside(Pod),
}

/// All of it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct State {
    /// The pods.
    pub pods: [PodState; PODS],
    /// The Sentinels.
    pub sentinels: [SentinelState; SENTINELS],
    /// The record.
    pub record: Option<Lease>,
    /// The API server does not answer.
    pub is_api_away: bool,
    /// The reconcile.
    pub reconcile: Reconcile,
    /// The faults that may still happen.
    pub faults: Faults,
    /// How many writes there were.
    pub clock: u8,
    /// The writes that must not be lost.
    pub protected: u8,
    /// The highest epoch in which a Sentinel was elected.
    pub elected: u8,
    /// Sentinels themselves have promoted a second master, after one of them died with its secret.
    pub is_split: bool,
    /// What must never happen has happened.
    pub harm: Option<Harm>,
}

impl State {
    /// A pod.
    pub fn pod(&self, pod: Pod) -> &PodState {
        &self.pods[usize::from(pod)]
    }

    /// A pod, to be changed.
    pub fn pod_mut(&mut self, pod: Pod) -> &mut PodState {
        &mut self.pods[usize::from(pod)]
    }

    /// The pods that run as masters.
    pub fn masters(&self) -> impl Iterator<Item = Pod> {
        pods().filter(|pod| self.pod(*pod).is_master())
    }

    /// The pods whose Redis runs.
    pub fn running(&self) -> impl Iterator<Item = Pod> {
        pods().filter(|pod| self.pod(*pod).server().is_some())
    }

    /// What every look in progress has seen.
    fn looks(&self) -> impl Iterator<Item = &Look> {
        let of_pods = self.pods.iter().filter_map(|pod| match &pod.phase {
            Phase::Looking { look, .. } | Phase::Checking { look, .. } => Some(look),
            _ => None,
        });
        let of_sentinels = self.sentinels.iter().filter_map(|sentinel| match &sentinel.watching {
            Watching::Starting(look) => Some(look),
            Watching::Running { .. } => None,
        });
        of_pods.chain(of_sentinels).chain([&self.reconcile.look])
    }

    /// How many looks have begun and not ended.
    pub fn torn_looks(&self) -> usize {
        self.looks().filter(|look| look.heard > 0).count()
    }

    /// What differs only by the names of Sentinels is the same.
    pub fn forget_names(&mut self) {
        self.sentinels.sort_unstable();
        for pod in &mut self.pods {
            if let Phase::Looking { look, .. } | Phase::Checking { look, .. } = &mut pod.phase {
                look.sentinels.sort_unstable();
            }
        }
        for sentinel in &mut self.sentinels {
            if let Watching::Starting(look) = &mut sentinel.watching {
                look.sentinels.sort_unstable();
            }
        }
        self.reconcile.look.sentinels.sort_unstable();
    }

    /// A run of a pod of which nobody remembers anything: what is random in the program.
    pub fn fresh_run(&self, pod: Pod) -> u8 {
        let marks = self.looks().map(|look| look.record).chain([self.record]);
        let marked = marks
            .flatten()
            .filter_map(|lease| lease.start_marker)
            .filter(|start_marker| start_marker.pod == pod)
            .map(|start_marker| start_marker.run);
        let told = self.looks().filter_map(|look| look.report(pod)).chain(self.pod(pod).report).map(|report| report.run);
        let used = marked.chain(told).fold(0u64, |used, run| used | 1 << run);
        used.trailing_ones() as u8
    }

    /// Writes the record: whoever has read it before has read an old version.
    pub fn write_record(&mut self, lease: Option<Lease>) {
        self.record = lease;
        for pod in &mut self.pods {
            match &mut pod.phase {
                Phase::Looking { look, .. } | Phase::Checking { look, .. } => look.is_current = false,
                Phase::Recorded { is_current, .. } => *is_current = false,
                _ => {}
            }
        }
        for sentinel in &mut self.sentinels {
            if let Watching::Starting(look) = &mut sentinel.watching {
                look.is_current = false;
            }
        }
        self.reconcile.look.is_current = false;
    }

    /// Sets what a pod is, with what follows at once: links to a master that ended are lost, and a
    /// master that answers is not found down.
    pub fn become_(&mut self, pod: Pod, phase: Phase) {
        self.pod_mut(pod).phase = phase;
        if phase == Phase::Running(Server::Master) {
            for sentinel in &mut self.sentinels {
                if sentinel.config.is_some_and(|claim| claim.master == pod)
                    && let Watching::Running { finds_down, knows_all, .. } = &mut sentinel.watching
                {
                    *finds_down = false;
                    *knows_all = true;
                }
            }
            return;
        }
        if self.pod(pod).server().is_none() {
            self.abort_failovers_to(pod);
        }
        for other in &mut self.pods {
            if let Phase::Running(Server::Replica { of, link, .. }) = &mut other.phase
                && *of == pod
                && *link == Link::Up
            {
                *link = Link::Lost;
            }
        }
    }

    /// Whom a Sentinel has selected it promotes within a tenth of a second: a server that comes after it
    /// is not promoted in its place.
    fn abort_failovers_to(&mut self, pod: Pod) {
        for sentinel in &mut self.sentinels {
            if let Watching::Running { failover, .. } = &mut sentinel.watching {
                *failover = failover.filter(|failover| failover.candidate != pod);
            }
        }
    }

    /// More time passes than a look takes: those in progress are too old to be acted upon.
    pub fn overtake(&mut self, all: bool) {
        for pod in &mut self.pods {
            match &mut pod.phase {
                Phase::Checking { look, .. } => look.is_overtaken = true,
                Phase::Looking { look, .. } if all => look.is_overtaken |= look.heard > 0,
                _ => {}
            }
        }
        for sentinel in &mut self.sentinels {
            if let Watching::Starting(look) = &mut sentinel.watching {
                look.is_overtaken |= all && look.heard > 0;
            }
        }
        let look = &mut self.reconcile.look;
        look.is_overtaken |= all && look.heard > 0;
    }
}
