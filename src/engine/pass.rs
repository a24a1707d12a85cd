//! One pass over one cluster: look, plan, act, until there is nothing left to do but wait.
//!
//! A pass is driven by answers. It has calls under way or it takes a step; it never waits for time. Facts that it changes
//! itself go into the view at once, so the next step plans on them. A pass that fails in the middle is dropped, and the
//! next one looks at everything: what was half known is not built on.

use std::collections::BTreeSet;

use jiff::Timestamp;

use super::absorb::FollowUp;
use super::call::{Owner, Purpose, TagChange};
use super::cluster::ClusterState;
use super::commands::{Settlement, settle};
use super::context::Context;
use super::errand::Errand;
use super::say::say;
use super::{absorb, acts, looks};
use crate::effect::{Failure, Request};
use crate::id::InstanceId;
use crate::plan::forecast::as_if_open;
use crate::plan::model::{ClusterView, Look};
use crate::plan::output::Plan;
use crate::plan::plan;
use crate::plan::problem::Problem;
use crate::plan::release::{Launching, Resolution, resolve};
use crate::plan::rotation::RotationState;
use crate::plan::timing::READS_LAG;

/// More steps than any pass needs: a plan that comes back to the same act for ever is a defect, and must not burn calls.
const MOST_STEPS: u32 = 100;

/// A pass under way.
#[derive(Debug)]
pub struct Pass {
    pub errand: Errand,
    /// The new view, while everything is looked at.
    pub(super) draft: Option<ClusterView>,
    pub outstanding: usize,
    pub(super) follow_up: FollowUp,
    pub failed: Option<Failure>,
    /// Changes that were not allowed, or refused for good.
    pub(super) denied: BTreeSet<Problem>,
    /// A read was not allowed without which nothing can be planned.
    pub(super) blind: Option<Problem>,
    /// Something was changed.
    pub(super) acted: bool,
    settled: bool,
    /// It sweeps; and the members that nobody has heard of were asked for.
    sweeps: bool,
    newcomers: bool,
    steps: u32,
    pub ended: bool,
    /// Nothing is changed: it ends where the first act would come. What it asks besides.
    survey: Option<BTreeSet<Look>>,
}

impl Pass {
    pub fn new(errand: Errand) -> Self {
        Self {
            errand,
            draft: None,
            outstanding: 0,
            follow_up: FollowUp::default(),
            failed: None,
            denied: BTreeSet::new(),
            blind: None,
            acted: false,
            settled: false,
            sweeps: false,
            newcomers: false,
            steps: 0,
            ended: false,
            survey: None,
        }
    }

    /// A pass that only looks: at everything, and at these besides.
    pub fn survey(looks: BTreeSet<Look>) -> Self {
        Self { survey: Some(looks), ..Self::new(Errand { whole: true, ..Errand::default() }) }
    }

    /// The same errand, but nothing is changed.
    #[must_use]
    pub fn only_looks(self) -> Self {
        Self { survey: Some(BTreeSet::new()), ..self }
    }

    /// Goes on as far as possible without an answer.
    pub fn advance(&mut self, state: &mut ClusterState, context: &mut Context<'_>) {
        while self.outstanding == 0 && !self.ended {
            self.steps += 1;
            if self.steps > MOST_STEPS {
                say!(error, &*state, "a pass did not come to an end: this is a defect of ecs-rotator");
                self.ended = true;
            }
            let blind = if self.survey.is_some() { None } else { self.blind.take() };
            if let Some(wanted) = blind.and_then(|problem| self.hold_blindly(state, problem, context)) {
                self.write(wanted, state, context);
                continue;
            }
            if self.failed.is_some() || self.ended {
                self.ended = true;
                return;
            }
            self.step(state, context);
        }
    }

