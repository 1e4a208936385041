//! DNS, by hickory and never by getaddrinfo: a static binary in an empty image has no NSS modules.

use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};
use hickory_resolver::TokioResolver;
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::net::{DnsError, NetError, NoRecords};
use hickory_resolver::proto::op::ResponseCode;
use hickory_resolver::proto::rr::{RData, RecordType};
use hickory_resolver::system_conf::parse_resolv_conf;

use super::files::read_regular;
use crate::core::evidence::Failure;
use crate::core::identity::{Endpoint, Host};
use crate::core::outside::shown;

/// How much a `resolv.conf` may have, in bytes.
const LONGEST_FILE: u64 = 64 * 1024;

/// Looks names up as `resolv.conf` says.
#[derive(Debug)]
pub struct Dns {
    resolver: TokioResolver,
    search: Vec<String>,
    /// A name with fewer dots is tried under the search domains first.
    ndots: usize,
    cluster_domain: String,
}

impl Dns {
    /// Reads a `resolv.conf`. No query is made yet.
    ///
    /// # Errors
    /// The file cannot be read or names no server.
    pub fn from_resolv_conf(path: &Path) -> Result<Self> {
        let describe = || format!("cannot use `{}` to look names up: set --resolv-conf", path.display());
        let text = read_regular(path, LONGEST_FILE).with_context(describe)?;
        let (config, mut options) = parse_resolv_conf(text).with_context(describe)?;
        let search: Vec<_> = config.search().iter().map(|name| name.to_ascii().trim_end_matches('.').to_owned()).collect();
        // Kubernetes writes `search <namespace>.svc.<domain> svc.<domain> <domain>`.
        let searched = search.iter().find_map(|domain| domain.strip_prefix("svc.").map(str::to_owned));
        // Every question has a second in all: a lost datagram must be asked again within it.
        options.timeout = Duration::from_millis(300);
        options.attempts = 3;
        // A pod's address changes while one waits for it.
        options.positive_max_ttl = Some(Duration::ZERO);
        options.negative_max_ttl = Some(Duration::ZERO);
        let ndots = options.ndots;
        let resolver = TokioResolver::builder_with_config(config, TokioRuntimeProvider::default())
            .with_options(options)
            .build()
            .with_context(describe)?;
        Ok(Self { resolver, search, ndots, cluster_domain: searched.unwrap_or_else(|| "cluster.local".to_owned()) })
    }

    /// The cluster's domain, as the search list tells it: `cluster.local` in most.
    pub fn cluster_domain(&self) -> &str {
        &self.cluster_domain
    }

    /// Every address of a host, of both families. An IP address is its own.
    ///
    /// # Errors
    /// [`Failure::NoSuchHost`] where DNS answers that there is none, of either family and under
    /// every name that was tried; else why it did not answer.
    pub async fn addresses(&self, host: &Host) -> Result<Vec<IpAddr>, Failure> {
        let name = match host {
            Host::Ip(ip) => return usable(vec![*ip]),
            Host::Name(name) => name,
        };
        let mut worst = Failure::NoSuchHost;
        for name in self.full_names(name) {
            let answers = tokio::join!(self.records(&name, RecordType::A), self.records(&name, RecordType::AAAA));
            // A name that does not exist has no address of the other family either; resolvers that hide those
            // answer nothing.
            let exists_not = matches!(answers, (Err(Missing::Name), Err(Missing::Unproven)));
            let mut found = Vec::new();
            for answer in [answers.0, answers.1] {
                let ips = answer.map(|records| records.iter().filter_map(RData::ip_addr).collect());
                match ips.map_err(Failure::from).and_then(usable) {
                    Ok(ips) => found.extend(ips),
                    Err(Failure::NoSuchHost) => {}
                    Err(failure) if !exists_not => worst = failure,
                    Err(_) => {}
                }
            }
            if !found.is_empty() {
                return Ok(found);
            }
        }
        Err(worst)
    }

