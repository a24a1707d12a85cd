//! A worker that only observes (`--mode observe`): it finds what a rotation would do, tells it, and changes nothing; and when
//! the next worker rotates, it goes on from what there is.

mod common;

use std::collections::BTreeSet;

use common::{LONG, times};
use ecs_rotator::cli::plan::report::Report as PlanReport;
use ecs_rotator::cli::plan::text::text;
use ecs_rotator::effect::{Found, News};
use ecs_rotator::engine::survey::Depth;
use ecs_rotator::engine::{Mode, Settings};
use ecs_rotator::journal::LogLine;
use ecs_rotator::plan::forecast::Assumptions;
use ecs_rotator::plan::host::Phase;
use ecs_rotator::plan::outcome::Standing;
use ecs_rotator::sim::logs::{errors_during, lines_during};
use ecs_rotator::sim::world::{World, cluster_arn};
use ecs_rotator::sim::{
    Act, CLUSTER, Faults, GroupShape, Happening, Outcome, Report, START, Scenario, Simulation, Trigger, survey,
};
use jiff::{SignedDuration, Timestamp};
use tracing_subscriber::filter::LevelFilter;

const HOUR: SignedDuration = SignedDuration::from_hours(1);

/// With a bus.
fn in_mode(mode: Mode, scenario: Scenario) -> Scenario {
    let settings = Settings { mode, event_bus: Some("default".into()), ..scenario.settings.clone() };
    scenario.settings(settings)
}

fn observing(scenario: Scenario) -> Simulation {
    Simulation::new(in_mode(Mode::Observe, scenario))
}

fn until(simulation: &mut Simulation, time: Timestamp) {
    simulation.run_until(|_| false, time);
}

/// It is killed now, and the next one is of this mode.
fn switch(simulation: &mut Simulation, mode: Mode, for_: SignedDuration) {
    simulation.change_mode(mode);
    let over = simulation.now() + for_;
    until(simulation, over);
}

fn found(world: &World) -> Vec<&Found> {
    let found = world.told().iter().filter_map(|notice| match &notice.news {
        News::ReleaseFound(found) => Some(found),
        News::RotationOpened { .. }
        | News::HostReplaced { .. }
        | News::RotationHeld { .. }
        | News::RotationResumed { .. }
        | News::RotationAborted { .. }
        | News::RotationClosed { .. }
        | News::DrainOverdue { .. }
        | News::CommandRefused { .. } => None,
    });
    found.collect()
}

fn kinds(world: &World) -> Vec<&'static str> {
    world.told().iter().map(|notice| notice.news.detail_type()).collect()
}

/// What `plan` says now.
fn planned(world: &World, settings: &Settings) -> PlanReport {
    let settings = Settings { clusters: vec![CLUSTER.into()], ..settings.clone() };
    let mut world = world.clone();
    let findings = survey(&mut world, settings.clone(), Depth::Tenants);
    PlanReport::of(findings, &settings, &Assumptions::default(), world.now())
}

fn digest(world: &World, settings: &Settings) -> String {
    planned(world, settings).clusters[0].digest.clone().expect("something is due")
}

fn said<'a>(lines: &'a [LogLine], what: &str) -> Vec<&'a LogLine> {
    lines.iter().filter(|line| line.message.contains(what)).collect()
}

fn field<'a>(line: &'a LogLine, name: &str) -> &'a str {
    line.get(name).unwrap_or_default()
}

/// The end of a run in which no promise may be broken.
#[track_caller]
fn kept(report: &Report, seed: u64) {
    assert!(report.violations.is_empty(), "seed {seed}: {:#?}", report.violations);
    assert_eq!(report.tasks_interrupted, 0, "seed {seed}: tasks interrupted");
}

