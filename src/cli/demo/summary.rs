//! What came of it all, in a few lines at the end.

use std::time::Duration;

use jiff::SignedDuration;

use super::FaultLevel;
use super::figures::{per_host, requests_per_host};
use super::fleet::Toll;
use super::ink::{Line, Phase, count, duration, number};
use super::scene::Scene;
use super::story::Story;
use crate::sim::{Mishaps, Outcome, Report};

/// Operations of which the calls per host are shown.
const TOP: usize = 4;
/// Broken promises that are shown; `--json` has them all.
const MOST_BROKEN: usize = 20;

pub fn lines(scene: &Scene, report: &Report, story: &Story, took: Duration) -> Vec<Line> {
    let mut lines = vec![Line::empty(), headline(report, story.replaced, took), Line::empty()];
    let mut add = |name: &str, text: String| lines.push(row(Phase::Plain, name, text));
    add("tasks", tasks(report));
    add("in flight", in_flight(scene, report));
    add("AWS calls", calls(report));
    if report.rotated > 0 {
        add("", by_operation(report));
    }
    add("events", events(report));
    if let Some(text) = troubles(scene, report, &story.toll) {
        add("faults", text);
    }
    lines.extend(promises(report));
    lines.extend([Line::empty(), next(scene)]);
    lines
}

fn row(phase: Phase, name: &str, text: impl Into<String>) -> Line {
    Line::row(phase, format!("  {name:<11}"), text)
}

fn headline(report: &Report, replaced: usize, took: Duration) -> Line {
    let simulated = duration(SignedDuration::from_secs(report.simulated_seconds));
    let text = format!(
        "{} of {} replaced in {simulated}, simulated in {:.1} s",
        number(u64::try_from(replaced).unwrap_or(u64::MAX)),
        count(report.hosts, "host"),
        took.as_secs_f64()
    );
    match &report.outcome {
        Outcome::Closed => Line::plain(Phase::Closed, format!("Closed: {text}")),
        Outcome::Skipped { groups } => {
            Line::plain(Phase::Held, format!("Closed with groups skipped: {text}. Left out: {groups}"))
        }
        Outcome::Held { reason } => Line::plain(Phase::Held, format!("Held: {text}. Why: {reason}")),
        Outcome::Open => Line::plain(Phase::Held, format!("Still open: {text}")),
    }
}

fn tasks(report: &Report) -> String {
    let by_others = match report.tasks_lost_by_others {
        0 => String::new(),
        n => format!("; {} lost with hosts that died or that people took", number(n)),
    };
    format!("{} moved, {} interrupted{by_others}", number(report.tasks_moved), number(report.tasks_interrupted))
}

fn in_flight(scene: &Scene, report: &Report) -> String {
    let budget = scene.scenario.groups.iter().map(|group| scene.budget(group)).max().unwrap_or(0);
    format!("at most {} of a group at a time; the budget is {budget}", count(report.max_in_flight_seen, "host"))
}

fn calls(report: &Report) -> String {
    let each = match requests_per_host(report) {
        Some(each) => format!(", {each:.1} per replaced host"),
        None => String::new(),
    };
    let queue: u64 = report.queue_requests.values().sum();
    format!("{} to the fleet{each}; and {} to the queue", number(report.requests.values().sum()), number(queue))
}

fn by_operation(report: &Report) -> String {
    let mut operations: Vec<_> = report.requests.iter().map(|(name, n)| (*n, *name)).collect();
    operations.sort_unstable_by(|a, b| b.cmp(a));
    let top = operations.iter().take(TOP).filter_map(|(n, name)| Some(format!("{name} {:.1}", per_host(*n, report)?)));
    format!("of these {}, …", top.collect::<Vec<_>>().join(", "))
}

fn events(report: &Report) -> String {
    let malformed = match report.events_malformed {
        0 => String::new(),
        n => format!(", {n} malformed"),
    };
    format!(
        "{} received; {} of them were irrelevant and cost no call{malformed}",
        number(report.events_received),
        number(report.events_irrelevant)
    )
}

/// What the simulation counted, and no more: what did not happen is not named.
fn troubles(scene: &Scene, report: &Report, toll: &Toll) -> Option<String> {
    if !scene.has_trouble() {
        return None;
    }
    let Mishaps { events, events_lost, events_doubled, events_late, .. } = report.mishaps;
    let Mishaps { calls_throttled, calls_failed, calls_failed_after_effect, stale_reads, .. } = report.mishaps;
    // Agents reconnect now and then on any day.
    let usual = scene.faults == FaultLevel::None;
    let of = |n: usize| u64::try_from(n).unwrap_or(u64::MAX);
    let people = match toll.hosts_taken_by_people {
        1 => "1 person terminated a host".to_owned(),
        n => format!("{} terminated by people", count(n, "host")),
    };
    let told = [
        (events_lost, format!("{} of {} events lost", number(events_lost), number(events))),
        (events_doubled, format!("{} doubled", number(events_doubled))),
        (events_late, format!("{} late or out of order", number(events_late))),
        (calls_throttled, format!("{} throttled", count(calls_throttled, "call"))),
        (calls_failed, format!("{} failed", count(calls_failed, "call"))),
        (calls_failed_after_effect, format!("{} failed after taking effect", count(calls_failed_after_effect, "call"))),
        (stale_reads, count(stale_reads, "stale read")),
        (of(toll.workers_killed), format!("{} killed", count(toll.workers_killed, "worker"))),
        (of(toll.zones_lost), format!("{} lost", count(toll.zones_lost, "zone"))),
        (of(toll.hosts_died), format!("{} died", count(toll.hosts_died, "host"))),
        (of(toll.hosts_taken_by_people), people),
        (of(toll.launches_failed), format!("{} failed", launches(toll.launches_failed))),
        (
            if usual { 0 } else { of(toll.connections_lost) },
            format!("{} lost for a while", count(toll.connections_lost, "agent connection")),
        ),
        (of(report.messages_in_dlq), format!("{} in the dead-letter queue", count(report.messages_in_dlq, "message"))),
    ];
    let told: Vec<_> = told.into_iter().filter(|(n, _)| *n > 0).map(|(_, text)| text).collect();
    (!told.is_empty()).then(|| told.join(", "))
}

fn launches(n: usize) -> String {
    if n == 1 { "1 launch".to_owned() } else { format!("{n} launches") }
}

fn promises(report: &Report) -> Vec<Line> {
    let checked = "checked after every effect on the account: ";
    if report.violations.is_empty() {
        return vec![row(Phase::Closed, "promises", format!("{checked}none broken"))];
    }
    let mut lines = vec![row(Phase::Held, "promises", format!("{checked}{} broken", report.violations.len()))];
    for broken in report.violations.iter().take(MOST_BROKEN) {
        let text = format!("{:.0} promise {}: {}", broken.at, broken.promise, broken.what);
        lines.push(Line::row(Phase::Trouble, "    ", text));
    }
    lines
}

fn next(scene: &Scene) -> Line {
    let try_next = match scene.faults {
        _ if scene.has_scene_of_its_own() => "--plan for what was to be foreseen, --report rotation.html for a picture",
        FaultLevel::None => "--faults heavy for a very bad day, --bad-image for a bad release, --hosts 100, --json",
        FaultLevel::Light => "--faults heavy for a very bad day, --seed 2 for another one, --json for figures",
        FaultLevel::Heavy => "--seed 2 for another bad day, --json for figures",
    };
    Line::row(Phase::Aside, "Try next: ", try_next)
}
