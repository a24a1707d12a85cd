//! The checks at a close and at the end of a run.

use std::collections::BTreeSet;

use crate::effect::{ContainerInstanceStatus, InstanceState, Lifecycle, TemplateSpec, VersionRule};
use jiff::{SignedDuration, Timestamp};

use crate::id::{AmiId, ClusterArn, GroupName};
use crate::plan::outcome::read_skipped;
use crate::plan::tag_text::word;
use crate::sim::world::{Host, HostNo, World};

/// A release that no event tells of is found by the schedule.
const HOURLY: SignedDuration = SignedDuration::from_hours(1);

impl World {
    /// Promise 7: what a rotation leaves behind when it says that it is closed.
    ///
    /// A release that came within the grace may be unknown to the worker, and so is a host that others changed: members whose
    /// image was the release then are good, and those that a person has set aside are left alone.
    pub(super) fn check_close(&mut self, cluster: &ClusterArn) {
        let scope = self.cluster_tag(cluster, "groups").unwrap_or_default();
        let scope: BTreeSet<GroupName> = scope.split_whitespace().map(GroupName::from).collect();
        let skipped = self.skipped(cluster);
        let skipped: BTreeSet<String> = read_skipped(&skipped).into_iter().map(|skipped| skipped.group).collect();
        let is_told = |group: &GroupName| skipped.contains(&word(group.as_str()));
        for (no, image) in self.outdated_since(self.now() - self.grace(), Some(cluster)) {
            let of = self.account.host(no).map(|host| &host.origin);
            if of.is_some_and(|group| (scope.is_empty() || scope.contains(group)) && !is_told(group)) {
                self.violated(7, format!("closed, but {} is outdated ({image})", no.instance()));
            }
        }
        // A group whose release cannot be known is not plainly closed.
        let beyond: Vec<&GroupName> = self.ledger.beyond_workers.iter().collect();
        let untold = beyond.into_iter().filter(|group| {
            let here = self.home_of(group) == *cluster && self.group_opted_in(group);
            here && (scope.is_empty() || scope.contains(*group)) && !is_told(group)
        });
        let untold: Vec<GroupName> = untold.cloned().collect();
        for group in untold {
            self.violated(7, format!("closed plainly, and {group} was left out"));
        }
    }

    /// ACTIVE members of opted-in groups that are not on the release as it is now.
    pub fn outdated(&self) -> Vec<(HostNo, AmiId)> {
        self.outdated_since(self.now(), None)
    }

    /// Those that have been outdated since then; of all clusters, or of one of several.
    fn outdated_since(&self, since: Timestamp, cluster: Option<&ClusterArn>) -> Vec<(HostNo, AmiId)> {
        let one_of_several = cluster.filter(|_| self.homes().len() > 1);
        let groups = self.account.by_group.keys().filter(|group| {
            one_of_several.is_none_or(|cluster| self.home_of(group) == *cluster)
                && self.group_opted_in(group)
                && !self.ledger.beyond_workers.contains(*group)
                && !self.is_barred(group)
        });
        let mut outdated: Vec<(HostNo, AmiId)> = groups.flat_map(|group| self.outdated_of(group, since)).collect();
        outdated.sort_unstable();
        outdated
    }

    /// Can no worker bring it to its release as things are? A new version would move a group that takes no part, or its template
    /// reads a parameter that names an image which it has rejected.
    fn is_barred(&self, name: &GroupName) -> bool {
        let Some(group) = self.account.groups.get(name) else { return false };
        let reads_parameter = self.account.reads_parameter(group);
        if reads_parameter && self.account.images_to_launch(group).iter().any(|image| self.rejects(name, image)) {
            return true;
        }
        let moves = |spec: &TemplateSpec, other: &TemplateSpec| {
            let follows = match other.rule {
                VersionRule::Latest => true,
                VersionRule::Default => spec.rule == VersionRule::Default,
                VersionRule::Number(_) => false,
            };
            spec.template == other.template && follows
        };
        let ours = group.launch.templates();
        self.account.groups.iter().filter(|(other, _)| !self.group_opted_in(other)).any(|(_, other)| {
            let theirs = other.launch.templates();
            !reads_parameter && ours.iter().any(|spec| theirs.iter().any(|other| moves(spec, other)))
        })
    }