    /// A rotation that cannot be looked at is held, once, as far as its tags could be read.
    fn hold_blindly(&mut self, state: &mut ClusterState, problem: Problem, context: &Context<'_>) -> Option<TagChange> {
        let view = self.draft.take().or(state.view.take())?;
        let open = view.rotation.as_ref().is_some_and(|rotation| rotation.state == RotationState::Open);
        state.view = Some(view);
        let plan = Plan { problems: BTreeSet::from([problem]), ..Plan::default() };
        let wanted = state.to_hold(&plan, context.now).filter(|_| open)?;
        Some(TagChange::of_our_own(wanted, plan.problems))
    }

    fn step(&mut self, state: &mut ClusterState, context: &mut Context<'_>) {
        if self.send_follow_ups(state, context) || self.look_at_all(state, context) {
            return;
        }
        let Some(view) = state.view.as_mut() else {
            self.ended = true;
            return;
        };
        if std::mem::take(&mut self.errand.sweep) {
            self.sweeps = true;
            self.errand.looks.extend(sweep(view));
        }
        let asked = std::mem::take(&mut self.errand.looks);
        let asked: BTreeSet<Look> = asked.into_iter().filter(|look| !view.is_fresh(look, context.now)).collect();
        if !asked.is_empty() {
            self.send_looks(asked, state, context);
        } else if self.sweeps && !self.newcomers {
            self.newcomers = true;
            self.errand.looks = newcomers(view);
        } else if self.survey.is_some() {
            self.look_on(state, context);
        } else if !self.settled {
            self.settled = true;
            self.settle(state, context);
        } else if !self.restore(state, context) && !self.publish(state, context) {
            self.plan(state, context);
        }
    }

    /// Asks what a worker would ask if the rotation were open, and what the survey asks besides.
    fn look_on(&mut self, state: &ClusterState, context: &Context<'_>) {
        let Some(view) = &state.view else { return };
        let plan = plan(&as_if_open(view, context.now), &context.settings.policy, context.now);
        let mut looks = plan.looks;
        looks.extend(self.survey.iter().flatten().cloned());
        looks.retain(|look| !view.has_looked(look));
        self.ended = looks.is_empty();
        self.errand.looks = looks;
    }

    pub(super) fn send(&mut self, purpose: Purpose, request: Request, state: &ClusterState, context: &mut Context<'_>) {
        self.outstanding += 1;
        context.wire.send(Owner::Pass(state.arn.clone(), purpose), request);
    }

    pub(super) fn send_all(&mut self, calls: Vec<(Purpose, Request)>, state: &ClusterState, context: &mut Context<'_>) {
        for (purpose, request) in calls {
            self.send(purpose, request, state, context);
        }
    }

    pub(super) fn target<'a>(&'a mut self, state: &'a mut ClusterState) -> Option<&'a mut ClusterView> {
        self.draft.as_mut().or(state.view.as_mut())
    }

    fn send_looks(&mut self, looks: BTreeSet<Look>, state: &mut ClusterState, context: &mut Context<'_>) {
        let Some(view) = self.target(state) else { return };
        absorb::forget_tenants(view, &looks);
        let calls = looks::requests(&looks, view, context.tags);
        view.note_asked(looks, context.now);
        self.send_all(calls, state, context);
    }

    /// What answers have asked for.
    fn send_follow_ups(&mut self, state: &mut ClusterState, context: &mut Context<'_>) -> bool {
        let follow_up = std::mem::take(&mut self.follow_up);
        let Some(view) = self.target(state) else { return false };
        let mut calls = looks::describe_hosts(view, &follow_up.hosts, &follow_up.asked);
        calls.extend(looks::describe_tasks(view, &follow_up.tasks));
        calls.extend(looks::describe_services(view, &follow_up.services));
        calls.extend(looks::protection(view, &follow_up.protectable));
        let unlisted: Vec<_> = follow_up.unlisted.into_iter().collect();
        calls.extend(looks::listings(view, &unlisted));
        let any = !calls.is_empty();
        self.send_all(calls, state, context);
        any
    }

