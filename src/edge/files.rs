//! Files: read whole, written whole or not at all.

use std::fs::{File, Permissions};
use std::io::{ErrorKind, Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, bail};
use tempfile::NamedTempFile;

/// What the name of every file begins with that is not whole yet.
pub const DRAFT: &str = ".ordain-";
/// How much is copied before it is asked whether to go on, in bytes.
const STEP: u64 = 16 * 1024 * 1024;

/// A file that has been begun beside its place: whoever holds one knows that the folder can be
/// written to. Dropped without being installed, it leaves nothing behind.
#[derive(Debug)]
pub struct Draft {
    file: NamedTempFile,
    path: PathBuf,
}

impl Draft {
    /// Begins a file, readable by its owner and group only, before it has any content.
    ///
    /// # Errors
    /// The folder is missing or cannot be written to, or what has this name is no regular file: a pipe, a device, a
    /// folder.
    pub fn begin(path: &Path) -> Result<Self> {
        Self::with_mode(path, 0o640)
    }

    fn with_mode(path: &Path, mode: u32) -> Result<Self> {
        if !may_be_replaced(path) {
            bail!("`{}` is no regular file, and is not replaced by one: name another (--dry-run prints it)", path.display());
        }
        let folder = folder_of(path);
        let describe =
            || format!("cannot write to the folder `{}`: make it exist and writable, or name another", folder.display());
        // The error would name the temporary file.
        let begun = NamedTempFile::with_prefix_in(prefix_of(path), folder).map_err(|error| std::io::Error::from(error.kind()));
        let file = begun.with_context(describe)?;
        file.as_file().set_permissions(Permissions::from_mode(mode)).with_context(describe)?;
        Ok(Self { file, path: path.to_owned() })
    }

    /// Takes away what runs that were killed have left of a file, as far as that can be done: it does no harm.
    pub fn sweep(path: &Path) {
        for left in drafts(folder_of(path), &prefix_of(path)).unwrap_or_default() {
            let _ = std::fs::remove_file(left);
        }
    }

    /// Whether a file has been begun, and was written to less than `lately` ago.
    pub fn is_growing(path: &Path, lately: Duration) -> bool {
        let is_young = |draft: &PathBuf| {
            let changed = std::fs::metadata(draft).ok().and_then(|found| u64::try_from(found.ctime()).ok());
            changed.is_some_and(|at| (UNIX_EPOCH + Duration::from_secs(at)).elapsed().is_ok_and(|ago| ago < lately))
        };
        drafts(folder_of(path), &prefix_of(path)).unwrap_or_default().iter().any(is_young)
    }

    /// Begins with the content of another file: a second name of it.
    ///
    /// # Errors
    /// The file system has no links, this user may not make one, or the other file lies on another file system.
    pub fn link(path: &Path, source: &Path) -> std::io::Result<Self> {
        let linked = |draft: &Path| std::fs::hard_link(source, draft).and_then(|()| File::open(draft));
        let file = tempfile::Builder::new().prefix(&prefix_of(path)).make_in(folder_of(path), linked)?;
        Ok(Self { file, path: path.to_owned() })
    }

    /// Puts the whole content in its place, durably.
    ///
    /// # Errors
    /// The disk is full, or the like: the earlier file is as it was.
    pub fn install(mut self, content: &[u8]) -> Result<()> {
        let describe = || format!("cannot write `{}`", self.path.display());
        self.file.write_all(content).with_context(describe)?;
        self.put_in_place()
    }

    /// Takes the content and the time of another file, which share their blocks where the file system can do that
    /// (`copy_file_range`). Ends soon once `stop` is set.
    ///
    /// # Errors
    /// The disk is full, or the like, or `stop` was set.
    pub fn fill_from(&mut self, source: &File, modified: SystemTime, stop: &AtomicBool) -> Result<()> {
        let describe = || format!("cannot write `{}`", self.path.display());
        loop {
            anyhow::ensure!(!stop.load(Ordering::Relaxed), "stopped before `{}` was written in full", self.path.display());
            // Of what is on the disk already nothing is left to wait for at the end.
            let copied = std::io::copy(&mut source.take(STEP), self.file.as_file_mut()).with_context(describe)?;
            self.file.as_file().sync_data().with_context(describe)?;
            if copied == 0 {
                break;
            }
        }
        self.file.as_file().set_modified(modified).with_context(describe)
    }

