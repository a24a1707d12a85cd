//! The queue and its dead-letter queue.

use aws_sdk_sqs::types::QueueAttributeName as Name;
use serde::Deserialize;

use super::Examiner;
use crate::aws::convert::required;
use crate::aws::error::failed;
use crate::aws::preflight::{NotUsable, impatient};
use crate::doctor::facts::{Encryption, Found, NoQueue, Queue};
use crate::effect::FailureKind;

/// `{"deadLetterTargetArn":"arn:aws:sqs:…","maxReceiveCount":5}`; the number may be a text.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Redrive {
    dead_letter_target_arn: String,
    max_receive_count: serde_json::Value,
}

impl Examiner {
    pub(super) async fn queue(&self) -> Result<Queue, NoQueue> {
        let url = &self.aws.queue_url;
        let fifo = |error: NotUsable| NoQueue::Unusable { says: error.to_string(), unsure: false };
        self.aws.refuse_fifo(url).map_err(fifo)?;
        let found = self.attributes(url).await.map_err(|failure| {
            let unsure = [FailureKind::AccessDenied, FailureKind::Throttled, FailureKind::Transient];
            let unsure = unsure.contains(&failure.kind);
            NoQueue::Unusable { says: self.aws.not_usable(failure).to_string(), unsure }
        })?;
        self.aws.refuse_fifo(&found.arn).map_err(fifo)?;
        Ok(found)
    }

    /// None: the queue has none, or is not there itself.
    pub(super) async fn dead_letters(&self, queue: &Result<Queue, NoQueue>) -> Option<Found<Queue>> {
        let (target, _) = queue.as_ref().ok()?.redrive.as_ref()?;
        Some(self.by_arn(target).await)
    }

    async fn by_arn(&self, arn: &str) -> Found<Queue> {
        const OPERATION: &str = "GetQueueUrl";
        let mut parts = arn.rsplit(':');
        let (name, owner) = (parts.next().unwrap_or_default(), parts.next());
        let call =
            self.aws.sqs.get_queue_url().queue_name(name).set_queue_owner_aws_account_id(owner.map(str::to_owned));
        let output = call.send().await.map_err(failed(OPERATION))?;
        self.attributes(&required(OPERATION, "QueueUrl", output.queue_url)?).await
    }

    async fn attributes(&self, url: &str) -> Found<Queue> {
        const OPERATION: &str = "GetQueueAttributes";
        let call = self.aws.sqs.get_queue_attributes().queue_url(url).attribute_names(Name::All);
        let output = call.customize().config_override(impatient()).send().await.map_err(failed(OPERATION))?;
        let attributes = output.attributes.unwrap_or_default();
        let text = |name: Name| attributes.get(&name).map(String::as_str).filter(|text| !text.is_empty());
        let redrive = text(Name::RedrivePolicy).and_then(|text| serde_json::from_str::<Redrive>(text).ok());
        let encryption = match (text(Name::KmsMasterKeyId), text(Name::SqsManagedSseEnabled)) {
            (Some(key), _) => Encryption::ByKey(key.to_owned()),
            (None, Some("true")) => Encryption::BySqs,
            (None, Some(_) | None) => Encryption::None,
        };
        Ok(Queue {
            arn: required(OPERATION, "QueueArn", text(Name::QueueArn).map(str::to_owned))?,
            policy: text(Name::Policy).map(str::to_owned),
            redrive: redrive.map(|redrive| (redrive.dead_letter_target_arn, number(&redrive.max_receive_count))),
            encryption,
            waiting: text(Name::ApproximateNumberOfMessages).and_then(|text| text.parse().ok()).unwrap_or(0),
        })
    }
}

fn number(value: &serde_json::Value) -> u32 {
    let number = value.as_u64().or_else(|| value.as_str()?.parse().ok());
    number.and_then(|number| u32::try_from(number).ok()).unwrap_or(0)
}
