//! `genconf-sentinel`: decides which masters to watch, and writes sentinel.conf.
//!
//! 1. Read the earlier file, and check what does not depend on the decisions.
//! 2. Observe and decide for each group, all at once (the records, before anyone acts). A group that nobody can decide
//!    does not keep it from the others.
//! 3. Render (nothing): the file is not written before the whole of it is known.
//! 4. Install (sentinel.conf), and become the server.

use std::ffi::OsString;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use anyhow::{Result, anyhow};
use futures::future::{join_all, try_join_all};
use tokio::time::Instant;
use tracing::{info, warn};

use super::{HOOK, Next};
use crate::cli::usage::setting;
use crate::cli::{Form, GenconfSentinel};
use crate::core::conf::{ConfigFile, TlsFiles};
use crate::core::epoch::{self, Shown};
use crate::core::evidence::Kept;
use crate::core::identity::{Endpoint, Host, PodName, sentinel_id};
use crate::core::rules;
use crate::core::sentinel_conf::{Earlier, EarlierGroup, SentinelConf, TEMPLATE, Watched};
use crate::edge::files::{self, Draft};
use crate::exit::{OrWrong, Wrong};
use crate::steps::context::{Clients, Credentials, GroupConfig, SentinelSet, in_time, own_pod, version_of};
use crate::steps::decide::{Settled, Undecided, decide};
use crate::steps::groups::groups_to_watch;
use crate::steps::observe::Observer;
use crate::steps::report;
use crate::steps::source::{Rendered, Source};

/// Sentinel before this refuses to start where a `known-replica` or `known-sentinel` is a name
/// that does not resolve (redis/redis#10146).
const KEEPS_UNRESOLVED_NAMES: (u32, u32, u32) = (6, 2, 7);

pub async fn run(args: GenconfSentinel, deadline: Instant) -> Result<Next> {
    let GenconfSentinel {
        groups,
        pod,
        members,
        sentinels,
        quorum,
        labels,
        secrets,
        output,
        text,
        run,
        report,
        deadline: _,
        command,
    } = args;
    let me = own_pod(&pod)?;
    let credentials = Credentials::read(&secrets).await?;
    let account = credentials.account(ConfigFile::Sentinel, &secrets);
    let mut source = Source::read(&text, ConfigFile::Sentinel, "sentinel.conf.tera", TEMPLATE, account).await?;
    source.check_command(&command)?;
    let draft = if run.dry_run { None } else { Some(begin_file(&output)?) };
    let earlier = Earlier::read(&files::read_if_there(&output).or_wrong()?);
    let hook = hook_to_call(run.dry_run)?;
    let clients = Clients::open(&run, &pod).await?;
    let sentinel_set = SentinelSet::new(&clients, &sentinels)?;
    sentinel_set.warn_of_short_grace(&members);
    let before: Vec<_> = earlier.groups.keys().filter_map(|group| group.parse().ok()).collect();
    let groups = groups_to_watch(groups, &before, &clients, &members, &labels, deadline).await?;
    let group_config = |group| GroupConfig::new(&clients, group, None, &pod, &members, &labels);
    let group_configs =
        groups.into_iter().map(|group| Ok(remembering(group_config(group)?, &earlier))).collect::<Result<Vec<_>>>()?;
    check_quorum(quorum, &sentinel_set)?;
    let site = Site {
        announce: announced(&me, &sentinel_set, group_configs.first(), pod.pod_ip)?,
        namespace: clients.namespace.as_deref().unwrap_or("default"),
        quorum: quorum.map_or(sentinel_set.majority(), |quorum| quorum as usize),
        folder: folder_of(&output),
        hook: &hook,
        sentinel_set: &sentinel_set,
        credentials: &credentials,
        tls: secrets.tls.files(),
        earlier: &earlier,
        me,
    };
    site.rehearse(&source, &group_configs)?;

    let decide = async |group_config: &GroupConfig, until| {
        let mut observer = Observer::new(&clients, group_config, &sentinel_set, &credentials);
        let settled = decide(&mut observer, rules::for_sentinel, until, run.dry_run).await;
        settled.map_err(|error| report::print_undecided(&report, &group_config.group, error))
    };
    let decided = decide_all(&group_configs, decide, deadline).await?;
    site.warn_of_what_keeps_from_failover(&decided);
    let groups = site.watch_all(&clients, &decided, command.first(), run.dry_run).await?;
    let rendered = site.render(&source, groups)?;
    for (group_config, settled) in &decided {
        report::print_decision(&report, &group_config.group, settled, run.dry_run.then_some(&rendered))?;
    }
    let Some(draft) = draft else {
        print_dry_run(&clients, &rendered, &output, report.form)?;
        return Ok(Next::Exit);
    };
    rendered.install(draft, &output)?;
    Ok(Next::from_command(command))
}

