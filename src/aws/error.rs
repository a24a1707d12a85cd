//! `SdkError` → [`Failure`], once, by error code.
//!
//! Services spell the same trouble in many ways (`Throttling`, `ThrottlingException`, `RequestLimitExceeded`, …), so the
//! code is looked up in one table. A few calls say with their message what their code does not; those have a row in a
//! second table, which goes first. A code in neither is judged by how it ends, then by the HTTP status. Where there was
//! no answer at all, the chain of causes decides: no credentials is a person's business, all else is worth another try.
//!
//! Nothing of AWS's answer is lost: message (or the chain of causes) and request id stay in the failure, for the log.

use aws_credential_types::provider::error::CredentialsError;
use aws_sdk_ecs::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_ecs::operation::RequestId;

use crate::effect::{Failure, FailureKind};

/// Our word for a provider of credentials that did not answer in time.
pub(super) const CREDENTIALS_TIMEOUT: &str = "CredentialsTimeout";

/// `call.send().await.map_err(failed("ListClusters"))`
pub(super) fn failed<E>(operation: &'static str) -> impl FnOnce(SdkError<E>) -> Failure
where
    E: ProvideErrorMetadata + std::error::Error + 'static,
{
    move |error| {
        let (kind, code) = judge(&error);
        let message = match error.message() {
            Some(message) => message.to_owned(),
            None => chain(&error),
        };
        let request_id = error.request_id().or_else(|| error.meta().request_id()).map(str::to_owned);
        Failure { kind, operation, code, message, request_id }
    }
}

/// The answer lacks something that the API promises: as good as no answer.
pub(super) fn incomplete(operation: &'static str, lacks: &'static str) -> Failure {
    Failure {
        kind: FailureKind::Transient,
        operation,
        code: "IncompleteAnswer".to_owned(),
        message: format!("the answer has no {lacks}"),
        request_id: None,
    }
}

fn judge<E>(error: &SdkError<E>) -> (FailureKind, String)
where
    E: ProvideErrorMetadata + std::error::Error + 'static,
{
    if let Some(judged) = lack_of_credentials(error) {
        return judged;
    }
    let status = error.raw_response().map_or(0, |raw| raw.status().as_u16());
    match error {
        SdkError::ConstructionFailure(_) => (FailureKind::Refused, "Construction".to_owned()),
        SdkError::TimeoutError(_) => (FailureKind::Transient, "Timeout".to_owned()),
        SdkError::DispatchFailure(failure) if failure.is_timeout() => (FailureKind::Transient, "Timeout".to_owned()),
        SdkError::DispatchFailure(_) => (FailureKind::Transient, "Dispatch".to_owned()),
        SdkError::ResponseError(_) => (FailureKind::Transient, "Response".to_owned()),
        SdkError::ServiceError(_) => match error.code() {
            Some(code) => (classify(code, error.message().unwrap_or_default(), status), code.to_owned()),
            None => (by_status(status), format!("Http{status}")),
        },
        // The SDK's enum may grow.
        _ => (FailureKind::Transient, "Unknown".to_owned()),
    }
}

/// Whatever kept the SDK from having credentials, if that is what went wrong.
#[expect(clippy::wildcard_enum_match_arm, reason = "the SDK's enum may grow")]
fn lack_of_credentials(error: &(dyn std::error::Error + 'static)) -> Option<(FailureKind, String)> {
    let cause = causes(error).find_map(|cause| cause.downcast_ref::<CredentialsError>())?;
    let judged = match cause {
        CredentialsError::ProviderTimedOut(_) => (FailureKind::Transient, CREDENTIALS_TIMEOUT),
        CredentialsError::CredentialsNotLoaded(_) => (FailureKind::Credentials, "CredentialsNotLoaded"),
        CredentialsError::InvalidConfiguration(_) => (FailureKind::Credentials, "InvalidCredentialsConfiguration"),
        _ => (FailureKind::Credentials, "CredentialsProviderError"),
    };
    Some((judged.0, judged.1.to_owned()))
}

fn classify(code: &str, message: &str, status: u16) -> FailureKind {
    let said = MESSAGES.iter().find(|(c, fragment, _)| *c == code && message.contains(fragment));
    if let Some((_, _, kind)) = said {
        return *kind;
    }
    if let Some((kind, _)) = CODES.iter().find(|(_, codes)| codes.contains(&code)) {
        return *kind;
    }
    // EC2 has a `.NotFound` for each kind of thing, other services a `…NotFoundException`.
    if ["NotFound", "NotFoundException"].iter().any(|end| code.ends_with(end)) {
        return FailureKind::NotFound;
    }
    by_status(status)
}

const fn by_status(status: u16) -> FailureKind {
    match status {
        429 => FailureKind::Throttled,
        500..=599 => FailureKind::Transient,
        _ => FailureKind::Refused,
    }
}

/// (code, part of the message, what it means)
const MESSAGES: &[(&str, &str, FailureKind)] = &[
    // Auto Scaling has one code for all that it refuses.
    ("ValidationError", "AutoScalingGroup name not found", FailureKind::NotFound),
    ("ValidationError", "is not part of Auto Scaling group", FailureKind::NotFound),
    // The instance is on its way in or out of the group: later it is in, or gone.
    ("ValidationError", "is not in InService or Standby", FailureKind::Transient),
    // ECS's word for a deleted cluster.
    ("InvalidParameterException", "cluster is inactive", FailureKind::NotFound),
    ("ClientException", "cluster is inactive", FailureKind::NotFound),
];

/// Which codes mean what; what is in no row is judged by [`classify`].
const CODES: &[(FailureKind, &[&str])] = &[
    (
        FailureKind::Throttled,
        &[
            "BandwidthLimitExceeded",
            "EC2ThrottledException",
            "KmsThrottled",
            "OverLimit",
            "PriorRequestNotComplete",
            "RequestLimitExceeded",
            "RequestThrottled",
            "RequestThrottledException",
            "SlowDown",
            "ThrottledException",
            "Throttling",
            "ThrottlingException",
            "TooManyRequests",
            "TooManyRequestsException",
            "TooManyUpdates",
        ],
    ),
    (
        FailureKind::Transient,
        &[
            "IDPCommunicationError",
            "InternalError",
            "InternalFailure",
            "InternalServerError",
            "RequestTimeout",
            "RequestTimeoutException",
            "ResourceContention",
            "ResourceContentionFault",
            "ScalingActivityInProgress",
            "ScalingActivityInProgressFault",
            "ServerException",
            "ServiceUnavailable",
            "Unavailable",
            "UpdateInProgressException",
        ],
    ),
    (
        FailureKind::AccessDenied,
        &[
            "AccessDenied",
            "AccessDeniedException",
            "AuthorizationError",
            "Blocked",
            "BlockedException",
            "KmsAccessDenied",
            "NotAuthorized",
            "OptInRequired",
            "UnauthorizedAccess",
            "UnauthorizedOperation",
        ],
    ),
    (
        FailureKind::Credentials,
        &[
            "AuthFailure",
            "ExpiredToken",
            "ExpiredTokenException",
            "IncompleteSignature",
            "InvalidAccessKeyId",
            "InvalidClientTokenId",
            "InvalidSecurity",
            "InvalidSignatureException",
            "MissingAuthenticationToken",
            "MissingAuthenticationTokenException",
            // EC2 says it of an expired session, and everybody of a clock that is wrong.
            "RequestExpired",
            "RequestTimeTooSkewed",
            "SignatureDoesNotMatch",
            "TokenRefreshRequired",
            "UnrecognizedClientException",
        ],
    ),
    (
        FailureKind::NotFound,
        &["AWS.SimpleQueueService.NonExistentQueue", "InvalidLaunchTemplateId.VersionNotFound", "QueueDoesNotExist"],
    ),
];

/// The error and its causes, outermost first, each said once.
fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut texts: Vec<String> = Vec::new();
    for cause in causes(error) {
        let text = cause.to_string();
        if !texts.iter().any(|said| said.contains(&text)) {
            texts.push(text);
        }
    }
    texts.join(": ")
}

fn causes<'e>(
    error: &'e (dyn std::error::Error + 'static),
) -> impl Iterator<Item = &'e (dyn std::error::Error + 'static)> {
    std::iter::successors(Some(error), |cause| cause.source())
}

