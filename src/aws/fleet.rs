//! Auto Scaling groups and EC2 instances.

use std::collections::BTreeMap;

use aws_sdk_autoscaling::types as asg;
use aws_sdk_ec2::operation::describe_instances::builders::DescribeInstancesFluentBuilder;
use aws_sdk_ec2::types::{Filter, Tag};

use super::convert::{fleet as convert, id_or_name, next_page, texts, token};
use super::error::{failed, refused};
use super::{Aws, already_so, policy};
use crate::effect::{Failure, FailureKind, InstanceFilter, LaunchChange, Reply};
use crate::id::{GroupName, InstanceId, PageToken, TemplateId};

impl Aws {
    pub(super) async fn describe_auto_scaling_groups(
        &self,
        names: Vec<GroupName>,
        page: Option<PageToken>,
    ) -> Result<Reply, Failure> {
        let output = self
            .autoscaling
            .describe_auto_scaling_groups()
            .set_auto_scaling_group_names(Some(texts(&names)))
            .max_records(100)
            .set_next_token(token(page.as_ref()))
            .send()
            .await
            .map_err(failed("DescribeAutoScalingGroups"))?;
        let groups = output.auto_scaling_groups.unwrap_or_default().into_iter().map(convert::group);
        Ok(Reply::Groups { groups: groups.collect::<Result<_, _>>()?, next: next_page(output.next_token) })
    }

    pub(super) async fn detach_instances(
        &self,
        group: GroupName,
        instances: Vec<InstanceId>,
        decrement: bool,
    ) -> Result<Reply, Failure> {
        let call = self
            .autoscaling
            .detach_instances()
            .auto_scaling_group_name(group.as_str())
            .set_instance_ids(Some(texts(&instances)))
            .should_decrement_desired_capacity(decrement);
        match call.send().await.map_err(failed("DetachInstances")) {
            Ok(_) => Ok(Reply::Done),
            Err(failure) if instances.len() == 1 && is_no_member(&failure) => Ok(already_so(&failure)),
            // Of several, one that is no member keeps all the others in the group.
            Err(failure) => Err(failure),
        }
    }

    pub(super) async fn update_auto_scaling_group(
        &self,
        group: GroupName,
        mixed: bool,
        change: LaunchChange,
    ) -> Result<Reply, Failure> {
        let call = self.autoscaling.update_auto_scaling_group().auto_scaling_group_name(group.as_str());
        let call = match (mixed, &change) {
            (true, _) => {
                let template = self.launch_template_of_policy(&group).await?;
                let Some(template) = policy::changed(template, &change) else { return Ok(says_so(&group, &change)) };
                call.mixed_instances_policy(asg::MixedInstancesPolicy::builder().launch_template(template).build())
            }
            (false, LaunchChange::Version { template, to, .. }) => call.launch_template(pinned(template, *to)),
            // Only an override brings an image.
            (false, LaunchChange::Image { .. }) => return Ok(says_so(&group, &change)),
        };
        call.send().await.map_err(failed("UpdateAutoScalingGroup"))?;
        Ok(Reply::Done)
    }

    /// The newest come first, and one that has not ended is among the newest: one page is enough.
    pub(super) async fn describe_instance_refreshes(&self, group: GroupName) -> Result<Reply, Failure> {
        let call = self.autoscaling.describe_instance_refreshes().auto_scaling_group_name(group.as_str());
        let output = call.max_records(10).send().await.map_err(failed("DescribeInstanceRefreshes"))?;
        let refreshes = output.instance_refreshes.unwrap_or_default().into_iter();
        Ok(Reply::InstanceRefreshes(refreshes.filter_map(convert::refresh).collect()))
    }

    /// The second call in one request: what is sent takes the place of the whole policy, so it is read right before.
    async fn launch_template_of_policy(&self, name: &GroupName) -> Result<asg::LaunchTemplate, Failure> {
        const OPERATION: &str = "UpdateAutoScalingGroup";
        let call = self.autoscaling.describe_auto_scaling_groups().auto_scaling_group_names(name.as_str());
        let output = call.send().await.map_err(failed("DescribeAutoScalingGroups"))?;
        let Some(group) = output.auto_scaling_groups.unwrap_or_default().into_iter().next() else {
            // What Auto Scaling itself says to an update of it.
            let why = format!("AutoScalingGroup name not found - no such group: {name}");
            return Err(refused(OPERATION, "ValidationError", why));
        };
        let template = group.mixed_instances_policy.and_then(|policy| policy.launch_template);
        template.ok_or_else(|| refused(OPERATION, "NotMixed", format!("{name} has no mixed-instances policy any more")))
    }

    pub(super) async fn describe_instances(
        &self,
        filter: InstanceFilter,
        page: Option<PageToken>,
    ) -> Result<Reply, Failure> {
        let call = described(&self.ec2, filter).set_next_token(token(page.as_ref()));
        let output = call.send().await.map_err(failed("DescribeInstances"))?;
        let reservations = output.reservations.unwrap_or_default().into_iter();
        let instances = reservations.flat_map(|reservation| reservation.instances.unwrap_or_default());
        let instances = instances.map(convert::instance).collect::<Result<_, _>>()?;
        Ok(Reply::Instances { instances, next: next_page(output.next_token) })
    }

