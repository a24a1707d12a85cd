//! What AWS's error codes mean.
//!
//! Services spell the same trouble in many ways (`Throttling`, `ThrottlingException`, `RequestLimitExceeded`, …), so the
//! code is looked up in one table. A few calls say with their message what their code does not; those have a row in a
//! second table, which goes first. A code in neither is judged by how it ends, then by the HTTP status.

use crate::effect::FailureKind;

pub(super) fn classify(code: &str, message: &str, status: u16) -> FailureKind {
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

pub(super) const fn by_status(status: u16) -> FailureKind {
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
    // Of a launch template whose parts the caller may not use (`ec2:RunInstances`, `iam:PassRole`).
    ("ValidationError", "You are not authorized to", FailureKind::AccessDenied),
    // SSM is told the type of a new parameter only, and we make none.
    ("ValidationException", "type is required when you create", FailureKind::NotFound),
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
            "KMS.ThrottlingException",
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
            "KMS.AccessDeniedException",
            "KMS.OptInRequired",
            "KmsAccessDenied",
            "KmsOptInRequired",
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
        &[
            "AWS.SimpleQueueService.NonExistentQueue",
            // Deregistered.
            "InvalidAMIID.Unavailable",
            "InvalidLaunchTemplateId.VersionNotFound",
            "QueueDoesNotExist",
        ],
    ),
    // The queue is there, and its key is not. (SQS says its codes in the query protocol's words as well.)
    (FailureKind::Refused, &["KMS.NotFoundException", "KmsNotFound"]),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_a_kind_whatever_the_status() {
        use FailureKind as K;
        for (code, kind) in [
            ("ThrottlingException", K::Throttled),
            ("Throttling", K::Throttled),
            ("RequestLimitExceeded", K::Throttled),
            ("TooManyRequestsException", K::Throttled),
            ("TooManyUpdates", K::Throttled),
            ("RequestThrottled", K::Throttled),
            ("ResourceContention", K::Transient),
            ("ResourceContentionFault", K::Transient),
            ("ScalingActivityInProgress", K::Transient),
            ("ScalingActivityInProgressFault", K::Transient),
            ("InternalError", K::Transient),
            ("InternalServerError", K::Transient),
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
            ("InvalidAMIID.NotFound", K::NotFound),
            ("InvalidAMIID.Unavailable", K::NotFound),
            ("ParameterNotFound", K::NotFound),
            ("ParameterVersionNotFound", K::NotFound),
            ("ServiceNotFoundException", K::NotFound),
            ("QueueDoesNotExist", K::NotFound),
            ("AWS.SimpleQueueService.NonExistentQueue", K::NotFound),
            ("KMS.AccessDeniedException", K::AccessDenied),
            ("KMS.OptInRequired", K::AccessDenied),
            ("KMS.ThrottlingException", K::Throttled),
            ("KMS.NotFoundException", K::Refused),
            ("KMS.DisabledException", K::Refused),
            ("KMS.InvalidStateException", K::Refused),
            ("KMS.InvalidKeyUsageException", K::Refused),
            ("KmsAccessDenied", K::AccessDenied),
            ("KmsOptInRequired", K::AccessDenied),
            ("KmsThrottled", K::Throttled),
            ("KmsNotFound", K::Refused),
            ("InvalidParameterException", K::Refused),
            ("InvalidAMIID.Malformed", K::Refused),
            ("InvalidAMIName.Malformed", K::Refused),
            ("OperationNotPermitted", K::Refused),
            ("ParameterMaxVersionLimitExceeded", K::Refused),
            ("ParameterPatternMismatchException", K::Refused),
            ("UnsupportedFeatureException", K::Refused),
            ("UnsupportedOperation", K::Refused),
            ("launchTemplateIdMalformed", K::Refused),
            ("unexpectedError", K::Refused),
            ("ValidationError", K::Refused),
            ("SomethingNew", K::Refused),
        ] {
            assert_eq!(classify(code, "no", 400), kind, "{code}");
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
            ("ValidationError", "The instance i-1 is not in InService or Standby.", FailureKind::Refused),
            ("ValidationError", "You are not authorized to use launch template: lt-1", FailureKind::AccessDenied),
            ("ValidationException", "A parameter type is required when you create a parameter.", FailureKind::NotFound),
            ("ValidationException", "The following data type is not supported: x", FailureKind::Refused),
            (
                "InvalidParameterException",
                "The specified cluster is inactive. Specify an active one.",
                FailureKind::NotFound,
            ),
        ] {
            assert_eq!(classify(code, message, 400), kind, "{message}");
        }
    }
}
