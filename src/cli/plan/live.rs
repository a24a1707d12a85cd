//! The command: a survey of the real account.

use std::io::{IsTerminal as _, Write as _};
use std::process::ExitCode;

use clap::Args;
use jiff::SignedDuration;

use super::report::Report;
use crate::aws::{self, Aws, First};
use crate::config::RotationArgs;
use crate::engine::survey::{Depth, Survey};
use crate::plan::forecast::Assumptions;
use crate::plan::policy::parse_duration;

const EXAMPLES: &str = "\
Examples:
  What a rotation of the cluster `prod` would do now
    ecs-rotator plan --cluster prod

  Every cluster that has opted in, in a pipeline that fails when hosts are behind
    ecs-rotator plan --all --json > plan.json

  Only the groups and their images: without a look at services and tasks
    ecs-rotator plan --cluster prod --quick

Nothing is changed, and no queue is needed. Settings are read as the worker reads them (ECS_ROTATOR_…), so give it the same.
With --verbose it ends with what the time is reckoned by, and with the calls it has made; a look at services and tasks takes one
call for each 10 services and two for each 100 tasks.

Exit codes: 0 nothing to do, 2 something to do, 1 could not tell (bad usage too, and where AWS cannot be used).";

/// Show what a rotation would do, without doing it
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub struct PlanArgs {
    #[command(flatten)]
    rotation: RotationArgs,

    /// Every cluster with the tag `enabled` = `true`, whatever ECS_ROTATOR_CLUSTERS names
    #[arg(long)]
    all: bool,

    /// Do not look at services and tasks: what would get stuck is not told
    #[arg(long)]
    quick: bool,

    /// For the time it would take: from a detach until the replacement takes tasks
    #[arg(long, value_name = "TIME", default_value = "3m", value_parser = parse_duration)]
    assume_replacement: SignedDuration,

    /// The same for Windows
    #[arg(long, value_name = "TIME", default_value = "12m", value_parser = parse_duration)]
    assume_replacement_windows: SignedDuration,

    /// For the time it would take: from a drain to its last task
    #[arg(long, value_name = "TIME", default_value = "5m", value_parser = parse_duration)]
    assume_drain: SignedDuration,

    /// Say as well what the time is reckoned by, and which calls were made
    #[arg(short, long)]
    verbose: bool,

    /// Print one JSON object instead of a table
    #[arg(long)]
    json: bool,
}

/// Nobody has said which clusters are meant, or it was said twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
enum WhichClusters {
    #[error("no cluster is named: say --cluster CLUSTER, or --all for every one that has opted in")]
    None,
    #[error("--all and --cluster were both given: say one of them")]
    Both,
}

pub fn plan(args: PlanArgs) -> anyhow::Result<ExitCode> {
    crate::cli::log::init_quiet()?;
    let mut settings = args.rotation.into_settings()?;
    // The variable is the worker's, and may be there; a flag is meant for this command.
    let named = std::env::args().any(|arg| arg == "--cluster" || arg.starts_with("--cluster="));
    match (args.all, named) {
        (true, true) => return Err(WhichClusters::Both.into()),
        (true, false) => settings.clusters.clear(),
        (false, _) if settings.clusters.is_empty() => return Err(WhichClusters::None.into()),
        (false, _) => {}
    }
    let depth = if args.quick { Depth::Hosts } else { Depth::Tenants };
    let assumptions = Assumptions {
        replacement: args.assume_replacement,
        replacement_windows: args.assume_replacement_windows,
        drain: args.assume_drain,
    };
    let runtime = crate::cli::runtime()?;
    let survey = Survey::new(settings.clone(), depth, 0);
    let findings = runtime.block_on(async {
        let aws = Aws::connect("").await?;
        aws.preflight(First::Clusters(&settings.clusters)).await?;
        let findings = aws::survey(survey, aws, progress).await;
        anyhow::Ok(findings)
    })?;
    let report = Report::of(findings, &settings, &assumptions, aws::now());
    super::print(&report, args.json, args.verbose)?;
    Ok(ExitCode::from(report.exit_code()))
}

/// On a terminal, when it takes more than a moment; the last one takes the line away.
fn progress(calls: Option<u64>) {
    let mut err = std::io::stderr();
    if !err.is_terminal() {
        return;
    }
    let _closed = match calls {
        Some(calls) => write!(err, "\rlooking: {calls} calls made"),
        None => write!(err, "\r{:40}\r", ""),
    };
}
