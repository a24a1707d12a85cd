//! Taking hosts, step by step: a claim, and when it is ripe the detach. Why it is done so stands in [`admission`](super::admission).

use std::collections::BTreeSet;

use jiff::Timestamp;

use super::act::Act;
use super::admission::{gate, is_known_to_let_go, lapses_at, may_be_let_go_from, order, stands};
use super::blocking::{Flight, block, is_left_alone};
use super::context::Context;
use super::host::{MemberHost, Phase, Target, phase_of_member};
use super::model::{ClusterView, GroupView, Host, Look};
use super::others;
use super::output::Plan;
use super::problem::Blocked;
use super::release::{Launching, Release};
use super::rotation::Ours;
use super::tenants::{Admissible, admissible};
use super::timing::{CLAIM_GOOD_FOR, NEXT_PASS, READS_LAG, REFUSED_FOR, TENANTS_AGAIN, earlier};
use crate::effect::Member;
use crate::id::{GroupName, InstanceId};

/// What bounds a group beside its own budget.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    /// So many hosts of it may be in flight by the proof of its release.
    pub(super) most: u32,
    /// So many more of the cluster may be claimed.
    pub(super) room: u32,
    /// Those of the cluster are within its budget.
    pub(super) within: bool,
}

/// A member that is claimed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Claim<'a> {
    id: &'a InstanceId,
    host: &'a Host,
    member: &'a Member,
    ours: &'a Ours,
}

impl Claim<'_> {
    /// May it be acted on, as far as its age goes?
    fn is_good(&self, now: Timestamp) -> bool {
        now <= self.ours.since + CLAIM_GOOD_FOR
    }

    /// From when on nobody can have claimed another one without that being seen.
    fn ripe_at(&self, now: Timestamp) -> Timestamp {
        self.host.claimed.unwrap_or(now) + READS_LAG
    }
}

/// The members of a group that are claimed, for themselves and not in another's stead.
pub(super) fn claims<'a>(context: &Context<'a>, name: &GroupName) -> Vec<Claim<'a>> {
    let leaving = context.members_of(name).iter().filter(|of| of.is(Phase::Leaving) && of.member.is_in_place());
    let claim = |of: &MemberHost<'a>| {
        let (id, host) = of.known()?;
        let refused = host.refused.is_some_and(|refused| context.now < refused + REFUSED_FOR);
        let ours = host.ours.as_ref().filter(|_| !refused && !context.stands_in(id))?;
        Some(Claim { id, host, member: of.member, ours })
    };
    leaving.filter_map(claim).collect()
}

