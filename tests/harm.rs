//! Releases that would do harm: to hosts that are further than the template, to others who share a template, a parameter or a
//! group; and what `plan` must not promise.

#![allow(clippy::wildcard_enum_match_arm, reason = "each test is about a few of the things that happen")]

mod common;

use common::{LONG, times};
use ecs_rotator::cli::plan::report::{Report as Told, Verdict};
use ecs_rotator::effect::VersionRule;
use ecs_rotator::engine::Settings;
use ecs_rotator::engine::survey::Depth;
use ecs_rotator::plan::forecast::{Assumptions, Status};
use ecs_rotator::sim::world::{World, cluster_arn};
use ecs_rotator::sim::{
    Act, CLUSTER, Follows, GroupShape, Happening, Membership, OTHER, Report, START, Scenario, Simulation,
    TemplateShape, Trigger, logs, survey,
};
use jiff::SignedDuration;

fn minutes(n: i64) -> SignedDuration {
    SignedDuration::from_mins(n)
}

fn plain(rule: VersionRule) -> TemplateShape {
    TemplateShape::Rule { rule, mixed: false }
}

fn scenario(groups: Vec<GroupShape>) -> Scenario {
    Scenario::new(1).groups(groups).tasks_per_host(4).trigger(Trigger::Message)
}

fn detached(report: &Report, name: &str) -> usize {
    times(report, |what| matches!(what, Happening::Detached { group, .. } if group.as_str() == name)).len()
}

fn launched(report: &Report, name: &str) -> Vec<String> {
    let launches = report.timeline.iter().filter_map(|moment| match &moment.what {
        Happening::Launched { group, image, .. } if group.as_str() == name => Some(image.to_string()),
        _ => None,
    });
    launches.collect()
}

fn run_for(simulation: &mut Simulation, time: SignedDuration) {
    let until = simulation.now() + time;
    simulation.run_until(|_| false, until);
}

#[track_caller]
fn assert_kept(report: &Report) {
    assert!(report.violations.is_empty(), "{:#?}", report.violations);
}

fn opt_in_other(world: &mut World) {
    world.edit_clusters(|all| {
        let other = all.get_mut(&cluster_arn(OTHER)).expect("the other cluster");
        other.tags.insert("ecs-rotator:enabled".to_owned(), "true".to_owned());
    });
}

// --- hosts

#[test]
fn regression_hosts_are_not_taken_back_to_an_older_image_because_a_newer_one_is_refused() {
    for how in ["rejected", "too young"] {
        let bad = World::image_of(Follows::Own, 2);
        let group = GroupShape::new("web-asg", 3).template(plain(VersionRule::Default));
        let group = match how {
            "rejected" => group.tag("rejected", bad.as_str()),
            _ => group.tag("min-ami-age", "7d"),
        };
        let scenario = scenario(vec![group]).act(minutes(120), Act::Release(2));
        let second = START + scenario.release_after + minutes(120);
        let mut simulation = Simulation::new(scenario);
        simulation.world_mut().edit_image(&bad, |image| image.created = Some(second));
        run_for(&mut simulation, minutes(100));
        // Infrastructure code makes the old version the default again.
        simulation.world_mut().edit_templates(|all| all.values_mut().for_each(|template| template.default = 1));
        run_for(&mut simulation, minutes(360));
        let report = simulation.finish();
        assert_kept(&report);
        assert_eq!(detached(&report, "web-asg"), 3, "{how}: only to the first release");
    }
}

#[test]
fn regression_a_young_image_that_the_template_reads_is_not_followed_because_one_host_already_runs_it() {
    let follows = Follows::Os("al2023");
    let group =
        GroupShape::new("web-asg", 3).template(TemplateShape::Resolves).follows(follows).tag("min-ami-age", "7d");
    let scenario = scenario(vec![group]).trigger(Trigger::Schedule).act(minutes(60), Act::HostDies(0));
    let released = START + scenario.release_after;
    let mut simulation = Simulation::new(scenario);
    simulation.world_mut().edit_image(&World::image_of(follows, 1), |image| image.created = Some(released));
    run_for(&mut simulation, minutes(480));
    let report = simulation.finish();
    assert_eq!(detached(&report, "web-asg"), 0, "launched: {:?}", launched(&report, "web-asg"));
}

#[test]
fn regression_an_image_that_is_no_more_is_nobodys_release() {
    let refused = World::image_of(Follows::Own, 1);
    let group = GroupShape::new("web-asg", 3).tag("rejected", refused.as_str());
    let force = r#"{"action":"rotate","cluster":"demo","force":true}"#.to_owned();
    let scenario = scenario(vec![group])
        .act(minutes(-1), Act::Deregister(Follows::Own.into(), 0))
        .act(minutes(30), Act::Send(force));
    let (report, told) = logs::told_during(|| Simulation::new(scenario).run(LONG));
    assert_eq!(detached(&report, "web-asg"), 0);
    assert!(told.iter().any(|line| line.contains("is no more or not available, and")), "{told:#?}");
}

