//! ECS's types.

use aws_sdk_ecs::types as ecs;

use super::{count, required, timestamp};
use crate::effect::{
    CapacityProvider, Cluster, ContainerInstance, ContainerInstanceStatus, DesiredStatus, Failure, ItemFailure,
    Resources, Stopped, Task, TaskStatus,
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
        whole: resources(of.registered_resources.as_deref()),
        free: resources(of.remaining_resources.as_deref()),
    })
}

/// CPU and MEMORY are numbers; a GPU stands as an id in a set.
fn resources(of: Option<&[ecs::Resource]>) -> Option<Resources> {
    let find = |name: &str| of?.iter().find(|resource| resource.name.as_deref() == Some(name));
    let gpus = find("GPU").map_or(0, |gpu| gpu.string_set_value().len());
    Some(Resources {
        cpu: count(find("CPU")?.integer_value),
        memory: count(find("MEMORY")?.integer_value),
        gpus: u32::try_from(gpus).unwrap_or(u32::MAX),
    })
}

pub(in crate::aws) fn task(task: ecs::Task) -> Result<Task, Failure> {
    let needs = |name, value| required("DescribeTasks", name, value);
    let stopped = stopped(&task);
    let gpus = task.containers().iter().map(|container| container.gpu_ids().len()).sum::<usize>();
    let size = (task.cpu.as_deref().map(str::parse), task.memory.as_deref().map(str::parse));
    let size = match size {
        (Some(Ok(cpu)), Some(Ok(memory))) => {
            Some(Resources { cpu, memory, gpus: u32::try_from(gpus).unwrap_or(u32::MAX) })
        }
        (Some(_) | None, _) => None,
    };
    Ok(Task {
        arn: needs("taskArn", task.task_arn)?.into(),
        container_instance: task.container_instance_arn.map(Into::into),
        last: TaskStatus::from_aws(&needs("lastStatus", task.last_status)?),
        desired: desired_status(&needs("desiredStatus", task.desired_status)?),
        group: task.group.unwrap_or_default(),
        stopped,
        needs: size,
    })
}

/// It broke, if it could not be started, or if an essential container of it ended with an error by itself.
#[expect(clippy::wildcard_enum_match_arm, reason = "the SDK's enum may grow")]
fn stopped(task: &ecs::Task) -> Option<Stopped> {
    let code = task.stop_code.as_ref()?;
    let with_error = task.containers().iter().any(|container| container.exit_code.is_some_and(|code| code != 0));
    let failed = match code {
        ecs::TaskStopCode::TaskFailedToStart => true,
        ecs::TaskStopCode::EssentialContainerExited => with_error,
        // Stopped by somebody: a scheduler, a person, Spot; or in words that are new.
        _ => false,
    };
    let at = task.stopped_at.as_ref().or(task.stopping_at.as_ref()).and_then(timestamp);
    let begun = task.stopping_at.as_ref().and_then(timestamp);
    Some(Stopped { begun, at, failed, reason: task.stopped_reason.clone().unwrap_or_default() })
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
    fn a_task_that_was_told_to_stop_did_not_break() {
        use ecs::TaskStopCode::{EssentialContainerExited, ServiceSchedulerInitiated, TaskFailedToStart};
        let broke = |code: ecs::TaskStopCode, exit: i32| {
            let container = ecs::Container::builder().exit_code(exit).build();
            stopped(&ecs::Task::builder().stop_code(code).containers(container).build()).map(|stopped| stopped.failed)
        };
        assert_eq!(broke(ServiceSchedulerInitiated, 137), Some(false));
        assert_eq!(broke(EssentialContainerExited, 1), Some(true));
        assert_eq!(broke(EssentialContainerExited, 0), Some(false));
        assert_eq!(broke(TaskFailedToStart, 0), Some(true));
        assert_eq!(stopped(&ecs::Task::builder().build()), None);
    }

    #[test]
    fn what_a_host_has_and_what_a_task_needs_are_read_alike() {
        let number = |name: &str, n| ecs::Resource::builder().name(name).r#type("INTEGER").integer_value(n).build();
        let gpus = ecs::Resource::builder().name("GPU").r#type("STRINGSET").string_set_value("g-1").build();
        let all = [number("CPU", 2048), number("MEMORY", 3885), gpus];
        assert_eq!(resources(Some(&all)), Some(Resources { cpu: 2048, memory: 3885, gpus: 1 }));
        assert_eq!(resources(Some(&all[..1])), None, "half of it is nothing to reckon with");
        assert_eq!(resources(None), None);
        let blank = || {
            let task = ecs::Task::builder().task_arn("t/1").last_status("RUNNING").desired_status("RUNNING");
            task.containers(ecs::Container::builder().gpu_ids("g-1").build())
        };
        let of = |cpu: &str| task(blank().cpu(cpu).memory("512").build()).unwrap().needs;
        assert_eq!(of("256"), Some(Resources { cpu: 256, memory: 512, gpus: 1 }));
        assert_eq!(of(".5 vCPU"), None);
        assert_eq!(task(blank().build()).unwrap().needs, None);
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
