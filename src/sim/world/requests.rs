//! Every request, performed: one exhaustive match, as in the ring that talks to AWS.

use jiff::SignedDuration;

use super::account::Account;
use super::answer::{Answer, at_most};
use super::{World, autoscaling, ec2, ecs, others};
use crate::effect::{Failure, Reply, Request};
use crate::sim::invariants;

impl World {
    /// Performs a request at this instant, as AWS would, and checks the promises.
    pub fn perform(&mut self, request: &Request) -> Result<Reply, Failure> {
        self.perform_aged(request, SignedDuration::ZERO)
    }

    /// As `perform`, but a read answers with the account as it was `age` ago.
    pub fn perform_aged(&mut self, request: &Request, age: SignedDuration) -> Result<Reply, Failure> {
        let answer = if request.is_effect() {
            self.remember();
            let watch = invariants::Watch::before(self, request);
            let answer = self.call(request, age);
            watch.after(self, request, answer.is_ok());
            answer
        } else {
            let past = !age.is_zero() && self.history.at(self.now - age).is_some();
            self.mishaps.stale_reads += u64::from(past);
            self.call(request, age)
        };
        answer.map_err(|refusal| Failure {
            kind: refusal.kind,
            operation: request.operation(),
            code: refusal.code.to_owned(),
            message: refusal.message,
            request_id: None,
        })
    }

    #[expect(clippy::too_many_lines, reason = "a flat match with one arm for each request")]
    fn call(&mut self, request: &Request, age: SignedDuration) -> Answer {
        let size = self.scenario.page_size;
        match request {
            Request::ReceiveMessage { visibility_seconds, .. } => {
                Ok(Reply::Messages(self.receive(*visibility_seconds)))
            }
            Request::DeleteMessageBatch { receipts } => {
                at_most(receipts, super::queue::BATCH)?;
                Ok(Reply::QueueBatch { failures: self.queue.delete(receipts) })
            }
            Request::ChangeMessageVisibilityBatch { receipts, visibility_seconds } => {
                at_most(receipts, super::queue::BATCH)?;
                let failures = self.queue.change_visibility(receipts, *visibility_seconds, self.now);
                Ok(Reply::QueueBatch { failures })
            }

            Request::ListClusters { page } => ecs::list_clusters(&self.seen(age), page.as_ref(), size),
            Request::DescribeClusters { clusters } => ecs::describe_clusters(&self.seen(age), clusters),
            Request::DescribeCapacityProviders { names } => ecs::describe_capacity_providers(&self.seen(age), names),
            Request::ListContainerInstances { cluster, instances, page } => {
                ecs::list_container_instances(&self.seen(age), cluster, instances, page.as_ref(), size)
            }
            Request::DescribeContainerInstances { cluster, arns } => {
                ecs::describe_container_instances(&self.seen(age), cluster, arns)
            }
            Request::ListTasks { cluster, container_instance, desired, page } => {
                ecs::list_tasks(&self.seen(age), cluster, container_instance.as_ref(), *desired, page.as_ref(), size)
            }
            Request::DescribeTasks { cluster, arns } => ecs::describe_tasks(&self.seen(age), cluster, arns),
            Request::ListServices { cluster, page } => {
                ecs::list_services(&self.seen(age), cluster, page.as_ref(), size)
            }
            Request::DescribeServices { cluster, arns } => ecs::describe_services(&self.seen(age), cluster, arns),
            Request::GetTaskProtection { cluster, arns } => ecs::task_protection(&self.seen(age), cluster, arns),
            Request::TagResource { cluster, tags } => self.tag_cluster(cluster, tags),
            Request::UpdateContainerInstancesState { cluster, arns, status } => {
                self.update_state(cluster, arns, *status)
            }
            Request::DeregisterContainerInstance { cluster, arn } => self.deregister(cluster, arn),

            Request::DescribeAutoScalingGroups { names, page } => {
                autoscaling::describe_groups(&self.seen(age), names, page.as_ref(), size)
            }
            Request::DetachInstances { group, instances, decrement } => self.detach(group, instances, *decrement),
            Request::AttachInstances { group, instances } => self.attach(group, instances),
            Request::TerminateInstanceInAutoScalingGroup { group, instance, decrement } => {
                self.end_member(group, instance, *decrement)
            }
            Request::TagGroup { group, tags } => self.tag_group(group, tags),
            Request::DescribeScalingActivities { group } => autoscaling::describe_activities(&self.seen(age), group),
            Request::StopTask { cluster, task, .. } => self.stop_one_task(cluster, task),
            Request::UpdateAutoScalingGroup { group, mixed, change } => self.change_launch(group, *mixed, change),
            Request::DescribeInstanceRefreshes { group } => others::describe_refreshes(&self.seen(age), group),
            Request::DescribeLifecycleHooks { group } => others::describe_hooks(&self.seen(age), group),
            Request::DescribeAlarms { names } => others::describe_alarms(&self.seen(age), names),

            Request::DescribeInstances { filter, page } => {
                ec2::describe_instances(&self.seen(age), filter, page.as_ref(), size)
            }
            Request::CreateTags { instances, tags } => self.tag_instances(instances, tags),
            Request::TerminateInstances { instances } => self.terminate_instances(instances),
            Request::DescribeLaunchTemplateVersions { template, query, page } => {
                ec2::describe_versions(&self.seen(age), template, query, page.as_ref(), size)
            }
            Request::CreateLaunchTemplateVersion {
                template,
                source,
                image,
                block_devices,
                description,
                client_token,
            } => self.create_version(template, *source, image, block_devices, description, client_token),
            Request::ModifyLaunchTemplate { template, default_version } => self.set_default(template, *default_version),
            Request::DeleteLaunchTemplateVersions { template, versions } => self.delete_versions(template, versions),
            Request::DescribeImages { query, page } => {
                ec2::describe_images(&self.seen(age), query, page.as_ref(), size)
            }

            Request::GetParameters { names } => ec2::get_parameters(&self.seen(age), names),
            Request::PutParameter { name, image, data_type } => self.put_parameter(name, image, data_type.as_deref()),

            Request::PutEvents { notices, .. } => {
                self.told.extend(notices.iter().cloned());
                Ok(Reply::NoticesPut { failures: Vec::new() })
            }
            Request::LocateSelf => Ok(Reply::SelfLocation(self.self_location())),
        }
    }

    /// The account as a read sees it. Cloning it clones a few `Arc`s.
    fn seen(&self, age: SignedDuration) -> Account {
        if age.is_zero() {
            self.account.clone()
        } else {
            self.history.at(self.now - age).unwrap_or(&self.account).clone()
        }
    }
}
