//! How the words of flags and variables are read.

use std::time::Duration;

use crate::core::identity::Group;
use crate::core::selector::{Selector, is_value};

/// A time, or none. (For clap an `Option` is a flag that may be missing.)
#[derive(Debug, Clone, Copy)]
pub struct Limit(pub Option<Duration>);

/// Longer than anybody waits, and short enough for every clock.
const LONGEST: Duration = Duration::from_secs(24 * 60 * 60);

pub fn duration(word: &str) -> Result<Duration, String> {
    match humantime::parse_duration(word) {
        Ok(duration) if duration < Duration::from_millis(1) => Err("less than 1ms".to_owned()),
        Ok(duration) if duration > LONGEST => Err("more than 24h".to_owned()),
        Ok(duration) => Ok(duration),
        Err(_) => Err("not a time: write it as `5s`, `500ms` or `5m`".to_owned()),
    }
}

/// So that nobody knocks without a pause.
pub fn grace(word: &str) -> Result<Duration, String> {
    let grace = duration(word)?;
    if grace < Duration::from_secs(1) { Err("less than 1s".to_owned()) } else { Ok(grace) }
}

pub fn duration_or_off(word: &str) -> Result<Limit, String> {
    if word == "off" { Ok(Limit(None)) } else { duration(word).map(Some).map(Limit) }
}

/// A label's key (Kubernetes `IsQualifiedName`).
pub fn label_key(word: &str) -> Result<String, String> {
    let (prefix, name) = word.split_once('/').map_or((None, word), |(prefix, name)| (Some(prefix), name));
    let is_prefix = |prefix: &str| prefix.parse::<Group>().is_ok();
    if prefix.is_none_or(is_prefix) && !name.is_empty() && label_value(name).is_ok() {
        return Ok(word.to_owned());
    }
    Err("not the key of a label: write a word as `role`, or `example.com/role`".to_owned())
}

/// A label's value (Kubernetes `IsValidLabelValue`).
pub fn label_value(word: &str) -> Result<String, String> {
    if is_value(word) {
        return Ok(word.to_owned());
    }
    Err("not the value of a label: at most 63 letters, digits, `-`, `_` and `.`, as `master`".to_owned())
}

pub fn selector(word: &str) -> Result<Selector, String> {
    word.parse().map_err(|()| "not a valid selector".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_selector_is_read_as_kubernetes_reads_it() {
        for valid in [
            "app=redis",
            "app.kubernetes.io/name=redis,app.kubernetes.io/component in (redis,sentinel)",
            " app == redis , tier != x , !gone, there , a notin (b,c),n>1, m < -2, e=, s in(a,)",
        ] {
            assert_eq!(selector(valid).unwrap().as_str(), valid);
        }
        for invalid in [
            "",
            ",",
            "app=redis,,",
            "app=redis,",
            "app=re dis",
            "=x",
            "a/b/c",
            "app in redis",
            "app in (a",
            "n>x",
            "a=b=c",
            "!",
            "a b",
        ] {
            assert!(selector(invalid).is_err(), "{invalid}");
        }
    }
}
