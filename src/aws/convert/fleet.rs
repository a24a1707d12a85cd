//! Auto Scaling's types, and EC2's instances.

use aws_sdk_autoscaling::types as asg;
use aws_sdk_ec2::types as ec2;

use super::launch::launch;
use super::{count, is_windows, required, timestamp};
use crate::effect::{Failure, Group, Instance, InstanceRefresh, InstanceState, Lifecycle, Member};
use crate::id::{AmiId, Zone};

pub(in crate::aws) fn group(group: asg::AutoScalingGroup) -> Result<Group, Failure> {
    const OPERATION: &str = "DescribeAutoScalingGroups";
    let launch = launch(group.launch_template, group.mixed_instances_policy, group.launch_configuration_name);
    Ok(Group {
        name: required(OPERATION, "AutoScalingGroupName", group.auto_scaling_group_name)?.into(),
        min: count(required(OPERATION, "MinSize", group.min_size)?),
        max: count(required(OPERATION, "MaxSize", group.max_size)?),
        desired: count(required(OPERATION, "DesiredCapacity", group.desired_capacity)?),
        members: group.instances.unwrap_or_default().into_iter().map(member).collect::<Result<_, _>>()?,
        suspended: group.suspended_processes.unwrap_or_default().into_iter().filter_map(|p| p.process_name).collect(),
        launch,
        tags: group.tags.unwrap_or_default().into_iter().filter_map(|tag| Some((tag.key?, tag.value?))).collect(),
        managed: group.operator.is_some(),
        arn: group.auto_scaling_group_arn,
        zones: group.availability_zones.unwrap_or_default().into_iter().map(Zone::new).collect(),
        traffic_sources: group
            .target_group_arns
            .into_iter()
            .chain(group.load_balancer_names)
            .flatten()
            .chain(group.traffic_sources.unwrap_or_default().into_iter().filter_map(|source| source.identifier))
            .collect(),
        counted_in: group.desired_capacity_type.filter(|unit| !unit.is_empty() && unit != "units"),
    })
}

fn member(instance: asg::Instance) -> Result<Member, Failure> {
    let needs = |name, value| required("DescribeAutoScalingGroups", name, value);
    Ok(Member {
        id: needs("InstanceId", instance.instance_id)?.into(),
        zone: Zone::new(needs("AvailabilityZone", instance.availability_zone)?),
        lifecycle: lifecycle(instance.lifecycle_state.as_ref().map_or("", asg::LifecycleState::as_str)),
        weight: instance.weighted_capacity.and_then(|weight| weight.parse().ok()),
        image: instance.image_id.map(AmiId::from),
    })
}

/// None: it has ended. A status that is new to us has not.
pub(in crate::aws) fn refresh(refresh: asg::InstanceRefresh) -> Option<InstanceRefresh> {
    const ENDED: [&str; 5] = ["Successful", "Failed", "Cancelled", "RollbackFailed", "RollbackSuccessful"];
    let ended = refresh.status.as_ref().is_some_and(|status| ENDED.contains(&status.as_str()));
    let started = refresh.start_time.as_ref().and_then(timestamp);
    (!ended).then(|| InstanceRefresh { id: refresh.instance_refresh_id.unwrap_or_default(), started })
}

fn lifecycle(text: &str) -> Lifecycle {
    match text {
        "InService" => Lifecycle::InService,
        "Pending" | "Pending:Proceed" => Lifecycle::Pending,
        "Pending:Wait" => Lifecycle::PendingWait,
        "Terminated" => Lifecycle::Terminating,
        "Detaching" | "Detached" => Lifecycle::Detaching,
        "Standby" => Lifecycle::Standby,
        _ if text.starts_with("Terminating") => Lifecycle::Terminating,
        _ => Lifecycle::Other,
    }
}

pub(in crate::aws) fn instance(instance: ec2::Instance) -> Result<Instance, Failure> {
    const OPERATION: &str = "DescribeInstances";
    let state = instance
        .state
        .as_ref()
        .and_then(|state| state.name.as_ref())
        .and_then(|name| InstanceState::from_aws(name.as_str()));
    let zone = instance.placement.and_then(|placement| placement.availability_zone);
    Ok(Instance {
        id: required(OPERATION, "instanceId", instance.instance_id)?.into(),
        image: required(OPERATION, "imageId", instance.image_id)?.into(),
        state: required(OPERATION, "instanceState that is known", state)?,
        launched: required(OPERATION, "launchTime", instance.launch_time.as_ref().and_then(timestamp))?,
        zone: required(OPERATION, "availabilityZone", zone)?.into(),
        tags: instance.tags.unwrap_or_default().into_iter().filter_map(|tag| Some((tag.key?, tag.value?))).collect(),
        managed: instance.operator.is_some_and(|operator| operator.managed == Some(true)),
        architecture: required(OPERATION, "architecture", instance.architecture)?.as_str().to_owned(),
        windows: is_windows(instance.platform.as_ref()),
        root_device: instance.root_device_name,
    })
}

#[cfg(test)]
mod tests {
    use aws_smithy_types::DateTime;
    use jiff::Timestamp;

    use super::*;

    #[test]
    fn every_lifecycle_has_its_place() {
        for (text, expected) in [
            ("InService", Lifecycle::InService),
            ("Pending", Lifecycle::Pending),
            ("Pending:Wait", Lifecycle::PendingWait),
            ("Terminating:Proceed", Lifecycle::Terminating),
            ("Terminated", Lifecycle::Terminating),
            ("Detaching", Lifecycle::Detaching),
            ("EnteringStandby", Lifecycle::Other),
            ("Warmed:Running", Lifecycle::Other),
            ("Quarantined", Lifecycle::Other),
        ] {
            assert_eq!(lifecycle(text), expected, "{text}");
        }
    }

    #[test]
    fn a_refresh_is_under_way_until_its_status_says_that_it_has_ended() {
        for (status, under_way) in [
            ("Pending", true),
            ("InProgress", true),
            ("Cancelling", true),
            ("RollbackInProgress", true),
            ("Baking", true),
            ("SomethingNew", true),
            ("Successful", false),
            ("Failed", false),
            ("Cancelled", false),
            ("RollbackFailed", false),
            ("RollbackSuccessful", false),
        ] {
            let described = asg::InstanceRefresh::builder().instance_refresh_id("r-1").status(status.into()).build();
            let expected = under_way.then(|| InstanceRefresh { id: "r-1".to_owned(), started: None });
            assert_eq!(refresh(described), expected, "{status}");
        }
    }

    #[test]
    fn an_instance_in_part_makes_the_answer_incomplete() {
        let whole = ec2::Instance::builder()
            .instance_id("i-1")
            .image_id("ami-1")
            .state(ec2::InstanceState::builder().name(ec2::InstanceStateName::Running).build())
            .launch_time(DateTime::from_secs(60))
            .architecture(ec2::ArchitectureValues::X8664)
            .platform("windows".into())
            .root_device_name("/dev/sda1")
            .placement(ec2::Placement::builder().availability_zone("eu-west-1a").build());
        let of = instance(whole.clone().build()).unwrap();
        assert_eq!(of.launched, Timestamp::from_second(60).unwrap());
        assert_eq!(
            (of.architecture.as_str(), of.windows, of.root_device.as_deref()),
            ("x86_64", true, Some("/dev/sda1"))
        );
        let failure = instance(whole.set_image_id(None).build()).unwrap_err();
        assert_eq!(
            (failure.code.as_str(), failure.message.as_str()),
            ("IncompleteAnswer", "the answer has no imageId")
        );
    }
}
