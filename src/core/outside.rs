//! Text from outside: what a server, the API server or an annotation says, as it may stand in a line of ours.

/// How many characters of it are shown.
const LONGEST: usize = 200;

/// Shows outside text in one line: control characters escaped, at most 200 characters. What was shown so before
/// stays as it is.
pub fn shown(text: &str) -> String {
    let mut shown = String::new();
    // A megabyte is not escaped to show its first line.
    for (count, letter) in text.trim_end().chars().take(LONGEST + 1).enumerate() {
        if count == LONGEST {
            return cut(&shown);
        }
        if letter.is_control() || is_line_or_direction(letter) {
            shown.extend(letter.escape_default());
        } else {
            shown.push(letter);
        }
    }
    if shown.chars().nth(LONGEST).is_some() { cut(&shown) } else { shown }
}

fn cut(shown: &str) -> String {
    shown.chars().take(LONGEST - 1).chain(['…']).collect()
}

/// What breaks a line, or turns the direction of what follows it, and is no control character to Unicode.
fn is_line_or_direction(letter: char) -> bool {
    matches!(letter, '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{200e}' | '\u{200f}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_is_short_and_plain_is_shown_as_it_is() {
        assert_eq!(shown("ERR unknown command `größer`\r\n"), "ERR unknown command `größer`");
        assert_eq!(shown(&"x".repeat(200)), "x".repeat(200));
        assert_eq!(shown(&"x".repeat(201)), "x".repeat(199) + "…");
        assert_eq!(shown("a\nerror: b\u{1b}[31m\u{202e}"), r"a\nerror: b\u{1b}[31m\u{202e}");
    }

    proptest! {
        #[test]
        fn whatever_it_is_it_is_one_line_of_200_characters_and_shown_again_the_same(text in any::<String>(), times in 1..300_usize) {
            let once = shown(&text.repeat(times));
            prop_assert!(once.chars().count() <= 200 && !once.contains(char::is_control), "{once:?}");
            prop_assert_eq!(shown(&once), once);
        }
    }
}
