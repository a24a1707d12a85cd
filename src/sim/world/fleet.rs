//! The life of hosts: groups launch them, they boot and register, they go.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::SignedDuration;

use super::account::{Account, Agent, GROUP_NAME_TAG, Host, HostKind, HostNo, zones};
use super::services::host_size;
use super::{FORGET, Physics, World};
use crate::effect::{Activity, ActivityStatus, ContainerInstanceStatus, Group, InstanceState, Lifecycle};
use crate::id::{AmiId, ClusterArn, GroupName, Zone};
use crate::plan::timing::whole_second;
use crate::sim::chance::Delay;
use crate::sim::scenario::{BadRelease, Membership, OTHER};
use crate::sim::timeline::{By, Happening};

/// How long a group takes to notice that a member is gone.
const HEALTH_CHECK: Delay = Delay::secs(40, 80);
/// How long ECS takes to notice that an instance is gone.
const ECS_NOTICES: Delay = Delay::secs(45, 90);
const SHUTTING_DOWN: Delay = Delay::secs(15, 60);
const AGENT_FALLS_SILENT: Delay = Delay::secs(1, 8);
/// Until the fault of a bad image shows.
const SOON_BAD: Delay = Delay::secs(60, 120);
/// How long a launching hook may take to answer.
const HEARTBEAT: Delay = Delay::secs(150, 240);
/// How often ECS looks whether a member that it drains is empty.
const HOOK_LOOKS: Delay = Delay::secs(20, 40);
const SOON_DENIED: Delay = Delay::secs(2, 5);
const KEY_DENIED: &str = "Instance became unhealthy while waiting for instance to be in InService state. Termination Reason: \
    Client.InternalError: Client error on launch";
/// Until a group tries again after a launch failed.
const LAUNCH_AGAIN: Delay = Delay::secs(30, 120);

impl World {
    pub(super) fn look_at_group(&mut self, group: &GroupName) {
        self.after(self.scenario.launch_delay, Physics::GroupLook(group.clone()));
    }

    /// Members = desired: that is all a group wants.
    pub(super) fn group_look(&mut self, name: &GroupName) {
        // Nothing is kept of the account as it was: while somebody keeps it, whatever changes is copied whole.
        let Some(group) = self.account.groups.get(name).cloned() else { return };
        let counted = self.account.members_of(name).filter(|(_, host)| host.is_counted());
        let mut counted: Vec<_> =
            counted.map(|(no, host)| (host.launched, no, host.counts(), host.kept_at_scale_in)).collect();
        counted.sort_unstable();
        let mut capacity: u32 = counted.iter().map(|(_, _, counts, _)| counts).sum();
        for (_, no, counts, _) in counted.iter().filter(|(_, _, _, kept)| !kept) {
            if capacity - counts >= group.desired {
                capacity -= counts;
                self.scale_in(*no);
            }
        }
        // The first that fails is tried again later, and the others with it.
        while capacity < group.desired && !group.suspended.contains("Launch") {
            let Some(weight) = self.launch(&group) else { return };
            capacity += weight;
        }
    }

    fn scale_in(&mut self, no: HostNo) {
        self.set_member(no, Lifecycle::Terminating);
        let group = self.account.host(no).map(|host| host.origin.clone());
        if group.is_some_and(|group| self.drained_by_ecs.contains(&group)) {
            self.change_status(no, ContainerInstanceStatus::Draining, By::Group);
            self.after(HOOK_LOOKS, Physics::ManagedDrain(no));
        } else {
            self.shut_down(no, By::Group);
        }
    }

    /// The hook of ECS lets the group go on once no task is left.
    pub(super) fn managed_drain(&mut self, no: HostNo) {
        if self.account.tasks_on(no).all(|(_, task)| task.is_over()) {
            self.shut_down(no, By::Group);
        } else {
            self.after(HOOK_LOOKS, Physics::ManagedDrain(no));
        }
    }

    pub(super) fn stand_by(&mut self, no: HostNo) {
        let serves = |host: &&Host| host.member == Some(Lifecycle::InService);
        let Some(group) = self.account.host(no).filter(serves).map(|host| host.origin.clone()) else { return };
        self.set_member(no, Lifecycle::Standby);
        self.ledger_set_aside(no);
        self.look_at_group(&group);
    }

