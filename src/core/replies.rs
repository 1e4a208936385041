//! Where a server's replies end, found before any of them is read into values: whoever answers without end is
//! refused at a limit, and not believed how much is to come.

/// How much one round trip of a Redis or a Sentinel may bring, in bytes.
pub const LONGEST_REPLY: usize = 1024 * 1024;
/// How much one message that a server publishes may have, in bytes.
pub const LONGEST_MESSAGE: usize = 64 * 1024;
/// How many values it may have: each takes more memory than bytes.
const MOST_VALUES: usize = 64 * 1024;
/// How deep lists may lie in lists: Sentinel's lie in one another twice.
const DEEPEST: usize = 8;
/// What a number is never longer than.
const LONGEST_NUMBER: usize = 32;

/// Follows the replies of a round trip as they come (RESP 2), each byte once.
#[derive(Debug)]
pub struct Replies {
    /// How many bytes they may have, all together.
    longest: usize,
    /// How many replies there are whole.
    whole: usize,
    /// How many bytes these have.
    length: usize,
    /// How many values are missing: of the replies, then of each list in which we are.
    missing: Vec<usize>,
    values_left: usize,
    /// Where the next value begins.
    at: usize,
    /// Up to where its line was searched for its end.
    searched: usize,
}

impl Replies {
    /// So many replies, which together have so many bytes at most.
    pub fn new(count: usize, longest: usize) -> Self {
        Self { longest, whole: 0, length: 0, missing: vec![count], values_left: MOST_VALUES, at: 0, searched: 0 }
    }

    /// How many replies there are whole, and how many bytes these have.
    pub fn whole(&self) -> (usize, usize) {
        (self.whole, self.length)
    }

    /// Looks at all the bytes that have come so far; whether every reply is whole.
    ///
    /// # Errors
    /// Why these are no replies, in a few words.
    pub fn are_whole(&mut self, bytes: &[u8]) -> Result<bool, String> {
        while let Some(missing) = self.missing.last_mut() {
            if *missing == 0 {
                self.missing.pop();
                continue;
            }
            let depth = self.missing.len();
            let Some(items) = self.next_value(bytes)? else {
                if bytes.len() > self.longest {
                    return Err(self.too_long());
                }
                return Ok(false);
            };
            if let Some(missing) = self.missing.last_mut() {
                *missing -= 1;
            }
            if items > 0 {
                if depth > DEEPEST {
                    return Err(format!("a reply has lists in lists more than {DEEPEST} deep"));
                }
                self.missing.push(items);
            }
            if self.missing.iter().skip(1).all(|missing| *missing == 0) {
                (self.whole, self.length) = (self.whole + 1, self.at);
            }
        }
        Ok(true)
    }

    /// Steps over a value, or the head of a list; how many items that has. None where there is more to come.
    fn next_value(&mut self, bytes: &[u8]) -> Result<Option<usize>, String> {
        let Some(kind) = bytes.get(self.at) else { return Ok(None) };
        if !b"+-:$*".contains(kind) {
            return Err("the answer is not of Redis' protocol: check the port, and whether TLS is spoken there".to_owned());
        }
        let from = self.searched.max(self.at);
        let is_number = b":$*".contains(kind);
        let Some(end) = bytes.get(from..).unwrap_or_default().windows(2).position(|two| two == b"\r\n") else {
            // Its last byte may be the first of a line's end.
            self.searched = bytes.len().saturating_sub(1).max(self.at);
            return if is_number && self.searched - self.at > LONGEST_NUMBER { Err(no_number()) } else { Ok(None) };
        };
        let (end, next) = (from + end, from + end + 2);
        if is_number && end - self.at > LONGEST_NUMBER {
            return Err(no_number());
        }
        self.searched = self.at;
        let (next, items) = match kind {
            b'$' => match number(&bytes[self.at + 1..end])? {
                // A length that is announced is not waited for where it is too much.
                Some(length) if length > self.longest => return Err(self.too_long()),
                Some(length) if bytes.len() < next + length + 2 => return Ok(None),
                Some(length) => (next + length + 2, 0),
                None => (next, 0),
            },
            b'*' => (next, number(&bytes[self.at + 1..end])?.unwrap_or(0)),
            _ => (next, 0),
        };
        self.values_left = self.values_left.saturating_sub(1);
        if self.values_left == 0 || items > self.values_left {
            return Err(format!("a reply has more than {MOST_VALUES} values"));
        }
        if next > self.longest {
            return Err(self.too_long());
        }
        (self.at, self.searched) = (next, next);
        Ok(Some(items))
    }

    fn too_long(&self) -> String {
        format!("a reply has more than {} KiB", self.longest / 1024)
    }
}

