//! The time stamps that a server writes into its append-only file (`aof-timestamp-enabled`, Redis `src/aof.c`): a line
//! `#TS:1700000000` before the first write of each second, and before the first of each run.
//!
//! A client's value may hold such a line, and a whole command behind it: only between commands is it a stamp. So a file
//! is read command by command, past its values, from where one is known to begin.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom};
use std::os::unix::fs::FileExt;

/// How much of a file is read from its begin at most; values that are passed over cost little of it. A server with its
/// usual settings rewrites its file at half of that.
const BUDGET: u64 = 128 * 1024 * 1024;
/// How much is read at once: less than the values that are worth passing over.
const BUFFER: usize = 16 * 1024;
/// The longest line that is no value: a sign, a number, and its end.
const LONGEST_LINE: u64 = 64;
/// The longest word that says something here: `SELECT`, and the number of a database.
const LONGEST_WORD: u64 = 20;
/// How far from its end a longer file is searched: more than that is not written in a second.
const FARTHEST: u64 = 16 * 1024 * 1024;
const CHUNK: u64 = 64 * 1024;
/// The longest stamp, and what stands around it.
const LINE: u64 = 32;
/// By how much the time of a file may lie before the stamp of its last write: the clock of a file system lags behind.
const LAG: u64 = 2;
const MARK: &[u8] = b"#TS:";

/// A stamp in a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stamp {
    /// The second, since 1970.
    pub second: u64,
    /// Where the line begins.
    pub at: u64,
}

/// What a file's stamps, and what stands between them, tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Stamps {
    /// The last one.
    pub last: Option<Stamp>,
    /// Where the last whole command ends that is in no torn transaction: what a server leaves where it cuts a torn tail
    /// off, and where it writes on. None where the file could not be read command by command.
    pub end: Option<u64>,
    /// Whether a server that writes no stamps has begun to write behind the last one.
    pub has_unstamped_run: bool,
}

/// What was known of a file when it was read before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Known {
    /// Where its last whole command ended, as in [`Stamps::end`].
    pub end: Option<u64>,
    /// Its size.
    pub size: u64,
    /// Its last stamp's second.
    pub stamped: Option<u64>,
}

/// Reads a file's stamps, from where it was read to before or else from its begin. Of one that is too long for that, or
/// that no server could read, the greatest of the last lines that may be stamps counts, for they grow; but none that is
/// later than the file itself, `modified` in seconds since 1970.
///
/// # Errors
/// The file cannot be read.
pub fn read(file: &File, modified: u64, known: Option<Known>) -> io::Result<Stamps> {
    read_within(file, modified, known, BUDGET)
}

fn read_within(file: &File, modified: u64, known: Option<Known>, budget: u64) -> io::Result<Stamps> {
    let length = file.metadata()?.len();
    let earlier = known.and_then(|known| known.stamped).map(|second| Stamp { second, at: 0 });
    let read_to = known.and_then(|known| known.end).filter(|end| *end <= length);
    // Where nothing was torn then, a command begins where the file ended.
    let ended = known.map(|known| known.size).filter(|size| (1..=length).contains(size));
    for from in [Some(read_to.unwrap_or(0)), ended].into_iter().flatten() {
        if let Some(stamps) = Commands::of(file, from, length, budget)?.read()? {
            let last = stamps.last.or(earlier.filter(|_| from > 0));
            return Ok(Stamps { last, ..stamps });
        }
    }
    Ok(Stamps { last: greatest(file, length, modified.saturating_add(LAG))?, ..Stamps::default() })
}

/// Reads a file command by command.
struct Commands<'a> {
    input: BufReader<io::Take<&'a File>>,
    at: u64,
    length: u64,
    found: Stamps,
    /// Which database is selected, where that is known.
    database: Option<Vec<u8>>,
    /// Whether a stamp was the last thing, but for the beginning of a transaction.
    is_stamped: bool,
    is_in_transaction: bool,
}

/// Part of a file, as far as it goes.
enum StartAs<T> {
    Whole(T),
    Torn,
    /// No server could read it, or it is too long.
    Unreadable,
}

impl<'a> Commands<'a> {
    fn of(mut file: &'a File, from: u64, length: u64, budget: u64) -> io::Result<Self> {
        file.seek(SeekFrom::Start(from))?;
        let input = BufReader::with_capacity(BUFFER, file.take(budget));
        let found = Stamps { end: Some(from), ..Stamps::default() };
        Ok(Self { input, at: from, length, found, database: None, is_stamped: false, is_in_transaction: false })
    }

