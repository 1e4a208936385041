//! A server's program: which version it is.

use std::ffi::OsStr;

use tokio::process::Command;

/// Asks a program for its `--version`; `None` where it does not say so as Redis and Valkey do
/// (`Redis server v=7.0.15 sha=…`).
pub async fn version(program: &OsStr) -> Option<(u32, u32, u32)> {
    let output = Command::new(program).arg("--version").kill_on_drop(true).output().await.ok()?;
    read(&String::from_utf8_lossy(&output.stdout))
}

fn read(line: &str) -> Option<(u32, u32, u32)> {
    let number = line.split_whitespace().find_map(|word| word.strip_prefix("v="))?;
    let mut parts = number.split('.').map(|part| part.parse().ok());
    Some((parts.next()??, parts.next()??, parts.next()??))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_reads_as_the_servers_print_it() {
        assert_eq!(read("Redis server v=7.0.15 sha=00000000:0 malloc=jemalloc-5.3.0 bits=64 build=d81d\n"), Some((7, 0, 15)));
        assert_eq!(read("Valkey server v=9.1.2 sha=00000000:0\n"), Some((9, 1, 2)));
        assert_eq!(read("redis-server: not found"), None);
        assert_eq!(read("v=unstable"), None);
    }
}
