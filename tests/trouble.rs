//! When it does not go well: releases that fail, drains that do not end, hosts that go back. Promises are checked after every
//! effect in all of them.

#![allow(clippy::wildcard_enum_match_arm, reason = "each test is about a few of the things that happen")]

mod common;

use std::collections::BTreeSet;

use common::{LONG, run, times};
use ecs_rotator::effect::{Lifecycle, VersionRule};
use ecs_rotator::engine::Settings;
use ecs_rotator::id::{AmiId, GroupName};
use ecs_rotator::plan::policy::{Budget, Ladder, Policy};
use ecs_rotator::sim::world::World;
use ecs_rotator::sim::{
    Act, BadRelease, Delay, Faults, Follows, GroupShape, Happening, Outcome, Report, Scenario, Simulation,
    TemplateShape, Trigger, logs,
};
use jiff::{SignedDuration, Timestamp};

fn minutes(n: i64) -> SignedDuration {
    SignedDuration::from_mins(n)
}

fn policy(policy: Policy) -> Settings {
    Settings { policy, ..Settings::default() }
}

fn bad(bad: BadRelease, template: TemplateShape) -> Scenario {
    let shape = GroupShape::new("demo-asg", 3).template(template);
    Scenario::new(1).groups(vec![shape]).bad_release(bad)
}

fn rule(rule: VersionRule) -> TemplateShape {
    TemplateShape::Rule { rule, mixed: false }
}

/// What the world is like when a rotation is over, beside the report.
struct After {
    report: Report,
    /// Members of the group `demo-asg` that run, and their images.
    members: Vec<AmiId>,
    desired: u32,
    /// The images that the group launches.
    launches: BTreeSet<AmiId>,
    rejected: String,
    /// Hosts that run and carry our tag.
    ours: usize,
}

#[track_caller]
fn run_to_the_end(scenario: Scenario) -> After {
    run_to_the_end_in(scenario, minutes(90))
}

/// Until it is held or closed, and so much longer.
#[track_caller]
fn run_to_the_end_in(scenario: Scenario, longer: SignedDuration) -> After {
    let name = GroupName::from("demo-asg");
    let ((world, report), errors) = logs::errors_during(|| {
        let mut simulation = Simulation::new(scenario);
        simulation.run_until(|world| world.ledger().held.is_some() || world.ledger().closed.is_some(), end(LONG));
        let until = simulation.now() + longer;
        simulation.run_until(|_| false, until);
        let world = simulation.world().clone();
        (world, simulation.finish())
    });
    assert!(report.violations.is_empty(), "{:#?}", report.violations);
    assert!(errors.is_empty(), "logged as broken: {errors:#?}");
    assert_eq!(report.tasks_interrupted, 0);
    after(&world, &name, report)
}

fn end(limit: SignedDuration) -> Timestamp {
    ecs_rotator::sim::START + limit
}

fn after(world: &World, name: &GroupName, report: Report) -> After {
    let account = world.account();
    let group = &account.groups[name];
    let members = account.members_of(name).filter(|(_, host)| host.member == Some(Lifecycle::InService));
    let key = "ecs-rotator:rotation";
    let ours = account.hosts.values().filter(|host| host.is_up());
    let ours = ours.filter(|host| host.tags.get(key).is_some_and(|value| !value.is_empty())).count();
    After {
        members: members.map(|(_, host)| host.image.clone()).collect(),
        desired: group.desired,
        launches: account.images_to_launch(group),
        rejected: group.tags.get("ecs-rotator:rejected").cloned().unwrap_or_default(),
        ours,
        report,
    }
}

fn rejected(world: &World, group: &str) -> String {
    world.account().groups[&group.into()].tags.get("ecs-rotator:rejected").cloned().unwrap_or_default()
}

#[track_caller]
fn reason(report: &Report) -> &str {
    match &report.outcome {
        Outcome::Held { reason } => reason,
        other => panic!("not held but {other:?}"),
    }
}

fn old() -> AmiId {
    World::image_of(Follows::Own, 0)
}

fn new() -> AmiId {
    World::image_of(Follows::Own, 1)
}

