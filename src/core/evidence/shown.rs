//! The evidence in words, for people.

use std::fmt;

use super::{Evidence, Heard, Known, Link, Object, Peer, RecordSeen, Replica, Role, Sentinel, SentinelAnswer};
use crate::core::epoch::Shown;

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self::Replica(Replica { of, link, priority, offset, is_empty, .. }) = self else { return f.write_str("master") };
        let link = match link {
            Link::Never => "no link since it started",
            Link::Lost => "link lost",
            Link::Up => "link up",
        };
        let holds = if *is_empty { ", holds no data" } else { "" };
        write!(f, "replica of {of}, {link}{holds}, offset {offset}, priority {priority}")
    }
}

impl fmt::Display for Evidence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fn line<T>(
            f: &mut fmt::Formatter<'_>,
            what: impl fmt::Display,
            heard: &Heard<T>,
            say: impl Fn(&T) -> String,
        ) -> fmt::Result {
            match heard {
                Heard::Pending => writeln!(f, "{what}: not waited for"),
                Heard::Failed(failure) => writeln!(f, "{what}: {failure}"),
                Heard::Answer(answer) => writeln!(f, "{what}: {}", say(answer)),
            }
        }
        match &self.record {
            RecordSeen::Present(record) => writeln!(f, "record: {record}")?,
            RecordSeen::Absent => writeln!(f, "record: does not exist")?,
            RecordSeen::Unknown(failure) => writeln!(f, "record: {failure}")?,
            RecordSeen::Pending => writeln!(f, "record: not waited for")?,
            RecordSeen::NotKept => writeln!(f, "record: none is kept")?,
        }
        if let Some(failure) = &self.listing {
            writeln!(f, "list of pods: {failure}")?;
        }
        if let Some(failure) = &self.discovery {
            writeln!(f, "Sentinels: {failure}")?;
        }
        for Sentinel { at, heard } in &self.sentinels {
            line(f, format_args!("Sentinel {at}"), heard, |answer| match answer {
                SentinelAnswer::Unaware => "does not know the group".to_owned(),
                SentinelAnswer::Watching(watch) => format!(
                    "{} at epoch {}, {}{}last ping {:?} ago, {} other Sentinels",
                    watch.master,
                    Shown(watch.config_epoch),
                    if watch.finds_master_down { "down, " } else { "" },
                    if watch.failover_in_progress { "failover under way, " } else { "" },
                    watch.last_ok_ping,
                    watch.other_sentinels,
                ),
            })?;
        }
        for peer @ Peer { pod, heard, .. } in &self.peers {
            line(f, pod, heard, ToString::to_string)?;
            match &peer.object {
                Object::Present { word: Some(word), .. } => {
                    let holds =
                        if self.disk_of(peer) == Known::Told(word.disk.as_of(self.now)) { "" } else { ", which holds no more" };
                    let state = if word.started { "started" } else { "starting" };
                    let damage = word.damage.as_ref().map(|damage| format!(" (damaged: {damage})")).unwrap_or_default();
                    writeln!(f, "disk of {pod}: {}{damage}, told by run {} ({state}){holds}", word.disk, word.run)?;
                }
                Object::Present { word: None, .. } => writeln!(f, "disk of {pod}: not told")?,
                Object::Absent | Object::Unknown => {}
            }
        }
        if self.me.is_some() {
            write!(f, "own disk: {}", self.own.disk)?;
            if let Some(damage) = &self.own.damage {
                write!(f, " (damaged: {damage})")?;
            }
            match &self.own.group_id {
                Some(id) => writeln!(f, ", of group {id}")?,
                None => writeln!(f, ", of no group yet")?,
            }
        }
        if let Some(kept) = &self.kept {
            writeln!(f, "own earlier file: {} at epoch {}", kept.master, Shown(kept.config_epoch))?;
        }
        for pod in &self.unproven {
            writeln!(f, "{pod}: nothing says whether it is a member")?;
        }
        for invalid in &self.invalid {
            writeln!(f, "invalid: {invalid}")?;
        }
        Ok(())
    }
}
