//! What was found in the account, as it was found.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};

use super::samples::Sample;
use crate::effect::Failure;
use crate::engine::Settings;
use crate::engine::survey::Findings;
use crate::id::ContainerInstanceArn;

/// What AWS said, or why it could not be asked.
pub type Found<T> = Result<T, Failure>;

#[derive(Debug)]
pub struct Facts {
    pub region: String,
    /// None: no queue is named, and none is asked.
    pub queue_url: Option<String>,
    pub settings: Settings,
    pub at: Timestamp,
    pub caller: Found<Caller>,
    /// How far this machine's clock is before AWS's (to the second, and the time of a call).
    pub clock: Option<SignedDuration>,
    /// None: with such credentials nothing else was asked.
    pub rest: Option<Rest>,
}

#[derive(Debug)]
pub struct Rest {
    pub queue: Result<Queue, NoQueue>,
    pub dead_letters: Option<Found<Queue>>,
    /// What targets the queue; empty while its ARN is not known.
    pub rules: Found<Vec<Rule>>,
    pub schedules: Found<Vec<Schedule>>,
    pub deliveries: Vec<Delivery>,
    pub location: Location,
    pub survey: Findings,
    /// Whose rights were asked for.
    pub principal: Principal,
    pub rights: BTreeMap<&'static str, Right>,
}

/// The queue was not looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NoQueue {
    /// None is named: the question is about the clusters.
    NotAsked,
    Unusable {
        /// What is wrong, on what, and what to do.
        says: String,
        /// It may be the caller that is in the way, and not the queue.
        unsure: bool,
    },
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    pub arn: String,
    pub account: String,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Queue {
    pub arn: String,
    /// A JSON document.
    pub policy: Option<String>,
    /// ARN of the dead-letter queue, and the receives after which a message goes there.
    pub redrive: Option<(String, u32)>,
    pub encryption: Encryption,
    /// Messages that wait, approximately.
    pub waiting: u64,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Encryption {
    None,
    /// SSE-SQS: by a key of SQS's own.
    BySqs,
    /// SSE-KMS: a key's id, ARN or alias.
    ByKey(String),
}

/// A rule of the default bus that has the queue among its targets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    pub name: String,
    pub arn: String,
    pub enabled: bool,
    pub pattern: Option<String>,
    pub schedule: Option<String>,
    /// A constant that takes the event's place.
    pub input: Option<String>,
    /// A role by which it delivers, in the place of the queue's policy.
    pub role: Option<String>,
    /// Only a part of the event is sent, or another text.
    pub transformed: bool,
    /// What cannot be delivered goes to a queue.
    pub dead_letters: bool,
}

/// A schedule of EventBridge Scheduler whose target is the queue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Schedule {
    pub name: String,
    pub enabled: bool,
    /// `rate(1 hour)`
    pub expression: String,
    pub zone: Option<String>,
    pub input: Option<String>,
}

/// Which rules would put such an event on the queue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivery {
    pub sample: Sample,
    /// Names of enabled rules.
    pub by: Found<Vec<String>>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Location {
    NotInATask,
    /// In a task, and on no container instance: Fargate.
    OnNoHost,
    On(ContainerInstanceArn),
    Unknown(Failure),
}

/// Whose rights were asked for, and whether IAM could be asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Principal {
    /// This role or user, by simulation of its policies.
    Simulated(String),
    /// The caller, by what it was allowed to call. The failure says why IAM was no help.
    Tried { caller: String, why_not_simulated: String },
    /// IAM knows nobody of that name.
    Missing(String),
    /// Somebody else, of whom nothing can be known without IAM.
    Unknown { principal: String, why_not_simulated: String },
}

/// What is known of one action.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Right {
    Allowed(Proof),
    /// And on what, in AWS's words.
    Denied(Proof, String),
    /// And why, if there is more to say than that nobody was asked.
    Unproved(Option<String>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Proof {
    /// IAM's `SimulatePrincipalPolicy`.
    Simulated,
    /// EC2 said what it would have done.
    DryRun,
    /// It was called.
    Called,
}

impl std::fmt::Display for Right {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Right::Allowed(proof) => write!(f, "allowed ({proof})"),
            Right::Denied(proof, what) => write!(f, "denied ({proof}): {what}"),
            Right::Unproved(None) => f.write_str("unproved"),
            Right::Unproved(Some(why)) => write!(f, "unproved ({why})"),
        }
    }
}

impl std::fmt::Display for Proof {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Proof::Simulated => "simulated",
            Proof::DryRun => "dry run",
            Proof::Called => "called",
        })
    }
}
