//! AWS's types → ours.
//!
//! A thing without its identity, or without the fact that decides over it (an instance's image, state and launch time),
//! makes the whole answer incomplete: what is shown in part must not look like what is there. Anything else that may be
//! missing is an `Option` on our side as well.

pub(super) mod cluster;
pub(super) mod fleet;
pub(super) mod images;
mod launch;
pub(super) mod parameters;
pub(super) mod services;

use aws_sdk_ec2::types as ec2;
use aws_smithy_types::DateTime;
use jiff::Timestamp;

use super::error::incomplete;
use crate::effect::Failure;
use crate::id::{PageToken, TemplateId};

/// For a field that the API promises.
pub(super) fn required<T>(operation: &'static str, name: &'static str, value: Option<T>) -> Result<T, Failure> {
    value.ok_or_else(|| incomplete(operation, name))
}

pub(super) fn texts<T: ToString>(ids: &[T]) -> Vec<String> {
    ids.iter().map(T::to_string).collect()
}

pub(super) fn token(page: Option<&PageToken>) -> Option<String> {
    page.map(PageToken::to_string)
}

/// Some services end with an empty token instead of none.
pub(super) fn next_page(token: Option<String>) -> Option<PageToken> {
    token.filter(|text| !text.is_empty()).map(PageToken::new)
}

pub(super) fn timestamp(time: &DateTime) -> Option<Timestamp> {
    Timestamp::new(time.secs(), i32::try_from(time.subsec_nanos()).ok()?).ok()
}

/// A launch template is named by its id or by its name, and each has a field of its own: `(id, name)`.
pub(super) fn id_or_name(template: &TemplateId) -> (Option<String>, Option<String>) {
    let text = template.to_string();
    if text.starts_with("lt-") { (Some(text), None) } else { (None, Some(text)) }
}

/// EC2 writes `windows`, and its model `Windows`.
fn is_windows(platform: Option<&ec2::PlatformValues>) -> bool {
    platform.is_some_and(|platform| platform.as_str().eq_ignore_ascii_case("windows"))
}

fn count(number: i32) -> u32 {
    u32::try_from(number).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_template_is_sent_by_id_or_by_name() {
        assert_eq!(id_or_name(&"lt-1".into()), (Some("lt-1".to_owned()), None));
        assert_eq!(id_or_name(&"web".into()), (None, Some("web".to_owned())));
    }

    #[test]
    fn windows_is_windows_however_it_is_written() {
        for (platform, windows) in [(None, false), (Some("windows"), true), (Some("Windows"), true)] {
            assert_eq!(is_windows(platform.map(ec2::PlatformValues::from).as_ref()), windows, "{platform:?}");
        }
    }

    #[test]
    fn an_empty_token_is_no_page() {
        assert_eq!(next_page(Some(String::new())), None);
        assert_eq!(next_page(Some("x".to_owned())), Some("x".into()));
    }
}
