//! A record as one HTML page that needs nothing but itself: no script, no font, no picture from elsewhere. So it can be filed
//! with a change request, and read in ten years.

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};
use maud::{DOCTYPE, Markup, PreEscaped, html as markup};

use super::chart::Axis;
use super::{GroupRecord, Leaver, Mark, Record, Row, Standing, Stop, tables};
use crate::id::{AmiId, GroupName};
use crate::plan::host::Phase;
use crate::plan::timing::in_words;

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

/// More hosts than these are folded, group by group, and so are their table and a longer log.
pub(super) const MOST_OPEN: usize = 60;

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
                    (tables::hosts(record, axis))
                    (tables::log(record))
                }
                footer { "Times are UTC. Drawn by ecs-rotator " (env!("CARGO_PKG_VERSION")) " from the log of its workers." }
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
        _ if !record.state_said => "outcome not in the log".to_owned(),
        Standing::Closed => format!("closed after {after}"),
        Standing::ClosedWithGroupsSkipped => format!("closed with groups skipped, after {after}"),
        Standing::Open | Standing::Held | Standing::Paused | Standing::Aborted => {
            format!("{word}, {after} after it opened")
        }
    };
    markup! { p .state .(word) { (said) } }
}

fn facts(record: &Record, axis: Axis) -> Markup {
    markup! {
        dl .facts {
            dt { "Cluster" } dd {
                (record.cluster)
                @if let Some(account) = &record.account { " · account " (account) }
                @if let Some(region) = &record.region { " · " (region) }
            }
            dt { "Opened" } dd {
                (at(record.opened, "%F %H:%M:%S"))
                @if let Some(because) = &record.because { " by " (because) }
                @if record.forced { ", forced: hosts on the release were replaced too" }
            }
            @if record.state.is_over() {
                dt { "Closed" } dd { (at(record.until, "%F %H:%M:%S")) }
            } @else {
                dt { "Last line" } dd { (at(record.until, "%F %H:%M:%S")) }
            }
            dt { "Hosts" } dd { (counts(record)) }
            dt { "Capacity" } dd { (lack(record, axis)) }
            @if !record.settings.is_empty() {
                dt { "Settings" } dd { (settings(record)) }
            }
        }
        @if !record.skipped.is_empty() {
            div .stop .paused {
                strong { "skipped" } ": the hosts of these groups were not replaced"
                ul { @for (group, why) in &record.skipped { li { (group) ": " (why) } } }
            }
        }
        @if record.begins_late {
            p .stop .paused { "The log begins long after the opening: what came before is not on this page." }
        }
    }
}

fn counts(record: &Record) -> String {
    let leavers = record.leavers().count();
    let unseen = record.leavers().filter(|host| host.lost_sight.is_some()).count();
    let mut said = format!("{} of {leavers} replaced", record.replaced());
    if unseen > 0 {
        said += &format!("; how {unseen} ended is not in the log");
    }
    match record.in_flight.iter().map(|(_, hosts)| *hosts).max() {
        Some(most) => said + &format!(", max {most} at a time (from the log)"),
        None => said + "; how many at a time is not in the log",
    }
}

fn settings(record: &Record) -> Markup {
    markup! {
        @for (n, (name, value)) in record.settings.iter().filter(|(_, value)| !value.is_empty()).enumerate() {
            @if n > 0 { ", " }
            span .field { (name.replace('_', "-")) } " " (value)
        }
    }
}

