//! A large fleet: the first host is followed through, and then a gauge is read every so often.

use jiff::SignedDuration;

use super::close_up::CloseUp;
use super::fleet::Fleet;
use super::ink::{Line, Phase, count, number};
use super::story::{Narrator, Step};
use crate::id::{GroupName, InstanceId};

/// About how often the gauge is read in a whole run.
const READINGS: i64 = 20;
/// The times between readings that a person can count in, in seconds.
const STEPS: [i64; 11] = [30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 21_600, 43_200];

pub struct FromAfar {
    every: SignedDuration,
    next: SignedDuration,
    first: Option<InstanceId>,
    /// Its group, as long as it waits for a replacement.
    awaits: Option<GroupName>,
    close_up: CloseUp,
    since: Since,
    finished: bool,
}

/// What happened since the last reading.
#[derive(Default)]
struct Since {
    /// As many as there were then.
    in_flight: usize,
    gone: usize,
    tasks: usize,
}

impl FromAfar {
    pub fn new(size: usize, takes: SignedDuration) -> Self {
        let wanted = takes.as_secs() / READINGS;
        let last = STEPS[STEPS.len() - 1];
        let every = SignedDuration::from_secs(STEPS.into_iter().find(|step| *step >= wanted).unwrap_or(last));
        let (first, awaits, since) = (None, None, Since::default());
        Self { every, next: every, first, awaits, close_up: CloseUp::new(size), since, finished: false }
    }

    fn read(&mut self, at: SignedDuration, fleet: &Fleet, lines: &mut Vec<Line>) {
        let since = std::mem::replace(&mut self.since, Since { in_flight: fleet.in_flight(), ..Since::default() });
        let nothing_new = since.gone == 0 && since.in_flight == fleet.in_flight();
        if self.finished || nothing_new {
            return;
        }
        let (done, all) = (fleet.replaced(), fleet.size);
        self.finished = done == all;
        let (width, in_flight) = (all.to_string().len(), fleet.in_flight());
        let mut text = format!("{done:>width$}/{all} replaced · {in_flight:>3} in flight");
        if since.gone > 0 {
            let (gone, s) = (since.gone, if since.gone == 1 { "" } else { "s" });
            let tasks = number(u64::try_from(since.tasks).unwrap_or(u64::MAX));
            text += &format!(" · {:>4} host{s}, {tasks} tasks moved", format!("+{gone}"));
        }
        lines.push(Line::gauge(at, done, all, text));
    }
}

impl Narrator for FromAfar {
    fn step(&mut self, at: SignedDuration, step: &Step<'_>, fleet: &Fleet, lines: &mut Vec<Line>) {
        let (Step::Leaves { host, .. }
        | Step::Joins { host, .. }
        | Step::Drains { host, .. }
        | Step::Gone { host, .. }) = *step;
        if self.first.is_none() {
            (self.first, self.awaits) = (Some(host.clone()), Some(step.group().clone()));
            let others = count(fleet.size.saturating_sub(1), "other host");
            let text = format!("one host of {} is shown in detail; the {others} are counted", step.group());
            lines.push(Line::told(at, "", Phase::Aside, text));
        }
        // And those that join its group until it drains.
        let joins = matches!(step, Step::Joins { group, .. } if self.awaits == Some((*group).clone()));
        let first = joins || self.first.as_ref() == Some(host);
        match *step {
            Step::Drains { .. } if first => self.awaits = None,
            Step::Leaves { .. } | Step::Joins { .. } | Step::Drains { .. } => {}
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
