//! ECS: clusters, their capacity providers, container instances and tasks. (Services are in `services`.)

use std::collections::BTreeMap;

use aws_sdk_ecs::types as ecs;

use super::convert::{cluster as convert, next_page, texts, token};
use super::error::failed;
use super::{Aws, already_so};
use crate::effect::{ContainerInstanceStatus, DesiredStatus, Failure, FailureKind, Reply};
use crate::id::{CapacityProviderName, ClusterArn, ContainerInstanceArn, InstanceId, PageToken, TaskArn};

/// What ECS gives per page of a list, at most.
pub(super) const PAGE: i32 = 100;

impl Aws {
    pub(super) async fn list_clusters(&self, page: Option<PageToken>) -> Result<Reply, Failure> {
        let call = self.ecs.list_clusters().max_results(PAGE).set_next_token(token(page.as_ref()));
        let output = call.send().await.map_err(failed("ListClusters"))?;
        let arns = output.cluster_arns.unwrap_or_default().into_iter().map(Into::into).collect();
        Ok(Reply::ClusterArns { arns, next: next_page(output.next_token) })
    }

    pub(super) async fn describe_clusters(&self, clusters: Vec<String>) -> Result<Reply, Failure> {
        let call = self.ecs.describe_clusters().set_clusters(Some(clusters)).include(ecs::ClusterField::Tags);
        let output = call.send().await.map_err(failed("DescribeClusters"))?;
        let found = output.clusters.unwrap_or_default().into_iter().map(convert::cluster);
        Ok(Reply::Clusters { clusters: found.collect::<Result<_, _>>()?, failures: failures(output.failures) })
    }

    pub(super) async fn describe_capacity_providers(&self, names: Vec<CapacityProviderName>) -> Result<Reply, Failure> {
        let call = self.ecs.describe_capacity_providers().set_capacity_providers(Some(texts(&names)));
        let output = call.send().await.map_err(failed("DescribeCapacityProviders"))?;
        let found = output.capacity_providers.unwrap_or_default().into_iter().map(convert::capacity_provider);
        Ok(Reply::CapacityProviders {
            providers: found.collect::<Result<_, _>>()?,
            failures: failures(output.failures),
        })
    }

    pub(super) async fn list_container_instances(
        &self,
        cluster: ClusterArn,
        instances: Vec<InstanceId>,
        page: Option<PageToken>,
    ) -> Result<Reply, Failure> {
        // Without a status ECS lists every one that is not INACTIVE.
        let output = self
            .ecs
            .list_container_instances()
            .cluster(cluster.as_str())
            .set_filter(only_on(&instances))
            .max_results(PAGE)
            .set_next_token(token(page.as_ref()))
            .send()
            .await
            .map_err(failed("ListContainerInstances"))?;
        let arns = output.container_instance_arns.unwrap_or_default().into_iter().map(Into::into).collect();
        Ok(Reply::ContainerInstanceArns { arns, next: next_page(output.next_token) })
    }

    pub(super) async fn describe_container_instances(
        &self,
        cluster: ClusterArn,
        arns: Vec<ContainerInstanceArn>,
    ) -> Result<Reply, Failure> {
        const OPERATION: &str = "DescribeContainerInstances";
        let call = self.ecs.describe_container_instances().cluster(cluster.as_str());
        let output = call.set_container_instances(Some(texts(&arns))).send().await.map_err(failed(OPERATION))?;
        container_instances(OPERATION, output.container_instances, output.failures)
    }

    pub(super) async fn list_tasks(
        &self,
        cluster: ClusterArn,
        container_instance: Option<ContainerInstanceArn>,
        desired: DesiredStatus,
        page: Option<PageToken>,
    ) -> Result<Reply, Failure> {
        let desired = match desired {
            DesiredStatus::Running => ecs::DesiredStatus::Running,
            DesiredStatus::Stopped => ecs::DesiredStatus::Stopped,
        };
        let output = self
            .ecs
            .list_tasks()
            .cluster(cluster.as_str())
            .set_container_instance(container_instance.map(|arn| arn.to_string()))
            .desired_status(desired)
            .max_results(PAGE)
            .set_next_token(token(page.as_ref()))
            .send()
            .await
            .map_err(failed("ListTasks"))?;
        let arns = output.task_arns.unwrap_or_default().into_iter().map(Into::into).collect();
        Ok(Reply::TaskArns { arns, next: next_page(output.next_token) })
    }

    pub(super) async fn describe_tasks(&self, cluster: ClusterArn, arns: Vec<TaskArn>) -> Result<Reply, Failure> {
        let call = self.ecs.describe_tasks().cluster(cluster.as_str()).set_tasks(Some(texts(&arns)));
        let output = call.send().await.map_err(failed("DescribeTasks"))?;
        let found = output.tasks.unwrap_or_default().into_iter().map(convert::task);
        Ok(Reply::Tasks { tasks: found.collect::<Result<_, _>>()?, failures: failures(output.failures) })
    }

    pub(super) async fn stop_task(&self, cluster: ClusterArn, task: TaskArn, reason: String) -> Result<Reply, Failure> {
        let call = self.ecs.stop_task().cluster(cluster.as_str()).task(task.as_str()).reason(reason);
        match call.send().await.map_err(failed("StopTask")) {
            Ok(_) => Ok(Reply::Done),
            Err(failure) if is_no_task(&failure) => Ok(already_so(&failure)),
            Err(failure) => Err(failure),
        }
    }

