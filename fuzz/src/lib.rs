//! The parts of ordain that read what strangers say, from the very files that the program is made of: with
//! all of it, the Kubernetes client above all, a build would take several times as long.

#![forbid(unsafe_code)]

#[path = "../../src/core/mod.rs"]
pub mod core;
pub mod edge;
