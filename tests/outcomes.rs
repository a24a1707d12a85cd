//! How a rotation ends, and what every surface says of it: nothing that was skipped is called done, and what held a rotation
//! is told until it is gone.

#![allow(clippy::wildcard_enum_match_arm, reason = "each test is about a few of the things that happen")]

mod common;

use ecs_rotator::cli::status::lines::lines;
use ecs_rotator::cli::status::report::Report as Status;
use ecs_rotator::effect::News;
use ecs_rotator::engine::Settings;
use ecs_rotator::id::{BusName, GroupName};
use ecs_rotator::journal::LogLine;
use ecs_rotator::plan::host::Phase;
use ecs_rotator::plan::outcome::{SkipCode, Standing};
use ecs_rotator::plan::status::ClusterStatus;
use ecs_rotator::sim::world::World;
use ecs_rotator::sim::{
    Act, BadRelease, CLUSTER, Follows, GroupShape, Outcome, Report, Scenario, Simulation, TemplateShape, Trigger, logs,
    survey_by_workers,
};
use jiff::SignedDuration;
use tracing_subscriber::filter::LevelFilter;

fn minutes(n: i64) -> SignedDuration {
    SignedDuration::from_mins(n)
}

fn days(n: i64) -> SignedDuration {
    SignedDuration::from_hours(24 * n)
}

/// With a bus to tell of it.
fn aloud(scenario: Scenario) -> Scenario {
    let settings = Settings { event_bus: Some(BusName::new("ops")), ..scenario.settings.clone() };
    scenario.settings(settings)
}

fn one_group() -> Scenario {
    aloud(Scenario::new(1).groups(vec![GroupShape::new("web-asg", 3)]))
}

fn send(text: &str) -> Act {
    Act::Send(text.to_owned())
}

/// As anybody sees it who may read.
fn look(simulation: &mut Simulation) -> Status {
    let settings = Settings { clusters: vec![CLUSTER.into()], ..Settings::default() };
    let findings = survey_by_workers(simulation.world_mut(), settings);
    Status::of(findings, simulation.now())
}

fn only(status: &Status) -> &ClusterStatus {
    let [status] = status.clusters.as_slice() else { panic!("{status:?}") };
    status
}

fn standing(status: &Status) -> Standing {
    only(status).rotation.as_ref().expect("a rotation").state
}

fn text(status: &Status) -> String {
    lines(status, 100).into_iter().map(|line| line.text + "\n").collect()
}

fn of_phase(status: &Status, phase: Phase) -> usize {
    only(status).groups.iter().filter_map(|group| group.hosts.get(&phase)).map(std::collections::BTreeSet::len).sum()
}

/// Runs for so long, whatever happens; with what the log said.
#[track_caller]
fn run_for(scenario: Scenario, prepare: impl FnOnce(&mut World), long: SignedDuration) -> (Simulation, Vec<LogLine>) {
    let (simulation, lines) = logs::lines_during(LevelFilter::INFO, || {
        let mut simulation = Simulation::new(scenario);
        prepare(simulation.world_mut());
        let end = simulation.now() + long;
        simulation.run_until(|_| false, end);
        simulation
    });
    assert!(!lines.iter().any(|line| line.level == "ERROR"), "{lines:#?}");
    (simulation, lines)
}

#[track_caller]
fn end(simulation: Simulation) -> Report {
    let report = simulation.finish();
    assert!(report.violations.is_empty(), "{:#?}", report.violations);
    report
}

fn kinds(report: &Report) -> Vec<&'static str> {
    report.told.iter().map(|notice| notice.news.detail_type()).filter(|kind| *kind != "Host Replaced").collect()
}

/// The parameter that groups follow here.
const OWN: &str = "/images/ecs-host";
const ROTATE: &str = r#"{"action":"rotate","cluster":"demo"}"#;

/// The parameter names an image that does not fit.
fn spoil(world: &mut World) {
    world.edit_image(&World::image_of(Follows::Own, 1), |image| image.root_device = Some("/dev/sda1".to_owned()));
    world.put_beyond_workers(&GroupName::from("web-asg"));
}

