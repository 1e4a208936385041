//! The data directory of this pod: what its server would load, how old that is, and the group's stamp in it.
//!
//! - [`loaded`]: which files a server loads, and what it leaves out.
//! - [`snapshot`], [`stamps`]: what is written in them.
//! - [`age`]: when the data was written last.
//! - [`memory`]: `.ordain`, what was known of them when a server was started last.
//! - [`damage`]: what a server cannot load.
//! - [`take_over`]: a snapshot is made into what the server loads.

use std::fmt;
use std::fs::File;
use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use tracing::warn;

use self::age::{Age, DataFile};
use self::loaded::Loaded;
pub use self::loaded::listed;
use self::memory::{Damage, Memory, Seen};
use self::snapshot::{HEAD, Head};
use self::stamps::Stamps;
pub use self::take_over::is_being_copied;
use super::files::{self, Draft};
use crate::core::disk::{Disk, Moment};
use crate::core::server::ServerVersion;

mod age;
pub mod damage;
mod loaded;
pub mod memory;
mod snapshot;
mod stamps;
mod take_over;

/// The file that holds the group's id.
const STAMP: &str = "ordain-group-id";
/// An id is a word.
const LONGEST_STAMP: u64 = 4096;
/// How many runs in a row that end soon make the data suspect.
const SUSPECT: u32 = 3;
/// How long after its start a server that cannot load its data ends, where there is little of it.
pub const SOON: Duration = Duration::from_secs(10);
/// How much a server loads in a second, at least.
const LOADED_A_SECOND: u64 = 32 * 1024 * 1024;
/// How long a kubelet waits at most before it starts a container again.
const LONGEST_PAUSE: Duration = Duration::from_secs(5 * 60);

/// A data directory, and who is going to load it.
#[derive(Debug, Clone)]
pub struct DataDirectory {
    /// Where it is.
    pub folder: PathBuf,
    /// The server, where it is known.
    pub server: Option<ServerVersion>,
    /// What a person has chosen.
    pub load: Option<Load>,
}

/// What is to be loaded from a directory in which ordain has never started a server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Load {
    /// The append-only files.
    AppendOnly,
    /// `dump.rdb`.
    Snapshot,
    /// A file, by its name.
    File(String),
}

impl FromStr for Load {
    type Err = String;

    fn from_str(word: &str) -> Result<Self, String> {
        match word {
            "aof" => Ok(Self::AppendOnly),
            "dump" | loaded::SNAPSHOT => Ok(Self::Snapshot),
            name if !name.contains('/') && loaded::is_data_name(name) => Ok(Self::File(name.to_owned())),
            _ => Err("write `aof`, `dump`, or the name of an .rdb or .aof file in the data directory".to_owned()),
        }
    }
}

impl fmt::Display for Load {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::AppendOnly => "aof",
            Self::Snapshot => "dump",
            Self::File(name) => name,
        })
    }
}

/// What a data directory holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// What a server would load.
    pub disk: Disk,
    /// The group's id, where the directory was stamped.
    pub group_id: Option<String>,
    /// How many runs of the server ended soon, as it seems, one after the other and the last one too.
    pub ended_soon: u32,
    /// What is to be checked, where those are too many.
    pub suspect: Option<Suspect>,
    /// What is damaged, where that was found before and nothing has changed.
    pub damage: Option<Damage>,
    /// To which file the server would append.
    pub appended_to: Option<PathBuf>,
}

/// Data that the server's last runs may not have been able to load.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Suspect {
    /// The files.
    pub files: Vec<PathBuf>,
    /// When the last run was started.
    pub started: Moment,
    /// How long after that a server that cannot load them may end by itself: the damage may come last.
    pub loading: Duration,
}

impl DataDirectory {
    /// Reads it as its server, with `appendonly yes`, loads it.
    ///
    /// # Errors
    /// The directory, or a file that a server would load, is missing or cannot be read; the server is too old for it;
    /// or data lies there that the server would not load: what cannot be read is not empty, and what is not loaded is
    /// not ignored.
    pub fn read(&self, now: Moment) -> Result<Found> {
        let group_id = self.group_id()?;
        let memory = Memory::read(&self.folder)?;
        let loaded = self.loaded(group_id.is_some() || memory.is_some())?;
        let disk = match self.age(&loaded, memory.as_ref())? {
            Some(age) => Disk::Written(age.written),
            None => Disk::Empty,
        };
        if self.server.is_none() && loaded.has_manifest && disk.holds_data() {
            warn!(
                "the server's version is not known, and one before 7.0 would start empty beside `{}`: name it by --server-version (ORDAIN_SERVER_VERSION)",
                self.folder.join(loaded::APPENDED_FOLDER).display()
            );
        }
        let memory = memory.unwrap_or_default();
        let size: u64 = loaded.paths.iter().filter_map(|path| Some(path.metadata().ok()?.len())).sum();
        let loading = SOON + Duration::from_secs(size / LOADED_A_SECOND);
        let ended_soon = match memory.started {
            Some(started) if now.since(started) <= loading + LONGEST_PAUSE => memory.ended_soon.saturating_add(1),
            _ => 0,
        };
        let damage = memory.damage.clone().filter(|_| self.seen(&loaded).is_ok_and(|files| files == memory.files));
        let appended_to = self.appended_to(&loaded);
        let is_suspect = ended_soon >= SUSPECT && damage.is_none() && disk.holds_data() && !loaded.is_to_be_taken_over;
        let started = memory.started.filter(|_| is_suspect);
        let suspect = started.map(|started| Suspect { files: loaded.paths, started, loading });
        Ok(Found { disk, group_id, ended_soon, suspect, damage, appended_to })
    }

