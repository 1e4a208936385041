//! What ordain decides in the servers' configuration files, and what would undo it: one table, by which
//! extra configuration, templates and a server's own arguments are checked before anything is written.

use std::fmt;

use super::acl::{Account, User};
use super::conf::{ConfigFile, split};
use ConfigFile::{Redis, Sentinel};

/// What is done about a directive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    /// ordain writes it: a template keeps what ordain would write, and an extra configuration has none.
    Decided,
    /// As [`Verdict::Decided`], and what it says is secret.
    Secret,
    /// Nobody may say it.
    Refused,
    /// It is taken, with a warning.
    Warned,
}
use Verdict::{Decided, Refused, Secret, Warned};

/// A directive that is not free.
#[derive(Clone, Copy)]
struct Directive {
    file: ConfigFile,
    /// What it is called, in lower case: its name today, and what older and other servers call it.
    names: &'static [&'static str],
    /// Where only one value of it is meant.
    value: Option<&'static str>,
    verdict: Verdict,
    /// What to do instead.
    instead: &'static str,
}

const fn row(file: ConfigFile, names: &'static [&'static str], verdict: Verdict, instead: &'static str) -> Directive {
    Directive { file, names, value: None, verdict, instead }
}

const fn only(value: &'static str, row: Directive) -> Directive {
    Directive { value: Some(value), ..row }
}

const BY_TLS: &str = "use --tls-ca, --tls-cert and --tls-key (ORDAIN_TLS_CA, ORDAIN_TLS_CERT, ORDAIN_TLS_KEY)";
const BY_PORT: &str = "use --port (ORDAIN_PORT)";
const BY_SENTINEL_PORT: &str = "use --sentinel-port (ORDAIN_SENTINEL_PORT)";
const BY_PASSWORD: &str = "use --password-file (ORDAIN_PASSWORD_FILE)";
const BY_USER: &str = "use --user (ORDAIN_USER)";
const BY_SENTINEL_PASSWORD: &str = "use --sentinel-password-file (ORDAIN_SENTINEL_PASSWORD_FILE)";
const BY_ANNOUNCE: &str = "use --announce (ORDAIN_ANNOUNCE)";
const BY_GENCONF: &str = "remove it: ordain finds the value and writes the line";
const BY_FOLDER: &str = "put its lines here, or name its file by another --extra-config (ORDAIN_EXTRA_CONFIG)";
const IN_FRONT: &str = "remove it: the container ends with the process that it has started";

