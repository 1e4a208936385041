//! Every combination of what can be known of a node and of those beside it, against what must hold in each;
//! and each guard alone against a node on which everything else says that it is dead.

use super::*;

const GRACE: Duration = Duration::from_secs(20);
/// Now, by our own clock and by the machine's.
const NOW: Duration = Duration::from_secs(1000);
const WALL: Moment = Moment(1_000_000_000);

fn settings() -> Settings {
    Settings { grace: GRACE, method: Method::OutOfService, at_most: 1 }
}

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// So long ago, by our own clock.
fn past(time: Duration) -> Duration {
    NOW.saturating_sub(time)
}

/// The same by the machine's.
fn ago(time: Duration) -> Moment {
    Moment(WALL.0 - u64::try_from(time.as_millis()).unwrap())
}

fn at(port: u16) -> SocketAddr {
    SocketAddr::from(([192, 0, 2, 1], port))
}

fn node(name: &str, state: State) -> Node {
    Node {
        name: name.to_owned(),
        uid: format!("uid of {name}"),
        version: "7".to_owned(),
        state,
        service: Service::In,
        is_leaving: false,
        kubelet: vec![at(10250)],
    }
}

fn hosted_pod(node: &str) -> HostedPod {
    HostedPod {
        namespace: "demo".to_owned(),
        name: format!("redis-on-{node}"),
        uid: format!("uid of redis-on-{node}"),
        node: node.to_owned(),
        probe_addresses: vec![at(6379)],
    }
}

/// Asked for as long, until a second ago.
fn asked(long: Duration, kubelet: Answer, pod: Answer) -> NodeAsked {
    let end = past(seconds(1));
    NodeAsked {
        since: end.saturating_sub(long),
        at: end,
        kubelet: vec![(at(10250), kubelet)],
        hosted_pods: vec![(at(6379), pod)],
    }
}

/// `dead` is dead beyond doubt; `here` and `there` live, and answer.
fn dead() -> Facts {
    let silent = |name: &str| (name.to_owned(), past(seconds(21)));
    let live = || asked(seconds(0), Answer::Accepted, Answer::Accepted);
    Facts {
        clock: Clock { own: NOW, wall: WALL },
        is_complete: true,
        nodes: vec![node("dead", State::Silent(Some(ago(seconds(21))))), node("here", State::Ready), node("there", State::Ready)],
        hosted_pods: vec![hosted_pod("dead"), hosted_pod("here")],
        silent: BTreeMap::from([silent("dead")]),
        asked: BTreeMap::from([
            ("dead".to_owned(), asked(seconds(6), Answer::Silence, Answer::Silence)),
            ("here".to_owned(), live()),
            ("there".to_owned(), live()),
        ]),
        deleted: BTreeMap::new(),
    }
}

fn edit(facts: &mut Facts, name: &str, edit: impl FnOnce(&mut Node)) {
    edit(facts.nodes.iter_mut().find(|node| node.name == name).unwrap());
}

/// Another node that is as dead as `dead`.
fn add_dead(facts: &mut Facts, name: &str) {
    facts.nodes.push(node(name, State::Silent(Some(ago(seconds(21))))));
    facts.hosted_pods.push(hosted_pod(name));
    facts.silent.insert(name.to_owned(), past(seconds(21)));
    facts.asked.insert(name.to_owned(), asked(seconds(6), Answer::Silence, Answer::Silence));
}

fn add_ready(facts: &mut Facts, name: &str) {
    facts.nodes.push(node(name, State::Ready));
    facts.asked.insert(name.to_owned(), asked(seconds(0), Answer::Refused, Answer::Silence));
}

fn deeds(plan: &TakeoverPlan) -> Vec<(&str, &Action)> {
    plan.acts.iter().map(|act| (act.node.as_str(), &act.action)).collect()
}

#[test]
fn a_node_that_is_dead_beyond_doubt_is_taken_out_of_service() {
    let plan = decide(&dead(), &settings());
    assert_eq!(deeds(&plan), [("dead", &Action::TakeOut)]);
    assert!(plan.holds.is_empty());
    let [act] = &plan.acts[..] else { panic!("one act") };
    assert_eq!(act.seen, Some(("uid of dead".to_owned(), "7".to_owned())));
    let why = "not Ready for 21s, nothing has answered for 6s at 192.0.2.1:10250, 192.0.2.1:6379; it hosts demo/redis-on-dead";
    assert_eq!(act.why, why);
}

/// What is changed, and what must then keep it.
type Doubt = (fn(&mut Facts), fn(&Hold) -> bool);