/// How far a group was below what was desired. Known at the moments at which a host of it changed, and not between.
fn lack(record: &Record, axis: Axis) -> String {
    if record.groups.values().all(|group| group.capacity.is_empty()) {
        return "not in the log".to_owned();
    }
    let said = |(name, group): (&GroupName, &GroupRecord)| {
        let lacks = || group.capacity.iter().filter(|(_, serving, desired)| serving < desired);
        let (_, serving, desired) = lacks().min_by_key(|(_, serving, _)| *serving)?;
        let (first, last) = (lacks().next()?.0, lacks().next_back()?.0);
        Some(format!(
            "{name} had {serving} of {desired} at the least (from {} to {})",
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
            @if stop.to.is_some() { ", for " (lasted) } @else { ", and not resumed since" }
            @if let Some(reason) = &stop.reason { p { (reason) } }
        }
    }
}

fn timeline(record: &Record, axis: Axis) -> Markup {
    let fold = is_long(record);
    markup! {
        section aria-labelledby="timeline" {
            h2 #timeline { "Timeline" }
            (legend(record))
            p .said { "New hosts stand beside old ones by order of arrival: the log pairs none with another." }
            div .chart {
                (backdrop(record, axis))
                (scale(axis))
                (marks(record, axis))
                @for (name, group) in &record.groups {
                    h3 { (name) (images(group)) }
                    @if let Some((from, to)) = group.bake { (bake(from, to, axis)) }
                    @if fold { (replaced(name, group, axis)) }
                    (folded(fold, &format!("{} hosts, one by one", group.rows.len()), markup! {
                        @for row in &group.rows { (row_of(row, axis)) }
                    }))
                }
                h3 { "Capacity and tasks" }
                @for (name, group) in &record.groups { (capacity(name, group, axis)) }
                (curves(record, axis))
                (scale(axis))
            }
        }
    }
}

pub(super) fn is_long(record: &Record) -> bool {
    record.groups.values().map(|group| group.rows.len()).sum::<usize>() > MOST_OPEN
}

/// Behind a line that unfolds it, where it is long.
pub(super) fn folded(fold: bool, summary: &str, content: Markup) -> Markup {
    markup! { @if fold { details { summary { (summary) } (content) } } @else { (content) } }
}

/// The first new host of a group serves alone for a while: nothing else happens in it then.
fn bake(from: Timestamp, to: Timestamp, axis: Axis) -> Markup {
    let lasted = in_words(SignedDuration::from_secs(to.duration_since(from).as_secs()));
    let said = format!("canary bakes for {lasted}");
    markup! {
        div .line {
            span .who { small { (said) } }
            svg height="10" role="img" aria-label=(format!("{said}, from {} to {}", axis.clock(from), axis.clock(to))) {
                rect .bake x=(percent(axis.x(from))) width=(percent(axis.x(to) - axis.x(from))) y="1" height="7" {
                    title { (said) " " (axis.clock(from)) "–" (axis.clock(to)) }
                }
            }
        }
    }
}

/// The hosts of a group that are gone, as one curve.
fn replaced(name: &GroupName, group: &GroupRecord, axis: Axis) -> Markup {
    let gone = group.rows.iter().filter_map(|row| row.old.as_ref()?.began(Phase::Gone));
    let mut times: Vec<Timestamp> = gone.collect();
    times.sort();
    let counted: Vec<(Timestamp, u32)> = std::iter::once(axis.from).chain(times).zip(0..).collect();
    let (all, done) = (group.rows.iter().filter(|row| row.old.is_some()).count(), counted.len() - 1);
    let said = format!("{done} of {all} replaced");
    markup! {
        div .line .curve {
            span .who { small { (said) } }
            svg height="44" viewBox="0 -4 100 108" preserveAspectRatio="none" role="img" aria-label=(format!("{name}: {said}")) {
                path .serving d=(axis.area(&counted, u32::try_from(all).unwrap_or(u32::MAX))) {}
            }
        }
    }
}

/// What happened to the worker.
fn marks(record: &Record, axis: Axis) -> Markup {
    markup! {
        @if !record.marks.is_empty() {
            div .line {
                span .who { small { "worker" } }
                svg height="12" {
                    @for (at, mark) in &record.marks {
                        circle .(class_of(*mark)) cx=(percent(axis.x(*at))) cy="6" r="4" role="img" aria-label=(format!("{} {}", word_of(*mark), axis.clock(*at))) {
                            title { (word_of(*mark)) " " (axis.clock(*at)) }
                        }
                    }
                }
            }
        }
    }
}

const fn class_of(mark: Mark) -> &'static str {
    match mark {
        Mark::WorkerStarted => "started",
        Mark::Throttled => "throttled",
    }
}

const fn word_of(mark: Mark) -> &'static str {
    match mark {
        Mark::WorkerStarted => "a worker started",
        Mark::Throttled => "calls throttled",
    }
}

fn legend(record: &Record) -> Markup {
    let rows = || record.groups.values().flat_map(|group| &group.rows);
    // What was before has no step: it is seen of every host that left.
    let seen = |phase: Phase| {
        record.leavers().any(|host| phase == Phase::Outdated || host.began(phase).is_some())
            || (phase == Phase::Current && rows().any(|row| row.new.is_some()))
    };
    let named = |phase: Phase| match phase {
        Phase::Outdated => "before it left".to_owned(),
        Phase::Current => "new host".to_owned(),
        Phase::Gone
        | Phase::Retired
        | Phase::Ending
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
            @for phase in SHOWN.into_iter().filter(|phase| seen(*phase)) {
                li { span .key .(class(phase)) {} (named(phase)) }
            }
            @if record.groups.values().any(|group| group.bake.is_some()) { li { span .key .bake {} "canary bakes" } }
            @if !record.stops.is_empty() { li { span .key .stopped {} (stopped(record)) } }
            @for mark in BTreeSet::from_iter(record.marks.iter().map(|(_, mark)| *mark)) {
                li { span .key .(class_of(mark)) {} (word_of(mark)) }
            }
        }
    }
}

/// Why it stood, in the words of the stops there are.
fn stopped(record: &Record) -> String {
    let words: BTreeSet<&str> = record.stops.iter().map(|stop| stop.state.word()).collect();
    words.into_iter().collect::<Vec<_>>().join(" or ")
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
    let said = format!("{name}: {} served, {} were desired", range(&serving), range(&desired));
    markup! {
        @if !group.capacity.is_empty() {
            div .line .curve {
                span .who { (name) br; small { "serving " (range(&serving)) " of " span .dashed { (range(&desired)) " desired" } } }
                svg height="44" viewBox="0 -4 100 108" preserveAspectRatio="none" role="img" aria-label=(said) {
                    path .serving d=(axis.area(&serving, most)) {}
                    path .desired d=(axis.steps(&desired, most)) {}
                }
            }
        }
    }
}

/// From the least to the most.
fn range(values: &[(Timestamp, u32)]) -> String {
    let all = || values.iter().map(|(_, value)| *value);
    match (all().min(), all().max()) {
        (Some(least), Some(most)) if least < most => format!("{least}–{most}"),
        (least, _) => least.unwrap_or(0).to_string(),
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
            (curve("tasks to move", format!("as drains began; at most {draining}"), axis.area(&record.draining, draining), String::new()))
        }
        @if running > 0 {
            (curve("tasks running", format!("{}, at each sync", range(&record.running)), String::new(), axis.line(&record.running, running)))
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

pub(super) fn at(time: Timestamp, format: &str) -> Markup {
    markup! { time datetime=(format!("{time:.0}")) { (time.strftime(format).to_string()) } }
}
