use jiff::Timestamp;
use strum::IntoEnumIterator as _;
use tracing_subscriber::filter::LevelFilter;

use super::*;
use crate::effect::{
    ContainerInstance, DesiredStatus, Group, ImageQuery, InstanceFilter, Launch, Operation, TemplateSpec,
    TemplateVersion, VersionQuery,
};
use crate::id::ClusterArn;
use crate::plan::act::Act;
use crate::plan::model::{GroupView, Host};
use crate::plan::policy::Policy;
use crate::plan::rotation::Ours;
use crate::sim::logs;

fn cluster() -> ClusterArn {
    "arn:aws:ecs:eu-west-1:123456789012:cluster/prod".into()
}

fn one_tag() -> BTreeMap<String, String> {
    [("t:rotation".to_owned(), "prod/20260114T030000Z".to_owned())].into()
}

/// One call of each kind.
#[expect(clippy::too_many_lines, reason = "a flat match with one arm for each kind of call")]
fn sample(operation: Operation) -> Request {
    use Request as R;
    let (page, cluster, arns) = (None, cluster(), Vec::new());
    let (group, instances, tags) = (GroupName::from("web-asg"), vec![InstanceId::from("i-1")], one_tag());
    let template = TemplateId::from("lt-1");
    match operation {
        Operation::ReceiveMessage => R::ReceiveMessage { wait_seconds: 1, visibility_seconds: 1 },
        Operation::DeleteMessageBatch => R::DeleteMessageBatch { receipts: Vec::new() },
        Operation::ChangeMessageVisibilityBatch => {
            R::ChangeMessageVisibilityBatch { receipts: Vec::new(), visibility_seconds: 0 }
        }
        Operation::ListClusters => R::ListClusters { page },
        Operation::DescribeClusters => R::DescribeClusters { clusters: Vec::new() },
        Operation::DescribeCapacityProviders => R::DescribeCapacityProviders { names: Vec::new() },
        Operation::ListContainerInstances => R::ListContainerInstances { cluster, instances, page },
        Operation::DescribeContainerInstances => {
            R::DescribeContainerInstances { cluster, arns: vec!["arn:c/1".into()] }
        }
        Operation::ListTasks => {
            R::ListTasks { cluster, container_instance: None, desired: DesiredStatus::Running, page }
        }
        Operation::DescribeTasks => R::DescribeTasks { cluster, arns },
        Operation::ListServices => R::ListServices { cluster, page },
        Operation::DescribeServices => R::DescribeServices { cluster, arns: Vec::new() },
        Operation::GetTaskProtection => R::GetTaskProtection { cluster, arns },
        Operation::TagResource => R::TagResource { cluster, tags },
        Operation::UpdateContainerInstancesState => R::UpdateContainerInstancesState {
            cluster,
            arns: vec!["arn:c/1".into()],
            status: ContainerInstanceStatus::Draining,
        },
        Operation::StopTask => R::StopTask { cluster, task: "arn:t/1".into(), reason: "why".to_owned() },
        Operation::DeregisterContainerInstance => R::DeregisterContainerInstance { cluster, arn: "arn:c/1".into() },
        Operation::DescribeAutoScalingGroups => R::DescribeAutoScalingGroups { names: Vec::new(), page },
        Operation::DetachInstances => R::DetachInstances { group, instances, decrement: true },
        Operation::AttachInstances => R::AttachInstances { group, instances },
        Operation::TerminateInstanceInAutoScalingGroup => {
            R::TerminateInstanceInAutoScalingGroup { group, instance: "i-1".into(), decrement: true }
        }
        Operation::TagGroup => R::TagGroup { group, tags },
        Operation::DescribeScalingActivities => R::DescribeScalingActivities { group },
        Operation::UpdateAutoScalingGroup => R::UpdateAutoScalingGroup {
            group,
            mixed: false,
            change: LaunchChange::Version { template, from: 7, to: 8 },
        },
        Operation::DescribeInstanceRefreshes => R::DescribeInstanceRefreshes { group },
        Operation::DescribeLifecycleHooks => R::DescribeLifecycleHooks { group },
        Operation::DescribeAlarms => R::DescribeAlarms { names: Vec::new() },
        Operation::DescribeInstances => R::DescribeInstances { filter: InstanceFilter::Ids(Vec::new()), page },
        Operation::CreateTags => R::CreateTags { instances, tags },
        Operation::TerminateInstances => R::TerminateInstances { instances },
        Operation::DescribeLaunchTemplateVersions => {
            R::DescribeLaunchTemplateVersions { template, query: VersionQuery::All, page }
        }
        Operation::CreateLaunchTemplateVersion => R::CreateLaunchTemplateVersion {
            template,
            source: 7,
            image: "ami-8".into(),
            block_devices: Vec::new(),
            description: String::new(),
            client_token: String::new(),
        },
        Operation::ModifyLaunchTemplate => R::ModifyLaunchTemplate { template, default_version: 8 },
        Operation::DeleteLaunchTemplateVersions => R::DeleteLaunchTemplateVersions { template, versions: vec![3, 4] },
        Operation::DescribeImages => R::DescribeImages { query: ImageQuery::Ids(Vec::new()), page },
        Operation::GetParameters => R::GetParameters { names: Vec::new() },
        Operation::PutParameter => {
            R::PutParameter { name: "/images/own".into(), image: "ami-8".into(), data_type: None }
        }
        Operation::PutEvents => R::PutEvents { bus: "default".into(), notices: Vec::new() },
        Operation::LocateSelf => R::LocateSelf,
    }
}

