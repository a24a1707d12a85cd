//! How the ledger is kept.

use std::collections::{BTreeMap, BTreeSet};

use crate::effect::{ContainerInstanceStatus, DesiredStatus, Request};
use crate::id::{ClusterArn, GroupName};
use crate::sim::timeline::{By, Happening};
use crate::sim::world::{Host, HostNo, World};

impl World {
    pub(in crate::sim) fn ledger_shut_down(&mut self, no: HostNo, host: &Host, by: By) {
        let left = self.account.tasks_on(no).filter(|(_, task)| !task.is_over()).count();
        let left = u64::try_from(left).unwrap_or(u64::MAX);
        match by {
            By::Worker => {
                self.ledger.tasks_interrupted += left;
                // What a group ends at a worker's word, so that another goes back, was never taken.
                self.ledger.rotated += u64::from(self.is_ours(no));
            }
            By::Person | By::Group | By::Itself => {
                self.ledger.tasks_lost_by_others += left;
                if self.serves(no, host) {
                    self.ledger.losses.push((self.now(), no));
                }
            }
        }
    }

    /// Lost to a person who takes it out of its group.
    pub(in crate::sim) fn ledger_detached_by_person(&mut self, no: HostNo) {
        let now = self.now();
        if self.account.host(no).is_some_and(|host| self.serves(no, host)) {
            self.ledger.losses.push((now, no));
        }
    }

    pub(in crate::sim) fn ledger_set_aside(&mut self, no: HostNo) {
        let now = self.now();
        let Some(host) = self.account.host(no) else { return };
        if self.serves(no, host) {
            self.ledger.losses.push((now, no));
        }
        if !self.is_ours(no) {
            self.ledger.set_aside.insert(no, now);
        }
    }

    /// The groups that have opted in, of a cluster that has.
    pub(in crate::sim) fn taking_part(&self) -> BTreeSet<GroupName> {
        self.account.groups.keys().filter(|group| self.group_opted_in(group)).cloned().collect()
    }

    /// Others have changed groups or clusters: who took part before, and does no longer?
    pub(in crate::sim) fn ledger_taking_part(&mut self, before: BTreeSet<GroupName>) {
        let (now, after) = (self.now(), self.taking_part());
        self.ledger.left.retain(|group, _| !after.contains(group));
        self.ledger.left.extend(before.difference(&after).map(|group| (group.clone(), now)));
    }

    /// After a cluster's tags were written: what does its rotation say now?
    pub(in crate::sim) fn note_rotation(&mut self, cluster: &ClusterArn, before: &BTreeMap<String, String>) {
        let (id, state) = self.rotation_tag(cluster);
        let key = format!("{}rotation", self.scenario.settings.tag_prefix);
        let said = before.get(&key).map(|text| split_rotation(text));
        if said.as_ref() != Some(&(id.clone(), state.clone())) {
            let cluster = cluster.clone();
            (self.ledger.closed, self.ledger.held) = (None, None);
            self.ledger.ended.remove(&cluster);
            match state.as_str() {
                "open" => self.note(Happening::RotationOpened { cluster, id }),
                "paused" => self.note(Happening::RotationPaused { cluster, id }),
                "held" => {
                    self.ledger_ended(&cluster, true);
                    self.note(Happening::RotationHeld { cluster, id });
                }
                "closed" => {
                    self.ledger_ended(&cluster, false);
                    self.check_close(&cluster);
                    self.note(Happening::RotationClosed { cluster, id });
                }
                _ => {}
            }
        }
        let said = |name: &str| before.get(&format!("{}{name}", self.scenario.settings.tag_prefix)).cloned();
        let before = both(said("hold"), said("hold-more"));
        if let Some(reason) = self.hold_reason(cluster).filter(|reason| before.as_ref() != Some(reason)) {
            self.note(Happening::HoldExplained { cluster: cluster.clone(), reason });
        }
    }

