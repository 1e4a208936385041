//! What a run needs: the flags as values, and the clients of the API server, DNS, Sentinel and Redis.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::net::IpAddr;
use std::path::Path;
use std::sync::Mutex;
use std::time::Duration;

use anyhow::{Context, Result};
use tokio::sync::Semaphore;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tracing::{info, warn};

use crate::cli::usage::setting;
use crate::cli::{Announce, Certificates, Labels, Members, PASSWORDS, PodArgs, Run, Secrets, Sentinels};
use crate::core::acl::Account;
use crate::core::conf::{ConfigFile, TlsFiles};
use crate::core::evidence::{Evidence, Failure, Kept, RecordSeen, is_name_of};
use crate::core::identity::{Endpoint, Group, Host, PodName};
use crate::core::labels::Scheme;
use crate::core::members::{self, Found, Membership, Named, NonMember};
use crate::core::outside::shown;
use crate::core::pod::Pod;
use crate::core::record::Record;
use crate::core::selector::Selector;
use crate::core::sentinels::{is_first_boot, missing_sentinels, no_sentinels};
use crate::core::server::ServerVersion;
use crate::core::sets::{Set, Sets};
use crate::edge::dns::Dns;
use crate::edge::files;
use crate::edge::kubernetes::{Access, Cluster};
use crate::edge::server;
use crate::edge::wire::{self, Login, Pem, Pems, Target};
use crate::exit::{OrWrong, Wrong};

/// How long a source may take for its answer, looking its name up included.
pub const ANSWER: Duration = Duration::from_secs(1);
/// How many addresses a host may have.
const HOST: usize = 8;
/// How many servers a Service may have.
const SERVICE: usize = 64;
/// How many groups are asked about side by side.
const AT_ONCE: usize = 8;

/// The version of the server that is going to be started, if the program prints a version.
pub async fn version_of(program: Option<&OsString>) -> Option<ServerVersion> {
    let program = program?;
    in_time(async { Ok(server::version(program).await) }).await.ok().flatten()
}

/// An answer, a failure, or silence.
pub async fn in_time<T>(ask: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    timeout(ANSWER, ask).await.unwrap_or(Err(Failure::TimedOut))
}

/// What DNS returned, unless there is more than the limit.
fn at_most<T>(limit: usize, found: Vec<T>, what: &str) -> Result<Vec<T>, Failure> {
    if found.len() > limit {
        return Err(Failure::InvalidReply(format!("DNS returns {} {what}, more than the limit of {limit}", found.len())));
    }
    Ok(found)
}

/// The access to the API server, with the host name of the server looked up.
pub async fn reachable(access: Access, dns: &Dns) -> Result<Access> {
    let Some(host) = access.unresolved() else { return Ok(access) };
    let ips = dns.addresses(&host).await.with_context(|| format!("cannot look up the API server `{host}`"))?;
    let ip = ips.first().with_context(|| format!("the API server `{host}` has no address"))?;
    access.resolved_to(*ip)
}

/// The clients of the API server and of DNS, and through them of each server.
pub struct Clients {
    /// Where the record and the labels live.
    pub ground: KubernetesMode,
    /// The namespace, where there is one.
    pub namespace: Option<String>,
    /// Absent where nothing is going to be looked up.
    dns: Option<Dns>,
    /// A look at a group takes one permit: looks at a hundred groups at once would overload the API server until no
    /// look gets its answers in time.
    pub permits: Semaphore,
}

/// Where the record and the labels live.
pub enum KubernetesMode {
    /// In this cluster.
    Cluster(Box<Cluster>),
    /// Nowhere: `--no-kubernetes`.
    NoKubernetes,
    /// A dry run without a cluster: the record and the other pods are assumed not to exist.
    Nowhere,
}

