//! What was set, and where: messages name the variable or the flag that the user wrote, and whatever nobody would
//! set on purpose is told of.

use std::ffi::{OsStr, OsString};

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::parser::ValueSource;
use clap::{Arg, ArgMatches, Command};

use super::{Form, PASSWORDS};

/// What the environment of the variables begins with.
const OURS: &str = "ORDAIN_";
/// Two names are near each other from there on (Jaro and Winkler).
const NEAR: f64 = 0.8;
/// Variables of 0.1, which work until 1.0, and what each is called now.
const RENAMED: [(&str, &str); 1] = [("ORDAIN_ELECTABLE", "ORDAIN_PROMOTABLE")];
/// The subcommand that clap adds.
const HELP: &str = "help";
/// How much of a value is shown, in characters.
const LONGEST_SHOWN: usize = 200;

/// The arguments and the environment of this process.
pub struct Given<'a> {
    /// The words of the command line, the program's name included.
    pub words: &'a [OsString],
    /// Every variable that is set.
    pub variables: &'a [(OsString, OsString)],
}

impl Given<'_> {
    /// What a variable is set to.
    pub fn variable(&self, name: &OsStr) -> Option<&OsStr> {
        self.variables.iter().find(|(own, _)| own == name).map(|(_, value)| &**value)
    }

    /// Whether a flag is on the command line, and not in the command that follows it.
    fn has_flag(&self, flag: &str) -> bool {
        let flag = format!("--{flag}");
        let is_it = |word: &OsString| {
            let word = word.to_string_lossy();
            word.strip_prefix(&flag).is_some_and(|rest| rest.is_empty() || rest.starts_with('='))
        };
        self.words.iter().take_while(|word| *word != "--").any(is_it)
    }

    /// The variable by which an argument was set, and its value; none where its flag was.
    fn variable_of(&self, argument: &Arg) -> Option<(String, String)> {
        let name = argument.get_env()?;
        let value = self.variable(name)?;
        let mut flags = argument.get_long().into_iter().chain(argument.get_all_aliases().unwrap_or_default());
        let is_by_flag = flags.any(|flag| self.has_flag(flag));
        (!is_by_flag).then(|| (name.to_string_lossy().into_owned(), value.to_string_lossy().into_owned()))
    }

    /// The command line where each variable that is set by its old name alone is read by that.
    pub fn by_old_names(&self, command: Command) -> Command {
        let is_set = |name: &str| self.variable(OsStr::new(name)).is_some();
        let by_old: Vec<_> = RENAMED.iter().filter(|(old, new)| is_set(old) && !is_set(new)).collect();
        command.mut_subcommands(|subcommand| {
            subcommand.mut_args(|argument| {
                let old = by_old.iter().find(|(_, new)| argument.get_env() == Some(OsStr::new(new)));
                match old {
                    Some((old, _)) => argument.env(*old),
                    None => argument,
                }
            })
        })
    }

    /// What is wrong or will be with the variables that are set by their old names.
    fn renamed(&self, command: &Command) -> Vec<String> {
        let takes = |name: &str| self.arguments(command).any(|argument| argument.get_env() == Some(OsStr::new(name)));
        let called = RENAMED.iter().filter(|(old, new)| takes(old) || takes(new));
        let warnings = called.filter_map(|(old, new)| {
            let value = self.variable(OsStr::new(old))?;
            let quoted = |name: &str, value: &OsStr| quoted(name, &value.to_string_lossy());
            match self.variable(OsStr::new(new)) {
                None => Some(format!("{old} is called {new} now: rename it, 1.0 will not know it")),
                Some(now) if now != value => {
                    Some(format!("{} does nothing beside {}: remove it", quoted(old, value), quoted(new, now)))
                }
                Some(_) => None,
            }
        });
        warnings.collect()
    }

    /// The arguments of the subcommand that is called.
    fn arguments<'c>(&self, command: &'c Command) -> impl Iterator<Item = &'c Arg> {
        let called = self.words.get(1).and_then(|word| command.find_subcommand(word));
        called.into_iter().flat_map(Command::get_arguments)
    }

    /// How errors are written, before it is known whether the command line can be read.
    pub fn log_format(&self) -> Form {
        let before = |word: &&OsString| **word != "--";
        let mut words = self.words.iter().take_while(before);
        let by_flag = words.by_ref().find_map(|word| match word.to_str()?.strip_prefix("--log-format")? {
            "" => Some(None),
            value => Some(value.strip_prefix('=').map(OsStr::new)),
        });
        let format = match by_flag {
            Some(Some(value)) => Some(value),
            Some(None) => words.next().map(|word| &**word),
            None => self.variable(OsStr::new("ORDAIN_LOG_FORMAT")),
        };
        if format == Some(OsStr::new("json")) { Form::Json } else { Form::Text }
    }

    /// What to warn of: the variables that have another name now, and those that no subcommand knows, one warning for
    /// each, and one for all that Kubernetes has set for a Service.
    pub fn warnings(&self, command: &Command) -> Vec<String> {
        let mut warnings = self.renamed(command);
        warnings.extend(self.unknown(command));
        warnings
    }

    fn unknown(&self, command: &Command) -> Vec<String> {
        let arguments = command.get_subcommands().flat_map(Command::get_arguments);
        let mut known: Vec<_> = arguments.filter_map(|argument| argument.get_env()?.to_str()).collect();
        known.extend(PASSWORDS);
        known.extend(RENAMED.iter().map(|(_, new)| new));
        let text = |word: &OsString| word.to_string_lossy().into_owned();
        let mut unknown: Vec<_> = self.variables.iter().map(|(name, value)| (text(name), text(value))).collect();
        let is_old = |name: &str| RENAMED.iter().any(|(old, _)| *old == name);
        unknown.retain(|(name, _)| name.starts_with(OURS) && !known.contains(&&**name) && !is_old(name));
        unknown.sort();
        let (of_services, unknown): (Vec<_>, Vec<_>) =
            unknown.into_iter().partition(|(name, value)| is_of_a_service(name, value));
        let mut warnings: Vec<_> = unknown
            .iter()
            .map(|(name, _)| {
                // The prefix, which all have, would make any two alike.
                let alike = |known: &str| strsim::jaro_winkler(known.trim_start_matches(OURS), name.trim_start_matches(OURS));
                let nearest = known.iter().map(|known| (alike(known), known));
                let nearest = nearest.filter(|(near, _)| *near > NEAR).max_by(|one, other| one.0.total_cmp(&other.0));
                let hint = nearest.map_or("remove it".to_owned(), |(_, known)| format!("did you mean {known}?"));
                format!("{} is no variable of ordain's, and does nothing: {hint}", shown(name))
            })
            .collect();
        if !of_services.is_empty() {
            let names: Vec<_> = of_services.iter().map(|(name, _)| &**name).collect();
            let names = shown(&names.join(", "));
            warnings.push(format!("Kubernetes has set {names} for a Service: set `enableServiceLinks: false` in the pod"));
        }
        warnings
    }

    /// What clap found wrong, in one line that names what was set.
    pub fn explain(&self, command: &Command, error: &clap::Error) -> String {
        let text = |kind| match error.get(kind) {
            Some(ContextValue::String(text)) => Some(text.clone()),
            Some(ContextValue::Strings(texts)) => texts.first().cloned(),
            _ => None,
        };
        let called = self.words.get(1).and_then(|word| command.find_subcommand(word));
        let called = called.filter(|called| called.get_name() != HELP);
        let program = called.map_or("ordain".to_owned(), |called| format!("ordain {}", called.get_name()));
        let did_you_mean = |hint: Option<String>| hint.map(|hint| format!(": did you mean {hint}?")).unwrap_or_default();
        let invalid = text(ContextKind::InvalidArg).unwrap_or_default();
        let wrong = match error.kind() {
            ErrorKind::ValueValidation | ErrorKind::InvalidValue => return self.wrong_argument(command, &invalid, error),
            ErrorKind::UnknownArgument if invalid.starts_with('-') => {
                format!("{} is no flag of {program}{}", shown(&invalid), did_you_mean(text(ContextKind::SuggestedArg)))
            }
            ErrorKind::UnknownArgument => format!("`{}` is an argument too many", shown(&invalid)),
            ErrorKind::InvalidSubcommand => {
                let word = text(ContextKind::InvalidSubcommand).unwrap_or_default();
                format!("`{}` is no subcommand of ordain{}", shown(&word), did_you_mean(text(ContextKind::SuggestedSubcommand)))
            }
            ErrorKind::MissingSubcommand => {
                let names: Vec<_> = command.get_subcommands().map(Command::get_name).filter(|name| *name != HELP).collect();
                format!("a subcommand is missing: one of {}", names.join(", "))
            }
            ErrorKind::ArgumentConflict => {
                let other = text(ContextKind::PriorArg).unwrap_or_default();
                match (self.name_of(command, &invalid), self.name_of(command, &other)) {
                    (one, other) if one == other => format!("{one} is given twice: give it once"),
                    (one, other) => format!("{one} and {other} exclude each other: remove one"),
                }
            }
            ErrorKind::MissingRequiredArgument => match invalid.trim_matches(['<', '>']).split('|').collect::<Vec<_>>()[..] {
                [_] => format!("{} is missing", self.missing(command, &invalid)),
                ref several => format!("one of {} is missing", several.join(", ")),
            },
            _ => one_line(error).trim_start_matches("error: ").to_owned(),
        };
        format!("{wrong} (see `{program} --help`)")
    }

    /// What is wrong with the value of an argument, which clap has named.
    fn wrong_argument(&self, command: &Command, named: &str, error: &clap::Error) -> String {
        let argument = self.arguments(command).find(|argument| argument.to_string() == named);
        let value = match error.get(ContextKind::InvalidValue) {
            Some(ContextValue::String(value)) => &**value,
            _ => "",
        };
        match argument.and_then(|argument| self.variable_of(argument)) {
            Some((name, value)) => wrong_value(&name, &value, error),
            None if value.is_empty() && error.kind() == ErrorKind::InvalidValue => {
                format!("{} needs a value", self.name_of(command, named))
            }
            None => wrong_value(&self.name_of(command, named), value, error),
        }
    }

    /// An argument as the user wrote it: its variable, else its flag, else its place.
    fn name_of(&self, command: &Command, named: &str) -> String {
        let argument = self.arguments(command).find(|argument| argument.to_string() == named);
        let variable = argument.and_then(|argument| self.variable_of(argument));
        let flag = || Some(format!("--{}", argument?.get_long()?));
        variable.map(|(name, _)| name).or_else(flag).unwrap_or_else(|| named.to_owned())
    }

    /// An argument that nobody wrote: its flag with its variable, else its place.
    fn missing(&self, command: &Command, named: &str) -> String {
        let argument = self.arguments(command).find(|argument| argument.to_string() == named);
        let variable = argument.and_then(|argument| argument.get_env()?.to_str());
        let name = self.name_of(command, named);
        variable.map_or(name.clone(), |variable| format!("{name} ({variable})"))
    }

    /// The first value that is empty, or has white space around it: nobody means that.
    pub fn blank(&self, command: &Command, matches: &ArgMatches) -> Option<String> {
        let (_, matches) = matches.subcommand()?;
        let has_value = |argument: &&Arg| argument.get_action().takes_values() && argument.get_long().is_some();
        self.arguments(command).filter(has_value).find_map(|argument| {
            let id = argument.get_id().as_str();
            let source = matches.value_source(id).filter(|source| *source != ValueSource::DefaultValue)?;
            let is_blank = |value: &&OsStr| value.is_empty() || value.to_string_lossy().trim() != value.to_string_lossy();
            let item = matches.get_raw(id)?.find(is_blank)?.to_string_lossy().into_owned();
            let name = match (source, argument.get_env(), argument.get_long()) {
                (ValueSource::EnvVariable, Some(name), _) => name.to_string_lossy().into_owned(),
                (_, _, Some(flag)) => format!("--{flag}"),
                _ => argument.to_string(),
            };
            let whole = self.variable_of(argument).map_or(item.clone(), |(_, whole)| whole);
            Some(blank(&name, &whole, &item))
        })
    }
}

