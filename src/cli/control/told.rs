//! What a command says: what was sent, what a worker has done about it, and what comes next.

use std::io::Write as _;
use std::time::Duration;

use anyhow::Context as _;
use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

use super::end::{End, Outcome};
use super::first::{FirstLook, Seen};
use super::taken::{Silence, Taken};
use super::{Action, Command, Errand};
use crate::aws;
use crate::aws::QueueState;
use crate::cli::status::lines::clean;
use crate::cli::{exit, out};
use crate::id::GroupName;
use crate::plan::answer::{Answer, MessageKey, Refusal};
use crate::plan::outcome::Standing;
use crate::plan::rotation::RotationState;
use crate::plan::tags::ClusterTags;
use crate::plan::timing::in_words;

/// One command, of which all this is told.
pub(super) struct Told<'a> {
    pub(super) errand: &'a Errand,
    pub message_id: &'a str,
    pub seen: &'a FirstLook,
}

/// The one object of `--json`; with `--wait` the first line, without an outcome.
#[derive(Serialize)]
struct Sent<'a> {
    at: Timestamp,
    message_id: &'a str,
    queue_url: &'a str,
    message: &'a Command,
    #[serde(skip_serializing_if = "Option::is_none")]
    outcome: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    rotation: Option<Stands<'a>>,
    /// In words.
    #[serde(skip_serializing_if = "Option::is_none")]
    says: Option<&'a str>,
}

#[derive(Serialize)]
struct Stands<'a> {
    id: &'a str,
    state: Standing,
    since: Timestamp,
}

/// The second line of `--wait --json`.
#[derive(Serialize)]
struct AnswerLine<'a> {
    at: Timestamp,
    answer: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    rotation: Option<Stands<'a>>,
}

