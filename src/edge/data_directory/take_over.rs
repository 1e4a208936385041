//! A snapshot, or a file that a person has chosen, is made into the append-only file that the server loads.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;
use std::time::SystemTime;

use anyhow::{Context, Result};

use super::loaded::APPENDED;
use crate::core::disk::Moment;
use crate::core::server::ServerVersion;
use crate::edge::files::{self, Draft};

/// Gives a file the append-only file's name: with `appendonly yes` and none there a server starts empty beside a full
/// `dump.rdb`. A server from 7.0 on moves the name away and leaves the file as it is, so that a link is enough; an
/// older one would append to the snapshot itself, and gets a copy, which keeps the time.
pub fn take_over(folder: &Path, source: &Path, server: Option<ServerVersion>, stop: &AtomicBool) -> Result<()> {
    let target = folder.join(APPENDED);
    let describe =
        || format!("cannot make `{}` into `{APPENDED}` beside it, without which the server would not load it", source.display());
    // An append-only file whose tail is torn is cut off by the server.
    let may_be_linked = source.extension().is_some_and(|extension| extension == "rdb");
    if may_be_linked && server.is_some_and(ServerVersion::keeps_manifest) {
        match std::fs::hard_link(source, &target) {
            Ok(()) => return files::make_durable(folder).with_context(describe),
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => return Err(error).with_context(describe),
            // Not every file system has links, and not every user may make one.
            Err(_) => {}
        }
    }
    let file = File::open(source).with_context(describe)?;
    let modified = file.metadata().and_then(|meta| meta.modified()).with_context(describe)?;
    Draft::begin(&target)?.install_from(&file, modified, stop).with_context(describe)
}

/// Moves files and folders of these names into a folder of their own, where no server looks and nothing writes over
/// them. What is loaded goes last, so that whoever is killed in between begins anew. Returns the folder; none where
/// there was nothing to move.
pub fn set_aside(folder: &Path, names: &[&str]) -> Result<Option<PathBuf>> {
    let names: Vec<_> = names.iter().filter(|name| folder.join(name).exists()).collect();
    if names.is_empty() {
        return Ok(None);
    }
    let now = Moment::from(SystemTime::now()).0 / 1000;
    let aside = folder.join(format!("set-aside-{now}"));
    let describe = || format!("cannot move the data files to `{}`", aside.display());
    std::fs::create_dir(&aside).with_context(describe)?;
    for name in names {
        std::fs::rename(folder.join(name), aside.join(name)).with_context(describe)?;
    }
    files::make_durable(&aside).and_then(|()| files::make_durable(folder)).with_context(describe)?;
    Ok(Some(aside))
}
