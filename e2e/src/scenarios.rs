//! All that goes wrong, with the bars.

use std::time::Duration;

use anyhow::Result;

use crate::faults::{
    a_master_that_never_restarted, another_group, delete, each_process, lost_node, make_master, power_cut, rolling_update, scale,
    taken_over, with_takeover,
};
use crate::group::Group;
use crate::scenario::{Need, Scenario, Tolerance};

/// `--down-after` of the manifests and what a failover takes.
const FAILOVER: Duration = Duration::from_secs(8);

/// What a container takes that starts again in its pod.
const IN_PLACE: Duration = Duration::from_secs(2);
/// What pods take that are made anew.
const RESTART: Duration = Duration::from_secs(10);

/// The master is gone, and nobody was told.
pub const FORCED_DELETE: Scenario = Scenario {
    name: "forced-delete",
    prepare: nothing,
    happen: |group, master, _| delete(group, master, &["--grace-period=0", "--force"]),
    bar: FAILOVER,
    alone: Some(RESTART),
    tolerance: Tolerance::Undelivered,
    may_be_two: false,
    today: "1.7 s, 1400 · 33.3 s, 0",
    needs: &[],
};

/// All of them, in the order in which they run.
pub const ALL: [Scenario; 10] = [
    Scenario {
        name: "graceful-delete",
        prepare: nothing,
        happen: |group, master, _| delete(group, master, &[]),
        bar: Duration::from_millis(1500),
        alone: Some(RESTART),
        tolerance: Tolerance::None,
        may_be_two: false,
        today: "2.5 s, 0 · 11.6 s, 0",
        needs: &[],
    },
    FORCED_DELETE,
    Scenario {
        name: "killed-process",
        prepare: a_master_that_never_restarted,
        happen: |group, master, _| each_process(group, master, "redis", "kill -9 $process"),
        bar: IN_PLACE,
        alone: Some(IN_PLACE),
        tolerance: Tolerance::None,
        may_be_two: false,
        today: "0.8 s, 1478 · 5.8 s, 1392",
        needs: &[],
    },
    Scenario {
        name: "power-cut-of-all",
        prepare: |group| make_master(group, &group.last_pod()?),
        happen: |group, _, _| power_cut(group),
        bar: RESTART,
        alone: Some(RESTART),
        tolerance: Tolerance::None,
        may_be_two: false,
        today: "2.1 s, 1423 · 68.3 s, 1397",
        needs: &[],
    },
    Scenario {
        name: "lost-volume",
        prepare: a_master_that_never_restarted,
        happen: |group, master, _| each_process(group, master, "redis", "rm -rf /proc/$process/root/data/*; kill -9 $process"),
        bar: FAILOVER,
        alone: None,
        tolerance: Tolerance::Undelivered,
        may_be_two: false,
        today: "0.6 s, all · 6.0 s, all",
        needs: &[],
    },
    Scenario {
        name: "rolling-update",
        prepare: nothing,
        happen: |group, _, _| rolling_update(group),
        bar: Duration::from_millis(1500),
        alone: Some(RESTART),
        tolerance: Tolerance::None,
        may_be_two: false,
        today: "-",
        needs: &[],
    },
    Scenario {
        name: "scale-down",
        prepare: |group| {
            scale(group, 5)?;
            make_master(group, &group.last_pod()?)
        },
        happen: |group, _, _| scale(group, 3),
        bar: FAILOVER,
        alone: Some(FAILOVER),
        tolerance: Tolerance::None,
        may_be_two: false,
        today: "-",
        needs: &[],
    },
    Scenario {
        name: "another-group",
        prepare: nothing,
        happen: |group, _, _| another_group(group, &FORCED_DELETE),
        bar: Duration::from_secs(1),
        alone: None,
        tolerance: Tolerance::None,
        may_be_two: false,
        today: "-",
        needs: &[Need::SharedSentinels],
    },
    Scenario {
        name: "lost-node",
        prepare: nothing,
        happen: |_, master, writer| lost_node(master, writer, ["node-kill", "node-start"]),
        bar: FAILOVER,
        alone: None,
        tolerance: Tolerance::Undelivered,
        may_be_two: false,
        today: "-",
        needs: &[Need::Nodes],
    },
    Scenario {
        name: "cut-node",
        prepare: nothing,
        happen: |_, master, writer| lost_node(master, writer, ["node-cut", "node-mend"]),
        // Its label is there until the failover: kube-proxy follows its loss, and the new label a second later.
        bar: FAILOVER.saturating_add(Duration::from_secs(1)),
        alone: None,
        tolerance: Tolerance::Undelivered,
        may_be_two: true,
        today: "-",
        needs: &[Need::Nodes],
    },
];

/// Those that run only where they are named, for they need a cluster of their own: `NODES=4 make cluster`, and
/// storage that any node reaches (`E2E_TOPOLOGY=network-storage`).
pub const BY_NAME: [Scenario; 1] = [Scenario {
    name: "lost-node-takeover",
    prepare: with_takeover,
    happen: taken_over,
    bar: FAILOVER,
    alone: None,
    tolerance: Tolerance::Undelivered,
    may_be_two: false,
    today: "-",
    needs: &[Need::Nodes],
}];

#[expect(clippy::unnecessary_wraps, reason = "as the other preparations")]
fn nothing(_: &Group) -> Result<()> {
    Ok(())
}