    pub(super) async fn tag_resource(
        &self,
        cluster: ClusterArn,
        tags: BTreeMap<String, String>,
    ) -> Result<Reply, Failure> {
        let tags = tags.into_iter().map(|(key, value)| ecs::Tag::builder().key(key).value(value).build()).collect();
        let call = self.ecs.tag_resource().resource_arn(cluster.as_str()).set_tags(Some(tags));
        call.send().await.map_err(failed("TagResource"))?;
        Ok(Reply::Done)
    }

    pub(super) async fn update_container_instances_state(
        &self,
        cluster: ClusterArn,
        arns: Vec<ContainerInstanceArn>,
        status: ContainerInstanceStatus,
    ) -> Result<Reply, Failure> {
        const OPERATION: &str = "UpdateContainerInstancesState";
        let output = self
            .ecs
            .update_container_instances_state()
            .cluster(cluster.as_str())
            .set_container_instances(Some(texts(&arns)))
            .status(wanted_status(status))
            .send()
            .await
            .map_err(failed(OPERATION))?;
        container_instances(OPERATION, output.container_instances, output.failures)
    }

    pub(super) async fn deregister_container_instance(
        &self,
        cluster: ClusterArn,
        arn: ContainerInstanceArn,
    ) -> Result<Reply, Failure> {
        const OPERATION: &str = "DeregisterContainerInstance";
        let call = self.ecs.deregister_container_instance().cluster(cluster.as_str()).container_instance(arn.as_str());
        match call.force(false).send().await.map_err(failed(OPERATION)) {
            Ok(_) => Ok(Reply::Done),
            Err(failure) if is_deregistered(&failure) => Ok(already_so(&failure)),
            Err(failure) => Err(failure),
        }
    }
}

/// An expression of ECS's cluster query language.
fn only_on(instances: &[InstanceId]) -> Option<String> {
    if instances.is_empty() {
        return None;
    }
    Some(format!("ec2InstanceId in [{}]", texts(instances).join(", ")))
}

/// ECS can set ACTIVE and DRAINING; whatever else is asked for, it refuses.
fn wanted_status(status: ContainerInstanceStatus) -> ecs::ContainerInstanceStatus {
    match status {
        ContainerInstanceStatus::Active => ecs::ContainerInstanceStatus::Active,
        ContainerInstanceStatus::Draining => ecs::ContainerInstanceStatus::Draining,
        ContainerInstanceStatus::Deregistering => ecs::ContainerInstanceStatus::Deregistering,
        ContainerInstanceStatus::Inactive | ContainerInstanceStatus::Other => "INACTIVE".into(),
    }
}

/// ECS has no code for "no such container instance": it says so in the message of a general one.
fn is_deregistered(failure: &Failure) -> bool {
    let general = matches!(failure.code.as_str(), "InvalidParameterException" | "ClientException");
    let message = failure.message.to_ascii_lowercase();
    general
        && failure.kind != FailureKind::NotFound
        && message.contains("container instance")
        && (message.contains("not found") || message.contains("inactive"))
}

/// A task that ended long ago: ECS says so in the message of its general code.
fn is_no_task(failure: &Failure) -> bool {
    failure.code == "InvalidParameterException" && failure.message.contains("task was not found")
}

fn container_instances(
    operation: &'static str,
    instances: Option<Vec<ecs::ContainerInstance>>,
    failed: Option<Vec<ecs::Failure>>,
) -> Result<Reply, Failure> {
    let found = instances.unwrap_or_default().into_iter().map(|of| convert::container_instance(operation, of));
    Ok(Reply::ContainerInstances { instances: found.collect::<Result<_, _>>()?, failures: failures(failed) })
}

pub(super) fn failures(failures: Option<Vec<ecs::Failure>>) -> Vec<crate::effect::ItemFailure> {
    failures.unwrap_or_default().into_iter().map(convert::item_failure).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(code: &str, message: &str) -> Failure {
        let (code, message) = (code.to_owned(), message.to_owned());
        Failure {
            kind: FailureKind::Refused,
            operation: "DeregisterContainerInstance",
            code,
            message,
            request_id: None,
        }
    }

    #[test]
    fn a_container_instance_that_is_no_more_is_deregistered_already() {
        for (code, message, already) in [
            ("InvalidParameterException", "Referenced container instance 0123 not found.", true),
            ("ClientException", "Container instance 0123 is inactive.", true),
            ("InvalidParameterException", "Found running tasks on the instance.", false),
            ("ClientException", "The referenced cluster was inactive.", false),
            ("ServerException", "container instance not found", false),
        ] {
            assert_eq!(is_deregistered(&refused(code, message)), already, "{code}: {message}");
        }
    }

    #[test]
    fn container_instances_are_asked_for_by_ec2_instance() {
        assert_eq!(only_on(&[]), None);
        assert_eq!(only_on(&["i-1".into(), "i-2".into()]).as_deref(), Some("ec2InstanceId in [i-1, i-2]"));
    }
}