impl Told<'_> {
    /// It is on the queue.
    pub fn sent(&self) -> anyhow::Result<()> {
        for note in self.notes() {
            out::note(&note);
        }
        match (self.errand.json, self.errand.follow) {
            (true, Some(_)) => print(&serde_json::to_string(&self.object(None, None, None, None))?),
            // The one object comes when the outcome is known.
            (true, None) => Ok(()),
            (false, _) => print(&requested(&self.errand.message, &MessageKey::of(self.message_id))),
        }
    }

    /// And that is all that is known.
    pub fn queued(&self) -> anyhow::Result<u8> {
        let says = match self.seen {
            FirstLook::Seen(seen) => already(&self.errand.message, seen),
            FirstLook::Denied(_) => None,
        };
        let next = format!(
            "what becomes of it, a worker leaves in the cluster's tag `answer`; ecs-rotator status --cluster {}",
            self.errand.message.cluster()
        );
        self.say(says.as_deref(), Some(&next), Some("queued"), None, None)?;
        Ok(exit::OK)
    }

    /// No worker has answered: none has taken it, or one that writes nothing.
    pub fn silent(&self, silence: &Silence, within: Duration, queue: Option<QueueState>) -> anyhow::Result<u8> {
        let time = |time: Duration| in_words(SignedDuration::try_from(time).unwrap_or(SignedDuration::ZERO));
        let looked = silence.trouble.as_ref().map(|failure| {
            format!(" (it could not be looked the last time: {}: {})", failure.operation, failure.in_short())
        });
        let says = format!(
            "no worker has answered within {}{}; {}",
            time(within),
            looked.unwrap_or_default(),
            match queue {
                Some(QueueState { messages: 0, .. }) =>
                    "the queue is empty, so one took the message and left no answer: it only observes (`--mode observe`), or may \
                     not tag the cluster"
                        .to_owned(),
                Some(QueueState { keeps_for, .. }) => format!(
                    "if none has taken the message, it stays in the queue for {}, and the next worker takes it",
                    time(keeps_for)
                ),
                None => "if none has taken the message, it stays in the queue, and the next worker takes it".to_owned(),
            }
        );
        let next = "is a worker running on this queue, and what does its log say?".to_owned();
        if self.errand.follow.is_some() {
            let end = End { reason: Some(says), next: Some(next), ..End::new(Outcome::NoAnswer) };
            return self.end(&end);
        }
        self.say(Some(&says), Some(&next), Some("no-answer"), None, Some(&silence.tags))?;
        Ok(exit::NO_ANSWER)
    }

    /// A worker has, and this is what it did.
    pub fn answered(&self, taken: &Taken) -> anyhow::Result<u8> {
        let (outcome, reason) = match taken.code.split_once(':') {
            Some((outcome, reason)) => (outcome, Some(reason)),
            None => (taken.code.as_str(), None),
        };
        let (says, next) = outcome_of(taken, &self.errand.message, &self.seen.known_groups());
        if self.errand.json && self.errand.follow.is_some() {
            let rotation = stands(&taken.tags);
            let line = AnswerLine { at: aws::now(), answer: &taken.code, rotation };
            print(&serde_json::to_string(&line)?)?;
        } else {
            // One that is followed says itself what comes next.
            let next = next.as_deref().filter(|_| !(self.errand.follow.is_some() && goes_on(taken)));
            self.say(Some(&says), next, Some(outcome), reason, Some(&taken.tags))?;
        }
        Ok(if outcome == "refused" { exit::FAILED } else { exit::OK })
    }

    /// There is nothing to follow: refused, or it is paused.
    pub fn ended_at_once(&self, taken: &Taken, code: u8) -> anyhow::Result<u8> {
        let outcome = if code == exit::OK { Outcome::Paused } else { Outcome::Refused };
        if self.errand.json {
            let reason = taken.code.split_once(':').map(|(_, reason)| reason.to_owned());
            let rotation = taken.tags.rotation.as_ref().map(|rotation| rotation.id.as_str().to_owned());
            return self.end(&End { reason, rotation, ..End::new(outcome) });
        }
        Ok(outcome.code())
    }

    fn end(&self, end: &End) -> anyhow::Result<u8> {
        last(end, self.errand.json)?;
        Ok(end.outcome.code())
    }

    fn say(
        &self,
        says: Option<&str>,
        next: Option<&str>,
        outcome: Option<&str>,
        reason: Option<&str>,
        tags: Option<&ClusterTags>,
    ) -> anyhow::Result<()> {
        if self.errand.json {
            let mut object = self.object(outcome, reason, says, tags);
            object.says = says;
            return print(&serde_json::to_string(&object)?);
        }
        let next = next.map(|next| format!("next: {next}"));
        [says.map(str::to_owned), next].into_iter().flatten().try_for_each(|line| print(&line))
    }

    fn object<'b>(
        &'b self,
        outcome: Option<&'b str>,
        reason: Option<&'b str>,
        says: Option<&'b str>,
        tags: Option<&'b ClusterTags>,
    ) -> Sent<'b> {
        Sent {
            at: aws::now(),
            message_id: self.message_id,
            queue_url: &self.errand.queue_url,
            message: &self.errand.message,
            outcome,
            reason,
            rotation: tags.and_then(stands),
            says,
        }
    }

    fn notes(&self) -> Vec<String> {
        let cluster = self.errand.message.cluster();
        let seen = match self.seen {
            FirstLook::Denied(why) => {
                return vec![format!(
                    "it could not be looked whether cluster {cluster} can be rotated, nor what a worker does about the \
                     message: {why}"
                )];
            }
            FirstLook::Seen(seen) => seen,
        };
        let mut notes = Vec::new();
        if seen.tags.enabled.is_none() && seen.tags.settings.is_none() {
            notes.push(format!(
                "cluster {cluster} has not opted in by its tag `enabled` = `true`: only a worker that names it in its \
                 configuration takes the message"
            ));
        }
        if !seen.by_configuration.is_empty() {
            let names: Vec<&str> = seen.by_configuration.iter().map(GroupName::as_str).collect();
            notes.push(format!(
                "no capacity provider of cluster {cluster} names {}: only a worker that is told so by --group-of knows it",
                names.join(", ")
            ));
        }
        notes
    }
}

