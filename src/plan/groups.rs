//! The groups of an open rotation: first the release is written, then who goes next.

use std::collections::BTreeSet;

use jiff::Timestamp;

use super::act::Act;
use super::admission::not_whole;
use super::blocking::{Flight, block, flights};
use super::calendar::NotNow;
use super::canary::{Verdict, judge, new_images, reject};
use super::context::Context;
use super::host::{MemberHost, Phase};
use super::model::{GroupView, Look};
use super::output::{Plan, Wait, WaitsFor};
use super::problem::{Blocked, Problem};
use super::release::{Launching, Release, Resolution};
use super::rotation::RotationState;
use super::taking::{Bounds, admit, claims};
use super::timing::earlier;
use super::writing::{Pruning, Step, next_step, prune};
use crate::effect::Lifecycle;
use crate::id::GroupName;

pub fn plan_groups(context: &Context<'_>, plan: &mut Plan) {
    let Context { view, policy, resolutions, .. } = *context;
    note_resolutions(context, plan);
    let mut writing = BTreeSet::new();
    plan_way_back(context, &mut writing, plan);
    let open = view.rotation.as_ref().is_some_and(|rotation| rotation.state == RotationState::Open);
    // With a problem on the table nobody new starts.
    if !open || !plan.problems.is_empty() {
        plan.acts.extend(writing);
        return;
    }
    let flights = flights(view, context.stand_ins, plan);
    let all: u32 = flights.values().map(|flight| flight.in_flight).sum();
    let most_of_all = policy.max_in_flight_cluster.unwrap_or(u32::MAX);
    let mut room = most_of_all.saturating_sub(all);
    for (name, group) in view.groups.iter().filter(|(name, _)| view.in_scope(name)) {
        match resolutions.get(name) {
            Some(Resolution::Lacks(looks)) => plan.looks.extend(looks.iter().cloned()),
            Some(Resolution::Resolved(release)) if !is_time(context, name, group, release, plan) => {}
            Some(Resolution::Resolved(release)) if !release.is_in_use() => {
                write_release(context, name, group, release, Which::Newer, &mut writing, plan);
            }
            Some(Resolution::Resolved(release)) => {
                let flight = flights.get(name);
                let Some(most) = has_proof(context, name, group, release, flight, plan) else { continue };
                let bounds = Bounds { most, room, within: all <= most_of_all };
                room = room.saturating_sub(admit(context, name, group, release, flight, bounds, plan));
            }
            Some(Resolution::Unresolved { .. }) | None => {}
        }
    }
    plan.acts.extend(writing);
}

/// What failed is put back whatever the time and the state of the rotation: only not when there is none.
fn plan_way_back(context: &Context<'_>, writing: &mut BTreeSet<Act>, plan: &mut Plan) {
    let view = context.view;
    let Some(rotation) = view.rotation.as_ref().filter(|rotation| rotation.state != RotationState::Closed) else {
        return;
    };
    for (name, group) in view.groups.iter().filter(|(name, _)| view.in_scope(name)) {
        if let Some(Resolution::Resolved(release)) = context.resolutions.get(name) {
            write_release(context, name, group, release, Which::Before, writing, plan);
        }
        let taken = context.ours_of(name).iter().filter_map(|(_, host)| Some(host.ours.as_ref()?.since)).min();
        // In a rotation that a person has let go on since, it is not told again.
        let under_way = rotation.state != RotationState::Open;
        let is_news = |at: Timestamp| at >= rotation.since || (under_way && taken.is_some_and(|taken| at >= taken));
        let rejection = group.rejection.as_ref().filter(|rejection| is_news(rejection.at));
        if let Some(rejection) = rejection.filter(|_| group.is_ours_to_touch()) {
            plan.problems.insert(Problem::BadRelease { group: name.clone(), why: rejection.why.clone() });
        }
    }
}

