//! The loop, with real engines in it.

use std::collections::BTreeSet;

use jiff::SignedDuration;

use super::*;

const DAY: SignedDuration = SignedDuration::from_hours(24);

/// Runs a scenario in which no promise may be broken and no ERROR logged.
fn run(scenario: Scenario) -> Report {
    let (report, errors) = logs::errors_during(|| Simulation::new(scenario).run(DAY));
    assert_eq!(report.violations, []);
    assert_eq!(errors, [] as [String; 0]);
    report
}

fn when(report: &Report, what: impl Fn(&Happening) -> bool) -> Option<jiff::Timestamp> {
    report.timeline.iter().find(|moment| what(&moment.what)).map(|moment| moment.at)
}

#[test]
fn on_a_day_without_faults_every_host_is_rotated_and_no_task_is_interrupted() {
    let report = run(Scenario::new(1));
    assert_eq!(report.outcome, Outcome::Closed);
    assert_eq!((report.hosts, report.rotated, report.max_in_flight_seen), (6, 6, 1));
    assert_eq!((report.tasks_interrupted, report.tasks_lost_by_others, report.messages_in_dlq), (0, 0, 0));
    assert!(report.tasks_moved >= 72, "{}", report.tasks_moved);
    assert_eq!(report.requests["TerminateInstances"], 6);
    assert!(report.queue_requests["ReceiveMessage"] > 0);
    assert!(report.events_irrelevant < report.events_received);
}

#[test]
fn a_long_poll_is_answered_as_soon_as_a_message_is_there() {
    let report = run(Scenario::new(2));
    let released = when(&report, |what| matches!(what, Happening::ReleasePublished { .. })).unwrap();
    let opened = when(&report, |what| matches!(what, Happening::RotationOpened { .. })).unwrap();
    assert!(opened.duration_since(released) < SignedDuration::from_secs(5), "{released} {opened}");
}

#[test]
fn the_same_scenario_gives_the_same_report() {
    let scenario = || Scenario::random(11).faults(Faults::heavy());
    let run = |scenario| Simulation::new(scenario).run(SignedDuration::from_hours(6));
    assert_eq!(run(scenario()), run(scenario()));
    let other = Scenario::random(12).faults(Faults::heavy());
    assert_ne!(run(scenario()).timeline, run(other).timeline);
}

#[test]
fn whatever_the_trigger_a_release_is_found() {
    for trigger in [Trigger::Event, Trigger::Schedule, Trigger::Message, Trigger::Force] {
        let report = run(Scenario::new(3).hosts(2).trigger(trigger));
        assert_eq!((report.outcome, report.rotated), (Outcome::Closed, 2), "{trigger:?}");
    }
}

#[test]
fn when_every_event_is_lost_it_only_takes_longer() {
    let faults = Faults { events_lost: 1.0, ..Faults::none() };
    let report = run(Scenario::new(4).hosts(3).faults(faults));
    assert_eq!((report.outcome, report.rotated), (Outcome::Closed, 3));
}

#[test]
fn a_worker_that_is_killed_after_an_effect_is_followed_by_one_that_goes_on() {
    for effect in 1..=12 {
        let faults = Faults { kill_after_effect: Some(effect), ..Faults::none() };
        let report = run(Scenario::new(5).hosts(2).faults(faults));
        assert!(when(&report, |what| matches!(what, Happening::WorkerKilled { .. })).is_some(), "{effect}");
        assert_eq!((report.outcome, report.rotated), (Outcome::Closed, 2), "{effect}");
    }
}

#[test]
fn a_release_that_never_registers_is_held() {
    let report = run(Scenario::new(6).hosts(3).bad_release(BadRelease::NeverRegisters));
    assert!(matches!(report.outcome, Outcome::Held { .. }), "{:?}", report.outcome);
    assert_eq!(report.tasks_interrupted, 0);
}