    /// Returns for how much it counts; None: it failed, and the group tries again later.
    pub(super) fn launch(&mut self, group: &Group) -> Option<u32> {
        if let Some(no) = self.warmed(&group.name) {
            self.wake(no, group);
            return Some(1);
        }
        self.launches += 1;
        let lost_zone = Some(self.zone_to_launch(&group.name)).filter(|zone| self.lost_zones.contains(zone));
        let image = self.account.image_to_launch(group, self.launches);
        let bad = |image: &AmiId| {
            let fails = self.scenario.bad_release == BadRelease::LaunchFails && self.bad_images.contains(image);
            fails || !self.account.images.contains_key(image)
        };
        let why = match &image {
            _ if lost_zone.is_some() || self.without_capacity.contains(&group.name) => {
                Some("We currently do not have sufficient m5.large capacity in the Availability Zone you requested.")
            }
            Some(image) if !bad(image) => None,
            Some(_) | None => {
                Some("The image id '[ami-0123456789abcdef0]' does not exist. Launching EC2 instance failed.")
            }
        };
        let denied = self.scenario.bad_release == BadRelease::KeyDenied
            && image.as_ref().is_some_and(|image| self.bad_images.contains(image));
        let activity = Activity {
            started: self.now,
            launch: true,
            status: if why.is_some() { ActivityStatus::Failed } else { ActivityStatus::UnderWay },
            instance: None,
            message: why.unwrap_or_default().to_owned(),
        };
        match image.filter(|_| why.is_none()) {
            Some(image) => {
                let no = self.add_host(group, image.clone());
                self.note_activity(&group.name, Activity { instance: Some(no.instance()), ..activity });
                let weight = Account::weight_to_launch(group, self.launches);
                self.weigh(no, weight);
                self.note(Happening::Launched { host: no.instance(), group: group.name.clone(), image });
                self.emit_instance(no, "pending");
                self.after(
                    if denied { SOON_DENIED } else { self.scenario.boot },
                    if denied { Physics::Dies(no) } else { Physics::Booted(no) },
                );
                Some(weight.unwrap_or(1))
            }
            None => {
                self.note_activity(&group.name, activity);
                self.avoided_zones.extend(lost_zone.clone().map(|zone| (group.name.clone(), zone)));
                self.note(Happening::LaunchFailed { group: group.name.clone(), zone: lost_zone });
                self.emit_launch_unsuccessful(&group.name, why.unwrap_or_default());
                self.after(LAUNCH_AGAIN, Physics::GroupLook(group.name.clone()));
                None
            }
        }
    }

    /// The one with the fewest members, of those in which the group has not failed to launch.
    fn zone_to_launch(&self, group: &GroupName) -> Zone {
        let mut zones: BTreeMap<Zone, usize> = zones().into_iter().map(|zone| (zone, 0)).collect();
        for (_, host) in self.account.members_of(group).filter(|(_, host)| host.is_counted()) {
            *zones.entry(host.zone.clone()).or_default() += 1;
        }
        zones.retain(|zone, _| !self.avoided_zones.contains(&(group.clone(), zone.clone())));
        let zone = zones.into_iter().min_by_key(|(zone, count)| (*count, zone.clone())).map(|(zone, _)| zone);
        zone.unwrap_or_else(|| Zone::from("eu-west-1a"))
    }

    /// A new member.
    pub(super) fn add_host(&mut self, group: &Group, image: AmiId) -> HostNo {
        let no = HostNo(self.names.number());
        let zone = self.zone_to_launch(&group.name);
        let made_from = self.account.images.get(&image);
        let host = Host {
            kind: HostKind::OfGroup,
            root_device: made_from.and_then(|image| image.root_device.clone()),
            architecture: made_from.map_or_else(|| "x86_64".to_owned(), |image| image.architecture.clone()),
            windows: made_from.is_some_and(|image| image.windows),
            cluster: self.cluster_to_join(&group.name),
            origin: group.name.clone(),
            member: Some(Lifecycle::Pending),
            image,
            zone,
            state: InstanceState::Pending,
            launched: whole_second(self.now),
            tags: BTreeMap::from([(GROUP_NAME_TAG.to_owned(), group.name.to_string())]),
            weight: None,
            protected: false,
            forbidden: false,
            kept_at_scale_in: false,
            size: host_size(self.scenario.slots_per_host),
            agent: None,
        };
        Arc::make_mut(&mut self.account.hosts).insert(no, host);
        self.account.enter(no);
        no
    }

    pub(super) fn weigh(&mut self, no: HostNo, weight: Option<u32>) {
        if let Some(host) = self.host_mut(no) {
            host.weight = weight;
        }
    }

