//! One host: in which phase it is, and what its next step is.
//!
//! The phase is derived, never stored. The rows are tried in the order of [`Phase`]; the first that fits is the phase.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

use super::model::{ClusterView, GroupView, Host, Look, Seen};
use crate::effect::{ContainerInstanceStatus, Lifecycle, Member};
use crate::id::{AmiId, GroupName, InstanceId};

/// How long ECS's own reads may lag behind. A drain is not believed to be over sooner than this after our first look at
/// its tasks: a list of tasks that is a little old can miss the one that has just been told to stop. Costs an empty host
/// these seconds, and a host with tasks nothing (they take longer to stop).
pub const READS_LAG: SignedDuration = SignedDuration::from_secs(15);

/// Where a host is on its way. Ordered as the rows are tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Phase {
    /// EC2 says shutting-down or terminated, or knows it no more.
    Gone,
    /// Ours, out of the group, deregistered; EC2 still runs.
    Retired,
    /// DRAINING, and not by us.
    SetAside,
    /// Ours, out of the group, DRAINING, every task STOPPED.
    Drained,
    /// Ours, out of the group, DRAINING.
    Draining,
    /// Ours, out of the group, still ACTIVE.
    Replacing,
    /// Ours, still in the group.
    Leaving,
    /// In the group and in service, not on the release, or launched before `rotate-before`.
    Outdated,
    Current,
    /// Of no group of this cluster, or not ours to touch.
    Foreign,
}

impl std::fmt::Display for Phase {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Phase::Gone => "gone",
            Phase::Retired => "retired",
            Phase::SetAside => "set aside",
            Phase::Drained => "drained",
            Phase::Draining => "draining",
            Phase::Replacing => "replacing",
            Phase::Leaving => "leaving",
            Phase::Outdated => "outdated",
            Phase::Current => "current",
            Phase::Foreign => "foreign",
        })
    }
}

/// Which group each instance is a member of, as the groups say.
pub type Memberships<'a> = BTreeMap<&'a InstanceId, (&'a GroupName, &'a Member)>;

pub fn memberships(view: &ClusterView) -> Memberships<'_> {
    view.groups
        .iter()
        .flat_map(|(name, group)| group.facts.members.iter().map(move |member| (&member.id, (name, member))))
        .collect()
}

/// The phase of one host. `release` is the image its group shall run, where that is known.
pub fn phase(
    view: &ClusterView,
    id: &InstanceId,
    host: &Host,
    member: Option<(&GroupName, &Member)>,
    release: Option<&AmiId>,
    now: Timestamp,
) -> Phase {
    match &host.ec2 {
        Seen::Missing => return Phase::Gone,
        Seen::Here(ec2) if ec2.state.is_gone() => return Phase::Gone,
        Seen::Here(_) | Seen::Unknown => {}
    }
    match (&host.ours, member) {
        (Some(_), None) => phase_of_ours(view, id, host, now),
        // EC2 knows it, its group has begun to end it: nothing of ours to do any more.
        (Some(_), Some((_, member))) if member.lifecycle == Lifecycle::Terminating => Phase::Current,
        // Tagged, and opted out before it was detached: it stays where it is.
        (Some(_), Some((group, _))) if !is_ours_to_touch(view, group) => Phase::Foreign,
        (Some(_), Some(_)) => Phase::Leaving,
        (None, _) if host.status() == Some(ContainerInstanceStatus::Draining) => Phase::SetAside,
        (None, None) => Phase::Foreign,
        (None, Some((group, member))) => phase_of_member(view, host, group, member, release),
    }
}

fn phase_of_ours(view: &ClusterView, id: &InstanceId, host: &Host, now: Timestamp) -> Phase {
    match &host.container {
        Seen::Missing => Phase::Retired,
        // Not asked yet: nothing follows from that.
        Seen::Unknown => Phase::Replacing,
        Seen::Here(container) => match container.status {
            ContainerInstanceStatus::Inactive => Phase::Retired,
            ContainerInstanceStatus::Draining | ContainerInstanceStatus::Deregistering => {
                if is_drained(view, id, host, now) { Phase::Drained } else { Phase::Draining }
            }
            ContainerInstanceStatus::Active | ContainerInstanceStatus::Other => Phase::Replacing,
        },
    }
}