#[test]
fn a_message_that_cannot_be_read_ends_in_the_dead_letter_queue() {
    let scenario = Scenario::new(7).hosts(3).act(SignedDuration::ZERO, Act::Send("rotate please".to_owned()));
    let report = run(scenario);
    assert_eq!((report.outcome, report.messages_in_dlq), (Outcome::Closed, 1));
    assert!(report.events_malformed > 0);
}

#[test]
fn a_standalone_task_that_never_ends_is_what_a_drain_waits_for_in_the_end() {
    let mut scenario = Scenario::new(1);
    scenario.stuck_task = true;
    let mut simulation = Simulation::new(scenario);
    assert!(simulation.run_until(|world| world.ledger().held.is_some(), START + DAY));
    let world = simulation.world();
    let account = world.account();
    let draining = |host: &world::Host| host.status() == Some(crate::effect::ContainerInstanceStatus::Draining);
    let (no, _) = account.hosts.iter().find(|(_, host)| draining(host)).unwrap();
    let left: Vec<_> = account.tasks_on(*no).filter(|(_, task)| !task.is_over()).collect();
    assert_eq!(left.len(), 1, "{left:?}");
    assert_eq!(left[0].1.owner, world::Owner::Standalone);
    assert!(world.hold_reason(&world::cluster_arn(CLUSTER)).unwrap().contains(no.instance().as_str()));
}

#[test]
fn random_scenarios_have_every_shape_and_every_source() {
    let word = |text: String| text.split([' ', '(', '{']).next().unwrap_or_default().to_owned();
    let mut drawn = BTreeSet::new();
    for scenario in (0..300).map(Scenario::random) {
        for group in &scenario.groups {
            drawn.insert(word(format!("{:?}", group.template)));
            drawn.insert(word(format!("{:?}", group.follows)));
            drawn.extend(group.arm64.then(|| "arm64".to_owned()));
            drawn.extend(group.draft.then(|| "draft".to_owned()));
            drawn.extend(group.root_snapshot.then(|| "root snapshot".to_owned()));
            drawn.extend(group.shares.as_ref().map(|_| "shares".to_owned()));
            drawn.extend(group.tags.iter().map(|(key, _)| key.clone()));
            drawn.insert(format!("{:?}", group.membership));
        }
    }
    let expected = "Attributes Configuration Configured Named Os Own OwnImage OwnOfArch OwnTemplate Provider Recognised \
                    ReleaseByParameter Resolves Rule arm64 draft min-ami-age rejected root snapshot shares";
    assert_eq!(drawn.into_iter().collect::<Vec<_>>().join(" "), expected);
}

#[test]
fn in_eventful_scenarios_everything_happens_and_they_are_else_the_random_ones() {
    let word = |text: String| text.split([' ', '(', '{']).next().unwrap_or_default().to_owned();
    let mut drawn = BTreeSet::new();
    for seed in 0..200 {
        let (plain, scenario) = (Scenario::random(seed), Scenario::eventful(seed));
        assert_eq!((plain.groups, plain.workers, plain.trigger), (scenario.groups, scenario.workers, scenario.trigger));
        let policy = &scenario.settings.policy;
        drawn.extend(scenario.acts.iter().map(|(_, act)| {
            let Act::Send(text) = act else { return word(format!("{act:?}")) };
            text.split('"').nth(3).unwrap_or_default().to_owned()
        }));
        drawn.insert(format!("bad {:?}", scenario.bad_release));
        drawn.extend(policy.bake.is_zero().then(|| "no bake".to_owned()));
        drawn.extend(policy.ladder.force_after.map(|_| "force".to_owned()));
    }
    let expected = "EndRefresh Leave OptOut StartRefresh bad AgentsFallSilent bad HostsDie bad LaunchFails bad NeverRegisters \
                    bad No bad TasksFail force no bake pause resume rotate";
    assert_eq!(drawn.into_iter().collect::<Vec<_>>().join(" "), expected);
}
