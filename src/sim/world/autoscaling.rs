//! The calls to Auto Scaling.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::account::{Account, GROUP_NAME_TAG, HostNo, Template};
use super::answer::{Answer, Refusal, at_most, page};
use super::{Physics, World};
use crate::effect::{Activity, Group, InstanceState, LaunchChange, Lifecycle, Reply, VersionRule};
use crate::id::{GroupName, InstanceId, PageToken};
use crate::sim::chance::Delay;
use crate::sim::timeline::{By, Happening};

/// How long a member is `Detaching`: its connections in the group's target groups are drained first.
const DETACHING: Delay = Delay::secs(1, 10);

pub(super) fn describe_groups(
    account: &Account,
    names: &[GroupName],
    token: Option<&PageToken>,
    size: usize,
) -> Answer {
    at_most(names, 100)?;
    let asked = account.groups.values().filter(|group| names.is_empty() || names.contains(&group.name));
    let (groups, next) = page(asked.map(|group| (group.name.to_string(), group)), token, size);
    Ok(Reply::Groups { groups: groups.into_iter().map(|group| account.described_group(group)).collect(), next })
}

pub(super) fn describe_activities(account: &Account, group: &GroupName) -> Answer {
    let activities = account.activities.get(group).cloned().unwrap_or_default();
    Ok(Reply::Activities(activities.into_iter().take(100).collect()))
}

impl World {
    /// Without decrementing the desired capacity the group launches a replacement.
    ///
    /// AWS refuses the whole call when one instance is not part of the group. That is what "detached already" looks like,
    /// so the caller sees it as done, though nothing happened to the others.
    pub(super) fn detach(&mut self, group: &GroupName, instances: &[InstanceId], decrement: bool) -> Answer {
        at_most(instances, 20)?;
        if !self.account.groups.contains_key(group) {
            return Err(Refusal::validation(format!("AutoScalingGroup name not found: {group}")));
        }
        let mut members = Vec::new();
        for id in instances {
            let member = self.account.host_of_instance(id).filter(|(_, host)| host.origin == *group);
            let Some((no, lifecycle)) = member.and_then(|(no, host)| Some((no, host.member?))) else {
                return Ok(Reply::Done);
            };
            if !matches!(lifecycle, Lifecycle::InService | Lifecycle::Standby) {
                let message = format!("The instance {id} is not in InService or Standby");
                return Err(Refusal::validation(message));
            }
            members.push(no);
        }
        if decrement {
            self.decrement(group, u32::try_from(members.len()).unwrap_or(u32::MAX))?;
        }
        for no in members {
            self.start_detaching(no, group);
        }
        Ok(Reply::Done)
    }

    /// The desired capacity sinks, as far as the minimum size lets it.
    fn decrement(&mut self, name: &GroupName, by: u32) -> Result<(), Refusal> {
        let sunk = |group: &Group| group.desired.checked_sub(by).filter(|desired| *desired >= group.min);
        let Some(desired) = self.account.groups.get(name).and_then(sunk) else {
            return Err(Refusal::validation("the desired capacity would sink below the minimum size"));
        };
        self.set_desired(name, desired);
        Ok(())
    }

    pub(super) fn set_desired(&mut self, name: &GroupName, desired: u32) {
        let Some(group) = self.group_mut(name) else { return };
        let before = std::mem::replace(&mut group.desired, desired);
        self.ledger.desired_changes.push((self.now, name.clone(), before));
    }

    /// Only what runs and is of no group; the desired capacity rises with it.
    pub(super) fn attach(&mut self, name: &GroupName, instances: &[InstanceId]) -> Answer {
        at_most(instances, 20)?;
        let Some(group) = self.account.groups.get(name) else {
            return Err(Refusal::validation(format!("AutoScalingGroup name not found: {name}")));
        };
        let (desired, max) = (group.desired, group.max);
        let mut hosts = Vec::new();
        for id in instances {
            let found = self.account.host_of_instance(id);
            match found.map(|(no, host)| (no, host.member, host.state)) {
                Some((_, Some(Lifecycle::InService | Lifecycle::Pending | Lifecycle::PendingWait), _)) => {
                    return Ok(Reply::Done);
                }
                Some((no, None, InstanceState::Running)) => {
                    self.may_attach(no, group)?;
                    hosts.push(no);
                }
                Some(_) | None => return Err(Refusal::validation(format!("{id} is not in the correct state"))),
            }
        }
        let desired = desired.saturating_add(u32::try_from(hosts.len()).unwrap_or(u32::MAX));
        if desired > max {
            return Err(Refusal::validation("the desired capacity would rise above the maximum size"));
        }
        self.set_desired(name, desired);
        for no in hosts {
            self.account.leave(no);
            if let Some(host) = self.host_mut(no) {
                host.member = Some(Lifecycle::InService);
                host.origin = name.clone();
                host.tags.insert(GROUP_NAME_TAG.to_owned(), name.to_string());
            }
            self.account.enter(no);
            self.note(Happening::Attached { host: no.instance(), group: name.clone() });
        }
        Ok(Reply::Done)
    }

