//! The real world: performs requests with the AWS SDK.
//!
//! [`run`] is the shell around the engine. It takes every request that the engine has, performs each at once in a task of
//! its own, and hands back what came of it; it keeps one timer at the time the engine names. It decides nothing: whether
//! to retry, to wait or to give up is the engine's. On a signal it tells the engine to end and goes on in the same way
//! until the engine says that nothing is left, or until the grace is over; a long poll still under way is dropped.
//!
//! [`Aws::perform`] is one exhaustive match from `Request` to the function that makes the call: `queue` (SQS), `cluster`
//! and `services` (ECS), `fleet` and `groups` (Auto Scaling and EC2 instances; `policy` changes a mixed-instances policy), `images`
//! (launch templates and images), `parameters` (SSM), `alarms` (CloudWatch), `notices` (EventBridge), `locate` (this worker). `convert` turns AWS's types
//! into ours, `error` and `codes`
//! AWS's errors. `client` says how calls are made, `preflight` makes the first one before the start, `identity` asks who makes them,
//! `examine` looks at everything for `doctor`, and `local` is a queue
//! for whoever has none.

mod alarms;
mod client;
mod cluster;
mod codes;
mod convert;
mod error;
mod examine;
mod fleet;
mod groups;
mod identity;
mod images;
mod local;
mod locate;
mod notices;
mod parameters;
mod policy;
mod preflight;
mod queue;
mod services;
mod survey;
mod worker;

pub use examine::examine;
pub use local::LocalQueue;
pub use preflight::{First, NotUsable};
pub use queue::QueueState;
pub use survey::survey;
pub use worker::{now, run};

use std::sync::Arc;

use crate::effect::{Failure, Reply, Request};

/// The clients, and the queue.
#[derive(Clone, Debug)]
pub struct Aws {
    sqs: aws_sdk_sqs::Client,
    ecs: aws_sdk_ecs::Client,
    autoscaling: aws_sdk_autoscaling::Client,
    cloudwatch: aws_sdk_cloudwatch::Client,
    ec2: aws_sdk_ec2::Client,
    eventbridge: aws_sdk_eventbridge::Client,
    ssm: aws_sdk_ssm::Client,
    sts: aws_sdk_sts::Client,
    queue_url: String,
    /// In the place of SQS.
    local: Option<Arc<LocalQueue>>,
    region: String,
}

impl Aws {
    #[must_use]
    pub fn region(&self) -> &str {
        &self.region
    }

    /// With a queue of this process in the place of SQS.
    #[must_use]
    pub fn with_local_queue(self, queue: Arc<LocalQueue>) -> Self {
        Self { local: Some(queue), ..self }
    }

    /// Makes the call.
    ///
    /// # Errors
    /// When the call as a whole failed; what failed of a batch is in the reply.
    pub async fn perform(&self, request: Request) -> Result<Reply, Failure> {
        if let Some(local) = &self.local
            && let Some(reply) = local.perform(&request).await
        {
            return Ok(reply);
        }
        self.call(request).await
    }

    async fn call(&self, request: Request) -> Result<Reply, Failure> {
        use Request as R;
        match request {
            R::ReceiveMessage { wait_seconds, visibility_seconds } => {
                self.receive_message(wait_seconds, visibility_seconds).await
            }
            R::DeleteMessageBatch { receipts } => self.delete_message_batch(receipts).await,
            R::ChangeMessageVisibilityBatch { receipts, visibility_seconds } => {
                self.change_message_visibility_batch(receipts, visibility_seconds).await
            }
            R::ListClusters { page } => self.list_clusters(page).await,
            R::DescribeClusters { clusters } => self.describe_clusters(clusters).await,
            R::DescribeCapacityProviders { names } => self.describe_capacity_providers(names).await,
            R::ListContainerInstances { cluster, instances, page } => {
                self.list_container_instances(cluster, instances, page).await
            }
            R::DescribeContainerInstances { cluster, arns } => self.describe_container_instances(cluster, arns).await,
            R::ListTasks { cluster, container_instance, desired, page } => {
                self.list_tasks(cluster, container_instance, desired, page).await
            }
            R::DescribeTasks { cluster, arns } => self.describe_tasks(cluster, arns).await,
            R::ListServices { cluster, page } => self.list_services(cluster, page).await,
            R::DescribeServices { cluster, arns } => self.describe_services(cluster, arns).await,
            R::GetTaskProtection { cluster, arns } => self.get_task_protection(cluster, arns).await,
            R::TagResource { cluster, tags } => self.tag_resource(cluster, tags).await,
            R::UpdateContainerInstancesState { cluster, arns, status } => {
                self.update_container_instances_state(cluster, arns, status).await
            }
            R::DeregisterContainerInstance { cluster, arn } => self.deregister_container_instance(cluster, arn).await,
            R::DescribeAutoScalingGroups { names, page } => self.describe_auto_scaling_groups(names, page).await,
            R::DetachInstances { group, instances, decrement } => {
                self.detach_instances(group, instances, decrement).await
            }
            R::AttachInstances { group, instances } => self.attach_instances(group, instances).await,
            R::TerminateInstanceInAutoScalingGroup { group, instance, decrement } => {
                self.terminate_instance_in_auto_scaling_group(group, instance, decrement).await
            }
            R::TagGroup { group, tags } => self.tag_group(group, tags).await,
            R::DescribeScalingActivities { group } => self.describe_scaling_activities(group).await,
            R::StopTask { cluster, task, reason } => self.stop_task(cluster, task, reason).await,
            R::UpdateAutoScalingGroup { group, mixed, change } => {
                self.update_auto_scaling_group(group, mixed, change).await
            }
            R::DescribeInstanceRefreshes { group } => self.describe_instance_refreshes(group).await,
            R::DescribeLifecycleHooks { group } => self.describe_lifecycle_hooks(group).await,
            R::DescribeAlarms { names } => self.describe_alarms(names).await,
            R::DescribeInstances { filter, page } => self.describe_instances(filter, page).await,
            R::CreateTags { instances, tags } => self.create_tags(instances, tags).await,
            R::TerminateInstances { instances } => self.terminate_instances(instances).await,
            R::DescribeLaunchTemplateVersions { template, query, page } => {
                self.describe_launch_template_versions(template, query, page).await
            }
            R::CreateLaunchTemplateVersion { template, source, image, block_devices, description, client_token } => {
                self.create_launch_template_version(template, source, image, block_devices, description, client_token)
                    .await
            }
            R::ModifyLaunchTemplate { template, default_version } => {
                self.modify_launch_template(template, default_version).await
            }
            R::DeleteLaunchTemplateVersions { template, versions } => {
                self.delete_launch_template_versions(template, versions).await
            }
            R::DescribeImages { query, page } => self.describe_images(query, page).await,
            R::GetParameters { names } => self.get_parameters(names).await,
            R::PutParameter { name, image, data_type } => self.put_parameter(name, image, data_type).await,
            R::PutEvents { bus, notices } => self.put_events(bus, notices).await,
            R::LocateSelf => self.locate_self().await,
        }
    }
}

/// What was asked for is so already: a success, and said.
fn already_so(refusal: &Failure) -> Reply {
    tracing::debug!(operation = refusal.operation, code = refusal.code, said = refusal.message, "already so");
    Reply::Done
}
