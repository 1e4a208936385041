//! A snapshot, or a file that a person has chosen, is made into the append-only file that the server loads.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;
use std::time::{Duration, SystemTime};

use anyhow::{Context, Result};

use super::loaded::{APPENDED, ASIDE};
use crate::core::disk::Moment;
use crate::core::server::ServerVersion;
use crate::edge::files::{self, Draft};

/// Gives a file the append-only file's name: with `appendonly yes` and none there a server starts empty beside a full
/// `dump.rdb`. A server from 7.0 on moves the name away and leaves the file as it is, so that a link is enough; an
/// older one would append to the snapshot itself, and gets a copy, which keeps the time. What has one of the names
/// `in_its_way` is set aside once the rest takes no time any more: until then all is as it was.
pub fn take_over(
    folder: &Path,
    source: &Path,
    server: Option<ServerVersion>,
    in_its_way: &[&str],
    stop: &AtomicBool,
) -> Result<()> {
    let describe =
        || format!("cannot make `{}` into `{APPENDED}` beside it, without which the server would not load it", source.display());
    // An append-only file whose tail is torn is cut off by the server.
    let may_be_linked = source.extension().is_some_and(|extension| extension == "rdb");
    let draft = if may_be_linked && server.is_some_and(ServerVersion::keeps_manifest) {
        linked_or_copied(folder, source, stop)
    } else {
        copied(folder, source, stop)
    };
    let draft = draft.with_context(describe)?;
    set_aside(folder, in_its_way)?;
    draft.put_in_place().with_context(describe)
}

/// A copy that has not grown for so long is none that goes on: it is written a piece at a time, each to the disk.
const GROWS: Duration = Duration::from_secs(30);

/// Whether a copy is being made into the append-only file of a folder: until it is whole no server can answer.
pub fn is_being_copied(folder: &Path) -> bool {
    Draft::is_growing(&folder.join(APPENDED), GROWS)
}

fn linked_or_copied(folder: &Path, source: &Path, stop: &AtomicBool) -> Result<Draft> {
    // A second name of a symbolic link would lead nowhere once the server has moved it.
    let file = source.canonicalize()?;
    // Not every file system has links, and not every user may make one.
    Draft::link(&folder.join(APPENDED), &file).or_else(|_| copied(folder, source, stop))
}

fn copied(folder: &Path, source: &Path, stop: &AtomicBool) -> Result<Draft> {
    let file = File::open(source)?;
    let modified = file.metadata()?.modified()?;
    let mut draft = Draft::begin(&folder.join(APPENDED))?;
    draft.fill_from(&file, modified, stop)?;
    Ok(draft)
}

/// Moves files and folders of these names into a folder of their own, where no server looks and nothing writes over
/// them. What is loaded goes last, so that whoever is killed in between begins again. Returns the folder; none where
/// there was nothing to move.
pub fn set_aside(folder: &Path, names: &[&str]) -> Result<Option<PathBuf>> {
    let is_there = |name: &&&str| files::is_there(&folder.join(name)).unwrap_or(true);
    let names: Vec<_> = names.iter().filter(is_there).collect();
    if names.is_empty() {
        return Ok(None);
    }
    let now = Moment::from(SystemTime::now()).0 / 1000;
    let aside = folder.join(format!("{ASIDE}{now}"));
    let describe = || format!("cannot move the data files to `{}`", aside.display());
    std::fs::create_dir(&aside).with_context(describe)?;
    for name in names {
        std::fs::rename(folder.join(name), aside.join(name)).with_context(describe)?;
    }
    files::make_durable(&aside).and_then(|()| files::make_durable(folder)).with_context(describe)?;
    Ok(Some(aside))
}
