//! Logs go to stderr: stdout is for what a command has to say.

use std::io::IsTerminal as _;

use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, Layer as _, fmt};

use crate::aws;
use crate::journal::Journal;

/// The SDK's own INFO is about its caches; it is one variable away (`ECS_ROTATOR_LOG=info`).
const DEFAULT_FILTER: &str = "warn,ecs_rotator=info";

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum LogFormat {
    Text,
    Json,
}

#[derive(Debug, thiserror::Error)]
#[error("{variable}=`{filter}`: {why}; expected directives as `debug` or `warn,ecs_rotator=debug`")]
pub struct BadFilter {
    variable: &'static str,
    filter: String,
    why: String,
}

/// For a worker. Its page shows the last lines, whatever is printed.
///
/// # Errors
/// When the filter in the environment cannot be read.
pub fn init(format: LogFormat) -> Result<Journal, BadFilter> {
    let printed = filter_or(DEFAULT_FILTER)?;
    let layer = fmt::layer().with_writer(std::io::stderr);
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
            let own = ["trace", "debug", "info", "warn", "error"].contains(&level.to_lowercase().as_str());
            let text = if own { format!("warn,ecs_rotator={level}") } else { level.to_owned() };
            let bad = |error: tracing_subscriber::filter::ParseError| BadFilter {
                variable: "--log-level",
                filter: level.to_owned(),
                why: error.to_string(),
            };
            EnvFilter::try_new(text).map_err(bad)?
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
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    builder.with_ansi(std::io::stderr().is_terminal()).with_target(false).init();
}

/// `ECS_ROTATOR_LOG` goes before `RUST_LOG`; an empty one is none.
fn filter_or(default: &str) -> Result<EnvFilter, BadFilter> {
    for variable in ["ECS_ROTATOR_LOG", "RUST_LOG"] {
        let text = std::env::var(variable).unwrap_or_default();
        if !text.is_empty() {
            return EnvFilter::try_new(&text).map_err(|error| BadFilter {
                variable,
                filter: text,
                why: error.to_string(),
            });
        }
    }
    Ok(EnvFilter::new(default))
}
