//! AWS's types → ours.
//!
//! A thing without its identity, or without the fact that decides over it (an instance's image, state and launch time),
//! makes the whole answer incomplete: what is shown in part must not look like what is there. Anything else that may be
//! missing is an `Option` on our side as well.

use std::collections::BTreeMap;

use aws_sdk_autoscaling::types as asg;
use aws_sdk_ec2::types as ec2;
use aws_sdk_ecs::types as ecs;
use aws_smithy_types::DateTime;
use jiff::Timestamp;

use super::error::incomplete;
use crate::effect::{
    CapacityProvider, Cluster, ContainerInstance, ContainerInstanceStatus, DesiredStatus, Failure, Group, Image,
    Instance, InstanceState, ItemFailure, Lifecycle, Member, Task, TaskStatus, TemplateSpec, TemplateVersion,
    VersionRule,
};
use crate::id::{AmiId, GroupName, PageToken, TemplateId, Zone};

/// For a field that the API promises.
pub(super) fn required<T>(operation: &'static str, name: &'static str, value: Option<T>) -> Result<T, Failure> {
    value.ok_or_else(|| incomplete(operation, name))
}

pub(super) fn texts<T: ToString>(ids: &[T]) -> Vec<String> {
    ids.iter().map(T::to_string).collect()
}

pub(super) fn token(page: Option<&PageToken>) -> Option<String> {
    page.map(PageToken::to_string)
}

/// Some services end with an empty token instead of none.
pub(super) fn next_page(token: Option<String>) -> Option<PageToken> {
    token.filter(|text| !text.is_empty()).map(PageToken::new)
}

pub(super) fn timestamp(time: &DateTime) -> Option<Timestamp> {
    Timestamp::new(time.secs(), i32::try_from(time.subsec_nanos()).ok()?).ok()
}

fn count(number: i32) -> u32 {
    u32::try_from(number).unwrap_or(0)
}

pub(super) fn item_failure(failure: ecs::Failure) -> ItemFailure {
    let reason = match (failure.reason, failure.detail) {
        (Some(reason), _) => reason,
        (None, Some(detail)) => detail,
        (None, None) => "unknown".to_owned(),
    };
    ItemFailure { item: failure.arn.unwrap_or_default(), reason }
}

pub(super) fn cluster(cluster: ecs::Cluster) -> Result<Cluster, Failure> {
    let needs = |name, value| required("DescribeClusters", name, value);
    Ok(Cluster {
        arn: needs("clusterArn", cluster.cluster_arn)?.into(),
        status: needs("status", cluster.status)?,
        capacity_providers: cluster.capacity_providers.unwrap_or_default().into_iter().map(Into::into).collect(),
        tags: cluster.tags.unwrap_or_default().into_iter().filter_map(|tag| Some((tag.key?, tag.value?))).collect(),
    })
}

pub(super) fn capacity_provider(provider: ecs::CapacityProvider) -> Result<CapacityProvider, Failure> {
    Ok(CapacityProvider {
        name: required("DescribeCapacityProviders", "name", provider.name)?.into(),
        group: provider.auto_scaling_group_provider.map(|group| group_of_arn(&group.auto_scaling_group_arn)),
    })
}

/// `arn:aws:autoscaling:eu-west-1:123456789012:autoScalingGroup:UUID:autoScalingGroupName/NAME`; a name may contain `/`.
fn group_of_arn(arn: &str) -> GroupName {
    GroupName::new(arn.split_once("autoScalingGroupName/").map_or(arn, |(_, name)| name))
}

pub(super) fn container_instance(
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
        status: container_instance_status(&required(operation, "status", of.status)?),
        agent_connected: of.agent_connected,
        running_tasks: count(of.running_tasks_count),
        pending_tasks: count(of.pending_tasks_count),
        image: image.map(AmiId::new),
        zone: zone.map(Zone::new),
        registered: of.registered_at.as_ref().and_then(timestamp),
    })
}

fn container_instance_status(text: &str) -> ContainerInstanceStatus {
    match text {
        "ACTIVE" => ContainerInstanceStatus::Active,
        "DRAINING" => ContainerInstanceStatus::Draining,
        "DEREGISTERING" => ContainerInstanceStatus::Deregistering,
        "INACTIVE" => ContainerInstanceStatus::Inactive,
        _ => ContainerInstanceStatus::Other,
    }
}

