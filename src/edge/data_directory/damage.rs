//! Damage: data that a server cannot load, by its own check.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{BufRead, BufReader, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::process::Stdio;

use anyhow::{Context, Result};
use tokio::io::AsyncReadExt;
use tokio::process::Command;

use super::head_of;

/// The names under which a server's program checks append-only files and snapshots.
const CHECK: &str = "redis-check-aof";
const CHECK_SNAPSHOT: &str = "redis-check-rdb";
/// What the checks say, for they have no codes: that a file cannot be loaded, and from where on (`src/redis-check-aof.c`
/// and `rdbCheckError` in `src/redis-check-rdb.c`, alike in Redis 6.2 to 8.2 and in Valkey 9).
const FILE_IS_DAMAGED: &str = "is not valid";
const SNAPSHOT_IS_DAMAGED: &str = "RDB ERROR DETECTED";
const FILE_FROM: &str = "AOF analyzed:";
const SNAPSHOT_FROM: &str = "[offset";
/// A check says little.
const LONGEST: u64 = 64 * 1024;
/// A line of an append-only file that is no value: a sign, a number, and its end.
const LONGEST_LINE: u64 = 64;

/// Has the server's own program check the files that it loads, each by itself: Valkey's stops at the first snapshot of
/// Valkey's own. Returns what it found; none where the server can load them, a torn tail included, or where the
/// program does not say.
///
/// # Errors
/// The program cannot be run, or a file not be read.
pub async fn check(program: &OsStr, files: &[PathBuf]) -> Result<Option<String>> {
    for file in files {
        let name = file.file_name().unwrap_or_default().display();
        let (head, opened) = head_of(file).with_context(|| format!("cannot read `{}`", file.display()))?;
        // The check of append-only files takes nothing for damage, and does not know Valkey's own snapshots.
        let is_snapshot = file.extension().is_some_and(|extension| extension == "rdb");
        let check = match head.format {
            Some(format) if is_snapshot || format.is_valkeys => CHECK_SNAPSHOT,
            _ => CHECK,
        };
        if opened.metadata()?.len() > 0
            && let Some(found) = check_by(check, program, file).await?
        {
            return Ok(Some(format!("{check} of `{name}`: {found}")));
        }
    }
    Ok(None)
}

async fn check_by(check: &str, program: &OsStr, file: &Path) -> Result<Option<String>> {
    let describe = || format!("cannot run `{}` as `{check}`", program.display());
    let mut command = Command::new(program);
    command.arg0(check).arg(file).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).kill_on_drop(true);
    let mut child = command.spawn().with_context(describe)?;
    let mut said = Vec::new();
    if let Some(stdout) = child.stdout.take() {
        stdout.take(LONGEST).read_to_end(&mut said).await.with_context(describe)?;
    }
    let is_well = child.wait().await.with_context(describe)?.success();
    let said = String::from_utf8_lossy(&said);
    let found = said.lines().find(|line| line.contains(FILE_IS_DAMAGED) || line.contains(SNAPSHOT_IS_DAMAGED));
    let Some(found) = found.filter(|_| !is_well) else { return Ok(None) };
    let analyzed = said.lines().rev().find(|line| line.starts_with(FILE_FROM));
    let ok_up_to = analyzed.and_then(|line| field(line, "ok_up_to")?.parse().ok());
    if ok_up_to.is_some_and(|place| is_torn(file, place).unwrap_or_default()) {
        return Ok(None);
    }
    let at = said.lines().skip_while(|line| *line != found).find(|line| line.starts_with(SNAPSHOT_FROM));
    let more = if found.contains(SNAPSHOT_IS_DAMAGED) { at } else { analyzed };
    let words: Vec<_> = [Some(found), more].into_iter().flatten().collect();
    Ok(Some(words.join("; ")))
}

/// A field of what the check says, such as `ok_up_to=27`.
fn field<'a>(line: &'a str, key: &str) -> Option<&'a str> {
    line.split([' ', ',']).find_map(|word| word.strip_prefix(key)?.strip_prefix('='))
}

