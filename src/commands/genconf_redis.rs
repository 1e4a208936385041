//! `genconf-redis`: decides the role of this pod's Redis, and writes its redis.conf.
//!
//! After the checks that do not depend on the decision, until the server may start:
//! 1. Publish the disk report (the pod's annotations, an Event if the data is damaged).
//! 2. Observe and decide, until there is a decision (the record, before anyone acts).
//! 3. Render (nothing): no file is written before the whole of it is known.
//! 4. Install (the data directory, then redis.conf).
//! 5. Label, where the labels are not as recorded (the pods' labels, an Event).
//! 6. Start (the start marker in the record, the pod's annotations): look once more, and become the server.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Result, anyhow};
use tokio::time::{Instant, sleep_until};
use tracing::{info, warn};

use super::Next;
use crate::cli::usage::setting;
use crate::cli::{Form, GenconfRedis, Promotable, Report, Run};
use crate::core::conf::{ConfigFile, TlsFiles};
use crate::core::evidence::Own;
use crate::core::identity::{Endpoint, PodName};
use crate::core::redis_conf::{self, RedisConf, TEMPLATE, USUAL_PRIORITY, Values};
use crate::core::rules;
use crate::core::server::ServerVersion;
use crate::edge::data_directory::DataDirectory;
use crate::edge::files::{self, Draft};
use crate::exit::{OrWrong, Wrong};
use crate::steps::announce::{announce_damage, announce_promotion};
use crate::steps::context::{Clients, Credentials, GroupConfig, KubernetesMode, SentinelSet, own_group, own_pod, version_of};
use crate::steps::decide::{Settled, decide};
use crate::steps::disk_report::{own_run, publish};
use crate::steps::label::{is_due, label};
use crate::steps::observe::Observer;
use crate::steps::off_thread::off_thread;
use crate::steps::own_data::OwnData;
use crate::steps::report;
use crate::steps::retry::Backoff;
use crate::steps::source::{Rendered, Source};
use crate::steps::start::{Begun, start};

/// The pod must start also where the API server is away: a label can be set later.
const LABELLING: Duration = Duration::from_secs(10);

pub async fn run(args: GenconfRedis, deadline: Instant) -> Result<Next> {
    let GenconfRedis {
        group,
        pod,
        members,
        sentinels,
        labels,
        secrets,
        data_dir,
        load,
        server_version,
        promotable,
        priority,
        output,
        text,
        run,
        report,
        deadline: _,
        command,
    } = args;
    check_priority(&run, priority, promotable)?;
    let me = own_pod(&pod)?;
    let group = own_group(group, &members, &me)?;
    let credentials = Credentials::read(&secrets).await?;
    let account = credentials.account(ConfigFile::Redis, &secrets);
    let mut source = Source::read(&text, ConfigFile::Redis, "redis.conf.tera", TEMPLATE, account).await?;
    source.check_command(&command)?;
    let draft = if run.dry_run { None } else { Some(begin_file(&data_dir, &output).await?) };
    let (clients, server) = tokio::join!(Clients::open(&run, &pod), server_to_start(server_version, &command));
    let clients = clients?;
    let data = DataDirectory { folder: data_dir, server, load };
    // Only a program that has said that it is a server is asked to check what it cannot load.
    let checks = command.first().filter(|_| server_version.is_none() && server.is_some());
    let group_config = GroupConfig::new(&clients, group, Some(me.clone()), &pod, &members, &labels)?;
    let sentinel_set = SentinelSet::new(&clients, &sentinels)?;
    sentinel_set.warn_of_short_grace(&members);

    let announce = group_config.announced(&me, &[]);
    let announce = announce.ok_or_else(|| Wrong("--announce ip needs this pod's address: set --pod-ip or POD_IP".to_owned()))?;
    let tls = secrets.tls.files();
    let conf =
        Conf { source, group_config: &group_config, data: &data, announce, priority, promotable, credentials: &credentials, tls };
    conf.rehearse()?;

    let mut observer = Observer::new(&clients, &group_config, &sentinel_set, &credentials);
    let (own_data, own) = OwnData::read(data.clone(), &clients, &me, checks, run.dry_run, deadline).await?;
    observer.own = own;
    observer.own.priority = (priority != USUAL_PRIORITY).then_some(priority);
    let dry_run = run.dry_run;
    let starting = Starting { me: &me, conf, observer, own_data, draft, output, report, command, dry_run, deadline };
    Box::pin(starting.until_started()).await
}

