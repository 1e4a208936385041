//! What `sentinel.conf` says, and what an earlier one said.

use std::collections::BTreeMap;

use serde::Serialize;

use super::conf::{TlsFiles, TlsValues, Unwritable, quote, quote_for_sentinel, split};
use super::epoch;
use super::identity::{Endpoint, Group};
use super::redis_conf::Address;

/// The built-in template.
pub const TEMPLATE: &str = include_str!("../../templates/sentinel.conf.tera");

/// What a Sentinel needs to know, as it is.
#[derive(Debug)]
pub struct SentinelConf<'a> {
    /// Its run id, 40 hexadecimal digits.
    pub id: String,
    /// The port to listen on.
    pub port: u16,
    /// Its working directory.
    pub dir: &'a [u8],
    /// How it names itself to the other Sentinels.
    pub announce: &'a Endpoint,
    /// Whether it resolves and announces host names.
    pub hostnames: bool,
    /// The highest epoch that it has voted in.
    pub current_epoch: u64,
    /// The ACL user under which it speaks to the other Sentinels.
    pub user: Option<&'a [u8]>,
    /// Its own password and that of the other Sentinels.
    pub password: Option<&'a [u8]>,
    /// The files with which it speaks TLS, and nothing else; plain where there are none.
    pub tls: Option<TlsFiles<'a>>,
    /// The groups that it watches.
    pub groups: Vec<Watched<'a>>,
}

/// A group that a Sentinel watches.
#[derive(Debug)]
pub struct Watched<'a> {
    /// The group.
    pub group: &'a Group,
    /// Its master.
    pub master: Endpoint,
    /// How many Sentinels must find the master down.
    pub quorum: usize,
    /// After how many milliseconds of silence it finds a server down.
    pub down_after_ms: u128,
    /// The hook: an absolute path.
    pub script: &'a [u8],
    /// The ACL user under which it speaks to the group's Redis.
    pub user: Option<&'a [u8]>,
    /// The password of the group's Redis.
    pub password: Option<&'a [u8]>,
    /// The epoch of the failover that made the master.
    pub config_epoch: u64,
    /// The last epoch in which it voted for a leader of this group.
    pub leader_epoch: u64,
    /// The replicas that it knows from the start.
    pub replicas: Vec<Endpoint>,
    /// The other Sentinels that it knows from the start, with their ids.
    pub sentinels: Vec<(Endpoint, String)>,
}

impl Watched<'_> {
    /// Whether Sentinel could keep all this, where it is set at run time.
    ///
    /// # Errors
    /// A value that it could not read back after it has rewritten its file.
    pub fn check(&self) -> Result<(), Unwritable> {
        quote_for_sentinel("the hook's path", self.script)?;
        for (name, value) in [("the user", self.user), ("the password", self.password)] {
            value.map(|value| quote_for_sentinel(name, value)).transpose()?;
        }
        Ok(())
    }
}

/// The same as the template sees it: every value quoted.
#[derive(Debug, Serialize)]
pub struct Values {
    id: String,
    port: u16,
    dir: String,
    announce: Address,
    hostnames: &'static str,
    current_epoch: u64,
    user: Option<String>,
    password: Option<String>,
    tls: Option<TlsValues>,
    groups: Vec<GroupValues>,
}

#[derive(Debug, Serialize)]
struct GroupValues {
    name: String,
    master: Address,
    quorum: usize,
    down_after_ms: u128,
    script: String,
    user: Option<String>,
    password: Option<String>,
    config_epoch: u64,
    leader_epoch: u64,
    replicas: Vec<Address>,
    sentinels: Vec<SentinelValues>,
}

#[derive(Debug, Serialize)]
struct SentinelValues {
    host: String,
    port: u16,
    id: String,
}

impl SentinelConf<'_> {
    /// Quotes every value.
    ///
    /// # Errors
    /// A value that Sentinel could not read back, now or after it has rewritten its file.
    pub fn values(&self) -> Result<Values, Unwritable> {
        let bare = |name: &str, value: Option<&[u8]>| value.map(|value| quote_for_sentinel(name, value)).transpose();
        let groups = self.groups.iter().map(|watched| {
            Ok(GroupValues {
                name: watched.group.to_string(),
                master: (&watched.master).into(),
                quorum: watched.quorum,
                down_after_ms: watched.down_after_ms,
                script: quote_for_sentinel("the hook's path", watched.script)?,
                user: bare("the user", watched.user)?,
                password: bare("the password", watched.password)?,
                config_epoch: watched.config_epoch,
                leader_epoch: watched.leader_epoch,
                replicas: watched.replicas.iter().map(Address::from).collect(),
                sentinels: watched
                    .sentinels
                    .iter()
                    .map(|(at, id)| SentinelValues { host: at.host.to_string(), port: at.port, id: id.clone() })
                    .collect(),
            })
        });
        Ok(Values {
            id: self.id.clone(),
            port: self.port,
            dir: quote("the Sentinel's folder", self.dir)?,
            announce: self.announce.into(),
            hostnames: if self.hostnames { "yes" } else { "no" },
            current_epoch: self.current_epoch,
            user: bare("the Sentinel's user", self.user)?,
            password: bare("the Sentinel's password", self.password)?,
            tls: self.tls.map(|files| files.values()).transpose()?,
            groups: groups.collect::<Result<_, Unwritable>>()?,
        })
    }
}

