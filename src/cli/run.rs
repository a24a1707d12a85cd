//! `run`: the worker.

use std::collections::BTreeSet;
use std::hash::{BuildHasher as _, RandomState};
use std::net::SocketAddr;
use std::pin::pin;
use std::process::ExitCode;

use anyhow::Context as _;
use clap::Args;
use jiff::SignedDuration;
use tokio::signal::unix::{SignalKind, signal};

use super::log;
use super::log::LogFormat;
use crate::aws::{Aws, First};
use crate::config::{LOG_FORMAT_VARIABLE, ModeArgs, PaceArgs, QueueArgs, RotationArgs, TellArgs};
use crate::doctor::facts::Caller;
use crate::engine::vitals::Vitals;
use crate::engine::{Engine, Settings};
use crate::id::{ClusterName, GroupName};
use crate::journal::Journal;
use crate::plan::calendar::Calendar;
use crate::plan::family::Families;
use crate::plan::policy::{Ladder, Policy};
use crate::plan::timing::in_words;
use crate::web::Window;
use crate::{aws, web};

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

Levels of the log: ECS_ROTATOR_LOG (or RUST_LOG), as `debug` or `warn,ecs_rotator=debug`. Changes of production alone, for an
audit: `off,ecs_rotator::engine::audit=info`.
Region, credentials and endpoints: as in every AWS tool (AWS_REGION, AWS_PROFILE, AWS_ENDPOINT_URL, a task role, …).
SIGTERM or SIGINT ends it: what was begun is handed back to the queue, and the next worker carries on.

Exit codes: 0 ended by a signal, 1 something failed, 2 bad usage, 4 AWS cannot be used: no region, no usable credentials, not
allowed, no such queue, no answer.";

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
    #[arg(long, env = LOG_FORMAT_VARIABLE, value_name = "FORMAT", value_enum, default_value_t = LogFormat::Text)]
    log_format: LogFormat,
}

pub fn run(args: RunArgs) -> anyhow::Result<ExitCode> {
    let queue_url = args.queue.url()?;
    let journal = log::init(args.log_format)?;
    let http = args.tell.http();
    let settings = args.mode.apply(args.tell.apply(args.pace.apply(args.rotation.into_settings()?)));
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().context("start the runtime")?;
    let ended = runtime.block_on(work(&queue_url, settings, http, journal));
    // A call that is still under way is of no more use; its thread is not waited for.
    runtime.shutdown_background();
    ended.map(|()| ExitCode::from(super::exit::OK))
}

async fn work(queue_url: &str, settings: Settings, http: Option<SocketAddr>, journal: Journal) -> anyhow::Result<()> {
    let mut shutdown = pin!(signalled().context("listen for signals")?);
    let aws = Aws::connect(queue_url).await?;
    announce(&settings, queue_url, aws.region(), http);
    let (window, source) = Window::new(aws::now(), Vitals { mode: settings.mode, ..Vitals::default() });
    if let Some(address) = http {
        web::serve(address, source, journal, aws::now).await?;
    }
    tokio::select! {
        (usable, ()) = async { tokio::join!(aws.preflight(First::Queue), introduce(&aws)) } => usable?,
        () = &mut shutdown => return Ok(()),
    }
    let engine = aws::run(Engine::new(settings, seed(), aws::now()), aws, window, shutdown).await;
    farewell(&engine);
    Ok(())
}

/// The first line: which version, and every setting. Taken apart without `..`: a setting that is not told does not compile.
fn announce(settings: &Settings, queue: &str, region: &str, http: Option<SocketAddr>) {
    let Settings { clusters, arns, groups, tag_prefix, policy, sweep_interval, visibility, event_bus, mode } = settings;
    let Policy {
        max_in_flight,
        max_in_flight_cluster,
        drain,
        drain_timeout,
        ladder: Ladder { stop_standalone_after, give_up_after, force_after },
        bake,
        settle,
        replacement_timeout,
        replacement_timeout_windows,
        allow_older,
        min_ami_age,
        release_by,
        keep_versions,
        families,
        calendar: Calendar { windows, freeze },
        alarms,
        stuck,
        accept_detach,
    } = policy;
    let named = |(cluster, groups): (&ClusterName, &BTreeSet<GroupName>)| {
        groups.iter().map(|group| format!("{cluster}={group}")).collect::<Vec<_>>()
    };
    let clusters = if clusters.is_empty() {
        format!("every cluster with the tag {tag_prefix}enabled = true")
    } else {
        let as_named = |name: &ClusterName| {
            arns.iter().find(|arn| arn.name() == *name).map_or_else(|| name.to_string(), ToString::to_string)
        };
        listed(clusters.iter().map(as_named))
    };
    tracing::info!(
        version = VERSION,
        %mode,
        region,
        queue,
        clusters,
        groups = listed(groups.iter().flat_map(named)),
        tag_prefix,
        max_in_flight = %max_in_flight,
        max_in_flight_cluster = or_none(*max_in_flight_cluster),
        bake = in_words(*bake),
        settle = in_words(*settle),
        drain = %drain,
        drain_timeout = in_words(*drain_timeout),
        stop_standalone_after = or_never(*stop_standalone_after),
        give_up_after = or_never(*give_up_after),
        force_after = or_never(*force_after),
        stuck = %stuck,
        accept_detach = %accept_detach,
        replacement_timeout = in_words(*replacement_timeout),
        replacement_timeout_windows = in_words(*replacement_timeout_windows),
        allow_older,
        min_ami_age = in_words(*min_ami_age),
        release_by = %release_by,
        keep_versions,
        families = if *families == Families::built_in() { "built in".to_owned() } else { listed(families.words()) },
        window = windows.as_ref().map_or_else(|| "always".to_owned(), ToString::to_string),
        freeze = %freeze,
        alarms = listed(alarms),
        sweep_interval = in_words(*sweep_interval),
        visibility_timeout = in_words(*visibility),
        event_bus = or_none(event_bus.as_ref()),
        http = or_none(http),
        "ecs-rotator {VERSION} started"
    );
}

const VERSION: &str = env!("CARGO_PKG_VERSION");

fn listed(things: impl IntoIterator<Item = impl ToString>) -> String {
    let things: Vec<String> = things.into_iter().map(|thing| thing.to_string()).collect();
    if things.is_empty() { "none".to_owned() } else { things.join(", ") }
}

fn or_none(setting: Option<impl ToString>) -> String {
    setting.map_or_else(|| "none".to_owned(), |setting| setting.to_string())
}

fn or_never(rung: Option<SignedDuration>) -> String {
    rung.map_or_else(|| "never".to_owned(), in_words)
}

/// As whom it works, for whoever reads the log later.
async fn introduce(aws: &Aws) {
    match aws.identity().await {
        Ok(Caller { arn, account }) => tracing::info!(account, arn, "works as this identity"),
        Err(failure) => tracing::info!(why = failure.in_short(), "as whom it works could not be asked of STS"),
    }
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
