//! What `plan` tells beforehand, held against what a rotation then does. No look of a survey may be a change: the driver of
//! the simulated survey fails on any.

#![allow(clippy::wildcard_enum_match_arm, reason = "each test is about a few of the things that happen")]

mod common;

use std::collections::BTreeSet;
use std::process::Command;

use common::run;
use ecs_rotator::cli::plan::report::{Report, Verdict};
use ecs_rotator::cli::plan::text::{in_columns, text};
use ecs_rotator::effect::VersionRule;
use ecs_rotator::engine::Settings;
use ecs_rotator::engine::survey::Depth;
use ecs_rotator::id::InstanceId;
use ecs_rotator::plan::forecast::{Assumptions, Forecast, Status};
use ecs_rotator::plan::host::Phase;
use ecs_rotator::plan::policy::{Budget, Policy};
use ecs_rotator::sim::world::{World, cluster_arn};
use ecs_rotator::sim::{
    Act, CLUSTER, Faults, Follows, GroupShape, Happening, Outcome, Scenario, ServiceShape, TemplateShape, Trigger,
    survey,
};
use jiff::SignedDuration;

fn named(scenario: &Scenario) -> Settings {
    Settings { clusters: vec![CLUSTER.into()], ..scenario.settings.clone() }
}

/// As `plan` sees the account so long after the start.
fn seen_after(scenario: &Scenario, after: SignedDuration, depth: Depth) -> Report {
    let mut world = World::new(scenario);
    world.advance(after);
    let settings = named(scenario);
    let findings = survey(&mut world, settings.clone(), depth);
    Report::of(findings, &settings, &Assumptions::default(), world.now())
}

/// Just after the release, which no worker has seen.
fn seen(scenario: &Scenario) -> Report {
    seen_after(scenario, scenario.release_after, Depth::Tenants)
}

fn only(report: &Report) -> &Forecast {
    let [forecast] = report.clusters.as_slice() else { panic!("{report:?}") };
    forecast
}

fn pinned(name: &str, hosts: u32) -> GroupShape {
    GroupShape::new(name, hosts).template(TemplateShape::Rule { rule: VersionRule::Number(1), mixed: false })
}

#[test]
fn before_a_release_there_is_nothing_to_do_and_after_it_there_is() {
    let scenario = Scenario::new(1);
    let before = seen_after(&scenario, SignedDuration::from_mins(5), Depth::Tenants);
    assert_eq!((before.verdict, before.exit_code()), (Verdict::NothingToDo, 0));
    assert_eq!(only(&before).groups[0].hosts[&Phase::Current], 6);
    let after = seen(&scenario);
    assert_eq!((after.verdict, after.exit_code()), (Verdict::SomethingToDo, 2));
    assert_eq!((only(&after).due, only(&after).groups[0].hosts[&Phase::Outdated]), (6, 6));
}

#[test]
fn hosts_go_in_the_order_that_it_tells() {
    for seed in 1..6 {
        let scenario =
            Scenario { faults: Faults { agent_drops_per_hour: 0.0, ..Faults::none() }, ..Scenario::new(seed) };
        let told = seen(&scenario);
        let report = run(scenario);
        let left: Vec<InstanceId> = report
            .timeline
            .iter()
            .filter_map(|moment| match &moment.what {
                Happening::Detached { host, .. } => Some(host.clone()),
                _ => None,
            })
            .collect();
        assert_eq!(only(&told).groups[0].order, left, "seed {seed}");
    }
}

