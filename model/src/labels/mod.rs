//! A model of the label protocol: hooks and reconciles that label the pods by the record, each
//! stopped at any point while others go on.
//!
//! - [`state`]: the pods' labels and stamps, the record, and how far each run has come.
//! - [`plan`]: what the program's own functions say of the record and of the labels.
//! - [`run`]: the steps of a run. [`action`]: what else may happen.
//! - [`setting`]: which runs there are, what may go wrong, and which steps of the protocol are kept.
//! - [`property`]: what must hold. [`explore`] looks at every state; `report` prints
//!   them.
//!
//! # What must hold
//! 1. *One master label*: never do two pods carry the master's label, but by a person's hand.
//! 2. *Late is harmless*: no run makes wrong what is right by the record, stamps and all.
//! 3. *Heals*: from every state one run with the newest claim, with nobody in its way, makes the
//!    labels right.
//!
//! # What is taken for granted
//! - A run is told at its beginning whom its Sentinel names, and that master has said so itself. It is
//!   never told anything newer; another run is.
//! - A patch of one run is done or not at one moment; that its answer is lost, or that it is done when
//!   its run has started over, is the same as another run with the same claim.
//! - A pod that is terminating is one that exists: it is labelled until it is gone.

pub mod action;
pub mod explore;
pub mod faults;
pub mod plan;
pub mod property;
mod report;
pub mod run;
pub mod setting;
pub mod state;
