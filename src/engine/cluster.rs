//! One cluster in the engine: what is known of it between passes, and what waits for the next one.
//!
//! A cluster at rest (rotation closed, nobody in flight) keeps no view, only the names of the parameters it follows: so
//! its events cost nothing, and neither do a thousand clusters at rest.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};
use tracing::{info, warn};

use super::call::TagChange;
use super::census::Found;
use super::commands::{Ask, Wanted, followed};
use super::errand::{Errand, rotation_of_hosts};
use super::patience::Patience;
use super::say::{Subject, Teller, say, say_host};
use super::settings::Settings;
use super::settled::Settled;
use super::told::{Given, Told};
use super::{absorb, news};
use crate::effect::{Instance, Lifecycle, News, Notice};
use crate::event::EventKind;
use crate::id::{CapacityProviderName, ClusterArn, ClusterName, GroupName, InstanceId, ParameterName, Receipt};
use crate::plan::forecast::SWEEPS_PER_WHOLE_LOOK;
use crate::plan::hold::Hold;
use crate::plan::host::{Phase, is_in_flight};
use crate::plan::model::{ClusterView, Host, Look, Tenants};
use crate::plan::outcome::{Standing, skipped_in_words};
use crate::plan::output::{Plan, WaitsFor};
use crate::plan::policy::Policy;
use crate::plan::problem::Problem;
use crate::plan::rotation::{Rotation, RotationId, RotationState};
use crate::plan::status::{ClusterStatus, status};
use crate::plan::tags::Tags;
use crate::plan::timing::earlier;
use crate::plan::{notes, patch};

/// From the end of a pass to the next one of the same cluster. Who comes alone is served at once; where many hosts of a cluster
/// come to the same point one after another, those of a second are served in the same calls.
pub const BREATH: SignedDuration = SignedDuration::from_secs(1);

/// A newer image that has not been out for longer is on its way, and no news; and how often the age of others is told at most.
const PATCH_AGE_FROM: SignedDuration = SignedDuration::from_hours(24);
const TOLD_EVERY: SignedDuration = SignedDuration::from_mins(50);

/// Most agents that leave are back within a minute, and nothing is decided by one that is away for that long.
const AGENT_COMES_BACK: SignedDuration = SignedDuration::from_secs(60);

#[derive(Debug)]
pub struct ClusterState {
    pub arn: ClusterArn,
    pub name: ClusterName,
    pub view: Option<ClusterView>,
    /// What the next pass is for.
    pub errand: Errand,
    pub look_again: Option<Timestamp>,
    /// Events came while there was no view to weigh them by.
    pub missed_events: bool,
    pub patience: Patience,
    /// No pass before this time: see [`BREATH`].
    pub breathes_until: Option<Timestamp>,
    /// Events that came during the pass under way, and their messages: weighed when it is over.
    pub later: Vec<(EventKind, Receipt)>,
    /// The cluster's tags may not be written: hosts in flight are not to wait for that.
    pub cannot_tell: bool,
    /// The parameters that its groups follow, as far as the last whole look knew.
    pub follows: BTreeSet<ParameterName>,
    /// What the last whole look found, where nothing was to be done.
    pub settled: Option<Settled>,
    /// When that was, and which capacity providers it had then.
    pub looked_at: Option<Timestamp>,
    /// When it was looked at last with success: by a pass, or by a sweep that found it at rest.
    pub seen_at: Option<Timestamp>,
    pub providers: BTreeSet<CapacityProviderName>,
    /// The newest version of each container instance that an event spoke of.
    versions: BTreeMap<String, u64>,
    /// The phases of hosts in flight at the last look, and whose hosts they were, for the log.
    phases: BTreeMap<InstanceId, (Phase, Option<GroupName>)>,
    /// Hosts that somebody else drained.
    set_aside: BTreeSet<InstanceId>,
    /// What the present hold is about, as far as this worker knows.
    held_for: BTreeSet<Problem>,
    unresolved: BTreeMap<GroupName, String>,
    refused: BTreeMap<GroupName, String>,
    not_now: BTreeMap<GroupName, String>,
    /// Waits of hosts that were explained, as they were told last.
    explained: BTreeMap<InstanceId, String>,
    /// How many hosts were in which phase at the last look, and for what they waited.
    pub counts: BTreeMap<Phase, u32>,
    pub waits: BTreeMap<WaitsFor, u32>,
    /// As it was when it came to rest.
    pub at_rest: Option<Box<ClusterStatus>>,
    /// A release of other groups waits for the end of the rotation under way.
    pub check_when_closed: bool,
    /// When the rotation opened that this worker has just closed.
    pub closed: Option<Timestamp>,
    /// The last rotation of which it has been told that it closed.
    told_closed: Option<RotationId>,
    /// Hosts of which that has been told: reads that lag behind show a host that has ended once more.
    pub replaced: BTreeSet<InstanceId>,
    /// New hosts of which it has been told that they serve, and their groups.
    replaced_by: BTreeMap<InstanceId, Option<GroupName>>,
    /// What is to be told of our own.
    pub news: Vec<Notice>,
    /// Since when a newer image has been out that does not run everywhere in a group.
    pub behind_since: BTreeMap<GroupName, Timestamp>,
    /// When that was told last.
    patch_told: Option<Timestamp>,
    unresolved_told: Option<Timestamp>,
    /// What of the groups' tags has no effect, as it was told.
    notes: BTreeSet<(GroupName, String)>,
    /// What a worker that only observes has told.
    pub told: Told,
    pub given: Given,
    /// The last rotation for which this worker has written its settings.
    pub published_for: Option<RotationId>,
}

