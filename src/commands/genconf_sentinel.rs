//! `genconf-sentinel`: which masters to watch, and the sentinel.conf that makes it so.
//!
//! 1. Read what the earlier file knew, and all that may be wrong whatever is decided.
//! 2. Observe and decide for each group, all at once (the records, which say it first). A group that nobody can decide
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

use super::{HOOK, Then};
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
use crate::steps::context::{Council, Logins, Subject, World, in_time, own_pod, version_of};
use crate::steps::decide::{Settled, Undecided, settle};
use crate::steps::groups::groups_to_watch;
use crate::steps::observe::Observer;
use crate::steps::report;
use crate::steps::source::{Rendered, Source};

/// Sentinel before this refuses to start where a `known-replica` or `known-sentinel` is a name
/// that does not resolve (redis/redis#10146).
const KEEPS_UNRESOLVED_NAMES: (u32, u32, u32) = (6, 2, 7);

pub async fn run(args: GenconfSentinel, deadline: Instant) -> Result<Then> {
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
    let logins = Logins::read(&secrets).await?;
    let account = logins.account(ConfigFile::Sentinel, &secrets);
    let mut source = Source::read(&text, ConfigFile::Sentinel, "sentinel.conf.tera", TEMPLATE, account).await?;
    source.check_command(&command)?;
    let draft = if run.dry_run { None } else { Some(begin_file(&output)?) };
    let earlier = Earlier::read(&files::read_if_there(&output).or_wrong()?);
    let hook = hook_to_call(run.dry_run)?;
    let world = World::open(&run, &pod).await?;
    let council = Council::new(&world, &sentinels)?;
    council.tell_short_grace(&members);
    let before: Vec<_> = earlier.groups.keys().filter_map(|group| group.parse().ok()).collect();
    let groups = groups_to_watch(groups, &before, &world, &members, &labels, deadline).await?;
    let subject = |group| Subject::new(&world, group, None, &pod, &members, &labels);
    let subjects = groups.into_iter().map(|group| Ok(remembering(subject(group)?, &earlier))).collect::<Result<Vec<_>>>()?;
    check_quorum(quorum, &council)?;
    let site = Site {
        announce: announced(&me, &council, subjects.first(), pod.pod_ip)?,
        namespace: world.namespace.as_deref().unwrap_or("default"),
        quorum: quorum.map_or(council.majority(), |quorum| quorum as usize),
        folder: folder_of(&output),
        hook: &hook,
        council: &council,
        logins: &logins,
        tls: secrets.tls.files(),
        earlier: &earlier,
        me,
    };
    site.rehearse(&source, &subjects)?;

    let decide = async |subject: &Subject, until| {
        let mut observer = Observer::new(&world, subject, &council, &logins);
        let settled = settle(&mut observer, rules::for_sentinel, until, run.dry_run).await;
        settled.map_err(|error| report::tell_undecided(&report, &subject.group, error))
    };
    let decided = decide_all(&subjects, decide, deadline).await?;
    site.tell_what_keeps_from_failover(&decided);
    let groups = site.watch_all(&world, &decided, command.first(), run.dry_run).await?;
    let rendered = site.render(&source, groups)?;
    for (subject, settled) in &decided {
        report::tell(&report, &subject.group, settled, run.dry_run.then_some(&rendered))?;
    }
    let Some(draft) = draft else {
        tell_dry_run(&world, &rendered, &output, report.form)?;
        return Ok(Then::Exit);
    };
    rendered.install(draft, &output)?;
    Ok(Then::from_words(command))
}

/// Begins the file, once what earlier runs have left of theirs is away.
fn begin_file(output: &Path) -> Result<Draft> {
    Draft::sweep(output);
    Draft::begin(output).or_wrong()
}

