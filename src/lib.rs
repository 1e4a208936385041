//! What ordain is made of, as a library: so that the model of the whole protocol and the fuzzers call the very
//! functions that the program calls.

#![forbid(unsafe_code)]

pub mod core;
pub mod edge;
