//! The forecast for people: a table of groups, what is to be said of each, and the sums. It fits in 100 columns.

use std::collections::BTreeMap;

use comfy_table::presets::NOTHING;
use comfy_table::{ColumnConstraint, ContentArrangement, Table, Width};
use jiff::SignedDuration;

use super::report::{Report, Verdict};
use crate::plan::forecast::{Forecast, GroupForecast, ImageForecast, Status, Stuck};
use crate::plan::hold::in_words;
use crate::plan::host::Phase;

const WIDTH: u16 = 100;
/// So many hosts are named.
const NAMED: usize = 6;

/// The whole text.
pub fn text(report: &Report) -> String {
    let mut parts: Vec<String> = report.clusters.iter().map(cluster).collect();
    let trouble = trouble(report);
    if !trouble.is_empty() {
        parts.push(table(trouble));
    }
    parts.push(table(sums(report)));
    // Tags are written by many; none of them shall write to a terminal.
    let text = parts.join("\n\n") + "\n";
    text.chars().map(|c| if c.is_control() && c != '\n' { '\u{fffd}' } else { c }).collect()
}

fn cluster(forecast: &Forecast) -> String {
    let hosts: usize = forecast.groups.iter().flat_map(|group| group.hosts.values()).sum();
    let mut parts = vec![format!(
        "cluster {}: {} in {}, {} to replace, {} in flight",
        forecast.cluster,
        count(hosts, "host"),
        count(forecast.groups.len(), "group"),
        forecast.due,
        forecast.in_flight
    )];
    parts.push(table(about_cluster(forecast)));
    if !forecast.groups.is_empty() {
        parts.push(groups(&forecast.groups));
    }
    for group in &forecast.groups {
        let lines = about_group(group);
        if !lines.is_empty() {
            parts.push(format!("{}\n{}", group.group, table(lines)));
        }
    }
    if !forecast.stuck.is_empty() {
        parts.push(format!("what would get stuck\n{}", table(tenants(&forecast.stuck))));
    }
    if !forecast.notes.is_empty() {
        parts.push(format!("good to know\n{}", table(tenants(&forecast.notes))));
    }
    parts.retain(|part| !part.is_empty());
    parts.join("\n\n")
}

type Lines = Vec<(String, String)>;

fn tenants(stuck: &[Stuck]) -> Lines {
    stuck.iter().map(|stuck| (stuck.what.clone(), stuck.why.clone())).collect()
}

fn about_cluster(forecast: &Forecast) -> Lines {
    let mut lines = Vec::new();
    let mut say = |what: &str, text: String| lines.push((what.to_owned(), text));
    say("rotation", forecast.rotation.clone().unwrap_or_else(|| "there has been none".to_owned()));
    if let Some(hold) = &forecast.hold {
        say("held", hold.clone());
    }
    if let Some(digest) = &forecast.digest {
        say("digest", format!("{digest}, of this plan"));
    }
    match forecast.enabled {
        Some(true) => {}
        Some(false) => say("opted out", "by its tag `enabled`: workers leave it alone".to_owned()),
        None => say("opt-in", "no tag `enabled`: only a worker that names this cluster takes care of it".to_owned()),
    }
    if !forecast.of_no_group.is_empty() {
        let names: Vec<&str> = forecast.of_no_group.iter().map(|id| id.as_str()).collect();
        say("left alone", format!("{}, of no group of this cluster: {}", count(names.len(), "host"), some(&names)));
    }
    for unread in &forecast.unread {
        say("not read", unread.clone());
    }
    lines
}

fn groups(groups: &[GroupForecast]) -> String {
    let mut table = plain_table();
    table.set_header(["GROUP", "VERSION", "IN USE", "RELEASE", "HOSTS"]);
    for group in groups {
        let hosts = match hosts(&group.hosts) {
            none if none.is_empty() => "none".to_owned(),
            some => some,
        };
        if group.launches.is_empty() {
            let status = if group.status == Status::LeftAlone { "left alone" } else { "not known" };
            table.add_row([group.group.as_str(), "", "", status, &hosts]);
        }
        for (n, launch) in group.launches.iter().enumerate() {
            let (name, hosts) = if n == 0 { (group.group.as_str(), hosts.as_str()) } else { ("", "") };
            let (in_use, release) = (short(&launch.in_use), short(&launch.release));
            let release = match group.status {
                // What it launches is no release, but what is left when a newer image is refused.
                Status::Behind => "refused".to_owned(),
                _ if launch.in_use.id == launch.release.id => "the same".to_owned(),
                _ => release,
            };
            table.add_row([name, &launch.rule, &in_use, &release, hosts]);
        }
    }
    trimmed(&table)
}

fn about_group(group: &GroupForecast) -> Lines {
    let mut lines = Vec::new();
    let mut say = |what: &str, text: String| lines.push((format!("  {what}"), text));
    if let Some(reason) = &group.reason {
        let what = match group.status {
            Status::LeftAlone => "left alone",
            Status::Behind => "behind",
            Status::Unresolved | Status::UpToDate | Status::Due => "not known",
        };
        say(what, reason.clone());
    }
    for launch in &group.launches {
        if group.status == Status::Due {
            let template = launch.template.as_ref().map_or_else(
                || "an override of the group".to_owned(),
                |template| format!("launch template {template} {}", launch.rule),
            );
            if launch.in_use.id == launch.release.id {
                say("in use", format!("{}, by {template}: its release, from {}", long(&launch.in_use), launch.from));
            } else {
                say("in use", format!("{}, by {template}", long(&launch.in_use)));
                say("release", format!("{}, from {}", long(&launch.release), launch.from));
            }
        }
        if let Some(refused) = launch.refused.as_ref().filter(|_| group.status != Status::Behind) {
            say("not taken", format!("{refused} (from {})", launch.from));
        }
    }
    for write in &group.writes {
        say("writes", write.clone());
    }
    if !group.order.is_empty() {
        let names: Vec<&str> = group.order.iter().map(|id| id.as_str()).collect();
        say("order", some(&names));
        let (at_a_time, takes) = (group.at_a_time, in_words(SignedDuration::from_secs(group.takes_seconds)));
        say("takes", format!("about {takes}, {at_a_time} at a time"));
    }
    for stuck in &group.stuck {
        say("waits", stuck.clone());
    }
    lines
}

