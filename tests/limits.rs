//! What AWS refuses, and what it does by itself: the worker meets it as it is, says why it stops, and loses nothing.

mod common;

use std::collections::BTreeMap;

use common::{run, times};
use ecs_rotator::effect::{FailureKind, Request};
use ecs_rotator::sim::{Faults, Happening, Outcome, Report, Scenario, Simulation, logs};
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
