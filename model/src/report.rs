//! States in a few short lines, for whoever reads the way to a violation.

use std::fmt;

use crate::look::Look;
use crate::state::{Claim, Data, Phase, State, Told, Watching};

fn report(told: Option<Told>) -> String {
    told.map_or("no word".into(), |Told { run, disk, has_started, is_late, is_ahead }| {
        let disk = disk.map_or("empty".into(), |age| format!("@{}", f32::from(age) / 2.0));
        let state = if has_started { "started" } else { "starting" };
        format!("run {run} told {disk} {state}{}{}", if is_late { " late" } else { "" }, if is_ahead { " ahead" } else { "" })
    })
}

fn claim(claim: Option<Claim>) -> String {
    claim.map_or("nothing".into(), |Claim { master, epoch }| format!("redis-{master} epoch {epoch}"))
}

fn look(look: &Look) -> String {
    let version = if look.is_current { ", the record as it is" } else { "" };
    format!("read {} sources{version}{}", look.heard, if look.is_overtaken { ", too old" } else { "" })
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, pod) in self.pods.iter().enumerate() {
            let disk = pod.volume.data.map_or("empty".into(), |Data { time, writes }| format!("@{time} {writes:b}"));
            let phase = match pod.phase {
                Phase::Looking { look: seen, patience, last_resort_master } => {
                    format!("looking, {}, waited {}, at last {last_resort_master:?}", look(&seen), patience.has_waited)
                }
                Phase::Checking { look: seen, patience, intent } => {
                    format!("checking {intent:?}, {}, waited {}", look(&seen), patience.has_waited)
                }
                other => format!("{other:?}"),
            };
            writeln!(
                f,
                "   redis-{number} disk {disk} damage {:?}, {}{}{}: {phase}",
                pod.volume.damage,
                report(pod.report),
                if pod.was_heard { " lately" } else { "" },
                if pod.is_ahead { " ahead" } else { "" }
            )?;
        }
        for (number, one) in self.sentinels.iter().enumerate() {
            let phase = match one.watching {
                Watching::Starting(seen) => format!("starting, {}", look(&seen)),
                Watching::Running { finds_down, failover, is_misled, .. } => {
                    format!("down {finds_down}, {failover:?}{}", if is_misled { ", misled" } else { "" })
                }
            };
            writeln!(f, "   sentinel-{number} {}, current {}: {phase}", claim(one.config), one.current)?;
        }
        match &self.record {
            None => writeln!(f, "   no record")?,
            Some(lease) => {
                let start_marker = lease.start_marker.map(|start_marker| {
                    format!(
                        "redis-{} run {}{}{}",
                        start_marker.pod,
                        start_marker.run,
                        if start_marker.is_old { " old" } else { "" },
                        if start_marker.is_ahead { " ahead" } else { "" }
                    )
                });
                writeln!(f, "   record {}, mark {start_marker:?}, given up {}", claim(Some(lease.claim)), lease.is_abandoned)?;
            }
        }
        let reconcile = &self.reconcile;
        writeln!(
            f,
            "   reconcile {}, masterless {}; protected {:b}; harm {:?}",
            look(&reconcile.look),
            reconcile.is_masterless,
            self.protected,
            self.harm
        )
    }
}
