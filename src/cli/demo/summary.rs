//! What came of it all, in a few lines at the end.

use std::time::Duration;

use jiff::SignedDuration;

use super::FaultLevel;
use super::figures::{per_host, requests_per_host};
use super::fleet::Toll;
use super::ink::{Line, Phase, count, duration, number};
use super::scene::Scene;
use crate::sim::{Outcome, Report};

/// Operations of which the calls per host are shown.
const TOP: usize = 4;
/// Broken promises that are shown; `--json` has them all.
const MOST_BROKEN: usize = 20;

pub fn lines(scene: &Scene, report: &Report, toll: &Toll, took: Duration) -> Vec<Line> {
    let mut lines = vec![Line::empty(), headline(report, took), Line::empty()];
    let mut row = |name: &str, text: String| lines.push(Line::plain(Phase::Plain, format!("  {name:<11}{text}")));
    row("tasks", tasks(report));
    row("in flight", in_flight(scene, report));
    row("AWS calls", calls(report));
    if report.rotated > 0 {
        row("", by_operation(report));
    }
    row("events", events(report));
    if let Some(text) = troubles(scene, report, toll) {
        row("troubles", text);
    }
    lines.extend(promises(report));
    lines.extend([Line::empty(), next(scene)]);
    lines
}

fn headline(report: &Report, took: Duration) -> Line {
    let simulated = duration(SignedDuration::from_secs(report.simulated_seconds));
    let text = format!(
        "{} of {} replaced in {simulated}, simulated in {:.1} s",
        number(report.rotated),
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

fn troubles(scene: &Scene, report: &Report, toll: &Toll) -> Option<String> {
    if scene.faults == FaultLevel::None {
        return None;
    }
    let told = [
        (toll.workers_killed, "worker", "killed"),
        (toll.hosts_died, "host", "died"),
        (toll.hosts_taken_by_people, "host", "terminated by people"),
        (toll.launches_failed, "launch", "failed"),
        (toll.connections_lost, "connection", "of agents lost"),
        (report.messages_in_dlq, "message", "in the dead-letter queue"),
    ];
    let told = told.into_iter().filter(|(n, ..)| *n > 0).map(|(n, what, how)| format!("{} {how}", count(n, what)));
    let told: Vec<_> = told.collect();
    Some(if told.is_empty() { "none but lost events and failed calls".to_owned() } else { told.join(", ") })
}

fn promises(report: &Report) -> Vec<Line> {
    if report.violations.is_empty() {
        let text = "  promises   checked after every effect on the account: none broken";
        return vec![Line::plain(Phase::Closed, text)];
    }
    let head = format!("  promises   checked after every effect on the account: {} broken", report.violations.len());
    let mut lines = vec![Line::plain(Phase::Held, head)];
    for broken in report.violations.iter().take(MOST_BROKEN) {
        let text = format!("    {:.0} promise {}: {}", broken.at, broken.promise, broken.what);
        lines.push(Line::plain(Phase::Trouble, text));
    }
    lines
}

fn next(scene: &Scene) -> Line {
    let try_next = match scene.faults {
        FaultLevel::None => "--faults heavy for a very bad day, --hosts 100 for a large cluster, --json for figures",
        FaultLevel::Light => "--faults heavy for a very bad day, --seed 2 for another one, --json for figures",
        FaultLevel::Heavy => "--seed 2 for another bad day, --json for figures",
    };
    Line::plain(Phase::Aside, format!("Try next: {try_next}"))
}