#[test]
fn a_release_is_found_and_told_once_and_nothing_is_changed() {
    let mut simulation = observing(Scenario::new(1).hosts(6));
    let ((), lines) = lines_during(LevelFilter::INFO, || until(&mut simulation, START + HOUR * 5));
    assert_eq!(simulation.effects(), 0);
    assert_eq!(kinds(simulation.world()), ["Release Found"]);
    let notice = &simulation.world().told()[0];
    assert_eq!((notice.rotation.as_ref(), &notice.cluster), (None, &cluster_arn(CLUSTER)));
    let [found] = found(simulation.world())[..] else { panic!("one is found") };
    let (old, new) = (image(0), image(1));
    assert_eq!((found.groups.len(), found.hosts, found.takes_seconds > 0), (1, 6, true));
    assert_eq!(found.groups[0].change(), format!("{old} → {new}"));
    assert_eq!((found.blocked.len(), found.unresolved.len()), (0, 0));
    let [line] = said(&lines, "release found")[..] else { panic!("once in the log: {lines:#?}") };
    for (name, value) in [
        ("cluster", CLUSTER),
        ("groups", &format!("demo-asg: {old} → {new}")),
        ("hosts", "6"),
        ("at_a_time", "1"),
        ("about", "48m"),
        ("digest", &found.digest),
    ] {
        assert_eq!(field(line, name), value, "{name} of {line}");
    }
    let report = planned(simulation.world(), &Settings::default());
    assert_eq!(report.clusters[0].digest.as_ref(), Some(&found.digest), "`plan` has the same");
    assert!(text(&report).contains(&found.digest) && found.digest.len() == 16, "{}", text(&report));
    assert_eq!(simulation.world().rotation_tag(&cluster_arn(CLUSTER)).1, "", "no rotation");
}

fn image(generation: u32) -> ecs_rotator::id::AmiId {
    World::image_of(ecs_rotator::sim::Follows::Own, generation)
}

#[test]
fn a_parameter_event_is_looked_into_at_once_and_a_schedule_finds_what_no_event_tells() {
    for (trigger, within) in [(Trigger::Event, SignedDuration::from_mins(2)), (Trigger::Schedule, HOUR)] {
        let mut simulation = observing(Scenario::new(1).hosts(3).trigger(trigger));
        let released = START + SignedDuration::from_mins(10);
        until(&mut simulation, released);
        assert_eq!(kinds(simulation.world()), [] as [&str; 0], "{trigger:?}");
        until(&mut simulation, released + within);
        assert_eq!(kinds(simulation.world()), ["Release Found"], "{trigger:?}");
    }
}

#[test]
fn it_is_told_again_when_the_plan_is_another_and_by_the_next_worker() {
    let mut simulation =
        observing(Scenario::new(1).hosts(3).groups(vec![GroupShape::new("web-asg", 2), GroupShape::new("api-asg", 1)]));
    until(&mut simulation, START + HOUR);
    let digests = |simulation: &Simulation| -> Vec<String> {
        found(simulation.world()).iter().map(|found| found.digest.clone()).collect()
    };
    let first = digests(&simulation);
    assert_eq!(first.len(), 1);
    switch(&mut simulation, Mode::Observe, HOUR);
    assert_eq!(digests(&simulation), [first[0].clone(), first[0].clone()], "the next worker does not know");
    simulation.world_mut().act(Act::Terminate(0));
    until(&mut simulation, START + HOUR * 4);
    let all = digests(&simulation);
    assert_eq!(all.len(), 3, "{all:?}");
    assert_ne!(all[2], first[0], "what came in its place launched from the old template: another host is due");
    assert_eq!(found(simulation.world())[2].hosts, 3);
    assert_eq!(all[2], digest(simulation.world(), &Settings::default()));
}

#[test]
fn the_digest_is_the_same_wherever_one_looks_from() {
    // The worker runs on a host of the cluster, which would go last; whoever runs `plan` does not.
    let elsewhere = {
        let mut simulation = observing(Scenario::new(1).hosts(4));
        until(&mut simulation, START + HOUR);
        found(simulation.world())[0].digest.clone()
    };
    let mut scenario = Scenario::new(1).hosts(4);
    scenario.self_hosted = true;
    let mut simulation = observing(scenario);
    until(&mut simulation, START + HOUR);
    assert_eq!(found(simulation.world())[0].digest, elsewhere);
}