#[test]
fn a_rotation_that_left_a_group_out_is_not_plainly_closed() {
    let scenario = one_group().act(minutes(1), send(ROTATE));
    let (mut simulation, lines) = run_for(scenario, spoil, minutes(60));
    let seen = look(&mut simulation);
    assert_eq!(standing(&seen), Standing::ClosedWithGroupsSkipped, "{}", text(&seen));
    let [skipped] = only(&seen).skipped.as_slice() else { panic!("{seen:?}") };
    assert_eq!((skipped.group.as_str(), skipped.code), ("web-asg", SkipCode::Unresolved));
    assert!(skipped.reason.contains("has its root device at /dev/sda1"), "{skipped:?}");
    assert_eq!((only(&seen).current, only(&seen).hosts, of_phase(&seen, Phase::Unknown)), (0, 3, 3), "{}", text(&seen));
    assert!(seen.any_cannot_be_rotated());
    let text = text(&seen);
    assert!(text.contains("closed with groups skipped") && text.contains("0 of 3 hosts done"), "{text}");
    assert!(text.contains("SKIPPED     web-asg: ") && !text.contains('█'), "{text}");

    let told: Vec<&LogLine> = lines.iter().filter(|line| line.message.starts_with("rotation closed")).collect();
    let [told] = told.as_slice() else { panic!("{told:?}") };
    assert_eq!((told.message.as_str(), told.level), ("rotation closed with groups skipped", "WARN"));
    assert_eq!(told.get("groups"), Some("web-asg"));

    let report = end(simulation);
    assert_eq!(report.outcome, Outcome::Skipped { groups: "web-asg=unresolved".to_owned() });
    assert_eq!(kinds(&report), ["Rotation Opened", "Rotation Closed With Groups Skipped"]);
    let detail = report.told.last().expect("an event").detail();
    assert_eq!(detail["skipped"][0]["group"], "web-asg");
    assert!(detail["skipped"][0]["reason"].as_str().is_some_and(|reason| reason.contains("/dev/sda1")), "{detail}");
}

/// Nothing opens, so nothing closes with a group skipped: the log and `status` say so between rotations too.
#[test]
fn a_group_whose_release_is_lost_while_nothing_goes_on_is_told_until_it_is_known_again() {
    let (mut simulation, _) = run_for(one_group(), |_| (), minutes(120));
    let before = look(&mut simulation);
    assert!(standing(&before) == Standing::Closed && !before.any_cannot_be_rotated(), "{}", text(&before));
    let (_, lines) = logs::lines_during(LevelFilter::INFO, || {
        simulation.world_mut().put_any_parameter(&OWN.into(), None);
        let later = simulation.now() + minutes(300);
        simulation.run_until(|_| false, later);
    });
    let told = lines.iter().filter(|line| line.message == "this group is not rotated" && line.level == "WARN");
    assert!((4..=6).contains(&told.count()), "about once an hour: {lines:#?}");
    let seen = look(&mut simulation);
    assert!(standing(&seen) == Standing::Closed && seen.any_cannot_be_rotated(), "{}", text(&seen));
}

/// Shorter than it takes until somebody asks by himself who keeps a drain.
#[test]
fn who_keeps_a_drain_is_told_by_status_however_short_its_timeout_is() {
    let mut scenario = one_group();
    scenario.stuck_task = true;
    scenario.settings.policy.drain_timeout = minutes(4);
    let (mut simulation, _) = logs::lines_during(LevelFilter::INFO, || {
        let mut simulation = Simulation::new(scenario);
        let end = simulation.now() + minutes(180);
        assert!(simulation.run_until(|world| world.ledger().held.is_some(), end));
        simulation
    });
    let held = look(&mut simulation);
    let [cause] = only(&held).causes.as_slice() else { panic!("{held:?}") };
    assert!(cause.text.contains("after 4m of draining, kept by standalone task"), "{}", cause.text);
}

#[test]
fn once_the_release_is_known_again_its_hosts_are_replaced_and_nothing_is_skipped_any_more() {
    let scenario = one_group().act(minutes(1), send(ROTATE));
    let (mut simulation, _) = run_for(scenario, spoil, minutes(60));
    simulation.world_mut().edit_image(&World::image_of(Follows::Own, 1), |image| {
        image.root_device = Some("/dev/xvda".to_owned());
    });
    // The hourly check finds it.
    let later = simulation.now() + minutes(180);
    simulation.run_until(|_| false, later);
    let seen = look(&mut simulation);
    assert_eq!((standing(&seen), &only(&seen).skipped), (Standing::Closed, &Vec::new()), "{}", text(&seen));
    assert_eq!((only(&seen).current, of_phase(&seen, Phase::Current)), (3, 3), "{}", text(&seen));
}

