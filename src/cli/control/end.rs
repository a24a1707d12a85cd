//! How a rotation that was followed has ended: in a word, in an exit code, and in words.

use serde::Serialize;

use crate::cli::exit;
use crate::id::GroupName;
use crate::plan::host::is_in_flight;
use crate::plan::outcome::{SkippedGroup, Standing};
use crate::plan::status::ClusterStatus;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    Closed,
    ClosedWithGroupsSkipped,
    Held,
    Aborted,
    /// It goes on when somebody lets it.
    Paused,
    Refused,
    /// No worker has said what became of the message.
    NoAnswer,
    /// It had not ended when the time was over.
    TimedOut,
    /// Another rotation has taken its place, and how it ended was not seen.
    NotSeen,
}

/// The last line, as `--json` prints it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct End {
    pub outcome: Outcome,
    /// Its id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rotation: Option<String>,
    /// Why, where there is more to say.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub skipped: Vec<SkippedGroup>,
    /// What a person can do about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

impl Outcome {
    pub const fn code(self) -> u8 {
        match self {
            Outcome::Closed => exit::OK,
            Outcome::ClosedWithGroupsSkipped => exit::SKIPPED,
            Outcome::Held => exit::HELD,
            Outcome::Aborted => exit::ABORTED,
            Outcome::Paused | Outcome::Refused | Outcome::NotSeen => exit::FAILED,
            Outcome::NoAnswer | Outcome::TimedOut => exit::NO_ANSWER,
        }
    }

    const fn words(self) -> &'static str {
        match self {
            Outcome::Closed => "closed",
            Outcome::ClosedWithGroupsSkipped => "closed with groups skipped",
            Outcome::Held => "held",
            Outcome::Aborted => "aborted",
            Outcome::Paused => "paused",
            Outcome::Refused => "refused",
            Outcome::NoAnswer => "no answer",
            Outcome::TimedOut => "not ended in time",
            Outcome::NotSeen => "its end was not seen",
        }
    }
}

impl End {
    pub fn new(outcome: Outcome) -> Self {
        Self { outcome, rotation: None, reason: None, skipped: Vec::new(), next: None }
    }

    /// How the rotation has ended; None: it goes on, or waits for somebody. `groups`: what was asked for, empty for all.
    /// `idle`: nothing was seen that had to be replaced.
    pub fn of(status: &ClusterStatus, groups: &[GroupName], idle: bool) -> Option<Self> {
        let rotation = status.rotation.as_ref()?;
        let cluster = &status.cluster;
        let hold = || status.hold.clone().unwrap_or_default();
        let again = || Some(format!("ecs-rotator rotate --cluster {cluster}"));
        let end = match rotation.state {
            Standing::Open | Standing::Paused => return None,
            Standing::Aborted => Self { reason: Some(hold()), next: again(), ..Self::new(Outcome::Aborted) },
            Standing::Held => {
                let next = status.to_do.first().map(|way| format!("{}: {}", way.when, way.command));
                Self { reason: Some(hold()), next, ..Self::new(Outcome::Held) }
            }
            Standing::Closed | Standing::ClosedWithGroupsSkipped => match skipped(status, groups) {
                none if none.is_empty() => {
                    Self { reason: Some(of_closed(status, groups, idle)), ..Self::new(Outcome::Closed) }
                }
                skipped => {
                    let next = Some(format!("once fixed: ecs-rotator rotate --cluster {cluster}"));
                    Self { skipped, next, ..Self::new(Outcome::ClosedWithGroupsSkipped) }
                }
            },
        };
        Some(Self { rotation: Some(rotation.id.clone()), ..end })
    }
}

fn of_closed(status: &ClusterStatus, groups: &[GroupName], idle: bool) -> String {
    if idle {
        return "nothing to replace: every host is current".to_owned();
    }
    let names = groups.iter().map(GroupName::as_str).collect::<Vec<_>>().join(", ");
    let of = if names.is_empty() { String::new() } else { format!("{names} of ") };
    format!("every host of {of}cluster {} runs its release", status.cluster)
}

/// What it left out of what was asked for.
fn skipped(status: &ClusterStatus, groups: &[GroupName]) -> Vec<SkippedGroup> {
    let asked = |group: &GroupName| groups.is_empty() || groups.contains(group);
    status.skipped.iter().filter(|skipped| asked(&skipped.group)).cloned().collect()
}

/// Is there a host that has to go, or is on its way?
pub fn has_work(status: &ClusterStatus) -> bool {
    status.current < status.hosts || status.in_flight.iter().any(|host| is_in_flight(host.phase))
}

/// For people: a line for how it ended, and one for what comes next.
impl std::fmt::Display for End {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let skipped = self.skipped.iter().map(|SkippedGroup { group, reason, .. }| format!("{group} ({reason})"));
        let why: Vec<String> = self.reason.iter().cloned().chain(skipped).collect();
        f.write_str(self.outcome.words())?;
        if !why.is_empty() {
            write!(f, ": {}", why.join("; "))?;
        }
        if let Some(next) = &self.next {
            write!(f, "\nnext: {next}")?;
        }
        Ok(())
    }
}