fn call(request: Request) -> Call {
    let of_one = Purpose::Act(Act::LetGo { hosts: ["i-1".into()].into() });
    Call { owner: Owner::Pass(cluster(), of_one), request, failures: 0 }
}

fn drained() -> Reply {
    let instance = ContainerInstance {
        arn: "arn:c/1".into(),
        instance: Some("i-1".into()),
        status: ContainerInstanceStatus::Draining,
        agent_connected: true,
        running_tasks: 0,
        pending_tasks: 0,
        image: None,
        zone: None,
        registered: None,
        whole: None,
        free: None,
    };
    Reply::ContainerInstances { instances: vec![instance], failures: Vec::new() }
}

fn reply_to(operation: Operation) -> Reply {
    if operation == Operation::UpdateContainerInstancesState { drained() } else { Reply::Done }
}

fn change(operation: Operation) -> Option<Change> {
    let (call, tags) = (call(sample(operation)), Tags::new("t:"));
    Before { call: &call, view: None, tags: &tags }.change(&reply_to(operation))
}

/// A further effect is in this list as soon as it is a `Request`.
#[test]
fn every_call_that_changes_something_has_its_line_and_no_other_call_has() {
    for operation in Operation::iter() {
        let changed = change(operation);
        assert_eq!(changed.is_some(), sample(operation).is_effect(), "{operation:?}: {changed:?}");
        if let Some(change) = changed {
            assert!(!change.before.is_empty() && !change.after.is_empty(), "{operation:?}: {change:?}");
        }
    }
}

#[test]
fn the_line_is_written_for_every_call_that_changes_something() {
    for operation in Operation::iter() {
        let (call, tags) = (call(sample(operation)), Tags::new("t:"));
        let ((), lines) = logs::lines_during(LevelFilter::INFO, || tell(&call, &reply_to(operation), None, &tags));
        if !call.request.is_effect() {
            assert_eq!(lines, [], "{operation:?}");
            continue;
        }
        let [line] = lines.as_slice() else { panic!("{operation:?}: {lines:?}") };
        assert_eq!((line.message.as_str(), line.level), (CHANGED, "INFO"));
        assert_eq!((line.get("operation"), line.get("cluster")), (Some(call.request.operation()), Some("prod")));
        let on = ["group", "host", "template", "parameter", "task"].into_iter().filter_map(|field| line.get(field));
        assert!(operation == Operation::TagResource || on.count() > 0, "on what? {line}");
    }
}

