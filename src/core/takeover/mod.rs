//! Which dead nodes lose their pods, and which are back; and why nothing is done about the others.
//!
//! A StatefulSet starts a pod elsewhere only once the old one is known to be gone, for two pods on one volume
//! destroy it. So what is decided here is a fence's work, without a fence: a node is acted upon only when all
//! that can be known says that it is dead, and every doubt holds still.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;

use crate::core::disk::Moment;

/// How old answers may be: what was asked before proves nothing of now.
const FRESH: Duration = Duration::from_secs(5);
/// For how long a Node that was deleted is counted among those that are away, unless it comes back.
const REMEMBERED: Duration = Duration::from_secs(60 * 60);

/// How the pods of a dead node are freed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// By the taint `node.kubernetes.io/out-of-service`: Kubernetes detaches its volumes and deletes its pods.
    OutOfService,
    /// By deleting the Node and its pods.
    DeleteNode,
}

/// What was chosen.
#[derive(Debug, Clone, Copy)]
pub struct Settings {
    /// For how long a node must have been not Ready.
    pub grace: Duration,
    /// How its pods are freed.
    pub method: Method,
    /// How many nodes may be out of service by us at once.
    pub at_most: usize,
}

impl Settings {
    /// How far apart a node is asked, and for how long at least it must have been silent, whatever clocks say.
    pub fn round(&self) -> Duration {
        self.grace / 4
    }
}

/// What the condition Ready of a node says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// True.
    Ready,
    /// False, or nothing yet: the kubelet says so itself, so the node runs.
    Unready,
    /// Unknown: the kubelet has reported nothing for so long that the node controller says so.
    /// Since when, is by the clock of whoever wrote it.
    Silent(Option<Moment>),
}

/// Whether a node bears the taint `node.kubernetes.io/out-of-service`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Service {
    /// It does not.
    In,
    /// It does, and we set it.
    OutByUs,
    /// It does, and somebody else set it.
    OutByAnother,
}

/// A node, as the API server showed it last.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    /// Its name.
    pub name: String,
    /// Its uid.
    pub uid: String,
    /// The resourceVersion under which it was seen: what is done rests on it.
    pub version: String,
    /// Its condition Ready.
    pub state: State,
    /// Its taint.
    pub service: Service,
    /// Whether it is being deleted.
    pub is_leaving: bool,
    /// Where its kubelet listens.
    pub kubelet: Vec<SocketAddr>,
}

/// A pod of a group that is bound to a node and has not ended.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct HostedPod {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Its uid.
    pub uid: String,
    /// Its node.
    pub node: String,
    /// Where its servers listen.
    pub probe_addresses: Vec<SocketAddr>,
}

impl fmt::Display for HostedPod {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.namespace, self.name)
    }
}

/// What a TCP connection to an address came to, and what that proves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// It was accepted: a process runs there.
    Accepted,
    /// It was refused: nothing listens, and a running kernel says so. A firewall may say it for a dead
    /// node, which then counts as alive.
    Refused,
    /// Nothing came back, or a router answered that nobody is there: a node that is dead, or one that we do not
    /// reach. Which of them, only others show: see [`Hold::OurSilence`].
    Silence,
    /// It could not be asked: that proves nothing.
    NotAsked(String),
}

impl Answer {
    fn is_life(&self) -> bool {
        matches!(self, Self::Accepted | Self::Refused)
    }
}

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Accepted => f.write_str("accepts a connection"),
            Self::Refused => f.write_str("refuses a connection, as only a living kernel does"),
            Self::Silence => f.write_str("is silent"),
            Self::NotAsked(why) => write!(f, "cannot be asked: {why}"),
        }
    }
}

/// What the rounds of asking one node have come to, by our own clock.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeAsked {
    /// When the first of those rounds began in which nothing has answered, without one between in which
    /// something has; of the last round, where something has.
    pub since: Duration,
    /// When the last round ended.
    pub at: Duration,
    /// What its kubelet came to, at each address.
    pub kubelet: Vec<(SocketAddr, Answer)>,
    /// What its pods came to.
    pub hosted_pods: Vec<(SocketAddr, Answer)>,
}

