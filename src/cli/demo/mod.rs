//! `demo`: an AMI release in a simulated account, told to a person.
//!
//! The scene ([`scene`]) becomes a simulation, which runs to its end in moments; what truly happened in it is then told as a
//! [`story`] in simulated time, and summed up ([`summary`]). With `--json` only the [`figures`] are printed. Nothing here
//! reaches AWS, and the worker in it is the same engine that `run` drives.

mod canary;
mod close_up;
mod figures;
mod fleet;
mod from_afar;
mod ink;
#[cfg(feature = "web")]
mod page;
mod scene;
mod story;
mod summary;

use std::io;
use std::io::{ErrorKind, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anstream::AutoStream;
use anyhow::Context as _;
use clap::{Args, Parser};
use tracing_subscriber::Layer as _;
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

use super::{plan, report};
#[cfg(feature = "web")]
use crate::config::AddressOrNothing;
use crate::engine::Settings;
use crate::engine::survey::Depth;
use crate::journal::Journal;
use crate::plan::forecast::Assumptions;
use crate::plan::policy::{Budget, Policy};
use crate::record::Record;
use crate::sim::clock::SimulatedTime;
use crate::sim::world::World;
use crate::sim::{CLUSTER, Outcome, Report, logs, survey};
use figures::Figures;
use fleet::Fleet;
pub(super) use ink::count;
use scene::Scene;

const ABOUT: &str = "Watch a release of an image roll through a simulated cluster";

const EXAMPLES: &str = "\
Examples:
  One release for 20 hosts in 2 groups
    ecs-rotator demo

  Workers die, hosts die, a third of the events is lost
    ecs-rotator demo --faults heavy --seed 7

  A large cluster, a quarter of each group at a time
    ecs-rotator demo --hosts 500 --groups 5 --max-in-flight 25%

  The image is bad: its first host shows it, and it is rolled back
    ecs-rotator demo --bad-image

  A service lets none of its tasks move; an availability zone is lost
    ecs-rotator demo --stuck-service
    ecs-rotator demo --zone-outage

  What `plan` would say of it before
    ecs-rotator demo --hosts 12 --plan
";

/// Of what only a binary with a page can do.
#[cfg(feature = "web")]
const PAGE_EXAMPLES: &str = "
  The page of the worker, live, a minute in every second; and when an image is bad
    ecs-rotator demo --hosts 40 --groups 3 --http 127.0.0.1:8080
    ecs-rotator demo --hosts 40 --groups 3 --http 127.0.0.1:8080 --bad-image
";
#[cfg(not(feature = "web"))]
const PAGE_EXAMPLES: &str = "";

const MORE_EXAMPLES: &str = "
  A picture of a rotation with troubles, as `report` draws it from a worker's log
    ecs-rotator demo --faults heavy --report rotation.html

  The figures of a run, for a script
    ecs-rotator demo --json | jq .requests_per_host

The same arguments tell the same story: all that is random comes from the seed.
In the JSON, `requests` are the calls to the fleet (ECS, EC2, Auto Scaling, SSM), retries included,
and `requests_per_host` is their number per replaced host. Calls to the queue (receives, deletes)
are counted apart, in `queue_requests`.
RUST_LOG=info shows the log of the worker, on stderr, in simulated time.

Exit codes: 0 closed and no promise broken, 1 something else, 2 bad usage, 3 the rotation is held;
with --plan those of `plan`: 0 nothing to do, 2 something to do, 1 could not tell.";

fn examples() -> String {
    [EXAMPLES, PAGE_EXAMPLES, MORE_EXAMPLES].concat()
}

#[derive(Args, Debug)]
#[command(about = ABOUT, after_help = examples())]
pub struct DemoArgs {
    /// Hosts of the cluster, 1 to 5000
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=5000))]
    hosts: u32,

    /// Auto Scaling groups that the hosts are in, at most one per host [default: 2, of a single host 1]
    #[arg(long, value_name = "G", value_parser = clap::value_parser!(u32).range(1..=5000))]
    groups: Option<u32>,

    /// Service tasks per host, 0 to 100
    #[arg(long, value_name = "T", default_value_t = 8, value_parser = clap::value_parser!(u32).range(0..=100))]
    tasks_per_host: u32,

    /// Which host with room ECS gives a task: spread over zones and hosts, or the fullest
    #[arg(long, value_name = "HOW", value_enum, default_value_t = PlacementWord::Spread)]
    placement: PlacementWord,

    /// What everything random comes from
    #[arg(long, value_name = "S", default_value_t = 1)]
    seed: u64,

    /// What goes wrong: lost events, throttling, stale reads, killed workers; with `heavy` also dying hosts and people
    #[arg(long, value_name = "LEVEL", value_enum, default_value_t = FaultLevel::None)]
    faults: FaultLevel,

    /// The image is bad, and its hosts never register: it is rolled back and rejected, and the rotation held
    #[arg(long)]
    bad_image: bool,

    /// A service at 100/100 % lets none of its tasks move: a drain does not end, and the rotation is held
    #[arg(long)]
    stuck_service: bool,

    /// An availability zone is lost with its hosts six minutes after the release, for twenty minutes
    #[arg(long)]
    zone_outage: bool,

    /// Hosts of one group in flight at a time: a number, or a share of the group's desired capacity
    #[arg(long, value_name = "HOSTS", default_value_t = Policy::default().max_in_flight)]
    max_in_flight: Budget,

    /// Print what `plan` would say of this cluster when the image has been released, and nothing else
    #[arg(long)]
    plan: bool,

    /// Print one JSON object with the figures and nothing else
    #[arg(long)]
    json: bool,

    /// Show the page of the worker here, while it happens, instead of the story: `127.0.0.1:8080`, or a port of this machine
    #[cfg(feature = "web")]
    #[arg(long, value_name = "ADDRESS", value_parser = crate::config::address, conflicts_with_all = ["plan", "json", "report"])]
    http: Option<AddressOrNothing>,

    /// This binary has no page: `--http` is to say so.
    #[cfg(not(feature = "web"))]
    #[arg(long, hide = true, num_args = 0..=1)]
    http: Option<Option<String>>,

    /// With --http: simulated seconds per second
    #[cfg(feature = "web")]
    #[arg(long, value_name = "N", default_value_t = 60, requires = "http", value_parser = clap::value_parser!(u32).range(1..=3600))]
    speed: u32,

    /// Draw the rotation, as `report` does from a log, into this file (HTML)
    #[arg(long, value_name = "FILE", conflicts_with = "plan")]
    report: Option<PathBuf>,

    /// What `cargo demo -- --hosts 5` passes on begins with a `--` of its own.
    #[arg(last = true, hide = true)]
    passed_on: Vec<std::ffi::OsString>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum FaultLevel {
    None,
    Light,
    Heavy,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum PlacementWord {
    Spread,
    Binpack,
}

impl FaultLevel {
    fn word(self) -> &'static str {
        match self {
            FaultLevel::None => "none",
            FaultLevel::Light => "light",
            FaultLevel::Heavy => "heavy",
        }
    }
}

