//! From acts to calls, and from "done" to facts.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use super::call::Purpose;
use crate::effect::{ContainerInstanceStatus, LaunchChange, Lifecycle, Member, Request, TemplateVersion, VersionRule};
use crate::id::{ContainerInstanceArn, GroupName, InstanceId, TaskArn, Zone};
use crate::plan::act::Act;
use crate::plan::model::{ClusterView, Look, Seen, Written};
use crate::plan::rotation::{Ours, Rejection, RotationId};
use crate::plan::tags::Tags;

/// AWS's limits per call.
const DETACHED: usize = 20;
const DRAINED: usize = 10;
const TAGGED: usize = 1000;
const TERMINATED: usize = 1000;

/// The calls of one act: more than one where it names more hosts than one call can take.
#[expect(clippy::too_many_lines, reason = "a flat match with one arm for each act")]
pub fn requests(act: Act, view: &ClusterView, tags: &Tags, now: Timestamp) -> Vec<(Purpose, Request)> {
    match act {
        Act::Claim { group, hosts } => {
            let again = tags.write_ours(&ours(view, &group, now));
            let first: BTreeMap<_, _> = tags.reserve().into_iter().chain(again.clone()).collect();
            let is_ours = |id: &InstanceId| view.hosts.get(id).is_some_and(|host| host.ours.is_some());
            let (known, new): (BTreeSet<_>, BTreeSet<_>) = hosts.into_iter().partition(is_ours);
            let claim = |hosts, written| {
                pieces(hosts, TAGGED, |hosts| {
                    (Act::Claim { group: group.clone(), hosts: set(&hosts) }, tagging(hosts, written))
                })
            };
            claim(new, &first).into_iter().chain(claim(known, &again)).collect()
        }
        Act::Detach { group, hosts, decrement } => pieces(hosts, DETACHED, |hosts| {
            let request = Request::DetachInstances { group: group.clone(), instances: hosts.clone(), decrement };
            (Act::Detach { group: group.clone(), hosts: set(&hosts), decrement }, request)
        }),
        Act::Attach { group, hosts } => pieces(hosts, DETACHED, |hosts| {
            let request = Request::AttachInstances { group: group.clone(), instances: hosts.clone() };
            (Act::Attach { group: group.clone(), hosts: set(&hosts) }, request)
        }),
        Act::End { ref group, ref host, decrement } => {
            let (group, instance) = (group.clone(), host.clone());
            vec![(Purpose::Act(act), Request::TerminateInstanceInAutoScalingGroup { group, instance, decrement })]
        }
        Act::Reject { ref group, ref images, ref why } => {
            let rejection = Rejection { at: now, why: why.clone() };
            let Some(facts) = view.groups.get(group).map(|group| &group.facts) else { return Vec::new() };
            let written = tags.write_rejection(&facts.tags, images, &rejection);
            let group = group.clone();
            vec![(Purpose::Act(act), Request::TagGroup { group, tags: written })]
        }
        Act::GiveBack { ref host, ref give_back } => {
            let request = tagging(vec![host.clone()], &tags.write_give_back(give_back));
            vec![(Purpose::Act(act), request)]
        }
        Act::Keep { ref host } => {
            let request = tagging(vec![host.clone()], &tags.keep());
            vec![(Purpose::Act(act), request)]
        }
        Act::LetGo { hosts } => {
            let written = tags.let_go();
            pieces(hosts, TAGGED, |hosts| (Act::LetGo { hosts: set(&hosts) }, tagging(hosts, &written)))
        }
        Act::StopTasks { host, tasks, why } => {
            let stop = |task: TaskArn| {
                let act =
                    Act::StopTasks { host: host.clone(), tasks: BTreeSet::from([task.clone()]), why: why.clone() };
                let reason = format!("ecs-rotator: {why}");
                (Purpose::Act(act), Request::StopTask { cluster: view.arn.clone(), task, reason })
            };
            tasks.into_iter().map(stop).collect()
        }
        Act::MarkDraining { hosts } => {
            let written = tags.write_draining_since(now);
            pieces(hosts, TAGGED, |hosts| (Act::MarkDraining { hosts: set(&hosts) }, tagging(hosts, &written)))
        }
        Act::Drain { hosts } => pieces(hosts, DRAINED, |hosts| {
            let request = setting(view, &hosts, ContainerInstanceStatus::Draining);
            (Act::Drain { hosts: set(&hosts) }, request)
        }),
        Act::Activate { hosts } => pieces(hosts, DRAINED, |hosts| {
            let request = setting(view, &hosts, ContainerInstanceStatus::Active);
            (Act::Activate { hosts: set(&hosts) }, request)
        }),
        Act::Deregister { host } => match arn(view, &host) {
            Some(arn) => {
                let request = Request::DeregisterContainerInstance { cluster: view.arn.clone(), arn };
                vec![(Purpose::Act(Act::Deregister { host }), request)]
            }
            None => Vec::new(),
        },
        Act::Terminate { hosts } => pieces(hosts, TERMINATED, |hosts| {
            (Act::Terminate { hosts: set(&hosts) }, Request::TerminateInstances { instances: hosts })
        }),
        Act::MakeVersion { ref template, source, ref image, ref block_devices, ref description, ref client_token } => {
            let request = Request::CreateLaunchTemplateVersion {
                template: template.clone(),
                source,
                image: image.clone(),
                block_devices: block_devices.clone(),
                description: description.clone(),
                client_token: client_token.clone(),
            };
            vec![(Purpose::Act(act), request)]
        }
        Act::SetDefault { ref template, version } => {
            let request = Request::ModifyLaunchTemplate { template: template.clone(), default_version: version };
            vec![(Purpose::Act(act), request)]
        }
        Act::ChangeLaunch { ref group, mixed, ref change } => {
            let request = Request::UpdateAutoScalingGroup { group: group.clone(), mixed, change: change.clone() };
            vec![(Purpose::Act(act), request)]
        }
        Act::PutParameter { ref parameter, ref image, ref data_type } => {
            let (name, image, data_type) = (parameter.clone(), image.clone(), data_type.clone());
            vec![(Purpose::Act(act), Request::PutParameter { name, image, data_type })]
        }
        Act::Prune { ref template, ref versions } => {
            let (template, versions) = (template.clone(), versions.clone());
            vec![(Purpose::Act(act), Request::DeleteLaunchTemplateVersions { template, versions })]
        }
    }
}