/// The table. The first row that matches counts.
const TABLE: &[Directive] = &[
    row(Redis, &["replicaof", "slaveof"], Decided, "remove it: ordain decides who is the master"),
    only(
        "no",
        row(
            Redis,
            &["appendonly"],
            Decided,
            "remove it; where the group runs with it, first `CONFIG SET appendonly yes` on every running server, or its next start finds no data",
        ),
    ),
    row(Redis, &["appendonly"], Decided, "remove it: ordain writes `appendonly yes`"),
    row(
        Redis,
        &["appendfilename"],
        Refused,
        "first, while the server is stopped, rename its manifest to `appendonly.aof.manifest` (before Redis 7.0 the file itself to `appendonly.aof`), then remove the line",
    ),
    row(
        Redis,
        &["appenddirname"],
        Refused,
        "first, while the server is stopped, rename that folder of the data directory to `appendonlydir`, then remove the line",
    ),
    row(
        Redis,
        &["dbfilename"],
        Refused,
        "first, while the server is stopped, rename that file of the data directory to `dump.rdb`, then remove the line",
    ),
    only(
        "no",
        row(Redis, &["aof-timestamp-enabled"], Refused, "remove it: ordain reads the age of the data from the time stamps"),
    ),
    only(
        "no",
        row(
            Redis,
            &["aof-load-truncated"],
            Refused,
            "remove it before the update: a server that ends at a torn tail, which every power cut may leave, never comes back by itself",
        ),
    ),
    row(Redis, &["dir"], Decided, "use --data-dir (ORDAIN_DATA_DIR)"),
    row(Redis, &["port"], Decided, BY_PORT),
    row(Redis, &["tls-port"], Decided, BY_PORT),
    row(Redis, &["tls-replication"], Decided, BY_TLS),
    row(Redis, &["tls-ca-cert-file"], Decided, BY_TLS),
    row(Redis, &["tls-cert-file"], Decided, BY_TLS),
    row(Redis, &["tls-key-file"], Decided, BY_TLS),
    row(Redis, &["replica-announce-ip", "slave-announce-ip"], Decided, BY_ANNOUNCE),
    row(Redis, &["replica-announce-port", "slave-announce-port"], Decided, BY_PORT),
    row(Redis, &["replica-priority", "slave-priority"], Decided, "use --priority (ORDAIN_PRIORITY)"),
    only(
        "no",
        row(
            Redis,
            &["replica-announced"],
            Refused,
            "use --priority 0 (ORDAIN_PRIORITY): Sentinel would not know of this replica",
        ),
    ),
    row(Redis, &["syslog-ident"], Decided, "remove it: by it ordain knows which of its runs has started the server"),
    row(Redis, &["requirepass"], Secret, BY_PASSWORD),
    row(Redis, &["masterauth", "primaryauth"], Secret, BY_PASSWORD),
    row(Redis, &["masteruser", "primaryuser"], Decided, BY_USER),
    only("yes", row(Redis, &["cluster-enabled"], Refused, "remove it: Redis Cluster does not go with Sentinel")),
    only("yes", row(Redis, &["daemonize"], Refused, IN_FRONT)),
    row(Redis, &["include"], Refused, BY_FOLDER),
    only("yes", row(Redis, &["protected-mode"], Warned, "without a password the other pods are refused")),
    only("no", row(Redis, &["replica-read-only", "slave-read-only"], Warned, "what is written to a replica is lost")),
    row(
        Redis,
        &["aclfile"],
        Warned,
        "users of that file stand for those of ordain's settings: it must let in the user and the password that ordain is given",
    ),
    row(
        Sentinel,
        &["aclfile"],
        Warned,
        "users of that file stand for those of ordain's settings: it must let in the user and the password that ordain is given",
    ),
    row(Sentinel, &["port"], Decided, BY_SENTINEL_PORT),
    row(Sentinel, &["tls-port"], Decided, BY_SENTINEL_PORT),
    row(Sentinel, &["tls-replication"], Decided, BY_TLS),
    row(Sentinel, &["tls-ca-cert-file"], Decided, BY_TLS),
    row(Sentinel, &["tls-cert-file"], Decided, BY_TLS),
    row(Sentinel, &["tls-key-file"], Decided, BY_TLS),
    row(Sentinel, &["dir"], Decided, "use --output (ORDAIN_OUTPUT): Sentinel works in the folder of its file"),
    row(Sentinel, &["requirepass"], Secret, BY_SENTINEL_PASSWORD),
    row(Sentinel, &["sentinel sentinel-pass"], Secret, BY_SENTINEL_PASSWORD),
    row(Sentinel, &["sentinel sentinel-user"], Decided, "use --sentinel-user (ORDAIN_SENTINEL_USER)"),
    row(Sentinel, &["sentinel myid"], Decided, BY_GENCONF),
    row(Sentinel, &["sentinel resolve-hostnames"], Decided, BY_ANNOUNCE),
    row(Sentinel, &["sentinel announce-hostnames"], Decided, BY_ANNOUNCE),
    row(Sentinel, &["sentinel announce-ip"], Decided, BY_ANNOUNCE),
    row(Sentinel, &["sentinel announce-port"], Decided, BY_SENTINEL_PORT),
    row(Sentinel, &["sentinel monitor"], Decided, "use --group and --quorum (ORDAIN_GROUP, ORDAIN_QUORUM)"),
    row(Sentinel, &["sentinel client-reconfig-script"], Decided, "remove it: ordain's hook moves the labels"),
    row(Sentinel, &["sentinel auth-pass"], Secret, BY_PASSWORD),
    row(Sentinel, &["sentinel auth-user"], Decided, BY_USER),
    row(Sentinel, &["sentinel current-epoch"], Decided, BY_GENCONF),
    row(Sentinel, &["sentinel config-epoch"], Decided, BY_GENCONF),
    row(Sentinel, &["sentinel leader-epoch"], Decided, BY_GENCONF),
    row(Sentinel, &["sentinel known-replica", "sentinel known-slave"], Decided, BY_GENCONF),
    row(Sentinel, &["sentinel known-sentinel"], Decided, BY_GENCONF),
    row(Sentinel, &["sentinel rename-command"], Refused, "remove it: ordain calls the commands by their own names"),
    row(
        Sentinel,
        &["sentinel down-after-milliseconds"],
        Warned,
        "use --down-after (ORDAIN_DOWN_AFTER), with which ordain counts, too",
    ),
    only("yes", row(Sentinel, &["daemonize"], Refused, IN_FRONT)),
    row(Sentinel, &["include"], Refused, BY_FOLDER),
    only("yes", row(Sentinel, &["protected-mode"], Warned, "without a password the other Sentinels are refused")),
];

