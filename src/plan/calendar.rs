//! When a rotation may take new hosts: in the maintenance windows, and not in a freeze.
//!
//! Both are read from texts once and asked with the time: [`Windows::state`], [`Freeze::state`], and [`Calendar::admits`] for
//! the two together. What is asked is always answered within [`FARTHEST`]: no answer is farther ahead than that.

mod days;
mod event;
pub mod freeze;
pub mod ics;
mod period;
mod rule;
pub mod windows;
mod zone;

use std::collections::BTreeSet;

use jiff::Timestamp;
use jiff::tz::TimeZone;

pub use freeze::{Freeze, Frozen};
pub use ics::BadIcs;
pub use period::FARTHEST;
use period::later;
pub use windows::{State, Windows};
use zone::misread;

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Calendar {
    /// Without any, it is always open.
    pub windows: Option<Windows>,
    pub freeze: Freeze,
}

/// Nobody may be taken now.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{why}")]
pub struct NotNow {
    /// As an operator reads it.
    pub why: String,
    /// The first time at which both admit; `None` when there is none within [`FARTHEST`].
    pub again: Option<Timestamp>,
}

impl Calendar {
    pub fn admits(&self, now: Timestamp) -> Result<(), NotNow> {
        let Some((reason, changes)) = self.obstacle(now) else {
            return Ok(());
        };
        let again = self.first_after(now, changes);
        let more = match again {
            Some(again) if Some(again) == changes => String::new(),
            Some(again) => format!("; both windows and freezes allow it at {}", self.told(again)),
            None => format!("; nothing allows it within {} days", FARTHEST.as_hours() / 24),
        };
        Err(NotNow { why: reason + &more, again })
    }

    /// What of it has no effect, or another one than it seems to have: for a person to check.
    pub fn notes(&self, now: Timestamp) -> Vec<String> {
        let mut notes = self.freeze.notes.clone();
        let zones = self.windows.iter().flat_map(Windows::zones).chain(self.freeze.zones());
        notes.extend(zones.filter_map(misread).collect::<BTreeSet<_>>());
        let days = FARTHEST.as_hours() / 24;
        if let Some(windows) = self.windows.as_ref().filter(|of| of.state(now) == State::Open { until: None }) {
            notes.push(format!("the window `{windows}` is always open: it keeps nothing from beginning"));
        }
        if !self.freeze.is_none() && !self.freeze.has_effect(now) {
            notes.push(format!(
                "the freeze has no effect: nothing of it lies within the next {days} days ({})",
                self.freeze
            ));
        }
        if self.admits(now).is_err_and(|not_now| not_now.again.is_none()) {
            notes.push(format!("windows and freezes together never allow anything within the next {days} days"));
        }
        notes
    }

    /// What stands in the way, and until when at least. A freeze comes first: it is what somebody did on purpose.
    fn obstacle(&self, now: Timestamp) -> Option<(String, Option<Timestamp>)> {
        if let Some(Frozen { until, what }) = self.freeze.state(now) {
            return Some((format!("frozen until {} ({what})", self.told(until)), Some(until)));
        }
        match self.windows.as_ref()?.state(now) {
            State::Open { .. } => None,
            State::Closed { opens } => {
                let when = opens.map(|opens| format!(": it opens {}", self.told(opens))).unwrap_or_default();
                Some((format!("outside the maintenance window{when}"), opens))
            }
        }
    }

    /// From obstacle to obstacle.
    fn first_after(&self, now: Timestamp, mut changes: Option<Timestamp>) -> Option<Timestamp> {
        let limit = later(now, FARTHEST);
        loop {
            let at = changes.filter(|at| *at < limit)?;
            match self.obstacle(at) {
                None => return Some(at),
                Some((_, next)) => changes = next,
            }
        }
    }

