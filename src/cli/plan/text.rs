//! The forecast for people: a table of groups, what is to be said of each, and one line that sums it up.

use std::collections::BTreeMap;

use comfy_table::presets::NOTHING;
use comfy_table::{ColumnConstraint, ContentArrangement, Table, Width};
use jiff::SignedDuration;

use super::report::{Report, Verdict};
use crate::cli::out::WIDTH;
use crate::plan::forecast::{Forecast, GroupForecast, ImageForecast, LaunchForecast, NO_GROUP, Status, Stuck};
use crate::plan::host::Phase;
use crate::plan::output::NO_SUCH_GROUP;
use crate::plan::timing::in_words;

/// So many hosts are named.
const NAMED: usize = 6;

/// The whole text, where nothing says how wide it may be.
pub fn text(report: &Report) -> String {
    in_columns(report, WIDTH, false)
}

/// The whole text. `verbose`: what the time is reckoned by, and which calls were made.
pub fn in_columns(report: &Report, width: u16, verbose: bool) -> String {
    let page = Page { width };
    let mut parts: Vec<String> = report.clusters.iter().map(|forecast| page.cluster(forecast)).collect();
    let trouble = trouble(report);
    if !trouble.is_empty() {
        parts.push(page.table(trouble));
    }
    if verbose {
        parts.push(page.table(reckoning(report)));
    }
    parts.push(page.wrapped(&sum(report)));
    // Tags are written by many; none of them shall write to a terminal.
    let text = parts.join("\n\n") + "\n";
    text.chars().map(|c| if c.is_control() && c != '\n' { '\u{fffd}' } else { c }).collect()
}

/// A page of so many columns.
struct Page {
    width: u16,
}

impl Page {
    fn cluster(&self, forecast: &Forecast) -> String {
        let hosts: usize = forecast.groups.iter().flat_map(|group| group.hosts.values()).sum();
        let mut parts = vec![self.wrapped(&format!(
            "cluster {}: {} in {}, {} to replace, {} in flight",
            forecast.cluster,
            count(hosts, "host"),
            count(forecast.groups.len(), "group"),
            forecast.due,
            forecast.in_flight
        ))];
        parts.push(self.table(about_cluster(forecast)));
        if !forecast.groups.is_empty() {
            parts.push(self.groups(&forecast.groups));
        }
        for group in &forecast.groups {
            let lines = about_group(group);
            if !lines.is_empty() {
                parts.push(format!("{}\n{}", group.group, self.table(lines)));
            }
        }
        if !forecast.stuck.is_empty() {
            parts.push(format!("what would get stuck\n{}", self.table(tenants(&forecast.stuck))));
        }
        if !forecast.notes.is_empty() {
            parts.push(format!("good to know\n{}", self.table(tenants(&forecast.notes))));
        }
        parts.retain(|part| !part.is_empty());
        parts.join("\n\n")
    }

    /// In one table where it fits, otherwise one below the other.
    fn groups(&self, groups: &[GroupForecast]) -> String {
        let table = group_table(groups);
        if table.lines().all(|line| line.chars().count() <= usize::from(self.width)) {
            return table;
        }
        let stacked = groups.iter().map(|group| {
            let hosts = hosts_or_none(group);
            let mut lines = vec![("  hosts".to_owned(), hosts)];
            if group.launches.is_empty() {
                lines.push(("  release".to_owned(), word_for_none(group).to_owned()));
            }
            for launch in &group.launches {
                lines.push(("  version".to_owned(), launch.rule.clone()));
                lines.push(("  in use".to_owned(), short(&launch.in_use)));
                lines.push(("  release".to_owned(), release(group, launch)));
            }
            format!("{}\n{}", group.group, self.table(lines))
        });
        stacked.collect::<Vec<_>>().join("\n")
    }

    /// Two columns: what it is about, and the text.
    fn table(&self, lines: Lines) -> String {
        if lines.is_empty() {
            return String::new();
        }
        let longest = lines.iter().map(|(what, _)| what.chars().count()).max().unwrap_or(0);
        let first = u16::try_from(longest).unwrap_or(self.width / 3).min(self.width / 3);
        let mut table = self.plain();
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

    fn wrapped(&self, text: &str) -> String {
        let mut table = self.plain();
        table.add_row([text]);
        if let Some(column) = table.column_mut(0) {
            column.set_padding((0, 0));
        }
        trimmed(&table)
    }

    fn plain(&self) -> Table {
        let mut table = Table::new();
        table.load_style(NOTHING).set_content_arrangement(ContentArrangement::Dynamic).set_width(self.width);
        table
    }
}

type Lines = Vec<(String, String)>;

fn tenants(stuck: &[Stuck]) -> Lines {
    stuck.iter().map(|stuck| (stuck.what.clone(), stuck.why.clone())).collect()
}

fn about_cluster(forecast: &Forecast) -> Lines {
    let mut lines = Vec::new();
    let mut say = |what: &str, text: String| lines.push((what.to_owned(), text));
    say("account", format!("{} in {}", forecast.account, forecast.region));
    say("rotation", forecast.rotation.clone().unwrap_or_else(|| "there has been none".to_owned()));
    if let Some(hold) = &forecast.hold {
        say("held", hold.clone());
    }
    if let Some(digest) = &forecast.digest {
        say("digest", format!("{digest}, of this plan"));
    }
    match forecast.enabled {
        Some(true) => {}
        Some(false) => say("opted out", "its tag `enabled` does not say `true`: workers leave it alone".to_owned()),
        None => say("opt-in", "no tag `enabled`: only a worker that names this cluster takes care of it".to_owned()),
    }
    if forecast.groups.is_empty() {
        say("no group", NO_GROUP.to_owned());
    }
    for group in &forecast.absent {
        say("not there", format!("{group}: {NO_SUCH_GROUP}"));
    }
    if !forecast.of_no_group.is_empty() {
        let names: Vec<&str> = forecast.of_no_group.iter().map(|id| id.as_str()).collect();
        say("left alone", format!("{}, of no group of this cluster: {}", count(names.len(), "host"), some(&names)));
    }
    for unread in &forecast.unread {
        say("not read", unread.clone());
    }
    for note in &forecast.without_effect {
        say("mind", note.clone());
    }
    lines
}

/// As wide as it has to be.
fn group_table(groups: &[GroupForecast]) -> String {
    let mut table = Table::new();
    table.load_style(NOTHING).set_content_arrangement(ContentArrangement::Disabled);
    table.set_header(["GROUP", "VERSION", "IN USE", "RELEASE", "HOSTS"]);
    for group in groups {
        let hosts = hosts_or_none(group);
        if group.launches.is_empty() {
            table.add_row([group.group.as_str(), "", "", word_for_none(group), &hosts]);
        }
        for (n, launch) in group.launches.iter().enumerate() {
            let (name, hosts) = if n == 0 { (group.group.as_str(), hosts.as_str()) } else { ("", "") };
            table.add_row([name, &launch.rule, &short(&launch.in_use), &release(group, launch), hosts]);
        }
    }
    trimmed(&table)
}

fn hosts_or_none(group: &GroupForecast) -> String {
    match hosts(&group.hosts) {
        none if none.is_empty() => "none".to_owned(),
        some => some,
    }
}

/// Where there is no release.
fn word_for_none(group: &GroupForecast) -> &'static str {
    if group.status == Status::LeftAlone { "left alone" } else { "not known" }
}

