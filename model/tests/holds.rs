//! With all rules in force nothing goes wrong, in any small setting.

use model::explore::{Found, check_recovery, check_safety};
use model::settings::small;

/// More than any small setting needs.
const LIMIT: usize = 3_000_000;

fn assert_well(name: &str, found: &Found) {
    for story in &found.wrong {
        println!("{story}");
    }
    assert!(found.wrong.is_empty(), "{name}: the way to it is printed above");
    assert!(found.is_complete, "{name}: more than {LIMIT} states");
}

#[test]
fn no_second_master_no_lost_write_and_no_epoch_with_two_masters() {
    for setting in small() {
        let found = check_safety(&setting, LIMIT);
        println!("{:60} {:>8} states, depth {:>3}, {:.1?}", setting.name, found.states, found.depth, found.took);
        assert_well(setting.name, &found);
    }
}

#[test]
fn whatever_has_happened_the_group_gets_well() {
    for setting in small().into_iter().filter(|setting| setting.has_grace) {
        let found = check_recovery(&setting, LIMIT);
        println!("{:60} {:>8} states, depth {:>3}, {:.1?}", setting.name, found.states, found.depth, found.took);
        assert_well(setting.name, &found);
    }
}
