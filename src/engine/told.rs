//! What a worker remembers of what it has said.

use jiff::Timestamp;
use std::collections::BTreeSet;

use crate::id::InstanceId;
use crate::plan::answer::Answers;

/// What an observer has told of one cluster.
#[derive(Debug, Default)]
pub struct Told {
    /// The digest of the last plan.
    pub(super) digest: Option<String>,
    /// Hosts in flight, and the rotation that is under way.
    pub(super) in_flight: BTreeSet<InstanceId>,
    pub(super) under_way: Option<String>,
}

/// The answers that this worker has given, until no read can lag behind them any more.
#[derive(Debug, Default)]
pub struct Given {
    pub(super) answers: Answers,
    pub(super) at: Option<Timestamp>,
}
