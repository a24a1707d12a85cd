//! Who makes the calls: for the log of a worker, which works without knowing it.

use std::time::Duration;

use aws_config::retry::RetryConfig;
use aws_smithy_types::timeout::TimeoutConfig;

use super::Aws;
use super::convert::required;
use super::error::failed;
use crate::doctor::facts::Caller;
use crate::effect::Failure;

/// A network without a way to STS is no fault: the worker needs none.
const PATIENCE: Duration = Duration::from_secs(3);

impl Aws {
    /// Account and ARN of whoever calls.
    ///
    /// # Errors
    /// When STS does not say so within three seconds.
    pub async fn identity(&self) -> Result<Caller, Failure> {
        let timeouts = TimeoutConfig::builder().operation_timeout(PATIENCE).build();
        let config = aws_sdk_sts::config::Builder::new().retry_config(RetryConfig::disabled()).timeout_config(timeouts);
        let call = self.sts.get_caller_identity().customize().config_override(config);
        let said = call.send().await.map_err(failed(OPERATION))?;
        caller(said)
    }
}

pub(super) const OPERATION: &str = "GetCallerIdentity";

pub(super) fn caller(
    said: aws_sdk_sts::operation::get_caller_identity::GetCallerIdentityOutput,
) -> Result<Caller, Failure> {
    let arn = required(OPERATION, "Arn", said.arn)?;
    Ok(Caller { arn, account: required(OPERATION, "Account", said.account)? })
}