/// Is there a rotation now that can be followed?
pub fn goes_on(taken: &Taken) -> bool {
    match taken.answer {
        Some(Answer::Opened | Answer::Joined | Answer::Resumed) => true,
        Some(Answer::JoinedPaused | Answer::Paused | Answer::Aborted | Answer::NothingToDo(_) | Answer::Refused(_)) => {
            false
        }
        None => !taken.code.starts_with("refused"),
    }
}

/// The end of what was followed.
///
/// # Errors
/// When stdout cannot be written.
pub fn last(end: &End, json: bool) -> anyhow::Result<()> {
    if json { print(&serde_json::to_string(end)?) } else { end.to_string().lines().try_for_each(print) }
}

/// One line. What tags say is shown as text.
///
/// # Errors
/// When stdout cannot be written.
pub fn print(line: &str) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{}", clean(line)).and_then(|()| out.flush()).context("write to stdout")
}

fn stands(tags: &ClusterTags) -> Option<Stands<'_>> {
    let rotation = tags.rotation.as_ref()?;
    Some(Stands { id: rotation.id.as_str(), state: tags.standing()?, since: rotation.since })
}

/// `resume requested for prod (message 74bacd35)`
fn requested(message: &Command, key: &MessageKey) -> String {
    let (what, groups) = match &message.action {
        Action::Rotate { force: true, groups } => ("forced rotation", groups.as_slice()),
        Action::Rotate { force: false, groups } => ("rotation", groups.as_slice()),
        Action::Pause => ("pause", [].as_slice()),
        Action::Resume => ("resume", [].as_slice()),
        Action::Abort => ("abort", [].as_slice()),
    };
    let names = groups.iter().map(GroupName::as_str).collect::<Vec<_>>().join(", ");
    let of = if names.is_empty() { String::new() } else { format!(", only {names}") };
    format!("{what} requested for {}{of} (message {})", message.cluster(), key.as_str())
}

/// What is known already to change nothing. (It is sent all the same: the state may be another when it is read.)
fn already(message: &Command, seen: &Seen) -> Option<String> {
    let state = seen.tags.rotation.as_ref().map(|rotation| rotation.state);
    let idle = match message.action {
        Action::Rotate { .. } => false,
        Action::Pause => state != Some(RotationState::Open),
        Action::Resume => !matches!(state, Some(RotationState::Paused | RotationState::Held)),
        Action::Abort => matches!(state, None | Some(RotationState::Closed)),
    };
    idle.then(|| format!("there may be nothing to do: {}", how_it_is(&seen.tags)))
}

fn how_it_is(tags: &ClusterTags) -> String {
    let is = |standing: Standing| format!("the rotation is {}", standing.in_words());
    tags.standing().map_or_else(|| "there has been no rotation".to_owned(), is)
}

/// In words: what it did, and what comes next.
pub fn outcome_of(taken: &Taken, message: &Command, known: &[&str]) -> (String, Option<String>) {
    let cluster = message.cluster();
    let id = taken
        .tags
        .rotation
        .as_ref()
        .map_or_else(|| "the rotation".to_owned(), |rotation| format!("rotation {}", rotation.id));
    let watch = || Some(format!("ecs-rotator status --cluster {cluster} --watch"));
    let resume = || Some(format!("it goes on with ecs-rotator resume --cluster {cluster}"));
    let Some(answer) = taken.answer else {
        return (format!("the worker says `{}`, which only a newer version of this command knows", taken.code), None);
    };
    match answer {
        Answer::Opened => (format!("opened: {id}"), watch()),
        Answer::Joined => (format!("joined: {id} is under way, and what was asked for is part of it"), watch()),
        Answer::JoinedPaused => {
            (format!("joined: {id} is paused; what was asked for is part of it, and no host is taken now"), resume())
        }
        Answer::Resumed => (format!("resumed: {id} goes on, and every wait begins anew"), watch()),
        Answer::Paused => (format!("paused: {id} takes no further host; hosts in flight finish"), resume()),
        Answer::Aborted => (
            format!(
                "aborted: {id} takes no further host; those that do not drain yet go back to their groups, those that drain \
                 finish"
            ),
            Some(format!("it begins again with ecs-rotator rotate --cluster {cluster}")),
        ),
        Answer::NothingToDo(_) => (format!("nothing to do: {}", how_it_is(&taken.tags)), None),
        Answer::Refused(why) => (format!("refused: {}", refused(why, message, known)), None),
    }
}