#[test]
fn what_it_tells_of_writes_images_and_hosts_is_what_happens() {
    let groups = vec![pinned("api-asg", 2), GroupShape::new("web-asg", 3).follows(Follows::Os("bottlerocket"))];
    let scenario = Scenario::new(2).groups(groups).trigger(Trigger::Message);
    let told = seen(&scenario);
    let report = run(scenario);
    assert_eq!((report.outcome, report.rotated), (Outcome::Closed, 5));
    for group in &only(&told).groups {
        let [launch] = group.launches.as_slice() else { panic!("{group:?}") };
        let launched = report.timeline.iter().filter_map(|moment| match &moment.what {
            Happening::Launched { group: of, image, .. } if *of == group.group => Some(image.clone()),
            _ => None,
        });
        assert!(launched.clone().count() > 0 && launched.clone().all(|image| image == launch.release.id), "{group:?}");
        assert_eq!(group.writes.len(), 1, "{group:?}");
        assert!(group.writes[0].contains(launch.release.id.as_str()), "{group:?}");
        assert_eq!(group.status, Status::Due);
    }
    assert!(only(&told).groups[0].writes[0].contains("the group's pin on it"));
    assert!(
        only(&told).groups[1].launches[0].from.contains("/aws/service/bottlerocket/aws-ecs-2/x86_64/latest/image_id")
    );
}

/// The sums are reckoned from assumptions; with assumptions like the simulation's own they come near the truth.
#[test]
fn its_sums_are_of_the_right_size() {
    for (hosts, budget) in
        [(6, Budget::Percent(10)), (24, Budget::Percent(25)), (60, Budget::Percent(10)), (200, Budget::Percent(10))]
    {
        let mut scenario = Scenario::new(3).hosts(hosts);
        (scenario.settings.policy.max_in_flight, scenario.standalone_tasks) = (budget, 0);
        let mut world = World::new(&scenario);
        world.advance(scenario.release_after);
        let settings = named(&scenario);
        let findings = survey(&mut world, settings.clone(), Depth::Hosts);
        let assumptions = Assumptions {
            replacement: SignedDuration::from_secs(85),
            drain: SignedDuration::from_secs(115),
            ..Assumptions::default()
        };
        let told = Report::of(findings, &settings, &assumptions, world.now());
        let report = run(scenario);
        let calls: u64 = report.requests.values().sum();
        let (told_calls, told_seconds) = (only(&told).calls, only(&told).takes_seconds);
        let near = |told: f64, true_: f64| (0.7..1.4).contains(&(told / true_));
        assert!(near(told_calls as f64, calls as f64), "{hosts} hosts: {told_calls} calls told, {calls} made");
        let seconds = report.simulated_seconds;
        assert!(near(told_seconds as f64, seconds as f64), "{hosts} hosts: {told_seconds} s told, {seconds} s taken");
    }
}

#[test]
fn it_names_what_would_get_stuck() {
    let mut scenario = Scenario::new(1).services(vec![
        ServiceShape::new("stiff", 6, 100, 100),
        ServiceShape::new("rounded", 1, 50, 150),
        ServiceShape::new("supple", 6, 100, 200),
    ]);
    scenario.slots_per_host = 10;
    scenario.stuck_task = true;
    let told = seen(&scenario);
    let what: Vec<&str> = only(&told).stuck.iter().map(|stuck| stuck.what.as_str()).collect();
    assert_eq!(what, ["service rounded", "service stiff", "standalone tasks"]);
    assert_eq!(only(&told).stuck[1].hosts.len(), 6, "where, for a script");
    assert_eq!(only(&told).stuck[1].groups, ["demo-asg".into()].into());
    let quick = seen_after(&scenario, scenario.release_after, Depth::Hosts);
    assert!(only(&quick).stuck.is_empty() && !quick.requests.contains_key("ListServices"));
}

#[test]
fn it_names_what_would_keep_a_group_waiting() {
    let suspended = Act::SuspendLaunches { group: "demo-asg".to_owned() };
    let scenario = Scenario::new(1).act(SignedDuration::from_secs(-60), suspended);
    let told = seen(&scenario);
    assert_eq!(only(&told).groups[0].stuck, ["launches are suspended: no replacement would come"]);
    let scenario = Scenario::new(1).act(SignedDuration::from_secs(-60), Act::Drain(0));
    let told = seen(&scenario);
    assert!(only(&told).groups[0].stuck[0].starts_with("5 of 6 members are"), "{:?}", only(&told).groups[0].stuck);
    assert_eq!(only(&told).groups[0].hosts[&Phase::SetAside], 1);
}

