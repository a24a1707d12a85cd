//! The first host of each group on the new image: the others wait until it has served for a while, the bake.
//!
//! Read off the timeline, as a worker reads it off AWS: no worker says when a bake begins.

use std::collections::{BTreeMap, BTreeSet};

use jiff::SignedDuration;

use super::fleet::Fleet;
use super::ink::{Line, Phase, short, stamp};
use super::scene::MOST_LISTED;
use crate::id::{GroupName, InstanceId};
use crate::plan::policy::Policy;
use crate::plan::timing::in_words;

/// Longer than any boot here.
const LATE: SignedDuration = SignedDuration::from_mins(3);

pub struct Canaries {
    bake: SignedDuration,
    patience: SignedDuration,
    /// How many groups there are, and those of which it is told.
    groups: usize,
    told: BTreeSet<GroupName>,
    canaries: BTreeMap<GroupName, Canary>,
}

enum Canary {
    /// Launched at this time, and not told to be late.
    Expected(InstanceId, SignedDuration),
    Late(InstanceId),
    Bakes(InstanceId, SignedDuration),
    Proven,
}

impl Canaries {
    pub fn new(policy: &Policy, groups: usize) -> Self {
        let (told, canaries) = (BTreeSet::new(), BTreeMap::new());
        Self { bake: policy.bake, patience: policy.replacement_timeout, groups, told, canaries }
    }

    pub fn launched(&mut self, at: SignedDuration, host: &InstanceId, group: &GroupName, fleet: &Fleet) {
        if fleet.is_new(host) && fleet.has_followers(group) {
            self.canaries.entry(group.clone()).or_insert_with(|| Canary::Expected(host.clone(), at));
        }
    }

    pub fn registered(
        &mut self,
        at: SignedDuration,
        host: &InstanceId,
        group: &GroupName,
        fleet: &Fleet,
        lines: &mut Vec<Line>,
    ) {
        self.begins(at, at + self.bake, (host, group), fleet, lines);
    }

    fn begins(
        &mut self,
        at: SignedDuration,
        until: SignedDuration,
        (host, group): (&InstanceId, &GroupName),
        fleet: &Fleet,
        lines: &mut Vec<Line>,
    ) {
        let bakes = matches!(self.canaries.get(group), Some(Canary::Bakes(..) | Canary::Proven));
        if bakes || !fleet.is_new(host) {
            return;
        }
        if until <= at || !fleet.has_followers(group) {
            self.canaries.insert(group.clone(), Canary::Proven);
            return;
        }
        self.canaries.insert(group.clone(), Canary::Bakes(host.clone(), until));
        let (bake, until) = (in_words(self.bake), stamp(until));
        self.tell(at, group, format!("canary {} bakes {bake} (until {until}), the others wait", short(host)), lines);
    }

    /// The worker has taken a host of the group.
    pub fn taken(&mut self, at: SignedDuration, group: &GroupName, lines: &mut Vec<Line>) {
        let Some(Canary::Bakes(host, until)) = self.canaries.get(group) else { return };
        if at < *until {
            return;
        }
        let text = format!("canary {} has served for {}: the others follow", short(host), in_words(self.bake));
        self.canaries.insert(group.clone(), Canary::Proven);
        if self.told.contains(group) {
            lines.push(Line::told(at, group.as_str(), Phase::Canary, text));
        }
    }

    /// The next one that serves takes its place.
    pub fn lost(
        &mut self,
        at: SignedDuration,
        host: &InstanceId,
        group: &GroupName,
        fleet: &Fleet,
        lines: &mut Vec<Line>,
    ) {
        let of = match self.canaries.get(group) {
            Some(Canary::Expected(of, _) | Canary::Late(of) | Canary::Bakes(of, _)) => of,
            Some(Canary::Proven) | None => return,
        };
        if of != host {
            return;
        }
        self.canaries.remove(group);
        if let Some((next, registered)) = fleet.first_new(group) {
            self.begins(at, registered + self.bake, (next, group), fleet, lines);
        }
    }

    /// Who is late by now.
    pub fn before(&mut self, at: SignedDuration, lines: &mut Vec<Line>) {
        let late = |(group, canary): (&GroupName, &Canary)| match canary {
            Canary::Expected(host, since) if *since + LATE <= at => Some((*since + LATE, group.clone(), host.clone())),
            Canary::Expected(..) | Canary::Late(_) | Canary::Bakes(..) | Canary::Proven => None,
        };
        let mut late: Vec<_> = self.canaries.iter().filter_map(late).collect();
        late.sort();
        for (at, group, host) in late {
            let (late, patience) = (in_words(LATE), in_words(self.patience));
            let text = format!(
                "canary {} has not registered after {late}; the worker gives it {patience}, the others wait",
                short(&host)
            );
            self.canaries.insert(group.clone(), Canary::Late(host));
            self.tell(at, &group, text, lines);
        }
    }

    /// Of many groups the first few, and then that there are more.
    fn tell(&mut self, at: SignedDuration, group: &GroupName, text: String, lines: &mut Vec<Line>) {
        let all = self.groups <= MOST_LISTED;
        if all || self.told.contains(group) || self.told.len() + 1 < MOST_LISTED {
            self.told.insert(group.clone());
            lines.push(Line::told(at, group.as_str(), Phase::Canary, text));
        } else if self.told.len() + 1 == MOST_LISTED {
            self.told.insert(GroupName::from(""));
            let text = format!("and so the canaries of the other {} groups", self.groups + 1 - MOST_LISTED);
            lines.push(Line::told(at, "", Phase::Canary, text));
        }
    }
}