/// The commands that ordain, Sentinel (`sentinel.c`) and replicas (`replication.c`) call by their own names.
const NEEDED_COMMANDS: &[&str] = &[
    "auth",
    "client",
    "config",
    "exec",
    "failover",
    "hello",
    "info",
    "multi",
    "ping",
    "psubscribe",
    "psync",
    "publish",
    "replconf",
    "replicaof",
    "role",
    "script",
    "sentinel",
    "shutdown",
    "slaveof",
    "subscribe",
    "sync",
    "unsubscribe",
];

/// A directive that cannot be taken: where, which, and what to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Contradiction(String);

impl fmt::Display for Contradiction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Contradiction {}

/// A line with a directive, split as the servers split it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Line {
    /// Counted from 1.
    number: usize,
    /// In lower case; of Sentinel's own directives with their second word.
    name: String,
    /// What follows the name.
    values: Vec<Vec<u8>>,
}

impl Line {
    fn from_words(number: usize, words: Vec<Vec<u8>>) -> Option<Self> {
        let mut words = words.into_iter();
        let mut name = lower_case(&words.next()?);
        if name == "sentinel"
            && let Some(second) = words.next()
        {
            name = format!("sentinel {}", lower_case(&second));
        }
        Some(Self { number, name, values: words.collect() })
    }

    fn row(&self, file: ConfigFile) -> Option<&'static Directive> {
        let is = |value: &str| self.values.first().is_some_and(|own| own.eq_ignore_ascii_case(value.as_bytes()));
        TABLE.iter().find(|row| row.file == file && row.names.contains(&&*self.name) && row.value.is_none_or(is))
    }

    /// Why nobody may say this, whatever ordain decides.
    fn locks_out(&self, file: ConfigFile, account: &Account) -> Option<String> {
        if let ("rename-command", [command, ..]) = (&*self.name, &self.values[..])
            && NEEDED_COMMANDS.contains(&&*lower_case(command))
        {
            let command = String::from_utf8_lossy(command).to_uppercase();
            return Some(format!(
                "`rename-command {command}` takes away a command that ordain, Sentinel or the replicas need: remove it"
            ));
        }
        let (user, shown) = self.user_of(file, account)?;
        user.locks_out(file, account, &shown)
    }

    /// What may be wrong with it, whatever ordain decides.
    fn may_lock_out(&self, file: ConfigFile, account: &Account) -> Vec<String> {
        self.user_of(file, account).map_or_else(Vec::new, |(user, shown)| user.may_lock_out(account, &shown))
    }

    /// The name of the user that it makes.
    fn user_name(&self) -> Option<&[u8]> {
        self.values.first().filter(|_| self.name == "user").map(Vec::as_slice)
    }

    /// The user that it makes, where that is the account's, and how it is shown: its rules are secret.
    fn user_of(&self, file: ConfigFile, account: &Account) -> Option<(User, String)> {
        self.user_name().filter(|name| *name == account.name())?;
        let shown = format!("`user {} …`", escaped(account.name()));
        Some((User::from_rules(file, &self.values[1..]), shown))
    }

    fn shown(&self, row: &Directive) -> String {
        let values = match row.verdict {
            Secret => " …".to_owned(),
            _ => self.values.iter().map(|value| format!(" {}", escaped(value))).collect(),
        };
        let shown: String = format!("{}{values}", self.name).chars().take(LONGEST_SHOWN).collect();
        format!("`{shown}`")
    }

    /// Whether it says the same, by whichever of the directive's names.
    fn says_the_same(&self, other: &Self, file: ConfigFile) -> bool {
        let same = self.row(file).zip(other.row(file)).is_some_and(|(own, other)| own.names == other.names);
        same && self.values == other.values
    }
}

/// How much of a stranger's line is shown, in characters.
const LONGEST_SHOWN: usize = 200;

fn lower_case(word: &[u8]) -> String {
    escaped(word).to_ascii_lowercase()
}

fn escaped(word: &[u8]) -> String {
    word.escape_ascii().to_string()
}

/// The directives of a text, as `loadServerConfigFromString` in Redis `src/config.c` reads them.
fn lines(name: &str, text: &[u8]) -> Result<Vec<Line>, Contradiction> {
    let mut lines = Vec::new();
    for (before, line) in text.split(|&byte| byte == b'\n').enumerate() {
        let number = before + 1;
        if let Some(why) = misread(line) {
            return Err(Contradiction(format!("`{name}`, line {number}: {why}")));
        }
        if line.trim_ascii_start().starts_with(b"#") {
            continue;
        }
        let words = split(line).ok_or_else(|| Contradiction(format!("`{name}`, line {number}: its quotes do not balance")))?;
        lines.extend(Line::from_words(number, words));
    }
    Ok(lines)
}