#[test]
fn a_thousand_hosts_in_twelve_groups_take_a_moment() {
    let groups = (0..12).map(|n| GroupShape::new(&format!("group-{n:02}-asg"), 83 + u32::from(n < 4))).collect();
    let scenario = Scenario::new(1).groups(groups);
    assert_eq!(scenario.host_count(), 1000);
    let mut world = World::new(&scenario);
    world.advance(scenario.release_after);
    let settings = named(&scenario);
    let mut look = || {
        let findings = survey(&mut world, settings.clone(), Depth::Tenants);
        Report::of(findings, &settings, &Assumptions::default(), world.now())
    };
    // The best of some: a machine that does other things as well is no slower program.
    let took = (0..5).map(|_| timed(&mut look).1).fold(f64::INFINITY, f64::min);
    assert!(took < 5.0, "{took} s");
    let report = look();
    assert_eq!(only(&report).due, 1000);
    let calls: u64 = report.requests.values().sum();
    let text = in_columns(&report, 100, true);
    assert!(text.contains(&format!("{calls} calls, none of which changes anything")), "{text}");
    // One call for a hundred hosts or tasks, and what hangs on the number of groups.
    assert!(calls < 10 + 10 + 3 * 12 + 10 + 3 * 130 + 20, "{calls}");
}

#[expect(clippy::disallowed_methods, reason = "how long a person waits")]
fn timed<T>(run: impl FnOnce() -> T) -> (T, f64) {
    let begun = std::time::Instant::now();
    let result = run();
    (result, begun.elapsed().as_secs_f64())
}

#[test]
fn more_than_a_hundred_groups_and_hosts_are_all_told_about() {
    let groups: Vec<GroupShape> = (0..130).map(|n| GroupShape::new(&format!("group-{n:03}-asg"), 1)).collect();
    let mut scenario = Scenario::new(1).groups(groups);
    scenario.page_size = 7;
    let told = seen_after(&scenario, scenario.release_after, Depth::Hosts);
    assert_eq!((only(&told).groups.len(), only(&told).due), (130, 130));
    assert!(only(&told).groups.iter().all(|group| group.status == Status::Due));
}

#[test]
fn it_fits_in_a_hundred_columns() {
    for hosts in [1, 7, 300] {
        let mut scenario = Scenario::new(1).groups(vec![
            pinned("a-group-with-a-name-that-is-quite-long-because-a-tool-has-made-it-asg", hosts),
            GroupShape::new("out-asg", 1).disabled(),
            GroupShape::new("web-asg", hosts).template(TemplateShape::Resolves),
        ]);
        scenario.stuck_task = true;
        let text = text(&seen(&scenario));
        assert!(text.contains("out-asg") && text.contains("left alone"), "{text}");
        for line in text.lines() {
            assert!(line.chars().count() <= 100, "{} columns: {line}", line.chars().count());
        }
    }
}

#[test]
fn a_cluster_that_is_not_there_or_cannot_be_looked_at_is_not_told_about() {
    let scenario = Scenario::new(1);
    let mut world = World::new(&scenario);
    let settings = Settings { clusters: vec![CLUSTER.into(), "nowhere".into()], ..scenario.settings.clone() };
    let findings = survey(&mut world, settings.clone(), Depth::Hosts);
    let report = Report::of(findings, &settings, &Assumptions::default(), world.now());
    assert_eq!((report.verdict, report.exit_code()), (Verdict::CouldNotTell, 1));
    assert_eq!(report.missing, ["nowhere"]);
    assert_eq!(report.clusters.len(), 1, "the other one is told about");
    assert!(text(&report).contains("it does not exist here"));
}

