//! What `redis.conf` says.

use serde::Serialize;

use super::conf::{TlsFiles, TlsValues, Unwritable, quote};
use super::identity::Endpoint;

/// The priority of a Redis that Sentinel may promote, where its pod says nothing else: the servers' own default.
pub const USUAL_PRIORITY: u32 = 100;
/// The highest that a server takes (`INT_MAX` in Redis `src/config.c`).
pub const HIGHEST_PRIORITY: i64 = 2_147_483_647;

/// What stands before the run in `syslog-ident`.
pub const IDENT: &str = "ordain-";

/// How a run of ordain is called in its pod's annotation and in `syslog-ident`: by a random name, and with the pod's
/// own priority, which the server so keeps though nothing could be published. Those of 0.1 are a random name alone.
pub fn run_of(random: &str, priority: u32) -> String {
    format!("{random}.P{priority}")
}

/// The own priority of a pod, by its run; none where the run does not say.
pub fn priority_of(run: &str) -> Option<u32> {
    run.rsplit_once(".P")?.1.parse().ok()
}

/// The built-in template.
pub const TEMPLATE: &str = include_str!("../../templates/redis.conf.tera");

/// What a Redis needs to know, as it is.
#[derive(Debug)]
pub struct RedisConf<'a> {
    /// The port to listen on.
    pub port: u16,
    /// The data directory.
    pub dir: &'a [u8],
    /// Whether the server can stamp the time of each write into its append-only file.
    pub stamps_time: bool,
    /// How this Redis names itself to its master and to Sentinel.
    pub announce: &'a Endpoint,
    /// The master to follow; none for a master.
    pub master: Option<&'a Endpoint>,
    /// `replica-priority`: 0 where Sentinel must not promote it.
    pub priority: u32,
    /// Which run of ordain writes this; none where it has published nothing of its disk.
    pub run: Option<&'a str>,
    /// The ACL user under which a replica speaks to its master.
    pub user: Option<&'a [u8]>,
    /// The password of this Redis and of its master.
    pub password: Option<&'a [u8]>,
    /// The files with which it speaks TLS, and nothing else; plain where there are none.
    pub tls: Option<TlsFiles<'a>>,
}

/// The same as the template sees it: every value quoted.
#[derive(Debug, Serialize)]
pub struct Values {
    port: u16,
    dir: String,
    stamps_time: bool,
    announce: Address,
    master: Option<Address>,
    priority: u32,
    ident: Option<String>,
    user: Option<String>,
    password: Option<String>,
    tls: Option<TlsValues>,
}

/// A host and a port, both safe to stand bare in a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Address {
    host: String,
    port: u16,
}

impl From<&Endpoint> for Address {
    fn from(endpoint: &Endpoint) -> Self {
        Self { host: endpoint.host.to_string(), port: endpoint.port }
    }
}

impl RedisConf<'_> {
    /// Quotes every value.
    ///
    /// # Errors
    /// A value that Redis could not read back.
    pub fn values(&self) -> Result<Values, Unwritable> {
        Ok(Values {
            port: self.port,
            dir: quote("the data directory", self.dir)?,
            stamps_time: self.stamps_time,
            announce: self.announce.into(),
            master: self.master.map(Address::from),
            priority: self.priority,
            ident: self.run.map(|run| format!("{IDENT}{run}")),
            user: self.user.map(|user| quote("the user", user)).transpose()?,
            password: self.password.map(|password| quote("the password", password)).transpose()?,
            tls: self.tls.map(|files| files.values()).transpose()?,
        })
    }
}

/// Whether a replica with this configuration, and these arguments of its command, makes each full copy of a master
/// into its `dump.rdb`, as the servers do unless they are configured otherwise (`repl-diskless-load`, `repl-rdb-channel`).
/// What is named may be set.
pub fn keeps_copies(file: &[u8], arguments: &[&[u8]]) -> bool {
    let names = |text: &[u8], name: &[u8]| text.windows(name.len()).any(|part| part.eq_ignore_ascii_case(name));
    let names_any = |text: &[u8]| names(text, b"repl-diskless-load") || names(text, b"repl-rdb-channel");
    !names_any(file) && !arguments.iter().any(|argument| names_any(argument))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_replica_keeps_copies_unless_it_may_be_told_otherwise() {
        assert!(keeps_copies(TEMPLATE.as_bytes(), &[b"redis-server", b"/redis.conf"]));
        assert!(!keeps_copies(b"port 1\nRepl-Diskless-Load swapdb\n", &[]));
        assert!(!keeps_copies(b"", &[b"redis-server", b"--repl-rdb-channel", b"yes"]));
    }

    #[test]
    fn a_run_tells_the_own_priority_of_its_pod_and_one_of_0_1_does_not() {
        for own in [0, 50, u32::MAX] {
            assert_eq!(priority_of(&run_of("00ff", own)), Some(own));
        }
        for run in ["", "00ff", "00ff.P", "00ff.P-1", "00ff.P4294967296", "P5"] {
            assert_eq!(priority_of(run), None, "{run}");
        }
    }
}
