//! How many hosts of a group are where, and what keeps the next one from going.

use super::admission::{gate, stands};
use super::context::Context;
use super::host::{MemberHost, Phase, is_in_flight};
use super::model::{ClusterView, GroupView, Host, Look};
use super::output::Plan;
use super::problem::{Blocked, Problem};
use super::timing::{AGENT_AGAIN, ALARM_AGAIN, LIFECYCLE_LAG, REFUSED_FOR, earlier};
use crate::id::{GroupName, InstanceId};
use jiff::Timestamp;
use std::collections::{BTreeMap, BTreeSet};

/// How many hosts of each group are where.
#[derive(Default)]
pub(super) struct Flight {
    /// Those too that are claimed; not where the claim has lapsed.
    pub(super) in_flight: u32,
    pub(super) replacing: u32,
    /// Draining, drained or retired.
    pub(super) emptying: u32,
}

pub(super) fn flights(
    view: &ClusterView,
    stand_ins: &BTreeSet<&InstanceId>,
    plan: &Plan,
) -> BTreeMap<GroupName, Flight> {
    let mut flights: BTreeMap<GroupName, Flight> = BTreeMap::new();
    for (id, phase) in plan.phases.iter().filter(|(_, phase)| is_in_flight(**phase)) {
        let Some(ours) = view.hosts.get(id).and_then(|host| host.ours.as_ref()) else { continue };
        let claimed = *phase == Phase::Leaving && !stand_ins.contains(id) && view.is_in_place(id, &ours.group);
        if claimed && !stands(view, ours) {
            continue;
        }
        let flight = flights.entry(ours.group.clone()).or_default();
        flight.in_flight += 1;
        match phase {
            Phase::Replacing => flight.replacing += 1,
            // Until its target groups have let go of it, it is listed, and serves its group no more.
            Phase::Leaving if view.is_detaching(id, &ours.group) => flight.replacing += 1,
            Phase::Draining | Phase::Drained | Phase::Retired => flight.emptying += 1,
            Phase::Leaving
            | Phase::Returning
            | Phase::Gone
            | Phase::Ending
            | Phase::SetAside
            | Phase::Outdated
            | Phase::Unknown
            | Phase::Behind
            | Phase::Current
            | Phase::Foreign => {}
        }
    }
    flights
}

/// Would the gate before the next host of this group be open, as far as its capacity goes?
pub fn is_at_capacity(context: &Context<'_>, name: &GroupName, plan: &Plan) -> bool {
    let view = context.view;
    let Some(group) = view.groups.get(name) else { return true };
    let flights = flights(view, context.stand_ins, plan);
    let (replacing, emptying) = flights.get(name).map_or((0, 0), |flight| (flight.replacing, flight.emptying));
    let (replacing, emptying) = (group.capacity_of(replacing), group.capacity_of(emptying));
    gate(group, &view.hosts, context.strength(name), replacing, emptying, context.now).is_ok()
}

/// Agents come and go several times an hour, and the event that one is back may be lost. Where only that keeps a group from
/// being whole, those agents are looked at again, and soon. So are those of which only an event says that they have come.
pub fn plan_reconnection(context: &Context<'_>, name: &GroupName, group: &GroupView, plan: &mut Plan) {
    let view = context.view;
    let is_away = |of: &&MemberHost<'_>| of.host.is_some_and(|host| host.is_disconnected() || host.said_to_serve);
    let away: Vec<&MemberHost<'_>> = context.members_of(name).iter().filter(is_away).collect();
    let would_do = context.strength(name).registered.saturating_add(away.iter().map(|of| of.member.weight()).sum());
    if away.is_empty() || would_do < group.facts.desired {
        return;
    }
    let looks = away.into_iter().map(|of| Look::Host(of.id().clone()));
    let looks: BTreeSet<Look> = looks.filter(|look| !view.has_looked(look)).collect();
    if looks.is_empty() {
        plan.look_again = earlier(plan.look_again, Some(context.now + AGENT_AGAIN));
    }
    plan.looks.extend(looks);
}

pub(super) fn block(context: &Context<'_>, name: &GroupName, group: &GroupView, why: &Blocked, plan: &mut Plan) {
    let (view, now) = (context.view, context.now);
    plan.blocked.insert(name.clone(), why.to_string());
    let opened = view.rotation.as_ref().map_or(now, |rotation| rotation.since);
    let strength = context.strength(name);
    if strength.registered > strength.ready {
        plan.look_again = earlier(plan.look_again, Some(now + LIFECYCLE_LAG));
    }
    plan_reconnection(context, name, group, plan);
    if matches!(why, Blocked::InAlarm(_) | Blocked::NoSuchAlarm(_) | Blocked::AlarmNotEvaluated(_)) {
        plan.look_again = earlier(plan.look_again, Some(now + ALARM_AGAIN));
    }
    let since = group.blocked_since.unwrap_or(now).max(opened);
    let until = since + group.policy.replacement_timeout;
    if now < until {
        plan.look_again = earlier(plan.look_again, Some(until));
    } else {
        plan.problems.insert(Problem::blocked(name, why, group.policy.replacement_timeout));
    }
}

/// After AWS has refused a call about it: for a while, or until a person says that it is worth another try.
pub(super) fn is_left_alone(id: &InstanceId, host: &Host, now: Timestamp, plan: &mut Plan) -> bool {
    if let Some(refusal) = &host.problem {
        plan.problems.insert(Problem::HostRefused { host: id.clone(), refusal: refusal.clone() });
        return true;
    }
    let again = host.refused.map(|refused| refused + REFUSED_FOR).filter(|again| now < *again);
    plan.look_again = earlier(plan.look_again, again);
    again.is_some()
}