#[cfg(test)]
mod tests {
    use aws_sdk_ecs::error::{ConnectorError, ErrorMetadata};
    use aws_sdk_ecs::operation::list_clusters::ListClustersError;
    use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
    use aws_smithy_runtime_api::http::StatusCode;
    use aws_smithy_types::body::SdkBody;

    use super::*;

    fn answer(status: u16, code: Option<&str>, message: &str) -> SdkError<ListClustersError> {
        let mut meta = ErrorMetadata::builder().message(message);
        if let Some(code) = code {
            meta = meta.code(code);
        }
        let mut response = HttpResponse::new(StatusCode::try_from(status).unwrap(), SdkBody::empty());
        response.headers_mut().insert("x-amzn-requestid", "req-1");
        SdkError::service_error(ListClustersError::generic(meta.build()), response)
    }

    fn failure(error: SdkError<ListClustersError>) -> Failure {
        failed("ListClusters")(error)
    }

    #[test]
    fn a_code_is_a_kind_whatever_the_status() {
        use FailureKind as K;
        for (code, kind) in [
            ("ThrottlingException", K::Throttled),
            ("Throttling", K::Throttled),
            ("RequestLimitExceeded", K::Throttled),
            ("TooManyRequestsException", K::Throttled),
            ("RequestThrottled", K::Throttled),
            ("ResourceContention", K::Transient),
            ("ResourceContentionFault", K::Transient),
            ("ScalingActivityInProgress", K::Transient),
            ("ScalingActivityInProgressFault", K::Transient),
            ("InternalError", K::Transient),
            ("ServerException", K::Transient),
            ("AccessDenied", K::AccessDenied),
            ("AccessDeniedException", K::AccessDenied),
            ("UnauthorizedOperation", K::AccessDenied),
            ("AuthorizationError", K::AccessDenied),
            ("ExpiredToken", K::Credentials),
            ("ExpiredTokenException", K::Credentials),
            ("RequestExpired", K::Credentials),
            ("UnrecognizedClientException", K::Credentials),
            ("InvalidClientTokenId", K::Credentials),
            ("SignatureDoesNotMatch", K::Credentials),
            ("AuthFailure", K::Credentials),
            ("ClusterNotFoundException", K::NotFound),
            ("InvalidInstanceID.NotFound", K::NotFound),
            ("InvalidLaunchTemplateId.NotFound", K::NotFound),
            ("InvalidLaunchTemplateName.NotFoundException", K::NotFound),
            ("InvalidLaunchTemplateId.VersionNotFound", K::NotFound),
            ("QueueDoesNotExist", K::NotFound),
            ("AWS.SimpleQueueService.NonExistentQueue", K::NotFound),
            ("InvalidParameterException", K::Refused),
            ("OperationNotPermitted", K::Refused),
            ("ValidationError", K::Refused),
            ("SomethingNew", K::Refused),
        ] {
            assert_eq!(failure(answer(400, Some(code), "no")).kind, kind, "{code}");
        }
    }