/// Begins the file, once what earlier runs have left of theirs is away.
fn begin_file(output: &Path) -> Result<Draft> {
    Draft::sweep(output);
    Draft::begin(output).or_wrong()
}

/// Says what would be done, and prints the file.
fn print_dry_run(clients: &Clients, rendered: &Rendered, output: &Path, form: Form) -> Result<()> {
    clients.print_assumptions();
    info!("would write `{}`", output.display());
    if form == Form::Text {
        rendered.print()?;
    }
    Ok(())
}

/// The hook beside this program, which Sentinel looks for as it starts.
fn hook_to_call(dry_run: bool) -> Result<PathBuf> {
    let hook = files::hook_beside_this_program(HOOK)?;
    if !dry_run && !hook.exists() {
        return Err(Wrong(format!(
            "the hook `{}` does not exist, and Sentinel does not start without the hook: run `ordain install DIR`, and start the ordain in DIR",
            hook.display()
        ))
        .into());
    }
    Ok(hook)
}

/// A group, with what the earlier file knew of its master.
fn remembering(mut group_config: GroupConfig, earlier: &Earlier) -> GroupConfig {
    let kept = earlier.groups.get(&group_config.group.to_string());
    group_config.kept = kept.and_then(|kept| Some(Kept { master: kept.master.clone()?, config_epoch: kept.config_epoch }));
    group_config
}

/// The number of Sentinels must be known, and a quorum above that number is never reached.
fn check_quorum(quorum: Option<u32>, sentinel_set: &SentinelSet) -> Result<()> {
    match quorum {
        None if sentinel_set.count == 0 => Err(Wrong(
            "the number of Sentinels is not known: name the Sentinels with --sentinel or --sentinel-service, or set --sentinel-count".to_owned(),
        )
        .into()),
        Some(quorum) if sentinel_set.count > 0 && quorum as usize > sentinel_set.count => Err(Wrong(format!(
            "{}: a quorum of {quorum} can never be reached by {} Sentinels: no failover would happen. Lower the quorum, or set --sentinel-count (ORDAIN_SENTINEL_COUNT) to the number of Sentinels",
            setting("quorum", "ORDAIN_QUORUM"),
            sentinel_set.count
        ))
        .into()),
        _ => Ok(()),
    }
}

/// Decides each group, all at once. Of several, one that nobody can decide keeps this Sentinel from the others for
/// half of the time, and is left out.
async fn decide_all(
    group_configs: &[GroupConfig],
    decide: impl AsyncFn(&GroupConfig, Instant) -> Result<Settled>,
    deadline: Instant,
) -> Result<Vec<(&GroupConfig, Settled)>> {
    let until = if group_configs.len() > 1 { deadline - (deadline - Instant::now()) / 2 } else { deadline };
    let outcomes = try_join_all(group_configs.iter().map(async |group_config| match decide(group_config, until).await {
        Err(error) if !error.is::<Undecided>() => Err(error),
        outcome => Ok((group_config, outcome)),
    }));
    let (decided, undecided): (Vec<_>, Vec<_>) = outcomes.await?.into_iter().partition(|(_, outcome)| outcome.is_ok());
    for (group_config, outcome) in undecided {
        let Err(error) = outcome else { continue };
        if decided.is_empty() {
            return Err(error);
        }
        let why = error.downcast_ref().map(|undecided: &Undecided| undecided.reason.to_string()).unwrap_or_default();
        warn!("{}: undecided, and left to reconcile: {why}", group_config.group);
    }
    decided.into_iter().map(|(group_config, outcome)| Ok((group_config, outcome?))).collect()
}

/// The folder that a file lies in.
fn folder_of(file: &Path) -> &Path {
    file.parent().filter(|folder| *folder != Path::new("")).unwrap_or(Path::new("."))
}

/// How this Sentinel calls itself: as the others name it, else as its Service does.
fn announced(
    me: &PodName,
    sentinel_set: &SentinelSet,
    group_config: Option<&GroupConfig>,
    ip: Option<IpAddr>,
) -> Result<Endpoint> {
    let by_hostname = group_config.is_none_or(GroupConfig::by_hostname);
    let host = if by_hostname {
        // A Sentinel beside each Redis shares the pod's name.
        sentinel_set.host_of(me).or(group_config.map(|group_config| group_config.host_name(me)))
    } else {
        ip.map(Host::Ip)
    };
    let host = host.ok_or_else(|| {
        Wrong("this Sentinel has no address to announce: set --sentinel-service, or --pod-ip with --announce ip".to_owned())
    })?;
    Ok(Endpoint { host, port: sentinel_set.port })
}

