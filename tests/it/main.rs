//! ordain on real parts: real servers in sandboxes, a real API server, real DNS.

mod image;
mod lossless;
mod main_job;
mod manifests;
mod seen;
mod sentinels;
mod tls;

use std::path::Path;
use std::time::Duration;

/// The program under test.
fn ordain() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_ordain"))
}

/// How long a group may take to come up, on a busy machine with two cores.
const UP: Duration = Duration::from_secs(30);
/// How long a failover may take there: down-after is 2 s.
const FAILED_OVER: Duration = Duration::from_secs(30);
