//! What a `user` line of a server's configuration file allows (`ACLSetUser` in Redis `src/acl.c`), and whether
//! ordain, Sentinel and the replicas, which log in as one user, could still do their work.

use std::collections::BTreeSet;

use sha2::{Digest, Sha256};

use super::conf::ConfigFile;

/// As whom ordain, Sentinel and the replicas log in to a server.
#[derive(Debug, Clone, Default)]
pub struct Account {
    /// The ACL user; none for `default`, which logs in by a password alone.
    pub user: Option<Vec<u8>>,
    /// What names that user, for messages: the flag, or the variable that was set.
    pub user_setting: String,
    /// The password; none where nobody logs in.
    pub password: Option<Vec<u8>>,
    /// What gives that password, for messages.
    pub password_setting: String,
}

impl Account {
    /// Its name among the server's users.
    pub fn name(&self) -> &[u8] {
        self.user.as_deref().unwrap_or(b"default")
    }
}

/// A command that is needed, or one part of it, and the categories that it is in.
struct Need(&'static str, &'static [&'static str]);

const ADMIN: &[&str] = &["@admin", "@slow", "@dangerous"];
const CLIENT: &[&str] = &["@admin", "@slow", "@dangerous", "@connection"];

/// What ordain, Sentinel (`sentinel.c`) and replicas (`replication.c`) call at a Redis. `AUTH` and `HELLO` need no
/// permission.
const NEEDS_OF_REDIS: &[Need] = &[
    Need("ping", &["@fast", "@connection"]),
    // From 7.0 on it is in `@admin`, too.
    Need("role", &["@fast", "@dangerous"]),
    Need("info", &["@slow", "@dangerous"]),
    Need("config|get", ADMIN),
    Need("config|set", ADMIN),
    Need("config|rewrite", ADMIN),
    Need("client|kill", CLIENT),
    Need("client|pause", CLIENT),
    Need("client|unpause", CLIENT),
    Need("replicaof", ADMIN),
    Need("slaveof", ADMIN),
    Need("failover", ADMIN),
    Need("shutdown", ADMIN),
    Need("psync", ADMIN),
    Need("replconf", ADMIN),
    Need("multi", &["@fast", "@transaction"]),
    Need("exec", &["@slow", "@transaction"]),
    Need("publish", &["@pubsub", "@fast"]),
    Need("subscribe", &["@pubsub", "@slow"]),
    Need("script|kill", &["@slow", "@scripting"]),
];

/// The same at a Sentinel.
const NEEDS_OF_SENTINEL: &[Need] = &[
    Need("ping", &["@fast", "@connection"]),
    Need("info", &["@slow", "@dangerous"]),
    Need("sentinel", ADMIN),
    Need("publish", &["@pubsub", "@fast"]),
    Need("psubscribe", &["@pubsub", "@slow"]),
];

/// What a user is let in by.
enum Passwords {
    /// Anything.
    Any,
    /// One of these: the SHA-256 of each, in hexadecimal digits.
    These(BTreeSet<String>),
}

impl Passwords {
    const NONE: Self = Self::These(BTreeSet::new());

    fn add(&mut self, hash: String) {
        match self {
            Self::Any => *self = Self::These([hash].into()),
            Self::These(hashes) => drop(hashes.insert(hash)),
        }
    }

    fn remove(&mut self, hash: &str) {
        if let Self::These(hashes) = self {
            hashes.remove(hash);
        }
    }

    fn are_any(&self) -> bool {
        matches!(self, Self::Any)
    }

    fn have(&self, password: &[u8]) -> bool {
        match self {
            Self::Any => true,
            Self::These(hashes) => hashes.contains(&hash(password)),
        }
    }
}

/// A user, as the rules of its line make it.
pub struct User {
    needs: &'static [Need],
    is_on: bool,
    passwords: Passwords,
    /// Which of the needs it may run, by their places.
    allowed: BTreeSet<usize>,
    has_channels: bool,
    /// It has selectors (7.0 and later), each of which may allow more: what it may run is not known.
    has_selectors: bool,
}

impl User {
    /// Reads the rules, in their order: the last word counts. A user of a file begins with nothing, `default` too.
    pub fn from_rules(file: ConfigFile, rules: &[Vec<u8>]) -> Self {
        let needs = match file {
            ConfigFile::Redis => NEEDS_OF_REDIS,
            ConfigFile::Sentinel => NEEDS_OF_SENTINEL,
        };
        let mut user = Self::without_rules(needs);
        let mut is_in_selector = false;
        for rule in rules {
            is_in_selector |= rule.starts_with(b"(");
            if !is_in_selector {
                user.apply(rule);
            }
            user.has_selectors |= is_in_selector;
            is_in_selector &= !rule.ends_with(b")");
        }
        user
    }

    fn apply(&mut self, rule: &[u8]) {
        match rule {
            [b'>', password @ ..] => self.passwords.add(hash(password)),
            [b'#', hash @ ..] => self.passwords.add(String::from_utf8_lossy(hash).into_owned()),
            [b'<', password @ ..] => self.passwords.remove(&hash(password)),
            [b'!', hash @ ..] => self.passwords.remove(&String::from_utf8_lossy(hash)),
            [b'&', ..] => self.has_channels = true,
            _ => self.apply_word(&String::from_utf8_lossy(rule).to_ascii_lowercase()),
        }
    }

    fn apply_word(&mut self, rule: &str) {
        match rule {
            "on" => self.is_on = true,
            "off" => self.is_on = false,
            "nopass" => self.passwords = Passwords::Any,
            "resetpass" => self.passwords = Passwords::NONE,
            "allchannels" => self.has_channels = true,
            "resetchannels" => self.has_channels = false,
            "clearselectors" => self.has_selectors = false,
            "+@all" | "allcommands" => self.allowed = (0..self.needs.len()).collect(),
            "-@all" | "nocommands" => self.allowed.clear(),
            "reset" => *self = Self::without_rules(self.needs),
            _ => self.apply_command(rule),
        }
    }

    fn without_rules(needs: &'static [Need]) -> Self {
        Self {
            needs,
            is_on: false,
            passwords: Passwords::NONE,
            allowed: BTreeSet::new(),
            has_channels: false,
            has_selectors: false,
        }
    }

    fn apply_command(&mut self, rule: &str) {
        let (is_allowed, what) = match (rule.strip_prefix('+'), rule.strip_prefix('-')) {
            (Some(what), _) => (true, what),
            (_, Some(what)) => (false, what),
            (None, None) => return,
        };
        // A part may be all that is needed of a command, or none of it: it counts for allowed.
        let whole = what.split('|').next().unwrap_or(what);
        let is_meant = |Need(need, categories): &Need| match need.split_once('|') {
            _ if what.starts_with('@') => categories.contains(&what),
            Some((command, _)) => *need == what || command == what,
            None => *need == what || is_allowed && *need == whole,
        };
        for (place, _) in self.needs.iter().enumerate().filter(|(_, need)| is_meant(need)) {
            if is_allowed {
                self.allowed.insert(place)
            } else {
                self.allowed.remove(&place)
            };
        }
    }

    /// Why the account could do nothing at all as this user; `shown` is the user's line.
    pub fn locks_out(&self, file: ConfigFile, account: &Account, shown: &str) -> Option<String> {
        let Account { user, user_setting, password, password_setting } = account;
        if !self.is_on {
            return Some(format!(
                "{shown} without a last `on` turns away the user as which ordain, Sentinel and the replicas log in: name another by {user_setting}"
            ));
        }
        match password {
            None if !self.passwords.are_any() => {
                return Some(format!(
                    "{shown} asks for a password, and ordain, Sentinel and the replicas are given none: give it by {password_setting}, and remove the line"
                ));
            }
            // `AUTH` with a password alone is refused then (`authCommand`), and a replica gives up its master for that.
            Some(_) if self.passwords.are_any() && user.is_none() && file == ConfigFile::Redis => {
                return Some(format!(
                    "{shown} with `nopass` has no password, and a replica that logs in with the one of {password_setting} is refused: remove the line"
                ));
            }
            Some(password) if !self.passwords.have(password) => {
                return Some(format!(
                    "{shown} does not take the password of {password_setting}, with which ordain, Sentinel and the replicas log in: give the line that password, or name another user by {user_setting}"
                ));
            }
            _ => {}
        }
        (self.allowed.is_empty() && !self.has_selectors).then(|| {
            format!("{shown} may run no command that ordain, Sentinel and the replicas need: add `+@all ~* &*`, or name another user by {user_setting}")
        })
    }

    /// What may keep the account from a part of its work as this user, or let others in.
    pub fn may_lock_out(&self, account: &Account, shown: &str) -> Vec<String> {
        let mut doubts = Vec::new();
        if self.passwords.are_any() && account.password.is_some() {
            doubts.push(format!(
                "{shown} with `nopass` lets everybody in, whatever {} says: remove `nopass`",
                account.password_setting
            ));
        }
        if self.has_selectors {
            return doubts;
        }
        let missing = self.needs.iter().enumerate().filter(|(place, _)| !self.allowed.contains(place));
        let missing: Vec<_> = missing.map(|(_, Need(need, _))| format!("`{need}`")).collect();
        if !missing.is_empty() {
            doubts.push(format!(
                "{shown} takes commands away that ordain, Sentinel or the replicas need: allow {}",
                missing.join(", ")
            ));
        }
        if !self.has_channels {
            doubts.push(format!(
                "{shown} names no channels, and from Redis 7.0 on may then publish nothing, by which Sentinels find each other: add `&*`"
            ));
        }
        doubts
    }
}

fn hash(password: &[u8]) -> String {
    Sha256::digest(password).iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::conf::split;

    const ALL: &str = "~* &* +@all";
    /// `printf %s given | sha256sum`.
    const HASH_OF_GIVEN: &str = "5b729e0f619797fd61108a4bb177273222ad9ac5538299c8386f061e29046e60";

    fn account(user: Option<&str>, password: Option<&str>) -> Account {
        let bytes = |word: &str| word.as_bytes().to_vec();
        let (user_setting, password_setting) = ("--user".to_owned(), "--password-file".to_owned());
        Account { user: user.map(bytes), user_setting, password: password.map(bytes), password_setting }
    }

    fn user(rules: &str) -> User {
        User::from_rules(ConfigFile::Redis, &split(rules.as_bytes()).unwrap())
    }

    fn refusal(rules: &str, account: &Account) -> Option<String> {
        user(rules).locks_out(ConfigFile::Redis, account, "`user x …`")
    }

    #[test]
    fn the_password_that_is_given_is_taken_by_the_last_rules_of_the_line_or_the_line_is_refused() {
        let given = account(Some("ordain"), Some("given"));
        for rules in [
            "on >given".to_owned(),
            "on >other >given".to_owned(),
            format!("on #{HASH_OF_GIVEN}"),
            "on nopass".to_owned(),
            "on resetpass >given".to_owned(),
            "on >given <other".to_owned(),
            "reset on >given".to_owned(),
        ] {
            assert_eq!(refusal(&format!("{rules} {ALL}"), &given), None, "{rules}");
        }
        for rules in [
            "on",
            "on >other",
            "on >Given",
            "on #00",
            "on >given resetpass",
            "on >given RESETPASS",
            "on >given nopass resetpass",
            "on >given <given",
            "on nopass >other",
            "on >given reset on",
        ] {
            let told = refusal(&format!("{rules} {ALL}"), &given).unwrap();
            assert!(
                told.contains("does not take the password of --password-file") && !told.contains("given:"),
                "{rules}: {told}"
            );
        }
        let removed = format!("on >given !{HASH_OF_GIVEN} {ALL}");
        assert!(refusal(&removed, &given).is_some());
    }

    #[test]
    fn the_default_user_takes_its_password_where_one_is_given_and_none_where_none_is() {
        let (with, without) = (account(None, Some("given")), account(None, None));
        for (rules, of) in [("on >given", &with), ("on nopass", &without)] {
            assert_eq!(refusal(&format!("{rules} {ALL}"), of), None, "{rules}");
        }
        let told = |rules: &str, of| refusal(&format!("{rules} {ALL}"), of).unwrap();
        assert!(told("on nopass", &with).contains("with `nopass` has no password"));
        assert!(told("on >other", &with).contains("does not take the password"));
        for rules in ["on", "on >given", "on nopass resetpass"] {
            assert!(told(rules, &without).contains("asks for a password"), "{rules}");
        }
        // ordain and the other Sentinels go on where only their login is refused.
        let open = user("on nopass +@all &*");
        assert!(open.locks_out(ConfigFile::Sentinel, &with, "").is_none());
        assert!(open.may_lock_out(&with, "")[0].contains("lets everybody in, whatever --password-file says"));
        assert!(open.may_lock_out(&without, "").is_empty());
    }

    #[test]
    fn a_user_that_is_off_in_the_end_is_refused() {
        for rules in ["off", "on >x off", "OFF", "on nopass reset", "", ">x"] {
            let told = refusal(&format!("{ALL} {rules}"), &account(Some("ordain"), Some("x"))).unwrap();
            assert!(told.contains("without a last `on`"), "{rules}: {told}");
        }
    }

    #[test]
    fn a_user_that_may_run_nothing_in_the_end_is_refused() {
        let given = account(Some("ordain"), Some("x"));
        for rules in ["", "+@all -@all", "+@all NOCOMMANDS", "+get", "allcommands reset on >x", "+@all -@slow -@fast", "+@read"] {
            let told = refusal(&format!("on >x ~* &* {rules}"), &given).unwrap();
            assert!(told.contains("may run no command"), "{rules}: {told}");
        }
        for rules in ["nocommands +@all", "+ping", "-@all +@connection", "(+@all ~*)", "( +@all ~* )", "+config|get"] {
            assert_eq!(refusal(&format!("on >x ~* &* {rules}"), &given), None, "{rules}");
        }
    }

    #[test]
    fn the_commands_that_are_missing_in_the_end_are_named_and_no_others() {
        let told = |rules: &str| user(&format!("on >x ~* &* {rules}")).may_lock_out(&Account::default(), "`user x …`");
        let whole = NEEDS_OF_REDIS.iter().map(|Need(need, _)| format!("+{need} ")).collect::<String>();
        let by_command = "+ping +role +info +config +client +replicaof +slaveof +failover +shutdown +psync +replconf +multi +exec \
                          +publish +subscribe +script";
        for rules in [
            "+@all",
            "-@admin +@all",
            "+@all -flushall -@write -client|list",
            &whole,
            by_command,
            "+@admin +@slow +@fast",
            "(+@all)",
        ] {
            assert_eq!(told(rules), Vec::<String>::new(), "{rules}");
        }
        for (rules, missing) in [
            ("+@all -psync", "`psync`"),
            ("allcommands -CONFIG", "`config|get`, `config|set`, `config|rewrite`"),
            ("+@all -config|set", "`config|set`"),
            ("+@all -@transaction", "`multi`, `exec`"),
            ("+@all -@transaction +exec", "`multi`"),
            ("+@all -@dangerous +@admin", "`role`, `info`"),
        ] {
            assert_eq!(
                told(rules),
                [format!("`user x …` takes commands away that ordain, Sentinel or the replicas need: allow {missing}")]
            );
        }
    }

    #[test]
    fn a_part_of_a_command_of_sentinel_counts_for_the_whole() {
        let told = |rules: &str| {
            let rules = split(format!("on nopass allchannels +@all {rules}").as_bytes()).unwrap();
            User::from_rules(ConfigFile::Sentinel, &rules).may_lock_out(&Account::default(), "").len()
        };
        assert_eq!(told("-sentinel +sentinel|master +sentinel|myid"), 0);
        assert_eq!(told("-sentinel|pending-scripts"), 0);
        assert_eq!(told("-sentinel"), 1);
        assert_eq!(told("-psync"), 0, "a Sentinel has no replicas");
    }

    #[test]
    fn a_user_without_channels_is_told_of() {
        for (rules, is_told) in
            [("", true), ("&*", false), ("&__sentinel__:hello", false), ("&* resetchannels", true), ("allchannels", false)]
        {
            let told = user(&format!("on >x +@all {rules}")).may_lock_out(&Account::default(), "");
            assert_eq!(told.iter().any(|told| told.contains("add `&*`")), is_told, "{rules}");
        }
    }
}
