//! How the simulated AWS answers.

use std::fmt::Display;

use crate::effect::{FailureKind, ItemFailure, Reply};
use crate::id::PageToken;

/// Why AWS refuses a call: a [`Failure`] but for the operation's name.
#[derive(Debug)]
pub(super) struct Refusal {
    pub(super) kind: FailureKind,
    pub(super) code: &'static str,
    pub(super) message: String,
}

pub(super) type Answer = Result<Reply, Refusal>;

impl Refusal {
    pub(super) fn invalid(message: impl Into<String>) -> Self {
        Self { kind: FailureKind::Refused, code: "InvalidParameterException", message: message.into() }
    }

    pub(super) fn validation(message: impl Into<String>) -> Self {
        Self { kind: FailureKind::Refused, code: "ValidationError", message: message.into() }
    }

    pub(super) fn refused(code: &'static str, message: impl Into<String>) -> Self {
        Self { kind: FailureKind::Refused, code, message: message.into() }
    }

    pub(super) fn denied(message: impl Into<String>) -> Self {
        Self { kind: FailureKind::AccessDenied, code: "UnauthorizedOperation", message: message.into() }
    }

    pub(super) fn not_found(code: &'static str, what: impl Display) -> Self {
        Self { kind: FailureKind::NotFound, code, message: format!("{what} does not exist") }
    }
}

/// AWS refuses a batch that is too long as a whole.
pub(super) fn at_most<T>(items: &[T], most: usize) -> Result<(), Refusal> {
    if items.len() <= most {
        return Ok(());
    }
    Err(Refusal::validation(format!("{} items, at most {most} are allowed", items.len())))
}

pub(super) fn missing(item: impl Display) -> ItemFailure {
    ItemFailure { item: item.to_string(), reason: "MISSING".to_owned() }
}

/// One page of what is ordered by its keys; the token is the last key of the page before.
pub(super) fn page<T>(
    items: impl Iterator<Item = (String, T)>,
    token: Option<&PageToken>,
    size: usize,
) -> (Vec<T>, Option<PageToken>) {
    let mut items = items.skip_while(|(key, _)| token.is_some_and(|token| key.as_str() <= token.as_str())).peekable();
    let (mut page, mut last) = (Vec::new(), None);
    while page.len() < size
        && let Some((key, item)) = items.next()
    {
        page.push(item);
        last = Some(PageToken::new(key));
    }
    (page, last.filter(|_| items.peek().is_some()))
}