#[test]
fn what_is_in_the_way_is_told_with_it() {
    let odd = GroupShape::new("odd-asg", 1).tag("ami-parameter", "/no/such/parameter");
    let scenario = Scenario::new(1).groups(vec![GroupShape::new("web-asg", 2), odd]);
    let suspend = Act::SuspendLaunches { group: "web-asg".to_owned() };
    let mut simulation = observing(scenario.act(SignedDuration::ZERO, suspend));
    let ((), lines) = lines_during(LevelFilter::INFO, || until(&mut simulation, START + HOUR * 3));
    let found = found(simulation.world())[0];
    let groups: Vec<&str> = found.groups.iter().map(|group| group.group.as_str()).collect();
    assert_eq!(groups, ["web-asg"]);
    let [(blocked, why)] = &found.blocked[..] else { panic!("{found:?}") };
    assert!(blocked.as_str() == "web-asg" && why.starts_with("launches are suspended"), "{why}");
    let [(unresolved, why)] = &found.unresolved[..] else { panic!("{found:?}") };
    assert!(unresolved.as_str() == "odd-asg" && why.contains("/no/such/parameter"), "{why}");
    let told = said(&lines, "this group is not rotated").len();
    assert!((3..=4).contains(&told), "at once, and then about once an hour: {lines:#?}");
    assert_eq!(simulation.effects(), 0);
}

