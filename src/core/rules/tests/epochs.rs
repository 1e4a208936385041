//! Epochs that cannot be: no claims, and no obstacles.

use super::given::*;
use super::*;
use crate::core::decision::StartAs::{Follow, Lead, Undecided};
use crate::core::epoch::{LARGEST, LEAP};
use crate::core::evidence::SentinelAnswer;
use crate::core::invalid::findings;

/// Each shape, beside epochs of a few failovers.
const ABSURD: [u64; 5] = [u64::MAX, u64::MAX - 1, i64::MAX as u64, LARGEST + 1, 9 * LEAP];

#[test]
fn a_true_claim_counts_beside_one_with_an_epoch_that_cannot_be() {
    for forged in ABSURD {
        let council = [calm(1, 5), calm(1, 5), calm(2, forged)];
        assert_eq!(redis(0).record(present(1, 5)).sentinels(council.clone()).decide(), (Follow(claim(1, 5)), None), "{forged}");
        assert_eq!(redis(0).record(present(0, 4)).sentinels(council).role(), Follow(claim(1, 5)), "{forged}");
        let alone = redis(0).record(present(1, 5)).sentinels([silent(), silent(), calm(2, forged)]);
        assert_eq!(alone.role(), Follow(claim(1, 5)), "{forged}");
    }
}

#[test]
fn an_epoch_that_cannot_be_is_believed_where_nobody_else_says_anything_but_never_beyond_the_largest() {
    let alone = |epoch| redis(0).record(UNKNOWN).sentinels([silent(), silent(), calm(2, epoch)]).role();
    assert_eq!(alone(9 * LEAP), Follow(claim(2, 9 * LEAP)));
    assert_eq!(alone(LARGEST + 1), Undecided);
}

#[test]
fn a_majority_with_epochs_that_cannot_be_outvotes_the_record_where_it_names_the_only_living_master() {
    for forged in &ABSURD[..4] {
        let council = [calm(1, *forged), calm(1, *forged), calm(0, 5)];
        let evidence = redis(2).record(present(0, 5)).sentinels(council).beside(1, MASTER).beside(0, refused());
        assert_eq!(evidence.decide(), (Follow(claim(1, 6)), Some(claim(1, 6))), "{forged}");
        assert_eq!(outvoted(Rules::ALL, &evidence), Some(claim(1, 6)));
        assert_eq!(failed_over(&evidence), Some(claim(1, 6)));
        let silent_holder = evidence.but(|evidence| evidence.peer_mut(0).heard = silent());
        assert_eq!(outvoted(Rules::ALL, &silent_holder), None, "who is only silent may live");
    }
}

#[test]
fn a_foreign_address_at_an_epoch_that_cannot_be_holds_nobody_up() {
    for forged in ABSURD {
        let foreign = watching("192.0.2.77", forged, |_| {});
        let evidence = redis(2).record(present(1, 5)).sentinels([calm(1, 5), calm(1, 5), foreign]);
        assert_eq!(evidence.role(), Follow(claim(1, 5)), "{forged}");
    }
}

#[test]
fn the_holder_leads_beside_an_epoch_that_cannot_be() {
    for forged in ABSURD {
        let evidence = power_cut().sentinels([calm(1, 5), calm(1, 5), calm(1, forged)]).past_any_failover();
        assert_eq!(evidence.decide(), (Lead(claim(1, 5)), None), "{forged}");
    }
}

#[test]
fn a_record_with_an_epoch_that_cannot_be_is_moved_by_a_true_claim_and_mended_where_it_is_right() {
    for forged in &ABSURD[..4] {
        let record = || present(0, *forged);
        let moved = redis(2).record(record()).sentinels([calm(1, 3), calm(1, 3), calm(0, 2)]).beside(1, MASTER);
        assert_eq!(moved.decide(), (Follow(claim(1, 3)), Some(claim(1, 3))), "{forged}");
        let mended = redis(2).record(record()).sentinels([calm(0, 3), calm(0, 3), calm(0, 3)]).beside(0, MASTER);
        assert_eq!(mended.decide(), (Follow(claim(0, 3)), Some(claim(0, 3))), "{forged}");
        let alone = redis(2).record(record()).sentinels([UNAWARE, UNAWARE, UNAWARE]).beside(0, MASTER);
        assert_eq!(alone.decide(), (Follow(claim(0, 0)), Some(claim(0, 0))), "{forged}");
    }
}

#[test]
fn a_sentinels_own_file_with_an_epoch_that_cannot_be_is_no_claim() {
    for forged in ABSURD {
        let evidence = sentinel().record(present(1, 5)).sentinels([calm(1, 5), silent(), silent()]).kept("redis-2", forged);
        assert_eq!(evidence.decide(), (Follow(claim(1, 5)), None), "{forged}");
    }
}

