//! The way back: a host that was taken returns to its group, and a replacement goes in its stead.
//!
//! A host goes back when the image that was to replace it failed, when a person aborts the rotation before it drains, and when
//! its drain is given up. Attaching it raises the group's desired capacity by one, so a replacement goes *with* decrementing:
//! one that never registered is ended through the group; one that did is tagged as ours, detached, and then takes the way of
//! every host: it is drained before it is terminated. In the end the desired capacity is what it was.
//!
//! ```text
//!  leaving ──▶ let go
//!  replacing, draining ──▶ returning: ACTIVE again ──▶ attached ──▶ the other out ──▶ let go
//!                                  (where the group is full: the other out ──▶ attached)
//! ```
//!
//! Who goes in whose stead is written on the host first; then it is made ACTIVE, whether it is known to drain or not. Whether that has been done is read off the group: whether the other
//! is a member, and how many are desired.

use std::collections::BTreeSet;

use jiff::Timestamp;

use super::act::Act;
use super::admission::{is_known_to_let_go, may_be_let_go_from};
use super::blocking::is_left_alone;
use super::canary::unknown;
use super::context::Context;
use super::flight::Batches;
use super::host::Phase;
use super::ladder::given_up;
use super::model::{GroupView, Host, Look, Seen};
use super::output::{Plan, WaitsFor};
use super::problem::Problem;
use super::release::Resolution;
use super::rotation::{GiveBack, Ours, RotationState};
use super::timing::{CLAIM_GOOD_FOR, READS_LAG, earlier};
use crate::effect::{ContainerInstanceStatus, Lifecycle};
use crate::id::{GroupName, InstanceId};

/// Why a host goes back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Because {
    /// What was to replace it failed.
    Failed,
    Aborted,
    GivenUp,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Attachable {
    Yes,
    No,
    Lacks(Look),
}

