//! What a rotation would do if it were opened now: the same functions as the worker's, on the same view, and nothing done.

mod figures;
mod found;
mod tenants;

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};

use super::admission::order;
use super::conflicts::resolutions;
use super::host::{Phase, is_in_flight, memberships};
use super::model::{ClusterView, GroupView, Host, Seen};
use super::output::Plan;
use super::policy::{DrainWhen, Policy};
use super::release::{Launching, Release, Resolution, Way};
use super::rotation::{Rotation, RotationId, RotationState};
use super::{notes, plan};
use crate::effect::VersionRule;
use crate::id::{AmiId, GroupName, InstanceId};
pub use figures::{Assumptions, Forecast, GroupForecast, ImageForecast, LaunchForecast, Status, Stuck};
pub use found::found;

/// So often everything is looked at in the middle of a rotation: what hardly ever changes in it too (its providers, what the
/// parameters and templates say), and what no event tells of.
pub const SWEEPS_PER_WHOLE_LOOK: u8 = 6;

/// What is said of a cluster without groups.
pub const NO_GROUP: &str =
    "no Auto Scaling group belongs to it: none of its capacity providers names one (or say --group-of CLUSTER=GROUP)";

/// The same cluster with an open rotation: the one that is under way, or one over all its groups.
pub fn as_if_open(view: &ClusterView, now: Timestamp) -> ClusterView {
    let under_way = view.rotation.as_ref().is_some_and(|rotation| rotation.state != RotationState::Closed);
    let id = RotationId::new(&view.arn.name(), now);
    let rotation = Some(Rotation { id, state: RotationState::Open, since: now });
    let mut open = ClusterView { rotation, hold: None, ..view.clone() };
    if !under_way {
        open.scope = BTreeSet::new();
        open.rotate_before = None;
    }
    open
}

/// `looked_in`: the calls that a look at everything takes.
pub fn forecast(
    view: &ClusterView,
    policy: &Policy,
    assumptions: &Assumptions,
    looked_in: u64,
    now: Timestamp,
) -> Forecast {
    let open = as_if_open(view, now);
    let plan = plan(&open, policy, now);
    let resolutions = resolutions(&open, now);
    let teller = Teller { view: &open, plan: &plan, policy, resolutions: &resolutions, assumptions, now };
    let groups: Vec<GroupForecast> = open.groups.iter().map(|(name, group)| teller.group(name, group)).collect();
    let going: BTreeSet<&InstanceId> = groups.iter().flat_map(|group| &group.order).collect();
    let due = going.len();
    let in_flight = plan.phases.values().filter(|phase| is_in_flight(**phase)).count();
    let takes = teller.takes(&groups, policy, due);
    let calls = calls(&groups, due, in_flight, looked_in, takes);
    let digest = found::digest(&open, &groups);
    let (region, account) = view.arn.place().unwrap_or_default();
    Forecast {
        cluster: view.arn.name(),
        account: account.to_owned(),
        region: region.to_owned(),
        enabled: view.enabled,
        rotation: view
            .rotation
            .as_ref()
            .zip(view.standing())
            .map(|(rotation, standing)| format!("{} {} {:.0}", rotation.id, standing.word(), rotation.since)),
        hold: view.hold.as_ref().map(|hold| hold.in_words()),
        absent: view.absent().cloned().collect(),
        of_no_group: teller.of_no_group(),
        stuck: tenants::stuck(&open, &going),
        notes: tenants::notes(&open, &going),
        unread: view.tenants.unread.clone(),
        without_effect: notes::of_cluster(view, policy, now),
        groups,
        due,
        in_flight,
        takes_seconds: takes.as_secs(),
        calls,
        digest,
    }
}

/// Counted in simulated rotations (`benches/rotations.rs`, `tests/plan.rs`). A look at everything opens and closes a rotation,
/// and every sixth sweep is one; beside that, what hosts take on their way. The deregistration and the list of its tasks are
/// each host's own; the rest (tag, a second look, detach, mark, drain, terminate, and the looks before them) is shared by those that come to
/// the same point in the same second. Where drains are not alike, about two do; of many, more.
fn calls(groups: &[GroupForecast], due: usize, in_flight: usize, looked_in: u64, takes: SignedDuration) -> u64 {
    const OWN: u64 = 2;
    const SHARED: u64 = 20;
    const MOST_PASSES: u32 = 60;
    const SWEEP: u64 = 5;
    const SWEEP_MINUTES: u64 = 5;
    let hosts = due + in_flight;
    if hosts == 0 {
        return 0;
    }
    let passes = |group: &GroupForecast| {
        waves(group.order.len(), group.at_a_time) * u64::from(group.at_a_time.div_ceil(2).min(MOST_PASSES))
    };
    let passes = groups.iter().map(passes).sum::<u64>() + in_flight as u64;
    let sweeps = u64::try_from(takes.as_mins()).unwrap_or(0) / SWEEP_MINUTES;
    let whole = sweeps / u64::from(SWEEPS_PER_WHOLE_LOOK);
    OWN * hosts as u64 + SHARED * passes + SWEEP * (sweeps - whole) + looked_in * (2 + whole)
}

