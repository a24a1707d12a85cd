//! One host: in which phase it is, and what its next step is.
//!
//! The phase is derived, never stored. The rows are tried in the order of [`Phase`]; the first that fits is the phase.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde::Serialize;

use super::model::{ClusterView, GroupView, Host, Look, Seen};
use super::release::Resolution;
use super::timing::{EVENTS_LOST_FOR, READS_LAG, whole_second};
use crate::effect::{ContainerInstanceStatus, Lifecycle, Member};
use crate::id::{AmiId, GroupName, InstanceId};

/// Where a host is on its way. Ordered as the rows are tried.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, strum::Display, strum::EnumIter, strum::EnumString,
)]
#[serde(rename_all = "kebab-case")]
#[strum(serialize_all = "kebab-case")]
pub enum Phase {
    /// EC2 says shutting-down or terminated, or knows it no more.
    Gone,
    /// In a group that has begun to end it: a scale-in, managed draining, a failed health check.
    Ending,
    /// Ours, out of the group, deregistered; EC2 still runs.
    Retired,
    /// DRAINING, and not by us; or in Standby, and not on the release.
    SetAside,
    /// Ours, and on its way back to its group.
    Returning,
    /// Ours, out of the group, DRAINING, every task STOPPED.
    Drained,
    /// Ours, out of the group, DRAINING.
    Draining,
    /// Ours, out of the group, still ACTIVE.
    Replacing,
    /// Ours, still in the group.
    Leaving,
    /// In the group and in service, not on the release, or launched before `rotate-before`.
    Outdated,
    /// In the group, and the group's release is not known: so neither is whether it is current.
    Unknown,
    /// In the group, on what stands in for a newer image that failed here.
    Behind,
    /// In the group, on its release.
    Current,
    /// Of no group of this cluster, or not ours to touch.
    Foreign,
}

/// Which group each instance is a member of, as the groups say.
pub type Memberships<'a> = BTreeMap<&'a InstanceId, (&'a GroupName, &'a Member)>;

pub fn memberships(view: &ClusterView) -> Memberships<'_> {
    view.groups
        .iter()
        .flat_map(|(name, group)| group.facts.members.iter().map(move |member| (&member.id, (name, member))))
        .collect()
}

/// A member of a group beside what is known of it.
#[derive(Clone, Copy, Debug)]
pub struct MemberHost<'a> {
    pub member: &'a Member,
    /// `None`: nobody has heard of it yet.
    pub host: Option<&'a Host>,
    pub phase: Option<Phase>,
}

impl<'a> MemberHost<'a> {
    pub fn id(&self) -> &'a InstanceId {
        &self.member.id
    }

    pub fn is(&self, phase: Phase) -> bool {
        self.phase == Some(phase)
    }

    /// On what its group launches now, which need not be the newest image.
    pub fn is_in_place(&self) -> bool {
        matches!(self.phase, Some(Phase::Current | Phase::Behind))
    }

    pub fn known(&self) -> Option<(&'a InstanceId, &'a Host)> {
        Some((&self.member.id, self.host?))
    }
}

/// The members of each group beside their hosts, in the order of their names.
pub type MemberHosts<'a> = BTreeMap<&'a GroupName, Vec<MemberHost<'a>>>;

