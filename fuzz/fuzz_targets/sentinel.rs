//! What a Sentinel answers, or something that is none: read, or refused.

#![no_main]

use std::io::Cursor;

use fuzz::edge::sentinel::read;
use libfuzzer_sys::fuzz_target;
use redis::{Parser, Value};

// The answers to `SENTINEL GET-MASTER-ADDR-BY-NAME` and `SENTINEL MASTER`, one after the other.
fuzz_target!(|bytes: &[u8]| {
    let (mut replies, mut parser) = (Cursor::new(bytes), Parser::new());
    let Ok(address) = parser.parse_value(&mut replies) else { return };
    let master = parser.parse_value(&mut replies).unwrap_or(Value::Nil);
    if let Err(failure) = read(address, master) {
        assert!(!failure.to_string().is_empty());
    }
});