impl NodeAsked {
    /// A round, after the one before.
    pub fn after(before: Option<&Self>, began: Duration, round: Self, settings: &Settings) -> Self {
        let goes_on = |before: &&Self| before.life().is_none() && began.saturating_sub(before.at) <= settings.grace;
        Self { since: before.filter(goes_on).map_or(began, |before| before.since), ..round }
    }

    fn is_fresh(&self, clock: &Clock) -> bool {
        clock.own.saturating_sub(self.at) <= FRESH
    }

    fn life(&self) -> Option<&(SocketAddr, Answer)> {
        self.kubelet.iter().chain(&self.hosted_pods).find(|(_, answer)| answer.is_life())
    }
}

/// What time it is.
#[derive(Debug, Clone, Copy)]
pub struct Clock {
    /// By our own clock, which only goes forward; since we started.
    pub own: Duration,
    /// By the machine's.
    pub wall: Moment,
}

/// All that is known.
#[derive(Debug, Clone)]
pub struct Facts {
    /// What time it is.
    pub clock: Clock,
    /// Whether all nodes and pods have been seen, and every change since is.
    pub is_complete: bool,
    /// The nodes.
    pub nodes: Vec<Node>,
    /// The pods of groups.
    pub hosted_pods: Vec<HostedPod>,
    /// Since when each node has been seen silent without a break, by our own clock.
    pub silent: BTreeMap<String, Duration>,
    /// What asking came to, node by node.
    pub asked: BTreeMap<String, NodeAsked>,
    /// The Nodes that were deleted by us, and when.
    pub deleted: BTreeMap<String, Moment>,
}

/// What is to be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Taint the node out of service.
    TakeOut,
    /// Take our taint from it.
    GiveBack,
    /// Delete the Node.
    Delete,
    /// Delete a pod of a Node that was deleted, without waiting for its kubelet.
    Free(HostedPod),
}

/// Something that is to be done to a node, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Act {
    /// The node's name.
    pub node: String,
    /// The node's uid and version, where it exists.
    pub seen: Option<(String, String)>,
    /// What is to be done.
    pub action: Action,
    /// Why, in one line.
    pub why: String,
}

/// Why a node that is not Ready and hosts pods of groups is left alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Hold {
    /// Its kubelet says that it is not Ready.
    KubeletReports,
    /// Somebody is deleting it.
    Leaving,
    /// Somebody else has taken it out of service.
    TakenByAnother,
    /// The API server has not sent all nodes and pods, or sends no changes any more.
    Untold,
    /// So many nodes are Ready of so many: the fault is the network's, or ours.
    MajorityLost(usize, usize),
    /// Something on it answers: it is cut off from the API server, and runs.
    Answers(String, Answer),
    /// It is not known where its kubelet listens, or there is no way there.
    CannotAsk(String),
    /// It has not been so for long enough.
    Grace(Duration),
    /// It has not been asked for long enough, or not lately.
    NotAskedYet,
    /// So few of so many nodes that are Ready answer us: that others are silent proves nothing.
    OurSilence(usize, usize),
    /// These are out of service already.
    AtMost(BTreeSet<String>),
}

impl fmt::Display for Hold {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::KubeletReports => f.write_str("its own kubelet says that it is not Ready: the node runs"),
            Self::Leaving => f.write_str("somebody is deleting the node"),
            Self::TakenByAnother => f.write_str("somebody else has taken the node out of service"),
            Self::Untold => f.write_str("the API server has not sent all nodes and pods yet"),
            Self::MajorityLost(ready, of) => {
                write!(f, "only {ready} of {of} nodes are Ready: the fault may be the network's, or this node's")
            }
            Self::Answers(at, answer) => write!(f, "{at} {answer}: the node is cut off from the API server, and not dead"),
            Self::CannotAsk(why) => write!(f, "its kubelet cannot be asked: {why}"),
            Self::Grace(grace) => write!(f, "the node has been silent for less than {}", humantime::format_duration(*grace)),
            Self::NotAskedYet => f.write_str("the node has not been asked for long enough"),
            Self::OurSilence(heard, asked) => {
                write!(f, "only {heard} of {asked} nodes that are Ready answer when asked the same: silence proves nothing")
            }
            Self::AtMost(out) => {
                let out: Vec<_> = out.iter().map(String::as_str).collect();
                write!(f, "out of service already: {}", out.join(", "))
            }
        }
    }
}

