//! Every message of a decision and of a repair, for a reader's eye, and the words that none of them has.

use std::collections::BTreeSet;

use super::super::repair::{Due, due};
use super::given::*;
use super::*;
use crate::core::disk::{DiskReport, Moment};
use crate::core::evidence::{RecordSeen::NotKept, Replica, SentinelAnswer};
use crate::core::invalid;
use crate::core::record::StartMarker;
use crate::core::rules::catalogue::{
    FORCED_CLAIM, HANDING_OVER_UNLABELLED, LAST_RESORT, NEWEST_PROMOTED, ONLY_HOLDER_WRITES, RECORD_NAMES_MASTER, REPORT_EXPIRES,
    RULES, START_MARKER, START_MARKER_ENDS_REPORT, START_UNPROMOTABLE, UNDECIDED, UNDECIDED_GROUP, WITHHOLD_STALE,
};
use crate::core::rules::forced_claim::losses;

/// The rules that no decision and no repair names: the labels', those of a run, and those that say what is known, how a
/// replica starts, or that nothing is done.
const NAMED_BY_NONE: [&Rule; 13] = [
    &REPORT_EXPIRES,
    &START_MARKER_ENDS_REPORT,
    &FORCED_CLAIM,
    &START_MARKER,
    &ONLY_HOLDER_WRITES,
    &LAST_RESORT,
    &START_UNPROMOTABLE,
    &NEWEST_PROMOTED,
    &UNDECIDED_GROUP,
    &RECORD_NAMES_MASTER,
    &WITHHOLD_STALE,
    &HANDING_OVER_UNLABELLED,
    &UNDECIDED,
];

/// Words that the field has others for.
const REPLACED: [&str; 15] = [
    "told",
    "tell",
    "tells",
    "word",
    "mark",
    "marked",
    "given up",
    "electable",
    "council",
    "settle",
    "stranger",
    "heir",
    "rival",
    "holds no more",
    "is undecided",
];

/// The third Sentinel says something else than the two that name redis-0.
fn named(third: Reply<SentinelAnswer>) -> Evidence {
    sentinel().record(present(0, 5)).sentinels([calm(0, 5), calm(0, 5), third])
}

fn abandoned(evidence: Evidence) -> Evidence {
    evidence.record_but(|record| record.is_abandoned = true)
}

/// All Sentinels know the master by this address, and so does the record.
fn at_address(ip: &str, finds_master_down: bool) -> Evidence {
    let watch = || watching(ip, 5, |watch| watch.finds_master_down = finds_master_down);
    sentinel().record(present(0, 5)).record_but(|record| record.address = at(ip)).sentinels([watch(), watch(), watch()])
}

/// What a pod's Redis decides.
fn of_pods() -> Vec<Evidence> {
    let in_all = |claim: fn(u32, u64) -> Reply<SentinelAnswer>, master| [claim(master, 5), claim(master, 5), claim(master, 5)];
    let lately = DiskReport { at: LATELY, started: true, ..report(OLD) };
    let unknown = redis(0).holding(OLD).record(UNKNOWN);
    let damaged = DiskReport { damage: Some("`dump.rdb` is not valid".into()), ..report(EMPTY) };
    vec![
        redis(0).record(present(1, 5)).sentinels([calm(1, 5), calm(1, 4), calm(1, 5)]),
        restart(calm(0, 5)),
        restart(down(0, 5)).past_any_failover(),
        redis(0).record(present(1, 5)).sentinels([calm(2, 5), calm(2, 5), calm(1, 5)]),
        redis(0).record(present(1, 5)).sentinels([calm(2, 5), calm(2, 5), calm(1, 5)]).beside(1, MASTER),
        redis(0).record(present(1, 5)).beside(1, refused()).beside(2, MASTER).sentinels([calm(2, 4), calm(2, 4), silent()]),
        redis(0).sentinels([watching("10.0.7.3", 4, |_| {}), silent(), silent()]),
        redis(0).record(UNKNOWN),
        redis(0).record(RecordSeen::Pending),
        unknown.clone().sentinels(in_all(calm, 1)),
        unknown.clone().sentinels(in_all(calm, 0)),
        unknown.sentinels(in_all(calm, 0)).beside(1, MASTER),
        redis(0).holding(OLD).stamped(Some("other")).record(present(0, 5)),
        redis(0).holding(OLD).record(present(0, 5)).beside(1, MASTER),
        redis(0).beside(1, MASTER).beside(2, MASTER),
        redis(0).record(present(0, 5)),
        redis(0).record(new(0)).tells(1, OLD),
        redis(0).record(present(0, 5)).without_sentinels(),
        redis(0).but(|evidence| evidence.own.damage = Some("`dump.rdb` is not valid".into())),
        power_cut().tells(2, NEW),
        power_cut().unreported(2, silent()),
        power_cut().record_but(|record| record.start_marker = Some(start_marker(instance(2)))).unreported(2, silent()),
        power_cut().past_the_grace().peer_is(2, object(2, Some(lately)), silent()),
        power_cut().absent(0),
        restart(down(0, 5)),
        restart(failing_over(0, 5)),
        restart(calm(0, 5)).but(|evidence| evidence.own.has_run = false),
        abandoned(restart(calm(0, 5))),
        redis(0),
        redis(0).record(NotKept),
        redis(1),
        redis(1).record(NotKept),
        redis(0).beside(1, waits_for(0)),
        redis(0).peer_is(1, object(1, Some(damaged)), refused()),
        redis(0).record(NotKept).unreported(1, silent()),
        redis(0).record(NotKept).sentinels([calm(1, u64::MAX), UNAWARE, UNAWARE]),
        redis(0).tells(1, NEW).tells(2, OLD),
        redis(0).tells(1, NEW),
        redis(0).tells(1, NEW).tells(2, OLD).but(|evidence| evidence.unproven = vec!["cache-0".parse().unwrap()]),
    ]
}

