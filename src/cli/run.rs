//! `run`: the worker.

use std::collections::BTreeSet;
use std::hash::{BuildHasher as _, RandomState};
use std::net::SocketAddr;
use std::pin::pin;
use std::process::ExitCode;

use anyhow::Context as _;
use clap::Args;
use tokio::signal::unix::{SignalKind, signal};

use super::log::{self, LogFormat};
use crate::aws::{self, Aws};
use crate::config::{ModeArgs, PaceArgs, QueueArgs, RotationArgs, TellArgs};
use crate::engine::observe::Mode;
use crate::engine::{Engine, Settings};
use crate::id::{BusName, ClusterName, GroupName};
use crate::journal::Journal;
use crate::web::{self, Window};

const EXAMPLES: &str = "\
Examples:
  export ECS_ROTATOR_QUEUE_URL=https://sqs.eu-west-1.amazonaws.com/123456789012/ecs-rotator

  Look after every cluster with the tag ecs-rotator:enabled = true
    ecs-rotator run

  Look after two clusters, one host of each group at a time
    ecs-rotator run --cluster prod --cluster batch --max-in-flight 1

  The same from the environment, as in a task definition
    export ECS_ROTATOR_CLUSTERS=prod,batch ECS_ROTATOR_MAX_IN_FLIGHT=1
    ecs-rotator run --log-format json

  Look on for a while: what would be done is told, and nothing is changed
    ecs-rotator run --cluster prod --mode observe

Levels of the log: ECS_ROTATOR_LOG (or RUST_LOG), as `debug` or `warn,ecs_rotator=debug`.
Region, credentials and endpoints: as in every AWS tool (AWS_REGION, AWS_PROFILE, AWS_ENDPOINT_URL, a task role, …).
SIGTERM or SIGINT ends it: what was begun is handed back to the queue, and the next worker carries on.

Exit codes: 0 ended by a signal, 1 something failed, 2 bad usage, 4 the queue or the credentials cannot be used.";

/// Work off the queue: replace the hosts of the clusters whenever a new image is released
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub struct RunArgs {
    #[command(flatten)]
    queue: QueueArgs,
    #[command(flatten)]
    rotation: RotationArgs,
    #[command(flatten)]
    pace: PaceArgs,
    #[command(flatten)]
    tell: TellArgs,
    #[command(flatten)]
    mode: ModeArgs,
    /// Form of the log, on stderr
    #[arg(long, env = "ECS_ROTATOR_LOG_FORMAT", value_name = "FORMAT", value_enum, default_value_t = LogFormat::Text)]
    log_format: LogFormat,
}

pub fn run(args: RunArgs) -> anyhow::Result<ExitCode> {
    let journal = log::init(args.log_format)?;
    for event in args.rotation.ignored_events() {
        tracing::warn!(event, "freezes nothing");
    }
    let http = args.tell.http();
    let settings = args.mode.apply(args.tell.apply(args.pace.apply(args.rotation.into_settings()?)));
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().context("start the runtime")?;
    let ended = runtime.block_on(work(&args.queue.queue_url, settings, http, journal));
    // A call that is still under way is of no more use; its thread is not waited for.
    runtime.shutdown_background();
    ended.map(|()| ExitCode::from(super::exit::OK))
}

async fn work(queue_url: &str, settings: Settings, http: Option<SocketAddr>, journal: Journal) -> anyhow::Result<()> {
    let mut shutdown = pin!(signalled().context("listen for signals")?);
    let aws = Aws::connect(queue_url).await?;
    announce(&settings, queue_url, aws.region());
    let (window, source) = Window::new(aws::now());
    if let Some(address) = http {
        web::serve(address, source, journal, aws::now).await?;
    }
    tokio::select! {
        usable = aws.preflight() => usable?,
        () = &mut shutdown => return Ok(()),
    }
    let engine = aws::run(Engine::new(settings, seed(), aws::now()), aws, window, shutdown).await;
    farewell(&engine);
    Ok(())
}

/// The one line that says what this worker is going to do.
fn announce(settings: &Settings, queue: &str, region: &str) {
    let Settings { clusters, groups, tag_prefix, policy, sweep_interval, visibility: _, event_bus, mode } = settings;
    let named = |(cluster, groups): (&ClusterName, &BTreeSet<GroupName>)| {
        groups.iter().map(|group| format!("{cluster}={group}")).collect::<Vec<_>>()
    };
    let groups = (!groups.is_empty()).then(|| groups.iter().flat_map(named).collect::<Vec<_>>().join(", "));
    let clusters = if clusters.is_empty() {
        format!("every cluster with the tag {tag_prefix}enabled = true")
    } else {
        clusters.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
    };
    let what_it_does = match mode {
        Mode::Rotate => "replaces the hosts of these clusters when their image is released",
        Mode::Observe => "observes these clusters and changes nothing",
    };
    tracing::info!(
        version = env!("CARGO_PKG_VERSION"),
        %mode,
        region,
        queue,
        clusters,
        groups,
        max_in_flight = %policy.max_in_flight,
        max_in_flight_cluster = policy.max_in_flight_cluster,
        drain = %policy.drain,
        drain_timeout = format_args!("{:#}", policy.drain_timeout),
        replacement_timeout = format_args!("{:#}", policy.replacement_timeout),
        replacement_timeout_windows = format_args!("{:#}", policy.replacement_timeout_windows),
        allow_older = policy.allow_older,
        min_ami_age = format_args!("{:#}", policy.min_ami_age),
        release_by = %policy.release_by,
        keep_versions = policy.keep_versions,
        alarms = policy.alarms.iter().map(|name| name.as_str()).collect::<Vec<_>>().join(","),
        window = policy.calendar.windows.as_ref().map(tracing::field::display),
        sweep_interval = format_args!("{sweep_interval:#}"),
        event_bus = event_bus.as_ref().map(BusName::as_str),
        "{what_it_does}"
    );
}

fn farewell(engine: &Engine) {
    let counters = engine.counters();
    tracing::info!(
        received = counters.received,
        wakes = counters.wakes,
        commands = counters.commands,
        irrelevant = counters.irrelevant,
        malformed = counters.malformed,
        calls = counters.requests.values().sum::<u64>(),
        "ended"
    );
}

/// SIGTERM (ECS stops the task) or SIGINT (Ctrl-C).
pub(super) fn signalled() -> std::io::Result<impl Future<Output = ()>> {
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    Ok(async move {
        let signal = tokio::select! {
            _ = terminate.recv() => "SIGTERM",
            _ = interrupt.recv() => "SIGINT",
        };
        tracing::info!(signal, "ending: what was begun goes back to the queue");
    })
}

/// Only the jitter of retries hangs on it. The standard library seeds its hashers at random.
pub(super) fn seed() -> u64 {
    RandomState::new().hash_one("seed")
}
