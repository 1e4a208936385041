//! `install`.

use std::path::PathBuf;

use clap::Args;

/// `install`.
#[derive(Debug, Args)]
#[command(after_help = "\
Example, as an initContainer before a stock image that mounts the volume /opt/ordain:
  ordain install /opt/ordain")]
pub struct Install {
    /// Folder to copy into, such as a volume that the containers of the servers mount
    pub dir: PathBuf,
}
