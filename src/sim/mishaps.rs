//! What the faults did, counted where they happen. Hosts that die, people, and workers that are killed are in the timeline.

/// Over the whole run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Mishaps {
    /// Events that EventBridge was to bring.
    pub events: u64,
    pub events_lost: u64,
    pub events_doubled: u64,
    /// Overtaken by others or minutes late, each delivery by itself.
    pub events_late: u64,
    pub calls_throttled: u64,
    /// Without an effect: before they had one, or because they only read.
    pub calls_failed: u64,
    pub calls_failed_after_effect: u64,
    /// Answered with a past in which something was different.
    pub stale_reads: u64,
}
