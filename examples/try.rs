use ecs_rotator::sim::*;
use jiff::SignedDuration;
fn main() {
    let args: Vec<String> = std::env::args().collect();
    let mode = args[1].as_str();
    let from: u64 = args[2].parse().unwrap();
    let to: u64 = args[3].parse().unwrap();
    tracing_subscriber::fmt()
        .with_timer(clock::SimulatedTime)
        .with_env_filter(tracing_subscriber::EnvFilter::from_default_env())
        .with_writer(std::io::stderr)
        .init();
    let mut bad = 0;
    for seed in from..to {
        let scenario = match mode {
            "basic" => Scenario::new(seed).hosts(20),
            "light" => Scenario::random(seed).faults(Faults::light()),
            "none" => Scenario::random(seed),
            "deaf" => Scenario::random(seed).faults(Faults { events_lost: 1.0, ..Faults::heavy() }),
            _ => Scenario::random(seed).faults(Faults::heavy()),
        };
        let report = Simulation::new(scenario).run(SignedDuration::from_hours(48));
        let ok = report.violations.is_empty() && matches!(report.outcome, Outcome::Closed);
        if !ok || from + 1 == to {
            bad += 1;
            println!(
                "seed {seed}: {:?} {}s hosts {} rotated {} inflight {} moved {} interrupted {} viol {} {:?}",
                report.outcome,
                report.simulated_seconds,
                report.hosts,
                report.rotated,
                report.max_in_flight_seen,
                report.tasks_moved,
                report.tasks_interrupted,
                report.violations.len(),
                report.violations.first()
            );
            if from + 1 == to {
                println!(
                    "{:?} {:?} recv {} irr {} dlq {}",
                    report.requests,
                    report.queue_requests,
                    report.events_received,
                    report.events_irrelevant,
                    report.messages_in_dlq
                );
                if args.len() > 4 {
                    for m in &report.timeline {
                        println!("{} {:?}", m.at, m.what);
                    }
                }
            }
        }
    }
    println!("{bad} bad of {}", to - from);
}
