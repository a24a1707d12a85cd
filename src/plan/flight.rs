//! The next step of every host in flight.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};

use super::groups::plan_reconnection;
use super::hold::{Problem, in_words};
use super::host::{DrainStep, Phase, READS_LAG, drain_step};
use super::model::{GroupView, Host, Look, Strength, TaskWatch};
use super::policy::DrainWhen;
use super::release::{Release, Resolution};
use super::tags::{Ours, RotationState};
use super::{Act, Context, Plan, Wait, WaitsFor, earlier};
use crate::effect::{ContainerInstanceStatus, Lifecycle};
use crate::id::{AmiId, GroupName, InstanceId};

/// An instance can be registered while its group still has it as pending (a lifecycle hook, a health check), and no event
/// of ours tells when that ends: so often it is looked at then.
pub const LIFECYCLE_LAG: SignedDuration = SignedDuration::from_secs(15);

/// After AWS refused a call about a host (it is on its way somewhere else, or what we read was old), it is left alone this
/// long.
const REFUSED_FOR: SignedDuration = SignedDuration::from_secs(30);

/// How long after its tag a host may be detached without a new one.
const CLAIM_GOOD_FOR: SignedDuration = SignedDuration::from_secs(60);

/// Acts that may be done in one call with others of their kind.
#[derive(Default)]
struct Batches {
    claim: BTreeMap<GroupName, BTreeSet<InstanceId>>,
    detach: BTreeMap<GroupName, BTreeSet<InstanceId>>,
    mark: BTreeSet<InstanceId>,
    drain: BTreeSet<InstanceId>,
    terminate: BTreeSet<InstanceId>,
    no_replacement: BTreeMap<GroupName, BTreeSet<InstanceId>>,
}

pub fn plan_hosts_in_flight(context: &Context<'_>, plan: &mut Plan) {
    let (view, now) = (context.view, context.now);
    let mut batches = Batches::default();
    let phases = plan.phases.clone();
    for (id, phase) in &phases {
        let Some(host) = view.hosts.get(id) else { continue };
        let Some(ours) = &host.ours else { continue };
        if let Some(why) = &host.problem {
            plan.problems.insert(Problem::HostRefused { host: id.clone(), why: why.clone() });
            continue;
        }
        if let Some(again) = host.refused.map(|refused| refused + REFUSED_FOR).filter(|again| now < *again) {
            plan.look_again = earlier(plan.look_again, Some(again));
            continue;
        }
        match phase {
            Phase::Leaving => context.leaving(id, ours, &mut batches, plan),
            Phase::Replacing => context.replacing(id, host, ours, &mut batches, plan),
            Phase::Draining => context.draining(id, host, plan),
            Phase::Drained => plan.acts.push(Act::Deregister { host: id.clone() }),
            Phase::Retired => context.retired(id, host, &mut batches, plan),
            Phase::Gone | Phase::SetAside | Phase::Outdated | Phase::Current | Phase::Foreign => {}
        }
    }
    context.finish(batches, plan);
}

