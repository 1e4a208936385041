//! Explores a setting: every state by stateright, and by a search of our own whether each state can
//! get well again, which needs the whole graph.

use std::collections::HashMap;
use std::collections::hash_map::{DefaultHasher, Entry};
use std::fmt;
use std::hash::{Hash, Hasher};
use std::time::{Duration, Instant};

use stateright::{Checker, HasDiscoveries, Model, Path, Property};

use crate::action::{self, Action};
use crate::property;
use crate::setting::Setting;
use crate::state::State;

/// The protocol in a setting.
#[derive(Debug, Clone)]
pub struct Protocol(pub Setting);

/// No pod is started as a master beside another.
pub const ONE_MASTER: &str = "one master";
/// No write that must not be lost is lost.
pub const NOTHING_LOST: &str = "nothing lost";
/// No epoch names two masters.
pub const UNIQUE_EPOCHS: &str = "unique epochs";
/// Every state can get well.
pub const GETS_WELL: &str = "gets well";

impl Model for Protocol {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        vec![self.0.start.clone()]
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        // What follows a violation tells nothing more.
        if property::holds(state) {
            action::enabled(&self.0, state, actions);
        }
    }

    fn next_state(&self, last: &State, action: Action) -> Option<State> {
        let mut next = last.clone();
        action::perform(&self.0, &mut next, action);
        next.forget_names();
        (next != *last).then_some(next)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always(ONE_MASTER, |_, state| property::one_master(state)),
            Property::always(NOTHING_LOST, |_, state| property::nothing_lost(state)),
            Property::always(UNIQUE_EPOCHS, |_, state| property::epochs_are_unique(state)),
        ]
    }
}

/// A way from the start to a state, to be read by people.
#[derive(Debug, Clone)]
pub struct Story {
    /// What is wrong at its end.
    pub wrong: &'static str,
    /// The states on the way, and the steps between them.
    pub states: Vec<String>,
}

impl Story {
    fn new<State: fmt::Display, Action: fmt::Debug>(wrong: &'static str, way: Vec<(State, Option<Action>)>) -> Self {
        let tell = |(state, action): (State, Option<Action>)| match action {
            Some(action) => format!("{state}-- {action:?}"),
            None => state.to_string(),
        };
        Self { wrong, states: way.into_iter().map(tell).collect() }
    }
}

impl fmt::Display for Story {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.states.iter().try_for_each(|state| writeln!(f, "{state}"))?;
        writeln!(f, "not `{}`", self.wrong)
    }
}

/// What an exploration found.
#[derive(Debug)]
pub struct Found {
    /// How many states.
    pub states: usize,
    /// The length of the longest of the shortest ways.
    pub depth: usize,
    /// Whether all states were seen, or as many as were allowed.
    pub is_complete: bool,
    /// How long it took.
    pub took: Duration,
    /// What is wrong, with the shortest way to it.
    pub wrong: Vec<Story>,
}

impl Found {
    /// Whether this property was violated.
    pub fn violates(&self, property: &str) -> bool {
        self.wrong.iter().any(|story| story.wrong == property)
    }
}

/// Checks what must hold in every state.
pub fn check_safety(setting: &Setting, limit: usize) -> Found {
    check(Protocol(setting.clone()), HasDiscoveries::Any, limit)
}

