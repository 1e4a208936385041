//! Explores a setting.

use stateright::{HasDiscoveries, Model, Property};

use super::action::{self, Action};
use super::property;
use super::setting::Setting;
use super::state::State;
use crate::explore::{Found, check};

/// Never two pods carry the master's label.
pub const ONE_MASTER_LABEL: &str = "one master label";
/// No late run makes wrong what is right.
pub const LATE_IS_HARMLESS: &str = "late is harmless";
/// One run makes the labels right, whatever has happened.
pub const HEALS: &str = "heals";

/// The protocol in a setting.
struct Labels(Setting);

impl Model for Labels {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        vec![self.0.start.clone()]
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        action::enabled(&self.0, state, actions);
    }

    fn next_state(&self, last: &State, action: Action) -> Option<State> {
        let mut next = last.clone();
        action::perform(self.0.protocol, &mut next, action);
        // Runs have no names.
        next.runs.sort_unstable();
        (next != *last).then_some(next)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always(ONE_MASTER_LABEL, |_, state| property::one_master_label(state)),
            Property::always(LATE_IS_HARMLESS, |_, state: &State| !state.is_spoilt),
            Property::always(HEALS, |model: &Self, state| property::heals(model.0.protocol, state)),
        ]
    }
}

/// Checks what must hold in every state.
pub fn check_labels(setting: &Setting, limit: usize) -> Found {
    check(Labels(setting.clone()), HasDiscoveries::Any, limit)
}

/// Looks for a state in which this property does not hold.
pub fn search(setting: &Setting, property: &'static str, limit: usize) -> Found {
    check(Labels(setting.clone()), HasDiscoveries::AnyOf([property].into()), limit)
}
