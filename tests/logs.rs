//! The log: one line for each thing that is decided, found again by the id of its rotation; and nothing in it that is not the
//! log's business.

use std::collections::{BTreeMap, BTreeSet};

use ecs_rotator::effect::VersionRule;
use ecs_rotator::engine::audit::CHANGED;
use ecs_rotator::journal::LogLine;
use ecs_rotator::plan::host::Phase;
use ecs_rotator::plan::policy::{Budget, Ladder};
use ecs_rotator::sim::baseline::long_drains;
use ecs_rotator::sim::{
    Act, BadRelease, CLUSTER, Faults, Follows, GroupShape, Happening, Scenario, Simulation, TemplateShape, logs,
};
use jiff::SignedDuration;
use tracing_subscriber::filter::LevelFilter;

mod common;
use common::LONG;

fn scenario(seed: u64) -> Scenario {
    Scenario::new(seed).groups(vec![GroupShape::new("web-asg", 4), GroupShape::new("api-asg", 3)])
}

fn told(scenario: Scenario) -> (ecs_rotator::sim::Report, Vec<LogLine>) {
    logs::lines_during(LevelFilter::INFO, || Simulation::new(scenario).run(LONG))
}

/// Said before the worker that says it can know of a rotation.
const BEFORE_THE_FIRST_LOOK: [&str; 2] = ["looking after one cluster", "a look or an act failed: tried again"];

#[test]
fn whatever_is_said_of_a_rotation_is_found_by_its_id_and_every_host_is_said_with_its_group() {
    for seed in 1..=8 {
        let (report, lines) = told(scenario(seed).workers(2).faults(Faults::heavy()));
        let closed = lines.iter().rposition(|line| line.message == "rotation closed").unwrap_or(lines.len());
        // Both may open one at the same time: what is written last counts.
        let opened = lines[..closed].iter().rposition(|line| line.message == "rotation open").unwrap();
        let id = lines[opened].get("rotation").unwrap();
        for line in &lines[opened..closed] {
            let before = BEFORE_THE_FIRST_LOOK.contains(&line.message.as_str());
            if line.get("cluster") == Some(CLUSTER) && !before {
                assert!(line.get("rotation").is_some(), "seed {seed}: of no rotation: {} {line}", line.at);
            }
            // A host that somebody else drains may be of no group.
            if line.get("host").is_some() && !line.message.ends_with(": skipped") {
                assert!(line.get("group").is_some_and(|group| group.ends_with("-asg")), "seed {seed}: {line}");
            }
        }
        // A worker that starts later has nothing to say of a rotation that is over.
        for line in lines.iter().skip(closed + 1).filter(|line| line.get("rotation") == Some(id)) {
            assert!(line.message != "current", "seed {seed}: {} {line}", line.at);
        }
        let followed: Vec<&LogLine> = lines.iter().filter(|line| line.get("rotation") == Some(id)).collect();
        for moment in &report.timeline {
            let (Happening::Detached { host, .. } | Happening::Draining { host, by: ecs_rotator::sim::By::Worker, .. }) =
                &moment.what
            else {
                continue;
            };
            let words = if matches!(moment.what, Happening::Detached { .. }) {
                // By another worker's word, or by a step further on where this one was not seen.
                vec!["leaving", "replacing", "draining", "gone", "returning"]
            } else {
                vec!["draining", "drained", "retired", "gone", "returning"]
            };
            let said =
                |line: &&&LogLine| line.get("host") == Some(host.as_str()) && words.contains(&line.message.as_str());
            assert!(followed.iter().any(|line| said(&line)), "seed {seed}: {:?} is not told", moment.what);
        }
    }
}

#[test]
fn without_troubles_each_step_of_a_host_is_one_line_in_the_order_of_its_life() {
    let (report, lines) = told(scenario(1));
    let id = lines.iter().find(|line| line.message == "rotation open").unwrap().get("rotation").unwrap();
    let hosts: Vec<_> = report
        .timeline
        .iter()
        .filter_map(
            |moment| if let Happening::Detached { host, .. } = &moment.what { Some(host.as_str()) } else { None },
        )
        .collect();
    assert_eq!(hosts.len(), 7);
    for host in hosts {
        let of_host = lines.iter().filter(|line| line.get("host") == Some(host) && line.get("rotation") == Some(id));
        let steps: Vec<&str> =
            of_host.filter(|line| line.message.parse::<Phase>().is_ok()).map(|line| line.message.as_str()).collect();
        assert_eq!(steps, ["leaving", "replacing", "draining", "drained", "retired", "gone"], "{host}");
    }
    assert_eq!(lines.iter().filter(|line| line.level != "INFO").map(ToString::to_string).collect::<Vec<_>>(), [""; 0]);
}