/// What a Sentinel decides.
fn of_sentinels() -> Vec<Evidence> {
    let starting = named(silent()).record_but(|record| record.start_marker = Some(start_marker(instance(0))));
    vec![
        sentinel(),
        sentinel().kept("redis-2", 6),
        sentinel().beside(1, MASTER),
        named(calm(0, 5)).beside(0, replica_of(1)).beside(1, MASTER),
        starting.started(0, OLD, refused()),
    ]
}

/// What reconcile puts right.
fn repaired() -> Vec<Evidence> {
    let led = |third| named(third).beside(0, MASTER);
    let never = DiskReport { priority: Some(0), started: true, ..report(OLD) };
    let knows_more = watching("redis-0.redis-headless", 5, |watch| watch.known_replicas = 3);
    let half_added = watching("redis-0.redis-headless", 5, |watch| watch.is_half_told = true);
    let elsewhere = Reply::Answer(Role::Replica(Replica {
        of: at("10.0.0.9"),
        link: Link::Lost,
        priority: 100,
        offset: 1,
        run: Some("now".into()),
        down_for: None,
        is_empty: false,
    }));
    let followed = at_address("10.0.0.1", false).beside(0, MASTER);
    vec![
        named(calm(0, 5)).peer_is(1, object(1, Some(report(OLD))), replica_of(0)),
        named(calm(0, 5)).peer_is(1, object(1, Some(never)), replica_of(0)),
        led(calm(0, 5)).started(1, OLD, replica(0, Link::Up, 0)),
        led(knows_more).beside(1, replica_of(0)).beside(2, replica_of(0)),
        led(UNAWARE),
        led(half_added),
        at_address("10.0.0.9", true).beside(0, MASTER),
        abandoned(led(calm(0, 5))),
        followed.beside(1, elsewhere).but(|evidence| evidence.peer_mut(0).ips = vec!["10.0.0.1".parse().unwrap()]),
        named(calm(0, 5)).unreported(1, waits_for(0)),
        abandoned(named(calm(0, 5))).tells(0, NEW).tells(1, OLD),
        named(calm(0, 5)),
        abandoned(named(calm(0, 5))).started(1, OLD, replica(0, Link::Lost, 0)),
        abandoned(at_address("10.0.0.9", true)).started(1, OLD, replica(0, Link::Lost, 100)),
    ]
}

/// What cannot be, and what a forced master costs.
fn said_besides() -> Vec<String> {
    let absurd = named(calm(0, u64::MAX)).kept("redis-0", u64::MAX).record_but(|record| {
        record.claim.epoch = u64::MAX;
        record.start_marker = Some(StartMarker { at: Moment(NOW.0 * 2), ..start_marker(instance(0)) });
    });
    let group = sentinel().record(present(0, 5)).tells(0, OLD).tells(1, NEW).unreported(2, silent());
    let current = invalid::current_epoch(&at("sentinel-0:26379"), u64::MAX);
    [invalid::findings(&absurd, &[]), vec![current], losses(&group, &pod(0)), losses(&group, &pod(2))].concat()
}

/// The messages, a line each, and the rules that they name.
fn messages() -> (String, BTreeSet<&'static str>) {
    let mut lines = Vec::new();
    let mut rules = BTreeSet::new();
    for evidence in of_pods().into_iter().chain(of_sentinels()) {
        let reason = evidence.decision().reason;
        rules.extend(reason.rule.map(|rule| rule.id));
        lines.push(evidence.me.as_ref().map_or_else(|| format!("redis: {reason}"), |me| format!("{me} {reason}")));
    }
    let unwatched = Due::unwatch(at("sentinel-2:26379"));
    for due in repaired().iter().flat_map(|evidence| due(evidence, GRACE)).chain([unwatched]) {
        rules.insert(due.rule.id);
        lines.push(due.to_string());
    }
    lines.extend(said_besides());
    (lines.join("\n"), rules)
}

/// Whether a text has a word as a whole: `tell-sentinel` is a rule's id and no word.
fn has_word(text: &str, word: &str) -> bool {
    let is_inner = |letter: char| letter.is_alphanumeric() || letter == '-' || letter == '_';
    let text = text.to_lowercase();
    text.match_indices(word)
        .any(|(start, _)| !text[..start].ends_with(is_inner) && !text[start + word.len()..].starts_with(is_inner))
}

#[test]
fn the_messages_of_the_decision_read_well_and_have_none_of_the_words_that_were_replaced() {
    let (page, rules) = messages();
    let expected: BTreeSet<_> = RULES.iter().filter(|rule| !NAMED_BY_NONE.contains(rule)).map(|rule| rule.id).collect();
    assert_eq!(rules, expected, "a rule without a message here, or one of a rule that had none");
    for line in page.lines() {
        let found: Vec<_> = REPLACED.iter().filter(|word| has_word(line, word)).collect();
        assert!(found.is_empty(), "{found:?} in: {line}");
    }
    let mut settings = insta::Settings::clone_current();
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.bind(|| insta::assert_snapshot!("messages", page));
}
