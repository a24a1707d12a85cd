//! Auto Scaling groups as such: members that come back or are ended through their group, tags, activities.

use std::collections::BTreeMap;

use aws_sdk_autoscaling::types as asg;

use super::convert::timestamp;
use super::error::failed;
use super::fleet::is_no_member;
use super::{Aws, already_so};
use crate::effect::{Activity, ActivityStatus, Failure, FailureKind, LifecycleHook, Reply};
use crate::id::{GroupName, InstanceId};

/// The most that AWS gives in one page.
const ACTIVITIES: i32 = 100;

impl Aws {
    pub(super) async fn attach_instances(
        &self,
        group: GroupName,
        instances: Vec<InstanceId>,
    ) -> Result<Reply, Failure> {
        let ids = instances.iter().map(ToString::to_string).collect();
        let call = self.autoscaling.attach_instances().auto_scaling_group_name(group.as_str());
        match call.set_instance_ids(Some(ids)).send().await.map_err(failed("AttachInstances")) {
            Ok(_) => Ok(Reply::Done),
            Err(failure) if instances.len() == 1 && is_member(&failure, &group) => Ok(already_so(&failure)),
            Err(failure) => Err(failure),
        }
    }

    pub(super) async fn terminate_instance_in_auto_scaling_group(
        &self,
        _group: GroupName,
        instance: InstanceId,
        decrement: bool,
    ) -> Result<Reply, Failure> {
        let call = self.autoscaling.terminate_instance_in_auto_scaling_group().instance_id(instance.as_str());
        let call = call.should_decrement_desired_capacity(decrement);
        match call.send().await.map_err(failed("TerminateInstanceInAutoScalingGroup")) {
            Ok(_) => Ok(Reply::Done),
            Err(failure) if is_no_member(&failure) || is_unknown(&failure) => Ok(already_so(&failure)),
            Err(failure) => Err(failure),
        }
    }

    pub(super) async fn tag_group(&self, group: GroupName, tags: BTreeMap<String, String>) -> Result<Reply, Failure> {
        let tag = |(key, value): (String, String)| {
            let of = asg::Tag::builder().resource_id(group.as_str()).resource_type("auto-scaling-group");
            of.key(key).value(value).propagate_at_launch(false).build()
        };
        let call = self.autoscaling.create_or_update_tags().set_tags(Some(tags.into_iter().map(tag).collect()));
        call.send().await.map_err(failed("CreateOrUpdateTags"))?;
        Ok(Reply::Done)
    }

    /// AWS gives all of them at once: a group has 50 at most.
    pub(super) async fn describe_lifecycle_hooks(&self, group: GroupName) -> Result<Reply, Failure> {
        let call = self.autoscaling.describe_lifecycle_hooks().auto_scaling_group_name(group.as_str());
        let output = call.send().await.map_err(failed("DescribeLifecycleHooks"))?;
        Ok(Reply::LifecycleHooks(output.lifecycle_hooks.unwrap_or_default().into_iter().filter_map(hook).collect()))
    }

    pub(super) async fn describe_scaling_activities(&self, group: GroupName) -> Result<Reply, Failure> {
        let call = self.autoscaling.describe_scaling_activities().auto_scaling_group_name(group.as_str());
        let output = call.max_records(ACTIVITIES).send().await.map_err(failed("DescribeScalingActivities"))?;
        let activities = output.activities.unwrap_or_default().into_iter().filter_map(activity);
        Ok(Reply::Activities(activities.collect()))
    }
}

/// One without a start says nothing of use.
fn activity(activity: asg::Activity) -> Option<Activity> {
    use asg::ScalingActivityStatusCode as Code;
    let started = activity.start_time.as_ref().and_then(timestamp)?;
    let description = activity.description.unwrap_or_default();
    Some(Activity {
        started,
        launch: description.starts_with("Launching"),
        status: match activity.status_code {
            Some(Code::Successful) => ActivityStatus::Successful,
            Some(Code::Failed) => ActivityStatus::Failed,
            Some(Code::Cancelled) => ActivityStatus::Cancelled,
            Some(_) | None => ActivityStatus::UnderWay,
        },
        // `Launching a new EC2 instance: i-0abc`
        instance: description.split_whitespace().find(|word| word.starts_with("i-")).map(InstanceId::from),
        message: activity.status_message.unwrap_or_default(),
    })
}

