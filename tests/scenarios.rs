//! One situation each, in the order of a host's life. Promises are checked after every effect in all of them.

#![allow(clippy::wildcard_enum_match_arm, reason = "each test is about a few of the things that happen")]

mod common;

use std::collections::{BTreeMap, BTreeSet};

use common::{LONG, run, times};
use ecs_rotator::effect::{FailureKind, Request, VersionRule};
use ecs_rotator::engine::Settings;
use ecs_rotator::id::InstanceId;
use ecs_rotator::plan::calendar::Calendar;
use ecs_rotator::plan::policy::{Budget, DrainWhen, Policy};
use ecs_rotator::sim::world::World;
use ecs_rotator::sim::{
    Act, CLUSTER, Delay, Faults, Follows, GroupShape, Happening, Outcome, Placement, Report, Scenario, Simulation,
    TemplateShape, Trigger,
};
use jiff::{SignedDuration, Timestamp};

fn minutes(n: i64) -> SignedDuration {
    SignedDuration::from_mins(n)
}

fn policy(policy: Policy) -> Settings {
    Settings { policy, ..Settings::default() }
}

fn rule(rule: VersionRule, mixed: bool) -> TemplateShape {
    TemplateShape::Rule { rule, mixed }
}

fn hosts(report: &Report, which: impl Fn(&Happening) -> Option<&InstanceId>) -> Vec<InstanceId> {
    report.timeline.iter().filter_map(|moment| which(&moment.what).cloned()).collect()
}

fn detached(report: &Report) -> Vec<InstanceId> {
    hosts(report, |what| match what {
        Happening::Detached { host, .. } => Some(host),
        _ => None,
    })
}

fn terminated(report: &Report) -> BTreeSet<InstanceId> {
    let gone = hosts(report, |what| match what {
        Happening::Terminated { host, .. } => Some(host),
        _ => None,
    });
    gone.into_iter().collect()
}

fn versions_made(report: &Report) -> usize {
    times(report, |what| matches!(what, Happening::TemplateVersionMade { .. })).len()
}

#[track_caller]
fn reason(report: &Report) -> &str {
    match &report.outcome {
        Outcome::Held { reason } => reason,
        other => panic!("not held but {other:?}"),
    }
}

/// The time of the first thing of this kind.
#[track_caller]
fn first(report: &Report, what: impl Fn(&Happening) -> bool) -> Timestamp {
    *times(report, what).first().expect("it happened")
}

// --- a rotation opens

#[test]
fn a_changed_parameter_rotates_every_host_of_the_groups_that_follow_it() {
    let report = run(Scenario::new(1));
    assert_eq!((report.outcome.clone(), report.rotated), (Outcome::Closed, 6));
    assert_eq!(terminated(&report), detached(&report).into_iter().collect());
    assert_eq!(report.messages_in_dlq, 0);
}

#[test]
fn a_public_parameter_changes_without_an_event_and_the_schedule_finds_it() {
    let shape = GroupShape::new("demo-asg", 3).follows(Follows::Os("al2023"));
    let report = run(Scenario::new(1).groups(vec![shape]).trigger(Trigger::Schedule));
    assert_eq!((report.outcome, report.rotated), (Outcome::Closed, 3));
}

#[test]
fn a_person_asks_for_a_rotation() {
    let report = run(Scenario::new(1).hosts(3).trigger(Trigger::Message));
    assert_eq!((report.outcome, report.rotated), (Outcome::Closed, 3));
}

