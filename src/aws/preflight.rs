//! The one call before the work starts: can AWS be used from here, with these credentials, in this region?
//!
//! A command that is set up wrongly should say so at once, in one line, and end, instead of retrying for ever. So the shell
//! asks here by itself, before there is an engine to ask through a `Request`; and it asks with a short patience. It is the
//! first call that the command needs anyway, so it asks for no right beyond them. What goes wrong later (a queue that
//! vanishes, credentials that expire) is a `Failure` to the engine like any other.

use std::time::Duration;

use aws_config::retry::RetryConfig;
use aws_sdk_sqs::types::QueueAttributeName;
use aws_smithy_types::timeout::TimeoutConfig;

use super::Aws;
use super::convert::required;
use super::error::failed;
use crate::effect::{CREDENTIALS_TIMEOUT, Failure, FailureKind};
use crate::id::ClusterName;

/// AWS's limit for one call.
const CLUSTERS: usize = 100;

/// Two attempts, a moment apart: a container's network may come up a little after it does, a wrong address never will.
const ATTEMPTS: u32 = 2;
const PAUSE: Duration = Duration::from_millis(300);
/// An attempt has to leave the SDK the 5 seconds that it gives a provider of credentials.
const ATTEMPT: Duration = Duration::from_secs(7);
const OPERATION: Duration = Duration::from_secs(15);

/// What a command calls first: with that answered, region, credentials and endpoint can be used.
#[derive(Clone, Copy, Debug)]
pub enum First<'a> {
    /// The worker's queue.
    Queue,
    /// These clusters; none: the list of all.
    Clusters(&'a [ClusterName]),
}

/// Why AWS cannot be used from here, and what to do about it.
#[derive(Debug, thiserror::Error)]
pub enum NotUsable {
    #[error("no AWS region is set; set AWS_REGION, or a region in the profile")]
    NoRegion,
    #[error(
        "{operation} on {on}: no usable AWS credentials ({why}); set AWS_PROFILE or AWS_ACCESS_KEY_ID, or give the task a role"
    )]
    Credentials { operation: &'static str, on: String, why: String },
    #[error("{operation} on {queue_url}: no such queue in region {region}; {advice}")]
    NoSuchQueue { operation: &'static str, queue_url: String, region: String, advice: String },
    #[error(
        "queue {queue_url} is a FIFO queue: EventBridge events come in no order that it could keep; use a standard queue"
    )]
    Fifo { queue_url: String },
    #[error("{operation} on {on}: access denied ({why}); allow {service}:{operation} on it to this role")]
    AccessDenied { operation: &'static str, on: String, why: String, service: &'static str },
    #[error(
        "{operation} on {on}: no answer from {name} in region {region} ({why}); check the network, AWS_REGION and AWS_ENDPOINT_URL_{name}"
    )]
    NoAnswer { operation: &'static str, on: String, region: String, why: String, name: &'static str },
    #[error("{operation} on {on}: refused ({why}); {advice}")]
    Refused { operation: &'static str, on: String, why: String, advice: &'static str },
}

impl Aws {
    /// The first call of a command, before anything else is done, with a short patience.
    ///
    /// # Errors
    /// When the command could not do its work.
    pub async fn preflight(&self, first: First<'_>) -> Result<(), NotUsable> {
        match first {
            First::Queue => self.ask_queue().await,
            First::Clusters(clusters) => self.ask_clusters(clusters).await,
        }
    }

    /// Asks for the queue's attributes.
    async fn ask_queue(&self) -> Result<(), NotUsable> {
        self.refuse_fifo(&self.queue_url)?;
        let output = self
            .sqs
            .get_queue_attributes()
            .queue_url(&self.queue_url)
            // Not `FifoQueue`: SQS refuses to be asked that of a standard queue. The name, which ends the ARN, says it too.
            .attribute_names(QueueAttributeName::QueueArn)
            .attribute_names(QueueAttributeName::RedrivePolicy)
            .customize()
            .config_override(impatient())
            .send()
            .await
            .map_err(|error| self.not_usable(failed("GetQueueAttributes")(error)))?;
        let attributes = output.attributes.unwrap_or_default();
        self.refuse_fifo(attributes.get(&QueueAttributeName::QueueArn).map_or("", String::as_str))?;
        if !attributes.contains_key(&QueueAttributeName::RedrivePolicy) {
            tracing::warn!(
                queue = self.queue_url,
                "the queue has no dead-letter queue: a malformed message returns until it expires"
            );
        }
        Ok(())
    }

