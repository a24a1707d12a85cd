//! The next step of every host in flight.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};

use super::act::Act;
use super::blocking::{is_left_alone, plan_reconnection};
use super::canary::{
    Dead, FailedLaunch, LaunchFailure, last_launch_failed, never_registered, new_images, reject, unknown,
};
use super::context::Context;
use super::drain_report::Blockers;
use super::host::{DrainStep, MemberHost, Phase, drain_step};
use super::model::{Host, Look, Strength, TaskWatch};
use super::output::{Plan, Wait, WaitsFor};
use super::policy::DrainWhen;
use super::problem::{BlockedKind, Problem};
use super::release::{Release, Resolution};
use super::rotation::{Ours, RotationState};
use super::stall;
use super::timing::{ACTIVITIES_GOOD_FOR, CLAIM_GOOD_FOR, LIFECYCLE_LAG, READS_LAG, earlier, in_words};
use crate::effect::{ContainerInstanceStatus, Lifecycle};
use crate::id::{AmiId, GroupName, InstanceId};

/// Acts that may be done in one call with others of their kind.
#[derive(Default)]
pub(super) struct Batches {
    pub(super) claim: BTreeMap<GroupName, BTreeSet<InstanceId>>,
    /// No replacement is wanted for them.
    pub(super) detach_less: BTreeMap<GroupName, BTreeSet<InstanceId>>,
    pub(super) activate: BTreeSet<InstanceId>,
    pub(super) let_go: BTreeSet<InstanceId>,
    /// Replacements that have just been chosen to go in another's stead.
    pub(super) stand_ins: BTreeSet<InstanceId>,
    may_drain: BTreeMap<GroupName, Option<bool>>,
    mark: BTreeSet<InstanceId>,
    drain: BTreeSet<InstanceId>,
    no_replacement: BTreeMap<GroupName, BTreeSet<InstanceId>>,
    /// What a group says of its last launch.
    why: BTreeMap<GroupName, String>,
    pub(super) terminate: BTreeSet<InstanceId>,
}

pub fn plan_hosts_in_flight(context: &Context<'_>, plan: &mut Plan) {
    let (view, now) = (context.view, context.now);
    let mut batches = Batches::default();
    for (id, host) in &view.hosts {
        let Some(phase) = plan.phases.get(id).copied() else { continue };
        // Whether it is ours or not: it may be the claim that was refused, or the end of one that stands in.
        if is_left_alone(id, host, now, plan) {
            continue;
        }
        let Some(ours) = &host.ours else { continue };
        if context.sends_back(id, host, ours, phase, &mut batches, plan) {
            continue;
        }
        match phase {
            Phase::Returning => context.returning(id, host, ours, &mut batches, plan),
            Phase::Leaving => context.leaving(id, ours, &mut batches, plan),
            Phase::Replacing => context.replacing(id, host, ours, &mut batches, plan),
            Phase::Draining => context.draining(id, host, &mut batches, plan),
            Phase::Drained => plan.acts.push(Act::Deregister { host: id.clone() }),
            Phase::Retired => context.retired(id, host, &mut batches, plan),
            Phase::Gone
            | Phase::Ending
            | Phase::SetAside
            | Phase::Outdated
            | Phase::Unknown
            | Phase::Behind
            | Phase::Current
            | Phase::Foreign => {}
        }
    }
    context.finish(batches, plan);
}

