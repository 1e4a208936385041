//! When data was written last, as well as its files and what is kept beside them tell.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::memory::{Memory, ReadTo, Seen};
use super::snapshot::Head;
use super::stamps::{Known, Stamps};
use crate::core::disk::Moment;

/// A file's time is finer than what is stamped into it, and tells of the same write where it is no later than this
/// after the beginning of the stamp's second: a server's own clock lags behind a little.
const SAME_WRITE: Duration = Duration::from_secs(2);

/// A file that the server loads and that holds something.
#[derive(Debug, Clone)]
pub struct DataFile {
    /// Its name, size and time.
    pub seen: Seen,
    /// What its first bytes tell.
    pub head: Head,
    /// Whether commands may be appended to it: else it is a snapshot and nothing else.
    pub is_appended: bool,
    /// What its stamps tell.
    pub stamps: Stamps,
}

/// When data was written last.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Age {
    /// The time.
    pub written: Moment,
    /// The last stamp, where it has one.
    pub stamped: Option<u64>,
    /// How far the file was read.
    pub read_to: ReadTo,
}

/// What was known of a file.
pub fn known(file: &Seen, memory: Option<&Memory>) -> Option<Known> {
    let memory = memory?;
    let seen = memory.of(file)?;
    // What is kept is of the file that was the newest then.
    let read = memory.read_to.as_ref().filter(|read| read.name == seen.name);
    let stamped = memory.stamped.filter(|_| read.is_some());
    Some(Known { end: read.and_then(|read| read.end).filter(|end| *end <= seen.size), size: seen.size, stamped })
}

/// The age of what the newest file holds. A start that cuts a torn tail off, one that fails, one after which nothing
/// is written, and a copy of the directory make no data newer; nothing makes it older. `is_uncopied`: since then the
/// server was a replica that has copied nothing, and what is rewritten holds what it had.
pub fn of(newest: &DataFile, memory: Option<&Memory>, is_uncopied: bool) -> Age {
    let stamped = newest.stamps.last.map(|stamp| stamp.second);
    let reported = memory.and_then(|memory| memory.written);
    let seen = memory.and_then(|memory| memory.of(&newest.seen));
    let is_as_before = match (reported, memory, seen) {
        (Some(_), Some(memory), Some(seen)) => {
            newest.seen.is_unchanged(seen) || !is_stamped_since(newest, memory, seen) && !is_written_since(newest, memory, seen)
        }
        _ => false,
    };
    // Commands behind it would be somebody's writes.
    let is_rewritten = is_uncopied && seen.is_none() && !newest.is_appended;
    let written = match reported {
        Some(reported) if is_as_before || is_rewritten => reported,
        reported => by_the_file(newest, memory, seen).max(reported.unwrap_or_default()),
    };
    Age { written, stamped, read_to: ReadTo { name: newest.seen.name.clone(), end: newest.stamps.end } }
}

fn is_stamped_since(newest: &DataFile, memory: &Memory, seen: &Seen) -> bool {
    let is_new = |second| memory.stamped.is_none_or(|before| second > before);
    newest.stamps.last.is_some_and(|stamp| is_new(stamp.second) || stamp.at >= seen.size)
}

/// Whether anything was appended; the sizes alone do not tell where a torn tail was cut off in between.
fn is_written_since(newest: &DataFile, memory: &Memory, seen: &Seen) -> bool {
    match (newest.stamps.end, known(&newest.seen, Some(memory)).and_then(|known| known.end)) {
        (Some(end), Some(before)) => end > before,
        _ => newest.seen.size > seen.size,
    }
}

fn by_the_file(newest: &DataFile, memory: Option<&Memory>, seen: Option<&Seen>) -> Moment {
    let file_time = UNIX_EPOCH + Duration::from_nanos(u64::try_from(newest.seen.modified).unwrap_or_default());
    // A server that writes no stamps: one of ordain 0.1, or one whose clock has stepped back.
    let is_unstamped_since = memory
        .zip(seen)
        .is_some_and(|(memory, seen)| !is_stamped_since(newest, memory, seen) && is_written_since(newest, memory, seen));
    match newest.stamps.last {
        Some(stamp) if newest.stamps.has_unstamped_run || is_unstamped_since => {
            Moment::from(file_time).max(exactly(stamp.second, file_time))
        }
        Some(stamp) => exactly(stamp.second, file_time),
        None => match newest.head.created.filter(|_| !newest.is_appended) {
            Some(created) => exactly(created, file_time),
            None => file_time.into(),
        },
    }
}

