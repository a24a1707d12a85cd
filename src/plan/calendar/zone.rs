//! Time zones by name, and what a stretch of local time is in real time.
//!
//! The rules of all zones are inside the binary: the image it runs in has no zone files.

use jiff::civil::{Date, DateTime, Weekday};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp, ToSpan};

use super::period::{Period, later};

/// No offset from UTC is larger than this.
const LARGEST_OFFSET: SignedDuration = SignedDuration::from_hours(26);

/// By IANA name.
pub fn zone(name: &str) -> Option<TimeZone> {
    TimeZone::get(name).ok().filter(|zone| !zone.is_unknown() && zone.iana_name().is_some())
}

/// What the name says to IANA, where people say it and think of something else.
pub fn misread(zone: &TimeZone) -> Option<String> {
    let name = zone.iana_name()?;
    let all_year = |offset: &str, place: &str| {
        Some(format!(
            "`{name}` is UTC{offset} all year, without summer time: the clocks of a place are those of `{place}`"
        ))
    };
    match name {
        "EST" => all_year("-05:00", "America/New_York"),
        "MST" => all_year("-07:00", "America/Denver"),
        _ => {
            let hours = name.strip_prefix("Etc/GMT")?;
            let (is, other) = match hours.split_at_checked(1)? {
                (_, "0") => return None,
                ("+", hours) => (format!("UTC-{hours}"), format!("Etc/GMT-{hours}")),
                ("-", hours) => (format!("UTC+{hours}"), format!("Etc/GMT+{hours}")),
                _ => return None,
            };
            Some(format!("`{name}` is {is}, its sign is the other way round: the opposite is `{other}`"))
        }
    }
}

/// When the clocks of the zone show a time from `from` on and before `to`. That is more than one period where they are put
/// back across one of the two, and none where they are put forward across both.
pub fn shown(zone: &TimeZone, from: DateTime, to: DateTime) -> Vec<Period> {
    let first = later(utc(from), -LARGEST_OFFSET);
    let last = later(utc(to), LARGEST_OFFSET);
    let mut periods: Vec<Period> = Vec::new();
    let mut since = first;
    let changes = zone.following(first).map(|change| change.timestamp()).take_while(|change| *change < last);
    for until in changes.chain([last]) {
        let offset = SignedDuration::from_secs(zone.to_offset(since).seconds().into());
        let start = later(utc(from), -offset).max(since);
        let end = later(utc(to), -offset).min(until);
        match periods.last_mut() {
            _ if start >= end => {}
            Some(before) if before.end == start => before.end = end,
            _ => periods.push(Period { start, end }),
        }
        since = until;
    }
    periods
}

/// The days from the one of `from` less `before` to the one after that of `to`.
pub fn days_about(zone: &TimeZone, from: Timestamp, before: i64, to: Timestamp) -> (Date, Date) {
    let first = zone.to_datetime(from).date().saturating_sub(before.days());
    (first, zone.to_datetime(to).date().saturating_add(1.day()))
}

/// As if the clocks were those of UTC.
fn utc(local: DateTime) -> Timestamp {
    TimeZone::UTC.to_timestamp(local).unwrap_or(if local.year() < 0 { Timestamp::MIN } else { Timestamp::MAX })
}

pub const WEEK: [Weekday; 7] = [
    Weekday::Monday,
    Weekday::Tuesday,
    Weekday::Wednesday,
    Weekday::Thursday,
    Weekday::Friday,
    Weekday::Saturday,
    Weekday::Sunday,
];

#[cfg(test)]
mod tests {
    use super::*;

    /// The periods of a text as `2026-03-29T01:30/2026-03-29T02:30 Europe/Berlin`, as the zone writes them.
    fn periods(text: &str) -> Vec<String> {
        let (times, name) = text.split_once(' ').unwrap();
        let (from, to) = times.split_once('/').unwrap();
        let zone = zone(name).unwrap();
        let time = |at: Timestamp| at.to_zoned(zone.clone()).strftime("%H:%M%:z").to_string();
        let all = shown(&zone, from.parse().unwrap(), to.parse().unwrap());
        all.into_iter().map(|period| format!("{}/{}", time(period.start), time(period.end))).collect()
    }

