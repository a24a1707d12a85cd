//! From questions to calls: every [`Look`] as requests, with its like in as few calls as AWS allows.

use std::collections::BTreeSet;

use super::call::Purpose;
use crate::effect::{DesiredStatus, ImageQuery, InstanceFilter, Request, VersionQuery};
use crate::id::{
    AlarmName, AmiId, CapacityProviderName, ClusterArn, ContainerInstanceArn, GroupName, InstanceId, ParameterName,
    ServiceArn, TaskArn,
};
use crate::plan::drain_report::Blockers;
use crate::plan::model::{ClusterView, Look};
use crate::plan::tags::Tags;

/// AWS's limits per call.
const CONTAINER_INSTANCES: usize = 100;
pub const TASKS: usize = 100;
pub const SERVICES: usize = 10;
pub const GROUPS: usize = 100;
const FILTER_VALUES: usize = 200;
/// The filter expression of `ListContainerInstances` is short.
const LISTED_HOSTS: usize = 50;
const IMAGES: usize = 100;
const ALARMS: usize = 100;
pub const PARAMETERS: usize = 10;
/// More come in pages.
const PROVIDERS: usize = 10;

#[derive(Default)]
struct Batches {
    groups: Vec<GroupName>,
    members: Vec<GroupName>,
    images: Vec<AmiId>,
    parameters: Vec<ParameterName>,
    arns: Vec<(ContainerInstanceArn, InstanceId)>,
    unlisted: Vec<InstanceId>,
    instances: Vec<InstanceId>,
    alarms: Vec<AlarmName>,
}

/// The calls that answer these questions about this cluster.
#[expect(clippy::too_many_lines, reason = "a flat match with one arm for each look")]
pub fn requests(looks: &BTreeSet<Look>, view: &ClusterView, tags: &Tags) -> Vec<(Purpose, Request)> {
    let mut batches = Batches::default();
    let mut calls = Vec::new();
    for look in looks {
        match look {
            Look::Cluster => calls.push(plain(Request::DescribeClusters { clusters: vec![view.arn.to_string()] })),
            Look::Providers => calls.extend(providers(view)),
            Look::ContainerInstances => {
                calls.push(plain(Request::ListContainerInstances {
                    cluster: view.arn.clone(),
                    instances: Vec::new(),
                    page: None,
                }));
            }
            Look::Ours => calls.push(ours(view, tags)),
            Look::Group(name) => batches.groups.push(name.clone()),
            Look::Members(name) => batches.members.push(name.clone()),
            Look::Template(template, rule) => calls.push(plain(Request::DescribeLaunchTemplateVersions {
                template: template.clone(),
                query: VersionQuery::InUse(*rule),
                page: None,
            })),
            Look::Made(template, image) => calls.push(plain(Request::DescribeLaunchTemplateVersions {
                template: template.clone(),
                query: VersionQuery::WithImage(image.clone()),
                page: None,
            })),
            Look::Versions(template) => calls.push(plain(Request::DescribeLaunchTemplateVersions {
                template: template.clone(),
                query: VersionQuery::All,
                page: None,
            })),
            Look::Image(id) => batches.images.push(id.clone()),
            Look::Named(pattern) => {
                let query = ImageQuery::Named(pattern.clone());
                calls.push(plain(Request::DescribeImages { query, page: None }));
            }
            Look::Everybody => calls.push(plain(Request::DescribeAutoScalingGroups { names: Vec::new(), page: None })),
            Look::Services => calls.push(plain(Request::ListServices { cluster: view.arn.clone(), page: None })),
            Look::AllTasks => calls.push(plain(Request::ListTasks {
                cluster: view.arn.clone(),
                container_instance: None,
                desired: DesiredStatus::Running,
                page: None,
            })),
            Look::Parameter(name) => batches.parameters.push(name.clone()),
            Look::Host(id) => match view.hosts.get(id).and_then(|host| host.arn.clone()) {
                Some(arn) => batches.arns.push((arn, id.clone())),
                None => batches.unlisted.push(id.clone()),
            },
            Look::Instance(id) => batches.instances.push(id.clone()),
            Look::Tasks(id) => calls.extend(task_lists(view, id)),
            Look::Activities(group) => calls.push(plain(Request::DescribeScalingActivities { group: group.clone() })),
            Look::Left(id) => {
                let watch = view.hosts.get(id).and_then(|host| host.watch.as_ref());
                let left = watch.map(|watch| watch.left().cloned().collect()).unwrap_or_default();
                calls.extend(describe_tasks(view, &left));
            }
            Look::Broken(id) => {
                let arn = view.hosts.get(id).and_then(|host| host.arn.clone());
                calls.extend(arn.map(|arn| {
                    plain(Request::ListTasks {
                        cluster: view.arn.clone(),
                        container_instance: Some(arn),
                        desired: DesiredStatus::Stopped,
                        page: None,
                    })
                }));
            }
            Look::Refreshes(name) => calls.push(plain(Request::DescribeInstanceRefreshes { group: name.clone() })),
            Look::Hooks(name) => calls.push(plain(Request::DescribeLifecycleHooks { group: name.clone() })),
            Look::Alarm(name) => batches.alarms.push(name.clone()),
            Look::Blockers(id) => calls.extend(first_call(view, id)),
        }
    }
    calls.extend(batches.requests(view));
    calls
}