    fn cluster_to_join(&self, group: &GroupName) -> ClusterArn {
        let membership = self.homes_of_groups.get(group).map(|(_, membership)| membership);
        let every_other =
            membership == Some(&Membership::TwoClusters) && self.account.members_of(group).count() % 2 == 1;
        if every_other || group.as_str().starts_with(OTHER) { super::cluster_arn(OTHER) } else { self.home_of(group) }
    }

    pub(super) fn booted(&mut self, no: HostNo) {
        let Some(host) = self.host_mut(no).filter(|host| host.state == InstanceState::Pending) else { return };
        host.state = InstanceState::Running;
        let (image, group, pends) = (host.image.clone(), host.origin.clone(), host.member == Some(Lifecycle::Pending));
        if pends && self.abandoning.contains(&group) {
            self.set_member(no, Lifecycle::PendingWait);
            self.after(HEARTBEAT, Physics::Abandoned(no));
        } else if pends {
            self.set_member(no, Lifecycle::InService);
            self.end_launch(&group, no, ActivityStatus::Successful, "");
        }
        self.emit_instance(no, "running");
        if !(self.scenario.bad_release == BadRelease::NeverRegisters && self.bad_images.contains(&image)) {
            self.after(self.scenario.registration, Physics::Register(no));
        }
    }

    fn set_member(&mut self, no: HostNo, lifecycle: Lifecycle) {
        if let Some(host) = self.host_mut(no) {
            host.member = Some(lifecycle);
        }
    }

    fn end_launch(&mut self, group: &GroupName, no: HostNo, status: ActivityStatus, message: &str) {
        let activities = Arc::make_mut(&mut self.account.activities).get_mut(group).into_iter().flatten();
        let mut of_it = activities.filter(|activity| activity.launch && activity.instance == Some(no.instance()));
        if let Some(activity) = of_it.next() {
            (activity.status, activity.message) = (status, message.to_owned());
        }
    }

    /// One that nobody may read never runs, and ends its launch.
    pub(super) fn dies(&mut self, no: HostNo) {
        let pends = |host: &&Host| host.state == InstanceState::Pending;
        if let Some(group) = self.account.host(no).filter(pends).map(|host| host.origin.clone()) {
            self.end_launch(&group, no, ActivityStatus::Cancelled, KEY_DENIED);
            self.emit_launch_unsuccessful(&group, KEY_DENIED);
        }
        self.shut_down(no, By::Itself);
    }

    /// What was launched is ended again, and the group launches another.
    pub(super) fn abandoned(&mut self, no: HostNo) {
        let waits = |host: &&Host| host.member == Some(Lifecycle::PendingWait);
        let Some(group) = self.account.host(no).filter(waits).map(|host| host.origin.clone()) else { return };
        let why = "Instance failed to complete user's Lifecycle Action: Lifecycle Action with token \
                   00000000-0000-4000-8000-000000000002 was abandoned: Heartbeat Timeout";
        self.end_launch(&group, no, ActivityStatus::Cancelled, why);
        self.emit_launch_unsuccessful(&group, why);
        self.set_member(no, Lifecycle::Terminating);
        self.shut_down(no, By::Group);
    }

    pub(super) fn register(&mut self, no: HostNo) {
        let now = self.now;
        let Some(host) = self.host_mut(no).filter(|host| host.state == InstanceState::Running) else { return };
        if host.agent.is_some() {
            return;
        }
        host.agent = Some(Agent { status: ContainerInstanceStatus::Active, connected: true, registered: now });
        let cluster = host.cluster.clone();
        self.note(Happening::Registered { host: no.instance() });
        self.emit_host(no);
        self.plan_agent_drop(no);
        self.look_at_services(&cluster);
        let bad = self.account.host(no).is_some_and(|host| self.bad_images.contains(&host.image));
        match self.scenario.bad_release {
            BadRelease::AgentsFallSilent if bad => self.after(SOON_BAD, Physics::AgentDies(no)),
            BadRelease::HostsDie if bad => self.after(SOON_BAD, Physics::Dies(no)),
            BadRelease::AgentsFallSilent
            | BadRelease::HostsDie
            | BadRelease::No
            | BadRelease::NeverRegisters
            | BadRelease::LaunchFails
            | BadRelease::KeyDenied
            | BadRelease::TasksFail => {}
        }
    }

