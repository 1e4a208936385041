//! A server's version, and what follows from it for the files that it loads.

use std::str::FromStr;

/// Which server this is: Redis or Valkey, and its version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ServerVersion {
    /// Valkey, not Redis.
    pub is_valkey: bool,
    /// Major, minor and patch number.
    pub number: (u32, u32, u32),
}

/// The form of a snapshot, by its first bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SnapshotFormat {
    /// Valkey's own, not Redis'.
    pub is_valkeys: bool,
    /// Its version.
    pub version: u32,
}

impl ServerVersion {
    /// Reads what a program prints as its `--version` (`Redis server v=7.0.15 sha=…`, `Valkey server v=9.1.2 sha=…`).
    pub fn printed(line: &str) -> Option<Self> {
        let number = line.split_whitespace().find_map(|word| word.strip_prefix("v="))?;
        Some(Self { is_valkey: line.starts_with("Valkey"), ..number.parse().ok()? })
    }

    /// Whether it keeps its append-only files in a folder of their own, listed by a manifest, and can stamp the time
    /// into them: from Redis 7.0 on.
    pub fn keeps_manifest(self) -> bool {
        self.is_valkey || self.number >= (7, 0, 0)
    }

    /// Whether it loads a snapshot of this form (`RDB_VERSION` in the servers' `src/rdb.h`). What is not known of a
    /// server that is newer than this program is not refused.
    pub fn loads(self, format: SnapshotFormat) -> bool {
        if self.is_valkey {
            // Valkey from 9.0 on takes Redis' forms from 12 on for another's (`RDB_FOREIGN_VERSION_MIN`).
            return if format.is_valkeys { self.number >= (9, 0, 0) } else { format.version <= 11 };
        }
        let newest = match self.number {
            number if number < (7, 0, 0) => 9,
            number if number < (7, 2, 0) => 10,
            number if number < (7, 4, 0) => 11,
            number if number < (8, 3, 0) => 12,
            _ => u32::MAX,
        };
        !format.is_valkeys && format.version <= newest
    }
}

/// As a person names it: `7.2`, `7.2.4`, `valkey-9.0`.
impl FromStr for ServerVersion {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (is_valkey, number) = match (text.strip_prefix("valkey-"), text.strip_prefix("redis-")) {
            (Some(number), _) => (true, number),
            (None, Some(number)) => (false, number),
            (None, None) => (false, text),
        };
        let parts: Option<Vec<u32>> = number.split('.').map(|part| part.parse().ok()).collect();
        match parts.as_deref() {
            Some(&[major, minor]) => Ok(Self { is_valkey, number: (major, minor, 0) }),
            Some(&[major, minor, patch]) => Ok(Self { is_valkey, number: (major, minor, patch) }),
            _ => Err("write it as `7.2`, `8.2.3` or `valkey-9.0`".to_owned()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_reads_as_the_servers_print_it_and_as_a_person_writes_it() {
        let redis = |number| ServerVersion { is_valkey: false, number };
        let valkey = |number| ServerVersion { is_valkey: true, number };
        assert_eq!(
            ServerVersion::printed("Redis server v=7.0.15 sha=00000000:0 malloc=jemalloc-5.3.0 bits=64 build=d81d\n"),
            Some(redis((7, 0, 15)))
        );
        assert_eq!(ServerVersion::printed("Valkey server v=9.1.2 sha=00000000:0\n"), Some(valkey((9, 1, 2))));
        assert_eq!(ServerVersion::printed("redis-server: not found"), None);
        assert_eq!(ServerVersion::printed("v=unstable"), None);
        assert_eq!("7.2".parse(), Ok(redis((7, 2, 0))));
        assert_eq!("redis-8.2.3".parse(), Ok(redis((8, 2, 3))));
        assert_eq!("valkey-9.0".parse(), Ok(valkey((9, 0, 0))));
        for text in ["", "7", "7.2.", "seven", "7.2.1.0", "valkey"] {
            assert!(text.parse::<ServerVersion>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_server_loads_what_it_or_an_older_one_wrote_and_nothing_of_a_newer_or_another() {
        let redis = |version| SnapshotFormat { is_valkeys: false, version };
        let valkey = SnapshotFormat { is_valkeys: true, version: 80 };
        let loads = |server: &str, format| server.parse::<ServerVersion>().unwrap().loads(format);
        for (server, newest) in [("6.2", 9), ("7.0", 10), ("7.2", 11), ("7.4", 12), ("8.2.3", 12), ("valkey-8.1", 11)] {
            assert!(loads(server, redis(newest)) && loads(server, redis(7)), "{server}");
            assert!(!loads(server, redis(newest + 1)) && !loads(server, valkey), "{server}");
        }
        assert!(loads("9.0", redis(99)), "nobody knows");
        assert!(loads("valkey-9.1", valkey) && loads("valkey-9.1", redis(11)) && !loads("valkey-9.1", redis(12)));
    }
}
