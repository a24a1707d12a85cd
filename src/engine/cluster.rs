//! One cluster in the engine: what is known of it between passes, and what waits for the next one.
//!
//! A cluster at rest (rotation closed, nobody in flight) keeps no view, only the names of the parameters it follows: so
//! its events cost nothing, and neither do a thousand clusters at rest.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use tracing::{debug, info, warn};

use super::commands::{Wanted, followed};
use super::news;
use super::pass::{Errand, rotation_of_hosts};
use super::patience::Patience;
use super::releases::Settled;
use super::wire::TagChange;
use crate::effect::{News, Notice};
use crate::id::{CapacityProviderName, ClusterArn, ClusterName, GroupName, InstanceId, ParameterName};
use crate::plan::hold::{Problem, reason};
use crate::plan::host::Phase;
use crate::plan::model::{ClusterView, Tenants};
use crate::plan::tags::{ABORTED, Rotation, RotationId, RotationState, is_abort, readable};
use crate::plan::{Plan, WaitsFor, is_in_flight};

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
    /// The cluster's tags may not be written: hosts in flight are not to wait for that.
    pub cannot_tell: bool,
    /// The parameters that its groups follow, as far as the last whole look knew.
    pub follows: BTreeSet<ParameterName>,
    /// What the last whole look found, where nothing was to be done.
    pub settled: Option<Settled>,
    /// When that was, and which capacity providers it had then.
    pub looked_at: Option<Timestamp>,
    pub providers: Vec<CapacityProviderName>,
    /// The newest version of each container instance that an event spoke of.
    versions: BTreeMap<String, u64>,
    /// The phases of hosts in flight at the last look, for the log.
    phases: BTreeMap<InstanceId, Phase>,
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
    /// When the rotation opened that this worker has just closed.
    pub closed: Option<Timestamp>,
    /// The last rotation of which it has been told that it closed.
    told_closed: Option<RotationId>,
    /// Hosts of which that has been told: reads that lag behind show a host that has ended once more.
    pub replaced: BTreeSet<InstanceId>,
    /// What is to be told of our own.
    pub news: Vec<Notice>,
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
            cannot_tell: false,
            follows: BTreeSet::new(),
            settled: None,
            looked_at: None,
            providers: Vec::new(),
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
            closed: None,
            told_closed: None,
            replaced: BTreeSet::new(),
            news: Vec::new(),
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
    pub fn take_view(&mut self, view: ClusterView, now: Timestamp) {
        self.follows = followed(&view, now).into_values().flatten().map(|parameter| parameter.plain()).collect();
        self.settled = Settled::of(&view, now);
        self.looked_at = Some(now);
        self.providers.clone_from(&view.providers);
        self.view = Some(view);
    }

    /// Nothing under way: forgets what only a rotation needs.
    pub fn rest(&mut self) {
        let Some(view) = &mut self.view else { return };
        view.looked.clear();
        view.tenants = Tenants::default();
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
        let opted_in = self.view.as_ref().is_some_and(|view| view.opted_in);
        for host in self.phases.keys().filter(|host| !now.contains_key(*host)) {
            if !opted_in {
                warn!(cluster = %self.name, %host, "left as it is: the cluster has opted out");
                continue;
            }
            let phase = plan.phases.get(host).copied().unwrap_or(Phase::Gone);
            info!(cluster = %self.name, %host, "{phase}");
        }
        self.phases = now;
        self.counts.clear();
        for phase in plan.phases.values() {
            *self.counts.entry(*phase).or_default() += 1;
        }
        let aside = plan.phases.iter().filter(|(_, phase)| **phase == Phase::SetAside).map(|(id, _)| id.clone());
        let aside: BTreeSet<InstanceId> = aside.collect();
        for host in aside.difference(&self.set_aside) {
            warn!(cluster = %self.name, %host, "set aside by somebody else (DRAINING, and not by us): left as it is");
        }
        self.set_aside = aside;
    }

    /// Remembers who is kept waiting, and says in the log what is new about it.
    pub fn note_waits(&mut self, plan: &Plan, now: Timestamp) {
        let mut explained = BTreeMap::new();
        self.waits.clear();
        for wait in &plan.waits {
            *self.waits.entry(wait.waits_for).or_default() += 1;
            let line = wait.to_string();
            if wait.why.is_some() {
                if self.explained.get(&wait.host) != Some(&line) {
                    info!(cluster = %self.name, "{line}");
                }
                explained.insert(wait.host.clone(), line);
            } else {
                debug!(cluster = %self.name, "{line}");
            }
        }
        self.explained = explained;
        for (group, why) in &plan.unresolved {
            if self.unresolved.get(group) != Some(why) {
                warn!(cluster = %self.name, %group, why, "its release cannot be found: left as it is");
            }
        }
        self.unresolved.clone_from(&plan.unresolved);
        for (group, why) in &plan.refused {
            if self.refused.get(group) != Some(why) {
                info!(cluster = %self.name, %group, why, "a newer image is not taken");
            }
        }
        self.refused.clone_from(&plan.refused);
        for (group, why) in &plan.not_now {
            if self.not_now.get(group) != Some(why) {
                info!(cluster = %self.name, %group, why, "nothing begins now");
            }
        }
        self.not_now.clone_from(&plan.not_now);
        let Some(view) = &mut self.view else { return };
        for (name, group) in &mut view.groups {
            match plan.blocked.get(name) {
                None => group.blocked_since = None,
                Some(_) if group.blocked_since.is_some() => {}
                Some(why) => {
                    info!(cluster = %self.name, group = %name, why, "nobody is admitted");
                    group.blocked_since = Some(now);
                }
            }
        }
    }

    /// The hold to write, when the rotation is not held yet, or there is more to it than was written.
    pub fn to_hold(&self, plan: &Plan, now: Timestamp) -> Option<Wanted> {
        let mut reason = reason(&plan.problems)?;
        let view = self.view.as_ref()?;
        if is_abort(view.hold.as_deref()) {
            // That it was a person who stopped it is not to be lost.
            reason = format!("{ABORTED}. {reason}");
        }
        let held = view.rotation.as_ref().is_some_and(|rotation| rotation.state == RotationState::Held);
        let known = plan.problems.is_subset(&self.held_for) || view.hold.as_deref() == Some(readable(&reason).as_str());
        if held && known {
            return None;
        }
        let id: RotationId = match &view.rotation {
            Some(rotation) => rotation.id.clone(),
            None => rotation_of_hosts(view)?,
        };
        let rotation = Rotation { id, state: RotationState::Held, since: now };
        Some(Wanted { hold: Some(reason), ..Wanted::of(view, rotation) })
    }

    pub fn to_close(&self, now: Timestamp) -> Option<Wanted> {
        let view = self.view.as_ref()?;
        let id = view.rotation.as_ref()?.id.clone();
        Some(Wanted::of(view, Rotation { id, state: RotationState::Closed, since: now }))
    }

    /// A read that lags behind shows a rotation that has closed as open: it is closed once more, and not told again.
    fn is_told_already(&self, notice: &Notice) -> bool {
        let closed = self.told_closed.as_ref().is_some_and(|id| id.as_str() == notice.rotation);
        closed && notice.news == News::RotationClosed
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
        let Wanted { rotation, hold, scope, .. } = &change.wanted;
        if rotation.state == RotationState::Open && view.rotation.as_ref().is_none_or(|before| before.id != rotation.id)
        {
            self.replaced.clear();
        }
        if rotation.state == RotationState::Closed {
            self.closed = rotation.id.opened();
        }
        let groups = scope.iter().map(GroupName::as_str).collect::<Vec<_>>().join(" ");
        let (cluster, id, state) = (&self.name, &rotation.id, rotation.state.word());
        let force = change.wanted.rotate_before.is_some();
        match (rotation.state, hold) {
            (RotationState::Open, _) => {
                let groups = if groups.is_empty() { "all" } else { &groups };
                info!(%cluster, rotation = %id, groups, force, because = change.because, "rotation {state}");
            }
            (_, Some(reason)) => warn!(%cluster, rotation = %id, reason, "rotation {state}"),
            (_, None) => info!(%cluster, rotation = %id, "rotation {state}"),
        }
        change.wanted.apply(view);
        self.held_for = change.held_for;
    }
}