    /// The image of an instance must still be there, and its zone one of the group's.
    fn may_attach(&self, no: HostNo, group: &Group) -> Result<(), Refusal> {
        let Some(host) = self.account.host(no) else { return Ok(()) };
        if !self.account.images.contains_key(&host.image) {
            return Err(Refusal::validation(format!("The image id '[{}]' does not exist", host.image)));
        }
        if !group.zones.contains(&host.zone) {
            return Err(Refusal::validation(format!(
                "{} is in the Availability Zone {}, which is not one of {}",
                no.instance(),
                host.zone,
                group.name
            )));
        }
        Ok(())
    }

    /// One that is going already is no error, and sinks nothing.
    pub(super) fn end_member(&mut self, group: &GroupName, id: &InstanceId, decrement: bool) -> Answer {
        let member = self.account.host_of_instance(id).filter(|(_, host)| host.origin == *group);
        let Some((no, Lifecycle::InService | Lifecycle::Pending | Lifecycle::PendingWait | Lifecycle::Standby)) =
            member.and_then(|(no, host)| Some((no, host.member?)))
        else {
            return Ok(Reply::Done);
        };
        if decrement {
            self.decrement(group, 1)?;
        }
        if let Some(host) = self.host_mut(no) {
            host.member = Some(Lifecycle::Terminating);
        }
        self.shut_down(no, By::Worker);
        self.look_at_group(group);
        Ok(Reply::Done)
    }

    pub(super) fn tag_group(&mut self, name: &GroupName, tags: &BTreeMap<String, String>) -> Answer {
        let Some(group) = self.group_mut(name) else {
            return Err(Refusal::validation(format!("AutoScalingGroup name not found: {name}")));
        };
        if let Some((key, _)) = tags.iter().find(|(key, value)| key.len() > 128 || value.chars().count() > 256) {
            return Err(Refusal::validation(format!("the tag `{key}` is too long")));
        }
        group.tags.extend(tags.iter().map(|(key, value)| (key.clone(), value.clone())));
        let rejected = format!("{}rejected", self.scenario.settings.tag_prefix);
        if let Some(images) = tags.get(&rejected) {
            self.note(Happening::Rejected { group: name.clone(), images: images.clone() });
        }
        Ok(Reply::Done)
    }

    pub(super) fn note_activity(&mut self, group: &GroupName, activity: Activity) {
        Arc::make_mut(&mut self.account.activities).entry(group.clone()).or_default().insert(0, activity);
    }

    fn start_detaching(&mut self, no: HostNo, group: &GroupName) {
        if let Some(host) = self.host_mut(no) {
            host.member = Some(Lifecycle::Detaching);
        }
        self.note(Happening::Detached { host: no.instance(), group: group.clone() });
        self.after(DETACHING, Physics::Detached(no));
        self.look_at_group(group);
    }

    pub(super) fn change_launch(&mut self, name: &GroupName, mixed: bool, change: &LaunchChange) -> Answer {
        let Some(group) = self.account.groups.get(name) else {
            return Err(Refusal::validation(format!("AutoScalingGroup name not found: {name}")));
        };
        if group.launch.is_mixed() != mixed {
            return Err(Refusal::validation("the group says of its launches in another way"));
        }
        if let LaunchChange::Version { template, to, .. } = change {
            let exists = |template: &Template| template.resolve(VersionRule::Number(*to)).is_some();
            if !self.account.templates.get(template).is_some_and(exists) {
                return Err(Refusal::validation(format!("version {to} of {template} does not exist")));
            }
        }
        if let Some(group) = self.group_mut(name) {
            group.launch.apply(change);
        }
        Ok(Reply::Done)
    }
}