impl Context<'_> {
    /// A host that is claimed. It is detached where others are admitted: see [`admission`](super::admission).
    fn leaving(&self, id: &InstanceId, ours: &Ours, batches: &mut Batches, plan: &mut Plan) {
        let Some((group, member)) = self.memberships.get(id).copied() else { return };
        // It is detached when the host that it makes room for is back.
        if self.stands_in(id) {
            return;
        }
        let Some(facts) = self.view.groups.get(group) else { return };
        match member.lifecycle {
            // Nobody will ever admit it.
            Lifecycle::InService | Lifecycle::Standby if self.is_nobodys(group) => {
                self.stays(id, ours, batches, plan);
            }
            Lifecycle::InService | Lifecycle::Standby if facts.launches_suspended() => {
                let timeout = self.replacement_timeout(group);
                self.wait(id, WaitsFor::Launches, ours.since, timeout, plan, |after| Problem::GroupBlocked {
                    group: group.clone(),
                    kind: BlockedKind::LaunchesSuspended,
                    why: format!("launches are suspended and {id} waits to be detached"),
                    after,
                });
            }
            // Held or paused: it is still in its group and takes tasks, so it is safest where it is.
            Lifecycle::InService | Lifecycle::Standby => {}
            // On its way somewhere, and no event of ours tells when it has arrived.
            Lifecycle::Pending
            | Lifecycle::PendingWait
            | Lifecycle::Terminating
            | Lifecycle::Detaching
            | Lifecycle::Other => {
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
        // Once for all hosts that wait for the same group.
        let known = batches.may_drain.get(&ours.group).copied();
        let may_drain = known.unwrap_or_else(|| self.may_drain(&ours.group, plan));
        batches.may_drain.entry(ours.group.clone()).or_insert(may_drain);
        match may_drain {
            // A person may have stopped it through another worker, which sends the host back already.
            Some(true) if !self.view.is_known(&Look::Cluster, self.now) => {
                plan.looks.insert(Look::Cluster);
            }
            Some(true) if self.is_held() && !self.view.is_fresh(&Look::Instance(id.clone()), self.now) => {
                plan.looks.insert(Look::Instance(id.clone()));
            }
            Some(true) if host.draining_since.is_none() => {
                batches.mark.insert(id.clone());
            }
            Some(true) => self.drains(id, host, batches, plan),
            Some(false) => {
                // Once what came has failed, another is waited for from then on.
                let base = self.since(ours.since).max(self.failed_since(ours).unwrap_or(ours.since));
                let timeout = self.replacement_timeout(&ours.group);
                if self.launches_fail(&ours.group, ours.since, batches, plan) {
                    batches.no_replacement.entry(ours.group.clone()).or_default().insert(id.clone());
                } else if self.now < base + timeout {
                    self.note(id, WaitsFor::Replacement, base, base + timeout, plan);
                } else {
                    batches.no_replacement.entry(ours.group.clone()).or_default().insert(id.clone());
                }
            }
            None => {}
        }
    }

    /// Does what the group says of its launches end the wait for a replacement at once? It is asked when an event tells of a
    /// launch that failed, and every few minutes, as events are lost.
    fn launches_fail(&self, name: &GroupName, since: Timestamp, batches: &mut Batches, plan: &mut Plan) -> bool {
        let Some(group) = self.view.groups.get(name) else { return false };
        let look = Look::Activities(name.clone());
        let read = group.activities.as_ref().map(|activities| activities.read);
        let due = match read {
            Some(Some(read)) => read + ACTIVITIES_GOOD_FOR,
            // An event says that a launch has failed.
            Some(None) => self.now,
            None => since + ACTIVITIES_GOOD_FOR,
        };
        if self.now >= due && !self.view.has_looked(&look) {
            plan.looks.insert(look);
            return false;
        }
        plan.look_again = earlier(plan.look_again, Some(due.max(self.now + LIFECYCLE_LAG)));
        // What failed before something else was put in its place says nothing about that.
        let rejected = group.rejection.as_ref().map(|rejection| rejection.at);
        let in_use = match self.resolutions.get(name) {
            Some(Resolution::Resolved(release)) => Some(release.since()),
            Some(_) | None => None,
        };
        let since = [rejected, in_use].into_iter().flatten().fold(since, Timestamp::max);
        let last = group.activities.as_ref().and_then(|known| last_launch_failed(&known.list, since));
        let Some(FailedLaunch { failure, is_tried_again }) = last else { return false };
        batches.why.insert(name.clone(), failure.in_words());
        match failure {
            LaunchFailure::Capacity(_) => false,
            LaunchFailure::Other(_) if is_tried_again => false,
            LaunchFailure::Key(_) | LaunchFailure::Other(_) => true,
            LaunchFailure::Image(message) => match self.resolutions.get(name) {
                // What failed has been put back already, or cannot be.
                Some(Resolution::Resolved(release)) if release.launches_rejected(&group.source.rejected) => false,
                Some(Resolution::Resolved(release)) => {
                    let mut images = new_images(self, name, release, group.policy.bake);
                    if images.iter().any(|image| message.contains(image.as_str())) {
                        images.retain(|image| message.contains(image.as_str()));
                    }
                    if images.is_empty() {
                        return true;
                    }
                    let names = images.iter().map(AmiId::as_str).collect::<Vec<_>>().join(" and ");
                    reject(self, name, &images, &format!("{names} cannot be launched: {message}"), plan);
                    false
                }
                Some(_) | None => false,
            },
        }
    }

    /// A mark that is old, on a host that is ACTIVE: the call was lost, or somebody has made it ACTIVE again to give it back,
    /// and that cannot be read yet. Then it is marked anew, and looked at a while later.
    fn drains(&self, id: &InstanceId, host: &Host, batches: &mut Batches, plan: &mut Plan) {
        let Some(marked) = host.draining_since else { return };
        let look = Look::Instance(id.clone());
        if self.now >= marked + CLAIM_GOOD_FOR {
            batches.mark.insert(id.clone());
        } else if !host.marked_again {
            batches.drain.insert(id.clone());
        } else if self.now < marked + READS_LAG {
            plan.look_again = earlier(plan.look_again, Some(marked + READS_LAG));
        } else if self.view.is_fresh(&look, self.now) {
            batches.drain.insert(id.clone());
        } else {
            plan.looks.insert(look);
        }
    }

    /// When what was to replace a host failed.
    pub(super) fn failed_since(&self, ours: &Ours) -> Option<Timestamp> {
        let rejection = self.view.groups.get(&ours.group)?.rejection.as_ref()?;
        Some(rejection.at).filter(|at| *at >= ours.since)
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
        self.runs_the_release(name, plan).then_some(true)
    }

    /// Do the members that came after a detach run what the template says? If not, that is a problem: a warm pool, an image
    /// of their own. A host is only detached when its release is in use, so for the hosts that were claimed under the
    /// version now in use whatever came after them must run it; what came before it had another template.
    fn runs_the_release(&self, name: &GroupName, plan: &mut Plan) -> bool {
        let Some(Resolution::Resolved(release)) = self.resolutions.get(name) else { return true };
        let mut waiting = self.replacing_hosts(name);
        waiting.retain(|_, since| *since >= release.since());
        let Some(after) = waiting.values().min().copied().filter(|_| release.is_in_use()) else { return true };
        for (id, host) in self.members_of(name).iter().filter_map(MemberHost::known) {
            let came_after = host.launched().is_some_and(|launched| launched >= after);
            let on_release = host.image().is_some_and(|image| release.images.contains(image));
            let registered = host.container.here().and_then(|container| container.registered);
            let registered_after = registered.is_some_and(|registered| registered >= after);
            if on_release || !host.serves(self.now) || !(came_after || registered_after) {
                continue;
            }
            // The agent's registration is later than the launch: EC2 knows better, unless what it said is from before the host
            // was woken in a warm pool.
            let look = Look::Instance(id.clone());
            let told = came_after && host.ec2.here().is_some();
            if !told && !self.view.has_looked(&look) {
                plan.looks.insert(look);
                return false;
            }
            if !came_after {
                continue;
            }
            let Some(image) = host.image().cloned() else { continue };
            plan.problems.insert(wrong_image(name, id, image, release, waiting.keys().cloned().collect()));
            return false;
        }
        true
    }

    fn replacing_hosts(&self, group: &GroupName) -> BTreeMap<InstanceId, Timestamp> {
        self.ours_of(group)
            .iter()
            .filter(|(id, host)| {
                host.status() == Some(ContainerInstanceStatus::Active) && !self.memberships.contains_key(*id)
            })
            .filter_map(|(id, host)| Some(((*id).clone(), host.ours.as_ref()?.since)))
            .collect()
    }

    fn draining(&self, id: &InstanceId, host: &Host, batches: &mut Batches, plan: &mut Plan) {
        let step = drain_step(self.view, id, host, self.now);
        let is_settling = matches!(step, DrainStep::Wait(Some(_)));
        match step {
            DrainStep::Look(looks) => plan.looks.extend(looks),
            DrainStep::Wait(again) => plan.look_again = earlier(plan.look_again, again),
        }
        let group = host.ours.as_ref().and_then(|ours| self.view.groups.get(&ours.group));
        let timeout = group.map_or(self.policy.drain_timeout, |group| group.policy.drain_timeout);
        let Some(since) = host.draining_since.or(host.watch.as_ref().map(|watch| watch.since)) else { return };
        stall::explain(self, id, host, since, timeout, plan);
        let stopping = host.watch.as_ref().map_or(0, TaskWatch::count_left);
        let tasks = if host.tasks_to_run() > 0 { host.tasks_to_run() as usize } else { stopping };
        // Its last task has stopped, and a second look is to say so too: a worker that was away for long finds it so.
        if tasks == 0 && is_settling {
            return;
        }
        self.wait(id, WaitsFor::LastTask, since, timeout, plan, |after| Problem::DrainOverdue {
            host: id.clone(),
            group: host.ours.as_ref().map(|ours| ours.group.clone()),
            after,
            tasks,
            kept_by: host.blockers.as_ref().map(Blockers::keepers),
        });
        let ladder = group.map_or(self.policy.ladder, |group| group.policy.ladder);
        self.climb(id, host, ladder, since, batches, plan);
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

    /// The rotation is over, or is not about this group, or does not know what its hosts shall run, or leaves it alone.
    fn is_nobodys(&self, group: &GroupName) -> bool {
        let over = self.view.rotation.as_ref().is_none_or(|rotation| rotation.state == RotationState::Closed);
        let unresolved = matches!(self.resolutions.get(group), Some(Resolution::Unresolved { .. }) | None);
        over || unresolved || !self.view.in_scope(group)
    }

    fn is_held(&self) -> bool {
        self.view.rotation.as_ref().is_some_and(|rotation| rotation.state == RotationState::Held)
    }

    /// A wait with an end: noted while it lasts, a problem afterwards.
    pub(super) fn wait(
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
        let why = stall::why(self.view, id, waits_for);
        plan.waits.push(Wait { host: id.clone(), waits_for, since, until, why });
    }

    /// A wait begins anew when a person lets a held rotation go on: otherwise it would be held again at once. It does not
    /// begin anew with the hold itself.
    pub(super) fn since(&self, since: Timestamp) -> Timestamp {
        let rotation = self.view.rotation.as_ref().filter(|rotation| rotation.state != RotationState::Held);
        let opened = rotation.map_or(since, |rotation| since.max(rotation.since));
        self.view.resumed.map_or(opened, |resumed| opened.max(resumed))
    }

    pub(super) fn replacement_timeout(&self, name: &GroupName) -> SignedDuration {
        let policy = self.view.groups.get(name).map_or(self.policy, |group| &group.policy);
        match self.resolutions.get(name) {
            Some(Resolution::Resolved(release)) if release.windows() => policy.replacement_timeout_windows,
            Some(_) | None => policy.replacement_timeout,
        }
    }

    /// Looks in this pass, and if that does not help, again a little later.
    pub(super) fn look_once(&self, look: Look, plan: &mut Plan) -> Option<bool> {
        if self.view.is_fresh(&look, self.now) {
            plan.look_again = earlier(plan.look_again, Some(self.now + LIFECYCLE_LAG));
        } else {
            plan.looks.insert(look);
        }
        None
    }

    /// Nobody has come in time because the image failed: that is written down, and the rest follows from it.
    fn image_failed(&self, name: &GroupName, plan: &mut Plan) -> bool {
        let (Some(group), Some(Resolution::Resolved(release))) =
            (self.view.groups.get(name), self.resolutions.get(name))
        else {
            return false;
        };
        let lacks = unknown(self, name);
        if !lacks.is_empty() {
            plan.looks.extend(lacks);
            return true;
        }
        let timeout = self.replacement_timeout(name);
        match never_registered(self, name, group, release, timeout) {
            Dead::Nobody => false,
            // It is too soon to tell.
            Dead::Young { until } => {
                plan.look_again = earlier(plan.look_again, Some(until));
                true
            }
            Dead::Failed { images, why } => {
                reject(self, name, &images, &why, plan);
                true
            }
        }
    }

    fn finish(&self, batches: Batches, plan: &mut Plan) {
        for (group, hosts) in batches.no_replacement {
            if self.image_failed(&group, plan) {
                continue;
            }
            let after = in_words(self.replacement_timeout(&group));
            let why = batches.why.get(&group).cloned();
            plan.problems.insert(Problem::NoReplacement { group, hosts, after, why });
        }
        plan.acts.extend(batches.claim.into_iter().map(|(group, hosts)| Act::Claim { group, hosts }));
        let detach = |(group, hosts)| Act::Detach { group, hosts, decrement: true };
        plan.acts.extend(batches.detach_less.into_iter().map(detach));
        let acts = [
            (batches.let_go, (|hosts| Act::LetGo { hosts }) as fn(BTreeSet<InstanceId>) -> Act),
            (batches.activate, |hosts| Act::Activate { hosts }),
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
