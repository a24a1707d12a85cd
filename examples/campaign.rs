//! Many random rotations, each promise checked after every effect: what `tests/random.rs` does with a few seeds.
//!
//! ```sh
//! cargo run --release --no-default-features --example campaign -- --seeds 0..10000 --faults heavy
//! cargo run --release --no-default-features --example campaign -- --seeds 0..10000 --faults heavy --eventful
//! cargo run --release --no-default-features --example campaign -- --seeds 42..43 --faults heavy --timeline
//! ```
//!
//! Ends with 1 when a promise was broken, a task interrupted where none is forced, or a rotation neither closed nor held.

use std::io::Write;
use std::ops::Range;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use clap::{Parser, ValueEnum};
use ecs_rotator::sim::{Faults, Outcome, Report, Scenario, Simulation, clock};
use jiff::SignedDuration;

/// Longer than any rotation that comes to an end.
const LONG: SignedDuration = SignedDuration::from_hours(48);
/// So often it is said how far it is.
const TOLD_EVERY: u64 = 500;

#[derive(Parser)]
struct Arguments {
    /// Which seeds, the last one not included
    #[arg(long, default_value = "0..1000", value_parser = range)]
    seeds: Range<u64>,
    #[arg(long, value_enum, default_value_t = Level::Heavy)]
    faults: Level,
    /// With a bad image, a pause, a second ask, an opt-out, a group that leaves, a refresh, hosts that are forced
    #[arg(long)]
    eventful: bool,
    /// In place of the one or two that the seed draws
    #[arg(long)]
    workers: Option<usize>,
    /// The share of messages that come twice, in place of the level's
    #[arg(long)]
    doubled: Option<f64>,
    /// The share of reads that are old, in place of the level's
    #[arg(long)]
    stale: Option<f64>,
    /// The share of operations of each worker whose calls are slow, in place of the level's
    #[arg(long)]
    torn: Option<f64>,
    /// How often all workers begin at the same time, in place of the level's
    #[arg(long)]
    abreast: Option<f64>,
    /// On so many cores; all of them, if none is named
    #[arg(long)]
    cores: Option<usize>,
    /// Tells what happened in each rotation (`RUST_LOG=debug` adds the log)
    #[arg(long)]
    timeline: bool,
}

#[derive(Clone, Copy, ValueEnum)]
enum Level {
    None,
    Light,
    Heavy,
}

#[derive(Default)]
struct Tally {
    closed: u64,
    /// Closed, but for groups that were left out.
    skipped: u64,
    held: u64,
    broken: u64,
    hosts: u64,
}

fn range(text: &str) -> Result<Range<u64>, String> {
    let bad = || format!("expected a range as `0..10000`, got `{text}`");
    let (from, to) = text.split_once("..").ok_or_else(bad)?;
    Ok(from.parse().map_err(|_| bad())?..to.parse().map_err(|_| bad())?)
}

impl Arguments {
    fn scenario(&self, seed: u64) -> Scenario {
        let mut scenario = if self.eventful { Scenario::eventful(seed) } else { Scenario::random(seed) };
        scenario.faults = match self.faults {
            Level::None => Faults::none(),
            Level::Light => Faults::light(),
            Level::Heavy => Faults::heavy(),
        };
        scenario.workers = self.workers.unwrap_or(scenario.workers);
        scenario.faults.duplicate_delivery = self.doubled.unwrap_or(scenario.faults.duplicate_delivery);
        scenario.faults.stale_reads = self.stale.unwrap_or(scenario.faults.stale_reads);
        scenario.faults.torn = self.torn.unwrap_or(scenario.faults.torn);
        scenario.faults.abreast = self.abreast.unwrap_or(scenario.faults.abreast);
        scenario
    }
}

#[expect(clippy::disallowed_methods, reason = "how long it takes is what is asked")]
fn main() -> std::process::ExitCode {
    let arguments = Arguments::parse();
    if arguments.timeline {
        let filter = tracing_subscriber::EnvFilter::from_default_env();
        let log = tracing_subscriber::fmt().with_env_filter(filter).with_timer(clock::SimulatedTime);
        log.with_writer(std::io::stderr).init();
    }
    let start = std::time::Instant::now();
    let (next, tally) = (AtomicU64::new(arguments.seeds.start), Mutex::new(Tally::default()));
    let all = || std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let threads = arguments.cores.unwrap_or_else(all);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| work(&arguments, &next, &tally));
        }
    });
    let tally = tally.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
    let Tally { closed, skipped, held, broken, hosts } = tally;
    println!(
        "seeds {}..{} in {:.0} s on {threads} cores: {closed} closed, {skipped} with groups skipped, {held} held, {broken} with a broken promise; \
         {hosts} hosts",
        arguments.seeds.start,
        arguments.seeds.end,
        start.elapsed().as_secs_f64()
    );
    std::process::ExitCode::from(u8::from(broken > 0))
}

fn work(arguments: &Arguments, next: &AtomicU64, tally: &Mutex<Tally>) {
    loop {
        let seed = next.fetch_add(1, Ordering::Relaxed);
        if seed >= arguments.seeds.end {
            return;
        }
        let scenario = arguments.scenario(seed);
        let forces = scenario.settings.policy.ladder.force_after.is_some();
        let report = Simulation::new(scenario).run(LONG);
        let mut tally = tally.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        tally.count(seed, &report, forces, arguments.timeline);
        let done = seed - arguments.seeds.start;
        if done > 0 && done.is_multiple_of(TOLD_EVERY) {
            eprintln!("{done} of {}", arguments.seeds.end - arguments.seeds.start);
        }
    }
}

impl Tally {
    fn count(&mut self, seed: u64, report: &Report, forces: bool, timeline: bool) {
        let mut out = std::io::stdout().lock();
        if timeline {
            for moment in &report.timeline {
                _ = writeln!(out, "{} {:?}", moment.at, moment.what);
            }
        }
        self.hosts += u64::from(report.hosts);
        let is_broken = !report.violations.is_empty() || (report.tasks_interrupted > 0 && !forces);
        match &report.outcome {
            Outcome::Closed if !is_broken => self.closed += 1,
            Outcome::Skipped { .. } if !is_broken => self.skipped += 1,
            Outcome::Held { reason } if !is_broken => {
                self.held += 1;
                _ = writeln!(out, "seed {seed}: held: {reason}");
            }
            outcome @ (Outcome::Closed | Outcome::Skipped { .. } | Outcome::Held { .. } | Outcome::Open) => {
                self.broken += 1;
                let interrupted = report.tasks_interrupted;
                _ = writeln!(
                    out,
                    "seed {seed}: {outcome:?}, {interrupted} tasks interrupted: {:#?}",
                    report.violations
                );
            }
        }
    }
}
