//! From answers to facts: what each reply changes in the view, and what has to be asked because of it.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use tracing::debug;

use super::ownership::Neighbours;
use super::settings::Settings;
use crate::effect::{
    Activity, Cluster, ContainerInstance, ContainerInstanceStatus, DesiredStatus, Group, Image, ImageQuery, Instance,
    ItemFailure, Launch, Parameter, Request, Task, TaskStatus, TemplateSpec, TemplateVersion, VersionQuery,
};
use crate::id::{AmiId, ContainerInstanceArn, GroupName, InstanceId, ParameterName, ServiceArn, TaskArn, TemplateId};
use crate::plan::model::{
    Activities, BrokenTasks, ClusterView, GroupView, Host, Look, Seen, Stopping, TaskSeen, TaskWatch, Wiped,
};
use crate::plan::rotation::{Rotation, RotationState};
use crate::plan::tags::{Tags, Thing};
use crate::plan::timing::READS_LAG;

/// The tag by which EC2 knows of an instance's group. A detach takes it away.
const GROUP_NAME_TAG: &str = "aws:autoscaling:groupName";

/// What further calls are needed before the facts are complete.
#[derive(Debug, Default)]
pub struct FollowUp {
    pub hosts: BTreeSet<ContainerInstanceArn>,
    /// EC2 instances for which `hosts` must have an answer, or there is none.
    pub asked: BTreeSet<InstanceId>,
    pub tasks: BTreeSet<TaskArn>,
    /// Lists of tasks of which some pages are still to come: half a list is no list.
    pub half_lists: BTreeMap<ContainerInstanceArn, BTreeSet<TaskArn>>,
    pub services: BTreeSet<ServiceArn>,
    /// Tasks of services: are they protected?
    pub protectable: BTreeSet<TaskArn>,
    /// EC2 instances whose container instance has gone: is there a new one?
    pub unlisted: BTreeSet<InstanceId>,
}

pub fn cluster(view: &mut ClusterView, facts: Cluster, settings: &Settings, tags: &Tags, now: Timestamp) {
    let ours = tags.read_cluster(&facts.tags);
    view.opted_in = facts.status == "ACTIVE" && settings.takes(&facts.arn.name(), ours.enabled);
    view.enabled = ours.enabled;
    view.providers = facts.capacity_providers.into_iter().collect();
    view.unread_tags = tags.unread(Thing::Cluster, &facts.tags);
    name_groups(view, settings);
    // What was written a moment ago is not taken back by a read that lags behind.
    let just_written = view.rotation.as_ref().is_some_and(|rotation| now < rotation.since + READS_LAG);
    // We never delete them: whoever owns all tags of the cluster (infrastructure code) has.
    let wiped = view.rotation.is_some() && tags.of_rotation(&facts.tags).is_empty();
    if wiped && !just_written {
        view.wiped_since.get_or_insert(now);
        let ours = tags.of_rotation(&view.tags);
        view.tags = facts.tags.into_iter().chain(ours).collect();
    } else if !just_written {
        view.wiped_since = None;
        view.tags = facts.tags;
        view.rotation = ours.rotation;
        view.hold = ours.hold;
        view.skipped = ours.skipped;
        view.rotate_before = ours.rotate_before;
        view.resumed = ours.resumed;
        view.because = ours.because;
        view.scope = ours.scope;
        view.settings = ours.settings;
    }
    view.answers = ours.answers;
}

/// The groups that the configuration names for this cluster.
pub fn name_groups(view: &mut ClusterView, settings: &Settings) {
    let named = settings.groups.get(&view.arn.name()).into_iter().flatten();
    view.configured.extend(named.cloned());
    view.belonging.extend(view.configured.iter().cloned());
}

pub fn group(
    view: &mut ClusterView,
    facts: Group,
    settings: &Settings,
    tags: &Tags,
    known: &Neighbours<'_>,
    now: Timestamp,
) {
    let name = facts.name.clone();
    for member in &facts.members {
        let host = view.hosts.entry(member.id.clone()).or_default();
        host.image_of_member = member.image.clone().or(host.image_of_member.take());
    }
    let mut group = GroupView::new(facts, tags, &settings.policy);
    // A group that a host in flight has left, and that has left the cluster since: read, but not to be touched.
    group.opted_out |= !view.belonging.contains(&name);
    if let Some(problem) = known.shared(&name, &view.arn.name()) {
        group.problem.get_or_insert(problem);
    }
    group.blocked_since = view.groups.get(&name).and_then(|old| old.blocked_since);
    group.activities = view.groups.get(&name).and_then(|old| old.activities.clone());
    keep_rejection(&mut group, view.groups.get(&name), now);
    keep_wiped(&mut group, view.groups.get(&name), tags, now);
    view.groups.insert(name, group);
}

