//! `rotate`, `pause`, `resume`, `abort`: what a person wants of one cluster, put on the queue for the worker.

use std::process::ExitCode;

use clap::Args;
use serde::Serialize;

use super::one_shot::{self, HereArgs};
use crate::aws::Aws;
use crate::config::{QueueArgs, cluster, queue_url};
use crate::id::{ClusterName, GroupName};

/// The examples of a command, and what all of them have in common.
macro_rules! examples {
    ($examples:literal) => {
        concat!(
            "Examples:\n  export ECS_ROTATOR_QUEUE_URL=https://sqs.eu-west-1.amazonaws.com/123456789012/ecs-rotator\n\n",
            $examples,
            "\n\nExit codes: 0 the message is on the queue (`--wait`, `--here`: the rotation has closed), 1 something failed, \
             2 bad usage, 3 the rotation is held (`--wait`, `--here`), 4 the queue or the credentials cannot be used."
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

  Follow it to its end: 0 when it closes, 3 when it is held
    ecs-rotator rotate --cluster prod --wait

  Without worker, queue and rules, from here: settings are those of the environment (ECS_ROTATOR_…)
    ecs-rotator rotate --here --cluster prod --region eu-west-1
    CLUSTER=prod AWS_REGION=eu-west-1 FORCE=1 LOG_LEVEL=debug ecs-rotator rotate --here"
);

const PAUSE: &str = examples!(
    "  Admit nobody until `resume`; hosts in flight finish
    ecs-rotator pause --cluster prod

A worker that is started again remembers. `rotate` and new releases wait for `resume` too."
);

const RESUME: &str = examples!(
    "  Go on with a rotation that is paused
    ecs-rotator resume --cluster prod

  What held it is put right: go on, every wait begins anew
    ecs-rotator resume --cluster prod

Where no rotation is paused or held, nothing happens."
);

const ABORT: &str = examples!(
    "  Stop what has not begun: nobody is admitted, what does not drain yet is given back
    ecs-rotator abort --cluster prod

  Changed your mind: begin again
    ecs-rotator rotate --cluster prod

Hosts that have not begun to drain are given back to their groups; those that drain finish. The template keeps the
new image: hosts that the group launches from now on have it. The rotation is held then, so that no new release begins
it again: `rotate` or `resume` does."
);

/// Ask for a rotation of one cluster now
#[derive(Args, Debug)]
#[command(after_help = ROTATE)]
pub struct RotateArgs {
    /// The cluster, by name or ARN
    #[arg(short, long, value_name = "CLUSTER", value_parser = cluster, required_unless_present = "here")]
    cluster: Option<ClusterName>,
    /// URL of the worker's SQS queue
    #[arg(long, env = "ECS_ROTATOR_QUEUE_URL", value_name = "URL", value_parser = queue_url)]
    queue_url: Option<String>,
    /// Replace the hosts that run the newest image already as well
    #[arg(short, long)]
    force: bool,
    /// Only this Auto Scaling group; repeat it for more
    #[arg(long = "group", value_name = "GROUP")]
    groups: Vec<GroupName>,
    /// Follow it to its end; the exit code says which
    #[arg(long)]
    wait: bool,
    #[command(flatten)]
    here: HereArgs,
    /// Print one JSON object instead of text
    #[arg(long, conflicts_with_all = ["wait", "here"])]
    json: bool,
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
    #[arg(long, value_name = "CLUSTER", value_parser = cluster)]
    cluster: ClusterName,
    #[command(flatten)]
    queue: QueueArgs,
    /// Print one JSON object instead of text
    #[arg(long)]
    json: bool,
}

/// `{"action":"rotate","cluster":"prod","force":false,"groups":["web-asg"]}`, `{"action":"pause","cluster":"prod"}`
#[derive(Debug, Serialize)]
struct Command {
    #[serde(flatten)]
    action: Action,
    cluster: ClusterName,
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

/// What `--json` prints.
#[derive(Debug, Serialize)]
struct Sent<'a> {
    message_id: &'a str,
    queue_url: &'a str,
    message: &'a Command,
}

pub fn rotate(args: RotateArgs) -> anyhow::Result<ExitCode> {
    let RotateArgs { cluster, queue_url, force, groups, wait, here, json } = args;
    let (cluster, force) = (here.cluster(cluster)?, here.force(force));
    let message = Command { action: Action::Rotate { force, groups }, cluster };
    if here.here {
        let body = serde_json::to_string(&message)?;
        return here.run(&message.cluster, body);
    }
    let Some(queue_url) = queue_url else {
        return Err(NoQueue.into());
    };
    if !wait {
        return send(&message, &queue_url, json);
    }
    super::log::init_quiet()?;
    let runtime = crate::cli::runtime()?;
    runtime.block_on(async {
        let aws = Aws::connect(&queue_url).await?;
        let before = one_shot::before(&aws, &message.cluster).await?;
        let id = aws.send_message(serde_json::to_string(&message)?).await?;
        println!("asked for {}: message {id} on {queue_url}", told(&message).0);
        Ok(ExitCode::from(one_shot::wait(&aws, &before).await))
    })
}

/// Said as every other slip in the usage is.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("no queue is named: say --queue-url URL (or ECS_ROTATOR_QUEUE_URL), or --here to do it without one")]
pub struct NoQueue;

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
        send(&Command { action, cluster: self.cluster }, &self.queue.queue_url, self.json)
    }
}

fn send(message: &Command, queue_url: &str, json: bool) -> anyhow::Result<ExitCode> {
    let runtime = crate::cli::runtime()?;
    let message_id = runtime.block_on(put(queue_url, message))?;
    if json {
        println!("{}", serde_json::to_string(&Sent { message_id: &message_id, queue_url, message })?);
    } else {
        let (asked, next) = told(message);
        println!("asked for {asked}: message {message_id} on {queue_url}\nnext: {next}");
    }
    Ok(ExitCode::from(super::exit::OK))
}

async fn put(queue_url: &str, message: &Command) -> anyhow::Result<String> {
    Ok(Aws::connect(queue_url).await?.send_message(serde_json::to_string(message)?).await?)
}

/// What was asked for, and what happens next.
fn told(message: &Command) -> (String, String) {
    let cluster = &message.cluster;
    let whole = |word: &str| format!("{word} of cluster {cluster}");
    match &message.action {
        Action::Rotate { force, groups } => {
            let which = if *force { "every host" } else { "every host that does not run its group's newest image" };
            let next = format!(
                "the worker replaces {which}, a few at a time; \
                 the cluster's tag `rotation` says how it stands, its tag `hold` why it waits for you"
            );
            let names = groups.iter().map(GroupName::as_str).collect::<Vec<_>>().join(", ");
            let of = if groups.is_empty() { String::new() } else { format!(" in {names}") };
            (whole("a rotation") + &of, next)
        }
        Action::Pause => (
            whole("a pause"),
            format!(
                "the worker admits nobody, and hosts in flight finish; the cluster's tag `rotation` says `paused`; \
                 it goes on with `ecs-rotator resume --cluster {cluster}`"
            ),
        ),
        Action::Resume => (
            whole("a resume"),
            "the worker goes on where the rotation was paused or held, and every wait begins anew; \
             the cluster's tag `rotation` says `open`"
                .to_owned(),
        ),
        Action::Abort => (
            whole("an abort"),
            format!(
                "the worker admits nobody; hosts that have not begun to drain are given back to their groups, \
                 those that drain finish; the cluster's tag `rotation` says `held`; \
                 it begins again with `ecs-rotator rotate --cluster {cluster}`"
            ),
        ),
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
