//! DNS, by hickory and never by getaddrinfo: a static binary in an empty image has no NSS modules.

use std::net::IpAddr;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};
use hickory_resolver::TokioResolver;
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::net::{DnsError, NetError};
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
            Host::Ip(ip) => return Ok(vec![*ip]),
            Host::Name(name) => name,
        };
        let mut worst = Failure::NoSuchHost;
        for name in self.full_names(name) {
            let (v4, v6) = tokio::join!(self.records(&name, RecordType::A), self.records(&name, RecordType::AAAA));
            let mut found = Vec::new();
            for answer in [v4, v6] {
                match answer {
                    Ok(records) => found.extend(records.iter().filter_map(RData::ip_addr)),
                    Err(Failure::NoSuchHost) => {}
                    Err(failure) => worst = failure,
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
            let records = match self.records(&name, RecordType::SRV).await {
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
                    let host = host.map_err(|error| Failure::Nonsense(format!("the SRV record of {name}: {error}")))?;
                    targets.push(Endpoint { host, port: srv.port });
                }
            }
            targets.sort();
            targets.dedup();
            if !targets.is_empty() {
                return Ok(targets);
            }
        }
        Err(worst)
    }

    async fn records(&self, name: &str, kind: RecordType) -> Result<Vec<RData>, Failure> {
        let answer = self.resolver.lookup(name, kind).await.map_err(|error| failure(&error))?;
        Ok(answer.answers().iter().map(|record| record.data.clone()).collect())
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

fn failure(error: &NetError) -> Failure {
    match error {
        NetError::Dns(DnsError::NoRecordsFound(_)) => Failure::NoSuchHost,
        NetError::Timeout => Failure::TimedOut,
        NetError::Dns(DnsError::ResponseCode(code)) => Failure::Unreachable(format!("DNS answered {code}")),
        other => Failure::Unreachable(shown(&format!("DNS: {other}"))),
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
