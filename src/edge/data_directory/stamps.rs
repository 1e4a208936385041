//! The time stamps that a server writes into its append-only file (`aof-timestamp-enabled`, Redis `src/aof.c`): a line
//! `#TS:1700000000` before the first write of each second.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

/// How far from its end a file is searched: more than that is not written in a second.
const FARTHEST: u64 = 16 * 1024 * 1024;
const CHUNK: u64 = 64 * 1024;
/// The longest line, and what stands around it.
const LINE: u64 = 32;

/// The last stamp in a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stamp {
    /// The second, since 1970.
    pub second: u64,
    /// Where the line begins.
    pub at: u64,
}

/// Finds the last stamp of a file, by reading from its end.
pub fn last(file: &File) -> io::Result<Option<Stamp>> {
    let length = file.metadata()?.len();
    let mut to = length;
    while to > 0 && length - to < FARTHEST {
        let from = to.saturating_sub(CHUNK);
        // A line may reach over the chunk's end, and what stands before it over its beginning.
        let (begin, end) = (from.saturating_sub(1), (to + LINE).min(length));
        let mut bytes = vec![0; usize::try_from(end - begin).unwrap_or_default()];
        file.read_exact_at(&mut bytes, begin)?;
        if let Some((second, at)) = last_in(&bytes, begin == 0, end == length) {
            return Ok(Some(Stamp { second, at: begin + at as u64 }));
        }
        to = from;
    }
    Ok(None)
}

/// The same of some bytes. A value may hold such a line, too, but no command after it.
fn last_in(bytes: &[u8], is_begin: bool, is_end: bool) -> Option<(u64, usize)> {
    const MARK: &[u8] = b"#TS:";
    (0..bytes.len()).rev().filter(|at| bytes[*at..].starts_with(MARK)).find_map(|at| {
        let is_line = if at == 0 { is_begin } else { bytes[at - 1] == b'\n' };
        let rest = &bytes[at + MARK.len()..];
        let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
        let after = rest.get(digits..digits + 2) == Some(b"\r\n");
        let is_followed = match rest.get(digits + 2) {
            Some(byte) => *byte == b'*',
            None => is_end,
        };
        let second = std::str::from_utf8(&rest[..digits]).ok()?.parse().ok()?;
        (is_line && after && is_followed).then_some((second, at))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    fn last_of(bytes: &[u8]) -> Option<Stamp> {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(bytes).unwrap();
        last(&file).unwrap()
    }

    #[test]
    fn the_last_stamp_counts_wherever_it_stands() {
        let set = b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$1\r\nv\r\n";
        assert_eq!(last_of(b""), None);
        assert_eq!(last_of(set), None);
        assert_eq!(last_of(&[b"#TS:17\r\n", &set[..]].concat()), Some(Stamp { second: 17, at: 0 }));
        assert_eq!(last_of(&[b"#TS:17\r\n", &set[..], b"#TS:18\r\n"].concat()), Some(Stamp { second: 18, at: 8 + 27 }));
        assert_eq!(last_of(&[b"#TS:17\r\n", &set[..], b"#TS:1"].concat()).unwrap().second, 17, "a torn line is none");
        for before in [1, 100, CHUNK - 40, CHUNK - 9, CHUNK - 3, CHUNK, CHUNK + 3, 3 * CHUNK].map(|n| n as usize) {
            let bytes = [&set[..], b"#TS:19\r\n*1\r\n", &vec![b'x'; before]].concat();
            assert_eq!(last_of(&bytes), Some(Stamp { second: 19, at: 27 }), "{before} bytes before the end");
        }
    }

    #[test]
    fn a_stamp_in_a_value_is_none_and_far_from_the_end_nothing_is_searched() {
        assert_eq!(last_of(b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$8\r\n#TS:99\r\n\r\n"), None);
        assert_eq!(last_of(b"*1\r\n$7\r\nx#TS:99\r\n"), None);
        assert_eq!(last_of(&[b"#TS:17\r\n*1\r\n", &vec![b'x'; FARTHEST as usize + CHUNK as usize][..]].concat()), None);
    }
}