pub(super) fn task(task: ecs::Task) -> Result<Task, Failure> {
    let needs = |name, value| required("DescribeTasks", name, value);
    Ok(Task {
        arn: needs("taskArn", task.task_arn)?.into(),
        container_instance: task.container_instance_arn.map(Into::into),
        last: task_status(&needs("lastStatus", task.last_status)?),
        desired: desired_status(&needs("desiredStatus", task.desired_status)?),
        group: task.group.unwrap_or_default(),
    })
}

fn task_status(text: &str) -> TaskStatus {
    match text {
        "PROVISIONING" => TaskStatus::Provisioning,
        "PENDING" => TaskStatus::Pending,
        "ACTIVATING" => TaskStatus::Activating,
        "RUNNING" => TaskStatus::Running,
        "DEACTIVATING" => TaskStatus::Deactivating,
        "STOPPING" => TaskStatus::Stopping,
        "DEPROVISIONING" => TaskStatus::Deprovisioning,
        "STOPPED" => TaskStatus::Stopped,
        "DELETED" => TaskStatus::Deleted,
        _ => TaskStatus::Other,
    }
}

/// A status that we do not know is not a wish to stop.
fn desired_status(text: &str) -> DesiredStatus {
    match text {
        "STOPPED" => DesiredStatus::Stopped,
        _ => DesiredStatus::Running,
    }
}

pub(super) fn group(group: asg::AutoScalingGroup) -> Result<Group, Failure> {
    const OPERATION: &str = "DescribeAutoScalingGroups";
    let template = template_spec(group.launch_template, group.mixed_instances_policy);
    Ok(Group {
        name: required(OPERATION, "AutoScalingGroupName", group.auto_scaling_group_name)?.into(),
        min: count(required(OPERATION, "MinSize", group.min_size)?),
        max: count(required(OPERATION, "MaxSize", group.max_size)?),
        desired: count(required(OPERATION, "DesiredCapacity", group.desired_capacity)?),
        members: group.instances.unwrap_or_default().into_iter().map(member).collect::<Result<_, _>>()?,
        suspended: group.suspended_processes.unwrap_or_default().into_iter().filter_map(|p| p.process_name).collect(),
        template,
        tags: group.tags.unwrap_or_default().into_iter().filter_map(|tag| Some((tag.key?, tag.value?))).collect(),
        managed: group.operator.is_some(),
    })
}

fn member(instance: asg::Instance) -> Result<Member, Failure> {
    let needs = |name, value| required("DescribeAutoScalingGroups", name, value);
    Ok(Member {
        id: needs("InstanceId", instance.instance_id)?.into(),
        zone: Zone::new(needs("AvailabilityZone", instance.availability_zone)?),
        lifecycle: lifecycle(instance.lifecycle_state.as_ref().map_or("", asg::LifecycleState::as_str)),
    })
}

fn lifecycle(text: &str) -> Lifecycle {
    match text {
        "InService" => Lifecycle::InService,
        "Pending" | "Pending:Wait" | "Pending:Proceed" => Lifecycle::Pending,
        "Terminated" => Lifecycle::Terminating,
        "Detaching" | "Detached" => Lifecycle::Detaching,
        "EnteringStandby" | "Standby" => Lifecycle::Standby,
        _ if text.starts_with("Terminating") => Lifecycle::Terminating,
        _ => Lifecycle::Other,
    }
}

fn template_spec(
    plain: Option<asg::LaunchTemplateSpecification>,
    policy: Option<asg::MixedInstancesPolicy>,
) -> Option<TemplateSpec> {
    if let Some(plain) = plain {
        return specified(plain, false, false);
    }
    let mixed = policy?.launch_template?;
    let overrides = mixed.overrides.unwrap_or_default();
    let overridden = overrides.iter().any(|o| o.launch_template_specification.is_some() || o.image_id.is_some());
    specified(mixed.launch_template_specification?, true, overridden)
}

/// A template that is named by its name only keeps that name as its id (see [`id_or_name`]).
fn specified(spec: asg::LaunchTemplateSpecification, mixed: bool, overridden: bool) -> Option<TemplateSpec> {
    let template = TemplateId::new(spec.launch_template_id.or(spec.launch_template_name)?);
    Some(TemplateSpec { template, rule: version_rule(spec.version.as_deref())?, mixed, overridden })
}

