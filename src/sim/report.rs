//! What came of a run.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::ledger::Violation;
use super::limits::Used;
use super::mishaps::Mishaps;
use super::scenario::Scenario;
use super::timeline::Moment;
use super::world::World;
use crate::effect::Notice;
use crate::engine::Counters;
use crate::id::{ClusterArn, ClusterName};

#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub struct Report {
    pub outcome: Outcome,
    /// From the (first) release to the close or the hold; to the end of the run when there was neither.
    pub simulated_seconds: i64,
    /// Hosts of the opted-in clusters at the beginning.
    pub hosts: u32,
    /// Running hosts that workers took and terminated.
    pub rotated: u64,
    /// Calls to the fleet that reached AWS's edge, by operation, retries included.
    pub requests: BTreeMap<&'static str, u64>,
    pub queue_requests: BTreeMap<&'static str, u64>,
    /// The account's buckets, by what AWS counts together.
    pub limits: BTreeMap<&'static str, Used>,
    /// How often a worker that had just been woken wanted to be woken at once: its loop would go round and round.
    pub spins: u64,
    /// Messages as the workers counted them, over all their lives.
    pub events_received: u64,
    pub events_irrelevant: u64,
    pub events_malformed: u64,
    pub messages_in_dlq: usize,
    pub max_in_flight_seen: usize,
    /// Service tasks that a drain stopped and that run elsewhere.
    pub tasks_moved: u64,
    /// Of these, how many went to a host that is to be replaced itself, although a host that has been had room.
    pub tasks_moved_old_to_old: u64,
    /// The same, when none of those had room.
    pub tasks_moved_for_want_of_room: u64,
    /// Tasks that ECS itself moved to another zone, because their service stood unevenly.
    pub tasks_rebalanced: u64,
    /// Tasks that were not STOPPED when a worker terminated their host.
    pub tasks_interrupted: u64,
    /// The same, on hosts that died or that others terminated.
    pub tasks_lost_by_others: u64,
    pub mishaps: Mishaps,
    pub violations: Vec<Violation>,
    pub timeline: Vec<Moment>,
    /// What workers told of their own, where they were given a bus.
    pub told: Vec<Notice>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// All of them, where there are several. Or never opened: hosts died, and what came in their place launched with the release by itself.
    Closed,
    /// Closed, and these groups were left out, as the tag says.
    Skipped {
        groups: String,
    },
    Held {
        reason: String,
    },
    /// Neither, when the time was over.
    Open,
}

impl Report {
    pub(super) fn of(
        world: &World,
        scenario: &Scenario,
        requests: BTreeMap<&'static str, u64>,
        queue_requests: BTreeMap<&'static str, u64>,
        counters: &Counters,
        holds: &BTreeMap<ClusterName, String>,
    ) -> Self {
        let ledger = world.ledger();
        let released = ledger.released.unwrap_or(super::START);
        Self {
            outcome: Outcome::of(world, holds),
            simulated_seconds: settled_at(world).duration_since(released).as_secs(),
            hosts: scenario.host_count(),
            rotated: ledger.rotated,
            requests,
            queue_requests,
            limits: BTreeMap::new(),
            spins: 0,
            events_received: counters.received,
            events_irrelevant: counters.irrelevant,
            events_malformed: counters.malformed,
            messages_in_dlq: world.queue().dead.len(),
            max_in_flight_seen: ledger.max_in_flight_seen,
            tasks_moved: ledger.tasks_drained.min(ledger.tasks_started),
            tasks_moved_old_to_old: ledger.moves.old_to_old,
            tasks_moved_for_want_of_room: ledger.moves.for_want_of_room,
            tasks_rebalanced: ledger.moves.rebalanced,
            tasks_interrupted: ledger.tasks_interrupted,
            tasks_lost_by_others: ledger.tasks_lost_by_others,
            mishaps: world.mishaps,
            violations: ledger.violations.clone(),
            timeline: world.timeline().to_vec(),
            told: world.told().to_vec(),
        }
    }
}

impl Outcome {
    fn of(world: &World, holds: &BTreeMap<ClusterName, String>) -> Self {
        let of = world.homes().iter().map(|cluster| Self::of_cluster(world, cluster, holds));
        // The worst of them.
        of.max_by_key(|outcome| match outcome {
            Outcome::Closed => 0,
            Outcome::Skipped { .. } => 1,
            Outcome::Held { .. } => 2,
            Outcome::Open => 3,
        })
        .unwrap_or(Outcome::Open)
    }

    fn of_cluster(world: &World, cluster: &ClusterArn, holds: &BTreeMap<ClusterName, String>) -> Self {
        match world.rotation_tag(cluster).1.as_str() {
            "closed" if !world.skipped(cluster).is_empty() => Outcome::Skipped { groups: world.skipped(cluster) },
            "closed" => Outcome::Closed,
            "" if world.needs_no_rotation() => Outcome::Closed,
            "held" => {
                let said = holds.get(&cluster.name()).cloned();
                Outcome::Held { reason: said.or_else(|| world.hold_reason(cluster)).unwrap_or_default() }
            }
            _ => Outcome::Open,
        }
    }
}

fn settled_at(world: &World) -> Timestamp {
    let ledger = world.ledger();
    ledger.closed.or(ledger.held).unwrap_or(world.now())
}