    /// With the clocks of the windows, or of the freezes where there are no windows.
    fn told(&self, at: Timestamp) -> String {
        let zone = self.windows.as_ref().map(Windows::zone).or_else(|| self.freeze.zone()).unwrap_or(TimeZone::UTC);
        at.to_zoned(zone).to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn calendar(windows: &str, freeze: &str) -> Calendar {
        let windows = (!windows.is_empty()).then(|| windows.parse().unwrap());
        Calendar { windows, freeze: if freeze.is_empty() { Freeze::default() } else { freeze.parse().unwrap() } }
    }

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    const NIGHTS: &str = "Mon-Fri 22:00-04:00 Europe/Berlin";

    #[test]
    fn without_anything_said_all_is_admitted() {
        assert_eq!(Calendar::default().admits(at("2026-11-24T12:00Z")), Ok(()));
    }

    #[test]
    fn within_a_window_and_outside_of_a_freeze_all_is_admitted() {
        let calendar = calendar(NIGHTS, "2026-12-20..2027-01-04 Europe/Berlin");
        assert_eq!(calendar.admits(at("2026-11-24T21:00Z")), Ok(()));
        assert_eq!(calendar.admits(at("2026-11-25T02:59:59Z")), Ok(()));
        assert!(calendar.admits(at("2026-11-25T03:00Z")).is_err());
    }

    #[test]
    fn an_operator_reads_why_not_and_when() {
        let table = [
            (
                (NIGHTS, "", "2026-11-24T12:00Z"),
                "outside the maintenance window: it opens 2026-11-24T22:00:00+01:00[Europe/Berlin]",
                Some("2026-11-24T21:00Z"),
            ),
            (
                ("", "2026-11-27", "2026-11-27T12:00Z"),
                "frozen until 2026-11-28T00:00:00+00:00[UTC] (2026-11-27)",
                Some("2026-11-28T00:00Z"),
            ),
            (
                ("", "2026-11-27 Europe/Berlin", "2026-11-27T12:00Z"),
                "frozen until 2026-11-28T00:00:00+01:00[Europe/Berlin] (2026-11-27 Europe/Berlin)",
                Some("2026-11-27T23:00Z"),
            ),
            // The freeze ends in a window.
            (
                (NIGHTS, "2026-11-26 Europe/Berlin", "2026-11-26T12:00Z"),
                "frozen until 2026-11-27T00:00:00+01:00[Europe/Berlin] (2026-11-26 Europe/Berlin)",
                Some("2026-11-26T23:00Z"),
            ),
            // It ends between two.
            (
                (NIGHTS, "2026-11-28", "2026-11-28T01:00Z"),
                "frozen until 2026-11-29T01:00:00+01:00[Europe/Berlin] (2026-11-28); both windows and freezes allow it at \
                 2026-11-30T22:00:00+01:00[Europe/Berlin]",
                Some("2026-11-30T21:00Z"),
            ),
            // The window opens in a freeze, and the next one in another.
            (
                (NIGHTS, "2026-11-24 Europe/Berlin, 2026-11-25..2026-11-27 Europe/Berlin", "2026-11-23T12:00Z"),
                "outside the maintenance window: it opens 2026-11-23T22:00:00+01:00[Europe/Berlin]",
                Some("2026-11-23T21:00Z"),
            ),
            (
                ("daily 22:00-23:00", "2026-11-24, 2026-11-25..2026-11-27, 2026-11-29", "2026-11-23T23:00Z"),
                "outside the maintenance window: it opens 2026-11-24T22:00:00+00:00[UTC]; both windows and freezes allow \
                 it at 2026-11-28T22:00:00+00:00[UTC]",
                Some("2026-11-28T22:00Z"),
            ),
            (
                ("daily 22:00-23:00", "2026-11-24..2036-12-31", "2026-11-23T23:00Z"),
                "outside the maintenance window: it opens 2026-11-24T22:00:00+00:00[UTC]; nothing allows it within 400 days",
                None,
            ),
            (
                ("", "2026-01-01..2036-12-31", "2026-11-23T23:00Z"),
                "frozen until 2037-01-01T00:00:00+00:00[UTC] (2026-01-01..2036-12-31); nothing allows it within 400 days",
                None,
            ),
        ];
        for ((windows, freeze, now), why, again) in table {
            let not_now = calendar(windows, freeze).admits(at(now)).unwrap_err();
            assert_eq!((not_now.why.as_str(), not_now.again), (why, again.map(at)), "{windows} {freeze} {now}");
        }
    }

    #[test]
    fn what_is_admitted_again_is_admitted_then_and_not_before() {
        let calendar = calendar("Sat 02:00-05:00 Europe/Berlin; Wed 12:00-13:00", "2026-11-25, 2026-11-28..2026-12-05");
        let mut now = at("2026-11-21T06:00Z");
        while now < at("2026-12-12T00:00Z") {
            if let Err(NotNow { again, .. }) = calendar.admits(now) {
                let again = again.unwrap();
                let before = again - jiff::SignedDuration::from_nanos(1);
                assert!(calendar.admits(again).is_ok() && calendar.admits(before).is_err(), "{now}");
                assert!(again > now);
            }
            now = later(now, jiff::SignedDuration::from_mins(30));
        }
    }

    #[test]
    fn what_has_no_effect_or_another_one_is_told() {
        let none: &[&str] = &[];
        let table: [(&str, &str, &[&str]); 9] = [
            ("", "", none),
            (NIGHTS, "2026-12-20..2027-01-04 Europe/Berlin", none),
            // It is not over yet.
            (NIGHTS, "2025-12-20..2026-01-04, 2026-11-24", none),
            (
                "",
                "2025-12-20..2026-01-04, 2026-11-23",
                &["the freeze has no effect: nothing of it lies within the next 400 days"],
            ),
            ("", "2036-12-24", &["the freeze has no effect"]),
            ("daily 00:00-24:00", "", &["the window `daily 00:00-24:00 UTC` is always open"]),
            ("Mon-Fri 00:00-24:00; Sat 00:00-24:00; Sun 00:00-24:00", "", &["is always open"]),
            (NIGHTS, "2026-01-01..2036-12-31", &["windows and freezes together never allow anything"]),
            (
                "daily 22:00-23:00 EST; daily 01:00-02:00 Etc/GMT+2",
                "2026-12-24 EST",
                &["`EST` is UTC-05:00", "`Etc/GMT+2` is UTC-2"],
            ),
        ];
        for (windows, freeze, expected) in table {
            let notes = calendar(windows, freeze).notes(at("2026-11-24T12:00Z"));
            let told =
                notes.len() == expected.len() && notes.iter().zip(expected).all(|(note, part)| note.contains(part));
            assert!(told, "{windows} {freeze}: {notes:?}");
        }
    }

    #[test]
    fn a_calendar_of_which_nothing_freezes_is_told() {
        let event = |lines: &str| format!("BEGIN:VEVENT\nSUMMARY:Sale\n{lines}\nEND:VEVENT\n");
        let past = event("DTSTART:20251127T080000Z\nDURATION:P1D");
        let free = event("DTSTART:20261127T080000Z\nDURATION:P1D\nTRANSP:TRANSPARENT");
        for (events, expected) in [
            ("", vec!["has no event that freezes anything"]),
            (free.as_str(), vec!["the event `Sale` (line 2) freezes nothing: TRANSP:TRANSPARENT", "has no event"]),
            (past.as_str(), vec!["the freeze has no effect"]),
        ] {
            let text = format!("BEGIN:VCALENDAR\n{events}END:VCALENDAR\n");
            let notes =
                Calendar { windows: None, freeze: Freeze::from_ics(&text).unwrap() }.notes(at("2026-11-24T12:00Z"));
            let told =
                notes.len() == expected.len() && notes.iter().zip(&expected).all(|(note, part)| note.contains(part));
            assert!(told, "{events}: {notes:?}");
        }
    }

    #[test]
    fn the_ends_of_time_are_no_trouble() {
        for now in [Timestamp::MIN, Timestamp::MAX] {
            let _ = calendar(NIGHTS, "2026-11-27").admits(now);
            let _ = calendar(NIGHTS, "2026-11-27").notes(now);
        }
    }
}
