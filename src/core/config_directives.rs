//! What ordain decides in the servers' configuration files, and what would undo it: one table, by which
//! extra configuration, templates and a server's own arguments are checked before anything is written.

use std::fmt;

use super::conf::split;

/// The server that a file is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ConfigFile {
    /// `redis.conf`.
    Redis,
    /// `sentinel.conf`.
    Sentinel,
}
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
const BY_GENCONF: &str = "remove it: ordain finds it out and writes it";
const BY_RENAMING: &str = "remove it; data under another name is renamed while the server is stopped";
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
    row(Redis, &["appendfilename"], Refused, BY_RENAMING),
    row(Redis, &["appenddirname"], Refused, BY_RENAMING),
    row(Redis, &["dbfilename"], Refused, BY_RENAMING),
    only("no", row(Redis, &["aof-timestamp-enabled"], Refused, "remove it: the time stamps tell how old the data is")),
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
        "use --down-after (ORDAIN_DOWN_AFTER), by which ordain reckons, too",
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

/// The categories that have some of them.
const NEEDED_CATEGORIES: &[&str] = &["@admin", "@dangerous", "@connection", "@pubsub", "@slow", "@fast", "@transaction"];

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
    fn locks_out(&self, user: Option<&[u8]>) -> Option<String> {
        match (&*self.name, &self.values[..]) {
            ("rename-command", [command, ..]) if NEEDED_COMMANDS.contains(&&*lower_case(command)) => {
                let command = String::from_utf8_lossy(command).to_uppercase();
                Some(format!(
                    "`rename-command {command}` takes away a command that ordain, Sentinel or the replicas need: remove it"
                ))
            }
            // Of several rules the last one counts (`ACLSetUser` in Redis `src/acl.c`).
            ("user", [name, rules @ ..]) if name == user.unwrap_or(b"default") => {
                // A user of the file begins switched off.
                let is_switch = |rule: &String| ["on", "off", "reset"].contains(&rule.as_str());
                let is_on = rules.iter().map(|rule| lower_case(rule)).rfind(is_switch).is_some_and(|rule| rule == "on");
                let name = escaped(name);
                (!is_on).then(|| format!("`user {name}` without a last `on` turns away the user as which ordain, Sentinel and the replicas log in: name another by --user (ORDAIN_USER)"))
            }
            _ => None,
        }
    }

    /// What may be wrong with it, whatever ordain decides.
    fn may_lock_out(&self, user: Option<&[u8]>) -> Option<String> {
        let [name, rules @ ..] = &self.values[..] else { return None };
        if self.name != "user" || name != user.unwrap_or(b"default") {
            return None;
        }
        let shown = escaped(name);
        let rules: Vec<_> = rules.iter().map(|rule| lower_case(rule)).collect();
        let sets_password = |rule: &String| rule.starts_with(['>', '#', '<', '!']) || rule == "resetpass" || rule == "nopass";
        if user.is_none() && rules.iter().any(sets_password) {
            return Some(format!(
                "`user {shown} …` stands for the password that ordain writes: {BY_PASSWORD}, and remove it here"
            ));
        }
        let allows_all = rules.iter().rposition(|rule| rule == "+@all" || rule == "allcommands");
        let is_needed = |rule: &str| NEEDED_COMMANDS.contains(&rule) || NEEDED_CATEGORIES.contains(&rule);
        let later = &rules[allows_all.map_or(0, |at| at + 1)..];
        let taken = later.iter().filter_map(|rule| rule.strip_prefix('-')).find(|rule| is_needed(rule));
        taken.map(|taken| {
            format!("`user {shown} … -{taken}` takes commands away that ordain, Sentinel or the replicas need: see that none of theirs is among them")
        })
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

/// Checks what is appended to a file that ordain writes. `user` is whom ordain logs in as. Returns what there is to
/// warn of.
///
/// # Errors
/// The first line that says what ordain decides, or that would lock it out.
pub fn check_extra(file: ConfigFile, name: &str, text: &[u8], user: Option<&[u8]>) -> Result<Vec<String>, Contradiction> {
    check_lines(file, &lines(name, text)?, user, |line| format!("`{name}`, line {}", line.number))
}

/// Checks the arguments with which a server is started after its file: there they win. One that begins with `--` is
/// the beginning of a line as it is, and those that follow are its values (`main` in Redis `src/server.c`): so that
/// it may hold its values itself, or several lines.
///
/// # Errors
/// The first one that says what ordain decides, or that would lock it out.
pub fn check_arguments(file: ConfigFile, arguments: &[&[u8]], user: Option<&[u8]>) -> Result<Vec<String>, Contradiction> {
    const PLACE: &str = "the command after `--`";
    let mut options: Vec<Vec<Vec<u8>>> = Vec::new();
    for argument in arguments {
        match (argument.strip_prefix(b"--"), options.last_mut()) {
            (Some(text), _) => {
                for line in text.split(|&byte| byte == b'\n') {
                    let words = split(line).ok_or_else(|| Contradiction(format!("{PLACE}: its quotes do not balance")))?;
                    options.push(words);
                }
            }
            (None, Some(option)) => option.push((*argument).to_owned()),
            (None, None) => {}
        }
    }
    let options: Vec<_> = options.into_iter().filter_map(|words| Line::from_words(0, words)).collect();
    check_lines(file, &options, user, |_| PLACE.to_owned())
}

fn check_lines(
    file: ConfigFile,
    lines: &[Line],
    user: Option<&[u8]>,
    place: impl Fn(&Line) -> String,
) -> Result<Vec<String>, Contradiction> {
    let mut warnings = Vec::new();
    for line in lines {
        let place = place(line);
        if let Some(why) = line.locks_out(user) {
            return Err(Contradiction(format!("{place}: {why}")));
        }
        warnings.extend(line.may_lock_out(user).map(|why| format!("{place}: {why}")));
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
    user: Option<&[u8]>,
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
    let mut warnings = check_lines(file, &other, user, place)?;
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
        check_extra(Redis, "extra.conf", text.as_bytes(), None).map_err(|error| error.to_string())
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
                    let checked = check_extra(row.file, "extra.conf", text.as_bytes(), None);
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
                    user default off on ~* &* +@all\nprotected-mode no\nreplica-announced yes\ncluster-enabled no\naof-load-truncated yes\n\
                    tls-auth-clients no\nclient-output-buffer-limit replica 0 0 0\nrepl-diskless-sync no\n";
        assert_eq!(extra(free), Ok(Vec::new()));
        let sentinel = "sentinel failover-timeout redis 5000\nsentinel parallel-syncs redis 2\nsentinel deny-scripts-reconfig no\n\
                        sentinel notification-script redis /x\nbind ::1\nappendonly no\n";
        assert_eq!(check_extra(Sentinel, "extra", sentinel.as_bytes(), None), Ok(Vec::new()));
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

    #[test]
    fn the_user_that_ordain_is_is_not_turned_off() {
        for rules in ["off", "on >x off", "OFF", "on reset", "", ">x ~* &* +@all"] {
            assert!(extra(&format!("user default {rules}")).unwrap_err().contains("`user default` without a last `on`"));
            let by_another = check_extra(Redis, "extra", format!("user default {rules}").as_bytes(), Some(b"ordain"));
            assert_eq!(by_another, Ok(Vec::new()));
            assert!(check_extra(Redis, "extra", format!("user ordain {rules}").as_bytes(), Some(b"ordain")).is_err());
        }
    }

    #[test]
    fn what_may_lock_out_the_user_that_ordain_is_is_warned_of() {
        let warned = |rules: &str, user: Option<&str>| {
            let text = format!("user {} {rules}", user.unwrap_or("default"));
            check_extra(Redis, "extra", text.as_bytes(), user.map(str::as_bytes)).unwrap().len()
        };
        for rules in ["on >other", "on nopass ~* &* +@all", "on resetpass", "on +@all -config", "on +@all -@admin"] {
            assert_eq!(warned(rules, None), 1, "{rules}");
        }
        for rules in ["on >x +@all -psync", "on >x +@all -@dangerous"] {
            assert_eq!(warned(rules, Some("ordain")), 1, "{rules}");
        }
        for rules in ["on >x ~* &* +@all", "on #00 -@all +config +role", "on >x -@admin +@all", "on >x +@all -flushall"] {
            assert_eq!(warned(rules, Some("ordain")), 0, "{rules}");
        }
    }

    #[test]
    fn a_template_that_leaves_out_what_it_should_not_is_warned_of() {
        let built_in = "appendonly yes\naof-timestamp-enabled yes\nprotected-mode no\n";
        let check = |text: &str, built_in: &str, extra: &str| {
            check_rendered(Redis, "my.tera", [text.as_bytes(), built_in.as_bytes(), extra.as_bytes()], None).unwrap()
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
        let refusal = check_rendered(Redis, "my.tera", [b"appendonly no\n", built_in.as_bytes(), b""], None).unwrap_err();
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
            assert!(check_extra(Sentinel, "extra", text.as_bytes(), None).is_err(), "{text:?}");
            let template = check_rendered(Redis, "my.tera", [text.as_bytes(), b"", b""], None).unwrap_err().to_string();
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
            check_arguments(Redis, &arguments, None).map_err(|error| error.to_string())
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
            check_rendered(Redis, "my.tera", [text.as_bytes(), built_in, b""], None).map(drop).map_err(|error| error.to_string())
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
