//! Maintenance windows: times of the week, on the clocks of a place, in which hosts may be taken.
//!
//! A window is open whenever the clocks of its zone show a time inside of it. From that follows what happens when they are
//! put forward or back: what they skip is not there, so a start within it is the first instant after it, and what they show
//! twice is open twice.

use jiff::civil::{Date, Time};
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};

use super::days::Days;
use super::period::{Covers, FARTHEST, Period, later};
use super::zone::{days_about, shown, zone};
use crate::plan::policy::BadSetting;

const DAY: i64 = 24 * 60;

/// `Mon-Fri 22:00-04:00 Europe/Berlin; Sat,Sun 00:00-24:00 Europe/Berlin`: at least one window. Open when any is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Windows(Vec<Window>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct Window {
    /// Those on which it starts.
    days: Days,
    /// In minutes since midnight.
    start: i64,
    /// The same; it is on the next day when it is before the start.
    end: i64,
    zone: TimeZone,
}

/// Over all windows: those that overlap or touch count as one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Never closed, as far as one looks ahead, without an `until`.
    Open { until: Option<Timestamp> },
    /// Never open, as far as one looks ahead, without an `opens`.
    Closed { opens: Option<Timestamp> },
}

impl Windows {
    pub fn state(&self, now: Timestamp) -> State {
        let limit = later(now, FARTHEST);
        match self.covered_until(now, limit) {
            Some(until) => State::Open { until: (until < limit).then_some(until) },
            None => State::Closed { opens: self.next_start(now, limit) },
        }
    }

    pub(super) fn zones(&self) -> impl Iterator<Item = &TimeZone> {
        self.0.iter().map(|window| &window.zone)
    }

    /// The zone in which times are told: that of the first window.
    pub fn zone(&self) -> TimeZone {
        self.0.first().map_or(TimeZone::UTC, |window| window.zone.clone())
    }
}

impl Covers for Windows {
    fn periods(&self, from: Timestamp, to: Timestamp) -> Vec<Period> {
        self.0.iter().flat_map(|window| window.periods(from, to)).collect()
    }
}

impl Window {
    fn periods(&self, from: Timestamp, to: Timestamp) -> Vec<Period> {
        // One that starts late may end late on the next day.
        let (first, last) = days_about(&self.zone, from, 2, to);
        let days = first.series(1.day()).take_while(|day| *day <= last);
        days.filter(|day| self.days.contains(day.weekday())).flat_map(|day| self.on(day)).collect()
    }

    fn on(&self, day: Date) -> Vec<Period> {
        let end = if self.end < self.start { self.end + DAY } else { self.end };
        let midnight = day.to_datetime(Time::midnight());
        let at = |minute: i64| midnight.saturating_add(minute.minutes());
        shown(&self.zone, at(self.start), at(end))
    }
}

impl std::str::FromStr for Windows {
    type Err = BadSetting;

    fn from_str(text: &str) -> Result<Self, BadSetting> {
        Ok(Self(text.split(';').map(|window| window.trim().parse()).collect::<Result<_, _>>()?))
    }
}

impl std::fmt::Display for Windows {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let windows: Vec<String> = self.0.iter().map(ToString::to_string).collect();
        f.write_str(&windows.join("; "))
    }
}

impl std::str::FromStr for Window {
    type Err = BadSetting;

    fn from_str(text: &str) -> Result<Self, BadSetting> {
        let words: Vec<&str> = text.split_whitespace().collect();
        let (days, times, name) = match words[..] {
            [days, times] => (days, times, "UTC"),
            [days, times, name] => (days, times, name),
            _ => {
                return Err(bad(
                    "a window of days, times and a time zone, as `Mon-Fri 22:00-04:00 Europe/Berlin`",
                    text,
                ));
            }
        };
        let days = days.parse()?;
        let (start, end) = read_times(times)?;
        let zone = zone(name).ok_or_else(|| bad(ZONE, name))?;
        Ok(Self { days, start, end, zone })
    }
}

impl std::fmt::Display for Window {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { days, start, end, zone } = self;
        let name = zone.iana_name().unwrap_or("UTC");
        write!(f, "{days} {:02}:{:02}-{:02}:{:02} {name}", start / 60, start % 60, end / 60, end % 60)
    }
}

pub(super) const ZONE: &str = "a time zone by its IANA name, as `Europe/Berlin`";

/// `22:00-04:00`, in minutes since midnight.
fn read_times(text: &str) -> Result<(i64, i64), BadSetting> {
    let times = "times from HH:MM to HH:MM, as `22:00-04:00`, the end at `24:00` at the latest, the start before that";
    let (start, end) = text.split_once('-').ok_or_else(|| bad(times, text))?;
    let (Some(start), Some(end)) = (read_minute(start), read_minute(end)) else {
        return Err(bad(times, text));
    };
    match (start, end) {
        (DAY, _) => Err(bad(times, text)),
        (start, end) if start == end => Err(bad("an end other than the start (`00:00-24:00` is the whole day)", text)),
        both => Ok(both),
    }
}

/// From `00:00` to `24:00`.
fn read_minute(text: &str) -> Option<i64> {
    let (hour, minute) = text.split_once(':')?;
    let number = |text: &str| match text.as_bytes() {
        [b'0'..=b'9', b'0'..=b'9'] => text.parse::<i64>().ok(),
        _ => None,
    };
    let (hour, minute) = (number(hour)?, number(minute)?);
    let of_day = hour * 60 + minute;
    (minute < 60 && of_day <= DAY).then_some(of_day)
}

fn bad(expected: &'static str, got: &str) -> BadSetting {
    BadSetting { expected, got: got.to_owned() }
}

#[cfg(test)]
mod tests;
