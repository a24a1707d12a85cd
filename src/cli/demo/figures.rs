//! The figures of a run, as `--json` prints them.

use std::collections::BTreeMap;

use serde::Serialize;

use super::fleet::{Fleet, Toll};
use super::scene::Scene;
use crate::sim::{Outcome, Report, Violation};

#[derive(Debug, Serialize)]
pub struct Figures {
    seed: u64,
    faults: &'static str,
    hosts: u32,
    /// Running hosts that the worker took and terminated.
    rotated: u64,
    outcome: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    hold_reason: Option<String>,
    /// From the release to the close or the hold.
    simulated_seconds: i64,
    /// Calls to the fleet, by operation.
    requests: BTreeMap<&'static str, u64>,
    requests_total: u64,
    /// Per replaced host; none where no host was.
    requests_per_host: Option<f64>,
    /// Calls to the queue, by operation.
    queue_requests: BTreeMap<&'static str, u64>,
    events_received: u64,
    events_irrelevant: u64,
    events_malformed: u64,
    messages_in_dlq: usize,
    /// The most hosts of one group at a time.
    max_in_flight_seen: usize,
    tasks_moved: u64,
    /// To a host that is to be replaced itself, although one that has been had room.
    tasks_moved_old_to_old: u64,
    /// The same, when none of those had room.
    tasks_moved_for_want_of_room: u64,
    tasks_rebalanced: u64,
    /// By the worker.
    tasks_interrupted: u64,
    /// By dying hosts and by people.
    tasks_lost_by_others: u64,
    /// What the faults did.
    events_sent: u64,
    events_lost: u64,
    events_doubled: u64,
    events_late: u64,
    calls_throttled: u64,
    calls_failed: u64,
    calls_failed_after_effect: u64,
    stale_reads: u64,
    workers_killed: usize,
    hosts_died: usize,
    hosts_taken_by_people: usize,
    violations: Vec<Broken>,
}

/// A promise that was not kept.
#[derive(Debug, Serialize)]
struct Broken {
    at: String,
    promise: u8,
    what: String,
}

impl Figures {
    pub fn of(scene: &Scene, mut fleet: Fleet, report: &Report) -> Self {
        report.timeline.iter().for_each(|moment| fleet.follow(moment));
        let Toll { workers_killed, hosts_died, hosts_taken_by_people, .. } = fleet.toll;
        let mishaps = &report.mishaps;
        let (outcome, hold_reason) = match &report.outcome {
            Outcome::Closed => ("closed", None),
            Outcome::Skipped { .. } => ("closed-with-groups-skipped", None),
            Outcome::Held { reason } => ("held", Some(reason.clone())),
            Outcome::Open => ("open", None),
        };
        Self {
            seed: scene.scenario.seed,
            faults: scene.faults.word(),
            hosts: report.hosts,
            rotated: report.rotated,
            outcome,
            hold_reason,
            simulated_seconds: report.simulated_seconds,
            requests: report.requests.clone(),
            requests_total: report.requests.values().sum(),
            requests_per_host: requests_per_host(report),
            queue_requests: report.queue_requests.clone(),
            events_received: report.events_received,
            events_irrelevant: report.events_irrelevant,
            events_malformed: report.events_malformed,
            messages_in_dlq: report.messages_in_dlq,
            max_in_flight_seen: report.max_in_flight_seen,
            tasks_moved: report.tasks_moved,
            tasks_moved_old_to_old: report.tasks_moved_old_to_old,
            tasks_moved_for_want_of_room: report.tasks_moved_for_want_of_room,
            tasks_rebalanced: report.tasks_rebalanced,
            tasks_interrupted: report.tasks_interrupted,
            tasks_lost_by_others: report.tasks_lost_by_others,
            events_sent: mishaps.events,
            events_lost: mishaps.events_lost,
            events_doubled: mishaps.events_doubled,
            events_late: mishaps.events_late,
            calls_throttled: mishaps.calls_throttled,
            calls_failed: mishaps.calls_failed,
            calls_failed_after_effect: mishaps.calls_failed_after_effect,
            stale_reads: mishaps.stale_reads,
            workers_killed,
            hosts_died,
            hosts_taken_by_people,
            violations: report.violations.iter().map(Broken::of).collect(),
        }
    }
}

impl Broken {
    fn of(violation: &Violation) -> Self {
        Self { at: violation.at.to_string(), promise: violation.promise, what: violation.what.clone() }
    }
}

/// With two decimals.
pub fn requests_per_host(report: &Report) -> Option<f64> {
    per_host(report.requests.values().sum(), report)
}

/// So many of something, for each replaced host.
pub fn per_host(n: u64, report: &Report) -> Option<f64> {
    (report.rotated > 0).then(|| (n as f64 / report.rotated as f64 * 100.0).round() / 100.0)
}