fn trouble(report: &Report) -> Lines {
    let mut lines: Lines =
        report.failed.iter().map(|(cluster, why)| (format!("cluster {cluster}"), why.clone())).collect();
    lines.extend(report.missing.iter().map(|name| (format!("cluster {name}"), "it does not exist here".to_owned())));
    lines.extend(report.error.iter().map(|why| ("clusters".to_owned(), why.clone())));
    lines
}

fn sums(report: &Report) -> Lines {
    let mut lines = Vec::new();
    let verdict = match report.verdict {
        Verdict::NothingToDo => "nothing to do",
        Verdict::SomethingToDo => "something to do",
        Verdict::CouldNotTell => "could not tell",
        Verdict::NeedsAPerson => "nothing can be done: a group cannot be brought to its newest image",
    };
    lines.push(("verdict".to_owned(), verdict.to_owned()));
    let due: usize = report.clusters.iter().map(|cluster| cluster.due + cluster.in_flight).sum();
    if due > 0 {
        let longest = report.clusters.iter().map(|cluster| cluster.takes_seconds).max().unwrap_or(0);
        let assuming = &report.assuming;
        let [replacement, windows, drain] =
            [assuming.replacement_seconds, assuming.replacement_windows_seconds, assuming.drain_seconds]
                .map(|seconds| in_words(SignedDuration::from_secs(seconds)));
        lines.push((
            "would take".to_owned(),
            format!(
                "about {}, groups side by side, assuming {replacement} until a replacement takes tasks (Windows {windows}) and \
                 {drain} for a drain",
                in_words(SignedDuration::from_secs(longest))
            ),
        ));
        let calls: u64 = report.clusters.iter().map(|cluster| cluster.calls).sum();
        lines.push(("would call".to_owned(), format!("about {calls} times: each host on its way, and a look at everything at the opening, now and then on the way and at the close")));
    }
    let made: u64 = report.requests.values().sum();
    lines.push((
        "this look".to_owned(),
        format!("{}, none of which changes anything: {}", count(made, "call"), by_kind(&report.requests)),
    ));
    lines
}

/// The most frequent first.
fn by_kind(requests: &BTreeMap<&'static str, u64>) -> String {
    let mut kinds: Vec<(&str, u64)> = requests.iter().map(|(operation, n)| (*operation, *n)).collect();
    kinds.sort_by_key(|(operation, n)| (std::cmp::Reverse(*n), *operation));
    kinds.iter().map(|(operation, n)| format!("{n} {operation}")).collect::<Vec<_>>().join(", ")
}

fn hosts(hosts: &BTreeMap<Phase, usize>) -> String {
    hosts.iter().rev().map(|(phase, n)| format!("{n} {phase}")).collect::<Vec<_>>().join(", ")
}

/// `ami-0123 31d`
fn short(image: &ImageForecast) -> String {
    match image.age_days {
        Some(days) => format!("{} {days}d", image.id),
        None => image.id.to_string(),
    }
}

/// `web-host-7 (ami-0123, 31 days old)`
fn long(image: &ImageForecast) -> String {
    let age = image.age_days.map_or_else(|| "of unknown age".to_owned(), |days| format!("{} old", count(days, "day")));
    match image.name.as_deref().filter(|name| !name.is_empty()) {
        Some(name) => format!("{name} ({}, {age})", image.id),
        None => format!("{} ({age})", image.id),
    }
}

fn some(names: &[&str]) -> String {
    let shown = names.iter().take(NAMED).copied().collect::<Vec<_>>().join(" ");
    let more = names.len().saturating_sub(NAMED);
    if more == 0 { shown } else { format!("{shown} and {more} more") }
}

fn count<T: std::fmt::Display + PartialEq + From<u8>>(n: T, what: &str) -> String {
    if n == T::from(1) { format!("{n} {what}") } else { format!("{n} {what}s") }
}

fn plain_table() -> Table {
    let mut table = Table::new();
    table.load_style(NOTHING).set_content_arrangement(ContentArrangement::Dynamic).set_width(WIDTH);
    table
}

/// Two columns: what it is about, and the text.
fn table(lines: Lines) -> String {
    if lines.is_empty() {
        return String::new();
    }
    let longest = lines.iter().map(|(what, _)| what.chars().count()).max().unwrap_or(0);
    let first = u16::try_from(longest).unwrap_or(WIDTH / 3).min(WIDTH / 3);
    let mut table = plain_table();
    for (what, text) in lines {
        table.add_row([what, text]);
    }
    if let Some(column) = table.column_mut(0) {
        column.set_padding((0, 2)).set_constraint(ColumnConstraint::LowerBoundary(Width::Fixed(first + 2)));
    }
    if let Some(column) = table.column_mut(1) {
        column.set_padding((0, 0));
    }
    trimmed(&table)
}

/// Without the spaces that fill up each line.
pub(crate) fn trimmed(table: &Table) -> String {
    let lines: Vec<String> = table.lines().map(|line| line.trim_end().to_owned()).collect();
    lines.join("\n")
}