    /// The end of a detach: no longer a member, and without the group's name in its tags.
    pub(super) fn detached(&mut self, no: HostNo) {
        let Some(host) = self.host_mut(no).filter(|host| host.member == Some(Lifecycle::Detaching)) else { return };
        host.member = None;
        host.tags.remove(GROUP_NAME_TAG);
    }

    /// The instance is going, whoever wanted it.
    pub(super) fn shut_down(&mut self, no: HostNo, by: By) {
        let Some(host) = self.account.host(no).filter(|host| host.is_up()).cloned() else { return };
        self.ledger_shut_down(no, &host, by);
        if let Some(host) = self.host_mut(no) {
            host.state = InstanceState::ShuttingDown;
        }
        self.note(Happening::Terminated { host: no.instance(), by });
        self.emit_instance(no, "shutting-down");
        self.after(SHUTTING_DOWN, Physics::Terminated(no));
        self.after(AGENT_FALLS_SILENT, Physics::AgentDrops(no));
        self.after(ECS_NOTICES, Physics::AgentGone(no));
        if host.member.is_some() {
            self.after(HEALTH_CHECK, Physics::MemberGone(no));
        }
    }

    pub(super) fn terminated(&mut self, no: HostNo) {
        if let Some(host) = self.host_mut(no) {
            host.state = InstanceState::Terminated;
        }
        self.tagged.remove(&no);
        self.emit_instance(no, "terminated");
        self.after(FORGET, Physics::ForgetHost(no));
    }

    pub(super) fn member_gone(&mut self, no: HostNo) {
        let Some(host) = self.host_mut(no) else { return };
        if host.member.take().is_some() {
            let group = host.origin.clone();
            self.look_at_group(&group);
        }
    }

    pub(super) fn agent_gone(&mut self, no: HostNo) {
        self.stop_all_tasks(no);
        self.lose_agent_for_good(no);
    }

    pub(super) fn forget_host(&mut self, no: HostNo) {
        self.account.leave(no);
        Arc::make_mut(&mut self.account.hosts).remove(&no);
        self.versions.remove(&no);
    }

    pub(super) fn forget_agent(&mut self, no: HostNo) {
        if let Some(host) = self.host_mut(no) {
            host.agent = None;
        }
    }

    pub(super) fn plan_agent_drop(&mut self, no: HostNo) {
        let rate = self.scenario.faults.agent_drops_per_hour;
        if rate > 0.0 {
            let at = self.now + self.physics.interval(rate);
            self.agenda.put(at, Physics::AgentDrops(no));
        }
    }

    /// The agent loses its connection for good.
    pub(super) fn agent_dies(&mut self, no: HostNo) {
        const FOR_GOOD: Delay = Delay::secs(1_000_000, 1_000_000);
        self.agent_drops(no, FOR_GOOD);
    }

    /// The agent loses its connection; on a host that still runs it finds it again.
    pub(super) fn agent_drops(&mut self, no: HostNo, for_: Delay) {
        let Some(host) = self.host_mut(no) else { return };
        let runs = host.state == InstanceState::Running;
        let present = |agent: &&mut Agent| agent.status != ContainerInstanceStatus::Inactive && agent.connected;
        let Some(agent) = host.agent.as_mut().filter(present) else { return };
        agent.connected = false;
        self.emit_host(no);
        if runs {
            self.note(Happening::AgentLost { host: no.instance() });
            self.after(for_, Physics::AgentBack(no));
        }
    }

    pub(super) fn agent_back(&mut self, no: HostNo) {
        let Some(host) = self.host_mut(no).filter(|host| host.state == InstanceState::Running) else { return };
        let cluster = host.cluster.clone();
        let present = |agent: &&mut Agent| agent.status != ContainerInstanceStatus::Inactive && !agent.connected;
        let Some(agent) = host.agent.as_mut().filter(present) else { return };
        agent.connected = true;
        self.note(Happening::AgentBack { host: no.instance() });
        self.emit_host(no);
        self.plan_agent_drop(no);
        self.look_at_services(&cluster);
    }

    /// Launch times of hosts that were there before the simulation began.
    pub(super) fn age(&mut self, no: HostNo, by: SignedDuration) {
        let launched = whole_second(self.now - by);
        if let Some(host) = self.host_mut(no) {
            (host.launched, host.state, host.member) = (launched, InstanceState::Running, Some(Lifecycle::InService));
            host.agent = Some(Agent { status: ContainerInstanceStatus::Active, connected: true, registered: launched });
        }
    }
}
