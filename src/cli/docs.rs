//! The tables of `docs/configuration.md` are made from the clap types.

use clap::{Arg, Command};

use super::headings::HEADINGS;

/// The subcommands that work on a group, and share most flags.
const ON_A_GROUP: [&str; 6] = ["genconf-redis", "genconf-sentinel", "on-failover", "reconcile", "handover", "forget"];
/// How the page calls the flags without a heading.
const OWN: &str = "Of single subcommands";

/// A flag, with the subcommands that take it in the same words.
struct Row {
    cells: [String; 4],
    subcommands: Vec<String>,
}

#[test]
fn docs_are_current() {
    let command = super::command();
    for heading in std::iter::once(None).chain(HEADINGS.map(Some)) {
        testbed::docs::keep("configuration.md", heading.unwrap_or(OWN), &table(&command, heading));
    }
}

fn table(command: &Command, heading: Option<&str>) -> String {
    let mut rows: Vec<Row> = Vec::new();
    for subcommand in command.get_subcommands() {
        let is_here = |argument: &&Arg| argument.get_help_heading() == heading && argument.get_id() != "help";
        for argument in subcommand.get_arguments().filter(is_here) {
            let (cells, name) = (cells(argument), subcommand.get_name().to_owned());
            match rows.iter_mut().find(|row| row.cells == cells) {
                Some(row) => row.subcommands.push(name),
                None => rows.push(Row { cells, subcommands: vec![name] }),
            }
        }
    }
    // The variants of a flag side by side, where the first of them is.
    let flags: Vec<_> = rows.iter().map(|row| row.cells[0].clone()).collect();
    rows.sort_by_key(|row| flags.iter().position(|flag| *flag == row.cells[0]));
    let lines = rows.iter().map(|Row { cells: [flag, variable, default, what], subcommands }| {
        format!("| {flag} | {variable} | {default} | {what} | {} |\n", taken_by(subcommands))
    });
    format!("| flag | variable | default | what it is for | taken by |\n|---|---|---|---|---|\n{}", lines.collect::<String>())
}

/// Its flag, its variable, its default, and what it is for.
fn cells(argument: &Arg) -> [String; 4] {
    let short = argument.get_short().map(|short| format!("`-{short}`, ")).unwrap_or_default();
    let value = argument.get_value_names().filter(|_| argument.get_action().takes_values()).unwrap_or_default();
    let value = value.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ");
    let flag = match argument.get_long() {
        Some(long) => format!("{short}`--{}`", format!("{long} {value}").trim_end()),
        None if argument.is_last_set() => format!("`-- {value}…`"),
        None => format!("`{value}`"),
    };
    let variable = argument.get_env().map(|name| format!("`{}`", name.to_string_lossy())).unwrap_or_default();
    let help = argument.get_help().map(ToString::to_string).unwrap_or_default();
    let (what, said) = help.split_once(" [default: ").map_or((&*help, ""), |(what, said)| (what, said.trim_end_matches(']')));
    let long = argument.get_long_help().map(ToString::to_string).unwrap_or_default();
    let more = long.strip_prefix(&help).unwrap_or_default().split_whitespace().collect::<Vec<_>>().join(" ");
    let default: Vec<_> = argument.get_default_values().iter().map(|value| format!("`{}`", value.to_string_lossy())).collect();
    let default = if default.is_empty() { plain(said) } else { default.join(", ") };
    let values = argument.get_possible_values();
    let values = values
        .iter()
        .filter(|_| argument.get_action().takes_values())
        .filter_map(|value| Some(format!("`{}`: {}", value.get_name(), plain(&value.get_help()?.to_string()))));
    let parts = [plain(what), plain(more.trim_end_matches('.')), values.collect::<Vec<_>>().join("; ")];
    let parts: Vec<_> = parts.into_iter().filter(|part| !part.is_empty()).collect();
    [flag, variable, default, parts.join(". ")].map(|cell| cell.replace('|', "\\|"))
}

fn taken_by(subcommands: &[String]) -> String {
    let is_on_a_group = |name: &String| ON_A_GROUP.contains(&&**name);
    let are_all = subcommands.iter().filter(|name| is_on_a_group(name)).count() == ON_A_GROUP.len();
    let named = subcommands.iter().filter(|name| !are_all || !is_on_a_group(name)).map(|name| format!("`{name}`"));
    are_all.then(|| "all six".to_owned()).into_iter().chain(named).collect::<Vec<_>>().join(", ")
}

/// A place holder such as `<group>` is no tag of HTML.
fn plain(text: &str) -> String {
    text.replace('<', "\\<")
}
