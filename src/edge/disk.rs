//! The data directory of this pod: what a server would load from it, and the group's stamp in it.

use std::fs::File;
use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use anyhow::{Context, Result};

use super::files::{self, Draft};
use crate::core::disk::Disk;

/// The file that holds the group's id.
const STAMP: &str = "ordain-group-id";
const SNAPSHOT: &str = "dump.rdb";
/// The append-only file of servers before 7; later ones take it over when they start.
const APPENDED: &str = "appendonly.aof";
/// How much of a file is read to find its first key: functions and settings come before it.
const HEAD: u64 = 64 * 1024;

/// What a data directory holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// What a server would load.
    pub disk: Disk,
    /// The group's id, where the directory was stamped.
    pub group_id: Option<String>,
}

impl Found {
    /// What a new volume holds.
    pub const NOTHING: Self = Self { disk: Disk::Empty, group_id: None };
}

/// Reads a data directory. Where there is an append-only file, the servers load nothing else. When it
/// was written last is the files' own time: a server's start does not change it.
///
/// # Errors
/// The directory is missing or cannot be read.
pub fn read(folder: &Path) -> Result<Found> {
    let describe = || {
        format!("cannot read the data directory `{}`: mount the volume there, or name another by --data-dir", folder.display())
    };
    let files = data_files(folder).with_context(describe)?;
    let has_appended = files.iter().any(|file| file.is_append_only);
    let mut written: Option<SystemTime> = None;
    for file in files.iter().filter(|file| file.is_append_only == has_appended) {
        if holds_keys(&file.path).with_context(describe)? {
            written = written.max(Some(file.modified));
        }
    }
    let stamp = files::read_if_there(&folder.join(STAMP))?;
    let group_id = String::from_utf8_lossy(&stamp).trim().to_owned();
    Ok(Found {
        disk: written.map_or(Disk::Empty, |time| Disk::Written(time.into())),
        group_id: Some(group_id).filter(|id| !id.is_empty()),
    })
}

/// Stamps the group's id into a data directory.
///
/// # Errors
/// It cannot be written to.
pub fn stamp(folder: &Path, group_id: &str) -> Result<()> {
    Draft::begin(&folder.join(STAMP))?.install(format!("{group_id}\n").as_bytes())
}

/// Makes a snapshot into the append-only file that our servers load: with `appendonly yes` and none
/// there they would start empty beside a full `dump.rdb`, which is all that a group without
/// append-only files has when it is taken over. The snapshot stays, and the copy keeps its time.
///
/// # Errors
/// The directory cannot be written to, or is full.
pub fn take_snapshot_over(folder: &Path) -> Result<bool> {
    let snapshot = folder.join(SNAPSHOT);
    let describe =
        || format!("cannot copy `{}` to `{APPENDED}` beside it, without which the servers would not load it", snapshot.display());
    let files = data_files(folder).with_context(describe)?;
    if files.iter().any(|file| file.is_append_only) || !files.iter().any(|file| file.path == snapshot) {
        return Ok(false);
    }
    let mut source = File::open(&snapshot).with_context(describe)?;
    let modified = source.metadata().and_then(|meta| meta.modified()).with_context(describe)?;
    Draft::begin(&folder.join(APPENDED))?.install_from(&mut source, modified).with_context(describe)?;
    Ok(true)
}

struct DataFile {
    path: PathBuf,
    modified: SystemTime,
    is_append_only: bool,
}

/// The files of a server's data: in the directory itself, and since Redis 7 in one below it.
fn data_files(folder: &Path) -> std::io::Result<Vec<DataFile>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        if !entry.file_type()?.is_dir() {
            found.extend(data_file(&entry, false)?);
            continue;
        }
        let below = match std::fs::read_dir(entry.path()) {
            // lost+found, which is root's.
            Err(error) if error.kind() == ErrorKind::PermissionDenied => continue,
            below => below?,
        };
        for entry in below {
            found.extend(data_file(&entry?, true)?);
        }
    }
    Ok(found)
}