/// How many hosts the proof of a release lets be in flight at a time: one while there is none, and nobody is taken while one
/// bakes. None: it is to be looked at first, or it has failed.
fn has_proof(
    context: &Context<'_>,
    name: &GroupName,
    group: &GroupView,
    release: &Release<'_>,
    flight: Option<&Flight>,
    plan: &mut Plan,
) -> Option<u32> {
    let in_flight = flight.map_or(0, |flight| flight.in_flight);
    let due = has_more_to_go(context, name);
    if in_flight == 0 && !due {
        return Some(u32::MAX);
    }
    match judge(context, name, group, release) {
        Verdict::Proven if !settled(context, group, release, due, plan) => Some(0),
        // Of two images (of two architectures) one may not have been tried: as long as that is so, one host at a time.
        Verdict::Proven if !new_images(context, name, release, group.policy.bake).is_empty() => Some(1),
        Verdict::Proven => Some(u32::MAX),
        Verdict::Untried => Some(1),
        Verdict::Baking { host, since, until } => {
            plan.look_again = earlier(plan.look_again, Some(until));
            if due {
                plan.waits.push(Wait { host, waits_for: WaitsFor::Bake, since, until, why: None });
            }
            Some(0)
        }
        Verdict::Lacks(looks) => {
            plan.looks.extend(looks);
            None
        }
        Verdict::Failed { images, why } => {
            reject(context, name, &images, &why, plan);
            None
        }
    }
}

/// Has the youngest host on the release served for as long as the next one shall wait?
fn settled<'a>(context: &Context<'a>, group: &GroupView, release: &Release<'_>, due: bool, plan: &mut Plan) -> bool {
    let settle = group.policy.settle;
    let registered = |of: &MemberHost<'a>| {
        let host = of.host.filter(|_| of.is_in_place())?;
        let on_release = host.image().is_some_and(|image| release.images.contains(image));
        Some((host.container.here()?.registered?, of.id())).filter(|_| on_release)
    };
    let members = context.members_of(&group.facts.name).iter();
    let Some((since, host)) = members.filter_map(registered).max() else { return true };
    let until = since + settle;
    if context.now >= until {
        return true;
    }
    plan.look_again = earlier(plan.look_again, Some(until));
    if due {
        plan.waits.push(Wait { host: host.clone(), waits_for: WaitsFor::Settle, since, until, why: None });
    }
    false
}

/// Is some host of it due, or claimed?
fn has_more_to_go(context: &Context<'_>, name: &GroupName) -> bool {
    context.members_of(name).iter().any(|of| of.is(Phase::Outdated)) || !claims(context, name).is_empty()
}

/// Nothing begins outside the maintenance window or in a freeze: no host is taken, and no template is written either, as
/// whatever the group launches for other reasons would be on the new image.
fn is_time(context: &Context<'_>, name: &GroupName, group: &GroupView, release: &Release<'_>, plan: &mut Plan) -> bool {
    if release.is_in_use() && !has_more_to_go(context, name) {
        return true;
    }
    match group.policy.calendar.admits(context.now) {
        Ok(()) => true,
        Err(NotNow { why, again }) => {
            plan.look_again = earlier(plan.look_again, again);
            plan.not_now.insert(name.clone(), why);
            false
        }
    }
}

fn note_resolutions(context: &Context<'_>, plan: &mut Plan) {
    plan.unresolved.extend(context.view.absent().map(|name| (name.clone(), super::output::NO_SUCH_GROUP.to_owned())));
    let unread = |(name, group): (&GroupName, &GroupView)| Some((name.clone(), group.opt_out_unread.clone()?));
    plan.unresolved.extend(context.view.groups.iter().filter_map(unread));
    for (name, resolution) in context.resolutions {
        match resolution {
            Resolution::Unresolved { reason } => {
                plan.unresolved.insert((*name).clone(), reason.clone());
            }
            Resolution::Resolved(release) => {
                let refused = release.launches.iter().filter_map(|launch| launch.refused.clone());
                let refused: Vec<String> = refused.collect::<BTreeSet<_>>().into_iter().collect();
                if !refused.is_empty() {
                    plan.refused.insert((*name).clone(), refused.join("; "));
                }
            }
            Resolution::Lacks(_) => {}
        }
    }
}

