//! The text of the servers' configuration files: how a value is quoted so that the server's own
//! parser reads it back, and how a line is split as that parser splits it.

use std::fmt;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use serde::Serialize;

/// The server that a file is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ConfigFile {
    /// `redis.conf`.
    Redis,
    /// `sentinel.conf`.
    Sentinel,
}

/// A value that a configuration file cannot hold: its name and the reason.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unwritable(String);

impl fmt::Display for Unwritable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Unwritable {}

/// The files of a server that speaks TLS.
#[derive(Debug, Clone, Copy)]
pub struct TlsFiles<'a> {
    /// The authorities to trust.
    pub ca: &'a Path,
    /// The server's certificate.
    pub cert: &'a Path,
    /// Its key.
    pub key: &'a Path,
}

/// The same, quoted for a template.
#[derive(Debug, Serialize)]
pub struct TlsValues {
    ca: String,
    cert: String,
    key: String,
}

impl TlsFiles<'_> {
    /// Quotes the paths.
    ///
    /// # Errors
    /// A path that the server could not read back.
    pub fn values(&self) -> Result<TlsValues, Unwritable> {
        let quoted = |path: &Path| quote("a path of TLS", path.as_os_str().as_bytes());
        Ok(TlsValues { ca: quoted(self.ca)?, cert: quoted(self.cert)?, key: quoted(self.key)? })
    }
}

/// Quotes `value` as `sdssplitargs` reads it and `sdscatrepr` writes it (Redis `src/sds.c`): in
/// double quotes, pure ASCII, on one line, whatever the bytes are.
///
/// # Errors
/// A NUL byte: the servers hold many values as C strings and would cut it there.
pub fn quote(name: &str, value: &[u8]) -> Result<String, Unwritable> {
    if value.contains(&0) {
        return Err(Unwritable(format!("{name} holds a NUL byte, which Redis cannot keep: choose another")));
    }
    let mut quoted = String::with_capacity(value.len() + 2);
    quoted.push('"');
    for &byte in value {
        match byte {
            b'"' | b'\\' => {
                quoted.push('\\');
                quoted.push(byte.into());
            }
            b' '..=b'~' => quoted.push(byte.into()),
            _ => quoted.push_str(&format!("\\x{byte:02x}")),
        }
    }
    quoted.push('"');
    Ok(quoted)
}

/// Quotes a value that Sentinel writes back without quotes when it rewrites its file
/// (`sentinel auth-pass`, `auth-user`, `sentinel-pass`, `sentinel-user`, `client-reconfig-script`:
/// `rewriteConfigSentinelOption` in Redis `src/sentinel.c`).
///
/// # Errors
/// A byte that would not survive that: Sentinel could not load the file again.
pub fn quote_for_sentinel(name: &str, value: &[u8]) -> Result<String, Unwritable> {
    match value.iter().find(|&&byte| is_space(byte) || byte == b'"' || byte == b'\'') {
        Some(&byte) => Err(Unwritable(format!(
            "{name} holds {}, which Sentinel loses when it rewrites its own file: choose one without white space and quotes",
            match byte {
                b' ' => "a space".to_owned(),
                b'"' | b'\'' => format!("a `{}`", char::from(byte)),
                _ => format!("the byte 0x{byte:02x}"),
            }
        ))),
        None => quote(name, value),
    }
}

/// `isspace` in the C locale.
fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t'..=b'\r')
}

/// Splits a line into its words as the servers do (`sdssplitargs`); `None` where the quotes do
/// not balance.
pub fn split(line: &[u8]) -> Option<Vec<Vec<u8>>> {
    let mut words = Vec::new();
    let mut rest = line;
    loop {
        while let [first, tail @ ..] = rest
            && is_space(*first)
        {
            rest = tail;
        }
        if rest.is_empty() {
            return Some(words);
        }
        let (word, tail) = first_word(rest)?;
        words.push(word);
        rest = tail;
    }
}