#[test]
fn each_guard_alone_keeps_a_node_that_is_dead_for_all_others() {
    let doubts: [Doubt; 20] = [
        (|facts| edit(facts, "dead", |node| node.state = State::Unready), |why| matches!(why, Hold::KubeletReports)),
        (|facts| edit(facts, "dead", |node| node.is_leaving = true), |why| matches!(why, Hold::Leaving)),
        (|facts| edit(facts, "dead", |node| node.service = Service::OutByAnother), |why| matches!(why, Hold::TakenByAnother)),
        (|facts| facts.is_complete = false, |why| matches!(why, Hold::Untold)),
        (|facts| edit(facts, "there", |node| node.state = State::Unready), |why| matches!(why, Hold::MajorityLost(1, 3))),
        // Half is no majority: who is cut off cannot be known.
        (|facts| drop(facts.nodes.pop()), |why| matches!(why, Hold::MajorityLost(1, 2))),
        (
            |facts| {
                facts.nodes.push(node("other", State::Unready));
            },
            |why| matches!(why, Hold::MajorityLost(2, 4)),
        ),
        // One that was deleted by us is still away.
        (|facts| facts.deleted.extend([("gone".to_owned(), ago(seconds(3500)))]), |why| matches!(why, Hold::MajorityLost(2, 4))),
        (
            |facts| facts.asked.get_mut("dead").unwrap().kubelet[0].1 = Answer::Accepted,
            |why| matches!(why, Hold::Answers(_, Answer::Accepted)),
        ),
        (
            |facts| facts.asked.get_mut("dead").unwrap().kubelet[0].1 = Answer::Refused,
            |why| matches!(why, Hold::Answers(_, Answer::Refused)),
        ),
        (
            |facts| facts.asked.get_mut("dead").unwrap().hosted_pods[0].1 = Answer::Accepted,
            |why| matches!(why, Hold::Answers(_, Answer::Accepted)),
        ),
        (
            |facts| facts.asked.get_mut("dead").unwrap().hosted_pods[0].1 = Answer::Refused,
            |why| matches!(why, Hold::Answers(_, Answer::Refused)),
        ),
        (|facts| edit(facts, "dead", |node| node.kubelet.clear()), |why| matches!(why, Hold::CannotAsk(_))),
        (
            |facts| facts.asked.get_mut("dead").unwrap().kubelet[0].1 = Answer::NotAsked("no route".to_owned()),
            |why| matches!(why, Hold::CannotAsk(_)),
        ),
        (
            |facts| {
                facts.silent.insert("dead".to_owned(), past(seconds(19)));
                edit(facts, "dead", |node| node.state = State::Silent(Some(ago(seconds(19)))));
            },
            |why| matches!(why, Hold::Grace(GRACE)),
        ),
        (|facts| drop(facts.asked.remove("dead")), |why| matches!(why, Hold::NotAskedYet)),
        (|facts| facts.asked.get_mut("dead").unwrap().since = past(seconds(5)), |why| matches!(why, Hold::NotAskedYet)),
        (
            |facts| {
                let asked = facts.asked.get_mut("dead").unwrap();
                (asked.since, asked.at) = (past(seconds(20)), past(seconds(6)));
            },
            |why| matches!(why, Hold::NotAskedYet),
        ),
        (
            |facts| drop(facts.asked.insert("there".to_owned(), asked(seconds(9), Answer::Silence, Answer::Silence))),
            |why| matches!(why, Hold::OurSilence(1, 2)),
        ),
        (
            |facts| {
                add_ready(facts, "fourth");
                edit(facts, "there", |node| node.service = Service::OutByUs);
            },
            |why| matches!(why, Hold::AtMost(out) if out.contains("there")),
        ),
    ];
    for (number, (doubt, is_why)) in doubts.into_iter().enumerate() {
        let mut facts = dead();
        doubt(&mut facts);
        let plan = decide(&facts, &settings());
        assert!(plan.acts.iter().all(|act| act.action != Action::TakeOut), "doubt {number}: it acts");
        let why = &plan.holds["dead"];
        assert!(is_why(why), "doubt {number}: {why}");
    }
}

#[test]
fn what_hosts_no_pod_of_a_group_is_nobodys_business() {
    let mut facts = dead();
    facts.hosted_pods.retain(|hosted_pod| hosted_pod.node != "dead");
    assert_eq!(decide(&facts, &settings()), TakeoverPlan::default());
    assert!(facts.in_question().is_empty());
}

