//! Auto Scaling's types, and EC2's instances.

use aws_sdk_autoscaling::types as asg;
use aws_sdk_ec2::types as ec2;

use super::{count, required, timestamp};
use crate::effect::{Failure, Group, Instance, InstanceState, Lifecycle, Member, TemplateSpec, VersionRule};
use crate::id::{TemplateId, Zone};

pub(in crate::aws) fn group(group: asg::AutoScalingGroup) -> Result<Group, Failure> {
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
        "Standby" => Lifecycle::Standby,
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
    })
}

#[cfg(test)]
mod tests {
    use aws_smithy_types::DateTime;
    use jiff::Timestamp;

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
    fn every_lifecycle_has_its_place() {
        for (text, expected) in [
            ("InService", Lifecycle::InService),
            ("Pending", Lifecycle::Pending),
            ("Pending:Wait", Lifecycle::Pending),
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
}