impl Clients {
    /// Prepares the clients; nothing is asked yet, unless the host name of the API server must be looked up.
    pub async fn open(run: &Run, pod: &PodArgs) -> Result<Self> {
        let Run { dry_run, no_kubernetes, resolv_conf, log_format: _ } = run;
        let access = if *no_kubernetes { None } else { Access::find().await.or_wrong()? };
        let namespace = pod.namespace.clone().or_else(|| access.as_ref().map(|access| access.namespace().to_owned()));
        let dns = if access.is_some() || *no_kubernetes { Some(Dns::from_resolv_conf(resolv_conf).or_wrong()?) } else { None };
        let ground = match access {
            Some(access) => {
                let access = match &dns {
                    Some(dns) => reachable(access, dns).await?,
                    None => access,
                };
                KubernetesMode::Cluster(Box::new(access.connect(namespace.as_deref().unwrap_or("default")).await.or_wrong()?))
            }
            None if *no_kubernetes => KubernetesMode::NoKubernetes,
            None if *dry_run => KubernetesMode::Nowhere,
            None => {
                return Err(Wrong(
                    "there is no Kubernetes here, neither a service account nor KUBECONFIG: run in a pod, set KUBECONFIG, or use --no-kubernetes or --dry-run".to_owned(),
                )
                .into());
            }
        };
        Ok(Self { ground, namespace, dns, permits: Semaphore::new(AT_ONCE) })
    }

    /// Logs what a dry run assumes.
    pub fn print_assumptions(&self) {
        if matches!(self.ground, KubernetesMode::Nowhere) {
            info!("no cluster: the dry run assumes that the record and the other pods do not exist, as on a first boot");
        }
    }

    /// The cluster, where there is one.
    pub fn cluster(&self) -> Option<&Cluster> {
        match &self.ground {
            KubernetesMode::Cluster(cluster) => Some(cluster),
            KubernetesMode::NoKubernetes | KubernetesMode::Nowhere => None,
        }
    }

    /// Every address of a host.
    pub async fn addresses(&self, host: &Host) -> Result<Vec<IpAddr>, Failure> {
        match &self.dns {
            Some(dns) => at_most(HOST, dns.addresses(host).await?, &format!("addresses behind {host}")),
            None => Err(Failure::NoSuchHost),
        }
    }

    /// A server, with every address of its host.
    pub async fn target(&self, at: &Endpoint) -> Result<Target, Failure> {
        Ok(Target { name: at.host.clone(), ips: self.addresses(&at.host).await?, port: at.port })
    }

    /// Looks a server up and asks it, all within the time of an answer.
    pub async fn ask<T>(&self, at: &Endpoint, ask: impl AsyncFnOnce(&Target) -> Result<T, Failure>) -> Result<T, Failure> {
        in_time(async { ask(&self.target(at).await?).await }).await
    }

    /// The servers behind a Service: its SRV records, else its addresses at `port`.
    pub async fn servers(&self, service: &str, port: u16) -> Result<Vec<Endpoint>, Failure> {
        let Some(dns) = &self.dns else { return Err(Failure::NoSuchHost) };
        let host: Host = service.parse().map_err(|error| Failure::InvalidReply(format!("{error}")))?;
        let (named, addressed) = tokio::join!(dns.services(service), dns.addresses(&host));
        let servers = match (named, addressed) {
            (Ok(targets), _) => {
                // A Service with several ports has records for each.
                let at_port: Vec<_> = targets.iter().filter(|target| target.port == port).cloned().collect();
                Ok(if at_port.is_empty() { targets } else { at_port })
            }
            (Err(_), Ok(ips)) => Ok(ips.into_iter().map(|ip| Endpoint { host: Host::Ip(ip), port }).collect()),
            // That there are none takes both answers.
            (Err(Failure::NoSuchHost), Err(failure)) | (Err(failure), Err(_)) => Err(failure),
        }?;
        at_most(SERVICE, servers, &format!("servers behind {service}"))
    }

    /// The domain under which a headless Service names its pods. A name with a dot is taken as it is. `origin` is what
    /// names it, for messages.
    fn service_domain(&self, service: &str, origin: impl FnOnce() -> String) -> Result<String> {
        let domain = match &self.ground {
            _ if service.contains('.') => service.to_owned(),
            KubernetesMode::NoKubernetes => service.to_owned(),
            KubernetesMode::Cluster(_) | KubernetesMode::Nowhere => {
                let namespace = self.namespace.as_deref().unwrap_or("default");
                let cluster = self.dns.as_ref().map_or("cluster.local", Dns::cluster_domain);
                format!("{service}.{namespace}.svc.{cluster}")
            }
        };
        // A host of that domain must be a name, for it goes into the servers' files as it is.
        let is_name = format!("pod-0.{domain}").parse::<Host>().or_wrong();
        is_name.with_context(|| format!("{}: `{}` is not the name of a Service", origin(), shown(service)))?;
        Ok(domain)
    }
}

