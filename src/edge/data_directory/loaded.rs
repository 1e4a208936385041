//! Which files a server loads, and what it leaves out.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};

use super::{Load, cannot_read, cannot_read_directory, holds_keys};
use crate::core::conf::split;
use crate::core::server::ServerVersion;
use crate::edge::files;

pub const SNAPSHOT: &str = "dump.rdb";
/// The append-only file of servers before 7; later ones take it over when they start.
pub const APPENDED: &str = "appendonly.aof";
/// Where servers from 7 on keep theirs, and which file lists them (`appenddirname`, `appendfilename`).
pub const APPENDED_FOLDER: &str = "appendonlydir";
pub const MANIFEST: &str = "appendonly.aof.manifest";
/// What the name of every folder begins with in which files are kept aside.
pub const ASIDE: &str = "set-aside-";
/// A manifest lists a few files.
const LONGEST_MANIFEST: u64 = 1024 * 1024;

/// What a server would load from a data directory.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Loaded {
    /// The files, all of which exist; none where it would start empty.
    pub paths: Vec<PathBuf>,
    /// Whether the append-only files are listed by a manifest.
    pub has_manifest: bool,
    /// Whether what is loaded must be made into the append-only file before the server starts.
    pub is_to_be_taken_over: bool,
    /// Whether a person has chosen it over append-only files, which must be set aside first.
    pub is_chosen: bool,
}

/// The files that a server loads (Redis `src/aof.c`, `loadAppendOnlyFiles` and `aofLoadManifestFromDisk`): what the
/// manifest lists, of servers from 7 on, else the one append-only file of those before, else the snapshot, which is
/// made into one. All else that lies there, also in folders of other names, is loaded by nobody. A server that is not
/// known is one that fits the files.
pub fn loaded_files(folder: &Path, server: Option<ServerVersion>) -> Result<Loaded> {
    let appended = folder.join(APPENDED_FOLDER);
    let manifest = appended.join(MANIFEST);
    if let Some(server) = server.filter(|server| !server.keeps_manifest()) {
        let newer = with_keys(files_in(&appended, is_data_file)?)?;
        let (major, minor, patch) = server.number;
        ensure!(
            newer.is_empty(),
            "{} were written by a newer server, and version {major}.{minor}.{patch} would start empty beside them: run Redis 7.0 or later",
            listed(&newer)
        );
    } else if files::is_there(&manifest).with_context(|| cannot_read(&manifest))? {
        let paths = listed_files(folder, &appended, &manifest)?;
        return Ok(Loaded { paths, has_manifest: true, ..Loaded::default() });
    }
    // The names must be seen: a folder that may not be searched looks as if it held none of them.
    let names = names_in(folder).with_context(|| cannot_read_directory(folder))?;
    let only = [APPENDED, SNAPSHOT].into_iter().find(|name| names.iter().any(|found| found == name));
    let paths = only.map(|name| folder.join(name)).into_iter().collect();
    Ok(Loaded { paths, is_to_be_taken_over: only == Some(SNAPSHOT), ..Loaded::default() })
}

fn listed_files(folder: &Path, appended: &Path, manifest: &Path) -> Result<Vec<PathBuf>> {
    let text = files::read_at_most(manifest, LONGEST_MANIFEST)?;
    let names = listed_in(&text).with_context(|| {
        format!("`{}` is damaged, and no server starts with it: put it back from a backup", manifest.display())
    })?;
    let mut paths: Vec<_> = names.into_iter().map(|name| appended.join(name)).collect();
    // The file of an earlier version, listed by a server that was killed before it had moved it: the next one
    // takes it from where it is.
    if paths == [appended.join(APPENDED)] && !files::is_there(&paths[0])? {
        paths = vec![folder.join(APPENDED)];
    }
    for path in &paths {
        let is_there = files::is_there(path).with_context(|| cannot_read(path))?;
        ensure!(is_there, "`{}` is missing, which `{MANIFEST}` lists: put it back from a backup", path.display());
    }
    Ok(paths)
}