    fn outdated_of(&self, group: &GroupName, since: Timestamp) -> Vec<(HostNo, AmiId)> {
        let recent = self.recent_releases(group, since);
        let outdated = |no: HostNo, host: &Host| {
            let counts = host.is_up()
                && host.member == Some(Lifecycle::InService)
                && host
                    .agent
                    .is_some_and(|agent| agent.status == ContainerInstanceStatus::Active && agent.registered <= since);
            let good = recent.iter().any(|images| images.contains(&host.image));
            let forced = || self.rotate_before(&host.cluster).is_some_and(|before| host.launched < before);
            (counts && (!good || forced())).then(|| (no, host.image.clone()))
        };
        self.account.hosts_of(group).filter_map(|(no, host)| outdated(no, host)).collect()
    }

    /// No rotation was ever opened, and by now the schedule would have found a reason: a template that reads a parameter
    /// brings its group to the release when its hosts die, without a worker.
    pub fn needs_no_rotation(&self) -> bool {
        let long_ago = self.ledger.released.is_some_and(|released| released + HOURLY + self.grace() < self.now());
        let never_opened = |home: &ClusterArn| self.rotation_tag(home).1.is_empty();
        long_ago && self.homes().iter().all(never_opened) && self.outdated().is_empty()
    }

    /// Promises 4 and 7, when the run is over.
    pub fn check_end(&mut self) {
        for cluster in self.homes().clone() {
            self.check_end_of(&cluster);
        }
        for what in self.orphans() {
            self.violated(4, what);
        }
    }

    fn check_end_of(&mut self, cluster: &ClusterArn) {
        let (_, state) = self.rotation_tag(cluster);
        let ended = matches!(state.as_str(), "closed" | "held") || self.needs_no_rotation();
        if self.ledger.released.is_some() && !ended {
            let state = if state.is_empty() { "was never opened".to_owned() } else { format!("is still {state}") };
            self.violated(7, format!("the rotation {state}"));
        }
        if state == "closed" {
            for (no, image) in self.outdated_since(self.now() - HOURLY - self.grace(), Some(cluster)) {
                self.violated(7, format!("nobody goes on to rotate {}, which is outdated ({image})", no.instance()));
            }
        }
        if state == "held" && self.hold_reason(cluster).is_none() {
            self.violated(7, "held without a reason".to_owned());
        }
    }

    /// The hosts that workers detached, which are still there and stand in no hold; each in words.
    pub fn orphans(&self) -> Vec<String> {
        self.ledger.detached.iter().filter_map(|no| self.orphan(*no)).collect()
    }

    fn orphan(&self, no: HostNo) -> Option<String> {
        let host = self.account.host(no)?;
        let gone = matches!(host.state, InstanceState::ShuttingDown | InstanceState::Terminated);
        let member = host.member.is_some_and(Lifecycle::fills_a_place);
        if gone || member {
            return None;
        }
        let cluster = self.home_of(&host.origin);
        let reason = self.hold_reason(&cluster).filter(|_| self.rotation_tag(&cluster).1 == "held");
        if reason.is_some_and(|reason| reason.contains(no.instance().as_str())) {
            return None;
        }
        let status = host.status().map_or("not registered".to_owned(), |status| format!("{status:?}"));
        Some(format!("{} was detached and is still there ({status}), and no hold names it", no.instance()))
    }

    /// Which cluster the hosts of a group register in; the one it was made for, if it is one of several.
    pub(super) fn cluster_of(&self, group: &GroupName) -> ClusterArn {
        let of: BTreeSet<&ClusterArn> = self.account.hosts_of(group).map(|(_, host)| &host.cluster).collect();
        let ours = self.home_of(group);
        if of.contains(&ours) { ours } else { of.first().map_or(ours, |cluster| (*cluster).clone()) }
    }
}
