//! Does the worker hear of what it waits for?

use std::collections::BTreeSet;

use super::facts::{NoQueue, Rest, Rule, Schedule};
use super::samples::{Kind, own_parameters};
use super::{Area, Check, listed};
use crate::event::{Command, Parsed, parse};

pub(super) fn checks(rest: &Rest) -> Vec<Check> {
    match rest.queue {
        Ok(_) => {}
        Err(NoQueue::NotAsked) => {
            return vec![
                Area::Events.not_asked("rules and schedule", "without a queue it is not known what should target it"),
            ];
        }
        // It is said there.
        Err(NoQueue::Unusable { .. }) => return Vec::new(),
    }
    let mut checks = match &rest.rules {
        Ok(rules) => rules.iter().filter_map(rule).collect(),
        Err(failure) => vec![Area::Events.unseen("rules", failure)],
    };
    if rest.rules.is_ok() {
        checks.extend(Kind::ALL.into_iter().filter_map(|kind| kind_of_event(kind, rest)));
    }
    checks.push(release_check(rest));
    checks
}

/// What is wrong with one rule, whatever it lets through.
fn rule(rule: &Rule) -> Option<Check> {
    let name = format!("rule {}", rule.name);
    let with_pattern = rule.pattern.is_some();
    if !rule.enabled {
        return Some(Area::Events.warn(name, "is disabled", "enable it, or delete it"));
    }
    if with_pattern && (rule.transformed || rule.input.is_some()) {
        let says = "sends another text in the event's place, which the worker cannot read";
        return Some(Area::Events.fail(name, says, "take input, input path and input transformer off its target"));
    }
    if with_pattern && !rule.dead_letters {
        let says = "what it cannot deliver is lost without a word";
        return Some(Area::Events.warn(name, says, "give its target a dead-letter queue"));
    }
    None
}

/// What it is called, what it costs when it does not arrive, and whether a rotation is the worse for it.
const fn cost(kind: Kind) -> (&'static str, &'static str, bool) {
    match kind {
        Kind::NewHost => ("new hosts", "a replacement is found only by the sweep, minutes later", true),
        Kind::DrainingHost => ("draining hosts", "a drain by somebody else is seen only by the sweep", false),
        Kind::StoppedTask => ("stopped tasks", "the end of a drain is found only by the sweep, minutes later", true),
        Kind::Parameter => ("own parameters", "a new image begins no rotation until the release check", true),
        Kind::FailedLaunch => ("failed launches", "they are noticed only when the replacement is overdue", false),
        Kind::EndedInstance => ("ended instances", "the next host is taken only after the sweep", false),
    }
}

/// None where there is nothing of which such an event could tell.
fn kind_of_event(kind: Kind, rest: &Rest) -> Option<Check> {
    let (name, otherwise, needed) = cost(kind);
    let of_kind = || rest.deliveries.iter().filter(|delivery| delivery.sample.kind == kind);
    of_kind().next()?;
    if let Some(failure) = of_kind().find_map(|delivery| delivery.by.as_ref().err()) {
        return Some(Area::Events.unseen(name, failure));
    }
    let lost: BTreeSet<&str> = of_kind()
        .filter(|delivery| delivery.by.as_ref().is_ok_and(Vec::is_empty))
        .map(|delivery| delivery.sample.of.as_str())
        .collect();
    if lost.is_empty() {
        let by: BTreeSet<&String> = of_kind().filter_map(|delivery| delivery.by.as_ref().ok()).flatten().collect();
        let of: BTreeSet<&str> = of_kind().map(|delivery| delivery.sample.of.as_str()).collect();
        return Some(Area::Events.pass(name, format!("of {}: by {}", listed(of), listed(by))));
    }
    let says = format!("no enabled rule puts `{}` of {} on the queue: {otherwise}", kind.detail_type(), listed(lost));
    let advice = "make such a rule with the queue as its target, as infra/worker.yaml does";
    Some(if needed { Area::Events.fail(name, says, advice) } else { Area::Events.warn(name, says, advice) })
}

/// AWS's public parameters send no events: something has to ask.
fn release_check(rest: &Rest) -> Check {
    const NAME: &str = "release check";
    let rules = rest.rules.iter().flatten().filter_map(of_rule);
    let schedules = rest.schedules.iter().flatten().cloned();
    let (checking, other): (Vec<Schedule>, Vec<Schedule>) = rules
        .chain(schedules)
        .partition(|schedule| asks_for(schedule, |command| matches!(command, Command::CheckReleases {})));
    if let Some(schedule) = checking.iter().find(|schedule| schedule.enabled) {
        let zone = schedule.zone.as_deref().unwrap_or("UTC");
        return Area::Events.pass(NAME, format!("{} in {zone}, by {}", schedule.expression, schedule.name));
    }
    // A rotation that is asked for looks for images as well.
    if let Some(schedule) = other
        .iter()
        .find(|schedule| schedule.enabled && asks_for(schedule, |command| matches!(command, Command::Rotate { .. })))
    {
        return Area::Events.pass(NAME, format!("{} asks for a rotation, {}", schedule.name, schedule.expression));
    }
    if let Some(schedule) = checking.first() {
        let says = format!("{} is disabled: no image of AWS's begins a rotation", schedule.name);
        return Area::Events.fail(NAME, says, "enable it");
    }
    if let Err(failure) = rest.schedules.as_ref().map(|_| ()).and(rest.rules.as_ref().map(|_| ())) {
        return Area::Events.unseen(NAME, failure);
    }
    if let Some(Schedule { name, input, .. }) = other.first() {
        let input = input.as_deref().unwrap_or("nothing");
        let says = format!("{name} sends {input}, which is no check for releases");
        return Area::Events.fail(NAME, says, r#"let it send {"action":"check-releases"}"#);
    }
    if !follows_public_images(rest) {
        return Area::Events.warn(
            NAME,
            "no schedule: a new image begins a rotation only by the event of its parameter, which may be lost",
            r#"make a schedule that sends {"action":"check-releases"} to the queue"#,
        );
    }
    Area::Events.fail(
        NAME,
        "no schedule has the queue as its target: AWS's images send no events, and would begin no rotation",
        r#"make a schedule that sends {"action":"check-releases"} to the queue, every hour or so"#,
    )
}

/// A rule with a schedule is one as well.
fn of_rule(rule: &Rule) -> Option<Schedule> {
    let expression = rule.schedule.clone()?;
    Some(Schedule {
        name: format!("rule {}", rule.name),
        enabled: rule.enabled,
        expression,
        zone: None,
        input: rule.input.clone(),
    })
}

fn asks_for(schedule: &Schedule, wanted: fn(&Command) -> bool) -> bool {
    match parse(schedule.input.as_deref().unwrap_or_default()) {
        Parsed::Command(command) => wanted(&command),
        Parsed::Event(_) | Parsed::Irrelevant { .. } | Parsed::Malformed { .. } => false,
    }
}

fn follows_public_images(rest: &Rest) -> bool {
    let mut views = rest.survey.views().map(|view| (view.parameters.len(), own_parameters(view).count())).peekable();
    views.peek().is_none() || views.any(|(all, own)| all > own || all == 0)
}
