//! ordain on real parts: real servers in sandboxes, a real API server, real DNS.

mod image;
mod lossless;
mod main_job;
mod manifests;
mod seen;
mod sentinels;
mod tls;

use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::time::Duration;

/// The program under test: what `ORDAIN` names, such as the release build, else what cargo built.
fn ordain() -> &'static Path {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    PROGRAM.get_or_init(|| {
        let named = std::env::var_os("ORDAIN").unwrap_or_else(|| env!("CARGO_BIN_EXE_ordain").into());
        std::path::absolute(named).expect("an absolute path")
    })
}

/// How long a group may take to come up, on a busy machine with two cores.
const UP: Duration = Duration::from_secs(30);
/// How long a failover may take there: down-after is 2 s.
const FAILED_OVER: Duration = Duration::from_secs(30);
