//! Freezes: times in which nobody may be taken, whatever else allows it. From a list of dates, or from an iCalendar text.

use std::collections::BTreeSet;

use jiff::Timestamp;
use jiff::civil::{Date, Time};
use jiff::tz::TimeZone;

use super::event::{Event, Length};
use super::period::{Covers, FARTHEST, Period, later};
use super::windows::ZONE;
use super::zone::zone;
use crate::plan::policy::BadSetting;

/// `2026-12-20..2027-01-04 Europe/Berlin, 2026-11-27`: whole days, both ends within, each in its own zone or in UTC; or the
/// events of [`Freeze::from_ics`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Freeze {
    pub(super) events: Vec<Event>,
    /// Of a calendar: what freezes nothing in it, and why, for a person to check.
    pub(super) notes: Vec<String>,
}

/// Over all freezes: those that overlap or touch count as one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frozen {
    /// A time beyond [`FARTHEST`] may be too early.
    pub until: Timestamp,
    /// The summaries or the dates of all that freeze until then.
    pub what: String,
}

impl Freeze {
    pub fn state(&self, now: Timestamp) -> Option<Frozen> {
        let until = self.covered_until(now, later(now, FARTHEST))?;
        let begun = |period: &Period| period.start < until && period.end > now;
        let mut names: Vec<&str> = Vec::new();
        for event in &self.events {
            if !names.contains(&event.what.as_str()) && event.periods(now, until).iter().any(begun) {
                names.push(&event.what);
            }
        }
        Some(Frozen { until, what: names.join(", ") })
    }

    /// Frozen when either is.
    #[must_use]
    pub fn and(mut self, other: Self) -> Self {
        self.events.extend(other.events);
        self.notes.extend(other.notes);
        self
    }

    /// It is never frozen.
    pub fn is_none(&self) -> bool {
        self.events.is_empty()
    }

    /// The days, as they are given; None: they were read from a calendar.
    pub fn as_days(&self) -> Option<String> {
        let text = self.events.iter().map(|event| event.what.as_str()).collect::<Vec<_>>().join(", ");
        text.parse().is_ok_and(|read: Self| read == *self).then_some(text)
    }

    /// Whether it freezes anything, as far as one looks ahead.
    pub(super) fn has_effect(&self, now: Timestamp) -> bool {
        let limit = later(now, FARTHEST);
        self.covered_until(now, limit).is_some() || self.next_start(now, limit).is_some()
    }

    pub(super) fn zones(&self) -> impl Iterator<Item = &TimeZone> {
        self.events.iter().map(|event| &event.zone)
    }

    /// The zone in which times are told where there are no windows: that of the first freeze.
    pub fn zone(&self) -> Option<TimeZone> {
        self.events.first().map(|event| event.zone.clone())
    }
}

impl Covers for Freeze {
    fn periods(&self, from: Timestamp, to: Timestamp) -> Vec<Period> {
        self.events.iter().flat_map(|event| event.periods(from, to)).collect()
    }
}

/// What freezes, each once: `Sale, 2026-12-20..2027-01-04 Europe/Berlin and 3 more`
impl std::fmt::Display for Freeze {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        const SHOWN: usize = 12;
        let names: BTreeSet<&str> = self.events.iter().map(|event| event.what.as_str()).collect();
        if names.is_empty() {
            return f.write_str("none");
        }
        f.write_str(&names.iter().take(SHOWN).copied().collect::<Vec<_>>().join(", "))?;
        match names.len().saturating_sub(SHOWN) {
            0 => Ok(()),
            more => write!(f, " and {more} more"),
        }
    }
}

impl std::str::FromStr for Freeze {
    type Err = BadSetting;

    fn from_str(text: &str) -> Result<Self, BadSetting> {
        let events = text.split(',').map(|part| read_dates(part.trim())).collect::<Result<_, _>>()?;
        Ok(Self { events, notes: Vec::new() })
    }
}

fn read_dates(text: &str) -> Result<Event, BadSetting> {
    let bad = |expected| BadSetting { expected, got: text.to_owned() };
    let dates = "a date or two and maybe a time zone, as `2026-11-27` or `2026-12-20..2027-01-04 Europe/Berlin`";
    let words: Vec<&str> = text.split_whitespace().collect();
    let (range, name) = match words[..] {
        [range] => (range, "UTC"),
        [range, name] => (range, name),
        _ => return Err(bad(dates)),
    };
    let (first, last) = range.split_once("..").unwrap_or((range, range));
    let (Some(first), Some(last)) = (read_date(first), read_date(last)) else {
        return Err(bad(dates));
    };
    if last < first {
        return Err(bad("a last day that is not before the first"));
    }
    let days = first.duration_until(last).as_hours() / 24 + 1;
    let zone = zone(name).ok_or_else(|| BadSetting { expected: ZONE, got: name.to_owned() })?;
    let event = Event {
        what: words.join(" "),
        start: first.to_datetime(Time::midnight()),
        zone,
        length: Length::Days(days),
        rule: None,
        except: Default::default(),
    };
    match event.on(first) {
        Some(_) => Ok(event),
        None => Err(bad("days that there are in the zone")),
    }
}

