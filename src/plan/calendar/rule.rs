//! A recurrence rule of iCalendar (RFC 5545, 3.3.10), as far as it is about days: a round of so many days, weeks, months or
//! years after another, and of each the days that every part of the rule allows.
//!
//! The time of the day is not a part of it: that is always the one of the first occurrence, on the clocks of its zone.

use jiff::civil::{Date, Weekday};
use jiff::{Span, ToSpan};

/// A day that has not come within so many years never will: the calendar repeats itself after 400.
const LONGEST: i64 = 400;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    pub every: Every,
    /// At least 1.
    pub interval: i32,
    /// No occurrence after this day.
    pub last: Option<Date>,
    /// What is empty here allows all.
    pub months: Vec<i8>,
    /// Negative from the end of the month: -1 is its last day.
    pub days_of_month: Vec<i8>,
    pub days: Vec<NthDay>,
    /// Of those that a round leaves; negative from the end.
    pub positions: Vec<i16>,
    pub week_start: Weekday,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Every {
    Day,
    Week,
    Month,
    Year,
}

/// `TH`, `4TH`, `-1SU`: counted in the month, or in the year when the rule is about years and names no month.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NthDay {
    pub nth: Option<i8>,
    pub day: Weekday,
}

impl Rule {
    /// The days of `from..=to` on which there is an occurrence, when the first is on `first`.
    pub fn dates(&self, first: Date, from: Date, to: Date) -> impl Iterator<Item = Date> {
        let last = self.last.map_or(to, |last| last.min(to));
        let rounds = (self.round_before(first, from)..).map_while(move |round| self.start(first, round));
        rounds
            .take_while(move |start| *start <= last)
            .flat_map(|start| self.within(start))
            .filter(move |day| *day >= first && *day >= from && *day <= last)
    }

    /// The day of the occurrence with this number, counted from 1; `None` when it is centuries away.
    pub fn date_of(&self, first: Date, number: u32) -> Option<Date> {
        let farthest = first.saturating_add(LONGEST.years());
        self.dates(first, first, farthest).nth(usize::try_from(number).ok()?.checked_sub(1)?)
    }

    /// The number of a round that does not begin after this day.
    fn round_before(&self, first: Date, day: Date) -> i64 {
        let begin = self.start(first, 0).unwrap_or(first);
        let months = |day: Date| i64::from(day.year()) * 12 + i64::from(day.month());
        let units = match self.every {
            Every::Day => days_between(begin, day),
            Every::Week => days_between(begin, day) / 7,
            Every::Month => months(day) - months(begin),
            Every::Year => i64::from(day.year()) - i64::from(begin.year()),
        };
        (units / i64::from(self.interval)).max(0)
    }

    /// The first day of a round; `None` at the end of time.
    fn start(&self, first: Date, round: i64) -> Option<Date> {
        let units = round.checked_mul(self.interval.into())?;
        let (begin, span) = match self.every {
            Every::Day => (first, Span::new().try_days(units)),
            Every::Week => {
                let into_week = first.weekday().since(self.week_start);
                (first.checked_sub(i64::from(into_week).days()).ok()?, Span::new().try_weeks(units))
            }
            Every::Month => (first.first_of_month(), Span::new().try_months(units)),
            Every::Year => (first.first_of_year(), Span::new().try_years(units)),
        };
        begin.checked_add(span.ok()?).ok()
    }

    fn within(&self, start: Date) -> Vec<Date> {
        let length = match self.every {
            Every::Day => 1,
            Every::Week => 7,
            Every::Month => start.days_in_month().into(),
            Every::Year => start.days_in_year(),
        };
        let days = start.series(1.day()).take(usize::try_from(length).unwrap_or(0));
        let days: Vec<Date> = days.filter(|day| self.allows(*day)).collect();
        if self.positions.is_empty() {
            return days;
        }
        let (count, is_wanted) = (days.len(), |position: i64| self.positions.iter().any(|p| i64::from(*p) == position));
        let from_end = |index: usize| i64::try_from(index).unwrap_or(0) - i64::try_from(count).unwrap_or(0);
        let numbered = days.into_iter().enumerate();
        numbered
            .filter(|(index, _)| is_wanted(i64::try_from(index + 1).unwrap_or(0)) || is_wanted(from_end(*index)))
            .map(|(_, day)| day)
            .collect()
    }

    fn allows(&self, day: Date) -> bool {
        let of_month = [day.day(), day.day() - day.days_in_month() - 1];
        (self.months.is_empty() || self.months.contains(&day.month()))
            && (self.days_of_month.is_empty() || self.days_of_month.iter().any(|wanted| of_month.contains(wanted)))
            && (self.days.is_empty() || self.days.iter().any(|wanted| self.is_nth(*wanted, day)))
    }

    fn is_nth(&self, wanted: NthDay, day: Date) -> bool {
        let in_year = self.every == Every::Year && self.months.is_empty();
        let (number, of) = if in_year {
            (day.day_of_year(), day.days_in_year())
        } else {
            (day.day().into(), day.days_in_month().into())
        };
        let nths = [(number - 1) / 7 + 1, -((of - number) / 7 + 1)];
        wanted.day == day.weekday() && wanted.nth.is_none_or(|nth| nths.contains(&i16::from(nth)))
    }
}

fn days_between(from: Date, to: Date) -> i64 {
    from.duration_until(to).as_hours() / 24
}
