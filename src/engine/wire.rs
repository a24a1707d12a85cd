//! Requests on their way out and back: who asked, and for what.
//!
//! Each kind of call stands in a line of its own, and leaves it in the order it came, as fast as [`super::pace`] lets it: a
//! line that has to wait keeps no other waiting. Of those that may go, the one that has waited longest goes first.

use std::collections::{BTreeMap, VecDeque};

use jiff::Timestamp;

use super::call::{Call, Owner};
use super::pace::Bucket;
use crate::effect::{Failure, RateClass, Reply, Request, RequestId};

/// Calls of one kind under way at once: at a round trip of 50 ms that is 160 a second, four times the largest share. Where AWS
/// takes so long to answer that this is less than the share, more calls would not make it faster.
const MOST_OF_A_KIND: usize = 8;

#[derive(Debug, Default)]
pub struct Wire {
    last_id: u64,
    /// Of the last turn, or of the last answer.
    now: Timestamp,
    queue: VecDeque<(RequestId, Request)>,
    lines: BTreeMap<RateClass, Line>,
    under_way: BTreeMap<RequestId, Call>,
    /// Calls that have failed and are to be made again.
    delayed: Vec<(Timestamp, Call)>,
    receives_under_way: usize,
    /// Nothing new goes to the fleet.
    closed: bool,
}

/// The calls of one kind.
#[derive(Debug)]
struct Line {
    bucket: Bucket,
    waiting: VecDeque<(RequestId, Request)>,
    under_way: usize,
}

impl Line {
    fn new(kind: RateClass) -> Self {
        Self { bucket: Bucket::new(kind), waiting: VecDeque::new(), under_way: 0 }
    }

    /// The first in the line, if only time is in its way.
    fn first(&self) -> Option<RequestId> {
        let (id, _) = self.waiting.front()?;
        (self.under_way < MOST_OF_A_KIND).then_some(*id)
    }
}

impl Wire {
    /// Queue calls go at once; calls to the fleet when it is their turn.
    pub fn send(&mut self, owner: Owner, request: Request) {
        self.put(Call { owner, request, failures: 0 });
    }

    fn put(&mut self, call: Call) {
        let kind = call.request.row().rate;
        if self.closed && kind.is_some() {
            return;
        }
        self.last_id += 1;
        let id = RequestId(self.last_id);
        if matches!(call.owner, Owner::Receive) {
            self.receives_under_way += 1;
        }
        let line = match kind {
            None => &mut self.queue,
            Some(kind) => &mut self.lines.entry(kind).or_insert_with(|| Line::new(kind)).waiting,
        };
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
        self.now = now;
        let delayed = std::mem::take(&mut self.delayed);
        let (due, later): (Vec<_>, Vec<_>) = delayed.into_iter().partition(|(at, _)| now >= *at);
        self.delayed = later;
        for (_, call) in due {
            self.put(call);
        }
    }

    /// When [`poll`](Self::poll) can have something that it has not now; but for answers, which let others go.
    pub fn poll_timeout(&self) -> Option<Timestamp> {
        let lines = self.lines.values().filter(|line| line.first().is_some()).map(|line| line.bucket.next_at());
        self.delayed.iter().map(|(at, _)| *at).chain(lines).min()
    }

    /// The next call that may go at the time of the last turn.
    pub fn poll(&mut self) -> Option<(RequestId, Request)> {
        if let Some(call) = self.queue.pop_front() {
            return Some(call);
        }
        let now = self.now;
        let ready = self.lines.values_mut().filter_map(|line| Some((line.first()?, line)));
        let (_, line) =
            ready.filter_map(|(id, line)| line.bucket.has_one(now).then_some((id, line))).min_by_key(|(id, _)| *id)?;
        line.bucket.take_one();
        line.under_way += 1;
        line.waiting.pop_front()
    }

    /// Who asked for this answer; None for one that nobody waits for.
    pub fn take(&mut self, id: RequestId, reply: &Result<Reply, Failure>, now: Timestamp) -> Option<Call> {
        let call = self.under_way.remove(&id)?;
        self.now = now;
        if let Some(line) = call.request.row().rate.and_then(|kind| self.lines.get_mut(&kind)) {
            line.under_way = line.under_way.saturating_sub(1);
            line.bucket.learn(reply.as_ref().err().map(|failure| failure.kind), now);
        }
        if matches!(call.owner, Owner::Receive) {
            self.receives_under_way = self.receives_under_way.saturating_sub(1);
        }
        Some(call)
    }

    /// The time that it was told last.
    pub fn now(&self) -> Timestamp {
        self.now
    }

    pub fn receives(&self) -> usize {
        self.receives_under_way
    }

    /// Forgets calls to the fleet that have not left yet, and takes no more: at the end of a worker.
    pub fn close(&mut self) {
        self.closed = true;
        self.delayed.clear();
        for (id, _) in self.lines.values_mut().flat_map(|line| line.waiting.drain(..)) {
            self.under_way.remove(&id);
        }
    }