#[test]
fn without_a_record_an_epoch_that_cannot_be_makes_no_first_boot() {
    let forged = redis(0).record(RecordSeen::NotKept).sentinels([calm(1, u64::MAX), calm(1, u64::MAX), calm(1, u64::MAX)]);
    assert_eq!(forged.role(), Undecided);
    let lives = forged.but(|evidence| evidence.peer_mut(1).heard = MASTER);
    assert_eq!(lives.role(), Follow(claim(1, 0)));
}

#[test]
fn the_epoch_after_the_largest_is_the_largest() {
    let evidence = redis(0).record(present(0, LARGEST)).sentinels([UNAWARE, UNAWARE, UNAWARE]).beside(1, MASTER);
    assert_eq!(evidence.role(), Follow(claim(1, LARGEST)));
}

#[test]
fn what_cannot_be_is_said_with_its_source_and_what_to_do() {
    let council = [calm(1, u64::MAX), calm(1, 5), calm(1, 5 + LEAP)];
    let evidence = sentinel().record(present(1, 5)).sentinels(council).kept("redis-2", u64::MAX);
    let found = findings(&evidence, &[]);
    let [first, third, kept] = &found[..] else { panic!("{found:#?}") };
    assert!(
        first.starts_with("Sentinel sentinel-0:26379 names redis-1.redis-headless:6379 at epoch -1, which cannot be"),
        "{first}"
    );
    assert!(first.contains("`SENTINEL REMOVE`") && third.starts_with("Sentinel sentinel-2:26379 "), "{found:#?}");
    assert!(kept.contains("own earlier file has epoch -1"), "{kept}");
    let record = redis(0).record(present(1, u64::MAX)).record_but(|record| record.transitions = i32::MAX as u64);
    let found = findings(&record, &[]);
    assert!(found[0].starts_with("the record names redis-1 at epoch -1") && found[1].contains("2147483647"), "{found:#?}");
    assert_eq!(findings(&redis(0).record(present(1, 5)).sentinels([calm(1, 5), calm(1, 5), calm(1, LEAP)]), &[]), [""; 0]);
}

#[test]
fn a_time_more_than_a_minute_ahead_is_said() {
    let of = |ahead: u64| {
        redis(0).record(present(1, 5)).record_but(|record| {
            record.start_marker =
                Some(crate::core::record::StartMarker { by: instance(1), at: crate::core::disk::Moment(NOW.0 + ahead) });
        })
    };
    assert_eq!(findings(&of(60_000), &[]), [""; 0]);
    let found = findings(&of(60_001), &[]);
    assert!(found.len() == 1 && found[0].starts_with("the start marker of redis-1 in the record is of "), "{found:#?}");
}

/// The Sentinels of `mask` say this epoch instead.
fn forged(evidence: &Evidence, mask: usize, epoch: u64) -> Evidence {
    evidence.clone().but(|evidence| {
        for (_, sentinel) in evidence.sentinels.iter_mut().enumerate().filter(|(place, _)| mask >> place & 1 == 1) {
            if let Reply::Answer(SentinelAnswer::Watching(watch)) = &mut sentinel.heard {
                watch.config_epoch = epoch;
            }
        }
    })
}

#[test]
fn beside_a_record_an_epoch_that_cannot_be_is_as_good_as_the_oldest() {
    let answers = [UNAWARE, silent(), calm(0, 2), calm(1, 2), down(0, 2), calm(1, 1), failing_over(0, 2)];
    let scenes = [
        redis(0).holding(OLD).tells(1, OLD).tells(2, OLD),
        redis(0).holding(OLD).beside(1, MASTER).beside(2, replica_of(1)),
        redis(0).holding(NEW).tells(1, OLD).tells(2, OLD),
        redis(0).holding(OLD).beside(1, MASTER).beside(2, MASTER),
    ];
    let mut cases = 0;
    for scene in scenes.into_iter().flat_map(|scene| [scene.clone(), scene.past_any_failover()]) {
        for (master, epoch) in [(0, 1), (0, 2), (1, 2), (2, 3)] {
            for (one, two, three) in (0..343).map(|n| (n / 49, n / 7 % 7, n % 7)) {
                let council = [one, two, three].map(|n: usize| answers[n].clone());
                let evidence = scene.clone().record(present(master, epoch)).sentinels(council);
                for (mask, absurd) in (1..8).zip(ABSURD.iter().cycle()) {
                    // Several that leap together bear each other out.
                    if *absurd == 9 * LEAP && usize::count_ones(mask) > 1 {
                        continue;
                    }
                    let (told, oldest) = (forged(&evidence, mask, *absurd), forged(&evidence, mask, 0));
                    let (by_forged, by_oldest) = (told.decision(), oldest.decision());
                    let same =
                        |one: &Decision| (one.role.clone(), one.record.clone(), one.promotable, one.last_resort_master.clone());
                    assert_eq!(same(&by_forged), same(&by_oldest), "{told}");
                    cases += 1;
                }
            }
        }
    }
    println!("{cases} cases");
}