    /// The targets of a name's SRV records.
    ///
    /// # Errors
    /// As for [`Self::addresses`].
    pub async fn services(&self, name: &str) -> Result<Vec<Endpoint>, Failure> {
        let mut worst = Failure::NoSuchHost;
        for name in self.full_names(name) {
            let records = match self.records(&name, RecordType::SRV).await.map_err(Failure::from) {
                Ok(records) => records,
                Err(Failure::NoSuchHost) => continue,
                Err(failure) => {
                    worst = failure;
                    continue;
                }
            };
            let mut targets = Vec::new();
            for record in records {
                if let RData::SRV(srv) = record {
                    let host = srv.target.to_ascii().parse();
                    let host = host.map_err(|error| Failure::InvalidReply(format!("the SRV record of {name}: {error}")))?;
                    targets.push(Endpoint { host, port: srv.port });
                }
            }
            targets.sort();
            targets.dedup();
            return Ok(targets);
        }
        Err(worst)
    }

    /// The records of one type, at least one.
    async fn records(&self, name: &str, kind: RecordType) -> Result<Vec<RData>, Missing> {
        let answer = self.resolver.lookup(name, kind).await.map_err(|error| missing(&error))?;
        let wanted = answer.answers().iter().filter(|record| record.record_type() == kind);
        let records: Vec<_> = wanted.map(|record| record.data.clone()).collect();
        if records.is_empty() { Err(Missing::Unproven) } else { Ok(records) }
    }

    /// The names to try, in order, each whole: the crate would keep the last failure of several
    /// names only, and a name that exists nowhere is a proof.
    fn full_names(&self, name: &str) -> Vec<String> {
        let itself = format!("{name}.");
        // With `ndots:5` a full name would first be tried behind every search domain.
        if name.ends_with(&format!(".svc.{}", self.cluster_domain)) {
            return vec![itself];
        }
        let searched = self.search.iter().map(|domain| format!("{name}.{domain}."));
        if name.matches('.').count() >= self.ndots {
            [itself].into_iter().chain(searched).collect()
        } else {
            searched.chain([itself]).collect()
        }
    }
}

/// Why there is no record.
enum Missing {
    /// There is no such name, whatever type is asked for.
    Name,
    /// The name has none of this type.
    Type,
    /// Neither a record was answered nor the proof that there is none: a referral, an alias without an end, nothing.
    Unproven,
    /// Nothing was answered.
    Failed(Failure),
}

impl From<Missing> for Failure {
    fn from(missing: Missing) -> Self {
        match missing {
            Missing::Name | Missing::Type => Self::NoSuchHost,
            Missing::Unproven => {
                Self::Unreachable("DNS answered with no record, which does not prove that there is none".to_owned())
            }
            Missing::Failed(failure) => failure,
        }
    }
}

fn missing(error: &NetError) -> Missing {
    match error {
        NetError::Dns(DnsError::NoRecordsFound(answer)) => match answer.response_code {
            ResponseCode::NXDomain => Missing::Name,
            ResponseCode::NoError if proves_that_there_is_none(answer) => Missing::Type,
            _ => Missing::Unproven,
        },
        NetError::Timeout => Missing::Failed(Failure::TimedOut),
        NetError::Dns(DnsError::ResponseCode(code)) => Missing::Failed(Failure::Unreachable(format!("DNS answered {code}"))),
        other => Missing::Failed(Failure::Unreachable(shown(&format!("DNS: {other}")))),
    }
}

/// An SOA record and no name server beside an empty answer (RFC 2308, section 2.2). Where the answer was not empty, the
/// crate keeps no authorities.
fn proves_that_there_is_none(answer: &NoRecords) -> bool {
    answer.soa.is_some() && answer.ns.is_none() && answer.authorities.is_some()
}

