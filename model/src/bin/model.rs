use model::explore::{check_recovery, check_safety};
use model::setting::Faults;
use model::settings;
fn main() {
    let all = vec![
        settings::first_boot(Faults { ..Faults::NONE }),
        settings::first_boot_in_order(Faults { ..Faults::NONE }),
        settings::running(0, Faults { crashes: 1, ..Faults::NONE }),
        settings::power_cut([None; 3], Faults { ..Faults::NONE }),
    ];
    for s in all {
        let f = check_safety(&s, true);
        println!("{} safety {} depth {} {:?} {:?}", s.name, f.states, f.depth, f.took, f.wrong.len());
        for w in &f.wrong { println!("{w}"); }
        let f = check_recovery(&s);
        println!("{} recovery {} depth {} {:?} {:?}", s.name, f.states, f.depth, f.took, f.wrong.len());
        for w in &f.wrong { println!("{w}"); }
    }
}
