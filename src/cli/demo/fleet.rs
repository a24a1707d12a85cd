//! What is known of the fleet at each moment of the timeline, and what it cost.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};

use crate::id::{AmiId, GroupName, InstanceId};
use crate::sim::world::{World, cluster_arn};
use crate::sim::{By, CLUSTER, Happening, Moment};

/// The hosts of the cluster, followed through the timeline.
pub struct Fleet {
    pub size: usize,
    groups: BTreeSet<GroupName>,
    hosts: BTreeMap<InstanceId, Host>,
    /// Those that still run on the old image.
    old: BTreeSet<InstanceId>,
    in_flight: BTreeSet<InstanceId>,
    released: Option<(Timestamp, AmiId)>,
    pub toll: Toll,
}

/// What went wrong on the way, by itself or by people.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Toll {
    pub workers_killed: usize,
    pub hosts_died: usize,
    pub hosts_taken_by_people: usize,
    pub connections_lost: usize,
    pub launches_failed: usize,
    pub zones_lost: usize,
}

struct Host {
    group: GroupName,
    launched: Timestamp,
    registered: Option<Timestamp>,
    draining: Option<Timestamp>,
    drained: Option<Timestamp>,
    tasks: usize,
    gone: bool,
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
            groups: hosts.values().map(|host| host.group.clone()).collect(),
            old: hosts.keys().cloned().collect(),
            hosts,
            in_flight: BTreeSet::new(),
            released: None,
            toll: Toll::default(),
        }
    }

    pub fn follow(&mut self, moment: &Moment) {
        match &moment.what {
            Happening::ReleasePublished { image, .. } => self.released = Some((moment.at, image.clone())),
            Happening::Launched { host, group, image } => self.launched(host, group, image, moment.at),
            Happening::Registered { host } => {
                if let Some(host) = self.hosts.get_mut(host) {
                    host.registered = Some(moment.at);
                }
            }
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
            Happening::LaunchFailed { group, .. } => self.toll.launches_failed += usize::from(self.has(group)),
            Happening::AgentLost { host } => self.toll.connections_lost += usize::from(self.hosts.contains_key(host)),
            Happening::WorkerKilled { .. } => self.toll.workers_killed += 1,
            Happening::ZoneLost { .. } => self.toll.zones_lost += 1,
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
            | Happening::Deregistered { .. }
            | Happening::Scaled { .. }
            | Happening::AgentBack { .. }
            | Happening::WorkerStarted { .. }
            | Happening::ZoneBack { .. }
            | Happening::ServiceStuck { .. }
            | Happening::MessageDead { .. } => {}
        }
    }

    /// Not one of the other cluster's, which is there too.
    pub fn has(&self, group: &GroupName) -> bool {
        self.groups.contains(group)
    }

    fn launched(&mut self, host: &InstanceId, group: &GroupName, image: &AmiId, at: Timestamp) {
        if !self.has(group) {
            return;
        }
        self.hosts.insert(host.clone(), Host::new(group, at));
        if !self.is_released(image) {
            self.old.insert(host.clone());
        }
    }

    pub fn is_released(&self, image: &AmiId) -> bool {
        self.released.as_ref().is_some_and(|(_, released)| released == image)
    }

    fn terminated(&mut self, host: &InstanceId, by: By) {
        self.old.remove(host);
        self.in_flight.remove(host);
        let Some(host) = self.hosts.get_mut(host) else { return };
        host.gone = true;
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

    /// It runs the image that was released.
    pub fn is_new(&self, host: &InstanceId) -> bool {
        self.hosts.contains_key(host) && !self.old.contains(host)
    }

    /// Has the group hosts that are still to be taken?
    pub fn has_followers(&self, group: &GroupName) -> bool {
        self.old.iter().any(|host| !self.in_flight.contains(host) && self.group_of(host) == Some(group))
    }

    /// Of the group's hosts on the new image the one that has served longest, and since when, from the release.
    pub fn first_new(&self, group: &GroupName) -> Option<(&InstanceId, SignedDuration)> {
        let (released, _) = self.released.as_ref()?;
        let new = self.hosts.iter().filter(|(id, host)| host.group == *group && !host.gone && self.is_new(id));
        let serving = new.filter_map(|(id, host)| Some((host.registered?, id)));
        serving.min().map(|(since, id)| (id, since.duration_since(*released)))
    }

    pub fn group_of(&self, host: &InstanceId) -> Option<&GroupName> {
        self.hosts.get(host).map(|host| &host.group)
    }

    pub fn has_registered(&self, host: &InstanceId) -> bool {
        self.hosts.get(host).is_some_and(|host| host.registered.is_some())
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
        let (registered, draining, drained) = (None, None, None);
        Self { group: group.clone(), launched, registered, draining, drained, tasks: 0, gone: false }
    }
}