/// What was rejected a moment ago is not taken back by a read that lags behind.
fn keep_rejection(new: &mut GroupView, old: Option<&GroupView>, now: Timestamp) {
    let Some(old) = old else { return };
    let recent = old.rejection.as_ref().filter(|rejection| now < rejection.at + READS_LAG);
    if recent.is_some() && new.rejection != old.rejection {
        new.rejection.clone_from(&old.rejection);
        new.source.rejected.extend(old.source.rejected.iter().cloned());
    }
}

/// Both tags of a rejection are gone: a person who lifts one clears `rejected` alone. What they said still counts.
fn keep_wiped(new: &mut GroupView, old: Option<&GroupView>, tags: &Tags, now: Timestamp) {
    let Some(old) = old.filter(|old| old.rejection.is_some()) else { return };
    if !tags.of_rejection(&new.facts.tags).is_empty() {
        return;
    }
    let had = || Wiped { since: now, tags: tags.of_rejection(&old.facts.tags) };
    let wiped = old.wiped.clone().unwrap_or_else(had);
    new.facts.tags.extend(wiped.tags.clone());
    new.rejection.clone_from(&old.rejection);
    new.source.rejected.extend(old.source.rejected.iter().cloned());
    new.wiped = Some(wiped);
}

/// Container instances as described. Those `asked` for and not among them are not there.
pub fn container_instances(
    view: &mut ClusterView,
    instances: Vec<ContainerInstance>,
    failures: &[ItemFailure],
    asked: &[InstanceId],
    now: Timestamp,
    follow_up: &mut FollowUp,
) {
    let mut found = BTreeSet::new();
    for container in instances {
        let Some(id) = container.instance.clone() else { continue };
        found.insert(id.clone());
        container_instance(view, id, container, asked, now, follow_up);
    }
    for failure in failures {
        debug!(container_instance = failure.item, reason = failure.reason, "not described");
    }
    for id in asked.iter().filter(|id| !found.contains(*id)) {
        let host = view.hosts.entry(id.clone()).or_default();
        let known = host.arn.take().is_some();
        if known {
            follow_up.unlisted.insert(id.clone());
        } else if !failures.is_empty() {
            // Listed a moment ago, and not there to be described: the two contradict each other, and one of them is old.
            host.container = Seen::Unknown;
            continue;
        }
        host.container = Seen::Missing;
        host.missing_since.get_or_insert(now);
        view.looked.insert(Look::Host(id.clone()), now);
    }
}

fn container_instance(
    view: &mut ClusterView,
    id: InstanceId,
    mut container: ContainerInstance,
    asked: &[InstanceId],
    now: Timestamp,
    follow_up: &mut FollowUp,
) {
    view.looked.insert(Look::Host(id.clone()), now);
    view.left.remove(&id);
    let host = view.hosts.entry(id.clone()).or_default();
    let container_id = container.arn.id().to_owned();
    let inactive = container.status == ContainerInstanceStatus::Inactive;
    let another = host.container.here().is_some_and(|known| known.arn.id() != container.arn.id());
    // An agent that registered anew: what it was before says nothing about it, in whatever order they are told.
    let rank =
        |of: &ContainerInstance| (of.status != ContainerInstanceStatus::Inactive, of.agent_connected, of.registered);
    if another && host.container.here().is_some_and(|known| rank(&container) < rank(known)) {
        return;
    }
    if another {
        host.watch = None;
        host.blockers = None;
    }
    if container.status == ContainerInstanceStatus::Active {
        // Whatever was seen of a drain: if it drains again, its tasks are others.
        host.watch = None;
    }
    if inactive {
        host.missing_since.get_or_insert(now);
    } else {
        host.missing_since = None;
    }
    if inactive && host.arn.take().is_some() && asked.contains(&id) {
        follow_up.unlisted.insert(id.clone());
    } else if !inactive {
        host.arn = Some(container.arn.clone());
    }
    let known = host.container.here().is_some() && !another;
    let connected = container.agent_connected.then_some(now);
    host.said_to_serve = false;
    host.connected = connected.or(host.connected.filter(|_| known));
    host.away_since =
        (!container.agent_connected && !inactive).then(|| host.away_since.filter(|_| known).unwrap_or(now));
    if let Some(known) = host.container.here().filter(|_| !another) {
        // Answers to changes come without attributes.
        container.image = container.image.or_else(|| known.image.clone());
        container.zone = container.zone.or_else(|| known.zone.clone());
        container.registered = container.registered.or(known.registered);
        container.whole = container.whole.or(known.whole);
        container.free = container.free.or(known.free);
    }
    host.container = Seen::Here(container);
    let tasks = host.tasks_to_run();
    if let Some(watch) = &mut host.watch {
        watch.recount(tasks, now);
    }
    view.containers.insert(container_id, id);
}

