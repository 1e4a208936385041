//! DNS, by hickory and never by getaddrinfo: a static binary in an empty image has no NSS modules.

use std::net::IpAddr;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};
use hickory_resolver::TokioResolver;
use hickory_resolver::config::LookupIpStrategy;
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::net::{DnsError, NetError};
use hickory_resolver::proto::rr::RData;
use hickory_resolver::system_conf::parse_resolv_conf;

use crate::core::evidence::Failure;
use crate::core::identity::{Endpoint, Host};

/// Looks names up as `resolv.conf` says.
#[derive(Debug)]
pub struct Dns {
    resolver: TokioResolver,
    cluster_domain: String,
}

impl Dns {
    /// Reads a `resolv.conf`. No query is made yet.
    ///
    /// # Errors
    /// The file cannot be read or names no server.
    pub fn from_resolv_conf(path: &Path) -> Result<Self> {
        let describe = || format!("cannot use `{}` to look names up: set --resolv-conf", path.display());
        let text = std::fs::read(path).with_context(describe)?;
        let (config, mut options) = parse_resolv_conf(text).with_context(describe)?;
        // Kubernetes writes `search <namespace>.svc.<domain> svc.<domain> <domain>`.
        let searched = config.search().iter().find_map(|name| {
            let name = name.to_ascii();
            name.strip_prefix("svc.").map(|domain| domain.trim_end_matches('.').to_owned())
        });
        // Every question has a second in all: a lost datagram must be asked again within it.
        options.timeout = Duration::from_millis(300);
        options.attempts = 3;
        options.ip_strategy = LookupIpStrategy::Ipv4AndIpv6;
        // A pod's address changes while one waits for it.
        options.positive_max_ttl = Some(Duration::ZERO);
        options.negative_max_ttl = Some(Duration::ZERO);
        let resolver = TokioResolver::builder_with_config(config, TokioRuntimeProvider::default())
            .with_options(options)
            .build()
            .with_context(describe)?;
        Ok(Self { resolver, cluster_domain: searched.unwrap_or_else(|| "cluster.local".to_owned()) })
    }

    /// The cluster's domain, as the search list tells it: `cluster.local` in most.
    pub fn cluster_domain(&self) -> &str {
        &self.cluster_domain
    }

    /// Every address of a host, of both families. An IP address is its own.
    ///
    /// # Errors
    /// [`Failure::NoSuchHost`] where DNS answers that there is none, else why it did not answer.
    pub async fn addresses(&self, host: &Host) -> Result<Vec<IpAddr>, Failure> {
        let name = match host {
            Host::Ip(ip) => return Ok(vec![*ip]),
            Host::Name(name) => self.query_name(name),
        };
        let answer = self.resolver.lookup_ip(name).await.map_err(|error| failure(&error))?;
        let mut addresses: Vec<IpAddr> = answer.iter().collect();
        addresses.dedup();
        if addresses.is_empty() { Err(Failure::NoSuchHost) } else { Ok(addresses) }
    }

    /// The targets of a name's SRV records.
    ///
    /// # Errors
    /// As for [`Self::addresses`].
    pub async fn services(&self, name: &str) -> Result<Vec<Endpoint>, Failure> {
        let answer = self.resolver.srv_lookup(self.query_name(name)).await.map_err(|error| failure(&error))?;
        let mut targets = Vec::new();
        for record in answer.answers() {
            if let RData::SRV(srv) = &record.data {
                let target = srv.target.to_ascii();
                let host = target.parse().map_err(|error| Failure::Nonsense(format!("the SRV record of {name}: {error}")))?;
                targets.push(Endpoint { host, port: srv.port });
            }
        }
        targets.sort();
        targets.dedup();
        if targets.is_empty() { Err(Failure::NoSuchHost) } else { Ok(targets) }
    }

    /// With `ndots:5` a full name would first be tried behind every search domain.
    fn query_name(&self, name: &str) -> String {
        if name.ends_with(&format!(".svc.{}", self.cluster_domain)) { format!("{name}.") } else { name.to_owned() }
    }
}

fn failure(error: &NetError) -> Failure {
    match error {
        NetError::Dns(DnsError::NoRecordsFound(_)) => Failure::NoSuchHost,
        NetError::Timeout => Failure::TimedOut,
        NetError::Dns(DnsError::ResponseCode(code)) => Failure::Unreachable(format!("DNS answered {code}")),
        other => Failure::Unreachable(format!("DNS: {other}")),
    }
}