/// The base and incremental files of a manifest; `None` where no server takes it for one (Redis `src/aof.c`: lines
/// such as `file appendonly.aof.1.base.rdb seq 1 type b`, of which type `h` is history).
pub fn listed_in(manifest: &[u8]) -> Option<Vec<String>> {
    let mut names = Vec::new();
    let mut has_base = false;
    let mut last_increment = 0;
    // An empty one is refused, too, and one whose last line is cut short.
    for line in manifest.strip_suffix(b"\n")?.split(|byte| *byte == b'\n') {
        if line.starts_with(b"#") {
            continue;
        }
        let words = split(line).filter(|words| !words.is_empty())?;
        let value =
            |key: &str| words.chunks_exact(2).find(|pair| pair[0].eq_ignore_ascii_case(key.as_bytes())).map(|pair| &pair[1]);
        let (name, kind) = (String::from_utf8(value("file")?.clone()).ok()?, value("type")?);
        let number: u64 = std::str::from_utf8(value("seq")?).ok()?.parse().ok()?;
        // The servers take no path either.
        if name.contains('/') || number == 0 {
            return None;
        }
        // The servers look at the first letter only.
        match kind.first()? {
            b'b' if !std::mem::replace(&mut has_base, true) => names.push(name),
            b'i' if number > last_increment => {
                last_increment = number;
                names.push(name);
            }
            b'h' => {}
            _ => return None,
        }
    }
    Some(names)
}

/// What a person has chosen to be loaded from a directory in which ordain has never started a server.
pub fn chosen(folder: &Path, loaded: Loaded, load: &Load) -> Result<Loaded> {
    // An empty volume beside others that hold something: nothing is chosen, and nothing left out.
    if files_in(folder, is_data_file)?.is_empty() && files_in(&folder.join(APPENDED_FOLDER), is_data_file)?.is_empty() {
        return Ok(loaded);
    }
    let name = match load {
        Load::AppendOnly => {
            ensure!(
                !loaded.paths.is_empty() && !loaded.is_to_be_taken_over,
                "--load aof: there is no append-only file in `{}`",
                folder.display()
            );
            return Ok(loaded);
        }
        Load::Snapshot => SNAPSHOT,
        Load::File(name) => name,
    };
    let path = folder.join(name);
    ensure!(
        files::is_there(&path).with_context(|| cannot_read(&path))? && is_data_file(&path),
        "--load {load}: there is no such file in `{}`",
        folder.display()
    );
    if loaded.paths == [path.clone()] {
        return Ok(loaded);
    }
    // Taken over before, and not told of it any more: the process was killed in between.
    let appended = folder.join(APPENDED);
    if loaded.paths == [appended.clone()] && files::are_one(&appended, &path)? {
        return Ok(loaded);
    }
    Ok(Loaded { paths: vec![path], has_manifest: false, is_to_be_taken_over: true, is_chosen: true })
}

/// Refuses a directory in which there is data that the server would leave out. Where ordain has started a server
/// before, only a lost manifest is such a case: other files are somebody's copies, and a stop leaves a snapshot
/// that is newer than the append-only file.
pub fn refuse_what_is_left_out(folder: &Path, loaded: &Loaded, is_ours: bool) -> Result<()> {
    let appended = folder.join(APPENDED_FOLDER);
    let mut left_out = Vec::new();
    if !is_ours || !loaded.has_manifest {
        left_out.extend(files_in(&appended, is_data_file)?);
    }
    if !is_ours {
        left_out.extend(files_in(folder, is_data_file)?.into_iter().filter(|path| *path != folder.join(SNAPSHOT)));
    }
    if loaded.has_manifest {
        let text = files::read_at_most(&appended.join(MANIFEST), LONGEST_MANIFEST)?;
        let is_history = |path: &PathBuf| path.parent() == Some(&*appended) && is_listed(&text, path);
        left_out.retain(|path| !is_history(path));
    }
    left_out.retain(|path| !loaded.paths.contains(path));
    let left_out = with_keys(left_out)?;
    if left_out.is_empty() {
        return Ok(());
    }
    let how = if loaded.paths.is_empty() { "start empty" } else { "load" };
    let (what, beside) = match (is_ours, &*loaded.paths) {
        (_, []) => (String::new(), "beside"),
        (_, paths) => (format!(" {}", listed(paths)), "and leave out"),
    };
    let is_unlisted = |path: &PathBuf| !loaded.has_manifest && path.parent() == Some(&*appended);
    // The server of another tool calls its manifest otherwise; what it lists may be called anything.
    let is_manifest = |path: &Path| path.extension().is_some_and(|extension| extension == "manifest");
    let other = files_in(&appended, is_manifest)?.into_iter().find(|_| left_out.iter().any(is_unlisted));
    let can_choose = !(is_ours || loaded.paths.is_empty() && left_out.iter().all(is_unlisted));
    let remedy = match other {
        Some(manifest) => format!("rename `{}` to `{MANIFEST}` and nothing else", manifest.display()),
        None if can_choose => "choose by --load aof, --load dump or --load FILE".to_owned(),
        None => "put its manifest back from a backup".to_owned(),
    };
    bail!(
        "the server would {how}{what} {beside} {}: {remedy}, or move what it shall not load to another folder",
        listed(&left_out)
    )
}

