//! A client in the cluster that reads through the replica Service.

use std::process::ChildStdin;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::Result;

use crate::client::Client;
use crate::group::Group;
use crate::writer::longest_gap;

/// A running reader.
pub struct Reader {
    client: Client,
    input: ChildStdin,
    /// When each read was answered.
    answered: Arc<Mutex<Vec<u64>>>,
}

impl Reader {
    /// Starts a reader in a tool's pod.
    pub fn start(group: &Group, tool: &str) -> Result<Self> {
        let answered = Arc::new(Mutex::new(Vec::new()));
        let told = answered.clone();
        let take = move |line: &str| {
            if let Some(at) = line.strip_prefix("r ").and_then(|at| at.parse().ok()) {
                told.lock().expect("the reads").push(at);
            }
        };
        let (client, input) = Client::start(group, tool, &["read", &group.service("replica")?], take)?;
        Ok(Self { client, input, answered })
    }

    /// Stops; the longest time between two answers that ended after `event`.
    pub fn stop(self, event: u64) -> Result<Duration> {
        drop(self.input);
        self.client.wait()?;
        Ok(longest_gap(self.answered.lock().expect("the reads").iter().copied(), event))
    }
}
