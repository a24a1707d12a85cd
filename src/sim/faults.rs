//! What goes wrong, how often, drawn per request and per event from the seed.
//!
//! Never "every n-th": that would resonate with the length of a pass, and some call would never fail.

use std::collections::BTreeMap;

use jiff::SignedDuration;

use super::chance::{Chance, Delay, Stream};
use crate::effect::{Failure, FailureKind, Request};

/// Rates are shares of 1.0 for each single request, event or receive; `…_per_hour` are mean counts over the whole account.
#[derive(Clone, Debug, PartialEq)]
pub struct Faults {
    pub events_lost: f64,
    pub events_doubled: f64,
    /// Overtaken by others: up to half a minute late.
    pub events_reordered: f64,
    /// One to ten minutes late.
    pub events_late: f64,
    /// A message that was received stays visible for others.
    pub duplicate_delivery: f64,
    pub throttled: f64,
    /// Failed before the world noticed.
    pub failed_before: f64,
    /// Done, but the answer is an error.
    pub failed_after: f64,
    /// Of each task that is described: it is not, and the answer names another reason than that it is no more.
    pub tasks_unread: f64,
    /// A read answers with the past.
    pub stale_reads: f64,
    /// How far in the past, at most.
    pub max_staleness: SignedDuration,
    /// The share of the operations of each worker, drawn anew in each of its lives, whose calls take longer than others: so the
    /// reads of one look are of different times, and what others do comes between any two of them.
    pub torn: f64,
    /// By how much at most, on the way there and, by a draw of its own, on the way back.
    pub torn_by: SignedDuration,
    /// How often all workers begin at the same time, and so do their sweeps.
    pub abreast: f64,
    /// Operations of one worker that always take so much longer.
    pub slow: &'static [Slow],
    pub worker_kills_per_hour: f64,
    /// The worker that caused this effect (counted over all workers from 1) dies before it hears of it.
    pub kill_after_effect: Option<u64>,
    pub restart_delay: Delay,
    pub host_deaths_per_hour: f64,
    pub person_terminates_per_hour: f64,
    /// A person drains a host ("sets it aside").
    pub person_drains_per_hour: f64,
    /// Times per hour and host that an agent loses its connection.
    pub agent_drops_per_hour: f64,
    pub agent_gone_for: Delay,
    /// Every call of this operation fails so.
    pub denied: Option<(&'static str, FailureKind)>,
}

impl Default for Faults {
    fn default() -> Self {
        Self::none()
    }
}

impl Faults {
    /// A day on which everything works. Agents still reconnect now and then: that is normal life.
    pub const fn none() -> Self {
        Self {
            events_lost: 0.0,
            events_doubled: 0.0,
            events_reordered: 0.0,
            events_late: 0.0,
            duplicate_delivery: 0.0,
            throttled: 0.0,
            failed_before: 0.0,
            failed_after: 0.0,
            tasks_unread: 0.0,
            stale_reads: 0.0,
            max_staleness: SignedDuration::from_secs(10),
            torn: 0.0,
            torn_by: SignedDuration::from_secs(3),
            abreast: 0.0,
            slow: &[],
            worker_kills_per_hour: 0.0,
            kill_after_effect: None,
            restart_delay: Delay::secs(5, 60),
            host_deaths_per_hour: 0.0,
            person_terminates_per_hour: 0.0,
            person_drains_per_hour: 0.0,
            agent_drops_per_hour: 1.0,
            agent_gone_for: Delay::secs(2, 20),
            denied: None,
        }
    }

    /// An ordinary bad day.
    pub const fn light() -> Self {
        Self {
            events_lost: 0.02,
            events_doubled: 0.05,
            events_reordered: 0.1,
            events_late: 0.02,
            duplicate_delivery: 0.01,
            throttled: 0.02,
            failed_before: 0.01,
            failed_after: 0.01,
            stale_reads: 0.1,
            worker_kills_per_hour: 0.3,
            agent_drops_per_hour: 3.0,
            ..Self::none()
        }
    }

    /// Everything at once, and hosts and people besides.
    pub const fn heavy() -> Self {
        Self {
            torn: 0.3,
            abreast: 0.5,
            events_lost: 0.3,
            events_doubled: 0.2,
            events_reordered: 0.3,
            events_late: 0.1,
            duplicate_delivery: 0.05,
            throttled: 0.05,
            failed_before: 0.02,
            failed_after: 0.02,
            stale_reads: 0.3,
            worker_kills_per_hour: 4.0,
            host_deaths_per_hour: 0.5,
            person_terminates_per_hour: 0.3,
            agent_drops_per_hour: 6.0,
            agent_gone_for: Delay::secs(2, 60),
            ..Self::none()
        }
    }

    /// Can a worker be left to find something out for itself, because the event that tells it is lost or very late?
    pub fn events_fail(&self) -> bool {
        self.events_lost > 0.0 || self.events_late > 0.0
    }

