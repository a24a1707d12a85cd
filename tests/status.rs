//! What `status` tells of a rotation, at moments of a simulated one. It looks as anybody may who can only read.

mod common;

use ecs_rotator::cli::status::lines::{Tone, in_one_line, lines};
use ecs_rotator::cli::status::report::Report;
use ecs_rotator::effect::Request;
use ecs_rotator::engine::Settings;
use ecs_rotator::plan::calendar::Calendar;
use ecs_rotator::plan::host::Phase;
use ecs_rotator::plan::outcome::{SkipCode, SkippedGroup, Standing};
use ecs_rotator::plan::output::WaitsFor;
use ecs_rotator::plan::policy::{Budget, Policy};
use ecs_rotator::plan::status::{ClusterStatus, HostStatus};
use ecs_rotator::sim::world::cluster_arn;
use ecs_rotator::sim::{BadRelease, CLUSTER, GroupShape, Happening, Scenario, Simulation, survey_by_workers};
use jiff::SignedDuration;

fn look(simulation: &mut Simulation, settings: &Settings) -> Report {
    let settings = Settings { clusters: vec![CLUSTER.into()], ..settings.clone() };
    let findings = survey_by_workers(simulation.world_mut(), settings);
    Report::of(findings, simulation.now())
}

fn only(report: &Report) -> &ClusterStatus {
    let [status] = report.clusters.as_slice() else { panic!("{report:?}") };
    status
}

fn text(report: &Report, width: u16) -> String {
    lines(report, width).into_iter().map(|line| line.text + "\n").collect()
}

fn scenario() -> Scenario {
    let mut scenario = Scenario::new(1);
    scenario.groups = vec![GroupShape::new("web-asg", 3), GroupShape::new("api-asg", 3)];
    scenario
}

#[test]
fn before_a_rotation_there_is_none_and_after_it_every_host_need_not_go() {
    let settings = scenario().settings;
    let mut simulation = Simulation::new(scenario());
    let deadline = simulation.now() + common::LONG;
    simulation.run_until(|_| false, simulation.now() + SignedDuration::from_mins(1));
    let before = look(&mut simulation, &settings);
    assert_eq!(only(&before).rotation, None);
    assert!(text(&before, 100).starts_with("cluster demo: there has been no rotation\n"), "{}", text(&before, 100));

    assert!(simulation.run_until(|world| world.ledger().closed.is_some(), deadline));
    let after = look(&mut simulation, &settings);
    let status = only(&after);
    assert_eq!(status.rotation.as_ref().map(|rotation| rotation.state), Some(Standing::Closed));
    assert_eq!((status.current, status.hosts, status.left_seconds), (6, 6, None));
    assert_eq!(status.in_flight, []);
    assert!(in_one_line(status).ends_with(" closed: 6 of 6 hosts done · 0 in flight"), "{}", in_one_line(status));
}

#[test]
fn in_the_middle_it_tells_who_is_on_its_way_and_what_each_waits_for() {
    let settings = scenario().settings;
    let mut simulation = Simulation::new(scenario());
    let deadline = simulation.now() + common::LONG;
    let mut seen = std::collections::BTreeSet::new();
    let (mut current, mut figures) = (0, std::collections::BTreeSet::new());
    // As a person who looks every ten seconds: two groups go side by side.
    while simulation.world().ledger().closed.is_none() {
        assert!(simulation.now() < deadline);
        simulation.run_until(|world| world.ledger().closed.is_some(), simulation.now() + SignedDuration::from_secs(10));
        let report = look(&mut simulation, &settings);
        let status = only(&report);
        let Some(rotation) = &status.rotation else { continue };
        assert!(rotation.because.as_deref().is_some_and(|because| because.contains("/images/")), "{rotation:?}");
        assert!(status.current >= current, "hosts do not become outdated again: {status:?}");
        current = status.current;
        figures.insert(current);
        if rotation.state != Standing::Open {
            continue;
        }
        assert!(status.left_seconds.is_some_and(|left| left >= 0), "{status:?}");
        for host in &status.in_flight {
            assert!(host.group.is_some() && host.since.is_some() || host.phase == Phase::Current, "{host:?}");
            seen.extend(host.waits_for.clone());
            // What lasts a set time has an end; every other wait has a time at which it has been too long, and never both.
            let by_itself = matches!(host.wait, Some(WaitsFor::Bake | WaitsFor::Settle));
            assert_eq!(
                (host.ends.is_some(), host.times_out.is_some()),
                (by_itself, host.wait.is_some() && !by_itself),
                "{host:?}"
            );
            // Where nothing else is waited for, the worker is.
            let waits_for = host.waits_for.as_deref().unwrap_or_default();
            assert_eq!(host.wait.is_none(), waits_for.starts_with("the worker to "), "{host:?}");
        }
        let told = text(&report, 200);
        let bakes = status.in_flight.iter().any(|host| host.wait == Some(WaitsFor::Bake));
        assert!(!bakes || told.contains(", ends in "), "{told}");
        let drains = status.in_flight.iter().any(|host| host.wait == Some(WaitsFor::LastTask));
        assert!(!drains || told.contains(", times out in "), "{told}");
        for width in [80, 100] {
            let text = text(&report, width);
            assert!(text.lines().all(|line| line.chars().count() <= usize::from(width)), "{text}");
        }
    }
    let figures: Vec<usize> = figures.into_iter().collect();
    assert_eq!((figures.first(), figures.last()), (Some(&0), Some(&6)));
    // One after another in each of the two groups.
    assert!(figures.windows(2).all(|pair| pair[1] - pair[0] <= 2) && figures.len() >= 4, "{figures:?}");
    for waits_for in ["a replacement", "the last task to stop", "the end of its bake, before others follow"] {
        assert!(seen.contains(waits_for), "nobody was seen to wait for {waits_for}: {seen:?}");
    }
}