/// In which phase every host is, and the members of the groups beside their hosts. Each decision about a group goes through
/// all of its members: both lists are gone through side by side once, so that nobody has to look a member up.
pub fn phases<'a>(
    view: &'a ClusterView,
    resolutions: &BTreeMap<&GroupName, Resolution<'_>>,
    memberships: &Memberships<'a>,
    now: Timestamp,
) -> (BTreeMap<InstanceId, Phase>, MemberHosts<'a>) {
    let mut of_groups = MemberHosts::new();
    let mut members = memberships.iter().map(|(id, at)| (*id, *at)).peekable();
    let mut phases = Vec::with_capacity(view.hosts.len());
    for (id, host) in &view.hosts {
        while let Some((_, (group, member))) = members.next_if(|(of, _)| *of < id) {
            of_groups.entry(group).or_default().push(MemberHost { member, host: None, phase: None });
        }
        let member = members.next_if(|(of, _)| *of == id).map(|(_, at)| at);
        let release = member.and_then(|(group, _)| match resolutions.get(group) {
            Some(Resolution::Resolved(release)) => {
                Some(Target { images: &release.images, fallbacks: &release.fallbacks })
            }
            Some(Resolution::Unresolved { .. } | Resolution::Lacks(_)) | None => None,
        });
        let phase = phase(view, id, host, member, release, now);
        if let Some((group, member)) = member {
            of_groups.entry(group).or_default().push(MemberHost { member, host: Some(host), phase: Some(phase) });
        }
        phases.push((id.clone(), phase));
    }
    for (_, (group, member)) in members {
        of_groups.entry(group).or_default().push(MemberHost { member, host: None, phase: None });
    }
    (phases.into_iter().collect(), of_groups)
}

/// The images that a group shall run, and those of them that stand in for a newer one that failed there.
#[derive(Clone, Copy, Debug)]
pub struct Target<'a> {
    pub images: &'a BTreeSet<AmiId>,
    pub fallbacks: &'a BTreeSet<AmiId>,
}

/// The phase of one host. `release`: what its group shall run, where that is known.
pub fn phase(
    view: &ClusterView,
    id: &InstanceId,
    host: &Host,
    member: Option<(&GroupName, &Member)>,
    release: Option<Target<'_>>,
    now: Timestamp,
) -> Phase {
    match &host.ec2 {
        Seen::Missing => return Phase::Gone,
        Seen::Here(ec2) if ec2.state.is_gone() => return Phase::Gone,
        Seen::Here(_) | Seen::Unknown => {}
    }
    match (&host.ours, member) {
        // Whoever began it, nothing of ours is to be done any more.
        (_, Some((_, member))) if member.lifecycle == Lifecycle::Terminating => Phase::Ending,
        (Some(_), None) => phase_of_ours(view, id, host, now),
        // Tagged, and opted out before it was detached: it stays where it is.
        (Some(_), Some((group, _))) if !is_ours_to_touch(view, group) => Phase::Foreign,
        (Some(_), Some(_)) if host.give_back.is_some() => Phase::Returning,
        (Some(_), Some(_)) => Phase::Leaving,
        (None, _) if host.status() == Some(ContainerInstanceStatus::Draining) => Phase::SetAside,
        (None, None) => Phase::Foreign,
        (None, Some((group, member))) => phase_of_member(view, host, group, member, release),
    }
}

fn phase_of_ours(view: &ClusterView, id: &InstanceId, host: &Host, now: Timestamp) -> Phase {
    match &host.container {
        Seen::Missing => Phase::Retired,
        // Not asked yet: nothing follows from that.
        Seen::Unknown => Phase::Replacing,
        Seen::Here(container) => match container.status {
            ContainerInstanceStatus::Inactive => Phase::Retired,
            ContainerInstanceStatus::Active | ContainerInstanceStatus::Draining if host.give_back.is_some() => {
                Phase::Returning
            }
            ContainerInstanceStatus::Draining | ContainerInstanceStatus::Deregistering => {
                if is_drained(view, id, host, now) { Phase::Drained } else { Phase::Draining }
            }
            ContainerInstanceStatus::Active | ContainerInstanceStatus::Other => Phase::Replacing,
        },
    }
}

/// The phase of a member that is not ours, or would not be.
pub fn phase_of_member(
    view: &ClusterView,
    host: &Host,
    group: &GroupName,
    member: &Member,
    release: Option<Target<'_>>,
) -> Phase {
    if !is_ours_to_touch(view, group) || host.ec2.here().is_some_and(|ec2| ec2.managed) {
        return Phase::Foreign;
    }
    let Some(release) = release else { return Phase::Unknown };
    let in_place = if host.image().is_some_and(|image| release.fallbacks.contains(image)) {
        Phase::Behind
    } else {
        Phase::Current
    };
    let other_image = host.image().is_some_and(|image| !release.images.contains(image));
    if member.lifecycle == Lifecycle::Standby && other_image {
        return Phase::SetAside;
    }
    if member.lifecycle != Lifecycle::InService {
        return in_place;
    }
    // EC2 tells whole seconds: one that was launched in the same second is not known to be older.
    let before = view.forced_before().map(whole_second);
    let too_old = matches!((host.launched(), before), (Some(at), Some(before)) if at < before) && view.in_scope(group);
    if other_image || too_old { Phase::Outdated } else { in_place }
}