/// A group without a version launches the default one.
fn version_rule(version: Option<&str>) -> Option<VersionRule> {
    match version {
        None | Some("" | "$Default") => Some(VersionRule::Default),
        Some("$Latest") => Some(VersionRule::Latest),
        Some(number) => number.parse().ok().map(VersionRule::Number),
    }
}

pub(super) fn instance(instance: ec2::Instance) -> Result<Instance, Failure> {
    const OPERATION: &str = "DescribeInstances";
    let state = instance.state.as_ref().and_then(|state| state.name.as_ref()).and_then(instance_state);
    let zone = instance.placement.and_then(|placement| placement.availability_zone);
    Ok(Instance {
        id: required(OPERATION, "instanceId", instance.instance_id)?.into(),
        image: required(OPERATION, "imageId", instance.image_id)?.into(),
        state: required(OPERATION, "instanceState that is known", state)?,
        launched: required(OPERATION, "launchTime", instance.launch_time.as_ref().and_then(timestamp))?,
        zone: required(OPERATION, "availabilityZone", zone)?.into(),
        tags: instance.tags.unwrap_or_default().into_iter().filter_map(|tag| Some((tag.key?, tag.value?))).collect(),
        managed: instance.operator.is_some_and(|operator| operator.managed == Some(true)),
    })
}

#[expect(clippy::wildcard_enum_match_arm, reason = "the SDK's enum may grow, and its `Unknown` is not to be named")]
fn instance_state(name: &ec2::InstanceStateName) -> Option<InstanceState> {
    match name {
        ec2::InstanceStateName::Pending => Some(InstanceState::Pending),
        ec2::InstanceStateName::Running => Some(InstanceState::Running),
        ec2::InstanceStateName::Stopping => Some(InstanceState::Stopping),
        ec2::InstanceStateName::Stopped => Some(InstanceState::Stopped),
        ec2::InstanceStateName::ShuttingDown => Some(InstanceState::ShuttingDown),
        ec2::InstanceStateName::Terminated => Some(InstanceState::Terminated),
        _ => None,
    }
}

pub(super) fn template_version(
    operation: &'static str,
    version: ec2::LaunchTemplateVersion,
) -> Result<TemplateVersion, Failure> {
    let number = version.version_number.and_then(|number| u64::try_from(number).ok());
    Ok(TemplateVersion {
        template: required(operation, "launchTemplateId", version.launch_template_id)?.into(),
        number: required(operation, "versionNumber", number)?,
        is_default: version.default_version.unwrap_or(false),
        image: version.launch_template_data.and_then(|data| data.image_id).filter(|image| !image.is_empty()),
        description: version.version_description,
        created: required(operation, "createTime", version.create_time.as_ref().and_then(timestamp))?,
    })
}

pub(super) fn image(image: ec2::Image) -> Result<Image, Failure> {
    const OPERATION: &str = "DescribeImages";
    Ok(Image {
        id: required(OPERATION, "imageId", image.image_id)?.into(),
        // A deregistered image may have lost its name.
        name: image.name.unwrap_or_default(),
        architecture: required(OPERATION, "architecture", image.architecture)?.as_str().to_owned(),
        windows: image.platform == Some(ec2::PlatformValues::Windows),
        state: required(OPERATION, "imageState", image.state)?.as_str().to_owned(),
        created: image.creation_date.and_then(|text| text.parse().ok()),
    })
}

/// A launch template is named by its id or by its name, and each has a field of its own: `(id, name)`.
pub(super) fn id_or_name(template: &TemplateId) -> (Option<String>, Option<String>) {
    let text = template.to_string();
    if text.starts_with("lt-") { (Some(text), None) } else { (None, Some(text)) }
}