#[test]
fn the_longer_of_both_clocks_counts_for_the_grace_and_ours_alone_for_the_asking() {
    let acts = |seen: u64, told: Option<u64>, asked_for: u64| {
        let mut facts = dead();
        facts.silent.insert("dead".to_owned(), past(seconds(seen)));
        edit(&mut facts, "dead", |node| node.state = State::Silent(told.map(|told| ago(seconds(told)))));
        facts.asked.insert("dead".to_owned(), asked(seconds(asked_for), Answer::Silence, Answer::Silence));
        !decide(&facts, &settings()).acts.is_empty()
    };
    assert!(acts(20, None, 6), "by our own clock");
    assert!(acts(6, Some(20), 5), "one that has just started does not wait anew");
    assert!(!acts(6, Some(19), 5));
    assert!(!acts(6, Some(100_000), 4), "a clock that is ahead does not spare the asking");
    let mut facts = dead();
    edit(&mut facts, "dead", |node| node.state = State::Silent(Some(Moment(WALL.0 + 1_000_000))));
    assert_eq!(decide(&facts, &settings()).acts.len(), 1, "a clock that is behind does not keep us from counting");
}

#[test]
fn silence_counts_from_the_first_round_of_an_unbroken_run() {
    let round = |began: u64, before: Option<&NodeAsked>, answer: Answer| {
        let answers =
            NodeAsked { since: Duration::ZERO, at: seconds(began + 2), kubelet: vec![(at(10250), answer)], hosted_pods: vec![] };
        NodeAsked::after(before, seconds(began), answers, &settings())
    };
    let first = round(100, None, Answer::Silence);
    let second = round(105, Some(&first), Answer::Silence);
    assert_eq!((first.since, second.since, second.at), (seconds(100), seconds(100), seconds(107)));
    let heard = round(110, Some(&second), Answer::Refused);
    let after = round(115, Some(&heard), Answer::Silence);
    assert_eq!(after.since, seconds(115), "what answered ends the run");
    let late = round(128, Some(&second), Answer::Silence);
    assert_eq!(late.since, seconds(128), "so does a gap");
}

#[test]
fn the_one_that_has_been_silent_longest_comes_first_and_no_more_than_at_most() {
    let mut facts = dead();
    for name in ["fourth", "fifth", "sixth"] {
        add_ready(&mut facts, name);
    }
    for name in ["dead-2", "dead-3"] {
        add_dead(&mut facts, name);
    }
    facts.silent.insert("dead-2".to_owned(), past(seconds(50)));
    let one = decide(&facts, &settings());
    assert_eq!(deeds(&one), [("dead-2", &Action::TakeOut)]);
    assert_eq!(one.holds["dead"], Hold::AtMost(BTreeSet::from(["dead-2".to_owned()])));
    let two = decide(&facts, &Settings { at_most: 2, ..settings() });
    assert_eq!(deeds(&two), [("dead-2", &Action::TakeOut), ("dead", &Action::TakeOut)]);
}

#[test]
fn a_node_that_is_back_loses_our_taint_whatever_else_is_amiss_and_keeps_anothers() {
    let mut facts = dead();
    facts.is_complete = false;
    facts.nodes = vec![node("back", State::Ready), node("b", State::Unready), node("c", State::Unready)];
    edit(&mut facts, "back", |node| node.service = Service::OutByUs);
    assert_eq!(deeds(&decide(&facts, &settings())), [("back", &Action::GiveBack)]);
    edit(&mut facts, "back", |node| node.service = Service::OutByAnother);
    assert!(decide(&facts, &settings()).acts.is_empty());
    edit(&mut facts, "back", |node| (node.service, node.state) = (Service::OutByUs, State::Unready));
    assert!(decide(&facts, &settings()).acts.is_empty(), "it is not back yet");
}

#[test]
fn pods_of_a_node_that_we_deleted_are_freed_and_no_others() {
    let by_deleting = Settings { method: Method::DeleteNode, ..settings() };
    let mut facts = dead();
    assert_eq!(deeds(&decide(&facts, &by_deleting)), [("dead", &Action::Delete)]);
    facts.nodes.retain(|node| node.name != "dead");
    assert!(decide(&facts, &by_deleting).acts.is_empty(), "somebody else deleted it");
    facts.deleted.insert("dead".to_owned(), ago(seconds(1)));
    assert_eq!(deeds(&decide(&facts, &by_deleting)), [("dead", &Action::Free(hosted_pod("dead")))]);
    facts.deleted.insert("dead".to_owned(), ago(seconds(3601)));
    assert!(decide(&facts, &by_deleting).acts.is_empty(), "that is long ago");
    let mut facts = dead();
    facts.deleted.insert("here".to_owned(), ago(seconds(1)));
    facts.deleted.insert("gone".to_owned(), ago(seconds(3601)));
    assert_eq!(deeds(&decide(&facts, &by_deleting)), [("dead", &Action::Delete)], "it is back");
    assert!(facts.still_deleted().keys().eq(["gone"]), "one that is back is forgotten");
    edit(&mut facts, "here", |node| node.is_leaving = true);
    assert!(facts.still_deleted().keys().eq(["gone", "here"]), "one that is going is not back");
}

