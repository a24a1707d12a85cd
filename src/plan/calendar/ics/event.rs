//! A VEVENT: when it takes place, and whether it freezes anything.

use std::collections::BTreeSet;

use super::lines::{Component, Property};
use super::rrule;
use super::time::{When, Zones, read as read_when, read_all, read_duration};
use crate::plan::calendar::event::{Event, Length};

pub struct Read {
    pub uid: Option<String>,
    /// The occurrence of the events with the same UID in whose place this one is.
    pub replaces: Option<When>,
    /// Or why it is ignored.
    pub event: Result<Event, String>,
}

impl Read {
    pub fn new(component: &Component, zones: &Zones<'_>) -> Result<Self, String> {
        let uid = component.one("UID")?.map(|uid| uid.value.trim().to_owned());
        let replaces = component.one("RECURRENCE-ID")?.map(|property| replaced(property, zones)).transpose()?;
        if replaces.is_some() && uid.is_none() {
            return Err("RECURRENCE-ID without UID".to_owned());
        }
        let event = match why_ignored(component)? {
            Some(why) => Err(why),
            None => Ok(read_event(component, zones)?),
        };
        Ok(Self { uid, replaces, event })
    }
}

/// As people call it.
pub fn summary(component: &Component) -> String {
    let text = |name: &str| component.all(name).next().map(Property::text).filter(|text| !text.is_empty());
    text("SUMMARY").or_else(|| text("UID")).unwrap_or_else(|| "without a summary".to_owned())
}

/// Without the occurrence that starts then.
pub fn except(event: &mut Event, when: &When) -> Result<(), String> {
    let is_of_days = matches!(event.length, Length::Days(_));
    let start = match (when.is_day, is_of_days) {
        (true, true) => event.on(when.at.date()).map(|period| period.start),
        (true, false) => return Err(format!("{} is a day, and DTSTART a time", when.at.date())),
        (false, _) => Some(when.instant()?),
    };
    event.except.extend(start);
    Ok(())
}

fn why_ignored(component: &Component) -> Result<Option<String>, String> {
    for (name, value) in [("STATUS", "CANCELLED"), ("TRANSP", "TRANSPARENT")] {
        let property = component.one(name)?;
        if property.is_some_and(|property| property.value.trim().eq_ignore_ascii_case(value)) {
            return Ok(Some(format!("{name}:{value}")));
        }
    }
    Ok(None)
}

fn replaced(property: &Property, zones: &Zones<'_>) -> Result<When, String> {
    if property.parameter("RANGE").is_some() {
        return Err("RECURRENCE-ID with RANGE is not supported".to_owned());
    }
    read_when(property, zones)
}

fn read_event(component: &Component, zones: &Zones<'_>) -> Result<Event, String> {
    if let Some(name) = ["RDATE", "EXRULE"].into_iter().find(|name| component.all(name).next().is_some()) {
        return Err(format!("{name} is not supported"));
    }
    let start = read_when(component.must("DTSTART")?, zones)?;
    let length = length(component, &start, zones)?;
    let rule = component.one("RRULE")?.map(|rule| rrule::read(&rule.value, start.at, &start.zone)).transpose()?;
    let what = summary(component);
    let mut event = Event { what, start: start.at, zone: start.zone, length, rule, except: BTreeSet::new() };
    check(&event)?;
    for property in component.all("EXDATE") {
        for when in read_all(property, zones)? {
            except(&mut event, &when).map_err(|why| format!("EXDATE: {why}"))?;
        }
    }
    Ok(event)
}

fn length(component: &Component, start: &When, zones: &Zones<'_>) -> Result<Length, String> {
    match (component.one("DTEND")?, component.one("DURATION")?) {
        (Some(_), Some(_)) => Err("DTEND and DURATION exclude each other".to_owned()),
        (Some(end), None) => until(start, &read_when(end, zones)?),
        (None, Some(duration)) => {
            let (days, time) = read_duration(duration)?;
            match (start.is_day, time.is_zero()) {
                (false, _) => Ok(Length::Nominal { days, time }),
                (true, true) => Ok(Length::Days(days)),
                (true, false) => Err("DTSTART is a day, and DURATION is not of days".to_owned()),
            }
        }
        (None, None) if start.is_day => Ok(Length::Days(1)),
        (None, None) => Err("it has no end: neither DTEND nor DURATION".to_owned()),
    }
}

fn until(start: &When, end: &When) -> Result<Length, String> {
    match (start.is_day, end.is_day) {
        (true, true) if end.at > start.at => Ok(Length::Days(start.at.duration_until(end.at).as_hours() / 24)),
        (true, true) => Err("DTEND is not after DTSTART: of whole days it is the one after the last".to_owned()),
        (false, false) => {
            let real = start.instant()?.duration_until(end.instant()?);
            if !real.is_positive() {
                return Err("DTEND is not after DTSTART".to_owned());
            }
            let shown = start.zone.to_datetime(end.instant()?);
            Ok(Length::Until { real, shown: start.at.duration_until(shown) })
        }
        (true, false) | (false, true) => Err("of DTSTART and DTEND one is a day and one a time".to_owned()),
    }
}

fn check(event: &Event) -> Result<(), String> {
    let first = event.start.date();
    if event.on(first).is_none() {
        return Err("it lasts no time that there is".to_owned());
    }
    match &event.rule {
        Some(rule) if rule.dates(first, first, first).next().is_none() => {
            Err("DTSTART is not the first time of its own RRULE".to_owned())
        }
        Some(_) | None => Ok(()),
    }
}
