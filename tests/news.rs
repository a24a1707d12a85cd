//! What a worker tells of its own: each thing once, and nothing that is not so.

mod common;

use std::collections::BTreeMap;

use common::run;
use ecs_rotator::effect::{FailureKind, News};
use ecs_rotator::engine::Settings;
use ecs_rotator::sim::{Act, Faults, Outcome, Report, Scenario};
use jiff::SignedDuration;

fn aloud(scenario: Scenario) -> Scenario {
    let settings = Settings { event_bus: Some("default".into()), ..scenario.settings.clone() };
    scenario.settings(settings)
}

fn kinds(report: &Report) -> Vec<&'static str> {
    report.told.iter().map(|notice| notice.news.detail_type()).collect()
}

#[test]
fn a_rotation_tells_when_it_opens_whom_it_has_replaced_and_when_it_closes() {
    let report = run(aloud(Scenario::new(1).hosts(3)));
    let expected = ["Rotation Opened", "Host Replaced", "Host Replaced", "Host Replaced", "Rotation Closed"];
    assert_eq!(kinds(&report), expected);
    let ids: Vec<&str> = report.told.iter().filter_map(|notice| notice.rotation.as_deref()).collect();
    assert_eq!(ids.len(), report.told.len());
    assert!(ids.iter().all(|id| *id == ids[0] && id.starts_with("demo/")), "{ids:?}");
    assert!(report.requests["PutEvents"] <= 5, "{:?}", report.requests);
}

#[test]
fn without_a_bus_nobody_is_told() {
    let report = run(Scenario::new(1).hosts(3));
    assert_eq!((report.told.len(), report.requests.get("PutEvents")), (0, None));
}

#[test]
fn a_drain_that_does_not_end_is_told_with_the_hold_and_a_resume_as_what_it_is() {
    let mut scenario = aloud(Scenario::new(1).hosts(2));
    scenario.stuck_task = true;
    let resume = Act::Send(r#"{"action":"resume","cluster":"demo"}"#.to_owned());
    let report = run(scenario.act(SignedDuration::from_mins(180), resume));
    let kinds = kinds(&report);
    assert_eq!(kinds.iter().filter(|kind| **kind == "Rotation Opened").count(), 1, "{kinds:?}");
    let resumed = kinds.iter().position(|kind| *kind == "Rotation Resumed").expect("it is resumed");
    let first: Vec<&&str> = kinds[..resumed].iter().filter(|kind| **kind != "Host Replaced").collect();
    assert_eq!(first, [&"Rotation Opened", &"Drain Overdue", &"Rotation Held"], "{kinds:?}");
    let held = report.told.iter().find_map(|notice| match &notice.news {
        News::RotationHeld { reason } => Some(reason.clone()),
        News::RotationOpened { .. }
        | News::HostReplaced { .. }
        | News::RotationResumed { .. }
        | News::RotationAborted { .. }
        | News::RotationClosed { .. }
        | News::DrainOverdue { .. }
        | News::ReleaseFound(_)
        | News::CommandRefused { .. } => None,
    });
    assert!(held.is_some_and(|reason| reason.contains("not stopped after 1h of draining")));
}

#[test]
fn on_bad_days_no_host_is_told_twice_and_no_rotation_opens_or_closes_twice() {
    for seed in 0..80 {
        // A worker that is new does not know what another has told.
        let faults = Faults { worker_kills_per_hour: 0.0, ..Faults::heavy() };
        let report = run(aloud(Scenario::random(seed).faults(faults).workers(1)));
        common::assert_closed(&report, seed);
        let mut told: BTreeMap<(Option<String>, String, String), usize> = BTreeMap::new();
        for notice in &report.told {
            let host = match &notice.news {
                News::HostReplaced { host, .. } => host.to_string(),
                News::RotationOpened { .. } | News::RotationClosed { .. } => String::new(),
                News::RotationHeld { .. }
                | News::RotationAborted { .. }
                | News::RotationResumed { .. }
                | News::DrainOverdue { .. }
                | News::ReleaseFound(_)
                | News::CommandRefused { .. } => continue,
            };
            *told.entry((notice.rotation.clone(), notice.news.detail_type().to_owned(), host)).or_default() += 1;
        }
        let twice: Vec<_> = told.iter().filter(|(_, count)| **count > 1).collect();
        assert!(twice.is_empty(), "seed {seed}: {twice:?}");
    }
}

#[test]
fn a_bus_that_takes_nothing_stops_nothing() {
    let denied = Some(("PutEvents", FailureKind::AccessDenied));
    let report = run(aloud(Scenario::new(1).hosts(3).faults(Faults { denied, ..Faults::none() })));
    assert_eq!((report.outcome, report.rotated, report.told.len()), (Outcome::Closed, 3, 0));
}
