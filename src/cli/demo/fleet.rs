//! What is known of the fleet at each moment of the timeline, and what it cost.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};

use crate::id::{GroupName, InstanceId};
use crate::sim::world::{World, cluster_arn};
use crate::sim::{By, CLUSTER, Happening, Moment};

/// The hosts of the cluster, followed through the timeline.
pub struct Fleet {
    pub size: usize,
    hosts: BTreeMap<InstanceId, Host>,
    /// Those that still run on the old image.
    old: BTreeSet<InstanceId>,
    in_flight: BTreeSet<InstanceId>,
    released: bool,
    pub toll: Toll,
}

/// What went wrong on the way, by nobody's fault or by somebody's.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Toll {
    pub workers_killed: usize,
    pub hosts_died: usize,
    pub hosts_taken_by_people: usize,
    pub connections_lost: usize,
    pub launches_failed: usize,
}

struct Host {
    group: GroupName,
    launched: Timestamp,
    draining: Option<Timestamp>,
    drained: Option<Timestamp>,
    tasks: usize,
}

impl Fleet {
    /// As it is before anything happens.
    pub fn of(world: &World) -> Self {
        let cluster = cluster_arn(CLUSTER);
        let own = world.account().hosts.iter().filter(|(_, host)| host.cluster == cluster);
        let hosts: BTreeMap<_, _> =
            own.map(|(no, host)| (no.instance(), Host::new(&host.origin, host.launched))).collect();
        Self {
            size: hosts.len(),
            old: hosts.keys().cloned().collect(),
            hosts,
            in_flight: BTreeSet::new(),
            released: false,
            toll: Toll::default(),
        }
    }

    pub fn follow(&mut self, moment: &Moment) {
        match &moment.what {
            Happening::ReleasePublished { .. } => self.released = true,
            Happening::Launched { host, group, .. } => self.launched(host, group, moment.at),
            Happening::HostTagged { host, .. } => {
                self.in_flight.insert(host.clone());
            }
            Happening::Draining { host, tasks, .. } => {
                if let Some(host) = self.hosts.get_mut(host) {
                    (host.draining, host.drained, host.tasks) = (Some(moment.at), None, *tasks);
                }
            }
            Happening::Drained { host } => {
                if let Some(host) = self.hosts.get_mut(host) {
                    host.drained = Some(moment.at);
                }
            }
            Happening::Activated { host, .. } | Happening::Attached { host, .. } => {
                self.in_flight.remove(host);
            }
            Happening::Terminated { host, by } => self.terminated(host, *by),
            Happening::LaunchFailed { .. } => self.toll.launches_failed += 1,
            Happening::AgentLost { host } => self.toll.connections_lost += usize::from(self.hosts.contains_key(host)),
            Happening::WorkerKilled { .. } => self.toll.workers_killed += 1,
            Happening::RotationOpened { .. }
            | Happening::RotationPaused { .. }
            | Happening::RotationHeld { .. }
            | Happening::RotationClosed { .. }
            | Happening::HoldExplained { .. }
            | Happening::TemplateVersionMade { .. }
            | Happening::ParameterWritten { .. }
            | Happening::VersionsPruned { .. }
            | Happening::TemplateInUse { .. }
            | Happening::Rejected { .. }
            | Happening::Detached { .. }
            | Happening::Registered { .. }
            | Happening::Deregistered { .. }
            | Happening::Scaled { .. }
            | Happening::AgentBack { .. }
            | Happening::WorkerStarted { .. }
            | Happening::MessageDead { .. } => {}
        }
    }

    fn launched(&mut self, host: &InstanceId, group: &GroupName, at: Timestamp) {
        self.hosts.insert(host.clone(), Host::new(group, at));
        if !self.released {
            self.old.insert(host.clone());
        }
    }

    fn terminated(&mut self, host: &InstanceId, by: By) {
        self.old.remove(host);
        self.in_flight.remove(host);
        match by {
            By::Worker | By::Group => {}
            By::Person => self.toll.hosts_taken_by_people += 1,
            By::Itself => self.toll.hosts_died += 1,
        }
    }

    pub fn in_flight(&self) -> usize {
        self.in_flight.len()
    }

    pub fn is_in_flight(&self, host: &InstanceId) -> bool {
        self.in_flight.contains(host)
    }

    /// How many of the hosts there were are no longer there.
    pub fn replaced(&self) -> usize {
        self.size.saturating_sub(self.old.len())
    }

    pub fn group_of(&self, host: &InstanceId) -> Option<&GroupName> {
        self.hosts.get(host).map(|host| &host.group)
    }

    /// How long ago it was launched.
    pub fn age(&self, host: &InstanceId, now: Timestamp) -> SignedDuration {
        self.hosts.get(host).map_or(SignedDuration::ZERO, |host| now.duration_since(host.launched))
    }

    /// The tasks that were on it when its drain began, and how long it took to the last of them.
    pub fn drain(&self, host: &InstanceId) -> (usize, SignedDuration) {
        let times = |host: &Host| Some((host.tasks, host.drained?.duration_since(host.draining?)));
        self.hosts.get(host).and_then(times).unwrap_or_default()
    }
}

impl Host {
    fn new(group: &GroupName, launched: Timestamp) -> Self {
        Self { group: group.clone(), launched, draining: None, drained: None, tasks: 0 }
    }
}
