//! Names of things: groups, pods, hosts and endpoints. What cannot be a name is refused here,
//! so that everything later may put a name into a file, a query or a request as it is.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use serde::{Serialize, Serializer};
use sha1::{Digest, Sha1};

use super::outside::shown;

/// A text that is no name of its kind: which text, and what it should have been.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotAName(String);

impl NotAName {
    /// With what it should have been, in words.
    pub fn because(why: String) -> Self {
        Self(why)
    }
}

impl fmt::Display for NotAName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for NotAName {}

/// Whether `word` is a DNS label as Kubernetes wants it (RFC 1123).
fn is_label(word: &str) -> bool {
    (1..=63).contains(&word.len())
        && word.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
        && !word.starts_with('-')
        && !word.ends_with('-')
}

/// One master and its replicas: Sentinel's master name and the Lease's name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Group(String);

impl FromStr for Group {
    type Err = NotAName;

    fn from_str(word: &str) -> Result<Self, NotAName> {
        // The Lease's name must be a DNS subdomain, and Sentinel writes the name bare into its file.
        if word.len() <= 253 && word.split('.').all(is_label) {
            return Ok(Self(word.to_owned()));
        }
        Err(NotAName(format!("`{}` is no group's name: use lower-case letters, digits, `-` and `.`, as `redis`", shown(word))))
    }
}

impl fmt::Display for Group {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A pod of a StatefulSet: `<base>-<ordinal>`. Ordered by base, then by ordinal.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PodName {
    base: String,
    ordinal: u32,
}

impl PodName {
    /// The pod of the same StatefulSet with another ordinal.
    pub fn sibling(&self, ordinal: u32) -> Self {
        Self { base: self.base.clone(), ordinal }
    }

    /// The StatefulSet's name.
    pub fn base(&self) -> &str {
        &self.base
    }

    /// Its number in the StatefulSet.
    pub fn ordinal(&self) -> u32 {
        self.ordinal
    }
}

impl FromStr for PodName {
    type Err = NotAName;

    fn from_str(word: &str) -> Result<Self, NotAName> {
        let parsed = word.rsplit_once('-').and_then(|(base, number)| {
            let ordinal: u32 = number.parse().ok()?;
            // `redis-01` or `redis-+1` would not print back as they were read.
            (is_label(word) && !base.is_empty() && ordinal.to_string() == number).then(|| Self { base: base.to_owned(), ordinal })
        });
        parsed.ok_or_else(|| {
            NotAName(format!(
                "`{}` is no name of a StatefulSet's pod: it must end in a dash and an ordinal, as `redis-0`",
                shown(word)
            ))
        })
    }
}

impl fmt::Display for PodName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.base, self.ordinal)
    }
}

/// A host: an address, or a DNS name in lower case without a final dot.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Host {
    /// An IPv4 or IPv6 address.
    Ip(IpAddr),
    /// A DNS name.
    Name(String),
}

impl Host {
    /// The pod that a host name's first label names, as in `redis-0.redis-headless`.
    pub fn pod(&self) -> Option<PodName> {
        match self {
            Self::Ip(_) => None,
            Self::Name(name) => name.split('.').next()?.parse().ok(),
        }
    }
}

impl FromStr for Host {
    type Err = NotAName;

    fn from_str(word: &str) -> Result<Self, NotAName> {
        if let Ok(ip) = word.parse() {
            return Ok(Self::Ip(ip));
        }
        let name = word.strip_suffix('.').unwrap_or(word).to_ascii_lowercase();
        let is_name = name.len() <= 253
            && name.split('.').all(|label| is_label(&label.replace('_', "x")))
            // Digits and dots alone are an address that was mistyped.
            && name.bytes().any(|b| b.is_ascii_alphabetic());
        if is_name {
            return Ok(Self::Name(name));
        }
        Err(NotAName(format!("`{}` is neither an IP address nor a host name", shown(word))))
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ip(ip) => ip.fmt(f),
            Self::Name(name) => name.fmt(f),
        }
    }
}

/// Where a server listens. Prints as `host:port`, an IPv6 address in brackets.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Endpoint {
    /// The host.
    pub host: Host,
    /// The TCP port.
    pub port: u16,
}

