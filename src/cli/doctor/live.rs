//! The command: a look at the real account.

use std::io::{self, IsTerminal as _, Write as _};
use std::process::ExitCode;

use clap::Args;

use super::text::in_columns;
use crate::aws;
use crate::cli::{exit, out};
use crate::config::{ModeArgs, RotationArgs, TellArgs, queue_url};
use crate::doctor::{Diagnosis, diagnose};

const EXAMPLES: &str = "\
Examples:
  Can my cluster be rotated? Before anything is deployed, without a queue
    ecs-rotator doctor --cluster prod

  Is everything in place for the worker of the stack `ecs-rotator`, and may its role do what it needs?
    export ECS_ROTATOR_QUEUE_URL=https://sqs.eu-west-1.amazonaws.com/123456789012/ecs-rotator
    ecs-rotator doctor --cluster prod --role arn:aws:iam::123456789012:role/ecs-rotator-TaskRole-1ABC

  Every cluster that has opted in by its tag; only what is wrong
    ecs-rotator doctor --json | jq '.checks[] | select(.status != \"pass\")'

Settings are read as the worker reads them (ECS_ROTATOR_…), so give it the same. Nothing is changed. Beside what the worker
calls, these are used: sts:GetCallerIdentity, sqs:GetQueueAttributes and GetQueueUrl, events:ListRuleNamesByTarget,
DescribeRule, ListTargetsByRule and TestEventPattern, scheduler:ListSchedules and GetSchedule,
iam:SimulatePrincipalPolicy and GetRole, and dry runs of EC2. What may not be looked at is said to be so.

Without --queue-url nothing is asked of a queue, its rules and its schedule, and the checks of these are marked `skip`.

Exit codes: 0 nothing failed (there may be warnings, and what was not asked), 1 something did, 2 bad usage, 4 AWS cannot be
used: no region, no usable credentials, no answer.";

/// Check whether everything is in place for a worker: queue, rules, schedule, clusters, permissions
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub struct DoctorArgs {
    /// URL of the worker's SQS queue [default: no queue is asked]
    #[arg(long, env = "ECS_ROTATOR_QUEUE_URL", value_name = "URL", value_parser = queue_url)]
    queue_url: Option<String>,
    #[command(flatten)]
    rotation: RotationArgs,
    #[command(flatten)]
    tell: TellArgs,
    #[command(flatten)]
    mode: ModeArgs,
    /// Whose permissions are looked at, a role by name or ARN [default: who runs this]
    #[arg(long, value_name = "ROLE")]
    role: Option<String>,
    /// Print one JSON object instead of text
    #[arg(long)]
    json: bool,
}

pub fn doctor(args: DoctorArgs) -> anyhow::Result<ExitCode> {
    crate::cli::log::init_quiet()?;
    let settings = args.mode.apply(args.tell.apply(args.rotation.into_settings()?));
    let runtime = crate::cli::runtime()?;
    let examined = aws::examine(settings, args.queue_url.as_deref(), args.role.as_deref(), progress);
    let diagnosis = diagnose(&runtime.block_on(examined)?);
    out::print(said(&diagnosis, args.json)?)?;
    Ok(ExitCode::from(if diagnosis.failed > 0 { exit::FAILED } else { exit::OK }))
}

fn said(diagnosis: &Diagnosis, json: bool) -> serde_json::Result<String> {
    if json {
        return Ok(serde_json::to_string_pretty(diagnosis)? + "\n");
    }
    Ok(in_columns(diagnosis, out::width()))
}

/// On a terminal; the last one takes the line away.
fn progress(at: Option<&str>) {
    let mut err = io::stderr();
    if !err.is_terminal() {
        return;
    }
    let _closed = match at {
        Some(at) => write!(err, "\r{:60}\rlooking: {at}", ""),
        None => write!(err, "\r{:60}\r", ""),
    };
}