/// Says what would be done, and prints the file.
fn tell_dry_run(world: &World, rendered: &Rendered, output: &Path, form: Form) -> Result<()> {
    world.tell_assumptions();
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
            "there is no hook `{}`, without which Sentinel does not start: run `ordain install DIR` and start this from there",
            hook.display()
        ))
        .into());
    }
    Ok(hook)
}

/// A group, with what the earlier file knew of its master.
fn remembering(mut subject: Subject, earlier: &Earlier) -> Subject {
    let kept = earlier.groups.get(&subject.group.to_string());
    subject.kept = kept.and_then(|kept| Some(Kept { master: kept.master.clone()?, config_epoch: kept.config_epoch }));
    subject
}

/// Of how many a majority is taken must be known, and more than there are never agree.
fn check_quorum(quorum: Option<u32>, council: &Council) -> Result<()> {
    match quorum {
        None if council.count == 0 => Err(Wrong(
            "how many Sentinels are there? Name them by --sentinel or --sentinel-service, or set --sentinel-count".to_owned(),
        )
        .into()),
        Some(quorum) if council.count > 0 && quorum as usize > council.count => Err(Wrong(format!(
            "{}: a quorum of {quorum} can never be reached by {} Sentinels: no failover would happen. Lower it, or say by --sentinel-count (ORDAIN_SENTINEL_COUNT) how many there are",
            setting("quorum", "ORDAIN_QUORUM"),
            council.count
        ))
        .into()),
        _ => Ok(()),
    }
}

/// Decides each group, all at once. Of several, one that nobody can decide keeps this Sentinel from the others for
/// half of the time, and is left out.
async fn decide_all(
    subjects: &[Subject],
    decide: impl AsyncFn(&Subject, Instant) -> Result<Settled>,
    deadline: Instant,
) -> Result<Vec<(&Subject, Settled)>> {
    let until = if subjects.len() > 1 { deadline - (deadline - Instant::now()) / 2 } else { deadline };
    let outcomes = try_join_all(subjects.iter().map(async |subject| match decide(subject, until).await {
        Err(error) if !error.is::<Undecided>() => Err(error),
        outcome => Ok((subject, outcome)),
    }));
    let (decided, undecided): (Vec<_>, Vec<_>) = outcomes.await?.into_iter().partition(|(_, outcome)| outcome.is_ok());
    for (subject, outcome) in undecided {
        let Err(error) = outcome else { continue };
        if decided.is_empty() {
            return Err(error);
        }
        let why = error.downcast_ref().map(|undecided: &Undecided| undecided.reason.to_string()).unwrap_or_default();
        warn!("{}: undecided, and left to reconcile: {why}", subject.group);
    }
    decided.into_iter().map(|(subject, outcome)| Ok((subject, outcome?))).collect()
}

/// The folder that a file lies in.
fn folder_of(file: &Path) -> &Path {
    file.parent().filter(|folder| *folder != Path::new("")).unwrap_or(Path::new("."))
}

/// How this Sentinel calls itself: as the others name it, else as its Service does.
fn announced(me: &PodName, council: &Council, subject: Option<&Subject>, ip: Option<IpAddr>) -> Result<Endpoint> {
    let by_hostname = subject.is_none_or(Subject::by_hostname);
    let host = if by_hostname {
        // A Sentinel beside each Redis shares the pod's name.
        council.host_of(me).or(subject.map(|subject| subject.host_name(me)))
    } else {
        ip.map(Host::Ip)
    };
    let host = host.ok_or_else(|| {
        Wrong("this Sentinel has no address to announce: set --sentinel-service, or --pod-ip with --announce ip".to_owned())
    })?;
    Ok(Endpoint { host, port: council.port })
}

/// What all groups of one Sentinel share.
struct Site<'a> {
    me: PodName,
    announce: Endpoint,
    namespace: &'a str,
    quorum: usize,
    folder: &'a Path,
    hook: &'a Path,
    council: &'a Council,
    logins: &'a Logins,
    tls: Option<TlsFiles<'a>>,
    earlier: &'a Earlier,
}

