//! Who calls, and how far is the clock off?

use std::sync::{Arc, Mutex, PoisonError};

use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::interceptors::context::BeforeDeserializationInterceptorContextRef;
use aws_smithy_runtime_api::client::interceptors::{Intercept, dyn_dispatch_hint};
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::config_bag::ConfigBag;
use jiff::{SignedDuration, Timestamp};

use super::Examiner;
use crate::aws::error::failed;
use crate::aws::identity;
use crate::aws::worker::now;
use crate::doctor::facts::{Caller, Found};

impl Examiner {
    /// Every answer says when it was given, one that refuses too.
    pub(super) async fn caller(&self) -> (Found<Caller>, Option<SignedDuration>) {
        let clock = ReadsTheDate::default();
        let call = self.aws.sts.get_caller_identity().customize().interceptor(clock.clone());
        let caller = call.send().await.map_err(failed(identity::OPERATION)).and_then(identity::caller);
        (caller, clock.before_aws())
    }
}

/// When AWS answered by its clock, and by ours.
#[derive(Clone, Debug, Default)]
struct ReadsTheDate(Arc<Mutex<Option<(Timestamp, Timestamp)>>>);

impl ReadsTheDate {
    fn before_aws(&self) -> Option<SignedDuration> {
        let seen = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        seen.map(|(theirs, ours)| ours.duration_since(theirs))
    }
}

#[dyn_dispatch_hint]
impl Intercept for ReadsTheDate {
    fn name(&self) -> &'static str {
        "ReadsTheDate"
    }

    fn read_before_deserialization(
        &self,
        context: &BeforeDeserializationInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let date = context.response().headers().get("date").and_then(date);
        if let Some(theirs) = date {
            *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some((theirs, now()));
        }
        Ok(())
    }
}

/// `Wed, 14 Jan 2026 03:10:00 GMT`
fn date(text: &str) -> Option<Timestamp> {
    jiff::fmt::rfc2822::DateTimeParser::new().parse_timestamp(text).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_date_of_an_answer_is_read() {
        assert_eq!(date("Wed, 14 Jan 2026 03:10:00 GMT"), Some("2026-01-14T03:10:00Z".parse().unwrap()));
        assert_eq!(date("today"), None);
    }
}