impl Context<'_> {
    fn leaving(&self, id: &InstanceId, ours: &Ours, batches: &mut Batches, plan: &mut Plan) {
        let Some((group, member)) = self.memberships.get(id).copied() else { return };
        let Some(facts) = self.view.groups.get(group) else { return };
        // Held: it is still in its group and takes tasks, so it is safest where it is.
        let held = self.view.rotation.as_ref().is_some_and(|rotation| rotation.state == RotationState::Held);
        match member.lifecycle {
            Lifecycle::InService | Lifecycle::Standby if facts.launches_suspended() => {
                let timeout = self.replacement_timeout(group);
                self.wait(id, WaitsFor::Launches, ours.since, timeout, plan, |after| Problem::GroupBlocked {
                    group: group.clone(),
                    why: format!("launches are suspended and {id} waits to be detached"),
                    after,
                });
            }
            // The wait for the replacement counts from the tag: one that is old by now is written anew first.
            Lifecycle::InService | Lifecycle::Standby if !held && self.now > ours.since + CLAIM_GOOD_FOR => {
                batches.claim.entry(group.clone()).or_default().insert(id.clone());
            }
            Lifecycle::InService | Lifecycle::Standby if !held => {
                batches.detach.entry(group.clone()).or_default().insert(id.clone());
            }
            Lifecycle::InService | Lifecycle::Standby => {}
            // On its way somewhere, and no event of ours tells when it has arrived.
            Lifecycle::Pending | Lifecycle::Terminating | Lifecycle::Detaching | Lifecycle::Other => {
                self.look_once(Look::Group(group.clone()), plan);
            }
        }
    }

    fn replacing(&self, id: &InstanceId, host: &Host, ours: &Ours, batches: &mut Batches, plan: &mut Plan) {
        match host.status() {
            Some(ContainerInstanceStatus::Active) => {}
            Some(_) | None => {
                // Not asked, or between two statuses: ask once, then leave it to the next wake.
                self.look_once(Look::Host(id.clone()), plan);
                return;
            }
        }
        match self.may_drain(&ours.group, plan) {
            Some(true) if host.draining_since.is_none() => {
                batches.mark.insert(id.clone());
            }
            Some(true) => {
                batches.drain.insert(id.clone());
            }
            Some(false) => {
                let base = self.since(ours.since);
                let timeout = self.replacement_timeout(&ours.group);
                if self.now < base + timeout {
                    self.note(id, WaitsFor::Replacement, base, base + timeout, plan);
                } else {
                    batches.no_replacement.entry(ours.group.clone()).or_default().insert(id.clone());
                }
            }
            None => {}
        }
    }

    /// Is the group whole without this host? None: a look is needed first, or a problem stands against it.
    fn may_drain(&self, name: &GroupName, plan: &mut Plan) -> Option<bool> {
        let fresh = self.view.is_fresh(&Look::Group(name.clone()), self.now);
        let Some(group) = self.view.groups.get(name) else {
            // A group that is no more wants no replacement.
            return if fresh { Some(true) } else { self.look_once(Look::Group(name.clone()), plan) };
        };
        if group.policy.drain == DrainWhen::AtOnce {
            return Some(true);
        }
        let Strength { ready, registered } = self.strength(name);
        if registered < group.facts.desired {
            plan_reconnection(self, name, group, plan);
            return Some(false);
        }
        if !fresh {
            return self.look_once(Look::Group(name.clone()), plan);
        }
        if ready < group.facts.desired {
            plan.look_again = earlier(plan.look_again, Some(self.now + LIFECYCLE_LAG));
            return Some(false);
        }
        self.runs_the_release(name, group, plan).then_some(true)
    }

    /// Do the members that came after a detach run what the template says? If not, that is a problem: a warm pool, an image
    /// of their own. A host is only detached when its release is in use, so for the hosts that were claimed under the
    /// version now in use whatever came after them must run it; what came before it had another template.
    fn runs_the_release(&self, name: &GroupName, group: &GroupView, plan: &mut Plan) -> bool {
        let Some(Resolution::Resolved(release)) = self.resolutions.get(name) else { return true };
        let mut waiting = self.replacing_hosts(name);
        waiting.retain(|_, since| *since >= release.since());
        let Some(after) = waiting.values().min().copied().filter(|_| release.is_in_use()) else { return true };
        for member in &group.facts.members {
            let Some(host) = self.view.hosts.get(&member.id) else { continue };
            let came_after = host.launched().is_some_and(|launched| launched >= after);
            let on_release = host.image().is_some_and(|image| release.images.contains(image));
            if !came_after || on_release || !host.serves(self.now) {
                continue;
            }
            // The agent's registration is later than the launch: EC2 knows better.
            let look = Look::Instance(member.id.clone());
            if host.ec2.here().is_none() && !self.view.has_looked(&look) {
                plan.looks.insert(look);
                return false;
            }
            let Some(image) = host.image().cloned() else { continue };
            plan.problems.insert(wrong_image(name, &member.id, image, release, waiting.keys().cloned().collect()));
            return false;
        }
        true
    }

    fn replacing_hosts(&self, group: &GroupName) -> BTreeMap<InstanceId, Timestamp> {
        self.view
            .hosts
            .iter()
            .filter_map(|(id, host)| Some((id, host, host.ours.as_ref()?)))
            .filter(|(_, host, ours)| ours.group == *group && host.status() == Some(ContainerInstanceStatus::Active))
            .filter(|(id, _, _)| !self.memberships.contains_key(id))
            .map(|(id, _, ours)| (id.clone(), ours.since))
            .collect()
    }

    fn draining(&self, id: &InstanceId, host: &Host, plan: &mut Plan) {
        match drain_step(self.view, id, host, self.now) {
            DrainStep::Look(looks) => plan.looks.extend(looks),
            DrainStep::Wait(again) => plan.look_again = earlier(plan.look_again, again),
        }
        let group = host.ours.as_ref().and_then(|ours| self.view.groups.get(&ours.group));
        let timeout = group.map_or(self.policy.drain_timeout, |group| group.policy.drain_timeout);
        let Some(since) = host.draining_since.or(host.watch.as_ref().map(|watch| watch.since)) else { return };
        let stopping = host.watch.as_ref().map_or(0, |watch| TaskWatch::left(watch).count());
        let tasks = if host.tasks_to_run() > 0 { host.tasks_to_run() as usize } else { stopping };
        self.wait(id, WaitsFor::LastTask, since, timeout, plan, |after| Problem::DrainOverdue {
            host: id.clone(),
            after,
            tasks,
        });
    }

    /// The container instance is gone; EC2 still runs. Looked at again in this pass, then ended. Where it was not we who
    /// deregistered it, two looks must agree: one that lags behind does not see an agent that has only just registered.
    fn retired(&self, id: &InstanceId, host: &Host, batches: &mut Batches, plan: &mut Plan) {
        let settled = host.missing_since.map(|since| since + READS_LAG);
        let looked = self.view.is_fresh(&Look::Host(id.clone()), self.now);
        if looked && (host.deregistered || settled.is_some_and(|at| self.now >= at)) {
            batches.terminate.insert(id.clone());
        } else if looked {
            plan.look_again = earlier(plan.look_again, settled);
        } else {
            plan.looks.insert(Look::Host(id.clone()));
        }
    }

    /// A wait with an end: noted while it lasts, a problem afterwards.
    fn wait(
        &self,
        id: &InstanceId,
        waits_for: WaitsFor,
        since: Timestamp,
        timeout: SignedDuration,
        plan: &mut Plan,
        problem: impl FnOnce(String) -> Problem,
    ) {
        let since = self.since(since);
        if self.now < since + timeout {
            self.note(id, waits_for, since, since + timeout, plan);
        } else {
            plan.problems.insert(problem(in_words(timeout)));
        }
    }

    fn note(&self, id: &InstanceId, waits_for: WaitsFor, since: Timestamp, until: Timestamp, plan: &mut Plan) {
        plan.look_again = earlier(plan.look_again, Some(until));
        plan.waits.push(Wait { host: id.clone(), waits_for, since, until });
    }

    /// A wait begins anew when a person lets a held rotation go on: otherwise it would be held again at once. It does not
    /// begin anew with the hold itself.
    fn since(&self, since: Timestamp) -> Timestamp {
        let rotation = self.view.rotation.as_ref().filter(|rotation| rotation.state != RotationState::Held);
        rotation.map_or(since, |rotation| since.max(rotation.since))
    }

    fn replacement_timeout(&self, name: &GroupName) -> SignedDuration {
        let policy = self.view.groups.get(name).map_or(self.policy, |group| &group.policy);
        match self.resolutions.get(name) {
            Some(Resolution::Resolved(release)) if release.windows() => policy.replacement_timeout_windows,
            Some(_) | None => policy.replacement_timeout,
        }
    }

    /// Looks in this pass, and if that does not help, again a little later.
    fn look_once(&self, look: Look, plan: &mut Plan) -> Option<bool> {
        if self.view.is_fresh(&look, self.now) {
            plan.look_again = earlier(plan.look_again, Some(self.now + LIFECYCLE_LAG));
        } else {
            plan.looks.insert(look);
        }
        None
    }

    fn finish(&self, batches: Batches, plan: &mut Plan) {
        for (group, hosts) in batches.no_replacement {
            let after = in_words(self.replacement_timeout(&group));
            plan.problems.insert(Problem::NoReplacement { group, hosts, after });
        }
        plan.acts.extend(batches.claim.into_iter().map(|(group, hosts)| Act::Claim { group, hosts }));
        plan.acts.extend(batches.detach.into_iter().map(|(group, hosts)| Act::Detach { group, hosts }));
        let acts = [
            (batches.mark, (|hosts| Act::MarkDraining { hosts }) as fn(BTreeSet<InstanceId>) -> Act),
            (batches.drain, |hosts| Act::Drain { hosts }),
            (batches.terminate, |hosts| Act::Terminate { hosts }),
        ];
        plan.acts.extend(acts.into_iter().filter(|(hosts, _)| !hosts.is_empty()).map(|(hosts, act)| act(hosts)));
    }
}

fn wrong_image(
    group: &GroupName,
    host: &InstanceId,
    image: AmiId,
    release: &Release<'_>,
    waiting: BTreeSet<InstanceId>,
) -> Problem {
    let release = release.images.iter().map(AmiId::as_str).collect::<Vec<_>>().join(" or ");
    Problem::WrongImage { group: group.clone(), host: host.clone(), image, release, waiting }
}
