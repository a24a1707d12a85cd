//! What the tests in the simulation share.

use ecs_rotator::sim::{Happening, Outcome, Report, Scenario, Simulation, logs};
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

/// It has closed; whatever it left out, it says.
#[track_caller]
#[allow(dead_code, reason = "not every test file asks for it")]
pub fn assert_closed(report: &Report, seed: u64) {
    match &report.outcome {
        Outcome::Closed => {}
        // In random accounts a launch configuration has no release, some groups reject the image that comes, and people drain hosts.
        Outcome::Skipped { groups } => {
            let known = |group: &str| {
                group == "legacy-asg=unresolved" || group.ends_with("=rejected") || group.ends_with("=hosts")
            };
            assert!(groups.split_whitespace().all(known), "seed {seed}: {groups}");
        }
        other @ (Outcome::Held { .. } | Outcome::Open) => panic!("seed {seed}: {other:?}"),
    }
}

/// Closed, and these were left out: `web-asg=unresolved`.
#[allow(dead_code, reason = "not every test file asks for it")]
pub fn skipped(groups: &str) -> Outcome {
    Outcome::Skipped { groups: groups.to_owned() }
}

/// When things of this kind happened.
#[allow(dead_code, reason = "not every test file asks for times")]
pub fn times(report: &Report, what: impl Fn(&Happening) -> bool) -> Vec<Timestamp> {
    report.timeline.iter().filter(|moment| what(&moment.what)).map(|moment| moment.at).collect()
}