/// Answers about EC2 instances; those `asked` for and not among them are not there.
pub fn instances(view: &mut ClusterView, instances: Vec<Instance>, asked: &[InstanceId], tags: &Tags, now: Timestamp) {
    let cluster = view.arn.name();
    let found: BTreeSet<InstanceId> = instances.iter().map(|instance| instance.id.clone()).collect();
    for mut instance in instances {
        let host = view.hosts.entry(instance.id.clone()).or_default();
        let ours = tags.read_ours(&cluster, &instance.tags);
        host.tags_read = ours.as_ref().map(|_| now);
        host.hear_of_claim(ours, now);
        if !is_just_tagged(host, now) {
            host.draining_since = tags.read_draining_since(&instance.tags);
            host.give_back = tags.read_give_back(&instance.tags);
        }
        if let Some(group) = instance.tags.get(GROUP_NAME_TAG) {
            host.of_group = Some(GroupName::from(group.as_str()));
        }
        // Read; not to be kept a thousand times.
        instance.tags.clear();
        host.ec2 = Seen::Here(instance);
    }
    for id in asked.iter().filter(|id| !found.contains(*id)) {
        view.hosts.entry(id.clone()).or_default().ec2 = Seen::Missing;
    }
}

fn is_just_tagged(host: &Host, now: Timestamp) -> bool {
    host.tagged.is_some_and(|at| now < at + READS_LAG)
}

/// A whole list of the tasks of one host.
pub fn task_list(
    view: &mut ClusterView,
    container_instance: &ContainerInstanceArn,
    desired: DesiredStatus,
    arns: BTreeSet<TaskArn>,
    now: Timestamp,
    follow_up: &mut FollowUp,
) {
    let Some(id) = view.host_of(container_instance).cloned() else { return };
    let asks_for_broken = view.has_looked(&Look::Broken(id.clone()));
    // It comes in pages, and is no younger than the first.
    let asked = view.looked.get(&Look::Tasks(id.clone())).map_or(now, |asked| now.min(*asked));
    let Some(host) = view.hosts.get_mut(&id) else { return };
    if desired == DesiredStatus::Stopped && host.watch.is_none() && asks_for_broken {
        host.broken = Some(BrokenTasks { read: now, tasks: BTreeMap::new() });
        follow_up.tasks.extend(arns);
        return;
    }
    match (desired, &mut host.watch) {
        (DesiredStatus::Running, None) => {
            let listed = u32::try_from(arns.len()).unwrap_or(u32::MAX);
            // A list that is shorter than the count: one of the two reads lags behind, and is not to be built on.
            if listed >= host.tasks_to_run() {
                host.watch = Some(TaskWatch::new(arns.into_iter(), now));
            }
        }
        (DesiredStatus::Stopped, Some(watch)) => {
            watch.last_look = asked;
            for arn in arns {
                let seen = watch.tasks.entry(arn).or_insert(TaskSeen::NotStopped);
                // An event's word is not taken for it.
                if *seen == TaskSeen::SaidToHaveStopped {
                    *seen = TaskSeen::NotStopped;
                }
            }
            follow_up.tasks.extend(watch.left().cloned());
        }
        // Counted so far, and now known by name.
        (DesiredStatus::Running, Some(watch)) => {
            let listed = u32::try_from(arns.len()).unwrap_or(u32::MAX);
            for arn in arns {
                watch.tasks.entry(arn).or_insert(TaskSeen::NotStopped);
            }
            watch.counted = watch.counted.filter(|counted| listed < *counted);
        }
        (DesiredStatus::Stopped, None) => {}
    }
}

/// How far tasks have come. One that is not known any more has ended long ago.
pub fn tasks(view: &mut ClusterView, tasks: &[Task], failures: &[ItemFailure], now: Timestamp) {
    broken(view, tasks);
    let ended = tasks.iter().filter(|task| task.last.is_stopped()).map(|task| task.arn.id().to_owned());
    let missing = failures.iter().filter(|failure| failure.reason == "MISSING").map(|f| TaskArn::from(f.item.as_str()));
    let ended: BTreeSet<String> = ended.chain(missing.map(|arn| arn.id().to_owned())).collect();
    for watch in view.hosts.values_mut().filter_map(|host| host.watch.as_mut()) {
        for task in tasks {
            let known = watch.tasks.keys().find(|arn| arn.id() == task.arn.id()).cloned();
            if let Some(arn) = known {
                let begun = task.stopped.as_ref().and_then(|stopped| stopped.begun);
                if begun.is_some_and(|begun| begun >= watch.since) {
                    watch.begun.insert(arn.clone());
                }
                note_stopping(watch, &arn, task.last, now);
                watch.groups.insert(arn, task.group.clone());
            }
        }
        for (arn, seen) in &mut watch.tasks {
            if ended.contains(arn.id()) {
                *seen = TaskSeen::Stopped;
            }
        }
    }
}

