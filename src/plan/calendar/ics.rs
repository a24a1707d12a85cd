//! Freezes from an iCalendar text (RFC 5545), as calendars export it.
//!
//! Every VEVENT freezes while it lasts, unless it is cancelled or does not block time (`TRANSP:TRANSPARENT`); those, and what
//! freezes by its nature (VTODO, VJOURNAL), are named in `Freeze::notes`. What is not understood fails the whole text, with the
//! name of the event: a freeze that is left out in silence is worse than none at all.
//!
//! What could turn the meaning round, or shift it, is not guessed at: calendars in which the events are what is allowed
//! (`X-CALENDAR-TYPE` other than `DEFAULT_OPEN`), a METHOD that takes events back, a zone of the whole calendar that is not
//! known, whole days and times without a zone (whose day?), zones that mean something else to IANA than to people and are not
//! defined, and every property and component that RFC 5545 and its extensions do not list, unless its name begins with `X-`.
//!
//! Neither understood are: RRULEs by the hour or shorter, and with BYHOUR, BYMINUTE, BYSECOND, BYYEARDAY, BYWEEKNO, RSCALE or
//! SKIP; RRULEs that do not begin at DTSTART; several RRULEs; RDATE and EXRULE; RECURRENCE-ID with RANGE; time zones that
//! neither have an IANA name nor one rule for summer and one for winter in their VTIMEZONE; events that last no time.

mod event;
mod lines;
mod rrule;
mod time;
mod vtimezone;

use self::event::{Read, except};
use self::lines::Component;
use self::time::Zones;
use super::freeze::Freeze;

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
    /// # Errors
    /// When something in it is not understood: with the line or the event.
    pub fn from_ics(text: &str) -> Result<Self, BadIcs> {
        let calendars = lines::components(text).map_err(|bad| BadIcs::Line { line: bad.line, why: bad.why })?;
        if calendars.is_empty() {
            return Err(BadIcs::Line { line: 1, why: "no BEGIN:VCALENDAR".to_owned() });
        }
        let mut read = Self::default();
        for calendar in &calendars {
            read_calendar(calendar, &mut read)?;
        }
        if read.is_none() {
            read.notes.push("the calendar has no event that freezes anything".to_owned());
        }
        Ok(read)
    }
}

fn read_calendar(calendar: &Component, to: &mut Freeze) -> Result<(), BadIcs> {
    let zones = Zones::new(calendar);
    check_kind(calendar, &zones).map_err(|why| BadIcs::Line { line: calendar.line, why })?;
    let mut all = Vec::new();
    for component in &calendar.components {
        match component.name.as_str() {
            "VEVENT" => all.push((name(component), in_event(component, Read::new(component, &zones))?)),
            "VTIMEZONE" => {}
            // SSM writes a VTODO into every calendar.
            "VTODO" | "VJOURNAL" => {
                to.notes
                    .push(format!("{} (line {}): not an event, it freezes nothing", component.name, component.line));
            }
            other => {
                let why = format!("{other} is not understood: it may say that nothing shall begin");
                return Err(BadIcs::Line { line: component.line, why });
            }
        }
    }
    replace_some(&mut all)?;
    for (name, Read { event, .. }) in all {
        match event {
            Ok(event) => to.events.push(event),
            Err(ignored) => to.notes.push(format!("the event {name} freezes nothing: {ignored}")),
        }
    }
    Ok(())
}

/// Of a calendar, beside those that are read.
const HARMLESS: [&str; 11] = [
    "PRODID",
    "NAME",
    "DESCRIPTION",
    "UID",
    "LAST-MODIFIED",
    "URL",
    "CATEGORIES",
    "REFRESH-INTERVAL",
    "SOURCE",
    "COLOR",
    "IMAGE",
];
/// Those that are read, and with which values: any other may say that the events are something else than freezes. Without
/// one, it is the first.
const KIND: [(&str, &[&str]); 5] = [
    ("VERSION", &["2.0"]),
    ("CALSCALE", &["GREGORIAN"]),
    ("METHOD", &["PUBLISH", "REQUEST"]),
    // Of SSM Change Calendar: where it is DEFAULT_CLOSED, its events are the times in which changes are allowed.
    ("X-CALENDAR-TYPE", &["DEFAULT_OPEN"]),
    ("X-CALENDAR-CMEVENTS", &["DISABLED"]),
];

fn check_kind(calendar: &Component, zones: &Zones<'_>) -> Result<(), String> {
    if calendar.name != "VCALENDAR" {
        return Err(format!("{} is not a VCALENDAR", calendar.name));
    }
    for (name, values) in KIND {
        let Some(property) = calendar.one(name)? else { continue };
        if !values.iter().any(|value| property.value.trim().eq_ignore_ascii_case(value)) {
            return Err(format!("{name} {} is not supported, only {}", property.text(), values.join(" and ")));
        }
    }
    if let Some(zone) = calendar.one("X-WR-TIMEZONE")? {
        zones.named(zone.value.trim()).map_err(|why| format!("X-WR-TIMEZONE: {why}"))?;
    }
    let is_known = |name: &str| HARMLESS.contains(&name) || KIND.iter().any(|(known, _)| *known == name);
    let is_foreign = |name: &str| name.starts_with("X-") && !name.starts_with("X-CALENDAR-");
    calendar.must_all_be(|name| is_known(name) || is_foreign(name))
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
