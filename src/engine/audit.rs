//! The audit trail: every change of production is one line of the log, with what was before and what is now.
//!
//! Written in one place, where answers come in, and only for a call that AWS has answered with success: before the answer is
//! taken into the view, which still has what was before. A call that fails is told as such by who made it. A call whose answer
//! is lost (its worker died, the connection did) may have changed something all the same: CloudTrail has that one too.
//!
//! `ECS_ROTATOR_LOG=off,ecs_rotator::engine::audit=info` leaves nothing else in the log.

use std::collections::{BTreeMap, BTreeSet};

use tracing::{Level, enabled, info};

use super::call::{Call, Owner, Purpose};
use super::say::Subject as _;
use crate::effect::{ContainerInstanceStatus, InstanceState, LaunchChange, Lifecycle, Reply, Request, VersionRule};
use crate::id::{ClusterName, GroupName, InstanceId, ParameterName, TaskArn, TemplateId};
use crate::plan::model::ClusterView;
use crate::plan::rotation::RotationId;
use crate::plan::tags::Tags;

/// The message of every line of it.
pub const CHANGED: &str = "production changed";

/// One change of production: on what, from what, to what.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Change {
    groups: BTreeSet<GroupName>,
    hosts: Vec<InstanceId>,
    template: Option<TemplateId>,
    parameter: Option<ParameterName>,
    task: Option<TaskArn>,
    before: String,
    after: String,
}

/// Says in the log what this call has changed, if it has changed anything. `view` is as it was before.
pub fn tell(call: &Call, reply: &Reply, view: Option<&ClusterView>, tags: &Tags) {
    if !call.request.is_effect() || !enabled!(Level::INFO) {
        return;
    }
    let Some(change) = (Before { call, view, tags }).change(reply) else { return };
    let Change { groups, hosts, template, parameter, task, before, after } = change;
    let (host, hosts) =
        if let [host] = hosts.as_slice() { (Some(host.to_string()), None) } else { (None, joined(hosts)) };
    info!(
        cluster = cluster_of(call, view).map(display),
        rotation = rotation_of(call, view).map(display),
        operation = %call.request.operation(),
        group = joined(groups).map(display),
        host = host.map(display),
        hosts = hosts.map(display),
        template = template.map(display),
        parameter = parameter.map(display),
        task = task.map(display),
        before,
        after,
        "{CHANGED}"
    );
}

fn cluster_of(call: &Call, view: Option<&ClusterView>) -> Option<ClusterName> {
    if let Owner::Pass(arn, _) = &call.owner {
        return Some(arn.name());
    }
    view.map(ClusterView::cluster)
}

/// What opens a rotation is of that rotation.
fn rotation_of(call: &Call, view: Option<&ClusterView>) -> Option<RotationId> {
    if let Owner::Pass(_, Purpose::Tags(change)) = &call.owner {
        return Some(change.wanted.rotation.id.clone());
    }
    view.and_then(ClusterView::rotation).cloned()
}

/// What was known before the call.
struct Before<'a> {
    call: &'a Call,
    view: Option<&'a ClusterView>,
    tags: &'a Tags,
}

