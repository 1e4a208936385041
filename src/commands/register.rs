//! A group that some Sentinels do not know, as one that was added after they started, is told to them.

use std::path::Path;

use anyhow::{Result, anyhow};
use futures::future::join_all;
use tracing::info;

use super::observe::{Observer, in_time};
use super::patience::blame;
use crate::core::evidence::{Evidence, Failure};
use crate::core::registry::to_be_told;
use crate::core::sentinel_conf::Watched;
use crate::edge::{files, sentinel};
use crate::exit::OrWrong;

/// Tells the Sentinels that do not know the group to watch its living master; returns whether there was
/// any. `hook` lies there where Sentinel runs; the labels of a group whose hook cannot be set at run time
/// follow by `reconcile` alone, until that Sentinel starts anew.
///
/// # Errors
/// One of them did not do so: it is told again by the next pass. [`crate::exit::Wrong`] where it may not be
/// told, or could not keep what it is told.
#[expect(dead_code, reason = "what reconcile does with a Sentinel that lost a group, or started before it")]
pub async fn register(observer: &Observer<'_>, evidence: &Evidence, quorum: Option<u32>, hook: &Path) -> Result<bool> {
    let Observer { world, subject, council, logins, .. } = observer;
    let Some((master, unaware)) = to_be_told(evidence) else { return Ok(false) };
    let address = subject.announced(master, evidence.ips_of(master));
    let address = address.ok_or_else(|| anyhow!("the address of {master} is not known yet"))?;
    let watched = Watched {
        group: &subject.group,
        master: address,
        quorum: quorum.map_or(council.majority(), |quorum| quorum as usize),
        down_after_ms: subject.down_after.as_millis(),
        script: files::bytes(hook),
        user: logins.redis.user.as_deref(),
        password: logins.redis.password.as_deref(),
        config_epoch: 0,
        leader_epoch: 0,
        replicas: Vec::new(),
        sentinels: Vec::new(),
    };
    watched.check().or_wrong()?;
    let tell = async |at| {
        let target = world.target(at).await?;
        sentinel::watch_group(&target, &logins.sentinel, &watched).await
    };
    let told = join_all(unaware.iter().map(async |at| (at, in_time(tell(at)).await))).await;
    for (at, told) in told {
        let hook = match told {
            Ok(true) => "its hook, too",
            Ok(false) => "its labels follow by reconcile until that starts anew, for it takes no hook at run time",
            Err(failure @ Failure::NotAllowed(_)) => return Err(blame(&format!("the Sentinel {at}"), failure)),
            Err(failure) => return Err(anyhow!("the Sentinel {at} does not watch `{}` yet: {failure}", subject.group)),
        };
        info!("the Sentinel {at} watches `{}` from now on: {master}; {hook}", subject.group);
    }
    Ok(true)
}