fn data_file(entry: &std::fs::DirEntry, is_below: bool) -> std::io::Result<Option<DataFile>> {
    let name = entry.file_name();
    let name = name.to_string_lossy();
    // What a server was still writing when it died counts for nothing: it does not load that.
    let is_part = name.starts_with("temp-") || name.starts_with('.');
    let (is_snapshot, is_append_only) = (name.ends_with(".rdb"), name.ends_with(".aof"));
    if is_part || !(is_snapshot || is_append_only) {
        return Ok(None);
    }
    let modified = entry.metadata()?.modified()?;
    Ok(Some(DataFile { path: entry.path(), modified, is_append_only: is_append_only || is_below }))
}

/// Whether a file holds any key, or anything else that is not known to be nothing.
fn holds_keys(path: &Path) -> std::io::Result<bool> {
    let mut file = File::open(path)?;
    let length = file.metadata()?.len();
    let mut head = Vec::new();
    file.by_ref().take(HEAD).read_to_end(&mut head)?;
    Ok(match end_of_empty_snapshot(&head) {
        // Commands may be appended to a snapshot.
        Some(end) => length > end as u64,
        None => !head.is_empty(),
    })
}

/// Where a snapshot without keys ends; `None` where it has keys, or is no snapshot (Redis `src/rdb.h`:
/// a magic word, auxiliary fields, and the end with its checksum).
fn end_of_empty_snapshot(bytes: &[u8]) -> Option<usize> {
    const AUX: u8 = 0xfa;
    const END: u8 = 0xff;
    const CHECKSUM: usize = 8;
    let is_snapshot = bytes.starts_with(b"REDIS") || bytes.starts_with(b"VALKEY");
    let mut at = if is_snapshot { 9 } else { return None };
    loop {
        match *bytes.get(at)? {
            AUX => at = skip_string(bytes, skip_string(bytes, at + 1)?)?,
            END => return Some(at + 1 + CHECKSUM),
            _ => return None,
        }
    }
}

