//! `rotate --here` and `rotate --wait`: one rotation, to its end.

use std::pin::pin;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, anyhow, bail};
use clap::{Args, Parser};
use jiff::SignedDuration;
use tokio::sync::watch;

use super::{exit, log, status};
use crate::aws::{self, Aws, LocalQueue};
use crate::config::{PaceArgs, RotationArgs, SWEEP_VARIABLE, env_cluster};
use crate::engine::vitals::ClusterVitals;
use crate::engine::{Engine, Settings};
use crate::id::ClusterName;
use crate::plan::is_in_flight;
use crate::plan::outcome::Standing;
use crate::plan::status::ClusterStatus;
use crate::web::{Published, Window};

/// In the place of events: what has happened meanwhile is found so often.
const LOOK_EVERY: SignedDuration = SignedDuration::from_secs(20);
const FOLLOW_EVERY: Duration = Duration::from_secs(10);
/// Who was on its way when the rotation was held finishes, unless it is the one that cannot.
const FINISH_WITHIN: SignedDuration = SignedDuration::from_mins(15);
/// What the loop knows is told once a second.
const TOLD_BY: SignedDuration = SignedDuration::from_secs(5);

/// As the script had them that this takes the place of.
#[derive(Args, Debug)]
pub struct HereArgs {
    /// Do it in this process, now and without a queue: credentials are all it takes, and timers stand in for events
    #[arg(long, conflicts_with = "wait")]
    pub here: bool,
    /// With --here: the region, in the place of AWS_REGION
    #[arg(short, long, value_name = "REGION", requires = "here")]
    region: Option<String>,
    /// With --here: the level of the log, `debug`, `info`, `warn` [env: LOG_LEVEL]
    #[arg(short, long, value_name = "LEVEL", requires = "here")]
    log_level: Option<String>,
}

/// The worker's settings, as its environment has them.
#[derive(Parser)]
struct FromEnvironment {
    #[command(flatten)]
    rotation: RotationArgs,
    #[command(flatten)]
    pace: PaceArgs,
}

/// # Errors
/// When a variable cannot be read.
fn settings(cluster: &ClusterName) -> anyhow::Result<Settings> {
    let read =
        FromEnvironment::try_parse_from(["ecs-rotator"]).map_err(|error| anyhow!("{}", error.to_string().trim()))?;
    Ok(Settings { clusters: vec![cluster.clone()], ..read.pace.apply(read.rotation.into_settings()?) })
}

impl HereArgs {
    /// What the old script read from its environment.
    pub fn cluster(&self, given: Option<ClusterName>) -> anyhow::Result<ClusterName> {
        let found = match given {
            None if self.here => env_cluster("CLUSTER")?,
            given => given,
        };
        found.ok_or_else(|| anyhow!("no cluster is named: say --cluster CLUSTER"))
    }

    pub fn force(&self, given: bool) -> bool {
        let set = |value: String| !["", "0", "false", "no", "off"].contains(&value.to_lowercase().as_str());
        given || self.here && std::env::var("FORCE").is_ok_and(set)
    }

    /// Runs the rotation that the message asks for.
    pub fn run(self, cluster: &ClusterName, message: String) -> anyhow::Result<ExitCode> {
        let level = self.log_level.or_else(|| std::env::var("LOG_LEVEL").ok()).filter(|level| !level.is_empty());
        log::init_at(level.as_deref())?;
        let mut settings = settings(cluster)?;
        if std::env::var_os(SWEEP_VARIABLE).is_none() {
            settings.sweep_interval = LOOK_EVERY;
        }
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().context("start the runtime")?;
        let ended = runtime.block_on(here(settings, cluster, message, self.region));
        runtime.shutdown_background();
        ended
    }
}