fn pieces(
    hosts: BTreeSet<InstanceId>,
    most: usize,
    mut make: impl FnMut(Vec<InstanceId>) -> (Act, Request),
) -> Vec<(Purpose, Request)> {
    let hosts: Vec<InstanceId> = hosts.into_iter().collect();
    hosts.chunks(most).map(|hosts| make(hosts.to_vec())).map(|(act, request)| (Purpose::Act(act), request)).collect()
}

fn set(hosts: &[InstanceId]) -> BTreeSet<InstanceId> {
    hosts.iter().cloned().collect()
}

fn tagging(instances: Vec<InstanceId>, tags: &BTreeMap<String, String>) -> Request {
    Request::CreateTags { instances, tags: tags.clone() }
}

fn setting(view: &ClusterView, hosts: &[InstanceId], status: ContainerInstanceStatus) -> Request {
    let arns = hosts.iter().filter_map(|id| arn(view, id)).collect();
    Request::UpdateContainerInstancesState { cluster: view.arn.clone(), arns, status }
}

fn arn(view: &ClusterView, id: &InstanceId) -> Option<ContainerInstanceArn> {
    view.hosts.get(id)?.container.here().map(|container| container.arn.clone())
}

fn ours(view: &ClusterView, group: &GroupName, now: Timestamp) -> Ours {
    let rotation = view.rotation.as_ref().map_or_else(|| RotationId::new(&view.arn.name(), now), |r| r.id.clone());
    Ours { rotation, group: group.clone(), since: now }
}

