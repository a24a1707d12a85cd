//! What others are at: instance refreshes, alarms, warm pools, rebalancing, and hands on groups.

use std::sync::Arc;

use super::account::{Account, GROUP_NAME_TAG, HostKind, HostNo};
use super::answer::{Answer, Refusal, at_most};
use super::{Physics, World};
use crate::effect::{AlarmState, InstanceRefresh, InstanceState, Lifecycle, LifecycleHook, Reply};
use crate::id::{AlarmName, CapacityProviderName, GroupName, Zone};
use crate::sim::chance::Delay;
use crate::sim::timeline::{By, Happening};

/// How long a group that rebalances keeps one more than it wants.
const REBALANCING: Delay = Delay::secs(90, 180);
/// A warm instance only has to start.
const WAKING: Delay = Delay::secs(5, 20);

pub(super) fn describe_refreshes(account: &Account, group: &GroupName) -> Answer {
    if !account.groups.contains_key(group) {
        return Err(Refusal::validation(format!("AutoScalingGroup name not found: {group}")));
    }
    Ok(Reply::InstanceRefreshes(account.refreshes.get(group).cloned().into_iter().collect()))
}

pub(super) fn describe_hooks(account: &Account, group: &GroupName) -> Answer {
    if !account.groups.contains_key(group) {
        return Err(Refusal::validation(format!("AutoScalingGroup name not found: {group}")));
    }
    Ok(Reply::LifecycleHooks(account.hooks.get(group).cloned().unwrap_or_default()))
}

pub(super) fn describe_alarms(account: &Account, names: &[AlarmName]) -> Answer {
    at_most(names, 100)?;
    let state = |name: &AlarmName| Some((name.clone(), account.alarms.get(name)?.clone()));
    Ok(Reply::Alarms(names.iter().filter_map(state).collect()))
}

impl World {
    pub(super) fn start_refresh(&mut self, group: &GroupName) {
        let refresh = InstanceRefresh { id: format!("refresh-{}", self.names.number()), started: Some(self.now) };
        Arc::make_mut(&mut self.account.refreshes).insert(group.clone(), refresh);
    }

    pub(super) fn end_refresh(&mut self, group: &GroupName) {
        Arc::make_mut(&mut self.account.refreshes).remove(group);
    }

    pub fn set_hooks(&mut self, group: &GroupName, hooks: Vec<LifecycleHook>) {
        Arc::make_mut(&mut self.account.hooks).insert(group.clone(), hooks);
    }

    pub(super) fn set_alarm(&mut self, name: &str, state: AlarmState) {
        Arc::make_mut(&mut self.account.alarms).insert(AlarmName::from(name), state);
    }

    /// Of the groups' hosts there none is left.
    pub(super) fn lose_zone(&mut self, zone: &Zone) {
        self.lost_zones.insert(zone.clone());
        let there = self.account.hosts.iter().filter(|(_, host)| host.kind == HostKind::OfGroup && host.is_up());
        let hosts: Vec<HostNo> = there.filter(|(_, host)| host.zone == *zone).map(|(no, _)| *no).collect();
        let ours =
            hosts.iter().filter_map(|no| self.account.host(*no)).filter(|host| self.homes.contains(&host.cluster));
        let ours = ours.count();
        self.note(Happening::ZoneLost { zone: zone.clone(), hosts: ours });
        for no in hosts {
            self.shut_down(no, By::Itself);
        }
    }

    pub(super) fn zone_is_back(&mut self, zone: &Zone) {
        self.lost_zones.remove(zone);
        self.avoided_zones.retain(|(_, avoided)| avoided != zone);
        self.note(Happening::ZoneBack { zone: zone.clone() });
    }

    /// With its desired capacity as it is, so the group launches another; the host goes on serving its tasks.
    pub(super) fn person_detaches(&mut self, no: HostNo) {
        self.ledger_detached_by_person(no);
        let Some(host) = self.host_mut(no).filter(|host| host.member.is_some()) else { return };
        host.member = None;
        host.tags.remove(GROUP_NAME_TAG);
        let group = host.origin.clone();
        self.look_at_group(&group);
    }

    pub(super) fn protect_host(&mut self, no: HostNo, on: bool) {
        if let Some(host) = self.host_mut(no) {
            host.protected = on;
        }
    }

    pub(super) fn forbid_host(&mut self, no: HostNo) {
        if let Some(host) = self.host_mut(no) {
            host.forbidden = true;
        }
    }

    pub(super) fn keep_at_scale_in(&mut self, group: &GroupName) {
        let members: Vec<HostNo> = self.account.members_of(group).map(|(no, _)| no).collect();
        for no in members {
            if let Some(host) = self.host_mut(no) {
                host.kept_at_scale_in = true;
            }
        }
    }

    pub(super) fn opt_out(&mut self, name: &GroupName) {
        let key = format!("{}enabled", self.scenario.settings.tag_prefix);
        self.edit_group(name, |group| _ = group.tags.insert(key, "false".to_owned()));
    }

    pub(super) fn leave_cluster(&mut self, name: &GroupName) {
        let (home, providers) = (self.home_of(name), self.account.providers.clone());
        let is_its = |of: &CapacityProviderName| providers.get(of).is_some_and(|of| of.group.as_ref() == Some(name));
        self.edit_clusters(|all| {
            if let Some(cluster) = all.get_mut(&home) {
                cluster.capacity_providers.retain(|of| !is_its(of));
            }
        });
    }

    pub(super) fn rebalance(&mut self, name: &GroupName) {
        let Some(group) = self.account.groups.get(name).cloned() else { return };
        if self.launch(&group).is_some() {
            self.after(REBALANCING, Physics::GroupLook(name.clone()));
        }
    }

    pub(super) fn fill_warm_pool(&mut self, name: &GroupName, hosts: u32) {
        let Some(group) = self.account.groups.get(name).cloned() else { return };
        for _ in 0..hosts {
            let Some(image) = self.account.image_to_launch(&group, 0) else { return };
            let no = self.add_host(&group, image);
            if let Some(host) = self.host_mut(no) {
                (host.member, host.state) = (Some(Lifecycle::Other), InstanceState::Stopped);
            }
        }
    }

    /// A member that waits in the warm pool.
    pub(super) fn warmed(&self, group: &GroupName) -> Option<HostNo> {
        let mut members = self.account.members_of(group);
        members.find(|(_, host)| host.member == Some(Lifecycle::Other)).map(|(no, _)| no)
    }

    /// EC2 counts its launch from now.
    pub(super) fn wake(&mut self, no: HostNo, group: &crate::effect::Group) {
        let now = crate::plan::timing::whole_second(self.now);
        let Some(host) = self.host_mut(no) else { return };
        (host.member, host.state, host.launched) = (Some(Lifecycle::Pending), InstanceState::Pending, now);
        let image = host.image.clone();
        self.note(Happening::Launched { host: no.instance(), group: group.name.clone(), image });
        self.emit_instance(no, "pending");
        self.after(WAKING, Physics::Booted(no));
    }

    /// The desired capacity of a weighted group is the weight of its hosts.
    pub(super) fn desire_what_is_there(&mut self, name: &GroupName) {
        let desired = self.account.members_of(name).map(|(_, host)| host.counts()).sum();
        self.edit_group(name, |group| (group.desired, group.max) = (desired, desired + 10));
    }
}