/// Why the servers would read another line than the one that stands there.
fn misread(line: &[u8]) -> Option<String> {
    const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";
    // Some editors end lines with it.
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    if line.contains(&0) {
        // `fgets` in `loadServerConfig` (Redis `src/config.c`): the line's end goes, too, in a comment as well.
        return Some(
            "holds a NUL byte, at which the servers cut the line and join it to the next: write the file as UTF-8 text without it"
                .to_owned(),
        );
    }
    if line.starts_with(BYTE_ORDER_MARK) {
        return Some("begins with a byte order mark, which the servers take for a part of the first word: remove it".to_owned());
    }
    let is_comment = line.trim_ascii_start().starts_with(b"#");
    let control = line.iter().find(|byte| byte.is_ascii_control() && **byte != b'\t').filter(|_| !is_comment)?;
    Some(format!("holds the control character 0x{control:02x}: remove it, or write it in double quotes as `\\x{control:02x}`"))
}

/// Checks what is appended to a file that ordain writes. `account` is as whom ordain logs in. Returns what there is to
/// warn of.
///
/// # Errors
/// The first line that says what ordain decides, or that would lock it out.
pub fn check_extra(file: ConfigFile, name: &str, text: &[u8], account: &Account) -> Result<Vec<String>, Contradiction> {
    check_lines(file, &lines(name, text)?, account, |line| format!("`{name}`, line {}", line.number))
}

/// Checks the arguments with which a server is started after its file: there they win. One that begins with `--` is
/// the beginning of a line as it is, and those that follow are its values (`main` in Redis `src/server.c`): so that
/// it may hold its values itself, or several lines.
///
/// # Errors
/// The first one that says what ordain decides, or that would lock it out.
pub fn check_arguments(file: ConfigFile, arguments: &[&[u8]], account: &Account) -> Result<Vec<String>, Contradiction> {
    check_lines(file, &options(arguments)?, account, |_| COMMAND.to_owned())
}

/// Where the arguments of a server are, for messages.
const COMMAND: &str = "the command after `--`";

fn options(arguments: &[&[u8]]) -> Result<Vec<Line>, Contradiction> {
    let mut options: Vec<Vec<Vec<u8>>> = Vec::new();
    for argument in arguments {
        match (argument.strip_prefix(b"--"), options.last_mut()) {
            (Some(text), _) => {
                for line in text.split(|&byte| byte == b'\n') {
                    let words = split(line).ok_or_else(|| Contradiction(format!("{COMMAND}: its quotes do not balance")))?;
                    options.push(words);
                }
            }
            (None, Some(option)) => option.push((*argument).to_owned()),
            (None, None) => {}
        }
    }
    Ok(options.into_iter().filter_map(|words| Line::from_words(0, words)).collect())
}

/// Checks whether anything makes the user as whom ordain logs in: the `whole` file, or the arguments that the server
/// is started with. Returns what there is to warn of.
///
/// # Errors
/// They make other users, and not that one.
pub fn check_users(whole: &[u8], arguments: &[&[u8]], account: &Account) -> Result<Option<String>, Contradiction> {
    let said = [lines("the file", whole)?, options(arguments)?].concat();
    let users: Vec<_> = said.iter().filter_map(Line::user_name).collect();
    // What is in a file of users is not known; `default` is always there.
    let has_file = said.iter().any(|line| line.name == "aclfile" && line.values.first().is_some_and(|path| !path.is_empty()));
    let name = account.name();
    if has_file || name == b"default" || users.contains(&name) {
        return Ok(None);
    }
    let (shown, setting) = (escaped(name), &account.user_setting);
    if users.is_empty() {
        return Ok(Some(format!(
            "{setting}: neither the file nor the server's command makes a `user {shown}`, as whom all log in: add it by --extra-config (ORDAIN_EXTRA_CONFIG), as a `user` line or an `aclfile`"
        )));
    }
    Err(Contradiction(format!(
        "{setting}: the file has `user` lines for others and none for {shown}, so that ordain, Sentinel and the replicas could not log in: add a line `user {shown} on >PASSWORD ~* &* +@all`"
    )))
}

