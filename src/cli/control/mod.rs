//! `rotate`, `pause`, `resume`, `abort`: what a person wants of one cluster, put on the queue for the worker, and what became
//! of it.
//!
//! ```text
//!  first: is there such a cluster? ─▶ the message ─▶ taken: the worker's answer, in a tag ─▶ follow: to its end
//! ```
//!
//! `first` looks before anything is sent, as far as the credentials allow it; `taken` waits for the worker's answer; `follow`
//! is what `rotate --wait` does then, and [`one_shot`](super::one_shot) what `rotate --here` does in the place of all that.
//! What is printed is in `told` and `end`.

pub mod end;
pub mod first;
mod follow;
pub mod taken;
pub mod told;

use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, bail};
use clap::Args;
use jiff::SignedDuration;
use serde::Serialize;
use tokio::time::{Instant, timeout};

use super::log;
use super::one_shot::{Here, HereArgs};
use crate::aws::{Aws, First, NotUsable};
use crate::config::{PrefixArgs, QueueArgs, cluster, group};
use crate::id::{ClusterName, GroupName, NamedCluster};
use crate::plan::policy::parse_duration;
use crate::plan::tags::Tags;
use first::FirstLook;
use taken::Waited;

/// A message waits for so long for a look that is not needed to send it.
const LOOKED_WITHIN: Duration = Duration::from_secs(2);
/// How long the answer of a worker is waited for: it polls all the time, and looks at the cluster before it answers.
const ANSWERED_WITHIN: SignedDuration = SignedDuration::from_secs(30);
/// The same where somebody waits for the end of a rotation: a worker may be just being started.
const TAKEN_WITHIN: SignedDuration = SignedDuration::from_mins(5);

/// The examples of a command, and what all of them have in common.
macro_rules! examples {
    ($examples:literal, $codes:literal) => {
        concat!(
            "Examples:\n  export ECS_ROTATOR_QUEUE_URL=https://sqs.eu-west-1.amazonaws.com/123456789012/ecs-rotator\n\n",
            $examples,
            "\n\nThe cluster is looked at first, where ecs:DescribeClusters and ecs:DescribeCapacityProviders are allowed; what a \
             worker has done about the message is read in the cluster's tag `answer`.\n\n",
            "Exit codes: ",
            $codes
        )
    };
}

const ROTATE: &str = examples!(
    "  Bring every host of the cluster `prod` to its newest image, now
    ecs-rotator rotate --cluster prod

  Replace every host, even those that run the newest image already
    ecs-rotator rotate --cluster prod --force

  Only the hosts of one group
    ecs-rotator rotate --cluster prod --group web-asg

  A rotation that is held, or was aborted: on with it
    ecs-rotator rotate --cluster prod

  Follow it to its end, for two hours at most; a line for each change
    ecs-rotator rotate --cluster prod --wait --timeout 2h

  The same for a script: JSON lines, the last of which has an `outcome`
    ecs-rotator rotate --cluster prod --wait --json

  Without worker, queue and rules, from here: settings are those of the environment (ECS_ROTATOR_…)
    ecs-rotator rotate --here --cluster prod --region eu-west-1
    CLUSTER=prod AWS_REGION=eu-west-1 FORCE=1 LOG_LEVEL=debug ecs-rotator rotate --here",
    "0 a worker has begun it (`--no-wait`: the message is on the queue; `--wait`, `--here`: it has closed), 1 refused, or \
     something failed, 2 bad usage, 4 the queue or the credentials cannot be used, 7 no worker answered in time, or \
     --timeout is over. `--wait` and `--here` alone: 3 it is held, 5 it has closed and some groups were skipped, 6 it was \
     aborted."
);