    /// Puts it in its place as it is, durably.
    ///
    /// # Errors
    /// The disk is full, or the like: the earlier file is as it was.
    pub fn put_in_place(self) -> Result<()> {
        let describe = || format!("cannot write `{}`", self.path.display());
        self.file.as_file().sync_all().with_context(describe)?;
        let folder = self.file.path().parent().map(Path::to_owned).unwrap_or_default();
        let path = self.path.clone();
        self.file.persist(&path).with_context(|| format!("cannot write `{}`", path.display()))?;
        make_durable(&folder).with_context(|| format!("cannot write `{}`", path.display()))
    }
}

/// What the drafts of one file are called, and of no other: another container may write to the same folder.
fn prefix_of(path: &Path) -> String {
    format!("{DRAFT}{}-", path.file_name().unwrap_or_default().to_string_lossy())
}

/// The files of a folder whose names begin so.
fn drafts(folder: &Path, prefix: &str) -> std::io::Result<Vec<PathBuf>> {
    let paths: std::io::Result<Vec<_>> = std::fs::read_dir(folder)?.map(|entry| Ok(entry?.path())).collect();
    let is_one = |path: &PathBuf| path.file_name().is_some_and(|name| name.as_bytes().starts_with(prefix.as_bytes()));
    Ok(paths?.into_iter().filter(|path| is_one(path) && path.is_file()).collect())
}

fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|folder| *folder != Path::new("")).unwrap_or(Path::new("."))
}

/// Whether a file may be put in this place: there is none, or one that is regular. Below `/dev` a link may lead to a
/// regular file at times, as `/dev/stdout` does.
fn may_be_replaced(path: &Path) -> bool {
    let is_of_the_system = path.starts_with("/dev") && !path.starts_with("/dev/shm");
    !is_of_the_system && std::fs::metadata(path).map_or(true, |found| found.is_file())
}

/// A name is durable only once its folder is.
///
/// # Errors
/// The disk's.
pub fn make_durable(folder: &Path) -> std::io::Result<()> {
    File::open(folder).and_then(|folder| folder.sync_all())
}

/// How much can be written to a folder's file system, in bytes.
///
/// # Errors
/// It cannot be asked.
pub fn free_space(folder: &Path) -> std::io::Result<u64> {
    let all = rustix::fs::statvfs(folder)?;
    Ok(all.f_bavail.saturating_mul(all.f_frsize))
}

/// Whether a name is there, also that of a link to a place that is not: such a place may only not be mounted.
///
/// # Errors
/// It cannot be found out.
pub fn is_there(path: &Path) -> std::io::Result<bool> {
    match path.symlink_metadata() {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
        found => found.map(|_| true),
    }
}

/// Whether this process may write to a file; not so on a file system that nobody may write to.
///
/// # Errors
/// It may not.
pub fn may_write(path: &Path) -> std::io::Result<()> {
    Ok(rustix::fs::access(path, rustix::fs::Access::WRITE_OK)?)
}

/// Whether two paths are one file.
///
/// # Errors
/// One of them is not there.
pub fn are_one(path: &Path, other: &Path) -> std::io::Result<bool> {
    let number = |path: &Path| path.metadata().map(|meta| (meta.dev(), meta.ino()));
    Ok(number(path)? == number(other)?)
}

/// Reads a small file of the data directory.
///
/// # Errors
/// It cannot be read, is no regular file, or is longer than that.
pub fn read_at_most(path: &Path, longest: u64) -> Result<Vec<u8>> {
    read_regular(path, longest).with_context(|| format!("cannot read `{}`", path.display()))
}