/// A group lists a host for a while as one that is being detached, and whoever looks then sees it there once more.
#[test]
fn regression_no_host_is_said_to_leave_again_while_its_group_lets_go_of_it() {
    let (_, lines) = told(long_drains(30, 1, Budget::Percent(30)));
    let mut replacing = BTreeSet::new();
    for line in lines.iter().filter(|line| line.get("host").is_some()) {
        let host = line.get("host").unwrap_or_default();
        match line.message.as_str() {
            "leaving" => assert!(!replacing.contains(host), "{} {line}", line.at),
            "replacing" => assert!(replacing.insert(host), "{} {line}", line.at),
            _ => {}
        }
    }
    assert_eq!(replacing.len(), 30);
}

#[test]
fn what_somebody_has_sent_is_not_in_the_log_above_debug() {
    const SECRET: &str = "hunter2";
    let bodies = [
        format!("{SECRET} is no JSON"),
        format!(r#"{{"action":"rotate","cluster":"demo","force":"{SECRET}"}}"#),
        format!(r#"{{"action":"rotate","cluster":["{SECRET}"]}}"#),
        format!(r#"{{"action":"pause","cluster":"demo","reason":"{SECRET}"}}"#),
        format!(r#"{{"source":"aws.ecs","detail-type":"ECS Task State Change","account":"{SECRET}","region":7}}"#),
        format!(r#"{{"password":"{SECRET}"}}"#),
    ];
    let sent = bodies.len();
    let mut with_messages = scenario(1);
    for (n, body) in bodies.into_iter().enumerate() {
        with_messages = with_messages.act(SignedDuration::from_secs(60 * n as i64), Act::Send(body));
    }
    let (report, lines) = told(with_messages);
    assert!(report.events_malformed >= sent as u64, "{} of {sent}", report.events_malformed);
    let malformed: Vec<&LogLine> = lines.iter().filter(|line| line.message.starts_with("malformed")).collect();
    assert_eq!(malformed.len(), sent, "{malformed:#?}");
    for line in &lines {
        assert!(!line.to_string().contains(SECRET), "{line}");
    }
    // What it was that was wrong is there.
    let reasons: Vec<&str> = malformed.iter().filter_map(|line| line.get("reason")).collect();
    for expected in
        ["invalid type: string, expected a boolean", "unknown field `reason`", "not JSON", "neither a command"]
    {
        assert!(reasons.iter().any(|reason| reason.contains(expected)), "`{expected}` in {reasons:#?}");
    }
}

fn count(lines: &[LogLine], which: impl Fn(&&LogLine) -> bool) -> BTreeMap<&str, usize> {
    let mut counts = BTreeMap::new();
    for line in lines.iter().filter(which) {
        *counts.entry(line.get("operation").unwrap_or_default()).or_default() += 1;
    }
    counts
}

/// A rotation of every shape of template, a bad image, drains that are given up and such that are helped: together they take
/// every call that changes something.
fn all_kinds() -> Vec<Scenario> {
    let minutes = SignedDuration::from_mins;
    let pinned = TemplateShape::Rule { rule: VersionRule::Number(1), mixed: false };
    let mut shapes = Scenario::new(1).groups(vec![
        GroupShape::new("web-asg", 2).template(pinned),
        GroupShape::new("api-asg", 2),
        GroupShape::new("own-asg", 2).template(TemplateShape::OwnImage { base: VersionRule::Default }),
        GroupShape::new("parameter-asg", 2)
            .template(TemplateShape::ReleaseByParameter { checked: false })
            .follows(Follows::Os("al2023")),
    ]);
    shapes.settings.policy.keep_versions = 1;
    for generation in 2..=3 {
        shapes = shapes.act(minutes(120 * (i64::from(generation) - 1)), Act::Release(generation));
    }
    let ladder = |ladder: Ladder| {
        let mut scenario = Scenario::new(1).hosts(3);
        scenario.settings.policy.ladder = ladder;
        scenario.stuck_task = true;
        scenario
    };
    vec![
        scenario(1),
        shapes,
        Scenario::new(1).hosts(3).bad_release(BadRelease::NeverRegisters),
        ladder(Ladder { stop_standalone_after: Some(minutes(20)), ..Ladder::default() }),
        ladder(Ladder { give_up_after: Some(minutes(90)), ..Ladder::default() }),
    ]
}

#[test]
fn every_change_of_production_is_one_line_with_what_was_before_and_what_is_now() {
    let mut seen = BTreeSet::new();
    for (n, scenario) in all_kinds().into_iter().enumerate() {
        let (_, lines) = logs::lines_during(LevelFilter::TRACE, || Simulation::new(scenario).run(LONG));
        let changed = count(&lines, |line| line.message == "performed" && line.get("changes") == Some("true"));
        let told = count(&lines, |line| line.message == CHANGED);
        assert_eq!(told, changed, "scenario {n}");
        for line in lines.iter().filter(|line| line.message == CHANGED) {
            let says = |field| line.get(field).is_some_and(|text| !text.is_empty() && text != "not known");
            assert!(says("before") && says("after") && line.level == "INFO", "scenario {n}: {line}");
            assert!(line.get("cluster") == Some(CLUSTER) && line.get("rotation").is_some(), "scenario {n}: {line}");
        }
        seen.extend(changed.into_keys().map(ToOwned::to_owned));
    }
    let all = [
        "AttachInstances",
        "CreateLaunchTemplateVersion",
        "CreateOrUpdateTags",
        "CreateTags",
        "DeleteLaunchTemplateVersions",
        "DeregisterContainerInstance",
        "DetachInstances",
        "ModifyLaunchTemplate",
        "PutParameter",
        "StopTask",
        "TagResource",
        "TerminateInstanceInAutoScalingGroup",
        "TerminateInstances",
        "UpdateAutoScalingGroup",
        "UpdateContainerInstancesState",
    ];
    assert_eq!(
        seen,
        all.map(ToOwned::to_owned).into(),
        "a call that none of these rotations makes is not held by this test"
    );
}

#[test]
fn a_cluster_that_comes_and_goes_is_told_once_with_the_reason() {
    let set = |simulation: &mut Simulation, value: Option<&str>| {
        simulation.world_mut().edit_clusters(|clusters| match value {
            Some(value) => {
                for cluster in clusters.values_mut().filter(|cluster| cluster.arn.name().as_str() == CLUSTER) {
                    cluster.tags.insert("ecs-rotator:enabled".to_owned(), value.to_owned());
                }
            }
            None => clusters.retain(|arn, _| arn.name().as_str() != CLUSTER),
        });
        // Two sweeps, and once all clusters are listed anew.
        let until = simulation.now() + SignedDuration::from_mins(40);
        simulation.run_until(|_| false, until);
    };
    let (_, lines) = logs::lines_during(LevelFilter::INFO, || {
        let mut scenario = Scenario::new(1).hosts(2);
        scenario.release_after = SignedDuration::from_hours(40);
        let mut simulation = Simulation::new(scenario);
        for value in [Some("true"), Some("false"), Some("true"), None] {
            set(&mut simulation, value);
        }
    });
    let told: Vec<(&str, &str)> = lines
        .iter()
        .filter(|line| line.message.contains("looked after") || line.message.contains("looking after"))
        .map(|line| (line.message.as_str(), line.get("why").unwrap_or_default()))
        .collect();
    let expected = [
        ("looking after one cluster", ""),
        ("no longer looked after", "it has opted out"),
        ("looked after from now on", "it has opted in"),
        ("no longer looked after", "it has been deleted, or may no longer be seen"),
    ];
    assert_eq!(told, expected);
}

/// Told when it is seen first, and not at every look; also of a cluster that has not opted in, whose slip that may be.
#[test]
fn settings_without_effect_are_told_once() {
    let mut scenario = Scenario::new(1).groups(vec![
        GroupShape::new("web-asg", 2).tag("windows", "Mon-Fri 22:00-04:00"),
        GroupShape::new("api-asg", 2).tag("window", "daily 00:00-24:00 UTC"),
    ]);
    scenario.settings.policy.calendar.freeze = "2001-12-24".parse().unwrap();
    let (_, lines) = logs::lines_during(LevelFilter::WARN, || {
        let mut simulation = Simulation::new(scenario);
        simulation.world_mut().edit_clusters(|clusters| {
            for cluster in clusters.values_mut() {
                cluster.tags.insert("ecs-rotator:enable".to_owned(), "true".to_owned());
            }
        });
        simulation.run(LONG)
    });
    let words = "does not do what it seems to";
    let told: Vec<(Option<&str>, &str)> = lines
        .iter()
        .filter(|line| line.message.ends_with(words))
        .map(|line| (line.get("group").or(line.get("cluster")), line.get("why").unwrap_or_default()))
        .collect();
    for (about, part) in [
        (None, "the freeze has no effect"),
        (Some(CLUSTER), "did you mean `ecs-rotator:enabled`?"),
        (Some("other"), "did you mean `ecs-rotator:enabled`?"),
        (Some("web-asg"), "did you mean `ecs-rotator:window`?"),
        (Some("api-asg"), "is always open"),
    ] {
        let is_it = |(of, why): &&(Option<&str>, &str)| *of == about && why.contains(part);
        assert_eq!(told.iter().filter(is_it).count(), 1, "{about:?} {part}: {told:#?}");
    }
    assert_eq!(told.len(), 5, "{told:#?}");
}