    /// Is nothing on its way?
    pub fn is_quiet(&self) -> bool {
        self.under_way.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::effect::FailureKind;
    use crate::engine::call::{Purpose, is_worth_another_try};
    use crate::plan::act::Act;

    fn at(ms: i64) -> Timestamp {
        Timestamp::from_millisecond(1_768_359_600_000 + ms).unwrap()
    }

    fn tag() -> Request {
        Request::TagResource { cluster: "arn:c".into(), tags: BTreeMap::new() }
    }

    fn look() -> Request {
        Request::DescribeClusters { clusters: Vec::new() }
    }

    fn receive() -> Request {
        Request::ReceiveMessage { wait_seconds: 1, visibility_seconds: 1 }
    }

    fn wire(requests: impl IntoIterator<Item = Request>) -> Wire {
        let mut wire = Wire::default();
        wire.turn(at(0));
        requests.into_iter().for_each(|request| wire.send(Owner::Census, request));
        wire
    }

    /// All that may go, each answered at once.
    fn answered(wire: &mut Wire, now: Timestamp, reply: &Result<Reply, Failure>) -> Vec<u64> {
        let mut gone = Vec::new();
        wire.turn(now);
        while let Some((id, _)) = wire.poll() {
            wire.take(id, reply, now);
            gone.push(id.0);
        }
        gone
    }

    #[test]
    fn what_only_reads_is_tried_again_some_times_and_an_act_never() {
        let failure = |kind| Failure {
            kind,
            operation: "DescribeTasks",
            code: String::new(),
            message: String::new(),
            request_id: None,
        };
        let pass = |purpose| Owner::Pass("arn:c".into(), purpose);
        let reads = || pass(Purpose::Look { asked: Vec::new() });
        let act = || pass(Purpose::Act(Act::Deregister { host: "i-1".into() }));
        let services = || Request::ListServices { cluster: "arn:c".into(), page: None };
        let (throttled, transient) = (FailureKind::Throttled, FailureKind::Transient);
        for (owner, request, kind, tries) in [
            (reads(), look(), throttled, 4),
            (reads(), look(), transient, 4),
            (reads(), look(), FailureKind::AccessDenied, 0),
            (reads(), look(), FailureKind::Refused, 0),
            (reads(), services(), throttled, 1),
            (pass(Purpose::Blockers("i-1".into())), look(), throttled, 1),
            (Owner::Census, look(), throttled, 4),
            (Owner::Releases, look(), transient, 4),
            (act(), look(), throttled, 0),
            (act(), look(), transient, 0),
            (pass(Purpose::Settings), tag(), throttled, 0),
            (Owner::News, look(), throttled, 4),
            (Owner::News, look(), transient, 0),
            (Owner::Receive, receive(), throttled, 0),
            (Owner::Delete(Vec::new()), receive(), throttled, 0),
        ] {
            let again = |failures: &u32| {
                let call = Call { owner: owner.clone(), request: request.clone(), failures: *failures };
                is_worth_another_try(&call, &failure(kind))
            };
            assert_eq!((0..9).take_while(again).count(), tries, "{owner:?} {kind:?}");
        }
    }

    #[test]
    fn a_line_that_has_to_wait_keeps_no_other_waiting_and_goes_on_in_its_order() {
        // Ten tags may go at once, and then five a second.
        let mut wire = wire((0..12).map(|_| tag()).chain([look(), receive()]));
        let expected: Vec<u64> = [14].into_iter().chain(1..=10).chain([13]).collect();
        assert_eq!(answered(&mut wire, at(0), &Ok(Reply::Done)), expected);
        assert_eq!(wire.poll_timeout(), Some(at(200)));
        assert_eq!(answered(&mut wire, at(199), &Ok(Reply::Done)), [] as [u64; 0]);
        assert_eq!(answered(&mut wire, at(200), &Ok(Reply::Done)), [11]);
        assert_eq!(answered(&mut wire, at(400), &Ok(Reply::Done)), [12]);
        assert_eq!((wire.poll_timeout(), wire.is_quiet()), (None, true));
    }

    #[test]
    fn only_an_answer_lets_another_go_when_enough_of_a_kind_are_under_way() {
        let mut wire = wire((0..9).map(|_| look()));
        let gone: Vec<RequestId> = std::iter::from_fn(|| wire.poll()).map(|(id, _)| id).collect();
        assert_eq!((gone.len(), wire.poll_timeout()), (MOST_OF_A_KIND, None));
        wire.send(Owner::Census, tag());
        assert_eq!(wire.poll().map(|(id, _)| id.0), Some(10), "another kind goes");
        wire.take(gone[3], &Ok(Reply::Done), at(50));
        assert_eq!(wire.poll().map(|(id, _)| id.0), Some(9));
    }

    #[test]
    fn a_throttled_kind_slows_down_and_no_other() {
        let throttled = Failure {
            kind: FailureKind::Throttled,
            operation: "TagResource",
            code: "ThrottlingException".to_owned(),
            message: "Rate exceeded".to_owned(),
            request_id: None,
        };
        let mut wire = wire([tag(), tag(), look()]);
        let (first, _) = wire.poll().unwrap();
        wire.take(first, &Err(throttled), at(0));
        assert_eq!(answered(&mut wire, at(0), &Ok(Reply::Done)), [3]);
        assert_eq!(wire.poll_timeout(), Some(at(400)), "2.5 a second in place of 5");
    }

    #[test]
    fn after_its_end_only_calls_to_the_queue_go() {
        let mut wire = wire((0..12).map(|_| tag()));
        let (under_way, _) = wire.poll().unwrap();
        wire.close();
        wire.send(Owner::Census, look());
        wire.send(Owner::Receive, receive());
        assert_eq!(answered(&mut wire, at(60_000), &Ok(Reply::Done)), [13]);
        assert!(!wire.is_quiet() && wire.take(under_way, &Ok(Reply::Done), at(60_000)).is_some() && wire.is_quiet());
    }
}
