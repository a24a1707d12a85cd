//! `rotate --here`: one rotation, to its end, in this process.

use std::pin::pin;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, anyhow, bail};
use clap::{Args, Parser};
use jiff::SignedDuration;
use tokio::sync::watch;
use tokio::time::{Instant, interval, sleep_until};

use super::control::end::{End, Outcome};
use super::control::first::FirstLook;
use super::control::taken::Waited;
use super::control::told::{last, outcome_of};
use super::control::{Command, first, taken};
use super::{log, out, status};
use crate::aws;
use crate::aws::{Aws, First, LocalQueue};
use crate::config::{PaceArgs, RotationArgs, SWEEP_VARIABLE, env_cluster};
use crate::engine::vitals::{ClusterVitals, Vitals};
use crate::engine::{Engine, Settings};
use crate::id::{ClusterName, GroupName, NamedCluster};
use crate::plan::host::{Phase, is_in_flight};
use crate::plan::outcome::Standing;
use crate::plan::tags::Tags;
use crate::web::{Published, Window};

/// In the place of events: what has happened meanwhile is found so often.
const LOOK_EVERY: SignedDuration = SignedDuration::from_secs(20);
/// Who was on its way when the rotation was stopped finishes, unless it is the one that cannot.
const FINISH_WITHIN: SignedDuration = SignedDuration::from_mins(15);
/// What the loop knows is told once a second.
const TOLD_BY: SignedDuration = SignedDuration::from_secs(5);
/// After the end, a read that lags behind may still show what was before.
const LOOKS_AFTER: usize = 5;
const BETWEEN_LOOKS: Duration = Duration::from_secs(3);

/// As the script had them that this takes the place of.
#[derive(Args, Debug)]
pub struct HereArgs {
    /// Do it in this process, now and without a queue: credentials are all it takes, and timers stand in for events
    #[arg(long, conflicts_with_all = ["wait", "no_wait"])]
    pub here: bool,
    /// With --here: the region [env: AWS_REGION]
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
pub fn settings(cluster: &ClusterName) -> anyhow::Result<Settings> {
    let read =
        FromEnvironment::try_parse_from(["ecs-rotator"]).map_err(|error| anyhow!("{}", error.to_string().trim()))?;
    Ok(Settings { clusters: vec![cluster.clone()], ..read.pace.apply(read.rotation.into_settings()?) })
}

/// One rotation from here.
pub struct Here<'a> {
    pub message: &'a Command,
    pub tags: Tags,
    /// None: it takes as long as it takes.
    pub timeout: Option<Duration>,
    pub json: bool,
}

impl HereArgs {
    /// What the old script read from its environment.
    pub fn cluster(&self, given: Option<NamedCluster>) -> anyhow::Result<NamedCluster> {
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
    pub fn run(self, here: &Here<'_>) -> anyhow::Result<ExitCode> {
        let level = self.log_level.or_else(|| std::env::var("LOG_LEVEL").ok()).filter(|level| !level.is_empty());
        log::init_at(level.as_deref())?;
        let mut settings = settings(here.message.cluster())?;
        here.tags.prefix().clone_into(&mut settings.tag_prefix);
        if std::env::var_os(SWEEP_VARIABLE).is_none() {
            settings.sweep_interval = LOOK_EVERY;
        }
        let region = self.region.filter(|region| !region.trim().is_empty());
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().context("start the runtime")?;
        let ended = runtime.block_on(here.go(settings, region));
        runtime.shutdown_background();
        ended
    }
}

impl Here<'_> {
    async fn go(&self, settings: Settings, region: Option<String>) -> anyhow::Result<ExitCode> {
        let queue = Arc::new(LocalQueue::new(serde_json::to_string(self.message)?, super::run::seed()));
        let aws = Aws::connect_in(region, "").await?.with_local_queue(Arc::clone(&queue));
        let cluster = self.message.cluster();
        first::is_in_region(&aws, self.message.named())?;
        aws.preflight(First::Clusters(std::slice::from_ref(cluster))).await?;
        let seen = first::look(&aws, &self.tags, self.message.named(), self.message.groups()).await?;
        if let Some(note) = self.note(&seen) {
            out::note(&note);
        }
        let (window, source) = Window::new(aws::now(), Vitals::default());
        let mut interrupted = pin!(super::run::signalled().context("listen for signals")?);
        let until = self.timeout.map(|timeout| Instant::now() + timeout);
        let mut stopped = None;
        let over = async {
            stopped = tokio::select! {
                reached = reached(source.published, &queue, cluster) => Some(reached),
                () = &mut interrupted => None,
                () = passed(until) => Some(Reached { stop: Stop::TimedOut, idle: false }),
            };
        };
        aws::run(Engine::new(settings.clone(), super::run::seed(), aws::now()), aws.clone(), window, over).await;
        let Some(reached) = stopped else {
            bail!("interrupted: hosts on their way stay where they are; run it again, and it goes on")
        };
        let end = self.end(&aws, &settings, &queue, &seen, reached).await;
        last(&end, self.json)?;
        Ok(ExitCode::from(end.outcome.code()))
    }

