//! The hook's arguments, as no Sentinel would send them: taken, or refused in one line.

#![no_main]

use fuzz::core::failover::Hint;
use libfuzzer_sys::fuzz_target;

// No argument of a program holds a NUL: between two of them is an argument.
fuzz_target!(|bytes: &[u8]| {
    let arguments: Vec<String> = bytes.split(|byte| *byte == 0).map(|word| String::from_utf8_lossy(word).into_owned()).collect();
    if let Err(refusal) = Hint::parse(&arguments) {
        assert!(!refusal.is_empty() && !refusal.contains(char::is_control), "not one line: {refusal:?}");
    }
});