/// What is to be done, and what is left alone.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TakeoverPlan {
    /// In this order.
    pub acts: Vec<Act>,
    /// By the nodes' names.
    pub holds: BTreeMap<String, Hold>,
}

impl Facts {
    fn hosted_pods_of<'a>(&'a self, node: &'a Node) -> impl Iterator<Item = &'a HostedPod> {
        self.hosted_pods.iter().filter(move |hosted_pod| hosted_pod.node == node.name)
    }

    fn ready(&self) -> impl Iterator<Item = &Node> {
        self.nodes.iter().filter(|node| node.state == State::Ready)
    }

    /// The Nodes that we deleted and that have not come back.
    fn missing(&self) -> impl Iterator<Item = &String> {
        let is_there = |name: &String| self.nodes.iter().any(|node| node.name == *name);
        let is_recent = |at: &Moment| self.clock.wall.since(*at) <= REMEMBERED;
        self.deleted.iter().filter(move |(name, at)| !is_there(name) && is_recent(at)).map(|(name, _)| name)
    }

    /// The Nodes that we deleted, without those that are back.
    pub fn still_deleted(&self) -> BTreeMap<String, Moment> {
        let is_back = |name: &String| self.nodes.iter().any(|node| node.name == *name && !node.is_leaving);
        self.deleted.clone().into_iter().filter(|(name, _)| !is_back(name)).collect()
    }

    /// The addresses to probe at the nodes that are in question: those that say nothing and host pods of groups.
    pub fn in_question(&self) -> Vec<(&Node, Vec<SocketAddr>)> {
        let is_silent = |node: &&Node| matches!(node.state, State::Silent(_)) && node.service == Service::In;
        let probe_addresses =
            |node| self.hosted_pods_of(node).flat_map(|hosted_pod| hosted_pod.probe_addresses.iter().copied()).collect();
        let hosts = |node: &&Node| self.hosted_pods_of(node).next().is_some();
        self.nodes.iter().filter(is_silent).filter(hosts).map(|node| (node, probe_addresses(node))).collect()
    }

    /// For how long a node has been silent. The longer of both clocks counts: ours has seen it, and whoever
    /// wrote the condition knows of before we started. A clock that is wrong shortens this, and never the
    /// time for which we ask the node ourselves.
    fn silent_for(&self, node: &Node) -> Duration {
        let State::Silent(told) = node.state else { return Duration::ZERO };
        let by_wall = told.map_or(Duration::ZERO, |told| self.clock.wall.since(told));
        let seen = self.silent.get(&node.name);
        seen.map_or(Duration::ZERO, |seen| self.clock.own.saturating_sub(*seen)).max(by_wall)
    }

    /// Of the nodes that are Ready and were asked lately, how many answered, and how many there are.
    fn heard(&self) -> (usize, usize) {
        let asked = self.ready().filter_map(|node| self.asked.get(&node.name)).filter(|asked| asked.is_fresh(&self.clock));
        let lives: Vec<_> = asked.map(|asked| asked.life().is_some()).collect();
        (lives.iter().filter(|lives| **lives).count(), lives.len())
    }