fn check_lines(
    file: ConfigFile,
    lines: &[Line],
    account: &Account,
    place: impl Fn(&Line) -> String,
) -> Result<Vec<String>, Contradiction> {
    let mut warnings = Vec::new();
    for line in lines {
        let place = place(line);
        if let Some(why) = line.locks_out(file, account) {
            return Err(Contradiction(format!("{place}: {why}")));
        }
        warnings.extend(line.may_lock_out(file, account).iter().map(|why| format!("{place}: {why}")));
        let Some(row) = line.row(file) else { continue };
        match (row.verdict, line.shown(row)) {
            (Warned, shown) => warnings.push(format!("{place}: {shown}: {}", row.instead)),
            (Refused, shown) => {
                return Err(Contradiction(format!("{place}: {shown} cannot be used with ordain: {}", row.instead)));
            }
            (Decided | Secret, shown) => {
                return Err(Contradiction(format!("{place}: {shown} is ordain's to decide: {}", row.instead)));
            }
        }
    }
    Ok(warnings)
}

/// Checks what a template of the user's own has become: of what ordain decides, all that the built-in one says,
/// and nothing else. `extra` is what is appended to it. Returns what there is to warn of.
///
/// # Errors
/// The first line that says otherwise, or what is left out.
pub fn check_rendered(
    file: ConfigFile,
    name: &str,
    [rendered, built_in, extra]: [&[u8]; 3],
    account: &Account,
) -> Result<Vec<String>, Contradiction> {
    let is_decided = |line: &&Line| line.row(file).is_some_and(|row| matches!(row.verdict, Decided | Secret));
    let built_in = lines("the built-in template", built_in)?;
    let wanted: Vec<_> = built_in.iter().filter(is_decided).collect();
    let rendered = lines(name, rendered)?;
    let rendered_names: Vec<_> = rendered.iter().map(|line| line.name.clone()).collect();
    let (kept, mut other): (Vec<_>, Vec<_>) = rendered.into_iter().partition(|line| is_decided(&line));
    other.retain(|line| !built_in.iter().any(|built_in| built_in.says_the_same(line, file)));
    for line in &kept {
        let Some(row) = line.row(file) else { continue };
        if !wanted.iter().any(|wanted| wanted.says_the_same(line, file)) {
            let its = wanted.iter().find(|wanted| row.names.contains(&&*wanted.name)).map(|wanted| wanted.shown(row));
            let decided = match its {
                // Where there is more to do before that, the row says it.
                Some(_) if row.value.is_some() => format!("write what the built-in template does, and {}", row.instead),
                Some(its) => format!("write {its}, by the values that the template is given"),
                None => "leave it out".to_owned(),
            };
            return Err(Contradiction(format!(
                "the template `{name}` writes, in line {}, {}, which is ordain's to decide: {decided}",
                line.number,
                line.shown(row)
            )));
        }
    }
    for line in wanted {
        if let Some(row) = line.row(file)
            && !kept.iter().any(|kept| kept.says_the_same(line, file))
        {
            return Err(Contradiction(format!(
                "the template `{name}` leaves out {}, without which ordain's decision does not hold: write it as the built-in template does",
                line.shown(row)
            )));
        }
    }
    let place = |line: &Line| format!("the template `{name}`, line {} of what it writes", line.number);
    let mut warnings = check_lines(file, &other, account, place)?;
    let said = [other, lines("the extra configuration", extra)?].concat();
    let has_password = built_in.iter().any(|line| line.name == "requirepass");
    for (directive, why) in MISSED {
        let is = |lines: &[Line]| lines.iter().any(|line| line.name == *directive);
        let is_needed = file == Redis && is(&built_in) && !(has_password && *directive == "protected-mode");
        let is_kept = rendered_names.iter().any(|name| name == directive);
        if is_needed && !is_kept && !is(&said) {
            warnings.push(format!("the template `{name}` leaves out {why}: write it as the built-in template does"));
        }
    }
    Ok(warnings)
}

/// What a template may leave out, and should not.
const MISSED: &[(&str, &str)] = &[
    ("aof-timestamp-enabled", "`aof-timestamp-enabled yes`, so that a restart can make data look newer than it is"),
    ("protected-mode", "`protected-mode no`, so that without a password the other pods are refused"),
];

#[cfg(test)]
mod tests {
    use super::*;

    fn extra(text: &str) -> Result<Vec<String>, String> {
        check_extra(Redis, "extra.conf", text.as_bytes(), &account(None, None)).map_err(|error| error.to_string())
    }