/// Which launches are written.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Which {
    /// Those that go back to what was before an image that failed.
    Before,
    Newer,
}

/// The next step of every launch that has not its release yet.
fn write_release(
    context: &Context<'_>,
    name: &GroupName,
    group: &GroupView,
    release: &Release<'_>,
    which: Which,
    writing: &mut BTreeSet<Act>,
    plan: &mut Plan,
) {
    let view = context.view;
    let wanted = |launch: &&Launching<'_>| !launch.is_in_use() && launch.back.is_some() == (which == Which::Before);
    for launch in release.launches.iter().filter(wanted) {
        // Another worker may know of a newer release than the one that was read here last.
        // And of an image that has failed.
        let of_group = Some(Look::Group(name.clone()));
        let of_all = launch.concerns_others().then_some(Look::Everybody);
        let looks = [Some(launch.look_at_origin()), launch.look_at_use(), of_group, of_all].into_iter().flatten();
        let looks: BTreeSet<Look> = looks.filter(|look| !view.is_fresh(look, context.now)).collect();
        if !looks.is_empty() {
            plan.looks.extend(looks);
            continue;
        }
        match next_step(view, name, group, launch, context.now) {
            Some(Step::Look(look)) => {
                plan.looks.insert(look);
            }
            // A policy is read, changed and sent as a whole: of two changes at once the later would undo the other.
            Some(Step::Act(act)) if changes(&act, name) && writing.iter().any(|act| changes(act, name)) => {}
            Some(Step::Act(act)) => {
                writing.insert(act);
            }
            Some(Step::Wait { again, why }) => {
                plan.look_again = earlier(plan.look_again, Some(again));
                block(context, name, group, &Blocked::NotWritten(why), plan);
            }
            None => {}
        }
    }
}

fn changes(act: &Act, name: &GroupName) -> bool {
    matches!(act, Act::ChangeLaunch { group, .. } if group == name)
}

/// Our old template versions, at the end of a rotation that wrote new ones.
pub fn plan_pruning(context: &Context<'_>, opened: Timestamp, plan: &mut Plan) {
    for (name, _) in context.view.groups.iter().filter(|(name, _)| context.view.in_scope(name)) {
        let Some(Resolution::Resolved(release)) = context.resolutions.get(name) else { continue };
        match prune(context, release, opened) {
            Pruning::Looks(looks) => plan.looks.extend(looks),
            Pruning::Act(act) if !plan.acts.contains(&act) => plan.acts.push(act),
            Pruning::Act(_) | Pruning::Nothing => {}
        }
    }
}

