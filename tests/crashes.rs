//! The worker is killed after every single effect of a rotation, and another one is started.

mod common;

use common::{run, times};
use ecs_rotator::effect::VersionRule;
use ecs_rotator::sim::{Faults, GroupShape, Happening, Outcome, Scenario, Simulation, TemplateShape};
use jiff::SignedDuration;

/// Two groups and six hosts: one group pinned to a version, the other on `$Default` in a mixed-instances policy.
fn scenario() -> Scenario {
    let pinned = TemplateShape::Rule { rule: VersionRule::Number(1), mixed: false };
    let mixed = TemplateShape::Rule { rule: VersionRule::Default, mixed: true };
    Scenario::new(1)
        .groups(vec![GroupShape::new("web-asg", 3).template(pinned), GroupShape::new("api-asg", 3).template(mixed)])
        .tasks_per_host(6)
}

/// How many effects a rotation has when no worker is killed.
fn effects(faults: &Faults) -> u64 {
    let mut simulation = Simulation::new(scenario().faults(faults.clone()));
    let closed = simulation.run_until(|world| world.ledger().closed.is_some(), simulation.now() + common::LONG);
    assert!(closed, "the rotation closes");
    simulation.effects()
}

fn killed_after_every_effect(faults: &Faults) {
    let effects = effects(faults);
    // Six hosts with at least a drain and a deregistration each, and what can be done for several in one call.
    assert!(effects >= 24, "{effects}");
    println!("{effects} effects");
    for effect in 1..=effects {
        let report = run(scenario().faults(Faults { kill_after_effect: Some(effect), ..faults.clone() }));
        let killed = times(&report, |what| matches!(what, Happening::WorkerKilled { .. }));
        assert!(!killed.is_empty(), "no worker was killed after effect {effect}");
        assert_eq!(report.outcome, Outcome::Closed, "killed after effect {effect}");
        assert_eq!(report.rotated, 6, "killed after effect {effect}");
    }
}

#[test]
fn a_worker_killed_after_any_effect_is_followed_by_one_that_goes_on() {
    killed_after_every_effect(&Faults::none());
}

#[test]
fn it_goes_on_even_when_every_event_is_lost() {
    killed_after_every_effect(&Faults { events_lost: 1.0, ..Faults::none() });
}

#[test]
fn it_goes_on_when_reads_lag_behind() {
    killed_after_every_effect(&Faults { stale_reads: 0.5, ..Faults::none() });
}

#[test]
fn a_worker_that_dies_every_few_minutes_gets_there_in_the_end() {
    let faults = Faults { worker_kills_per_hour: 30.0, ..Faults::none() };
    let report = run(scenario().faults(faults));
    assert_eq!((report.outcome, report.rotated), (Outcome::Closed, 6));
    assert!(SignedDuration::from_secs(report.simulated_seconds) < common::LONG);
}