/// The others know the priority of this pod from the pod's annotation.
fn check_priority(run: &Run, priority: u32, promotable: Promotable) -> Result<(), Wrong> {
    if run.no_kubernetes && priority != USUAL_PRIORITY && promotable == Promotable::InSync {
        return Err(Wrong(format!(
            "{} is published in the pod's annotations, and without Kubernetes there are none: add --promotable at-start",
            setting("priority", "ORDAIN_PRIORITY")
        )));
    }
    Ok(())
}

/// Begins the file, once what earlier runs have left of theirs is away: before this run has files of its own, which
/// may lie in the same folder.
async fn begin_file(data_dir: &Path, output: &Path) -> Result<Draft> {
    let (folder, file) = (data_dir.to_owned(), output.to_owned());
    let sweep = move |_: &_| {
        Draft::sweep(&file);
        DataDirectory::sweep(&folder)
    };
    off_thread(sweep).await.or_wrong()?;
    Draft::begin(output).or_wrong()
}

/// The version of the server that is going to be started: as it was said, else as the server says.
async fn server_to_start(said: Option<ServerVersion>, command: &[OsString]) -> Option<ServerVersion> {
    match said {
        Some(version) => Some(version),
        None => version_of(command.first()).await,
    }
}

/// What the file says, whatever is decided.
struct Conf<'a> {
    source: Source,
    group_config: &'a GroupConfig,
    data: &'a DataDirectory,
    announce: Endpoint,
    priority: u32,
    promotable: Promotable,
    credentials: &'a Credentials,
    tls: Option<TlsFiles<'a>>,
}

impl Conf<'_> {
    fn values(&self, master: Option<&Endpoint>, may_be_promoted: bool, run: Option<&str>) -> Result<Values> {
        let may_be_promoted = may_be_promoted || self.promotable == Promotable::AtStart;
        let conf = RedisConf {
            port: self.group_config.port,
            dir: files::bytes(&self.data.folder),
            stamps_time: self.data.server.is_some_and(ServerVersion::keeps_manifest),
            announce: &self.announce,
            master,
            priority: if may_be_promoted { self.priority } else { 0 },
            run,
            user: self.credentials.redis.user.as_deref(),
            password: self.credentials.redis.password.as_deref(),
            tls: self.tls,
        };
        conf.values().or_wrong()
    }

    /// Whatever cannot be written is found out before anything is recorded.
    fn rehearse(&self) -> Result<()> {
        self.source.rehearse(&self.values(Some(&self.announce), false, Some("run"))?)?;
        self.source.render(&self.values(None, true, None)?)?;
        Ok(())
    }

    /// The file for what was decided, by this run.
    fn render(&self, settled: &Settled, run: Option<&str>) -> Result<Rendered> {
        let master = master_of(self.group_config, settled);
        self.source.render(&self.values(master.as_ref(), settled.promotable, run)?)
    }
}

/// This pod on its way to be a server.
struct Starting<'a> {
    me: &'a PodName,
    conf: Conf<'a>,
    observer: Observer<'a>,
    own_data: OwnData,
    /// The file that was begun before anything else; a later attempt begins its own.
    draft: Option<Draft>,
    output: PathBuf,
    report: Report,
    command: Vec<OsString>,
    dry_run: bool,
    deadline: Instant,
}

