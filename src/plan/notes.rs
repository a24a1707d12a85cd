//! What of a cluster's settings and tags has no effect, or another one than it seems to have. It holds nothing up; but who wrote
//! it believes that it does something.

use std::collections::BTreeSet;

use jiff::Timestamp;

use super::model::{ClusterView, GroupView};
use super::policy::Policy;
use crate::id::GroupName;

/// Of the cluster: its tags, and what all groups have of the worker's settings.
pub fn of_cluster(view: &ClusterView, policy: &Policy, now: Timestamp) -> Vec<String> {
    policy.calendar.notes(now).into_iter().chain(view.unread_tags.iter().cloned()).collect()
}

/// Of one group: its tags, and its own windows.
pub fn of_group(group: &GroupView, policy: &Policy, now: Timestamp) -> Vec<String> {
    let own = &group.policy.calendar;
    let mut notes = if *own == policy.calendar { Vec::new() } else { own.notes(now) };
    let of_all = if notes.is_empty() { Vec::new() } else { policy.calendar.notes(now) };
    notes.retain(|note| !of_all.contains(note));
    notes.extend(group.unread_tags.iter().cloned());
    notes
}

/// Of every group.
pub fn of_groups(view: &ClusterView, policy: &Policy, now: Timestamp) -> BTreeSet<(GroupName, String)> {
    let of = |(name, group)| of_group(group, policy, now).into_iter().map(move |note| (GroupName::clone(name), note));
    view.groups.iter().flat_map(of).collect()
}
