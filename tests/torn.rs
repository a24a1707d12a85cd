//! Looks whose reads are of different times, while another worker writes between any two of them.

mod common;

use common::{LONG, assert_closed, run};
use ecs_rotator::plan::policy::Budget;
use ecs_rotator::sim::{Act, Delay, Faults, Outcome, START, Scenario, Simulation, Slow, Trigger};
use jiff::SignedDuration;

/// Two workers, and nobody tells them anything. Without a bake the second host may go when the first has its replacement.
fn abreast(seed: u64, faults: Faults) -> Scenario {
    let mut scenario = Scenario::new(seed).hosts(8).tasks_per_host(4).workers(2).trigger(Trigger::Message);
    let policy = &mut scenario.settings.policy;
    (policy.max_in_flight, policy.bake) = (Budget::Hosts(2), SignedDuration::ZERO);
    let restart_delay = Delay::secs(150, 150);
    scenario.faults = Faults { events_lost: 1.0, abreast: 1.0, restart_delay, ..faults };
    scenario
}

/// Both look at the same moment at the first host, whose replacement has come: it seems to explain the place of the next one that
/// the other worker has just taken.
#[track_caller]
fn keeps_the_budget(scenario: Scenario) {
    let seed = scenario.seed;
    let mut simulation = Simulation::new(scenario);
    assert!(simulation.run_until(|world| !world.ledger().detached.is_empty(), START + LONG));
    simulation.kill(0);
    simulation.kill(1);
    let report = simulation.run(LONG);
    assert_eq!(report.violations, [], "seed {seed}");
    assert_eq!((&report.outcome, report.rotated, report.tasks_interrupted), (&Outcome::Closed, 8, 0), "seed {seed}");
}

#[test]
fn two_workers_that_sweep_at_once_keep_the_budget_although_the_groups_of_one_are_read_late() {
    const fn groups(there: i64, back: i64) -> Slow {
        let (there, back) = (SignedDuration::from_millis(there), SignedDuration::from_millis(back));
        Slow { worker: 1, operation: "DescribeAutoScalingGroups", there, back }
    }
    const THERE: &[Slow] = &[groups(500, 0)];
    // When the host that has been detached is not listed any more.
    const LATER: &[Slow] = &[groups(12_000, 0)];
    const BACK: &[Slow] = &[groups(0, 500)];
    for seed in 0..50 {
        for slow in [THERE, LATER, BACK] {
            keeps_the_budget(abreast(seed, Faults { slow, ..Faults::none() }));
        }
    }
}

#[test]
fn and_whatever_else_of_either_is_read_late_or_old() {
    for seed in 0..200 {
        let stale_reads = [0.0, 0.5][usize::from(seed % 2 == 0)];
        keeps_the_budget(abreast(seed, Faults { torn: 0.5, stale_reads, ..Faults::none() }));
    }
}

#[test]
fn regression_a_host_launched_in_the_second_of_a_forced_rotation_is_not_replaced() {
    let mut scenario = Scenario::new(1).trigger(Trigger::Force);
    // Early in a second; the group grows by one in the same second.
    scenario.release_after += SignedDuration::from_millis(100);
    (scenario.launch_delay.min_ms, scenario.launch_delay.max_ms) = (300, 300);
    let scale = Act::Scale { group: "demo-asg".to_owned(), desired: 7 };
    let report = run(scenario.act(SignedDuration::from_millis(200), scale));
    assert_eq!((&report.outcome, report.rotated), (&Outcome::Closed, 6));
}

#[test]
fn three_workers_whose_reads_are_torn_and_old_keep_every_promise() {
    for seed in 0..60 {
        let mut scenario = Scenario::random(seed).workers(3);
        scenario.faults = Faults { torn: 0.5, abreast: 1.0, stale_reads: 0.5, events_lost: 0.5, ..Faults::light() };
        let report = run(scenario);
        assert_closed(&report, seed);
    }
}
