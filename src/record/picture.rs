//! A record as one HTML page that needs nothing but itself: no script, no font, no picture from elsewhere. So it can be filed
//! with a change request, and read in ten years.

use std::collections::BTreeSet;

use jiff::Timestamp;
use maud::{DOCTYPE, Markup, PreEscaped, html as markup};

use super::chart::Axis;
use super::{GroupRecord, Leaver, Record, Row, Stop};
use crate::id::{AmiId, GroupName};
use crate::journal::LogLine;
use crate::plan::hold::in_words;
use crate::plan::host::Phase;
use crate::plan::tags::RotationState;

/// The colours of the phases, which the page of the worker has as well.
pub const COLOURS: &str = include_str!("colours.css");
const STYLE: &str = include_str!("picture.css");

/// Nothing may be loaded, and nothing run.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'";

/// The phases that a host can be seen in on the picture.
const SHOWN: [Phase; 8] = [
    Phase::Outdated,
    Phase::Leaving,
    Phase::Replacing,
    Phase::Draining,
    Phase::Drained,
    Phase::Retired,
    Phase::Returning,
    Phase::Current,
];

/// The whole page.
#[must_use]
pub fn html(record: &Record) -> String {
    let axis = Axis::new(record.opened, shown_until(record));
    let title = format!("Rotation {}", record.id);
    let page = markup! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta http-equiv="Content-Security-Policy" content=(POLICY);
                title { (title) " · ecs-rotator" }
                style { (PreEscaped(COLOURS)) (PreEscaped(STYLE)) }
            }
            body {
                header { h1 { (title) } (state(record)) }
                main {
                    (facts(record, axis))
                    @for stop in &record.stops { (halt(stop, record.until)) }
                    (timeline(record, axis))
                    (hosts(record, axis))
                    (notes(record))
                }
                footer { "Times are UTC. Drawn by ecs-rotator " (env!("CARGO_PKG_VERSION")) " from what its workers said." }
            }
        }
    };
    page.into_string()
}

/// Where it still stands, a little of that is to be seen.
fn shown_until(record: &Record) -> Timestamp {
    let stands = record.stops.iter().any(|stop| stop.to.is_none());
    let little = record.until.duration_since(record.opened) / 20;
    if stands { record.until.saturating_add(little).unwrap_or(record.until) } else { record.until }
}

fn state(record: &Record) -> Markup {
    let word = record.state.word();
    let after = in_words(record.until.duration_since(record.opened));
    let said = match record.state {
        _ if !record.state_said => "how it stands was not said".to_owned(),
        RotationState::Closed => format!("closed after {after}"),
        RotationState::Open | RotationState::Held | RotationState::Paused => format!("{word}, {after} after it opened"),
    };
    markup! { p .state .(word) { (said) } }
}

fn facts(record: &Record, axis: Axis) -> Markup {
    let leavers = record.leavers().count();
    let most = record.in_flight.iter().map(|(_, hosts)| *hosts).max();
    let unseen = record.leavers().filter(|host| host.lost_sight.is_some()).count();
    markup! {
        dl .facts {
            dt { "Cluster" } dd { (record.cluster) }
            dt { "Opened" } dd {
                (at(record.opened, "%F %H:%M:%S"))
                @if let Some(because) = &record.because { " by " (because) }
                @if record.forced { ", forced: hosts on the release were replaced too" }
            }
            @if record.state == RotationState::Closed {
                dt { "Closed" } dd { (at(record.until, "%F %H:%M:%S")) }
            } @else {
                dt { "Last heard of" } dd { (at(record.until, "%F %H:%M:%S")) }
            }
            dt { "Hosts" } dd {
                (record.replaced()) " of " (leavers) " that were taken are gone"
                @if unseen > 0 { "; how " (unseen) " ended was not said" }
                @if let Some(most) = most { "; at most " (most) " in flight at a time, by what was said" } @else { "; how many were in flight was not said" }
            }
            dt { "Capacity" } dd { (lack(record, axis)) }
        }
        @if record.begins_late {
            p .stop .paused { "What is known begins long after the opening: what came before is not on this page." }
        }
    }
}