/// The place after a string: its length in 6, 14, 32 or 64 bits, or a number in its place.
fn skip_string(bytes: &[u8], at: usize) -> Option<usize> {
    let first = *bytes.get(at)?;
    let big_endian = |count: usize| -> Option<usize> {
        let digits = bytes.get(at + 1..at + 1 + count)?;
        digits.iter().try_fold(0usize, |number, byte| number.checked_mul(256)?.checked_add(usize::from(*byte)))
    };
    let (header, length) = match (first >> 6, first) {
        (0, _) => (1, usize::from(first & 0x3f)),
        (1, _) => (2, usize::from(first & 0x3f) << 8 | usize::from(*bytes.get(at + 1)?)),
        (_, 0x80) => (5, big_endian(4)?),
        (_, 0x81) => (9, big_endian(8)?),
        (_, 0xc0) => (1, 1),
        (_, 0xc1) => (1, 2),
        (_, 0xc2) => (1, 4),
        _ => return None,
    };
    at.checked_add(header)?.checked_add(length)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::time::Duration;

    /// What Redis 7.0.15 writes for no keys.
    fn empty_snapshot() -> Vec<u8> {
        let mut bytes =
            b"REDIS0010\xfa\x09redis-ver\x067.0.15\xfa\x0aredis-bits\xc0\x40\xfa\x05ctime\xc2\x01\x02\x03\x04".to_vec();
        bytes.extend(b"\xfa\x08used-mem\xc2\x00\x10\x0e\x00\xfa\x08aof-base\xc0\x01\xff\x01\x02\x03\x04\x05\x06\x07\x08");
        bytes
    }

    fn snapshot_with_a_key() -> Vec<u8> {
        [&empty_snapshot()[..empty_snapshot().len() - 9], b"\xfe\x00\xfb\x01\x00\x00\x03key\x01x\xff", &[0; 8]].concat()
    }

    fn written(folder: &Path, name: &str, bytes: &[u8], at: u64) {
        let path = folder.join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, bytes).unwrap();
        let time = SystemTime::UNIX_EPOCH + Duration::from_secs(at);
        File::options().append(true).open(&path).unwrap().set_modified(time).unwrap();
    }

    fn disk_of(files: &[(&str, &[u8], u64)]) -> Disk {
        let folder = tempfile::tempdir().unwrap();
        for (name, bytes, at) in files {
            written(folder.path(), name, bytes, *at);
        }
        read(folder.path()).unwrap().disk
    }

    fn at(seconds: u64) -> Disk {
        Disk::Written((SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)).into())
    }

    #[test]
    fn the_files_of_a_server_that_never_held_a_key_are_nothing() {
        assert_eq!(disk_of(&[]), Disk::Empty);
        let base = ("appendonlydir/appendonly.aof.1.base.rdb", &empty_snapshot()[..], 9);
        assert_eq!(
            disk_of(&[
                base,
                ("appendonlydir/appendonly.aof.1.incr.aof", b"", 9),
                ("appendonlydir/appendonly.aof.manifest", b"file", 9)
            ]),
            Disk::Empty
        );
        assert_eq!(disk_of(&[("appendonly.aof", b"", 9)]), Disk::Empty);
        assert_eq!(disk_of(&[("dump.rdb", &empty_snapshot(), 9)]), Disk::Empty);
    }

    #[test]
    fn data_was_last_written_when_its_files_were() {
        let base = ("appendonlydir/appendonly.aof.2.base.rdb", &snapshot_with_a_key()[..], 5);
        assert_eq!(disk_of(&[base, ("appendonlydir/appendonly.aof.2.incr.aof", b"", 9)]), at(5), "an empty file was not written");
        assert_eq!(disk_of(&[base, ("appendonlydir/appendonly.aof.2.incr.aof", b"*1", 9)]), at(9));
        assert_eq!(
            disk_of(&[("appendonly.aof", &[&empty_snapshot()[..], b"*2"].concat(), 7)]),
            at(7),
            "commands after a snapshot"
        );
        assert_eq!(disk_of(&[("dump.rdb", &snapshot_with_a_key(), 3)]), at(3));
    }

    #[test]
    fn only_what_a_server_would_load_counts() {
        let dump = ("dump.rdb", &snapshot_with_a_key()[..], 9);
        assert_eq!(disk_of(&[dump, ("appendonly.aof", b"", 9)]), Disk::Empty, "it loads the append-only file");
        assert_eq!(disk_of(&[("temp-12.rdb", &snapshot_with_a_key(), 9), ("notes.txt", b"x", 9)]), Disk::Empty);
        assert_eq!(disk_of(&[("dump.rdb", b"damaged", 9)]), at(9), "what cannot be read may be data");
    }

    #[test]
    fn a_stamp_reads_back_and_a_missing_directory_is_named() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(read(folder.path()).unwrap().group_id, None);
        stamp(folder.path(), "a1b2").unwrap();
        let stamped = Found { disk: Disk::Empty, group_id: Some("a1b2".into()) };
        assert_eq!(read(folder.path()).unwrap(), stamped);
        let refusal = format!("{:#}", read(&folder.path().join("nowhere")).unwrap_err());
        assert!(refusal.contains("--data-dir"), "{refusal}");
    }

    #[test]
    fn a_snapshot_is_taken_over_once_with_its_time_and_only_where_nothing_was_appended() {
        let folder = tempfile::tempdir().unwrap();
        assert!(!take_snapshot_over(folder.path()).unwrap());
        written(folder.path(), "dump.rdb", &snapshot_with_a_key(), 3);
        assert!(take_snapshot_over(folder.path()).unwrap());
        assert_eq!(std::fs::read(folder.path().join(APPENDED)).unwrap(), snapshot_with_a_key());
        assert_eq!(read(folder.path()).unwrap().disk, at(3));
        written(folder.path(), "dump.rdb", &empty_snapshot(), 4);
        assert!(!take_snapshot_over(folder.path()).unwrap());
        assert_eq!(read(folder.path()).unwrap().disk, at(3));
    }

    proptest! {
        #[test]
        fn no_file_makes_the_reader_panic(bytes: Vec<u8>) {
            end_of_empty_snapshot(&bytes);
            end_of_empty_snapshot(&[b"REDIS0011".to_vec(), bytes].concat());
        }
    }
}