const PAUSE: &str = examples!(
    "  Admit nobody until `resume`; hosts in flight finish
    ecs-rotator pause --cluster prod

A worker that is started again remembers. `rotate` and new releases wait for `resume` too.",
    "0 paused, or nothing was to be done (`--no-wait`: the message is on the queue), 1 refused, or something failed, 2 bad usage, \
     4 the queue or the credentials cannot be used, 7 no worker answered in time."
);

const RESUME: &str = examples!(
    "  Go on with a rotation that is paused
    ecs-rotator resume --cluster prod

  What held it is put right: go on, every wait begins anew
    ecs-rotator resume --cluster prod

Where no rotation is paused or held, nothing happens.",
    "0 resumed, or nothing was to be done (`--no-wait`: the message is on the queue), 1 refused, or something failed, 2 bad usage, \
     4 the queue or the credentials cannot be used, 7 no worker answered in time."
);

const ABORT: &str = examples!(
    "  Stop what has not begun: nobody is admitted, what does not drain yet is given back
    ecs-rotator abort --cluster prod

  Changed your mind: begin again
    ecs-rotator rotate --cluster prod

Hosts that have not begun to drain are given back to their groups; those that drain finish. The template keeps the
new image: hosts that the group launches from now on have it. The rotation is held then, so that no new release begins
it again: `rotate` or `resume` does.",
    "0 aborted, or nothing was to be done (`--no-wait`: the message is on the queue), 1 refused, or something failed, 2 bad usage, \
     4 the queue or the credentials cannot be used, 7 no worker answered in time."
);

/// Ask for a rotation of one cluster now
#[derive(Args, Debug)]
#[command(after_help = ROTATE)]
pub struct RotateArgs {
    /// The cluster, by name or ARN [env: CLUSTER, with --here]
    #[arg(short, long, value_name = "CLUSTER", value_parser = cluster, required_unless_present = "here")]
    cluster: Option<NamedCluster>,
    #[command(flatten)]
    queue: QueueArgs,
    /// Replace the hosts that run the newest image already as well [env: FORCE, with --here]
    #[arg(short, long)]
    force: bool,
    /// Only this Auto Scaling group; repeat it for more
    #[arg(long = "group", value_name = "GROUP", value_parser = group)]
    groups: Vec<GroupName>,
    /// Follow it to its end; the exit code says which
    #[arg(long, conflicts_with = "no_wait")]
    wait: bool,
    #[command(flatten)]
    here: HereArgs,
    #[command(flatten)]
    patience: PatienceArgs,
    #[command(flatten)]
    prefix: PrefixArgs,
    /// Print JSON instead of text: one object; with --wait one a line, of which the last has an `outcome`
    #[arg(long)]
    json: bool,
}

/// How long to wait.
#[derive(Args, Clone, Copy, Debug)]
struct PatienceArgs {
    /// Put the message on the queue and end: what a worker does about it is not waited for
    #[arg(long, conflicts_with = "timeout")]
    no_wait: bool,
    /// How long to wait for a worker's answer; with --wait or --here, for the end of the rotation [default: 30s; with --wait 5m
    /// for the answer, and then as long as it takes]
    #[arg(long, value_name = "TIME", value_parser = parse_duration)]
    timeout: Option<SignedDuration>,
}

/// Stop taking new hosts of one cluster until `resume`; hosts in flight finish
#[derive(Args, Debug)]
#[command(after_help = PAUSE)]
pub struct PauseArgs {
    #[command(flatten)]
    to: To,
}

/// Go on with the rotation of one cluster that is paused or held
#[derive(Args, Debug)]
#[command(after_help = RESUME)]
pub struct ResumeArgs {
    #[command(flatten)]
    to: To,
}

/// End the rotation of one cluster: admit nobody, give back the hosts that have not begun to drain
#[derive(Args, Debug)]
#[command(after_help = ABORT)]
pub struct AbortArgs {
    #[command(flatten)]
    to: To,
}

