//! What a whole look found of a cluster in which nothing was to be done.

use std::collections::{BTreeMap, BTreeSet};

use super::commands::followed;
use crate::effect::{Group, Launch};
use crate::id::{ClusterArn, GroupName, ParameterName, Receipt};
use crate::plan::conflicts::resolutions;
use crate::plan::is_due;
use crate::plan::model::ClusterView;
use crate::plan::release::{Origin, Resolution};
use crate::plan::rotation::RotationState;
use jiff::Timestamp;

/// What a whole look found, of a cluster in which nothing was to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settled {
    pub(super) at: Timestamp,
    pub(super) values: BTreeMap<ParameterName, String>,
    pub(super) groups: BTreeMap<GroupName, Says>,
}

/// What a group says of itself that a release hangs on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Says {
    pub(super) tags: BTreeMap<String, String>,
    pub(super) launch: Launch,
}

impl Says {
    pub(super) fn of(group: &Group) -> Self {
        Self { tags: group.tags.clone(), launch: group.launch.clone() }
    }
}

impl Settled {
    /// None: parameters alone do not tell whether something is to be done here.
    pub fn of(view: &ClusterView, now: Timestamp) -> Option<Self> {
        let closed = view.rotation.as_ref().is_none_or(|rotation| rotation.state == RotationState::Closed);
        let told = resolutions(view, now).values().all(|resolution| match resolution {
            Resolution::Resolved(release) => release
                .launches
                .iter()
                .all(|launch| launch.refused.is_none() && !matches!(launch.origin, Origin::Named(_))),
            Resolution::Unresolved { .. } | Resolution::Lacks(_) => false,
        });
        if !closed || !told || is_due(view, now) {
            return None;
        }
        let names: BTreeSet<ParameterName> = followed(view, now).into_values().flatten().collect();
        let value = |name: ParameterName| {
            let value = view.parameters.get(&name)?.as_ref().ok()?.value.clone();
            Some((name, value))
        };
        let values: BTreeMap<ParameterName, String> = names.iter().cloned().filter_map(value).collect();
        let groups = view.groups.iter().map(|(name, group)| (name.clone(), Says::of(&group.facts))).collect();
        (values.len() == names.len()).then_some(Self { at: now, values, groups })
    }
}

/// One check under way.
#[derive(Debug, Default)]
pub struct ReleaseCheck {
    pub(super) outstanding: usize,
    /// Values that could be read.
    pub(super) values: BTreeMap<ParameterName, String>,
    pub(super) groups: BTreeMap<GroupName, Says>,
    pub(super) receipts: Vec<Receipt>,
    pub(super) clusters: BTreeSet<ClusterArn>,
}