    /// Asks for the clusters that are meant. That one does not exist is for the command to tell.
    async fn ask_clusters(&self, clusters: &[ClusterName]) -> Result<(), NotUsable> {
        let config = || aws_sdk_ecs::config::Builder::new().retry_config(retries()).timeout_config(timeouts());
        let (on, asked) = if clusters.is_empty() {
            let call = self.ecs.list_clusters().max_results(1).customize().config_override(config());
            ("the clusters".to_owned(), call.send().await.map(|_| ()).map_err(failed("ListClusters")))
        } else {
            let names = clusters.iter().take(CLUSTERS).map(ToString::to_string).collect();
            let call = self.ecs.describe_clusters().set_clusters(Some(names)).customize().config_override(config());
            let on = clusters.iter().map(ClusterName::as_str).collect::<Vec<_>>().join(", ");
            (format!("cluster {on}"), call.send().await.map(|_| ()).map_err(failed("DescribeClusters")))
        };
        let fleet = Side { name: "ECS", service: "ecs", on, refused: "check AWS_REGION and AWS_ENDPOINT_URL" };
        asked.map_err(|failure| self.cannot_be_used(failure, fleet))
    }

    /// Puts a message on the queue and says its id. For the command `rotate`, whose whole work this is; the worker sends
    /// nothing.
    ///
    /// # Errors
    /// When the queue does not take it.
    pub async fn send_message(&self, body: String) -> Result<String, NotUsable> {
        const OPERATION: &str = "SendMessage";
        self.refuse_fifo(&self.queue_url)?;
        let call = self.sqs.send_message().queue_url(&self.queue_url).message_body(body);
        let sent = call.customize().config_override(impatient()).send().await;
        let id = sent.map_err(failed(OPERATION)).and_then(|sent| required(OPERATION, "MessageId", sent.message_id));
        id.map_err(|failure| self.not_usable(failure))
    }

    pub(super) fn refuse_fifo(&self, name: &str) -> Result<(), NotUsable> {
        if name.ends_with(".fifo") { Err(NotUsable::Fifo { queue_url: self.queue_url.clone() }) } else { Ok(()) }
    }

    /// What a failed call to the queue means for the person who started it.
    pub(super) fn not_usable(&self, failure: Failure) -> NotUsable {
        let on = self.queue_url.clone();
        if failure.kind == FailureKind::NotFound {
            let (operation, region) = (failure.operation, self.region.clone());
            let advice = advice_on_region(&on, &region);
            return NotUsable::NoSuchQueue { operation, queue_url: on, region, advice };
        }
        self.cannot_be_used(failure, Side { name: "SQS", service: "sqs", on, refused: "check the queue's URL" })
    }

    fn cannot_be_used(&self, failure: Failure, side: Side) -> NotUsable {
        let (operation, region, why) = (failure.operation, self.region.clone(), failure.in_short());
        let Side { name, service, on, refused: advice } = side;
        tracing::debug!(%failure, "AWS cannot be used");
        // Credentials that may yet come are worth another try to a worker at work, but not to one that never had any.
        if failure.code == CREDENTIALS_TIMEOUT {
            return NotUsable::Credentials { operation, on, why };
        }
        match failure.kind {
            FailureKind::Credentials => NotUsable::Credentials { operation, on, why },
            FailureKind::AccessDenied => NotUsable::AccessDenied { operation, on, why, service },
            FailureKind::Throttled | FailureKind::Transient => NotUsable::NoAnswer { operation, on, region, why, name },
            FailureKind::NotFound | FailureKind::Refused => NotUsable::Refused { operation, on, why, advice },
        }
    }
}

/// What was asked of whom.
struct Side {
    name: &'static str,
    /// As in the names of actions.
    service: &'static str,
    on: String,
    /// What to do where it refuses.
    refused: &'static str,
}

pub(super) fn impatient() -> aws_sdk_sqs::config::Builder {
    aws_sdk_sqs::config::Builder::new().retry_config(retries()).timeout_config(timeouts())
}

fn retries() -> RetryConfig {
    RetryConfig::standard().with_max_attempts(ATTEMPTS).with_initial_backoff(PAUSE).with_max_backoff(PAUSE)
}

fn timeouts() -> TimeoutConfig {
    TimeoutConfig::builder().operation_attempt_timeout(ATTEMPT).operation_timeout(OPERATION).build()
}

/// The commonest reason why an existing queue is not found: the client asks another region than the URL names.
fn advice_on_region(queue_url: &str, region: &str) -> String {
    let named = queue_url.split_once("://sqs.").and_then(|(_, rest)| rest.split('.').next());
    match named {
        Some(named) if named != region => format!("its URL names {named}: set AWS_REGION={named}"),
        Some(_) | None => "check --queue-url".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_queue_of_another_region_gives_advice_on_the_region() {
        for (url, advice) in [
            ("https://sqs.eu-west-1.amazonaws.com/1/q", "its URL names eu-west-1: set AWS_REGION=eu-west-1"),
            ("https://sqs.us-east-1.amazonaws.com/1/q", "check --queue-url"),
            ("http://127.0.0.1:5002/1/q", "check --queue-url"),
        ] {
            assert_eq!(advice_on_region(url, "us-east-1"), advice, "{url}");
        }
    }
}