/// Addresses at which somebody can be: 0.0.0.0, which some resolvers answer for what they block, leads to this very pod.
fn usable(ips: Vec<IpAddr>) -> Result<Vec<IpAddr>, Failure> {
    let is_nobodys = |ip: &&IpAddr| {
        let ip = ip.to_canonical();
        ip.is_unspecified() || ip.is_multicast() || ip == IpAddr::V4(Ipv4Addr::BROADCAST)
    };
    match ips.iter().find(is_nobodys) {
        Some(ip) => Err(Failure::InvalidReply(format!("{ip} is the address of no host"))),
        None => Ok(ips),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use testbed::dns::{Answer, Fault, NameServer};
    use testbed::subnet::Subnet;

    /// A name server and a resolver that asks it, as in a pod of the namespace `demo`.
    fn served() -> (NameServer, Dns) {
        let server = NameServer::start(&Subnet::take());
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("resolv.conf");
        std::fs::write(&path, server.resolv_conf("demo")).unwrap();
        let dns = testbed::runtime().block_on(async { Dns::from_resolv_conf(&path).unwrap() });
        (server, dns)
    }

    fn addresses(dns: &Dns, host: &str) -> Result<Vec<String>, Failure> {
        let found = testbed::runtime().block_on(dns.addresses(&host.parse().unwrap()))?;
        Ok(found.iter().map(ToString::to_string).collect())
    }

    fn services_of(dns: &Dns, name: &str) -> Result<Vec<String>, Failure> {
        let found = testbed::runtime().block_on(dns.services(name))?;
        Ok(found.iter().map(ToString::to_string).collect())
    }

    const NAME: &str = "redis-0.redis-headless.demo.svc.cluster.local";

    #[test]
    fn a_name_may_have_several_addresses_of_both_families() {
        let (server, dns) = served();
        let ips = ["192.0.2.1", "192.0.2.2", "2001:db8::1"].map(|ip| ip.parse().unwrap()).to_vec();
        server.zone.set(NAME, Answer { ips, ..Answer::default() });
        let mut found = addresses(&dns, NAME).unwrap();
        found.sort();
        assert_eq!(found, ["192.0.2.1", "192.0.2.2", "2001:db8::1"]);
    }

    #[test]
    fn a_name_of_the_other_family_alone_is_found() {
        let (server, dns) = served();
        server.zone.address(NAME, "2001:db8::1".parse::<IpAddr>().unwrap());
        assert_eq!(addresses(&dns, NAME).unwrap(), ["2001:db8::1"]);
    }

    #[test]
    fn a_short_name_is_found_under_the_search_domains() {
        let (server, dns) = served();
        server.zone.address(NAME, "192.0.2.1".parse::<IpAddr>().unwrap());
        assert_eq!(addresses(&dns, "redis-0.redis-headless").unwrap(), ["192.0.2.1"]);
        assert_eq!(dns.cluster_domain(), "cluster.local");
    }

    #[test]
    fn an_address_is_its_own() {
        let (_server, dns) = served();
        assert_eq!(addresses(&dns, "2001:db8::7").unwrap(), ["2001:db8::7"]);
    }

    #[test]
    fn no_such_name_a_failing_server_and_a_silent_one_are_told_apart() {
        let (server, dns) = served();
        assert_eq!(addresses(&dns, NAME), Err(Failure::NoSuchHost));
        server.zone.set(NAME, Answer::default());
        assert_eq!(addresses(&dns, NAME), Err(Failure::NoSuchHost), "a name without addresses");
        server.zone.set(NAME, Answer { fault: Some(Fault::ServFail), ..Answer::default() });
        let failed = addresses(&dns, NAME);
        assert!(matches!(&failed, Err(Failure::Unreachable(why)) if why.contains("Server Failure")), "{failed:?}");
        server.zone.set(NAME, Answer { fault: Some(Fault::Silence), ..Answer::default() });
        assert_eq!(addresses(&dns, NAME), Err(Failure::TimedOut));
    }

    #[test]
    fn an_answer_without_a_record_proves_nothing_but_by_an_soa_record() {
        let (server, dns) = served();
        for fault in [Fault::Empty, Fault::Referral, Fault::AliasOfItself, Fault::OtherType] {
            server.zone.set(NAME, Answer { fault: Some(fault), ..Answer::default() });
            for found in [addresses(&dns, NAME), services_of(&dns, NAME)] {
                assert!(matches!(&found, Err(Failure::Unreachable(why)) if why.contains("no record")), "{fault:?}: {found:?}");
            }
        }
        for kind in ["A", "AAAA"] {
            server.zone.set(NAME, Answer { fault: Some(Fault::EmptyFor(kind)), ..Answer::default() });
            assert!(matches!(addresses(&dns, NAME), Err(Failure::Unreachable(_))), "{kind}");
        }
    }

    #[test]
    fn a_resolver_that_hides_one_family_keeps_no_host_of_the_other_from_being_found() {
        let (server, dns) = served();
        for (ip, hidden) in [("192.0.2.1", "AAAA"), ("2001:db8::1", "A")] {
            let ips = vec![ip.parse().unwrap()];
            server.zone.set(NAME, Answer { ips, fault: Some(Fault::EmptyFor(hidden)), ..Answer::default() });
            assert_eq!(addresses(&dns, NAME).unwrap(), [ip]);
        }
    }

    #[test]
    fn a_name_that_does_not_exist_has_no_address_of_the_family_that_is_hidden_and_not_the_other_way_round() {
        let (server, dns) = served();
        let nowhere = |empty| Answer { fault: Some(Fault::NoNameAndEmptyFor(empty)), ..Answer::default() };
        server.zone.set(NAME, nowhere("AAAA"));
        assert_eq!(addresses(&dns, NAME), Err(Failure::NoSuchHost));
        // Some answer that there is no such name wherever they are asked for the newer family.
        server.zone.set(NAME, nowhere("A"));
        assert!(matches!(addresses(&dns, NAME), Err(Failure::Unreachable(_))));
    }

    #[test]
    fn an_address_of_no_host_is_none() {
        let (server, dns) = served();
        for ip in ["0.0.0.0", "::", "::ffff:0.0.0.0", "224.0.0.1", "ff02::1", "255.255.255.255"] {
            server.zone.address(NAME, ip.parse::<IpAddr>().unwrap());
            for host in [NAME, ip] {
                assert!(matches!(addresses(&dns, host), Err(Failure::InvalidReply(_))), "{host}: {ip}");
            }
        }
    }

    #[test]
    fn an_answer_too_large_for_a_datagram_comes_by_tcp() {
        let (server, dns) = served();
        let ips: Vec<IpAddr> = (1..=100).map(|n| [192, 0, 2, n].into()).collect();
        server.zone.set(NAME, Answer { ips, fault: Some(Fault::Truncated), ..Answer::default() });
        assert_eq!(addresses(&dns, NAME).unwrap().len(), 100);
    }

    #[test]
    fn srv_records_name_their_targets_and_ports() {
        let (server, dns) = served();
        let targets = ["sentinel-1", "sentinel-0", "sentinel-0"];
        let services = targets.map(|pod| (format!("{pod}.sentinel.demo.svc.cluster.local"), 26379)).to_vec();
        server.zone.set("sentinel.demo.svc.cluster.local", Answer { services, ..Answer::default() });
        let found = services_of(&dns, "sentinel.demo.svc.cluster.local").unwrap();
        assert_eq!(
            found,
            ["sentinel-0.sentinel.demo.svc.cluster.local:26379", "sentinel-1.sentinel.demo.svc.cluster.local:26379"]
        );
    }

    #[test]
    fn that_there_is_no_such_host_takes_both_families_and_every_name_that_was_tried() {
        let (server, dns) = served();
        let half = |kind| Answer { fault: Some(Fault::ServFailFor(kind)), ..Answer::default() };
        for kind in ["A", "AAAA"] {
            server.zone.set(NAME, half(kind));
            assert!(matches!(addresses(&dns, NAME), Err(Failure::Unreachable(_))), "{kind}");
        }
        server.zone.set("redis-0.redis.demo.svc.cluster.local", half("A"));
        assert!(matches!(addresses(&dns, "redis-0.redis"), Err(Failure::Unreachable(_))), "the first of four names");
        server.zone.address("redis-0.redis.cluster.local", "192.0.2.1".parse::<IpAddr>().unwrap());
        assert_eq!(addresses(&dns, "redis-0.redis").unwrap(), ["192.0.2.1"]);
        assert_eq!(services_of(&dns, "redis-0.redis"), Err(Failure::NoSuchHost));
    }

    #[test]
    fn what_has_changed_is_seen_at_once() {
        let (server, dns) = served();
        assert_eq!(addresses(&dns, NAME), Err(Failure::NoSuchHost));
        server.zone.address(NAME, "192.0.2.1".parse::<IpAddr>().unwrap());
        assert_eq!(addresses(&dns, NAME).unwrap(), ["192.0.2.1"], "a new pod is not hidden by the answer before it");
        server.zone.address(NAME, "192.0.2.2".parse::<IpAddr>().unwrap());
        assert_eq!(addresses(&dns, NAME).unwrap(), ["192.0.2.2"]);
    }

    #[test]
    fn a_file_that_names_no_server_is_refused() {
        let refusal = format!("{:#}", Dns::from_resolv_conf(Path::new("/nowhere/resolv.conf")).unwrap_err());
        assert!(refusal.contains("`/nowhere/resolv.conf`") && refusal.contains("--resolv-conf"), "{refusal}");
    }
}