#[test]
fn commands_of_people_are_refused_and_never_obeyed_later() {
    let mut scenario = Scenario::new(1).hosts(3).trigger(Trigger::Force);
    for (minutes, action) in [(1, "pause"), (2, "resume"), (3, "abort")] {
        let body = format!(r#"{{"action":"{action}","cluster":"demo"}}"#);
        scenario = scenario.act(SignedDuration::from_mins(minutes), Act::Send(body));
    }
    let nowhere = Act::Send(r#"{"action":"rotate","cluster":"nowhere"}"#.to_owned());
    let mut simulation = observing(scenario.act(SignedDuration::from_mins(4), nowhere));
    let ((), lines) = lines_during(LevelFilter::INFO, || until(&mut simulation, START + HOUR));
    let refused = said(&lines, "refused: this worker only observes (--mode observe)");
    let actions: Vec<&str> = refused.iter().map(|line| field(line, "action")).collect();
    assert_eq!(actions, ["rotate", "pause", "resume", "abort"]);
    assert!(refused.iter().all(|line| line.level == "WARN" && field(line, "cluster") == CLUSTER));
    assert_eq!(said(&lines, "refused: not a cluster that this worker looks after").len(), 1);
    assert_eq!(kinds(simulation.world()), ["Command Refused"; 4]);
    let told = simulation.world().told()[0].detail();
    assert_eq!(told["action"], "rotate");
    assert_eq!(told["reason"], "this worker only observes (--mode observe)");
    assert!(told.get("rotation").is_none(), "{told}");
    let queue = simulation.world().queue();
    assert!(queue.messages().next().is_none() && queue.dead.is_empty(), "acknowledged, and no dead letter");
    switch(&mut simulation, Mode::Rotate, HOUR * 5);
    assert_eq!((simulation.effects(), simulation.world().ledger().rotated), (0, 0), "it was forced hours ago");
}

/// In the middle of a rotation: the first host has been detached.
fn in_the_middle(scenario: Scenario) -> Simulation {
    let mut simulation = Simulation::new(in_mode(Mode::Rotate, scenario));
    let in_flight = |world: &World| !world.ledger().detached.is_empty();
    assert!(simulation.run_until(in_flight, START + LONG));
    simulation
}

#[test]
fn a_rotation_of_an_earlier_worker_stands_still_and_is_told_once_and_goes_on_later() {
    let mut simulation = in_the_middle(Scenario::new(1).hosts(4));
    let ((), lines) = lines_during(LevelFilter::INFO, || switch(&mut simulation, Mode::Observe, HOUR * 3));
    // What was on its way when the worker was killed has arrived.
    let effects = simulation.effects();
    let told = said(&lines, "are left as they are: this worker only observes (--mode observe)");
    let [line] = told[..] else { panic!("once: {told:#?}") };
    assert_eq!((line.level, field(line, "state")), ("WARN", "open"), "{line}");
    let host = simulation.world().ledger().detached.iter().next().expect("one is in flight").instance();
    assert_eq!(field(line, "hosts"), host.as_str(), "{line}");
    let known = simulation.engine().expect("a worker").known(simulation.now());
    let status = known.clusters[0].status.as_ref().expect("it was looked at");
    assert_eq!(status.rotation.as_ref().map(|rotation| rotation.state), Some(Standing::Open));
    assert_eq!((status.hosts, status.current, status.in_flight.len()), (4, 1, 1), "{status:#?}");
    let vitals = simulation.engine().expect("a worker").vitals();
    assert_eq!(vitals.clusters[&CLUSTER.into()].rotation, Some(Standing::Open));
    // It stands still: no host has gone, no further one has begun.
    assert_eq!(simulation.world().ledger().rotated, 0);
    until_effects_are(&mut simulation, effects);
    simulation.change_mode(Mode::Rotate);
    let report = simulation.run(LONG);
    kept(&report, 1);
    assert_eq!((&report.outcome, report.rotated), (&Outcome::Closed, 4));
    assert_eq!(times(&report, |what| matches!(what, Happening::RotationOpened { .. })).len(), 1, "the same rotation");
}

fn until_effects_are(simulation: &mut Simulation, effects: u64) {
    let over = simulation.now() + HOUR;
    until(simulation, over);
    assert_eq!(simulation.effects(), effects, "nothing more");
}

#[test]
fn whatever_the_last_effect_of_a_rotation_was_it_stands_still_and_goes_on() {
    let scenario = || Scenario::new(1).hosts(2).tasks_per_host(6);
    let mut whole = Simulation::new(in_mode(Mode::Rotate, scenario()));
    assert!(whole.run_until(|world| world.ledger().closed.is_some(), START + LONG));
    let effects = whole.effects();
    assert!(effects >= 10, "{effects}");
    for last in 1..effects {
        let (report, errors) = errors_during(|| {
            let mut simulation = Simulation::new(in_mode(Mode::Rotate, scenario()));
            while simulation.effects() < last {
                let soon = simulation.now() + SignedDuration::from_millis(100);
                until(&mut simulation, soon);
            }
            switch(&mut simulation, Mode::Observe, HOUR * 2);
            simulation.change_mode(Mode::Rotate);
            simulation.run(LONG)
        });
        kept(&report, last);
        assert_eq!(errors, [] as [String; 0], "after effect {last}");
        assert_eq!((&report.outcome, report.rotated), (&Outcome::Closed, 2), "after effect {last}");
    }
}

#[test]
fn what_is_shown_says_that_hosts_are_outdated_and_in_which_mode_the_worker_is() {
    // The last rotation was about one group only, and is closed.
    let groups = vec![GroupShape::new("web-asg", 2), GroupShape::new("api-asg", 4)];
    let mut scenario = Scenario::new(1).groups(groups);
    scenario.release_after = HOUR * 3;
    let mut simulation = Simulation::new(in_mode(Mode::Rotate, scenario));
    until(&mut simulation, START + SignedDuration::from_mins(5));
    simulation.world_mut().send(r#"{"action":"rotate","cluster":"demo","groups":["web-asg"],"force":true}"#);
    assert!(simulation.run_until(|world| world.rotation_tag(&cluster_arn(CLUSTER)).1 == "closed", START + HOUR * 3));
    simulation.change_mode(Mode::Observe);
    until(&mut simulation, START + HOUR * 4);
    let engine = simulation.engine().expect("a worker");
    let (known, vitals) = (engine.known(simulation.now()), engine.vitals());
    assert_eq!((known.mode, vitals.mode), (Mode::Observe, Mode::Observe));
    let status = known.clusters[0].status.as_ref().expect("it was looked at");
    assert_eq!((status.hosts, status.current), (6, 0), "{status:#?}");
    let of = &vitals.clusters[&CLUSTER.into()];
    assert_eq!((of.rotation, of.hosts.get(&Phase::Outdated)), (Some(Standing::Closed), Some(&6)));
}

/// What comes of hosts is not its business between looks: a cluster at work costs it next to nothing.
#[test]
fn events_of_hosts_cost_no_call_to_the_fleet() {
    let mut scenario = Scenario::new(1).hosts(20);
    scenario.faults.agent_drops_per_hour = 6.0;
    let mut simulation = observing(scenario);
    until(&mut simulation, START + SignedDuration::from_mins(70));
    let calls = |simulation: &Simulation| -> u64 {
        let requests = &simulation.engine().expect("a worker").counters().requests;
        let fleet = |operation: &str| {
            !["ReceiveMessage", "DeleteMessageBatch", "ChangeMessageVisibilityBatch"].contains(&operation)
        };
        requests.iter().filter(|(operation, _)| fleet(operation)).map(|(_, n)| n).sum()
    };
    let (before, events) = (calls(&simulation), simulation.engine().expect("a worker").counters().irrelevant);
    until(&mut simulation, START + SignedDuration::from_mins(110));
    let events = simulation.engine().expect("a worker").counters().irrelevant - events;
    assert!(events > 50, "{events} events");
    // Eight sweeps ask which clusters there are and which hosts carry our tag, two calls each, once with a list of all; and the
    // hourly release check looks at everything, in twelve.
    let calls = calls(&simulation) - before;
    assert!(calls <= 32, "{calls} calls");
}

// --- random accounts

/// It observes for some hours (after a rotation has begun, for every second seed), and then it rotates.
fn looked_on_and_rotated(seed: u64, faults: &Faults) {
    let begins_in_rotate = seed % 2 == 1;
    let mut scenario = Scenario::random(seed).faults(faults.clone());
    for (minutes, action) in [(20, "rotate"), (40, "pause"), (50, "abort"), (60, "check-releases"), (70, "sweep")] {
        let of = if ["rotate", "pause", "abort"].contains(&action) { r#","cluster":"demo""# } else { "" };
        let minutes = if begins_in_rotate { minutes + 300 } else { minutes };
        let send = Act::Send(format!(r#"{{"action":"{action}"{of}}}"#));
        scenario = scenario.act(SignedDuration::from_mins(minutes), send);
    }
    let mode = if begins_in_rotate { Mode::Rotate } else { Mode::Observe };
    let mut simulation = Simulation::new(in_mode(mode, scenario));
    if begins_in_rotate {
        let begun = |world: &World| world.ledger().detached.len() > usize::try_from(seed % 3).unwrap_or(0);
        simulation.run_until(begun, START + HOUR * 4);
        simulation.change_mode(Mode::Observe);
    }
    // The answers to its last calls are under way, and its messages come back.
    let soon = simulation.now() + SignedDuration::from_secs(30);
    until(&mut simulation, soon);
    let before = (simulation.effects(), tags(simulation.world()));
    let ((), lines) = lines_during(LevelFilter::INFO, || until(&mut simulation, START + HOUR * 8));
    let broken: Vec<&LogLine> = lines.iter().filter(|line| line.level == "ERROR").collect();
    assert!(broken.is_empty(), "seed {seed}: logged as broken: {broken:#?}");
    assert_eq!((simulation.effects(), tags(simulation.world())), before, "seed {seed}: it has changed something");
    let outdated = simulation.world().outdated().len();
    if outdated > 0 && !begins_in_rotate {
        assert!(
            !said(&lines, "release found").is_empty(),
            "seed {seed}: {outdated} are outdated, and nothing was found"
        );
    }
    simulation.change_mode(Mode::Rotate);
    // Where a group has just lost a member, a host that was taken hours ago has waited too long for its replacement: that is
    // a hold, and a person lets it go on.
    simulation.run_until(|world| world.ledger().closed.is_some() || world.ledger().held.is_some(), START + LONG);
    if let Some(held) = simulation.world().ledger().held {
        let reason = simulation.world().hold_reason(&cluster_arn(CLUSTER)).unwrap_or_default();
        println!("seed {seed}: held at {held}: {reason}");
        assert!(begins_in_rotate && reason.starts_with("no-replacement="), "seed {seed}: {reason}");
        simulation.world_mut().send(r#"{"action":"resume","cluster":"demo"}"#);
    }
    let report = simulation.run(LONG);
    kept(&report, seed);
    common::assert_closed(&report, seed);
}

/// All that we ever write on clusters.
fn tags(world: &World) -> BTreeSet<(String, String, String)> {
    let clusters = world.account().clusters.values();
    let all =
        clusters.flat_map(|of| of.tags.iter().map(|(key, value)| (of.arn.to_string(), key.clone(), value.clone())));
    all.collect()
}

#[track_caller]
fn all_close(seeds: std::ops::Range<u64>, faults: &Faults) {
    for seed in seeds {
        let ((), errors) = errors_during(|| looked_on_and_rotated(seed, faults));
        assert!(errors.is_empty(), "seed {seed}: logged as broken: {errors:#?}");
    }
}

#[test]
fn on_ordinary_bad_days_nothing_is_changed_and_then_every_rotation_closes() {
    all_close(0..100, &Faults::light());
}

#[test]
fn with_heavy_faults_nothing_is_changed_and_then_every_rotation_closes() {
    all_close(0..100, &Faults::heavy());
}