    #[test]
    fn some_messages_say_more_than_their_code() {
        for (code, message, kind) in [
            (
                "ValidationError",
                "AutoScalingGroup name not found - AutoScalingGroup web not found",
                FailureKind::NotFound,
            ),
            ("ValidationError", "The instance i-1 is not part of Auto Scaling group web.", FailureKind::NotFound),
            ("ValidationError", "The instance i-1 is not in InService or Standby.", FailureKind::Transient),
            (
                "InvalidParameterException",
                "The specified cluster is inactive. Specify an active one.",
                FailureKind::NotFound,
            ),
        ] {
            assert_eq!(failure(answer(400, Some(code), message)).kind, kind, "{message}");
        }
    }

    #[test]
    fn an_unknown_code_and_no_code_are_judged_by_the_status() {
        for (status, code, kind, said) in [
            (500, Some("SomethingNew"), FailureKind::Transient, "SomethingNew"),
            (503, None, FailureKind::Transient, "Http503"),
            (429, None, FailureKind::Throttled, "Http429"),
            (400, None, FailureKind::Refused, "Http400"),
        ] {
            let failure = failure(answer(status, code, ""));
            assert_eq!((failure.kind, failure.code.as_str()), (kind, said));
        }
    }

    #[test]
    fn message_and_request_id_are_kept() {
        let failure = failure(answer(400, Some("AccessDeniedException"), "no ecs:ListClusters for you"));
        assert_eq!(failure.message, "no ecs:ListClusters for you");
        assert_eq!(failure.request_id.as_deref(), Some("req-1"));
        assert_eq!(failure.operation, "ListClusters");
    }

    #[test]
    fn without_an_answer_the_causes_decide() {
        let refused = failure(SdkError::dispatch_failure(ConnectorError::io("connection refused".into())));
        assert_eq!((refused.kind, refused.code.as_str()), (FailureKind::Transient, "Dispatch"));
        assert!(refused.message.contains("connection refused"), "{}", refused.message);
        let slow = failure(SdkError::timeout_error("too slow"));
        assert_eq!((slow.kind, slow.code.as_str()), (FailureKind::Transient, "Timeout"));
        let none = CredentialsError::not_loaded("no providers in the chain");
        let none = failure(SdkError::dispatch_failure(ConnectorError::other(none.into(), None)));
        assert_eq!((none.kind, none.code.as_str()), (FailureKind::Credentials, "CredentialsNotLoaded"));
    }
}
