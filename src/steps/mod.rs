//! What several subcommands do: each step joins what is decided ([`crate::core`]) with what is seen and done
//! ([`crate::edge`]).
//!
//! A run reads its `context`, `observe`s (again at each piece of `news` from the watches), `decide`s, renders the
//! `source` of its files, `start`s a server, `label`s the pods and `announce`s what it did. What fails is tried again by
//! `retry`.

pub mod announce;
pub mod confirm;
pub mod context;
pub mod decide;
pub mod disk_report;
pub mod groups;
pub mod label;
pub mod news;
pub mod observe;
pub mod off_thread;
pub mod own_data;
pub mod report;
pub mod retry;
pub mod source;
pub mod start;
pub mod watch_cache;
