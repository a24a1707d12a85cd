//! The promises (their table is in the README), checked against what is true in the world after every effect.
//!
//! A `Watch` stands around each effect: it notes before what the effect is about to touch, and after it what it has done. A
//! broken promise becomes a [`Violation`]; nothing here panics. What nobody can ask AWS for, but the promises speak of, is
//! kept in the `Ledger`: which hosts workers detached, which ones people set aside, who was lost to whom, and when.
//!
//! | promise | checked |
//! |---|---|
//! | 1 no task is interrupted | at each terminate or deregister of a host that runs: every task on it is STOPPED |
//! | 2 budget | after each effect: hosts in flight (ours by tag, and out of their group), per group and cluster, against the largest desired capacity of the last minute |
//! | 3 capacity | after each effect that took an ACTIVE host out of service: those that are left, and those that others took within the grace, are as many as desired |
//! | 4 no orphans | tag before detach; at the end: every detached host is gone, a member again, or named by a hold |
//! | 5 hands off | at each effect: nothing that has not opted in, and no host that a person set aside |
//! | 6 one version | after each new template version: it is the first one for this image, and differs in it only |
//! | 7 it ends | no current host is taken; nothing outdated is left at a close; closed or held at the end |
//! | 10 rejected | at each write, and each detach: no group shall launch what it has rejected |
//! | 11 observe | at each call that reaches AWS, done or not: it changes nothing, if a worker made it that only observes |
//!
//! A worker learns late of what others do, and cannot be blamed for it: the *grace* ([`super::faults::Faults::grace`]) is how
//! long it may be in error. Promise 3 counts the hosts that died or were taken by people within the grace as if they still
//! served, promise 5 knows a host as set aside only when the grace is over, and promise 7 calls a host current when its
//! image has been the release for as long. A connection lost by an agent is not a loss of capacity here: its tasks go on.

use super::ledger::Violation;
mod checks;
mod ending;
mod ledger;
mod moves;
mod releases;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use super::timeline::Happening;
use super::world::{HostNo, World};
use crate::effect::{ContainerInstanceStatus, Lifecycle, Request};
use crate::engine::Mode;
use crate::id::{AmiId, GroupName, TemplateId};

/// Stands around one effect.
pub(super) struct Watch {
    /// What is broken if the effect succeeds.
    concerns: Vec<(u8, String)>,
    serving: BTreeMap<GroupName, u32>,
    in_use: InUse,
    /// What each group launches.
    launches: Launches,
    /// Hosts that were no members in detachment before.
    attached: BTreeSet<HostNo>,
}

impl Watch {
    pub(super) fn before(world: &World, request: &Request) -> Self {
        Self {
            concerns: world.concerns(request),
            serving: if world.takes_hosts(request) { world.serving_beside(request) } else { BTreeMap::new() },
            in_use: if changes_templates(request) { world.templates_in_use() } else { BTreeMap::new() },
            launches: if changes_launches(request) { world.launches() } else { BTreeMap::new() },
            attached: if let Request::DetachInstances { instances, .. } = request {
                instances.iter().filter_map(HostNo::of_instance).filter(|no| !world.is_detaching(*no)).collect()
            } else {
                BTreeSet::new()
            },
        }
    }

    pub(super) fn after(self, world: &mut World, request: &Request, done: bool) {
        if !done {
            return;
        }
        for (promise, what) in self.concerns {
            world.violated(promise, what);
        }
        for no in self.attached.into_iter().filter(|no| world.is_detaching(*no)).collect::<Vec<_>>() {
            world.note_detached(no);
        }
        world.check_budget();
        for (group, before) in self.serving {
            world.check_capacity(&group, before);
        }
        if changes_launches(request) {
            world.check_launches(&self.launches);
        }
        if changes_templates(request) {
            world.check_versions(request);
            world.note_templates(&self.in_use);
        }
    }
}

fn changes_templates(request: &Request) -> bool {
    matches!(
        request,
        Request::CreateLaunchTemplateVersion { .. }
            | Request::ModifyLaunchTemplate { .. }
            | Request::UpdateAutoScalingGroup { .. }
    )
}

fn changes_launches(request: &Request) -> bool {
    changes_templates(request) || matches!(request, Request::PutParameter { .. })
}

impl World {
    fn violated(&mut self, promise: u8, what: String) {
        let violation = Violation { at: self.now(), promise, what };
        self.ledger.violations.push(violation);
    }

    /// Promise 11.
    pub(super) fn check_mode(&mut self, mode: Mode, request: &Request) {
        if request.is_effect() && !mode.changes() {
            self.violated(11, format!("{} by a worker that only observes", request.operation()));
        }
    }

    fn is_detaching(&self, no: HostNo) -> bool {
        self.account.host(no).is_some_and(|host| host.member == Some(Lifecycle::Detaching))
    }

    fn takes_hosts(&self, request: &Request) -> bool {
        if let Request::UpdateContainerInstancesState { status, .. } = request {
            return *status == ContainerInstanceStatus::Draining && !self.drains_at_once();
        }
        matches!(
            request,
            Request::DeregisterContainerInstance { .. }
                | Request::TerminateInstances { .. }
                | Request::TerminateInstanceInAutoScalingGroup { .. }
        )
    }

    /// What each group launches now: the version in use of each template it names, with its image as the template says.
    fn templates_in_use(&self) -> InUse {
        let in_use = self.account.groups.values().flat_map(|group| {
            group.launch.templates().into_iter().filter_map(|spec| {
                let version = self.account.templates.get(&spec.template)?.resolve(spec.rule)?;
                Some(((group.name.clone(), spec.template.clone()), (version.number, version.image.clone())))
            })
        });
        in_use.collect()
    }

    fn note_templates(&mut self, before: &InUse) {
        for ((group, template), (version, image)) in self.templates_in_use() {
            if before.get(&(group.clone(), template.clone())) != Some(&(version, image)) {
                self.note(Happening::TemplateInUse { group, template, version });
            }
        }
    }
}

type Launches = BTreeMap<GroupName, BTreeSet<AmiId>>;
type InUse = BTreeMap<(GroupName, TemplateId), (u64, String)>;
