//! A selector of labels, as `kubectl --selector` takes it: for a pod that is asked for by its name, and so comes
//! without having been selected.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use super::identity::Group;

/// What the labels of a pod must be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Selector {
    text: String,
    requirements: Vec<Requirement>,
}

/// One requirement (`labels.Requirement` in apimachinery).
#[derive(Debug, Clone, PartialEq, Eq)]
enum Requirement {
    In(String, Vec<String>),
    NotIn(String, Vec<String>),
    Exists(String),
    Missing(String),
    Above(String, i64),
    Below(String, i64),
}

impl Selector {
    /// The pods of one component of a group, as the manifests label them.
    pub fn of_component(group: &Group, component: &str) -> Self {
        let labels = [("app.kubernetes.io/instance", group.to_string()), ("app.kubernetes.io/component", component.to_owned())];
        let text = labels.iter().map(|(key, value)| format!("{key}={value}")).collect::<Vec<_>>().join(",");
        let requirements = labels.map(|(key, value)| Requirement::In(key.to_owned(), vec![value])).into();
        Self { text, requirements }
    }

    /// As it was written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether these labels meet all requirements.
    pub fn matches(&self, labels: &BTreeMap<String, String>) -> bool {
        let number = |key| labels.get(key).and_then(|value| value.parse::<i64>().ok());
        self.requirements.iter().all(|requirement| match requirement {
            Requirement::In(key, values) => labels.get(key).is_some_and(|value| values.contains(value)),
            // Who does not carry the key meets this, too.
            Requirement::NotIn(key, values) => labels.get(key).is_none_or(|value| !values.contains(value)),
            Requirement::Exists(key) => labels.contains_key(key),
            Requirement::Missing(key) => !labels.contains_key(key),
            Requirement::Above(key, least) => number(key).is_some_and(|value| value > *least),
            Requirement::Below(key, most) => number(key).is_some_and(|value| value < *most),
        })
    }
}

/// As Kubernetes reads it (`labels.Parse` in apimachinery), but for one that is empty and would match every pod.
impl FromStr for Selector {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        Ok(Self { text: text.to_owned(), requirements: split(text).map(read).collect::<Result<_, _>>()? })
    }
}

impl fmt::Display for Selector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// At the commas that are not between parentheses.
fn split(text: &str) -> impl Iterator<Item = &str> {
    let mut is_inside = false;
    text.split(move |letter| {
        match letter {
            '(' => is_inside = true,
            ')' => is_inside = false,
            _ => {}
        }
        letter == ',' && !is_inside
    })
}

fn read(word: &str) -> Result<Requirement, ()> {
    let word = word.trim();
    if let Some(key) = word.strip_prefix('!') {
        return Ok(Requirement::Missing(key_of(key)?));
    }
    if let Some(rest) = word.strip_suffix(')') {
        let (before, values) = rest.split_once('(').ok_or(())?;
        let values = values.split(',').map(value_of).collect::<Result<_, _>>()?;
        let mut words = before.split_whitespace();
        return match (words.next(), words.next(), words.next()) {
            (Some(key), Some("in"), None) => Ok(Requirement::In(key_of(key)?, values)),
            (Some(key), Some("notin"), None) => Ok(Requirement::NotIn(key_of(key)?, values)),
            _ => Err(()),
        };
    }
    let number = |text: &str| text.trim().parse().map_err(|_| ());
    if let Some((key, value)) = word.split_once("!=") {
        Ok(Requirement::NotIn(key_of(key)?, vec![value_of(value)?]))
    } else if let Some((key, value)) = word.split_once("==").or_else(|| word.split_once('=')) {
        Ok(Requirement::In(key_of(key)?, vec![value_of(value)?]))
    } else if let Some((key, value)) = word.split_once('>') {
        Ok(Requirement::Above(key_of(key)?, number(value)?))
    } else if let Some((key, value)) = word.split_once('<') {
        Ok(Requirement::Below(key_of(key)?, number(value)?))
    } else {
        Ok(Requirement::Exists(key_of(word)?))
    }
}

/// `name` or `prefix/name`.
fn key_of(word: &str) -> Result<String, ()> {
    let word = word.trim();
    let (prefix, name) = word.split_once('/').map_or((None, word), |(prefix, name)| (Some(prefix), name));
    let is_key = prefix.is_none_or(|prefix| prefix.parse::<Group>().is_ok()) && !name.is_empty() && is_value(name);
    is_key.then(|| word.to_owned()).ok_or(())
}

fn value_of(word: &str) -> Result<String, ()> {
    let word = word.trim();
    is_value(word).then(|| word.to_owned()).ok_or(())
}

/// A label's value (`IsValidLabelValue` in apimachinery).
pub fn is_value(word: &str) -> bool {
    let bytes = word.as_bytes();
    let is_inner = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    let is_edge = |byte: Option<&u8>| byte.is_none_or(u8::is_ascii_alphanumeric);
    bytes.len() <= 63 && bytes.iter().copied().all(is_inner) && is_edge(bytes.first()) && is_edge(bytes.last())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rstest::rstest;

    #[rstest]
    #[case("app=redis", true)]
    #[case("app == redis , tier!=cache", true)]
    #[case("app=valkey", false)]
    #[case("app!=valkey,none!=x", true)]
    #[case("app!=redis", false)]
    #[case("example.com/app in (valkey, redis)", true)]
    #[case("example.com/app in (valkey)", false)]
    #[case("app in (redis),shard notin (1,2)", true)]
    #[case("app notin (redis,valkey)", false)]
    #[case("app,!none", true)]
    #[case("none", false)]
    #[case("!app", false)]
    #[case("empty=", true)]
    #[case("shard>2", true)]
    #[case("shard<3", false)]
    #[case("app>2", false)]
    fn labels_are_matched_as_the_api_server_matches_them(#[case] selector: Selector, #[case] is_match: bool) {
        let labels = [("app", "redis"), ("example.com/app", "redis"), ("shard", "3"), ("empty", "")];
        let labels = labels.map(|(key, value)| (key.to_owned(), value.to_owned())).into();
        assert_eq!(selector.matches(&labels), is_match);
    }

    #[rstest]
    fn what_is_none_is_refused(
        #[values(
            "",
            " ",
            "app=redis,,",
            "app=redis,",
            "=redis",
            "app=a b",
            "app in redis",
            "app in (redis",
            "a b",
            "/x",
            "x/",
            "app>x",
            "-app",
            "!"
        )]
        text: &str,
    ) {
        assert_eq!(text.parse::<Selector>(), Err(()));
    }

    proptest! {
        #[test]
        fn no_text_makes_the_parser_panic(text in "\\PC*") {
            let _ = text.parse::<Selector>();
        }
    }
}