/// Takes one word off the front of a text that does not begin with a space.
fn first_word(text: &[u8]) -> Option<(Vec<u8>, &[u8])> {
    let mut word = Vec::new();
    let mut rest = text;
    loop {
        rest = match rest {
            [] => return Some((word, rest)),
            [space, ..] if is_space(*space) => return Some((word, rest)),
            [quote @ (b'"' | b'\''), tail @ ..] => {
                let tail = quoted_part(*quote, tail, &mut word)?;
                // A closing quote must end the word.
                return tail.first().is_none_or(|&b| is_space(b)).then_some((word, tail));
            }
            [byte, tail @ ..] => {
                word.push(*byte);
                tail
            }
        };
    }
}

/// Reads up to the closing quote and past it.
fn quoted_part<'a>(quote: u8, text: &'a [u8], word: &mut Vec<u8>) -> Option<&'a [u8]> {
    let mut rest = text;
    loop {
        rest = match rest {
            [] => return None,
            [end, tail @ ..] if *end == quote => return Some(tail),
            [b'\\', b'\'', tail @ ..] if quote == b'\'' => {
                word.push(b'\'');
                tail
            }
            [b'\\', b'x', high, low, tail @ ..] if quote == b'"' && high.is_ascii_hexdigit() && low.is_ascii_hexdigit() => {
                let digit = |b: u8| char::from(b).to_digit(16).unwrap_or_default() as u8;
                word.push(digit(*high) << 4 | digit(*low));
                tail
            }
            [b'\\', escaped, tail @ ..] if quote == b'"' => {
                word.push(match escaped {
                    b'n' => b'\n',
                    b'r' => b'\r',
                    b't' => b'\t',
                    b'b' => 0x08,
                    b'a' => 0x07,
                    other => *other,
                });
                tail
            }
            [byte, tail @ ..] => {
                word.push(*byte);
                tail
            }
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_line_splits_as_the_servers_split_it() {
        let words = |line: &str| {
            split(line.as_bytes()).map(|words| words.into_iter().map(|word| String::from_utf8(word).unwrap()).collect::<Vec<_>>())
        };
        assert_eq!(words("  a\t\"b c\" 'd\\'e' \r\n"), Some(vec!["a".into(), "b c".into(), "d'e".into()]));
        assert_eq!(words(r#""\x41\n\q" x\y"#), Some(vec!["A\nq".into(), "x\\y".into()]));
        assert_eq!(words(r#"a"b""#), Some(vec!["ab".into()]));
        assert_eq!(words("\"\""), Some(vec![String::new()]));
        for unbalanced in ["\"a", "'a", "\"a\"b", "'a'b", "\"a\\"] {
            assert_eq!(words(unbalanced), None, "{unbalanced}");
        }
    }

    #[test]
    fn a_refusal_names_the_value_and_never_shows_it() {
        let refusal = quote_for_sentinel("the password", b"s3cret word").unwrap_err().to_string();
        assert!(refusal.contains("the password holds a space") && !refusal.contains("s3cret"), "{refusal}");
        assert!(quote("the password", b"s3cret\0").unwrap_err().to_string().contains("NUL"));
    }

    proptest! {
        #[test]
        fn every_byte_but_nul_reads_back(value in prop::collection::vec(1u8.., 0..64)) {
            let quoted = quote("the value", &value).unwrap();
            prop_assert!(quoted.bytes().all(|b| (b' '..=b'~').contains(&b)));
            prop_assert_eq!(split(format!("requirepass {quoted}").as_bytes()), Some(vec![b"requirepass".to_vec(), value]));
        }

        #[test]
        fn what_sentinel_may_rewrite_bare_reads_back_bare(value in prop::collection::vec(1u8.., 1..64)) {
            if quote_for_sentinel("the value", &value).is_ok() {
                prop_assert_eq!(split(&value), Some(vec![value.clone()]));
            }
        }

        #[test]
        fn no_line_makes_the_splitter_panic(line: Vec<u8>) {
            let _ = split(&line);
        }
    }
}