/// What an earlier `sentinel.conf` knew: ours, or what Sentinel has rewritten since.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Earlier {
    /// `sentinel current-epoch`.
    pub current_epoch: u64,
    /// What it knew of each group.
    pub groups: BTreeMap<String, EarlierGroup>,
}

/// What an earlier file knew of a group.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct EarlierGroup {
    /// `sentinel monitor`.
    pub master: Option<Endpoint>,
    /// `sentinel config-epoch`.
    pub config_epoch: u64,
    /// `sentinel leader-epoch`.
    pub leader_epoch: u64,
    /// `sentinel known-replica`, or `known-slave` as old servers write it.
    pub replicas: Vec<Endpoint>,
}

impl Earlier {
    /// Reads a file. Lines that it does not understand say nothing; epochs that cannot be are read as they are.
    pub fn read(file: &[u8]) -> Self {
        let mut earlier = Self::default();
        for line in file.split(|&byte| byte == b'\n').filter_map(split) {
            let words: Vec<_> = line.iter().map(|word| String::from_utf8_lossy(word)).collect();
            let words: Vec<&str> = words.iter().map(AsRef::as_ref).collect();
            earlier.note(&words);
        }
        earlier
    }

    fn note(&mut self, words: &[&str]) -> Option<()> {
        let endpoint = |host: &str, port: &str| Some(Endpoint { host: host.parse().ok()?, port: port.parse().ok()? });
        let [directive, name, arguments @ ..] = words.strip_prefix(&["sentinel"])? else { return None };
        if *directive == "current-epoch" {
            self.current_epoch = epoch::read(name)?;
            return Some(());
        }
        match (*directive, arguments) {
            ("monitor", [host, port, _quorum]) => self.group(name).master = Some(endpoint(host, port)?),
            ("config-epoch", [epoch]) => self.group(name).config_epoch = epoch::read(epoch)?,
            ("leader-epoch", [epoch]) => self.group(name).leader_epoch = epoch::read(epoch)?,
            ("known-replica" | "known-slave", [host, port]) => {
                let replica = endpoint(host, port)?;
                self.group(name).replicas.push(replica);
            }
            _ => {}
        }
        Some(())
    }

    fn group(&mut self, name: &str) -> &mut EarlierGroup {
        self.groups.entry(name.to_owned()).or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn an_earlier_file_tells_its_epochs_and_replicas() {
        let earlier = Earlier::read(
            b"port 26379\nsentinel myid abc\n# comment\nsentinel current-epoch 9\n\
              sentinel monitor redis redis-1.redis 6379 2\nsentinel config-epoch redis 7\nsentinel leader-epoch redis 8\n\
              sentinel known-replica redis redis-0.redis 6379\nsentinel known-slave \"redis\" 192.0.2.1 6380\n\
              sentinel auth-pass redis \"unbalanced\nsentinel monitor\nsentinel monitor cache nowhere x 2\n",
        );
        assert_eq!(earlier.current_epoch, 9);
        let redis = &earlier.groups["redis"];
        assert_eq!(redis.master.as_ref().unwrap().to_string(), "redis-1.redis:6379");
        assert_eq!((redis.config_epoch, redis.leader_epoch), (7, 8));
        assert_eq!(redis.replicas.iter().map(ToString::to_string).collect::<Vec<_>>(), ["redis-0.redis:6379", "192.0.2.1:6380"]);
    }

    #[test]
    fn an_earlier_file_tells_epochs_that_cannot_be_too() {
        let earlier = Earlier::read(
            b"sentinel current-epoch 18446744073709551615\nsentinel config-epoch redis -1\nsentinel leader-epoch redis x\n",
        );
        assert_eq!((earlier.current_epoch, earlier.groups["redis"].config_epoch), (u64::MAX, u64::MAX));
        assert_eq!(earlier.groups["redis"].leader_epoch, 0);
    }

    proptest! {
        #[test]
        fn no_file_makes_the_reader_panic(file: Vec<u8>) {
            Earlier::read(&file);
        }
    }
}