/// What each of them is told.
#[derive(Args, Debug)]
struct To {
    /// The cluster, by name or ARN
    #[arg(short, long, value_name = "CLUSTER", value_parser = cluster)]
    cluster: NamedCluster,
    #[command(flatten)]
    queue: QueueArgs,
    #[command(flatten)]
    patience: PatienceArgs,
    #[command(flatten)]
    prefix: PrefixArgs,
    /// Print one JSON object instead of text
    #[arg(long)]
    json: bool,
}

/// `{"action":"rotate","cluster":"prod","force":false,"groups":["web-asg"]}`, `{"action":"pause","cluster":"prod"}`
#[derive(Debug, Serialize)]
pub struct Command {
    #[serde(flatten)]
    action: Action,
    /// As it was given: an ARN says where it is.
    #[serde(serialize_with = "in_text")]
    cluster: NamedCluster,
}

fn in_text<S: serde::Serializer>(cluster: &NamedCluster, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(cluster)
}

#[derive(Debug, Serialize)]
#[serde(tag = "action", rename_all = "kebab-case")]
enum Action {
    Rotate {
        force: bool,
        /// Empty: every group of the cluster.
        groups: Vec<GroupName>,
    },
    Pause,
    Resume,
    Abort,
}

impl Command {
    pub fn cluster(&self) -> &ClusterName {
        &self.cluster.name
    }

    /// As it was given.
    pub fn named(&self) -> &NamedCluster {
        &self.cluster
    }

    pub fn groups(&self) -> &[GroupName] {
        match &self.action {
            Action::Rotate { groups, .. } => groups,
            Action::Pause | Action::Resume | Action::Abort => &[],
        }
    }
}

/// One command, on its way.
struct Errand {
    message: Command,
    queue_url: String,
    tags: Tags,
    json: bool,
    /// None: no answer is waited for.
    answered_within: Option<Duration>,
    /// `rotate --wait`: until when.
    follow: Option<Option<Instant>>,
}

pub fn rotate(args: RotateArgs) -> anyhow::Result<ExitCode> {
    let RotateArgs { cluster, queue, force, groups, wait, here, patience, prefix, json } = args;
    let (cluster, force) = (here.cluster(cluster)?, here.force(force));
    let message = Command { action: Action::Rotate { force, groups }, cluster };
    let timeout = patience.timeout.map(duration).transpose()?;
    if here.here {
        let tags = Tags::new(prefix.tag_prefix);
        return here.run(&Here { message: &message, tags, timeout, json });
    }
    let queue_url = queue.url()?;
    let within = if wait { TAKEN_WITHIN } else { ANSWERED_WITHIN };
    let taken_within = match timeout {
        Some(timeout) if wait => timeout.min(duration(within)?),
        Some(timeout) => timeout,
        None => duration(within)?,
    };
    let errand = Errand {
        message,
        queue_url,
        tags: Tags::new(prefix.tag_prefix),
        json,
        answered_within: (!patience.no_wait).then_some(taken_within),
        follow: wait.then(|| timeout.map(|timeout| Instant::now() + timeout)),
    };
    errand.run()
}

pub fn pause(args: PauseArgs) -> anyhow::Result<ExitCode> {
    args.to.send(Action::Pause)
}

pub fn resume(args: ResumeArgs) -> anyhow::Result<ExitCode> {
    args.to.send(Action::Resume)
}

pub fn abort(args: AbortArgs) -> anyhow::Result<ExitCode> {
    args.to.send(Action::Abort)
}

impl To {
    fn send(self, action: Action) -> anyhow::Result<ExitCode> {
        let PatienceArgs { no_wait, timeout } = self.patience;
        let within = duration(timeout.unwrap_or(ANSWERED_WITHIN))?;
        let errand = Errand {
            message: Command { action, cluster: self.cluster },
            queue_url: self.queue.url()?,
            tags: Tags::new(self.prefix.tag_prefix),
            json: self.json,
            answered_within: (!no_wait).then_some(within),
            follow: None,
        };
        errand.run()
    }
}