    #[test]
    fn every_name_of_every_row_is_refused_or_warned_of_in_any_case_and_quoting() {
        for row in TABLE {
            for name in row.names {
                let (first, second) = name.split_once(' ').unwrap_or((name, ""));
                for name in
                    [(*name).to_owned(), name.to_uppercase(), format!("  \"{first}\" {second}"), format!("\t{first}\t{second}\r")]
                {
                    let text = format!("# first\n\n{name} {}\r\n", row.value.unwrap_or("1 2"));
                    let text = if name.ends_with('\r') { text.replace("\r ", " ") } else { text };
                    let checked = check_extra(row.file, "extra.conf", text.as_bytes(), &account(None, None));
                    let said = match checked {
                        Ok(warnings) => {
                            assert_eq!((row.verdict, warnings.len()), (Warned, 1), "{text}");
                            warnings[0].clone()
                        }
                        Err(refusal) => refusal.to_string(),
                    };
                    assert!(said.starts_with("`extra.conf`, line 3: ") && said.ends_with(row.instead), "{said}");
                    assert!(row.verdict != Secret || !said.contains("1 2"), "a secret is shown: {said}");
                }
            }
        }
    }

    #[test]
    fn what_ordain_does_not_decide_is_free() {
        let free = "maxmemory 1gb\nbind 127.0.0.1\nsave \"\"\n# appendonly no\nappendfsync always\nmin-replicas-to-write 1\n\
                    loadmodule /m.so appendonly no\nrename-command FLUSHALL \"\"\nrename-command KEYS hidden\nuser app on >x ~* +@all\n\
                    user default off on nopass ~* &* +@all\nprotected-mode no\nreplica-announced yes\ncluster-enabled no\naof-load-truncated yes\n\
                    tls-auth-clients no\nclient-output-buffer-limit replica 0 0 0\nrepl-diskless-sync no\n";
        assert_eq!(extra(free), Ok(Vec::new()));
        let sentinel = "sentinel failover-timeout redis 5000\nsentinel parallel-syncs redis 2\nsentinel deny-scripts-reconfig no\n\
                        sentinel notification-script redis /x\nbind ::1\nappendonly no\n";
        assert_eq!(check_extra(Sentinel, "extra", sentinel.as_bytes(), &account(None, None)), Ok(Vec::new()));
    }

    #[test]
    fn a_command_that_is_needed_is_not_renamed_away() {
        for command in ["CONFIG", "role", "\"Slaveof\"", "client", "MULTI", "publish", "ping", "shutdown"] {
            for name in ["\"\"", "secret-name"] {
                let refusal = extra(&format!("rename-command {command} {name}")).unwrap_err();
                assert!(refusal.contains("takes away a command"), "{refusal}");
            }
        }
    }

    fn account(user: Option<&str>, password: Option<&str>) -> Account {
        let bytes = |word: &str| word.as_bytes().to_vec();
        let settings = ["--user (ORDAIN_USER)", "--password-file"].map(str::to_owned);
        let [user_setting, password_setting] = settings;
        Account { user: user.map(bytes), user_setting, password: password.map(bytes), password_setting }
    }

    #[test]
    fn the_user_that_ordain_is_is_not_turned_off() {
        let (nobody, ordain) = (account(None, None), account(Some("ordain"), Some("x")));
        for rules in ["off", "on >x off", "OFF", "on reset", "", ">x ~* &* +@all"] {
            let check = |user, of| check_extra(Redis, "extra", format!("user {user} {rules}").as_bytes(), of);
            let refusal = check("default", &nobody).unwrap_err().to_string();
            assert!(refusal.contains("`user default …` without a last `on`"), "{refusal}");
            assert_eq!(check("default", &ordain), Ok(Vec::new()));
            assert!(check("ordain", &ordain).is_err());
        }
    }

    #[test]
    fn what_locks_out_the_user_that_ordain_is_is_refused_and_what_may_is_warned_of() {
        let check = |rules: &str, of: &Account| {
            let text = format!("user {} {rules}", escaped(of.name()));
            let checked = [
                check_extra(Redis, "extra", text.as_bytes(), of),
                check_rendered(Redis, "my.tera", [text.as_bytes(), b"", b""], of),
                check_arguments(Redis, &[b"redis.conf", format!("--{text}").as_bytes()], of),
            ];
            let count = |checked: Result<Vec<String>, _>| checked.ok().map(|warnings| warnings.len());
            let [extra, template, arguments] = checked.map(count);
            assert!(extra == template && extra == arguments, "{rules}");
            extra
        };
        let (nobody, default) = (account(None, None), account(None, Some("x")));
        let ordain = account(Some("ordain"), Some("x"));
        let hash = "#2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881";
        for (rules, of, warnings) in [
            ("on >other", &nobody, None),
            ("on nopass ~* &* +@all", &nobody, Some(0)),
            ("on nopass ~* &* +@all", &default, None),
            ("on >other ~* &* +@all", &default, None),
            ("on >x ~* &* +@all", &default, Some(0)),
            ("on resetpass", &nobody, None),
            ("on nopass &* +@all -config", &nobody, Some(1)),
            ("on nopass &* +@all -@admin", &nobody, Some(1)),
            ("on >x &* +@all -psync", &ordain, Some(1)),
            ("on >x +@all -@dangerous", &ordain, Some(2)),
            ("on >x ~* &* +@all", &ordain, Some(0)),
            (&format!("on {hash} &* -@all +config +role"), &ordain, Some(1)),
            ("on >x &* -@admin +@all", &ordain, Some(0)),
            ("on >x &* +@all -flushall", &ordain, Some(0)),
            ("on >x &* +@all resetpass", &ordain, None),
            ("on >x &* +@all -@all", &ordain, None),
        ] {
            assert_eq!(check(rules, of), warnings, "{rules}");
        }
    }