fn note_stopping(watch: &mut TaskWatch, arn: &TaskArn, last: TaskStatus, now: Timestamp) {
    match (last, watch.stopping.get(arn)) {
        (TaskStatus::Deactivating, None) => {
            watch.stopping.insert(arn.clone(), Stopping::Deactivating);
        }
        (TaskStatus::Stopping | TaskStatus::Deprovisioning, None | Some(Stopping::Deactivating)) => {
            watch.stopping.insert(arn.clone(), Stopping::Told(now));
        }
        _ => {}
    }
}

/// Those that broke, on hosts of which that was asked.
fn broken(view: &mut ClusterView, tasks: &[Task]) {
    for task in tasks {
        let Some(stopped) = task.stopped.as_ref().filter(|stopped| stopped.failed) else { continue };
        let Some(id) = task.container_instance.as_ref().and_then(|arn| view.host_of(arn)).cloned() else { continue };
        if let Some(broken) = view.hosts.get_mut(&id).and_then(|host| host.broken.as_mut()) {
            broken.tasks.insert(task.arn.clone(), stopped.at);
        }
    }
}

/// What a group did lately.
pub fn activities(view: &mut ClusterView, group: &GroupName, list: Vec<Activity>, now: Timestamp) {
    if let Some(group) = view.groups.get_mut(group) {
        group.activities = Some(Activities { read: Some(now), list });
    }
}

/// What is about to be asked anew is not known any more.
pub fn forget_tenants(view: &mut ClusterView, looks: &BTreeSet<Look>) {
    if looks.contains(&Look::Services) {
        view.tenants.services.clear();
    }
    if looks.contains(&Look::AllTasks) {
        view.tenants.tasks.clear();
        view.tenants.protected.clear();
    }
    if looks.contains(&Look::Services) || looks.contains(&Look::AllTasks) {
        view.tenants.unread.clear();
    }
}

/// Tasks on the hosts; those on Fargate have none.
pub fn tenants(view: &mut ClusterView, tasks: Vec<Task>, follow_up: &mut FollowUp) {
    let tasks = tasks.into_iter().filter(|task| task.container_instance.is_some());
    for task in tasks {
        if task.is_of_service() {
            follow_up.protectable.insert(task.arn.clone());
        }
        view.tenants.tasks.push(task);
    }
}

/// What groups that may be anybody's launch from; `first`: nothing that was known before is left.
pub fn anybody(view: &mut ClusterView, groups: &[Group], first: bool, known: &Neighbours<'_>) {
    if first {
        view.anywhere = None;
    }
    let anywhere = view.anywhere.get_or_insert_default();
    for facts in groups {
        let templates: BTreeSet<TemplateSpec> = facts.launch.templates().into_iter().cloned().collect();
        anywhere.named.extend(templates.iter().cloned());
        if facts.launch == Launch::Unknown {
            anywhere.unclear = Some(facts.name.clone());
        }
        let opted_in = known.owners.get(&facts.name).is_some_and(|clusters| !clusters.is_empty());
        if known.all && !opted_in && !view.belonging.contains(&facts.name) {
            anywhere.strangers.insert(facts.name.clone(), templates);
        }
    }
}

/// Versions as described; `first`: nothing that was known of the same question before is left.
pub fn template_versions(
    view: &mut ClusterView,
    query: &VersionQuery,
    template: &TemplateId,
    versions: Vec<TemplateVersion>,
    first: bool,
) {
    match query {
        VersionQuery::InUse(rule) => {
            let version = versions.into_iter().next().ok_or_else(|| "it does not exist".to_owned());
            view.templates.insert((template.clone(), *rule), version);
        }
        VersionQuery::WithImage(image) => made(view, template, image, versions),
        VersionQuery::All => {
            let known = view.versions.entry(template.clone()).or_default();
            if first {
                known.clear();
            }
            known.extend(versions);
        }
    }
}

pub fn made(view: &mut ClusterView, template: &TemplateId, image: &AmiId, versions: Vec<TemplateVersion>) {
    view.made.entry((template.clone(), image.clone())).or_default().extend(versions);
}

/// Takes over into a new view what the rotation's tags said last: a read of them that lags behind must not undo what was
/// written a moment ago.
pub fn remember_rotation(new: &mut ClusterView, old: &ClusterView) {
    new.tags.clone_from(&old.tags);
    new.wiped_since = old.wiped_since;
    new.rotation.clone_from(&old.rotation);
    new.hold.clone_from(&old.hold);
    new.held_for.clone_from(&old.held_for);
    new.skipped.clone_from(&old.skipped);
    new.rotate_before = old.rotate_before;
    new.resumed = old.resumed;
    new.because.clone_from(&old.because);
    new.scope.clone_from(&old.scope);
    new.settings.clone_from(&old.settings);
    // They change seldom, and are read again before a host is taken.
    new.hooks.clone_from(&old.hooks);
    new.asked =
        old.asked.iter().filter(|(look, _)| matches!(look, Look::Hooks(_))).map(|(l, at)| (l.clone(), *at)).collect();
}

