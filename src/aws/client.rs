//! How AWS is called: clients, credentials, retries, timeouts.
//!
//! Where region, credentials and endpoints come from is the SDK's usual chain (environment, profile, container, instance),
//! so `AWS_PROFILE`, `AWS_ENDPOINT_URL`, `AWS_ENDPOINT_URL_SQS`, `HTTPS_PROXY` and the like work as they do everywhere.

use std::time::Duration;

use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_sdk_ecs::config::SharedHttpClient;
use aws_smithy_http_client::proxy::ProxyConfig;
use aws_smithy_http_client::tls::{Provider, rustls_provider::CryptoMode};
use aws_smithy_http_client::{Builder, Connector};

use super::Aws;
use super::preflight::NotUsable;

/// Three attempts within a second or two hide the hiccup that nobody needs to know of. What lasts longer is the engine's:
/// it backs off, slows down and says so, which it could not while the SDK still hid the failure from it.
const ATTEMPTS: u32 = 3;
/// Shorter than any pass can want; a handshake that takes longer has been lost.
const CONNECT: Duration = Duration::from_secs(3);
/// The slowest answers here are pages of a thousand instances: a few seconds.
const ATTEMPT: Duration = Duration::from_secs(20);
/// All attempts and their pauses together: well below the visibility of a message, which waits for a pass.
const OPERATION: Duration = Duration::from_secs(45);

impl Aws {
    /// Clients for one queue and for the fleet of the region. Makes no call.
    ///
    /// # Errors
    /// Without a region there is nothing to talk to.
    pub async fn connect(queue_url: &str) -> Result<Self, NotUsable> {
        Self::connect_in(None, queue_url).await
    }

    /// The same in a region that is not the environment's.
    ///
    /// # Errors
    /// Without a region there is nothing to talk to.
    pub async fn connect_in(region: Option<String>, queue_url: &str) -> Result<Self, NotUsable> {
        let (config, region) = from_environment(region).await?;
        Ok(Self::with_config(&config, region, queue_url))
    }

    /// The same for a configuration that is not the environment's.
    #[must_use]
    pub fn with_config(config: &SdkConfig, region: String, queue_url: &str) -> Self {
        Self {
            sqs: aws_sdk_sqs::Client::new(config),
            ecs: aws_sdk_ecs::Client::new(config),
            autoscaling: aws_sdk_autoscaling::Client::new(config),
            cloudwatch: aws_sdk_cloudwatch::Client::new(config),
            ec2: aws_sdk_ec2::Client::new(config),
            eventbridge: aws_sdk_eventbridge::Client::new(config),
            ssm: aws_sdk_ssm::Client::new(config),
            sts: aws_sdk_sts::Client::new(config),
            queue_url: queue_url.to_owned(),
            local: None,
            region,
        }
    }
}

/// The configuration that the environment has, and its region, if it is not given.
pub(super) async fn from_environment(region: Option<String>) -> Result<(SdkConfig, String), NotUsable> {
    let loader = aws_config::defaults(BehaviorVersion::latest())
        .http_client(http_client())
        .retry_config(RetryConfig::standard().with_max_attempts(ATTEMPTS))
        .timeout_config(timeouts());
    let loader = match region {
        Some(region) => loader.region(Region::new(region)),
        None => loader,
    };
    let config = loader.load().await;
    // An empty variable is a region to the SDK.
    let region = config.region().map(ToString::to_string).filter(|region| !region.is_empty());
    let region = region.ok_or(NotUsable::NoRegion)?;
    Ok((config, region))
}

fn timeouts() -> TimeoutConfig {
    TimeoutConfig::builder()
        .connect_timeout(CONNECT)
        .operation_attempt_timeout(ATTEMPT)
        .operation_timeout(OPERATION)
        .build()
}

/// rustls with ring (no C toolchain needed to build it), and the proxy that the environment names, if any.
fn http_client() -> SharedHttpClient {
    Builder::new().build_with_connector_fn(|settings, components| {
        let mut connector = Connector::builder().proxy_config(ProxyConfig::from_env());
        connector.set_connector_settings(settings.cloned());
        connector.set_sleep_impl(components.and_then(|components| components.sleep_impl()));
        connector.tls_provider(Provider::Rustls(CryptoMode::Ring)).build()
    })
}