    #[test]
    fn a_user_that_nothing_makes_is_told_of_and_refused_where_others_are_made() {
        let ordain = account(Some("ordain"), Some("x"));
        let check = |file: &str, arguments: &[&str], of: &Account| {
            let arguments: Vec<_> = arguments.iter().map(|word| word.as_bytes()).collect();
            check_users(file.as_bytes(), &arguments, of)
        };
        let made = "port 1\nUSER app on nopass\nuser ordain on >x\n";
        for (file, arguments) in [
            (made, &["redis.conf"][..]),
            ("user app on\n", &["redis.conf", "--user", "ordain", "on", ">x"]),
            ("user app on\naclfile /users\n", &["redis.conf"]),
            ("port 1\n", &["redis.conf", "--aclfile /users"]),
        ] {
            assert_eq!(check(file, arguments, &ordain), Ok(None), "{file}");
        }
        for of in [account(None, Some("x")), account(Some("default"), Some("x")), account(None, None)] {
            assert_eq!(check("user app on\n", &[], &of), Ok(None));
        }
        for (file, arguments) in [
            ("user app on\n", &["redis.conf"][..]),
            ("user Ordain on\n# user ordain on\naclfile \"\"\n", &[]),
            ("port 1\n", &["redis.conf", "--user app on"]),
        ] {
            let refusal = check(file, arguments, &ordain).unwrap_err().to_string();
            assert!(refusal.starts_with("--user (ORDAIN_USER): the file has `user` lines for others"), "{refusal}");
        }
        let warning = check("port 1\n", &["redis.conf"], &ordain).unwrap().unwrap();
        assert!(warning.contains("makes a `user ordain`"), "{warning}");
    }

    #[test]
    fn a_template_that_leaves_out_what_it_should_not_is_warned_of() {
        let built_in = "appendonly yes\naof-timestamp-enabled yes\nprotected-mode no\n";
        let check = |text: &str, built_in: &str, extra: &str| {
            check_rendered(Redis, "my.tera", [text.as_bytes(), built_in.as_bytes(), extra.as_bytes()], &account(None, None))
                .unwrap()
        };
        let warnings = check("appendonly yes\n", built_in, "");
        assert!(warnings[0].contains("leaves out `aof-timestamp-enabled yes`"), "{warnings:?}");
        assert!(warnings[1].contains("leaves out `protected-mode no`") && warnings.len() == 2, "{warnings:?}");
        assert_eq!(check(built_in, built_in, ""), Vec::<String>::new());
        assert_eq!(check("appendonly yes\nprotected-mode yes\n", built_in, "aof-timestamp-enabled yes").len(), 1, "as before");
        assert_eq!(check("appendonly yes\n", built_in, "AOF-timestamp-enabled yes\nprotected-mode no\n"), Vec::<String>::new());
        let protected = "appendonly yes\nrequirepass x\n";
        assert_eq!(check(protected, &format!("{protected}protected-mode no\n"), ""), Vec::<String>::new());
        assert_eq!(check("appendonly yes\n", "appendonly yes\n", ""), Vec::<String>::new(), "a server before 7.0");
        let refusal =
            check_rendered(Redis, "my.tera", [b"appendonly no\n", built_in.as_bytes(), b""], &account(None, None)).unwrap_err();
        assert!(refusal.to_string().contains("`CONFIG SET appendonly yes` on every running server"), "{refusal}");
    }

    #[test]
    fn a_group_that_ran_without_an_append_only_file_is_told_the_step_before() {
        let refusal = extra("maxmemory 1mb\nAppendOnly NO\n").unwrap_err();
        assert!(
            refusal.contains("line 2") && refusal.contains("`CONFIG SET appendonly yes` on every running server"),
            "{refusal}"
        );
        assert!(!extra("appendonly yes").unwrap_err().contains("CONFIG SET"));
    }

