//! A client in the cluster that writes through the master Service, and what it saw.

use std::collections::BTreeSet;
use std::process::ChildStdin;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Result, ensure};

use crate::client::Client;
use crate::cluster::wait_for;
use crate::group::Group;

/// Milliseconds since 1970, as the client counts them.
pub fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}

/// What a writer saw.
#[derive(Debug, Default, Clone)]
pub struct Report {
    /// Each acknowledged write's number, and when it was acknowledged.
    pub acknowledged: Vec<(u64, u64)>,
    /// Those that a replica had, too.
    pub delivered: BTreeSet<u64>,
    /// What went wrong, each when it changed.
    pub errors: Vec<String>,
}

impl Report {
    /// The longest time between two acknowledged writes that ended after `event`.
    pub fn longest_gap(&self, event: u64) -> Duration {
        longest_gap(self.acknowledged.iter().map(|(_, at)| *at), event)
    }
}

/// The longest time between two of these, in their order, that ended after `event`.
pub fn longest_gap(times: impl Iterator<Item = u64> + Clone, event: u64) -> Duration {
    let gaps = times.clone().zip(times.skip(1)).filter(|(_, to)| *to > event).map(|(from, to)| to - from);
    Duration::from_millis(gaps.max().unwrap_or_default())
}

/// A running writer.
pub struct Writer<'a> {
    group: &'a Group,
    tool: String,
    address: String,
    prefix: String,
    client: Client,
    input: ChildStdin,
    report: Arc<Mutex<Report>>,
}

impl<'a> Writer<'a> {
    /// Starts a writer in a tool's pod, and waits for its first writes.
    pub fn start(group: &'a Group, tool: &str, prefix: &str) -> Result<Self> {
        let address = group.service("master")?;
        let report = Arc::new(Mutex::new(Report::default()));
        let told = report.clone();
        let (client, input) = Client::start(group, tool, &["write", &address, prefix], move |line| note(&told, line))?;
        let writer = Self { group, tool: tool.to_owned(), address, prefix: prefix.to_owned(), client, input, report };
        writer.wait_for_writes(50, Duration::from_secs(30))?;
        Ok(writer)
    }

    /// Waits for so many more acknowledged writes.
    pub fn wait_for_writes(&self, more: usize, deadline: Duration) -> Result<()> {
        let count = || self.report.lock().expect("the report").acknowledged.len();
        let until = count() + more;
        wait_for("acknowledged writes", deadline, || {
            let last = self.report.lock().expect("the report").errors.last().cloned().unwrap_or_default();
            ensure!(count() >= until, "{} of {until}: {last}", count());
            Ok(())
        })
    }

    /// Stops, and tells what it saw and which acknowledged writes the group has lost.
    pub fn stop(self) -> Result<(Report, BTreeSet<u64>)> {
        drop(self.input);
        self.client.wait()?;
        let report = self.report.lock().expect("the report").clone();
        let numbers: String = report.acknowledged.iter().map(|(number, _)| format!("{number}\n")).collect();
        let client = self.group.with_login(&["client", "missing", &self.address, &self.prefix]);
        let missing = self.group.namespace.run_with(&[vec!["exec", "--stdin", &self.tool, "--"], client].concat(), &numbers)?;
        Ok((report, missing.lines().filter_map(|number| number.parse().ok()).collect()))
    }
}

fn note(report: &Mutex<Report>, line: &str) {
    let mut report = report.lock().expect("the report");
    let mut words = line.splitn(3, ' ');
    let (kind, number) = (words.next().unwrap_or_default(), words.next().and_then(|number| number.parse().ok()));
    match (kind, number, words.next().and_then(|at| at.parse().ok())) {
        ("a", Some(number), Some(at)) => report.acknowledged.push((number, at)),
        ("d", Some(number), _) => {
            report.delivered.insert(number);
        }
        _ if report.errors.last().is_none_or(|last| last != line) => report.errors.push(line.to_owned()),
        _ => {}
    }
}
