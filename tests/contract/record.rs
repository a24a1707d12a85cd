//! What the driver saw while it played: the facts that no look at the end could tell.

use std::collections::{BTreeMap, BTreeSet};

/// Everything is by group name, instance id or container instance ARN.
#[derive(Clone, Debug, Default)]
pub struct Record {
    /// The most hosts of a group that were tagged by the worker and not yet terminated, at one look.
    pub most_in_flight: BTreeMap<String, usize>,
    /// The same now.
    pub in_flight: BTreeMap<String, usize>,
    /// The fewest ACTIVE container instances that served a group (its members, and those detached that are still ACTIVE).
    pub fewest_active: BTreeMap<String, usize>,
    /// Container instances that somebody else than the driver deregistered, with their EC2 instance.
    pub deregistered: BTreeMap<String, String>,
    /// Container instances that the driver had to deregister, because their EC2 instance was terminated under them.
    pub left_registered: BTreeSet<String>,
    pub terminated: BTreeSet<String>,
    /// Hosts that were drained, and the tasks that were moved off them.
    pub drained: BTreeSet<String>,
    pub tasks_moved: usize,
    pub events_sent: usize,
    /// What must never happen, in words.
    pub violations: Vec<String>,
}

impl Record {
    pub fn note_in_flight(&mut self, now: BTreeMap<String, usize>) {
        for (group, count) in &now {
            let most = self.most_in_flight.entry(group.clone()).or_default();
            *most = (*most).max(*count);
        }
        self.in_flight = now;
    }

    pub fn note_active(&mut self, now: &BTreeMap<String, usize>) {
        for (group, count) in now {
            let fewest = self.fewest_active.entry(group.clone()).or_insert(*count);
            *fewest = (*fewest).min(*count);
        }
    }

    pub fn violated(&mut self, what: String) {
        if !self.violations.contains(&what) {
            self.violations.push(what);
        }
    }
}