impl Before<'_> {
    /// None: a call that changes nothing in production, or one that AWS answered by changing none of what it names.
    #[expect(clippy::too_many_lines, reason = "a flat match with one arm for each request")]
    fn change(&self, reply: &Reply) -> Option<Change> {
        Some(match &self.call.request {
            Request::TagResource { tags, .. } => tagged(tags, self.view.map(|view| view.tags.clone())),
            Request::UpdateContainerInstancesState { status, .. } => return self.status_set(reply, *status),
            Request::StopTask { task, reason, .. } => {
                let after = format!("told to stop ({reason})");
                Change { task: Some(task.clone()), ..self.of_hosts(self.hosts_of_act(), "not STOPPED", after) }
            }
            Request::DeregisterContainerInstance { .. } => {
                let hosts = self.hosts_of_act();
                let status = hosts.first().and_then(|id| self.status_of(id));
                self.of_hosts(hosts, status.map_or("not known", status_word), "INACTIVE, deregistered")
            }
            Request::DetachInstances { group, instances, decrement } => {
                let fewer = if *decrement { -count(instances) } else { 0 };
                self.membership(group, instances.clone(), ["in the group", "detached"], fewer)
            }
            Request::AttachInstances { group, instances } => {
                self.membership(group, instances.clone(), ["not in the group", "attached"], count(instances))
            }
            Request::TerminateInstanceInAutoScalingGroup { group, instance, decrement } => {
                let before = self.lifecycle(group, instance);
                let fewer = if *decrement { -1 } else { 0 };
                self.membership(group, vec![instance.clone()], [before, "Terminating"], fewer)
            }
            Request::TagGroup { group, tags } => {
                let before = self.view.and_then(|view| view.groups.get(group)).map(|group| group.facts.tags.clone());
                Change { groups: [group.clone()].into(), ..tagged(tags, before) }
            }
            Request::UpdateAutoScalingGroup { group, change, .. } => {
                let (template, before, after) = match change {
                    LaunchChange::Version { template, from, to } => {
                        (Some(template.clone()), format!("version {from}"), format!("version {to}"))
                    }
                    LaunchChange::Image { from, to } => (None, format!("image {from}"), format!("image {to}")),
                };
                Change { groups: [group.clone()].into(), template, before, after, ..Change::default() }
            }
            Request::CreateTags { instances, tags } => {
                let before: Vec<_> = instances.iter().map(|id| self.tags_of(id)).collect();
                let Change { before, after, .. } = tagged(tags, before);
                self.of_hosts(instances.clone(), before, after)
            }
            Request::TerminateInstances { instances } => {
                let states: BTreeSet<&str> = instances.iter().map(|id| self.state_of(id)).collect();
                self.of_hosts(instances.clone(), joined(states).unwrap_or_default(), "shutting-down")
            }
            Request::CreateLaunchTemplateVersion { template, source, image, .. } => {
                let made = if let Reply::TemplateVersion(version) = reply { Some(version.number) } else { None };
                let after = made.map_or_else(|| image.to_string(), |number| format!("version {number}, {image}"));
                let before = match self.image_of(template, *source) {
                    Some(image) => format!("version {source}, {image}"),
                    None => format!("version {source}"),
                };
                self.of_template(template, before, after)
            }
            Request::ModifyLaunchTemplate { template, default_version } => {
                let before = self.default_of(template).map_or_else(unknown, |number| format!("default {number}"));
                self.of_template(template, before, format!("default {default_version}"))
            }
            Request::DeleteLaunchTemplateVersions { template, versions } => {
                let before = joined(versions).map_or_else(String::new, |versions| format!("versions {versions}"));
                self.of_template(template, before, "deleted".to_owned())
            }
            Request::PutParameter { name, image, .. } => {
                let value = self.view.and_then(|view| view.parameters.get(name)?.as_ref().ok());
                let before = value.map_or_else(unknown, |parameter| parameter.value.clone());
                Change { parameter: Some(name.clone()), before, after: image.to_string(), ..Change::default() }
            }
            Request::ReceiveMessage { .. }
            | Request::DeleteMessageBatch { .. }
            | Request::ChangeMessageVisibilityBatch { .. }
            | Request::ListClusters { .. }
            | Request::DescribeClusters { .. }
            | Request::DescribeCapacityProviders { .. }
            | Request::ListContainerInstances { .. }
            | Request::DescribeContainerInstances { .. }
            | Request::ListTasks { .. }
            | Request::DescribeTasks { .. }
            | Request::ListServices { .. }
            | Request::DescribeServices { .. }
            | Request::GetTaskProtection { .. }
            | Request::DescribeAutoScalingGroups { .. }
            | Request::DescribeScalingActivities { .. }
            | Request::DescribeInstanceRefreshes { .. }
            | Request::DescribeLifecycleHooks { .. }
            | Request::DescribeAlarms { .. }
            | Request::DescribeInstances { .. }
            | Request::DescribeLaunchTemplateVersions { .. }
            | Request::DescribeImages { .. }
            | Request::GetParameters { .. }
            | Request::PutEvents { .. }
            | Request::LocateSelf => return None,
        })
    }

    fn of_hosts(
        &self,
        hosts: impl IntoIterator<Item = InstanceId>,
        before: impl Into<String>,
        after: impl Into<String>,
    ) -> Change {
        let hosts: Vec<InstanceId> = hosts.into_iter().collect();
        let groups = hosts.iter().filter_map(|id| self.view?.group_of(id).cloned()).collect();
        Change { groups, hosts, before: before.into(), after: after.into(), ..Change::default() }
    }

    fn of_template(&self, template: &TemplateId, before: String, after: String) -> Change {
        let groups = self.view.into_iter().flat_map(|view| &view.groups);
        let launches =
            groups.filter(|(_, group)| group.facts.launch.templates().iter().any(|t| t.template == *template));
        let groups = launches.map(|(name, _)| name.clone()).collect();
        Change { groups, template: Some(template.clone()), before, after, ..Change::default() }
    }

    /// Into the group or out of it, and what that does to its desired capacity.
    fn membership(&self, group: &GroupName, hosts: Vec<InstanceId>, [before, after]: [&str; 2], more: i64) -> Change {
        let desired = self.view.and_then(|view| view.groups.get(group)).map(|group| i64::from(group.facts.desired));
        let with = |word: &str, desired: Option<i64>| match desired {
            Some(desired) => format!("{word}, desired {desired}"),
            None => word.to_owned(),
        };
        Change {
            groups: [group.clone()].into(),
            hosts,
            before: with(before, desired),
            after: with(after, desired.map(|desired| (desired + more).max(0))),
            ..Change::default()
        }
    }

    /// Only those that AWS says it has changed.
    fn status_set(&self, reply: &Reply, status: ContainerInstanceStatus) -> Option<Change> {
        let Reply::ContainerInstances { instances, .. } = reply else { return None };
        let hosts: Vec<InstanceId> = instances.iter().filter_map(|instance| instance.instance.clone()).collect();
        let before: BTreeSet<&str> = hosts.iter().filter_map(|id| self.status_of(id)).map(status_word).collect();
        (!instances.is_empty())
            .then(|| self.of_hosts(hosts, joined(before).unwrap_or_else(unknown), status_word(status)))
    }

    fn hosts_of_act(&self) -> Vec<InstanceId> {
        if let Owner::Pass(_, Purpose::Act(act)) = &self.call.owner { act.hosts() } else { Vec::new() }
    }

    /// Our tags on a host, as they are written.
    fn tags_of(&self, id: &InstanceId) -> BTreeMap<String, String> {
        let Some(host) = self.view.and_then(|view| view.hosts.get(id)) else { return BTreeMap::new() };
        let ours = host.ours.as_ref().map(|ours| self.tags.write_ours(ours));
        let draining = host.draining_since.map(|since| self.tags.write_draining_since(since));
        let give_back = host.give_back.as_ref().map(|give_back| self.tags.write_give_back(give_back));
        [ours, draining, give_back].into_iter().flatten().flatten().collect()
    }

    fn status_of(&self, id: &InstanceId) -> Option<ContainerInstanceStatus> {
        self.view?.hosts.get(id)?.status()
    }

    fn state_of(&self, id: &InstanceId) -> &'static str {
        let instance = self.view.and_then(|view| view.hosts.get(id)?.ec2.here());
        match instance.map(|instance| instance.state) {
            Some(InstanceState::Pending) => "pending",
            Some(InstanceState::Running) => "running",
            Some(InstanceState::Stopping) => "stopping",
            Some(InstanceState::Stopped) => "stopped",
            Some(InstanceState::ShuttingDown) => "shutting-down",
            Some(InstanceState::Terminated) => "terminated",
            None => "not known",
        }
    }

    fn lifecycle(&self, group: &GroupName, id: &InstanceId) -> &'static str {
        let members = self.view.and_then(|view| view.groups.get(group)).map(|group| &group.facts.members);
        let member = members.and_then(|members| members.iter().find(|member| member.id == *id));
        match member.map(|member| member.lifecycle) {
            Some(Lifecycle::Pending) => "Pending",
            Some(Lifecycle::PendingWait) => "Pending:Wait",
            Some(Lifecycle::InService) => "InService",
            Some(Lifecycle::Terminating) => "Terminating",
            Some(Lifecycle::Detaching) => "Detaching",
            Some(Lifecycle::Standby) => "Standby",
            Some(Lifecycle::Other) => "in the group",
            None => "not in the group",
        }
    }

    fn default_of(&self, template: &TemplateId) -> Option<u64> {
        let view = self.view?;
        let in_use =
            view.templates.get(&(template.clone(), VersionRule::Default)).and_then(|found| found.as_ref().ok());
        let listed =
            view.versions.get(template).and_then(|versions| versions.iter().find(|version| version.is_default));
        in_use.or(listed).map(|version| version.number)
    }

    fn image_of(&self, template: &TemplateId, number: u64) -> Option<&str> {
        let view = self.view?;
        let of_template = |(of, _): &(&(TemplateId, VersionRule), _)| of.0 == *template;
        let in_use = view.templates.iter().filter(of_template).filter_map(|(_, version)| version.as_ref().ok());
        let listed = view.versions.get(template).into_iter().flatten();
        in_use.chain(listed).find(|version| version.number == number).and_then(|version| version.image.as_deref())
    }
}

