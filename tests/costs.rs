//! What a rotation costs, against the polling procedure on the same account. All of it is simulated and the same on every
//! machine, so a call more is seen.

use ecs_rotator::plan::policy::Budget;
use ecs_rotator::sim::baseline::{long_drains, poll_through};
use ecs_rotator::sim::hindsight::Hindsight;
use ecs_rotator::sim::{Delay, Scenario, Trigger};
use jiff::SignedDuration;

mod common;
use common::run;

#[test]
fn the_polling_procedure_looks_every_two_seconds_and_rotates_every_host() {
    let polled = poll_through(&long_drains(20, 1, Budget::Hosts(1))).expect("nothing is refused");
    assert_eq!(polled.rotated, 20);
    // A drain of 300 s is 150 looks.
    assert!((140.0..170.0).contains(&polled.calls_per_host()), "{} calls per host", polled.calls_per_host());
    for operation in ["DetachInstances", "DeregisterContainerInstance", "TerminateInstances"] {
        assert!(polled.calls[operation] >= 20, "{operation}: {}", polled.calls[operation]);
    }
}

#[test]
fn a_drain_of_five_minutes_is_waited_for_and_not_looked_at() {
    let report = run(long_drains(20, 1, Budget::Hosts(1)));
    let calls = report.requests.values().sum::<u64>();
    assert!(calls <= 640, "{calls} calls for 20 hosts: {:#?}", report.requests);
    let looks = report.requests["ListTasks"];
    assert!(looks <= 30, "{looks} lists of tasks for 20 drains");
}

#[test]
fn hosts_that_go_together_share_their_calls() {
    for (hosts, groups, most) in [(100, 1, 8.4), (300, 3, 7.9)] {
        let report = run(long_drains(hosts, groups, Budget::Percent(10)));
        let each = report.requests.values().sum::<u64>() as f64 / f64::from(hosts);
        assert!(each <= most, "{each} calls per host of {hosts}: {:#?}", report.requests);
    }
}

/// With events that arrive at once: what is left is the worker's own.
fn in_hindsight(hosts: u32, budget: Budget, zone_rebalancing: bool) -> (i64, Hindsight) {
    let mut scenario = Scenario { zone_rebalancing, ..long_drains(hosts, 1, budget) };
    scenario.event_delay = Delay::millis(0, 0);
    let policy = scenario.settings.policy.clone();
    let report = run(scenario);
    (report.simulated_seconds, Hindsight::of(&report, &policy))
}

#[test]
fn a_host_that_goes_alone_waits_for_less_than_a_second_in_all() {
    let (seconds, hindsight) = in_hindsight(20, Budget::Hosts(1), false);
    assert!(hindsight.longest_idle < SignedDuration::from_secs(1), "{hindsight:?}");
    assert!(seconds * 100 < hindsight.critical_path.as_secs() * 105, "{seconds} s, {hindsight:?}");
}

/// A service that is rebalanced starts and stops tasks of its own beside those that a drain moves.
#[test]
fn where_services_are_rebalanced_over_the_zones_it_is_less_than_two() {
    let (_, hindsight) = in_hindsight(20, Budget::Hosts(1), true);
    assert!(hindsight.idle < SignedDuration::from_secs(1), "on average: {hindsight:?}");
    assert!(hindsight.longest_idle < SignedDuration::from_secs(2), "{hindsight:?}");
}

#[test]
fn ten_at_a_time_take_little_longer_than_their_boots_and_drains() {
    let (seconds, hindsight) = in_hindsight(100, Budget::Percent(10), true);
    assert!(seconds * 100 < hindsight.critical_path.as_secs() * 101, "{seconds} s, {hindsight:?}");
    // Where many come one after another, who has just missed a pass waits for the next: a second later.
    assert!(hindsight.idle < SignedDuration::from_millis(1_500), "{hindsight:?}");
    assert!(hindsight.longest_idle < SignedDuration::from_millis(2_500), "{hindsight:?}");
}

#[test]
fn an_event_that_is_lost_costs_no_more_than_the_time_to_the_next_sweep() {
    let mut scenario = long_drains(6, 1, Budget::Hosts(1)).trigger(Trigger::Message);
    scenario.faults.events_lost = 1.0;
    let (policy, sweep) = (scenario.settings.policy.clone(), scenario.settings.sweep_interval);
    let hindsight = Hindsight::of(&run(scenario), &policy);
    // Of each host two: that another has come for it, and that its last task has stopped.
    assert!(hindsight.longest_idle < sweep * 2 + SignedDuration::from_mins(1), "{hindsight:?}");
    assert!(hindsight.idle > SignedDuration::from_mins(1), "{hindsight:?}");
}

#[test]
fn ten_at_a_time_are_six_times_as_fast_as_one_after_another() {
    let scenario = long_drains(100, 1, Budget::Percent(10));
    let polled = poll_through(&scenario).expect("nothing is refused");
    let report = run(scenario);
    let times = polled.simulated_seconds / report.simulated_seconds;
    assert!(times >= 6, "{} s against {} s", report.simulated_seconds, polled.simulated_seconds);
}