/// Takes over into a new whole view what AWS does not say: what we have seen ourselves.
pub fn carry_over(new: &mut ClusterView, old: &ClusterView, tags: &Tags, now: Timestamp) {
    for (name, group) in &mut new.groups {
        group.blocked_since = old.groups.get(name).and_then(|group| group.blocked_since);
        group.activities = old.groups.get(name).and_then(|group| group.activities.clone());
        keep_rejection(group, old.groups.get(name), now);
        keep_wiped(group, old.groups.get(name), tags, now);
    }
    new.written.clone_from(&old.written);
    new.unprunable.clone_from(&old.unprunable);
    new.others.clone_from(&old.others);
    for (id, host) in &mut new.hosts {
        let Some(known) = old.hosts.get(id) else { continue };
        carry_over_host(host, known, now);
        carry_over_refusals(host, known, new.rotation.as_ref());
    }
}

fn carry_over_host(host: &mut Host, known: &Host, now: Timestamp) {
    host.image_of_member = host.image_of_member.take().or_else(|| known.image_of_member.clone());
    let same = match (host.container.here(), known.container.here()) {
        (Some(new), Some(old)) => new.arn.id() == old.arn.id(),
        (Some(_), None) | (None, _) => false,
    };
    if same {
        host.watch.clone_from(&known.watch);
        host.broken.clone_from(&known.broken);
        host.blockers.clone_from(&known.blockers);
        host.connected = host.connected.or(known.connected);
        host.away_since = host.away_since.map(|since| known.away_since.unwrap_or(since));
    }
    host.missing_since = host.missing_since.or(known.missing_since).filter(|_| host.container.here().is_none());
    let (read, at) = (host.ours.take(), host.claimed);
    (host.ours, host.claimed) = (known.ours.clone(), known.claimed);
    host.hear_of_claim(read, at.unwrap_or(now));
    host.tagged = known.tagged;
    if is_just_tagged(known, now) {
        host.give_back.clone_from(&known.give_back);
        host.draining_since = known.draining_since;
    }
    host.activated = known.activated && host.give_back.is_some();
    host.attached = known.attached.filter(|_| host.give_back.is_some());
    host.marked_again = known.marked_again;
}

/// What AWS refused too often is not tried again, or the look at everything before a hold would forget why it looks. Once the
/// rotation is held it is, with each such look: the cause may be gone. And it counts anew when a person lets it go on.
fn carry_over_refusals(host: &mut Host, known: &Host, rotation: Option<&Rotation>) {
    let resumed = rotation.is_some_and(|now| {
        now.state == RotationState::Open && known.refused.is_some_and(|refused| refused < now.since)
    });
    if resumed {
        return;
    }
    host.refusals = known.refusals;
    host.refused = known.refused;
    if rotation.is_none_or(|now| now.state != RotationState::Held) {
        host.problem.clone_from(&known.problem);
    }
}

/// Images as described; those asked for and not among them do not exist.
pub fn images(view: &mut ClusterView, request: &Request, images: Vec<Image>) {
    let Request::DescribeImages { query, page } = request else { return };
    let first = page.is_none();
    match query {
        ImageQuery::Ids(ids) if first => view.images.extend(ids.iter().map(|id| (id.clone(), Seen::Missing))),
        ImageQuery::Ids(_) => {}
        ImageQuery::Named(pattern) => {
            let named = view.named.entry(pattern.clone()).or_default();
            if first {
                named.clear();
            }
            named.extend(images.iter().cloned());
        }
    }
    view.images.extend(images.into_iter().map(|image| (image.id.clone(), Seen::Here(image))));
}