/// The canary alone; then so many at a time.
fn waves(due: usize, at_a_time: u32) -> u64 {
    let others = due.saturating_sub(1) as u64;
    u64::from(due > 0) + others.div_ceil(u64::from(at_a_time.max(1)))
}

struct Teller<'a> {
    view: &'a ClusterView,
    plan: &'a Plan,
    policy: &'a Policy,
    resolutions: &'a BTreeMap<&'a GroupName, Resolution<'a>>,
    assumptions: &'a Assumptions,
    now: Timestamp,
}

impl Teller<'_> {
    fn group(&self, name: &GroupName, group: &GroupView) -> GroupForecast {
        let members = group.facts.members.iter().filter_map(|member| self.view.hosts.get_key_value(&member.id));
        let due = |id: &InstanceId| self.view.in_scope(name) && self.plan.phases.get(id) == Some(&Phase::Outdated);
        let order = order(self.view, members.filter(|(id, _)| due(id)));
        let release = match self.resolutions.get(name) {
            Some(Resolution::Resolved(release)) => Some(release),
            Some(Resolution::Unresolved { .. } | Resolution::Lacks(_)) | None => None,
        };
        let (status, reason) = self.status(name, group, release, &order);
        let windows = release.is_some_and(Release::windows);
        let at_a_time = group.policy.max_in_flight.hosts(group.size());
        GroupForecast {
            group: name.clone(),
            desired: group.facts.desired,
            status,
            reason,
            launches: release
                .map_or_else(Vec::new, |release| release.launches.iter().map(|of| self.launch(of)).collect()),
            hosts: hosts_of(self.view, self.plan, name).into_iter().map(|(phase, ids)| (phase, ids.len())).collect(),
            writes: release
                .filter(|_| status == Status::Due)
                .map_or_else(Vec::new, |release| release.launches.iter().filter_map(writes).collect()),
            stuck: self.stuck(name, group, &order),
            without_effect: notes::of_group(group, self.policy, self.now),
            at_a_time,
            takes_seconds: self.waves(order.len(), at_a_time, windows, &group.policy).as_secs(),
            order,
        }
    }

    fn status(
        &self,
        name: &GroupName,
        group: &GroupView,
        release: Option<&Release<'_>>,
        order: &[InstanceId],
    ) -> (Status, Option<String>) {
        if !self.view.opted_in {
            return (
                Status::LeftAlone,
                Some("the cluster has opted out: its tag `enabled` does not say `true`".to_owned()),
            );
        }
        if !self.view.in_scope(name) {
            return (Status::LeftAlone, Some("the rotation under way is not about it".to_owned()));
        }
        if group.facts.managed {
            return (Status::LeftAlone, Some("it is managed by AWS (an Operator is set)".to_owned()));
        }
        if let Some(why) = &group.opt_out_unread {
            return (Status::Unresolved, Some(why.clone()));
        }
        if group.opted_out {
            return (Status::LeftAlone, Some("it has opted out, or no longer belongs to the cluster".to_owned()));
        }
        if let Some(why) = self.plan.unresolved.get(name) {
            return (Status::Unresolved, Some(why.clone()));
        }
        match release {
            None => (Status::Unresolved, Some("its release could not be looked up".to_owned())),
            Some(release) if order.is_empty() && release.is_in_use() => match release.refused_for_good() {
                Some(why) => (Status::Behind, Some(why.to_owned())),
                None => (Status::UpToDate, None),
            },
            Some(_) => (Status::Due, None),
        }
    }

    fn launch(&self, launch: &Launching<'_>) -> LaunchForecast {
        LaunchForecast {
            template: launch.spec.map(|spec| spec.template.clone()),
            rule: match &launch.way {
                Way::Version { spec, in_use } => match spec.rule {
                    VersionRule::Number(number) => format!("{number} (pinned)"),
                    VersionRule::Default | VersionRule::Latest => format!("{} ({})", spec.rule, in_use.number),
                },
                Way::Override { .. } => "override".to_owned(),
                Way::Follows { .. } | Way::Parameter { .. } => {
                    launch.spec.map_or_else(String::new, |spec| format!("{}, by parameter", spec.rule))
                }
            },
            in_use: image_of(self.view, &launch.in_use, self.now),
            release: image_of(self.view, &launch.image, self.now),
            from: launch.origin.to_string(),
            refused: launch.refused.clone(),
        }
    }

    fn stuck(&self, name: &GroupName, group: &GroupView, order: &[InstanceId]) -> Vec<String> {
        let mut stuck: Vec<String> = self.plan.not_now.get(name).cloned().into_iter().collect();
        if order.is_empty() {
            return stuck;
        }
        if group.launches_suspended() {
            stuck.push("launches are suspended: no replacement would come".to_owned());
        }
        let (desired, max) = (group.facts.desired, group.facts.max);
        if desired > max {
            stuck.push(format!(
                "its desired capacity ({desired}) is above its maximum ({max}): no replacement would come"
            ));
        }
        let strength = group.strength(&self.view.hosts, self.now);
        if strength.ready < desired && group.policy.drain == DrainWhen::AfterReplacement {
            let counted = if group.facts.launch.least_weight().is_some() { "units of capacity" } else { "members" };
            stuck.push(format!(
                "{} of {desired} {counted} are registered here, ACTIVE and connected: nobody goes before all are",
                strength.ready
            ));
        }
        if let Some(problem) = self.plan.blocked.get(name).filter(|_| stuck.is_empty()) {
            stuck.push(problem.clone());
        }
        stuck
    }

    fn of_no_group(&self) -> Vec<InstanceId> {
        let memberships = memberships(self.view);
        let foreign = self.plan.phases.iter().filter(|(_, phase)| matches!(phase, Phase::Foreign | Phase::SetAside));
        let of_none = foreign.filter(|(id, _)| !memberships.contains_key(*id));
        let registered = |id: &InstanceId| self.view.hosts.get(id).is_some_and(|host| host.container.here().is_some());
        of_none.map(|(id, _)| id.clone()).filter(registered).collect()
    }

    /// The canary alone until it has baked; then so many at a time, each a replacement and a drain long.
    fn waves(&self, due: usize, at_a_time: u32, windows: bool, policy: &Policy) -> SignedDuration {
        let Assumptions { replacement, replacement_windows, drain } = *self.assumptions;
        let replacement = if windows { replacement_windows } else { replacement };
        let Some(waves) = waves(due, at_a_time).checked_sub(1) else { return SignedDuration::ZERO };
        let first = replacement + if waves == 0 { drain } else { drain.max(policy.bake) };
        first + (replacement + drain.max(policy.settle)) * i32::try_from(waves).unwrap_or(i32::MAX)
    }

    /// Groups go side by side, as far as the cluster's own limit lets them.
    fn takes(&self, groups: &[GroupForecast], policy: &Policy, due: usize) -> SignedDuration {
        let longest = groups.iter().map(|group| group.takes_seconds).max().unwrap_or(0);
        let windows = self.resolutions.values().any(|resolution| match resolution {
            Resolution::Resolved(release) => release.windows(),
            Resolution::Unresolved { .. } | Resolution::Lacks(_) => false,
        });
        let together = policy.max_in_flight_cluster.map(|most| self.waves(due, most, windows, policy).as_secs());
        SignedDuration::from_secs(longest.max(together.unwrap_or(0)))
    }
}