    pub(super) async fn create_tags(
        &self,
        instances: Vec<InstanceId>,
        tags: BTreeMap<String, String>,
    ) -> Result<Reply, Failure> {
        let tags = tags.into_iter().map(|(key, value)| Tag::builder().key(key).value(value).build()).collect();
        let call = self.ec2.create_tags().set_resources(Some(texts(&instances)));
        call.set_tags(Some(tags)).send().await.map_err(failed("CreateTags"))?;
        Ok(Reply::Done)
    }

    pub(super) async fn terminate_instances(&self, instances: Vec<InstanceId>) -> Result<Reply, Failure> {
        let call = self.ec2.terminate_instances().set_instance_ids(Some(texts(&instances)));
        match call.send().await.map_err(failed("TerminateInstances")) {
            Ok(_) => Ok(Reply::Done),
            Err(failure) if instances.len() == 1 && failure.code == "InvalidInstanceID.NotFound" => {
                Ok(already_so(&failure))
            }
            // Of several, one unknown id keeps all the others running.
            Err(failure) => Err(failure),
        }
    }
}

/// Auto Scaling's one code for all refusals, and its message for this one.
pub(super) fn is_no_member(failure: &Failure) -> bool {
    failure.kind == FailureKind::NotFound && failure.message.contains("is not part of Auto Scaling group")
}

fn pinned(template: &TemplateId, version: u64) -> asg::LaunchTemplateSpecification {
    let (id, name) = id_or_name(template);
    let spec = asg::LaunchTemplateSpecification::builder().set_launch_template_id(id).set_launch_template_name(name);
    spec.version(version.to_string()).build()
}

fn says_so(group: &GroupName, change: &LaunchChange) -> Reply {
    tracing::debug!(operation = "UpdateAutoScalingGroup", %group, ?change, "already so: nothing says what is to be changed");
    Reply::Done
}

fn described(ec2: &aws_sdk_ec2::Client, filter: InstanceFilter) -> DescribeInstancesFluentBuilder {
    // Ids are sent as a filter: as parameters they exclude paging, and one unknown id fails the call.
    let call = ec2.describe_instances().set_filters(Some(instance_filters(filter))).max_results(1000);
    // An account can hide what AWS manages for it (hosts of ECS Managed Instances). They are not ours, and not gone.
    call.include_managed_resources(true)
}

/// Those that have ended keep their tags for an hour: nobody asks for them by their tags.
fn instance_filters(filter: InstanceFilter) -> Vec<Filter> {
    let not_ended = matches!(filter, InstanceFilter::Tagged { .. }).then(|| {
        let states = ["pending", "running", "shutting-down", "stopping", "stopped"].map(str::to_owned);
        Filter::builder().name("instance-state-name").set_values(Some(states.to_vec())).build()
    });
    let (name, values) = match filter {
        InstanceFilter::Ids(ids) => ("instance-id".to_owned(), texts(&ids)),
        InstanceFilter::MembersOf(groups) => ("tag:aws:autoscaling:groupName".to_owned(), texts(&groups)),
        InstanceFilter::Tagged { key, pattern } => (format!("tag:{key}"), vec![pattern]),
    };
    let asked = Filter::builder().name(name).set_values(Some(values)).build();
    std::iter::once(asked).chain(not_ended).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_that_an_account_hides_because_aws_manages_them_are_asked_for_as_well() {
        let config = aws_sdk_ec2::Config::builder().behavior_version(aws_config::BehaviorVersion::latest());
        let ec2 = aws_sdk_ec2::Client::from_conf(config.build());
        let call = described(&ec2, InstanceFilter::Ids(vec!["i-1".into()]));
        assert_eq!(call.get_include_managed_resources(), &Some(true));
    }

    #[test]
    fn instances_are_always_asked_for_by_a_filter() {
        for (filter, name, values) in [
            (InstanceFilter::Ids(vec!["i-1".into(), "i-2".into()]), "instance-id", vec!["i-1", "i-2"]),
            (InstanceFilter::MembersOf(vec!["web".into()]), "tag:aws:autoscaling:groupName", vec!["web"]),
            (InstanceFilter::Tagged { key: "x:rotation".into(), pattern: "7 *".into() }, "tag:x:rotation", vec!["7 *"]),
        ] {
            let by_tag = matches!(filter, InstanceFilter::Tagged { .. });
            let sent = instance_filters(filter);
            assert_eq!(
                (sent[0].name(), sent[0].values()),
                (Some(name), values.into_iter().map(str::to_owned).collect::<Vec<_>>().as_slice())
            );
            let states = sent.get(1).and_then(|filter| filter.name());
            assert_eq!(states, by_tag.then_some("instance-state-name"), "those that have ended keep their tags");
        }
    }
}
