//! Whole rotations, by the polling procedure and by the worker that takes its place, on the same simulated accounts.
//!
//! ```sh
//! cargo bench --no-default-features --bench rotations
//! ```
//!
//! Everything here is simulated, and the same on every machine. `--calls` adds the worker's calls by operation.

use std::io::Write as _;

use ecs_rotator::plan::policy::Budget;
use ecs_rotator::sim::baseline::{long_drains, poll_through};
use ecs_rotator::sim::{Outcome, Simulation};
use jiff::SignedDuration;

const LONG: SignedDuration = SignedDuration::from_hours(24 * 30);

fn main() -> std::io::Result<()> {
    let by_operation = std::env::args().any(|argument| argument == "--calls");
    let mut out = std::io::stdout().lock();
    writeln!(out, "| rotation | calls per host: polling | worker | whole rotation: polling | worker | times faster |")?;
    writeln!(out, "|---|---|---|---|---|---|")?;
    for (name, hosts, groups, budget) in [
        ("20 hosts, one at a time", 20, 1, Budget::Hosts(1)),
        ("100 hosts, 10 % at a time", 100, 1, Budget::Percent(10)),
        ("1,000 hosts in 10 groups, 10 % of each", 1_000, 10, Budget::Percent(10)),
    ] {
        let scenario = long_drains(hosts, groups, budget);
        let polled = poll_through(&scenario).expect("nothing is refused");
        let report = Simulation::new(scenario).run(LONG);
        assert_eq!(
            (&report.outcome, report.violations.as_slice(), report.rotated),
            (&Outcome::Closed, [].as_slice(), u64::from(hosts))
        );
        let rotated = report.rotated as f64;
        let calls = report.requests.values().sum::<u64>() as f64 / rotated;
        let minutes = |seconds: i64| (seconds as f64 / 60.0).round();
        let faster = polled.simulated_seconds as f64 / report.simulated_seconds as f64;
        writeln!(
            out,
            "| {name} | {:.1} | {calls:.1} | {} min | {} min | {faster:.1} |",
            polled.calls_per_host(),
            minutes(polled.simulated_seconds),
            minutes(report.simulated_seconds),
        )?;
        for (operation, count) in report.requests.iter().filter(|_| by_operation) {
            writeln!(out, "    {operation} {:.2}", *count as f64 / rotated)?;
        }
    }
    Ok(())
}