    #[test]
    fn a_line_that_the_servers_would_read_as_another_is_refused_in_a_comment_too() {
        for (text, line, what) in [
            ("appendonly\0zz\n no\n", 1, "a NUL byte"),
            ("maxmemory 1mb\n# a note\0\nappendonly no\n", 2, "a NUL byte"),
            ("s\0a\0v\0e\0 \0\"\0\"\0\r\0\n\0", 1, "a NUL byte"),
            ("\u{feff}maxmemory 1mb\n", 1, "a byte order mark"),
            ("maxmemory 1mb\n\u{feff}# another file\n", 2, "a byte order mark"),
            ("maxmemory 1mb\x0b\n", 1, "the control character 0x0b"),
            ("maxmemory 1mb\rappendonly no\r", 1, "the control character 0x0d"),
            ("maxmemory\x7f 1mb", 1, "the control character 0x7f"),
        ] {
            let refusal = extra(text).unwrap_err();
            assert!(refusal.starts_with(&format!("`extra.conf`, line {line}: ")) && refusal.contains(what), "{refusal}");
            assert!(check_extra(Sentinel, "extra", text.as_bytes(), &account(None, None)).is_err(), "{text:?}");
            let template =
                check_rendered(Redis, "my.tera", [text.as_bytes(), b"", b""], &account(None, None)).unwrap_err().to_string();
            assert!(template.contains(what), "{template}");
        }
        assert_eq!(extra("maxmemory\t1mb\r\n# \x0c Gr\u{f6}\u{df}e\r\nsave \"\\x41\"\r\n"), Ok(Vec::new()));
    }

    #[test]
    fn quotes_that_do_not_balance_are_refused() {
        assert_eq!(extra("a b\nsave \"1\n").unwrap_err(), "`extra.conf`, line 2: its quotes do not balance");
    }

    #[test]
    fn arguments_of_the_server_are_checked_like_lines() {
        let check = |arguments: &[&str]| {
            let arguments: Vec<_> = arguments.iter().map(|word| word.as_bytes()).collect();
            check_arguments(Redis, &arguments, &account(None, None)).map_err(|error| error.to_string())
        };
        assert_eq!(check(&["/etc/redis/redis.conf", "--maxmemory", "1gb", "--loadmodule", "/m.so"]), Ok(Vec::new()));
        let refusal = check(&["/etc/redis/redis.conf", "--save", "", "--Appendonly", "no"]).unwrap_err();
        assert!(refusal.starts_with("the command after `--`: `appendonly no` is ordain's"), "{refusal}");
        for word in ["--appendonly no", "--\tappendonly 'no'", "--maxmemory 1gb\nappendonly no"] {
            assert!(check(&["redis.conf", word]).is_err_and(|refusal| refusal.contains("`appendonly no`")), "{word}");
        }
        assert!(check(&["redis.conf", "--dir \"/data"]).is_err_and(|refusal| refusal.contains("quotes do not balance")));
        assert!(check(&["redis.conf", "--requirepass", "s3cret"]).is_err_and(|refusal| !refusal.contains("s3cret")));
    }

    #[test]
    fn a_template_says_what_ordain_decides_and_nothing_else_of_it() {
        let built_in = b"dir \"/data\"\nappendonly yes\nreplica-priority 0\nrequirepass \"s3cret\"\n";
        let check = |text: &str| {
            check_rendered(Redis, "my.tera", [text.as_bytes(), built_in, b""], &account(None, None))
                .map(drop)
                .map_err(|error| error.to_string())
        };
        let whole = "slave-priority 0\nAPPENDONLY yes\ndir /data\nrequirepass s3cret\nmaxmemory 1mb\n";
        assert_eq!(check(whole), Ok(()));
        assert_eq!(check(&format!("{whole}{whole}")), Ok(()));
        for (line, shown) in
            [("dir /data\n", "dir"), ("APPENDONLY yes\n", "appendonly yes"), ("requirepass s3cret\n", "requirepass …")]
        {
            let refusal = check(&whole.replace(line, "")).unwrap_err();
            assert!(refusal.contains(&format!("leaves out `{shown}")) && !refusal.contains("s3cret"), "{refusal}");
        }
        for (line, number) in [("dir /else", 6), ("appendonly no", 6), ("replicaof redis-0 6379", 6), ("requirepass s3cret2", 6)]
        {
            let refusal = check(&format!("{whole}{line}\n")).unwrap_err();
            assert!(refusal.contains(&format!("in line {number}, `")) && !refusal.contains("s3cret"), "{refusal}");
        }
        assert!(check(&format!("{whole}include /etc/other.conf\n")).is_err());
        assert!(check(&format!("{whole}rename-command CONFIG \"\"\n")).is_err());
    }
}
