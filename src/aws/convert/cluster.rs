//! ECS's types.

use aws_sdk_ecs::types as ecs;

use super::{count, required, timestamp};
use crate::effect::{
    CapacityProvider, Cluster, ContainerInstance, ContainerInstanceStatus, DesiredStatus, Failure, ItemFailure, Task,
    TaskStatus,
};
use crate::id::{AmiId, GroupName, Zone};

pub(in crate::aws) fn item_failure(failure: ecs::Failure) -> ItemFailure {
    let reason = match (failure.reason, failure.detail) {
        (Some(reason), _) => reason,
        (None, Some(detail)) => detail,
        (None, None) => "unknown".to_owned(),
    };
    ItemFailure { item: failure.arn.unwrap_or_default(), reason }
}

pub(in crate::aws) fn cluster(cluster: ecs::Cluster) -> Result<Cluster, Failure> {
    let needs = |name, value| required("DescribeClusters", name, value);
    Ok(Cluster {
        arn: needs("clusterArn", cluster.cluster_arn)?.into(),
        status: needs("status", cluster.status)?,
        capacity_providers: cluster.capacity_providers.unwrap_or_default().into_iter().map(Into::into).collect(),
        tags: cluster.tags.unwrap_or_default().into_iter().filter_map(|tag| Some((tag.key?, tag.value?))).collect(),
    })
}

pub(in crate::aws) fn capacity_provider(provider: ecs::CapacityProvider) -> Result<CapacityProvider, Failure> {
    Ok(CapacityProvider {
        name: required("DescribeCapacityProviders", "name", provider.name)?.into(),
        group: provider.auto_scaling_group_provider.map(|group| group_of_arn(&group.auto_scaling_group_arn)),
    })
}

/// `arn:aws:autoscaling:eu-west-1:123456789012:autoScalingGroup:UUID:autoScalingGroupName/NAME`; a name may contain `/`.
fn group_of_arn(arn: &str) -> GroupName {
    GroupName::new(arn.split_once("autoScalingGroupName/").map_or(arn, |(_, name)| name))
}

pub(in crate::aws) fn container_instance(
    operation: &'static str,
    of: ecs::ContainerInstance,
) -> Result<ContainerInstance, Failure> {
    let attribute = |name: &str| -> Option<String> {
        let attributes = of.attributes.as_deref().unwrap_or_default();
        attributes.iter().find(|attribute| attribute.name == name)?.value.clone()
    };
    let (image, zone) = (attribute("ecs.ami-id"), attribute("ecs.availability-zone"));
    Ok(ContainerInstance {
        arn: required(operation, "containerInstanceArn", of.container_instance_arn)?.into(),
        instance: of.ec2_instance_id.map(Into::into),
        status: ContainerInstanceStatus::from_aws(&required(operation, "status", of.status)?),
        agent_connected: of.agent_connected,
        running_tasks: count(of.running_tasks_count),
        pending_tasks: count(of.pending_tasks_count),
        image: image.map(AmiId::new),
        zone: zone.map(Zone::new),
        registered: of.registered_at.as_ref().and_then(timestamp),
    })
}

pub(in crate::aws) fn task(task: ecs::Task) -> Result<Task, Failure> {
    let needs = |name, value| required("DescribeTasks", name, value);
    Ok(Task {
        arn: needs("taskArn", task.task_arn)?.into(),
        container_instance: task.container_instance_arn.map(Into::into),
        last: TaskStatus::from_aws(&needs("lastStatus", task.last_status)?),
        desired: desired_status(&needs("desiredStatus", task.desired_status)?),
        group: task.group.unwrap_or_default(),
    })
}

/// A status that we do not know is not a wish to stop.
fn desired_status(text: &str) -> DesiredStatus {
    match text {
        "STOPPED" => DesiredStatus::Stopped,
        _ => DesiredStatus::Running,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_group_of_a_capacity_provider_is_at_the_end_of_its_arn() {
        let arn = "arn:aws:autoscaling:eu-west-1:1:autoScalingGroup:0a-1b:autoScalingGroupName/team/web";
        assert_eq!(group_of_arn(arn).as_str(), "team/web");
        assert_eq!(group_of_arn("web").as_str(), "web");
    }

    #[test]
    fn a_status_that_we_do_not_know_is_never_taken_for_the_end() {
        assert_eq!(TaskStatus::from_aws("HIBERNATING"), TaskStatus::Other);
        assert_eq!(desired_status("HIBERNATING"), DesiredStatus::Running);
        assert_eq!(ContainerInstanceStatus::from_aws("HIBERNATING"), ContainerInstanceStatus::Other);
    }

    #[test]
    fn image_and_zone_of_a_container_instance_are_attributes() {
        let attribute = |name: &str, value: &str| ecs::Attribute::builder().name(name).value(value).build().unwrap();
        let of = ecs::ContainerInstance::builder()
            .container_instance_arn("arn:aws:ecs:x:1:container-instance/prod/a")
            .status("DRAINING")
            .attributes(attribute("ecs.ami-id", "ami-1"))
            .attributes(attribute("ecs.availability-zone", "eu-west-1a"));
        let of = container_instance("DescribeContainerInstances", of.build()).unwrap();
        assert_eq!((of.image, of.zone), (Some("ami-1".into()), Some("eu-west-1a".into())));
        assert_eq!((of.status, of.instance), (ContainerInstanceStatus::Draining, None));
    }
}