#[test]
fn regression_a_tag_with_an_architecture_agrees_with_the_parameter_that_the_template_reads() {
    let group = GroupShape::new("web-asg", 2).template(TemplateShape::Resolves).follows(Follows::OwnOfArch);
    let mut simulation = Simulation::new(scenario(vec![group]));
    simulation.world_mut().edit_group(&"web-asg".into(), |group| {
        group.tags.insert("ecs-rotator:ami-parameter".to_owned(), "/images/{arch}/ecs-host".to_owned());
    });
    let report = simulation.run(LONG);
    assert_kept(&report);
    assert_eq!(detached(&report, "web-asg"), 2);
}

// --- others

#[test]
fn regression_the_default_of_a_template_is_not_moved_under_a_group_of_no_cluster_that_has_opted_in() {
    for rule in [VersionRule::Default, VersionRule::Latest] {
        let group = GroupShape::new("web-asg", 2).template(plain(rule));
        let scale = Act::Scale { group: "other-asg".to_owned(), desired: 3 };
        let mut simulation =
            Simulation::new(scenario(vec![group, GroupShape::new("api-asg", 2)]).act(minutes(90), scale));
        let launch = simulation.world().account().groups[&"web-asg".into()].launch.clone();
        simulation.world_mut().edit_group(&"other-asg".into(), |group| group.launch = launch);
        let (report, told) = logs::told_during(|| simulation.run(LONG));
        let new = World::image_of(Follows::Own, 1).to_string();
        assert!(!launched(&report, "other-asg").contains(&new), "{rule}");
        assert_eq!(
            (report.outcome.clone(), detached(&report, "api-asg")),
            (common::skipped("web-asg=unresolved"), 2),
            "the other goes on"
        );
        assert!(
            told.iter().any(|line| line.contains("other-asg, which is of no cluster that has opted in")),
            "{told:#?}"
        );
    }
}

#[test]
fn regression_the_default_of_a_template_is_not_moved_under_a_group_whose_release_cannot_be_told() {
    let rejected = World::image_of(Follows::Own, 1);
    let odd = GroupShape::new("odd-asg", 2).template(plain(VersionRule::Default)).shares("web-asg");
    let odd = odd.tag("max-in-flight", "lots").tag("rejected", rejected.as_str());
    let groups = vec![GroupShape::new("web-asg", 2).template(plain(VersionRule::Default)), odd];
    let scale = Act::Scale { group: "odd-asg".to_owned(), desired: 3 };
    let report = Simulation::new(scenario(groups).act(minutes(90), scale)).run(LONG);
    // Both are left as they are, outdated: nothing else is broken.
    assert!(report.violations.iter().all(|violation| violation.promise == 7), "{:#?}", report.violations);
    assert_eq!(times(&report, |what| matches!(what, Happening::TemplateVersionMade { .. })).len(), 0);
}

#[test]
fn regression_a_parameter_is_not_written_under_a_group_that_has_opted_out() {
    let group = |name: &str| {
        let shape = TemplateShape::ReleaseByParameter { checked: false };
        GroupShape::new(name, 2).template(shape).follows(Follows::Os("al2023"))
    };
    let groups = vec![group("web-asg"), group("out-asg").shares("web-asg").disabled()];
    let scale = Act::Scale { group: "out-asg".to_owned(), desired: 3 };
    let report = Simulation::new(scenario(groups).act(minutes(90), scale)).run(LONG);
    // Both are left as they are, outdated: nothing else is broken.
    assert!(report.violations.iter().all(|violation| violation.promise == 7), "{:#?}", report.violations);
    assert_eq!(times(&report, |what| matches!(what, Happening::ParameterWritten { .. })).len(), 0);
}

#[test]
fn regression_a_rotation_closes_without_a_group_that_belongs_to_two_clusters() {
    let both = GroupShape::new("both-asg", 4).membership(Membership::TwoClusters);
    let mut simulation = Simulation::new(scenario(vec![both, GroupShape::new("web-asg", 2)]));
    opt_in_other(simulation.world_mut());
    let (report, told) = logs::told_during(|| simulation.run(LONG));
    assert_eq!((report.outcome.clone(), detached(&report, "web-asg")), (common::skipped("both-asg=unresolved"), 2));
    assert_eq!(detached(&report, "both-asg"), 0);
    assert!(told.iter().any(|line| line.contains("it belongs to the cluster other as well")), "{told:#?}");
}