/// One of a kind that is new to us is not for launches.
fn hook(hook: asg::LifecycleHook) -> Option<LifecycleHook> {
    let terminating = hook.lifecycle_transition.as_deref() != Some("autoscaling:EC2_INSTANCE_LAUNCHING");
    Some(LifecycleHook { name: hook.lifecycle_hook_name?, terminating })
}

/// Auto Scaling's one code for all refusals, and its message for this one.
fn is_member(failure: &Failure, group: &GroupName) -> bool {
    failure.message.contains("is already part of AutoScalingGroup") && failure.message.contains(group.as_str())
}

/// An instance that is of no group, or on its way out of one.
fn is_unknown(failure: &Failure) -> bool {
    failure.kind != FailureKind::Transient && failure.message.contains("Instance Id not found")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_launch_that_failed_is_read_as_one() {
        let of = asg::Activity::builder()
            .start_time(aws_smithy_types::DateTime::from_secs(7))
            .description("Launching a new EC2 instance.  Status Reason: no capacity")
            .status_code(asg::ScalingActivityStatusCode::Failed)
            .status_message("no capacity");
        let read = activity(of.build()).expect("it has a start");
        assert_eq!((read.launch, read.status, read.message.as_str()), (true, ActivityStatus::Failed, "no capacity"));
        assert_eq!((read.started.as_second(), read.instance), (7, None));
        assert!(activity(asg::Activity::builder().build()).is_none());
    }

    #[test]
    fn a_launch_that_a_hook_has_abandoned_names_its_instance_and_one_under_way_has_not_succeeded() {
        use asg::ScalingActivityStatusCode as Code;
        let of = |code: Code| {
            let of = asg::Activity::builder()
                .start_time(aws_smithy_types::DateTime::from_secs(7))
                .description("Launching a new EC2 instance: i-0abc");
            let read = activity(of.status_code(code).build()).expect("it has a start");
            (read.status, read.instance)
        };
        let it = Some(InstanceId::from("i-0abc"));
        assert_eq!(of(Code::Cancelled), (ActivityStatus::Cancelled, it.clone()));
        assert_eq!(of(Code::Successful), (ActivityStatus::Successful, it.clone()));
        for code in [Code::InProgress, Code::PreInService, Code::MidLifecycleAction] {
            assert_eq!(of(code.clone()), (ActivityStatus::UnderWay, it.clone()), "{code:?}");
        }
    }

    #[test]
    fn a_hook_is_for_launches_only_where_aws_says_so() {
        let of = |transition: &str| {
            hook(asg::LifecycleHook::builder().lifecycle_hook_name("h").lifecycle_transition(transition).build())
        };
        for (transition, terminating) in [
            ("autoscaling:EC2_INSTANCE_LAUNCHING", false),
            ("autoscaling:EC2_INSTANCE_TERMINATING", true),
            ("autoscaling:EC2_INSTANCE_SOMETHING_NEW", true),
        ] {
            assert_eq!(of(transition), Some(LifecycleHook { name: "h".to_owned(), terminating }), "{transition}");
        }
    }

    #[test]
    fn a_host_that_is_a_member_already_has_been_attached() {
        let failure = |message: &str| Failure {
            kind: FailureKind::Refused,
            operation: "AttachInstances",
            code: "ValidationError".to_owned(),
            message: message.to_owned(),
            request_id: None,
        };
        let web = GroupName::from("web");
        assert!(is_member(&failure("Instance i-1 is already part of AutoScalingGroup:web"), &web));
        assert!(!is_member(&failure("Instance i-1 is already part of AutoScalingGroup:api"), &web));
        assert!(!is_member(&failure("AutoScalingGroup web max size 3 would be exceeded"), &web));
    }
}