impl ClusterState {
    pub fn new(arn: ClusterArn) -> Self {
        Self {
            name: arn.name(),
            arn,
            view: None,
            errand: Errand { whole: true, ..Errand::default() },
            look_again: None,
            missed_events: false,
            patience: Patience::default(),
            breathes_until: None,
            later: Vec::new(),
            cannot_tell: false,
            follows: BTreeSet::new(),
            settled: None,
            looked_at: None,
            seen_at: None,
            providers: BTreeSet::new(),
            versions: BTreeMap::new(),
            phases: BTreeMap::new(),
            set_aside: BTreeSet::new(),
            held_for: BTreeSet::new(),
            unresolved: BTreeMap::new(),
            refused: BTreeMap::new(),
            not_now: BTreeMap::new(),
            explained: BTreeMap::new(),
            counts: BTreeMap::new(),
            waits: BTreeMap::new(),
            at_rest: None,
            check_when_closed: false,
            closed: None,
            told_closed: None,
            replaced: BTreeSet::new(),
            replaced_by: BTreeMap::new(),
            news: Vec::new(),
            behind_since: BTreeMap::new(),
            patch_told: None,
            unresolved_told: None,
            notes: BTreeSet::new(),
            told: Told::default(),
            given: Given::default(),
            published_for: None,
        }
    }

    /// Is there a reason for a pass now?
    pub fn is_due(&self, now: Timestamp) -> bool {
        let breathes = self.breathes_until.is_some_and(|until| now < until) && !self.errand.is_urgent();
        self.patience.is_over(now)
            && !breathes
            && (!self.errand.is_empty() || self.look_again.is_some_and(|at| now >= at))
    }

    /// When there will be one, without an event.
    pub fn poll_timeout(&self) -> Option<Timestamp> {
        let breathes = self.breathes_until.filter(|_| !self.errand.is_urgent());
        let soonest = self.patience.again_at().max(breathes);
        let waiting = if self.errand.is_empty() { None } else { soonest };
        let again = self.look_again.map(|at| soonest.map_or(at, |soonest| at.max(soonest)));
        earlier(waiting, again)
    }

    /// Is this version of the container instance old news? Notes it if it is not.
    pub fn is_stale(&mut self, container_instance: &str, version: u64) -> bool {
        match self.versions.get_mut(container_instance) {
            Some(newest) if *newest >= version => true,
            Some(newest) => {
                *newest = version;
                false
            }
            None => {
                self.versions.insert(container_instance.to_owned(), version);
                false
            }
        }
    }

    /// A new whole view.
    pub fn take_view(&mut self, mut view: ClusterView, now: Timestamp) {
        view.behind_since = std::mem::take(&mut self.behind_since);
        self.behind_since = patch::since(&view, now).into_iter().collect();
        view.behind_since.clone_from(&self.behind_since);
        self.tell_patch_age(&view, now);
        self.follows = followed(&view, now).into_values().flatten().map(|parameter| parameter.plain()).collect();
        self.settled = Settled::of(&view, now);
        self.looked_at = Some(now);
        self.providers.clone_from(&view.providers);
        self.view = Some(view);
    }