/// Nobody would create the record of a group whose first pod does not exist.
fn check_first_pod(first: &PodName, sets: &Sets) -> Result<()> {
    if sets.pods().any(|pod| pod == *first) {
        return Ok(());
    }
    let (set, count) = (setting("first-pod", "ORDAIN_FIRST_POD"), sets.pods().count());
    Err(Wrong(format!("{set}: {first} is not one of the group's {count} pods, {sets}: name one of these pods, or describe the pods with --replicas or --set")).into())
}

/// This pod: from `--pod-name`, else from the container's host name.
pub fn own_pod(pod: &PodArgs) -> Result<PodName> {
    match &pod.pod_name {
        Some(name) => Ok(name.clone()),
        None => match std::env::var("HOSTNAME") {
            Ok(name) => name.parse().or_wrong().context("HOSTNAME; set --pod-name or POD_NAME"),
            Err(_) => Err(Wrong("this pod has no name: set --pod-name or POD_NAME".to_owned()).into()),
        },
    }
}

/// The group that was named, else the group with the name of the first set, else with the name of this pod's set.
pub fn own_group(named: Option<Group>, members: &Members, me: &PodName) -> Result<Group> {
    let set = members.sets.first().map_or(me.base(), Set::name);
    named.map_or_else(|| set.parse().or_wrong(), Ok)
}

/// The configuration of a group: its pods, their names, addresses and labels.
#[derive(Debug)]
pub struct GroupConfig {
    /// The group.
    pub group: Group,
    /// The pod that the decision is for; none for a Sentinel.
    pub me: Option<PodName>,
    /// This pod's address.
    pub my_ip: Option<IpAddr>,
    /// The pod that leads a first boot.
    pub first: PodName,
    /// The StatefulSets of its pods.
    pub sets: Sets,
    /// The port of Redis.
    pub port: u16,
    /// How long a master must be silent until Sentinel finds it down.
    pub down_after: Duration,
    /// How long a pod that does not answer is waited for.
    pub grace: Duration,
    /// The selector of the pods.
    pub selector: Selector,
    /// How the StatefulSets of the group are known.
    pub named: Named,
    /// The label key and values of the roles.
    pub scheme: Scheme,
    /// What a Sentinel's own earlier file says.
    pub kept: Option<Kept>,
    /// The pod of a forced claim (`--assume-master`): the StatefulSet of this pod is one of the group's.
    pub chosen: Option<PodName>,
    /// The domain under which the pods have their names.
    pub domain: String,
    announce: Announce,
}