/// How far a group was below what was desired. Known at the moments at which a host of it changed, and not between.
fn lack(record: &Record, axis: Axis) -> String {
    if record.groups.values().all(|group| group.capacity.is_empty()) {
        return "not known: no line says it".to_owned();
    }
    let said = |(name, group): (&GroupName, &GroupRecord)| {
        let lacks = || group.capacity.iter().filter(|(_, serving, desired)| serving < desired);
        let (_, serving, desired) = lacks().min_by_key(|(_, serving, _)| *serving)?;
        let (first, last) = (lacks().next()?.0, lacks().next_back()?.0);
        Some(format!(
            "{name} had {serving} of {desired} at the least (seen from {} to {})",
            axis.clock(first),
            axis.clock(last)
        ))
    };
    let lacking: Vec<String> = record.groups.iter().filter_map(said).collect();
    if lacking.is_empty() { "never seen below what was desired".to_owned() } else { lacking.join("; ") }
}

fn halt(stop: &Stop, until: Timestamp) -> Markup {
    let lasted = in_words(stop.to.unwrap_or(until).duration_since(stop.from));
    markup! {
        div .stop .(stop.state.word()) {
            strong { (stop.state.word()) }
            " at " (at(stop.from, "%F %H:%M:%S"))
            @if stop.to.is_some() { ", for " (lasted) } @else { ", and not let go on since" }
            @if let Some(reason) = &stop.reason { p { (reason) } }
        }
    }
}

fn timeline(record: &Record, axis: Axis) -> Markup {
    markup! {
        section aria-labelledby="timeline" {
            h2 #timeline { "Timeline" }
            (legend(record))
            p .said { "Hosts that came stand beside hosts that left in the order of their coming: none of them took the place of a certain other." }
            div .chart {
                (backdrop(record, axis))
                (scale(axis))
                @for (name, group) in &record.groups {
                    h3 { (name) (images(group)) }
                    @for row in &group.rows { (row_of(row, axis)) }
                }
                h3 { "Capacity and tasks" }
                @for (name, group) in &record.groups { (capacity(name, group, axis)) }
                (curves(record, axis))
                (scale(axis))
            }
        }
    }
}

fn legend(record: &Record) -> Markup {
    let seen = |phase: Phase| record.leavers().any(|host| host.began(phase).is_some());
    let named = |phase: Phase| match phase {
        Phase::Outdated => "before it left".to_owned(),
        Phase::Current => "the host that came".to_owned(),
        Phase::Gone
        | Phase::Retired
        | Phase::SetAside
        | Phase::Unknown
        | Phase::Behind
        | Phase::Returning
        | Phase::Drained
        | Phase::Draining
        | Phase::Replacing
        | Phase::Leaving
        | Phase::Foreign => phase.to_string(),
    };
    markup! {
        ul .legend {
            @for phase in SHOWN.into_iter().filter(|phase| matches!(phase, Phase::Outdated | Phase::Current) || seen(*phase)) {
                li { span .key .(class(phase)) {} (named(phase)) }
            }
            @if !record.stops.is_empty() { li { span .key .stopped {} "held or paused" } }
        }
    }
}

/// The marks of the time, and the stops, behind everything.
fn backdrop(record: &Record, axis: Axis) -> Markup {
    markup! {
        svg .backdrop aria-hidden="true" {
            @for stop in &record.stops {
                @let (from, to) = (axis.x(stop.from), axis.x(stop.to.unwrap_or(axis.to)));
                rect .stopped x=(percent(from)) width=(percent(to - from)) y="0" height="100%" {}
            }
            @for (x, _) in axis.marks() { line x1=(percent(x)) x2=(percent(x)) y1="0" y2="100%" {} }
        }
    }
}

fn scale(axis: Axis) -> Markup {
    markup! {
        div .line .scale aria-hidden="true" {
            span .who { "UTC" }
            svg height="16" {
                @for (x, text) in axis.marks() {
                    text x=(percent(x)) y="12" text-anchor="middle" { (text) }
                }
            }
        }
    }
}

