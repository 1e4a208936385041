//! Of what touches the world, what a Sentinel is asked by.

#[path = "../../src/edge/sentinel.rs"]
pub mod sentinel;
#[path = "../../src/edge/wire.rs"]
pub mod wire;