/// How a setting was given, for messages: `ORDAIN_QUORUM="5"`, else its flag.
pub fn setting(flag: &str, variable: &str) -> String {
    let (words, variables) = (std::env::args_os().collect::<Vec<_>>(), std::env::vars_os().collect::<Vec<_>>());
    let given = Given { words: &words, variables: &variables };
    match given.variable(OsStr::new(variable)).filter(|_| !given.has_flag(flag)) {
        Some(value) => quoted(variable, &value.to_string_lossy()),
        None => format!("--{flag}"),
    }
}

/// What Kubernetes sets for a Service (`enableServiceLinks`): `X_SERVICE_HOST`, `X_SERVICE_PORT…`, `X_PORT=tcp://…`,
/// `X_PORT_6379_TCP…`.
fn is_of_a_service(name: &str, value: &str) -> bool {
    let has_number = name.split("_PORT_").skip(1).any(|rest| rest.starts_with(|first: char| first.is_ascii_digit()));
    is_link(value) || name.ends_with("_SERVICE_HOST") || name.contains("_SERVICE_PORT") || has_number
}

fn is_link(value: &str) -> bool {
    ["tcp://", "udp://", "sctp://"].iter().any(|scheme| value.starts_with(scheme))
}

/// `NAME="value"`, as the user sees it in a manifest.
fn quoted(name: &str, value: &str) -> String {
    format!("{name}=\"{}\"", shown(value))
}