fn row_of(row: &Row, axis: Axis) -> Markup {
    let who = row.old.as_ref().map(|old| &old.id).or(row.new.as_ref().map(|new| &new.id));
    markup! {
        div .line {
            code .who { @if let Some(id) = who { (id) } }
            svg height="18" role="img" aria-label=(in_a_sentence(row, axis)) {
                @if let Some(old) = &row.old { (bars(old, axis)) }
                @if let Some(new) = &row.new {
                    rect .current x=(percent(axis.x(new.at))) width=(percent(axis.x(new.gone.unwrap_or(axis.to)) - axis.x(new.at))) y="12" height="4" {
                        title { (new.id) " served from " (axis.clock(new.at)) @if let Some(gone) = new.gone { " and was lost " (axis.clock(gone)) } }
                    }
                }
            }
        }
    }
}

/// One bar for each phase, from its beginning to that of the next.
fn bars(host: &Leaver, axis: Axis) -> Markup {
    let left = host.steps.first().map_or(axis.to, |(at, _)| *at);
    let end = host.lost_sight.unwrap_or(axis.to);
    let ends = host.steps.iter().skip(1).map(|(at, _)| *at).chain([end]);
    markup! {
        rect .outdated x="0" width=(percent(axis.x(left))) y="5" height="3" {}
        @for ((from, phase), to) in host.steps.iter().zip(ends).filter(|((_, phase), _)| SHOWN.contains(phase)) {
            rect .(class(*phase)) x=(percent(axis.x(*from))) width=(percent(axis.x(to) - axis.x(*from))) y="2" height="9" {
                title { (host.id) " " (phase) " " (axis.clock(*from)) "–" (axis.clock(to)) }
            }
        }
        @if let Some(last) = host.lost_sight {
            circle .lost cx=(percent(axis.x(last))) cy="6.5" r="4" { title { (host.id) ": its end was not said" } }
        }
    }
}

fn in_a_sentence(row: &Row, axis: Axis) -> String {
    let left = row.old.as_ref().map(|old| {
        let steps = old.steps.iter().map(|(at, phase)| format!("{phase} {}", axis.clock(*at)));
        format!("{}: {}", old.id, steps.collect::<Vec<_>>().join(", "))
    });
    let came = row.new.as_ref().map(|new| format!("{} serves since {}", new.id, axis.clock(new.at)));
    left.into_iter().chain(came).collect::<Vec<_>>().join("; ")
}

fn capacity(name: &GroupName, group: &GroupRecord, axis: Axis) -> Markup {
    let serving: Vec<_> = group.capacity.iter().map(|(at, serving, _)| (*at, *serving)).collect();
    let desired: Vec<_> = group.capacity.iter().map(|(at, _, desired)| (*at, *desired)).collect();
    let most = serving.iter().chain(&desired).map(|(_, value)| *value).max().unwrap_or(0);
    let least = serving.iter().map(|(_, value)| *value).min().unwrap_or(0);
    let said = format!("{name}: between {least} and {most} served");
    markup! {
        @if !group.capacity.is_empty() {
            div .line .curve {
                span .who { (name) br; small { "serving " (least) "–" (most) ", " span .dashed { "desired" } } }
                svg height="44" viewBox="0 -4 100 108" preserveAspectRatio="none" role="img" aria-label=(said) {
                    path .serving d=(axis.area(&serving, most)) {}
                    path .desired d=(axis.steps(&desired, most)) {}
                }
            }
        }
    }
}

/// Hosts in flight, and tasks.
fn curves(record: &Record, axis: Axis) -> Markup {
    let most = |values: &[(Timestamp, u32)]| values.iter().map(|(_, value)| *value).max().unwrap_or(0);
    let curve = |name: &str, said: String, area: String, line: String| {
        markup! {
            div .line .curve {
                span .who { (name) br; small { (said) } }
                svg height="44" viewBox="0 -4 100 108" preserveAspectRatio="none" role="img" aria-label=(format!("{name}: {said}")) {
                    path .going d=(area) {}
                    path .steady d=(line) {}
                }
            }
        }
    };
    let (in_flight, draining, running) = (most(&record.in_flight), most(&record.draining), most(&record.running));
    markup! {
        @if in_flight > 0 {
            (curve("hosts in flight", format!("at most {in_flight}"), axis.area(&record.in_flight, in_flight), String::new()))
        }
        @if draining > 0 {
            (curve("tasks that had to move", format!("as drains began; at most {draining}"), axis.area(&record.draining, draining), String::new()))
        }
        @if running > 0 {
            @let least = record.running.iter().map(|(_, value)| *value).min().unwrap_or(0);
            (curve("tasks that ran", format!("{least}–{running}, by each look at everything"), String::new(), axis.line(&record.running, running)))
        }
    }
}