/// It reckons by the settings that it is given. A worker that goes by others is not passed over.
/// A slip in a name must not look as if all were well.
#[test]
fn a_cluster_without_groups_and_a_group_that_is_not_there_are_told() {
    let scenario = Scenario::new(1);
    let mut world = World::new(&scenario);
    let mut settings = named(&scenario);
    settings.groups.insert(CLUSTER.into(), BTreeSet::from(["nope".into()]));
    let findings = survey(&mut world, settings.clone(), Depth::Hosts);
    let report = Report::of(findings, &settings, &Assumptions::default(), world.now());
    assert_eq!(only(&report).absent, ["nope".into()]);
    assert_eq!((report.verdict, report.exit_code()), (Verdict::CouldNotTell, 1));
    assert!(text(&report).contains("nope: there is no Auto Scaling group of this name"), "{}", text(&report));

    let none = seen(&Scenario::new(1).groups(Vec::new()));
    assert_eq!((none.verdict, none.exit_code()), (Verdict::CouldNotTell, 1));
    assert!(text(&none).contains("no Auto Scaling group belongs to it"), "{}", text(&none));
}

#[test]
fn it_says_where_the_worker_goes_by_other_settings() {
    let scenario = Scenario::new(1);
    let said = |tag: &str| {
        let mut world = World::new(&scenario);
        world.edit_clusters(|clusters| {
            let facts = clusters.get_mut(&cluster_arn(CLUSTER)).expect("it is there");
            facts.tags.insert("ecs-rotator:settings".to_owned(), tag.to_owned());
        });
        let mut settings = named(&scenario);
        settings.policy = Policy { bake: SignedDuration::from_mins(1), ..Policy::default() };
        let findings = survey(&mut world, settings.clone(), Depth::Hosts);
        let text = text(&Report::of(findings, &settings, &Assumptions::default(), world.now()));
        text.split_whitespace().collect::<Vec<_>>().join(" ")
    };
    let text = said("v=0.1.0 bake=25s max-in-flight=3 window=");
    let differ = "other than those of this plan: bake 25s (here 1m), max-in-flight 3 (here the default)";
    assert!(text.contains("the worker's settings") && text.contains(differ), "{text}");
    assert!(!said("v=0.1.0 bake=1m").contains("the worker's settings"));
}

#[test]
fn without_names_it_tells_about_every_cluster_that_has_opted_in() {
    let scenario = Scenario::new(1);
    let mut world = World::new(&scenario);
    let findings = survey(&mut world, Settings::default(), Depth::Hosts);
    let names: Vec<String> = findings.clusters.keys().map(|arn| arn.name().to_string()).collect();
    assert_eq!(names, [CLUSTER]);
}

/// Two groups that launch in different ways, and services that would be in the way.
fn wordy() -> Report {
    let groups = vec![
        pinned("web-asg", 3),
        GroupShape::new("api-asg", 2),
        GroupShape::new("batch-asg", 2).template(TemplateShape::OwnImage { base: VersionRule::Default }),
    ];
    seen(&Scenario::new(1).groups(groups).services(vec![ServiceShape::new("web", 3, 100, 100)]))
}

#[test]
fn it_ends_in_one_line_and_tells_its_calls_only_when_asked() {
    let report = wordy();
    let text = text(&report);
    assert!(text.ends_with("\n\nPlan: 7 hosts to replace in 3 groups, about 24 min.\n"), "{text}");
    let verbose = in_columns(&report, 100, true);
    for part in ["this look", "would call", "assuming"] {
        assert!(!text.contains(part) && verbose.contains(part), "{part}: {verbose}");
    }
    let nothing = seen_after(&Scenario::new(1), SignedDuration::from_mins(5), Depth::Hosts);
    assert!(in_columns(&nothing, 100, false).ends_with("\n\nPlan: nothing to do.\n"));
}

