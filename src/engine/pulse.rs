//! What a worker counts of itself.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

use super::mode::Mode;
use crate::effect::{Failure, FailureKind, Reply};
use crate::id::{ClusterName, GroupName};
use crate::plan::host::Phase;
use crate::plan::outcome::Standing;
use crate::plan::output::WaitsFor;
use crate::plan::status::ClusterStatus;

/// At one moment.
#[derive(Clone, Debug, Default, PartialEq)]
#[must_use]
pub struct Vitals {
    pub mode: Mode,
    /// When a receive was answered last, and when it brought an answer that could be used.
    pub polled: Option<Timestamp>,
    pub received: Option<Timestamp>,
    /// When the last pass ended.
    pub passed: Option<Timestamp>,
    /// How old the oldest message of the last receive was, in seconds.
    pub message_age: i64,
    pub messages: Messages,
    /// Answers by operation and outcome (`ok`, or the kind of the failure).
    pub answers: BTreeMap<(&'static str, &'static str), u64>,
    /// How long each rotation took that this worker has closed, in seconds from its opening.
    pub closed: Vec<f64>,
    pub clusters: BTreeMap<ClusterName, ClusterVitals>,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct Messages {
    pub wakes: u64,
    pub commands: u64,
    pub irrelevant: u64,
    pub malformed: u64,
}

/// One cluster, as of the last look at it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ClusterVitals {
    /// None: there has been none.
    pub rotation: Option<Standing>,
    pub hosts: BTreeMap<Phase, u32>,
    pub waits: BTreeMap<WaitsFor, u32>,
    /// Since when a newer image has been out that does not run everywhere in a group.
    pub behind_since: BTreeMap<GroupName, Timestamp>,
}

/// The clusters, as a worker knows them.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Known {
    pub mode: Mode,
    /// They have been counted since its start.
    pub counted: bool,
    /// How old the last look at a cluster may be.
    pub stale_after: SignedDuration,
    pub clusters: Vec<KnownCluster>,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct KnownCluster {
    pub cluster: ClusterName,
    /// When it was looked at last with success: by a pass, or, at rest, by the sweep that found it so.
    pub looked_at: Option<Timestamp>,
    /// When everything in it was.
    pub synced_at: Option<Timestamp>,
    /// None: it has not been looked at yet.
    pub status: Option<ClusterStatus>,
}

/// What the engine counts for it.
#[derive(Debug, Default)]
pub(super) struct Pulse {
    pub(super) polled: Option<Timestamp>,
    pub(super) received: Option<Timestamp>,
    pub passed: Option<Timestamp>,
    pub(super) message_age: i64,
    pub(super) answers: BTreeMap<(&'static str, &'static str), u64>,
    pub(super) closed: Vec<f64>,
}

impl Pulse {
    pub fn answered(&mut self, operation: &'static str, reply: &Result<Reply, Failure>, now: Timestamp) {
        *self.answers.entry((operation, outcome(reply))).or_default() += 1;
        if operation != "ReceiveMessage" {
            return;
        }
        self.polled = Some(now);
        if let Ok(Reply::Messages(messages)) = reply {
            self.received = Some(now);
            let oldest = messages.iter().map(|message| message.sent).min();
            self.message_age = oldest.map_or(0, |sent| now.duration_since(sent).as_secs().max(0));
        }
    }

    pub fn closed(&mut self, opened: Timestamp, now: Timestamp) {
        self.closed.push(now.duration_since(opened).as_secs_f64().max(0.0));
    }
}

fn outcome(reply: &Result<Reply, Failure>) -> &'static str {
    match reply {
        Ok(_) => "ok",
        Err(failure) => match failure.kind {
            FailureKind::Throttled => "throttled",
            FailureKind::Transient => "transient",
            FailureKind::AccessDenied => "access-denied",
            FailureKind::Credentials => "credentials",
            FailureKind::NotFound => "not-found",
            FailureKind::Refused => "refused",
        },
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
