//! What a worker is for.

use tracing::error;

use crate::effect::{Failure, FailureKind, Request};
use crate::plan::policy::BadSetting;

/// What a worker is for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// It tells what it would do, and changes nothing: no tag either.
    Observe,
    #[default]
    Rotate,
}

impl Mode {
    pub const ALL: [Self; 2] = [Self::Observe, Self::Rotate];

    pub const fn word(self) -> &'static str {
        match self {
            Mode::Observe => "observe",
            Mode::Rotate => "rotate",
        }
    }

    pub const fn changes(self) -> bool {
        match self {
            Mode::Observe => false,
            Mode::Rotate => true,
        }
    }
}

/// `observe` or `rotate`.
impl std::str::FromStr for Mode {
    type Err = BadSetting;

    fn from_str(text: &str) -> Result<Self, BadSetting> {
        let mode = Self::ALL.into_iter().find(|mode| mode.word() == text.trim());
        mode.ok_or_else(|| BadSetting { expected: "`observe` or `rotate`", got: text.to_owned() })
    }
}

impl std::fmt::Display for Mode {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.word())
    }
}

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