impl Batches {
    fn requests(self, view: &ClusterView) -> Vec<(Purpose, Request)> {
        let cluster = &view.arn;
        let mut calls = Vec::new();
        calls.extend(
            self.groups
                .chunks(GROUPS)
                .map(|names| plain(Request::DescribeAutoScalingGroups { names: names.to_vec(), page: None })),
        );
        calls.extend(self.members.chunks(FILTER_VALUES).map(|names| {
            plain(Request::DescribeInstances { filter: InstanceFilter::MembersOf(names.to_vec()), page: None })
        }));
        calls.extend(self.images.chunks(IMAGES).map(|ids| {
            let query = ImageQuery::Ids(ids.to_vec());
            plain(Request::DescribeImages { query, page: None })
        }));
        calls.extend(
            self.parameters.chunks(PARAMETERS).map(|names| plain(Request::GetParameters { names: names.to_vec() })),
        );
        calls.extend(self.arns.chunks(CONTAINER_INSTANCES).map(|hosts| {
            let arns = hosts.iter().map(|(arn, _)| arn.clone()).collect();
            let asked = hosts.iter().map(|(_, id)| id.clone()).collect();
            (Purpose::Look { asked }, Request::DescribeContainerInstances { cluster: cluster.clone(), arns })
        }));
        calls.extend(listings(view, &self.unlisted));
        calls.extend(self.instances.chunks(FILTER_VALUES).map(|ids| {
            let filter = InstanceFilter::Ids(ids.to_vec());
            (Purpose::Look { asked: ids.to_vec() }, Request::DescribeInstances { filter, page: None })
        }));
        calls.extend(self.alarms.chunks(ALARMS).map(|names| plain(Request::DescribeAlarms { names: names.to_vec() })));
        calls
    }
}

fn plain(request: Request) -> (Purpose, Request) {
    (Purpose::Look { asked: Vec::new() }, request)
}

fn providers(view: &ClusterView) -> Vec<(Purpose, Request)> {
    // AWS's own two have no group.
    let fargate = |name: &CapacityProviderName| matches!(name.as_str(), "FARGATE" | "FARGATE_SPOT");
    let names: Vec<CapacityProviderName> = view.providers.iter().filter(|name| !fargate(name)).cloned().collect();
    names.chunks(PROVIDERS).map(|names| plain(Request::DescribeCapacityProviders { names: names.to_vec() })).collect()
}

fn ours(view: &ClusterView, tags: &Tags) -> (Purpose, Request) {
    let (key, pattern) = (tags.rotation_key(), Tags::rotation_pattern(&view.arn.name()));
    plain(Request::DescribeInstances { filter: InstanceFilter::Tagged { key, pattern }, page: None })
}

/// Which container instances are on these EC2 instances?
pub fn listings(view: &ClusterView, ids: &[InstanceId]) -> Vec<(Purpose, Request)> {
    let listing = |ids: &[InstanceId]| {
        let request =
            Request::ListContainerInstances { cluster: view.arn.clone(), instances: ids.to_vec(), page: None };
        (Purpose::Look { asked: ids.to_vec() }, request)
    };
    ids.chunks(LISTED_HOSTS).map(listing).collect()
}

/// The first look wants to know what is there; the later ones, what has not come to its end. Where tasks were only counted,
/// and shall run on, their names come first.
fn task_lists(view: &ClusterView, id: &InstanceId) -> Option<(Purpose, Request)> {
    let host = view.hosts.get(id)?;
    let named = host.watch.as_ref().is_some_and(|watch| watch.counted.is_none() || host.tasks_to_run() == 0);
    let desired = if named { DesiredStatus::Stopped } else { DesiredStatus::Running };
    let container_instance = Some(host.arn.clone()?);
    Some(plain(Request::ListTasks { cluster: view.arn.clone(), container_instance, desired, page: None }))
}

/// Describes container instances that a list has named.
pub fn describe_hosts(
    view: &ClusterView,
    arns: &BTreeSet<ContainerInstanceArn>,
    asked: &BTreeSet<InstanceId>,
) -> Vec<(Purpose, Request)> {
    let arns: Vec<ContainerInstanceArn> = arns.iter().cloned().collect();
    let one_call = arns.len() <= CONTAINER_INSTANCES;
    arns.chunks(CONTAINER_INSTANCES)
        .map(|arns| {
            // Only an answer that holds everything can say of somebody that it is not there.
            let asked = if one_call { asked.iter().cloned().collect() } else { Vec::new() };
            let request = Request::DescribeContainerInstances { cluster: view.arn.clone(), arns: arns.to_vec() };
            (Purpose::Look { asked }, request)
        })
        .collect()
}

