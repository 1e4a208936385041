//! Config-epochs, and which of them cannot be: what a Sentinel, the record or a file says is a number from
//! outside. One that cannot be is said, is no claim, and is never written on.

use std::fmt;

/// The largest epoch that can be: no group has that many failovers, and Sentinel counts on from whatever it has
/// heard.
pub const LARGEST: u64 = 1 << 53;
/// An epoch that is so far above all others that are known was made up.
pub const LEAP: u64 = 1_000_000;

/// Reads an epoch, also one that cannot be: a Sentinel that has heard of 2⁶⁴−1 prints -1 (`addReplyBulkLongLong`),
/// and keeps 18446744073709551615 in its file. None where it is no whole number at all.
pub fn read(text: &str) -> Option<u64> {
    let digits = text.strip_prefix('-').unwrap_or(text);
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let signed = || text.parse::<i64>().ok().map(i64::cast_unsigned);
    Some(text.parse().ok().or_else(signed).unwrap_or(u64::MAX))
}

/// Whether an epoch can be, beside the others that are known: those that cannot be themselves say nothing.
pub fn can_be(epoch: u64, others: impl IntoIterator<Item = u64>) -> bool {
    let highest = others.into_iter().filter(|other| *other <= LARGEST).max();
    epoch <= LARGEST && highest.is_none_or(|highest| epoch < highest.saturating_add(LEAP))
}

/// The one after it; the largest has none.
pub fn next(epoch: u64) -> u64 {
    epoch.saturating_add(1).min(LARGEST)
}

/// An epoch as Sentinel prints it.
pub struct Shown(pub u64);

impl fmt::Display for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.cast_signed().fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn an_epoch_reads_also_where_it_cannot_be() {
        for (text, epoch) in [("0", 0), ("7", 7), ("-1", u64::MAX), ("18446744073709551615", u64::MAX), ("-5", u64::MAX - 4)] {
            assert_eq!(read(text), Some(epoch), "{text}");
        }
        for text in ["99999999999999999999999", "-99999999999999999999999"] {
            assert_eq!(read(text), Some(u64::MAX), "{text}");
        }
        for text in ["", "-", "+1", "1.5", "1e3", "seven", " 7", "--1"] {
            assert_eq!(read(text), None, "{text}");
        }
        assert_eq!((Shown(7).to_string(), Shown(u64::MAX).to_string()), ("7".into(), "-1".into()));
    }

    #[test]
    fn an_epoch_that_is_negative_too_large_or_a_leap_above_all_others_cannot_be() {
        for (epoch, others, expected) in [
            (0, &[][..], true),
            (LARGEST, &[], true),
            (LARGEST + 1, &[], false),
            (u64::MAX, &[u64::MAX], false),
            (LARGEST, &[LARGEST - 1], true),
            (LEAP + 4, &[5], true),
            (LEAP + 5, &[5], false),
            (LEAP + 5, &[5, LEAP], true),
            (LEAP + 5, &[5, u64::MAX], false),
            (3, &[LEAP * 9], true),
        ] {
            assert_eq!(can_be(epoch, others.iter().copied()), expected, "{epoch} beside {others:?}");
        }
    }

    proptest! {
        #[test]
        fn after_each_epoch_comes_one_that_can_be_and_none_goes_back(epoch: u64) {
            let next = next(epoch);
            prop_assert!(next <= LARGEST && (next > epoch || epoch >= LARGEST));
        }

        #[test]
        fn no_text_makes_the_reader_panic(text: String) {
            read(&text);
        }
    }
}