fn refused(why: Refusal, message: &Command, known: &[&str]) -> String {
    let cluster = message.cluster();
    let groups = message.groups().iter().map(GroupName::as_str).collect::<Vec<_>>().join(", ");
    match why {
        Refusal::NoSuchGroup => {
            let known = if known.is_empty() { String::new() } else { format!("; known are {}", known.join(", ")) };
            format!("no such group in cluster {cluster}: {groups}{known}")
        }
        Refusal::NoGroups => {
            format!("no Auto Scaling group stands behind a capacity provider of cluster {cluster}")
        }
        Refusal::ForcedScope => format!(
            "another rotation of cluster {cluster} is under way, and what is forced would be forced for both: ask again when it \
             has closed"
        ),
        Refusal::ScopeTooLong => {
            "the names of so many groups do not fit into one tag of the cluster (256 characters): rotate \
             fewer at a time, or the whole cluster"
                .to_owned()
        }
        Refusal::OddName => {
            format!("a name of these cannot stand in a tag of the cluster: {groups}: rotate the whole cluster")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::hold::Hold;

    fn command(action: Action) -> Command {
        Command { action, cluster: "prod".into() }
    }

    fn rotate(groups: &[&str]) -> Command {
        command(Action::Rotate { force: false, groups: groups.iter().map(|name| GroupName::from(*name)).collect() })
    }

    fn taken(code: &str) -> Taken {
        let state = code.strip_prefix("nothing-to-do:").unwrap_or("open");
        let rotation = format!("prod/20260114T030000Z {state} 2026-01-14T03:00:00Z").parse().ok();
        let hold = (state == "held").then(Hold::aborted);
        let tags = ClusterTags { rotation, hold, ..ClusterTags::default() };
        Taken { code: code.to_owned(), answer: Answer::from_code(code), tags }
    }

    #[test]
    fn a_request_is_told_as_one() {
        let key = MessageKey::of("74bacd35-41f6-4c0e");
        for (message, line) in [
            (command(Action::Resume), "resume requested for prod (message 74bacd35)"),
            (rotate(&["web", "api"]), "rotation requested for prod, only web, api (message 74bacd35)"),
            (
                command(Action::Rotate { force: true, groups: Vec::new() }),
                "forced rotation requested for prod (message 74bacd35)",
            ),
        ] {
            assert_eq!(requested(&message, &key), line);
        }
    }

    #[test]
    fn what_a_worker_did_is_told_in_words() {
        for (message, code, says) in [
            (rotate(&[]), "opened", "opened: rotation prod/20260114T030000Z"),
            (command(Action::Pause), "paused", "takes no further host; hosts in flight finish"),
            (command(Action::Resume), "nothing-to-do:closed", "nothing to do: the rotation is closed"),
            (command(Action::Abort), "nothing-to-do:held", "nothing to do: the rotation is aborted"),
            (command(Action::Pause), "nothing-to-do:none", "nothing to do: there has been no rotation"),
            (
                rotate(&["nope"]),
                "refused:no-such-group",
                "refused: no such group in cluster prod: nope; known are api, web",
            ),
            (rotate(&[]), "refused:on-holiday", "the worker says `refused:on-holiday`"),
        ] {
            let (text, _) = outcome_of(&taken(code), &message, &["api", "web"]);
            assert!(text.contains(says), "{code}: {text}");
        }
    }

    #[test]
    fn only_what_has_begun_is_followed() {
        for (code, follows) in [
            ("opened", true),
            ("joined", true),
            ("resumed", true),
            ("joined:paused", false),
            ("refused:no-such-group", false),
            ("refused:on-holiday", false),
            ("begun:by-magic", true),
        ] {
            assert_eq!(goes_on(&taken(code)), follows, "{code}");
        }
    }
}
