//! What AWS refuses, and what it does by itself: the worker meets it as it is, says why it stops, and loses nothing.

mod common;

use std::collections::BTreeMap;

use common::{run, skipped, times};
use ecs_rotator::effect::{FailureKind, LifecycleHook, Request};
use ecs_rotator::engine::Settings;
use ecs_rotator::id::GroupName;
use ecs_rotator::plan::policy::{Ladder, Policy};
use ecs_rotator::sim::world::World;
use ecs_rotator::sim::{
    Act, BadRelease, Delay, Faults, Follows, Happening, ImageKind, Outcome, Report, Scenario, ServiceShape, Simulation,
    logs,
};
use jiff::SignedDuration;

fn minutes(n: i64) -> SignedDuration {
    SignedDuration::from_mins(n)
}

#[track_caller]
fn held_for(report: &Report) -> &str {
    match &report.outcome {
        Outcome::Held { reason } => reason,
        other @ (Outcome::Closed | Outcome::Skipped { .. } | Outcome::Open) => panic!("not held but {other:?}"),
    }
}

fn count(report: &Report, what: impl Fn(&Happening) -> bool) -> usize {
    times(report, what).len()
}

/// Three hosts, each with so many tags of its owner's.
fn tagged(tags: usize) -> (Report, Vec<String>) {
    logs::errors_during(|| {
        let mut simulation = Simulation::new(Scenario::new(1).hosts(3));
        let instances = simulation.world().hosts_by_age().iter().map(|no| no.instance()).collect();
        let tags = (0..tags).map(|n| (format!("owner:{n}"), String::new())).collect::<BTreeMap<_, _>>();
        simulation.world_mut().perform(&Request::CreateTags { instances, tags }).expect("tagged");
        let until = simulation.now() + minutes(90);
        simulation.run_until(|_| false, until);
        simulation.finish()
    })
}

#[test]
fn a_host_that_has_no_room_for_all_of_our_tags_is_held_while_it_is_still_in_its_group() {
    // An instance has room for 50 tags, and a host in flight carries five of ours.
    for tags in 46..=50 {
        let (report, errors) = tagged(tags);
        assert_eq!((report.violations.len(), errors), (0, Vec::new()), "{tags}");
        assert!(held_for(&report).contains("More than 50 tags"), "{tags}: {}", held_for(&report));
        assert_eq!(count(&report, |what| matches!(what, Happening::Detached { .. })), 0, "{tags}");
    }
    let (report, errors) = tagged(45);
    assert_eq!((&report.outcome, errors), (&Outcome::Closed, Vec::new()));
}

#[test]
fn a_claim_that_is_refused_for_good_is_tried_three_times_and_held() {
    let faults = Faults { denied: Some(("CreateTags", FailureKind::Refused)), ..Faults::none() };
    let report = run(Scenario::new(1).hosts(3).faults(faults));
    assert!(held_for(&report).contains("CreateTags"), "{}", held_for(&report));
    assert_eq!(count(&report, |what| matches!(what, Happening::Detached { .. })), 0);
}