pub fn shown(text: &str) -> String {
    text.escape_debug().take(LONGEST_SHOWN).collect()
}

fn blank(name: &str, whole: &str, item: &str) -> String {
    let set = quoted(name, whole);
    match item.trim() {
        "" if whole.contains(',') => format!("{set} has an empty item: remove the comma"),
        "" => format!("{set} is empty: give a value, or leave it away"),
        _ => format!("{set} has white space around `{}`: remove it", shown(item.trim())),
    }
}

fn wrong_value(name: &str, value: &str, error: &clap::Error) -> String {
    let set = if name.starts_with('<') { format!("`{}`", shown(value)) } else { quoted(name, value) };
    if is_link(value) {
        return format!("{set} is what Kubernetes sets for a Service: set `enableServiceLinks: false` in the pod");
    }
    let item = match error.get(ContextKind::InvalidValue) {
        Some(ContextValue::String(item)) => &**item,
        _ => value,
    };
    if item.trim().is_empty() {
        return blank(name, value, item);
    }
    if let Some(ContextValue::Strings(possible)) = error.get(ContextKind::ValidValue) {
        return format!("{set} is none of {}", possible.join(", "));
    }
    let why = std::error::Error::source(error).map(ToString::to_string).unwrap_or_default();
    let is = |predicate: &str| format!("{set} is {predicate}");
    match why.strip_prefix(&format!("{item} is not in ")).and_then(|range| range.split_once("..=")) {
        Some((least, "4294967295")) => is(&format!("less than {least}")),
        Some((least, most)) => is(&format!("not from {least} to {most}")),
        None if why.contains("invalid digit") => is("not a number"),
        None if why.contains("number too") => is("too large a number"),
        None if why.contains("not a boolean") => is("neither true nor false"),
        None if why.contains("invalid IP address") => is("not an IP address"),
        None if ["not ", "no ", "less ", "more "].iter().any(|start| why.starts_with(start)) => is(&why),
        None => format!("{set}: {why}"),
    }
}

