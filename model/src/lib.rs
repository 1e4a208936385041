//! A model of the protocol.

pub mod action;
pub mod evidence;
pub mod explore;
mod fault;
pub mod look;
mod pod;
pub mod property;
mod reconcile;
pub mod report;
mod sentinel;
pub mod setting;
pub mod settings;
pub mod state;
mod time;
pub mod verdict;
