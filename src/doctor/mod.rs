//! `doctor`'s judgement: from what was found in an account to a list of checks, each with what to do about it.
//!
//! [`facts`] is what `aws` gathers (reads, simulated policies and dry runs; nothing is changed) and what [`diagnose`] judges.
//! What a rule lets through is not read out of its pattern but asked: [`samples`] has an event for each thing that the
//! worker should hear of, of the very clusters, groups and parameters that were found, and EventBridge says which rules
//! would take it. In the same way [`questions`] has those for IAM: may this role do this, on that, tagged so?
//!
//! What could not be looked at is no pass. It is a warning that says so.

mod clusters;
mod deliveries;
pub mod facts;
mod identity;
pub mod questions;
mod queue;
mod queue_policy;
pub mod rights;
pub mod samples;

use std::collections::BTreeMap;

use serde::Serialize;

use facts::Facts;

use crate::effect::{Failure, FailureKind};

/// Everything that was checked.
#[derive(Debug, Serialize)]
pub struct Diagnosis {
    pub region: String,
    /// None: no queue was named.
    pub queue: Option<String>,
    pub failed: usize,
    pub warned: usize,
    pub passed: usize,
    pub not_asked: usize,
    pub checks: Vec<Check>,
    /// What is known of each action that the worker needs, and how: `allowed (simulated)`.
    pub actions: BTreeMap<&'static str, String>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Check {
    pub area: Area,
    /// What was checked: `encryption`, `group web-asg`
    pub name: String,
    pub status: Status,
    pub says: String,
    /// What to do about it; a check that passed has none.
    pub advice: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Area {
    Identity,
    Queue,
    Events,
    Clusters,
    Permissions,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Status {
    Pass,
    /// It works without, or it could not be looked at.
    Warn,
    /// Rotations would not begin, not go on, or not be seen.
    Fail,
    /// It hangs on the queue, and none is named: nothing is known of it.
    NotAsked,
}

#[must_use]
pub fn diagnose(facts: &Facts) -> Diagnosis {
    let mut checks = identity::checks(facts);
    let mut actions = BTreeMap::new();
    if let Some(rest) = &facts.rest {
        checks.extend(queue::checks(facts, rest));
        checks.extend(deliveries::checks(rest));
        checks.extend(clusters::checks(facts, rest));
        checks.extend(rights::checks(facts, rest));
        actions = rest.rights.iter().map(|(action, right)| (*action, right.to_string())).collect();
    }
    let count = |status: Status| checks.iter().filter(|check| check.status == status).count();
    Diagnosis {
        region: facts.region.clone(),
        queue: facts.queue_url.clone(),
        failed: count(Status::Fail),
        warned: count(Status::Warn),
        passed: count(Status::Pass),
        not_asked: count(Status::NotAsked),
        checks,
        actions,
    }
}

impl Area {
    fn pass(self, name: impl Into<String>, says: impl Into<String>) -> Check {
        Check { area: self, name: name.into(), status: Status::Pass, says: says.into(), advice: None }
    }

    fn warn(self, name: impl Into<String>, says: impl Into<String>, advice: impl Into<String>) -> Check {
        self.not_passed(Status::Warn, name, says, advice)
    }

    fn fail(self, name: impl Into<String>, says: impl Into<String>, advice: impl Into<String>) -> Check {
        self.not_passed(Status::Fail, name, says, advice)
    }

    fn not_asked(self, name: impl Into<String>, says: impl Into<String>) -> Check {
        self.not_passed(Status::NotAsked, name, says, "say --queue-url URL, or set ECS_ROTATOR_QUEUE_URL")
    }

    fn not_passed(
        self,
        status: Status,
        name: impl Into<String>,
        says: impl Into<String>,
        advice: impl Into<String>,
    ) -> Check {
        Check { area: self, name: name.into(), status, says: says.into(), advice: Some(advice.into()) }
    }

    /// It could not be looked at. Who may not look is told what it takes.
    fn unseen(self, name: impl Into<String>, failure: &Failure) -> Check {
        let operation = failure.operation;
        match failure.kind {
            FailureKind::AccessDenied => self.warn(
                name,
                format!("not looked at: {operation} is not allowed to you"),
                format!("run it as somebody who may call {operation}; the worker need not"),
            ),
            FailureKind::Throttled
            | FailureKind::Transient
            | FailureKind::Credentials
            | FailureKind::NotFound
            | FailureKind::Refused => {
                let says = format!("not looked at: {operation} failed: {}", failure.in_short());
                self.warn(name, says, "run it again")
            }
        }
    }
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// `prod, batch and 3 more`
fn listed(names: impl IntoIterator<Item = impl ToString>) -> String {
    const SHOWN: usize = 4;
    let names: Vec<String> = names.into_iter().map(|name| name.to_string()).collect();
    let mut text = names.iter().take(SHOWN).cloned().collect::<Vec<_>>().join(", ");
    if names.len() > SHOWN {
        text += &format!(" and {} more", names.len() - SHOWN);
    }
    text
}