impl GroupConfig {
    /// Makes the flags into a group. `me` is none for a Sentinel.
    pub fn new(
        clients: &Clients,
        group: Group,
        me: Option<PodName>,
        pod: &PodArgs,
        members: &Members,
        labels: &Labels,
    ) -> Result<Self> {
        let Members { service, sets, replicas, first_pod, port, announce, down_after, holder_grace } = members;
        let first = match (first_pod, sets.first(), &me) {
            (Some(first), ..) => first.clone(),
            (None, Some(set), _) => set.first().clone(),
            (None, None, Some(me)) => me.sibling(0),
            (None, None, None) => format!("{group}-0").parse().or_wrong().context("set --first-pod")?,
        };
        let set = sets.first().map_or(me.as_ref().unwrap_or(&first).base(), Set::name);
        let domain = match service {
            Some(service) => clients.service_domain(service, || setting("service", "ORDAIN_SERVICE")),
            None => clients.service_domain(&format!("{set}-headless"), || "--service (ORDAIN_SERVICE) is not set".to_owned()),
        }?;
        let sets = if sets.is_empty() {
            Set::of(me.as_ref().unwrap_or(&first), *replicas).into()
        } else {
            let named = Sets::new(sets.clone()).or_wrong().with_context(|| setting("set", "ORDAIN_SETS"))?;
            if let Some(pod) = me.iter().chain([&first]).find(|pod| !named.have(pod)) {
                return Err(Wrong(format!(
                    "{pod} belongs to no StatefulSet that --set names: name the StatefulSet of {pod}, too"
                ))
                .into());
            }
            named
        };
        check_first_pod(&first, &sets)?;
        let Labels { selector, master_value, replica_value, .. } = labels;
        if master_value == replica_value {
            let (replica, master) =
                (setting("replica-value", "ORDAIN_REPLICA_VALUE"), setting("master-value", "ORDAIN_MASTER_VALUE"));
            return Err(Wrong(format!(
                "{replica} and {master} are one value: a Service could not tell the master from a replica"
            ))
            .into());
        }
        let selector = selector.clone().unwrap_or_else(|| Selector::of_component(&group, "redis"));
        let named = match &me {
            _ if !members.sets.is_empty() => Named::ByFlags,
            Some(_) => Named::ByOwnName,
            None => Named::ByGroup,
        };
        Ok(Self {
            group,
            me,
            my_ip: pod.pod_ip,
            first,
            sets,
            port: *port,
            down_after: *down_after,
            grace: *holder_grace,
            selector,
            named,
            scheme: Scheme::from(labels),
            kept: None,
            chosen: None,
            announce: *announce,
            domain,
        })
    }

    /// The names of the StatefulSets that this run is sure of.
    pub fn sure_sets(&self) -> impl Iterator<Item = &str> {
        self.sets.names().filter(|_| self.named != Named::ByGroup)
    }

    /// What separates members from non-members, given this record. `reported` is the result of
    /// [`GroupConfig::sets_by_reports`], which counts if [`GroupConfig::knows_no_sets`].
    pub fn membership<'a>(&'a self, record: &'a RecordSeen, reported: &BTreeSet<String>) -> Membership<'a> {
        Membership::new(&self.selector, &self.sets, self.named, record, reported)
    }

    /// Whether only disk reports and claims can name the group's StatefulSets: the flags name none, and there is no
    /// record.
    pub fn knows_no_sets(&self, record: &RecordSeen) -> bool {
        self.named == Named::ByGroup && *record == RecordSeen::Absent
    }