fn said(view: &ClusterView, request: Request, reply: &Reply) -> (String, String) {
    let (call, tags) = (call(request), Tags::new("t:"));
    let change = Before { call: &call, view: Some(view), tags: &tags }.change(reply).unwrap();
    (change.before, change.after)
}

fn version(number: u64, image: &str) -> TemplateVersion {
    TemplateVersion {
        template: "lt-1".into(),
        number,
        is_default: number == 7,
        image: Some(image.to_owned()),
        description: None,
        created: Timestamp::UNIX_EPOCH,
        block_devices: Vec::new(),
    }
}

/// A host of `web-asg`, which has 4 and whose template's default is version 7.
fn view() -> ClusterView {
    let mut view = ClusterView::blank(cluster(), None);
    let launch = Launch::Template(TemplateSpec { template: "lt-1".into(), rule: VersionRule::Default });
    let facts = Group {
        name: "web-asg".into(),
        min: 0,
        max: 5,
        desired: 4,
        members: Vec::new(),
        suspended: BTreeSet::new(),
        launch,
        tags: [("t:rejected".to_owned(), "ami-5".to_owned())].into(),
        managed: false,
        counted_in: None,
        arn: None,
        zones: BTreeSet::new(),
        traffic_sources: BTreeSet::new(),
    };
    view.groups.insert("web-asg".into(), GroupView::new(facts, &Tags::new("t:"), &Policy::default()));
    view.templates.insert(("lt-1".into(), VersionRule::Default), Ok(version(7, "ami-7")));
    view.tags = [("t:rotation".to_owned(), "prod/1 closed 2".to_owned()), ("t:hold".to_owned(), String::new())].into();
    let ours = Ours { rotation: "prod/1".into(), group: "web-asg".into(), since: Timestamp::UNIX_EPOCH };
    view.hosts.insert("i-1".into(), Host { ours: Some(ours), ..Host::default() });
    view
}

#[test]
fn a_line_says_what_was_before_and_what_is_now() {
    let view = view();
    let tags = |pairs: &[(&str, &str)]| pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
    let rotation = tags(&[("t:rotation", "prod/3 open 3"), ("t:hold", "")]);
    let let_go = Tags::new("t:").let_go();
    let rejected = tags(&[("t:rejected", "ami-5 ami-6")]);
    let open = Request::TagResource { cluster: cluster(), tags: rotation };
    for (request, before, after) in [
        (sample(Operation::ModifyLaunchTemplate), "default 7", "default 8"),
        (sample(Operation::UpdateAutoScalingGroup), "version 7", "version 8"),
        (sample(Operation::CreateLaunchTemplateVersion), "version 7, ami-7", "version 8, ami-8"),
        (sample(Operation::DeleteLaunchTemplateVersions), "versions 3 4", "deleted"),
        (sample(Operation::DetachInstances), "in the group, desired 4", "detached, desired 3"),
        (sample(Operation::AttachInstances), "not in the group, desired 4", "attached, desired 5"),
        (open, "t:rotation=prod/1 closed 2", "t:rotation=prod/3 open 3"),
        (Request::TagGroup { group: "web-asg".into(), tags: rejected }, "t:rejected=ami-5", "t:rejected=ami-5 ami-6"),
        (
            Request::CreateTags { instances: vec!["i-1".into()], tags: let_go },
            "t:group=web-asg, t:rotation=prod/1, t:since=1970-01-01T00:00:00Z",
            "none",
        ),
    ] {
        let made = matches!(request, Request::CreateLaunchTemplateVersion { .. });
        let reply = if made { Reply::TemplateVersion(version(8, "ami-8")) } else { Reply::Done };
        let operation = request.operation();
        assert_eq!(said(&view, request, &reply), (before.to_owned(), after.to_owned()), "{operation}");
    }
}

#[test]
fn a_batch_of_which_nothing_was_changed_changes_nothing() {
    let call = call(sample(Operation::UpdateContainerInstancesState));
    let refused = Reply::ContainerInstances { instances: Vec::new(), failures: Vec::new() };
    assert_eq!(Before { call: &call, view: None, tags: &Tags::new("t:") }.change(&refused), None);
}