pub(super) fn ec2_tags(tags: BTreeMap<String, String>) -> Vec<ec2::Tag> {
    tags.into_iter().map(|(key, value)| ec2::Tag::builder().key(key).value(value).build()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec(version: Option<&str>) -> asg::LaunchTemplateSpecification {
        let spec = asg::LaunchTemplateSpecification::builder().launch_template_id("lt-1").launch_template_name("web");
        spec.set_version(version.map(str::to_owned)).build()
    }

    fn mixed(overrides: asg::LaunchTemplateOverrides) -> asg::MixedInstancesPolicy {
        let template =
            asg::LaunchTemplate::builder().launch_template_specification(spec(Some("3"))).overrides(overrides);
        asg::MixedInstancesPolicy::builder().launch_template(template.build()).build()
    }

    #[test]
    fn a_group_names_its_version_by_rule_or_by_number() {
        for (version, rule) in [
            (None, VersionRule::Default),
            (Some("$Default"), VersionRule::Default),
            (Some("$Latest"), VersionRule::Latest),
            (Some("7"), VersionRule::Number(7)),
        ] {
            let expected = TemplateSpec { template: "lt-1".into(), rule, mixed: false, overridden: false };
            assert_eq!(template_spec(Some(spec(version)), None), Some(expected));
        }
        assert_eq!(template_spec(None, None), None, "a launch configuration");
    }

    #[test]
    fn an_override_counts_when_it_brings_its_own_template_or_image() {
        let of = asg::LaunchTemplateOverrides::builder;
        for (overrides, overridden) in [
            (of().instance_type("m7g.large").build(), false),
            (of().launch_template_specification(spec(None)).build(), true),
            (of().image_id("ami-1").build(), true),
        ] {
            let expected =
                TemplateSpec { template: "lt-1".into(), rule: VersionRule::Number(3), mixed: true, overridden };
            assert_eq!(template_spec(None, Some(mixed(overrides))), Some(expected));
        }
    }

    #[test]
    fn a_template_is_sent_by_id_or_by_name() {
        assert_eq!(id_or_name(&"lt-1".into()), (Some("lt-1".to_owned()), None));
        assert_eq!(id_or_name(&"web".into()), (None, Some("web".to_owned())));
    }

    #[test]
    fn the_group_of_a_capacity_provider_is_at_the_end_of_its_arn() {
        let arn = "arn:aws:autoscaling:eu-west-1:1:autoScalingGroup:0a-1b:autoScalingGroupName/team/web";
        assert_eq!(group_of_arn(arn).as_str(), "team/web");
        assert_eq!(group_of_arn("web").as_str(), "web");
    }

    #[test]
    fn every_lifecycle_has_its_place() {
        for (text, expected) in [
            ("InService", Lifecycle::InService),
            ("Pending", Lifecycle::Pending),
            ("Pending:Wait", Lifecycle::Pending),
            ("Terminating:Proceed", Lifecycle::Terminating),
            ("Terminated", Lifecycle::Terminating),
            ("Detaching", Lifecycle::Detaching),
            ("EnteringStandby", Lifecycle::Standby),
            ("Warmed:Running", Lifecycle::Other),
            ("Quarantined", Lifecycle::Other),
        ] {
            assert_eq!(lifecycle(text), expected, "{text}");
        }
    }

    #[test]
    fn a_status_that_we_do_not_know_is_never_taken_for_the_end() {
        assert_eq!(task_status("HIBERNATING"), TaskStatus::Other);
        assert_eq!(desired_status("HIBERNATING"), DesiredStatus::Running);
        assert_eq!(container_instance_status("HIBERNATING"), ContainerInstanceStatus::Other);
    }

    #[test]
    fn an_instance_in_part_makes_the_answer_incomplete() {
        let whole = ec2::Instance::builder()
            .instance_id("i-1")
            .image_id("ami-1")
            .state(ec2::InstanceState::builder().name(ec2::InstanceStateName::Running).build())
            .launch_time(DateTime::from_secs(60))
            .placement(ec2::Placement::builder().availability_zone("eu-west-1a").build());
        assert_eq!(instance(whole.clone().build()).unwrap().launched, Timestamp::from_second(60).unwrap());
        let failure = instance(whole.set_image_id(None).build()).unwrap_err();
        assert_eq!(
            (failure.code.as_str(), failure.message.as_str()),
            ("IncompleteAnswer", "the answer has no imageId")
        );
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

    #[test]
    fn an_empty_token_is_no_page() {
        assert_eq!(next_page(Some(String::new())), None);
        assert_eq!(next_page(Some("x".to_owned())), Some("x".into()));
    }
}