    #[test]
    fn local_time_becomes_real_time_as_the_clocks_show_it() {
        let table: [(&str, &[&str]); 14] = [
            ("2026-06-01T01:30/2026-06-01T02:30 Europe/Berlin", &["01:30+02:00/02:30+02:00"]),
            // Forward, from 02:00 to 03:00.
            ("2026-03-29T01:30/2026-03-29T02:30 Europe/Berlin", &["01:30+01:00/03:00+02:00"]),
            ("2026-03-29T02:30/2026-03-29T04:00 Europe/Berlin", &["03:00+02:00/04:00+02:00"]),
            ("2026-03-29T02:00/2026-03-29T03:00 Europe/Berlin", &[]),
            // Back, from 03:00 to 02:00.
            ("2026-10-25T02:00/2026-10-25T03:00 Europe/Berlin", &["02:00+02:00/03:00+01:00"]),
            (
                "2026-10-25T01:00/2026-10-25T02:30 Europe/Berlin",
                &["01:00+02:00/02:30+02:00", "02:00+01:00/02:30+01:00"],
            ),
            (
                "2026-10-25T02:30/2026-10-25T04:00 Europe/Berlin",
                &["02:30+02:00/02:00+01:00", "02:30+01:00/04:00+01:00"],
            ),
            ("2026-10-25T01:00/2026-10-25T04:00 Europe/Berlin", &["01:00+02:00/04:00+01:00"]),
            ("2026-03-08T02:00/2026-03-08T03:00 America/New_York", &[]),
            ("2026-11-01T01:00/2026-11-01T02:00 America/New_York", &["01:00-04:00/02:00-05:00"]),
            // By half an hour: forward from 02:00, back from 02:00 to 01:30.
            ("2026-10-04T02:00/2026-10-04T03:00 Australia/Lord_Howe", &["02:30+11:00/03:00+11:00"]),
            ("2026-04-05T01:30/2026-04-05T02:00 Australia/Lord_Howe", &["01:30+11:00/02:00+10:30"]),
            // At midnight: the day begins at 01:00; a day that never was.
            ("2026-09-06T00:00/2026-09-07T00:00 America/Santiago", &["01:00-03:00/00:00-03:00"]),
            ("2011-12-30T00:00/2011-12-31T00:00 Pacific/Apia", &[]),
        ];
        for (text, expected) in table {
            assert_eq!(periods(text), expected, "{text}");
        }
    }

    #[test]
    fn the_ends_of_time_are_no_trouble() {
        for zone in [zone("Europe/Berlin").unwrap(), zone("UTC").unwrap()] {
            let _ = shown(&zone, DateTime::MIN, DateTime::MIN);
            let _ = shown(&zone, DateTime::MAX, DateTime::MAX);
        }
    }

    #[test]
    fn what_people_misread_is_told() {
        for (name, told) in [
            ("Etc/GMT+2", Some("`Etc/GMT+2` is UTC-2, its sign is the other way round: the opposite is `Etc/GMT-2`")),
            (
                "etc/gmt-14",
                Some("`Etc/GMT-14` is UTC+14, its sign is the other way round: the opposite is `Etc/GMT+14`"),
            ),
            (
                "EST",
                Some(
                    "`EST` is UTC-05:00 all year, without summer time: the clocks of a place are those of `America/New_York`",
                ),
            ),
            ("Etc/GMT+0", None),
            ("Etc/GMT", None),
            ("Etc/UTC", None),
            ("CET", None),
            ("EST5EDT", None),
            ("Europe/Berlin", None),
        ] {
            let zone = zone(name).unwrap();
            assert_eq!(misread(&zone).as_deref(), told, "{name}");
            // It is as told.
            if let Some((_, is)) = told.as_ref().and_then(|told| told.split_once(" is UTC")) {
                let hours: i32 = is.split([' ', ',', ':']).next().unwrap().parse().unwrap();
                for month in [1, 7] {
                    let at = jiff::civil::date(2026, month, 1).to_zoned(zone.clone()).unwrap();
                    assert_eq!(at.offset().seconds(), hours * 3600, "{name}");
                }
            }
        }
    }

    #[test]
    fn a_zone_is_an_iana_name() {
        for name in ["UTC", "Europe/Berlin", "europe/berlin", "America/Argentina/Buenos_Aires", "Etc/GMT+5"] {
            assert!(zone(name).is_some(), "{name}");
        }
        for name in ["", "Berlin", "Europe/Berlyn", "CEST", "+01:00", "Etc/Unknown", "W. Europe Standard Time"] {
            assert!(zone(name).is_none(), "{name}");
        }
    }
}
