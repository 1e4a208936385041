//! The data directory of this pod: what a server would load from it, and the group's stamp in it.

use std::ffi::OsString;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use anyhow::{Context, Result};

use super::files::{self, Draft};
use crate::core::conf::split;
use crate::core::disk::Disk;

/// The file that holds the group's id.
const STAMP: &str = "ordain-group-id";
const SNAPSHOT: &str = "dump.rdb";
/// The append-only file of servers before 7; later ones take it over when they start.
const APPENDED: &str = "appendonly.aof";
/// Where servers from 7 on keep theirs, and which file lists them (`appenddirname`, `appendfilename`).
const APPENDED_FOLDER: &str = "appendonlydir";
const MANIFEST: &str = "appendonly.aof.manifest";
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

/// Reads a data directory as a server with `appendonly yes` loads it. When it was written last is the files' own
/// time: a server's start does not change it.
///
/// # Errors
/// The directory, or a file that a server would load, is missing or cannot be read; or data lies there that no
/// server would load, beside nothing that it would: what cannot be read is not empty, and what is not loaded is
/// not ignored.
pub fn read(folder: &Path) -> Result<Found> {
    let mut written: Option<SystemTime> = None;
    let loaded = loaded_files(folder)?;
    for path in &loaded.paths {
        if holds_keys(path).with_context(|| cannot_read(path))? {
            let modified = std::fs::metadata(path).and_then(|meta| meta.modified()).with_context(|| cannot_read(path))?;
            written = written.max(Some(modified));
        }
    }
    let stamp = files::read_if_there(&folder.join(STAMP))?;
    let group_id = Some(String::from_utf8_lossy(&stamp).trim().to_owned()).filter(|id| !id.is_empty());
    if written.is_none() {
        refuse_what_is_left_out(folder, &loaded, group_id.is_some())?;
    }
    Ok(Found { disk: written.map_or(Disk::Empty, |time| Disk::Written(time.into())), group_id })
}

fn cannot_read_directory(folder: &Path) -> String {
    format!("cannot read the data directory `{}`: mount the volume there, or name another by --data-dir", folder.display())
}

fn cannot_read(path: &Path) -> String {
    format!("cannot read `{}`, which the server would load: make it readable for this container's user", path.display())
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
    let is_all_there_is = loaded_files(folder).with_context(describe)?.paths == [snapshot.clone()];
    if !is_all_there_is {
        return Ok(false);
    }
    let mut source = File::open(&snapshot).with_context(describe)?;
    let modified = source.metadata().and_then(|meta| meta.modified()).with_context(describe)?;
    Draft::begin(&folder.join(APPENDED))?.install_from(&mut source, modified).with_context(describe)?;
    Ok(true)
}

/// What a server would load from a data directory.
struct Loaded {
    /// The files, all of which exist; none where it would start empty.
    paths: Vec<PathBuf>,
    /// Whether the append-only files are listed by a manifest.
    has_manifest: bool,
}

/// The files that a server loads (Redis `src/aof.c`, `loadAppendOnlyFiles` and `aofLoadManifestFromDisk`): what the
/// manifest lists, of servers from 7 on, else the one append-only file of those before, else the snapshot, which is
/// made into one. All else that lies there, also in folders of other names, is loaded by nobody.
fn loaded_files(folder: &Path) -> Result<Loaded> {
    let appended = folder.join(APPENDED_FOLDER);
    let manifest = appended.join(MANIFEST);
    let listed = files::read_if_there(&manifest)?;
    if !listed.is_empty() {
        let names = listed_in(&listed).with_context(|| {
            format!("`{}` is damaged, and no server starts with it: put it back from a backup", manifest.display())
        })?;
        let mut paths: Vec<_> = names.into_iter().map(|name| appended.join(name)).collect();
        // The file of an earlier version, listed by a server that was killed before it had moved it: the next one
        // takes it from where it is.
        if paths == [appended.join(APPENDED)] && !paths[0].try_exists()? {
            paths = vec![folder.join(APPENDED)];
        }
        for path in &paths {
            let is_there = path.try_exists().with_context(|| cannot_read(path))?;
            anyhow::ensure!(is_there, "`{}` is missing, which `{MANIFEST}` lists: put it back from a backup", path.display());
        }
        return Ok(Loaded { paths, has_manifest: true });
    }
    // The names must be seen: a folder that may not be searched looks as if it held none of them.
    let names = names_in(folder).with_context(|| cannot_read_directory(folder))?;
    let only = [APPENDED, SNAPSHOT].into_iter().find(|name| names.iter().any(|found| found == name));
    Ok(Loaded { paths: only.map(|name| folder.join(name)).into_iter().collect(), has_manifest: false })
}

