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

/// What says nothing about when it takes place.
const HARMLESS: [&str; 27] = [
    "ACKNOWLEDGED",
    "ATTACH",
    "ATTENDEE",
    "CATEGORIES",
    "CLASS",
    "COLOR",
    "COMMENT",
    "CONCEPT",
    "CONFERENCE",
    "CONTACT",
    "CREATED",
    "DESCRIPTION",
    "DTSTAMP",
    "GEO",
    "IMAGE",
    "LAST-MODIFIED",
    "LINK",
    "LOCATION",
    "ORGANIZER",
    "PRIORITY",
    "REFID",
    "RELATED-TO",
    "REQUEST-STATUS",
    "RESOURCES",
    "SEQUENCE",
    "STYLED-DESCRIPTION",
    "URL",
];
const READ: [&str; 12] = [
    "UID",
    "SUMMARY",
    "DTSTART",
    "DTEND",
    "DURATION",
    "RRULE",
    "EXDATE",
    "RECURRENCE-ID",
    "STATUS",
    "TRANSP",
    // To be refused by what is said of them.
    "RDATE",
    "EXRULE",
];
/// Components of an event that are no events.
const WITHIN: [&str; 4] = ["VALARM", "PARTICIPANT", "VLOCATION", "VRESOURCE"];

impl Read {
    pub fn new(component: &Component, zones: &Zones<'_>) -> Result<Self, String> {
        component.must_all_be(|name| HARMLESS.contains(&name) || READ.contains(&name) || name.starts_with("X-"))?;
        if let Some(other) = component.components.iter().find(|of| !WITHIN.contains(&of.name.as_str())) {
            return Err(format!("{} (line {}) inside of it is not understood", other.name, other.line));
        }
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
    event.except.insert(when.instant()?);
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
            Ok(Length::Nominal { days, time })
        }
        (None, None) => Err("it has no end: neither DTEND nor DURATION".to_owned()),
    }
}

fn until(start: &When, end: &When) -> Result<Length, String> {
    let real = start.instant()?.duration_until(end.instant()?);
    if !real.is_positive() {
        return Err("DTEND is not after DTSTART".to_owned());
    }
    let shown = start.zone.to_datetime(end.instant()?);
    Ok(Length::Until { real, shown: start.at.duration_until(shown) })
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