/// How much a password, a template or an extra configuration may have, in bytes.
const LONGEST: u64 = 64 * 1024;
/// How much a bundle of certificates may have, in bytes.
const LONGEST_PEM: u64 = 1024 * 1024;
/// How much a file may have that a server or ordain has written, in bytes.
const LONGEST_OWN: u64 = 16 * 1024 * 1024;

/// Reads a file that was named on the command line, off the runtime's thread: a file system that does not answer
/// keeps no signal and no deadline from being heard.
///
/// # Errors
/// It cannot be read, is no regular file, or has more than 64 KiB.
pub async fn read(path: &Path, what: &'static str) -> Result<Vec<u8>> {
    read_aside(path, what, LONGEST).await
}

/// The same for certificates, and at most 1 MiB.
///
/// # Errors
/// As for [`read`].
pub async fn read_pem(path: &Path, what: &'static str) -> Result<Vec<u8>> {
    read_aside(path, what, LONGEST_PEM).await
}

async fn read_aside(path: &Path, what: &'static str, longest: u64) -> Result<Vec<u8>> {
    let path = path.to_owned();
    tokio::task::spawn_blocking(move || {
        read_regular(&path, longest).with_context(|| format!("cannot read {what} `{}`", path.display()))
    })
    .await?
}

/// The files that a path of extra configuration stands for: itself, or those in the folder, in the order of their
/// names, without hidden ones (the folders of which Kubernetes makes a mounted `ConfigMap`).
///
/// # Errors
/// It cannot be read, or is or has something else than regular files: a pipe might never end.
pub fn config_files(path: &Path) -> Result<Vec<PathBuf>> {
    let describe = |path: &Path| format!("cannot read the extra configuration `{}`", path.display());
    let found = std::fs::metadata(path).with_context(|| describe(path))?;
    let mut files = vec![path.to_owned()];
    if found.is_dir() {
        let entries: std::io::Result<Vec<_>> = std::fs::read_dir(path).and_then(Iterator::collect);
        let entries = entries.with_context(|| describe(path))?;
        let visible = entries.into_iter().filter(|entry| !entry.file_name().as_bytes().starts_with(b"."));
        files = visible.map(|entry| entry.path()).collect();
        files.sort();
    }
    for file in &files {
        if !std::fs::metadata(file).with_context(|| describe(file))?.is_file() {
            bail!(
                "the extra configuration `{}` is no regular file: name its files, or a folder that has nothing else",
                file.display()
            );
        }
    }
    Ok(files)
}

/// Reads a file that may not exist yet.
///
/// # Errors
/// It exists and cannot be read, is no regular file, or has more than 16 MiB.
pub fn read_if_there(path: &Path) -> Result<Vec<u8>> {
    match read_regular(path, LONGEST_OWN) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(Vec::new()),
        other => other.with_context(|| format!("cannot read `{}`", path.display())),
    }
}

