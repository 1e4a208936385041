//! Watches which pods take writes, by asking each by its own address.

use std::collections::BTreeSet;
use std::io::Write;
use std::process::ChildStdin;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::Result;
use serde_json::Value;

use crate::client::Client;
use crate::cluster::text;
use crate::group::Group;

/// Two writes of one pod that lie no further apart belong to one reign; each is asked every 25 ms.
const REIGN: u64 = 300;

/// Where to tell of pods.
pub struct Told {
    addresses: BTreeSet<String>,
    input: ChildStdin,
}

impl Told {
    /// A pod as the API server shows it.
    pub fn pod(&mut self, pod: &Value) {
        let ip = text(&pod["status"]["podIP"]);
        if !ip.is_empty() && self.addresses.insert(ip.clone()) {
            let _ = writeln!(self.input, "{ip}:6379");
        }
    }
}

/// A running watch.
pub struct Masters {
    client: Client,
    writes: Arc<Mutex<Vec<(u64, String)>>>,
}

impl Masters {
    /// Starts it in a tool's pod.
    pub fn watch(group: &Group, tool: &str) -> Result<(Self, Told)> {
        let writes = Arc::new(Mutex::new(Vec::new()));
        let told = writes.clone();
        let take = move |line: &str| {
            if let ["m", address, at] = line.split(' ').collect::<Vec<_>>()[..]
                && let Ok(at) = at.parse()
            {
                told.lock().expect("the writes").push((at, address.to_owned()));
            }
        };
        let (client, input) = Client::start(group, tool, &["masters"], take)?;
        Ok((Self { client, writes }, Told { addresses: BTreeSet::new(), input }))
    }

    /// Ends it; how long two pods took writes at the same time.
    pub fn stop(self) -> Duration {
        self.client.kill();
        let mut writes = self.writes.lock().expect("the writes").clone();
        writes.sort();
        Duration::from_millis(two_at_once(&writes))
    }
}

/// The milliseconds in which a pod wrote between two writes of another's reign.
fn two_at_once(writes: &[(u64, String)]) -> u64 {
    let mut total = 0;
    for (index, (from, address)) in writes.iter().enumerate() {
        let after = &writes[index + 1..];
        let Some(next) = after.iter().position(|(at, other)| other == address && *at <= from + REIGN) else { continue };
        if next > 0 {
            total += after[next].0 - from;
        }
    }
    total / 2
}

#[cfg(test)]
mod tests {
    use super::two_at_once;

    fn writes(all: &[(u64, &str)]) -> Vec<(u64, String)> {
        all.iter().map(|(at, address)| (*at, (*address).to_owned())).collect()
    }

    #[test]
    fn masters_that_follow_each_other_never_take_writes_at_once() {
        assert_eq!(two_at_once(&writes(&[(0, "a"), (25, "a"), (50, "b"), (75, "b"), (1000, "a")])), 0);
    }

    #[test]
    fn masters_that_take_turns_do() {
        assert_eq!(two_at_once(&writes(&[(0, "a"), (10, "b"), (20, "a"), (30, "b")])), 20);
    }
}