/// A second, and within it the time of the file.
fn exactly(second: u64, file_time: SystemTime) -> Moment {
    let Some(begin) = UNIX_EPOCH.checked_add(Duration::from_secs(second)) else { return Moment(u64::MAX) };
    match file_time.duration_since(begin) {
        Ok(after) if after < SAME_WRITE => file_time.into(),
        _ => begin.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::stamps::Stamp;
    use super::*;

    fn seen(size: u64, modified_ms: i64) -> Seen {
        Seen { name: "a.incr.aof".into(), size, modified: modified_ms * 1_000_000, inode: 7, made: None }
    }

    fn appended(size: u64, modified_ms: i64, stamp: Option<(u64, u64)>) -> DataFile {
        let stamps = Stamps { last: stamp.map(|(second, at)| Stamp { second, at }), ..Stamps::default() };
        DataFile { seen: seen(size, modified_ms), head: Head::default(), is_appended: true, stamps }
    }

    fn snapshot(modified_ms: i64, created: Option<u64>) -> DataFile {
        DataFile {
            seen: seen(50, modified_ms),
            head: Head { created, ..Head::default() },
            is_appended: false,
            stamps: Stamps::default(),
        }
    }

    /// What was reported of a file as it was then.
    fn reported(written: u64, stamped: Option<u64>, file: Seen) -> Memory {
        Memory { written: Some(Moment(written)), stamped, files: vec![file], ..Memory::default() }
    }

    fn age(file: &DataFile, memory: Option<&Memory>) -> u64 {
        of(file, memory, false).written.0
    }

    #[test]
    fn data_is_as_old_as_its_last_stamp_and_within_that_second_as_its_file() {
        for (file_ms, age_ms) in
            [(100_300, 100_300), (101_100, 101_100), (102_000, 100_000), (900_000, 100_000), (99_000, 100_000)]
        {
            assert_eq!(age(&appended(50, file_ms, Some((100, 30))), None), age_ms, "file of {file_ms}");
        }
        assert_eq!(age(&appended(50, 100_300, None), None), 100_300, "nothing else is known");
    }

    #[test]
    fn a_snapshot_is_as_old_as_it_says_else_as_its_file() {
        assert_eq!(age(&snapshot(900_000, Some(100)), None), 100_000);
        assert_eq!(age(&snapshot(100_700, Some(100)), None), 100_700);
        assert_eq!(age(&snapshot(900_000, None), None), 900_000);
        let with_commands = DataFile { is_appended: true, ..snapshot(900_000, Some(100)) };
        assert_eq!(age(&with_commands, None), 900_000, "it may have been appended to");
    }

    #[test]
    fn a_torn_tail_that_a_start_cuts_off_makes_no_data_newer() {
        let torn = seen(60, 100_500);
        for stamp in [Some((100, 30)), Some((99, 10)), None] {
            let before = reported(100_500, stamp.map(|_| 100), torn.clone());
            assert_eq!(age(&appended(50, 900_000, stamp), Some(&before)), 100_500, "{stamp:?}");
        }
    }

    #[test]
    fn a_start_after_which_nothing_is_written_makes_no_data_newer_nor_does_one_that_fails_or_a_copy() {
        let before = reported(100_500, Some(100), seen(50, 100_500));
        let as_it_was = appended(50, 100_500, Some((100, 30)));
        assert_eq!(age(&as_it_was, Some(&before)), 100_500);
        let touched = appended(50, 900_000, Some((100, 30)));
        assert_eq!(age(&touched, Some(&before)), 100_500);
        let copied = DataFile { seen: Seen { inode: 8, ..as_it_was.seen.clone() }, ..as_it_was };
        assert_eq!(age(&copied, Some(&before)), 100_500);
        let dump = snapshot(900_000, Some(100));
        let renamed =
            DataFile { seen: Seen { name: "appendonly.aof".into(), ..dump.seen.clone() }, is_appended: true, ..dump.clone() };
        assert_eq!(age(&renamed, Some(&reported(100_000, None, dump.seen))), 100_000, "a snapshot that was taken over");
    }

    #[test]
    fn what_is_written_makes_data_newer_with_stamps_and_without() {
        let before = reported(100_500, Some(100), seen(50, 100_500));
        assert_eq!(age(&appended(90, 900_100, Some((900, 50))), Some(&before)), 900_100);
        assert_eq!(age(&appended(90, 900_000, Some((100, 30))), Some(&before)), 900_000, "by a server that writes no stamps");
        assert_eq!(age(&appended(40, 990_000, Some((900, 30))), Some(&before)), 900_000, "after a tail was cut off");
        let other = DataFile { seen: Seen { inode: 8, name: "b.incr.aof".into(), ..seen(20, 950_000) }, ..appended(20, 0, None) };
        assert_eq!(age(&other, Some(&before)), 950_000, "a new file");
        let unstamped = reported(100_500, None, seen(50, 100_500));
        assert_eq!(age(&appended(90, 900_000, None), Some(&unstamped)), 900_000);
    }

    #[test]
    fn a_run_that_writes_no_stamps_counts_by_the_time_of_the_file() {
        let between = appended(90, 900_000, Some((100, 30)));
        let between = DataFile { stamps: Stamps { has_unstamped_run: true, ..between.stamps }, ..between };
        let before = reported(50_000, Some(50), seen(10, 50_000));
        for memory in [None, Some(&before), Some(&Memory::default())] {
            assert_eq!(age(&between, memory), 900_000, "{memory:?}");
        }
        assert_eq!(age(&between, Some(&reported(900_000, Some(100), between.seen.clone()))), 900_000);
        let touched = DataFile { seen: seen(90, 950_000), ..between };
        assert_eq!(age(&touched, Some(&reported(900_000, Some(100), seen(90, 900_000)))), 900_000);
    }

    #[test]
    fn what_is_appended_where_a_torn_tail_was_cut_off_is_written_though_the_file_is_no_longer_than_it_was() {
        let read_to = |end| Some(ReadTo { name: "a.incr.aof".into(), end: Some(end) });
        let before = Memory { read_to: read_to(40), ..reported(100_500, Some(100), seen(60, 100_500)) };
        let of_end = |end| {
            let file = appended(end, 900_000, Some((100, 0)));
            DataFile { stamps: Stamps { end: Some(end), ..file.stamps }, ..file }
        };
        assert_eq!(age(&of_end(40), Some(&before)), 100_500, "cut off");
        assert_eq!(age(&of_end(50), Some(&before)), 900_000, "and written to");
    }

    #[test]
    fn what_a_replica_that_has_copied_nothing_rewrites_is_no_newer() {
        let before = reported(100_500, Some(100), seen(50, 100_500));
        let other = |file: DataFile| DataFile { seen: Seen { inode: 8, name: "b".into(), ..file.seen }, ..file };
        let rewritten = other(snapshot(900_000, Some(900)));
        for (is_uncopied, expected) in [(true, 100_500), (false, 900_000)] {
            assert_eq!(of(&rewritten, Some(&before), is_uncopied).written.0, expected);
        }
        assert_eq!(of(&rewritten, Some(&Memory::default()), true).written.0, 900_000, "nothing was reported");
        let written = other(appended(20, 950_000, Some((950, 0))));
        assert_eq!(of(&written, Some(&before), true).written.0, 950_000, "somebody has made it a master");
    }

    #[test]
    fn nothing_makes_data_older_than_it_was_reported() {
        let before = reported(900_000, Some(900), seen(50, 900_000));
        let rewritten =
            DataFile { seen: Seen { inode: 8, name: "b.base.rdb".into(), ..seen(20, 500_000) }, ..snapshot(0, Some(500)) };
        assert_eq!(age(&rewritten, Some(&before)), 900_000, "a clock has stepped back");
        assert_eq!(age(&rewritten, Some(&Memory::default())), 500_000);
        assert_eq!(age(&appended(50, 0, Some((u64::MAX, 1))), None), u64::MAX);
    }
}
