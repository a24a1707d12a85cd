//! What a worker knows of itself: counted as it goes, and read off what it knows of its clusters. For metrics and health.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

use super::Engine;
use super::cluster::ClusterState;
use super::observe::Mode;
use crate::effect::{Failure, FailureKind, Reply};
use crate::id::{ClusterName, GroupName};
use crate::plan::WaitsFor;
use crate::plan::host::Phase;
use crate::plan::model::ClusterView;
use crate::plan::outcome::Standing;
use crate::plan::status::{ClusterStatus, status};

/// A sweep and the look that it brings, where calls have to be made again.
const LOOK_TAKES: SignedDuration = SignedDuration::from_mins(2);

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
    polled: Option<Timestamp>,
    received: Option<Timestamp>,
    pub passed: Option<Timestamp>,
    message_age: i64,
    answers: BTreeMap<(&'static str, &'static str), u64>,
    closed: Vec<f64>,
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

impl Engine {
    pub fn vitals(&self) -> Vitals {
        let Pulse { polled, received, passed, message_age, answers, closed } = &self.pulse;
        let counters = &self.counters;
        Vitals {
            mode: self.settings.mode,
            polled: *polled,
            received: *received,
            passed: *passed,
            message_age: *message_age,
            messages: Messages {
                wakes: counters.wakes,
                commands: counters.commands,
                irrelevant: counters.irrelevant,
                malformed: counters.malformed,
            },
            answers: answers.clone(),
            closed: closed.clone(),
            clusters: self.clusters.values().map(|state| (state.name.clone(), state.vitals())).collect(),
        }
    }
}

impl Engine {
    /// Every cluster with its hosts. A cluster at rest as it was when it came to rest.
    pub fn known(&self, now: Timestamp) -> Known {
        let of_cluster = |state: &ClusterState| KnownCluster {
            cluster: state.name.clone(),
            looked_at: state.seen_at,
            synced_at: state.looked_at,
            status: match &state.view {
                Some(view) => Some(status(view, &self.settings.policy, now)),
                None => state.at_rest.as_deref().cloned(),
            },
        };
        Known {
            mode: self.settings.mode,
            counted: self.knows_clusters,
            // Each sweep has it looked at, or finds it at rest: one may fail, and a look takes its time.
            stale_after: self.settings.sweep_interval * 2 + LOOK_TAKES,
            clusters: self.clusters.values().map(of_cluster).collect(),
        }
    }
}

impl ClusterState {
    fn vitals(&self) -> ClusterVitals {
        // At rest there is no view, and it is as it was then.
        let at_rest = || self.at_rest.as_ref()?.rotation.as_ref().map(|rotation| rotation.state);
        let rotation = self.view.as_ref().map_or_else(at_rest, ClusterView::standing);
        ClusterVitals {
            rotation,
            hosts: self.counts.clone(),
            waits: self.waits.clone(),
            behind_since: self.behind_since.clone(),
        }
    }
}