    /// Its capacity providers are not those of the last look at everything: groups may have left it, or joined it.
    pub fn has_other_providers(&self) -> bool {
        self.view.as_ref().is_some_and(|view| view.providers != self.providers)
    }

    /// Once, as long as it is so.
    pub fn tell_notes(&mut self, view: &ClusterView, policy: &Policy, now: Timestamp) {
        let notes = notes::of_groups(view, policy, now);
        for (group, why) in notes.difference(&self.notes) {
            say!(warn, view, %group, why, "a setting of this group does not do what it seems to");
        }
        self.notes = notes;
    }

    /// One line for each group in which a newer image has been out for a day or longer: the stack makes a metric of it.
    fn tell_patch_age(&mut self, view: &ClusterView, now: Timestamp) {
        let old = |since: &Timestamp| now.duration_since(*since) >= PATCH_AGE_FROM;
        let due = self.patch_told.is_none_or(|told| now >= told + TOLD_EVERY);
        if !due || !self.behind_since.values().any(old) {
            return;
        }
        self.patch_told = Some(now);
        for (group, since) in self.behind_since.iter().filter(|(_, since)| old(since)) {
            let patch_age_days = (now.duration_since(*since).as_secs_f64() / 86.4).round() / 1000.0;
            say!(info, view, %group, patch_age_days, "patch age");
        }
    }

    /// The agent of this host has left, as an event says: looked at when it should be back, unless another event says that it is.
    pub fn look_later(&mut self, host: InstanceId, now: Timestamp) {
        let Some(view) = &mut self.view else { return };
        let at = *view.left.entry(host).or_insert(now + AGENT_COMES_BACK);
        self.look_again = earlier(self.look_again, Some(at));
    }

    /// Nothing under way: forgets what only a rotation needs.
    pub fn rest(&mut self, policy: &Policy, now: Timestamp) {
        let Some(view) = &mut self.view else { return };
        view.looked.clear();
        view.tenants = Tenants::default();
        let closed = view.rotation.as_ref().is_none_or(|rotation| rotation.state == RotationState::Closed);
        if closed && self.phases.is_empty() {
            let status = status(view, policy, now);
            self.forget_view(status);
        }
    }

    /// It is known as it was last, and its events cost nothing.
    pub fn forget_view(&mut self, status: ClusterStatus) {
        self.at_rest = Some(Box::new(status));
        self.view = None;
        self.versions.clear();
        self.look_again = None;
    }

    /// What the sweep has found of it, and the instances that carry our tag for it. In the middle of a rotation what a rotation
    /// changes is looked at again, and now and then everything.
    pub fn swept(&mut self, found: Found, ours: Vec<Instance>, settings: &Settings, tags: &Tags, now: Timestamp) {
        let providers: BTreeSet<_> = found.facts.capacity_providers.iter().cloned().collect();
        let moved = self.looked_at.is_some() && self.providers != providers;
        if !found.under_way && ours.is_empty() && !moved {
            // What a pass has failed to look at is not looked at by this.
            if self.looked_at.is_some() && self.patience.failures() == 0 {
                self.seen_at = Some(now);
            }
            return;
        }
        let rotation = tags.read_cluster(&found.facts.tags).rotation;
        let lately =
            self.looked_at.is_some_and(|at| now < at + settings.sweep_interval * i32::from(SWEEPS_PER_WHOLE_LOOK));
        let calm = lately && !moved && self.patience.failures() == 0;
        let goes_on = |view: &&mut ClusterView| {
            let open = view.rotation.as_ref().is_some_and(|rotation| rotation.state == RotationState::Open);
            open && view.rotation == rotation
        };
        let Some(view) = self.view.as_mut().filter(|_| calm).filter(goes_on) else {
            self.errand.whole = true;
            return;
        };
        let carry: BTreeSet<InstanceId> = ours.iter().map(|instance| instance.id.clone()).collect();
        absorb::cluster(view, found.facts, settings, tags, now);
        absorb::instances(view, ours, &[], tags, now);
        // Who is ours is asked again in the pass that takes a host: another worker may have taken one since.
        view.asked.insert(Look::Cluster, now);
        let carries_no_more =
            |(id, host): &(&InstanceId, &Host)| host.ours.is_some() && !host.is_gone() && !carry.contains(*id);
        let untagged = view.hosts.iter().filter(carries_no_more).map(|(id, _)| Look::Instance(id.clone()));
        self.errand.looks.extend(untagged);
        self.errand.sweep = true;
    }

