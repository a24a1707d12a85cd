//! May the worker do what it will have to? What IAM's answers mean, or, without them, what was called and tried.

use std::collections::{BTreeMap, BTreeSet};

use super::facts::{Facts, Location, NoQueue, Principal, Proof, Rest, Right};
use super::questions::MADE_UP_INSTANCE;
use super::samples::MADE_UP_ID;
use super::{Area, Check, one_line};
use crate::effect::Failure;
use crate::effect::permissions::{On, Permission, all};

/// Without these the worker knows less, or leaves old versions where they are; it goes on all the same.
const DOES_WITHOUT: [&str; 5] = [
    "autoscaling:DescribeScalingActivities",
    "autoscaling:DescribeInstanceRefreshes",
    "ec2:DeleteLaunchTemplateVersions",
    "ecs:DescribeServices",
    "ecs:GetTaskProtection",
];

/// IAM's word on one action and one thing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    pub action: String,
    /// What was asked about.
    pub on: On,
    pub resource: String,
    /// The error is IAM's word for it, `implicitDeny`.
    pub allowed: Result<(), String>,
    /// Condition keys on which it hangs, and which the question did not bring.
    pub lacks: Vec<String>,
}

/// What IAM's answers come to: an action that is denied on one thing is denied.
#[must_use]
pub fn by_simulation(needed: &[Permission], answers: &[Answer]) -> BTreeMap<&'static str, Right> {
    let right = |needs: &Permission| {
        let mut right = Right::Unproved(None);
        for answer in answers.iter().filter(|answer| answer.action == needs.action && answer.on == needs.on) {
            match &answer.allowed {
                Ok(()) if right == Right::Unproved(None) => right = Right::Allowed(Proof::Simulated),
                Ok(()) => {}
                // It may be allowed where these are known.
                Err(_) if !answer.lacks.is_empty() => {
                    right = Right::Unproved(Some(format!("hangs on {}", answer.lacks.join(", "))));
                }
                Err(word) => {
                    return Right::Denied(Proof::Simulated, format!("{word} on {}", thing(&answer.resource)));
                }
            }
        }
        right
    };
    needed.iter().map(|needs| (needs.name(), right(needs))).collect()
}

/// What the caller was allowed to call, or would have been (dry runs go by the name of what they need).
#[must_use]
pub fn by_trying(
    needed: &[Permission],
    answered: &BTreeSet<&'static str>,
    denied: &BTreeMap<&'static str, Failure>,
    dry: &BTreeMap<&'static str, Result<(), String>>,
) -> BTreeMap<&'static str, Right> {
    let right = |name: &'static str| {
        let operation = name.split_once(':').map_or(name, |(_, operation)| operation);
        match (dry.get(name), denied.get(operation)) {
            (Some(Ok(())), _) => Right::Allowed(Proof::DryRun),
            (Some(Err(why)), _) => Right::Denied(Proof::DryRun, why.clone()),
            (None, Some(failure)) => Right::Denied(Proof::Called, failure.message.clone()),
            (None, None) if answered.contains(operation) => Right::Allowed(Proof::Called),
            (None, None) => Right::Unproved(None),
        }
    };
    needed.iter().map(|needs| (needs.name(), right(needs.name()))).collect()
}

pub(super) fn checks(facts: &Facts, rest: &Rest) -> Vec<Check> {
    if let Principal::Missing(who) = &rest.principal {
        let says = format!("IAM knows no {who}");
        return vec![Area::Permissions.fail("role", says, "check --role and the account; the stack says TaskRoleArn")];
    }
    let (who, how, why_unproved, to_prove) = by_whom(&rest.principal);
    // Whoever is not the worker is not helped by what he may not do himself.
    let is_caller = facts.caller.as_ref().is_ok_and(|caller| caller.arn == *who || is_session_of(&caller.arn, who));
    let sorted = Sorted::of(&rest.rights);
    let mut checks = denials(&sorted.denied, who, is_caller);
    for (action, what) in &sorted.on_the_side {
        let says = format!("{action} is denied to {} ({what}): the worker does without", last(who));
        checks.push(Area::Permissions.warn("on the side", says, "allow it: less is told without"));
    }
    if sorted.allowed > 0 {
        let says = format!("{} of {} actions, to {who}, {how}", sorted.allowed, rest.rights.len());
        // In a task it is the worker who asks, or somebody in its place.
        let is_person = is_caller && rest.location == Location::NotInATask;
        checks.push(if is_person {
            let advice = "that is you: say --role for the worker's role (TaskRoleArn of the stack)";
            Area::Permissions.warn("allowed", says, advice)
        } else {
            Area::Permissions.pass("allowed", says)
        });
    }
    if rest.queue == Err(NoQueue::NotAsked) {
        checks.push(Area::Permissions.not_asked("on the queue", "what the worker needs there was not asked"));
    }
    if !sorted.unproved.is_empty() {
        let why = why_unproved.map(|why| format!(" (no simulation: {})", one_line(why))).unwrap_or_default();
        let says = format!("for {}{why}: {}", last(who), sorted.unproved.join(", "));
        checks.push(Area::Permissions.warn("unproved", says, to_prove));
    }
    checks
}

