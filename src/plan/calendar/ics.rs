//! Freezes from an iCalendar text (RFC 5545), as calendars export it.
//!
//! Every VEVENT freezes while it lasts, unless it is cancelled or does not block time (`TRANSP:TRANSPARENT`); those, and what
//! is no event, are named in [`FromIcs::ignored`]. An event that is not understood fails the whole text, with its name: a
//! freeze that is left out in silence is worse than none at all.
//!
//! Not understood are: RRULEs by the hour or shorter, and with BYHOUR, BYMINUTE, BYSECOND, BYYEARDAY, BYWEEKNO, RSCALE or
//! SKIP; RRULEs that do not begin at DTSTART; several RRULEs; RDATE and EXRULE; RECURRENCE-ID with RANGE; time zones that
//! neither have an IANA name nor one rule for summer and one for winter in their VTIMEZONE; events that last no time.

mod event;
mod lines;
mod rrule;
mod time;
mod vtimezone;

use jiff::tz::TimeZone;

use self::event::{Read, except};
use self::lines::Component;
use self::time::Zones;
use super::freeze::Freeze;

/// What a text holds.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub struct FromIcs {
    pub freeze: Freeze,
    /// What freezes nothing, and why: for a person to check.
    pub ignored: Vec<String>,
}

/// A text of which some part is not understood.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadIcs {
    #[error("line {line} of the calendar: {why}")]
    Line { line: usize, why: String },
    #[error("the event {event}: {why}")]
    Event {
        /// Its summary, and the line on which it begins.
        event: String,
        why: String,
    },
}

impl Freeze {
    /// `floating` is the zone of times and days for which the text names none.
    pub fn from_ics(text: &str, floating: &TimeZone) -> Result<FromIcs, BadIcs> {
        let calendars = lines::components(text).map_err(|bad| BadIcs::Line { line: bad.line, why: bad.why })?;
        if calendars.is_empty() {
            return Err(BadIcs::Line { line: 1, why: "no BEGIN:VCALENDAR".to_owned() });
        }
        let mut read = FromIcs { freeze: Freeze::default(), ignored: Vec::new() };
        for calendar in &calendars {
            read_calendar(calendar, floating, &mut read)?;
        }
        Ok(read)
    }
}

fn read_calendar(calendar: &Component, floating: &TimeZone, to: &mut FromIcs) -> Result<(), BadIcs> {
    check_kind(calendar).map_err(|why| BadIcs::Line { line: calendar.line, why })?;
    let zones = Zones::new(calendar, floating);
    let mut all = Vec::new();
    for component in &calendar.components {
        match component.name.as_str() {
            "VEVENT" => all.push((name(component), in_event(component, Read::new(component, &zones))?)),
            "VTIMEZONE" => {}
            other => to.ignored.push(format!("{other} (line {}): not an event", component.line)),
        }
    }
    replace_some(&mut all)?;
    for (name, Read { event, .. }) in all {
        match event {
            Ok(event) => to.freeze.events.push(event),
            Err(ignored) => to.ignored.push(format!("{name}: {ignored}")),
        }
    }
    Ok(())
}

fn check_kind(calendar: &Component) -> Result<(), String> {
    if calendar.name != "VCALENDAR" {
        return Err(format!("{} is not a VCALENDAR", calendar.name));
    }
    match calendar.one("CALSCALE")? {
        Some(scale) if !scale.value.trim().eq_ignore_ascii_case("GREGORIAN") => {
            Err(format!("CALSCALE {} is not supported", scale.text()))
        }
        Some(_) | None => Ok(()),
    }
}

/// An event with a RECURRENCE-ID takes the place of one occurrence of those with its UID, also when it is cancelled.
fn replace_some(all: &mut [(String, Read)]) -> Result<(), BadIcs> {
    let replacing: Vec<_> =
        all.iter().filter_map(|(name, read)| Some((name.clone(), read.uid.clone(), read.replaces.clone()?))).collect();
    for (name, uid, when) in replacing {
        for (_, of) in all.iter_mut().filter(|(_, of)| of.replaces.is_none() && of.uid == uid) {
            if let Ok(event) = &mut of.event {
                except(event, &when)
                    .map_err(|why| BadIcs::Event { event: name.clone(), why: format!("RECURRENCE-ID: {why}") })?;
            }
        }
    }
    Ok(())
}

fn in_event<T>(component: &Component, read: Result<T, String>) -> Result<T, BadIcs> {
    read.map_err(|why| BadIcs::Event { event: name(component), why })
}

fn name(event: &Component) -> String {
    format!("`{}` (line {})", event::summary(event), event.line)
}

#[cfg(test)]
mod tests;
