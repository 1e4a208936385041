//! `install`: this program for a container of a stock image.

use anyhow::Result;
use tracing::info;

use super::{HOOK, Next};
use crate::cli::Install;
use crate::edge::files;
use crate::exit::OrWrong;

/// Copies this program into the folder under both its names.
pub fn run(args: &Install) -> Result<Next> {
    let Install { dir } = args;
    files::install_program(dir, &["ordain", HOOK]).or_wrong()?;
    info!("installed `ordain` and `{HOOK}` in `{}`", dir.display());
    Ok(Next::Exit)
}
