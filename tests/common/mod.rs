//! What the tests in the simulation share.

use ecs_rotator::sim::{Happening, Report, Scenario, Simulation, logs};
use jiff::{SignedDuration, Timestamp};

/// Longer than any rotation that comes to an end.
pub const LONG: SignedDuration = SignedDuration::from_hours(48);

/// Runs a scenario in which no promise may be broken, no task interrupted by us, and nothing logged as an ERROR.
#[track_caller]
#[allow(dead_code, reason = "not every test file runs it so")]
pub fn run(scenario: Scenario) -> Report {
    let seed = scenario.seed;
    let (report, errors) = logs::errors_during(|| Simulation::new(scenario).run(LONG));
    assert!(report.violations.is_empty(), "seed {seed}: {:#?}", report.violations);
    assert!(errors.is_empty(), "seed {seed}: logged as broken: {errors:#?}");
    assert_eq!(report.tasks_interrupted, 0, "seed {seed}: tasks interrupted");
    report
}

/// When things of this kind happened.
#[allow(dead_code, reason = "not every test file asks for times")]
pub fn times(report: &Report, what: impl Fn(&Happening) -> bool) -> Vec<Timestamp> {
    report.timeline.iter().filter(|moment| what(&moment.what)).map(|moment| moment.at).collect()
}
