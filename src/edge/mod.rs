//! What touches the world: one outside thing a file. Each returns facts and makes no choice.

pub mod data_directory;
pub mod dns;
pub mod files;
pub mod kubernetes;
pub mod redis;
pub mod sentinel;
pub mod server;
pub mod tcp_probe;
pub mod wire;
