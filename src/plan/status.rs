//! What a rotation is doing now, and why it waits: read off the same view by the same functions as what the worker does
//! next. Works from AWS's answers alone, so whoever may read can know it, with a worker or without.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

use super::forecast::{Assumptions, Forecast, GroupForecast, LaunchForecast, Status, forecast, hosts_of};
use super::hold::reason;
use super::host::{Memberships, Phase, memberships};
use super::model::{ClusterView, Host, TaskWatch};
use super::policy::Policy;
use super::tags::{RotationState, is_abort, readable};
use super::{Plan, Wait, is_in_flight, plan};
use crate::id::{ClusterName, GroupName, InstanceId};

/// One cluster at one moment. Times are UTC; durations are seconds.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ClusterStatus {
    pub cluster: ClusterName,
    /// None: no tag says so, and a worker takes it only if it is named in its configuration.
    pub enabled: Option<bool>,
    /// None: there has been none.
    pub rotation: Option<RotationStatus>,
    /// Why it is held, and what to do; or why it will be, as it looks now.
    pub hold: Option<String>,
    /// What a person can do about it, where nothing goes on by itself.
    pub to_do: Vec<ToDo>,
    /// Members of the groups that the rotation is about, and those of them that need not go (any more).
    pub hosts: usize,
    pub current: usize,
    /// About how long it will take yet, while it is open.
    pub left_seconds: Option<i64>,
    pub groups: Vec<GroupStatus>,
    pub in_flight: Vec<HostStatus>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ToDo {
    /// When it is the thing to do, or what for.
    pub when: &'static str,
    pub command: String,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RotationStatus {
    pub id: String,
    pub state: RotationState,
    /// In this state.
    pub since: Timestamp,
    pub opened: Option<Timestamp>,
    /// What opened it.
    pub because: Option<String>,
    /// Hosts on the release are replaced too.
    pub forced: bool,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct GroupStatus {
    pub group: GroupName,
    pub desired: u32,
    pub status: Status,
    /// Why it is left alone, or its release not known.
    pub reason: Option<String>,
    pub launches: Vec<LaunchForecast>,
    /// Its members and those that have left it for a replacement.
    pub hosts: BTreeMap<Phase, BTreeSet<InstanceId>>,
    /// Why nobody (more) of it is taken now.
    pub waits: Vec<String>,
}

/// A host on its way, or one that others wait for.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct HostStatus {
    pub host: InstanceId,
    pub group: Option<GroupName>,
    pub phase: Phase,
    /// When it became ours; when its drain began.
    pub since: Option<Timestamp>,
    /// Tasks of it that are not STOPPED, as far as that was looked at.
    pub tasks: Option<usize>,
    pub waits_for: Option<String>,
    /// When it has waited too long.
    pub until: Option<Timestamp>,
    /// Who or what keeps it.
    pub why: Option<String>,
}

#[must_use]
pub fn status(view: &ClusterView, policy: &Policy, now: Timestamp) -> ClusterStatus {
    let plan = plan(view, policy, now);
    let forecast = forecast(view, policy, &Assumptions::default(), 0, now);
    let scope = |group: &&GroupForecast| view.in_scope(&group.group) && group.status != Status::LeftAlone;
    let hosts: usize = forecast.groups.iter().filter(scope).map(|group| group.desired as usize).sum();
    let open = view.rotation.as_ref().is_some_and(|rotation| rotation.state == RotationState::Open);
    let memberships = memberships(view);
    let in_scope = |id: &InstanceId| memberships.get(id).is_some_and(|(group, _)| view.in_scope(group));
    let outdated = plan.phases.iter().filter(|(id, phase)| **phase == Phase::Outdated && in_scope(id)).count();
    let leaving = plan.phases.values().filter(|phase| is_in_flight(**phase)).count();
    ClusterStatus {
        cluster: view.arn.name(),
        enabled: view.enabled,
        rotation: view.rotation.as_ref().map(|rotation| RotationStatus {
            id: rotation.id.as_str().to_owned(),
            state: rotation.state,
            since: rotation.since,
            opened: rotation.id.opened(),
            because: view.because.clone(),
            forced: view.rotate_before.is_some(),
        }),
        hold: hold(view, reason(&plan.problems), open),
        to_do: to_do(view),
        hosts,
        current: hosts.saturating_sub(outdated + leaving),
        left_seconds: open.then(|| left(view, &forecast, &plan, now)),
        in_flight: in_flight(view, &memberships, &plan),
        groups: forecast.groups.into_iter().map(|group| of_group(view, &plan, group)).collect(),
    }
}

/// The tag has room for less than there may be to say: where it is the beginning of what can be said now, that is said.
fn hold(view: &ClusterView, reason: Option<String>, open: bool) -> Option<String> {
    match (&view.hold, reason) {
        (Some(tag), Some(reason)) if *tag == readable(&reason) => Some(reason),
        (Some(tag), _) => Some(tag.clone()),
        (None, reason) => reason.filter(|_| open),
    }
}

fn to_do(view: &ClusterView) -> Vec<ToDo> {
    let Some(rotation) = &view.rotation else { return Vec::new() };
    let ways: &[(&str, &str)] = match rotation.state {
        RotationState::Held if is_abort(view.hold.as_deref()) => &[("to begin it again", "rotate")],
        RotationState::Held => {
            &[("when that is mended", "resume"), ("to give back the hosts that do not drain yet", "abort")]
        }
        RotationState::Paused => &[("to let it go on", "resume")],
        RotationState::Open | RotationState::Closed => &[],
    };
    let cluster = view.arn.name();
    let way =
        |(when, verb): &(&'static str, &str)| ToDo { when, command: format!("ecs-rotator {verb} --cluster {cluster}") };
    ways.iter().map(way).collect()
}

/// What is due by the forecast, and a drain for whoever is on its way.
fn left(view: &ClusterView, forecast: &Forecast, plan: &Plan, now: Timestamp) -> i64 {
    let assumed = Assumptions::default();
    let passed = |id: &InstanceId| {
        let since = view.hosts.get(id).and_then(since);
        since.map_or(SignedDuration::ZERO, |since| now.duration_since(since))
    };
    let of_host = |(id, phase): (&InstanceId, &Phase)| match phase {
        Phase::Leaving | Phase::Replacing => assumed.replacement - passed(id).min(assumed.replacement) + assumed.drain,
        Phase::Draining => assumed.drain - passed(id).min(assumed.drain),
        Phase::Gone
        | Phase::Retired
        | Phase::SetAside
        | Phase::Returning
        | Phase::Drained
        | Phase::Outdated
        | Phase::Current
        | Phase::Foreign => SignedDuration::ZERO,
    };
    let on_their_way = plan.phases.iter().map(of_host).max().unwrap_or_default();
    forecast.takes_seconds + on_their_way.as_secs()
}

fn of_group(view: &ClusterView, plan: &Plan, group: GroupForecast) -> GroupStatus {
    let hosts = hosts_of(view, plan, &group.group);
    let hosts = hosts.into_iter().map(|(phase, ids)| (phase, ids.into_iter().cloned().collect())).collect();
    let GroupForecast { group, desired, status, reason, launches, stuck, .. } = group;
    let mut waits = stuck;
    waits.extend(plan.refused.get(&group).cloned());
    GroupStatus { group, desired, status, reason, launches, hosts, waits }
}

/// Those on their way, the furthest first; then those that others wait for.
fn in_flight(view: &ClusterView, memberships: &Memberships<'_>, plan: &Plan) -> Vec<HostStatus> {
    let waits: BTreeMap<&InstanceId, &Wait> = plan.waits.iter().map(|wait| (&wait.host, wait)).collect();
    let shown = plan.phases.iter().filter(|(id, phase)| is_in_flight(**phase) || waits.contains_key(*id));
    let mut hosts: Vec<HostStatus> =
        shown.map(|(id, phase)| of_host(view, memberships, id, *phase, waits.get(id).copied())).collect();
    hosts.sort_by(|a, b| (a.phase, a.since, &a.host).cmp(&(b.phase, b.since, &b.host)));
    hosts
}

fn of_host(
    view: &ClusterView,
    memberships: &Memberships<'_>,
    id: &InstanceId,
    phase: Phase,
    wait: Option<&Wait>,
) -> HostStatus {
    let host = view.hosts.get(id);
    let member_of = memberships.get(id).map(|(group, _)| (*group).clone());
    HostStatus {
        host: id.clone(),
        group: host.and_then(|host| host.ours.as_ref()).map(|ours| ours.group.clone()).or(member_of),
        phase,
        since: host.and_then(since),
        tasks: host.and_then(|host| host.watch.as_ref()).map(TaskWatch::count_left),
        waits_for: wait.map(|wait| wait.waits_for.to_string()),
        until: wait.map(|wait| wait.until),
        why: wait.and_then(|wait| wait.why.clone()),
    }
}

fn since(host: &Host) -> Option<Timestamp> {
    host.draining_since.or(host.ours.as_ref().map(|ours| ours.since))
}