/// Checks the properties of a model in every state, until what is looked for was found.
pub fn check<M>(model: M, until: HasDiscoveries, limit: usize) -> Found
where
    M: Model + Send + Sync + 'static,
    M::State: fmt::Display + fmt::Debug + Hash + PartialEq + Clone + Send + Sync,
    M::Action: fmt::Debug + Clone + PartialEq + Send + Sync,
{
    let begun = Instant::now();
    let checker = model.checker().threads(2).finish_when(until).target_state_count(limit).spawn_bfs().join();
    let story = |(wrong, path): (&'static str, Path<M::State, M::Action>)| Story::new(wrong, path.into_vec());
    Found {
        states: checker.unique_state_count(),
        depth: checker.max_depth(),
        is_complete: checker.state_count() < limit,
        took: begun.elapsed(),
        wrong: checker.discoveries().into_iter().map(story).collect(),
    }
}

/// Checks that every state can get well without any further fault, hook or write.
pub fn check_recovery(setting: &Setting, limit: usize) -> Found {
    let begun = Instant::now();
    let graph = Graph::explore(&Protocol(setting.clone()), limit);
    // What was not explored may have been the way out.
    let stuck = if graph.is_complete { graph.stuck() } else { None };
    let wrong = stuck.map(|state| Story::new(GETS_WELL, graph.way_to(&Protocol(setting.clone()), state)));
    Found {
        states: graph.parents.len(),
        depth: graph.depth,
        is_complete: graph.is_complete,
        took: begun.elapsed(),
        wrong: wrong.into_iter().collect(),
    }
}

/// All states, by number: the states themselves are forgotten.
#[derive(Default)]
struct Graph {
    /// From which state, and by which of its actions, each was reached first.
    parents: Vec<(u32, u16)>,
    /// Steps that need no fault, from and to.
    steps: Vec<(u32, u32)>,
    /// The healthy ones.
    healthy: Vec<u32>,
    /// Those that follow a violation are not expected to get well.
    violations: Vec<u32>,
    depth: usize,
    is_complete: bool,
}

fn fingerprint(state: &State) -> u64 {
    let mut hasher = DefaultHasher::new();
    state.hash(&mut hasher);
    hasher.finish()
}

impl Graph {
    fn explore(model: &Protocol, limit: usize) -> Self {
        let mut graph = Self::default();
        let mut numbers = HashMap::new();
        let mut level: Vec<(u32, State)> = Vec::new();
        for state in model.init_states() {
            numbers.insert(fingerprint(&state), 0u32);
            graph.add(&model.0, &state, (0, 0));
            level.push((0, state));
        }
        let mut actions = Vec::new();
        while !level.is_empty() && graph.parents.len() < limit {
            graph.depth += 1;
            let mut next_level = Vec::new();
            for (from, state) in level {
                actions.clear();
                model.actions(&state, &mut actions);
                for (index, action) in actions.iter().enumerate() {
                    let Some(next) = model.next_state(&state, *action) else { continue };
                    let to = match numbers.entry(fingerprint(&next)) {
                        Entry::Occupied(known) => *known.get(),
                        Entry::Vacant(place) => {
                            let number = graph.add(&model.0, &next, (from, index as u16));
                            place.insert(number);
                            next_level.push((number, next));
                            number
                        }
                    };
                    if !action.is_optional() {
                        graph.steps.push((from, to));
                    }
                }
            }
            level = next_level;
        }
        graph.is_complete = level.is_empty();
        graph
    }

    fn add(&mut self, setting: &Setting, state: &State, parent: (u32, u16)) -> u32 {
        let number = self.parents.len() as u32;
        self.parents.push(parent);
        if property::is_healthy(setting, state) {
            self.healthy.push(number);
        }
        if !property::holds(state) {
            self.violations.push(number);
        }
        number
    }

    /// The first state from which no healthy one can be reached.
    fn stuck(&self) -> Option<u32> {
        let mut starts = vec![0u32; self.parents.len() + 1];
        for (_, to) in &self.steps {
            starts[*to as usize + 1] += 1;
        }
        for index in 1..starts.len() {
            starts[index] += starts[index - 1];
        }
        let mut place = starts.clone();
        let mut sources = vec![0u32; self.steps.len()];
        for (from, to) in &self.steps {
            sources[place[*to as usize] as usize] = *from;
            place[*to as usize] += 1;
        }
        let mut gets_well = vec![false; self.parents.len()];
        let mut open: Vec<u32> = self.healthy.iter().chain(&self.violations).copied().collect();
        for number in &open {
            gets_well[*number as usize] = true;
        }
        while let Some(number) = open.pop() {
            let range = starts[number as usize] as usize..starts[number as usize + 1] as usize;
            for from in &sources[range] {
                if !std::mem::replace(&mut gets_well[*from as usize], true) {
                    open.push(*from);
                }
            }
        }
        gets_well.iter().position(|well| !well).map(|number| number as u32)
    }

    /// The way to a state, walked again.
    fn way_to(&self, model: &Protocol, mut number: u32) -> Vec<(State, Option<Action>)> {
        let mut indices = Vec::new();
        while number != 0 {
            let (parent, index) = self.parents[number as usize];
            indices.push(usize::from(index));
            number = parent;
        }
        let mut state = model.0.start.clone();
        let mut way = Vec::new();
        for index in indices.into_iter().rev() {
            let mut actions = Vec::new();
            model.actions(&state, &mut actions);
            let next = model.next_state(&state, actions[index]).expect("a step that was taken before");
            way.push((std::mem::replace(&mut state, next), Some(actions[index])));
        }
        way.push((state, None));
        way
    }
}
