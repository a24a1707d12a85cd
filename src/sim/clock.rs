//! Simulated time for whoever writes logs: the driver sets it, log lines carry it.

use std::cell::Cell;
use std::fmt;

use jiff::Timestamp;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::FormatTime;

thread_local! {
    static NOW: Cell<Option<Timestamp>> = const { Cell::new(None) };
}

/// Called by the driver whenever its clock moves. A simulation lives on one thread, so its clock does too.
pub fn set(now: Timestamp) {
    NOW.set(Some(now));
}

/// Simulated now on this thread; none before the first simulation.
pub fn now() -> Option<Timestamp> {
    NOW.get()
}

/// For `tracing_subscriber::fmt().with_timer(SimulatedTime)`.
#[derive(Clone, Copy, Debug, Default)]
pub struct SimulatedTime;

impl FormatTime for SimulatedTime {
    fn format_time(&self, w: &mut Writer<'_>) -> fmt::Result {
        match now() {
            Some(now) => write!(w, "{now:.3}"),
            None => w.write_str("-"),
        }
    }
}