    /// The group's StatefulSets by the disk reports of the pods that were found, where masters are claimed at these
    /// hosts; with the set of the pod that a person chose.
    pub fn sets_by_reports<'a>(
        &self,
        found: impl IntoIterator<Item = &'a Found>,
        claimed: impl IntoIterator<Item = &'a Host>,
    ) -> BTreeSet<String> {
        let pods = found.into_iter().filter_map(|found| match found {
            Found::Pod(pod) => Some(&**pod),
            Found::Unnumbered(_) => None,
        });
        let claimed: Vec<_> = claimed.into_iter().collect();
        let is_claimed = |pod: &Pod| claimed.iter().any(|host| self.is_at(pod, host));
        let mut sets = members::sets_by_reports(&self.selector, &self.sets, pods, is_claimed);
        sets.extend(self.chosen.iter().map(|pod| pod.base().to_owned()));
        sets
    }

    /// Whether a host is a pod's: by its name, else by its address.
    pub fn is_at(&self, pod: &Pod, host: &Host) -> bool {
        match host {
            Host::Name(name) => is_name_of(name, &pod.name, &self.domain),
            Host::Ip(ip) => pod.ips.contains(ip),
        }
    }

    /// The same by the record itself.
    pub fn membership_by<'a>(&'a self, record: &'a Record) -> Membership<'a> {
        Membership::by_record(&self.selector, &self.sets, self.named, record)
    }

    /// The members among the pods that were found. Each non-member is logged once.
    pub fn members(&self, found: impl IntoIterator<Item = Found>, by: &Membership<'_>) -> Vec<Pod> {
        let (members, others) = by.sort(found);
        self.name_non_members(&others);
        members
    }

    /// Logs each non-member once in the whole run.
    pub fn name_non_members(&self, others: &[NonMember]) {
        static NAMED: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());
        let Ok(mut named) = NAMED.lock() else { return };
        for NonMember { name, uid, why, .. } in others {
            if named.len() < MOST_NAMED && named.insert(uid.clone()) {
                let why = shown(&why.to_string());
                warn!(
                    "{name} carries the labels of {} and is not a member of the group: {why}. ordain leaves {name} alone",
                    self.group
                );
            }
        }
    }

    /// Whether servers announce host names.
    pub fn by_hostname(&self) -> bool {
        self.announce == Announce::Hostname
    }

    /// The host name of a pod.
    pub fn host_name(&self, pod: &PodName) -> Host {
        Host::Name(format!("{pod}.{}", self.domain))
    }

    /// What the certificate of a pod's Redis names.
    fn certified(&self, pod: &PodName, ips: &[IpAddr]) -> Host {
        self.announced(pod, ips).map_or_else(|| self.host_name(pod), |endpoint| endpoint.host)
    }

    /// The Redis of a pod that is at these addresses.
    pub fn target(&self, pod: &PodName, ips: Vec<IpAddr>) -> Target {
        Target { name: self.certified(pod, &ips), ips, port: self.port }
    }

    /// Addresses from DNS, in the order in which the API server lists the addresses of a pod, which announces the first.
    /// DNS does not have this order, but all pods of a group have the same: the address family of this pod comes first.
    pub fn own_family_first(&self, mut ips: Vec<IpAddr>) -> Vec<IpAddr> {
        ips.sort_by_key(|ip| self.my_ip.is_some_and(|own| own.is_ipv4() != ip.is_ipv4()));
        ips
    }

    /// The address that the Redis of a pod announces; none if this is an IP address that is not known.
    pub fn announced(&self, pod: &PodName, ips: &[IpAddr]) -> Option<Endpoint> {
        let host = match self.announce {
            Announce::Hostname => self.host_name(pod),
            Announce::Ip if Some(pod) == self.me.as_ref() => Host::Ip(self.my_ip?),
            Announce::Ip => Host::Ip(*ips.first()?),
        };
        Some(Endpoint { host, port: self.port })
    }
}

/// How many non-members are remembered, so that each is logged once.
const MOST_NAMED: usize = 1000;

impl From<&Labels> for Scheme {
    fn from(labels: &Labels) -> Self {
        let Labels { label_key, master_value, replica_value, selector: _ } = labels;
        Self { key: label_key.clone(), master: master_value.clone(), replica: replica_value.clone() }
    }
}

/// The addresses of the Sentinels, and how many there are.
#[derive(Debug)]
pub struct SentinelSet {
    /// Those that were named.
    pub named: Vec<Endpoint>,
    /// The domain of the headless Service that names them.
    pub service: Option<String>,
    /// The number of Sentinels, of which a majority must agree.
    pub count: usize,
    /// The port of Sentinel.
    pub port: u16,
}

impl SentinelSet {
    /// Reads the flags of the Sentinels.
    pub fn new(clients: &Clients, sentinels: &Sentinels) -> Result<Self> {
        let Sentinels { named, sentinel_service, sentinel_count, sentinel_port } = sentinels;
        let named: Vec<Endpoint> = named
            .iter()
            .map(|named| Endpoint::parse(named, *sentinel_port))
            .collect::<Result<_, _>>()
            .or_wrong()
            .with_context(|| setting("sentinel", "ORDAIN_SENTINELS"))?;
        // A Sentinel that is named twice would count twice in a majority.
        if let Some((_, twice)) = named.iter().enumerate().find(|(number, at)| named[..*number].contains(at)) {
            let set = setting("sentinel", "ORDAIN_SENTINELS");
            return Err(Wrong(format!("{set}: the Sentinel {twice} is named twice: name each once")).into());
        }
        if *sentinel_count == Some(0) && (!named.is_empty() || sentinel_service.is_some()) {
            let set = setting("sentinel-count", "ORDAIN_SENTINEL_COUNT");
            return Err(Wrong(format!(
                "{set} says that there are no Sentinels, but Sentinels are named: leave one of the two settings out"
            ))
            .into());
        }
        let origin = || setting("sentinel-service", "ORDAIN_SENTINEL_SERVICE");
        let service = sentinel_service.as_deref().map(|service| clients.service_domain(service, origin)).transpose()?;
        let count = sentinel_count.map_or(if service.is_some() { 3 } else { named.len() }, |count| count as usize);
        Ok(Self { named, service, count, port: *sentinel_port })
    }