/// Detaches those whose claim is ripe, and claims as many as may go now; returns how many those are.
pub(super) fn admit(
    context: &Context<'_>,
    name: &GroupName,
    group: &GroupView,
    release: &Release<'_>,
    flight: Option<&Flight>,
    bounds: Bounds,
    plan: &mut Plan,
) -> u32 {
    let view = context.view;
    let none = Flight::default();
    let flight = flight.unwrap_or(&none);
    let budget = group.policy.max_in_flight.hosts(group.size()).min(bounds.most);
    let within = flight.in_flight <= budget && bounds.within;
    let Some(again) = confirm(context, name, group, within, plan) else { return 0 };
    let Some((renewed, lapsed)) = outdated_claims(context, name, release, again, plan) else { return 0 };
    let renewed: BTreeSet<InstanceId> = renewed.iter().filter(|_| within).map(|claim| claim.id.clone()).collect();
    let room = budget.saturating_sub(flight.in_flight).min(bounds.room);
    let due = context.members_of(name).iter().filter(|of| of.is(Phase::Outdated)).filter_map(MemberHost::known);
    let has_due = due.clone().next().is_some();
    if renewed.is_empty() && (room == 0 || (lapsed.is_empty() && !has_due)) {
        return 0;
    }
    if !agreed(context, release, plan) {
        return 0;
    }
    let looks = lacking(context, name, group, release);
    if !looks.is_empty() {
        plan.looks.extend(looks);
        return 0;
    }
    if !others::lets_go(context, name, plan) {
        return 0;
    }
    let (replacing, emptying) = (group.capacity_of(flight.replacing), group.capacity_of(flight.emptying));
    let gate = others::alarms(view, group)
        .and_then(|()| gate(group, &view.hosts, context.strength(name), replacing, emptying, context.now));
    if let Err(why) = gate {
        block(context, name, group, &why, plan);
        return 0;
    }
    let mut next = order(view, lapsed.iter().map(|claim| (claim.id, claim.host)));
    if room > 0 && has_due {
        match admissible(view, group, order(view, due)) {
            Admissible::Hosts(due) => next.extend(due),
            Admissible::Look(looks) => {
                plan.looks.extend(looks);
                return 0;
            }
            Admissible::Nobody(why) if next.is_empty() && renewed.is_empty() => {
                plan.look_again = earlier(plan.look_again, Some(context.now + TENANTS_AGAIN));
                block(context, name, group, &Blocked::Tenants(why), plan);
                return 0;
            }
            Admissible::Nobody(_) => {}
        }
    }
    next.truncate(usize::try_from(room).unwrap_or(usize::MAX));
    let admitted = u32::try_from(next.len()).unwrap_or(u32::MAX);
    let hosts: BTreeSet<InstanceId> = renewed.into_iter().chain(next).collect();
    // The order is a fixed one: nobody goes instead of one whose claim AWS has refused.
    let known = hosts.iter().filter_map(|id| view.hosts.get_key_value(id));
    if known.into_iter().any(|(id, host)| is_left_alone(id, host, context.now, plan)) {
        return 0;
    }
    if !hosts.is_empty() {
        plan.acts.push(Act::Claim { group: name.clone(), hosts });
    }
    admitted
}

/// Detaches the hosts whose claims are ripe, if all that are in flight are `within` the budget. Returns the claims that are too
/// old to be acted on; None: a look is needed first.
fn confirm<'a>(
    context: &Context<'a>,
    name: &GroupName,
    group: &GroupView,
    within: bool,
    plan: &mut Plan,
) -> Option<Vec<Claim<'a>>> {
    let (view, now) = (context.view, context.now);
    let (good, old): (Vec<Claim<'_>>, Vec<Claim<'_>>) =
        claims(context, name).into_iter().partition(|claim| claim.is_good(now));
    let (ripe, unripe): (Vec<Claim<'_>>, Vec<Claim<'_>>) =
        good.into_iter().partition(|claim| now >= claim.ripe_at(now));
    plan.look_again = earlier(plan.look_again, unripe.iter().map(|claim| claim.ripe_at(now)).min());
    if ripe.is_empty() && old.is_empty() {
        return Some(old);
    }
    let looks = [Look::Ours, Look::Group(name.clone()), Look::Cluster];
    let lacking: Vec<Look> = looks.iter().filter(|look| !is_known(view, look, now)).cloned().collect();
    if !lacking.is_empty() {
        plan.looks.extend(lacking);
        return None;
    }
    if !within {
        let lapses =
            ripe.iter().chain(&unripe).chain(&old).map(|claim| lapses_at(claim.ours)).filter(|at| now < *at).min();
        plan.look_again = earlier(plan.look_again, Some(lapses.unwrap_or(now + READS_LAG)));
        return Some(old);
    }
    // Of either read: when it began.
    let read = looks[..2].iter().map(|look| view.looked.get(look)).min().flatten();
    let (seen, unseen): (Vec<Claim<'_>>, Vec<Claim<'_>>) =
        ripe.into_iter().partition(|claim| read.is_some_and(|read| *read >= claim.ripe_at(now)));
    if !unseen.is_empty() {
        plan.look_again = earlier(plan.look_again, Some(now + NEXT_PASS));
    }
    // Another worker may have let it go, on a read that was older than the claim.
    let shown = view.looked.get(&Look::Ours).copied();
    let (seen, gone): (Vec<Claim<'_>>, Vec<Claim<'_>>) =
        seen.into_iter().partition(|claim| claim.host.tags_read >= shown);
    let again = gone.iter().map(|claim| Look::Instance(claim.id.clone()));
    let again: BTreeSet<Look> = again.filter(|look| !view.is_fresh(look, now)).collect();
    if !again.is_empty() {
        plan.looks.extend(again);
        return None;
    }
    if !seen.is_empty() && !group.launches_suspended() {
        let hosts = seen.iter().map(|claim| claim.id.clone()).collect();
        plan.acts.push(Act::Detach { group: name.clone(), hosts, decrement: false });
    }
    Some(old)
}

