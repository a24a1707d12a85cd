//! Whole rotations, by the polling procedure and by the worker that takes its place, on the same simulated accounts.
//!
//! ```sh
//! cargo bench --no-default-features --bench rotations
//! ```
//!
//! Everything here is simulated, and the same on every machine. `--calls` adds the worker's calls by operation.

use std::io::Write as _;

use ecs_rotator::plan::policy::Budget;
use ecs_rotator::sim::baseline::{long_drains, poll_through, uneven_drains};
use ecs_rotator::sim::hindsight::Hindsight;
use ecs_rotator::sim::{Delay, Outcome, Report, Scenario, Simulation};
use jiff::SignedDuration;

const LONG: SignedDuration = SignedDuration::from_hours(24 * 30);

type Account = fn(u32, u32, Budget) -> Scenario;

fn main() -> std::io::Result<()> {
    let by_operation = std::env::args().any(|argument| argument == "--calls");
    let mut out = std::io::stdout().lock();
    writeln!(
        out,
        "| rotation | calls per host: polling | worker | whole rotation: polling | worker | times faster | over the critical path | could have acted |"
    )?;
    writeln!(out, "|---|---|---|---|---|---|---|---|")?;
    for (name, account, hosts, groups, budget) in [
        ("20 hosts, one at a time", long_drains as Account, 20, 1, Budget::Hosts(1)),
        ("100 hosts, 10 % at a time", long_drains, 100, 1, Budget::Percent(10)),
        ("1,000 hosts in 10 groups, 10 % of each", long_drains, 1_000, 10, Budget::Percent(10)),
        ("the same, drains of 290 to 320 s", uneven_drains, 1_000, 10, Budget::Percent(10)),
    ] {
        let scenario = account(hosts, groups, budget);
        let polled = poll_through(&scenario).expect("nothing is refused");
        let report = rotated(scenario);
        let rotated = report.rotated as f64;
        let calls = report.requests.values().sum::<u64>() as f64 / rotated;
        let minutes = |seconds: i64| (seconds as f64 / 60.0).round();
        let faster = polled.simulated_seconds as f64 / report.simulated_seconds as f64;
        let hindsight = in_hindsight(account(hosts, groups, budget));
        writeln!(
            out,
            "| {name} | {:.1} | {calls:.1} | {} min | {} min | {faster:.1} | {:.1} % | {:.2} s (at most {:.1} s) |",
            polled.calls_per_host(),
            minutes(polled.simulated_seconds),
            minutes(report.simulated_seconds),
            hindsight.over,
            hindsight.seen.idle.as_secs_f64(),
            hindsight.seen.longest_idle.as_secs_f64(),
        )?;
        for (operation, count) in report.requests.iter().filter(|_| by_operation) {
            writeln!(out, "    {operation} {:.2}", *count as f64 / rotated)?;
        }
    }
    Ok(())
}

fn rotated(scenario: Scenario) -> Report {
    let report = Simulation::new(scenario).run(LONG);
    assert_eq!(
        (&report.outcome, report.violations.as_slice(), report.rotated),
        (&Outcome::Closed, [].as_slice(), u64::from(report.hosts))
    );
    report
}

struct InHindsight {
    seen: Hindsight,
    /// By how many percent the rotation took longer than its critical path.
    over: f64,
}

/// The same, where an event is in the queue at once: what is left is the worker's own.
fn in_hindsight(mut scenario: Scenario) -> InHindsight {
    scenario.event_delay = Delay::millis(0, 0);
    let policy = scenario.settings.policy.clone();
    let report = rotated(scenario);
    let seen = Hindsight::of(&report, &policy);
    let over = (report.simulated_seconds as f64 / seen.critical_path.as_secs_f64() - 1.0) * 100.0;
    InHindsight { seen, over }
}