    /// Whether no Sentinels were named, in whatever way.
    pub fn is_unnamed(&self) -> bool {
        self.named.is_empty() && self.service.is_none()
    }

    /// Where the Sentinels are: those that were named, and those behind the Service.
    pub async fn endpoints(&self, clients: &Clients) -> Result<Vec<Endpoint>, Failure> {
        let mut all = self.named.clone();
        if let Some(service) = &self.service {
            all.extend(clients.servers(service, self.port).await?);
        }
        Ok(all)
    }

    /// The host name under which a pod's Sentinel is known to the others.
    pub fn host_of(&self, pod: &PodName) -> Option<Host> {
        let named = self.named.iter().map(|at| &at.host).find(|host| host.pod().as_ref() == Some(pod));
        let by_service = self.service.as_ref().map(|domain| Host::Name(format!("{pod}.{domain}")));
        named.cloned().or(by_service)
    }

    /// The flag or variable that names the Sentinels, for messages.
    pub fn settings(&self) -> String {
        match self.service {
            Some(_) => setting("sentinel-service", "ORDAIN_SENTINEL_SERVICE"),
            None => setting("sentinel", "ORDAIN_SENTINELS"),
        }
    }

    /// Warns of what keeps the Sentinels from a failover, as far as was seen.
    pub fn warn_of_what_keeps_from_failover(&self, evidence: &Evidence) {
        let setting = self.settings();
        for warning in no_sentinels(evidence, &setting) {
            warn!("{warning}");
        }
        match missing_sentinels(evidence, self.service.as_deref(), &setting) {
            // The pods of a new group start one after the other.
            Some(missing) if is_first_boot(evidence) => warn!("first boot, Sentinels may start later: {missing}"),
            Some(missing) => warn!("{missing}"),
            None => {}
        }
    }

    /// Warns if a master would be abandoned before Sentinel finds it down.
    pub fn warn_of_short_grace(&self, members: &Members) {
        let Members { down_after, holder_grace, .. } = members;
        if !self.is_unnamed() && holder_grace < down_after {
            let [grace, down] = [holder_grace, down_after].map(|time| humantime::format_duration(*time));
            warn!(
                "{}: a grace of {grace} is shorter than the {down} of {}: a master that does not answer is abandoned before Sentinel finds this master down. Make the grace several times as long",
                setting("holder-grace", "ORDAIN_HOLDER_GRACE"),
                setting("down-after", "ORDAIN_DOWN_AFTER"),
            );
        }
    }

    /// The usual quorum: a majority.
    pub fn majority(&self) -> usize {
        self.count / 2 + 1
    }
}

/// The logins of Redis and Sentinel.
#[derive(Default)]
pub struct Credentials {
    /// Redis.
    pub redis: Login,
    /// Sentinel.
    pub sentinel: Login,
}

impl Credentials {
    /// Reads the passwords: from their files, else from ORDAIN_PASSWORD and
    /// ORDAIN_SENTINEL_PASSWORD.
    pub async fn read(secrets: &Secrets) -> Result<Self> {
        let tls = read_pems(&secrets.tls).await?.map(|pems| wire::tls(&pems)).transpose().or_wrong()?;
        Self::with_tls(secrets, tls).await
    }

