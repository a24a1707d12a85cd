//! Which group belongs to which clusters.

use std::collections::{BTreeMap, BTreeSet};

use jiff::SignedDuration;

use crate::id::{ClusterName, GroupName};

/// To which clusters each group belongs.
pub(crate) type Owners = BTreeMap<GroupName, BTreeSet<ClusterName>>;

/// What is known of the groups of other clusters.
pub(crate) struct Neighbours<'a> {
    pub(super) owners: &'a Owners,
    /// Every cluster that has opted in has been looked at: a group without an owner is a stranger.
    pub(super) all: bool,
}

impl Neighbours<'_> {
    /// Why a group is nobody's to rotate: its instances register in more than one cluster.
    pub(super) fn shared(&self, group: &GroupName, cluster: &ClusterName) -> Option<String> {
        let others = self.owners.get(group)?.iter().filter(|of| *of != cluster).map(ClusterName::as_str);
        let others: Vec<&str> = others.collect();
        (!others.is_empty()).then(|| {
            format!(
                "it belongs to the cluster {} as well: its instances register in either, and none can tell when it is whole",
                others.join(" ")
            )
        })
    }
}

/// How old the word of another cluster may be that a group is its own.
pub(super) const OWNERSHIP_GOOD_FOR: SignedDuration = SignedDuration::from_mins(10);