pub fn describe_tasks(view: &ClusterView, arns: &BTreeSet<TaskArn>) -> Vec<(Purpose, Request)> {
    let arns: Vec<TaskArn> = arns.iter().cloned().collect();
    arns.chunks(TASKS)
        .map(|arns| plain(Request::DescribeTasks { cluster: view.arn.clone(), arns: arns.to_vec() }))
        .collect()
}

/// Services that a list has named.
pub fn describe_services(view: &ClusterView, arns: &BTreeSet<ServiceArn>) -> Vec<(Purpose, Request)> {
    let arns: Vec<ServiceArn> = arns.iter().cloned().collect();
    arns.chunks(SERVICES)
        .map(|arns| plain(Request::DescribeServices { cluster: view.arn.clone(), arns: arns.to_vec() }))
        .collect()
}

/// Which of these tasks are protected?
pub fn protection(view: &ClusterView, arns: &BTreeSet<TaskArn>) -> Vec<(Purpose, Request)> {
    let arns: Vec<TaskArn> = arns.iter().cloned().collect();
    arns.chunks(TASKS)
        .map(|arns| plain(Request::GetTaskProtection { cluster: view.arn.clone(), arns: arns.to_vec() }))
        .collect()
}

/// More tasks than one call can describe are on no host; if they were, the first of them say enough.
pub fn first_call(view: &ClusterView, id: &InstanceId) -> Option<(Purpose, Request)> {
    let left: Vec<TaskArn> = view.hosts.get(id)?.watch.as_ref()?.left().take(TASKS).cloned().collect();
    let request = Request::DescribeTasks { cluster: view.arn.clone(), arns: left };
    Some((Purpose::Blockers(id.clone()), request))
}

/// What their services say, and whom these must not stop.
pub fn further_calls(cluster: &ClusterArn, blockers: &Blockers) -> Vec<Request> {
    // A name does as well as an ARN here.
    let names: Vec<ServiceArn> = blockers.services.keys().map(|name| ServiceArn::new(name.as_str())).collect();
    let tasks: Vec<TaskArn> = blockers.services.values().flat_map(|service| service.tasks.iter().cloned()).collect();
    let describe = |names: &[ServiceArn]| Request::DescribeServices { cluster: cluster.clone(), arns: names.to_vec() };
    let protection = |tasks: &[TaskArn]| Request::GetTaskProtection { cluster: cluster.clone(), arns: tasks.to_vec() };
    names.chunks(SERVICES).map(describe).chain(tasks.chunks(TASKS).map(protection)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::model::Host;

    fn view(hosts: usize, registered: bool) -> ClusterView {
        let mut view = ClusterView::blank("arn:aws:ecs:r:1:cluster/c".into(), None);
        for n in 0..hosts {
            let arn = registered.then(|| ContainerInstanceArn::new(format!("ci/{n:03}")));
            view.hosts.insert(InstanceId::new(format!("i-{n:03}")), Host { arn, ..Host::default() });
        }
        view
    }

    fn asked(calls: &[(Purpose, Request)]) -> Vec<usize> {
        let asked = |(purpose, _): &(Purpose, Request)| {
            let Purpose::Look { asked } = purpose else { panic!("{purpose:?}") };
            asked.len()
        };
        calls.iter().map(asked).collect()
    }

    /// Otherwise those of the other calls would be taken for gone.
    #[test]
    fn each_call_must_speak_of_those_it_asks_for_and_of_no_others() {
        for (hosts, registered, expected) in [(150, false, &[50, 50, 50][..]), (150, true, &[100, 50]), (1, true, &[1])]
        {
            let view = view(hosts, registered);
            let looks = view.hosts.keys().cloned().map(Look::Host).collect();
            let calls = requests(&looks, &view, &Tags::new("t:"));
            assert_eq!(asked(&calls), expected);
            for (purpose, request) in &calls {
                let Purpose::Look { asked } = purpose else { panic!("{purpose:?}") };
                if let Request::ListContainerInstances { instances, .. } = request {
                    assert_eq!(instances, asked);
                } else if let Request::DescribeContainerInstances { arns, .. } = request {
                    let of = |arn: &ContainerInstanceArn| InstanceId::new(arn.as_str().replace("ci/", "i-"));
                    assert_eq!(&arns.iter().map(of).collect::<Vec<_>>(), asked);
                }
            }
        }
    }

    #[test]
    fn what_lists_have_named_is_described_and_only_a_single_answer_says_who_is_not_there() {
        let view = view(0, false);
        let asked_for = BTreeSet::from([InstanceId::from("i-1")]);
        for (listed, expected) in [(100, &[1][..]), (101, &[0, 0])] {
            let arns = (0..listed).map(|n| ContainerInstanceArn::new(format!("ci/{n:03}"))).collect();
            assert_eq!(asked(&describe_hosts(&view, &arns, &asked_for)), expected, "{listed}");
        }
    }
}