    fn note(&self, seen: &FirstLook) -> Option<String> {
        let FirstLook::Seen(seen) = seen else { return None };
        let cluster = self.message.cluster();
        let not_in = seen.tags.enabled.is_none();
        not_in.then(|| {
            format!(
                "cluster {cluster} has not opted in by its tag `enabled` = `true`: it is rotated as it is named here"
            )
        })
    }

    async fn end(
        &self,
        aws: &Aws,
        settings: &Settings,
        queue: &LocalQueue,
        seen: &FirstLook,
        Reached { stop, idle }: Reached,
    ) -> End {
        let cluster = self.message.cluster();
        match stop {
            Stop::Ended => match ended(aws, settings, self.message.groups(), idle).await {
                Some(end) => end,
                None => End {
                    reason: Some("what was reached could not be looked at".to_owned()),
                    ..End::new(Outcome::NotSeen)
                },
            },
            Stop::Paused => {
                let reason =
                    Some(format!("the rotation of cluster {cluster} takes no host until somebody lets it go on"));
                let next = Some(format!("ecs-rotator resume --cluster {cluster}, or `rotate --here` again after that"));
                End { reason, next, ..End::new(Outcome::Paused) }
            }
            Stop::Refused => {
                let refused = taken::wait(aws, &self.tags, cluster, queue.key(), BETWEEN_LOOKS * 2).await;
                let reason = match refused {
                    Waited::Answered(taken) => outcome_of(&taken, self.message, &seen.known_groups()).0,
                    Waited::Silent(_) => format!("no rotation of cluster {cluster} was opened: the log above says why"),
                };
                let reason = reason.strip_prefix("refused: ").map(str::to_owned).unwrap_or(reason);
                End { reason: Some(reason), ..End::new(Outcome::Refused) }
            }
            Stop::TimedOut => {
                let next = Some("hosts on their way stay where they are; run it again, and it goes on".to_owned());
                End { next, ..End::new(Outcome::TimedOut) }
            }
        }
    }
}

/// How the rotation stands, once it is seen to have come to its end.
async fn ended(aws: &Aws, settings: &Settings, groups: &[GroupName], idle: bool) -> Option<End> {
    let mut ticks = interval(BETWEEN_LOOKS);
    for _ in 0..LOOKS_AFTER {
        ticks.tick().await;
        let report = status::look(aws, settings).await;
        if let Some(end) = report.clusters.first().and_then(|status| End::of(status, groups, idle)) {
            return Some(end);
        }
    }
    None
}

async fn passed(until: Option<Instant>) {
    match until {
        Some(until) => sleep_until(until).await,
        None => std::future::pending().await,
    }
}

struct Reached {
    stop: Stop,
    /// Nothing was seen that had to go.
    idle: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stop {
    /// Closed, held or aborted.
    Ended,
    Paused,
    Refused,
    TimedOut,
}

/// Looks at what the loop publishes until the rotation that was asked for has come to an end.
async fn reached(mut published: watch::Receiver<Published>, queue: &LocalQueue, cluster: &ClusterName) -> Reached {
    let (mut stopped_since, mut idle) = (None, true);
    loop {
        let now = published.borrow_and_update().clone();
        let heard = queue.done().is_some_and(|done| now.at > done + TOLD_BY);
        let known = now.vitals.clusters.get(cluster).cloned().unwrap_or_default();
        idle &= !has_work(&known);
        if !now.vitals.closed.is_empty() {
            return Reached { stop: Stop::Ended, idle };
        }
        if heard {
            let stop = match known.rotation {
                Some(Standing::Held | Standing::Aborted) => Some(Stop::Ended),
                Some(Standing::Paused) => Some(Stop::Paused),
                Some(Standing::Open) => None,
                Some(_) | None => return Reached { stop: Stop::Refused, idle },
            };
            stopped_since = stop.and(stopped_since).or(stop.map(|_| now.at));
            let late = |since| now.at > since + FINISH_WITHIN;
            if let Some(stop) = stop.filter(|_| !has_hosts_in_flight(&known) || stopped_since.is_some_and(late)) {
                return Reached { stop, idle };
            }
        }
        if published.changed().await.is_err() {
            return Reached { stop: Stop::Refused, idle };
        }
    }
}

fn has_hosts_in_flight(known: &ClusterVitals) -> bool {
    known.hosts.iter().any(|(phase, count)| *count > 0 && is_in_flight(*phase))
}

fn has_work(known: &ClusterVitals) -> bool {
    has_hosts_in_flight(known) || known.hosts.get(&Phase::Outdated).is_some_and(|count| *count > 0)
}
