//! `plan`: what a rotation would do, and nothing done.

#[cfg(feature = "aws")]
mod live;
pub mod report;
pub mod text;

use std::io::{self, Write as _};

use report::Report;

#[cfg(feature = "aws")]
pub use live::{PlanArgs, plan};

/// Prints the report, for people or for a script.
///
/// # Errors
/// When stdout cannot be written.
pub fn print(report: &Report, json: bool) -> io::Result<()> {
    let mut out = io::stdout().lock();
    if json {
        writeln!(out, "{}", serde_json::to_string_pretty(report)?)?;
    } else {
        write!(out, "{}", text::text(report))?;
    }
    out.flush()
}