    /// Reads to the end; none where that cannot be done.
    fn read(mut self) -> io::Result<Option<Stamps>> {
        while self.at < self.length {
            let begin = self.at;
            let line = match self.line()? {
                StartAs::Whole(line) => line,
                StartAs::Torn => break,
                StartAs::Unreadable => return Ok(None),
            };
            if line.starts_with(b"#") {
                if let Some(second) = line.strip_prefix(MARK).and_then(number) {
                    (self.found.last, self.found.has_unstamped_run) = (Some(Stamp { second, at: begin }), false);
                    self.is_stamped = true;
                }
                continue;
            }
            let Some(count @ 1..) = line.strip_prefix(b"*").and_then(number) else { return Ok(None) };
            match self.command(count)? {
                StartAs::Whole(words) => self.note(&words),
                StartAs::Torn => break,
                StartAs::Unreadable => return Ok(None),
            }
        }
        Ok(Some(self.found))
    }

    /// A run's first command selects its database, which no run does again that has it selected.
    fn note(&mut self, words: &[Vec<u8>]) {
        let is = |word: &[u8]| words.first().is_some_and(|first| first.eq_ignore_ascii_case(word));
        if is(b"SELECT") {
            let database = words.get(1).cloned();
            self.found.has_unstamped_run |= !self.is_stamped && self.database.is_some() && database == self.database;
            self.database = database;
        }
        if is(b"MULTI") {
            self.is_in_transaction = true;
        } else {
            self.is_in_transaction &= !is(b"EXEC");
            self.is_stamped = false;
        }
        if !self.is_in_transaction {
            self.found.end = Some(self.at);
        }
    }

    /// The first two words of a command of so many; long ones are passed over, and empty here.
    fn command(&mut self, count: u64) -> io::Result<StartAs<Vec<Vec<u8>>>> {
        let mut words = Vec::new();
        for position in 0..count {
            let line = match self.line()? {
                StartAs::Whole(line) => line,
                StartAs::Torn => return Ok(StartAs::Torn),
                StartAs::Unreadable => return Ok(StartAs::Unreadable),
            };
            let Some(size) = line.strip_prefix(b"$").and_then(number) else { return Ok(StartAs::Unreadable) };
            if size.saturating_add(2) > self.length.saturating_sub(self.at) {
                return Ok(StartAs::Torn);
            }
            let mut word = Vec::new();
            if position < 2 && size <= LONGEST_WORD {
                self.input.by_ref().take(size).read_to_end(&mut word)?;
            } else {
                self.pass(size)?;
            }
            let mut end = Vec::new();
            self.input.by_ref().take(2).read_to_end(&mut end)?;
            if end != b"\r\n" {
                return Ok(StartAs::Unreadable);
            }
            self.at += size + 2;
            if position < 2 {
                words.push(word);
            }
        }
        Ok(StartAs::Whole(words))
    }

    /// Passes over so many bytes, of which those that are not in the buffer are not read.
    fn pass(&mut self, size: u64) -> io::Result<()> {
        let buffered = usize::try_from(size).unwrap_or(usize::MAX).min(self.input.buffer().len());
        self.input.consume(buffered);
        let rest = i64::try_from(size - buffered as u64).map_err(io::Error::other)?;
        if rest > 0 {
            let mut file: &File = self.input.get_ref().get_ref();
            file.seek(SeekFrom::Current(rest))?;
        }
        Ok(())
    }

    fn line(&mut self) -> io::Result<StartAs<Vec<u8>>> {
        let mut line = Vec::new();
        self.input.by_ref().take(LONGEST_LINE).read_until(b'\n', &mut line)?;
        self.at += line.len() as u64;
        if self.at >= self.length && !line.ends_with(b"\n") {
            return Ok(StartAs::Torn);
        }
        Ok(line.strip_suffix(b"\r\n").map_or(StartAs::Unreadable, |line| StartAs::Whole(line.to_vec())))
    }
}

fn number(digits: &[u8]) -> Option<u64> {
    std::str::from_utf8(digits).ok()?.parse().ok()
}

/// The greatest of the last lines that may be stamps and are not later than `latest`, found from the file's end.
fn greatest(file: &File, length: u64, latest: u64) -> io::Result<Option<Stamp>> {
    let mut found: Option<Stamp> = None;
    let mut to = length;
    while to > 0 && length - to < FARTHEST {
        let from = to.saturating_sub(CHUNK);
        // A line may reach over the chunk's end, and what stands before it over its beginning.
        let (begin, end) = (from.saturating_sub(1), (to + LINE).min(length));
        let mut bytes = vec![0; usize::try_from(end - begin).unwrap_or_default()];
        file.read_exact_at(&mut bytes, begin)?;
        for (second, at) in lines_in(&bytes, begin == 0, end == length) {
            if second <= latest && found.is_none_or(|found| second > found.second) {
                found = Some(Stamp { second, at: begin + at as u64 });
            }
        }
        to = from;
    }
    Ok(found)
}