/// The base and incremental files of a manifest; `None` where it is none (Redis `src/aof.c`: lines such as
/// `file appendonly.aof.1.base.rdb seq 1 type b`, of which type `h` is history).
fn listed_in(manifest: &[u8]) -> Option<Vec<String>> {
    let mut names = Vec::new();
    for line in manifest.split(|byte| *byte == b'\n') {
        if line.is_empty() || line.starts_with(b"#") {
            continue;
        }
        let words = split(line)?;
        let value =
            |key: &str| words.chunks_exact(2).find(|pair| pair[0].eq_ignore_ascii_case(key.as_bytes())).map(|pair| &pair[1]);
        let (name, kind) = (String::from_utf8(value("file")?.clone()).ok()?, value("type")?);
        // The servers take no path either.
        if name.contains('/') {
            return None;
        }
        match kind.as_slice() {
            b"b" | b"i" => names.push(name),
            b"h" => {}
            _ => return None,
        }
    }
    Some(names)
}

/// Refuses to take a directory for empty in which there is data that the server would leave out. Where ordain has
/// started a server before, only a lost manifest is such a case: other files are somebody's copies.
fn refuse_what_is_left_out(folder: &Path, loaded: &Loaded, is_ours: bool) -> Result<()> {
    let appended = folder.join(APPENDED_FOLDER);
    let mut left_out = Vec::new();
    if !loaded.has_manifest && appended.try_exists()? {
        left_out.extend(names_in(&appended).with_context(|| cannot_read(&appended))?.into_iter().map(|name| appended.join(name)));
    }
    if !is_ours {
        left_out
            .extend(names_in(folder).with_context(|| cannot_read_directory(folder))?.into_iter().map(|name| folder.join(name)));
    }
    left_out.retain(|path| is_data_file(path) && !loaded.paths.contains(path));
    let mut with_keys = Vec::new();
    for path in left_out {
        if holds_keys(&path).with_context(|| cannot_read(&path))? {
            with_keys.push(format!("`{}`", path.display()));
        }
    }
    with_keys.sort();
    anyhow::ensure!(
        with_keys.is_empty(),
        "the server would start empty beside {}, which it does not load: name what it shall load `{SNAPSHOT}`, or move the files to another folder",
        with_keys.join(", ")
    );
    Ok(())
}

fn names_in(folder: &Path) -> std::io::Result<Vec<OsString>> {
    std::fs::read_dir(folder)?.map(|entry| Ok(entry?.file_name())).collect()
}

