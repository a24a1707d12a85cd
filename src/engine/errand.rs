//! What a pass is to be about.

use std::collections::BTreeSet;

use super::commands::Asked;
use crate::id::Receipt;
use crate::plan::model::{ClusterView, Look};
use crate::plan::rotation::RotationId;

/// What a pass was started for.
#[derive(Debug, Default)]
pub struct Errand {
    /// Look at everything, from the cluster's tags on.
    pub whole: bool,
    /// Look again at what a rotation changes: the groups, and the hosts in them or in flight.
    pub sweep: bool,
    pub looks: BTreeSet<Look>,
    pub asks: Vec<Asked>,
    /// Messages that wait for the end of the pass.
    pub receipts: Vec<Receipt>,
}

impl Errand {
    pub fn is_empty(&self) -> bool {
        !self.whole && !self.sweep && self.looks.is_empty() && self.asks.is_empty() && self.receipts.is_empty()
    }

    /// People wait for it.
    pub fn is_urgent(&self) -> bool {
        !self.asks.is_empty()
    }

    /// Both errands in one.
    pub fn join(&mut self, other: Errand) {
        self.whole |= other.whole;
        self.sweep |= other.sweep;
        self.looks.extend(other.looks);
        self.asks.extend(other.asks);
        self.receipts.extend(other.receipts);
    }
}

/// The id of a rotation that some host of this cluster was tagged with.
pub fn rotation_of_hosts(view: &ClusterView) -> Option<RotationId> {
    view.hosts.values().filter_map(|host| Some(host.ours.as_ref()?.rotation.clone())).max()
}