fn duration(time: SignedDuration) -> anyhow::Result<Duration> {
    Duration::try_from(time).context("--timeout")
}

impl Errand {
    fn run(self) -> anyhow::Result<ExitCode> {
        log::init_quiet()?;
        let runtime = crate::cli::runtime()?;
        let code = runtime.block_on(self.go())?;
        Ok(ExitCode::from(code))
    }

    /// What is to be followed has to be looked at. A message alone can be sent where that is not possible: somebody who wants a
    /// pause may have no other way to it.
    async fn first_look(&self, aws: &Aws) -> anyhow::Result<FirstLook> {
        let cluster = self.message.cluster();
        let preflight = aws.preflight(First::Clusters(std::slice::from_ref(cluster)));
        if self.follow.is_some() {
            preflight.await?;
        } else {
            match timeout(LOOKED_WITHIN, preflight).await {
                Ok(Ok(())) => {}
                Ok(Err(error @ (NotUsable::Credentials { .. } | NotUsable::NoRegion))) => return Err(error.into()),
                Ok(Err(error)) => return Ok(FirstLook::Denied(error.to_string())),
                Err(_) => {
                    let within = LOOKED_WITHIN.as_secs();
                    return Ok(FirstLook::Denied(format!("DescribeClusters had no answer within {within} s")));
                }
            }
        }
        Ok(first::look(aws, &self.tags, self.message.named(), self.message.groups()).await?)
    }

    async fn go(self) -> anyhow::Result<u8> {
        let aws = Aws::connect(&self.queue_url).await?;
        let cluster = self.message.cluster();
        first::is_in_region(&aws, self.message.named())?;
        let seen = self.first_look(&aws).await?;
        if let (FirstLook::Denied(why), Some(_)) = (&seen, self.follow) {
            bail!("cluster {cluster} cannot be followed, and nothing was sent: {why}");
        }
        let message_id = aws.send_message(serde_json::to_string(&self.message)?).await?;
        let told = told::Told { errand: &self, message_id: &message_id, seen: &seen };
        told.sent()?;
        let waited = match (&seen, self.answered_within) {
            (FirstLook::Denied(_), _) | (_, None) => return told.queued(),
            (FirstLook::Seen(_), Some(within)) => {
                let key = crate::plan::answer::MessageKey::of(&message_id);
                taken::wait(&aws, &self.tags, cluster, &key, within).await
            }
        };
        let taken = match waited {
            Waited::Answered(taken) => taken,
            Waited::Silent(silence) => {
                let queue = aws.queue_state().await;
                return told.silent(&silence, self.answered_within.unwrap_or_default(), queue);
            }
        };
        let code = told.answered(&taken)?;
        match (self.follow, told::goes_on(&taken)) {
            (Some(until), true) => follow::follow(&aws, &self, &taken, until).await,
            (Some(_), false) => told.ended_at_once(&taken, code),
            (None, _) => Ok(code),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{Parsed, parse};

    fn text(action: Action) -> String {
        serde_json::to_string(&Command { action, cluster: "prod".into() }).unwrap()
    }

    #[test]
    fn the_messages_are_those_that_the_worker_reads() {
        let rotate = text(Action::Rotate { force: false, groups: vec!["web-asg".into()] });
        assert_eq!(rotate, r#"{"action":"rotate","force":false,"groups":["web-asg"],"cluster":"prod"}"#);
        let others = [(Action::Pause, "pause"), (Action::Resume, "resume"), (Action::Abort, "abort")];
        let others = others.map(|(action, word)| (text(action), format!(r#"{{"action":"{word}","cluster":"prod"}}"#)));
        for (text, expected) in &others {
            assert_eq!(text, expected);
        }
        for text in others.iter().map(|(text, _)| text).chain([&rotate]) {
            assert!(matches!(parse(text), Parsed::Command(_)), "{text}");
        }
    }
}
