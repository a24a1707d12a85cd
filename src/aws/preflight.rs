//! The one look before the work starts: can this queue be used with these credentials?
//!
//! A worker that is set up wrongly should say so at once, in one line, and end, instead of retrying for ever. So the shell
//! asks here by itself, before there is an engine to ask through a `Request`; and it asks with a short patience. What goes
//! wrong later (a queue that vanishes, credentials that expire) is a `Failure` to the engine like any other.

use std::time::Duration;

use aws_config::retry::RetryConfig;
use aws_sdk_sqs::types::QueueAttributeName;
use aws_smithy_types::timeout::TimeoutConfig;

use super::Aws;
use super::convert::required;
use super::error::failed;
use crate::effect::{CREDENTIALS_TIMEOUT, Failure, FailureKind};

/// Two attempts, a moment apart: a container's network may come up a little after it does, a wrong address never will.
const ATTEMPTS: u32 = 2;
const PAUSE: Duration = Duration::from_millis(300);
/// An attempt has to leave the SDK the 5 seconds that it gives a provider of credentials.
const ATTEMPT: Duration = Duration::from_secs(8);
const OPERATION: Duration = Duration::from_secs(17);

/// Why the queue or the credentials are not usable, and what to do about it.
#[derive(Debug, thiserror::Error)]
pub enum NotUsable {
    #[error("no AWS region is set; set AWS_REGION, or a region in the profile")]
    NoRegion,
    #[error(
        "{operation} on {queue_url}: no usable AWS credentials ({why}); set AWS_PROFILE or AWS_ACCESS_KEY_ID, or give the task a role"
    )]
    Credentials { operation: &'static str, queue_url: String, why: String },
    #[error("{operation} on {queue_url}: no such queue in region {region}; {advice}")]
    NoSuchQueue { operation: &'static str, queue_url: String, region: String, advice: String },
    #[error(
        "queue {queue_url} is a FIFO queue: EventBridge events come in no order that it could keep; use a standard queue"
    )]
    Fifo { queue_url: String },
    #[error("{operation} on {queue_url}: access denied ({why}); allow sqs:{operation} on the queue to this role")]
    AccessDenied { operation: &'static str, queue_url: String, why: String },
    #[error(
        "{operation} on {queue_url}: no answer from SQS in region {region} ({why}); check the network, AWS_REGION and AWS_ENDPOINT_URL_SQS"
    )]
    NoAnswer { operation: &'static str, queue_url: String, region: String, why: String },
    #[error("{operation} on {queue_url}: refused ({why}); check the queue's URL")]
    Refused { operation: &'static str, queue_url: String, why: String },
}

impl Aws {
    /// Asks once for the queue's attributes.
    ///
    /// # Errors
    /// When the worker could not work with it.
    pub async fn preflight(&self) -> Result<(), NotUsable> {
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
        let (operation, queue_url, region) = (failure.operation, self.queue_url.clone(), self.region.clone());
        let why = failure.in_short();
        tracing::debug!(%failure, "the queue cannot be used");
        // Credentials that may yet come are worth another try to a worker at work, but not to one that never had any.
        if failure.code == CREDENTIALS_TIMEOUT {
            return NotUsable::Credentials { operation, queue_url, why };
        }
        match failure.kind {
            FailureKind::Credentials => NotUsable::Credentials { operation, queue_url, why },
            FailureKind::NotFound => {
                let advice = advice_on_region(&queue_url, &region);
                NotUsable::NoSuchQueue { operation, queue_url, region, advice }
            }
            FailureKind::AccessDenied => NotUsable::AccessDenied { operation, queue_url, why },
            FailureKind::Throttled | FailureKind::Transient => {
                NotUsable::NoAnswer { operation, queue_url, region, why }
            }
            FailureKind::Refused => NotUsable::Refused { operation, queue_url, why },
        }
    }
}

pub(super) fn impatient() -> aws_sdk_sqs::config::Builder {
    let retries =
        RetryConfig::standard().with_max_attempts(ATTEMPTS).with_initial_backoff(PAUSE).with_max_backoff(PAUSE);
    let timeouts = TimeoutConfig::builder().operation_attempt_timeout(ATTEMPT).operation_timeout(OPERATION).build();
    aws_sdk_sqs::config::Builder::new().retry_config(retries).timeout_config(timeouts)
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
