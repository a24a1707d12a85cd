//! How a rotation stands, and how it ended: what every surface says of it, in the same words.
//!
//! A rotation that left a group out is not plainly closed. Which groups those are is decided when it closes, and stands in the
//! cluster's tag `skipped` (`web-asg=unresolved api-asg=rejected`); the sentence is made by the reader.

use serde::Serialize;
use strum::IntoEnumIterator as _;

use super::rotation::RotationState;
use super::tag_text::word;
use crate::id::GroupName;

/// How a rotation stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, strum::EnumIter, strum::IntoStaticStr)]
#[serde(rename_all = "kebab-case")]
#[strum(serialize_all = "kebab-case")]
pub enum Standing {
    Open,
    Paused,
    Held,
    /// Stopped by a person.
    Aborted,
    /// Every host of every group in its scope runs its release.
    Closed,
    ClosedWithGroupsSkipped,
}

impl Standing {
    pub fn of(state: RotationState, aborted: bool, skipped: bool) -> Self {
        match state {
            RotationState::Open => Self::Open,
            RotationState::Paused => Self::Paused,
            RotationState::Held if aborted => Self::Aborted,
            RotationState::Held => Self::Held,
            RotationState::Closed if skipped => Self::ClosedWithGroupsSkipped,
            RotationState::Closed => Self::Closed,
        }
    }

    /// `closed-with-groups-skipped`
    pub fn word(self) -> &'static str {
        self.into()
    }

    /// For a sentence: `closed with groups skipped`
    pub const fn in_words(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Paused => "paused",
            Self::Held => "held",
            Self::Aborted => "aborted",
            Self::Closed => "closed",
            Self::ClosedWithGroupsSkipped => "closed with groups skipped",
        }
    }

    /// What a line of the log says of it, whose message is `rotation closed with groups skipped` or the like.
    pub fn of_line(message: &str) -> Option<Self> {
        let words = message.strip_prefix("rotation ")?;
        Self::iter().find(|standing| standing.in_words() == words)
    }

    pub const fn is_over(self) -> bool {
        matches!(self, Self::Closed | Self::ClosedWithGroupsSkipped)
    }

    /// No further host is taken, and hosts in flight finish.
    pub const fn is_stopped(self) -> bool {
        matches!(self, Self::Paused | Self::Held | Self::Aborted)
    }
}

/// Why a rotation leaves a group out, or some of its hosts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, strum::Display, strum::EnumString)]
#[serde(rename_all = "kebab-case")]
#[strum(serialize_all = "kebab-case")]
pub enum SkipCode {
    /// Its release is not found, or does not fit.
    Unresolved,
    /// The newest image failed here.
    Rejected,
    /// The newest image is deprecated, or tells no age where one is asked for.
    Refused,
    /// It was asked for by name, and has opted out.
    OptedOut,
    /// It was asked for by name, and AWS manages it.
    Managed,
    /// A detach would take traffic from its hosts, or skip its hooks.
    Exit,
    /// Some of its hosts are drained by others or in standby, and not on the release.
    Hosts,
}

/// A group that a rotation left out, as the tag says it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Skipped {
    /// As [`word`] writes it.
    pub group: String,
    pub code: SkipCode,
}

/// And why, in a sentence.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct SkippedGroup {
    pub group: GroupName,
    pub code: SkipCode,
    pub reason: String,
}

impl SkipCode {
    /// Where nothing is known but the code.
    pub const fn sentence(self) -> &'static str {
        match self {
            Self::Unresolved => "its release was not known",
            Self::Rejected => "the newest image failed there and is rejected",
            Self::Refused => "the newest image is refused",
            Self::OptedOut => "it has opted out",
            Self::Managed => "it is managed by AWS",
            Self::Exit => "a detach would take traffic from its hosts or skip its lifecycle hooks",
            Self::Hosts => "some of its hosts were left alone",
        }
    }
}

/// `web-asg: its release is not found; api-asg: ami-1 is rejected`
pub fn skipped_in_words(skipped: &[SkippedGroup]) -> String {
    skipped.iter().map(|of| format!("{}: {}", of.group, of.reason)).collect::<Vec<_>>().join("; ")
}

/// `web-asg=unresolved api-asg=rejected +3`: what finds no room is counted.
pub fn write_skipped(skipped: &[Skipped], room: usize) -> String {
    const COUNT: usize = 6;
    let mut text = String::new();
    for (n, Skipped { group, code }) in skipped.iter().enumerate() {
        let entry = format!("{}{group}={code}", if n == 0 { "" } else { " " });
        if text.chars().count() + entry.chars().count() + COUNT > room {
            return format!("{text} +{}", skipped.len() - n);
        }
        text += &entry;
    }
    text
}

/// A word that is none of ours says nothing; what was only counted still says that groups were skipped.
pub fn read_skipped(text: &str) -> Vec<Skipped> {
    let entry = |entry: &str| {
        let (group, code) = entry.rsplit_once('=')?;
        Some(Skipped { group: group.to_owned(), code: code.parse().ok()? })
    };
    text.split_whitespace().filter_map(entry).collect()
}

/// The group that a word of the tag stands for.
pub fn group_of<'a>(groups: impl Iterator<Item = &'a GroupName>, skipped: &Skipped) -> Option<&'a GroupName> {
    let mut groups = groups;
    groups.find(|name| word(name.as_str()) == skipped.group)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_skipped_is_read_back_and_what_finds_no_room_is_counted() {
        let of = |n: usize| Skipped { group: format!("group-{n}"), code: SkipCode::Unresolved };
        let few: Vec<Skipped> = (0..3).map(of).collect();
        let text = write_skipped(&few, 256);
        assert_eq!(text, "group-0=unresolved group-1=unresolved group-2=unresolved");
        assert_eq!(read_skipped(&text), few);
        let many: Vec<Skipped> = (0..100).map(of).collect();
        let text = write_skipped(&many, 256);
        assert!(text.len() <= 256 && text.ends_with(&format!(" +{}", 100 - read_skipped(&text).len())), "{text}");
        assert_eq!(read_skipped("nonsense web=soon"), []);
    }

    #[test]
    fn a_rotation_that_left_a_group_out_is_not_plainly_closed() {
        use RotationState::{Closed, Held, Open, Paused};
        for (state, aborted, skipped, word) in [
            (Open, false, false, "open"),
            (Open, false, true, "open"),
            (Paused, false, false, "paused"),
            (Held, false, false, "held"),
            (Held, true, false, "aborted"),
            (Closed, false, false, "closed"),
            (Closed, false, true, "closed-with-groups-skipped"),
        ] {
            assert_eq!(Standing::of(state, aborted, skipped).word(), word);
        }
    }
}
