//! The status for people: lines, each with a tone, that fit in the columns there are. Printed once, or drawn again and again.

use comfy_table::presets::NOTHING;
use comfy_table::{ColumnConstraint, ContentArrangement, Table, Width};
use jiff::{SignedDuration, Timestamp};

use super::report::Report;
use crate::cli::plan::text::trimmed;
use crate::plan::forecast::{LaunchForecast, NO_GROUP, Status};
use crate::plan::hold::ABORTED_SAID;
use crate::plan::host::Phase;
use crate::plan::outcome::{SkippedGroup, Standing};
use crate::plan::status::{CauseStatus, ClusterStatus, GroupStatus, HostStatus, RotationStatus, ToDo};
use crate::plan::timing::in_words;

/// Below this the images stand in a column of their own no more, and below this what a host waits for.
const WIDE: u16 = 100;
const NARROW: u16 = 80;
const BAR: usize = 24;
/// `ami-0123456789abcdef0`
const IMAGE: u16 = 21;

/// What a line is about, which decides its colour where there are any.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tone {
    Plain,
    Title,
    Aside,
    Good,
    Going,
    Waiting,
    Trouble,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    pub tone: Tone,
    pub text: String,
}

/// Everything, for a screen so wide.
pub fn lines(report: &Report, width: u16) -> Vec<Line> {
    let mut page = Page { width, now: report.at, lines: Vec::new() };
    for cluster in &report.clusters {
        page.cluster(cluster);
    }
    for (name, why) in &report.failed {
        page.say(Tone::Trouble, &format!("cluster {name} could not be looked at: {why}"));
    }
    for name in &report.missing {
        page.say(Tone::Trouble, &format!("cluster {name} does not exist here"));
    }
    if let Some(why) = &report.error {
        page.say(Tone::Trouble, &format!("the clusters could not be listed: {why}"));
    }
    if page.lines.is_empty() {
        let tag = &report.opt_in;
        page.say(
            Tone::Plain,
            &format!("no cluster has opted in: give one the tag {tag} = true, or name it by --cluster"),
        );
    }
    page.lines
}

/// One line for one cluster, the same as long as nothing has changed but the time.
pub fn in_one_line(status: &ClusterStatus) -> String {
    let Some(rotation) = &status.rotation else { return format!("{}: there has been no rotation", status.cluster) };
    let mut text = format!("{} {}: {}", rotation.id, rotation.state.in_words(), progress(status));
    let on_their_way: Vec<String> =
        status.in_flight.iter().map(|host| format!("{} {}", host.host, host.phase)).collect();
    if !on_their_way.is_empty() {
        text += &format!(" ({})", on_their_way.join(", "));
    }
    if let Some(hold) = &status.hold {
        text += &format!(": {hold}");
    }
    clean(&text)
}

struct Page {
    width: u16,
    now: Timestamp,
    lines: Vec<Line>,
}

impl Page {
    fn cluster(&mut self, status: &ClusterStatus) {
        if !self.lines.is_empty() {
            self.say(Tone::Plain, "");
        }
        let title = match &status.rotation {
            Some(rotation) => self.title(status, rotation),
            None => format!("cluster {}: there has been no rotation", status.cluster),
        };
        self.say(Tone::Title, &title);
        self.say(Tone::Aside, &format!("account {} · region {}", status.account, status.region));
        if let Some(because) = status.rotation.as_ref().and_then(|rotation| rotation.because.as_deref()) {
            let forced = status.rotation.as_ref().is_some_and(|rotation| rotation.forced);
            let forced = if forced { ", forced: hosts on the release go too" } else { "" };
            self.say(Tone::Aside, &format!("opened by {because}{forced}"));
        }
        if status.enabled == Some(false) {
            self.say(Tone::Trouble, "opted out: its tag `enabled` does not say `true`, and workers leave it alone");
        }
        self.progress(status);
        if !status.settings_known && !status.in_flight.is_empty() {
            self.say(Tone::Aside, "no worker has left its settings on the cluster: when a wait ends is not known");
        }
        if let Some(hold) = &status.hold {
            let (word, tone) = match status.rotation.as_ref().map(|rotation| rotation.state) {
                Some(Standing::Held) => ("HELD", Tone::Trouble),
                Some(Standing::Aborted) => ("ABORTED", Tone::Trouble),
                _ => ("soon held", Tone::Waiting),
            };
            let aborted = word == "ABORTED";
            if aborted || status.causes.is_empty() {
                self.row(tone, &[10], &[word, if status.causes.is_empty() { hold } else { ABORTED_SAID }]);
            }
            for (n, CauseStatus { text, next, .. }) in status.causes.iter().enumerate() {
                self.row(tone, &[10], &[if n == 0 && !aborted { word } else { "" }, text]);
                self.row(
                    Tone::Waiting,
                    &[10],
                    &["", &next.as_ref().map(|next| format!("→ {next}")).unwrap_or_default()],
                );
            }
        }
        for (n, SkippedGroup { group, reason, .. }) in status.skipped.iter().enumerate() {
            self.row(Tone::Trouble, &[10], &[if n == 0 { "SKIPPED" } else { "" }, &format!("{group}: {reason}")]);
        }
        for (n, ToDo { when, command }) in status.to_do.iter().enumerate() {
            self.row(Tone::Waiting, &[10], &[if n == 0 { "next" } else { "" }, &format!("{when}: {command}")]);
        }
        self.groups(&status.groups);
        self.hosts(&status.in_flight);
    }