#[test]
fn after_a_rejected_image_no_host_counts_as_current_and_a_rotation_that_goes_on_says_what_it_left_out() {
    let scenario = one_group().bad_release(BadRelease::NeverRegisters);
    let scenario = scenario.act(minutes(200), send(r#"{"action":"resume","cluster":"demo"}"#));
    let (mut simulation, _) = run_for(scenario, |_| (), minutes(180));
    let held = look(&mut simulation);
    assert_eq!(standing(&held), Standing::Held, "{}", text(&held));
    assert_eq!((only(&held).current, of_phase(&held, Phase::Behind)), (0, 3), "{}", text(&held));
    let said = text(&held);
    for what in ["3 behind (newer image rejected)", "patch age 3", "and is rejected here", "→ publish a newer image"]
    {
        assert!(said.contains(what), "{what}: {said}");
    }
    let commands: Vec<&str> = only(&held).to_do.iter().map(|way| way.command.as_str()).collect();
    assert_eq!(commands, ["ecs-rotator rotate --cluster demo"], "nothing is in flight that could be given back");
    let new = World::image_of(Follows::Own, 1);
    let group = &only(&held).groups[0];
    assert!(group.rejected.contains(&new) && group.newest.as_ref().is_some_and(|image| image.id == new), "{group:?}");

    let later = simulation.now() + minutes(90);
    simulation.run_until(|_| false, later);
    let closed = look(&mut simulation);
    assert_eq!(standing(&closed), Standing::ClosedWithGroupsSkipped, "{}", text(&closed));
    assert_eq!(only(&closed).skipped[0].code, SkipCode::Rejected);
    assert_eq!((only(&closed).current, of_phase(&closed, Phase::Current)), (0, 0), "{}", text(&closed));
    assert!(matches!(end(simulation).outcome, Outcome::Skipped { .. }));
}

#[test]
fn the_age_of_a_newer_image_grows_until_it_runs_everywhere_and_the_log_tells_it_for_the_stack() {
    let scenario = one_group().bad_release(BadRelease::NeverRegisters);
    let (mut simulation, lines) = run_for(scenario, |_| (), days(3));
    // The image was made a month before it was released.
    let age = only(&look(&mut simulation)).groups[0].patch_age_seconds.expect("an age");
    assert!((days(30).as_secs()..days(40).as_secs()).contains(&age), "{age} s");
    let told: Vec<f64> = lines
        .iter()
        .filter(|line| line.message == "patch age" && line.get("group") == Some("web-asg"))
        .filter_map(|line| line.get("patch_age_days")?.parse().ok())
        .collect();
    assert!(told.len() > 24 && told[told.len() - 1] - told[0] > 2.5, "{told:?}");
    assert!(told.windows(2).all(|pair| pair[0] < pair[1]), "{told:?}");
    let engine = simulation.engine().expect("a worker");
    assert!(engine.vitals().clusters[&CLUSTER.into()].behind_since.contains_key(&GroupName::from("web-asg")));

    let (mut simulation, lines) = run_for(one_group(), |_| (), days(3));
    let seen = look(&mut simulation);
    let group = &only(&seen).groups[0];
    assert_eq!((group.patch_age_seconds, &group.newest), (None, &None), "every host runs it");
    let closed = lines.iter().position(|line| line.message == "rotation closed").expect("it closes");
    assert!(!lines[closed..].iter().any(|line| line.message == "patch age"), "and nothing is told any more");
}

#[test]
fn a_newer_release_while_hosts_lack_the_last_one_does_not_make_them_look_patched() {
    let (mut simulation, _) = run_for(one_group().bad_release(BadRelease::NeverRegisters), |_| (), days(3));
    let before = only(&look(&mut simulation)).groups[0].patch_age_seconds.expect("an age");
    // Another image comes out, and is bad as well: the worker remembers the first.
    simulation.world_mut().act(Act::Release(2));
    let later = simulation.now() + minutes(180);
    simulation.run_until(|_| false, later);
    let engine = simulation.engine().expect("a worker");
    let since = engine.vitals().clusters[&CLUSTER.into()].behind_since[&GroupName::from("web-asg")];
    let age = simulation.now().duration_since(since).as_secs();
    assert!(age >= before + minutes(170).as_secs(), "{age} s after {before} s");
}

#[test]
fn a_drain_that_is_over_after_all_lets_the_rotation_go_on_by_itself() {
    let mut scenario = one_group();
    scenario.stuck_task = true;
    let (mut simulation, lines) = run_for(scenario, |_| (), minutes(150));
    let held = look(&mut simulation);
    assert_eq!(standing(&held), Standing::Held, "{}", text(&held));
    let [cause] = only(&held).causes.as_slice() else { panic!("{held:?}") };
    assert_eq!((cause.code.to_string().as_str(), cause.gone, cause.hosts.len()), ("drain-overdue", false, 1));
    assert!(cause.text.contains("1 task not stopped after 1h of draining, kept by standalone task"), "{}", cause.text);
    let [host] = only(&held).in_flight.as_slice() else { panic!("{held:?}") };
    assert_eq!((host.waits_for.as_deref(), host.tasks), (Some("the last task to stop"), Some(1)), "{}", text(&held));
    let [way] = only(&held).to_do.as_slice() else { panic!("{held:?}") };
    assert!(way.when.starts_with("it goes on by itself"), "{way:?}");
    assert!(lines.iter().any(|line| line.message == "rotation held"), "{lines:#?}");
    simulation.world_mut().act(Act::StopStandaloneTasks);
    let later = simulation.now() + minutes(240);
    simulation.run_until(|world| world.ledger().closed.is_some(), later);
    let report = end(simulation);
    assert_eq!(report.outcome, Outcome::Closed);
    let resumed = report.told.iter().find_map(|notice| match &notice.news {
        News::RotationResumed { because } => Some(because.clone()),
        _ => None,
    });
    assert!(resumed.is_some_and(|because| because.contains("is over")), "{:?}", kinds(&report));
}

#[test]
fn a_rotation_that_a_person_has_aborted_does_not_go_on_by_itself_and_is_told_apart_from_a_held_one() {
    let mut scenario = one_group().act(minutes(100), send(r#"{"action":"abort","cluster":"demo"}"#));
    scenario.stuck_task = true;
    let (mut simulation, lines) = run_for(scenario, |_| (), minutes(150));
    simulation.world_mut().act(Act::StopStandaloneTasks);
    let later = simulation.now() + minutes(240);
    simulation.run_until(|_| false, later);
    let seen = look(&mut simulation);
    assert_eq!(standing(&seen), Standing::Aborted, "{}", text(&seen));
    let said = text(&seen);
    assert!(said.contains("ABORTED     aborted: hosts that drain finish") && !said.contains("over: "), "{said}");
    assert_eq!(only(&seen).causes, [], "the drain is over: no reason to let it go on");
    assert!(lines.iter().any(|line| line.message == "rotation aborted"), "{lines:#?}");
    let report = end(simulation);
    assert!(kinds(&report).contains(&"Rotation Aborted"), "{:?}", kinds(&report));
    assert!(!kinds(&report).contains(&"Rotation Resumed"), "{:?}", kinds(&report));
}

#[test]
fn a_group_that_is_short_holds_the_rotation_until_it_is_at_capacity_again() {
    let scenario = one_group();
    let group = || "web-asg".to_owned();
    let suspended = |world: &mut World| world.act(Act::SuspendLaunches { group: group() });
    let (mut simulation, _) = run_for(scenario, suspended, minutes(60));
    let held = look(&mut simulation);
    assert_eq!(standing(&held), Standing::Held, "{}", text(&held));
    assert!(only(&held).causes[0].text.contains("launches suspended"), "{held:?}");
    simulation.world_mut().act(Act::ResumeLaunches { group: group() });
    let later = simulation.now() + minutes(240);
    simulation.run_until(|world| world.ledger().closed.is_some(), later);
    assert_eq!(end(simulation).outcome, Outcome::Closed);
}

#[test]
fn what_the_last_rotation_was_not_about_is_counted_once_it_is_over() {
    let groups = vec![GroupShape::new("web-asg", 3), GroupShape::new("api-asg", 2)];
    let scenario = aloud(Scenario::new(1).groups(groups)).trigger(Trigger::Schedule);
    let some = r#"{"action":"rotate","cluster":"demo","groups":["api-asg"]}"#;
    let mut simulation = Simulation::new(scenario.act(minutes(1), send(some)));
    let end = simulation.now() + minutes(120);
    assert!(simulation.run_until(|world| world.ledger().closed.is_some(), end));
    let seen = look(&mut simulation);
    assert_eq!((only(&seen).current, only(&seen).hosts), (2, 5), "{}", text(&seen));
}

/// What a template reads itself cannot be put back by us: the group keeps launching what failed.
#[test]
fn a_rejected_image_that_the_template_reads_itself_is_not_current_anywhere() {
    let shape = GroupShape::new("web-asg", 3).template(TemplateShape::Resolves);
    let scenario = aloud(Scenario::new(1).groups(vec![shape]).bad_release(BadRelease::NeverRegisters));
    let (mut simulation, _) = run_for(scenario, |_| (), minutes(180));
    let seen = look(&mut simulation);
    assert_eq!((only(&seen).current, of_phase(&seen, Phase::Current)), (0, 0), "{}", text(&seen));
}
