//! What the account says: the facts that the driver plays by and that the tests assert.

use std::collections::BTreeMap;
use std::fmt::Write;

use aws_sdk_autoscaling::types::{AutoScalingGroup, LaunchTemplateSpecification};
use aws_sdk_ec2::types::{InstanceStateName, LaunchTemplateVersion};
use aws_sdk_ecs::types::{ClusterField, DesiredStatus};
use aws_sdk_sqs::types::QueueAttributeName;

use crate::account::{Account, CLUSTER};

/// An EC2 instance, terminated ones included.
#[derive(Clone, Debug)]
pub struct Machine {
    pub id: String,
    pub image: String,
    pub state: InstanceStateName,
    pub tags: BTreeMap<String, String>,
}

impl Machine {
    pub fn is_terminated(&self) -> bool {
        self.state == InstanceStateName::Terminated
    }

    /// Tagged by the worker and not yet gone. A tag without a value says nothing.
    pub fn is_in_flight(&self) -> bool {
        !self.is_terminated() && self.tags.get("ecs-rotator:rotation").is_some_and(|value| !value.is_empty())
    }
}

/// A container instance.
#[derive(Clone, Debug)]
pub struct Host {
    pub arn: String,
    pub machine: String,
    pub image: String,
    pub status: String,
}

/// A queue's messages: to be had, and in somebody's hands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Depth {
    pub visible: u32,
    pub in_hand: u32,
}

impl Account {
    pub async fn groups(&self) -> Vec<AutoScalingGroup> {
        let answer = self.autoscaling.describe_auto_scaling_groups().send().await.expect("groups are described");
        answer.auto_scaling_groups.unwrap_or_default()
    }

    /// Instance ids by group.
    pub async fn members(&self) -> BTreeMap<String, Vec<String>> {
        let groups = self.groups().await;
        let ids = |group: &AutoScalingGroup| {
            group.instances().iter().filter_map(|i| i.instance_id().map(str::to_owned)).collect()
        };
        groups.iter().map(|g| (g.auto_scaling_group_name().expect("a group has a name").to_owned(), ids(g))).collect()
    }

    pub async fn machines(&self) -> BTreeMap<String, Machine> {
        let answer = self.ec2.describe_instances().send().await.expect("instances are described");
        let instances = answer.reservations().iter().flat_map(|r| r.instances());
        let machines = instances.map(|instance| Machine {
            id: instance.instance_id().expect("an instance has an id").to_owned(),
            image: instance.image_id().expect("an instance has an image").to_owned(),
            state: instance.state().and_then(|s| s.name()).expect("an instance has a state").clone(),
            tags: instance.tags().iter().filter_map(|t| Some((t.key()?.to_owned(), t.value()?.to_owned()))).collect(),
        });
        machines.map(|machine| (machine.id.clone(), machine)).collect()
    }

    /// The registered container instances, by ARN.
    pub async fn hosts(&self) -> BTreeMap<String, Host> {
        let listed =
            self.ecs.list_container_instances().cluster(CLUSTER).send().await.expect("container instances are listed");
        let arns = listed.container_instance_arns.unwrap_or_default();
        if arns.is_empty() {
            return BTreeMap::new();
        }
        let request = self.ecs.describe_container_instances().cluster(CLUSTER).set_container_instances(Some(arns));
        let answer = request.send().await.expect("container instances are described");
        let hosts = answer.container_instances().iter().map(|c| Host {
            arn: c.container_instance_arn().expect("a container instance has an ARN").to_owned(),
            machine: c.ec2_instance_id().expect("a container instance has an instance").to_owned(),
            image: c
                .attributes()
                .iter()
                .find(|a| a.name() == "ecs.ami-id")
                .and_then(|a| a.value())
                .unwrap_or_default()
                .to_owned(),
            status: c.status().expect("a container instance has a status").to_owned(),
        });
        hosts.map(|host| (host.arn.clone(), host)).collect()
    }

    /// How many tasks of a host shall run.
    pub async fn running_tasks(&self, host: &str) -> usize {
        let request =
            self.ecs.list_tasks().cluster(CLUSTER).container_instance(host).desired_status(DesiredStatus::Running);
        request.send().await.expect("tasks are listed").task_arns().len()
    }

    pub async fn versions(&self, template: &str) -> Vec<LaunchTemplateVersion> {
        let request = self.ec2.describe_launch_template_versions().launch_template_id(&self.templates[template]);
        request.send().await.expect("versions are described").launch_template_versions.unwrap_or_default()
    }

    /// As the group names it: a number, `$Default`, …
    pub async fn version_rule(&self, group: &str) -> String {
        let groups = self.groups().await;
        let group = groups.iter().find(|g| g.auto_scaling_group_name() == Some(group)).expect("the group exists");
        let mixed = || group.mixed_instances_policy()?.launch_template()?.launch_template_specification();
        let spec = group.launch_template().or_else(mixed).expect("the group has a launch template");
        spec.version().expect("the group names a version").to_owned()
    }