    fn title(&self, status: &ClusterStatus, rotation: &RotationStatus) -> String {
        let ago = in_words(self.age(rotation.since));
        let opened = rotation.opened.map_or_else(|| ago.clone(), |opened| in_words(self.age(opened)));
        let state = rotation.state.in_words();
        let since = if rotation.state.is_over() {
            format!("{state} {ago} ago")
        } else if rotation.state == Standing::Open {
            // What was paused meanwhile is as old as it is.
            format!("{state} for {opened}")
        } else {
            format!("{state} for {ago}")
        };
        format!("cluster {}: rotation {} {since}", status.cluster, rotation.id)
    }

    fn progress(&mut self, status: &ClusterStatus) {
        let left = status.left_seconds.filter(|left| *left > 0).map(|left| about(SignedDuration::from_secs(left)));
        let left = left.map_or_else(String::new, |left| format!(" · about {left} left"));
        let done = status.hosts > 0 && status.current == status.hosts && status.skipped.is_empty();
        let text = format!("[{}] {}{left}", bar(status.current, status.hosts), progress(status));
        self.say(if done { Tone::Good } else { Tone::Plain }, &text);
    }

    fn groups(&mut self, groups: &[GroupStatus]) {
        if groups.is_empty() {
            return self.say(Tone::Trouble, NO_GROUP);
        }
        let longest = groups.iter().map(|group| group.group.as_str().chars().count()).max().unwrap_or(0);
        let name = u16::try_from(longest.clamp(5, 24)).unwrap_or(24);
        self.say(Tone::Plain, "");
        let wide = if self.width >= WIDE { 36 } else { 24 };
        // The name and what is left for the images.
        let side_by_side = self.width >= name + wide + 4 + IMAGE;
        let head: &[&str] = if side_by_side { &["GROUP", "HOSTS", "IMAGE → RELEASE"] } else { &["GROUP", "HOSTS"] };
        let widths: &[u16] = if side_by_side { &[name, wide] } else { &[name] };
        self.row(Tone::Aside, widths, head);
        for group in groups {
            let hosts = hosts(group);
            let hosts = if hosts.is_empty() { "none" } else { &hosts };
            let tone = match group.status {
                Status::UpToDate => Tone::Good,
                Status::Due => Tone::Plain,
                Status::Behind => Tone::Waiting,
                Status::LeftAlone => Tone::Aside,
                Status::Unresolved => Tone::Trouble,
            };
            if side_by_side {
                self.row(tone, widths, &[group.group.as_str(), hosts, &images(group)]);
            } else {
                self.row(tone, widths, &[group.group.as_str(), hosts]);
                self.row(tone, &[0], &["", &images(group)]);
            }
            for wait in &group.waits {
                self.row(Tone::Waiting, &[name], &["", &format!("waits: {wait}")]);
            }
            if let Some(patch) = patch(group) {
                self.row(Tone::Aside, &[name], &["", &patch]);
            }
        }
    }

    fn hosts(&mut self, hosts: &[HostStatus]) {
        if hosts.is_empty() {
            return;
        }
        self.say(Tone::Plain, "");
        let narrow = self.width < NARROW;
        let head: &[&str] = if narrow { &["HOST", "PHASE", "FOR"] } else { &["HOST", "PHASE", "FOR", "WAITS FOR"] };
        self.row(Tone::Aside, &[19, 9, 8][..head.len() - 1], head);
        for host in hosts {
            let since = host.since.map(|since| about(self.age(since))).unwrap_or_default();
            let group = host.group.as_ref().map(|group| format!("{group}: ")).unwrap_or_default();
            let waits = format!("{group}{}", self.waits(host));
            let tone = match host.phase {
                Phase::Current | Phase::Outdated | Phase::Unknown | Phase::Behind => Tone::Aside,
                Phase::Returning => Tone::Waiting,
                Phase::Gone
                | Phase::Retired
                | Phase::Ending
                | Phase::SetAside
                | Phase::Drained
                | Phase::Draining
                | Phase::Replacing
                | Phase::Leaving
                | Phase::Foreign => Tone::Going,
            };
            let phase = host.phase.to_string();
            if narrow {
                self.row(tone, &[19, 9], &[host.host.as_str(), &phase, &since]);
                self.row(tone, &[0], &["", &waits]);
            } else {
                self.row(tone, &[19, 9, 8], &[host.host.as_str(), &phase, &since, &waits]);
            }
        }
    }