    /// What keeps a node from being acted upon; else what proves it dead.
    fn doubt(&self, node: &Node, settings: &Settings) -> Result<String, Hold> {
        if !matches!(node.state, State::Silent(_)) {
            return Err(Hold::KubeletReports);
        }
        if node.is_leaving {
            return Err(Hold::Leaving);
        }
        if node.service == Service::OutByAnother {
            return Err(Hold::TakenByAnother);
        }
        if !self.is_complete {
            return Err(Hold::Untold);
        }
        let (ready, of) = (self.ready().count(), self.nodes.len() + self.missing().count());
        if 2 * ready <= of {
            return Err(Hold::MajorityLost(ready, of));
        }
        let asked = self.asked.get(&node.name).filter(|asked| asked.is_fresh(&self.clock));
        if let Some((at, answer)) = asked.and_then(NodeAsked::life) {
            return Err(Hold::Answers(at.to_string(), answer.clone()));
        }
        if node.kubelet.is_empty() {
            return Err(Hold::CannotAsk("the node has no InternalIP".to_owned()));
        }
        if let Some((at, answer)) = asked.and_then(|asked| asked.kubelet.iter().find(|(_, answer)| *answer != Answer::Silence)) {
            return Err(Hold::CannotAsk(format!("{at} {answer}")));
        }
        let silent_for = self.silent_for(node);
        if silent_for < settings.grace {
            return Err(Hold::Grace(settings.grace));
        }
        let asked = asked.filter(|asked| !asked.kubelet.is_empty() && asked.at.saturating_sub(asked.since) >= settings.round());
        let Some(asked) = asked else { return Err(Hold::NotAskedYet) };
        let (heard, of) = self.heard();
        if 2 * heard <= of {
            return Err(Hold::OurSilence(heard, of));
        }
        let probe_addresses: Vec<_> = asked.kubelet.iter().chain(&asked.hosted_pods).map(|(at, _)| at.to_string()).collect();
        let hosted_pods: Vec<_> = self.hosted_pods_of(node).map(ToString::to_string).collect();
        let seconds = |time: Duration| humantime::format_duration(Duration::from_secs(time.as_secs()));
        Ok(format!(
            "not Ready for {}, nothing has answered for {} at {}; it hosts {}",
            seconds(silent_for),
            seconds(asked.at.saturating_sub(asked.since)),
            probe_addresses.join(", "),
            hosted_pods.join(", ")
        ))
    }
}

/// Decides what is to be done about which nodes.
pub fn decide(facts: &Facts, settings: &Settings) -> TakeoverPlan {
    let mut plan = TakeoverPlan::default();
    let seen = |node: &Node| Some((node.uid.clone(), node.version.clone()));
    // What we took goes back, whatever else is amiss.
    for node in facts.ready().filter(|node| node.service == Service::OutByUs) {
        let why = "the node is Ready again".to_owned();
        plan.acts.push(Act { node: node.name.clone(), seen: seen(node), action: Action::GiveBack, why });
    }
    for hosted_pod in facts.hosted_pods.iter().filter(|hosted_pod| facts.missing().any(|name| *name == hosted_pod.node)) {
        let why = format!("its node {} was deleted", hosted_pod.node);
        plan.acts.push(Act { node: hosted_pod.node.clone(), seen: None, action: Action::Free(hosted_pod.clone()), why });
    }
    let mut out: BTreeSet<String> = facts.missing().cloned().collect();
    out.extend(facts.nodes.iter().filter(|node| node.service == Service::OutByUs).map(|node| node.name.clone()));
    let mut lost: Vec<&Node> = facts.nodes.iter().collect();
    lost.retain(|node| {
        node.state != State::Ready && node.service != Service::OutByUs && facts.hosted_pods_of(node).next().is_some()
    });
    // Who has been silent longest comes first.
    lost.sort_by_key(|node| (std::cmp::Reverse(facts.silent_for(node)), &node.name));
    for node in lost {
        let proven = facts.doubt(node, settings);
        let proven = if proven.is_ok() && out.len() >= settings.at_most { Err(Hold::AtMost(out.clone())) } else { proven };
        match proven {
            Ok(why) => {
                out.insert(node.name.clone());
                let action = match settings.method {
                    Method::OutOfService => Action::TakeOut,
                    Method::DeleteNode => Action::Delete,
                };
                plan.acts.push(Act { node: node.name.clone(), seen: seen(node), action, why });
            }
            Err(why) => drop(plan.holds.insert(node.name.clone(), why)),
        }
    }
    plan
}

#[cfg(test)]
mod tests;
