//! The log on stderr; stdout carries only the product.

use std::ffi::OsStr;
use std::io::IsTerminal;
use std::sync::OnceLock;
use std::time::SystemTime;

use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::FormatTime;
use tracing_subscriber::prelude::*;

use crate::cli::Form;

/// The variable that says what is logged.
pub const FILTER: &str = "RUST_LOG";

const OURS: &str = env!("CARGO_CRATE_NAME");
/// From there on a word is a level that was misspelt (Jaro and Winkler).
const NEAR: f64 = 0.8;
const LEVELS: [&str; 6] = ["off", "error", "warn", "info", "debug", "trace"];

/// How the lines of this run are written.
static LOG: OnceLock<Log> = OnceLock::new();

struct Log {
    form: Form,
    has_times: bool,
}

/// Whose lines these are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lines {
    /// Lines of a log: with their times, unless people or a journal read along.
    Log,
    /// Lines of a probe: the kubelet puts them into an Event, which counts those that are alike.
    Probe,
}

/// Opens the log. `wanted` is what [`FILTER`] says.
///
/// # Errors
/// A warning, where that is no filter: the default counts then.
pub fn open(form: Form, lines: Lines, wanted: Option<&OsStr>) -> Result<(), String> {
    let filter = wanted.filter(|wanted| !wanted.is_empty()).map(filter);
    let has_targets = matches!(filter, Some(Ok(_)));
    let (targets, warning) = match filter {
        None => (default(), Ok(())),
        Some(Ok(targets)) => (targets, Ok(())),
        Some(Err(warning)) => (default(), Err(warning)),
    };
    let has_times = lines == Lines::Log && !std::io::stderr().is_terminal() && !is_journal();
    let _ = LOG.set(Log { form, has_times });
    let registry = tracing_subscriber::registry().with(targets);
    let layer = tracing_subscriber::fmt::layer().with_writer(std::io::stderr).with_ansi(false).with_target(has_targets);
    match form {
        Form::Text if has_times => registry.with(layer.with_timer(Millis)).init(),
        Form::Text => registry.with(layer.without_time()).init(),
        Form::Json => registry.with(layer.json().flatten_event(true).with_timer(Millis)).init(),
    }
    warning
}

/// The line with which a run ends that has failed. It is written at once, for somebody may read along, and no filter
/// hides it.
pub fn last_line(error: &str) -> String {
    match LOG.get() {
        Some(Log { form: Form::Json, .. }) => {
            let message = serde_json::Value::from(error);
            format!("{{\"timestamp\":\"{}\",\"level\":\"ERROR\",\"message\":{message}}}\n", now())
        }
        Some(Log { has_times: true, .. }) => format!("{} error: {error}\n", now()),
        _ => format!("error: {error}\n"),
    }
}

/// In RFC 3339, UTC. No clock of a computer is before 1970.
fn now() -> impl std::fmt::Display {
    humantime::format_rfc3339_millis(SystemTime::now().max(SystemTime::UNIX_EPOCH))
}

struct Millis;

impl FormatTime for Millis {
    fn format_time(&self, writer: &mut Writer<'_>) -> std::fmt::Result {
        write!(writer, "{}", now())
    }
}

/// Whether stderr leads into systemd's journal, which has times of its own (sd-daemon(3)).
fn is_journal() -> bool {
    let stream = std::env::var("JOURNAL_STREAM");
    let stat = rustix::fs::fstat(std::io::stderr());
    matches!((stream, stat), (Ok(stream), Ok(stat)) if stream == format!("{}:{}", stat.st_dev, stat.st_ino))
}

fn default() -> Targets {
    Targets::new().with_target(OURS, LevelFilter::INFO)
}

/// Directives as `debug` or `info,ordain=debug`. What says nothing of ordain leaves ordain at its default.
fn filter(wanted: &OsStr) -> Result<Targets, String> {
    let set = || format!("{FILTER}=\"{}\"", crate::cli::usage::shown(&wanted.to_string_lossy()));
    let counts = "the default `ordain=info` counts";
    let no_filter = || format!("{} is not a filter, such as `debug` or `ordain=debug`: {counts}", set());
    let text = wanted.to_str().ok_or_else(no_filter)?;
    for word in text.split(',').map(|word| word.trim().to_lowercase()).filter(|word| !LEVELS.contains(&&**word)) {
        if let Some(level) = LEVELS.iter().find(|level| strsim::jaro_winkler(level, &word) > NEAR) {
            return Err(format!("{}: did you mean `{level}`? {counts}", set()));
        }
    }
    let targets: Targets = text.parse().map_err(|_| no_filter())?;
    let is_silent = targets.default_level().is_none() && !targets.iter().any(|(target, _)| target.starts_with(OURS));
    Ok(if is_silent { targets.with_target(OURS, LevelFilter::INFO) } else { targets })
}

#[cfg(test)]
mod tests {
    use rstest::rstest;
    use tracing::Level;

    use super::*;

    /// The most that is logged of ordain, and of a library.
    #[rstest]
    #[case::a_level("debug", Level::DEBUG, Some(Level::DEBUG))]
    #[case::a_level_in_capitals("WARN", Level::WARN, Some(Level::WARN))]
    #[case::of_ordain("ordain=trace", Level::TRACE, None)]
    #[case::of_a_library_too("warn,ordain=debug", Level::DEBUG, Some(Level::WARN))]
    #[case::of_a_library_alone("hyper=debug", Level::INFO, Some(Level::DEBUG))]
    #[case::of_a_part("ordain::edge=debug", Level::DEBUG, None)]
    fn a_filter_says_what_is_logged(#[case] wanted: &str, #[case] ours: Level, #[case] of_hyper: Option<Level>) {
        let targets = filter(OsStr::new(wanted)).unwrap();
        let logs = |target: &str, level| targets.would_enable(target, &level);
        let all = [Level::ERROR, Level::WARN, Level::INFO, Level::DEBUG, Level::TRACE];
        let most = |target: &str| all.into_iter().filter(|level| logs(target, *level)).max();
        assert_eq!((most("ordain::edge::dns"), most("hyper::proto")), (Some(ours), of_hyper));
    }

    #[rstest]
    #[case("ordain=loud")]
    #[case("warning")]
    #[case("ordain=info,debgu")]
    #[case("[span]=debug=x")]
    fn what_is_no_filter_is_warned_of_by_name(#[case] wanted: &str) {
        let warning = filter(OsStr::new(wanted)).unwrap_err();
        assert!(warning.starts_with(&format!("RUST_LOG=\"{wanted}\"")) && warning.ends_with("`ordain=info` counts"), "{warning}");
    }
}
