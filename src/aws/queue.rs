//! SQS: receive, delete, hand back.

use std::time::Duration;

use aws_sdk_sqs::types::{
    BatchResultErrorEntry, ChangeMessageVisibilityBatchRequestEntry, DeleteMessageBatchRequestEntry,
    MessageSystemAttributeName, QueueAttributeName,
};
use aws_smithy_types::error::operation::BuildError;
use aws_smithy_types::timeout::TimeoutConfig;
use jiff::Timestamp;

use super::Aws;
use super::convert::required;
use super::error::failed;
use super::preflight::impatient;
use crate::effect::{Failure, FailureKind, ItemFailure, Message, Reply};
use crate::id::Receipt;

/// How long an answer may take beyond the long poll itself.
const BEYOND_THE_POLL: Duration = Duration::from_secs(10);

/// What SQS says of the queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QueueState {
    /// So long it keeps a message.
    pub keeps_for: Duration,
    /// About so many messages are in it, those that somebody is at among them.
    pub messages: u64,
}

impl Aws {
    /// None: that may not be asked, or was not answered.
    pub async fn queue_state(&self) -> Option<QueueState> {
        const COUNTS: [QueueAttributeName; 3] = [
            QueueAttributeName::ApproximateNumberOfMessages,
            QueueAttributeName::ApproximateNumberOfMessagesNotVisible,
            QueueAttributeName::ApproximateNumberOfMessagesDelayed,
        ];
        const KEPT: QueueAttributeName = QueueAttributeName::MessageRetentionPeriod;
        let names = COUNTS.into_iter().chain([KEPT]).collect();
        let call = self.sqs.get_queue_attributes().queue_url(&self.queue_url).set_attribute_names(Some(names));
        let attributes = call.customize().config_override(impatient()).send().await.ok()?.attributes?;
        let number = |name: &QueueAttributeName| attributes.get(name)?.parse::<u64>().ok();
        let messages = COUNTS.iter().map(number).sum::<Option<u64>>()?;
        Some(QueueState { keeps_for: Duration::from_secs(number(&KEPT)?), messages })
    }

    pub(super) async fn receive_message(&self, wait_seconds: u32, visibility_seconds: u32) -> Result<Reply, Failure> {
        let output = self
            .sqs
            .receive_message()
            .queue_url(&self.queue_url)
            .max_number_of_messages(10)
            .wait_time_seconds(seconds(wait_seconds))
            .visibility_timeout(seconds(visibility_seconds))
            .message_system_attribute_names(MessageSystemAttributeName::SentTimestamp)
            .message_system_attribute_names(MessageSystemAttributeName::ApproximateReceiveCount)
            .customize()
            .config_override(aws_sdk_sqs::config::Builder::new().timeout_config(patience_for(wait_seconds)))
            .send()
            .await
            .map_err(failed("ReceiveMessage"))?;
        let messages = output.messages.unwrap_or_default();
        Ok(Reply::Messages(messages.into_iter().map(message).collect::<Result<_, _>>()?))
    }

    pub(super) async fn delete_message_batch(&self, receipts: Vec<Receipt>) -> Result<Reply, Failure> {
        const OPERATION: &str = "DeleteMessageBatch";
        let entry = |(n, receipt): (usize, &Receipt)| {
            DeleteMessageBatchRequestEntry::builder().id(n.to_string()).receipt_handle(receipt.as_str()).build()
        };
        let entries = receipts.iter().enumerate().map(entry).collect::<Result<Vec<_>, _>>();
        let output = self
            .sqs
            .delete_message_batch()
            .queue_url(&self.queue_url)
            .set_entries(Some(entries.map_err(|error| not_built(OPERATION, &error))?))
            .send()
            .await
            .map_err(failed(OPERATION))?;
        Ok(Reply::QueueBatch { failures: batch_failures(output.failed, &receipts) })
    }

    pub(super) async fn change_message_visibility_batch(
        &self,
        receipts: Vec<Receipt>,
        visibility_seconds: u32,
    ) -> Result<Reply, Failure> {
        const OPERATION: &str = "ChangeMessageVisibilityBatch";
        let entry = |(n, receipt): (usize, &Receipt)| {
            ChangeMessageVisibilityBatchRequestEntry::builder()
                .id(n.to_string())
                .receipt_handle(receipt.as_str())
                .visibility_timeout(seconds(visibility_seconds))
                .build()
        };
        let entries = receipts.iter().enumerate().map(entry).collect::<Result<Vec<_>, _>>();
        let output = self
            .sqs
            .change_message_visibility_batch()
            .queue_url(&self.queue_url)
            .set_entries(Some(entries.map_err(|error| not_built(OPERATION, &error))?))
            .send()
            .await
            .map_err(failed(OPERATION))?;
        Ok(Reply::QueueBatch { failures: batch_failures(output.failed, &receipts) })
    }
}

/// The usual timeouts would cut a long poll short.
fn patience_for(wait_seconds: u32) -> TimeoutConfig {
    let once = Duration::from_secs(wait_seconds.into()) + BEYOND_THE_POLL;
    TimeoutConfig::builder().operation_attempt_timeout(once).operation_timeout(once * 2).build()
}

/// SQS counts in `i32`, and takes no more than 12 hours of anything.
fn seconds(seconds: u32) -> i32 {
    i32::try_from(seconds).unwrap_or(i32::MAX)
}

fn message(message: aws_sdk_sqs::types::Message) -> Result<Message, Failure> {
    const OPERATION: &str = "ReceiveMessage";
    let attribute = |name| message.attributes.as_ref().and_then(|all| all.get(&name)).map(String::as_str);
    let sent = attribute(MessageSystemAttributeName::SentTimestamp).and_then(|text| text.parse().ok());
    let count = attribute(MessageSystemAttributeName::ApproximateReceiveCount).and_then(|text| text.parse().ok());
    let sent = sent.and_then(|millis| Timestamp::from_millisecond(millis).ok());
    Ok(Message {
        id: required(OPERATION, "MessageId", message.message_id)?,
        receipt: Receipt::new(required(OPERATION, "ReceiptHandle", message.receipt_handle)?),
        body: message.body.unwrap_or_default(),
        sent: required(OPERATION, "SentTimestamp", sent)?,
        receive_count: count.unwrap_or(1),
    })
}

/// Entries are numbered in the order of the receipts.
fn batch_failures(failed: Vec<BatchResultErrorEntry>, receipts: &[Receipt]) -> Vec<ItemFailure> {
    let item = |id: &str| {
        id.parse().ok().and_then(|n: usize| receipts.get(n)).map_or_else(|| id.to_owned(), Receipt::to_string)
    };
    failed.into_iter().map(|entry| ItemFailure { item: item(&entry.id), reason: entry.code }).collect()
}

fn not_built(operation: &'static str, error: &BuildError) -> Failure {
    let (code, message) = ("Construction".to_owned(), error.to_string());
    Failure { kind: FailureKind::Refused, operation, code, message, request_id: None }
}