/// The same in words: for whoever cannot see it, and for whoever looks for one host.
fn hosts(record: &Record, axis: Axis) -> Markup {
    let time = |at: Option<Timestamp>| at.map(|at| axis.clock(at)).unwrap_or_default();
    markup! {
        section aria-labelledby="hosts" {
            h2 #hosts { "Hosts" }
            div .wide tabindex="0" role="region" aria-label="Every host with its times" {
                table {
                    thead { tr {
                        th scope="col" { "Group" } th scope="col" { "Host" } th scope="col" { "Image" } th scope="col" { "Left" }
                        th scope="col" { "Drained from" } th scope="col" { "Tasks" } th scope="col" { "Gone" }
                        th scope="col" { "Came" } th scope="col" { "Its image" } th scope="col" { "Serves since" }
                    } }
                    tbody {
                        @for (name, group) in &record.groups {
                            @for row in &group.rows { tr {
                                td { (name) }
                                @if let Some(old) = &row.old {
                                    td { code { (old.id) } }
                                    td { code { @if let Some(image) = &old.image { (image) } } }
                                    td { (time(old.steps.first().map(|(at, _)| *at))) }
                                    td { (time(old.began(Phase::Draining))) }
                                    td .number { @if let Some(tasks) = old.tasks { (tasks) } @else { "–" } }
                                    td { @if let Some(gone) = old.began(Phase::Gone) { (axis.clock(gone)) } @else if old.lost_sight.is_some() { "not said" } @else if let Some(phase) = old.phase() { (phase) } }
                                } @else { td colspan="6" { "–" } }
                                @if let Some(new) = &row.new {
                                    td { code { (new.id) } } td { code { @if let Some(image) = &new.image { (image) } } } td { (axis.clock(new.at)) @if let Some(gone) = new.gone { ", lost " (axis.clock(gone)) } }
                                } @else { td colspan="3" { "–" } }
                            } }
                        }
                    }
                }
            }
        }
    }
}

fn notes(record: &Record) -> Markup {
    markup! {
        section aria-labelledby="said" {
            h2 #said { "What was said" }
            ol .notes {
                @for note in &record.notes {
                    li .(note.level.to_lowercase()) {
                        (at(note.at, "%F %H:%M:%S")) " "
                        @if note.level != "INFO" { strong { (note.level) } " " }
                        (note.message) (details(note))
                    }
                }
            }
        }
    }
}

fn details(note: &LogLine) -> Markup {
    markup! {
        @for (name, value) in note.fields.iter().filter(|(name, _)| !["cluster", "rotation"].contains(&name.as_str())) {
            " " span .field { (name) "=" } (value)
        }
    }
}

fn images(group: &GroupRecord) -> Markup {
    let old = group.rows.iter().filter_map(|row| row.old.as_ref()?.image.as_ref());
    let new = group.rows.iter().filter_map(|row| row.new.as_ref()?.image.as_ref());
    let words = |images: BTreeSet<&AmiId>| images.into_iter().map(AmiId::as_str).collect::<Vec<_>>().join(" ");
    let (old, new) = (words(old.collect()), words(new.collect()));
    markup! { @if !old.is_empty() && !new.is_empty() { " " small { (old) " → " (new) } } }
}

/// The class of its colour.
fn class(phase: Phase) -> String {
    phase.to_string().replace(' ', "-")
}

fn percent(x: f64) -> String {
    format!("{x:.2}%")
}

fn at(time: Timestamp, format: &str) -> Markup {
    markup! { time datetime=(format!("{time:.0}")) { (time.strftime(format).to_string()) } }
}
