//! A time zone as a calendar defines it: Outlook's names are Windows' own, and only the definition says what they are.
//!
//! One rule for winter and one for summer is what such definitions have, and what a POSIX time zone can say.

use jiff::civil::DateTime;
use jiff::tz::{Offset, TimeZone};

use super::lines::{Component, Property};
use super::rrule;
use super::time::{One, read_one};
use crate::plan::calendar::rule::{Every, NthDay, Rule};
use crate::plan::calendar::zone::zone;

pub fn read(definition: &Component) -> Result<TimeZone, String> {
    let location = definition.all("X-LIC-LOCATION").next();
    if let Some(zone) = location.and_then(|location| zone(location.value.trim())) {
        return Ok(zone);
    }
    // Changes beside its rule.
    if let Some(of) = definition.components.iter().find(|of| of.all("RDATE").next().is_some()) {
        return Err(format!("RDATE in its {} is not supported", of.name));
    }
    let named = |name: &str| definition.components.iter().filter(|of| of.name == name).collect::<Vec<_>>();
    match (named("STANDARD").as_slice(), named("DAYLIGHT").as_slice()) {
        ([standard], []) => Ok(TimeZone::fixed(offset(standard, "TZOFFSETTO")?)),
        ([standard], [daylight]) => both(standard, daylight),
        _ => Err("not with one STANDARD and at most one DAYLIGHT".to_owned()),
    }
}

fn both(standard: &Component, daylight: &Component) -> Result<TimeZone, String> {
    let (winter, summer) = (offset(standard, "TZOFFSETTO")?, offset(daylight, "TZOFFSETTO")?);
    if offset(standard, "TZOFFSETFROM")? != summer || offset(daylight, "TZOFFSETFROM")? != winter {
        return Err("STANDARD and DAYLIGHT do not follow each other".to_owned());
    }
    let (to_summer, to_winter) = (change(daylight)?, change(standard)?);
    let text = format!("STD{}DST{},{to_summer},{to_winter}", posix(winter), posix(summer));
    TimeZone::posix(&text).map_err(|_| format!("`{text}` is not a time zone"))
}

/// POSIX counts westward.
fn posix(offset: Offset) -> String {
    let seconds = offset.seconds();
    let (sign, away) = (if seconds > 0 { '-' } else { '+' }, seconds.abs());
    format!("{sign}{:02}:{:02}:{:02}", away / 3600, away / 60 % 60, away % 60)
}

/// `M10.5.0/03:00:00`: the last Sunday of October, at 3.
fn change(observance: &Component) -> Result<String, String> {
    let start = observance.must("DTSTART")?;
    let Some(One::Time(start, false)) = read_one(start.value.trim()) else {
        return Err(format!("DTSTART `{}` is not a local time", start.value));
    };
    let text = &observance.must("RRULE")?.value;
    let (month, week, day) = yearly(text, start)?.ok_or_else(|| format!("RRULE `{text}` is not supported here"))?;
    Ok(format!("M{month}.{week}.{day}/{}", start.time().strftime("%H:%M:%S")))
}

/// As month, week of the month (5 is the last) and day of the week (0 is Sunday).
fn yearly(text: &str, start: DateTime) -> Result<Option<(i8, i8, i8)>, String> {
    let Rule { every, interval, last, months, days_of_month, days, positions, week_start: _ } =
        rrule::read(text, start, &TimeZone::UTC)?;
    let is_plain = every == Every::Year && interval == 1 && last.is_none() && days_of_month.is_empty();
    Ok(match (months.as_slice(), days.as_slice()) {
        ([month], [NthDay { nth: Some(nth @ (-1 | 1..=4)), day }]) if is_plain && positions.is_empty() => {
            Some((*month, if *nth < 0 { 5 } else { *nth }, day.to_sunday_zero_offset()))
        }
        _ => None,
    })
}

fn offset(observance: &Component, name: &str) -> Result<Offset, String> {
    let property = observance.must(name)?;
    read_offset(property).ok_or_else(|| format!("{name} `{}` is not an offset", property.value))
}

/// `+0100`, `-0330`, `+013045`
fn read_offset(property: &Property) -> Option<Offset> {
    let text = property.value.trim();
    let (sign, digits) = match text.strip_prefix('-') {
        Some(digits) => (-1, digits),
        None => (1, text.strip_prefix('+')?),
    };
    if !matches!(digits.len(), 4 | 6) || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let number: i32 = digits.parse().ok()?;
    let number = if digits.len() == 4 { number * 100 } else { number };
    let (hours, minutes, seconds) = (number / 10_000, number / 100 % 100, number % 100);
    let is_one = hours < 24 && minutes < 60 && seconds < 60;
    Offset::from_seconds(sign * (hours * 3600 + minutes * 60 + seconds)).ok().filter(|_| is_one)
}
