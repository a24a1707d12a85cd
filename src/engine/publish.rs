//! What a worker leaves on a cluster for those who read there: what became of the messages of people, and the settings it
//! works by.
//!
//! Both go with the tags of the rotation where its state changes. By themselves they are written where a message has changed
//! nothing, and where a rotation is under way whose tags say other settings than this worker's: once, or two workers that
//! were set up differently would write against each other for ever. Nothing hangs on either: where they may not be written,
//! the work goes on.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::call::Purpose;
use super::cluster::ClusterState;
use super::commands::Asked;
use super::context::Context;
use super::pass::Pass;
use super::say::say;
use super::settings::Settings;
use super::told::Given;
use crate::effect::{Failure, Request};
use crate::id::{ClusterName, GroupName};
use crate::plan::answer::{Answer, Answers, MessageKey};
use crate::plan::model::{ClusterView, GroupView, Look};
use crate::plan::published::Published;
use crate::plan::rotation::{RotationId, RotationState};
use crate::plan::tags::Tags;
use crate::plan::timing::READS_LAG;

impl Settings {
    /// Those of the worker that has published them on this cluster; what it does not tell is as it is here.
    #[must_use]
    pub fn as_published(&self, cluster: &ClusterName, published: Published) -> Self {
        let own = self.groups.get(cluster);
        let Published { policy, sweep_interval, groups, .. } = published.over(&self.policy, own);
        let mut all = self.groups.clone();
        all.insert(cluster.clone(), groups);
        Self { policy, sweep_interval, groups: all, ..self.clone() }
    }

    /// As a worker publishes them on this cluster.
    pub fn published(&self, cluster: &ClusterName) -> Published {
        Published {
            policy: self.policy.clone(),
            sweep_interval: self.sweep_interval,
            groups: self.groups.get(cluster).cloned().unwrap_or_default(),
            ..Published::defaults(env!("CARGO_PKG_VERSION"))
        }
    }
}

impl ClusterState {
    /// What is in the tag, and what was written into it a moment ago.
    fn answers(&self, now: Timestamp) -> Answers {
        let mut answers = self.view.as_ref().map(|view| view.answers.clone()).unwrap_or_default();
        if self.given.at.is_some_and(|at| now < at + READS_LAG) {
            answers.extend(self.given.answers.clone());
        }
        answers
    }

    /// Those asks that have not been answered yet: what has an answer has been done.
    pub fn unanswered(&self, asks: &[Asked], now: Timestamp) -> Vec<Asked> {
        let answers = self.answers(now);
        let is_new = |asked: &&Asked| asked.message.as_ref().is_none_or(|key| answers.get(key).is_none());
        asks.iter().filter(is_new).cloned().collect()
    }

    /// The tag with these as well; none where there is nothing new.
    pub fn write_answers(&self, new: &[(MessageKey, Answer)], tags: &Tags, now: Timestamp) -> BTreeMap<String, String> {
        if new.is_empty() {
            return BTreeMap::new();
        }
        let mut answers = self.answers(now);
        answers.extend(new.iter().map(|(key, answer)| (key.clone(), answer.to_string())));
        tags.write_answers(&answers)
    }

    /// They stand in the tag now.
    pub fn answered(&mut self, new: &[(MessageKey, Answer)], now: Timestamp) {
        if new.is_empty() {
            return;
        }
        let mut answers = self.answers(now);
        answers.extend(new.iter().map(|(key, answer)| (key.clone(), answer.to_string())));
        self.given = Given { answers, at: Some(now) };
    }

    /// Its tags say our settings now, and what they say later is another's word.
    pub fn settings_written(&mut self, settings: &Settings) {
        let [first, more] = settings.published(&self.name).write();
        let Some(view) = &mut self.view else { return };
        view.settings = Some(if more.is_empty() { first } else { format!("{first} {more}") });
        self.published_for = view.rotation.as_ref().map(|rotation| rotation.id.clone());
    }

    /// The rotation under way whose tags say other settings than ours, if that was not mended before.
    fn misinformed(&self, settings: &Settings) -> Option<RotationId> {
        let view = self.view.as_ref().filter(|view| view.opted_in)?;
        let under_way = view.rotation.as_ref().filter(|rotation| rotation.state != RotationState::Closed)?;
        if self.published_for.as_ref() == Some(&under_way.id) {
            return None;
        }
        let own = settings.published(&self.name).write().join(" ");
        (view.settings.as_deref() != Some(own.trim_end())).then(|| under_way.id.clone())
    }
}

