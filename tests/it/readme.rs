//! What the README promises.

use testbed::repository;

/// Every file of Rust below a folder, as one text.
fn source(folder: &std::path::Path) -> String {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let read = |path: std::path::PathBuf| match path.extension() {
        _ if path.is_dir() => source(&path),
        Some(extension) if extension == "rs" => std::fs::read_to_string(path).unwrap(),
        _ => String::new(),
    };
    entries.map(read).collect()
}

#[test]
fn every_rule_names_a_test_that_there_is() {
    let readme = std::fs::read_to_string(repository().join("README.md")).unwrap();
    let (_, rules) = readme.split_once("| rule | test |").unwrap();
    let rows = rules.lines().skip(2).take_while(|line| line.starts_with('|'));
    let source = ["src", "tests", "model"].map(|folder| source(&repository().join(folder))).concat();
    let mut named = 0;
    for row in rows {
        let (_, tests) = row.trim_end_matches(" |").rsplit_once('|').unwrap();
        for test in tests.split('`').skip(1).step_by(2) {
            assert!(source.contains(&format!("fn {test}(")), "there is no test `{test}`");
            named += 1;
        }
        assert!(tests.contains('`'), "a rule without a test: {row}");
    }
    assert!(named > 20, "only {named} tests are named");
}
