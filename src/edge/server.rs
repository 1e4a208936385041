//! A server's program: which version it is.

use std::ffi::OsStr;

use tokio::process::Command;

use crate::core::server::ServerVersion;

/// Asks a program for its `--version`; `None` where it does not say so as Redis and Valkey do.
pub async fn version(program: &OsStr) -> Option<ServerVersion> {
    let output = Command::new(program).arg("--version").kill_on_drop(true).output().await.ok()?;
    ServerVersion::printed(&String::from_utf8_lossy(&output.stdout))
}
