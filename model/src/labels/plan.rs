//! What the program's own functions say of the record and of the labels, in the model's words.

use std::sync::LazyLock;

use ordain::core::disk::Moment;
use ordain::core::labels::{LabelPlan, Scheme, is_whole as real_is_whole, plan as real_plan};
use ordain::core::pod::Pod as RealPod;
use ordain::core::record::{Record, Step};
use ordain::core::stamp::Stamp as RealStamp;

use super::setting::Protocol;
use super::state::{Due, Label, Lease, List, Listed, Patches, Stamp};
use crate::evidence::{GROUP, address, claim, name, pod, real_claim};
use crate::state::{Claim, PODS, Pod, pods};

static SCHEME: LazyLock<Scheme> =
    LazyLock::new(|| Scheme { key: "role".into(), master: "master".into(), replica: "slave".into() });

/// The record, as the program has it.
fn real(lease: Lease) -> Record {
    let Lease { stamp, claim } = lease;
    let first = Record::first(real_claim(claim), address(claim.master).clone(), GROUP.into(), false);
    Record { uid: stamp.uid.to_string(), transitions: stamp.transitions.into(), ..first }
}

/// A record that is created under this uid.
pub fn created(uid: u8, claim: Claim) -> Lease {
    Lease { stamp: Stamp { uid, transitions: 0 }, claim }
}

/// What the record must be made to say for a claim that is newer.
pub fn moved(lease: Lease, to: Claim) -> Option<Lease> {
    let record = real(lease);
    let to = real_claim(to);
    (record.against(&to) == Step::Move).then(|| {
        let moved = record.moved_to(&to, &record.address);
        Lease { stamp: Stamp { transitions: moved.transitions as u8, ..lease.stamp }, claim: claim(&moved.claim) }
    })
}

/// Whether a list that may be older than these states of the record is good enough to label by.
pub fn is_whole(list: &List, named: &[Lease]) -> bool {
    let listed: Vec<_> = pods().filter_map(|pod| Some(real_pod(pod, list[usize::from(pod)]?))).collect();
    real_is_whole(&listed, PODS, named.iter().map(|lease| name(lease.claim.master)))
}

/// Which pods are patched by this record; none where a later run has been there.
pub fn plan(protocol: Protocol, lease: Lease, list: &List) -> Option<Patches> {
    let listed = pods().filter_map(|pod| {
        let listed = list[usize::from(pod)]?;
        // Who does not know stamps takes each pod for stamped as it should be.
        let stamp = if protocol.stamps { listed.stamp } else { Some(lease.stamp) };
        Some(real_pod(pod, Listed { stamp, ..listed }))
    });
    let LabelPlan { others, master, forged } = real_plan(&real(lease), &listed.collect::<Vec<_>>(), &SCHEME, Moment::default());
    // A run that does not read the record again may be late, and ends where a later one has been.
    if !forged.is_empty() {
        assert!(!protocol.rereads, "a run that reads the record after its list takes an honest stamp for a forgery");
        return None;
    }
    let mut patches: Patches = [None; PODS];
    for patch in others.iter().chain(&master) {
        let place = usize::from(pod(&patch.pod));
        patches[place] = list[place]
            .map(|listed| Due { label: label(patch.label.as_deref().unwrap_or_default()), is_current: listed.is_current });
    }
    Some(patches)
}

fn label(value: &str) -> Label {
    if value == SCHEME.master { Label::Master } else { Label::Replica }
}

fn real_pod(pod: Pod, listed: Listed) -> RealPod {
    let label = match listed.label {
        Label::None => None,
        Label::Master => Some(SCHEME.master.clone()),
        Label::Replica => Some(SCHEME.replica.clone()),
    };
    let stamp = listed.stamp.map(|stamp| {
        let text = format!("{}/{}", stamp.uid, stamp.transitions);
        RealStamp::from(text.as_str())
    });
    RealPod { label, stamp, ..RealPod::named(name(pod).clone()) }
}