fn is_ours_to_touch(view: &ClusterView, group: &GroupName) -> bool {
    view.groups.get(group).is_some_and(GroupView::is_ours_to_touch)
}

/// Every task is STOPPED, by a look in this pass: none with desired status RUNNING, none pending, and every one that was
/// ever seen there or is listed as to be stopped has stopped.
fn is_drained(view: &ClusterView, id: &InstanceId, host: &Host, now: Timestamp) -> bool {
    let looked = view.is_fresh(&Look::Host(id.clone()), now) && view.is_fresh(&Look::Tasks(id.clone()), now);
    let Some(watch) = &host.watch else { return false };
    // The list of tasks that shall have stopped was read long enough after the first look, and not long ago.
    let settled = watch.last_look >= watch.since + READS_LAG;
    looked && settled && host.tasks_to_run() == 0 && watch.left().next().is_none() && watch.is_complete(READS_LAG)
}

/// What a host in a drain wants to know next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DrainStep {
    Look(Vec<Look>),
    /// Nothing before this time, if no event comes first.
    Wait(Option<Timestamp>),
}

/// Looks only when something says that the drain may be over: its tasks are said to have stopped; or a look (a sweep's, or
/// nothing for a long time) counted none that shall run: those that are known not to have stopped are on their way out.
pub fn drain_step(view: &ClusterView, id: &InstanceId, host: &Host, now: Timestamp) -> DrainStep {
    let (look_host, look_tasks) = (Look::Host(id.clone()), Look::Tasks(id.clone()));
    let Some(watch) = &host.watch else {
        // The list of its tasks was shorter than their count: one of the two reads lags behind.
        let lagging = view.has_looked(&look_tasks);
        return if lagging { DrainStep::Wait(Some(now + READS_LAG)) } else { DrainStep::Look(first_looks(view, id)) };
    };
    let overdue = watch.last_look + EVENTS_LOST_FOR;
    let looked_around = view.has_looked(&look_host) || now >= overdue;
    let may_be_over = watch.seems_over() || host.tasks_to_run() == 0 && looked_around;
    if !may_be_over {
        return DrainStep::Wait(Some(overdue).filter(|_| host.tasks_to_run() == 0));
    }
    let soonest =
        (watch.since + READS_LAG).max(if watch.seems_over() { watch.since } else { watch.last_look + READS_LAG });
    let looked_in_vain = view.has_looked(&look_host) && view.has_looked(&look_tasks);
    if looked_in_vain {
        return DrainStep::Wait(Some(soonest.max(watch.last_look + READS_LAG)));
    }
    if now < soonest {
        return DrainStep::Wait(Some(soonest));
    }
    if !view.has_looked(&look_host) {
        return DrainStep::Look(vec![look_host]);
    }
    if host.tasks_to_run() > 0 {
        // The events were ahead of the reads.
        return DrainStep::Wait(Some(now + READS_LAG));
    }
    DrainStep::Look(vec![look_tasks])
}

/// How many tasks there are, and which.
fn first_looks(view: &ClusterView, id: &InstanceId) -> Vec<Look> {
    let looks = [Look::Host(id.clone()), Look::Tasks(id.clone())];
    looks.into_iter().filter(|look| !view.has_looked(look)).collect()
}

