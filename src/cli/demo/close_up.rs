//! Every host of a small fleet: it leaves, it drains once its group is whole, it is gone.
//!
//! Hosts of a group that take the same step within moments share a line, and every few hosts the bar of the whole fleet is
//! shown.

use std::collections::BTreeMap;

use jiff::SignedDuration;

use super::fleet::Fleet;
use super::ink::{Line, Phase, count, duration, some};
use super::story::{Narrator, Step};
use crate::id::{GroupName, InstanceId};

/// What happens within this time is one thing to a person.
const AT_ONCE: SignedDuration = SignedDuration::from_secs(10);
/// About as many bars as are shown in all, and the fewest hosts that are worth one.
const BARS: usize = 4;
const WORTH_A_BAR: usize = 3;

pub struct CloseUp {
    bar_every: usize,
    bar_at: usize,
    /// New hosts that nothing was said about yet, and how long it took since their launch.
    joined: BTreeMap<GroupName, Vec<(InstanceId, SignedDuration)>>,
    /// The last line of each group, which may grow until a bar is shown.
    last: BTreeMap<GroupName, Told>,
}

/// What one line tells.
struct Told {
    line: usize,
    at: SignedDuration,
    phase: Phase,
    hosts: Vec<InstanceId>,
    tasks: usize,
    /// The longest drain of these hosts.
    longest: SignedDuration,
    joined: Vec<(InstanceId, SignedDuration)>,
}

impl CloseUp {
    pub fn new(size: usize) -> Self {
        let bar_every = size.div_ceil(BARS).max(WORTH_A_BAR);
        Self { bar_every, bar_at: bar_every.min(size), joined: BTreeMap::new(), last: BTreeMap::new() }
    }

    fn tell(&mut self, group: &GroupName, told: Told, lines: &mut Vec<Line>) {
        let grows = |last: &&mut Told| last.phase == told.phase && told.at - last.at <= AT_ONCE;
        if let Some(last) = self.last.get_mut(group).filter(grows) {
            last.hosts.extend(told.hosts);
            last.joined.extend(told.joined);
            last.tasks += told.tasks;
            last.longest = last.longest.max(told.longest);
            lines[last.line].text = last.text();
            return;
        }
        lines.push(Line::told(told.at, group.as_str(), told.phase, told.text()));
        self.last.insert(group.clone(), told);
    }

    fn show_bar(&mut self, at: SignedDuration, fleet: &Fleet, lines: &mut Vec<Line>) {
        let replaced = fleet.replaced();
        if self.bar_at > fleet.size || replaced < self.bar_at.min(fleet.size) {
            return;
        }
        self.bar_at = if replaced < fleet.size { (replaced + self.bar_every).min(fleet.size) } else { usize::MAX };
        self.last.clear();
        let text = format!("{replaced}/{} replaced · {} in flight", fleet.size, fleet.in_flight());
        lines.push(Line::gauge(at, replaced, fleet.size, text));
    }
}

impl Narrator for CloseUp {
    fn step(&mut self, at: SignedDuration, step: &Step<'_>, fleet: &Fleet, lines: &mut Vec<Line>) {
        let line = lines.len();
        match *step {
            Step::Leaves { host, group } => self.tell(group, Told::new(line, at, Phase::Leaves, host), lines),
            Step::Joins { host, group, after } => {
                self.joined.entry(group.clone()).or_default().push((host.clone(), after));
            }
            Step::Drains { host, group, tasks } => {
                let joined = self.joined.remove(group).unwrap_or_default();
                self.tell(group, Told { tasks, joined, ..Told::new(line, at, Phase::Drains, host) }, lines);
            }
            Step::Gone { host, group } => {
                let (tasks, longest) = fleet.drain(host);
                self.tell(group, Told { tasks, longest, ..Told::new(line, at, Phase::Gone, host) }, lines);
                self.show_bar(at, fleet, lines);
            }
        }
    }

    fn before(&mut self, _: SignedDuration, _: &Fleet, _: &mut Vec<Line>) {}
}

impl Told {
    fn new(line: usize, at: SignedDuration, phase: Phase, host: &InstanceId) -> Self {
        let (hosts, longest) = (vec![host.clone()], SignedDuration::ZERO);
        Self { line, at, phase, hosts, tasks: 0, longest, joined: Vec::new() }
    }

    fn text(&self) -> String {
        let (hosts, s) = (some(&self.hosts), if self.hosts.len() == 1 { "s" } else { "" });
        match self.phase {
            Phase::Leaves if s.is_empty() => format!("{hosts} leave, the group launches others"),
            Phase::Leaves => format!("{hosts} leaves, the group launches another"),
            Phase::Drains => format!("{}{hosts} drain{s}: {} to move", self.arrivals(), count(self.tasks, "task")),
            Phase::Gone => {
                let (empty, after) = (if s.is_empty() { "are" } else { "is" }, duration(self.longest));
                format!("{hosts} {empty} empty after {after} and terminated: {} moved", count(self.tasks, "task"))
            }
            Phase::Plain
            | Phase::Title
            | Phase::Aside
            | Phase::Release
            | Phase::Canary
            | Phase::Progress
            | Phase::Trouble
            | Phase::Held
            | Phase::Closed => hosts,
        }
    }

    /// Who came in place of those that drain now.
    fn arrivals(&self) -> String {
        let Some(longest) = self.joined.iter().map(|(_, after)| *after).max() else { return String::new() };
        let hosts: Vec<_> = self.joined.iter().map(|(host, _)| host.clone()).collect();
        let s = if hosts.len() == 1 { "s" } else { "" };
        let hosts = if hosts.len() == 1 { some(&hosts) } else { count(hosts.len(), "host") };
        format!("{hosts} join{s} after {} · ", duration(longest))
    }
}
