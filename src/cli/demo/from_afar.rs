//! A large fleet: the first host is followed through, and then a gauge is read every so often.

use jiff::SignedDuration;

use super::close_up::CloseUp;
use super::fleet::Fleet;
use super::ink::{Line, Phase, bar, number};
use super::story::{Narrator, Step};
use crate::id::InstanceId;

/// About how often the gauge is read in a whole run.
const READINGS: i64 = 20;
/// The times between readings that a person can count in, in seconds.
const STEPS: [i64; 11] = [30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 21_600, 43_200];
const BAR: usize = 20;

pub struct FromAfar {
    every: SignedDuration,
    next: SignedDuration,
    first: Option<InstanceId>,
    close_up: CloseUp,
    since: Since,
    finished: bool,
}

/// What happened since the last reading.
#[derive(Default, PartialEq, Eq)]
struct Since {
    left: usize,
    gone: usize,
    tasks: usize,
}

impl FromAfar {
    pub fn new(size: usize, takes: SignedDuration) -> Self {
        let wanted = takes.as_secs() / READINGS;
        let last = STEPS[STEPS.len() - 1];
        let every = SignedDuration::from_secs(STEPS.into_iter().find(|step| *step >= wanted).unwrap_or(last));
        let (first, since) = (None, Since::default());
        Self { every, next: every, first, close_up: CloseUp::new(size), since, finished: false }
    }

    fn read(&mut self, at: SignedDuration, fleet: &Fleet, lines: &mut Vec<Line>) {
        let since = std::mem::take(&mut self.since);
        if self.finished || (since == Since::default() && fleet.in_flight() == 0) {
            return;
        }
        let (done, all) = (fleet.replaced(), fleet.size);
        self.finished = done == all;
        let (width, in_flight) = (all.to_string().len(), fleet.in_flight());
        let text = format!(
            "{} {done:>width$}/{all} · {in_flight:>3} in flight · {:>3} left, {:>3} gone, {:>5} tasks moved",
            bar(done, all, BAR),
            since.left,
            since.gone,
            number(u64::try_from(since.tasks).unwrap_or(u64::MAX)),
        );
        lines.push(Line { at: Some(at), group: String::new(), phase: Phase::Progress, text });
    }
}

impl Narrator for FromAfar {
    fn step(&mut self, at: SignedDuration, step: &Step<'_>, fleet: &Fleet, lines: &mut Vec<Line>) {
        let (Step::Leaves { host, .. }
        | Step::Joins { host, .. }
        | Step::Drains { host, .. }
        | Step::Gone { host, .. }) = *step;
        let first = self.first.get_or_insert_with(|| host.clone()) == host;
        match *step {
            Step::Leaves { .. } => self.since.left += 1,
            Step::Joins { .. } | Step::Drains { .. } => {}
            Step::Gone { .. } => {
                self.since.gone += 1;
                self.since.tasks += fleet.drain(host).0;
            }
        }
        if first {
            self.close_up.step(at, step, fleet, lines);
        }
        if fleet.replaced() == fleet.size {
            self.read(at, fleet, lines);
        }
    }

    fn before(&mut self, at: SignedDuration, fleet: &Fleet, lines: &mut Vec<Line>) {
        while at >= self.next {
            self.read(self.next, fleet, lines);
            self.next += self.every;
        }
    }
}
