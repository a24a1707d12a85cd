//! On which container instance does this worker itself run?
//!
//! The ECS agent tells every container, at an address in its environment, which task and cluster it belongs to; ECS then
//! says where the task runs. On Fargate, on a laptop, or without an answer the worker is on no host of ours.

use std::time::Duration;

use aws_sdk_ecs::config::http::HttpRequest;
use aws_smithy_http_client::Connector;
use aws_smithy_http_client::tls::{Provider, rustls_provider::CryptoMode};
use aws_smithy_runtime_api::client::http::HttpConnector as _;
use aws_smithy_types::byte_stream::ByteStream;
use serde::Deserialize;

use super::Aws;
use crate::effect::{Failure, FailureKind, Reply};
use crate::id::{ClusterArn, ContainerInstanceArn, TaskArn};

/// The agent runs on the same host: an answer that takes longer will not come.
const PATIENCE: Duration = Duration::from_secs(2);

const METADATA: &str = "ECS_CONTAINER_METADATA_URI_V4";

pub(super) fn is_in_a_task() -> bool {
    std::env::var_os(METADATA).is_some()
}

/// What we read of the task metadata, version 4: `{"Cluster":"prod","TaskARN":"arn:…","LaunchType":"EC2",…}`
#[derive(Deserialize)]
struct TaskMetadata {
    #[serde(rename = "Cluster")]
    cluster: String,
    #[serde(rename = "TaskARN")]
    task: String,
    /// Agents before 1.45 do not say.
    #[serde(rename = "LaunchType")]
    launch_type: Option<String>,
}

impl Aws {
    pub(super) async fn locate_self(&self) -> Result<Reply, Failure> {
        let Ok(endpoint) = std::env::var(METADATA) else {
            return Ok(nowhere("not in an ECS task"));
        };
        let metadata = match tokio::time::timeout(PATIENCE, task_metadata(&endpoint)).await {
            Ok(Ok(metadata)) => metadata,
            Ok(Err(error)) => return Ok(nowhere(&format!("no task metadata: {error}"))),
            Err(_) => return Ok(nowhere("no task metadata: timed out")),
        };
        match metadata.launch_type.as_deref() {
            Some("FARGATE") => Ok(nowhere("on Fargate")),
            Some(_) | None => self.host_of(&metadata).await,
        }
    }

    async fn host_of(&self, metadata: &TaskMetadata) -> Result<Reply, Failure> {
        let (cluster, task) = (ClusterArn::new(&metadata.cluster), TaskArn::new(&metadata.task));
        match self.describe_tasks(cluster, vec![task]).await {
            Ok(reply) => Ok(host_in(reply).map_or_else(|| nowhere("the task has no container instance"), located)),
            Err(failure) => match failure.kind {
                FailureKind::Throttled | FailureKind::Transient => Err(failure),
                // It is the worker's own cluster, which need not be one of those it may look at.
                FailureKind::AccessDenied | FailureKind::Credentials | FailureKind::NotFound | FailureKind::Refused => {
                    Ok(nowhere(&failure.to_string()))
                }
            },
        }
    }
}

fn host_in(reply: Reply) -> Option<ContainerInstanceArn> {
    let Reply::Tasks { tasks, .. } = reply else { return None };
    tasks.into_iter().find_map(|task| task.container_instance)
}

fn located(host: ContainerInstanceArn) -> Reply {
    Reply::SelfLocation(Some(host))
}

fn nowhere(why: &str) -> Reply {
    tracing::debug!(why, "this worker runs on no host of a cluster");
    Reply::SelfLocation(None)
}

/// Never through a proxy: the address is link-local.
async fn task_metadata(endpoint: &str) -> Result<TaskMetadata, Box<dyn std::error::Error + Send + Sync>> {
    let connector = Connector::builder().tls_provider(Provider::Rustls(CryptoMode::Ring)).build();
    let response = connector.call(HttpRequest::get(format!("{endpoint}/task"))?).await?;
    if !response.status().is_success() {
        return Err(format!("HTTP {}", response.status().as_u16()).into());
    }
    let body = ByteStream::new(response.into_body()).collect().await?;
    Ok(serde_json::from_slice(&body.into_bytes())?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_task_metadata_is_read_with_and_without_a_launch_type() {
        let with = r#"{"Cluster":"prod","TaskARN":"arn:aws:ecs:x:1:task/prod/a","LaunchType":"EC2","Revision":"3"}"#;
        let without = r#"{"Cluster":"prod","TaskARN":"arn:aws:ecs:x:1:task/prod/a"}"#;
        for (text, launch_type) in [(with, Some("EC2")), (without, None)] {
            let metadata: TaskMetadata = serde_json::from_str(text).unwrap();
            assert_eq!((metadata.cluster.as_str(), metadata.launch_type.as_deref()), ("prod", launch_type));
        }
    }
}