/// One of each class, of all that is known of the node in question.
fn every_subject() -> Vec<(Node, Option<Duration>, Option<NodeAsked>, bool)> {
    let states = [
        (State::Ready, None),
        (State::Unready, None),
        (State::Silent(None), Some(seconds(19))),
        (State::Silent(None), Some(seconds(20))),
        (State::Silent(Some(ago(seconds(20)))), Some(seconds(7))),
        (State::Silent(Some(ago(seconds(19)))), None),
    ];
    let mut rounds = vec![None, Some(asked(seconds(4), Answer::Silence, Answer::Silence))];
    let answers = [Answer::Accepted, Answer::Refused, Answer::Silence, Answer::NotAsked("no route".to_owned())];
    for kubelet in &answers {
        rounds.extend(answers.iter().map(|pod| Some(asked(seconds(6), kubelet.clone(), pod.clone()))));
    }
    let silent = asked(seconds(6), Answer::Silence, Answer::Silence);
    rounds.push(Some(NodeAsked { at: past(seconds(6)), since: past(seconds(20)), ..silent.clone() }));
    rounds.push(Some(NodeAsked { kubelet: vec![], ..silent }));
    let mut subjects = Vec::new();
    for (state, seen) in states {
        for service in [Service::In, Service::OutByUs, Service::OutByAnother] {
            for is_leaving in [false, true] {
                for has_address in [true, false] {
                    for is_host in [true, false] {
                        for round in &rounds {
                            let mut subject = Node { service, is_leaving, ..node("subject", state) };
                            subject.kubelet.retain(|_| has_address);
                            subjects.push((subject, seen, round.clone(), is_host));
                        }
                    }
                }
            }
        }
    }
    subjects
}

/// Those beside it: each a state, whether it is out of service by us, whether it answers, and whether it hosts.
fn every_company() -> Vec<Facts> {
    let mut companies = Vec::new();
    let none = Facts { nodes: Vec::new(), hosted_pods: Vec::new(), asked: BTreeMap::new(), silent: BTreeMap::new(), ..dead() };
    for (ready, heard, dead) in [(1, 1, 0), (2, 0, 0), (2, 1, 0), (2, 2, 0), (3, 2, 1), (4, 4, 1), (4, 4, 2), (1, 1, 2)] {
        for out in [0, 1] {
            for is_deleted in [false, true] {
                let mut facts = none.clone();
                for number in 0..ready {
                    add_ready(&mut facts, &format!("ready-{number}"));
                    if number >= heard {
                        let silent = asked(seconds(9), Answer::Silence, Answer::Silence);
                        facts.asked.insert(format!("ready-{number}"), silent);
                    }
                }
                for number in 0..dead {
                    add_dead(&mut facts, &format!("dead-{number}"));
                }
                for number in 0..out {
                    facts.nodes.push(Node { service: Service::OutByUs, ..node(&format!("out-{number}"), State::Silent(None)) });
                }
                if is_deleted {
                    facts.deleted.insert("gone".to_owned(), ago(seconds(5)));
                    facts.hosted_pods.push(hosted_pod("gone"));
                }
                companies.push(facts);
            }
        }
    }
    companies
}

#[test]
fn what_must_hold_holds_in_every_combination() {
    let mut acted = 0;
    for company in every_company() {
        for (subject, seen, round, is_host) in every_subject() {
            let mut facts = company.clone();
            facts.nodes.push(subject);
            facts.silent.extend(seen.map(|seen| ("subject".to_owned(), past(seen))));
            facts.asked.extend(round.map(|round| ("subject".to_owned(), round)));
            facts.hosted_pods.extend(is_host.then(|| hosted_pod("subject")));
            for (is_complete, method, at_most) in [
                (true, Method::OutOfService, 1),
                (true, Method::OutOfService, 2),
                (true, Method::DeleteNode, 1),
                (true, Method::DeleteNode, 2),
                (false, Method::OutOfService, 2),
            ] {
                facts.is_complete = is_complete;
                let plan = decide(&facts, &Settings { grace: GRACE, method, at_most });
                acted += must_hold(&facts, method, at_most, &plan);
            }
        }
    }
    assert!(acted > 1000, "only {acted} times anything was done to a dead node");
}