#[test]
fn each_group_tells_what_serves_what_runs_there_and_how_many_may_go() {
    let mut scenario = Scenario::new(1).groups(vec![GroupShape::new("web-asg", 10), GroupShape::new("api-asg", 5)]);
    scenario.settings.policy = Policy { max_in_flight: Budget::Percent(20), ..Policy::default() };
    let settings = scenario.settings.clone();
    let mut simulation = Simulation::new(scenario);
    let mut mixed = false;
    for _ in 0..30 {
        simulation.run_until(|_| false, simulation.now() + SignedDuration::from_mins(1));
        let report = look(&mut simulation, &settings);
        let status = only(&report);
        assert_eq!((status.account.as_str(), status.region.as_str()), ("123456789012", "eu-west-1"));
        let tasks: u32 = status.groups.iter().map(|group| group.running_tasks).sum();
        assert!(tasks > 0, "{status:?}");
        for (name, desired, budget) in [("web-asg", 10, 2), ("api-asg", 5, 1)] {
            let group = status.groups.iter().find(|group| group.group.as_str() == name).unwrap();
            assert_eq!((group.desired, group.max_in_flight, group.window.as_deref()), (desired, budget, None));
            assert!(group.serving >= desired, "{group:?}");
            let hosts: usize = group.hosts.values().map(|ids| ids.len()).sum();
            assert_eq!(group.images.iter().map(|image| image.hosts).sum::<usize>(), hosts, "{group:?}");
            assert!(group.images.is_sorted_by(|a, b| a.hosts >= b.hosts), "{group:?}");
            // What it launches, and what it runs beside that: from what to what.
            mixed |= group.images.len() == 2
                && group.images.iter().any(|image| image.image.id == group.launches[0].release.id);
        }
    }
    assert!(mixed, "no group was seen between two images");
}

#[test]
fn why_nothing_begins_now_is_told_whatever_the_rotation_is_at() {
    let calendar = Calendar { windows: Some("daily 03:00-03:20 UTC".parse().unwrap()), ..Calendar::default() };
    let mut scenario = scenario();
    scenario.settings.policy = Policy { calendar, ..Policy::default() };
    let settings = scenario.settings.clone();
    let mut simulation = Simulation::new(scenario);
    for (minutes, closed) in [(15, false), (10, true)] {
        simulation.run_until(|_| false, simulation.now() + SignedDuration::from_mins(minutes));
        let report = look(&mut simulation, &settings);
        for group in &only(&report).groups {
            assert_eq!(group.window.is_some(), closed, "{group:?}");
            assert!(group.window.as_ref().is_none_or(|why| why.contains("03:00")), "{group:?}");
        }
    }
}

#[test]
fn a_hold_is_told_with_its_reason_and_stands_out() {
    let scenario = scenario().bad_release(BadRelease::NeverRegisters);
    let settings = scenario.settings.clone();
    let mut simulation = Simulation::new(scenario);
    let deadline = simulation.now() + common::LONG;
    assert!(simulation.run_until(|world| world.ledger().held.is_some(), deadline));
    let report = look(&mut simulation, &settings);
    assert!(report.any_is(Standing::Held));
    let hold = only(&report).hold.clone().unwrap_or_default();
    assert!(hold.contains("did not register"), "{hold}");
    let trouble: String =
        lines(&report, 100).into_iter().filter(|line| line.tone == Tone::Trouble).map(|line| line.text).collect();
    assert!(trouble.starts_with("HELD") && trouble.contains("did not register"), "{trouble}");
}

#[test]
fn what_is_not_as_it_should_be_stands_out_and_only_a_cluster_that_is_done_is_green() {
    let settings = scenario().settings;
    let mut simulation = Simulation::new(scenario());
    let deadline = simulation.now() + common::LONG;
    assert!(simulation.run_until(|world| world.ledger().closed.is_some(), deadline));
    let mut report = look(&mut simulation, &settings);
    let said = |report: &Report, tone: Tone, what: &str| {
        lines(report, 100).iter().any(|line| line.tone == tone && line.text.contains(what))
    };
    assert!(said(&report, Tone::Good, "6 of 6 hosts done"), "{}", text(&report, 100));
    assert!(!said(&report, Tone::Trouble, ""), "{}", text(&report, 100));

    report.clusters[0].enabled = Some(false);
    assert!(said(&report, Tone::Trouble, "opted out: its tag"), "{}", text(&report, 100));
    report.clusters[0].groups[0].waits = vec!["the window opens at 03:00".to_owned()];
    assert!(said(&report, Tone::Waiting, "waits: the window opens at 03:00"), "{}", text(&report, 100));
    let skipped = SkippedGroup { group: "web-asg".into(), code: SkipCode::Unresolved, reason: "why".to_owned() };
    report.clusters[0].skipped = vec![skipped];
    assert!(said(&report, Tone::Trouble, "SKIPPED     web-asg: why"), "{}", text(&report, 100));
    assert!(!said(&report, Tone::Good, "hosts done"), "{}", text(&report, 100));
}