#[test]
fn regression_a_cluster_that_is_no_more_or_has_given_a_group_up_keeps_nobody_from_it() {
    for how in ["deleted", "given up"] {
        let mut simulation = Simulation::new(
            scenario(vec![GroupShape::new("web-asg", 2)]).trigger(Trigger::Schedule).act(minutes(60), Act::Release(2)),
        );
        opt_in_other(simulation.world_mut());
        simulation.world_mut().edit_clusters(|all| {
            let of = all[&cluster_arn(CLUSTER)].capacity_providers.clone();
            all.get_mut(&cluster_arn(OTHER)).unwrap().capacity_providers.extend(of);
        });
        run_for(&mut simulation, minutes(65));
        simulation.world_mut().edit_clusters(|all| {
            let of = all[&cluster_arn(CLUSTER)].capacity_providers.clone();
            match how {
                "deleted" => drop(all.remove(&cluster_arn(OTHER))),
                _ => {
                    all.get_mut(&cluster_arn(OTHER)).unwrap().capacity_providers.retain(|name| !of.contains(name));
                }
            }
        });
        run_for(&mut simulation, minutes(300));
        let report = simulation.finish();
        assert_ne!(detached(&report, "web-asg"), 0, "{how}: five hours later it is still left alone");
    }
}

// --- what `plan` tells

fn plan_of(world: &mut World, settings: Settings) -> Told {
    let findings = survey(world, settings.clone(), Depth::Hosts);
    Told::of(findings, &settings, &Assumptions::default(), world.now())
}

fn demo_alone() -> Settings {
    Settings { clusters: vec![CLUSTER.into()], ..Settings::default() }
}

/// What is named by its ARN is not the cluster of that name here.
#[test]
fn a_cluster_named_by_the_arn_of_a_namesake_elsewhere_does_not_exist_here() {
    let mut world = World::new(&Scenario::new(1));
    for (arn, missing) in [
        ("arn:aws:ecs:us-east-1:123456789012:cluster/demo", true),
        ("arn:aws:ecs:eu-west-1:210987654321:cluster/demo", true),
        ("arn:aws:ecs:eu-west-1:123456789012:cluster/demo", false),
    ] {
        let told = plan_of(&mut world, Settings { arns: vec![arn.into()], ..demo_alone() });
        assert_eq!(told.missing.iter().any(|item| item == arn), missing, "{told:?}");
        assert_eq!(told.clusters.is_empty(), missing, "{told:?}");
    }
}

#[test]
fn regression_a_force_that_is_over_forces_nobody() {
    let force = r#"{"action":"rotate","cluster":"demo","force":true,"groups":["web-asg"]}"#.to_owned();
    let groups = vec![GroupShape::new("api-asg", 2), GroupShape::new("web-asg", 2)];
    let mut simulation = Simulation::new(scenario(groups).act(minutes(60), Act::Send(force)));
    run_for(&mut simulation, minutes(180));
    let told = plan_of(simulation.world_mut(), demo_alone());
    assert_eq!((told.verdict, told.clusters[0].due), (Verdict::NothingToDo, 0));
    run_for(&mut simulation, minutes(300));
    let report = simulation.finish();
    let opened = times(&report, |what| matches!(what, Happening::RotationOpened { .. })).len();
    assert_eq!(opened, 2, "the release, and the force; no check opens another");
}

#[test]
fn regression_a_deleted_cluster_does_not_exist_and_one_that_has_opted_out_is_left_alone() {
    for (status, enabled, exit) in [("INACTIVE", "true", 1), ("ACTIVE", "false", 0), ("ACTIVE", "no", 0)] {
        let scenario = Scenario::new(1);
        let mut world = World::new(&scenario);
        world.advance(scenario.release_after);
        world.edit_clusters(|all| {
            let cluster = all.get_mut(&cluster_arn(CLUSTER)).unwrap();
            cluster.tags.insert("ecs-rotator:enabled".to_owned(), enabled.to_owned());
            cluster.status = status.to_owned();
        });
        let told = plan_of(&mut world, demo_alone());
        assert_eq!(told.exit_code(), exit, "{status} {enabled}");
        if exit == 1 {
            assert_eq!(told.missing, [CLUSTER]);
        } else {
            let group = &told.clusters[0].groups[0];
            assert_eq!((group.status, group.writes.len(), group.order.len()), (Status::LeftAlone, 0, 0));
        }
    }
}

#[test]
fn regression_plan_tells_of_a_group_of_two_clusters() {
    let scenario = scenario(vec![GroupShape::new("both-asg", 4).membership(Membership::TwoClusters)]);
    let mut world = World::new(&scenario);
    opt_in_other(&mut world);
    world.advance(scenario.release_after);
    let told = plan_of(&mut world, Settings::default());
    let shared: Vec<_> = told
        .clusters
        .iter()
        .flat_map(|cluster| &cluster.groups)
        .filter(|group| group.group.as_str() == "both-asg")
        .collect();
    assert_eq!(shared.len(), 2);
    for group in shared {
        assert_eq!((group.status, group.order.len()), (Status::Unresolved, 0), "{group:?}");
    }
}
