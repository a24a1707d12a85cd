//! A call: who asked for it, and for what.

use std::collections::BTreeSet;

use super::commands::Wanted;
use crate::effect::{CallKind, Failure, FailureKind, Request};
use crate::id::{ClusterArn, InstanceId, Receipt};
use crate::plan::act::Act;
use crate::plan::answer::{Answer, MessageKey};
use crate::plan::hold::ABORTED_SAID;
use crate::plan::problem::{Problem, told};

/// Receipts of messages, in the order of their arrival.
pub type Receipts = Vec<Receipt>;

/// Who waits for an answer.
#[derive(Clone, Debug)]
pub enum Owner {
    Receive,
    Delete(Receipts),
    Extend,
    Census,
    Locate,
    /// The parameters that settled clusters follow.
    Releases,
    /// What was told of our own.
    News,
    Pass(ClusterArn, Purpose),
}

/// What a pass wanted with a request.
#[derive(Clone, Debug)]
pub enum Purpose {
    /// A fact. `asked`: the instances that the answer must speak of, or they are not there.
    Look {
        asked: Vec<InstanceId>,
    },
    Act(Act),
    /// A change of the rotation's state, on the cluster's tags.
    Tags(Box<TagChange>),
    /// What became of messages that have changed nothing.
    Answers(Vec<(MessageKey, Answer)>),
    /// This worker's settings, on the cluster's tags.
    Settings,
    /// Who keeps the drain of this host from ending.
    Blockers(InstanceId),
}

/// What becomes true of the rotation once the cluster's tags are written.
#[derive(Clone, Debug)]
pub struct TagChange {
    pub wanted: Wanted,
    /// What a hold is about.
    pub held_for: BTreeSet<Problem>,
    /// What asked for it, for the log.
    pub because: String,
    /// To those who asked for it.
    pub answers: Vec<(MessageKey, Answer)>,
}

impl TagChange {
    /// Nobody has asked for it.
    pub fn of_our_own(wanted: Wanted, held_for: BTreeSet<Problem>) -> Self {
        Self { wanted, held_for, because: String::new(), answers: Vec::new() }
    }
}

impl TagChange {
    /// Why the rotation is held, with what to do about it, on one line.
    pub fn reason(&self) -> String {
        let Some(hold) = &self.wanted.hold else { return String::new() };
        if self.held_for.is_empty() {
            return hold.in_words();
        }
        let aborted = hold.aborted.then(|| ABORTED_SAID.to_owned());
        let problems = told(&self.held_for).into_iter().map(|told| told.text);
        aborted.into_iter().chain(problems).collect::<Vec<_>>().join("; ")
    }
}

/// One call, and how often it has been made before.
#[derive(Clone, Debug)]
pub struct Call {
    pub owner: Owner,
    pub request: Request,
    pub failures: u32,
}

/// A look is asked for again this often before its pass fails.
const MOST_TRIES: u32 = 4;

/// A look that was throttled or got no answer is asked for again, so that a pass need not begin anew. Acts are not: what they
/// rest on must be fresh.
pub fn is_worth_another_try(call: &Call, failure: &Failure) -> bool {
    let passing = matches!(failure.kind, FailureKind::Throttled | FailureKind::Transient);
    if matches!(call.owner, Owner::News) {
        // One that may have arrived is not told again.
        return failure.kind == FailureKind::Throttled && call.failures < MOST_TRIES;
    }
    let explains = matches!(call.owner, Owner::Pass(_, Purpose::Blockers(_)));
    let look = explains
        || matches!(call.owner, Owner::Pass(_, Purpose::Look { .. }) | Owner::Census | Owner::Locate | Owner::Releases);
    let may_do_without = explains
        || match call.request.kind() {
            CallKind::BestEffortRead | CallKind::ExplainingRead => true,
            CallKind::AdvisoryRead => failure.kind == FailureKind::Transient && failure.is_answer(),
            CallKind::Queue | CallKind::RequiredRead | CallKind::Write | CallKind::Notice => false,
        };
    passing && look && call.failures < if may_do_without { 1 } else { MOST_TRIES }
}
