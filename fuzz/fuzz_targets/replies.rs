//! Where the replies of a server end, or of something that is none: the same is found whatever the pieces in which
//! they come, within the limits, and what is whole can be read.

#![no_main]

use std::io::Cursor;

use fuzz::core::replies::Replies;
use libfuzzer_sys::fuzz_target;
use redis::Parser;

const LONGEST: usize = 512;

// How many replies are waited for, how long the pieces are, and what comes.
fuzz_target!(|input: &[u8]| {
    let [count, piece, bytes @ ..] = input else { return };
    let (count, piece) = (usize::from(count % 8), usize::from(*piece).max(1));
    let mut at_once = Replies::new(count, LONGEST);
    let judged = at_once.are_whole(bytes);
    let mut piecewise = Replies::new(count, LONGEST);
    let ends = (0..bytes.len()).step_by(piece).chain([bytes.len()]);
    let mut last = Ok(false);
    for end in ends {
        last = piecewise.are_whole(&bytes[..end]);
        if last != Ok(false) {
            break;
        }
    }
    assert_eq!(last.ok(), judged.clone().ok(), "it depends on the pieces");
    let (whole, length) = at_once.whole();
    assert_eq!((whole, length), piecewise.whole(), "it depends on the pieces");
    assert!(whole <= count && length <= bytes.len().min(LONGEST), "{whole} in {length}");
    assert!(judged != Ok(true) || whole == count, "{whole} of {count}");
    let (mut replies, mut parser) = (Cursor::new(&bytes[..length]), Parser::new());
    if (0..whole).all(|_| parser.parse_value(&mut replies).is_ok()) {
        assert!(parser.parse_value(&mut replies).is_err(), "there is more than {whole}");
    }
});
