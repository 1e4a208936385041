//! `genconf-redis`: what this pod's Redis shall be, and the redis.conf that makes it so.
//!
//! Observe and decide, until there is a decision; render; install; label; become the server.

use std::io::Write;
use std::time::Duration;

use anyhow::{Context, Result, anyhow};
use tokio::time::{Instant, sleep_until};
use tracing::{info, warn};

use super::Then;
use crate::cli::usage::setting;
use crate::cli::{Electable, Form, GenconfRedis};
use crate::core::conf::ConfigFile;
use crate::core::evidence::Own;
use crate::core::identity::Endpoint;
use crate::core::redis_conf::{self, RedisConf, TEMPLATE, USUAL_PRIORITY, Values};
use crate::core::rules;
use crate::core::server::ServerVersion;
use crate::edge::data_directory::DataDirectory;
use crate::edge::files::{self, Draft};
use crate::exit::{OrWrong, Wrong};
use crate::steps::announce::{announce_damage, announce_promotion};
use crate::steps::context::{Council, Ground, Logins, Subject, World, own_group, own_pod, version_of};
use crate::steps::decide::{Settled, settle};
use crate::steps::disk_report::{own_run, publish};
use crate::steps::label::{is_due, label};
use crate::steps::observe::Observer;
use crate::steps::off_thread::off_thread;
use crate::steps::own_data::OwnData;
use crate::steps::report;
use crate::steps::retry::Backoff;
use crate::steps::source::Source;
use crate::steps::start::{Begun, begin};

/// The pod must start also where the API server is away: a label can be set later.
const LABELLING: Duration = Duration::from_secs(10);

pub async fn run(args: GenconfRedis, deadline: Instant) -> Result<Then> {
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
        electable,
        priority,
        output,
        text,
        run,
        report,
        deadline: _,
        command,
    } = args;
    if run.no_kubernetes && priority != USUAL_PRIORITY && electable == Electable::InSync {
        return Err(Wrong(format!(
            "{} is published in the pod's annotations, and without Kubernetes there are none: add --electable at-start",
            setting("priority", "ORDAIN_PRIORITY")
        ))
        .into());
    }
    let me = own_pod(&pod)?;
    let group = own_group(group, &members, &me)?;
    let logins = Logins::read(&secrets).await?;
    let account = logins.account(ConfigFile::Redis, &secrets);
    let mut text = Source::read(&text, ConfigFile::Redis, "redis.conf.tera", TEMPLATE, account).await?;
    text.check_command(&command)?;
    if !run.dry_run {
        // Before this run has files of its own, which may lie in the same folder.
        let (folder, output) = (data_dir.clone(), output.clone());
        let sweep = move |_: &_| {
            Draft::sweep(&output);
            DataDirectory::sweep(&folder)
        };
        off_thread(sweep).await.or_wrong()?;
    }
    let mut draft = if run.dry_run { None } else { Some(Draft::begin(&output).or_wrong()?) };
    let (world, server) = tokio::join!(World::open(&run, &pod), async {
        match server_version {
            Some(version) => Some(version),
            None => version_of(command.first()).await,
        }
    });
    let world = world?;
    let data = DataDirectory { folder: data_dir, server, load };
    // Only a program that has said that it is a server is asked to check what it cannot load.
    let checks = command.first().filter(|_| server_version.is_none() && server.is_some());
    let subject = Subject::new(&world, group, Some(me.clone()), &pod, &members, &labels)?;
    let council = Council::new(&world, &sentinels)?;
    council.tell_short_grace(&members);

    let announce = subject.announced(&me, &[]);
    let announce = announce.ok_or_else(|| Wrong("--announce ip needs this pod's address: set --pod-ip or POD_IP".to_owned()))?;
    let values = |master: Option<&Endpoint>, is_electable: bool, run: Option<&str>| -> Result<Values> {
        let conf = RedisConf {
            port: subject.port,
            dir: files::bytes(&data.folder),
            stamps_time: server.is_some_and(ServerVersion::keeps_manifest),
            announce: &announce,
            master,
            priority: if is_electable || electable == Electable::AtStart { priority } else { 0 },
            run,
            user: logins.redis.user.as_deref(),
            password: logins.redis.password.as_deref(),
            tls: secrets.tls.files(),
        };
        conf.values().or_wrong()
    };
    // Whatever cannot be written is found out before anything is recorded.
    text.rehearse(&values(Some(&announce), false, Some("run"))?)?;
    text.render(&values(None, true, None)?)?;

    let mut observer = Observer::new(&world, &subject, &council, &logins);
    let (mut own_data, own) = OwnData::read(data.clone(), &world, &me, checks, run.dry_run, deadline).await?;
    observer.own = own;
    observer.own.priority = (priority != USUAL_PRIORITY).then_some(priority);
    let mut backoff = Backoff::new();
    loop {
        if let (Some(cluster), false) = (world.cluster(), run.dry_run) {
            let (published, ()) = tokio::join!(publish(cluster, &me, &observer.own), observer.prepare());
            observer.own = published?.unwrap_or_else(|refusal| {
                warn!("what the disk of {me} holds is not published yet: {refusal}");
                Own { instance: None, has_run: false, ..observer.own.clone() }
            });
        }
        if let (Some(cluster), Some(instance), Some(damage)) = (world.cluster(), &observer.own.instance, &own_data.damage) {
            announce_damage(cluster, instance, damage).await;
        }
        let settled = match settle(&mut observer, rules::for_redis, deadline, run.dry_run).await {
            Ok(settled) => settled,
            Err(error) => return Err(report::tell_undecided(&report, &subject.group, error)),
        };
        info!("{me} {}", settled.reason);
        council.tell_what_keeps_from_failover(&settled.evidence);
        let published = observer.own.instance.as_ref().map(|instance| instance.run.clone());
        // Where it could not be published, the server itself tells the pod's own priority.
        let run_id = published.or_else(|| world.cluster().filter(|_| !run.dry_run).map(|_| own_run(&observer.own)));
        let file = text.render(&values(master_of(&subject, &settled).as_ref(), settled.electable, run_id.as_deref())?)?;
        report::tell(&report, &subject.group, &settled, run.dry_run.then_some(&file))?;
        if run.dry_run {
            tell_dry_run(&world, &subject, &settled, &output.display().to_string());
            if report.form == Form::Text {
                std::io::stdout().write_all(&file).context("cannot print the file")?;
            }
            return Ok(Then::Exit);
        }
        let arguments: Vec<_> = command.iter().map(|word| word.as_encoded_bytes()).collect();
        let keeps_copies = redis_conf::keeps_copies(&file, &arguments);
        own_data.prepare(&mut observer.own, &settled, keeps_copies, deadline).await?;
        let begun = draft.take().map_or_else(|| Draft::begin(&output).or_wrong(), Ok)?;
        begun.install(&file)?;
        info!("wrote `{}`", output.display());
        if settled.record.as_ref().is_none_or(|record| is_due(record, &observer.seen(), &subject.scheme)) {
            label_pods(&world, &subject, deadline).await?;
        }
        match begin(&observer, &settled, deadline).await? {
            Begun::Go => return Ok(Then::from_words(command)),
            Begun::LookAgain(why) if Instant::now() >= deadline => return Err(anyhow!("{me} did not start: {why}")),
            Begun::LookAgain(why) => info!("{me} looks again: {why}"),
        }
        sleep_until(deadline.min(Instant::now() + backoff.next())).await;
    }
}

