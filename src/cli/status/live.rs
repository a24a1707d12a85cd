//! The command: one look at the real account, or one after the other.

use std::io;
use std::io::IsTerminal as _;
use std::process::ExitCode;
use std::time::Duration;

use anstyle::{AnsiColor, Style};
use anyhow::Context as _;
use clap::Args;
use jiff::SignedDuration;

use super::lines::{Line, Tone, in_one_line, lines};
use super::report::Report;
use super::watch;
use crate::aws;
use crate::aws::{Aws, First};
use crate::cli::{exit, out};
use crate::config::RotationArgs;
use crate::engine::Settings;
use crate::engine::survey::{Depth, Survey};
use crate::plan::outcome::Standing;
use crate::plan::policy::parse_duration;

const EXAMPLES: &str = "\
Examples:
  How far the rotation of the cluster `prod` is, and what it waits for
    ecs-rotator status --cluster prod

  The same on a screen that is drawn anew every ten seconds; q ends it
    ecs-rotator status --cluster prod --watch

  Every cluster that has opted in; what is held, for a script
    ecs-rotator status --json | jq '.clusters[] | select(.rotation.state == \"held\") | .hold'

It reads what AWS says, tags included: no queue, no worker and no right to change anything is needed. A look
takes as many calls as one of the worker's sweeps. Deadlines go by the settings that the worker has left on the cluster (its
tag `settings`); where none has, none are shown.

Exit codes: 0 told, 1 something could not be looked at, 2 bad usage, 3 some rotation is held, 4 AWS cannot be used: no region,
no usable credentials, not allowed, no answer, 5 some rotation closed with groups skipped, 6 some rotation was aborted.";

/// Show what a rotation is doing, and why it waits
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub struct StatusArgs {
    #[command(flatten)]
    rotation: RotationArgs,

    /// Look again and again, until q
    #[arg(long)]
    watch: bool,

    /// How often, with --watch
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = parse_duration)]
    every: SignedDuration,

    /// Print one JSON object instead of text; with --watch one line for each look
    #[arg(long)]
    json: bool,
}

pub fn status(args: StatusArgs) -> anyhow::Result<ExitCode> {
    crate::cli::log::init_quiet()?;
    let settings = args.rotation.into_settings()?;
    let runtime = crate::cli::runtime()?;
    let every = Duration::try_from(args.every).context("--every")?;
    let ended = runtime.block_on(async {
        let aws = Aws::connect("").await?;
        aws.preflight(First::Clusters(&settings.clusters)).await?;
        let on_screen = args.watch && !args.json && io::stdout().is_terminal() && io::stdin().is_terminal();
        match (args.watch, on_screen) {
            (true, true) => watch::watch(&aws, &settings, every).await,
            (true, false) => again_and_again(&aws, &settings, every, args.json).await,
            (false, _) => once(&aws, &settings, args.json).await,
        }
    });
    // A key that nobody presses any more is still waited for.
    runtime.shutdown_background();
    ended.map(ExitCode::from)
}

async fn once(aws: &Aws, settings: &Settings, json: bool) -> anyhow::Result<u8> {
    let report = look(aws, settings).await;
    if json {
        out::say(&serde_json::to_string_pretty(&report)?)?;
    } else {
        out::print(lines(&report, out::width()).iter().map(coloured).collect::<String>())?;
    }
    Ok(code_of(&report))
}

/// Told only what has changed. Ends with the signal that ends the process, or when nobody listens any more.
async fn again_and_again(aws: &Aws, settings: &Settings, every: Duration, json: bool) -> anyhow::Result<u8> {
    let mut ticks = tokio::time::interval(every);
    let mut changes = Changes::default();
    loop {
        ticks.tick().await;
        let report = look(aws, settings).await;
        let told = if json { vec![serde_json::to_string(&report)?] } else { changes.since(&report) };
        for line in told {
            if !out::say(&line)? {
                return Ok(code_of(&report));
            }
        }
    }
}

/// What was told last, so that only what has changed is told again.
#[derive(Default)]
struct Changes {
    told: Vec<String>,
}

impl Changes {
    fn since(&mut self, report: &Report) -> Vec<String> {
        let now = summary(report);
        let new = now.iter().filter(|line| !self.told.contains(*line));
        let lines = new.map(|line| format!("{:.0} {line}", report.at)).collect();
        self.told = now;
        lines
    }
}

fn summary(report: &Report) -> Vec<String> {
    let failed = report.failed.iter().map(|(name, why)| format!("{name}: could not be looked at: {why}"));
    let missing = report.missing.iter().map(|name| format!("{name}: does not exist here"));
    let clusters = report.clusters.iter().map(in_one_line);
    clusters.chain(failed).chain(missing).chain(report.error.clone()).collect()
}

pub async fn look(aws: &Aws, settings: &Settings) -> Report {
    let survey = Survey::new(settings.clone(), Depth::Hosts, 0).by_workers();
    let findings = aws::survey(survey, aws.clone(), |_| {}).await;
    Report::of(findings, aws::now()).opted_in_by(&settings.tag_prefix)
}

pub(super) fn code_of(report: &Report) -> u8 {
    if !report.is_whole() {
        exit::FAILED
    } else if report.any_is(Standing::Held) {
        exit::HELD
    } else if report.any_is(Standing::Aborted) {
        exit::ABORTED
    } else if report.any_is(Standing::ClosedWithGroupsSkipped) || report.any_cannot_be_rotated() {
        exit::SKIPPED
    } else {
        exit::OK
    }
}

fn coloured(line: &Line) -> String {
    let colour = |colour: AnsiColor| Style::new().fg_color(Some(colour.into()));
    let style = match line.tone {
        Tone::Plain => Style::new(),
        Tone::Title => Style::new().bold(),
        Tone::Aside => Style::new().dimmed(),
        Tone::Good => colour(AnsiColor::Green),
        Tone::Going => colour(AnsiColor::Cyan),
        Tone::Waiting => colour(AnsiColor::Yellow),
        Tone::Trouble => colour(AnsiColor::Red).bold(),
    };
    format!("{style}{}{style:#}\n", line.text)
}
