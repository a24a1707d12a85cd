//! Why a rotation stops by itself: each problem with the hosts or the group it is about, and what a person can do.
//!
//! The text becomes a tag of the cluster, so ids come first: they are what must not be cut off.

use std::collections::BTreeSet;

use jiff::SignedDuration;

use super::admission::Blocked;
use crate::id::{AmiId, GroupName, InstanceId};

/// One reason to hold.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Problem {
    /// Some task of this host has not stopped in time.
    DrainOverdue { host: InstanceId, after: String, tasks: usize, blockers: Option<String> },
    /// These hosts were detached, and no replacement became whole in time.
    NoReplacement { group: GroupName, hosts: BTreeSet<InstanceId>, after: String, why: Option<String> },
    /// An image failed here, and is not tried again by itself.
    BadRelease { group: GroupName, why: String },
    /// A host's drain has lasted so long that it is given back to its group.
    GivenUp { host: InstanceId, after: String },
    /// A host that shall go back is not back.
    NotGivenBack { host: InstanceId, why: String },
    /// A host that came in place of a detached one does not run the release.
    WrongImage { group: GroupName, host: InstanceId, image: AmiId, release: String, waiting: BTreeSet<InstanceId> },
    /// Nobody could be admitted for too long.
    GroupBlocked { group: GroupName, why: String, after: String },
    /// AWS refused a call about this host.
    HostRefused { host: InstanceId, why: String },
    /// The worker lacks a permission.
    NotAllowed { why: String },
    /// AWS refused a change of a launch template, or of a group's pin on it.
    TemplateRefused { why: String },
}

impl Problem {
    pub fn blocked(group: &GroupName, why: &Blocked, after: SignedDuration) -> Self {
        Self::GroupBlocked { group: group.clone(), why: why.to_string(), after: in_words(after) }
    }
}

impl std::fmt::Display for Problem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Problem::DrainOverdue { host, after, tasks, blockers } => {
                let word = if *tasks == 1 { "task" } else { "tasks" };
                write!(f, "{host}: {tasks} {word} not stopped after {after} of draining")?;
                if let Some(blockers) = blockers {
                    write!(f, ": {blockers}")?;
                }
                f.write_str(": stop them or wait, then resume")
            }
            Problem::NoReplacement { group, hosts, after, why } => {
                let why = why.as_deref().unwrap_or("see the activity of the group");
                write!(f, "{}: no replacement in {group} after {after}: {why}", list(hosts))
            }
            Problem::BadRelease { group, why } => write!(f, "{group}: {why}"),
            Problem::GivenUp { host, after } => {
                write!(f, "{host}: given up after {after} of draining: it goes back to its group")
            }
            Problem::NotGivenBack { host, why } => write!(f, "{host}: not given back to its group: {why}"),
            Problem::WrongImage { group, host, image, release, waiting } => write!(
                f,
                "{}: the replacement {host} in {group} runs {image} and not {release}: see warm pool and overrides",
                list(waiting)
            ),
            Problem::GroupBlocked { group, why, after } => write!(f, "{group}: {why} for {after}"),
            Problem::HostRefused { host, why } => write!(f, "{host}: {why}"),
            Problem::NotAllowed { why } | Problem::TemplateRefused { why } => f.write_str(why),
        }
    }
}

/// All problems as one line.
pub fn reason(problems: &BTreeSet<Problem>) -> Option<String> {
    let lines: Vec<String> = problems.iter().map(ToString::to_string).collect();
    (!lines.is_empty()).then(|| lines.join("; "))
}

/// `1h`, `15m`, `1h 30m`
pub fn in_words(duration: SignedDuration) -> String {
    let seconds = duration.as_secs();
    let parts = [(seconds / 3600, "h"), (seconds / 60 % 60, "m"), (seconds % 60, "s")];
    let words: Vec<String> = parts.iter().filter(|(n, _)| *n > 0).map(|(n, unit)| format!("{n}{unit}")).collect();
    if words.is_empty() { "0s".to_owned() } else { words.join(" ") }
}

fn list(hosts: &BTreeSet<InstanceId>) -> String {
    hosts.iter().map(InstanceId::as_str).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_read_as_people_say_them() {
        for (seconds, words) in [(0, "0s"), (59, "59s"), (900, "15m"), (3600, "1h"), (5430, "1h 30m 30s")] {
            assert_eq!(in_words(SignedDuration::from_secs(seconds)), words);
        }
    }
}