/// Writes into the view what is true now that an act is done. (`Drain`, `Activate` and `MakeVersion` bring facts of their
/// own.)
#[expect(clippy::too_many_lines, reason = "a flat match with one arm for each act")]
pub fn done(act: &Act, request: &Request, view: &mut ClusterView, tags: &Tags, now: Timestamp) {
    match act {
        Act::Claim { hosts, .. } => {
            let Request::CreateTags { tags: written, .. } = request else { return };
            let ours = tags.read_ours(&view.arn.name(), written);
            for_each(view, hosts, |host| host.hear_of_claim(ours.clone(), now));
        }
        Act::MarkDraining { hosts } => {
            let Request::CreateTags { tags: written, .. } = request else { return };
            let since = tags.read_draining_since(written);
            for_each(view, hosts, |host| {
                host.marked_again = host.draining_since.is_some();
                (host.draining_since, host.tagged) = (since, Some(now));
            });
        }
        Act::Detach { group, hosts, decrement } => {
            if let Some(group) = view.groups.get_mut(group) {
                group.facts.members.retain(|member| !hosts.contains(&member.id));
                let fewer = if *decrement { u32::try_from(hosts.len()).unwrap_or(u32::MAX) } else { 0 };
                group.facts.desired = group.facts.desired.saturating_sub(fewer);
            }
        }
        Act::Attach { group, hosts } => {
            for_each(view, hosts, |host| host.attached = Some(now));
            attached(view, group, hosts);
        }
        Act::End { group, host, decrement } => {
            if let Some(group) = view.groups.get_mut(group) {
                group.facts.desired = group.facts.desired.saturating_sub(u32::from(*decrement));
                for member in group.facts.members.iter_mut().filter(|member| member.id == *host) {
                    member.lifecycle = Lifecycle::Terminating;
                }
            }
        }
        Act::Reject { group, images, .. } => {
            let (Some(group), Request::TagGroup { tags: written, .. }) = (view.groups.get_mut(group), request) else {
                return;
            };
            group.facts.tags.extend(written.clone());
            group.source.rejected.extend(images.iter().cloned());
            group.rejection = tags.read_rejection(&group.facts.tags);
        }
        Act::GiveBack { host, give_back } => {
            for_each(view, &BTreeSet::from([host.clone()]), |host| {
                (host.give_back, host.activated) = (Some(give_back.clone()), false);
                (host.attached, host.tagged) = (None, Some(now));
            });
        }
        Act::Keep { host } => for_each(view, &BTreeSet::from([host.clone()]), |host| {
            (host.give_back, host.draining_since, host.watch) = (None, None, None);
            (host.tagged, host.marked_again) = (Some(now), false);
        }),
        Act::LetGo { hosts } => for_each(view, hosts, |host| {
            (host.ours, host.claimed, host.give_back, host.draining_since) = (None, None, None, None);
            (host.watch, host.tagged, host.marked_again) = (None, Some(now), false);
        }),
        Act::StopTasks { host, tasks, .. } => {
            if let Some(watch) = view.hosts.get_mut(host).and_then(|host| host.watch.as_mut()) {
                watch.told.extend(tasks.iter().map(|task| (task.clone(), now)));
            }
        }
        Act::Deregister { host } => {
            let Some(host) = view.hosts.get_mut(host) else { return };
            host.deregistered = true;
            if let Some(container) = host.container.here_mut() {
                container.status = ContainerInstanceStatus::Inactive;
            }
        }
        Act::Terminate { hosts } => for_each(view, hosts, |host| match host.ec2.here_mut() {
            Some(ec2) => ec2.state = crate::effect::InstanceState::ShuttingDown,
            None => host.ec2 = Seen::Missing,
        }),
        Act::SetDefault { template, version } => {
            put_in_use(view, template, VersionRule::Default, *version);
        }
        Act::ChangeLaunch { group, change, .. } => {
            if let LaunchChange::Version { template, to, .. } = change {
                put_in_use(view, template, VersionRule::Number(*to), *to);
            }
            if let Some(group) = view.groups.get_mut(group) {
                group.facts.launch.apply(change);
            }
        }
        // Not believed before it is read back: SSM checks what it was given first.
        Act::PutParameter { parameter, image, .. } => {
            view.looked.remove(&Look::Parameter(parameter.clone()));
            view.written.insert(parameter.clone(), Written { image: image.clone(), at: now });
        }
        Act::Prune { template, versions: gone } => {
            if let Some(versions) = view.versions.get_mut(template) {
                versions.retain(|version| !gone.contains(&version.number));
            }
        }
        Act::Drain { .. } | Act::Activate { .. } | Act::MakeVersion { .. } => {}
    }
}

fn attached(view: &mut ClusterView, group: &GroupName, hosts: &BTreeSet<InstanceId>) {
    let zone_of = |id: &InstanceId| view.hosts.get(id).and_then(|host| host.zone().cloned());
    let members: Vec<Member> = hosts
        .iter()
        .map(|id| {
            let zone = zone_of(id).unwrap_or_else(|| Zone::from(""));
            Member { id: id.clone(), zone, lifecycle: Lifecycle::InService, weight: None, image: None }
        })
        .collect();
    if let Some(group) = view.groups.get_mut(group) {
        group.facts.desired = group.facts.desired.saturating_add(u32::try_from(members.len()).unwrap_or(u32::MAX));
        group.facts.members.extend(members);
    }
}

fn for_each(view: &mut ClusterView, hosts: &BTreeSet<InstanceId>, change: impl Fn(&mut crate::plan::model::Host)) {
    for id in hosts {
        if let Some(host) = view.hosts.get_mut(id) {
            change(host);
        }
    }
}

fn put_in_use(view: &mut ClusterView, template: &crate::id::TemplateId, rule: VersionRule, number: u64) {
    let mut of_template = view.made.iter().filter(|((of, _), _)| of == template).flat_map(|(_, versions)| versions);
    let made = of_template.find(|version| version.number == number).cloned();
    // Or the one that was there before.
    let before =
        view.templates.get(&(template.clone(), VersionRule::Number(number))).and_then(|known| known.as_ref().ok());
    if let Some(version) = made.or_else(|| before.cloned()) {
        view.templates.insert((template.clone(), rule), Ok(version));
    }
}

/// A version was made (or found by its client token): known from now on, and in use where the newest is.
pub fn version_made(view: &mut ClusterView, act: &Act, mut version: TemplateVersion) {
    let Act::MakeVersion { template, image, description, .. } = act else { return };
    version.description.get_or_insert_with(|| description.clone());
    version.image.get_or_insert_with(|| image.to_string());
    let newest = (template.clone(), VersionRule::Latest);
    if view.templates.contains_key(&newest) {
        view.templates.insert(newest, Ok(version.clone()));
    }
    super::absorb::made(view, template, image, vec![version]);
}
