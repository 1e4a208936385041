//! The part of ordain that decides and touches nothing, as a library: so that the model of the whole
//! protocol can call the very functions that the program calls.

#![forbid(unsafe_code)]

pub mod core;
