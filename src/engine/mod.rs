use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};

use crate::effect::{Failure, Message, Reply, Request, RequestId};
use crate::id::ClusterName;
use crate::plan::policy::Policy;

/// What a worker is told at its start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// The clusters this worker looks after; empty: every cluster with the tag `enabled` = `true`.
    pub clusters: Vec<ClusterName>,
    /// In front of every tag of ours: `ecs-rotator:`.
    pub tag_prefix: String,
    pub policy: Policy,
    /// How often every rotation under way is looked at wholly.
    pub sweep_interval: SignedDuration,
    /// How long a message stays invisible after a receive; extended while it is worked on.
    pub visibility: SignedDuration,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            clusters: Vec::new(),
            tag_prefix: "ecs-rotator:".to_owned(),
            policy: Policy::default(),
            sweep_interval: SignedDuration::from_mins(5),
            visibility: SignedDuration::from_secs(120),
        }
    }
}

/// How many messages had which outcome, since the start.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    pub received: u64,
    pub wakes: u64,
    pub commands: u64,
    pub irrelevant: u64,
    pub malformed: u64,
    /// Calls made, by AWS's operation name (queue calls included).
    pub requests: BTreeMap<&'static str, u64>,
}

pub struct Engine {}

impl Engine {
    /// `seed` feeds the jitter of retries, and nothing else.
    pub fn new(_settings: Settings, _seed: u64, _now: Timestamp) -> Self {
        Self {}
    }

    pub fn handle_message(&mut self, _message: Message, _now: Timestamp) {}

    /// Replies may come in any order.
    pub fn handle_reply(&mut self, _id: RequestId, _reply: Result<Reply, Failure>, _now: Timestamp) {}

    /// To be called at (or after) the time that `poll_timeout` gives.
    pub fn handle_timeout(&mut self, _now: Timestamp) {}

    /// The next call to make. The engine bounds how many are under way (`None` while there are enough): perform each one at once.
    pub fn poll_request(&mut self) -> Option<(RequestId, Request)> {
        None
    }

    pub fn poll_timeout(&self) -> Option<Timestamp> {
        None
    }

    /// Ends: no further receive, no further pass; messages not worked off are handed back to the queue (through `poll_request`).
    pub fn begin_shutdown(&mut self, _now: Timestamp) {}

    /// After `begin_shutdown`: nothing under way but, at most, a long poll (which may be dropped).
    pub fn is_stopped(&self) -> bool {
        true
    }

    pub fn counters(&self) -> &Counters {
        unimplemented!()
    }
}