    /// Says in the log which hosts have changed their phase.
    pub fn note_phases(&mut self, plan: &Plan, now: Timestamp) {
        let Some(view) = &self.view else { return };
        let in_flight = plan.phases.iter().filter(|(_, phase)| is_in_flight(**phase));
        // One that its group still lists while it lets go of it has been told to have left.
        let has_left = |id: &InstanceId, group: Option<&GroupName>| {
            let replacing = self.phases.get(id).is_some_and(|(before, _)| *before == Phase::Replacing);
            replacing && group.is_some_and(|group| view.is_detaching(id, group))
        };
        let phases: BTreeMap<_, _> = in_flight
            .map(|(id, phase)| {
                let group = view.group_of(id);
                let leaving = *phase == Phase::Leaving && has_left(id, group);
                (id.clone(), (if leaving { Phase::Replacing } else { *phase }, group.cloned()))
            })
            .collect();
        let mut teller = Teller::new(view, now);
        for (host, (phase, group)) in &phases {
            if self.phases.get(host).is_none_or(|(before, _)| before != phase) {
                teller.tell(host, group.as_ref(), *phase);
            }
        }
        for (host, (_, group)) in self.phases.iter().filter(|(host, _)| !phases.contains_key(*host)) {
            if view.opted_in {
                teller.tell(host, group.as_ref(), plan.phases.get(host).copied().unwrap_or(Phase::Gone));
            } else {
                say!(warn, view, group = group.as_ref().map(display), %host, "left as it is: the cluster has opted out");
            }
        }
        // A rotation that is over is not told once more by every worker that starts.
        let under_way = view.rotation.as_ref().filter(|rotation| rotation.state != RotationState::Closed);
        if let Some(opened) = under_way.and_then(|rotation| rotation.id.opened()) {
            let in_place = plan.phases.iter().filter(|(_, phase)| matches!(phase, Phase::Current | Phase::Behind));
            for (host, phase) in in_place {
                if !self.replaced_by.contains_key(host) && teller.has_come(host, opened) {
                    let group = view.group_of(host);
                    teller.tell(host, group, *phase);
                    self.replaced_by.insert(host.clone(), group.cloned());
                }
            }
        }
        // Of those that came one may be lost again.
        let lost = |id: &InstanceId| matches!(plan.phases.get(id), None | Some(Phase::Gone));
        for (host, group) in self.replaced_by.extract_if(.., |host, _| lost(host)) {
            teller.tell(&host, group.as_ref(), Phase::Gone);
        }
        self.phases = phases;
        self.counts.clear();
        for phase in plan.phases.values() {
            *self.counts.entry(*phase).or_default() += 1;
        }
        // One that its group ends is drained by ECS, and the group's word on it may come later than the agent's.
        let is_sure = |id: &InstanceId| {
            let group = view.membership(id).map(|(group, _)| group.clone());
            self.set_aside.contains(id) || group.is_none_or(|group| view.has_looked(&Look::Group(group)))
        };
        let aside = plan.phases.iter().filter(|(_, phase)| **phase == Phase::SetAside).map(|(id, _)| id);
        let aside: BTreeSet<InstanceId> = aside.filter(|id| is_sure(id)).cloned().collect();
        for host in aside.difference(&self.set_aside) {
            match view.membership(host).map(|(_, member)| member.lifecycle) {
                Some(Lifecycle::Standby) => say_host!(warn, view, Some(host), "in standby: skipped"),
                Some(_) | None => say_host!(warn, view, Some(host), "drained externally: skipped"),
            }
        }
        self.set_aside = aside;
    }

