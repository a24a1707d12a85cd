//! One cluster in the engine: what is known of it between passes, and what waits for the next one.
//!
//! A cluster at rest (rotation closed, nobody in flight) keeps no view, only the names of the parameters it follows: so
//! its events cost nothing, and neither do a thousand clusters at rest.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use tracing::{debug, info, warn};

use super::Context;
use super::commands::followed;
use super::pass::{Errand, rotation_of_hosts};
use super::patience::Patience;
use super::wire::TagChange;
use crate::id::{ClusterArn, ClusterName, GroupName, InstanceId, ParameterName};
use crate::plan::hold::{Problem, reason};
use crate::plan::host::Phase;
use crate::plan::model::ClusterView;
use crate::plan::tags::{Rotation, RotationId, RotationState, readable};
use crate::plan::{Plan, is_in_flight};

#[derive(Debug)]
pub struct ClusterState {
    pub arn: ClusterArn,
    pub name: ClusterName,
    pub view: Option<ClusterView>,
    /// What the next pass is for.
    pub errand: Errand,
    pub look_again: Option<Timestamp>,
    pub patience: Patience,
    /// The parameters that its groups follow, as far as the last whole look knew.
    pub follows: BTreeSet<ParameterName>,
    /// The newest version of each container instance that an event spoke of.
    versions: BTreeMap<String, u64>,
    /// The phases of hosts in flight at the last look, for the log.
    phases: BTreeMap<InstanceId, Phase>,
    /// What the present hold is about, as far as this worker knows.
    held_for: BTreeSet<Problem>,
    unresolved: BTreeMap<GroupName, String>,
}

impl ClusterState {
    pub fn new(arn: ClusterArn) -> Self {
        Self {
            name: arn.name(),
            arn,
            view: None,
            errand: Errand { whole: true, ..Errand::default() },
            look_again: None,
            patience: Patience::default(),
            follows: BTreeSet::new(),
            versions: BTreeMap::new(),
            phases: BTreeMap::new(),
            held_for: BTreeSet::new(),
            unresolved: BTreeMap::new(),
        }
    }

    /// Is there a reason for a pass now?
    pub fn is_due(&self, now: Timestamp) -> bool {
        self.patience.is_over(now) && (!self.errand.is_empty() || self.look_again.is_some_and(|at| now >= at))
    }

    /// When there will be one, without an event.
    pub fn poll_timeout(&self) -> Option<Timestamp> {
        let waiting = if self.errand.is_empty() { None } else { self.patience.again_at() };
        let again = self.look_again.map(|at| self.patience.again_at().map_or(at, |patience| at.max(patience)));
        crate::plan::earlier(waiting, again)
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
    pub fn take_view(&mut self, view: ClusterView) {
        self.follows = followed(&view).into_values().collect();
        self.view = Some(view);
    }

    /// Nothing under way: forgets what only a rotation needs.
    pub fn rest(&mut self) {
        let Some(view) = &mut self.view else { return };
        view.looked.clear();
        let closed = view.rotation.as_ref().is_none_or(|rotation| rotation.state == RotationState::Closed);
        if closed && self.phases.is_empty() {
            self.view = None;
            self.versions.clear();
            self.look_again = None;
        }
    }

    /// Says in the log which hosts have changed their phase.
    pub fn note_phases(&mut self, plan: &Plan) {
        let in_flight = plan.phases.iter().filter(|(_, phase)| is_in_flight(**phase));
        let now: BTreeMap<InstanceId, Phase> = in_flight.map(|(id, phase)| (id.clone(), *phase)).collect();
        for (host, phase) in &now {
            if self.phases.get(host) != Some(phase) {
                info!(cluster = %self.name, %host, "{phase}");
            }
        }
        for host in self.phases.keys().filter(|host| !now.contains_key(*host)) {
            let phase = plan.phases.get(host).copied().unwrap_or(Phase::Gone);
            info!(cluster = %self.name, %host, "{phase}");
        }
        self.phases = now;
    }

    /// Remembers who is kept waiting, and says in the log what is new about it.
    pub fn note_waits(&mut self, plan: &Plan, now: Timestamp) {
        for wait in &plan.waits {
            debug!(cluster = %self.name, host = %wait.host, since = %wait.since, until = %wait.until, "waits for {}", wait.waits_for);
        }
        for (group, why) in &plan.unresolved {
            if self.unresolved.get(group) != Some(why) {
                warn!(cluster = %self.name, %group, why, "its release cannot be found: left as it is");
            }
        }
        self.unresolved.clone_from(&plan.unresolved);
        let Some(view) = &mut self.view else { return };
        for (name, group) in &mut view.groups {
            if !plan.blocked.contains(name) {
                group.blocked_since = None;
            } else if group.blocked_since.is_none() {
                info!(cluster = %self.name, group = %name, "nobody can be admitted: the group is not whole");
                group.blocked_since = Some(now);
            }
        }
    }

    /// The reason to write, when the rotation is not held yet or there is more to it than was written.
    pub fn news_to_hold_for(&self, plan: &Plan) -> Option<String> {
        let reason = reason(&plan.problems)?;
        let view = self.view.as_ref()?;
        let held = view.rotation.as_ref().is_some_and(|rotation| rotation.state == RotationState::Held);
        let known = plan.problems.is_subset(&self.held_for) || view.hold.as_deref() == Some(readable(&reason).as_str());
        if held && known { None } else { Some(reason) }
    }

    /// The rotation as it will be when it is held; None when there is none to hold.
    pub fn rotation_to_hold(&self, now: Timestamp) -> Option<Rotation> {
        let view = self.view.as_ref()?;
        let id: RotationId = match &view.rotation {
            Some(rotation) => rotation.id.clone(),
            None => rotation_of_hosts(view)?,
        };
        Some(Rotation { id, state: RotationState::Held, since: now })
    }

    /// The rotation's tags say so now.
    pub fn tags_written(&mut self, change: TagChange, context: &Context<'_>) {
        let (rotation, now) = (self.rotation_to_hold(context.now), context.now);
        let Some(view) = &mut self.view else { return };
        match change {
            TagChange::Commanded(wanted) => {
                wanted.apply(view);
                self.held_for.clear();
                if let Some(rotation) = &view.rotation {
                    let (id, state) = (&rotation.id, rotation.state.word());
                    let groups = view.scope.iter().map(GroupName::as_str).collect::<Vec<_>>().join(" ");
                    info!(cluster = %self.name, rotation = %id, groups, force = view.rotate_before.is_some(), "rotation {state}");
                }
            }
            TagChange::Held { reason, problems } => {
                warn!(cluster = %self.name, reason, "rotation held");
                view.hold = Some(readable(&reason));
                view.rotation = rotation;
                self.held_for = problems;
            }
            TagChange::Closed => {
                if let Some(rotation) = &mut view.rotation {
                    rotation.state = RotationState::Closed;
                    rotation.since = now;
                    info!(cluster = %self.name, rotation = %rotation.id, "rotation closed");
                }
                view.hold = None;
                view.rotate_before = None;
                view.scope.clear();
            }
            TagChange::Cleared => {}
        }
    }
}
