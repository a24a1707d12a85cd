//! `rotate`: puts a rotation on the queue, for the worker to open.

use std::process::ExitCode;

use anyhow::Context as _;
use clap::Args;
use serde::Serialize;

use crate::aws::Aws;
use crate::config::{QueueArgs, cluster};
use crate::id::{ClusterName, GroupName};

const EXAMPLES: &str = "\
Examples:
  export ECS_ROTATOR_QUEUE_URL=https://sqs.eu-west-1.amazonaws.com/123456789012/ecs-rotator

  Bring every host of the cluster `prod` to its newest image, now
    ecs-rotator rotate --cluster prod

  Replace every host, even those that run the newest image already
    ecs-rotator rotate --cluster prod --force

  Only the hosts of one group
    ecs-rotator rotate --cluster prod --group web-asg

Exit codes: 0 the message is on the queue, 1 something failed, 2 bad usage, 4 the queue or the credentials cannot be used.";

/// Ask for a rotation of one cluster now
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub struct RotateArgs {
    /// The cluster, by name or ARN
    #[arg(long, value_name = "CLUSTER", value_parser = cluster)]
    cluster: ClusterName,
    /// Replace the hosts that run the newest image already as well
    #[arg(long)]
    force: bool,
    /// Only this Auto Scaling group; repeat it for more
    #[arg(long = "group", value_name = "GROUP")]
    groups: Vec<GroupName>,
    #[command(flatten)]
    queue: QueueArgs,
    /// Print one JSON object instead of text
    #[arg(long)]
    json: bool,
}

/// `{"action":"rotate","cluster":"prod","force":false,"groups":["web-asg"]}`
#[derive(Debug, Serialize)]
struct Rotate {
    action: &'static str,
    cluster: ClusterName,
    force: bool,
    /// Empty: every group of the cluster.
    groups: Vec<GroupName>,
}

/// What `--json` prints.
#[derive(Debug, Serialize)]
struct Sent<'a> {
    message_id: &'a str,
    queue_url: &'a str,
    message: &'a Rotate,
}

pub fn rotate(args: RotateArgs) -> anyhow::Result<ExitCode> {
    let message = Rotate { action: "rotate", cluster: args.cluster, force: args.force, groups: args.groups };
    let queue_url = &args.queue.queue_url;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().context("start the runtime")?;
    let message_id = runtime.block_on(send(queue_url, &message))?;
    if args.json {
        println!("{}", serde_json::to_string(&Sent { message_id: &message_id, queue_url, message: &message })?);
    } else {
        println!("{}", told(&message, queue_url, &message_id));
    }
    Ok(ExitCode::from(super::exit::OK))
}

async fn send(queue_url: &str, message: &Rotate) -> anyhow::Result<String> {
    Ok(Aws::connect(queue_url).await?.send_message(serde_json::to_string(message)?).await?)
}

/// What was done, and what happens next.
fn told(message: &Rotate, queue_url: &str, message_id: &str) -> String {
    let Rotate { cluster, force, groups, .. } = message;
    let which = if *force { "every host" } else { "every host that does not run its group's newest image" };
    let of = if groups.is_empty() {
        format!("cluster {cluster}")
    } else {
        let names = groups.iter().map(GroupName::as_str).collect::<Vec<_>>().join(", ");
        format!("cluster {cluster} in {names}")
    };
    format!(
        "asked for a rotation of {of}: message {message_id} on {queue_url}\n\
         next: the worker replaces {which}, a few at a time; \
         the cluster's tag `rotation` says how it stands, its tag `hold` why it waits for you"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_message_is_the_one_that_the_worker_reads() {
        let groups = vec!["web-asg".into()];
        let message = Rotate { action: "rotate", cluster: "prod".into(), force: false, groups };
        let text = serde_json::to_string(&message).unwrap();
        assert_eq!(text, r#"{"action":"rotate","cluster":"prod","force":false,"groups":["web-asg"]}"#);
    }
}