impl Endpoint {
    /// Reads `host`, `host:port`, `IPv6` or `[IPv6]:port`; `default_port` where none is given.
    ///
    /// # Errors
    /// Names the text and the form that was expected.
    pub fn parse(word: &str, default_port: u16) -> Result<Self, NotAName> {
        let expected = || {
            NotAName(format!(
                "`{}` is no `host:port`: write `redis-0.redis:6379`, `192.0.2.1:6379` or `[2001:db8::1]:6379`",
                shown(word)
            ))
        };
        let (host, port) = if let Some(rest) = word.strip_prefix('[') {
            let (host, after) = rest.split_once(']').ok_or_else(expected)?;
            let ip: std::net::Ipv6Addr = host.parse().map_err(|_| expected())?;
            let port = match after {
                "" => None,
                after => Some(after.strip_prefix(':').ok_or_else(expected)?),
            };
            (Host::Ip(ip.into()), port)
        } else if let Ok(ip) = word.parse::<IpAddr>() {
            (Host::Ip(ip), None)
        } else {
            let (host, port) = match word.split_once(':') {
                Some((host, port)) => (host, Some(port)),
                None => (word, None),
            };
            (host.parse().map_err(|_| expected())?, port)
        };
        let port = match port {
            None => default_port,
            Some(digits) => match digits.parse() {
                Ok(port) if port > 0 => port,
                _ => return Err(expected()),
            },
        };
        Ok(Self { host, port })
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.host {
            Host::Ip(IpAddr::V6(ip)) => write!(f, "[{ip}]:{}", self.port),
            host => write!(f, "{host}:{}", self.port),
        }
    }
}

/// Names are written as they print.
macro_rules! serialize_as_text {
    ($($name:ty),+) => {$(
        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }
    )+};
}

serialize_as_text!(Group, PodName, Host, Endpoint);

/// A Sentinel's run id: 40 hexadecimal digits, always the same for one pod of one namespace,
/// so that a Sentinel without a disk comes back as itself and is not counted twice.
pub fn sentinel_id(namespace: &str, pod: &PodName) -> String {
    let digest = Sha1::digest(format!("ordain sentinel {namespace}/{pod}"));
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_pod_name_is_a_base_and_an_ordinal() {
        let pod: PodName = "my-redis-12".parse().unwrap();
        assert_eq!(pod.base(), "my-redis");
        assert_eq!(pod.sibling(0).to_string(), "my-redis-0");
    }

    #[test]
    fn what_is_no_pod_name_is_refused_with_an_example() {
        for word in ["redis", "redis-", "-0", "redis-01", "redis-+1", "Redis-0", "re dis-0", "redis-4294967296", ""] {
            let refusal = word.parse::<PodName>().unwrap_err().to_string();
            assert!(refusal.contains("as `redis-0`"), "{word}: {refusal}");
        }
    }

    #[test]
    fn a_group_is_a_name_that_a_lease_can_have() {
        for word in ["redis", "redis.eu", "0"] {
            assert!(word.parse::<Group>().is_ok(), "{word}");
        }
        for word in ["", "Redis", "a b", "a/b", "a..b", "-a", "a\n"] {
            assert!(word.parse::<Group>().is_err(), "{word}");
        }
    }

    #[test]
    fn an_endpoint_has_a_default_port_and_brackets_around_ipv6() {
        for (word, printed) in [
            ("redis-0", "redis-0:6379"),
            ("redis-0.redis.:1", "redis-0.redis:1"),
            ("192.0.2.1", "192.0.2.1:6379"),
            ("2001:db8::1", "[2001:db8::1]:6379"),
            ("[2001:db8::1]:26379", "[2001:db8::1]:26379"),
            ("[::1]", "[::1]:6379"),
        ] {
            assert_eq!(Endpoint::parse(word, 6379).unwrap().to_string(), printed);
        }
    }

    #[test]
    fn what_is_no_endpoint_is_refused() {
        for word in ["", ":1", "a:", "a:0", "a:65536", "a:b", "[::1", "[::1]x", "a b:1", "1.2.3:4", "[a]:1", "a:1:2"] {
            assert!(Endpoint::parse(word, 1).is_err(), "{word}");
        }
    }

    #[test]
    fn a_sentinels_id_is_forty_hexadecimal_digits_and_its_own() {
        let id = |namespace: &str, pod: &str| sentinel_id(namespace, &pod.parse().unwrap());
        assert_eq!(id("demo", "sentinel-0"), id("demo", "sentinel-0"));
        assert_ne!(id("demo", "sentinel-0"), id("demo", "sentinel-1"));
        assert_ne!(id("demo", "sentinel-0"), id("prod", "sentinel-0"));
        assert!(id("demo", "sentinel-0").len() == 40 && id("demo", "sentinel-0").bytes().all(|b| b.is_ascii_hexdigit()));
    }

    proptest! {
        #[test]
        fn what_prints_reads_back(base in "[a-z]([a-z0-9-]{0,20}[a-z0-9])?", ordinal: u32, port in 1u16.., v4: [u8; 4], v6: [u16; 8]) {
            let pod: PodName = format!("{base}-{ordinal}").parse().unwrap();
            prop_assert_eq!(pod.to_string().parse(), Ok(pod.clone()));
            for host in [Host::Name(format!("{pod}.svc")), Host::Ip(v4.into()), Host::Ip(v6.into())] {
                let endpoint = Endpoint { host, port };
                prop_assert_eq!(Endpoint::parse(&endpoint.to_string(), 1), Ok(endpoint));
            }
        }

        #[test]
        fn no_word_makes_a_parser_panic(word in "\\PC*") {
            let _ = (word.parse::<PodName>(), word.parse::<Group>(), word.parse::<Host>(), Endpoint::parse(&word, 1));
        }
    }
}