/// The lines in some bytes that may be stamps: each stands before a command.
fn lines_in(bytes: &[u8], is_begin: bool, is_end: bool) -> impl Iterator<Item = (u64, usize)> {
    (0..bytes.len()).rev().filter(|at| bytes[*at..].starts_with(MARK)).filter_map(move |at| {
        let is_line = if at == 0 { is_begin } else { bytes[at - 1] == b'\n' };
        let rest = &bytes[at + MARK.len()..];
        let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
        let after = rest.get(digits..digits + 2) == Some(b"\r\n");
        let is_followed = match rest.get(digits + 2) {
            Some(byte) => *byte == b'*',
            None => is_end,
        };
        let second = number(&rest[..digits])?;
        (is_line && after && is_followed).then_some((second, at))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::io::Write;

    const SET: &[u8] = b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$1\r\nv\r\n";
    const SELECT: &[u8] = b"*2\r\n$6\r\nSELECT\r\n$1\r\n0\r\n";
    /// The time of the files.
    const MODIFIED: u64 = 1000;

    fn file_of(bytes: &[u8]) -> File {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(bytes).unwrap();
        file
    }

    fn stamps_of(parts: &[&[u8]], known: Option<Known>) -> Stamps {
        read(&file_of(&parts.concat()), MODIFIED, known).unwrap()
    }

    fn last_of(parts: &[&[u8]]) -> Option<u64> {
        stamps_of(parts, None).last.map(|stamp| stamp.second)
    }

    /// A write of such a value.
    fn value(bytes: &[u8]) -> Vec<u8> {
        let head = format!("*3\r\n$3\r\nSET\r\n$1\r\nk\r\n${}\r\n", bytes.len());
        [head.as_bytes(), bytes, b"\r\n"].concat()
    }

    #[test]
    fn the_last_stamp_counts() {
        assert_eq!(last_of(&[]), None);
        assert_eq!(last_of(&[SET]), None);
        let stamps = stamps_of(&[b"#TS:17\r\n", SET, b"#TS:18\r\n", SET], None);
        assert_eq!(stamps.last, Some(Stamp { second: 18, at: 8 + 27 }));
        assert_eq!(last_of(&[b"#TS:17\r\n", SET, b"#TS:18\r\n"]), Some(18));
        assert_eq!(last_of(&[b"#TS:17\r\n", SET, b"#TS:1"]), Some(17), "a torn line is none");
        assert_eq!(last_of(&[b"#TS:18\r\n", SET, b"#TS:17\r\n", SET]), Some(17), "a clock that has stepped back");
        assert_eq!(last_of(&[b"#TS:17\r\n", &value(&vec![b'x'; 5_000_000]), b"#TS:19\r\n", SET]), Some(19));
    }

    #[test]
    fn a_stamp_in_a_value_is_none_whatever_follows_it_there() {
        for line in [&b"#TS:1\r\n"[..], b"#TS:999\r\n", b"#TS:4102444800\r\n"] {
            for around in [[&b"\r\n"[..], b""], [b"x\r\n", SET], [b"", SET], [b"\r\n", b"*1\r\n$1\r\nx"]] {
                let bytes = [around[0], line, around[1]].concat();
                assert_eq!(last_of(&[&value(&bytes)]), None);
                assert_eq!(last_of(&[b"#TS:17\r\n", &value(&bytes), SET]), Some(17));
                let torn = value(&bytes);
                assert_eq!(last_of(&[b"#TS:17\r\n", &torn[..torn.len() - 3]]), Some(17), "also where its end is missing");
            }
        }
    }

    #[test]
    fn a_file_is_read_on_from_where_it_was_read_to() {
        let before = [b"#TS:17\r\n", SET].concat();
        let known = Some(Known { end: Some(before.len() as u64), size: before.len() as u64 + 5, stamped: Some(17) });
        let damaged = vec![b'x'; before.len()];
        let torn = stamps_of(&[&damaged, b"*3\r\n$"], known);
        assert_eq!((torn.last.map(|stamp| stamp.second), torn.end), (Some(17), Some(35)), "what is before is not read again");
        let more = stamps_of(&[&damaged, b"#TS:18\r\n", SET], known);
        assert_eq!((more.last, more.end), (Some(Stamp { second: 18, at: 35 }), Some(70)));
        assert_eq!(stamps_of(&[b"#TS:18\r\n", SET], None).end, Some(35));
        assert_eq!(stamps_of(&[b"#TS:9\r\n"], known).last.map(|stamp| stamp.second), Some(9), "it is shorter now");
    }

    #[test]
    fn a_torn_transaction_ends_where_it_begins_as_for_the_server() {
        let multi = b"*1\r\n$5\r\nMULTI\r\n";
        let torn = stamps_of(&[SET, b"#TS:18\r\n", multi, SELECT, SET], None);
        assert_eq!((torn.end, torn.has_unstamped_run), (Some(27), false));
        assert_eq!(stamps_of(&[SET, multi, SET, b"*1\r\n$4\r\nEXEC\r\n"], None).end, Some(27 + 15 + 27 + 14));
    }

    #[test]
    fn a_run_that_selects_its_database_again_without_a_stamp_writes_none() {
        let other = b"*2\r\n$6\r\nselect\r\n$1\r\n1\r\n";
        let stamped = [b"#TS:17\r\n", SELECT, SET].concat();
        let has_unstamped = |parts: &[&[u8]]| stamps_of(&[&[&stamped[..]], parts].concat(), None).has_unstamped_run;
        assert!(has_unstamped(&[SELECT, SET]));
        assert!(has_unstamped(&[SET, SELECT, SET, SET]));
        assert!(!has_unstamped(&[SET, b"#TS:18\r\n", SELECT, SET]), "it stamps");
        assert!(!has_unstamped(&[b"#TS:18\r\n", b"*1\r\n$5\r\nMULTI\r\n", SELECT, SET, b"*1\r\n$4\r\nEXEC\r\n"]));
        assert!(!has_unstamped(&[other, SET, SELECT, SET]), "a run that writes to two");
        assert!(!has_unstamped(&[SELECT, SET, b"#TS:18\r\n", SELECT, SET]), "there was one, and then another");
    }

    #[test]
    fn of_a_file_that_is_too_long_the_greatest_line_counts_that_is_not_later_than_the_file() {
        let budget = 40_000;
        let long = |parts: &[&[u8]]| {
            let bytes = [SET.repeat(2_000), parts.concat()].concat();
            read_within(&file_of(&bytes), MODIFIED, None, budget).unwrap()
        };
        let found = long(&[b"#TS:17\r\n", SET, b"#TS:19\r\n", &value(b"\r\n#TS:1\r\n*1\r\n$1\r\nx"), SET]);
        assert_eq!((found.last.map(|stamp| stamp.second), found.end), (Some(19), None));
        for (line, second) in [("#TS:4102444800", 19), ("#TS:1003", 19), ("#TS:1002", 1002)] {
            let found = long(&[b"#TS:19\r\n", &value(format!("\r\n{line}\r\n*1\r\n").as_bytes())]);
            assert_eq!(found.last.map(|stamp| stamp.second), Some(second), "{line}");
        }
        for before in [1, 100, CHUNK - 40, CHUNK - 9, CHUNK - 3, CHUNK, CHUNK + 3, 3 * CHUNK].map(|n| n as usize) {
            let found = long(&[b"#TS:19\r\n*1\r\n", &vec![b'x'; before]]);
            assert_eq!(found.last, Some(Stamp { second: 19, at: 54_000 }), "{before} bytes before the end");
        }
        let far = vec![b'x'; FARTHEST as usize + CHUNK as usize];
        assert_eq!(long(&[b"#TS:17\r\n*1\r\n", &far]).last, None);
        let values = [&b"#TS:17\r\n"[..], &value(&vec![b'x'; 50_000]).repeat(2), b"#TS:18\r\n", SET].concat();
        assert_eq!(read_within(&file_of(&values), MODIFIED, None, 60_000).unwrap().end, Some(values.len() as u64), "passed over");
        let size = 2_000 * 27;
        let known = Some(Known { end: None, size, stamped: Some(12) });
        let bytes = [&SET.repeat(2_000)[..], b"#TS:19\r\n", &value(b"\r\n#TS:1002\r\n*1\r\n")].concat();
        let found = read_within(&file_of(&bytes), MODIFIED, known, budget).unwrap();
        assert_eq!(found.last, Some(Stamp { second: 19, at: size }), "from where it ended before");
    }

    proptest! {
        #[test]
        fn no_file_makes_the_reader_panic(bytes: Vec<u8>, end: Option<u64>, size: u64) {
            let known = Some(Known { end, size, stamped: None });
            read(&file_of(&bytes), MODIFIED, known).unwrap();
            read(&file_of(&[b"#TS:17\r\n*2\r\n$3\r\nSET\r\n$9\r\n".to_vec(), bytes].concat()), MODIFIED, None).unwrap();
        }
    }
}