impl Site<'_> {
    /// Whatever cannot be written is found out before anything is recorded.
    fn rehearse(&self, source: &Source, subjects: &[Subject]) -> Result<()> {
        let groups = subjects.iter().map(|subject| self.rehearsed(subject)).collect();
        source.rehearse(&self.conf(groups).values().or_wrong()?)
    }

    /// Tells what will keep these Sentinels from a failover, as the first group shows it.
    fn tell_what_keeps_from_failover(&self, decided: &[(&Subject, Settled)]) {
        let Some((subject, settled)) = decided.first() else { return };
        self.council.tell_what_keeps_from_failover(&settled.evidence);
        self.tell_if_not_counted(subject);
    }

    /// What the file says of each group that was decided. `program` is the server that reads it.
    async fn watch_all<'s>(
        &'s self,
        world: &World,
        decided: &'s [(&'s Subject, Settled)],
        program: Option<&OsString>,
        dry_run: bool,
    ) -> Result<Vec<Watched<'s>>> {
        let keeps_unresolved =
            version_of(program).await.is_none_or(|server| server.is_valkey || server.number >= KEEPS_UNRESOLVED_NAMES);
        let mut groups = Vec::new();
        for (subject, settled) in decided {
            info!("{}: {}", subject.group, settled.reason);
            if let (true, Some(claim)) = (dry_run, &settled.recorded) {
                info!("would record in the Lease `{}`: {} at epoch {}", subject.group, claim.master, claim.epoch);
            }
            let master = settled.endpoint(subject, &settled.claim.master);
            let master = master.ok_or_else(|| anyhow!("the address of {} is not known yet", settled.claim.master))?;
            let mut watched = self.watched(subject, master, settled.claim.epoch);
            watched.replicas = self.known_replicas(subject, settled);
            watched.sentinels = self.other_sentinels(subject);
            if !keeps_unresolved {
                watched.replicas = resolvable(world, watched.replicas, |replica| replica).await;
                watched.sentinels = resolvable(world, watched.sentinels, |(at, _)| at).await;
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
            warn!("the earlier file's current-epoch {earlier} cannot be: {now} is written instead");
        }
        source.render(&conf.values().or_wrong()?)
    }

    fn conf<'s>(&'s self, groups: Vec<Watched<'s>>) -> SentinelConf<'s> {
        let epochs: Vec<_> = groups.iter().flat_map(|watched| [watched.config_epoch, watched.leader_epoch]).collect();
        let kept = Some(self.earlier.current_epoch).filter(|kept| epoch::can_be(*kept, epochs.iter().copied()));
        SentinelConf {
            id: sentinel_id(self.namespace, &self.me),
            port: self.council.port,
            dir: files::bytes(self.folder),
            announce: &self.announce,
            hostnames: matches!(self.announce.host, Host::Name(_)),
            current_epoch: epochs.into_iter().chain(kept).max().unwrap_or(0),
            user: self.logins.sentinel.user.as_deref(),
            password: self.logins.sentinel.password.as_deref(),
            tls: self.tls,
            groups,
        }
    }

    fn watched<'s>(&'s self, subject: &'s Subject, master: Endpoint, config_epoch: u64) -> Watched<'s> {
        Watched {
            group: &subject.group,
            master,
            quorum: self.quorum,
            down_after_ms: subject.down_after.as_millis(),
            script: files::bytes(self.hook),
            user: self.logins.redis.user.as_deref(),
            password: self.logins.redis.password.as_deref(),
            config_epoch,
            // Of an epoch that cannot be nothing is written on; it votes in none that has had its failover.
            leader_epoch: match self.kept(subject) {
                Some(kept) if epoch::can_be(kept.leader_epoch, [config_epoch]) => kept.leader_epoch,
                _ => config_epoch,
            },
            replicas: Vec::new(),
            sentinels: Vec::new(),
        }
    }

    /// Before anything is known of it: each list of which the file will have something holds something.
    fn rehearsed<'s>(&'s self, subject: &'s Subject) -> Watched<'s> {
        let mut watched = self.watched(subject, self.announce.clone(), 0);
        watched.replicas = subject.sets.pods().skip(1).take(1).map(|_| self.announce.clone()).collect();
        watched.sentinels = self.other_sentinels(subject);
        watched
    }

    fn kept(&self, subject: &Subject) -> Option<&EarlierGroup> {
        self.earlier.groups.get(&subject.group.to_string())
    }

    /// Every other pod of the group, and what the earlier file knew besides.
    fn known_replicas(&self, subject: &Subject, settled: &Settled) -> Vec<Endpoint> {
        let master = &settled.claim.master;
        let members = settled.evidence.peers.iter().filter(|peer| peer.pod != *master);
        let mut known: Vec<_> = members.filter_map(|peer| settled.endpoint(subject, &peer.pod)).collect();
        let is_strange = |at: &&Endpoint| settled.evidence.member_at(&at.host).is_none();
        // An address that is no pod's now may be a stranger's next: whom Sentinel takes for a replica it commands.
        let is_readable = |_: &&Endpoint| subject.by_hostname();
        let kept = self.kept(subject).map_or(&[][..], |kept| &kept.replicas);
        known.extend(kept.iter().filter(is_strange).filter(is_readable).cloned());
        known
    }

    /// The pods of the Sentinels behind a Service: as many as there are said to be.
    fn numbered_sentinels(&self, subject: &Subject) -> Vec<PodName> {
        if subject.sets.are_several() && subject.sets.have(&self.me) {
            return subject.sets.pods().take(self.council.count).collect();
        }
        (0..u32::try_from(self.council.count).unwrap_or(u32::MAX)).map(|ordinal| self.me.sibling(ordinal)).collect()
    }

    /// A Sentinel more than are counted makes the majority of all another than that of those that are counted.
    fn tell_if_not_counted(&self, subject: &Subject) {
        let council = self.council;
        let is_counted = match council.service {
            Some(_) => self.numbered_sentinels(subject).contains(&self.me),
            None => council.named.is_empty() || council.named.iter().any(|at| at.host.pod().is_none_or(|pod| pod == self.me)),
        };
        if !is_counted {
            let (me, count) = (&self.me, council.count);
            warn!(
                "{me} is none of the {count} Sentinels of which a majority is taken: those do not know of it. Check {} and --sentinel-count (ORDAIN_SENTINEL_COUNT)",
                council.settings()
            );
        }
    }

    /// Every other Sentinel whose pod's name is known, with the id that this gives it.
    fn other_sentinels(&self, subject: &Subject) -> Vec<(Endpoint, String)> {
        // Without host names a name would not be resolved; the Sentinels find each other by the master.
        if !subject.by_hostname() {
            return Vec::new();
        }
        let council = self.council;
        let named = council.named.iter().filter_map(|at| Some((at.clone(), at.host.pod()?)));
        let pods = self.numbered_sentinels(subject);
        let numbered = council.service.iter().flat_map(|domain| {
            let at = move |pod: &PodName| Endpoint { host: Host::Name(format!("{pod}.{domain}")), port: council.port };
            pods.iter().map(move |pod| (at(pod), pod.clone()))
        });
        let others = named.chain(numbered).filter(|(_, pod)| *pod != self.me);
        others.map(|(at, pod)| (at, sentinel_id(self.namespace, &pod))).collect()
    }
}

async fn resolvable<T>(world: &World, known: Vec<T>, at: fn(&T) -> &Endpoint) -> Vec<T> {
    let looked_up = join_all(known.iter().map(|item| in_time(world.addresses(&at(item).host)))).await;
    known.into_iter().zip(looked_up).filter_map(|(item, found)| found.ok().map(|_| item)).collect()
}
