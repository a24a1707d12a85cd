//! What a worker is for.

use tracing::error;

use crate::effect::{Failure, FailureKind, Request};
use crate::plan::policy::one_word;

/// What a worker is for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, strum::Display, strum::EnumIter, strum::IntoStaticStr)]
#[strum(serialize_all = "kebab-case")]
pub enum Mode {
    /// It tells what it would do, and changes nothing: no tag either.
    Observe,
    #[default]
    Rotate,
}

impl Mode {
    pub fn word(self) -> &'static str {
        self.into()
    }

    pub const fn changes(self) -> bool {
        match self {
            Mode::Observe => false,
            Mode::Rotate => true,
        }
    }
}

one_word!(Mode, "`observe` or `rotate`");

/// The gate through which every call leaves: the answer to one that does not.
///
/// # Errors
/// When it would change something, and nothing is to be changed.
pub fn let_out(mode: Mode, request: &Request) -> Result<(), Failure> {
    if mode.changes() || !request.is_effect() {
        return Ok(());
    }
    let operation = request.operation();
    error!(operation, "not called: it would change something, and this only observes: this is a defect of ecs-rotator");
    Err(Failure {
        kind: FailureKind::Refused,
        operation,
        code: "OnlyObserves".to_owned(),
        message: "it would change something, and nothing is to be changed here".to_owned(),
        request_id: None,
    })
}
