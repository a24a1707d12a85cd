//! When a rotation closes, and what it leaves out.

use std::collections::{BTreeMap, BTreeSet};

use super::context::Context;
use super::exit;
use super::exit::Exit;
use super::groups::{plan_pruning, plan_wholeness};
use super::host::{MemberHost, Phase, is_in_flight};
use super::model::{GroupView, Look};
use super::outcome::{SkipCode, SkippedGroup};
use super::output::Plan;
use super::release::{NotTaken, Release, Resolution};
use super::rotation::RotationState;
use super::timing::{SHORTEST_ROTATION, earlier};
use crate::effect::Lifecycle;
use crate::id::{GroupName, InstanceId};

/// What an open rotation leaves out if it closes now.
pub(super) fn skipped(context: &Context<'_>) -> BTreeMap<GroupName, SkippedGroup> {
    let groups = context.view.groups.iter().filter(|(name, _)| context.view.in_scope(name));
    let why = |(name, group): (&GroupName, &GroupView)| {
        let (code, reason) = skips(context, name, group)?;
        Some((name.clone(), SkippedGroup { group: name.clone(), code, reason }))
    };
    groups.filter_map(why).collect()
}

fn skips(context: &Context<'_>, name: &GroupName, group: &GroupView) -> Option<(SkipCode, String)> {
    let asked_for = !context.view.scope.is_empty();
    if group.facts.managed {
        return asked_for.then(|| (SkipCode::Managed, "it is managed by AWS (an Operator is set)".to_owned()));
    }
    if let Some(why) = &group.opt_out_unread {
        return Some((SkipCode::Unresolved, why.clone()));
    }
    if group.opted_out {
        return asked_for
            .then(|| (SkipCode::OptedOut, "it has opted out, or does not belong to the cluster".to_owned()));
    }
    if let Exit::Costs(reason) = exit::check(context.view, name, group) {
        return Some((SkipCode::Exit, reason));
    }
    match context.resolutions.get(name) {
        Some(Resolution::Unresolved { reason }) => Some((SkipCode::Unresolved, reason.clone())),
        Some(Resolution::Resolved(release)) => refused(release).or_else(|| left_alone(context, name, release)),
        Some(Resolution::Lacks(_)) | None => None,
    }
}

/// A newer image that will not be taken however long one waits.
fn refused(release: &Release<'_>) -> Option<(SkipCode, String)> {
    release.launches.iter().find_map(|launch| {
        let newer = launch.newer.as_ref()?;
        let reason = launch.refused.clone().unwrap_or_else(|| newer.image.to_string());
        match newer.not_taken {
            NotTaken::Rejected => Some((SkipCode::Rejected, reason)),
            NotTaken::Refused => Some((SkipCode::Refused, reason)),
            NotTaken::Young => None,
        }
    })
}

/// Members that others took out of service, and that do not run the release.
fn left_alone(context: &Context<'_>, name: &GroupName, release: &Release<'_>) -> Option<(SkipCode, String)> {
    let old = |of: &&MemberHost<'_>| {
        let image = of.host.and_then(|host| host.image());
        image.is_some_and(|image| !release.images.contains(image))
    };
    let said = |of: &MemberHost<'_>| match (of.phase, of.member.lifecycle) {
        (_, Lifecycle::Standby) => Some(format!("{} is in standby", of.id())),
        (Some(Phase::SetAside), _) => Some(format!("{} is drained externally", of.id())),
        _ => None,
    };
    let left: BTreeSet<String> = context.members_of(name).iter().filter(old).filter_map(said).collect();
    let left: Vec<String> = left.into_iter().collect();
    (!left.is_empty()).then(|| (SkipCode::Hosts, format!("{}, and not on the release", left.join(", "))))
}

/// An open rotation closes when nothing is left to do, by a look at everything, and every group is whole: a group that is
/// not has perhaps just lost a host to another worker, whose tag on it cannot be seen yet.
pub(super) fn plan_closing(context: &Context<'_>, plan: &mut Plan) {
    let (view, now) = (context.view, context.now);
    let Some(rotation) = &view.rotation else { return };
    if rotation.state == RotationState::Closed && !view.skipped.is_empty() {
        plan.skipped = skipped(context);
    }
    let waits = !plan.blocked.is_empty() || !plan.not_now.is_empty();
    let busy = !plan.looks.is_empty() || !plan.acts.is_empty() || !plan.problems.is_empty() || waits;
    let left = plan.phases.iter().any(|(id, phase)| is_in_flight(*phase) || is_left_to_do(context, id, *phase));
    if rotation.state != RotationState::Open || busy || left {
        return;
    }
    let soonest = rotation.since + SHORTEST_ROTATION;
    if now < soonest {
        plan.look_again = earlier(plan.look_again, Some(soonest));
    } else if !view.has_looked(&Look::ContainerInstances) {
        plan.look_at_all = true;
    } else {
        plan_wholeness(context, plan);
        if plan.blocked.is_empty() {
            plan_pruning(context, rotation.since, plan);
        }
        plan.complete = plan.blocked.is_empty() && plan.looks.is_empty() && plan.acts.is_empty();
        plan.skipped = skipped(context);
    }
}

fn is_left_to_do(context: &Context<'_>, id: &InstanceId, phase: Phase) -> bool {
    phase == Phase::Outdated && context.memberships.get(id).is_some_and(|(group, _)| context.view.in_scope(group))
}