/// Reads a regular file: a pipe or a device may have no end, and may not even open.
///
/// # Errors
/// It cannot be read, is no regular file, or has more than `longest` bytes.
pub fn read_regular(path: &Path, longest: u64) -> std::io::Result<Vec<u8>> {
    if !std::fs::metadata(path)?.is_file() {
        return Err(std::io::Error::other("this is no regular file"));
    }
    let mut bytes = Vec::new();
    File::open(path)?.take(longest + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > longest {
        return Err(std::io::Error::other(format!("the file has more than {} KiB", longest / 1024)));
    }
    Ok(bytes)
}

/// Copies this program into a folder under the given names, each executable by all.
///
/// # Errors
/// The program cannot be read or the folder not be written to.
pub fn install_program(folder: &Path, names: &[&str]) -> Result<()> {
    let own = std::env::current_exe().context("cannot find this program's own file")?;
    let program = std::fs::read(&own).with_context(|| format!("cannot read this program `{}`", own.display()))?;
    for name in names {
        Draft::with_mode(&folder.join(name), 0o755)?.install(&program)?;
    }
    Ok(())
}

/// The hook as `install` names it, in the folder of this program.
///
/// # Errors
/// The program's own path cannot be found.
pub fn hook_beside_this_program(name: &str) -> Result<PathBuf> {
    Ok(std::env::current_exe().context("cannot find this program's own file")?.with_file_name(name))
}

/// A path as the bytes that the system knows it by.
pub fn bytes(path: &Path) -> &[u8] {
    path.as_os_str().as_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_installed_whole_with_its_mode() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("redis.conf");
        std::fs::write(&path, "old").unwrap();
        Draft::begin(&path).unwrap().install(b"new").unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"new");
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o640);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_draft_that_is_dropped_leaves_the_earlier_file_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("redis.conf");
        std::fs::write(&path, "old").unwrap();
        drop(Draft::begin(&path).unwrap());
        assert_eq!(std::fs::read(&path).unwrap(), b"old");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn what_is_no_regular_file_is_not_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        assert!(std::process::Command::new("mkfifo").arg(at("pipe")).status().unwrap().success());
        std::os::unix::fs::symlink("pipe", at("link")).unwrap();
        std::fs::create_dir(at("folder")).unwrap();
        for name in ["pipe", "link", "folder"] {
            let refusal = Draft::begin(&at(name)).unwrap_err().to_string();
            assert!(refusal.contains(&format!("{name}` is no regular file")), "{refusal}");
        }
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 3);
        // A link to a file is replaced by one, and so is a link to nothing.
        for there in ["file", "nowhere"] {
            let link = at(&format!("to-{there}"));
            std::os::unix::fs::symlink(there, &link).unwrap();
            std::fs::write(at("file"), "as it was").unwrap();
            Draft::begin(&link).unwrap().install(b"new").unwrap();
            assert_eq!(std::fs::read(&link).unwrap(), b"new");
            assert_eq!(std::fs::read(at("file")).unwrap(), b"as it was");
        }
        assert!(!may_be_replaced(Path::new("/dev/stdout")) && may_be_replaced(Path::new("/dev/shm/ordain-nowhere")));
    }

    #[test]
    fn a_folder_of_extra_configuration_is_read_as_kubernetes_mounts_it() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        std::fs::create_dir(at("..2026_11_29")).unwrap();
        std::os::unix::fs::symlink("..2026_11_29", at("..data")).unwrap();
        for name in ["20-acl.conf", "10-memory.conf"] {
            std::fs::write(at("..data").join(name), name).unwrap();
            std::os::unix::fs::symlink(Path::new("..data").join(name), at(name)).unwrap();
        }
        assert_eq!(config_files(folder.path()).unwrap(), [at("10-memory.conf"), at("20-acl.conf")]);
        assert_eq!(config_files(&at("20-acl.conf")).unwrap(), [at("20-acl.conf")]);
        std::fs::create_dir(at("more")).unwrap();
        assert!(config_files(folder.path()).unwrap_err().to_string().contains("more` is no regular file"));
        assert!(config_files(Path::new("/dev/zero")).unwrap_err().to_string().contains("no regular file"));
    }

    #[test]
    fn what_a_killed_run_left_of_a_file_is_swept_and_nothing_that_another_container_writes() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("redis.conf");
        let draft = Draft::begin(&path).unwrap();
        // A process that is killed drops nothing.
        let left = draft.file.into_temp_path().keep().unwrap();
        let others = Draft::begin(&folder.path().join("sentinel.conf")).unwrap();
        Draft::sweep(&path);
        assert!(!left.exists() && others.file.path().exists());
        Draft::sweep(Path::new("/nowhere/at/all/redis.conf"));
    }

    #[test]
    fn a_missing_folder_is_named() {
        let refusal = format!("{:#}", Draft::begin(Path::new("/nowhere/at/all/redis.conf")).unwrap_err());
        assert!(refusal.contains("`/nowhere/at/all`"), "{refusal}");
    }
}