/// The claims that are to be written anew: those that still count, and those that have lapsed. One that has, and whose host is not
/// due any more, is taken back. None: a look is needed first.
fn outdated_claims<'a>(
    context: &Context<'a>,
    name: &GroupName,
    release: &Release<'_>,
    old: Vec<Claim<'a>>,
    plan: &mut Plan,
) -> Option<(Vec<Claim<'a>>, Vec<Claim<'a>>)> {
    let view = context.view;
    let (renewed, lapsed): (Vec<Claim<'_>>, Vec<Claim<'_>>) =
        old.into_iter().partition(|claim| stands(view, claim.ours));
    let target = Target { images: &release.images, fallbacks: &release.fallbacks };
    let is_due =
        |claim: &Claim<'_>| phase_of_member(view, claim.host, name, claim.member, Some(target)) == Phase::Outdated;
    let (lapsed, current): (Vec<Claim<'_>>, Vec<Claim<'_>>) = lapsed.into_iter().partition(is_due);
    let (current, young): (Vec<Claim<'_>>, Vec<Claim<'_>>) =
        current.into_iter().partition(|claim| context.now >= may_be_let_go_from(claim.ours));
    let first = young.iter().map(|claim| may_be_let_go_from(claim.ours)).min();
    plan.look_again = earlier(plan.look_again, first);
    let looks = current.iter().map(|claim| (claim, Look::Instance(claim.id.clone())));
    let looks = looks.filter(|(claim, look)| !is_known_to_let_go(view, claim.ours, look, context.now));
    let looks: BTreeSet<Look> = looks.map(|(_, look)| look).collect();
    if !looks.is_empty() {
        plan.looks.extend(looks);
        return None;
    }
    if !current.is_empty() {
        plan.acts.push(Act::LetGo { hosts: current.iter().map(|claim| claim.id.clone()).collect() });
    }
    Some((renewed, lapsed))
}

/// Do all workers see the same release by now? Where a group launches in several ways, one whose reads lag behind sees some of
/// them as they were: other hosts are outdated by that, and another one would be the first to go.
fn agreed(context: &Context<'_>, release: &Release<'_>, plan: &mut Plan) -> bool {
    if release.launches.len() < 2 {
        return true;
    }
    let soonest = release.since().saturating_add(READS_LAG).unwrap_or(Timestamp::MAX);
    if context.now < soonest {
        plan.look_again = earlier(plan.look_again, Some(soonest));
    }
    context.now >= soonest
}

/// Well enough to take a host. A person who has stopped the rotation is heard in the pass that would take one.
fn is_known(view: &ClusterView, look: &Look, now: Timestamp) -> bool {
    if *look == Look::Cluster { view.is_fresh(look, now) } else { view.is_known(look, now) }
}

/// The group as it is now, whom other workers may have tagged meanwhile, whether somebody has paused the rotation or moved
/// the template to another release, what others are at. A member of which nobody has heard does not count; the sweep finds it, if the event was lost.
fn lacking(context: &Context<'_>, name: &GroupName, group: &GroupView, release: &Release<'_>) -> BTreeSet<Look> {
    let view = context.view;
    let first = [Look::Group(name.clone()), Look::Ours, Look::Cluster].into_iter().chain(release.looks_at_use());
    let first = first.chain([Look::Hooks(name.clone())]).chain(others::looks(view, name, group, context.now));
    // Of several images in use one may be old, and the parameter that says so was read when it lagged behind.
    let origins = release.launches.iter().filter(|_| release.launches.len() > 1).map(Launching::look_at_origin);
    let first = first.chain(origins);
    first.filter(|look| !is_known(view, look, context.now)).collect()
}
