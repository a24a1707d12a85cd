//! What would get stuck, told beforehand; and what got stuck, told while it is.

#![allow(clippy::wildcard_enum_match_arm, reason = "each test is about a few of the things that happen")]

mod common;

use std::collections::BTreeSet;

use common::{LONG, run, times};
use ecs_rotator::cli::plan::report::Report as Told;
use ecs_rotator::cli::plan::text::text;
use ecs_rotator::effect::{FailureKind, Resources};
use ecs_rotator::engine::Settings;
use ecs_rotator::engine::survey::Depth;
use ecs_rotator::id::InstanceId;
use ecs_rotator::plan::forecast::{Assumptions, Stuck};
use ecs_rotator::plan::policy::{Policy, WhenStuck};
use ecs_rotator::sim::world::{HostNo, Owner, World};
use ecs_rotator::sim::{
    Act, CLUSTER, Delay, Faults, Happening, Outcome, Report, Scenario, ServiceShape, Simulation, logs, survey,
};
use jiff::{SignedDuration, Timestamp};

fn minutes(n: i64) -> SignedDuration {
    SignedDuration::from_mins(n)
}

/// Three hosts, these services, and no standalone task.
fn with(services: Vec<ServiceShape>) -> Scenario {
    let mut scenario = Scenario::new(1).hosts(3).services(services);
    (scenario.standalone_tasks, scenario.slots_per_host) = (0, 10);
    scenario
}

/// As `plan` sees the world just after the release.
fn told(scenario: &Scenario, prepare: impl FnOnce(&mut World)) -> Told {
    let mut world = World::new(scenario);
    prepare(&mut world);
    world.advance(scenario.release_after);
    let settings = Settings { clusters: vec![CLUSTER.into()], ..scenario.settings.clone() };
    let findings = survey(&mut world, settings.clone(), Depth::Tenants);
    Told::of(findings, &settings, &Assumptions::default(), world.now())
}

fn stuck(told: &Told) -> &[Stuck] {
    &told.clusters[0].stuck
}

/// Runs it, keeping the promises, and gives the lines of the log as well.
#[track_caller]
fn run_aloud(scenario: Scenario, prepare: impl FnOnce(&mut World)) -> (Report, Vec<String>) {
    let (report, lines) = logs::told_during(|| {
        let mut simulation = Simulation::new(scenario);
        prepare(simulation.world_mut());
        simulation.run(LONG)
    });
    assert!(report.violations.is_empty(), "{:#?}", report.violations);
    assert_eq!(report.tasks_interrupted, 0);
    assert!(!lines.iter().any(|line| line.contains(" ERROR ")), "{lines:#?}");
    (report, lines)
}

#[track_caller]
fn reason(report: &Report) -> &str {
    match &report.outcome {
        Outcome::Held { reason } => reason,
        other => panic!("not held but {other:?}"),
    }
}

fn detached(report: &Report) -> BTreeSet<InstanceId> {
    let host = |what: &Happening| match what {
        Happening::Detached { host, .. } => Some(host.clone()),
        _ => None,
    };
    report.timeline.iter().filter_map(|moment| host(&moment.what)).collect()
}

fn explained(lines: &[String]) -> Vec<&String> {
    lines.iter().filter(|line| line.contains(" drains since ")).collect()
}

#[test]
fn minimum_and_maximum_of_100_are_told_beforehand_and_the_stall_names_the_service_and_its_last_event() {
    let scenario = || with(vec![ServiceShape::new("stiff", 6, 100, 100), ServiceShape::new("supple", 6, 100, 200)]);
    let beforehand = told(&scenario(), |_| {});
    let [stiff] = stuck(&beforehand) else { panic!("{:?}", stuck(&beforehand)) };
    assert_eq!((stiff.what.as_str(), stiff.hosts.len()), ("service stiff", 3));
    assert!(stiff.why.contains("may neither start a task more nor stop one"), "{}", stiff.why);

    let (report, lines) = run_aloud(scenario(), |_| {});
    let [line] = explained(&lines)[..] else { panic!("once: {lines:#?}") };
    let event = r#"last event: "(service stiff) was unable to stop or start tasks during a deployment"#;
    assert!(
        line.contains("2 tasks of service stiff (no room with 6 desired at 100/100 %") && line.contains(event),
        "{line}"
    );
    assert!(line.contains(", 1 task of service logs (daemon, stops last)"), "after what matters: {line}");
    let host = detached(&report).pop_first().unwrap();
    assert!(line.contains(host.as_str()) && reason(&report).starts_with(host.as_str()), "{line}");
    assert!(reason(&report).contains("service stiff (no room with 6 desired at 100/100 %)"), "{}", reason(&report));
}