/// Blocks the end of a rotation on groups that are not whole. Members that somebody else drained are somebody else's; those that
/// their group ends fill no place.
pub fn plan_wholeness(context: &Context<'_>, plan: &mut Plan) {
    let view = context.view;
    for (name, group) in view.groups.iter().filter(|(name, group)| view.in_scope(name) && group.is_ours_to_touch()) {
        // A group without a release is left as it is, whole or not.
        if matches!(context.resolutions.get(name), Some(Resolution::Unresolved { .. })) {
            continue;
        }
        let is_aside = |of: &&MemberHost<'_>| of.is(Phase::SetAside) && of.member.lifecycle == Lifecycle::InService;
        let aside = context.members_of(name).iter().filter(is_aside);
        let aside: u32 = aside.map(|of| of.member.weight()).sum();
        let (ready, desired) = (context.strength(name).ready, group.facts.desired);
        if ready.saturating_add(aside) < desired {
            let why = not_whole(group, &view.hosts, ready, 0, context.now);
            block(context, name, group, &why, plan);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::effect::{
        Group, Image, Launch, LaunchChange, Member, Override, Parameter, ParameterKind, TemplateSpec, VersionRule,
    };
    use crate::plan::model::{ClusterView, Host, Seen};
    use crate::plan::plan;
    use crate::plan::policy::Policy;
    use crate::plan::rotation::{Ours, Rotation, RotationId};
    use crate::plan::tags::Tags;
    use std::collections::BTreeMap;

    const NOW: Timestamp = Timestamp::UNIX_EPOCH;

    fn image(id: &str) -> Image {
        Image {
            id: id.into(),
            name: String::new(),
            owner: "1".to_owned(),
            owner_alias: None,
            state: "available".to_owned(),
            architecture: "x86_64".to_owned(),
            windows: false,
            virtualization: "hvm".to_owned(),
            root_device: None,
            created: Some(NOW),
            deprecated: None,
        }
    }

    /// Two overrides with an image of their own each, and a parameter that names a third.
    fn view() -> ClusterView {
        let own = |id: &str| Override { instance_type: None, template: None, image: Some(id.to_owned()), weight: None };
        let base = TemplateSpec { template: "lt-1".into(), rule: VersionRule::Default };
        let facts = Group {
            name: "web".into(),
            min: 0,
            max: 0,
            desired: 0,
            members: Vec::new(),
            suspended: BTreeSet::new(),
            launch: Launch::Mixed { base, overrides: vec![own("ami-1"), own("ami-2")] },
            tags: BTreeMap::from([("t:ami-parameter".to_owned(), "/p".to_owned())]),
            managed: false,
            counted_in: None,
            arn: None,
            zones: BTreeSet::new(),
            traffic_sources: BTreeSet::new(),
        };
        let mut view = ClusterView::blank("arn:aws:ecs:r:1:cluster/c".into(), None);
        view.opted_in = true;
        let id = RotationId::new(&"c".into(), NOW);
        view.rotation = Some(Rotation { id, state: RotationState::Open, since: NOW });
        view.belonging.insert("web".into());
        view.hooks.insert("web".into(), Vec::new());
        view.groups.insert("web".into(), GroupView::new(facts, &Tags::new("t:"), &Policy::default()));
        view.images = ["ami-1", "ami-2", "ami-3"].map(|id| (id.into(), Seen::Here(image(id)))).into();
        let parameter =
            Parameter { value: "ami-3".to_owned(), kind: ParameterKind::String, data_type: None, modified: Some(NOW) };
        view.parameters.insert("/p".into(), Ok(parameter));
        view.looked = [Look::Group("web".into()), Look::Parameter("/p".into())].map(|look| (look, NOW)).into();
        view
    }

    #[test]
    fn regression_a_host_that_is_still_being_detached_explains_its_empty_place() {
        for (lifecycle, replacing) in [(Lifecycle::InService, 0), (Lifecycle::Detaching, 1)] {
            let mut view = view();
            let ours = Ours { rotation: RotationId::new(&"c".into(), NOW), group: "web".into(), since: NOW };
            view.hosts.insert("i-1".into(), Host { ours: Some(ours), ..Host::default() });
            let member = Member { id: "i-1".into(), zone: "a".into(), lifecycle, weight: None, image: None };
            view.groups.get_mut(&GroupName::from("web")).expect("the group").facts.members.push(member);
            let phases = BTreeMap::from([("i-1".into(), Phase::Leaving)]);
            let flights = flights(&view, &BTreeSet::new(), &Plan { phases, ..Plan::default() });
            let flight = &flights[&GroupName::from("web")];
            assert_eq!((flight.in_flight, flight.replacing), (1, replacing), "{lifecycle:?}");
        }
    }

    #[test]
    fn regression_a_policy_is_changed_in_one_place_at_a_time() {
        let mut view = view();
        for from in ["ami-1", "ami-2"] {
            let change = LaunchChange::Image { from: from.to_owned(), to: "ami-3".into() };
            let act = Act::ChangeLaunch { group: "web".into(), mixed: true, change: change.clone() };
            assert_eq!(plan(&view, &Policy::default(), NOW).acts, [act]);
            let group = view.groups.get_mut(&GroupName::from("web")).expect("the group");
            assert!(group.facts.launch.apply(&change));
        }
        assert_eq!(plan(&view, &Policy::default(), NOW).acts, []);
    }
}
