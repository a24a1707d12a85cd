//! What a rotation costs, against the polling procedure on the same account. All of it is simulated and the same on every
//! machine, so a call more is seen.

use ecs_rotator::plan::policy::Budget;
use ecs_rotator::sim::baseline::{long_drains, poll_through};

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
    // To be brought down to 160, the sweeps among them.
    assert!(calls <= 1_000, "{calls} calls for 20 hosts: {:#?}", report.requests);
    let looks = report.requests["ListTasks"];
    assert!(looks <= 4 * 20, "{looks} lists of tasks for 20 drains");
}

#[test]
fn ten_at_a_time_are_six_times_as_fast_as_one_after_another() {
    let scenario = long_drains(100, 1, Budget::Percent(10));
    let polled = poll_through(&scenario).expect("nothing is refused");
    let report = run(scenario);
    let times = polled.simulated_seconds / report.simulated_seconds;
    assert!(times >= 6, "{} s against {} s", report.simulated_seconds, polled.simulated_seconds);
}
