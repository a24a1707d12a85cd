//! `plan`: what a rotation would do, and nothing done.

#[cfg(feature = "aws")]
mod live;
pub mod report;
pub mod text;

use std::io;

use report::Report;

use super::out;

#[cfg(feature = "aws")]
pub use live::{PlanArgs, plan};

/// Prints the report, for people or for a script.
///
/// # Errors
/// When stdout cannot be written.
pub fn print(report: &Report, json: bool, verbose: bool) -> io::Result<()> {
    if json {
        out::say(&serde_json::to_string_pretty(report)?)?;
    } else {
        out::print(text::in_columns(report, out::width(), verbose))?;
    }
    Ok(())
}
