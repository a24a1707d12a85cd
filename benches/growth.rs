//! How the cost of a rotation grows with its cluster: 10, 100, 1,000 and 5,000 hosts, as a table and as a picture.
//!
//! ```sh
//! cargo bench --no-default-features --bench growth -- --picture benches/growth.svg
//! ```
//!
//! Groups of 100 hosts, 10 % of each at a time, drains of five minutes. Calls and minutes are simulated and the same on every
//! machine; so is the size of the view. The time of a plan is measured here. `--most N` leaves out what is larger.

mod fleet;

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use ecs_rotator::plan::forecast::as_if_open;
use ecs_rotator::plan::plan;
use ecs_rotator::plan::policy::{Budget, Policy};
use ecs_rotator::sim::baseline::long_drains;
use ecs_rotator::sim::{Outcome, Simulation};
use jiff::SignedDuration;
use plotters::prelude::*;

const SIZES: [u32; 4] = [10, 100, 1_000, 5_000];
const LONG: SignedDuration = SignedDuration::from_hours(24 * 30);
const PLANS: u32 = 200;

/// What a rotation of so many hosts costs.
struct Size {
    hosts: u32,
    calls_per_host: f64,
    minutes: f64,
    /// The median of many plans at the beginning, when every host is outdated.
    plan: Duration,
    /// Held by what the worker knows of the cluster then, in bytes.
    view: u64,
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().collect();
    let after = |flag: &str| arguments.iter().skip_while(|argument| *argument != flag).nth(1);
    let most: u32 = after("--most").map_or(Ok(u32::MAX), |most| most.parse())?;
    let mut out = std::io::stdout().lock();
    writeln!(out, "| hosts | calls per host | whole rotation | one plan | what is known of the cluster |")?;
    writeln!(out, "|---|---|---|---|---|")?;
    let mut sizes = Vec::new();
    for hosts in SIZES.into_iter().filter(|hosts| *hosts <= most) {
        let size = measured(hosts);
        let Size { calls_per_host, minutes, plan, view, .. } = size;
        sizes.push(size);
        let (milliseconds, kilobytes) = (plan.as_secs_f64() * 1e3, view as f64 / 1e3);
        writeln!(
            out,
            "| {hosts} | {calls_per_host:.1} | {minutes:.0} min | {milliseconds:.2} ms | {kilobytes:.0} kB |"
        )?;
    }
    if let Some(file) = after("--picture") {
        draw(&PathBuf::from(file), &sizes)?;
    }
    Ok(())
}

fn measured(hosts: u32) -> Size {
    let scenario = long_drains(hosts, hosts.div_ceil(100), Budget::Percent(10));
    let report = Simulation::new(scenario).run(LONG);
    assert_eq!((&report.outcome, report.violations.len()), (&Outcome::Closed, 0));
    let (view, now) = fleet::just_released(hosts);
    let (view, policy) = (as_if_open(&view, now), Policy::default());
    let mut times: Vec<Duration> = (0..PLANS).map(|_| timed(|| plan(&view, &policy, now))).collect();
    times.sort();
    let held = allocation_counter::measure(|| std::mem::forget(view.clone()));
    Size {
        hosts,
        calls_per_host: report.requests.values().sum::<u64>() as f64 / report.rotated as f64,
        minutes: report.simulated_seconds as f64 / 60.0,
        plan: times[times.len() / 2],
        view: u64::try_from(held.bytes_current).unwrap_or(0),
    }
}

#[expect(clippy::disallowed_methods, reason = "a bench measures time")]
fn timed<T>(what: impl FnOnce() -> T) -> Duration {
    let from = Instant::now();
    let done = what();
    let took = from.elapsed();
    drop(done);
    took
}

/// Four curves over the number of hosts, which grows by tens.
fn draw(file: &Path, sizes: &[Size]) -> Result<(), Box<dyn std::error::Error>> {
    type Curve = (&'static str, fn(&Size) -> f64);
    let curves: [Curve; 4] = [
        ("calls per replaced host", |size| size.calls_per_host),
        ("whole rotation, simulated minutes", |size| size.minutes),
        ("one plan, milliseconds", |size| size.plan.as_secs_f64() * 1e3),
        ("what is known of the cluster, MB", |size| size.view as f64 / 1e6),
    ];
    let root = SVGBackend::new(file, (960, 560)).into_drawing_area();
    root.fill(&WHITE)?;
    let (least, most) = (f64::from(sizes[0].hosts), f64::from(sizes[sizes.len() - 1].hosts));
    for (area, (title, value)) in root.split_evenly((2, 2)).iter().zip(curves) {
        let points: Vec<(f64, f64)> = sizes.iter().map(|size| (f64::from(size.hosts), value(size))).collect();
        let top = points.iter().map(|(_, value)| *value).fold(0.0, f64::max) * 1.25;
        let mut chart = ChartBuilder::on(area)
            .caption(title, ("sans-serif", 17))
            .margin(14)
            .x_label_area_size(28)
            .y_label_area_size(44)
            .build_cartesian_2d((least * 0.8..most * 1.25).log_scale(), 0.0..top)?;
        chart.configure_mesh().disable_x_mesh().x_labels(4).y_labels(5).x_desc("hosts").draw()?;
        let blue = RGBColor(0, 94, 162);
        chart.draw_series(LineSeries::new(points.iter().copied(), blue.stroke_width(2)))?;
        chart.draw_series(points.iter().map(|point| Circle::new(*point, 3, blue.filled())))?;
        let label = |(x, y): &(f64, f64)| {
            let text = if *y < 10.0 { format!("{y:.2}") } else { format!("{y:.0}") };
            Text::new(text, (*x, *y + top * 0.09), ("sans-serif", 13))
        };
        chart.draw_series(points.iter().map(label))?;
    }
    root.present()?;
    Ok(())
}
