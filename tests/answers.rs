//! What a worker leaves on a cluster for those who read there: what became of a person's message, and its settings.

mod common;

use std::collections::BTreeMap;

use common::run;
use ecs_rotator::effect::Request;
use ecs_rotator::plan::answer::Answers;
use ecs_rotator::plan::published::Published;
use ecs_rotator::sim::world::{World, cluster_arn};
use ecs_rotator::sim::{Act, CLUSTER, Faults, Happening, OTHER, Scenario, Simulation, Trigger};
use jiff::SignedDuration;

const PAUSE: &str = r#"{"action":"pause","cluster":"demo"}"#;
const RESUME: &str = r#"{"action":"resume","cluster":"demo"}"#;
const UNKNOWN: &str = r#"{"action":"rotate","cluster":"demo","groups":["nope"]}"#;
const ROTATE: &str = r#"{"action":"rotate","cluster":"demo"}"#;

fn minutes(minutes: i64) -> SignedDuration {
    SignedDuration::from_mins(minutes)
}

fn tag(world: &World, cluster: &str, name: &str) -> Option<String> {
    let facts = &world.account().clusters[&cluster_arn(cluster)];
    facts.tags.get(&format!("ecs-rotator:{name}")).cloned()
}

/// The codes in the tag, the newest last.
fn codes(world: &World) -> Vec<String> {
    let tag = tag(world, CLUSTER, "answer").unwrap_or_default();
    Answers::read(&tag).into_iter().map(|(_, code)| code).collect()
}

/// Eight hosts, and a person who sends these, ten minutes from one to the next, from the first minute of the rotation on.
fn asked(messages: &[&str]) -> Scenario {
    let send =
        |(n, body): (usize, &&str)| (minutes(1 + 10 * i64::try_from(n).expect("few")), Act::Send((*body).to_owned()));
    let scenario = Scenario::new(1).hosts(8).tasks_per_host(3);
    messages.iter().enumerate().map(send).fold(scenario, |scenario, (at, act)| scenario.act(at, act))
}

const CONVERSATION: [&str; 5] = [PAUSE, PAUSE, RESUME, RESUME, UNKNOWN];
const ANSWERED: [&str; 5] =
    ["paused", "nothing-to-do:paused", "resumed", "nothing-to-do:open", "refused:no-such-group"];

/// For an hour and a half, in which all of it is over.
fn after(scenario: Scenario) -> Simulation {
    let mut simulation = Simulation::new(scenario);
    let until = simulation.now() + minutes(90);
    simulation.run_until(|_| false, until);
    simulation
}

#[test]
fn every_message_of_a_person_has_its_answer() {
    let simulation = after(asked(&CONVERSATION));
    assert_eq!(codes(simulation.world()), ANSWERED);
    let report = simulation.finish();
    assert!(report.violations.is_empty(), "{:#?}", report.violations);
    // Two for the rotation itself; one for each answer, of which two come with a change that is written anyhow.
    assert_eq!(report.requests["TagResource"], 2 + 5, "{:#?}", report.requests);
}

#[test]
fn it_has_the_same_answer_when_the_worker_is_killed_after_any_effect() {
    let effects = after(asked(&CONVERSATION)).effects();
    assert!(effects > 20, "{effects}");
    for effect in 1..=effects {
        let faults = Faults { kill_after_effect: Some(effect), ..Faults::none() };
        let simulation = after(asked(&CONVERSATION).faults(faults));
        assert_eq!(codes(simulation.world()), ANSWERED, "killed after effect {effect}");
        assert!(simulation.world().queue().messages().all(|(body, _)| !body.contains("cluster")), "all acknowledged");
    }
}

#[test]
fn it_has_the_same_answer_however_often_it_is_delivered() {
    let faults = Faults { duplicate_delivery: 0.7, ..Faults::none() };
    for seed in 0..5 {
        let scenario = Scenario { seed, ..asked(&CONVERSATION).faults(faults.clone()) };
        assert_eq!(codes(after(scenario).world()), ANSWERED, "seed {seed}");
    }
}

#[test]
fn it_has_an_answer_on_a_bad_day_too() {
    for seed in 0..10 {
        let faults = Faults { host_deaths_per_hour: 0.0, person_terminates_per_hour: 0.0, ..Faults::light() };
        let simulation = after(Scenario { seed, ..asked(&[PAUSE, RESUME]).faults(faults) });
        // A read that lags behind may show the state before, so which answers they are is not the same each time.
        assert_eq!(codes(simulation.world()).len(), 2, "seed {seed}: {:?}", codes(simulation.world()));
    }
}

