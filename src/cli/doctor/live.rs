//! The command: a look at the real account.

use std::io::{self, IsTerminal as _, Write as _};
use std::process::ExitCode;

use anyhow::Context as _;
use clap::Args;

use super::text::text;
use crate::aws;
use crate::cli::exit;
use crate::config::{ModeArgs, QueueArgs, RotationArgs, TellArgs};
use crate::doctor::{Diagnosis, diagnose};

const EXAMPLES: &str = "\
Examples:
  Is everything in place for the worker of the stack `ecs-rotator`, and may its role do what it needs?
    export ECS_ROTATOR_QUEUE_URL=https://sqs.eu-west-1.amazonaws.com/123456789012/ecs-rotator
    ecs-rotator doctor --cluster prod --role arn:aws:iam::123456789012:role/ecs-rotator-TaskRole-1ABC

  Every cluster that has opted in by its tag; only what is wrong
    ecs-rotator doctor --json | jq '.checks[] | select(.status != \"pass\")'

Settings are read as the worker reads them (ECS_ROTATOR_…), so give it the same. Nothing is changed. Beside what the worker
calls, these are used: sts:GetCallerIdentity, sqs:GetQueueAttributes and GetQueueUrl, events:ListRuleNamesByTarget,
DescribeRule, ListTargetsByRule and TestEventPattern, scheduler:ListSchedules and GetSchedule,
iam:SimulatePrincipalPolicy and GetRole, and dry runs of EC2. What may not be looked at is said to be so.

Exit codes: 0 nothing failed (there may be warnings), 1 something did, 2 bad usage, 4 no region.";

/// Check whether everything is in place for a worker: queue, rules, schedule, clusters, permissions
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub struct DoctorArgs {
    #[command(flatten)]
    queue: QueueArgs,
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
    let examined = aws::examine(settings, &args.queue.queue_url, args.role.as_deref(), progress);
    let diagnosis = diagnose(&runtime.block_on(examined)?);
    print(&diagnosis, args.json).context("write to stdout")?;
    Ok(ExitCode::from(if diagnosis.failed > 0 { exit::FAILED } else { exit::OK }))
}

fn print(diagnosis: &Diagnosis, json: bool) -> io::Result<()> {
    if json {
        let mut out = io::stdout().lock();
        writeln!(out, "{}", serde_json::to_string_pretty(diagnosis)?)?;
        return out.flush();
    }
    let mut out = anstream::stdout().lock();
    write!(out, "{}", text(diagnosis))?;
    out.flush()
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
