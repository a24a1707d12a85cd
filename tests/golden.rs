//! What commands print, word for word, beside what `tests/digest.rs` holds: whoever changes it on purpose writes it anew by
//! `UPDATE_EXPECT=1 cargo test --test golden`, and the commit says why.

mod common;

use std::process::Command;

use ecs_rotator::cli::status::report::Report;
use ecs_rotator::engine::Settings;
use ecs_rotator::sim::{BadRelease, CLUSTER, GroupShape, Happening, Scenario, Simulation, survey_by_workers};
use expect_test::{ExpectFile, expect_file};

/// What a command prints, and with which code it ends.
#[track_caller]
fn is(arguments: &str, code: i32, golden: &ExpectFile) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ecs-rotator"));
    command.args(arguments.split_whitespace()).env_remove("RUST_LOG").env_remove("COLUMNS");
    let output = command.output().expect("the binary can be started");
    assert_eq!(output.status.code(), Some(code), "{arguments}: {}", String::from_utf8_lossy(&output.stderr));
    golden.assert_eq(&without_wall_clock(&String::from_utf8(output.stdout).expect("text")));
}

/// How long the demo took on this machine is nothing to hold.
fn without_wall_clock(text: &str) -> String {
    match text.split_once(", simulated in ") {
        Some((before, after)) => {
            let rest = after.split_once(" s\n").map_or("", |(_, rest)| rest);
            format!("{before}, simulated in ? s\n{rest}")
        }
        None => text.to_owned(),
    }
}

#[test]
fn demo() {
    is("demo --seed 1", 0, &expect_file!["golden/demo.txt"]);
    is("demo --seed 1 --json", 0, &expect_file!["golden/demo.json"]);
}

#[test]
fn plan() {
    is("demo --seed 1 --plan", 2, &expect_file!["golden/plan.txt"]);
    is("demo --seed 1 --plan --json", 2, &expect_file!["golden/plan.json"]);
}

#[cfg(feature = "aws")]
#[test]
fn policy() {
    let queue = "https://sqs.eu-west-1.amazonaws.com/123456789012/rotator";
    let arguments = format!("policy --account 123456789012 --region eu-west-1 --queue-url {queue}");
    is(&arguments, 0, &expect_file!["golden/policy.json"]);
}

/// As `status --json` sees a simulated account once this has happened.
fn status(scenario: Scenario, moment: impl Fn(&Happening) -> bool) -> String {
    let settings = Settings { clusters: vec![CLUSTER.into()], ..scenario.settings.clone() };
    let mut simulation = Simulation::new(scenario);
    let deadline = simulation.now() + common::LONG;
    let has_happened = |told: &[ecs_rotator::sim::Moment]| told.iter().any(|of| moment(&of.what));
    assert!(simulation.run_until(|world| has_happened(world.timeline()), deadline), "it never happens");
    let findings = survey_by_workers(simulation.world_mut(), settings);
    let report = Report::of(findings, simulation.now());
    serde_json::to_string_pretty(&report).expect("plain data") + "\n"
}

fn scenario() -> Scenario {
    let mut scenario = Scenario::new(1);
    scenario.groups = vec![GroupShape::new("web-asg", 3), GroupShape::new("api-asg", 3)];
    scenario
}

#[test]
fn status_of_a_rotation_under_way() {
    let drains = |what: &Happening| matches!(what, Happening::Draining { .. });
    expect_file!["golden/status.json"].assert_eq(&status(scenario(), drains));
}

#[test]
fn status_of_a_rotation_that_is_held() {
    let mut scenario = scenario();
    scenario.bad_release = BadRelease::NeverRegisters;
    let held = |what: &Happening| matches!(what, Happening::RotationHeld { .. });
    expect_file!["golden/status-held.json"].assert_eq(&status(scenario, held));
}

#[test]
fn the_glossary_names_every_phase_and_every_code_of_a_hold() {
    use strum::IntoEnumIterator as _;

    let glossary = include_str!("../docs/glossary.md");
    let phases = ecs_rotator::plan::host::Phase::iter().map(|phase| phase.to_string());
    let codes = ecs_rotator::plan::problem::Code::iter().map(|code| code.to_string());
    for name in phases.chain(codes) {
        assert!(glossary.contains(&format!("| `{name}` |")), "{name} is missing");
    }
}
