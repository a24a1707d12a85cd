//! Many clusters in one worker, all rotating at once: how long it takes, what it asks of the account, and what it needs.
//!
//! ```sh
//! cargo bench --no-default-features --bench clusters              # 50 and 500 clusters of 20 hosts
//! cargo bench --no-default-features --bench clusters -- 100x20    # any others
//! ```
//!
//! Everything but the memory is simulated, and the same on every machine. The memory is that of this process, in which the
//! account is simulated as well; a worker's own is what four more of them take that look at the same account.

use std::io::Write as _;

use ecs_rotator::effect::{Failure, FailureKind, Request};
use ecs_rotator::engine::{Engine, Settings};
use ecs_rotator::sim::world::World;
use ecs_rotator::sim::{Outcome, START, Scenario, Simulation};
use jiff::SignedDuration;

const LONG: SignedDuration = SignedDuration::from_hours(24 * 7);
const WORKERS: u32 = 4;

fn main() -> std::io::Result<()> {
    let sizes: Vec<(u32, u32)> = std::env::args().filter_map(|argument| size(&argument)).collect();
    let mut out = std::io::stdout().lock();
    writeln!(
        out,
        "| clusters | hosts | simulated minutes | calls | calls per host | process, peak (MB) | a worker (MB) |"
    )?;
    writeln!(out, "|---|---|---|---|---|---|---|")?;
    let mut used = Vec::new();
    for (clusters, hosts) in if sizes.is_empty() { vec![(50, 20), (500, 20)] } else { sizes } {
        let scenario = Scenario::new(1).hosts(hosts).tasks_per_host(4).clusters(clusters);
        let settings = scenario.settings.clone();
        let worker = worker_megabytes(scenario.clone(), &settings);
        let report = Simulation::new(scenario).run(LONG);
        assert_eq!(
            (&report.outcome, report.violations.as_slice(), report.rotated),
            (&Outcome::Closed, [].as_slice(), u64::from(clusters * hosts))
        );
        let calls: u64 = report.requests.values().sum();
        writeln!(
            out,
            "| {clusters} | {} | {:.0} | {calls} | {:.1} | {:.0} | {worker:.1} |",
            report.hosts,
            report.simulated_seconds as f64 / 60.0,
            calls as f64 / report.rotated as f64,
            megabytes("VmHWM:"),
        )?;
        used.push((clusters, report.limits));
    }
    writeln!(
        out,
        "\n| clusters | calls that AWS counts together | burst | per second | calls | busiest second | exceeded |"
    )?;
    writeln!(out, "|---|---|---|---|---|---|---|")?;
    for (clusters, limits) in used {
        for (what, of) in limits {
            let (burst, rate, calls) = (of.burst, of.per_second, of.calls);
            writeln!(
                out,
                "| {clusters} | {what} | {burst} | {rate} | {calls} | {} | {} |",
                of.busiest_second, of.exceeded
            )?;
        }
    }
    Ok(())
}

/// `500x20`
fn size(argument: &str) -> Option<(u32, u32)> {
    let (clusters, hosts) = argument.split_once('x')?;
    Some((clusters.parse().ok()?, hosts.parse().ok()?))
}

/// What one worker keeps while every cluster rotates, in the middle of it.
fn worker_megabytes(scenario: Scenario, settings: &Settings) -> f64 {
    let until = START + scenario.release_after + SignedDuration::from_mins(20);
    let mut simulation = Simulation::new(scenario);
    simulation.run_until(|_| false, until);
    let before = megabytes("VmRSS:");
    let engines: Vec<Engine> =
        (0..WORKERS).map(|seed| looking(settings, u64::from(seed), simulation.world_mut())).collect();
    let each = (megabytes("VmRSS:") - before) / f64::from(WORKERS);
    drop(engines);
    each
}

/// A worker that has looked at every cluster, and was not let do anything.
fn looking(settings: &Settings, seed: u64, world: &mut World) -> Engine {
    let mut now = world.now();
    let until = now + SignedDuration::from_mins(10);
    let mut engine = Engine::new(settings.clone(), seed, now);
    while now < until {
        while let Some((id, request)) = engine.poll_request() {
            if matches!(request, Request::ReceiveMessage { .. }) {
                continue;
            }
            let reply = if request.is_effect() { Err(later(&request)) } else { world.perform(&request) };
            engine.handle_reply(id, reply, now);
        }
        let tick = now + SignedDuration::from_millis(1);
        now = engine.poll_timeout().unwrap_or(until).max(tick);
        engine.handle_timeout(now);
    }
    engine
}

fn later(request: &Request) -> Failure {
    Failure {
        kind: FailureKind::Transient,
        operation: request.operation(),
        code: "ServiceUnavailable".to_owned(),
        message: "later".to_owned(),
        request_id: None,
    }
}

/// Of this process, as Linux counts it; zero elsewhere.
fn megabytes(what: &str) -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix(what));
    line.and_then(|line| line.trim().strip_suffix("kB")?.trim().parse::<f64>().ok()).unwrap_or(0.0) / 1024.0
}
