//! The catalogue is whole and well-formed, its tests exist, and `docs/rules.md` is made from it.

use std::collections::BTreeSet;
use std::fmt::Write;
use std::path::Path;

use testbed::repository;

use super::{RULES, Rule, START_MARKER, UNDECIDED, UNDECIDED_GROUP};
use crate::core::labels::Label;
use crate::core::rules::table::Table;
use crate::core::rules::{claims, disk, first_boot, lead, record, redis, repair, report, sentinel};

/// The source of every `.rs` file below a folder.
fn source(folder: &Path) -> String {
    let read = |path: &Path| std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let entries = std::fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let paths = entries.map(|entry| entry.unwrap().path());
    let below = |path: std::path::PathBuf| match path.extension() {
        _ if path.is_dir() => source(&path),
        Some(extension) if extension == "rs" => read(&path),
        _ => String::new(),
    };
    paths.map(below).collect()
}

/// A table's question, and its rows in order.
fn asked<T: Table>() -> (&'static str, Vec<&'static Rule>) {
    (T::QUESTION, T::ROWS.iter().map(|row| row.rule).collect())
}

/// Every table, in the order of the page.
fn tables() -> [(&'static str, Vec<&'static Rule>); 22] {
    [
        asked::<claims::NewestClaim>(),
        asked::<record::Outvoted>(),
        asked::<redis::BeforeAnyClaim>(),
        asked::<redis::Follow>(),
        asked::<redis::StartsPromotable>(),
        asked::<lead::OtherMaster>(),
        asked::<lead::OwnData>(),
        asked::<lead::MayLead>(),
        asked::<lead::LastResort>(),
        asked::<first_boot::WithoutClaim>(),
        asked::<first_boot::Adopts>(),
        asked::<disk::Report>(),
        asked::<report::Awaited>(),
        asked::<sentinel::BeforeAnyClaim>(),
        asked::<sentinel::Watches>(),
        asked::<repair::Members>(),
        asked::<repair::BesideMaster>(),
        asked::<repair::Diverged>(),
        asked::<repair::WithoutMaster>(),
        asked::<repair::Instead>(),
        asked::<repair::Withheld>(),
        asked::<Label>(),
    ]
}

/// What `docs/rules.md` says of the rules: the tables, then each rule with all that is known of it.
fn page() -> String {
    let mut page = "| question | rules, the first one that applies decides |\n|---|---|\n".to_owned();
    for (question, rules) in tables() {
        let rules: Vec<_> = rules.iter().map(|rule| format!("[`{0}`](#{0})", rule.id)).collect();
        writeln!(page, "| {question} | {} |", rules.join(", ")).unwrap();
    }
    for Rule { id, sentence, why, seen, remedy, test } in RULES {
        write!(page, "\n## {id}\n\n{sentence}<br>**Why**: {why}<br>**Seen**: {seen}<br>**Do**: {remedy}<br>**Test**: `{test}`\n")
            .unwrap();
    }
    page
}

#[test]
fn each_rule_has_an_id_of_its_own_in_kebab_case() {
    let ids: BTreeSet<_> = RULES.iter().map(|rule| rule.id).collect();
    assert_eq!(ids.len(), RULES.len(), "an id of two rules");
    for id in ids {
        let is_word = |word: &str| !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_lowercase());
        assert!(id.split('-').all(is_word), "{id}");
    }
}

#[test]
fn each_rule_is_said_in_whole_sentences_that_a_table_can_hold() {
    for Rule { id, sentence, why, seen, remedy, .. } in RULES {
        for text in [sentence, why, seen, remedy] {
            assert!(text.ends_with('.'), "{id}: {text}");
            assert!(!text.contains(['|', '<', '\n']) && text.matches('`').count() % 2 == 0, "{id}: {text}");
        }
    }
}

#[test]
fn each_rule_that_is_written_down_is_on_the_page() {
    let written = source(&repository().join("src/core/rules"));
    let count = written.lines().filter(|line| line.starts_with("pub const ") && line.ends_with(": Rule = Rule {")).count();
    assert_eq!(count, RULES.len());
}

/// These take their time from what waits: the last look before a start, and the deadline of a run.
#[test]
fn each_rule_is_a_row_of_a_table_but_those_of_a_run() {
    let rows: BTreeSet<_> = tables().into_iter().flat_map(|(_, rules)| rules).map(|rule| rule.id).collect();
    let of_a_run: Vec<_> = RULES.into_iter().filter(|rule| !rows.contains(rule.id)).collect();
    let ids = |rules: &[&Rule]| rules.iter().map(|rule| rule.id).collect::<Vec<_>>();
    assert_eq!(ids(&of_a_run), ids(&[&START_MARKER, &UNDECIDED_GROUP, &UNDECIDED]));
}

#[test]
fn each_rule_names_a_test_that_there_is() {
    let source: String = ["src", "model", "tests"].map(|folder| source(&repository().join(folder))).concat();
    for Rule { id, test, .. } in RULES {
        assert!(source.contains(&format!("fn {test}(")), "{id}: there is no test `{test}`");
    }
    let tests: BTreeSet<_> = RULES.iter().map(|rule| rule.test).collect();
    assert_eq!(tests.len(), RULES.len(), "one test for two rules");
}

#[test]
fn docs_are_current() {
    testbed::docs::keep("rules.md", "rules", &page());
}
