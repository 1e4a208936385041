//! What our pods asked of the API server, as its own log says; only the cluster of hack/cluster keeps
//! one.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufRead, BufReader, Seek, SeekFrom};
use std::path::PathBuf;

use anyhow::{Context, Result};
use serde_json::Value;

use crate::cluster::{repository, text};

fn path() -> PathBuf {
    repository().join(".cache/cluster/run/hub/audit.log")
}

/// Where the log ends now.
pub fn end() -> Result<u64> {
    Ok(std::fs::metadata(path()).context("the API server's log")?.len())
}

/// How often a namespace's pods asked for what since then: `sentinel: get pods`.
pub fn requests(namespace: &str, since: u64) -> Result<BTreeMap<String, usize>> {
    let mut log = File::open(path()).context("the API server's log")?;
    log.seek(SeekFrom::Start(since))?;
    let account = format!("system:serviceaccount:{namespace}:");
    let mut requests = BTreeMap::new();
    for line in BufReader::new(log).lines() {
        let line = line?;
        // The last line may be half written.
        let Ok(event) = serde_json::from_str::<Value>(&line) else { continue };
        if let Some(name) = text(&event["user"]["username"]).strip_prefix(&account) {
            let request = format!("{name}: {} {}", text(&event["verb"]), text(&event["objectRef"]["resource"]));
            *requests.entry(request).or_default() += 1;
        }
    }
    Ok(requests)
}
