//! The client that runs in a tool's pod.

use std::io::{BufRead, BufReader};
use std::process::{Child, ChildStdin, Stdio};
use std::thread::JoinHandle;

use anyhow::{Context, Result, ensure};

use crate::group::Group;

/// A client that runs; what it prints is taken as it comes.
pub struct Client {
    child: Child,
    taking: JoinHandle<()>,
}

impl Client {
    /// Starts one, and gives what it reads.
    pub fn start(
        group: &Group,
        tool: &str,
        words: &[&str],
        mut take: impl FnMut(&str) + Send + 'static,
    ) -> Result<(Self, ChildStdin)> {
        let client = group.with_login(&[&["client"], words].concat());
        let mut kubectl = group.namespace.kubectl(&[&["exec", "--stdin", tool, "--"], &client[..]].concat());
        let mut child = kubectl.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let input = child.stdin.take().context("the client's input")?;
        let lines = BufReader::new(child.stdout.take().context("the client's output")?).lines();
        let taking = std::thread::spawn(move || lines.map_while(Result::ok).for_each(|line| take(&line)));
        Ok((Self { child, taking }, input))
    }

    /// Waits for the end of one whose input has ended.
    pub fn wait(mut self) -> Result<()> {
        let status = self.child.wait()?;
        let _ = self.taking.join();
        ensure!(status.success(), "the client: {status}");
        Ok(())
    }

    /// Ends one that does not end by itself.
    pub fn kill(mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = self.taking.join();
    }
}