    /// How long a worker that does everything right can be in error about something that others did.
    ///
    /// 90 s cover the delays of events, the work of a pass with retries, and a person's act that overtakes a request. Where
    /// events are lost it takes until the next sweep, and a worker that was just restarted needs a little longer.
    pub fn grace(&self, sweep_interval: SignedDuration) -> SignedDuration {
        let told = SignedDuration::from_secs(90) + self.max_staleness;
        if self.events_fail() {
            told.max(sweep_interval + SignedDuration::from_secs(60) + self.max_staleness)
        } else {
            told
        }
    }

    pub(super) fn fate(&self, request: &Request, chance: &mut Chance) -> Fate {
        if let Some((_, kind)) = self.denied.filter(|(operation, _)| *operation == request.operation()) {
            return Fate::FailBefore(failure(request, kind, "AccessDeniedException", "no policy allows this action"));
        }
        if chance.hit(self.throttled) {
            return Fate::FailBefore(throttled(request));
        }
        if chance.hit(self.failed_before) {
            return Fate::FailBefore(failure(request, FailureKind::Transient, "Dispatch", "connection reset"));
        }
        if chance.hit(self.failed_after) {
            return Fate::FailAfter(failure(request, FailureKind::Transient, "Timeout", "no answer in time"));
        }
        let reads = !request.is_effect() && !request.is_queue();
        if reads && chance.hit(self.stale_reads) {
            let most = u64::try_from(self.max_staleness.as_millis()).unwrap_or(0);
            return Fate::Stale(chance.delay(Delay::millis(0, most)));
        }
        Fate::Performed
    }
}

/// One operation of one worker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Slow {
    pub worker: usize,
    pub operation: &'static str,
    pub there: SignedDuration,
    pub back: SignedDuration,
}

/// How much longer than others the calls of each worker take, operation by operation.
#[derive(Debug)]
pub(super) struct Tears {
    chance: Chance,
    /// In milliseconds, there and back, at most.
    of: BTreeMap<(usize, &'static str), (u64, u64)>,
}

impl Tears {
    pub(super) fn new(seed: u64) -> Self {
        Self { chance: Chance::new(seed, Stream::Tears), of: BTreeMap::new() }
    }

    pub(super) fn hit(&mut self, rate: f64) -> bool {
        self.chance.hit(rate)
    }

    /// A worker begins a new life.
    pub(super) fn forget(&mut self, worker: usize) {
        self.of.retain(|(of, _), _| *of != worker);
    }

    /// How much longer this call takes, there and back.
    pub(super) fn draw(
        &mut self,
        faults: &Faults,
        worker: usize,
        request: &Request,
    ) -> (SignedDuration, SignedDuration) {
        let operation = request.operation();
        let slow = faults.slow.iter().find(|slow| slow.worker == worker && slow.operation == operation);
        let (mut there, mut back) = slow.map(|slow| (slow.there, slow.back)).unwrap_or_default();
        if faults.torn > 0.0 && !request.is_queue() {
            let (chance, most) = (&mut self.chance, u64::try_from(faults.torn_by.as_millis()).unwrap_or(0));
            let (most_there, most_back) = *self.of.entry((worker, operation)).or_insert_with(|| {
                let mut bound = || if chance.hit(faults.torn) { most } else { 0 };
                (bound(), bound())
            });
            there += self.chance.delay(Delay::millis(0, most_there));
            back += self.chance.delay(Delay::millis(0, most_back));
        }
        (there, back)
    }
}

/// What becomes of one request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    Performed,
    /// A read that answers with the state of this long ago.
    Stale(SignedDuration),
    FailBefore(Failure),
    FailAfter(Failure),
}

/// The account's bucket for this call is empty.
pub(super) fn throttled(request: &Request) -> Failure {
    failure(request, FailureKind::Throttled, "ThrottlingException", "Rate exceeded")
}

fn failure(request: &Request, kind: FailureKind, code: &str, message: &str) -> Failure {
    Failure {
        kind,
        operation: request.operation(),
        code: code.to_owned(),
        message: message.to_owned(),
        request_id: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sim::chance::Stream;

    #[test]
    fn without_faults_every_request_is_performed() {
        let mut chance = Chance::new(1, Stream::Faults);
        for _ in 0..1000 {
            assert_eq!(Faults::none().fate(&Request::LocateSelf, &mut chance), Fate::Performed);
        }
    }

    #[test]
    fn only_reads_are_stale_and_every_fault_happens() {
        let mut chance = Chance::new(1, Stream::Faults);
        let effect = Request::TerminateInstances { instances: Vec::new() };
        let (mut stale, mut before, mut after) = (0, 0, 0);
        for _ in 0..2000 {
            assert!(!matches!(Faults::heavy().fate(&effect, &mut chance), Fate::Stale(_)));
            match Faults::heavy().fate(&Request::LocateSelf, &mut chance) {
                Fate::Performed => {}
                Fate::Stale(age) => {
                    assert!(age <= SignedDuration::from_secs(10));
                    stale += 1;
                }
                Fate::FailBefore(_) => before += 1,
                Fate::FailAfter(_) => after += 1,
            }
        }
        assert!(stale > 300 && before > 90 && after > 20, "{stale} {before} {after}");
    }
}