    /// Reads the passwords alone.
    pub async fn with_tls(secrets: &Secrets, tls: Option<TlsConnector>) -> Result<Self> {
        use std::os::unix::ffi::{OsStrExt, OsStringExt};
        let Secrets { password_file, user: user_of_redis, sentinel_password_file, sentinel_user, tls: _ } = secrets;
        let password = async |file: Option<&Path>, variable: &str, what: &'static str| -> Result<Option<Vec<u8>>> {
            let (password, origin) = match (file, std::env::var_os(variable)) {
                (Some(path), _) => {
                    let mut bytes = files::read(path, what).await.or_wrong()?;
                    // An editor ends the last line; `\r\n` where it is an editor of Windows.
                    if bytes.ends_with(b"\n") {
                        bytes.pop();
                        if bytes.ends_with(b"\r") {
                            bytes.pop();
                        }
                    }
                    (bytes, format!("{what} `{}`", path.display()))
                }
                (None, Some(value)) => (value.into_vec(), variable.to_owned()),
                (None, None) => return Ok(None),
            };
            if password.is_empty() {
                return Err(Wrong(format!("{origin} is empty: set a password, or leave the setting out for none")).into());
            }
            Ok(Some(password))
        };
        let [variable, sentinel_variable] = PASSWORDS;
        let redis = password(password_file.as_deref(), variable, "the password file").await?;
        let sentinel = password(sentinel_password_file.as_deref(), sentinel_variable, "the Sentinel's password file").await?;
        let user = |file: ConfigFile, user: &Option<OsString>, password: &Option<Vec<u8>>| -> Result<Option<Vec<u8>>> {
            let Some(user) = user else { return Ok(None) };
            let [(flag, variable), by_password] = login_flags(file);
            let wrong = |why| Err(Wrong(format!("{}{why}", setting(flag, variable))).into());
            match password {
                _ if user.is_empty() => wrong(" is empty: name a user, or leave it away".to_owned()),
                None => wrong(format!(" has no password: set the password, too, with {}", either(by_password))),
                Some(_) => Ok(Some(user.as_bytes().to_vec())),
            }
        };
        Ok(Self {
            redis: Login { user: user(ConfigFile::Redis, user_of_redis, &redis)?, password: redis, tls: tls.clone() },
            sentinel: Login { user: user(ConfigFile::Sentinel, sentinel_user, &sentinel)?, password: sentinel, tls },
        })
    }

    /// The account by which all log in to the server that reads this file.
    pub fn account(&self, file: ConfigFile, secrets: &Secrets) -> Account {
        let [(user_flag, user_variable), (flag, variable)] = login_flags(file);
        let (login, by_file, by_variable) = match file {
            ConfigFile::Redis => (&self.redis, &secrets.password_file, PASSWORDS[0]),
            ConfigFile::Sentinel => (&self.sentinel, &secrets.sentinel_password_file, PASSWORDS[1]),
        };
        let user_setting =
            if login.user.is_some() { setting(user_flag, user_variable) } else { either((user_flag, user_variable)) };
        let password_setting = match &login.password {
            Some(_) if by_file.is_some() => setting(flag, variable),
            // What it says is secret.
            Some(_) => by_variable.to_owned(),
            None => either((flag, variable)),
        };
        Account { user: login.user.clone(), user_setting, password: login.password.clone(), password_setting }
    }
}

/// By which flags and variables the user and the password of a server are given.
const fn login_flags(file: ConfigFile) -> [(&'static str, &'static str); 2] {
    match file {
        ConfigFile::Redis => [("user", "ORDAIN_USER"), ("password-file", "ORDAIN_PASSWORD_FILE")],
        ConfigFile::Sentinel => {
            [("sentinel-user", "ORDAIN_SENTINEL_USER"), ("sentinel-password-file", "ORDAIN_SENTINEL_PASSWORD_FILE")]
        }
    }
}

/// A flag and its variable, where neither is set.
fn either((flag, variable): (&str, &str)) -> String {
    format!("--{flag} ({variable})")
}

/// Reads the files of TLS, where TLS is spoken.
pub async fn read_pems(certificates: &Certificates) -> Result<Option<Pems>> {
    let Some(TlsFiles { ca, cert, key }) = certificates.files() else { return Ok(None) };
    let read = async |path: &Path, what: &'static str| -> Result<Pem> {
        Ok(Pem { path: path.to_owned(), bytes: files::read_pem(path, what).await.or_wrong()? })
    };
    let (ca, cert) = (read(ca, "the certificates in").await?, read(cert, "the certificates in").await?);
    Ok(Some(Pems { ca, cert, key: read(key, "the key in").await? }))
}