#[derive(Default)]
struct Sorted {
    allowed: usize,
    unproved: Vec<String>,
    on_the_side: Vec<(&'static str, String)>,
    /// By the kind of thing and by what was said, the actions.
    denied: BTreeMap<On, BTreeMap<String, Vec<&'static str>>>,
}

impl Sorted {
    fn of(rights: &BTreeMap<&'static str, Right>) -> Self {
        let things: BTreeMap<&str, On> = all().iter().map(|needs| (needs.name(), needs.on)).collect();
        let mut sorted = Self::default();
        for (action, right) in rights {
            match right {
                Right::Allowed(_) => sorted.allowed += 1,
                Right::Unproved(None) => sorted.unproved.push((*action).to_owned()),
                Right::Unproved(Some(why)) => sorted.unproved.push(format!("{action} ({why})")),
                Right::Denied(_, what) if DOES_WITHOUT.contains(action) => {
                    sorted.on_the_side.push((action, one_line(what)));
                }
                Right::Denied(_, what) => {
                    let on = things.get(action).copied().unwrap_or(On::Everything);
                    sorted.denied.entry(on).or_default().entry(one_line(what)).or_default().push(action);
                }
            }
        }
        sorted
    }
}

fn denials(denied: &BTreeMap<On, BTreeMap<String, Vec<&str>>>, who: &str, is_caller: bool) -> Vec<Check> {
    let other = if is_caller { "; if you are not the worker, say whose role it has by --role" } else { "" };
    let check = |(on, by_word): (&On, &BTreeMap<String, Vec<&str>>)| {
        let each = by_word.iter().map(|(what, actions)| format!("{} ({what})", actions.join(", ")));
        let says = format!("denied to {}: {}", last(who), each.collect::<Vec<_>>().join("; "));
        let advice = format!("allow it; `ecs-rotator policy` prints all that the worker needs{other}");
        Area::Permissions.fail(on_words(*on), says, advice)
    };
    denied.iter().map(check).collect()
}

/// Who it is about, how it is known, why not more is, and what to do about that.
fn by_whom(principal: &Principal) -> (&str, &'static str, Option<&str>, &'static str) {
    const ALLOW: &str = "allow yourself iam:SimulatePrincipalPolicy to prove them";
    match principal {
        Principal::Simulated(who) => {
            let by_hand = "IAM gave no answer, or nothing was found to ask it about (which role, which parameter): \
                look at it by hand";
            (who, "by a simulation of its policies", None, by_hand)
        }
        Principal::Tried { caller, why_not_simulated } => {
            (caller, "by calls and dry runs", Some(why_not_simulated), ALLOW)
        }
        Principal::Unknown { principal, why_not_simulated } => (principal, "", Some(why_not_simulated), ALLOW),
        Principal::Missing(who) => (who, "", None, "check --role"),
    }
}

const fn on_words(on: On) -> &'static str {
    match on {
        On::Everything => "to look around",
        On::Queue => "on the queue",
        On::Key => "on the queue's key",
        On::Cluster | On::ClusterTags => "on clusters",
        On::CapacityProvider => "on capacity providers",
        On::InCluster | On::OfCluster => "in clusters",
        On::Group | On::GroupTags => "on groups",
        On::Instance => "on hosts",
        On::OurInstance => "on hosts of its own",
        On::LaunchTemplate => "on launch templates",
        On::Launch | On::Launched => "on what templates launch",
        On::Parameter => "on parameters",
        On::InstanceRole => "on the hosts' role",
        On::Bus => "on the bus",
    }
}

/// What an ARN names, without what is made up: `task/prod`, `launch-template/lt-0123456789abcdef0`, `group web`.
fn thing(arn: &str) -> String {
    let of_account = arn.splitn(6, ':').nth(5).unwrap_or(arn);
    let name = |text: &str| text.rsplit_once(":autoScalingGroupName/").map(|(_, name)| format!("group {name}"));
    name(arn).unwrap_or_else(|| of_account.trim_end_matches(MADE_UP_ID).trim_end_matches(MADE_UP_INSTANCE).to_owned())
}

/// `rotator-TaskRole` of its ARN.
fn last(arn: &str) -> &str {
    arn.rsplit(['/', ':']).next().unwrap_or(arn)
}

fn is_session_of(caller: &str, role: &str) -> bool {
    role_of_session(caller).is_some_and(|name| role.rsplit('/').next() == Some(name))
}

/// `worker` of `arn:aws:sts::1:assumed-role/worker/session`; None: it is no session.
#[must_use]
pub fn role_of_session(arn: &str) -> Option<&str> {
    arn.split_once(":assumed-role/").and_then(|(_, rest)| rest.split('/').next())
}