async fn here(
    settings: Settings,
    cluster: &ClusterName,
    message: String,
    region: Option<String>,
) -> anyhow::Result<ExitCode> {
    let queue = Arc::new(LocalQueue::new(message));
    let aws = Aws::connect_in(region, "").await?.with_local_queue(Arc::clone(&queue));
    let (window, source) = Window::new(aws::now());
    let mut interrupted = pin!(super::run::signalled().context("listen for signals")?);
    let mut end = None;
    let over = async {
        tokio::select! {
            reached = reached(source.published, &queue, cluster) => end = Some(reached),
            () = &mut interrupted => {}
        }
    };
    aws::run(Engine::new(settings.clone(), super::run::seed(), aws::now()), aws.clone(), window, over).await;
    match end {
        Some(End::Closed) => {
            println!("closed: every host of cluster {cluster} runs its release");
            Ok(ExitCode::from(exit::OK))
        }
        Some(End::Held) => {
            let report = status::look(&aws, &settings).await;
            let hold = report.clusters.first().and_then(|cluster| cluster.hold.clone()).unwrap_or_default();
            println!("held: {hold}\nnext: put that right, and run it again: it goes on where it was");
            Ok(ExitCode::from(exit::HELD))
        }
        Some(End::Paused) => {
            bail!(
                "the rotation of cluster {cluster} is paused: whoever paused it lets it go on by `ecs-rotator resume`"
            )
        }
        Some(End::Refused) => bail!("no rotation of cluster {cluster} was opened: the log above says why"),
        None => bail!("interrupted: hosts on their way stay where they are; run it again, and it goes on"),
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    Closed,
    Held,
    Paused,
    Refused,
}

/// Looks at what the loop publishes until the rotation that was asked for has come to an end.
async fn reached(mut published: watch::Receiver<Published>, queue: &LocalQueue, cluster: &ClusterName) -> End {
    let mut held_since = None;
    loop {
        let now = published.borrow_and_update().clone();
        let heard = queue.done().is_some_and(|done| now.at > done + TOLD_BY);
        let known = now.vitals.clusters.get(cluster).cloned().unwrap_or_default();
        if !now.vitals.closed.is_empty() {
            return End::Closed;
        }
        if heard {
            match known.rotation {
                Some(Standing::Held | Standing::Aborted) => {
                    let since = *held_since.get_or_insert(now.at);
                    if !has_hosts_in_flight(&known) || now.at > since + FINISH_WITHIN {
                        return End::Held;
                    }
                }
                Some(Standing::Paused) => return End::Paused,
                Some(Standing::Open) => held_since = None,
                Some(_) | None => return End::Refused,
            }
        }
        if published.changed().await.is_err() {
            return End::Refused;
        }
    }
}

fn has_hosts_in_flight(known: &ClusterVitals) -> bool {
    known.hosts.iter().any(|(phase, count)| *count > 0 && is_in_flight(*phase))
}

/// Follows the rotation until it is another than it was before the message, and has come to an end.
pub async fn wait(aws: &Aws, before: &Before) -> u8 {
    let end = |status: &ClusterStatus| {
        let now = state_of(status);
        if now == before.state {
            return None;
        }
        match now?.1 {
            Standing::Closed => Some(exit::OK),
            Standing::ClosedWithGroupsSkipped => Some(exit::SKIPPED),
            Standing::Held => Some(exit::HELD),
            Standing::Aborted => Some(exit::ABORTED),
            Standing::Open | Standing::Paused => None,
        }
    };
    status::follow(aws, &before.settings, FOLLOW_EVERY, |line| println!("{line}"), end).await
}

/// How it stood before anything was asked.
pub struct Before {
    settings: Settings,
    state: Option<State>,
}

type State = (String, Standing, jiff::Timestamp);

fn state_of(status: &ClusterStatus) -> Option<State> {
    let rotation = status.rotation.as_ref()?;
    Some((rotation.id.clone(), rotation.state, rotation.since))
}

/// # Errors
/// When the cluster cannot be looked at: then it could not be followed either.
pub async fn before(aws: &Aws, cluster: &ClusterName) -> anyhow::Result<Before> {
    let settings = settings(cluster)?;
    let report = status::look(aws, &settings).await;
    match report.clusters.first() {
        Some(status) => Ok(Before { state: state_of(status), settings }),
        None => {
            let failed = report.failed.into_values().chain(report.error);
            let why = failed.chain(report.missing.into_iter().map(|name| format!("{name} does not exist here"))).next();
            bail!("cluster {cluster} cannot be followed: {}", why.unwrap_or_else(|| "it was not found".to_owned()))
        }
    }
}