#[test]
fn nothing_is_replaced_when_a_person_asks_and_every_host_is_current() {
    let ask = Act::Send(r#"{"action":"rotate","cluster":"demo"}"#.to_owned());
    let report = run(Scenario::new(1).hosts(3).act(minutes(120), ask.clone()).act(minutes(121), ask));
    assert_eq!(report.rotated, 3, "once, for the release");
    assert_eq!(versions_made(&report), 1);
}

#[test]
fn force_replaces_hosts_that_are_current_once_however_often_the_message_comes() {
    let faults = Faults { duplicate_delivery: 0.9, ..Faults::none() };
    let report = run(Scenario::new(1).hosts(4).trigger(Trigger::Force).faults(faults));
    assert_eq!((report.outcome.clone(), report.rotated), (Outcome::Closed, 4));
    assert_eq!(versions_made(&report), 0, "the image is the same");
}

#[test]
fn a_rotation_of_one_group_leaves_the_others_alone() {
    let groups = vec![GroupShape::new("web-asg", 2), GroupShape::new("api-asg", 2).follows(Follows::Os("al2023"))];
    let report = run(Scenario::new(1).groups(groups));
    // The event of the own parameter opens a rotation of `web-asg`; the hourly check finds the other release later.
    let opened = times(&report, |what| matches!(what, Happening::RotationOpened { .. }));
    assert_eq!((opened.len(), report.rotated), (2, 4));
    let of =
        |name: &str| first(&report, |what| matches!(what, Happening::Detached { group, .. } if group.as_str() == name));
    assert!(of("web-asg") < of("api-asg"));
    assert!(of("api-asg") > opened[1]);
}

#[test]
fn a_second_ask_for_one_group_does_not_narrow_a_rotation_of_all() {
    let groups = vec![GroupShape::new("web-asg", 2), GroupShape::new("api-asg", 2).follows(Follows::Os("al2023"))];
    let all = Act::Send(r#"{"action":"rotate","cluster":"demo"}"#.to_owned());
    let one = Act::Send(r#"{"action":"rotate","cluster":"demo","groups":["web-asg"]}"#.to_owned());
    let scenario = Scenario::new(1).groups(groups).trigger(Trigger::Schedule);
    let mut simulation = Simulation::new(scenario.act(minutes(1), all).act(minutes(2), one));
    let until = simulation.now() + minutes(300);
    assert!(simulation.run_until(|world| world.ledger().closed.is_some(), until));
    let of_api = |what: &Happening| matches!(what, Happening::Detached { group, .. } if group.as_str() == "api-asg");
    assert_eq!(times_of(simulation.world(), of_api), 2);
}

#[test]
fn commands_for_unknown_clusters_and_groups_and_garbage_stop_nothing() {
    let mut scenario = Scenario::new(1).hosts(2);
    scenario.max_receives = 2;
    for body in [
        r#"{"action":"rotate","cluster":"nowhere"}"#,
        r#"{"action":"rotate","cluster":"other"}"#,
        r#"{"action":"rotate","cluster":"demo","groups":["nobody"]}"#,
        r#"{"action":"rotate","cluster":"demo","forse":true}"#,
        r#"{"action":"explode"}"#,
        "{",
        " ",
    ] {
        scenario = scenario.act(SignedDuration::ZERO, Act::Send(body.to_owned()));
    }
    let report = run(scenario.act(SignedDuration::ZERO, Act::Send("x".repeat(200 * 1024))));
    assert_eq!((report.outcome, report.rotated), (Outcome::Closed, 2));
    assert_eq!(report.messages_in_dlq, 5, "those that cannot be understood");
}

/// A cluster of the same name in another region, or in another account, is another cluster.
#[test]
fn what_is_asked_of_a_namesake_elsewhere_is_refused() {
    let force = |arn: &str| format!(r#"{{"action":"rotate","cluster":"{arn}","force":true}}"#);
    for (arn, rotated) in [
        ("arn:aws:ecs:us-east-1:123456789012:cluster/demo", 2),
        ("arn:aws:ecs:eu-west-1:210987654321:cluster/demo", 2),
        ("arn:aws:ecs:eu-west-1:123456789012:cluster/demo", 4),
    ] {
        // An hour after the release: every host is current, and only force replaces it.
        let scenario = Scenario::new(1).hosts(2).act(SignedDuration::from_hours(1), Act::Send(force(arn)));
        let mut simulation = Simulation::new(scenario);
        let end = simulation.now() + SignedDuration::from_hours(3);
        simulation.run_until(|_| false, end);
        let report = simulation.finish();
        assert_eq!((report.rotated, report.violations.len(), report.messages_in_dlq), (rotated, 0, 0), "{arn}");
    }
    let service = force("arn:aws:ecs:eu-west-1:123456789012:service/demo/web");
    let mut scenario = Scenario::new(1).hosts(2).act(SignedDuration::ZERO, Act::Send(service));
    scenario.max_receives = 2;
    let report = run(scenario);
    assert_eq!((report.rotated, report.messages_in_dlq), (2, 1), "no cluster at all");
}

// --- its template

#[test]
fn a_release_costs_one_version_per_template_whatever_rule_the_group_has() {
    for (version_rule, mixed) in [
        (VersionRule::Default, false),
        (VersionRule::Default, true),
        (VersionRule::Latest, false),
        (VersionRule::Latest, true),
        (VersionRule::Number(1), false),
        (VersionRule::Number(1), true),
    ] {
        let shape = GroupShape::new("demo-asg", 2).template(rule(version_rule, mixed));
        let report = run(Scenario::new(1).groups(vec![shape]).workers(2));
        assert_eq!((report.outcome.clone(), report.rotated), (Outcome::Closed, 2), "{version_rule} {mixed}");
        assert_eq!(versions_made(&report), 1, "{version_rule} {mixed}");
    }
}

#[test]
fn a_group_that_cannot_be_resolved_is_left_alone_and_the_others_go_on() {
    let groups =
        vec![GroupShape::new("odd-asg", 2).template(TemplateShape::Configuration), GroupShape::new("web-asg", 2)];
    let report = run(Scenario::new(1).groups(groups));
    assert_eq!((report.outcome.clone(), report.rotated), (Outcome::Closed, 2));
    assert_eq!(
        times(&report, |what| matches!(what, Happening::Detached { group, .. } if group.as_str() == "odd-asg")),
        []
    );
}

#[test]
fn a_group_that_opted_out_is_not_touched() {
    let groups = vec![GroupShape::new("out-asg", 2).disabled(), GroupShape::new("web-asg", 2)];
    let report = run(Scenario::new(1).groups(groups));
    assert_eq!((report.outcome, report.rotated), (Outcome::Closed, 2));
}

// --- who goes next

#[test]
fn no_more_hosts_are_in_flight_than_the_budget_allows() {
    for (budget, most) in
        // All but the canary, which has gone by then.
        [(Budget::Hosts(1), 1), (Budget::Hosts(3), 3), (Budget::Percent(25), 3), (Budget::Percent(100), 11)]
    {
        let settings = policy(Policy { max_in_flight: budget, ..Policy::default() });
        let report = run(Scenario::new(1).hosts(12).settings(settings));
        assert_eq!((report.outcome, report.rotated), (Outcome::Closed, 12));
        assert_eq!(report.max_in_flight_seen, most, "{budget}: used, and kept");
    }
}

#[test]
fn a_group_may_have_a_budget_of_its_own() {
    let shape = GroupShape::new("demo-asg", 6).tag("max-in-flight", "2");
    let report = run(Scenario::new(1).groups(vec![shape]));
    assert_eq!((report.outcome, report.rotated, report.max_in_flight_seen), (Outcome::Closed, 6, 2));
}

#[test]
fn the_cluster_has_a_budget_over_its_groups() {
    let settings =
        policy(Policy { max_in_flight: Budget::Hosts(2), max_in_flight_cluster: Some(3), ..Policy::default() });
    let groups = vec![GroupShape::new("a-asg", 4), GroupShape::new("b-asg", 4)];
    let report = run(Scenario::new(1).groups(groups).settings(settings));
    assert_eq!((report.outcome.clone(), report.rotated), (Outcome::Closed, 8));
    let (mut in_flight, mut most) = (BTreeSet::new(), 0);
    for moment in &report.timeline {
        match &moment.what {
            Happening::HostTagged { host, .. } => in_flight.insert(host.clone()),
            Happening::Terminated { host, .. } => in_flight.remove(host),
            _ => continue,
        };
        most = most.max(in_flight.len());
    }
    assert_eq!(most, 3);
}

#[test]
fn nobody_is_admitted_while_launches_are_suspended() {
    let suspended = Act::SuspendLaunches { group: "demo-asg".to_owned() };
    let resumed = Act::ResumeLaunches { group: "demo-asg".to_owned() };
    let mut scenario = Scenario::new(1).hosts(3);
    scenario.release_after = minutes(10);
    let report = run(scenario.act(SignedDuration::ZERO, suspended).act(minutes(8), resumed));
    assert_eq!((report.outcome.clone(), report.rotated), (Outcome::Closed, 3));
    let released = first(&report, |what| matches!(what, Happening::ReleasePublished { .. }));
    let left = first(&report, |what| matches!(what, Happening::Detached { .. }));
    assert!(left.duration_since(released) >= minutes(8), "{released} {left}");
}

#[test]
fn launches_that_stay_suspended_are_a_hold_that_says_so() {
    let suspended = Act::SuspendLaunches { group: "demo-asg".to_owned() };
    let report = run(Scenario::new(1).hosts(3).act(SignedDuration::ZERO, suspended));
    assert!(reason(&report).contains("demo-asg: launches are suspended for 15m"), "{}", reason(&report));
    assert_eq!(report.rotated, 0);
}

#[test]
fn a_host_that_a_person_has_set_aside_is_never_touched() {
    // The group is not whole then, and will not be: a person has to decide.
    let report = run(Scenario::new(1).hosts(3).act(minutes(-5), Act::Drain(0)));
    assert!(reason(&report).contains("2 of 3 members are ready"), "{}", reason(&report));
    assert_eq!(report.rotated, 0);
}

#[test]
fn a_paused_rotation_admits_nobody_until_it_is_resumed() {
    let pause = Act::Send(r#"{"action":"pause","cluster":"demo"}"#.to_owned());
    let resume = Act::Send(r#"{"action":"resume","cluster":"demo"}"#.to_owned());
    let report = run(Scenario::new(1).hosts(4).act(minutes(1), pause).act(minutes(60), resume));
    assert_eq!((report.outcome.clone(), report.rotated), (Outcome::Closed, 4));
    let paused = first(&report, |what| matches!(what, Happening::RotationPaused { .. }));
    let left = times(&report, |what| matches!(what, Happening::Detached { .. }));
    let meanwhile = left.iter().filter(|at| **at > paused && **at < paused + minutes(58)).count();
    assert_eq!(meanwhile, 0, "the host in flight finishes, and no other starts");
    let ended = times(&report, |what| matches!(what, Happening::Terminated { .. }));
    assert!(ended[0] > paused && ended[0] < paused + minutes(30), "the host in flight finishes");
}

#[test]
fn an_aborted_rotation_lets_the_hosts_in_flight_finish_and_does_not_begin_again_by_itself() {
    let abort = Act::Send(r#"{"action":"abort","cluster":"demo"}"#.to_owned());
    let mut simulation = Simulation::new(Scenario::new(1).hosts(4).act(minutes(1), abort));
    let until = simulation.now() + SignedDuration::from_hours(4);
    simulation.run_until(|_| false, until);
    let report = simulation.finish();
    assert_eq!((report.rotated, report.violations.as_slice()), (1, [].as_slice()));
    assert!(reason(&report).starts_with("aborted"), "{}", reason(&report));
}

// --- leaving, replacing

#[test]
fn a_host_is_drained_only_when_its_group_is_whole_without_it() {
    let report = run(Scenario::new(1).hosts(2));
    let registered = times(&report, |what| matches!(what, Happening::Registered { .. }));
    let draining = times(&report, |what| matches!(what, Happening::Draining { .. }));
    assert_eq!((registered.len(), draining.len()), (2, 2));
    assert!(registered[0] < draining[0] && registered[1] < draining[1]);
}

#[test]
fn regression_a_drain_begins_when_the_replacement_is_there_and_not_at_the_next_sweep() {
    // The group was read while the replacement was still pending in it, and its registration was no reason to read again.
    let report = run(Scenario::new(1).hosts(20));
    let registered = times(&report, |what| matches!(what, Happening::Registered { .. }));
    for at in times(&report, |what| matches!(what, Happening::Draining { .. })) {
        let last = registered.iter().filter(|registered| **registered < at).max().expect("a replacement");
        assert!(at.duration_since(*last) < SignedDuration::from_secs(40), "{last} {at}");
    }
}

#[test]
fn at_once_drains_without_waiting_for_the_replacement() {
    let settings = policy(Policy { drain: DrainWhen::AtOnce, ..Policy::default() });
    let report = run(Scenario::new(1).hosts(4).settings(settings));
    assert_eq!((report.outcome.clone(), report.rotated), (Outcome::Closed, 4));
    let draining = first(&report, |what| matches!(what, Happening::Draining { .. }));
    assert!(draining < first(&report, |what| matches!(what, Happening::Registered { .. })));
}

fn times_of(world: &World, which: impl Fn(&Happening) -> bool) -> usize {
    world.timeline().iter().filter(|moment| which(&moment.what)).count()
}

#[test]
fn a_hold_names_every_host_that_waits_for_a_replacement() {
    let settings = policy(Policy { max_in_flight: Budget::Hosts(2), ..Policy::default() });
    let mut simulation = Simulation::new(Scenario::new(1).hosts(5).settings(settings));
    let gone = |world: &World| times_of(world, |what| matches!(what, Happening::Terminated { .. })) == 1;
    assert!(simulation.run_until(gone, ecs_rotator::sim::START + LONG), "the canary has gone its way");
    simulation.world_mut().act(Act::Capacity { group: "demo-asg".to_owned(), there: false });
    let report = simulation.run(LONG);
    assert!(report.violations.is_empty(), "{:#?}", report.violations);
    let left = detached(&report).split_off(1);
    assert_eq!(left.len(), 2);
    assert!(left.iter().all(|host| reason(&report).contains(host.as_str())), "{left:?} {}", reason(&report));
}

#[test]
fn a_second_release_in_the_middle_of_a_rotation_is_taken_up() {
    for seed in 0..10 {
        let mut scenario = Scenario::new(seed).hosts(4);
        scenario.second_release_after = Some(minutes(3));
        let report = run(scenario);
        assert_eq!(report.outcome, Outcome::Closed, "seed {seed}: what runs the first release is no wrong image");
        assert_eq!(versions_made(&report), 2);
    }
}

#[test]
fn managed_scaling_in_the_middle_of_a_rotation_is_followed() {
    let more = Act::Scale { group: "demo-asg".to_owned(), desired: 6 };
    let fewer = Act::Scale { group: "demo-asg".to_owned(), desired: 3 };
    let report = run(Scenario::new(1).hosts(4).act(minutes(2), more).act(minutes(20), fewer));
    assert_eq!(report.outcome, Outcome::Closed);
}

// --- draining, drained

#[test]
fn a_host_goes_only_when_every_task_has_stopped_and_not_when_none_is_counted() {
    // Tasks take up to a minute and a half from "not counted" to STOPPED. (`run` asserts that none was interrupted.)
    for seed in 0..20 {
        let report = run(Scenario::new(seed).hosts(3));
        assert!(report.tasks_moved >= 36, "{}", report.tasks_moved);
    }
}

#[test]
fn a_standalone_task_is_waited_for() {
    let mut scenario = Scenario::new(1).hosts(2);
    scenario.standalone_tasks = 2;
    scenario.standalone_lasts = Delay::secs(3000, 3300);
    let report = run(scenario);
    assert_eq!((report.outcome, report.rotated), (Outcome::Closed, 2));
}

#[test]
fn a_drain_that_does_not_end_is_a_hold_that_names_host_and_tasks_and_goes_on_waiting() {
    let mut scenario = Scenario::new(1).hosts(2);
    scenario.stuck_task = true;
    let report = run(scenario);
    let text = reason(&report);
    assert!(text.contains("1 task not stopped after 1h of draining"), "{text}");
    assert!(detached(&report).iter().any(|host| text.contains(host.as_str())), "{text}");
}

#[test]
fn a_held_rotation_goes_on_when_a_person_resumes_it() {
    let suspended = Act::SuspendLaunches { group: "demo-asg".to_owned() };
    let launches = Act::ResumeLaunches { group: "demo-asg".to_owned() };
    let resume = Act::Send(r#"{"action":"resume","cluster":"demo"}"#.to_owned());
    let scenario = Scenario::new(1).hosts(3).act(SignedDuration::ZERO, suspended);
    let report = run(scenario.act(minutes(20), launches).act(minutes(21), resume));
    assert_eq!((report.outcome.clone(), report.rotated), (Outcome::Closed, 3));
    assert_eq!(times(&report, |what| matches!(what, Happening::RotationHeld { .. })).len(), 1);
}

// --- others at work

#[test]
fn a_host_that_dies_in_flight_is_not_waited_for() {
    let report = run(Scenario::new(1).hosts(3).act(SignedDuration::from_secs(150), Act::HostDies(0)));
    assert_eq!(report.outcome, Outcome::Closed);
}

#[test]
fn a_person_who_terminates_hosts_in_the_middle_only_helps() {
    let report = run(Scenario::new(1).hosts(5).act(minutes(1), Act::Terminate(0)).act(minutes(4), Act::Terminate(1)));
    assert_eq!(report.outcome, Outcome::Closed);
}

#[test]
fn an_agent_that_is_away_for_minutes_delays_and_breaks_nothing() {
    let away = |host| Act::AgentLost { host, for_: minutes(6) };
    let report =
        run(Scenario::new(1).hosts(4).act(minutes(1), away(0)).act(minutes(2), away(1)).act(minutes(3), away(2)));
    assert_eq!((report.outcome, report.rotated), (Outcome::Closed, 4));
}

#[test]
fn two_workers_on_one_queue_keep_the_budget() {
    for seed in 0..20 {
        let report = run(Scenario::new(seed).hosts(6).workers(2));
        assert_eq!((report.outcome, report.rotated, report.max_in_flight_seen), (Outcome::Closed, 6, 1), "seed {seed}");
    }
}

#[test]
fn regression_a_worker_sees_what_another_has_tagged_since_its_last_look_at_everything() {
    // Its kept view did not have the other's tags: once the other's replacement was there, the group looked whole and idle.
    for seed in [10, 12, 30, 36, 37, 39, 77, 85, 96, 151] {
        let report = run(Scenario::plain(seed).workers(2).faults(Faults::light()));
        assert_eq!(report.outcome, Outcome::Closed, "seed {seed}");
    }
}

#[test]
fn regression_a_worker_that_has_not_heard_of_the_newest_release_takes_no_host_that_runs_it() {
    // It had read the parameter before the second release, and held hosts on the newest image for outdated.
    for seed in (0..60).chain([529]) {
        let mut scenario = Scenario::plain(seed).workers(2);
        scenario.second_release_after = Some(SignedDuration::from_mins(3));
        let report = run(scenario);
        assert_eq!(report.outcome, Outcome::Closed, "seed {seed}");
    }
}

#[test]
fn the_host_that_the_worker_runs_on_goes_last() {
    for seed in 0..5 {
        let mut scenario = Scenario::new(seed).hosts(5);
        scenario.self_hosted = true;
        let mut simulation = Simulation::new(scenario);
        let own = simulation.world().workers_host().expect("it runs on one");
        let until = simulation.now() + common::LONG;
        assert!(simulation.run_until(|world| world.ledger().closed.is_some(), until));
        let report = simulation.finish();
        let left = detached(&report);
        assert_eq!((left.len(), left.last()), (5, Some(&own)), "seed {seed}");
    }
}

#[test]
fn regression_a_host_in_flight_is_found_although_its_rotation_says_closed() {
    // Another worker, with an older view, may have closed it: the sweep looks for our tag, whatever the cluster says.
    let mut simulation = Simulation::new(Scenario::new(1).hosts(3));
    let until = simulation.now() + common::LONG;
    assert!(simulation.run_until(|world| !world.orphans().is_empty(), until));
    let closed = "demo/20260114T031000Z closed 2026-01-14T03:10:01Z".to_owned();
    let tags = BTreeMap::from([("ecs-rotator:rotation".to_owned(), closed)]);
    let cluster = ecs_rotator::sim::world::cluster_arn(CLUSTER);
    simulation.world_mut().perform(&Request::TagResource { cluster, tags }).expect("tagged");
    simulation.kill(0);
    let until = simulation.now() + minutes(30);
    simulation.run_until(|world| world.orphans().is_empty(), until);
    assert_eq!(simulation.world().orphans(), [] as [String; 0]);
}

#[test]
fn regression_a_pause_is_noticed_by_the_other_worker_before_it_admits_anybody() {
    // Between two claims of the one the other hears of it, whenever that is.
    let at_any_moment = (330..800).step_by(10).map(|after| (1, SignedDuration::from_secs(after)));
    for (seed, after) in (0..10).map(|seed| (seed, minutes(7))).chain(at_any_moment) {
        let pause = Act::Send(r#"{"action":"pause","cluster":"demo"}"#.to_owned());
        let scenario = Scenario::new(seed).hosts(20).tasks_per_host(3).workers(2).act(after, pause);
        let mut simulation = Simulation::new(scenario);
        let until = simulation.now() + minutes(60);
        simulation.run_until(|_| false, until);
        let report = simulation.finish();
        let paused = first(&report, |what| matches!(what, Happening::RotationPaused { .. }));
        for at in times(&report, |what| matches!(what, Happening::HostTagged { .. })) {
            let heard = paused + SignedDuration::from_secs(5);
            assert!(at < heard, "seed {seed}, after {after:#}: paused {paused}, claimed {at}");
        }
    }
}

#[test]
fn regression_slow_answers_and_a_new_worker_do_not_make_a_stopping_task_invisible() {
    // The first look at a drain began anew listed what shall run, and nothing of what was stopping: the host looked empty.
    for seed in 0..40 {
        let mut scenario = Scenario::new(seed);
        scenario.latency = Delay::secs(5, 12);
        for service in &mut scenario.services {
            service.deregistration = Delay::secs(200, 300);
        }
        let report = run(scenario.faults(Faults { worker_kills_per_hour: 20.0, ..Faults::none() }));
        assert_eq!(report.outcome, Outcome::Closed, "seed {seed}");
    }
}

// --- permissions

fn denied(operation: &'static str) -> Report {
    let faults = Faults { denied: Some((operation, FailureKind::AccessDenied)), ..Faults::none() };
    let (report, errors) =
        ecs_rotator::sim::logs::errors_during(|| Simulation::new(Scenario::new(1).faults(faults)).run(minutes(180)));
    assert_eq!(errors, [] as [String; 0]);
    report
}

#[test]
fn a_change_that_is_not_allowed_is_a_hold_that_names_the_action_and_is_not_tried_for_ever() {
    for operation in [
        "CreateLaunchTemplateVersion",
        "CreateTags",
        "DetachInstances",
        "UpdateContainerInstancesState",
        "DeregisterContainerInstance",
        "TerminateInstances",
    ] {
        let report = denied(operation);
        assert!(reason(&report).contains(&format!("not allowed to call {operation}")), "{}", reason(&report));
        assert!(report.requests[operation] < 100, "{operation}: {}", report.requests[operation]);
    }
}

#[test]
fn a_read_that_is_not_allowed_is_a_hold_too_once_a_rotation_is_open() {
    let report = denied("ListTasks");
    assert!(reason(&report).contains("not allowed to call ListTasks"), "{}", reason(&report));
}

#[test]
fn a_parameter_that_may_not_be_read_leaves_only_its_groups_alone() {
    let report = denied("GetParameters");
    assert_eq!(report.rotated, 0);
    assert!(report.requests["GetParameters"] < 60, "{}", report.requests["GetParameters"]);
}

// --- what it costs

#[test]
fn regression_events_do_not_keep_a_cluster_at_rest_busy() {
    // Each whole look was so long that an event came in its middle, and each such event asked for another whole look.
    let mut scenario = Scenario::new(1).hosts(100).tasks_per_host(2);
    scenario.release_after = SignedDuration::from_hours(5);
    scenario.latency = Delay::millis(50, 150);
    scenario.page_size = 4;
    scenario.faults = Faults { agent_drops_per_hour: 120.0, ..Faults::none() };
    let mut simulation = Simulation::new(scenario);
    let until = simulation.now() + minutes(115);
    simulation.run_until(|_| false, until);
    let report = simulation.finish();
    assert!(report.events_received > 10_000, "{}", report.events_received);
    assert!(report.requests["DescribeCapacityProviders"] <= 5, "{:?}", report.requests);
}

#[test]
fn events_of_other_clusters_and_of_hosts_that_only_work_cost_no_call() {
    let mut busy = Scenario::new(1).hosts(6);
    busy.release_after = SignedDuration::from_hours(6);
    let mut simulation = Simulation::new(busy);
    let until = simulation.now() + SignedDuration::from_hours(5);
    simulation.run_until(|_| false, until);
    let report = simulation.finish();
    assert!(report.events_received > 50, "{}", report.events_received);
    assert_eq!(report.requests.get("DescribeContainerInstances"), report.requests.get("DescribeCapacityProviders"));
    assert_eq!(report.events_irrelevant + 5, report.events_received, "all but the hourly checks");
}

#[test]
fn when_every_event_is_lost_the_sweep_finds_what_they_would_have_told() {
    let faults = Faults { events_lost: 1.0, ..Faults::none() };
    let told = run(Scenario::new(1).trigger(Trigger::Message));
    let untold = run(Scenario::new(1).trigger(Trigger::Message).faults(faults));
    assert_eq!((untold.outcome, untold.rotated), (Outcome::Closed, 6));
    assert!(untold.simulated_seconds > told.simulated_seconds);
}

// --- when

#[test]
fn hosts_are_taken_only_in_the_window_and_those_in_flight_finish() {
    // The release comes at 03:10.
    let windows = Some("daily 03:00-03:20 UTC".parse().unwrap());
    let calendar = Calendar { windows, ..Calendar::default() };
    let report = run(Scenario::new(1).settings(policy(Policy { calendar, ..Policy::default() })));
    assert_eq!((report.outcome.clone(), report.rotated), (Outcome::Closed, 6));
    let minute = |at: &Timestamp| at.as_second() / 60 % (24 * 60);
    let left = times(&report, |what| matches!(what, Happening::Detached { .. }));
    assert!(left.iter().all(|at| (180..200).contains(&minute(at))), "{left:?}");
    assert!(left[5].duration_since(left[0]) > SignedDuration::from_hours(23), "not all in one night: {left:?}");
    let gone = times(&report, |what| matches!(what, Happening::Terminated { .. }));
    assert!(gone.iter().any(|at| minute(at) >= 200), "one finishes after the window: {gone:?}");
}

#[test]
fn nothing_begins_in_a_freeze_not_even_a_template_version() {
    let calendar = Calendar { freeze: "2026-01-14..2026-01-15 UTC".parse().unwrap(), ..Calendar::default() };
    let report = run(Scenario::new(1).settings(policy(Policy { calendar, ..Policy::default() })));
    assert_eq!((report.outcome.clone(), report.rotated), (Outcome::Closed, 6));
    let thaw: Timestamp = "2026-01-16T00:00:00Z".parse().unwrap();
    let begun = times(&report, |what| {
        matches!(
            what,
            Happening::Detached { .. } | Happening::TemplateVersionMade { .. } | Happening::HostTagged { .. }
        )
    });
    assert!(begun.iter().all(|at| *at >= thaw), "{begun:?}");
    assert!(begun[0].duration_since(thaw) < minutes(2), "and then at once: {begun:?}");
}

#[test]
fn a_rotation_that_has_only_a_template_to_write_stays_open_through_a_freeze() {
    let calendar = Calendar { freeze: "2026-01-14 UTC".parse().unwrap(), ..Calendar::default() };
    let scenario = Scenario::new(1).groups(vec![GroupShape::new("empty-asg", 0)]);
    let report = run(scenario.settings(policy(Policy { calendar, ..Policy::default() })));
    assert_eq!((report.outcome.clone(), versions_made(&report)), (Outcome::Closed, 1));
    let opened = times(&report, |what| matches!(what, Happening::RotationOpened { .. }));
    assert_eq!(opened.len(), 1, "no check opens it anew each hour: {opened:?}");
}

// --- the scheduled question

#[test]
fn at_rest_a_check_of_releases_reads_parameters_and_groups_and_nothing_else() {
    let groups = ["a-asg", "b-asg", "c-asg"].map(|name| GroupShape::new(name, 2));
    let [a, b, c] = groups;
    let groups = vec![a, b.follows(Follows::Os("bottlerocket")), c];
    // Ten checks; and the first look, and another one after six hours.
    for (page_size, of_groups) in [(100, 11), (2, 22)] {
        let mut scenario = Scenario::new(1).groups(groups.clone());
        (scenario.release_after, scenario.page_size) = (SignedDuration::from_hours(20), page_size);
        let mut simulation = Simulation::new(scenario);
        simulation.run_until(|_| false, simulation.now() + SignedDuration::from_hours(10));
        let report = simulation.finish();
        for (operation, calls) in
            [("DescribeContainerInstances", 2), ("DescribeAutoScalingGroups", of_groups), ("GetParameters", 11)]
        {
            assert_eq!(report.requests[operation], calls, "{page_size}: {operation}: {:?}", report.requests);
        }
    }
}

#[test]
fn a_release_that_no_event_tells_of_is_found_by_the_next_check() {
    for follows in [Follows::Own, Follows::Os("windows"), Follows::Named] {
        let mut scenario =
            Scenario::new(1).groups(vec![GroupShape::new("a-asg", 2).follows(follows)]).trigger(Trigger::Schedule);
        scenario.release_after = SignedDuration::from_mins(200);
        let report = run(scenario);
        assert_eq!((report.outcome.clone(), report.rotated), (Outcome::Closed, 2));
        let opened = times(&report, |what| matches!(what, Happening::RotationOpened { .. }))[0];
        let released = times(&report, |what| matches!(what, Happening::ReleasePublished { .. }))[0];
        assert!(opened.duration_since(released) < minutes(61), "{follows:?}");
    }
}

fn opened(world: &World) -> usize {
    times_of(world, |what| matches!(what, Happening::RotationOpened { .. }))
}

#[test]
fn a_group_that_takes_part_again_is_found_by_the_next_check() {
    let groups = ["a-asg", "b-asg", "c-asg", "d-asg"].map(|name| GroupShape::new(name, 1));
    let groups = groups.into_iter().chain([GroupShape::new("e-asg", 1).disabled()]).collect();
    let mut scenario = Scenario::new(1).groups(groups);
    scenario.page_size = 2;
    let mut simulation = Simulation::new(scenario);
    let start = simulation.now();
    simulation.run_until(|_| false, start + SignedDuration::from_hours(4));
    assert_eq!((opened(simulation.world()), simulation.world().ledger().closed.is_some()), (1, true));
    simulation.world_mut().edit_group(&"e-asg".into(), |group| {
        group.tags.insert("ecs-rotator:enabled".to_owned(), "true".to_owned());
    });
    simulation.run_until(|_| false, start + SignedDuration::from_hours(4) + minutes(61));
    assert_eq!(opened(simulation.world()), 2, "no parameter tells of it");
}

#[test]
fn clusters_and_hosts_beyond_the_first_page_are_looked_after_too() {
    let mut scenario = Scenario::new(1).hosts(3).tasks_per_host(4).clusters(5);
    scenario.page_size = 2;
    let report = run(scenario);
    assert_eq!((report.outcome, report.rotated), (Outcome::Closed, 15));
}

#[test]
fn what_parameters_do_not_tell_is_found_within_hours() {
    let mut scenario = Scenario::new(1).hosts(2).settings(policy(Policy { allow_older: true, ..Policy::default() }));
    scenario.release_after = SignedDuration::from_hours(200);
    let mut simulation = Simulation::new(scenario);
    let start = simulation.now();
    simulation.run_until(|_| false, start + SignedDuration::from_hours(3));
    // A person puts the group on an image that is not the one its parameter names.
    let group = simulation.world().account().groups.values().find(|group| group.name.as_str() == "demo-asg").unwrap();
    let template = group.launch.templates().first().unwrap().template.clone();
    let draft = Request::CreateLaunchTemplateVersion {
        template,
        source: 1,
        image: "ami-00889f88f00000003".into(),
        block_devices: Vec::new(),
        description: "by hand".to_owned(),
        client_token: "by hand".to_owned(),
    };
    let opened = |world: &ecs_rotator::sim::world::World| {
        world.timeline().iter().any(|moment| matches!(moment.what, Happening::RotationOpened { .. }))
    };
    simulation.world_mut().perform(&draft).unwrap();
    assert!(!simulation.run_until(opened, start + SignedDuration::from_hours(5)), "the parameter says what it said");
    assert!(simulation.run_until(opened, start + SignedDuration::from_hours(8)), "six hours after the last look");
}

/// ECS alone chooses where a task goes. Spread over zones and hosts it goes to the new host, which is the emptiest, but for a
/// few that even out zones. Where it goes to the fullest host, that is an old one more often: the count sees it.
#[test]
fn tasks_that_are_spread_move_to_new_hosts_and_hardly_ever_to_old_ones() {
    let (mut spread, mut packed) = (0, 0);
    for seed in 0..2 {
        for budget in [Budget::Percent(10), Budget::Percent(25)] {
            let mut scenario = Scenario::new(seed).hosts(20);
            scenario.settings.policy.max_in_flight = budget;
            packed += run(Scenario { placement: Placement::Binpack, ..scenario.clone() }).tasks_moved_old_to_old;
            let report = run(scenario);
            let (again, all) = (report.tasks_moved_old_to_old, report.tasks_moved);
            assert!(all >= 240 && again * 25 <= all, "seed {seed}, {budget}: {again} of {all}");
            assert_eq!(report.tasks_moved_for_want_of_room, 0, "seed {seed}, {budget}");
            spread += again;
        }
    }
    assert!(packed > spread, "{packed} and {spread}");
}