/// Whether nothing is wrong with what follows a place in a file but that it ends too early: a server cuts that off
/// and starts.
fn is_torn(path: &Path, from: u64) -> Result<bool> {
    let mut file = BufReader::new(File::open(path)?);
    let length = file.get_ref().metadata()?.len();
    file.seek(SeekFrom::Start(from))?;
    let mut at = from;
    // Of each command, how many words are still to come.
    let mut words = 0;
    while at < length {
        let mut line = Vec::new();
        let count = std::io::Read::take(&mut file, LONGEST_LINE).read_until(b'\n', &mut line)?;
        at += count as u64;
        if at == length && !line.ends_with(b"\n") {
            return Ok(is_begun(words, &line));
        }
        let Some(line) = line.strip_suffix(b"\r\n") else { return Ok(false) };
        let number = |digits: &[u8]| std::str::from_utf8(digits).ok()?.parse::<u64>().ok();
        match (words, line) {
            (0, [b'#', ..]) => {}
            (0, [b'*', digits @ ..]) => match number(digits) {
                Some(count) => words = count,
                None => return Ok(false),
            },
            (1.., [b'$', digits @ ..]) => {
                let Some(size) = number(digits) else { return Ok(false) };
                words -= 1;
                at = at.saturating_add(size);
                if at.saturating_add(2) > length {
                    return Ok(true);
                }
                file.seek(SeekFrom::Start(at))?;
                let mut end = [0; 2];
                std::io::Read::read_exact(&mut file, &mut end)?;
                at += 2;
                if &end != b"\r\n" {
                    return Ok(false);
                }
            }
            _ => return Ok(false),
        }
    }
    Ok(true)
}

/// Whether the end of a file that is no whole line is the beginning of one that may stand there, as a server sees it
/// (`loadSingleAppendOnlyFile` in Redis `src/aof.c`); `words` of a command are still to come.
fn is_begun(words: u64, line: &[u8]) -> bool {
    matches!((words, line), (0, [b'#', ..] | [b'*'] | [b'*', b'1'..=b'9', ..]) | (1.., [b'$', ..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SET: &[u8] = b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$1\r\nv\r\n";

    fn torn(bytes: &[u8]) -> bool {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.aof");
        std::fs::write(&path, [SET, bytes].concat()).unwrap();
        is_torn(&path, SET.len() as u64).unwrap()
    }

    #[test]
    fn what_ends_too_early_is_torn_wherever_it_is_cut() {
        assert!((0..SET.len()).all(|to| torn(&SET[..to])));
        assert!(
            torn(b"*1\r\n$5\r\nMULTI\r\n#TS:17\r\n*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$1\r\nv\r\n"),
            "a transaction without an end"
        );
        assert!(torn(b"*2\r\n$3\r\nSET\r\n$999999999999999999\r\nx"), "the server reads to the end, too");
    }

    #[test]
    fn what_no_server_reads_is_damage_also_at_the_end() {
        for bytes in [&b"XX3\r\n"[..], b"*3\r\n$3\r\nSETx\r\n", b"*x\r\n", b"*1\r\n*1\r\n", b"\0\0\0\0\r\n", b"$1\r\nx\r\n"] {
            assert!(!torn(&[bytes, SET].concat()), "{:?}", bytes.escape_ascii().to_string());
            assert!(!torn(bytes), "{:?} at the end", bytes.escape_ascii().to_string());
        }
        for bytes in [&b"XXXX"[..], &[0; 40], b"*3\r\n$3\r\nSET\r\nXX", b"*\r", b"*0", b"*1\r\n\0\0"] {
            assert!(!torn(bytes), "{:?} at the end", bytes.escape_ascii().to_string());
        }
    }

    #[test]
    fn a_field_is_read_with_a_file_name_and_without() {
        let line = "AOF analyzed: filename=a.incr.aof, size=82, ok_up_to=27, ok_up_to_line=8, diff=55";
        assert_eq!((field(line, "filename"), field(line, "ok_up_to")), (Some("a.incr.aof"), Some("27")));
        assert_eq!(field("AOF analyzed: size=82, ok_up_to=27", "filename"), None);
    }
}
