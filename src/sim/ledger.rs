//! What is true but cannot be asked for.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use super::world::HostNo;
use crate::id::{AmiId, ClusterArn, GroupName, ParameterName, TemplateId};

/// A promise that was not kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    pub at: Timestamp,
    /// Its number in the table of promises in the README.
    pub promise: u8,
    pub what: String,
}

#[derive(Clone, Debug, Default)]
pub struct Ledger {
    pub violations: Vec<Violation>,
    /// The most hosts of one group that were in flight at a time.
    pub max_in_flight_seen: usize,
    /// Hosts in flight after the last effect.
    pub in_flight: BTreeMap<GroupName, usize>,
    pub in_flight_of_cluster: BTreeMap<ClusterArn, usize>,
    /// Tasks of replica services that a drain has stopped.
    pub tasks_drained: u64,
    /// Those of the opted-in cluster that came to RUNNING since the start.
    pub tasks_started: u64,
    /// Where those went that drains moved.
    pub moves: Moves,
    /// Tasks that ran on a host that a worker terminated.
    pub tasks_interrupted: u64,
    /// The same, where the host died or somebody else terminated it.
    pub tasks_lost_by_others: u64,
    /// Hosts that workers took, and that were up when they terminated them.
    pub rotated: u64,
    /// When the first release was published.
    pub released: Option<Timestamp>,
    pub releases_to_come: u32,
    /// What people are still going to do.
    pub acts_to_come: usize,
    /// When the rotation tag last said so after the latest release; none while it says otherwise. Of several clusters: the
    /// last one's, when all have closed; when all have closed or are held, and some are.
    pub closed: Option<Timestamp>,
    pub held: Option<Timestamp>,
    /// The clusters that have come to their end since, and whether they are held.
    pub ended: BTreeMap<ClusterArn, bool>,
    /// Hosts that workers detached.
    pub detached: BTreeSet<HostNo>,
    /// Hosts that people drained while they carried no tag of ours.
    pub set_aside: BTreeMap<HostNo, Timestamp>,
    /// Groups that have opted out, or have left their cluster, and since when.
    pub left: BTreeMap<GroupName, Timestamp>,
    /// Serving hosts that were lost to others than a worker.
    pub losses: Vec<(Timestamp, HostNo)>,
    /// Desired capacities as they were until then.
    pub desired_changes: Vec<(Timestamp, GroupName, u32)>,
    /// How many versions workers made from which.
    pub versions_made: BTreeMap<(TemplateId, u64, AmiId), u32>,
    /// Which parameters each group follows (for names: a word for each), and the values each one had since when.
    pub follows: BTreeMap<GroupName, BTreeSet<ParameterName>>,
    pub releases: BTreeMap<ParameterName, Vec<(Timestamp, AmiId)>>,
    /// Images that nobody shall take.
    pub spoiled: BTreeSet<AmiId>,
    /// Groups whose release workers cannot find: they report it and leave them as they are.
    pub beyond_workers: BTreeSet<GroupName>,
}

#[derive(Clone, Debug, Default)]
pub struct Moves {
    /// By service: tasks of draining hosts that were old and in whose place none has been started yet.
    pub(super) due: BTreeMap<usize, u64>,
    /// To an old host although some new one had room.
    pub old_to_old: u64,
    /// To an old host when no new one had room.
    pub for_want_of_room: u64,
    /// To another zone, by ECS itself, so that a service stands evenly over the zones.
    pub rebalanced: u64,
}

impl Moves {
    /// A task of this service was placed.
    pub fn placed(&mut self, service: usize, on_old: bool, new_has_room: bool) {
        let Some(due) = self.due.get_mut(&service).filter(|due| **due > 0) else { return };
        *due -= 1;
        match (on_old, new_has_room) {
            (true, true) => self.old_to_old += 1,
            (true, false) => self.for_want_of_room += 1,
            (false, _) => {}
        }
    }
}
