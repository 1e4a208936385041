//! The evidence in words, for people.

use std::fmt;

use super::{DiskData, Evidence, Link, Object, Own, Peer, RecordSeen, Replica, Reply, Role, Sentinel, SentinelAnswer, Watch};
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

impl fmt::Display for SentinelAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self::Watching(watch) = self else { return f.write_str("does not know the group") };
        let Watch { master, config_epoch, finds_master_down, failover_in_progress, last_ok_ping, other_sentinels, .. } = watch;
        let down = if *finds_master_down { "down, " } else { "" };
        let failover = if *failover_in_progress { "failover under way, " } else { "" };
        let epoch = Shown(*config_epoch);
        write!(f, "{master} at epoch {epoch}, {down}{failover}last ping {last_ok_ping:?} ago, {other_sentinels} other Sentinels")
    }
}

impl fmt::Display for RecordSeen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Present(record) => write!(f, "{record}"),
            Self::Absent => f.write_str("does not exist"),
            Self::Unknown(failure) => write!(f, "{failure}"),
            Self::Pending => f.write_str("not waited for"),
            Self::NotKept => f.write_str("none is kept"),
        }
    }
}

/// What has come back from a source.
struct Line<'a, T>(&'a Reply<T>);

impl<T: fmt::Display> fmt::Display for Line<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Reply::Pending => f.write_str("not waited for"),
            Reply::Failed(failure) => write!(f, "{failure}"),
            Reply::Answer(answer) => write!(f, "{answer}"),
        }
    }
}

impl fmt::Display for Evidence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "record: {}", self.record)?;
        if let Some(failure) = &self.listing {
            writeln!(f, "list of pods: {failure}")?;
        }
        if let Some(failure) = &self.discovery {
            writeln!(f, "Sentinels: {failure}")?;
        }
        for Sentinel { at, heard } in &self.sentinels {
            writeln!(f, "Sentinel {at}: {}", Line(heard))?;
        }
        for peer in &self.peers {
            writeln!(f, "{}: {}", peer.pod, Line(&peer.heard))?;
            self.show_report(f, peer)?;
        }
        if self.me.is_some() {
            self.own.show(f)?;
        }
        if let Some(kept) = &self.kept {
            writeln!(f, "earlier sentinel.conf: {} at epoch {}", kept.master, Shown(kept.config_epoch))?;
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

impl Evidence {
    fn show_report(&self, f: &mut fmt::Formatter<'_>, peer: &Peer) -> fmt::Result {
        let Peer { pod, object, .. } = peer;
        match object {
            Object::Present { report: Some(report), .. } => {
                let is_current = self.disk_of(peer) == DiskData::Reported(report.disk.as_of(self.now));
                let expired = if is_current { "" } else { ", expired" };
                let state = if report.started { "started" } else { "starting" };
                write!(f, "disk of {pod}: {}", report.disk)?;
                show_damage(f, report.damage.as_ref())?;
                writeln!(f, ", reported by run {} ({state}){expired}", report.run)
            }
            Object::Present { report: None, .. } => writeln!(f, "disk of {pod}: not reported"),
            Object::Absent | Object::Unknown => Ok(()),
        }
    }
}

impl Own {
    fn show(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "own disk: {}", self.disk)?;
        show_damage(f, self.damage.as_ref())?;
        match &self.group_id {
            Some(id) => writeln!(f, ", of group {id}"),
            None => writeln!(f, ", of no group yet"),
        }
    }
}

fn show_damage(f: &mut fmt::Formatter<'_>, damage: Option<&String>) -> fmt::Result {
    damage.map_or(Ok(()), |damage| write!(f, " (damaged: {damage})"))
}
