//! An event: once or by a rule, and for how long each time.

use std::collections::BTreeSet;

use jiff::civil::{Date, DateTime, Time};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Span, Timestamp};

use super::period::{Covers, Period, later};
use super::rule::Rule;
use super::zone::{days_about, shown};

/// For the clocks being put forward or back in the middle of it.
const SLACK: i64 = 3;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// As people call it.
    pub what: String,
    /// The first time.
    pub start: DateTime,
    pub zone: TimeZone,
    pub length: Length,
    pub rule: Option<Rule>,
    /// Starts at which it does not take place.
    pub except: BTreeSet<Timestamp>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Length {
    /// Whole days of the zone.
    Days(i64),
    /// Days by the calendar, and after them so much real time.
    Nominal { days: i64, time: SignedDuration },
    /// As from the start of the first time to its end: in real time, and on the clocks. The standard repeats the first, the
    /// calendars that people look at show the second, and they differ when the clocks are put forward or back in between:
    /// then it lasts until the later of the two.
    Until { real: SignedDuration, shown: SignedDuration },
}

impl Event {
    /// The occurrence of this day; `None` where it lasts no time at all.
    pub fn on(&self, day: Date) -> Option<Period> {
        let start = day.to_datetime(self.start.time());
        let period = match &self.length {
            Length::Days(days) => self.days(day, *days)?,
            Length::Nominal { days, time } => {
                let end = self.zone.to_timestamp(start.checked_add(in_days(*days)?).ok()?).ok()?;
                Period { start: self.zone.to_timestamp(start).ok()?, end: later(end, *time) }
            }
            Length::Until { real, shown } => {
                let end = self.zone.to_timestamp(start.checked_add(*shown).ok()?).ok()?;
                let start = self.zone.to_timestamp(start).ok()?;
                Period { start, end: later(start, *real).max(end) }
            }
        };
        (period.start < period.end).then_some(period)
    }

    /// From the first instant of the first day to the last of the last, also where a zone lives through midnight twice.
    fn days(&self, first: Date, days: i64) -> Option<Period> {
        let midnight = |day: Date| day.to_datetime(Time::midnight());
        let shown = shown(&self.zone, midnight(first), midnight(first.checked_add(in_days(days)?).ok()?));
        Some(Period { start: shown.first()?.start, end: shown.last()?.end })
    }

    /// The days that an occurrence may reach beyond the one on which it starts.
    fn reach(&self) -> i64 {
        let first = self.on(self.start.date());
        first.map_or(0, |period| period.end.duration_since(period.start).as_hours() / 24) + SLACK
    }
}

impl Covers for Event {
    fn periods(&self, from: Timestamp, to: Timestamp) -> Vec<Period> {
        let first = self.start.date();
        let days: Vec<Date> = match &self.rule {
            None => vec![first],
            Some(rule) => {
                let (from, to) = days_about(&self.zone, from, self.reach(), to);
                rule.dates(first, from, to).collect()
            }
        };
        let all = days.into_iter().filter_map(|day| self.on(day));
        all.filter(|period| !self.except.contains(&period.start)).collect()
    }
}

/// `None` where no calendar is as long.
fn in_days(days: i64) -> Option<Span> {
    Span::new().try_days(days).ok()
}