impl Context<'_> {
    /// Sends a host back that shall go back, if it can; false: it goes on as if nobody had wanted that.
    pub(super) fn sends_back(
        &self,
        id: &InstanceId,
        host: &Host,
        ours: &Ours,
        phase: Phase,
        batches: &mut Batches,
        plan: &mut Plan,
    ) -> bool {
        let (Some(because), Some(group)) = (self.goes_back(host, ours, phase), self.view.groups.get(&ours.group))
        else {
            return false;
        };
        if !group.is_ours_to_touch() || self.stands_in(id) {
            return false;
        }
        match phase {
            Phase::Leaving => self.stays(id, ours, batches, plan),
            // All it has left is on its way out: soon it has gone.
            Phase::Draining if host.tasks_to_run() == 0 => false,
            Phase::Replacing | Phase::Draining => {
                if let Some(after) = group.policy.ladder.give_up_after.filter(|_| because == Because::GivenUp) {
                    plan.problems.insert(given_up(id, after));
                }
                self.finds_another(id, host, ours, group, because, batches, plan)
            }
            Phase::Gone
            | Phase::Retired
            | Phase::Ending
            | Phase::SetAside
            | Phase::Returning
            | Phase::Drained
            | Phase::Outdated
            | Phase::Unknown
            | Phase::Behind
            | Phase::Current
            | Phase::Foreign => false,
        }
    }

    fn goes_back(&self, host: &Host, ours: &Ours, phase: Phase) -> Option<Because> {
        let rotation = self.view.rotation.as_ref()?;
        let group = self.view.groups.get(&ours.group)?;
        // One that runs what failed is not to come back.
        let failed = host.image().is_some_and(|image| group.source.rejected.contains(image));
        if self.failed_since(ours).is_some() && !failed {
            return Some(Because::Failed);
        }
        if rotation.state != RotationState::Held {
            return None;
        }
        if phase != Phase::Draining {
            return self.view.hold.as_ref().is_some_and(|hold| hold.aborted).then_some(Because::Aborted);
        }
        let after = group.policy.ladder.give_up_after?;
        let since = host.draining_since.or(host.watch.as_ref().map(|watch| watch.since))?;
        (self.now >= since + after).then_some(Because::GivenUp)
    }

    /// Does it go in another's stead?
    pub(super) fn stands_in(&self, id: &InstanceId) -> bool {
        self.stand_ins.contains(id)
    }

    /// It has been tagged and not detached. Another worker may be about to detach it: it is let go once none can be any more.
    pub(super) fn stays(&self, id: &InstanceId, ours: &Ours, batches: &mut Batches, plan: &mut Plan) -> bool {
        let soonest = may_be_let_go_from(ours);
        if self.now < soonest {
            plan.look_again = earlier(plan.look_again, Some(soonest));
            return true;
        }
        // The cluster too: a rotation may have been opened, or go on, and the host may be claimed for it.
        let looks = [Look::Cluster, Look::Group(ours.group.clone()), Look::Instance(id.clone())];
        let stale: Vec<Look> =
            looks.into_iter().filter(|look| !is_known_to_let_go(self.view, ours, look, self.now)).collect();
        if stale.is_empty() {
            return self.lets_go(id, &mut batches.let_go);
        }
        plan.looks.extend(stale);
        true
    }

    fn lets_go(&self, id: &InstanceId, let_go: &mut BTreeSet<InstanceId>) -> bool {
        let lifecycle = self.memberships.get(id).map(|(_, member)| member.lifecycle);
        let stays = matches!(lifecycle, Some(Lifecycle::InService | Lifecycle::Standby));
        if stays {
            let_go.insert(id.clone());
        }
        stays
    }

    #[expect(clippy::too_many_arguments, reason = "what is known of one host")]
    fn finds_another(
        &self,
        id: &InstanceId,
        host: &Host,
        ours: &Ours,
        group: &GroupView,
        because: Because,
        batches: &mut Batches,
        plan: &mut Plan,
    ) -> bool {
        let look = Look::Group(ours.group.clone());
        if !self.view.is_fresh(&look, self.now) {
            plan.looks.insert(look);
            return true;
        }
        let tenants = [Look::Services, Look::AllTasks].into_iter().filter(|look| !self.view.has_looked(look));
        let lacks: BTreeSet<Look> = unknown(self, &ours.group).into_iter().chain(tenants).collect();
        if !lacks.is_empty() {
            plan.looks.extend(lacks);
            return true;
        }
        let stays_out = match self.may_be_attached(host, group) {
            Attachable::Lacks(look) => {
                plan.looks.insert(look);
                return true;
            }
            // AWS would refuse it: it goes its way, once the group is whole.
            Attachable::No if because != Because::GivenUp => return false,
            Attachable::No => true,
            Attachable::Yes => false,
        };
        // Where members are weighted, one for one is not one for one.
        let counts = group.facts.launch.least_weight().is_none();
        let connected = host.is_connected(self.now);
        if !connected && because != Because::GivenUp {
            return false;
        }
        // For a host that takes no tasks nobody goes.
        let another =
            self.another(ours, group, because, &batches.stand_ins).filter(|_| counts && connected && !stays_out);
        let has_room = group.facts.desired < group.facts.max || group.facts.desired > group.facts.min;
        let give_back = |instead| GiveBack { at: self.now, desired: group.facts.desired, instead };
        match another {
            Some(another) if has_room => {
                batches.stand_ins.insert(another.clone());
                plan.acts.push(Act::GiveBack { host: id.clone(), give_back: give_back(Some(another)) });
                true
            }
            // A group of a fixed size: what never registered makes room for one on the image of before, and then the host
            // can go its way.
            Some(another)
                if because == Because::Failed
                    && self.never_registered(&another)
                    && self.launches_the_release(&ours.group) =>
            {
                batches.stand_ins.insert(another.clone());
                self.ends(&ours.group, &another, false, plan);
                true
            }
            Some(_) | None
                if because == Because::GivenUp && host.status() == Some(ContainerInstanceStatus::Draining) =>
            {
                plan.acts.push(Act::GiveBack { host: id.clone(), give_back: give_back(None) });
                true
            }
            Some(_) | None => false,
        }
    }

    /// Would AWS attach it? Not where its image is gone, or its zone is not one of the group's.
    fn may_be_attached(&self, host: &Host, group: &GroupView) -> Attachable {
        let zones = &group.facts.zones;
        if !zones.is_empty() && host.zone().is_some_and(|zone| !zones.contains(zone)) {
            return Attachable::No;
        }
        let Some(image) = host.image() else { return Attachable::Yes };
        let look = Look::Image(image.clone());
        match self.view.images.get(image) {
            Some(Seen::Missing) => Attachable::No,
            Some(Seen::Here(_)) => Attachable::Yes,
            Some(Seen::Unknown) | None if self.view.has_looked(&look) => Attachable::Yes,
            Some(Seen::Unknown) | None => Attachable::Lacks(look),
        }
    }

    /// The youngest member that came after the host was taken and can be done without: it never registered, or its image has
    /// failed, or it has no tasks but daemons.
    fn another(
        &self,
        ours: &Ours,
        group: &GroupView,
        because: Because,
        taken: &BTreeSet<InstanceId>,
    ) -> Option<InstanceId> {
        let members = group.facts.members.iter();
        let there = members.filter(|member| member.lifecycle.fills_a_place());
        let free = there.filter(|member| !self.stands_in(&member.id) && !taken.contains(&member.id));
        let hosts = free.filter_map(|member| self.view.hosts.get_key_value(&member.id));
        let timeout = self.replacement_timeout(&ours.group);
        let can_go = hosts.filter_map(|(id, host)| {
            let failed = host.image().is_some_and(|image| group.source.rejected.contains(image));
            // A tag may have been written twice, and the second time a little later.
            let launched = host.launched().filter(|at| failed || *at + CLAIM_GOOD_FOR >= ours.since)?;
            if host.ours.is_some() {
                return None;
            }
            let rank = if self.never_registered(id) {
                let overdue = self.now >= launched + timeout || (because == Because::Failed && failed);
                overdue.then_some(3)
            } else if host.container.here().is_none() {
                None
            } else if failed {
                Some(if host.serves(self.now) { 1 } else { 2 })
            } else {
                // One of before that came instead of what failed is wanted: then the host can go its way.
                (because != Because::Failed && self.is_idle(host)).then_some(0)
            };
            Some((rank?, launched, id))
        });
        can_go.max().map(|(_, _, id)| id.clone())
    }

    /// Has it no tasks to run but daemons?
    fn is_idle(&self, host: &Host) -> bool {
        let Some(container) = host.container.here() else { return false };
        let tenants = &self.view.tenants;
        let daemon = |group: &str| {
            let name = group.strip_prefix("service:");
            tenants.services.iter().any(|service| service.daemon && Some(service.name.as_str()) == name)
        };
        let here = tenants.tasks.iter().filter(|task| {
            task.container_instance.as_ref().is_some_and(|arn| arn.id() == container.arn.id()) && daemon(&task.group)
        });
        u32::try_from(here.count()).unwrap_or(u32::MAX) >= host.tasks_to_run()
    }

    fn never_registered(&self, id: &InstanceId) -> bool {
        self.view.hosts.get(id).is_some_and(|host| host.container == Seen::Missing)
    }

    /// Is what the group launches now its release?
    fn launches_the_release(&self, group: &GroupName) -> bool {
        matches!(self.resolutions.get(group), Some(Resolution::Resolved(release)) if release.is_in_use())
    }

    /// The next step of a host on its way back.
    pub(super) fn returning(&self, id: &InstanceId, host: &Host, ours: &Ours, batches: &mut Batches, plan: &mut Plan) {
        let Some(give_back) = &host.give_back else { return };
        // Said once in any case: a read that lags behind may not show the drain that we have asked for ourselves.
        if host.status() == Some(ContainerInstanceStatus::Draining) || !host.activated {
            batches.activate.insert(id.clone());
            return;
        }
        let Some(instead) = &give_back.instead else {
            self.stays_out(id, give_back, plan);
            return;
        };
        // Another worker may have chosen somebody else at the same time: what stands on the host is what is done.
        let settled = give_back.at + READS_LAG;
        if self.now < settled {
            plan.look_again = earlier(plan.look_again, Some(settled));
            return;
        }
        // And it may drain after all, by one that had not heard of it.
        let looks = [Look::Instance(id.clone()), Look::Host(id.clone()), Look::Group(ours.group.clone())];
        let stale: Vec<Look> = looks.into_iter().filter(|look| !self.view.is_fresh(look, self.now)).collect();
        if !stale.is_empty() {
            plan.looks.extend(stale);
            return;
        }
        let Some(group) = self.view.groups.get(&ours.group) else {
            plan.acts.push(Act::Keep { host: id.clone() });
            return;
        };
        if !group.is_ours_to_touch() {
            let why = format!("{} has opted out, or does not belong to this cluster any more", ours.group);
            plan.problems.insert(Problem::NotGivenBack { host: id.clone(), why });
            return;
        }
        let is_there = |id: &InstanceId| {
            let lifecycle = self.memberships.get(id).filter(|(of, _)| **of == ours.group).map(|(_, m)| m.lifecycle);
            lifecycle.is_some_and(|at| at.fills_a_place() || at == Lifecycle::Standby)
        };
        let (desired, room) = (group.facts.desired, group.facts.desired < group.facts.max);
        match (self.memberships.contains_key(id), is_there(instead)) {
            // It is back, and is let go of once that is seen again: what it waits for is us.
            (true, false) => return self.is_back(id, host, give_back, batches, plan),
            (true, true) if desired > give_back.desired => self.takes_out(&ours.group, instead, batches, plan),
            // Somebody has taken one out already.
            (true, true) => return self.is_back(id, host, give_back, batches, plan),
            // It was thought that it can be: it goes its way.
            (false, _) if self.may_be_attached(host, group) == Attachable::No => {
                plan.acts.push(Act::Keep { host: id.clone() });
                return;
            }
            (false, true) if room => attaches(&ours.group, id, plan),
            (false, true) => self.takes_out(&ours.group, instead, batches, plan),
            (false, false) if desired < give_back.desired => attaches(&ours.group, id, plan),
            // It has gone by itself, and the group launches another: to be thought over.
            (false, false) => plan.acts.push(Act::Keep { host: id.clone() }),
        }
        let timeout = self.replacement_timeout(&ours.group);
        self.wait(id, WaitsFor::Return, give_back.at, timeout, plan, |after| Problem::NotGivenBack {
            host: id.clone(),
            why: format!("{instead} is to leave {} in its stead, and has not in {after}", ours.group),
        });
    }

    /// Back in its group, and the other is out of it. Let go when a look that cannot be old says that it is ACTIVE: another
    /// worker may have drained it before it could know.
    fn is_back(&self, id: &InstanceId, host: &Host, give_back: &GiveBack, batches: &mut Batches, plan: &mut Plan) {
        let soonest = give_back.at.max(host.attached.unwrap_or(give_back.at)) + READS_LAG * 2;
        let look = Look::Host(id.clone());
        if self.now < soonest {
            plan.look_again = earlier(plan.look_again, Some(soonest));
        } else if !self.view.is_fresh(&look, self.now) {
            plan.looks.insert(look);
        } else {
            self.lets_go(id, &mut batches.let_go);
        }
    }

    /// There is nobody to go in its stead. Once a person lets the rotation go on, it goes its way again.
    fn stays_out(&self, id: &InstanceId, give_back: &GiveBack, plan: &mut Plan) {
        let goes_on = self.view.rotation.as_ref().filter(|rotation| rotation.state != RotationState::Held);
        if goes_on.is_some_and(|rotation| rotation.since > give_back.at) {
            plan.acts.push(Act::Keep { host: id.clone() });
            return;
        }
        let why = "no replacement can be done without, and its desired capacity would be one more. it stays ACTIVE";
        plan.problems.insert(Problem::NotGivenBack { host: id.clone(), why: why.to_owned() });
    }

    /// One that never registered is ended; one that did goes the way of every host.
    fn takes_out(&self, group: &GroupName, instead: &InstanceId, batches: &mut Batches, plan: &mut Plan) {
        let Some(host) = self.view.hosts.get(instead) else { return };
        if is_left_alone(instead, host, self.now, plan) {
            return;
        }
        let look = Look::Host(instead.clone());
        if !self.view.is_fresh(&look, self.now) {
            plan.looks.insert(look);
            return;
        }
        let lifecycle = self.memberships.get(instead).map(|(_, member)| member.lifecycle);
        match (&host.container, lifecycle) {
            (Seen::Missing, _) => self.ends(group, instead, true, plan),
            // It can be detached only when it is in service.
            (Seen::Here(_), Some(Lifecycle::InService | Lifecycle::Standby)) if host.ours.is_some() => {
                batches.detach_less.entry(group.clone()).or_default().insert(instead.clone());
            }
            (Seen::Here(_), Some(Lifecycle::InService | Lifecycle::Standby)) => {
                batches.claim.entry(group.clone()).or_default().insert(instead.clone());
            }
            (Seen::Here(_) | Seen::Unknown, _) => _ = self.look_once(Look::Group(group.clone()), plan),
        }
    }

    /// Ends a member that never registered: two looks some time apart must agree on that.
    fn ends(&self, group: &GroupName, host: &InstanceId, decrement: bool, plan: &mut Plan) {
        let Some(known) = self.view.hosts.get(host) else { return };
        if is_left_alone(host, known, self.now, plan) {
            return;
        }
        let look = Look::Host(host.clone());
        if !self.view.is_fresh(&look, self.now) {
            plan.looks.insert(look);
            return;
        }
        // One that may still register would get tasks between the last look and its end.
        let in_time = known.launched().map(|launched| launched + self.replacement_timeout(group));
        if let Some(until) = in_time.filter(|until| self.now < *until) {
            plan.look_again = earlier(plan.look_again, Some(until));
            return;
        }
        match known.missing_since.map(|since| since + READS_LAG) {
            Some(settled) if self.now >= settled => {
                plan.acts.push(Act::End { group: group.clone(), host: host.clone(), decrement });
            }
            settled => plan.look_again = earlier(plan.look_again, settled.or(Some(self.later()))),
        }
    }

    fn later(&self) -> Timestamp {
        self.now + READS_LAG
    }
}

fn attaches(group: &GroupName, id: &InstanceId, plan: &mut Plan) {
    plan.acts.push(Act::Attach { group: group.clone(), hosts: BTreeSet::from([id.clone()]) });
}