/// As it was before the release: three hosts on the old image, none of them ours, and the new one rejected.
#[track_caller]
fn is_undone(after: &After) {
    assert_eq!(after.rejected, new().to_string(), "{}", told(&after.report));
    assert_eq!(after.launches, BTreeSet::from([old()]), "the template is put back");
    assert_eq!((after.members.clone(), after.desired), (vec![old(); 3], 3), "{}", told(&after.report));
    assert_eq!(after.ours, 0, "nothing is left behind: {}", told(&after.report));
    assert!(reason(&after.report).contains(new().as_str()), "{}", reason(&after.report));
}

fn told(report: &Report) -> String {
    report.timeline.iter().map(|moment| format!("{} {:?}\n", moment.at, moment.what)).collect()
}

// --- the canary

#[test]
fn the_first_host_goes_alone_and_the_others_follow_when_its_replacement_has_baked() {
    let settings = policy(Policy { max_in_flight: Budget::Hosts(3), ..Policy::default() });
    let report = run(Scenario::new(1).hosts(7).settings(settings));
    assert_eq!((report.outcome.clone(), report.rotated, report.max_in_flight_seen), (Outcome::Closed, 7, 3));
    let detached = times(&report, |what| matches!(what, Happening::Detached { .. }));
    let registered = times(&report, |what| matches!(what, Happening::Registered { .. }));
    assert!(detached[1] >= registered[0] + minutes(5), "{detached:?} {registered:?}");
    assert!(detached[2] < detached[1] + minutes(1), "then as many as the budget allows");
}

#[test]
fn a_bad_image_stops_at_one_host_and_is_undone_whatever_names_the_version() {
    for version in [VersionRule::Latest, VersionRule::Default, VersionRule::Number(1)] {
        for mixed in [false, true] {
            let after = run_to_the_end(bad(BadRelease::NeverRegisters, TemplateShape::Rule { rule: version, mixed }));
            is_undone(&after);
            let detached = times(&after.report, |what| matches!(what, Happening::Detached { .. }));
            assert_eq!(detached.len(), 1, "{version}");
            assert_eq!(after.report.rotated, 0, "{version}: the one that was taken came back");
        }
    }
}

#[test]
fn a_bad_image_is_undone_in_every_way_in_which_it_is_written() {
    let by_parameter = TemplateShape::ReleaseByParameter { checked: true };
    is_undone(&run_to_the_end(bad(BadRelease::NeverRegisters, by_parameter)));
    let scenario = bad(BadRelease::NeverRegisters, TemplateShape::OwnImage { base: VersionRule::Default });
    let after = run_to_the_end(scenario);
    assert_eq!((after.rejected.as_str(), after.ours), (new().as_str(), 0), "{}", told(&after.report));
    assert_eq!(after.launches, BTreeSet::from([old()]));
}

#[test]
fn what_a_template_reads_itself_cannot_be_put_back_and_the_hold_says_so() {
    let after = run_to_the_end(bad(BadRelease::NeverRegisters, TemplateShape::Resolves));
    assert_eq!(after.launches, BTreeSet::from([new()]), "it is the owner's");
    assert_eq!((after.rejected.as_str(), after.ours, after.desired), (new().as_str(), 0, 3), "{}", told(&after.report));
    assert_eq!(after.members, vec![old(); 3], "the host is back all the same");
    assert!(reason(&after.report).contains("resolve:ssm"), "{}", reason(&after.report));
}

#[test]
fn groups_that_share_a_template_reject_together_and_it_is_put_back() {
    let shape = |name: &str| GroupShape::new(name, 3).template(rule(VersionRule::Default));
    let groups = vec![shape("demo-asg"), shape("web-asg").shares("demo-asg")];
    is_undone(&run_to_the_end(Scenario::new(1).groups(groups).bad_release(BadRelease::NeverRegisters)));
}

