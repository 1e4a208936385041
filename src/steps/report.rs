//! Why: a decision with all its evidence, for people or for programs.

use std::io::Write;

use anyhow::{Context, Result};
use serde::Serialize;

use super::decide::{Settled, Undecided};
use super::source::Rendered;
use crate::cli::{Form, Report};
use crate::core::decision::Reason;
use crate::core::evidence::Evidence;
use crate::core::identity::{Group, PodName};
use crate::core::record::Claim;

#[derive(Serialize)]
struct Explained<'a> {
    group: &'a Group,
    decision: &'static str,
    /// Whose replica, or watched by a Sentinel; the pod itself where it leads.
    #[serde(skip_serializing_if = "Option::is_none")]
    master: Option<&'a PodName>,
    #[serde(skip_serializing_if = "Option::is_none")]
    epoch: Option<u64>,
    /// With the field name of 0.1, which other programs read.
    #[serde(rename = "electable")]
    promotable: bool,
    /// What the record was or would be made to say.
    #[serde(skip_serializing_if = "Option::is_none")]
    recorded: Option<&'a Claim>,
    why: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    rule: Option<&'static str>,
    evidence: &'a Evidence,
    #[serde(skip_serializing_if = "Option::is_none")]
    file: Option<String>,
}

/// Prints the decision, if `--explain` is set. `file` is what a dry run would write.
pub fn print_decision(report: &Report, group: &Group, settled: &Settled, file: Option<&Rendered>) -> Result<()> {
    let Settled { claim, leads, promotable, reason, evidence, recorded, .. } = settled;
    let explained = Explained {
        group,
        decision: if *leads { "lead" } else { "follow" },
        master: Some(&claim.master),
        epoch: Some(claim.epoch),
        promotable: *promotable,
        recorded: recorded.as_ref(),
        why: reason.why.clone(),
        rule: id(reason),
        evidence,
        file: file.map(|file| String::from_utf8_lossy(file.bytes()).into_owned()),
    };
    print(report, &explained)
}

/// Prints why nothing was decided, if `--explain` is set, and returns the error.
pub fn print_undecided(report: &Report, group: &Group, error: anyhow::Error) -> anyhow::Error {
    let Some(Undecided { reason, evidence, who, .. }) = error.downcast_ref() else { return error };
    // As text the error itself says everything.
    if report.form == Form::Json {
        let (decision, promotable) = ("undecided", false);
        let (why, rule) = (format!("{who}{}", reason.why), id(reason));
        let explained =
            Explained { group, decision, master: None, epoch: None, promotable, recorded: None, why, rule, evidence, file: None };
        if let Err(unprinted) = print(report, &explained) {
            return error.context(unprinted);
        }
    }
    error
}

fn id(reason: &Reason) -> Option<&'static str> {
    reason.rule.map(|rule| rule.id)
}

fn print(report: &Report, explained: &Explained<'_>) -> Result<()> {
    match (report.explain, report.form) {
        (false, _) => {}
        (true, Form::Text) => eprint!("{}", explained.evidence),
        (true, Form::Json) => {
            let line = serde_json::to_string(explained).context("cannot write the report")?;
            writeln!(std::io::stdout(), "{line}").context("cannot print the report")?;
        }
    }
    Ok(())
}

/// A time for the log: milliseconds, to a tenth.
pub fn millis(time: std::time::Duration) -> f64 {
    (time.as_secs_f64() * 1e4).round() / 10.0
}