/// What all groups of one Sentinel share.
struct Site<'a> {
    me: PodName,
    announce: Endpoint,
    namespace: &'a str,
    quorum: usize,
    folder: &'a Path,
    hook: &'a Path,
    sentinel_set: &'a SentinelSet,
    credentials: &'a Credentials,
    tls: Option<TlsFiles<'a>>,
    earlier: &'a Earlier,
}

impl Site<'_> {
    /// Whatever cannot be written is found out before anything is recorded.
    fn rehearse(&self, source: &Source, group_configs: &[GroupConfig]) -> Result<()> {
        let groups = group_configs.iter().map(|group_config| self.rehearsed(group_config)).collect();
        source.rehearse(&self.conf(groups).values().or_wrong()?)
    }

    /// Warns of what will keep these Sentinels from a failover, as the first group shows it.
    fn warn_of_what_keeps_from_failover(&self, decided: &[(&GroupConfig, Settled)]) {
        let Some((group_config, settled)) = decided.first() else { return };
        self.sentinel_set.warn_of_what_keeps_from_failover(&settled.evidence);
        self.warn_if_not_counted(group_config);
    }

    /// What the file says of each group that was decided. `program` is the server that reads it.
    async fn watch_all<'s>(
        &'s self,
        clients: &Clients,
        decided: &'s [(&'s GroupConfig, Settled)],
        program: Option<&OsString>,
        dry_run: bool,
    ) -> Result<Vec<Watched<'s>>> {
        let keeps_unresolved =
            version_of(program).await.is_none_or(|server| server.is_valkey || server.number >= KEEPS_UNRESOLVED_NAMES);
        let mut groups = Vec::new();
        for (group_config, settled) in decided {
            info!("{}: {}", group_config.group, settled.reason);
            if let (true, Some(claim)) = (dry_run, &settled.recorded) {
                info!("would record in the Lease `{}`: {} at epoch {}", group_config.group, claim.master, claim.epoch);
            }
            let master = settled.endpoint(group_config, &settled.claim.master);
            let master = master.ok_or_else(|| anyhow!("the address of {} is not known yet", settled.claim.master))?;
            let mut watched = self.watched(group_config, master, settled.claim.epoch);
            watched.replicas = self.known_replicas(group_config, settled);
            watched.sentinels = self.other_sentinels(group_config);
            if !keeps_unresolved {
                watched.replicas = resolvable(clients, watched.replicas, |replica| replica).await;
                watched.sentinels = resolvable(clients, watched.sentinels, |(at, _)| at).await;
            }
            groups.push(watched);
        }
        Ok(groups)
    }

    /// The file that watches these groups.
    fn render(&self, source: &Source, groups: Vec<Watched<'_>>) -> Result<Rendered> {
        let conf = self.conf(groups);
        if conf.current_epoch < self.earlier.current_epoch {
            let (earlier, now) = (Shown(self.earlier.current_epoch), conf.current_epoch);
            warn!("the current-epoch {earlier} of the earlier file is impossible: {now} is written instead");
        }
        source.render(&conf.values().or_wrong()?)
    }

    fn conf<'s>(&'s self, groups: Vec<Watched<'s>>) -> SentinelConf<'s> {
        let epochs: Vec<_> = groups.iter().flat_map(|watched| [watched.config_epoch, watched.leader_epoch]).collect();
        let kept = Some(self.earlier.current_epoch).filter(|kept| epoch::can_be(*kept, epochs.iter().copied()));
        SentinelConf {
            id: sentinel_id(self.namespace, &self.me),
            port: self.sentinel_set.port,
            dir: files::bytes(self.folder),
            announce: &self.announce,
            hostnames: matches!(self.announce.host, Host::Name(_)),
            current_epoch: epochs.into_iter().chain(kept).max().unwrap_or(0),
            user: self.credentials.sentinel.user.as_deref(),
            password: self.credentials.sentinel.password.as_deref(),
            tls: self.tls,
            groups,
        }
    }

    fn watched<'s>(&'s self, group_config: &'s GroupConfig, master: Endpoint, config_epoch: u64) -> Watched<'s> {
        Watched {
            group: &group_config.group,
            master,
            quorum: self.quorum,
            down_after_ms: group_config.down_after.as_millis(),
            script: files::bytes(self.hook),
            user: self.credentials.redis.user.as_deref(),
            password: self.credentials.redis.password.as_deref(),
            config_epoch,
            // Of an epoch that cannot be nothing is written on; it votes in none that has had its failover.
            leader_epoch: match self.kept(group_config) {
                Some(kept) if epoch::can_be(kept.leader_epoch, [config_epoch]) => kept.leader_epoch,
                _ => config_epoch,
            },
            replicas: Vec::new(),
            sentinels: Vec::new(),
        }
    }

    /// Before anything is known of it: each list of which the file will have something holds something.
    fn rehearsed<'s>(&'s self, group_config: &'s GroupConfig) -> Watched<'s> {
        let mut watched = self.watched(group_config, self.announce.clone(), 0);
        watched.replicas = group_config.sets.pods().skip(1).take(1).map(|_| self.announce.clone()).collect();
        watched.sentinels = self.other_sentinels(group_config);
        watched
    }

    fn kept(&self, group_config: &GroupConfig) -> Option<&EarlierGroup> {
        self.earlier.groups.get(&group_config.group.to_string())
    }

    /// Every other pod of the group, and what the earlier file knew besides.
    fn known_replicas(&self, group_config: &GroupConfig, settled: &Settled) -> Vec<Endpoint> {
        let master = &settled.claim.master;
        let members = settled.evidence.peers.iter().filter(|peer| peer.pod != *master);
        let mut known: Vec<_> = members.filter_map(|peer| settled.endpoint(group_config, &peer.pod)).collect();
        let is_strange = |at: &&Endpoint| settled.evidence.member_at(&at.host).is_none();
        // An address that no pod has now may soon be a pod's of another group, and Sentinel would make that pod a replica.
        let is_readable = |_: &&Endpoint| group_config.by_hostname();
        let kept = self.kept(group_config).map_or(&[][..], |kept| &kept.replicas);
        known.extend(kept.iter().filter(is_strange).filter(is_readable).cloned());
        known
    }

    /// The pods of the Sentinels behind a Service: as many as there are said to be.
    fn numbered_sentinels(&self, group_config: &GroupConfig) -> Vec<PodName> {
        if group_config.sets.are_several() && group_config.sets.have(&self.me) {
            return group_config.sets.pods().take(self.sentinel_set.count).collect();
        }
        (0..u32::try_from(self.sentinel_set.count).unwrap_or(u32::MAX)).map(|ordinal| self.me.sibling(ordinal)).collect()
    }

    /// Warns if this Sentinel is not counted: with it a majority is more than of the Sentinels that are counted.
    fn warn_if_not_counted(&self, group_config: &GroupConfig) {
        let sentinel_set = self.sentinel_set;
        let is_counted = match sentinel_set.service {
            Some(_) => self.numbered_sentinels(group_config).contains(&self.me),
            None => {
                sentinel_set.named.is_empty()
                    || sentinel_set.named.iter().any(|at| at.host.pod().is_none_or(|pod| pod == self.me))
            }
        };
        if !is_counted {
            let (me, count) = (&self.me, sentinel_set.count);
            warn!(
                "{me} is not one of the {count} Sentinels that make up a majority, and those Sentinels do not know {me}. Check {} and --sentinel-count (ORDAIN_SENTINEL_COUNT)",
                sentinel_set.settings()
            );
        }
    }

    /// Every other Sentinel whose pod's name is known, with the id that this gives it.
    fn other_sentinels(&self, group_config: &GroupConfig) -> Vec<(Endpoint, String)> {
        // Without host names a name would not be resolved; the Sentinels find each other by the master.
        if !group_config.by_hostname() {
            return Vec::new();
        }
        let sentinel_set = self.sentinel_set;
        let named = sentinel_set.named.iter().filter_map(|at| Some((at.clone(), at.host.pod()?)));
        let pods = self.numbered_sentinels(group_config);
        let numbered = sentinel_set.service.iter().flat_map(|domain| {
            let at = move |pod: &PodName| Endpoint { host: Host::Name(format!("{pod}.{domain}")), port: sentinel_set.port };
            pods.iter().map(move |pod| (at(pod), pod.clone()))
        });
        let others = named.chain(numbered).filter(|(_, pod)| *pod != self.me);
        others.map(|(at, pod)| (at, sentinel_id(self.namespace, &pod))).collect()
    }
}

async fn resolvable<T>(clients: &Clients, known: Vec<T>, at: fn(&T) -> &Endpoint) -> Vec<T> {
    let looked_up = join_all(known.iter().map(|item| in_time(clients.addresses(&at(item).host)))).await;
    known.into_iter().zip(looked_up).filter_map(|(item, found)| found.ok().map(|_| item)).collect()
}