    fn ledger_ended(&mut self, cluster: &ClusterArn, held: bool) {
        let now = self.now();
        self.ledger.ended.insert(cluster.clone(), held);
        if self.homes().iter().any(|home| home != cluster && !self.ledger.ended.contains_key(home)) {
            return;
        }
        // A stranger that has opted in meanwhile speaks for itself only.
        let held = held || self.homes().iter().any(|home| self.ledger.ended.get(home) == Some(&true));
        *if held { &mut self.ledger.held } else { &mut self.ledger.closed } = Some(now);
    }

    /// `(id, state)` as the cluster's tag says; empty where there is none.
    pub fn rotation_tag(&self, cluster: &ClusterArn) -> (String, String) {
        split_rotation(&self.cluster_tag(cluster, "rotation").unwrap_or_default())
    }

    pub fn hold_reason(&self, cluster: &ClusterArn) -> Option<String> {
        both(self.cluster_tag(cluster, "hold"), self.cluster_tag(cluster, "hold-more"))
    }

    /// What the rotation left out when it closed, as the tag says it; empty: nothing.
    pub fn skipped(&self, cluster: &ClusterArn) -> String {
        self.cluster_tag(cluster, "skipped").unwrap_or_default()
    }

    /// The value of one of our tags, by its key without the prefix.
    pub fn cluster_tag(&self, cluster: &ClusterArn, key: &str) -> Option<String> {
        let key = format!("{}{key}", self.scenario.settings.tag_prefix);
        self.account.clusters.get(cluster)?.tags.get(&key).filter(|value| !value.is_empty()).cloned()
    }

    /// Carries our tag.
    pub(super) fn is_ours(&self, no: HostNo) -> bool {
        self.host_tag(no, "rotation").is_some()
    }

    pub(super) fn host_tag(&self, no: HostNo, key: &str) -> Option<String> {
        let key = format!("{}{key}", self.scenario.settings.tag_prefix);
        self.account.host(no)?.tags.get(&key).filter(|value| !value.is_empty()).cloned()
    }

    /// An ACTIVE host that runs and is a member of its group, or was detached from it by a worker.
    pub(super) fn serves(&self, no: HostNo, host: &Host) -> bool {
        let belongs = host.member.is_some() || self.ledger.detached.contains(&no);
        host.is_up() && belongs && host.status() == Some(ContainerInstanceStatus::Active)
    }

    /// How many; where they are weighted, their weights.
    pub(super) fn serving(&self, group: &GroupName) -> u32 {
        let hosts = self.account.hosts_of(group);
        hosts.filter(|(no, host)| self.serves(*no, host)).map(|(_, host)| host.counts()).sum()
    }

    /// Of all the groups whose hosts are in a cluster in which this request names one.
    pub(super) fn serving_beside(&self, request: &Request) -> BTreeMap<GroupName, u32> {
        let named = super::checks::named(request);
        let clusters: BTreeSet<&ClusterArn> =
            named.into_iter().filter_map(|no| self.account.host(no)).map(|host| &host.cluster).collect();
        let hosts = clusters.into_iter().flat_map(|cluster| self.account.hosts_in(cluster));
        let groups: BTreeSet<&GroupName> = hosts.map(|(_, host)| &host.origin).collect();
        let groups = groups.into_iter().filter(|group| self.account.groups.contains_key(*group));
        groups.map(|group| (group.clone(), self.serving(group))).collect()
    }

    /// Tasks of a service that are wanted and run, for the end of a run.
    pub fn running_tasks(&self, service: usize) -> usize {
        let tasks = self.account.tasks.values();
        let of_it = tasks.filter(|task| task.owner == crate::sim::world::Owner::Service(service));
        of_it
            .filter(|task| task.desired == DesiredStatus::Running && task.last == crate::effect::TaskStatus::Running)
            .count()
    }
}

fn split_rotation(text: &str) -> (String, String) {
    let mut words = text.split_whitespace();
    (words.next().unwrap_or_default().to_owned(), words.next().unwrap_or_default().to_owned())
}

/// A hold has two tags.
fn both(hold: Option<String>, more: Option<String>) -> Option<String> {
    let hold = hold.filter(|text| !text.is_empty())?;
    Some(format!("{hold} {}", more.unwrap_or_default()).trim_end().to_owned())
}