/// What a person has put on the group.
#[derive(Clone, Copy, Default)]
struct Put {
    target_group: bool,
    hook: Option<(&'static str, bool)>,
    accepts: &'static str,
}

fn put(simulation: &mut Simulation, put: Put) {
    let group = GroupName::from("demo-asg");
    let world = simulation.world_mut();
    world.edit_group(&group, |group| {
        let arn = "arn:aws:elasticloadbalancing:eu-west-1:123456789012:targetgroup/web/0123456789abcdef";
        group.traffic_sources.extend(put.target_group.then(|| arn.to_owned()));
        group.tags.insert("ecs-rotator:accept-detach".to_owned(), put.accepts.to_owned());
    });
    let hook = |(name, terminating): (&str, bool)| LifecycleHook { name: name.to_owned(), terminating };
    world.set_hooks(&group, put.hook.map(hook).into_iter().collect());
}

fn send(text: &str) -> Act {
    Act::Send(text.to_owned())
}

fn detached(report: &Report) -> usize {
    count(report, |what| matches!(what, Happening::Detached { .. }))
}

#[test]
fn a_group_whose_hosts_would_lose_traffic_or_hooks_by_a_detach_is_left_alone_unless_that_is_accepted() {
    let terminating = Some(("deregister-licence", true));
    for (what, replaced) in [
        (Put { target_group: true, ..Put::default() }, false),
        (Put { target_group: true, accepts: "hooks", ..Put::default() }, false),
        (Put { target_group: true, accepts: "load-balancers", ..Put::default() }, true),
        (Put { hook: terminating, ..Put::default() }, false),
        (Put { hook: terminating, accepts: "load-balancers", ..Put::default() }, false),
        (Put { hook: terminating, accepts: "hooks", ..Put::default() }, true),
        (Put { target_group: true, hook: terminating, accepts: "hooks" }, false),
        (Put { target_group: true, hook: terminating, accepts: "load-balancers hooks" }, true),
        (Put { hook: Some(("bootstrap", false)), ..Put::default() }, true),
        (Put { hook: Some(("ecs-managed-draining-termination-hook", true)), ..Put::default() }, true),
    ] {
        let mut simulation = Simulation::new(Scenario::new(1).hosts(3));
        put(&mut simulation, what);
        if !replaced {
            simulation.world_mut().put_beyond_workers(&GroupName::from("demo-asg"));
        }
        // A release alone opens no rotation where there is nothing to do.
        simulation.world_mut().act(send(r#"{"action":"rotate","cluster":"demo"}"#));
        let report = simulation.run(minutes(180));
        assert!(report.violations.is_empty(), "{:#?}", report.violations);
        let (outcome, hosts) = if replaced { (Outcome::Closed, 3) } else { (skipped("demo-asg=exit"), 0) };
        let said = format!("{} {:?} {}", what.target_group, what.hook, what.accepts);
        assert_eq!((&report.outcome, detached(&report)), (&outcome, hosts), "{said}");
    }
}

#[test]
fn a_host_that_was_tagged_before_its_group_got_a_load_balancer_is_let_go() {
    let mut first = Simulation::new(Scenario::new(1).hosts(3));
    let end = first.now() + minutes(180);
    let tagged = |world: &World| world.timeline().iter().any(|m| matches!(m.what, Happening::HostTagged { .. }));
    assert!(first.run_until(tagged, end));
    let away =
        Faults { kill_after_effect: Some(first.effects()), restart_delay: Delay::secs(120, 121), ..Faults::none() };
    let mut simulation = Simulation::new(Scenario::new(1).hosts(3).faults(away));
    assert!(simulation.run_until(tagged, end));
    put(&mut simulation, Put { target_group: true, ..Put::default() });
    let until = simulation.now() + minutes(60);
    simulation.run_until(|_| false, until);
    assert_eq!(simulation.world().orphans(), [] as [String; 0]);
    let report = simulation.finish();
    assert_eq!((report.outcome.clone(), detached(&report)), (skipped("demo-asg=exit"), 0));
}

fn hook(on: bool) -> Act {
    Act::HookAbandons { group: "demo-asg".to_owned(), on }
}

#[test]
fn launches_that_a_hook_abandons_are_held_with_what_it_said_and_the_image_is_not_blamed() {
    let run_till_held = |acts: &[(i64, bool)]| {
        let scenario = Scenario::new(1).hosts(3);
        let scenario = acts.iter().fold(scenario, |scenario, (at, on)| scenario.act(minutes(*at), hook(*on)));
        let mut simulation = Simulation::new(scenario);
        let end = simulation.now() + minutes(300);
        assert!(simulation.run_until(|world| world.ledger().held.is_some(), end));
        (simulation, end)
    };
    let held = run_till_held(&[(5, true)]).0.finish();
    assert!(held_for(&held).contains("Heartbeat Timeout"), "{}", held_for(&held));
    let (mut simulation, end) = run_till_held(&[(5, true), (90, false)]);
    let started = simulation.now();
    assert!(simulation.run_until(|world| world.ledger().closed.is_some(), end), "it goes on by itself");
    let rejected = |world: &World| {
        let tags = &world.account().groups[&GroupName::from("demo-asg")].tags;
        tags.get("ecs-rotator:rejected").cloned().unwrap_or_default()
    };
    assert_eq!(rejected(simulation.world()), "");
    assert!(simulation.now() > started + minutes(30));
    let report = simulation.finish();
    assert!(report.violations.is_empty(), "{:#?}", report.violations);
    assert_eq!((&report.outcome, report.rotated), (&Outcome::Closed, 3));
}

#[test]
fn what_its_group_ends_under_managed_draining_is_neither_drained_externally_nor_fills_a_place() {
    let group = "demo-asg".to_owned();
    let scale = |desired| Act::Scale { group: "demo-asg".to_owned(), desired };
    let mut scenario = Scenario::new(1).hosts(4);
    // Its tasks take so long that the rotation could close before it is gone.
    scenario.task_stop = Delay::secs(1500, 1501);
    let scenario = scenario.act(minutes(1), Act::ManagedDraining { group });
    let scenario = scenario.act(minutes(30), scale(3)).act(minutes(31), scale(4));
    let (report, lines) = logs::told_during(|| Simulation::new(scenario).run(minutes(600)));
    assert!(report.violations.is_empty(), "{:#?}", report.violations);
    assert_eq!(report.outcome, Outcome::Closed);
    assert!(!lines.iter().any(|line| line.contains("drained externally")), "{lines:#?}");
}

#[test]
fn a_member_in_standby_on_the_old_image_is_left_alone_and_told() {
    let mut simulation = Simulation::new(Scenario::new(1).hosts(3).act(minutes(-5), Act::Standby(0)));
    simulation.world_mut().edit_group(&GroupName::from("demo-asg"), |group| group.max = 10);
    let (report, lines) = logs::told_during(|| simulation.run(minutes(300)));
    assert!(report.violations.is_empty(), "{:#?}", report.violations);
    assert_eq!(report.outcome, skipped("demo-asg=hosts"), "{lines:#?}");
    assert!(lines.iter().any(|line| line.contains("in standby: skipped")), "{lines:#?}");
}

#[test]
fn nobody_is_forced_before_its_tasks_have_been_told_to_stop_and_had_their_time() {
    // A service that cannot move, behind a target group that lets go of its tasks after the usual five minutes.
    let ladder = Ladder { force_after: Some(minutes(70)), ..Ladder::default() };
    let policy = Policy { ladder, ..Policy::default() };
    let mut scenario = Scenario::new(1).hosts(3).settings(Settings { policy, ..Settings::default() });
    scenario.services.push(ServiceShape::new("stiff", 3, 100, 100));
    for service in &mut scenario.services {
        service.deregistration = Delay::secs(300, 310);
    }
    let mut simulation = Simulation::new(scenario);
    let end = simulation.now() + minutes(900);
    assert!(
        simulation.run_until(|world| world.ledger().closed.is_some(), end),
        "the holds for drains end by themselves"
    );
    let report = simulation.finish();
    assert!(report.violations.is_empty(), "{:#?}", report.violations);
    assert_eq!((&report.outcome, report.rotated, report.tasks_interrupted), (&Outcome::Closed, 3, 0));
}

#[test]
fn a_host_that_aws_would_not_attach_is_not_sent_back() {
    let own = ImageKind { follows: Follows::Own, arm64: false };
    let gone = |simulation: &mut Simulation| simulation.world_mut().act(Act::Deregister(own, 0));
    let moved = |simulation: &mut Simulation| {
        simulation
            .world_mut()
            .edit_group(&GroupName::from("demo-asg"), |group| group.zones = ["eu-west-1z".into()].into());
    };
    for (what, change) in [("its image is gone", &gone as &dyn Fn(&mut Simulation)), ("another zone", &moved)] {
        let mut simulation = Simulation::new(Scenario::new(1).hosts(3).bad_release(BadRelease::NeverRegisters));
        let end = simulation.now() + minutes(180);
        let is_detached = |world: &World| world.timeline().iter().any(|m| matches!(m.what, Happening::Detached { .. }));
        assert!(simulation.run_until(is_detached, end));
        change(&mut simulation);
        let (report, errors) = logs::errors_during(|| simulation.run(minutes(180)));
        assert_eq!((report.violations.len(), errors), (0, Vec::new()), "{what}: {:#?}", report.violations);
        assert_eq!(report.requests.get("AttachInstances"), None, "{what}");
        assert!(held_for(&report).contains("failed"), "{what}: {}", held_for(&report));
    }
}

/// What infrastructure code does that owns all tags of the cluster and of the group.
fn wipe(world: &mut World) {
    let ours = |key: &String| key.starts_with("ecs-rotator:") && key != "ecs-rotator:enabled";
    world.edit_clusters(|all| all.values_mut().for_each(|cluster| cluster.tags.retain(|key, _| !ours(key))));
    world.edit_group(&GroupName::from("demo-asg"), |group| group.tags.retain(|key, _| !ours(key)));
}

fn tag_of_the_cluster(world: &World, key: &str) -> String {
    let cluster = ecs_rotator::sim::world::cluster_arn(ecs_rotator::sim::CLUSTER);
    world.account().clusters[&cluster].tags.get(&format!("ecs-rotator:{key}")).cloned().unwrap_or_default()
}

#[test]
fn a_pause_a_hold_and_a_rejection_outlive_whoever_removes_their_tags() {
    let pause = Scenario::new(1).hosts(6).act(minutes(14), send(r#"{"action":"pause","cluster":"demo"}"#));
    let bad = Scenario::new(1).hosts(3).bad_release(BadRelease::NeverRegisters);
    for (scenario, state) in [(pause, " paused "), (bad, " held ")] {
        let mut simulation = Simulation::new(scenario);
        let end = simulation.now() + minutes(300);
        assert!(simulation.run_until(|world| tag_of_the_cluster(world, "rotation").contains(state), end));
        let later = simulation.now() + minutes(20);
        simulation.run_until(|_| false, later);
        let (before, detached_before) = (tag_of_the_cluster(simulation.world(), "rotation"), effects(&simulation));
        let rejected = |simulation: &Simulation| {
            let tags = &simulation.world().account().groups[&GroupName::from("demo-asg")].tags;
            tags.get("ecs-rotator:rejected").cloned().unwrap_or_default()
        };
        let rejected_before = rejected(&simulation);
        wipe(simulation.world_mut());
        let until = simulation.now() + minutes(150);
        let ((), lines) = logs::told_during(|| _ = simulation.run_until(|_| false, until));
        assert_eq!(tag_of_the_cluster(simulation.world(), "rotation"), before);
        assert_eq!((rejected(&simulation), effects(&simulation)), (rejected_before, detached_before), "{state}");
        assert!(lines.iter().any(|line| line.contains("has removed ours")), "{lines:#?}");
    }
}

/// So many hosts have left their group.
fn effects(simulation: &Simulation) -> usize {
    let detached = |what: &Happening| matches!(what, Happening::Detached { .. });
    simulation.world().timeline().iter().filter(|moment| detached(&moment.what)).count()
}