fn phase_of_member(
    view: &ClusterView,
    host: &Host,
    group: &GroupName,
    member: &Member,
    release: Option<&AmiId>,
) -> Phase {
    if !is_ours_to_touch(view, group) || host.ec2.here().is_some_and(|ec2| ec2.managed) {
        return Phase::Foreign;
    }
    if member.lifecycle != Lifecycle::InService {
        return Phase::Current;
    }
    let other_image = matches!((host.image(), release), (Some(image), Some(release)) if image != release);
    let too_old = matches!((host.launched(), view.rotate_before), (Some(at), Some(before)) if at < before)
        && view.in_scope(group)
        && release.is_some();
    if other_image || too_old { Phase::Outdated } else { Phase::Current }
}

fn is_ours_to_touch(view: &ClusterView, group: &GroupName) -> bool {
    view.groups.get(group).is_some_and(GroupView::is_ours_to_touch)
}

/// Every task is STOPPED, by a look in this pass: none with desired status RUNNING, none pending, and every one that was
/// ever seen there or is listed as to be stopped has stopped.
fn is_drained(view: &ClusterView, id: &InstanceId, host: &Host, now: Timestamp) -> bool {
    let looked = view.is_fresh(&Look::Host(id.clone()), now) && view.is_fresh(&Look::Tasks(id.clone()), now);
    let Some(watch) = &host.watch else { return false };
    // The list of tasks that shall have stopped was read long enough after the first look, and not long ago.
    let settled = watch.last_look >= watch.since + READS_LAG;
    looked && settled && host.tasks_to_run() == 0 && watch.left().next().is_none()
}

/// What a host in a drain wants to know next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DrainStep {
    Look(Vec<Look>),
    /// Nothing before this time, if no event comes first.
    Wait(Option<Timestamp>),
}

/// Looks only when something says that the drain may be over: its tasks are said to have stopped, or the last read
/// counted none.
pub fn drain_step(view: &ClusterView, id: &InstanceId, host: &Host, now: Timestamp) -> DrainStep {
    let (look_host, look_tasks) = (Look::Host(id.clone()), Look::Tasks(id.clone()));
    let Some(watch) = &host.watch else {
        // The list of its tasks was shorter than their count: one of the two reads lags behind.
        let lagging = view.has_looked(&look_tasks);
        return if lagging { DrainStep::Wait(Some(now + READS_LAG)) } else { DrainStep::Look(first_looks(view, id)) };
    };
    let may_be_over = watch.seems_over() || host.tasks_to_run() == 0;
    if !may_be_over {
        return DrainStep::Wait(None);
    }
    let soonest =
        (watch.since + READS_LAG).max(if watch.seems_over() { watch.since } else { watch.last_look + READS_LAG });
    let looked_in_vain = view.has_looked(&look_host) && view.has_looked(&look_tasks);
    if looked_in_vain {
        return DrainStep::Wait(Some(soonest.max(watch.last_look + READS_LAG)));
    }
    if now < soonest {
        return DrainStep::Wait(Some(soonest));
    }
    if !view.has_looked(&look_host) {
        return DrainStep::Look(vec![look_host]);
    }
    if host.tasks_to_run() > 0 {
        // The events were ahead of the reads.
        return DrainStep::Wait(Some(now + READS_LAG));
    }
    DrainStep::Look(vec![look_tasks])
}

/// How many tasks there are, and which.
fn first_looks(view: &ClusterView, id: &InstanceId) -> Vec<Look> {
    let looks = [Look::Host(id.clone()), Look::Tasks(id.clone())];
    looks.into_iter().filter(|look| !view.has_looked(look)).collect()
}