    fn seen(&self, loaded: &Loaded) -> Result<Vec<Seen>> {
        let seen = |path: &PathBuf| Ok(Seen::now(self.name_of(path), &path.metadata()?));
        let files = loaded.paths.iter().map(seen).collect::<std::io::Result<_>>();
        files.with_context(|| cannot_read_directory(&self.folder))
    }

    /// The file to which the server would append; a server from 7.0 on only reads bases and the files of before 7.0.
    fn appended_to(&self, loaded: &Loaded) -> Option<PathBuf> {
        let keeps_manifest = loaded.has_manifest || self.server.is_some_and(ServerVersion::keeps_manifest);
        let is_appended_to = |path: &&PathBuf| match path.file_name().unwrap_or_default().to_string_lossy() {
            name if keeps_manifest => name.contains(".incr."),
            name => name == loaded::APPENDED,
        };
        loaded.paths.last().filter(is_appended_to).cloned()
    }

    /// Keeps what came of a check; without damage the runs are counted from zero.
    ///
    /// # Errors
    /// The directory cannot be written to.
    pub fn keep_check(&self, damage: Option<Damage>) -> Result<()> {
        let files = self.seen(&loaded::loaded_files(&self.folder, self.server)?)?;
        let memory = Memory::read(&self.folder)?.unwrap_or_default();
        let files = if damage.is_some() { files } else { memory.files };
        Memory { files, started: None, ended_soon: 0, damage, ..memory }.write(&self.folder)
    }

