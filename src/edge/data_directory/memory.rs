//! `.ordain`: what was known of the data when a server was started last, beside the data. From the files alone it
//! cannot be seen whether a start has cut a torn tail off, or somebody has written.

use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

use crate::core::disk::Moment;
use crate::edge::files::{self, Draft};

/// The file's name. That it is there says that ordain has started a server here.
pub const NAME: &str = ".ordain";
/// More than that is not ours.
const LONGEST: u64 = 1024 * 1024;

/// What is kept beside the data.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Memory {
    /// When the data was written last, as it was reported; none where there was none.
    pub written: Option<Moment>,
    /// The last stamp in the append-only file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stamped: Option<u64>,
    /// How far the newest file was read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub read_to: Option<ReadTo>,
    /// The files that the server was going to load.
    pub files: Vec<Seen>,
    /// `dump.rdb` as it was, where the server was started as a replica that makes each full copy of its master into
    /// one, and began without any; an empty name where there was none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub before_copy: Option<Seen>,
    /// When the server was started.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub started: Option<Moment>,
    /// How many of its runs before that had ended soon, one after the other.
    pub ended_soon: u32,
    /// That these files are damaged, and what their check found.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub damage: Option<Damage>,
}

/// Where the last whole command of the newest file ended, which is where a server writes on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReadTo {
    /// The file's path below the data directory.
    pub name: String,
    /// The place, in bytes; none where the file was not read command by command.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub end: Option<u64>,
}

/// Data that the server cannot load.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Damage {
    /// What the check found.
    pub found: String,
    /// When that was.
    pub at: Moment,
}

/// A file as it was seen.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Seen {
    /// Its path below the data directory.
    pub name: String,
    /// Its size in bytes.
    pub size: u64,
    /// When it was changed last, in nanoseconds since 1970.
    pub modified: i64,
    /// Its number in the file system, which another gets once it is gone.
    pub inode: u64,
    /// When it was made, where the file system knows that.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub made: Option<Moment>,
}

impl Seen {
    /// As it is now.
    pub fn now(name: String, meta: &Metadata) -> Self {
        let modified = meta.mtime().saturating_mul(1_000_000_000).saturating_add(meta.mtime_nsec());
        Self { name, size: meta.size(), modified, inode: meta.ino(), made: meta.created().ok().map(Moment::from) }
    }

    /// Whether it is the same file, though it may have been written to.
    fn is_same_file(&self, other: &Self) -> bool {
        (self.inode, self.made, &self.name) == (other.inode, other.made, &other.name)
    }

    /// Whether it is as it was, whatever it is called now: a server moves what it takes over. In a copy of the
    /// directory the file system's numbers are others.
    pub fn is_unchanged(&self, other: &Self) -> bool {
        let is_it = self.inode == other.inode || self.name == other.name;
        (self.size, self.modified) == (other.size, other.modified) && is_it
    }
}

impl Memory {
    /// Reads what is kept in a data directory; none where no server was started there. What cannot be understood
    /// still says that one was.
    ///
    /// # Errors
    /// The file is there and cannot be read.
    pub fn read(folder: &Path) -> Result<Option<Self>> {
        let path = folder.join(NAME);
        if !files::is_there(&path).with_context(|| format!("cannot read `{}`", path.display()))? {
            return Ok(None);
        }
        let text = files::read_at_most(&path, LONGEST)?;
        Ok(Some(serde_json::from_slice(&text).unwrap_or_default()))
    }

    /// Keeps it.
    ///
    /// # Errors
    /// The data directory cannot be written to.
    pub fn write(&self, folder: &Path) -> Result<()> {
        let text = serde_json::to_vec(self).context("cannot write what is known of the data")?;
        Draft::begin(&folder.join(NAME))?.install(&text)
    }

    /// The file as it was seen, under whatever name.
    pub fn of(&self, file: &Seen) -> Option<&Seen> {
        self.files.iter().find(|seen| seen.is_unchanged(file)).or_else(|| self.files.iter().find(|seen| seen.is_same_file(file)))
    }
}