fn release(group: &GroupForecast, launch: &LaunchForecast) -> String {
    // What it launches is no release, but what is left when a newer image is refused.
    if group.status == Status::Behind {
        return "refused".to_owned();
    }
    if launch.in_use.id == launch.release.id { "the same".to_owned() } else { short(&launch.release) }
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
    for note in &group.without_effect {
        say("mind", note.clone());
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

/// `Plan: 6 hosts to replace in 2 groups, about 24 min.`
fn sum(report: &Report) -> String {
    let due = |group: &&GroupForecast| group.status == Status::Due;
    let groups = report.clusters.iter().flat_map(|cluster| &cluster.groups).filter(due).count();
    let hosts: usize = report.clusters.iter().map(|cluster| cluster.due).sum();
    let in_flight: usize = report.clusters.iter().map(|cluster| cluster.in_flight).sum();
    let mut does = Vec::new();
    if hosts > 0 {
        does.push(format!("{} to replace in {}", count(hosts, "host"), count(groups, "group")));
    } else if groups > 0 {
        does.push(format!("no host to replace, {} to bring to its release", count(groups, "group")));
    }
    if in_flight > 0 {
        does.push(format!("{} in flight", count(in_flight, "host")));
    }
    let longest = report.clusters.iter().map(|cluster| cluster.takes_seconds).max().unwrap_or(0);
    if longest > 0 && hosts + in_flight > 0 {
        does.push(format!("about {}", about(longest)));
    }
    match report.verdict {
        Verdict::NothingToDo if report.clusters.is_empty() => {
            let tag = &report.opt_in;
            format!(
                "Plan: nothing to do: no cluster has opted in. Give one the tag {tag} = true, or name it by --cluster."
            )
        }
        Verdict::NothingToDo => "Plan: nothing to do.".to_owned(),
        Verdict::SomethingToDo => format!("Plan: {}.", does.join(", ")),
        Verdict::NeedsAPerson => {
            "Plan: nothing to do by itself: a group cannot be brought to its newest image, see above.".to_owned()
        }
        Verdict::CouldNotTell if does.is_empty() => "Plan: could not tell, see above.".to_owned(),
        Verdict::CouldNotTell => format!("Plan: {}; of the rest it could not tell, see above.", does.join(", ")),
    }
}

/// `24 min`, `2 h 5 min`
fn about(seconds: i64) -> String {
    let minutes = (seconds + 59) / 60;
    match (minutes / 60, minutes % 60) {
        (0, minutes) => format!("{minutes} min"),
        (hours, 0) => format!("{hours} h"),
        (hours, minutes) => format!("{hours} h {minutes} min"),
    }
}

fn reckoning(report: &Report) -> Lines {
    let mut lines = Vec::new();
    let due: usize = report.clusters.iter().map(|cluster| cluster.due + cluster.in_flight).sum();
    if due > 0 {
        let assuming = &report.assuming;
        let [replacement, windows, drain] =
            [assuming.replacement_seconds, assuming.replacement_windows_seconds, assuming.drain_seconds]
                .map(|seconds| in_words(SignedDuration::from_secs(seconds)));
        lines.push((
            "assuming".to_owned(),
            format!(
                "{replacement} until a replacement takes tasks (Windows {windows}), {drain} for a drain, and the groups side by side"
            ),
        ));
        let calls: u64 = report.clusters.iter().map(|cluster| cluster.calls).sum();
        let when =
            "each host on its way, and a look at everything at the opening, now and then on the way and at the close";
        lines.push(("would call".to_owned(), format!("about {calls} times: {when}")));
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

/// Without the spaces that fill up each line.
pub(crate) fn trimmed(table: &Table) -> String {
    let lines: Vec<String> = table.lines().map(|line| line.trim_end().to_owned()).collect();
    lines.join("\n")
}