/// clap explains itself in several paragraphs, the last of which are the usage and where help is.
fn one_line(error: &clap::Error) -> String {
    let text = error.to_string();
    let said = text.split("\n\n").take_while(|part| !part.starts_with("Usage:") && !part.starts_with("For more"));
    let said: Vec<_> = said.map(|part| part.split_whitespace().collect::<Vec<_>>().join(" ")).collect();
    said.join("; ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::command;

    fn strings(pairs: &[(&str, &str)]) -> Vec<(OsString, OsString)> {
        pairs.iter().map(|(name, value)| (OsString::from(name), OsString::from(value))).collect()
    }

    fn unknown(variables: &[(&str, &str)]) -> Vec<String> {
        Given { words: &[], variables: &strings(variables) }.unknown(&command())
    }

    #[test]
    fn every_variable_that_a_subcommand_knows_is_known() {
        let command = command();
        let arguments = command.get_subcommands().flat_map(Command::get_arguments);
        let names = arguments.filter_map(|argument| argument.get_env()?.to_str());
        let known: Vec<_> = names.chain(PASSWORDS).map(|name| (name, "x")).collect();
        assert!(known.len() > 30);
        assert_eq!(unknown(&known), Vec::<String>::new());
    }

    #[test]
    fn an_unknown_variable_is_told_with_the_nearest_known_one() {
        let told = unknown(&[("ORDAIN_SELECTR", "app=redis"), ("ORDAIN_XYZZY", "1"), ("OTHER", ""), ("POD_NAMES", "")]);
        assert_eq!(
            told,
            [
                "ORDAIN_SELECTR is no variable of ordain's, and does nothing: did you mean ORDAIN_SELECTOR?",
                "ORDAIN_XYZZY is no variable of ordain's, and does nothing: remove it",
            ]
        );
    }

    #[test]
    fn what_kubernetes_sets_for_services_is_told_once_together() {
        let links = [
            ("ORDAIN_SERVICE_HOST", "10.0.0.1"),
            ("ORDAIN_SERVICE_PORT", "6379"),
            ("ORDAIN_SERVICE_PORT_REDIS", "6379"),
            ("ORDAIN_PORT_6379_TCP", "tcp://10.0.0.1:6379"),
            ("ORDAIN_PORT_6379_TCP_ADDR", "10.0.0.1"),
            ("ORDAIN_METRICS_PORT", "udp://10.0.0.1:9121"),
        ];
        let told = unknown(&links);
        assert!(
            matches!(&told[..], [one] if links.iter().all(|(name, _)| one.contains(name)) && one.contains("enableServiceLinks: false")),
            "{told:?}"
        );
    }

    #[test]
    fn json_is_asked_for_by_the_flag_else_by_the_variable_and_never_by_the_command() {
        let format = |words: &[&str], variables: &[(&str, &str)]| {
            let words: Vec<_> = words.iter().map(OsString::from).collect();
            Given { words: &words, variables: &strings(variables) }.log_format()
        };
        let json = [("ORDAIN_LOG_FORMAT", "json")];
        assert_eq!(format(&["ordain", "reconcile", "--log-format", "json"], &[]), Form::Json);
        assert_eq!(format(&["ordain", "reconcile", "--log-format=json", "--nonsense"], &[]), Form::Json);
        assert_eq!(format(&["ordain", "nonsense"], &json), Form::Json);
        assert_eq!(format(&["ordain", "reconcile", "--log-format=text"], &json), Form::Text);
        assert_eq!(format(&["ordain", "genconf-redis", "--", "x", "--log-format=json"], &[]), Form::Text);
    }
}
