//! An event for each thing that the worker should hear of, to ask EventBridge which rules would let it through.

use serde_json::{Value, json};

use crate::engine::survey::Findings;
use crate::id::{ClusterArn, GroupName, ParameterName};
use crate::plan::model::ClusterView;

/// An event as EventBridge would have it, and what it stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sample {
    pub kind: Kind,
    /// The cluster, group or parameter that it is about.
    pub of: String,
    pub event: Value,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    NewHost,
    DrainingHost,
    StoppedTask,
    Parameter,
    FailedLaunch,
    EndedInstance,
}

impl Kind {
    pub const ALL: [Kind; 6] = [
        Kind::NewHost,
        Kind::DrainingHost,
        Kind::StoppedTask,
        Kind::Parameter,
        Kind::FailedLaunch,
        Kind::EndedInstance,
    ];

    pub const fn detail_type(self) -> &'static str {
        match self {
            Kind::NewHost | Kind::DrainingHost => "ECS Container Instance State Change",
            Kind::StoppedTask => "ECS Task State Change",
            Kind::Parameter => "Parameter Store Change",
            Kind::FailedLaunch => "EC2 Instance Launch Unsuccessful",
            Kind::EndedInstance => "EC2 Instance State-change Notification",
        }
    }

    const fn source(self) -> &'static str {
        match self {
            Kind::NewHost | Kind::DrainingHost | Kind::StoppedTask => "aws.ecs",
            Kind::Parameter => "aws.ssm",
            Kind::FailedLaunch => "aws.autoscaling",
            Kind::EndedInstance => "aws.ec2",
        }
    }
}

/// For every cluster that could be looked at.
#[must_use]
pub fn samples(survey: &Findings) -> Vec<Sample> {
    survey.views().flat_map(of_cluster).collect()
}

fn of_cluster(view: &ClusterView) -> Vec<Sample> {
    let cluster = &view.arn;
    let mut samples = vec![
        sample(Kind::NewHost, cluster, cluster.name(), host(cluster, "ACTIVE")),
        sample(Kind::DrainingHost, cluster, cluster.name(), host(cluster, "DRAINING")),
        sample(Kind::StoppedTask, cluster, cluster.name(), task(cluster)),
        sample(
            Kind::EndedInstance,
            cluster,
            cluster.name(),
            json!({"instance-id": INSTANCE, "state": "shutting-down"}),
        ),
    ];
    samples.extend(view.groups.keys().map(|group| sample(Kind::FailedLaunch, cluster, group, launch(group))));
    let own = own_parameters(view).map(|name| sample(Kind::Parameter, cluster, name, parameter(name)));
    samples.extend(own);
    samples
}

/// Parameters that were asked for. AWS's own send no events.
pub(super) fn own_parameters(view: &ClusterView) -> impl Iterator<Item = &ParameterName> {
    // One that is named by its ARN is another account's, and its events are sent there.
    let own = |name: &&ParameterName| !name.as_str().starts_with("/aws/service/") && !name.as_str().starts_with("arn:");
    view.parameters.keys().filter(own)
}

const INSTANCE: &str = "i-0123456789abcdef0";

fn sample(kind: Kind, cluster: &ClusterArn, of: impl ToString, detail: Value) -> Sample {
    let (region, account) = cluster.place().unwrap_or_default();
    let event = json!({
        "version": "0",
        "id": "12345678-1234-1234-1234-123456789012",
        "detail-type": kind.detail_type(),
        "source": kind.source(),
        "account": account,
        "time": "2026-01-14T03:10:00Z",
        "region": region,
        "resources": resource(kind, cluster, &detail),
        "detail": detail,
    });
    Sample { kind, of: of.to_string(), event }
}

/// As the event would have it.
fn resource(kind: Kind, cluster: &ClusterArn, detail: &Value) -> [String; 1] {
    let (region, account) = cluster.place().unwrap_or_default();
    let partition = cluster.as_str().split(':').nth(1).unwrap_or("aws");
    let text = |key: &str| detail[key].as_str().unwrap_or_default().to_owned();
    [match kind {
        Kind::NewHost | Kind::DrainingHost => text("containerInstanceArn"),
        Kind::StoppedTask => text("taskArn"),
        Kind::Parameter => {
            format!("arn:{partition}:ssm:{region}:{account}:parameter/{}", text("name").trim_start_matches('/'))
        }
        Kind::FailedLaunch => {
            let id = "00000000-0000-0000-0000-000000000000";
            let name = text("AutoScalingGroupName");
            format!("arn:{partition}:autoscaling:{region}:{account}:autoScalingGroup:{id}:autoScalingGroupName/{name}")
        }
        Kind::EndedInstance => format!("arn:{partition}:ec2:{region}:{account}:instance/{INSTANCE}"),
    }]
}

/// Fresh: ECS raises the version with every change.
fn host(cluster: &ClusterArn, status: &str) -> Value {
    json!({
        "clusterArn": cluster.as_str(),
        "containerInstanceArn": part_of(cluster, "container-instance"),
        "ec2InstanceId": INSTANCE,
        "status": status,
        "agentConnected": true,
        "version": 3,
    })
}

fn task(cluster: &ClusterArn) -> Value {
    json!({
        "clusterArn": cluster.as_str(),
        "containerInstanceArn": part_of(cluster, "container-instance"),
        "taskArn": part_of(cluster, "task"),
        "launchType": "EC2",
        "lastStatus": "STOPPED",
        "desiredStatus": "STOPPED",
        "group": "service:web",
        "version": 5,
    })
}

fn parameter(name: &ParameterName) -> Value {
    json!({"operation": "Update", "name": name.plain().as_str(), "type": "String"})
}

fn launch(group: &GroupName) -> Value {
    json!({"AutoScalingGroupName": group.as_str(), "StatusCode": "Failed", "StatusMessage": "no capacity"})
}

/// Of a task, a container instance, a service.
pub(super) const MADE_UP_ID: &str = "/0123456789abcdef0123456789abcdef";

/// `arn:aws:ecs:eu-west-1:123456789012:task/prod/0123…`
pub(super) fn part_of(cluster: &ClusterArn, kind: &str) -> String {
    format!("{}{MADE_UP_ID}", cluster.as_str().replacen(":cluster/", &format!(":{kind}/"), 1))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{Parsed, parse};

    /// What the worker would not understand is no sample of what it should hear of.
    #[test]
    fn the_worker_understands_every_sample() {
        let cluster = ClusterArn::new("arn:aws:ecs:eu-west-1:123456789012:cluster/prod");
        let mut view = ClusterView::blank(cluster, None);
        let parameters = ["/images/host:3", "/aws/service/ecs/optimized-ami/amazon-linux-2023/recommended/image_id"];
        view.parameters = parameters.map(|name| (name.into(), Err("not there".to_owned()))).into();
        let mut samples = of_cluster(&view);
        samples.push(sample(Kind::FailedLaunch, &view.arn, "web", launch(&"web".into())));
        let kinds: std::collections::BTreeSet<Kind> = samples.iter().map(|sample| sample.kind).collect();
        assert_eq!(kinds.into_iter().collect::<Vec<_>>(), Kind::ALL);
        for sample in &samples {
            let parsed = parse(&sample.event.to_string());
            assert!(matches!(parsed, Parsed::Event(_)), "{sample:?}: {parsed:?}");
        }
        let parameters: Vec<_> = samples.iter().filter(|sample| sample.kind == Kind::Parameter).collect();
        assert_eq!(parameters.len(), 1);
        assert_eq!(parameters[0].event["detail"]["name"], "/images/host");
    }
}