#[test]
fn a_group_that_shares_the_template_rejects_too_although_only_the_other_is_rotated() {
    let shape = |name: &str| GroupShape::new(name, 3).template(rule(VersionRule::Default));
    let groups = vec![shape("demo-asg"), shape("web-asg").shares("demo-asg")];
    let only_one = Act::Send(r#"{"action":"rotate","cluster":"demo","groups":["demo-asg"]}"#.to_owned());
    let scenario = Scenario::new(1).groups(groups).bad_release(BadRelease::NeverRegisters);
    let mut simulation = Simulation::new(scenario.trigger(Trigger::Schedule).act(minutes(1), only_one));
    // The hourly check would widen it to both.
    let until = simulation.now() + minutes(50);
    assert!(simulation.run_until(|world| world.ledger().held.is_some(), until));
    assert!(rejected(simulation.world(), "demo-asg").contains(new().as_str()));
    assert_eq!(rejected(simulation.world(), "web-asg"), rejected(simulation.world(), "demo-asg"));
}

#[test]
fn a_second_image_that_fails_does_not_make_the_first_one_forgotten() {
    let mut simulation = Simulation::new(bad(BadRelease::NeverRegisters, rule(VersionRule::Latest)));
    let tag = ("ecs-rotator:rejected".to_owned(), "ami-0aaa".to_owned());
    simulation.world_mut().edit_group(&"demo-asg".into(), |group| group.tags.extend([tag]));
    simulation.run_until(|world| world.ledger().held.is_some(), end(LONG));
    assert_eq!(rejected(simulation.world(), "demo-asg"), format!("ami-0aaa {}", new()));
}

#[test]
fn a_bad_image_is_rejected_where_nothing_is_baked_too() {
    for fault in [BadRelease::NeverRegisters, BadRelease::LaunchFails] {
        let settings = policy(Policy { bake: SignedDuration::ZERO, ..Policy::default() });
        let after = run_to_the_end(bad(fault, rule(VersionRule::Latest)).settings(settings));
        assert_eq!(after.rejected, new().to_string(), "{fault:?}: {}", told(&after.report));
    }
}

#[test]
fn launches_that_fail_for_the_image_undo_it_at_once() {
    for version in [VersionRule::Latest, VersionRule::Default, VersionRule::Number(1)] {
        let after = run_to_the_end(bad(BadRelease::LaunchFails, rule(version)));
        // The host that was taken goes its way once another of before has come in its place.
        assert_eq!((after.rejected.as_str(), after.ours, after.desired), (new().as_str(), 0, 3), "{version}");
        assert_eq!(after.members, vec![old(); 3]);
        let failed = times(&after.report, |what| matches!(what, Happening::LaunchFailed { .. }));
        let rejected = times(&after.report, |what| matches!(what, Happening::Rejected { .. }));
        assert!(rejected[0] < failed[0] + minutes(1), "from the event, and not after the timeout");
        let held = reason(&after.report);
        assert!(held.contains("cannot be launched"), "{held}");
    }
}

#[test]
fn when_the_event_is_lost_a_launch_that_failed_is_found_all_the_same() {
    let faults = Faults { events_lost: 1.0, ..Faults::none() };
    let after = run_to_the_end(bad(BadRelease::LaunchFails, rule(VersionRule::Latest)).faults(faults));
    assert_eq!(after.rejected, new().to_string());
}

#[test]
fn launches_that_fail_for_lack_of_capacity_are_waited_for_and_blame_no_image() {
    let gone = Act::Capacity { group: "demo-asg".to_owned(), there: false };
    let back = Act::Capacity { group: "demo-asg".to_owned(), there: true };
    let short = Scenario::new(1).hosts(3).act(minutes(0), gone.clone()).act(minutes(10), back);
    let report = run(short);
    assert_eq!((report.outcome, report.rotated), (Outcome::Closed, 3));
    let after = run_to_the_end(Scenario::new(1).hosts(3).act(minutes(0), gone));
    let held = reason(&after.report);
    assert!(held.contains("no replacement in demo-asg within 15m") && held.contains("sufficient"), "{held}");
    assert_eq!(after.rejected, "");
}

/// Its hosts end within seconds, one after another: that looks like an image that kills them.
#[test]
fn a_key_that_auto_scaling_may_not_use_holds_the_rotation_and_blames_no_image() {
    let after = run_to_the_end(bad(BadRelease::KeyDenied, rule(VersionRule::Default)));
    assert_eq!(after.rejected, "", "{}", told(&after.report));
    let held = reason(&after.report);
    assert!(held.contains("no replacement in demo-asg") && held.contains("AWSServiceRoleForAutoScaling"), "{held}");
}

#[test]
fn agents_that_fall_silent_during_the_bake_are_the_images_fault() {
    let after = run_to_the_end(bad(BadRelease::AgentsFallSilent, rule(VersionRule::Default)));
    assert_eq!((after.rejected.as_str(), after.desired), (new().as_str(), 3), "{}", told(&after.report));
    assert_eq!(after.launches, BTreeSet::from([old()]));
    let held = reason(&after.report);
    assert!(held.contains("has not been connected"), "{held}");
}

#[test]
fn hosts_that_die_during_the_bake_are_an_accident_once_or_twice_and_then_the_images_fault() {
    let after = run_to_the_end(bad(BadRelease::HostsDie, rule(VersionRule::Default)));
    assert_eq!(after.rejected, new().to_string(), "{}", told(&after.report));
    assert_eq!((after.members.clone(), after.desired), (vec![old(); 3], 3), "{}", told(&after.report));
    assert!(reason(&after.report).contains("were lost before one had served for 5m"), "{}", reason(&after.report));
}

#[test]
fn tasks_that_break_on_the_new_hosts_and_not_on_the_old_ones_undo_the_image() {
    let after = run_to_the_end(bad(BadRelease::TasksFail, rule(VersionRule::Latest)));
    assert_eq!(after.rejected, new().to_string(), "{}", told(&after.report));
    assert_eq!((after.members.clone(), after.desired), (vec![old(); 3], 3), "{}", told(&after.report));
    let held = reason(&after.report);
    assert!(held.contains("tasks broke on"), "{held}");
    assert_eq!(after.ours, 0);
}

#[test]
fn a_rejected_image_is_not_tried_again_by_itself_and_a_newer_one_is() {
    let resume = Act::Send(r#"{"action":"rotate","cluster":"demo"}"#.to_owned());
    let scenario = bad(BadRelease::NeverRegisters, rule(VersionRule::Latest)).act(minutes(60), resume.clone());
    let report = run(scenario.clone());
    assert_eq!(report.outcome, common::skipped("demo-asg=rejected"), "there is nothing to be done");
    let tried = |report: &Report| {
        let of_bad = |what: &Happening| matches!(what, Happening::Launched { image, .. } if *image == new());
        times(report, of_bad).len()
    };
    assert_eq!(tried(&report), 1);
    let report = run(scenario.act(minutes(90), Act::Release(2)).act(minutes(91), resume));
    assert_eq!((report.outcome.clone(), report.rotated, tried(&report)), (Outcome::Closed, 3, 1), "{}", told(&report));
}

#[test]
fn a_group_of_a_fixed_size_gets_a_host_of_before_and_the_one_that_was_taken_goes_its_way() {
    let mut simulation = Simulation::new(bad(BadRelease::NeverRegisters, rule(VersionRule::Default)));
    let name = GroupName::from("demo-asg");
    simulation.world_mut().edit_group(&name, |group| (group.min, group.max) = (3, 3));
    simulation.run_until(|world| world.ledger().held.is_some(), end(LONG));
    let until = simulation.now() + minutes(60);
    simulation.run_until(|_| false, until);
    let world = simulation.world().clone();
    let after = after(&world, &name, simulation.finish());
    assert!(after.report.violations.is_empty(), "{:#?}", after.report.violations);
    assert_eq!((after.members.clone(), after.ours), (vec![old(); 3], 0), "{}", told(&after.report));
}

#[test]
fn power_lost_during_the_way_back_loses_nothing() {
    let scenario = || bad(BadRelease::NeverRegisters, rule(VersionRule::Default));
    let undisturbed = Simulation::new(scenario());
    let effects = {
        let mut simulation = undisturbed;
        simulation.run_until(|world| world.ledger().held.is_some(), end(LONG));
        let until = simulation.now() + minutes(30);
        simulation.run_until(|_| false, until);
        simulation.effects()
    };
    assert!(effects > 8, "{effects}");
    for effect in 1..=effects {
        let faults = Faults { kill_after_effect: Some(effect), stale_reads: 0.3, ..Faults::none() };
        let after = run_to_the_end(scenario().faults(faults));
        assert!(reason(&after.report).contains(new().as_str()), "{effect}: {}", told(&after.report));
        is_undone(&after);
    }
}

#[test]
fn a_bad_release_is_undone_on_bad_days_too() {
    for seed in 0..60 {
        for fault in [BadRelease::NeverRegisters, BadRelease::LaunchFails, BadRelease::TasksFail] {
            let mut scenario = Scenario::plain(seed).bad_release(fault).faults(Faults::heavy());
            scenario.second_release_after = None;
            let report = run(scenario);
            assert_ne!(report.outcome, Outcome::Open, "seed {seed} {fault:?}");
        }
    }
}

// --- drains that do not end

fn stuck(ladder: Ladder) -> Scenario {
    let mut scenario = Scenario::new(1).hosts(3).settings(policy(Policy { ladder, ..Policy::default() }));
    scenario.stuck_task = true;
    scenario
}

#[test]
fn a_standalone_task_is_stopped_when_the_ladder_says_so_and_not_before() {
    let ladder = Ladder { stop_standalone_after: Some(minutes(20)), ..Ladder::default() };
    let report = run(stuck(ladder));
    assert_eq!((report.outcome.clone(), report.rotated), (Outcome::Closed, 3), "{}", told(&report));
    assert!(matches!(run(stuck(Ladder::default())).outcome, Outcome::Held { .. }));
}

#[test]
fn a_service_that_can_never_be_moved_is_given_up_and_its_host_is_back_in_its_group() {
    let ladder = Ladder { give_up_after: Some(minutes(90)), ..Ladder::default() };
    let mut scenario = Scenario::new(1).hosts(3).settings(policy(Policy { ladder, ..Policy::default() }));
    scenario = scenario.services(vec![ecs_rotator::sim::ServiceShape::new("web", 3, 100, 100)]);
    let after = run_to_the_end_in(scenario, minutes(240));
    assert_eq!((after.members.len(), after.desired, after.ours), (3, 3, 0), "{}", told(&after.report));
    assert!(after.members.contains(&old()), "{:?}", after.members);
    let held = reason(&after.report);
    assert!(held.contains("given up after 1h 30m"), "{held}");
    let back = times(&after.report, |what| matches!(what, Happening::Attached { .. }));
    assert_eq!(back.len(), 1);
}

#[test]
fn a_host_that_is_given_up_and_cannot_be_attached_is_active_again_and_stands_in_the_hold() {
    let ladder = Ladder { give_up_after: Some(minutes(90)), ..Ladder::default() };
    let after = run_to_the_end_in(stuck(ladder), minutes(240));
    let active = times(&after.report, |what| matches!(what, Happening::Activated { .. }));
    assert_eq!(active.len(), 1, "{}", told(&after.report));
    assert!(reason(&after.report).contains("not given back"), "{}", reason(&after.report));
    assert_eq!(after.desired, 3);
}

#[test]
fn a_drain_is_forced_only_when_the_policy_says_so() {
    let ladder = Ladder { force_after: Some(minutes(70)), ..Ladder::default() };
    let after = run_to_the_end_in(stuck(ladder), minutes(240));
    assert!(after.report.violations.is_empty());
    assert_eq!(after.ours, 0, "{}", told(&after.report));
}

#[test]
fn a_host_whose_agent_is_away_for_good_is_forced_in_the_end() {
    let ladder = Ladder { force_after: Some(minutes(30)), ..Ladder::default() };
    let mut simulation = Simulation::new(stuck(ladder));
    simulation.run_until(drains, end(LONG));
    let host = (0..).find(|n| drains_nth(simulation.world(), *n)).expect("one drains");
    simulation.world_mut().act(Act::AgentLost { host, for_: SignedDuration::from_hours(100) });
    let until = simulation.now() + SignedDuration::from_mins(60);
    simulation.run_until(|_| false, until);
    let report = simulation.finish();
    assert!(report.violations.iter().all(|violation| violation.promise == 7), "{:#?}", report.violations);
    assert!(report.rotated >= 1, "{}", told(&report));
}

/// For each host that was terminated, how long after the beginning of its drain.
fn drained_for(report: &Report) -> Vec<SignedDuration> {
    let (mut began, mut drained) = (std::collections::BTreeMap::new(), Vec::new());
    for moment in &report.timeline {
        match &moment.what {
            Happening::Draining { host, .. } => _ = began.insert(host.clone(), moment.at),
            Happening::Terminated { host, .. } => {
                drained.extend(began.remove(host).map(|at| moment.at.duration_since(at)));
            }
            _ => {}
        }
    }
    drained
}

#[test]
fn a_task_whose_containers_were_told_to_stop_has_ten_minutes_before_its_host_is_forced() {
    let ladder = Ladder { force_after: Some(minutes(70)), ..Ladder::default() };
    let mut scenario = stuck(ladder);
    scenario.task_stop = Delay::secs(1500, 1501);
    let mut simulation = Simulation::new(scenario);
    simulation.run_until(|_| false, end(LONG));
    let report = simulation.finish();
    assert_eq!((report.tasks_interrupted, report.violations.as_slice()), (1, [].as_slice()), "{}", told(&report));
    let longest = drained_for(&report).into_iter().max().unwrap_or_default();
    assert!(longest >= minutes(80) - SignedDuration::from_secs(5) && longest < minutes(83), "{longest:#}");
}

fn drains(world: &World) -> bool {
    (0..world.hosts_by_age().len()).any(|n| drains_nth(world, n))
}

fn drains_nth(world: &World, n: usize) -> bool {
    let host = world.hosts_by_age().get(n).and_then(|no| world.account().host(*no));
    host.and_then(|host| host.status()) == Some(ecs_rotator::effect::ContainerInstanceStatus::Draining)
}

// --- a person stops it

#[test]
fn an_aborted_rotation_gives_back_what_has_not_begun_to_drain() {
    let mut scenario = Scenario::new(1).hosts(4);
    scenario.registration = Delay::secs(200, 240);
    let abort = Act::Send(r#"{"action":"abort","cluster":"demo"}"#.to_owned());
    let after = run_to_the_end(scenario.act(minutes(1), abort));
    assert_eq!((after.members.len(), after.desired, after.ours), (4, 4, 0), "{}", told(&after.report));
    assert_eq!(times(&after.report, |what| matches!(what, Happening::Attached { .. })).len(), 1);
    assert!(reason(&after.report).starts_with("aborted"), "{}", reason(&after.report));
}

// --- pauses

#[test]
fn every_replacement_settles_before_the_next_host_is_taken() {
    let settings = policy(Policy { settle: minutes(20), max_in_flight: Budget::Hosts(2), ..Policy::default() });
    let report = run(Scenario::new(1).hosts(4).settings(settings));
    assert_eq!((report.outcome.clone(), report.rotated), (Outcome::Closed, 4));
    let detached = times(&report, |what| matches!(what, Happening::Detached { .. }));
    let registered = times(&report, |what| matches!(what, Happening::Registered { .. }));
    assert!(detached[1] >= registered[0] + minutes(20), "{}", told(&report));
    assert!(detached[3] >= registered[1] + minutes(20), "{}", told(&report));
}

// --- waits that end by their timeout

#[test]
fn a_host_that_waits_for_launches_to_be_detached_is_a_hold_that_names_it() {
    let mut simulation = Simulation::new(Scenario::new(1).hosts(3));
    let tagged =
        |world: &World| world.timeline().iter().any(|moment| matches!(moment.what, Happening::HostTagged { .. }));
    assert!(simulation.run_until(tagged, end(LONG)));
    // Between the tag and the detach.
    simulation.world_mut().act(Act::SuspendLaunches { group: "demo-asg".to_owned() });
    let faults_over = simulation.now() + minutes(40);
    simulation.run_until(|world| world.ledger().held.is_some(), faults_over);
    let report = simulation.finish();
    let held = reason(&report);
    assert!(held.contains("launches are suspended") || held.contains("no replacement"), "{held}");
    assert!(report.violations.is_empty(), "{:#?}", report.violations);
}

/// Its group has it again, and what is left is to let go of it: no timeout is about that.
#[test]
fn a_host_that_is_back_in_its_group_is_not_said_to_be_missing_there() {
    let bad = bad(BadRelease::NeverRegisters, rule(VersionRule::Default));
    let policy = Policy { replacement_timeout: SignedDuration::from_secs(20), ..bad.settings.policy.clone() };
    let settings = Settings { policy, ..bad.settings.clone() };
    let after = run_to_the_end(bad.settings(settings));
    assert_eq!(times(&after.report, |what| matches!(what, Happening::Attached { .. })).len(), 1);
    let held = reason(&after.report);
    assert!(held.contains("did not register") && !held.contains("not given back"), "{held}");
}

#[test]
fn a_host_that_cannot_be_attached_in_time_stands_in_the_hold() {
    let denied = Some(("AttachInstances", ecs_rotator::effect::FailureKind::Throttled));
    let faults = Faults { denied, ..Faults::none() };
    let after = run_to_the_end(bad(BadRelease::NeverRegisters, rule(VersionRule::Default)).faults(faults));
    let held = reason(&after.report);
    assert!(held.contains("not given back"), "{held}");
}
