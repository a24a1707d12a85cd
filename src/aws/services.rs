//! ECS: services, and which of their tasks are protected.

use super::Aws;
use super::cluster::{PAGE, failures};
use super::convert::{next_page, services as convert, texts, token};
use super::error::failed;
use crate::effect::{Failure, Reply};
use crate::id::{ClusterArn, PageToken, ServiceArn, TaskArn};

impl Aws {
    pub(super) async fn list_services(&self, cluster: ClusterArn, page: Option<PageToken>) -> Result<Reply, Failure> {
        let call = self.ecs.list_services().cluster(cluster.as_str()).max_results(PAGE);
        let output = call.set_next_token(token(page.as_ref())).send().await.map_err(failed("ListServices"))?;
        let arns = output.service_arns.unwrap_or_default().into_iter().map(Into::into).collect();
        Ok(Reply::ServiceArns { arns, next: next_page(output.next_token) })
    }

    pub(super) async fn describe_services(&self, cluster: ClusterArn, arns: Vec<ServiceArn>) -> Result<Reply, Failure> {
        let call = self.ecs.describe_services().cluster(cluster.as_str()).set_services(Some(texts(&arns)));
        let output = call.send().await.map_err(failed("DescribeServices"))?;
        let found = output.services.unwrap_or_default().into_iter().map(convert::service);
        Ok(Reply::Services { services: found.collect::<Result<_, _>>()?, failures: failures(output.failures) })
    }

    /// Of a task that is gone, or that can have no protection (a standalone one), ECS says a failure: it has none.
    pub(super) async fn get_task_protection(&self, cluster: ClusterArn, arns: Vec<TaskArn>) -> Result<Reply, Failure> {
        let call = self.ecs.get_task_protection().cluster(cluster.as_str()).set_tasks(Some(texts(&arns)));
        let output = call.send().await.map_err(failed("GetTaskProtection"))?;
        Ok(Reply::ProtectedTasks(convert::protected(output.protected_tasks.unwrap_or_default())))
    }
}