    /// Everything that a group launches from, with names for the ids of templates: `web 1`, `api $Default`, an AMI id.
    pub async fn launch(&self, group: &str) -> Vec<String> {
        let groups = self.groups().await;
        let group = groups.iter().find(|g| g.auto_scaling_group_name() == Some(group)).expect("the group exists");
        let name = |id: &str| self.templates.iter().find(|(_, of)| *of == id).map_or("another", |(name, _)| name);
        let told = |spec: &LaunchTemplateSpecification| {
            let (id, version) = (spec.launch_template_id(), spec.version());
            format!("{} {}", name(id.unwrap_or_default()), version.unwrap_or("without a version"))
        };
        let policy = group.mixed_instances_policy().and_then(|policy| policy.launch_template());
        let base = group.launch_template().or_else(|| policy?.launch_template_specification());
        let overrides = policy.map(|policy| policy.overrides()).unwrap_or_default();
        let own = overrides.iter().filter_map(|own| {
            own.image_id().map(str::to_owned).or_else(|| own.launch_template_specification().map(told))
        });
        base.map(told).into_iter().chain(own).collect()
    }

    pub async fn group_tag(&self, group: &str, key: &str) -> String {
        let groups = self.groups().await;
        let group = groups.iter().find(|g| g.auto_scaling_group_name() == Some(group)).expect("the group exists");
        let tag = group.tags().iter().find(|tag| tag.key() == Some(key));
        tag.and_then(|tag| tag.value()).unwrap_or_default().to_owned()
    }

    pub async fn cluster_tags(&self) -> BTreeMap<String, String> {
        let answer = self.ecs.describe_clusters().clusters(CLUSTER).include(ClusterField::Tags).send().await;
        let answer = answer.expect("the cluster is described");
        answer.clusters()[0].tags().iter().filter_map(|t| Some((t.key()?.to_owned(), t.value()?.to_owned()))).collect()
    }

    /// `open`, `paused`, `held`, `closed`; `None` when the cluster has never had a rotation.
    pub async fn rotation(&self) -> Option<String> {
        let tags = self.cluster_tags().await;
        tags.get("ecs-rotator:rotation")?.split_whitespace().nth(1).map(str::to_owned)
    }

    pub async fn depth(&self, queue: &str) -> Depth {
        let request = self.sqs.get_queue_attributes().queue_url(queue).attribute_names(QueueAttributeName::All);
        let attributes = request.send().await.expect("the queue is described").attributes.unwrap_or_default();
        let number = |name| attributes.get(&name).and_then(|n| n.parse().ok()).expect("the queue counts its messages");
        Depth {
            visible: number(QueueAttributeName::ApproximateNumberOfMessages),
            in_hand: number(QueueAttributeName::ApproximateNumberOfMessagesNotVisible),
        }
    }

    /// Every message there is; they are gone then.
    pub async fn take_all(&self, queue: &str) -> Vec<String> {
        let mut bodies = Vec::new();
        loop {
            let answer = self.sqs.receive_message().queue_url(queue).max_number_of_messages(10).send().await;
            let messages = answer.expect("messages are received").messages.unwrap_or_default();
            if messages.is_empty() {
                return bodies;
            }
            for message in messages {
                let receipt = message.receipt_handle.expect("a message has a receipt");
                self.sqs
                    .delete_message()
                    .queue_url(queue)
                    .receipt_handle(receipt)
                    .send()
                    .await
                    .expect("the message is deleted");
                bodies.push(message.body.expect("a message has a body"));
            }
        }
    }

    /// Everything, for a person who reads why a test gave up.
    pub async fn dump(&self) -> String {
        let (members, machines, hosts) = (self.members().await, self.machines().await, self.hosts().await);
        let mut text = format!("old image {}, new image {}\n", self.old_image, self.new_image);
        let _ = writeln!(text, "cluster tags {:?}", self.cluster_tags().await);
        for (name, queue) in [("queue", &self.queue), ("dead letters", &self.dead_letters)] {
            let _ = writeln!(text, "{name} {:?}", self.depth(queue).await);
        }
        for group in self.sizes.keys() {
            let _ = writeln!(text, "group {group}: launches {:?}", self.launch(group).await);
        }
        for template in self.templates.keys() {
            let _ = writeln!(text, "template {template}: {} versions", self.versions(template).await.len());
        }
        for machine in machines.values() {
            let group = members.iter().find(|(_, ids)| ids.contains(&machine.id)).map_or("no group", |(name, _)| name);
            let ours: Vec<_> = machine.tags.iter().filter(|(key, _)| key.starts_with("ecs-rotator:")).collect();
            let _ = write!(text, "{} {} {} in {group} {ours:?}", machine.id, machine.state, machine.image);
            for host in hosts.values().filter(|h| h.machine == machine.id) {
                let _ = write!(text, " {} with {} tasks", host.status, self.running_tasks(&host.arn).await);
            }
            text.push('\n');
        }
        text
    }
}