#[test]
fn a_single_task_with_100_to_150_or_50_to_100_percent_is_no_room_either() {
    for (minimum, maximum) in [(100, 150), (50, 100)] {
        let scenario = || with(vec![ServiceShape::new("one", 1, minimum, maximum)]);
        let beforehand = told(&scenario(), |_| {});
        assert_eq!(stuck(&beforehand)[0].what, "service one");
        assert!(beforehand.clusters[0].notes.is_empty(), "it is no note what is a standstill");
        let report = run(scenario());
        let (text, percents) = (reason(&report), format!("1 desired at {minimum}/{maximum}"));
        assert!(text.contains("service one") && text.contains(&percents), "{text}");
    }
}

#[test]
fn a_single_task_that_can_be_moved_is_good_to_know_and_holds_up_nothing() {
    let scenario = with(vec![ServiceShape::new("one", 1, 100, 200)]);
    let beforehand = told(&scenario, |_| {});
    assert!(stuck(&beforehand).is_empty());
    assert_eq!(beforehand.clusters[0].notes[0].what, "service one");
    assert!(text(&beforehand).contains("good to know\nservice one"), "{}", text(&beforehand));
    assert_eq!(run(scenario).outcome, Outcome::Closed);
}

#[test]
fn a_standalone_task_of_three_hours_is_a_hold_that_names_it_and_its_host_goes_when_it_ends() {
    let mut scenario = with(vec![ServiceShape::new("supple", 6, 100, 200)]);
    scenario.standalone_tasks = 1;
    scenario.standalone_lasts = Delay::secs(3 * 3600, 3 * 3600 + 1);
    let resume = Act::Send(r#"{"action":"resume","cluster":"demo"}"#.to_owned());
    let (report, lines) = run_aloud(scenario.act(minutes(200), resume), |_| {});
    assert_eq!((report.outcome.clone(), report.rotated), (Outcome::Closed, 3));
    let line = explained(&lines)[0];
    let task = line.split("1 standalone task family:batch (").nth(1).and_then(|rest| rest.split(')').next()).unwrap();
    assert_eq!(task.len(), 32, "the id of the task: {line}");
    let held = lines.iter().find(|line| line.contains("rotation held")).unwrap();
    assert!(held.contains("1 task not stopped after 1h of draining") && held.contains(task), "{held}");
    let ended = Timestamp::from_second(report.timeline[0].at.as_second()).unwrap() + minutes(175);
    let gone = times(&report, |what| matches!(what, Happening::Terminated { .. }));
    assert!(gone.iter().any(|at| (minutes(0)..minutes(20)).contains(&ended.duration_until(*at))), "{gone:?}");
}

#[test]
fn a_protected_task_is_waited_for_by_name_until_its_protection_ends() {
    let scenario = with(vec![ServiceShape::new("jobs", 3, 0, 200)]);
    let beforehand = told(&scenario, |world| world.protect("jobs", true));
    assert_eq!(stuck(&beforehand)[0].what, "protected tasks");
    assert!(stuck(&beforehand)[0].why.contains("of service jobs on i-"), "{}", stuck(&beforehand)[0].why);

    let ((), lines) = logs::told_during(|| {
        let mut simulation = Simulation::new(scenario);
        simulation.world_mut().protect("jobs", true);
        let deadline = simulation.now() + LONG;
        assert!(simulation.run_until(|world| world.ledger().held.is_some(), deadline));
        simulation.world_mut().protect("jobs", false);
        assert!(simulation.run_until(|world| world.orphans().is_empty(), deadline), "it goes when it is free");
    });
    assert!(explained(&lines)[0].contains("1 task of service jobs (protected; last event"), "{lines:#?}");
}

/// Its task needs what only the host has on which it is.
fn outgrow(world: &mut World) {
    world.edit_services(|services| services[0].needs = Resources { cpu: 4096, memory: 8192, gpus: 0 });
    let of_big = |owner| owner == Owner::Service(0);
    let home: Vec<HostNo> =
        world.account().tasks.iter().filter(|(_, task)| of_big(task.owner)).map(|(no, _)| no.host).collect();
    world.resize_hosts(|no, size| match home.contains(&no) {
        true => Resources { cpu: 5120, memory: 10240, gpus: 0 },
        false => size,
    });
}

#[test]
fn a_task_that_fits_on_no_other_host_is_told_beforehand_and_its_service_says_so_in_the_stall() {
    let scenario = || with(vec![ServiceShape::new("big", 1, 100, 200), ServiceShape::new("supple", 6, 100, 200)]);
    let beforehand = told(&scenario(), outgrow);
    let [big] = stuck(&beforehand) else { panic!("{:?}", stuck(&beforehand)) };
    assert!(big.what == "service big" && big.why.contains("needs 4096 CPU units and 8192 MiB"), "{big:?}");
    assert!(stuck(&told(&scenario(), |_| {})).is_empty(), "before it grew");
    let (report, lines) = run_aloud(scenario(), outgrow);
    assert!(explained(&lines)[0].contains("(service big) was unable to place a task"), "{lines:#?}");
    assert!(reason(&report).contains("kept by service big"), "{}", reason(&report));
}

#[test]
fn who_waits_takes_the_free_hosts_first_and_then_says_whom_it_waits_for() {
    let scenario = |stuck| {
        let mut scenario = with(vec![ServiceShape::new("supple", 6, 100, 200)]);
        scenario.stuck_task = true;
        scenario.settings.policy = Policy { stuck, ..Policy::default() };
        scenario
    };
    let (waited, lines) = run_aloud(scenario(WhenStuck::Wait), |_| {});
    let text = reason(&waited);
    let named: Vec<&str> = text.split_whitespace().filter(|word| word.starts_with("i-")).collect();
    assert!(text.starts_with("demo-asg: i-") && text.contains("standalone task family:batch"), "{text}");
    assert_eq!((named.len(), waited.rotated), (1, 2), "{text}");
    assert!(!detached(&waited).contains(&named[0].into()), "whom it waits for stays in its group");
    assert_eq!(lines.iter().filter(|line| line.contains("nobody is admitted") && line.contains(named[0])).count(), 1);

    let went_on = run(scenario(WhenStuck::GoOn));
    assert!(detached(&went_on).contains(&named[0].into()), "and by default it takes its turn");
    assert!(!went_on.requests.contains_key("ListServices"), "which costs no call beforehand");
}

#[test]
fn whoever_waits_goes_on_by_itself_when_nothing_blocks_any_more() {
    let mut scenario = with(vec![ServiceShape::new("supple", 6, 100, 200)]);
    (scenario.standalone_tasks, scenario.standalone_lasts) = (1, Delay::secs(1500, 1501));
    scenario.settings.policy.stuck = WhenStuck::Wait;
    let report = run(scenario);
    assert_eq!((report.outcome.clone(), report.rotated), (Outcome::Closed, 3));
    let draining = |host: &InstanceId| {
        let of = |what: &Happening| matches!(what, Happening::Draining { host: of, .. } if of == host);
        times(&report, of)[0]
    };
    let drained =
        |host: &InstanceId| times(&report, |what| matches!(what, Happening::Drained { host: of } if of == host))[0];
    for host in &detached(&report) {
        assert!(draining(host).duration_until(drained(host)) < minutes(3), "no drain had to wait for it");
    }
}

#[test]
fn what_cannot_be_read_of_tenants_stops_no_drain_and_is_no_leave_to_go() {
    let scenario = |stuck| {
        let denied = Some(("DescribeServices", FailureKind::AccessDenied));
        let mut scenario =
            with(vec![ServiceShape::new("stiff", 6, 100, 100)]).faults(Faults { denied, ..Faults::none() });
        scenario.settings.policy.stuck = stuck;
        scenario
    };
    let (report, lines) = run_aloud(scenario(WhenStuck::GoOn), |_| {});
    assert!(explained(&lines)[0].contains("2 tasks of service stiff cluster="), "{lines:#?}");
    assert!(reason(&report).contains("service stiff"), "{}", reason(&report));
    let waited = run(scenario(WhenStuck::Wait));
    assert!(reason(&waited).contains("could not be read (DescribeServices failed"), "{}", reason(&waited));
    assert_eq!(detached(&waited).len(), 0);
}

#[test]
fn a_drain_that_is_soon_over_costs_no_call_about_who_blocks_it() {
    let report = run(with(vec![ServiceShape::new("supple", 6, 100, 200)]));
    assert_eq!((report.outcome, report.rotated), (Outcome::Closed, 3));
    assert!(!report.requests.contains_key("DescribeServices"), "{:?}", report.requests);
}

#[test]
fn services_beyond_the_first_page_are_told_beforehand_too() {
    let services = ["a-supple", "b-supple"].map(|name| ServiceShape::new(name, 6, 100, 200));
    let mut scenario = with(services.into_iter().chain([ServiceShape::new("stiff", 6, 100, 100)]).collect());
    scenario.page_size = 1;
    let beforehand = told(&scenario, |_| {});
    let [stiff] = stuck(&beforehand) else { panic!("{:?}", stuck(&beforehand)) };
    assert_eq!(stiff.what, "service stiff");
}

#[test]
fn a_drain_timeout_that_is_shorter_than_a_stall_is_quiet_names_who_keeps_the_host_too() {
    let settings =
        Settings { policy: Policy { drain_timeout: minutes(8), ..Policy::default() }, ..Settings::default() };
    let (_, lines) = run_aloud(with(vec![ServiceShape::new("stiff", 6, 100, 100)]).settings(settings), |_| {});
    let held = lines.iter().find(|line| line.contains("rotation held")).expect("a hold");
    assert!(held.contains("service stiff"), "from the first: {held}");
}
