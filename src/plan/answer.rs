//! What became of a person's message, as the worker leaves it on the cluster: its tag `answer`.
//!
//! `74bacd35=paused 0a1b2c3d=nothing-to-do:closed`: the first eight characters of the message's id and a code, the newest
//! last, as many as fit. It is written in the same call as the change that it tells of, so where it stands the change was
//! made, and a message that is delivered once more is one that has been answered.

use strum::IntoEnumIterator as _;

use super::rotation::RotationState;
use super::tag_text::LONGEST_VALUE;

/// Enough to tell some messages apart, and short enough for many of them in one tag.
const KEY_LENGTH: usize = 8;

/// By which the sender of a message finds its answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MessageKey(String);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// A rotation has begun.
    Opened,
    /// One is under way, and it is about what was asked for as well.
    Joined,
    /// The same; it is paused, and goes on with `resume`.
    JoinedPaused,
    Resumed,
    Paused,
    Aborted,
    /// In this state there is nothing to pause, to resume or to abort; None: there has been no rotation.
    NothingToDo(Option<RotationState>),
    Refused(Refusal),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, strum::EnumIter, strum::IntoStaticStr)]
#[strum(serialize_all = "kebab-case")]
pub enum Refusal {
    /// None by one of these names is in the cluster.
    NoSuchGroup,
    /// The cluster has none at all.
    NoGroups,
    /// Some groups were to be forced while a rotation of others is under way.
    ForcedScope,
    /// The names of these groups do not fit into a tag.
    ScopeTooLong,
    /// The name of one of these groups cannot stand in a tag.
    OddName,
}

/// The tag's value. Codes that only a newer worker knows are kept as they are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Answers(Vec<(MessageKey, String)>);

impl MessageKey {
    /// `id`: as SQS gave it.
    pub fn of(id: &str) -> Self {
        Self(id.chars().filter(char::is_ascii_alphanumeric).take(KEY_LENGTH).collect())
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Answer {
    /// None: only a newer worker gives it.
    pub fn from_code(code: &str) -> Option<Self> {
        let plain = [Self::Opened, Self::Joined, Self::JoinedPaused, Self::Resumed, Self::Paused, Self::Aborted];
        let idle = RotationState::iter().map(Some).chain([None]).map(Self::NothingToDo);
        let refused = Refusal::iter().map(Self::Refused);
        plain.into_iter().chain(idle).chain(refused).find(|answer| answer.to_string() == code)
    }
}

impl std::fmt::Display for Answer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Answer::Opened => f.write_str("opened"),
            Answer::Joined => f.write_str("joined"),
            Answer::JoinedPaused => f.write_str("joined:paused"),
            Answer::Resumed => f.write_str("resumed"),
            Answer::Paused => f.write_str("paused"),
            Answer::Aborted => f.write_str("aborted"),
            Answer::NothingToDo(state) => write!(f, "nothing-to-do:{}", state.map_or("none", RotationState::word)),
            Answer::Refused(why) => write!(f, "refused:{}", why.word()),
        }
    }
}

impl Refusal {
    pub fn word(self) -> &'static str {
        self.into()
    }
}

impl Answers {
    /// What cannot be read is left out.
    pub fn read(text: &str) -> Self {
        let entries = text.split_whitespace().filter_map(|entry| entry.split_once('='));
        Self(entries.map(|(key, code)| (MessageKey(key.to_owned()), code.to_owned())).collect())
    }

    pub fn get(&self, key: &MessageKey) -> Option<&str> {
        self.0.iter().rev().find(|(of, _)| of == key).map(|(_, code)| code.as_str())
    }

    /// These as well: what is in the tag already stays as it is.
    pub fn extend(&mut self, more: impl IntoIterator<Item = (MessageKey, String)>) {
        for (key, code) in more {
            if self.get(&key).is_none() {
                self.0.push((key, code));
            }
        }
    }
}

impl IntoIterator for Answers {
    type Item = (MessageKey, String);
    type IntoIter = std::vec::IntoIter<Self::Item>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

/// As a tag's value: the oldest are forgotten where it is full.
impl std::fmt::Display for Answers {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let entries: Vec<String> = self.0.iter().map(|(MessageKey(key), code)| format!("{key}={code}")).collect();
        let mut length = 0;
        let fit = |entry: &&String| {
            length += entry.chars().count() + 1;
            length <= LONGEST_VALUE + 1
        };
        let kept = entries.iter().rev().take_while(fit).count();
        f.write_str(&entries[entries.len() - kept..].join(" "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::tag_text::is_allowed;

    fn all() -> Vec<Answer> {
        let plain = [Answer::Opened, Answer::Joined, Answer::JoinedPaused, Answer::Resumed, Answer::Paused];
        let idle = RotationState::iter().map(Some).chain([None]).map(Answer::NothingToDo);
        let refused = Refusal::iter().map(Answer::Refused);
        plain.into_iter().chain([Answer::Aborted]).chain(idle).chain(refused).collect()
    }

    #[test]
    fn an_answer_is_read_back_as_it_is_written_and_may_stand_in_a_tag() {
        for answer in all() {
            let code = answer.to_string();
            assert_eq!(Answer::from_code(&code), Some(answer), "{code}");
            let mut answers = Answers::default();
            answers.extend([(MessageKey::of("74bacd35-41f6"), code.clone())]);
            let tag = answers.to_string();
            assert!(tag.chars().all(is_allowed), "{tag}");
            assert_eq!(Answers::read(&tag).get(&MessageKey::of("74bacd35-41f6")), Some(code.as_str()));
        }
        assert_eq!(Answer::from_code("refused:on-holiday"), None);
    }

    #[test]
    fn the_newest_answers_stay_and_there_is_room_for_three() {
        let longest = all().into_iter().map(|answer| answer.to_string()).max_by_key(String::len).unwrap();
        let mut answers = Answers::default();
        for n in 0..40_u32 {
            answers.extend([(MessageKey::of(&format!("{n:08x}-41f6")), longest.clone())]);
            let tag = answers.to_string();
            assert!(tag.chars().count() <= 256, "{tag}");
            answers = Answers::read(&tag);
            for last in n.saturating_sub(2)..=n {
                assert!(answers.get(&MessageKey::of(&format!("{last:08x}-41f6"))).is_some(), "{last} in {tag}");
            }
        }
        assert_eq!(answers.get(&MessageKey::of("00000000-41f6")), None);
    }

    #[test]
    fn a_message_has_one_answer_and_what_cannot_be_read_is_left_out() {
        let mut answers = Answers::read("a1=paused garbage b2=from:the:future =");
        answers.extend([(MessageKey::of("a1"), "nothing-to-do:paused".to_owned())]);
        assert_eq!(answers.get(&MessageKey::of("a1")), Some("paused"));
        assert!(answers.to_string().contains("b2=from:the:future"), "{answers}");
    }
}
