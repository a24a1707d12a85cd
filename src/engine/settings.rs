//! What a worker is told at its start.

use std::collections::{BTreeMap, BTreeSet};

use jiff::SignedDuration;

use super::mode::Mode;
use crate::id::{BusName, ClusterArn, ClusterName, GroupName};
use crate::plan::policy::Policy;
use crate::plan::timing::SWEEP_INTERVAL;

/// What a worker is told at its start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// The clusters this worker looks after; empty: every cluster with the tag `enabled` = `true`.
    pub clusters: Vec<ClusterName>,
    /// Those of them that were named by their ARN, which says where they are.
    pub arns: Vec<ClusterArn>,
    /// Groups whose instances register in a cluster although none of its capacity providers names them.
    pub groups: BTreeMap<ClusterName, BTreeSet<GroupName>>,
    /// In front of every tag of ours: `ecs-rotator:`.
    pub tag_prefix: String,
    pub policy: Policy,
    /// How often every rotation under way is looked at: what it changes, and with every sixth sweep everything.
    pub sweep_interval: SignedDuration,
    /// How long a message stays invisible after a receive; extended while it is worked on.
    pub visibility: SignedDuration,
    /// The EventBridge bus on which the worker tells what it has done.
    pub event_bus: Option<BusName>,
    pub mode: Mode,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            clusters: Vec::new(),
            arns: Vec::new(),
            groups: BTreeMap::new(),
            tag_prefix: "ecs-rotator:".to_owned(),
            policy: Policy::default(),
            sweep_interval: SWEEP_INTERVAL,
            visibility: SignedDuration::from_secs(120),
            event_bus: None,
            mode: Mode::Rotate,
        }
    }
}

impl Settings {
    /// What was named, where a cluster that has the same name is another one.
    pub fn is_elsewhere(&self, found: &ClusterArn) -> Option<&ClusterArn> {
        let mut namesakes = self.arns.iter().filter(|arn| arn.name() == found.name());
        let is_named = namesakes.clone().any(|arn| arn.place() == found.place());
        if is_named { None } else { namesakes.next() }
    }

    /// Is this cluster this worker's business? Named clusters are, unless their tag says no; where none is named, those
    /// whose tag says yes.
    pub fn takes(&self, cluster: &ClusterName, enabled: Option<bool>) -> bool {
        if self.clusters.is_empty() {
            enabled == Some(true)
        } else {
            enabled != Some(false) && self.clusters.contains(cluster)
        }
    }
}
