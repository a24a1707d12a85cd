//! The worker is killed after every single effect of a rotation, and another one is started.

mod common;

use common::{run, times};
use ecs_rotator::effect::VersionRule;
use ecs_rotator::sim::{
    Delay, Faults, Follows, GroupShape, Happening, Outcome, Scenario, Simulation, TemplateShape, Trigger,
};
use jiff::SignedDuration;

/// Two groups and six hosts: one group pinned to a version, the other on `$Default` in a mixed-instances policy.
fn scenario() -> Scenario {
    let pinned = TemplateShape::Rule { rule: VersionRule::Number(1), mixed: false };
    let mixed = TemplateShape::Rule { rule: VersionRule::Default, mixed: true };
    Scenario::new(1)
        .groups(vec![GroupShape::new("web-asg", 3).template(pinned), GroupShape::new("api-asg", 3).template(mixed)])
        .tasks_per_host(6)
}

/// One group whose overrides bring an image, and a template of another architecture; and one whose release is written into
/// a parameter.
fn odd_shapes() -> [Scenario; 3] {
    let own = TemplateShape::OwnTemplate { base: VersionRule::Number(1), own: VersionRule::Default };
    let image = TemplateShape::OwnImage { base: VersionRule::Number(1) };
    let parameter = TemplateShape::ReleaseByParameter { checked: true };
    [
        GroupShape::new("web-asg", 3).template(own).follows(Follows::OwnOfArch),
        GroupShape::new("web-asg", 3).template(image),
        GroupShape::new("web-asg", 3).template(parameter).follows(Follows::Os("al2023")),
    ]
    .map(|shape| Scenario::new(1).groups(vec![shape]).tasks_per_host(4).trigger(Trigger::Message))
}

/// How many effects a rotation has when no worker is killed.
fn effects(scenario: Scenario) -> u64 {
    let mut simulation = Simulation::new(scenario);
    let closed = simulation.run_until(|world| world.ledger().closed.is_some(), simulation.now() + common::LONG);
    assert!(closed, "the rotation closes");
    simulation.effects()
}

fn killed_after_every_effect(scenario: impl Fn() -> Scenario, faults: &Faults) {
    let effects = effects(scenario().faults(faults.clone()));
    let hosts = scenario().host_count();
    // For each host at least a drain and a deregistration, and what can be done for several in one call.
    assert!(effects >= 4 * u64::from(hosts), "{effects}");
    println!("{effects} effects");
    for effect in 1..=effects {
        let report = run(scenario().faults(Faults { kill_after_effect: Some(effect), ..faults.clone() }));
        let killed = times(&report, |what| matches!(what, Happening::WorkerKilled { .. }));
        assert!(!killed.is_empty(), "no worker was killed after effect {effect}");
        assert_eq!(report.outcome, Outcome::Closed, "killed after effect {effect}");
        assert_eq!(report.rotated, u64::from(hosts), "killed after effect {effect}");
    }
}

#[test]
fn a_worker_killed_after_any_effect_is_followed_by_one_that_goes_on() {
    killed_after_every_effect(scenario, &Faults::none());
}

#[test]
fn it_goes_on_whatever_the_release_is_written_into() {
    for shape in odd_shapes() {
        killed_after_every_effect(|| shape.clone(), &Faults::none());
    }
}

#[test]
fn it_goes_on_even_when_every_event_is_lost() {
    killed_after_every_effect(scenario, &Faults { events_lost: 1.0, ..Faults::none() });
}

/// Every wait has been too long by then, and what was waited for has come long ago.
#[test]
fn it_goes_on_when_the_next_worker_comes_hours_later() {
    let away = Delay::secs(7200, 7200);
    killed_after_every_effect(scenario, &Faults { restart_delay: away, ..Faults::none() });
}

#[test]
fn it_goes_on_when_reads_lag_behind() {
    killed_after_every_effect(scenario, &Faults { stale_reads: 0.5, ..Faults::none() });
}

#[test]
fn a_worker_that_dies_every_few_minutes_gets_there_in_the_end() {
    let faults = Faults { worker_kills_per_hour: 30.0, ..Faults::none() };
    let report = run(scenario().faults(faults));
    assert_eq!((report.outcome, report.rotated), (Outcome::Closed, 6));
    assert!(SignedDuration::from_secs(report.simulated_seconds) < common::LONG);
}