/// What holds whatever is known. It is written from the facts alone, and calls nothing of what it checks.
fn must_hold(facts: &Facts, method: Method, at_most: usize, plan: &TakeoverPlan) -> usize {
    let named = |name: &str| facts.nodes.iter().find(|node| node.name == name);
    let ready = facts.nodes.iter().filter(|node| node.state == State::Ready).count();
    let away = facts.deleted.keys().filter(|name| named(name).is_none()).count();
    let ours = facts.nodes.iter().filter(|node| node.service == Service::OutByUs).count();
    let answers_us = |node: &&Node| {
        facts
            .asked
            .get(&node.name)
            .is_some_and(|asked| asked.kubelet.iter().any(|(_, answer)| matches!(answer, Answer::Accepted | Answer::Refused)))
    };
    let heard = facts.nodes.iter().filter(|node| node.state == State::Ready).filter(answers_us).count();
    let mut taken = 0;
    for act in &plan.acts {
        let what = || format!("{act:?} of {facts:?}");
        match &act.action {
            Action::TakeOut | Action::Delete => {
                taken += 1;
                let node = named(&act.node).unwrap_or_else(|| panic!("{}", what()));
                assert_eq!(
                    act.action == Action::Delete,
                    method == Method::DeleteNode,
                    "by the method that was chosen: {}",
                    what()
                );
                assert!(facts.is_complete, "never on half of the story: {}", what());
                assert!(2 * ready > facts.nodes.len() + away, "never where a majority is lost: {}", what());
                assert!(heard > 0, "never where nobody answers us: {}", what());
                assert!(matches!(node.state, State::Silent(_)), "never on a kubelet that reports: {}", what());
                let own = facts.silent.get(&act.node).map_or(Duration::ZERO, |since| NOW.saturating_sub(*since));
                let told = matches!(node.state, State::Silent(Some(told)) if WALL.since(told) >= GRACE);
                assert!(own >= GRACE || told, "never before the grace is over: {}", what());
                assert!(!node.kubelet.is_empty(), "never on a node without an address: {}", what());
                assert!(node.service == Service::In && !node.is_leaving, "never in anybody's way: {}", what());
                assert!(
                    facts.hosted_pods.iter().any(|hosted_pod| hosted_pod.node == act.node),
                    "never for nobody's sake: {}",
                    what()
                );
                let asked = facts.asked.get(&act.node).unwrap_or_else(|| panic!("{}", what()));
                let mut answers = asked.kubelet.iter().chain(&asked.hosted_pods);
                let is_life = |answer: &Answer| matches!(answer, Answer::Accepted | Answer::Refused);
                assert!(answers.all(|(_, answer)| !is_life(answer)), "never on a node where something answered: {}", what());
                let is_silent = |(_, answer): &(SocketAddr, Answer)| *answer == Answer::Silence;
                assert!(
                    !asked.kubelet.is_empty() && asked.kubelet.iter().all(is_silent),
                    "never on a kubelet that was not asked: {}",
                    what()
                );
                assert!(asked.at >= asked.since + seconds(5) && asked.at >= past(seconds(5)), "never on old answers: {}", what());
            }
            Action::GiveBack => {
                let node = named(&act.node).unwrap_or_else(|| panic!("{}", what()));
                assert_eq!(
                    (node.service, node.state),
                    (Service::OutByUs, State::Ready),
                    "never another's taint, never too early: {}",
                    what()
                );
            }
            Action::Free(hosted_pod) => {
                assert!(
                    named(&hosted_pod.node).is_none() && facts.deleted.contains_key(&hosted_pod.node),
                    "never from a node that is there: {}",
                    what()
                );
            }
        }
    }
    assert!(taken == 0 || taken + ours + away <= at_most, "never more than {at_most} at a time: {plan:?} of {facts:?}");
    let back = |node: &&Node| node.service == Service::OutByUs && node.state == State::Ready;
    for node in facts.nodes.iter().filter(back) {
        assert!(
            plan.acts.iter().any(|act| act.node == node.name && act.action == Action::GiveBack),
            "what is back is given back"
        );
    }
    for node in &facts.nodes {
        let needs_word = node.state != State::Ready && node.service != Service::OutByUs;
        let is_host = facts.hosted_pods.iter().any(|hosted_pod| hosted_pod.node == node.name);
        let is_taken = plan.acts.iter().any(|act| act.node == node.name && act.action != Action::GiveBack);
        let is_held = plan.holds.contains_key(&node.name);
        assert_eq!(
            is_taken || is_held,
            needs_word && is_host,
            "of each that is lost and hosts, something is said: {plan:?} of {facts:?}"
        );
        assert!(!(is_taken && is_held), "and not both: {plan:?}");
    }
    taken
}