/// Whether a file is one of a server's, and whole: what a server was still writing when it died is not.
fn is_data_file(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let is_part = name.starts_with("temp-") || name.starts_with('.');
    !is_part && (name.ends_with(".rdb") || name.ends_with(".aof")) && path.is_file()
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

    const MANIFEST_1: &[u8] = b"file appendonly.aof.1.base.rdb seq 1 type b\nfile appendonly.aof.1.incr.aof seq 1 type i\n";

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

    fn directory_of(files: &[(&str, &[u8], u64)]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for (name, bytes, at) in files {
            written(folder.path(), name, bytes, *at);
        }
        folder
    }

    fn disk_of(files: &[(&str, &[u8], u64)]) -> Disk {
        read(directory_of(files).path()).unwrap().disk
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
                ("appendonlydir/appendonly.aof.manifest", MANIFEST_1, 9)
            ]),
            Disk::Empty
        );
        assert_eq!(disk_of(&[("appendonly.aof", b"", 9)]), Disk::Empty);
        assert_eq!(disk_of(&[("dump.rdb", &empty_snapshot(), 9)]), Disk::Empty);
    }

    #[test]
    fn data_was_last_written_when_its_files_were() {
        let base = ("appendonlydir/appendonly.aof.1.base.rdb", &snapshot_with_a_key()[..], 5);
        let manifest = ("appendonlydir/appendonly.aof.manifest", MANIFEST_1, 9);
        let appended = |bytes: &'static [u8]| ("appendonlydir/appendonly.aof.1.incr.aof", bytes, 9);
        assert_eq!(disk_of(&[base, appended(b""), manifest]), at(5), "an empty file was not written");
        assert_eq!(disk_of(&[base, appended(b"*1"), manifest]), at(9));
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
        let stamp = (STAMP, &b"a1b2\n"[..], 1);
        assert_eq!(disk_of(&[dump, stamp, ("appendonly.aof", b"", 9)]), Disk::Empty, "it loads the append-only file");
        assert_eq!(disk_of(&[("temp-12.rdb", &snapshot_with_a_key(), 9), ("notes.txt", b"x", 9)]), Disk::Empty);
        assert_eq!(disk_of(&[("dump.rdb", b"damaged", 9)]), at(9), "what cannot be read may be data");
        let backups =
            [("backup/last-week.rdb", &b"x"[..], 20), ("backup/appendonly.aof", b"x", 20), ("lost+found/a.rdb", b"x", 20)];
        assert_eq!(disk_of(&[&[dump][..], &backups].concat()), at(9), "folders of other names are nobody's");
        assert_eq!(disk_of(&backups), Disk::Empty);
        let (base, incr) = ("appendonlydir/appendonly.aof.1.base.rdb", "appendonlydir/appendonly.aof.1.incr.aof");
        let listed = ("appendonlydir/appendonly.aof.manifest", MANIFEST_1, 1);
        let older = ("appendonlydir/appendonly.aof.0.incr.aof", &b"*1"[..], 30);
        assert_eq!(disk_of(&[(base, &snapshot_with_a_key(), 3), (incr, b"*1", 5), listed, older, dump]), at(5), "what is listed");
    }

    #[test]
    fn a_snapshot_beside_a_backup_is_taken_over() {
        let folder = tempfile::tempdir().unwrap();
        written(folder.path(), "dump.rdb", &snapshot_with_a_key(), 3);
        written(folder.path(), "backup/last-week.rdb", &snapshot_with_a_key(), 2);
        written(folder.path(), "appendonlydir/temp-rewrite.aof", b"*1", 2);
        assert!(take_snapshot_over(folder.path()).unwrap());
        assert_eq!(read(folder.path()).unwrap().disk, at(3));
    }

    fn refusal_of(files: &[(&str, &[u8], u64)]) -> String {
        format!("{:#}", read(directory_of(files).path()).unwrap_err())
    }

    #[test]
    fn data_that_no_server_would_load_is_never_taken_for_an_empty_directory() {
        let keys = &snapshot_with_a_key()[..];
        for name in ["redis.rdb", "appendonly-6380.aof", "appendonlydir/appendonly.aof.1.base.rdb"] {
            let refusal = refusal_of(&[(name, keys, 9)]);
            assert!(refusal.contains(name) && refusal.contains("would start empty"), "{refusal}");
        }
        let refusal = refusal_of(&[("dump.rdb", keys, 9), ("appendonly.aof", b"", 9)]);
        assert!(refusal.contains("dump.rdb"), "{refusal}");
        let stamp = (STAMP, &b"a1b2\n"[..], 1);
        assert_eq!(disk_of(&[("copy.rdb", keys, 9), stamp]), Disk::Empty, "somebody's copy");
        let refusal = refusal_of(&[("appendonlydir/appendonly.aof.1.base.rdb", keys, 9), stamp]);
        assert!(refusal.contains("appendonly.aof.1.base.rdb"), "a manifest that was lost: {refusal}");
    }

    #[test]
    fn a_manifest_that_no_server_reads_or_whose_file_is_missing_is_an_error() {
        let manifest = "appendonlydir/appendonly.aof.manifest";
        let refusal = refusal_of(&[(manifest, MANIFEST_1, 9)]);
        assert!(refusal.contains("appendonly.aof.1.base.rdb` is missing"), "{refusal}");
        for damaged in [&b"file"[..], b"file a type", b"file ../a seq 1 type b", b"file a seq 1 type x", b"file \"a seq 1 type b"]
        {
            let refusal = refusal_of(&[(manifest, damaged, 9)]);
            assert!(refusal.contains("is damaged"), "{refusal}");
        }
    }

    #[test]
    fn a_file_that_is_listed_and_not_moved_yet_is_loaded_from_where_it_is() {
        let manifest = ("appendonlydir/appendonly.aof.manifest", &b"file appendonly.aof seq 1 type b\n"[..], 9);
        assert_eq!(disk_of(&[manifest, ("appendonly.aof", b"*1", 4)]), at(4));
        assert_eq!(disk_of(&[manifest, ("appendonlydir/appendonly.aof", b"*1", 5), ("appendonly.aof", b"*1", 4)]), at(5));
        assert!(refusal_of(&[manifest]).contains("appendonly.aof` is missing"));
    }

    #[test]
    fn what_cannot_be_read_is_not_empty() {
        // A folder in a file's place: nobody is asked for rights, which root has all.
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(folder.path().join("appendonlydir/appendonly.aof.manifest")).unwrap();
        assert!(read(folder.path()).is_err());
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("dump.rdb")).unwrap();
        assert!(read(folder.path()).is_err());
    }

    #[test]
    fn of_a_manifest_the_base_and_the_increments_count_and_history_does_not() {
        let manifest =
            b"# made by hand\nfile \"a b.rdb\" seq 2 type b\nfile old.rdb seq 1 type h\nfile c.aof seq 1 type i startoffset 10\n";
        assert_eq!(listed_in(manifest), Some(vec!["a b.rdb".to_owned(), "c.aof".to_owned()]));
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
            listed_in(&bytes);
            end_of_empty_snapshot(&[b"REDIS0011".to_vec(), bytes].concat());
        }
    }
}
