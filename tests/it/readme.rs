//! What the README and the pages of `docs` promise: that what they name is there, and that what they show runs.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use testbed::manifests::kustomize;
use testbed::repository;

use crate::ordain;

/// Every page that people read: README, CONTRIBUTING, CHANGELOG, `docs` and the manifests' READMEs.
fn pages() -> Vec<PathBuf> {
    let mut pages: Vec<_> = ["README.md", "CONTRIBUTING.md", "CHANGELOG.md"].map(|name| repository().join(name)).into();
    pages.extend(files(&repository().join("docs"), "md"));
    pages.extend(files(&repository().join("manifests"), "md"));
    pages
}

/// Every file below a folder with this extension.
fn files(folder: &Path, extension: &str) -> Vec<PathBuf> {
    let paths = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let below = |path: PathBuf| match path.extension() {
        _ if path.is_dir() => files(&path, extension),
        Some(own) if own == extension => vec![path],
        _ => Vec::new(),
    };
    paths.flat_map(below).collect()
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn page(name: &str) -> String {
    read(&repository().join(name))
}

/// The lines of a page's prose, or those of its examples.
fn lines(page: &str, of_examples: bool) -> Vec<&str> {
    let mut is_example = false;
    let mut kept = Vec::new();
    for line in page.lines() {
        if line.trim_start().starts_with("```") {
            is_example = !is_example;
        } else if is_example == of_examples {
            kept.push(line);
        }
    }
    kept
}

/// Where a page's links and pictures lead.
fn links(page: &str) -> Vec<&str> {
    let after = |line| str::split(line, "](").skip(1);
    lines(page, false).into_iter().flat_map(after).filter_map(|rest| rest.split_once(')')).map(|(link, _)| link).collect()
}

/// The anchors that GitHub gives to a page's headings.
fn anchors(page: &str) -> BTreeSet<String> {
    let headings = lines(page, false).into_iter().filter(|line| line.starts_with('#'));
    let kept = |letter: &char| letter.is_alphanumeric() || "-_ ".contains(*letter);
    let anchor = |heading: &str| heading.trim_start_matches('#').trim().to_lowercase().chars().filter(kept).collect::<String>();
    headings.map(|heading| anchor(heading).replace(' ', "-")).collect()
}

#[test]
fn every_link_leads_to_a_file_and_to_a_heading_that_there_are() {
    let mut followed = 0;
    for path in pages() {
        let here = read(&path);
        for link in links(&here).into_iter().filter(|link| !link.contains("://")) {
            let (file, anchor) = link.split_once('#').map_or((link, None), |(file, anchor)| (file, Some(anchor)));
            let target = if file.is_empty() { path.clone() } else { path.with_file_name(file) };
            assert!(target.exists(), "{}: there is no {link}", path.display());
            let is_there = |anchor: &str| target.is_file() && anchors(&read(&target)).contains(anchor);
            assert!(anchor.is_none_or(is_there), "{}: no heading for {link}", path.display());
            followed += 1;
        }
    }
    assert!(followed > 100, "only {followed} links");
}

#[test]
fn the_readme_and_each_page_are_short() {
    let docs = files(&repository().join("docs"), "md").into_iter().map(|path| (path, 250));
    for (path, most) in docs.chain([(repository().join("README.md"), 150)]) {
        let count = read(&path).lines().count();
        assert!(count <= most, "{}: {count} lines, at most {most}", path.display());
    }
}

/// What a run prints on stdout, without any variable.
fn printed(words: &[&str]) -> String {
    let output = Command::new(ordain()).args(words).env_clear().output().unwrap();
    assert!(output.status.success(), "ordain {words:?}: {output:?}");
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn every_subcommand_flag_and_variable_is_on_the_page_of_the_configuration() {
    let page = page("docs/configuration.md");
    let help = printed(&["--help"]);
    let (_, rest) = help.split_once("Commands:").unwrap();
    let subcommands = rest.lines().skip(1).take_while(|line| !line.is_empty()).filter_map(|line| line.split_whitespace().next());
    // It takes no flags.
    let subcommands = subcommands.filter(|subcommand| *subcommand != "help");
    let mut found = BTreeSet::new();
    for subcommand in subcommands {
        assert!(page.contains(&format!("`ordain {subcommand}")) || page.contains(&format!("| `{subcommand}`")), "{subcommand}");
        let help = printed(&[subcommand, "--help"]);
        let words = help.split(|letter: char| !(letter.is_ascii_alphanumeric() || "-_".contains(letter)));
        let is_setting =
            |word: &&str| word.starts_with("--") && word.len() > 2 || word.starts_with("ORDAIN_") || word.starts_with("POD_");
        found.extend(words.filter(is_setting).filter(|word| *word != "--help").map(str::to_owned));
    }
    for setting in &found {
        let is_named = |span: &str| span.split([' ', '=', ',']).next() == Some(setting);
        assert!(page.split('`').skip(1).step_by(2).any(is_named), "docs/configuration.md has no row for {setting}");
    }
    assert!(found.len() > 60, "only {} settings", found.len());
}

#[test]
fn what_is_shown_of_a_dry_run_runs_as_it_stands() {
    let page = page("docs/configuration.md");
    let commands: Vec<_> = lines(&page, true).into_iter().filter_map(|line| line.strip_prefix("$ ordain ")).collect();
    assert_eq!(commands.len(), 3);
    for command in commands {
        let words: Vec<_> = command.split_whitespace().collect();
        assert_ne!(printed(&words), "", "{command}");
    }
}

#[test]
fn every_target_and_folder_that_an_example_names_is_there() {
    let makefile = page("Makefile");
    let mut tried = 0;
    for path in pages() {
        let text = read(&path);
        for line in lines(&text, true) {
            let command: Vec<_> = line.split('#').next().unwrap_or_default().split_whitespace().collect();
            match command[..] {
                ["make", ref targets @ ..] => {
                    for target in targets.iter().filter(|target| !target.contains('=')) {
                        assert!(
                            makefile.lines().any(|line| line.starts_with(&format!("{target}:"))),
                            "{}: {line}",
                            path.display()
                        );
                        tried += 1;
                    }
                }
                ["kubectl", "apply", "-k", folder] => {
                    assert!(repository().join(folder).join("kustomization.yaml").is_file(), "{}: {line}", path.display());
                    tried += 1;
                }
                _ => {}
            }
        }
    }
    assert!(tried > 15, "only {tried}");
}

#[test]
fn the_overlay_of_the_readme_builds_and_changes_what_it_says() {
    let readme = page("README.md");
    let (_, rest) = readme.split_once("```yaml\n").unwrap();
    let (overlay, _) = rest.split_once("```").unwrap();
    let folder = tempfile::tempdir().unwrap();
    // Beside the manifests it stands one folder below the repository; kustomize takes no absolute paths.
    let depth = folder.path().canonicalize().unwrap().components().count() - 1;
    let root = format!("{}{}", "../".repeat(depth), repository().strip_prefix("/").unwrap().display());
    std::fs::write(folder.path().join("kustomization.yaml"), overlay.replace("../manifests", &format!("{root}/manifests")))
        .unwrap();
    let built = kustomize(folder.path());
    let of_kind = |kind: &str| built.iter().filter(|object| object["kind"] == kind).collect::<Vec<_>>();
    let redis = of_kind("StatefulSet")[0];
    assert_eq!(redis["metadata"]["namespace"], "prod");
    assert_eq!(redis["spec"]["volumeClaimTemplates"][0]["spec"]["resources"]["requests"]["storage"], "10Gi");
    let container = &redis["spec"]["template"]["spec"]["containers"][0];
    assert_eq!((&container["name"], &container["resources"]["limits"]["memory"]), (&"redis".into(), &"4Gi".into()));
    let settings = of_kind("ConfigMap").into_iter().map(|map| &map["data"]);
    assert!(settings.filter(|data| data["ORDAIN_DOWN_AFTER"] == "3s" && data["ORDAIN_GROUP"] == "redis").count() == 1);
    assert_eq!(of_kind("NetworkPolicy").len(), 1);
}