/// Is some host of these phases in flight?
pub fn is_in_flight(phase: Phase) -> bool {
    match phase {
        Phase::Retired | Phase::Returning | Phase::Drained | Phase::Draining | Phase::Replacing | Phase::Leaving => {
            true
        }
        Phase::Gone
        | Phase::Ending
        | Phase::SetAside
        | Phase::Outdated
        | Phase::Unknown
        | Phase::Behind
        | Phase::Current
        | Phase::Foreign => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::effect::{ContainerInstance, Group, Instance, InstanceState, Launch};
    use crate::plan::policy::Policy;
    use crate::plan::rotation::{Ours, RotationId};
    use crate::plan::tags::Tags;

    const NOW: i64 = 1_000_000;

    fn time(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn view(opted_out: bool) -> ClusterView {
        let mut view = ClusterView::blank("arn:aws:ecs:r:1:cluster/c".into(), None);
        let enabled = if opted_out { "false" } else { "true" };
        let group = Group {
            name: "web".into(),
            min: 0,
            max: 3,
            desired: 3,
            members: Vec::new(),
            suspended: BTreeSet::new(),
            launch: Launch::Unknown,
            tags: BTreeMap::from([("t:enabled".to_owned(), enabled.to_owned())]),
            managed: false,
            counted_in: None,
            arn: None,
            zones: BTreeSet::new(),
            traffic_sources: BTreeSet::new(),
        };
        view.belonging.insert("web".into());
        view.groups.insert("web".into(), GroupView::new(group, &Tags::new("t:"), &Policy::default()));
        view
    }

    fn host(state: InstanceState, status: Option<ContainerInstanceStatus>, ours: bool, image: &str) -> Host {
        let ec2 = Instance {
            id: "i-1".into(),
            image: image.into(),
            state,
            launched: time(0),
            zone: "a".into(),
            tags: BTreeMap::new(),
            managed: false,
            architecture: "x86_64".to_owned(),
            windows: false,
            root_device: None,
        };
        let container = status.map_or(Seen::Missing, |status| {
            Seen::Here(ContainerInstance {
                arn: "arn:ci/1".into(),
                instance: Some("i-1".into()),
                status,
                agent_connected: true,
                running_tasks: 1,
                pending_tasks: 0,
                image: None,
                zone: None,
                registered: None,
                whole: None,
                free: None,
            })
        });
        let rotation = RotationId::new(&"c".into(), time(0));
        let ours = ours.then(|| Ours { rotation, group: "web".into(), since: time(0) });
        Host { ec2: Seen::Here(ec2), container, ours, ..Host::default() }
    }

    #[test]
    fn the_first_row_that_fits_is_the_phase() {
        use ContainerInstanceStatus::{Active, Draining, Inactive};
        use InstanceState::{Running, ShuttingDown};
        let (old, new) = ("ami-1", "ami-2");
        let (in_service, terminating) = (Some(Lifecycle::InService), Some(Lifecycle::Terminating));
        for (state, status, ours, member, image, expected) in [
            (ShuttingDown, Some(Active), true, in_service, old, Phase::Gone),
            (Running, None, true, None, old, Phase::Retired),
            (Running, Some(Inactive), true, None, old, Phase::Retired),
            (Running, Some(Draining), false, in_service, old, Phase::SetAside),
            (Running, Some(Draining), false, None, old, Phase::SetAside),
            (Running, Some(Draining), true, None, old, Phase::Draining),
            (Running, Some(Active), true, None, old, Phase::Replacing),
            (Running, Some(Active), true, in_service, old, Phase::Leaving),
            (Running, Some(Active), true, terminating, old, Phase::Ending),
            (Running, Some(Active), false, terminating, new, Phase::Ending),
            (Running, Some(Draining), false, terminating, old, Phase::Ending),
            (ShuttingDown, Some(Draining), false, terminating, old, Phase::Gone),
            (Running, Some(Active), false, in_service, old, Phase::Outdated),
            (Running, Some(Active), false, Some(Lifecycle::Standby), old, Phase::SetAside),
            (Running, Some(Active), false, Some(Lifecycle::Standby), new, Phase::Current),
            (Running, Some(Active), false, Some(Lifecycle::Pending), old, Phase::Current),
            (Running, Some(Active), false, in_service, new, Phase::Current),
            (Running, Some(Active), false, None, old, Phase::Foreign),
        ] {
            let (view, host) = (view(false), host(state, status, ours, image));
            let member = member.map(|lifecycle| Member {
                id: "i-1".into(),
                zone: "a".into(),
                lifecycle,
                weight: None,
                image: None,
            });
            let web = GroupName::from("web");
            let membership = member.as_ref().map(|member| (&web, member));
            let images = BTreeSet::from([AmiId::from(new)]);
            let release = Some(Target { images: &images, fallbacks: &BTreeSet::new() });
            let phase = phase(&view, &"i-1".into(), &host, membership, release, time(NOW));
            assert_eq!(phase, expected, "{state:?} {status:?} ours {ours} {member:?} {image}");
        }
    }

    #[test]
    fn a_host_is_current_only_where_its_release_is_known_and_is_the_newest() {
        let running = |image| host(InstanceState::Running, Some(ContainerInstanceStatus::Active), false, image);
        let (web, id) = (GroupName::from("web"), InstanceId::from("i-1"));
        let (images, none) = (BTreeSet::from([AmiId::from("ami-1")]), BTreeSet::new());
        let known = Target { images: &images, fallbacks: &none };
        let fallback = Target { images: &images, fallbacks: &images };
        for lifecycle in [Lifecycle::InService, Lifecycle::Pending, Lifecycle::PendingWait, Lifecycle::Standby] {
            let member = Member { id: id.clone(), zone: "a".into(), lifecycle, weight: None, image: None };
            let of =
                |release, image| phase(&view(false), &id, &running(image), Some((&web, &member)), release, time(NOW));
            assert_eq!(of(Some(known), "ami-1"), Phase::Current, "{lifecycle:?}");
            assert_eq!(of(None, "ami-1"), Phase::Unknown, "{lifecycle:?}");
            assert_eq!(of(Some(fallback), "ami-1"), Phase::Behind, "{lifecycle:?}");
        }
    }

    #[test]
    fn a_member_of_a_group_that_has_opted_out_is_foreign_even_when_it_carries_our_tag() {
        let member =
            Member { id: "i-1".into(), zone: "a".into(), lifecycle: Lifecycle::InService, weight: None, image: None };
        let (web, images, none) = (GroupName::from("web"), BTreeSet::from([AmiId::from("ami-2")]), BTreeSet::new());
        let release = Target { images: &images, fallbacks: &none };
        for ours in [false, true] {
            let host = host(InstanceState::Running, Some(ContainerInstanceStatus::Active), ours, "ami-1");
            let phase = phase(&view(true), &"i-1".into(), &host, Some((&web, &member)), Some(release), time(NOW));
            assert_eq!(phase, Phase::Foreign);
        }
    }

    #[test]
    fn the_image_that_its_group_names_goes_before_the_one_it_was_launched_with() {
        let mut host = host(InstanceState::Running, Some(ContainerInstanceStatus::Active), false, "ami-1");
        assert_eq!(host.image(), Some(&"ami-1".into()));
        host.image_of_member = Some("ami-2".into());
        assert_eq!(host.image(), Some(&"ami-2".into()), "its root volume was replaced");
    }

    #[test]
    fn a_host_launched_before_a_forced_rotation_is_outdated_whatever_its_image() {
        let member =
            Member { id: "i-1".into(), zone: "a".into(), lifecycle: Lifecycle::InService, weight: None, image: None };
        let (web, images, none) = (GroupName::from("web"), BTreeSet::from([AmiId::from("ami-2")]), BTreeSet::new());
        let release = Target { images: &images, fallbacks: &none };
        let host = host(InstanceState::Running, Some(ContainerInstanceStatus::Active), false, "ami-2");
        let mut view = view(false);
        for (before, scope, expected) in
            [(time(1), "web", Phase::Outdated), (time(0), "web", Phase::Current), (time(1), "api", Phase::Current)]
        {
            view.rotate_before = Some(before);
            view.rotation = "c/1 open 1970-01-01T00:00:00Z".parse().ok();
            view.scope = BTreeSet::from([scope.into()]);
            let phase = phase(&view, &"i-1".into(), &host, Some((&web, &member)), Some(release), time(NOW));
            assert_eq!(phase, expected, "{before} {scope}");
        }
    }
}