/// In this form and no other.
fn read_date(text: &str) -> Option<Date> {
    text.parse().ok().filter(|date: &Date| date.to_string() == text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    /// `until (what)`, in UTC.
    fn state(text: &str, now: &str) -> Option<String> {
        let frozen = text.parse::<Freeze>().unwrap().state(at(now))?;
        Some(format!("{} ({})", frozen.until, frozen.what))
    }

    #[test]
    fn dates_freeze_whole_days_of_their_zone() {
        let text = "2026-12-20..2027-01-04 Europe/Berlin, 2026-11-27";
        let friday = "2026-11-28T00:00:00Z (2026-11-27)";
        let christmas = "2027-01-04T23:00:00Z (2026-12-20..2027-01-04 Europe/Berlin)";
        let table = [
            ("2026-11-26T23:59:59Z", None),
            ("2026-11-27T00:00:00Z", Some(friday)),
            ("2026-11-27T23:59:59.999Z", Some(friday)),
            ("2026-11-28T00:00:00Z", None),
            ("2026-12-19T22:59:59Z", None),
            ("2026-12-19T23:00:00Z", Some(christmas)),
            ("2027-01-04T22:59:59Z", Some(christmas)),
            ("2027-01-04T23:00:00Z", None),
        ];
        for (now, expected) in table {
            assert_eq!(state(text, now).as_deref(), expected, "{now}");
        }
    }

    #[test]
    fn freezes_that_touch_or_overlap_are_one() {
        let text = "2026-12-24..2026-12-26, 2026-12-27, 2026-12-26..2026-12-27 Asia/Tokyo, 2026-12-29";
        let all = "2026-12-28T00:00:00Z (2026-12-24..2026-12-26, 2026-12-27, 2026-12-26..2026-12-27 Asia/Tokyo)";
        assert_eq!(state(text, "2026-12-24T12:00Z").unwrap(), all);
        let rest = "2026-12-28T00:00:00Z (2026-12-27)";
        assert_eq!(state(text, "2026-12-27T16:00Z").unwrap(), rest);
    }

    #[test]
    fn a_day_is_as_long_as_it_is_there() {
        // 23 hours, 25 hours, and one that begins at 01:00.
        for (text, from, until) in [
            ("2026-03-29 Europe/Berlin", "2026-03-28T23:00:00Z", "2026-03-29T22:00:00Z"),
            ("2026-10-25 Europe/Berlin", "2026-10-24T22:00:00Z", "2026-10-25T23:00:00Z"),
            ("2026-09-06 America/Santiago", "2026-09-06T04:00:00Z", "2026-09-07T03:00:00Z"),
        ] {
            let freeze: Freeze = text.parse().unwrap();
            assert_eq!(freeze.state(at(from) - jiff::SignedDuration::from_nanos(1)), None, "{text}");
            assert_eq!(freeze.state(at(from)).unwrap().until, at(until), "{text}");
        }
    }

    #[test]
    fn a_freeze_may_be_longer_than_anybody_looks_ahead() {
        assert_eq!(state("2026-01-01..2036-12-31", "2026-01-01T00:00Z").unwrap(), {
            "2037-01-01T00:00:00Z (2026-01-01..2036-12-31)"
        });
    }

    #[test]
    fn a_text_that_is_no_freeze_is_refused_with_what_was_expected() {
        let table = [
            ("", "expected a date or two"),
            ("christmas", "got `christmas`"),
            ("2026-02-29", "got `2026-02-29`"),
            ("2026-1-1", "expected a date or two"),
            ("20261127", "expected a date or two"),
            ("2026-11-27T10:00", "expected a date or two"),
            ("27.11.2026", "expected a date or two"),
            ("2026-12-20-2027-01-04", "expected a date or two"),
            ("2026-12-20..", "expected a date or two"),
            ("2026-12-20 .. 2027-01-04", "expected a date or two"),
            ("2026-12-20..2026-12-24..2026-12-26", "expected a date or two"),
            ("2027-01-04..2026-12-20", "expected a last day that is not before the first"),
            ("2026-11-27,", "got ``"),
            ("2026-11-27; 2026-11-28", "expected"),
            ("2026-11-27 Berlin", "expected a time zone by its IANA name, as `Europe/Berlin`, got `Berlin`"),
            ("2026-11-27 Europe/Berlin UTC", "expected a date or two"),
            ("2011-12-30 Pacific/Apia", "expected days that there are in the zone"),
        ];
        for (text, part) in table {
            let bad = text.parse::<Freeze>().unwrap_err().to_string();
            assert!(bad.contains(part), "{text}: {bad}");
        }
    }
}