/// The tags that change: as they are, on the one thing or on several, and as they become.
fn tagged(written: &BTreeMap<String, String>, before: impl IntoIterator<Item = BTreeMap<String, String>>) -> Change {
    let before: Vec<BTreeMap<String, String>> = before.into_iter().collect();
    let value = |tags: &BTreeMap<String, String>, key: &str| tags.get(key).cloned().unwrap_or_default();
    let changes = |key: &&String| before.is_empty() || before.iter().any(|tags| value(tags, key) != written[*key]);
    let keys: Vec<&String> = written.keys().filter(changes).collect();
    let text = |tags: &BTreeMap<String, String>| {
        let has = keys.iter().map(|key| (key, value(tags, key))).filter(|(_, value)| !value.is_empty());
        let has: Vec<String> = has.map(|(key, value)| format!("{key}={value}")).collect();
        if has.is_empty() { "none".to_owned() } else { has.join(", ") }
    };
    let texts: BTreeSet<String> = before.iter().map(text).collect();
    let before = texts.into_iter().collect::<Vec<_>>().join(" | ");
    Change { before: if before.is_empty() { unknown() } else { before }, after: text(written), ..Change::default() }
}

fn unknown() -> String {
    "not known".to_owned()
}

fn count<T>(of: &[T]) -> i64 {
    i64::try_from(of.len()).unwrap_or(i64::MAX)
}

fn joined(words: impl IntoIterator<Item = impl ToString>) -> Option<String> {
    let words: Vec<String> = words.into_iter().map(|word| word.to_string()).collect();
    (!words.is_empty()).then(|| words.join(" "))
}

/// As ECS writes it.
const fn status_word(status: ContainerInstanceStatus) -> &'static str {
    match status {
        ContainerInstanceStatus::Other => "another status",
        ContainerInstanceStatus::Active => "ACTIVE",
        ContainerInstanceStatus::Draining => "DRAINING",
        ContainerInstanceStatus::Deregistering => "DEREGISTERING",
        ContainerInstanceStatus::Inactive => "INACTIVE",
    }
}

#[cfg(test)]
mod tests;
