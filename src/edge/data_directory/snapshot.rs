//! The head of a data file: whether it holds any key, and what a snapshot says of itself.

use crate::core::server::SnapshotFormat;

/// How much of a file is read to find its first key: functions and settings come before it.
pub const HEAD: u64 = 64 * 1024;

/// What the first bytes of a file tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Head {
    /// The form, where it begins as a snapshot.
    pub format: Option<SnapshotFormat>,
    /// When the snapshot was begun, in seconds since 1970 (its field `ctime`).
    pub created: Option<u64>,
    /// Where what holds no keys ends: a snapshot without them, or else stamps and selections of a database before the
    /// first write; none where a snapshot has keys.
    pub end_of_empty: Option<u64>,
}

/// Reads the head of a snapshot (Redis `src/rdb.h`: a magic word, auxiliary fields, and the end with its checksum).
pub fn read(bytes: &[u8]) -> Head {
    const AUX: u8 = 0xfa;
    const END: u8 = 0xff;
    const CHECKSUM: usize = 8;
    const MAGIC: usize = 9;
    let format = format(bytes);
    let mut head = Head { format, ..Head::default() };
    if format.is_none() {
        return Head { end_of_empty: Some(before_the_first_write(bytes) as u64), ..head };
    }
    let mut at = MAGIC;
    loop {
        match bytes.get(at) {
            Some(&AUX) => {
                let Some((key, next)) = string(bytes, at + 1) else { return head };
                let Some((value, next)) = string(bytes, next) else { return head };
                if key == Text::Bytes(b"ctime") {
                    head.created = value.number();
                }
                at = next;
            }
            Some(&END) => {
                head.end_of_empty = Some((at + 1 + CHECKSUM) as u64);
                return head;
            }
            _ => return head,
        }
    }
}

/// Where the first command that writes begins: a server that was never written to leaves a stamp alone
/// (`aof-use-rdb-preamble no`).
fn before_the_first_write(bytes: &[u8]) -> usize {
    const SELECT: &[u8] = b"*2\r\n$6\r\nSELECT\r\n$";
    // One line is a comment, and two are a selection's database: the length and the number.
    let lines = |count: usize, at: usize| {
        let mut ends = bytes[at..].iter().enumerate().filter(|(_, byte)| **byte == b'\n').map(|(place, _)| at + place + 1);
        ends.nth(count - 1)
    };
    let mut at = 0;
    loop {
        let next = match &bytes[at..] {
            [b'#', ..] => lines(1, at),
            rest if rest.starts_with(SELECT) => lines(2, at + SELECT.len()),
            _ => return at,
        };
        let Some(next) = next else { return at };
        at = next;
    }
}

fn format(bytes: &[u8]) -> Option<SnapshotFormat> {
    let (is_valkeys, digits) = match (bytes.strip_prefix(b"REDIS"), bytes.strip_prefix(b"VALKEY")) {
        (Some(rest), _) => (false, rest.get(..4)?),
        (None, Some(rest)) => (true, rest.get(..3)?),
        (None, None) => return None,
    };
    Some(SnapshotFormat { is_valkeys, version: std::str::from_utf8(digits).ok()?.parse().ok()? })
}

/// A string, or a number in its place.
#[derive(Debug, PartialEq, Eq)]
enum Text<'a> {
    Bytes(&'a [u8]),
    Number(u64),
}

impl Text<'_> {
    fn number(&self) -> Option<u64> {
        match self {
            Self::Number(number) => Some(*number),
            Self::Bytes(bytes) => std::str::from_utf8(bytes).ok()?.parse().ok(),
        }
    }
}

/// A string and the place after it: its length in 6, 14, 32 or 64 bits, or a number in its place.
fn string(bytes: &[u8], at: usize) -> Option<(Text<'_>, usize)> {
    let first = *bytes.get(at)?;
    let digits = |count: usize| bytes.get(at + 1..at + 1 + count);
    let big_endian = |count: usize| -> Option<usize> {
        digits(count)?.iter().try_fold(0usize, |number, byte| number.checked_mul(256)?.checked_add(usize::from(*byte)))
    };
    let little_endian = |count: usize| -> Option<(Text<'_>, usize)> {
        let number = digits(count)?.iter().rev().fold(0u64, |number, byte| number << 8 | u64::from(*byte));
        Some((Text::Number(number), at + 1 + count))
    };
    let (header, length) = match (first >> 6, first) {
        (0, _) => (1, usize::from(first & 0x3f)),
        (1, _) => (2, usize::from(first & 0x3f) << 8 | usize::from(*bytes.get(at + 1)?)),
        (_, 0x80) => (5, big_endian(4)?),
        (_, 0x81) => (9, big_endian(8)?),
        (_, 0xc0) => return little_endian(1),
        (_, 0xc1) => return little_endian(2),
        (_, 0xc2) => return little_endian(4),
        _ => return None,
    };
    let from = at.checked_add(header)?;
    let to = from.checked_add(length)?;
    Some((Text::Bytes(bytes.get(from..to)?), to))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_snapshot_tells_its_form_and_when_it_was_begun() {
        let head = read(&super::super::tests::empty_snapshot(1_000_000_000));
        assert_eq!(head.format, Some(SnapshotFormat { is_valkeys: false, version: 10 }));
        assert_eq!(head.created, Some(1_000_000_000));
        assert!(head.end_of_empty.is_some());
        let valkeys = read(b"VALKEY080\xfa\x05ctime\x0a2000000000\xfe\x00");
        assert_eq!(valkeys.format, Some(SnapshotFormat { is_valkeys: true, version: 80 }));
        assert_eq!((valkeys.created, valkeys.end_of_empty), (Some(2_000_000_000), None), "a time that is no 32 bits");
        assert_eq!(read(b"*1\r\n"), Head { end_of_empty: Some(0), ..Head::default() });
    }

    #[test]
    fn stamps_and_selections_alone_are_no_keys() {
        let select = "*2\r\n$6\r\nSELECT\r\n$2\r\n11\r\n";
        let holds_keys = |text: &str| read(text.as_bytes()).end_of_empty.is_none_or(|end| (text.len() as u64) > end);
        for text in ["", "#TS:17\r\n", select, &format!("#TS:17\r\n{select}"), &format!("{select}#TS:17\r\n#TS:18\r\n{select}")] {
            assert!(!holds_keys(text), "{text:?}");
        }
        for text in ["*", "XX", "#TS:17", "#TS:17\r\n*1\r\n", &format!("{select}*1"), &select[..select.len() - 1]] {
            assert!(holds_keys(text), "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn no_file_makes_the_reader_panic(bytes: Vec<u8>) {
            read(&bytes);
            read(&[b"REDIS0011".to_vec(), bytes].concat());
        }
    }
}
