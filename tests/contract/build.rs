//! The parts of an account: templates, tags, parameters, and the cluster that joins groups together.

use aws_sdk_autoscaling::operation::create_auto_scaling_group::builders::CreateAutoScalingGroupFluentBuilder;
use aws_sdk_autoscaling::types as asg;
use aws_sdk_ec2::types as ec2;
use aws_sdk_ecs::types as ecs;
use aws_sdk_ssm::types::ParameterType;

use crate::account::{Account, CLUSTER};

const ZONE: &str = "eu-west-1a";
pub const CONFIGURATION: &str = "written-long-ago";

impl Account {
    pub fn data(&self, image: &str) -> ec2::builders::RequestLaunchTemplateDataBuilder {
        ec2::RequestLaunchTemplateData::builder().image_id(image).instance_type(ec2::InstanceType::M5Large)
    }

    pub async fn create_template(&mut self, name: &str, data: ec2::RequestLaunchTemplateData) {
        let request = self.ec2.create_launch_template().launch_template_name(name).launch_template_data(data);
        let made = request.send().await.expect("the launch template is created");
        let id = made.launch_template().and_then(|t| t.launch_template_id()).expect("a launch template has an id");
        self.templates.insert(name.to_owned(), id.to_owned());
    }

    /// As a group names it: `1`, `$Default`, …
    pub fn spec(&self, template: &str, version: &str) -> asg::LaunchTemplateSpecification {
        let id = &self.templates[template];
        asg::LaunchTemplateSpecification::builder().launch_template_id(id).version(version).build()
    }

    /// To be given something to launch from.
    pub fn group(&self, name: &str, hosts: i32) -> CreateAutoScalingGroupFluentBuilder {
        let group = self.autoscaling.create_auto_scaling_group().auto_scaling_group_name(name);
        group.min_size(0).max_size(hosts + 2).desired_capacity(hosts).availability_zones(ZONE)
    }

    /// With a launch configuration.
    pub async fn create_configured_group(&self, name: &str, hosts: i32) {
        let made = self.autoscaling.create_launch_configuration().launch_configuration_name(CONFIGURATION);
        let made = made.image_id(&self.old_image).instance_type("m5.large").send().await;
        made.expect("the launch configuration is created");
        let group = self.group(name, hosts).launch_configuration_name(CONFIGURATION);
        group.send().await.expect("the group is created");
    }

    pub async fn tag_group(&self, group: &str, key: &str, value: &str) {
        let tag = asg::Tag::builder().resource_id(group).resource_type("auto-scaling-group").key(key).value(value);
        let tag = tag.propagate_at_launch(false).build();
        self.autoscaling.create_or_update_tags().tags(tag).send().await.expect("the group is tagged");
    }

    pub async fn put_parameter(&self, name: &str, value: &str, kind: ParameterType) {
        let request = self.ssm.put_parameter().name(name).value(value).r#type(kind).overwrite(true);
        request.send().await.expect("the parameter is put");
    }

    /// The cluster `prod`, which has opted in, with these groups and their numbers of hosts.
    pub async fn create_cluster(&mut self, groups: &[(&str, usize)]) {
        let mut prod = self.ecs.create_cluster().cluster_name(CLUSTER);
        for (group, hosts) in groups {
            let provider =
                ecs::AutoScalingGroupProvider::builder().auto_scaling_group_arn(self.group_arn(group).await).build();
            let provider = provider.expect("a provider with a group is complete");
            let request = self
                .ecs
                .create_capacity_provider()
                .name(format!("{group}-capacity"))
                .auto_scaling_group_provider(provider);
            request.send().await.expect("the capacity provider is created");
            prod = prod.capacity_providers(format!("{group}-capacity"));
            self.register_task_definition(group).await;
            self.sizes.insert((*group).to_owned(), *hosts);
        }
        let enabled = ecs::Tag::builder().key("ecs-rotator:enabled").value("true").build();
        prod.capacity_providers("FARGATE").tags(enabled).send().await.expect("the cluster prod is created");
    }

    async fn group_arn(&self, group: &str) -> String {
        let groups = self.autoscaling.describe_auto_scaling_groups().auto_scaling_group_names(group).send().await;
        let groups = groups.expect("the group is described");
        groups.auto_scaling_groups()[0].auto_scaling_group_arn().expect("a group has an ARN").to_owned()
    }

    async fn register_task_definition(&self, family: &str) {
        let container = ecs::ContainerDefinition::builder().name(family).image(family).cpu(64).memory(64).build();
        let request = self.ecs.register_task_definition().family(family).container_definitions(container);
        request.send().await.expect("the task definition is registered");
    }
}