/// Whoever may tag a cluster must not write to the terminal of whoever looks.
#[test]
fn what_tags_say_is_shown_as_text() {
    let settings = scenario().settings;
    let mut simulation = Simulation::new(scenario());
    simulation.run_until(|_| false, simulation.now() + SignedDuration::from_mins(1));
    let mut report = look(&mut simulation, &settings);
    report.clusters[0].hold = Some("\u{1b}[2Jgone\u{7}".to_owned());
    let text = text(&report, 100);
    assert!(!text.chars().any(|c| c.is_control() && c != '\n') && text.contains("gone"), "{text}");
}

/// With a bake of 25 s, seen by somebody who has no settings at all while a host bakes, and then without the tag.
#[test]
fn deadlines_go_by_the_settings_of_the_worker_or_are_not_told() {
    let mut scenario = scenario();
    scenario.settings.policy.bake = SignedDuration::from_secs(25);
    let mut simulation = Simulation::new(scenario);
    let deadline = simulation.now() + common::LONG;
    let (mut baked, mut blind) = (0, 0);
    while simulation.world().ledger().closed.is_none() {
        assert!(simulation.now() < deadline);
        simulation.run_until(|world| world.ledger().closed.is_some(), simulation.now() + SignedDuration::from_secs(5));
        let report = look(&mut simulation, &Settings::default());
        let status = only(&report);
        if status.rotation.is_none() {
            assert!(!status.settings_known, "no worker has changed anything yet");
            continue;
        }
        assert!(status.settings_known, "{status:?}");
        let baking = |host: &&HostStatus| host.phase == Phase::Current;
        for host in status.in_flight.iter().filter(baking) {
            let left = host.ends.expect("it ends").duration_since(simulation.now());
            assert!(left <= SignedDuration::from_secs(26), "{host:?}");
            baked += 1;
        }
        if status.in_flight.is_empty() {
            continue;
        }
        let settings =
            simulation.world().account().clusters[&cluster_arn(CLUSTER)].tags["ecs-rotator:settings"].clone();
        write_settings(&mut simulation, "");
        let without = look(&mut simulation, &Settings::default());
        let status = only(&without);
        assert_eq!((status.settings_known, status.left_seconds), (false, None));
        assert!(
            status
                .in_flight
                .iter()
                .all(|host| host.ends.is_none() && host.times_out.is_none() && host.phase != Phase::Current),
            "{status:?}"
        );
        blind += usize::from(text(&without, 100).contains("when a wait ends is not known"));
        write_settings(&mut simulation, &settings);
    }
    assert!(baked > 2 && blind > 2, "{baked} {blind}");
}

fn write_settings(simulation: &mut Simulation, text: &str) {
    let tags = std::collections::BTreeMap::from([("ecs-rotator:settings".to_owned(), text.to_owned())]);
    let request = Request::TagResource { cluster: cluster_arn(CLUSTER), tags };
    simulation.world_mut().perform(&request).expect("tagged");
}

#[test]
fn account_and_region_are_named_and_no_word_is_broken_in_a_narrow_terminal() {
    let settings = scenario().settings;
    let mut simulation = Simulation::new(scenario());
    let deadline = simulation.now() + common::LONG;
    simulation
        .run_until(|world| world.timeline().iter().any(|m| matches!(m.what, Happening::Detached { .. })), deadline);
    simulation.run_until(|_| false, simulation.now() + SignedDuration::from_mins(1));
    let report = look(&mut simulation, &settings);
    let status = only(&report);
    assert_eq!((status.account.as_str(), status.region.as_str()), ("123456789012", "eu-west-1"));
    assert!(!status.in_flight.is_empty(), "{status:?}");
    assert!(text(&report, 100).contains("account 123456789012 · region eu-west-1"), "{}", text(&report, 100));
    let words =
        |text: String| text.split_whitespace().map(ToOwned::to_owned).collect::<std::collections::BTreeSet<_>>();
    let whole = words(text(&report, 300));
    for width in [60, 72, 80, 100, 120] {
        let text = text(&report, width);
        assert!(text.lines().all(|line| line.chars().count() <= usize::from(width)), "{width}:\n{text}");
        let broken: Vec<_> = words(text.clone()).difference(&whole).cloned().collect();
        assert!(broken.is_empty(), "{width}: {broken:?}\n{text}");
    }
}