    /// Moves files that cannot be loaded out of the server's way, where there is room for them and for as much
    /// again. The group's stamp goes, for it says of an empty directory that nothing was lost. Returns where they are.
    ///
    /// # Errors
    /// There is no such room, or the directory cannot be written to.
    pub fn set_damaged_aside(&self) -> Result<Option<PathBuf>> {
        let mut size = 0;
        for folder in [self.folder.clone(), self.folder.join(loaded::APPENDED_FOLDER)] {
            for path in loaded::files_in(&folder, loaded::is_data_file)? {
                // A link to a place that is not there takes none.
                size += path.metadata().map_or(0, |meta| meta.len());
            }
        }
        let free = files::free_space(&self.folder).with_context(|| cannot_read_directory(&self.folder))?;
        ensure!(
            free >= size,
            "`{}` has no room for the damaged files and a copy from the master ({} MiB are free, {} MiB are needed): enlarge the volume, or move the damaged files away",
            self.folder.display(),
            free >> 20,
            (size >> 20) + 1
        );
        match std::fs::remove_file(self.folder.join(STAMP)) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(error).with_context(|| cannot_read_directory(&self.folder));
            }
            _ => {}
        }
        take_over::set_aside(&self.folder, &[loaded::SNAPSHOT, loaded::APPENDED, loaded::APPENDED_FOLDER])
    }

    fn group_id(&self) -> Result<Option<String>> {
        let path = self.folder.join(STAMP);
        if !files::is_there(&path).with_context(|| cannot_read_directory(&self.folder))? {
            return Ok(None);
        }
        let stamp = files::read_at_most(&path, LONGEST_STAMP)?;
        Ok(Some(String::from_utf8_lossy(&stamp).trim().to_owned()).filter(|id| !id.is_empty()))
    }

    /// What the server would load, where nothing is left out that a person must know of. `is_ours`: ordain has started
    /// a server here.
    fn loaded(&self, is_ours: bool) -> Result<Loaded> {
        let loaded = loaded::loaded_files(&self.folder, self.server)?;
        let loaded = if let (Some(load), false) = (&self.load, is_ours) {
            loaded::chosen(&self.folder, loaded, load)?
        } else {
            loaded::refuse_what_is_left_out(&self.folder, &loaded, is_ours)?;
            if !is_ours {
                self.refuse_newer_snapshot(&loaded)?;
            }
            loaded
        };
        if !is_ours {
            loaded::refuse_beside_set_aside(&self.folder, &loaded)?;
        }
        for path in &loaded.paths {
            self.refuse_newer_form(path)?;
        }
        Ok(loaded)
    }

    /// A snapshot that is newer than the append-only files would be left out.
    fn refuse_newer_snapshot(&self, loaded: &Loaded) -> Result<()> {
        let dump = self.folder.join(loaded::SNAPSHOT);
        let is_left_out = !loaded.is_to_be_taken_over && files::is_there(&dump).with_context(|| cannot_read(&dump))?;
        if !is_left_out {
            return Ok(());
        }
        let snapshot = Loaded { paths: vec![dump.clone()], is_to_be_taken_over: true, ..Loaded::default() };
        let (Some(newer), older) = (self.age(&snapshot, None)?, self.age(loaded, None)?) else { return Ok(()) };
        // One that was taken over is the same file under another name.
        let is_taken_over =
            || loaded.paths.iter().try_fold(false, |is, path| Ok::<_, std::io::Error>(is || files::are_one(path, &dump)?));
        if older.as_ref().is_some_and(|older| older.written >= newer.written) || is_taken_over()? {
            return Ok(());
        }
        let what = if older.is_none() { "start empty".to_owned() } else { format!("load {}", listed(&loaded.paths)) };
        bail!(
            "the server would {what} and leave out `{}`, which is newer: choose by --load aof or --load dump, or move it to another folder",
            dump.display()
        )
    }

    fn refuse_newer_form(&self, path: &Path) -> Result<()> {
        let head = head_of(path).with_context(|| cannot_read(path))?.0;
        let is_loaded = match (self.server, head.format) {
            (Some(server), Some(format)) => server.loads(format),
            _ => true,
        };
        ensure!(
            is_loaded,
            "`{}` was written by a newer server or another, and this one does not load it: run the server that wrote it, or a newer one",
            path.display()
        );
        Ok(())
    }

    /// How old the data is; none where there is none.
    fn age(&self, loaded: &Loaded, memory: Option<&Memory>) -> Result<Option<Age>> {
        let mut newest = None;
        for path in &loaded.paths {
            newest = self.data_file(path, memory).with_context(|| cannot_read(path))?.or(newest);
        }
        let is_uncopied = match memory.and_then(|memory| memory.before_copy.as_ref()) {
            Some(before) => loaded.has_manifest && *before == self.snapshot()?,
            None => false,
        };
        Ok(newest.map(|newest| age::of(&newest, memory, is_uncopied)))
    }

    /// `dump.rdb` as it is; an empty name where there is none.
    fn snapshot(&self) -> Result<Seen> {
        let path = self.folder.join(loaded::SNAPSHOT);
        match path.metadata() {
            Ok(meta) => Ok(Seen::now(self.name_of(&path), &meta)),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Seen::default()),
            Err(error) => Err(error).with_context(|| cannot_read(&path)),
        }
    }

    /// A file that holds something; none where it holds nothing.
    fn data_file(&self, path: &Path, memory: Option<&Memory>) -> std::io::Result<Option<DataFile>> {
        let (head, file) = head_of(path)?;
        let meta = file.metadata()?;
        if !holds_keys_after(&head, meta.len()) {
            return Ok(None);
        }
        let is_appended = path.extension().is_some_and(|extension| extension == "aof");
        let seen = Seen::now(self.name_of(path), &meta);
        // A snapshot holds none, and no server that writes them appends to one.
        let stamps = if is_appended && head.format.is_none() {
            let modified = u64::try_from(meta.mtime()).unwrap_or_default();
            stamps::read(&file, modified, age::known(&seen, memory))?
        } else {
            Stamps::default()
        };
        Ok(Some(DataFile { seen, head, is_appended, stamps }))
    }

    fn name_of(&self, path: &Path) -> String {
        path.strip_prefix(&self.folder).unwrap_or(path).to_string_lossy().into_owned()
    }

    /// Stamps the group's id into it.
    ///
    /// # Errors
    /// It cannot be written to.
    pub fn stamp(&self, group_id: &str) -> Result<()> {
        Draft::begin(&self.folder.join(STAMP))?.install(format!("{group_id}\n").as_bytes())
    }

    /// Takes away what a run of this program that was killed has left behind.
    ///
    /// # Errors
    /// It cannot be taken away.
    pub fn sweep(folder: &Path) -> Result<()> {
        for path in loaded::files_in(folder, is_draft)? {
            std::fs::remove_file(&path).with_context(|| format!("cannot remove `{}`", path.display()))?;
        }
        Ok(())
    }

    /// Makes what is to be loaded into what the server loads, and keeps what is known of it, for the next start.
    /// Returns what was taken over. `keeps_copies`: the server is going to be a replica that makes each full copy of a
    /// master into its `dump.rdb`. Ends soon once `stop` is set.
    ///
    /// # Errors
    /// The directory cannot be written to, or is full.
    pub fn prepare(
        &self,
        disk: Disk,
        keeps_copies: bool,
        ended_soon: u32,
        now: Moment,
        stop: &AtomicBool,
    ) -> Result<Option<PathBuf>> {
        let memory = Memory::read(&self.folder)?;
        let is_ours = memory.is_some() || self.group_id()?.is_some();
        let mut loaded = self.loaded(is_ours)?;
        let age = self.age(&loaded, memory.as_ref())?;
        let mut taken_over = None;
        if loaded.is_to_be_taken_over {
            let [source] = &loaded.paths[..] else { bail!("only one file can be taken over") };
            let in_its_way: &[_] = if loaded.is_chosen { &[loaded::APPENDED, loaded::APPENDED_FOLDER] } else { &[] };
            if *source == self.folder.join(loaded::APPENDED) {
                // It has its name already, and only the files of a later version make room for it.
                take_over::set_aside(&self.folder, &[loaded::APPENDED_FOLDER])?;
            } else {
                take_over::take_over(&self.folder, source, self.server, in_its_way, stop)?;
            }
            taken_over = Some(source.clone());
            loaded = loaded::loaded_files(&self.folder, self.server)?;
        }
        let written = match disk {
            Disk::Written(written) => Some(written),
            Disk::Empty => None,
        };
        let files = self.seen(&loaded)?;
        let (stamped, read_to) = age.map_or((None, None), |age| (age.stamped, Some(age.read_to)));
        // From append-only files a replica always begins with a full copy. Valkey makes that its append-only file.
        let is_redis = self.server.is_some_and(|server| server.keeps_manifest() && !server.is_valkey);
        let before_copy = if keeps_copies && is_redis && loaded.has_manifest { Some(self.snapshot()?) } else { None };
        let damage = memory.and_then(|memory| memory.damage.filter(|_| memory.files == files));
        match (Memory { written, stamped, read_to, files, before_copy, started: Some(now), ended_soon, damage }
            .write(&self.folder))
        {
            // On a volume that is full or read-only the server may yet serve what it has.
            Err(error) if is_ours && taken_over.is_none() => {
                warn!("the age of the data cannot be written down, and may not be known at the next start: {error:#}");
            }
            written => written?,
        }
        Ok(taken_over)
    }
}

/// Refuses a file to which the server would append and cannot, where it has the rights of this process: such a server
/// ends at every start.
///
/// # Errors
/// It cannot be written to.
pub fn refuse_unwritable(path: &Path) -> Result<()> {
    files::may_write(path).with_context(|| {
        format!(
            "cannot write to `{}`, to which the server would append: give the files to this container's user (fsGroup in the pod's securityContext)",
            path.display()
        )
    })
}

fn is_draft(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(files::DRAFT.as_bytes())) && path.is_file()
}

fn cannot_read_directory(folder: &Path) -> String {
    format!("cannot read the data directory `{}`: mount the volume there, or name another by --data-dir", folder.display())
}