/// An image with what is known of it.
pub(super) fn image_of(view: &ClusterView, id: &AmiId, now: Timestamp) -> ImageForecast {
    let image = view.images.get(id).and_then(Seen::here);
    let age = image.and_then(|image| image.created).map(|created| now.duration_since(created).as_hours() / 24);
    ImageForecast { id: id.clone(), name: image.map(|image| image.name.clone()), age_days: age }
}

/// The members of a group, and those that have left it for a replacement; whoever has gone is not told of.
pub(super) fn hosts_of<'a>(
    view: &'a ClusterView,
    plan: &'a Plan,
    name: &GroupName,
) -> BTreeMap<Phase, BTreeSet<&'a InstanceId>> {
    let group = view.groups.get(name).into_iter();
    let members: BTreeSet<&InstanceId> =
        group.flat_map(|group| &group.facts.members).map(|member| &member.id).collect();
    let left = |host: &Host| host.ours.as_ref().is_some_and(|ours| ours.group == *name);
    let mut hosts: BTreeMap<Phase, BTreeSet<&InstanceId>> = BTreeMap::new();
    for (id, phase) in plan.phases.iter().filter(|(_, phase)| **phase != Phase::Gone) {
        if members.contains(id) || view.hosts.get(id).is_some_and(left) {
            hosts.entry(*phase).or_default().insert(id);
        }
    }
    hosts
}

/// What would be written for a launch before its first host goes.
fn writes(launch: &Launching<'_>) -> Option<String> {
    if launch.is_in_use() {
        return None;
    }
    let image = &launch.image;
    Some(match &launch.way {
        Way::Version { spec, in_use } => {
            let made = format!("a version of {} like {} with {image}", spec.template, in_use.number);
            match spec.rule {
                VersionRule::Default => format!("{made}, as its default"),
                VersionRule::Latest => made,
                VersionRule::Number(_) => format!("{made}, and the group's pin on it"),
            }
        }
        Way::Override { .. } => format!("{image} in the group's override"),
        Way::Parameter { parameter, .. } => format!("{image} in the parameter {parameter}"),
        Way::Follows { .. } => return None,
    })
}
