//! The calls to Auto Scaling.

use super::account::{Account, HostNo, Template};
use super::requests::{Answer, Refusal, at_most, page};
use super::{Physics, World};
use crate::effect::{LaunchChange, Lifecycle, Reply, VersionRule};
use crate::id::{GroupName, InstanceId, PageToken};
use crate::sim::chance::Delay;
use crate::sim::timeline::Happening;

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
    let keyed = asked.map(|group| (group.name.to_string(), account.described_group(group)));
    let (groups, next) = page(keyed, token, size);
    Ok(Reply::Groups { groups, next })
}

impl World {
    /// Without decrementing the desired capacity, so the group launches a replacement.
    ///
    /// AWS refuses the whole call when one instance is not part of the group. That is what "detached already" looks like,
    /// so the caller sees it as done, though nothing happened to the others.
    pub(super) fn detach(&mut self, group: &GroupName, instances: &[InstanceId]) -> Answer {
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
        for no in members {
            self.start_detaching(no, group);
        }
        Ok(Reply::Done)
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