fn cannot_read(path: &Path) -> String {
    if let Ok(target) = path.read_link() {
        let (path, target) = (path.display(), target.display());
        return format!(
            "cannot read `{path}`, a link to `{target}`: mount the volume there, or make it readable for this container's user"
        );
    }
    format!("cannot read `{}`, which the server would load: make it readable for this container's user", path.display())
}

fn head_of(path: &Path) -> std::io::Result<(Head, File)> {
    let mut file = File::open(path)?;
    let mut head = Vec::new();
    file.by_ref().take(HEAD).read_to_end(&mut head)?;
    Ok((snapshot::read(&head), file))
}

/// Whether a file holds any key, or anything else that is not known to be nothing.
fn holds_keys(path: &Path) -> std::io::Result<bool> {
    let (head, file) = head_of(path)?;
    Ok(holds_keys_after(&head, file.metadata()?.len()))
}

fn holds_keys_after(head: &Head, length: u64) -> bool {
    match head.end_of_empty {
        // Commands may be appended to a snapshot.
        Some(end) => length > end,
        None => length > 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use loaded::{APPENDED, APPENDED_FOLDER, SNAPSHOT};
    use std::os::unix::fs::MetadataExt;
    use std::time::{Duration, SystemTime};

    /// What Redis 7.0.15 writes for no keys.
    pub fn empty_snapshot(created: u32) -> Vec<u8> {
        let mut bytes = b"REDIS0010\xfa\x09redis-ver\x067.0.15\xfa\x0aredis-bits\xc0\x40\xfa\x05ctime\xc2".to_vec();
        bytes.extend(created.to_le_bytes());
        bytes.extend(b"\xfa\x08used-mem\xc2\x00\x10\x0e\x00\xfa\x08aof-base\xc0\x01\xff\x01\x02\x03\x04\x05\x06\x07\x08");
        bytes
    }

    /// A snapshot with a key, begun at that second.
    fn snapshot(created: u32) -> Vec<u8> {
        let empty = empty_snapshot(created);
        [&empty[..empty.len() - 9], b"\xfe\x00\xfb\x01\x00\x00\x03key\x01x\xff", &[0; 8]].concat()
    }

    /// A write, after a stamp of that second.
    fn write(second: u64) -> Vec<u8> {
        format!("#TS:{second}\r\n*3\r\n$3\r\nSET\r\n$3\r\nkey\r\n$1\r\nx\r\n").into_bytes()
    }

    const NOW: Moment = Moment(1_000_000);
    const MANIFEST_1: &[u8] = b"file appendonly.aof.1.base.rdb seq 1 type b\nfile appendonly.aof.1.incr.aof seq 1 type i\n";
    const LISTED: &str = "appendonlydir/appendonly.aof.manifest";
    const BASE: &str = "appendonlydir/appendonly.aof.1.base.rdb";
    const INCR: &str = "appendonlydir/appendonly.aof.1.incr.aof";
    const OURS: (&str, &[u8], u64) = (STAMP, b"a1b2\n", 1);

    fn put(folder: &Path, name: &str, bytes: &[u8], at: u64) {
        let path = folder.join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, bytes).unwrap();
        let time = SystemTime::UNIX_EPOCH + Duration::from_secs(at);
        File::options().append(true).open(&path).unwrap().set_modified(time).unwrap();
    }

    fn directory_of(files: &[(&str, &[u8], u64)]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for (name, bytes, at) in files {
            put(folder.path(), name, bytes, *at);
        }
        folder
    }

    fn of(folder: &tempfile::TempDir, server: Option<&str>) -> DataDirectory {
        DataDirectory { folder: folder.path().to_owned(), server: server.map(|text| text.parse().unwrap()), load: None }
    }

    fn disk_of(files: &[(&str, &[u8], u64)]) -> Disk {
        of(&directory_of(files), Some("7.0")).read(NOW).unwrap().disk
    }

    fn refusal_of(files: &[(&str, &[u8], u64)], server: Option<&str>) -> String {
        format!("{:#}", of(&directory_of(files), server).read(NOW).unwrap_err())
    }

    fn at(seconds: u64) -> Disk {
        Disk::Written((SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)).into())
    }

    fn prepared(data: &DataDirectory) -> Option<PathBuf> {
        let disk = data.read(NOW).unwrap().disk;
        data.prepare(disk, false, 0, NOW, &AtomicBool::new(false)).unwrap()
    }

    #[test]
    fn the_files_of_a_server_that_never_held_a_key_are_nothing() {
        assert_eq!(disk_of(&[]), Disk::Empty);
        assert_eq!(disk_of(&[(BASE, &empty_snapshot(1), 9), (INCR, b"", 9), (LISTED, MANIFEST_1, 9)]), Disk::Empty);
        assert_eq!(disk_of(&[("appendonly.aof", b"", 9)]), Disk::Empty);
        assert_eq!(disk_of(&[("dump.rdb", &empty_snapshot(1), 9)]), Disk::Empty);
    }

    #[test]
    fn data_was_last_written_when_its_newest_file_says() {
        let base = (BASE, &snapshot(5)[..], 6);
        let listed = (LISTED, MANIFEST_1, 90);
        assert_eq!(disk_of(&[base, (INCR, b"", 90), listed]), at(6), "an empty file was not written");
        assert_eq!(disk_of(&[base, (INCR, b"*1", 90), listed]), at(90), "without a stamp");
        assert_eq!(disk_of(&[base, (INCR, &write(50), 90), listed]), at(50));
        assert_eq!(
            disk_of(&[base, (INCR, &[write(50), write(51), b"*3\r\n".to_vec()].concat(), 51), listed]),
            at(51),
            "a torn tail"
        );
        assert_eq!(
            disk_of(&[("appendonly.aof", &[&empty_snapshot(1)[..], b"*2"].concat(), 7)]),
            at(7),
            "commands after a snapshot"
        );
        assert_eq!(disk_of(&[("dump.rdb", &snapshot(3), 3)]), at(3));
        assert_eq!(disk_of(&[("dump.rdb", &snapshot(3), 90)]), at(3), "it was copied there later");
    }

    #[test]
    fn only_what_a_server_would_load_counts() {
        let dump = ("dump.rdb", &snapshot(9)[..], 9);
        assert_eq!(disk_of(&[dump, OURS, ("appendonly.aof", b"", 9)]), Disk::Empty, "it loads the append-only file");
        assert_eq!(disk_of(&[("temp-12.rdb", &snapshot(9), 9), ("notes.txt", b"x", 9)]), Disk::Empty);
        assert_eq!(disk_of(&[("dump.rdb", b"damaged", 9)]), at(9), "what cannot be read may be data");
        let backups =
            [("backup/last-week.rdb", &b"x"[..], 20), ("backup/appendonly.aof", b"x", 20), ("lost+found/a.rdb", b"x", 20)];
        assert_eq!(disk_of(&[&[dump][..], &backups].concat()), at(9), "folders of other names are nobody's");
        assert_eq!(disk_of(&backups), Disk::Empty);
        let older = ("appendonlydir/appendonly.aof.0.incr.aof", &b"*1"[..], 30);
        let files = [(BASE, &snapshot(3)[..], 3), (INCR, &b"*1"[..], 5), (LISTED, MANIFEST_1, 1)];
        assert_eq!(disk_of(&[&files[..], &[older, dump, OURS]].concat()), at(5), "what is listed");
        let history = [MANIFEST_1, b"file appendonly.aof.0.incr.aof seq 1 type h\n"].concat();
        assert_eq!(disk_of(&[files[0], files[1], (LISTED, &history, 1), older]), at(5), "history is nobody's");
    }

    #[test]
    fn data_that_no_server_would_load_is_never_taken_for_an_empty_directory() {
        let keys = &snapshot(9)[..];
        for name in ["redis.rdb", "appendonly-6380.aof", BASE] {
            let refusal = refusal_of(&[(name, keys, 9)], None);
            assert!(refusal.contains(name) && refusal.contains("would start empty"), "{refusal}");
        }
        let refusal = refusal_of(&[("dump.rdb", keys, 9), ("appendonly.aof", b"", 9)], None);
        assert!(refusal.contains("dump.rdb") && refusal.contains("--load dump"), "{refusal}");
        assert_eq!(disk_of(&[("copy.rdb", keys, 9), OURS]), Disk::Empty, "somebody's copy");
        assert_eq!(disk_of(&[("copy.rdb", keys, 9), (memory::NAME, b"{}", 1)]), Disk::Empty, "no id, and a start");
        let refusal = refusal_of(&[(BASE, keys, 9), OURS], None);
        assert!(refusal.contains("appendonly.aof.1.base.rdb"), "a manifest that was lost: {refusal}");
    }

    #[test]
    fn data_that_would_be_left_out_beside_other_data_is_refused_before_a_first_start() {
        let files = [(BASE, &snapshot(3)[..], 3), (INCR, &write(5)[..], 5), (LISTED, MANIFEST_1, 1)];
        let keys = &snapshot(9)[..];
        for other in ["redis.rdb", "appendonly.aof", "appendonlydir/appendonly.aof.7.incr.aof"] {
            let with_other = [&files[..], &[(other, keys, 2)]].concat();
            let refusal = refusal_of(&with_other, Some("7.0"));
            assert!(
                refusal.contains(&format!("{other}`")) && refusal.contains("leave out") && refusal.contains("--load"),
                "{refusal}"
            );
            assert_eq!(disk_of(&[&with_other[..], &[OURS]].concat()), at(5), "{other}");
        }
        let newer = [&files[..], &[("dump.rdb", keys, 9)]].concat();
        let refusal = refusal_of(&newer, None);
        assert!(refusal.contains("dump.rdb`, which is newer"), "{refusal}");
        assert_eq!(disk_of(&[&newer[..], &[OURS]].concat()), at(5), "a stop leaves one");
        assert_eq!(disk_of(&[&files[..], &[("dump.rdb", &snapshot(4)[..], 90)]].concat()), at(5), "an older one");
    }

    #[test]
    fn a_person_chooses_what_is_loaded_and_the_rest_is_set_aside() {
        let files = [
            (BASE, &snapshot(3)[..], 3),
            (INCR, &write(5)[..], 5),
            (LISTED, MANIFEST_1, 1),
            ("dump.rdb", &snapshot(9)[..], 9),
            ("other.rdb", &snapshot(7)[..], 7),
            ("old.aof", &write(6)[..], 6),
        ];
        for (load, age, linked) in
            [("aof", 5, None), ("dump", 9, Some(SNAPSHOT)), ("other.rdb", 7, Some("other.rdb")), ("old.aof", 6, None)]
        {
            let folder = directory_of(&files);
            let data = DataDirectory { load: Some(load.parse().unwrap()), ..of(&folder, Some("7.0")) };
            assert_eq!(data.read(NOW).unwrap().disk, at(age), "{load}");
            let before = data.folder.join(APPENDED_FOLDER).exists();
            assert_eq!(prepared(&data).is_some(), load != "aof");
            assert!(before && data.folder.join(APPENDED_FOLDER).exists() == (load == "aof"), "{load}");
            if let Some(linked) = linked {
                assert!(files::are_one(&data.folder.join(linked), &data.folder.join(APPENDED)).unwrap());
            }
            assert_eq!(data.read(NOW).unwrap().disk, at(age), "the choice was made: {load}");
            assert_eq!(DataDirectory { load: None, ..data }.read(NOW).unwrap().disk, at(age), "{load}");
        }
        let folder = directory_of(&files);
        let data = DataDirectory { load: Some(Load::File("none.rdb".into())), ..of(&folder, None) };
        assert!(format!("{:#}", data.read(NOW).unwrap_err()).contains("--load none.rdb"));
        assert!("a/b.rdb".parse::<Load>().is_err() && "backup".parse::<Load>().is_err());
    }

    #[test]
    fn until_what_a_person_has_chosen_is_in_its_place_all_is_as_it_was() {
        let (old, stop) = (&write(6)[..], AtomicBool::new(true));
        for (name, server) in [("old.aof", Some("7.0")), ("appendonly.aof", Some("7.0")), ("appendonly.aof", None)] {
            let folder = directory_of(&[(BASE, &snapshot(3), 3), (INCR, &write(5), 5), (LISTED, MANIFEST_1, 1), (name, old, 6)]);
            let data = DataDirectory { load: Some(name.parse().unwrap()), ..of(&folder, server) };
            let (listed, appended) = (data.folder.join(LISTED), data.folder.join(APPENDED));
            let prepared = data.prepare(at(6), false, 0, NOW, &stop);
            if name == APPENDED {
                // It has its name already, and nothing is copied.
                prepared.unwrap();
                assert!(!listed.exists() && std::fs::read(&appended).unwrap() == old);
            } else {
                assert!(format!("{:#}", prepared.unwrap_err()).contains("stopped before"));
                assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 2, "nothing is left behind");
                assert!(listed.exists() && !appended.exists());
            }
            assert_eq!(data.read(NOW).unwrap().disk, at(6));
        }
    }

    #[test]
    fn data_that_a_start_has_set_aside_and_not_replaced_is_not_nothing() {
        let aside = ["set-aside-5/appendonly.aof", "set-aside-5/appendonlydir/appendonly.aof.1.incr.aof"];
        for name in aside {
            let refusal = refusal_of(&[(name, &write(5), 5)], Some("7.0"));
            assert!(refusal.contains(name) && refusal.contains("set aside"), "{refusal}");
            assert!(refusal_of(&[(name, &write(5), 5), ("appendonly.aof", b"", 6)], None).contains(name));
            let load = Some(Load::File("appendonly.aof".into()));
            let folder = directory_of(&[(name, &write(5), 5)]);
            assert!(DataDirectory { load, ..of(&folder, Some("7.0")) }.read(NOW).is_err(), "{name}");
            assert_eq!(disk_of(&[(name, &write(5), 5), (memory::NAME, b"{}", 1)]), Disk::Empty, "a server ran since");
            assert_eq!(disk_of(&[(name, &write(5), 5), ("dump.rdb", &snapshot(7), 7)]), at(7), "other data is there");
        }
        assert_eq!(disk_of(&[(aside[0], b"", 5)]), Disk::Empty, "nothing was set aside");
    }

    #[test]
    fn a_link_to_a_place_that_is_not_there_is_not_nothing() {
        for name in [APPENDED_FOLDER, LISTED, SNAPSHOT, APPENDED, STAMP, memory::NAME, "other.rdb"] {
            let folder = tempfile::tempdir().unwrap();
            let link = folder.path().join(name);
            std::fs::create_dir_all(link.parent().unwrap()).unwrap();
            std::os::unix::fs::symlink("/nowhere/at/all", &link).unwrap();
            for server in [Some("7.0"), None] {
                let refusal = format!("{:#}", of(&folder, server).read(NOW).expect_err(name));
                assert!(refusal.contains(&format!("{name}`")), "{refusal}");
            }
        }
    }

    #[test]
    fn a_snapshot_that_is_a_link_is_taken_over_as_the_file_that_it_leads_to() {
        for (server, is_linked) in [(Some("7.0"), true), (None, false)] {
            let folder = directory_of(&[("backup/last.rdb", &snapshot(3), 3)]);
            std::os::unix::fs::symlink("backup/last.rdb", folder.path().join(SNAPSHOT)).unwrap();
            let data = of(&folder, server);
            assert!(prepared(&data).is_some());
            let (appended, source) = (data.folder.join(APPENDED), data.folder.join("backup/last.rdb"));
            assert!(appended.symlink_metadata().unwrap().is_file());
            assert_eq!(files::are_one(&appended, &source).unwrap(), is_linked);
            assert_eq!(data.read(NOW).unwrap().disk, at(3));
        }
    }

    #[test]
    fn files_that_another_tool_has_named_otherwise_are_told_of_with_what_helps() {
        let files = [
            ("appendonlydir/redis.aof.1.incr.aof", &write(5)[..], 5),
            ("appendonlydir/redis.aof.manifest", &b"file redis.aof.1.incr.aof seq 1 type incr\n"[..], 5),
        ];
        let refusal = refusal_of(&files, Some("7.0"));
        assert!(refusal.contains("rename") && refusal.contains("redis.aof.manifest`"), "{refusal}");
        assert_eq!(disk_of(&[files[0], (LISTED, files[1].1, 5)]), at(5), "and that helps");
        let refusal = refusal_of(&files[..1], Some("7.0"));
        assert!(refusal.contains("put its manifest back"), "nothing to choose from: {refusal}");
    }

    #[test]
    fn what_is_appended_to_is_the_last_increment_or_the_one_file_of_before_7() {
        let appended_to = |files: &[(&str, &[u8], u64)], server| {
            let path = of(&directory_of(files), Some(server)).read(NOW).unwrap().appended_to;
            path.map(|path| path.file_name().unwrap().to_str().unwrap().to_owned())
        };
        let listed = [(BASE, &snapshot(3)[..], 3), (INCR, &write(5)[..], 5), (LISTED, MANIFEST_1, 1)];
        assert_eq!(appended_to(&listed, "7.0").as_deref(), Some("appendonly.aof.1.incr.aof"));
        let base_only = [listed[0], (LISTED, &b"file appendonly.aof.1.base.rdb seq 1 type b\n"[..], 1)];
        assert_eq!(appended_to(&base_only, "7.0"), None);
        let plain = [("appendonly.aof", &write(5)[..], 5)];
        assert_eq!(appended_to(&plain, "7.0"), None);
        assert_eq!(appended_to(&plain, "6.2").as_deref(), Some(APPENDED));
    }

    #[test]
    fn files_of_a_newer_server_or_another_are_refused() {
        let dump = ("dump.rdb", &snapshot(9)[..], 9);
        assert_eq!(of(&directory_of(&[dump]), Some("7.0")).read(NOW).unwrap().disk, at(9));
        assert!(refusal_of(&[dump], Some("6.2")).contains("written by a newer server"));
        let valkeys = [b"VALKEY080", &snapshot(9)[9..]].concat();
        assert!(refusal_of(&[("dump.rdb", &valkeys, 9)], Some("8.2")).contains("or another"));
        assert_eq!(of(&directory_of(&[("dump.rdb", &valkeys, 9)]), Some("valkey-9.1")).read(NOW).unwrap().disk, at(9));
        let folder = [(BASE, &snapshot(3)[..], 3), (INCR, &write(5)[..], 5), (LISTED, MANIFEST_1, 1), OURS];
        let refusal = refusal_of(&folder, Some("6.2"));
        assert!(refusal.contains("written by a newer server, and version 6.2.0"), "{refusal}");
        let never_held_a_key = [(BASE, &empty_snapshot(3)[..], 3), (INCR, &b""[..], 5), (LISTED, MANIFEST_1, 1)];
        assert_eq!(of(&directory_of(&never_held_a_key), Some("6.2")).read(NOW).unwrap().disk, Disk::Empty);
    }

    #[test]
    fn a_manifest_that_no_server_reads_or_whose_file_is_missing_is_an_error() {
        let refusal = refusal_of(&[(LISTED, MANIFEST_1, 9)], None);
        assert!(refusal.contains("appendonly.aof.1.base.rdb` is missing"), "{refusal}");
        let damaged: [&[u8]; 10] = [
            b"",
            b"\n",
            b"file\n",
            b"file a type\n",
            b"file a seq 1 type b",
            b"file ../a seq 1 type b\n",
            b"file a seq 1 type x\n",
            b"file \"a seq 1 type b\n",
            b"file a seq 1 type b\nfile b seq 2 type b\n",
            b"file a seq 2 type i\nfile b seq 1 type i\n",
        ];
        for text in damaged {
            let refusal = refusal_of(&[(LISTED, text, 9)], None);
            assert!(refusal.contains("is damaged"), "{refusal}");
        }
    }

    #[test]
    fn a_file_that_is_listed_and_not_moved_yet_is_loaded_from_where_it_is() {
        let manifest = (LISTED, &b"file appendonly.aof seq 1 type b\n"[..], 9);
        assert_eq!(disk_of(&[manifest, ("appendonly.aof", b"*1", 4)]), at(4));
        let moved = [manifest, ("appendonlydir/appendonly.aof", b"*1", 5)];
        assert_eq!(disk_of(&[&moved[..], &[("appendonly.aof", b"*1", 4), OURS]].concat()), at(5));
        assert!(refusal_of(&[manifest], None).contains("appendonly.aof` is missing"));
    }

    #[test]
    fn what_cannot_be_read_is_not_empty() {
        // A folder in a file's place: nobody is asked for rights, which root has all.
        for name in [LISTED, "dump.rdb", "appendonly.aof", STAMP, memory::NAME] {
            let folder = tempfile::tempdir().unwrap();
            std::fs::create_dir_all(folder.path().join(name)).unwrap();
            assert!(of(&folder, None).read(NOW).is_err(), "{name}");
        }
        let missing = DataDirectory { folder: "/nowhere/at/all".into(), server: None, load: None };
        let refusal = format!("{:#}", missing.read(NOW).unwrap_err());
        assert!(refusal.contains("--data-dir"), "{refusal}");
    }

    #[test]
    fn of_a_manifest_the_base_and_the_increments_count_and_history_does_not() {
        let manifest =
            b"# made by hand\nfile \"a b.rdb\" seq 2 type b\nfile old.rdb seq 1 type h\nfile c.aof seq 1 type i startoffset 10\n";
        assert_eq!(loaded::listed_in(manifest), Some(vec!["a b.rdb".to_owned(), "c.aof".to_owned()]));
    }

    #[test]
    fn a_stamp_reads_back() {
        let folder = tempfile::tempdir().unwrap();
        let data = of(&folder, None);
        assert_eq!(data.read(NOW).unwrap().group_id, None);
        data.stamp("a1b2").unwrap();
        assert_eq!(
            data.read(NOW).unwrap(),
            Found {
                disk: Disk::Empty,
                group_id: Some("a1b2".into()),
                ended_soon: 0,
                suspect: None,
                damage: None,
                appended_to: None
            }
        );
    }

    #[test]
    fn a_snapshot_is_taken_over_once_by_a_link_or_where_the_server_would_append_to_it_by_a_copy() {
        let form_9 = [b"REDIS0009", &snapshot(3)[9..]].concat();
        for (server, is_linked) in [(Some("7.0"), true), (Some("valkey-9.1"), true), (Some("6.2"), false), (None, false)] {
            let folder = directory_of(&[("dump.rdb", &form_9, 90), ("backup/last-week.rdb", b"x", 2)]);
            let data = of(&folder, server);
            let (dump, appended) = (data.folder.join(SNAPSHOT), data.folder.join(APPENDED));
            assert_eq!(prepared(&data), Some(dump.clone()));
            assert_eq!(files::are_one(&dump, &appended).unwrap(), is_linked, "{server:?}");
            assert_eq!(std::fs::read(&appended).unwrap(), form_9);
            assert_eq!(data.read(NOW).unwrap().disk, at(3), "its age is that of the snapshot: {server:?}");
            put(folder.path(), "dump.new", &empty_snapshot(95), 95);
            std::fs::rename(data.folder.join("dump.new"), &dump).unwrap();
            assert_eq!(prepared(&data), None);
            assert_eq!(data.read(NOW).unwrap().disk, at(3), "a snapshot of later: {server:?}");
        }
        assert_eq!(prepared(&of(&tempfile::tempdir().unwrap(), None)), None);
    }

    #[test]
    fn a_copy_that_is_told_to_stop_leaves_nothing_behind_and_the_next_start_sweeps_what_a_kill_left() {
        let folder =
            directory_of(&[("dump.rdb", &[b"REDIS0009", &snapshot(3)[9..]].concat(), 3), (".ordain-AbC123", b"half", 3)]);
        let data = of(&folder, Some("6.2"));
        DataDirectory::sweep(&data.folder).unwrap();
        let stopped = data.prepare(at(3), false, 0, NOW, &AtomicBool::new(true)).unwrap_err();
        assert!(format!("{stopped:#}").contains("stopped before"));
        let names: Vec<_> = std::fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(names, ["dump.rdb"], "neither a part nor a sign that a server was started");
    }

    #[test]
    fn after_three_runs_that_ended_soon_the_data_is_to_be_checked_and_found_damage_lasts_while_nothing_changes() {
        let folder = directory_of(&[(BASE, &snapshot(3), 3), (INCR, &write(50), 50), (LISTED, MANIFEST_1, 3)]);
        let data = of(&folder, Some("7.0"));
        let mut now = NOW;
        for run in 0..4 {
            let found = data.read(now).unwrap();
            assert_eq!((found.ended_soon, found.suspect.is_some()), (run, run == 3));
            data.prepare(found.disk, false, found.ended_soon, now, &AtomicBool::new(false)).unwrap();
            data.prepare(found.disk, false, found.ended_soon, now, &AtomicBool::new(false)).unwrap();
            now = Moment(now.0 + 60_000);
        }
        assert_eq!(data.read(Moment(now.0 + 3_600_000)).unwrap().ended_soon, 0, "a run of an hour");
        data.keep_check(None).unwrap();
        assert_eq!(data.read(now).unwrap().ended_soon, 0, "it was checked");
        let damage = Damage { found: "a hole".into(), at: now };
        data.keep_check(Some(damage.clone())).unwrap();
        assert_eq!(data.read(now).unwrap().damage, Some(damage));
        put(folder.path(), INCR, &write(51), 51);
        assert_eq!(data.read(now).unwrap().damage, None, "somebody has mended it");
    }

    #[test]
    fn damaged_files_are_set_aside_and_the_directory_is_nobodys_then() {
        let files =
            [(BASE, &snapshot(3)[..], 3), (INCR, &write(50)[..], 50), (LISTED, MANIFEST_1, 3), OURS, ("dump.rdb", b"x", 2)];
        // Nobody knows of damage but who has started a server there.
        let folder = directory_of(&[&files[..], &[(memory::NAME, b"{}", 1)]].concat());
        let data = of(&folder, Some("7.0"));
        let aside = data.set_damaged_aside().unwrap().unwrap();
        assert_eq!(std::fs::read(aside.join(INCR)).unwrap(), write(50));
        assert_eq!(std::fs::read(aside.join("dump.rdb")).unwrap(), b"x");
        let found = data.read(NOW).unwrap();
        assert_eq!((found.disk, found.group_id), (Disk::Empty, None));
        assert_eq!(data.set_damaged_aside().unwrap(), None);
    }

    #[test]
    fn a_rewrite_of_a_replica_that_has_copied_nothing_makes_no_data_newer() {
        let second = "file appendonly.aof.2.base.rdb seq 2 type b\nfile appendonly.aof.2.incr.aof seq 2 type i\n";
        for (server, keeps_copies, copied, expected) in
            [("7.0", true, false, 50), ("7.0", true, true, 900), ("7.0", false, false, 900), ("valkey-9.1", true, false, 900)]
        {
            for dump in [None, Some(("dump.rdb", &snapshot(9)[..], 9))] {
                let files = [(BASE, &snapshot(3)[..], 3), (INCR, &write(50)[..], 50), (LISTED, MANIFEST_1, 3), OURS];
                let folder = directory_of(&files.into_iter().chain(dump).collect::<Vec<_>>());
                let data = of(&folder, Some(server));
                data.prepare(at(50), keeps_copies, 0, NOW, &AtomicBool::new(false)).unwrap();
                put(folder.path(), "appendonlydir/appendonly.aof.2.base.rdb", &snapshot(900), 900);
                put(folder.path(), "appendonlydir/appendonly.aof.2.incr.aof", b"", 900);
                put(folder.path(), LISTED, second.as_bytes(), 900);
                if copied {
                    put(folder.path(), SNAPSHOT, &snapshot(899), 899);
                }
                let what = format!("{server}, {keeps_copies}, {copied}, {}", dump.is_some());
                assert_eq!(data.read(NOW).unwrap().disk, at(expected), "{what}");
            }
        }
    }

    #[test]
    fn a_start_that_cuts_a_torn_tail_off_makes_no_data_newer() {
        let torn = [write(50), b"*3\r\n$3\r\nSE".to_vec()].concat();
        let folder = directory_of(&[(BASE, &snapshot(3), 3), (INCR, &torn, 51), (LISTED, MANIFEST_1, 3)]);
        let data = of(&folder, Some("7.0"));
        prepared(&data);
        let incr = File::options().write(true).open(data.folder.join(INCR)).unwrap();
        incr.set_len(torn.len() as u64 - 10).unwrap();
        assert!(incr.metadata().unwrap().mtime() > 51);
        assert_eq!(data.read(NOW).unwrap().disk, at(51));
        prepared(&data);
        assert_eq!(data.read(NOW).unwrap().disk, at(51), "after another start, too");
    }
}