/// The arguments of `demo` by themselves.
#[derive(Debug, Parser)]
#[command(name = "ecs-rotator demo", bin_name = "ecs-rotator demo", about = ABOUT)]
struct Alone {
    #[command(flatten)]
    args: DemoArgs,
}

/// # Errors
/// When the output cannot be written. A reader that has seen enough is no error.
pub fn demo(args: DemoArgs) -> anyhow::Result<ExitCode> {
    let args = args.without_separator();
    if args.group_count() > args.hosts {
        let (groups, hosts) = (args.group_count(), args.hosts);
        bad_usage(&format!("--groups {groups} is more than --hosts {hosts}: every group has a host at least"));
    }
    #[cfg(feature = "web")]
    if let Some(AddressOrNothing(Some(address))) = args.http {
        return page::show_page(&args, address);
    }
    #[cfg(not(feature = "web"))]
    if args.http.is_some() {
        bad_usage("this binary is built without its page: build it with `--features web`, or run `cargo page`");
    }
    if let Some(path) = &args.report {
        report::can_write(path)?;
    }
    let journal = args.report.as_ref().map(|_| Journal::whole(logs::now));
    begin_logs(journal.clone());
    let scene = Scene::new(&args);
    let done = match (args.plan, args.json) {
        (true, json) => foretell(&scene, json),
        (false, true) => print_figures(&scene),
        (false, false) => tell(&scene),
    };
    if let (Some(journal), Some(path)) = (journal, &args.report) {
        let record = Record::of(&journal.lines(), &CLUSTER.into(), None)?;
        report::write(&record, path)?;
    }
    match done {
        Ok(code) => Ok(ExitCode::from(code)),
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(ExitCode::from(super::exit::OK)),
        Err(error) => Err(error).context("write to stdout"),
    }
}