impl Starting<'_> {
    /// Goes from step to step until the server may start; a dry run ends before the first that writes.
    async fn until_started(mut self) -> Result<Next> {
        let Self { me, deadline, .. } = self;
        let mut backoff = Backoff::new();
        loop {
            self.publish().await?;
            let settled = self.decide().await?;
            let rendered = self.render(&settled)?;
            report::print_decision(&self.report, &self.observer.group_config.group, &settled, self.dry_run.then_some(&rendered))?;
            if self.dry_run {
                self.print_dry_run(&settled, &rendered)?;
                return Ok(Next::Exit);
            }
            self.install(&settled, &rendered).await?;
            self.label(&settled).await?;
            match start(&self.observer, &settled, deadline).await? {
                Begun::Go => return Ok(Next::from_command(self.command)),
                Begun::LookAgain(why) if Instant::now() >= deadline => return Err(anyhow!("{me} did not start: {why}")),
                Begun::LookAgain(why) => info!("{me} looks again: {why}"),
            }
            sleep_until(deadline.min(Instant::now() + backoff.next())).await;
        }
    }

    /// Publishes the disk report, while the first look is prepared.
    async fn publish(&mut self) -> Result<()> {
        let Self { me, observer, own_data, .. } = self;
        let clients = observer.clients;
        if let (Some(cluster), false) = (clients.cluster(), self.dry_run) {
            let (published, ()) = tokio::join!(publish(cluster, me, &observer.own), observer.prepare());
            observer.own = published?.unwrap_or_else(|refusal| {
                warn!("the disk report of {me} is not published yet: {refusal}");
                Own { instance: None, has_run: false, ..observer.own.clone() }
            });
        }
        if let (Some(cluster), Some(instance), Some(damage)) = (clients.cluster(), &observer.own.instance, &own_data.damage) {
            announce_damage(cluster, instance, damage).await;
        }
        Ok(())
    }

    /// Looks until there is a decision, and has the record say it.
    async fn decide(&mut self) -> Result<Settled> {
        let Self { me, observer, report, .. } = self;
        let settled = decide(observer, rules::for_redis, self.deadline, self.dry_run).await;
        let settled = settled.map_err(|error| report::print_undecided(report, &observer.group_config.group, error))?;
        info!("{me} {}", settled.reason);
        observer.sentinel_set.warn_of_what_keeps_from_failover(&settled.evidence);
        Ok(settled)
    }

    /// Renders the file for what was decided. It names the run that has published what the disk holds; where that
    /// could not be published, the server itself says the pod's own priority.
    fn render(&self, settled: &Settled) -> Result<Rendered> {
        let Observer { clients, own, .. } = &self.observer;
        let published = own.instance.as_ref().map(|instance| instance.run.clone());
        let run = published.or_else(|| clients.cluster().filter(|_| !self.dry_run).map(|_| own_run(own)));
        self.conf.render(settled, run.as_deref())
    }

    /// Says what would be done, and prints the file.
    fn print_dry_run(&self, settled: &Settled, rendered: &Rendered) -> Result<()> {
        let Observer { clients, group_config, .. } = self.observer;
        print_dry_run(clients, group_config, settled, &self.output.display().to_string());
        if self.report.form == Form::Text {
            rendered.print()?;
        }
        Ok(())
    }

    /// Makes the data directory ready for the server, and puts the file in its place.
    async fn install(&mut self, settled: &Settled, rendered: &Rendered) -> Result<()> {
        let arguments: Vec<_> = self.command.iter().map(|argument| argument.as_encoded_bytes()).collect();
        let keeps_copies = redis_conf::keeps_copies(rendered.bytes(), &arguments);
        self.own_data.prepare(&mut self.observer.own, settled, keeps_copies, self.deadline).await?;
        let draft = self.draft.take().map_or_else(|| Draft::begin(&self.output).or_wrong(), Ok)?;
        rendered.install(draft, &self.output)
    }

    /// Labels the pods as the record says, where they are not labelled so. A label that cannot be set now is set by a
    /// later run.
    async fn label(&self, settled: &Settled) -> Result<()> {
        let Self { me, observer, .. } = self;
        let Observer { clients, group_config, .. } = observer;
        let is_as_recorded = |record| !is_due(record, &observer.seen(), &group_config.scheme);
        if settled.record.as_ref().is_some_and(is_as_recorded) {
            return Ok(());
        }
        let Some(cluster) = clients.cluster() else { return Ok(()) };
        let until = self.deadline.min(Instant::now() + LABELLING);
        let labelled = label(cluster, group_config, |pod| pod, until).await;
        info!("labels: {labelled}");
        announce_promotion(cluster, &group_config.group, &labelled, None, &format!("genconf-redis at {me}")).await;
        match labelled.failure {
            // Not even the record and the pods may be read.
            Some(error) if error.is::<Wrong>() && labelled.record.is_none() => Err(error),
            Some(error) => {
                warn!("{me} starts before all labels are set: {error:#}");
                Ok(())
            }
            None => Ok(()),
        }
    }
}

/// The master that this pod follows; none where it leads.
fn master_of(group_config: &GroupConfig, settled: &Settled) -> Option<Endpoint> {
    (!settled.leads).then(|| settled.followed(group_config, &settled.claim.master))
}

fn print_dry_run(clients: &Clients, group_config: &GroupConfig, settled: &Settled, output: &str) {
    clients.print_assumptions();
    info!("would write `{output}`");
    if let Some(claim) = &settled.recorded {
        info!("would record in the Lease `{}`: {} at epoch {}", group_config.group, claim.master, claim.epoch);
    }
    if let Some(me) = &group_config.me {
        let value = if settled.leads { &group_config.scheme.master } else { &group_config.scheme.replica };
        let announcement =
            if matches!(clients.ground, KubernetesMode::NoKubernetes) { "with Kubernetes would label" } else { "would label" };
        info!("{announcement} {me} {}={value}", group_config.scheme.key);
    }
}