    /// Remembers who is kept waiting, and says in the log what is new about it.
    pub fn note_waits(&mut self, plan: &Plan, now: Timestamp) {
        let Some(view) = &self.view else { return };
        let mut explained = BTreeMap::new();
        self.waits.clear();
        for wait in &plan.waits {
            *self.waits.entry(wait.waits_for).or_default() += 1;
            let line = wait.to_string();
            if wait.why.is_some() {
                if self.explained.get(&wait.host) != Some(&line) {
                    say_host!(info, view, Some(&wait.host), "{line}");
                }
                explained.insert(wait.host.clone(), line);
            } else {
                say_host!(debug, view, Some(&wait.host), "{line}");
            }
        }
        self.explained = explained;
        let again = self.unresolved_told.is_none_or(|told| now >= told + TOLD_EVERY);
        for (group, why) in &plan.unresolved {
            // For the stack's alarm, which is to last as long as this does.
            if again || self.unresolved.get(group) != Some(why) {
                say!(warn, &*self, %group, why, "this group is not rotated");
            }
        }
        if again {
            self.unresolved_told = (!plan.unresolved.is_empty()).then_some(now);
        }
        self.unresolved.clone_from(&plan.unresolved);
        for (group, why) in &plan.refused {
            if self.refused.get(group) != Some(why) {
                say!(info, &*self, %group, why, "a newer image is not taken");
            }
        }
        self.refused.clone_from(&plan.refused);
        for (group, why) in &plan.not_now {
            if self.not_now.get(group) != Some(why) {
                say!(info, &*self, %group, why, "nothing begins now");
            }
        }
        self.not_now.clone_from(&plan.not_now);
        self.note_blocked(plan, now);
    }

    fn note_blocked(&mut self, plan: &Plan, now: Timestamp) {
        let Some(view) = &mut self.view else { return };
        view.groups.iter_mut().filter(|(name, _)| !plan.blocked.contains_key(*name)).for_each(|(_, group)| {
            group.blocked_since = None;
        });
        for (name, why) in &plan.blocked {
            if view.groups.get(name).is_none_or(|group| group.blocked_since.is_some()) {
                continue;
            }
            say!(info, &*view, group = %name, why, "nobody is admitted");
            if let Some(group) = view.groups.get_mut(name) {
                group.blocked_since = Some(now);
            }
        }
    }

    /// How far it is, after a look at everything.
    pub fn note_progress(&self) {
        let Some(view) = &self.view else { return };
        let open = view.rotation.as_ref().is_some_and(|rotation| rotation.state == RotationState::Open);
        if !open {
            return;
        }
        let count = |phase: Phase| self.counts.get(&phase).copied().unwrap_or(0);
        let containers = || view.hosts.values().filter_map(|host| host.container.here());
        let running: u32 = containers().map(|container| container.running_tasks).sum();
        let pending: u32 = containers().map(|container| container.pending_tasks).sum();
        let (current, outdated, in_flight) = (count(Phase::Current), count(Phase::Outdated), self.phases.len());
        let some = |phase: Phase| Some(count(phase)).filter(|hosts| *hosts > 0);
        let (unknown, behind) = (some(Phase::Unknown), some(Phase::Behind));
        say!(info, view, current, outdated, unknown, behind, in_flight, running, pending, "under way");
    }

    /// The hold to write, when the rotation is not held yet, or there is more to it than was written.
    pub fn to_hold(&self, plan: &Plan, now: Timestamp) -> Option<Wanted> {
        if plan.problems.is_empty() {
            return None;
        }
        let view = self.view.as_ref()?;
        // That it was a person who stopped it is not to be lost.
        let hold = Hold::of(&plan.problems, view.hold.as_ref().is_some_and(|hold| hold.aborted));
        let held = view.rotation.as_ref().is_some_and(|rotation| rotation.state == RotationState::Held);
        let known =
            plan.problems.is_subset(&self.held_for) || view.hold.as_ref().is_some_and(|before| before.covers(&hold));
        if held && known {
            return None;
        }
        let id: RotationId = match &view.rotation {
            Some(rotation) => rotation.id.clone(),
            None => rotation_of_hosts(view)?,
        };
        let rotation = Rotation { id, state: RotationState::Held, since: now };
        Some(Wanted { hold: Some(hold), ..Wanted::of(view, rotation) })
    }

    /// What held it is gone: every wait counts from now.
    pub fn to_go_on(&self, now: Timestamp) -> Option<Wanted> {
        let view = self.view.as_ref()?;
        let id = view.rotation.as_ref()?.id.clone();
        let rotation = Rotation { id, state: RotationState::Open, since: now };
        Some(Wanted { resumed: Some(now), ..Wanted::of(view, rotation) })
    }