    /// Builds a new view, question by question; true while it does.
    fn look_at_all(&mut self, state: &mut ClusterState, context: &mut Context<'_>) -> bool {
        let whole = self.errand.whole || state.view.is_none();
        if whole && self.draft.is_none() {
            self.errand.whole = false;
            self.errand.looks.clear();
            let mut draft = ClusterView::blank(state.arn.clone(), context.worker.clone());
            if let Some(old) = &state.view {
                absorb::remember_rotation(&mut draft, old);
            }
            self.draft = Some(draft);
        }
        let Some(draft) = &self.draft else { return false };
        let lacking = lacking(draft, context.now);
        if !lacking.is_empty() {
            self.send_looks(lacking, state, context);
            return true;
        }
        if let Some(mut draft) = self.draft.take() {
            if let Some(old) = &state.view {
                absorb::carry_over(&mut draft, old, context.tags, context.now);
            }
            state.tell_notes(&draft, &context.settings.policy, context.now);
            state.take_view(draft, context.now);
        }
        false
    }

    fn settle(&mut self, state: &mut ClusterState, context: &mut Context<'_>) {
        let Some(view) = &state.view else { return };
        if self.errand.asks.is_empty() {
            return;
        }
        if !view.opted_in {
            say!(warn, &*state, "nothing done: the cluster has not opted in");
            return;
        }
        let asks = state.unanswered(&self.errand.asks, context.now);
        let Settlement { wanted, answers, put_off } = settle(view, &asks, context.now);
        state.check_when_closed |= put_off;
        if let Some(wanted) = wanted {
            let because = asks.iter().map(|asked| asked.ask.to_string()).collect::<Vec<_>>().join(", ");
            self.write(TagChange { wanted, held_for: BTreeSet::new(), because, answers }, state, context);
        } else {
            self.answer(answers, state, context);
        }
    }

    fn write(&mut self, change: TagChange, state: &ClusterState, context: &mut Context<'_>) {
        match change.wanted.as_tags(context.tags) {
            Ok(mut tags) => {
                tags.extend(context.tags.write_settings(&context.settings.published(&state.name).write()));
                tags.extend(state.write_answers(&change.answers, context.tags, context.now));
                let request = Request::TagResource { cluster: state.arn.clone(), tags };
                self.send(Purpose::Tags(Box::new(change)), request, state, context);
            }
            Err(why) => say!(warn, state, "rotate refused: {why}"),
        }
    }

    fn plan(&mut self, state: &mut ClusterState, context: &mut Context<'_>) {
        let Some(view) = &state.view else { return };
        if state.has_other_providers() {
            self.errand.whole = true;
            return;
        }
        let mut plan = plan(view, &context.settings.policy, context.now);
        state.note_phases(&plan, context.now);
        let Some(view) = &state.view else { return };
        // What has been asked in this pass and is lacking all the same will not come by asking again.
        plan.looks.retain(|look| !view.is_fresh(look, context.now));
        if !plan.looks.is_empty() {
            self.errand.looks = std::mem::take(&mut plan.looks);
            return;
        }
        if plan.look_at_all {
            self.errand.whole = true;
            return;
        }
        plan.problems.extend(self.denied.iter().cloned());
        // A reason to stop is told before anything else is done.
        let hold = state.to_hold(&plan, context.now);
        if let Some(wanted) = hold.filter(|_| !state.cannot_tell || plan.acts.is_empty()) {
            if !view_is_fresh(state, context.now) {
                // A person may have let it go on, or stopped it, through another worker.
                self.errand.looks.insert(Look::Cluster);
                return;
            }
            self.write(TagChange::of_our_own(wanted, plan.problems), state, context);
            return;
        }
        if let Some((because, wanted)) =
            plan.goes_on.take().and_then(|because| Some((because, state.to_go_on(context.now)?)))
        {
            if view_is_fresh(state, context.now) {
                self.write(TagChange { because, ..TagChange::of_our_own(wanted, BTreeSet::new()) }, state, context);
            } else {
                self.errand.looks.insert(Look::Cluster);
            }
            return;
        }
        let Some(view) = &state.view else { return };
        // A call that is not allowed would be made again and again: nothing more is done in this pass.
        let acts = if self.denied.is_empty() { std::mem::take(&mut plan.acts) } else { Vec::new() };
        let calls: Vec<_> =
            acts.into_iter().flat_map(|act| acts::requests(act, view, context.tags, context.now)).collect();
        if calls.is_empty() {
            self.conclude(plan, state, context);
        } else {
            self.send_all(calls, state, context);
        }
    }

