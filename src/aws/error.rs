//! `SdkError` → [`Failure`], once, by error code.
//!
//! With an answer, its code decides (see `codes`). Without one, the chain of causes does: no credentials is a person's
//! business, all else is worth another try.
//!
//! Nothing of AWS's answer is lost: message (or the chain of causes) and request id stay in the failure, for the log.

use aws_credential_types::provider::error::CredentialsError;
use aws_sdk_ecs::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_ecs::operation::RequestId;

use super::codes::{by_status, classify};
use crate::effect::{CREDENTIALS_NOT_LOADED, CREDENTIALS_TIMEOUT, Failure, FailureKind};

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

/// What was refused in an answer that says success as a whole.
pub(super) fn refused(operation: &'static str, code: &str, message: String) -> Failure {
    const BAD_REQUEST: u16 = 400;
    let kind = classify(code, &message, BAD_REQUEST);
    Failure { kind, operation, code: code.to_owned(), message, request_id: None }
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
        CredentialsError::CredentialsNotLoaded(_) => (FailureKind::Credentials, CREDENTIALS_NOT_LOADED),
        CredentialsError::InvalidConfiguration(_) => (FailureKind::Credentials, "InvalidCredentialsConfiguration"),
        _ => (FailureKind::Credentials, "CredentialsProviderError"),
    };
    Some((judged.0, judged.1.to_owned()))
}

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
        assert_eq!((none.kind, none.code.as_str()), (FailureKind::Credentials, CREDENTIALS_NOT_LOADED));
    }
}