/// Refuses a directory without data beside what was set aside: somebody has chosen what is loaded, was stopped before
/// it was in its place, and it is gone since.
pub fn refuse_beside_set_aside(folder: &Path, loaded: &Loaded) -> Result<()> {
    if !with_keys(loaded.paths.clone())?.is_empty() {
        return Ok(());
    }
    let mut aside = Vec::new();
    for name in names_in(folder).with_context(|| cannot_read_directory(folder))? {
        let place = folder.join(&name);
        if name.as_encoded_bytes().starts_with(ASIDE.as_bytes()) && place.is_dir() {
            aside.extend(files_in(&place, is_data_file)?);
            aside.extend(files_in(&place.join(APPENDED_FOLDER), is_data_file)?);
        }
    }
    let aside = with_keys(aside)?;
    ensure!(
        aside.is_empty(),
        "the server would start empty beside {}, set aside by a start that was ended before its server ran: move them back to `{}`, or the folder out of it",
        listed(&aside),
        folder.display()
    );
    Ok(())
}

/// Whether a manifest names a file, as history or otherwise.
fn is_listed(manifest: &[u8], path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().as_encoded_bytes();
    let lines = manifest.split(|byte| *byte == b'\n').filter_map(split);
    lines.flatten().any(|word| word == name)
}

/// Some paths in a sentence.
pub fn listed(paths: &[PathBuf]) -> String {
    let names: Vec<_> = paths.iter().take(5).map(|path| format!("`{}`", path.display())).collect();
    let more = paths.len() - names.len();
    if more == 0 { names.join(", ") } else { format!("{} and {more} more", names.join(", ")) }
}

fn with_keys(paths: Vec<PathBuf>) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for path in paths {
        if holds_keys(&path).with_context(|| cannot_read(&path))? {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}

/// The files in a folder, which may be missing.
pub fn files_in(folder: &Path, which: fn(&Path) -> bool) -> Result<Vec<PathBuf>> {
    if !files::is_there(folder).with_context(|| cannot_read(folder))? {
        return Ok(Vec::new());
    }
    let names = names_in(folder).with_context(|| cannot_read(folder))?;
    Ok(names.into_iter().map(|name| folder.join(name)).filter(|path| which(path)).collect())
}

fn names_in(folder: &Path) -> std::io::Result<Vec<OsString>> {
    std::fs::read_dir(folder)?.map(|entry| Ok(entry?.file_name())).collect()
}

/// Whether a file is one of a server's, and whole: what a server was still writing when it died is not.
pub fn is_data_file(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let is_part = name.starts_with("temp-") || name.starts_with('.');
    // A link to a place that is not there leads to nobody knows what.
    !is_part && is_data_name(&name) && (path.is_file() || path.is_symlink() && !path.exists())
}

/// Whether servers call their files so.
pub fn is_data_name(name: &str) -> bool {
    [".rdb", ".aof"].iter().any(|extension| name.ends_with(extension))
}
