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
use aws_smithy_runtime_api::client::interceptors::context::InterceptorContext;
use aws_smithy_runtime_api::client::retries::classifiers::{
    ClassifyRetry, RetryAction, RetryClassifierPriority, RetryReason,
};
use aws_smithy_types::retry::ErrorKind;

use super::Aws;
use super::preflight::NotUsable;

/// Three attempts within a second or two hide the hiccup that nobody needs to know of. What lasts longer is the engine's:
/// it backs off, slows down and says so, which it could not while the SDK still hid the failure from it. A throttle is the
/// engine's from the first (see [`Aws::paced`]).
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

    /// For an engine, which counts the calls to the fleet: one that is throttled comes back at once, and is the engine's to
    /// make again. The queue has no pace, and is left as it is.
    pub(super) fn paced(self) -> Self {
        macro_rules! paced {
            ($of:ident: $client:expr) => {
                $of::Client::from_conf($client.config().to_builder().retry_classifier(LeavesThrottles).build())
            };
        }
        Self {
            ecs: paced!(aws_sdk_ecs: self.ecs),
            autoscaling: paced!(aws_sdk_autoscaling: self.autoscaling),
            cloudwatch: paced!(aws_sdk_cloudwatch: self.cloudwatch),
            ec2: paced!(aws_sdk_ec2: self.ec2),
            eventbridge: paced!(aws_sdk_eventbridge: self.eventbridge),
            ssm: paced!(aws_sdk_ssm: self.ssm),
            ..self
        }
    }
}

/// What the SDK has found to be a throttle is not made again by the SDK.
#[derive(Debug)]
struct LeavesThrottles;

impl ClassifyRetry for LeavesThrottles {
    fn classify_retry(&self, _: &InterceptorContext) -> RetryAction {
        RetryAction::NoActionIndicated
    }

    fn classify_retry_v2(&self, _: &InterceptorContext, previous: &RetryAction) -> RetryAction {
        let throttled = matches!(
            previous,
            RetryAction::RetryIndicated(RetryReason::RetryableError { kind: ErrorKind::ThrottlingError, .. })
        );
        if throttled { RetryAction::RetryForbidden } else { RetryAction::NoActionIndicated }
    }

    fn name(&self) -> &'static str {
        "leaves throttles to the engine"
    }

    /// After all others.
    fn priority(&self) -> RetryClassifierPriority {
        RetryClassifierPriority::run_after(RetryClassifierPriority::transient_error_classifier())
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

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::{TcpListener, TcpStream};
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use aws_credential_types::Credentials;

    use super::*;
    use crate::effect::{FailureKind, Request};

    /// Answers everything in this way, one request a connection; how many it was asked.
    fn answering(status: u16, code: &str) -> (String, Arc<AtomicUsize>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let body = format!(r#"{{"__type":"{code}","message":"Rate exceeded"}}"#);
        let head = format!("HTTP/1.1 {status} No\r\nconnection: close\r\ncontent-length: {}\r\n\r\n", body.len());
        let asked = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&asked);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream: TcpStream = stream.unwrap();
                let mut said = [0; 8192];
                assert!(stream.read(&mut said).unwrap() > 0);
                count.fetch_add(1, Ordering::Relaxed);
                stream.write_all(format!("{head}{body}").as_bytes()).unwrap();
            }
        });
        (endpoint, asked)
    }

    async fn asked(status: u16, code: &str, paced: bool) -> (FailureKind, usize) {
        let (endpoint, asked) = answering(status, code);
        let retries =
            RetryConfig::standard().with_max_attempts(ATTEMPTS).with_initial_backoff(Duration::from_millis(1));
        let config = aws_config::defaults(BehaviorVersion::latest())
            .region(Region::new("eu-west-1"))
            .endpoint_url(endpoint)
            .credentials_provider(Credentials::new("key", "secret", None, None, "tests"))
            .http_client(Builder::new().build_http())
            .retry_config(retries)
            .load()
            .await;
        let aws = Aws::with_config(&config, "eu-west-1".to_owned(), "");
        let aws = if paced { aws.paced() } else { aws };
        let failure = aws.perform(Request::ListClusters { page: None }).await.unwrap_err();
        (failure.kind, asked.load(Ordering::Relaxed))
    }

    /// A call that the pace counts once is made once.
    #[tokio::test]
    async fn a_throttle_is_the_engines_to_learn_from_and_a_hiccup_is_the_sdks_to_hide() {
        use FailureKind::{Throttled, Transient};
        assert_eq!(asked(400, "ThrottlingException", true).await, (Throttled, 1));
        assert_eq!(asked(503, "RequestLimitExceeded", true).await, (Throttled, 1));
        assert_eq!(asked(500, "ServerException", true).await, (Transient, 3));
        assert_eq!(asked(400, "ThrottlingException", false).await, (Throttled, 3), "where no engine is");
    }
}