    pub fn to_close(&self, plan: &Plan, now: Timestamp) -> Option<Wanted> {
        let view = self.view.as_ref().filter(|_| plan.complete)?;
        let id = view.rotation.as_ref()?.id.clone();
        let rotation = Rotation { id, state: RotationState::Closed, since: now };
        let skipped = plan.skipped.values().cloned().collect();
        Some(Wanted { skipped, ..Wanted::of(view, rotation) })
    }

    /// A read that lags behind shows a rotation that has closed as open: it is closed once more, and not told again.
    fn is_told_already(&self, notice: &Notice) -> bool {
        let closed = self.told_closed.as_ref().is_some_and(|id| notice.rotation.as_deref() == Some(id.as_str()));
        closed && matches!(notice.news, News::RotationClosed { .. })
    }

    /// The cluster's tags say so now.
    pub fn tags_written(&mut self, change: TagChange, now: Timestamp) {
        self.cannot_tell = false;
        let news = news::of_change(&self.arn, self.view.as_ref(), &change, &self.held_for, now);
        self.news.extend(news.into_iter().filter(|notice| !self.is_told_already(notice)).collect::<Vec<_>>());
        if change.wanted.rotation.state == RotationState::Closed {
            self.told_closed = Some(change.wanted.rotation.id.clone());
        }
        let Some(view) = &mut self.view else { return };
        let rotation = &change.wanted.rotation;
        if rotation.state == RotationState::Open && view.rotation.as_ref().is_none_or(|before| before.id != rotation.id)
        {
            self.replaced.clear();
            self.replaced_by.clear();
        }
        if rotation.state == RotationState::Closed {
            self.closed = rotation.id.opened();
            if std::mem::take(&mut self.check_when_closed) {
                self.errand.join(Errand { whole: true, asks: vec![Ask::CheckReleases.into()], ..Errand::default() });
            }
        }
        tell_change(&self.name, &change);
        change.wanted.apply(view);
        view.held_for.clone_from(&change.held_for);
        self.held_for = change.held_for;
    }
}

/// One line for each change of a rotation's state: the messages are what `record`, the stack's metrics and people look for.
fn tell_change(cluster: &ClusterName, change: &TagChange) {
    let Wanted { rotation, hold, scope, skipped, rotate_before, .. } = &change.wanted;
    let (id, because) = (&rotation.id, change.because.as_str());
    let aborted = hold.as_ref().is_some_and(|hold| hold.aborted);
    let standing = Standing::of(rotation.state, aborted, !skipped.is_empty());
    match standing {
        Standing::Open => {
            let groups = scope.iter().map(GroupName::as_str).collect::<Vec<_>>().join(" ");
            let groups = if groups.is_empty() { "all" } else { &groups };
            let force = rotate_before.is_some();
            info!(%cluster, rotation = %id, groups, force, because, "rotation open");
        }
        Standing::Held => warn!(%cluster, rotation = %id, reason = change.reason(), "rotation held"),
        Standing::Aborted => warn!(%cluster, rotation = %id, reason = change.reason(), because, "rotation aborted"),
        Standing::ClosedWithGroupsSkipped => {
            let groups = skipped.iter().map(|of| of.group.as_str()).collect::<Vec<_>>().join(" ");
            let reason = skipped_in_words(skipped);
            warn!(%cluster, rotation = %id, groups, reason, "rotation closed with groups skipped");
        }
        Standing::Paused => info!(%cluster, rotation = %id, because, "rotation paused"),
        Standing::Closed => info!(%cluster, rotation = %id, "rotation closed"),
    }
}

impl Subject for ClusterState {
    fn cluster(&self) -> ClusterName {
        self.name.clone()
    }

    fn rotation(&self) -> Option<&RotationId> {
        self.view.as_ref().and_then(Subject::rotation)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_container_instance_only_what_is_newer_than_what_was_heard_is_news() {
        let mut state = ClusterState::new("arn:aws:ecs:r:1:cluster/c".into());
        for (id, version, stale) in [("1", 5, false), ("1", 5, true), ("1", 4, true), ("1", 6, false), ("2", 1, false)]
        {
            assert_eq!(state.is_stale(id, version), stale, "{id} {version}");
        }
    }
}