impl DemoArgs {
    fn group_count(&self) -> u32 {
        self.groups.unwrap_or(self.hosts.min(2))
    }

    fn without_separator(self) -> Self {
        if self.passed_on.is_empty() {
            return self;
        }
        let all = std::env::args_os().skip(2).filter(|arg| arg != "--");
        Alone::parse_from([std::ffi::OsString::from("ecs-rotator demo")].into_iter().chain(all)).args
    }
}

fn bad_usage(message: &str) -> ! {
    let mut command = Alone::augment_args(clap::Command::new("ecs-rotator demo"));
    command.error(clap::error::ErrorKind::ValueValidation, message).exit()
}

/// A demonstration is to be read, so the log is off unless `RUST_LOG` says otherwise.
fn begin_logs(journal: Option<Journal>) {
    let printed = std::env::var("RUST_LOG").ok().filter(|text| !text.is_empty()).map(|filter| {
        let filter =
            crate::cli::filter::read("RUST_LOG", &filter).unwrap_or_else(|error| bad_usage(&error.to_string()));
        tracing_subscriber::fmt::layer()
            .with_timer(SimulatedTime)
            .with_target(false)
            .with_ansi(io::IsTerminal::is_terminal(&io::stderr()))
            .with_writer(io::stderr)
            .with_filter(filter)
    });
    let kept = journal.map(|journal| journal.with_filter(LevelFilter::INFO));
    tracing_subscriber::registry().with(printed).with(kept).init();
}

/// What `plan` says just after the release, before any worker has seen it.
fn foretell(scene: &Scene, json: bool) -> io::Result<u8> {
    let mut world = World::new(&scene.scenario);
    world.advance(scene.scenario.release_after);
    let settings = Settings { clusters: vec![CLUSTER.into()], ..scene.scenario.settings.clone() };
    let (findings, took) = timed(|| survey(&mut world, settings.clone(), Depth::Tenants));
    let report = plan::report::Report::of(findings, &settings, &Assumptions::default(), world.now());
    plan::print(&report, json, false)?;
    if !json {
        writeln!(
            io::stderr(),
            "planned in {:.2} s on a simulated account; nothing here reaches AWS",
            took.as_secs_f64()
        )?;
    }
    Ok(report.exit_code())
}

fn print_figures(scene: &Scene) -> io::Result<u8> {
    let simulation = scene.simulation();
    let fleet = Fleet::of(simulation.world());
    let report = simulation.run(scene.longest());
    let text = serde_json::to_string_pretty(&Figures::of(scene, fleet, &report))?;
    let mut out = io::stdout().lock();
    writeln!(out, "{text}")?;
    out.flush()?;
    Ok(exit_code(&report))
}

fn tell(scene: &Scene) -> io::Result<u8> {
    let mut out = AutoStream::auto(io::stdout().lock());
    let width = usize::from(super::out::width());
    ink::write(&mut out, &scene.opening(), 0, width)?;
    let simulation = scene.simulation();
    let fleet = Fleet::of(simulation.world());
    let (report, took) = timed(|| simulation.run(scene.longest()));
    let story = story::tell(scene, fleet, &report);
    ink::write(&mut out, &story.lines, scene.longest_group_name(), width)?;
    ink::write(&mut out, &summary::lines(scene, &report, &story, took), 0, width)?;
    Ok(exit_code(&report))
}

#[expect(clippy::disallowed_methods, reason = "how long a person waited, which no simulation depends on")]
fn timed<T>(run: impl FnOnce() -> T) -> (T, Duration) {
    let begun = Instant::now();
    let report = run();
    (report, begun.elapsed())
}

fn exit_code(report: &Report) -> u8 {
    match report.outcome {
        _ if !report.violations.is_empty() => super::exit::FAILED,
        Outcome::Closed => super::exit::OK,
        Outcome::Skipped { .. } => super::exit::SKIPPED,
        Outcome::Held { .. } => super::exit::HELD,
        Outcome::Open => super::exit::FAILED,
    }
}
