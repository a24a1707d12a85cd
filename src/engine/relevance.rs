//! Does this event make a look worthwhile? Answered from what is known, without a call.
//!
//! ECS sends a container-instance event at every start and stop of a task: thousands an hour in a cluster at work, of which
//! a rotation needs a handful. What the view already says is no news; the last task of a drain is.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use super::say::say;
use crate::effect::{ContainerInstance, ContainerInstanceStatus, Member};
use crate::event::EventKind;
use crate::id::{ContainerInstanceArn, GroupName, InstanceId, TaskArn};
use crate::plan::model::{ClusterView, Look, Seen, TaskSeen};

/// What an event is good for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Relevance {
    /// A pass, after these looks.
    Look(BTreeSet<Look>),
    /// An agent has left. Most are back before anybody needs them: looked at later, if nothing is heard until then.
    Later(InstanceId),
    Irrelevant(&'static str),
}

use Relevance::Irrelevant;

/// Weighs an event against the view, and notes in the view what it says of tasks.
pub fn weigh(view: &mut ClusterView, event: &EventKind) -> Relevance {
    match event {
        EventKind::ContainerInstance { arn, instance, status, agent_connected, .. } => {
            let Some(id) = instance else { return Irrelevant("a container instance on no EC2 instance") };
            container_instance(view, arn, id, *status, *agent_connected)
        }
        EventKind::TaskStopped { container_instance, task, .. } => task_stopped(view, container_instance, task),
        EventKind::LaunchUnsuccessful { group, message } => {
            let Some(known) = view.groups.get_mut(group) else {
                return Irrelevant("a failed launch in a group of no rotation");
            };
            // To be read anew where somebody waits for it: what the event says is not built on.
            known.activities.get_or_insert_default().read = None;
            say!(info, &*view, %group, said = message, "a launch failed");
            Relevance::Look(BTreeSet::from([Look::Group(group.clone())]))
        }
        EventKind::Instance { id, state } => {
            if !state.is_gone() {
                return Irrelevant("an instance that is not going");
            }
            instance_gone(view, id)
        }
        EventKind::Parameter { .. } => Irrelevant("a parameter that no group follows"),
    }
}

fn container_instance(
    view: &mut ClusterView,
    arn: &ContainerInstanceArn,
    id: &InstanceId,
    status: ContainerInstanceStatus,
    connected: bool,
) -> Relevance {
    let inactive = status == ContainerInstanceStatus::Inactive;
    let known = view.hosts.get(id).and_then(|host| host.container.here());
    let same_arn = known.is_some_and(|known| known.arn.id() == arn.id());
    let as_known =
        |known: &ContainerInstance| known.status == status && (inactive || known.agent_connected == connected);
    if same_arn && known.is_some_and(as_known) {
        view.left.remove(id);
        return Irrelevant("a host whose status is known");
    }
    if same_arn && known.is_some_and(|known| known.status == status) && !connected {
        return Relevance::Later(id.clone());
    }
    if inactive && !same_arn {
        return Irrelevant("a host that has gone");
    }
    let host = view.hosts.entry(id.clone()).or_default();
    host.arn = Some(arn.clone());
    if let Some((group, _)) = view.membership(id).filter(|_| known_to_be_new(view, id)) {
        return newcomer(view, &group.clone(), id, status == ContainerInstanceStatus::Active && connected);
    }
    let mut looks = BTreeSet::from([Look::Host(id.clone())]);
    if !same_arn && view.membership(id).is_none() {
        // Somebody new: whose replacement it is, the groups that wait for one will say.
        looks.extend(unsettled_groups(view));
    }
    Relevance::Look(looks)
}

/// A member of which nothing is known but that it is one.
fn known_to_be_new(view: &ClusterView, id: &InstanceId) -> bool {
    view.hosts.get(id).is_some_and(|host| host.container.here().is_none() && host.ours.is_none())
}

/// A host that has registered, or its agent connected for the first time: looked at when nobody else is missing, with the
/// others that have come meanwhile. Until then it could change nothing.
fn newcomer(view: &mut ClusterView, name: &GroupName, id: &InstanceId, serves: bool) -> Relevance {
    if !serves {
        return Irrelevant("a new host whose agent is not connected yet");
    }
    view.hosts.entry(id.clone()).or_default().said_to_serve = true;
    let Some(group) = view.groups.get(name) else { return Irrelevant("a host of no group") };
    let said = |member: &&Member| view.hosts.get(&member.id).is_some_and(|host| host.said_to_serve);
    let said: Vec<&Member> = group.facts.members.iter().filter(said).collect();
    let weight: u32 = said.iter().map(|member| member.weight()).sum();
    if group.strength(&view.hosts, Timestamp::MAX).registered.saturating_add(weight) < group.facts.desired {
        return Irrelevant("a new host in a group that waits for others too");
    }
    let hosts = said.into_iter().map(|member| Look::Host(member.id.clone()));
    Relevance::Look(hosts.chain([Look::Group(name.clone())]).collect())
}

/// The groups that wait for somebody.
fn unsettled_groups(view: &ClusterView) -> BTreeSet<Look> {
    let ours = view.hosts.iter().filter(|(_, host)| host.status() == Some(ContainerInstanceStatus::Active));
    let mut waiting: BTreeMap<&InstanceId, &GroupName> =
        ours.filter_map(|(id, host)| Some((id, &host.ours.as_ref()?.group))).collect();
    // Those that still are in a group wait for nobody.
    for member in view.groups.values().flat_map(|group| &group.facts.members) {
        waiting.remove(&member.id);
    }
    let short = view
        .groups
        .iter()
        // An agent that is away counts for nothing here: one look more does no harm.
        .filter(|(_, group)| group.strength(&view.hosts, Timestamp::MAX).ready < group.facts.desired)
        .filter(|(_, group)| group.is_ours_to_touch())
        .map(|(name, _)| name);
    waiting.into_values().chain(short).cloned().map(Look::Group).collect()
}

fn task_stopped(view: &mut ClusterView, container_instance: &ContainerInstanceArn, task: &TaskArn) -> Relevance {
    let Some(id) = view.host_of(container_instance).cloned() else {
        return Irrelevant("a task of a host unknown here");
    };
    let Some(watch) = view.hosts.get_mut(&id).and_then(|host| host.watch.as_mut()) else {
        return Irrelevant("a task of a host that does not drain");
    };
    let known = watch.tasks.keys().find(|known| known.id() == task.id()).cloned();
    let seen = watch.tasks.entry(known.unwrap_or_else(|| task.clone())).or_insert(TaskSeen::NotStopped);
    if *seen == TaskSeen::NotStopped {
        *seen = TaskSeen::SaidToHaveStopped;
    }
    if watch.seems_over() {
        // The plan itself asks for the looks.
        Relevance::Look(BTreeSet::new())
    } else {
        Irrelevant("a task of a draining host that is not its last")
    }
}

fn instance_gone(view: &ClusterView, id: &InstanceId) -> Relevance {
    let Some(host) = view.hosts.get(id) else { return Irrelevant("an instance of no rotation") };
    let known_to_go = match &host.ec2 {
        Seen::Here(ec2) => ec2.state.is_gone(),
        Seen::Missing => true,
        Seen::Unknown => false,
    };
    match view.membership(id) {
        Some((group, _)) => Relevance::Look(BTreeSet::from([Look::Instance(id.clone()), Look::Group(group.clone())])),
        None if host.ours.is_some() && !known_to_go => Relevance::Look(BTreeSet::from([Look::Instance(id.clone())])),
        None => Irrelevant("an instance known to be going"),
    }
}
