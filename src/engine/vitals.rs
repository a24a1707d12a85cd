//! What a worker knows of itself: counted as it goes, and read off what it knows of its clusters. For metrics and health.

use jiff::{SignedDuration, Timestamp};

use super::cluster::ClusterState;
use super::machine::Engine;
use super::pulse::Pulse;
pub use super::pulse::{ClusterVitals, Known, KnownCluster, Messages, Vitals};
use crate::plan::model::ClusterView;
use crate::plan::status::status;

/// A sweep and the look that it brings, where calls have to be made again.
const LOOK_TAKES: SignedDuration = SignedDuration::from_mins(2);

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
