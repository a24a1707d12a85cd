//! Requests on their way out and back: who asked, and for what.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use jiff::Timestamp;

use super::commands::Wanted;
use super::inbox::Receipts;
use crate::effect::{Failure, FailureKind, Request, RequestId};
use crate::id::{ClusterArn, InstanceId};
use crate::plan::Act;
use crate::plan::hold::Problem;

/// Calls to the fleet under way at once: enough to keep every bucket of AWS busy at a round trip of 50 ms, few
/// enough not to burst through the smallest of them (EC2 changes: 50).
const MOST_UNDER_WAY: usize = 32;

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
        || call.request.is_about_tenants()
        || call.request.only_explains()
        || call.request.is_courtesy() && failure.kind == FailureKind::Transient && failure.is_answer();
    passing && look && call.failures < if may_do_without { 1 } else { MOST_TRIES }
}

#[derive(Debug, Default)]
pub struct Wire {
    last_id: u64,
    queue: VecDeque<(RequestId, Request)>,
    waiting: VecDeque<(RequestId, Request)>,
    under_way: BTreeMap<RequestId, Call>,
    /// Calls that have failed and are to be made again.
    delayed: Vec<(Timestamp, Call)>,
    fleet_under_way: usize,
    receives_under_way: usize,
}

impl Wire {
    /// Queue calls go at once; calls to the fleet as soon as there is room.
    pub fn send(&mut self, owner: Owner, request: Request) {
        self.put(Call { owner, request, failures: 0 });
    }

    fn put(&mut self, call: Call) {
        self.last_id += 1;
        let id = RequestId(self.last_id);
        if matches!(call.owner, Owner::Receive) {
            self.receives_under_way += 1;
        }
        let line = if call.request.is_queue() { &mut self.queue } else { &mut self.waiting };
        line.push_back((id, call.request.clone()));
        self.under_way.insert(id, call);
    }

    /// Makes a call that has failed once more, at this time.
    pub fn send_again(&mut self, mut call: Call, at: Timestamp) {
        call.failures += 1;
        self.delayed.push((at, call));
    }

    /// Sends again what is due.
    pub fn turn(&mut self, now: Timestamp) {
        let delayed = std::mem::take(&mut self.delayed);
        let (due, later): (Vec<_>, Vec<_>) = delayed.into_iter().partition(|(at, _)| now >= *at);
        self.delayed = later;
        for (_, call) in due {
            self.put(call);
        }
    }

    pub fn poll_timeout(&self) -> Option<Timestamp> {
        self.delayed.iter().map(|(at, _)| *at).min()
    }

    pub fn poll(&mut self) -> Option<(RequestId, Request)> {
        if let Some(call) = self.queue.pop_front() {
            return Some(call);
        }
        if self.fleet_under_way >= MOST_UNDER_WAY {
            return None;
        }
        let call = self.waiting.pop_front()?;
        self.fleet_under_way += 1;
        Some(call)
    }

    /// Who asked for this answer; None for one that nobody waits for.
    pub fn take(&mut self, id: RequestId) -> Option<Call> {
        let call = self.under_way.remove(&id)?;
        if !call.request.is_queue() {
            self.fleet_under_way = self.fleet_under_way.saturating_sub(1);
        }
        if matches!(call.owner, Owner::Receive) {
            self.receives_under_way = self.receives_under_way.saturating_sub(1);
        }
        Some(call)
    }

    pub fn receives(&self) -> usize {
        self.receives_under_way
    }

    /// Forgets calls to the fleet that have not left yet.
    pub fn drop_waiting(&mut self) {
        self.delayed.clear();
        for (id, _) in self.waiting.drain(..) {
            self.under_way.remove(&id);
        }
    }

    /// Is nothing on its way?
    pub fn is_quiet(&self) -> bool {
        self.under_way.is_empty()
    }
}
