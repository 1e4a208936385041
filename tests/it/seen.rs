//! What the user sees: exit code, stdout and stderr of whole runs, without a cluster or a network.
//! A folder with a file `args` is a test, with the variables that its file `env` names and no
//! others; one under `fails` must exit with 2, say why in one line, and write nothing.

use std::path::{Path, PathBuf};
use std::process::Command;

use rstest::rstest;

use crate::ordain;

/// What a report says of the time of its run.
const NOW: &str = "\"now\":\"";

#[rstest]
fn a_run_is_seen_as_it_was(#[files("tests/it/seen/*/args")] args: PathBuf) {
    let (seen, _) = run(&args);
    compare(&args, &seen);
}

#[rstest]
fn a_refusal_is_one_clear_line(#[files("tests/it/seen/fails/*/args")] args: PathBuf) {
    let folder = args.parent().unwrap();
    let before = entries(folder);
    let (seen, stderr) = run(&args);
    assert!(seen.starts_with("exit code: 2\n--- stdout\n--- stderr\nerror: "), "{seen}");
    assert_eq!(stderr.lines().count(), 1, "{stderr}");
    assert_eq!(entries(folder), before, "nothing is written");
    compare(&args, &seen);
}

/// Runs in the fixture's folder.
fn run(args: &Path) -> (String, String) {
    let words = std::fs::read_to_string(args).unwrap();
    let variables = std::fs::read_to_string(args.with_file_name("env")).unwrap_or_default();
    let variables = variables.lines().map(|line| line.split_once('=').unwrap());
    let output = Command::new(ordain())
        .args(words.split_whitespace())
        .current_dir(args.parent().unwrap())
        .env_clear()
        .envs(variables)
        .output()
        .unwrap();
    let hook = ordain().with_file_name("on-failover");
    let text = |bytes: &[u8]| {
        let text = String::from_utf8_lossy(bytes).replace(&*hook.to_string_lossy(), "/opt/ordain/on-failover");
        match text.split_once(NOW) {
            Some((before, after)) => format!("{before}{NOW}{}", &after[after.find('"').unwrap()..]),
            None => text,
        }
    };
    let (stdout, stderr) = (text(&output.stdout), text(&output.stderr));
    (format!("exit code: {}\n--- stdout\n{stdout}--- stderr\n{stderr}", output.status.code().unwrap()), stderr)
}

fn compare(args: &Path, seen: &str) {
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path(args.parent().unwrap());
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.bind(|| insta::assert_snapshot!("seen", seen));
}

fn entries(folder: &Path) -> Vec<PathBuf> {
    let mut entries: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    entries.retain(|path| path.extension().is_none_or(|extension| extension != "new"));
    entries.sort();
    entries
}
