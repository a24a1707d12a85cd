//! Values of type DATE-TIME and DURATION, and the zones that they are in. A DATE, and a time that names no zone, are refused: they
//! are another time in each zone, and whose is meant is said nowhere.

use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Span, Timestamp};

use super::lines::{Component, Property};
use super::vtimezone;
use crate::plan::calendar::zone::{misread, zone};

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct When {
    pub at: DateTime,
    pub zone: TimeZone,
}

impl When {
    /// A time that the clocks skip is as much later as they skip; of one that they show twice it is the first.
    pub fn instant(&self) -> Result<Timestamp, String> {
        self.zone.to_timestamp(self.at).map_err(|_| format!("{} is not a time that there is", self.at))
    }
}

/// The zones by which the times of a calendar may be.
pub struct Zones<'a> {
    calendar: &'a Component,
}

impl<'a> Zones<'a> {
    pub fn new(calendar: &'a Component) -> Self {
        Self { calendar }
    }

    /// By the name if it is that of a place of IANA's, as those rules are kept up to date; otherwise as the calendar defines it:
    /// `EST` may be New York there, with its summer.
    pub fn named(&self, name: &str) -> Result<TimeZone, String> {
        // `/example.org/2005/Europe/Berlin` is somebody's own list of IANA's names.
        let tails = name.strip_prefix('/').map(|path| path.match_indices('/').map(|(index, _)| &path[index + 1..]));
        let plain = |name: &str| zone(name).filter(|zone| misread(zone).is_none());
        let place = |name: &str| if name.contains('/') { plain(name) } else { None };
        if let Some(zone) = place(name).or_else(|| tails.into_iter().flatten().find_map(place)) {
            return Ok(zone);
        }
        let is_it = |component: &&Component| {
            let id = component.all("TZID").next();
            component.name == "VTIMEZONE" && id.is_some_and(|id| id.value.trim() == name)
        };
        match self.calendar.components.iter().find(is_it) {
            Some(definition) => vtimezone::read(definition).map_err(|why| format!("the time zone `{name}`: {why}")),
            None => plain(name).ok_or_else(|| {
                let why = zone(name).as_ref().and_then(misread).map(|why| format!(", and not defined: {why}"));
                format!("unknown time zone `{name}`{}", why.unwrap_or_default())
            }),
        }
    }

    /// None: it names none.
    fn of(&self, property: &Property) -> Result<Option<TimeZone>, String> {
        property.parameter("TZID").map(|name| self.named(name.trim())).transpose()
    }
}

/// A value of one time.
pub fn read(property: &Property, zones: &Zones<'_>) -> Result<When, String> {
    let when = read_all(property, zones)?;
    let [when] = <[When; 1]>::try_from(when).map_err(|_| format!("{} has more than one value", property.name))?;
    Ok(when)
}

/// Times, separated by commas.
pub fn read_all(property: &Property, zones: &Zones<'_>) -> Result<Vec<When>, String> {
    let Property { name, value, .. } = property;
    let bad = || format!("{name} `{value}` is not a date or a time");
    let zone = zones.of(property)?;
    let is_time = property.parameter("VALUE").is_none_or(|kind| kind.eq_ignore_ascii_case("DATE-TIME"));
    let read = |text: &str| match (read_one(text.trim()).ok_or_else(bad)?, &zone) {
        (One::Day(_), _) => Err(format!(
            "{name} `{value}` is a whole day, which is another time in each zone: give it times in a zone, or say it by \
             --freeze, as `2026-12-20..2027-01-04 Europe/Berlin`"
        )),
        (One::Time(..), _) if !is_time => Err(bad()),
        (One::Time(at, true), None) => Ok(When { at, zone: TimeZone::UTC }),
        (One::Time(at, false), Some(zone)) => Ok(When { at, zone: zone.clone() }),
        (One::Time(_, true), Some(_)) => Err(format!("{name} `{value}` is in UTC, and in another zone by its TZID")),
        (One::Time(_, false), None) => Err(format!(
            "{name} `{value}` is in no zone: it needs a TZID, as `{name};TZID=Europe/Berlin`, or a Z for UTC"
        )),
    };
    value.split(',').map(read).collect()
}

pub enum One {
    Day(Date),
    /// `true`: in UTC.
    Time(DateTime, bool),
}

/// `20261127`, `20261127T080000` or `20261127T080000Z`.
pub fn read_one(text: &str) -> Option<One> {
    let digits = |text: &str, count| text.len() == count && text.bytes().all(|b| b.is_ascii_digit());
    let (local, is_utc) = text.strip_suffix('Z').map_or((text, false), |local| (local, true));
    match local.split_once('T') {
        None => (!is_utc && digits(local, 8)).then(|| local.parse().ok().map(One::Day)).flatten(),
        Some((day, time)) if digits(day, 8) && digits(time, 6) => Some(One::Time(local.parse().ok()?, is_utc)),
        Some(_) => None,
    }
}

/// `P1W`, `P2DT12H`, `PT90M`: days, and the time that is added to them.
pub fn read_duration(property: &Property) -> Result<(i64, SignedDuration), String> {
    let bad = || format!("{} `{}` is not a duration", property.name, property.value);
    let text = property.value.trim();
    let is_known = |c: char| c.is_ascii_digit() || "+PWDTHMS".contains(c);
    let span: Span = text.parse().map_err(|_| bad())?;
    if !text.contains('P') || !text.chars().all(is_known) || span.get_months() != 0 || !span.is_positive() {
        return Err(bad());
    }
    let days = i64::from(span.get_weeks()) * 7 + i64::from(span.get_days());
    let hours = SignedDuration::from_hours(span.get_hours().into());
    Ok((days, hours + SignedDuration::from_secs(span.get_minutes() * 60 + span.get_seconds())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_and_times_have_one_form() {
        for text in ["20261127", "20261127T080000", "20261127T080000Z", "20240229"] {
            assert!(read_one(text).is_some(), "{text}");
        }
        for text in [
            "",
            "2026-11-27",
            "20261127Z",
            "2026112",
            "20261131",
            "20250229",
            "20261127T08",
            "20261127T0800",
            "20261127T250000",
            "20261127T080000+0100",
            "20261127t080000",
            "+0261127",
        ] {
            assert!(read_one(text).is_none(), "{text}");
        }
    }

    #[test]
    fn durations_are_of_weeks_to_seconds() {
        let read = |value: &str| {
            read_duration(&Property { name: "DURATION".to_owned(), parameters: Vec::new(), value: value.to_owned() })
        };
        for text in ["P1W", "P2DT12H", "PT90M", "+PT1S", "PT1H30M"] {
            assert!(read(text).is_ok(), "{text}");
        }
        for text in ["", "P", "-PT1H", "P1M", "P1Y", "PT0S", "1h", "1H", "1 hour", "PT1.5H"] {
            assert!(read(text).is_err(), "{text}");
        }
    }
}
