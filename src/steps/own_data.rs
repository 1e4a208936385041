//! This pod's own data: what is there, whether it can be loaded, and made ready for the server.

use std::ffi::OsString;
use std::time::SystemTime;

use anyhow::{Result, bail};
use tokio::time::{Instant, timeout_at};
use tracing::{info, warn};

use super::context::Clients;
use super::decide::Settled;
use super::observe::from_api;
use super::off_thread::off_thread;
use crate::core::evidence::Own;
use crate::core::identity::PodName;
use crate::core::outside::shown;
use crate::edge::data_directory::memory::Damage;
use crate::edge::data_directory::{self, DataDirectory, Found, SOON, Suspect, damage, listed};
use crate::exit::OrWrong;

/// The data directory of this pod, and what is known of the last runs of the server.
pub struct OwnData {
    pub directory: DataDirectory,
    /// How many of them ended soon, one after the other.
    ended_soon: u32,
    /// What is damaged, where the data cannot be loaded.
    pub damage: Option<Damage>,
}

impl OwnData {
    /// Reads what the disk holds, and takes away what a run that was killed has left there. Data that the server
    /// cannot load, by its own check, counts as none. A dry run does without a disk.
    pub async fn read(
        directory: DataDirectory,
        clients: &Clients,
        me: &PodName,
        program: Option<&OsString>,
        dry_run: bool,
        deadline: Instant,
    ) -> Result<(Self, Own)> {
        if dry_run && !directory.folder.exists() {
            return Ok((Self { directory, ended_soon: 0, damage: None }, Own { has_run: true, ..Own::default() }));
        }
        let now = SystemTime::now().into();
        let data = directory.clone();
        let found = off_thread(move |_| data.read(now));
        let Found { disk, group_id, ended_soon, suspect, damage, appended_to } = found.await.or_wrong()?;
        // Where this run becomes the server, that has its rights.
        if let (Some(path), Some(_), false) = (appended_to, program, dry_run) {
            off_thread(move |_| data_directory::refuse_unwritable(&path)).await.or_wrong()?;
        }
        let mut own = Self { directory, ended_soon, damage };
        if let (Some(suspect), Some(program), false) = (suspect, program, dry_run) {
            own.check(clients, me, program, &suspect, deadline).await?;
        }
        let known = match &own.damage {
            Some(damage) => Own { damage: Some(damage.found.clone()), has_run: true, ..Own::default() },
            None => Own { disk: disk.as_of(now), group_id, has_run: true, ..Own::default() },
        };
        Ok((own, known))
    }

    /// Has the server check its data, where its last runs ended so soon that it may not be able to load it.
    async fn check(
        &mut self,
        clients: &Clients,
        me: &PodName,
        program: &OsString,
        suspect: &Suspect,
        deadline: Instant,
    ) -> Result<()> {
        let ended_otherwise = match clients.cluster() {
            Some(cluster) => match from_api(cluster.last_ends(me)).await {
                // By the second.
                Ok(ends) => ends.iter().filter(|end| end.at.0 + 1_000 > suspect.started.0).any(|end| {
                    let soon = if end.is_by_itself { suspect.loading } else { SOON };
                    end.is_for_memory || end.at.since(suspect.started) > soon
                }),
                // Nothing is concluded from what is not known.
                Err(_) => return Ok(()),
            },
            None => false,
        };
        let damage = if ended_otherwise {
            None
        } else {
            warn!("the server of {me} ended soon after its last starts: now checking {}", listed(&suspect.files));
            let until = Instant::now() + (deadline - Instant::now()) / 2;
            match timeout_at(until, damage::check(program, &suspect.files)).await {
                Ok(Ok(found)) => found,
                Ok(Err(error)) => {
                    warn!("the data of {me} is not checked: {error:#}");
                    return Ok(());
                }
                Err(_) => {
                    warn!("the data of {me} is not checked within half of the deadline: raise --deadline");
                    return Ok(());
                }
            }
        };
        self.damage = damage.map(|found| Damage { found: shown(&found), at: SystemTime::now().into() });
        if let Some(damage) = &self.damage {
            warn!("{me} cannot load its data: {}", damage.found);
        }
        self.ended_soon = 0;
        let (data, damage) = (self.directory.clone(), self.damage.clone());
        off_thread(move |_| data.keep_check(damage)).await.or_wrong()
    }

    /// Makes the data directory this group's: the data in the form that the server loads, what is known of it, and
    /// the group's stamp. Whoever follows sets aside what cannot be loaded, and remembers its snapshot where its server
    /// `keeps_copies`.
    pub async fn prepare(&mut self, own: &mut Own, settled: &Settled, keeps_copies: bool, deadline: Instant) -> Result<()> {
        // Where nothing is there and it may have been lost, no stamp says that it was not.
        let id = settled.record.as_ref().filter(|_| !settled.is_last_resort).map(|record| record.group_id.clone());
        // Where it was just emptied, only what is copied next makes it this group's.
        let id = id.filter(|id| own.group_id.as_ref() != Some(id) && own.damage.is_none());
        let keeps_copies = keeps_copies && !settled.leads;
        let sets_aside = own.damage.is_some() && !settled.leads;
        let (data, disk, stamp, ended_soon) = (self.directory.clone(), own.disk, id.clone(), self.ended_soon);
        let prepared = off_thread(move |stop| {
            let aside = if sets_aside { data.set_damaged_aside()? } else { None };
            if let Some(aside) = aside {
                warn!("the data that cannot be loaded is kept in `{}`", aside.display());
            }
            // First, for a directory that is stamped is one that a server was started in.
            if let Some(taken_over) = data.prepare(disk, keeps_copies, ended_soon, SystemTime::now().into(), stop)? {
                info!("converted `{}` into the append-only file that the server loads", taken_over.display());
            }
            stamp.map_or(Ok(()), |id| data.stamp(&id))
        });
        match timeout_at(deadline, prepared).await {
            Ok(prepared) => prepared.or_wrong()?,
            Err(_) => bail!("the data directory was not prepared before the deadline: raise --deadline"),
        }
        if sets_aside {
            (own.damage, self.damage) = (None, None);
        }
        own.group_id = id.or_else(|| own.group_id.take());
        Ok(())
    }
}