    /// Nothing left to do: close, or wait.
    fn conclude(&mut self, plan: Plan, state: &mut ClusterState, context: &mut Context<'_>) {
        state.note_waits(&plan, context.now);
        if self.sweeps || state.view.as_ref().is_some_and(|view| view.has_looked(&Look::ContainerInstances)) {
            state.note_progress();
        }
        if plan.complete && self.acted && !plan.unresolved.is_empty() {
            // What "does not exist" may be what we have just made, and cannot be read yet.
            state.look_again = Some(context.now + READS_LAG);
            self.ended = true;
        } else if let Some(wanted) = state.to_close(&plan, context.now) {
            self.write(TagChange::of_our_own(wanted, BTreeSet::new()), state, context);
        } else {
            state.look_again = plan.look_again;
            self.ended = true;
        }
    }
}

/// Have the cluster's tags been read in this pass?
fn view_is_fresh(state: &ClusterState, now: Timestamp) -> bool {
    state.view.as_ref().is_some_and(|view| view.is_fresh(&Look::Cluster, now))
}

/// What a rotation changes: the groups, their members as far as they have registered, and the hosts in flight.
fn sweep(view: &ClusterView) -> BTreeSet<Look> {
    let groups = view.groups_named().into_iter().map(Look::Group);
    let members = view.groups.values().flat_map(|group| group.facts.members.iter().map(|member| &member.id));
    let in_flight = view.hosts.iter().filter(|(_, host)| host.ours.is_some() && !host.is_gone()).map(|(id, _)| id);
    let registered = |id: &&InstanceId| view.hosts.get(*id).is_some_and(|host| host.arn.is_some());
    groups.chain(members.filter(registered).chain(in_flight).cloned().map(Look::Host)).collect()
}

/// Members that have not registered, as far as anybody has heard.
fn newcomers(view: &ClusterView) -> BTreeSet<Look> {
    let members = view.groups.values().flat_map(|group| group.facts.members.iter().map(|member| &member.id));
    let is_new = |id: &&InstanceId| view.hosts.get(*id).is_none_or(|host| host.container.here().is_none());
    members.filter(is_new).cloned().map(Look::Host).filter(|look| !view.has_looked(look)).collect()
}

/// What a whole view still lacks.
fn lacking(view: &ClusterView, now: Timestamp) -> BTreeSet<Look> {
    let stage =
        |looks: Vec<Look>| -> BTreeSet<Look> { looks.into_iter().filter(|look| !view.has_looked(look)).collect() };
    let first = stage(vec![Look::Cluster]);
    if !first.is_empty() {
        return first;
    }
    let second = stage(vec![Look::Providers, Look::ContainerInstances, Look::Ours]);
    if !second.is_empty() {
        return second;
    }
    let third = stage(view.groups_named().into_iter().map(Look::Group).collect());
    if !third.is_empty() {
        return third;
    }
    let mut fourth: Vec<Look> = view.groups.keys().cloned().map(Look::Members).collect();
    let mut concerns_others = false;
    for (name, group) in view.groups.iter().filter(|(_, group)| group.is_ours_to_touch()) {
        match resolve(view, name, group, now) {
            Resolution::Lacks(looks) => fourth.extend(looks),
            Resolution::Resolved(release) => {
                concerns_others |= release.launches.iter().any(Launching::concerns_others);
            }
            Resolution::Unresolved { .. } => {}
        }
    }
    if concerns_others {
        fourth.push(Look::Everybody);
        let others = view.groups.values().filter(|group| !group.is_ours_to_touch());
        let specs = others.flat_map(|group| group.facts.launch.templates());
        fourth.extend(specs.map(|spec| Look::Template(spec.template.clone(), spec.rule)));
    }
    stage(fourth)
}
