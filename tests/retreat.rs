//! The way back, force and holds where they are hard: several workers, groups of a fixed size, agents that are away, people
//! who change their mind. Promises are checked after every effect in all of them.

#![allow(clippy::wildcard_enum_match_arm, reason = "each test is about a few of the things that happen")]

mod common;

use common::{LONG, times};
use ecs_rotator::engine::Settings;
use ecs_rotator::id::GroupName;
use ecs_rotator::plan::policy::{Budget, Ladder, Policy};
use ecs_rotator::sim::world::World;
use ecs_rotator::sim::{
    Act, BadRelease, Delay, Faults, Follows, Happening, Outcome, Report, Scenario, ServiceShape, Simulation, Trigger,
};
use jiff::{SignedDuration, Timestamp};

fn minutes(n: i64) -> SignedDuration {
    SignedDuration::from_mins(n)
}

fn policy(policy: Policy) -> Settings {
    Settings { policy, ..Settings::default() }
}

fn group() -> GroupName {
    GroupName::from("demo-asg")
}

fn send(action: &str) -> Act {
    Act::Send(format!(r#"{{"action":"{action}","cluster":"demo"}}"#))
}

fn told(report: &Report) -> String {
    report.timeline.iter().map(|moment| format!("{} {:?}\n", moment.at, moment.what)).collect()
}

fn happened(world: &World, what: impl Fn(&Happening) -> bool) -> bool {
    world.timeline().iter().any(|moment| what(&moment.what))
}

/// Until this time after the start, whatever the rotation says.
fn run_for(mut simulation: Simulation, long: SignedDuration) -> (World, Report) {
    let end: Timestamp = ecs_rotator::sim::START + long;
    simulation.run_until(|_| false, end);
    (simulation.world().clone(), simulation.finish())
}

#[track_caller]
fn reason(report: &Report) -> &str {
    match &report.outcome {
        Outcome::Held { reason } => reason,
        other => panic!("not held but {other:?}"),
    }
}

/// Whatever else was told when the task was told to stop, it has its time.
#[test]
fn regression_a_worker_that_comes_back_after_the_time_to_force_gives_tasks_their_time_to_stop() {
    let ladder = Ladder { force_after: Some(minutes(70)), ..Ladder::default() };
    let mut scenario = Scenario::new(1).hosts(3).settings(policy(Policy { ladder, ..Policy::default() }));
    scenario.stuck_task = true;
    let mut undisturbed = Simulation::new(scenario.clone());
    undisturbed.run_until(
        |world| happened(world, |what| matches!(what, Happening::Draining { .. })),
        undisturbed.now() + LONG,
    );
    let faults = Faults {
        kill_after_effect: Some(undisturbed.effects()),
        restart_delay: Delay::secs(3 * 3600, 3 * 3600 + 1),
        ..Faults::none()
    };
    let (_, report) = run_for(Simulation::new(scenario.faults(faults)), minutes(300));
    assert!(report.rotated >= 1, "{}", told(&report));
    assert_eq!((report.tasks_interrupted, report.violations.as_slice()), (0, [].as_slice()), "{}", told(&report));
}

/// Two hosts whose services can never be moved, and two workers: a person lets the rotation go on through one of them.
#[test]
fn regression_a_worker_that_has_not_heard_of_a_resume_does_not_hold_the_rotation_again() {
    for seed in 0..25 {
        let settings = policy(Policy { max_in_flight: Budget::Hosts(2), ..Policy::default() });
        let services = vec![ServiceShape::new("web", 4, 100, 100)];
        let scenario = Scenario::new(seed).hosts(4).services(services).settings(settings).workers(2);
        let mut simulation = Simulation::new(scenario);
        let deadline = simulation.now() + LONG;
        assert!(simulation.run_until(|world| world.ledger().held.is_some(), deadline), "seed {seed}");
        let resumed = simulation.now() + minutes(2);
        simulation.run_until(|_| false, resumed);
        simulation.world_mut().act(send("resume"));
        simulation.run_until(|_| false, resumed + minutes(50));
        let report = simulation.finish();
        let held = times(&report, |what| matches!(what, Happening::RotationHeld { .. }));
        let again: Vec<_> = held.iter().filter(|at| **at > resumed).collect();
        assert!(again.is_empty(), "seed {seed}: resumed at {resumed}, held at {again:?}\n{}", told(&report));
        // It is looked at in the middle.
        assert!(report.violations.iter().all(|broken| [4, 7].contains(&broken.promise)), "{:#?}", report.violations);
    }
}

#[test]
fn regression_a_host_that_one_worker_gives_back_is_not_taken_again_by_the_other() {
    for seed in 0..60 {
        let mut scenario = Scenario::new(seed).hosts(4).workers(2).act(minutes(1), send("abort"));
        scenario.registration = Delay::secs(70, 240);
        scenario.faults = Faults { stale_reads: 0.5, ..Faults::none() };
        let (world, report) = run_for(Simulation::new(scenario), minutes(120));
        let attached = times(&report, |what| matches!(what, Happening::Attached { .. }));
        let detached = times(&report, |what| matches!(what, Happening::Detached { .. }));
        if let Some(first) = attached.first() {
            // The stand-in of the one that goes back is detached after it.
            assert!(
                detached.iter().filter(|at| *at > first).count() <= attached.len(),
                "seed {seed}: {}",
                told(&report)
            );
        }
        assert_eq!(world.account().groups[&group()].desired, 4, "seed {seed}: {}", told(&report));
        assert_eq!(report.violations, [], "seed {seed}: {}", told(&report));
    }
}

#[test]
fn desired_capacity_is_what_it_was_however_many_workers_give_hosts_back() {
    for seed in 0..40 {
        let ladder = Ladder { give_up_after: Some(minutes(90)), ..Ladder::default() };
        let settings = policy(Policy { ladder, max_in_flight: Budget::Hosts(2), ..Policy::default() });
        let services = vec![ServiceShape::new("web", 5, 100, 100)];
        let mut scenario = Scenario::new(seed).hosts(5).services(services).settings(settings).workers(3);
        scenario.faults = Faults { stale_reads: 0.8, duplicate_delivery: 0.3, ..Faults::none() };
        let (world, report) = run_for(Simulation::new(scenario), minutes(240));
        assert_eq!(world.account().groups[&group()].desired, 5, "seed {seed}: {}", told(&report));
        assert_eq!((report.violations.as_slice(), report.tasks_interrupted), ([].as_slice(), 0), "seed {seed}");
    }
}

/// The image has served on every host, so it is not to blame; the group is not whole, and that is a hold.
#[test]
fn regression_a_replacement_whose_agent_dies_in_a_forced_rotation_is_a_hold_and_no_endless_bake() {
    let mut simulation = Simulation::new(Scenario::new(1).hosts(3).trigger(Trigger::Force));
    let deadline = simulation.now() + LONG;
    assert!(
        simulation.run_until(|world| happened(world, |what| matches!(what, Happening::Registered { .. })), deadline)
    );
    // The old host is drained meanwhile.
    let soon = simulation.now() + SignedDuration::from_secs(90);
    simulation.run_until(|_| false, soon);
    let youngest = simulation.world().hosts_by_age().len() - 1;
    simulation.world_mut().act(Act::AgentLost { host: youngest, for_: SignedDuration::from_hours(100) });
    let limit = simulation.now() + minutes(60);
    assert!(simulation.run_until(|world| world.ledger().held.is_some(), limit), "{}", told(&simulation.finish()));
    let report = simulation.finish();
    assert!(reason(&report).contains("of 3 members are ready"), "{}", reason(&report));
}

#[test]
fn regression_what_failed_is_put_back_although_something_newer_is_out_and_the_rotation_is_paused() {
    let scenario = Scenario::new(1)
        .hosts(3)
        .bad_release(BadRelease::NeverRegisters)
        .act(minutes(2), send("pause"))
        .act(minutes(5), Act::Release(2));
    let (world, report) = run_for(Simulation::new(scenario), minutes(90));
    let failed = World::image_of(Follows::Own, 1);
    let account = world.account();
    let launches = account.images_to_launch(&account.groups[&group()]);
    assert!(!launches.contains(&failed), "it launches {launches:?}: {}", told(&report));
    assert!(reason(&report).contains(failed.as_str()), "{}", reason(&report));
    assert_eq!(report.violations, []);
}

#[test]
fn regression_an_abort_in_a_group_of_a_fixed_size_does_not_launch_and_end_hosts_for_ever() {
    let scenario = Scenario::new(1).hosts(3).bad_release(BadRelease::NeverRegisters).act(minutes(5), send("abort"));
    let mut simulation = Simulation::new(scenario);
    simulation.world_mut().edit_group(&group(), |group| (group.min, group.max) = (3, 3));
    let (world, report) = run_for(simulation, minutes(300));
    let launched = times(&report, |what| matches!(what, Happening::Launched { .. }));
    assert!(launched.len() <= 2, "{} launches: {}", launched.len(), told(&report));
    assert!(world.account().groups[&group()].tags["ecs-rotator:rejected"].contains("ami-"), "{}", told(&report));
    assert_eq!(report.violations, []);
}

#[test]
fn regression_a_host_on_its_way_back_to_a_group_that_opts_out_is_named_by_the_hold() {
    let mut simulation = Simulation::new(Scenario::new(1).hosts(3).bad_release(BadRelease::NeverRegisters));
    let deadline = simulation.now() + LONG;
    let chosen = |world: &World| {
        let hosts = world.account().hosts.values();
        hosts.filter_map(|host| host.tags.get("ecs-rotator:give-back")).any(|value| !value.is_empty())
    };
    assert!(simulation.run_until(chosen, deadline));
    let active = simulation.now() + SignedDuration::from_secs(10);
    simulation.run_until(|_| false, active);
    simulation.world_mut().edit_group(&group(), |group| {
        group.tags.insert("ecs-rotator:enabled".to_owned(), "false".to_owned());
    });
    let resumed = simulation.now() + minutes(10);
    simulation.run_until(|_| false, resumed);
    simulation.world_mut().act(send("resume"));
    simulation.run_until(|_| false, resumed + minutes(40));
    let report = simulation.finish();
    assert!(reason(&report).contains("has opted out"), "{}", reason(&report));
    assert_eq!(report.violations, []);
}

#[test]
fn regression_a_host_whose_agent_is_dead_does_not_push_a_good_one_out_when_it_is_given_up() {
    let ladder = Ladder { give_up_after: Some(minutes(90)), ..Ladder::default() };
    let mut scenario = Scenario::new(1).hosts(3).settings(policy(Policy { ladder, ..Policy::default() }));
    scenario.stuck_task = true;
    // Nobody but the one that never ends.
    scenario.standalone_tasks = 0;
    let mut simulation = Simulation::new(scenario);
    let deadline = simulation.now() + LONG;
    let stuck = |world: &World| world.ledger().held.is_some();
    assert!(simulation.run_until(stuck, deadline));
    let host = (0..).find(|n| {
        let no = simulation.world().hosts_by_age()[*n];
        let status = simulation.world().account().host(no).and_then(|host| host.status());
        status == Some(ecs_rotator::effect::ContainerInstanceStatus::Draining)
    });
    let host = host.expect("one drains");
    simulation.world_mut().act(Act::AgentLost { host, for_: SignedDuration::from_hours(100) });
    let later = simulation.now() + minutes(120);
    simulation.run_until(|_| false, later);
    let world = simulation.world().clone();
    let report = simulation.finish();
    let members = world.account().members_of(&group()).count();
    assert_eq!((members, world.account().groups[&group()].desired), (3, 3), "{}", told(&report));
    let attached = times(&report, |what| matches!(what, Happening::Attached { .. }));
    assert!(attached.is_empty(), "{}", told(&report));
    assert!(reason(&report).contains("not given back"), "{}", reason(&report));
    assert_eq!(report.violations, []);
}

#[test]
fn regression_what_is_held_can_be_aborted() {
    let mut scenario = Scenario::new(1).hosts(3);
    let gone = Act::Capacity { group: "demo-asg".to_owned(), there: false };
    let back = Act::Capacity { group: "demo-asg".to_owned(), there: true };
    scenario.registration = Delay::secs(100, 200);
    let scenario = scenario.act(minutes(0), gone).act(minutes(20), send("abort")).act(minutes(21), back);
    let (world, report) = run_for(Simulation::new(scenario), minutes(120));
    assert!(reason(&report).starts_with("aborted"), "{}", reason(&report));
    let drained = times(&report, |what| matches!(what, Happening::Draining { .. }));
    let attached = times(&report, |what| matches!(what, Happening::Attached { .. }));
    assert_eq!(attached.len(), 1, "{}", told(&report));
    assert!(drained.len() <= 1, "none but the replacement that goes in its stead: {}", told(&report));
    assert_eq!(world.account().groups[&group()].desired, 3);
}