/// A length; none where it says that there is nothing (`-1`).
fn number(digits: &[u8]) -> Result<Option<usize>, String> {
    let number = std::str::from_utf8(digits).ok().and_then(|digits| digits.parse::<i64>().ok());
    match number {
        Some(-1) => Ok(None),
        Some(number) => usize::try_from(number).map(Some).map_err(|_| "a reply has a length below zero".to_owned()),
        None => Err(no_number()),
    }
}

fn no_number() -> String {
    "a reply has a number that cannot be read".to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn whole(bytes: &[u8], count: usize) -> Result<Option<usize>, String> {
        let mut replies = Replies::new(count, LONGEST_REPLY);
        Ok(replies.are_whole(bytes)?.then_some(replies.whole().1))
    }

    const MASTERS: &[u8] =
        b"*1\r\n*4\r\n$4\r\nname\r\n$5\r\nredis\r\n$2\r\nip\r\n$0\r\n\r\n-ERR x\r\n:-5\r\n*0\r\n*-1\r\n$-1\r\n+OK\r\n";

    #[test]
    fn replies_end_where_their_last_value_ends_and_what_follows_is_not_looked_at() {
        for (bytes, count, length) in [
            (&b"+OK\r\nHTTP"[..], 1, 5),
            (b"$3\r\na\r\n\r\n", 1, 9),
            (b"*2\r\n*0\r\n*1\r\n:1\r\n+next\r\n", 1, 16),
            (MASTERS, 7, MASTERS.len()),
            (b"whatever", 0, 0),
        ] {
            assert_eq!(whole(bytes, count), Ok(Some(length)), "{}", bytes.escape_ascii());
        }
    }

    #[test]
    fn the_same_is_found_byte_by_byte_and_each_reply_that_is_whole_is_counted() {
        let mut replies = Replies::new(8, LONGEST_REPLY);
        for end in 0..=MASTERS.len() {
            assert_eq!(replies.are_whole(&MASTERS[..end]), Ok(false));
        }
        assert_eq!(replies.whole(), (7, MASTERS.len()));
        let mut replies = Replies::new(2, LONGEST_REPLY);
        assert_eq!(replies.are_whole(b"-ERR max number of clients reached\r\n*2\r\n:1\r\n"), Ok(false));
        assert_eq!(replies.whole(), (1, 36));
    }

    #[test]
    fn what_is_announced_beyond_the_limits_is_refused_at_once_and_what_comes_beyond_them_when_it_does() {
        let nested = b"*1\r\n".repeat(20);
        let line = [&b"+"[..], &b"x".repeat(LONGEST_REPLY)].concat();
        let list = [&b"*60000\r\n"[..], &b"*2\r\n:1\r\n:1\r\n".repeat(30_000)].concat();
        for (bytes, why) in [
            (&b"$536870912\r\n"[..], "1024 KiB"),
            (b"$1048577\r\n", "1024 KiB"),
            (b"*2147483648\r\n", "65536 values"),
            (b"*9223372036854775807\r\n", "65536 values"),
            (&list, "65536 values"),
            (&line, "1024 KiB"),
            (&nested, "8 deep"),
            (b"*-2\r\n", "below zero"),
            (b"$99999999999999999999\r\n", "a number that cannot be read"),
            (b":1234567890123456789012345678901234567890", "a number that cannot be read"),
            (b":1234567890123456789012345678901234567890\r\n", "a number that cannot be read"),
            (b"HTTP/1.1 400 Bad Request\r\n", "not of Redis' protocol"),
            (b"\x15\x03\x03\x00\x02\x02\x28", "not of Redis' protocol"),
            (b"%1\r\n", "not of Redis' protocol"),
        ] {
            let refusal = whole(bytes, 1).unwrap_err();
            assert!(refusal.contains(why), "{refusal}");
        }
        assert_eq!(whole(&line[..LONGEST_REPLY], 1), Ok(None), "it may end yet");
    }

    proptest! {
        #[test]
        fn whatever_comes_in_whatever_pieces_is_judged_alike(
            bytes in prop::collection::vec(prop::sample::select(&b"+-:$*0123\r\n\r\n\r\nx"[..]), 0..60),
            cuts in prop::collection::vec(0..60_usize, 0..5),
        ) {
            let mut cuts: Vec<_> = cuts.into_iter().map(|cut| cut.min(bytes.len())).chain([bytes.len()]).collect();
            cuts.sort_unstable();
            let mut replies = Replies::new(2, LONGEST_REPLY);
            let mut piecewise = Ok(false);
            for cut in cuts {
                piecewise = replies.are_whole(&bytes[..cut]);
                if piecewise != Ok(false) {
                    break;
                }
            }
            prop_assert_eq!(piecewise, whole(&bytes, 2).map(|length| length.is_some()));
        }
    }
}
