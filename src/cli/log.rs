//! Logs go to stderr: stdout is for what a command has to say.

use std::io::IsTerminal as _;

use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, Layer as _, fmt};

use super::filter::{BadFilter, is_level, read};
use crate::aws;
use crate::config::LOG_VARIABLE;
use crate::journal::Journal;

/// What the SDK's own INFO and WARN say is told in a line of ours, or is about its caches. It is one variable away
/// (`ECS_ROTATOR_LOG=info`).
const DEFAULT_FILTER: &str = "error,ecs_rotator=info";

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum LogFormat {
    Text,
    Json,
}

/// For a worker. Its page shows the last lines, whatever is printed.
///
/// # Errors
/// When the filter in the environment cannot be read.
pub fn init(format: LogFormat) -> Result<Journal, BadFilter> {
    let printed = filter_or(DEFAULT_FILTER)?;
    let layer = fmt::layer().with_writer(std::io::stderr).log_internal_errors(false);
    let layer = match format {
        LogFormat::Text => layer.with_ansi(std::io::stderr().is_terminal()).with_target(false).boxed(),
        LogFormat::Json => layer.json().flatten_event(true).with_current_span(true).with_span_list(false).boxed(),
    };
    let journal = Journal::for_page(aws::now);
    let kept = journal.clone().with_filter(EnvFilter::new(DEFAULT_FILTER));
    tracing_subscriber::registry().with(layer.with_filter(printed)).with(kept).init();
    Ok(journal)
}

/// For one rotation in a terminal: `debug`, `info`, `warn` are our own levels, and anything else a filter.
///
/// # Errors
/// When the filter cannot be read.
pub fn init_at(level: Option<&str>) -> Result<(), BadFilter> {
    let filter = match level {
        None => filter_or(DEFAULT_FILTER)?,
        Some(level) => {
            if is_level(level) {
                EnvFilter::new(format!("error,ecs_rotator={level}"))
            } else {
                read("--log-level", level)?
            }
        }
    };
    as_text(filter);
    Ok(())
}

/// For a command that has its own things to say: only what a person should see, unless the environment asks for more.
///
/// # Errors
/// When the filter in the environment cannot be read.
pub fn init_quiet() -> Result<(), BadFilter> {
    let filter = filter_or("error")?;
    as_text(filter);
    Ok(())
}

fn as_text(filter: EnvFilter) {
    let builder =
        tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).log_internal_errors(false);
    builder.with_ansi(std::io::stderr().is_terminal()).with_target(false).init();
}

/// `ECS_ROTATOR_LOG` goes before `RUST_LOG`; an empty one is none.
fn filter_or(default: &str) -> Result<EnvFilter, BadFilter> {
    for variable in [LOG_VARIABLE, "RUST_LOG"] {
        let text = std::env::var(variable).unwrap_or_default();
        if !text.is_empty() {
            return read(variable, &text);
        }
    }
    Ok(EnvFilter::new(default))
}