/// Labels the pods as the record says. A label that cannot be set now is set by a later run.
async fn label_pods(world: &World, subject: &Subject, deadline: Instant) -> Result<()> {
    let (Some(cluster), Some(me)) = (world.cluster(), &subject.me) else { return Ok(()) };
    let until = deadline.min(Instant::now() + LABELLING);
    let labelled = label(cluster, subject, |pod| pod, until).await;
    info!("labels: {labelled}");
    announce_promotion(cluster, &subject.group, &labelled, None, &format!("genconf-redis at {me}")).await;
    match labelled.failure {
        // Not even the record and the pods may be read.
        Some(error) if error.is::<Wrong>() && labelled.record.is_none() => Err(error),
        Some(error) => {
            warn!("starts while not all labels are right: {error:#}");
            Ok(())
        }
        None => Ok(()),
    }
}

/// The master that this pod follows; none where it leads.
fn master_of(subject: &Subject, settled: &Settled) -> Option<Endpoint> {
    (!settled.leads).then(|| settled.followed(subject, &settled.claim.master))
}

fn tell_dry_run(world: &World, subject: &Subject, settled: &Settled, output: &str) {
    world.tell_assumptions();
    info!("would write `{output}`");
    if let Some(claim) = &settled.recorded {
        info!("would record in the Lease `{}`: {} at epoch {}", subject.group, claim.master, claim.epoch);
    }
    if let Some(me) = &subject.me {
        let value = if settled.leads { &subject.scheme.master } else { &subject.scheme.replica };
        let announcement =
            if matches!(world.ground, Ground::NoKubernetes) { "with Kubernetes would label" } else { "would label" };
        info!("{announcement} {me} {}={value}", subject.scheme.key);
    }
}