#[test]
fn a_message_that_comes_again_after_its_rotation_opens_no_other() {
    // The worker dies as it has opened the rotation, and the message is back only when that has long closed.
    let settings = ecs_rotator::engine::Settings { visibility: minutes(60), ..Default::default() };
    let faults = Faults { kill_after_effect: Some(1), ..Faults::none() };
    let scenario = Scenario { settings, ..Scenario::new(1).hosts(1).trigger(Trigger::Message).faults(faults) };
    let mut simulation = Simulation::new(scenario);
    let until = simulation.now() + minutes(150);
    simulation.run_until(|_| false, until);
    assert_eq!(codes(simulation.world()), ["opened"]);
    let report = simulation.finish();
    let opened = common::times(&report, |what| matches!(what, Happening::RotationOpened { .. }));
    assert_eq!(opened.len(), 1, "{opened:?}");
}

#[test]
fn what_has_not_opted_in_gets_no_answer() {
    let body = PAUSE.replace(CLUSTER, OTHER);
    let simulation = after(asked(&[&body]));
    assert_eq!(tag(simulation.world(), OTHER, "answer"), None);
    assert_eq!(codes(simulation.world()), [] as [&str; 0]);
    assert_eq!(tag(simulation.world(), OTHER, "settings"), None);
}

#[test]
fn schedules_and_parameters_cost_no_tag() {
    let report = run(Scenario::new(1).hosts(2));
    assert_eq!(report.requests["TagResource"], 2, "opened and closed: {:#?}", report.requests);
    let mut idle = Simulation::new(Scenario { release_after: minutes(600), ..Scenario::new(1).hosts(2) });
    let until = idle.now() + minutes(300);
    idle.run_until(|_| false, until);
    assert_eq!(idle.finish().requests.get("TagResource"), None, "five release checks, and nothing to write");
}

fn settings(world: &World) -> Option<Published> {
    Published::read(&tag(world, CLUSTER, "settings")?)
}

fn bakes(seconds: i64) -> Scenario {
    let mut scenario = Scenario::new(1).hosts(4).tasks_per_host(3);
    scenario.settings.policy.bake = SignedDuration::from_secs(seconds);
    scenario
}

#[test]
fn a_rotation_says_by_which_settings_it_goes() {
    let mut simulation = Simulation::new(bakes(25));
    let until = simulation.now() + common::LONG;
    assert!(simulation.run_until(|world| tag(world, CLUSTER, "rotation").is_some(), until));
    let published = settings(simulation.world()).expect("with the first change");
    assert_eq!(published.policy, bakes(25).settings.policy);
    assert_eq!(published.version, env!("CARGO_PKG_VERSION"));
}

fn write(simulation: &mut Simulation, text: &str) {
    let tags = BTreeMap::from([("ecs-rotator:settings".to_owned(), text.to_owned())]);
    let request = Request::TagResource { cluster: cluster_arn(CLUSTER), tags };
    simulation.world_mut().perform(&request).expect("tagged");
}

#[test]
fn other_settings_in_the_tag_are_mended_once_for_a_rotation_and_not_fought_over() {
    let mut simulation = Simulation::new(bakes(25));
    let until = simulation.now() + common::LONG;
    assert!(simulation.run_until(|world| tag(world, CLUSTER, "rotation").is_some(), until));
    // Another worker dies, and this one has not written anything for the rotation that is under way.
    write(&mut simulation, "v=0.0.9 bake=1m");
    simulation.kill(0);
    let soon = simulation.now() + minutes(10);
    let mended = |world: &World| settings(world).is_some_and(|own| own.policy.bake == SignedDuration::from_secs(25));
    assert!(simulation.run_until(mended, soon), "{:?}", tag(simulation.world(), CLUSTER, "settings"));
    // And it says so again: whoever it is, it has its will until the rotation closes.
    write(&mut simulation, "v=0.0.9 bake=1m");
    let later = simulation.now() + minutes(6);
    assert!(!simulation.run_until(mended, later), "they would write against each other for ever");
}

#[test]
fn a_message_to_a_cluster_at_rest_is_answered_by_a_call_of_its_own() {
    let mut simulation = Simulation::new(Scenario { release_after: minutes(600), ..Scenario::new(1).hosts(2) });
    let until = simulation.now() + minutes(5);
    simulation.run_until(|_| false, until);
    for message in [RESUME, PAUSE, ROTATE] {
        simulation.world_mut().send(message);
    }
    let answered = |world: &World| codes(world).len() == 3;
    let soon = simulation.now() + SignedDuration::from_secs(30);
    assert!(simulation.run_until(answered, soon), "{:?}", codes(simulation.world()));
    let mut all = codes(simulation.world());
    all.sort();
    assert!(all.contains(&"opened".to_owned()) && all.iter().any(|code| code.starts_with("nothing-to-do")), "{all:?}");
}
