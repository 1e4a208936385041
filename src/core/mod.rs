//! What is decided: pure functions over plain values.
//!
//! Nothing here reads a clock, a file, a socket or the environment, and nothing here knows
//! `edge` or `commands`.

pub mod acl;
pub mod conf;
pub mod config_directives;
pub mod decision;
pub mod disk;
pub mod epoch;
pub mod evidence;
pub mod failover;
pub mod handover;
pub mod identity;
pub mod invalid;
pub mod labels;
pub mod members;
pub mod outside;
pub mod pod;
pub mod probe;
pub mod record;
pub mod redis_conf;
pub mod registry;
pub mod replies;
pub mod rules;
pub mod selector;
pub mod sentinel_conf;
pub mod sentinels;
pub mod server;
pub mod sets;
pub mod stamp;
pub mod takeover;
pub mod template;
