//! Explores all settings, the large ones too, and prints a table.

use std::process::ExitCode;

use model::explore::{Found, check_recovery, check_safety};
use model::labels;
use model::setting::Setting;
use model::settings::{large, small};

/// How many steps are tried at most in one setting: about 3 GiB, and some minutes.
const LIMIT: usize = 12_000_000;

/// The search that says nothing where it was cut.
const RECOVERY: &str = "recovery";

fn main() -> ExitCode {
    println!("{:62} {:10} {:>9} {:>6} {:>8}  verdict", "setting", "search", "states", "depth", "seconds");
    let wrong = small().iter().chain(&large()).filter(|setting| !explore(setting)).count();
    let label_settings = labels::setting::small().into_iter().chain(labels::setting::large());
    let wrong_labels =
        label_settings.filter(|setting| !report(setting.name, "labels", &labels::explore::check_labels(setting, LIMIT))).count();
    if wrong + wrong_labels == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn explore(setting: &Setting) -> bool {
    let mut is_well = report(setting.name, "safety", &check_safety(setting, LIMIT));
    if setting.has_grace {
        is_well &= report(setting.name, RECOVERY, &check_recovery(setting, LIMIT / 4));
    }
    is_well
}

fn report(name: &str, search: &str, found: &Found) -> bool {
    let verdict = match (&found.wrong[..], found.is_complete) {
        ([], true) => "holds".to_owned(),
        // What was not explored may have been the way out.
        ([], false) if search == RECOVERY => "was cut: recovery was not checked".to_owned(),
        ([], false) => "holds as far as it was explored".to_owned(),
        (stories, _) => format!("not `{}`", stories[0].wrong),
    };
    let seconds = found.took.as_secs_f64();
    println!("{name:62} {search:10} {:>9} {:>6} {seconds:>8.1}  {verdict}", found.states, found.depth);
    for story in &found.wrong {
        println!("{story}");
    }
    found.wrong.is_empty()
}
