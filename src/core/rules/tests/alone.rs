//! Where there are no Sentinels: who is recorded leads with its data, and a person decides about all else.

use rstest::rstest;

use super::given::*;
use super::*;
use crate::core::decision::StartAs::{Follow, Lead, Undecided};
use crate::core::evidence::{Failure, Object};
use crate::core::record::Forced;

/// redis-1 is recorded, has its data, and nobody elects; redis-2 copied it when nothing was written any more.
fn alone() -> Evidence {
    power_cut().tells(2, NEW).without_sentinels()
}

#[test]
fn without_sentinels_the_holder_leads_with_its_data_however_late_it_was_copied() {
    let others = [alone(), alone().unreported(0, refused()), alone().absent(0), alone().peer_is(0, Object::Unknown, silent())];
    for evidence in others.into_iter().chain([alone().started(2, NEW, waits_for(1)), alone().started(2, NEW, replica_of(1))]) {
        assert_eq!(evidence.decide(), (Lead(claim(1, 5)), None), "at once");
    }
    assert_eq!(alone().beside(0, MASTER).role(), Follow(claim(0, 6)));
}

#[rstest]
#[case::its_volume_was_lost(alone().holding(EMPTY))]
#[case::its_volume_was_lost_and_all_have_told_of_nothing(alone().holding(EMPTY).tells(0, EMPTY).tells(2, EMPTY))]
#[case::its_volume_was_lost_and_the_copies_run(alone().holding(EMPTY).started(2, NEW, replica_of(1)))]
#[case::it_has_lost_its_data_and_not_its_stamp(alone().holding(EMPTY).stamped(Some("g")))]
#[case::its_data_has_no_stamp(alone().stamped(None))]
#[case::its_data_is_another_groups(alone().stamped(Some("other")))]
#[case::it_was_given_up_while_there_were_sentinels(alone().record_but(|record| record.is_abandoned = true))]
#[case::the_record_cannot_be_read(alone().record(UNKNOWN))]
#[case::the_sentinels_were_not_found(alone().but(|evidence| evidence.discovery = Some(Failure::TimedOut)))]
fn without_sentinels_the_holder_does_not_lead_where(#[case] evidence: Evidence) {
    assert_eq!(evidence.past_any_failover().decide(), (Undecided, None));
}

#[test]
fn without_sentinels_who_may_not_lead_says_how_a_person_decides() {
    let why = alone().holding(EMPTY).decision().reason.why;
    let how = "its volume was lost; without Sentinel a person decides: `ordain reconcile --assume-master POD`";
    assert!(why.ends_with(how), "{why}");
    assert!(!power_cut().holding(EMPTY).decision().reason.why.contains("a person"));
    let named = alone().holding(EMPTY).record_but(|record| record.forced = Some(Forced::Open));
    assert_eq!(named.role(), Lead(claim(1, 5)), "it was said");
}

#[test]
fn without_sentinels_a_record_that_was_deleted_is_made_for_the_newest_disk() {
    let evidence = alone().record(RecordSeen::Absent).tells(0, OLD);
    assert_eq!(evidence.decide(), (Follow(claim(2, 0)), Some(claim(2, 0))));
}
