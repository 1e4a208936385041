//! `install`.

use std::path::PathBuf;

use clap::Args;

/// `install`.
#[derive(Debug, Args)]
pub struct Install {
    /// The folder, such as a volume that the Sentinel container mounts
    pub dir: PathBuf,
}
