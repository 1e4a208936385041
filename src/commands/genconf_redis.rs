//! `genconf-redis`: what this pod's Redis shall be, and the redis.conf that makes it so.
//!
//! Observe and decide, until there is a decision; render; install; label; become the server.

use std::io::Write;
use std::time::Duration;

use anyhow::{Context, Result, anyhow};
use tokio::time::Instant;
use tracing::{info, warn};

use super::Then;
use super::labelling::label;
use super::observe::Observer;
use super::setting::{ANSWER, Council, Ground, Logins, Subject, World, own_pod};
use super::settle::{Settled, settle};
use super::source::Source;
use crate::cli::GenconfRedis;
use crate::core::decision::{self, Part};
use crate::core::identity::{Endpoint, Group};
use crate::core::redis_conf::{RedisConf, TEMPLATE};
use crate::edge::files::{self, Draft};
use crate::exit::{OrWrong, Wrong};

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
        output,
        text,
        run,
        explain,
        deadline: _,
        command,
    } = args;
    let me = own_pod(&pod)?;
    let group = match group {
        Some(group) => group,
        None => me.base().parse::<Group>().or_wrong()?,
    };
    let logins = Logins::read(&secrets)?;
    let text = Source::read(&text, "redis.conf.tera", TEMPLATE)?;
    let mut draft = if run.dry_run { None } else { Some(Draft::begin(&output).or_wrong()?) };
    let world = World::open(&run, &pod).await?;
    let subject = Subject::new(&world, group, Some(me.clone()), &pod, &members, &labels)?;
    let council = Council::new(&world, &sentinels)?;

    let announce = subject.announced(&me, &[]);
    let announce = announce.ok_or_else(|| Wrong("--announce ip needs this pod's address: set --pod-ip or POD_IP".to_owned()))?;
    let file = |master: Option<&Endpoint>| -> Result<Vec<u8>> {
        let conf = RedisConf {
            port: subject.port,
            dir: files::bytes(&data_dir),
            announce: &announce,
            master,
            user: logins.redis.user.as_deref(),
            password: logins.redis.password.as_deref(),
            tls: secrets.tls.files(),
        };
        text.render(&conf.values().or_wrong()?)
    };
    // Whatever cannot be written is found out before anything is recorded.
    file(Some(&announce))?;

    let observer = Observer { world: &world, subject: &subject, council: &council, logins: &logins };
    loop {
        let settled = settle(&observer, decision::for_redis, deadline, run.dry_run).await?;
        info!("{me} {}", settled.why);
        if explain {
            eprint!("{}", settled.evidence);
        }
        let file = file(master_of(&subject, &settled)?.as_ref())?;
        if run.dry_run {
            tell_dry_run(&world, &subject, &settled, &output.display().to_string());
            std::io::stdout().write_all(&file).context("cannot print the file")?;
            return Ok(Then::Exit);
        }
        let begun = draft.take().map_or_else(|| Draft::begin(&output).or_wrong(), Ok)?;
        begun.install(&file)?;
        info!("wrote `{}`", output.display());
        label_pods(&world, &subject, deadline).await?;
        let is_about_to_lead = settled.leads && !command.is_empty();
        if !(is_about_to_lead && is_replaced(&observer, deadline).await) {
            return Ok(Then::from_words(command));
        }
        info!("{me} looks again: another was made master in the meantime");
    }
}

/// Looks once more right before a master starts: while this wrote and labelled, or was stopped,
/// Sentinel may have made another.
async fn is_replaced(observer: &Observer<'_>, deadline: Instant) -> bool {
    loop {
        let asked = Instant::now();
        let evidence = observer.observe(Duration::ZERO, deadline).await;
        // Answers that are older than any source may take were overtaken by a stop of this process.
        if asked.elapsed() < 2 * ANSWER || Instant::now() >= deadline {
            return matches!(decision::for_redis(&evidence).part, Part::Follow(_));
        }
    }
}

/// Labels the pods as the record says. A label that cannot be set now is set by a later run.
async fn label_pods(world: &World, subject: &Subject, deadline: Instant) -> Result<()> {
    let Some(cluster) = world.cluster() else { return Ok(()) };
    let until = deadline.min(Instant::now() + LABELLING);
    match label(cluster, &subject.group, &subject.selector, &subject.scheme, until).await {
        Ok(labelled) => info!("{labelled}"),
        Err(error) if error.is::<Wrong>() => return Err(error),
        Err(error) => warn!("starts without its label: {error:#}"),
    }
    Ok(())
}

/// The master that this pod follows; none where it leads.
fn master_of(subject: &Subject, settled: &Settled) -> Result<Option<Endpoint>> {
    if settled.leads {
        return Ok(None);
    }
    let master = &settled.claim.master;
    let known = settled.endpoint(subject, master);
    known.map(Some).ok_or_else(|| anyhow!("the address of {master} is not known yet"))
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