/// Values by name. A name that is neither among them nor among the invalid ones was understood as something else.
pub fn parameters(
    view: &mut ClusterView,
    request: &Request,
    values: BTreeMap<ParameterName, Parameter>,
    invalid: Vec<ParameterName>,
) {
    if let Request::GetParameters { names } = request {
        let unanswered = |name: &ParameterName| (name.clone(), Err("SSM gave no answer to this name".to_owned()));
        view.parameters.extend(names.iter().map(unanswered));
    }
    view.parameters.extend(values.into_iter().map(|(name, value)| (name, Ok(value))));
    view.parameters.extend(invalid.into_iter().map(|name| (name, Err("it does not exist".to_owned()))));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::effect::InstanceState;

    const ARN: &str = "arn:aws:ecs:r:1:container-instance/c/1";

    fn time(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn host() -> InstanceId {
        InstanceId::from("i-1")
    }

    fn container(status: ContainerInstanceStatus, running_tasks: u32) -> ContainerInstance {
        ContainerInstance {
            arn: ARN.into(),
            instance: Some(host()),
            status,
            agent_connected: true,
            running_tasks,
            pending_tasks: 0,
            image: None,
            zone: None,
            registered: None,
            whole: None,
            free: None,
        }
    }

    fn view(running_tasks: u32) -> ClusterView {
        let mut view = ClusterView::blank("arn:aws:ecs:r:1:cluster/c".into(), None);
        let draining = container(ContainerInstanceStatus::Draining, running_tasks);
        container_instances(&mut view, vec![draining], &[], &[], time(0), &mut FollowUp::default());
        view
    }

    fn list(view: &mut ClusterView, desired: DesiredStatus, tasks: &[&str]) -> FollowUp {
        let mut follow_up = FollowUp::default();
        let tasks = tasks.iter().map(|arn| TaskArn::from(*arn)).collect();
        task_list(view, &ARN.into(), desired, tasks, time(1), &mut follow_up);
        follow_up
    }

    #[test]
    fn regression_a_list_that_is_shorter_than_the_count_is_not_built_on() {
        // Half a list was taken for the whole of it; a daemon task in the other half was never waited for.
        let mut view = view(3);
        list(&mut view, DesiredStatus::Running, &["t/1", "t/2"]);
        assert_eq!(view.hosts[&host()].watch, None);
        list(&mut view, DesiredStatus::Running, &["t/1", "t/2", "t/3"]);
        assert_eq!(view.hosts[&host()].watch.as_ref().unwrap().left().count(), 3);
    }

    #[test]
    fn of_two_registrations_of_one_host_the_connected_one_counts_and_else_the_newest_in_any_order() {
        use ContainerInstanceStatus::{Active, Draining, Inactive};
        let of = |arn: &str, status, agent_connected, registered| ContainerInstance {
            arn: arn.into(),
            agent_connected,
            registered: Some(time(registered)),
            ..container(status, 0)
        };
        for (counts, other) in [
            (of("ci/a", Active, true, 10), of("ci/b", Active, false, 20)),
            (of("ci/a", Active, true, 10), of("ci/b", Inactive, true, 20)),
            (of("ci/a", Active, false, 20), of("ci/b", Draining, false, 10)),
            (of("ci/a", Draining, true, 20), of("ci/b", Active, true, 10)),
        ] {
            for both in [vec![counts.clone(), other.clone()], vec![other.clone(), counts.clone()]] {
                let mut view = ClusterView::blank("arn:aws:ecs:r:1:cluster/c".into(), None);
                container_instances(&mut view, both, &[], &[], time(30), &mut FollowUp::default());
                let here = view.hosts[&host()].container.here().unwrap();
                assert_eq!(here.arn.as_str(), "ci/a", "{other:?}");
            }
        }
    }

    #[test]
    fn what_was_seen_once_is_waited_for_even_when_no_list_shows_it_any_more() {
        let mut view = view(2);
        list(&mut view, DesiredStatus::Running, &["t/1", "t/2"]);
        let follow_up = list(&mut view, DesiredStatus::Stopped, &["t/1"]);
        assert_eq!(follow_up.tasks.len(), 2, "both are described");
        let gone = ItemFailure { item: "t/1".to_owned(), reason: "MISSING".to_owned() };
        tasks(&mut view, &[], &[gone], time(0));
        let watch = view.hosts[&host()].watch.as_ref().unwrap();
        assert_eq!(watch.left().map(TaskArn::as_str).collect::<Vec<_>>(), ["t/2"]);
    }

    #[test]
    fn a_task_that_is_not_described_for_another_reason_than_that_it_is_no_more_has_not_stopped() {
        for (reason, left) in [("MISSING", 0), ("INTERNAL", 1), ("", 1)] {
            let mut view = view(1);
            list(&mut view, DesiredStatus::Running, &["t/1"]);
            tasks(&mut view, &[], &[ItemFailure { item: "t/1".to_owned(), reason: reason.to_owned() }], time(1));
            assert_eq!(view.hosts[&host()].watch.as_ref().unwrap().left().count(), left, "{reason}");
        }
    }

    #[test]
    fn regression_a_list_of_many_pages_is_no_younger_than_its_first_page() {
        // A daemon task began to stop when the page had been read on which it would have been.
        let mut view = view(2);
        list(&mut view, DesiredStatus::Running, &["t/1", "t/2"]);
        view.looked.insert(Look::Tasks(host()), time(20));
        task_list(&mut view, &ARN.into(), DesiredStatus::Stopped, BTreeSet::new(), time(40), &mut FollowUp::default());
        assert_eq!(view.hosts[&host()].watch.as_ref().unwrap().last_look, time(20));
    }

    #[test]
    fn a_claim_that_was_written_a_moment_ago_is_not_taken_back_by_a_read_and_later_it_is() {
        let ours = |since| {
            let rotation = "c/19700101T000000Z".into();
            crate::plan::rotation::Ours { rotation, group: "web".into(), since: time(since) }
        };
        let mut host = Host::default();
        host.hear_of_claim(Some(ours(100)), time(101));
        host.hear_of_claim(None, time(110));
        host.hear_of_claim(Some(ours(90)), time(111));
        assert_eq!((host.ours.clone(), host.claimed), (Some(ours(100)), Some(time(101))));
        // Another worker has claimed it too, before it lapsed: it has been claimed all the time.
        host.hear_of_claim(Some(ours(150)), time(151));
        assert_eq!((host.ours.clone(), host.claimed), (Some(ours(150)), Some(time(101))));
        host.hear_of_claim(Some(ours(300)), time(301));
        assert_eq!(host.claimed, Some(time(301)), "and here it was not");
        host.hear_of_claim(None, time(320));
        assert_eq!((host.ours, host.claimed), (None, None));
    }

    #[test]
    fn an_event_is_a_reason_to_look_and_no_proof() {
        let mut view = view(1);
        list(&mut view, DesiredStatus::Running, &["t/1"]);
        let watch = view.hosts.get_mut(&host()).unwrap().watch.as_mut().unwrap();
        watch.tasks.insert("t/1".into(), TaskSeen::SaidToHaveStopped);
        assert!(watch.seems_over());
        assert_eq!(watch.left().count(), 1, "until a look says so");
        let follow_up = list(&mut view, DesiredStatus::Stopped, &[]);
        assert_eq!(follow_up.tasks.len(), 1, "it is described although no list shows it");
    }

    #[test]
    fn regression_a_host_that_is_listed_and_not_described_is_not_taken_for_gone() {
        // The description was older than the list: an agent that had just registered was ended with its tasks.
        let mut view = ClusterView::blank("arn:aws:ecs:r:1:cluster/c".into(), None);
        let missing = ItemFailure { item: ARN.to_owned(), reason: "MISSING".to_owned() };
        container_instances(&mut view, Vec::new(), &[missing], &[host()], time(0), &mut FollowUp::default());
        assert_eq!(view.hosts[&host()].container, Seen::Unknown);
        container_instances(&mut view, Vec::new(), &[], &[host()], time(5), &mut FollowUp::default());
        assert_eq!(view.hosts[&host()].container, Seen::Missing);
        assert_eq!(view.hosts[&host()].missing_since, Some(time(5)));
    }

    #[test]
    fn a_host_that_has_gone_is_looked_for_once_under_another_name() {
        let mut view = view(0);
        let mut follow_up = FollowUp::default();
        let gone = container(ContainerInstanceStatus::Inactive, 0);
        container_instances(&mut view, vec![gone], &[], &[host()], time(1), &mut follow_up);
        assert_eq!(follow_up.unlisted, BTreeSet::from([host()]), "its agent may have registered anew");
        let mut again = FollowUp::default();
        container_instances(&mut view, Vec::new(), &[], &[host()], time(2), &mut again);
        assert_eq!(again.unlisted, BTreeSet::new());
    }

    #[test]
    fn regression_a_whole_look_does_not_forget_that_an_agent_has_been_connected() {
        // Random seed 4, heavy: it was away for a moment as its bake ended, and its image was rejected for that.
        let look = |connected: bool, at: i64| {
            let mut view = ClusterView::blank("arn:aws:ecs:r:1:cluster/c".into(), None);
            let container = container(ContainerInstanceStatus::Active, 0);
            let container = ContainerInstance { agent_connected: connected, registered: Some(time(0)), ..container };
            container_instances(&mut view, vec![container], &[], &[], time(at), &mut FollowUp::default());
            view
        };
        let state = |view: &ClusterView, at: i64| {
            let host = &view.hosts[&host()];
            (host.away_since, host.serves(time(at)))
        };
        let (before, mut away) = (look(true, 100), look(false, 290));
        carry_over(&mut away, &before, &Tags::new("t:"), time(290));
        assert_eq!(state(&away, 301), (Some(time(290)), true));
        let mut longer = look(false, 320);
        carry_over(&mut longer, &away, &Tags::new("t:"), time(320));
        assert_eq!(state(&longer, 320), (Some(time(290)), true), "it counts from the first look");
        assert_eq!(state(&longer, 590), (Some(time(290)), false), "and not for ever");
        let mut back = look(true, 330);
        carry_over(&mut back, &longer, &Tags::new("t:"), time(330));
        assert_eq!(state(&back, 330), (None, true));
        // One that never was connected does not serve, however long it takes.
        let (first, mut later) = (look(false, 10), look(false, 400));
        carry_over(&mut later, &first, &Tags::new("t:"), time(400));
        assert_eq!(state(&later, 400), (Some(time(10)), false));
        assert_eq!(state(&look(false, 400), 400), (Some(time(400)), true), "an old one that nobody has seen before");
    }

    #[test]
    fn regression_an_instance_that_is_ending_does_not_serve_although_ecs_has_not_heard_of_it() {
        // The group looked whole in the moment in which the second replacement died, and another host was taken.
        let mut view = ClusterView::blank("arn:aws:ecs:r:1:cluster/c".into(), None);
        let active = container(ContainerInstanceStatus::Active, 0);
        container_instances(&mut view, vec![active], &[], &[], time(0), &mut FollowUp::default());
        for (state, serves) in [(InstanceState::Running, true), (InstanceState::ShuttingDown, false)] {
            let ec2 = Instance {
                id: host(),
                image: "ami-1".into(),
                state,
                launched: time(0),
                zone: "a".into(),
                tags: BTreeMap::new(),
                managed: false,
                architecture: "x86_64".to_owned(),
                windows: false,
                root_device: None,
            };
            view.hosts.get_mut(&host()).unwrap().ec2 = Seen::Here(ec2);
            assert_eq!(view.hosts[&host()].serves(time(1)), serves, "{state:?}");
        }
    }

    #[test]
    fn a_read_that_lags_behind_does_not_take_back_what_was_written_a_moment_ago() {
        let (tags, settings) = (Tags::new("t:"), Settings::default());
        let facts = |rotation: &str| Cluster {
            arn: "arn:aws:ecs:r:1:cluster/c".into(),
            status: "ACTIVE".to_owned(),
            capacity_providers: Vec::new(),
            tags: BTreeMap::from([("t:rotation".to_owned(), rotation.to_owned())]),
        };
        let instance = |draining: Option<&str>| {
            let said = draining.map(|at| ("t:draining-since".to_owned(), at.to_owned()));
            Instance {
                id: host(),
                image: "ami-1".into(),
                state: InstanceState::Running,
                launched: time(0),
                zone: "a".into(),
                tags: said.into_iter().collect(),
                managed: false,
                architecture: "x86_64".to_owned(),
                windows: false,
                root_device: None,
            }
        };
        for (seconds, kept) in [(14, true), (15, false)] {
            let mut view = view(0);
            view.rotation = format!("c/1 held {}", time(100)).parse().ok();
            cluster(&mut view, facts("c/1 open 1970-01-01T00:00:00Z"), &settings, &tags, time(100 + seconds));
            let state = view.rotation.map(|rotation| rotation.state);
            assert_eq!(state == Some(RotationState::Held), kept, "{seconds} s: {state:?}");

            let mut view = self::view(0);
            let marked = view.hosts.get_mut(&host()).unwrap();
            (marked.draining_since, marked.tagged) = (Some(time(100)), Some(time(100)));
            instances(&mut view, vec![instance(None)], &[], &tags, time(100 + seconds));
            assert_eq!(view.hosts[&host()].draining_since.is_some(), kept, "{seconds} s");
        }
    }

    #[test]
    fn an_agent_that_registered_anew_is_not_wiped_out_by_what_is_told_of_the_former_one() {
        let mut view = view(0);
        let mut nothing = FollowUp::default();
        let another = ContainerInstance {
            arn: "arn:aws:ecs:r:1:container-instance/c/2".into(),
            ..container(ContainerInstanceStatus::Active, 0)
        };
        container_instances(&mut view, vec![another], &[], &[], time(1), &mut nothing);
        let former = container(ContainerInstanceStatus::Inactive, 0);
        container_instances(&mut view, vec![former], &[], &[], time(2), &mut nothing);
        assert_eq!(view.hosts[&host()].status(), Some(ContainerInstanceStatus::Active));
    }

    #[test]
    fn the_tasks_of_a_drain_that_was_taken_back_are_not_those_of_the_next() {
        let mut view = view(1);
        list(&mut view, DesiredStatus::Running, &["t/1"]);
        let mut nothing = FollowUp::default();
        let active = container(ContainerInstanceStatus::Active, 1);
        container_instances(&mut view, vec![active], &[], &[], time(2), &mut nothing);
        assert_eq!(view.hosts[&host()].watch, None);
    }

    #[test]
    fn what_an_event_says_has_stopped_and_is_still_listed_has_not() {
        let mut view = view(1);
        list(&mut view, DesiredStatus::Running, &["t/1"]);
        let watch = view.hosts.get_mut(&host()).unwrap().watch.as_mut().unwrap();
        watch.tasks.insert("t/1".into(), TaskSeen::SaidToHaveStopped);
        list(&mut view, DesiredStatus::Stopped, &["t/1"]);
        assert!(!view.hosts[&host()].watch.as_ref().unwrap().seems_over());
    }

    #[test]
    fn an_answer_without_attributes_does_not_wipe_out_what_is_known() {
        let mut view = ClusterView::blank("arn:aws:ecs:r:1:cluster/c".into(), None);
        let known = ContainerInstance { image: Some("ami-1".into()), ..container(ContainerInstanceStatus::Active, 0) };
        let mut nothing = FollowUp::default();
        container_instances(&mut view, vec![known], &[], &[], time(0), &mut nothing);
        let drained = container(ContainerInstanceStatus::Draining, 0);
        container_instances(&mut view, vec![drained], &[], &[], time(1), &mut nothing);
        assert_eq!(view.hosts[&host()].image(), Some(&"ami-1".into()));
        assert_eq!(view.hosts[&host()].status(), Some(ContainerInstanceStatus::Draining));
    }
}