    fn waits(&self, host: &HostStatus) -> String {
        let tasks = host.tasks.filter(|_| host.phase == Phase::Draining);
        let tasks = tasks.map(|left| format!(" ({left} left)")).unwrap_or_default();
        let Some(waits_for) = &host.waits_for else { return format!("nothing{tasks}") };
        let until = host.times_out.map(|at| match self.until(at) {
            left if left.is_zero() => ", overdue".to_owned(),
            left => format!(", times out in {}", about(left)),
        });
        let until = until.or_else(|| Some(format!(", ends in {}", about(self.until(host.ends?)))));
        let why = host.why.as_ref().map(|why| format!(": {why}")).unwrap_or_default();
        format!("{waits_for}{tasks}{}{why}", until.unwrap_or_default())
    }

    fn age(&self, since: Timestamp) -> SignedDuration {
        SignedDuration::from_secs(self.now.duration_since(since).as_secs().max(0))
    }

    fn until(&self, until: Timestamp) -> SignedDuration {
        SignedDuration::from_secs(until.duration_since(self.now).as_secs().max(0))
    }

    fn say(&mut self, tone: Tone, text: &str) {
        self.row(tone, &[], &[text]);
    }

    /// Columns of these widths, and the rest for the last; what does not fit goes on below, under its own beginning.
    fn row(&mut self, tone: Tone, widths: &[u16], cells: &[&str]) {
        let mut table = Table::new();
        table.load_style(NOTHING).set_content_arrangement(ContentArrangement::Dynamic).set_width(self.width);
        table.add_row(cells.iter().map(|cell| clean(cell)));
        let rest = self.width.saturating_sub(widths.iter().map(|width| width + 2).sum());
        let widths = widths.iter().map(|width| width + 2).chain([rest]);
        for (n, width) in widths.enumerate() {
            if let Some(column) = table.column_mut(n) {
                let padding = if n + 1 == cells.len() { 0 } else { 2 };
                column.set_padding((0, padding)).set_constraint(ColumnConstraint::Absolute(Width::Fixed(width)));
            }
        }
        let text = trimmed(&table);
        self.lines.extend(text.split('\n').map(|line| Line { tone, text: line.to_owned() }));
    }
}

/// Tags are written by many; none of them shall write to a terminal.
pub fn clean(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}

fn bar(done: usize, all: usize) -> String {
    let full = (done * BAR).checked_div(all).unwrap_or(0);
    format!("{}{}", "█".repeat(full), "░".repeat(BAR - full))
}

fn progress(status: &ClusterStatus) -> String {
    let on_their_way = status.in_flight.iter().filter(|host| crate::plan::host::is_in_flight(host.phase)).count();
    let count = |phase: Phase| -> usize {
        status.groups.iter().filter_map(|group| group.hosts.get(&phase)).map(std::collections::BTreeSet::len).sum()
    };
    let mut text = format!("{} of {} hosts done · {on_their_way} in flight", status.current, status.hosts);
    for (phase, why) in [(Phase::Unknown, "release not known"), (Phase::Behind, "newer image rejected")] {
        let hosts = count(phase);
        if hosts > 0 {
            text += &format!(" · {hosts} {phase} ({why})");
        }
    }
    text
}

fn hosts(group: &GroupStatus) -> String {
    group.hosts.iter().rev().map(|(phase, ids)| format!("{} {phase}", ids.len())).collect::<Vec<_>>().join(", ")
}

/// `patch age 12 days: ami-0abc is not on every host`
fn patch(group: &GroupStatus) -> Option<String> {
    let newest = group.newest.as_ref()?;
    let rejected = if group.rejected.contains(&newest.id) { ", and is rejected here" } else { "" };
    let age = group.patch_age_seconds.map_or_else(
        || "not known".to_owned(),
        |age| match age / 86_400 {
            0 => about(SignedDuration::from_secs(age)),
            1 => "1 day".to_owned(),
            days => format!("{days} days"),
        },
    );
    Some(format!("patch age {age}: {} is not on every host{rejected}", newest.id))
}

fn images(group: &GroupStatus) -> String {
    if let Some(reason) = &group.reason {
        return match group.status {
            Status::LeftAlone => format!("left alone: {reason}"),
            Status::Behind => format!("behind: {reason}"),
            Status::Unresolved | Status::UpToDate | Status::Due => format!("not known: {reason}"),
        };
    }
    let launch = |launch: &LaunchForecast| {
        if launch.in_use.id == launch.release.id {
            launch.release.id.to_string()
        } else {
            format!("{} → {}", launch.in_use.id, launch.release.id)
        }
    };
    let mut images: Vec<String> = group.launches.iter().map(launch).collect();
    images.dedup();
    images.join(", ")
}

/// Nobody needs the seconds of an hour.
fn about(duration: SignedDuration) -> String {
    let seconds = duration.as_secs();
    let rounded = if seconds >= 600 { seconds - seconds % 60 } else { seconds };
    in_words(SignedDuration::from_secs(rounded))
}