#[test]
fn it_names_account_and_region() {
    let report = wordy();
    assert_eq!((only(&report).account.as_str(), only(&report).region.as_str()), ("123456789012", "eu-west-1"));
    assert!(text(&report).contains("account   123456789012 in eu-west-1"), "{}", text(&report));
}

#[test]
fn no_word_is_broken_and_no_line_too_long_in_a_narrow_terminal() {
    let report = wordy();
    let words =
        |text: String| text.split_whitespace().map(ToOwned::to_owned).collect::<std::collections::BTreeSet<_>>();
    let whole = words(in_columns(&report, 300, true));
    for width in [60, 72, 80, 100, 120] {
        let text = in_columns(&report, width, true);
        assert!(text.lines().all(|line| line.chars().count() <= usize::from(width)), "{width}:\n{text}");
        let broken: Vec<_> = words(text.clone()).difference(&whole).cloned().collect();
        assert!(broken.is_empty(), "{width}: {broken:?}\n{text}");
    }
}

#[test]
fn demo_shows_it_and_a_script_can_read_it() {
    let demo = |arguments: &[&str]| {
        Command::new(env!("CARGO_BIN_EXE_ecs-rotator"))
            .arg("demo")
            .args(arguments)
            .env_remove("RUST_LOG")
            .output()
            .unwrap()
    };
    let output = demo(&["--hosts", "5", "--plan", "--json"]);
    assert_eq!(output.status.code(), Some(2), "something to do");
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(report["verdict"], "something-to-do");
    assert_eq!(report["clusters"][0]["due"], 5);
    assert_eq!(report["clusters"][0]["groups"][0]["hosts"]["outdated"], 2);
    let text = String::from_utf8(demo(&["--hosts", "5", "--plan"]).stdout).unwrap();
    assert!(text.starts_with("cluster demo: 5 hosts in 2 groups, 5 to replace, 0 in flight\n"), "{text}");
}

#[test]
fn the_readme_shows_what_it_prints() {
    let output = Command::new(env!("CARGO_BIN_EXE_ecs-rotator"))
        .args(["demo", "--hosts", "6", "--plan"])
        .env_remove("RUST_LOG")
        .output()
        .unwrap();
    let printed = String::from_utf8(output.stdout).unwrap();
    let readme = include_str!("../README.md");
    assert!(readme.contains(&format!("```text\n{printed}```")), "put this there:\n{printed}");
}

#[test]
fn settings_without_effect_are_told_where_settings_are_told() {
    let mut scenario = Scenario::new(1).groups(vec![
        GroupShape::new("web-asg", 2).tag("max_in_flight", "1"),
        GroupShape::new("api-asg", 2).tag("window", "daily 22:00-04:00 Etc/GMT+2"),
    ]);
    scenario.settings.policy.calendar.freeze = "2001-12-24".parse().unwrap();
    let mut world = World::new(&scenario);
    world.edit_clusters(|clusters| {
        for cluster in clusters.values_mut() {
            cluster.tags.insert("ecs-rotator:window".to_owned(), "daily 22:00-04:00".to_owned());
        }
    });
    world.advance(scenario.release_after);
    let settings = named(&scenario);
    let findings = survey(&mut world, settings.clone(), Depth::Hosts);
    let report = Report::of(findings, &settings, &Assumptions::default(), world.now());
    let forecast = only(&report);
    let told = |notes: &[String], parts: &[&str]| {
        let all = notes.len() == parts.len() && notes.iter().zip(parts).all(|(note, part)| note.contains(part));
        assert!(all, "{notes:#?}");
    };
    told(
        &forecast.without_effect,
        &["the freeze has no effect", "`ecs-rotator:window` is read on an Auto Scaling group"],
    );
    for group in &forecast.groups {
        let own =
            if group.group.as_str() == "web-asg" { "did you mean `ecs-rotator:max-in-flight`?" } else { "is UTC-2" };
        told(&group.without_effect, &[own]);
    }
    let text = text(&report);
    assert_eq!(text.matches("mind").count(), 4, "{text}");
}