impl Pass {
    /// Tells those who have asked for something that changes nothing.
    pub(super) fn answer(
        &mut self,
        answers: Vec<(MessageKey, Answer)>,
        state: &ClusterState,
        context: &mut Context<'_>,
    ) {
        let tags = state.write_answers(&answers, context.tags, context.now);
        if !tags.is_empty() {
            let request = Request::TagResource { cluster: state.arn.clone(), tags };
            self.send(Purpose::Answers(answers), request, state, context);
        }
    }

    /// Writes again what somebody has removed, once two looks some time apart agree on that; true when it does. Infrastructure
    /// code that owns all tags of a cluster or a group would otherwise end a pause, a hold, or a rejection.
    pub(super) fn restore(&mut self, state: &mut ClusterState, context: &mut Context<'_>) -> bool {
        const ADVICE: &str =
            "whatever owns its tags has removed ours: they are written again; let it ignore the prefix";
        let now = context.now;
        let Some(view) = state.view.as_mut().filter(|view| view.opted_in) else { return false };
        let settled = |since: Timestamp| now >= since + READS_LAG;
        let wiped = view.wiped_since.is_some_and(settled);
        if wiped && !view.is_fresh(&Look::Cluster, now) {
            self.errand.looks.insert(Look::Cluster);
            return true;
        }
        if wiped {
            view.wiped_since = None;
            let tags = context.tags.of_rotation(&view.tags);
            say!(warn, &*view, prefix = context.tags.prefix(), "cluster: {ADVICE}");
            self.send(Purpose::Settings, Request::TagResource { cluster: state.arn.clone(), tags }, state, context);
            return true;
        }
        let due = |name: &GroupName, group: &GroupView, view: &ClusterView| {
            let wiped = group.wiped.as_ref().filter(|wiped| settled(wiped.since))?;
            let known = group.is_ours_to_touch() && view.is_fresh(&Look::Group(name.clone()), now);
            known.then(|| (name.clone(), wiped.tags.clone()))
        };
        let due: Vec<_> = view.groups.iter().filter_map(|(name, group)| due(name, group, view)).collect();
        for (name, tags) in due.iter().cloned() {
            say!(warn, &*state, group = %name, prefix = context.tags.prefix(), "group: {ADVICE}");
            if let Some(group) = state.view.as_mut().and_then(|view| view.groups.get_mut(&name)) {
                group.wiped = None;
            }
            self.send(Purpose::Settings, Request::TagGroup { group: name, tags }, state, context);
        }
        !due.is_empty()
    }

    /// Publishes our settings where others stand; true when it does.
    pub(super) fn publish(&mut self, state: &mut ClusterState, context: &mut Context<'_>) -> bool {
        let Some(rotation) = state.misinformed(context.settings) else { return false };
        let own = context.settings.published(&state.name);
        let written = state.view.as_ref().and_then(|view| view.settings.as_deref()).and_then(Published::read);
        let differ: Vec<String> = written.iter().flat_map(|written| told(&own.differences(written))).collect();
        if differ.is_empty() {
            say!(info, &*state, settings = %own, "the settings of this worker are written on the cluster");
        } else {
            let differ = differ.join(", ");
            say!(warn, &*state, differ, "the cluster's tags say other settings than this worker's: written anew");
        }
        // Once, whatever comes of it.
        state.published_for = Some(rotation);
        let tags = context.tags.write_settings(&own.write());
        self.send(Purpose::Settings, Request::TagResource { cluster: state.arn.clone(), tags }, state, context);
        true
    }

    /// What only tells may be refused: who asked for it looks in vain, and no more.
    pub(super) fn not_left(&mut self, failure: &Failure, state: &ClusterState) {
        say!(warn, state, %failure, "what a reader looks for on the cluster could not be written");
    }
}

/// `bake=25s (there 5m)`
fn told(differences: &[(&'static str, String, String)]) -> Vec<String> {
    let or_default = |text: &String| if text.is_empty() { "the default".to_owned() } else { text.clone() };
    differences
        .iter()
        .map(|(name, here, there)| format!("{name}={} (there {})", or_default(here), or_default(there)))
        .collect()
}
